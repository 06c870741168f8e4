//! The two IEEE 754 formats, and rounding an exact value to one of them.

use crate::mxcsr::{FloatEnv, Mxcsr, Rounding};

/// A binary floating-point format. Values are bit patterns in the low bits of a `u64`.
pub trait Format: Copy {
    /// Bits of a significand, the hidden one included.
    const PRECISION: u32;
    /// Bits of an exponent.
    const EXPONENT_BITS: u32;

    /// Bits of a stored fraction.
    const FRACTION: u32 = Self::PRECISION - 1;
    /// What a stored exponent has been raised by.
    const BIAS: i32 = (1 << (Self::EXPONENT_BITS - 1)) - 1;
    /// The bit above the fraction.
    const HIDDEN: u64 = 1 << Self::FRACTION;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::FRACTION + Self::EXPONENT_BITS);
    /// Plus infinity, and the mask of the exponent.
    const INFINITY: u64 = ((1 << Self::EXPONENT_BITS) - 1) << Self::FRACTION;
    /// The fraction bit that tells a quiet NaN from a signalling one.
    const QUIET: u64 = 1 << (Self::FRACTION - 1);
    /// The QNaN "real indefinite".
    const DEFAULT_NAN: u64 = Self::SIGN | Self::INFINITY | Self::QUIET;
    /// The exponent of the smallest normal number.
    const MIN_EXPONENT: i32 = 1 - Self::BIAS;

    /// The host's sum, to nearest.
    fn host_add(a: u64, b: u64) -> u64;
    /// The host's difference, to nearest.
    fn host_sub(a: u64, b: u64) -> u64;
    /// The host's product, to nearest.
    fn host_mul(a: u64, b: u64) -> u64;
    /// The host's quotient, to nearest.
    fn host_div(a: u64, b: u64) -> u64;
    /// The host's square root, to nearest.
    fn host_sqrt(a: u64) -> u64;
    /// The host's conversion of an integer, to nearest.
    fn host_from(a: i64) -> u64;
    /// The host's conversion to an integer, to zero; saturating.
    fn host_truncate(a: u64) -> i64;
}

macro_rules! formats {
    ($($(#[$doc:meta])* $name:ident: $float:ty, $bits:ty, $precision:literal, $exponent:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Format for $name {
            const PRECISION: u32 = $precision;
            const EXPONENT_BITS: u32 = $exponent;

            #[inline(always)]
            fn host_add(a: u64, b: u64) -> u64 {
                (<$float>::from_bits(a as $bits) + <$float>::from_bits(b as $bits)).to_bits().into()
            }

            #[inline(always)]
            fn host_sub(a: u64, b: u64) -> u64 {
                (<$float>::from_bits(a as $bits) - <$float>::from_bits(b as $bits)).to_bits().into()
            }

            #[inline(always)]
            fn host_mul(a: u64, b: u64) -> u64 {
                (<$float>::from_bits(a as $bits) * <$float>::from_bits(b as $bits)).to_bits().into()
            }

            #[inline(always)]
            fn host_div(a: u64, b: u64) -> u64 {
                (<$float>::from_bits(a as $bits) / <$float>::from_bits(b as $bits)).to_bits().into()
            }

            #[inline(always)]
            fn host_sqrt(a: u64) -> u64 {
                <$float>::from_bits(a as $bits).sqrt().to_bits().into()
            }

            #[inline(always)]
            fn host_from(a: i64) -> u64 {
                (a as $float).to_bits().into()
            }

            #[inline(always)]
            fn host_truncate(a: u64) -> i64 {
                <$float>::from_bits(a as $bits) as i64
            }
        }
    )*};
}

formats! {
    /// binary32: single precision.
    Single: f32, u32, 24, 8;
    /// binary64: double precision.
    Double: f64, u64, 53, 11;
}

/// What kinds of values there are, as far as an operation cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Zero,
    /// A nonzero number, also a denormal one.
    Number,
    Infinity,
}

pub(crate) fn magnitude<F: Format>(a: u64) -> u64 {
    a & !F::SIGN
}

pub(crate) fn is_negative<F: Format>(a: u64) -> bool {
    a & F::SIGN != 0
}

pub(crate) fn is_nan<F: Format>(a: u64) -> bool {
    magnitude::<F>(a) > F::INFINITY
}

pub(crate) fn is_signalling<F: Format>(a: u64) -> bool {
    is_nan::<F>(a) && a & F::QUIET == 0
}

pub(crate) fn is_denormal<F: Format>(a: u64) -> bool {
    let magnitude = magnitude::<F>(a);
    magnitude != 0 && magnitude < F::HIDDEN
}

/// Whether the value is zero or a normal number.
#[inline(always)]
pub(crate) fn is_plain<F: Format>(a: u64) -> bool {
    let magnitude = a & !F::SIGN;
    magnitude == 0 || magnitude.wrapping_sub(F::HIDDEN) < F::INFINITY - F::HIDDEN
}

/// Whether the value is a number above the smallest normal one: rounding to it from nearby was not
/// underflow, and not overflow either.
#[inline(always)]
pub(crate) fn is_well_inside<F: Format>(a: u64) -> bool {
    (a & !F::SIGN).wrapping_sub(F::HIDDEN + 1) < F::INFINITY - F::HIDDEN - 1
}

/// Not for NaN.
pub(crate) fn classify<F: Format>(a: u64) -> Class {
    match magnitude::<F>(a) {
        0 => Class::Zero,
        m if m == F::INFINITY => Class::Infinity,
        _ => Class::Number,
    }
}

/// The significand and exponent of a finite value: |a| = significand × 2^exponent.
pub(crate) fn unpack<F: Format>(a: u64) -> (u64, i32) {
    let stored = (magnitude::<F>(a) >> F::FRACTION) as i32;
    let fraction = a & (F::HIDDEN - 1);
    let lowest = F::MIN_EXPONENT - F::FRACTION as i32;
    if stored == 0 { (fraction, lowest) } else { (fraction | F::HIDDEN, lowest + stored - 1) }
}

/// `value` shifted right by `shift` (left if negative) and rounded, and whether that was inexact. Bit
/// 127 of `value` is clear; where `shift` is negative, there is room.
pub(crate) fn shift_rounded(
    value: u128,
    shift: i32,
    negative: bool,
    rounding: Rounding,
) -> (u64, bool) {
    if shift <= 0 {
        return ((value << -shift) as u64, false);
    }
    let (kept, rest, half) = if shift > 127 {
        // All of it is below half of the last place.
        (0, value.min(1), 2)
    } else {
        let kept = value >> shift;
        (kept as u64, value ^ kept << shift, 1 << (shift - 1))
    };
    let up = match rounding {
        Rounding::Nearest => rest > half || rest == half && kept & 1 != 0,
        Rounding::Down => negative && rest != 0,
        Rounding::Up => !negative && rest != 0,
        Rounding::Zero => false,
    };
    (kept + u64::from(up), rest != 0)
}

/// The exact value ±`significand` × 2^`exponent` in the format: rounded, with OE, UE and PE as SDM
/// volume 1, sections 4.9.1 and 11.5.2, want them. Tininess is detected after rounding. The
/// significand is neither zero nor above 127 bits; below its lowest bit, an odd one may stand for
/// anything ("sticky") as long as it has three more bits than the format.
pub(crate) fn round<F: Format>(
    negative: bool,
    exponent: i32,
    significand: u128,
    env: &mut FloatEnv,
) -> u64 {
    let sign = if negative { F::SIGN } else { 0 };
    let rounding = env.rounding();
    let bits = 128 - significand.leading_zeros() as i32;
    let shift = bits - F::PRECISION as i32;
    let (rounded, inexact) = shift_rounded(significand, shift, negative, rounding);
    // The exponent of the rounded value's leading bit, were exponents unbounded.
    let carried = i32::from(rounded >> F::PRECISION != 0);
    let leading = exponent + bits - 1 + carried;
    let precision = if inexact { Mxcsr::PRECISION } else { 0 };

    if leading > F::BIAS {
        let masked = env.is_masked(Mxcsr::OVERFLOW);
        env.raise_after(Mxcsr::OVERFLOW | if masked { Mxcsr::PRECISION } else { precision });
        let to_infinity = match rounding {
            Rounding::Nearest => true,
            Rounding::Down => negative,
            Rounding::Up => !negative,
            Rounding::Zero => false,
        };
        return sign | if to_infinity { F::INFINITY } else { F::INFINITY - 1 };
    }
    if leading < F::MIN_EXPONENT {
        if !env.is_masked(Mxcsr::UNDERFLOW) {
            env.raise_after(Mxcsr::UNDERFLOW | precision);
            return sign;
        }
        if env.flushes_to_zero() {
            env.raise_after(Mxcsr::UNDERFLOW | Mxcsr::PRECISION);
            return sign;
        }
        let lowest = F::MIN_EXPONENT - F::FRACTION as i32;
        let (rounded, inexact) = shift_rounded(significand, lowest - exponent, negative, rounding);
        if inexact {
            env.raise_after(Mxcsr::UNDERFLOW | Mxcsr::PRECISION);
        }
        return sign | rounded;
    }
    env.raise_after(precision);
    let fraction = (rounded >> carried) & (F::HIDDEN - 1);
    sign | ((leading + F::BIAS) as u64) << F::FRACTION | fraction
}
