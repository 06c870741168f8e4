//! The CPU backends by name.

use aero_cpu::CpuBackend;
use aero_interpreter::Interpreter;
use anyhow::{Result, bail};

/// Every backend's name.
pub const NAMES: &[&str] = &["interpreter"];

/// A new backend of this name.
pub fn backend(name: &str) -> Result<Box<dyn CpuBackend>> {
    Ok(match name {
        "interpreter" => Box::new(Interpreter::new()),
        _ => bail!("there is no CPU backend {name:?}; there are {} and all", NAMES.join(", ")),
    })
}

/// The names that a value of `AERO_CPU_BACKEND` stands for.
pub fn chosen(value: Option<&str>) -> Result<Vec<&str>> {
    match value {
        None | Some("") => Ok(vec![NAMES[0]]),
        Some("all") => Ok(NAMES.to_vec()),
        Some(name) => backend(name).map(|_| vec![name]),
    }
}
