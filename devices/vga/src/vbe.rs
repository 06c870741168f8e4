//! The Bochs display interface ("DISPI"): 16-bit registers behind an index and a data port, or in
//! the MMIO BAR, that set high-resolution modes.

use serde::{Deserialize, Serialize};

use crate::registers::{Registers, crtc, gfx};
use crate::vram::Vram;

/// Register indices.
pub mod index {
    pub const ID: u16 = 0;
    pub const XRES: u16 = 1;
    pub const YRES: u16 = 2;
    pub const BPP: u16 = 3;
    pub const ENABLE: u16 = 4;
    pub const BANK: u16 = 5;
    pub const VIRT_WIDTH: u16 = 6;
    pub const VIRT_HEIGHT: u16 = 7;
    pub const X_OFFSET: u16 = 8;
    pub const Y_OFFSET: u16 = 9;
    pub const VIDEO_MEMORY_64K: u16 = 10;
    /// Registers there are.
    pub const COUNT: u16 = 11;
}

/// Versions of the interface, of which the last is this one.
const ID_FIRST: u16 = 0xb0c0;
const ID: u16 = 0xb0c5;

bitflags::bitflags! {
    /// The enable register.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Enable: u16 {
        const ENABLED = 1 << 0;
        /// Resolution and depth read as the largest there are.
        const GET_CAPS = 1 << 1;
        const EIGHT_BIT_DAC = 1 << 5;
        const LINEAR_FRAME_BUFFER = 1 << 6;
        const NO_CLEAR_MEMORY = 1 << 7;
    }
}

pub const MAX_XRES: u16 = 4096;
pub const MAX_YRES: u16 = 2304;
const MAX_BPP: u16 = 32;
/// Widths are multiples of it.
const WIDTH_STEP: u16 = 8;
const BANK_LEN: u64 = 0x1_0000;

/// How a pixel is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A bit in each of four planes.
    Planar,
    /// An index into the colour table.
    Indexed,
    Rgb555,
    Rgb565,
    Rgb888,
    Xrgb8888,
}

impl Format {
    fn from_bpp(bpp: u16) -> Option<Self> {
        Some(match bpp {
            4 => Self::Planar,
            8 => Self::Indexed,
            15 => Self::Rgb555,
            16 => Self::Rgb565,
            24 => Self::Rgb888,
            32 => Self::Xrgb8888,
            _ => return None,
        })
    }

    /// Bits that a pixel takes in memory.
    pub fn bits(self) -> u64 {
        match self {
            Self::Planar => 4,
            Self::Indexed => 8,
            Self::Rgb555 | Self::Rgb565 => 16,
            Self::Rgb888 => 24,
            Self::Xrgb8888 => 32,
        }
    }
}

/// A mode as it is shown. Every line of it lies inside video memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    pub width: u32,
    pub height: u32,
    pub format: Format,
    /// Byte of the first pixel.
    pub start: u64,
    /// Bytes from a line to the next.
    pub pitch: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vbe {
    pub index: u16,
    id: u16,
    xres: u16,
    yres: u16,
    bpp: u16,
    enable: Enable,
    bank: u16,
    virt_width: u16,
    virt_height: u16,
    x_offset: u16,
    y_offset: u16,
}

impl Default for Vbe {
    fn default() -> Self {
        Self {
            index: 0,
            id: ID,
            xres: 0,
            yres: 0,
            bpp: 0,
            enable: Enable::empty(),
            bank: 0,
            virt_width: 0,
            virt_height: 0,
            x_offset: 0,
            y_offset: 0,
        }
    }
}

impl Vbe {
    pub fn is_enabled(&self) -> bool {
        self.enable.contains(Enable::ENABLED)
    }

    pub fn is_eight_bit_dac(&self) -> bool {
        self.enable.contains(Enable::EIGHT_BIT_DAC)
    }

    /// First byte of the bank that the 64 KiB window shows.
    pub fn bank_offset(&self) -> u64 {
        if self.is_enabled() { u64::from(self.bank) * BANK_LEN } else { 0 }
    }

    fn format(&self) -> Format {
        Format::from_bpp(self.bpp).unwrap_or(Format::Indexed)
    }

    fn pitch(&self) -> u64 {
        u64::from(self.virt_width) * self.format().bits() / 8
    }

    /// Byte of the first pixel that is shown.
    fn start(&self) -> u64 {
        u64::from(self.y_offset) * self.pitch()
            + u64::from(self.x_offset) * self.format().bits() / 8
    }

    /// Whether a mode is enabled whose pixels are not in planes.
    pub fn is_packed(&self) -> bool {
        self.is_enabled() && self.format() != Format::Planar
    }

    /// The mode, while one is enabled.
    pub fn mode(&self) -> Option<Mode> {
        let format = self.format();
        self.is_enabled().then(|| Mode {
            width: self.xres.into(),
            height: self.yres.into(),
            format,
            start: self.start(),
            pitch: self.pitch(),
        })
    }

    pub fn read(&self, register: u16, vram_len: u64) -> u16 {
        let caps = self.enable.contains(Enable::GET_CAPS);
        match register {
            index::ID => self.id,
            index::XRES if caps => MAX_XRES,
            index::XRES => self.xres,
            index::YRES if caps => MAX_YRES,
            index::YRES => self.yres,
            index::BPP if caps => MAX_BPP,
            index::BPP => self.bpp,
            index::ENABLE => self.enable.bits(),
            index::BANK => self.bank,
            index::VIRT_WIDTH => self.virt_width,
            index::VIRT_HEIGHT => self.virt_height,
            index::X_OFFSET => self.x_offset,
            index::Y_OFFSET => self.y_offset,
            index::VIDEO_MEMORY_64K => (vram_len / BANK_LEN) as u16,
            _ => 0,
        }
    }

    /// Makes an enabled mode one that fits into memory, the way QEMU does: too large is cut, and
    /// offsets that show what is not there are taken back.
    fn fit(&mut self, vram_len: u64) {
        if !self.is_enabled() {
            return;
        }
        if Format::from_bpp(self.bpp).is_none() {
            log::debug!("vbe: {} bits a pixel; taken as 8", self.bpp);
            self.bpp = 8;
        }
        let fit_width = |width: u16| width.min(MAX_XRES) / WIDTH_STEP * WIDTH_STEP;
        self.xres = fit_width(self.xres).max(WIDTH_STEP);
        self.virt_width = fit_width(self.virt_width).max(self.xres);
        // A width of at least 8 pixels of 4 bits has a pitch of at least 4.
        let lines = vram_len / self.pitch();
        self.virt_height = lines.min(u16::MAX.into()) as u16;
        self.yres = self.yres.clamp(1, MAX_YRES).min(self.virt_height);
        let picture = u64::from(self.yres) * self.pitch();
        if self.start() + picture > vram_len {
            self.y_offset = 0;
        }
        if self.start() + picture > vram_len {
            self.x_offset = 0;
        }
    }

    /// What is wrong with the registers of a file.
    pub fn check(&self, vram_len: u64) -> Result<(), String> {
        let mut fitted = self.clone();
        fitted.fit(vram_len);
        let seen = |vbe: &Self| (vbe.mode(), vbe.virt_width, vbe.virt_height);
        if seen(&fitted) != seen(self) || u64::from(self.bank) * BANK_LEN >= vram_len {
            return Err(format!("there can be no such VBE mode: {self:?}"));
        }
        Ok(())
    }
}

impl Registers {
    /// A write to a DISPI register.
    pub fn write_vbe(&mut self, register: u16, value: u16, vram: &Vram) {
        let vbe = &mut self.vbe;
        match register {
            index::ID => {
                if (ID_FIRST..=ID).contains(&value) {
                    vbe.id = value;
                }
                return;
            }
            index::XRES => vbe.xres = value,
            index::YRES => vbe.yres = value,
            index::BPP => vbe.bpp = value,
            index::ENABLE => return self.write_vbe_enable(Enable::from_bits_truncate(value), vram),
            index::BANK => {
                let banks = (vram.len() / BANK_LEN).max(1);
                vbe.bank = (u64::from(value) % banks) as u16;
                return;
            }
            index::VIRT_WIDTH => vbe.virt_width = value,
            index::X_OFFSET => vbe.x_offset = value,
            index::Y_OFFSET => vbe.y_offset = value,
            // The height follows from the width, and the memory is what it is.
            index::VIRT_HEIGHT | index::VIDEO_MEMORY_64K => return,
            _ => return log::debug!("vbe: a write of {value:#x} to register {register:#x}"),
        }
        vbe.fit(vram.len());
        self.follow_vbe();
    }

    fn write_vbe_enable(&mut self, enable: Enable, vram: &Vram) {
        let vbe = &mut self.vbe;
        let starts = !vbe.is_enabled() && enable.contains(Enable::ENABLED);
        vbe.enable = enable;
        if !starts {
            return;
        }
        (vbe.virt_width, vbe.x_offset, vbe.y_offset, vbe.bank) = (0, 0, 0, 0);
        vbe.fit(vram.len());
        if !enable.contains(Enable::NO_CLEAR_MEMORY) {
            vram.clear(vbe.pitch() * u64::from(vbe.yres));
        }
        self.follow_vbe();
    }

    /// Sets the VGA's own registers to an enabled mode's, so that the memory window works and whoever
    /// reads them finds what is shown. They stay so, whatever is written to them.
    pub fn follow_vbe(&mut self) {
        let Some(mode) = self.vbe.mode() else { return };
        let set = |register: &mut u8, mask: u8, value: u8| *register = *register & !mask | value;
        set(
            &mut self.gfx[gfx::MISC],
            gfx::MEMORY_MAP | gfx::GRAPHICS,
            gfx::MEMORY_MAP_A0000_64K | gfx::GRAPHICS,
        );
        let banks = crtc::NO_CGA_BANKS | crtc::NO_HERCULES_BANKS;
        self.crtc[crtc::MODE_CONTROL] |= banks;
        self.crtc[crtc::OFFSET] = (mode.pitch / 8) as u8;
        self.crtc[crtc::HORIZONTAL_DISPLAY_END] = (mode.width / 8 - 1) as u8;
        let end = (mode.height - 1).min(0x3ff);
        self.crtc[crtc::VERTICAL_DISPLAY_END] = end as u8;
        // Bits 8 and 9 of the display's end, and a line compare that is never reached.
        let overflow = (end >> 8 & 1) << 1 | (end >> 9 & 1) << 6;
        set(
            &mut self.crtc[crtc::OVERFLOW],
            0x42 | crtc::OVERFLOW_LINE_COMPARE,
            overflow as u8 | crtc::OVERFLOW_LINE_COMPARE,
        );
        self.crtc[crtc::LINE_COMPARE] = 0xff;
        set(&mut self.crtc[crtc::MAX_SCAN_LINE], crtc::DOUBLE_SCAN | crtc::ROW_SCAN | 0x40, 0x40);
        let shift = if mode.format == Format::Planar { 0 } else { gfx::SHIFT_256 };
        set(&mut self.gfx[gfx::MODE], gfx::SHIFT_256 | gfx::SHIFT_INTERLEAVED, shift);
    }
}
