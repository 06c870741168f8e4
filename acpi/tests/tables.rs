//! The tables as a system finds them: from the root pointer down.

mod common;

use aero_acpi::{AcpiTables, PlatformDescription};
use common::q35;

const BASE: u32 = 0x7ffe_0000;

struct Memory(Vec<u8>);

impl Memory {
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap())
    }
    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())
    }
    /// The table at a physical address, its checksum and length looked at.
    fn table(&self, address: u64) -> Memory {
        let at = (address - u64::from(BASE)) as usize;
        let len = self.u32(at + 4) as usize;
        let bytes = self.0[at..at + len].to_vec();
        assert_eq!(bytes.iter().fold(0u8, |s, b| s.wrapping_add(*b)), 0, "checksum of {bytes:?}");
        Memory(bytes)
    }
    fn signature(&self) -> &[u8] {
        &self.0[..4]
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |s, b| s.wrapping_add(*b))
}

fn all(platform: &PlatformDescription) -> (Memory, Vec<Memory>) {
    let acpi = AcpiTables::build(platform).resolve(BASE);
    assert_eq!(&acpi.rsdp[..8], b"RSD PTR ");
    assert_eq!(sum(&acpi.rsdp[..20]), 0);
    assert_eq!(sum(&acpi.rsdp), 0);
    let rsdp = Memory(acpi.rsdp);
    let memory = Memory(acpi.tables);
    let rsdt = memory.table(rsdp.u32(16).into());
    let xsdt = memory.table(rsdp.u64(24));
    let short: Vec<u64> = (36..rsdt.0.len()).step_by(4).map(|at| rsdt.u32(at).into()).collect();
    let long: Vec<u64> = (36..xsdt.0.len()).step_by(8).map(|at| xsdt.u64(at)).collect();
    assert_eq!(short, long, "both roots list the same tables");
    let tables = long.iter().map(|at| memory.table(*at)).collect();
    (memory, tables)
}

fn find(platform: &PlatformDescription, signature: &[u8; 4]) -> Option<Memory> {
    all(platform).1.into_iter().find(|t| t.signature() == signature)
}

#[test]
fn fadt_names_the_fixed_registers_and_the_reset_register() {
    let (memory, tables) = all(&q35());
    let fadt = &tables[0];
    assert_eq!(fadt.signature(), b"FACP");
    assert_eq!((fadt.0[8], fadt.0.len()), (3, 244));
    assert_eq!(u16::from_le_bytes([fadt.0[46], fadt.0[47]]), 9);
    assert_eq!(fadt.u32(48), 0xb2);
    assert_eq!((fadt.0[52], fadt.0[53]), (2, 3));
    assert_eq!(
        (fadt.u32(56), fadt.u32(64), fadt.u32(76), fadt.u32(80)),
        (0x600, 0x604, 0x608, 0x620)
    );
    assert_ne!(fadt.u32(112) & (1 << 15), 0, "USE_PLATFORM_CLOCK");
    assert_ne!(fadt.u32(112) & (1 << 10), 0, "RESET_REG_SUP");
    assert_eq!(fadt.u64(120), 0xcf9);
    assert_eq!(fadt.0[128], 6);
    assert_eq!(memory.table(fadt.u32(40).into()).signature(), b"DSDT");
    assert_eq!(fadt.u64(140), fadt.u32(40).into());
    let facs = fadt.u32(36);
    assert_eq!(facs % 64, 0);
    let at = (facs - BASE) as usize;
    assert_eq!(&memory.0[at..at + 4], b"FACS");
}

#[test]
fn madt_has_a_local_apic_each_and_the_overrides() {
    let madt = find(&q35(), b"APIC").unwrap();
    let mut entries = Vec::new();
    let mut at = 44;
    while at < madt.0.len() {
        let len = usize::from(madt.0[at + 1]);
        entries.push(madt.0[at..at + len].to_vec());
        at += len;
    }
    assert_eq!(at, madt.0.len());
    assert_eq!(entries[0], [0, 8, 0, 0, 1, 0, 0, 0]);
    assert_eq!(entries[1], [0, 8, 1, 1, 1, 0, 0, 0]);
    assert_eq!(entries[2], [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
    assert_eq!(entries[3], [2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
    assert_eq!(entries[4], [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0]);
    assert_eq!(entries[5], [4, 6, 0xff, 0, 0, 1]);
}

#[test]
fn a_machine_without_hpet_or_ecam_has_no_such_table() {
    let mut platform = q35();
    assert_eq!(find(&platform, b"HPET").unwrap().u64(44), 0xfed0_0000);
    let mcfg = find(&platform, b"MCFG").unwrap();
    assert_eq!((mcfg.u64(44), mcfg.0[54], mcfg.0[55]), (0xb000_0000, 0, 255));
    (platform.hpet, platform.ecam) = (None, None);
    assert!(find(&platform, b"HPET").is_none());
    assert!(find(&platform, b"MCFG").is_none());
}

/// Does what SeaBIOS and OVMF do with the loader's commands.
#[test]
fn the_table_loader_makes_the_same_tables() {
    const RSDP_AT: u32 = 0xf_5000;
    let acpi = AcpiTables::build(&q35());
    let files = acpi.fw_cfg_files();
    let mut loaded: Vec<(&str, u32, Vec<u8>)> = Vec::new();
    let script = &files.iter().find(|f| f.0 == "etc/table-loader").unwrap().1;
    assert_eq!(script.len() % 128, 0);
    let text =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().trim_end_matches('\0').to_owned();
    for command in script.chunks(128) {
        let word = |at: usize| u32::from_le_bytes(command[at..at + 4].try_into().unwrap()) as usize;
        let name = text(&command[4..60]);
        let index = loaded.iter().position(|f| f.0 == name);
        match word(0) {
            1 => {
                let file = files.iter().find(|f| f.0 == name).unwrap();
                let at = if command[64] == 2 { RSDP_AT } else { BASE };
                assert_eq!(at as usize % word(60), 0);
                loaded.push((file.0, at, file.1.clone()));
            }
            2 => {
                let source = text(&command[60..116]);
                let base = loaded.iter().find(|f| f.0 == source).unwrap().1;
                let (at, size) = (word(116), usize::from(command[120]));
                let field = &mut loaded[index.unwrap()].2[at..at + size];
                let mut value = [0; 8];
                value[..size].copy_from_slice(field);
                let value = u64::from_le_bytes(value) + u64::from(base);
                field.copy_from_slice(&value.to_le_bytes()[..size]);
            }
            3 => {
                let (at, start, len) = (word(60), word(64), word(68));
                let bytes = &mut loaded[index.unwrap()].2;
                bytes[at] = bytes[at].wrapping_sub(sum(&bytes[start..start + len]));
            }
            other => panic!("command {other}"),
        }
    }
    let resolved = acpi.resolve(BASE);
    assert_eq!(loaded[0].2, resolved.tables);
    assert_eq!(loaded[1].2, resolved.rsdp);
}
