//! The guest-physical address space as CPUs see it: RAM, and over it devices, ROM and holes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use vm_memory::{Bytes, GuestMemoryBackend, GuestMemoryRegion};

use crate::control::A20Gate;
use crate::device::{BusTarget, Window};
use crate::map::{DeviceRange, MapError, MapId, RangeMap, read_lock, write_lock};
use crate::ram::{GuestRam, PAGE_SIZE};

/// The widest physical address of the CPU models (40 bits, as Westmere has).
const LAST_ADDRESS: u64 = (1 << 40) - 1;
const A20: u64 = 1 << 20;

/// Memory that CPUs read and write directly, by host offset into the block of [`GuestRam`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectMapping {
    /// Where reads and instruction fetches go; `None` reads as ones.
    pub read: Option<u64>,
    /// Where writes go; `None` drops them, as ROM does.
    pub write: Option<u64>,
}

/// What is behind a guest-physical address.
#[derive(Clone)]
pub enum Backing {
    /// Directly accessible memory. Valid from the address asked for up to and including `last`.
    Direct {
        /// Host offsets of the byte asked for.
        mapping: DirectMapping,
        /// Last guest-physical address of this mapping.
        last: u64,
    },
    /// A device.
    Device {
        /// The device.
        target: Arc<dyn BusTarget>,
        /// Its offset of the byte asked for.
        offset: u64,
        /// Last guest-physical address of this range.
        last: u64,
    },
    /// Nothing: reads as ones, writes dropped.
    Unmapped,
}

#[derive(Clone)]
enum Overlay {
    Device(DeviceRange),
    Direct(DirectMapping),
}

/// The guest-physical address space. RAM lies at the bottom; ranges mapped here lie over it and do not
/// overlap each other. Taking a range away shows the RAM again, which is how PAM and SMRAM work.
pub struct MemoryMap {
    ram: GuestRam,
    overlays: RwLock<RangeMap<Overlay>>,
    generation: AtomicU64,
    a20: AtomicBool,
}

impl MemoryMap {
    /// An address space with `ram` and nothing else. A20 is open.
    pub fn new(ram: GuestRam) -> Self {
        Self {
            ram,
            overlays: RwLock::new(RangeMap::new(LAST_ADDRESS)),
            generation: AtomicU64::new(0),
            a20: AtomicBool::new(true),
        }
    }

    /// The guest's memory.
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }

    /// Rises at every change of the map or of A20. A CPU that keeps translations to host offsets drops
    /// them when it sees a new number; it looks after each access that reached a device.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Maps `window` of a device at `base`.
    pub fn map_device(
        &self,
        name: &str,
        base: u64,
        window: Window,
        target: Arc<dyn BusTarget>,
    ) -> Result<MapId, MapError> {
        let overlay = Overlay::Device(DeviceRange { target, offset: window.offset });
        self.map(name, base, window.len, overlay)
    }

    /// Maps directly accessible memory (ROM, video memory, an alias of RAM) at `base`. `base`, `len`
    /// and the host offsets are multiples of the page size.
    pub fn map_direct(
        &self,
        name: &str,
        base: u64,
        len: u64,
        mapping: DirectMapping,
    ) -> Result<MapId, MapError> {
        let fits = |offset: Option<u64>| {
            offset.is_none_or(|o| {
                o.is_multiple_of(PAGE_SIZE)
                    && o.checked_add(len).is_some_and(|end| end <= self.ram.block_len())
            })
        };
        if !base.is_multiple_of(PAGE_SIZE)
            || !len.is_multiple_of(PAGE_SIZE)
            || !fits(mapping.read)
            || !fits(mapping.write)
        {
            return Err(MapError::Range { name: name.to_owned(), start: base, len });
        }
        self.map(name, base, len, Overlay::Direct(mapping))
    }

    fn map(&self, name: &str, base: u64, len: u64, overlay: Overlay) -> Result<MapId, MapError> {
        let id = write_lock(&self.overlays).insert(name, base, len, overlay)?;
        self.changed();
        Ok(id)
    }

    /// Removes a range. Returns whether it was there.
    pub fn unmap(&self, id: MapId) -> bool {
        let removed = write_lock(&self.overlays).remove(id);
        if removed {
            self.changed();
        }
        removed
    }

    /// Opens or closes the A20 gate. Closed, address bit 20 is zero for every CPU access.
    pub fn set_a20(&self, open: bool) {
        if self.a20.swap(open, Ordering::AcqRel) != open {
            self.changed();
        }
    }

    /// Whether the A20 gate is open.
    pub fn a20(&self) -> bool {
        self.a20.load(Ordering::Acquire)
    }

    /// All ranges over the RAM: first address, last address, name.
    pub fn ranges(&self) -> Vec<(u64, u64, String)> {
        read_lock(&self.overlays).iter().map(|e| (e.start, e.last, e.name.to_string())).collect()
    }

    /// How often each device was looked up, by the name of its range: a CPU does that once an access.
    pub fn accesses(&self) -> Vec<(String, u64)> {
        read_lock(&self.overlays).accesses()
    }

    /// The name of the device at `address`; `None` where there is none (RAM and ROM included).
    pub fn device_name_at(&self, address: u64) -> Option<Arc<str>> {
        let overlays = read_lock(&self.overlays);
        let entry = overlays.find(self.apply_a20(address))?;
        matches!(entry.value, Overlay::Device(_)).then(|| entry.name.clone())
    }

    fn apply_a20(&self, address: u64) -> u64 {
        if self.a20() { address } else { address & !A20 }
    }

    /// What is behind `address`, as a CPU sees it (A20 applied).
    pub fn lookup(&self, address: u64) -> Backing {
        let address = self.apply_a20(address);
        let overlays = read_lock(&self.overlays);
        if let Some(entry) = overlays.find(address) {
            let (into, last) = (address - entry.start, entry.last);
            if matches!(entry.value, Overlay::Device(_)) {
                entry.count_access();
            }
            return match &entry.value {
                Overlay::Device(range) => Backing::Device {
                    target: range.target.clone(),
                    offset: range.offset + into,
                    last,
                },
                Overlay::Direct(m) => Backing::Direct {
                    mapping: DirectMapping {
                        read: m.read.map(|o| o + into),
                        write: m.write.map(|o| o + into),
                    },
                    last,
                },
            };
        }
        let Some((region, offset)) = self.ram.to_region_addr(vm_memory::GuestAddress(address))
        else {
            return Backing::Unmapped;
        };
        let host = region.host_offset() + offset.0;
        let mut last = region.last_addr().0;
        if let Some(next) = overlays.next_after(address) {
            last = last.min(next.start - 1);
        }
        if !self.a20() {
            // Above each odd megabyte the mapping folds back.
            last = last.min(address | (A20 - 1));
        }
        Backing::Direct { mapping: DirectMapping { read: Some(host), write: Some(host) }, last }
    }

    /// Reads `data.len()` bytes at `address`, over the edges of ranges if need be. For whatever is not
    /// worth a translation cache: page walks, firmware, debuggers, accesses to devices.
    pub fn read(&self, address: u64, data: &mut [u8]) {
        self.each_part(address, data.len(), |backing, range| match backing {
            Backing::Direct { mapping: DirectMapping { read: Some(offset), .. }, .. } => {
                let part = &mut data[range];
                let slice = self.ram.host_slice(offset, part.len() as u64);
                slice.expect("mappings were checked to lie inside the block").copy_to(part);
            }
            Backing::Device { target, offset, .. } => target.read(offset, &mut data[range]),
            Backing::Direct { .. } | Backing::Unmapped => data[range].fill(0xff),
        });
    }

    /// Writes `data` at `address`, over the edges of ranges if need be.
    pub fn write(&self, address: u64, data: &[u8]) {
        self.each_part(address, data.len(), |backing, range| match backing {
            Backing::Direct { mapping: DirectMapping { write: Some(offset), .. }, .. } => {
                let part = &data[range];
                self.ram
                    .host_slice(offset, part.len() as u64)
                    .expect("mappings were checked to lie inside the block")
                    .write_slice(part, 0)
                    .expect("the slice is as long as the data");
            }
            Backing::Device { target, offset, .. } => target.write(offset, &data[range]),
            Backing::Direct { .. } | Backing::Unmapped => {}
        });
    }

    fn each_part(
        &self,
        address: u64,
        len: usize,
        mut access: impl FnMut(Backing, std::ops::Range<usize>),
    ) {
        let mut done = 0;
        while done < len {
            let at = address.wrapping_add(done as u64);
            let backing = self.lookup(at);
            let rest = match &backing {
                Backing::Direct { last, .. } | Backing::Device { last, .. } => {
                    (last - self.apply_a20(at)).saturating_add(1)
                }
                // Look again at the next byte: something may be mapped there.
                Backing::Unmapped => 1,
            };
            let part = usize::try_from(rest).unwrap_or(usize::MAX).min(len - done);
            access(backing, done..done + part);
            done += part;
        }
    }
}

impl A20Gate for MemoryMap {
    fn set_a20(&self, open: bool) {
        self.set_a20(open);
    }

    fn a20(&self) -> bool {
        self.a20()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;
    impl BusTarget for Ones {
        fn read(&self, offset: u64, data: &mut [u8]) {
            data.fill(offset as u8);
        }
        fn write(&self, _: u64, _: &[u8]) {}
    }

    fn map() -> MemoryMap {
        MemoryMap::new(GuestRam::new(4 << 20, 64 << 10).unwrap())
    }

    fn byte(map: &MemoryMap, address: u64) -> u8 {
        let mut b = [0];
        map.read(address, &mut b);
        b[0]
    }

    #[test]
    fn a_device_lies_over_ram_and_an_access_over_its_edge_is_split() {
        let map = map();
        map.write(0x9_fffe, &[1, 2, 3, 4]);
        let id =
            map.map_device("vga", 0xa_0000, Window::new(0x10, 0x2_0000), Arc::new(Ones)).unwrap();
        let mut data = [0; 4];
        map.read(0x9_fffe, &mut data);
        assert_eq!(data, [1, 2, 0x10, 0x10]);
        assert!(map.unmap(id));
        map.read(0x9_fffe, &mut data);
        assert_eq!(data, [1, 2, 3, 4]);
    }

    #[test]
    fn rom_drops_writes_and_may_write_through_to_ram() {
        let map = map();
        let rom = map.ram().allocate_aux(4096).unwrap();
        map.ram().host_slice(rom.host_offset, 1).unwrap().write_slice(&[0x55], 0).unwrap();
        let mut direct = DirectMapping { read: Some(rom.host_offset), write: None };
        let id = map.map_direct("rom", 0xf_0000, 4096, direct).unwrap();
        map.write(0xf_0000, &[1]);
        assert_eq!(byte(&map, 0xf_0000), 0x55);
        map.unmap(id);
        assert_eq!(byte(&map, 0xf_0000), 0);
        direct.write = Some(0xf_0000);
        let id = map.map_direct("rom", 0xf_0000, 4096, direct).unwrap();
        map.write(0xf_0000, &[1]);
        assert_eq!(byte(&map, 0xf_0000), 0x55);
        map.unmap(id);
        assert_eq!(byte(&map, 0xf_0000), 1);
    }

    #[test]
    fn closed_a20_folds_the_odd_megabytes() {
        let map = map();
        map.write(0, &[0xaa]);
        map.write(0x10_0000, &[0xbb]);
        let before = map.generation();
        map.set_a20(false);
        assert_ne!(map.generation(), before);
        assert_eq!(byte(&map, 0x10_0000), 0xaa);
        let mut data = [0; 2];
        map.read(0xf_ffff, &mut data);
        assert_eq!(data[1], 0xaa);
    }

    #[test]
    fn nothing_reads_as_ones_up_to_the_end_of_the_address_space() {
        let map = map();
        let mut data = [0; 8];
        map.read(u64::MAX - 3, &mut data);
        assert_eq!(data[..4], [0xff; 4]);
    }

    #[test]
    fn direct_mappings_must_lie_inside_the_block() {
        let map = map();
        let direct = DirectMapping { read: Some(1 << 40), write: None };
        assert!(matches!(
            map.map_direct("x", 0xf000_0000, 4096, direct),
            Err(MapError::Range { .. })
        ));
    }
}
