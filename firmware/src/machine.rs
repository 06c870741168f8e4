//! The firmware's hands: guest memory and ports, as its own code on a real machine would have them.

use std::sync::Arc;

use aero_bus::pci::PciAddress;
use aero_bus::{IoMap, MemoryMap};

use crate::port::{PORT_BASE, PORT_COUNT};

/// Configuration mechanism 1.
const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;
/// The RTC's index and data ports.
const CMOS_INDEX: u16 = 0x70;
const CMOS_DATA: u16 = 0x71;
/// NMIs stay off while the RTC is addressed.
const NMI_OFF: u8 = 0x80;

pub(crate) struct Machine {
    pub memory: Arc<MemoryMap>,
    pub io: Arc<IoMap>,
}

impl Machine {
    /// Whether a port may be accessed. The firmware's own are not: it is locked while it runs, and
    /// guests can make services use a port of their choice (the serial ports' bases in the BDA).
    fn is_own(port: u16, len: u16) -> bool {
        let first = u32::from(PORT_BASE);
        let end = first + u32::from(PORT_COUNT);
        u32::from(port) < end && u32::from(port) + u32::from(len) > first
    }

    fn port_read<const N: usize>(&self, port: u16) -> [u8; N] {
        let mut data = [0xff; N];
        if !Self::is_own(port, N as u16) {
            self.io.read(port, &mut data);
        }
        data
    }

    fn port_write(&self, port: u16, data: &[u8]) {
        if !Self::is_own(port, data.len() as u16) {
            self.io.write(port, data);
        }
    }

    pub fn in8(&self, port: u16) -> u8 {
        self.port_read::<1>(port)[0]
    }
    pub fn in16(&self, port: u16) -> u16 {
        u16::from_le_bytes(self.port_read(port))
    }
    pub fn in32(&self, port: u16) -> u32 {
        u32::from_le_bytes(self.port_read(port))
    }
    pub fn out8(&self, port: u16, value: u8) {
        self.port_write(port, &[value]);
    }
    pub fn out16(&self, port: u16, value: u16) {
        self.port_write(port, &value.to_le_bytes());
    }
    pub fn out32(&self, port: u16, value: u32) {
        self.port_write(port, &value.to_le_bytes());
    }

    pub fn read<const N: usize>(&self, address: u64) -> [u8; N] {
        let mut data = [0; N];
        self.memory.read(address, &mut data);
        data
    }
    pub fn read8(&self, address: u64) -> u8 {
        self.read::<1>(address)[0]
    }
    pub fn read16(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.read(address))
    }
    pub fn read32(&self, address: u64) -> u32 {
        u32::from_le_bytes(self.read(address))
    }
    pub fn write(&self, address: u64, data: &[u8]) {
        self.memory.write(address, data);
    }
    pub fn write8(&self, address: u64, value: u8) {
        self.write(address, &[value]);
    }
    pub fn write16(&self, address: u64, value: u16) {
        self.write(address, &value.to_le_bytes());
    }
    pub fn write32(&self, address: u64, value: u32) {
        self.write(address, &value.to_le_bytes());
    }

    pub fn cmos(&self, index: u8) -> u8 {
        self.out8(CMOS_INDEX, index | NMI_OFF);
        self.in8(CMOS_DATA)
    }
    pub fn set_cmos(&self, index: u8, value: u8) {
        self.out8(CMOS_INDEX, index | NMI_OFF);
        self.out8(CMOS_DATA, value);
    }

    fn config_port(&self, address: PciAddress, offset: u8) -> u16 {
        let place = 1 << 31
            | u32::from(address.bus) << 16
            | u32::from(address.devfn()) << 8
            | u32::from(offset & !3);
        self.out32(CONFIG_ADDRESS, place);
        CONFIG_DATA + u16::from(offset & 3)
    }
    pub fn pci8(&self, address: PciAddress, offset: u8) -> u8 {
        let port = self.config_port(address, offset);
        self.in8(port)
    }
    pub fn pci16(&self, address: PciAddress, offset: u8) -> u16 {
        let port = self.config_port(address, offset);
        self.in16(port)
    }
    pub fn pci32(&self, address: PciAddress, offset: u8) -> u32 {
        let port = self.config_port(address, offset);
        self.in32(port)
    }
    pub fn set_pci8(&self, address: PciAddress, offset: u8, value: u8) {
        let port = self.config_port(address, offset);
        self.out8(port, value);
    }
    pub fn set_pci16(&self, address: PciAddress, offset: u8, value: u16) {
        let port = self.config_port(address, offset);
        self.out16(port, value);
    }
    pub fn set_pci32(&self, address: PciAddress, offset: u8, value: u32) {
        let port = self.config_port(address, offset);
        self.out32(port, value);
    }
}
