use aero_cpu::{RSP, SegReg, vector};
use iced_x86::code_asm::*;

use crate::asm;
use crate::machine::*;

#[test]
fn calls_and_returns() {
    let mut m = Machine::long().with(|a| {
        let mut f = a.create_label();
        let mut g = a.create_label();
        let mut over = a.create_label();
        a.call(f).unwrap();
        asm!(a: push(1); push(2););
        a.lea(rcx, qword_ptr(g)).unwrap();
        asm!(a: call(rcx););
        a.jmp(over).unwrap();
        a.set_label(&mut f).unwrap();
        asm!(a: inc(eax); ret(););
        a.set_label(&mut g).unwrap();
        asm!(a: add(eax, 10); ret_1(16););
        a.set_label(&mut over).unwrap();
        a.hlt().unwrap();
    });
    m.run();
    assert_eq!((m.reg(RAX), m.reg(RSP)), (11, STACK));
}

#[test]
fn a_jump_through_memory() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rbx, DATA); jmp(qword_ptr(rbx + 8)); ud2(););
    });
    m.write(DATA + 8, &(CODE + 0x100).to_le_bytes());
    m.write(CODE + 0x100, &[0xf4]);
    m.run();
    assert_eq!(m.cpu.rip, CODE + 0x101);
}

#[test]
fn a_return_to_a_non_canonical_address_faults_at_the_return() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rax, 0x8000_0000_0000_i64); push(rax); ret(););
    });
    assert_eq!(m.expect_fault(vector::GP), CODE + 11);
    // Six quadwords and the word that was not popped.
    assert_eq!(m.reg(RSP) + 48, (STACK - 8) & !15);
}

#[test]
fn loops_count_in_the_register_of_the_address_size() {
    let mut m = Machine::long().with(|a| {
        let mut top = a.create_label();
        asm!(a: mov(rcx, 0x1_0000_0003_i64););
        a.set_label(&mut top).unwrap();
        a.inc(ebx).unwrap();
        a.loop_(top).unwrap();
        a.hlt().unwrap();
    });
    // With 67h the count is ECX.
    let code = m.read(CODE, 32);
    let at = code.iter().position(|b| *b == 0xe2).unwrap();
    let mut patched = code[..at].to_vec();
    patched.extend([0x67, 0xe2, code[at + 1].wrapping_sub(1), 0xf4]);
    m.write(CODE, &patched);
    m.run();
    assert_eq!((m.reg(RBX), m.reg(RCX)), (3, 0));
}

#[test]
fn conditional_loops_look_at_zf() {
    let mut m = Machine::long().with(|a| {
        let mut top = a.create_label();
        let mut out = a.create_label();
        asm!(a: mov(ecx, 10););
        a.set_label(&mut top).unwrap();
        asm!(a: cmp(ecx, 4););
        a.loopne(top).unwrap();
        asm!(a: mov(edx, ecx); xor(ecx, ecx););
        a.jrcxz(out).unwrap();
        a.ud2().unwrap();
        a.set_label(&mut out).unwrap();
        a.hlt().unwrap();
    });
    m.run();
    assert_eq!(m.reg(RDX), 3);
}

#[test]
fn frames_nest() {
    let mut m = Machine::long().with(|a| {
        asm!(a:
            mov(rbp, STACK - 0x100); mov(rax, 0x77_i64); mov(qword_ptr(rbp - 8), rax);
            enter(0x20, 2); mov(rbx, rsp); mov(rcx, rbp); leave(); hlt();
        );
    });
    m.run();
    assert_eq!(m.reg(RCX), STACK - 8, "the frame pointer points at the old one");
    assert_eq!(m.reg(RBX), STACK - 8 - 16 - 0x20);
    assert_eq!(m.read_u64(STACK - 8), STACK - 0x100);
    assert_eq!(m.read_u64(STACK - 16), 0x77);
    assert_eq!(m.read_u64(STACK - 24), STACK - 8);
    assert_eq!((m.reg(RSP), m.reg(RBP)), (STACK, STACK - 0x100));
}

#[test]
fn push_and_pop_of_the_stack_pointer_itself() {
    let mut m = Machine::long().with(|a| {
        asm!(a:
            push(rsp); pop(rax);
            push(DATA as i32); pop(rsp); mov(rbx, rsp);
            mov(rsp, STACK); push(5); pop(qword_ptr(rsp - 8));
            hlt();
        );
    });
    m.run();
    assert_eq!((m.reg(RAX), m.reg(RBX)), (STACK, DATA));
    // The address was that after the increment.
    assert_eq!(m.read_u64(STACK - 8), 5);
}

#[test]
fn a_pop_that_cannot_store_leaves_the_stack_pointer() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rbx, DATA); push(5); pop(qword_ptr(rbx)); hlt(););
    });
    m.set_present(DATA, false);
    m.expect_fault(vector::PF);
    assert_eq!(m.read_u64(m.reg(RSP) + 32), STACK - 8);
}

#[test]
fn all_registers_are_pushed_and_popped_in_order() {
    let mut m = Machine::flat().with(|a| {
        asm!(a:
            mov(eax, 1); mov(ecx, 2); mov(edx, 3); mov(ebx, 4); mov(ebp, 5); mov(esi, 6); mov(edi, 7);
            pushad(); mov(eax, 0); mov(edi, 0); mov(ebp, 0); popad(); pusha(); hlt();
        );
    });
    m.run();
    let pushed: Vec<_> = (1..=8).map(|i| m.read_u16(STACK - i * 2)).collect();
    assert_eq!(pushed, [1, 2, 3, 4, STACK as u16, 5, 6, 7], "the fifth is SP as it was");
    assert_eq!((m.reg(RAX), m.reg(RBP), m.reg(RDI)), (1, 5, 7));
    assert_eq!(m.reg(RSP), STACK - 16);
}

#[test]
fn bounds_are_signed_and_inclusive() {
    for (index, inside) in [(-5_i32, true), (10, true), (11, false), (-6, false)] {
        let mut m = Machine::flat().with(|a| {
            asm!(a: mov(eax, index); bound(eax, qword_ptr(DATA as u32)); hlt(););
        });
        m.write(DATA, &(-5_i32).to_le_bytes());
        m.write(DATA + 4, &10_i32.to_le_bytes());
        m.run();
        if !inside {
            assert_eq!(m.vector(), u64::from(vector::BR));
        }
    }
}

#[test]
fn software_interrupts_return_behind_themselves() {
    let mut m = Machine::long().with(|a| {
        asm!(a: int(0x80); mov(ebx, 1); int3(); mov(ecx, 2); hlt(););
    });
    m.write(HANDLERS + 0x80, &[0xff, 0xc0, 0x48, 0xcf]);
    m.write(HANDLERS + 3, &[0x48, 0xcf]);
    m.run();
    assert_eq!((m.reg(RAX), m.reg(RBX), m.reg(RCX)), (1, 1, 2));
}

#[test]
fn far_pointers_load_segment_and_offset() {
    let mut m = Machine::flat().with(|a| {
        asm!(a: les(ebx, fword_ptr(DATA as u32)); lfs(ecx, fword_ptr(DATA as u32 + 8)); hlt(););
    });
    m.write(DATA, &[1, 2, 3, 4, DATA_SELECTOR as u8, 0]);
    m.write(DATA + 8, &[5, 6, 7, 8, 0, 0]);
    m.run();
    assert_eq!((m.reg(RBX), m.reg(RCX)), (0x0403_0201, 0x0807_0605));
    assert_eq!(m.cpu.seg(SegReg::Es).selector, DATA_SELECTOR);
    assert_eq!(m.cpu.seg(SegReg::Fs).selector, 0);
}

#[test]
fn far_jumps_and_calls_change_the_code_segment() {
    let mut m = Machine::flat().with_bytes(&[
        0x9a,
        0x00,
        0x01,
        0x01,
        0x00,
        CODE_SELECTOR as u8,
        0, // call 08:10100
        0xf4,
    ]);
    m.write(CODE + 0x100, &[0x43, 0xcb]);
    m.run();
    assert_eq!((m.reg(RBX), m.reg(RSP)), (1, STACK));
}
