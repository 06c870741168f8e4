//! A busybox system in memory: a shell on the screen and on the serial line, with the drivers for the
//! disks and the network card that the machine has.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::cpio::Archive;

/// Drivers loaded at the start, in this order. Their dependencies come by themselves.
const MODULES: [&str; 6] = ["ahci", "sd_mod", "sr_mod", "vfat", "nls_ascii", "nls_cp437"];

const INIT: &str = r#"#!/bin/sh
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev 2>/dev/null
dmesg -n 4
for module in MODULES; do modprobe -q $module; done
mkdir -p /disk /cdrom
for try in 1 2 3 4 5; do
    [ -b /dev/sda1 ] && break
    grep -q nodisk /proc/cmdline && break
    sleep 0.2
done
[ -b /dev/sda1 ] && mount -t vfat /dev/sda1 /disk 2>/dev/null
export HOME=/root PS1='aero# ' TERM=linux
greet() {
    cat /etc/motd
    echo "Linux $(uname -r) $(uname -m), $(grep -c ^processor /proc/cpuinfo) processor(s), $(free -m | awk '/Mem/{print $2}') MB of memory"
    [ -d /disk/boot ] && echo "The disk is mounted on /disk; what you write there stays."
    echo "Aero guest is up."
}
# Standard output is the last console the kernel was given; the other one is greeted as well.
grep -q console=tty0.*console=ttyS /proc/cmdline && greet >/dev/tty1
greet
if grep -q poweroff-at-once /proc/cmdline; then poweroff -f; fi
[ -c /dev/ttyS0 ] && (while :; do setsid cttyhack sh -l </dev/ttyS0 >/dev/ttyS0 2>&1; done) &
while :; do setsid sh -c 'exec sh -l </dev/tty1 >/dev/tty1 2>&1'; done
"#;

const MOTD: &str = "\n  Welcome to Aero, a PC in a browser tab.\n\n";

/// The archive, uncompressed, for the kernel whose modules lie in `modules`.
pub fn build(busybox: &Path, modules: &Path, version: &str) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for dir in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "lib", "lib/modules"] {
        archive.directory(dir);
    }
    archive.character_device("dev/console", 5, 1);
    archive.character_device("dev/null", 1, 3);
    let binary =
        std::fs::read(busybox).with_context(|| format!("cannot read {}", busybox.display()))?;
    archive.file("bin/busybox", &binary);
    for applet in APPLETS.split_whitespace() {
        archive.symlink(&format!("bin/{applet}"), "busybox");
    }
    archive.symlink("sbin", "bin");
    archive.file("etc/motd", MOTD.as_bytes());
    archive.file("etc/profile", b"export PS1='aero# ' HOME=/root PATH=/bin\ncd\n");
    archive.file("init", INIT.replace("MODULES", &MODULES.join(" ")).as_bytes());
    add_modules(&mut archive, modules, version)?;
    Ok(archive.finish())
}

const APPLETS: &str = "sh ash cat echo ls mount umount modprobe insmod lsmod dmesg mkdir rmdir rm cp mv \
    ln sleep setsid cttyhack uname grep awk sed free ps top kill poweroff reboot halt sync df du date \
    hexdump dd od head tail wc sort uniq cut tr vi less more clear env id stty tty true false test [ \
    find xargs md5sum sha256sum gzip gunzip tar time yes seq expr printf touch chmod lspci lsusb fdisk \
    blkid eject hwclock ifconfig ip ping route udhcpc wget nc beep chvt loadkmap reset which usleep";

fn add_modules(archive: &mut Archive, modules: &Path, version: &str) -> Result<()> {
    let order = std::fs::read_to_string(modules.join("modules.order")).ok();
    let files = module_files(modules)?;
    let mut dependencies = BTreeMap::new();
    for path in files.values() {
        dependencies.insert(path.clone(), depends_of(&modules.join(path))?);
    }
    // Depth first, so that a module comes behind what it needs.
    let mut wanted = Vec::new();
    for module in MODULES {
        visit(module, &files, &dependencies, &mut wanted);
    }
    let base = format!("lib/modules/{version}");
    archive.directory(&base);
    let mut dirs = std::collections::BTreeSet::new();
    for path in &wanted {
        let mut dir = Path::new(path);
        while let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
            dirs.insert(parent.to_string_lossy().into_owned());
            dir = parent;
        }
    }
    for dir in dirs {
        archive.directory(&format!("{base}/{dir}"));
    }
    let mut dep = String::new();
    for path in &wanted {
        archive.file(&format!("{base}/{path}"), &std::fs::read(modules.join(path))?);
        let mut needs = Vec::new();
        for name in &dependencies[path] {
            visit(name, &files, &dependencies, &mut needs);
        }
        needs.reverse();
        dep.push_str(&format!("{path}: {}\n", needs.join(" ")));
    }
    archive.file(&format!("{base}/modules.dep"), dep.as_bytes());
    if let Some(order) = order {
        archive.file(&format!("{base}/modules.order"), order.as_bytes());
    }
    Ok(())
}

fn visit(
    name: &str,
    files: &BTreeMap<String, String>,
    dependencies: &BTreeMap<String, Vec<String>>,
    out: &mut Vec<String>,
) {
    // A module that is not there is built into this kernel.
    let Some(path) = files.get(&name.replace('-', "_")) else { return };
    if out.contains(path) {
        return;
    }
    for needed in &dependencies[path] {
        visit(needed, files, dependencies, out);
    }
    out.push(path.clone());
}

/// Module names (with underscores) and their paths under `modules`.
fn module_files(modules: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    // Only the parts of the tree that hold what is asked for: the whole is thousands of files.
    for part in [
        "drivers/ata",
        "drivers/scsi",
        "drivers/cdrom",
        "fs/fat",
        "fs/nls",
        "lib",
        "block",
        "crypto",
        "arch",
    ] {
        let mut stack = vec![modules.join("kernel").join(part)];
        while let Some(dir) = stack.pop() {
            let Ok(entries) = std::fs::read_dir(&dir) else { continue };
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    stack.push(path);
                } else if path.extension().is_some_and(|e| e == "ko") {
                    let name =
                        path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
                    let relative = path.strip_prefix(modules)?.to_string_lossy().into_owned();
                    found.insert(name, relative);
                }
            }
        }
    }
    Ok(found)
}

/// The `depends=` line of a module's information section.
fn depends_of(module: &Path) -> Result<Vec<String>> {
    const KEY: &[u8] = b"\0depends=";
    let bytes = std::fs::read(module)?;
    let Some(at) = bytes.windows(KEY.len()).position(|window| window == KEY) else {
        return Ok(Vec::new());
    };
    let rest = &bytes[at + KEY.len()..];
    let end = rest.iter().position(|b| *b == 0).unwrap_or(0);
    let text = String::from_utf8_lossy(&rest[..end]).into_owned();
    Ok(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}
