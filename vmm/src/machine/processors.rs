//! The processors, and the machine as each of them sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aero_apic::{Ack, CpuSink, LOCAL_APIC_LEN, LocalApic};
use aero_bus::{IoMap, MemoryMap, Placed, PowerControl, Snapshot, Wake};
use aero_cpu::{Activity, CpuBackend, CpuSignals, Platform, Signal, Vcpu};
use aero_pic::PicHandle;
use serde::{Deserialize, Serialize};

use super::time::GuestTime;

/// What a local APIC does to its processor.
pub(super) struct SignalSink(pub Arc<CpuSignals>);

impl CpuSink for SignalSink {
    fn set_intr(&self, level: bool) {
        self.0.set_intr(level);
    }

    fn nmi(&self) {
        self.0.raise(Signal::NMI);
    }

    fn init(&self) {
        self.0.raise(Signal::INIT);
    }

    fn sipi(&self, vector: u8) {
        self.0.raise_sipi(vector);
    }
}

/// One processor with its wires.
pub(super) struct Processor {
    pub cpu: Placed<Vcpu>,
    pub signals: Arc<CpuSignals>,
    pub apic: LocalApic,
}

impl Processor {
    /// Whether it has something to do.
    pub fn is_runnable(&self) -> bool {
        match self.cpu.activity() {
            Activity::Running => true,
            _ => self.cpu.is_wakeable(&self.signals),
        }
    }
}

/// All processors and what runs them. They take turns on one thread.
pub(super) struct Processors {
    pub backend: Box<dyn CpuBackend>,
    pub all: Vec<Processor>,
    /// Whose turn it is.
    pub current: usize,
    /// Instructions that are left of its turn.
    pub turn_left: u64,
    pub tsc_hz: u64,
    /// Guest time at which the time-stamp counter was 0.
    pub tsc_base: u64,
}

/// Instructions of a turn, when there is more than one processor: so few that a slow host, too, gets
/// round within half a millisecond. An interrupt waits for its processor's turn, and of a timer's ticks
/// that come closer together one is lost.
pub(super) const TURN: u64 = 2_500;

impl Processors {
    /// Chooses who runs: the one whose turn it is, or the next that has something to do.
    pub fn choose(&mut self) -> Option<usize> {
        let count = self.all.len();
        if self.turn_left == 0 || !self.all[self.current].is_runnable() {
            let next = (1..=count).map(|n| (self.current + n) % count);
            self.current = next.into_iter().find(|n| self.all[*n].is_runnable())?;
            self.turn_left = TURN;
        }
        Some(self.current)
    }

    /// All processors for a snapshot.
    pub fn save(&self) -> Vec<SavedProcessor> {
        let save = |p: &Processor| SavedProcessor {
            cpu: p.cpu.save(),
            signals: p.signals.word().load(Ordering::Acquire),
        };
        self.all.iter().map(save).collect()
    }

    /// Takes back what [`save`](Self::save) gave. To be called after the local APICs are restored.
    pub fn restore(&mut self, saved: &[SavedProcessor]) -> Result<(), String> {
        if saved.len() != self.all.len() {
            return Err(format!("{} processors in place of {}", saved.len(), self.all.len()));
        }
        for (processor, saved) in self.all.iter_mut().zip(saved) {
            processor.cpu.restore(&saved.cpu).map_err(|e| e.to_string())?;
            processor.signals.word().store(saved.signals, Ordering::Release);
        }
        self.backend.flush();
        Ok(())
    }

    /// Back to power-on.
    pub fn reset(&mut self, now: u64) {
        for processor in &mut self.all {
            processor.signals.clear(Signal::all());
            processor.cpu.reset();
        }
        self.backend.flush();
        self.current = 0;
        self.turn_left = TURN;
        self.tsc_base = now;
    }
}

/// A processor in a snapshot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedProcessor {
    cpu: Snapshot,
    /// The word of [`CpuSignals`].
    signals: u32,
}

/// What all processors see.
pub(super) struct Surface {
    pub memory: Arc<MemoryMap>,
    pub io: Arc<IoMap>,
    pub wake: Arc<Wake>,
    pub power: PowerControl,
    pub pic: PicHandle,
}

/// The machine, as one processor sees it during one run.
pub(super) struct View<'a> {
    pub surface: &'a Surface,
    pub time: &'a GuestTime,
    pub apic: &'a LocalApic,
    pub tsc_hz: u64,
    pub tsc_base: u64,
    /// Instructions this run may retire at most, apart from deadlines.
    pub limit: u64,
    /// Where this processor sees its local APIC; only its own accesses move it during a run.
    apic_base: Option<u64>,
    /// Accesses to the local APIC, for statistics.
    pub apic_accesses: &'a mut u64,
    /// Instructions retired before the access that was made last.
    retired: u64,
    /// The deadline that `allowed` was computed for.
    deadline: Option<u64>,
    allowed: u64,
}

impl<'a> View<'a> {
    pub fn new(
        surface: &'a Surface,
        time: &'a GuestTime,
        apic: &'a LocalApic,
        (tsc_hz, tsc_base): (u64, u64),
        limit: u64,
        apic_accesses: &'a mut u64,
    ) -> Self {
        let deadline = time.clock.next_deadline();
        let allowed = time.until(deadline, 0);
        Self {
            surface,
            time,
            apic,
            tsc_hz,
            tsc_base,
            limit,
            apic_base: apic.mmio_base(),
            apic_accesses,
            retired: 0,
            deadline,
            allowed,
        }
    }

    /// Lets the devices see the time of an access.
    fn reach(&mut self, retired: u64) {
        self.retired = retired;
        self.time.advance(retired);
    }

    fn apic_offset(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.apic_base?)?;
        (offset < LOCAL_APIC_LEN).then_some(offset)
    }
}

impl Platform for View<'_> {
    fn memory(&self) -> &MemoryMap {
        &self.surface.memory
    }

    fn local_apic_page(&self) -> Option<u64> {
        self.apic_base
    }

    fn mmio_read(&mut self, retired: u64, address: u64, data: &mut [u8]) {
        self.reach(retired);
        match self.apic_offset(address) {
            Some(offset) => {
                *self.apic_accesses += 1;
                self.apic.mmio_read(offset, data);
            }
            None => self.surface.memory.read(address, data),
        }
    }

    fn mmio_write(&mut self, retired: u64, address: u64, data: &[u8]) {
        self.reach(retired);
        match self.apic_offset(address) {
            Some(offset) => {
                *self.apic_accesses += 1;
                self.apic.mmio_write(offset, data);
            }
            None => self.surface.memory.write(address, data),
        }
    }

    fn port_read(&mut self, retired: u64, port: u16, data: &mut [u8]) {
        self.reach(retired);
        self.surface.io.read(port, data);
    }

    fn port_write(&mut self, retired: u64, port: u16, data: &[u8]) {
        self.reach(retired);
        self.surface.io.write(port, data);
    }

    fn budget(&mut self) -> u64 {
        if self.surface.wake.is_signalled() {
            // Somebody wants the run loop: after the instruction that is under way.
            return self.retired + 1;
        }
        let deadline = self.time.clock.next_deadline();
        if deadline != self.deadline {
            self.deadline = deadline;
            self.allowed = self.time.until(deadline, self.retired);
        }
        self.allowed.max(self.retired + 1).min(self.limit)
    }

    fn acknowledge_interrupt(&mut self, retired: u64) -> Option<u8> {
        self.reach(retired);
        match self.apic.acknowledge() {
            Ack::Vector(vector) => Some(vector),
            Ack::ExtInt => Some(self.surface.pic.acknowledge()),
            Ack::None => None,
        }
    }

    fn tsc(&mut self, retired: u64) -> u64 {
        self.reach(retired);
        let nanos = self.time.clock.now().saturating_sub(self.tsc_base);
        let ticks = u128::from(nanos) * u128::from(self.tsc_hz);
        (ticks / u128::from(aero_bus::NANOS_PER_SEC)) as u64
    }

    fn apic_msr_read(&mut self, retired: u64, msr: u32) -> Option<u64> {
        self.reach(retired);
        self.apic.msr_read(msr).ok()
    }

    fn apic_msr_write(&mut self, retired: u64, msr: u32, value: u64) -> Option<()> {
        self.reach(retired);
        let done = self.apic.msr_write(msr, value).ok();
        self.apic_base = self.apic.mmio_base();
        done
    }

    fn cr8(&mut self) -> u8 {
        self.apic.cr8()
    }

    fn set_cr8(&mut self, retired: u64, value: u8) {
        self.reach(retired);
        self.apic.set_cr8(value);
    }
}
