//! The VGA BIOS: an option ROM at C0000h.

use super::asm::Asm;
use super::vbe_pm::PM_INTERFACE;
use super::{Image, dispatcher, service};
use crate::font;

/// Where the ROM is seen in real mode.
pub(crate) const VGA_SEGMENT: u16 = 0xc000;
/// Bytes in the image, a multiple of 512.
const LEN: usize = 0x4000;

/// PCI ids of the standard VGA.
const VENDOR: u16 = 0x1234;
const DEVICE: u16 = 0x1111;
/// VGA-compatible display controller.
const CLASS: [u8; 3] = [0, 0, 3];

mod at {
    pub const HEADER: u16 = 0x00;
    /// The IBM signature old programs look for.
    pub const IBM: u16 = 0x1e;
    pub const PCIR: u16 = 0x40;
    pub const NAME: u16 = 0x60;
    pub const START: u16 = 0x80;
    pub const INT10: u16 = 0xc0;
    pub const DISPATCH: u16 = 0xe0;
    pub const STATIC_FUNCTIONALITY: u16 = 0x1e0;
    pub const PM_INTERFACE: u16 = 0x200;
    pub const FONT_8X8: u16 = 0x1000;
    pub const FONT_8X14: u16 = 0x1800;
    pub const FONT_8X16: u16 = 0x2600;
}

/// The name, which the VESA functions point to.
pub(crate) const VGA_NAME: u16 = at::NAME;
/// The static functionality table, which INT 10h, AH = 1Bh points to.
pub(crate) const STATIC_FUNCTIONALITY: u16 = at::STATIC_FUNCTIONALITY;

/// Modes 0 to 7 and 0Dh to 13h; all scan lines; two of eight font blocks at a time; and functions.
const FUNCTIONALITY: [u8; 16] =
    [0xff, 0xe0, 0x0f, 0, 0, 0, 0, 0x07, 0x02, 0x08, 0xff, 0x0e, 0, 0, 0x3f, 0];

/// Offset of the font with glyphs of this height, 8, 14 or 16.
pub(crate) const fn font_offset(height: u8) -> u16 {
    match height {
        8 => at::FONT_8X8,
        14 => at::FONT_8X14,
        _ => at::FONT_8X16,
    }
}

/// Offset and length of the protected-mode interface.
pub(crate) const fn pm_interface() -> (u16, u16) {
    (at::PM_INTERFACE, PM_INTERFACE.len() as u16)
}

/// The image of the VGA BIOS.
pub fn vga_rom() -> Vec<u8> {
    let mut image = Image::new(LEN);
    // Signature, length in 512 bytes, and the entry point: a far call that returns (PCI Firmware
    // Specification 3.0, 5.2).
    let blocks = (LEN / 512) as u8;
    let mut header = Asm::at(at::HEADER);
    header.bytes(&[0x55, 0xaa, blocks]).jmp_to(at::START);
    image.code(header);
    image.put(0x18, &at::PCIR.to_le_bytes());
    image.put(at::IBM, b"IBM VGA\0");
    image.put(at::PCIR, &pci_data(u16::from(blocks)));
    image.put(at::NAME, b"Aero VGA BIOS\0");

    let mut start = Asm::at(at::START);
    // INT 10h first, in the vector table; then the service sets the first mode.
    start.bytes(&[0x1e, 0x50, 0x31, 0xc0, 0x8e, 0xd8]); // push ds, ax; ds = 0
    start.bytes(&[0xc7, 0x06, 0x40, 0x00]).bytes(&at::INT10.to_le_bytes());
    start.bytes(&[0x8c, 0x0e, 0x42, 0x00]); // mov [42h], cs
    start.bytes(&[0x58, 0x1f]); // pop ax, ds
    start.pushf().push_seg(super::Seg::Cs);
    let back = start.here() + 3 + 3 + 3;
    start.push_imm(back).push_imm(service::VGA_START).jmp_to(at::DISPATCH);
    start.retf();
    image.code(start);

    let mut int10 = Asm::at(at::INT10);
    int10.push_imm(0x10).jmp_to(at::DISPATCH);
    image.code(int10);
    image.code(dispatcher(at::DISPATCH, true));
    image.put(at::STATIC_FUNCTIONALITY, &FUNCTIONALITY);
    image.put(at::PM_INTERFACE, &PM_INTERFACE);
    image.put(at::FONT_8X8, &font::font_8x8());
    image.put(at::FONT_8X14, &font::font_8x14());
    image.put(at::FONT_8X16, &font::font_8x16());
    image.seal()
}

/// PCI data structure (PCI Firmware Specification 3.0, 5.1.2).
fn pci_data(blocks: u16) -> Vec<u8> {
    let mut data = b"PCIR".to_vec();
    data.extend(VENDOR.to_le_bytes());
    data.extend(DEVICE.to_le_bytes());
    data.extend([0, 0]); // no device list
    data.extend(24u16.to_le_bytes()); // length
    data.push(0); // revision
    data.extend(CLASS);
    data.extend(blocks.to_le_bytes());
    data.extend([1, 0]); // level of the code
    data.push(0); // x86, PC AT
    data.push(0x80); // the last image
    data.extend([0, 0]);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_an_option_roms_and_adds_up() {
        let rom = vga_rom();
        assert_eq!(rom[..3], [0x55, 0xaa, 32]);
        assert_eq!(rom.len(), 32 * 512);
        assert_eq!(rom.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        let pcir = usize::from(u16::from_le_bytes([rom[0x18], rom[0x19]]));
        assert_eq!(&rom[pcir..pcir + 4], b"PCIR");
        assert_eq!(rom[pcir + 4..pcir + 8], [0x34, 0x12, 0x11, 0x11]);
        assert_eq!(rom[pcir + 16..pcir + 18], [32, 0]);
        assert_eq!(rom[pcir + 13..pcir + 16], [0, 0, 3]);
    }

    #[test]
    fn the_entry_jumps_to_code() {
        let rom = vga_rom();
        assert_eq!(rom[3], 0xe9);
        let target = 6 + usize::from(u16::from_le_bytes([rom[4], rom[5]]));
        assert_eq!(target, usize::from(at::START));
        assert_eq!(rom[target], 0x1e);
    }

    #[test]
    fn fonts_lie_where_they_are_said_to() {
        let rom = vga_rom();
        for (height, font) in
            [(8, font::font_8x8()), (14, font::font_8x14()), (16, font::font_8x16())]
        {
            let at = usize::from(font_offset(height));
            assert_eq!(rom[at..at + font.len()], font);
        }
    }
}
