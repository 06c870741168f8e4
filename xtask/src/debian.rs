//! Packages of the Debian archive, downloaded and unpacked without root, for guests and firmware.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::sh;

/// Debian packages unpacked side by side in a folder of our own.
pub struct Archive {
    dir: PathBuf,
    updated: std::cell::Cell<bool>,
}

impl Archive {
    /// The archive's local copy. Nothing is downloaded yet.
    pub fn open() -> Result<Self> {
        let dir = sh::cache("debian")?;
        for sub in ["lists/partial", "archives/partial", "packages"] {
            std::fs::create_dir_all(dir.join(sub))?;
        }
        Ok(Self { dir, updated: false.into() })
    }

    fn apt(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        let set = |name: &str, value: &Path| format!("{name}={}", value.display());
        command
            .current_dir(self.dir.join("archives"))
            .args(["-q", "-o", "APT::Architectures::=amd64", "-o", "APT::Architectures::=i386"])
            .args(["-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=3"])
            .args(["-o", &set("Dir::State::Lists", &self.dir.join("lists"))])
            .args(["-o", &set("Dir::Cache", &self.dir)])
            .args(args);
        command
    }

    fn update(&self) -> Result<()> {
        if self.updated.replace(true) {
            return Ok(());
        }
        if sh::which("apt-get").is_none() || sh::which("dpkg-deb").is_none() {
            bail!(
                "the demo and the guest tests take their kernels from Debian's packages, and apt-get \
                 and dpkg-deb are not on this machine. Bring an image of your own: \
                 cargo xtask run MACHINE.toml (see vmm/docs/machine-file.md)"
            );
        }
        sh::step("Reading Debian's package lists");
        // One list that fails (a mirror in the middle of an update) does not matter if the packages
        // are in the others.
        let _ = sh::output(&mut self.apt("apt-get", &["update"]));
        Ok(())
    }

    /// The folder of an unpacked package; `name` may carry an architecture (`busybox-static:i386`).
    pub fn package(&self, name: &str) -> Result<PathBuf> {
        let target = self.dir.join("packages").join(name.replace(':', "-"));
        if target.is_dir() {
            return Ok(target);
        }
        self.update()?;
        sh::step(format!("Fetching Debian's {name}"));
        let archives = self.dir.join("archives");
        let before = debs(&archives)?;
        sh::output(&mut self.apt("apt-get", &["download", name]))?;
        let deb = debs(&archives)?
            .into_iter()
            .find(|deb| !before.contains(deb))
            .or_else(|| before.iter().find(|deb| is_package(deb, name)).cloned())
            .with_context(|| format!("apt-get downloaded no file for {name}"))?;
        let partial = target.with_extension("partial");
        let _ = std::fs::remove_dir_all(&partial);
        let words = [deb.display().to_string(), partial.display().to_string()];
        sh::output(&mut sh::cmd("dpkg-deb", &["-x", &words[0], &words[1]]))?;
        std::fs::rename(&partial, &target)?;
        std::fs::remove_file(&deb)?;
        Ok(target)
    }

    /// The package that a meta-package such as `linux-image-amd64` depends on.
    pub fn dependency(&self, meta: &str, prefix: &str) -> Result<String> {
        let note = self.dir.join(format!("{}.depends", meta.replace(':', "-")));
        if let Ok(name) = std::fs::read_to_string(&note) {
            return Ok(name);
        }
        self.update()?;
        let out = sh::output(&mut self.apt("apt-cache", &["depends", meta]))?;
        let text = String::from_utf8_lossy(&out);
        let name = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .find(|name| name.starts_with(prefix))
            .with_context(|| format!("Debian's {meta} depends on no {prefix}…"))?
            .to_owned();
        std::fs::write(&note, &name)?;
        Ok(name)
    }
}

fn debs(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "deb") {
            found.push(path);
        }
    }
    Ok(found)
}

fn is_package(deb: &Path, name: &str) -> bool {
    let (package, arch) = name.split_once(':').unwrap_or((name, ""));
    let file = deb.file_name().unwrap_or_default().to_string_lossy();
    file.split('_').next() == Some(package)
        && (arch.is_empty() || file.contains(&format!("_{arch}.")))
}
