//! The double extended-precision format (SDM Vol. 1, 4.2.2 and 8.2).

use serde::{Deserialize, Serialize};

use crate::Status;

/// An 80-bit register. MMX registers are the mantissas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[repr(C)]
pub struct F80 {
    /// The 64-bit significand with its explicit integer bit.
    pub mantissa: u64,
    /// Bit 15 the sign, bits 14:0 the biased exponent.
    pub sign_exponent: u16,
}

/// Bias of the exponent.
pub(crate) const BIAS: i32 = 16383;
/// The biased exponent of infinities and NaNs.
pub(crate) const MAX_EXPONENT: u16 = 0x7fff;
pub(crate) const INTEGER_BIT: u64 = 1 << 63;
pub(crate) const QUIET_BIT: u64 = 1 << 62;

/// What a register holds (section 8.2.2, table 8-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Plus or minus zero.
    Zero,
    /// A normal number.
    Normal,
    /// A denormal, or a pseudo-denormal (exponent zero with the integer bit set).
    Denormal,
    /// An infinity.
    Infinity,
    /// A NaN that does not signal.
    Quiet,
    /// A NaN that raises invalid operation.
    Signaling,
    /// An encoding that no longer is a number: unnormal, pseudo-infinity, pseudo-NaN.
    Unsupported,
}

/// A finite number other than zero, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub negative: bool,
    /// Power of two of the leading bit.
    pub exponent: i32,
    /// Bit 63 is set.
    pub mantissa: u64,
}

impl F80 {
    /// Plus zero.
    pub const ZERO: Self = Self::new(false, 0, 0);
    /// One.
    pub const ONE: Self = Self::new(false, 16383, INTEGER_BIT);
    /// The default NaN, "real indefinite".
    pub const INDEFINITE: Self = Self::new(true, MAX_EXPONENT, INTEGER_BIT | QUIET_BIT);
    /// log₂ 10 rounded to nearest, of FLDL2T.
    pub const LOG2_10: Self = Self::new(false, 0x4000, 0xd49a_784b_cd1b_8afe);
    /// log₂ e, of FLDL2E.
    pub const LOG2_E: Self = Self::new(false, 0x3fff, 0xb8aa_3b29_5c17_f0bc);
    /// π, of FLDPI.
    pub const PI: Self = Self::new(false, 0x4000, 0xc90f_daa2_2168_c235);
    /// log₁₀ 2, of FLDLG2.
    pub const LOG10_2: Self = Self::new(false, 0x3ffd, 0x9a20_9a84_fbcf_f799);
    /// ln 2, of FLDLN2.
    pub const LN_2: Self = Self::new(false, 0x3ffe, 0xb172_17f7_d1cf_79ac);

    /// From sign, biased exponent and significand.
    pub const fn new(negative: bool, exponent: u16, mantissa: u64) -> Self {
        Self { mantissa, sign_exponent: (negative as u16) << 15 | exponent }
    }

    /// A zero of this sign.
    pub const fn zero(negative: bool) -> Self {
        Self::new(negative, 0, 0)
    }

    /// An infinity of this sign.
    pub const fn infinity(negative: bool) -> Self {
        Self::new(negative, MAX_EXPONENT, INTEGER_BIT)
    }

    /// The sign bit.
    pub const fn is_negative(self) -> bool {
        self.sign_exponent >> 15 != 0
    }

    /// The biased exponent.
    pub const fn exponent(self) -> u16 {
        self.sign_exponent & MAX_EXPONENT
    }

    /// The same with the sign bit given.
    pub const fn with_sign(self, negative: bool) -> Self {
        Self::new(negative, self.exponent(), self.mantissa)
    }

    /// What it is.
    pub const fn class(self) -> Class {
        let integer = self.mantissa & INTEGER_BIT != 0;
        match self.exponent() {
            0 if self.mantissa == 0 => Class::Zero,
            0 => Class::Denormal,
            _ if !integer => Class::Unsupported,
            MAX_EXPONENT if self.mantissa == INTEGER_BIT => Class::Infinity,
            MAX_EXPONENT if self.mantissa & QUIET_BIT != 0 => Class::Quiet,
            MAX_EXPONENT => Class::Signaling,
            _ => Class::Normal,
        }
    }

    /// Whether it is a NaN of either kind.
    pub const fn is_nan(self) -> bool {
        matches!(self.class(), Class::Quiet | Class::Signaling)
    }

    pub(crate) const fn quieted(self) -> Self {
        Self { mantissa: self.mantissa | QUIET_BIT, ..self }
    }

    /// Takes a finite number other than zero apart.
    pub(crate) const fn parts(self) -> Parts {
        let exponent = if self.exponent() == 0 { 1 } else { self.exponent() as i32 };
        let shift = self.mantissa.leading_zeros();
        Parts {
            negative: self.is_negative(),
            exponent: exponent - BIAS - shift as i32,
            mantissa: self.mantissa << shift,
        }
    }

    /// The ten bytes as they lie in memory.
    pub const fn to_bytes(self) -> [u8; 10] {
        let m = self.mantissa.to_le_bytes();
        let s = self.sign_exponent.to_le_bytes();
        [m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], s[0], s[1]]
    }

    /// From ten bytes in memory.
    pub const fn from_bytes(b: [u8; 10]) -> Self {
        Self {
            mantissa: u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
            sign_exponent: u16::from_le_bytes([b[8], b[9]]),
        }
    }
}

/// What one operand reports before anything is computed.
pub(crate) const fn operand_status(a: F80) -> Status {
    match a.class() {
        Class::Denormal => Status::DE,
        Class::Signaling | Class::Unsupported => Status::IE,
        _ => Status::empty(),
    }
}

/// The NaN that an operation on one operand gives for a NaN or an unsupported encoding (table 4-7).
pub(crate) fn nan_of(a: F80) -> F80 {
    if a.class() == Class::Unsupported { F80::INDEFINITE } else { a.quieted() }
}

/// The NaN that an operation on two operands gives when one is a NaN or unsupported (table 4-7): of
/// two, the quiet one against a signaling one, else the one with the larger significand, else the
/// positive one.
pub(crate) fn nan_of_two(a: F80, b: F80) -> F80 {
    if a.class() == Class::Unsupported || b.class() == Class::Unsupported {
        return F80::INDEFINITE;
    }
    match (a.is_nan(), b.is_nan()) {
        (true, false) => a.quieted(),
        (false, true) => b.quieted(),
        _ => {
            let (a_quiet, b_quiet) = (a.class() == Class::Quiet, b.class() == Class::Quiet);
            if a_quiet != b_quiet {
                return if a_quiet { a } else { b };
            }
            // Signaling ones are compared as they are, before they are quieted.
            let take_a = match a.mantissa.cmp(&b.mantissa) {
                std::cmp::Ordering::Greater => true,
                std::cmp::Ordering::Less => false,
                std::cmp::Ordering::Equal => !a.is_negative(),
            };
            if take_a { a.quieted() } else { b.quieted() }
        }
    }
}
