//! Files of the host.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::store::{ByteStore, StoreError, check_range};
use crate::resources::Access;

/// A file.
pub struct FileStore {
    file: File,
    read_only: bool,
}

fn host(error: std::io::Error) -> StoreError {
    StoreError::Host(error.to_string())
}

impl FileStore {
    /// Opens a file, or makes a new one. The error is one line without the file's name.
    pub fn open(path: &Path, access: Access) -> Result<Self, String> {
        let mut options = OpenOptions::new();
        options.read(true).write(access != Access::Read).create_new(access == Access::Create);
        let file = options.open(path).map_err(|e| super::host_message(&e))?;
        let kind = file.metadata().map_err(|e| e.to_string())?.file_type();
        if kind.is_dir() {
            return Err("it is a directory, not a file".to_owned());
        }
        if access != Access::Read {
            // Two programs that write one image destroy it.
            file.try_lock().map_err(|_| "another program writes to it".to_owned())?;
        }
        Ok(Self { file, read_only: access == Access::Read })
    }
}

impl ByteStore for FileStore {
    fn len(&self) -> Result<u64, StoreError> {
        // Seeking finds the size of a block device, too.
        use std::io::{Seek, SeekFrom};
        (&self.file).seek(SeekFrom::End(0)).map_err(host)
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&self, offset: u64, data: &mut [u8]) -> Result<(), StoreError> {
        match self.file.read_exact_at(data, offset) {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                check_range(offset, data.len() as u64, self.len()?).and(Err(host(e)))
            }
            result => result.map_err(host),
        }
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly);
        }
        self.file.write_all_at(data, offset).map_err(host)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(host)
    }
}
