//! Saving and restoring all video state: INT 10h, AH = 1Ch, and the VESA function 04h.

use super::vga::{
    ATTRIBUTE, ATTRIBUTE_READ, CRTC_COLOR, CRTC_MONO, DAC_MASK, GRAPHICS, MISC_READ, MISC_WRITE,
    SEQUENCER, VIDEO_ON, crtc,
};
use crate::bda::at;
use crate::device::{Firmware, Service};
use crate::frame::Frame;

/// What to save.
mod part {
    pub const HARDWARE: u16 = 1 << 0;
    pub const DATA: u16 = 1 << 1;
    pub const COLORS: u16 = 1 << 2;
    pub const ALL: u16 = HARDWARE | DATA | COLORS;
}

/// Numbers of registers.
const SEQUENCER_COUNT: u8 = 5;
const CRTC_COUNT: u8 = 25;
const ATTRIBUTE_COUNT: u8 = 21;
const GRAPHICS_COUNT: u8 = 9;
/// CRT controller's port, miscellaneous output, and the registers.
const HARDWARE_LEN: usize = 3
    + SEQUENCER_COUNT as usize
    + CRTC_COUNT as usize
    + ATTRIBUTE_COUNT as usize
    + GRAPHICS_COUNT as usize;
/// The BDA from the mode to the palette register; rows to options; and three vectors.
const DATA_LEN: usize = 30 + 7 + 8;
/// The mask and 256 colours.
const COLORS_LEN: usize = 1 + 768;
/// Sizes are told in blocks of this many bytes.
const BLOCK: usize = 64;

/// Bytes that the state takes.
pub(super) fn len(parts: u16) -> usize {
    [(part::HARDWARE, HARDWARE_LEN), (part::DATA, DATA_LEN), (part::COLORS, COLORS_LEN)]
        .into_iter()
        .filter(|(bit, _)| parts & bit != 0)
        .map(|(_, len)| len)
        .sum()
}

/// Blocks that the state takes.
pub(super) fn blocks(parts: u16) -> u16 {
    len(parts).div_ceil(BLOCK) as u16
}

impl Firmware {
    /// AH = 1Ch.
    pub(super) fn save_or_restore(&mut self, f: &mut Frame) -> Service {
        let parts = f.cx() & part::ALL;
        match f.al() {
            0x00 => f.set_bx(blocks(parts)),
            0x01 => {
                let state = self.save_video(parts);
                self.give(f.es, f.bx(), &state);
            }
            0x02 => {
                let state = self.take(f.es, f.bx(), len(parts) as u16)?;
                self.restore_video(parts, &state);
            }
            _ => return Ok(()),
        }
        f.set_al(0x1c);
        Ok(())
    }

    pub(super) fn save_video(&self, parts: u16) -> Vec<u8> {
        let mut state = Vec::with_capacity(len(parts));
        if parts & part::HARDWARE != 0 {
            let port = self.crtc_port();
            state.extend(port.to_le_bytes());
            state.push(self.machine.in8(MISC_READ));
            state.extend((0..SEQUENCER_COUNT).map(|i| self.indexed(SEQUENCER, i)));
            state.extend((0..CRTC_COUNT).map(|i| self.indexed(port, i)));
            for index in 0..ATTRIBUTE_COUNT {
                self.attribute_reset();
                self.machine.out8(ATTRIBUTE, index);
                state.push(self.machine.in8(ATTRIBUTE_READ));
            }
            self.attribute_reset();
            self.machine.out8(ATTRIBUTE, VIDEO_ON);
            state.extend((0..GRAPHICS_COUNT).map(|i| self.indexed(GRAPHICS, i)));
        }
        if parts & part::DATA != 0 {
            state.extend(self.machine.read::<30>(at::VIDEO_MODE));
            state.extend(self.machine.read::<7>(at::ROWS));
            state.extend(self.machine.read::<4>(0x1f * 4));
            state.extend(self.machine.read::<4>(0x43 * 4));
        }
        if parts & part::COLORS != 0 {
            state.push(self.machine.in8(DAC_MASK));
            state.extend(self.dac(0, 256).as_flattened());
        }
        state
    }

    pub(super) fn restore_video(&self, parts: u16, state: &[u8]) {
        let mut rest = state;
        let mut next = |len: usize| {
            let (part, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            part
        };
        if parts & part::HARDWARE != 0
            && let [low, high, misc] = *next(3)
        {
            let mono = u16::from_le_bytes([low, high]) == CRTC_MONO;
            let port = if mono { CRTC_MONO } else { CRTC_COLOR };
            self.machine.out8(MISC_WRITE, misc);
            for (index, value) in (0..).zip(next(SEQUENCER_COUNT.into())) {
                self.set_indexed(SEQUENCER, index, *value);
            }
            let registers = next(CRTC_COUNT.into());
            self.set_indexed(port, crtc::PROTECT, 0);
            for (index, value) in (0..).zip(registers) {
                self.set_indexed(port, index, *value);
            }
            self.attribute_reset();
            for (index, value) in (0..).zip(next(ATTRIBUTE_COUNT.into())) {
                self.machine.out8(ATTRIBUTE, index);
                self.machine.out8(ATTRIBUTE, *value);
            }
            self.machine.out8(ATTRIBUTE, VIDEO_ON);
            for (index, value) in (0..).zip(next(GRAPHICS_COUNT.into())) {
                self.set_indexed(GRAPHICS, index, *value);
            }
        }
        if parts & part::DATA != 0 {
            self.machine.write(at::VIDEO_MODE, next(30));
            self.machine.write(at::ROWS, next(7));
            self.machine.write(0x1f * 4, next(4));
            self.machine.write(0x43 * 4, next(4));
        }
        if parts & part::COLORS != 0 {
            if let [mask] = *next(1) {
                self.machine.out8(DAC_MASK, mask);
            }
            self.set_dac(0, next(768).as_chunks::<3>().0);
        }
    }
}
