//! What goes over the bus between IO-APIC, PCI devices and local APICs.

use aero_bus::MsiMessage;

/// What the receiver does with a message (section 11.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryMode {
    Fixed,
    LowestPriority,
    Smi,
    Nmi,
    Init,
    StartUp,
    ExtInt,
}

impl DeliveryMode {
    /// From the three bits of an ICR, an LVT entry, a redirection entry or a message.
    pub fn from_bits(bits: u32) -> Option<Self> {
        Some(match bits & 0b111 {
            0 => Self::Fixed,
            1 => Self::LowestPriority,
            2 => Self::Smi,
            4 => Self::Nmi,
            5 => Self::Init,
            6 => Self::StartUp,
            7 => Self::ExtInt,
            _ => return None,
        })
    }
}

/// To whom a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// By APIC id.
    Physical(Address),
    /// By the sets in the logical destination registers.
    Logical(Address),
    /// The processor with this index.
    Cpu(usize),
    /// Every processor.
    All,
    /// Every processor but the one with this index.
    AllBut(usize),
}

/// The destination field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// 8 bits, from an xAPIC, the IO-APIC or a PCI device.
    Narrow(u8),
    /// 32 bits, from an x2APIC.
    Wide(u32),
}

impl Address {
    pub fn is_broadcast(self) -> bool {
        matches!(self, Self::Narrow(u8::MAX) | Self::Wide(u32::MAX))
    }

    pub fn id(self) -> u32 {
        match self {
            Self::Narrow(id) => id.into(),
            Self::Wide(id) => id,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub destination: Destination,
    pub mode: DeliveryMode,
    pub vector: u8,
    pub level_triggered: bool,
}

/// Fields of a message's address and data (section 11.11).
mod msi {
    pub const ADDRESS_MASK: u64 = 0xffff_ffff_fff0_0000;
    pub const ADDRESS: u64 = 0xfee0_0000;
    pub const DESTINATION_SHIFT: u32 = 12;
    pub const REDIRECTION_HINT: u64 = 1 << 3;
    pub const LOGICAL: u64 = 1 << 2;
    pub const MODE_SHIFT: u32 = 8;
    pub const ASSERT: u32 = 1 << 14;
    pub const LEVEL_TRIGGERED: u32 = 1 << 15;
}

/// Why a write is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMessage {
    /// The address is outside the APICs' range.
    Address,
    /// The delivery mode is reserved, or not for devices.
    Mode,
    /// The end of a level: local APICs wait for none.
    Deassert,
}

impl Message {
    pub fn from_msi(msi: MsiMessage) -> Result<Self, NoMessage> {
        if msi.address & msi::ADDRESS_MASK != msi::ADDRESS {
            return Err(NoMessage::Address);
        }
        let level_triggered = msi.data & msi::LEVEL_TRIGGERED != 0;
        if level_triggered && msi.data & msi::ASSERT == 0 {
            return Err(NoMessage::Deassert);
        }
        let mode = match DeliveryMode::from_bits(msi.data >> msi::MODE_SHIFT) {
            Some(DeliveryMode::Fixed) if msi.address & msi::REDIRECTION_HINT != 0 => {
                DeliveryMode::LowestPriority
            }
            Some(DeliveryMode::StartUp) | None => return Err(NoMessage::Mode),
            Some(mode) => mode,
        };
        let address = Address::Narrow((msi.address >> msi::DESTINATION_SHIFT) as u8);
        let destination = if msi.address & msi::LOGICAL != 0 {
            Destination::Logical(address)
        } else {
            Destination::Physical(address)
        };
        Ok(Self { destination, mode, vector: msi.data as u8, level_triggered })
    }

    /// The message that an IO-APIC input sends.
    pub fn encode_msi(
        destination: u8,
        logical: bool,
        mode_bits: u8,
        vector: u8,
        level_triggered: bool,
    ) -> MsiMessage {
        let address = msi::ADDRESS
            | u64::from(destination) << msi::DESTINATION_SHIFT
            | if logical { msi::LOGICAL } else { 0 };
        let level = if level_triggered { msi::LEVEL_TRIGGERED | msi::ASSERT } else { msi::ASSERT };
        let data = u32::from(vector) | u32::from(mode_bits & 0b111) << msi::MODE_SHIFT | level;
        MsiMessage { address, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_message_decodes_to_itself() {
        let msi = Message::encode_msi(3, true, 0, 0x51, true);
        assert_eq!(msi, MsiMessage { address: 0xfee0_3004, data: 0xc051 });
        let message = Message::from_msi(msi).unwrap();
        assert_eq!(message.destination, Destination::Logical(Address::Narrow(3)));
        assert_eq!(message.mode, DeliveryMode::Fixed);
        assert!(message.level_triggered);
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        let decode = |address, data| Message::from_msi(MsiMessage { address, data }).unwrap_err();
        assert_eq!(decode(0x1000, 0x50), NoMessage::Address);
        assert_eq!(decode(0x1_fee0_0000, 0x50), NoMessage::Address);
        assert_eq!(decode(0xfee0_0000, 0x350), NoMessage::Mode);
        assert_eq!(decode(0xfee0_0000, 0x650), NoMessage::Mode);
        assert_eq!(decode(0xfee0_0000, 0x8050), NoMessage::Deassert);
    }
}
