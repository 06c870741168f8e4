//! The CPU backend under test.

use aero_cpu::CpuBackend;
use aero_interpreter::Interpreter;

/// The environment variable that names the backend.
pub const VARIABLE: &str = "AERO_CPU_BACKEND";

/// A new backend of this name.
pub fn named(name: &str) -> Option<Box<dyn CpuBackend>> {
    match name {
        "interpreter" => Some(Box::new(Interpreter::new())),
        _ => None,
    }
}

/// The backend that the environment asks for; the interpreter if it names none.
pub(crate) fn under_test() -> Box<dyn CpuBackend> {
    let name = std::env::var(VARIABLE).unwrap_or_else(|_| "interpreter".to_owned());
    named(&name).unwrap_or_else(|| panic!("{VARIABLE} names no CPU backend: {name:?}"))
}
