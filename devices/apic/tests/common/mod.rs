//! A machine of a few processors that only note what reaches them.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};

use aero_apic::{Ack, ApicConfig, CpuSink, IoApic, IoApicHandle, LocalApic, LocalApics};
use aero_bus::IrqSink;
use aero_testbed::{Access, Testbed};

pub const TSC_HZ: u64 = 2_000_000_000;

/// Offsets of local APIC registers.
pub mod reg {
    pub const ID: u64 = 0x20;
    pub const VERSION: u64 = 0x30;
    pub const TPR: u64 = 0x80;
    pub const PPR: u64 = 0xa0;
    pub const EOI: u64 = 0xb0;
    pub const LDR: u64 = 0xd0;
    pub const DFR: u64 = 0xe0;
    pub const SVR: u64 = 0xf0;
    pub const ISR: u64 = 0x100;
    pub const TMR: u64 = 0x180;
    pub const IRR: u64 = 0x200;
    pub const ESR: u64 = 0x280;
    pub const ICR: u64 = 0x300;
    pub const ICR_HIGH: u64 = 0x310;
    pub const LVT_TIMER: u64 = 0x320;
    pub const LVT_LINT0: u64 = 0x350;
    pub const LVT_LINT1: u64 = 0x360;
    pub const LVT_ERROR: u64 = 0x370;
    pub const INITIAL: u64 = 0x380;
    pub const CURRENT: u64 = 0x390;
    pub const DIVIDE: u64 = 0x3e0;
}

pub const APIC_BASE: u32 = 0x1b;
pub const TSC_DEADLINE: u32 = 0x6e0;

#[derive(Default)]
pub struct Cpu {
    pub intr: Mutex<bool>,
    pub events: Mutex<Vec<Event>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Nmi,
    Init,
    Sipi(u8),
}

impl CpuSink for Cpu {
    fn set_intr(&self, level: bool) {
        *self.intr.lock().unwrap() = level;
    }
    fn nmi(&self) {
        self.events.lock().unwrap().push(Event::Nmi);
    }
    fn init(&self) {
        self.events.lock().unwrap().push(Event::Init);
    }
    fn sipi(&self, vector: u8) {
        self.events.lock().unwrap().push(Event::Sipi(vector));
    }
}

pub struct Rig {
    pub bed: Testbed,
    pub cpus: Vec<Arc<Cpu>>,
    pub apics: LocalApics,
    pub ioapic: IoApic,
    pub pins: Arc<IoApicHandle>,
}

impl Rig {
    /// `count` processors as after power-on.
    pub fn cold(count: usize) -> Self {
        let bed = Testbed::new();
        let cpus: Vec<_> = (0..count).map(|_| Arc::new(Cpu::default())).collect();
        let sinks = cpus.iter().map(|cpu| cpu.clone() as Arc<dyn CpuSink>).collect();
        let config = ApicConfig { tsc_hz: TSC_HZ, x2apic: true };
        let apics = LocalApics::new(&bed.clock, sinks, config);
        let ioapic = IoApic::new(Arc::new(apics.clone()));
        let pins = ioapic.handle();
        apics.connect(&pins);
        Self { bed, cpus, apics, ioapic, pins }
    }

    /// `count` processors with their local APICs enabled, spurious vector 0xFF, flat logical ids.
    pub fn new(count: usize) -> Self {
        let rig = Self::cold(count);
        for n in 0..count {
            rig.cpu(n).mmio_write32(reg::SVR, 0x1ff);
            rig.cpu(n).mmio_write32(reg::LDR, 1 << (24 + n % 8));
        }
        rig
    }

    pub fn cpu(&self, n: usize) -> LocalApic {
        self.apics.cpu(n)
    }

    pub fn intr(&self, n: usize) -> bool {
        *self.cpus[n].intr.lock().unwrap()
    }

    pub fn events(&self, n: usize) -> Vec<Event> {
        std::mem::take(&mut self.cpus[n].events.lock().unwrap())
    }

    pub fn set_pin(&self, input: u32, level: bool) {
        self.pins.set_level(input, level);
    }

    /// Writes a redirection entry.
    pub fn redirect(&mut self, input: u8, value: u64) {
        for (half, value) in [(1, (value >> 32) as u32), (0, value as u32)] {
            self.ioapic.write8(0, 0x10 + input * 2 + half);
            self.ioapic.write32(0x10, value);
        }
    }

    /// The low half of a redirection entry.
    pub fn redirection(&mut self, input: u8) -> u32 {
        self.ioapic.write8(0, 0x10 + input * 2);
        self.ioapic.read32(0x10)
    }

    /// Takes an interrupt and returns its vector.
    pub fn take(&self, n: usize) -> Option<u8> {
        assert_eq!(self.intr(n), expected_intr(&self.cpu(n)));
        match self.cpu(n).acknowledge() {
            Ack::Vector(vector) => Some(vector),
            Ack::ExtInt => panic!("the 8259A was not expected"),
            Ack::None => None,
        }
    }

    pub fn eoi(&self, n: usize) {
        self.cpu(n).mmio_write32(reg::EOI, 0);
    }

    pub fn ipi(&self, n: usize, destination: u8, low: u32) {
        self.cpu(n).mmio_write32(reg::ICR_HIGH, u32::from(destination) << 24);
        self.cpu(n).mmio_write32(reg::ICR, low);
    }

    pub fn run(&mut self, nanos: u64) {
        let mut apics = self.apics.clone();
        self.bed.run(&mut apics, nanos);
    }
}

/// What INTR has to be while the APIC is enabled, worked out from its registers.
fn expected_intr(cpu: &LocalApic) -> bool {
    let highest = (0..8u64).rev().find_map(|word| {
        let bits = cpu.mmio_read32(reg::IRR + word * 16);
        (bits != 0).then(|| word as u32 * 32 + 31 - bits.leading_zeros())
    });
    highest.is_some_and(|vector| vector >> 4 > cpu.mmio_read32(reg::PPR) >> 4)
}
