//! The ACPI power management block of the ICH9: events and the SCI, the power management timer, sleep
//! states, the ports that switch ACPI mode on, and the TCO watchdog.
//!
//! Sections are of the Intel ICH9 data sheet (316972); PM1 and GPE0 are in the ACPI specification too,
//! section 4.8.

mod registers;
mod tco;

use aero_bus::{
    BusDevice, Clock, Device, IrqPin, NANOS_PER_SEC, PowerControl, PowerRequest, Snapshot,
    SnapshotError, Timer, Window,
};
use serde::{Deserialize, Serialize};

use registers::{KEPT, Pm1, REGISTERS, Reg, pm1_control, smi};
use tco::{Tco, Timeout};

const KIND: &str = "acpi-pm";

/// The power management registers, which the LPC bridge maps at PMBASE.
pub const PM_WINDOW: Window = Window::new(0x00, 0x80);
/// APM_CNT and APM_STS; on a PC at port 0xB2.
pub const APM_WINDOW: Window = Window::new(0x80, 2);

/// APM_CNT: switch ACPI mode on; the FADT's ACPI_ENABLE.
pub const ACPI_ENABLE: u8 = 2;
/// APM_CNT: switch ACPI mode off; the FADT's ACPI_DISABLE.
pub const ACPI_DISABLE: u8 = 3;

/// SLP_TYP of suspend to RAM, as in QEMU's DSDT.
pub const SLEEP_TYPE_S3: u8 = 1;
/// SLP_TYP of suspend to disk, as in QEMU's DSDT.
pub const SLEEP_TYPE_S4: u8 = 2;
/// SLP_TYP of soft off, as in QEMU's DSDT.
pub const SLEEP_TYPE_S5: u8 = 0;
/// The same three on real hardware (section 13.8.3.3), which QEMU leaves free.
const ICH9_SLEEP_TYPE_S3: u8 = 5;
const ICH9_SLEEP_TYPE_S4: u8 = 6;
const ICH9_SLEEP_TYPE_S5: u8 = 7;

/// Frequency of the power management timer in hertz, as the ACPI specification has it (section 4.8.3.3).
/// Guests count with this number, so it is more exact than the 315/88 MHz of a crystal.
pub const PM_TIMER_HZ: u64 = 3_579_545;
/// PM_TMR has 24 bits.
const TIMER_MASK: u64 = 0xff_ffff;
/// "TMROF_STS … is set any time bit 23 of the timer changes" (section 13.8.3.1): once in so many
/// ticks, shifted.
const OVERFLOW_SHIFT: u32 = 23;

fn ticks_at(nanos: u64) -> u64 {
    (u128::from(nanos) * u128::from(PM_TIMER_HZ) / u128::from(NANOS_PER_SEC)) as u64
}

fn nanos_at(tick: u64) -> u64 {
    let nanos = (u128::from(tick) * u128::from(NANOS_PER_SEC)).div_ceil(PM_TIMER_HZ.into());
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// What ends a suspension to RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeSource {
    /// The power button.
    PowerButton,
    /// The clock's alarm.
    RtcAlarm,
    /// Anything else.
    Other,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    pm1_status: Pm1,
    pm1_enable: Pm1,
    pm1_control: u16,
    gpe0_status: u64,
    gpe0_enable: u64,
    /// Levels of the GPE inputs.
    gpe0_inputs: u64,
    smi_enable: u32,
    smi_status: u32,
    apm_control: u8,
    apm_status: u8,
    /// How often the timer's highest bit has changed, as far as it is in `pm1_status`.
    overflows: u64,
    kept: [u64; KEPT.len()],
    tco: Tco,
}

impl State {
    /// After power-on. The SMI enables for APM_CNT read as set: that is how firmware (SeaBIOS) finds a
    /// machine whose system management mode was set up before, and leaves it alone. There is none here,
    /// so nothing else may be tried.
    fn power_on(now: u64) -> Self {
        Self {
            pm1_status: Pm1::empty(),
            pm1_enable: Pm1::empty(),
            pm1_control: 0,
            gpe0_status: 0,
            gpe0_enable: 0,
            gpe0_inputs: 0,
            smi_enable: smi::GLOBAL_ENABLE | smi::APMC,
            smi_status: 0,
            apm_control: 0,
            apm_status: 0,
            overflows: ticks_at(now) >> OVERFLOW_SHIFT,
            kept: KEPT.map(|register| register.reset),
            tco: Tco::power_on(),
        }
    }
}

/// The device on the ports: windows [`PM_WINDOW`] and [`APM_WINDOW`].
pub struct AcpiPm {
    clock: Clock,
    overflow_timer: Timer,
    tco_timer: Timer,
    sci: IrqPin,
    power: PowerControl,
    no_reboot: bool,
    state: State,
}

impl AcpiPm {
    /// The block after power-on. `sci` is driven as a level; sleep states and the watchdog's reset go
    /// to `power`.
    pub fn new(clock: Clock, sci: IrqPin, power: PowerControl) -> Self {
        Self {
            overflow_timer: clock.timer(),
            tco_timer: clock.timer(),
            sci,
            power,
            no_reboot: true,
            state: State::power_on(clock.now()),
            clock,
        }
    }

    /// The user presses the power button: an event for an operating system that has enabled it. Where
    /// nobody listens the machine goes off at once, as a PC's firmware would have it.
    pub fn press_power_button(&mut self) {
        if !(self.is_acpi_mode() && self.state.pm1_enable.contains(Pm1::POWER_BUTTON)) {
            self.power.request(PowerRequest::PowerOff);
        }
        self.raise(Pm1::POWER_BUTTON);
    }

    /// The real-time clock's alarm has gone off. May be called while the clock is locked.
    pub fn rtc_alarm(&mut self) {
        self.raise(Pm1::RTC);
    }

    /// The machine wakes from suspension to RAM. To be called after the reset that goes with it.
    pub fn wake(&mut self, source: WakeSource) {
        self.raise(match source {
            WakeSource::PowerButton => Pm1::WAKE | Pm1::POWER_BUTTON,
            WakeSource::RtcAlarm => Pm1::WAKE | Pm1::RTC,
            WakeSource::Other => Pm1::WAKE,
        });
    }

    /// Drives general-purpose event input `bit`, 0 to 63: while it is high, its status is set. May be
    /// called while the driving device is locked.
    ///
    /// # Panics
    /// If there is no such input.
    pub fn set_gpe(&mut self, bit: u32, level: bool) {
        assert!(bit < u64::BITS, "general-purpose event {bit}");
        let bit = 1 << bit;
        if level {
            self.state.gpe0_inputs |= bit;
            self.state.gpe0_status |= bit;
        } else {
            self.state.gpe0_inputs &= !bit;
        }
        self.settle();
    }

    /// The NO_REBOOT bit of the chipset configuration's GCS register: while it is set, as it is at
    /// first, the watchdog resets nothing.
    pub fn set_no_reboot(&mut self, no_reboot: bool) {
        self.no_reboot = no_reboot;
    }

    /// Whether an operating system has switched ACPI mode on.
    pub fn is_acpi_mode(&self) -> bool {
        self.state.pm1_control & pm1_control::SCI_ENABLE != 0
    }

    fn raise(&mut self, events: Pm1) {
        self.state.pm1_status |= events;
        self.settle();
    }

    /// Brings the timers' events up to now.
    fn sync(&mut self) {
        let now = self.clock.now();
        let overflows = ticks_at(now) >> OVERFLOW_SHIFT;
        if overflows != self.state.overflows {
            self.state.overflows = overflows;
            self.state.pm1_status |= Pm1::TIMER_OVERFLOW;
        }
        match self.state.tco.take_timeout(now) {
            None => {}
            Some(Timeout::First) => log::warn!("the TCO watchdog has run out once"),
            Some(Timeout::Second) if self.no_reboot => {
                log::warn!("the TCO watchdog has run out twice, but NO_REBOOT is set");
            }
            Some(Timeout::Second) => {
                log::warn!("the TCO watchdog resets the machine");
                self.power.request(PowerRequest::Reset);
            }
        }
    }

    /// Drives the SCI to what the registers say, and sets the deadlines.
    fn settle(&mut self) {
        let state = &mut self.state;
        state.gpe0_status |= state.gpe0_inputs;
        let sci_enabled = state.pm1_control & pm1_control::SCI_ENABLE != 0;
        let fixed = state.pm1_status & state.pm1_enable & Pm1::EVENTS;
        let general = state.gpe0_status & state.gpe0_enable;
        self.sci.set(sci_enabled && (!fixed.is_empty() || general != 0));
        let awaited = state.pm1_enable - state.pm1_status;
        if sci_enabled && awaited.contains(Pm1::TIMER_OVERFLOW) {
            self.overflow_timer.arm(nanos_at((state.overflows + 1) << OVERFLOW_SHIFT));
        } else {
            self.overflow_timer.disarm();
        }
        match state.tco.deadline {
            Some(at) => self.tco_timer.arm(at),
            None => self.tco_timer.disarm(),
        }
    }

    fn read_register(&self, register: Reg) -> u64 {
        let state = &self.state;
        let now = self.clock.now();
        match register {
            Reg::Pm1Status => state.pm1_status.bits().into(),
            Reg::Pm1Enable => state.pm1_enable.bits().into(),
            Reg::Pm1Control => state.pm1_control.into(),
            Reg::Pm1Timer => ticks_at(now) & TIMER_MASK,
            Reg::Gpe0Status => state.gpe0_status,
            Reg::Gpe0Enable => state.gpe0_enable,
            Reg::SmiEnable => state.smi_enable.into(),
            Reg::SmiStatus => state.smi_status.into(),
            Reg::Kept(n) => state.kept[n],
            Reg::TcoReload => state.tco.count(now).into(),
            Reg::TcoDataIn => state.tco.data_in().into(),
            Reg::TcoDataOut => state.tco.data_out().into(),
            Reg::Tco1Status => state.tco.status1().into(),
            Reg::Tco2Status => state.tco.status2().into(),
            Reg::Tco1Control => state.tco.control1().into(),
            Reg::Tco2Control => state.tco.control2().into(),
            Reg::TcoTimer => state.tco.timer().into(),
            Reg::ApmControl => state.apm_control.into(),
            Reg::ApmStatus => state.apm_status.into(),
        }
    }

    fn write_register(&mut self, register: Reg, value: u64, mask: u64) {
        let old = self.read_register(register);
        let merged = old & !mask | value & mask;
        let now = self.clock.now();
        let state = &mut self.state;
        match register {
            Reg::Pm1Status => state.pm1_status -= Pm1::from_bits_truncate((value & mask) as u16),
            Reg::Pm1Enable => {
                state.pm1_enable = Pm1::from_bits_truncate(merged as u16) & Pm1::ENABLES;
            }
            Reg::Pm1Control => self.write_control(merged as u16),
            Reg::Pm1Timer => {} // read-only
            Reg::Gpe0Status => state.gpe0_status &= !(value & mask),
            Reg::Gpe0Enable => state.gpe0_enable = merged,
            Reg::SmiEnable => {
                state.smi_enable = merged as u32 & smi::WRITABLE;
                if merged as u32 & smi::BIOS_RELEASE != 0 {
                    state.pm1_status |= Pm1::GLOBAL;
                }
            }
            Reg::SmiStatus => state.smi_status &= !((value & mask) as u32 & smi::STATUS),
            Reg::Kept(n) => {
                let writable = KEPT[n].writable;
                state.kept[n] = old & !writable | merged & writable;
            }
            Reg::TcoReload => state.tco.reload(now),
            Reg::TcoDataIn => state.tco.set_data_in(value as u8),
            Reg::TcoDataOut => state.tco.set_data_out(value as u8),
            Reg::Tco1Status => state.tco.clear_status1((value & mask) as u16),
            Reg::Tco2Status => state.tco.clear_status2((value & mask) as u16),
            Reg::Tco1Control => state.tco.set_control1(now, merged as u16),
            Reg::Tco2Control => state.tco.set_control2(merged as u16),
            Reg::TcoTimer => state.tco.set_timer(merged as u16),
            Reg::ApmControl => self.apm_command(value as u8),
            Reg::ApmStatus => state.apm_status = value as u8,
        }
    }

    /// PM1_CNT (section 13.8.3.3).
    fn write_control(&mut self, value: u16) {
        self.state.pm1_control = value & pm1_control::KEPT;
        if value & pm1_control::GLOBAL_RELEASE != 0 {
            // It would be firmware's SMI; firmware here never holds the lock.
            self.state.smi_status |= smi::BIOS;
        }
        if value & pm1_control::SLEEP_ENABLE == 0 {
            return;
        }
        let sleep_type = ((value & pm1_control::SLEEP_TYPE) >> pm1_control::SLEEP_TYPE_SHIFT) as u8;
        match sleep_type {
            SLEEP_TYPE_S3 | ICH9_SLEEP_TYPE_S3 => self.power.request(PowerRequest::Suspend),
            SLEEP_TYPE_S4 | ICH9_SLEEP_TYPE_S4 | SLEEP_TYPE_S5 | ICH9_SLEEP_TYPE_S5 => {
                self.power.request(PowerRequest::PowerOff);
            }
            _ => log::warn!("sleep type {sleep_type} is none that there is"),
        }
    }

    /// APM_CNT (section 13.7.4). On hardware this is an SMI, and firmware's handler does the rest.
    fn apm_command(&mut self, command: u8) {
        self.state.apm_control = command;
        self.state.smi_status |= smi::APMC;
        match command {
            ACPI_ENABLE => self.state.pm1_control |= pm1_control::SCI_ENABLE,
            ACPI_DISABLE => self.state.pm1_control &= !pm1_control::SCI_ENABLE,
            _ => log::debug!("APM command {command:#04x} has no handler"),
        }
    }
}

impl Device for AcpiPm {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// The levels of the GPE inputs stay: they are their drivers'. The timer counts on.
    fn reset(&mut self) {
        let inputs = self.state.gpe0_inputs;
        self.state = State { gpe0_inputs: inputs, ..State::power_on(self.clock.now()) };
        self.settle();
    }

    fn tick(&mut self) {
        let overflow = self.overflow_timer.take_expired().is_some();
        let tco = self.tco_timer.take_expired().is_some();
        if overflow || tco {
            self.sync();
            self.settle();
        }
    }

    fn save(&self) -> Snapshot {
        Snapshot::new(KIND, 1, &self.state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        let invalid = |what: String| Err(SnapshotError::invalid(KIND, what));
        let enables = Pm1::ENABLES.contains(state.pm1_enable);
        if !enables || !Pm1::all().contains(state.pm1_status) {
            return invalid("unknown bits in the PM1 registers".into());
        }
        if state.pm1_control & !pm1_control::KEPT != 0 {
            return invalid(format!("pm1_control {:#x}", state.pm1_control));
        }
        if state.overflows > ticks_at(u64::MAX) >> OVERFLOW_SHIFT {
            return invalid(format!("overflows {}", state.overflows));
        }
        if state.kept.iter().zip(&KEPT).any(|(v, k)| *v & !(k.writable | k.reset) != 0) {
            return invalid("unknown bits in a register".into());
        }
        if let Err(what) = state.tco.validate() {
            return invalid(what);
        }
        self.state = state;
        self.settle();
        Ok(())
    }
}

impl BusDevice for AcpiPm {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        self.sync();
        REGISTERS.read(offset, data, |register| self.read_register(register));
        self.settle();
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        self.sync();
        REGISTERS.write(offset, data, |register, value, mask| {
            self.write_register(register, value, mask);
        });
        self.settle();
    }
}
