//! How fast SSE runs, in million instructions a second.

use std::time::Instant;

use aero_cpu::CpuBackend;
use aero_interpreter::Interpreter;
use aero_jit::Settings;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

use crate::machine::{Bits, Machine, assemble};
use crate::{DATA, with_sse};

/// The Mandelbrot set in scalar doubles, again and again.
fn mandelbrot(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut image = a.create_label();
    let mut pixel = a.create_label();
    let mut top = a.create_label();
    let mut out = a.create_label();
    a.mov(eax, 4)?;
    a.cvtsi2sd(xmm8, eax)?;
    a.mov(eax, 128)?;
    a.cvtsi2sd(xmm9, eax)?;
    a.set_label(&mut image)?;
    a.mov(esi, 256 * 256)?;
    a.set_label(&mut pixel)?;
    // c = (x / 128 - 1.5, y / 128 - 1), more or less.
    a.mov(eax, esi)?;
    a.and(eax, 255)?;
    a.sub(eax, 192)?;
    a.cvtsi2sd(xmm3, eax)?;
    a.divsd(xmm3, xmm9)?;
    a.mov(eax, esi)?;
    a.shr(eax, 8)?;
    a.sub(eax, 128)?;
    a.cvtsi2sd(xmm4, eax)?;
    a.divsd(xmm4, xmm9)?;
    a.xorpd(xmm1, xmm1)?;
    a.xorpd(xmm2, xmm2)?;
    a.mov(ecx, 200)?;
    a.set_label(&mut top)?;
    a.movapd(xmm5, xmm1)?;
    a.mulsd(xmm5, xmm1)?;
    a.movapd(xmm6, xmm2)?;
    a.mulsd(xmm6, xmm2)?;
    a.movapd(xmm7, xmm5)?;
    a.addsd(xmm7, xmm6)?;
    a.ucomisd(xmm7, xmm8)?;
    a.ja(out)?;
    a.mulsd(xmm2, xmm1)?;
    a.addsd(xmm2, xmm2)?;
    a.addsd(xmm2, xmm4)?;
    a.subsd(xmm5, xmm6)?;
    a.addsd(xmm5, xmm3)?;
    a.movapd(xmm1, xmm5)?;
    a.dec(ecx)?;
    a.jnz(top)?;
    a.set_label(&mut out)?;
    a.add(edi, ecx)?;
    a.dec(esi)?;
    a.jnz(pixel)?;
    a.jmp(image)
}

/// Sums of products and differences over 16 KiB of integers.
fn integers(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    let mut top = a.create_label();
    a.set_label(&mut again)?;
    a.mov(ecx, 512)?;
    a.mov(esi, DATA as u32)?;
    a.set_label(&mut top)?;
    a.movdqa(xmm1, xmmword_ptr(rsi))?;
    a.movdqa(xmm2, xmmword_ptr(rsi + 16))?;
    a.movdqa(xmm3, xmm1)?;
    a.pmaddwd(xmm3, xmm2)?;
    a.paddd(xmm4, xmm3)?;
    a.movdqa(xmm5, xmm1)?;
    a.psadbw(xmm5, xmm2)?;
    a.paddq(xmm6, xmm5)?;
    a.punpcklwd(xmm1, xmm2)?;
    a.pslld(xmm1, 3)?;
    a.pxor(xmm7, xmm1)?;
    a.add(rsi, 32)?;
    a.dec(ecx)?;
    a.jnz(top)?;
    a.jmp(again)
}

/// Four singles at a time: a polynomial over 16 KiB.
fn singles(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    let mut top = a.create_label();
    a.mov(eax, 0x3f8c_cccd_u32)?;
    a.movd(xmm8, eax)?;
    a.shufps(xmm8, xmm8, 0)?;
    a.set_label(&mut again)?;
    a.mov(ecx, 512)?;
    a.mov(esi, DATA as u32)?;
    a.xorps(xmm4, xmm4)?;
    a.set_label(&mut top)?;
    a.movaps(xmm1, xmmword_ptr(rsi))?;
    a.movaps(xmm2, xmm1)?;
    a.mulps(xmm2, xmm8)?;
    a.addps(xmm2, xmm8)?;
    a.mulps(xmm2, xmm1)?;
    a.addps(xmm2, xmm8)?;
    a.maxps(xmm4, xmm2)?;
    a.add(rsi, 16)?;
    a.dec(ecx)?;
    a.jnz(top)?;
    a.jmp(again)
}

fn run(machine: &mut Machine, backend: &mut dyn CpuBackend, budget: u64) -> f64 {
    machine.platform.budget = budget;
    let start = Instant::now();
    let outcome = machine.run(backend);
    outcome.retired as f64 / start.elapsed().as_secs_f64() / 1e6
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    type Program = fn(&mut CodeAssembler) -> Result<(), IcedError>;
    let programs: [(&str, Program); 3] =
        [("mandelbrot", mandelbrot), ("integers", integers), ("singles", singles)];
    for (name, program) in programs {
        let code = assemble(Bits::Long, program);
        let prepare = || {
            let machine = with_sse(&code);
            for at in 0..4096_u64 {
                let value = 1.0 + at as f32 / 5000.0;
                machine.platform.load(DATA + 4 * at, &value.to_le_bytes());
            }
            machine
        };
        let mut machine = prepare();
        let interpreted = run(&mut machine, &mut Interpreter::new(), 20_000_000);
        let mut machine = prepare();
        let mut jit = machine.jit(Settings { background: false, ..Settings::default() });
        run(&mut machine, &mut jit, 5_000_000);
        let mut best = 0_f64;
        for _ in 0..5 {
            best = best.max(run(&mut machine, &mut jit, 100_000_000));
        }
        println!("{name}: interpreter {interpreted:.0}, generated {best:.0}");
        println!("  {:?}", jit.stats());
    }
}
