//! The ground floor of the machine. Everything above, the devices, the CPU and the machine that
//! joins them, meets in the traits of this crate and nowhere else:
//!
//! - [`Device`] and [`BusDevice`]: what a device is; [`IoMap`] and [`MemoryMap`]: where it answers.
//! - [`IrqPin`] and [`IrqLine`]: interrupt wires; [`MsiSink`]: interrupts as messages.
//! - [`Clock`] and [`Timer`]: guest time, and the deadlines that devices set in it.
//! - [`GuestRam`]: guest memory, through the `vm-memory` traits.
//! - [`RegisterMap`]: a device's registers as data.
//! - [`Snapshot`]: a device's state as a self-describing value.
//! - [`pci`]: what a PCI function is, apart from the bus it sits on.
//! - [`block`], [`chardev`], [`display`]: the back ends behind devices.
//!
//! A device is handed an offset and bytes, never its own base address. It knows guest memory, its
//! pins, the clock and its back end, and no other device.

pub mod block;
pub mod chardev;
mod clock;
mod control;
mod device;
pub mod display;
mod irq;
mod map;
mod memory_map;
mod msi;
pub mod pci;
mod placed;
mod ram;
mod registers;
mod snapshot;
mod wake;

pub use clock::{Clock, HostTime, NANOS_PER_SEC, Timer};
pub use control::{A20Gate, PowerControl, PowerRequest};
pub use device::{BusDevice, BusTarget, Device, Window, read_by_bytes, write_by_bytes};
pub use irq::{IrqLine, IrqPin, IrqSink};
pub use map::{IoMap, MapError, MapId};
pub use memory_map::{Backing, DirectMapping, MemoryMap};
pub use msi::{MsiMessage, MsiSink};
pub use placed::Placed;
pub use ram::{AuxMemory, GuestRam, PAGE_SIZE, PageVersions, RamError, RamRegion};
pub use registers::{Register, RegisterMap};
pub use snapshot::{Snapshot, SnapshotError};
pub use wake::Wake;

/// Re-exported so that every crate names the same version of the memory traits.
pub use vm_memory;
