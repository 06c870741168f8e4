//! All local APICs, and the messages between them and from devices.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use aero_bus::{Clock, Device, IrqSink, MsiMessage, MsiSink, Snapshot, SnapshotError};
use serde::{Deserialize, Serialize};

use crate::ioapic::IoApicHandle;
use crate::local::{Ack, CpuSink, Effect, GeneralProtection, Lapic, LapicState};
use crate::message::{DeliveryMode, Message, NoMessage};

const KIND: &str = "lapic";

/// Processors that 8-bit APIC ids can name: 255 is the broadcast.
pub const MAX_CPUS: usize = 255;

/// What the local APICs are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApicConfig {
    /// Frequency of the time-stamp counter, before a processor's own offset, in hertz. For the timer's
    /// TSC-deadline mode; see also [`LocalApics::set_tsc_base`].
    pub tsc_hz: u64,
    /// Whether x2APIC mode can be switched on; CPUID.01H:ECX bit 21 has to agree.
    pub x2apic: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    cpus: Vec<LapicState>,
    /// The processor that is first asked for the next lowest-priority message.
    rotation: usize,
    /// Guest time in nanoseconds at which the time-stamp counter stood at 0.
    tsc_base: u64,
}

struct Fabric {
    cpus: Vec<Mutex<Lapic>>,
    ioapics: RwLock<Vec<Weak<IoApicHandle>>>,
    rotation: AtomicUsize,
    config: ApicConfig,
    warned: AtomicBool,
}

impl Fabric {
    fn lock(&self, index: usize) -> MutexGuard<'_, Lapic> {
        self.cpus[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers a message. No local APIC may be locked by the caller.
    fn send(&self, message: Message) {
        let Message { destination, mode, vector, level_triggered } = message;
        if mode == DeliveryMode::LowestPriority {
            if let Some(target) = self.arbitrate(message) {
                self.lock(target).deliver(mode, vector, level_triggered);
            }
            return;
        }
        for index in 0..self.cpus.len() {
            let mut lapic = self.lock(index);
            if lapic.matches(destination) {
                lapic.deliver(mode, vector, level_triggered);
            }
        }
    }

    /// The processor for a lowest-priority message: of those addressed the one with the lowest
    /// processor priority, and of equals each in turn (section 11.6.2.4).
    fn arbitrate(&self, message: Message) -> Option<usize> {
        let count = self.cpus.len();
        let first = self.rotation.load(Ordering::Relaxed) % count;
        let (_, target) = (0..count)
            .map(|step| (first + step) % count)
            .filter_map(|index| {
                let lapic = self.lock(index);
                let hears = lapic.matches(message.destination) && lapic.is_software_enabled();
                hears.then(|| (lapic.ppr(), index))
            })
            .min_by_key(|(priority, _)| *priority)?;
        self.rotation.store((target + 1) % count, Ordering::Relaxed);
        Some(target)
    }

    fn perform(&self, effect: Effect) {
        match effect {
            Effect::None => {}
            Effect::Send(message) => self.send(message),
            Effect::EndOfInterrupt(vector) => {
                let ioapics = self.ioapics.read().unwrap_or_else(PoisonError::into_inner);
                for ioapic in ioapics.iter().filter_map(Weak::upgrade) {
                    ioapic.end_of_interrupt(vector);
                }
            }
        }
    }
}

/// The local APICs of all processors. Cheap to clone; every clone is the same APICs. As a [`Device`]
/// it is all of them, as an [`MsiSink`] the end of all messages.
#[derive(Clone)]
pub struct LocalApics(Arc<Fabric>);

impl LocalApics {
    /// One local APIC a processor; processor 0 is the boot processor, and ids are processor numbers.
    ///
    /// # Panics
    /// If there are no processors or more than [`MAX_CPUS`], or the TSC stands still.
    pub fn new(clock: &Clock, cpus: Vec<Arc<dyn CpuSink>>, config: ApicConfig) -> Self {
        assert!((1..=MAX_CPUS).contains(&cpus.len()), "1 to {MAX_CPUS} processors");
        assert!(config.tsc_hz > 0, "the time-stamp counter counts");
        let cpus = (0..)
            .zip(cpus)
            .map(|(index, sink)| {
                Mutex::new(Lapic::new(index, config.x2apic, config.tsc_hz, sink, clock.timer()))
            })
            .collect();
        Self(Arc::new(Fabric {
            cpus,
            ioapics: RwLock::default(),
            rotation: AtomicUsize::new(0),
            config,
            warned: AtomicBool::new(false),
        }))
    }

    /// How many processors there are.
    pub fn len(&self) -> usize {
        self.0.cpus.len()
    }

    /// Never true: there is a boot processor.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The local APIC of processor `index`.
    ///
    /// # Panics
    /// If there is no such processor.
    pub fn cpu(&self, index: usize) -> LocalApic {
        assert!(index < self.len(), "processor {index} of {}", self.len());
        LocalApic { fabric: self.0.clone(), index }
    }

    /// Says that the time-stamp counter stood at 0 at guest time `nanos`; at first that is 0. A reset
    /// that sets the counter back is to call it.
    pub fn set_tsc_base(&self, nanos: u64) {
        for index in 0..self.len() {
            self.0.lock(index).set_tsc_base(nanos);
        }
    }

    /// Tells `ioapic` of the ends of level-triggered interrupts, as long as it exists.
    pub fn connect(&self, ioapic: &Arc<IoApicHandle>) {
        let mut ioapics = self.0.ioapics.write().unwrap_or_else(PoisonError::into_inner);
        ioapics.push(Arc::downgrade(ioapic));
    }
}

impl MsiSink for LocalApics {
    fn send(&self, message: MsiMessage) {
        match Message::from_msi(message) {
            Ok(message) => self.0.send(message),
            Err(NoMessage::Deassert) => {}
            Err(why) => {
                // A device driver's mistake can repeat with every interrupt.
                if !self.0.warned.swap(true, Ordering::Relaxed) {
                    log::warn!("dropped interrupt message {message:x?}: wrong {why:?}");
                }
            }
        }
    }
}

impl Device for LocalApics {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        for index in 0..self.len() {
            self.0.lock(index).reset();
        }
        self.0.rotation.store(0, Ordering::Relaxed);
    }

    fn tick(&mut self) {
        for index in 0..self.len() {
            self.0.lock(index).tick();
        }
    }

    fn save(&self) -> Snapshot {
        let cpus = (0..self.len()).map(|index| self.0.lock(index).save()).collect();
        let rotation = self.0.rotation.load(Ordering::Relaxed);
        let tsc_base = self.0.lock(0).tsc_base();
        Snapshot::new(KIND, 1, &State { cpus, rotation, tsc_base })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        let invalid = |what: String| Err(SnapshotError::invalid(KIND, what));
        if state.cpus.len() != self.len() {
            return invalid(format!("{} processors, not {}", state.cpus.len(), self.len()));
        }
        if state.rotation >= self.len() {
            return invalid(format!("rotation {}", state.rotation));
        }
        for (index, cpu) in state.cpus.iter().enumerate() {
            if let Err(what) = cpu.validate(self.0.config.x2apic) {
                return invalid(format!("processor {index}: {what}"));
            }
        }
        for (index, cpu) in state.cpus.into_iter().enumerate() {
            self.0.lock(index).restore(cpu, state.tsc_base);
        }
        self.0.rotation.store(state.rotation, Ordering::Relaxed);
        Ok(())
    }
}

/// One processor's local APIC, as that processor and its pins see it. Cheap to clone.
///
/// As an [`IrqSink`] it is the inputs [`LINT0`](crate::LINT0), for the 8259A's INTR, and
/// [`LINT1`](crate::LINT1), for NMI. While the APIC is disabled in IA32_APIC_BASE they go straight to
/// the processor.
#[derive(Clone)]
pub struct LocalApic {
    fabric: Arc<Fabric>,
    index: usize,
}

impl LocalApic {
    fn lock(&self) -> MutexGuard<'_, Lapic> {
        self.fabric.lock(self.index)
    }

    /// A read of the 32 bits at `offset` of the register page, which should be a multiple of 16: the
    /// rest of each 16 bytes reads as 0. All ones while the registers are not in memory.
    pub fn mmio_read32(&self, offset: u64) -> u32 {
        self.lock().mmio_read32(offset & !3)
    }

    /// A write of the 32 bits at `offset` of the register page, a multiple of 16; elsewhere it is
    /// dropped.
    pub fn mmio_write32(&self, offset: u64, value: u32) {
        let effect = self.lock().mmio_write32(offset, value);
        self.fabric.perform(effect);
    }

    /// A read of any width: its bytes of the registers it touches.
    pub fn mmio_read(&self, offset: u64, data: &mut [u8]) {
        let mut done = 0;
        while done < data.len() {
            let at = offset.wrapping_add(done as u64);
            let bytes = self.mmio_read32(at).to_le_bytes();
            let skip = (at & 3) as usize;
            let len = (data.len() - done).min(4 - skip);
            data[done..done + len].copy_from_slice(&bytes[skip..skip + len]);
            done += len;
        }
    }

    /// A write of any width. Registers take whole 32-bit writes only (section 11.4.1), so a narrower or
    /// misaligned one is dropped, with a debug log line.
    pub fn mmio_write(&self, offset: u64, data: &[u8]) {
        if offset & 3 != 0 || !data.len().is_multiple_of(4) {
            log::debug!("{}-byte write to the local APIC at {offset:#x}", data.len());
            return;
        }
        for (at, bytes) in (offset..).step_by(4).zip(data.chunks_exact(4)) {
            let value = u32::from_le_bytes(bytes.try_into().expect("chunks of four bytes"));
            self.mmio_write32(at, value);
        }
    }

    /// Reads IA32_APIC_BASE (0x1B), IA32_TSC_DEADLINE (0x6E0) or an x2APIC register (0x800 to 0x83F).
    pub fn msr_read(&self, number: u32) -> Result<u64, GeneralProtection> {
        self.lock().msr_read(number)
    }

    /// Writes one of those. IA32_TSC_DEADLINE is in terms of the counter without the processor's own
    /// offset (IA32_TSC_ADJUST): whoever keeps that has to subtract it here and add it to what is read.
    pub fn msr_write(&self, number: u32, value: u64) -> Result<(), GeneralProtection> {
        let effect = self.lock().msr_write(number, value)?;
        self.fabric.perform(effect);
        Ok(())
    }

    /// The interrupt acknowledge cycle.
    pub fn acknowledge(&self) -> Ack {
        self.lock().acknowledge()
    }

    /// The task priority as CR8 holds it.
    pub fn cr8(&self) -> u8 {
        self.lock().cr8()
    }

    /// Sets the task priority from CR8; only the low four bits of `value` count.
    pub fn set_cr8(&self, value: u8) {
        self.lock().set_cr8(value & 0xf);
    }

    /// Whether the APIC is enabled in IA32_APIC_BASE, which CPUID.01H:EDX bit 9 shows.
    pub fn is_enabled(&self) -> bool {
        self.lock().is_enabled()
    }

    /// The physical address of its registers' page, which is the processor's own, if they are in
    /// memory: enabled, and not in x2APIC mode.
    pub fn mmio_base(&self) -> Option<u64> {
        self.lock().mmio_base()
    }

    /// Delivers the timer's interrupt if it is due.
    pub fn tick(&self) {
        self.lock().tick();
    }

    /// What INIT does to the local APIC. An INIT message does it by itself; this is for an INIT that
    /// reaches the processor on another way.
    pub fn init_reset(&self) {
        self.lock().init_reset();
    }
}

impl IrqSink for LocalApic {
    fn set_level(&self, input: u32, level: bool) {
        match input {
            0 | 1 => self.lock().set_lint(input as usize, level),
            _ => log::warn!("a local APIC has no input LINT{input}"),
        }
    }
}
