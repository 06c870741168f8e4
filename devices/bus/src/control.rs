//! What a device may ask of the machine as a whole.

use std::sync::{Arc, Mutex};

use crate::Wake;
use crate::device::lock;

/// A request that ends or changes the run of the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerRequest {
    /// Restart as after power-on (port 0xCF9, the 8042's reset line, the ACPI reset register).
    Reset,
    /// Soft off (ACPI S5).
    PowerOff,
    /// Suspend to RAM (ACPI S3).
    Suspend,
    /// End the program with this exit code (isa-debug-exit).
    Exit(u8),
}

/// The machine's power and reset lines. Cloned into each device that can drive them.
#[derive(Clone)]
pub struct PowerControl {
    request: Arc<Mutex<Option<PowerRequest>>>,
    wake: Arc<Wake>,
}

impl PowerControl {
    /// Power control that signals `wake` when something is asked for.
    pub fn new(wake: Arc<Wake>) -> Self {
        Self { request: Arc::default(), wake }
    }

    /// Asks for `request`. The first request stands until it is taken. The asking CPU stops at the end
    /// of the current instruction.
    pub fn request(&self, request: PowerRequest) {
        lock(&self.request).get_or_insert(request);
        self.wake.signal();
    }

    /// The pending request, which is cleared.
    pub fn take(&self) -> Option<PowerRequest> {
        lock(&self.request).take()
    }

    /// Whether a request is pending.
    pub fn is_pending(&self) -> bool {
        lock(&self.request).is_some()
    }
}

/// The gate on address line 20. A PC has two ways to drive it, the 8042's output port and port 92h;
/// whoever wrote last decides, and both read back the gate itself.
pub trait A20Gate: Send + Sync {
    /// Opens or closes the gate. Closed, address bit 20 is zero for every CPU access.
    fn set_a20(&self, open: bool);
    /// Whether the gate is open, as it is after a reset.
    fn a20(&self) -> bool;
}
