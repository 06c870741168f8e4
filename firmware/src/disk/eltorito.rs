//! Booting from CD, and what a booted CD asks about it ("El Torito" Bootable CD-ROM Format
//! Specification 1.0).

use crate::device::{Firmware, Service};
use crate::frame::{Frame, linear};

use super::int13::Outcome;
use super::{CD_SECTOR, ElTorito, FIRST_DISK, SECTOR, Target, status};
use crate::config::DriveKind;

/// The boot record volume descriptor, always sector 17 (section 2.2).
const BOOT_RECORD: u64 = 17;
const BOOT_RECORD_ID: &[u8] = b"\0CD001\x01EL TORITO SPECIFICATION";
const CATALOG_POINTER: usize = 0x47;

/// Entries of the boot catalog (section 2.1), 32 bytes each.
mod entry {
    pub const LEN: usize = 32;
    pub const VALIDATION: u8 = 0x01;
    pub const BOOTABLE: u8 = 0x88;
    pub const SECTION: u8 = 0x90;
    pub const LAST_SECTION: u8 = 0x91;
    pub const PLATFORM_X86: u8 = 0;
}

/// Where 0 as a load segment leads.
const DEFAULT_SEGMENT: u16 = 0x07c0;
/// Conventional memory ends here; nothing is loaded past it.
const LOAD_END: u64 = 0x9_f000;
/// Length of the specification packet (figure 6).
const PACKET_LEN: u8 = 0x13;

/// What a boot catalog offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BootEntry {
    media: u8,
    segment: u16,
    /// Sectors of 512 bytes.
    count: u16,
    image: u32,
}

/// The first bootable entry for x86.
fn find_entry(catalog: &[u8]) -> Option<BootEntry> {
    let mut entries = catalog.as_chunks::<{ entry::LEN }>().0.iter();
    let validation = entries.next()?;
    if validation[0] != entry::VALIDATION || validation[30..32] != [0x55, 0xaa] {
        return None;
    }
    let mut platform = validation[1];
    for e in entries {
        match e[0] {
            entry::BOOTABLE if platform == entry::PLATFORM_X86 => {
                return Some(BootEntry {
                    media: e[1] & 0x0f,
                    segment: u16::from_le_bytes([e[2], e[3]]),
                    count: u16::from_le_bytes([e[6], e[7]]),
                    image: u32::from_le_bytes([e[8], e[9], e[10], e[11]]),
                });
            }
            entry::SECTION | entry::LAST_SECTION => platform = e[1],
            _ => {}
        }
    }
    None
}

impl Firmware {
    /// Loads the boot image of the CD in drive `index`. `Err` says why there is none.
    pub(super) fn load_cd(&mut self, index: usize) -> Service<Result<(u16, u8), &'static str>> {
        let sector = u64::from(CD_SECTOR);
        if self.drives.get(index).is_none_or(|drive| drive.sectors() <= BOOT_RECORD) {
            return Ok(Err("no medium"));
        }
        let Ok(record) = self.disk_read(index, BOOT_RECORD * sector, CD_SECTOR)? else {
            return Ok(Err("cannot be read"));
        };
        if !record.starts_with(BOOT_RECORD_ID) {
            return Ok(Err("no boot record"));
        }
        let catalog = u32::from_le_bytes([
            record[CATALOG_POINTER],
            record[CATALOG_POINTER + 1],
            record[CATALOG_POINTER + 2],
            record[CATALOG_POINTER + 3],
        ]);
        let Ok(catalog) = self.disk_read(index, u64::from(catalog) * sector, CD_SECTOR)? else {
            return Ok(Err("the boot catalog cannot be read"));
        };
        let Some(found) = find_entry(&catalog) else { return Ok(Err("no bootable entry")) };
        if found.media > 4 {
            return Ok(Err("unknown kind of boot image"));
        }
        let segment = if found.segment == 0 { DEFAULT_SEGMENT } else { found.segment };
        let address = linear(segment, 0);
        // A diskette or disk image is booted by its first sector.
        let count = if found.media == 0 { u32::from(found.count.max(1)) } else { 1 };
        let room = LOAD_END.saturating_sub(address) / u64::from(SECTOR);
        if room < u64::from(count) {
            return Ok(Err("the boot image does not fit into memory"));
        }
        // The medium is read by its own sectors.
        let len = (count * SECTOR).next_multiple_of(CD_SECTOR);
        let image = u64::from(found.image) * sector;
        let Ok(bytes) = self.disk_read(index, image, len)? else {
            return Ok(Err("the boot image cannot be read"));
        };
        self.machine.write(address, &bytes[..(count * SECTOR) as usize]);
        let number = match found.media {
            0 => self.drive_number(index),
            4 => FIRST_DISK,
            _ => 0,
        };
        self.state.el_torito = Some(ElTorito {
            drive: index,
            media: found.media,
            number,
            image: found.image,
            load_segment: segment,
            load_count: count as u16,
            active: true,
        });
        if found.media != 0 {
            self.publish_drives();
        }
        Ok(Ok((segment, number)))
    }

    /// Where the number of an emulated drive leads.
    pub(super) fn emulated_target(&self, emulation: &ElTorito) -> Option<Target> {
        let drive = self.drives.get(emulation.drive)?;
        let start = u64::from(emulation.image) * u64::from(CD_SECTOR);
        let left = drive.backend.size().saturating_sub(start) / u64::from(SECTOR);
        let (kind, sectors) = match emulation.media {
            1 => (DriveKind::Floppy, 2400),
            2 => (DriveKind::Floppy, 2880),
            3 => (DriveKind::Floppy, 5760),
            _ => (DriveKind::HardDisk, left),
        };
        let sectors = left.min(sectors);
        Some(Target {
            drive: emulation.drive,
            kind,
            start,
            sectors,
            sector: SECTOR,
            emulated: true,
        })
    }

    /// AH = 4Ah to 4Dh: of these, ending the emulation and asking about it (AH = 4Bh).
    pub(super) fn el_torito_function(&mut self, f: &mut Frame) -> Outcome {
        const ASK: u8 = 1;
        if f.ah() != 0x4b {
            return Err(status::INVALID);
        }
        let Some(emulation) = &mut self.state.el_torito else { return Err(status::INVALID) };
        let mut packet = vec![PACKET_LEN, emulation.media, emulation.number, 0];
        packet.extend(emulation.image.to_le_bytes());
        packet.extend([0, 0]); // device specification
        packet.extend([0, 0]); // no cache segment
        packet.extend(emulation.load_segment.to_le_bytes());
        packet.extend(emulation.load_count.to_le_bytes());
        packet.extend([0, 0, 0]); // CHS of an emulated hard disk: as AH = 08h says
        if f.al() != ASK {
            emulation.active = false;
            self.publish_drives();
        }
        self.machine.write(linear(f.ds, f.si()), &packet);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(platform: u8, sections: &[(u8, u8)]) -> Vec<u8> {
        let mut bytes = vec![0; 2048];
        bytes[..2].copy_from_slice(&[1, platform]);
        bytes[30..32].copy_from_slice(&[0x55, 0xaa]);
        bytes[32] = 0x88;
        bytes[38] = 4;
        bytes[40] = 40;
        for (i, (head, platform)) in sections.iter().enumerate() {
            let at = 64 + i * 64;
            bytes[at..at + 2].copy_from_slice(&[*head, *platform]);
            bytes[at + 32] = 0x88;
            bytes[at + 40] = 41 + i as u8;
        }
        bytes
    }

    #[test]
    fn the_first_entry_for_x86_is_taken() {
        assert_eq!(find_entry(&catalog(0, &[])).map(|e| (e.image, e.count)), Some((40, 4)));
        let efi_first = catalog(0xef, &[(0x90, 0xef), (0x91, 0)]);
        assert_eq!(find_entry(&efi_first).map(|e| e.image), Some(42));
        assert_eq!(find_entry(&catalog(0xef, &[])), None);
        assert_eq!(find_entry(&[0; 2048]), None);
        assert_eq!(find_entry(&[]), None);
    }
}
