//! What a processor sees of the machine, and what runs it.

use std::collections::BTreeMap;

use aero_bus::MemoryMap;

use crate::{CpuSignals, Vcpu};

/// The machine, as one processor sees it while it runs.
///
/// Every access is told how many instructions this call of [`CpuBackend::run`] has retired before the
/// accessing one (`retired`), so that in deterministic mode devices see the exact guest time.
pub trait Platform {
    /// The physical address space, for looking up what can be accessed directly.
    fn memory(&self) -> &MemoryMap;

    /// The physical address of the page that holds this processor's own local APIC registers, if they
    /// are in memory. It is a device to this processor alone, whatever `memory()` has there. It changes
    /// only with a write of IA32_APIC_BASE, a reset or a restore.
    fn local_apic_page(&self) -> Option<u64> {
        None
    }

    /// A read of physical memory that is not directly accessible: a device, or nothing. Includes the
    /// page of [`local_apic_page`](Self::local_apic_page).
    fn mmio_read(&mut self, retired: u64, address: u64, data: &mut [u8]);

    /// A write to physical memory that is not directly writable.
    fn mmio_write(&mut self, retired: u64, address: u64, data: &[u8]);

    /// An `in` of 1, 2 or 4 bytes.
    fn port_read(&mut self, retired: u64, port: u16, data: &mut [u8]);

    /// An `out` of 1, 2 or 4 bytes.
    fn port_write(&mut self, retired: u64, port: u16, data: &[u8]);

    /// How many instructions this call of [`CpuBackend::run`] may retire in all. Asked at the start and
    /// after every access above, which may have set an earlier deadline.
    fn budget(&mut self) -> u64;

    /// The interrupt acknowledge cycle: the vector to deliver, or `None` if the request has gone away.
    fn acknowledge_interrupt(&mut self, retired: u64) -> Option<u8>;

    /// The time-stamp counter, before the processor's own offset.
    fn tsc(&mut self, retired: u64) -> u64;

    /// Reads an MSR of the local APIC (IA32_APIC_BASE, x2APIC registers); `None` raises #GP.
    fn apic_msr_read(&mut self, retired: u64, msr: u32) -> Option<u64>;

    /// Writes an MSR of the local APIC; `None` raises #GP.
    fn apic_msr_write(&mut self, retired: u64, msr: u32, value: u64) -> Option<()>;

    /// The task priority as CR8 holds it: bits 7:4 of the local APIC's TPR.
    fn cr8(&mut self) -> u8;

    /// Sets the task priority from CR8; `value` is below 16.
    fn set_cr8(&mut self, retired: u64, value: u8);
}

/// Why [`CpuBackend::run`] came back. All architectural state is in the [`Vcpu`] then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuExit {
    /// The budget is used up, or [`Signal::STOP`](crate::Signal::STOP) was seen (and cleared).
    Budget,
    /// The processor waits: HLT, or an application processor waiting for its start-up message. It need
    /// not run again before a signal that [`Vcpu::is_wakeable`] accepts.
    Halted,
    /// Triple fault: the processor is in shutdown.
    Shutdown,
}

/// How a run went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOutcome {
    /// Instructions retired by this call. A REP instruction counts one an iteration boundary at which
    /// it was interruptible and was interrupted, which it is after each 2²⁰ iterations in any case, and
    /// one at its end.
    pub retired: u64,
    /// Why it ended.
    pub exit: CpuExit,
}

/// One of a backend's [statistics](CpuBackend::statistics).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Statistic {
    /// A count since the start, or how much of something there is now.
    Count(u64),
    /// Counts that belong together.
    Group(BTreeMap<&'static str, u64>),
}

/// Something that executes instructions.
pub trait CpuBackend: Send {
    /// Runs `cpu` until its budget is used up, it halts or it shuts down. Interrupts, NMI, INIT and
    /// start-up messages that `signals` shows are taken at instruction boundaries; in deterministic
    /// mode a backend never retires more than the budget.
    fn run(
        &mut self,
        cpu: &mut Vcpu,
        signals: &CpuSignals,
        platform: &mut dyn Platform,
    ) -> RunOutcome;

    /// What it has done so far, for people to read: names and counts.
    fn statistics(&self) -> BTreeMap<&'static str, Statistic> {
        BTreeMap::new()
    }

    /// Forgets whatever is derived from memory or from the processor's state (translations, decoded or
    /// generated code): the machine was reset or restored from a snapshot.
    fn flush(&mut self);
}
