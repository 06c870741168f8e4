//! INT 10h: the video BIOS. All it keeps is in the BDA and in the VGA, but for the VESA mode. Data in
//! the caller's memory moves through the stub's ports.

mod fonts;
mod graphics;
mod info;
mod modes;
mod palette;
mod state;
mod text;
mod vbe;
mod vbe_modes;
mod vga;

use serde::{Deserialize, Serialize};

use crate::bda::at;
use crate::device::{Firmware, Service};
use crate::frame::Frame;
use crate::rom;
use text::{Area, Cell};

/// What the video BIOS keeps besides the BDA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VideoState {
    /// There is a screen to write on.
    pub started: bool,
    /// The VESA mode that is set, with its flags; 0 for none.
    pub vbe_mode: u16,
    /// The palette has 8 bits a component.
    pub dac_8_bits: bool,
}

/// AL bit 7 of function 00h: leave the memory as it is.
const KEEP_MEMORY: u8 = 0x80;
/// The mode a machine starts in.
const FIRST_MODE: u8 = 0x03;

impl Firmware {
    /// The entry of the video ROM: the first mode.
    pub(crate) fn vga_start(&mut self, _f: &mut Frame) -> Service {
        self.set_vector(0x1f, rom::font_offset(8) + 128 * 8);
        self.set_vector(0x43, rom::font_offset(16));
        if let Some(mode) = modes::find(FIRST_MODE) {
            self.set_vga_mode(mode, false);
        }
        self.state.video.started = true;
        Ok(())
    }

    pub(crate) fn int10(&mut self, f: &mut Frame) -> Service {
        match f.ah() {
            0x00 => self.set_mode(f),
            0x01 => self.cursor_shape(f),
            0x02 => self.set_cursor(f.bh(), Cell { column: f.dl(), row: f.dh() }),
            0x03 => {
                let cell = self.cursor(f.bh());
                f.set_dl(cell.column);
                f.set_dh(cell.row);
                f.set_cx(self.machine.read16(at::CURSOR_SHAPE));
                f.set_ax(0);
            }
            // No light pen is triggered.
            0x04 => f.set_ax(0),
            0x05 => self.select_page(f.al()),
            function @ (0x06 | 0x07) => {
                let area = Area { left: f.cl(), top: f.ch(), right: f.dl(), bottom: f.dh() };
                self.scroll(self.active_page(), area, f.al(), f.bh(), function == 0x06);
            }
            0x08 => {
                let (character, attribute) = self.read_cell(f.bh());
                f.set_al(character);
                f.set_ah(attribute);
            }
            0x09 => self.repeat(f.bh(), f.al(), Some(f.bl()), f.cx()),
            0x0a => {
                // In graphics modes it has a colour all the same.
                let attribute = (!self.is_text()).then_some(f.bl());
                self.repeat(f.bh(), f.al(), attribute, f.cx());
            }
            0x0b => self.cga_palette(f),
            0x0c => self.write_pixel(f),
            0x0d => self.read_pixel(f),
            0x0e => {
                let attribute = (!self.is_text()).then_some(f.bl());
                self.teletype_on(self.active_page(), f.al(), attribute);
            }
            0x0f => {
                let kept = self.machine.read8(at::VIDEO_OPTIONS) & KEEP_MEMORY;
                f.set_al(self.machine.read8(at::VIDEO_MODE) | kept);
                f.set_ah(self.columns());
                f.set_bh(self.active_page());
            }
            0x10 => return self.palette(f),
            0x11 => return self.fonts(f),
            0x12 => self.alternate_select(f),
            0x13 => return self.write_string(f),
            0x1a => self.display_combination(f),
            0x1b => return self.state_information(f),
            0x1c => return self.save_or_restore(f),
            0x4f => return self.vbe(f),
            other => log::debug!("INT 10h, AH = {other:02x}h is not there"),
        }
        Ok(())
    }

    fn is_text(&self) -> bool {
        self.mode().is_some_and(|mode| mode.layout == modes::Layout::Text)
    }

    /// AH = 00h.
    fn set_mode(&mut self, f: &mut Frame) {
        let number = f.al() & !KEEP_MEMORY;
        match modes::find(number) {
            Some(mode) => {
                self.set_vga_mode(mode, f.al() & KEEP_MEMORY != 0);
                // As the IBM VGA does, by kinds of mode.
                f.set_al(match number {
                    6 => 0x3f,
                    0..=5 | 7 => 0x30,
                    _ => 0x20,
                });
            }
            None => log::debug!("there is no video mode {number:02x}h"),
        }
    }
}
