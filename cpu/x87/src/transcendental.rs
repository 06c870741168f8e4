//! F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS.
//!
//! Computed in 128 bits, so that results are off by hardly more than half a unit of the last place,
//! well inside the one unit that processors promise (section 8.3.10). Precision control does not apply.

use crate::format::{Class, nan_of, nan_of_two, operand_status};
use crate::round::round;
use crate::wide::Wide;
use crate::{Control, F80, Outcome, Status};

/// Series end below this power of two, relative to their first term.
const LAST_BIT: i32 = -126;

fn finish(value: Wide, control: Control) -> Outcome<F80> {
    round(value.inexact(), control.full_precision()).with(Status::PE)
}

fn is_nan_like(a: F80) -> bool {
    a.is_nan() || a.class() == Class::Unsupported
}

const fn invalid() -> Outcome<F80> {
    Outcome::new(F80::INDEFINITE, Status::IE)
}

/// Sums `term(n)` until the terms do not count any more.
fn series(
    first: Wide,
    mut next: impl FnMut(Wide, u32) -> Wide,
    take: impl Fn(Wide, u32) -> Wide,
) -> Wide {
    let mut power = first;
    let mut sum = take(first, 0);
    for n in 1..200 {
        power = next(power, n);
        let term = take(power, n);
        if term.is_zero() || term.exponent - sum.exponent < LAST_BIT {
            break;
        }
        sum = sum.add(term);
    }
    sum
}

/// e^y − 1 for |y| < 1.
fn exp_minus_1(y: Wide) -> Wide {
    series(y, |power, n| power.mul(y).div_small(n + 1), |power, _| power)
}

/// Inverse hyperbolic tangent of |s| < 0.2, times two: ln((1+s)/(1−s)).
fn two_artanh(s: Wide) -> Wide {
    let square = s.mul(s);
    series(s, |power, _| power.mul(square), |power, n| power.div_small(2 * n + 1)).scaled(1)
}

/// Arctangent of 0 ≤ t ≤ 1.
fn arctangent_small(t: Wide) -> Wide {
    // Twice halving the angle leaves |t| < 0.2.
    let mut t = t;
    for _ in 0..2 {
        let hypotenuse = Wide::ONE.add(t.mul(t)).sqrt();
        t = t.div(Wide::ONE.add(hypotenuse));
    }
    let square = t.mul(t).neg();
    series(t, |power, _| power.mul(square), |power, n| power.div_small(2 * n + 1)).scaled(2)
}

/// F2XM1: 2^a − 1 for −1 ≤ a ≤ 1. Outside, where the result is undefined, `a` itself.
pub fn two_to_x_minus_1(a: F80, control: Control) -> Outcome<F80> {
    let status = operand_status(a);
    match a.class() {
        Class::Quiet | Class::Signaling | Class::Unsupported => Outcome::new(nan_of(a), status),
        Class::Zero => Outcome::exact(a),
        Class::Infinity if a.is_negative() => Outcome::exact(F80::ONE.with_sign(true)),
        Class::Infinity => Outcome::exact(a),
        Class::Normal | Class::Denormal => {
            let x = Wide::from(a);
            if x.exponent >= 0 {
                let one = x.mantissa == 1 << 127 && x.exponent == 0;
                return match (one, a.is_negative()) {
                    (true, false) => Outcome::exact(F80::ONE),
                    (true, true) => Outcome::exact(F80::new(true, 16382, 1 << 63)),
                    _ => Outcome::new(a, status),
                };
            }
            finish(exp_minus_1(x.mul(Wide::LN_2)), control).with(status)
        }
    }
}

/// log₂ of a finite positive number other than one.
fn log2(x: Wide) -> Wide {
    // x = m × 2^k with m between √½ and √2.
    let sqrt_2: u128 = 0xb504_f333_f9de_6484_597d_89b3_754a_be9f;
    let k = x.exponent + i32::from(x.mantissa > sqrt_2);
    let m = x.scaled(-k);
    let s = m.sub(Wide::ONE).div(m.add(Wide::ONE));
    let fraction = if s.is_zero() { s } else { two_artanh(s).div(Wide::LN_2) };
    Wide::from_integer(k.into()).add(fraction)
}

/// FYL2X: `y × log₂ x`.
pub fn y_log2_x(y: F80, x: F80, control: Control) -> Outcome<F80> {
    if is_nan_like(x) || is_nan_like(y) {
        let status = (operand_status(x) | operand_status(y)) & Status::IE;
        return Outcome::new(nan_of_two(x, y), status);
    }
    let status = operand_status(x) | operand_status(y);
    if x.class() == Class::Zero {
        return match y.class() {
            Class::Zero => invalid(),
            Class::Infinity => Outcome::exact(F80::infinity(!y.is_negative())),
            // A division by zero comes before a denormal operand (SDM Vol. 1, 4.9.2).
            _ => Outcome::new(F80::infinity(!y.is_negative()), Status::ZE),
        };
    }
    if x.is_negative() {
        return invalid();
    }
    if x.class() == Class::Infinity {
        return match y.class() {
            Class::Zero => invalid(),
            _ => Outcome::new(F80::infinity(y.is_negative()), status),
        };
    }
    let wide = Wide::from(x);
    let is_one = wide.exponent == 0 && wide.mantissa == 1 << 127;
    let below_one = wide.exponent < 0;
    match y.class() {
        Class::Infinity if is_one => return invalid(),
        Class::Infinity => {
            return Outcome::new(F80::infinity(y.is_negative() != below_one), status);
        }
        Class::Zero => return Outcome::new(F80::zero(y.is_negative() != below_one), status),
        _ if is_one => return Outcome::new(F80::zero(y.is_negative()), status),
        _ => {}
    }
    let product = log2(wide).mul(Wide::from(y));
    // A power of two has an exact logarithm; the product may be exact as well.
    if wide.mantissa == 1 << 127 {
        let k = crate::from_i64(wide.exponent.into());
        return crate::mul(k, y, control.full_precision()).with(status);
    }
    finish(product, control).with(status)
}

/// FYL2XP1: `y × log₂(x + 1)`, exact to the last bits for small x.
pub fn y_log2_x_plus_1(y: F80, x: F80, control: Control) -> Outcome<F80> {
    if is_nan_like(x) || is_nan_like(y) {
        let status = (operand_status(x) | operand_status(y)) & Status::IE;
        return Outcome::new(nan_of_two(x, y), status);
    }
    let status = operand_status(x) | operand_status(y);
    let negative = x.is_negative() != y.is_negative();
    match (x.class(), y.class()) {
        (Class::Zero, Class::Infinity) | (Class::Infinity, Class::Zero) => return invalid(),
        (Class::Infinity, _) if x.is_negative() => return invalid(),
        (Class::Infinity, _) | (_, Class::Infinity) => {
            return Outcome::new(F80::infinity(negative), status);
        }
        (Class::Zero, _) | (_, Class::Zero) => return Outcome::new(F80::zero(negative), status),
        _ => {}
    }
    let wide = Wide::from(x);
    if wide.negative && wide.exponent >= 0 {
        // −1 and below: outside the defined range.
        return invalid();
    }
    let logarithm = if wide.exponent < -2 {
        let s = wide.div(Wide::ONE.scaled(1).add(wide));
        two_artanh(s).div(Wide::LN_2)
    } else {
        log2(Wide::ONE.add(wide))
    };
    finish(logarithm.mul(Wide::from(y)), control).with(status)
}

/// FPATAN: the angle of the point (x, y), between −π and π.
pub fn arctangent(y: F80, x: F80, control: Control) -> Outcome<F80> {
    if is_nan_like(x) || is_nan_like(y) {
        let status = (operand_status(x) | operand_status(y)) & Status::IE;
        return Outcome::new(nan_of_two(x, y), status);
    }
    let status = operand_status(x) | operand_status(y);
    let pi = |numerator: u32, shift: i32| {
        let mut value = Wide::PI.scaled(-shift);
        if numerator == 3 {
            value = value.add(value.scaled(1));
        }
        value
    };
    let signed =
        |value: Wide| finish(Wide { negative: y.is_negative(), ..value }, control).with(status);
    let behind = x.is_negative();
    match (y.class(), x.class()) {
        (Class::Infinity, Class::Infinity) => return signed(pi(if behind { 3 } else { 1 }, 2)),
        (Class::Infinity, _) => return signed(pi(1, 1)),
        (_, Class::Infinity) | (Class::Zero, _) if behind => return signed(pi(1, 0)),
        (_, Class::Infinity) | (Class::Zero, _) => {
            return Outcome::new(F80::zero(y.is_negative()), status);
        }
        (_, Class::Zero) => return signed(pi(1, 1)),
        _ => {}
    }
    let (wy, wx) = (Wide::from(y).abs(), Wide::from(x).abs());
    let angle = if wx.at_least(wy) {
        arctangent_small(wy.div(wx))
    } else {
        pi(1, 1).sub(arctangent_small(wx.div(wy)))
    };
    signed(if behind { Wide::PI.sub(angle) } else { angle })
}

/// An angle taken apart: how many quarter turns modulo four, and what is left, at most an eighth.
struct Reduced {
    quarters: u8,
    rest: Wide,
}

/// 2^63: FSIN and the others leave larger operands alone and set C2.
const RANGE: i32 = 63;

/// Reduces by π/2 with the 66 bits of π that Intel's processors use (section 8.3.8).
fn reduce(x: Wide) -> Reduced {
    // π/2 × 2^65, 66 bits of π.
    const HALF_PI: u128 = 0x3_243f_6a88_85a3_08d3;
    if x.exponent < -1 {
        return Reduced { quarters: 0, rest: x };
    }
    // |x| = m × 2^(e − 63). Long division, a bit of quotient at a time from the top.
    let m = x.mantissa >> 64;
    let mut rest: u128 = 0;
    let mut quotient: u128 = 0;
    // x × 2^65 has exponent e + 65, so it is m followed by e + 2 zeros.
    let zeros = x.exponent + 2;
    for bit in (0..64 + zeros).rev() {
        let incoming = if bit >= zeros { m >> (bit - zeros) & 1 } else { 0 };
        rest = rest << 1 | incoming;
        quotient <<= 1;
        if rest >= HALF_PI {
            rest -= HALF_PI;
            quotient |= 1;
        }
    }
    let mut negative = x.negative;
    if rest * 2 > HALF_PI {
        rest = HALF_PI - rest;
        quotient += 1;
        negative = !negative;
    }
    let quarters = (quotient & 3) as u8;
    let shift = rest.leading_zeros();
    let rest = if rest == 0 {
        Wide::ZERO
    } else {
        Wide { negative, exponent: 127 - 65 - shift as i32, mantissa: rest << shift }
    };
    Reduced { quarters: if x.negative { (4 - quarters) & 3 } else { quarters }, rest }
}

fn sine_small(x: Wide) -> Wide {
    if x.is_zero() {
        return x;
    }
    let square = x.mul(x).neg();
    series(x, |power, n| power.mul(square).div_small(2 * n * (2 * n + 1)), |power, _| power)
}

fn cosine_small(x: Wide) -> Wide {
    let square = x.mul(x).neg();
    series(Wide::ONE, |power, n| power.mul(square).div_small((2 * n - 1) * 2 * n), |power, _| power)
}

/// Sine and cosine of any angle in range.
fn both(a: F80) -> (Wide, Wide) {
    let Reduced { quarters, rest } = reduce(Wide::from(a));
    let (sine, cosine) = (sine_small(rest), cosine_small(rest));
    match quarters {
        0 => (sine, cosine),
        1 => (cosine, sine.neg()),
        2 => (sine.neg(), cosine.neg()),
        _ => (cosine.neg(), sine),
    }
}

/// What is common to the functions of an angle: the results that need no computing.
fn angle(a: F80, at_zero: F80) -> Option<Outcome<F80>> {
    match a.class() {
        Class::Quiet | Class::Signaling | Class::Unsupported => {
            Some(Outcome::new(nan_of(a), operand_status(a)))
        }
        Class::Infinity => Some(invalid()),
        Class::Zero => Some(Outcome::exact(at_zero)),
        _ if a.parts().exponent >= RANGE => Some(Outcome::new(a, Status::C2)),
        _ => None,
    }
}

fn finish_or_zero(value: Wide, control: Control) -> Outcome<F80> {
    if value.is_zero() { Outcome::exact(F80::ZERO) } else { finish(value, control) }
}

/// FSIN. C2 set: the operand is out of range and unchanged.
pub fn sine(a: F80, control: Control) -> Outcome<F80> {
    angle(a, a).unwrap_or_else(|| finish_or_zero(both(a).0, control).with(operand_status(a)))
}

/// FCOS. C2 set: the operand is out of range and unchanged.
pub fn cosine(a: F80, control: Control) -> Outcome<F80> {
    angle(a, F80::ONE).unwrap_or_else(|| finish_or_zero(both(a).1, control).with(operand_status(a)))
}

/// FSINCOS: sine and cosine. C2 set: the operand is out of range and unchanged.
pub fn sine_cosine(a: F80, control: Control) -> Outcome<(F80, F80)> {
    let (s, c) = (sine(a, control), cosine(a, control));
    Outcome::new((s.value, c.value), s.status | c.status)
}

/// Below this power of two a tangent is its angle and a little more, which only rounding shows.
const TINY: i32 = -40;

/// FPTAN's tangent (the one that it pushes is the caller's). C2 set: out of range and unchanged.
pub fn tangent(a: F80, control: Control) -> Outcome<F80> {
    angle(a, a).unwrap_or_else(|| {
        let tangent = if a.parts().exponent < TINY {
            // A quotient that is off in its last bit could be less than the angle.
            Wide::from(a)
        } else {
            let (sine, cosine) = both(a);
            sine.div(cosine)
        };
        finish_or_zero(tangent, control).with(operand_status(a))
    })
}
