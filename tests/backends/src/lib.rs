//! The CPU backends that tests run on, by name: the one place where they are listed.
//!
//! `AERO_CPU_BACKEND` says which a test runs on: names with commas between them, or `all`, which is
//! also what it means if it is not set. The JIT is there if this crate is built with `jit`.

use aero_bus::GuestRam;
use aero_cpu::CpuBackend;
use aero_interpreter::Interpreter;

/// Names of all backends.
pub const NAMES: &[&str] = &[
    "interpreter",
    #[cfg(feature = "jit")]
    "jit",
    #[cfg(feature = "jit")]
    "jit-optimized",
];
/// The environment variable that says which to run.
pub const VARIABLE: &str = "AERO_CPU_BACKEND";

/// A new backend of this name, for a machine with this memory. The processor and its signals have to be
/// placed beside that (`Vcpu::placed`, `CpuSignals::placed`), where generated code can reach them.
pub fn backend(name: &str, ram: &GuestRam) -> Option<Box<dyn CpuBackend>> {
    match name {
        "interpreter" => Some(Box::new(Interpreter::new())),
        #[cfg(feature = "jit")]
        "jit" => Some(Box::new(jit(ram, false))),
        #[cfg(feature = "jit")]
        "jit-optimized" => Some(Box::new(jit(ram, true))),
        _ => {
            let _ = ram;
            None
        }
    }
}

/// Everything is translated before it is executed for the first time; what little is executed is not
/// worth much of a compiler's effort. `optimized` for the tier that code gets to which takes much time.
#[cfg(feature = "jit")]
fn jit(ram: &GuestRam, optimized: bool) -> aero_jit::Jit {
    let host = aero_jit::WasmtimeHost::hasty(ram).expect("tests' memories are small");
    let settings = aero_jit::Settings { optimized, ..aero_jit::Settings::eager() };
    aero_jit::Jit::new(Box::new(host), settings)
}

/// The names meant by a list with commas between them, or by `all`.
pub fn parse(list: &str) -> Result<Vec<&'static str>, String> {
    if list == "all" {
        return Ok(NAMES.to_vec());
    }
    list.split(',')
        .map(|name| {
            NAMES.iter().find(|known| **known == name).copied().ok_or_else(|| {
                let jit = if cfg!(feature = "jit") {
                    ""
                } else {
                    " (jit, jit-optimized with the feature jit)"
                };
                format!("no backend {name:?}; there are: all, {}{jit}", NAMES.join(", "))
            })
        })
        .collect()
}

/// What the environment asks for; all of them if it says nothing.
pub fn from_environment() -> Result<Vec<&'static str>, String> {
    match std::env::var(VARIABLE) {
        Ok(list) if !list.is_empty() => {
            parse(&list).map_err(|error| format!("{VARIABLE}: {error}"))
        }
        _ => Ok(NAMES.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_backend() {
        let ram = GuestRam::new(4 << 20, 0).unwrap();
        for name in NAMES {
            assert!(backend(name, &ram).is_some(), "{name}");
        }
        assert!(backend("none", &ram).is_none());
        assert_eq!(parse("all").unwrap(), NAMES);
        assert_eq!(parse("interpreter").unwrap(), ["interpreter"]);
        assert!(parse("interpreter,none").is_err());
    }
}
