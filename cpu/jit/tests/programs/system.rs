//! Instructions that kernels use: they change how code runs, and generated code goes on all the same.

use aero_cpu::{CpuBackend, CpuExit, Signal};
use aero_interpreter::Interpreter;
use aero_jit::Settings;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::machine::{Bits, Machine, assemble, both, both_prepared, times};

/// Writes an instruction.
type Write = fn(&mut CodeAssembler) -> Result<(), IcedError>;

const DATA: u32 = 0x30_0000;

fn wrmsr(a: &mut CodeAssembler, msr: u32, value: u64) -> Result<(), IcedError> {
    a.mov(ecx, msr)?;
    a.mov(eax, value as u32)?;
    a.mov(edx, (value >> 32) as u32)?;
    a.wrmsr()
}

#[test]
fn swapgs_exchanges_the_bases_each_time() {
    let assisted = both(Bits::Long, |a| {
        wrmsr(a, 0xc000_0101, DATA.into())?;
        wrmsr(a, 0xc000_0102, u64::from(DATA) + 0x100)?;
        times(a, 101, |a| {
            a.swapgs()?;
            a.add(dword_ptr(8).gs(), ebx)
        })?;
        wrmsr(a, 0xc000_0100, 5)?;
        a.mov(ecx, 0xc000_0102_u32)?;
        a.rdmsr()
    });
    assert!(assisted < 50, "{assisted} instructions were left to the interpreter");
}

#[test]
fn cli_and_sti_change_if_and_nothing_else() {
    for bits in [Bits::Long, Bits::Flat] {
        let assisted = both(bits, |a| {
            times(a, 100, |a| {
                a.cli()?;
                a.add(eax, ebx)?;
                a.sti()?;
                a.sti()?;
                a.adc(eax, 7)
            })?;
            a.cli()
        });
        assert!(assisted < 50, "{assisted} instructions were left to the interpreter");
    }
}

#[test]
fn an_interrupt_comes_one_instruction_after_sti() {
    // What follows STI: memory that is there, memory that the interpreter has to write, an instruction
    // for the interpreter, and a second STI, which holds off nothing more.
    let after: [Write; 4] = [
        |a| a.add(dword_ptr(DATA), 3),
        |a| a.add(dword_ptr(DATA + 0xffe), 3),
        |a| a.cpuid(),
        |a| a.sti(),
    ];
    // The loop has eight instructions, and is left for a moment at its top, where IF is clear.
    const STOP: u64 = 2 + 60 * 8;
    let end = |backend: &mut dyn CpuBackend, machine: &mut Machine| {
        machine.platform.budget = STOP;
        assert_eq!(machine.run(backend).exit, CpuExit::Budget);
        machine.platform.vectors.push_back(0x40);
        machine.signals.raise(Signal::INTR);
        machine.platform.budget = 10_000;
        let outcome = machine.run(backend);
        (outcome, machine.state(), machine.data())
    };
    for bits in [Bits::Long, Bits::Flat] {
        for after in after {
            let code = assemble(bits, |a| {
                a.mov(esp, DATA + 0x8000)?;
                times(a, 100, |a| {
                    a.add(edi, ebx)?;
                    a.sti()?;
                    after(a)?;
                    a.cli()?;
                    a.mov(ebx, 50)?;
                    a.inc(esi)
                })
            });
            let expected = end(&mut Interpreter::new(), &mut Machine::new(bits, &code));
            for optimized in [false, true] {
                let mut machine = Machine::new(bits, &code);
                // Everything was executed before it is translated, so that it is in one piece.
                let settings = Settings { threshold: 10, optimized, ..Settings::eager() };
                let mut jit = machine.jit(settings);
                assert_eq!(end(&mut jit, &mut machine), expected, "optimized: {optimized}");
                assert!(jit.stats().translated > 100, "{:?}", jit.stats());
            }
        }
    }
}

#[test]
fn a_data_segment_that_is_not_flat_ends_what_was_translated_for_flat_ones() {
    let prepare = |machine: &mut Machine| {
        // Data from DATA on, 4 KiB.
        machine.platform.load_u64(0x1000 + 24, 0x0040_9230_0000_0fff);
        machine.cpu.gdtr.limit = 0x1f;
    };
    both_prepared(Bits::Flat, prepare, |a| {
        times(a, 200, |a| a.add(edi, ebx))?;
        for selector in [24, 16] {
            a.mov(eax, selector)?;
            a.mov(es, eax)?;
            a.add(dword_ptr(0x40).es(), esp)?;
        }
        Ok(())
    });
}

#[test]
fn a_system_call_and_its_return_stay_in_generated_code() {
    // The user's code is the program itself, whose pages both may use.
    let prepare = |machine: &mut Machine| {
        // 8: kernel code, 16: kernel data, 24: 32-bit user code, 32: user data, 40: user code.
        machine.platform.load_u64(0x1000 + 32, 0x00cf_f300_0000_ffff);
        machine.platform.load_u64(0x1000 + 40, 0x00af_fb00_0000_ffff);
        machine.cpu.gdtr.limit = 0x2f;
    };
    let assisted = both_prepared(Bits::Long, prepare, |a| {
        let mut entry = a.create_label();
        let mut user = a.create_label();
        let mut last = a.create_label();
        let mut top = a.create_label();
        wrmsr(a, 0xc000_0080, 0x501)?;
        wrmsr(a, 0xc000_0081, (24 << 48) | (8 << 32))?;
        wrmsr(a, 0xc000_0084, 0x200)?;
        a.lea(rax, qword_ptr(entry))?;
        a.mov(ecx, 0xc000_0082_u32)?;
        a.xor(edx, edx)?;
        a.wrmsr()?;
        a.lea(rcx, qword_ptr(user))?;
        a.mov(r11d, 0x202)?;
        a.mov(ebx, 200)?;
        a.sysretq()?;
        a.set_label(&mut user)?;
        a.mov(dword_ptr(DATA), ebx)?;
        a.set_label(&mut top)?;
        a.add(edi, ebx)?;
        a.syscall()?;
        a.dec(ebx)?;
        a.jnz(top)?;
        a.xor(esi, esi)?;
        a.syscall()?;
        a.set_label(&mut entry)?;
        a.test(esi, esi)?;
        a.jz(last)?;
        a.add(dword_ptr(DATA + 8), ebx)?;
        a.set_label(&mut last)?;
        a.inc(dword_ptr(DATA + 16))?;
        a.test(ebx, ebx)?;
        let mut end = a.create_label();
        a.jz(end)?;
        a.sysretq()?;
        a.set_label(&mut end)?;
        a.nop()
    });
    // SYSCALL and SYSRET themselves, each time, and little more.
    assert!(assisted < 450, "{assisted} instructions were left to the interpreter");
}
