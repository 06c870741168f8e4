//! The VGA's modes: what each is, and the values of all registers in it (IBM PS/2 Hardware Interface
//! Technical Reference, "Video Subsystem").

/// How a mode's memory is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Character and attribute.
    Text,
    /// The CGA's: even and odd lines apart, this many bits a pixel.
    Cga(u8),
    /// Four planes, a bit of each a pixel.
    Planar,
    /// A byte a pixel.
    Linear,
}

/// The colours a mode starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Palette {
    /// The EGA's 64.
    Ega,
    /// The CGA's 16.
    Cga,
    /// Mode 13h's 256.
    Colors256,
    /// Black, grey, white, as the attribute controller of the monochrome modes uses them.
    Mono,
}

/// A mode.
#[derive(Debug)]
pub(crate) struct Mode {
    pub number: u8,
    pub layout: Layout,
    pub palette: Palette,
    /// Characters in a row, and rows.
    pub columns: u8,
    pub rows: u8,
    /// Rows of a glyph.
    pub height: u8,
    /// Where its memory starts, and how long a page is.
    pub segment: u16,
    pub page_size: u16,
    pub pages: u8,
    /// The CGA's mode register that does the same, for the BDA.
    pub cga_mode: u8,
    pub misc: u8,
    /// Registers 1 to 4.
    pub sequencer: [u8; 4],
    pub crtc: &'static [u8; 25],
    pub graphics: [u8; 9],
    pub attributes: &'static [u8; 20],
}

const CRTC_40_TEXT: [u8; 25] = [
    0x2d, 0x27, 0x28, 0x90, 0x2b, 0xa0, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e,
    0x8f, 0x14, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
];
const CRTC_80_TEXT: [u8; 25] = [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e,
    0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
];
const CRTC_MONO_TEXT: [u8; 25] = [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e,
    0x8f, 0x28, 0x0f, 0x96, 0xb9, 0xa3, 0xff,
];
const CRTC_320_CGA: [u8; 25] = [
    0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f,
    0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff,
];
const CRTC_640_CGA: [u8; 25] = [
    0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f,
    0x28, 0x00, 0x96, 0xb9, 0xc2, 0xff,
];
const CRTC_320_EGA: [u8; 25] = [
    0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc0, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f,
    0x14, 0x00, 0x96, 0xb9, 0xe3, 0xff,
];
const CRTC_640_EGA: [u8; 25] = [
    0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0xc0, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f,
    0x28, 0x00, 0x96, 0xb9, 0xe3, 0xff,
];
const CRTC_350: [u8; 25] = [
    0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x40, 0, 0, 0, 0, 0, 0, 0x83, 0x85, 0x5d,
    0x28, 0x0f, 0x63, 0xba, 0xe3, 0xff,
];
const CRTC_480: [u8; 25] = [
    0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x8c, 0xdf,
    0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff,
];
const CRTC_13H: [u8; 25] = [
    0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f,
    0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff,
];

/// The first sixteen are the palette; then mode, overscan, planes, panning.
const fn attributes(palette: [u8; 16], rest: [u8; 4]) -> [u8; 20] {
    let mut all = [0; 20];
    let mut i = 0;
    while i < 20 {
        all[i] = if i < 16 { palette[i] } else { rest[i - 16] };
        i += 1;
    }
    all
}

const EGA_COLORS: [u8; 16] =
    [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f];
const CGA_COLORS: [u8; 16] =
    [0, 1, 2, 3, 4, 5, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17];
const ATTR_TEXT: [u8; 20] = attributes(EGA_COLORS, [0x0c, 0x00, 0x0f, 0x08]);
const ATTR_MONO_TEXT: [u8; 20] = attributes(
    [0, 8, 8, 8, 8, 8, 8, 8, 0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18],
    [0x0e, 0x00, 0x0f, 0x08],
);
const ATTR_4: [u8; 20] = attributes(
    [0, 0x13, 0x15, 0x17, 2, 4, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17],
    [0x01, 0x00, 0x03, 0x00],
);
const ATTR_6: [u8; 20] = attributes(
    [0, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17, 0x17],
    [0x01, 0x00, 0x01, 0x00],
);
const ATTR_200: [u8; 20] = attributes(CGA_COLORS, [0x01, 0x00, 0x0f, 0x00]);
const ATTR_0F: [u8; 20] =
    attributes([0, 8, 0, 0, 0x18, 0x18, 0, 0, 0, 8, 0, 0, 0, 0x18, 0, 0], [0x0b, 0x00, 0x05, 0x00]);
const ATTR_EGA: [u8; 20] = attributes(EGA_COLORS, [0x01, 0x00, 0x0f, 0x00]);
const ATTR_11: [u8; 20] = attributes(
    [0, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f],
    [0x01, 0x00, 0x0f, 0x00],
);
const ATTR_13: [u8; 20] =
    attributes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [0x41, 0x00, 0x0f, 0x00]);

const GC_TEXT: [u8; 9] = [0, 0, 0, 0, 0, 0x10, 0x0e, 0x00, 0xff];
const GC_MONO_TEXT: [u8; 9] = [0, 0, 0, 0, 0, 0x10, 0x0a, 0x00, 0xff];
const GC_4: [u8; 9] = [0, 0, 0, 0, 0, 0x30, 0x0f, 0x00, 0xff];
const GC_6: [u8; 9] = [0, 0, 0, 0, 0, 0x00, 0x0d, 0x00, 0xff];
const GC_PLANAR: [u8; 9] = [0, 0, 0, 0, 0, 0x00, 0x05, 0x0f, 0xff];
const GC_0F: [u8; 9] = [0, 0, 0, 0, 0, 0x00, 0x05, 0x05, 0xff];
const GC_11: [u8; 9] = [0, 0, 0, 0, 0, 0x00, 0x05, 0x01, 0xff];
const GC_13: [u8; 9] = [0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff];

const fn text(number: u8, columns: u8, cga_mode: u8) -> Mode {
    let wide = columns == 80;
    Mode {
        number,
        layout: Layout::Text,
        palette: Palette::Ega,
        columns,
        rows: 25,
        height: 16,
        segment: 0xb800,
        page_size: if wide { 0x1000 } else { 0x800 },
        pages: 8,
        cga_mode,
        misc: 0x67,
        sequencer: [if wide { 0x00 } else { 0x08 }, 0x03, 0x00, 0x02],
        crtc: if wide { &CRTC_80_TEXT } else { &CRTC_40_TEXT },
        graphics: GC_TEXT,
        attributes: &ATTR_TEXT,
    }
}

const fn cga(number: u8, bits: u8, cga_mode: u8) -> Mode {
    let wide = bits == 1;
    Mode {
        number,
        layout: Layout::Cga(bits),
        palette: Palette::Cga,
        columns: if wide { 80 } else { 40 },
        rows: 25,
        height: 8,
        segment: 0xb800,
        page_size: 0x4000,
        pages: 1,
        cga_mode,
        misc: 0x63,
        sequencer: if wide { [0x01, 0x01, 0x00, 0x06] } else { [0x09, 0x03, 0x00, 0x02] },
        crtc: if wide { &CRTC_640_CGA } else { &CRTC_320_CGA },
        graphics: if wide { GC_6 } else { GC_4 },
        attributes: if wide { &ATTR_6 } else { &ATTR_4 },
    }
}

const fn planar(number: u8, columns: u8, rows: u8, height: u8, misc: u8) -> Mode {
    Mode {
        number,
        layout: Layout::Planar,
        palette: Palette::Ega,
        columns,
        rows,
        height,
        segment: 0xa000,
        page_size: 0x8000,
        pages: 2,
        cga_mode: 0x29,
        misc,
        sequencer: [0x01, 0x0f, 0x00, 0x06],
        crtc: &CRTC_350,
        graphics: GC_PLANAR,
        attributes: &ATTR_EGA,
    }
}

/// All modes there are.
pub(crate) const MODES: &[Mode] = &[
    text(0x00, 40, 0x2c),
    text(0x01, 40, 0x28),
    text(0x02, 80, 0x2d),
    text(0x03, 80, 0x29),
    cga(0x04, 2, 0x2a),
    cga(0x05, 2, 0x2e),
    cga(0x06, 1, 0x1e),
    Mode {
        palette: Palette::Mono,
        segment: 0xb000,
        misc: 0x66,
        crtc: &CRTC_MONO_TEXT,
        graphics: GC_MONO_TEXT,
        attributes: &ATTR_MONO_TEXT,
        ..text(0x07, 80, 0x29)
    },
    Mode {
        palette: Palette::Cga,
        page_size: 0x2000,
        pages: 8,
        sequencer: [0x09, 0x0f, 0x00, 0x06],
        crtc: &CRTC_320_EGA,
        attributes: &ATTR_200,
        ..planar(0x0d, 40, 25, 8, 0x63)
    },
    Mode {
        palette: Palette::Cga,
        page_size: 0x4000,
        pages: 4,
        crtc: &CRTC_640_EGA,
        attributes: &ATTR_200,
        ..planar(0x0e, 80, 25, 8, 0x63)
    },
    Mode {
        palette: Palette::Mono,
        graphics: GC_0F,
        attributes: &ATTR_0F,
        ..planar(0x0f, 80, 25, 14, 0xa2)
    },
    planar(0x10, 80, 25, 14, 0xa3),
    Mode {
        page_size: 0xa000,
        pages: 1,
        crtc: &CRTC_480,
        graphics: GC_11,
        attributes: &ATTR_11,
        ..planar(0x11, 80, 30, 16, 0xe3)
    },
    Mode { page_size: 0xa000, pages: 1, crtc: &CRTC_480, ..planar(0x12, 80, 30, 16, 0xe3) },
    Mode {
        layout: Layout::Linear,
        palette: Palette::Colors256,
        page_size: 0xfa00,
        pages: 1,
        sequencer: [0x01, 0x0f, 0x00, 0x0e],
        crtc: &CRTC_13H,
        graphics: GC_13,
        attributes: &ATTR_13,
        ..planar(0x13, 40, 25, 8, 0x63)
    },
];

/// The mode of this number.
pub(crate) fn find(number: u8) -> Option<&'static Mode> {
    MODES.iter().find(|mode| mode.number == number)
}

/// The colours of a palette: red, green, blue, 6 bits each.
pub(crate) fn colors(palette: Palette) -> Vec<[u8; 3]> {
    match palette {
        Palette::Ega => (0..64).map(ega_color).collect(),
        Palette::Cga => (0..64u8).map(|i| cga_color(i & 7 | (i & 0x10) >> 1)).collect(),
        Palette::Mono => (0..64u8)
            .map(|i| match i >> 3 & 3 {
                0 => [0; 3],
                3 => [0x3f; 3],
                _ => [0x2a; 3],
            })
            .collect(),
        Palette::Colors256 => colors_256(),
    }
}

/// Bits 2:0 are red, green, blue at two thirds, bits 5:3 at one third.
fn ega_color(index: u8) -> [u8; 3] {
    [2, 1, 0].map(|bit| (index >> bit & 1) * 0x2a + (index >> (bit + 3) & 1) * 0x15)
}

/// The CGA's sixteen: brown in place of dark yellow.
fn cga_color(index: u8) -> [u8; 3] {
    const BROWN: u8 = 6;
    if index == BROWN {
        return [0x2a, 0x15, 0x00];
    }
    let bright = if index & 8 != 0 { 0x15 } else { 0 };
    [2, 1, 0].map(|bit| (index >> bit & 1) * 0x2a + bright)
}

/// Mode 13h: the CGA's 16, 16 greys, then 24 hues at three saturations of three brightnesses.
fn colors_256() -> Vec<[u8; 3]> {
    const GREYS: [u8; 16] = [
        0x00, 0x05, 0x08, 0x0b, 0x0e, 0x11, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2d, 0x32, 0x38,
        0x3f,
    ];
    /// From least to most of a component, for each brightness and saturation.
    const LEVELS: [[u8; 5]; 9] = [
        [0x00, 0x10, 0x1f, 0x2f, 0x3f],
        [0x1f, 0x27, 0x2f, 0x37, 0x3f],
        [0x2d, 0x31, 0x36, 0x3a, 0x3f],
        [0x00, 0x07, 0x0e, 0x15, 0x1c],
        [0x0e, 0x11, 0x15, 0x18, 0x1c],
        [0x14, 0x16, 0x18, 0x1a, 0x1c],
        [0x00, 0x04, 0x08, 0x0c, 0x10],
        [0x08, 0x0a, 0x0c, 0x0e, 0x10],
        [0x0b, 0x0c, 0x0d, 0x0f, 0x10],
    ];
    const HUES: usize = 24;
    // Round the wheel from blue: each component rises for four steps, stays for eight, falls for four.
    let wheel = |hue: usize| match hue % HUES {
        step @ 0..4 => step,
        4..=12 => 4,
        step @ 13..16 => 16 - step,
        _ => 0,
    };
    let mut all: Vec<[u8; 3]> = (0..16).map(cga_color).collect();
    all.extend(GREYS.map(|grey| [grey; 3]));
    for levels in LEVELS {
        for hue in 0..HUES {
            let red = levels[wheel(hue)];
            let green = levels[wheel(hue + 16)];
            let blue = levels[wheel(hue + 8)];
            all.push([red, green, blue]);
        }
    }
    all.resize(256, [0; 3]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brown_is_no_dark_yellow() {
        assert_eq!(ega_color(0x14), [0x2a, 0x15, 0x00]);
        assert_eq!(cga_color(6), [0x2a, 0x15, 0x00]);
        assert_eq!(ega_color(0x3f), [0x3f; 3]);
        assert_eq!(cga_color(15), [0x3f; 3]);
        let cga = colors(Palette::Cga);
        assert_eq!(cga[0x14], [0x3f, 0x15, 0x15]);
    }

    #[test]
    fn the_wheel_of_mode_13h_starts_at_blue_and_goes_by_red_and_green() {
        let all = colors(Palette::Colors256);
        assert_eq!(all.len(), 256);
        assert_eq!(all[32], [0x00, 0x00, 0x3f]);
        assert_eq!(all[36], [0x3f, 0x00, 0x3f]);
        assert_eq!(all[40], [0x3f, 0x00, 0x00]);
        assert_eq!(all[44], [0x3f, 0x3f, 0x00]);
        assert_eq!(all[48], [0x00, 0x3f, 0x00]);
        assert_eq!(all[52], [0x00, 0x3f, 0x3f]);
        assert_eq!(all[55], [0x00, 0x10, 0x3f]);
        assert_eq!(all[247], [0x0b, 0x0c, 0x10]);
        assert_eq!(all[248], [0; 3]);
    }
}
