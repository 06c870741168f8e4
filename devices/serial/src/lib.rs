//! 16550A serial port (National Semiconductor PC16550D data sheet).
//!
//! What the guest transmits goes to the [`CharBackend`] at once, whatever the baud rate: the
//! transmitter is always empty again after a write, and its interrupt follows as if the byte had left
//! in no time. What the guest receives is taken from the back end only while the receiver has room,
//! so nothing that the back end holds is ever lost to an overrun; overruns happen in loopback only.
//! The divisor shapes just the character time, which the FIFO's timeout interrupt counts in.

mod registers;
mod state;
#[cfg(test)]
mod tests;

use aero_bus::chardev::CharBackend;
use aero_bus::{
    BusDevice, Clock, Device, IrqPin, NANOS_PER_SEC, Snapshot, SnapshotError, Timer, Window,
    read_by_bytes, write_by_bytes,
};

use registers::{
    FifoControl, InterruptEnable, InterruptId, LineControl, LineStatus, ModemControl, ModemStatus,
    Register,
};
use state::{Received, State};

/// The eight registers.
pub const WINDOW: Window = Window::new(0, 8);

/// The crystal of a PC's port, 1.8432 MHz; 16 of its cycles are a bit at divisor 1.
const CRYSTAL_HZ: u64 = 1_843_200;
const CYCLES_PER_BIT: u64 = 16;
/// Characters' time without traffic after which the FIFO asks to be read (section 8.4).
const TIMEOUT_CHARACTERS: u64 = 4;
const FIFO_LEN: usize = 16;
const KIND: &str = "serial";

/// A 16550A.
pub struct Serial {
    state: State,
    pin: IrqPin,
    backend: Box<dyn CharBackend>,
    /// The receiver FIFO's character timeout.
    timeout: Timer,
}

impl Serial {
    /// A port after power-on. `pin` is its INTR output behind the gate that OUT2 opens on a PC.
    pub fn new(pin: IrqPin, backend: Box<dyn CharBackend>, clock: &Clock) -> Self {
        Self { state: State::default(), pin, backend, timeout: clock.timer() }
    }

    /// The line is held spacing for longer than a character: the receiver stores a zero with the
    /// break indicator. Linux's console takes what follows as a SysRq key.
    pub fn receive_break(&mut self) {
        self.store(Received { byte: 0, errors: LineStatus::BREAK_INTERRUPT });
        self.update_pin();
    }

    fn fifo_enabled(&self) -> bool {
        self.state.fifo_control.contains(FifoControl::ENABLE)
    }

    fn loopback(&self) -> bool {
        self.state.modem_control.contains(ModemControl::LOOP)
    }

    fn capacity(&self) -> usize {
        if self.fifo_enabled() { FIFO_LEN } else { 1 }
    }

    /// Time of one character on the line: start bit, data bits, parity and stop bits.
    fn character_nanos(&self) -> u64 {
        // A divisor of zero stops the real part's clock; here it counts as one, so that no timeout
        // waits for ever.
        let divisor = u64::from(self.state.divisor.max(1));
        let bits = self.state.line_control.bits_per_character();
        bits * divisor * CYCLES_PER_BIT * NANOS_PER_SEC / CRYSTAL_HZ
    }

    /// Puts a character into the receiver, or notes the overrun (section 8.6.3, bit 1).
    fn store(&mut self, received: Received) {
        if self.state.receiver.len() >= self.capacity() {
            self.state.errors |= LineStatus::OVERRUN_ERROR;
            if self.fifo_enabled() {
                // The FIFO stays as it is; the character in the shift register is lost.
                return;
            }
            self.state.receiver.clear();
        }
        self.state.receiver.push_back(received);
        self.expose_errors();
        self.restart_timeout();
    }

    /// The error bits of the character at the top of the FIFO show in the line status.
    fn expose_errors(&mut self) {
        if let Some(top) = self.state.receiver.front_mut() {
            self.state.errors |= std::mem::take(&mut top.errors);
        }
    }

    /// Each character that comes or goes starts the timeout anew.
    fn restart_timeout(&mut self) {
        self.state.timed_out = false;
        if self.fifo_enabled() && !self.state.receiver.is_empty() {
            let after = TIMEOUT_CHARACTERS * self.character_nanos();
            self.timeout.arm(self.timeout.clock().now().saturating_add(after));
        } else {
            self.timeout.disarm();
        }
    }

    /// Takes what the back end holds, as far as there is room.
    fn pull(&mut self) {
        if self.loopback() {
            return;
        }
        let mask = self.state.line_control.data_mask();
        while self.state.receiver.len() < self.capacity()
            && let Some(byte) = self.backend.receive()
        {
            self.store(Received { byte: byte & mask, errors: LineStatus::empty() });
        }
    }

    fn clear_receiver(&mut self) {
        self.state.receiver.clear();
        self.restart_timeout();
    }

    fn line_status(&self) -> LineStatus {
        let mut status = self.state.errors | LineStatus::TRANSMITTER_IDLE;
        status.set(LineStatus::DATA_READY, !self.state.receiver.is_empty());
        let errors_left = self.state.errors.intersects(LineStatus::CHARACTER_ERRORS)
            || self.state.receiver.iter().any(|r| !r.errors.is_empty());
        status.set(LineStatus::FIFO_ERROR, self.fifo_enabled() && errors_left);
        status
    }

    /// The modem inputs: in loopback the control outputs, else those of a peer that is always ready.
    fn modem_inputs(&self) -> ModemStatus {
        if !self.loopback() {
            return ModemStatus::CTS | ModemStatus::DSR | ModemStatus::DCD;
        }
        let control = self.state.modem_control;
        let mut inputs = ModemStatus::empty();
        inputs.set(ModemStatus::CTS, control.contains(ModemControl::RTS));
        inputs.set(ModemStatus::DSR, control.contains(ModemControl::DTR));
        inputs.set(ModemStatus::RI, control.contains(ModemControl::OUT1));
        inputs.set(ModemStatus::DCD, control.contains(ModemControl::OUT2));
        inputs
    }

    fn write_modem_control(&mut self, control: ModemControl) {
        let before = self.modem_inputs();
        self.state.modem_control = control;
        let after = self.modem_inputs();
        let deltas = &mut self.state.modem_deltas;
        for (input, delta) in [
            (ModemStatus::CTS, ModemStatus::DELTA_CTS),
            (ModemStatus::DSR, ModemStatus::DELTA_DSR),
            (ModemStatus::DCD, ModemStatus::DELTA_DCD),
        ] {
            if (before ^ after).contains(input) {
                *deltas |= delta;
            }
        }
        if before.contains(ModemStatus::RI) && !after.contains(ModemStatus::RI) {
            *deltas |= ModemStatus::TRAILING_EDGE_RI;
        }
    }

    fn write_fifo_control(&mut self, control: FifoControl) {
        let toggled = (control ^ self.state.fifo_control).contains(FifoControl::ENABLE);
        if toggled || control.contains(FifoControl::ENABLE | FifoControl::CLEAR_RECEIVER) {
            self.clear_receiver();
        }
        // The other bits are not programmed without the first (section 8.4).
        self.state.fifo_control = if control.contains(FifoControl::ENABLE) {
            control - FifoControl::CLEAR_RECEIVER - FifoControl::CLEAR_TRANSMITTER
        } else {
            FifoControl::empty()
        };
    }

    fn transmit(&mut self, byte: u8) {
        let byte = byte & self.state.line_control.data_mask();
        // The holding register fills and empties: its interrupt falls and rises again.
        self.state.transmitter_interrupt = false;
        self.update_pin();
        if self.loopback() {
            self.store(Received { byte, errors: LineStatus::empty() });
        } else {
            self.backend.transmit(&[byte]);
        }
        self.state.transmitter_interrupt = true;
    }

    fn receive(&mut self) -> u8 {
        self.pull();
        let Some(received) = self.state.receiver.pop_front() else { return 0 };
        self.expose_errors();
        self.restart_timeout();
        self.pull();
        received.byte
    }

    /// The pending interrupt of the highest priority (section 8.5, table IV).
    fn pending(&self) -> InterruptId {
        let enabled = self.state.interrupt_enable;
        let state = &self.state;
        let received = state.receiver.len();
        let trigger = if self.fifo_enabled() { state.fifo_control.trigger_level() } else { 1 };
        if enabled.contains(InterruptEnable::LINE_STATUS) && !state.errors.is_empty() {
            InterruptId::LineStatus
        } else if enabled.contains(InterruptEnable::DATA_AVAILABLE) && received >= trigger {
            InterruptId::DataAvailable
        } else if enabled.contains(InterruptEnable::DATA_AVAILABLE) && state.timed_out {
            InterruptId::CharacterTimeout
        } else if enabled.contains(InterruptEnable::TRANSMITTER_EMPTY)
            && state.transmitter_interrupt
        {
            InterruptId::TransmitterEmpty
        } else if enabled.contains(InterruptEnable::MODEM_STATUS) && !state.modem_deltas.is_empty()
        {
            InterruptId::ModemStatus
        } else {
            InterruptId::None
        }
    }

    fn read_interrupt_id(&mut self) -> u8 {
        let pending = self.pending();
        if pending == InterruptId::TransmitterEmpty {
            self.state.transmitter_interrupt = false;
        }
        pending as u8 | if self.fifo_enabled() { registers::IIR_FIFOS_ENABLED } else { 0 }
    }

    fn write_interrupt_enable(&mut self, enable: InterruptEnable) {
        let rises = enable - self.state.interrupt_enable;
        self.state.interrupt_enable = enable;
        if rises.contains(InterruptEnable::TRANSMITTER_EMPTY) {
            // The holding register is empty, which is now told once.
            self.state.transmitter_interrupt = true;
        }
    }

    /// Drives INTR. OUT2 gates it, and in loopback the outputs are inactive, so OUT2 is too.
    fn update_pin(&mut self) {
        let gate = self.state.modem_control.contains(ModemControl::OUT2) && !self.loopback();
        self.pin.set(gate && self.pending() != InterruptId::None);
    }

    fn latch_access(&self) -> bool {
        self.state.line_control.contains(LineControl::DIVISOR_LATCH_ACCESS)
    }

    fn read_register(&mut self, register: Register) -> u8 {
        let value = match register {
            Register::Data if self.latch_access() => self.state.divisor.to_le_bytes()[0],
            Register::Data => self.receive(),
            Register::InterruptEnable if self.latch_access() => self.state.divisor.to_le_bytes()[1],
            Register::InterruptEnable => self.state.interrupt_enable.bits(),
            Register::InterruptIdOrFifoControl => {
                self.pull();
                self.read_interrupt_id()
            }
            Register::LineControl => self.state.line_control.bits(),
            Register::ModemControl => self.state.modem_control.bits(),
            Register::LineStatus => {
                self.pull();
                let status = self.line_status();
                self.state.errors = LineStatus::empty();
                status.bits()
            }
            Register::ModemStatus => {
                let deltas = std::mem::take(&mut self.state.modem_deltas);
                (self.modem_inputs() | deltas).bits()
            }
            Register::Scratch => self.state.scratch,
        };
        self.update_pin();
        value
    }

    fn write_register(&mut self, register: Register, value: u8) {
        let [low, high] = self.state.divisor.to_le_bytes();
        match register {
            Register::Data if self.latch_access() => {
                self.state.divisor = u16::from_le_bytes([value, high]);
            }
            Register::Data => self.transmit(value),
            Register::InterruptEnable if self.latch_access() => {
                self.state.divisor = u16::from_le_bytes([low, value]);
            }
            Register::InterruptEnable => {
                self.write_interrupt_enable(InterruptEnable::from_bits_truncate(value));
            }
            Register::InterruptIdOrFifoControl => {
                self.write_fifo_control(FifoControl::from_bits_truncate(value));
            }
            Register::LineControl => self.state.line_control = LineControl::from_bits_retain(value),
            Register::ModemControl => {
                self.write_modem_control(ModemControl::from_bits_truncate(value));
            }
            // Writing these is for the maker's tests (section 8.6.3); nothing relies on it.
            Register::LineStatus | Register::ModemStatus => {}
            Register::Scratch => self.state.scratch = value,
        }
        self.pull();
        self.update_pin();
    }
}

impl Device for Serial {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.state = State::default();
        self.timeout.disarm();
        self.update_pin();
    }

    fn tick(&mut self) {
        if self.timeout.take_expired().is_some() {
            self.state.timed_out = true;
        }
        self.pull();
        self.update_pin();
    }

    fn save(&self) -> Snapshot {
        let mut state = self.state.clone();
        state.timeout_at = self.timeout.deadline();
        state.pin = self.pin.is_asserted();
        Snapshot::new(KIND, 1, &state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        state.check().map_err(|what| SnapshotError::invalid(KIND, what))?;
        match state.timeout_at {
            Some(at) => self.timeout.arm(at),
            None => self.timeout.disarm(),
        }
        self.pin.import_state(state.pin);
        self.state = State { timeout_at: None, pin: false, ..state };
        Ok(())
    }
}

impl BusDevice for Serial {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        read_by_bytes(offset, data, |at| match Register::at(at) {
            Some(register) => self.read_register(register),
            None => 0xff,
        });
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        write_by_bytes(offset, data, |at, value| {
            if let Some(register) = Register::at(at) {
                self.write_register(register, value);
            }
        });
    }
}
