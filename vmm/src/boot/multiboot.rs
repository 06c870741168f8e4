//! Multiboot 1 (Multiboot Specification 0.6.96): an ELF image, or any image whose header says where it
//! goes.

use aero_bus::GuestRam;

use super::{
    Entry, KernelFiles, MemoryRange, PARAMETERS, PARAMETERS_END, RangeKind, Surroundings,
    find_high, le16, le32, put, put_gdt,
};

const HEADER_MAGIC: u32 = 0x1bad_b002;
/// In EAX at the kernel's start.
const LOADER_MAGIC: u32 = 0x2bad_b002;
/// The header lies in the first so many bytes, at a multiple of four.
const SEARCH_LEN: usize = 8192;

/// Bits of the header's flags (section 3.1.2).
const PAGE_ALIGN: u32 = 1 << 0;
const MEMORY_INFO: u32 = 1 << 1;
const VIDEO_MODE: u32 = 1 << 2;
const ADDRESSES: u32 = 1 << 16;
/// A loader must refuse an image that sets another of bits 15:0.
const MUST_KNOW: u32 = 0xffff;

/// Bits of the information's flags (section 3.3).
const INFO_MEMORY: u32 = 1 << 0;
const INFO_CMDLINE: u32 = 1 << 2;
const INFO_MODULES: u32 = 1 << 3;
const INFO_MAP: u32 = 1 << 6;
const INFO_LOADER_NAME: u32 = 1 << 9;
const INFO_LEN: u64 = 120;

const LOADER_NAME: &[u8] = b"Aero\0";

/// The header, where it was found.
pub(super) struct Header {
    at: usize,
    flags: u32,
}

impl Header {
    pub fn find(image: &[u8]) -> Option<Self> {
        let end = image.len().min(SEARCH_LEN);
        (0..end).step_by(4).find_map(|at| {
            let (magic, flags) = (le32(image, at)?, le32(image, at + 4)?);
            let checksum = le32(image, at + 8)?;
            let valid =
                magic == HEADER_MAGIC && magic.wrapping_add(flags).wrapping_add(checksum) == 0;
            valid.then_some(Self { at, flags })
        })
    }
}

/// A piece of the image and where it goes: bytes, address, and its whole length with zeros behind.
struct Piece<'a> {
    bytes: &'a [u8],
    at: u64,
    len: u64,
}

struct Layout<'a> {
    pieces: Vec<Piece<'a>>,
    entry: u32,
}

pub(super) fn load(
    header: &Header,
    files: &KernelFiles,
    ram: &GuestRam,
    to_tell: &Surroundings,
) -> Result<Entry, String> {
    let known = PAGE_ALIGN | MEMORY_INFO | VIDEO_MODE;
    if header.flags & MUST_KNOW & !known != 0 {
        return Err(format!("the multiboot header asks for unknown things: {:#x}", header.flags));
    }
    if header.flags & VIDEO_MODE != 0 {
        log::info!("the multiboot kernel asks for a video mode; it gets text mode");
    }
    let layout = if header.flags & ADDRESSES != 0 {
        kludge_layout(header, &files.kernel)?
    } else {
        elf_layout(&files.kernel)?
    };
    let mut end = 0x10_0000;
    for piece in &layout.pieces {
        if !super::is_usable(&to_tell.map, piece.at, piece.len) {
            let (at, len) = (piece.at, piece.len);
            return Err(format!("its {len} bytes at {at:#x} do not fit the guest's memory"));
        }
        put(ram, piece.at, piece.bytes)?;
        zero(ram, piece.at + piece.bytes.len() as u64, piece.len - piece.bytes.len() as u64)?;
        end = end.max(piece.at + piece.len);
    }
    put_information(layout.entry, end, files, ram, to_tell)
}

fn zero(ram: &GuestRam, at: u64, len: u64) -> Result<(), String> {
    const CHUNK: u64 = 1 << 16;
    let zeros = [0; CHUNK as usize];
    let mut done = 0;
    while done < len {
        let part = (len - done).min(CHUNK);
        put(ram, at + done, &zeros[..part as usize])?;
        done += part;
    }
    Ok(())
}

/// The header itself says where the image goes (section 3.1.3).
fn kludge_layout<'a>(header: &Header, image: &'a [u8]) -> Result<Layout<'a>, String> {
    let damaged = || "the addresses in the multiboot header are damaged".to_owned();
    let field = |n: usize| le32(image, header.at + 12 + 4 * n).ok_or_else(damaged);
    let (header_addr, load_addr) = (field(0)?, field(1)?);
    let (load_end, bss_end, entry) = (field(2)?, field(3)?, field(4)?);
    let before = header_addr.checked_sub(load_addr).ok_or_else(damaged)? as usize;
    let first = header.at.checked_sub(before).ok_or_else(damaged)?;
    let len = match load_end {
        0 => image.len() - first,
        end => end.checked_sub(load_addr).ok_or_else(damaged)? as usize,
    };
    let last = first.checked_add(len).ok_or_else(damaged)?;
    let bytes = image.get(first..last).ok_or("the multiboot image is truncated")?;
    let whole = match bss_end {
        0 => len as u64,
        end => u64::from(end.checked_sub(load_addr).ok_or_else(damaged)?).max(len as u64),
    };
    Ok(Layout { pieces: vec![Piece { bytes, at: load_addr.into(), len: whole }], entry })
}

/// The loadable segments of a 32-bit ELF executable (System V ABI, i386).
fn elf_layout(image: &[u8]) -> Result<Layout<'_>, String> {
    const PT_LOAD: u32 = 1;
    let damaged = || "the ELF headers are damaged".to_owned();
    if !image.starts_with(b"\x7fELF\x01\x01") {
        return Err("a multiboot image without addresses must be a 32-bit ELF file".to_owned());
    }
    let entry = le32(image, 0x18).ok_or_else(damaged)?;
    let table = le32(image, 0x1c).ok_or_else(damaged)? as usize;
    let entry_len = usize::from(le16(image, 0x2a).ok_or_else(damaged)?);
    let count = usize::from(le16(image, 0x2c).ok_or_else(damaged)?);
    let mut layout = Layout { pieces: Vec::new(), entry };
    for n in 0..count {
        let at = table.checked_add(n * entry_len).ok_or_else(damaged)?;
        let field = |n: usize| le32(image, at.saturating_add(4 * n)).ok_or_else(damaged);
        if field(0)? != PT_LOAD {
            continue;
        }
        let (offset, virtual_at, physical_at) = (field(1)? as usize, field(2)?, field(3)?);
        let (file_len, memory_len) = (field(4)? as usize, field(5)?);
        let last = offset.checked_add(file_len).ok_or_else(damaged)?;
        let bytes = image.get(offset..last).ok_or("the multiboot image is truncated")?;
        if memory_len == 0 {
            continue;
        }
        if file_len as u64 > u64::from(memory_len) {
            return Err(damaged());
        }
        // An entry point may be given as a virtual address.
        if (virtual_at..virtual_at.saturating_add(memory_len)).contains(&entry) {
            layout.entry = (entry - virtual_at).wrapping_add(physical_at);
        }
        layout.pieces.push(Piece { bytes, at: physical_at.into(), len: memory_len.into() });
    }
    if layout.pieces.is_empty() {
        return Err("the ELF file has nothing to load".to_owned());
    }
    Ok(layout)
}

/// Writes modules, strings and the information structure (section 3.3).
fn put_information(
    entry: u32,
    kernel_end: u64,
    files: &KernelFiles,
    ram: &GuestRam,
    to_tell: &Surroundings,
) -> Result<Entry, String> {
    let mut low = Cursor { ram, at: PARAMETERS };
    let info_at = low.reserve(INFO_LEN)?;
    let mut info = vec![0; INFO_LEN as usize];
    let mut set = |at: usize, value: u64| {
        info[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    };
    set(0, (INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MAP | INFO_LOADER_NAME).into());
    let kib_from = |start: u64| {
        let range = to_tell.map.iter().find(|r| r.kind == RangeKind::Usable && r.start == start);
        range.map_or(0, |r| r.len >> 10)
    };
    set(4, kib_from(0));
    set(8, kib_from(0x10_0000));
    set(16, low.string(&files.cmdline)?);

    let mut list = Vec::new();
    for (text, bytes) in &files.modules {
        let at = find_high(&to_tell.map, bytes.len() as u64, kernel_end, 1 << 32, 4096)
            .filter(|at| {
                list.iter().all(|(start, end, _)| at + bytes.len() as u64 <= *start || *end <= *at)
            })
            .or_else(|| {
                // Below the module that was placed last.
                let limit = list.iter().map(|(start, ..)| *start).min().unwrap_or(1 << 32);
                find_high(&to_tell.map, bytes.len() as u64, kernel_end, limit, 4096)
            })
            .ok_or_else(|| format!("module {text:?} does not fit the memory"))?;
        put(ram, at, bytes)?;
        list.push((at, at + bytes.len() as u64, low.string(text)?));
    }
    set(20, list.len() as u64);
    let mut entries = Vec::new();
    for (start, end, text) in &list {
        for value in [*start, *end, *text, 0] {
            entries.extend_from_slice(&(value as u32).to_le_bytes());
        }
    }
    set(24, low.bytes(&entries)?);
    let map = map_bytes(&to_tell.map);
    set(44, map.len() as u64);
    set(48, low.bytes(&map)?);
    set(64, low.bytes(LOADER_NAME)?);
    let gdt = low.reserve(u64::from(super::GDT_LIMIT) + 1)?;
    put_gdt(ram, gdt)?;
    put(ram, info_at, &info)?;
    Ok(Entry {
        eip: entry,
        eax: LOADER_MAGIC,
        ebx: info_at as u32,
        gdt: gdt as u32,
        ..Entry::default()
    })
}

fn map_bytes(map: &[MemoryRange]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for range in map {
        // The size of an entry does not count itself.
        bytes.extend_from_slice(&20u32.to_le_bytes());
        bytes.extend_from_slice(&range.start.to_le_bytes());
        bytes.extend_from_slice(&range.len.to_le_bytes());
        bytes.extend_from_slice(&(range.kind as u32).to_le_bytes());
    }
    bytes
}

/// Puts one thing after the other into the parameters' memory.
struct Cursor<'a> {
    ram: &'a GuestRam,
    at: u64,
}

impl Cursor<'_> {
    fn reserve(&mut self, len: u64) -> Result<u64, String> {
        let at = self.at;
        self.at = (at + len).next_multiple_of(16);
        if self.at > PARAMETERS_END {
            return Err("command line and module strings are too long".to_owned());
        }
        Ok(at)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<u64, String> {
        let at = self.reserve(bytes.len() as u64)?;
        put(self.ram, at, bytes)?;
        Ok(at)
    }

    fn string(&mut self, text: &str) -> Result<u64, String> {
        self.bytes(&[text.as_bytes(), &[0]].concat())
    }
}
