//! The machine: from a machine file to a running PC.

pub mod boot;
mod bytes;
pub mod config;
mod console;
pub mod devices;
pub mod disk;
pub mod machine;
mod resources;

pub use console::Console;
pub use machine::{Ending, Host, Machine, MakeCodeHost, Stats, Step};
#[cfg(feature = "native")]
pub use resources::HostFiles;
pub use resources::{Access, MemoryFiles, Resources};
