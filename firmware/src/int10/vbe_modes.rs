//! The VESA modes of the Bochs display interface, with the numbers that others of its BIOSes use.

/// A mode: number, width, height, bits a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VbeMode {
    pub number: u16,
    pub width: u16,
    pub height: u16,
    pub depth: u8,
}

const fn mode(number: u16, width: u16, height: u16, depth: u8) -> VbeMode {
    VbeMode { number, width, height, depth }
}

/// All that there are; those that fit into video memory are offered.
pub(super) const MODES: &[VbeMode] = &[
    mode(0x100, 640, 400, 8),
    mode(0x101, 640, 480, 8),
    mode(0x103, 800, 600, 8),
    mode(0x105, 1024, 768, 8),
    mode(0x107, 1280, 1024, 8),
    mode(0x10d, 320, 200, 15),
    mode(0x10e, 320, 200, 16),
    mode(0x10f, 320, 200, 24),
    mode(0x110, 640, 480, 15),
    mode(0x111, 640, 480, 16),
    mode(0x112, 640, 480, 24),
    mode(0x113, 800, 600, 15),
    mode(0x114, 800, 600, 16),
    mode(0x115, 800, 600, 24),
    mode(0x116, 1024, 768, 15),
    mode(0x117, 1024, 768, 16),
    mode(0x118, 1024, 768, 24),
    mode(0x119, 1280, 1024, 15),
    mode(0x11a, 1280, 1024, 16),
    mode(0x11b, 1280, 1024, 24),
    mode(0x11c, 1600, 1200, 8),
    mode(0x11d, 1600, 1200, 15),
    mode(0x11e, 1600, 1200, 16),
    mode(0x11f, 1600, 1200, 24),
    mode(0x140, 320, 200, 32),
    mode(0x141, 640, 400, 32),
    mode(0x142, 640, 480, 32),
    mode(0x143, 800, 600, 32),
    mode(0x144, 1024, 768, 32),
    mode(0x145, 1280, 1024, 32),
    mode(0x146, 320, 200, 8),
    mode(0x147, 1600, 1200, 32),
    mode(0x148, 1152, 864, 8),
    mode(0x149, 1152, 864, 15),
    mode(0x14a, 1152, 864, 16),
    mode(0x14b, 1152, 864, 24),
    mode(0x14c, 1152, 864, 32),
    mode(0x175, 1280, 768, 16),
    mode(0x176, 1280, 768, 24),
    mode(0x177, 1280, 768, 32),
    mode(0x178, 1280, 800, 16),
    mode(0x179, 1280, 800, 24),
    mode(0x17a, 1280, 800, 32),
    mode(0x17b, 1280, 960, 16),
    mode(0x17c, 1280, 960, 24),
    mode(0x17d, 1280, 960, 32),
    mode(0x17e, 1440, 900, 16),
    mode(0x17f, 1440, 900, 24),
    mode(0x180, 1440, 900, 32),
    mode(0x181, 1400, 1050, 16),
    mode(0x182, 1400, 1050, 24),
    mode(0x183, 1400, 1050, 32),
    mode(0x184, 1680, 1050, 16),
    mode(0x185, 1680, 1050, 24),
    mode(0x186, 1680, 1050, 32),
    mode(0x187, 1920, 1200, 16),
    mode(0x188, 1920, 1200, 24),
    mode(0x189, 1920, 1200, 32),
    mode(0x18d, 1280, 720, 16),
    mode(0x18e, 1280, 720, 24),
    mode(0x18f, 1280, 720, 32),
    mode(0x190, 1920, 1080, 16),
    mode(0x191, 1920, 1080, 24),
    mode(0x192, 1920, 1080, 32),
];

impl VbeMode {
    /// Bytes a pixel.
    pub fn pixel(self) -> u32 {
        u32::from(self.depth).div_ceil(8)
    }

    /// Bytes from a row to the next.
    pub fn pitch(self) -> u32 {
        u32::from(self.width) * self.pixel()
    }

    /// Bytes of a screen.
    pub fn size(self) -> u64 {
        u64::from(self.pitch()) * u64::from(self.height)
    }

    /// Size and position of red, green, blue and reserved bits; zero where there is a palette.
    pub fn masks(self) -> [u8; 8] {
        match self.depth {
            15 => [5, 10, 5, 5, 5, 0, 1, 15],
            16 => [5, 11, 6, 5, 5, 0, 0, 0],
            24 => [8, 16, 8, 8, 8, 0, 0, 0],
            32 => [8, 16, 8, 8, 8, 0, 8, 24],
            _ => [0; 8],
        }
    }
}

/// EDID 1.3 of a screen that shows up to 1920×1200 at 60 Hz (VESA E-EDID Standard, release A).
pub(super) fn edid() -> [u8; 128] {
    let mut edid = [0; 128];
    edid[..8].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    // Maker "AER", five bits a letter; product, serial, week, year 2026, version.
    let maker = 1u16 << 10 | 5 << 5 | 18;
    edid[8..10].copy_from_slice(&maker.to_be_bytes());
    edid[10..18].copy_from_slice(&[1, 0, 1, 0, 0, 0, 47, 36]);
    edid[18..20].copy_from_slice(&[1, 3]);
    // Analog, 52 × 32 cm, gamma 2.2; RGB, preferred timing first.
    edid[20..25].copy_from_slice(&[0x0e, 52, 32, 120, 0x0a]);
    // sRGB chromaticity.
    edid[25..35].copy_from_slice(&[0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]);
    // Established timings: 640×480, 800×600, 1024×768 at 60 Hz.
    edid[35..38].copy_from_slice(&[0x21, 0x08, 0x00]);
    // Standard timings at 60 Hz: width / 8 - 31, aspect (0 16:10, 1 4:3, 2 5:4, 3 16:9).
    let standard: [(u16, u8); 8] =
        [(1920, 0), (1920, 3), (1680, 0), (1600, 1), (1440, 0), (1280, 2), (1280, 0), (1280, 3)];
    for (slot, (width, aspect)) in edid[38..54].chunks_mut(2).zip(standard) {
        slot.copy_from_slice(&[(width / 8 - 31) as u8, aspect << 6]);
    }
    // 1024×768 at 60 Hz: 65 MHz; blanking 320 and 38; sync 24 + 136, 3 + 6; 520 × 320 mm.
    edid[54..72].copy_from_slice(&[
        0x64, 0x19, 0x00, 0x40, 0x41, 0x00, 0x26, 0x30, 0x18, 0x88, 0x36, 0x00, 0x08, 0x40, 0x21,
        0x00, 0x00, 0x18,
    ]);
    // Range limits: 50–75 Hz, 30–100 kHz, 200 MHz.
    edid[72..90].copy_from_slice(&[
        0, 0, 0, 0xfd, 0, 50, 75, 30, 100, 20, 0, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    ]);
    edid[90..108].copy_from_slice(b"\0\0\0\xfc\0Aero\n        ");
    edid[108..126].copy_from_slice(b"\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let sum = edid.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    edid[127] = 0u8.wrapping_sub(sum);
    edid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_rise() {
        assert!(MODES.is_sorted_by(|a, b| a.number < b.number));
    }

    #[test]
    fn every_depth_is_there_at_the_usual_sizes() {
        for (width, height) in [(640, 480), (800, 600), (1024, 768), (1280, 1024)] {
            for depth in [8, 15, 16, 24, 32] {
                assert!(
                    MODES.iter().any(|m| (m.width, m.height, m.depth) == (width, height, depth))
                );
            }
        }
    }

    #[test]
    fn the_edid_adds_up() {
        assert_eq!(edid().iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
    }
}
