//! Waking the run loop from outside it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use event_listener::Event;

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
        let mut listener = pin!(self.event.listen());
        if self.is_signalled() {
            return true;
        }
        // The listener's own blocking wait is missing on wasm32, where a parked thread works as well.
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        if listener.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            thread::park_timeout(timeout);
        }
        self.is_signalled()
    }
}

/// Unparks the thread that waits.
struct Unpark(Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_from_another_thread_ends_the_wait() {
        let wake = Arc::new(Wake::new());
        let other = wake.clone();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            other.signal();
        });
        assert!(wake.wait(Duration::from_secs(60)));
        thread.join().unwrap();
        assert!(wake.take());
        assert!(!wake.wait(Duration::from_millis(1)));
    }
}
