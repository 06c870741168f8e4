//! The software TLB: linear pages to host offsets.

use aero_bus::{GuestRam, PAGE_SIZE, Placed, RamError};

/// Entries of each array, a power of two.
pub const TLB_ENTRIES: usize = 1024;

const PHYSICAL_ENTRIES: usize = 256;
const PAGE_MASK: u64 = PAGE_SIZE - 1;
/// An address that no canonical page has; see [`TlbEntry::invalid`].
const NON_CANONICAL: u64 = 1 << 63;

/// One translation.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TlbEntry {
    /// Linear address of the page. An access of n bytes hits if `linear - tag` (wrapping) is at most
    /// 4096 - n, which also keeps it inside the page.
    pub(crate) tag: u64,
    /// What to add (wrapping) to the linear address for the host offset.
    pub(crate) addend: u64,
}

impl TlbEntry {
    /// An entry of slot `index` that nothing hits: no address that is looked up in this slot lies in
    /// a page that belongs in another.
    const fn invalid(index: usize) -> Self {
        let other = (index ^ 1) as u64 * PAGE_SIZE;
        Self { tag: NON_CANONICAL | other, addend: 0 }
    }

    /// The host offset of an access of `size` bytes, if it hits.
    #[inline(always)]
    pub fn lookup(&self, linear: u64, size: u64) -> Option<u64> {
        (linear.wrapping_sub(self.tag) <= PAGE_SIZE - size)
            .then(|| linear.wrapping_add(self.addend))
    }
}

/// What an access wants; also which array it looks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Access {
    /// A data read.
    Read,
    /// A data write.
    Write,
    /// An instruction fetch.
    Execute,
}

#[derive(Clone)]
#[repr(C)]
pub(crate) struct Array {
    pub(crate) entries: [TlbEntry; TLB_ENTRIES],
    global: [u64; TLB_ENTRIES / 64],
    /// Slots that may be valid, so that a flush need not touch the rest.
    used: [u64; TLB_ENTRIES / 64],
}

impl Array {
    fn new() -> Self {
        Self { entries: std::array::from_fn(TlbEntry::invalid), global: [0; _], used: [0; _] }
    }

    fn remove(&mut self, index: usize) {
        self.entries[index] = TlbEntry::invalid(index);
        self.used[index / 64] &= !(1 << (index % 64));
        self.global[index / 64] &= !(1 << (index % 64));
    }

    fn flush(&mut self, keep_global: bool) {
        for word in 0..TLB_ENTRIES / 64 {
            let kept = if keep_global { self.global[word] } else { 0 };
            let mut gone = self.used[word] & !kept;
            self.used[word] &= kept;
            self.global[word] = kept;
            while gone != 0 {
                let index = word * 64 + gone.trailing_zeros() as usize;
                self.entries[index] = TlbEntry::invalid(index);
                gone &= gone - 1;
            }
        }
    }

    /// Drops all entries for which `matches(tag, addend)`.
    fn drop_if(&mut self, matches: impl Fn(u64, u64) -> bool) {
        for word in 0..TLB_ENTRIES / 64 {
            let mut used = self.used[word];
            while used != 0 {
                let index = word * 64 + used.trailing_zeros() as usize;
                used &= used - 1;
                let entry = self.entries[index];
                if matches(entry.tag, entry.addend) {
                    self.remove(index);
                }
            }
        }
    }
}

/// What is behind a physical page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PhysicalPage {
    /// Page address; `u64::MAX` for none.
    page: u64,
    /// Host offset of the page for reads.
    pub read: Option<u64>,
    /// Host offset of the page for writes.
    pub write: Option<u64>,
}

/// Where guest memory is on the host.
struct Host {
    base: *mut u8,
    len: u64,
}

// SAFETY: the pointer is that of `GuestRam`, which is sent along with it and is `Send` and `Sync`.
unsafe impl Send for Host {}
// SAFETY: as above; through a shared reference nothing is accessed.
unsafe impl Sync for Host {}

/// The translations of one processor: an array for each kind of access by each of supervisor and user,
/// and what is behind physical pages.
#[repr(C)]
pub struct Tlb {
    /// Index: (user as usize) * 3 + access.
    pub(crate) arrays: [Array; 6],
    physical: [PhysicalPage; PHYSICAL_ENTRIES],
    /// A hash of the 2 MiB regions that have entries from larger pages than 4 KiB.
    large: [u64; 8],
    /// There are entries from 1 GiB pages.
    huge: bool,
    /// A hash of the host pages that have write entries.
    writable: [u64; 64],
    /// The memory that host offsets lie in, kept alive as long as there may be entries.
    memory: Option<GuestRam>,
    host: Host,
    pub(crate) map_generation: u64,
    pub(crate) code_marks: u64,
    pub(crate) dropped: Dropped,
}

/// What has been dropped so far: for whoever keeps what addresses led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How often all translations were.
    pub all: u64,
    /// How often all but the global ones were.
    pub not_global: u64,
    /// How often those of a page were.
    pub pages: u64,
    /// How often those for writing were, so that writes to code are seen.
    pub writes: u64,
    /// Addresses in the last pages: the one dropped after `n` others is at `n % Self::LAST`.
    pub last: [u64; Self::LAST],
}

impl Dropped {
    /// So many pages are known.
    pub const LAST: usize = 8;
    /// Bytes that a large page has at most, but for one of 1 GiB: dropping that drops all.
    pub const LARGE: u64 = 4 << 20;
}

/// How large the page is that an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageSize {
    Small,
    /// 2 or 4 MiB.
    Large,
    /// 1 GiB.
    Huge,
}

impl Tlb {
    /// An empty one, which generated code need not reach.
    pub(crate) fn boxed() -> Placed<Self> {
        Placed::boxed(Box::new(Self::new()))
    }

    /// An empty one beside guest memory.
    pub(crate) fn placed(ram: &GuestRam) -> Result<Placed<Self>, RamError> {
        ram.place(Self::new())
    }

    #[inline(always)]
    fn new() -> Self {
        Self {
            arrays: std::array::from_fn(|_| Array::new()),
            physical: [PhysicalPage { page: u64::MAX, read: None, write: None }; PHYSICAL_ENTRIES],
            large: [0; _],
            huge: false,
            writable: [0; _],
            memory: None,
            host: Host { base: std::ptr::null_mut(), len: 0 },
            map_generation: 0,
            code_marks: 0,
            dropped: Dropped::default(),
        }
    }

    /// Attaches the TLB to the memory it is used with. Entries of another memory are dropped.
    pub(crate) fn attach(&mut self, ram: &GuestRam, map_generation: u64) {
        let (base, len) = ram.host_block();
        if self.host.base != base || self.map_generation != map_generation {
            self.flush_all();
            self.memory = Some(ram.clone());
            self.host = Host { base, len };
            self.map_generation = map_generation;
        }
    }

    /// Where host offsets start. It goes with the entries: an offset that one of them gives, and the
    /// bytes up to the end of its page, are valid for reads and writes.
    #[inline(always)]
    pub(crate) fn host(&self) -> *mut u8 {
        self.host.base
    }

    /// Bytes of memory at [`host`](Self::host).
    pub(crate) fn host_len(&self) -> u64 {
        self.host.len
    }

    #[inline(always)]
    fn array(&self, user: bool, access: Access) -> &Array {
        &self.arrays[usize::from(user) * 3 + access as usize]
    }

    /// The entry that would translate `linear`.
    #[inline(always)]
    pub fn entry(&self, user: bool, access: Access, linear: u64) -> &TlbEntry {
        &self.array(user, access).entries[index(linear)]
    }

    /// The array of entries for one kind of access, [`TLB_ENTRIES`] long, indexed by the low bits of
    /// the linear page number: for generated code that looks into it by itself.
    pub fn entries(&self, user: bool, access: Access) -> &[TlbEntry; TLB_ENTRIES] {
        &self.array(user, access).entries
    }

    /// Whether there is an entry for `linear` that comes from a global page.
    pub(crate) fn is_global(&self, user: bool, access: Access, linear: u64) -> bool {
        let array = self.array(user, access);
        let index = index(linear);
        array.entries[index].tag == linear & !PAGE_MASK
            && array.global[index / 64] & 1 << (index % 64) != 0
    }

    /// Whether there may be an entry for `linear` from a page larger than 4 KiB.
    pub(crate) fn may_be_large(&self, linear: u64) -> bool {
        let (word, bit) = large_bit(linear);
        self.huge || self.large[word] & bit != 0
    }

    /// Adds a translation of the page of `linear` to the page at `host_offset`.
    pub(crate) fn insert(
        &mut self,
        user: bool,
        access: Access,
        linear: u64,
        host_offset: u64,
        global: bool,
        size: PageSize,
    ) {
        let page = linear & !PAGE_MASK;
        let host_page = host_offset & !PAGE_MASK;
        assert!(host_page + PAGE_SIZE <= self.host.len, "host pages lie inside the block");
        match size {
            PageSize::Small => {}
            PageSize::Large => {
                let (word, bit) = large_bit(linear);
                self.large[word] |= bit;
            }
            PageSize::Huge => self.huge = true,
        }
        if access == Access::Write {
            let (word, bit) = writable_bit(host_page);
            self.writable[word] |= bit;
        }
        let array = &mut self.arrays[usize::from(user) * 3 + access as usize];
        let index = index(linear);
        array.entries[index] = TlbEntry { tag: page, addend: host_page.wrapping_sub(page) };
        let bit = 1 << (index % 64);
        array.used[index / 64] |= bit;
        if global {
            array.global[index / 64] |= bit;
        } else {
            array.global[index / 64] &= !bit;
        }
    }

    /// Drops everything, physical pages included: the memory map has changed.
    pub(crate) fn flush_all(&mut self) {
        self.physical.fill(PhysicalPage { page: u64::MAX, read: None, write: None });
        self.flush(false);
    }

    /// Drops all translations, or all but the global ones.
    pub(crate) fn flush(&mut self, keep_global: bool) {
        let times = if keep_global { &mut self.dropped.not_global } else { &mut self.dropped.all };
        *times += 1;
        for array in &mut self.arrays {
            array.flush(keep_global);
        }
        if !keep_global {
            self.large = [0; _];
            self.huge = false;
            self.writable = [0; _];
        }
    }

    /// INVLPG: drops the translations of the page that holds `linear`, whatever its size.
    pub(crate) fn flush_page(&mut self, linear: u64) {
        if self.huge {
            self.flush(false);
            return;
        }
        let at = self.dropped.pages as usize % Dropped::LAST;
        self.dropped.last[at] = linear;
        self.dropped.pages += 1;
        let (word, bit) = large_bit(linear);
        if self.large[word] & bit != 0 {
            // 4 MiB, which covers a 2 MiB page too.
            let region = linear >> 22;
            for array in &mut self.arrays {
                array.drop_if(|tag, _| tag >> 22 == region);
            }
            return;
        }
        let index = index(linear);
        for array in &mut self.arrays {
            if array.entries[index].tag == linear & !PAGE_MASK {
                array.remove(index);
            }
        }
    }

    /// Drops the write entries of the host page: code is kept from it now.
    pub(crate) fn protect_code(&mut self, host_offset: u64) {
        let page = host_offset & !PAGE_MASK;
        let (word, bit) = writable_bit(page);
        if self.writable[word] & bit == 0 {
            return;
        }
        self.dropped.writes += 1;
        for user in [0, 1] {
            self.arrays[user * 3 + Access::Write as usize]
                .drop_if(|tag, addend| tag.wrapping_add(addend) == page);
        }
    }

    /// Drops all write entries: another processor keeps code now from pages that are not known here.
    pub(crate) fn flush_writes(&mut self) {
        self.dropped.writes += 1;
        for user in [0, 1] {
            self.arrays[user * 3 + Access::Write as usize].flush(false);
        }
        self.writable = [0; _];
    }

    /// What is behind the physical page of `address`, if that is known.
    #[inline]
    pub(crate) fn physical(&self, address: u64) -> Option<PhysicalPage> {
        let page = address & !PAGE_MASK;
        let entry = self.physical[physical_index(page)];
        (entry.page == page).then_some(entry)
    }

    pub(crate) fn set_physical(
        &mut self,
        address: u64,
        read: Option<u64>,
        write: Option<u64>,
    ) -> PhysicalPage {
        let inside = |offset: u64| offset + PAGE_SIZE <= self.host.len;
        assert!(read.is_none_or(inside) && write.is_none_or(inside), "pages lie inside the block");
        let page = address & !PAGE_MASK;
        let entry = PhysicalPage { page, read, write };
        self.physical[physical_index(page)] = entry;
        entry
    }
}

#[inline(always)]
const fn index(linear: u64) -> usize {
    (linear / PAGE_SIZE) as usize % TLB_ENTRIES
}

const fn physical_index(page: u64) -> usize {
    (page / PAGE_SIZE) as usize % PHYSICAL_ENTRIES
}

/// Bit of the 2 MiB region's 4 MiB group, so that a 4 MiB page has one.
const fn large_bit(linear: u64) -> (usize, u64) {
    let bit = (linear >> 22) as usize % 512;
    (bit / 64, 1 << (bit % 64))
}

const fn writable_bit(host_page: u64) -> (usize, u64) {
    let bit = (host_page / PAGE_SIZE) as usize % 4096;
    (bit / 64, 1 << (bit % 64))
}
