//! The registers of the power management block and their bits (ICH9 sections 13.8.3 and 13.9).

use aero_bus::{Register, RegisterMap};
use bitflags::bitflags;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reg {
    Pm1Status,
    Pm1Enable,
    Pm1Control,
    Pm1Timer,
    Gpe0Status,
    Gpe0Enable,
    SmiEnable,
    SmiStatus,
    /// A register that only keeps what is written; the index is into [`KEPT`].
    Kept(usize),
    TcoReload,
    TcoDataIn,
    TcoDataOut,
    Tco1Status,
    Tco2Status,
    Tco1Control,
    Tco2Control,
    TcoTimer,
    ApmControl,
    ApmStatus,
}

/// A register of the block that does nothing here: there are no throttled states, USB wake-up ports or
/// board-specific messages behind it.
pub(crate) struct Kept {
    pub writable: u64,
    pub reset: u64,
}

const fn kept(writable: u64, reset: u64) -> Kept {
    Kept { writable, reset }
}

pub(crate) const KEPT: [Kept; 10] = [
    kept(0x0000_00f0, 0), // PROC_CNT
    kept(0xffff, 0),      // ALT_GP_SMI_EN
    kept(0x0002, 0),      // UPRWC
    kept(0x03, 0),        // GPE_CNTL
    kept(0x01, 0),        // PM2_CNT: ARB_DIS
    kept(0x06, 0),        // C3_RES
    kept(0xff, 0),        // TCO_MESSAGE1
    kept(0xff, 0),        // TCO_MESSAGE2
    kept(0xff, 0),        // TCO_WDCNT
    kept(0x03, 0x03),     // SW_IRQ_GEN
];

/// Offsets up to 0x7F are from PMBASE; the two at 0x80 are ports 0xB2 and 0xB3.
pub(crate) const REGISTERS: RegisterMap<Reg> = RegisterMap::new(&[
    Register::new(Reg::Pm1Status, 0x00, 2),
    Register::new(Reg::Pm1Enable, 0x02, 2),
    Register::new(Reg::Pm1Control, 0x04, 4),
    Register::new(Reg::Pm1Timer, 0x08, 4),
    Register::new(Reg::Kept(0), 0x10, 4),
    Register::new(Reg::Gpe0Status, 0x20, 8),
    Register::new(Reg::Gpe0Enable, 0x28, 8),
    Register::new(Reg::SmiEnable, 0x30, 4),
    Register::new(Reg::SmiStatus, 0x34, 4),
    Register::new(Reg::Kept(1), 0x38, 2),
    Register::new(Reg::Kept(2), 0x3c, 2),
    Register::new(Reg::Kept(3), 0x42, 1),
    Register::new(Reg::Kept(4), 0x50, 1),
    Register::new(Reg::Kept(5), 0x54, 1),
    Register::new(Reg::TcoReload, 0x60, 2),
    Register::new(Reg::TcoDataIn, 0x62, 1),
    Register::new(Reg::TcoDataOut, 0x63, 1),
    Register::new(Reg::Tco1Status, 0x64, 2),
    Register::new(Reg::Tco2Status, 0x66, 2),
    Register::new(Reg::Tco1Control, 0x68, 2),
    Register::new(Reg::Tco2Control, 0x6a, 2),
    Register::new(Reg::Kept(6), 0x6c, 1),
    Register::new(Reg::Kept(7), 0x6d, 1),
    Register::new(Reg::Kept(8), 0x6e, 1),
    Register::new(Reg::Kept(9), 0x70, 1),
    Register::new(Reg::TcoTimer, 0x72, 2),
    Register::new(Reg::ApmControl, 0x80, 1),
    Register::new(Reg::ApmStatus, 0x81, 1),
]);

bitflags! {
    /// PM1_STS and PM1_EN.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub(crate) struct Pm1: u16 {
        /// The timer's highest bit has changed.
        const TIMER_OVERFLOW = 1 << 0;
        const BUS_MASTER = 1 << 4;
        /// Firmware has released the global lock.
        const GLOBAL = 1 << 5;
        const POWER_BUTTON = 1 << 8;
        const RTC = 1 << 10;
        const POWER_BUTTON_OVERRIDE = 1 << 11;
        const PCIE_WAKE = 1 << 14;
        const WAKE = 1 << 15;

        const ENABLES = Self::TIMER_OVERFLOW.bits()
            | Self::GLOBAL.bits()
            | Self::POWER_BUTTON.bits()
            | Self::RTC.bits()
            | Self::PCIE_WAKE.bits();
        /// What raises the SCI.
        const EVENTS = Self::TIMER_OVERFLOW.bits()
            | Self::GLOBAL.bits()
            | Self::POWER_BUTTON.bits()
            | Self::RTC.bits();
    }
}

/// PM1_CNT.
pub(crate) mod pm1_control {
    pub const SCI_ENABLE: u16 = 1 << 0;
    pub const BUS_MASTER_RELOAD: u16 = 1 << 1;
    /// Write-only: tells firmware that the global lock is free.
    pub const GLOBAL_RELEASE: u16 = 1 << 2;
    pub const SLEEP_TYPE_SHIFT: u16 = 10;
    pub const SLEEP_TYPE: u16 = 0b111 << SLEEP_TYPE_SHIFT;
    /// Write-only: goes to sleep.
    pub const SLEEP_ENABLE: u16 = 1 << 13;
    pub const KEPT: u16 = SCI_ENABLE | BUS_MASTER_RELOAD | SLEEP_TYPE;
}

/// SMI_EN and SMI_STS.
pub(crate) mod smi {
    pub const GLOBAL_ENABLE: u32 = 1 << 0;
    /// In SMI_EN, write-only: firmware releases the global lock.
    pub const BIOS_RELEASE: u32 = 1 << 1;
    /// A write of APM_CNT.
    pub const APMC: u32 = 1 << 5;
    /// In SMI_STS: software has released the global lock.
    pub const BIOS: u32 = 1 << 2;
    pub const WRITABLE: u32 = 0x0006_787d;
    pub const STATUS: u32 = 0x0c3f_ff7c;
}
