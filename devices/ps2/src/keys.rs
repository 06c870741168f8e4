//! The keys, named as browsers name them, and their scan codes.

use serde::{Deserialize, Serialize};

/// What a key is in the scan code sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanCode {
    /// Set 2; the high byte is 0xE0 where that prefix goes before it.
    pub set2: u16,
    /// Set 3, which has no prefixes; 0 for keys it does not have.
    pub set3: u8,
}

macro_rules! keys {
    ($($name:ident $set2:literal $set3:literal)*) => {
        /// A key by its place on the keyboard: the values of the W3C's `KeyboardEvent.code`.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum KeyCode {
            $(
                #[doc = concat!("`\"", stringify!($name), "\"`.")]
                $name,
            )*
        }

        impl KeyCode {
            /// All keys.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            pub(crate) fn scan_code(self) -> ScanCode {
                match self {
                    $(Self::$name => ScanCode { set2: $set2, set3: $set3 },)*
                }
            }
        }
    };
}

// Set 2 and set 3 codes, as in the IBM PS/2 hardware reference's keyboard section; those of the
// multimedia keys, and of keys that only some national layouts have, as in Microsoft's keyboard scan
// code specification.
keys! {
    Escape 0x76 0x08
    F1 0x05 0x07
    F2 0x06 0x0f
    F3 0x04 0x17
    F4 0x0c 0x1f
    F5 0x03 0x27
    F6 0x0b 0x2f
    F7 0x83 0x37
    F8 0x0a 0x3f
    F9 0x01 0x47
    F10 0x09 0x4f
    F11 0x78 0x56
    F12 0x07 0x5e
    F13 0x08 0x7f
    F14 0x10 0x80
    F15 0x18 0x81
    F16 0x20 0x82
    F17 0x28 0x83
    F18 0x30 0
    F19 0x38 0
    F20 0x40 0
    F21 0x48 0
    F22 0x50 0
    F23 0x57 0
    F24 0x5f 0
    PrintScreen 0xe07c 0x57
    ScrollLock 0x7e 0x5f
    Pause 0xe07e 0x62

    Backquote 0x0e 0x0e
    Digit1 0x16 0x16
    Digit2 0x1e 0x1e
    Digit3 0x26 0x26
    Digit4 0x25 0x25
    Digit5 0x2e 0x2e
    Digit6 0x36 0x36
    Digit7 0x3d 0x3d
    Digit8 0x3e 0x3e
    Digit9 0x46 0x46
    Digit0 0x45 0x45
    Minus 0x4e 0x4e
    Equal 0x55 0x55
    Backspace 0x66 0x66
    Tab 0x0d 0x0d
    KeyQ 0x15 0x15
    KeyW 0x1d 0x1d
    KeyE 0x24 0x24
    KeyR 0x2d 0x2d
    KeyT 0x2c 0x2c
    KeyY 0x35 0x35
    KeyU 0x3c 0x3c
    KeyI 0x43 0x43
    KeyO 0x44 0x44
    KeyP 0x4d 0x4d
    BracketLeft 0x54 0x54
    BracketRight 0x5b 0x5b
    Backslash 0x5d 0x5c
    CapsLock 0x58 0x14
    KeyA 0x1c 0x1c
    KeyS 0x1b 0x1b
    KeyD 0x23 0x23
    KeyF 0x2b 0x2b
    KeyG 0x34 0x34
    KeyH 0x33 0x33
    KeyJ 0x3b 0x3b
    KeyK 0x42 0x42
    KeyL 0x4b 0x4b
    Semicolon 0x4c 0x4c
    Quote 0x52 0x52
    Enter 0x5a 0x5a
    ShiftLeft 0x12 0x12
    IntlBackslash 0x61 0x13
    KeyZ 0x1a 0x1a
    KeyX 0x22 0x22
    KeyC 0x21 0x21
    KeyV 0x2a 0x2a
    KeyB 0x32 0x32
    KeyN 0x31 0x31
    KeyM 0x3a 0x3a
    Comma 0x41 0x41
    Period 0x49 0x49
    Slash 0x4a 0x4a
    IntlRo 0x51 0x51
    ShiftRight 0x59 0x59
    ControlLeft 0x14 0x11
    MetaLeft 0xe01f 0x8b
    AltLeft 0x11 0x19
    NonConvert 0x67 0x85
    Space 0x29 0x29
    Convert 0x64 0x86
    KanaMode 0x13 0x87
    IntlYen 0x6a 0x5d
    AltRight 0xe011 0x39
    MetaRight 0xe027 0x8c
    ContextMenu 0xe02f 0x8d
    ControlRight 0xe014 0x58

    Insert 0xe070 0x67
    Home 0xe06c 0x6e
    PageUp 0xe07d 0x6f
    Delete 0xe071 0x64
    End 0xe069 0x65
    PageDown 0xe07a 0x6d
    ArrowUp 0xe075 0x63
    ArrowLeft 0xe06b 0x61
    ArrowDown 0xe072 0x60
    ArrowRight 0xe074 0x6a

    NumLock 0x77 0x76
    NumpadDivide 0xe04a 0x77
    NumpadMultiply 0x7c 0x7e
    NumpadSubtract 0x7b 0x84
    NumpadAdd 0x79 0x7c
    NumpadEnter 0xe05a 0x79
    NumpadEqual 0x0f 0
    NumpadComma 0x6d 0
    NumpadDecimal 0x71 0x71
    Numpad0 0x70 0x70
    Numpad1 0x69 0x69
    Numpad2 0x72 0x72
    Numpad3 0x7a 0x7a
    Numpad4 0x6b 0x6b
    Numpad5 0x73 0x73
    Numpad6 0x74 0x74
    Numpad7 0x6c 0x6c
    Numpad8 0x75 0x75
    Numpad9 0x7d 0x7d

    Power 0xe037 0
    Sleep 0xe03f 0
    WakeUp 0xe05e 0
    AudioVolumeMute 0xe023 0
    AudioVolumeDown 0xe021 0
    AudioVolumeUp 0xe032 0
    MediaTrackNext 0xe04d 0
    MediaTrackPrevious 0xe015 0
    MediaStop 0xe03b 0
    MediaPlayPause 0xe034 0
    MediaSelect 0xe050 0
    LaunchMail 0xe048 0
    LaunchApp1 0xe040 0
    LaunchApp2 0xe02b 0
    BrowserSearch 0xe010 0
    BrowserHome 0xe03a 0
    BrowserBack 0xe038 0
    BrowserForward 0xe030 0
    BrowserStop 0xe028 0
    BrowserRefresh 0xe020 0
    BrowserFavorites 0xe018 0
}

impl KeyCode {
    /// The key whose `KeyboardEvent.code` is `code`; `None` for keys that PS/2 keyboards do not have.
    pub fn from_code(code: &str) -> Option<Self> {
        let code = match code {
            // Names that some browsers still give.
            "OSLeft" => "MetaLeft",
            "OSRight" => "MetaRight",
            "VolumeMute" => "AudioVolumeMute",
            "VolumeDown" => "AudioVolumeDown",
            "VolumeUp" => "AudioVolumeUp",
            code => code,
        };
        let at = Self::NAMES.iter().position(|name| *name == code)?;
        Some(Self::ALL[at])
    }

    /// Its `KeyboardEvent.code`.
    pub fn code(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    pub(crate) fn is_shift(self) -> bool {
        matches!(self, Self::ShiftLeft | Self::ShiftRight)
    }

    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::ControlLeft | Self::ControlRight)
    }

    pub(crate) fn is_alt(self) -> bool {
        matches!(self, Self::AltLeft | Self::AltRight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_those_of_the_browser() {
        assert_eq!(KeyCode::from_code("KeyA"), Some(KeyCode::KeyA));
        assert_eq!(KeyCode::from_code("NumpadEnter"), Some(KeyCode::NumpadEnter));
        assert_eq!(KeyCode::from_code("OSLeft"), Some(KeyCode::MetaLeft));
        assert_eq!(KeyCode::from_code("Unidentified"), None);
        for key in KeyCode::ALL {
            assert_eq!(KeyCode::from_code(key.code()), Some(*key));
        }
    }

    #[test]
    fn no_two_keys_share_a_code() {
        let set2: BTreeSet<u16> = KeyCode::ALL.iter().map(|k| k.scan_code().set2).collect();
        assert_eq!(set2.len(), KeyCode::ALL.len());
        let with_set3: Vec<u8> =
            KeyCode::ALL.iter().map(|k| k.scan_code().set3).filter(|c| *c != 0).collect();
        let set3: BTreeSet<u8> = with_set3.iter().copied().collect();
        assert_eq!(set3.len(), with_set3.len());
    }
}
