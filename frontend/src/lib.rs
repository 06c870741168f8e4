//! The machine in a browser: what the page's worker calls.
//!
//! The worker runs the machine in slices between messages. Everything here happens on that one thread;
//! the files behind the machine's disks are JavaScript objects of the same thread.

mod console;
mod files;
mod pc;

pub use files::referenced_files;
pub use pc::{Pc, Picture};
