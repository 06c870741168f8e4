//! How long things take, in time that the thread runs; nothing that passes or fails. Run it with `--ignored --nocapture`.

use std::time::Instant;

use aero_cpu::CpuBackend;
use aero_interpreter::Interpreter;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::machine::{Bits, Machine, assemble};

/// The inner loop of a Mandelbrot program: z = z² + c with the stack x, y, cx, cy, limit; as GCC has it
/// with -mfpmath=387.
fn mandelbrot(a: &mut CodeAssembler, turns: u32) -> Result<(), IcedError> {
    let mut outer = a.create_label();
    let mut top = a.create_label();
    let mut out = a.create_label();
    a.mov(edx, turns)?;
    a.mov(esi, 0x30_0000)?;
    a.fninit()?;
    a.mov(dword_ptr(esi), 4)?;
    a.mov(dword_ptr(esi + 4), -1_i32 as u32)?;
    a.mov(dword_ptr(esi + 8), 10)?;
    a.set_label(&mut outer)?;
    a.mov(ecx, 1000)?;
    a.fild(dword_ptr(esi))?; // limit
    a.fild(dword_ptr(esi + 4))?;
    a.fidiv(dword_ptr(esi + 8))?; // cy = -0.1
    a.fild(dword_ptr(esi + 4))?;
    a.fidiv(dword_ptr(esi + 8))?; // cx = -0.1
    a.fldz()?; // y
    a.fldz()?; // x
    a.set_label(&mut top)?;
    // st: x y cx cy 4
    a.fld(st0)?;
    a.fmul_2(st0, st1)?; // x² x y cx cy 4
    a.fld(st2)?;
    a.fmul_2(st0, st3)?; // y² x² x y cx cy 4
    a.fld(st1)?;
    a.fadd_2(st0, st1)?; // x²+y² y² x² x y cx cy 4
    a.fcomip(st0, st7)?; // y² x² x y cx cy 4
    a.ja(out)?;
    a.fsubp(st1, st0)?; // x²-y² x y cx cy 4
    a.fadd_2(st0, st3)?; // x' x y cx cy 4
    a.fxch(st0, st2)?; // y x x' cx cy 4
    a.fadd_2(st0, st0)?;
    a.fmulp(st1, st0)?; // 2xy x' cx cy 4
    a.fadd_2(st0, st3)?; // y' x' cx cy 4
    a.fxch(st0, st1)?;
    a.dec(ecx)?;
    a.jnz(top)?;
    a.fldz()?;
    a.fldz()?;
    a.set_label(&mut out)?;
    for _ in 0..7 {
        a.fstp(st0)?;
    }
    a.dec(edx)?;
    a.jnz(outer)
}

/// Sixteen dependent operations on memory.
fn chain(a: &mut CodeAssembler, turns: u32) -> Result<(), IcedError> {
    let mut top = a.create_label();
    a.mov(ecx, turns)?;
    a.mov(esi, 0x30_0000)?;
    a.fninit()?;
    a.fld1()?;
    a.fstp(qword_ptr(esi))?;
    a.fldl2e()?;
    a.fstp(qword_ptr(esi + 8))?;
    a.set_label(&mut top)?;
    for _ in 0..4 {
        a.fld(qword_ptr(esi))?;
        a.fmul(qword_ptr(esi + 8))?;
        a.fdiv(qword_ptr(esi + 8))?;
        a.fstp(qword_ptr(esi))?;
    }
    a.dec(ecx)?;
    a.jnz(top)
}

type Program = fn(&mut CodeAssembler, u32) -> Result<(), IcedError>;

/// Nanoseconds a run.
fn time(program: Program, turns: u32, jit: bool) -> f64 {
    let code = assemble(Bits::Long, |a| program(a, turns));
    let mut machine = Machine::new(Bits::Long, &code);
    machine.platform.budget = u64::MAX;
    let settings = aero_jit::Settings { threshold: 20, background: false, ..Default::default() };
    let mut backend: Box<dyn CpuBackend> =
        if jit { Box::new(machine.jit(settings)) } else { Box::new(Interpreter::new()) };
    let start = Instant::now();
    let before = used();
    machine.run(&mut *backend);
    match (before, used()) {
        (Some(before), Some(after)) => after - before,
        _ => start.elapsed().as_nanos() as f64,
    }
}

/// Nanoseconds that this thread has run, where the system tells: others run beside it.
fn used() -> Option<f64> {
    let all = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    all.split(' ').next()?.parse().ok()
}

#[test]
#[ignore = "takes seconds, and tells only numbers"]
fn nanoseconds_a_turn() {
    for (name, program, turns, inner) in
        [("mandelbrot", mandelbrot as Program, 300, 1000.0), ("chain", chain, 100_000, 1.0)]
    {
        for jit in [true, false] {
            // Two lengths, so that what comes first does not count.
            let scale = if jit { 20 } else { 1 };
            let short = time(program, turns * scale, jit);
            let long = time(program, turns * scale * 3, jit);
            let ns = (long - short) / (f64::from(turns * scale * 2) * inner);
            println!(
                "{name}: {ns:.2} ns a turn, {}",
                if jit { "translated" } else { "interpreted" }
            );
        }
    }
}
