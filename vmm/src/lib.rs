//! The machine: from a machine file to a running PC.

pub mod config;
pub mod devices;
