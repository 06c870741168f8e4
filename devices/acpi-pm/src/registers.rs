//! Where the registers lie (ICH9 data sheet, 13.8.3 and 13.9), and what their bits mean.

use aero_bus::{Register, RegisterMap};

/// A register of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reg {
    Pm1Sts,
    Pm1En,
    Pm1Cnt,
    Pm1Tmr,
    ProcCnt,
    Gpe0Sts,
    Gpe0En,
    SmiEn,
    SmiSts,
    AltGpSmiEn,
    AltGpSmiSts,
    GpeCntl,
    DevactSts,
    Pm2Cnt,
    TcoRld,
    TcoDatIn,
    TcoDatOut,
    Tco1Sts,
    Tco2Sts,
    Tco1Cnt,
    Tco2Cnt,
    TcoMessage1,
    TcoMessage2,
    TcoWdcnt,
    SwIrqGen,
    TcoTmr,
    ApmCnt,
    ApmSts,
}

/// The two APM ports follow the 128 bytes at PMBASE in this device's offsets.
pub(crate) const APM_OFFSET: u64 = 0x80;

pub(crate) const REGISTERS: RegisterMap<Reg> = RegisterMap::new(&[
    Register::new(Reg::Pm1Sts, 0x00, 2),
    Register::new(Reg::Pm1En, 0x02, 2),
    Register::new(Reg::Pm1Cnt, 0x04, 4),
    Register::new(Reg::Pm1Tmr, 0x08, 4),
    Register::new(Reg::ProcCnt, 0x10, 4),
    Register::new(Reg::Gpe0Sts, 0x20, 8),
    Register::new(Reg::Gpe0En, 0x28, 8),
    Register::new(Reg::SmiEn, 0x30, 4),
    Register::new(Reg::SmiSts, 0x34, 4),
    Register::new(Reg::AltGpSmiEn, 0x38, 2),
    Register::new(Reg::AltGpSmiSts, 0x3a, 2),
    Register::new(Reg::GpeCntl, 0x42, 1),
    Register::new(Reg::DevactSts, 0x44, 2),
    Register::new(Reg::Pm2Cnt, 0x50, 1),
    Register::new(Reg::TcoRld, 0x60, 2),
    Register::new(Reg::TcoDatIn, 0x62, 1),
    Register::new(Reg::TcoDatOut, 0x63, 1),
    Register::new(Reg::Tco1Sts, 0x64, 2),
    Register::new(Reg::Tco2Sts, 0x66, 2),
    Register::new(Reg::Tco1Cnt, 0x68, 2),
    Register::new(Reg::Tco2Cnt, 0x6a, 2),
    Register::new(Reg::TcoMessage1, 0x6c, 1),
    Register::new(Reg::TcoMessage2, 0x6d, 1),
    Register::new(Reg::TcoWdcnt, 0x6e, 1),
    Register::new(Reg::SwIrqGen, 0x70, 1),
    Register::new(Reg::TcoTmr, 0x72, 2),
    Register::new(Reg::ApmCnt, APM_OFFSET, 1),
    Register::new(Reg::ApmSts, APM_OFFSET + 1, 1),
]);

bitflags::bitflags! {
    /// PM1_STS, and PM1_EN where a bit has an enable (13.8.3.1, 13.8.3.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Pm1: u16 {
        /// The timer's bit 23 changed.
        const TMROF = 1 << 0;
        /// Bus master activity; never set here.
        const BM = 1 << 4;
        /// The firmware wants the driver.
        const GBL = 1 << 5;
        /// Power button.
        const PWRBTN = 1 << 8;
        /// The real-time clock's alarm.
        const RTC = 1 << 10;
        /// Power button override; never set here.
        const PRBTNOR = 1 << 11;
        /// A PCI Express device woke the machine.
        const PCIEXPWAK = 1 << 14;
        /// The machine was woken.
        const WAK = 1 << 15;
    }
}

/// Bits of PM1_EN that can be set.
pub(crate) const PM1_EN: Pm1 =
    Pm1::TMROF.union(Pm1::GBL).union(Pm1::PWRBTN).union(Pm1::RTC).union(Pm1::PCIEXPWAK);

/// PM1_CNT (13.8.3.3).
pub(crate) mod pm1_cnt {
    /// Events raise the SCI, not an SMI.
    pub const SCI_EN: u32 = 1 << 0;
    /// Bus master requests end C3.
    pub const BM_RLD: u32 = 1 << 1;
    /// Tells the firmware that the driver has released the global lock; reads as 0.
    pub const GBL_RLS: u32 = 1 << 2;
    /// Lowest bit of the sleep type.
    pub const SLP_TYP_SHIFT: u32 = 10;
    /// The sleep type.
    pub const SLP_TYP: u32 = 7 << SLP_TYP_SHIFT;
    /// Go to sleep; reads as 0.
    pub const SLP_EN: u32 = 1 << 13;
}

/// SMI_EN (13.8.3.7).
pub(crate) mod smi_en {
    /// SMIs are generated.
    pub const GBL_SMI_EN: u32 = 1 << 0;
    /// Writes to APM_CNT generate one.
    pub const APMC_EN: u32 = 1 << 5;
    /// What can be set and cleared.
    pub const WRITABLE: u32 = 0x0604_79ff;
}

/// TCO registers (13.9).
pub(crate) mod tco {
    /// TCO1_STS: the watchdog ran out.
    pub const TIMEOUT: u16 = 1 << 3;
    /// TCO1_STS: bits that writing a one clears.
    pub const TCO1_STS_CLEAR: u16 = 0x1f38;
    /// TCO2_STS: the watchdog ran out a second time.
    pub const SECOND_TO_STS: u16 = 1 << 1;
    /// TCO2_STS: bits that writing a one clears.
    pub const TCO2_STS_CLEAR: u16 = 0x001f;
    /// TCO1_CNT: the watchdog stands.
    pub const TCO_TMR_HLT: u16 = 1 << 11;
    /// TCO1_CNT: TCO_TMR_HLT and others can no more be changed until reset.
    pub const TCO_LOCK: u16 = 1 << 12;
    /// TCO1_CNT: what can be written.
    pub const TCO1_CNT_WRITABLE: u16 = 0x1b00;
    /// TCO2_CNT: what can be written.
    pub const TCO2_CNT_WRITABLE: u16 = 0x003e;
    /// TCO_TMR: what can be written.
    pub const TCO_TMR_WRITABLE: u16 = 0x03ff;
    /// A tick of the watchdog, in nanoseconds.
    pub const TICK: u64 = 600_000_000;
}
