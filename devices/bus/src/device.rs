//! What a device is, and how an access reaches it.

use std::sync::Mutex;

use crate::{Snapshot, SnapshotError};

/// What every device of the machine can do, whatever bus it sits on.
pub trait Device: Send {
    /// A stable name of this kind of device, for snapshots, logs and statistics: `"pit"`, `"ahci"`.
    fn kind(&self) -> &'static str;

    /// Returns to the state after power-on. Also what a system reset does: pins are released, timers
    /// disarmed and requests in flight forgotten, but what the back end holds (a disk's contents,
    /// battery-backed CMOS) stays.
    fn reset(&mut self);

    /// A deadline may have passed or a back end may have completed something. Called at a known point
    /// of the run loop; a device looks at its own timers and back ends, and must not mind being called
    /// for nothing.
    fn tick(&mut self) {}

    /// The whole guest-visible state.
    fn save(&self) -> Snapshot;

    /// Replaces the state by a saved one. Nothing in it may be trusted: a value out of range is an
    /// error, and after an error the device is as it was or as after reset.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError>;
}

/// A device that answers on ports or in memory.
///
/// A device has one space of offsets of its own. It publishes [`Window`]s of that space, and the
/// machine maps each window somewhere onto ports or memory. `data` is 1, 2, 4 or 8 bytes long
/// (a split access of another length is possible), little-endian.
pub trait BusDevice: Device {
    /// A read of `data.len()` bytes at `offset`. Every byte of `data` must be set; bytes that nothing
    /// drives read as `0xff`.
    fn read(&mut self, offset: u64, data: &mut [u8]);

    /// A write of `data.len()` bytes at `offset`.
    fn write(&mut self, offset: u64, data: &[u8]);
}

/// A part of a device's offset space that is mapped as one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First offset, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Window {
    /// A window of `len` bytes at `offset`.
    pub const fn new(offset: u64, len: u64) -> Self {
        Self { offset, len }
    }
}

/// What a range of an address map leads to. Shared and locked inside, so that a lookup can let go of
/// the map before the device runs: a device may change the map while it handles a write.
pub trait BusTarget: Send + Sync {
    /// As [`BusDevice::read`].
    fn read(&self, offset: u64, data: &mut [u8]);
    /// As [`BusDevice::write`].
    fn write(&self, offset: u64, data: &[u8]);
}

impl<D: BusDevice + ?Sized> BusTarget for Mutex<D> {
    fn read(&self, offset: u64, data: &mut [u8]) {
        lock(self).read(offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        lock(self).write(offset, data);
    }
}

/// Locks, also after a panic in another thread: the panic is reported where it happened.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// For devices with byte-wide registers: performs a wider read as byte reads at rising offsets, as an
/// 8-bit device on a wider bus sees it.
pub fn read_by_bytes(offset: u64, data: &mut [u8], mut read: impl FnMut(u64) -> u8) {
    for (i, byte) in data.iter_mut().enumerate() {
        *byte = read(offset.wrapping_add(i as u64));
    }
}

/// For devices with byte-wide registers: performs a wider write as byte writes at rising offsets.
pub fn write_by_bytes(offset: u64, data: &[u8], mut write: impl FnMut(u64, u8)) {
    for (i, byte) in data.iter().enumerate() {
        write(offset.wrapping_add(i as u64), *byte);
    }
}
