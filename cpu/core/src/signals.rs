//! The wires that reach a processor from outside.

use std::sync::atomic::{AtomicU32, Ordering};

use aero_bus::{GuestRam, Placed, RamError};

bitflags::bitflags! {
    /// What is being signalled to one processor.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Signal: u32 {
        /// An interrupt controller has a vector to deliver: a level, until it is acknowledged.
        const INTR = 1 << 0;
        /// Non-maskable interrupt: an edge, taken once.
        const NMI = 1 << 1;
        /// INIT: an edge. The processor goes to its INIT state; an application processor then waits
        /// for a start-up message.
        const INIT = 1 << 2;
        /// Start-up message; its vector is in bits 31:24 of the word.
        const SIPI = 1 << 3;
        /// The run loop wants the processor back at the next instruction boundary.
        const STOP = 1 << 4;
    }
}

const SIPI_VECTOR_SHIFT: u32 = 24;

/// One word per processor, written by interrupt controllers and the run loop from any thread, and
/// looked at by the backend with a plain load at block boundaries and back edges.
#[derive(Debug)]
pub struct CpuSignals(Placed<AtomicU32>);

impl Default for CpuSignals {
    fn default() -> Self {
        Self::new()
    }
}

impl CpuSignals {
    /// No signals.
    pub fn new() -> Self {
        Self(Placed::boxed(Box::default()))
    }

    /// No signals; the word lies beside guest memory, where generated code can reach it.
    pub fn placed(ram: &GuestRam) -> Result<Self, RamError> {
        Ok(Self(ram.place(AtomicU32::new(0))?))
    }

    /// Raises signals.
    pub fn raise(&self, signals: Signal) {
        self.0.fetch_or(signals.bits(), Ordering::AcqRel);
    }

    /// Raises the start-up message with its vector.
    pub fn raise_sipi(&self, vector: u8) {
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let without = word & !(0xff << SIPI_VECTOR_SHIFT);
            Some(without | Signal::SIPI.bits() | u32::from(vector) << SIPI_VECTOR_SHIFT)
        });
    }

    /// Takes signals away.
    pub fn clear(&self, signals: Signal) {
        self.0.fetch_and(!signals.bits(), Ordering::AcqRel);
    }

    /// Sets the level of the interrupt line.
    pub fn set_intr(&self, level: bool) {
        if level { self.raise(Signal::INTR) } else { self.clear(Signal::INTR) }
    }

    /// What is signalled now.
    pub fn pending(&self) -> Signal {
        Signal::from_bits_truncate(self.0.load(Ordering::Relaxed))
    }

    /// Takes one edge signal; returns whether it was there.
    pub fn take(&self, signal: Signal) -> bool {
        self.0.fetch_and(!signal.bits(), Ordering::AcqRel) & signal.bits() != 0
    }

    /// Takes the start-up message and returns its vector.
    pub fn take_sipi(&self) -> Option<u8> {
        // The vector goes with the signal, so that an idle word is zero.
        let gone = Signal::SIPI.bits() | 0xff << SIPI_VECTOR_SHIFT;
        let word = self.0.fetch_and(!gone, Ordering::AcqRel);
        (word & Signal::SIPI.bits() != 0).then_some((word >> SIPI_VECTOR_SHIFT) as u8)
    }

    /// The word itself, for generated code: nonzero means leave and look.
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }
}
