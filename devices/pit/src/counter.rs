//! One counter: its registers, and its count and output as functions of time.
//!
//! Time is in ticks of the counters' clock. A count that is written is loaded with the next tick, so it
//! first stands in the counter at `start`, one tick after the write.

use serde::{Deserialize, Serialize};

/// "Mode Definitions".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// 0: interrupt on terminal count.
    TerminalCount,
    /// 1: hardware retriggerable one-shot.
    OneShot,
    /// 2: rate generator.
    RateGenerator,
    /// 3: square wave.
    SquareWave,
    /// 4: software triggered strobe.
    SoftwareStrobe,
    /// 5: hardware triggered strobe.
    HardwareStrobe,
}

impl Mode {
    /// From the three bits of a control word; bit 2 does not count in modes 2 and 3.
    pub fn from_bits(bits: u8) -> Self {
        match bits & 0b111 {
            0 => Self::TerminalCount,
            1 => Self::OneShot,
            2 | 6 => Self::RateGenerator,
            3 | 7 => Self::SquareWave,
            4 => Self::SoftwareStrobe,
            _ => Self::HardwareStrobe,
        }
    }

    fn is_periodic(self) -> bool {
        matches!(self, Self::RateGenerator | Self::SquareWave)
    }
}

/// Which bytes of a count are written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Access {
    Low,
    High,
    LowThenHigh,
}

impl Access {
    /// From the two bits of a control word; `None` is the counter latch command.
    pub fn from_bits(bits: u8) -> Option<Self> {
        match bits & 0b11 {
            0 => None,
            1 => Some(Self::Low),
            2 => Some(Self::High),
            _ => Some(Self::LowThenHigh),
        }
    }
}

/// What the counting element does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Progress {
    /// Nothing, until a count is written or the gate rises.
    Waiting,
    /// It has counted this many ticks, and the gate holds it.
    Held(u64),
    /// It counts; the initial count stood in it at this tick.
    Counting(u64),
}

/// A count that is not yet in the counting element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pending {
    count: u32,
    /// The tick at which it will be loaded; `None` for the next trigger.
    at: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counter {
    mode: Mode,
    bcd: bool,
    access: Access,
    gate: bool,
    /// The first byte of a count of two.
    low_written: Option<u8>,
    /// The count in use, 1 to 65536 (to 10000 in BCD).
    count: u32,
    /// Whether a count was written since the control word.
    loaded: bool,
    pending: Option<Pending>,
    progress: Progress,
    /// What the counter reads as while it waits.
    idle_value: u16,
    latched_count: Option<u16>,
    latched_status: Option<u8>,
    /// The next read gives the high byte.
    high_next: bool,
}

/// Bits of the status byte.
mod status {
    pub const OUT: u8 = 1 << 7;
    pub const NULL_COUNT: u8 = 1 << 6;
    pub const ACCESS_SHIFT: u8 = 4;
    pub const MODE_SHIFT: u8 = 1;
    pub const BCD: u8 = 1 << 0;
}

const BINARY_RANGE: u32 = 0x1_0000;
const BCD_RANGE: u32 = 10_000;

fn from_bcd(value: u16) -> u32 {
    (0..4).rev().fold(0, |sum, digit| sum * 10 + u32::from(value >> (digit * 4) & 0xf))
}

fn to_bcd(value: u32) -> u16 {
    (0..4).fold(0, |bcd, digit| bcd | ((value / 10u32.pow(digit) % 10) as u16) << (digit * 4))
}

impl Counter {
    /// "Prior to programming … the mode, count, and output of all counters are undefined": here they
    /// wait in mode 0 with the output low.
    pub fn new(gate: bool) -> Self {
        Self {
            mode: Mode::TerminalCount,
            bcd: false,
            access: Access::LowThenHigh,
            gate,
            low_written: None,
            count: BINARY_RANGE,
            loaded: false,
            pending: None,
            progress: Progress::Waiting,
            idle_value: 0,
            latched_count: None,
            latched_status: None,
            high_next: false,
        }
    }

    pub fn validate(&self) -> Result<(), String> {
        let range = self.range();
        let counts = [Some(self.count), self.pending.map(|p| p.count)];
        match counts.into_iter().flatten().find(|count| !(1..=range).contains(count)) {
            Some(count) => Err(format!("count {count}")),
            None => Ok(()),
        }
    }

    fn range(&self) -> u32 {
        if self.bcd { BCD_RANGE } else { BINARY_RANGE }
    }

    /// The first part of the period of a square wave, in which the output is high.
    fn high_part(&self) -> u64 {
        u64::from(self.count).div_ceil(2)
    }

    /// Ticks since the count was loaded.
    fn elapsed(&self, now: u64) -> Option<u64> {
        match self.progress {
            Progress::Waiting => None,
            Progress::Held(elapsed) => Some(elapsed),
            Progress::Counting(start) => Some(now.saturating_sub(start)),
        }
    }

    /// This counter at `now`: with a pending count loaded if it is time.
    pub fn settled(mut self, now: u64) -> Self {
        if let (Some(Pending { count, at: Some(at) }), Progress::Counting(_)) =
            (self.pending, self.progress)
            && at <= now
        {
            // A square wave may change in the middle: then the low part of the new count follows.
            let low_follows = self.mode == Mode::SquareWave && !self.out(at);
            self.pending = None;
            self.count = count;
            let back = if low_follows { self.high_part() } else { 0 };
            self.progress = Progress::Counting(at.saturating_sub(back));
        }
        self
    }

    /// The output at `now`, for which the counter must be settled.
    pub fn out(&self, now: u64) -> bool {
        let count = u64::from(self.count);
        let Some(elapsed) = self.elapsed(now) else { return self.mode != Mode::TerminalCount };
        let before_start = matches!(self.progress, Progress::Counting(start) if now < start);
        match self.mode {
            Mode::TerminalCount => elapsed >= count,
            _ if before_start => true,
            Mode::OneShot => elapsed >= count,
            Mode::RateGenerator => elapsed % count != count - 1,
            Mode::SquareWave => elapsed % count < self.high_part(),
            Mode::SoftwareStrobe | Mode::HardwareStrobe => elapsed != count,
        }
    }

    /// The first tick after `after` at which the output may change by itself.
    pub fn next_change(&self, after: u64) -> Option<u64> {
        let loading = self.pending.and_then(|pending| pending.at).filter(|at| *at > after);
        match (self.next_edge(after), loading) {
            (Some(edge), Some(at)) => Some(edge.min(at)),
            (edge, at) => edge.or(at),
        }
    }

    /// The same while the count stays as it is.
    fn next_edge(&self, after: u64) -> Option<u64> {
        let Progress::Counting(start) = self.progress else { return None };
        let count = u64::from(self.count);
        let at = |elapsed| Some(start.saturating_add(elapsed)).filter(|at| *at > after);
        match self.mode {
            Mode::TerminalCount => at(count),
            Mode::OneShot => at(0).or_else(|| at(count)),
            Mode::SoftwareStrobe | Mode::HardwareStrobe => {
                at(count).or_else(|| at(count.saturating_add(1)))
            }
            Mode::RateGenerator | Mode::SquareWave if count < 2 => None, // "a count of 1 is illegal"
            Mode::RateGenerator | Mode::SquareWave => {
                let falls =
                    if self.mode == Mode::SquareWave { self.high_part() } else { count - 1 };
                let elapsed = after.saturating_sub(start);
                let periods = elapsed - elapsed % count;
                at(periods.saturating_add(falls)).or_else(|| at(periods.saturating_add(count)))
            }
        }
    }

    /// The ticks between two edges of the output, while it counts in mode 2 or 3.
    pub fn period(&self) -> Option<u32> {
        let counting = matches!(self.progress, Progress::Counting(_));
        (counting && self.mode.is_periodic() && self.count > 1).then_some(self.count)
    }

    /// Whether a count is waiting to be loaded at the end of the current one.
    pub fn has_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether the output of both is the same until a pending count is loaded.
    pub fn counts_like(&self, other: &Self) -> bool {
        let key = |c: &Self| (c.mode, c.count, c.progress);
        key(self) == key(other)
    }

    /// Whether the output of both is the same for all time.
    pub fn goes_on_like(&self, other: &Self) -> bool {
        self.counts_like(other) && self.pending == other.pending
    }

    /// This counter with what reads and latches have changed in `other`.
    pub fn with_registers_of(self, other: &Self) -> Self {
        Self {
            mode: self.mode,
            count: self.count,
            pending: self.pending,
            progress: self.progress,
            ..*other
        }
    }

    /// The value in the counting element at `now`, as it reads.
    fn value(&self, now: u64) -> u16 {
        let Some(elapsed) = self.elapsed(now) else { return self.idle_value };
        let (count, range) = (u64::from(self.count), u64::from(self.range()));
        let value = match self.mode {
            Mode::RateGenerator => count - elapsed % count,
            Mode::SquareWave => {
                // It counts down by two, from the even number below an odd count.
                let part = elapsed % count;
                let high = self.high_part();
                let in_part = if part < high { part } else { part - high };
                (count & !1).saturating_sub(2 * in_part)
            }
            _ => (count + range - elapsed % range) % range, // it goes on past zero
        };
        let value = (value % range) as u32;
        if self.bcd { to_bcd(value) } else { value as u16 }
    }

    fn is_null(&self, now: u64) -> bool {
        let loading = match self.progress {
            Progress::Waiting => true,
            Progress::Held(_) => false,
            Progress::Counting(start) => now < start,
        };
        !self.loaded || self.pending.is_some() || loading
    }

    /// A control word.
    pub fn program(&mut self, now: u64, access: Access, mode: Mode, bcd: bool) {
        *self = Self { mode, bcd, access, idle_value: self.value(now), ..Self::new(self.gate) };
        self.count = self.range();
    }

    /// A byte of a count.
    pub fn write(&mut self, now: u64, byte: u8) {
        let value = match (self.access, self.low_written.take()) {
            (Access::Low, _) => u16::from(byte),
            (Access::High, _) => u16::from(byte) << 8,
            (Access::LowThenHigh, Some(low)) => u16::from_le_bytes([low, byte]),
            (Access::LowThenHigh, None) => {
                self.low_written = Some(byte);
                if self.mode == Mode::TerminalCount {
                    // "Writing the first byte disables counting. OUT is set low immediately."
                    self.idle_value = self.value(now);
                    self.progress = Progress::Waiting;
                }
                return;
            }
        };
        let number = if self.bcd { from_bcd(value) } else { value.into() };
        // Digits above 9 can make more than the range of a BCD counter.
        let count = if number == 0 { self.range() } else { number.min(self.range()) };
        self.load(now, count);
    }

    fn load(&mut self, now: u64, count: u32) {
        let first = !self.loaded;
        self.loaded = true;
        match self.mode {
            Mode::TerminalCount | Mode::SoftwareStrobe => {
                self.count = count;
                self.start(now);
            }
            Mode::OneShot | Mode::HardwareStrobe => {
                self.pending = Some(Pending { count, at: None });
            }
            Mode::RateGenerator | Mode::SquareWave => match self.progress {
                Progress::Counting(start) if !first => {
                    let at = if now < start { Some(start) } else { self.end_of_part(now) };
                    self.pending = Some(Pending { count, at });
                }
                _ if self.gate => {
                    self.count = count;
                    self.start(now);
                }
                _ => self.pending = Some(Pending { count, at: None }),
            },
        }
    }

    /// Loads the count with the next tick, and counts if the gate lets it.
    fn start(&mut self, now: u64) {
        self.progress =
            if self.gate { Progress::Counting(now.saturating_add(1)) } else { Progress::Held(0) };
    }

    /// When a new count takes the place of the one that is counting: at the end of the period, or of
    /// the half of a square wave.
    fn end_of_part(&self, now: u64) -> Option<u64> {
        match self.mode {
            Mode::SquareWave if self.count > 1 => self.next_edge(now),
            _ => {
                let Progress::Counting(start) = self.progress else { return None };
                let count = u64::from(self.count);
                let periods = now.saturating_sub(start) / count + 1;
                Some(start.saturating_add(periods.saturating_mul(count)))
            }
        }
    }

    /// The gate input ("Gate Pin Operations Summary").
    pub fn set_gate(&mut self, now: u64, gate: bool) {
        let rose = gate && !self.gate;
        let fell = !gate && self.gate;
        self.gate = gate;
        match self.mode {
            Mode::TerminalCount | Mode::SoftwareStrobe => match self.progress {
                Progress::Counting(start) if fell => {
                    self.progress = Progress::Held(now.saturating_sub(start));
                }
                Progress::Held(elapsed) if rose => {
                    self.progress = Progress::Counting(now.saturating_sub(elapsed));
                }
                _ => {}
            },
            _ if rose && self.loaded => {
                if let Some(pending) = self.pending.take() {
                    self.count = pending.count;
                }
                self.start(now);
            }
            Mode::RateGenerator | Mode::SquareWave if fell => {
                self.idle_value = self.value(now);
                self.progress = Progress::Waiting;
                if let Some(pending) = &mut self.pending {
                    pending.at = None;
                }
            }
            _ => {}
        }
    }

    /// The counter latch command, and its part of a read-back. A latched count stays until it is read.
    pub fn latch_count(&mut self, now: u64) {
        if self.latched_count.is_none() {
            self.latched_count = Some(self.value(now));
        }
    }

    /// The status part of a read-back command.
    pub fn latch_status(&mut self, now: u64) {
        if self.latched_status.is_some() {
            return;
        }
        let access = match self.access {
            Access::Low => 1,
            Access::High => 2,
            Access::LowThenHigh => 3,
        };
        let mut value = access << status::ACCESS_SHIFT | (self.mode as u8) << status::MODE_SHIFT;
        if self.out(now) {
            value |= status::OUT;
        }
        if self.is_null(now) {
            value |= status::NULL_COUNT;
        }
        if self.bcd {
            value |= status::BCD;
        }
        self.latched_status = Some(value);
    }

    /// A read of the counter's port: a latched status, then a latched count, then the count itself.
    pub fn read(&mut self, now: u64) -> u8 {
        if let Some(status) = self.latched_status.take() {
            return status;
        }
        let [low, high] = self.latched_count.unwrap_or_else(|| self.value(now)).to_le_bytes();
        let (byte, last) = match self.access {
            Access::Low => (low, true),
            Access::High => (high, true),
            Access::LowThenHigh => {
                self.high_next = !self.high_next;
                if self.high_next { (low, false) } else { (high, true) }
            }
        };
        if last {
            self.latched_count = None;
        }
        byte
    }
}
