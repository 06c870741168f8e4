//! The machine in a browser: what the page's worker calls.
//!
//! The worker runs the machine in slices between messages. The files behind the machine's disks are
//! JavaScript objects of the same thread. Another worker over the same memory, where there is one,
//! makes code for the processors.

mod code_check;
mod code_host;
mod console;
mod files;
mod pace;
mod pc;
mod slots;
mod threads;

pub use code_check::check_code;
pub use code_host::PageCodeHost;
pub use files::{needs_thread, referenced_files};
pub use pc::{Pc, Picture};
pub use threads::{program, serve_jobs};
