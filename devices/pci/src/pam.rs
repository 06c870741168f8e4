//! The attribute map of C0000–FFFFF: which 16 KiB segments show RAM and which the ROM behind it
//! (MCH datasheet, 5.1.16–5.1.22 "PAM0–PAM6").

use std::sync::Arc;

use aero_bus::{AuxMemory, DirectMapping, MapId, MemoryMap};

/// First address of the map.
const START: u64 = 0xc_0000;
const SEGMENT: u64 = 0x4000;
/// PAM0's only field covers F0000–FFFFF; the others two segments each.
pub(crate) const PAM_COUNT: usize = 7;
const FIELDS: usize = 13;
const HIGH_FIELD: u64 = 0xf_0000;
const HIGH_FIELD_LEN: u64 = 0x1_0000;
const END: u64 = 0x10_0000;
/// The part of the system BIOS that shows below 1 MiB.
const BIOS_ALIAS_LEN: u64 = 0x2_0000;

/// Bits of each field.
const READ_ENABLE: u8 = 1;
const WRITE_ENABLE: u8 = 2;

/// A range and what lies over the RAM there.
type Overlay = (u64, u64, DirectMapping);

/// Keeps the overlays of C0000–FFFFF as the PAM registers say.
pub(crate) struct ShadowMap {
    memory: Arc<MemoryMap>,
    bios: AuxMemory,
    mapped: Vec<(Overlay, MapId)>,
}

impl ShadowMap {
    /// Nothing is mapped before the first [`apply`](Self::apply).
    pub fn new(memory: Arc<MemoryMap>, bios: AuxMemory) -> Self {
        Self { memory, bios, mapped: Vec::new() }
    }

    /// Maps what `pam`, the seven registers, ask for.
    pub fn apply(&mut self, pam: [u8; PAM_COUNT]) {
        let wanted = self.overlays(pam);
        let memory = &self.memory;
        self.mapped.retain(|(overlay, id)| {
            let stays = wanted.contains(overlay);
            if !stays {
                memory.unmap(*id);
            }
            stays
        });
        for overlay in wanted {
            if self.mapped.iter().any(|(mapped, _)| *mapped == overlay) {
                continue;
            }
            let (start, len, mapping) = overlay;
            match self.memory.map_direct("shadow", start, len, mapping) {
                Ok(id) => self.mapped.push((overlay, id)),
                Err(error) => log::warn!("PAM: {error}"),
            }
        }
    }

    /// The overlays for these registers, neighbours that continue each other joined.
    fn overlays(&self, pam: [u8; PAM_COUNT]) -> Vec<Overlay> {
        let mut overlays: Vec<Overlay> = Vec::new();
        for field in 0..FIELDS {
            let (start, len, bits) = if field == FIELDS - 1 {
                (HIGH_FIELD, HIGH_FIELD_LEN, pam[0] >> 4)
            } else {
                (START + field as u64 * SEGMENT, SEGMENT, pam[1 + field / 2] >> (field % 2 * 4))
            };
            // The BIOS image may begin inside the high field.
            for (start, len) in self.split_at_bios(start, len) {
                let read_ram = bits & READ_ENABLE != 0;
                let write_ram = bits & WRITE_ENABLE != 0;
                if read_ram && write_ram {
                    continue;
                }
                let mapping = DirectMapping {
                    read: if read_ram { Some(start) } else { self.rom_at(start) },
                    write: write_ram.then_some(start),
                };
                let continues = |before: Option<u64>, next: Option<u64>, by: u64| match before {
                    Some(before) => next == Some(before + by),
                    None => next.is_none(),
                };
                if let Some((before_start, before_len, before)) = overlays.last_mut()
                    && *before_start + *before_len == start
                    && continues(before.read, mapping.read, *before_len)
                    && continues(before.write, mapping.write, *before_len)
                {
                    *before_len += len;
                } else {
                    overlays.push((start, len, mapping));
                }
            }
        }
        overlays
    }

    fn bios_start(&self) -> u64 {
        END - self.bios.len.min(BIOS_ALIAS_LEN)
    }

    fn split_at_bios(&self, start: u64, len: u64) -> impl Iterator<Item = (u64, u64)> {
        let at = self.bios_start().clamp(start, start + len);
        [(start, at - start), (at, start + len - at)].into_iter().filter(|(_, len)| *len != 0)
    }

    /// The ROM byte behind `address`: the end of the BIOS image. Where there is none the bus floats.
    fn rom_at(&self, address: u64) -> Option<u64> {
        (address >= self.bios_start())
            .then(|| self.bios.host_offset + self.bios.len - (END - address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aero_testbed::Testbed;

    fn shadow(bios_len: u64) -> (Arc<MemoryMap>, ShadowMap) {
        let bed = Testbed::new();
        let bios = bed.ram.allocate_aux(bios_len).unwrap();
        let image = bed.ram.host_slice(bios.host_offset, bios_len).unwrap();
        let bytes: Vec<u8> = (0..bios_len).map(|at| 0x80 | (at >> 12) as u8).collect();
        image.copy_from(&bytes);
        let memory = Arc::new(MemoryMap::new(bed.ram.clone()));
        (memory.clone(), ShadowMap::new(memory, bios))
    }

    fn byte(memory: &MemoryMap, address: u64) -> u8 {
        let mut byte = [0];
        memory.read(address, &mut byte);
        byte[0]
    }

    #[test]
    fn closed_segments_show_the_last_128_kib_of_the_bios_and_else_nothing() {
        let (memory, mut shadow) = shadow(256 << 10);
        shadow.apply([0; 7]);
        assert_eq!(byte(&memory, 0xc_0000), 0xff);
        assert_eq!(byte(&memory, 0xd_ffff), 0xff);
        assert_eq!(byte(&memory, 0xe_0000), 0x80 | 0x20);
        assert_eq!(byte(&memory, 0xf_ffff), 0x80 | 0x3f);
        memory.write(0xf_0000, &[1]);
        assert_eq!(byte(&memory, 0xf_0000), 0x80 | 0x30);
        assert_eq!(memory.ranges().len(), 2);
    }

    #[test]
    fn write_enable_alone_reads_rom_and_writes_the_ram_behind_it() {
        let (memory, mut shadow) = shadow(128 << 10);
        shadow.apply([0x20, 0, 0, 0, 0, 0, 0]);
        memory.write(0xf_0000, &[0x5a]);
        assert_eq!(byte(&memory, 0xf_0000), 0x80 | 0x10);
        shadow.apply([0x10, 0, 0, 0, 0, 0, 0]);
        assert_eq!(byte(&memory, 0xf_0000), 0x5a);
        memory.write(0xf_0000, &[0]);
        assert_eq!(byte(&memory, 0xf_0000), 0x5a, "read enable alone protects the RAM");
        shadow.apply([0x30, 0, 0, 0, 0, 0, 0]);
        memory.write(0xf_0000, &[0x11]);
        assert_eq!(byte(&memory, 0xf_0000), 0x11);
    }

    #[test]
    fn each_nibble_rules_its_16_kib() {
        let (memory, mut shadow) = shadow(128 << 10);
        for field in 0..12usize {
            let mut pam = [0; 7];
            pam[1 + field / 2] = 3 << (field % 2 * 4);
            shadow.apply(pam);
            let start = 0xc_0000 + field as u64 * 0x4000;
            memory.write(start, &[field as u8 + 1]);
            memory.write(start + 0x3fff, &[field as u8 + 1]);
            assert_eq!(byte(&memory, start), field as u8 + 1);
            assert_eq!(byte(&memory, start + 0x3fff), field as u8 + 1);
            assert!(byte(&memory, start - 1) == 0 || byte(&memory, start - 1) >= 0x80);
            assert!(byte(&memory, start + 0x4000) >= 0x80);
        }
    }

    #[test]
    fn a_bios_smaller_than_a_segment_shows_only_at_the_top() {
        let (memory, mut shadow) = shadow(8 << 10);
        shadow.apply([0; 7]);
        assert_eq!(byte(&memory, 0xf_dfff), 0xff);
        assert_eq!(byte(&memory, 0xf_e000), 0x80);
        shadow.apply([0x33; 7]);
        assert!(memory.ranges().is_empty());
    }
}
