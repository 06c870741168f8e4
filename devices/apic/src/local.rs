//! One local APIC: its registers and what they do, without the others.

mod command;
mod interrupts;
mod regs;
mod timer;

use std::sync::Arc;

use aero_bus::Timer;
use serde::{Deserialize, Serialize};

use crate::message::{Address, Destination, Message};
pub use interrupts::Ack;
use interrupts::Vectors;
use regs::{LVTS, Lvt, Reg, VERSION, apic_base, esr, icr, lvt, msr, svr};
pub use timer::{BUS_FREQUENCY_HZ, MIN_PERIOD_NS};
use timer::{Counter, Mode, tsc_to_nanos};

/// The input for the 8259A's INTR.
pub const LINT0: u32 = 0;
/// The input for NMI.
pub const LINT1: u32 = 1;

/// The wires from a local APIC to its processor. Called with locks held; an implementation notes what
/// it is told and calls nothing.
pub trait CpuSink: Send + Sync {
    /// The level of the interrupt request: while it is high, [`LocalApic::acknowledge`] has something.
    ///
    /// [`LocalApic::acknowledge`]: crate::LocalApic::acknowledge
    fn set_intr(&self, level: bool);
    /// A non-maskable interrupt.
    fn nmi(&self);
    /// INIT. The local APIC has put itself into its INIT state already.
    fn init(&self);
    /// A start-up message; the processor heeds it only while it waits for one.
    fn sipi(&self, vector: u8);
}

/// The access raises #GP(0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneralProtection;

/// What is left to do once the local APIC is unlocked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    /// A level-triggered interrupt with this vector has ended.
    EndOfInterrupt(u8),
    Send(Message),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LapicState {
    /// Bits 31:24 of the id register in xAPIC mode.
    id: u8,
    /// IA32_APIC_BASE bit 11.
    enabled: bool,
    /// IA32_APIC_BASE bit 10.
    x2apic: bool,
    /// IA32_APIC_BASE bits 39:12: the physical address of the registers' page.
    base: u64,
    tpr: u8,
    /// Bits 31:24 of the logical destination register in xAPIC mode.
    ldr: u8,
    /// Bits 31:28 of the destination format register.
    dfr: u8,
    svr: u32,
    isr: Vectors,
    tmr: Vectors,
    irr: Vectors,
    /// The error status register, as latched by the last write to it.
    esr: u8,
    /// Errors since then.
    errors: u8,
    icr_low: u32,
    icr_high: u32,
    lvt: [u32; LVTS],
    counter: Counter,
    /// IA32_TSC_DEADLINE; 0 while not armed.
    tsc_deadline: u64,
    /// Levels of LINT0 and LINT1.
    lint: [bool; 2],
    /// An ExtINT message that was not yet acknowledged.
    ext_int: bool,
}

/// Models in the destination format register (section 11.6.2.2).
const DFR_FLAT: u8 = 0xf;
const DFR_CLUSTER: u8 = 0x0;

impl LapicState {
    /// After power-on (section 11.4.7.1), except that LINT0 of the boot processor is open for the
    /// 8259A (as in QEMU): firmware that leaves the APIC alone gets its interrupts.
    fn power_on(index: u32, is_bsp: bool) -> Self {
        let mut table = [lvt::MASKED; LVTS];
        if is_bsp {
            table[Lvt::Lint0 as usize] = lvt::EXT_INT;
        }
        Self {
            id: index as u8,
            enabled: true,
            x2apic: false,
            base: crate::LOCAL_APIC_BASE,
            tpr: 0,
            ldr: 0,
            dfr: DFR_FLAT,
            svr: svr::VECTOR,
            isr: Vectors::default(),
            tmr: Vectors::default(),
            irr: Vectors::default(),
            esr: 0,
            errors: 0,
            icr_low: 0,
            icr_high: 0,
            lvt: table,
            counter: Counter::default(),
            tsc_deadline: 0,
            lint: [false; 2],
            ext_int: false,
        }
    }

    pub fn validate(&self, x2apic_allowed: bool) -> Result<(), String> {
        if self.x2apic && !(self.enabled && x2apic_allowed) {
            return Err("x2apic mode, which is not to be had".into());
        }
        if self.base & !apic_base::ADDRESS != 0 {
            return Err(format!("base {:#x}", self.base));
        }
        if self.dfr > DFR_FLAT {
            return Err(format!("dfr {:#x}", self.dfr));
        }
        self.counter.validate()
    }
}

pub(crate) struct Lapic {
    /// The processor's number, which is its initial and its x2APIC id.
    index: u32,
    is_bsp: bool,
    x2apic_allowed: bool,
    tsc_hz: u64,
    /// Guest time at which the time-stamp counter stood at 0.
    tsc_base: u64,
    sink: Arc<dyn CpuSink>,
    timer: Timer,
    /// What INTR is driven to.
    intr: bool,
    state: LapicState,
}

impl Lapic {
    pub fn new(
        index: u32,
        x2apic_allowed: bool,
        tsc_hz: u64,
        sink: Arc<dyn CpuSink>,
        timer: Timer,
    ) -> Self {
        let is_bsp = index == 0;
        let state = LapicState::power_on(index, is_bsp);
        Self { index, is_bsp, x2apic_allowed, tsc_hz, tsc_base: 0, sink, timer, intr: false, state }
    }

    pub fn save(&self) -> LapicState {
        self.state.clone()
    }

    /// Takes over a validated state.
    pub fn restore(&mut self, state: LapicState, tsc_base: u64) {
        self.state = state;
        self.tsc_base = tsc_base;
        self.arm_timer();
        // The processor's own saved state may or may not hold the level.
        self.intr = self.wants_intr();
        self.sink.set_intr(self.intr);
    }

    pub fn tsc_base(&self) -> u64 {
        self.tsc_base
    }

    pub fn set_tsc_base(&mut self, nanos: u64) {
        self.tsc_base = nanos;
        self.arm_timer();
    }

    pub fn reset(&mut self) {
        self.state =
            LapicState { lint: self.state.lint, ..LapicState::power_on(self.index, self.is_bsp) };
        self.arm_timer();
        self.settle();
    }

    /// INIT: as after power-on, but the id and IA32_APIC_BASE stay (section 11.4.7.3).
    pub fn init_reset(&mut self) {
        let before = &self.state;
        self.state = LapicState {
            id: before.id,
            enabled: before.enabled,
            x2apic: before.x2apic,
            base: before.base,
            lint: before.lint,
            ..LapicState::power_on(self.index, self.is_bsp)
        };
        self.arm_timer();
        self.settle();
    }

    fn now(&self) -> u64 {
        self.timer.clock().now()
    }

    pub fn is_enabled(&self) -> bool {
        self.state.enabled
    }

    pub fn is_software_enabled(&self) -> bool {
        self.state.enabled && self.state.svr & svr::ENABLE != 0
    }

    /// Where the registers are in memory, if they are there.
    pub fn mmio_base(&self) -> Option<u64> {
        (self.state.enabled && !self.state.x2apic).then_some(self.state.base)
    }

    /// Whether a message with this destination is for this APIC.
    pub fn matches(&self, destination: Destination) -> bool {
        if !self.state.enabled {
            return false;
        }
        match destination {
            Destination::All => true,
            Destination::Cpu(index) => index as u32 == self.index,
            Destination::AllBut(index) => index as u32 != self.index,
            Destination::Physical(address) => {
                let id = if self.state.x2apic { self.index } else { self.state.id.into() };
                address.is_broadcast() || address.id() == id
            }
            Destination::Logical(Address::Wide(u32::MAX)) => true,
            Destination::Logical(address) if self.state.x2apic => {
                let (id, own) = (address.id(), self.x2apic_ldr());
                id >> 16 == own >> 16 && id & own & 0xffff != 0
            }
            Destination::Logical(address) => {
                let Ok(id) = u8::try_from(address.id()) else { return false };
                match self.state.dfr {
                    DFR_FLAT => id & self.state.ldr != 0,
                    DFR_CLUSTER => {
                        id == u8::MAX
                            || id >> 4 == self.state.ldr >> 4 && id & self.state.ldr & 0xf != 0
                    }
                    _ => false,
                }
            }
        }
    }

    /// Section 11.12.10.2.
    fn x2apic_ldr(&self) -> u32 {
        (self.index >> 4) << 16 | 1 << (self.index & 0xf)
    }

    fn read(&self, reg: Reg) -> u32 {
        let state = &self.state;
        match reg {
            Reg::Id if state.x2apic => self.index,
            Reg::Id => u32::from(state.id) << 24,
            Reg::Version => VERSION,
            Reg::Tpr => state.tpr.into(),
            // The arbitration priority is not used since the Pentium 4; it reads as the processor's.
            Reg::Apr | Reg::Ppr => self.ppr().into(),
            Reg::Eoi | Reg::Rrd | Reg::SelfIpi => 0,
            Reg::Ldr if state.x2apic => self.x2apic_ldr(),
            Reg::Ldr => u32::from(state.ldr) << 24,
            Reg::Dfr => u32::from(state.dfr) << 28 | 0x0fff_ffff,
            Reg::Svr => state.svr,
            Reg::Isr(word) => state.isr.word(word),
            Reg::Tmr(word) => state.tmr.word(word),
            Reg::Irr(word) => state.irr.word(word),
            Reg::Esr => state.esr.into(),
            Reg::IcrLow => state.icr_low,
            Reg::IcrHigh => state.icr_high,
            Reg::Lvt(entry) => state.lvt[entry as usize],
            Reg::InitialCount => state.counter.initial,
            Reg::CurrentCount => self.current_count(),
            Reg::DivideConfiguration => state.counter.divide.into(),
        }
    }

    fn write(&mut self, reg: Reg, value: u32) -> Effect {
        let mut effect = Effect::None;
        match reg {
            Reg::Id => self.state.id = (value >> 24) as u8,
            Reg::Tpr => self.state.tpr = value as u8,
            Reg::Eoi => effect = self.end_of_interrupt(),
            Reg::Ldr => self.state.ldr = (value >> 24) as u8,
            Reg::Dfr => self.state.dfr = (value >> 28) as u8,
            Reg::Svr => self.write_svr(value),
            Reg::Esr => self.state.esr = std::mem::take(&mut self.state.errors),
            Reg::IcrLow => {
                self.state.icr_low = value & icr::WRITABLE;
                effect = self.command();
            }
            Reg::IcrHigh => self.state.icr_high = value & 0xff00_0000,
            Reg::Lvt(entry) => self.write_lvt(entry, value),
            Reg::InitialCount => self.write_initial_count(value),
            Reg::DivideConfiguration => {
                let now = self.now();
                self.catch_up_timer(now);
                self.state.counter.set_divide(now, value as u8);
                self.arm_timer();
            }
            Reg::SelfIpi => effect = self.send_fixed_to_self(value as u8),
            Reg::Version
            | Reg::Apr
            | Reg::Ppr
            | Reg::Rrd
            | Reg::Isr(_)
            | Reg::Tmr(_)
            | Reg::Irr(_)
            | Reg::CurrentCount => {
                log::debug!("write of {value:#x} to the read-only local APIC register {reg:?}");
            }
        }
        self.settle();
        effect
    }

    /// A read of the 32 bits at `offset` of the register page.
    pub fn mmio_read32(&mut self, offset: u64) -> u32 {
        if self.mmio_base().is_none() {
            return u32::MAX;
        }
        if offset & 0xf != 0 {
            return 0; // registers are 16 bytes apart and 4 wide
        }
        match Reg::at_offset(offset) {
            None => {
                self.error(esr::ILLEGAL_REGISTER);
                self.settle();
                0
            }
            Some(reg) => self.read(reg),
        }
    }

    /// A write of the 32 bits at `offset` of the register page.
    pub fn mmio_write32(&mut self, offset: u64, value: u32) -> Effect {
        if self.mmio_base().is_none() || offset & 0xf != 0 {
            return Effect::None;
        }
        match Reg::at_offset(offset) {
            None => {
                self.error(esr::ILLEGAL_REGISTER);
                self.settle();
                Effect::None
            }
            Some(reg) => self.write(reg, value),
        }
    }

    pub fn msr_read(&mut self, number: u32) -> Result<u64, GeneralProtection> {
        match number {
            msr::APIC_BASE => Ok(self.apic_base()),
            msr::TSC_DEADLINE => Ok(self.state.tsc_deadline),
            msr::X2APIC_FIRST..=msr::X2APIC_LAST if self.state.x2apic => {
                match Reg::from_index(number - msr::X2APIC_FIRST) {
                    // Table 11-6: not there, or write-only.
                    None | Some(Reg::Apr | Reg::Rrd | Reg::Dfr | Reg::IcrHigh) => {
                        Err(GeneralProtection)
                    }
                    Some(Reg::Eoi | Reg::SelfIpi) => Err(GeneralProtection),
                    Some(Reg::IcrLow) => {
                        Ok(u64::from(self.state.icr_high) << 32 | u64::from(self.state.icr_low))
                    }
                    Some(reg) => Ok(self.read(reg).into()),
                }
            }
            _ => Err(GeneralProtection),
        }
    }

    pub fn msr_write(&mut self, number: u32, value: u64) -> Result<Effect, GeneralProtection> {
        match number {
            msr::APIC_BASE => self.write_apic_base(value).map(|()| Effect::None),
            msr::TSC_DEADLINE => {
                self.write_tsc_deadline(value);
                Ok(Effect::None)
            }
            msr::X2APIC_FIRST..=msr::X2APIC_LAST if self.state.x2apic => {
                let reg = Reg::from_index(number - msr::X2APIC_FIRST).ok_or(GeneralProtection)?;
                self.x2apic_write(reg, value)
            }
            _ => Err(GeneralProtection),
        }
    }

    /// Table 11-6, and section 11.12.1.3 for what is reserved.
    fn x2apic_write(&mut self, reg: Reg, value: u64) -> Result<Effect, GeneralProtection> {
        let allowed: u64 = match reg {
            Reg::IcrLow => u64::MAX,
            Reg::Eoi | Reg::Esr => 0,
            Reg::Tpr | Reg::SelfIpi => 0xff,
            Reg::Svr | Reg::Lvt(_) | Reg::InitialCount => u32::MAX.into(),
            Reg::DivideConfiguration => timer::DIVIDE_WRITABLE.into(),
            _ => return Err(GeneralProtection),
        };
        if value & !allowed != 0 {
            return Err(GeneralProtection);
        }
        if reg == Reg::IcrLow {
            self.state.icr_high = (value >> 32) as u32;
        }
        Ok(self.write(reg, value as u32))
    }

    fn apic_base(&self) -> u64 {
        let mut value = self.state.base;
        for (set, bit) in [
            (self.is_bsp, apic_base::BSP),
            (self.state.x2apic, apic_base::X2APIC),
            (self.state.enabled, apic_base::ENABLE),
        ] {
            if set {
                value |= bit;
            }
        }
        value
    }

    /// Figure 11-27: which changes of mode there are. The base can change in all of them (section
    /// 11.4.4), and counts once the registers are in memory.
    fn write_apic_base(&mut self, value: u64) -> Result<(), GeneralProtection> {
        let known = apic_base::ADDRESS | apic_base::BSP | apic_base::X2APIC | apic_base::ENABLE;
        if value & !known != 0 {
            return Err(GeneralProtection);
        }
        let enable = value & apic_base::ENABLE != 0;
        let x2apic = value & apic_base::X2APIC != 0;
        let allowed = match (self.state.enabled, self.state.x2apic) {
            (true, false) => enable || !x2apic,
            (true, true) => enable == x2apic,
            (false, _) => !x2apic,
        };
        if !allowed || x2apic && !self.x2apic_allowed {
            return Err(GeneralProtection);
        }
        if self.state.enabled && !enable {
            // Section 11.4.3: the registers are lost.
            self.reset();
        }
        if x2apic && !self.state.x2apic {
            self.state.id = self.index as u8;
            self.state.icr_high = 0;
        }
        self.state.enabled = enable;
        self.state.x2apic = x2apic;
        self.state.base = value & apic_base::ADDRESS;
        self.settle();
        Ok(())
    }

    fn write_svr(&mut self, value: u32) {
        self.state.svr = value & svr::WRITABLE;
        if value & svr::ENABLE == 0 {
            // Section 11.4.7.2: masked, and to be unmasked only while enabled.
            for entry in &mut self.state.lvt {
                *entry |= lvt::MASKED;
            }
            self.arm_timer();
        }
    }

    fn write_lvt(&mut self, entry: Lvt, value: u32) {
        let now = self.now();
        if entry == Lvt::Timer {
            // What came to zero until now did so under the old mode and mask.
            self.catch_up_timer(now);
        }
        let was_deadline = self.timer_mode() == Mode::TscDeadline;
        let kept = self.state.lvt[entry as usize] & lvt::REMOTE_IRR;
        let mut new = value & entry.writable() | kept;
        if self.state.svr & svr::ENABLE == 0 {
            new |= lvt::MASKED;
        }
        if new & lvt::LEVEL == 0 {
            new &= !lvt::REMOTE_IRR;
        }
        self.state.lvt[entry as usize] = new;
        match entry {
            Lvt::Timer => {
                // "transitioning between TSC-deadline mode and other timer modes also disarms"
                if was_deadline != (self.timer_mode() == Mode::TscDeadline) {
                    self.state.tsc_deadline = 0;
                    self.state.counter.running = false;
                }
                self.arm_timer();
            }
            Lvt::Lint0 => self.retry_level(0),
            Lvt::Lint1 => self.retry_level(1),
            Lvt::Thermal | Lvt::Performance | Lvt::Error => {}
        }
    }

    fn timer_mode(&self) -> Mode {
        Mode::from_bits(self.state.lvt[Lvt::Timer as usize] >> lvt::TIMER_MODE_SHIFT)
    }

    fn write_initial_count(&mut self, value: u32) {
        if self.timer_mode() == Mode::TscDeadline {
            return; // "a write to the initial-count register is ignored"
        }
        let now = self.now();
        self.catch_up_timer(now);
        self.state.counter.load(now, value);
        self.arm_timer();
    }

    fn current_count(&self) -> u32 {
        if self.timer_mode() == Mode::TscDeadline {
            return 0;
        }
        let now = self.now();
        let mut counter = self.state.counter.clone();
        counter.catch_up(now, self.timer_mode());
        counter.current(now)
    }

    fn write_tsc_deadline(&mut self, value: u64) {
        if self.timer_mode() == Mode::TscDeadline {
            self.state.tsc_deadline = value;
            let now = self.now();
            self.catch_up_timer(now);
            self.arm_timer();
            self.settle();
        }
    }

    /// Guest time at which the time-stamp counter reaches the deadline, if one is armed.
    fn tsc_due(&self) -> Option<u64> {
        let deadline = Some(self.state.tsc_deadline).filter(|deadline| *deadline != 0)?;
        Some(tsc_to_nanos(deadline, self.tsc_hz).saturating_add(self.tsc_base))
    }

    /// Delivers the timer's interrupt if it was due by `now`.
    fn catch_up_timer(&mut self, now: u64) {
        let mode = self.timer_mode();
        let fired = match mode {
            Mode::TscDeadline => {
                let due = self.tsc_due().is_some_and(|due| due <= now);
                if due {
                    self.state.tsc_deadline = 0;
                }
                due
            }
            Mode::OneShot | Mode::Periodic => self.state.counter.catch_up(now, mode),
        };
        if self.state.lvt[Lvt::Timer as usize] & lvt::MASKED != 0 {
            // What passes while masked is gone.
            self.state.counter.owed = 0;
        } else if fired {
            self.state.counter.last_fired = now;
            self.fire(Lvt::Timer);
        }
    }

    /// Sets the deadline at which [`tick`](Self::tick) has something to do. A masked timer has none:
    /// its count is worked out when it is read.
    fn arm_timer(&self) {
        let masked = self.state.lvt[Lvt::Timer as usize] & lvt::MASKED != 0;
        let mode = self.timer_mode();
        let at = match mode {
            _ if masked || !self.state.enabled => None,
            Mode::TscDeadline => self.tsc_due(),
            Mode::OneShot | Mode::Periodic => self.state.counter.next_interrupt(mode),
        };
        match at {
            Some(at) => self.timer.arm(at),
            None => self.timer.disarm(),
        }
    }

    pub fn tick(&mut self) {
        if self.timer.take_expired().is_some() {
            self.catch_up_timer(self.now());
            self.arm_timer();
            self.settle();
        }
    }

    pub fn cr8(&self) -> u8 {
        self.state.tpr >> 4
    }

    pub fn set_cr8(&mut self, value: u8) {
        self.state.tpr = value << 4;
        self.settle();
    }
}
