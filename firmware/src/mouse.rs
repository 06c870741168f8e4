//! The PS/2 mouse: IRQ 12, and INT 15h, AH = C2h.

use serde::{Deserialize, Serialize};

use crate::bda::ebda;
use crate::bda::{EBDA_SEGMENT, equipment};
use crate::device::{Firmware, Service, Wait};
use crate::frame::Frame;

/// The 8042's ports, and bits of its status.
const DATA_PORT: u16 = 0x60;
const COMMAND_PORT: u16 = 0x64;
const OUTPUT_FULL: u8 = 1 << 0;
const FROM_MOUSE: u8 = 1 << 5;
/// The next byte to the data port goes to the mouse.
const TO_MOUSE: u8 = 0xd4;

/// Commands of the mouse.
mod command {
    pub const SCALE_1: u8 = 0xe6;
    pub const SCALE_2: u8 = 0xe7;
    pub const RESOLUTION: u8 = 0xe8;
    pub const STATUS: u8 = 0xe9;
    pub const ID: u8 = 0xf2;
    pub const RATE: u8 = 0xf3;
    pub const ENABLE: u8 = 0xf4;
    pub const DISABLE: u8 = 0xf5;
    pub const RESET: u8 = 0xff;
}
const ACKNOWLEDGE: u8 = 0xfa;
/// Longest wait for the mouse's answer, in nanoseconds.
const TIME_OUT: u64 = 500_000_000;

/// Status codes in AH.
mod status {
    pub const INVALID_FUNCTION: u8 = 0x01;
    pub const INVALID_INPUT: u8 = 0x02;
    pub const INTERFACE: u8 = 0x03;
    pub const NO_HANDLER: u8 = 0x05;
}

/// The most answer bytes any command has after its acknowledges.
const ANSWER_MAX: usize = 3;
const PACKET_MAX: u8 = 8;

/// A conversation with the mouse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Talk {
    /// Whose it is.
    service: u16,
    esp: u32,
    /// Bytes sent so far.
    sent: u8,
    /// The last one sent has been acknowledged.
    acknowledged: bool,
    answer: Vec<u8>,
    deadline: u64,
}

/// What IRQ 12 keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MouseState {
    packet: Vec<u8>,
    packet_len: u8,
    talk: Option<Talk>,
}

impl Default for MouseState {
    fn default() -> Self {
        Self { packet: Vec::new(), packet_len: 3, talk: None }
    }
}

impl MouseState {
    pub fn is_valid(&self) -> bool {
        (1..=PACKET_MAX).contains(&self.packet_len)
            && self.packet.len() < usize::from(self.packet_len)
            && self.talk.as_ref().is_none_or(|talk| talk.answer.len() <= ANSWER_MAX)
    }
}

impl Firmware {
    /// A byte from the mouse, if one is there.
    fn mouse_byte(&self) -> Option<u8> {
        let wanted = OUTPUT_FULL | FROM_MOUSE;
        (self.machine.in8(COMMAND_PORT) & wanted == wanted).then(|| self.machine.in8(DATA_PORT))
    }

    fn mouse_handler(&self) -> (u16, u16) {
        let at = u64::from(EBDA_SEGMENT) * 16 + ebda::MOUSE_HANDLER;
        (self.machine.read16(at), self.machine.read16(at + 2))
    }

    /// IRQ 12. When a packet is complete and there is a handler: AX = 1, ES:DI the handler, BX, CX, DX
    /// and SI its arguments: status, X, Y, Z. Else AX = 0.
    pub(crate) fn mouse_interrupt(&mut self, f: &mut Frame) -> Service {
        f.set_ax(0);
        if self.state.mouse.talk.is_some() {
            // An answer: the service that asked takes it.
            return Ok(());
        }
        let Some(byte) = self.mouse_byte() else { return Ok(()) };
        let mouse = &mut self.state.mouse;
        mouse.packet.push(byte);
        if mouse.packet.len() < usize::from(mouse.packet_len) {
            return Ok(());
        }
        let packet = std::mem::take(&mut mouse.packet);
        let (offset, segment) = self.mouse_handler();
        if (offset, segment) == (0, 0) {
            return Ok(());
        }
        let part = |i: usize| u16::from(packet.get(i).copied().unwrap_or(0));
        f.set_ax(1);
        (f.es, f.edi) = (segment, offset.into());
        f.set_bx(part(0));
        f.set_cx(part(1));
        f.set_dx(part(2));
        f.set_si(part(3));
        Ok(())
    }

    /// Sends bytes to the mouse, each acknowledged, and waits for `answers` more. `None` if it does
    /// not answer in time.
    fn ask_mouse(&mut self, f: &Frame, bytes: &[u8], answers: usize) -> Service<Option<Vec<u8>>> {
        let now = self.clock.now();
        let whose = (f.service, f.esp);
        let mut talk = match self.state.mouse.talk.take() {
            Some(talk) if (talk.service, talk.esp) == whose => talk,
            _ => Talk {
                service: f.service,
                esp: f.esp,
                acknowledged: true,
                deadline: now.saturating_add(TIME_OUT),
                ..Talk::default()
            },
        };
        loop {
            if talk.acknowledged {
                match bytes.get(usize::from(talk.sent)) {
                    Some(byte) => {
                        self.machine.out8(COMMAND_PORT, TO_MOUSE);
                        self.machine.out8(DATA_PORT, *byte);
                        talk.sent += 1;
                        talk.acknowledged = false;
                    }
                    None if talk.answer.len() == answers => return Ok(Some(talk.answer)),
                    None => {}
                }
            }
            match self.mouse_byte() {
                Some(ACKNOWLEDGE) if !talk.acknowledged => talk.acknowledged = true,
                Some(byte) if talk.acknowledged => talk.answer.push(byte),
                // A packet from before the command.
                Some(_) => {}
                None if now >= talk.deadline => return Ok(None),
                None => {
                    self.state.mouse.talk = Some(talk);
                    return Err(Wait::Poll);
                }
            }
        }
    }

    /// INT 15h, AH = C2h.
    pub(crate) fn pointing_device(&mut self, f: &mut Frame) -> Service {
        /// Samples a second, by BH of function 02h.
        const RATES: [u8; 7] = [10, 20, 40, 60, 80, 100, 200];
        let with = f.bh();
        let equipment = self.machine.read16(crate::bda::at::EQUIPMENT);
        if equipment & equipment::MOUSE == 0 {
            f.fail(status::INTERFACE);
            return Ok(());
        }
        let (bytes, answers): (Vec<u8>, usize) = match (f.al(), with) {
            (0x00, 0) => (vec![command::DISABLE], 0),
            (0x00, 1) => {
                if self.mouse_handler() == (0, 0) {
                    f.fail(status::NO_HANDLER);
                    return Ok(());
                }
                (vec![command::ENABLE], 0)
            }
            (0x01, _) => (vec![command::RESET], 2),
            (0x02, rate) if usize::from(rate) < RATES.len() => {
                (vec![command::RATE, RATES[usize::from(rate)]], 0)
            }
            (0x03, resolution @ 0..=3) => (vec![command::RESOLUTION, resolution], 0),
            (0x04, _) => (vec![command::ID], 1),
            (0x05, 1..=PACKET_MAX) => (vec![command::RESET], 2),
            (0x06, 0) => (vec![command::STATUS], 3),
            (0x06, 1) => (vec![command::SCALE_1], 0),
            (0x06, 2) => (vec![command::SCALE_2], 0),
            (0x07, _) => {
                let at = u64::from(EBDA_SEGMENT) * 16 + ebda::MOUSE_HANDLER;
                self.machine.write16(at, f.bx());
                self.machine.write16(at + 2, f.es);
                f.succeed();
                return Ok(());
            }
            (0x00..=0x06, _) => {
                f.fail(status::INVALID_INPUT);
                return Ok(());
            }
            _ => {
                f.fail(status::INVALID_FUNCTION);
                return Ok(());
            }
        };
        let Some(answer) = self.ask_mouse(f, &bytes, answers)? else {
            f.fail(status::INTERFACE);
            return Ok(());
        };
        self.state.mouse.packet.clear();
        match (f.al(), answer.as_slice()) {
            // Self-test result, device id.
            (0x01, [result, id]) => {
                f.set_bl(*result);
                f.set_bh(*id);
            }
            (0x04, [id]) => f.set_bh(*id),
            (0x05, _) => self.state.mouse.packet_len = with,
            // Status, resolution, rate.
            (0x06, [mouse, resolution, rate]) => {
                f.set_bl(*mouse);
                f.set_cl(*resolution);
                f.set_dl(*rate);
            }
            _ => {}
        }
        f.succeed();
        Ok(())
    }
}
