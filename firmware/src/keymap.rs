//! What each key means to INT 16h: scan code in the high byte, character in the low byte.

/// The four meanings of a key: plain, with Shift, with Ctrl, with Alt. 0 means none.
pub(crate) type Key = [u16; 4];

/// Scan codes (set 1) of keys that are treated apart.
pub(crate) mod code {
    pub const CTRL: u8 = 0x1d;
    pub const LEFT_SHIFT: u8 = 0x2a;
    pub const RIGHT_SHIFT: u8 = 0x36;
    pub const PRINT_SCREEN: u8 = 0x37;
    pub const ALT: u8 = 0x38;
    pub const CAPS_LOCK: u8 = 0x3a;
    pub const NUM_LOCK: u8 = 0x45;
    pub const SCROLL_LOCK: u8 = 0x46;
    pub const KEYPAD_FIRST: u8 = 0x47;
    pub const KEYPAD_MINUS: u8 = 0x4a;
    pub const KEYPAD_PLUS: u8 = 0x4e;
    pub const INSERT: u8 = 0x52;
    pub const DELETE: u8 = 0x53;
    pub const KEYPAD_LAST: u8 = 0x53;
    pub const ENTER: u8 = 0x1c;
    pub const SLASH: u8 = 0x35;
    /// Set in the code of a released key.
    pub const RELEASED: u8 = 0x80;
    pub const EXTENDED: u8 = 0xe0;
    pub const EXTENDED_1: u8 = 0xe1;
    pub const ACKNOWLEDGE: u8 = 0xfa;
    pub const RESEND: u8 = 0xfe;
}

/// Keys of the top row and the punctuation: scan code, plain and shifted character, with Ctrl, with Alt.
const PRINTING: &[(u8, u8, u8, u16, u16)] = &[
    (0x02, b'1', b'!', 0, 0x7800),
    (0x03, b'2', b'@', 0x0300, 0x7900),
    (0x04, b'3', b'#', 0, 0x7a00),
    (0x05, b'4', b'$', 0, 0x7b00),
    (0x06, b'5', b'%', 0, 0x7c00),
    (0x07, b'6', b'^', 0x071e, 0x7d00),
    (0x08, b'7', b'&', 0, 0x7e00),
    (0x09, b'8', b'*', 0, 0x7f00),
    (0x0a, b'9', b'(', 0, 0x8000),
    (0x0b, b'0', b')', 0, 0x8100),
    (0x0c, b'-', b'_', 0x0c1f, 0x8200),
    (0x0d, b'=', b'+', 0, 0x8300),
    (0x1a, b'[', b'{', 0x1a1b, 0x1a00),
    (0x1b, b']', b'}', 0x1b1d, 0x1b00),
    (0x27, b';', b':', 0, 0x2700),
    (0x28, b'\'', b'"', 0, 0x2800),
    (0x29, b'`', b'~', 0, 0x2900),
    (0x2b, b'\\', b'|', 0x2b1c, 0x2b00),
    (0x33, b',', b'<', 0, 0x3300),
    (0x34, b'.', b'>', 0, 0x3400),
    (0x35, b'/', b'?', 0, 0x3500),
    (0x56, b'\\', b'|', 0, 0),
];

/// The rows of letters: the first key's scan code, and the letters.
const LETTERS: &[(u8, &[u8])] = &[(0x10, b"qwertyuiop"), (0x1e, b"asdfghjkl"), (0x2c, b"zxcvbnm")];

/// All four meanings of other keys.
const OTHERS: &[(u8, Key)] = &[
    (0x01, [0x011b, 0x011b, 0x011b, 0x0100]),
    (0x0e, [0x0e08, 0x0e08, 0x0e7f, 0x0e00]),
    (0x0f, [0x0f09, 0x0f00, 0x9400, 0xa500]),
    (0x1c, [0x1c0d, 0x1c0d, 0x1c0a, 0xa600]),
    (0x37, [0x372a, 0x372a, 0x9600, 0x3700]),
    (0x39, [0x3920, 0x3920, 0x3920, 0x3920]),
    (0x47, [0x4700, 0x4737, 0x7700, 0]),
    (0x48, [0x4800, 0x4838, 0x8d00, 0]),
    (0x49, [0x4900, 0x4939, 0x8400, 0]),
    (0x4a, [0x4a2d, 0x4a2d, 0x8e00, 0x4a00]),
    (0x4b, [0x4b00, 0x4b34, 0x7300, 0]),
    (0x4c, [0x4cf0, 0x4c35, 0x8f00, 0]),
    (0x4d, [0x4d00, 0x4d36, 0x7400, 0]),
    (0x4e, [0x4e2b, 0x4e2b, 0x9000, 0x4e00]),
    (0x4f, [0x4f00, 0x4f31, 0x7500, 0]),
    (0x50, [0x5000, 0x5032, 0x9100, 0]),
    (0x51, [0x5100, 0x5133, 0x7600, 0]),
    (0x52, [0x5200, 0x5230, 0x9200, 0]),
    (0x53, [0x5300, 0x532e, 0x9300, 0]),
    (0x57, [0x8500, 0x8700, 0x8900, 0x8b00]),
    (0x58, [0x8600, 0x8800, 0x8a00, 0x8c00]),
];

/// Keys whose scan code follows an E0h.
const EXTENDED: &[(u8, Key)] = &[
    (0x1c, [0xe00d, 0xe00d, 0xe00a, 0xa600]),
    (0x35, [0xe02f, 0xe02f, 0x9500, 0xa400]),
    (0x47, [0x47e0, 0x47e0, 0x77e0, 0x9700]),
    (0x48, [0x48e0, 0x48e0, 0x8de0, 0x9800]),
    (0x49, [0x49e0, 0x49e0, 0x84e0, 0x9900]),
    (0x4b, [0x4be0, 0x4be0, 0x73e0, 0x9b00]),
    (0x4d, [0x4de0, 0x4de0, 0x74e0, 0x9d00]),
    (0x4f, [0x4fe0, 0x4fe0, 0x75e0, 0x9f00]),
    (0x50, [0x50e0, 0x50e0, 0x91e0, 0xa000]),
    (0x51, [0x51e0, 0x51e0, 0x76e0, 0xa100]),
    (0x52, [0x52e0, 0x52e0, 0x92e0, 0xa200]),
    (0x53, [0x53e0, 0x53e0, 0x93e0, 0xa300]),
];

/// F1 to F10 with nothing, Shift, Ctrl, Alt: the scan code of F1.
const FUNCTION_FIRST: u8 = 0x3b;
const FUNCTION_LAST: u8 = 0x44;
const FUNCTION_CODES: [u8; 4] = [0x3b, 0x54, 0x5e, 0x68];

fn letter(scan: u8) -> Option<u8> {
    LETTERS.iter().find_map(|(first, row)| row.get(usize::from(scan.checked_sub(*first)?)).copied())
}

/// Whether Caps Lock changes the key.
pub(crate) fn is_letter(scan: u8) -> bool {
    letter(scan).is_some()
}

/// What the key means, `None` if it means nothing.
pub(crate) fn key(scan: u8, extended: bool) -> Option<Key> {
    if extended {
        return EXTENDED.iter().find(|(code, _)| *code == scan).map(|(_, key)| *key);
    }
    let with = |character: u8| u16::from(scan) << 8 | u16::from(character);
    if let Some(lower) = letter(scan) {
        let upper = lower.to_ascii_uppercase();
        return Some([with(lower), with(upper), with(lower & 0x1f), with(0)]);
    }
    if (FUNCTION_FIRST..=FUNCTION_LAST).contains(&scan) {
        return Some(FUNCTION_CODES.map(|first| u16::from(first + scan - FUNCTION_FIRST) << 8));
    }
    if let Some((_, plain, shifted, ctrl, alt)) = PRINTING.iter().find(|k| k.0 == scan) {
        return Some([with(*plain), with(*shifted), *ctrl, *alt]);
    }
    OTHERS.iter().find(|(code, _)| *code == scan).map(|(_, key)| *key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_technical_reference_says() {
        assert_eq!(key(0x1e, false), Some([0x1e61, 0x1e41, 0x1e01, 0x1e00]));
        assert_eq!(key(0x44, false), Some([0x4400, 0x5d00, 0x6700, 0x7100]));
        assert_eq!(key(0x19, false), Some([0x1970, 0x1950, 0x1910, 0x1900]));
        assert_eq!(key(0x1c, true), Some([0xe00d, 0xe00d, 0xe00a, 0xa600]));
        assert_eq!(key(0x48, true), Some([0x48e0, 0x48e0, 0x8de0, 0x9800]));
        assert_eq!(key(0x7f, false), None);
        assert!(is_letter(0x32) && !is_letter(0x33));
    }
}
