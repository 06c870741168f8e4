//! From counter 0's output to IRQ0, edge by edge, also when the host comes late.

use aero_bus::{IrqPin, Timer};
use serde::{Deserialize, Serialize};

use crate::counter::Counter;
use crate::{nanos_at, ticks_at};

/// How far IRQ0 may be behind the counter, in nanoseconds of guest time. Edges that are due longer are
/// given up, with a warning, and counted by [`Pit::lost_edges`](crate::Pit::lost_edges).
pub const MAX_LAG_NS: u64 = 1_000_000_000;

/// Rising edges come no closer together than this, in nanoseconds. A counter that is faster, which no
/// guest could follow, loses those in between.
pub const MIN_EDGE_GAP_NS: u64 = 10_000;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutputState {
    /// The tick up to which the pin has followed the counter.
    followed: u64,
    /// Guest time of the last rising edge of the pin.
    last_rise: u64,
    /// The pin's level.
    level: bool,
    lost_edges: u64,
}

/// The next change of the pin.
struct Change {
    /// When the counter's output changes.
    tick: u64,
    /// Guest time at which the pin may follow.
    at: u64,
    level: bool,
    /// The counter at `tick`.
    counter: Counter,
}

pub(crate) struct Output {
    timer: Timer,
    pin: IrqPin,
    state: OutputState,
    warned: bool,
}

impl Output {
    pub fn new(timer: Timer, pin: IrqPin) -> Self {
        let state = OutputState { followed: 0, last_rise: 0, level: false, lost_edges: 0 };
        Self { timer, pin, state, warned: false }
    }

    pub fn lost_edges(&self) -> u64 {
        self.state.lost_edges
    }

    pub fn save(&self) -> OutputState {
        self.state.clone()
    }

    pub fn restore(&mut self, state: OutputState, counter: &Counter) {
        self.state = state;
        self.pin.import_state(self.state.level);
        // What is due already comes with the next tick of the run loop, as it would have without the
        // restore.
        match self.next(counter) {
            Some(next) => self.timer.arm(next.at),
            None => self.timer.disarm(),
        }
    }

    /// The counter was programmed anew at tick `now`: what was owed is forgotten.
    pub fn restart(&mut self, counter: &Counter, now: u64) {
        self.state.followed = now;
        self.drive(counter.out(now));
    }

    fn drive(&mut self, level: bool) {
        if level && !self.state.level {
            self.state.last_rise = self.timer.clock().now();
        }
        self.state.level = level;
        self.pin.set(level);
    }

    /// The earliest time for the next rising edge: half a period after the last one, so that a guest
    /// has time to answer each of those it is owed.
    fn earliest_rise(&self, counter: &Counter) -> u64 {
        let Some(period) = counter.period() else { return 0 };
        let gap = (nanos_at(period.into()) / 2).max(MIN_EDGE_GAP_NS);
        self.state.last_rise.saturating_add(gap)
    }

    /// Lets the pin follow the counter up to now, as far as it may, and sets the deadline for the rest.
    pub fn follow(&mut self, counter: &mut Counter) {
        let now = self.timer.clock().now();
        self.limit_lag(counter, now);
        // At most a fall, a rise and a fall again: the second rise is too early. What comes after the last
        // nanosecond that can be told never comes; all of it would be due then.
        while let Some(next) = self.next(counter).filter(|next| next.at < u64::MAX) {
            if next.at > now {
                self.timer.arm(next.at);
                return;
            }
            *counter = next.counter;
            self.state.followed = next.tick;
            self.drive(next.level);
        }
        self.timer.disarm();
    }

    fn next(&self, counter: &Counter) -> Option<Change> {
        let tick = counter.next_change(self.state.followed)?;
        let counter_then = counter.settled(tick);
        let level = counter_then.out(tick);
        let due = nanos_at(tick);
        let rises = level && !self.state.level;
        let at = if rises { due.max(self.earliest_rise(counter)) } else { due };
        Some(Change { tick, at, level, counter: counter_then })
    }

    /// Gives up what is due too long. Skips whole periods, after which the output is the same.
    fn limit_lag(&mut self, counter: &Counter, now: u64) {
        let Some(period) = counter.period().map(u64::from) else { return };
        let behind = ticks_at(now).saturating_sub(self.state.followed);
        let too_fast = nanos_at(period) < MIN_EDGE_GAP_NS;
        let limit = if too_fast { period } else { ticks_at(MAX_LAG_NS).max(2 * period) };
        if behind <= limit || counter.has_pending() {
            return;
        }
        let skipped = (behind - limit) / period;
        self.state.followed += skipped * period;
        self.state.lost_edges = self.state.lost_edges.saturating_add(skipped);
        if skipped > 0 && !self.warned {
            self.warned = true;
            log::warn!(
                "IRQ0 is too far behind the timer: {skipped} edges are lost, maybe more later"
            );
        }
    }
}
