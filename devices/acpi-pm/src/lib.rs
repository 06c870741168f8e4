//! ACPI power management block of the ICH9: the fixed ACPI registers, general purpose events, SMI
//! registers, the TCO watchdog, and the APM ports 0xB2 and 0xB3.
//!
//! Sections are of the Intel ICH9 data sheet. SLP_TYP values are those of QEMU's machines, which
//! firmware knows: 0 is S5, 1 is S3.
//!
//! The machine has no system management mode. SMI_EN therefore starts with APMC_EN and GBL_SMI_EN set,
//! as if firmware had already installed its handler, so that firmware does not try to; and what an SMI
//! handler would do for a write to APM_CNT, switching ACPI mode on and off, is done here.

mod registers;

use aero_bus::{
    BusDevice, Clock, Device, IrqPin, NANOS_PER_SEC, PowerControl, PowerRequest, Snapshot,
    SnapshotError, Timer, Window,
};
use serde::{Deserialize, Serialize};

use registers::{APM_OFFSET, PM1_EN, Pm1, REGISTERS, Reg, pm1_cnt, smi_en, tco};

const KIND: &str = "acpi-pm";

/// The 128 ports at PMBASE.
pub const PM_WINDOW: Window = Window::new(0, 0x80);
/// Ports 0xB2 and 0xB3.
pub const APM_WINDOW: Window = Window::new(APM_OFFSET, 2);
/// Frequency of the power management timer in hertz.
pub const PM_TIMER_HZ: u64 = 3_579_545;

/// What firmware and FADT agree on: the APM_CNT values that switch to ACPI mode and back.
pub const ACPI_ENABLE: u8 = 2;
/// The APM_CNT value that switches back to legacy mode.
pub const ACPI_DISABLE: u8 = 3;

/// The timer is 24 bits wide; its top bit's changes are its overflows.
const TIMER_MASK: u64 = (1 << 24) - 1;
const HALF_PERIOD: u64 = 1 << 23;
/// SLP_TYP as the DSDT gives it.
const SLEEP_S5: u32 = 0;
const SLEEP_S3: u32 = 1;
const SLEEP_S4: u32 = 2;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    pm1_sts: u16,
    pm1_en: u16,
    pm1_cnt: u32,
    proc_cnt: u32,
    gpe0_sts: u64,
    gpe0_en: u64,
    smi_en: u32,
    smi_sts: u32,
    alt_gp_smi_en: u16,
    gpe_cntl: u8,
    pm2_cnt: u8,
    apm_cnt: u8,
    apm_sts: u8,
    tco_dat_in: u8,
    tco_dat_out: u8,
    tco1_sts: u16,
    tco2_sts: u16,
    tco1_cnt: u16,
    tco2_cnt: u16,
    tco_message: [u8; 2],
    tco_wdcnt: u8,
    sw_irq_gen: u8,
    tco_tmr: u16,
    /// Guest time when the watchdog runs out next.
    tco_deadline: Option<u64>,
    /// Half periods of the timer that have been accounted for in TMROF.
    timer_halves: u64,
    no_reboot: bool,
}

impl State {
    fn power_on() -> Self {
        Self {
            pm1_sts: 0,
            pm1_en: 0,
            pm1_cnt: 0,
            proc_cnt: 0,
            gpe0_sts: 0,
            gpe0_en: 0,
            smi_en: smi_en::APMC_EN | smi_en::GBL_SMI_EN,
            smi_sts: 0,
            alt_gp_smi_en: 0,
            gpe_cntl: 0,
            pm2_cnt: 0,
            apm_cnt: 0,
            apm_sts: 0,
            tco_dat_in: 0,
            tco_dat_out: 0,
            tco1_sts: 0,
            tco2_sts: 0,
            tco1_cnt: 0,
            tco2_cnt: 0x0008,
            tco_message: [0; 2],
            tco_wdcnt: 0,
            sw_irq_gen: 0x03,
            tco_tmr: 4,
            tco_deadline: None,
            timer_halves: 0,
            no_reboot: true,
        }
    }
}

/// The power management block.
pub struct AcpiPm {
    state: State,
    clock: Clock,
    /// The next change of the timer's top bit, while TMROF can raise the SCI; or the watchdog.
    timer: Timer,
    watchdog: Timer,
    sci: IrqPin,
    power: PowerControl,
}

impl AcpiPm {
    /// A block after power-on. `sci` is the level-triggered, active-high system control interrupt.
    pub fn new(clock: Clock, sci: IrqPin, power: PowerControl) -> Self {
        let (timer, watchdog) = (clock.timer(), clock.timer());
        Self { state: State::power_on(), clock, timer, watchdog, sci, power }
    }

    /// The power button is pressed. In ACPI mode the guest is told; in legacy mode, where nobody
    /// listens, the machine goes off, as the chipset's power button does without a handler.
    pub fn press_power_button(&mut self) {
        self.state.pm1_sts |= Pm1::PWRBTN.bits();
        let listening = self.state.pm1_cnt & pm1_cnt::SCI_EN != 0
            && self.state.pm1_en & Pm1::PWRBTN.bits() != 0;
        if !listening {
            self.power.request(PowerRequest::PowerOff);
        }
        self.update_sci();
    }

    /// The real-time clock's alarm went off.
    pub fn rtc_alarm(&mut self) {
        self.state.pm1_sts |= Pm1::RTC.bits();
        self.update_sci();
    }

    /// A general purpose event (bit of GPE0_STS, 0 to 63) has happened.
    pub fn raise_gpe(&mut self, event: u32) {
        self.state.gpe0_sts |= 1u64.checked_shl(event).unwrap_or(0);
        self.update_sci();
    }

    /// The machine comes back from S3.
    pub fn wake(&mut self) {
        self.state.pm1_sts |= Pm1::WAK.bits();
        self.update_sci();
    }

    /// GCS.NO_REBOOT, which is in another register block: whether the watchdog's second timeout leaves
    /// the machine alone. Set after power-on.
    pub fn set_no_reboot(&mut self, no_reboot: bool) {
        self.state.no_reboot = no_reboot;
    }

    /// Ticks of the power management timer since power-on.
    fn ticks(&self) -> u64 {
        (u128::from(self.clock.now()) * u128::from(PM_TIMER_HZ) / u128::from(NANOS_PER_SEC)) as u64
    }

    /// Brings TMROF up to now, and the SCI and the deadline after it.
    fn update_timer(&mut self) {
        let halves = self.ticks() / HALF_PERIOD;
        if halves != self.state.timer_halves {
            self.state.timer_halves = halves;
            self.state.pm1_sts |= Pm1::TMROF.bits();
        }
        if self.state.pm1_en & Pm1::TMROF.bits() != 0 {
            let next = (u128::from(halves) + 1) * u128::from(HALF_PERIOD);
            let at = (next * u128::from(NANOS_PER_SEC)).div_ceil(u128::from(PM_TIMER_HZ));
            self.timer.arm(u64::try_from(at).unwrap_or(u64::MAX));
        } else {
            self.timer.disarm();
        }
    }

    fn update_sci(&mut self) {
        let enabled = self.state.pm1_cnt & pm1_cnt::SCI_EN != 0;
        let fixed = self.state.pm1_sts & self.state.pm1_en != 0;
        let general = self.state.gpe0_sts & self.state.gpe0_en != 0;
        self.sci.set(enabled && (fixed || general));
    }

    fn reload_watchdog(&mut self) {
        let halted = self.state.tco1_cnt & tco::TCO_TMR_HLT != 0;
        // Values below 4 are ignored by the chipset, which says so.
        let ticks = u64::from(self.state.tco_tmr.max(4));
        let now = self.clock.now();
        self.state.tco_deadline = (!halted).then(|| now.saturating_add(ticks * tco::TICK));
        self.arm_watchdog();
    }

    fn arm_watchdog(&self) {
        match self.state.tco_deadline {
            Some(at) => self.watchdog.arm(at),
            None => self.watchdog.disarm(),
        }
    }

    fn watchdog_ran_out(&mut self) {
        if self.state.tco1_sts & tco::TIMEOUT == 0 {
            self.state.tco1_sts |= tco::TIMEOUT;
            self.reload_watchdog();
            return;
        }
        self.state.tco2_sts |= tco::SECOND_TO_STS;
        self.state.tco_deadline = None;
        if self.state.no_reboot {
            log::warn!("the TCO watchdog ran out twice; NO_REBOOT keeps the machine running");
        } else {
            log::warn!("the TCO watchdog ran out twice and resets the machine");
            self.power.request(PowerRequest::Reset);
        }
    }

    fn sleep(&mut self, slp_typ: u32) {
        match slp_typ {
            SLEEP_S5 | SLEEP_S4 => self.power.request(PowerRequest::PowerOff),
            SLEEP_S3 => self.power.request(PowerRequest::Suspend),
            other => log::warn!("PM1_CNT: SLP_TYP {other} is no sleep state of this machine"),
        }
    }

    fn read_register(&mut self, reg: Reg) -> u64 {
        let s = &self.state;
        match reg {
            Reg::Pm1Sts => {
                self.update_timer();
                self.update_sci();
                self.state.pm1_sts.into()
            }
            Reg::Pm1En => s.pm1_en.into(),
            Reg::Pm1Cnt => s.pm1_cnt.into(),
            Reg::Pm1Tmr => self.ticks() & TIMER_MASK,
            Reg::ProcCnt => s.proc_cnt.into(),
            Reg::Gpe0Sts => s.gpe0_sts,
            Reg::Gpe0En => s.gpe0_en,
            Reg::SmiEn => s.smi_en.into(),
            Reg::SmiSts => s.smi_sts.into(),
            Reg::AltGpSmiEn => s.alt_gp_smi_en.into(),
            // No GPI pin and no trapped device exists that could set a bit of these.
            Reg::AltGpSmiSts | Reg::DevactSts => 0,
            Reg::GpeCntl => s.gpe_cntl.into(),
            Reg::Pm2Cnt => s.pm2_cnt.into(),
            Reg::TcoRld => match s.tco_deadline {
                Some(at) => at.saturating_sub(self.clock.now()).div_ceil(tco::TICK),
                None => s.tco_tmr.into(),
            },
            Reg::TcoDatIn => s.tco_dat_in.into(),
            Reg::TcoDatOut => s.tco_dat_out.into(),
            Reg::Tco1Sts => s.tco1_sts.into(),
            Reg::Tco2Sts => s.tco2_sts.into(),
            Reg::Tco1Cnt => s.tco1_cnt.into(),
            Reg::Tco2Cnt => s.tco2_cnt.into(),
            Reg::TcoMessage1 => s.tco_message[0].into(),
            Reg::TcoMessage2 => s.tco_message[1].into(),
            Reg::TcoWdcnt => s.tco_wdcnt.into(),
            Reg::SwIrqGen => s.sw_irq_gen.into(),
            Reg::TcoTmr => s.tco_tmr.into(),
            Reg::ApmCnt => s.apm_cnt.into(),
            Reg::ApmSts => s.apm_sts.into(),
        }
    }

    fn write_register(&mut self, reg: Reg, value: u64, mask: u64) {
        let s = &mut self.state;
        // Bytes that are not written keep what they hold; of write-one-to-clear bits, they clear none.
        let merged = |old: u64| old & !mask | value & mask;
        let ones = value & mask;
        match reg {
            Reg::Pm1Sts => {
                self.update_timer();
                self.state.pm1_sts &= !(ones as u16);
            }
            Reg::Pm1En => {
                s.pm1_en = merged(s.pm1_en.into()) as u16 & PM1_EN.bits();
                self.update_timer();
            }
            Reg::Pm1Cnt => {
                let value = merged(s.pm1_cnt.into()) as u32;
                let kept = pm1_cnt::SCI_EN | pm1_cnt::BM_RLD | pm1_cnt::SLP_TYP;
                s.pm1_cnt = value & kept;
                if value & pm1_cnt::GBL_RLS != 0 {
                    log::debug!("GBL_RLS: nobody waits for the global lock");
                }
                if ones as u32 & pm1_cnt::SLP_EN != 0 {
                    self.sleep((value & pm1_cnt::SLP_TYP) >> pm1_cnt::SLP_TYP_SHIFT);
                }
            }
            // The timer cannot be written (13.8.3.4).
            Reg::Pm1Tmr => {}
            Reg::ProcCnt => s.proc_cnt = merged(s.proc_cnt.into()) as u32 & 0x3_01fe,
            Reg::Gpe0Sts => s.gpe0_sts &= !ones,
            Reg::Gpe0En => s.gpe0_en = merged(s.gpe0_en),
            Reg::SmiEn => {
                let writable = smi_en::WRITABLE;
                s.smi_en = merged(s.smi_en.into()) as u32 & writable;
            }
            Reg::SmiSts => s.smi_sts &= !(ones as u32),
            Reg::AltGpSmiEn => s.alt_gp_smi_en = merged(s.alt_gp_smi_en.into()) as u16,
            Reg::AltGpSmiSts | Reg::DevactSts => {}
            Reg::GpeCntl => s.gpe_cntl = ones as u8 & 0x02,
            Reg::Pm2Cnt => s.pm2_cnt = ones as u8 & 0x01,
            Reg::TcoRld => {
                s.tco1_sts &= !tco::TIMEOUT;
                self.reload_watchdog();
            }
            Reg::TcoDatIn => s.tco_dat_in = ones as u8,
            Reg::TcoDatOut => s.tco_dat_out = ones as u8,
            Reg::Tco1Sts => s.tco1_sts &= !(ones as u16 & tco::TCO1_STS_CLEAR),
            Reg::Tco2Sts => s.tco2_sts &= !(ones as u16 & tco::TCO2_STS_CLEAR),
            Reg::Tco1Cnt => {
                let locked = s.tco1_cnt & tco::TCO_LOCK;
                let mut value = merged(s.tco1_cnt.into()) as u16 & tco::TCO1_CNT_WRITABLE | locked;
                if locked != 0 {
                    value = value & !tco::TCO_TMR_HLT | s.tco1_cnt & tco::TCO_TMR_HLT;
                }
                let turned = (value ^ s.tco1_cnt) & tco::TCO_TMR_HLT != 0;
                s.tco1_cnt = value;
                if turned {
                    self.reload_watchdog();
                }
            }
            Reg::Tco2Cnt => s.tco2_cnt = merged(s.tco2_cnt.into()) as u16 & tco::TCO2_CNT_WRITABLE,
            Reg::TcoMessage1 => s.tco_message[0] = ones as u8,
            Reg::TcoMessage2 => s.tco_message[1] = ones as u8,
            Reg::TcoWdcnt => s.tco_wdcnt = ones as u8,
            Reg::SwIrqGen => s.sw_irq_gen = ones as u8 & 0x03,
            Reg::TcoTmr => s.tco_tmr = merged(s.tco_tmr.into()) as u16 & tco::TCO_TMR_WRITABLE,
            Reg::ApmCnt => {
                s.apm_cnt = ones as u8;
                if s.smi_en & smi_en::APMC_EN != 0 {
                    match s.apm_cnt {
                        ACPI_ENABLE => s.pm1_cnt |= pm1_cnt::SCI_EN,
                        ACPI_DISABLE => s.pm1_cnt &= !pm1_cnt::SCI_EN,
                        other => log::debug!("APM_CNT command {other:#04x}: no handler for it"),
                    }
                }
            }
            Reg::ApmSts => s.apm_sts = ones as u8,
        }
        self.update_sci();
    }
}

impl Device for AcpiPm {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.state = State { timer_halves: self.ticks() / HALF_PERIOD, ..State::power_on() };
        // A watchdog that counts from power-on would bite guests that do not know it: it starts with
        // its first reload.
        self.timer.disarm();
        self.watchdog.disarm();
        self.update_sci();
    }

    fn tick(&mut self) {
        if self.watchdog.take_expired().is_some() {
            self.watchdog_ran_out();
        }
        if self.timer.take_expired().is_some() {
            self.update_timer();
            self.update_sci();
        }
    }

    fn save(&self) -> Snapshot {
        Snapshot::new(KIND, 1, &self.state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        self.state = snapshot.open(KIND, 1)?;
        if self.state.pm1_en & Pm1::TMROF.bits() != 0 {
            self.update_timer();
        } else {
            self.timer.disarm();
        }
        self.arm_watchdog();
        self.update_sci();
        Ok(())
    }
}

impl BusDevice for AcpiPm {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        REGISTERS.read(offset, data, |reg| self.read_register(reg));
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        REGISTERS.write(offset, data, |reg, value, mask| self.write_register(reg, value, mask));
    }
}

#[cfg(test)]
mod tests;
