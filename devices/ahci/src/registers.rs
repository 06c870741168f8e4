//! The registers of the host bus adapter (AHCI 1.3.1, chapter 3).

use aero_bus::{Register, RegisterMap};

/// Ports that this controller has, as the ICH9's and QEMU's.
pub const PORTS: usize = 6;
/// Command slots of a port.
pub(crate) const SLOTS: u32 = 32;

/// Where the ports' registers begin in ABAR, and how far apart they are.
pub(crate) const PORT_BASE: u64 = 0x100;
pub(crate) const PORT_LEN: u64 = 0x80;

/// Generic host control (3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    /// HBA capabilities.
    Cap,
    /// Global HBA control.
    Ghc,
    /// Interrupt status, a bit a port.
    Is,
    /// Ports implemented, a bit a port.
    Pi,
    /// AHCI version.
    Vs,
}

pub(crate) const GLOBALS: RegisterMap<Global> = RegisterMap::new(&[
    Register::new(Global::Cap, 0x00, 4),
    Register::new(Global::Ghc, 0x04, 4),
    Register::new(Global::Is, 0x08, 4),
    Register::new(Global::Pi, 0x0c, 4),
    Register::new(Global::Vs, 0x10, 4),
]);

/// Port registers (3.3), "Px" left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortRegister {
    /// Command list base address, 1 KiB aligned.
    Clb,
    /// Its upper half.
    Clbu,
    /// FIS base address, 256 bytes aligned.
    Fb,
    /// Its upper half.
    Fbu,
    /// Interrupt status.
    Is,
    /// Interrupt enable.
    Ie,
    /// Command and status.
    Cmd,
    /// Task file data: status and error.
    Tfd,
    /// Signature.
    Sig,
    /// SATA status (SCR0).
    Ssts,
    /// SATA control (SCR2).
    Sctl,
    /// SATA error (SCR1).
    Serr,
    /// SATA active (SCR3): queued commands, a bit a tag.
    Sact,
    /// Command issue, a bit a slot.
    Ci,
}

pub(crate) const PORT_REGISTERS: RegisterMap<PortRegister> = RegisterMap::new(&[
    Register::new(PortRegister::Clb, 0x00, 4),
    Register::new(PortRegister::Clbu, 0x04, 4),
    Register::new(PortRegister::Fb, 0x08, 4),
    Register::new(PortRegister::Fbu, 0x0c, 4),
    Register::new(PortRegister::Is, 0x10, 4),
    Register::new(PortRegister::Ie, 0x14, 4),
    Register::new(PortRegister::Cmd, 0x18, 4),
    Register::new(PortRegister::Tfd, 0x20, 4),
    Register::new(PortRegister::Sig, 0x24, 4),
    Register::new(PortRegister::Ssts, 0x28, 4),
    Register::new(PortRegister::Sctl, 0x2c, 4),
    Register::new(PortRegister::Serr, 0x30, 4),
    Register::new(PortRegister::Sact, 0x34, 4),
    Register::new(PortRegister::Ci, 0x38, 4),
]);

/// CAP: 64-bit addresses, native command queuing, command list override, 1.5 Gb/s, AHCI only, 32 slots,
/// 6 ports.
pub(crate) const CAP: u32 =
    1 << 31 | 1 << 30 | 1 << 24 | 1 << 20 | 1 << 18 | (SLOTS - 1) << 8 | (PORTS as u32 - 1);
pub(crate) const PI: u32 = (1 << PORTS) - 1;
/// AHCI 1.0, as QEMU's.
pub(crate) const VS: u32 = 0x0001_0000;

bitflags::bitflags! {
    /// GHC (3.1.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Ghc: u32 {
        /// Resets the controller; reads as zero when done.
        const HR = 1 << 0;
        /// Interrupts are enabled.
        const IE = 1 << 1;
        /// AHCI mode; always set, there is no other.
        const AE = 1 << 31;
    }
}

bitflags::bitflags! {
    /// PxIS and PxIE (3.3.5, 3.3.6).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct PortIrq: u32 {
        /// Device-to-host register FIS with the interrupt bit.
        const DHRS = 1 << 0;
        /// PIO setup FIS with the interrupt bit.
        const PSS = 1 << 1;
        /// DMA setup FIS with the interrupt bit.
        const DSS = 1 << 2;
        /// Set device bits FIS with the interrupt bit.
        const SDBS = 1 << 3;
        /// Unknown FIS.
        const UFS = 1 << 4;
        /// A descriptor with the interrupt bit has been processed.
        const DPS = 1 << 5;
        /// PxSERR.DIAG.X; cleared there.
        const PCS = 1 << 6;
        /// Mechanical presence.
        const DMPS = 1 << 7;
        /// PxSERR.DIAG.N; cleared there.
        const PRCS = 1 << 22;
        /// Incorrect port multiplier.
        const IPMS = 1 << 23;
        /// More bytes than the descriptors have room for.
        const OFS = 1 << 24;
        /// Interface error, not fatal.
        const INFS = 1 << 26;
        /// Interface error, fatal: the port stops.
        const IFS = 1 << 27;
        /// Bad data from memory.
        const HBDS = 1 << 28;
        /// Bad address in memory: the port stops.
        const HBFS = 1 << 29;
        /// The device reported an error: the port stops.
        const TFES = 1 << 30;
        /// Cold port detect.
        const CPDS = 1 << 31;
    }
}

bitflags::bitflags! {
    /// PxCMD (3.3.7).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct PortCmd: u32 {
        /// Process the command list.
        const ST = 1 << 0;
        /// Spin up; always set without staggered spin-up.
        const SUD = 1 << 1;
        /// Power on; always set without cold presence detection.
        const POD = 1 << 2;
        /// Command list override: clear BSY and DRQ.
        const CLO = 1 << 3;
        /// Post received FISes.
        const FRE = 1 << 4;
        /// FISes are being received.
        const FR = 1 << 14;
        /// The command list is being processed.
        const CR = 1 << 15;
        /// The device is an ATAPI device: drive the LED of those.
        const ATAPI = 1 << 24;
        /// Drive the LED for ATAPI devices too.
        const DLAE = 1 << 25;
        /// Aggressive link power management; not supported, kept as written.
        const ALPE = 1 << 26;
        /// As ALPE.
        const ASP = 1 << 27;
    }
}

impl PortCmd {
    /// What software may set and read back. PxCMD.ICC, bits 31:28, always reads as idle: the link is
    /// active, and stays so.
    pub const WRITABLE: Self = Self::ST
        .union(Self::FRE)
        .union(Self::ATAPI)
        .union(Self::DLAE)
        .union(Self::ALPE)
        .union(Self::ASP);
    /// Where the current command slot is.
    pub const CCS_SHIFT: u32 = 8;
}

/// PxSSTS (3.3.10): device present and communicating, 1.5 Gb/s, active.
pub(crate) const SSTS_ACTIVE: u32 = 0x113;
/// PxSSTS.DET: a device is there, no communication.
pub(crate) const SSTS_NO_COMMUNICATION: u32 = 0x001;
/// PxSSTS.DET: the interface is disabled.
pub(crate) const SSTS_OFFLINE: u32 = 0x004;

/// PxSCTL (3.3.11): DET, SPD and IPM.
pub(crate) const SCTL_WRITABLE: u32 = 0xfff;
pub(crate) const SCTL_DET: u32 = 0xf;
/// DET: keep sending COMRESET.
pub(crate) const DET_COMRESET: u32 = 1;
/// DET: disable the interface.
pub(crate) const DET_OFFLINE: u32 = 4;

/// PxSERR (3.3.12): PhyRdy changed, a device was exchanged.
pub(crate) const SERR_DIAG_N: u32 = 1 << 16;
pub(crate) const SERR_DIAG_X: u32 = 1 << 26;

/// PxTFD after a reset, before the device's first FIS; and PxSIG.
pub(crate) const TFD_NONE: u32 = 0x7f;
pub(crate) const SIG_NONE: u32 = 0xffff_ffff;
