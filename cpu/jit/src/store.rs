//! The code that there is, and where it is found.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use aero_bus::PAGE_SIZE;
use aero_interpreter::Op;

use crate::host::Slots;
use crate::mode::Mode;
use crate::region::{Bytes, CodePlace};

/// Number of an installed region.
pub type RegionId = u32;

/// Low bits of a site's number that count within its region.
const SITE_BITS: u32 = 12;

/// A region that can be run.
pub struct Installed {
    /// Where its function is.
    pub slots: Slots,
    /// How it runs.
    pub mode: Mode,
    /// The pages it was made of.
    pub places: Vec<CodePlace>,
    /// The code it was made of.
    pub code: Vec<Bytes>,
    /// Host offsets of the entries, and their offsets from the region's entry.
    pub entries: Vec<(u64, i32)>,
    /// What the interpreter executes in it.
    pub ops: Vec<Op>,
    /// It is not to be entered with fewer instructions left.
    pub longest: i32,
    /// Bytes of its module.
    pub bytes: u64,
    /// Offset of the region's entry in its page.
    pub start: u64,
    /// Whether it was made once more, in one piece, because it takes so much of the time.
    pub optimized: bool,
}

/// Where a region can be entered.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The region.
    pub region: RegionId,
    /// Offset from its entry.
    pub off: i32,
}

/// Spreads the bits of a number; what is hashed here does not come from an adversary who could gain
/// more by it than slowness of his own machine.
#[derive(Default)]
pub struct QuickHasher(u64);

impl Hasher for QuickHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }
    fn write_u16(&mut self, value: u16) {
        self.write_u64(value.into());
    }
    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 29;
    }
}

/// A map of small keys.
pub type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<QuickHasher>>;

/// What regions hold of a part of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// No region has code in the page.
    Nothing,
    /// Some have, but elsewhere in the page.
    Page,
    /// Some of these bytes are code of a region.
    Code,
}

/// A page that regions have code in.
#[derive(Default)]
struct CodePage {
    regions: Vec<RegionId>,
    /// A bit for each byte that is their code: made when the page is written to.
    code: Option<Box<CodeMap>>,
}

/// A bit for each byte of a page.
type CodeMap = [u64; PAGE_SIZE as usize / 64];

fn code_map(host: u64, regions: &[Option<Installed>], ids: &[RegionId]) -> Box<CodeMap> {
    let mut map = Box::new([0; _]);
    let regions = ids.iter().filter_map(|id| regions[*id as usize].as_ref());
    for part in regions.flat_map(|region| &region.code).filter(|part| part.is_in_page(host)) {
        for at in (part.host % PAGE_SIZE..).take(part.bytes.len()) {
            map[at as usize / 64] |= 1 << (at % 64);
        }
    }
    map
}

/// All installed regions.
#[derive(Default)]
pub struct Store {
    regions: Vec<Option<Installed>>,
    free: Vec<RegionId>,
    /// By host offset of the first byte.
    entries: QuickMap<(u64, Mode), Entry>,
    /// Regions that have code in a page, by its host offset.
    pages: QuickMap<u64, CodePage>,
    /// Oldest first.
    order: VecDeque<RegionId>,
    /// Bytes of all modules.
    pub bytes: u64,
}

impl Store {
    /// The number that the next region is to have.
    pub fn reserve(&mut self) -> Option<RegionId> {
        if let Some(id) = self.free.pop() {
            return Some(id);
        }
        let id = self.regions.len() as RegionId;
        if id >> (32 - SITE_BITS) != 0 {
            return None;
        }
        self.regions.push(None);
        Some(id)
    }

    /// Gives back a number that was reserved.
    pub fn unreserve(&mut self, id: RegionId) {
        self.free.push(id);
    }

    /// Number of the first site of a region.
    pub fn first_site(id: RegionId) -> u32 {
        id << SITE_BITS
    }

    /// What the interpreter executes at a site.
    pub fn op(&self, site: u32) -> Option<Op> {
        let region = self.regions.get((site >> SITE_BITS) as usize)?.as_ref()?;
        region.ops.get((site & ((1 << SITE_BITS) - 1)) as usize).copied()
    }

    /// Adds a region. Whether others could be entered where it now can be.
    pub fn insert(&mut self, id: RegionId, region: Installed) -> bool {
        let mut replaces = false;
        for &(host, off) in &region.entries {
            let entry = Entry { region: id, off };
            replaces |= self.entries.insert((host, region.mode), entry).is_some();
        }
        for place in &region.places {
            let page = self.pages.entry(place.host).or_default();
            page.regions.push(id);
            page.code = None;
        }
        self.bytes += region.bytes;
        self.order.push_back(id);
        self.regions[id as usize] = Some(region);
        replaces
    }

    /// A region.
    pub fn region(&self, id: RegionId) -> Option<&Installed> {
        self.regions.get(id as usize)?.as_ref()
    }

    /// Where code at a host offset can be entered.
    pub fn find(&self, host: u64, mode: Mode) -> Option<Entry> {
        self.entries.get(&(host, mode)).copied()
    }

    /// Removes a region; its slots are the caller's to give back.
    pub fn remove(&mut self, id: RegionId) -> Option<Installed> {
        let region = self.regions.get_mut(id as usize)?.take()?;
        for &(host, _) in &region.entries {
            if self.entries.get(&(host, region.mode)).is_some_and(|entry| entry.region == id) {
                self.entries.remove(&(host, region.mode));
            }
        }
        for place in &region.places {
            if let Some(page) = self.pages.get_mut(&place.host) {
                page.regions.retain(|other| *other != id);
                page.code = None;
                if page.regions.is_empty() {
                    self.pages.remove(&place.host);
                }
            }
        }
        self.order.retain(|other| *other != id);
        self.bytes -= region.bytes;
        self.free.push(id);
        Some(region)
    }

    /// Host offsets of all pages that regions have code in.
    pub fn pages(&self) -> Vec<u64> {
        self.pages.keys().copied().collect()
    }

    /// Regions that have code in a page.
    pub fn in_page(&self, host: u64) -> Vec<RegionId> {
        self.pages.get(&host).map_or_else(Vec::new, |page| page.regions.clone())
    }

    /// Whether `len` bytes, at most 16, at a host offset are code of a region, or at least in a page where
    /// there is some.
    pub fn holding(&mut self, host: u64, len: u32) -> Holding {
        let Some(page) = self.pages.get_mut(&(host & !(PAGE_SIZE - 1))) else {
            return Holding::Nothing;
        };
        let regions = &self.regions;
        let code = page.code.get_or_insert_with(|| code_map(host, regions, &page.regions));
        let (word, bit) = (host % PAGE_SIZE / 64, host % 64);
        let low = code[word as usize];
        let high = code.get(word as usize + 1).copied().unwrap_or(0);
        let bits = (u128::from(low) | u128::from(high) << 64) >> bit;
        if bits & ((1 << len) - 1) != 0 { Holding::Code } else { Holding::Page }
    }

    /// The oldest region.
    pub fn oldest(&self) -> Option<RegionId> {
        self.order.front().copied()
    }

    /// All regions.
    pub fn ids(&self) -> Vec<RegionId> {
        self.order.iter().copied().collect()
    }

    /// How many regions there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }
}
