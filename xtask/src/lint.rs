//! Formatting and clippy, with warnings as errors.

use anyhow::Result;

use crate::sh;
use crate::test::JIT;

/// Checks the whole workspace.
pub fn main() -> Result<()> {
    sh::step("rustfmt");
    sh::run(&mut sh::cmd("cargo", &["fmt", "--all", "--check"]))?;
    sh::step("clippy");
    let mut clippy = sh::cmd("cargo", &["clippy", "--workspace", "--all-targets"]);
    sh::run(clippy.args(["--features", JIT, "--", "-D", "warnings"]))
}
