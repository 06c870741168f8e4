//! A [`CpuBackend`](aero_cpu::CpuBackend) that translates hot code to WebAssembly.

mod host;

pub use host::{
    CodeHost, HELPERS, Helpers, HostError, MemoryShape, Prepare, Prepared, Slots,
};
