//! The demo disk: one FAT partition with both kernels, GRUB in the boot sector for a BIOS and in
//! `\EFI\BOOT` for UEFI.

use std::io::{Cursor, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};

use crate::debian::Archive;
use crate::sh;

const SECTOR: usize = 512;
const DISK_LEN: usize = 128 << 20;
/// The usual first partition at 1 MiB leaves room for GRUB's core image behind the boot sector.
const PARTITION_START: usize = 1 << 20;
const PARTITION_TABLE: usize = 446;
/// EFI system partition: FAT, found by BIOS boot loaders, UEFI and Linux alike.
const PARTITION_TYPE: u8 = 0xef;

const GRUB_CFG: &str = r#"serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=2
set default=0
menuentry "Linux, 64 bit" {
    linux /boot/vmlinuz-amd64 console=tty0 console=ttyS0
    initrd /boot/initrd-amd64
}
menuentry "Linux, 32 bit" {
    linux /boot/vmlinuz-686 console=tty0 console=ttyS0
    initrd /boot/initrd-686
}
"#;

/// Modules of GRUB's core image for a BIOS.
const GRUB_MODULES: [&str; 15] = [
    "biosdisk",
    "part_msdos",
    "fat",
    "normal",
    "linux",
    "configfile",
    "echo",
    "serial",
    "terminal",
    "test",
    "search",
    "ls",
    "cat",
    "reboot",
    "halt",
];

/// The whole disk.
pub fn build(archive: &Archive, guests: &Path) -> Result<Vec<u8>> {
    let mut disk = vec![0; DISK_LEN];
    disk[PARTITION_START..].copy_from_slice(&partition(archive, guests)?);
    install_grub(archive, &mut disk)?;
    let start = (PARTITION_START / SECTOR) as u32;
    let sectors = ((DISK_LEN - PARTITION_START) / SECTOR) as u32;
    let entry = &mut disk[PARTITION_TABLE..PARTITION_TABLE + 16];
    entry[0] = 0x80;
    // Cylinders, heads and sectors past the end of what the fields hold: use the block numbers.
    entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[4] = PARTITION_TYPE;
    entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[8..12].copy_from_slice(&start.to_le_bytes());
    entry[12..16].copy_from_slice(&sectors.to_le_bytes());
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    Ok(disk)
}

fn partition(archive: &Archive, guests: &Path) -> Result<Vec<u8>> {
    let mut image = Cursor::new(vec![0; DISK_LEN - PARTITION_START]);
    let hidden = PARTITION_START / SECTOR;
    fatfs::format_volume(&mut image, FormatVolumeOptions::new().volume_label(*b"AERO       "))
        .context("cannot format the partition")?;
    {
        let fs = FileSystem::new(&mut image, FsOptions::new())?;
        let root = fs.root_dir();
        for dir in ["boot", "boot/grub", "EFI", "EFI/BOOT", "EFI/debian"] {
            root.create_dir(dir)?;
        }
        let add = |path: &str, data: &[u8]| -> Result<()> {
            root.create_file(path)?.write_all(data).with_context(|| format!("cannot write {path}"))
        };
        for name in ["vmlinuz-amd64", "initrd-amd64", "vmlinuz-686", "initrd-686"] {
            add(&format!("boot/{name}"), &std::fs::read(guests.join(name))?)?;
        }
        add("boot/grub/grub.cfg", GRUB_CFG.as_bytes())?;
        // Debian's ready-made EFI image looks for its configuration here.
        add("EFI/debian/grub.cfg", GRUB_CFG.as_bytes())?;
        let efi = archive
            .package("grub-efi-amd64-bin")?
            .join("usr/lib/grub/x86_64-efi/monolithic/grubx64.efi");
        add("EFI/BOOT/BOOTX64.EFI", &std::fs::read(efi)?)?;
    }
    let mut bytes = image.into_inner();
    // BPB_HiddSec: where the partition begins on the disk, which boot code goes by.
    bytes[0x1c..0x20].copy_from_slice(&(hidden as u32).to_le_bytes());
    Ok(bytes)
}

/// GRUB's boot image into sector 0, its core image behind it. The boot image reads sector 1, and the
/// core image as made goes on from sector 2: just where they lie.
fn install_grub(archive: &Archive, disk: &mut [u8]) -> Result<()> {
    let modules = archive.package("grub-pc-bin")?.join("usr/lib/grub/i386-pc");
    let mkimage = archive.package("grub-common")?.join("usr/bin/grub-mkimage");
    let library = archive.package("libdevmapper1.02.1")?.join("lib/x86_64-linux-gnu");
    let core = sh::cache("guests")?.join("core.partial");
    let mut command = std::process::Command::new(mkimage);
    command
        .env("LD_LIBRARY_PATH", library)
        .args(["-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-d"])
        .arg(&modules)
        .arg("-o")
        .arg(&core)
        .args(GRUB_MODULES);
    sh::output(&mut command)?;
    let image = std::fs::read(&core)?;
    std::fs::remove_file(&core)?;
    ensure!(image.len() <= PARTITION_START - SECTOR, "GRUB's core image is too long for its gap");
    let boot = std::fs::read(modules.join("boot.img"))?;
    ensure!(boot.len() == SECTOR, "GRUB's boot image is one sector long");
    disk[..PARTITION_TABLE].copy_from_slice(&boot[..PARTITION_TABLE]);
    disk[SECTOR..SECTOR + image.len()].copy_from_slice(&image);
    Ok(())
}
