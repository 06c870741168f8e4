//! QEMU copy-on-write images, version 2 and 3, as QEMU's `docs/interop/qcow2` describes them: read with
//! backing files, compressed and zero clusters; written with refcounts.
//!
//! Nothing in an image is trusted: an offset is looked at before it is used, and a damaged image gives
//! an error for what is damaged.

mod header;
mod refcounts;

use std::collections::HashMap;

pub use header::MAGIC;
use header::{AUTOCLEAR_FEATURES, be64, fresh_header};
pub(crate) use header::{Backing, Header};
use refcounts::Refcounts;

use super::image::Image;
use super::store::{ByteStore, StoreError, check_range};

/// Bits of L1 and L2 entries.
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1 << 0;
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;

/// Bytes of L2 tables that are kept.
const L2_CACHE_BYTES: u64 = 8 << 20;

/// A qcow2 image.
pub struct Qcow2 {
    store: Box<dyn ByteStore>,
    header: Header,
    backing: Option<Box<dyn Image>>,
    l1: Vec<u64>,
    l2_cache: L2Cache,
    refcounts: Refcounts,
    /// The cluster last decompressed: its L2 entry, and its bytes.
    decompressed: Option<(u64, Vec<u8>)>,
}

/// Where a cluster's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cluster {
    /// In the backing file, or zeros.
    Unallocated,
    Zero,
    /// At this host offset.
    Data(u64),
    /// Deflated: host offset and length in bytes.
    Compressed(u64, u64),
}

#[derive(Default)]
struct L2Cache {
    tables: HashMap<u64, (Vec<u64>, u64)>,
    uses: u64,
}

impl L2Cache {
    fn insert(&mut self, offset: u64, table: Vec<u64>) {
        let limit = (L2_CACHE_BYTES / (table.len() as u64 * 8)).max(4) as usize;
        if self.tables.len() >= limit
            && let Some(oldest) =
                self.tables.iter().min_by_key(|(_, (_, used))| *used).map(|(at, _)| *at)
        {
            self.tables.remove(&oldest);
        }
        self.uses += 1;
        self.tables.insert(offset, (table, self.uses));
    }

    fn get(&mut self, offset: u64) -> Option<&mut Vec<u64>> {
        self.uses += 1;
        let uses = self.uses;
        self.tables.get_mut(&offset).map(|(table, used)| {
            *used = uses;
            table
        })
    }
}

fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Host(format!("the qcow2 image is damaged: {what}"))
}

impl Qcow2 {
    /// Opens an image whose header has been read, over its backing file, if it has one. Errors are one
    /// line without the image's name.
    pub(crate) fn open(
        store: Box<dyn ByteStore>,
        header: Header,
        backing: Option<Box<dyn Image>>,
    ) -> Result<Self, String> {
        Self::open_inner(store, header, backing).map_err(|e| e.to_string())
    }

    fn open_inner(
        store: Box<dyn ByteStore>,
        header: Header,
        backing: Option<Box<dyn Image>>,
    ) -> Result<Self, StoreError> {
        let mut bytes = vec![0; header.l1_size as usize * 8];
        store.read_at(header.l1_offset, &mut bytes)?;
        let l1: Vec<u64> = bytes.chunks_exact(8).map(|e| be64(e, 0)).collect();
        let refcounts = Refcounts::read(&*store, &header)?;
        refcounts.check_end(&*store)?;
        let file_len = store.len()?;
        for entry in &l1 {
            let offset = entry & OFFSET_MASK;
            if offset != 0 && offset.saturating_add(header.cluster_size()) > file_len {
                return Err(StoreError::Host(format!(
                    "the qcow2 image is truncated: it has an L2 table at {offset:#x} and ends at \
                     {file_len:#x}"
                )));
            }
        }
        if !store.is_read_only()
            && let Some(why) = header.unwritable
        {
            return Err(StoreError::Host(why.to_owned()));
        }
        if !store.is_read_only() && header.autoclear != 0 {
            // What these bits stand for does not follow our writes.
            store.write_at(AUTOCLEAR_FEATURES, &[0; 8])?;
        }
        let l2_cache = L2Cache::default();
        Ok(Self { store, header, backing, l1, l2_cache, refcounts, decompressed: None })
    }

    /// Writes a fresh version 3 image of `size` bytes into an empty store. `backing` only tells other
    /// programs what is behind it.
    pub(crate) fn create(
        store: &dyn ByteStore,
        size: u64,
        backing: Option<Backing>,
    ) -> Result<Header, StoreError> {
        const CLUSTER_BITS: u32 = 16;
        let cluster_size = 1u64 << CLUSTER_BITS;
        let l1_size = size.div_ceil(cluster_size).div_ceil(cluster_size / 8).max(1);
        let l1_size = u32::try_from(l1_size)
            .map_err(|_| StoreError::Host("the disk is too large for qcow2".to_owned()))?;
        let header = Header {
            version: 3,
            cluster_bits: CLUSTER_BITS,
            size,
            l1_size,
            l1_offset: 3 * cluster_size,
            refcount_table_offset: cluster_size,
            refcount_table_clusters: 1,
            refcount_order: 4,
            backing,
            unwritable: None,
            autoclear: 0,
        };
        let clusters = 3 + (u64::from(l1_size) * 8).div_ceil(cluster_size);
        store.write_at(0, &fresh_header(&header))?;
        store.write_at(cluster_size, &(2 * cluster_size).to_be_bytes())?;
        let counts: Vec<u8> = (0..clusters).flat_map(|_| 1u16.to_be_bytes()).collect();
        store.write_at(2 * cluster_size, &counts)?;
        store.write_at(clusters * cluster_size - 1, &[0])?;
        Ok(header)
    }

    fn cluster_size(&self) -> u64 {
        self.header.cluster_size()
    }

    /// The L2 table for the disk's byte `offset`: its host offset, and the entry's index.
    fn l2_position(&self, offset: u64) -> (u64, usize) {
        let cluster = offset >> self.header.cluster_bits;
        let l1_index = (cluster / self.header.l2_entries()) as usize;
        (self.l1[l1_index], (cluster % self.header.l2_entries()) as usize)
    }

    fn l2_table(&mut self, at: u64) -> Result<&mut Vec<u64>, StoreError> {
        if self.l2_cache.get(at).is_none() {
            if at == 0 || !at.is_multiple_of(self.cluster_size()) {
                return Err(damaged(format_args!("an L2 table at {at:#x}")));
            }
            let mut bytes = vec![0; self.cluster_size() as usize];
            self.store.read_at(at, &mut bytes)?;
            self.l2_cache.insert(at, bytes.chunks_exact(8).map(|e| be64(e, 0)).collect());
        }
        self.l2_cache.get(at).ok_or_else(|| damaged("an L2 table is gone"))
    }

    fn entry(&mut self, offset: u64) -> Result<u64, StoreError> {
        let (l1_entry, index) = self.l2_position(offset);
        match l1_entry & OFFSET_MASK {
            0 => Ok(0),
            table => Ok(self.l2_table(table)?[index]),
        }
    }

    fn decode(&self, entry: u64) -> Result<Cluster, StoreError> {
        if entry & COMPRESSED != 0 {
            let offset_bits = 62 - (self.header.cluster_bits - 8);
            let offset = entry & ((1 << offset_bits) - 1);
            let sectors = (entry & (COMPRESSED - 1)) >> offset_bits;
            // The count is of sectors after the one in which the data begins.
            let len = (sectors + 1) * 512 - offset % 512;
            return Ok(Cluster::Compressed(offset, len));
        }
        let offset = entry & OFFSET_MASK;
        if self.header.version >= 3 && entry & ZERO != 0 {
            return Ok(Cluster::Zero);
        }
        if offset == 0 {
            return Ok(Cluster::Unallocated);
        }
        if !offset.is_multiple_of(self.cluster_size()) {
            return Err(damaged(format_args!("a cluster at {offset:#x}")));
        }
        Ok(Cluster::Data(offset))
    }

    /// Reads inside one cluster.
    fn read_part(&mut self, offset: u64, data: &mut [u8]) -> Result<(), StoreError> {
        let entry = self.entry(offset)?;
        let inside = offset % self.cluster_size();
        match self.decode(entry)? {
            Cluster::Unallocated => self.read_backing(offset, data),
            Cluster::Zero => {
                data.fill(0);
                Ok(())
            }
            Cluster::Data(host) => self.read_host(host + inside, data),
            Cluster::Compressed(host, len) => {
                if self.decompressed.as_ref().is_none_or(|(e, _)| *e != entry) {
                    let bytes = self.decompress(host, len)?;
                    self.decompressed = Some((entry, bytes));
                }
                if let Some((_, bytes)) = &self.decompressed {
                    data.copy_from_slice(&bytes[inside as usize..][..data.len()]);
                }
                Ok(())
            }
        }
    }

    /// Reads the file. The last cluster may be cut short: what is missing of it is zeros.
    fn read_host(&self, at: u64, data: &mut [u8]) -> Result<(), StoreError> {
        let file_len = self.store.len()?;
        let available = file_len.saturating_sub(at).min(data.len() as u64) as usize;
        let cluster = at & !(self.cluster_size() - 1);
        if cluster >= file_len {
            return Err(damaged(format_args!("a cluster at {cluster:#x}, past the end")));
        }
        self.store.read_at(at, &mut data[..available])?;
        data[available..].fill(0);
        Ok(())
    }

    fn read_backing(&mut self, offset: u64, data: &mut [u8]) -> Result<(), StoreError> {
        let Some(backing) = &mut self.backing else {
            data.fill(0);
            return Ok(());
        };
        // A backing file may be shorter: behind its end there are zeros.
        let available = backing.size().saturating_sub(offset).min(data.len() as u64) as usize;
        data[available..].fill(0);
        if available == 0 { Ok(()) } else { backing.read(offset, &mut data[..available]) }
    }

    fn decompress(&self, host: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        // The length counts whole sectors, of which the last may be behind the end of the file.
        let len = self.store.len()?.saturating_sub(host).min(len);
        let mut packed = vec![0; len as usize];
        self.store.read_at(host, &mut packed)?;
        let cluster_size = self.cluster_size() as usize;
        let mut bytes = vec![0; cluster_size];
        let mut inflater = Box::<miniz_oxide::inflate::core::DecompressorOxide>::default();
        let flags =
            miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (_, _, written) =
            miniz_oxide::inflate::core::decompress(&mut inflater, &packed, &mut bytes, 0, flags);
        if written != cluster_size {
            return Err(damaged(format_args!("the compressed cluster at {host:#x}")));
        }
        Ok(bytes)
    }

    /// Makes the L2 table of `offset` one that may be written, and returns its host offset.
    fn own_l2_table(&mut self, offset: u64) -> Result<u64, StoreError> {
        let (l1_entry, _) = self.l2_position(offset);
        if l1_entry & COPIED != 0 {
            return Ok(l1_entry & OFFSET_MASK);
        }
        let old = l1_entry & OFFSET_MASK;
        let table = match old {
            0 => vec![0; self.header.l2_entries() as usize],
            at => self.l2_table(at)?.clone(),
        };
        let new = self.refcounts.allocate(&*self.store)?;
        let bytes: Vec<u8> = table.iter().flat_map(|e| e.to_be_bytes()).collect();
        self.store.write_at(new, &bytes)?;
        let l1_index = (offset >> self.header.cluster_bits) / self.header.l2_entries();
        let entry = new | COPIED;
        self.store.write_at(self.header.l1_offset + l1_index * 8, &entry.to_be_bytes())?;
        self.l1[l1_index as usize] = entry;
        self.l2_cache.insert(new, table);
        if old != 0 {
            self.refcounts.release(&*self.store, old)?;
        }
        Ok(new)
    }

    fn set_entry(&mut self, offset: u64, entry: u64) -> Result<(), StoreError> {
        let table = self.own_l2_table(offset)?;
        let (_, index) = self.l2_position(offset);
        self.store.write_at(table + index as u64 * 8, &entry.to_be_bytes())?;
        self.l2_table(table)?[index] = entry;
        Ok(())
    }

    /// Lets go of what an L2 entry stood for.
    fn release(&mut self, entry: u64) -> Result<(), StoreError> {
        match self.decode(entry) {
            Ok(Cluster::Compressed(host, len)) => {
                self.decompressed = None;
                let first = host >> self.header.cluster_bits;
                // The sectors counted may reach into one cluster more than the data does; qemu-img
                // counts a use for each cluster the sectors touch.
                let last = (host + len - 1) >> self.header.cluster_bits;
                for cluster in first..=last {
                    self.refcounts.release(&*self.store, cluster << self.header.cluster_bits)?;
                }
                Ok(())
            }
            _ => match entry & OFFSET_MASK {
                0 => Ok(()),
                host => self.refcounts.release(&*self.store, host),
            },
        }
    }

    /// Writes inside one cluster.
    fn write_part(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        let entry = self.entry(offset)?;
        let inside = offset % self.cluster_size();
        let (l1_entry, _) = self.l2_position(offset);
        if let Cluster::Data(host) = self.decode(entry)?
            && entry & COPIED != 0
            && l1_entry & COPIED != 0
        {
            self.check_not_metadata(host)?;
            return self.store.write_at(host + inside, data);
        }
        let start = offset - inside;
        let mut bytes = vec![0; self.cluster_size() as usize];
        if data.len() < bytes.len() {
            self.read_part(start, &mut bytes)?;
        }
        bytes[inside as usize..][..data.len()].copy_from_slice(data);
        let new = self.refcounts.allocate(&*self.store)?;
        self.store.write_at(new, &bytes)?;
        self.set_entry(offset, new | COPIED)?;
        self.release(entry)
    }

    /// A damaged image may say that a cluster of data is where its own tables are.
    fn check_not_metadata(&self, host: u64) -> Result<(), StoreError> {
        let l1 = self.header.l1_offset..self.header.l1_offset + u64::from(self.header.l1_size) * 8;
        let table_len = u64::from(self.header.refcount_table_clusters) << self.header.cluster_bits;
        let refcounts = self.header.refcount_table_offset
            ..self.header.refcount_table_offset.saturating_add(table_len);
        if host < self.cluster_size()
            || l1.contains(&host)
            || refcounts.contains(&host)
            || self.l1.iter().any(|e| e & OFFSET_MASK == host)
        {
            return Err(damaged(format_args!("a cluster of data at {host:#x}, among the tables")));
        }
        Ok(())
    }

    /// Cuts a range at the edges of clusters.
    fn parts(&self, offset: u64, len: u64) -> impl Iterator<Item = (u64, usize)> + use<> {
        let cluster_size = self.cluster_size();
        let (mut at, end) = (offset, offset + len);
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let part = (cluster_size - at % cluster_size).min(end - at);
                let start = at;
                at += part;
                (start, part as usize)
            })
        })
    }
}

impl Image for Qcow2 {
    fn size(&self) -> u64 {
        self.header.size - self.header.size % 512
    }

    fn is_read_only(&self) -> bool {
        self.store.is_read_only()
    }

    fn read(&mut self, offset: u64, data: &mut [u8]) -> Result<(), StoreError> {
        check_range(offset, data.len() as u64, self.size())?;
        let mut rest = data;
        for (at, len) in self.parts(offset, rest.len() as u64) {
            let (part, after) = rest.split_at_mut(len);
            self.read_part(at, part)?;
            rest = after;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        check_range(offset, data.len() as u64, self.size())?;
        let mut rest = data;
        for (at, len) in self.parts(offset, data.len() as u64) {
            let (part, after) = rest.split_at(len);
            self.write_part(at, part)?;
            rest = after;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.is_read_only() { Ok(()) } else { self.store.flush() }
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), StoreError> {
        check_range(offset, len, self.size())?;
        // Version 2 has no way to say that a cluster is zeros in spite of the backing file.
        if self.is_read_only() || self.header.version < 3 {
            return Ok(());
        }
        let cluster_size = self.cluster_size();
        let l2_span = cluster_size * self.header.l2_entries();
        let end = (offset + len) / cluster_size * cluster_size;
        let mut at = offset.next_multiple_of(cluster_size);
        while at < end {
            if self.l2_position(at).0 & OFFSET_MASK == 0 {
                // Nothing of this image lies here; the guest need not find zeros.
                at = (at / l2_span + 1) * l2_span;
                continue;
            }
            let entry = self.entry(at)?;
            if !matches!(self.decode(entry)?, Cluster::Unallocated | Cluster::Zero) {
                self.set_entry(at, ZERO)?;
                self.release(entry)?;
            }
            at += cluster_size;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
