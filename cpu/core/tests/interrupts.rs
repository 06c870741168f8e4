//! Delivery of interrupts and exceptions, IRET, signals.

mod common;

use aero_cpu::bits::{cr0, rflags};
use aero_cpu::{
    Activity, CpuExit, Exception, Mode, OperandSize, RSP, SegReg, Segment, Shadow, Signal, vector,
};
use common::*;

const SS: SegReg = SegReg::Ss;

fn stack32(m: &mut Machine, count: u64) -> Vec<u32> {
    let sp = m.cpu.regs[RSP];
    let mut e = m.exec();
    (0..count).map(|i| e.read_u32(SS, sp + i * 4).unwrap()).collect()
}

fn stack64(m: &mut Machine, count: u64) -> Vec<u64> {
    let sp = m.cpu.regs[RSP];
    let mut e = m.exec();
    (0..count).map(|i| e.read_system(sp + i * 8).unwrap()).collect()
}

#[test]
fn real_mode_interrupts_go_through_the_vector_table() {
    let mut m = Machine::new();
    m.platform.load_u32(0x10 * 4, 0xf000_1234);
    m.cpu.set_real_mode_entry(0x7c0, 0x10);
    m.cpu.regs[RSP] = 0x1000;
    m.cpu.flags.set_rflags(rflags::IF | rflags::TF | rflags::CF);
    let mut e = m.exec();
    e.next_rip = 0x12;
    e.int_n(0x10).unwrap();
    assert_eq!((e.next_rip, e.cpu.seg(SegReg::Cs).base), (0x1234, 0xf_0000));
    assert_eq!(e.cpu.flags.rflags(), rflags::CF | 2);
    assert_eq!(e.pop::<u16>(), Ok(0x12));
    assert_eq!(e.pop::<u16>(), Ok(0x7c0));
    assert_eq!(e.pop::<u16>(), Ok(0x303));
    e.cpu.regs[RSP] = 0x1000 - 6;
    e.iret(OperandSize::Word).unwrap();
    assert_eq!((e.next_rip, e.cpu.seg(SegReg::Cs).selector), (0x12, 0x7c0));
    assert_eq!(e.cpu.flags.rflags(), 0x303);
}

#[test]
fn a_short_real_mode_table_ends_in_shutdown() {
    let mut m = Machine::new();
    m.cpu.idtr.limit = 0;
    let mut e = m.exec();
    e.raise(Exception::ud());
    assert_eq!(e.cpu.activity(), Activity::Shutdown);
    assert_eq!(e.service_events(), Some(CpuExit::Shutdown));
    assert_eq!(e.retired, 1);
}

#[test]
fn a_fault_at_the_same_level_pushes_flags_cs_eip_and_code() {
    let mut m = Machine::protected();
    m.cpu.flags.set_rflags(rflags::IF);
    m.exec().raise(Exception::gp(0x48));
    assert_eq!((m.cpu.rip, m.cpu.cpl()), (0x8000 + 13 * 16, 0));
    let flags = (rflags::IF | rflags::RF | 2) as u32;
    assert_eq!(stack32(&mut m, 4), [0x48, 0x7000, 8, flags]);
    assert_eq!(m.cpu.flags.rflags(), 2);
}

#[test]
fn trap_gates_leave_if_and_interrupt_gates_clear_it() {
    let mut m = Machine::protected();
    m.platform.load_u64(IDT + 3 * 8, gate(KERNEL_CODE, 0x9000, 0xef, 0));
    m.cpu.flags.set_rflags(rflags::IF);
    let mut e = m.exec();
    e.next_rip = 0x7001;
    e.int3().unwrap();
    assert_eq!((e.next_rip, e.cpu.flags.has(rflags::IF)), (0x9000, true));
    e.int_n(0x20).unwrap();
    assert!(!e.cpu.flags.has(rflags::IF));
}

#[test]
fn from_cpl_3_the_stack_comes_from_the_tss_and_iret_goes_back() {
    let mut m = Machine::protected();
    m.set_stack0(0xb000, KERNEL_DATA);
    m.platform.load_u64(IDT + 0x30 * 8, gate(KERNEL_CODE, 0x9000, 0xee, 0));
    m.go_user();
    m.cpu.regs[RSP] = 0x5000;
    m.cpu.flags.set_rflags(rflags::IF);
    let mut e = m.exec();
    e.next_rip = 0x7002;
    e.int_n(0x30).unwrap();
    assert_eq!((e.cpu.cpl(), e.next_rip), (0, 0x9000));
    assert_eq!(e.cpu.seg(SegReg::Ds).selector, USER_DATA);
    drop(e);
    assert_eq!(stack32(&mut m, 5), [0x7002, USER_CODE.into(), 0x202, 0x5000, USER_DATA.into()]);
    let mut e = m.exec();
    e.load_segment(SegReg::Ds, KERNEL_DATA).unwrap();
    e.iret(OperandSize::Dword).unwrap();
    assert_eq!((e.cpu.cpl(), e.next_rip, e.cpu.regs[RSP]), (3, 0x7002, 0x5000));
    assert_eq!(e.cpu.flags.rflags(), 0x202);
    assert!(!e.cpu.seg(SegReg::Ds).usable && e.cpu.seg(SegReg::Es).usable);
}

#[test]
fn gates_below_cpl_are_gp_for_int_n_but_not_for_faults() {
    let mut m = Machine::protected();
    m.set_stack0(0xb000, KERNEL_DATA);
    m.go_user();
    let mut e = m.exec();
    assert_eq!(e.int_n(0x20), Err(Exception::gp(0x20 * 8 + 2)));
    assert_eq!(e.int_n(0x90), Err(Exception::gp(0x90 * 8 + 2)));
    assert_eq!(e.cpu.cpl(), 3);
    e.raise(Exception::ud());
    assert_eq!((e.cpu.cpl(), e.cpu.rip), (0, 0x8060));
}

#[test]
fn a_gate_that_is_not_present_or_leads_nowhere_faults_with_its_number() {
    let mut m = Machine::protected();
    m.platform.load_u64(IDT + 0x21 * 8, gate(KERNEL_CODE, 0, 0x0e, 0));
    m.platform.load_u64(IDT + 0x22 * 8, gate(KERNEL_DATA, 0, 0x8e, 0));
    m.platform.load_u64(IDT + 0x23 * 8, gate(0, 0, 0x8e, 0));
    m.platform.load_u64(IDT + 0x24 * 8, gate(KERNEL_CODE, 0, 0x8c, 0));
    let mut e = m.exec();
    assert_eq!(e.int_n(0x21), Err(Exception::np(0x21 * 8 + 2)));
    assert_eq!(e.int_n(0x22), Err(Exception::gp(0x10)));
    assert_eq!(e.int_n(0x23), Err(Exception::gp(0)));
    assert_eq!(e.int_n(0x24), Err(Exception::gp(0x24 * 8 + 2)));
}

#[test]
fn a_page_fault_sets_cr2_and_a_contributory_fault_on_top_is_a_double_fault() {
    let mut m = Machine::protected();
    m.exec().raise(Exception::pf(0x1234_5678, 6));
    assert_eq!((m.cpu.cr2, m.cpu.rip), (0x1234_5678, 0x80e0));
    assert_eq!(stack32(&mut m, 1), [6]);
    // #PF whose gate is bad: #DF with code 0.
    let mut m = Machine::protected();
    m.platform.load_u64(IDT + 14 * 8, 0);
    m.exec().raise(Exception::pf(0x1000, 0));
    assert_eq!(m.cpu.rip, 0x8080);
    assert_eq!(stack32(&mut m, 2), [0, 0x7000]);
    // #UD is benign: the bad gate alone is delivered, with EXT.
    let mut m = Machine::protected();
    m.platform.load_u64(IDT + 6 * 8, 0);
    m.exec().raise(Exception::ud());
    assert_eq!(m.cpu.rip, 0x80d0);
    assert_eq!(stack32(&mut m, 1), [6 * 8 + 3]);
    // A bad #DF gate is the end.
    let mut m = Machine::protected();
    m.cpu.idtr.limit = 8 * 8 - 1;
    m.exec().raise(Exception::gp(0));
    assert_eq!(m.cpu.activity(), Activity::Shutdown);
}

#[test]
fn virtual_8086_mode_is_left_through_ring_0_and_entered_by_iret() {
    let mut m = Machine::protected();
    m.set_stack0(0xb000, KERNEL_DATA);
    let mut e = m.exec();
    let image = [0x123, 0x7c0, 0x2_3202, 0xfff0, 0x900, 0x11, 0x22, 0x33, 0x44u32];
    for value in image.into_iter().rev() {
        e.push(value).unwrap();
    }
    e.iret(OperandSize::Dword).unwrap();
    e.cpu.rip = e.next_rip;
    assert_eq!((e.cpu.mode(), e.cpu.cpl(), e.cpu.rip), (Mode::V86, 3, 0x123));
    assert_eq!(e.cpu.seg(SegReg::Cs).base, 0x7c00);
    assert_eq!((e.cpu.seg(SS).base, e.cpu.regs[RSP]), (0x9000, 0xfff0));
    assert_eq!(e.cpu.seg(SegReg::Gs).selector, 0x44);
    assert_eq!(e.lar(8), Err(Exception::ud()));
    // IOPL is 3: PUSHF, CLI and INT work, but INT goes to ring 0.
    e.cli().unwrap();
    e.load_segment(SegReg::Es, 0x1234).unwrap();
    assert_eq!(e.cpu.seg(SegReg::Es).base, 0x1_2340);
    e.next_rip = 0x125;
    let before = e.cpu.flags.rflags();
    assert_eq!(e.int_n(0x21), Err(Exception::gp(0x21 * 8 + 2)));
    drop(e);
    m.platform.load_u64(IDT + 0x21 * 8, gate(KERNEL_CODE, 0x9000, 0xee, 0));
    let mut e = m.exec();
    e.next_rip = 0x125;
    e.int_n(0x21).unwrap();
    assert_eq!((e.cpu.mode(), e.cpu.cpl(), e.next_rip), (Mode::Prot32, 0, 0x9000));
    assert!(!e.cpu.seg(SegReg::Ds).usable && !e.cpu.seg(SegReg::Gs).usable);
    drop(e);
    assert_eq!(
        stack32(&mut m, 9),
        [0x125, 0x7c0, before as u32, 0xfff0, 0x900, 0x1234, 0x22, 0x33, 0x44]
    );
}

#[test]
fn in_virtual_8086_mode_with_iopl_below_3_sensitive_instructions_fault() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    for value in [0x123, 0x7c0, 0x2_0202, 0xfff0, 0x900, 0, 0, 0, 0u32].into_iter().rev() {
        e.push(value).unwrap();
    }
    e.iret(OperandSize::Dword).unwrap();
    let gp = Err(Exception::gp(0));
    assert_eq!(e.int_n(0x21), gp);
    assert_eq!(e.pushf(OperandSize::Word), gp);
    assert_eq!(e.popf(OperandSize::Word), gp);
    assert_eq!(e.iret(OperandSize::Word), gp);
    assert_eq!(e.cli(), gp);
    assert_eq!(e.port_in(0x60, 1), Err(Exception::gp(0)));
}

#[test]
fn long_mode_aligns_the_stack_and_always_pushes_ss_and_rsp() {
    let mut m = Machine::long();
    m.cpu.regs[RSP] = 0x5ff9;
    m.exec().raise(Exception::pf(0xffff_8000_0000_0000, 2));
    assert_eq!((m.cpu.rip, m.cpu.cr2), (0x80e0, 0xffff_8000_0000_0000));
    assert_eq!(m.cpu.regs[RSP], 0x5ff0 - 48);
    let flags = rflags::RF | 2;
    assert_eq!(stack64(&mut m, 6), [2, 0x7000, 0x38, flags, 0x5ff9, 0x10]);
    // IRETQ restores all of it.
    let mut e = m.exec();
    e.pop::<u64>().unwrap();
    e.iret(OperandSize::Qword).unwrap();
    assert_eq!((e.next_rip, e.cpu.regs[RSP]), (0x7000, 0x5ff9));
    assert!(e.cpu.flags.has(rflags::RF));
}

#[test]
fn long_mode_takes_stacks_from_the_tss_and_the_ist() {
    let mut m = Machine::long();
    m.platform.load_u64(TSS + 4, 0xb000);
    m.platform.load_u64(TSS + 0x24 + 8, 0xd008);
    m.platform.load_u64(IDT + 2 * 16, gate(KERNEL_CODE64, 0x9000, 0x8e, 2));
    m.go_user();
    m.cpu.segs[SegReg::Cs as usize].selector = USER_CODE64;
    m.cpu.regs[RSP] = 0x5000;
    m.exec().raise(Exception::ud());
    assert_eq!((m.cpu.cpl(), m.cpu.regs[RSP]), (0, 0xb000 - 40));
    assert_eq!(m.selector(SS), 0);
    assert!(!m.cpu.seg(SS).usable);
    // Still at level 0, NMI uses IST2 nevertheless.
    m.signals.raise(Signal::NMI);
    assert_eq!(m.exec().service_events(), None);
    assert_eq!((m.cpu.rip, m.cpu.regs[RSP]), (0x9000, 0xd000 - 40));
    let mut e = m.exec();
    e.iret(OperandSize::Qword).unwrap();
    assert_eq!((e.next_rip, e.cpu.regs[RSP]), (0x8060, 0xb000 - 40));
    e.iret(OperandSize::Qword).unwrap();
    assert_eq!((e.cpu.cpl(), e.cpu.regs[RSP]), (3, 0x5000));
}

#[test]
fn an_interrupt_of_compatibility_mode_code_comes_back_to_it() {
    let mut m = Machine::long();
    m.platform.load_u64(TSS + 4, 0xb000);
    m.go_user();
    m.cpu.segs[SegReg::Cs as usize] =
        Segment::new(USER_CODE, 0, u32::MAX, aero_cpu::SegmentAttributes(CODE32 | DPL3));
    m.cpu.mode_changed();
    assert_eq!(m.cpu.mode(), Mode::Compat32);
    m.cpu.regs[RSP] = 0x5000;
    let mut e = m.exec();
    e.raise(Exception::ud());
    assert_eq!((e.cpu.mode(), e.cpu.regs[RSP]), (Mode::Long64, 0xb000 - 40));
    e.iret(OperandSize::Qword).unwrap();
    assert_eq!((e.cpu.mode(), e.cpu.cpl(), e.cpu.regs[RSP]), (Mode::Compat32, 3, 0x5000));
}

#[test]
fn nested_task_and_null_stack_rules_of_iretq() {
    let mut m = Machine::long();
    m.cpu.flags.set_rflags(rflags::NT);
    assert_eq!(m.exec().iret(OperandSize::Qword), Err(Exception::gp(0)));
    m.cpu.flags.set_rflags(0);
    let mut e = m.exec();
    let push = |e: &mut aero_cpu::Exec<'_>, image: [u64; 5]| {
        for value in image.into_iter().rev() {
            e.push(value).unwrap();
        }
    };
    // To ring 3 SS may not be null, to ring 0 it may.
    push(&mut e, [0x7000, USER_CODE64.into(), 2, 0x5000, 3]);
    assert_eq!(e.iret(OperandSize::Qword), Err(Exception::gp(0)));
    push(&mut e, [0x7000, KERNEL_CODE64.into(), 2, 0x5000, 0]);
    e.iret(OperandSize::Qword).unwrap();
    assert_eq!(e.cpu.regs[RSP], 0x5000);
    push(&mut e, [1 << 47, KERNEL_CODE64.into(), 2, 0x5000, 0]);
    assert_eq!(e.iret(OperandSize::Qword), Err(Exception::gp(0)));
}

#[test]
fn popf_and_iret_change_only_what_the_privilege_allows() {
    let mut m = Machine::protected();
    m.go_user();
    let mut e = m.exec();
    e.push(u32::MAX).unwrap();
    e.popf(OperandSize::Dword).unwrap();
    let user = rflags::ALL & !(rflags::IF | rflags::IOPL | rflags::RF | rflags::VM);
    assert_eq!(e.cpu.flags.rflags(), user);
    drop(e);
    let mut m = Machine::protected();
    let mut e = m.exec();
    e.push(u32::MAX).unwrap();
    e.popf(OperandSize::Dword).unwrap();
    assert_eq!(e.cpu.flags.rflags(), rflags::ALL & !(rflags::RF | rflags::VM));
    e.push(0u16).unwrap();
    e.popf(OperandSize::Word).unwrap();
    assert_eq!(e.cpu.flags.rflags(), rflags::AC | rflags::ID | 2);
    e.pushf(OperandSize::Dword).unwrap();
    assert_eq!(e.pop::<u32>(), Ok((rflags::AC | rflags::ID | 2) as u32));
}

#[test]
fn interrupts_wait_for_if_and_for_the_instruction_after_sti() {
    let mut m = Machine::protected();
    m.signals.raise(Signal::INTR);
    m.platform.vectors.push_back(0x31);
    let mut e = m.exec();
    assert_eq!((e.service_events(), e.cpu.rip), (None, 0x7000));
    e.sti().unwrap();
    (e.cpu.rip, e.retired) = (0x7001, 1);
    // Looking twice at the same boundary makes no difference.
    assert_eq!((e.service_events(), e.cpu.rip), (None, 0x7001));
    assert_eq!((e.service_events(), e.cpu.rip), (None, 0x7001));
    (e.cpu.rip, e.retired) = (0x7002, 2);
    assert_eq!((e.service_events(), e.cpu.rip), (None, 0x8310));
    drop(e);
    assert_eq!(stack32(&mut m, 3), [0x7002, 8, 0x202]);
}

#[test]
fn the_sti_shadow_survives_the_end_of_a_run() {
    let mut m = Machine::protected();
    m.signals.raise(Signal::INTR);
    m.platform.vectors.push_back(0x31);
    let mut e = m.exec();
    e.retired = 41;
    e.sti().unwrap();
    (e.cpu.rip, e.retired) = (0x7001, 42);
    drop(e);
    let mut e = m.exec();
    assert_eq!((e.service_events(), e.cpu.rip), (None, 0x7001));
    // HLT in the shadow is not lost: the interrupt wakes it.
    e.hlt().unwrap();
    (e.cpu.rip, e.retired) = (0x7002, 1);
    assert_eq!((e.service_events(), e.cpu.rip), (None, 0x8310));
}

#[test]
fn a_request_that_went_away_delivers_nothing() {
    let mut m = Machine::protected();
    m.cpu.flags.set_rflags(rflags::IF);
    m.signals.raise(Signal::INTR);
    let mut e = m.exec();
    assert_eq!((e.service_events(), e.cpu.rip), (None, 0x7000));
}

#[test]
fn nmi_comes_before_intr_and_not_again_before_iret() {
    let mut m = Machine::protected();
    m.cpu.flags.set_rflags(rflags::IF);
    m.signals.raise(Signal::NMI | Signal::INTR);
    m.platform.vectors.push_back(0x31);
    let mut e = m.exec();
    e.service_events();
    assert_eq!(e.cpu.rip, 0x8020);
    e.signals.raise(Signal::NMI);
    e.service_events();
    assert_eq!(e.cpu.rip, 0x8020);
    e.iret(OperandSize::Dword).unwrap();
    e.cpu.rip = e.next_rip;
    e.service_events();
    assert_eq!(e.cpu.rip, 0x8020);
    assert!(!e.signals.pending().contains(Signal::NMI));
}

#[test]
fn mov_ss_holds_off_nmi_as_well() {
    let mut m = Machine::protected();
    m.signals.raise(Signal::NMI);
    let mut e = m.exec();
    e.hold_interrupts(Shadow::MovSs);
    e.retired = 1;
    e.service_events();
    assert_eq!(e.cpu.rip, 0x7000);
    e.retired = 2;
    e.service_events();
    assert_eq!(e.cpu.rip, 0x8020);
}

#[test]
fn hlt_waits_for_an_interrupt_that_is_enabled() {
    let mut m = Machine::protected();
    m.cpu.flags.set_rflags(rflags::IF);
    let mut e = m.exec();
    e.hlt().unwrap();
    e.cpu.rip = 0x7001;
    assert_eq!(e.service_events(), Some(CpuExit::Halted));
    drop(e);
    assert!(!m.cpu.is_wakeable(&m.signals));
    m.signals.raise(Signal::INTR);
    assert!(m.cpu.is_wakeable(&m.signals));
    m.platform.vectors.push_back(0x31);
    let mut e = m.exec();
    assert_eq!(e.service_events(), None);
    assert_eq!((e.cpu.rip, e.cpu.activity()), (0x8310, Activity::Running));
    drop(e);
    assert_eq!(stack32(&mut m, 1), [0x7001]);
    // With IF clear INTR does not wake.
    m.cpu.set_activity(Activity::Halted);
    assert!(!m.cpu.is_wakeable(&m.signals));
    assert_eq!(m.exec().service_events(), Some(CpuExit::Halted));
}

#[test]
fn stop_ends_the_run_once() {
    let mut m = Machine::protected();
    m.signals.raise(Signal::STOP);
    let mut e = m.exec();
    assert_eq!(e.service_events(), Some(CpuExit::Budget));
    assert_eq!(e.service_events(), None);
}

#[test]
fn an_application_processor_waits_for_its_start_up_message() {
    let mut m = Machine::new();
    m.cpu = aero_cpu::Vcpu::new(1, aero_cpu::CpuModel::default());
    assert_eq!(m.exec().service_events(), Some(CpuExit::Halted));
    m.signals.raise(Signal::INIT | Signal::NMI);
    assert!(!m.cpu.is_wakeable(&m.signals));
    m.signals.raise_sipi(0x9f);
    assert!(m.cpu.is_wakeable(&m.signals));
    m.signals.clear(Signal::NMI);
    let mut e = m.exec();
    assert_eq!(e.service_events(), None);
    assert_eq!((e.cpu.seg(SegReg::Cs).base, e.cpu.rip), (0x9_f000, 0));
    assert_eq!(e.cpu.activity(), Activity::Running);
    drop(e);
    // Once it runs, another start-up message is ignored and leaves nothing behind.
    m.signals.raise_sipi(0x10);
    assert_eq!(m.exec().service_events(), None);
    assert_eq!(m.signals.word().load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(m.cpu.seg(SegReg::Cs).base, 0x9_f000);
    // INIT sends it back to waiting.
    m.signals.raise(Signal::INIT);
    assert_eq!(m.exec().service_events(), Some(CpuExit::Halted));
    assert_eq!(m.cpu.activity(), Activity::WaitForSipi);
}

#[test]
fn init_restarts_the_bootstrap_processor_and_keeps_the_caches() {
    let mut m = Machine::protected();
    m.cpu.xmm[3] = 7;
    m.cpu.cr0 |= cr0::CD;
    m.signals.raise(Signal::INIT);
    let mut e = m.exec();
    assert_eq!(e.service_events(), None);
    assert_eq!((e.cpu.mode(), e.cpu.rip), (Mode::Real, 0xfff0));
    assert_eq!(e.cpu.seg(SegReg::Cs).base, 0xffff_0000);
    assert_eq!((e.cpu.xmm[3], e.cpu.cr0), (7, cr0::CD | cr0::ET));
    assert_eq!(e.cpu.regs[2], 0x206c1);
}

#[test]
fn sysenter_and_sysexit_in_both_widths() {
    let mut m = Machine::long();
    m.cpu.msrs.sysenter_cs = KERNEL_CODE.into();
    m.cpu.msrs.sysenter_esp = 0xffff_8000_0000_1000;
    m.cpu.msrs.sysenter_eip = 0xffff_8000_0000_2000;
    m.go_user();
    let mut e = m.exec();
    e.sysenter().unwrap();
    assert_eq!((e.next_rip, e.cpu.regs[RSP]), (0xffff_8000_0000_2000, 0xffff_8000_0000_1000));
    assert_eq!((e.cpu.cpl(), e.cpu.mode()), (0, Mode::Long64));
    (e.cpu.regs[2], e.cpu.regs[1]) = (0x1_2345_6789, 0x7000);
    e.sysexit(OperandSize::Dword).unwrap();
    assert_eq!((e.cpu.mode(), e.next_rip), (Mode::Compat32, 0x2345_6789));
    assert_eq!(e.cpu.seg(SegReg::Cs).selector, KERNEL_CODE + 16 + 3);
    assert_eq!(e.sysexit(OperandSize::Dword), Err(Exception::gp(0)));
    e.cpu.msrs.sysenter_cs = 3;
    assert_eq!(e.sysenter(), Err(Exception::gp(0)));
}

#[test]
fn syscall_and_sysret() {
    let mut m = Machine::long();
    m.cpu.msrs.star = 0x0013_0008 << 32;
    m.cpu.msrs.lstar = 0xffff_8000_0000_2000;
    m.cpu.msrs.fmask = rflags::IF | rflags::TF;
    m.go_user();
    m.cpu.flags.set_rflags(rflags::IF | rflags::CF);
    let mut e = m.exec();
    e.next_rip = 0x7002;
    e.syscall().unwrap();
    assert_eq!((e.next_rip, e.cpu.cpl()), (0xffff_8000_0000_2000, 0));
    assert_eq!((e.cpu.regs[1], e.cpu.regs[11]), (0x7002, rflags::IF | rflags::CF | 2));
    assert_eq!(e.cpu.flags.rflags(), rflags::CF | 2);
    assert_eq!((e.cpu.seg(SegReg::Cs).selector, e.cpu.seg(SS).selector), (8, 0x10));
    e.sysret(OperandSize::Qword).unwrap();
    assert_eq!((e.next_rip, e.cpu.cpl(), e.cpu.mode()), (0x7002, 3, Mode::Long64));
    assert_eq!((e.cpu.seg(SegReg::Cs).selector, e.cpu.seg(SS).selector), (0x23, 0x1b));
    assert_eq!(e.cpu.flags.rflags(), rflags::IF | rflags::CF | 2);
    e.syscall().unwrap();
    e.sysret(OperandSize::Dword).unwrap();
    assert_eq!((e.cpu.mode(), e.cpu.seg(SegReg::Cs).selector), (Mode::Compat32, 0x13));
    assert_eq!(e.syscall(), Err(Exception::ud()));
}

#[test]
fn sysret_to_an_address_that_is_not_canonical_faults_at_level_0() {
    let mut m = Machine::long();
    m.cpu.regs[1] = 1 << 47;
    let mut e = m.exec();
    assert_eq!(fault(e.sysret(OperandSize::Qword)), (vector::GP, Some(0)));
    assert_eq!(e.cpu.cpl(), 0);
}

#[test]
fn swapgs_exchanges_the_bases() {
    let mut m = Machine::long();
    m.cpu.msrs.kernel_gs_base = 0x5000;
    m.platform.load(0x5001, &[0x77]);
    let mut e = m.exec();
    e.swapgs().unwrap();
    assert_eq!(e.read_u8(SegReg::Gs, 1), Ok(0x77));
    assert_eq!(e.cpu.msrs.kernel_gs_base, 0);
}

#[test]
fn shutdown_ends_with_an_nmi_only_if_none_is_being_handled() {
    let mut m = Machine::protected();
    m.signals.raise(Signal::NMI);
    let mut e = m.exec();
    e.service_events();
    e.cpu.idtr.limit = 0;
    e.raise(Exception::ud());
    assert_eq!(e.cpu.activity(), Activity::Shutdown);
    drop(e);
    m.signals.raise(Signal::NMI);
    assert!(!m.cpu.is_wakeable(&m.signals), "blocked until IRET, which does not come");
    m.signals.raise(Signal::INIT);
    assert!(m.cpu.is_wakeable(&m.signals));
}

#[test]
fn nothing_holds_an_nmi_off_in_shutdown() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    e.hold_interrupts(Shadow::MovSs);
    let limit = std::mem::take(&mut e.cpu.idtr.limit);
    e.raise(Exception::ud());
    assert_eq!(e.cpu.activity(), Activity::Shutdown);
    e.cpu.idtr.limit = limit;
    e.signals.raise(Signal::NMI);
    assert_eq!((e.service_events(), e.cpu.rip), (None, 0x8020));
}
