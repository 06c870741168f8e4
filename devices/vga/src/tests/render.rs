use super::*;

const GLYPH: [u8; 16] = [0x81, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff];

/// Foreground 1 on background 2 through the identity part of the text palette.
const ATTRIBUTE: u8 = 0x21;

fn text_rig() -> Rig {
    let mut rig = rig_in(&TEXT);
    rig.set(CRTC, 0x0a, 0x20);
    rig.load_glyph(0, b'X', &GLYPH);
    rig.load_glyph(0, 0xc4, &GLYPH);
    rig
}

#[test]
fn nothing_is_shown_until_the_palette_belongs_to_the_display() {
    let mut rig = rig();
    assert_eq!(rig.size(), (640, 480));
    assert!(rig.frame.pixels.iter().all(|p| *p == 0));
    assert_eq!(rig.vga.text(), None);
    rig.set_mode(&PLANAR);
    rig.render();
    assert_ne!(rig.pixel(0, 0), 0);
    rig.set(SEQ, 1, 0x21);
    assert!(rig.render());
    assert_eq!(rig.pixel(0, 0), 0);
    assert!(!rig.render());
}

#[test]
fn characters_are_nine_dots_wide_and_line_graphics_join() {
    let mut rig = text_rig();
    rig.vga.write32(B8000, u32::from_le_bytes([b'X', ATTRIBUTE, 0xc4, ATTRIBUTE]));
    assert_eq!(rig.size(), (720, 400));
    let (on, off) = (color(1), color(2));
    let row: Vec<bool> = (0..18)
        .map(|x| {
            let pixel = rig.pixel(x, 15);
            assert!(pixel == on || pixel == off);
            pixel == on
        })
        .collect();
    assert_eq!(row[..8], [true; 8]);
    assert!(!row[8], "the ninth dot is background");
    assert_eq!(row[9..], [true; 9], "but the eighth again for line graphics");
    assert_eq!((rig.pixel(0, 0), rig.pixel(1, 0), rig.pixel(7, 0)), (on, off, on));
    assert_eq!(rig.pixel(1, 1), on);
}

#[test]
fn eight_dot_characters_and_forty_columns() {
    let mut rig = text_rig();
    rig.set(SEQ, 1, 0x01);
    assert_eq!(rig.size(), (640, 400));
    rig.set(SEQ, 1, 0x09);
    rig.set(CRTC, 0x11, 0x0e);
    rig.set(CRTC, 1, 0x27);
    rig.vga.write16(B8000, u16::from_le_bytes([b'X', ATTRIBUTE]));
    assert_eq!(rig.size(), (640, 400));
    let row: Vec<u32> = (0..4).map(|x| rig.pixel(x, 0)).collect();
    assert_eq!(row, [color(1), color(1), color(2), color(2)], "each dot twice");
}

#[test]
fn the_screens_text_can_be_read() {
    let mut rig = text_rig();
    for (i, character) in b"Hello, world".iter().enumerate() {
        rig.vga.write8(B8000 + 160 + 2 * i as u64, *character);
    }
    let text = rig.vga.text().unwrap();
    assert_eq!(text.lines().count(), 25);
    assert_eq!(text.lines().nth(1), Some("Hello, world"));
    rig.set(CRTC, 0x0d, 80);
    assert_eq!(rig.vga.text().unwrap().lines().next(), Some("Hello, world"));
}

#[test]
fn attribute_bit_3_selects_the_second_font() {
    let mut rig = text_rig();
    rig.load_glyph(0x4000, b'X', &[0xff; 16]);
    // Map A is the second font, map B the first.
    rig.set(SEQ, 3, 0b0100);
    rig.vga.write32(B8000, u32::from_le_bytes([b'X', 0x07, b'X', 0x0f]));
    rig.render();
    let foregrounds =
        |x: u32, rig: &Rig| (x..x + 8).filter(|x| rig.pixel(*x, 3) != color(0)).count();
    assert_eq!(foregrounds(0, &rig), 0);
    assert_eq!(foregrounds(9, &rig), 8);
}

#[test]
fn attribute_bit_7_blinks_or_is_a_background_colour() {
    let mut rig = text_rig();
    rig.vga.write16(B8000, u16::from_le_bytes([b'X', 0x80 | ATTRIBUTE]));
    rig.render();
    assert_eq!((rig.pixel(0, 0), rig.pixel(1, 0)), (color(1), color(2)));
    rig.clock.advance_to(600_000_000);
    assert!(rig.render());
    assert_eq!((rig.pixel(0, 0), rig.pixel(1, 0)), (color(2), color(2)));
    rig.set_attr(0x10, 0x04);
    rig.render();
    assert_eq!((rig.pixel(0, 0), rig.pixel(1, 0)), (color(1), color(0x3a)));
}

#[test]
fn the_cursor_has_lines_an_address_and_blinks() {
    let mut rig = text_rig();
    rig.set(CRTC, 0x0a, 0x0d);
    rig.set(CRTC, 0x0b, 0x0e);
    rig.set(CRTC, 0x0f, 2);
    rig.vga.write16(B8000 + 4, u16::from_le_bytes([b' ', ATTRIBUTE]));
    rig.render();
    let column: Vec<bool> = (0..16).map(|y| rig.pixel(20, y) == color(1)).collect();
    let lit: Vec<usize> = (0..16).filter(|y| column[*y]).collect();
    assert_eq!(lit, [13, 14]);
    rig.clock.advance_to(300_000_000);
    rig.render();
    assert_eq!(rig.pixel(20, 13), color(2));
    rig.clock.advance_to(600_000_000);
    rig.set(CRTC, 0x0a, 0x2d);
    rig.render();
    assert_eq!(rig.pixel(20, 13), color(2), "switched off");
}

#[test]
fn panning_moves_by_dots_and_the_split_screen_starts_at_address_0() {
    let mut rig = text_rig();
    rig.vga.write16(B8000, u16::from_le_bytes([b'X', ATTRIBUTE]));
    rig.vga.write16(B8000 + 2 * 80, u16::from_le_bytes([b'X', ATTRIBUTE]));
    // Start at the second row, so that its X is at the top; split after line 99.
    rig.set(CRTC, 0x0d, 80);
    rig.set(CRTC, 0x18, 99);
    rig.set(CRTC, 0x11, 0x0e);
    rig.set(CRTC, 0x07, 0x0f);
    rig.set(CRTC, 0x09, 0x0f);
    rig.set_attr(0x13, 0);
    rig.render();
    assert_eq!((rig.pixel(6, 0), rig.pixel(7, 0)), (color(1), color(2)), "one dot to the left");
    assert_eq!(rig.pixel(6, 100), color(1), "the split pans too");
    rig.set_attr(0x10, 0x2c);
    rig.render();
    assert_eq!(rig.pixel(6, 0), color(1));
    assert_eq!((rig.pixel(0, 100), rig.pixel(7, 100)), (color(1), color(1)), "now it does not");
    rig.set(CRTC, 0x08, 1);
    rig.render();
    assert_eq!(rig.pixel(0, 0), color(1), "starts with the glyph's second line");
    assert_eq!(rig.pixel(6, 0), color(2));
}

#[test]
fn monochrome_emulation_underlines() {
    let mut rig = text_rig();
    rig.set_attr(0x10, 0x0e);
    rig.set(CRTC, 0x14, 0x05);
    rig.vga.write16(B8000, u16::from_le_bytes([b' ', 0x01]));
    rig.render();
    let lit: Vec<u32> = (0..16).filter(|y| rig.pixel(3, *y) == color(1)).collect();
    assert_eq!(lit, [5]);
}

#[test]
fn sixteen_colour_graphics_come_from_four_planes() {
    let mut rig = rig_in(&PLANAR);
    for plane in 0..4u8 {
        rig.set(SEQ, 2, 1 << plane);
        rig.vga.write8(A0000 + 80, 0x01 << plane);
    }
    assert_eq!(rig.size(), (640, 480));
    let row: Vec<u32> = (0..8).map(|x| rig.pixel(x, 1)).collect();
    let [black, p0, p1, p2, p3] = [0, 1, 2, 4, 0x38].map(color);
    assert_eq!(row, [black, black, black, black, p3, p2, p1, p0]);
    rig.set_attr(0x12, 0x07);
    rig.render();
    assert_eq!(rig.pixel(4, 1), black, "plane 3 is not enabled");
    rig.set_attr(0x13, 3);
    rig.render();
    assert_eq!(rig.pixel(2, 1), p2);
}

#[test]
fn colour_select_gives_the_high_bits() {
    let mut rig = rig_in(&PLANAR);
    rig.set_attr(0x14, 0x0d);
    rig.render();
    assert_eq!(rig.pixel(0, 0), color(0xc0));
    rig.set_attr(0x10, 0x81);
    rig.render();
    assert_eq!(rig.pixel(0, 0), color(0xd0));
}

#[test]
fn mode_13_is_a_byte_a_pixel_each_twice_as_wide_and_high() {
    let mut rig = rig_in(&MODE_13);
    rig.vga.write8(A0000 + 320 * 199 + 319, 0xc8);
    assert_eq!(rig.size(), (640, 400));
    for (x, y) in [(638, 398), (639, 399)] {
        assert_eq!(rig.pixel(x, y), color(0xc8));
    }
    assert_eq!(rig.pixel(637, 399), color(0));
    rig.vga.write8(0x3c6, 0x0f);
    rig.render();
    assert_eq!(rig.pixel(639, 399), color(0x08), "the mask lies before the table");
}

#[test]
fn unchained_pages_flip_with_the_start_address() {
    let mut rig = rig_in(&MODE_13);
    rig.set(SEQ, 4, 0x06);
    rig.set(CRTC, 0x14, 0x00);
    rig.set(CRTC, 0x17, 0xe3);
    // Pixel 5 of the second page is plane 1, address 16000 + 1.
    rig.set(SEQ, 2, 0x02);
    rig.vga.write8(A0000 + 16_001, 0x42);
    rig.render();
    assert_eq!(rig.pixel(10, 0), color(0));
    rig.set(CRTC, 0x0c, (16_000u32 >> 8) as u8);
    rig.set(CRTC, 0x0d, 16_000u32 as u8);
    rig.render();
    assert_eq!((rig.pixel(10, 0), rig.pixel(11, 1)), (color(0x42), color(0x42)));
}

#[test]
fn cga_colours_interleave_lines_and_shift_two_bits() {
    let mut rig = rig_in(&CGA_4);
    rig.vga.write8(B8000, 0b00_01_10_11);
    rig.vga.write8(B8000 + 1, 0b11_00_00_00);
    rig.vga.write8(B8000 + 0x2000, 0b11_11_11_11);
    assert_eq!(rig.size(), (640, 400));
    let row: Vec<u32> = (0..5).map(|x| rig.pixel(2 * x, 0)).collect();
    assert_eq!(row, [0x00, 0x13, 0x15, 0x17, 0x17].map(color));
    assert_eq!(rig.pixel(1, 1), color(0));
    assert_eq!((rig.pixel(0, 2), rig.pixel(7, 3)), (color(0x17), color(0x17)), "the odd bank");
    rig.vga.write8(B8000 + 80, 0b01_00_00_00);
    rig.render();
    assert_eq!(rig.pixel(0, 4), color(0x13));
}

#[test]
fn cga_two_colours() {
    let mut rig = rig_in(&CGA_2);
    rig.vga.write8(B8000, 0x81);
    rig.vga.write8(B8000 + 0x2000 + 79, 0x01);
    assert_eq!(rig.size(), (640, 400));
    assert_eq!(
        (rig.pixel(0, 0), rig.pixel(1, 0), rig.pixel(7, 1)),
        (color(0x17), color(0), color(0x17))
    );
    assert_eq!((rig.pixel(639, 2), rig.pixel(639, 3)), (color(0x17), color(0x17)));
}

#[test]
fn a_picture_that_stays_tells_so() {
    let mut rig = rig_in(&MODE_13);
    assert!(rig.render());
    assert!(!rig.render());
    rig.vga.write8(A0000 + 1000, 1);
    assert!(rig.render());
    rig.vga.write8(A0000 + 64_500, 1);
    assert!(!rig.render(), "below the picture");
}
