//! SSE instructions in generated code and by the interpreter: each form on many operands with MXCSR in
//! different states, and random programs of them.
#![cfg(feature = "wasmtime")]

mod forms;
#[path = "../programs/machine.rs"]
#[allow(dead_code, reason = "the other programs use the rest")]
mod machine;
mod random;
mod speed;

use aero_cpu::CpuExit;
use aero_cpu::bits::cr4;
use aero_interpreter::Interpreter;
use iced_x86::code_asm::*;
use iced_x86::{Code, IcedError};
use machine::{Bits, Machine, assemble};
use random::Random;

/// Where programs are.
const CODE: u64 = 0x10_0000;
const DATA: u64 = 0x30_0000;
const RESULTS: u64 = 0x34_0000;
/// Bytes of a record of operands.
const RECORD: u64 = 0x80;

/// How many there are.
const RECORDS: u64 = 32;

/// The fast state of MXCSR, and others: PE clear, other roundings, FZ, DAZ, all flags.
const MXCSRS: [u32; 8] = [0x1fa0, 0x1fa0, 0x1f80, 0x3fa0, 0x7fa1, 0x9fa0, 0x1fe0, 0x1fbf];

/// What came of a program.
struct Report {
    /// Instructions that the interpreter executed for generated code.
    assisted: u64,
    /// It ran to its end, which is not in the handler of an exception.
    is_complete: bool,
}

/// A machine whose system lets programs use SSE.
fn with_sse(code: &[u8]) -> Machine {
    let mut machine = Machine::new(Bits::Long, code);
    machine.cpu.cr4 |= cr4::OSFXSR | cr4::OSXMMEXCPT;
    machine
}

/// Runs code on both backends.
fn compare(code: &[u8], prepare: impl Fn(&mut Machine), what: &str) -> Report {
    let mut expected = with_sse(code);
    prepare(&mut expected);
    let by_interpreter = expected.run(&mut Interpreter::new());
    assert_eq!(by_interpreter.exit, CpuExit::Halted, "{what}: the program ends");
    let mut machine = with_sse(code);
    prepare(&mut machine);
    let mut jit = machine.jit(aero_jit::Settings::eager());
    let by_jit = machine.run(&mut jit);
    assert_eq!(machine.state(), expected.state(), "{what}");
    assert_eq!(by_jit, by_interpreter, "{what}");
    let (got, wanted) = (machine.data(), expected.data());
    if let Some(at) = (0..got.len()).find(|at| got[*at] != wanted[*at]) {
        let line = at & !15;
        panic!(
            "{what}: memory differs at {:x}: {:x?}, expected {:x?}",
            DATA + line as u64,
            &got[line..line + 16],
            &wanted[line..line + 16]
        );
    }
    let stats = jit.stats();
    assert!(stats.translated > by_jit.retired / 2, "{what}: most of it is translated: {stats:?}");
    Report { assisted: stats.assisted, is_complete: machine.cpu.rip >= CODE }
}

fn load_operands(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.ldmxcsr(dword_ptr(rsi + 0x50))?;
    a.movups(xmm1, xmmword_ptr(rsi))?;
    a.movups(xmm2, xmmword_ptr(rsi + 0x10))?;
    a.movups(xmm0, xmmword_ptr(rsi + 0x20))?;
    a.mov(rax, qword_ptr(rsi + 0x30))?;
    a.mov(rdx, qword_ptr(rsi + 0x38))
}

fn store_results(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.movups(xmmword_ptr(rdi), xmm1)?;
    a.movups(xmmword_ptr(rdi + 0x10), xmm2)?;
    a.movups(xmmword_ptr(rdi + 0x20), xmm0)?;
    a.mov(qword_ptr(rdi + 0x30), rax)?;
    a.mov(qword_ptr(rdi + 0x38), rdx)?;
    a.stmxcsr(dword_ptr(rdi + 0x40))?;
    a.pushfq()?;
    a.pop(qword_ptr(rdi + 0x48))?;
    a.add(rdi, 0x50)
}

/// A loop over records of operands, with each variant of a form applied once and twice.
fn form_program(code: Code) -> Vec<u8> {
    assemble(Bits::Long, |a| {
        let mut top = a.create_label();
        a.mov(r15d, RECORDS as u32)?;
        a.mov(esi, DATA as u32)?;
        a.mov(edi, RESULTS as u32)?;
        a.set_label(&mut top)?;
        for instr in forms::variants(code) {
            load_operands(a)?;
            a.add_instruction(instr)?;
            store_results(a)?;
            a.add_instruction(instr)?;
            store_results(a)?;
        }
        a.add(rsi, RECORD as i32)?;
        a.dec(r15d)?;
        a.jnz(top)
    })
}

fn put_records(machine: &mut Machine, seed: u64, records: u64, mxcsrs: &[u32]) {
    let mut random = Random::new(seed);
    for record in 0..records {
        let at = DATA + RECORD * record;
        for register in 0..7 {
            let value = random.register();
            machine.platform.load(at + 16 * register, &value.to_le_bytes());
        }
        let mxcsr = random.pick(mxcsrs);
        machine.platform.load(at + 0x50, &mxcsr.to_le_bytes());
    }
}

fn check_forms(part: usize) {
    let mut left_out = Vec::new();
    let all = forms::all();
    for (index, code) in all.iter().enumerate().filter(|(index, _)| index % 4 == part) {
        let program = form_program(*code);
        let prepare = |m: &mut Machine| put_records(m, index as u64 + 1, RECORDS, &MXCSRS);
        let report = compare(&program, prepare, &format!("{code:?}"));
        assert!(report.is_complete, "{code:?} does not fault");
        // With nothing unusual in the operands, nothing is left to the interpreter but PUSHFQ.
        let plain = |m: &mut Machine| {
            for record in 0..RECORDS {
                let at = DATA + RECORD * record;
                for register in 0..7 {
                    let value: u128 = if register == 3 {
                        0x5 << 64 | 7
                    } else {
                        0x3fb9_999a_3f99_999a_3fb9_999a_3fc9_999a
                    };
                    m.platform.load(at + 16 * register, &value.to_le_bytes());
                }
                m.platform.load(at + 0x50, &0x1fa0_u32.to_le_bytes());
            }
        };
        let Report { assisted, .. } =
            compare(&program, plain, &format!("{code:?} on plain operands"));
        let variants = forms::variants(*code).len() as u64;
        // PUSHFQ and POP are the interpreter's, twice for each.
        if assisted > RECORDS * (4 * variants + 1) {
            left_out.push(format!("{code:?}"));
        }
    }
    println!("left to the interpreter: {}", left_out.join(" "));
}

#[test]
fn every_form_gives_what_the_interpreter_gives_1() {
    check_forms(0);
}

#[test]
fn every_form_gives_what_the_interpreter_gives_2() {
    check_forms(1);
}

#[test]
fn every_form_gives_what_the_interpreter_gives_3() {
    check_forms(2);
}

#[test]
fn every_form_gives_what_the_interpreter_gives_4() {
    check_forms(3);
}

fn random_program(random: &mut Random) -> Vec<u8> {
    let pool = forms::pool(random.below(4));
    let count = 5 + random.below(25);
    let mut instrs = Vec::new();
    while (instrs.len() as u64) < count {
        let code = random.pick(&pool);
        instrs.push(forms::random(code, random));
    }
    let whole = random.below(2) == 0;
    assemble(Bits::Long, |a| {
        let mut top = a.create_label();
        a.mov(r15d, 12)?;
        a.mov(esi, DATA as u32)?;
        a.mov(edi, RESULTS as u32)?;
        a.set_label(&mut top)?;
        if whole {
            a.movups(xmm1, xmmword_ptr(rsi))?;
            a.movups(xmm2, xmmword_ptr(rsi + 0x10))?;
        } else {
            a.movsd_2(xmm1, qword_ptr(rsi))?;
            a.movss(xmm2, dword_ptr(rsi + 0x10))?;
        }
        for instr in &instrs {
            a.add_instruction(*instr)?;
        }
        a.add(rsi, RECORD as i32)?;
        a.add(rdi, 0x80)?;
        a.dec(r15d)?;
        a.jnz(top)
    })
}

#[test]
fn random_programs_end_in_the_same_state() {
    for seed in 0..200 {
        let mut random = Random::new(seed * 77 + 5);
        let program = random_program(&mut random);
        let mxcsr = random.pick(&MXCSRS);
        let prepare = |m: &mut Machine| {
            put_records(m, seed + 1, 16, &MXCSRS);
            m.cpu.mxcsr = mxcsr;
            let mut random = Random::new(seed ^ 0x55);
            for n in 0..16 {
                m.cpu.xmm[n] = random.register();
            }
        };
        let report = compare(&program, prepare, &format!("seed {seed}"));
        assert!(report.is_complete, "seed {seed} does not fault");
    }
}

#[test]
fn unmasked_exceptions_are_raised_where_they_arise() {
    let mut raised = 0;
    for seed in 0..60 {
        let mut random = Random::new(seed * 31 + 3);
        let program = random_program(&mut random);
        let unmasked = 0x1fa0 & !(1 << (7 + random.below(6)));
        let prepare = |m: &mut Machine| {
            put_records(m, seed + 1, 16, &[unmasked]);
            m.cpu.mxcsr = unmasked;
            let mut random = Random::new(seed ^ 0x55);
            for n in 0..16 {
                m.cpu.xmm[n] = random.plain_register();
            }
        };
        raised += u32::from(!compare(&program, prepare, &format!("seed {seed}")).is_complete);
    }
    assert!(raised > 10, "some do: {raised}");
}

#[test]
fn operands_that_are_not_aligned_fault() {
    for offset in [0, 8, 1] {
        let program = assemble(Bits::Long, |a| {
            let mut top = a.create_label();
            a.mov(ecx, 100)?;
            a.mov(esi, DATA as u32)?;
            a.set_label(&mut top)?;
            a.movups(xmm1, xmmword_ptr(rsi + 3))?;
            a.paddd(xmm1, xmmword_ptr(rsi))?;
            a.movdqa(xmmword_ptr(rsi + 0x10), xmm1)?;
            a.cmp(ecx, 50)?;
            a.mov(eax, 0)?;
            a.mov(edx, offset)?;
            a.cmove(eax, edx)?;
            a.add(rsi, rax)?;
            a.dec(ecx)?;
            a.jnz(top)
        });
        let prepare = |m: &mut Machine| put_records(m, 9, 16, &MXCSRS);
        let report = compare(&program, prepare, &format!("offset {offset}"));
        assert_eq!(report.is_complete, offset == 0);
    }
}
