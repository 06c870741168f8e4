use super::*;
use aero_bus::pci::PciDevice;

#[test]
fn the_interface_identifies_itself_and_tells_its_memory() {
    let mut rig = rig();
    assert_eq!(rig.vbe_get(0), 0xb0c5);
    rig.vbe(0, 0xb0c0);
    assert_eq!(rig.vbe_get(0), 0xb0c0);
    rig.vbe(0, 0x1234);
    assert_eq!(rig.vbe_get(0), 0xb0c0);
    assert_eq!(rig.vbe_get(10), 32);
    rig.vga.write16(0x1ce, 10);
    assert_eq!(rig.vga.read16(0x1d0), 32, "the even port");
    assert_eq!(rig.vga.read16(0x1ce), 10);
    rig.vbe(4, 2);
    assert_eq!((rig.vbe_get(1), rig.vbe_get(2), rig.vbe_get(3)), (4096, 2304, 32));
}

#[test]
fn pixels_of_every_depth() {
    let white = 0xff_ffff;
    let cases: [(u16, &[u8], u32); 6] = [
        (15, &[0xff, 0x7f], white),
        (15, &[0x00, 0x7c], 0xff_0000),
        (16, &[0xe0, 0x07], 0x00_ff00),
        (24, &[0x01, 0x02, 0x03], 0x03_0201),
        (32, &[0x01, 0x02, 0x03, 0xff], 0x03_0201),
        (8, &[0xc8], color(0xc8)),
    ];
    for (bpp, bytes, pixel) in cases {
        let mut rig = rig_in(&TEXT);
        rig.set_vbe_mode(320, 240, bpp);
        assert_eq!(rig.size(), (320, 240));
        let at = (320 * 100 + 7) * bytes.len() as u64;
        rig.vga.bar_write(0, at, bytes);
        assert!(rig.render());
        assert_eq!(rig.pixel(7, 100), pixel, "{bpp} bits");
    }
}

#[test]
fn four_bits_are_planes() {
    let mut rig = rig_in(&TEXT);
    rig.set_vbe_mode(640, 400, 4);
    rig.set(SEQ, 4, 0x06);
    rig.set(SEQ, 2, 0x05);
    rig.set(GFX, 5, 0);
    rig.vga.write8(A0000 + 80, 0x80);
    assert_eq!(rig.size(), (640, 400));
    assert_eq!((rig.pixel(0, 1), rig.pixel(1, 1)), (color(5), color(0)));
}

#[test]
fn the_eight_bit_dac_keeps_all_bits() {
    let mut rig = rig_in(&TEXT);
    rig.set_vbe_mode(320, 240, 8);
    rig.vbe(4, 0x61);
    rig.vga.write8(0x3c8, 1);
    for value in [0x81, 0x42, 0xff] {
        rig.vga.write8(0x3c9, value);
    }
    rig.vga.bar_write(0, 0, &[1]);
    rig.render();
    assert_eq!(rig.pixel(0, 0), 0x81_42ff);
    rig.vga.write8(0x3c7, 1);
    assert_eq!(rig.vga.read8(0x3c9), 0x81);
}

#[test]
fn a_wider_virtual_screen_scrolls() {
    let mut rig = rig_in(&TEXT);
    rig.set_vbe_mode(320, 240, 32);
    rig.vbe(6, 640);
    assert_eq!(rig.vbe_get(6), 640);
    assert_eq!(rig.vbe_get(7), ((2u32 << 20) / (640 * 4)) as u16);
    rig.vga.bar_write(0, (640 * 50 + 100) * 4, &[1, 2, 3, 0]);
    rig.render();
    assert_eq!(rig.pixel(100, 50), 0x03_0201);
    rig.vbe(8, 90);
    rig.vbe(9, 45);
    rig.render();
    assert_eq!(rig.pixel(10, 5), 0x03_0201);
    rig.vbe(9, 819 - 240);
    assert_eq!(rig.vbe_get(9), 819 - 240);
    rig.render();
    rig.vbe(9, 820 - 240);
    assert_eq!(rig.vbe_get(9), 0, "past the end of memory");
}

#[test]
fn a_mode_set_clears_memory_unless_told_not_to() {
    let mut rig = rig_in(&TEXT);
    rig.vga.bar_write(0, 5000, &[0x55]);
    rig.set_vbe_mode(320, 240, 32);
    let mut byte = [0];
    rig.vga.bar_read(0, 5000, &mut byte);
    assert_eq!(byte, [0]);
    rig.vga.bar_write(0, 5000, &[0x55]);
    rig.vbe(4, 0);
    rig.vbe(4, 0xc1);
    rig.vga.bar_read(0, 5000, &mut byte);
    assert_eq!(byte, [0x55]);
    assert_eq!(rig.vbe_get(4), 0xc1);
}

#[test]
fn the_window_shows_a_bank_of_the_frame_buffer() {
    let mut rig = rig_in(&TEXT);
    rig.set_vbe_mode(640, 480, 8);
    rig.vbe(5, 3);
    rig.vga.write32(A0000 + 0x1234, 0x0403_0201);
    assert_eq!(rig.vga.read32(A0000 + 0x1234), 0x0403_0201);
    let mut bytes = [0; 4];
    rig.vga.bar_read(0, 0x3_1234, &mut bytes);
    assert_eq!(bytes, [1, 2, 3, 4]);
    rig.vbe(5, 33);
    assert_eq!(rig.vbe_get(5), 1, "banks wrap at the end of memory");
    rig.vbe(4, 0);
    rig.set_mode(&MODE_13);
    assert_eq!(rig.vga.read32(A0000 + 0x1234), 0, "no banks without VBE");
}

#[test]
fn an_enabled_mode_stays_intact_and_the_sequencer_comes_back_after_it() {
    let mut rig = rig_in(&TEXT);
    rig.set_vbe_mode(640, 480, 8);
    rig.set(SEQ, 2, 0x01);
    rig.set(GFX, 5, 0x10);
    rig.set(GFX, 6, 0x0e);
    rig.set(CRTC, 0x13, 0x28);
    rig.vga.write32(A0000, 0x0403_0201);
    assert_eq!(rig.vga.read32(A0000), 0x0403_0201);
    assert_eq!((rig.get(GFX, 6), rig.get(CRTC, 0x13)), (0x07, 0x50));
    assert_eq!((rig.get(SEQ, 2), rig.get(SEQ, 4)), (0x01, 0x02));
}

#[test]
fn modes_that_do_not_fit_are_cut() {
    let mut rig = rig_in(&TEXT);
    rig.set_vbe_mode(1024, 768, 32);
    assert_eq!((rig.vbe_get(1), rig.vbe_get(2)), (1024, 512));
    rig.set_vbe_mode(1366, 0, 16);
    assert_eq!((rig.vbe_get(1), rig.vbe_get(2)), (1360, 1));
    rig.set_vbe_mode(0, 0xffff, 7);
    assert_eq!((rig.vbe_get(1), rig.vbe_get(2), rig.vbe_get(3)), (8, 2304, 8));
    rig.render();
    rig.set_vbe_mode(0xffff, 0xffff, 32);
    assert_eq!((rig.vbe_get(1), rig.vbe_get(2)), (4096, 128));
    rig.render();
}

#[test]
fn the_mmio_bar_has_edid_ports_and_registers() {
    let mut rig = rig();
    let mut edid = [0; 8];
    rig.vga.bar_read(2, 0, &mut edid);
    assert_eq!(edid, [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    rig.vga.bar_read(2, 0x80, &mut edid);
    assert_eq!(edid, [0; 8]);
    // The attribute index at 0x400 switches the display on.
    rig.vga.bar_write(2, 0x400, &[0x20]);
    let mut byte = [0];
    rig.vga.bar_read(2, 0x400, &mut byte);
    assert_eq!(byte, [0]);
    for (index, value) in [(1u64, 320u16), (2, 200), (3, 32), (4, 0x41)] {
        rig.vga.bar_write(2, 0x500 + 2 * index, &value.to_le_bytes());
    }
    assert_eq!(rig.size(), (320, 200));
    let mut word = [0; 2];
    rig.vga.bar_read(2, 0x500, &mut word);
    assert_eq!(word, [0xc5, 0xb0]);
    rig.vga.bar_read(2, 0x514, &mut word);
    assert_eq!(word, [32, 0]);
    rig.vga.bar_read(2, 0x600, &mut word);
    assert_eq!(word, [0xff, 0xff]);
}

#[test]
fn the_pci_function_is_qemus_standard_vga() {
    let rig = rig();
    let config = rig.vga.config();
    assert_eq!(config.u32(0), 0x1111_1234);
    assert_eq!(config.u32(8) >> 8, 0x03_0000);
    assert_eq!(config.u32(0x10) & 0xf, 0x8, "prefetchable memory");
    assert_eq!(config.bar(0).unwrap().direct, Some(rig.vga.vram()));
    assert_eq!(config.bar(2).unwrap().len, 4096);
    assert_eq!(config.u8(0x3d), 0, "no interrupt");
}
