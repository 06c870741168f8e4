//! VGA with Bochs VBE extensions, compatible with QEMU's standard VGA (IBM PS/2 hardware reference,
//! video subsystem; QEMU's `docs/specs/standard-vga`).
//!
//! One memory is everything: the linear frame buffer, the bank in the window at 0xA0000, and the
//! VGA's four planes, whose bytes lie side by side in it.

mod dac;
mod device;
mod edid;
mod memory;
mod ports;
mod registers;
mod render;
#[cfg(test)]
mod tests;
mod text;
mod timing;
mod vbe;
mod vram;

pub use device::{Vga, VgaConfig};
