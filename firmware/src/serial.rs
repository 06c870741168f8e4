//! INT 14h, serial ports, and INT 17h, printers.

use crate::bda::at;
use crate::device::{Firmware, Service, Wait};
use crate::frame::Frame;

/// Registers of a 16550, and bits of its line status.
mod uart {
    pub const DATA: u16 = 0;
    pub const INTERRUPT_ENABLE: u16 = 1;
    pub const LINE_CONTROL: u16 = 3;
    pub const MODEM_CONTROL: u16 = 4;
    pub const LINE_STATUS: u16 = 5;
    pub const MODEM_STATUS: u16 = 6;
    pub const DIVISOR_LATCH: u8 = 0x80;
    pub const DATA_READY: u8 = 1 << 0;
    pub const TRANSMITTER_EMPTY: u8 = 1 << 5;
    pub const DTR_RTS: u8 = 3;
    /// The clock by 16.
    pub const RATE: u32 = 115_200;
}
/// AH: nothing happened in time.
const TIME_OUT: u8 = 0x80;
/// A time-out of one in the BDA, in nanoseconds.
const TIME_UNIT: u64 = 1_000_000_000;

/// Registers of a parallel port.
mod lpt {
    pub const DATA: u16 = 0;
    pub const STATUS: u16 = 1;
    pub const CONTROL: u16 = 2;
    pub const STROBE: u8 = 1 << 0;
    pub const NOT_INIT: u8 = 1 << 2;
    pub const SELECT: u8 = 1 << 3;
    /// What of the status reads inverted.
    pub const INVERT: u8 = 0x48;
}

impl Firmware {
    /// Serial ports.
    pub(crate) fn int14(&mut self, f: &mut Frame) -> Service {
        /// Divisors of 110 to 9600 baud, as bits 7:5 of AL choose them.
        const RATES: [u32; 8] = [110, 150, 300, 600, 1200, 2400, 4800, 9600];
        /// Divisors of 110 to 19200 baud, as CL of function 04h chooses them.
        const MORE_RATES: [u32; 9] = [110, 150, 300, 600, 1200, 2400, 4800, 9600, 19200];
        let number = u64::from(f.dx());
        let port = if number < 4 { self.machine.read16(at::COM_PORTS + 2 * number) } else { 0 };
        if port == 0 {
            f.set_ah(TIME_OUT);
            return Ok(());
        }
        let timeout = u64::from(self.machine.read8(at::COM_TIMEOUTS + number)) * TIME_UNIT;
        match f.ah() {
            0x00 => {
                self.set_line(port, RATES[usize::from(f.al() >> 5)], f.al() & 0x1f);
                self.line_state(f, port);
            }
            0x01 => {
                if self.uart_ready(f, port, uart::TRANSMITTER_EMPTY, timeout)? {
                    self.machine.out8(port.wrapping_add(uart::DATA), f.al());
                    f.set_ah(self.machine.in8(port.wrapping_add(uart::LINE_STATUS)));
                } else {
                    f.set_ah(TIME_OUT);
                }
            }
            0x02 => {
                if self.uart_ready(f, port, uart::DATA_READY, timeout)? {
                    f.set_al(self.machine.in8(port.wrapping_add(uart::DATA)));
                    f.set_ah(self.machine.in8(port.wrapping_add(uart::LINE_STATUS)) & 0x1e);
                } else {
                    f.set_ah(TIME_OUT);
                }
            }
            0x03 => self.line_state(f, port),
            0x04 => {
                let Some(rate) = MORE_RATES.get(usize::from(f.cl())) else {
                    f.set_ah(TIME_OUT);
                    return Ok(());
                };
                // AL break, BH parity, BL stop bits, CH word length.
                let parity = [0, 1, 3, 5, 7].get(usize::from(f.bh())).copied().unwrap_or(0);
                let mut line = f.ch() & 3 | (f.bl() & 1) << 2 | parity << 3;
                line |= (f.al() & 1) << 6;
                self.set_line(port, *rate, line);
                self.line_state(f, port);
            }
            0x05 => {
                let modem = port.wrapping_add(uart::MODEM_CONTROL);
                match f.al() {
                    0 => f.set_bl(self.machine.in8(modem)),
                    _ => self.machine.out8(modem, f.bl()),
                }
                self.line_state(f, port);
            }
            other => log::debug!("INT 14h, AH = {other:02x}h is not there"),
        }
        Ok(())
    }

    fn set_line(&self, port: u16, rate: u32, line: u8) {
        let divisor = (uart::RATE / rate) as u16;
        let [low, high] = divisor.to_le_bytes();
        self.machine.out8(port.wrapping_add(uart::LINE_CONTROL), line | uart::DIVISOR_LATCH);
        self.machine.out8(port.wrapping_add(uart::DATA), low);
        self.machine.out8(port.wrapping_add(uart::INTERRUPT_ENABLE), high);
        self.machine.out8(port.wrapping_add(uart::LINE_CONTROL), line);
        self.machine.out8(port.wrapping_add(uart::INTERRUPT_ENABLE), 0);
        self.machine.out8(port.wrapping_add(uart::MODEM_CONTROL), uart::DTR_RTS);
    }

    fn line_state(&self, f: &mut Frame, port: u16) {
        f.set_ah(self.machine.in8(port.wrapping_add(uart::LINE_STATUS)));
        f.set_al(self.machine.in8(port.wrapping_add(uart::MODEM_STATUS)));
    }

    /// Waits for a bit of the line status. Returns whether it came in time.
    fn uart_ready(&mut self, f: &Frame, port: u16, bit: u8, timeout: u64) -> Service<bool> {
        if self.machine.in8(port.wrapping_add(uart::LINE_STATUS)) & bit != 0 {
            self.end_wait(f);
            return Ok(true);
        }
        // The line gives no interrupt, so the stub must not halt.
        self.wait(f, timeout).map(|()| false).map_err(|_| Wait::Poll)
    }

    /// Printers.
    pub(crate) fn int17(&mut self, f: &mut Frame) -> Service {
        /// AH: nothing happened in time.
        const TIME_OUT: u8 = 1 << 0;
        let number = u64::from(f.dx());
        let port = if number < 3 { self.machine.read16(at::LPT_PORTS + 2 * number) } else { 0 };
        if port == 0 {
            f.set_ah(TIME_OUT);
            return Ok(());
        }
        let control = port.wrapping_add(lpt::CONTROL);
        match f.ah() {
            0x00 => {
                let ready = lpt::NOT_INIT | lpt::SELECT;
                self.machine.out8(port.wrapping_add(lpt::DATA), f.al());
                self.machine.out8(control, ready | lpt::STROBE);
                self.machine.out8(control, ready);
            }
            0x01 => {
                self.machine.out8(control, lpt::SELECT);
                self.machine.out8(control, lpt::NOT_INIT | lpt::SELECT);
            }
            0x02 => {}
            _ => return Ok(()),
        }
        let status = self.machine.in8(port.wrapping_add(lpt::STATUS));
        f.set_ah((status ^ lpt::INVERT) & 0xf8);
        Ok(())
    }
}
