//! The MC146818 real-time clock and the battery-backed memory behind it.
//!
//! The clock's divider chain is worked out from guest time; registers are brought up to date when they
//! are looked at, and only interrupts that are enabled are deadlines.
//!
//! Names and quotations are of the Motorola MC146818A data sheet; the second bank of memory and port
//! 0x70's NMI bit are of the Intel ICH9 data sheet (316972), sections 13.6 and 13.7.

mod calendar;
pub mod cmos;

use aero_bus::{
    BusDevice, Clock, Device, IrqPin, NANOS_PER_SEC, Snapshot, SnapshotError, Timer, Window,
    read_by_bytes, write_by_bytes,
};
use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use calendar::{Alarm, Coding, TimeBytes};
pub use cmos::BootDevice;

const KIND: &str = "rtc";

/// Index and data of the two banks; on a PC at port 0x70.
pub const PORTS: Window = Window::new(0, 4);

/// The divider chain's clock in hertz; the update cycle comes once in as many ticks.
const CHAIN_HZ: u64 = 32_768;
/// "UIP goes high 244 µs before the update cycle begins", in ticks.
const UIP_TICKS: u64 = 8;
/// "the first update cycle begins one-half second" after the divider reset is removed.
const AFTER_RESET_TICKS: u64 = CHAIN_HZ / 2;

/// Bytes in each bank.
const BANK: usize = 128;

/// The registers on the ports, at their offsets.
#[derive(Clone, Copy)]
enum Port {
    Index,
    Data,
    ExtendedIndex,
    ExtendedData,
}

impl Port {
    fn at(offset: u64) -> Option<Self> {
        Some(match offset {
            0 => Self::Index,
            1 => Self::Data,
            2 => Self::ExtendedIndex,
            3 => Self::ExtendedData,
            _ => return None,
        })
    }
}

/// In the index port: NMI is masked.
const NMI_MASK: u8 = 1 << 7;
const INDEX: u8 = 0x7f;

/// Indices of the clock's registers ("Address Map").
mod register {
    pub const SECONDS: u8 = 0x00;
    pub const SECONDS_ALARM: u8 = 0x01;
    pub const MINUTES: u8 = 0x02;
    pub const MINUTES_ALARM: u8 = 0x03;
    pub const HOURS: u8 = 0x04;
    pub const HOURS_ALARM: u8 = 0x05;
    pub const DAY_OF_WEEK: u8 = 0x06;
    pub const DAY_OF_MONTH: u8 = 0x07;
    pub const MONTH: u8 = 0x08;
    pub const YEAR: u8 = 0x09;
    pub const A: u8 = 0x0a;
    pub const B: u8 = 0x0b;
    pub const C: u8 = 0x0c;
    pub const D: u8 = 0x0d;
}

/// Register A.
mod reg_a {
    pub const UPDATE_IN_PROGRESS: u8 = 1 << 7;
    /// Divider bits; both of these set hold the chain in reset.
    pub const DIVIDER_RESET: u8 = 0b110 << 4;
    pub const RATE: u8 = 0xf;
    /// 32,768 Hz, periodic rate 1024 Hz: as firmware leaves it.
    pub const POWER_ON: u8 = 0x26;
}

bitflags! {
    /// Register B.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct RegB: u8 {
        /// No updates: the time is being set.
        const SET = 1 << 7;
        const PERIODIC_INTERRUPT = 1 << 6;
        const ALARM_INTERRUPT = 1 << 5;
        const UPDATE_INTERRUPT = 1 << 4;
        /// The square-wave pin is not connected.
        const SQUARE_WAVE = 1 << 3;
        /// Binary, not BCD.
        const DATA_MODE = 1 << 2;
        const HOURS_24 = 1 << 1;
        /// Kept, and without effect: it follows rules of 1967 that no system relies on.
        const DAYLIGHT_SAVING = 1 << 0;
    }
}

bitflags! {
    /// Register C; the flags stand where their enables are in register B.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct RegC: u8 {
        const INTERRUPT = 1 << 7;
        const PERIODIC = 1 << 6;
        const ALARM = 1 << 5;
        const UPDATE = 1 << 4;
    }
}

/// Register D: valid RAM and time, the battery is good.
const REG_D: u8 = 1 << 7;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Bank 1. The bytes of the time registers are as of `synced`.
    memory: Vec<u8>,
    /// Bank 2.
    extended: Vec<u8>,
    index: u8,
    extended_index: u8,
    nmi_masked: bool,
    a: u8,
    b: RegB,
    c: RegC,
    /// Guest time at which the divider chain was started.
    chain_start: u64,
    /// What it held then, in ticks.
    chain_offset: u64,
    /// The tick up to which everything here is up to date.
    synced: u64,
    /// Periodic interrupts that were not seen, because the one before was not yet answered.
    owed: u32,
    /// Guest time at which the next of those is delivered.
    owed_at: Option<u64>,
}

/// The device on the ports: window [`PORTS`].
///
/// Periodic interrupts that come while the guest has not yet read register C are made up for, up to a
/// second's worth: each is delivered half a period after the guest has answered the one before. A guest
/// that keeps time by counting them so keeps it on a slow host.
///
/// A system reset leaves time and memory as they are.
pub struct Rtc {
    clock: Clock,
    timer: Timer,
    irq8: IrqPin,
    alarm: IrqPin,
    state: State,
}

impl Rtc {
    /// A clock that shows `start_unix` seconds since 1970 at guest time 0, with memory empty but for
    /// the equipment byte. `alarm` is asserted with each enabled alarm interrupt, apart from the others
    /// on `irq8`: it is what wakes a sleeping machine.
    pub fn new(clock: &Clock, irq8: IrqPin, alarm: IrqPin, start_unix: i64) -> Self {
        let mut rtc = Self {
            clock: clock.clone(),
            timer: clock.timer(),
            irq8,
            alarm,
            state: State {
                memory: vec![0; BANK],
                extended: vec![0; BANK],
                index: 0,
                extended_index: 0,
                nmi_masked: false,
                a: reg_a::POWER_ON,
                b: RegB::HOURS_24,
                c: RegC::empty(),
                chain_start: 0,
                chain_offset: 0,
                synced: 0,
                owed: 0,
                owed_at: None,
            },
        };
        let time = TimeBytes::from_unix(start_unix, rtc.coding());
        rtc.set_time_bytes(time);
        rtc.state.memory[usize::from(cmos::index::EQUIPMENT)] = cmos::EQUIPMENT;
        rtc
    }

    /// Sets a byte of memory: bank 1 below 128, bank 2 above. The clock's own registers are refused.
    ///
    /// # Panics
    /// If `index` is below 0x0E: those bytes are the clock's.
    pub fn set_cmos(&mut self, index: u8, value: u8) {
        assert!(index > register::D, "byte {index:#x} belongs to the clock");
        match self.state.memory.get_mut(usize::from(index)) {
            Some(byte) => *byte = value,
            None => self.state.extended[usize::from(index) - BANK] = value,
        }
    }

    /// A byte of memory: bank 1 below 128, bank 2 above. Time registers are as last brought up to date.
    pub fn cmos(&self, index: u8) -> u8 {
        let index = usize::from(index);
        match self.state.memory.get(index) {
            Some(byte) => *byte,
            None => self.state.extended[index - BANK],
        }
    }

    /// Whether software masks NMI, by bit 7 of port 0x70.
    pub fn nmi_masked(&self) -> bool {
        self.state.nmi_masked
    }

    fn coding(&self) -> Coding {
        Coding {
            binary: self.state.b.contains(RegB::DATA_MODE),
            hours_24: self.state.b.contains(RegB::HOURS_24),
        }
    }

    fn time_bytes(&self) -> TimeBytes {
        let byte = |index| self.state.memory[usize::from(index)];
        TimeBytes {
            second: byte(register::SECONDS),
            minute: byte(register::MINUTES),
            hour: byte(register::HOURS),
            weekday: byte(register::DAY_OF_WEEK),
            day: byte(register::DAY_OF_MONTH),
            month: byte(register::MONTH),
            year: byte(register::YEAR),
            century: byte(cmos::index::CENTURY),
        }
    }

    fn set_time_bytes(&mut self, time: TimeBytes) {
        for (index, byte) in [
            (register::SECONDS, time.second),
            (register::MINUTES, time.minute),
            (register::HOURS, time.hour),
            (register::DAY_OF_WEEK, time.weekday),
            (register::DAY_OF_MONTH, time.day),
            (register::MONTH, time.month),
            (register::YEAR, time.year),
            (cmos::index::CENTURY, time.century),
        ] {
            self.state.memory[usize::from(index)] = byte;
        }
    }

    fn alarm_setting(&self) -> Option<Alarm> {
        let byte = |index| self.state.memory[usize::from(index)];
        Alarm::new(
            byte(register::HOURS_ALARM),
            byte(register::MINUTES_ALARM),
            byte(register::SECONDS_ALARM),
            self.coding(),
        )
    }

    fn chain_runs(&self) -> bool {
        self.state.a & reg_a::DIVIDER_RESET != reg_a::DIVIDER_RESET
    }

    fn updates_run(&self) -> bool {
        self.chain_runs() && !self.state.b.contains(RegB::SET)
    }

    /// What the divider chain holds, counted on past the second.
    fn chain(&self) -> u64 {
        let since = u128::from(self.clock.now().saturating_sub(self.state.chain_start));
        let ticks = since * u128::from(CHAIN_HZ) / u128::from(NANOS_PER_SEC);
        self.state.chain_offset.saturating_add(ticks as u64)
    }

    /// Guest time at which the chain holds `tick`.
    fn time_of(&self, tick: u64) -> u64 {
        let ticks = u128::from(tick.saturating_sub(self.state.chain_offset));
        let since = (ticks * u128::from(NANOS_PER_SEC)).div_ceil(CHAIN_HZ.into());
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(self.state.chain_start)
    }

    /// Ticks between two periodic interrupts ("Periodic Interrupt Rate").
    fn period(&self) -> Option<u64> {
        match self.state.a & reg_a::RATE {
            0 => None,
            rate @ 1..=2 => Some(1 << (rate + 6)),
            rate => Some(1 << (rate - 1)),
        }
    }

    /// Brings time and flags up to now.
    fn sync(&mut self) {
        if !self.chain_runs() {
            return;
        }
        let (from, to) = (self.state.synced, self.chain());
        if to <= from {
            return;
        }
        self.state.synced = to;
        if let Some(period) = self.period() {
            self.note_periods(to / period - from / period, period);
        }
        let seconds = to / CHAIN_HZ - from / CHAIN_HZ;
        if seconds > 0 && self.updates_run() {
            self.update(seconds);
        }
    }

    fn note_periods(&mut self, count: u64, period: u64) {
        if count == 0 {
            return;
        }
        let seen = u64::from(!self.state.c.contains(RegC::PERIODIC));
        self.state.c |= RegC::PERIODIC;
        if self.state.b.contains(RegB::PERIODIC_INTERRUPT) {
            let owed = u64::from(self.state.owed).saturating_add(count - seen);
            self.state.owed = owed.min(CHAIN_HZ / period) as u32;
        }
    }

    /// Update cycles.
    fn update(&mut self, seconds: u64) {
        let coding = self.coding();
        let time = self.time_bytes();
        if let Some(alarm) = self.alarm_setting()
            && alarm.seconds_until(time.second_of_day(coding)) <= seconds
        {
            self.state.c |= RegC::ALARM;
        }
        self.state.c |= RegC::UPDATE;
        self.set_time_bytes(time.later(seconds, coding));
    }

    /// Delivers a periodic interrupt that is owed, if it is time.
    fn deliver_owed(&mut self) {
        if self.state.owed_at.is_none_or(|at| at > self.clock.now()) {
            return;
        }
        self.state.owed_at = None;
        if !self.state.c.contains(RegC::PERIODIC) {
            self.state.c |= RegC::PERIODIC;
            self.state.owed = self.state.owed.saturating_sub(1);
        }
    }

    fn forget_owed(&mut self) {
        self.state.owed = 0;
        self.state.owed_at = None;
    }

    /// Drives the pins to what the flags say, and sets the deadline for the next change.
    fn settle(&mut self) {
        let enabled = RegC::from_bits_truncate(self.state.b.bits()) - RegC::INTERRUPT;
        let active = self.state.c & enabled;
        self.state.c.set(RegC::INTERRUPT, !active.is_empty());
        self.irq8.set(!active.is_empty());
        self.alarm.set(active.contains(RegC::ALARM));
        match self.next_event(enabled - self.state.c) {
            Some(at) => self.timer.arm(at),
            None => self.timer.disarm(),
        }
    }

    /// Guest time at which the first of the flags `awaited` may rise.
    fn next_event(&self, awaited: RegC) -> Option<u64> {
        let synced = self.state.synced;
        let periodic = self
            .period()
            .filter(|_| self.chain_runs() && awaited.contains(RegC::PERIODIC))
            .map(|period| (synced / period + 1) * period);
        let second = synced / CHAIN_HZ;
        let update = (self.updates_run() && awaited.contains(RegC::UPDATE)).then_some(1);
        let alarm = self
            .alarm_setting()
            .filter(|_| self.updates_run() && awaited.contains(RegC::ALARM))
            .map(|alarm| alarm.seconds_until(self.time_bytes().second_of_day(self.coding())));
        let update_tick = update.into_iter().chain(alarm).min().map(|s| (second + s) * CHAIN_HZ);
        let tick = periodic.into_iter().chain(update_tick).min().map(|tick| self.time_of(tick));
        tick.into_iter().chain(self.state.owed_at).min()
    }

    fn read_register(&mut self, index: u8) -> u8 {
        self.sync();
        match index {
            register::A => {
                let in_second = self.state.synced % CHAIN_HZ;
                let updating = self.updates_run() && in_second >= CHAIN_HZ - UIP_TICKS;
                self.state.a | if updating { reg_a::UPDATE_IN_PROGRESS } else { 0 }
            }
            register::B => self.state.b.bits(),
            register::C => self.read_c(),
            register::D => REG_D,
            cmos::index::CENTURY_PS2 => self.cmos(cmos::index::CENTURY),
            _ => self.cmos(index),
        }
    }

    /// "The flags are cleared by a read of Register C."
    fn read_c(&mut self) -> u8 {
        self.settle(); // for the interrupt flag
        let value = std::mem::replace(&mut self.state.c, RegC::empty());
        if self.state.owed > 0
            && value.contains(RegC::PERIODIC)
            && let Some(period) = self.period()
        {
            let half = period * NANOS_PER_SEC / CHAIN_HZ / 2;
            self.state.owed_at = Some(self.clock.now().saturating_add(half));
        }
        value.bits()
    }

    fn write_register(&mut self, index: u8, value: u8) {
        self.sync();
        match index {
            register::A => self.write_a(value),
            register::B => {
                let mut new = RegB::from_bits_retain(value);
                if new.contains(RegB::SET) {
                    new -= RegB::UPDATE_INTERRUPT; // "SET … clears the UIE bit"
                }
                if !new.contains(RegB::PERIODIC_INTERRUPT) {
                    self.forget_owed();
                }
                self.state.b = new;
            }
            register::C | register::D => {} // read-only
            cmos::index::CENTURY_PS2 => {
                self.state.memory[usize::from(cmos::index::CENTURY)] = value;
            }
            _ => self.state.memory[usize::from(index & INDEX)] = value,
        }
    }

    fn write_a(&mut self, value: u8) {
        let (old, ran) = (self.state.a, self.chain_runs());
        self.state.a = value & !reg_a::UPDATE_IN_PROGRESS;
        if (old ^ value) & reg_a::RATE != 0 {
            self.forget_owed();
        }
        if !ran && self.chain_runs() {
            self.state.chain_start = self.clock.now();
            self.state.chain_offset = AFTER_RESET_TICKS;
            self.state.synced = AFTER_RESET_TICKS;
        }
    }

    fn read_port(&mut self, port: Port) -> u8 {
        match port {
            Port::Index => 0xff, // write-only
            Port::Data => {
                let value = self.read_register(self.state.index);
                self.settle();
                value
            }
            Port::ExtendedIndex => self.state.extended_index,
            Port::ExtendedData => self.state.extended[usize::from(self.state.extended_index)],
        }
    }

    fn write_port(&mut self, port: Port, value: u8) {
        match port {
            Port::Index => {
                self.state.index = value & INDEX;
                self.state.nmi_masked = value & NMI_MASK != 0;
            }
            Port::Data => {
                self.write_register(self.state.index, value);
                self.settle();
            }
            Port::ExtendedIndex => self.state.extended_index = value & INDEX,
            Port::ExtendedData => {
                self.state.extended[usize::from(self.state.extended_index)] = value;
            }
        }
    }
}

impl Device for Rtc {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// The RESET pin: interrupts are disabled, and everything else stays.
    fn reset(&mut self) {
        self.sync();
        self.state.b -= RegB::PERIODIC_INTERRUPT
            | RegB::ALARM_INTERRUPT
            | RegB::UPDATE_INTERRUPT
            | RegB::SQUARE_WAVE;
        self.state.c = RegC::empty();
        self.state.index = 0;
        self.state.extended_index = 0;
        self.state.nmi_masked = false;
        self.forget_owed();
        self.settle();
    }

    fn tick(&mut self) {
        if self.timer.take_expired().is_some() {
            self.sync();
            self.deliver_owed();
            self.settle();
        }
    }

    fn save(&self) -> Snapshot {
        Snapshot::new(KIND, 1, &self.state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        let invalid = |what: String| Err(SnapshotError::invalid(KIND, what));
        for (name, bank) in [("memory", &state.memory), ("extended", &state.extended)] {
            if bank.len() != BANK {
                return invalid(format!("{name} has {} bytes", bank.len()));
            }
        }
        if (state.index | state.extended_index | state.a) > INDEX {
            return invalid("a register has more than seven bits".into());
        }
        if state.chain_offset > CHAIN_HZ || u64::from(state.owed) > CHAIN_HZ {
            return invalid("the divider chain is out of range".into());
        }
        // Guest time has 64 bits of nanoseconds, so the chain never gets this far.
        if state.synced > u64::from(u32::MAX) << 24 {
            return invalid(format!("synced {}", state.synced));
        }
        if !(RegC::all().contains(state.c) && RegB::all().contains(state.b)) {
            return invalid("unknown bits in register B or C".into());
        }
        self.state = state;
        self.settle();
        Ok(())
    }
}

impl BusDevice for Rtc {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        read_by_bytes(offset, data, |offset| match Port::at(offset) {
            Some(port) => self.read_port(port),
            None => 0xff,
        });
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        write_by_bytes(offset, data, |offset, value| {
            if let Some(port) = Port::at(offset) {
                self.write_port(port, value);
            }
        });
    }
}
