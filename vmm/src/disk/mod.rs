//! Disk images: where the bytes of a drive come from and where its writes go.
//!
//! From below: a [`ByteStore`] is a file, of the host or of the browser. An [`Image`] makes a disk of
//! it: [`Raw`], [`Qcow2`], and over either a [`MemoryOverlay`] that keeps what is written, so that the
//! image stays as it is. A [`Disk`] gives controllers and firmware their [`BlockBackend`] handles.
//!
//! [`BlockBackend`]: aero_bus::block::BlockBackend

mod backend;
#[cfg(feature = "native")]
mod file;
mod image;
mod open;
mod overlay;
mod qcow2;
mod store;

pub use backend::{Disk, DiskHandle, DiskMode, SavedDisk};
#[cfg(feature = "native")]
pub use file::FileStore;
pub use image::{Empty, Image, Raw};
pub use open::{DiskSource, open_disk};
pub use overlay::{MemoryOverlay, SavedBlocks};
pub use qcow2::Qcow2;
pub use store::{ByteStore, MemoryStore, StoreError};

/// A host's error in the words of this program.
#[cfg(feature = "native")]
pub(crate) fn host_message(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "the permission to open it is missing".to_owned(),
        ErrorKind::IsADirectory => "it is a directory, not a file".to_owned(),
        ErrorKind::AlreadyExists => "there is such a file".to_owned(),
        _ => error.to_string(),
    }
}
