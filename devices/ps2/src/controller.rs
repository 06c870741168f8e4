//! The 8042 itself: two registers, its commands, and the output buffer that keyboard, mouse and the
//! controller's own answers share.

use std::collections::VecDeque;
use std::sync::Arc;

use aero_bus::{
    A20Gate, BusDevice, Clock, Device, IrqPin, PowerControl, PowerRequest, Snapshot, SnapshotError,
    Timer, Window, read_by_bytes, write_by_bytes,
};
use serde::{Deserialize, Serialize};

use crate::keyboard::{Keyboard, Leds};
use crate::keys::KeyCode;
use crate::mouse::{Mouse, MouseButtons};
use crate::translate::set2_to_set1;

const KIND: &str = "ps2";

/// Guest nanoseconds from the reading of a device's byte to the next: start bit, eight data bits,
/// parity and stop bit at 11 kHz.
pub const BYTE_NANOS: u64 = 1_000_000;

/// Registers by offset, which is the port's distance from 0x60.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Register {
    /// Output buffer when read, input buffer when written.
    Data,
    /// Status when read, commands when written.
    StatusOrCommand,
}

impl Register {
    fn at(offset: u64) -> Option<Self> {
        match offset {
            0 => Some(Self::Data),
            4 => Some(Self::StatusOrCommand),
            _ => None,
        }
    }
}

bitflags::bitflags! {
    /// The status register.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Status: u8 {
        const OUTPUT_FULL = 1 << 0;
        /// The controller has passed its self test.
        const SYSTEM = 1 << 2;
        /// The last write was a command.
        const COMMAND = 1 << 3;
        /// The keyboard lock is open.
        const UNLOCKED = 1 << 4;
        /// What is in the output buffer is the mouse's.
        const AUX = 1 << 5;
    }

    /// The command byte, byte 0 of the controller's memory.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct CommandByte: u8 {
        const KEYBOARD_INTERRUPT = 1 << 0;
        const AUX_INTERRUPT = 1 << 1;
        const SYSTEM = 1 << 2;
        const KEYBOARD_DISABLED = 1 << 4;
        const AUX_DISABLED = 1 << 5;
        const TRANSLATE = 1 << 6;
    }

    /// The output port.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct OutputPort: u8 {
        /// Low resets the processor.
        const NOT_RESET = 1 << 0;
        const A20 = 1 << 1;
        const KEYBOARD_OUTPUT_FULL = 1 << 4;
        const AUX_OUTPUT_FULL = 1 << 5;
        /// The keyboard's clock and data lines, and those that lead nowhere, which are high.
        const OTHERS = 0b1100_1100;
    }
}

/// Commands to the controller, port 0x64.
mod command {
    pub const READ_RAM: u8 = 0x20;
    pub const READ_RAM_1: u8 = 0x21;
    pub const READ_RAM_LAST: u8 = 0x3f;
    pub const WRITE_RAM: u8 = 0x60;
    pub const WRITE_RAM_LAST: u8 = 0x7f;
    pub const TEST_PASSWORD: u8 = 0xa4;
    pub const DISABLE_AUX: u8 = 0xa7;
    pub const ENABLE_AUX: u8 = 0xa8;
    pub const TEST_AUX: u8 = 0xa9;
    pub const SELF_TEST: u8 = 0xaa;
    pub const TEST_KEYBOARD: u8 = 0xab;
    pub const DISABLE_KEYBOARD: u8 = 0xad;
    pub const ENABLE_KEYBOARD: u8 = 0xae;
    pub const READ_INPUT_PORT: u8 = 0xc0;
    pub const READ_OUTPUT_PORT: u8 = 0xd0;
    pub const WRITE_OUTPUT_PORT: u8 = 0xd1;
    pub const WRITE_KEYBOARD_BUFFER: u8 = 0xd2;
    pub const WRITE_AUX_BUFFER: u8 = 0xd3;
    pub const WRITE_AUX: u8 = 0xd4;
    pub const DISABLE_A20: u8 = 0xdd;
    pub const ENABLE_A20: u8 = 0xdf;
    pub const READ_TEST_INPUTS: u8 = 0xe0;
    /// Pulses those of the output port's low four bits that are zero in the command's.
    pub const PULSE: u8 = 0xf0;
}

const NO_PASSWORD: u8 = 0xf1;
const SELF_TEST_PASSED: u8 = 0x55;
const INTERFACE_TEST_PASSED: u8 = 0x00;
/// The keyboard lock is open; no manufacturing jumper.
const INPUT_PORT: u8 = 0x80;
const RAM_MASK: u8 = 0x1f;
/// Answers of the controller that wait behind a full output buffer.
const ANSWERS_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    /// The controller: it does not wait for the wire.
    Controller,
    Keyboard,
    Aux,
}

/// A byte in the output buffer or on its way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    byte: u8,
    source: Source,
    /// It shows as the mouse's.
    aux: bool,
}

/// A command whose parameter comes to port 0x60.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Parameter {
    Ram(u8),
    OutputPort,
    KeyboardBuffer,
    AuxBuffer,
    Aux,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    command_byte: CommandByte,
    /// The rest of the controller's memory; byte 0 is the command byte.
    ram: [u8; 32],
    last_write_was_command: bool,
    /// The output port's bits that drive nothing.
    output_port: OutputPort,
    parameter: Option<Parameter>,
    output: Option<Output>,
    /// What the data port reads while the buffer is empty.
    last_output: u8,
    answers: VecDeque<Output>,
    /// The translator has seen a break prefix.
    break_pending: bool,
    /// Guest nanoseconds before which no device's byte arrives.
    next_byte_at: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            command_byte: CommandByte::KEYBOARD_INTERRUPT | CommandByte::AUX_INTERRUPT,
            ram: [0; 32],
            last_write_was_command: true,
            output_port: OutputPort::OTHERS,
            parameter: None,
            output: None,
            last_output: 0,
            answers: VecDeque::new(),
            break_pending: false,
            next_byte_at: 0,
        }
    }
}

/// What goes into a snapshot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    controller: State,
    keyboard: Keyboard,
    mouse: Mouse,
    a20: bool,
    irq1: bool,
    irq12: bool,
}

/// An 8042 with a keyboard and a mouse.
pub struct Ps2 {
    state: State,
    keyboard: Keyboard,
    mouse: Mouse,
    irq1: IrqPin,
    irq12: IrqPin,
    a20: Arc<dyn A20Gate>,
    power: PowerControl,
    timer: Timer,
}

impl Ps2 {
    /// Port 0x60.
    pub const DATA_WINDOW: Window = Window::new(0, 1);
    /// Port 0x64.
    pub const COMMAND_WINDOW: Window = Window::new(4, 1);

    /// A controller after power-on, A20 open. As with QEMU, interrupts are enabled and scan codes are
    /// not translated until firmware writes the command byte.
    pub fn new(
        irq1: IrqPin,
        irq12: IrqPin,
        a20: Arc<dyn A20Gate>,
        power: PowerControl,
        clock: &Clock,
    ) -> Self {
        a20.set_a20(true);
        Self {
            state: State::default(),
            keyboard: Keyboard::default(),
            mouse: Mouse::default(),
            irq1,
            irq12,
            a20,
            power,
            timer: clock.timer(),
        }
    }

    /// The user presses or releases a key. Presses of a key that is down change nothing: the keyboard
    /// repeats by itself.
    pub fn key(&mut self, key: KeyCode, pressed: bool) {
        let now = self.now();
        self.keyboard.key(key, pressed, now);
        self.pump();
    }

    /// Releases all keys, as when the window loses the focus.
    pub fn release_all_keys(&mut self) {
        for key in self.keyboard.keys_down() {
            self.key(key, false);
        }
    }

    /// The user moves the mouse: counts to the right and downwards, and notches of the wheel towards
    /// the user.
    pub fn mouse_move(&mut self, dx: i32, dy: i32, wheel: i32) {
        self.mouse.moved(dx, dy, wheel);
        self.pump();
    }

    /// The user holds these buttons now.
    pub fn mouse_buttons(&mut self, buttons: MouseButtons) {
        self.mouse.set_buttons(buttons);
        self.pump();
    }

    /// The lights that the guest has switched on.
    pub fn leds(&self) -> Leds {
        self.keyboard.leds()
    }

    fn now(&self) -> u64 {
        self.timer.clock().now()
    }

    fn keyboard_enabled(&self) -> bool {
        !self.state.command_byte.contains(CommandByte::KEYBOARD_DISABLED)
    }

    fn aux_enabled(&self) -> bool {
        !self.state.command_byte.contains(CommandByte::AUX_DISABLED)
    }

    /// The next byte of the devices, translated if it is the keyboard's.
    fn device_byte(&mut self, now: u64) -> Option<Output> {
        if now < self.state.next_byte_at {
            return None;
        }
        while self.keyboard_enabled()
            && let Some(byte) = self.keyboard.next_byte()
        {
            let byte = if self.state.command_byte.contains(CommandByte::TRANSLATE) {
                set2_to_set1(byte, &mut self.state.break_pending)
            } else {
                Some(byte)
            };
            if let Some(byte) = byte {
                return Some(Output { byte, source: Source::Keyboard, aux: false });
            }
        }
        let byte = if self.aux_enabled() { self.mouse.next_byte(now)? } else { return None };
        Some(Output { byte, source: Source::Aux, aux: true })
    }

    /// Fills the output buffer if it is empty and something waits, and drives the pins.
    fn pump(&mut self) {
        let now = self.now();
        if self.state.output.is_none() {
            self.state.output = self.state.answers.pop_front().or_else(|| self.device_byte(now));
        }
        self.drive_pins();
        self.arm();
    }

    fn drive_pins(&self) {
        let enabled = self.state.command_byte;
        let (keyboard, aux) = match self.state.output {
            Some(output) => (!output.aux, output.aux),
            None => (false, false),
        };
        self.irq1.set(keyboard && enabled.contains(CommandByte::KEYBOARD_INTERRUPT));
        self.irq12.set(aux && enabled.contains(CommandByte::AUX_INTERRUPT));
    }

    /// Arms the timer for the next byte and the next repetition of a key.
    fn arm(&self) {
        let mut next = self.keyboard.deadline();
        if self.state.output.is_none() {
            let keyboard = (self.keyboard_enabled() && self.keyboard.has_byte()).then_some(0);
            let mouse = self.mouse.ready_at().filter(|_| self.aux_enabled());
            if let Some(ready) = [keyboard, mouse].into_iter().flatten().min() {
                let at = ready.max(self.state.next_byte_at);
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        match next {
            Some(at) => self.timer.arm(at),
            None => self.timer.disarm(),
        }
    }

    fn answer(&mut self, byte: u8, aux: bool) {
        if self.state.answers.len() == ANSWERS_MAX {
            self.state.answers.pop_front();
        }
        self.state.answers.push_back(Output { byte, source: Source::Controller, aux });
    }

    fn status(&self) -> Status {
        let mut status = Status::UNLOCKED;
        status.set(Status::OUTPUT_FULL, self.state.output.is_some());
        status.set(Status::AUX, self.state.output.is_some_and(|output| output.aux));
        status.set(Status::SYSTEM, self.state.command_byte.contains(CommandByte::SYSTEM));
        status.set(Status::COMMAND, self.state.last_write_was_command);
        status
    }

    fn read_data(&mut self) -> u8 {
        if let Some(output) = self.state.output.take() {
            self.state.last_output = output.byte;
            if output.source != Source::Controller {
                self.state.next_byte_at = self.now().saturating_add(BYTE_NANOS);
            }
            // The pins fall before the next byte raises them again.
            self.drive_pins();
            self.pump();
        }
        self.state.last_output
    }

    fn output_port(&self) -> OutputPort {
        let mut port = OutputPort::NOT_RESET | self.state.output_port;
        port.set(OutputPort::A20, self.a20.a20());
        if let Some(output) = self.state.output {
            port |= if output.aux {
                OutputPort::AUX_OUTPUT_FULL
            } else {
                OutputPort::KEYBOARD_OUTPUT_FULL
            };
        }
        port
    }

    fn write_output_port(&mut self, port: OutputPort) {
        self.a20.set_a20(port.contains(OutputPort::A20));
        self.state.output_port = port & OutputPort::OTHERS;
        if !port.contains(OutputPort::NOT_RESET) {
            self.power.request(PowerRequest::Reset);
        }
    }

    fn write_command(&mut self, byte: u8) {
        self.state.last_write_was_command = true;
        self.state.parameter = None;
        let config = &mut self.state.command_byte;
        match byte {
            command::READ_RAM => {
                let value = config.bits();
                self.answer(value, false);
            }
            command::READ_RAM_1..=command::READ_RAM_LAST => {
                let value = self.state.ram[usize::from(byte & RAM_MASK)];
                self.answer(value, false);
            }
            command::WRITE_RAM..=command::WRITE_RAM_LAST => {
                self.state.parameter = Some(Parameter::Ram(byte & RAM_MASK));
            }
            command::TEST_PASSWORD => self.answer(NO_PASSWORD, false),
            command::DISABLE_AUX => config.insert(CommandByte::AUX_DISABLED),
            command::ENABLE_AUX => config.remove(CommandByte::AUX_DISABLED),
            command::TEST_AUX | command::TEST_KEYBOARD => {
                self.answer(INTERFACE_TEST_PASSED, false);
            }
            command::SELF_TEST => {
                config.insert(CommandByte::SYSTEM);
                self.answer(SELF_TEST_PASSED, false);
            }
            command::DISABLE_KEYBOARD => config.insert(CommandByte::KEYBOARD_DISABLED),
            command::ENABLE_KEYBOARD => config.remove(CommandByte::KEYBOARD_DISABLED),
            command::READ_INPUT_PORT => self.answer(INPUT_PORT, false),
            command::READ_OUTPUT_PORT => {
                let port = self.output_port().bits();
                self.answer(port, false);
            }
            command::WRITE_OUTPUT_PORT => self.state.parameter = Some(Parameter::OutputPort),
            command::WRITE_KEYBOARD_BUFFER => {
                self.state.parameter = Some(Parameter::KeyboardBuffer);
            }
            command::WRITE_AUX_BUFFER => self.state.parameter = Some(Parameter::AuxBuffer),
            command::WRITE_AUX => self.state.parameter = Some(Parameter::Aux),
            command::DISABLE_A20 => self.a20.set_a20(false),
            command::ENABLE_A20 => self.a20.set_a20(true),
            command::READ_TEST_INPUTS => self.answer(0, false),
            command::PULSE.. if byte & OutputPort::NOT_RESET.bits() == 0 => {
                self.power.request(PowerRequest::Reset);
            }
            // A pulse of no line, or of lines that lead nowhere.
            command::PULSE.. => {}
            _ => log::debug!("unknown keyboard controller command {byte:#04x}"),
        }
        self.pump();
    }

    fn write_data(&mut self, byte: u8) {
        self.state.last_write_was_command = false;
        match self.state.parameter.take() {
            Some(Parameter::Ram(0)) => {
                self.state.command_byte = CommandByte::from_bits_truncate(byte);
            }
            Some(Parameter::Ram(at)) => self.state.ram[usize::from(at & RAM_MASK)] = byte,
            Some(Parameter::OutputPort) => {
                self.write_output_port(OutputPort::from_bits_truncate(byte));
            }
            Some(Parameter::KeyboardBuffer) => self.answer(byte, false),
            Some(Parameter::AuxBuffer) => self.answer(byte, true),
            // To send, the controller takes the clock line, and leaves it free afterwards.
            Some(Parameter::Aux) => {
                self.state.command_byte.remove(CommandByte::AUX_DISABLED);
                self.mouse.write(byte);
            }
            None => {
                self.state.command_byte.remove(CommandByte::KEYBOARD_DISABLED);
                self.keyboard.write(byte);
            }
        }
        self.pump();
    }
}

impl Device for Ps2 {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.state = State::default();
        self.keyboard = Keyboard::default();
        self.mouse = Mouse::default();
        self.a20.set_a20(true);
        self.pump();
    }

    fn tick(&mut self) {
        let _ = self.timer.take_expired();
        let now = self.now();
        self.keyboard.tick(now);
        self.pump();
    }

    fn save(&self) -> Snapshot {
        let saved = Saved {
            controller: self.state.clone(),
            keyboard: self.keyboard.clone(),
            mouse: self.mouse.clone(),
            a20: self.a20.a20(),
            irq1: self.irq1.is_asserted(),
            irq12: self.irq12.is_asserted(),
        };
        Snapshot::new(KIND, 1, &saved)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let saved: Saved = snapshot.open(KIND, 1)?;
        let invalid = |what: String| SnapshotError::invalid(KIND, what);
        saved.keyboard.check().map_err(invalid)?;
        saved.mouse.check().map_err(invalid)?;
        let state = saved.controller;
        if CommandByte::from_bits(state.command_byte.bits()).is_none() {
            return Err(invalid(format!("the command byte is {:#04x}", state.command_byte.bits())));
        }
        if !OutputPort::OTHERS.contains(state.output_port) {
            return Err(invalid(format!("the output port is {:#04x}", state.output_port.bits())));
        }
        if state.answers.len() > ANSWERS_MAX {
            return Err(invalid("too many answers wait".into()));
        }
        self.state = state;
        self.keyboard = saved.keyboard;
        self.mouse = saved.mouse;
        self.a20.set_a20(saved.a20);
        self.irq1.import_state(saved.irq1);
        self.irq12.import_state(saved.irq12);
        self.arm();
        Ok(())
    }
}

impl BusDevice for Ps2 {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        read_by_bytes(offset, data, |at| match Register::at(at) {
            Some(Register::Data) => self.read_data(),
            Some(Register::StatusOrCommand) => self.status().bits(),
            None => 0xff,
        });
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        write_by_bytes(offset, data, |at, byte| match Register::at(at) {
            Some(Register::Data) => self.write_data(byte),
            Some(Register::StatusOrCommand) => self.write_command(byte),
            None => {}
        });
    }
}
