//! One 8259A.

use serde::{Deserialize, Serialize};

/// The master's input that the slave's output is wired to.
pub(crate) const CASCADE_INPUT: u8 = 2;
/// The input that a request which has gone away is reported as.
const DEFAULT_INPUT: u8 = 7;

/// Bits of a byte written to the command port ("Initialization Command Words", "Operation Command
/// Words").
mod command {
    /// ICW1 if set.
    pub const ICW1: u8 = 1 << 4;
    /// OCW3 if set and [`ICW1`] is not; OCW2 if neither is.
    pub const OCW3: u8 = 1 << 3;

    /// ICW1: an ICW4 follows.
    pub const ICW1_IC4: u8 = 1 << 0;
    /// ICW1: no cascade, so no ICW3 follows.
    pub const ICW1_SNGL: u8 = 1 << 1;

    /// OCW2: rotate.
    pub const OCW2_R: u8 = 1 << 7;
    /// OCW2: the level bits count.
    pub const OCW2_SL: u8 = 1 << 6;
    /// OCW2: end of interrupt.
    pub const OCW2_EOI: u8 = 1 << 5;
    /// OCW2: level to act upon.
    pub const OCW2_LEVEL: u8 = 0b111;

    /// OCW3: the special mask bit counts.
    pub const OCW3_ESMM: u8 = 1 << 6;
    /// OCW3: special mask mode.
    pub const OCW3_SMM: u8 = 1 << 5;
    /// OCW3: poll command.
    pub const OCW3_P: u8 = 1 << 2;
    /// OCW3: the register select bit counts.
    pub const OCW3_RR: u8 = 1 << 1;
    /// OCW3: reads of the command port give the ISR, not the IRR.
    pub const OCW3_RIS: u8 = 1 << 0;
}

/// Bits of ICW4.
mod icw4 {
    /// 8086 mode; the other, 8080 mode, is meaningless on a PC.
    pub const UPM: u8 = 1 << 0;
    /// Automatic end of interrupt.
    pub const AEOI: u8 = 1 << 1;
    /// Special fully nested mode.
    pub const SFNM: u8 = 1 << 4;
}

/// Set in the answer to a poll when there was a request.
const POLL_REQUEST: u8 = 1 << 7;

/// Which byte the data port expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Expects {
    Icw2,
    Icw3,
    Icw4,
    Ocw1,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChipState {
    /// Levels of the eight inputs.
    inputs: u8,
    /// Rising edges that were not yet acknowledged.
    edges: u8,
    isr: u8,
    imr: u8,
    /// Inputs that are level-triggered.
    elcr: u8,
    /// Bits 7:3 of the vectors.
    vector_base: u8,
    /// The input with the lowest priority; the next one up has the highest.
    lowest_priority: u8,
    auto_eoi: bool,
    rotate_on_auto_eoi: bool,
    special_mask: bool,
    special_fully_nested: bool,
    read_isr: bool,
    /// The next read is the answer to a poll command.
    poll: bool,
    expects: Expects,
    /// From ICW1: ICW3 is skipped.
    single: bool,
    /// From ICW1: ICW4 follows.
    needs_icw4: bool,
}

impl ChipState {
    fn power_on() -> Self {
        Self {
            inputs: 0,
            edges: 0,
            isr: 0,
            imr: 0,
            elcr: 0,
            vector_base: 0,
            lowest_priority: 7,
            auto_eoi: false,
            rotate_on_auto_eoi: false,
            special_mask: false,
            special_fully_nested: false,
            read_isr: false,
            poll: false,
            expects: Expects::Ocw1,
            single: false,
            needs_icw4: false,
        }
    }

    /// What is out of range, if anything is.
    pub fn validate(&self) -> Result<(), String> {
        if self.lowest_priority > 7 {
            return Err(format!("lowest_priority {}", self.lowest_priority));
        }
        if self.vector_base & 0b111 != 0 {
            return Err(format!("vector_base {:#x}", self.vector_base));
        }
        Ok(())
    }
}

pub(crate) struct Chip {
    is_master: bool,
    state: ChipState,
}

impl Chip {
    pub fn new(is_master: bool) -> Self {
        Self { is_master, state: ChipState::power_on() }
    }

    pub fn save(&self) -> ChipState {
        self.state.clone()
    }

    /// Takes over a validated state.
    pub fn restore(&mut self, state: ChipState) {
        self.state = state;
    }

    pub fn reset(&mut self) {
        self.state = ChipState { inputs: self.state.inputs, ..ChipState::power_on() };
    }

    pub fn elcr(&self) -> u8 {
        self.state.elcr
    }

    pub fn set_elcr(&mut self, value: u8) {
        self.state.elcr = value;
    }

    /// The slave's INT falls with each acknowledgement and the request behind it can go away, so the
    /// cascade follows its level; that is the same as its edges to software.
    fn level_triggered(&self) -> u8 {
        self.state.elcr | if self.is_master { 1 << CASCADE_INPUT } else { 0 }
    }

    pub fn set_input(&mut self, input: u8, level: bool) {
        let bit = 1 << input;
        if level && self.state.inputs & bit == 0 {
            // The data sheet wants an edge-triggered input to stay high until it is acknowledged; the
            // edge is kept here even if it does not, so that a pulse is enough.
            self.state.edges |= bit;
        }
        if level {
            self.state.inputs |= bit;
        } else {
            self.state.inputs &= !bit;
        }
    }

    fn irr(&self) -> u8 {
        let levels = self.level_triggered();
        self.state.edges & !levels | self.state.inputs & levels
    }

    /// The one of `bits` with the highest priority.
    fn highest(&self, bits: u8) -> Option<u8> {
        let first = (self.state.lowest_priority + 1) & 7;
        let rotated = bits.rotate_right(first.into());
        (bits != 0).then(|| (rotated.trailing_zeros() as u8 + first) & 7)
    }

    /// How far `input` is from the highest priority.
    fn rank(&self, input: u8) -> u8 {
        input.wrapping_sub(self.state.lowest_priority + 1) & 7
    }

    /// The input that INT is high for.
    pub fn request(&self) -> Option<u8> {
        if self.state.expects != Expects::Ocw1 {
            return None;
        }
        let input = self.highest(self.irr() & !self.state.imr)?;
        let blocking = if self.state.special_mask {
            // "Special Mask Mode": in service and masked does not inhibit lower priorities.
            self.state.isr & !self.state.imr
        } else {
            self.state.isr
        };
        let Some(in_service) = self.highest(blocking) else { return Some(input) };
        // "Special Fully Nested Mode": a slave in service may ask again for something better.
        let nested = self.state.special_fully_nested
            && self.is_master
            && input == CASCADE_INPUT
            && in_service == CASCADE_INPUT;
        (nested || self.rank(input) < self.rank(in_service)).then_some(input)
    }

    /// The INTA cycle, or the read after a poll command: puts the request into service.
    fn serve(&mut self, input: u8) {
        let bit = 1 << input;
        self.state.edges &= !bit;
        if self.state.auto_eoi {
            if self.state.rotate_on_auto_eoi {
                self.state.lowest_priority = input;
            }
        } else {
            self.state.isr |= bit;
        }
    }

    /// The INTA cycle: the input put into service, or the default input if there is no request.
    pub fn acknowledge(&mut self) -> u8 {
        match self.request() {
            Some(input) => {
                self.serve(input);
                input
            }
            None => DEFAULT_INPUT,
        }
    }

    pub fn vector(&self, input: u8) -> u8 {
        self.state.vector_base | input
    }

    pub fn read_command(&mut self) -> u8 {
        if std::mem::take(&mut self.state.poll) {
            return self.poll();
        }
        if self.state.read_isr { self.state.isr } else { self.irr() }
    }

    pub fn read_data(&mut self) -> u8 {
        if std::mem::take(&mut self.state.poll) {
            return self.poll();
        }
        self.state.imr
    }

    fn poll(&mut self) -> u8 {
        match self.request() {
            Some(input) => {
                self.serve(input);
                POLL_REQUEST | input
            }
            None => 0,
        }
    }

    pub fn write_command(&mut self, value: u8) {
        if value & command::ICW1 != 0 {
            self.initialize(value);
        } else if value & command::OCW3 != 0 {
            self.write_ocw3(value);
        } else {
            self.write_ocw2(value);
        }
    }

    /// ICW1. Its LTIM bit counts for nothing: the ELCR has taken its place (ICH9 section 13.4.2).
    fn initialize(&mut self, icw1: u8) {
        self.state = ChipState {
            inputs: self.state.inputs,
            elcr: self.state.elcr,
            vector_base: self.state.vector_base,
            expects: Expects::Icw2,
            single: icw1 & command::ICW1_SNGL != 0,
            needs_icw4: icw1 & command::ICW1_IC4 != 0,
            ..ChipState::power_on()
        };
    }

    fn write_ocw2(&mut self, value: u8) {
        let level = value & command::OCW2_LEVEL;
        let rotate = value & command::OCW2_R != 0;
        let specific = value & command::OCW2_SL != 0;
        let eoi = value & command::OCW2_EOI != 0;
        match (rotate, specific, eoi) {
            (_, false, true) => {
                // "an IS bit that is masked by an IMR bit will not be cleared by a non-specific EOI
                // command if the 8259A is in the Special Mask Mode"
                let masked = if self.state.special_mask { self.state.imr } else { 0 };
                if let Some(input) = self.highest(self.state.isr & !masked) {
                    self.end_of_interrupt(input, rotate);
                }
            }
            (_, true, true) => self.end_of_interrupt(level, rotate),
            (_, false, false) => self.state.rotate_on_auto_eoi = rotate,
            (true, true, false) => self.state.lowest_priority = level,
            (false, true, false) => {} // "no operation"
        }
    }

    fn end_of_interrupt(&mut self, input: u8, rotate: bool) {
        self.state.isr &= !(1 << input);
        if rotate {
            self.state.lowest_priority = input;
        }
    }

    fn write_ocw3(&mut self, value: u8) {
        if value & command::OCW3_ESMM != 0 {
            self.state.special_mask = value & command::OCW3_SMM != 0;
        }
        if value & command::OCW3_P != 0 {
            self.state.poll = true;
        } else if value & command::OCW3_RR != 0 {
            self.state.read_isr = value & command::OCW3_RIS != 0;
        }
    }

    pub fn write_data(&mut self, value: u8) {
        let after_icw3 = if self.state.needs_icw4 { Expects::Icw4 } else { Expects::Ocw1 };
        match self.state.expects {
            Expects::Icw2 => {
                self.state.vector_base = value & !0b111;
                self.state.expects = if self.state.single { after_icw3 } else { Expects::Icw3 };
            }
            Expects::Icw3 => {
                // The wiring of the pair is fixed, whatever is said here.
                let wired = if self.is_master { 1 << CASCADE_INPUT } else { CASCADE_INPUT };
                if value != wired {
                    log::debug!("ICW3 of {value:#04x}, but the chip is wired for {wired:#04x}");
                }
                self.state.expects = after_icw3;
            }
            Expects::Icw4 => {
                if value & icw4::UPM == 0 {
                    log::debug!("ICW4 of {value:#04x} asks for 8080 mode, which is ignored");
                }
                self.state.auto_eoi = value & icw4::AEOI != 0;
                self.state.special_fully_nested = value & icw4::SFNM != 0;
                self.state.expects = Expects::Ocw1;
            }
            Expects::Ocw1 => self.state.imr = value,
        }
    }
}
