//! The screen fonts, in code page 437. 8×16 and 8×14 are Spleen (© Frederic Cambus, BSD-2-Clause);
//! 8×8 is the public-domain font of `font8x8`; what they lack is drawn here.

use font8x8::{
    BASIC_FONTS, BLOCK_FONTS, BOX_FONTS, GREEK_FONTS, LATIN_FONTS, MISC_FONTS, UnicodeFonts,
};

/// The characters of code page 437 in Unicode.
pub(crate) const CODE_PAGE_437: &str = concat!(
    "\0☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼",
    " !\"#$%&'()*+,-./0123456789:;<=>?",
    "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_",
    "`abcdefghijklmnopqrstuvwxyz{|}~⌂",
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ",
    "áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐",
    "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀",
    "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
);

/// Where Spleen's file has its glyphs (PSF, version 1, 512 glyphs and a Unicode table).
const PSF_HEADER: usize = 4;
const PSF_GLYPHS: usize = 512;
const PSF_SEPARATOR: u16 = 0xffff;

/// Glyphs that Spleen lacks.
const OWN: &[(char, [u8; 16])] = &[
    ('►', [0, 0, 0, 0x40, 0x60, 0x70, 0x78, 0x7c, 0x7c, 0x78, 0x70, 0x60, 0x40, 0, 0, 0]),
    ('◄', [0, 0, 0, 0x02, 0x06, 0x0e, 0x1e, 0x3e, 0x3e, 0x1e, 0x0e, 0x06, 0x02, 0, 0, 0]),
    ('∟', [0, 0, 0, 0, 0, 0, 0x60, 0x60, 0x60, 0x60, 0x60, 0x7e, 0x7e, 0, 0, 0]),
    ('α', [0, 0, 0, 0, 0, 0x76, 0xdc, 0xd8, 0xd8, 0xd8, 0xdc, 0x76, 0, 0, 0, 0]),
    ('Σ', [0, 0, 0xfe, 0xc6, 0x60, 0x30, 0x18, 0x18, 0x30, 0x60, 0xc6, 0xfe, 0, 0, 0, 0]),
    ('σ', [0, 0, 0, 0, 0, 0x7e, 0xd8, 0xcc, 0xcc, 0xcc, 0xcc, 0x78, 0, 0, 0, 0]),
    ('τ', [0, 0, 0, 0, 0, 0x7e, 0x98, 0x18, 0x18, 0x18, 0x1a, 0x0c, 0, 0, 0, 0]),
    ('Θ', [0, 0, 0x38, 0x6c, 0xc6, 0xc6, 0xfe, 0xc6, 0xc6, 0xc6, 0x6c, 0x38, 0, 0, 0, 0]),
    ('δ', [0, 0, 0x3e, 0x60, 0x30, 0x18, 0x3c, 0x66, 0x66, 0x66, 0x66, 0x3c, 0, 0, 0, 0]),
    ('φ', [0, 0, 0, 0x18, 0x18, 0x7e, 0xdb, 0xdb, 0xdb, 0xdb, 0x7e, 0x18, 0x18, 0, 0, 0]),
    ('ε', [0, 0, 0, 0, 0, 0x3c, 0x60, 0x60, 0x3c, 0x60, 0x60, 0x3c, 0, 0, 0, 0]),
];

/// 256 glyphs of 16 rows, the leftmost pixel in bit 7.
pub(crate) fn font_8x16() -> Vec<u8> {
    let file = spleen_font::FONT_8X16;
    let (glyphs, table) = file[PSF_HEADER..].split_at(PSF_GLYPHS * 16);
    let mut found: Vec<(u16, usize)> = Vec::new();
    let mut glyph = 0;
    for unit in table.as_chunks::<2>().0 {
        match u16::from_le_bytes(*unit) {
            PSF_SEPARATOR => glyph += 1,
            code => found.push((code, glyph)),
        }
    }
    let mut font = Vec::with_capacity(256 * 16);
    for c in CODE_PAGE_437.chars() {
        if let Some((_, rows)) = OWN.iter().find(|(own, _)| *own == c) {
            font.extend(rows);
        } else if let Some((_, index)) = found.iter().find(|(code, _)| u32::from(*code) == c as u32)
        {
            font.extend(&glyphs[index * 16..index * 16 + 16]);
        } else {
            font.extend([0; 16]);
        }
    }
    font
}

/// 256 glyphs of 14 rows: the 16 without the first and the last, which only box drawing uses.
pub(crate) fn font_8x14() -> Vec<u8> {
    font_8x16().as_chunks::<16>().0.iter().flat_map(|rows| rows[1..15].iter().copied()).collect()
}

/// 256 glyphs of 8 rows.
pub(crate) fn font_8x8() -> Vec<u8> {
    let tall = font_8x16();
    let mut font = Vec::with_capacity(256 * 8);
    for (c, rows) in CODE_PAGE_437.chars().zip(tall.as_chunks::<16>().0) {
        let small = BASIC_FONTS
            .get(c)
            .or_else(|| LATIN_FONTS.get(c))
            .or_else(|| BOX_FONTS.get(c))
            .or_else(|| BLOCK_FONTS.get(c))
            .or_else(|| GREEK_FONTS.get(c))
            .or_else(|| MISC_FONTS.get(c));
        match small {
            // There, the leftmost pixel is bit 0.
            Some(small) => font.extend(small.map(u8::reverse_bits)),
            None => font.extend((0..8).map(|y| rows[2 * y] | rows[2 * y + 1])),
        }
    }
    font
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_character_has_a_glyph() {
        for (font, height) in [(font_8x16(), 16), (font_8x14(), 14), (font_8x8(), 8)] {
            assert_eq!(font.len(), 256 * height);
            for (code, rows) in font.chunks(height).enumerate() {
                let blank = rows.iter().all(|row| *row == 0);
                assert_eq!(blank, [0, 0x20, 0xff].contains(&code), "glyph {code:#x} of {height}");
            }
        }
    }

    #[test]
    fn the_same_character_never_has_two_codes() {
        let mut all: Vec<char> = CODE_PAGE_437.chars().collect();
        assert_eq!(all.len(), 256);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 256);
    }
}
