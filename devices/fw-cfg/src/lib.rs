//! QEMU firmware configuration interface (QEMU's `docs/specs/fw_cfg`): numbered items and named files
//! that firmware and guests read through two ports, or have copied into memory.

mod device;
mod items;
#[cfg(test)]
mod tests;

pub use device::FwCfg;
pub use items::{FileError, key};
