//! The files that a machine file names.

use crate::disk::ByteStore;

/// What is wanted of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read it.
    Read,
    /// Read and write it; it must be there.
    ReadWrite,
    /// Make it and write it; it must not be there.
    Create,
}

/// Finds files by the names in the machine file: paths natively, and in the page what the user or a
/// script has given. Errors are one line that does not repeat the name.
pub trait Resources {
    /// The whole file, for kernels and ROM images of at most `max` bytes.
    fn blob(&mut self, name: &str, max: u64) -> Result<Vec<u8>, String> {
        let store = self.store(name, Access::Read)?;
        let len = store.len().map_err(|e| e.to_string())?;
        if len > max {
            return Err(format!("it is {len} bytes long; {max} are the most that can be loaded"));
        }
        let mut bytes = vec![0; len as usize];
        store.read_at(0, &mut bytes).map_err(|e| e.to_string())?;
        Ok(bytes)
    }

    /// Whether the file is there.
    fn exists(&mut self, name: &str) -> bool;

    /// Opens the file.
    fn store(&mut self, name: &str, access: Access) -> Result<Box<dyn ByteStore>, String>;

    /// The name of a file that `image` names: a backing file. Relative to where `image` is.
    fn beside(&self, image: &str, name: &str) -> String {
        match image.rsplit_once('/') {
            Some((folder, _)) if !name.starts_with('/') => format!("{folder}/{name}"),
            _ => name.to_owned(),
        }
    }
}

/// Files of the host, relative to the machine file's folder.
#[cfg(feature = "native")]
pub struct HostFiles {
    folder: std::path::PathBuf,
}

#[cfg(feature = "native")]
impl HostFiles {
    /// Files relative to `folder`.
    pub fn new(folder: impl Into<std::path::PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

#[cfg(feature = "native")]
impl Resources for HostFiles {
    fn exists(&mut self, name: &str) -> bool {
        self.folder.join(name).exists()
    }

    fn store(&mut self, name: &str, access: Access) -> Result<Box<dyn ByteStore>, String> {
        let store = crate::disk::FileStore::open(&self.folder.join(name), access)?;
        Ok(Box::new(store))
    }
}

/// Files in memory, by name: for tests, and for a page that has been given whole files.
#[derive(Clone, Default)]
pub struct MemoryFiles(std::collections::BTreeMap<String, crate::disk::MemoryStore>);

impl MemoryFiles {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file or replaces it. The returned handle sees what is written to it.
    pub fn insert(&mut self, name: &str, bytes: Vec<u8>) -> crate::disk::MemoryStore {
        let store = crate::disk::MemoryStore::new(bytes);
        self.0.insert(name.to_owned(), store.clone());
        store
    }

    /// The file's present bytes.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.0.get(name).map(crate::disk::MemoryStore::to_vec)
    }
}

impl Resources for MemoryFiles {
    fn exists(&mut self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn store(&mut self, name: &str, access: Access) -> Result<Box<dyn ByteStore>, String> {
        match (self.0.get(name), access) {
            (Some(store), Access::Read) => Ok(Box::new(store.clone().read_only())),
            (Some(store), Access::ReadWrite) => Ok(Box::new(store.clone())),
            (Some(_), Access::Create) => Err("there is such a file".to_owned()),
            (None, Access::Create) => Ok(Box::new(self.insert(name, Vec::new()))),
            (None, _) => Err("there is no such file".to_owned()),
        }
    }
}
