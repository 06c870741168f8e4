use super::*;

#[test]
fn only_the_bits_that_exist_are_kept() {
    let mut rig = rig();
    rig.vga.write8(MISC_WRITE, 0x01);
    for (index, bits) in [(0, 0x03), (1, 0x3d), (2, 0x0f), (3, 0x3f), (4, 0x0e)] {
        rig.set(SEQ, index, 0xff);
        assert_eq!(rig.get(SEQ, index), bits);
    }
    for (index, bits) in [(0, 0x0f), (3, 0x1f), (5, 0x7b), (6, 0x0f), (8, 0xff)] {
        rig.set(GFX, index, 0xff);
        assert_eq!(rig.get(GFX, index), bits);
    }
    assert_eq!(rig.vga.read8(0x3cc), 0x01);
}

#[test]
fn a_word_to_an_index_port_sets_index_and_data() {
    let mut rig = rig();
    rig.vga.write16(GFX, 0xa508);
    assert_eq!(rig.get(GFX, 8), 0xa5);
}

#[test]
fn the_crtc_answers_at_3dx_in_colour_and_at_3bx_in_monochrome() {
    let mut rig = rig();
    rig.vga.write8(MISC_WRITE, 0x01);
    rig.set(0x3d4, 0x0a, 0x12);
    assert_eq!(rig.get(0x3b4, 0x0a), 0xff);
    rig.vga.write8(MISC_WRITE, 0x00);
    assert_eq!(rig.get(0x3b4, 0x0a), 0x12);
    assert_eq!(rig.vga.read8(STATUS_1), 0xff);
    assert_ne!(rig.vga.read8(0x3ba), 0xff);
}

#[test]
fn protected_crtc_registers_keep_all_but_line_compares_bit() {
    let mut rig = rig_in(&TEXT);
    assert_eq!(rig.get(CRTC, 0x11) & 0x80, 0x80);
    rig.set(CRTC, 0, 0x11);
    rig.set(CRTC, 7, 0x00);
    rig.set(CRTC, 9, 0x40);
    assert_eq!(rig.get(CRTC, 0), 0x5f);
    assert_eq!(rig.get(CRTC, 7), 0x0f);
    assert_eq!(rig.get(CRTC, 9), 0x40);
    assert_eq!(rig.get(CRTC, 0x30), 0);
}

#[test]
fn the_attribute_port_takes_index_and_data_in_turn() {
    let mut rig = rig();
    rig.vga.write8(MISC_WRITE, 0x01);
    rig.vga.read8(STATUS_1);
    rig.vga.write8(ATTR, 0x10);
    assert_eq!(rig.vga.read8(ATTR), 0, "data is next");
    rig.vga.write8(ATTR, 0xff);
    assert_eq!(rig.vga.read8(ATTR), 0x10);
    assert_eq!(rig.vga.read8(0x3c1), 0xef);
    rig.vga.write8(ATTR, 0x01);
    rig.vga.read8(STATUS_1);
    rig.vga.write8(ATTR, 0x02);
    assert_eq!(rig.vga.read8(0x3c1), 0, "reading the status made it an index again");
}

#[test]
fn the_dac_takes_and_gives_three_components_an_entry() {
    let mut rig = rig();
    rig.vga.write8(0x3c8, 5);
    for value in [1, 2, 0xff, 4, 5, 6] {
        rig.vga.write8(0x3c9, value);
    }
    assert_eq!(rig.vga.read8(0x3c8), 7);
    assert_eq!(rig.vga.read8(0x3c7), 0, "writing");
    rig.vga.write8(0x3c7, 5);
    assert_eq!(rig.vga.read8(0x3c7), 3, "reading");
    let got: Vec<u8> = (0..6).map(|_| rig.vga.read8(0x3c9)).collect();
    assert_eq!(got, [1, 2, 0x3f, 4, 5, 6]);
    rig.vga.write8(0x3c7, 255);
    (0..4).for_each(|_| assert!(rig.vga.read8(0x3c9) <= 0x3f, "the index wraps"));
}

#[test]
fn input_status_1_shows_lines_and_frames_of_the_mode() {
    let mut rig = rig_in(&PLANAR);
    // 800 dots of 25.175 MHz a line, 525 lines a frame.
    let line = 800 * 1_000_000_000 / 25_175_000;
    let frame = 525 * line;
    let (mut disabled, mut retrace, steps) = (0, 0, 10_000);
    let start = frame * 3;
    for step in 0..steps {
        rig.clock.advance_to(start + frame * step / steps);
        let status = rig.vga.read8(STATUS_1);
        disabled += u64::from(status & 1);
        retrace += u64::from(status >> 3 & 1);
    }
    let displayed = (steps - disabled) * 525 * 800;
    let expected = steps * 480 * 640;
    assert!(displayed.abs_diff(expected) < expected / 50, "{disabled} of {steps} blanked");
    let expected = steps * 2 / 525;
    assert!(retrace.abs_diff(expected) < 5, "{retrace} of {steps} in retrace");
}

#[test]
fn a_wait_for_retrace_ends_before_the_first_mode_too() {
    let mut rig = rig();
    rig.vga.write8(MISC_WRITE, 0x01);
    for wanted in [0x08, 0x00, 0x08] {
        let ends = (0..10_000u64).any(|_| {
            rig.clock.advance_to(rig.clock.now() + 10_000);
            rig.vga.read8(STATUS_1) & 0x08 == wanted
        });
        assert!(ends);
    }
}
