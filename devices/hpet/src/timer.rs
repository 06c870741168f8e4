//! The main counter and one comparator, as functions of guest time.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::{ROUTES, TICK_NS};

/// How far the interrupts of a periodic timer may be behind, in nanoseconds of guest time. Those that
/// are due longer are given up, with a warning.
pub const MAX_LAG_NS: u64 = 1_000_000_000;

/// Interrupts of one timer come no closer together than this, in nanoseconds. A shorter period, which
/// no guest could follow, loses those in between.
pub const MIN_GAP_NS: u64 = 10_000;

/// A comparator that is written this many ticks too late, one second, has its interrupt at once: the
/// guest meant to be in time. Real hardware would wait until the counter comes round again.
const LATE_TICKS: u64 = 100_000_000;

bitflags! {
    /// Timer n configuration and capability register (section 2.3.8); the low half.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub(crate) struct TimerConfig: u64 {
        /// Level-triggered, not edge-triggered.
        const LEVEL = 1 << 1;
        const INTERRUPT_ENABLE = 1 << 2;
        const PERIODIC = 1 << 3;
        const PERIODIC_CAPABLE = 1 << 4;
        const SIZE_64_CAPABLE = 1 << 5;
        /// The next write of the comparator sets it, although the timer is periodic.
        const VALUE_SET = 1 << 6;
        const MODE_32 = 1 << 8;
        const ROUTE = 0x1f << 9;
        const FSB_ENABLE = 1 << 14;
        const FSB_CAPABLE = 1 << 15;

        const CAPABILITIES = Self::PERIODIC_CAPABLE.bits() | Self::SIZE_64_CAPABLE.bits();
        const WRITABLE = Self::LEVEL.bits()
            | Self::INTERRUPT_ENABLE.bits()
            | Self::PERIODIC.bits()
            | Self::VALUE_SET.bits()
            | Self::MODE_32.bits()
            | Self::ROUTE.bits()
            | Self::FSB_ENABLE.bits();
    }
}

const ROUTE_SHIFT: u32 = 9;

impl TimerConfig {
    /// The IO-APIC input.
    pub fn route(self) -> u32 {
        ((self & Self::ROUTE).bits() >> ROUTE_SHIFT) as u32
    }
}

/// The main counter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counter {
    /// Its value at `since`, or while it stands.
    base: u64,
    /// Guest time at which it was started; `None` while it stands.
    since: Option<u64>,
}

impl Counter {
    fn ticks(&self, now: u64) -> u64 {
        self.since.map_or(0, |since| now.saturating_sub(since) / TICK_NS)
    }

    pub fn value(&self, now: u64) -> u64 {
        self.base.wrapping_add(self.ticks(now))
    }

    pub fn is_running(&self) -> bool {
        self.since.is_some()
    }

    pub fn run(&mut self, now: u64, run: bool) {
        self.base = self.value(now);
        self.since = run.then_some(now);
    }

    pub fn set(&mut self, now: u64, value: u64) {
        self.base = value;
        self.since = self.since.map(|_| now);
    }

    /// Guest time at which the counter came to its present value.
    fn tick_time(&self, now: u64) -> Option<u64> {
        self.since.map(|since| since.saturating_add(self.ticks(now) * TICK_NS))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Comparator {
    /// What is written to the configuration register.
    pub config: TimerConfig,
    /// The comparator register.
    pub value: u64,
    /// Ticks from one interrupt to the next, in periodic mode.
    period: u64,
    /// The FSB route register: address in the high half, data in the low.
    pub fsb: u64,
    /// Guest time at which the counter reaches, or has reached, the comparator.
    due: Option<u64>,
    /// Not before this guest time, because the last interrupt was late.
    not_before: u64,
}

impl Comparator {
    /// "the default value for the register is all ones".
    pub fn power_on() -> Self {
        Self {
            config: TimerConfig::empty(),
            value: u64::MAX,
            period: 0,
            fsb: 0,
            due: None,
            not_before: 0,
        }
    }

    pub fn validate(&self, fsb: bool) -> Result<(), String> {
        let mut allowed = TimerConfig::WRITABLE;
        allowed.set(TimerConfig::FSB_ENABLE, fsb);
        if !allowed.contains(self.config) {
            return Err(format!("configuration {:#x}", self.config.bits()));
        }
        let route = self.config.route();
        if route != 0 && ROUTES & 1 << route == 0 {
            return Err(format!("route {route}"));
        }
        if self.period > self.range() >> 1 || self.value > self.range() {
            return Err("comparator or period out of range".into());
        }
        Ok(())
    }

    fn is_periodic(&self) -> bool {
        self.config.contains(TimerConfig::PERIODIC)
    }

    /// The largest value of counter and comparator.
    fn range(&self) -> u64 {
        if self.config.contains(TimerConfig::MODE_32) { u32::MAX.into() } else { u64::MAX }
    }

    fn period_nanos(&self) -> u64 {
        self.period.saturating_mul(TICK_NS)
    }

    /// A write of the configuration register. Returns whether the comparator has to be restarted.
    pub fn configure(&mut self, value: u64, fsb: bool) -> bool {
        let before = self.config;
        let mut new = TimerConfig::from_bits_truncate(value) & TimerConfig::WRITABLE;
        if !fsb {
            new -= TimerConfig::FSB_ENABLE;
        }
        if ROUTES & 1 << new.route() == 0 {
            // "If software writes an unsupported value, the value read back will not match": the old
            // one stays.
            new = (new - TimerConfig::ROUTE) | (before & TimerConfig::ROUTE);
        }
        self.config = new;
        self.value &= self.range();
        self.period &= self.range() >> 1;
        (before ^ new).contains(TimerConfig::MODE_32)
    }

    /// Waits for the counter to come to the comparator.
    pub fn restart(&mut self, counter: &Counter, now: u64) {
        let ahead = self.value.wrapping_sub(counter.value(now)) & self.range();
        self.wait(ahead, counter, now);
    }

    fn wait(&mut self, ticks: u64, counter: &Counter, now: u64) {
        let nanos = ticks.checked_mul(TICK_NS);
        let at = counter.tick_time(now).zip(nanos).and_then(|(at, more)| at.checked_add(more));
        self.due = at;
        self.not_before = 0;
    }

    /// A write of the comparator register. In periodic mode it sets the period, and the comparator
    /// itself only after VAL_SET_CNF (section 2.3.9.2.2).
    pub fn write(&mut self, value: u64, mask: u64, counter: &Counter, now: u64) {
        let merge = |old: u64| old & !mask | value & mask;
        if !self.is_periodic() || self.config.contains(TimerConfig::VALUE_SET) {
            self.value = merge(self.value) & self.range();
        }
        if self.is_periodic() {
            self.period = merge(self.period) & self.range() >> 1;
        }
        self.config -= TimerConfig::VALUE_SET;
        let behind = counter.value(now).wrapping_sub(self.value) & self.range();
        if behind <= LATE_TICKS {
            self.wait(0, counter, now);
        } else {
            self.restart(counter, now);
        }
    }

    fn interrupts(&self) -> bool {
        self.config.contains(TimerConfig::INTERRUPT_ENABLE)
    }

    /// When [`take_hit`](Self::take_hit) has something to fire.
    pub fn deadline(&self) -> Option<u64> {
        self.due.filter(|_| self.interrupts()).map(|due| due.max(self.not_before))
    }

    /// Whether an interrupt is to be fired now. A comparator whose interrupt is disabled only moves on.
    pub fn take_hit(&mut self, now: u64) -> bool {
        let Some(due) = self.due.filter(|due| (*due).max(self.not_before) <= now) else {
            return false;
        };
        if !self.interrupts() {
            self.skip(due, (now - due) / self.period_nanos().max(1) + 1);
            return false;
        }
        self.skip(due, 1);
        let gap = if self.is_periodic() { self.period_nanos() / 2 } else { 0 };
        self.not_before = now.saturating_add(gap.max(MIN_GAP_NS));
        true
    }

    /// Goes on to the next time the counter reaches the comparator, or in periodic mode the one
    /// `periods` later.
    fn skip(&mut self, due: u64, periods: u64) {
        if self.is_periodic() && self.period != 0 {
            let ticks = self.period.saturating_mul(periods);
            self.value = self.value.wrapping_add(ticks) & self.range();
            self.due = ticks.checked_mul(TICK_NS).and_then(|nanos| due.checked_add(nanos));
        } else {
            // Once round.
            let round = self.range().checked_add(1).and_then(|ticks| ticks.checked_mul(TICK_NS));
            self.due = round.and_then(|nanos| due.checked_add(nanos));
        }
    }

    /// Gives up what is due too long. Returns how many interrupts that were.
    pub fn limit_lag(&mut self, now: u64) -> u64 {
        let period = self.period_nanos();
        let (true, true, Some(due)) =
            (self.is_periodic() && period > 0, self.interrupts(), self.due)
        else {
            return 0;
        };
        let limit =
            if period < MIN_GAP_NS { period } else { MAX_LAG_NS.max(period.saturating_mul(2)) };
        let behind = now.saturating_sub(due);
        if behind <= limit {
            return 0;
        }
        let skipped = (behind - limit) / period;
        if skipped > 0 {
            self.skip(due, skipped);
        }
        skipped
    }
}
