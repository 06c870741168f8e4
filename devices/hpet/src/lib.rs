//! The high precision event timers: a counter of 100 MHz and three comparators.
//!
//! The counter is worked out from guest time; only comparators whose interrupt is enabled are
//! deadlines. Same capabilities as in QEMU's q35.
//!
//! Names and quotations are of Intel's IA-PC HPET specification, revision 1.0a.

mod legacy;
mod timer;

use std::sync::Arc;

use aero_bus::{
    BusDevice, Clock, Device, IrqPin, MsiMessage, MsiSink, Register, RegisterMap, Snapshot,
    SnapshotError, Window,
};
use bitflags::bitflags;
use serde::{Deserialize, Serialize};

pub use legacy::LegacyGates;
use timer::{Comparator, Counter, TimerConfig};
pub use timer::{MAX_LAG_NS, MIN_GAP_NS};

const KIND: &str = "hpet";

/// The registers; on a PC at physical address 0xFED0_0000.
pub const WINDOW: Window = Window::new(0, 0x400);

/// Comparators.
pub const TIMERS: usize = 3;
/// Nanoseconds a tick of the counter.
pub const TICK_NS: u64 = 10;

/// IO-APIC inputs that a comparator's interrupt can be routed to: 2, 8 and 16 to 23.
pub const ROUTES: u32 = 0x00ff_0104;

/// The low half of the capabilities register, as the ACPI table repeats it: revision 1, three timers,
/// a 64-bit counter, legacy replacement, Intel (section 2.3.4).
pub const BLOCK_ID: u32 = 0x8086_a001 | (TIMERS as u32 - 1) << 8;
const FEMTOSECONDS_PER_NANO: u64 = 1_000_000;

/// Registers (section 2.3.1, "Memory Map").
#[derive(Clone, Copy)]
enum Reg {
    Capabilities,
    Configuration,
    InterruptStatus,
    MainCounter,
    TimerConfiguration(usize),
    TimerComparator(usize),
    TimerFsbRoute(usize),
}

const REGISTERS: RegisterMap<Reg> = RegisterMap::new(&[
    Register::new(Reg::Capabilities, 0x000, 8),
    Register::new(Reg::Configuration, 0x010, 8),
    Register::new(Reg::InterruptStatus, 0x020, 8),
    Register::new(Reg::MainCounter, 0x0f0, 8),
    Register::new(Reg::TimerConfiguration(0), 0x100, 8),
    Register::new(Reg::TimerComparator(0), 0x108, 8),
    Register::new(Reg::TimerFsbRoute(0), 0x110, 8),
    Register::new(Reg::TimerConfiguration(1), 0x120, 8),
    Register::new(Reg::TimerComparator(1), 0x128, 8),
    Register::new(Reg::TimerFsbRoute(1), 0x130, 8),
    Register::new(Reg::TimerConfiguration(2), 0x140, 8),
    Register::new(Reg::TimerComparator(2), 0x148, 8),
    Register::new(Reg::TimerFsbRoute(2), 0x150, 8),
]);

bitflags! {
    /// General configuration register (section 2.3.5).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Configuration: u64 {
        /// The counter runs, and interrupts are allowed.
        const ENABLE = 1 << 0;
        /// Timers 0 and 1 take the place of the 8254's IRQ0 and the clock's IRQ8.
        const LEGACY_ROUTE = 1 << 1;
    }
}

/// What the timers are connected to.
pub struct Wiring<'a> {
    /// Makes a pin on a line to the given IO-APIC input, one of [`ROUTES`]; it is asked for one of each
    /// for each timer.
    pub gsi: &'a mut dyn FnMut(u32) -> IrqPin,
    /// IRQ0, for timer 0 in legacy replacement mode.
    pub irq0: IrqPin,
    /// IRQ8, for timer 1 in legacy replacement mode.
    pub irq8: IrqPin,
    /// Asserted in legacy replacement mode: cuts off the 8254 and the clock, see [`LegacyGates`].
    pub legacy_route: IrqPin,
    /// Where interrupts go that are delivered as messages.
    pub messages: Arc<dyn MsiSink>,
}

/// What the timers are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HpetConfig {
    /// Whether interrupts can be delivered as messages ("FSB"). Off in QEMU.
    pub fsb: bool,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    configuration: Configuration,
    /// A bit a timer: its level-triggered interrupt is active.
    status: u64,
    counter: Counter,
    comparators: [Comparator; TIMERS],
    lost: u64,
}

/// The pins of one timer.
struct Pins {
    gsi: Vec<(u32, IrqPin)>,
    /// IRQ0 or IRQ8.
    legacy: Option<IrqPin>,
}

/// The device in memory: window [`WINDOW`].
///
/// Interrupts of periodic timers that a slow host misses are delivered later, one by one at no more
/// than twice the rate, up to [`MAX_LAG_NS`] late.
pub struct Hpet {
    clock: Clock,
    deadlines: [aero_bus::Timer; TIMERS],
    pins: [Pins; TIMERS],
    legacy_route: IrqPin,
    messages: Arc<dyn MsiSink>,
    config: HpetConfig,
    state: State,
    warned: bool,
}

impl Hpet {
    /// Timers after power-on: the counter stands at 0.
    pub fn new(clock: &Clock, wiring: Wiring<'_>, config: HpetConfig) -> Self {
        let Wiring { gsi, irq0, irq8, legacy_route, messages } = wiring;
        let routes = (0..u32::BITS).filter(|n| ROUTES & 1 << n != 0);
        let pins = [Some(irq0), Some(irq8), None]
            .map(|legacy| Pins { gsi: routes.clone().map(|n| (n, gsi(n))).collect(), legacy });
        Self {
            clock: clock.clone(),
            deadlines: std::array::from_fn(|_| clock.timer()),
            pins,
            legacy_route,
            messages,
            config,
            state: Self::power_on(),
            warned: false,
        }
    }

    fn power_on() -> State {
        State {
            configuration: Configuration::empty(),
            status: 0,
            counter: Counter::default(),
            comparators: std::array::from_fn(|_| Comparator::power_on()),
            lost: 0,
        }
    }

    /// Periodic interrupts that were given up because host or guest fell too far behind.
    pub fn lost_interrupts(&self) -> u64 {
        self.state.lost
    }

    fn is_enabled(&self) -> bool {
        self.state.configuration.contains(Configuration::ENABLE)
    }

    /// The pin that a timer's interrupt is on.
    fn pin(&self, n: usize) -> Option<&IrqPin> {
        let pins = &self.pins[n];
        if self.state.configuration.contains(Configuration::LEGACY_ROUTE)
            && let Some(legacy) = &pins.legacy
        {
            return Some(legacy);
        }
        let route = self.state.comparators[n].config.route();
        pins.gsi.iter().find(|(gsi, _)| *gsi == route).map(|(_, pin)| pin)
    }

    fn fire(&mut self, n: usize) {
        let timer = &self.state.comparators[n];
        if timer.config.contains(TimerConfig::FSB_ENABLE) {
            let (address, data) = (timer.fsb >> 32, timer.fsb as u32);
            self.messages.send(MsiMessage { address, data });
        } else if timer.config.contains(TimerConfig::LEVEL) {
            self.state.status |= 1 << n;
        } else if let Some(pin) = self.pin(n) {
            pin.pulse();
        }
    }

    /// Drives all pins to what the status says.
    fn drive_pins(&mut self) {
        let legacy = self.state.configuration.contains(Configuration::LEGACY_ROUTE);
        self.legacy_route.set(legacy);
        for n in 0..TIMERS {
            let config = self.state.comparators[n].config;
            let on_pin = config.contains(TimerConfig::LEVEL | TimerConfig::INTERRUPT_ENABLE)
                && !config.contains(TimerConfig::FSB_ENABLE)
                && self.is_enabled();
            if !on_pin {
                self.state.status &= !(1 << n);
            }
            let active = self.state.status & 1 << n != 0;
            let chosen = self.pin(n).filter(|_| active);
            let pins = &self.pins[n];
            let all = pins.gsi.iter().map(|(_, pin)| pin).chain(&pins.legacy);
            for pin in all {
                pin.set(chosen.is_some_and(|chosen| std::ptr::eq(chosen, pin)));
            }
        }
    }

    /// Carries out what is due by now, and sets the deadlines for what is not.
    fn follow(&mut self) {
        let now = self.clock.now();
        for n in 0..TIMERS {
            let timer = &mut self.state.comparators[n];
            let lost = timer.limit_lag(now);
            if lost > 0 {
                self.state.lost = self.state.lost.saturating_add(lost);
                if !self.warned {
                    self.warned = true;
                    log::warn!(
                        "timer {n} is too far behind: {lost} interrupts are lost, maybe more later"
                    );
                }
            }
            if self.state.comparators[n].take_hit(now) {
                self.fire(n);
            }
            match self.state.comparators[n].deadline() {
                Some(at) => self.deadlines[n].arm(at),
                None => self.deadlines[n].disarm(),
            }
        }
        self.drive_pins();
    }

    fn read_register(&self, register: Reg) -> u64 {
        match register {
            Reg::Capabilities => {
                u64::from(BLOCK_ID) | ((TICK_NS * FEMTOSECONDS_PER_NANO) << u32::BITS)
            }
            Reg::Configuration => self.state.configuration.bits(),
            Reg::InterruptStatus => self.state.status,
            Reg::MainCounter => self.state.counter.value(self.clock.now()),
            Reg::TimerConfiguration(n) => {
                let mut value = self.state.comparators[n].config | TimerConfig::CAPABILITIES;
                value.set(TimerConfig::FSB_CAPABLE, self.config.fsb);
                value.bits() | u64::from(ROUTES) << u32::BITS
            }
            Reg::TimerComparator(n) => self.state.comparators[n].value,
            Reg::TimerFsbRoute(n) => self.state.comparators[n].fsb,
        }
    }

    fn write_register(&mut self, register: Reg, value: u64, mask: u64) {
        let merge = |old: u64| old & !mask | value & mask;
        let now = self.clock.now();
        let state = &mut self.state;
        match register {
            Reg::Capabilities => {}
            Reg::Configuration => {
                let new = Configuration::from_bits_truncate(merge(state.configuration.bits()));
                let was_enabled = self.is_enabled();
                self.state.configuration = new;
                if self.is_enabled() != was_enabled {
                    self.state.counter.run(now, !was_enabled);
                    self.restart_comparators(now);
                }
            }
            Reg::InterruptStatus => state.status &= !(value & mask),
            Reg::MainCounter => {
                // "Writes to this register should only be done while the counter is halted."
                state.counter.set(now, merge(state.counter.value(now)));
                self.restart_comparators(now);
            }
            Reg::TimerConfiguration(n) => {
                let timer = &mut state.comparators[n];
                if timer.configure(merge(timer.config.bits()), self.config.fsb) {
                    timer.restart(&state.counter, now);
                }
            }
            Reg::TimerComparator(n) => {
                state.comparators[n].write(value, mask, &state.counter, now);
            }
            Reg::TimerFsbRoute(n) => {
                let timer = &mut state.comparators[n];
                timer.fsb = merge(timer.fsb);
            }
        }
    }

    fn restart_comparators(&mut self, now: u64) {
        for timer in &mut self.state.comparators {
            timer.restart(&self.state.counter, now);
        }
    }
}

impl Device for Hpet {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.state = Self::power_on();
        self.follow();
    }

    fn tick(&mut self) {
        if self.deadlines.iter().any(|timer| timer.take_expired().is_some()) {
            self.follow();
        }
    }

    fn save(&self) -> Snapshot {
        Snapshot::new(KIND, 1, &self.state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        let invalid = |what: String| Err(SnapshotError::invalid(KIND, what));
        if state.status >> TIMERS != 0 || !Configuration::all().contains(state.configuration) {
            return invalid("unknown bits in the general registers".into());
        }
        if state.counter.is_running() != state.configuration.contains(Configuration::ENABLE) {
            return invalid("the counter runs against its enable bit".into());
        }
        for (n, timer) in state.comparators.iter().enumerate() {
            if let Err(what) = timer.validate(self.config.fsb) {
                return invalid(format!("timer {n}: {what}"));
            }
        }
        self.state = state;
        // What is due already comes with the next tick of the run loop, as it would have without the
        // restore.
        for (timer, deadline) in self.state.comparators.iter().zip(&self.deadlines) {
            match timer.deadline() {
                Some(at) => deadline.arm(at),
                None => deadline.disarm(),
            }
        }
        self.drive_pins();
        Ok(())
    }
}

impl BusDevice for Hpet {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        self.follow();
        REGISTERS.read(offset, data, |register| self.read_register(register));
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        self.follow();
        REGISTERS.write(offset, data, |register, value, mask| {
            self.write_register(register, value, mask);
        });
        self.follow();
    }
}
