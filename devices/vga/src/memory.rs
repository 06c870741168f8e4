//! The memory window at 0xA0000: planes, latches and the graphics controller's ways to write and
//! read them (IBM PS/2 hardware reference, video subsystem, "graphics controller").

use crate::registers::{Registers, gfx, seq};
use crate::vram::Vram;

/// The window, which is also its offsets in the device's space.
pub const WINDOW_BASE: u64 = 0xa_0000;
pub const WINDOW_LEN: u64 = 0x2_0000;

/// A byte for each of the planes in `planes`' four bits: 0xff where the bit is set.
fn expand(planes: u8) -> u32 {
    let mut mask = 0;
    for plane in 0..4 {
        if planes >> plane & 1 != 0 {
            mask |= 0xff << (8 * plane);
        }
    }
    mask
}

/// The same byte for each plane.
fn replicate(byte: u8) -> u32 {
    u32::from(byte) * 0x0101_0101
}

impl Registers {
    fn is_chain_4(&self) -> bool {
        self.sequencer(seq::MEMORY_MODE) & seq::CHAIN_4 != 0
    }

    /// Where in the selected part of the window `offset` is, with the VBE bank; `None` outside.
    fn window_address(&self, offset: u64) -> Option<u64> {
        let into = offset.checked_sub(WINDOW_BASE).filter(|into| *into < WINDOW_LEN)?;
        match self.gfx[gfx::MISC] & gfx::MEMORY_MAP {
            gfx::MEMORY_MAP_A0000_64K => (into < 0x1_0000).then(|| into + self.vbe.bank_offset()),
            gfx::MEMORY_MAP_B0000_32K => {
                into.checked_sub(0x1_0000).filter(|address| *address < 0x8000)
            }
            gfx::MEMORY_MAP_B8000_32K => into.checked_sub(0x1_8000),
            _ => Some(into),
        }
    }

    /// The address in the planes, and which planes the CPU's address selects (as four bits).
    fn plane_address(&self, address: u64) -> (u64, u8) {
        if self.is_chain_4() {
            (address >> 2, 1 << (address & 3))
        } else if self.gfx[gfx::MODE] & gfx::ODD_EVEN != 0 {
            (address >> 1, 0b0101 << (address & 1))
        } else {
            (address, 0b1111)
        }
    }

    /// A read of one byte.
    pub fn read_memory(&mut self, offset: u64, vram: &Vram) -> u8 {
        let Some(address) = self.window_address(offset) else { return 0xff };
        let (at, selected) = self.plane_address(address);
        self.latch = vram.planes(at);
        if self.gfx[gfx::MODE] & gfx::READ_MODE_1 != 0 {
            let care = expand(self.gfx[gfx::COLOR_DONT_CARE]);
            let differ = (self.latch ^ expand(self.gfx[gfx::COLOR_COMPARE])) & care;
            let [a, b, c, d] = differ.to_le_bytes();
            return !(a | b | c | d);
        }
        let map = self.gfx[gfx::READ_MAP];
        let plane = match selected {
            0b1111 => map,
            // Odd/even: the map's high bit chooses between the two planes.
            0b0101 | 0b1010 => map & 0b10 | (selected >> 1 & 1),
            one => one.trailing_zeros() as u8,
        };
        self.latch.to_le_bytes()[usize::from(plane & 0b11)]
    }

    /// A write of one byte.
    pub fn write_memory(&mut self, offset: u64, value: u8, vram: &Vram) {
        let Some(address) = self.window_address(offset) else { return };
        let (at, selected) = self.plane_address(address);
        let planes = selected & self.sequencer(seq::MAP_MASK);
        if planes != 0 {
            vram.set_planes(at, self.write_data(value), expand(planes));
        }
    }

    /// What a write puts into the planes: a byte for each.
    fn write_data(&self, value: u8) -> u32 {
        let rotated = value.rotate_right(u32::from(self.gfx[gfx::DATA_ROTATE] & 0b111));
        let set_reset = expand(self.gfx[gfx::SET_RESET]);
        let mask = replicate(self.gfx[gfx::BIT_MASK]);
        let (data, mask) = match self.gfx[gfx::MODE] & gfx::WRITE_MODE {
            0 => {
                let enabled = expand(self.gfx[gfx::ENABLE_SET_RESET]);
                (replicate(rotated) & !enabled | set_reset & enabled, mask)
            }
            1 => return self.latch,
            2 => (expand(value), mask),
            _ => (set_reset, mask & replicate(rotated)),
        };
        let data = match self.gfx[gfx::DATA_ROTATE] >> 3 & 0b11 {
            0 => data,
            1 => data & self.latch,
            2 => data | self.latch,
            _ => data ^ self.latch,
        };
        data & mask | self.latch & !mask
    }

    /// Whether writes in chain 4 put bytes into memory as they are.
    fn is_plain_chain_4(&self) -> bool {
        self.is_chain_4()
            && self.sequencer(seq::MAP_MASK) == seq::BITS[seq::MAP_MASK]
            && self.gfx[gfx::MODE] & gfx::WRITE_MODE == 0
            && self.gfx[gfx::ENABLE_SET_RESET] == 0
            && self.gfx[gfx::DATA_ROTATE] == 0
            && self.gfx[gfx::BIT_MASK] == 0xff
    }

    /// A write of any length.
    pub fn write_window(&mut self, offset: u64, data: &[u8], vram: &Vram) {
        if self.is_plain_chain_4()
            && let Some(first) = self.window_address(offset)
            && let Some(last) = self.window_address(offset + data.len() as u64 - 1)
            && last - first == data.len() as u64 - 1
        {
            return vram.write(first, data);
        }
        for (i, byte) in data.iter().enumerate() {
            self.write_memory(offset + i as u64, *byte, vram);
        }
    }

    /// A read of any length.
    pub fn read_window(&mut self, offset: u64, data: &mut [u8], vram: &Vram) {
        for (i, byte) in data.iter_mut().enumerate() {
            *byte = self.read_memory(offset + i as u64, vram);
        }
    }
}
