use super::*;
use aero_bus::BusDevice;

#[test]
fn the_map_mask_selects_planes_and_the_read_map_one() {
    let mut rig = rig_in(&PLANAR);
    for plane in 0..4u8 {
        rig.set(SEQ, 2, 1 << plane);
        rig.vga.write8(A0000 + 100, 0x10 + plane);
    }
    for plane in 0..4u8 {
        rig.set(GFX, 4, plane);
        assert_eq!(rig.vga.read8(A0000 + 100), 0x10 + plane);
    }
}

#[test]
fn planes_lie_side_by_side_in_the_frame_buffer() {
    let mut rig = rig_in(&PLANAR);
    rig.set(SEQ, 2, 0x0c);
    rig.vga.write8(A0000 + 3, 0x77);
    let mut bytes = [0u8; 8];
    let at = rig.vga.vram().host_offset + 8;
    rig.ram.host_slice(at, 8).unwrap().copy_to(&mut bytes);
    assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0x77, 0x77]);
}

#[test]
fn write_mode_0_rotates_sets_and_masks() {
    let mut rig = rig_in(&PLANAR);
    rig.vga.write8(A0000, 0xff);
    rig.vga.read8(A0000);
    rig.set(GFX, 3, 0x04);
    rig.set(GFX, 0, 0b0001);
    rig.set(GFX, 1, 0b0011);
    rig.set(GFX, 8, 0x3c);
    rig.vga.write8(A0000, 0x0f);
    let planes = read_planes(&mut rig, 0);
    // Plane 0 is set, plane 1 reset, both inside the mask; the others take 0x0f rotated by four.
    assert_eq!(planes, [0xff, 0xc3, 0xf3, 0xf3]);
}

#[test]
fn write_mode_1_copies_the_latches() {
    let mut rig = rig_in(&PLANAR);
    for plane in 0..4u8 {
        rig.set(SEQ, 2, 1 << plane);
        rig.vga.write8(A0000, 0xa0 + plane);
    }
    rig.set(SEQ, 2, 0x0f);
    rig.vga.read8(A0000);
    rig.set(GFX, 5, 0x01);
    rig.vga.write8(A0000 + 9, 0x55);
    assert_eq!(read_planes(&mut rig, 9), [0xa0, 0xa1, 0xa2, 0xa3]);
}

#[test]
fn write_mode_2_expands_a_colour() {
    let mut rig = rig_in(&PLANAR);
    rig.set(GFX, 5, 0x02);
    rig.set(GFX, 8, 0xf0);
    rig.vga.read8(A0000);
    rig.vga.write8(A0000, 0x0a);
    assert_eq!(read_planes(&mut rig, 0), [0x00, 0xf0, 0x00, 0xf0]);
}

#[test]
fn write_mode_3_writes_set_reset_through_the_rotated_data() {
    let mut rig = rig_in(&PLANAR);
    rig.set(GFX, 5, 0x03);
    rig.set(GFX, 0, 0b0101);
    rig.set(GFX, 3, 0x01);
    rig.set(GFX, 8, 0x7f);
    rig.vga.read8(A0000);
    rig.vga.write8(A0000, 0x81);
    assert_eq!(read_planes(&mut rig, 0), [0x40, 0x00, 0x40, 0x00]);
}

#[test]
fn the_logical_operations_combine_with_the_latches() {
    for (function, expected) in [(0, 0x0f), (1, 0x05), (2, 0x5f), (3, 0x5a)] {
        let mut rig = rig_in(&PLANAR);
        rig.vga.write8(A0000, 0x55);
        rig.vga.read8(A0000);
        rig.set(GFX, 3, function << 3);
        rig.vga.write8(A0000, 0x0f);
        assert_eq!(read_planes(&mut rig, 0), [expected; 4]);
    }
}

#[test]
fn read_mode_1_compares_colours_in_the_planes_that_matter() {
    let mut rig = rig_in(&PLANAR);
    // Colour 5 in the left half, colour 13 in the right.
    for (plane, bits) in [(0, 0xff), (2, 0xff), (3, 0x0f)] {
        rig.set(SEQ, 2, 1 << plane);
        rig.vga.write8(A0000, bits);
    }
    rig.set(GFX, 5, 0x08);
    rig.set(GFX, 2, 5);
    rig.set(GFX, 7, 0x0f);
    assert_eq!(rig.vga.read8(A0000), 0xf0);
    rig.set(GFX, 7, 0x07);
    assert_eq!(rig.vga.read8(A0000), 0xff);
    rig.set(GFX, 7, 0x00);
    assert_eq!(rig.vga.read8(A0000), 0xff);
}

#[test]
fn odd_and_even_addresses_are_characters_and_attributes() {
    let mut rig = rig_in(&TEXT);
    rig.vga.write32(B8000 + 4, 0x1f42_0741);
    assert_eq!(rig.vga.read32(B8000 + 4), 0x1f42_0741);
    rig.set(GFX, 5, 0x00);
    rig.set(SEQ, 4, 0x06);
    rig.set(GFX, 4, 0);
    assert_eq!(rig.vga.read16(B8000 + 2), 0x4241);
    rig.set(GFX, 4, 1);
    assert_eq!(rig.vga.read16(B8000 + 2), 0x1f07);
}

#[test]
fn the_window_is_where_the_map_says() {
    let mut rig = rig_in(&TEXT);
    rig.vga.write8(B8000, 1);
    assert_eq!(rig.vga.read8(A0000), 0xff);
    assert_eq!(rig.vga.read8(0xb_0000), 0xff);
    rig.set(GFX, 6, 0x0a);
    assert_eq!(rig.vga.read8(0xb_0000), 1);
    assert_eq!(rig.vga.read8(B8000), 0xff);
    rig.set(GFX, 6, 0x06);
    assert_eq!(rig.vga.read8(A0000), 1);
    assert_eq!(rig.vga.read8(0xb_0000), 0xff);
    rig.set(GFX, 6, 0x02);
    rig.vga.write8(0xb_fffe, 2);
    assert_eq!(rig.vga.read8(0xb_fffe), 2);
}

#[test]
fn chain_4_is_linear_and_honours_the_map_mask() {
    let mut rig = rig_in(&MODE_13);
    rig.vga.write64(A0000 + 1, 0x0807_0605_0403_0201);
    assert_eq!(rig.vga.read64(A0000 + 1), 0x0807_0605_0403_0201);
    rig.set(SEQ, 2, 0x05);
    rig.vga.write32(A0000, 0xffff_ffff);
    assert_eq!(rig.vga.read32(A0000), 0x03ff_01ff);
    let mut data = [0; 3];
    rig.vga.read(A0000 + 0xffff, &mut data);
    assert_eq!(data, [0, 0xff, 0xff], "the window ends");
}

fn read_planes(rig: &mut Rig, address: u64) -> [u8; 4] {
    let mode = rig.get(GFX, 5);
    rig.set(GFX, 5, mode & !0x08);
    std::array::from_fn(|plane| {
        rig.set(GFX, 4, plane as u8);
        rig.vga.read8(A0000 + address)
    })
}
