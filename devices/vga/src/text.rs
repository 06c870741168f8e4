//! Text modes: one scan line of characters, and the whole screen as a string.

use crate::registers::{Registers, attr, crtc, seq};
use crate::render::{Planes, Scan};

/// Plane 2 holds 32 bytes a character.
const GLYPH_PITCH: usize = 32;
/// Only these have a ninth dot, in fonts of line graphics.
const LINE_GRAPHICS: std::ops::RangeInclusive<u8> = 0xc0..=0xdf;
/// Attribute bits.
const FOREGROUND: u8 = 0x0f;
const BRIGHT: u8 = 0x08;
const BLINK: u8 = 0x80;
const BACKGROUND_WITH_BLINK: u8 = 0x07;
/// A monochrome attribute's bits, without bright and blink, of an underlined character.
const UNDERLINED_BITS: u8 = 0x77;
const UNDERLINED: u8 = 0x01;

/// What all scan lines of a text screen have in common.
pub struct TextMode {
    /// Addresses in plane 2 of the fonts of characters without and with attribute bit 3.
    fonts: [usize; 2],
    blink: bool,
    blinking_lit: bool,
    line_graphics: bool,
    underline: Option<u32>,
    /// Address and scan lines of the cursor, while it shows.
    cursor: Option<(u32, std::ops::RangeInclusive<u32>)>,
    dots: usize,
    palette: [u32; 16],
}

impl TextMode {
    /// The text mode that `registers` set; `now` is guest time, for what blinks.
    pub fn new(registers: &Registers, palette: [u32; 16], now: u64) -> Self {
        let mode = registers.attr[attr::MODE_CONTROL];
        let start = registers.crtc[crtc::CURSOR_START];
        let cursor = start & crtc::CURSOR_OFF == 0 && Registers::is_cursor_lit(now);
        let lines = u32::from(start & crtc::ROW_SCAN)
            ..=u32::from(registers.crtc[crtc::CURSOR_END] & crtc::ROW_SCAN);
        Self {
            fonts: fonts(registers.seq[seq::CHARACTER_MAP]),
            blink: mode & attr::BLINK != 0,
            blinking_lit: Registers::are_blinking_characters_lit(now),
            line_graphics: mode & attr::LINE_GRAPHICS != 0,
            underline: (mode & attr::MONOCHROME != 0)
                .then(|| u32::from(registers.crtc[crtc::UNDERLINE] & crtc::ROW_SCAN)),
            cursor: cursor.then(|| (registers.cursor_address(), lines)),
            dots: registers.dots() as usize,
            palette,
        }
    }

    /// Draws a scan line of characters.
    pub fn draw(&self, planes: &Planes, scan: &Scan, dots: &mut [u32]) {
        for (address, cell) in (scan.address..).zip(dots.chunks_mut(self.dots)) {
            let [character, attribute, ..] = planes.at(address);
            let (foreground, background) = self.colors(attribute);
            let font = self.fonts[usize::from(attribute & BRIGHT != 0)];
            let at = font + usize::from(character) * GLYPH_PITCH + scan.row as usize;
            let [_, _, glyph, _] = planes.at(at as u32);
            let underlined =
                attribute & UNDERLINED_BITS == UNDERLINED && self.underline == Some(scan.row);
            let glyph = if underlined || self.is_cursor(address, scan.row) { 0xff } else { glyph };
            // The ninth dot is the eighth once more, or background.
            let joins = self.line_graphics && LINE_GRAPHICS.contains(&character)
                || underlined
                || self.is_cursor(address, scan.row);
            let bits = u32::from(glyph) << 1 | u32::from(joins && glyph & 1 != 0);
            for (dot, pixel) in cell.iter_mut().enumerate() {
                *pixel = if bits >> (8 - dot) & 1 != 0 { foreground } else { background };
            }
        }
    }

    fn is_cursor(&self, address: u32, row: u32) -> bool {
        self.cursor.as_ref().is_some_and(|(at, lines)| *at == address && lines.contains(&row))
    }

    fn colors(&self, attribute: u8) -> (u32, u32) {
        let foreground = self.palette[usize::from(attribute & FOREGROUND)];
        let mut background = attribute >> 4;
        if !self.blink {
            return (foreground, self.palette[usize::from(background)]);
        }
        background &= BACKGROUND_WITH_BLINK;
        let background = self.palette[usize::from(background)];
        let hidden = attribute & BLINK != 0 && !self.blinking_lit;
        (if hidden { background } else { foreground }, background)
    }
}

/// Where the character map select register says the fonts are: for attribute bit 3 clear (map B)
/// and set (map A).
fn fonts(select: u8) -> [usize; 2] {
    let address = |low: u8, high: u8| usize::from(low) * 0x4000 + usize::from(high) * 0x2000;
    let b = address(select & 0b11, select >> 4 & 1);
    let a = address(select >> 2 & 0b11, select >> 5 & 1);
    [b, a]
}

/// The screen's characters, a line a row.
pub fn characters(registers: &Registers, planes: &Planes) -> String {
    let row_lines = u32::from(registers.crtc[crtc::MAX_SCAN_LINE] & crtc::ROW_SCAN) + 1;
    let double = registers.crtc[crtc::MAX_SCAN_LINE] & crtc::DOUBLE_SCAN != 0;
    let rows = registers.vertical_display() / (row_lines << u32::from(double));
    let mut text = String::new();
    for row in 0..rows {
        let start = registers.start_address() + row * registers.row_pitch();
        let line: String = (start..start + registers.columns())
            .map(|address| code_page_437(planes.at(address)[0]))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

const LOW: &str = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
const HIGH: &str = "⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";

/// The character of the PC's own code page, which the font in ROM draws.
fn code_page_437(code: u8) -> char {
    let found = match code {
        0..0x20 => LOW.chars().nth(code.into()),
        0x7f.. => HIGH.chars().nth(usize::from(code) - 0x7f),
        _ => Some(code.into()),
    };
    found.unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_page_is_whole() {
        assert_eq!(LOW.chars().count(), 0x20);
        assert_eq!(HIGH.chars().count(), 0x81);
        assert_eq!(code_page_437(0xc9), '╔');
        assert_eq!(code_page_437(0xe1), 'ß');
        assert_eq!(code_page_437(b'A'), 'A');
        assert_eq!(code_page_437(0xfe), '■');
    }

    #[test]
    fn the_character_map_select_register_chooses_two_of_eight_fonts() {
        assert_eq!(fonts(0x00), [0x0000, 0x0000]);
        assert_eq!(fonts(0b00_0001), [0x4000, 0x0000]);
        assert_eq!(fonts(0b01_0011), [0xe000, 0x0000]);
        assert_eq!(fonts(0b10_1000), [0x0000, 0xa000]);
    }
}
