//! SMBIOS tables as a system reads them.

use aero_acpi::smbios::{ProcessorModel, Smbios, SmbiosDescription};

fn description(low: u64, high: u64) -> SmbiosDescription {
    SmbiosDescription {
        bios_vendor: "Aero".into(),
        bios_version: "0.1".into(),
        bios_date: "11/20/2026".into(),
        manufacturer: "Aero".into(),
        product: "Aero PC".into(),
        version: "q35".into(),
        serial: String::new(),
        uuid: *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff",
        processor: ProcessorModel {
            manufacturer: "GenuineIntel".into(),
            version: "Westmere".into(),
            signature: 0x206c1,
            features: 0x078b_fbff,
            mhz: 2000,
        },
        processors: 2,
        low_memory: low,
        high_memory: high,
    }
}

/// Type, handle, formatted part and strings of each structure.
fn parse(tables: &[u8]) -> Vec<(u8, u16, Vec<u8>, Vec<String>)> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < tables.len() {
        let len = usize::from(tables[at + 1]);
        let formatted = tables[at..at + len].to_vec();
        let handle = u16::from_le_bytes([tables[at + 2], tables[at + 3]]);
        let kind = tables[at];
        at += len;
        let mut strings = Vec::new();
        while tables[at] != 0 {
            let end = at + tables[at..].iter().position(|b| *b == 0).unwrap();
            strings.push(String::from_utf8(tables[at..end].to_vec()).unwrap());
            at = end + 1;
        }
        at += if strings.is_empty() { 2 } else { 1 };
        all.push((kind, handle, formatted, strings));
    }
    assert_eq!(at, tables.len());
    all
}

#[test]
fn the_entry_point_counts_and_adds_up() {
    let smbios = Smbios::build(&description(2 << 30, 0));
    let anchor = smbios.anchor(0xf_5000);
    let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |s, b| s.wrapping_add(*b));
    assert_eq!(anchor.len(), 31);
    assert_eq!(sum(&anchor), 0);
    assert_eq!(sum(&anchor[16..]), 0);
    assert_eq!(&anchor[16..21], b"_DMI_");
    let structures = parse(smbios.tables());
    assert_eq!(u16::from_le_bytes([anchor[28], anchor[29]]), structures.len() as u16);
    assert_eq!(u16::from_le_bytes([anchor[22], anchor[23]]), smbios.tables().len() as u16);
    assert_eq!(anchor[24..28], 0xf_5000u32.to_le_bytes());
}

#[test]
fn all_types_are_there_with_their_lengths_and_own_handles() {
    let structures = parse(Smbios::build(&description(2 << 30, 1 << 30)).tables());
    let kinds: Vec<(u8, usize)> = structures.iter().map(|s| (s.0, s.2.len())).collect();
    assert_eq!(
        kinds,
        [
            (0, 24),
            (1, 27),
            (3, 22),
            (4, 42),
            (4, 42),
            (16, 23),
            (17, 40),
            (19, 31),
            (20, 35),
            (19, 31),
            (20, 35),
            (32, 11),
            (127, 4)
        ]
    );
    let mut handles: Vec<u16> = structures.iter().map(|s| s.1).collect();
    handles.sort_unstable();
    handles.dedup();
    assert_eq!(handles.len(), structures.len());
}

#[test]
fn the_uuid_is_little_endian_in_its_first_three_fields() {
    let structures = parse(Smbios::build(&description(1 << 30, 0)).tables());
    let system = &structures.iter().find(|s| s.0 == 1).unwrap().2;
    assert_eq!(system[8..24], *b"\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
}

#[test]
fn large_memory_is_several_devices_and_extended_addresses() {
    let structures = parse(Smbios::build(&description(2 << 30, 5 << 40)).tables());
    let devices: Vec<_> = structures.iter().filter(|s| s.0 == 17).collect();
    assert_eq!(devices.len(), 255);
    let array = &structures.iter().find(|s| s.0 == 16).unwrap().2;
    assert_eq!(array[7..11], 0x8000_0000u32.to_le_bytes());
    let area = structures.iter().rfind(|s| s.0 == 19).unwrap();
    assert_eq!(area.2[4..8], [0xff; 4]);
    assert_eq!(area.2[15..23], (1u64 << 32).to_le_bytes());
}
