//! The items, the files among them, and the directory that lists those.

use std::collections::BTreeMap;

/// Keys of items. A file's key is found in the directory.
pub mod key {
    /// `"QEMU"`.
    pub const SIGNATURE: u16 = 0x00;
    /// Features, 32 bits: bit 0 the ports, bit 1 copying into memory.
    pub const ID: u16 = 0x01;
    /// The machine's UUID, 16 bytes.
    pub const UUID: u16 = 0x02;
    /// Bytes of RAM, 64 bits.
    pub const RAM_SIZE: u16 = 0x03;
    /// Whether there is no display, 16 bits.
    pub const NO_GRAPHIC: u16 = 0x04;
    /// CPUs at start, 16 bits.
    pub const CPU_COUNT: u16 = 0x05;
    /// Size of the Linux kernel, 32 bits.
    pub const KERNEL_SIZE: u16 = 0x08;
    /// NUMA nodes, 64 bits each.
    pub const NUMA: u16 = 0x0d;
    /// Whether firmware offers a boot menu, 16 bits.
    pub const BOOT_MENU: u16 = 0x0e;
    /// CPUs at most, 16 bits: the highest APIC id plus one.
    pub const MAX_CPU_COUNT: u16 = 0x0f;
    /// The directory of files.
    pub const FILE_DIRECTORY: u16 = 0x19;
    /// Key of the first file.
    pub const FIRST_FILE: u16 = 0x20;
}

/// Length of a file's name in the directory, with the zero at its end.
const NAME_LEN: usize = 56;
/// Files there can be: up to the key's bit 14, which once meant writing.
const MAX_FILES: usize = 0x4000 - key::FIRST_FILE as usize;

/// Why a file cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The directory has 55 bytes for a name.
    #[error("the fw_cfg file name {0:?} is empty, too long or not printable ASCII")]
    Name(String),
    /// There is one already.
    #[error("there are two fw_cfg files {0:?}")]
    Duplicate(String),
    /// The keys are used up.
    #[error("there are too many fw_cfg files")]
    TooMany,
    /// The directory has 32 bits for a length.
    #[error("the fw_cfg file {0:?} is 4 GiB long or longer")]
    TooLong(String),
}

/// An item's contents.
#[derive(Clone, Debug)]
pub struct Item {
    pub bytes: Vec<u8>,
    /// Contents after power-on, if the guest may write.
    pub power_on: Option<Vec<u8>>,
}

/// All items.
#[derive(Default)]
pub struct Items {
    numbered: BTreeMap<u16, Item>,
    /// By name; the order gives the keys.
    files: BTreeMap<String, Item>,
}

impl Items {
    pub fn set(&mut self, key: u16, bytes: Vec<u8>) {
        self.numbered.insert(key, Item { bytes, power_on: None });
    }

    pub fn add_file(
        &mut self,
        name: &str,
        bytes: Vec<u8>,
        writable: bool,
    ) -> Result<(), FileError> {
        let printable = name.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if name.is_empty() || name.len() >= NAME_LEN || !printable {
            return Err(FileError::Name(name.to_owned()));
        }
        if self.files.contains_key(name) {
            return Err(FileError::Duplicate(name.to_owned()));
        }
        if self.files.len() == MAX_FILES {
            return Err(FileError::TooMany);
        }
        if u32::try_from(bytes.len()).is_err() {
            return Err(FileError::TooLong(name.to_owned()));
        }
        let power_on = writable.then(|| bytes.clone());
        self.files.insert(name.to_owned(), Item { bytes, power_on });
        self.numbered.insert(key::FILE_DIRECTORY, Item { bytes: self.directory(), power_on: None });
        Ok(())
    }

    /// A count, then size, key and name of each file; numbers are big-endian.
    fn directory(&self) -> Vec<u8> {
        let mut bytes = (self.files.len() as u32).to_be_bytes().to_vec();
        for ((name, item), key) in self.files.iter().zip(key::FIRST_FILE..) {
            bytes.extend((item.bytes.len() as u32).to_be_bytes());
            bytes.extend(key.to_be_bytes());
            bytes.extend([0; 2]);
            let mut field = [0; NAME_LEN];
            field[..name.len()].copy_from_slice(name.as_bytes());
            bytes.extend(field);
        }
        bytes
    }

    pub fn get(&self, key: u16) -> Option<&Item> {
        match key.checked_sub(key::FIRST_FILE) {
            Some(at) if usize::from(at) < self.files.len() => self.files.values().nth(at.into()),
            _ => self.numbered.get(&key),
        }
    }

    pub fn get_mut(&mut self, key: u16) -> Option<&mut Item> {
        match key.checked_sub(key::FIRST_FILE) {
            Some(at) if usize::from(at) < self.files.len() => {
                self.files.values_mut().nth(at.into())
            }
            _ => self.numbered.get_mut(&key),
        }
    }

    pub fn file(&self, name: &str) -> Option<&Item> {
        self.files.get(name)
    }

    /// Names and contents of what the guest may write.
    pub fn writable(&self) -> impl Iterator<Item = (&String, &Item)> {
        self.files.iter().filter(|(_, item)| item.power_on.is_some())
    }

    pub fn writable_mut(&mut self) -> impl Iterator<Item = (&String, &mut Item)> {
        self.files.iter_mut().filter(|(_, item)| item.power_on.is_some())
    }
}
