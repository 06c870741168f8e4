//! Interrupts that a processor sends to others or to itself.

use super::regs::{esr, icr};
use super::{Effect, Lapic};
use crate::message::{Address, DeliveryMode, Destination, Message};

impl Lapic {
    /// A write of the interrupt command register (section 11.6.1).
    pub(super) fn command(&mut self) -> Effect {
        let low = self.state.icr_low;
        let vector = (low & icr::VECTOR) as u8;
        let Some(mode) = DeliveryMode::from_bits(low >> icr::MODE_SHIFT) else {
            log::debug!("interrupt command {low:#x} has a reserved delivery mode");
            return Effect::None;
        };
        match mode {
            DeliveryMode::Fixed | DeliveryMode::LowestPriority if vector < 16 => {
                self.error(esr::SEND_ILLEGAL_VECTOR);
                return Effect::None;
            }
            // "INIT level de-assert": only sets arbitration ids, which there are none of.
            DeliveryMode::Init if low & icr::LEVEL != 0 && low & icr::ASSERT == 0 => {
                return Effect::None;
            }
            DeliveryMode::ExtInt => {
                log::debug!("interrupt command {low:#x} asks for ExtINT, which no processor sends");
                return Effect::None;
            }
            _ => {}
        }
        let own = self.index as usize;
        let destination = match low >> icr::SHORTHAND_SHIFT & 0b11 {
            0 => {
                let address = if self.state.x2apic {
                    Address::Wide(self.state.icr_high)
                } else {
                    Address::Narrow((self.state.icr_high >> 24) as u8)
                };
                if low & icr::LOGICAL != 0 {
                    Destination::Logical(address)
                } else {
                    Destination::Physical(address)
                }
            }
            1 => Destination::Cpu(own),
            2 => Destination::All,
            _ => Destination::AllBut(own),
        };
        // Table 11-3: a processor cannot stop or start itself by shorthand.
        let to_self = matches!(destination, Destination::Cpu(_) | Destination::All);
        if to_self && !matches!(mode, DeliveryMode::Fixed | DeliveryMode::LowestPriority) {
            log::debug!("interrupt command {low:#x} is not valid with this shorthand");
            return Effect::None;
        }
        Effect::Send(Message { destination, mode, vector, level_triggered: false })
    }

    /// A write of the self-IPI register (section 11.12.11).
    pub(super) fn send_fixed_to_self(&mut self, vector: u8) -> Effect {
        if vector < 16 {
            self.error(esr::SEND_ILLEGAL_VECTOR);
            return Effect::None;
        }
        let destination = Destination::Cpu(self.index as usize);
        Effect::Send(Message {
            destination,
            mode: DeliveryMode::Fixed,
            vector,
            level_triggered: false,
        })
    }
}
