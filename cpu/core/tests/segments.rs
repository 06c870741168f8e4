//! Segment loads, segment checks and far transfers.

mod common;

use aero_cpu::bits::{cr0, rflags};
use aero_cpu::{Exception, Mode, OperandSize, RSP, SegReg, Segment, SegmentAttributes, vector};
use common::*;

const DS: SegReg = SegReg::Ds;
/// A free place in the GDT.
const FREE: u16 = 0x50;
const FREE2: u16 = 0x58;

#[test]
fn real_mode_loads_keep_the_limit() {
    let mut m = Machine::new();
    m.cpu.segs[DS as usize].limit = u32::MAX;
    m.cpu.segment_changed(DS);
    let mut e = m.exec();
    e.load_segment(DS, 0x1234).unwrap();
    e.load_segment(SegReg::Es, 0x1234).unwrap();
    assert_eq!((e.cpu.seg(DS).base, e.cpu.seg(DS).limit), (0x1_2340, u32::MAX));
    assert!(e.read_u8(DS, 0x10_0000).is_ok());
    assert_eq!(e.read_u8(SegReg::Es, 0x1_0000), Err(Exception::gp(0)));
    assert_eq!(e.read_u16(SegReg::Es, 0xffff), Err(Exception::gp(0)));
    assert_eq!(e.read_u16(SegReg::Ss, 0xffff), Err(Exception::ss(0)));
}

#[test]
fn data_segment_loads_check_type_privilege_and_presence() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, descriptor(0, 0xfff, 0x010 | 0x03)); // writable data, not present
    m.set_gdt(FREE2, descriptor(0, 0xfff, 0x098)); // execute-only code
    let mut e = m.exec();
    e.load_segment(DS, 0).unwrap();
    assert_eq!(fault(e.read_u8(DS, 0)), (vector::GP, Some(0)));
    e.load_segment(DS, 3).unwrap();
    assert_eq!(fault(e.load_segment(DS, FREE)), (vector::NP, Some(FREE.into())));
    assert_eq!(fault(e.load_segment(DS, FREE2)), (vector::GP, Some(FREE2.into())));
    assert_eq!(fault(e.load_segment(DS, TSS_SELECTOR)), (vector::GP, Some(0x28)));
    assert_eq!(fault(e.load_segment(DS, 0x100)), (vector::GP, Some(0x100)));
    assert_eq!(fault(e.load_segment(DS, 0x0c)), (vector::GP, Some(0x0c)));
    // RPL 3 may not use a DPL 0 segment, code may be read if it says so.
    assert_eq!(fault(e.load_segment(DS, KERNEL_DATA | 3)), (vector::GP, Some(0x10)));
    e.load_segment(DS, KERNEL_CODE).unwrap();
    assert_eq!(fault(e.write_u8(DS, 0, 0)), (vector::GP, Some(0)));
    assert!(e.read_u8(DS, 0).is_ok());
}

#[test]
fn a_load_sets_the_accessed_bit_in_memory() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, descriptor(0, 0xfff, 0x092));
    m.exec().load_segment(DS, FREE).unwrap();
    assert_eq!(m.platform.u64_at(GDT + 0x50) >> 40 & 0xff, 0x93);
    assert_eq!(m.cpu.seg(DS).attributes, SegmentAttributes(0x093));
}

#[test]
fn stack_segment_loads_are_stricter() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, descriptor(0, 0xfff, 0x091)); // read-only
    m.set_gdt(FREE2, descriptor(0, 0xfff, 0x013)); // not present
    let mut e = m.exec();
    assert_eq!(fault(e.load_segment(SegReg::Ss, 0)), (vector::GP, Some(0)));
    assert_eq!(fault(e.load_segment(SegReg::Ss, FREE)), (vector::GP, Some(FREE.into())));
    assert_eq!(fault(e.load_segment(SegReg::Ss, FREE2)), (vector::SS, Some(FREE2.into())));
    assert_eq!(fault(e.load_segment(SegReg::Ss, USER_DATA)), (vector::GP, Some(0x20)));
    e.load_segment(SegReg::Ss, KERNEL_DATA).unwrap();
}

#[test]
fn expand_down_segments_are_valid_above_their_limit() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, descriptor(0, 0xfff, 0x097));
    m.set_gdt(FREE2, descriptor(0, 0xfff, 0x497));
    let mut e = m.exec();
    e.load_segment(DS, FREE).unwrap();
    assert_eq!(e.read_u8(DS, 0xfff), Err(Exception::gp(0)));
    assert!(e.write_u16(DS, 0x1000, 1).is_ok());
    assert!(e.read_u16(DS, 0xfffe).is_ok());
    assert_eq!(e.read_u16(DS, 0xffff), Err(Exception::gp(0)));
    e.load_segment(DS, FREE2).unwrap();
    assert!(e.read_u8(DS, 0x1_0000).is_ok());
}

#[test]
fn limits_count_bytes_or_pages() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, descriptor(0x5000, 0xfff, 0x093));
    m.set_gdt(FREE2, descriptor(0x5000, 1, 0x893));
    m.platform.load(0x5fff, &[7]);
    let mut e = m.exec();
    e.load_segment(DS, FREE).unwrap();
    assert_eq!(e.read_u8(DS, 0xfff), Ok(7));
    assert_eq!(e.read_u16(DS, 0xfff), Err(Exception::gp(0)));
    assert_eq!(e.read_u32(DS, u64::from(u32::MAX)), Err(Exception::gp(0)));
    e.load_segment(DS, FREE2).unwrap();
    assert!(e.read_u32(DS, 0x1ffc).is_ok());
    assert_eq!(e.read_u32(DS, 0x1ffd), Err(Exception::gp(0)));
}

#[test]
fn the_ldt_is_used_with_table_indicator_1() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, descriptor(LDT as u32, 0xf, 0x082));
    m.platform.load_u64(LDT + 8, descriptor(0x9000, 0xfff, DATA16));
    let mut e = m.exec();
    assert_eq!(fault(e.load_segment(DS, 0x0c)), (vector::GP, Some(0x0c)));
    assert_eq!(fault(e.lldt(KERNEL_DATA)), (vector::GP, Some(0x10)));
    e.lldt(FREE).unwrap();
    e.load_segment(DS, 0x0c).unwrap();
    assert_eq!(e.cpu.seg(DS).base, 0x9000);
    assert_eq!(fault(e.load_segment(DS, 0x14)), (vector::GP, Some(0x14)));
    e.lldt(0).unwrap();
    assert_eq!(fault(e.load_segment(DS, 0x0c)), (vector::GP, Some(0x0c)));
}

#[test]
fn ltr_marks_the_tss_busy_and_takes_only_available_ones() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    assert_eq!(fault(e.ltr(TSS_SELECTOR)), (vector::GP, Some(0x28)));
    assert_eq!(fault(e.ltr(0)), (vector::GP, Some(0)));
    drop(e);
    m.set_gdt(FREE, descriptor(0x9000, 0x67, 0x089));
    m.exec().ltr(FREE).unwrap();
    assert_eq!(m.platform.u64_at(GDT + 0x50) >> 40 & 0xff, 0x8b);
    assert_eq!((m.cpu.tr.base, m.cpu.tr.limit), (0x9000, 0x67));
}

#[test]
fn in_long_mode_a_tss_descriptor_has_sixteen_bytes() {
    let mut m = Machine::long();
    m.set_gdt(FREE, descriptor(0x9000, 0x67, 0x089));
    m.platform.load_u64(GDT + 0x58, 0xffff_8000);
    m.exec().ltr(FREE).unwrap();
    assert_eq!(m.cpu.tr.base, 0xffff_8000_0000_9000);
    m.set_gdt(FREE, descriptor(0x9000, 0x67, 0x089));
    m.platform.load_u64(GDT + 0x58, 0x8000_0000);
    assert_eq!(fault(m.exec().ltr(FREE)), (vector::GP, Some(FREE.into())));
}

#[test]
fn lar_lsl_verr_and_verw_say_what_they_may() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, gate(KERNEL_CODE, 0, 0xec, 0));
    let mut e = m.exec();
    assert_eq!(e.lar(KERNEL_CODE), Ok(Some(0x00c0_9b00)));
    assert_eq!(e.lsl(KERNEL_DATA), Ok(Some(u32::MAX)));
    assert_eq!(e.lar(KERNEL_CODE | 3), Ok(None));
    assert_eq!(e.lar(0), Ok(None));
    assert_eq!(e.lar(FREE).unwrap().map(|r| r & 0xff00), Some(0xec00));
    assert_eq!(e.lsl(FREE), Ok(None));
    assert_eq!(e.lsl(TSS_SELECTOR), Ok(Some(0x67)));
    assert_eq!((e.verr(KERNEL_CODE), e.verw(KERNEL_CODE)), (Ok(true), Ok(false)));
    assert_eq!((e.verr(KERNEL_DATA), e.verw(KERNEL_DATA)), (Ok(true), Ok(true)));
    assert_eq!(e.verr(TSS_SELECTOR), Ok(false));
    drop(e);
    assert_eq!(Machine::new().exec().lar(8), Err(Exception::ud()));
}

#[test]
fn a_far_jump_in_real_mode_sets_the_base() {
    let mut m = Machine::new();
    let mut e = m.exec();
    e.far_jump(0xf000, 0xe05b, OperandSize::Word).unwrap();
    assert_eq!((e.next_rip, e.cpu.seg(SegReg::Cs).base), (0xe05b, 0xf_0000));
    assert_eq!(fault(e.far_jump(0, 0x1_0000, OperandSize::Dword)), (vector::GP, Some(0)));
}

#[test]
fn the_way_into_protected_and_long_mode_and_back() {
    use aero_cpu::bits::{cr0, cr4, efer};
    let mut m = Machine::long();
    let (gdtr, idtr) = (m.cpu.gdtr, m.cpu.idtr);
    m.cpu.reset();
    (m.cpu.gdtr, m.cpu.idtr) = (gdtr, idtr);
    let mut e = m.exec();
    assert_eq!(e.cpu.mode(), Mode::Real);
    e.write_cr(0, cr0::PE).unwrap();
    assert_eq!(e.cpu.mode(), Mode::Prot16);
    assert!(e.read_u8(DS, 0x10).is_ok());
    e.far_jump(KERNEL_CODE, 0x7000, OperandSize::Dword).unwrap();
    assert_eq!(e.cpu.mode(), Mode::Prot32);
    e.load_segment(SegReg::Ss, KERNEL_DATA).unwrap();
    assert_eq!(e.cpu.stack_mask(), 0xffff_ffff);
    e.write_cr(4, cr4::PAE).unwrap();
    e.write_cr(3, TABLES).unwrap();
    e.cpu.regs[1] = 0xc000_0080;
    e.cpu.regs[0] = efer::LME | efer::NXE;
    e.cpu.regs[2] = 0;
    e.wrmsr().unwrap();
    e.write_cr(0, cr0::PE | cr0::PG).unwrap();
    assert_eq!((e.cpu.mode(), e.cpu.efer & efer::LMA), (Mode::Compat32, efer::LMA));
    e.far_jump(KERNEL_CODE64, 0x7000, OperandSize::Dword).unwrap();
    assert_eq!(e.cpu.mode(), Mode::Long64);
    // Paging cannot be left from 64-bit code, nor PAE while in long mode.
    assert_eq!(fault(e.write_cr(0, cr0::PE)), (vector::GP, Some(0)));
    assert_eq!(fault(e.write_cr(4, 0)), (vector::GP, Some(0)));
    e.cpu.regs[RSP] = 0x6000;
    e.push_sized(OperandSize::Qword, KERNEL_CODE.into()).unwrap();
    e.push_sized(OperandSize::Qword, 0x7100).unwrap();
    e.far_return(OperandSize::Qword, 0).unwrap();
    assert_eq!((e.cpu.mode(), e.next_rip), (Mode::Compat32, 0x7100));
    e.write_cr(0, cr0::PE).unwrap();
    assert_eq!((e.cpu.mode(), e.cpu.efer & efer::LMA), (Mode::Prot32, 0));
    e.write_cr(0, 0).unwrap();
    assert_eq!(e.cpu.mode(), Mode::Real);
}

#[test]
fn far_jumps_check_conforming_and_nonconforming_code() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, descriptor(0, 0xfff, 0x09f)); // conforming, DPL 0
    m.set_gdt(FREE2, descriptor(0, 0xfff, 0x01b)); // not present
    let mut e = m.exec();
    let far = |e: &mut aero_cpu::Exec<'_>, s, o| e.far_jump(s, o, OperandSize::Dword);
    assert_eq!(fault(far(&mut e, 0, 0)), (vector::GP, Some(0)));
    assert_eq!(fault(far(&mut e, KERNEL_DATA, 0)), (vector::GP, Some(0x10)));
    assert_eq!(fault(far(&mut e, USER_CODE, 0)), (vector::GP, Some(0x18)));
    assert_eq!(fault(far(&mut e, FREE2, 0)), (vector::NP, Some(FREE2.into())));
    assert_eq!(fault(far(&mut e, FREE, 0x1000)), (vector::GP, Some(0)));
    drop(e);
    m.go_user();
    let mut e = m.exec();
    assert_eq!(fault(far(&mut e, KERNEL_CODE, 0)), (vector::GP, Some(8)));
    far(&mut e, FREE, 0x10).unwrap();
    assert_eq!((e.cpu.cpl(), e.cpu.seg(SegReg::Cs).selector), (3, FREE | 3));
}

#[test]
fn far_calls_push_and_far_returns_pop() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    e.next_rip = 0x7005;
    e.far_call(KERNEL_CODE, 0x9000, OperandSize::Dword).unwrap();
    assert_eq!((e.next_rip, e.cpu.regs[RSP]), (0x9000, 0x6000 - 8));
    assert_eq!(e.read_u64(SegReg::Ss, 0x6000 - 8), Ok(0x8_0000_7005));
    e.far_return(OperandSize::Dword, 4).unwrap();
    assert_eq!((e.next_rip, e.cpu.regs[RSP]), (0x7005, 0x6004));
    e.next_rip = 0x7005;
    e.far_call(KERNEL_CODE, 0x9000, OperandSize::Word).unwrap();
    assert_eq!(e.cpu.regs[RSP], 0x6000);
}

#[test]
fn a_call_gate_switches_stacks_and_copies_parameters() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, gate(KERNEL_CODE, 0x9000, 0xec, 2));
    m.set_stack0(0xb000, KERNEL_DATA);
    m.go_user();
    let mut e = m.exec();
    e.cpu.regs[RSP] = 0x5000;
    e.push(0x1111u32).unwrap();
    e.push(0x2222u32).unwrap();
    e.next_rip = 0x7007;
    e.far_call(FREE | 3, 0xdead_beef, OperandSize::Dword).unwrap();
    assert_eq!((e.cpu.cpl(), e.next_rip, e.cpu.regs[RSP]), (0, 0x9000, 0xb000 - 24));
    assert_eq!(e.cpu.seg(SegReg::Ss).selector, KERNEL_DATA);
    let frame: Vec<u32> =
        (0..6).map(|i| e.read_u32(SegReg::Ss, 0xb000 - 24 + i * 4).unwrap()).collect();
    assert_eq!(frame, [0x7007, USER_CODE.into(), 0x2222, 0x1111, 0x4ff8, USER_DATA.into()]);
    // And back, releasing the parameters on both stacks; DS was the user's and stays.
    e.load_segment(SegReg::Es, KERNEL_DATA).unwrap();
    e.far_return(OperandSize::Dword, 8).unwrap();
    assert_eq!((e.cpu.cpl(), e.next_rip, e.cpu.regs[RSP]), (3, 0x7007, 0x5000));
    assert_eq!(e.cpu.seg(SegReg::Ds).selector, USER_DATA);
    assert!(!e.cpu.seg(SegReg::Es).usable);
}

#[test]
fn call_gates_check_their_own_privilege_and_the_new_stack() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, gate(KERNEL_CODE, 0x9000, 0x8c, 0));
    m.set_gdt(FREE2, gate(KERNEL_CODE, 0x9000, 0xec, 0));
    m.set_stack0(0xb000, USER_DATA);
    m.go_user();
    let mut e = m.exec();
    let call = |e: &mut aero_cpu::Exec<'_>, s| fault(e.far_call(s, 0, OperandSize::Dword));
    assert_eq!(call(&mut e, FREE), (vector::GP, Some(FREE.into())));
    assert_eq!(call(&mut e, FREE2), (vector::TS, Some(0x20)));
    // A jump cannot go inwards.
    assert_eq!(fault(e.far_jump(FREE2, 0, OperandSize::Dword)), (vector::GP, Some(8)));
}

#[test]
fn a_64_bit_call_gate_takes_its_stack_from_the_tss_and_a_null_ss() {
    let mut m = Machine::long();
    m.set_gdt(FREE, gate(KERNEL_CODE64, 0x9000, 0xec, 0));
    m.platform.load_u64(GDT + 0x58, 0);
    m.platform.load_u64(TSS + 4, 0xb000);
    m.cpu.tr.attributes = SegmentAttributes(0x8b);
    m.go_user();
    m.cpu.segs[SegReg::Cs as usize].selector = USER_CODE64;
    let mut e = m.exec();
    e.cpu.regs[RSP] = 0x5000;
    e.next_rip = 0x7007;
    e.far_call(FREE | 3, 0, OperandSize::Dword).unwrap();
    assert_eq!((e.cpu.cpl(), e.next_rip, e.cpu.regs[RSP]), (0, 0x9000, 0xb000 - 32));
    assert!(!e.cpu.seg(SegReg::Ss).usable);
    let frame: Vec<u64> =
        (0..4).map(|i| e.read_u64(SegReg::Ss, 0xb000 - 32 + i * 8).unwrap()).collect();
    assert_eq!(frame, [0x7007, USER_CODE64.into(), 0x5000, USER_DATA.into()]);
    e.far_return(OperandSize::Qword, 0).unwrap();
    assert_eq!((e.cpu.cpl(), e.next_rip, e.cpu.regs[RSP]), (3, 0x7007, 0x5000));
}

#[test]
fn in_64_bit_mode_only_fs_and_gs_have_a_base() {
    let mut m = Machine::long();
    m.platform.load(0x5008, &[8]);
    m.platform.load(0x8, &[1]);
    for which in [DS, SegReg::Fs] {
        m.cpu.segs[which as usize] = Segment::new(0, 0x5000, 0, SegmentAttributes(0));
        m.cpu.segment_changed(which);
    }
    let mut e = m.exec();
    assert_eq!(e.read_u8(DS, 8), Ok(1));
    assert_eq!(e.read_u8(SegReg::Fs, 8), Ok(8));
    e.load_segment(SegReg::Fs, 0).unwrap();
    assert_eq!(e.read_u8(SegReg::Fs, 8), Ok(1));
    e.load_segment(SegReg::Ss, 0).unwrap();
    assert!(e.push(1u64).is_ok());
}

#[test]
fn near_branches_check_the_limit_or_canonical_form() {
    let mut m = Machine::new();
    let mut e = m.exec();
    assert!(e.branch(0xffff).is_ok());
    assert_eq!(e.branch(0x1_0000), Err(Exception::gp(0)));
    drop(e);
    let mut m = Machine::long();
    let mut e = m.exec();
    assert!(e.branch(0xffff_8000_0000_0000).is_ok());
    assert_eq!(e.branch(0x8000_0000_0000), Err(Exception::gp(0)));
}

#[test]
fn the_stack_pointer_is_as_wide_as_the_stack_segment() {
    let mut m = Machine::protected();
    m.set_gdt(FREE, descriptor(0x9000, 0xffff, DATA16));
    let mut e = m.exec();
    e.load_segment(SegReg::Ss, FREE).unwrap();
    e.cpu.regs[RSP] = 0x1234_0000;
    e.push(7u32).unwrap();
    assert_eq!(e.cpu.regs[RSP], 0x1234_fffc);
    assert_eq!(e.pop::<u32>(), Ok(7));
    assert_eq!(e.cpu.regs[RSP], 0x1234_0000);
    // A push that faults leaves the pointer alone.
    e.cpu.regs[RSP] = 1;
    assert_eq!(e.push(7u32), Err(Exception::ss(0)));
    assert_eq!(e.cpu.regs[RSP], 1);
}

#[test]
fn system_instructions_are_for_cpl_0() {
    let mut m = Machine::protected();
    m.go_user();
    let mut e = m.exec();
    let gp = Err(Exception::gp(0));
    assert_eq!(e.lgdt(0, 0), gp);
    assert_eq!(e.lidt(0, 0), gp);
    assert_eq!(e.lldt(0), gp);
    assert_eq!(e.ltr(0), gp);
    assert_eq!(e.hlt(), gp);
    assert_eq!(e.clts(), gp);
    assert_eq!(e.lmsw(0), gp);
    assert_eq!(e.invlpg(DS, 0), gp);
    assert_eq!(e.wbinvd(), gp);
    assert_eq!(e.rdmsr(), gp);
    assert_eq!(e.wrmsr(), gp);
    assert_eq!(e.cli(), gp);
    assert_eq!(e.sti(), gp);
    assert_eq!(e.write_cr(3, 0), gp);
    assert_eq!(e.read_cr(0), Err(Exception::gp(0)));
    assert_eq!(e.read_dr(0), Err(Exception::gp(0)));
    assert_eq!(e.port_in(0x80, 1), Err(Exception::gp(0)));
    e.cpu.flags.set(rflags::IOPL, true);
    assert!(e.cli().is_ok() && e.sti().is_ok() && e.port_in(0x80, 1).is_ok());
}

#[test]
fn the_stack_fault_of_fxsave_comes_before_its_alignment() {
    let mut m = Machine::long();
    let mut e = m.exec();
    let nowhere = 0x8000_0000_0000_0001;
    assert_eq!(e.fxsave(SegReg::Ss, nowhere, false), Err(Exception::ss(0)));
    assert_eq!(e.fxrstor(SegReg::Ss, nowhere, false), Err(Exception::ss(0)));
    assert_eq!(e.fxrstor(DS, nowhere, false), Err(Exception::gp(0)));
    assert_eq!(e.fxrstor(SegReg::Ss, 0x4001, false), Err(Exception::gp(0)));
}

#[test]
fn iret_of_64_bit_code_reads_its_whole_frame_before_it_looks_at_the_selector() {
    let mut m = Machine::long();
    // RIP, CS and RFLAGS are there, RSP is not; and CS would not do.
    m.cpu.regs[RSP] = 0x4000 - 24;
    m.platform.load_u64(0x4000 - 16, 0xfff0);
    m.platform.load_u64(Machine::pte(0x4000), 0);
    let mut e = m.exec();
    assert_eq!(e.iret(OperandSize::Qword), Err(Exception::pf(0x4000, 0)));
}

/// A machine that runs at CPL 3 and checks alignment.
fn aligning() -> Machine {
    let mut m = Machine::protected();
    m.cpu.cr0 |= cr0::AM;
    m.go_user();
    let mut e = m.exec();
    e.push((rflags::AC | 2) as u32).unwrap();
    e.popf(OperandSize::Dword).unwrap();
    drop(e);
    m
}

#[test]
fn operands_of_the_x87_are_aligned_as_table_6_7_says() {
    let mut m = aligning();
    let mut e = m.exec();
    for (len, alignment) in [(10, 8), (14, 2), (28, 4), (94, 2), (108, 4), (16, 1)] {
        let mut data = vec![0; len];
        assert!(e.read_bytes(DS, 0x5000 + alignment, &mut data).is_ok(), "{len}");
        if alignment > 1 {
            let misaligned = e.read_bytes(DS, 0x5000 + alignment / 2, &mut data);
            assert_eq!(misaligned, Err(Exception::ac()), "{len}");
        }
    }
}

#[test]
fn the_segment_is_checked_before_the_alignment() {
    let mut m = aligning();
    let mut e = m.exec();
    assert_eq!(e.rmw(SegReg::Cs, 0x5001, false, |word: u16| word), Err(Exception::gp(0)));
    assert_eq!(e.rmw(DS, 0x5001, false, |word: u16| word), Err(Exception::ac()));
}

#[test]
fn a_far_call_checks_the_alignment_of_the_stack() {
    let mut m = aligning();
    m.cpu.regs[RSP] = 0x8002;
    assert_eq!(m.exec().far_call(USER_CODE, 0x5000, OperandSize::Dword), Err(Exception::ac()));
    m.cpu.regs[RSP] = 0x8004;
    assert_eq!(m.exec().far_call(USER_CODE, 0x5000, OperandSize::Dword), Ok(()));
}

#[test]
fn the_16_bit_environment_of_protected_mode_has_no_opcode() {
    let mut m = Machine::protected();
    m.cpu.fpu.opcode = 0x7ff;
    m.exec().fldenv(DS, 0x5000, OperandSize::Word).unwrap();
    assert_eq!(m.cpu.fpu.opcode, 0);
}
