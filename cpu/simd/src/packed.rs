//! Floating-point operations on whole registers: lane by lane, horizontal, and dot products.

use crate::float::{add, holds, mul, sub};
use crate::lanes::Lane;
use crate::mxcsr::FloatEnv;
use crate::{Double, Format, Single, convert, estimate};

/// A format that registers hold lanes of.
pub trait Packed: Format {
    /// Each lane of the result from one lane.
    fn map(b: u128, f: impl FnMut(u64) -> u64) -> u128;
    /// Each lane of the result from the same lane of two operands.
    fn zip(a: u128, b: u128, f: impl FnMut(u64, u64) -> u64) -> u128;
    /// `value` in the lowest lane of `register`.
    fn low(register: u128, value: u64) -> u128;
    /// Lane 0.
    fn scalar(register: u128) -> u64;
}

impl Packed for Single {
    #[inline(always)]
    fn map(b: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
        crate::lanes::map::<u32, _>(b, |b| f(b.into()) as u32)
    }

    #[inline(always)]
    fn zip(a: u128, b: u128, mut f: impl FnMut(u64, u64) -> u64) -> u128 {
        crate::lanes::zip::<u32, _>(a, b, |a, b| f(a.into(), b.into()) as u32)
    }

    #[inline(always)]
    fn low(register: u128, value: u64) -> u128 {
        register >> 32 << 32 | u128::from(value)
    }

    #[inline(always)]
    fn scalar(register: u128) -> u64 {
        u64::from(register as u32)
    }
}

impl Packed for Double {
    #[inline(always)]
    fn map(b: u128, f: impl FnMut(u64) -> u64) -> u128 {
        crate::lanes::map::<u64, _>(b, f)
    }

    #[inline(always)]
    fn zip(a: u128, b: u128, f: impl FnMut(u64, u64) -> u64) -> u128 {
        crate::lanes::zip::<u64, _>(a, b, f)
    }

    #[inline(always)]
    fn low(register: u128, value: u64) -> u128 {
        register >> 64 << 64 | u128::from(value)
    }

    #[inline(always)]
    fn scalar(register: u128) -> u64 {
        register as u64
    }
}

/// CMPPS, CMPPD: all ones in the lanes where the predicate holds.
#[inline]
pub fn compare<F: Packed>(a: u128, b: u128, predicate: u8, env: &mut FloatEnv) -> u128 {
    F::zip(a, b, |a, b| if holds::<F>(a, b, predicate, env) { u64::MAX } else { 0 })
}

/// ADDSUBPS, ADDSUBPD: even lanes are differences, odd lanes sums.
#[inline]
pub fn addsub<F: Packed>(a: u128, b: u128, env: &mut FloatEnv) -> u128 {
    let mut odd = true;
    F::zip(a, b, |a, b| {
        odd = !odd;
        if odd { add::<F>(a, b, env) } else { sub::<F>(a, b, env) }
    })
}

/// An operation on two lanes.
type Binary = fn(u64, u64, &mut FloatEnv) -> u64;

fn horizontal_singles(a: u128, b: u128, f: Binary, env: &mut FloatEnv) -> u128 {
    let (a, b) = (u32::split(a), u32::split(b));
    let mut pair = |low: u32, high: u32| f(low.into(), high.into(), env) as u32;
    u32::join([pair(a[0], a[1]), pair(a[2], a[3]), pair(b[0], b[1]), pair(b[2], b[3])])
}

fn horizontal_doubles(a: u128, b: u128, f: Binary, env: &mut FloatEnv) -> u128 {
    let (a, b) = (u64::split(a), u64::split(b));
    u64::join([f(a[0], a[1], env), f(b[0], b[1], env)])
}

/// HADDPS: sums of neighbours.
pub fn haddps(a: u128, b: u128, env: &mut FloatEnv) -> u128 {
    horizontal_singles(a, b, add::<Single>, env)
}

/// HADDPD: sums of neighbours.
pub fn haddpd(a: u128, b: u128, env: &mut FloatEnv) -> u128 {
    horizontal_doubles(a, b, add::<Double>, env)
}

/// HSUBPS: differences of neighbours, lower minus higher.
pub fn hsubps(a: u128, b: u128, env: &mut FloatEnv) -> u128 {
    horizontal_singles(a, b, sub::<Single>, env)
}

/// HSUBPD: differences of neighbours, lower minus higher.
pub fn hsubpd(a: u128, b: u128, env: &mut FloatEnv) -> u128 {
    horizontal_doubles(a, b, sub::<Double>, env)
}

/// DPPS: the products of the lanes that bits 7:4 of `control` name, summed, into the lanes that bits
/// 3:0 name; zero elsewhere. An unmasked exception in one step keeps the next from happening.
pub fn dpps(a: u128, b: u128, control: u8, env: &mut FloatEnv) -> u128 {
    let mut lane = 4;
    let products = Single::zip(a, b, |a, b| {
        let used = control >> lane & 1 != 0;
        lane += 1;
        if used { mul::<Single>(a, b, env) } else { 0 }
    });
    if env.finish_step().is_err() {
        return 0;
    }
    let products = u32::split(products).map(u64::from);
    let low = add::<Single>(products[0], products[1], env);
    let high = add::<Single>(products[2], products[3], env);
    if env.finish_step().is_err() {
        return 0;
    }
    let sum = add::<Single>(low, high, env) as u32;
    u32::join(std::array::from_fn(|i| if control >> i & 1 != 0 { sum } else { 0 }))
}

/// DPPD: the products of the lanes that bits 5:4 of `control` name, summed, into the lanes that bits
/// 1:0 name; zero elsewhere. An unmasked exception in one step keeps the next from happening.
pub fn dppd(a: u128, b: u128, control: u8, env: &mut FloatEnv) -> u128 {
    let mut lane = 4;
    let products = Double::zip(a, b, |a, b| {
        let used = control >> lane & 1 != 0;
        lane += 1;
        if used { mul::<Double>(a, b, env) } else { 0 }
    });
    if env.finish_step().is_err() {
        return 0;
    }
    let products = u64::split(products);
    let sum = add::<Double>(products[0], products[1], env);
    u64::join(std::array::from_fn(|i| if control >> i & 1 != 0 { sum } else { 0 }))
}

/// CVTPS2PD: the two low lanes.
#[inline]
pub fn cvtps2pd(b: u128, env: &mut FloatEnv) -> u128 {
    let b = u32::split(b);
    u64::join([0, 1].map(|i: usize| convert::single_to_double(b[i].into(), env)))
}

/// CVTPD2PS: into the two low lanes; the upper half is cleared.
#[inline]
pub fn cvtpd2ps(b: u128, env: &mut FloatEnv) -> u128 {
    let [low, high] = u64::split(b).map(|b| convert::double_to_single(b, env));
    u128::from(low | high << 32)
}

/// CVTDQ2PS, and of the low half CVTPI2PS.
#[inline]
pub fn cvtdq2ps(b: u128, env: &mut FloatEnv) -> u128 {
    let lanes = i32::split(b);
    u32::join(lanes.map(|b| convert::from_integer::<Single>(b.into(), env) as u32))
}

/// CVTDQ2PD, CVTPI2PD: the two low lanes. Exact.
#[inline]
pub fn cvtdq2pd(b: u128) -> u128 {
    let b = i32::split(b);
    u64::join([f64::from(b[0]).to_bits(), f64::from(b[1]).to_bits()])
}

/// CVTPS2DQ; of a low half, CVTPS2PI.
#[inline]
pub fn cvtps2dq(b: u128, env: &mut FloatEnv) -> u128 {
    i32::join(u32::split(b).map(|b| convert::to_integer::<Single, _>(b.into(), env)))
}

/// CVTTPS2DQ; of a low half, CVTTPS2PI.
#[inline]
pub fn cvttps2dq(b: u128, env: &mut FloatEnv) -> u128 {
    i32::join(u32::split(b).map(|b| convert::to_integer_truncated::<Single, _>(b.into(), env)))
}

/// CVTPD2DQ, CVTPD2PI: into the two low lanes; the upper half is cleared.
#[inline]
pub fn cvtpd2dq(b: u128, env: &mut FloatEnv) -> u128 {
    let [low, high] = u64::split(b).map(|b| convert::to_integer::<Double, i32>(b, env));
    i32::join([low, high, 0, 0])
}

/// CVTTPD2DQ, CVTTPD2PI: into the two low lanes; the upper half is cleared.
#[inline]
pub fn cvttpd2dq(b: u128, env: &mut FloatEnv) -> u128 {
    let [low, high] = u64::split(b).map(|b| convert::to_integer_truncated::<Double, i32>(b, env));
    i32::join([low, high, 0, 0])
}

/// RCPPS.
#[inline]
pub fn rcpps(b: u128) -> u128 {
    u32::join(u32::split(b).map(estimate::rcp))
}

/// RSQRTPS.
#[inline]
pub fn rsqrtps(b: u128) -> u128 {
    u32::join(u32::split(b).map(estimate::rsqrt))
}
