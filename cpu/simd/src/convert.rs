//! Conversions between the formats, and to and from integers.

use crate::float::{invalid, operand};
use crate::format::{
    Class, Double, Format, Single, classify, is_denormal, is_nan, is_negative, is_plain,
    is_signalling, is_well_inside, magnitude, round, shift_rounded, unpack,
};
use crate::mxcsr::{FloatEnv, Mxcsr, Rounding};

/// CVTSS2SD and CVTPS2PD of a lane: exact.
#[inline]
pub fn single_to_double(a: u64, env: &mut FloatEnv) -> u64 {
    if is_plain::<Single>(a) {
        return f64::from(f32::from_bits(a as u32)).to_bits();
    }
    let a = operand::<Single>(a, env);
    if is_nan::<Single>(a) {
        return convert_nan::<Single, Double>(a, env);
    }
    if is_denormal::<Single>(a) {
        env.raise_before(Mxcsr::DENORMAL);
    }
    f64::from(f32::from_bits(a as u32)).to_bits()
}

/// CVTSD2SS and CVTPD2PS of a lane.
#[inline]
pub fn double_to_single(a: u64, env: &mut FloatEnv) -> u64 {
    if env.rounds_to_nearest() {
        let value = f64::from_bits(a);
        let rounded = value as f32;
        if is_well_inside::<Single>(rounded.to_bits().into()) {
            if f64::from(rounded) != value {
                env.raise_after(Mxcsr::PRECISION);
            }
            return rounded.to_bits().into();
        }
    }
    let a = operand::<Double>(a, env);
    if is_nan::<Double>(a) {
        return convert_nan::<Double, Single>(a, env);
    }
    if is_denormal::<Double>(a) {
        env.raise_before(Mxcsr::DENORMAL);
    }
    let negative = is_negative::<Double>(a);
    let sign = if negative { Single::SIGN } else { 0 };
    match classify::<Double>(a) {
        Class::Zero => sign,
        Class::Infinity => sign | Single::INFINITY,
        Class::Number => {
            let (significand, exponent) = unpack::<Double>(a);
            round::<Single>(negative, exponent, significand.into(), env)
        }
    }
}

/// A NaN made quiet, with the upper bits of its fraction.
fn convert_nan<F: Format, G: Format>(a: u64, env: &mut FloatEnv) -> u64 {
    if is_signalling::<F>(a) {
        env.raise_before(Mxcsr::INVALID);
    }
    let sign = if is_negative::<F>(a) { G::SIGN } else { 0 };
    let fraction = a & (F::HIDDEN - 1);
    let fraction = if F::FRACTION > G::FRACTION {
        fraction >> (F::FRACTION - G::FRACTION)
    } else {
        fraction << (G::FRACTION - F::FRACTION)
    };
    sign | G::INFINITY | G::QUIET | fraction
}

/// CVTSI2SS, CVTSI2SD, CVTDQ2PS, CVTDQ2PD, CVTPI2PS and CVTPI2PD of a lane, sign extended.
#[inline]
pub fn from_integer<F: Format>(a: i64, env: &mut FloatEnv) -> u64 {
    // Few enough significant bits: exact, and no rounding happens.
    let magnitude = a.unsigned_abs();
    if 64 - magnitude.leading_zeros() <= F::PRECISION {
        return F::host_from(a);
    }
    round::<F>(a < 0, 0, a.unsigned_abs().into(), env)
}

/// An integer that floating point is converted to.
pub trait Integer: Copy {
    /// Its width in bits.
    const BITS: u32;
    /// The "integer indefinite", which is also the smallest value.
    const INDEFINITE: Self;
    /// The low bits of a two's complement value.
    fn truncated(value: u64) -> Self;
    /// The value, if it is in range.
    fn fitting(value: i64) -> Option<Self>;
}

impl Integer for i32 {
    const BITS: u32 = Self::BITS;
    const INDEFINITE: Self = Self::MIN;

    fn truncated(value: u64) -> Self {
        value as Self
    }

    fn fitting(value: i64) -> Option<Self> {
        value.try_into().ok()
    }
}

impl Integer for i64 {
    const BITS: u32 = Self::BITS;
    const INDEFINITE: Self = Self::MIN;

    fn truncated(value: u64) -> Self {
        value as Self
    }

    fn fitting(value: i64) -> Option<Self> {
        Some(value)
    }
}

/// CVTxx2SI, CVTPx2DQ and CVTPx2PI of a lane: rounded as MXCSR says. What does not fit is reported as
/// IE and yields the indefinite.
#[inline]
pub fn to_integer<F: Format, I: Integer>(a: u64, env: &mut FloatEnv) -> I {
    to_integer_rounded::<F, I>(a, env.rounding(), env)
}

/// CVTTxx2SI, CVTTPx2DQ and CVTTPx2PI of a lane: rounded to zero.
#[inline]
pub fn to_integer_truncated<F: Format, I: Integer>(a: u64, env: &mut FloatEnv) -> I {
    to_integer_rounded::<F, I>(a, Rounding::Zero, env)
}

fn to_integer_rounded<F: Format, I: Integer>(a: u64, rounding: Rounding, env: &mut FloatEnv) -> I {
    if rounding == Rounding::Zero && is_plain::<F>(a) {
        let integer = F::host_truncate(a);
        // Saturated ones are left to the exact way.
        if let Some(fitting) = I::fitting(integer).filter(|_| integer.unsigned_abs() < 1 << 62) {
            // -0.5 becomes 0, whose sign differs from -0's.
            if F::host_from(integer) != a && magnitude::<F>(a) != 0 {
                env.raise_after(Mxcsr::PRECISION);
            }
            return fitting;
        }
    }
    let a = operand::<F>(a, env);
    let negative = is_negative::<F>(a);
    let (significand, exponent) = unpack::<F>(a);
    // Beyond 64 bits for sure; infinities and NaNs have the largest exponent.
    if exponent + F::FRACTION as i32 >= 64 {
        invalid::<F>(env);
        return I::INDEFINITE;
    }
    // The limit of 64 bits leaves room for the left shift of 53 bits by at most 10.
    let (integer, inexact) = shift_rounded(significand.into(), -exponent, negative, rounding);
    let limit = 1_u64 << (I::BITS - 1);
    if integer > limit || integer == limit && !negative {
        invalid::<F>(env);
        return I::INDEFINITE;
    }
    if inexact {
        env.raise_after(Mxcsr::PRECISION);
    }
    I::truncated(if negative { integer.wrapping_neg() } else { integer })
}
