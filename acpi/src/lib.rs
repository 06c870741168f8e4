//! ACPI tables, AML and SMBIOS from the machine as built.
//!
//! A [`PlatformDescription`] is plain data. [`AcpiTables::build`] makes the tables of it, in a form that
//! does not depend on where they will lie: either [`AcpiTables::resolve`] puts them at an address (the
//! built-in BIOS does that), or [`AcpiTables::fw_cfg_files`] leaves it to SeaBIOS or OVMF, with the
//! commands of QEMU's table loader. [`smbios::Smbios`] does the same for SMBIOS.
//!
//! Sections are of the ACPI Specification 3.0b, whose tables Windows 7 knows, unless told otherwise.

mod aml;
mod blob;
mod description;
mod dsdt;
mod isa;
mod loader;
pub mod smbios;
mod tables;

pub use aml::Fragment;
pub use description::{
    Cpu, Ecam, Gpe, Hpet, IoApic, IsaDevice, Links, MemoryWindow, Oem, PlatformDescription, Pm,
    ResetRegister, SleepStates, SmiCommands,
};
pub use tables::{AcpiTables, ResolvedAcpi};

/// A file as `fw_cfg` shows it: name and contents.
pub type FwCfgFile = (&'static str, Vec<u8>);
