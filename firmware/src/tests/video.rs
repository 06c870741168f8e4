//! INT 10h.

use super::*;

fn video() -> Bench {
    let mut bench = Bench::new();
    bench.power_on();
    bench
}

fn int10(bench: &mut Bench, ax: u32, bx: u32, cx: u32, dx: u32) -> Frame {
    bench.call(0x10, |f| (f.eax, f.ebx, f.ecx, f.edx) = (ax, bx, cx, dx))
}

fn write(bench: &mut Bench, text: &str) {
    for byte in text.bytes() {
        int10(bench, 0x0e00 | u32::from(byte), 0, 0, 0);
    }
}

#[test]
fn the_teletype_wraps_and_scrolls() {
    let mut bench = video();
    write(&mut bench, "one\r\ntwo\x08\x08w\r\n");
    assert_eq!(bench.screen()[..2], ["one", "two"]);
    write(&mut bench, &"x".repeat(81));
    assert_eq!(bench.screen()[2].len(), 80);
    assert_eq!(bench.screen()[3], "x");
    for i in 0..25 {
        write(&mut bench, &format!("\r\n{i}"));
    }
    assert_eq!((bench.screen()[0].as_str(), bench.screen()[24].as_str()), ("0", "24"));
    let f = int10(&mut bench, 0x0300, 0, 0, 0);
    assert_eq!((f.dh(), f.dl(), f.cx()), (24, 2, 0x0607));
}

#[test]
fn characters_are_written_with_attributes_and_read_back() {
    let mut bench = video();
    int10(&mut bench, 0x0200, 0, 0, 0x0a05);
    int10(&mut bench, 0x0941, 0x001f, 3, 0);
    assert_eq!(bench.screen()[10], "     AAA");
    assert_eq!(int10(&mut bench, 0x0800, 0, 0, 0).ax(), 0x1f41);
    int10(&mut bench, 0x0a42, 0x0077, 1, 0);
    assert_eq!(int10(&mut bench, 0x0800, 0, 0, 0).ax(), 0x1f42, "the attribute stays");
}

#[test]
fn an_area_scrolls_both_ways_and_is_cleared() {
    let mut bench = video();
    write(&mut bench, "a\r\nb\r\nc\r\nd");
    int10(&mut bench, 0x0601, 0x0700, 0x0100, 0x0209);
    assert_eq!(bench.screen()[..4], ["a", "c", "", "d"]);
    int10(&mut bench, 0x0701, 0x0700, 0x0000, 0x034f);
    assert_eq!(bench.screen()[..4], ["", "a", "c", ""]);
    int10(&mut bench, 0x0600, 0x1700, 0x0000, 0x184f);
    assert!(bench.screen().iter().all(String::is_empty));
    assert_eq!(bench.machine.read8(0xb_8001), 0x17);
}

#[test]
fn strings_come_from_the_callers_memory() {
    let mut bench = video();
    bench.machine.write(0x3_0000, b"H\x1ei\x1f");
    let f = bench.call(0x10, |f| {
        (f.eax, f.ebx, f.ecx, f.edx) = (0x1303, 0, 2, 0x0203);
        (f.es, f.ebp) = (0x3000, 0);
    });
    assert_eq!(f.ax(), 0x1303);
    assert_eq!(bench.machine.read::<4>(0xb_8000 + 326), *b"H\x1ei\x1f");
    assert_eq!(int10(&mut bench, 0x0300, 0, 0, 0).dx(), 0x0205);
}

#[test]
fn modes_tell_of_themselves_in_the_bda() {
    let mut bench = video();
    for (mode, columns, rows) in
        [(0x03u32, 80, 25), (0x01, 40, 25), (0x13, 40, 25), (0x12, 80, 30), (0x06, 80, 25)]
    {
        int10(&mut bench, mode, 0, 0, 0);
        let f = int10(&mut bench, 0x0f00, 0, 0, 0);
        assert_eq!((u32::from(f.al()), f.ah()), (mode, columns));
        assert_eq!(bench.machine.read8(0x484) + 1, rows);
    }
    int10(&mut bench, 0x0083, 0, 0, 0);
    assert_eq!(int10(&mut bench, 0x0f00, 0, 0, 0).al(), 0x83);
    int10(&mut bench, 0x0077, 0, 0, 0);
    assert_eq!(bench.machine.read8(0x449), 3, "there is no mode 77h");
}

#[test]
fn pages_have_cursors_of_their_own() {
    let mut bench = video();
    int10(&mut bench, 0x0200, 0x0100, 0, 0x0102);
    int10(&mut bench, 0x0501, 0, 0, 0);
    assert_eq!(bench.machine.read16(0x44e), 0x1000);
    write(&mut bench, "p");
    assert_eq!(bench.machine.read8(0xb_9000 + 164), b'p');
    assert_eq!(int10(&mut bench, 0x0300, 0, 0, 0).dx(), 0);
}

#[test]
fn mode_13h_draws_pixels_and_characters() {
    let mut bench = video();
    int10(&mut bench, 0x13, 0, 0, 0);
    int10(&mut bench, 0x0c2a, 0, 10, 20);
    assert_eq!(bench.machine.read8(0xa_0000 + 20 * 320 + 10), 0x2a);
    assert_eq!(int10(&mut bench, 0x0d00, 0, 10, 20).al(), 0x2a);
    int10(&mut bench, 0x0200, 0, 0, 0x0101);
    int10(&mut bench, 0x0941, 0x000f, 1, 0);
    let rows: Vec<u8> = (0..8)
        .map(|y| {
            let row: [u8; 8] = bench.machine.read(0xa_0000 + (8 + y) * 320 + 8);
            row.iter().fold(0, |bits, p| bits << 1 | u8::from(*p == 0x0f))
        })
        .collect();
    assert_eq!(rows, crate::font::font_8x8()[65 * 8..66 * 8]);
    assert_eq!(int10(&mut bench, 0x0800, 0, 0, 0).al(), 0x41);
    int10(&mut bench, 0x0601, 0, 0, 0x1827);
    assert_eq!(bench.machine.read8(0xa_0000 + 12 * 320 + 10), 0x2a, "scrolled up a row");
}

#[test]
fn cga_modes_share_bytes_among_pixels() {
    let mut bench = video();
    int10(&mut bench, 0x04, 0, 0, 0);
    int10(&mut bench, 0x0c02, 0, 5, 1);
    assert_eq!(bench.machine.read8(0xb_a001), 0x20);
    assert_eq!(int10(&mut bench, 0x0d00, 0, 5, 1).al(), 2);
    int10(&mut bench, 0x0c83, 0, 5, 1);
    assert_eq!(int10(&mut bench, 0x0d00, 0, 5, 1).al(), 1, "by exclusive or");
    int10(&mut bench, 0x06, 0, 0, 0);
    int10(&mut bench, 0x0e41, 0x0001, 0, 0);
    assert_eq!(bench.machine.read8(0xb_8000), crate::font::font_8x8()[65 * 8]);
}

#[test]
fn fonts_are_found_in_the_rom() {
    let mut bench = video();
    let f = bench.call(0x10, |f| (f.eax, f.ebx) = (0x1130, 0x0600));
    let at = u64::from(f.es) * 16 + u64::from(f.bp());
    assert_eq!(
        bench.machine.read::<16>(at + 65 * 16)[..],
        crate::font::font_8x16()[65 * 16..][..16]
    );
    assert_eq!((f.cx(), f.dl()), (16, 24));
    int10(&mut bench, 0x1112, 0, 0, 0);
    assert_eq!((bench.machine.read8(0x484), bench.machine.read16(0x485)), (49, 8));
}

#[test]
fn state_information_goes_to_the_callers_memory() {
    let mut bench = video();
    let f = bench.call(0x10, |f| (f.eax, f.es, f.edi) = (0x1b00, 0x3000, 0x10));
    assert_eq!(f.al(), 0x1b);
    assert_eq!(bench.machine.read8(0x3_0014), 3);
    assert_eq!(bench.machine.read16(0x3_0015), 80);
    assert_eq!(bench.machine.read8(0x3_0032), 25);
    assert_eq!(int10(&mut bench, 0x1a00, 0, 0, 0).bx(), 0x0008);
    assert_eq!(int10(&mut bench, 0x1200, 0x10, 0, 0).bx(), 0x0003);
}

#[test]
fn state_is_saved_and_restored() {
    let mut bench = video();
    let size = int10(&mut bench, 0x1c00, 0, 7, 0);
    assert_eq!(size.al(), 0x1c);
    bench.call(0x10, |f| (f.eax, f.ecx, f.es) = (0x1c01, 7, 0x3000));
    int10(&mut bench, 0x13, 0, 0, 0);
    bench.call(0x10, |f| (f.eax, f.ecx, f.es) = (0x1c02, 7, 0x3000));
    assert_eq!(int10(&mut bench, 0x0f00, 0, 0, 0).ax(), 0x5003);
}

#[test]
fn vesa_lists_the_modes_that_fit() {
    let mut bench = video();
    bench.machine.write(0x3_0000, b"VBE2");
    let f = bench.call(0x10, |f| (f.eax, f.es) = (0x4f00, 0x3000));
    assert_eq!(f.ax(), 0x004f);
    assert_eq!(&bench.machine.read::<4>(0x3_0000), b"VESA");
    assert_eq!(bench.machine.read16(0x3_0012), 256);
    let list = |bench: &Bench| {
        let at = u64::from(bench.machine.read16(0x3_0010)) * 16;
        let at = at + u64::from(bench.machine.read16(0x3_000e));
        (0..).map(|i| bench.machine.read16(at + 2 * i)).take_while(|m| *m != 0xffff).count()
    };
    assert!(list(&bench) > 50);
    // With a megabyte there are fewer.
    bench.bochs.values.lock().unwrap().insert(10, 16);
    bench.call(0x10, |f| (f.eax, f.es) = (0x4f00, 0x3000));
    assert!(list(&bench) < 20);
}

#[test]
fn vesa_modes_are_described_and_set() {
    let mut bench = video();
    bench.add_pci(PciAddress::new(1, 0), 0x1111_1234, 0x03_00_00, 0, &[(0, memory_bar(16 << 20))]);
    bench.machine.set_pci32(PciAddress::new(1, 0), 0x10, 0xe000_0000);
    let f = bench.call(0x10, |f| (f.eax, f.ecx, f.es) = (0x4f01, 0x118, 0x3000));
    assert_eq!(f.ax(), 0x004f);
    assert_eq!(bench.machine.read16(0x3_0000) & 0x81, 0x81);
    assert_eq!(bench.machine.read16(0x3_0010), 1024 * 3);
    assert_eq!((bench.machine.read16(0x3_0012), bench.machine.read16(0x3_0014)), (1024, 768));
    assert_eq!(bench.machine.read8(0x3_0019), 24);
    assert_eq!(bench.machine.read32(0x3_0028), 0xe000_0000);
    assert_eq!(int10(&mut bench, 0x4f02, 0x4144, 0, 0).ax(), 0x004f);
    let get = |bench: &Bench, index| bench.bochs.values.lock().unwrap()[&index];
    assert_eq!((get(&bench, 1), get(&bench, 2), get(&bench, 3)), (1024, 768, 32));
    assert_eq!(get(&bench, 4), 0x41);
    assert_eq!(int10(&mut bench, 0x4f03, 0, 0, 0).bx(), 0x4144);
    int10(&mut bench, 0x4f07, 0, 0, 5);
    assert_eq!(get(&bench, 9), 5);
    assert_eq!(int10(&mut bench, 0x03, 0, 0, 0).al(), 0x30);
    assert_eq!(get(&bench, 4), 0);
    assert_eq!(int10(&mut bench, 0x4f03, 0, 0, 0).bx(), 3);
    assert_eq!(int10(&mut bench, 0x4f02, 0x1ff, 0, 0).ax(), 0x014f);
}

#[test]
fn the_edid_is_read_over_ddc() {
    let mut bench = video();
    assert_eq!(int10(&mut bench, 0x4f15, 0, 0, 0).ax(), 0x004f);
    bench.call(0x10, |f| (f.eax, f.ebx, f.es) = (0x4f15, 1, 0x3000));
    assert_eq!(bench.machine.read::<8>(0x3_0000), [0, 255, 255, 255, 255, 255, 255, 0]);
}
