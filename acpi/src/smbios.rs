//! SMBIOS 2.8 tables. Sections are of the System Management BIOS Reference Specification 2.8.

use crate::FwCfgFile;
use crate::blob::checksum;

/// Structure types (section 7).
mod kind {
    pub const BIOS: u8 = 0;
    pub const SYSTEM: u8 = 1;
    pub const CHASSIS: u8 = 3;
    pub const PROCESSOR: u8 = 4;
    pub const MEMORY_ARRAY: u8 = 16;
    pub const MEMORY_DEVICE: u8 = 17;
    pub const MEMORY_ARRAY_ADDRESS: u8 = 19;
    pub const MEMORY_DEVICE_ADDRESS: u8 = 20;
    pub const BOOT: u8 = 32;
    pub const END: u8 = 127;
}

/// Handles: one hundred for each type, so that several structures of a type have their own.
const fn handle(kind: u8, index: usize) -> u16 {
    (kind as u16) << 8 | (index as u16 & 0xff)
}

const NO_HANDLE: u16 = 0xfffe;
const UNKNOWN: u8 = 2;
const OTHER: u8 = 1;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const HIGH_RAM_BASE: u64 = 1 << 32;
/// The largest memory device described as one: what fits a 16-bit number of megabytes.
const DEVICE_MAX: u64 = 16 << 30;
/// Length of the entry point (section 5.2.1).
const ANCHOR_LEN: usize = 31;

/// What the tables tell.
#[derive(Clone, Debug)]
pub struct SmbiosDescription {
    /// Maker of the BIOS.
    pub bios_vendor: String,
    /// Version of the BIOS.
    pub bios_version: String,
    /// Date of the BIOS, `mm/dd/yyyy`.
    pub bios_date: String,
    /// Maker of the machine.
    pub manufacturer: String,
    /// Name of the machine.
    pub product: String,
    /// Version of the machine.
    pub version: String,
    /// Serial number of the machine; may be empty.
    pub serial: String,
    /// Universally unique id of the machine, in the order it is printed.
    pub uuid: [u8; 16],
    /// The processor model.
    pub processor: ProcessorModel,
    /// Number of processors; each is described as a socket.
    pub processors: usize,
    /// Bytes of RAM below 4 GiB.
    pub low_memory: u64,
    /// Bytes of RAM from 4 GiB up.
    pub high_memory: u64,
}

/// What a processor calls itself.
#[derive(Clone, Debug)]
pub struct ProcessorModel {
    /// CPUID's vendor.
    pub manufacturer: String,
    /// CPUID's brand string.
    pub version: String,
    /// CPUID leaf 1, EAX.
    pub signature: u32,
    /// CPUID leaf 1, EDX.
    pub features: u32,
    /// Clock in MHz.
    pub mhz: u16,
}

/// SMBIOS tables, not yet at any address.
#[derive(Clone, Debug)]
pub struct Smbios {
    tables: Vec<u8>,
    count: u16,
    longest: u16,
}

impl Smbios {
    /// Makes the tables.
    pub fn build(what: &SmbiosDescription) -> Self {
        let mut out = Self { tables: Vec::new(), count: 0, longest: 0 };
        out.bios(what);
        out.system(what);
        out.chassis(what);
        for socket in 0..what.processors.min(255) {
            out.processor(what, socket);
        }
        out.memory(what);
        out.add(kind::BOOT, 0, |s| s.bytes(&[0; 6]).bytes(&[0]));
        out.add(kind::END, 0, |s| s);
        out
    }

    /// The tables, to lie anywhere below 4 GiB.
    pub fn tables(&self) -> &[u8] {
        &self.tables
    }

    /// The entry point for tables at `address`, for a 16-byte boundary from F0000h to FFFFFh.
    pub fn anchor(&self, address: u32) -> Vec<u8> {
        let mut anchor = b"_SM_\0".to_vec();
        anchor.extend([ANCHOR_LEN as u8, 2, 8]);
        anchor.extend(self.longest.to_le_bytes());
        anchor.extend([0; 6]); // entry point revision, formatted area
        anchor.extend(b"_DMI_\0");
        anchor.extend((self.tables.len() as u16).to_le_bytes());
        anchor.extend(address.to_le_bytes());
        anchor.extend(self.count.to_le_bytes());
        anchor.push(0x28);
        anchor[21] = checksum(&anchor[16..ANCHOR_LEN]);
        anchor[4] = checksum(&anchor[..ANCHOR_LEN]);
        anchor
    }

    /// The files that SeaBIOS and OVMF look for.
    pub fn fw_cfg_files(&self) -> Vec<FwCfgFile> {
        vec![
            ("etc/smbios/smbios-tables", self.tables.clone()),
            ("etc/smbios/smbios-anchor", self.anchor(0)),
        ]
    }

    fn add(&mut self, kind: u8, index: usize, fill: impl FnOnce(Structure) -> Structure) {
        let start = Structure { formatted: vec![kind, 0], strings: Vec::new() };
        let bytes = fill(start.word(handle(kind, index))).finish();
        self.longest = self.longest.max(bytes.len() as u16);
        self.count += 1;
        self.tables.extend(bytes);
    }

    /// Section 7.1.
    fn bios(&mut self, what: &SmbiosDescription) {
        /// PCI, Plug and Play, shadowing, boot from CD, selectable boot.
        const CHARACTERISTICS: u64 = 1 << 7 | 1 << 9 | 1 << 12 | 1 << 15 | 1 << 16;
        /// ACPI; and, in the second byte, a virtual machine.
        const EXTENSION: [u8; 2] = [0x01, 0x10];
        const ROM_SEGMENT: u16 = 0xf000;
        self.add(kind::BIOS, 0, |s| {
            s.string(&what.bios_vendor)
                .string(&what.bios_version)
                .word(ROM_SEGMENT)
                .string(&what.bios_date)
                .bytes(&[0]) // 64 KiB
                .bytes(&CHARACTERISTICS.to_le_bytes())
                .bytes(&EXTENSION)
                .bytes(&[0, 0]) // BIOS release
                .bytes(&[0xff, 0xff]) // no embedded controller
        });
    }

    /// Section 7.2. The first three fields of the UUID are little-endian.
    fn system(&mut self, what: &SmbiosDescription) {
        const WAKE_UP_POWER_SWITCH: u8 = 6;
        let mut uuid = what.uuid;
        uuid[0..4].reverse();
        uuid[4..6].reverse();
        uuid[6..8].reverse();
        self.add(kind::SYSTEM, 0, |s| {
            s.string(&what.manufacturer)
                .string(&what.product)
                .string(&what.version)
                .string(&what.serial)
                .bytes(&uuid)
                .bytes(&[WAKE_UP_POWER_SWITCH, 0, 0])
        });
    }

    /// Section 7.4.
    fn chassis(&mut self, what: &SmbiosDescription) {
        const SAFE: u8 = 3;
        self.add(kind::CHASSIS, 0, |s| {
            s.string(&what.manufacturer)
                .bytes(&[OTHER])
                .string(&what.version)
                .bytes(&[0, 0])
                .bytes(&[SAFE, SAFE, SAFE, UNKNOWN])
                .bytes(&[0; 4]) // OEM-defined
                .bytes(&[0, 0, 0, 0]) // height, power cords, no contained elements
                .bytes(&[0]) // SKU number
        });
    }

    /// Section 7.5.
    fn processor(&mut self, what: &SmbiosDescription, socket: usize) {
        const CENTRAL: u8 = 3;
        /// Populated, enabled.
        const STATUS: u8 = 0x41;
        /// No cache is described.
        const NO_CACHE: u16 = 0xffff;
        /// 64-bit capable.
        const CHARACTERISTICS: u16 = 1 << 2;
        const MAX_MHZ: u16 = 4000;
        let cpu = &what.processor;
        self.add(kind::PROCESSOR, socket, |s| {
            s.string(&format!("CPU {socket}"))
                .bytes(&[CENTRAL, OTHER])
                .string(&cpu.manufacturer)
                .bytes(&cpu.signature.to_le_bytes())
                .bytes(&cpu.features.to_le_bytes())
                .string(&cpu.version)
                .bytes(&[0]) // voltage
                .word(0) // external clock
                .word(MAX_MHZ.max(cpu.mhz))
                .word(cpu.mhz)
                .bytes(&[STATUS, OTHER])
                .word(NO_CACHE)
                .word(NO_CACHE)
                .word(NO_CACHE)
                .bytes(&[0, 0, 0]) // serial, asset tag, part number
                .bytes(&[1, 1, 1]) // cores, enabled, threads
                .word(CHARACTERISTICS)
                .word(OTHER.into()) // family, long form
        });
    }

    /// The memory array (section 7.17), its devices (7.18), and where they are (7.20, 7.21).
    fn memory(&mut self, what: &SmbiosDescription) {
        const ON_BOARD: u8 = 3;
        const SYSTEM_MEMORY: u8 = 3;
        const MULTI_BIT_ECC: u8 = 6;
        const DIMM: u8 = 9;
        const RAM: u8 = 7;
        const USE_EXTENDED: u32 = 0x8000_0000;
        let total = what.low_memory + what.high_memory;
        let devices = total.div_ceil(DEVICE_MAX).clamp(1, 255) as usize;
        let array = handle(kind::MEMORY_ARRAY, 0);
        self.add(kind::MEMORY_ARRAY, 0, |s| {
            let kib = u32::try_from(total / KIB).ok().filter(|kib| *kib < USE_EXTENDED);
            s.bytes(&[ON_BOARD, SYSTEM_MEMORY, MULTI_BIT_ECC])
                .bytes(&kib.unwrap_or(USE_EXTENDED).to_le_bytes())
                .word(NO_HANDLE)
                .word(devices as u16)
                .bytes(&if kib.is_some() { 0 } else { total }.to_le_bytes())
        });
        for device in 0..devices {
            let size = (total - device as u64 * DEVICE_MAX).min(DEVICE_MAX);
            self.add(kind::MEMORY_DEVICE, device, |s| {
                s.word(array)
                    .word(NO_HANDLE)
                    .word(0xffff) // widths unknown
                    .word(0xffff)
                    .word((size / MIB) as u16)
                    .bytes(&[DIMM, 0])
                    .string(&format!("DIMM {device}"))
                    .string("")
                    .bytes(&[RAM])
                    .word(1 << 1) // other
                    .word(0) // speed unknown
                    .string(&what.manufacturer)
                    .bytes(&[0, 0, 0, 0]) // serial, asset tag, part number, attributes
                    .bytes(&[0; 4]) // extended size
                    .word(0) // configured clock
                    .bytes(&[0; 6]) // voltages
            });
        }
        let ranges = [(0, what.low_memory), (HIGH_RAM_BASE, what.high_memory)];
        let mut mapped = 0;
        let mut done = 0;
        for (area, (start, len)) in ranges.into_iter().filter(|(_, len)| *len > 0).enumerate() {
            self.add(kind::MEMORY_ARRAY_ADDRESS, area, |s| {
                let s = s.range(start, start + len - 1).word(array).bytes(&[devices as u8]);
                s.extended_range(start, start + len - 1)
            });
            // The array's areas follow each other on the devices.
            let mut at = start;
            while at < start + len {
                let device = (done / DEVICE_MAX).min(devices as u64 - 1) as usize;
                // The last device takes whatever is left.
                let room = match device + 1 {
                    next if next < devices => next as u64 * DEVICE_MAX - done,
                    _ => u64::MAX,
                };
                let part = room.min(start + len - at);
                self.add(kind::MEMORY_DEVICE_ADDRESS, mapped, |s| {
                    s.range(at, at + part - 1)
                        .word(handle(kind::MEMORY_DEVICE, device))
                        .word(handle(kind::MEMORY_ARRAY_ADDRESS, area))
                        .bytes(&[1, 0, 0]) // one row, not interleaved
                        .extended_range(at, at + part - 1)
                });
                mapped += 1;
                at += part;
                done += part;
            }
        }
    }
}

/// A structure while it is written: the formatted part, then the strings it numbers.
struct Structure {
    formatted: Vec<u8>,
    strings: Vec<String>,
}

impl Structure {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.formatted.extend(bytes);
        self
    }

    fn word(self, word: u16) -> Self {
        self.bytes(&word.to_le_bytes())
    }

    /// The number of a string; 0 for an empty one (section 6.1.3).
    fn string(mut self, text: &str) -> Self {
        let text: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
        let number = if text.is_empty() {
            0
        } else {
            self.strings.push(text);
            self.strings.len() as u8
        };
        self.bytes(&[number])
    }

    /// First and last address in KiB; all ones when the extended fields must be used.
    fn range(self, first: u64, last: u64) -> Self {
        let fits = last / KIB < u64::from(u32::MAX);
        let word = |value: u64| if fits { (value / KIB) as u32 } else { u32::MAX };
        self.bytes(&word(first).to_le_bytes()).bytes(&word(last).to_le_bytes())
    }

    /// First and last address in bytes, zero when the short fields were enough.
    fn extended_range(self, first: u64, last: u64) -> Self {
        let needed = last / KIB >= u64::from(u32::MAX);
        let word = |value: u64| if needed { value } else { 0 };
        self.bytes(&word(first).to_le_bytes()).bytes(&word(last).to_le_bytes())
    }

    fn finish(self) -> Vec<u8> {
        let mut bytes = self.formatted;
        bytes[1] = bytes.len() as u8;
        if self.strings.is_empty() {
            bytes.push(0);
        }
        for text in &self.strings {
            bytes.extend(text.as_bytes());
            bytes.push(0);
        }
        bytes.push(0);
        bytes
    }
}
