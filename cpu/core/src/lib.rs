//! The CPU's contract: what a virtual processor is, what it sees of the machine, and what a backend
//! (interpreter, JIT) does with it.

mod backend;
mod signals;

pub use backend::{CpuBackend, CpuExit, Platform, RunOutcome};
pub use signals::{CpuSignals, Signal};
