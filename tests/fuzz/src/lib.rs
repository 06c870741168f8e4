//! Fuzz targets. Each is a function of bytes that panics when it has found something; `cargo xtask fuzz`
//! feeds them through libFuzzer, and the tests replay what is kept in `seeds` and `regressions`.

pub mod cpu;
mod input;
pub mod machine_file;
pub mod mutate;
pub mod paging;
pub mod snapshot;
mod walk;
mod world;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("cpu", cpu::run),
    ("paging", paging::run),
    ("machine-file", machine_file::run),
    ("snapshot", snapshot::run),
];
