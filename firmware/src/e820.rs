//! The memory map of INT 15h, EAX = E820h (ACPI Specification 3.0b, section 14).

use serde::{Deserialize, Serialize};

/// Types of range (table 14-1).
pub(crate) mod kind {
    pub const MEMORY: u32 = 1;
    pub const RESERVED: u32 = 2;
    pub const ACPI_NVS: u32 = 4;
}

/// More ranges than any machine has.
pub(crate) const MAX_RANGES: usize = 64;

/// One range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemoryRange {
    pub start: u64,
    pub len: u64,
    pub kind: u32,
}

impl MemoryRange {
    pub fn new(start: u64, end: u64, kind: u32) -> Self {
        Self { start, len: end.saturating_sub(start), kind }
    }

    /// As the service writes it.
    pub fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.start.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.len.to_le_bytes());
        bytes[16..].copy_from_slice(&self.kind.to_le_bytes());
        bytes
    }
}

/// What is where. `tables` is the start of the ACPI tables, which end where low RAM does.
pub(crate) fn memory_map(
    low_ram: u64,
    high_ram: u64,
    tables: u64,
    ecam: Option<(u64, u64)>,
) -> Vec<MemoryRange> {
    use kind::{ACPI_NVS, MEMORY, RESERVED};
    const EBDA: u64 = crate::bda::EBDA_SEGMENT as u64 * 16;
    const MIB: u64 = 1 << 20;
    /// The ICH9's root complex registers, and the ROM below 4 GiB.
    const ROOT_COMPLEX: (u64, u64) = (0xfed1_c000, 0xfed2_0000);
    const ROM: (u64, u64) = (0xfffc_0000, 1 << 32);
    let mut map = vec![
        MemoryRange::new(0, EBDA, MEMORY),
        MemoryRange::new(EBDA, 0xa_0000, RESERVED),
        MemoryRange::new(0xf_0000, MIB, RESERVED),
        MemoryRange::new(MIB, tables, MEMORY),
        MemoryRange::new(tables, low_ram, ACPI_NVS),
    ];
    if let Some((start, end)) = ecam {
        map.push(MemoryRange::new(start, end, RESERVED));
    }
    map.push(MemoryRange::new(ROOT_COMPLEX.0, ROOT_COMPLEX.1, RESERVED));
    map.push(MemoryRange::new(ROM.0, ROM.1, RESERVED));
    map.push(MemoryRange::new(1 << 32, (1 << 32) + high_ram, MEMORY));
    map.retain(|range| range.len > 0);
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_rise_and_do_not_overlap() {
        let ecam = Some((0xb000_0000, 0xc000_0000));
        let map = memory_map(0x8000_0000, 0x4000_0000, 0x7ffe_0000, ecam);
        for pair in map.windows(2) {
            assert!(pair[0].start + pair[0].len <= pair[1].start, "{pair:x?}");
        }
        let ram: u64 = map.iter().filter(|r| r.kind == kind::MEMORY).map(|r| r.len).sum();
        assert_eq!(ram, 0xc000_0000 - 0x2_0000 - (0x10_0000 - 0x9_fc00));
    }

    #[test]
    fn a_megabyte_is_enough() {
        let map = memory_map(1 << 20, 0, 1 << 20, None);
        assert!(map.iter().all(|range| range.len > 0));
    }
}
