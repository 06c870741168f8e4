//! The 8254 interval timer, and port 0x61, which gates its third counter.
//!
//! Counter 0 drives IRQ0. Counters are not counted down but worked out from guest time with whole
//! numbers, so nothing drifts; only the edges of counter 0's output are deadlines.
//!
//! Names and quotations are of the Intel 8254 data sheet (231164) and of the Intel ICH9 data sheet
//! (316972), sections 13.3 and 13.7.

mod counter;
mod output;

use aero_bus::{
    BusDevice, Clock, Device, IrqPin, Snapshot, SnapshotError, Window, read_by_bytes,
    write_by_bytes,
};
use serde::{Deserialize, Serialize};

use counter::{Access, Counter, Mode};
pub use output::{MAX_LAG_NS, MIN_EDGE_GAP_NS};
use output::{Output, OutputState};

const KIND: &str = "pit";

/// The counters and the control word register; on a PC at port 0x40.
pub const COUNTERS: Window = Window::new(0, 4);
/// The NMI status and control register; on a PC at port 0x61.
pub const PORT_61: Window = Window::new(4, 1);

/// The counters' clock in hertz is `TICKS / PER_NANOS` times 10⁹: 14.318181… MHz divided by 12, that is
/// 105/88 MHz or 1,193,181.8… Hz.
const TICKS: u128 = 21;
const PER_NANOS: u128 = 17_600;

/// Ticks of the counters' clock up to guest time `nanos`.
fn ticks_at(nanos: u64) -> u64 {
    (u128::from(nanos) * TICKS / PER_NANOS) as u64
}

/// The first nanosecond of a tick.
fn nanos_at(tick: u64) -> u64 {
    u64::try_from((u128::from(tick) * PER_NANOS).div_ceil(TICKS)).unwrap_or(u64::MAX)
}

/// The registers that software sees, at their offsets.
#[derive(Clone, Copy)]
enum Register {
    Counter(usize),
    ControlWord,
    NmiStatusControl,
}

impl Register {
    fn at(offset: u64) -> Option<Self> {
        Some(match offset {
            0..=2 => Self::Counter(offset as usize),
            3 => Self::ControlWord,
            4 => Self::NmiStatusControl,
            _ => return None,
        })
    }
}

/// Fields of the control word.
mod control {
    pub const SELECT_SHIFT: u8 = 6;
    pub const READ_BACK: u8 = 3;
    pub const ACCESS_SHIFT: u8 = 4;
    pub const MODE_SHIFT: u8 = 1;
    pub const BCD: u8 = 1 << 0;
    /// In a read-back command: do not latch the counts.
    pub const NO_COUNT: u8 = 1 << 5;
    /// In a read-back command: do not latch the status.
    pub const NO_STATUS: u8 = 1 << 4;
    /// In a read-back command: the first counter's select bit.
    pub const FIRST_COUNTER: u8 = 1 << 1;
}

/// Bits of port 0x61 (ICH9 section 13.7.1).
mod port61 {
    pub const TIMER2_GATE: u8 = 1 << 0;
    pub const SPEAKER_DATA: u8 = 1 << 1;
    /// SERR# and IOCHK# disable: kept for software, there is neither.
    pub const WRITABLE: u8 = 0x0f;
    pub const REFRESH_TOGGLE: u8 = 1 << 4;
    pub const TIMER2_OUT: u8 = 1 << 5;
}

/// The refresh bit toggles every 15.085 µs, in ticks.
const REFRESH_TICKS: u64 = 18;

/// What the speaker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// Where the membrane is held now: counter 2's output, if port 0x61 lets it through.
    pub level: bool,
    /// The period in ticks of 88/105 µs, while counter 2 drives it with a square wave or pulses.
    pub period: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    counters: [Counter; 3],
    output: OutputState,
    /// The writable bits of port 0x61.
    port61: u8,
}

/// The device on the ports: windows [`COUNTERS`] and [`PORT_61`].
///
/// When the host is late, missed periods of counter 0 are made up for: IRQ0 gets its edges one by one,
/// at most at twice the rate, until it has caught up. See [`MAX_LAG_NS`].
pub struct Pit {
    clock: Clock,
    counters: [Counter; 3],
    output: Output,
    port61: u8,
}

const SPEAKER_COUNTER: usize = 2;

impl Pit {
    /// A timer after power-on whose counter 0 drives `irq0`. No counter counts before it is programmed.
    pub fn new(clock: &Clock, irq0: IrqPin) -> Self {
        Self {
            clock: clock.clone(),
            counters: Self::power_on(),
            output: Output::new(clock.timer(), irq0),
            port61: 0,
        }
    }

    fn power_on() -> [Counter; 3] {
        // The gates of counters 0 and 1 are tied high; that of counter 2 is bit 0 of port 0x61.
        [Counter::new(true), Counter::new(true), Counter::new(false)]
    }

    /// Edges of IRQ0 that were given up because the host or the guest fell too far behind.
    pub fn lost_edges(&self) -> u64 {
        self.output.lost_edges()
    }

    /// The speaker, for an audio back end.
    pub fn speaker(&self) -> Speaker {
        let now = self.now();
        let counter = self.counters[SPEAKER_COUNTER].settled(now);
        let open = self.port61 & port61::SPEAKER_DATA != 0;
        Speaker { level: open && counter.out(now), period: counter.period().filter(|_| open) }
    }

    fn now(&self) -> u64 {
        ticks_at(self.clock.now())
    }

    /// Changes counter `index`, and lets counter 0's output follow.
    fn change(&mut self, index: usize, change: impl FnOnce(&mut Counter, u64)) {
        let now = self.now();
        let counter = &mut self.counters[index];
        if index != 0 {
            *counter = counter.settled(now);
            change(counter, now);
            return;
        }
        // Edges that are owed are forgotten only when the counter starts anew.
        let before = *counter;
        let settled = before.settled(now);
        let mut after = settled;
        change(&mut after, now);
        if after.goes_on_like(&settled) {
            *counter = before.with_registers_of(&after);
        } else if after.counts_like(&before) {
            *counter = after;
        } else {
            *counter = after;
            self.output.restart(counter, now);
        }
        self.output.follow(&mut self.counters[0]);
    }

    fn read_register(&mut self, register: Register) -> u8 {
        match register {
            Register::Counter(index) => {
                let mut value = 0;
                self.change(index, |counter, now| value = counter.read(now));
                value
            }
            Register::ControlWord => 0, // write-only
            Register::NmiStatusControl => {
                let now = self.now();
                let mut value = self.port61;
                if now / REFRESH_TICKS % 2 == 1 {
                    value |= port61::REFRESH_TOGGLE;
                }
                if self.counters[SPEAKER_COUNTER].settled(now).out(now) {
                    value |= port61::TIMER2_OUT;
                }
                value
            }
        }
    }

    fn write_register(&mut self, register: Register, value: u8) {
        match register {
            Register::Counter(index) => {
                self.change(index, |counter, now| counter.write(now, value));
            }
            Register::ControlWord => self.write_control(value),
            Register::NmiStatusControl => {
                self.port61 = value & port61::WRITABLE;
                let gate = value & port61::TIMER2_GATE != 0;
                self.change(SPEAKER_COUNTER, |counter, now| counter.set_gate(now, gate));
            }
        }
    }

    fn write_control(&mut self, value: u8) {
        let select = value >> control::SELECT_SHIFT;
        if select == control::READ_BACK {
            for index in 0..self.counters.len() {
                if value & control::FIRST_COUNTER << index == 0 {
                    continue;
                }
                self.change(index, |counter, now| {
                    if value & control::NO_COUNT == 0 {
                        counter.latch_count(now);
                    }
                    if value & control::NO_STATUS == 0 {
                        counter.latch_status(now);
                    }
                });
            }
            return;
        }
        self.change(select.into(), |counter, now| {
            match Access::from_bits(value >> control::ACCESS_SHIFT) {
                None => counter.latch_count(now),
                Some(access) => {
                    let mode = Mode::from_bits(value >> control::MODE_SHIFT);
                    counter.program(now, access, mode, value & control::BCD != 0);
                }
            }
        });
    }
}

impl Device for Pit {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.counters = Self::power_on();
        self.port61 = 0;
        let now = self.now();
        self.output.restart(&self.counters[0], now);
        self.output.follow(&mut self.counters[0]);
    }

    fn tick(&mut self) {
        self.output.follow(&mut self.counters[0]);
    }

    fn save(&self) -> Snapshot {
        let state =
            State { counters: self.counters, output: self.output.save(), port61: self.port61 };
        Snapshot::new(KIND, 1, &state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        for (index, counter) in state.counters.iter().enumerate() {
            counter
                .validate()
                .map_err(|e| SnapshotError::invalid(KIND, format!("counter {index}: {e}")))?;
        }
        if state.port61 & !port61::WRITABLE != 0 {
            return Err(SnapshotError::invalid(KIND, format!("port61 {:#x}", state.port61)));
        }
        self.counters = state.counters;
        self.port61 = state.port61;
        self.output.restore(state.output, &self.counters[0]);
        Ok(())
    }
}

impl BusDevice for Pit {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        read_by_bytes(offset, data, |offset| match Register::at(offset) {
            Some(register) => self.read_register(register),
            None => 0xff,
        });
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        write_by_bytes(offset, data, |offset, value| {
            if let Some(register) = Register::at(offset) {
                self.write_register(register, value);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_nanoseconds_agree_and_do_not_drift() {
        assert_eq!(ticks_at(88_000_000_000), 105_000_000, "88 s are 105 million ticks");
        for tick in [0, 1, 2, 20, 21, 1_193_181, 1_193_182, u64::from(u32::MAX)] {
            assert_eq!(ticks_at(nanos_at(tick)), tick);
            assert!(tick == 0 || ticks_at(nanos_at(tick) - 1) == tick - 1);
        }
        assert_eq!(nanos_at(u64::MAX), u64::MAX);
    }
}
