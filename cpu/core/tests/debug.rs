//! Breakpoints and single steps.

mod common;

use aero_cpu::bits::{cr4, rflags};
use aero_cpu::{Attention, Exception, OperandSize, RSP, SegReg, Shadow};
use common::*;

const DS: SegReg = SegReg::Ds;
const DB: u64 = 0x8010;

/// Ends an instruction and looks at what comes.
fn boundary(e: &mut aero_cpu::Exec<'_>, rip: u64) -> u64 {
    e.cpu.rip = rip;
    e.retired += 1;
    e.service_events();
    e.cpu.rip
}

#[test]
fn tf_traps_after_the_instruction_that_begins_with_it_set() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    e.push(0x100u32).unwrap();
    e.popf(OperandSize::Dword).unwrap();
    assert!(e.cpu.attention.contains(Attention::SINGLE_STEP));
    // Not after the POPF that sets it, but after the next one.
    assert_eq!(boundary(&mut e, 0x7001), 0x7001);
    assert_eq!(boundary(&mut e, 0x7002), DB);
    assert_eq!(e.cpu.dr[6] & 0x4000, 0x4000);
    assert!(!e.cpu.flags.has(rflags::TF));
    assert_eq!(e.pop::<u32>(), Ok(0x7002));
}

#[test]
fn an_instruction_that_clears_tf_is_still_trapped() {
    let mut m = Machine::protected();
    m.cpu.flags.set_rflags(rflags::TF);
    m.cpu.mode_changed();
    let mut e = m.exec();
    e.push(0u32).unwrap();
    assert_eq!(e.service_events(), None);
    e.popf(OperandSize::Dword).unwrap();
    assert!(!e.cpu.attention.is_empty());
    assert_eq!(boundary(&mut e, 0x7001), DB);
}

#[test]
fn a_single_step_survives_the_end_of_a_run() {
    let mut m = Machine::protected();
    m.cpu.flags.set_rflags(rflags::TF);
    m.cpu.mode_changed();
    let mut e = m.exec();
    e.service_events();
    (e.cpu.rip, e.retired) = (0x7001, 1);
    drop(e);
    let mut e = m.exec();
    e.service_events();
    assert_eq!(e.cpu.rip, DB);
}

#[test]
fn int_n_is_not_stepped_into() {
    let mut m = Machine::protected();
    m.cpu.flags.set_rflags(rflags::TF);
    m.cpu.mode_changed();
    let mut e = m.exec();
    e.service_events();
    e.int_n(0x30).unwrap();
    let handler = e.next_rip;
    assert_eq!(boundary(&mut e, handler), 0x8300);
    assert_eq!(boundary(&mut e, 0x8301), 0x8301);
}

#[test]
fn a_data_breakpoint_traps_after_the_access() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    assert!(e.read_u32(DS, 0x5004).is_ok());
    e.write_dr(0, 0x5004).unwrap();
    e.write_dr(1, 0x5008).unwrap();
    // DR0: writes of 4 bytes; DR1: reads and writes of 4 bytes.
    e.write_dr(7, 0x00fd_0005).unwrap();
    e.look = false;
    e.read_u32(DS, 0x5004).unwrap();
    assert_eq!(boundary(&mut e, 0x7001), 0x7001);
    e.write_u8(DS, 0x5007, 1).unwrap();
    assert!(e.look && e.cpu.attention.contains(Attention::DEBUG_TRAP));
    assert_eq!(boundary(&mut e, 0x7002), DB);
    assert_eq!(e.cpu.dr[6] & 0xf, 1);
    e.read_u64(DS, 0x5001).unwrap();
    assert_eq!(boundary(&mut e, 0x8011), DB);
    // The other breakpoint's bit is gone.
    assert_eq!(e.cpu.dr[6] & 0xf, 2);
    e.write_dr(7, 0).unwrap();
    e.write_u8(DS, 0x5007, 1).unwrap();
    assert_eq!(boundary(&mut e, 0x8012), 0x8012);
}

#[test]
fn mov_ss_delays_a_debug_trap() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    e.write_dr(0, 0x5004).unwrap();
    e.write_dr(7, 0xf_0001).unwrap();
    e.read_u32(DS, 0x5004).unwrap();
    e.hold_interrupts(Shadow::MovSs);
    assert_eq!(boundary(&mut e, 0x7001), 0x7001);
    assert_eq!(boundary(&mut e, 0x7002), DB);
}

#[test]
fn an_instruction_breakpoint_faults_before_it_unless_rf_is_set() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    e.write_dr(2, 0x7001).unwrap();
    e.write_dr(7, 0x10).unwrap();
    assert!(e.cpu.attention.contains(Attention::CODE_BREAKPOINT));
    assert_eq!(boundary(&mut e, 0x7001), DB);
    assert_eq!(e.cpu.dr[6] & 0xf, 4);
    // The handler sets RF in the image and returns: the instruction runs, RF goes away after it.
    let sp = e.cpu.regs[RSP];
    e.write_u32(SegReg::Ss, sp + 8, 0x1_0002).unwrap();
    e.iret(OperandSize::Dword).unwrap();
    let back = e.next_rip;
    assert_eq!(boundary(&mut e, back), 0x7001);
    assert!(e.cpu.flags.has(rflags::RF));
    assert_eq!(boundary(&mut e, 0x7002), 0x7002);
    assert!(!e.cpu.flags.has(rflags::RF));
    assert_eq!(boundary(&mut e, 0x7001), DB);
}

#[test]
fn mov_ss_loses_its_own_single_step() {
    let mut m = Machine::protected();
    m.cpu.flags.set_rflags(rflags::TF);
    m.cpu.mode_changed();
    let mut e = m.exec();
    e.service_events();
    e.hold_interrupts(Shadow::MovSs);
    assert_eq!(boundary(&mut e, 0x7001), 0x7001);
    // INT1 comes alone: no step is reported with it.
    e.next_rip = 0x7002;
    e.int1().unwrap();
    let handler = e.next_rip;
    assert_eq!(boundary(&mut e, handler), DB);
    assert_eq!(e.cpu.dr[6] & 0x400f, 0);
}

#[test]
fn a_data_breakpoint_that_mov_ss_holds_back_comes_with_int1() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    e.write_dr(0, 0x5004).unwrap();
    e.write_dr(7, 0xf_0001).unwrap();
    e.read_u32(DS, 0x5004).unwrap();
    e.hold_interrupts(Shadow::MovSs);
    assert_eq!(boundary(&mut e, 0x7001), 0x7001);
    e.next_rip = 0x7002;
    e.int1().unwrap();
    assert_eq!(e.cpu.dr[6] & 0xf, 1);
    let handler = e.next_rip;
    assert_eq!(boundary(&mut e, handler), DB);
    assert_eq!(boundary(&mut e, DB + 1), DB + 1);
    assert_eq!(e.pop::<u32>(), Ok(0x7002));
}

#[test]
fn mov_ss_hides_an_instruction_breakpoint_behind_it() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    e.write_dr(0, 0x7001).unwrap();
    e.write_dr(7, 1).unwrap();
    e.hold_interrupts(Shadow::MovSs);
    assert_eq!(boundary(&mut e, 0x7001), 0x7001);
    assert_eq!(boundary(&mut e, 0x7002), 0x7002);
    assert_eq!(boundary(&mut e, 0x7001), DB);
    // STI holds off interrupts alone.
    e.hold_interrupts(Shadow::Sti);
    assert_eq!(boundary(&mut e, 0x7001), DB);
}

#[test]
fn io_breakpoints_need_cr4_de() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    e.write_dr(0, 0x80).unwrap();
    e.write_dr(7, 0x2_0001).unwrap();
    e.port_out(0x80, 1, 0).unwrap();
    assert_eq!(boundary(&mut e, 0x7001), 0x7001);
    e.write_cr(4, cr4::DE).unwrap();
    e.port_out(0x80, 1, 0).unwrap();
    assert_eq!(boundary(&mut e, 0x7002), DB);
}

#[test]
fn debug_registers_have_fixed_bits_aliases_and_a_guard() {
    let mut m = Machine::protected();
    let mut e = m.exec();
    e.write_dr(4, 0).unwrap();
    assert_eq!(e.read_dr(6), Ok(0xffff_0ff0));
    e.write_dr(7, 0).unwrap();
    assert_eq!(e.read_dr(5), Ok(0x400));
    e.write_cr(4, cr4::DE).unwrap();
    assert_eq!(e.read_dr(4), Err(Exception::ud()));
    e.write_dr(7, 1 << 13).unwrap();
    assert_eq!(e.read_dr(0), Err(Exception::db()));
    assert_eq!(e.cpu.dr[6] & 1 << 13, 1 << 13);
    e.raise(Exception::db());
    // In the handler the guard is off.
    assert!(e.read_dr(0).is_ok());
}

#[test]
fn an_instruction_breakpoint_waits_for_a_budget_to_count_in() {
    let mut m = Machine::protected();
    m.platform.budget = 1;
    let mut e = m.exec();
    e.write_dr(0, 0x7001).unwrap();
    e.write_dr(7, 1).unwrap();
    e.cpu.rip = 0x7001;
    e.retired = 1;
    assert_eq!(e.service_events(), Some(aero_cpu::CpuExit::Budget));
    assert_eq!((e.cpu.rip, e.retired), (0x7001, 1));
    drop(e);
    let mut e = m.exec();
    assert_eq!(e.service_events(), Some(aero_cpu::CpuExit::Budget));
    assert_eq!((e.cpu.rip, e.retired), (DB, 1));
}

#[test]
fn shutdown_forgets_the_single_step() {
    let mut m = Machine::protected();
    m.cpu.flags.set_rflags(rflags::TF);
    m.cpu.mode_changed();
    let mut e = m.exec();
    assert_eq!(e.service_events(), None);
    e.cpu.idtr.limit = 0;
    e.raise(Exception::ud());
    assert_eq!(e.service_events(), Some(aero_cpu::CpuExit::Shutdown));
    assert_eq!(e.cpu.dr[6] & 0x4000, 0, "no instruction was stepped over");
}

#[test]
fn a_data_breakpoint_on_the_frame_of_an_instruction_breakpoint_traps_at_the_handler() {
    for budget in [1, 100] {
        let mut m = Machine::protected();
        m.platform.budget = budget;
        let mut e = m.exec();
        e.write_dr(0, 0x7000).unwrap();
        e.write_dr(1, 0x5ffc).unwrap();
        e.write_dr(7, 0xd0_0005).unwrap();
        let exit = e.service_events();
        if budget == 1 {
            assert_eq!((exit, e.cpu.rip), (Some(aero_cpu::CpuExit::Budget), DB));
            drop(e);
            e = m.exec();
            assert_eq!(e.service_events(), None);
        }
        assert_eq!(e.cpu.rip, DB);
        assert_eq!(
            e.pop::<u32>(),
            Ok(DB as u32),
            "budget {budget}: the second trap is of the handler"
        );
    }
}
