//! Floating point with 128 bits of significand, for the inside of the transcendental functions. Each
//! operation is off by less than two units of the last place, far below the 64 bits that are kept.

use crate::F80;
use crate::format::Parts;
use crate::round::Exact;

/// `mantissa` × 2^(exponent − 127), bit 127 set; or zero, with mantissa zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide {
    pub negative: bool,
    pub exponent: i32,
    pub mantissa: u128,
}

impl Wide {
    pub const ZERO: Self = Self { negative: false, exponent: 0, mantissa: 0 };
    pub const ONE: Self = Self { negative: false, exponent: 0, mantissa: 1 << 127 };
    /// π, 128 bits.
    pub const PI: Self =
        Self { negative: false, exponent: 1, mantissa: 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1 };
    /// ln 2, 128 bits.
    pub const LN_2: Self =
        Self { negative: false, exponent: -1, mantissa: 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af };

    pub fn from_parts(p: Parts) -> Self {
        Self { negative: p.negative, exponent: p.exponent, mantissa: u128::from(p.mantissa) << 64 }
    }

    pub fn from_integer(value: i64) -> Self {
        let magnitude = u128::from(value.unsigned_abs());
        Self::normalized(value < 0, 127, magnitude)
    }

    fn normalized(negative: bool, exponent: i32, mantissa: u128) -> Self {
        if mantissa == 0 {
            return Self::ZERO;
        }
        let shift = mantissa.leading_zeros();
        Self { negative, exponent: exponent - shift as i32, mantissa: mantissa << shift }
    }

    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub fn neg(self) -> Self {
        Self { negative: !self.negative, ..self }
    }

    pub fn abs(self) -> Self {
        Self { negative: false, ..self }
    }

    /// Times a power of two.
    pub fn scaled(self, by: i32) -> Self {
        if self.is_zero() { self } else { Self { exponent: self.exponent + by, ..self } }
    }

    /// Whether |self| ≥ |other|.
    pub fn at_least(self, other: Self) -> bool {
        if self.is_zero() || other.is_zero() {
            return other.is_zero();
        }
        (self.exponent, self.mantissa) >= (other.exponent, other.mantissa)
    }

    pub fn add(self, other: Self) -> Self {
        if self.is_zero() {
            return other;
        }
        if other.is_zero() {
            return self;
        }
        let (big, small) = if self.at_least(other) { (self, other) } else { (other, self) };
        let by = (big.exponent - small.exponent) as u32;
        if by >= 128 {
            return big;
        }
        let narrow = small.mantissa >> by;
        if big.negative != small.negative {
            return Self::normalized(big.negative, big.exponent, big.mantissa - narrow);
        }
        match big.mantissa.checked_add(narrow) {
            Some(mantissa) => Self { mantissa, ..big },
            None => Self {
                mantissa: big.mantissa.wrapping_add(narrow) >> 1 | 1 << 127,
                exponent: big.exponent + 1,
                ..big
            },
        }
    }

    pub fn sub(self, other: Self) -> Self {
        self.add(other.neg())
    }

    pub fn mul(self, other: Self) -> Self {
        if self.is_zero() || other.is_zero() {
            return Self::ZERO;
        }
        let high = multiply_high(self.mantissa, other.mantissa);
        let exponent = self.exponent + other.exponent + 1;
        Self::normalized(self.negative != other.negative, exponent, high)
    }

    /// Divided by a small positive integer.
    pub fn div_small(self, by: u32) -> Self {
        if self.is_zero() {
            return self;
        }
        // Thirty-two more bits, so that nothing is lost in the quotient's leading zeros.
        let by = u128::from(by);
        let (high, rest) = (self.mantissa / by, self.mantissa % by);
        let shift = high.leading_zeros();
        let low = if shift == 0 { 0 } else { (rest << shift) / by };
        let mantissa = high << shift | low;
        Self { negative: self.negative, exponent: self.exponent - shift as i32, mantissa }
    }

    pub fn div(self, other: Self) -> Self {
        if self.is_zero() {
            return self;
        }
        // The reciprocal by Newton's rule from its upper half: 64 bits, then 128.
        let d = other.mantissa;
        let top = (d >> 64) + 1;
        let guess = u128::MAX / top;
        let mut reciprocal = Self::normalized(false, 62, guess);
        let divisor = Self { negative: false, exponent: 0, mantissa: d };
        let two = Self::ONE.scaled(1);
        for _ in 0..2 {
            reciprocal = reciprocal.mul(two.sub(divisor.mul(reciprocal)));
        }
        let quotient = self.mul(reciprocal).scaled(-other.exponent);
        Self { negative: self.negative != other.negative, ..quotient }
    }

    pub fn sqrt(self) -> Self {
        if self.is_zero() {
            return self;
        }
        let odd = self.exponent & 1;
        let root = (self.mantissa >> (1 - odd)).isqrt();
        let even = self.exponent - odd;
        // 64 bits; one step of Newton's rule doubles them.
        let guess = Self::normalized(false, even / 2 + 64, root);
        let guess = guess.add(Self { negative: false, ..self }.div(guess)).scaled(-1);
        guess.add(Self { negative: false, ..self }.div(guess)).scaled(-1)
    }

    /// For rounding: known not to be exact, so bit 0 is set.
    pub fn inexact(self) -> Exact {
        Exact { negative: self.negative, exponent: self.exponent, mantissa: self.mantissa | 1 }
    }
}

/// The upper half of the product.
fn multiply_high(a: u128, b: u128) -> u128 {
    let half = |v: u128| (v >> 64, v & u128::from(u64::MAX));
    let ((ah, al), (bh, bl)) = (half(a), half(b));
    let (low, m1, m2, high) = (al * bl, ah * bl, al * bh, ah * bh);
    let (middle, carry) = m1.overflowing_add(m2);
    let (_, low_carry) = low.overflowing_add(middle << 64);
    high + (middle >> 64) + (u128::from(carry) << 64) + u128::from(low_carry)
}

impl From<F80> for Wide {
    /// Of a finite number.
    fn from(value: F80) -> Self {
        if value.mantissa == 0 { Self::ZERO } else { Self::from_parts(value.parts()) }
    }
}
