//! The monitor's description: one block of VESA E-EDID 1.4.

/// Length of a block.
pub const LEN: usize = 128;

const HEADER: [u8; 8] = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
/// Manufacturer "AER", five bits a letter; product code; week 1 of 2024.
const MANUFACTURER: [u8; 3] = *b"AER";
const PRODUCT: u16 = 0x0001;
const WEEK: u8 = 1;
const YEAR_SINCE_1990: u8 = 34;
const VERSION: [u8; 2] = [1, 4];
/// Digital, eight bits a colour, no interface named.
const DIGITAL_INPUT: u8 = 0xa0;
/// Gamma 2.2, as (gamma × 100) − 100.
const GAMMA: u8 = 120;
/// sRGB, and the first detailed timing is the preferred one.
const FEATURES: u8 = 0x06;
/// sRGB's primaries and white point, ten bits each.
const CHROMATICITY: [u8; 10] = [0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54];
/// 640×480, 800×600 and 1024×768 at 60 Hz.
const ESTABLISHED_TIMINGS: [u8; 3] = [0x21, 0x08, 0x00];
/// Other modes at 60 Hz: width, and the code of the aspect ratio.
const STANDARD_TIMINGS: [(u16, u8); 8] = [
    (1280, 0b10), // 1280×1024
    (1280, 0b11), // 1280×720
    (1280, 0b00), // 1280×800
    (1440, 0b00), // 1440×900
    (1600, 0b01), // 1600×1200
    (1680, 0b00), // 1680×1050
    (1920, 0b11), // 1920×1080
    (1920, 0b00), // 1920×1200
];
const DOTS_PER_INCH: u32 = 96;

/// CVT reduced blanking (VESA CVT 1.2): columns and lines around the picture.
const H_BLANK: u32 = 160;
const H_FRONT: u32 = 48;
const H_SYNC: u32 = 32;
const V_FRONT: u32 = 3;
const V_SYNC: u32 = 4;
const REFRESH_HZ: u32 = 60;
/// Shortest vertical blanking, in microseconds.
const V_BLANK_MICROS: u32 = 460;

/// Tags of display descriptors.
const TAG_NAME: u8 = 0xfc;
const TAG_RANGE: u8 = 0xfd;
const TAG_DUMMY: u8 = 0x10;
const NAME: &[u8] = b"Aero";

/// A monitor whose preferred mode is `width` × `height` at 60 Hz.
pub fn block(width: u16, height: u16) -> [u8; LEN] {
    let (width, height) = (u32::from(width), u32::from(height));
    let mut edid = Vec::with_capacity(LEN);
    edid.extend(HEADER);
    let letters =
        MANUFACTURER.iter().fold(0u16, |word, letter| word << 5 | u16::from(letter - b'@'));
    edid.extend(letters.to_be_bytes());
    edid.extend(PRODUCT.to_le_bytes());
    edid.extend([0; 4]);
    edid.extend([WEEK, YEAR_SINCE_1990]);
    edid.extend(VERSION);
    let centimetres = |pixels: u32| (pixels * 254 / (DOTS_PER_INCH * 100)).min(255) as u8;
    edid.extend([DIGITAL_INPUT, centimetres(width), centimetres(height), GAMMA, FEATURES]);
    edid.extend(CHROMATICITY);
    edid.extend(ESTABLISHED_TIMINGS);
    for (width, aspect) in STANDARD_TIMINGS {
        // Width in steps of 8 from 248; aspect ratio, and refresh rate from 60 Hz.
        edid.extend([(width / 8 - 31) as u8, aspect << 6]);
    }
    edid.extend(detailed_timing(width, height));
    edid.extend(descriptor(TAG_RANGE, &range_limits()));
    let mut name = [b' '; 13];
    name[..NAME.len()].copy_from_slice(NAME);
    name[NAME.len()] = b'\n';
    edid.extend(descriptor(TAG_NAME, &name));
    edid.extend(descriptor(TAG_DUMMY, &[0; 13]));
    // No extension blocks; then the sum of all bytes becomes 0.
    edid.push(0);
    edid.push(edid.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte)));
    edid.try_into().expect("the parts of a block are 128 bytes long")
}

fn descriptor(tag: u8, body: &[u8; 13]) -> [u8; 18] {
    let mut bytes = [0; 18];
    bytes[3] = tag;
    bytes[5..].copy_from_slice(body);
    bytes
}

/// Vertical 50 to 75 Hz, horizontal 30 to 160 kHz, at most 600 MHz, by the timings listed only.
fn range_limits() -> [u8; 13] {
    [50, 75, 30, 160, 60, 0x01, b'\n', b' ', b' ', b' ', b' ', b' ', b' ']
}

/// Section 3.10.2, with CVT's reduced blanking.
fn detailed_timing(width: u32, height: u32) -> [u8; 18] {
    // The blanking takes its microseconds out of a frame's.
    let frame_micros = 1_000_000 / REFRESH_HZ;
    let v_blank = (height * V_BLANK_MICROS).div_ceil(frame_micros - V_BLANK_MICROS) + 1;
    let clock_10_khz = (width + H_BLANK) * (height + v_blank) * REFRESH_HZ / 10_000;
    let millimetres = |pixels: u32| pixels * 254 / (DOTS_PER_INCH * 10);
    let (w_mm, h_mm) = (millimetres(width), millimetres(height));
    let clock = clock_10_khz.min(0xffff) as u16;
    let high = |a: u32, b: u32| (a >> 8 << 4 | b >> 8) as u8;
    [
        clock.to_le_bytes()[0],
        clock.to_le_bytes()[1],
        width as u8,
        H_BLANK as u8,
        high(width, H_BLANK),
        height as u8,
        v_blank as u8,
        high(height, v_blank),
        H_FRONT as u8,
        H_SYNC as u8,
        (V_FRONT << 4 | V_SYNC) as u8,
        0,
        w_mm as u8,
        h_mm as u8,
        high(w_mm, h_mm),
        0,
        0,
        // Digital separate sync, horizontal positive and vertical negative, as CVT says.
        0x1a,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_its_header_checksum_and_preferred_mode() {
        let edid = block(1024, 768);
        assert_eq!(edid[..8], HEADER);
        assert_eq!(edid.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        assert_eq!(edid[8..10], [0x04, 0xb2], "AER");
        let timing = &edid[54..72];
        assert_eq!(u32::from(timing[2]) | u32::from(timing[4] >> 4) << 8, 1024);
        assert_eq!(u32::from(timing[5]) | u32::from(timing[7] >> 4) << 8, 768);
        let clock = u32::from(u16::from_le_bytes([timing[0], timing[1]])) * 10_000;
        let v_blank = u32::from(timing[6]) | u32::from(timing[7] & 0xf) << 8;
        let hz = clock / ((1024 + 160) * (768 + v_blank));
        assert!((59..=60).contains(&hz), "{hz} Hz");
        assert_eq!(&edid[90 + 5..90 + 9], b"Aero");
    }
}
