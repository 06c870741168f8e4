//! Exceptions as values.

/// Exception vectors (SDM Vol. 3, table 6-1).
pub mod vector {
    /// #DE, divide error.
    pub const DE: u8 = 0;
    /// #DB, debug exception.
    pub const DB: u8 = 1;
    /// Non-maskable interrupt.
    pub const NMI: u8 = 2;
    /// #BP, breakpoint (INT3).
    pub const BP: u8 = 3;
    /// #OF, overflow (INTO).
    pub const OF: u8 = 4;
    /// #BR, BOUND range exceeded.
    pub const BR: u8 = 5;
    /// #UD, invalid opcode.
    pub const UD: u8 = 6;
    /// #NM, device not available.
    pub const NM: u8 = 7;
    /// #DF, double fault.
    pub const DF: u8 = 8;
    /// #TS, invalid TSS.
    pub const TS: u8 = 10;
    /// #NP, segment not present.
    pub const NP: u8 = 11;
    /// #SS, stack-segment fault.
    pub const SS: u8 = 12;
    /// #GP, general protection.
    pub const GP: u8 = 13;
    /// #PF, page fault.
    pub const PF: u8 = 14;
    /// #MF, x87 floating-point error.
    pub const MF: u8 = 16;
    /// #AC, alignment check.
    pub const AC: u8 = 17;
    /// #MC, machine check.
    pub const MC: u8 = 18;
    /// #XM, SIMD floating-point exception.
    pub const XM: u8 = 19;
}

/// A fault that an instruction ends with. The instruction has changed nothing that it must not have,
/// and `rip` still points at it; [`Exec::raise`](crate::Exec::raise) delivers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The vector, one of [`vector`].
    pub vector: u8,
    /// The error code to push, for the vectors that have one (pushed in protected mode only).
    pub error_code: Option<u32>,
    /// For #PF, the linear address that goes into CR2.
    pub cr2: Option<u64>,
}

/// What everything returns that may end in a fault.
pub type ExecResult<T> = core::result::Result<T, Exception>;

impl Exception {
    const fn plain(vector: u8) -> Self {
        Self { vector, error_code: None, cr2: None }
    }

    const fn with_code(vector: u8, code: u32) -> Self {
        Self { vector, error_code: Some(code), cr2: None }
    }

    /// #DE.
    pub const fn de() -> Self {
        Self::plain(vector::DE)
    }

    /// #DB as a fault. The caller has set DR6.
    pub const fn db() -> Self {
        Self::plain(vector::DB)
    }

    /// #BR.
    pub const fn br() -> Self {
        Self::plain(vector::BR)
    }

    /// #UD.
    pub const fn ud() -> Self {
        Self::plain(vector::UD)
    }

    /// #NM.
    pub const fn nm() -> Self {
        Self::plain(vector::NM)
    }

    /// #DF; its error code is always 0.
    pub const fn df() -> Self {
        Self::with_code(vector::DF, 0)
    }

    /// #TS with a selector error code.
    pub const fn ts(code: u32) -> Self {
        Self::with_code(vector::TS, code)
    }

    /// #NP with a selector error code.
    pub const fn np(code: u32) -> Self {
        Self::with_code(vector::NP, code)
    }

    /// #SS with a selector error code, or 0.
    pub const fn ss(code: u32) -> Self {
        Self::with_code(vector::SS, code)
    }

    /// #GP with a selector error code, or 0.
    pub const fn gp(code: u32) -> Self {
        Self::with_code(vector::GP, code)
    }

    /// #PF at `linear`; `code` holds bits P, W/R, U/S, RSVD, I/D.
    pub const fn pf(linear: u64, code: u32) -> Self {
        Self { vector: vector::PF, error_code: Some(code), cr2: Some(linear) }
    }

    /// #MF.
    pub const fn mf() -> Self {
        Self::plain(vector::MF)
    }

    /// #AC; its error code is always 0.
    pub const fn ac() -> Self {
        Self::with_code(vector::AC, 0)
    }

    /// #XM.
    pub const fn xm() -> Self {
        Self::plain(vector::XM)
    }
}
