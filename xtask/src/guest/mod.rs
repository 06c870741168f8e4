//! The guests that the demo and the tests boot, made from Debian's packages.

pub mod cpio;
mod disk;
mod initramfs;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::debian::Archive;
use crate::sh;

/// Everything that can be booted, as files in one folder with stable names, so that tests and machine
/// files can name them.
pub struct Guests {
    /// The folder.
    pub dir: PathBuf,
}

impl fmt::Display for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Guests in {}:", self.dir.display())?;
        let mut names: Vec<_> = std::fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort();
        write!(f, "  {}", names.join("\n  "))
    }
}

/// One Linux of two: 64 or 32 bit.
struct Linux {
    name: &'static str,
    meta: &'static str,
    busybox: &'static str,
    arch: &'static str,
}

const LINUX: [Linux; 2] = [
    Linux { name: "amd64", meta: "linux-image-amd64", busybox: "busybox-static:amd64", arch: "" },
    Linux {
        name: "686",
        meta: "linux-image-686:i386",
        busybox: "busybox-static:i386",
        arch: ":i386",
    },
];

/// Fetches and makes what is not there yet.
///
/// | file | what it is |
/// |---|---|
/// | `vmlinuz-amd64`, `initrd-amd64`, `vmlinuz-686`, `initrd-686` | Debian's kernels, a busybox initramfs |
/// | `demo.img` | a disk with GRUB (BIOS and EFI) and both of them |
/// | `memtest.iso`, `grub-rescue.iso` | CDs |
/// | `bios-256k.bin`, `OVMF.fd` | SeaBIOS and OVMF |
pub fn prepare() -> Result<Guests> {
    let dir = sh::cache("guests")?;
    let archive = Archive::open()?;
    for linux in &LINUX {
        let kernel = dir.join(format!("vmlinuz-{}", linux.name));
        let initrd = dir.join(format!("initrd-{}", linux.name));
        if kernel.exists() && initrd.exists() {
            continue;
        }
        let image = archive.dependency(linux.meta, "linux-image-")?;
        let version = image.trim_start_matches("linux-image-").trim_end_matches(":i386");
        let package =
            archive.package(&format!("{}{}", image.trim_end_matches(":i386"), linux.arch))?;
        let busybox = archive.package(linux.busybox)?.join("bin/busybox");
        sh::step(format!("Making the {} initramfs", linux.name));
        let modules = package.join("lib/modules").join(version);
        save(&initrd, &initramfs::build(&busybox, &modules, version)?)?;
        copy(&package.join("boot").join(format!("vmlinuz-{version}")), &kernel)?;
    }
    for (package, file, name) in [
        ("memtest86+", "usr/lib/memtest86+/memtest86+x64.iso", "memtest.iso"),
        ("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-cdrom.iso", "grub-rescue.iso"),
        ("seabios", "usr/share/seabios/bios-256k.bin", "bios-256k.bin"),
        ("seabios", "usr/share/seabios/vgabios-stdvga.bin", "vgabios-stdvga.bin"),
        ("ovmf", "usr/share/ovmf/OVMF.fd", "OVMF.fd"),
    ] {
        let target = dir.join(name);
        if !target.exists() {
            copy(&archive.package(package)?.join(file), &target)?;
        }
    }
    let disk = dir.join("demo.img");
    if !disk.exists() {
        sh::step("Making the demo disk");
        save(&disk, &disk::build(&archive, &dir)?)?;
    }
    Ok(Guests { dir })
}

/// Writes a file whole or not at all.
fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, bytes)
        .with_context(|| format!("cannot write {}", partial.display()))?;
    std::fs::rename(&partial, path)?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    save(to, &bytes)
}
