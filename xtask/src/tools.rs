//! Tools from the system's packages: found, or installed where that can be done unasked.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::sh;

fn is_root() -> bool {
    sh::output(&mut sh::cmd("id", &["-u"])).is_ok_and(|out| out.trim_ascii() == b"0")
}

/// Installs Debian packages when this is Debian and we are root; else fails with a sentence that names
/// them.
pub fn install(what: &str, packages: &[&str]) -> Result<()> {
    if sh::which("apt-get").is_none() {
        bail!("{what} is missing; install it (on Debian: {})", packages.join(" "));
    }
    if !is_root() {
        let list = packages.join(" ");
        bail!("{what} is missing; install it with: sudo apt-get install {list}");
    }
    sh::step(format!("Installing {}", packages.join(", ")));
    // A third-party list that cannot be read must not stop us: the install says what is missing.
    let _ = sh::output(&mut sh::cmd("apt-get", &["-q", "update"]));
    let mut args = vec!["-q", "-o", "DPkg::Lock::Timeout=300", "install", "-y"];
    args.push("--no-install-recommends");
    args.extend(packages);
    sh::output(sh::cmd("apt-get", &args).env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(())
}

/// The browser that the page is tested and measured in.
pub fn chromium() -> Result<PathBuf> {
    if let Some(found) = ["chromium", "google-chrome", "chrome"].iter().find_map(|c| sh::which(c)) {
        return Ok(found);
    }
    install("Chromium, in which the page is tested and measured,", &["chromium"])?;
    Ok("/usr/bin/chromium".into())
}
