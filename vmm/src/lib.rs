//! The machine: from a machine file to a running PC.

pub mod boot;
mod bytes;
pub mod config;
mod console;
pub mod devices;
pub mod disk;
mod resources;

pub use console::Console;
#[cfg(feature = "native")]
pub use resources::HostFiles;
pub use resources::{Access, MemoryFiles, Resources};
