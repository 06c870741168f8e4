//! The registers and their bits (PC16550D data sheet, section 8 and table II).

use serde::{Deserialize, Serialize};

/// Registers by offset. The divisor latch lies over the first two while
/// [`LineControl::DIVISOR_LATCH_ACCESS`] is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// Receiver buffer, transmitter holding register, divisor low byte.
    Data,
    /// Interrupt enable, divisor high byte.
    InterruptEnable,
    /// Interrupt identification when read, FIFO control when written.
    InterruptIdOrFifoControl,
    /// Line control.
    LineControl,
    /// Modem control.
    ModemControl,
    /// Line status.
    LineStatus,
    /// Modem status.
    ModemStatus,
    /// Scratch.
    Scratch,
}

impl Register {
    pub fn at(offset: u64) -> Option<Self> {
        Some(match offset {
            0 => Self::Data,
            1 => Self::InterruptEnable,
            2 => Self::InterruptIdOrFifoControl,
            3 => Self::LineControl,
            4 => Self::ModemControl,
            5 => Self::LineStatus,
            6 => Self::ModemStatus,
            7 => Self::Scratch,
            _ => return None,
        })
    }
}

/// Bits 3 to 0 of the interrupt identification register. The order of priority is that of
/// [`Serial::pending`](crate::Serial).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum InterruptId {
    None = 0b0001,
    LineStatus = 0b0110,
    DataAvailable = 0b0100,
    CharacterTimeout = 0b1100,
    TransmitterEmpty = 0b0010,
    ModemStatus = 0b0000,
}

/// Bits 7 and 6 of the interrupt identification register in FIFO mode.
pub const IIR_FIFOS_ENABLED: u8 = 0b1100_0000;

bitflags::bitflags! {
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct InterruptEnable: u8 {
        const DATA_AVAILABLE = 1 << 0;
        const TRANSMITTER_EMPTY = 1 << 1;
        const LINE_STATUS = 1 << 2;
        const MODEM_STATUS = 1 << 3;
    }

    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct FifoControl: u8 {
        const ENABLE = 1 << 0;
        const CLEAR_RECEIVER = 1 << 1;
        const CLEAR_TRANSMITTER = 1 << 2;
        const DMA_MODE = 1 << 3;
        const TRIGGER_LOW = 1 << 6;
        const TRIGGER_HIGH = 1 << 7;
    }

    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct LineControl: u8 {
        const WORD_LENGTH_LOW = 1 << 0;
        const WORD_LENGTH_HIGH = 1 << 1;
        const TWO_STOP_BITS = 1 << 2;
        const PARITY_ENABLE = 1 << 3;
        const EVEN_PARITY = 1 << 4;
        const STICK_PARITY = 1 << 5;
        const SET_BREAK = 1 << 6;
        const DIVISOR_LATCH_ACCESS = 1 << 7;
    }

    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct ModemControl: u8 {
        const DTR = 1 << 0;
        const RTS = 1 << 1;
        const OUT1 = 1 << 2;
        const OUT2 = 1 << 3;
        const LOOP = 1 << 4;
    }

    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct LineStatus: u8 {
        const DATA_READY = 1 << 0;
        const OVERRUN_ERROR = 1 << 1;
        const PARITY_ERROR = 1 << 2;
        const FRAMING_ERROR = 1 << 3;
        const BREAK_INTERRUPT = 1 << 4;
        const HOLDING_REGISTER_EMPTY = 1 << 5;
        const TRANSMITTER_EMPTY = 1 << 6;
        const FIFO_ERROR = 1 << 7;

        /// Errors that belong to a character.
        const CHARACTER_ERRORS = Self::PARITY_ERROR.bits()
            | Self::FRAMING_ERROR.bits() | Self::BREAK_INTERRUPT.bits();
        /// All that reading the register clears.
        const ERRORS = Self::OVERRUN_ERROR.bits() | Self::CHARACTER_ERRORS.bits();
        /// Nothing is being sent.
        const TRANSMITTER_IDLE = Self::HOLDING_REGISTER_EMPTY.bits()
            | Self::TRANSMITTER_EMPTY.bits();
    }

    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct ModemStatus: u8 {
        const DELTA_CTS = 1 << 0;
        const DELTA_DSR = 1 << 1;
        const TRAILING_EDGE_RI = 1 << 2;
        const DELTA_DCD = 1 << 3;
        const CTS = 1 << 4;
        const DSR = 1 << 5;
        const RI = 1 << 6;
        const DCD = 1 << 7;

        /// What reading the register clears.
        const DELTAS = Self::DELTA_CTS.bits() | Self::DELTA_DSR.bits()
            | Self::TRAILING_EDGE_RI.bits() | Self::DELTA_DCD.bits();
    }
}

impl LineControl {
    fn data_bits(self) -> u32 {
        5 + u32::from(self.bits() & 0b11)
    }

    /// The bits of a byte that are on the line.
    pub fn data_mask(self) -> u8 {
        0xff >> (8 - self.data_bits())
    }

    /// Start bit, data bits, parity bit and stop bits (one and a half count as two).
    pub fn bits_per_character(self) -> u64 {
        let parity = u32::from(self.contains(Self::PARITY_ENABLE));
        let stop = 1 + u32::from(self.contains(Self::TWO_STOP_BITS));
        u64::from(1 + self.data_bits() + parity + stop)
    }
}

impl FifoControl {
    /// Characters in the FIFO that raise the interrupt (table in section 8.4).
    pub fn trigger_level(self) -> usize {
        match (self.contains(Self::TRIGGER_HIGH), self.contains(Self::TRIGGER_LOW)) {
            (false, false) => 1,
            (false, true) => 4,
            (true, false) => 8,
            (true, true) => 14,
        }
    }
}
