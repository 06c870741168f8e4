//! The keyboard: an IBM enhanced keyboard with scan code sets 1, 2 and 3 (IBM PS/2 hardware
//! reference, keyboards, "commands from the system" and "scan codes").

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::keys::KeyCode;
use crate::translate::{BREAK_PREFIX, set2_to_set1};

/// Commands from the system.
mod command {
    pub const SET_LEDS: u8 = 0xed;
    pub const ECHO: u8 = 0xee;
    pub const SCAN_CODE_SET: u8 = 0xf0;
    pub const IDENTIFY: u8 = 0xf2;
    pub const SET_TYPEMATIC: u8 = 0xf3;
    pub const ENABLE: u8 = 0xf4;
    pub const DEFAULT_DISABLE: u8 = 0xf5;
    pub const SET_DEFAULT: u8 = 0xf6;
    pub const ALL_TYPEMATIC: u8 = 0xf7;
    pub const ALL_MAKE_BREAK: u8 = 0xf8;
    pub const ALL_MAKE: u8 = 0xf9;
    pub const ALL_TYPEMATIC_MAKE_BREAK: u8 = 0xfa;
    pub const KEY_TYPEMATIC: u8 = 0xfb;
    pub const KEY_MAKE_BREAK: u8 = 0xfc;
    pub const KEY_MAKE: u8 = 0xfd;
    pub const RESEND: u8 = 0xfe;
    pub const RESET: u8 = 0xff;
    /// The lowest: a byte from here on is never a parameter.
    pub const FIRST: u8 = SET_LEDS;
}

/// Answers to the system.
pub mod reply {
    pub const ACK: u8 = 0xfa;
    pub const RESEND: u8 = 0xfe;
    pub const ECHO: u8 = 0xee;
    /// The basic assurance test has passed.
    pub const BAT_PASSED: u8 = 0xaa;
}

/// An MF2 keyboard.
const ID: [u8; 2] = [0xab, 0x83];
const EXTENDED: u8 = 0xe0;
/// Set 2's Pause, which is a make and a break in one.
const PAUSE: [u8; 8] = [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77];
/// Around Print Screen, which shares a key with the keypad's asterisk on older keyboards.
const SHIFT: u8 = 0x12;
/// Print Screen with Alt down.
const SYS_REQ: u8 = 0x84;

/// Scan codes that wait, in bytes. Presses that do not fit are lost; releases of keys that are down
/// always go through, so that no key sticks.
const EVENTS_FOR_PRESSES: usize = 256;
const EVENTS_MAX: usize = EVENTS_FOR_PRESSES + 2048;
const REPLIES_MAX: usize = 16;
/// 500 ms and 10.9 characters a second.
const DEFAULT_TYPEMATIC: u8 = 0x2b;
const NANOS_PER_MILLI: u64 = 1_000_000;

bitflags::bitflags! {
    /// The keyboard's lights.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Leds: u8 {
        /// Scroll Lock.
        const SCROLL_LOCK = 1 << 0;
        /// Num Lock.
        const NUM_LOCK = 1 << 1;
        /// Caps Lock.
        const CAPS_LOCK = 1 << 2;
    }

    /// What a key does in set 3.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    struct KeyType: u8 {
        const TYPEMATIC = 1 << 0;
        const BREAK = 1 << 1;
    }
}

/// A command whose parameter is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Parameter {
    Leds,
    ScanCodeSet,
    Typematic,
    /// Set 3 codes of keys that become of this type, up to the next command.
    KeysOfType(KeyType),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyboard {
    scanning: bool,
    /// 1, 2 or 3.
    set: u8,
    leds: Leds,
    typematic: u8,
    /// Types by set 3 code.
    types: Vec<KeyType>,
    parameter: Option<Parameter>,
    /// Keys whose press has been sent, or would have been if scanning.
    down: BTreeSet<KeyCode>,
    /// The key that repeats, and guest nanoseconds of its next repetition.
    repeating: Option<(KeyCode, u64)>,
    replies: VecDeque<u8>,
    events: VecDeque<u8>,
    last_sent: u8,
}

impl Default for Keyboard {
    fn default() -> Self {
        Self {
            scanning: true,
            set: 2,
            leds: Leds::empty(),
            typematic: DEFAULT_TYPEMATIC,
            types: default_types(),
            parameter: None,
            down: BTreeSet::new(),
            repeating: None,
            replies: VecDeque::new(),
            events: VecDeque::new(),
            last_sent: 0,
        }
    }
}

/// Set 3's types after power-on: modifiers send their release, the main block repeats, the rest only
/// sends its press.
fn default_types() -> Vec<KeyType> {
    let mut types = vec![KeyType::TYPEMATIC; 256];
    let set = |types: &mut Vec<KeyType>, keys: &[KeyCode], kind| {
        for key in keys {
            types[usize::from(key.scan_code().set3)] = kind;
        }
    };
    use KeyCode::*;
    let with_break = [ShiftLeft, ShiftRight, ControlLeft, AltLeft, CapsLock];
    set(&mut types, &with_break, KeyType::BREAK);
    let press_only = [
        Escape,
        F1,
        F2,
        F3,
        F4,
        F5,
        F6,
        F7,
        F8,
        F9,
        F10,
        F11,
        F12,
        PrintScreen,
        ScrollLock,
        Pause,
        Insert,
        Home,
        PageUp,
        End,
        PageDown,
        ControlRight,
        AltRight,
        NumLock,
        NumpadDivide,
        NumpadMultiply,
        NumpadSubtract,
        NumpadEnter,
        NumpadDecimal,
        Numpad0,
        Numpad1,
        Numpad2,
        Numpad3,
        Numpad4,
        Numpad5,
        Numpad6,
        Numpad7,
        Numpad8,
        Numpad9,
        MetaLeft,
        MetaRight,
        ContextMenu,
    ];
    set(&mut types, &press_only, KeyType::empty());
    types
}

impl Keyboard {
    pub fn leds(&self) -> Leds {
        self.leds
    }

    /// A key goes down or up. A press of a key that is down already changes nothing.
    pub fn key(&mut self, key: KeyCode, pressed: bool, now: u64) {
        if pressed {
            if self.down.contains(&key) || self.events.len() >= EVENTS_FOR_PRESSES {
                return;
            }
            let codes = self.scan_codes(key, true);
            self.down.insert(key);
            self.repeating = self.repeats(key).then(|| (key, now + self.typematic_delay()));
            self.send(&codes);
        } else if self.down.remove(&key) {
            self.repeating = self.repeating.filter(|(repeating, _)| *repeating != key);
            let codes = self.scan_codes(key, false);
            self.send(&codes);
        }
    }

    /// The keys that are down.
    pub fn keys_down(&self) -> Vec<KeyCode> {
        self.down.iter().copied().collect()
    }

    fn send(&mut self, codes: &[u8]) {
        if self.scanning && self.events.len() + codes.len() <= EVENTS_MAX {
            self.events.extend(codes);
        }
    }

    fn any_down(&self, which: fn(KeyCode) -> bool) -> bool {
        self.down.iter().any(|key| which(*key))
    }

    fn repeats(&self, key: KeyCode) -> bool {
        match self.set {
            3 => self.type_of(key).contains(KeyType::TYPEMATIC),
            _ => key != KeyCode::Pause,
        }
    }

    fn type_of(&self, key: KeyCode) -> KeyType {
        self.types[usize::from(key.scan_code().set3)]
    }

    /// What a press or release sends in the current set.
    fn scan_codes(&self, key: KeyCode, pressed: bool) -> Vec<u8> {
        match self.set {
            1 => {
                let mut pending = false;
                let set2 = self.set2_codes(key, pressed);
                set2.into_iter().filter_map(|byte| set2_to_set1(byte, &mut pending)).collect()
            }
            3 => match (key.scan_code().set3, pressed) {
                (0, _) => Vec::new(),
                (code, true) => vec![code],
                (code, false) if self.type_of(key).contains(KeyType::BREAK) => {
                    vec![BREAK_PREFIX, code]
                }
                (_, false) => Vec::new(),
            },
            _ => self.set2_codes(key, pressed),
        }
    }

    fn set2_codes(&self, key: KeyCode, pressed: bool) -> Vec<u8> {
        let mut codes = Vec::new();
        let mut add = |code: u16| {
            let [prefix, code] = code.to_be_bytes();
            if prefix == EXTENDED {
                codes.push(EXTENDED);
            }
            if !pressed {
                codes.push(BREAK_PREFIX);
            }
            codes.push(code);
        };
        let extended = |code: u8| u16::from_be_bytes([EXTENDED, code]);
        let code = key.scan_code().set2;
        match key {
            // With Ctrl it is Break, an ordinary key.
            KeyCode::Pause if !self.any_down(KeyCode::is_control) => {
                return if pressed { PAUSE.to_vec() } else { Vec::new() };
            }
            KeyCode::PrintScreen if self.any_down(KeyCode::is_alt) => add(SYS_REQ.into()),
            KeyCode::PrintScreen
                if !self.any_down(KeyCode::is_shift) && !self.any_down(KeyCode::is_control) =>
            {
                let mut pair = [extended(SHIFT), code];
                if !pressed {
                    pair.reverse();
                }
                pair.into_iter().for_each(add);
            }
            _ => add(code),
        }
        codes
    }

    /// Nanoseconds before the first repetition: bits 6 and 5, in quarters of a second.
    fn typematic_delay(&self) -> u64 {
        (u64::from(self.typematic >> 5 & 0b11) + 1) * 250 * NANOS_PER_MILLI
    }

    /// Nanoseconds between repetitions: (8 + bits 2 to 0) × 2^(bits 4 and 3) × 4.17 ms.
    fn typematic_period(&self) -> u64 {
        ((8 + u64::from(self.typematic & 0b111)) * 4_170_000) << (self.typematic >> 3 & 0b11)
    }

    /// Guest time of the next repetition.
    pub fn deadline(&self) -> Option<u64> {
        self.repeating.map(|(_, at)| at)
    }

    /// Repeats a key whose time has come. One repetition waits at most: a guest that does not read
    /// gets no pile of them.
    pub fn tick(&mut self, now: u64) {
        let Some((key, at)) = self.repeating else { return };
        if at > now {
            return;
        }
        self.repeating = Some((key, now + self.typematic_period()));
        if self.events.is_empty() {
            let codes = self.scan_codes(key, true);
            self.send(&codes);
        }
    }

    /// Whether a byte waits.
    pub fn has_byte(&self) -> bool {
        !self.replies.is_empty() || !self.events.is_empty()
    }

    /// The next byte for the controller; answers go before scan codes.
    pub fn next_byte(&mut self) -> Option<u8> {
        let byte = self.replies.pop_front().or_else(|| self.events.pop_front())?;
        if byte != reply::RESEND {
            self.last_sent = byte;
        }
        Some(byte)
    }

    fn answer(&mut self, bytes: &[u8]) {
        // A guest that sends commands and reads no answers loses the oldest.
        while self.replies.len() + bytes.len() > REPLIES_MAX {
            self.replies.pop_front();
        }
        self.replies.extend(bytes);
    }

    /// A byte from the system: a command or its parameter.
    pub fn write(&mut self, byte: u8) {
        match self.parameter.take() {
            Some(parameter) if byte < command::FIRST => self.write_parameter(parameter, byte),
            _ => self.write_command(byte),
        }
    }

    fn write_command(&mut self, byte: u8) {
        let all = |keyboard: &mut Self, kind| keyboard.types.fill(kind);
        match byte {
            command::SET_LEDS => self.parameter = Some(Parameter::Leds),
            command::ECHO => return self.answer(&[reply::ECHO]),
            command::SCAN_CODE_SET => self.parameter = Some(Parameter::ScanCodeSet),
            command::IDENTIFY => return self.answer(&[reply::ACK, ID[0], ID[1]]),
            command::SET_TYPEMATIC => self.parameter = Some(Parameter::Typematic),
            command::ENABLE => {
                self.events.clear();
                self.scanning = true;
            }
            command::DEFAULT_DISABLE => {
                self.set_default();
                self.scanning = false;
            }
            command::SET_DEFAULT => self.set_default(),
            command::ALL_TYPEMATIC => all(self, KeyType::TYPEMATIC),
            command::ALL_MAKE_BREAK => all(self, KeyType::BREAK),
            command::ALL_MAKE => all(self, KeyType::empty()),
            command::ALL_TYPEMATIC_MAKE_BREAK => all(self, KeyType::all()),
            command::KEY_TYPEMATIC => {
                self.parameter = Some(Parameter::KeysOfType(KeyType::TYPEMATIC));
            }
            command::KEY_MAKE_BREAK => {
                self.parameter = Some(Parameter::KeysOfType(KeyType::BREAK));
            }
            command::KEY_MAKE => self.parameter = Some(Parameter::KeysOfType(KeyType::empty())),
            command::RESEND => return self.answer(&[self.last_sent]),
            command::RESET => {
                // What the user holds down stays down.
                *self = Self { down: std::mem::take(&mut self.down), ..Self::default() };
                return self.answer(&[reply::ACK, reply::BAT_PASSED]);
            }
            _ => {
                log::debug!("unknown keyboard command {byte:#04x}");
                return self.answer(&[reply::RESEND]);
            }
        }
        self.answer(&[reply::ACK]);
    }

    fn write_parameter(&mut self, parameter: Parameter, byte: u8) {
        match parameter {
            Parameter::Leds => self.leds = Leds::from_bits_truncate(byte),
            Parameter::ScanCodeSet => match byte {
                0 => return self.answer(&[reply::ACK, self.set]),
                1..=3 => {
                    self.events.clear();
                    self.set = byte;
                }
                _ => return self.answer(&[reply::RESEND]),
            },
            Parameter::Typematic => self.typematic = byte & 0x7f,
            Parameter::KeysOfType(kind) => {
                self.types[usize::from(byte)] = kind;
                self.parameter = Some(parameter);
            }
        }
        self.answer(&[reply::ACK]);
    }

    /// Typematic rate, key types and buffer as after power-on; lights and scan code set stay.
    fn set_default(&mut self) {
        self.events.clear();
        self.repeating = None;
        self.typematic = DEFAULT_TYPEMATIC;
        self.types = default_types();
    }

    /// What is wrong with a keyboard from a file.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=3).contains(&self.set) {
            return Err(format!("the scan code set is {}", self.set));
        }
        if self.types.len() != 256 {
            return Err(format!("{} key types", self.types.len()));
        }
        if self.events.len() > EVENTS_MAX || self.replies.len() > REPLIES_MAX {
            return Err("too many bytes wait in the keyboard".into());
        }
        if self.repeating.is_some_and(|(_, at)| at > u64::MAX / 2) {
            return Err("a key repeats at the end of time".into());
        }
        Ok(())
    }
}
