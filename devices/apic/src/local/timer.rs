//! The timer of a local APIC (section 11.5.4).

use serde::{Deserialize, Serialize};

/// The bus clock that the timer counts, before its divider: 1 GHz, so a tick is a nanosecond of guest
/// time (as in QEMU).
pub const BUS_FREQUENCY_HZ: u64 = 1_000_000_000;

/// Periodic interrupts come no closer together than this, in nanoseconds; of a shorter period as many
/// are left out as it takes. Otherwise a guest could ask for one every nanosecond.
pub const MIN_PERIOD_NS: u64 = 10_000;

/// When the host is late, missed periods are made up for: their interrupts come at twice the rate, until
/// none is owed. Those that are due longer than this, in nanoseconds, are given up.
pub const MAX_LAG_NS: u64 = 1_000_000_000;

/// What the timer does at zero, from bits 18:17 of its LVT entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    OneShot,
    Periodic,
    TscDeadline,
}

impl Mode {
    pub fn from_bits(bits: u32) -> Self {
        match bits & 0b11 {
            0 => Self::OneShot,
            1 => Self::Periodic,
            2 => Self::TscDeadline,
            _ => Self::OneShot, // reserved
        }
    }
}

/// The counter. It is not counted down but worked out from guest time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counter {
    /// Initial count register.
    pub initial: u32,
    /// Divide configuration register.
    pub divide: u8,
    /// Whether it counts.
    pub running: bool,
    /// Guest time in nanoseconds at which it last held `from`.
    pub start: u64,
    /// The count at `start`.
    pub from: u32,
    /// Guest time of the last interrupt.
    pub last_fired: u64,
    /// Periods that are over and have not had their interrupt.
    pub owed: u64,
}

/// Bits of the divide configuration register.
pub(crate) const DIVIDE_WRITABLE: u8 = 0b1011;

impl Counter {
    /// Ticks of the bus a count, from the divide configuration register (figure 11-10).
    fn divisor(&self) -> u64 {
        let bits = self.divide & 0b11 | (self.divide & 0b1000) >> 1;
        if bits == 0b111 { 1 } else { 2 << bits }
    }

    /// When the count reaches zero.
    pub fn due(&self) -> Option<u64> {
        let ticks = u64::from(self.from) * self.divisor();
        self.running.then(|| self.start.saturating_add(ticks))
    }

    /// The count now.
    pub fn current(&self, now: u64) -> u32 {
        if !self.running {
            return 0;
        }
        let counted = now.saturating_sub(self.start) / self.divisor();
        self.from.saturating_sub(u32::try_from(counted).unwrap_or(u32::MAX))
    }

    fn period(&self) -> u64 {
        u64::from(self.initial) * self.divisor()
    }

    /// Brings the counter up to `now`. Returns whether it is time for an interrupt.
    pub fn catch_up(&mut self, now: u64, mode: Mode) -> bool {
        let due = self.due().filter(|due| *due <= now);
        let period = self.period();
        if mode != Mode::Periodic || period == 0 {
            self.owed = 0;
            self.running &= due.is_none();
            return due.is_some();
        }
        if let Some(due) = due {
            let more = (now - due) / period;
            self.start = due + more * period;
            self.from = self.initial;
            // A period too short to be followed owes one interrupt.
            let most = if period < MIN_PERIOD_NS { 1 } else { (MAX_LAG_NS / period).max(1) };
            self.owed = self.owed.saturating_add(more).saturating_add(1).min(most);
        }
        if self.owed == 0 || now < self.earliest() {
            return false;
        }
        self.owed -= 1;
        true
    }

    /// When the next interrupt of a periodic timer may come: half a period after the last one, so that
    /// a guest has time to answer each of those it is owed.
    fn earliest(&self) -> u64 {
        self.last_fired.saturating_add((self.period() / 2).max(MIN_PERIOD_NS))
    }

    /// When the next interrupt is to come.
    pub fn next_interrupt(&self, mode: Mode) -> Option<u64> {
        let due = self.due()?;
        if mode != Mode::Periodic {
            return Some(due);
        }
        Some(if self.owed > 0 { self.earliest() } else { due.max(self.earliest()) })
    }

    /// A write of the initial count register.
    pub fn load(&mut self, now: u64, initial: u32) {
        self.initial = initial;
        self.from = initial;
        self.start = now;
        self.running = initial != 0;
        self.owed = 0;
        // The first interrupt need not keep away from one before.
        self.last_fired = now.saturating_sub((self.period() / 2).max(MIN_PERIOD_NS));
    }

    /// A write of the divide configuration register: what is left is counted at the new rate.
    pub fn set_divide(&mut self, now: u64, divide: u8) {
        self.from = self.current(now);
        self.start = now;
        self.divide = divide & DIVIDE_WRITABLE;
    }

    pub fn validate(&self) -> Result<(), String> {
        if self.divide & !DIVIDE_WRITABLE != 0 {
            return Err(format!("divide configuration {:#x}", self.divide));
        }
        Ok(())
    }
}

/// The guest time at which a time-stamp counter of `tsc_hz` reaches `tsc`.
pub(crate) fn tsc_to_nanos(tsc: u64, tsc_hz: u64) -> u64 {
    let nanos = (u128::from(tsc) * u128::from(aero_bus::NANOS_PER_SEC)).div_ceil(tsc_hz.into());
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_divider_is_1_to_128() {
        let divisor = |divide| Counter { divide, ..Counter::default() }.divisor();
        let all = [0b0000, 0b0001, 0b0010, 0b0011, 0b1000, 0b1001, 0b1010, 0b1011].map(divisor);
        assert_eq!(all, [2, 4, 8, 16, 32, 64, 128, 1]);
    }

    #[test]
    fn a_deadline_past_the_end_of_time_is_the_end_of_time() {
        assert_eq!(tsc_to_nanos(u64::MAX, 1), u64::MAX);
        assert_eq!(tsc_to_nanos(3, 2_000_000_000), 2, "not before the counter is there");
    }
}
