//! The picture: VBE modes line by line out of video memory, and the VGA's own modes as its address
//! counters, shift registers and attribute controller make them.

use aero_bus::display::Frame;

use crate::registers::{Registers, attr, crtc, gfx};
use crate::text::{self, TextMode};
use crate::vbe::{Format, Mode};
use crate::vram::Vram;

/// Dots that the shift registers give for one address in graphics modes.
const DOTS_PER_ADDRESS: usize = 8;
/// The VGA's planes are 64 KiB each.
const PLANE_LEN: usize = 0x1_0000;
/// What is shown before anything else has been.
const DEFAULT_SIZE: (u32, u32) = (640, 480);

/// A copy of the VGA's planes.
pub struct Planes(Vec<u8>);

impl Planes {
    pub fn new() -> Self {
        Self(vec![0; PLANE_LEN * 4])
    }

    fn load(&mut self, vram: &Vram) {
        vram.read(0, &mut self.0);
    }

    /// The bytes of planes 0 to 3 at `address`, which wraps at the planes' length.
    pub fn at(&self, address: u32) -> [u8; 4] {
        let at = address as usize % PLANE_LEN * 4;
        [self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]]
    }
}

/// Where a scan line comes from.
pub struct Scan {
    /// Address of its first character.
    pub address: u32,
    /// Line within the character row.
    pub row: u32,
}

/// Memory that drawing needs, kept from frame to frame.
pub struct Renderer {
    planes: Planes,
    line: Vec<u8>,
    dots: Vec<u32>,
}

impl Renderer {
    pub fn new() -> Self {
        Self { planes: Planes::new(), line: Vec::new(), dots: Vec::new() }
    }

    /// Draws the picture of guest time `now`. Returns whether `frame` changed.
    pub fn render(
        &mut self,
        registers: &Registers,
        vram: &Vram,
        now: u64,
        frame: &mut Frame,
    ) -> bool {
        if !registers.is_display_on() {
            return blank(frame);
        }
        match registers.vbe.mode() {
            Some(mode) if mode.format == Format::Planar => {
                self.render_vbe_planar(registers, &mode, vram, frame)
            }
            Some(mode) => self.render_vbe(registers, &mode, vram, frame),
            None => self.render_vga(registers, vram, now, frame),
        }
    }

    /// The characters on the screen, if it shows characters.
    pub fn text(registers: &Registers, vram: &Vram) -> Option<String> {
        let shown =
            registers.is_display_on() && !registers.vbe.is_enabled() && !registers.is_graphics();
        shown.then(|| {
            let mut planes = Planes::new();
            planes.load(vram);
            text::characters(registers, &planes)
        })
    }

    fn render_vbe(
        &mut self,
        registers: &Registers,
        mode: &Mode,
        vram: &Vram,
        frame: &mut Frame,
    ) -> bool {
        let mut changed = resize(frame, mode.width, mode.height);
        let colors = registers.dac.colors(registers.vbe.is_eight_bit_dac());
        self.line.resize((u64::from(mode.width) * mode.format.bits() / 8) as usize, 0);
        for (y, row) in (0..).zip(frame.pixels.chunks_exact_mut(mode.width as usize)) {
            vram.read(mode.start + y * mode.pitch, &mut self.line);
            let line = &self.line;
            changed |= match mode.format {
                Format::Planar | Format::Indexed => {
                    put(row, line.iter().map(|index| colors[usize::from(*index)]))
                }
                Format::Rgb555 => put(row, halfwords(line).map(rgb555)),
                Format::Rgb565 => put(row, halfwords(line).map(rgb565)),
                Format::Rgb888 => put(
                    row,
                    line.chunks_exact(3).map(|b| u32::from_le_bytes([b[0], b[1], b[2], 0])),
                ),
                Format::Xrgb8888 => put(
                    row,
                    line.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], 0])),
                ),
            };
        }
        changed
    }

    fn render_vbe_planar(
        &mut self,
        registers: &Registers,
        mode: &Mode,
        vram: &Vram,
        frame: &mut Frame,
    ) -> bool {
        let mut changed = resize(frame, mode.width, mode.height);
        let palette = palette(registers);
        self.line.resize(mode.width as usize / 2, 0);
        self.dots.resize(mode.width as usize, 0);
        for (y, row) in (0..).zip(frame.pixels.chunks_exact_mut(mode.width as usize)) {
            vram.read(mode.start + y * mode.pitch, &mut self.line);
            let words = self.line.chunks_exact(4);
            for (bytes, dots) in words.zip(self.dots.chunks_exact_mut(DOTS_PER_ADDRESS)) {
                planar([bytes[0], bytes[1], bytes[2], bytes[3]], &palette, dots);
            }
            changed |= put(row, self.dots.iter().copied());
        }
        changed
    }

    fn render_vga(
        &mut self,
        registers: &Registers,
        vram: &Vram,
        now: u64,
        frame: &mut Frame,
    ) -> bool {
        self.planes.load(vram);
        let graphics = registers.is_graphics();
        let cell = if graphics { DOTS_PER_ADDRESS } else { registers.dots() as usize };
        let shown = registers.columns() as usize * cell;
        let repeat = 1 << u32::from(registers.is_half_clock());
        let height = registers.vertical_display();
        let mut changed = resize(frame, (shown * repeat) as u32, height);
        // One address more than is shown, for panning.
        self.dots.resize(shown + cell, 0);

        let palette = palette(registers);
        let text = TextMode::new(registers, palette, now);
        let graphics = graphics.then(|| GraphicsMode::new(registers, palette));
        let max_scan_line = registers.crtc[crtc::MAX_SCAN_LINE];
        let last_row = u32::from(max_scan_line & crtc::ROW_SCAN);
        let doubles = max_scan_line & crtc::DOUBLE_SCAN != 0;
        let mut scan = Scan {
            address: registers.start_address(),
            row: u32::from(registers.crtc[crtc::PRESET_ROW_SCAN] & crtc::ROW_SCAN),
        };
        let mut row_address = scan.address;
        let mut pan = panning(registers, graphics.as_ref());
        let mut again = doubles;

        for (y, row) in (0..).zip(frame.pixels.chunks_exact_mut(shown * repeat)) {
            scan.address = row_address;
            match &graphics {
                Some(mode) => mode.draw(&self.planes, &scan, &mut self.dots),
                None => text.draw(&self.planes, &scan, &mut self.dots),
            }
            let dots = &self.dots[pan..pan + shown];
            changed |= match repeat {
                1 => put(row, dots.iter().copied()),
                _ => put(row, dots.iter().flat_map(|dot| [*dot, *dot])),
            };
            if y == registers.line_compare() {
                (row_address, scan.row, again) = (0, 0, doubles);
                if registers.attr[attr::MODE_CONTROL] & attr::PANNING_STOPS_AT_SPLIT != 0 {
                    pan = 0;
                }
            } else if again {
                again = false;
            } else {
                again = doubles;
                if scan.row == last_row {
                    scan.row = 0;
                    row_address += registers.row_pitch();
                } else {
                    scan.row = (scan.row + 1) & u32::from(crtc::ROW_SCAN);
                }
            }
        }
        changed
    }
}

/// How the shift registers make dots.
enum Shift {
    Planar,
    /// Two bits of planes 0 and 2, then of 1 and 3, a dot.
    Interleaved,
    /// Eight bits every two dots.
    Bytes,
}

struct GraphicsMode {
    shift: Shift,
    palette: [u32; 16],
    /// What a byte shows as; for [`Shift::Bytes`].
    colors: Box<[u32; 256]>,
    /// Address bits that bits 0 and 1 of the line within the row take the place of.
    cga_bank: Option<u32>,
    hercules_bank: Option<u32>,
}

impl GraphicsMode {
    fn new(registers: &Registers, palette: [u32; 16]) -> Self {
        let mode = registers.gfx[gfx::MODE];
        let control = registers.crtc[crtc::MODE_CONTROL];
        // These are bits 13 and 14 of the CRTC's address. In word mode its bit 0 is the odd/even
        // bit, which is not part of a plane's address here.
        let word = u32::from(control & crtc::BYTE_MODE == 0);
        Self {
            shift: if mode & gfx::SHIFT_256 != 0 {
                Shift::Bytes
            } else if mode & gfx::SHIFT_INTERLEAVED != 0 {
                Shift::Interleaved
            } else {
                Shift::Planar
            },
            palette,
            colors: Box::new(registers.dac.colors(registers.vbe.is_eight_bit_dac())),
            cga_bank: (control & crtc::NO_CGA_BANKS == 0).then_some(13 - word),
            hercules_bank: (control & crtc::NO_HERCULES_BANKS == 0).then_some(14 - word),
        }
    }

    fn address(&self, address: u32, row: u32) -> u32 {
        let mut address = address;
        for (bank, bit) in [(self.cga_bank, row & 1), (self.hercules_bank, row >> 1 & 1)] {
            if let Some(at) = bank {
                address = address & !(1 << at) | bit << at;
            }
        }
        address
    }

    fn draw(&self, planes: &Planes, scan: &Scan, dots: &mut [u32]) {
        for (address, dots) in (scan.address..).zip(dots.chunks_exact_mut(DOTS_PER_ADDRESS)) {
            let bytes = planes.at(self.address(address, scan.row));
            match self.shift {
                Shift::Planar => planar(bytes, &self.palette, dots),
                Shift::Interleaved => {
                    for (i, dot) in dots.iter_mut().enumerate() {
                        let (low, high) =
                            if i < 4 { (bytes[0], bytes[2]) } else { (bytes[1], bytes[3]) };
                        let at = 6 - 2 * (i % 4);
                        let index = low >> at & 0b11 | (high >> at & 0b11) << 2;
                        *dot = self.palette[usize::from(index)];
                    }
                }
                Shift::Bytes => {
                    for (byte, pair) in bytes.iter().zip(dots.chunks_exact_mut(2)) {
                        pair.fill(self.colors[usize::from(*byte)]);
                    }
                }
            }
        }
    }
}

fn planar(bytes: [u8; 4], palette: &[u32; 16], dots: &mut [u32]) {
    let [a, b, c, d] = bytes;
    for (i, dot) in dots.iter_mut().enumerate() {
        let bit = |byte: u8| byte >> (7 - i) & 1;
        let index = bit(a) | bit(b) << 1 | bit(c) << 2 | bit(d) << 3;
        *dot = palette[usize::from(index)];
    }
}

/// The attribute controller's sixteen colours as pixels.
fn palette(registers: &Registers) -> [u32; 16] {
    let colors = registers.dac.colors(registers.vbe.is_eight_bit_dac());
    let mode = registers.attr[attr::MODE_CONTROL];
    let select = registers.attr[attr::COLOR_SELECT];
    std::array::from_fn(|index| {
        let index = index & usize::from(registers.attr[attr::PLANE_ENABLE] & 0x0f);
        let mut color = registers.attr[index] & attr::PALETTE_BITS | (select & 0b1100) << 4;
        if mode & attr::COLOR_SELECT_54 != 0 {
            color = color & !0x30 | (select & 0b11) << 4;
        }
        colors[usize::from(color)]
    })
}

/// Dots by which the picture moves to the left.
fn panning(registers: &Registers, graphics: Option<&GraphicsMode>) -> usize {
    let panning = usize::from(registers.attr[attr::PEL_PANNING]);
    match graphics {
        Some(GraphicsMode { shift: Shift::Bytes, .. }) => panning & 6,
        // With nine dots, 8 is no panning and 0 is one dot.
        None if registers.dots() == 9 => (panning + 1) % 9,
        _ => panning & 7,
    }
}

/// Gives the frame its size. Returns whether that changed it.
fn resize(frame: &mut Frame, width: u32, height: u32) -> bool {
    let changed = (frame.width, frame.height) != (width, height);
    frame.resize(width, height);
    changed
}

fn blank(frame: &mut Frame) -> bool {
    let mut changed = false;
    if frame.pixels.is_empty() {
        changed = resize(frame, DEFAULT_SIZE.0, DEFAULT_SIZE.1);
    }
    changed |= frame.pixels.iter().any(|pixel| *pixel != 0);
    frame.pixels.fill(0);
    changed
}

/// Overwrites a row. Returns whether any pixel changed.
fn put(row: &mut [u32], pixels: impl Iterator<Item = u32>) -> bool {
    let mut differ = 0;
    for (old, new) in row.iter_mut().zip(pixels) {
        differ |= *old ^ new;
        *old = new;
    }
    differ != 0
}

fn halfwords(line: &[u8]) -> impl Iterator<Item = u32> {
    line.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]).into())
}

/// Eight bits of five or six, so that all ones stay all ones.
fn widen(value: u32, bits: u32) -> u32 {
    value << (8 - bits) | value >> (2 * bits - 8)
}

fn rgb555(pixel: u32) -> u32 {
    let (r, g, b) = (pixel >> 10 & 0x1f, pixel >> 5 & 0x1f, pixel & 0x1f);
    widen(r, 5) << 16 | widen(g, 5) << 8 | widen(b, 5)
}

fn rgb565(pixel: u32) -> u32 {
    let (r, g, b) = (pixel >> 11 & 0x1f, pixel >> 5 & 0x3f, pixel & 0x1f);
    widen(r, 5) << 16 | widen(g, 6) << 8 | widen(b, 5)
}
