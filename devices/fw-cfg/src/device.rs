//! The ports, and copies between items and guest memory.

use std::collections::BTreeMap;

use aero_bus::vm_memory::{Bytes, GuestAddress};
use aero_bus::{BusDevice, Device, GuestRam, Snapshot, SnapshotError, Window};
use serde::{Deserialize, Serialize};

use crate::items::{FileError, Item, Items, key};

const KIND: &str = "fw-cfg";
const SIGNATURE: &[u8] = b"QEMU";
/// Features: the ports, and copying ("DMA").
const ID_TRADITIONAL: u32 = 1 << 0;
const ID_DMA: u32 = 1 << 1;
/// What the DMA address register reads as.
const DMA_SIGNATURE: [u8; 8] = *b"QEMU CFG";

/// Offsets, which are the ports' distances from 0x510.
mod offset {
    /// Selector, 16 bits, write-only.
    pub const SELECTOR: u64 = 0;
    /// Data, 8 bits.
    pub const DATA: u64 = 1;
    /// Address of the control structure, 64 bits, big-endian: high half, low half.
    pub const DMA_HIGH: u64 = 4;
    pub const DMA_LOW: u64 = 8;
    pub const DMA_END: u64 = 12;
}

/// The control structure in guest memory: control, length and address, big-endian.
const CONTROL_LEN: usize = 16;
/// Bits of its control field; the high half is the key to select.
const CONTROL_ERROR: u32 = 1 << 0;
const CONTROL_READ: u32 = 1 << 1;
const CONTROL_SKIP: u32 = 1 << 2;
const CONTROL_SELECT: u32 = 1 << 3;
const CONTROL_WRITE: u32 = 1 << 4;

/// The firmware configuration device. Its contents are the machine's; only what the guest wrote and
/// where it reads is in the snapshot.
pub struct FwCfg {
    items: Items,
    ram: GuestRam,
    state: State,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    selected: u16,
    /// Byte of the item that comes next.
    position: u32,
    dma_address: u64,
    /// Only in snapshots: files the guest may write.
    written: BTreeMap<String, Vec<u8>>,
}

impl FwCfg {
    /// Ports 0x510 and 0x511: selector and data.
    pub const WINDOW: Window = Window::new(offset::SELECTOR, 2);
    /// Ports 0x514 to 0x51B: address of a copy's control structure.
    pub const DMA_WINDOW: Window = Window::new(offset::DMA_HIGH, 8);

    /// A device with signature, features and an empty directory, that copies to and from `ram`.
    pub fn new(ram: GuestRam) -> Self {
        let mut items = Items::default();
        items.set(key::SIGNATURE, SIGNATURE.to_vec());
        items.set(key::ID, (ID_TRADITIONAL | ID_DMA).to_le_bytes().to_vec());
        items.set(key::FILE_DIRECTORY, 0u32.to_be_bytes().to_vec());
        Self { items, ram, state: State::default() }
    }

    /// Sets a numbered item; numbers in items are little-endian. Before the guest runs.
    pub fn set_item(&mut self, key: u16, bytes: Vec<u8>) {
        self.items.set(key, bytes);
    }

    /// Adds a file that the guest reads. Before the guest runs: files are numbered in the order of
    /// their names, so a new one moves others.
    pub fn add_file(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), FileError> {
        self.items.add_file(name, bytes, false)
    }

    /// Adds a file that the guest may overwrite too, within its length.
    pub fn add_writable_file(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), FileError> {
        self.items.add_file(name, bytes, true)
    }

    /// A file's contents, with what the guest wrote.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.items.file(name).map(|item| item.bytes.as_slice())
    }

    fn select(&mut self, key: u16) {
        self.state.selected = key;
        self.state.position = 0;
    }

    fn selected(&self) -> Option<&Item> {
        self.items.get(self.state.selected)
    }

    /// The rest of the selected item.
    fn rest(&self) -> &[u8] {
        let bytes = self.selected().map_or(&[][..], |item| &item.bytes);
        bytes.get(self.state.position as usize..).unwrap_or(&[])
    }

    fn advance(&mut self, len: u32) {
        self.state.position = self.state.position.saturating_add(len);
    }

    /// The next byte of the selected item; zeros after its end.
    fn read_data(&mut self) -> u8 {
        let byte = self.rest().first().copied().unwrap_or(0);
        self.advance(1);
        byte
    }

    /// Does what the control structure at the DMA address says, and writes the outcome into it.
    fn transfer(&mut self) {
        let at = GuestAddress(std::mem::take(&mut self.state.dma_address));
        let mut structure = [0; CONTROL_LEN];
        if self.ram.read_slice(&mut structure, at).is_err() {
            log::debug!("fw_cfg: the control structure at {:#x} is not in memory", at.0);
            return;
        }
        let field = |from: usize| {
            u32::from_be_bytes(structure[from..from + 4].try_into().expect("four bytes"))
        };
        let (control, len) = (field(0), field(4));
        let address = GuestAddress(u64::from(field(8)) << 32 | u64::from(field(12)));
        if control & CONTROL_SELECT != 0 {
            self.select((control >> 16) as u16);
        }
        let done = if control & CONTROL_READ != 0 {
            self.copy_to_memory(address, len)
        } else if control & CONTROL_WRITE != 0 {
            self.copy_from_memory(address, len)
        } else {
            true
        };
        if control & (CONTROL_READ | CONTROL_WRITE | CONTROL_SKIP) != 0 {
            self.advance(len);
        }
        let outcome = if done { 0 } else { CONTROL_ERROR };
        if self.ram.write_slice(&outcome.to_be_bytes(), at).is_err() {
            log::debug!("fw_cfg: the control structure at {:#x} cannot be written", at.0);
        }
    }

    /// Copies `len` bytes of the selected item, with zeros after its end.
    fn copy_to_memory(&self, address: GuestAddress, len: u32) -> bool {
        let rest = self.rest();
        let part = &rest[..rest.len().min(len as usize)];
        if self.ram.write_slice(part, address).is_err() {
            return false;
        }
        let zeros = [0; 4096];
        let mut done = part.len() as u64;
        while done < u64::from(len) {
            let chunk = zeros.len().min((u64::from(len) - done) as usize);
            let Some(at) = address.0.checked_add(done) else { return false };
            if self.ram.write_slice(&zeros[..chunk], GuestAddress(at)).is_err() {
                return false;
            }
            done += chunk as u64;
        }
        true
    }

    /// Overwrites `len` bytes of the selected item, if it is writable and they are all inside.
    fn copy_from_memory(&mut self, address: GuestAddress, len: u32) -> bool {
        let from = self.state.position as usize;
        let Some(item) = self.items.get_mut(self.state.selected) else { return false };
        if item.power_on.is_none() {
            return false;
        }
        let Some(part) =
            from.checked_add(len as usize).and_then(|end| item.bytes.get_mut(from..end))
        else {
            return false;
        };
        // Through a buffer: an error in the middle leaves the item as it was.
        let mut bytes = vec![0; part.len()];
        let read = self.ram.read_slice(&mut bytes, address).is_ok();
        if read {
            part.copy_from_slice(&bytes);
        }
        read
    }

    /// A write to the DMA address register. The low half starts the copy.
    fn write_dma(&mut self, at: u64, data: &[u8]) {
        let number = data.iter().fold(0, |n: u64, byte| n << 8 | u64::from(*byte));
        match (at, data.len()) {
            (offset::DMA_HIGH, 4) => self.state.dma_address = number << 32,
            (offset::DMA_LOW, 4) => {
                self.state.dma_address |= number;
                self.transfer();
            }
            (offset::DMA_HIGH, 8) => {
                self.state.dma_address = number;
                self.transfer();
            }
            _ => log::debug!("fw_cfg: a write of {} bytes to the DMA register", data.len()),
        }
    }
}

impl Device for FwCfg {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.state = State::default();
        for (_, item) in self.items.writable_mut() {
            if let Some(power_on) = &item.power_on {
                item.bytes.clone_from(power_on);
            }
        }
    }

    fn save(&self) -> Snapshot {
        let mut state = self.state.clone();
        state.written =
            self.items.writable().map(|(name, item)| (name.clone(), item.bytes.clone())).collect();
        Snapshot::new(KIND, 1, &state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let mut state: State = snapshot.open(KIND, 1)?;
        let written = std::mem::take(&mut state.written);
        let same = self
            .items
            .writable()
            .map(|(name, item)| (name, item.bytes.len()))
            .eq(written.iter().map(|(name, bytes)| (name, bytes.len())));
        if !same {
            return Err(SnapshotError::invalid(KIND, "its writable files are of another machine"));
        }
        for ((_, item), (_, bytes)) in self.items.writable_mut().zip(written) {
            item.bytes = bytes;
        }
        self.state = state;
        Ok(())
    }
}

impl BusDevice for FwCfg {
    fn read(&mut self, at: u64, data: &mut [u8]) {
        data.fill(0);
        match at {
            offset::DATA => data[0] = self.read_data(),
            offset::DMA_HIGH..offset::DMA_END => {
                let signature = &DMA_SIGNATURE[(at - offset::DMA_HIGH) as usize..];
                for (byte, value) in data.iter_mut().zip(signature) {
                    *byte = *value;
                }
            }
            _ => {}
        }
    }

    fn write(&mut self, at: u64, data: &[u8]) {
        match (at, data) {
            (offset::SELECTOR, [low, high]) => self.select(u16::from_le_bytes([*low, *high])),
            // The data port took writes once; since then only copies write.
            (offset::DATA, _) => {}
            (offset::DMA_HIGH..offset::DMA_END, _) => self.write_dma(at, data),
            _ => log::debug!("fw_cfg: a write of {} bytes at {at:#x}", data.len()),
        }
    }
}
