//! A [`CpuBackend`](aero_cpu::CpuBackend) that translates hot code to WebAssembly.

mod backend;
mod bridge;
mod code;
mod frame;
mod graph;
mod heat;
mod host;
mod maker;
mod mode;
mod module;
mod processor;
mod region;
mod rewrites;
mod samples;
mod settings;
mod stats;
mod store;
mod translate;
#[cfg(feature = "wasmtime")]
mod wasmtime_host;

pub use backend::Jit;
pub use frame::Frame;
pub use host::{CodeHost, HELPERS, Helpers, HostError, MemoryShape, Prepare, Prepared, Slots};
pub use settings::Settings;
pub use stats::Stats;
#[cfg(feature = "wasmtime")]
pub use wasmtime_host::WasmtimeHost;
