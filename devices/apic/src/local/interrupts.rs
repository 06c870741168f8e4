//! From a message or an input of one local APIC to its processor's INTR, and back with the end of
//! interrupt (section 11.8).

use serde::{Deserialize, Serialize};

use super::regs::{Lvt, esr, lvt, svr};
use super::{Effect, Lapic};
use crate::message::DeliveryMode;

/// The answer to an interrupt acknowledge cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Deliver this vector; it is in service now.
    Vector(u8),
    /// The 8259A has it: run its acknowledge cycle.
    ExtInt,
    /// The request has gone away.
    None,
}

/// A bit a vector: the IRR, ISR or TMR.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Vectors([u32; 8]);

impl Vectors {
    pub fn word(&self, word: u8) -> u32 {
        self.0[usize::from(word & 7)]
    }

    fn set(&mut self, vector: u8, value: bool) {
        let bit = 1 << (vector & 31);
        let word = &mut self.0[usize::from(vector >> 5)];
        if value {
            *word |= bit;
        } else {
            *word &= !bit;
        }
    }

    fn has(&self, vector: u8) -> bool {
        self.0[usize::from(vector >> 5)] & 1 << (vector & 31) != 0
    }

    fn highest(&self) -> Option<u8> {
        let word = self.0.iter().rposition(|word| *word != 0)?;
        Some((word as u32 * 32 + 31 - self.0[word].leading_zeros()) as u8)
    }
}

/// The priority class of a vector or of a priority register.
fn class(value: u8) -> u8 {
    value >> 4
}

/// The table entry of input 0 or 1.
fn lint(input: usize) -> Lvt {
    if input == 0 { Lvt::Lint0 } else { Lvt::Lint1 }
}

impl Lapic {
    /// Section 11.8.3.1.
    pub fn ppr(&self) -> u8 {
        let in_service = self.state.isr.highest().unwrap_or(0);
        if class(self.state.tpr) >= class(in_service) { self.state.tpr } else { in_service & 0xf0 }
    }

    fn deliverable(&self) -> Option<u8> {
        let vector = self.state.irr.highest()?;
        (self.is_software_enabled() && class(vector) > class(self.ppr())).then_some(vector)
    }

    fn mode_of(&self, entry: Lvt) -> Option<DeliveryMode> {
        let value = self.state.lvt[entry as usize];
        if value & lvt::MASKED != 0 {
            return None;
        }
        match entry {
            // These have no delivery mode field.
            Lvt::Timer | Lvt::Error => Some(DeliveryMode::Fixed),
            _ => DeliveryMode::from_bits(value >> lvt::DELIVERY_MODE_SHIFT),
        }
    }

    /// Whether the 8259A, on whichever way, wants the processor. While the APIC is disabled LINT0 is
    /// the processor's INTR.
    fn wants_ext_int(&self) -> bool {
        if !self.state.enabled {
            return self.state.lint[0];
        }
        let by_input =
            |n: usize| self.state.lint[n] && self.mode_of(lint(n)) == Some(DeliveryMode::ExtInt);
        self.state.ext_int || by_input(0) || by_input(1)
    }

    pub(super) fn wants_intr(&self) -> bool {
        self.wants_ext_int() || self.deliverable().is_some()
    }

    /// Drives INTR to what the state says.
    pub(super) fn settle(&mut self) {
        let intr = self.wants_intr();
        if intr != self.intr {
            self.intr = intr;
            self.sink.set_intr(intr);
        }
    }

    /// The interrupt acknowledge cycle. The 8259A's requests go before those of the IRR: they have no
    /// priority here. A request that the priority has come to mask is answered with the spurious vector
    /// (section 11.9).
    pub fn acknowledge(&mut self) -> Ack {
        let ack = if self.wants_ext_int() {
            self.state.ext_int = false;
            Ack::ExtInt
        } else if let Some(vector) = self.deliverable() {
            self.state.irr.set(vector, false);
            self.state.isr.set(vector, true);
            Ack::Vector(vector)
        } else if self.is_software_enabled() && self.state.irr.highest().is_some() {
            Ack::Vector((self.state.svr & svr::VECTOR) as u8)
        } else {
            Ack::None
        };
        self.settle();
        ack
    }

    /// A message for this APIC.
    pub fn deliver(&mut self, mode: DeliveryMode, vector: u8, level_triggered: bool) {
        if !self.state.enabled {
            return;
        }
        match mode {
            DeliveryMode::Fixed | DeliveryMode::LowestPriority => {
                // Section 11.4.7.2: while software-disabled, only INIT, NMI, SMI and SIPI are heard.
                if self.is_software_enabled() {
                    self.accept(vector, level_triggered);
                }
            }
            DeliveryMode::Smi => log::debug!("SMI dropped: there is no system management mode"),
            DeliveryMode::Nmi => self.sink.nmi(),
            DeliveryMode::Init => {
                self.init_reset();
                self.sink.init();
            }
            DeliveryMode::StartUp => self.sink.sipi(vector),
            DeliveryMode::ExtInt => self.state.ext_int = true,
        }
        self.settle();
    }

    fn accept(&mut self, vector: u8, level_triggered: bool) {
        if vector < 16 {
            self.error(esr::RECEIVE_ILLEGAL_VECTOR);
            return;
        }
        self.state.irr.set(vector, true);
        self.state.tmr.set(vector, level_triggered);
    }

    /// Notes an error, and reports it by the error entry.
    pub(super) fn error(&mut self, bits: u8) {
        if self.state.errors & bits == bits {
            return; // reported, and not looked at yet
        }
        self.state.errors |= bits;
        let entry = self.state.lvt[Lvt::Error as usize];
        let vector = (entry & lvt::VECTOR) as u8;
        if entry & lvt::MASKED == 0 && vector >= 16 {
            self.accept(vector, false);
        }
    }

    /// An event of a table entry: an edge, or a level that has come up.
    pub(super) fn fire(&mut self, entry: Lvt) {
        let value = self.state.lvt[entry as usize];
        let vector = (value & lvt::VECTOR) as u8;
        let level = value & lvt::LEVEL != 0;
        match self.mode_of(entry) {
            None | Some(DeliveryMode::ExtInt) => {} // masked; or a level, see wants_ext_int
            Some(DeliveryMode::Fixed) if level => {
                if value & lvt::REMOTE_IRR == 0 {
                    self.state.lvt[entry as usize] |= lvt::REMOTE_IRR;
                    self.accept(vector, true);
                }
            }
            Some(DeliveryMode::Fixed) => self.accept(vector, false),
            Some(DeliveryMode::Nmi) => self.sink.nmi(),
            Some(mode) => log::warn!("local vector table entry {entry:?} asks for {mode:?}"),
        }
    }

    /// The level of LINT0 or LINT1.
    pub fn set_lint(&mut self, input: usize, level: bool) {
        let before = std::mem::replace(&mut self.state.lint[input], level);
        if level && !before {
            if self.state.enabled {
                self.fire(lint(input));
            } else if input == 1 {
                self.sink.nmi();
            }
        }
        self.settle();
    }

    /// Delivers a level-triggered input again that is still, or already, up.
    pub(super) fn retry_level(&mut self, input: usize) {
        let entry = lint(input);
        let is_level = self.state.lvt[entry as usize] & lvt::LEVEL != 0;
        if is_level && self.state.lint[input] && self.mode_of(entry) == Some(DeliveryMode::Fixed) {
            self.fire(entry);
        }
    }

    /// Section 11.8.5.
    pub(super) fn end_of_interrupt(&mut self) -> Effect {
        let Some(vector) = self.state.isr.highest() else { return Effect::None };
        self.state.isr.set(vector, false);
        if !self.state.tmr.has(vector) {
            return Effect::None;
        }
        for input in 0..2 {
            let value = &mut self.state.lvt[lint(input) as usize];
            if *value & lvt::REMOTE_IRR != 0 && *value & lvt::VECTOR == u32::from(vector) {
                *value &= !lvt::REMOTE_IRR;
                self.retry_level(input);
            }
        }
        Effect::EndOfInterrupt(vector)
    }
}
