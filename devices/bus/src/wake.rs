//! Waking the run loop from outside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_listener::{Event, Listener};

/// Signalled by back ends (a finished read, a typed key, a received packet) and by devices that want
/// attention; the run loop takes the signal, ticks the devices, and sleeps on it when the guest halts.
#[derive(Default)]
pub struct Wake {
    signalled: AtomicBool,
    event: Event,
}

impl Wake {
    /// A wake with no signal pending.
    pub fn new() -> Self {
        Self::default()
    }

    /// Signals. Never blocks.
    pub fn signal(&self) {
        self.signalled.store(true, Ordering::Release);
        self.event.notify(usize::MAX);
    }

    /// Whether a signal is pending; a plain load, cheap enough for every turn of the CPU's loop.
    pub fn is_signalled(&self) -> bool {
        self.signalled.load(Ordering::Acquire)
    }

    /// Takes the pending signal.
    pub fn take(&self) -> bool {
        self.signalled.swap(false, Ordering::AcqRel)
    }

    /// Sleeps until a signal is pending or `timeout` is over; the signal stays pending. Returns
    /// whether there is one.
    pub fn wait(&self, timeout: Duration) -> bool {
        if self.is_signalled() {
            return true;
        }
        let listener = self.event.listen();
        if self.is_signalled() {
            return true;
        }
        listener.wait_timeout(timeout);
        self.is_signalled()
    }
}
