//! The commands of QEMU's table loader: what SeaBIOS and OVMF do to the files they read from fw_cfg.

use crate::blob::{Blob, Checksum, Pointer};

/// The file with the tables.
pub(crate) const TABLES: &str = "etc/acpi/tables";
/// The file with the root pointer.
pub(crate) const RSDP: &str = "etc/acpi/rsdp";
/// The file with the commands.
pub(crate) const LOADER: &str = "etc/table-loader";

/// Every command takes this many bytes.
const COMMAND_LEN: usize = 128;
const NAME_LEN: usize = 56;

const ALLOCATE: u32 = 1;
const ADD_POINTER: u32 = 2;
const ADD_CHECKSUM: u32 = 3;

/// Where an allocation may lie.
#[derive(Clone, Copy)]
pub(crate) enum Zone {
    /// Anywhere below 4 GiB.
    High = 1,
    /// In the F segment.
    FSegment = 2,
}

#[derive(Default)]
pub(crate) struct Script(Vec<u8>);

impl Script {
    /// Reads `file` into memory with this alignment.
    pub fn allocate(&mut self, file: &str, align: u32, zone: Zone) {
        self.command(ALLOCATE, &[file], &align.to_le_bytes(), &[zone as u8]);
    }

    /// Turns the offsets in `file` into addresses (all point into the tables) and sets its checksums.
    pub fn finish(&mut self, file: &str, blob: &Blob) {
        for Pointer { at, size } in &blob.pointers {
            let at = (*at as u32).to_le_bytes();
            self.command(ADD_POINTER, &[file, TABLES], &at, &[*size as u8]);
        }
        for Checksum { at, start, len } in &blob.checksums {
            let words = [*at, *start, *len].map(|w| (w as u32).to_le_bytes()).concat();
            self.command(ADD_CHECKSUM, &[file], &words, &[]);
        }
    }

    fn command(&mut self, id: u32, files: &[&str], words: &[u8], tail: &[u8]) {
        let start = self.0.len();
        self.0.extend(id.to_le_bytes());
        for file in files {
            let end = self.0.len() + NAME_LEN;
            self.0.extend(file.as_bytes());
            self.0.resize(end, 0);
        }
        self.0.extend(words);
        self.0.extend(tail);
        self.0.resize(start + COMMAND_LEN, 0);
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
