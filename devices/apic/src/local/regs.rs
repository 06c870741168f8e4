//! The registers of a local APIC (table 11-1) and their bits.

/// A register, whichever way it is reached: at `index << 4` in memory, as MSR `0x800 + index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reg {
    Id,
    Version,
    Tpr,
    Apr,
    Ppr,
    Eoi,
    Rrd,
    Ldr,
    Dfr,
    Svr,
    Isr(u8),
    Tmr(u8),
    Irr(u8),
    Esr,
    IcrLow,
    IcrHigh,
    Lvt(Lvt),
    InitialCount,
    CurrentCount,
    DivideConfiguration,
    SelfIpi,
}

impl Reg {
    /// The register at a 16-byte aligned `offset` in memory; the self-IPI register has none.
    pub fn at_offset(offset: u64) -> Option<Self> {
        let index = u32::try_from(offset >> 4).ok()?;
        Self::from_index(index).filter(|reg| *reg != Self::SelfIpi)
    }

    pub fn from_index(index: u32) -> Option<Self> {
        Some(match index {
            0x02 => Self::Id,
            0x03 => Self::Version,
            0x08 => Self::Tpr,
            0x09 => Self::Apr,
            0x0a => Self::Ppr,
            0x0b => Self::Eoi,
            0x0c => Self::Rrd,
            0x0d => Self::Ldr,
            0x0e => Self::Dfr,
            0x0f => Self::Svr,
            0x10..=0x17 => Self::Isr((index - 0x10) as u8),
            0x18..=0x1f => Self::Tmr((index - 0x18) as u8),
            0x20..=0x27 => Self::Irr((index - 0x20) as u8),
            0x28 => Self::Esr,
            0x30 => Self::IcrLow,
            0x31 => Self::IcrHigh,
            0x32 => Self::Lvt(Lvt::Timer),
            0x33 => Self::Lvt(Lvt::Thermal),
            0x34 => Self::Lvt(Lvt::Performance),
            0x35 => Self::Lvt(Lvt::Lint0),
            0x36 => Self::Lvt(Lvt::Lint1),
            0x37 => Self::Lvt(Lvt::Error),
            0x38 => Self::InitialCount,
            0x39 => Self::CurrentCount,
            0x3e => Self::DivideConfiguration,
            0x3f => Self::SelfIpi,
            _ => return None,
        })
    }
}

/// An entry of the local vector table (section 11.5.1); the value is its place in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lvt {
    Timer,
    Thermal,
    Performance,
    Lint0,
    Lint1,
    Error,
}

/// Entries of the local vector table.
pub(crate) const LVTS: usize = 6;

impl Lvt {
    /// Bits that software can write.
    pub fn writable(self) -> u32 {
        match self {
            Self::Timer => lvt::VECTOR | lvt::MASKED | lvt::TIMER_MODE,
            Self::Thermal | Self::Performance => lvt::VECTOR | lvt::DELIVERY_MODE | lvt::MASKED,
            Self::Lint0 | Self::Lint1 => {
                lvt::VECTOR | lvt::DELIVERY_MODE | lvt::ACTIVE_LOW | lvt::LEVEL | lvt::MASKED
            }
            Self::Error => lvt::VECTOR | lvt::MASKED,
        }
    }
}

/// Bits of a local vector table entry (figure 11-8).
pub(crate) mod lvt {
    pub const VECTOR: u32 = 0xff;
    pub const DELIVERY_MODE_SHIFT: u32 = 8;
    pub const DELIVERY_MODE: u32 = 0b111 << DELIVERY_MODE_SHIFT;
    /// Polarity. Pins here are asserted or not, whatever voltage that is, so it changes nothing.
    pub const ACTIVE_LOW: u32 = 1 << 13;
    pub const REMOTE_IRR: u32 = 1 << 14;
    pub const LEVEL: u32 = 1 << 15;
    pub const MASKED: u32 = 1 << 16;
    pub const TIMER_MODE_SHIFT: u32 = 17;
    pub const TIMER_MODE: u32 = 0b11 << TIMER_MODE_SHIFT;
    /// LINT0 as an ExtINT input, not masked.
    pub const EXT_INT: u32 = 0b111 << DELIVERY_MODE_SHIFT;
}

/// Version register: an integrated APIC (0x14), highest LVT entry 5, as QEMU's.
pub(crate) const VERSION: u32 = 0x14 | (LVTS as u32 - 1) << 16;

/// Bits of the spurious interrupt vector register (figure 11-23).
pub(crate) mod svr {
    pub const VECTOR: u32 = 0xff;
    pub const ENABLE: u32 = 1 << 8;
    pub const FOCUS_DISABLE: u32 = 1 << 9;
    pub const WRITABLE: u32 = VECTOR | ENABLE | FOCUS_DISABLE;
}

/// Bits of the error status register (figure 11-9).
pub(crate) mod esr {
    pub const SEND_ILLEGAL_VECTOR: u8 = 1 << 5;
    pub const RECEIVE_ILLEGAL_VECTOR: u8 = 1 << 6;
    pub const ILLEGAL_REGISTER: u8 = 1 << 7;
}

/// Bits of the interrupt command register (figure 11-12).
pub(crate) mod icr {
    pub const VECTOR: u32 = 0xff;
    pub const MODE_SHIFT: u32 = 8;
    pub const LOGICAL: u32 = 1 << 11;
    pub const ASSERT: u32 = 1 << 14;
    pub const LEVEL: u32 = 1 << 15;
    pub const SHORTHAND_SHIFT: u32 = 18;
    /// Everything but reserved bits and the delivery status, which is always idle.
    pub const WRITABLE: u32 = 0x000c_cfff;
}

/// Bits of IA32_APIC_BASE (figures 11-5 and 11-26).
pub(crate) mod apic_base {
    pub const BSP: u64 = 1 << 8;
    pub const X2APIC: u64 = 1 << 10;
    pub const ENABLE: u64 = 1 << 11;
    /// Bits 39:12; those above are reserved for want of physical address bits.
    pub const ADDRESS: u64 = (1 << 40) - (1 << 12);
}

/// Model-specific registers that belong to the local APIC.
pub(crate) mod msr {
    pub const APIC_BASE: u32 = 0x1b;
    pub const TSC_DEADLINE: u32 = 0x6e0;
    pub const X2APIC_FIRST: u32 = 0x800;
    pub const X2APIC_LAST: u32 = 0x83f;
}
