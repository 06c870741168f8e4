//! What executes the processors' instructions.

use aero_bus::GuestRam;
use aero_cpu::CpuBackend;
use aero_interpreter::Interpreter;
use aero_jit::{CodeHost, Jit};

use super::MakeCodeHost;
use crate::config::{Backend, ConfigError, MachineConfig};

/// The backend that the machine file asks for.
pub(super) fn build(
    config: &MachineConfig,
    ram: &GuestRam,
    code_host: Option<MakeCodeHost>,
) -> Result<Box<dyn CpuBackend>, ConfigError> {
    match config.cpu.backend.get_ref() {
        Backend::Interpreter => Ok(Box::new(Interpreter::new())),
        Backend::Jit => {
            let host = match code_host {
                Some(make) => make(ram),
                None => own_code_host(ram).map_err(|e| config.error_at(&config.cpu.backend, e))?,
            };
            Ok(Box::new(Jit::new(host, config.cpu.jit.settings())))
        }
    }
}

/// The engine that is built into this program.
#[cfg(feature = "jit")]
fn own_code_host(ram: &GuestRam) -> Result<Box<dyn CodeHost>, String> {
    let host = aero_jit::WasmtimeHost::new(ram).map_err(|e| e.to_string())?;
    Ok(Box::new(host))
}

#[cfg(not(feature = "jit"))]
fn own_code_host(_ram: &GuestRam) -> Result<Box<dyn CodeHost>, String> {
    Err("this program has no engine for generated code: build it with `--features jit`".to_owned())
}
