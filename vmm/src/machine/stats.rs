//! What a run has cost.

use std::collections::BTreeMap;

use aero_cpu::Statistic;
use serde::Serialize;

use super::Machine;

/// What the run loop counts.
#[derive(Default)]
pub(super) struct Counts {
    /// Instructions retired in this program; after a restore fewer than since power-on.
    pub retired: u64,
    /// Nanoseconds of the host spent in processors.
    pub host_nanos: u64,
    pub halts: u64,
    pub ticks: u64,
    pub apic_accesses: u64,
}

/// Statistics of a machine since power-on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// Instructions retired by all processors.
    pub instructions: u64,
    /// Guest time.
    pub guest_seconds: f64,
    /// Host time during which processors ran, in this program: what was before a restore is not known.
    pub host_seconds: f64,
    /// Millions of instructions retired in a second of `host_seconds`.
    pub mips: f64,
    /// Bytes of guest memory.
    pub memory_bytes: u64,
    /// Times a processor halted.
    pub halts: u64,
    /// Times the devices were asked to look at their timers.
    pub ticks: u64,
    /// Accesses that left the processor, by device.
    pub exits: BTreeMap<String, u64>,
    /// What the JIT has done; empty without one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub jit: BTreeMap<&'static str, Statistic>,
}

impl Machine {
    /// What the machine has done so far.
    pub fn stats(&self) -> Stats {
        let mut exits = BTreeMap::new();
        let ports = self.surface.io.accesses().into_iter();
        for (name, count) in ports.chain(self.surface.memory.accesses()) {
            *exits.entry(name).or_default() += count;
        }
        *exits.entry(super::chipset::LOCAL_APIC.to_owned()).or_default() +=
            self.counts.apic_accesses;
        exits.retain(|_, count| *count > 0);
        let instructions = self.time.retired;
        let host_seconds = self.counts.host_nanos as f64 / 1e9;
        Stats {
            instructions,
            guest_seconds: self.clock.now() as f64 / 1e9,
            host_seconds,
            mips: if host_seconds > 0.0 {
                self.counts.retired as f64 / host_seconds / 1e6
            } else {
                0.0
            },
            memory_bytes: self.surface.memory.ram().len(),
            halts: self.counts.halts,
            ticks: self.counts.ticks,
            exits,
            jit: self.processors.backend.statistics(),
        }
    }
}
