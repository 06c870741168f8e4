//! FPREM, FPREM1, FRNDINT, FSCALE, FXTRACT.

use crate::format::{Class, nan_of, nan_of_two, operand_status};
use crate::round::{Exact, round, round_bits, shift_right_sticky};
use crate::{Control, F80, Outcome, Status, from_i64};

/// What a step of a remainder gives.
pub type Reduced = Outcome<F80>;

/// FPREM (truncating quotient), or with `nearest` FPREM1 (quotient rounded to nearest). C2 set means
/// that the exponents were 64 or more apart: the result is a partial remainder, to be reduced again.
/// Otherwise C0, C3 and C1 are the quotient's bits 2, 1 and 0.
pub fn remainder(a: F80, b: F80, nearest: bool, control: Control) -> Reduced {
    let (ca, cb) = (a.class(), b.class());
    let no_number = |c| matches!(c, Class::Quiet | Class::Signaling | Class::Unsupported);
    if no_number(ca) || no_number(cb) {
        let status = (operand_status(a) | operand_status(b)) & Status::IE;
        return Outcome::new(nan_of_two(a, b), status);
    }
    if ca == Class::Infinity || cb == Class::Zero {
        return Outcome::new(F80::INDEFINITE, Status::IE);
    }
    let status = operand_status(a) | operand_status(b);
    if ca == Class::Zero {
        return Outcome::new(a, status);
    }
    // The result is exact: precision control has no say, only the range has.
    let control = control.full_precision();
    if cb == Class::Infinity {
        return round(whole(a), control).with(status);
    }
    let (pa, pb) = (a.parts(), b.parts());
    let difference = pa.exponent - pb.exponent;
    let divisor = u128::from(pb.mantissa);
    if difference >= 64 {
        // As many bits as the processors take at once: between 32 and 63.
        let by = 32 + (difference as u32 & 31);
        let rest = (u128::from(pa.mantissa) << by) % divisor;
        let exponent = pb.exponent + difference - by as i32;
        return finish(a.is_negative(), exponent, rest << 64, control).with(status | Status::C2);
    }
    // Below the divisor there is no quotient yet; one step below, FPREM1 may still round to one.
    let (mut quotient, mut rest, scale) = match difference {
        0.. => {
            let dividend = u128::from(pa.mantissa) << difference;
            (dividend / divisor, dividend % divisor, 0)
        }
        -1 => (0, u128::from(pa.mantissa), 1),
        _ => return round(whole(a), control).with(status),
    };
    let mut negative = a.is_negative();
    // `rest` and the divisor in units of the smaller one.
    let divisor = divisor << scale;
    if nearest && (rest * 2 > divisor || rest * 2 == divisor && quotient & 1 != 0) {
        rest = divisor - rest;
        negative = !negative;
        quotient += 1;
    }
    let mut codes = Status::empty();
    codes.set(Status::C0, quotient & 4 != 0);
    codes.set(Status::C3, quotient & 2 != 0);
    codes.set(Status::C1, quotient & 1 != 0);
    if rest == 0 {
        return Outcome::new(F80::zero(a.is_negative()), status | codes);
    }
    // At scale 1 the divisor has 65 bits and its exponent counts one less for each unit.
    let exponent = pb.exponent - scale;
    let result = finish(negative, exponent, rest << 63 << 1, control);
    Outcome::new(result.value, result.status & !Status::C1 | status | codes)
}

/// `mantissa` with bit 127 worth 2^exponent, which may be zero.
fn finish(negative: bool, exponent: i32, mantissa: u128, control: Control) -> Outcome<F80> {
    if mantissa == 0 {
        return Outcome::exact(F80::zero(negative));
    }
    round(Exact::normalized(negative, exponent, mantissa), control)
}

fn whole(a: F80) -> Exact {
    let p = a.parts();
    Exact::normalized(p.negative, p.exponent, u128::from(p.mantissa) << 64)
}

/// FRNDINT: rounded to an integer by rounding control.
pub fn round_to_integer(a: F80, control: Control) -> Outcome<F80> {
    match a.class() {
        Class::Quiet | Class::Signaling | Class::Unsupported => {
            Outcome::new(nan_of(a), operand_status(a))
        }
        Class::Zero | Class::Infinity => Outcome::exact(a),
        Class::Normal | Class::Denormal => {
            let status = operand_status(a);
            let p = a.parts();
            if p.exponent >= 63 {
                return Outcome::new(a, status);
            }
            let fixed = shift_right_sticky(u128::from(p.mantissa) << 64, (63 - p.exponent) as u32);
            let r = round_bits(fixed, 64, p.negative, control.rounding());
            let mut status = status;
            status.set(Status::PE, r.inexact);
            status.set(Status::C1, r.up);
            // Below 2^63 before rounding, so the sum has not carried.
            let magnitude = r.mantissa;
            if magnitude == 0 {
                return Outcome::new(F80::zero(p.negative), status);
            }
            let shift = magnitude.leading_zeros();
            let exponent = (16383 + 63 - shift) as u16;
            Outcome::new(F80::new(p.negative, exponent, magnitude << shift), status)
        }
    }
}

/// FSCALE: `a × 2^trunc(b)`.
pub fn scale(a: F80, b: F80, control: Control) -> Outcome<F80> {
    let (ca, cb) = (a.class(), b.class());
    let no_number = |c| matches!(c, Class::Quiet | Class::Signaling | Class::Unsupported);
    if no_number(ca) || no_number(cb) {
        let status = (operand_status(a) | operand_status(b)) & Status::IE;
        return Outcome::new(nan_of_two(a, b), status);
    }
    let status = operand_status(a) | operand_status(b);
    if cb == Class::Infinity {
        return match (ca, b.is_negative()) {
            (Class::Zero, false) | (Class::Infinity, true) => {
                Outcome::new(F80::INDEFINITE, Status::IE)
            }
            (_, false) => Outcome::new(F80::infinity(a.is_negative()), status),
            (_, true) => Outcome::new(F80::zero(a.is_negative()), status),
        };
    }
    if matches!(ca, Class::Zero | Class::Infinity) {
        return Outcome::new(a, status);
    }
    // Past 2^16 every number over- or underflows.
    let by = if cb == Class::Zero {
        0
    } else {
        let p = b.parts();
        let magnitude = match p.exponent {
            ..0 => 0,
            0..=16 => (p.mantissa >> (63 - p.exponent)) as i32,
            _ => 1 << 17,
        };
        if p.negative { -magnitude } else { magnitude }
    };
    let mut value = whole(a);
    value.exponent += by;
    round(value, control.full_precision()).with(status)
}

/// FXTRACT: the exponent as a number, and the significand with exponent zero.
pub fn extract(a: F80) -> Outcome<(F80, F80)> {
    match a.class() {
        Class::Quiet | Class::Signaling | Class::Unsupported => {
            let nan = nan_of(a);
            Outcome::new((nan, nan), operand_status(a))
        }
        Class::Zero => Outcome::new((F80::infinity(true), a), Status::ZE),
        Class::Infinity => Outcome::exact((F80::infinity(false), a)),
        Class::Normal | Class::Denormal => {
            let p = a.parts();
            let significand = F80::new(p.negative, 16383, p.mantissa);
            Outcome::new((from_i64(p.exponent.into()), significand), operand_status(a))
        }
    }
}
