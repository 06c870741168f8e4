//! Programs that write into their own code.

use aero_cpu::CpuBackend;
use aero_interpreter::Interpreter;
use aero_jit::{Settings, Stats};
use iced_x86::IcedError;
use iced_x86::code_asm::*;

use crate::machine::{Bits, CODE, Machine, TABLES, run_all};

/// Where programs copy code to that they then rewrite.
const COPY: u32 = 0x31_0000;

/// Runs a program by the interpreter and on both of the JIT's tiers, which have to agree. Returns what
/// the tiers did.
fn all(
    bits: Bits,
    program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> [Stats; 2] {
    run_all(bits, |_| {}, program).1
}

/// Runs code at [`COPY`] 300 times, each time after `rewrite`, which has the rounds left in EBX. What it
/// leaves in EAX goes into EDI.
fn rounds(
    a: &mut CodeAssembler,
    code: &[u8],
    rewrite: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> Result<(), IcedError> {
    rounds_at(a, COPY, code, rewrite)
}

/// The same at another address.
fn rounds_at(
    a: &mut CodeAssembler,
    address: u32,
    code: &[u8],
    rewrite: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> Result<(), IcedError> {
    for (at, byte) in code.iter().enumerate() {
        a.mov(byte_ptr(address + at as u32), i32::from(*byte as i8))?;
    }
    let mut top = a.create_label();
    a.mov(ebx, 300)?;
    a.set_label(&mut top)?;
    rewrite(a)?;
    a.mov(ebp, address)?;
    if a.bitness() == 64 {
        a.call(rbp)?
    } else {
        a.call(ebp)?
    }
    a.imul_3(edi, edi, 31)?;
    a.add(edi, eax)?;
    a.dec(ebx)?;
    a.jnz(top)
}

const BOTH: [Bits; 2] = [Bits::Long, Bits::Flat];

/// It was translated once and for all, but for a few times at first.
fn assert_settled(all: &[Stats; 2]) {
    for stats in all {
        assert!(stats.invalidations < 30 && stats.interpreted < 500, "{stats:?}");
    }
}

#[test]
fn immediates_that_are_rewritten_are_read_when_they_are_used() {
    // MOV r32; ADD r32 with 8 bits, CMP r8, ADC r32, AND r16, PUSH with 8 and 32 bits, POP, RET.
    let code = [
        0xb8, 0, 0, 0, 0, 0x83, 0xc0, 0, 0x80, 0xfb, 0, 0x15, 0, 0, 0, 0, 0x66, 0x81, 0xe0, 0, 0,
        0x6a, 0, 0x59, 0x01, 0xc8, 0x68, 0, 0, 0, 0, 0x59, 0x31, 0xc8, 0xc3,
    ];
    for bits in BOTH {
        let stats = all(bits, |a| {
            rounds(a, &code, |a| {
                a.imul_3(eax, ebx, 0x1234_5679)?;
                for at in [1, 12, 27] {
                    a.mov(dword_ptr(COPY + at), eax)?;
                    a.rol(eax, 7)?;
                }
                a.mov(word_ptr(COPY + 19), ax)?;
                for at in [7, 10, 22] {
                    a.ror(eax, 3)?;
                    a.mov(byte_ptr(COPY + at), al)?;
                }
                Ok(())
            })
        });
        assert_settled(&stats);
    }
}

#[test]
fn wide_immediates_that_are_rewritten_are_read_when_they_are_used() {
    // MOV r64, imm64; ADD r64, imm32; XOR r64, imm8; MOV m64, imm32; ADD r64, m64; SHR, RET.
    let code = [
        0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x05, 0, 0, 0, 0, 0x48, 0x83, 0xf0, 0, 0x48,
        0xc7, 0x45, 0x40, 0, 0, 0, 0, 0x48, 0x03, 0x45, 0x40, 0x48, 0xc1, 0xe8, 9, 0xc3,
    ];
    let stats = all(Bits::Long, |a| {
        rounds(a, &code, |a| {
            a.mov(rax, 0x9e37_79b9_7f4a_7c15_u64)?;
            a.imul_2(rax, rbx)?;
            a.mov(qword_ptr(COPY + 2), rax)?;
            a.mov(dword_ptr(COPY + 12), eax)?;
            a.mov(byte_ptr(COPY + 19), al)?;
            a.ror(rax, 9)?;
            a.mov(dword_ptr(COPY + 24), eax)
        })
    });
    assert_settled(&stats);
}

#[test]
fn displacements_that_are_rewritten_are_read_when_they_are_used() {
    // MOV eax, [ebp + disp32]; ADD eax, [ebp + disp8]; LEA eax, [eax + ecx*4 + disp32]; MOV [ebp + disp32],
    // imm32; RET.
    let code = [
        0x8b, 0x85, 0, 0, 0, 0, 0x03, 0x45, 0, 0x8d, 0x84, 0x88, 0, 0, 0, 0, 0xc7, 0x85, 0, 0, 0,
        0, 0, 0, 0, 0, 0xc3,
    ];
    for bits in BOTH {
        let stats = all(bits, |a| {
            rounds(a, &code, |a| {
                a.mov(eax, ebx)?;
                a.and(eax, 0x7fc)?;
                a.sub(eax, 0x400)?;
                a.mov(dword_ptr(COPY + 2), eax)?;
                a.mov(byte_ptr(COPY + 8), al)?;
                a.mov(dword_ptr(COPY + 12), eax)?;
                a.add(eax, 0x2000)?;
                a.mov(dword_ptr(COPY + 18), eax)?;
                a.mov(dword_ptr(COPY + 22), ebx)
            })
        });
        assert_settled(&stats);
    }
}

#[test]
fn data_beside_code_is_no_code() {
    // ADD dword [ebp + 16], ecx; MOV eax, [ebp + 16]; RET; data.
    let code = [0x01, 0x4d, 16, 0x8b, 0x45, 16, 0xc3];
    for bits in BOTH {
        let stats = all(bits, |a| {
            rounds(a, &code, |a| {
                a.mov(ecx, ebx)?;
                a.mov(dword_ptr(COPY + 7), ebx)?;
                a.add(word_ptr(COPY + 0x800), bx)
            })
        });
        assert_settled(&stats);
        assert!(stats.iter().all(|stats| stats.invalidations == 0), "{stats:?}");
    }
}

#[test]
fn other_instructions_are_seen_at_once() {
    for bits in BOTH {
        // INC or DEC of EAX or ECX by a byte of its code; ADD eax, ecx; RET.
        all(bits, |a| {
            rounds(a, &[0xff, 0xc0, 0x01, 0xc8, 0xc3], |a| {
                a.mov(eax, ebx)?;
                a.and(eax, 9)?;
                a.or(al, 0xc0_u32 as i32)?;
                a.mov(byte_ptr(COPY + 1), al)
            })
        });
        // All of it at once, of which part is a number that changes every time.
        all(bits, |a| {
            rounds(a, &[0xb8, 0, 0, 0, 0, 0xff, 0xc0, 0xc3], |a| {
                a.mov(eax, ebx)?;
                a.and(eax, 8)?;
                a.shl(eax, 16)?;
                a.or(eax, 0xc3c0_ff00_u32 as i32)?;
                a.mov(dword_ptr(COPY + 4), eax)?;
                a.mov(dword_ptr(COPY + 1), ebx)?;
                a.mov(byte_ptr(COPY + 4), bl)
            })
        });
    }
}

#[test]
fn code_that_rewrites_the_next_instruction_sees_it() {
    for bits in BOTH {
        // MOV [ebp + 7], ebx; ADD ecx, imm32 with that number; MOV eax, ecx; RET.
        let code = [0x89, 0x5d, 5, 0x81, 0xc1, 0, 0, 0, 0, 0x89, 0xc8, 0xc3];
        assert_settled(&all(bits, |a| rounds(a, &code, |_| Ok(()))));
        // MOV [ebp + 4], dl, which makes it INC or DEC of EAX or ECX; ADD eax, ecx; RET.
        let code = [0x88, 0x55, 4, 0xff, 0xc0, 0x01, 0xc8, 0xc3];
        all(bits, |a| {
            rounds(a, &code, |a| {
                a.mov(edx, ebx)?;
                a.and(edx, 9)?;
                a.or(dl, 0xc0_u32 as i32)
            })
        });
    }
}

#[test]
fn a_number_that_crosses_a_page_is_seen() {
    for bits in BOTH {
        all(bits, |a| {
            rounds_at(a, COPY + 0xffd, &[0xb8, 0, 0, 0, 0, 0xc3], |a| {
                a.mov(dword_ptr(COPY + 0xffe), ebx)
            })
        });
    }
}

#[test]
fn a_write_at_another_linear_address_is_seen() {
    // A page below 2 MiB that is mapped to where the code is.
    const ALIAS: u32 = 0x18_0000;
    for number in [true, false] {
        // MOV eax, imm32; INC eax; RET.
        let code = [0xb8, 0, 0, 0, 0, 0xff, 0xc0, 0xc3];
        all(Bits::Long, |a| {
            a.mov(dword_ptr(TABLES as u32 + 0x3000 + 8 * (ALIAS >> 12)), COPY as i32 | 7)?;
            a.invlpg(ptr(ALIAS))?;
            rounds(a, &code, |a| {
                if number {
                    return a.mov(dword_ptr(ALIAS + 1), ebx);
                }
                a.mov(eax, ebx)?;
                a.and(eax, 8)?;
                a.or(al, 0xc0_u32 as i32)?;
                a.mov(byte_ptr(ALIAS + 6), al)
            })
        });
    }
}

#[test]
fn a_write_by_a_device_is_seen() {
    // MOV eax, imm32; ADD edi, eax; INC ecx; JMP to the start.
    let code = [0xb8, 1, 0, 0, 0, 0x01, 0xc7, 0xff, 0xc1, 0xeb, 0xf5];
    for bits in BOTH {
        for at in [1, 6] {
            let run = |optimized: Option<bool>| {
                let mut machine = Machine::new(bits, &code);
                let mut backend: Box<dyn CpuBackend> = match optimized {
                    None => Box::new(Interpreter::new()),
                    Some(optimized) => {
                        Box::new(machine.jit(Settings { optimized, ..Settings::eager() }))
                    }
                };
                machine.platform.budget = 1003;
                for value in [0xc7, 0xcf, 0xd7, 0xc7, 0xdf, 0xc7] {
                    machine.run(&mut *backend);
                    machine.platform.load(CODE + at, &[value]);
                }
                machine.state()
            };
            let expected = run(None);
            assert_eq!(run(Some(false)), expected, "{bits:?}");
            assert_eq!(run(Some(true)), expected, "{bits:?}");
        }
    }
}
