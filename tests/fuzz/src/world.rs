//! The machine round the processor under test: a mebibyte of memory with a device and a ROM in it,
//! devices that answer by a rule, and a few that do things to the processor and to the memory map.

use aero_bus::vm_memory::{Bytes, GuestAddress};
use aero_bus::{BusTarget, DirectMapping, GuestRam, MapId, MemoryMap, Window};
use aero_cpu::{CpuSignals, Platform, Signal};
use std::collections::VecDeque;
use std::sync::Arc;

use crate::input::mix;

/// Bytes of RAM.
pub(crate) const RAM: u64 = 1 << 20;
/// A device in the middle of the RAM.
pub(crate) const DEVICE: u64 = 0xa_0000;
pub(crate) const DEVICE_LEN: u64 = 0x1_0000;
/// 64 KiB of ROM.
pub(crate) const ROM: u64 = 0xf_0000;
const ROM_LEN: u64 = 0x1_0000;
/// What comes and goes at the machine's command: an alias of RAM.
const ALIAS: u64 = 0xe_0000;
const ALIAS_OF: u64 = 0x3_0000;

/// The platform reads and writes device memory by itself, so nothing gets here.
struct Nowhere;

impl BusTarget for Nowhere {
    fn read(&self, _offset: u64, data: &mut [u8]) {
        data.fill(0xff);
    }
    fn write(&self, _offset: u64, _data: &[u8]) {}
}

/// What an access to a device brings about, by bits 7:4 of its address or port.
#[derive(Clone, Copy)]
enum Effect {
    None,
    Interrupt,
    Nmi,
    Stop,
    A20,
    Remap,
    Deadline,
}

impl Effect {
    const fn of(address: u64) -> Self {
        match address >> 4 & 0xf {
            1 | 2 => Self::Interrupt,
            3 => Self::Nmi,
            4 => Self::Stop,
            5 => Self::A20,
            6 => Self::Remap,
            7 => Self::Deadline,
            _ => Self::None,
        }
    }
}

pub(crate) struct World {
    /// Accesses are written out. Asked once: a guest can make a million of them in one instruction.
    trace: bool,
    pub map: MemoryMap,
    pub signals: Arc<CpuSignals>,
    /// Instructions retired by the runs before this one.
    pub before: u64,
    /// What this run may retire.
    pub allowed: u64,
    /// Vectors that wait.
    pub vectors: VecDeque<u8>,
    /// Whether reads depend on how many there were before.
    pub changing: bool,
    /// Whether accesses have effects.
    pub effects: bool,
    accesses: u64,
    /// A digest of every access: what, where, when.
    pub digest: u64,
    alias: Option<MapId>,
    task_priority: u8,
}

/// Vectors that may wait at once.
const MOST_VECTORS: usize = 4;

impl World {
    pub fn new(changing: bool) -> Self {
        let ram = GuestRam::new(RAM, ROM_LEN).expect("a mebibyte can be had");
        let signals = CpuSignals::placed(&ram).expect("there is room for a word");
        let map = MemoryMap::new(ram);
        let rom = map.ram().allocate_aux(ROM_LEN).expect("there is room for it");
        let mapping = DirectMapping { read: Some(rom.host_offset), write: None };
        map.map_device("device", DEVICE, Window::new(0, DEVICE_LEN), Arc::new(Nowhere))
            .expect("nothing is there yet");
        map.map_direct("rom", ROM, ROM_LEN, mapping).expect("nothing is there yet");
        Self {
            trace: std::env::var_os("AERO_FUZZ_TRACE").is_some(),
            map,
            signals: Arc::new(signals),
            before: 0,
            allowed: 0,
            vectors: VecDeque::new(),
            changing,
            effects: true,
            accesses: 0,
            digest: 0,
            alias: None,
            task_priority: 0,
        }
    }

    /// Writes to RAM.
    pub fn load(&self, address: u64, bytes: &[u8]) {
        self.map.ram().write_slice(bytes, GuestAddress(address)).expect("inside the RAM");
    }

    /// All of the RAM.
    pub fn contents(&self) -> Vec<u8> {
        let mut all = vec![0; RAM as usize];
        self.map.ram().read_slice(&mut all, GuestAddress(0)).expect("inside the RAM");
        all
    }

    /// Lets the interrupt line rise for a vector.
    pub fn interrupt(&mut self, vector: u8) {
        if self.vectors.len() < MOST_VECTORS {
            self.vectors.push_back(vector);
        }
        self.signals.set_intr(true);
    }

    /// What device memory holds at an address when reads do not change it.
    pub fn pattern(address: u64) -> u8 {
        mix(address) as u8
    }

    fn note(&mut self, what: u64, retired: u64, address: u64) {
        self.accesses += 1;
        if self.trace {
            eprintln!("    access at {}: {what:x} {address:x}", self.before + retired);
        }
        let when = self.before + retired;
        self.digest = mix(self.digest ^ what ^ mix(address ^ mix(when)));
    }

    fn answer(&self, address: u64, data: &mut [u8]) {
        let salt = if self.changing { self.accesses << 48 } else { 0 };
        for (i, byte) in data.iter_mut().enumerate() {
            *byte = Self::pattern(address.wrapping_add(i as u64) ^ salt);
        }
    }

    fn act(&mut self, retired: u64, address: u64) {
        if !self.effects {
            return;
        }
        match Effect::of(address) {
            Effect::None => {}
            Effect::Interrupt => self.interrupt((address & 0x1f) as u8 + 0x20),
            Effect::Nmi => self.signals.raise(Signal::NMI),
            Effect::Stop => self.signals.raise(Signal::STOP),
            Effect::A20 => self.map.set_a20(!self.map.a20()),
            Effect::Remap => match self.alias.take() {
                Some(id) => {
                    self.map.unmap(id);
                }
                None => {
                    let to = Some(ALIAS_OF);
                    let mapping = DirectMapping { read: to, write: to };
                    self.alias = self.map.map_direct("alias", ALIAS, 0x2000, mapping).ok();
                }
            },
            Effect::Deadline => self.allowed = self.allowed.min(retired + 1),
        }
    }
}

fn value(data: &[u8]) -> u64 {
    data.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

impl Platform for World {
    fn memory(&self) -> &MemoryMap {
        &self.map
    }

    fn mmio_read(&mut self, retired: u64, address: u64, data: &mut [u8]) {
        // One page may hold a device beside RAM only if somebody maps it so; here nobody does.
        self.note(1, retired, address);
        self.answer(address, data);
    }

    fn mmio_write(&mut self, retired: u64, address: u64, data: &[u8]) {
        self.note(mix(value(data)), retired, address);
        if !(ROM..ROM + ROM_LEN).contains(&address) {
            self.act(retired, address);
        }
    }

    fn port_read(&mut self, retired: u64, port: u16, data: &mut [u8]) {
        self.note(2, retired, port.into());
        self.answer(port.into(), data);
    }

    fn port_write(&mut self, retired: u64, port: u16, data: &[u8]) {
        self.note(mix(!value(data)), retired, port.into());
        self.act(retired, port.into());
    }

    fn budget(&mut self) -> u64 {
        self.allowed
    }

    fn acknowledge_interrupt(&mut self, retired: u64) -> Option<u8> {
        self.note(3, retired, 0);
        let vector = self.vectors.pop_front();
        self.signals.set_intr(!self.vectors.is_empty());
        vector
    }

    fn tsc(&mut self, retired: u64) -> u64 {
        self.before + retired
    }

    fn apic_msr_read(&mut self, _retired: u64, msr: u32) -> Option<u64> {
        (msr == 0x1b || msr < 0x820).then_some(0xfee0_0900)
    }

    fn apic_msr_write(&mut self, retired: u64, msr: u32, value: u64) -> Option<()> {
        self.note(mix(value), retired, msr.into());
        (msr < 0x820).then_some(())
    }

    fn cr8(&mut self) -> u8 {
        self.task_priority
    }

    fn set_cr8(&mut self, retired: u64, value: u8) {
        self.note(4, retired, value.into());
        self.task_priority = value;
    }
}

/// The first contents of the RAM, made apart because single writes to guest memory take their time.
pub(crate) struct Image {
    bytes: Vec<u8>,
    /// Pages that something was put into.
    used: [bool; (RAM / PAGE) as usize],
}

const PAGE: u64 = 4096;

impl Image {
    pub fn new() -> Self {
        Self { bytes: vec![0; RAM as usize], used: [false; _] }
    }

    pub fn put(&mut self, address: u64, bytes: &[u8]) {
        let at = address as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.used[at / PAGE as usize] = true;
        self.used[(at + bytes.len()).saturating_sub(1) / PAGE as usize] = true;
    }

    pub fn put_u16(&mut self, address: u64, value: u16) {
        self.put(address, &value.to_le_bytes());
    }

    pub fn put_u32(&mut self, address: u64, value: u32) {
        self.put(address, &value.to_le_bytes());
    }

    pub fn put_u64(&mut self, address: u64, value: u64) {
        self.put(address, &value.to_le_bytes());
    }

    /// Writes it to the RAM of a new world.
    pub fn load(&self, world: &World) {
        let pages = self.bytes.chunks_exact(PAGE as usize).zip(self.used);
        for (n, (page, _)) in pages.enumerate().filter(|(_, (_, used))| *used) {
            world.load(n as u64 * PAGE, page);
        }
    }
}
