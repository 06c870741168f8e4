//! 16-bit code, and from one mode to another.

use aero_cpu::{Mode, RSP, SegReg, vector};
use iced_x86::code_asm::*;

use crate::asm;
use crate::machine::*;

#[test]
fn sixteen_bit_addresses_wrap() {
    let mut m = Machine::real().with(|a| {
        asm!(a:
            mov(bx, 0xfff0); mov(si, 0x20); mov(ax, word_ptr(bx + si + 2)); mov(bp, 0x7000);
            mov(word_ptr(bp - 2), 0x1234); hlt();
        );
    });
    m.write(0x12, &[0xcd, 0xab]);
    m.set_segment(SegReg::Ss, aero_cpu::Segment::real(0x100));
    m.run();
    assert_eq!(m.reg(RAX), 0xabcd);
    assert_eq!(m.read_u16(0x1000 + 0x6ffe), 0x1234, "BP goes through SS");
}

#[test]
fn the_stack_pointer_of_a_16_bit_stack_wraps_and_keeps_its_upper_half() {
    let mut m = Machine::real().with(|a| {
        asm!(a: push(ax); push(0x1234); hlt(););
    });
    m.cpu.regs[RSP] = 0xabcd_0002;
    m.cpu.regs[RAX] = 0x5678;
    m.run();
    assert_eq!(m.reg(RSP), 0xabcd_fffe);
    assert_eq!((m.read_u16(0), m.read_u16(0xfffe)), (0x5678, 0x1234));
}

#[test]
fn a_word_at_the_end_of_a_segment_faults() {
    // mov ax, [0ffffh]
    let mut m = Machine::real().with_bytes(&[0xa1, 0xff, 0xff]);
    m.run();
    assert_eq!(m.vector(), u64::from(vector::GP));
    assert_eq!(m.read_u16(m.reg(RSP)), 0);
}

#[test]
fn code_runs_to_the_end_of_its_segment_and_no_further() {
    let mut m = Machine::real();
    // INC AX at the last byte, then the limit.
    m.write(CODE + 0xffff, &[0x40]);
    m.cpu.rip = 0xffff;
    m.run();
    assert_eq!((m.vector(), m.reg(RAX)), (u64::from(vector::GP), 1));
    // An instruction that begins inside and ends outside.
    let mut m = Machine::real();
    m.write(CODE + 0xfffe, &[0xb8, 1, 2]);
    m.cpu.rip = 0xfffe;
    m.run();
    assert_eq!((m.vector(), m.reg(RAX)), (u64::from(vector::GP), 0));
    assert_eq!(m.read_u16(m.reg(RSP)), 0xfffe);
}

#[test]
fn near_jumps_of_16_bits_wrap_within_the_segment() {
    // jmp -10h from offset 3 goes to fff3h.
    let mut m = Machine::real().with_bytes(&[0xe9, 0xf0, 0xff]);
    m.write(CODE + 0xfff3, &[0xf4]);
    m.run();
    assert_eq!(m.cpu.rip, 0xfff4);
}

#[test]
fn operand_and_address_size_prefixes_in_16_bit_code() {
    let mut m = Machine::real().with(|a| {
        asm!(a:
            mov(eax, 0x1234_5678); mov(ebx, 0x4000); mov(dword_ptr(ebx + 4), eax);
            push(eax); pop(cx); pop(dx); hlt();
        );
    });
    m.run();
    assert_eq!(m.read_u32(0x4004), 0x1234_5678);
    assert_eq!((m.reg(RCX), m.reg(RDX) & 0xffff), (0x5678, 0x1234));
}

#[test]
fn the_same_bytes_are_decoded_for_each_mode() {
    // 40h is INC EAX in 32-bit code and a prefix in 64-bit code: INC EAX; NOP, or NOP.
    let code = [0x40, 0x90, 0xf4];
    let mut m = Machine::flat().with_bytes(&code);
    m.run();
    assert_eq!(m.reg(RAX), 1);
    let mut m = Machine::long().with_bytes(&code);
    m.run();
    assert_eq!(m.reg(RAX), 0);
}

#[test]
fn from_real_mode_to_protected_mode_and_into_64_bit_mode() {
    let mut m = Machine::long();
    // The tables are those of long mode; start in real mode.
    m.write(GDT + 8, &0x00cf_9b00_0000_ffff_u64.to_le_bytes());
    m.write(GDT + 24, &0x00af_9b00_0000_ffff_u64.to_le_bytes());
    m.write(0xa800, &0x1f_u16.to_le_bytes());
    m.write(0xa802, &(GDT as u32).to_le_bytes());
    m.cpu.reset();
    let (real, protected, long) = (0xa000_u64, 0xa100_u64, 0xa200_u64);
    let emit = |bits, at, f: &dyn Fn(&mut CodeAssembler)| {
        let mut a = CodeAssembler::new(bits).unwrap();
        f(&mut a);
        m.write(at, &a.assemble(at).unwrap());
    };
    emit(16, real, &|a| {
        asm!(a: xor(ax, ax); mov(ds, ax););
        a.lgdt(fword_ptr(0xa800)).unwrap();
        asm!(a: mov(eax, cr0); or(eax, 1); mov(cr0, eax););
        // jmp dword 08:a100
        a.db(&[0x66, 0xea, 0x00, 0xa1, 0, 0, 8, 0]).unwrap();
    });
    emit(32, protected, &|a| {
        asm!(a:
            mov(eax, u32::from(DATA_SELECTOR)); mov(ds, eax); mov(ss, eax);
            mov(esp, STACK as u32);
            mov(eax, cr4); or(eax, 0x20); mov(cr4, eax);
            mov(eax, TABLES as u32); mov(cr3, eax);
            mov(ecx, 0xc000_0080_u32); rdmsr(); or(eax, 0x100); wrmsr();
            mov(eax, cr0); or(eax, 0x8000_0000_u32); mov(cr0, eax);
            mov(ebx, 0x32);
        );
        a.db(&[0xea, 0x00, 0xa2, 0, 0, 24, 0]).unwrap();
    });
    emit(64, long, &|a| {
        asm!(a: mov(rcx, 0x1122_3344_5566_7788_i64); push(rcx); hlt(););
    });
    m.cpu.set_real_mode_entry(0, real as u16);
    m.run();
    assert_eq!(m.cpu.mode(), Mode::Long64);
    assert_eq!((m.reg(RBX), m.reg(RCX)), (0x32, 0x1122_3344_5566_7788));
    assert_eq!(m.read_u64(STACK - 8), 0x1122_3344_5566_7788);
}

#[test]
fn segment_bases_and_limits_apply_in_32_bit_code() {
    let mut m = Machine::flat().with(|a| {
        asm!(a: mov(eax, dword_ptr(4).gs()); mov(ebx, dword_ptr(0xd).gs()); hlt(););
    });
    m.set_segment(SegReg::Gs, Machine::data_segment(DATA, 0xf));
    m.write(DATA + 4, &[1, 2, 3, 4]);
    m.run();
    assert_eq!(m.reg(RAX), 0x0403_0201);
    assert_eq!(m.vector(), u64::from(vector::GP));
}

#[test]
fn fs_and_gs_have_bases_in_64_bit_mode_and_the_others_none() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(eax, 8); mov(rbx, qword_ptr(rax).fs()); mov(rcx, qword_ptr(rax + DATA as i32).es());
            hlt(););
    });
    m.set_segment(SegReg::Fs, Machine::data_segment(DATA + 0x10, 0));
    m.set_segment(SegReg::Es, Machine::data_segment(0x1000, 0));
    m.write(DATA + 0x18, &7_u64.to_le_bytes());
    m.write(DATA + 8, &9_u64.to_le_bytes());
    m.run();
    assert_eq!((m.reg(RBX), m.reg(RCX)), (7, 9));
}

#[test]
fn f3_and_rex_b_before_90_is_an_exchange() {
    // XCHG R8, RAX with a useless prefix, then PAUSE.
    let mut m = Machine::long().with_bytes(&[0xf3, 0x49, 0x90, 0xf3, 0x90, 0xf4]);
    (m.cpu.regs[RAX], m.cpu.regs[8]) = (1, 2);
    m.run();
    assert_eq!((m.cpu.regs[RAX], m.cpu.regs[8]), (2, 1));
}

#[test]
fn fifteen_bytes_with_lock_are_invalid_and_sixteen_are_too_many() {
    let mut code = [0x2e; 17];
    // ADD EAX, ECX with LOCK.
    code[0] = 0xf0;
    code[13..15].copy_from_slice(&[0x01, 0xc8]);
    Machine::long().with_bytes(&code).expect_fault(vector::UD);
    code[13..16].copy_from_slice(&[0x2e, 0x01, 0xc8]);
    Machine::long().with_bytes(&code).expect_fault(vector::GP);
}
