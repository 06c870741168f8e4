//! Guest time, and the deadlines that devices set in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::device::lock;

/// Nanoseconds in a second, the unit of guest time.
pub const NANOS_PER_SEC: u64 = 1_000_000_000;

/// A host clock for a machine that runs in real time.
pub trait HostTime: Send + Sync {
    /// Nanoseconds since some fixed moment; never goes back.
    fn now(&self) -> u64;
}

/// Guest time in nanoseconds since power-on. It never goes back.
///
/// In *real time* it follows a [`HostTime`] while it runs, and stands still while the machine is
/// paused. Otherwise it stands until someone moves it with [`advance_to`](Self::advance_to): the run
/// loop in deterministic mode (time = retired instructions × a constant), or a test by hand.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    host: Option<Box<dyn HostTime>>,
    /// Guest time when the clock stands; in real time, what to add to the host's (wrapping).
    base: AtomicU64,
    /// 1 while a real-time clock runs.
    running: std::sync::atomic::AtomicBool,
    /// The earliest armed deadline; `u64::MAX` for none.
    next: AtomicU64,
    deadlines: Mutex<Vec<Option<u64>>>,
}

impl Clock {
    /// A clock that stands at 0 until it is moved by hand.
    pub fn manual() -> Self {
        Self::with_host(None)
    }

    /// A clock that follows `host`. It stands at 0 until [`resume`](Self::resume).
    pub fn real_time(host: Box<dyn HostTime>) -> Self {
        Self::with_host(Some(host))
    }

    fn with_host(host: Option<Box<dyn HostTime>>) -> Self {
        Self(Arc::new(Inner {
            host,
            base: AtomicU64::new(0),
            running: false.into(),
            next: AtomicU64::new(u64::MAX),
            deadlines: Mutex::default(),
        }))
    }

    /// Guest nanoseconds since power-on.
    pub fn now(&self) -> u64 {
        let base = self.0.base.load(Ordering::Acquire);
        match &self.0.host {
            Some(host) if self.0.running.load(Ordering::Acquire) => host.now().wrapping_add(base),
            _ => base,
        }
    }

    /// Whether this clock follows the host.
    pub fn is_real_time(&self) -> bool {
        self.0.host.is_some()
    }

    /// Moves a standing clock forward to `now`; an earlier time changes nothing.
    pub fn advance_to(&self, now: u64) {
        if !self.0.running.load(Ordering::Acquire) {
            self.0.base.fetch_max(now, Ordering::AcqRel);
        }
    }

    /// Lets a real-time clock run on from where it stands. No effect on a manual one.
    pub fn resume(&self) {
        if let Some(host) = &self.0.host
            && !self.0.running.load(Ordering::Acquire)
        {
            let base = self.0.base.load(Ordering::Acquire);
            self.0.base.store(base.wrapping_sub(host.now()), Ordering::Release);
            self.0.running.store(true, Ordering::Release);
        }
    }

    /// Stops a real-time clock where it is. No effect on a manual one.
    pub fn pause(&self) {
        let now = self.now();
        if self.0.running.swap(false, Ordering::AcqRel) {
            self.0.base.store(now, Ordering::Release);
        }
    }

    /// Sets the time, back or forth: for restoring a snapshot, or power-on. Call it while paused.
    pub fn set(&self, now: u64) {
        self.0.base.store(now, Ordering::Release);
    }

    /// A new timer, not armed.
    pub fn timer(&self) -> Timer {
        let mut deadlines = lock(&self.0.deadlines);
        deadlines.push(None);
        Timer { clock: self.clone(), slot: deadlines.len() - 1 }
    }

    /// The earliest armed deadline of all timers.
    pub fn next_deadline(&self) -> Option<u64> {
        match self.0.next.load(Ordering::Acquire) {
            u64::MAX => None,
            at => Some(at),
        }
    }

    fn arm(&self, slot: usize, at: Option<u64>) {
        let mut deadlines = lock(&self.0.deadlines);
        deadlines[slot] = at;
        let next = deadlines.iter().flatten().min().copied().unwrap_or(u64::MAX);
        self.0.next.store(next, Ordering::Release);
    }
}

/// One deadline of one device. When it has passed, the run loop calls the device's
/// [`tick`](crate::Device::tick), which asks [`take_expired`](Self::take_expired).
pub struct Timer {
    clock: Clock,
    slot: usize,
}

impl Timer {
    /// Arms the timer for guest time `at`, in place of any deadline it had. A time in the past is due
    /// at once.
    pub fn arm(&self, at: u64) {
        self.clock.arm(self.slot, Some(at.min(u64::MAX - 1)));
    }

    /// Takes the deadline away.
    pub fn disarm(&self) {
        if self.deadline().is_some() {
            self.clock.arm(self.slot, None);
        }
    }

    /// The armed deadline. A device saves it in its snapshot and arms it again at the restore.
    pub fn deadline(&self) -> Option<u64> {
        lock(&self.clock.0.deadlines)[self.slot]
    }

    /// If the deadline has passed, disarms the timer and returns when it was due.
    pub fn take_expired(&self) -> Option<u64> {
        let at = self.deadline()?;
        if at > self.clock.now() {
            return None;
        }
        self.disarm();
        Some(at)
    }

    /// The clock this timer runs on.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // The slot stays: clocks live as long as machines, and devices are made once.
        self.disarm();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Host(Arc<AtomicU64>);
    impl HostTime for Host {
        fn now(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn the_earliest_deadline_is_next() {
        let clock = Clock::manual();
        let (a, b) = (clock.timer(), clock.timer());
        a.arm(30);
        b.arm(20);
        assert_eq!(clock.next_deadline(), Some(20));
        clock.advance_to(25);
        assert_eq!((a.take_expired(), b.take_expired()), (None, Some(20)));
        assert_eq!(clock.next_deadline(), Some(30));
        drop(a);
        assert_eq!(clock.next_deadline(), None);
    }

    #[test]
    fn real_time_stands_still_while_paused() {
        let host = Arc::new(AtomicU64::new(1000));
        let clock = Clock::real_time(Box::new(Host(host.clone())));
        assert_eq!(clock.now(), 0);
        clock.resume();
        host.store(1500, Ordering::Relaxed);
        assert_eq!(clock.now(), 500);
        clock.pause();
        host.store(9000, Ordering::Relaxed);
        assert_eq!(clock.now(), 500);
        clock.resume();
        host.store(9001, Ordering::Relaxed);
        assert_eq!(clock.now(), 501);
    }
}
