//! x87 arithmetic on 80-bit extended precision numbers, as plain functions: operands and the control
//! word in, result and status bits out. No state, no memory, no host floating point.
//!
//! Sections are of the Intel SDM, volume 1, chapter 8.

mod arith;
mod compare;
mod convert;
mod format;
mod remainder;
mod round;
mod transcendental;
mod wide;

#[cfg(all(test, target_arch = "x86_64"))]
mod host_tests;

pub use arith::{add, div, mul, sqrt, sub};
pub use compare::{Comparison, compare, examine};
pub use convert::{
    from_bcd, from_f32, from_f64, from_i64, to_bcd, to_f32, to_f64, to_i16, to_i32, to_i64,
};
pub use format::{Class, F80};
pub use remainder::{Reduced, extract, remainder, round_to_integer, scale};
pub use transcendental::{
    arctangent, cosine, sine, sine_cosine, tangent, two_to_x_minus_1, y_log2_x, y_log2_x_plus_1,
};

bitflags::bitflags! {
    /// Bits of the status word that an operation reports (section 8.1.3).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Status: u16 {
        /// Invalid operation.
        const IE = 1 << 0;
        /// A denormal operand.
        const DE = 1 << 1;
        /// Division by zero.
        const ZE = 1 << 2;
        /// Overflow.
        const OE = 1 << 3;
        /// Underflow.
        const UE = 1 << 4;
        /// The result is not exact.
        const PE = 1 << 5;
        /// Condition code 0.
        const C0 = 1 << 8;
        /// Condition code 1: the result was rounded away from zero.
        const C1 = 1 << 9;
        /// Condition code 2: the operand was out of range, or the reduction is not complete.
        const C2 = 1 << 10;
        /// Condition code 3.
        const C3 = 1 << 14;
    }
}

/// Rounding control (section 4.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, ties to even.
    Nearest,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// Towards zero.
    Zero,
}

/// The control word (section 8.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control(pub u16);

impl Control {
    /// Bits 11:10.
    pub const fn rounding(self) -> Rounding {
        match self.0 >> 10 & 3 {
            0 => Rounding::Nearest,
            1 => Rounding::Down,
            2 => Rounding::Up,
            _ => Rounding::Zero,
        }
    }

    /// Bits 9:8: how many bits of significand the basic operations round to. The reserved encoding
    /// behaves as full precision.
    pub const fn precision(self) -> u32 {
        match self.0 >> 8 & 3 {
            0 => 24,
            2 => 53,
            _ => 64,
        }
    }

    /// Whether an exception is masked.
    pub const fn masks(self, exception: Status) -> bool {
        self.0 & exception.bits() == exception.bits()
    }

    /// The same control word with full precision, for operations that ignore precision control.
    pub const fn full_precision(self) -> Self {
        Self(self.0 | 0x300)
    }
}

/// A result and what it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The result as the masked response gives it; for unmasked overflow and underflow of a register
    /// result, with its exponent wrapped (section 8.5.4).
    pub value: T,
    /// Exceptions and condition codes.
    pub status: Status,
}

impl<T> Outcome<T> {
    const fn exact(value: T) -> Self {
        Self { value, status: Status::empty() }
    }

    const fn new(value: T, status: Status) -> Self {
        Self { value, status }
    }

    /// What the processor does with it: the result, unless an unmasked exception that is found before
    /// anything is computed (invalid operation, denormal operand, division by zero) keeps it from being
    /// written; and the exceptions that are reported then.
    pub fn settle(self, control: Control) -> (Option<T>, Status) {
        let before = Status::IE | Status::DE | Status::ZE;
        let stopped = (self.status & before).bits() & !control.0 != 0;
        if stopped { (None, self.status & before) } else { (Some(self.value), self.status) }
    }

    fn with(self, status: Status) -> Self {
        Self { value: self.value, status: self.status | status }
    }
}
