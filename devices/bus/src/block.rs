//! What is behind a disk or CD drive: numbered requests and their completions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockOp {
    /// Read `len` bytes from byte `offset`.
    Read {
        /// Byte offset, a multiple of the sector size.
        offset: u64,
        /// Bytes, a multiple of the sector size.
        len: u32,
    },
    /// Write `data` at byte `offset`.
    Write {
        /// Byte offset, a multiple of the sector size.
        offset: u64,
        /// What to write, a multiple of the sector size.
        data: Vec<u8>,
    },
    /// Make all completed writes durable.
    Flush,
    /// The range is not needed any more; it may read as zeros or as before.
    Discard {
        /// Byte offset.
        offset: u64,
        /// Bytes.
        len: u64,
    },
}

/// A request, with a number of the caller's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRequest {
    /// Returned in the completion.
    pub id: u64,
    /// What to do.
    pub op: BlockOp,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum BlockError {
    /// Past the end of the medium.
    #[error("{len} bytes at {offset:#x} are past the end of the medium")]
    OutOfRange {
        /// Byte offset.
        offset: u64,
        /// Bytes.
        len: u64,
    },
    /// The medium cannot be written.
    #[error("the medium is read-only")]
    ReadOnly,
    /// There is no medium in the drive.
    #[error("there is no medium")]
    NoMedium,
    /// The host could not do it.
    #[error("{0}")]
    Host(String),
}

/// The end of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct BlockCompletion {
    /// The request's number.
    pub id: u64,
    /// The bytes read (empty for the other operations), or why not.
    pub result: Result<Vec<u8>, BlockError>,
}

impl fmt::Debug for BlockCompletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = self.result.as_ref().map(Vec::len);
        f.debug_struct("BlockCompletion").field("id", &self.id).field("result", &result).finish()
    }
}

/// A medium of numbered bytes. One handle belongs to one device; a disk shared by a controller and the
/// firmware is two handles of one image.
///
/// A request never completes inside [`submit`](Self::submit); completions come from
/// [`poll`](Self::poll), in any order, and the back end signals the machine's [`Wake`](crate::Wake) when there is one. In
/// deterministic mode the back end gives a completion at a guest time that depends on guest time alone.
pub trait BlockBackend: Send {
    /// Size of the medium in bytes; 0 when there is none.
    fn size(&self) -> u64;
    /// Whether writes are refused.
    fn is_read_only(&self) -> bool;
    /// Starts a request. Devices bound how many are in flight; a back end may refuse none.
    fn submit(&mut self, request: BlockRequest);
    /// A completed request, if there is one.
    fn poll(&mut self) -> Option<BlockCompletion>;
    /// Forgets all requests in flight: their completions will not come. Writes may still happen.
    fn cancel_all(&mut self);
    /// Rises whenever the medium is changed (a CD is inserted or taken out).
    fn media_generation(&self) -> u32 {
        0
    }
}
