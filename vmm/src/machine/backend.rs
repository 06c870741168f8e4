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
    let asked = &config.cpu.backend;
    if asked.as_ref().is_some_and(|backend| *backend.get_ref() == Backend::Interpreter) {
        return Ok(Box::new(Interpreter::new()));
    }
    let host = match code_host {
        Some(make) => Ok(make(ram)),
        None => own_code_host(ram),
    };
    match (host, asked) {
        (Ok(host), _) => Ok(Box::new(Jit::new(host, config.cpu.jit.settings()))),
        (Err(e), Some(asked)) => Err(config.error_at(asked, e)),
        (Err(e), None) => {
            log::info!("the processors are interpreted: {e}");
            Ok(Box::new(Interpreter::new()))
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
