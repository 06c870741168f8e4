//! Bits in memory far from the operand, and exchanges of two words.

use iced_x86::code_asm::*;

use crate::machine::{Bits, both};

const DATA: u32 = 0x30_0000;

/// BT, BTS, BTR and BTC of memory by a register: second byte of the opcode.
const TESTS: [u8; 4] = [0xa3, 0xab, 0xb3, 0xbb];

#[test]
fn a_register_counts_bits_from_the_operand_either_way() {
    for bits in [Bits::Long, Bits::Flat] {
        // Prefixes: operands of 16 and 64 bits, addresses of 32, LOCK.
        let prefixes: &[&[u8]] = match bits {
            Bits::Long => &[&[], &[0x66], &[0x48], &[0x67], &[0x67, 0x48], &[0xf0, 0x48], &[0x65]],
            Bits::Flat => &[&[], &[0x66], &[0xf0], &[0x3e]],
        };
        for prefixes in prefixes {
            for test in TESTS {
                if prefixes.first() == Some(&0xf0) && test == TESTS[0] {
                    continue;
                }
                let assisted = both(bits, |a| {
                    let mut top = a.create_label();
                    a.mov(esi, DATA + 0x4_0000)?;
                    a.mov(dword_ptr(esi), 0x1234_5678)?;
                    a.mov(ecx, 300)?;
                    a.mov(eax, 77)?;
                    a.set_label(&mut top)?;
                    a.imul_3(eax, eax, 1_103_515_245)?;
                    a.add(eax, 12345)?;
                    a.mov(ebx, eax)?;
                    a.sar(ebx, 11)?;
                    if bits == Bits::Long {
                        a.movsxd(rbx, ebx)?;
                    }
                    // [RSI + 12], EBX
                    let mut bytes = prefixes.to_vec();
                    bytes.extend([0x0f, test, 0x5e, 12]);
                    a.db(&bytes)?;
                    a.adc(ebp, ebp)?;
                    a.dec(ecx)?;
                    a.jnz(top)
                });
                // What comes first is not hot yet; a bit may lie across a page.
                assert!(assisted < 10, "{bits:?} {prefixes:x?}: {assisted}");
            }
        }
    }
}

#[test]
fn two_words_are_exchanged_if_they_are_what_was_expected() {
    for bits in [Bits::Long, Bits::Flat] {
        let prefixes: &[&[u8]] = match bits {
            Bits::Long => &[&[], &[0x48], &[0xf0, 0x48], &[0xf0]],
            Bits::Flat => &[&[], &[0xf0]],
        };
        for prefixes in prefixes {
            let assisted = both(bits, |a| {
                let mut top = a.create_label();
                let mut other = a.create_label();
                a.mov(esi, DATA)?;
                a.mov(edi, 200)?;
                a.set_label(&mut top)?;
                // Two times of four something else is there, below or above.
                a.mov(edx, edi)?;
                a.and(edx, 3)?;
                a.cmp(edx, 1)?;
                a.jb(other)?;
                a.add(dword_ptr(esi + edx * 4), 0x101)?;
                a.set_label(&mut other)?;
                a.add(ebx, 3)?;
                a.lea(ecx, dword_ptr(ebx * 2 + edi))?;
                a.mov(edx, dword_ptr(esi + if prefixes.contains(&0x48) { 8 } else { 4 }))?;
                a.mov(eax, dword_ptr(esi))?;
                a.test(edi, 4)?;
                a.setnz(dl)?;
                // Flags that are to stay.
                a.cmp(edi, ebx)?;
                let mut bytes = prefixes.to_vec();
                bytes.extend([0x0f, 0xc7, 0x0e]);
                a.db(&bytes)?;
                a.adc(ebp, eax)?;
                a.rol(ebp, 3)?;
                a.xor(ebp, edx)?;
                a.cmp(edi, 1)?;
                a.stc()?;
                a.db(&bytes)?;
                a.setz(byte_ptr(esi + edi + 0x100))?;
                a.setp(byte_ptr(esi + edi + 0x200))?;
                a.setbe(byte_ptr(esi + edi + 0x300))?;
                a.setle(byte_ptr(esi + edi + 0x400))?;
                a.dec(edi)?;
                a.jnz(top)
            });
            assert!(assisted < 10, "{bits:?} {prefixes:x?}: {assisted}");
        }
    }
}

#[test]
fn two_quadwords_have_to_be_aligned() {
    both(Bits::Long, |a| {
        let mut top = a.create_label();
        a.mov(esi, DATA)?;
        a.mov(edi, 20)?;
        a.set_label(&mut top)?;
        a.cmpxchg16b(xmmword_ptr(rsi))?;
        a.inc(rax)?;
        a.dec(edi)?;
        a.jnz(top)?;
        a.mov(edi, 1)?;
        a.add(esi, 8)?;
        a.jmp(top)
    });
}
