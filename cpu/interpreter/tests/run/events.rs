//! When interrupts and traps are taken.

use aero_cpu::bits::rflags;
use aero_cpu::{CpuExit, RSP, Signal, vector};
use iced_x86::code_asm::*;

use crate::asm;
use crate::machine::*;

#[test]
fn an_interrupt_that_an_out_raises_comes_before_the_next_instruction() {
    let mut m = Machine::long().with(|a| {
        asm!(a: sti(); nop(); mov(edx, u32::from(RAISE_PORT)); out(dx, al); inc(ebx); hlt(););
    });
    m.world.vector = Some(0x31);
    m.run();
    assert_eq!((m.vector(), m.reg(RBX)), (0x31, 0));
}

#[test]
fn an_interrupt_that_a_store_to_a_device_raises_comes_before_the_next_instruction() {
    let mut m = Machine::long().with(|a| {
        asm!(a: sti(); nop(); mov(rbx, DEVICE); mov(byte_ptr(rbx), 1); inc(ecx); inc(ecx); hlt(););
    });
    m.world.vector = Some(0x31);
    m.world.raise = true;
    m.run();
    assert_eq!((m.vector(), m.reg(RCX)), (0x31, 0));
}

#[test]
fn sti_lets_one_more_instruction_pass() {
    let mut m = Machine::long().with(|a| {
        asm!(a: inc(ebx); sti(); inc(ebx); inc(ebx); hlt(););
    });
    m.raise_interrupt(0x32);
    m.run();
    assert_eq!((m.vector(), m.reg(RBX)), (0x32, 2));
}

#[test]
fn nothing_comes_between_mov_ss_and_the_next_instruction() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(eax, u32::from(DATA_SELECTOR)); sti(); nop(); hlt(););
    });
    m.run_for(3);
    m.write(m.cpu.rip, &[0x8e, 0xd0, 0xff, 0xc3, 0xff, 0xc3, 0xf4]);
    m.cpu.flags.set(rflags::IF, true);
    // The interrupt is there already; the MOV to SS is executed by a trap flag's length of one.
    let outcome = m.run_for(1);
    assert_eq!(outcome.retired, 1);
    m.raise_interrupt(0x33);
    m.run();
    assert_eq!((m.vector(), m.reg(RBX)), (0x33, 1));
}

#[test]
fn popf_that_sets_if_lets_interrupts_in_at_once() {
    let mut m = Machine::long().with(|a| {
        asm!(a: push(0x202); popfq(); inc(ebx); hlt(););
    });
    m.raise_interrupt(0x34);
    m.run();
    assert_eq!((m.vector(), m.reg(RBX)), (0x34, 0));
}

#[test]
fn the_trap_flag_traps_after_each_instruction_that_was_begun_with_it() {
    let mut m = Machine::long().with(|a| {
        asm!(a: push(0x102); popfq(); inc(ebx); inc(ebx); hlt(););
    });
    m.run();
    assert_eq!((m.vector(), m.reg(RBX)), (u64::from(vector::DB), 1));
    assert_eq!(m.cpu.dr[6] & 1 << 14, 1 << 14);
}

#[test]
fn stop_ends_the_run_at_a_boundary() {
    let mut m = Machine::long().with(|a| {
        let mut top = a.create_label();
        a.set_label(&mut top).unwrap();
        a.jmp(top).unwrap();
    });
    m.signals.raise(Signal::STOP);
    let outcome = m.run_for(1000);
    assert_eq!((outcome.exit, outcome.retired), (CpuExit::Budget, 0));
    assert_eq!(m.run_for(1000).retired, 1000);
}

#[test]
fn a_masked_interrupt_costs_nothing_and_stays() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(ecx, 10););
        let mut top = a.create_label();
        a.set_label(&mut top).unwrap();
        a.dec(ecx).unwrap();
        a.jnz(top).unwrap();
        asm!(a: sti(); hlt(););
    });
    m.raise_interrupt(0x35);
    m.run();
    assert_eq!((m.vector(), m.reg(RCX)), (0x35, 0));
}

#[test]
fn a_halted_processor_continues_behind_hlt() {
    let mut m = Machine::long().with(|a| {
        asm!(a: sti(); hlt(); inc(ebx); cli(); hlt(););
    });
    // The handler returns.
    m.write(HANDLERS + 0x36, &[0x48, 0xcf]);
    assert_eq!(m.run_for(1000).exit, CpuExit::Halted);
    m.raise_interrupt(0x36);
    m.run();
    assert_eq!((m.reg(RBX), m.reg(RSP)), (1, STACK));
}

#[test]
fn data_breakpoints_trap_after_the_access() {
    let mut m = Machine::long().with(|a| {
        asm!(a:
            mov(rax, DATA); mov(dr0, rax); mov(eax, 0xd0402); mov(dr7, rax);
            mov(rbx, DATA); mov(dword_ptr(rbx + 8), 1);
            mov(dword_ptr(rbx), 1); inc(ecx); inc(ecx); hlt();
        );
    });
    m.run();
    assert_eq!((m.vector(), m.reg(RCX)), (u64::from(vector::DB), 0));
    assert_eq!(m.cpu.dr[6] & 0xf, 1);
}

#[test]
fn a_fault_retires_an_instruction_so_that_a_fault_loop_ends() {
    let mut m = Machine::long().with_bytes(&[0x0f, 0x0b]);
    // The handler of #UD is UD2.
    m.write(HANDLERS + 6, &[0x0f, 0x0b]);
    let outcome = m.run_for(100);
    assert!(outcome.retired <= 100);
}

#[test]
fn an_interrupt_comes_after_the_first_instruction_of_an_nmi_handler_that_lets_it_in() {
    let mut m = Machine::long().with(|a| {
        asm!(a: nop(); hlt(););
    });
    // The NMI's gate is a trap gate, which leaves IF set, and its handler a row of instructions.
    let gate = DATA & 0xffff | u64::from(CODE_SELECTOR) << 16 | 0x8f00 << 32 | DATA >> 16 << 48;
    m.write(IDT + u64::from(vector::NMI) * 16, &gate.to_le_bytes());
    m.write(DATA, &[0xff, 0xc3, 0xff, 0xc3, 0xff, 0xc3, 0xf4]);
    m.cpu.flags.set(rflags::IF, true);
    m.signals.raise(Signal::NMI);
    m.raise_interrupt(0x34);
    m.run();
    assert_eq!((m.vector(), m.reg(RBX)), (0x34, 1));
}

#[test]
fn two_interrupts_come_an_instruction_apart_wherever_runs_end() {
    const GATE: u64 = DATA + 0x100;
    let run = |most: u64| {
        let mut m = Machine::long().with(|a| {
            asm!(a: nop(); hlt(););
        });
        // Trap gates, which leave IF set, for the NMI and the interrupt that comes with it.
        for (vector, handler) in [(vector::NMI, DATA), (0x35, GATE)] {
            let gate = handler & 0xffff
                | u64::from(CODE_SELECTOR) << 16
                | 0x8f00 << 32
                | handler >> 16 << 48;
            m.write(IDT + u64::from(vector) * 16, &gate.to_le_bytes());
        }
        m.write(DATA, &[0xff, 0xc3, 0xff, 0xc3, 0xf4]);
        m.write(GATE, &[0xff, 0xc1, 0xff, 0xc1, 0xf4]);
        m.cpu.flags.set(rflags::IF, true);
        m.run_for(1);
        m.signals.raise(Signal::NMI);
        m.raise_interrupt(0x35);
        while m.run_for(most).exit == CpuExit::Budget {}
        (m.reg(RBX), m.reg(1), m.reg(RSP), m.cpu.rip)
    };
    assert_eq!(run(100), run(1));
    assert_eq!(run(100).0, 1);
}
