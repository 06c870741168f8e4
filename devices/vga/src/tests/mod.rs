//! The adapter alone, driven through its ports and windows.

mod hostile;
mod memory;
mod registers;
mod render;
mod vbe;

use aero_bus::display::{Frame, Scanout};
use aero_bus::{Clock, GuestRam};
use aero_testbed::{Access, Testbed};

use crate::{Vga, VgaConfig};

pub const MISC_WRITE: u64 = 0x3c2;
pub const SEQ: u64 = 0x3c4;
pub const GFX: u64 = 0x3ce;
pub const CRTC: u64 = 0x3d4;
pub const ATTR: u64 = 0x3c0;
pub const STATUS_1: u64 = 0x3da;
pub const A0000: u64 = 0xa_0000;
pub const B8000: u64 = 0xb_8000;

/// Registers of a mode, as video BIOSes set them.
pub struct Mode {
    misc: u8,
    seq: [u8; 5],
    crtc: [u8; 25],
    gfx: [u8; 9],
    attr: [u8; 21],
}

/// 80×25 characters of 9×16 dots.
pub const TEXT: Mode = Mode {
    misc: 0x67,
    seq: [0x03, 0x00, 0x03, 0x00, 0x02],
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00,
        0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
    ],
    gfx: [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff],
    attr: [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e,
        0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00,
    ],
};

/// 640×480 in 16 colours.
pub const PLANAR: Mode = Mode {
    misc: 0xe3,
    seq: [0x03, 0x01, 0x0f, 0x00, 0x06],
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff,
    ],
    gfx: [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff],
    attr: [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e,
        0x3f, 0x01, 0x00, 0x0f, 0x00, 0x00,
    ],
};

/// 320×200 in 256 colours.
pub const MODE_13: Mode = Mode {
    misc: 0x63,
    seq: [0x03, 0x01, 0x0f, 0x00, 0x0e],
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff,
    ],
    gfx: [0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff],
    attr: [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
        0x0f, 0x41, 0x00, 0x0f, 0x00, 0x00,
    ],
};

/// 320×200 in four colours, as a CGA has it.
pub const CGA_4: Mode = Mode {
    misc: 0x63,
    seq: [0x03, 0x09, 0x03, 0x00, 0x02],
    crtc: [
        0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff,
    ],
    gfx: [0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x0f, 0x00, 0xff],
    attr: [
        0x00, 0x13, 0x15, 0x17, 0x02, 0x04, 0x06, 0x07, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
        0x17, 0x01, 0x00, 0x03, 0x00, 0x00,
    ],
};

/// 640×200 in two colours, as a CGA has it.
pub const CGA_2: Mode = Mode {
    misc: 0x63,
    seq: [0x03, 0x01, 0x01, 0x00, 0x06],
    crtc: [
        0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x00, 0x96, 0xb9, 0xc2, 0xff,
    ],
    gfx: [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0d, 0x00, 0xff],
    attr: [
        0x00, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17,
        0x17, 0x01, 0x00, 0x01, 0x00, 0x00,
    ],
};

pub struct Rig {
    pub clock: Clock,
    pub ram: GuestRam,
    pub vga: Vga,
    pub frame: Frame,
}

/// An adapter with 2 MiB of memory.
pub fn rig() -> Rig {
    let bed = Testbed::new();
    let ram = GuestRam::new(1 << 20, 2 << 20).unwrap();
    let config = VgaConfig { vram_len: 2 << 20, ..VgaConfig::default() };
    let vga = Vga::new(config, &ram, bed.pci_wiring(0), &bed.clock).unwrap();
    Rig { clock: bed.clock.clone(), ram, vga, frame: Frame::default() }
}

/// An adapter in `mode`, with colours told apart by their index.
pub fn rig_in(mode: &Mode) -> Rig {
    let mut rig = rig();
    rig.set_mode(mode);
    rig
}

impl Rig {
    pub fn set(&mut self, port: u64, index: u8, value: u8) {
        self.vga.write8(port, index);
        self.vga.write8(port + 1, value);
    }

    pub fn get(&mut self, port: u64, index: u8) -> u8 {
        self.vga.write8(port, index);
        self.vga.read8(port + 1)
    }

    pub fn set_attr(&mut self, index: u8, value: u8) {
        self.vga.read8(STATUS_1);
        self.vga.write8(ATTR, index);
        self.vga.write8(ATTR, value);
        self.vga.write8(ATTR, 0x20);
        self.vga.read8(STATUS_1);
    }

    pub fn set_mode(&mut self, mode: &Mode) {
        self.vga.write8(MISC_WRITE, mode.misc);
        self.set(CRTC, 0x11, 0);
        for (port, values) in [(SEQ, &mode.seq[..]), (CRTC, &mode.crtc[..]), (GFX, &mode.gfx[..])] {
            for (index, value) in (0..).zip(values) {
                self.set(port, index, *value);
            }
        }
        for (index, value) in (0..).zip(&mode.attr) {
            self.set_attr(index, *value);
        }
        self.vga.write8(0x3c6, 0xff);
        self.vga.write8(0x3c8, 0);
        for index in 0..=255u8 {
            for component in [index >> 2, index & 0x3f, 0x15] {
                self.vga.write8(0x3c9, component);
            }
        }
    }

    pub fn vbe(&mut self, index: u16, value: u16) {
        self.vga.write16(0x1ce, index);
        self.vga.write16(0x1cf, value);
    }

    pub fn vbe_get(&mut self, index: u16) -> u16 {
        self.vga.write16(0x1ce, index);
        self.vga.read16(0x1cf)
    }

    pub fn set_vbe_mode(&mut self, width: u16, height: u16, bpp: u16) {
        self.set_attr(0, 0);
        self.vbe(4, 0);
        for (index, value) in [(1, width), (2, height), (3, bpp), (4, 0x41)] {
            self.vbe(index, value);
        }
    }

    pub fn render(&mut self) -> bool {
        self.vga.render(&mut self.frame)
    }

    /// The size of the picture.
    pub fn size(&mut self) -> (u32, u32) {
        self.render();
        (self.frame.width, self.frame.height)
    }

    /// A pixel of the last picture.
    pub fn pixel(&self, x: u32, y: u32) -> u32 {
        self.frame.pixels[(y * self.frame.width + x) as usize]
    }

    /// Puts one glyph into plane 2, as drivers load fonts.
    pub fn load_glyph(&mut self, font: u64, character: u8, rows: &[u8]) {
        let mode = [(SEQ, 2, 0x04), (SEQ, 4, 0x06), (GFX, 5, 0x00), (GFX, 6, 0x04)];
        let back = mode.map(|(port, index, _)| (port, index, self.get(port, index)));
        for (port, index, value) in mode {
            self.set(port, index, value);
        }
        for (row, bits) in (0..).zip(rows) {
            self.vga.write8(A0000 + font + u64::from(character) * 32 + row, *bits);
        }
        for (port, index, value) in back {
            self.set(port, index, value);
        }
    }
}

/// The pixel of colour table entry `index` that [`Rig::set_mode`] has written.
pub fn color(index: u8) -> u32 {
    let widen = |value: u8| u32::from(value << 2 | value >> 4);
    widen(index >> 2) << 16 | widen(index & 0x3f) << 8 | widen(0x15)
}
