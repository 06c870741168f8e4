//! What is decoded once must not be seen.

use aero_cpu::{CpuBackend, CpuExit, RSP, vector};
use iced_x86::code_asm::*;

use crate::asm;
use crate::machine::*;

#[test]
fn a_store_changes_the_very_next_instruction() {
    // mov byte [rip + 1], 2 changes the immediate of the MOV that follows.
    let mut m = Machine::long().with_bytes(&[0xc6, 0x05, 1, 0, 0, 0, 2, 0xb8, 1, 0, 0, 0, 0xf4]);
    m.run();
    assert_eq!(m.reg(RAX), 2);
}

#[test]
fn code_that_counts_in_its_own_immediate() {
    let mut m = Machine::long().with_bytes(&[
        0xb9, 100, 0, 0, 0, // mov ecx, 100
        0xfe, 0x05, 1, 0, 0, 0, // top: inc byte [rip + 1]
        0xb8, 0, 0, 0, 0, // mov eax, 0
        0x01, 0xc3, // add ebx, eax
        0xff, 0xc9, // dec ecx
        0x75, 0xef, // jnz top
        0xf4,
    ]);
    m.run();
    assert_eq!(m.reg(RBX), 5050);
}

#[test]
fn a_string_store_over_code_ahead_takes_effect() {
    let mut m = Machine::long().with(|a| {
        // First through the code as it is, then again with NOPs over the INCs.
        let mut top = a.create_label();
        asm!(a: mov(edx, 2););
        a.set_label(&mut top).unwrap();
        asm!(a: inc(ebx); inc(ebx););
        a.lea(rdi, byte_ptr(top)).unwrap();
        asm!(a: mov(al, 0x90); mov(ecx, 4););
        a.rep().stosb().unwrap();
        a.dec(edx).unwrap();
        a.jnz(top).unwrap();
        a.hlt().unwrap();
    });
    m.run();
    assert_eq!(m.reg(RBX), 2);
}

#[test]
fn memory_written_from_outside_is_decoded_again() {
    let mut m = Machine::long().with_bytes(&[0xb8, 1, 0, 0, 0, 0xf4]);
    m.run();
    m.write(CODE, &[0xb8, 9, 0, 0, 0, 0xf4]);
    m.cpu.rip = CODE;
    m.cpu.set_activity(aero_cpu::Activity::Running);
    m.run();
    assert_eq!(m.reg(RAX), 9);
}

#[test]
fn data_beside_code_does_not_disturb_it() {
    let mut m = Machine::long().with(|a| {
        let mut top = a.create_label();
        asm!(a: mov(rbx, CODE + 0x800); mov(ecx, 1000););
        a.set_label(&mut top).unwrap();
        asm!(a: add(dword_ptr(rbx), 3); dec(ecx););
        a.jnz(top).unwrap();
        a.hlt().unwrap();
    });
    m.run();
    assert_eq!(m.read_u32(CODE + 0x800), 3000);
}

#[test]
fn one_processor_changes_code_that_another_one_runs() {
    let mut m = Machine::long().with(|a| {
        let mut top = a.create_label();
        a.set_label(&mut top).unwrap();
        asm!(a: mov(eax, 1); nop(););
        a.jmp(top).unwrap();
    });
    let mut other = Machine::long().with(|a| {
        asm!(a: mov(dword_ptr(CODE + 1), 7); hlt(););
    });
    // The second processor's code goes elsewhere, and it has the same memory.
    let code = other.read(CODE, 32);
    m.write(CODE + 0x2000, &code);
    other.cpu.rip = CODE + 0x2000;
    m.run_for(100);
    assert_eq!(m.reg(RAX), 1);
    std::mem::swap(&mut m.cpu, &mut other.cpu);
    m.run();
    std::mem::swap(&mut m.cpu, &mut other.cpu);
    m.run_for(100);
    assert_eq!(m.reg(RAX), 7);
}

#[test]
fn instructions_over_the_edge_of_a_page() {
    for before in 1..10 {
        let mut m = Machine::long();
        // mov rax, 1122334455667788h, then mov ebx, 5 and HLT in the next page.
        let start = CODE + 0x1000 - before;
        let mut code = vec![0x48, 0xb8];
        code.extend(0x1122_3344_5566_7788_u64.to_le_bytes());
        code.extend([0xbb, 5, 0, 0, 0, 0xf4]);
        m.write(start, &code);
        m.cpu.rip = start;
        m.run();
        assert_eq!((m.reg(RAX), m.reg(RBX)), (0x1122_3344_5566_7788, 5));
        // Without the second page, the fault is at its start and RIP at the instruction's.
        m.cpu.rip = start;
        m.cpu.regs[RSP] = STACK;
        m.cpu.set_activity(aero_cpu::Activity::Running);
        m.set_present(CODE + 0x1000, false);
        assert_eq!(m.expect_fault(vector::PF), start);
        assert_eq!(m.cpu.cr2, CODE + 0x1000);
    }
}

#[test]
fn an_instruction_over_the_edge_of_a_page_changes_with_either_page() {
    let mut m = Machine::long();
    let start = CODE + 0x1000 - 3;
    let rerun = |m: &mut Machine| {
        m.cpu.rip = start;
        m.cpu.set_activity(aero_cpu::Activity::Running);
        m.run();
        m.reg(RAX)
    };
    // mov eax, 04030201h; hlt
    m.write(start, &[0xb8, 1, 2, 3, 4, 0xf4]);
    assert_eq!((rerun(&mut m), rerun(&mut m)), (0x0403_0201, 0x0403_0201));
    m.write(start + 4, &[9]);
    assert_eq!(rerun(&mut m), 0x0903_0201);
    m.write(start + 1, &[8]);
    assert_eq!(rerun(&mut m), 0x0903_0208);
    // The second half from another page.
    m.write(DATA, &[7, 6, 0xf4]);
    m.write(TABLES + 0x3000 + ((CODE + 0x1000) >> 12) * 8, &(DATA | 7).to_le_bytes());
    m.cpu.flush_tlb();
    assert_eq!(rerun(&mut m), 0x0607_0208);
}

#[test]
fn a_program_may_write_the_second_half_of_its_next_instruction() {
    let mut m = Machine::long();
    // add byte [rip + 5], 1; mov eax, imm with its last byte in the next page; dec ecx; jnz; hlt.
    let start = CODE + 0x1000 - 11;
    m.write(start, &[0x80, 0x05, 4, 0, 0, 0, 1, 0xb8, 0, 0, 0, 0, 0xff, 0xc9, 0x75, 0xf0, 0xf4]);
    m.cpu.rip = start;
    m.cpu.regs[RCX] = 5;
    m.run();
    assert_eq!(m.reg(RAX), 5 << 24);
}

#[test]
fn an_instruction_that_ends_with_its_page_needs_no_other() {
    let mut m = Machine::long();
    m.write(CODE + 0x1000 - 6, &[0xb8, 3, 0, 0, 0, 0xf4]);
    m.set_present(CODE + 0x1000, false);
    m.cpu.rip = CODE + 0x1000 - 6;
    m.run();
    assert_eq!(m.reg(RAX), 3);
}

#[test]
fn fifteen_bytes_are_the_longest_instruction() {
    let mut longest = vec![0x66; 14];
    longest.push(0x90);
    longest.push(0xf4);
    let mut m = Machine::long().with_bytes(&longest);
    m.run();
    assert_eq!(m.cpu.rip, CODE + 16);
    let mut longer = vec![0x66; 15];
    longer.push(0x90);
    assert_eq!(Machine::long().with_bytes(&longer).expect_fault(vector::GP), CODE);
    // At the end of a page as well, whatever comes after.
    let mut m = Machine::long();
    m.write(CODE + 0x1000 - 15, &[0x66; 15]);
    m.set_present(CODE + 0x1000, false);
    m.cpu.rip = CODE + 0x1000 - 15;
    m.expect_fault(vector::GP);
}

#[test]
fn the_budget_is_exact_and_a_run_in_pieces_is_the_run_in_one() {
    let machine = || {
        Machine::long().with(|a| {
            let mut top = a.create_label();
            asm!(a: mov(ecx, 50); mov(rbx, DATA););
            a.set_label(&mut top).unwrap();
            asm!(a:
                add(eax, ecx); push(rax); pop(rdx); mov(dword_ptr(rbx + rcx * 4), edx); dec(ecx);
            );
            a.jnz(top).unwrap();
            a.hlt().unwrap();
        })
    };
    let mut whole = machine();
    let total = whole.run_for(1_000_000).retired;
    assert_eq!(total, 2 + 50 * 6 + 1);
    for piece in 1..12 {
        let mut m = machine();
        let mut sum = 0;
        loop {
            let outcome = m.run_for(piece);
            assert!(outcome.retired <= piece);
            sum += outcome.retired;
            if outcome.exit == CpuExit::Halted {
                break;
            }
            assert_eq!(outcome.retired, piece);
        }
        assert_eq!(sum, total);
        assert_eq!(m.cpu.regs, whole.cpu.regs);
        assert_eq!(m.cpu.flags, whole.cpu.flags);
        assert_eq!(m.read(DATA, 256), whole.read(DATA, 256));
    }
}

#[test]
fn devices_see_the_exact_count_of_retired_instructions() {
    let mut m = Machine::long().with(|a| {
        asm!(a:
            mov(rbx, DEVICE); nop(); mov(dword_ptr(rbx), 1); nop(); nop(); nop();
            mov(byte_ptr(rbx + 8), 2); mov(edx, 0x60); nop(); out(dx, al); hlt();
        );
    });
    m.run();
    let seen: Vec<_> = m.world.device_writes.iter().map(|w| (w.0, w.1)).collect();
    assert_eq!(seen, [(2, DEVICE), (6, DEVICE + 8)]);
    assert_eq!(m.world.port_writes[0].0, 9);
}

#[test]
fn a_flush_forgets_and_decodes_anew() {
    let mut m = Machine::long().with_bytes(&[0xb8, 1, 0, 0, 0, 0xf4]);
    m.run();
    m.interpreter.flush();
    m.cpu.rip = CODE;
    m.cpu.set_activity(aero_cpu::Activity::Running);
    m.run();
    assert_eq!(m.reg(RAX), 1);
}

#[test]
fn code_in_a_device_is_executed_from_what_it_reads() {
    // The device reads as its address's low byte: at F4h that is HLT.
    let mut m = Machine::long();
    m.cpu.rip = DEVICE + 0xf4;
    m.run();
    assert_eq!(m.cpu.rip, DEVICE + 0xf5);
}
