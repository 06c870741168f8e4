//! The keyboard: what IRQ 1 does with a scan code, and INT 16h.

use serde::{Deserialize, Serialize};

use crate::bda::{self, at};
use crate::device::{Firmware, Service, Wait};
use crate::frame::Frame;
use crate::keymap::{self, code};

/// Bits of the keyboard flags, a word at 417h.
mod flag {
    pub const RIGHT_SHIFT: u16 = 1 << 0;
    pub const LEFT_SHIFT: u16 = 1 << 1;
    pub const SHIFT: u16 = RIGHT_SHIFT | LEFT_SHIFT;
    pub const CTRL: u16 = 1 << 2;
    pub const ALT: u16 = 1 << 3;
    pub const SCROLL_LOCK: u16 = 1 << 4;
    pub const NUM_LOCK: u16 = 1 << 5;
    pub const CAPS_LOCK: u16 = 1 << 6;
    pub const INSERT: u16 = 1 << 7;
    pub const LEFT_CTRL: u16 = 1 << 8;
    pub const LEFT_ALT: u16 = 1 << 9;
    pub const SCROLL_HELD: u16 = 1 << 12;
    pub const NUM_HELD: u16 = 1 << 13;
    pub const CAPS_HELD: u16 = 1 << 14;
    pub const INSERT_HELD: u16 = 1 << 15;
}

/// Bits of the keyboard state at 496h.
mod state {
    pub const AFTER_E1: u8 = 1 << 0;
    pub const AFTER_E0: u8 = 1 << 1;
    pub const RIGHT_CTRL: u8 = 1 << 2;
    pub const RIGHT_ALT: u8 = 1 << 3;
    pub const ENHANCED: u8 = 1 << 4;
}

/// What the stub of IRQ 1 is to raise afterwards.
mod raise {
    pub const NOTHING: u8 = 0;
    pub const PRINT_SCREEN: u8 = 0x05;
    pub const BREAK: u8 = 0x1b;
}

/// The 8042's ports, and the keyboard's command for its lights.
const DATA_PORT: u16 = 0x60;
const COMMAND_PORT: u16 = 0x64;
const SET_LEDS: u8 = 0xed;
const PULSE_RESET: u8 = 0xfe;
/// The ICH9's reset control register: a full reset.
const RESET_CONTROL: u16 = 0xcf9;
const FULL_RESET: u8 = 0x06;
/// A restart without memory test.
const WARM: u16 = 0x1234;

/// Where the update of the lights is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyboardState {
    /// The keyboard has been told that lights follow; its acknowledge is to come.
    leds_announced: bool,
    /// Bytes of the Pause key's code still to come.
    pause_left: u8,
}

impl KeyboardState {
    pub fn is_valid(&self) -> bool {
        self.pause_left <= 2
    }
}

impl Firmware {
    /// IRQ 1: AL is the scan code. Answers in AX what to raise.
    pub(crate) fn key_interrupt(&mut self, f: &mut Frame) -> Service {
        let raise = self.scan_code(f.al());
        f.set_ax(raise.into());
        Ok(())
    }

    fn scan_code(&mut self, scan: u8) -> u8 {
        match scan {
            code::ACKNOWLEDGE => {
                if std::mem::take(&mut self.state.keyboard.leds_announced) {
                    let leds = self.machine.read8(at::KEYBOARD_LEDS) & 7;
                    self.machine.out8(DATA_PORT, leds);
                }
                return raise::NOTHING;
            }
            code::RESEND => return raise::NOTHING,
            code::EXTENDED => {
                self.change_state(0, state::AFTER_E0);
                return raise::NOTHING;
            }
            code::EXTENDED_1 => {
                self.state.keyboard.pause_left = 2;
                self.change_state(0, state::AFTER_E1);
                return raise::NOTHING;
            }
            _ => {}
        }
        if self.state.keyboard.pause_left > 0 {
            // Pause stopped an AT in its tracks until another key. Here it only goes by.
            self.state.keyboard.pause_left -= 1;
            if self.state.keyboard.pause_left == 0 {
                self.change_state(state::AFTER_E1, 0);
            }
            return raise::NOTHING;
        }
        let extended = self.machine.read8(at::KEYBOARD_STATE) & state::AFTER_E0 != 0;
        self.change_state(state::AFTER_E0, 0);
        let pressed = scan & code::RELEASED == 0;
        let key = scan & !code::RELEASED;
        if self.shift_key(key, extended, pressed) || !pressed {
            return raise::NOTHING;
        }
        self.pressed(key, extended)
    }

    fn change_state(&self, clear: u8, set: u8) {
        let old = self.machine.read8(at::KEYBOARD_STATE);
        self.machine.write8(at::KEYBOARD_STATE, old & !clear | set | state::ENHANCED);
    }

    /// The keys that shift and lock. Returns whether it was one.
    fn shift_key(&mut self, key: u8, extended: bool, pressed: bool) -> bool {
        let mut flags = self.machine.read16(at::KEYBOARD_FLAGS);
        let hold = |flags: &mut u16, bits: u16| {
            if pressed {
                *flags |= bits;
            } else {
                *flags &= !bits;
            }
        };
        let toggle = |flags: &mut u16, held: u16, lock: u16| {
            if pressed && *flags & held == 0 {
                *flags ^= lock;
            }
            hold(flags, held);
        };
        match key {
            // An extended Shift comes before keys of the middle block and means nothing.
            code::LEFT_SHIFT | code::RIGHT_SHIFT if extended => {}
            code::LEFT_SHIFT => hold(&mut flags, flag::LEFT_SHIFT),
            code::RIGHT_SHIFT => hold(&mut flags, flag::RIGHT_SHIFT),
            code::CTRL | code::ALT => {
                let (right, left, either) = if key == code::CTRL {
                    (state::RIGHT_CTRL, flag::LEFT_CTRL, flag::CTRL)
                } else {
                    (state::RIGHT_ALT, flag::LEFT_ALT, flag::ALT)
                };
                if extended {
                    let (clear, set) = if pressed { (0, right) } else { (right, 0) };
                    self.change_state(clear, set);
                } else {
                    hold(&mut flags, left);
                }
                let right_held = self.machine.read8(at::KEYBOARD_STATE) & right != 0;
                if right_held || flags & left != 0 {
                    flags |= either;
                } else {
                    flags &= !either;
                    if key == code::ALT {
                        self.type_number();
                    }
                }
            }
            code::CAPS_LOCK => toggle(&mut flags, flag::CAPS_HELD, flag::CAPS_LOCK),
            code::NUM_LOCK => toggle(&mut flags, flag::NUM_HELD, flag::NUM_LOCK),
            code::SCROLL_LOCK if !(extended || flags & flag::CTRL != 0) => {
                toggle(&mut flags, flag::SCROLL_HELD, flag::SCROLL_LOCK);
            }
            // Insert locks, and is a key besides.
            code::INSERT if extended || flags & (flag::NUM_LOCK | flag::SHIFT) == 0 => {
                toggle(&mut flags, flag::INSERT_HELD, flag::INSERT);
                self.machine.write16(at::KEYBOARD_FLAGS, flags);
                return false;
            }
            _ => return false,
        }
        self.machine.write16(at::KEYBOARD_FLAGS, flags);
        self.update_leds(flags);
        true
    }

    fn update_leds(&mut self, flags: u16) {
        let leds = (flags >> 4) as u8 & 7;
        let old = self.machine.read8(at::KEYBOARD_LEDS);
        if old & 7 != leds {
            self.machine.write8(at::KEYBOARD_LEDS, old & !7 | leds);
            self.state.keyboard.leds_announced = true;
            self.machine.out8(DATA_PORT, SET_LEDS);
        }
    }

    /// A number typed with Alt on the keypad becomes a character when Alt is let go.
    fn type_number(&mut self) {
        let number = self.machine.read8(at::ALT_KEYPAD);
        if number != 0 {
            self.machine.write8(at::ALT_KEYPAD, 0);
            self.buffer_key(number.into());
        }
    }

    fn pressed(&mut self, key: u8, extended: bool) -> u8 {
        let flags = self.machine.read16(at::KEYBOARD_FLAGS);
        let (ctrl, alt) = (flags & flag::CTRL != 0, flags & flag::ALT != 0);
        match key {
            code::DELETE if ctrl && alt => {
                self.machine.write16(at::WARM_START, WARM);
                self.machine.out8(COMMAND_PORT, PULSE_RESET);
                self.machine.out8(RESET_CONTROL, FULL_RESET);
                return raise::NOTHING;
            }
            code::SCROLL_LOCK => {
                // Ctrl-Break.
                self.machine.write8(at::BREAK, 0x80);
                let start = self.machine.read16(at::BUFFER_START);
                self.machine.write16(at::BUFFER_HEAD, start);
                self.machine.write16(at::BUFFER_TAIL, start);
                self.buffer_key(0);
                return raise::BREAK;
            }
            code::PRINT_SCREEN if extended && !ctrl && !alt => return raise::PRINT_SCREEN,
            _ => {}
        }
        let keypad = (code::KEYPAD_FIRST..=code::KEYPAD_LAST).contains(&key)
            && !extended
            && key != code::KEYPAD_MINUS
            && key != code::KEYPAD_PLUS;
        if keypad && alt {
            if let Some(digit) = keypad_digit(key) {
                let number = self.machine.read8(at::ALT_KEYPAD);
                self.machine.write8(at::ALT_KEYPAD, number.wrapping_mul(10).wrapping_add(digit));
            }
            return raise::NOTHING;
        }
        let mut shift = flags & flag::SHIFT != 0;
        if keypad_locks(keypad, flags) || keymap::is_letter(key) && flags & flag::CAPS_LOCK != 0 {
            shift = !shift;
        }
        if let Some([plain, shifted, with_ctrl, with_alt]) = keymap::key(key, extended) {
            let meaning = match (alt, ctrl, shift) {
                (true, ..) => with_alt,
                (_, true, _) => with_ctrl,
                (.., true) => shifted,
                _ => plain,
            };
            if meaning != 0 {
                self.buffer_key(meaning);
            }
        }
        raise::NOTHING
    }

    /// The buffer's bounds in segment 40h; those of the BDA when they make sense.
    fn buffer_bounds(&self) -> (u16, u16) {
        let start = self.machine.read16(at::BUFFER_START);
        let end = self.machine.read16(at::BUFFER_END);
        if start < end && start % 2 == end % 2 {
            (start, end)
        } else {
            (bda::BUFFER_START, bda::BUFFER_END)
        }
    }

    /// Puts a key into the buffer. Returns whether there was room.
    fn buffer_key(&mut self, key: u16) -> bool {
        let (start, end) = self.buffer_bounds();
        let tail = self.machine.read16(at::BUFFER_TAIL);
        let after = tail.wrapping_add(2);
        let next = if after >= end || after < start { start } else { after };
        if next == self.machine.read16(at::BUFFER_HEAD) {
            return false;
        }
        self.machine.write16(0x400 + u64::from(tail), key);
        self.machine.write16(at::BUFFER_TAIL, next);
        true
    }

    /// The key to be taken next, and the place after it.
    fn next_key(&self) -> Option<(u16, u16)> {
        let head = self.machine.read16(at::BUFFER_HEAD);
        if head == self.machine.read16(at::BUFFER_TAIL) {
            return None;
        }
        let (start, end) = self.buffer_bounds();
        let after = head.wrapping_add(2);
        let next = if after >= end || after < start { start } else { after };
        Some((self.machine.read16(0x400 + u64::from(head)), next))
    }

    fn drop_key(&self, next: u16) {
        self.machine.write16(at::BUFFER_HEAD, next);
    }

    /// Keyboard services.
    pub(crate) fn int16(&mut self, f: &mut Frame) -> Service {
        match f.ah() {
            // Take a key, waiting for one; 00h as an 83-key keyboard has it.
            function @ (0x00 | 0x10) => loop {
                let (key, next) = self.next_key().ok_or(Wait::Halt)?;
                self.drop_key(next);
                if let Some(key) = as_seen_by(function, key) {
                    f.set_ax(key);
                    return Ok(());
                }
            },
            // Look at the next key.
            function @ (0x01 | 0x11) => loop {
                match self.next_key() {
                    None => {
                        f.set_zero(true);
                        return Ok(());
                    }
                    Some((key, next)) => match as_seen_by(function, key) {
                        Some(key) => {
                            f.set_ax(key);
                            f.set_zero(false);
                            return Ok(());
                        }
                        None => self.drop_key(next),
                    },
                }
            },
            0x02 => f.set_al(self.machine.read8(at::KEYBOARD_FLAGS)),
            0x12 => {
                let flags = self.machine.read16(at::KEYBOARD_FLAGS);
                let right = self.machine.read8(at::KEYBOARD_STATE);
                let mut high = (flags >> 8) as u8 & 0b0111_0011;
                high |= right & (state::RIGHT_CTRL | state::RIGHT_ALT);
                high |= if flags & flag::INSERT_HELD != 0 { 0x80 } else { 0 };
                f.set_ax(flags & 0xff | u16::from(high) << 8);
            }
            // The repeat rate stays with whoever feeds keys to the machine.
            0x03 => {}
            0x05 => {
                let stored = self.buffer_key(f.cx());
                f.set_al(u8::from(!stored));
            }
            // Functions 0Ah and 10h to 12h are there.
            0x09 => f.set_al(0x30),
            0x0a => f.set_bx(0x41ab),
            // Asked to find out about 122-key keyboards: there is none.
            0x92 | 0xa2 => f.set_ah(0x80),
            other => log::debug!("INT 16h, AH = {other:02x}h is not there"),
        }
        Ok(())
    }
}

fn keypad_locks(keypad: bool, flags: u16) -> bool {
    keypad && flags & flag::NUM_LOCK != 0
}

fn keypad_digit(key: u8) -> Option<u8> {
    Some(match key {
        0x52 => 0,
        0x4f..=0x51 => key - 0x4f + 1,
        0x4b..=0x4d => key - 0x4b + 4,
        0x47..=0x49 => key - 0x47 + 7,
        _ => return None,
    })
}

/// A key as functions 00h and 01h tell it: those of the enhanced keyboard look like the old ones, and
/// those that had no counterpart are not seen.
fn as_seen_by(function: u8, key: u16) -> Option<u16> {
    let [character, scan] = key.to_le_bytes();
    if function >= 0x10 {
        // F0h marks a key only the enhanced functions know.
        return Some(if character == 0xf0 && scan != 0 { key & 0xff00 } else { key });
    }
    match (scan, character) {
        (0xe0, 0x0d | 0x0a) => Some(u16::from(code::ENTER) << 8 | u16::from(character)),
        (0xe0, b'/') => Some(u16::from(code::SLASH) << 8 | u16::from(character)),
        (scan, 0xe0) if scan != 0 => Some(u16::from(scan) << 8),
        (scan, 0xf0) if scan != 0 => None,
        (0x85.., 0) => None,
        _ => Some(key),
    }
}
