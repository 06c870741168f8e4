//! Ports, register indices and bits of the VGA (IBM PS/2 hardware reference, video subsystem), and
//! the whole register state.

use serde::{Deserialize, Serialize};

use crate::dac::Dac;
use crate::vbe::Vbe;

/// Ports, which are also their offsets in the device's space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    CrtcIndex,
    CrtcData,
    /// Input status 1 when read, feature control when written.
    InputStatus1OrFeature,
    /// Attribute index and data in turn.
    Attribute,
    AttributeRead,
    /// Input status 0 when read, miscellaneous output when written.
    InputStatus0OrMisc,
    SequencerIndex,
    SequencerData,
    PelMask,
    /// State of the DAC when read, read index when written.
    DacStateOrReadIndex,
    DacWriteIndex,
    DacData,
    FeatureRead,
    MiscRead,
    GraphicsIndex,
    GraphicsData,
}

impl Port {
    /// What answers at `port`. The CRTC's ports and input status 1 are at 0x3Dx in colour and at
    /// 0x3Bx in monochrome emulation.
    pub fn at(port: u64, color: bool) -> Option<Self> {
        Some(match (port, color) {
            (0x3b4, false) | (0x3d4, true) => Self::CrtcIndex,
            (0x3b5, false) | (0x3d5, true) => Self::CrtcData,
            (0x3ba, false) | (0x3da, true) => Self::InputStatus1OrFeature,
            (0x3c0, _) => Self::Attribute,
            (0x3c1, _) => Self::AttributeRead,
            (0x3c2, _) => Self::InputStatus0OrMisc,
            (0x3c4, _) => Self::SequencerIndex,
            (0x3c5, _) => Self::SequencerData,
            (0x3c6, _) => Self::PelMask,
            (0x3c7, _) => Self::DacStateOrReadIndex,
            (0x3c8, _) => Self::DacWriteIndex,
            (0x3c9, _) => Self::DacData,
            (0x3ca, _) => Self::FeatureRead,
            (0x3cc, _) => Self::MiscRead,
            (0x3ce, _) => Self::GraphicsIndex,
            (0x3cf, _) => Self::GraphicsData,
            _ => return None,
        })
    }
}

/// Sequencer registers.
pub mod seq {
    pub const CLOCKING_MODE: usize = 1;
    pub const MAP_MASK: usize = 2;
    pub const CHARACTER_MAP: usize = 3;
    pub const MEMORY_MODE: usize = 4;
    pub const COUNT: usize = 5;
    /// Bits that exist.
    pub const BITS: [u8; COUNT] = [0x03, 0x3d, 0x0f, 0x3f, 0x0e];

    /// Clocking mode: characters are eight dots wide, not nine.
    pub const EIGHT_DOTS: u8 = 1 << 0;
    /// Clocking mode: the dot clock is halved.
    pub const HALF_CLOCK: u8 = 1 << 3;
    /// Clocking mode: nothing is shown.
    pub const SCREEN_OFF: u8 = 1 << 5;
    /// Memory mode: address bits 1 and 0 select the plane.
    pub const CHAIN_4: u8 = 1 << 3;
}

/// Graphics controller registers.
pub mod gfx {
    pub const SET_RESET: usize = 0;
    pub const ENABLE_SET_RESET: usize = 1;
    pub const COLOR_COMPARE: usize = 2;
    pub const DATA_ROTATE: usize = 3;
    pub const READ_MAP: usize = 4;
    pub const MODE: usize = 5;
    pub const MISC: usize = 6;
    pub const COLOR_DONT_CARE: usize = 7;
    pub const BIT_MASK: usize = 8;
    pub const COUNT: usize = 9;
    /// Bits that exist.
    pub const BITS: [u8; COUNT] = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff];

    /// Mode: write mode.
    pub const WRITE_MODE: u8 = 0b11;
    /// Mode: reads compare colours.
    pub const READ_MODE_1: u8 = 1 << 3;
    /// Mode: even addresses are planes 0 and 2, odd ones 1 and 3.
    pub const ODD_EVEN: u8 = 1 << 4;
    /// Mode: the shift registers give two bits of each plane at a time, as a CGA has them.
    pub const SHIFT_INTERLEAVED: u8 = 1 << 5;
    /// Mode: the shift registers give eight bits a pixel.
    pub const SHIFT_256: u8 = 1 << 6;
    /// Miscellaneous: graphics, not text.
    pub const GRAPHICS: u8 = 1 << 0;
    /// Miscellaneous: where the memory window is.
    pub const MEMORY_MAP: u8 = 0b1100;
    pub const MEMORY_MAP_A0000_64K: u8 = 0b0100;
    pub const MEMORY_MAP_B0000_32K: u8 = 0b1000;
    pub const MEMORY_MAP_B8000_32K: u8 = 0b1100;
}

/// CRT controller registers.
pub mod crtc {
    pub const HORIZONTAL_TOTAL: usize = 0x00;
    pub const HORIZONTAL_DISPLAY_END: usize = 0x01;
    pub const VERTICAL_TOTAL: usize = 0x06;
    pub const OVERFLOW: usize = 0x07;
    pub const PRESET_ROW_SCAN: usize = 0x08;
    pub const MAX_SCAN_LINE: usize = 0x09;
    pub const CURSOR_START: usize = 0x0a;
    pub const CURSOR_END: usize = 0x0b;
    pub const START_ADDRESS_HIGH: usize = 0x0c;
    pub const START_ADDRESS_LOW: usize = 0x0d;
    pub const CURSOR_HIGH: usize = 0x0e;
    pub const CURSOR_LOW: usize = 0x0f;
    pub const VERTICAL_RETRACE_START: usize = 0x10;
    pub const VERTICAL_RETRACE_END: usize = 0x11;
    pub const VERTICAL_DISPLAY_END: usize = 0x12;
    pub const OFFSET: usize = 0x13;
    pub const UNDERLINE: usize = 0x14;
    pub const MODE_CONTROL: usize = 0x17;
    pub const LINE_COMPARE: usize = 0x18;
    pub const COUNT: usize = 0x19;
    /// Reads as the graphics controller's latch.
    pub const LATCH: usize = 0x22;

    /// Vertical retrace end: registers 0 to 7 are protected.
    pub const PROTECT: u8 = 1 << 7;
    /// The bit of the overflow register that is never protected: line compare's.
    pub const OVERFLOW_LINE_COMPARE: u8 = 1 << 4;
    /// Maximum scan line: each line is shown twice.
    pub const DOUBLE_SCAN: u8 = 1 << 7;
    /// Cursor start: there is no cursor.
    pub const CURSOR_OFF: u8 = 1 << 5;
    /// Scan lines within a character row.
    pub const ROW_SCAN: u8 = 0x1f;
    /// Mode control: row scan bit 0 is not an address bit, as it is on a CGA.
    pub const NO_CGA_BANKS: u8 = 1 << 0;
    /// Mode control: row scan bit 1 is not an address bit, as it is on a Hercules card.
    pub const NO_HERCULES_BANKS: u8 = 1 << 1;
    /// Mode control: byte addresses.
    pub const BYTE_MODE: u8 = 1 << 6;
}

/// Attribute controller registers; the first 16 are the palette.
pub mod attr {
    pub const PALETTE_LEN: usize = 16;
    pub const MODE_CONTROL: usize = 0x10;
    pub const PLANE_ENABLE: usize = 0x12;
    pub const PEL_PANNING: usize = 0x13;
    pub const COLOR_SELECT: usize = 0x14;
    pub const COUNT: usize = 0x15;
    /// Bits of the mode control, plane enable, panning and colour select registers that exist.
    pub const BITS: [u8; COUNT - PALETTE_LEN] = [0xef, 0xff, 0x3f, 0x0f, 0x0f];
    pub const PALETTE_BITS: u8 = 0x3f;

    /// Index: the palette belongs to the display, which is on.
    pub const PALETTE_ADDRESS_SOURCE: u8 = 1 << 5;
    pub const INDEX: u8 = 0x1f;
    /// Mode control: monochrome emulation, which underlines.
    pub const MONOCHROME: u8 = 1 << 1;
    /// Mode control: line graphics characters fill their ninth dot.
    pub const LINE_GRAPHICS: u8 = 1 << 2;
    /// Mode control: attribute bit 7 blinks.
    pub const BLINK: u8 = 1 << 3;
    /// Mode control: below the split screen's line there is no panning.
    pub const PANNING_STOPS_AT_SPLIT: u8 = 1 << 5;
    /// Mode control: bits 5 and 4 of the colour come from the colour select register.
    pub const COLOR_SELECT_54: u8 = 1 << 7;
}

/// Miscellaneous output.
pub mod misc {
    /// The CRTC's ports are at 0x3Dx.
    pub const COLOR: u8 = 1 << 0;
    /// 28.322 MHz, not 25.175 MHz.
    pub const CLOCK_28: u8 = 1 << 2;
}

/// Input status 0: the monitor answers to the switch sense.
pub const INPUT_STATUS_0: u8 = 0x10;
/// Input status 1: nothing is being shown.
pub const STATUS_DISPLAY_DISABLED: u8 = 1 << 0;
/// Input status 1: vertical retrace.
pub const STATUS_VERTICAL_RETRACE: u8 = 1 << 3;

/// All registers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registers {
    pub misc: u8,
    pub feature: u8,
    pub seq_index: u8,
    pub seq: [u8; seq::COUNT],
    pub gfx_index: u8,
    pub gfx: [u8; gfx::COUNT],
    pub crtc_index: u8,
    pub crtc: [u8; crtc::COUNT],
    pub attr_index: u8,
    /// The next write to the attribute port is data.
    pub attr_data_next: bool,
    pub attr: [u8; attr::COUNT],
    /// A byte of each plane, from plane 0 in the low byte up.
    pub latch: u32,
    pub dac: Dac,
    pub vbe: Vbe,
}

impl Registers {
    /// A sequencer register as it works. VBE modes but those of planes chain all four planes; what is
    /// read back, and works again afterwards, stays what was written.
    pub fn sequencer(&self, register: usize) -> u8 {
        let value = self.seq[register];
        match register {
            seq::MAP_MASK if self.vbe.is_packed() => seq::BITS[seq::MAP_MASK],
            seq::MEMORY_MODE if self.vbe.is_packed() => value | seq::CHAIN_4,
            _ => value,
        }
    }

    pub fn is_color(&self) -> bool {
        self.misc & misc::COLOR != 0
    }

    /// Whether anything is shown.
    pub fn is_display_on(&self) -> bool {
        self.attr_index & attr::PALETTE_ADDRESS_SOURCE != 0
            && self.seq[seq::CLOCKING_MODE] & seq::SCREEN_OFF == 0
    }

    pub fn is_graphics(&self) -> bool {
        self.gfx[gfx::MISC] & gfx::GRAPHICS != 0
    }

    /// A vertical counter of the CRTC: low byte in `register`, bits 8 and 9 in the overflow register.
    fn vertical(&self, register: usize, bit8: u8, bit9: u8) -> u32 {
        let overflow = self.crtc[crtc::OVERFLOW];
        u32::from(self.crtc[register])
            | u32::from(overflow >> bit8 & 1) << 8
            | u32::from(overflow >> bit9 & 1) << 9
    }

    /// Scan lines shown.
    pub fn vertical_display(&self) -> u32 {
        self.vertical(crtc::VERTICAL_DISPLAY_END, 1, 6) + 1
    }

    /// Scan lines in all.
    pub fn vertical_total(&self) -> u32 {
        self.vertical(crtc::VERTICAL_TOTAL, 0, 5) + 2
    }

    /// First scan line of the vertical retrace.
    pub fn vertical_retrace_start(&self) -> u32 {
        self.vertical(crtc::VERTICAL_RETRACE_START, 2, 7)
    }

    /// The last scan line before the split screen, which starts at address 0.
    pub fn line_compare(&self) -> u32 {
        u32::from(self.crtc[crtc::LINE_COMPARE])
            | u32::from(self.crtc[crtc::OVERFLOW] >> 4 & 1) << 8
            | u32::from(self.crtc[crtc::MAX_SCAN_LINE] >> 6 & 1) << 9
    }

    /// Characters (or, in graphics, groups of eight dots) shown in a line.
    pub fn columns(&self) -> u32 {
        u32::from(self.crtc[crtc::HORIZONTAL_DISPLAY_END]) + 1
    }

    /// Dots in a character.
    pub fn dots(&self) -> u32 {
        if self.seq[seq::CLOCKING_MODE] & seq::EIGHT_DOTS != 0 { 8 } else { 9 }
    }

    pub fn is_half_clock(&self) -> bool {
        self.seq[seq::CLOCKING_MODE] & seq::HALF_CLOCK != 0
    }

    /// Address of the first character, byte panning included.
    pub fn start_address(&self) -> u32 {
        let start = u16::from_be_bytes([
            self.crtc[crtc::START_ADDRESS_HIGH],
            self.crtc[crtc::START_ADDRESS_LOW],
        ]);
        u32::from(start) + u32::from(self.crtc[crtc::PRESET_ROW_SCAN] >> 5 & 0b11)
    }

    /// From a row's address to the next row's.
    pub fn row_pitch(&self) -> u32 {
        u32::from(self.crtc[crtc::OFFSET]) * 2
    }

    pub fn cursor_address(&self) -> u32 {
        u16::from_be_bytes([self.crtc[crtc::CURSOR_HIGH], self.crtc[crtc::CURSOR_LOW]]).into()
    }
}
