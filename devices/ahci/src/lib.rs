//! The ICH9's AHCI controller (8086:2922) with SATA disks and ATAPI CD drives, register-compatible
//! with QEMU's.
//!
//! - [`Ahci`]: the PCI function. ABAR is BAR 5; BAR 4 reaches the same registers through an index and a
//!   data port.
//! - [`Attachment`]: what is plugged into each of its [`PORTS`] ports.
//!
//! Section numbers are of the Serial ATA Advanced Host Controller Interface specification 1.3.1 where
//! nothing else is named.

mod cd;
mod disk;
mod drive;
mod engine;
mod fis;
mod hba;
mod identify;
mod memory;
mod mmc;
mod port;
mod registers;
mod smart;

pub use drive::{Attachment, DriveIdentity};
pub use hba::Ahci;
pub use registers::PORTS;
