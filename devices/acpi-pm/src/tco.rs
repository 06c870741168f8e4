//! The TCO watchdog (ICH9 section 13.9): it counts down twice, and then the machine is reset.

use aero_bus::NANOS_PER_SEC;
use serde::{Deserialize, Serialize};

/// "The timer is clocked at approximately 0.6 seconds", in nanoseconds.
const TICK_NS: u64 = NANOS_PER_SEC * 6 / 10;
/// Ticks of the second countdown (as in QEMU).
const SECOND_COUNTDOWN: u16 = 4;
const TIMER: u16 = 0x3ff;
const TIMER_RESET: u16 = 4;

/// TCO1_STS.
mod status1 {
    pub const SW_SMI: u16 = 1 << 1;
    pub const INTERRUPT: u16 = 1 << 2;
    pub const TIMEOUT: u16 = 1 << 3;
    pub const WRITE_1_TO_CLEAR: u16 = 0x1f8f;
}

/// TCO2_STS.
mod status2 {
    pub const SECOND_TIMEOUT: u16 = 1 << 1;
    pub const WRITE_1_TO_CLEAR: u16 = 0x0017;
}

/// TCO1_CNT.
mod control1 {
    pub const HALT: u16 = 1 << 11;
    /// Once set, HALT cannot be set any more.
    pub const LOCK: u16 = 1 << 12;
    pub const WRITABLE: u16 = HALT | LOCK | 1 << 9;
}

const CONTROL2_WRITABLE: u16 = 0x003e;
const CONTROL2_RESET: u16 = 0x0008;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tco {
    data_in: u8,
    data_out: u8,
    status1: u16,
    status2: u16,
    control1: u16,
    control2: u16,
    /// TCO_TMR: ticks to count down.
    timer: u16,
    /// Ticks left while it does not count.
    left: u16,
    /// Guest time in nanoseconds at which it comes to 0, while it counts.
    pub deadline: Option<u64>,
    /// It has been reloaded once. Before that it does not count (as in QEMU), so that firmware that
    /// knows nothing of it is left alone.
    started: bool,
    /// It counts down for the second time.
    second: bool,
}

/// What a timeout does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    First,
    Second,
}

impl Tco {
    pub fn power_on() -> Self {
        Self {
            data_in: 0,
            data_out: 0,
            status1: 0,
            status2: 0,
            control1: 0,
            control2: CONTROL2_RESET,
            timer: TIMER_RESET,
            left: TIMER_RESET,
            deadline: None,
            started: false,
            second: false,
        }
    }

    pub fn validate(&self) -> Result<(), String> {
        if self.timer > TIMER || self.left > TIMER {
            return Err("the TCO timer is out of range".into());
        }
        Ok(())
    }

    /// TCO_RLD reads as the ticks that are left.
    pub fn count(&self, now: u64) -> u16 {
        match self.deadline {
            Some(at) => (at.saturating_sub(now).div_ceil(TICK_NS) as u16).min(TIMER),
            None => self.left,
        }
    }

    fn run(&mut self, now: u64, ticks: u16) {
        self.left = ticks;
        let counts = self.started && self.control1 & control1::HALT == 0;
        self.deadline =
            counts.then(|| now.saturating_add(u64::from(ticks).saturating_mul(TICK_NS)));
    }

    /// A write of TCO_RLD, of any value.
    pub fn reload(&mut self, now: u64) {
        self.started = true;
        self.second = false;
        self.run(now, self.timer);
    }

    pub fn data_in(&self) -> u8 {
        self.data_in
    }

    pub fn set_data_in(&mut self, value: u8) {
        self.data_in = value;
        self.status1 |= status1::SW_SMI;
    }

    pub fn data_out(&self) -> u8 {
        self.data_out
    }

    pub fn set_data_out(&mut self, value: u8) {
        self.data_out = value;
        self.status1 |= status1::INTERRUPT;
    }

    pub fn status1(&self) -> u16 {
        self.status1
    }

    pub fn clear_status1(&mut self, bits: u16) {
        self.status1 &= !(bits & status1::WRITE_1_TO_CLEAR);
    }

    pub fn status2(&self) -> u16 {
        self.status2
    }

    pub fn clear_status2(&mut self, bits: u16) {
        self.status2 &= !(bits & status2::WRITE_1_TO_CLEAR);
    }

    pub fn control1(&self) -> u16 {
        self.control1
    }

    pub fn set_control1(&mut self, now: u64, value: u16) {
        let mut new = value & control1::WRITABLE;
        if self.control1 & control1::LOCK != 0 {
            new = new & !control1::HALT | control1::LOCK | self.control1 & control1::HALT;
        }
        if (new ^ self.control1) & control1::HALT != 0 {
            let left = self.count(now);
            self.control1 = new;
            self.run(now, left);
        }
        self.control1 = new;
    }

    pub fn control2(&self) -> u16 {
        self.control2
    }

    pub fn set_control2(&mut self, value: u16) {
        self.control2 = value & CONTROL2_WRITABLE;
    }

    pub fn timer(&self) -> u16 {
        self.timer
    }

    /// TCO_TMR; "values of 0h–1h will be ignored".
    pub fn set_timer(&mut self, value: u16) {
        if value & TIMER > 1 {
            self.timer = value & TIMER;
        }
    }

    /// The timeout that is due by `now`, if one is.
    pub fn take_timeout(&mut self, now: u64) -> Option<Timeout> {
        self.deadline.filter(|at| *at <= now)?;
        if self.second {
            self.status2 |= status2::SECOND_TIMEOUT;
            self.started = false;
            self.run(now, 0);
            return Some(Timeout::Second);
        }
        self.status1 |= status1::TIMEOUT;
        self.second = true;
        self.run(now, SECOND_COUNTDOWN);
        Some(Timeout::First)
    }
}
