//! Numbered bytes that outlive the machine: what an image is read from and written to.

use std::sync::{Arc, Mutex, PoisonError};

/// Why bytes cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The range ends behind the last byte.
    #[error("{len} bytes at {offset:#x} are past the end, at {end:#x}")]
    PastEnd {
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
        /// Length of the store.
        end: u64,
    },
    /// The store cannot be written.
    #[error("it cannot be written")]
    ReadOnly,
    /// The host says no.
    #[error("{0}")]
    Host(String),
}

/// A file, natively or in the browser. All methods may block; they take `&self` because the handles
/// behind them do.
pub trait ByteStore: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> Result<u64, StoreError>;

    /// Whether there are no bytes.
    fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }

    /// Whether writes are refused.
    fn is_read_only(&self) -> bool;

    /// Reads exactly `data.len()` bytes.
    fn read_at(&self, offset: u64, data: &mut [u8]) -> Result<(), StoreError>;

    /// Writes all of `data`. A write behind the end extends the store, with zeros between.
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError>;

    /// Makes what was written durable.
    fn flush(&self) -> Result<(), StoreError>;
}

/// Checks that a range lies inside `end` bytes.
pub(crate) fn check_range(offset: u64, len: u64, end: u64) -> Result<(), StoreError> {
    match offset.checked_add(len) {
        Some(last) if last <= end => Ok(()),
        _ => Err(StoreError::PastEnd { offset, len, end }),
    }
}

/// Bytes in memory: for tests, and for files that a page was given whole. Clones are the same bytes.
#[derive(Clone, Default)]
pub struct MemoryStore {
    bytes: Arc<Mutex<Vec<u8>>>,
    read_only: bool,
}

impl MemoryStore {
    /// A writable store with these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: Arc::new(Mutex::new(bytes)), read_only: false }
    }

    /// The same bytes, not writable through this handle.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// A copy of the bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ByteStore for MemoryStore {
    fn len(&self) -> Result<u64, StoreError> {
        Ok(self.lock().len() as u64)
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> Result<(), StoreError> {
        let bytes = self.lock();
        check_range(offset, data.len() as u64, bytes.len() as u64)?;
        let at = offset as usize;
        data.copy_from_slice(&bytes[at..at + data.len()]);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly);
        }
        let mut bytes = self.lock();
        let end = offset
            .checked_add(data.len() as u64)
            .and_then(|end| usize::try_from(end).ok())
            .ok_or_else(|| StoreError::Host("too large for memory".to_owned()))?;
        if bytes.len() < end {
            let more = end - bytes.len();
            bytes.try_reserve(more).map_err(|e| StoreError::Host(e.to_string()))?;
            bytes.resize(end, 0);
        }
        bytes[end - data.len()..end].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
