//! The PCI side of the machine: the bus with its configuration mechanisms, and the two bridges that
//! every Q35 board has.
//!
//! - [`PciBus`]: functions by address; ports 0xCF8 and 0xCFC, ECAM; where BARs are decoded.
//! - [`HostBridge`] at 00:00.0, the 82Q35 MCH: PCIEXBAR, PAM, SMRAM, the BIOS ROM.
//! - [`Lpc`] at 00:1f.0, the ICH9 LPC bridge: power management base, interrupt routing, RCBA.
//! - [`PirqRouter`]: from INTx# pins over PIRQA#–PIRQH# to interrupt inputs.
//!
//! Section names are of the Intel 3 Series Express Chipset Family datasheet (document 316966) for the
//! MCH and of the Intel I/O Controller Hub 9 datasheet (316972) for the LPC bridge.

mod bus;
mod chipset_config;
mod decode;
mod host_bridge;
mod lpc;
mod pam;
mod pirq;

use std::sync::{Mutex, MutexGuard, PoisonError};

use aero_bus::{MsiMessage, MsiSink};

pub use bus::{BarInfo, FunctionInfo, PciBus, PciError};
pub use host_bridge::{HostBridge, LegacyVga};
pub use lpc::{Lpc, PmWindow};
pub use pirq::{GSI_COUNT, PirqRouter, pirq_gsi, pirq_of};

/// The subsystem ids of the board's own functions, QEMU's.
const SUBSYSTEM_VENDOR: u16 = 0x1af4;
const SUBSYSTEM: u16 = 0x1100;
const INTEL: u16 = 0x8086;

/// Locks, also after a panic in another thread: the panic is reported where it happened.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message end of functions that have no interrupt.
struct NoMessages;

impl MsiSink for NoMessages {
    fn send(&self, message: MsiMessage) {
        log::warn!("a bridge without MSI sent {message:?}");
    }
}
