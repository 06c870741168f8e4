//! What runs generated code: a WebAssembly engine, as the backend sees it.
//!
//! Generated code lives in the same linear memory as everything it reaches: guest memory, and the
//! objects that were placed beside it with [`GuestRam::place`](aero_bus::GuestRam::place) (the
//! processors, their signals, the backend's [`Frame`](crate::Frame)s). In a page that is the program's
//! own memory; natively the memory begins where the block of guest memory does.
//!
//! A module imports, all from `"aero"`:
//!
//! | name | what |
//! |---|---|
//! | `memory` | the linear memory, with the limits of [`MemoryShape`] |
//! | `table` | a table of `funcref`, at least [`Installed`]'s slots long |
//! | the names of [`HELPERS`] | the functions of [`Helpers`], by the types given there |
//!
//! It exports nothing and fills the table by one active element segment, at the slots that
//! [`CodeHost::reserve`] gave before the module was made. Every function in it has the type
//! `(i32) -> i32` of [`CodeHost::enter`].

use std::any::Any;
use std::sync::Arc;

/// The limits that a module's import of the memory declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryShape {
    /// The memory is shared; a module has to say so too.
    pub shared: bool,
    /// Least size in pages of 64 KiB.
    pub minimum: u64,
    /// Greatest size in pages of 64 KiB; a shared memory has one.
    pub maximum: Option<u64>,
}

/// A function in a table, or several in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Index of the first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// What generated code calls while it runs. Imported under the names in [`HELPERS`].
pub trait Helpers {
    /// `translate_read (i64 linear, i32 size) -> i32`: where the `size` bytes at `linear` can be read:
    /// a host offset (an address less that of the guest's block). -1 if the instruction is to be left
    /// to the interpreter: a fault, a device, a watched page.
    fn translate_read(&mut self, linear: u64, size: u32) -> u32;

    /// `translate_write (i64 linear, i32 size) -> i32`: as above, for writing, or reading and writing.
    fn translate_write(&mut self, linear: u64, size: u32) -> u32;

    /// `interpret (i32 site, i32 left) -> i32`: executes the instruction of `site` on the state in
    /// memory; `left` instructions of the budget are left before it. Nonzero: all state is in memory;
    /// generated code returns this value at once, unless it is
    /// [`GO_ON`](crate::translate::GO_ON).
    fn interpret(&mut self, site: u32, left: i32) -> u32;
}

/// Names and WebAssembly types (`i` for i32, `I` for i64; parameters, then result) of the functions of
/// [`Helpers`], in the order in which modules import them.
pub const HELPERS: [(&str, &str, &str); 3] =
    [("translate_read", "Ii", "i"), ("translate_write", "Ii", "i"), ("interpret", "ii", "i")];

/// A module made ready off the processor's thread: compiled, as far as the engine can do that.
pub type Prepared = Box<dyn Any + Send>;

/// Makes modules ready, on whatever thread.
pub trait Prepare: Send + Sync {
    /// Compiles or checks a module.
    fn prepare(&self, module: Vec<u8>) -> Result<Prepared, HostError>;
}

/// Why generated code cannot be run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("generated code: {0}")]
pub struct HostError(pub String);

/// Runs generated code. One belongs to one block of guest memory and one thread at a time.
pub trait CodeHost: Send {
    /// Address in the linear memory of something in guest memory or placed beside it; `None` if it
    /// lies elsewhere.
    fn address_of(&self, pointer: *const u8) -> Option<u32>;

    /// The limits of the memory.
    fn memory_shape(&self) -> MemoryShape;

    /// What makes modules ready for [`install`](Self::install).
    fn preparer(&self) -> Arc<dyn Prepare>;

    /// Runs `job` on a thread of its own, which serves until the host is gone. `false` if there are no
    /// threads: modules are then made on the processor's.
    fn spawn(&mut self, job: Box<dyn FnOnce() + Send>) -> bool;

    /// Reserves `count` slots of the table in a row; they hold null until a module fills them.
    fn reserve(&mut self, count: u32) -> Result<Slots, HostError>;

    /// Instantiates a module, which fills its slots.
    fn install(&mut self, slots: Slots, module: Prepared) -> Result<(), HostError>;

    /// Empties slots, for which no generated code asks any more, and gives them back; the instance
    /// that filled them may go.
    fn release(&mut self, slots: Slots);

    /// Calls the function in `slot` with `entry`. The functions it imports end up at `helpers`.
    fn enter(&mut self, slot: u32, entry: u32, helpers: &mut dyn Helpers)
    -> Result<u32, HostError>;
}
