//! Rounding an exact value into a format (SDM Vol. 1, 4.8.4, 4.9.1.4 to 4.9.1.6).

use crate::format::{BIAS, MAX_EXPONENT};
use crate::{Control, F80, Outcome, Rounding, Status};

/// By how much the exponent of an unmasked over- or underflow is wrapped (section 8.5.4).
const WRAP: i32 = 24576;

/// A value before rounding: `mantissa` × 2^(exponent − 127), bit 127 set. Bit 0 also stands for
/// anything non-zero below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exact {
    pub negative: bool,
    pub exponent: i32,
    pub mantissa: u128,
}

impl Exact {
    /// From any non-zero mantissa, where bit 127 stands for 2^exponent.
    pub fn normalized(negative: bool, exponent: i32, mantissa: u128) -> Self {
        let shift = mantissa.leading_zeros();
        Self { negative, exponent: exponent - shift as i32, mantissa: mantissa << shift }
    }
}

/// Shifts right; what falls out leaves bit 0 set.
pub(crate) fn shift_right_sticky(value: u128, by: u32) -> u128 {
    match by {
        0 => value,
        1..=127 => value >> by | u128::from(value << (128 - by) != 0),
        _ => u128::from(value != 0),
    }
}

/// The top `keep` bits of a significand, rounded.
pub(crate) struct Rounded {
    /// Left-justified in 64 bits. After a carry it is the next power of two's.
    pub mantissa: u64,
    /// Rounding carried out of the top.
    pub carried: bool,
    pub inexact: bool,
    /// The magnitude was rounded up.
    pub up: bool,
}

pub(crate) fn round_bits(mantissa: u128, keep: u32, negative: bool, rounding: Rounding) -> Rounded {
    let drop = 128 - keep;
    let rest = mantissa << keep;
    let kept = mantissa >> drop;
    let half = 1 << 127;
    let up = rest != 0
        && match rounding {
            Rounding::Nearest => rest > half || rest == half && kept & 1 != 0,
            Rounding::Down => negative,
            Rounding::Up => !negative,
            Rounding::Zero => false,
        };
    let sum = kept + u128::from(up);
    let carried = sum >> keep != 0;
    let mantissa = if carried { 1 << 63 } else { (sum << (64 - keep)) as u64 };
    Rounded { mantissa, carried, inexact: rest != 0, up }
}

/// A format with fewer bits than the register's, for stores.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    /// Bits of significand, with the integer bit.
    pub precision: u32,
    /// Smallest exponent of a normal number; the largest is `1 − min_exponent`.
    pub min_exponent: i32,
}

/// A value rounded into a format: significand left-justified, exponent of bit 63 if `normal`.
pub(crate) enum Fit {
    Zero,
    Normal {
        exponent: i32,
        mantissa: u64,
    },
    /// The significand stands where the format's smallest normal number has its own.
    Denormal {
        mantissa: u64,
    },
    Infinity,
}

/// Rounds into a format, with the masked responses to overflow and underflow. `tiny_always` says that
/// underflow is unmasked, so that it is reported for exact results too.
pub(crate) fn fit(value: Exact, format: Format, control: Control) -> (Fit, Status) {
    let rounding = control.rounding();
    let unbounded = round_bits(value.mantissa, format.precision, value.negative, rounding);
    let exponent = value.exponent + i32::from(unbounded.carried);
    if exponent < format.min_exponent {
        // Tiny after rounding. What it becomes is rounded where the denormals' last bit is.
        let by = (format.min_exponent - value.exponent) as u32;
        let shifted = shift_right_sticky(value.mantissa, by);
        let r = round_bits(shifted, format.precision, value.negative, rounding);
        let mut status = Status::empty();
        if r.inexact {
            status |= Status::PE;
        }
        if r.inexact || !control.masks(Status::UE) {
            status |= Status::UE;
        }
        if r.up {
            status |= Status::C1;
        }
        let fit = match (r.mantissa, r.carried || r.mantissa >> 63 != 0) {
            (0, _) => Fit::Zero,
            (mantissa, true) => Fit::Normal { exponent: format.min_exponent, mantissa },
            (mantissa, false) => Fit::Denormal { mantissa },
        };
        return (fit, status);
    }
    if exponent > 1 - format.min_exponent {
        let to_infinity = match rounding {
            Rounding::Nearest => true,
            Rounding::Down => value.negative,
            Rounding::Up => !value.negative,
            Rounding::Zero => false,
        };
        let status = Status::OE | Status::PE;
        if to_infinity {
            return (Fit::Infinity, status | Status::C1);
        }
        let mantissa = u64::MAX << (64 - format.precision);
        return (Fit::Normal { exponent: 1 - format.min_exponent, mantissa }, status);
    }
    let mut status = Status::empty();
    if unbounded.inexact {
        status |= Status::PE;
    }
    if unbounded.up {
        status |= Status::C1;
    }
    (Fit::Normal { exponent, mantissa: unbounded.mantissa }, status)
}

/// Rounds a result into a register, by precision and rounding control.
pub(crate) fn round(value: Exact, control: Control) -> Outcome<F80> {
    let precision = control.precision();
    let negative = value.negative;
    let r = round_bits(value.mantissa, precision, negative, control.rounding());
    let exponent = value.exponent + i32::from(r.carried) + BIAS;
    let tiny = exponent < 1;
    let huge = exponent >= i32::from(MAX_EXPONENT);
    let wrapped = match (tiny, huge) {
        (true, _) if !control.masks(Status::UE) => Some((exponent + WRAP, Status::UE)),
        (_, true) if !control.masks(Status::OE) => Some((exponent - WRAP, Status::OE)),
        (false, false) => Some((exponent, Status::empty())),
        _ => None,
    };
    if let Some((exponent, mut status)) = wrapped {
        // Only FSCALE goes so far that even the wrapped exponent does not fit.
        if exponent < 1 {
            return Outcome::new(F80::zero(negative), status | Status::PE);
        }
        if exponent >= i32::from(MAX_EXPONENT) {
            return Outcome::new(F80::infinity(negative), status | Status::PE | Status::C1);
        }
        status.set(Status::PE, r.inexact);
        status.set(Status::C1, r.up);
        return Outcome::new(F80::new(negative, exponent as u16, r.mantissa), status);
    }
    let format = Format { precision, min_exponent: 1 - BIAS };
    let (fit, status) = fit(value, format, control);
    let result = match fit {
        Fit::Zero => F80::zero(negative),
        Fit::Infinity => F80::infinity(negative),
        Fit::Denormal { mantissa } => F80::new(negative, 0, mantissa),
        Fit::Normal { exponent, mantissa } => {
            F80::new(negative, (exponent + BIAS) as u16, mantissa)
        }
    };
    Outcome::new(result, status)
}
