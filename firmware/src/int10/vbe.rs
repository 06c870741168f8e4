//! VESA BIOS Extensions (VBE Core Functions Standard 3.0) on the Bochs display interface.

use aero_bus::pci::{PciAddress, reg};

use super::modes::{self, Palette};
use super::state;
use super::vbe_modes::{MODES, VbeMode, edid};
use super::vga::{DAC_MASK, GRAPHICS, SEQUENCER, crtc};
use crate::bda::at;
use crate::device::{Firmware, Service};
use crate::frame::Frame;
use crate::machine::Machine;
use crate::rom;

/// The Bochs display interface: an index and a data port, 16 bits each.
mod bochs {
    pub const INDEX: u16 = 0x1ce;
    pub const DATA: u16 = 0x1cf;
    pub const ID: u16 = 0;
    pub const WIDTH: u16 = 1;
    pub const HEIGHT: u16 = 2;
    pub const DEPTH: u16 = 3;
    pub const ENABLE: u16 = 4;
    pub const BANK: u16 = 5;
    pub const VIRTUAL_WIDTH: u16 = 6;
    pub const VIRTUAL_HEIGHT: u16 = 7;
    pub const X_OFFSET: u16 = 8;
    pub const Y_OFFSET: u16 = 9;
    /// Video memory in 64 KiB.
    pub const MEMORY: u16 = 10;

    pub const ENABLED: u16 = 0x01;
    pub const DAC_8_BITS: u16 = 0x20;
    pub const LINEAR: u16 = 0x40;
    pub const KEEP_MEMORY: u16 = 0x80;
    /// All versions identify themselves in the upper bits.
    pub const ID_MASK: u16 = 0xfff0;
    pub const ID_VALUE: u16 = 0xb0c0;
}

/// What AX says afterwards.
const OK: u16 = 0x004f;
const FAILED: u16 = 0x014f;
/// Not while this mode is set.
const INVALID_NOW: u16 = 0x034f;

/// Flags of a mode number.
const MODE_NUMBER: u16 = 0x01ff;
const MODE_LINEAR: u16 = 0x4000;
const MODE_KEEP_MEMORY: u16 = 0x8000;
const VGA_MODES: u16 = 0x100;

/// The window through which real mode sees video memory.
const WINDOW_SEGMENT: u16 = 0xa000;
const WINDOW_KIB: u16 = 64;

/// Class code of a VGA, base class and subclass.
const CLASS_VGA: u16 = 0x0300;

fn dispi(machine: &Machine, index: u16) -> u16 {
    machine.out16(bochs::INDEX, index);
    machine.in16(bochs::DATA)
}

fn set_dispi(machine: &Machine, index: u16, value: u16) {
    machine.out16(bochs::INDEX, index);
    machine.out16(bochs::DATA, value);
}

/// Gives the screen back to the VGA.
pub(super) fn disable(machine: &Machine) {
    set_dispi(machine, bochs::ENABLE, 0);
}

impl Firmware {
    fn vbe_is_there(&self) -> bool {
        dispi(&self.machine, bochs::ID) & bochs::ID_MASK == bochs::ID_VALUE
    }

    fn video_memory(&self) -> u64 {
        u64::from(dispi(&self.machine, bochs::MEMORY)) << 16
    }

    /// BAR 0 of the display: the linear frame buffer. 0 if there is none.
    fn frame_buffer(&self) -> u32 {
        let is_vga = |address: &PciAddress| {
            self.machine.pci16(*address, reg::CLASS_CODE as u8 + 1) == CLASS_VGA
        };
        let vga = self.pci_functions().into_iter().find(is_vga);
        vga.map_or(0, |address| self.machine.pci32(address, reg::BAR0 as u8) & !0xf)
    }

    /// A mode that fits into video memory.
    fn vbe_mode(&self, number: u16) -> Option<VbeMode> {
        let memory = self.video_memory();
        MODES.iter().find(|m| m.number == number && m.size() <= memory).copied()
    }

    /// The mode that is set.
    fn current_vbe_mode(&self) -> Option<VbeMode> {
        self.vbe_mode(self.state.video.vbe_mode & MODE_NUMBER)
    }

    /// AH = 4Fh.
    pub(super) fn vbe(&mut self, f: &mut Frame) -> Service {
        if !self.vbe_is_there() {
            return Ok(());
        }
        let result = match f.al() {
            0x00 => self.controller_information(f)?,
            0x01 => self.mode_information(f),
            0x02 => self.set_vbe_mode(f),
            0x03 => {
                let mode = match self.state.video.vbe_mode {
                    0 => self.machine.read8(at::VIDEO_MODE).into(),
                    mode => mode,
                };
                f.set_bx(mode);
                OK
            }
            0x04 => self.vbe_state(f)?,
            0x05 => self.window(f),
            0x06 => self.scan_line_length(f),
            0x07 => self.display_start(f),
            0x08 => self.palette_width(f),
            0x09 => self.palette_data(f)?,
            0x0a => {
                let (offset, len) = rom::pm_interface();
                if f.bl() == 0 {
                    (f.es, f.edi) = (rom::VGA_SEGMENT, offset.into());
                    f.set_cx(len);
                    OK
                } else {
                    FAILED
                }
            }
            0x15 => self.display_data_channel(f),
            other => {
                log::debug!("INT 10h, AX = 4F{other:02x}h is not there");
                FAILED
            }
        };
        f.set_ax(result);
        Ok(())
    }

    /// AL = 00h: 512 bytes to ES:DI, or 256 if the caller does not ask for VBE 2.0 or later.
    fn controller_information(&mut self, f: &mut Frame) -> Service<u16> {
        const LEN_V1: usize = 256;
        const LEN_V2: usize = 512;
        /// The palette's width can be changed.
        const CAPABILITIES: u32 = 1;
        /// Where the list of modes is in the block.
        const MODE_LIST: u16 = 0x22;
        const END_OF_LIST: u16 = 0xffff;
        const REVISION: u16 = 0x0001;
        let asked = self.take(f.es, f.di(), 4)?;
        let len = if asked == b"VBE2" { LEN_V2 } else { LEN_V1 };
        let far = |offset: u16| [offset.to_le_bytes(), rom::VGA_SEGMENT.to_le_bytes()].concat();
        let name = far(rom::VGA_NAME);
        let memory = self.video_memory();
        let mut block = b"VESA".to_vec();
        block.extend(0x0300u16.to_le_bytes());
        block.extend(&name);
        block.extend(CAPABILITIES.to_le_bytes());
        block.extend(f.di().wrapping_add(MODE_LIST).to_le_bytes());
        block.extend(f.es.to_le_bytes());
        block.extend(((memory >> 16) as u16).to_le_bytes());
        block.extend(REVISION.to_le_bytes());
        for _ in 0..3 {
            // Vendor, product, product revision.
            block.extend(&name);
        }
        debug_assert_eq!(block.len(), usize::from(MODE_LIST));
        for mode in MODES.iter().filter(|mode| mode.size() <= memory) {
            block.extend(mode.number.to_le_bytes());
        }
        block.extend(END_OF_LIST.to_le_bytes());
        block.resize(len.max(block.len()), 0);
        block.truncate(len);
        self.give(f.es, f.di(), &block);
        Ok(OK)
    }

    /// AL = 01h: 256 bytes about mode CX to ES:DI.
    fn mode_information(&mut self, f: &mut Frame) -> u16 {
        const LEN: usize = 256;
        /// Supported, colour, graphics, and (bit 7) a linear frame buffer.
        const ATTRIBUTES: u16 = 0x001b;
        const HAS_LINEAR: u16 = 0x0080;
        /// There is a window, it reads and writes.
        const WINDOW: u8 = 0x07;
        const PACKED: u8 = 4;
        const DIRECT: u8 = 6;
        const MAX_CLOCK: u32 = 200_000_000;
        let Some(mode) = self.vbe_mode(f.cx() & MODE_NUMBER) else { return FAILED };
        let frame_buffer = self.frame_buffer();
        let linear = if frame_buffer != 0 { HAS_LINEAR } else { 0 };
        let pages = (self.video_memory() / mode.size()).clamp(1, 256) as u8;
        let pages = pages.saturating_sub(1);
        let pitch = mode.pitch() as u16;
        let masks = mode.masks();
        let mut block = Vec::with_capacity(LEN);
        block.extend((ATTRIBUTES | linear).to_le_bytes());
        block.extend([WINDOW, 0]);
        block.extend(WINDOW_KIB.to_le_bytes());
        block.extend(WINDOW_KIB.to_le_bytes());
        block.extend(WINDOW_SEGMENT.to_le_bytes());
        block.extend([0, 0]);
        block.extend([0; 4]); // the window is set by INT 10h alone
        block.extend(pitch.to_le_bytes());
        block.extend(mode.width.to_le_bytes());
        block.extend(mode.height.to_le_bytes());
        block.extend([8, 16]); // a character's cell
        block.push(1); // planes
        block.push(mode.depth);
        block.push(1); // banks
        block.push(if mode.depth == 8 { PACKED } else { DIRECT });
        block.extend([0, pages, 1]);
        block.extend(masks);
        // The reserved bits of 32-bit modes may be used.
        block.push(if mode.depth == 32 { 2 } else { 0 });
        block.extend(frame_buffer.to_le_bytes());
        block.extend([0; 6]);
        // The same for the linear frame buffer.
        block.extend(pitch.to_le_bytes());
        block.extend([pages, pages]);
        block.extend(masks);
        block.extend(MAX_CLOCK.to_le_bytes());
        block.resize(LEN, 0);
        self.give(f.es, f.di(), &block);
        OK
    }

    /// AL = 02h.
    fn set_vbe_mode(&mut self, f: &Frame) -> u16 {
        let number = f.bx() & MODE_NUMBER;
        let keep = f.bx() & MODE_KEEP_MEMORY != 0;
        if number < VGA_MODES {
            let Some(mode) = modes::find(number as u8 & 0x7f) else { return FAILED };
            self.set_vga_mode(mode, keep);
            return OK;
        }
        let Some(mode) = self.vbe_mode(number) else { return FAILED };
        // A VGA mode with a byte a pixel underneath: the window, the palette, and nothing doubled.
        if let Some(base) = modes::find(0x13) {
            self.set_vga_mode(base, true);
        }
        let set = |index: u16, value: u16| set_dispi(&self.machine, index, value);
        set(bochs::WIDTH, mode.width);
        set(bochs::HEIGHT, mode.height);
        set(bochs::DEPTH, mode.depth.into());
        set(bochs::BANK, 0);
        let mut enable = bochs::ENABLED;
        enable |= if f.bx() & MODE_LINEAR != 0 { bochs::LINEAR } else { 0 };
        enable |= if keep { bochs::KEEP_MEMORY } else { 0 };
        set(bochs::ENABLE, enable);
        set(bochs::VIRTUAL_WIDTH, mode.width);
        set(bochs::X_OFFSET, 0);
        set(bochs::Y_OFFSET, 0);
        self.fit_vga(mode);
        self.state.video.vbe_mode = f.bx() & (MODE_NUMBER | MODE_LINEAR | MODE_KEEP_MEMORY);
        self.state.video.dac_8_bits = false;
        self.machine.write8(at::VIDEO_MODE, (number & 0x7f) as u8);
        self.machine.write16(at::COLUMNS, mode.width / 8);
        self.machine.write8(at::ROWS, (mode.height / 16).min(255) as u8 - 1);
        self.machine.write16(at::GLYPH_HEIGHT, 16);
        OK
    }

    /// The VGA's own registers as they are in the modes above its own: chained, 64 KiB at A0000h.
    fn fit_vga(&self, mode: VbeMode) {
        self.set_crtc(crtc::PROTECT, 0);
        self.set_crtc(0x13, (mode.pitch() / 8) as u8);
        self.set_crtc(crtc::MAX_SCAN_LINE, 0x40);
        self.set_crtc(0x17, 0xe3);
        self.set_crtc(0x14, 0x40);
        self.set_indexed(SEQUENCER, 2, 0x0f);
        self.set_indexed(SEQUENCER, 4, 0x0e);
        self.set_indexed(GRAPHICS, 5, 0x40);
        self.set_indexed(GRAPHICS, 6, 0x05);
        self.machine.out8(DAC_MASK, 0xff);
        if mode.depth == 8 {
            self.set_dac(0, &modes::colors(Palette::Colors256));
        }
    }

    /// AL = 04h: size, save, restore; the Bochs registers come before the VGA's.
    fn vbe_state(&mut self, f: &mut Frame) -> Service<u16> {
        const PARTS: u16 = 0x0f;
        const VBE: u16 = 1 << 3;
        const REGISTERS: [u16; 9] = [
            bochs::WIDTH,
            bochs::HEIGHT,
            bochs::DEPTH,
            bochs::ENABLE,
            bochs::BANK,
            bochs::VIRTUAL_WIDTH,
            bochs::VIRTUAL_HEIGHT,
            bochs::X_OFFSET,
            bochs::Y_OFFSET,
        ];
        const VBE_LEN: usize = 2 + 2 * REGISTERS.len();
        let parts = f.cx() & PARTS;
        let extra = if parts & VBE != 0 { VBE_LEN } else { 0 };
        let len = extra + state::len(parts);
        match f.dl() {
            0x00 => f.set_bx(len.div_ceil(64) as u16),
            0x01 => {
                let mut bytes = Vec::with_capacity(len);
                if parts & VBE != 0 {
                    bytes.extend(self.state.video.vbe_mode.to_le_bytes());
                    for index in REGISTERS {
                        bytes.extend(dispi(&self.machine, index).to_le_bytes());
                    }
                }
                bytes.extend(self.save_video(parts));
                self.give(f.es, f.bx(), &bytes);
            }
            0x02 => {
                let bytes = self.take(f.es, f.bx(), len as u16)?;
                let (vbe, vga) = bytes.split_at(extra.min(bytes.len()));
                let words: Vec<u16> =
                    vbe.as_chunks::<2>().0.iter().map(|w| u16::from_le_bytes(*w)).collect();
                if let [mode, registers @ ..] = &words[..] {
                    disable(&self.machine);
                    self.state.video.vbe_mode =
                        if self.vbe_mode(mode & MODE_NUMBER).is_some() { *mode } else { 0 };
                    for (index, value) in REGISTERS.into_iter().zip(registers) {
                        let keep = if index == bochs::ENABLE { bochs::KEEP_MEMORY } else { 0 };
                        set_dispi(&self.machine, index, value | keep);
                    }
                }
                self.restore_video(parts, vga);
            }
            _ => return Ok(FAILED),
        }
        Ok(OK)
    }

    /// AL = 05h: which 64 KiB the window shows.
    fn window(&mut self, f: &mut Frame) -> u16 {
        if self.state.video.vbe_mode == 0 {
            return INVALID_NOW;
        }
        match (f.bh(), f.bl()) {
            (0, 0) => {
                if u64::from(f.dx()) << 16 >= self.video_memory() {
                    return FAILED;
                }
                set_dispi(&self.machine, bochs::BANK, f.dx());
                OK
            }
            (1, 0) => {
                f.set_dx(dispi(&self.machine, bochs::BANK));
                OK
            }
            _ => FAILED,
        }
    }

    /// AL = 06h: BL = 0 set by pixels, 1 get, 2 set by bytes, 3 the longest.
    fn scan_line_length(&mut self, f: &mut Frame) -> u16 {
        let Some(mode) = self.current_vbe_mode() else { return INVALID_NOW };
        let memory = self.video_memory();
        let longest = memory / u64::from(mode.height) / u64::from(mode.pixel());
        let longest = longest.min(0x3fff) as u32;
        let wanted = match f.bl() {
            0x00 => Some(u32::from(f.cx())),
            0x02 => Some(u32::from(f.cx()).div_ceil(mode.pixel())),
            0x01 | 0x03 => None,
            _ => return FAILED,
        };
        if let Some(pixels) = wanted {
            if pixels > longest {
                return 0x024f;
            }
            let pixels = pixels.max(mode.width.into());
            set_dispi(&self.machine, bochs::VIRTUAL_WIDTH, pixels as u16);
        }
        let pixels = match f.bl() {
            0x03 => longest,
            _ => u32::from(dispi(&self.machine, bochs::VIRTUAL_WIDTH)).max(1),
        };
        let bytes = pixels * mode.pixel();
        f.set_bx(bytes.min(0xffff) as u16);
        f.set_cx(pixels as u16);
        f.set_dx((memory / u64::from(bytes.max(1))).min(0xffff) as u16);
        OK
    }

    /// AL = 07h.
    fn display_start(&mut self, f: &mut Frame) -> u16 {
        if self.state.video.vbe_mode == 0 {
            return INVALID_NOW;
        }
        match f.bl() {
            0x00 | 0x80 => {
                set_dispi(&self.machine, bochs::X_OFFSET, f.cx());
                set_dispi(&self.machine, bochs::Y_OFFSET, f.dx());
            }
            0x01 => {
                f.set_bh(0);
                f.set_cx(dispi(&self.machine, bochs::X_OFFSET));
                f.set_dx(dispi(&self.machine, bochs::Y_OFFSET));
            }
            _ => return FAILED,
        }
        OK
    }

    /// AL = 08h: bits of a colour's component, 6 or 8.
    fn palette_width(&mut self, f: &mut Frame) -> u16 {
        if self.current_vbe_mode().is_some_and(|mode| mode.depth > 8) {
            return INVALID_NOW;
        }
        match f.bl() {
            0x00 => {
                let wide = f.bh() >= 8;
                self.state.video.dac_8_bits = wide;
                // Else the memory would be cleared.
                let old = dispi(&self.machine, bochs::ENABLE) & !bochs::DAC_8_BITS;
                let bits = if wide { bochs::DAC_8_BITS } else { 0 };
                set_dispi(&self.machine, bochs::ENABLE, old | bits | bochs::KEEP_MEMORY);
            }
            0x01 => {}
            _ => return FAILED,
        }
        f.set_bh(if self.state.video.dac_8_bits { 8 } else { 6 });
        OK
    }

    /// AL = 09h: CX colours from DX on, blue, green, red and a byte more each.
    fn palette_data(&mut self, f: &mut Frame) -> Service<u16> {
        let count = f.cx();
        if count > 256 || u32::from(f.dx()) + u32::from(count) > 256 {
            return Ok(FAILED);
        }
        let first = f.dx() as u8;
        match f.bl() {
            0x00 | 0x80 => {
                let bytes = self.take(f.es, f.di(), count * 4)?;
                let colors: Vec<[u8; 3]> =
                    bytes.as_chunks::<4>().0.iter().map(|[b, g, r, _]| [*r, *g, *b]).collect();
                self.set_dac(first, &colors);
            }
            0x01 => {
                let colors = self.dac(first, count.into());
                let bytes: Vec<[u8; 4]> = colors.iter().map(|[r, g, b]| [*b, *g, *r, 0]).collect();
                self.give(f.es, f.di(), bytes.as_flattened());
            }
            _ => return Ok(FAILED),
        }
        Ok(OK)
    }

    /// AL = 15h (VBE/DDC Standard 1.1): BL = 0 what there is, 1 read the EDID.
    fn display_data_channel(&mut self, f: &mut Frame) -> u16 {
        /// DDC2, and the screen stays on meanwhile; a block takes a second at most.
        const CAPABILITIES: u16 = 0x0102;
        match f.bl() {
            0x00 => f.set_bx(CAPABILITIES),
            0x01 if f.dx() == 0 => self.give(f.es, f.di(), &edid()),
            _ => return FAILED,
        }
        OK
    }
}
