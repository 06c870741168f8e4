//! INT 15h and INT 1Ah.

use super::*;

const SMAP: u32 = 0x534d_4150;

#[test]
fn e820_tells_all_ranges_and_ends() {
    let mut bench = Bench::new();
    bench.power_on();
    let mut next = 0;
    let mut ranges = Vec::new();
    loop {
        let f = bench.call(0x15, |f| {
            (f.eax, f.ebx, f.ecx, f.edx) = (0xe820, next, 24, SMAP);
            (f.es, f.edi) = (0x1000, 0x20);
        });
        assert!(!f.carry());
        assert_eq!((f.eax, f.ecx), (SMAP, 20));
        let start = u64::from_le_bytes(bench.machine.read(0x1_0020));
        let len = u64::from_le_bytes(bench.machine.read(0x1_0028));
        ranges.push((start, len, bench.machine.read32(0x1_0030)));
        next = f.ebx;
        if next == 0 {
            break;
        }
    }
    assert_eq!(ranges[0], (0, 0x9_fc00, 1));
    assert!(ranges.contains(&(0x10_0000, (15 << 20) - 0x2000, 1)));
    assert!(ranges.contains(&(0xff_e000, 0x2000, 4)));
    assert!(ranges.contains(&(0xb000_0000, 0x1000_0000, 2)));
    let f = bench.call(0x15, |f| (f.eax, f.ebx, f.ecx, f.edx) = (0xe820, 99, 24, SMAP));
    assert!(f.carry());
}

#[test]
fn e801_and_88_count_the_same_memory() {
    let mut bench = Bench::new();
    bench.power_on();
    let f = bench.call(0x15, |f| f.set_ax(0xe801));
    assert_eq!((f.ax(), f.bx(), f.cx(), f.dx()), (15 * 1024 - 8, 0, 15 * 1024 - 8, 0));
    let f = bench.call(0x15, |f| f.set_ax(0x8800));
    assert_eq!(f.ax(), 15 * 1024 - 8);
}

#[test]
fn block_move_reaches_above_a_megabyte() {
    let mut bench = Bench::new();
    bench.power_on();
    bench.machine.write(0x2_0000, b"four");
    let mut table = [0u8; 0x30];
    table[0x12..0x15].copy_from_slice(&[0x00, 0x00, 0x02]);
    table[0x1a..0x1d].copy_from_slice(&[0x00, 0x00, 0x20]);
    bench.machine.write(0x3_0000, &table);
    let f = bench.call(0x15, |f| {
        f.set_ax(0x8700);
        f.set_cx(2);
        (f.es, f.esi) = (0x3000, 0);
    });
    assert!(!f.carry());
    assert_eq!(&bench.machine.read::<4>(0x20_0000), b"four");
}

#[test]
fn waiting_takes_the_time_it_says() {
    let mut bench = Bench::new();
    bench.power_on();
    let before = bench.clock.now();
    let f = bench.call(0x15, |f| {
        f.set_ax(0x8600);
        f.set_dx(50_000);
    });
    assert!(!f.carry());
    assert!(bench.clock.now() - before >= 50_000_000);
    assert!(bench.clock.now() - before < 60_000_000);
}

#[test]
fn a20_is_asked_and_set_through_port_92h() {
    let mut bench = Bench::new();
    bench.power_on();
    bench.call(0x15, |f| f.set_ax(0x2401));
    assert_eq!(bench.latches.get(0x92) & 2, 2);
    assert_eq!(bench.call(0x15, |f| f.set_ax(0x2402)).al(), 1);
    bench.call(0x15, |f| f.set_ax(0x2400));
    assert_eq!(bench.call(0x15, |f| f.set_ax(0x2402)).al(), 0);
}

#[test]
fn functions_that_are_not_there_say_so() {
    let mut bench = Bench::new();
    bench.power_on();
    for function in [0x5300, 0x8900, 0xec00, 0xe980] {
        let f = bench.call(0x15, |f| f.set_ax(function));
        assert!(f.carry());
        assert_eq!(f.ah(), 0x86);
    }
    let f = bench.call(0x15, |f| f.set_ax(0x4f1e));
    assert!(f.carry() && f.ax() == 0x4f1e, "a scan code goes on as it is");
}

#[test]
fn the_configuration_table_is_an_at() {
    let mut bench = Bench::new();
    let f = bench.call(0x15, |f| f.set_ax(0xc000));
    let table: [u8; 3] = bench.machine.read(u64::from(f.es) * 16 + u64::from(f.bx()));
    assert_eq!(table, [8, 0, 0xfc]);
}

#[test]
fn time_is_read_and_set() {
    let mut bench = Bench::new();
    bench.power_on();
    bench.call(0x1a, |f| (f.eax, f.ecx, f.edx) = (0x0100, 0x12, 0x3456));
    let f = bench.call(0x1a, |f| f.set_ax(0));
    assert_eq!((f.cx(), f.dx(), f.al()), (0x12, 0x3456, 0));
    bench.call(0x1a, |f| (f.eax, f.ecx, f.edx) = (0x0300, 0x2359, 0x5800));
    let f = bench.call(0x1a, |f| f.set_ax(0x0200));
    assert_eq!((f.cx(), f.dh()), (0x2359, 0x58));
    bench.call(0x1a, |f| (f.eax, f.ecx, f.edx) = (0x0500, 0x2026, 0x1120));
    let f = bench.call(0x1a, |f| f.set_ax(0x0400));
    assert_eq!((f.cx(), f.dx()), (0x2026, 0x1120));
}

#[test]
fn midnight_is_told_once() {
    let mut bench = Bench::new();
    bench.power_on();
    bench.machine.write8(0x470, 1);
    assert_eq!(bench.call(0x1a, |f| f.set_ax(0)).al(), 1);
    assert_eq!(bench.call(0x1a, |f| f.set_ax(0)).al(), 0);
}

#[test]
fn the_pci_bios_finds_and_reads_functions() {
    let mut bench = Bench::new();
    bench.add_pci(PciAddress::new(0, 0), 0x29c0_8086, 0x06_00_00, 0, &[]);
    bench.add_pci(PciAddress::new(3, 0), 0x100e_8086, 0x02_00_00, 1, &[]);
    bench.add_pci(PciAddress::new(5, 0), 0x100e_8086, 0x02_00_00, 1, &[]);
    let f = bench.call(0x1a, |f| f.set_ax(0xb101));
    assert_eq!((f.edx, f.ah(), f.bx(), f.carry()), (0x2049_4350, 0, 0x0210, false));
    let find = |bench: &mut Bench, index| {
        bench.call(0x1a, |f| (f.eax, f.ecx, f.edx, f.esi) = (0xb102, 0x100e, 0x8086, index))
    };
    assert_eq!(find(&mut bench, 0).bx(), 3 << 3);
    assert_eq!(find(&mut bench, 1).bx(), 5 << 3);
    let none = find(&mut bench, 2);
    assert!(none.carry() && none.ah() == 0x86);
    let f = bench.call(0x1a, |f| (f.eax, f.ecx) = (0xb103, 0x0002_0000));
    assert_eq!(f.bx(), 3 << 3);
    let f = bench.call(0x1a, |f| (f.eax, f.ebx, f.edi) = (0xb10a, 3 << 3, 0));
    assert_eq!(f.ecx, 0x100e_8086);
    bench.call(0x1a, |f| (f.eax, f.ebx, f.ecx, f.edi) = (0xb10b, 3 << 3, 0x5a, 0x3c));
    let f = bench.call(0x1a, |f| (f.eax, f.ebx, f.edi) = (0xb108, 3 << 3, 0x3c));
    assert_eq!(f.cl(), 0x5a);
    let f = bench.call(0x1a, |f| (f.eax, f.ebx, f.edi) = (0xb109, 3 << 3, 1));
    assert!(f.carry() && f.ah() == 0x87, "a word is at an even register");
}

#[test]
fn a_serial_port_sends_and_times_out() {
    let mut bench = Bench::new();
    bench.power_on();
    bench.latches.set(0x3f8 + 5, 0x20);
    let f = bench.call(0x14, |f| f.set_ax(0x0141));
    assert_eq!((f.ah() & 0x80, bench.latches.get(0x3f8)), (0, 0x41));
    let f = bench.call(0x14, |f| f.set_ax(0x0200));
    assert_eq!(f.ah() & 0x80, 0x80, "nothing comes in");
    let f = bench.call(0x14, |f| (f.eax, f.edx) = (0x0300, 3));
    assert_eq!(f.ah(), 0x80, "there is no COM4");
}
