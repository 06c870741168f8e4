//! Guest time as the run loop drives it.

use aero_bus::{Clock, NANOS_PER_SEC};

/// How retired instructions and guest time hang together.
pub(super) struct GuestTime {
    pub clock: Clock,
    /// Instructions retired by all processors since power-on.
    pub retired: u64,
    /// Deterministic mode: guest nanoseconds skipped while all processors were halted.
    pub idle_nanos: u64,
    pace: Pace,
}

enum Pace {
    /// As the host's clock; with the instructions a nanosecond that were measured last.
    RealTime { rate: f64 },
    /// So many instructions a second.
    Deterministic { per_second: u64 },
}

/// In real time: the longest and the shortest run without a look at the clock.
const MAX_RUN_NANOS: u64 = 500_000;
const MIN_RUN: u64 = 500;
const FIRST_RATE: f64 = 0.05;

impl GuestTime {
    /// Time that stands at 0. `per_second` is given in deterministic mode.
    pub fn new(clock: Clock, per_second: Option<u64>) -> Self {
        let pace = match per_second {
            Some(per_second) => Pace::Deterministic { per_second },
            None => Pace::RealTime { rate: FIRST_RATE },
        };
        Self { clock, retired: 0, idle_nanos: 0, pace }
    }

    pub fn is_deterministic(&self) -> bool {
        matches!(self.pace, Pace::Deterministic { .. })
    }

    /// Moves the clock to where it is after `more` further instructions. Real time moves by itself.
    pub fn advance(&self, more: u64) {
        if let Some(nanos) = self.nanos(self.retired.saturating_add(more), self.idle_nanos) {
            self.clock.advance_to(nanos);
        }
    }

    /// Deterministic mode: the guest time after so many instructions and idle nanoseconds.
    pub fn nanos(&self, retired: u64, idle_nanos: u64) -> Option<u64> {
        let Pace::Deterministic { per_second } = self.pace else { return None };
        let nanos = u128::from(retired) * u128::from(NANOS_PER_SEC) / u128::from(per_second);
        Some(u64::try_from(nanos).unwrap_or(u64::MAX).saturating_add(idle_nanos))
    }

    /// How many further instructions may retire before guest time `deadline`. `now` counts those that
    /// have retired since [`retired`](Self::retired) was brought up to date.
    pub fn until(&self, deadline: Option<u64>, now: u64) -> u64 {
        match self.pace {
            Pace::Deterministic { per_second } => {
                let Some(deadline) = deadline else { return u64::MAX };
                let nanos = u128::from(deadline.saturating_sub(self.idle_nanos));
                let at = (nanos * u128::from(per_second)).div_ceil(u128::from(NANOS_PER_SEC));
                u64::try_from(at).unwrap_or(u64::MAX).saturating_sub(self.retired)
            }
            Pace::RealTime { rate } => {
                let left = match deadline {
                    Some(at) => at.saturating_sub(self.clock.now()).min(MAX_RUN_NANOS),
                    None => MAX_RUN_NANOS,
                };
                now + ((left as f64 * rate) as u64).max(MIN_RUN)
            }
        }
    }

    /// Takes in that a run of `retired` instructions took `nanos`.
    pub fn ran(&mut self, retired: u64, nanos: u64) {
        self.retired = self.retired.saturating_add(retired);
        if let Pace::RealTime { rate } = &mut self.pace
            && retired >= MIN_RUN
            && nanos > 0
        {
            *rate = *rate * 0.9 + retired as f64 / nanos as f64 * 0.1;
        }
    }

    /// Deterministic mode: all processors are halted; goes to guest time `deadline`.
    pub fn skip_to(&mut self, deadline: u64) {
        let now = self.clock.now();
        if deadline > now {
            self.idle_nanos = self.idle_nanos.saturating_add(deadline - now);
            self.clock.advance_to(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_due_after_exactly_as_many_instructions_as_are_allowed() {
        for per_second in [1_000_000, 3_000_000, 100_000_000, 7_000_000_000] {
            let mut time = GuestTime::new(Clock::manual(), Some(per_second));
            time.ran(12_345, 0);
            time.idle_nanos = 777;
            time.advance(0);
            let deadline = time.clock.now() + 10_001;
            let allowed = time.until(Some(deadline), 0);
            time.advance(allowed - 1);
            assert!(time.clock.now() < deadline, "{per_second}");
            time.advance(allowed);
            assert!(time.clock.now() >= deadline, "{per_second}");
            assert!(time.clock.now() <= deadline + NANOS_PER_SEC / per_second);
        }
    }

    #[test]
    fn skipped_time_counts_on_top_of_the_instructions() {
        let mut time = GuestTime::new(Clock::manual(), Some(1_000_000));
        time.ran(1, 0);
        time.advance(0);
        time.skip_to(5_000_000);
        assert_eq!(time.clock.now(), 5_000_000);
        time.advance(1);
        assert_eq!(time.clock.now(), 5_001_000);
        time.skip_to(10);
        assert_eq!(time.clock.now(), 5_001_000, "time never goes back");
    }
}
