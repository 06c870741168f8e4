//! What a port remembers.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::FIFO_LEN;
use crate::registers::{
    FifoControl, InterruptEnable, LineControl, LineStatus, ModemControl, ModemStatus,
};

/// A character in the receiver, with its errors until it is at the top.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Received {
    pub byte: u8,
    pub errors: LineStatus,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub interrupt_enable: InterruptEnable,
    pub fifo_control: FifoControl,
    pub line_control: LineControl,
    pub modem_control: ModemControl,
    pub scratch: u8,
    /// 115,200 bit/s over it.
    pub divisor: u16,
    /// The FIFO; in 16450 mode at most one character.
    pub receiver: VecDeque<Received>,
    /// Error bits of the line status, until they are read.
    pub errors: LineStatus,
    /// Delta bits of the modem status, until they are read.
    pub modem_deltas: ModemStatus,
    /// The transmitter emptied and nobody has been told.
    pub transmitter_interrupt: bool,
    /// The receiver FIFO has waited too long.
    pub timed_out: bool,
    /// Only in snapshots: guest nanoseconds.
    pub timeout_at: Option<u64>,
    /// Only in snapshots: the pin's level.
    pub pin: bool,
}

impl Default for State {
    /// After master reset (table III). The divisor has no reset value; 9600 bit/s, as firmware sets.
    fn default() -> Self {
        Self {
            interrupt_enable: InterruptEnable::empty(),
            fifo_control: FifoControl::empty(),
            line_control: LineControl::empty(),
            modem_control: ModemControl::empty(),
            scratch: 0,
            divisor: 12,
            receiver: VecDeque::new(),
            errors: LineStatus::empty(),
            modem_deltas: ModemStatus::empty(),
            transmitter_interrupt: false,
            timed_out: false,
            timeout_at: None,
            pin: false,
        }
    }
}

impl State {
    /// What is wrong with a state from a file.
    pub fn check(&self) -> Result<(), String> {
        let capacity = if self.fifo_control.contains(FifoControl::ENABLE) { FIFO_LEN } else { 1 };
        if self.receiver.len() > capacity {
            return Err(format!("{} characters in the receiver", self.receiver.len()));
        }
        let known = |name: &str, bits: u8, all: u8| {
            if bits & !all == 0 { Ok(()) } else { Err(format!("{name} is {bits:#04x}")) }
        };
        known("interrupt_enable", self.interrupt_enable.bits(), InterruptEnable::all().bits())?;
        known("fifo_control", self.fifo_control.bits(), FifoControl::all().bits())?;
        known("modem_control", self.modem_control.bits(), ModemControl::all().bits())?;
        known("errors", self.errors.bits(), LineStatus::ERRORS.bits())?;
        known("modem_deltas", self.modem_deltas.bits(), ModemStatus::DELTAS.bits())?;
        for received in &self.receiver {
            known("errors", received.errors.bits(), LineStatus::CHARACTER_ERRORS.bits())?;
        }
        Ok(())
    }
}
