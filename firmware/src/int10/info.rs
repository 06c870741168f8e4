//! What the adapter is and can: INT 10h, AH = 12h, 1Ah and 1Bh.

use super::vga::{
    COMBINATION_COLOR, MISC_READ, MISC_WRITE, OPTION_GREY, OPTION_NO_PALETTE, SEQUENCER,
};
use crate::bda::at;
use crate::device::{Firmware, Service};
use crate::frame::Frame;
use crate::rom;

/// AL of the functions that are there.
const SUPPORTED: u8 = 0x12;
/// Sequencer clocking mode: screen off.
const CLOCKING: u8 = 1;
const SCREEN_OFF: u8 = 1 << 5;
/// Miscellaneous output: the CPU sees video memory.
const MISC_MEMORY: u8 = 1 << 1;

impl Firmware {
    /// AH = 12h.
    pub(super) fn alternate_select(&mut self, f: &mut Frame) {
        let set = |at: u64, bit: u8, on: bool| {
            let old = self.machine.read8(at);
            self.machine.write8(at, if on { old | bit } else { old & !bit });
        };
        let off = f.al() & 1 != 0;
        match f.bl() {
            0x10 => {
                // Colour, 256 KiB; feature bits, switches.
                f.set_bx(0x0003);
                f.set_cx(u16::from(self.machine.read8(at::VIDEO_SWITCHES) & 0x0f));
                return;
            }
            // Another print screen: there is none.
            0x20 => return,
            0x30 => {
                const LINES: u8 = 0x90;
                let bits = match f.al() {
                    0 => 0x80,
                    1 => 0x00,
                    2 => 0x10,
                    _ => {
                        f.set_al(0);
                        return;
                    }
                };
                let old = self.machine.read8(at::VGA_OPTIONS);
                self.machine.write8(at::VGA_OPTIONS, old & !LINES | bits);
            }
            0x31 => set(at::VGA_OPTIONS, OPTION_NO_PALETTE, off),
            0x32 => {
                let misc = self.machine.in8(MISC_READ);
                let on = if off { 0 } else { MISC_MEMORY };
                self.machine.out8(MISC_WRITE, misc & !MISC_MEMORY | on);
            }
            0x33 => set(at::VGA_OPTIONS, OPTION_GREY, !off),
            0x34 => set(at::VIDEO_OPTIONS, 1, off),
            // Switching to another adapter: there is none, but it is known.
            0x35 => {}
            0x36 => {
                let clocking = self.indexed(SEQUENCER, CLOCKING) & !SCREEN_OFF;
                self.set_indexed(SEQUENCER, CLOCKING, clocking | if off { SCREEN_OFF } else { 0 });
            }
            other => {
                log::debug!("INT 10h, AH = 12h, BL = {other:02x}h is not there");
                return;
            }
        }
        f.set_al(SUPPORTED);
    }

    /// AH = 1Ah.
    pub(super) fn display_combination(&mut self, f: &mut Frame) {
        match f.al() {
            0x00 => f.set_bx(self.machine.read8(at::DISPLAY_COMBINATION).into()),
            0x01 => self.machine.write8(at::DISPLAY_COMBINATION, f.bl()),
            _ => return,
        }
        f.set_al(0x1a);
    }

    /// AH = 1Bh: 64 bytes of state to ES:DI.
    pub(super) fn state_information(&mut self, f: &mut Frame) -> Service {
        const LEN: usize = 64;
        if f.bx() != 0 {
            return Ok(());
        }
        let (table_segment, table_offset) = (rom::VGA_SEGMENT, rom::STATIC_FUNCTIONALITY);
        let mut state = Vec::with_capacity(LEN);
        state.extend(table_offset.to_le_bytes());
        state.extend(table_segment.to_le_bytes());
        // From the mode to the CGA's palette register, as in the BDA.
        state.extend(self.machine.read::<30>(at::VIDEO_MODE));
        let mode = self.mode();
        state.push(self.rows());
        state.extend(self.machine.read::<2>(at::GLYPH_HEIGHT));
        state.extend([COMBINATION_COLOR, 0]);
        let colors: u16 = match mode.map(|m| m.number) {
            Some(0x04 | 0x05) => 4,
            Some(0x06 | 0x11) => 2,
            Some(0x07 | 0x0f) => 0,
            Some(0x13) => 256,
            _ => 16,
        };
        state.extend(colors.to_le_bytes());
        state.push(mode.map_or(1, |m| m.pages));
        // Scan lines: 200, 350, 400, 480.
        state.push(match mode.map(|m| u16::from(m.rows) * u16::from(m.height)) {
            Some(200) => 0,
            Some(350) => 1,
            Some(480) => 3,
            _ => 2,
        });
        state.extend([0, 0]); // font blocks
        // Every mode on every display; summing as set; default palette; cursor emulation; blinking.
        let grey = self.machine.read8(at::VGA_OPTIONS) & OPTION_GREY;
        state.push(0x01 | grey | 0x20);
        state.extend([0, 0, 0]);
        state.push(3); // 256 KiB
        state.push(0);
        state.resize(LEN, 0);
        self.give(f.es, f.di(), &state);
        f.set_al(0x1b);
        Ok(())
    }
}
