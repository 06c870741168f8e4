//! Linux: bzImage and the 32-bit boot protocol, as the kernel's `Documentation/arch/x86/boot.rst`
//! describes them. 64-bit kernels start this way, too.

use aero_bus::GuestRam;

use super::{
    Entry, KernelFiles, MemoryRange, PARAMETERS, PARAMETERS_END, RangeKind, Surroundings,
    find_high, is_usable, le16, le32, put, put_gdt,
};

/// Offsets of the setup header, in the image and in the boot parameters.
mod header {
    pub const SETUP_SECTS: usize = 0x1f1;
    pub const BOOT_FLAG: usize = 0x1fe;
    pub const JUMP: usize = 0x200;
    pub const MAGIC: usize = 0x202;
    pub const VERSION: usize = 0x206;
    pub const TYPE_OF_LOADER: usize = 0x210;
    pub const LOADFLAGS: usize = 0x211;
    pub const RAMDISK_IMAGE: usize = 0x218;
    pub const RAMDISK_SIZE: usize = 0x21c;
    pub const CMD_LINE_PTR: usize = 0x228;
    pub const INITRD_ADDR_MAX: usize = 0x22c;
    pub const KERNEL_ALIGNMENT: usize = 0x230;
    pub const RELOCATABLE_KERNEL: usize = 0x234;
    pub const CMDLINE_SIZE: usize = 0x238;
    pub const PREF_ADDRESS: usize = 0x258;
    pub const INIT_SIZE: usize = 0x260;
}

/// Offsets of the boot parameters, the "zero page".
mod params {
    pub const SCREEN_INFO: usize = 0x00;
    pub const ACPI_RSDP_ADDR: usize = 0x70;
    pub const E820_ENTRIES: usize = 0x1e8;
    pub const SETUP_HEADER: usize = 0x1f1;
    pub const E820_TABLE: usize = 0x2d0;
    pub const LEN: usize = 0x1000;
    pub const MAX_E820: usize = 128;
}

const BOOT_FLAG: u16 = 0xaa55;
const MAGIC: &[u8] = b"HdrS";
const LOADED_HIGH: u8 = 1 << 0;
/// "Undefined" loader: no number was assigned to this one.
const LOADER_UNDEFINED: u8 = 0xff;
const OLD_CMDLINE_SIZE: u32 = 255;
const OLD_INITRD_MAX: u32 = 0x37ff_ffff;
const HIGH: u64 = 0x10_0000;

pub(super) fn is_linux(kernel: &[u8]) -> bool {
    le16(kernel, header::BOOT_FLAG) == Some(BOOT_FLAG)
        && kernel.get(header::MAGIC..).is_some_and(|bytes| bytes.starts_with(MAGIC))
}

pub(super) fn load(
    files: &KernelFiles,
    ram: &GuestRam,
    to_tell: &Surroundings,
) -> Result<Entry, String> {
    let kernel = &files.kernel;
    let short = || "the Linux image is truncated".to_owned();
    let version = le16(kernel, header::VERSION).ok_or_else(short)?;
    let loadflags = *kernel.get(header::LOADFLAGS).ok_or_else(short)?;
    if version < 0x204 || loadflags & LOADED_HIGH == 0 {
        return Err(format!(
            "boot protocol {}.{:02}, or a zImage, is too old; 2.04 and a bzImage are needed",
            version >> 8,
            version & 0xff
        ));
    }
    // Fields of later versions, with what stands for them in earlier ones.
    let field = |since: u16, at: usize, before: u32| {
        if version < since { Ok(before) } else { le32(kernel, at).ok_or_else(short) }
    };
    let setup_sects = match kernel[header::SETUP_SECTS] {
        0 => 4,
        n => usize::from(n),
    };
    let setup_len = (setup_sects + 1) * 512;
    let code = kernel.get(setup_len..).filter(|code| !code.is_empty()).ok_or_else(short)?;

    let init_size = u64::from(field(0x20a, header::INIT_SIZE, 0)?).max(code.len() as u64);
    let alignment = u64::from(field(0x205, header::KERNEL_ALIGNMENT, 0)?).max(1);
    let relocatable = version >= 0x205 && kernel.get(header::RELOCATABLE_KERNEL) == Some(&1);
    let preferred = u64::from(field(0x20a, header::PREF_ADDRESS, HIGH as u32)?);
    let usable = |at: u64| is_usable(&to_tell.map, at, init_size);
    let load_at = [preferred, HIGH, HIGH.next_multiple_of(alignment)]
        .into_iter()
        .find(|at| usable(*at) && (*at == HIGH || relocatable && at.is_multiple_of(alignment)))
        .ok_or_else(|| format!("the kernel needs {init_size} bytes of memory in one piece"))?;

    let mut zero_page = vec![0; params::LEN];
    // The header ends where its jump leads.
    let header_end = header::MAGIC + usize::from(*kernel.get(header::JUMP + 1).ok_or_else(short)?);
    let setup_header = kernel
        .get(params::SETUP_HEADER..header_end.min(params::E820_TABLE))
        .ok_or_else(|| "the Linux setup header is damaged".to_owned())?;
    zero_page[params::SETUP_HEADER..][..setup_header.len()].copy_from_slice(setup_header);
    zero_page[header::TYPE_OF_LOADER] = LOADER_UNDEFINED;

    let cmdline_size = field(0x206, header::CMDLINE_SIZE, OLD_CMDLINE_SIZE)?;
    let cmdline_at = PARAMETERS + params::LEN as u64;
    let room = (PARAMETERS_END - cmdline_at - 0x100) as u32;
    if files.cmdline.len() > cmdline_size.min(room) as usize {
        return Err(format!(
            "the command line has {} bytes; this kernel takes {cmdline_size}",
            files.cmdline.len()
        ));
    }
    set32(&mut zero_page, header::CMD_LINE_PTR, cmdline_at as u32);

    if let Some(initrd) = &files.initrd {
        let max = field(0x203, header::INITRD_ADDR_MAX, OLD_INITRD_MAX)?;
        let at = find_high(
            &to_tell.map,
            initrd.len() as u64,
            load_at + init_size,
            u64::from(max) + 1,
            4096,
        )
        .ok_or_else(|| format!("the initrd of {} bytes does not fit the memory", initrd.len()))?;
        put(ram, at, initrd)?;
        set32(&mut zero_page, header::RAMDISK_IMAGE, at as u32);
        set32(&mut zero_page, header::RAMDISK_SIZE, initrd.len() as u32);
    }

    put_screen_info(&mut zero_page);
    if let Some(rsdp) = to_tell.rsdp {
        zero_page[params::ACPI_RSDP_ADDR..][..8].copy_from_slice(&rsdp.to_le_bytes());
    }
    put_map(&mut zero_page, &to_tell.map);

    let gdt = cmdline_at + (files.cmdline.len() as u64 + 1).next_multiple_of(16);
    put(ram, load_at, code)?;
    put(ram, PARAMETERS, &zero_page)?;
    put(ram, cmdline_at, files.cmdline.as_bytes())?;
    put(ram, cmdline_at + files.cmdline.len() as u64, &[0])?;
    put_gdt(ram, gdt)?;
    Ok(Entry { eip: load_at as u32, esi: PARAMETERS as u32, gdt: gdt as u32, ..Entry::default() })
}

fn set32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// The text screen that the BIOS leaves: mode 3, 80 by 25 (`struct screen_info`).
fn put_screen_info(zero_page: &mut [u8]) {
    let screen = &mut zero_page[params::SCREEN_INFO..];
    screen[0x06] = 3; // orig_video_mode
    screen[0x07] = 80; // orig_video_cols
    screen[0x0e] = 25; // orig_video_lines
    screen[0x0f] = 1; // orig_video_isVGA
    screen[0x10] = 16; // orig_video_points: height of a character
}

fn put_map(zero_page: &mut [u8], map: &[MemoryRange]) {
    let map = &map[..map.len().min(params::MAX_E820)];
    zero_page[params::E820_ENTRIES] = map.len() as u8;
    for (entry, range) in zero_page[params::E820_TABLE..].chunks_exact_mut(20).zip(map) {
        entry[..8].copy_from_slice(&range.start.to_le_bytes());
        entry[8..16].copy_from_slice(&range.len.to_le_bytes());
        entry[16..].copy_from_slice(&(range.kind as u32).to_le_bytes());
    }
}

/// The address map of a machine whose firmware has not run: RAM, with the holes that a PC has.
pub fn plain_map(ram: &GuestRam, reserved_top: u64) -> Vec<MemoryRange> {
    const EBDA: u64 = 0x9_fc00;
    const ROM: u64 = 0xf_0000;
    let range = |start: u64, end: u64, kind| MemoryRange { start, len: end - start, kind };
    let low = ram.low_len();
    let top = low.saturating_sub(reserved_top).max(HIGH);
    let mut map = vec![
        range(0, EBDA, RangeKind::Usable),
        range(EBDA, 0xa_0000, RangeKind::Reserved),
        range(ROM, HIGH, RangeKind::Reserved),
        range(HIGH, top, RangeKind::Usable),
        range(top, low.max(top), RangeKind::AcpiTables),
    ];
    if ram.high_len() > 0 {
        map.push(range(1 << 32, (1 << 32) + ram.high_len(), RangeKind::Usable));
    }
    map.retain(|r| r.len > 0);
    map
}
