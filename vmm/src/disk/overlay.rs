//! Writes kept in memory, over an image that is never written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::image::Image;
use super::store::{StoreError, check_range};

/// The unit in which the overlay takes over from the base. A file system's usual block, so that few
/// writes have to read what they do not cover.
const BLOCK: u64 = 4096;

/// An image in memory over another one. It grows with what is written, up to the size of the disk.
pub struct MemoryOverlay {
    base: Box<dyn Image>,
    blocks: BTreeMap<u64, Block>,
}

enum Block {
    Data(Box<[u8]>),
    Zero,
}

/// The blocks of an overlay, for a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedBlocks {
    /// Size of the disk in bytes.
    pub size: u64,
    /// Numbers of blocks that read as zeros.
    pub zero: Vec<u64>,
    /// Numbers of the blocks in `data`, rising.
    pub numbers: Vec<u64>,
    /// Their contents, one after the other, lz4-compressed.
    #[serde(with = "crate::bytes")]
    pub data: Vec<u8>,
}

impl MemoryOverlay {
    /// An overlay in which nothing has been written yet.
    pub fn new(base: Box<dyn Image>) -> Self {
        Self { base, blocks: BTreeMap::new() }
    }

    /// Bytes of a block that are inside the disk.
    fn block_len(&self, block: u64) -> usize {
        (self.base.size() - block * BLOCK).min(BLOCK) as usize
    }
}

/// Cuts a range into parts that each lie in one block: block, offset inside, length.
fn parts(offset: u64, len: u64) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut at = offset;
    let end = offset + len;
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let (block, inside) = (at / BLOCK, at % BLOCK);
            let part = (BLOCK - inside).min(end - at);
            at += part;
            (block, inside as usize, part as usize)
        })
    })
}

impl Image for MemoryOverlay {
    fn size(&self) -> u64 {
        self.base.size()
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read(&mut self, offset: u64, data: &mut [u8]) -> Result<(), StoreError> {
        check_range(offset, data.len() as u64, self.size())?;
        // What the overlay does not hold is read from the base in pieces as long as possible.
        let mut done = 0;
        let mut from_base = 0..0;
        for (block, inside, len) in parts(offset, data.len() as u64) {
            let part = done..done + len;
            done += len;
            match self.blocks.get(&block) {
                None => from_base = if from_base.is_empty() { part } else { from_base.start..done },
                Some(held) => {
                    read_base(&mut *self.base, offset, data, &mut from_base)?;
                    match held {
                        Block::Data(bytes) => {
                            data[part].copy_from_slice(&bytes[inside..inside + len]);
                        }
                        Block::Zero => data[part].fill(0),
                    }
                }
            }
        }
        read_base(&mut *self.base, offset, data, &mut from_base)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        check_range(offset, data.len() as u64, self.size())?;
        let mut rest = data;
        for (block, inside, len) in parts(offset, data.len() as u64) {
            let (part, after) = rest.split_at(len);
            rest = after;
            let block_len = self.block_len(block);
            if !matches!(self.blocks.get(&block), Some(Block::Data(_))) {
                let mut bytes = vec![0; block_len].into_boxed_slice();
                if len < block_len && !self.blocks.contains_key(&block) {
                    self.base.read(block * BLOCK, &mut bytes)?;
                }
                self.blocks.insert(block, Block::Data(bytes));
            }
            if let Some(Block::Data(bytes)) = self.blocks.get_mut(&block) {
                bytes[inside..inside + len].copy_from_slice(part);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), StoreError> {
        check_range(offset, len, self.size())?;
        // Only blocks that memory is spent on are worth a note; a discard of the whole disk must not
        // make one a block.
        let blocks = offset.div_ceil(BLOCK)..(offset + len) / BLOCK;
        if !blocks.is_empty() {
            for (_, block) in self.blocks.range_mut(blocks) {
                *block = Block::Zero;
            }
        }
        Ok(())
    }

    fn save(&self) -> Option<SavedBlocks> {
        let mut saved = SavedBlocks { size: self.size(), ..SavedBlocks::default() };
        let mut bytes = Vec::new();
        for (number, block) in &self.blocks {
            match block {
                Block::Zero => saved.zero.push(*number),
                Block::Data(data) => {
                    saved.numbers.push(*number);
                    bytes.extend_from_slice(data);
                }
            }
        }
        saved.data = lz4_flex::compress(&bytes);
        Some(saved)
    }

    fn restore(&mut self, saved: SavedBlocks) -> Result<(), String> {
        if saved.size != self.size() {
            return Err(format!(
                "the disk has {} bytes, the saved one {}",
                self.size(),
                saved.size
            ));
        }
        let count = self.size().div_ceil(BLOCK);
        if saved.numbers.iter().chain(&saved.zero).any(|n| *n >= count)
            || saved.numbers.len() as u64 > count
        {
            return Err("saved blocks lie outside the disk".to_owned());
        }
        let len: usize = saved.numbers.iter().map(|n| self.block_len(*n)).sum();
        let data = lz4_flex::decompress(&saved.data, len).map_err(|e| e.to_string())?;
        if data.len() != len {
            return Err("saved blocks are not as long as they say".to_owned());
        }
        let mut blocks: BTreeMap<u64, Block> =
            saved.zero.into_iter().map(|number| (number, Block::Zero)).collect();
        let mut rest = data.as_slice();
        for number in saved.numbers {
            let (bytes, after) = rest.split_at(self.block_len(number));
            rest = after;
            blocks.insert(number, Block::Data(bytes.into()));
        }
        self.blocks = blocks;
        Ok(())
    }
}

/// Reads the part of a request that the base has, if there is one, and forgets it.
fn read_base(
    base: &mut dyn Image,
    offset: u64,
    data: &mut [u8],
    part: &mut std::ops::Range<usize>,
) -> Result<(), StoreError> {
    let part = std::mem::replace(part, 0..0);
    if part.is_empty() {
        return Ok(());
    }
    base.read(offset + part.start as u64, &mut data[part])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{MemoryStore, Raw};

    fn overlay(bytes: usize) -> (MemoryOverlay, MemoryStore) {
        let store = MemoryStore::new((0..bytes).map(|i| (i / 512) as u8).collect());
        let raw = Raw::new(Box::new(store.clone()), false).unwrap();
        (MemoryOverlay::new(Box::new(raw)), store)
    }

    fn read(image: &mut dyn Image, offset: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0xee; len];
        image.read(offset, &mut data).unwrap();
        data
    }

    #[test]
    fn what_is_written_is_read_again_and_the_base_stays() {
        let (mut disk, store) = overlay(64 << 10);
        let before = store.to_vec();
        disk.write(4096 - 512, &[0xaa; 1024]).unwrap();
        disk.write(20_480, &[0xbb; 8192]).unwrap();
        let mut expected = before.clone();
        expected[3584..4608].fill(0xaa);
        expected[20_480..28_672].fill(0xbb);
        assert_eq!(read(&mut disk, 0, 64 << 10), expected);
        assert_eq!(store.to_vec(), before);
    }

    #[test]
    fn the_last_block_may_be_short() {
        let (mut disk, _) = overlay(4096 + 512);
        disk.write(4096, &[7; 512]).unwrap();
        assert_eq!(read(&mut disk, 4096, 512), [7; 512]);
        assert!(disk.write(4608, &[0; 512]).is_err());
    }

    #[test]
    fn discarded_blocks_give_their_memory_back() {
        let (mut disk, _) = overlay(64 << 10);
        disk.write(0, &[1; 16384]).unwrap();
        disk.discard(0, 64 << 10).unwrap();
        assert_eq!(read(&mut disk, 0, 16384), [0; 16384]);
        assert_eq!(disk.blocks.len(), 4, "only what was written is noted");
        disk.write(512, &[2; 512]).unwrap();
        assert_eq!(read(&mut disk, 0, 1536)[..], [[0; 512], [2; 512], [0; 512]].concat());
    }

    #[test]
    fn a_saved_overlay_restores_into_a_fresh_one() {
        let (mut disk, _) = overlay(64 << 10);
        disk.write(512, &[1; 9000]).unwrap();
        disk.discard(4096, 4096).unwrap();
        let saved = disk.save().unwrap();
        let (mut other, _) = overlay(64 << 10);
        other.restore(saved.clone()).unwrap();
        assert_eq!(read(&mut other, 0, 64 << 10), read(&mut disk, 0, 64 << 10));
        assert_eq!(other.save(), Some(saved.clone()));

        let (mut small, _) = overlay(4096);
        assert!(small.restore(saved.clone()).is_err());
        let mut bad = saved.clone();
        bad.numbers[0] = 1 << 50;
        assert!(other.restore(bad).is_err());
        let mut bad = saved;
        bad.data.truncate(3);
        assert!(other.restore(bad).is_err());
    }
}
