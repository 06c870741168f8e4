//! Fonts: INT 10h, AH = 11h.

use super::vga::{SEQUENCER, crtc};
use crate::bda::at;
use crate::device::{Firmware, Service};
use crate::font;
use crate::frame::Frame;
use crate::rom;

/// AL bit 4 of the functions that load a font: fit the rows of the screen to it.
const FIT_ROWS: u8 = 0x10;
/// The sequencer's character map select.
const CHARACTER_MAP: u8 = 3;

impl Firmware {
    /// AH = 11h.
    pub(super) fn fonts(&mut self, f: &mut Frame) -> Service {
        match f.al() {
            function @ (0x00 | 0x10) => {
                let height = f.bh().clamp(1, 32);
                let count = f.cx().min(256);
                let glyphs = self.take(f.es, f.bp(), count * u16::from(height))?;
                self.load_font(f.bl(), f.dx(), &glyphs, height);
                self.fit_rows(function, height);
            }
            function @ (0x01 | 0x11) => {
                self.load_font(f.bl(), 0, &font::font_8x14(), 14);
                self.fit_rows(function, 14);
            }
            function @ (0x02 | 0x12) => {
                self.load_font(f.bl(), 0, &font::font_8x8(), 8);
                self.fit_rows(function, 8);
            }
            function @ (0x04 | 0x14) => {
                self.load_font(f.bl(), 0, &font::font_8x16(), 16);
                self.fit_rows(function, 16);
            }
            0x03 => self.set_indexed(SEQUENCER, CHARACTER_MAP, f.bl()),
            0x20 => {
                self.machine.write16(0x1f * 4, f.bp());
                self.machine.write16(0x1f * 4 + 2, f.es);
            }
            0x21 => {
                self.machine.write16(0x43 * 4, f.bp());
                self.machine.write16(0x43 * 4 + 2, f.es);
                self.graphics_rows(f, f.cx().clamp(1, 32) as u8);
            }
            function @ 0x22..=0x24 => {
                let height = [14, 8, 16][usize::from(function - 0x22)];
                self.set_vector(0x43, rom::font_offset(height));
                self.graphics_rows(f, height);
            }
            0x30 => self.font_information(f),
            other => log::debug!("INT 10h, AX = 11{other:02x}h is not there"),
        }
        Ok(())
    }

    /// Changes the rows of a text mode to those that fit glyphs of this height.
    fn fit_rows(&mut self, function: u8, height: u8) {
        if function & FIT_ROWS == 0 || !self.is_text() {
            return;
        }
        const LINES: u16 = 400;
        let rows = LINES / u16::from(height);
        let port = self.crtc_port();
        let max = self.indexed(port, crtc::MAX_SCAN_LINE) & 0xe0;
        self.set_crtc(crtc::MAX_SCAN_LINE, max | (height - 1) & 0x1f);
        // The cursor: the last two lines but one.
        let base = if height < 14 { height - 1 } else { height - 2 };
        self.set_crtc(crtc::CURSOR_START, base.saturating_sub(1));
        self.set_crtc(crtc::CURSOR_END, base);
        let last_line = rows * u16::from(height) - 1;
        self.set_crtc(crtc::DISPLAY_END, last_line as u8);
        self.machine.write8(at::ROWS, (rows - 1).min(254) as u8);
        self.machine.write16(at::GLYPH_HEIGHT, height.into());
        let page = rows * u16::from(self.columns()) * 2;
        // As the IBM VGA: a page starts on the next 256 bytes.
        self.machine.write16(at::PAGE_SIZE, page.next_multiple_of(0x100));
    }

    /// The rows of a graphics mode: BL = 1, 2, 3 for 14, 25, 43, or 0 for DL.
    fn graphics_rows(&self, f: &Frame, height: u8) {
        let rows = match f.bl() {
            0 => f.dl(),
            1 => 14,
            3 => 43,
            _ => 25,
        };
        self.machine.write16(at::GLYPH_HEIGHT, height.into());
        self.machine.write8(at::ROWS, rows.max(1) - 1);
    }

    /// AL = 30h: ES:BP the font BH names, CX the rows of a glyph on the screen, DL the last row.
    fn font_information(&self, f: &mut Frame) {
        let vector =
            |vector: u64| (self.machine.read16(vector * 4 + 2), self.machine.read16(vector * 4));
        let rom = |offset| (rom::VGA_SEGMENT, offset);
        let (segment, offset) = match f.bh() {
            0x00 => vector(0x1f),
            0x01 => vector(0x43),
            // The 9-dot fonts have no glyphs of their own.
            0x02 | 0x05 => rom(rom::font_offset(14)),
            0x03 => rom(rom::font_offset(8)),
            0x04 => rom(rom::font_offset(8) + 128 * 8),
            0x06 | 0x07 => rom(rom::font_offset(16)),
            other => {
                log::debug!("INT 10h, AX = 1130h: there is no font {other:02x}h");
                return;
            }
        };
        f.es = segment;
        f.set_bp(offset);
        f.set_cx(self.machine.read16(at::GLYPH_HEIGHT));
        f.set_dl(self.machine.read8(at::ROWS));
    }
}
