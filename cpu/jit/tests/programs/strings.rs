//! String instructions.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use crate::machine::{Bits, both, times};

const BOTH: [Bits; 2] = [Bits::Long, Bits::Flat];
/// Memory that the tests compare.
const DATA: u32 = 0x30_0000;
/// A page that tests in 64-bit mode take away, and its entry in the page table.
const ABSENT: u32 = 0x18_0000;
const ENTRY: u32 = 0x7000 + 8 * (ABSENT >> 12);

const MOVS: u8 = 0xa4;
const CMPS: u8 = 0xa6;
const STOS: u8 = 0xaa;
const LODS: u8 = 0xac;
const SCAS: u8 = 0xae;

const REP: u8 = 0xf3;
const REPNE: u8 = 0xf2;
/// The prefix for addresses of 32 bits in 64-bit code, and of 16 in 32-bit code.
const ADDRESS: u8 = 0x67;

type Done = Result<(), IcedError>;

/// A string instruction with elements of `size` bytes.
fn string(a: &mut CodeAssembler, prefixes: &[u8], opcode: u8, size: u32) -> Done {
    let mut bytes = prefixes.to_vec();
    match size {
        1 => bytes.push(opcode),
        2 => bytes.extend([0x66, opcode | 1]),
        4 => bytes.push(opcode | 1),
        _ => bytes.extend([0x48, opcode | 1]),
    }
    a.db(&bytes)
}

fn sizes(bits: Bits) -> &'static [u32] {
    if bits == Bits::Long { &[1, 2, 4, 8] } else { &[1, 2, 4] }
}

/// Fills the first pages of the data with bytes that are all kinds.
fn scatter(a: &mut CodeAssembler) -> Done {
    let mut top = a.create_label();
    a.mov(edi, DATA)?;
    a.mov(eax, 12345)?;
    a.set_label(&mut top)?;
    a.imul_3(eax, eax, 1_103_515_245)?;
    a.add(eax, 12345)?;
    a.mov(dword_ptr(edi), eax)?;
    a.add(edi, 4)?;
    a.cmp(edi, DATA + 0x8000)?;
    a.jne(top)
}

#[test]
fn copies_of_all_lengths_are_made_without_the_interpreter() {
    for bits in BOTH {
        for &size in sizes(bits) {
            let assisted = both(bits, |a| {
                scatter(a)?;
                // Whole elements to the ends of pages.
                a.mov(ebp, DATA + 0x2_0000)?;
                times(a, 300, |a| {
                    a.lea(esi, dword_ptr(ebx * 8 + DATA + 0xc00))?;
                    a.mov(edi, ebp)?;
                    a.mov(ecx, ebx)?;
                    string(a, &[REP], MOVS, size)?;
                    a.mov(ebp, edi)
                })?;
                a.mov(ecx, 0x6000 / size)?;
                a.mov(esi, DATA)?;
                string(a, &[REPNE], MOVS, size)
            });
            // What comes first is not hot yet.
            assert!(assisted < 10, "{bits:?} {size}: {assisted}");
        }
    }
}

#[test]
fn elements_of_copies_may_cross_pages() {
    for bits in BOTH {
        for &size in sizes(bits) {
            for (from, to) in [(0, 1), (1, 0), (3, 5), (7, 7)] {
                both(bits, |a| {
                    scatter(a)?;
                    times(a, 40, |a| {
                        a.lea(esi, dword_ptr(ebx * 4 + DATA + 0xf80 + from))?;
                        a.lea(edi, dword_ptr(ebx * 2 + DATA + 0x2_0fc0 + to))?;
                        a.lea(ecx, dword_ptr(ebx * 8))?;
                        string(a, &[REP], MOVS, size)
                    })
                });
            }
        }
    }
}

#[test]
fn copies_that_overlap_go_element_by_element() {
    for bits in BOTH {
        for &size in sizes(bits) {
            for distance in [-4096_i32, -9, -8, -1, 0, 1, 2, 3, 4, 7, 8, 9, 63, 4095, 4096, 4097] {
                for down in [false, true] {
                    both(bits, |a| {
                        scatter(a)?;
                        times(a, 5, |a| {
                            a.mov(esi, DATA + 0x4010)?;
                            a.lea(edi, dword_ptr(esi + distance))?;
                            a.mov(ecx, 5000 / size)?;
                            if down {
                                a.std()?;
                            }
                            string(a, &[REP], MOVS, size)?;
                            a.cld()
                        })
                    });
                }
            }
        }
    }
}

#[test]
fn memory_is_filled_with_patterns_of_all_sizes() {
    for bits in BOTH {
        for &size in sizes(bits) {
            for pattern in [0_u32, 0x5a5a_5a5a, 0x1234_5678, 0xabcd_abcd] {
                let assisted = both(bits, |a| {
                    a.mov(ebp, DATA + 8)?;
                    times(a, 200, |a| {
                        a.mov(edi, ebp)?;
                        a.mov(ecx, ebx)?;
                        a.mov(eax, pattern)?;
                        if bits == Bits::Long && size == 8 {
                            a.bswap(rax)?;
                            a.or(rax, ebx_as_imm(pattern))?;
                        }
                        string(a, &[REP], STOS, size)?;
                        a.lea(ebp, dword_ptr(edi + 8))
                    })
                });
                assert!(assisted < 10, "{bits:?} {size}: {assisted}");
                both(bits, |a| {
                    a.mov(eax, pattern)?;
                    times(a, 30, |a| {
                        a.lea(edi, dword_ptr(ebx + DATA + 0xff0))?;
                        a.mov(ecx, 5)?;
                        string(a, &[REP], STOS, size)
                    })
                });
            }
        }
    }
}

/// An immediate that makes the halves of RAX alike or not.
fn ebx_as_imm(pattern: u32) -> i32 {
    if pattern == 0x1234_5678 { 0x77 } else { (pattern & 0x7fff_ffff) as i32 }
}

#[test]
fn comparisons_end_at_the_first_element_that_is_not_as_asked() {
    for bits in BOTH {
        for &size in sizes(bits) {
            for opcode in [CMPS, SCAS] {
                for prefix in [REP, REPNE] {
                    let assisted = both(bits, |a| {
                        scatter(a)?;
                        // Zeros but for some elements, from the end of a page on.
                        a.mov(eax, DATA)?;
                        times(a, 260, |a| {
                            a.lea(esi, dword_ptr(ebx * 8 + DATA + 0xf00))?;
                            a.lea(edi, dword_ptr(ebx * 8 + DATA + 0x1_0e00))?;
                            if prefix == REP {
                                a.add(esi, 0x2_0000)?;
                            }
                            a.mov(byte_ptr(edi + ebx), bl)?;
                            a.movzx(eax, byte_ptr(edi + ebx * 2))?;
                            a.mov(ecx, ebx)?;
                            a.and(ecx, -2)?;
                            // What is left of the flags if there is nothing to compare.
                            a.cmp(ebx, 2)?;
                            string(a, &[prefix], opcode, size)?;
                            a.setle(byte_ptr(ebx * 4 + DATA + 0x3_0000))?;
                            a.setbe(byte_ptr(ebx * 4 + DATA + 0x3_0001))?;
                            a.setp(byte_ptr(ebx * 4 + DATA + 0x3_0002))?;
                            a.setne(byte_ptr(ebx * 4 + DATA + 0x3_0003))?;
                            a.rol(ebp, 3)?;
                            a.add(ebp, esi)?;
                            a.rol(ebp, 3)?;
                            a.add(ebp, edi)?;
                            a.rol(ebp, 3)?;
                            a.add(ebp, ecx)
                        })
                    });
                    assert!(assisted < 10, "{bits:?} {size}: {assisted}");
                }
            }
        }
    }
}

#[test]
fn addresses_of_32_bits_clear_upper_halves_only_if_there_is_an_element() {
    both(Bits::Long, |a| {
        scatter(a)?;
        times(a, 20, |a| {
            for count in [0, 1, 9] {
                for opcode in [MOVS, STOS, LODS, SCAS, CMPS] {
                    a.mov(rsi, 0x7_0000_0000_u64 + u64::from(DATA))?;
                    a.mov(rdi, 0x9_0000_1000_u64 + u64::from(DATA))?;
                    a.mov(rcx, 0x5_0000_0000_u64 + count)?;
                    string(a, &[REP, ADDRESS], opcode, 4)?;
                    a.add(r8, rsi)?;
                    a.rol(r8, 7)?;
                    a.add(r8, rdi)?;
                    a.rol(r8, 7)?;
                    a.add(r8, rcx)?;
                    a.mov(rsi, 0x7_0000_0000_u64 + u64::from(DATA))?;
                    a.mov(rdi, 0x9_0000_1000_u64 + u64::from(DATA))?;
                    string(a, &[ADDRESS], opcode, 2)?;
                    a.add(r8, rsi)?;
                    a.add(r8, rdi)?;
                    a.rol(r8, 7)?;
                }
            }
            a.nop()
        })
    });
    // And in 32-bit code those of 16 bits leave them.
    both(Bits::Flat, |a| {
        times(a, 20, |a| {
            a.mov(esi, 0x12_7000)?;
            a.mov(edi, 0x34_8000)?;
            a.mov(ecx, 0x56_0000)?;
            string(a, &[REP, ADDRESS], MOVS, 1)?;
            a.mov(cx, 100)?;
            string(a, &[REP, ADDRESS], MOVS, 1)
        })
    });
}

#[test]
fn a_fault_in_the_middle_leaves_the_rest_to_do() {
    for (opcode, prefix) in [(MOVS, REP), (STOS, REP), (CMPS, REP), (SCAS, REPNE), (LODS, REP)] {
        for &size in sizes(Bits::Long) {
            for backwards in [false, true] {
                both(Bits::Long, |a| {
                    scatter(a)?;
                    a.and(byte_ptr(ENTRY), !1)?;
                    a.mov(rax, u64::from(ABSENT))?;
                    a.invlpg(byte_ptr(rax))?;
                    // The elements reach further each time, and in the end too far.
                    times(a, 900, |a| {
                        a.mov(esi, DATA)?;
                        a.mov(edi, ABSENT - 0x1700)?;
                        if backwards {
                            a.xchg(esi, edi)?;
                        }
                        a.mov(ecx, 1000)?;
                        a.sub(ecx, ebx)?;
                        string(a, &[prefix], opcode, size)
                    })?;
                    // At the latest here; nothing else counts.
                    a.mov(byte_ptr(ABSENT), 1)
                });
            }
        }
    }
}

#[test]
fn code_is_overwritten_while_it_runs() {
    const ROUTINE: u32 = 0x2f_0000;
    for bits in BOTH {
        for opcode in [MOVS, STOS] {
            both(bits, |a| {
                // MOV EDX, 0; RET.
                a.mov(dword_ptr(ROUTINE), 0xba)?;
                a.mov(dword_ptr(ROUTINE + 4), 0xc300)?;
                a.xor(ebp, ebp)?;
                times(a, 60, |a| {
                    // The same number for eight calls.
                    a.mov(eax, ebx)?;
                    a.shr(eax, 3)?;
                    a.mov(dword_ptr(DATA), eax)?;
                    a.mov(esi, DATA)?;
                    a.mov(edi, ROUTINE + 1)?;
                    a.mov(ecx, 1)?;
                    string(a, &[REP], opcode, 4)?;
                    a.mov(eax, ROUTINE)?;
                    if bits == Bits::Long {
                        a.call(rax)?
                    } else {
                        a.call(eax)?
                    }
                    a.add(ebp, edx)
                })
            });
        }
    }
}

#[test]
fn more_than_a_million_elements_are_as_many_instructions_on_both_backends() {
    for bits in BOTH {
        for more in [0_u32, 1, 100, 70_000] {
            both(bits, |a| {
                a.mov(eax, 0x77)?;
                times(a, 6, |a| {
                    a.mov(edi, DATA - 0x8_0000)?;
                    a.mov(ecx, (1 << 20) + more)?;
                    string(a, &[REP], STOS, 1)
                })
            });
        }
    }
}

#[test]
fn copies_reach_memory_that_is_not_there() {
    const END: u32 = 0x40_0000;
    for bits in BOTH {
        for (opcode, count) in [(MOVS, 5000_u32), (MOVS, 12_000), (STOS, 9000)] {
            both(bits, |a| {
                scatter(a)?;
                times(a, 12, |a| {
                    a.mov(esi, DATA)?;
                    a.mov(edi, END - 0x700)?;
                    a.mov(ecx, count)?;
                    string(a, &[REP], opcode, 1)?;
                    a.mov(esi, END - 0x700)?;
                    a.mov(edi, DATA)?;
                    a.mov(ecx, count)?;
                    string(a, &[REP], opcode, 1)
                })
            });
        }
    }
}

#[test]
fn single_elements_go_either_way() {
    for bits in BOTH {
        for &size in sizes(bits) {
            for down in [false, true] {
                let assisted = both(bits, |a| {
                    scatter(a)?;
                    a.mov(esi, DATA + 0x1000)?;
                    a.mov(edi, DATA + 0x3000)?;
                    a.xor(ebp, ebp)?;
                    if down {
                        a.std()?;
                    }
                    times(a, 500, |a| {
                        string(a, &[], LODS, size)?;
                        a.add(ebp, eax)?;
                        a.rol(ebp, 5)?;
                        string(a, &[], STOS, size)?;
                        string(a, &[], MOVS, size)?;
                        string(a, &[], SCAS, size)?;
                        a.adc(ebp, 0)?;
                        string(a, &[], CMPS, size)?;
                        a.setle(al)?;
                        a.seto(ah)?;
                        a.add(ebp, eax)?;
                        // SS, which is flat, and GS, which is not known to be.
                        a.add(esi, 1)?;
                        string(a, &[0x36], LODS, size)?;
                        string(a, &[0x65], CMPS, size)
                    })
                });
                assert!(assisted < 10, "{bits:?} {size}: {assisted}");
            }
        }
    }
}
