//! RCPPS, RCPSS, RSQRTPS and RSQRTSS of a lane.
//!
//! The architecture only bounds the relative error, 1.5 × 2^-12, and every maker's tables differ. Ours
//! is without a table: the correctly rounded quotient or root in double precision, rounded to nearest
//! with 12 fraction bits (so at most 2^-13 off), the same on every host. Neither MXCSR's control bits
//! nor its flags take part: denormal operands are zeros, tiny results are zeros, nothing is reported.

use crate::format::{
    Class, Format, Single, classify, is_denormal, is_nan, is_negative, shift_rounded,
};
use crate::mxcsr::Rounding;

/// Fraction bits of a single-precision estimate that stay zero.
const CLEARED: u32 = Single::FRACTION - 12;

/// The double as a single with a short fraction. Its exponent is in the normal range.
fn shorten(value: f64) -> u32 {
    let bits = value.abs().to_bits();
    let rebias = (1023 - 127) << 52;
    // The exponent takes up a carry from the fraction by itself.
    let rounded =
        shift_rounded((bits - rebias).into(), 29 + CLEARED as i32, false, Rounding::Nearest).0;
    (rounded << CLEARED) as u32
}

/// 1 / `a`, about.
#[inline]
pub fn rcp(a: u32) -> u32 {
    let wide = u64::from(a);
    let sign = a & Single::SIGN as u32;
    if is_nan::<Single>(wide) {
        return a | Single::QUIET as u32;
    }
    match classify::<Single>(wide) {
        Class::Infinity => sign,
        Class::Zero => sign | Single::INFINITY as u32,
        Class::Number if is_denormal::<Single>(wide) => sign | Single::INFINITY as u32,
        Class::Number => {
            let exact = 1.0 / f64::from(f32::from_bits(a));
            if exact.abs() < f64::from(f32::MIN_POSITIVE) { sign } else { sign | shorten(exact) }
        }
    }
}

/// 1 / √`a`, about.
#[inline]
pub fn rsqrt(a: u32) -> u32 {
    let wide = u64::from(a);
    let sign = a & Single::SIGN as u32;
    if is_nan::<Single>(wide) {
        return a | Single::QUIET as u32;
    }
    match classify::<Single>(wide) {
        Class::Zero => sign | Single::INFINITY as u32,
        Class::Number if is_denormal::<Single>(wide) => sign | Single::INFINITY as u32,
        _ if is_negative::<Single>(wide) => Single::DEFAULT_NAN as u32,
        Class::Infinity => 0,
        Class::Number => shorten(1.0 / f64::from(f32::from_bits(a)).sqrt()),
    }
}
