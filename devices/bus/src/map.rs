//! Maps of address ranges to devices: one for ports here, one for memory in `memory_map`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::device::{BusTarget, Window};

/// A mapped range, for moving or removing it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapId(u64);

/// Why a range cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Something else answers there already.
    #[error(
        "{name} at {start:#x}..={end:#x} overlaps {other} at {other_start:#x}..={other_end:#x}"
    )]
    Overlap {
        /// The new range's name.
        name: String,
        /// First address of the new range.
        start: u64,
        /// Last address of the new range.
        end: u64,
        /// The name of what is there.
        other: String,
        /// Its first address.
        other_start: u64,
        /// Its last address.
        other_end: u64,
    },
    /// Empty, or past the end of the address space.
    #[error("{name} at {start:#x}, {len:#x} bytes long, does not fit the address space")]
    Range {
        /// The new range's name.
        name: String,
        /// Its first address.
        start: u64,
        /// Its length in bytes.
        len: u64,
    },
}

/// One range of a [`RangeMap`].
#[derive(Clone)]
pub(crate) struct Entry<T> {
    pub id: MapId,
    pub start: u64,
    pub last: u64,
    pub name: Arc<str>,
    pub value: T,
    /// Accesses to all ranges of this name, so far.
    pub accesses: Arc<AtomicU64>,
}

impl<T> Entry<T> {
    /// Counts an access. Counts are statistics: not part of the machine's state.
    pub fn count_access(&self) {
        self.accesses.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ranges sorted by address, never overlapping.
pub(crate) struct RangeMap<T> {
    entries: Vec<Entry<T>>,
    next_id: u64,
    last_address: u64,
    /// By name, also of ranges that are gone: a range that moves keeps its count.
    accesses: BTreeMap<Arc<str>, Arc<AtomicU64>>,
}

impl<T: Clone> RangeMap<T> {
    pub fn new(last_address: u64) -> Self {
        Self { entries: Vec::new(), next_id: 0, last_address, accesses: BTreeMap::new() }
    }

    pub fn insert(
        &mut self,
        name: &str,
        start: u64,
        len: u64,
        value: T,
    ) -> Result<MapId, MapError> {
        let last = len
            .checked_sub(1)
            .and_then(|rest| start.checked_add(rest))
            .filter(|last| *last <= self.last_address)
            .ok_or_else(|| MapError::Range { name: name.to_owned(), start, len })?;
        let at = self.entries.partition_point(|e| e.last < start);
        if let Some(other) = self.entries.get(at)
            && other.start <= last
        {
            return Err(MapError::Overlap {
                name: name.to_owned(),
                start,
                end: last,
                other: other.name.to_string(),
                other_start: other.start,
                other_end: other.last,
            });
        }
        let id = MapId(self.next_id);
        self.next_id += 1;
        let name: Arc<str> = name.into();
        let accesses = self.accesses.entry(name.clone()).or_default().clone();
        self.entries.insert(at, Entry { id, start, last, name, value, accesses });
        Ok(id)
    }

    /// Accesses by name.
    pub fn accesses(&self) -> Vec<(String, u64)> {
        let count = |(name, count): (&Arc<str>, &Arc<AtomicU64>)| {
            (name.to_string(), count.load(Ordering::Relaxed))
        };
        self.accesses.iter().map(count).collect()
    }

    pub fn remove(&mut self, id: MapId) -> bool {
        let before = self.entries.len();
        self.entries.retain(|e| e.id != id);
        before != self.entries.len()
    }

    pub fn find(&self, address: u64) -> Option<&Entry<T>> {
        let at = self.entries.partition_point(|e| e.last < address);
        self.entries.get(at).filter(|e| e.start <= address)
    }

    /// The first entry that starts after `address`.
    pub fn next_after(&self, address: u64) -> Option<&Entry<T>> {
        let at = self.entries.partition_point(|e| e.start <= address);
        self.entries.get(at)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.iter()
    }
}

/// Where a device answers.
#[derive(Clone)]
pub(crate) struct DeviceRange {
    pub target: Arc<dyn BusTarget>,
    pub offset: u64,
}

/// Reads the lock of a map, also after a panic elsewhere.
pub(crate) fn read_lock<T>(l: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    l.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Write-locks a map, also after a panic elsewhere.
pub(crate) fn write_lock<T>(l: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    l.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The 64 Ki x86 I/O ports.
///
/// An access that does not lie in one range is split into bytes. Ports where nothing answers read as
/// ones; writes to them are dropped, with a debug log line each.
pub struct IoMap {
    ranges: RwLock<RangeMap<DeviceRange>>,
}

impl Default for IoMap {
    fn default() -> Self {
        Self::new()
    }
}

impl IoMap {
    /// A map with no ports.
    pub fn new() -> Self {
        Self { ranges: RwLock::new(RangeMap::new(0xffff)) }
    }

    /// Maps `window` of `target` at ports `base..base + window.len`.
    pub fn map(
        &self,
        name: &str,
        base: u16,
        window: Window,
        target: Arc<dyn BusTarget>,
    ) -> Result<MapId, MapError> {
        let range = DeviceRange { target, offset: window.offset };
        write_lock(&self.ranges).insert(name, base.into(), window.len, range)
    }

    /// Removes a range. Returns whether it was there.
    pub fn unmap(&self, id: MapId) -> bool {
        write_lock(&self.ranges).remove(id)
    }

    /// All ranges: first port, last port, name.
    pub fn ranges(&self) -> Vec<(RangeInclusive<u16>, String)> {
        read_lock(&self.ranges)
            .iter()
            .map(|e| (e.start as u16..=e.last as u16, e.name.to_string()))
            .collect()
    }

    /// How often each range was accessed since the map was made, by the range's name.
    pub fn accesses(&self) -> Vec<(String, u64)> {
        read_lock(&self.ranges).accesses()
    }

    /// The name of what answers at `port`.
    pub fn name_at(&self, port: u16) -> Option<Arc<str>> {
        read_lock(&self.ranges).find(port.into()).map(|e| e.name.clone())
    }

    fn find(&self, port: u16, len: usize) -> Option<(DeviceRange, bool)> {
        let ranges = read_lock(&self.ranges);
        let entry = ranges.find(port.into())?;
        entry.count_access();
        let mut range = entry.value.clone();
        range.offset += u64::from(port) - entry.start;
        Some((range, u64::from(port) + len as u64 - 1 <= entry.last))
    }

    /// An `in` of 1, 2 or 4 bytes.
    pub fn read(&self, port: u16, data: &mut [u8]) {
        match self.find(port, data.len()) {
            Some((range, true)) => range.target.read(range.offset, data),
            None if data.len() == 1 => {
                log::debug!("read of port {port:#06x}, where nothing answers");
                data.fill(0xff);
            }
            _ => {
                for (i, byte) in data.chunks_mut(1).enumerate() {
                    self.read(port.wrapping_add(i as u16), byte);
                }
            }
        }
    }

    /// An `out` of 1, 2 or 4 bytes.
    pub fn write(&self, port: u16, data: &[u8]) {
        match self.find(port, data.len()) {
            Some((range, true)) => range.target.write(range.offset, data),
            None if data.len() == 1 => {
                log::debug!("write of {:#04x} to port {port:#06x}, where nothing answers", data[0]);
            }
            _ => {
                for (i, byte) in data.chunks(1).enumerate() {
                    self.write(port.wrapping_add(i as u16), byte);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Answers each byte with its offset.
    struct Echo(Mutex<Vec<(u64, Vec<u8>)>>);
    impl BusTarget for Echo {
        fn read(&self, offset: u64, data: &mut [u8]) {
            for (i, b) in data.iter_mut().enumerate() {
                *b = offset as u8 + i as u8;
            }
        }
        fn write(&self, offset: u64, data: &[u8]) {
            self.0.lock().unwrap().push((offset, data.to_vec()));
        }
    }

    fn echo() -> Arc<Echo> {
        Arc::new(Echo(Mutex::default()))
    }

    #[test]
    fn an_access_gets_the_offset_within_the_window() {
        let map = IoMap::new();
        map.map("slave", 0xa0, Window::new(2, 2), echo()).unwrap();
        let mut byte = [0];
        map.read(0xa1, &mut byte);
        assert_eq!(byte, [3]);
    }

    #[test]
    fn accesses_are_counted_by_name_also_when_the_range_moves() {
        let map = IoMap::new();
        let id = map.map("bar", 0x100, Window::new(0, 4), echo()).unwrap();
        map.write(0x100, &[1, 2, 3, 4]);
        map.unmap(id);
        map.map("bar", 0x200, Window::new(0, 4), echo()).unwrap();
        map.read(0x200, &mut [0; 2]);
        assert_eq!(map.accesses(), [("bar".to_owned(), 2)]);
    }

    #[test]
    fn overlaps_name_both_ranges() {
        let map = IoMap::new();
        map.map("pic", 0x20, Window::new(0, 2), echo()).unwrap();
        let error = map.map("thing", 0x1f, Window::new(0, 4), echo()).unwrap_err().to_string();
        assert_eq!(error, "thing at 0x1f..=0x22 overlaps pic at 0x20..=0x21");
        assert!(matches!(
            map.map("x", 0xffff, Window::new(0, 2), echo()),
            Err(MapError::Range { .. })
        ));
    }

    #[test]
    fn an_access_over_the_edge_is_split_and_holes_read_as_ones() {
        let map = IoMap::new();
        let dev = echo();
        let id = map.map("a", 0x10, Window::new(0, 2), dev.clone()).unwrap();
        let mut data = [0; 4];
        map.read(0x11, &mut data);
        assert_eq!(data, [1, 0xff, 0xff, 0xff]);
        map.write(0x0f, &[7, 8]);
        assert_eq!(*dev.0.lock().unwrap(), [(0, vec![8])]);
        assert!(map.unmap(id));
        map.read(0x10, &mut data[..1]);
        assert_eq!(data[0], 0xff);
    }
}
