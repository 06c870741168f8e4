//! Hardware task switches.

mod common;

use aero_cpu::bits::{cr0, rflags};
use aero_cpu::{Attention, Exception, OperandSize, RSP, SegReg, vector};
use common::*;

const NEW: u16 = 0x50;
const NEW_TSS: u64 = 0x9000;
const GATE: u16 = 0x58;

/// A 32-bit task at 0x9000 that starts at CPL 0 at 0xa000, and a task gate to it.
fn machine() -> Machine {
    let mut m = Machine::protected();
    m.set_gdt(TSS_SELECTOR, descriptor(TSS as u32, 0x67, 0x8b));
    m.set_gdt(NEW, descriptor(NEW_TSS as u32, 0x67, 0x89));
    m.set_gdt(GATE, gate(NEW, 0, 0x85, 0));
    let p = &m.platform;
    p.load_u32(NEW_TSS + 0x20, 0xa000); // EIP
    p.load_u32(NEW_TSS + 0x24, 0x2); // EFLAGS
    for i in 0..8 {
        p.load_u32(NEW_TSS + 0x28 + i * 4, 0x100 + i as u32);
    }
    p.load_u32(NEW_TSS + 0x38, 0xb000); // ESP
    for (i, selector) in
        [KERNEL_DATA, KERNEL_CODE, KERNEL_DATA, KERNEL_DATA, 0, 0].into_iter().enumerate()
    {
        p.load_u32(NEW_TSS + 0x48 + i as u64 * 4, selector.into());
    }
    m
}

fn busy(m: &Machine, selector: u16) -> bool {
    m.platform.u64_at(GDT + u64::from(selector)) >> 41 & 1 != 0
}

#[test]
fn a_jump_to_a_tss_saves_and_loads_everything() {
    let mut m = machine();
    m.cpu.regs[3] = 0x3333;
    let mut e = m.exec();
    e.next_rip = 0x7007;
    e.far_jump(NEW, 0, OperandSize::Dword).unwrap();
    assert_eq!((e.next_rip, e.cpu.regs[0], e.cpu.regs[RSP]), (0xa000, 0x100, 0xb000));
    assert_eq!((e.cpu.tr.selector, e.cpu.cr0 & cr0::TS), (NEW, cr0::TS));
    assert!(!e.cpu.seg(SegReg::Fs).usable);
    drop(e);
    assert!(busy(&m, NEW) && !busy(&m, TSS_SELECTOR));
    assert_eq!(m.platform.u32_at(TSS + 0x20), 0x7007);
    assert_eq!(m.platform.u32_at(TSS + 0x34), 0x3333);
    assert_eq!(m.platform.u16_at(TSS + 0x4c), KERNEL_CODE);
    // A busy task cannot be switched to.
    assert_eq!(
        fault(m.exec().far_jump(NEW, 0, OperandSize::Dword)),
        (vector::GP, Some(NEW.into()))
    );
}

#[test]
fn a_call_nests_and_iret_returns() {
    let mut m = machine();
    let mut e = m.exec();
    e.next_rip = 0x7007;
    e.far_call(GATE, 0, OperandSize::Dword).unwrap();
    assert!(e.cpu.flags.has(rflags::NT));
    drop(e);
    assert!(busy(&m, NEW) && busy(&m, TSS_SELECTOR));
    assert_eq!(m.platform.u16_at(NEW_TSS), TSS_SELECTOR);
    let mut e = m.exec();
    e.next_rip = 0xa005;
    e.iret(OperandSize::Dword).unwrap();
    assert_eq!((e.next_rip, e.cpu.tr.selector), (0x7007, TSS_SELECTOR));
    drop(e);
    assert!(!busy(&m, NEW) && busy(&m, TSS_SELECTOR));
    assert_eq!(m.platform.u32_at(NEW_TSS + 0x20), 0xa005);
    assert_eq!(m.platform.u32_at(NEW_TSS + 0x24) & rflags::NT as u32, 0);
}

#[test]
fn an_exception_through_a_task_gate_pushes_its_code_in_the_new_task() {
    let mut m = machine();
    m.platform.load_u64(IDT + 8 * 8, gate(NEW, 0, 0x85, 0));
    m.platform.load_u32(NEW_TSS + 0x64, 1); // debug trap
    let mut e = m.exec();
    e.raise(Exception::df());
    assert_eq!((e.cpu.rip, e.cpu.regs[RSP]), (0xa000, 0xaffc));
    assert_eq!(e.read_u32(SegReg::Ss, 0xaffc), Ok(0));
    assert!(e.cpu.attention.contains(Attention::DEBUG_TRAP));
    // The T bit: #DB with BT before the first instruction.
    e.service_events();
    assert_eq!((e.cpu.rip, e.cpu.dr[6] & 1 << 15), (0x8010, 1 << 15));
    drop(e);
    assert_eq!(m.platform.u32_at(TSS + 0x20), 0x7000);
}

#[test]
fn a_16_bit_task() {
    let mut m = machine();
    m.set_gdt(NEW, descriptor(NEW_TSS as u32, 0x2b, 0x81));
    for (offset, value) in [
        (0x0e, 0xa000u16),
        (0x10, 2),
        (0x12, 0x1234),
        (0x1a, 0xb000),
        (0x22, KERNEL_DATA),
        (0x24, KERNEL_CODE),
        (0x26, KERNEL_DATA),
        (0x28, 0),
        (0x2a, 0),
    ] {
        m.platform.load(NEW_TSS + offset, &value.to_le_bytes());
    }
    let mut e = m.exec();
    e.far_jump(NEW, 0, OperandSize::Word).unwrap();
    assert_eq!((e.next_rip, e.cpu.regs[0] & 0xffff), (0xa000, 0x1234));
    assert_eq!(e.cpu.seg(SegReg::Es).selector, KERNEL_DATA);
    assert!(!e.cpu.seg(SegReg::Ds).usable);
    e.next_rip = 0xa004;
    e.far_jump(TSS_SELECTOR, 0, OperandSize::Word).unwrap();
    drop(e);
    assert_eq!(m.platform.u16_at(NEW_TSS + 0x0e), 0xa004);
}

#[test]
fn a_task_with_a_bad_segment_faults_in_its_own_context() {
    let mut m = machine();
    m.platform.load_u32(NEW_TSS + 0x50, USER_DATA.into()); // SS of another level
    let mut e = m.exec();
    let result = e.far_jump(NEW, 0, OperandSize::Dword);
    assert_eq!(fault(result), (vector::TS, Some(0x20)));
    assert_eq!((e.cpu.tr.selector, e.cpu.rip), (NEW, 0xa000));
}

#[test]
fn a_task_state_segment_that_is_too_short_is_refused_before_anything_happens() {
    let mut m = machine();
    m.set_gdt(NEW, descriptor(NEW_TSS as u32, 0x66, 0x89));
    let mut e = m.exec();
    assert_eq!(fault(e.far_jump(NEW, 0, OperandSize::Dword)), (vector::TS, Some(NEW.into())));
    assert_eq!((e.cpu.tr.selector, e.cpu.rip), (TSS_SELECTOR, 0x7000));
}

#[test]
fn the_io_permission_bitmap_opens_single_ports() {
    let mut m = machine();
    m.cpu.tr.limit = 0x67 + 0x20;
    m.platform.load(TSS + 0x66, &0x68u16.to_le_bytes());
    for i in 0..0x20 {
        m.platform.load(TSS + 0x68 + i, &[0xff]);
    }
    m.platform.load(TSS + 0x68 + 0x60 / 8, &[0xfe]); // port 0x60
    m.go_user();
    let mut e = m.exec();
    assert!(e.port_in(0x60, 1).is_ok());
    assert_eq!(e.port_in(0x60, 2), Err(Exception::gp(0)));
    assert_eq!(e.port_out(0x61, 1, 0), Err(Exception::gp(0)));
    // Past the end of the segment nothing is allowed.
    assert_eq!(e.port_in(0x3f8, 1), Err(Exception::gp(0)));
}
