//! What a PCI function is, apart from the bus it sits on: its configuration space, its BARs, its
//! interrupt. The bus itself (ECAM, ports 0xCF8 and 0xCFC, where BARs are decoded) is the `pci` crate.
//!
//! Sections are of the PCI Local Bus Specification 3.0.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AuxMemory, Device, IrqPin, MsiMessage, MsiSink, SnapshotError};

/// Offsets in the configuration header (section 6.1).
pub mod reg {
    /// Vendor ID, 16 bits.
    pub const VENDOR_ID: u16 = 0x00;
    /// Device ID, 16 bits.
    pub const DEVICE_ID: u16 = 0x02;
    /// Command register, 16 bits.
    pub const COMMAND: u16 = 0x04;
    /// Status register, 16 bits.
    pub const STATUS: u16 = 0x06;
    /// Revision ID, 8 bits.
    pub const REVISION_ID: u16 = 0x08;
    /// Class code: programming interface, subclass, base class.
    pub const CLASS_CODE: u16 = 0x09;
    /// Cache line size, 8 bits.
    pub const CACHE_LINE_SIZE: u16 = 0x0c;
    /// Latency timer, 8 bits.
    pub const LATENCY_TIMER: u16 = 0x0d;
    /// Header type; bit 7 tells of a multi-function device.
    pub const HEADER_TYPE: u16 = 0x0e;
    /// First base address register, 32 bits each.
    pub const BAR0: u16 = 0x10;
    /// Subsystem vendor ID, 16 bits.
    pub const SUBSYSTEM_VENDOR_ID: u16 = 0x2c;
    /// Subsystem ID, 16 bits.
    pub const SUBSYSTEM_ID: u16 = 0x2e;
    /// Expansion ROM base address, 32 bits.
    pub const ROM_BAR: u16 = 0x30;
    /// Offset of the first capability, 8 bits.
    pub const CAPABILITIES: u16 = 0x34;
    /// Interrupt line, 8 bits: written by firmware, read by drivers.
    pub const INTERRUPT_LINE: u16 = 0x3c;
    /// Interrupt pin: 0 none, 1 INTA# … 4 INTD#.
    pub const INTERRUPT_PIN: u16 = 0x3d;
}

bitflags::bitflags! {
    /// The command register (section 6.2.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Command: u16 {
        /// The function answers in its I/O BARs.
        const IO_SPACE = 1 << 0;
        /// The function answers in its memory BARs.
        const MEMORY_SPACE = 1 << 1;
        /// The function may read and write guest memory.
        const BUS_MASTER = 1 << 2;
        /// Parity errors are reported.
        const PARITY_ERROR_RESPONSE = 1 << 6;
        /// SERR# is driven.
        const SERR_ENABLE = 1 << 8;
        /// INTx# is not driven.
        const INTERRUPT_DISABLE = 1 << 10;
    }
}

const STATUS_INTERRUPT: u8 = 1 << 3;
const STATUS_CAPABILITIES: u8 = 1 << 4;
/// Capability ids (appendix H).
const CAP_MSI: u8 = 0x05;

/// Bus, device and function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// Bus number.
    pub bus: u8,
    /// Device number, 0 to 31.
    pub device: u8,
    /// Function number, 0 to 7.
    pub function: u8,
}

impl PciAddress {
    /// A function on bus 0.
    pub const fn new(device: u8, function: u8) -> Self {
        assert!(device < 32 && function < 8, "a PCI address has 5 device and 3 function bits");
        Self { bus: 0, device, function }
    }

    /// Device and function as one byte, as configuration addresses hold them.
    pub const fn devfn(self) -> u8 {
        self.device << 3 | self.function
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{}", self.bus, self.device, self.function)
    }
}

impl FromStr for PciAddress {
    type Err = String;

    /// Parses `"00:1f.2"` or `"1f.2"` or `"1f"`, hexadecimal as `lspci` prints it.
    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("{text:?} is no PCI address such as \"1f.2\"");
        let (bus, rest) = text.split_once(':').unwrap_or(("0", text));
        let (device, function) = rest.split_once('.').unwrap_or((rest, "0"));
        let parse = |part: &str, below: u16| {
            u8::from_str_radix(part, 16).ok().filter(|n| u16::from(*n) < below).ok_or_else(fail)
        };
        Ok(Self {
            bus: parse(bus, 256)?,
            device: parse(device, 32)?,
            function: parse(function, 8)?,
        })
    }
}

/// What kind of space a BAR asks for (section 6.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
    /// Memory anywhere; takes two BAR registers.
    Memory64 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
}

/// A base address register of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Space and width.
    pub kind: BarKind,
    /// Length in bytes, a power of two; at least 4 for ports and 16 for memory.
    pub len: u64,
    /// Memory that is mapped directly, such as video memory, in place of calls to the device.
    pub direct: Option<AuxMemory>,
}

/// Identity of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciIdentity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Revision ID.
    pub revision: u8,
    /// Base class, subclass, programming interface, from the high byte down: `0x010601` is AHCI.
    pub class: u32,
    /// Subsystem vendor ID.
    pub subsystem_vendor: u16,
    /// Subsystem ID.
    pub subsystem: u16,
}

/// How a function's interrupt leaves it.
pub struct PciWiring {
    /// The INTx# pin.
    pub intx: IrqPin,
    /// Where messages go.
    pub msi: Arc<dyn MsiSink>,
}

/// A function of a PCI device: its configuration space and what answers in its BARs.
pub trait PciDevice: Device {
    /// Its configuration space.
    fn config(&self) -> &PciConfig;
    /// Its configuration space, for the bus to read and write.
    fn config_mut(&mut self) -> &mut PciConfig;
    /// A write to configuration space has been done. For registers of the device's own above the
    /// header; the header, BARs and capabilities have been looked after.
    fn config_written(&mut self, offset: u16, len: usize) {
        let _ = (offset, len);
    }
    /// A read in BAR `bar` (of a 64-bit BAR, its first register), as
    /// [`BusDevice::read`](crate::BusDevice::read).
    fn bar_read(&mut self, bar: usize, offset: u64, data: &mut [u8]);
    /// A write in BAR `bar`.
    fn bar_write(&mut self, bar: usize, offset: u64, data: &[u8]);
}

/// The configuration space of a function, with the registers every function has.
pub struct PciConfig {
    bytes: [u8; 256],
    /// Which bits a write changes.
    writable: [u8; 256],
    /// Which bits writing a one clears.
    clear_on_one: [u8; 256],
    power_on: [u8; 256],
    bars: [Option<Bar>; 6],
    next_capability: u8,
    msi: Option<u8>,
    wiring: PciWiring,
    /// The interrupt condition, before the enable bits.
    interrupt: bool,
}

/// What of a configuration space goes into its device's snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PciConfigState {
    bytes: Vec<u8>,
    interrupt: bool,
}

impl PciConfig {
    /// A type 0 header with no BARs and no capabilities. `interrupt_pin` is 0 for none, 1 for INTA#.
    pub fn new(identity: PciIdentity, interrupt_pin: u8, wiring: PciWiring) -> Self {
        let mut config = Self {
            bytes: [0; 256],
            writable: [0; 256],
            clear_on_one: [0; 256],
            power_on: [0; 256],
            bars: [None; 6],
            next_capability: 0x40,
            msi: None,
            wiring,
            interrupt: false,
        };
        config.set_u16(reg::VENDOR_ID, identity.vendor);
        config.set_u16(reg::DEVICE_ID, identity.device);
        config.set_u32(reg::REVISION_ID, identity.class << 8 | u32::from(identity.revision));
        config.set_u16(reg::SUBSYSTEM_VENDOR_ID, identity.subsystem_vendor);
        config.set_u16(reg::SUBSYSTEM_ID, identity.subsystem);
        config.set_u8(reg::INTERRUPT_PIN, interrupt_pin);
        config.set_writable(reg::COMMAND, &Command::all().bits().to_le_bytes());
        config.clear_on_one[usize::from(reg::STATUS) + 1] = 0xf9;
        config.set_writable(reg::CACHE_LINE_SIZE, &[0xff, 0xff]);
        config.set_writable(reg::INTERRUPT_LINE, &[0xff]);
        config
    }

    /// Adds a BAR. A 64-bit one takes register `index` and the next.
    pub fn add_bar(&mut self, index: usize, bar: Bar) {
        let min = if bar.kind == BarKind::Io { 4 } else { 16 };
        assert!(bar.len.is_power_of_two() && bar.len >= min, "BAR lengths are powers of two");
        let at = reg::BAR0 + 4 * index as u16;
        let (flags, mask) = match bar.kind {
            BarKind::Io => (0b01, !(bar.len - 1) & 0xffff_fffc),
            BarKind::Memory32 { prefetchable } => {
                (u32::from(prefetchable) << 3, !(bar.len - 1) & 0xffff_fff0)
            }
            BarKind::Memory64 { prefetchable } => {
                (0b100 | u32::from(prefetchable) << 3, !(bar.len - 1) & !0xf)
            }
        };
        self.set_u32(at, flags);
        self.set_writable(at, &(mask as u32).to_le_bytes());
        if matches!(bar.kind, BarKind::Memory64 { .. }) {
            self.set_writable(at + 4, &((mask >> 32) as u32).to_le_bytes());
        }
        self.bars[index] = Some(bar);
    }

    /// Makes the next capability begin at `offset`, a multiple of 4 behind all before it, for functions
    /// whose data sheet says where theirs are.
    pub fn place_next_capability(&mut self, offset: u8) {
        assert!(
            offset.is_multiple_of(4) && offset >= self.next_capability,
            "capabilities in order"
        );
        self.next_capability = offset;
    }

    /// Appends a capability with this id and body (what follows id and next pointer), all read-only.
    /// Returns its offset.
    pub fn add_capability(&mut self, id: u8, body: &[u8]) -> u16 {
        let at = self.next_capability;
        let len = (2 + body.len()).next_multiple_of(4);
        assert!(usize::from(at) + len <= 256, "the capabilities fit into configuration space");
        let mut previous = reg::CAPABILITIES;
        while self.bytes[usize::from(previous)] != 0 {
            previous = u16::from(self.bytes[usize::from(previous)]) + 1;
        }
        self.set_u8(previous, at);
        self.set_u8(at.into(), id);
        for (i, byte) in body.iter().enumerate() {
            self.set_u8(u16::from(at) + 2 + i as u16, *byte);
        }
        self.set_u8(reg::STATUS, self.bytes[usize::from(reg::STATUS)] | STATUS_CAPABILITIES);
        self.next_capability = at.wrapping_add(len as u8);
        at.into()
    }

    /// Adds an MSI capability: one message, 64-bit address (section 6.8.1).
    pub fn add_msi(&mut self) {
        let at = self.add_capability(CAP_MSI, &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.set_writable(at + 2, &[0x01]);
        self.set_writable(at + 4, &[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        self.set_writable(at + 12, &[0xff, 0xff]);
        self.msi = Some(at as u8);
    }

    /// Makes the bits set in `mask` writable, from `offset` on.
    pub fn set_writable(&mut self, offset: u16, mask: &[u8]) {
        let at = usize::from(offset);
        self.writable[at..at + mask.len()].copy_from_slice(mask);
    }

    /// Makes the bits set in `mask` clear when a one is written to them, from `offset` on.
    pub fn set_clear_on_one(&mut self, offset: u16, mask: &[u8]) {
        let at = usize::from(offset);
        self.clear_on_one[at..at + mask.len()].copy_from_slice(mask);
    }

    /// Sets a power-on value (and the current one).
    pub fn set_u8(&mut self, offset: u16, value: u8) {
        self.bytes[usize::from(offset)] = value;
        self.power_on[usize::from(offset)] = value;
    }

    /// Sets a power-on value (and the current one).
    pub fn set_u16(&mut self, offset: u16, value: u16) {
        self.set_u8(offset, value as u8);
        self.set_u8(offset + 1, (value >> 8) as u8);
    }

    /// Sets a power-on value (and the current one).
    pub fn set_u32(&mut self, offset: u16, value: u32) {
        self.set_u16(offset, value as u16);
        self.set_u16(offset + 2, (value >> 16) as u16);
    }

    /// Changes a register of the device's own from inside the device, without touching its power-on
    /// value.
    pub fn update_u8(&mut self, offset: u16, value: u8) {
        self.bytes[usize::from(offset)] = value;
    }

    /// The byte at `offset`.
    pub fn u8(&self, offset: u16) -> u8 {
        self.bytes[usize::from(offset)]
    }

    /// The 16-bit register at `offset`.
    pub fn u16(&self, offset: u16) -> u16 {
        u16::from(self.u8(offset)) | u16::from(self.u8(offset + 1)) << 8
    }

    /// The 32-bit register at `offset`.
    pub fn u32(&self, offset: u16) -> u32 {
        u32::from(self.u16(offset)) | u32::from(self.u16(offset + 2)) << 16
    }

    /// The command register.
    pub fn command(&self) -> Command {
        Command::from_bits_retain(self.u16(reg::COMMAND))
    }

    /// Whether the function may access guest memory.
    pub fn is_bus_master(&self) -> bool {
        self.command().contains(Command::BUS_MASTER)
    }

    /// The BAR at register `index`, if the function has one there.
    pub fn bar(&self, index: usize) -> Option<&Bar> {
        self.bars.get(index)?.as_ref()
    }

    /// Where BAR `index` is decoded now: `None` while its space is disabled in the command register
    /// or the function has no such BAR.
    pub fn bar_address(&self, index: usize) -> Option<u64> {
        let bar = self.bar(index)?;
        let low = self.u32(reg::BAR0 + 4 * index as u16);
        let (enabled, address) = match bar.kind {
            BarKind::Io => (Command::IO_SPACE, u64::from(low & !0x3)),
            BarKind::Memory32 { .. } => (Command::MEMORY_SPACE, u64::from(low & !0xf)),
            BarKind::Memory64 { .. } => {
                let high = self.u32(reg::BAR0 + 4 * (index as u16 + 1));
                (Command::MEMORY_SPACE, u64::from(low & !0xf) | u64::from(high) << 32)
            }
        };
        self.command().contains(enabled).then_some(address)
    }

    /// A read of configuration space. Past its 256 bytes it reads as ones.
    pub fn read(&self, offset: u16, data: &mut [u8]) {
        for (i, byte) in data.iter_mut().enumerate() {
            *byte = self.bytes.get(usize::from(offset) + i).copied().unwrap_or(0xff);
        }
    }

    /// A write to configuration space: read-only bits stay, and the interrupt follows its enable bits.
    pub fn write(&mut self, offset: u16, data: &[u8]) {
        for (i, value) in data.iter().enumerate() {
            let at = usize::from(offset) + i;
            let Some(byte) = self.bytes.get_mut(at) else { break };
            let writable = self.writable[at];
            *byte = (*byte & !writable) | (value & writable);
            *byte &= !(value & self.clear_on_one[at]);
        }
        self.drive_intx();
    }

    /// Sets the level of the function's interrupt condition. With MSI enabled each rise sends the
    /// message; else it drives INTx#, unless the command register disables that.
    pub fn set_interrupt(&mut self, level: bool) {
        let rises = level && !self.interrupt;
        self.interrupt = level;
        let status = &mut self.bytes[usize::from(reg::STATUS)];
        *status = (*status & !STATUS_INTERRUPT) | if level { STATUS_INTERRUPT } else { 0 };
        if rises && self.msi_enabled() {
            self.send_msi();
        }
        self.drive_intx();
    }

    /// Sends the MSI message once more while the condition stays: for devices that must tell of each
    /// new event. No effect without MSI.
    pub fn pulse_msi(&self) {
        if self.msi_enabled() {
            self.send_msi();
        }
    }

    /// The level last given to [`set_interrupt`](Self::set_interrupt).
    pub fn interrupt(&self) -> bool {
        self.interrupt
    }

    /// Whether the driver has switched to MSI.
    pub fn msi_enabled(&self) -> bool {
        self.msi.is_some_and(|at| self.u8(u16::from(at) + 2) & 1 != 0)
    }

    fn send_msi(&self) {
        let Some(at) = self.msi.map(u16::from) else { return };
        // Messages are memory writes, which take the bus master bit.
        if self.is_bus_master() {
            let address = u64::from(self.u32(at + 4)) | u64::from(self.u32(at + 8)) << 32;
            self.wiring.msi.send(MsiMessage { address, data: self.u16(at + 12).into() });
        }
    }

    fn drive_intx(&self) {
        let disabled = self.command().contains(Command::INTERRUPT_DISABLE);
        self.wiring.intx.set(self.interrupt && !disabled && !self.msi_enabled());
    }

    /// Back to power-on: BARs zero, everything disabled, the interrupt released.
    pub fn reset(&mut self) {
        self.bytes = self.power_on;
        self.interrupt = false;
        self.drive_intx();
    }

    /// For the device's snapshot.
    pub fn save(&self) -> PciConfigState {
        PciConfigState { bytes: self.bytes.to_vec(), interrupt: self.interrupt }
    }

    /// Restores what [`save`](Self::save) gave. Read-only bits must be those of this function.
    pub fn restore(&mut self, kind: &str, state: &PciConfigState) -> Result<(), SnapshotError> {
        let bytes: [u8; 256] = state.bytes.as_slice().try_into().map_err(|_| {
            SnapshotError::invalid(kind, "the configuration space is not 256 bytes long")
        })?;
        for at in [reg::VENDOR_ID, reg::DEVICE_ID] {
            let found = u16::from_le_bytes([bytes[usize::from(at)], bytes[usize::from(at) + 1]]);
            if found != self.u16(at) {
                let expected = self.u16(at);
                let what = format!("PCI id {found:#06x} where {expected:#06x} was expected");
                return Err(SnapshotError::invalid(kind, what));
            }
        }
        self.bytes = bytes;
        for (at, writable) in self.writable.iter().enumerate() {
            // BAR flags and sizes shape what gets mapped: they are never taken from a file.
            if (usize::from(reg::BAR0)..usize::from(reg::BAR0) + 24).contains(&at) {
                self.bytes[at] = (self.bytes[at] & writable) | (self.power_on[at] & !writable);
            }
        }
        self.interrupt = state.interrupt;
        self.drive_intx();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IrqLine, IrqSink};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Recorder {
        levels: Mutex<Vec<bool>>,
        messages: Mutex<Vec<MsiMessage>>,
    }
    impl IrqSink for Recorder {
        fn set_level(&self, _: u32, level: bool) {
            self.levels.lock().unwrap().push(level);
        }
    }
    impl MsiSink for Recorder {
        fn send(&self, message: MsiMessage) {
            self.messages.lock().unwrap().push(message);
        }
    }

    fn config() -> (PciConfig, Arc<Recorder>) {
        let recorder = Arc::new(Recorder::default());
        let identity = PciIdentity {
            vendor: 0x8086,
            device: 0x2922,
            revision: 2,
            class: 0x01_06_01,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
        };
        let wiring =
            PciWiring { intx: IrqLine::new(recorder.clone(), 0).pin(), msi: recorder.clone() };
        let mut config = PciConfig::new(identity, 1, wiring);
        config.add_bar(4, Bar { kind: BarKind::Io, len: 32, direct: None });
        let kind = BarKind::Memory32 { prefetchable: false };
        config.add_bar(5, Bar { kind, len: 4096, direct: None });
        config.add_msi();
        (config, recorder)
    }

    #[test]
    fn bars_tell_their_size_when_ones_are_written() {
        let (mut config, _) = config();
        config.write(0x20, &[0xff; 4]);
        config.write(0x24, &[0xff; 4]);
        assert_eq!(config.u32(0x20), 0xffff_ffe1);
        assert_eq!(config.u32(0x24), 0xffff_f000);
        config.write(0x10, &[0xff; 4]);
        assert_eq!(config.u32(0x10), 0, "a BAR that is not there reads as zero");
    }

    #[test]
    fn capabilities_are_where_the_data_sheet_puts_them() {
        let (mut config, _) = config();
        config.place_next_capability(0xa8);
        assert_eq!(config.add_capability(0x12, &[0x10, 0, 0x48, 0, 0, 0]), 0xa8);
        assert_eq!(config.u8(reg::CAPABILITIES), 0x40);
        assert_eq!(config.u32(0xa8), 0x0010_0012);
        assert_eq!(config.u8(0x41), 0xa8);
    }

    #[test]
    fn bars_are_decoded_only_while_the_command_register_says_so() {
        let (mut config, _) = config();
        config.write(0x20, &0xc040u32.to_le_bytes());
        assert_eq!(config.bar_address(4), None);
        config.write(reg::COMMAND, &[1, 0]);
        assert_eq!(config.bar_address(4), Some(0xc040));
        assert_eq!(config.bar_address(5), None);
    }

    #[test]
    fn the_identity_is_read_only_and_the_class_reads_from_the_high_byte() {
        let (mut config, _) = config();
        config.write(0, &[0; 4]);
        assert_eq!(config.u32(0), 0x2922_8086);
        assert_eq!(config.u32(8), 0x0106_0102);
    }

    #[test]
    fn intx_follows_the_condition_and_the_disable_bit() {
        let (mut config, recorder) = config();
        config.set_interrupt(true);
        config.write(reg::COMMAND, &[0, 4]);
        config.write(reg::COMMAND, &[0, 0]);
        config.set_interrupt(false);
        assert_eq!(*recorder.levels.lock().unwrap(), [true, false, true, false]);
    }

    #[test]
    fn with_msi_a_rise_sends_the_message_and_the_pin_stays_low() {
        let (mut config, recorder) = config();
        let cap = config.u16(reg::CAPABILITIES) & 0xff;
        config.write(cap + 4, &0xfee0_1000u32.to_le_bytes());
        config.write(cap + 12, &[0x41, 0]);
        config.write(cap + 2, &[1]);
        config.write(reg::COMMAND, &[4, 0]);
        config.set_interrupt(true);
        config.set_interrupt(true);
        let expected = MsiMessage { address: 0xfee0_1000, data: 0x41 };
        assert_eq!(*recorder.messages.lock().unwrap(), [expected]);
        assert!(recorder.levels.lock().unwrap().is_empty());
    }

    #[test]
    fn addresses_parse_as_lspci_prints_them() {
        assert_eq!("1f.2".parse(), Ok(PciAddress::new(0x1f, 2)));
        assert_eq!("00:02.0".parse(), Ok(PciAddress::new(2, 0)));
        assert_eq!(PciAddress::new(0x1f, 2).to_string(), "00:1f.2");
        assert!("20.0".parse::<PciAddress>().is_err());
        assert!("1.8".parse::<PciAddress>().is_err());
    }
}
