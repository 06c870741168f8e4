//! Colours: INT 10h, AH = 0Bh and 10h.

use super::vga::{ATTRIBUTE, ATTRIBUTE_READ, DAC_MASK, VIDEO_ON};
use crate::bda::at;
use crate::device::{Firmware, Service};
use crate::frame::Frame;

/// Attribute controller registers after the sixteen of the palette.
const MODE: u8 = 0x10;
const OVERSCAN: u8 = 0x11;
const COLOR_SELECT: u8 = 0x14;
/// The palette and the overscan colour.
const ALL_LEN: u16 = 17;
const MODE_BLINK: u8 = 1 << 3;
/// The palette's two upper bits come from colour select.
const MODE_P54: u8 = 1 << 7;

/// Weighs a colour to a grey: 30 % red, 59 % green, 11 % blue.
pub(super) fn to_grey(color: &mut [u8; 3]) {
    let [red, green, blue] = color.map(u32::from);
    *color = [((red * 77 + green * 151 + blue * 28 + 128) / 256).min(0x3f) as u8; 3];
}

impl Firmware {
    /// AH = 0Bh: BH = 0 the background or border, BH = 1 which of the CGA's palettes.
    pub(super) fn cga_palette(&mut self, f: &Frame) {
        const INTENSE: u8 = 0x10;
        const PALETTE_1: u8 = 0x20;
        let old = self.machine.read8(at::CGA_PALETTE);
        let new = match f.bh() {
            0 => old & !0x1f | f.bl() & 0x1f,
            1 => old & !PALETTE_1 | (f.bl() & 1) << 5,
            _ => return,
        };
        self.machine.write8(at::CGA_PALETTE, new);
        let intense = new & INTENSE;
        if f.bh() == 0 {
            let color = new & 7 | (new & 8) << 1;
            if !self.is_text() {
                self.set_attribute(0, color);
            }
            self.set_attribute(OVERSCAN, color);
        }
        if !self.is_text() {
            // Green, red, brown; or cyan, magenta, white.
            let odd = u8::from(new & PALETTE_1 != 0);
            for (index, color) in (1..).zip([2, 4, 6]) {
                self.set_attribute(index, (color + odd) | intense);
            }
        }
    }

    /// AH = 10h.
    pub(super) fn palette(&mut self, f: &mut Frame) -> Service {
        match f.al() {
            0x00 if f.bl() <= COLOR_SELECT => self.set_attribute(f.bl(), f.bh()),
            0x01 => self.set_attribute(OVERSCAN, f.bh()),
            0x02 => {
                let values = self.take(f.es, f.dx(), ALL_LEN)?;
                self.attribute_reset();
                for (index, value) in (0..).zip(values) {
                    let register = if index == 16 { OVERSCAN } else { index };
                    self.machine.out8(ATTRIBUTE, register);
                    self.machine.out8(ATTRIBUTE, value);
                }
                self.machine.out8(ATTRIBUTE, VIDEO_ON);
            }
            0x03 => {
                let mode = self.attribute(MODE) & !MODE_BLINK;
                self.set_attribute(MODE, mode | if f.bl() != 0 { MODE_BLINK } else { 0 });
            }
            0x07 if f.bl() <= COLOR_SELECT => f.set_bh(self.attribute(f.bl())),
            0x08 => f.set_bh(self.attribute(OVERSCAN)),
            0x09 => {
                let mut values: Vec<u8> = Vec::new();
                for index in (0..16).chain([OVERSCAN]) {
                    self.attribute_reset();
                    self.machine.out8(ATTRIBUTE, index);
                    values.push(self.machine.in8(ATTRIBUTE_READ));
                }
                self.attribute_reset();
                self.machine.out8(ATTRIBUTE, VIDEO_ON);
                self.give(f.es, f.dx(), &values);
            }
            0x10 => self.set_dac(f.bl(), &[[f.dh(), f.ch(), f.cl()]]),
            0x12 => {
                let bytes = self.take(f.es, f.dx(), f.cx().min(256) * 3)?;
                self.set_dac(f.bl(), bytes.as_chunks::<3>().0);
            }
            0x13 => self.color_page(f),
            0x15 => {
                if let [[red, green, blue]] = self.dac(f.bl(), 1)[..] {
                    f.set_dh(red);
                    f.set_ch(green);
                    f.set_cl(blue);
                }
            }
            0x17 => {
                let colors = self.dac(f.bl(), f.cx().min(256).into());
                self.give(f.es, f.dx(), colors.as_flattened());
            }
            0x18 => self.machine.out8(DAC_MASK, f.bl()),
            0x19 => f.set_bl(self.machine.in8(DAC_MASK)),
            0x1a => {
                let paged_by_16 = self.attribute(MODE) & MODE_P54 != 0;
                let select = self.attribute(COLOR_SELECT) & 0x0f;
                f.set_bl(paged_by_16.into());
                f.set_bh(if paged_by_16 { select } else { select >> 2 });
            }
            0x1b => {
                let mut colors = self.dac(f.bl(), f.cx().min(256).into());
                colors.iter_mut().for_each(to_grey);
                self.set_dac(f.bl(), &colors);
            }
            other => log::debug!("INT 10h, AX = 10{other:02x}h is not there"),
        }
        Ok(())
    }

    /// AL = 13h: BL = 0 four pages of 64 or sixteen of 16, by BH; BL = 1 page BH.
    fn color_page(&mut self, f: &Frame) {
        let mode = self.attribute(MODE);
        if f.bl() == 0 {
            self.set_attribute(MODE, mode & !MODE_P54 | (f.bh() & 1) << 7);
        } else {
            let select = if mode & MODE_P54 != 0 { f.bh() & 0x0f } else { (f.bh() & 3) << 2 };
            self.set_attribute(COLOR_SELECT, select);
        }
    }
}
