//! The local APICs of all processors, the IO-APIC, and the messages between them.
//!
//! ```text
//!  PIC INTR ──LINT0──┐
//!                    ▼
//!  IO-APIC ──┐   LocalApic 0 ──▶ CpuSink (INTR, NMI, INIT, SIPI)
//!  PCI MSI ──┼─▶ LocalApics
//!  HPET FSB ─┘   LocalApic 1 ──▶ CpuSink
//! ```
//!
//! Locks, in the order they are taken: whatever drives an input, IO-APIC, one local APIC. A local APIC
//! lets go of its lock before an end of interrupt goes out to the IO-APIC or a message to another one,
//! so the two never wait for each other.
//!
//! Sections are of the Intel SDM, volume 3 (order number 325384), chapter "Advanced Programmable
//! Interrupt Controller", numbered 11 in 2023's edition; for the IO-APIC of the Intel 82093AA data sheet
//! (290566) and the ICH9 data sheet (316972), section 13.5.

mod fabric;
mod ioapic;
mod local;
mod message;

pub use fabric::{ApicConfig, LocalApic, LocalApics, MAX_CPUS};
pub use ioapic::{INPUTS, IoApic, IoApicHandle, WINDOW as IOAPIC_WINDOW};
pub use local::{Ack, BUS_FREQUENCY_HZ, CpuSink, GeneralProtection, LINT0, LINT1, MIN_PERIOD_NS};

/// Physical address of the local APICs' registers until their processors move them.
pub const LOCAL_APIC_BASE: u64 = 0xfee0_0000;
/// Length of the local APICs' registers in bytes.
pub const LOCAL_APIC_LEN: u64 = 0x1000;
