//! FXSAVE and its kin, MSRs, control registers, snapshots.

mod common;

use aero_bus::SnapshotError;
use aero_cpu::bits::{cr0, cr4};
use aero_cpu::{
    Activity, CpuModel, Exception, Exec, ExecResult, F80, OperandSize, SegReg, SegmentAttributes,
    Shadow, Vcpu,
};
use common::*;

const DS: SegReg = SegReg::Ds;
const AREA: u64 = 0x5000;

fn fill_fpu(m: &mut Machine) {
    let cpu = &mut m.cpu;
    for (i, register) in cpu.fpu.regs.iter_mut().enumerate() {
        *register = F80 { mantissa: 1 << 63 | i as u64, sign_exponent: 0x4000 + i as u16 };
    }
    cpu.fpu.control = 0x37f;
    cpu.fpu.top = 3;
    cpu.fpu.tags = 0b1110_1111;
    cpu.fpu.status = 0x0100;
    cpu.fpu.opcode = 0x5d9;
    cpu.fpu.instruction_pointer = 0x1_1122_3344;
    cpu.fpu.instruction_selector = 0x33;
    cpu.fpu.data_pointer = 0x2_5566_7788;
    cpu.fpu.data_selector = 0x2b;
    for (i, register) in cpu.xmm.iter_mut().enumerate() {
        *register = (i as u128 + 1) << 64 | 0xff;
    }
    cpu.mxcsr = 0x1fa0;
    cpu.cr0 &= !(cr0::EM | cr0::TS);
    cpu.cr4 |= cr4::OSFXSR;
}

#[test]
fn fxsave_lays_its_image_out_as_the_manual_says() {
    let mut m = Machine::protected();
    fill_fpu(&mut m);
    m.platform.load(AREA, &[0xcc; 512]);
    m.exec().fxsave(DS, AREA, false).unwrap();
    let image: [u8; 512] = m.platform.bytes(AREA);
    let u16_at = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
    assert_eq!((u16_at(0), u16_at(2), u16_at(4), u16_at(6)), (0x37f, 0x1900, 0xef, 0x5d9));
    assert_eq!((u32_at(8), u16_at(12)), (0x1122_3344, 0x33));
    assert_eq!((u32_at(16), u16_at(20)), (0x5566_7788, 0x2b));
    assert_eq!((u32_at(24), u32_at(28)), (0x1fa0, 0xffff));
    // Registers lie in stack order from 32 on, tags in physical order.
    assert_eq!((image[32], u16_at(40)), (3, 0x4003));
    assert_eq!((image[32 + 5 * 16], u16_at(40 + 5 * 16)), (0, 0x4000));
    assert_eq!((image[160], image[168], image[160 + 7 * 16 + 8]), (0xff, 1, 8));
    // Outside 64-bit mode XMM8 and what follows stay as they were in memory.
    assert!(image[288..].iter().all(|b| *b == 0xcc));
}

#[test]
fn fxsave64_keeps_whole_pointers_and_sixteen_registers() {
    let mut m = Machine::long();
    fill_fpu(&mut m);
    m.exec().fxsave(DS, AREA, true).unwrap();
    assert_eq!(m.platform.u64_at(AREA + 8), 0x1_1122_3344);
    assert_eq!(m.platform.u64_at(AREA + 16), 0x2_5566_7788);
    assert_eq!(m.platform.u64_at(AREA + 160 + 15 * 16 + 8), 16);
    let mut other = Machine::long();
    other.cpu.cr4 |= cr4::OSFXSR;
    other.platform.load(AREA, &m.platform.bytes::<512>(AREA));
    other.exec().fxrstor(DS, AREA, true).unwrap();
    let mut expected = m.cpu.fpu;
    (expected.instruction_selector, expected.data_selector) = (0, 0);
    assert_eq!(other.cpu.fpu, expected);
    assert_eq!((other.cpu.xmm, other.cpu.mxcsr), (m.cpu.xmm, m.cpu.mxcsr));
}

#[test]
fn fxsave_and_fxrstor_check_in_the_right_order() {
    let mut m = Machine::protected();
    fill_fpu(&mut m);
    let mut e = m.exec();
    assert_eq!(e.fxsave(DS, AREA + 8, false), Err(Exception::gp(0)));
    e.cpu.cr0 |= cr0::TS;
    assert_eq!(e.fxsave(DS, AREA + 8, false), Err(Exception::nm()));
    e.cpu.cr0 |= cr0::EM;
    assert_eq!(e.fxrstor(DS, AREA + 8, false), Err(Exception::ud()));
    e.cpu.cr0 &= !(cr0::EM | cr0::TS);
    // Without OSFXSR they work, but leave SSE out.
    e.cpu.cr4 &= !cr4::OSFXSR;
    e.fxsave(DS, AREA, false).unwrap();
    assert_eq!(e.read_u64(DS, AREA + 160), Ok(0));
    // Reserved bits of MXCSR are #GP once SSE takes part.
    e.write_u32(DS, AREA + 24, 0x1_0000).unwrap();
    e.fxrstor(DS, AREA, false).unwrap();
    e.cpu.cr4 |= cr4::OSFXSR;
    assert_eq!(e.fxrstor(DS, AREA, false), Err(Exception::gp(0)));
    // The area must be whole in its segment.
    e.cpu.segs[DS as usize].limit = 0x51fe;
    e.cpu.segment_changed(DS);
    assert_eq!(e.fxsave(DS, AREA, false), Err(Exception::gp(0)));
}

#[test]
fn fnsave_and_frstor_in_protected_mode() {
    for (size, length) in [(OperandSize::Dword, 108), (OperandSize::Word, 94)] {
        let mut m = Machine::protected();
        fill_fpu(&mut m);
        let before = m.cpu.fpu;
        m.platform.load(AREA, &[0xcc; 128]);
        m.exec().fnsave(DS, AREA, size).unwrap();
        let image: [u8; 128] = m.platform.bytes(AREA);
        assert!(image[length..].iter().all(|b| *b == 0xcc) && image[length - 1] == 0x40);
        if length == 108 {
            assert_eq!(m.platform.u32_at(AREA), 0xffff_037f);
            assert_eq!(m.platform.u32_at(AREA + 16), 0x5d9 << 16 | 0x33);
            assert_eq!(m.platform.u32_at(AREA + 24), 0xffff_002b);
        } else {
            assert_eq!(m.platform.u16_at(AREA + 6), 0x3344);
        }
        // Register 4 is empty, the others are valid.
        let step = if length == 108 { 4 } else { 2 };
        assert_eq!(m.platform.u16_at(AREA + 2 * step), 0x0300);
        // FNSAVE initializes.
        assert_eq!((m.cpu.fpu.control, m.cpu.fpu.tags, m.cpu.fpu.top), (0x37f, 0, 0));
        m.exec().frstor(DS, AREA, size).unwrap();
        assert_eq!((m.cpu.fpu.regs, m.cpu.fpu.tags), (before.regs, before.tags));
        assert_eq!(m.cpu.fpu.status_word(), before.status_word());
        let mask = size.mask() & 0xffff_ffff;
        assert_eq!(m.cpu.fpu.data_pointer, before.data_pointer & mask);
    }
}

#[test]
fn the_real_mode_environment_holds_linear_pointers() {
    let mut m = Machine::new();
    m.cpu.fpu.instruction_selector = 0x1234;
    m.cpu.fpu.instruction_pointer = 0x5678;
    m.cpu.fpu.opcode = 0x5d9;
    m.cpu.fpu.data_selector = 0xf000;
    m.cpu.fpu.data_pointer = 0xfff0;
    m.exec().fnstenv(DS, AREA, OperandSize::Word).unwrap();
    assert_eq!(m.platform.u16_at(AREA + 6), 0x79b8);
    assert_eq!(m.platform.u16_at(AREA + 8), 0x15d9);
    assert_eq!(m.platform.u16_at(AREA + 12), 0xf000);
    m.exec().fldenv(DS, AREA, OperandSize::Word).unwrap();
    assert_eq!((m.cpu.fpu.instruction_pointer, m.cpu.fpu.opcode), (0x1_79b8, 0x5d9));
    m.exec().fnstenv(DS, AREA, OperandSize::Dword).unwrap();
    assert_eq!(m.platform.u32_at(AREA + 12), 0xffff_79b8);
    assert_eq!(m.platform.u32_at(AREA + 16), 0x1000 | 0x5d9);
    // All exceptions are masked after it.
    assert_eq!(m.cpu.fpu.control & 0x3f, 0x3f);
}

#[test]
fn unmasked_x87_exceptions_show_in_es_and_fault_at_the_next_waiting_instruction() {
    let mut m = Machine::protected();
    m.cpu.fpu.set_control_word(0x37e);
    m.cpu.fpu.set_status_word(1);
    m.cpu.fpu.refresh_summary();
    assert_eq!(m.cpu.fpu.status_word(), 0x8081);
    let mut e = m.exec();
    assert!(e.check_x87(false).is_ok());
    assert_eq!(e.check_x87(true), Err(Exception::mf()));
    assert_eq!(e.check_mmx(), Err(Exception::mf()));
    assert_eq!(e.check_fwait(), Err(Exception::mf()));
    e.cpu.cr0 |= cr0::TS;
    assert_eq!(e.check_x87(true), Err(Exception::nm()));
    assert_eq!(e.check_fwait(), Err(Exception::mf()));
    e.cpu.cr0 |= cr0::MP;
    assert_eq!(e.check_fwait(), Err(Exception::nm()));
    assert_eq!(e.check_sse(), Err(Exception::ud()));
    e.cpu.cr4 |= cr4::OSFXSR;
    assert_eq!(e.check_sse(), Err(Exception::nm()));
}

fn wrmsr(e: &mut Exec<'_>, msr: u32, value: u64) -> ExecResult<()> {
    e.cpu.regs[1] = msr.into();
    e.cpu.regs[0] = value & 0xffff_ffff;
    e.cpu.regs[2] = value >> 32;
    e.wrmsr()
}

fn rdmsr(e: &mut Exec<'_>, msr: u32) -> ExecResult<u64> {
    e.cpu.regs[1] = msr.into();
    e.rdmsr()?;
    Ok(e.cpu.regs[2] << 32 | e.cpu.regs[0])
}

#[test]
fn msrs_keep_what_is_valid_and_refuse_what_is_reserved() {
    let mut m = Machine::long();
    let mut e = m.exec();
    for (msr, good, bad) in [
        (0x175, 0xffff_8000_0000_0000, Some(1 << 47)),
        (0x176, 0x1234, Some(1 << 63)),
        (0x277, 0x0606_0707_0105_0400, Some(2)),
        (0x2ff, 0xc06, Some(0x1000)),
        (0x200, 0x8000_0006, Some(0x8000_0002)),
        (0x201, 0xff_8000_0800, Some(1 << 40)),
        (0x250, 0x0606_0606_0606_0606, Some(0x0202)),
        (0x26f, 0x0500_0000_0000_0000, Some(0x03)),
        (0x17b, 0, None),
        // The reset value, with every bit that can be changed flipped but the two that hide things.
        (0x1a0, 0x85_1808, None),
        (0x400, u64::MAX, Some(0xaaaa_aaaa_aaaa_aaaa)),
        (0x404, !0x401, Some(0x401)),
        (0x400, 0, Some(1)),
        (0x401, 0, Some(1)),
        (0x402, 0xaaaa_aaaa_aaaa_aaaa, None),
        (0x403, u64::MAX, None),
        (0xc000_0081, u64::MAX, None),
        (0xc000_0082, 0xffff_8000_0000_0000, Some(1 << 47)),
        (0xc000_0084, 0x4_7700, Some(1 << 32)),
        (0xc000_0100, 0x5000, Some(1 << 47)),
        (0xc000_0101, 0x6000, Some(1 << 47)),
        (0xc000_0102, 0x7000, Some(1 << 47)),
        (0xc000_0103, 0xffff_ffff, Some(1 << 32)),
    ] {
        assert_eq!(wrmsr(&mut e, msr, good), Ok(()), "{msr:#x}");
        if let Some(bad) = bad {
            assert_eq!(wrmsr(&mut e, msr, bad), Err(Exception::gp(0)), "{msr:#x}");
        }
        assert_eq!(rdmsr(&mut e, msr), Ok(good), "{msr:#x}");
    }
    assert_eq!(rdmsr(&mut e, 0xfe), Ok(0x508));
    assert_eq!(rdmsr(&mut e, 0x1b), Ok(0xfee0_0900));
    assert_eq!(rdmsr(&mut e, 0x8b).map(|v| v >> 32 != 0), Ok(true));
    for unknown in [0x1234, 0xc001_0015, 0x420, 0x210, 0x802] {
        assert_eq!(rdmsr(&mut e, unknown), Err(Exception::gp(0)), "{unknown:#x}");
        assert_eq!(wrmsr(&mut e, unknown, 0), Err(Exception::gp(0)), "{unknown:#x}");
    }
}

#[test]
fn a_model_without_a_feature_has_not_its_registers_either() {
    let mut m = Machine::with_model("pentium3");
    let mut e = m.exec();
    assert_eq!(rdmsr(&mut e, 0xc000_0080), Err(Exception::gp(0)));
    assert_eq!(rdmsr(&mut e, 0xc000_0081), Err(Exception::gp(0)));
    assert!(rdmsr(&mut e, 0x174).is_ok());
    assert_eq!(e.rdtscp(), Err(Exception::ud()));
    drop(e);
    let mut m = Machine::with_model("486");
    let mut e = m.exec();
    assert_eq!(e.write_cr(4, cr4::PAE), Err(Exception::gp(0)));
    assert_eq!(rdmsr(&mut e, 0x174), Err(Exception::gp(0)));
}

#[test]
fn efer_protects_long_mode() {
    let mut m = Machine::long();
    let mut e = m.exec();
    let efer = rdmsr(&mut e, 0xc000_0080).unwrap();
    assert_eq!(efer, 0xd01);
    assert_eq!(wrmsr(&mut e, 0xc000_0080, 0xc01), Err(Exception::gp(0)));
    assert_eq!(wrmsr(&mut e, 0xc000_0080, efer | 2), Err(Exception::gp(0)));
    // LMA cannot be written.
    assert_eq!(wrmsr(&mut e, 0xc000_0080, efer & !0x400), Ok(()));
    assert_eq!(rdmsr(&mut e, 0xc000_0080), Ok(efer));
}

#[test]
fn the_time_stamp_counter_can_be_set_and_kept_from_users() {
    let mut m = Machine::protected();
    m.platform.tsc_base = 1000;
    let mut e = m.exec();
    e.rdtsc().unwrap();
    assert_eq!((e.cpu.regs[2], e.cpu.regs[0]), (0, 1000));
    wrmsr(&mut e, 0x10, 5).unwrap();
    e.retired = 7;
    assert_eq!(rdmsr(&mut e, 0x10), Ok(12));
    e.write_cr(4, cr4::TSD).unwrap();
    assert!(e.rdtsc().is_ok());
    drop(e);
    m.go_user();
    assert_eq!(m.exec().rdtsc(), Err(Exception::gp(0)));
    m.cpu.reset();
    assert_eq!(m.cpu.msrs.tsc_offset, 0);
}

#[test]
fn control_registers_refuse_impossible_combinations() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    let gp = Err(Exception::gp(0));
    assert_eq!(e.write_cr(0, cr0::PG), gp);
    assert_eq!(e.write_cr(0, cr0::PE | cr0::NW), gp);
    assert_eq!(e.write_cr(0, 1 << 32 | cr0::PE), gp);
    assert_eq!(e.write_cr(4, cr4::VME), gp);
    assert_eq!(e.write_cr(4, 1 << 20), gp);
    assert_eq!(e.write_cr(8, 16), gp);
    assert_eq!(e.write_cr(1, 0), Err(Exception::ud()));
    e.write_cr(8, 9).unwrap();
    assert_eq!(e.read_cr(8), Ok(9));
    e.write_cr(0, cr0::PE).unwrap();
    assert_eq!(e.read_cr(0), Ok(cr0::PE | cr0::ET));
    // LMSW can set PE, TS, EM and MP but not clear PE.
    e.lmsw(0xfffe).unwrap();
    assert_eq!(e.read_cr(0), Ok(0x1f));
    e.clts().unwrap();
    assert_eq!(e.read_cr(0), Ok(0x17));
    drop(e);
    assert_eq!(Machine::long().exec().write_cr(3, 1 << 40), gp);
}

#[test]
fn tables_in_64_bit_mode_have_canonical_bases() {
    let mut m = Machine::long();
    let mut e = m.exec();
    assert_eq!(e.lgdt(1 << 47, 0xff), Err(Exception::gp(0)));
    e.lidt(0xffff_8000_0000_0000, 0xfff).unwrap();
    assert_eq!(e.cpu.idtr.base, 0xffff_8000_0000_0000);
}

#[test]
fn a_snapshot_restores_the_whole_state() {
    let mut m = Machine::long();
    fill_fpu(&mut m);
    m.cpu.regs[15] = u64::MAX;
    m.cpu.flags.set_rflags(0x247);
    let mut e = m.exec();
    e.write_dr(0, 0x5000).unwrap();
    e.write_dr(7, 3 << 16 | 1).unwrap();
    e.hold_interrupts(Shadow::Sti);
    (e.retired, e.cpu.rip) = (1, 0x7001);
    e.cpu.set_activity(Activity::Halted);
    drop(e);
    let saved = m.cpu.save();
    assert_eq!(saved.kind, "vcpu");
    let mut other = Vcpu::new(0, CpuModel::default());
    other.restore(&saved).unwrap();
    assert_eq!(other.save(), saved);
    assert_eq!((other.mode(), other.activity()), (m.cpu.mode(), Activity::Halted));
    assert_eq!(other.attention, m.cpu.attention);
    assert_eq!(other.segs, m.cpu.segs);
    assert_eq!(other.stack_mask(), m.cpu.stack_mask());
}

#[test]
fn snapshots_of_others_or_with_impossible_values_are_refused() {
    let m = Machine::long();
    let saved = m.cpu.save();
    let mut pentium = Vcpu::new(0, CpuModel::named("pentium3").unwrap());
    let before = pentium.save();
    assert!(matches!(pentium.restore(&saved), Err(SnapshotError::Invalid { .. })));
    assert_eq!(pentium.save(), before);
    assert!(Vcpu::new(1, CpuModel::default()).restore(&saved).is_err());

    let mut cpu = Vcpu::new(0, CpuModel::default());
    for spoil in [
        (|c: &mut Vcpu| c.cr0 &= !cr0::PE) as fn(&mut Vcpu),
        |c| c.efer &= !0x400,
        |c| c.cr4 = 0,
        |c| c.cr4 |= 1 << 40,
        |c| c.mxcsr = 0x1_0000,
        |c| c.fpu.top = 8,
        |c| c.fpu.status = 0x800,
        |c| c.xcr0 = 3,
        |c| c.flags.set(1 << 17, true),
        |c| c.tr.attributes.0 = 0x1000,
    ] {
        let mut m = Machine::long();
        spoil(&mut m.cpu);
        let error = cpu.restore(&m.cpu.save());
        assert!(matches!(error, Err(SnapshotError::Invalid { .. })), "{error:?}");
    }
}

#[test]
fn reset_is_power_on() {
    let mut m = Machine::long();
    fill_fpu(&mut m);
    let fresh = Vcpu::new(0, CpuModel::default()).save();
    m.cpu.reset();
    assert_eq!(m.cpu.save(), fresh);
    assert_eq!(m.cpu.cr0, 0x6000_0010);
    assert_eq!((m.cpu.rip, m.cpu.seg(SegReg::Cs).base), (0xfff0, 0xffff_0000));
}

#[test]
fn leaving_64_bit_mode_clears_the_upper_halves_of_registers() {
    let mut cpu = Vcpu::new(0, CpuModel::default());
    cpu.set_long_mode(0x1000, 0x2000, 8, 16);
    cpu.regs = [0x1234_5678_9abc_def0; 16];
    cpu.mode_changed();
    assert_eq!(cpu.regs[7], 0x1234_5678_9abc_def0);
    cpu.segs[SegReg::Cs as usize].attributes = SegmentAttributes(0xc9b);
    cpu.mode_changed();
    assert_eq!(cpu.regs[..8], [0x9abc_def0; 8]);
    // 32-bit code cannot reach the others.
    assert_eq!(cpu.regs[8..], [0x1234_5678_9abc_def0; 8]);
}
