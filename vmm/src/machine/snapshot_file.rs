//! The file format of a machine's snapshot: a header, and chunks with their checksums.
//!
//! ```text
//! "AEROSNAP"  version: u32  0: u32
//! chunk: tag: [u8; 4]  0: u32  length: u64  payload  crc32 of all that: u32
//! …
//! chunk "END "
//! ```
//!
//! Numbers are little-endian. `META`, `CPUS`, `DEVS` and `DISK` hold CBOR values in which all fields
//! have names; each `PAGE` holds a mebibyte of memory: where it begins (`u64`), a bit for each page
//! that is not all zeros (32 bytes), and those pages, lz4-compressed. What is not there is zeros.

use std::io::Write;

use aero_bus::{GuestRam, PAGE_SIZE};
use serde::{Serialize, de::DeserializeOwned};

const MAGIC: &[u8; 8] = b"AEROSNAP";
const VERSION: u32 = 1;
const HEADER_LEN: usize = 16;
const CHUNK_HEADER_LEN: usize = 16;
const CRC_LEN: usize = 4;

/// Memory is saved in pieces of this size.
const PIECE: u64 = 1 << 20;
const PIECE_PAGES: usize = (PIECE / PAGE_SIZE) as usize;
const PIECE_HEADER_LEN: usize = 8 + PIECE_PAGES / 8;

/// Names of chunks.
pub(super) mod tag {
    pub const META: [u8; 4] = *b"META";
    pub const PROCESSORS: [u8; 4] = *b"CPUS";
    pub const DEVICES: [u8; 4] = *b"DEVS";
    pub const DISKS: [u8; 4] = *b"DISK";
    pub const PAGES: [u8; 4] = *b"PAGE";
    pub const END: [u8; 4] = *b"END ";
}

/// Why a snapshot cannot be written or used. One line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFileError {
    /// Another kind of file.
    #[error("it is not a snapshot of a machine")]
    NotASnapshot,
    /// From a newer program.
    #[error("the snapshot has version {found}; this program knows up to {VERSION}")]
    Newer {
        /// The file's version.
        found: u32,
    },
    /// The end is missing.
    #[error("the snapshot is cut: its end is missing")]
    Cut,
    /// A checksum is wrong, or what is inside makes no sense.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
    /// It is of another machine.
    #[error("the snapshot is of another machine: {0}")]
    Mismatch(String),
    /// The host cannot write it.
    #[error("{0}")]
    Host(String),
}

/// Writes the header and chunks.
pub(super) struct Writer<'a> {
    to: &'a mut dyn Write,
}

impl<'a> Writer<'a> {
    pub fn new(to: &'a mut dyn Write) -> Result<Self, SnapshotFileError> {
        let mut writer = Self { to };
        writer.put(MAGIC)?;
        writer.put(&VERSION.to_le_bytes())?;
        writer.put(&[0; 4])?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SnapshotFileError> {
        self.to.write_all(bytes).map_err(|e| SnapshotFileError::Host(e.to_string()))
    }

    pub fn chunk(&mut self, tag: [u8; 4], payload: &[u8]) -> Result<(), SnapshotFileError> {
        let mut header = [0; CHUNK_HEADER_LEN];
        header[..4].copy_from_slice(&tag);
        header[8..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header);
        crc.update(payload);
        self.put(&header)?;
        self.put(payload)?;
        self.put(&crc.finalize().to_le_bytes())
    }

    pub fn value<T: Serialize>(
        &mut self,
        tag: [u8; 4],
        value: &T,
    ) -> Result<(), SnapshotFileError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes)
            .map_err(|e| SnapshotFileError::Host(e.to_string()))?;
        self.chunk(tag, &bytes)
    }

    /// Writes all memory of the block, but for what is zero.
    pub fn memory(&mut self, ram: &GuestRam) -> Result<(), SnapshotFileError> {
        let (_, block_len) = ram.host_block();
        let mut piece = vec![0; PIECE as usize];
        for start in (0..block_len).step_by(PIECE as usize) {
            let len = (block_len - start).min(PIECE);
            let piece = &mut piece[..len as usize];
            let slice = ram.host_slice(start, len).expect("the piece is inside the block");
            slice.copy_to(&mut *piece);
            let mut present = [0u8; PIECE_PAGES / 8];
            let mut pages = Vec::new();
            for (n, page) in piece.chunks(PAGE_SIZE as usize).enumerate() {
                if page.iter().any(|byte| *byte != 0) {
                    present[n / 8] |= 1 << (n % 8);
                    pages.extend_from_slice(page);
                }
            }
            if pages.is_empty() {
                continue;
            }
            let mut payload = start.to_le_bytes().to_vec();
            payload.extend_from_slice(&present);
            payload.extend_from_slice(&lz4_flex::compress(&pages));
            self.chunk(tag::PAGES, &payload)?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), SnapshotFileError> {
        self.chunk(tag::END, &[])
    }
}

/// A snapshot whose chunks have all been found whole.
pub(super) struct Reader<'a> {
    chunks: Vec<([u8; 4], &'a [u8])>,
}

fn damaged(what: impl ToString) -> SnapshotFileError {
    SnapshotFileError::Damaged(what.to_string())
}

fn le64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

fn le32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"))
}

impl<'a> Reader<'a> {
    /// Checks the whole file before anything of it is used.
    pub fn new(file: &'a [u8]) -> Result<Self, SnapshotFileError> {
        if !file.starts_with(MAGIC) {
            return Err(match MAGIC.starts_with(file) {
                true => SnapshotFileError::Cut,
                false => SnapshotFileError::NotASnapshot,
            });
        }
        if file.len() < HEADER_LEN {
            return Err(SnapshotFileError::Cut);
        }
        let version = le32(&file[8..]);
        if version > VERSION {
            return Err(SnapshotFileError::Newer { found: version });
        }
        if version == 0 {
            return Err(damaged("version 0"));
        }
        let mut chunks = Vec::new();
        let mut rest = &file[HEADER_LEN..];
        loop {
            let (tag, payload, after) = read_chunk(rest)?;
            rest = after;
            if tag == tag::END {
                break;
            }
            chunks.push((tag, payload));
        }
        if !rest.is_empty() {
            return Err(damaged("something follows its end"));
        }
        Ok(Self { chunks })
    }

    pub fn value<T: DeserializeOwned>(&self, tag: [u8; 4]) -> Result<T, SnapshotFileError> {
        let name = String::from_utf8_lossy(&tag).into_owned();
        let mut found = self.chunks.iter().filter(|(of, _)| *of == tag);
        let (Some((_, payload)), None) = (found.next(), found.next()) else {
            return Err(damaged(format!("there is not exactly one {name} in it")));
        };
        ciborium::from_reader(*payload).map_err(|e| damaged(format!("{name}: {e}")))
    }

    /// Checks that all pages fit the memory, and unpacks them.
    pub fn memory(&self, ram: &GuestRam) -> Result<(), SnapshotFileError> {
        let (_, block_len) = ram.host_block();
        // Twice: an error must leave the machine as it was.
        for apply in [false, true] {
            if apply {
                clear(ram, block_len);
            }
            for (_, payload) in self.chunks.iter().filter(|(tag, _)| *tag == tag::PAGES) {
                let (start, pages) = unpack(payload, block_len)?;
                for (n, page) in pages {
                    if apply {
                        let at = start + n as u64 * PAGE_SIZE;
                        let slice = ram.host_slice(at, page.len() as u64);
                        slice.ok_or_else(|| damaged("pages"))?.copy_from(&page[..]);
                    }
                }
            }
        }
        Ok(())
    }
}

type Chunk<'a> = ([u8; 4], &'a [u8], &'a [u8]);

fn read_chunk(bytes: &[u8]) -> Result<Chunk<'_>, SnapshotFileError> {
    let header = bytes.get(..CHUNK_HEADER_LEN).ok_or(SnapshotFileError::Cut)?;
    let len = usize::try_from(le64(&header[8..])).map_err(|_| SnapshotFileError::Cut)?;
    let end = CHUNK_HEADER_LEN.checked_add(len).ok_or(SnapshotFileError::Cut)?;
    let crc_end = end.checked_add(CRC_LEN).ok_or(SnapshotFileError::Cut)?;
    let crc = bytes.get(end..crc_end).ok_or(SnapshotFileError::Cut)?;
    if crc32fast::hash(&bytes[..end]) != le32(crc) {
        return Err(damaged("a checksum is wrong"));
    }
    let tag = header[..4].try_into().expect("four bytes");
    Ok((tag, &bytes[CHUNK_HEADER_LEN..end], &bytes[crc_end..]))
}

fn clear(ram: &GuestRam, block_len: u64) {
    let zeros = vec![0u8; PIECE as usize];
    for start in (0..block_len).step_by(PIECE as usize) {
        let len = (block_len - start).min(PIECE);
        let slice = ram.host_slice(start, len).expect("the piece is inside the block");
        slice.copy_from(&zeros[..len as usize]);
    }
}

type Pages = Vec<(usize, Vec<u8>)>;

/// The pages of a piece by their number in it, and where the piece begins.
fn unpack(payload: &[u8], block_len: u64) -> Result<(u64, Pages), SnapshotFileError> {
    let bad = || damaged("pages of memory");
    if payload.len() < PIECE_HEADER_LEN {
        return Err(bad());
    }
    let start = le64(payload);
    let present = &payload[8..PIECE_HEADER_LEN];
    let numbers: Vec<usize> =
        (0..PIECE_PAGES).filter(|n| present[n / 8] & 1 << (n % 8) != 0).collect();
    let last = numbers.last().copied().unwrap_or(0) as u64;
    let end = start.checked_add((last + 1) * PAGE_SIZE).ok_or_else(bad)?;
    if !start.is_multiple_of(PIECE) || end > block_len {
        return Err(bad());
    }
    let len = numbers.len() * PAGE_SIZE as usize;
    let bytes = lz4_flex::decompress(&payload[PIECE_HEADER_LEN..], len).map_err(|_| bad())?;
    if bytes.len() != len {
        return Err(bad());
    }
    let pages = bytes.chunks_exact(PAGE_SIZE as usize).map(<[u8]>::to_vec);
    Ok((start, numbers.into_iter().zip(pages).collect()))
}

#[cfg(test)]
mod tests {
    use aero_bus::vm_memory::{Bytes, GuestAddress};

    use super::*;

    fn ram() -> GuestRam {
        GuestRam::new(3 << 20, 8192).unwrap()
    }

    fn snapshot() -> (Vec<u8>, GuestRam) {
        let ram = ram();
        ram.write_slice(&[1; 5000], GuestAddress(4000)).unwrap();
        ram.write_slice(&[2; 10], GuestAddress((3 << 20) - 10)).unwrap();
        ram.host_slice((3 << 20) + 4096, 1).unwrap().copy_from(&[9u8]);
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file).unwrap();
        writer.value(tag::META, &("a", 7u32)).unwrap();
        writer.memory(&ram).unwrap();
        writer.finish().unwrap();
        (file, ram)
    }

    fn bytes(ram: &GuestRam) -> Vec<u8> {
        let (_, len) = ram.host_block();
        let mut bytes = vec![0; len as usize];
        ram.host_slice(0, len).unwrap().copy_to(&mut bytes[..]);
        bytes
    }

    #[test]
    fn memory_and_values_come_back() {
        let (file, ram_then) = snapshot();
        assert!(file.len() < 1000, "zeros are left out and the rest is compressed");
        let ram = ram();
        ram.write_slice(&[0xee; 100], GuestAddress(2 << 20)).unwrap();
        let reader = Reader::new(&file).unwrap();
        assert_eq!(reader.value::<(String, u32)>(tag::META), Ok(("a".to_owned(), 7)));
        reader.memory(&ram).unwrap();
        assert!(bytes(&ram) == bytes(&ram_then));
    }

    #[test]
    fn a_cut_file_is_refused_wherever_it_is_cut() {
        let (file, _) = snapshot();
        for len in 0..file.len() {
            assert_eq!(Reader::new(&file[..len]).err(), Some(SnapshotFileError::Cut), "{len}");
        }
    }

    #[test]
    fn an_altered_file_is_refused_wherever_it_is_altered() {
        let (file, _) = snapshot();
        for at in (0..file.len()).filter(|at| !(12..16).contains(at)) {
            let mut bad = file.clone();
            bad[at] ^= 0x10;
            assert!(Reader::new(&bad).is_err(), "{at}");
        }
    }

    #[test]
    fn other_and_newer_files_are_told_apart() {
        assert_eq!(Reader::new(b"QFI\xfb....").err(), Some(SnapshotFileError::NotASnapshot));
        let (mut file, _) = snapshot();
        file[8] = 2;
        let error = Reader::new(&file).err().unwrap();
        assert_eq!(error.to_string(), "the snapshot has version 2; this program knows up to 1");
    }

    #[test]
    fn pages_outside_the_memory_are_refused_before_anything_is_changed() {
        let (file, _) = snapshot();
        let small = GuestRam::new(1 << 20, 0).unwrap();
        small.write_slice(&[7], GuestAddress(0)).unwrap();
        assert!(Reader::new(&file).unwrap().memory(&small).is_err());
        assert_eq!(bytes(&small)[0], 7);
    }
}
