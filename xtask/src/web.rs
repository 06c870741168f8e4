//! The page: npm packages, TypeScript, Vite.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::{sh, wasm};

/// Builds the page with everything in it; returns the folder to serve.
pub fn build() -> Result<PathBuf> {
    let frontend = sh::root().join("frontend");
    wasm::build(&frontend.join("pkg"))?;
    install_packages()?;
    sh::step("Building the page");
    sh::run(sh::cmd("npm", &["run", "build"]).current_dir(&frontend))?;
    Ok(frontend.join("dist"))
}

/// The page's npm packages, as its lock file has them.
pub fn install_packages() -> Result<()> {
    ensure!(
        sh::which("node").is_some() && sh::which("npm").is_some(),
        "the page is built with Node.js (20 or newer) and npm, and they are not on this machine"
    );
    let frontend = sh::root().join("frontend");
    let lock = std::fs::read(frontend.join("package-lock.json"))?;
    let stamp = frontend.join("node_modules/.installed");
    if std::fs::read(&stamp).is_ok_and(|was| was == lock) {
        return Ok(());
    }
    sh::step("Installing the page's packages");
    sh::run(sh::cmd("npm", &["ci", "--no-audit", "--no-fund"]).current_dir(&frontend))?;
    std::fs::write(stamp, lock)?;
    Ok(())
}
