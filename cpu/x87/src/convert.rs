//! Between registers and the formats in memory: integers, single and double precision, packed BCD.

use crate::format::{INTEGER_BIT, MAX_EXPONENT, QUIET_BIT, operand_status};
use crate::round::{Exact, Fit, Format, fit, round_bits, shift_right_sticky};
use crate::{Class, Control, F80, Outcome, Rounding, Status};

/// Largest magnitude that 18 decimal digits hold.
const BCD_LIMIT: u64 = 999_999_999_999_999_999;
/// "Packed BCD indefinite".
const BCD_INDEFINITE: [u8; 10] = [0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff];

/// FILD: exact.
pub fn from_i64(value: i64) -> F80 {
    if value == 0 {
        return F80::ZERO;
    }
    let magnitude = value.unsigned_abs();
    let shift = magnitude.leading_zeros();
    F80::new(value < 0, (16383 + 63 - shift) as u16, magnitude << shift)
}

/// Shape of an IEEE format in memory.
struct Ieee {
    fraction_bits: u32,
    exponent_bits: u32,
}

const SINGLE: Ieee = Ieee { fraction_bits: 23, exponent_bits: 8 };
const DOUBLE: Ieee = Ieee { fraction_bits: 52, exponent_bits: 11 };

impl Ieee {
    const fn bias(&self) -> i32 {
        (1 << (self.exponent_bits - 1)) - 1
    }

    const fn max_exponent(&self) -> u64 {
        (1 << self.exponent_bits) - 1
    }

    const fn format(&self) -> Format {
        Format { precision: self.fraction_bits + 1, min_exponent: 1 - self.bias() }
    }

    fn load(&self, bits: u64) -> Outcome<F80> {
        let negative = bits >> (self.fraction_bits + self.exponent_bits) & 1 != 0;
        let exponent = bits >> self.fraction_bits & self.max_exponent();
        let fraction = bits & ((1 << self.fraction_bits) - 1);
        let mantissa = fraction << (63 - self.fraction_bits);
        if exponent == self.max_exponent() {
            if fraction == 0 {
                return Outcome::exact(F80::infinity(negative));
            }
            let nan = F80::new(negative, MAX_EXPONENT, INTEGER_BIT | mantissa);
            let status = operand_status(nan);
            return Outcome::new(nan.quieted(), status);
        }
        if exponent == 0 {
            if fraction == 0 {
                return Outcome::exact(F80::zero(negative));
            }
            let shift = mantissa.leading_zeros();
            let biased = 16383 + 1 - self.bias() - shift as i32;
            let value = F80::new(negative, biased as u16, mantissa << shift);
            return Outcome::new(value, Status::DE);
        }
        let biased = exponent as i32 - self.bias() + 16383;
        Outcome::exact(F80::new(negative, biased as u16, INTEGER_BIT | mantissa))
    }

    fn pack(&self, negative: bool, exponent: u64, fraction: u64) -> u64 {
        let sign = u64::from(negative) << (self.fraction_bits + self.exponent_bits);
        sign | exponent << self.fraction_bits | fraction & ((1 << self.fraction_bits) - 1)
    }

    fn store(&self, value: F80, control: Control) -> Outcome<u64> {
        let negative = value.is_negative();
        let down = |mantissa: u64| mantissa >> (63 - self.fraction_bits);
        match value.class() {
            Class::Zero => Outcome::exact(self.pack(negative, 0, 0)),
            Class::Infinity => Outcome::exact(self.pack(negative, self.max_exponent(), 0)),
            Class::Unsupported => {
                let nan = down(INTEGER_BIT | QUIET_BIT);
                Outcome::new(self.pack(true, self.max_exponent(), nan), Status::IE)
            }
            Class::Quiet | Class::Signaling => {
                let fraction = down(value.quieted().mantissa);
                let bits = self.pack(negative, self.max_exponent(), fraction);
                Outcome::new(bits, operand_status(value))
            }
            Class::Normal | Class::Denormal => {
                let p = value.parts();
                let mantissa = u128::from(p.mantissa) << 64;
                let exact = Exact { negative, exponent: p.exponent, mantissa };
                let (fit, status) = fit(exact, self.format(), control);
                let bits = match fit {
                    Fit::Zero => self.pack(negative, 0, 0),
                    Fit::Infinity => self.pack(negative, self.max_exponent(), 0),
                    Fit::Denormal { mantissa } => self.pack(negative, 0, down(mantissa)),
                    Fit::Normal { exponent, mantissa } => {
                        let biased = (exponent + self.bias()) as u64;
                        self.pack(negative, biased, down(mantissa))
                    }
                };
                // A store does not look at whether the register is denormal (section 8.5.2).
                Outcome::new(bits, status)
            }
        }
    }
}

/// FLD m32fp, and operands in memory of that width.
pub fn from_f32(bits: u32) -> Outcome<F80> {
    SINGLE.load(bits.into())
}

/// FLD m64fp, and operands in memory of that width.
pub fn from_f64(bits: u64) -> Outcome<F80> {
    DOUBLE.load(bits)
}

/// FST m32fp. With overflow or underflow reported and unmasked, nothing is to be stored.
pub fn to_f32(value: F80, control: Control) -> Outcome<u32> {
    let wide = SINGLE.store(value, control);
    Outcome::new(wide.value as u32, wide.status)
}

/// FST m64fp. With overflow or underflow reported and unmasked, nothing is to be stored.
pub fn to_f64(value: F80, control: Control) -> Outcome<u64> {
    DOUBLE.store(value, control)
}

/// A magnitude rounded to an integer, if it is below 2^64.
fn to_integer(value: F80, rounding: Rounding) -> Option<(u64, Status)> {
    match value.class() {
        Class::Zero => Some((0, Status::empty())),
        Class::Normal | Class::Denormal => {
            let p = value.parts();
            if p.exponent > 63 {
                return None;
            }
            // Integer part in the upper half, fraction in the lower.
            let by = (63 - p.exponent) as u32;
            let fixed = shift_right_sticky(u128::from(p.mantissa) << 64, by);
            let r = round_bits(fixed, 64, p.negative, rounding);
            if r.carried {
                return None;
            }
            let mut status = Status::empty();
            if r.inexact {
                status |= Status::PE;
            }
            if r.up {
                status |= Status::C1;
            }
            Some((r.mantissa, status))
        }
        _ => None,
    }
}

fn to_signed(value: F80, rounding: Rounding, bits: u32) -> Outcome<i64> {
    let indefinite = -1i64 << (bits - 1);
    let limit = 1u64 << (bits - 1);
    let negative = value.is_negative();
    match to_integer(value, rounding) {
        Some((magnitude, status)) if magnitude < limit => {
            let magnitude = magnitude as i64;
            Outcome::new(if negative { -magnitude } else { magnitude }, status)
        }
        Some((magnitude, status)) if magnitude == limit && negative => {
            Outcome::new(indefinite, status)
        }
        _ => Outcome::new(indefinite, Status::IE),
    }
}

/// FIST m16int; FISTTP with `Rounding::Zero`.
pub fn to_i16(value: F80, rounding: Rounding) -> Outcome<i16> {
    let wide = to_signed(value, rounding, 16);
    Outcome::new(wide.value as i16, wide.status)
}

/// FIST m32int; FISTTP with `Rounding::Zero`.
pub fn to_i32(value: F80, rounding: Rounding) -> Outcome<i32> {
    let wide = to_signed(value, rounding, 32);
    Outcome::new(wide.value as i32, wide.status)
}

/// FISTP m64int; FISTTP with `Rounding::Zero`.
pub fn to_i64(value: F80, rounding: Rounding) -> Outcome<i64> {
    to_signed(value, rounding, 64)
}

/// FBLD: eighteen digits and a sign. Digits above nine are undefined; they count for what they are.
pub fn from_bcd(bytes: [u8; 10]) -> F80 {
    let magnitude = bytes[..9]
        .iter()
        .rev()
        .fold(0i64, |sum, byte| sum * 100 + i64::from(byte >> 4) * 10 + i64::from(byte & 0xf));
    let negative = bytes[9] & 0x80 != 0;
    from_i64(magnitude).with_sign(negative)
}

/// FBSTP.
pub fn to_bcd(value: F80, rounding: Rounding) -> Outcome<[u8; 10]> {
    match to_integer(value, rounding) {
        Some((mut magnitude, status)) if magnitude <= BCD_LIMIT => {
            let mut bytes = [0; 10];
            for byte in &mut bytes[..9] {
                let pair = (magnitude % 100) as u8;
                *byte = ((pair / 10) << 4) | (pair % 10);
                magnitude /= 100;
            }
            bytes[9] = if value.is_negative() { 0x80 } else { 0 };
            Outcome::new(bytes, status)
        }
        _ => Outcome::new(BCD_INDEFINITE, Status::IE),
    }
}
