use aero_cpu::vector;
use iced_x86::code_asm::*;

use crate::asm;
use crate::machine::*;

#[test]
fn a_32_bit_result_clears_the_upper_half_and_smaller_ones_do_not() {
    let mut m = Machine::long().with(|a| {
        asm!(a:
            mov(rax, -1_i64); mov(rbx, -1_i64); mov(rcx, -1_i64); mov(rdx, -1_i64);
            mov(eax, 1); mov(bx, 2); mov(ch, 3); mov(dl, 4);
            hlt();
        );
    });
    m.run();
    assert_eq!(m.reg(RAX), 1);
    assert_eq!(m.reg(RBX), 0xffff_ffff_ffff_0002);
    assert_eq!(m.reg(RCX), 0xffff_ffff_ffff_03ff);
    assert_eq!(m.reg(RDX), 0xffff_ffff_ffff_ff04);
}

#[test]
fn high_byte_registers_are_the_second_bytes() {
    let mut m = Machine::long().with(|a| {
        asm!(a:
            mov(eax, 0x1234); mov(ebx, 0x5678);
            xchg(ah, bl); add(ah, bh);
            movzx(ecx, ah); movsx(edx, bl);
            hlt();
        );
    });
    m.run();
    assert_eq!(m.reg(RAX), 0xce34);
    assert_eq!(m.reg(RBX), 0x5612);
    assert_eq!(m.reg(RCX), 0xce);
    assert_eq!(m.reg(RDX), 0x12);
}

#[test]
fn all_forms_of_addresses() {
    let mut m = Machine::long().with(|a| {
        asm!(a:
            mov(rbx, DATA); mov(rcx, 4_i64);
            mov(dword_ptr(rbx + rcx * 8 + 8), 1);
            mov(dword_ptr(rbx - 4), 2);
            mov(dword_ptr(DATA + 16), 3);
            mov(dword_ptr(rcx * 4 + DATA), 4);
            lea(rdx, qword_ptr(rbx + rcx));
            lea(esi, dword_ptr(rbx + rcx * 2));
            // The address wraps at 32 bits.
            mov(edi, -8);
            lea(r8, qword_ptr(edi + 16));
            mov(rax, qword_ptr(DATA + 16));
            hlt();
        );
    });
    m.run();
    assert_eq!(m.read_u32(DATA + 40), 1);
    assert_eq!(m.read_u32(DATA - 4), 2);
    assert_eq!(m.read_u64(DATA + 16), 4);
    assert_eq!(m.reg(RDX), DATA + 4);
    assert_eq!(m.reg(RSI), DATA + 8);
    assert_eq!(m.reg(8), 8);
}

#[test]
fn rip_relative_operands_count_from_the_next_instruction() {
    // mov eax, [rip + 1]; hlt; then the data.
    let mut m = Machine::long().with_bytes(&[0x8b, 0x05, 1, 0, 0, 0, 0xf4, 0x78, 0x56, 0x34, 0x12]);
    m.run();
    assert_eq!(m.reg(RAX), 0x1234_5678);
    // mov dword [rip + 5], 11223344h has its immediate before the next instruction.
    let mut m = Machine::long()
        .with_bytes(&[0xc7, 0x05, 1, 0, 0, 0, 0x44, 0x33, 0x22, 0x11, 0xf4, 0, 0, 0, 0]);
    m.run();
    assert_eq!(m.read_u32(CODE + 11), 0x1122_3344);
}

#[test]
fn an_absolute_64_bit_address() {
    // mov eax, [DATA] and mov [DATA + 8], eax with 8 bytes of address.
    let mut code = vec![0xa1];
    code.extend(DATA.to_le_bytes());
    code.push(0xa3);
    code.extend((DATA + 8).to_le_bytes());
    code.push(0xf4);
    let mut m = Machine::long().with_bytes(&code);
    m.write(DATA, &[1, 2, 3, 4]);
    m.run();
    assert_eq!(m.reg(RAX), 0x0403_0201);
    assert_eq!(m.read_u32(DATA + 8), 0x0403_0201);
}

#[test]
fn a_read_modify_write_that_faults_changes_no_flag_and_reports_a_write() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rbx, DATA); stc(); adc(dword_ptr(rbx), 1); hlt(););
    });
    m.set_present(DATA, false);
    let rip = m.expect_fault(vector::PF);
    assert_eq!(rip, CODE + 11);
    assert_eq!(m.read_u64(m.reg(aero_cpu::RSP)) & 2, 2, "the error code says write");
    // CF is still set in the pushed flags.
    assert_eq!(m.read_u64(m.reg(aero_cpu::RSP) + 24) & 1, 1);
    assert_eq!(m.cpu.cr2, DATA);
}

#[test]
fn lock_is_for_memory_destinations_only() {
    // lock add eax, ebx; lock mov [rbx], eax; lock cmp [rbx], eax.
    for code in [&[0xf0, 0x01, 0xd8][..], &[0xf0, 0x89, 0x03], &[0xf0, 0x39, 0x03]] {
        let mut m = Machine::long().with_bytes(code);
        m.cpu.regs[RBX] = DATA;
        assert_eq!(m.expect_fault(vector::UD), CODE);
    }
    let mut m = Machine::long().with(|a| {
        asm!(a:
            mov(rbx, DATA); mov(eax, 5); mov(ecx, 7);
        );
        a.lock().add(dword_ptr(rbx), 5).unwrap();
        a.lock().cmpxchg(dword_ptr(rbx), ecx).unwrap();
        a.lock().xadd(dword_ptr(rbx), ecx).unwrap();
        a.lock().bts(dword_ptr(rbx), 8).unwrap();
        asm!(a: hlt(););
    });
    m.run();
    assert_eq!(m.read_u32(DATA), 14 | 1 << 8);
    assert_eq!(m.reg(RCX), 7);
}

#[test]
fn divisions_raise_divide_errors_before_anything_changes() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(eax, 1); mov(edx, 5); mov(ecx, 5); div(ecx); hlt(););
    });
    assert_eq!(m.expect_fault(vector::DE), CODE + 15);
    assert_eq!((m.reg(RAX), m.reg(RDX)), (1, 5));
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(ax, 0x8000); mov(bl, -1); idiv(bl); hlt(););
    });
    m.expect_fault(vector::DE);
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rax, -100_i64); cqo(); mov(rcx, 7_i64); idiv(rcx); hlt(););
    });
    m.run();
    assert_eq!((m.reg(RAX) as i64, m.reg(RDX) as i64), (-14, -2));
}

#[test]
fn bit_tests_in_memory_reach_by_the_register_s_full_signed_range() {
    let mut m = Machine::long().with(|a| {
        asm!(a:
            mov(rbx, DATA); mov(rcx, -1_i64); mov(edx, 100);
            bts(dword_ptr(rbx), ecx);
            bts(qword_ptr(rbx), rdx);
            btc(word_ptr(rbx), cx);
            // An immediate stays within the operand.
            bts(dword_ptr(rbx + 32), 33);
            hlt();
        );
    });
    m.run();
    assert_eq!(m.read_u32(DATA - 4), 1 << 31 ^ 1 << 31);
    assert_eq!(m.read_u64(DATA + 8), 1 << 36);
    assert_eq!(m.read_u32(DATA + 32), 2);
}

#[test]
fn double_width_exchanges_compare_all_bytes() {
    let mut m = Machine::long().with(|a| {
        asm!(a:
            mov(rdi, DATA); mov(rax, 1_i64); mov(rdx, 2_i64); mov(rbx, 3_i64); mov(rcx, 4_i64);
            cmpxchg16b(xmmword_ptr(rdi));
            sete(r8b);
            cmpxchg16b(xmmword_ptr(rdi));
            sete(r9b);
            mov(edx, 9); mov(eax, 3);
            cmpxchg8b(qword_ptr(rdi));
            hlt();
        );
    });
    m.write(DATA, &1_u64.to_le_bytes());
    m.write(DATA + 8, &2_u64.to_le_bytes());
    m.run();
    assert_eq!((m.read_u64(DATA), m.read_u64(DATA + 8)), (3, 4));
    assert_eq!((m.reg(8) & 0xff, m.reg(9) & 0xff), (1, 0));
    assert_eq!((m.reg(RAX), m.reg(RDX)), (3, 0), "CMPXCHG8B loaded what it found");
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rdi, DATA + 8); cmpxchg16b(xmmword_ptr(rdi)); hlt(););
    });
    m.expect_fault(vector::GP);
}

#[test]
fn a_conditional_move_reads_its_operand_and_clears_the_upper_half_whatever_the_condition() {
    let mut m = Machine::long().with(|a| {
        asm!(a: mov(rax, -1_i64); mov(rbx, DATA); xor(ecx, ecx); cmovne(eax, dword_ptr(rbx)); hlt(););
    });
    m.run();
    assert_eq!(m.reg(RAX), 0xffff_ffff);
    m.set_present(DATA, false);
    m.cpu.rip = CODE;
    m.cpu.set_activity(aero_cpu::Activity::Running);
    m.expect_fault(vector::PF);
}

#[test]
fn odd_instructions_of_32_bit_code() {
    let mut m = Machine::flat().with(|a| {
        asm!(a:
            mov(eax, 0x0f); add(al, 1); daa(); mov(cl, al);
            mov(al, 0x35); aam(10); mov(edx, eax);
            stc(); salc(); mov(bl, al);
            mov(eax, 0x0207); aad(10); mov(bh, al);
            mov(esi, DATA as u32); mov(al, 3);
            xchg(ebx, esi); xlatb(); xchg(ebx, esi);
            hlt();
        );
    });
    m.write(DATA, &[9, 8, 7, 6]);
    m.run();
    assert_eq!(m.reg(RCX) & 0xff, 0x16);
    assert_eq!(m.reg(RDX) & 0xffff, 0x0503);
    assert_eq!(m.reg(RBX) & 0xffff, 27 << 8 | 0xff);
    assert_eq!(m.reg(RAX) & 0xff, 6);
}

#[test]
fn encodings_of_newer_processors_are_what_older_ones_make_of_them() {
    // TZCNT and LZCNT are BSF and BSR, ENDBR64 and hint NOPs do nothing.
    let mut m = Machine::long().with_bytes(&[
        0xf3, 0x0f, 0x1e, 0xfa, // endbr64
        0xb9, 0x50, 0, 0, 0, // mov ecx, 50h
        0xf3, 0x0f, 0xbc, 0xc1, // tzcnt eax, ecx
        0xf3, 0x0f, 0xbd, 0xd1, // lzcnt edx, ecx
        0x0f, 0x1c, 0x00, // hint nop [rax]
        0xf4,
    ]);
    m.run();
    assert_eq!((m.reg(RAX), m.reg(RDX)), (4, 6));
    // VEX-encoded (vzeroupper), MOVBE, RDRAND, XGETBV, RDFSBASE.
    for code in [
        &[0xc5, 0xf8, 0x77][..],
        &[0x0f, 0x38, 0xf0, 0x03],
        &[0x0f, 0xc7, 0xf0],
        &[0x0f, 0x01, 0xd0],
        &[0xf3, 0x0f, 0xae, 0xc0],
        &[0x0f, 0x0b],
        &[0x0f, 0xff, 0xc0],
        &[0x0f, 0xb9, 0xc0],
    ] {
        assert_eq!(Machine::long().with_bytes(code).expect_fault(vector::UD), CODE, "{code:x?}");
    }
}
