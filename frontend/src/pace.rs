//! How long a machine runs between two looks at the browser's clock.

/// What a run is to take, in milliseconds: short beside a slice, long beside the look itself.
const GOAL: f64 = 1.0;
/// The least and the most instructions of a run.
const LEAST: u64 = 10_000;
const MOST: u64 = 20_000_000;

/// The budget of the next run, from how long the last ones took.
pub struct Pace {
    budget: u64,
    fixed: bool,
}

impl Pace {
    /// Begins with a budget that is short on any machine. A `fixed` one stays: a machine in
    /// deterministic mode is to owe nothing to the host's clock.
    pub fn new(fixed: bool) -> Self {
        Self { budget: 50_000, fixed }
    }

    /// Instructions of the next run.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// Takes in that a whole budget took `milliseconds`.
    pub fn took(&mut self, milliseconds: f64) {
        if self.fixed {
            return;
        }
        // One run says little of the next: at most double, and when it was too long, at once shorter.
        let factor = (GOAL / milliseconds.max(0.001)).clamp(0.1, 2.0);
        self.budget = ((self.budget as f64 * factor) as u64).clamp(LEAST, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(pace: &mut Pace, mips: f64) -> f64 {
        let mut took = 0.0;
        for _ in 0..20 {
            took = pace.budget() as f64 / mips / 1000.0;
            pace.took(took);
        }
        took
    }

    #[test]
    fn a_run_comes_to_take_a_millisecond_at_any_speed() {
        let mut pace = Pace::new(false);
        for mips in [30.0, 2000.0, 50.0, 400.0] {
            let took = settle(&mut pace, mips);
            assert!((0.9..1.1).contains(&took), "{took} ms at {mips} MIPS");
        }
    }

    #[test]
    fn a_clock_that_stands_or_leaps_keeps_the_budget_in_bounds() {
        let mut pace = Pace::new(false);
        for _ in 0..50 {
            pace.took(0.0);
        }
        assert_eq!(pace.budget(), MOST);
        for _ in 0..50 {
            pace.took(1e9);
        }
        assert_eq!(pace.budget(), LEAST);
    }

    #[test]
    fn a_fixed_budget_stays() {
        let mut pace = Pace::new(true);
        pace.took(0.01);
        assert_eq!(pace.budget(), 50_000);
    }
}
