//! A small machine for tests of this crate and of backends: some RAM, recorded ports and device
//! accesses, a queue of interrupt vectors.

use std::collections::VecDeque;

use aero_bus::vm_memory::{Bytes, GuestAddress};
use aero_bus::{GuestRam, MemoryMap};

use crate::Platform;

/// An access that reached the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A read of a port and its width in bytes.
    PortRead(u16, usize),
    /// A write to a port.
    PortWrite(u16, Vec<u8>),
    /// A read of physical memory that is no RAM, and its length.
    MmioRead(u64, usize),
    /// A write to physical memory that is no RAM.
    MmioWrite(u64, Vec<u8>),
}

/// The machine.
pub struct TestPlatform {
    /// 4 MiB of RAM at 0, and room for 64 KiB of ROM.
    pub map: MemoryMap,
    /// What [`Platform::budget`] answers.
    pub budget: u64,
    /// Vectors that the next acknowledge cycles give.
    pub vectors: VecDeque<u8>,
    /// What ports and device memory read as, low byte first, over and over.
    pub input: u64,
    /// Accesses so far.
    pub seen: Vec<Seen>,
    /// The time-stamp counter when nothing is retired.
    pub tsc_base: u64,
    /// CR8.
    pub task_priority: u8,
    /// IA32_APIC_BASE.
    pub apic_base: u64,
}

impl Default for TestPlatform {
    fn default() -> Self {
        Self::new()
    }
}

impl TestPlatform {
    /// A machine with empty memory.
    pub fn new() -> Self {
        let ram = GuestRam::new(4 << 20, 64 << 10).expect("4 MiB can be had");
        Self {
            map: MemoryMap::new(ram),
            budget: 1_000_000,
            vectors: VecDeque::new(),
            input: u64::MAX,
            seen: Vec::new(),
            tsc_base: 0,
            task_priority: 0,
            apic_base: 0xfee0_0900,
        }
    }

    /// Writes to RAM, as a loader does.
    pub fn load(&self, address: u64, bytes: &[u8]) {
        self.map.ram().write_slice(bytes, GuestAddress(address)).expect("inside the RAM");
    }

    /// Writes a 64-bit value to RAM.
    pub fn load_u64(&self, address: u64, value: u64) {
        self.load(address, &value.to_le_bytes());
    }

    /// Writes a 32-bit value to RAM.
    pub fn load_u32(&self, address: u64, value: u32) {
        self.load(address, &value.to_le_bytes());
    }

    /// Reads bytes of RAM.
    pub fn bytes<const N: usize>(&self, address: u64) -> [u8; N] {
        let mut data = [0; N];
        self.map.ram().read_slice(&mut data, GuestAddress(address)).expect("inside the RAM");
        data
    }

    /// Reads a 64-bit value of RAM.
    pub fn u64_at(&self, address: u64) -> u64 {
        u64::from_le_bytes(self.bytes(address))
    }

    /// Reads a 32-bit value of RAM.
    pub fn u32_at(&self, address: u64) -> u32 {
        u32::from_le_bytes(self.bytes(address))
    }

    /// Reads a 16-bit value of RAM.
    pub fn u16_at(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.bytes(address))
    }

    fn answer(&self, data: &mut [u8]) {
        for (byte, value) in data.iter_mut().zip(self.input.to_le_bytes().into_iter().cycle()) {
            *byte = value;
        }
    }
}

impl Platform for TestPlatform {
    fn memory(&self) -> &MemoryMap {
        &self.map
    }

    fn local_apic_page(&self) -> Option<u64> {
        // Enabled, and not in x2APIC mode.
        (self.apic_base & 0xc00 == 0x800).then_some(self.apic_base & !0xfff)
    }

    fn mmio_read(&mut self, _retired: u64, address: u64, data: &mut [u8]) {
        self.seen.push(Seen::MmioRead(address, data.len()));
        self.answer(data);
    }

    fn mmio_write(&mut self, _retired: u64, address: u64, data: &[u8]) {
        self.seen.push(Seen::MmioWrite(address, data.to_vec()));
    }

    fn port_read(&mut self, _retired: u64, port: u16, data: &mut [u8]) {
        self.seen.push(Seen::PortRead(port, data.len()));
        self.answer(data);
    }

    fn port_write(&mut self, _retired: u64, port: u16, data: &[u8]) {
        self.seen.push(Seen::PortWrite(port, data.to_vec()));
    }

    fn budget(&mut self) -> u64 {
        self.budget
    }

    fn acknowledge_interrupt(&mut self, _retired: u64) -> Option<u8> {
        self.vectors.pop_front()
    }

    fn tsc(&mut self, retired: u64) -> u64 {
        self.tsc_base + retired
    }

    fn apic_msr_read(&mut self, _retired: u64, msr: u32) -> Option<u64> {
        (msr == 0x1b).then_some(self.apic_base)
    }

    fn apic_msr_write(&mut self, _retired: u64, msr: u32, value: u64) -> Option<()> {
        (msr == 0x1b).then(|| self.apic_base = value)
    }

    fn cr8(&mut self) -> u8 {
        self.task_priority
    }

    fn set_cr8(&mut self, _retired: u64, value: u8) {
        self.task_priority = value;
    }
}
