//! A disk's contents, in whatever format they are kept.

use super::store::{ByteStore, StoreError, check_range};

/// The contents of one disk. Ranges are inside [`size`](Self::size); the caller has checked that.
pub trait Image: Send {
    /// Bytes of the disk as the guest sees it.
    fn size(&self) -> u64;

    /// Whether writes are refused.
    fn is_read_only(&self) -> bool;

    /// Reads `data.len()` bytes.
    fn read(&mut self, offset: u64, data: &mut [u8]) -> Result<(), StoreError>;

    /// Writes `data`.
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError>;

    /// Makes what was written durable.
    fn flush(&mut self) -> Result<(), StoreError>;

    /// The range is not needed any more. It may read as zeros or as before.
    fn discard(&mut self, offset: u64, len: u64) -> Result<(), StoreError> {
        let _ = (offset, len);
        Ok(())
    }

    /// What a snapshot of the machine must hold so that this disk can be had again: what was written
    /// into memory. `None` if everything is in files.
    fn save(&self) -> Option<super::overlay::SavedBlocks> {
        None
    }

    /// Takes back what [`save`](Self::save) gave.
    fn restore(&mut self, saved: super::overlay::SavedBlocks) -> Result<(), String> {
        let _ = saved;
        Err("the snapshot holds writes of a disk that keeps none in memory".to_owned())
    }
}

/// The disk's bytes and nothing else.
pub struct Raw {
    store: Box<dyn ByteStore>,
    size: u64,
    /// The format was found by looking at the first bytes.
    probed: bool,
}

/// The smallest unit of a disk.
const SECTOR: u64 = 512;

impl Raw {
    /// A raw image. `probed` tells that nobody said so and that only the first bytes were looked at.
    pub fn new(store: Box<dyn ByteStore>, probed: bool) -> Result<Self, StoreError> {
        let size = store.len()?;
        // What does not fill a sector cannot be addressed.
        Ok(Self { store, size: size - size % SECTOR, probed })
    }
}

impl Image for Raw {
    fn size(&self) -> u64 {
        self.size
    }

    fn is_read_only(&self) -> bool {
        self.store.is_read_only()
    }

    fn read(&mut self, offset: u64, data: &mut [u8]) -> Result<(), StoreError> {
        check_range(offset, data.len() as u64, self.size)?;
        self.store.read_at(offset, data)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        check_range(offset, data.len() as u64, self.size)?;
        // Else a guest could make its disk into an image that names any file of the host as its
        // backing file, and read that at the next start.
        if self.probed && offset == 0 && data.starts_with(&super::qcow2::MAGIC) {
            return Err(StoreError::Host(
                "the guest writes a qcow2 header into an image whose format was guessed; say \
                 format = \"raw\" if that is wanted"
                    .to_owned(),
            ));
        }
        self.store.write_at(offset, data)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.store.is_read_only() { Ok(()) } else { self.store.flush() }
    }
}

/// An empty disk without any store: all zeros, and not writable but through an overlay.
pub struct Empty(pub u64);

impl Image for Empty {
    fn size(&self) -> u64 {
        self.0
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read(&mut self, _offset: u64, data: &mut [u8]) -> Result<(), StoreError> {
        data.fill(0);
        Ok(())
    }

    fn write(&mut self, _offset: u64, _data: &[u8]) -> Result<(), StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
