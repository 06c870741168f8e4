//! The machine: from a machine file to a running PC.

mod bytes;
pub mod config;
pub mod devices;
pub mod disk;
mod resources;

#[cfg(feature = "native")]
pub use resources::HostFiles;
pub use resources::{Access, MemoryFiles, Resources};
