//! Comparison and FXAM.

use crate::format::operand_status;
use crate::{Class, F80, Outcome, Status};

/// How two numbers stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `a < b`.
    Less,
    /// `a = b`.
    Equal,
    /// `a > b`.
    Greater,
    /// One is no number.
    Unordered,
}

impl Comparison {
    /// C3, C2 and C0 as FCOM sets them (table 8-6).
    pub const fn condition_codes(self) -> Status {
        match self {
            Self::Greater => Status::empty(),
            Self::Less => Status::C0,
            Self::Equal => Status::C3,
            Self::Unordered => Status::C0.union(Status::C2).union(Status::C3),
        }
    }
}

/// FCOM and FCOMI, or with `quiet` FUCOM and FUCOMI, which take a quiet NaN without complaint.
pub fn compare(a: F80, b: F80, quiet: bool) -> Outcome<Comparison> {
    let no_number = |v: F80| v.is_nan() || v.class() == Class::Unsupported;
    if no_number(a) || no_number(b) {
        let mut status = (operand_status(a) | operand_status(b)) & Status::IE;
        if !quiet {
            status |= Status::IE;
        }
        return Outcome::new(Comparison::Unordered, status);
    }
    let status = operand_status(a) | operand_status(b);
    let zero = |v: F80| v.class() == Class::Zero;
    let result = if zero(a) && zero(b) {
        Comparison::Equal
    } else {
        // Zero has the smallest exponent and mantissa; denormals compare by their real exponent.
        let key = |v: F80| {
            let magnitude = (v.exponent().max(1), v.mantissa);
            if zero(v) { (0, 0) } else { magnitude }
        };
        let (ka, kb) = (key(a), key(b));
        let greater = match (a.is_negative(), b.is_negative()) {
            (false, true) => true,
            (true, false) => false,
            _ if ka == kb => return Outcome::new(Comparison::Equal, status),
            (negative, _) => (ka > kb) != negative,
        };
        if greater { Comparison::Greater } else { Comparison::Less }
    };
    Outcome::new(result, status)
}

/// FXAM's condition codes for a register that is not empty (table 8-7 order: C3, C2, C0; C1 the sign).
pub fn examine(a: F80) -> Status {
    let class = match a.class() {
        Class::Unsupported => Status::empty(),
        Class::Quiet | Class::Signaling => Status::C0,
        Class::Normal => Status::C2,
        Class::Infinity => Status::C2 | Status::C0,
        Class::Zero => Status::C3,
        Class::Denormal => Status::C3 | Status::C2,
    };
    if a.is_negative() { class | Status::C1 } else { class }
}
