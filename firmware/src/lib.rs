//! The built-in BIOS.
