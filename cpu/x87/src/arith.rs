//! Addition, subtraction, multiplication, division, square root.

use crate::format::{Class, Parts, nan_of, nan_of_two, operand_status};
use crate::round::{Exact, round, shift_right_sticky};
use crate::{Control, F80, Outcome, Rounding, Status};

/// Two operands looked at: a result that needs no arithmetic, or what they report so far.
fn two(a: F80, b: F80) -> (Option<Outcome<F80>>, Status) {
    let (ca, cb) = (a.class(), b.class());
    let special = |c| matches!(c, Class::Quiet | Class::Signaling | Class::Unsupported);
    if special(ca) || special(cb) {
        // A NaN takes precedence over a denormal operand (table 4-13).
        let status = (operand_status(a) | operand_status(b)) & Status::IE;
        return (Some(Outcome::new(nan_of_two(a, b), status)), status);
    }
    (None, operand_status(a) | operand_status(b))
}

const fn invalid() -> Outcome<F80> {
    Outcome::new(F80::INDEFINITE, Status::IE)
}

/// FADD: `a + b`.
pub fn add(a: F80, b: F80, control: Control) -> Outcome<F80> {
    if let (Some(done), _) = two(a, b) {
        return done;
    }
    sum(a, b, control)
}

/// FSUB: `a − b`.
pub fn sub(a: F80, b: F80, control: Control) -> Outcome<F80> {
    if let (Some(done), _) = two(a, b) {
        return done;
    }
    sum(a, b.with_sign(!b.is_negative()), control)
}

fn sum(a: F80, b: F80, control: Control) -> Outcome<F80> {
    let status = operand_status(a) | operand_status(b);
    match (a.class(), b.class()) {
        (Class::Infinity, Class::Infinity) if a.is_negative() != b.is_negative() => invalid(),
        (Class::Infinity, _) => Outcome::new(a, status),
        (_, Class::Infinity) => Outcome::new(b, status),
        (Class::Zero, Class::Zero) => {
            Outcome::exact(F80::zero(zero_sign(a.is_negative(), b.is_negative(), control)))
        }
        // Still rounded: precision control may have fewer bits than the operand.
        (Class::Zero, _) => round(exact(b.parts()), control).with(status),
        (_, Class::Zero) => round(exact(a.parts()), control).with(status),
        _ => finite_sum(a.parts(), b.parts(), control).with(status),
    }
}

/// The sign of an exact zero sum of operands with these signs (section 4.8.3.1).
fn zero_sign(a: bool, b: bool, control: Control) -> bool {
    if a == b { a } else { control.rounding() == Rounding::Down }
}

fn exact(p: Parts) -> Exact {
    Exact { negative: p.negative, exponent: p.exponent, mantissa: u128::from(p.mantissa) << 64 }
}

fn finite_sum(a: Parts, b: Parts, control: Control) -> Outcome<F80> {
    let (big, small) =
        if (a.exponent, a.mantissa) >= (b.exponent, b.mantissa) { (a, b) } else { (b, a) };
    // One bit of room for the carry.
    let wide = u128::from(big.mantissa) << 63;
    let by = (big.exponent - small.exponent) as u32;
    let narrow = shift_right_sticky(u128::from(small.mantissa) << 63, by);
    let mantissa = if big.negative == small.negative { wide + narrow } else { wide - narrow };
    if mantissa == 0 {
        return Outcome::exact(F80::zero(zero_sign(true, false, control)));
    }
    round(Exact::normalized(big.negative, big.exponent + 1, mantissa), control)
}

/// FMUL: `a × b`.
pub fn mul(a: F80, b: F80, control: Control) -> Outcome<F80> {
    let (done, status) = two(a, b);
    if let Some(done) = done {
        return done;
    }
    let negative = a.is_negative() != b.is_negative();
    match (a.class(), b.class()) {
        (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity) => invalid(),
        (Class::Infinity, _) | (_, Class::Infinity) => {
            Outcome::new(F80::infinity(negative), status)
        }
        (Class::Zero, _) | (_, Class::Zero) => Outcome::new(F80::zero(negative), status),
        _ => {
            let (a, b) = (a.parts(), b.parts());
            let product = u128::from(a.mantissa) * u128::from(b.mantissa);
            let exponent = a.exponent + b.exponent + 1;
            round(Exact::normalized(negative, exponent, product), control).with(status)
        }
    }
}

/// FDIV: `a ÷ b`.
pub fn div(a: F80, b: F80, control: Control) -> Outcome<F80> {
    let (done, status) = two(a, b);
    if let Some(done) = done {
        return done;
    }
    let negative = a.is_negative() != b.is_negative();
    match (a.class(), b.class()) {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => invalid(),
        (Class::Infinity, _) => Outcome::new(F80::infinity(negative), status),
        (_, Class::Infinity) | (Class::Zero, _) => Outcome::new(F80::zero(negative), status),
        (_, Class::Zero) => Outcome::new(F80::infinity(negative), Status::ZE),
        _ => {
            let (a, b) = (a.parts(), b.parts());
            let divisor = u128::from(b.mantissa);
            let dividend = u128::from(a.mantissa) << 64;
            // 64 or 65 bits of quotient, then 62 more and a sticky one.
            let (high, rest) = (dividend / divisor, dividend % divisor);
            let (low, rest) = ((rest << 62) / divisor, (rest << 62) % divisor);
            let quotient = high << 62 | low | u128::from(rest != 0);
            let exponent = a.exponent - b.exponent + 1;
            round(Exact::normalized(negative, exponent, quotient), control).with(status)
        }
    }
}

/// FSQRT.
pub fn sqrt(a: F80, control: Control) -> Outcome<F80> {
    let status = operand_status(a);
    match a.class() {
        Class::Quiet | Class::Signaling | Class::Unsupported => Outcome::new(nan_of(a), status),
        Class::Zero => Outcome::exact(a),
        _ if a.is_negative() => invalid(),
        Class::Infinity => Outcome::exact(a),
        Class::Normal | Class::Denormal => {
            let p = a.parts();
            // An even exponent, so that the root of the power is a power.
            let odd = p.exponent & 1;
            let square = u128::from(p.mantissa) << (63 + odd);
            let root = square.isqrt();
            let rest = square - root * root;
            // The next bit of the root, and whether anything follows it.
            let mantissa = root << 64 | u128::from(rest > root) << 63 | u128::from(rest != 0);
            let exponent = (p.exponent - odd) / 2;
            round(Exact::normalized(false, exponent, mantissa), control).with(status)
        }
    }
}
