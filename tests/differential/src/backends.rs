//! The CPU backends, by name: the one place where they are listed.

use aero_bus::GuestRam;
use aero_cpu::CpuBackend;
use aero_interpreter::Interpreter;

/// Names of all backends.
pub const NAMES: &[&str] = &[
    "interpreter",
    #[cfg(feature = "jit")]
    "jit",
];
/// The environment variable that says which to run if the command line does not.
pub const VARIABLE: &str = "AERO_CPU_BACKEND";

/// A new backend of this name, for a machine with this memory.
pub fn backend(name: &str, ram: &GuestRam) -> Option<Box<dyn CpuBackend>> {
    let _ = ram;
    match name {
        "interpreter" => Some(Box::new(Interpreter::new())),
        #[cfg(feature = "jit")]
        "jit" => {
            // Everything is translated before it is executed for the first time.
            let settings = aero_jit::Settings::eager();
            let host = aero_jit::WasmtimeHost::new(ram).expect("the memory is small");
            Some(Box::new(aero_jit::Jit::new(Box::new(host), settings)))
        }
        _ => None,
    }
}

/// The names meant by a list with commas between them, or by `all`.
pub fn parse(list: &str) -> Result<Vec<&'static str>, String> {
    if list == "all" {
        return Ok(NAMES.to_vec());
    }
    list.split(',')
        .map(|name| {
            NAMES
                .iter()
                .find(|known| **known == name)
                .copied()
                .ok_or_else(|| format!("no backend {name:?}; there are: all, {}", NAMES.join(", ")))
        })
        .collect()
}

/// What the environment asks for; all of them if it says nothing.
pub fn from_environment() -> Result<Vec<&'static str>, String> {
    match std::env::var(VARIABLE) {
        Ok(list) if !list.is_empty() => parse(&list),
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
        assert_eq!(parse("all").unwrap(), NAMES);
        assert_eq!(parse("interpreter").unwrap(), ["interpreter"]);
        assert!(parse("interpreter,none").is_err());
    }
}
