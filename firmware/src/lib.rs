//! The built-in BIOS.
//!
//! Two small ROM images hold stubs ([`system_rom`], [`vga_rom`]): a stub pushes the caller's registers,
//! hands them to the [`Firmware`] device through a few I/O ports, and pops what it gets back. The
//! services are ordinary code here, by interrupt: `int10` the screen, `disk` INT 13h and 19h, `int15`,
//! `keyboard` INT 16h, `int1a`, and so on; `post` is what happens before.
//!
//! The firmware drives the machine's real hardware, through guest memory and ports, as code on a real
//! board would. Only disks are closer to it: it has back-end handles of its own.

mod bda;
mod config;
mod device;
mod disk;
mod e820;
mod font;
mod frame;
mod int10;
mod int15;
mod int1a;
mod keyboard;
mod keymap;
mod machine;
mod mouse;
mod port;
mod post;
mod rom;
mod serial;
#[cfg(test)]
mod tests;

pub use config::{BootDrive, DriveKind, FirmwareConfig, PciConfigPlan, TableBuilder};
pub use device::Firmware;
pub use port::{PORT_BASE, PORT_COUNT};
pub use rom::{system_rom, vga_rom};
