//! `aero-differential`: compares a CPU backend with the host's processor.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod cli;

use std::process::ExitCode;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> ExitCode {
    cli::main()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() -> ExitCode {
    eprintln!("The referee is an x86-64 processor under Linux.");
    ExitCode::FAILURE
}
