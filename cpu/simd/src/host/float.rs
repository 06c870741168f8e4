//! Floating-point operations against the host's: results, and MXCSR's flags.

use super::{Instruction, Random, Registers};
use crate::float::{self, add, div, max, min, mul, sqrt, sub};
use crate::mxcsr::{FloatEnv, Mxcsr};
use crate::packed::{self, Packed};
use crate::{Double, Single, convert, estimate};

const MODRM: u8 = 0xc1;
const ROUNDS: usize = 20_000;

/// MXCSR values: every rounding, DAZ, FTZ, flags clear and PE set; all exceptions masked.
fn controls() -> Vec<u32> {
    let mut all = Vec::new();
    for rounding in 0..4 {
        for flush in [0, Mxcsr::DENORMALS_ARE_ZERO, Mxcsr::FLUSH_TO_ZERO, 0x8040] {
            all.push(0x1f80 | rounding << Mxcsr::ROUNDING_SHIFT | flush);
        }
    }
    all.push(0x1f80 | Mxcsr::PRECISION);
    all.push(0x1f80 | Mxcsr::PRECISION | 0x8040);
    all
}

fn registers(random: &mut Random, bits: u32) -> Registers {
    let a = random.float_register(bits);
    let mut b = random.float_register(bits);
    match random.below(8) {
        // Equal, opposite and neighbouring operands, in the low lane.
        0 => b = a,
        1 => b = a ^ 1 << (bits - 1),
        2 => b = a ^ random.below(8) as u128,
        _ => {}
    }
    Registers {
        xmm: [a, b, 0],
        mm: [random.float_register(32) as u64, random.float_register(32) as u64],
        rcx: random.next() as i64 as u64 >> random.below(64),
        ..Registers::default()
    }
}

type Ours<'a> = &'a dyn Fn(&mut Registers, &mut FloatEnv);

/// All exceptions masked: the result and the flags.
fn check_masked(name: &str, bytes: &[u8], bits: u32, ours: Ours<'_>) {
    let host = Instruction::new(bytes);
    let mut random = Random::new(0xf10a7);
    let controls = controls();
    for i in 0..ROUNDS {
        let mut before = registers(&mut random, bits);
        before.mxcsr = controls[i % controls.len()];
        let mut env = FloatEnv::new(before.mxcsr);
        let mut expected = before;
        ours(&mut expected, &mut env);
        env.finish(&mut expected.mxcsr).unwrap();
        let after = host.run(before);
        expected.rflags = after.rflags;
        assert_eq!(expected, after, "{name} {before:x?}");
    }
}

/// Some exceptions unmasked: whether #XM is raised, and the flags then.
fn check_unmasked(name: &str, bytes: &[u8], bits: u32, ours: Ours<'_>) {
    let host = Instruction::new(bytes);
    let mut random = Random::new(0xe8ce);
    for i in 0..ROUNDS / 4 {
        let mut before = registers(&mut random, bits);
        let masks = match random.below(3) {
            0 => 0,
            1 => !(1 << (7 + random.below(6))),
            _ => random.next() as u32,
        } & Mxcsr::MASKS;
        before.mxcsr = masks
            | random.pick(&[0, 0, 0, 1, 2, 3]) << Mxcsr::ROUNDING_SHIFT
            | if i % 4 == 0 { random.next() as u32 & 0x8040 } else { 0 };
        let mut env = FloatEnv::new(before.mxcsr);
        let mut expected = before;
        ours(&mut expected, &mut env);
        let raised = env.finish(&mut expected.mxcsr).is_err();
        let (after, host_mxcsr) = host.run_unmasked(before);
        assert_eq!(raised, host_mxcsr.is_some(), "{name} {before:x?} ours {expected:x?}");
        if let Some(mxcsr) = host_mxcsr {
            assert_eq!(expected.mxcsr, mxcsr, "{name} {before:x?}");
        } else {
            expected.rflags = after.rflags;
            assert_eq!(expected, after, "{name} {before:x?}");
        }
    }
}

/// Runs a check over every instruction here.
fn for_all(check: impl Fn(&str, &[u8], u32, Ours<'_>)) {
    type Binary = fn(u64, u64, &mut FloatEnv) -> u64;
    let arithmetic: [(&str, u8, Binary, Binary); 6] = [
        ("add", 0x58, add::<Single>, add::<Double>),
        ("mul", 0x59, mul::<Single>, mul::<Double>),
        ("sub", 0x5c, sub::<Single>, sub::<Double>),
        ("min", 0x5d, min::<Single>, min::<Double>),
        ("div", 0x5e, div::<Single>, div::<Double>),
        ("max", 0x5f, max::<Single>, max::<Double>),
    ];
    for (name, opcode, single, double) in arithmetic {
        check(&format!("{name}ps"), &[0x0f, opcode, MODRM], 32, &|r, env| {
            r.xmm[0] = Single::zip(r.xmm[0], r.xmm[1], |a, b| single(a, b, env));
        });
        check(&format!("{name}pd"), &[0x66, 0x0f, opcode, MODRM], 64, &|r, env| {
            r.xmm[0] = Double::zip(r.xmm[0], r.xmm[1], |a, b| double(a, b, env));
        });
        check(&format!("{name}ss"), &[0xf3, 0x0f, opcode, MODRM], 32, &|r, env| {
            let value = single(Single::scalar(r.xmm[0]), Single::scalar(r.xmm[1]), env);
            r.xmm[0] = Single::low(r.xmm[0], value);
        });
        check(&format!("{name}sd"), &[0xf2, 0x0f, opcode, MODRM], 64, &|r, env| {
            let value = double(Double::scalar(r.xmm[0]), Double::scalar(r.xmm[1]), env);
            r.xmm[0] = Double::low(r.xmm[0], value);
        });
    }
    check("sqrtps", &[0x0f, 0x51, MODRM], 32, &|r, env| {
        r.xmm[0] = Single::map(r.xmm[1], |b| sqrt::<Single>(b, env));
    });
    check("sqrtpd", &[0x66, 0x0f, 0x51, MODRM], 64, &|r, env| {
        r.xmm[0] = Double::map(r.xmm[1], |b| sqrt::<Double>(b, env));
    });
    for predicate in 0..8 {
        check("cmpps", &[0x0f, 0xc2, MODRM, predicate], 32, &|r, env| {
            r.xmm[0] = packed::compare::<Single>(r.xmm[0], r.xmm[1], predicate, env);
        });
        check("cmppd", &[0x66, 0x0f, 0xc2, MODRM, predicate], 64, &|r, env| {
            r.xmm[0] = packed::compare::<Double>(r.xmm[0], r.xmm[1], predicate, env);
        });
    }
    for control in 0..16 {
        check("roundps", &[0x66, 0x0f, 0x3a, 0x08, MODRM, control], 32, &|r, env| {
            r.xmm[0] =
                Single::map(r.xmm[1], |b| float::round_to_integral::<Single>(b, control, env));
        });
        check("roundpd", &[0x66, 0x0f, 0x3a, 0x09, MODRM, control], 64, &|r, env| {
            r.xmm[0] =
                Double::map(r.xmm[1], |b| float::round_to_integral::<Double>(b, control, env));
        });
    }
    type Whole = fn(u128, u128, &mut FloatEnv) -> u128;
    let whole: [(&str, &[u8], u32, Whole); 6] = [
        ("haddps", &[0xf2, 0x0f, 0x7c, MODRM], 32, packed::haddps),
        ("haddpd", &[0x66, 0x0f, 0x7c, MODRM], 64, packed::haddpd),
        ("hsubps", &[0xf2, 0x0f, 0x7d, MODRM], 32, packed::hsubps),
        ("hsubpd", &[0x66, 0x0f, 0x7d, MODRM], 64, packed::hsubpd),
        ("addsubps", &[0xf2, 0x0f, 0xd0, MODRM], 32, packed::addsub::<Single>),
        ("addsubpd", &[0x66, 0x0f, 0xd0, MODRM], 64, packed::addsub::<Double>),
    ];
    for (name, bytes, bits, ours) in whole {
        check(name, bytes, bits, &|r, env| r.xmm[0] = ours(r.xmm[0], r.xmm[1], env));
    }
    for control in [0xff, 0x71, 0x33, 0x5f, 0xf0, 0x0f, 0x18] {
        check("dpps", &[0x66, 0x0f, 0x3a, 0x40, MODRM, control], 32, &|r, env| {
            r.xmm[0] = packed::dpps(r.xmm[0], r.xmm[1], control, env);
        });
        check("dppd", &[0x66, 0x0f, 0x3a, 0x41, MODRM, control], 64, &|r, env| {
            r.xmm[0] = packed::dppd(r.xmm[0], r.xmm[1], control, env);
        });
    }
    type Conversion = fn(u128, &mut FloatEnv) -> u128;
    let conversions: [(&str, &[u8], u32, Conversion); 8] = [
        ("cvtps2pd", &[0x0f, 0x5a, MODRM], 32, packed::cvtps2pd),
        ("cvtpd2ps", &[0x66, 0x0f, 0x5a, MODRM], 64, packed::cvtpd2ps),
        ("cvtdq2ps", &[0x0f, 0x5b, MODRM], 32, packed::cvtdq2ps),
        ("cvtdq2pd", &[0xf3, 0x0f, 0xe6, MODRM], 32, |b, _| packed::cvtdq2pd(b)),
        ("cvtps2dq", &[0x66, 0x0f, 0x5b, MODRM], 32, packed::cvtps2dq),
        ("cvttps2dq", &[0xf3, 0x0f, 0x5b, MODRM], 32, packed::cvttps2dq),
        ("cvtpd2dq", &[0xf2, 0x0f, 0xe6, MODRM], 64, packed::cvtpd2dq),
        ("cvttpd2dq", &[0x66, 0x0f, 0xe6, MODRM], 64, packed::cvttpd2dq),
    ];
    for (name, bytes, bits, ours) in conversions {
        check(name, bytes, bits, &|r, env| r.xmm[0] = ours(r.xmm[1], env));
    }
    scalars(&check);
}

/// Conversions to and from general registers, and comparisons into flags.
fn scalars(check: &impl Fn(&str, &[u8], u32, Ours<'_>)) {
    check("cvtss2sd", &[0xf3, 0x0f, 0x5a, MODRM], 32, &|r, env| {
        let value = convert::single_to_double(Single::scalar(r.xmm[1]), env);
        r.xmm[0] = Double::low(r.xmm[0], value);
    });
    check("cvtsd2ss", &[0xf2, 0x0f, 0x5a, MODRM], 64, &|r, env| {
        let value = convert::double_to_single(Double::scalar(r.xmm[1]), env);
        r.xmm[0] = Single::low(r.xmm[0], value);
    });
    check("cvtsi2ss ecx", &[0xf3, 0x0f, 0x2a, MODRM], 32, &|r, env| {
        let value = convert::from_integer::<Single>((r.rcx as i32).into(), env);
        r.xmm[0] = Single::low(r.xmm[0], value);
    });
    check("cvtsi2ss rcx", &[0xf3, 0x48, 0x0f, 0x2a, MODRM], 32, &|r, env| {
        let value = convert::from_integer::<Single>(r.rcx as i64, env);
        r.xmm[0] = Single::low(r.xmm[0], value);
    });
    check("cvtsi2sd ecx", &[0xf2, 0x0f, 0x2a, MODRM], 64, &|r, env| {
        let value = convert::from_integer::<Double>((r.rcx as i32).into(), env);
        r.xmm[0] = Double::low(r.xmm[0], value);
    });
    check("cvtsi2sd rcx", &[0xf2, 0x48, 0x0f, 0x2a, MODRM], 64, &|r, env| {
        let value = convert::from_integer::<Double>(r.rcx as i64, env);
        r.xmm[0] = Double::low(r.xmm[0], value);
    });
    check("cvtss2si eax", &[0xf3, 0x0f, 0x2d, MODRM], 32, &|r, env| {
        let value = convert::to_integer::<Single, i32>(Single::scalar(r.xmm[1]), env);
        r.rax = u64::from(value as u32);
    });
    check("cvtss2si rax", &[0xf3, 0x48, 0x0f, 0x2d, MODRM], 32, &|r, env| {
        r.rax = convert::to_integer::<Single, i64>(Single::scalar(r.xmm[1]), env) as u64;
    });
    check("cvttss2si eax", &[0xf3, 0x0f, 0x2c, MODRM], 32, &|r, env| {
        let value = convert::to_integer_truncated::<Single, i32>(Single::scalar(r.xmm[1]), env);
        r.rax = u64::from(value as u32);
    });
    check("cvttss2si rax", &[0xf3, 0x48, 0x0f, 0x2c, MODRM], 32, &|r, env| {
        r.rax = convert::to_integer_truncated::<Single, i64>(Single::scalar(r.xmm[1]), env) as u64;
    });
    check("cvtsd2si eax", &[0xf2, 0x0f, 0x2d, MODRM], 64, &|r, env| {
        let value = convert::to_integer::<Double, i32>(Double::scalar(r.xmm[1]), env);
        r.rax = u64::from(value as u32);
    });
    check("cvtsd2si rax", &[0xf2, 0x48, 0x0f, 0x2d, MODRM], 64, &|r, env| {
        r.rax = convert::to_integer::<Double, i64>(Double::scalar(r.xmm[1]), env) as u64;
    });
    check("cvttsd2si eax", &[0xf2, 0x0f, 0x2c, MODRM], 64, &|r, env| {
        let value = convert::to_integer_truncated::<Double, i32>(Double::scalar(r.xmm[1]), env);
        r.rax = u64::from(value as u32);
    });
    check("cvttsd2si rax", &[0xf2, 0x48, 0x0f, 0x2c, MODRM], 64, &|r, env| {
        r.rax = convert::to_integer_truncated::<Double, i64>(Double::scalar(r.xmm[1]), env) as u64;
    });
    check("cvtpi2ps", &[0x0f, 0x2a, MODRM], 32, &|r, env| {
        let low = packed::cvtdq2ps(r.mm[1].into(), env) as u64;
        r.xmm[0] = Double::low(r.xmm[0], low);
    });
    check("cvtpi2pd", &[0x66, 0x0f, 0x2a, MODRM], 32, &|r, _| {
        r.xmm[0] = packed::cvtdq2pd(r.mm[1].into());
    });
    check("cvtps2pi", &[0x0f, 0x2d, MODRM], 32, &|r, env| {
        r.mm[0] = packed::cvtps2dq((r.xmm[1] as u64).into(), env) as u64;
    });
    check("cvttps2pi", &[0x0f, 0x2c, MODRM], 32, &|r, env| {
        r.mm[0] = packed::cvttps2dq((r.xmm[1] as u64).into(), env) as u64;
    });
    check("cvtpd2pi", &[0x66, 0x0f, 0x2d, MODRM], 64, &|r, env| {
        r.mm[0] = packed::cvtpd2dq(r.xmm[1], env) as u64;
    });
    check("cvttpd2pi", &[0x66, 0x0f, 0x2c, MODRM], 64, &|r, env| {
        r.mm[0] = packed::cvttpd2dq(r.xmm[1], env) as u64;
    });
}

#[test]
fn results_and_flags_with_all_exceptions_masked() {
    for_all(check_masked);
}

#[test]
fn flags_when_an_exception_is_unmasked() {
    for_all(check_unmasked);
}

#[test]
fn comparisons_into_eflags() {
    const CF: u64 = 1 << 0;
    const PF: u64 = 1 << 2;
    const ZF: u64 = 1 << 6;
    const ARITHMETIC: u64 = 0x8d5;
    for (bytes, bits, signals) in [
        (&[0x0f, 0x2e, MODRM][..], 32, false),
        (&[0x0f, 0x2f, MODRM], 32, true),
        (&[0x66, 0x0f, 0x2e, MODRM], 64, false),
        (&[0x66, 0x0f, 0x2f, MODRM], 64, true),
    ] {
        let host = Instruction::new(bytes);
        let mut random = Random::new(8);
        let controls = controls();
        for i in 0..ROUNDS {
            let mut before = registers(&mut random, bits);
            before.mxcsr = controls[i % controls.len()];
            let mut env = FloatEnv::new(before.mxcsr);
            let [a, b, _] = before.xmm;
            let order = if bits == 32 {
                float::compare::<Single>(Single::scalar(a), Single::scalar(b), signals, &mut env)
            } else {
                float::compare::<Double>(Double::scalar(a), Double::scalar(b), signals, &mut env)
            };
            let flags = match order {
                None => ZF | PF | CF,
                Some(std::cmp::Ordering::Less) => CF,
                Some(std::cmp::Ordering::Equal) => ZF,
                Some(std::cmp::Ordering::Greater) => 0,
            };
            let mut mxcsr = before.mxcsr;
            env.finish(&mut mxcsr).unwrap();
            let after = host.run(before);
            assert_eq!((flags, mxcsr), (after.rflags & ARITHMETIC, after.mxcsr), "{before:x?}");
        }
    }
}

#[test]
fn estimates_are_within_the_architectural_error_and_special_values_agree() {
    for (opcode, ours) in [(0x53, estimate::rcp as fn(u32) -> u32), (0x52, estimate::rsqrt)] {
        let host = Instruction::new(&[0x0f, opcode, MODRM]);
        let mut random = Random::new(9);
        for _ in 0..ROUNDS {
            let mut before = registers(&mut random, 32);
            before.mxcsr = Mxcsr::RESET.0;
            let after = host.run(before);
            assert_eq!(after.mxcsr, before.mxcsr);
            let input = f32::from_bits(before.xmm[1] as u32);
            let (mine, theirs) = (ours(input.to_bits()), after.xmm[0] as u32);
            let exact = f64::from(input);
            let exact = if opcode == 0x53 { 1.0 / exact } else { 1.0 / exact.sqrt() };
            let mine_value = f64::from(f32::from_bits(mine));
            // Near the smallest normal number, makers differ in what they flush.
            let edge = exact.abs() < 1.3 * f64::from(f32::MIN_POSITIVE);
            if exact.is_finite() && input.is_normal() {
                if !edge {
                    let error = (mine_value - exact).abs() / exact.abs();
                    assert!(error <= 1.5 / 4096.0, "{input:e}: {mine_value:e}, not {exact:e}");
                }
            } else {
                assert_eq!(mine, theirs, "{input:e} {:08x}", input.to_bits());
            }
        }
    }
}
