//! The mouse: a PS/2 mouse that a driver can turn into an IntelliMouse with a wheel (id 3) or one
//! with five buttons (id 4), by setting three sample rates in a row (IBM PS/2 hardware reference,
//! mouse; Microsoft IntelliMouse and IntelliMouse Explorer).

use std::collections::VecDeque;

use aero_bus::NANOS_PER_SEC;
use serde::{Deserialize, Serialize};

use crate::keyboard::reply;

mod command {
    pub const SCALING_1_1: u8 = 0xe6;
    pub const SCALING_2_1: u8 = 0xe7;
    pub const SET_RESOLUTION: u8 = 0xe8;
    pub const STATUS: u8 = 0xe9;
    pub const STREAM_MODE: u8 = 0xea;
    pub const READ_DATA: u8 = 0xeb;
    pub const RESET_WRAP: u8 = 0xec;
    pub const WRAP_MODE: u8 = 0xee;
    pub const REMOTE_MODE: u8 = 0xf0;
    pub const IDENTIFY: u8 = 0xf2;
    pub const SET_SAMPLE_RATE: u8 = 0xf3;
    pub const ENABLE: u8 = 0xf4;
    pub const DISABLE: u8 = 0xf5;
    pub const SET_DEFAULT: u8 = 0xf6;
    pub const RESEND: u8 = 0xfe;
    pub const RESET: u8 = 0xff;
}

bitflags::bitflags! {
    /// Buttons, in the order of packets.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct MouseButtons: u8 {
        /// The left button.
        const LEFT = 1 << 0;
        /// The right button.
        const RIGHT = 1 << 1;
        /// The middle button, or the wheel pressed.
        const MIDDLE = 1 << 2;
        /// The fourth button, "back".
        const BACK = 1 << 3;
        /// The fifth button, "forward".
        const FORWARD = 1 << 4;
    }

    /// First byte of a packet; buttons in bits 2 to 0.
    #[derive(Clone, Copy)]
    struct Header: u8 {
        const ALWAYS = 1 << 3;
        const X_NEGATIVE = 1 << 4;
        const Y_NEGATIVE = 1 << 5;
    }

    /// First byte of the answer to the status request.
    #[derive(Clone, Copy)]
    struct Status: u8 {
        const RIGHT = 1 << 0;
        const MIDDLE = 1 << 1;
        const LEFT = 1 << 2;
        const SCALING_2_1 = 1 << 4;
        const ENABLED = 1 << 5;
        const REMOTE = 1 << 6;
    }
}

const BUTTONS_IN_HEADER: u8 = 0b111;
const ID_STANDARD: u8 = 0;
const ID_WHEEL: u8 = 3;
const ID_FIVE_BUTTONS: u8 = 4;
/// Sample rates that turn it into something else.
const KNOCK_WHEEL: [u8; 3] = [200, 100, 80];
const KNOCK_FIVE_BUTTONS: [u8; 3] = [200, 200, 80];
const DEFAULT_RATE: u8 = 100;
const MIN_RATE: u8 = 10;
const DEFAULT_RESOLUTION: u8 = 2;
const MAX_RESOLUTION: u8 = 3;

/// The farthest a packet tells, and half of it where scaling doubles it.
const MAX_MOVE: i32 = 255;
const MAX_MOVE_SCALED: i32 = 127;
/// A wheel's four bits.
const WHEEL_RANGE: (i32, i32) = (-8, 7);
/// Movement that nobody reads piles up no further.
const MAX_PENDING_MOVE: i32 = 1 << 14;
/// Changes of buttons that wait. Past that the last ones run together.
const MAX_SAMPLES: usize = 64;
const REPLIES_MAX: usize = 16;
const PACKET_MAX: usize = 4;

/// Movement with the same buttons down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    dx: i32,
    dy: i32,
    wheel: i32,
    buttons: MouseButtons,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Parameter {
    Resolution,
    SampleRate,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mouse {
    remote: bool,
    wrap: bool,
    /// Reporting in stream mode.
    enabled: bool,
    scaling_2_1: bool,
    resolution: u8,
    /// Samples a second.
    rate: u8,
    last_rates: [u8; 3],
    id: u8,
    parameter: Option<Parameter>,
    /// What the user holds down.
    buttons: MouseButtons,
    /// Not yet told, oldest first.
    samples: VecDeque<Sample>,
    replies: VecDeque<u8>,
    /// The rest of the packet that is being sent.
    packet: VecDeque<u8>,
    last_sent: u8,
    /// Guest nanoseconds before which no new packet starts.
    next_sample_at: u64,
}

impl Default for Mouse {
    fn default() -> Self {
        Self {
            remote: false,
            wrap: false,
            enabled: false,
            scaling_2_1: false,
            resolution: DEFAULT_RESOLUTION,
            rate: DEFAULT_RATE,
            last_rates: [0; 3],
            id: ID_STANDARD,
            parameter: None,
            buttons: MouseButtons::empty(),
            samples: VecDeque::new(),
            replies: VecDeque::new(),
            packet: VecDeque::new(),
            last_sent: 0,
            next_sample_at: 0,
        }
    }
}

impl Mouse {
    /// Whether movement is told, now or when asked for.
    fn counts(&self) -> bool {
        self.enabled || self.remote
    }

    /// The mouse moves: right, down, and the wheel towards the user.
    pub fn moved(&mut self, dx: i32, dy: i32, wheel: i32) {
        if !self.counts() || (dx, dy, wheel) == (0, 0, 0) {
            return;
        }
        if self.samples.is_empty() {
            self.samples.push_back(Sample { buttons: self.buttons, ..Sample::default() });
        }
        let sample = self.samples.back_mut().expect("there is one now");
        let add = |sum: &mut i32, by: i32| {
            *sum = sum.saturating_add(by).clamp(-MAX_PENDING_MOVE, MAX_PENDING_MOVE);
        };
        add(&mut sample.dx, dx);
        add(&mut sample.dy, dy);
        add(&mut sample.wheel, wheel);
    }

    /// These buttons are down now.
    pub fn set_buttons(&mut self, buttons: MouseButtons) {
        if std::mem::replace(&mut self.buttons, buttons) == buttons || !self.counts() {
            return;
        }
        if self.samples.len() < MAX_SAMPLES {
            self.samples.push_back(Sample { buttons, ..Sample::default() });
        } else if let Some(last) = self.samples.back_mut() {
            last.buttons = buttons;
        }
    }

    fn streaming(&self) -> bool {
        self.enabled && !self.remote && !self.wrap
    }

    /// From when on [`next_byte`](Self::next_byte) gives a byte, if nothing changes.
    pub fn ready_at(&self) -> Option<u64> {
        if !self.replies.is_empty() || !self.packet.is_empty() {
            Some(0)
        } else if self.streaming() && !self.samples.is_empty() {
            Some(self.next_sample_at)
        } else {
            None
        }
    }

    /// The next byte for the controller.
    pub fn next_byte(&mut self, now: u64) -> Option<u8> {
        if self.ready_at()? > now {
            return None;
        }
        if self.replies.is_empty() && self.packet.is_empty() {
            self.packet = self.take_packet();
            let period = NANOS_PER_SEC / u64::from(self.rate.max(MIN_RATE));
            self.next_sample_at = now.saturating_add(period);
        }
        let byte = self.replies.pop_front().or_else(|| self.packet.pop_front())?;
        if byte != reply::RESEND {
            self.last_sent = byte;
        }
        Some(byte)
    }

    /// The oldest sample as a packet. What does not fit into one stays for the next.
    fn take_packet(&mut self) -> VecDeque<u8> {
        let mut sample = self
            .samples
            .pop_front()
            .unwrap_or(Sample { buttons: self.buttons, ..Sample::default() });
        let scale = self.scaling_2_1 && !self.remote;
        let limit = if scale { MAX_MOVE_SCALED } else { MAX_MOVE };
        let take = |rest: &mut i32, low: i32, high: i32| {
            let part = (*rest).clamp(low, high);
            *rest -= part;
            part
        };
        let mut dx = take(&mut sample.dx, -limit, limit);
        let mut dy = -take(&mut sample.dy, -limit, limit);
        let mut wheel = take(&mut sample.wheel, WHEEL_RANGE.0, WHEEL_RANGE.1);
        if self.id == ID_STANDARD {
            (wheel, sample.wheel) = (0, 0);
        }
        if (sample.dx, sample.dy, sample.wheel) != (0, 0, 0) {
            self.samples.push_front(sample);
        }
        if scale {
            (dx, dy) = (scaled(dx), scaled(dy));
        }
        let mut header = Header::ALWAYS;
        header.set(Header::X_NEGATIVE, dx < 0);
        header.set(Header::Y_NEGATIVE, dy < 0);
        let buttons = sample.buttons.bits();
        let mut packet =
            VecDeque::from([header.bits() | buttons & BUTTONS_IN_HEADER, dx as u8, dy as u8]);
        match self.id {
            ID_WHEEL => packet.push_back(wheel as u8),
            ID_FIVE_BUTTONS => {
                let others = (sample.buttons & (MouseButtons::BACK | MouseButtons::FORWARD)).bits();
                packet.push_back(others << 1 | wheel as u8 & 0x0f);
            }
            _ => {}
        }
        packet
    }

    fn answer(&mut self, bytes: &[u8]) {
        while self.replies.len() + bytes.len() > REPLIES_MAX {
            self.replies.pop_front();
        }
        self.replies.extend(bytes);
    }

    /// A byte from the system: a command or its parameter. The rest of a packet is not sent.
    pub fn write(&mut self, byte: u8) {
        self.packet.clear();
        if self.wrap && !matches!(byte, command::RESET_WRAP | command::RESET) {
            return self.answer(&[byte]);
        }
        match self.parameter.take() {
            Some(Parameter::Resolution) => {
                if byte > MAX_RESOLUTION {
                    return self.answer(&[reply::RESEND]);
                }
                self.resolution = byte;
            }
            Some(Parameter::SampleRate) => self.set_rate(byte),
            None => return self.write_command(byte),
        }
        self.answer(&[reply::ACK]);
    }

    fn set_rate(&mut self, rate: u8) {
        self.rate = rate;
        self.last_rates = [self.last_rates[1], self.last_rates[2], rate];
        match self.last_rates {
            KNOCK_WHEEL => self.id = ID_WHEEL,
            KNOCK_FIVE_BUTTONS => self.id = ID_FIVE_BUTTONS,
            _ => {}
        }
    }

    fn write_command(&mut self, byte: u8) {
        match byte {
            command::SCALING_1_1 => self.scaling_2_1 = false,
            command::SCALING_2_1 => self.scaling_2_1 = true,
            command::SET_RESOLUTION => self.parameter = Some(Parameter::Resolution),
            command::STATUS => {
                let status = self.status().bits();
                return self.answer(&[reply::ACK, status, self.resolution, self.rate]);
            }
            command::STREAM_MODE => {
                self.samples.clear();
                self.remote = false;
            }
            command::READ_DATA => {
                self.answer(&[reply::ACK]);
                let packet = self.take_packet();
                return self.answer(packet.into_iter().collect::<Vec<_>>().as_slice());
            }
            command::RESET_WRAP => {
                self.samples.clear();
                self.wrap = false;
            }
            command::WRAP_MODE => {
                self.samples.clear();
                self.wrap = true;
            }
            command::REMOTE_MODE => {
                self.samples.clear();
                self.remote = true;
            }
            command::IDENTIFY => return self.answer(&[reply::ACK, self.id]),
            command::SET_SAMPLE_RATE => self.parameter = Some(Parameter::SampleRate),
            command::ENABLE => {
                self.samples.clear();
                self.enabled = true;
            }
            command::DISABLE => self.enabled = false,
            command::SET_DEFAULT => self.set_default(),
            command::RESEND => return self.answer(&[self.last_sent]),
            command::RESET => {
                *self = Self { buttons: self.buttons, ..Self::default() };
                return self.answer(&[reply::ACK, reply::BAT_PASSED, self.id]);
            }
            _ => {
                log::debug!("unknown mouse command {byte:#04x}");
                return self.answer(&[reply::RESEND]);
            }
        }
        self.answer(&[reply::ACK]);
    }

    /// Stream mode, not reporting, 100 samples a second, 4 counts a millimetre, no scaling. The id
    /// stays: only a reset makes it a plain mouse again.
    fn set_default(&mut self) {
        self.samples.clear();
        self.remote = false;
        self.enabled = false;
        self.scaling_2_1 = false;
        self.resolution = DEFAULT_RESOLUTION;
        self.rate = DEFAULT_RATE;
    }

    fn status(&self) -> Status {
        let mut status = Status::empty();
        status.set(Status::RIGHT, self.buttons.contains(MouseButtons::RIGHT));
        status.set(Status::MIDDLE, self.buttons.contains(MouseButtons::MIDDLE));
        status.set(Status::LEFT, self.buttons.contains(MouseButtons::LEFT));
        status.set(Status::SCALING_2_1, self.scaling_2_1);
        status.set(Status::ENABLED, self.enabled);
        status.set(Status::REMOTE, self.remote);
        status
    }

    /// What is wrong with a mouse from a file.
    pub fn check(&self) -> Result<(), String> {
        if self.resolution > MAX_RESOLUTION {
            return Err(format!("the mouse's resolution is {}", self.resolution));
        }
        if ![ID_STANDARD, ID_WHEEL, ID_FIVE_BUTTONS].contains(&self.id) {
            return Err(format!("the mouse's id is {}", self.id));
        }
        if self.samples.len() > MAX_SAMPLES + 1
            || self.replies.len() > REPLIES_MAX
            || self.packet.len() > PACKET_MAX
        {
            return Err("too many bytes wait in the mouse".into());
        }
        let far = |n: i32| n.unsigned_abs() > MAX_PENDING_MOVE.unsigned_abs();
        if self.samples.iter().any(|s| far(s.dx) || far(s.dy) || far(s.wheel)) {
            return Err("the mouse moved too far".into());
        }
        Ok(())
    }
}

/// 2:1 scaling: small movements become finer, others double.
fn scaled(counts: i32) -> i32 {
    let size = match counts.abs() {
        n @ 0..=1 => n,
        2 => 1,
        3 => 3,
        4 => 6,
        5 => 9,
        n => 2 * n,
    };
    size * counts.signum()
}
