//! The VGA's registers, and setting a mode.

use super::modes::{self, Layout, Mode};
use super::vbe;
use crate::bda::at;
use crate::device::Firmware;
use crate::font;
use crate::rom;

/// Ports.
pub(super) const ATTRIBUTE: u16 = 0x3c0;
pub(super) const ATTRIBUTE_READ: u16 = 0x3c1;
pub(super) const MISC_WRITE: u16 = 0x3c2;
pub(super) const SEQUENCER: u16 = 0x3c4;
pub(super) const DAC_MASK: u16 = 0x3c6;
pub(super) const DAC_READ: u16 = 0x3c7;
pub(super) const DAC_WRITE: u16 = 0x3c8;
pub(super) const DAC_DATA: u16 = 0x3c9;
pub(super) const MISC_READ: u16 = 0x3cc;
pub(super) const GRAPHICS: u16 = 0x3ce;
pub(super) const CRTC_COLOR: u16 = 0x3d4;
pub(super) const CRTC_MONO: u16 = 0x3b4;
/// From a CRT controller's index port to its input status register.
const STATUS_FROM_CRTC: u16 = 6;
/// The attribute controller's index: video on.
pub(super) const VIDEO_ON: u8 = 0x20;

/// CRT controller registers.
pub(super) mod crtc {
    pub const MAX_SCAN_LINE: u8 = 0x09;
    pub const CURSOR_START: u8 = 0x0a;
    pub const CURSOR_END: u8 = 0x0b;
    pub const START_HIGH: u8 = 0x0c;
    pub const CURSOR_HIGH: u8 = 0x0e;
    pub const PROTECT: u8 = 0x11;
    pub const DISPLAY_END: u8 = 0x12;
    pub const PROTECT_BIT: u8 = 0x80;
}

/// Display combination: a VGA with a colour screen.
pub(super) const COMBINATION_COLOR: u8 = 0x08;
/// Options of the BDA: 256 KiB; 400 lines, VGA active; and what the caller asked to keep.
const VIDEO_OPTIONS: u8 = 0x60;
const VGA_OPTIONS: u8 = 0x11;
pub(super) const OPTION_NO_PALETTE: u8 = 1 << 3;
pub(super) const OPTION_GREY: u8 = 1 << 1;
const SWITCHES: u8 = 0xf9;

impl Firmware {
    /// The CRT controller's index port, colour or monochrome.
    pub(super) fn crtc_port(&self) -> u16 {
        if self.machine.read16(at::CRTC_PORT) == CRTC_MONO { CRTC_MONO } else { CRTC_COLOR }
    }

    /// Writes register `index` of the block whose index port is `port`; its data port follows.
    pub(super) fn set_indexed(&self, port: u16, index: u8, value: u8) {
        self.machine.out8(port, index);
        self.machine.out8(port + 1, value);
    }

    pub(super) fn indexed(&self, port: u16, index: u8) -> u8 {
        self.machine.out8(port, index);
        self.machine.in8(port + 1)
    }

    pub(super) fn set_crtc(&self, index: u8, value: u8) {
        self.set_indexed(self.crtc_port(), index, value);
    }

    pub(super) fn set_crtc16(&self, index: u8, value: u16) {
        let [low, high] = value.to_le_bytes();
        self.set_crtc(index, high);
        self.set_crtc(index + 1, low);
    }

    /// Makes the attribute controller take an index next.
    pub(super) fn attribute_reset(&self) {
        self.machine.in8(self.crtc_port() + STATUS_FROM_CRTC);
    }

    pub(super) fn set_attribute(&self, index: u8, value: u8) {
        self.attribute_reset();
        self.machine.out8(ATTRIBUTE, index);
        self.machine.out8(ATTRIBUTE, value);
        self.machine.out8(ATTRIBUTE, VIDEO_ON);
    }

    pub(super) fn attribute(&self, index: u8) -> u8 {
        self.attribute_reset();
        self.machine.out8(ATTRIBUTE, index);
        let value = self.machine.in8(ATTRIBUTE_READ);
        self.attribute_reset();
        self.machine.out8(ATTRIBUTE, VIDEO_ON);
        value
    }

    pub(super) fn set_dac(&self, first: u8, colors: &[[u8; 3]]) {
        self.machine.out8(DAC_WRITE, first);
        for color in colors {
            for part in color {
                self.machine.out8(DAC_DATA, *part);
            }
        }
    }

    pub(super) fn dac(&self, first: u8, count: usize) -> Vec<[u8; 3]> {
        self.machine.out8(DAC_READ, first);
        (0..count).map(|_| std::array::from_fn(|_| self.machine.in8(DAC_DATA))).collect()
    }

    /// Puts the VGA into a mode.
    pub(super) fn set_vga_mode(&mut self, mode: &'static Mode, keep_memory: bool) {
        self.vbe_disable();
        self.state.video.vbe_mode = 0;
        let crtc_port = if mode.misc & 1 != 0 { CRTC_COLOR } else { CRTC_MONO };
        self.machine.write16(at::CRTC_PORT, crtc_port);
        self.set_registers(mode);
        let options = self.machine.read8(at::VGA_OPTIONS);
        if options & OPTION_NO_PALETTE == 0 {
            self.machine.out8(DAC_MASK, 0xff);
            let mut colors = modes::colors(mode.palette);
            if options & OPTION_GREY != 0 {
                colors.iter_mut().for_each(super::palette::to_grey);
            }
            colors.resize(256, [0; 3]);
            self.set_dac(0, &colors);
        }
        if mode.layout == Layout::Text {
            self.load_font(0, 0, &font::font_8x16(), 16);
        }
        if !keep_memory {
            self.clear_memory(mode);
        }
        self.attribute_reset();
        self.machine.out8(ATTRIBUTE, VIDEO_ON);
        self.publish_mode(mode, keep_memory, options);
    }

    fn set_registers(&self, mode: &Mode) {
        self.attribute_reset();
        // Blank while the timing changes.
        self.machine.out8(ATTRIBUTE, 0);
        self.set_indexed(SEQUENCER, 0, 0x01);
        self.machine.out8(MISC_WRITE, mode.misc);
        for (index, value) in (1..).zip(mode.sequencer) {
            self.set_indexed(SEQUENCER, index, value);
        }
        self.set_indexed(SEQUENCER, 0, 0x03);
        self.set_crtc(crtc::PROTECT, mode.crtc[usize::from(crtc::PROTECT)] & !crtc::PROTECT_BIT);
        for (index, value) in (0..).zip(mode.crtc) {
            self.set_crtc(index, *value);
        }
        for (index, value) in (0..).zip(mode.graphics) {
            self.set_indexed(GRAPHICS, index, value);
        }
        self.attribute_reset();
        for (index, value) in (0..).zip(mode.attributes) {
            self.machine.out8(ATTRIBUTE, index);
            self.machine.out8(ATTRIBUTE, *value);
        }
        // Colour select.
        self.machine.out8(ATTRIBUTE, 0x14);
        self.machine.out8(ATTRIBUTE, 0);
    }

    fn clear_memory(&self, mode: &Mode) {
        const WINDOW_A: usize = 0x1_0000;
        const WINDOW_B: usize = 0x8000;
        let base = u64::from(mode.segment) << 4;
        match mode.layout {
            Layout::Text => {
                let blank: Vec<u8> = [b' ', 0x07].repeat(WINDOW_B / 2);
                self.machine.write(base, &blank);
            }
            Layout::Cga(_) => self.machine.write(base, &[0; WINDOW_B]),
            Layout::Planar | Layout::Linear => self.machine.write(base, &[0; WINDOW_A]),
        }
    }

    /// What programs look up in the BDA.
    fn publish_mode(&self, mode: &Mode, keep_memory: bool, options: u8) {
        let kept = if keep_memory { 0x80 } else { 0 };
        self.machine.write8(at::VIDEO_MODE, mode.number);
        self.machine.write16(at::COLUMNS, mode.columns.into());
        self.machine.write16(at::PAGE_SIZE, mode.page_size);
        self.machine.write16(at::PAGE_START, 0);
        self.machine.write(at::CURSORS, &[0; 16]);
        self.machine.write16(at::CURSOR_SHAPE, 0x0607);
        self.machine.write8(at::ACTIVE_PAGE, 0);
        self.machine.write8(at::CGA_MODE, mode.cga_mode);
        self.machine.write8(at::CGA_PALETTE, if mode.number == 6 { 0x3f } else { 0x30 });
        self.machine.write8(at::ROWS, mode.rows - 1);
        self.machine.write16(at::GLYPH_HEIGHT, mode.height.into());
        self.machine.write8(at::VIDEO_OPTIONS, VIDEO_OPTIONS | kept);
        self.machine.write8(at::VIDEO_SWITCHES, SWITCHES);
        self.machine.write8(at::VGA_OPTIONS, VGA_OPTIONS | options & !0x91);
        self.machine.write8(at::DISPLAY_COMBINATION, COMBINATION_COLOR);
        self.set_vector(0x43, rom::font_offset(mode.height));
        self.set_vector(0x1f, rom::font_offset(8) + 128 * 8);
    }

    /// Points a vector into the video ROM.
    pub(super) fn set_vector(&self, vector: u64, offset: u16) {
        self.machine.write16(vector * 4, offset);
        self.machine.write16(vector * 4 + 2, rom::VGA_SEGMENT);
    }

    /// Loads glyphs into a font block of text modes: plane 2, 32 bytes a glyph.
    pub(super) fn load_font(&self, block: u8, first: u16, glyphs: &[u8], height: u8) {
        const GLYPH_ROOM: u64 = 32;
        /// Where block 0 to 7 lie, in 8 KiB.
        const BLOCKS: [u64; 8] = [0, 2, 4, 6, 1, 3, 5, 7];
        if height == 0 {
            return;
        }
        let saved = [2, 4].map(|index| self.indexed(SEQUENCER, index));
        let saved_graphics = [4, 5, 6].map(|index| self.indexed(GRAPHICS, index));
        // Write plane 2 alone, at A0000h, without odd/even.
        for (index, value) in [(2, 0x04), (4, 0x06)] {
            self.set_indexed(SEQUENCER, index, value);
        }
        for (index, value) in [(4, 0x02), (5, 0x00), (6, 0x04)] {
            self.set_indexed(GRAPHICS, index, value);
        }
        let base = 0xa_0000 + BLOCKS[usize::from(block & 7)] * 0x2000;
        for (glyph, rows) in (u64::from(first)..256).zip(glyphs.chunks(height.into())) {
            let mut room = [0; GLYPH_ROOM as usize];
            let len = rows.len().min(room.len());
            room[..len].copy_from_slice(&rows[..len]);
            self.machine.write(base + glyph * GLYPH_ROOM, &room);
        }
        for (index, value) in [2, 4].into_iter().zip(saved) {
            self.set_indexed(SEQUENCER, index, value);
        }
        for (index, value) in [4, 5, 6].into_iter().zip(saved_graphics) {
            self.set_indexed(GRAPHICS, index, value);
        }
    }

    fn vbe_disable(&self) {
        vbe::disable(&self.machine);
    }
}
