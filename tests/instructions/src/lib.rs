//! Instruction tests as files: a file of assembly with the expected state in the comments at its head.
//! README.md describes the format.

mod assemble;
mod compare;
mod file;
mod machine;
mod run;

pub use assemble::nasm;
pub use run::{Options, Report, Ways, discover, run_all};
