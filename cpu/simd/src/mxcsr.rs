//! MXCSR, and the state of one instruction's floating-point work (SDM volume 1, sections 10.2.3 and
//! 11.5).

/// The control and status register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mxcsr(pub u32);

/// How a result that does not fit is rounded: MXCSR.RC and the immediate of ROUNDxx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest value, ties to the even one.
    Nearest,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// Towards zero.
    Zero,
}

impl Rounding {
    /// From the two bits that MXCSR and immediates use.
    pub const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::Nearest,
            1 => Self::Down,
            2 => Self::Up,
            _ => Self::Zero,
        }
    }
}

impl Mxcsr {
    /// IE: invalid operation.
    pub const INVALID: u32 = 1 << 0;
    /// DE: denormal operand.
    pub const DENORMAL: u32 = 1 << 1;
    /// ZE: division by zero.
    pub const DIVIDE_BY_ZERO: u32 = 1 << 2;
    /// OE: overflow.
    pub const OVERFLOW: u32 = 1 << 3;
    /// UE: underflow.
    pub const UNDERFLOW: u32 = 1 << 4;
    /// PE: inexact result.
    pub const PRECISION: u32 = 1 << 5;
    /// All six exception flags.
    pub const FLAGS: u32 = 0x3f;
    /// DAZ: denormal operands count as zero.
    pub const DENORMALS_ARE_ZERO: u32 = 1 << 6;
    /// IM to PM lie this many bits above their flags.
    pub const MASK_SHIFT: u32 = 7;
    /// All six exception masks.
    pub const MASKS: u32 = Self::FLAGS << Self::MASK_SHIFT;
    /// RC: the lower of its two bits.
    pub const ROUNDING_SHIFT: u32 = 13;
    /// FZ: tiny results become zero where underflow is masked.
    pub const FLUSH_TO_ZERO: u32 = 1 << 15;
    /// After reset and INIT: all exceptions masked, rounding to nearest.
    pub const RESET: Self = Self(0x1f80);

    /// MXCSR.RC.
    pub const fn rounding(self) -> Rounding {
        Rounding::from_bits(self.0 >> Self::ROUNDING_SHIFT)
    }

    /// The flags whose exceptions are unmasked.
    pub const fn unmasked(self) -> u32 {
        !self.0 >> Self::MASK_SHIFT & Self::FLAGS
    }
}

impl Default for Mxcsr {
    fn default() -> Self {
        Self::RESET
    }
}

/// An unmasked exception: #XM (or #UD where CR4.OSXMMEXCPT is clear). The destination stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimdException;

/// The floating-point work of one instruction: MXCSR as it began, and the exceptions so far. Handed to
/// each operation on each lane; [`finish`](Self::finish) then says what becomes of MXCSR.
#[derive(Clone, Copy, Debug)]
pub struct FloatEnv {
    /// MXCSR as the instruction found it.
    mxcsr: Mxcsr,
    /// Exceptions found in the operands: IE, DE, ZE.
    before: u32,
    /// Exceptions found in the results: OE, UE, PE.
    after: u32,
    /// Exceptions of steps that are complete: all masked.
    complete: u32,
}

impl FloatEnv {
    /// The beginning of an instruction.
    #[inline]
    pub const fn new(mxcsr: u32) -> Self {
        Self { mxcsr: Mxcsr(mxcsr), before: 0, after: 0, complete: 0 }
    }

    /// The flags for MXCSR, and whether the instruction raises #XM. An unmasked exception in the
    /// operands of any lane keeps the flags of results from being set (SDM volume 1, section 11.5.3).
    ///
    /// # Errors
    /// [`SimdException`] if an exception is unmasked; the flags in `mxcsr` are set even so.
    #[inline]
    pub fn finish(&self, mxcsr: &mut u32) -> Result<(), SimdException> {
        let unmasked = self.mxcsr.unmasked();
        *mxcsr |= self.complete | self.before;
        if self.before & unmasked != 0 {
            return Err(SimdException);
        }
        *mxcsr |= self.after;
        if self.after & unmasked != 0 { Err(SimdException) } else { Ok(()) }
    }

    /// The end of one step of several (the multiplications and additions of DPPS). If an exception of it
    /// is unmasked, the next step does not happen.
    ///
    /// # Errors
    /// [`SimdException`] if so; [`finish`](Self::finish) will say it again.
    #[inline]
    pub fn finish_step(&mut self) -> Result<(), SimdException> {
        if (self.before | self.after) & self.mxcsr.unmasked() != 0 {
            return Err(SimdException);
        }
        self.complete |= self.before | self.after;
        self.before = 0;
        self.after = 0;
        Ok(())
    }

    /// How this instruction rounds.
    #[inline]
    pub(crate) const fn rounding(&self) -> Rounding {
        self.mxcsr.rounding()
    }

    /// Whether the host's way of rounding is wanted.
    #[inline]
    pub(crate) const fn rounds_to_nearest(&self) -> bool {
        self.mxcsr.0 & 3 << Mxcsr::ROUNDING_SHIFT == 0
    }

    pub(crate) const fn denormals_are_zero(&self) -> bool {
        self.mxcsr.0 & Mxcsr::DENORMALS_ARE_ZERO != 0
    }

    /// Whether tiny results become zero: only where underflow is masked.
    pub(crate) const fn flushes_to_zero(&self) -> bool {
        self.mxcsr.0 & Mxcsr::FLUSH_TO_ZERO != 0 && self.is_masked(Mxcsr::UNDERFLOW)
    }

    pub(crate) const fn is_masked(&self, flag: u32) -> bool {
        self.mxcsr.unmasked() & flag == 0
    }

    /// Whether it no longer matters if a result is exact.
    #[inline]
    pub(crate) const fn is_inexact(&self) -> bool {
        (self.mxcsr.0 | self.after) & Mxcsr::PRECISION != 0 && self.is_masked(Mxcsr::PRECISION)
    }

    /// Reports IE, DE or ZE.
    pub(crate) const fn raise_before(&mut self, flags: u32) {
        self.before |= flags;
    }

    /// Reports OE, UE or PE.
    pub(crate) const fn raise_after(&mut self, flags: u32) {
        self.after |= flags;
    }
}
