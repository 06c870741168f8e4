//! Pixels, and characters made of them.

use super::modes::{Layout, Mode};
use super::text::{Area, Cell};
use super::vga::{GRAPHICS, SEQUENCER};
use crate::bda::at;
use crate::device::Firmware;
use crate::frame::{Frame, linear};

/// AL and BL bit 7: mix the colour in by exclusive or.
const XOR: u8 = 0x80;

/// Graphics controller registers.
mod gc {
    pub const SET_RESET: u8 = 0;
    pub const ENABLE_SET_RESET: u8 = 1;
    pub const ROTATE: u8 = 3;
    pub const READ_MAP: u8 = 4;
    pub const MODE: u8 = 5;
    pub const BIT_MASK: u8 = 8;
    /// Rotate register: exclusive or with the latches.
    pub const XOR: u8 = 0x18;
    /// Mode register: write what was latched.
    pub const WRITE_LATCHES: u8 = 1;
}
const MAP_MASK: u8 = 2;
const ALL_PLANES: u8 = 0x0f;

/// Bytes from one pixel row to the next, in planar modes and mode 13h.
fn pitch(mode: &Mode) -> u64 {
    match mode.layout {
        Layout::Linear => 320,
        _ => mode.columns.into(),
    }
}

/// Where the byte of a pixel is in the CGA's memory.
fn cga_address(bits: u8, x: u32, y: u32) -> u64 {
    let row = u64::from(y & 1) * 0x2000 + u64::from(y >> 1) * 80;
    0xb_8000 + row + u64::from(x / u32::from(8 / bits))
}

impl Firmware {
    fn page_base(&self, mode: &Mode, page: u8) -> u64 {
        let page = if page < mode.pages { page } else { 0 };
        (u64::from(mode.segment) << 4) + u64::from(mode.page_size) * u64::from(page)
    }

    /// Whether a pixel is on the screen.
    fn in_mode(mode: &Mode, x: u32, y: u32) -> bool {
        let rows = u32::from(mode.rows) * u32::from(mode.height);
        x < u32::from(mode.columns) * 8 && y < rows
    }

    /// AH = 0Ch.
    pub(super) fn write_pixel(&self, f: &Frame) {
        let Some(mode) = self.mode() else { return };
        let (x, y) = (f.cx().into(), f.dx().into());
        if mode.layout == Layout::Text || !Self::in_mode(mode, x, y) {
            return;
        }
        let xor = f.al() & XOR != 0 && mode.layout != Layout::Linear;
        match mode.layout {
            Layout::Text => {}
            Layout::Cga(bits) => {
                let at = cga_address(bits, x, y);
                let (mask, shift) = cga_bits(bits, x);
                let color = (f.al() & mask) << shift;
                let old = self.machine.read8(at);
                let new = if xor { old ^ color } else { old & !(mask << shift) | color };
                self.machine.write8(at, new);
            }
            Layout::Planar => {
                let at = self.page_base(mode, f.bh()) + u64::from(y) * pitch(mode);
                self.begin_planar(xor);
                self.planar_byte(at + u64::from(x / 8), 0x80 >> (x % 8), f.al() & ALL_PLANES);
                self.end_planar();
            }
            Layout::Linear => {
                let at = linear(mode.segment, 0) + u64::from(y) * pitch(mode) + u64::from(x);
                self.machine.write8(at, f.al());
            }
        }
    }

    /// AH = 0Dh.
    pub(super) fn read_pixel(&self, f: &mut Frame) {
        let Some(mode) = self.mode() else { return };
        let (x, y) = (u32::from(f.cx()), u32::from(f.dx()));
        if !Self::in_mode(mode, x, y) {
            f.set_al(0);
            return;
        }
        let color = match mode.layout {
            Layout::Text => 0,
            Layout::Cga(bits) => {
                let (mask, shift) = cga_bits(bits, x);
                self.machine.read8(cga_address(bits, x, y)) >> shift & mask
            }
            Layout::Planar => {
                let row = self.page_base(mode, f.bh()) + u64::from(y) * pitch(mode);
                let at = row + u64::from(x / 8);
                let mut color = 0;
                for plane in 0..4 {
                    self.set_indexed(GRAPHICS, gc::READ_MAP, plane);
                    color |= (self.machine.read8(at) >> (7 - x % 8) & 1) << plane;
                }
                self.set_indexed(GRAPHICS, gc::READ_MAP, 0);
                color
            }
            Layout::Linear => {
                let at = linear(mode.segment, 0) + u64::from(y) * pitch(mode) + u64::from(x);
                self.machine.read8(at)
            }
        };
        f.set_al(color);
    }

    fn begin_planar(&self, xor: bool) {
        self.set_indexed(SEQUENCER, MAP_MASK, ALL_PLANES);
        self.set_indexed(GRAPHICS, gc::MODE, 0);
        self.set_indexed(GRAPHICS, gc::ENABLE_SET_RESET, ALL_PLANES);
        self.set_indexed(GRAPHICS, gc::ROTATE, if xor { gc::XOR } else { 0 });
    }

    /// Sets the pixels of one byte whose bits are in `mask` to a colour.
    fn planar_byte(&self, at: u64, mask: u8, color: u8) {
        self.set_indexed(GRAPHICS, gc::BIT_MASK, mask);
        self.set_indexed(GRAPHICS, gc::SET_RESET, color);
        // Loads the latches.
        self.machine.read8(at);
        self.machine.write8(at, 0xff);
    }

    fn end_planar(&self) {
        self.set_indexed(GRAPHICS, gc::BIT_MASK, 0xff);
        self.set_indexed(GRAPHICS, gc::SET_RESET, 0);
        self.set_indexed(GRAPHICS, gc::ENABLE_SET_RESET, 0);
        self.set_indexed(GRAPHICS, gc::ROTATE, 0);
    }

    /// The rows of a glyph of the font that INT 43h, and INT 1Fh for the upper half, point to.
    fn glyph(&self, character: u8) -> Vec<u8> {
        let height = self.machine.read16(at::GLYPH_HEIGHT).clamp(1, 32);
        let (vector, index) = match (height, character) {
            (8, 0x80..) if self.machine.read16(0x1f * 4 + 2) != 0 => (0x1f, character - 0x80),
            _ => (0x43, character),
        };
        let offset = self.machine.read16(vector * 4);
        let font = linear(self.machine.read16(vector * 4 + 2), offset);
        let mut rows = vec![0; height.into()];
        self.machine.memory.read(font + u64::from(index) * u64::from(height), &mut rows);
        rows
    }

    /// Draws a character in a graphics mode.
    pub(super) fn draw_glyph(&self, mode: &Mode, page: u8, cell: Cell, character: u8, color: u8) {
        let rows = self.glyph(character);
        let height = rows.len() as u32;
        let (x, top) = (u32::from(cell.column) * 8, u32::from(cell.row) * height);
        let xor = color & XOR != 0 && mode.layout != Layout::Linear;
        if mode.layout == Layout::Planar {
            self.begin_planar(xor);
        }
        for (y, bits) in (top..).zip(rows) {
            if !Self::in_mode(mode, x, y) {
                break;
            }
            match mode.layout {
                Layout::Text => {}
                Layout::Cga(depth) => self.cga_glyph_row(depth, x, y, bits, color, xor),
                Layout::Planar => {
                    let row = self.page_base(mode, page) + u64::from(y) * pitch(mode);
                    let at = row + u64::from(cell.column);
                    self.planar_byte(at, bits, color & ALL_PLANES);
                    if !xor {
                        self.planar_byte(at, !bits, 0);
                    }
                }
                Layout::Linear => {
                    let at = linear(mode.segment, 0) + u64::from(y) * pitch(mode) + u64::from(x);
                    let pixels: [u8; 8] =
                        std::array::from_fn(|i| if bits << i & 0x80 != 0 { color } else { 0 });
                    self.machine.write(at, &pixels);
                }
            }
        }
        if mode.layout == Layout::Planar {
            self.end_planar();
        }
    }

    fn cga_glyph_row(&self, depth: u8, x: u32, y: u32, bits: u8, color: u8, xor: bool) {
        let mask = (1 << depth) - 1;
        let color = color & mask;
        let mut row = 0u16;
        for i in 0..8 {
            let pixel = if bits << i & 0x80 != 0 { color } else { 0 };
            row = row << depth | u16::from(pixel);
        }
        let at = cga_address(depth, x, y);
        let bytes = row.to_be_bytes();
        for (i, byte) in bytes[2 - usize::from(depth)..].iter().enumerate() {
            let at = at + i as u64;
            let old = if xor { self.machine.read8(at) } else { 0 };
            self.machine.write8(at, old ^ byte);
        }
    }

    /// The character at a cell in a graphics mode: the glyph that looks like it, 0 for none.
    pub(super) fn read_glyph(&self, mode: &Mode, page: u8, cell: Cell) -> u8 {
        let height = self.machine.read16(at::GLYPH_HEIGHT).clamp(1, 32);
        let mut frame = Frame::default();
        frame.set_bh(page);
        let mut rows = Vec::new();
        for y in 0..height {
            let mut bits = 0u8;
            for x in 0..8 {
                frame.set_cx(u16::from(cell.column) * 8 + x);
                frame.set_dx((u16::from(cell.row) * height).wrapping_add(y));
                self.read_pixel(&mut frame);
                bits = bits << 1 | u8::from(frame.al() != 0);
            }
            rows.push(bits);
        }
        if mode.layout == Layout::Text {
            return 0;
        }
        (0..=255).find(|character| self.glyph(*character) == rows).unwrap_or(0)
    }

    /// Copies the pixels of a row of cells to another.
    pub(super) fn copy_pixel_row(&self, mode: &Mode, page: u8, area: Area, from: u8, to: u8) {
        if mode.layout == Layout::Planar {
            self.set_indexed(SEQUENCER, MAP_MASK, ALL_PLANES);
            self.set_indexed(GRAPHICS, gc::MODE, gc::WRITE_LATCHES);
        }
        let height = self.machine.read16(at::GLYPH_HEIGHT).clamp(1, 32);
        for line in 0..u32::from(height) {
            let y = |row: u8| u32::from(row) * u32::from(height) + line;
            let (Some((from, len)), Some((to, _))) = (
                self.pixel_row(mode, page, area, y(from)),
                self.pixel_row(mode, page, area, y(to)),
            ) else {
                break;
            };
            if mode.layout == Layout::Planar {
                for i in 0..len {
                    self.machine.write8(to + i, self.machine.read8(from + i));
                }
            } else {
                let mut pixels = vec![0; len as usize];
                self.machine.memory.read(from, &mut pixels);
                self.machine.write(to, &pixels);
            }
        }
        if mode.layout == Layout::Planar {
            self.set_indexed(GRAPHICS, gc::MODE, 0);
        }
    }

    /// Fills a row of cells with a colour.
    pub(super) fn fill_pixel_row(&self, mode: &Mode, page: u8, area: Area, row: u8, color: u8) {
        let height = self.machine.read16(at::GLYPH_HEIGHT).clamp(1, 32);
        if mode.layout == Layout::Planar {
            self.begin_planar(false);
        }
        for line in 0..u32::from(height) {
            let y = u32::from(row) * u32::from(height) + line;
            let Some((start, len)) = self.pixel_row(mode, page, area, y) else { break };
            match mode.layout {
                Layout::Planar => {
                    for i in 0..len {
                        self.planar_byte(start + i, 0xff, color & ALL_PLANES);
                    }
                }
                Layout::Cga(1) => {
                    self.machine
                        .write(start, &vec![if color & 1 != 0 { 0xff } else { 0 }; len as usize]);
                }
                Layout::Cga(_) => {
                    self.machine.write(start, &vec![(color & 3) * 0x55; len as usize]);
                }
                Layout::Linear | Layout::Text => {
                    self.machine.write(start, &vec![color; len as usize]);
                }
            }
        }
        if mode.layout == Layout::Planar {
            self.end_planar();
        }
    }

    /// First byte and length of an area's part of a pixel row.
    fn pixel_row(&self, mode: &Mode, page: u8, area: Area, y: u32) -> Option<(u64, u64)> {
        let (left, cells) = (u64::from(area.left), u64::from(area.right - area.left) + 1);
        if !Self::in_mode(mode, u32::from(area.right) * 8, y) {
            return None;
        }
        Some(match mode.layout {
            Layout::Cga(bits) => {
                let bytes = u64::from(bits);
                (cga_address(bits, u32::from(area.left) * 8, y), cells * bytes)
            }
            Layout::Linear => {
                (linear(mode.segment, 0) + u64::from(y) * pitch(mode) + left * 8, cells * 8)
            }
            _ => (self.page_base(mode, page) + u64::from(y) * pitch(mode) + left, cells),
        })
    }
}

/// Mask and position of a pixel in its byte.
fn cga_bits(bits: u8, x: u32) -> (u8, u32) {
    let mask = (1 << bits) - 1;
    let in_byte = u32::from(8 / bits);
    (mask, (in_byte - 1 - x % in_byte) * u32::from(bits))
}
