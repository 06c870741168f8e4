//! Direct boot: a kernel that is put into guest memory without a boot loader.
//!
//! A loader writes the kernel and what it is told into RAM, and returns the state of the processor in
//! which it starts: 32-bit protected mode without paging, flat segments, interrupts off, which is what
//! both the Linux 32-bit boot protocol and Multiboot ask for.

mod linux;
mod loader;
mod multiboot;

pub use linux::plain_map;
pub use loader::{Loader, PORT_BASE as LOADER_PORT_BASE, boot_sector, option_rom};

use aero_bus::GuestRam;
use aero_bus::vm_memory::{Bytes, GuestAddress};

/// What goes into the start of a kernel, all read from files.
#[derive(Clone, Debug, Default)]
pub struct KernelFiles {
    /// The kernel image.
    pub kernel: Vec<u8>,
    /// The initial RAM disk of a Linux kernel.
    pub initrd: Option<Vec<u8>>,
    /// The command line, without a zero byte.
    pub cmdline: String,
    /// Multiboot modules: what their string says, and their bytes.
    pub modules: Vec<(String, Vec<u8>)>,
}

/// Kinds of address ranges, as INT 15h E820 numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RangeKind {
    /// RAM that the kernel may use.
    Usable = 1,
    /// Not to be used.
    Reserved = 2,
    /// ACPI tables, usable when they have been read.
    AcpiTables = 3,
    /// ACPI non-volatile storage.
    AcpiNvs = 4,
}

/// A range of physical addresses for the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// First address.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// What is there.
    pub kind: RangeKind,
}

impl MemoryRange {
    /// The first address behind the range.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// What a kernel is told of the machine.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The address map, sorted, without overlaps.
    pub map: Vec<MemoryRange>,
    /// Where the ACPI root pointer is.
    pub rsdp: Option<u64>,
}

/// The registers with which a loaded kernel starts; those not named are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// EIP.
    pub eip: u32,
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ESI.
    pub esi: u32,
    /// GDTR base: a GDT with the flat segments below.
    pub gdt: u32,
}

/// Selector of the flat 32-bit code segment in the GDT that loaders write (Linux: `__BOOT_CS`).
pub const CODE_SELECTOR: u16 = 0x10;
/// Selector of the flat data segment (Linux: `__BOOT_DS`).
pub const DATA_SELECTOR: u16 = 0x18;
/// Last byte of that GDT.
pub const GDT_LIMIT: u16 = 0x1f;

/// Where loaders put what the kernel reads at its start: below the EBDA, above the interrupt vectors,
/// the BIOS's data and its usual stack.
const PARAMETERS: u64 = 0x1_0000;
const PARAMETERS_END: u64 = 0x9_0000;

/// Puts the kernel into guest memory, whatever of the two formats it has. Errors are one line without
/// the kernel's name.
pub fn load(files: &KernelFiles, ram: &GuestRam, to_tell: &Surroundings) -> Result<Entry, String> {
    if files.cmdline.contains('\0') {
        return Err("the command line has a zero byte in it".to_owned());
    }
    if linux::is_linux(&files.kernel) {
        if !files.modules.is_empty() {
            return Err("a Linux kernel takes no modules; `modules` are multiboot's".to_owned());
        }
        return linux::load(files, ram, to_tell);
    }
    if let Some(header) = multiboot::Header::find(&files.kernel) {
        if files.initrd.is_some() {
            return Err("a multiboot kernel takes `modules`, no `initrd`".to_owned());
        }
        return multiboot::load(&header, files, ram, to_tell);
    }
    Err("it is neither a Linux bzImage nor a multiboot 1 image".to_owned())
}

fn put(ram: &GuestRam, at: u64, bytes: &[u8]) -> Result<(), String> {
    ram.write_slice(bytes, GuestAddress(at))
        .map_err(|_| format!("{} bytes at {at:#x} do not fit the guest's memory", bytes.len()))
}

/// Writes the GDT that [`CODE_SELECTOR`] and [`DATA_SELECTOR`] index.
fn put_gdt(ram: &GuestRam, at: u64) -> Result<(), String> {
    const FLAT_CODE: u64 = 0x00cf_9b00_0000_ffff;
    const FLAT_DATA: u64 = 0x00cf_9300_0000_ffff;
    let table = [0, 0, FLAT_CODE, FLAT_DATA];
    put(ram, at, &table.map(u64::to_le_bytes).concat())
}

/// Finds room for `len` bytes in usable memory, as high as possible below `limit`, at a multiple of
/// `align`, not below `floor`.
fn find_high(map: &[MemoryRange], len: u64, floor: u64, limit: u64, align: u64) -> Option<u64> {
    let usable = map.iter().filter(|r| r.kind == RangeKind::Usable);
    let fit = |range: &MemoryRange| {
        let start = range.end().min(limit).checked_sub(len)? / align * align;
        (start >= range.start.max(floor)).then_some(start)
    };
    usable.filter_map(fit).max()
}

/// Whether all of a range is usable memory.
fn is_usable(map: &[MemoryRange], start: u64, len: u64) -> bool {
    start.checked_add(len).is_some_and(|end| {
        map.iter().any(|r| r.kind == RangeKind::Usable && r.start <= start && end <= r.end())
    })
}

/// A number in a file, little-endian; `None` past its end.
fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests;
