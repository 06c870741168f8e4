//! Random text as a machine file.

use aero_vmm::config::MachineConfig;

/// Runs one input: up to a NUL the file, after it `--set` arguments, a line each.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (file, sets) = text.split_once('\0').unwrap_or((text, ""));
    let sets: Vec<String> = sets.lines().map(str::to_owned).collect();
    if let Err(error) = MachineConfig::parse("machine.toml", file, &sets) {
        let message = error.to_string();
        assert!(!message.is_empty() && !message.contains('\n'), "one line, and not {message:?}");
    }
}
