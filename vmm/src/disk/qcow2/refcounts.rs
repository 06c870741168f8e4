//! Which clusters of an image are in use: the refcount table and its blocks.
//!
//! New clusters come from the end of the file, never from what the refcounts call free, so that an
//! image with wrong refcounts is not made worse. Clusters freed in this run are used again.

use super::header::{Header, REFCOUNT_TABLE_OFFSET, be64};
use crate::disk::store::{ByteStore, StoreError};

/// Reserved bits of a refcount table entry.
const TABLE_OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
/// Host offsets have 56 bits.
const MAX_HOST_OFFSET: u64 = 1 << 56;

pub(super) struct Refcounts {
    cluster_bits: u32,
    order: u32,
    table_offset: u64,
    /// Host offsets of the blocks; 0 where there is none.
    table: Vec<u64>,
    /// First cluster behind everything.
    next: u64,
    free: Vec<u64>,
}

fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Host(format!("the qcow2 image is damaged: {what}"))
}

impl Refcounts {
    pub fn read(store: &dyn ByteStore, header: &Header) -> Result<Self, StoreError> {
        let len = u64::from(header.refcount_table_clusters) << header.cluster_bits;
        let mut bytes = vec![0; len as usize];
        store.read_at(header.refcount_table_offset, &mut bytes)?;
        let table: Vec<u64> =
            bytes.chunks_exact(8).map(|e| be64(e, 0) & TABLE_OFFSET_MASK).collect();
        let next = store.len()?.div_ceil(header.cluster_size());
        Ok(Self {
            cluster_bits: header.cluster_bits,
            order: header.refcount_order,
            table_offset: header.refcount_table_offset,
            table,
            next,
            free: Vec::new(),
        })
    }

    fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn block_entries(&self) -> u64 {
        (self.cluster_size() * 8) >> self.order
    }

    /// Finds whether clusters that are in use lie behind the end of the file: such an image was cut.
    /// Looks at the last blocks of the table only, which is where the end of the file is.
    pub fn check_end(&self, store: &dyn ByteStore) -> Result<(), StoreError> {
        const BLOCKS: usize = 16;
        let file_len = store.len()?;
        let truncated = |at: u64| {
            StoreError::Host(format!(
                "the qcow2 image is truncated: it uses {at:#x} and ends at {file_len:#x}"
            ))
        };
        let used = self.table.iter().enumerate().rev().filter(|(_, block)| **block != 0);
        for (index, block) in used.take(BLOCKS) {
            if block.checked_add(self.cluster_size()).is_none_or(|end| end > file_len) {
                return Err(truncated(*block));
            }
            let mut bytes = vec![0; self.cluster_size() as usize];
            store.read_at(*block, &mut bytes)?;
            let last = (0..self.block_entries()).rev().find(|e| get(&bytes, self.order, *e) != 0);
            if let Some(entry) = last {
                let cluster = index as u64 * self.block_entries() + entry;
                let at = cluster.saturating_mul(self.cluster_size());
                return if at >= file_len { Err(truncated(at)) } else { Ok(()) };
            }
        }
        Ok(())
    }

    /// Takes a cluster; its refcount is 1 and its contents are whatever they are.
    pub fn allocate(&mut self, store: &dyn ByteStore) -> Result<u64, StoreError> {
        let cluster = match self.free.pop() {
            Some(cluster) => cluster,
            None => self.take_at_end(1)?,
        };
        self.set(store, cluster, 1)?;
        Ok(cluster << self.cluster_bits)
    }

    fn take_at_end(&mut self, count: u64) -> Result<u64, StoreError> {
        let first = self.next;
        let end = first.saturating_add(count);
        if end >= MAX_HOST_OFFSET >> self.cluster_bits {
            return Err(StoreError::Host("the qcow2 image cannot grow any more".to_owned()));
        }
        self.next = end;
        Ok(first)
    }

    /// One use of the cluster at host offset `offset` is gone.
    pub fn release(&mut self, store: &dyn ByteStore, offset: u64) -> Result<(), StoreError> {
        let cluster = offset >> self.cluster_bits;
        match self.count(store, cluster)? {
            0 => Err(damaged(format_args!("the cluster at {offset:#x} is in use and marked free"))),
            count => {
                self.set(store, cluster, count - 1)?;
                if count == 1 {
                    self.free.push(cluster);
                }
                Ok(())
            }
        }
    }

    fn count(&self, store: &dyn ByteStore, cluster: u64) -> Result<u64, StoreError> {
        let (block, entry) = (cluster / self.block_entries(), cluster % self.block_entries());
        match self.table.get(block as usize) {
            None | Some(0) => Ok(0),
            Some(block) => {
                let (_, bytes) = self.entry_bytes(store, *block, entry)?;
                Ok(get(&bytes, self.order, entry % self.entries_in(8)))
            }
        }
    }

    /// Refcounts in so many bytes.
    fn entries_in(&self, bytes: usize) -> u64 {
        (bytes as u64 * 8) >> self.order
    }

    /// The eight bytes of a block that hold an entry, and where they are in the file.
    fn entry_bytes(
        &self,
        store: &dyn ByteStore,
        block: u64,
        entry: u64,
    ) -> Result<(u64, [u8; 8]), StoreError> {
        let at = block + entry / self.entries_in(8) * 8;
        let mut bytes = [0; 8];
        store.read_at(at, &mut bytes)?;
        Ok((at, bytes))
    }

    fn set(&mut self, store: &dyn ByteStore, cluster: u64, count: u64) -> Result<(), StoreError> {
        let (block, entry) = (cluster / self.block_entries(), cluster % self.block_entries());
        if block >= self.table.len() as u64 {
            self.grow_table(store, block + 1)?;
        }
        if self.table[block as usize] == 0 {
            let at = self.take_at_end(1)?;
            store.write_at(at << self.cluster_bits, &vec![0; self.cluster_size() as usize])?;
            self.table[block as usize] = at << self.cluster_bits;
            let entry = (at << self.cluster_bits).to_be_bytes();
            store.write_at(self.table_offset + block * 8, &entry)?;
            // Ends: the new block is at the end of the file, so its own refcount is in it, or in a
            // later block that then holds both.
            self.set(store, at, 1)?;
        }
        let (at, mut bytes) = self.entry_bytes(store, self.table[block as usize], entry)?;
        put(&mut bytes, self.order, entry % self.entries_in(8), count);
        store.write_at(at, &bytes)
    }

    /// Makes the table long enough for `blocks` blocks and half as many again.
    fn grow_table(&mut self, store: &dyn ByteStore, blocks: u64) -> Result<(), StoreError> {
        let old_offset = self.table_offset;
        let old_clusters = (self.table.len() as u64 * 8).div_ceil(self.cluster_size());
        let bytes =
            (blocks + blocks / 2 + 1).saturating_mul(8).next_multiple_of(self.cluster_size());
        let clusters = bytes >> self.cluster_bits;
        let first = self.take_at_end(clusters)?;
        self.table.resize((bytes / 8) as usize, 0);
        let table: Vec<u8> = self.table.iter().flat_map(|e| e.to_be_bytes()).collect();
        self.table_offset = first << self.cluster_bits;
        store.write_at(self.table_offset, &table)?;
        for cluster in first..first + clusters {
            self.set(store, cluster, 1)?;
        }
        let mut fields = self.table_offset.to_be_bytes().to_vec();
        fields.extend_from_slice(&(clusters as u32).to_be_bytes());
        store.write_at(REFCOUNT_TABLE_OFFSET, &fields)?;
        for cluster in 0..old_clusters {
            self.release(store, old_offset + (cluster << self.cluster_bits))?;
        }
        Ok(())
    }
}

/// Entry `index` of refcounts of `1 << order` bits. Those below a byte count from the low bit up.
fn get(bytes: &[u8], order: u32, index: u64) -> u64 {
    let index = index as usize;
    if order < 3 {
        let per_byte = 8 >> order;
        let shift = (index % per_byte) << order;
        return u64::from(bytes[index / per_byte] >> shift) & ((1 << (1 << order)) - 1);
    }
    let len = 1 << (order - 3);
    bytes[index * len..][..len].iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

fn put(bytes: &mut [u8], order: u32, index: u64, count: u64) {
    let index = index as usize;
    if order < 3 {
        let per_byte = 8 >> order;
        let shift = (index % per_byte) << order;
        let mask = ((1u32 << (1 << order)) - 1) as u8;
        let byte = &mut bytes[index / per_byte];
        *byte = *byte & !(mask << shift) | (count as u8 & mask) << shift;
        return;
    }
    let len = 1 << (order - 3);
    bytes[index * len..][..len].copy_from_slice(&count.to_be_bytes()[8 - len..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refcounts_of_every_width_are_read_as_written() {
        for order in 0..=6 {
            let mut bytes = [0; 16];
            let max = if order == 6 { u64::MAX } else { (1 << (1 << order)) - 1 };
            put(&mut bytes, order, 1, max);
            assert_eq!((get(&bytes, order, 0), get(&bytes, order, 1)), (0, max), "order {order}");
            put(&mut bytes, order, 0, 1);
            put(&mut bytes, order, 1, 0);
            assert_eq!((get(&bytes, order, 0), get(&bytes, order, 1)), (1, 0), "order {order}");
        }
    }
}
