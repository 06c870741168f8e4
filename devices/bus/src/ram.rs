//! Guest memory: one block of host memory, seen through the `vm-memory` traits.
//!
//! The block holds the guest's RAM and, behind it, memory that is mapped directly but is not RAM: ROM
//! images and video memory ([`AuxMemory`]). It is one block so that generated code can reach all of it
//! at a constant offset. Offsets into the block are called *host offsets*. Behind it, out of reach of
//! the guest, is room for what generated code works on besides ([`GuestRam::place`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use vm_memory::bitmap::{BS, Bitmap, BitmapSlice, WithBitmapSlice};
use vm_memory::guest_memory::Result as GuestMemoryResult;
use vm_memory::{
    GuestAddress, GuestMemoryBackend, GuestMemoryError, GuestMemoryRegion, GuestMemoryRegionBytes,
    GuestUsize, MemoryRegionAddress, VolatileSlice,
};

use crate::placed::{Block, Placed};

/// The page size of the x86 and of everything here that counts pages.
pub const PAGE_SIZE: u64 = 4096;

/// RAM below this address is low RAM; what does not fit continues at 4 GiB, above the PCI hole, as on
/// QEMU's q35.
const LOW_RAM_LIMIT: u64 = 0x8000_0000;
const HIGH_RAM_BASE: u64 = 0x1_0000_0000;

/// Why guest memory cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RamError {
    /// Not a positive multiple of 1 MiB.
    #[error("memory must be a positive multiple of 1 MiB, and is {0} bytes")]
    Size(u64),
    /// The host (or the 4 GiB of a wasm32 page) has not that much.
    #[error("the host cannot provide {0} bytes of memory")]
    Exhausted(u64),
}

/// A version number per page of the block. It rises whenever a device or the host writes to the page,
/// and when a CPU writes to a page that is marked as holding decoded code. Whoever derives something
/// from a page's bytes keeps the version and looks again.
#[derive(Clone)]
pub struct PageVersions {
    words: Arc<[AtomicU32]>,
    counts: Arc<Counts>,
}

/// What happened to marks, of all pages together.
#[derive(Default)]
struct Counts {
    code_marks: AtomicU64,
    code_writes: AtomicU64,
    /// The pages that were written last, each with the number of the write above it.
    written: [AtomicU64; RECENT_WRITES as usize],
}

/// How many writes to code are remembered, a power of two.
const RECENT_WRITES: u64 = 16;
/// Pages are numbered in so many low bits of [`Counts::written`].
const PAGE_NUMBER_BITS: u32 = 32;

impl PageVersions {
    /// Bit 0 of a page's word: someone keeps decoded code of this page, so that CPU stores to it have
    /// to take the slow path and call [`bump`](Self::bump). The version is the word without it.
    pub const HAS_CODE: u32 = 1;

    fn new(pages: u64) -> Self {
        let words = (0..pages).map(|_| AtomicU32::new(0)).collect();
        Self { words, counts: Arc::default() }
    }

    /// The word of the page that holds host offset `offset`.
    pub fn word(&self, offset: u64) -> &AtomicU32 {
        &self.words[(offset / PAGE_SIZE) as usize]
    }

    /// The version of the page at host offset `offset`.
    pub fn version(&self, offset: u64) -> u32 {
        self.word(offset).load(Ordering::Acquire) & !Self::HAS_CODE
    }

    /// Marks the page as holding decoded code. Returns whether it was marked before.
    pub fn mark_code(&self, offset: u64) -> bool {
        let before =
            self.word(offset).fetch_or(Self::HAS_CODE, Ordering::AcqRel) & Self::HAS_CODE != 0;
        if !before {
            self.counts.code_marks.fetch_add(1, Ordering::AcqRel);
        }
        before
    }

    /// How many times a page that was not marked has been. A CPU that may store to pages without
    /// looking at their words drops that right when it sees a new number.
    pub fn code_marks(&self) -> u64 {
        self.counts.code_marks.load(Ordering::Acquire)
    }

    /// How many times a page that was marked was written. Who keeps code of many pages looks at their
    /// versions when it sees a new number.
    pub fn code_writes(&self) -> u64 {
        self.counts.code_writes.load(Ordering::Acquire)
    }

    /// Whether decoded code of this page is kept.
    pub fn has_code(&self, offset: u64) -> bool {
        self.word(offset).load(Ordering::Acquire) & Self::HAS_CODE != 0
    }

    /// The page was written: a new version, and no code kept from it any more.
    pub fn bump(&self, offset: u64) {
        let word = self.word(offset);
        let old = word.fetch_add(2, Ordering::AcqRel);
        if old & Self::HAS_CODE != 0 {
            word.fetch_and(!Self::HAS_CODE, Ordering::AcqRel);
            let number = self.counts.code_writes.fetch_add(1, Ordering::AcqRel);
            let entry = (offset / PAGE_SIZE) | (number << PAGE_NUMBER_BITS);
            self.counts.written[(number % RECENT_WRITES) as usize].store(entry, Ordering::Release);
        }
    }

    /// A CPU writes to the page, and whoever goes by [`code_writes`](Self::code_writes) knows that this
    /// does not concern him: a new version. Without `keep_mark` nobody keeps code there any more.
    pub fn touch(&self, offset: u64, keep_mark: bool) {
        let word = self.word(offset);
        word.fetch_add(2, Ordering::AcqRel);
        if !keep_mark {
            word.fetch_and(!Self::HAS_CODE, Ordering::AcqRel);
        }
    }

    /// The pages (by the host offset of their first byte) that the writes were to which
    /// [`code_writes`](Self::code_writes) has counted since it was `seen`; `None` if that is too long
    /// ago, or a write is just going on.
    pub fn code_written_since(&self, seen: u64) -> Option<impl Iterator<Item = u64>> {
        let now = self.code_writes();
        let mut pages = [0; RECENT_WRITES as usize];
        let count = now.wrapping_sub(seen);
        if count > RECENT_WRITES {
            return None;
        }
        for (page, number) in pages.iter_mut().zip(seen..now) {
            let entry = &self.counts.written[(number % RECENT_WRITES) as usize];
            let entry = entry.load(Ordering::Acquire);
            if entry >> PAGE_NUMBER_BITS != number & u64::from(u32::MAX) {
                return None;
            }
            *page = (entry & u64::from(u32::MAX)) * PAGE_SIZE;
        }
        Some(pages.into_iter().take(count as usize))
    }

    /// Whether these are the versions of the same memory.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.words, &other.words)
    }

    /// All words, for generated code that checks them inline.
    pub fn words(&self) -> &[AtomicU32] {
        &self.words
    }
}

/// The slice of [`PageVersions`] that belongs to one `vm-memory` slice: writes through it bump.
#[derive(Clone)]
pub struct VersionSlice {
    versions: PageVersions,
    base: usize,
}

impl std::fmt::Debug for VersionSlice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VersionSlice").field("base", &self.base).finish_non_exhaustive()
    }
}

impl WithBitmapSlice<'_> for VersionSlice {
    type S = Self;
}

impl BitmapSlice for VersionSlice {}

impl Bitmap for VersionSlice {
    fn mark_dirty(&self, offset: usize, len: usize) {
        if len == 0 {
            return;
        }
        let first = (self.base + offset) as u64 / PAGE_SIZE;
        let last = (self.base + offset + len - 1) as u64 / PAGE_SIZE;
        for page in first..=last {
            self.versions.bump(page * PAGE_SIZE);
        }
    }

    fn dirty_at(&self, offset: usize) -> bool {
        self.versions.version((self.base + offset) as u64) != 0
    }

    fn slice_at(&self, offset: usize) -> Self {
        Self { versions: self.versions.clone(), base: self.base + offset }
    }
}

/// A contiguous range of guest RAM.
pub struct RamRegion {
    block: Arc<Block>,
    start: GuestAddress,
    host_offset: u64,
    len: u64,
    bitmap: VersionSlice,
}

impl RamRegion {
    /// Where this region's first byte lies in the block.
    pub fn host_offset(&self) -> u64 {
        self.host_offset
    }
}

impl GuestMemoryRegion for RamRegion {
    type B = VersionSlice;

    fn len(&self) -> GuestUsize {
        self.len
    }

    fn start_addr(&self) -> GuestAddress {
        self.start
    }

    fn bitmap(&self) -> BS<'_, Self::B> {
        self.bitmap.clone()
    }

    fn get_host_address(&self, addr: MemoryRegionAddress) -> GuestMemoryResult<*mut u8> {
        let addr =
            self.check_address(addr).ok_or(GuestMemoryError::InvalidBackendAddress)?.0 as usize;
        // SAFETY: `addr` was checked to be inside the region, and the region inside the block.
        Ok(unsafe { self.block.base().add(self.host_offset as usize + addr) })
    }

    fn get_slice(
        &self,
        offset: MemoryRegionAddress,
        count: usize,
    ) -> GuestMemoryResult<VolatileSlice<'_, BS<'_, Self::B>>> {
        let end = offset.0.checked_add(count as u64).filter(|end| *end <= self.len);
        if end.is_none() {
            return Err(GuestMemoryError::InvalidBackendAddress);
        }
        let start = self.host_offset as usize + offset.0 as usize;
        // SAFETY: offset + count is inside the region, which lives as long as `self` keeps the block.
        Ok(unsafe {
            VolatileSlice::with_bitmap(
                self.block.base().add(start),
                count,
                self.bitmap.slice_at(offset.0 as usize),
                None,
            )
        })
    }
}

impl GuestMemoryRegionBytes for RamRegion {}

/// All of the guest's memory. Cheap to clone; every clone is the same memory.
#[derive(Clone)]
pub struct GuestRam {
    block: Arc<Block>,
    versions: PageVersions,
    regions: Arc<[RamRegion]>,
    ram_len: u64,
    block_len: u64,
    aux_used: Arc<AtomicU64>,
}

/// A piece of the block behind the RAM: a ROM image or video memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuxMemory {
    /// Host offset of the first byte, a multiple of the page size.
    pub host_offset: u64,
    /// Length in bytes.
    pub len: u64,
}

impl GuestRam {
    /// `ram` bytes of guest RAM, a multiple of 1 MiB, and room for `aux` bytes of directly mapped
    /// memory that is not RAM. All of it zero.
    pub fn new(ram: u64, aux: u64) -> Result<Self, RamError> {
        if ram == 0 || !ram.is_multiple_of(1 << 20) {
            return Err(RamError::Size(ram));
        }
        let aux = aux.next_multiple_of(PAGE_SIZE);
        let block_len = ram.checked_add(aux).ok_or(RamError::Exhausted(ram))?;
        let block = Arc::new(Block::new(block_len)?);
        let versions = PageVersions::new(block_len / PAGE_SIZE);
        let region = |start: u64, host_offset: u64, len: u64| RamRegion {
            block: block.clone(),
            start: GuestAddress(start),
            host_offset,
            len,
            bitmap: VersionSlice { versions: versions.clone(), base: host_offset as usize },
        };
        let low = ram.min(LOW_RAM_LIMIT);
        let mut regions = vec![region(0, 0, low)];
        if ram > low {
            regions.push(region(HIGH_RAM_BASE, low, ram - low));
        }
        Ok(Self {
            versions,
            regions: regions.into(),
            ram_len: ram,
            block_len,
            aux_used: Arc::new(AtomicU64::new(ram)),
            block,
        })
    }

    /// Bytes of RAM.
    pub fn len(&self) -> u64 {
        self.ram_len
    }

    /// Never true: there is at least 1 MiB.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Bytes of RAM below the PCI hole.
    pub fn low_len(&self) -> u64 {
        self.regions[0].len
    }

    /// Bytes of RAM from 4 GiB up.
    pub fn high_len(&self) -> u64 {
        self.ram_len - self.low_len()
    }

    /// Takes `len` bytes, rounded up to pages, of the room behind the RAM.
    pub fn allocate_aux(&self, len: u64) -> Result<AuxMemory, RamError> {
        let size = len.next_multiple_of(PAGE_SIZE);
        let taken = self.aux_used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            used.checked_add(size).filter(|end| *end <= self.block_len)
        });
        match taken {
            Ok(host_offset) => Ok(AuxMemory { host_offset, len: size }),
            Err(_) => Err(RamError::Exhausted(len)),
        }
    }

    /// The whole block: base pointer and length in bytes. For CPU backends, which keep to the host
    /// offsets that [`MemoryMap::lookup`](crate::MemoryMap::lookup) gives them.
    pub fn host_block(&self) -> (*mut u8, u64) {
        (self.block.base(), self.block_len)
    }

    /// All that lies in one piece with guest memory: base pointer and length in bytes, a multiple of
    /// 64 KiB. It begins with the [block](Self::host_block); behind it is what was
    /// [placed](Self::place) there, and zeros. For engines that run generated code; no host offset leads
    /// behind the block.
    pub fn host_memory(&self) -> (*mut u8, u64) {
        (self.block.base(), self.block.whole_len())
    }

    /// Places a value behind guest memory, for generated code to reach: its linear memory begins where
    /// the block does. There is room for 8 MiB. It does not count as part of the block: it has neither
    /// page versions nor host offsets, and nothing maps it for the guest.
    pub fn place<T: Send>(&self, value: T) -> Result<Placed<T>, RamError> {
        Placed::new(&self.block, value)
    }

    /// A slice of the block by host offset; `None` if it is not all inside.
    pub fn host_slice(&self, offset: u64, len: u64) -> Option<VolatileSlice<'_, VersionSlice>> {
        offset.checked_add(len).filter(|end| *end <= self.block_len)?;
        let bitmap = VersionSlice { versions: self.versions.clone(), base: offset as usize };
        // SAFETY: the range was checked to be inside the block, which `self` keeps alive.
        Some(unsafe {
            VolatileSlice::with_bitmap(
                self.block.base().add(offset as usize),
                len as usize,
                bitmap,
                None,
            )
        })
    }

    /// The page versions of the block.
    pub fn versions(&self) -> &PageVersions {
        &self.versions
    }

    /// Bytes in the block: RAM and what lies behind it.
    pub fn block_len(&self) -> u64 {
        self.block_len
    }
}

impl GuestMemoryBackend for GuestRam {
    type R = RamRegion;

    fn num_regions(&self) -> usize {
        self.regions.len()
    }

    fn find_region(&self, addr: GuestAddress) -> Option<&RamRegion> {
        self.regions.iter().find(|region| region.to_region_addr(addr).is_some())
    }

    fn iter(&self) -> impl Iterator<Item = &RamRegion> {
        self.regions.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::Bytes;

    #[test]
    fn refuses_sizes_that_are_no_whole_megabytes() {
        for size in [0, 1, (1 << 20) + 1] {
            assert_eq!(GuestRam::new(size, 0).err(), Some(RamError::Size(size)));
        }
        assert!(matches!(GuestRam::new(1 << 60, 0).err(), Some(RamError::Exhausted(_))));
    }

    #[test]
    fn a_write_through_the_traits_bumps_each_page_it_touches() {
        let ram = GuestRam::new(1 << 20, 0).unwrap();
        ram.versions().mark_code(0x1000);
        ram.write_slice(&[1, 2, 3, 4], GuestAddress(0x1ffe)).unwrap();
        assert_eq!(ram.versions().version(0x0000), 0);
        assert_ne!(ram.versions().version(0x1000), 0);
        assert_ne!(ram.versions().version(0x2000), 0);
        assert!(!ram.versions().has_code(0x1000));
        assert_eq!(ram.versions().code_writes(), 1);
        assert!(ram.versions().code_written_since(0).unwrap().eq([0x1000]));
        assert_eq!(ram.versions().code_written_since(1).unwrap().count(), 0);
    }

    #[test]
    fn a_write_that_concerns_no_code_gives_a_new_version_alone() {
        let ram = GuestRam::new(1 << 20, 0).unwrap();
        let versions = ram.versions();
        versions.mark_code(0x1000);
        for keeps_mark in [true, false] {
            let before = versions.version(0x1000);
            versions.touch(0x1000, keeps_mark);
            assert_ne!(versions.version(0x1000), before);
            assert_eq!(versions.has_code(0x1000), keeps_mark);
        }
        assert_eq!(versions.code_writes(), 0);
    }

    #[test]
    fn an_access_past_the_end_is_refused() {
        let ram = GuestRam::new(1 << 20, 0).unwrap();
        assert!(ram.write_slice(&[0; 2], GuestAddress((1 << 20) - 1)).is_err());
        assert!(ram.write_slice(&[0; 2], GuestAddress(u64::MAX)).is_err());
        assert!(ram.host_slice((1 << 20) - 1, 2).is_none());
        assert!(ram.host_slice(u64::MAX, 2).is_none());
    }

    #[test]
    fn aux_memory_lies_behind_the_ram_and_ends() {
        let ram = GuestRam::new(1 << 20, 8192).unwrap();
        let a = ram.allocate_aux(100).unwrap();
        assert_eq!(a, AuxMemory { host_offset: 1 << 20, len: 4096 });
        ram.allocate_aux(4096).unwrap();
        assert!(ram.allocate_aux(1).is_err());
    }
}
