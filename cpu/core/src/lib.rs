//! The CPU's contract: what a virtual processor is, what it sees of the machine, and what a backend
//! (interpreter, JIT) does with it.
//!
//! [`Vcpu`] is the state, [`Exec`] the processor at work: memory with segments, paging and a software
//! TLB, interrupts and exceptions, control transfers between segments, privilege levels and tasks,
//! system registers. A backend decodes and executes instructions and calls [`Exec`] for the rest.

mod access;
pub mod alu;
mod backend;
pub mod bits;
mod cpuid;
mod debug;
mod events;
mod exception;
mod exec;
mod fetch;
mod flags;
mod fxsave;
mod interrupt;
mod iret;
pub mod layout;
mod msr;
mod paging;
mod ports;
mod reach;
mod segment;
mod segmentation;
mod signals;
mod snapshot;
mod state;
mod syscall;
mod system;
mod tasks;
pub mod testing;
mod tlb;
mod transfer;

pub use aero_x87::F80;
pub use backend::{CpuBackend, CpuExit, Platform, RunOutcome, Statistic};
pub use cpuid::{Cache, CpuModel, CpuidResult, Features};
pub use exception::{Exception, ExecResult, vector};
pub use exec::{Exec, OperandSize, Scalar};
pub use fetch::{CodePage, Peeked};
pub use flags::Flags;
pub use msr::Msrs;
pub use segment::{Descriptor, DescriptorTable, SegReg, Segment, SegmentAttributes, system_type};
pub use signals::{CpuSignals, Signal};
pub use state::{Activity, Attention, FpuState, Mode, RSP, Shadow, Vcpu};
pub use tlb::{Access, Dropped, TLB_ENTRIES, Tlb, TlbEntry};
