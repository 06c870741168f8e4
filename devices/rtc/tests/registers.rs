//! The MC146818 alone, register by register.

use aero_bus::{BusDevice, Device};
use aero_rtc::{BootDevice, PORTS, Rtc};
use aero_testbed::{Access, IrqEvent, Testbed, assert_round_trip};

const IRQ8: u32 = 8;
const ALARM: u32 = 100;
const INDEX: u64 = PORTS.offset;
const DATA: u64 = PORTS.offset + 1;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

/// Thursday, 29 February 2024, 23:59:50.
const START: i64 = 1_709_251_190;

const A: u8 = 0x0a;
const B: u8 = 0x0b;
const C: u8 = 0x0c;

fn rig() -> (Testbed, Rtc) {
    let bed = Testbed::new();
    let rtc = Rtc::new(&bed.clock, bed.pin(IRQ8), bed.pin(ALARM), START);
    (bed, rtc)
}

fn get(rtc: &mut Rtc, index: u8) -> u8 {
    rtc.write8(INDEX, index);
    rtc.read8(DATA)
}

fn set(rtc: &mut Rtc, index: u8, value: u8) {
    rtc.write8(INDEX, index);
    rtc.write8(DATA, value);
}

/// Century, year, month, day, day of the week, hour, minute, second.
fn time(rtc: &mut Rtc) -> [u8; 8] {
    [0x32, 9, 8, 7, 6, 4, 2, 0].map(|index| get(rtc, index))
}

fn set_time(rtc: &mut Rtc, time: [u8; 8]) {
    for (index, value) in [0x32, 9, 8, 7, 6, 4, 2, 0].into_iter().zip(time) {
        set(rtc, index, value);
    }
}

fn rises(bed: &Testbed, input: u32) -> usize {
    bed.take_events().iter().filter(|e| **e == IrqEvent::Level(input, true)).count()
}

#[test]
fn it_shows_the_start_time_and_goes_on() {
    let (bed, mut rtc) = rig();
    assert_eq!(time(&mut rtc), [0x20, 0x24, 0x02, 0x29, 5, 0x23, 0x59, 0x50]);
    bed.run(&mut rtc, 10 * SECOND - 1);
    assert_eq!(get(&mut rtc, 0), 0x59);
    bed.run(&mut rtc, 1);
    assert_eq!(time(&mut rtc), [0x20, 0x24, 0x03, 0x01, 6, 0, 0, 0]);
    bed.advance(366 * 86_400 * SECOND);
    assert_eq!(time(&mut rtc), [0x20, 0x25, 0x03, 0x02, 1, 0, 0, 0]);
    assert_eq!((get(&mut rtc, A), get(&mut rtc, B), get(&mut rtc, 0x0d)), (0x26, 0x02, 0x80));
}

#[test]
fn binary_and_twelve_hours_are_as_register_b_says() {
    let (bed, mut rtc) = rig();
    set(&mut rtc, B, 0x84);
    set_time(&mut rtc, [20, 24, 12, 31, 3, 0x8b, 59, 59]);
    set(&mut rtc, B, 0x04);
    bed.run(&mut rtc, SECOND);
    assert_eq!(time(&mut rtc), [20, 25, 1, 1, 4, 12, 0, 0], "midnight is 12 am");
    bed.run(&mut rtc, 12 * 3600 * SECOND);
    assert_eq!(get(&mut rtc, 4), 0x8c, "noon is 12 pm");
    set(&mut rtc, B, 0x80);
    set_time(&mut rtc, [0x19, 0x99, 0x12, 0x31, 6, 0x91, 0x59, 0x59]);
    set(&mut rtc, B, 0x00);
    bed.run(&mut rtc, SECOND);
    assert_eq!(time(&mut rtc), [0x20, 0, 1, 1, 7, 0x12, 0, 0]);
}

#[test]
fn set_stops_updates_and_time_written_meanwhile_stays() {
    let (bed, mut rtc) = rig();
    bed.run(&mut rtc, 300 * MS);
    set(&mut rtc, B, 0x92);
    assert_eq!(get(&mut rtc, B), 0x82, "SET clears the update-ended interrupt enable");
    // Day and month one after the other, over a 31 February.
    set(&mut rtc, 7, 0x31);
    set(&mut rtc, 8, 0x02);
    set(&mut rtc, 8, 0x01);
    bed.run(&mut rtc, 5 * SECOND);
    assert_eq!(time(&mut rtc), [0x20, 0x24, 0x01, 0x31, 5, 0x23, 0x59, 0x50]);
    assert_eq!(get(&mut rtc, C) & 0x10, 0);
    set(&mut rtc, B, 0x02);
    bed.run(&mut rtc, 699 * MS);
    assert_eq!(get(&mut rtc, 0), 0x50);
    bed.run(&mut rtc, MS);
    assert_eq!(get(&mut rtc, 0), 0x51, "the divider chain went on");
}

#[test]
fn leaving_the_divider_reset_updates_after_half_a_second() {
    let (bed, mut rtc) = rig();
    bed.run(&mut rtc, 900 * MS);
    set(&mut rtc, A, 0x76);
    bed.run(&mut rtc, 10 * SECOND);
    assert_eq!(get(&mut rtc, 0), 0x50);
    set(&mut rtc, A, 0x26);
    bed.run(&mut rtc, 500 * MS - 1);
    assert_eq!(get(&mut rtc, 0), 0x50);
    bed.run(&mut rtc, 1);
    assert_eq!(get(&mut rtc, 0), 0x51);
    bed.run(&mut rtc, SECOND);
    assert_eq!(get(&mut rtc, 0), 0x52);
}

#[test]
fn uip_is_high_for_244_microseconds_before_the_update() {
    let (bed, mut rtc) = rig();
    let mut high = 0;
    for _ in 0..10_000 {
        bed.run(&mut rtc, SECOND / 10_000);
        high += u32::from(get(&mut rtc, A) & 0x80 != 0);
    }
    assert!((2..=3).contains(&high), "{high} of 100 µs");
    bed.run(&mut rtc, SECOND - 244 * 1000);
    assert_eq!(get(&mut rtc, A) & 0x80, 0x80);
    set(&mut rtc, B, 0x82);
    assert_eq!(get(&mut rtc, A) & 0x80, 0);
    set(&mut rtc, B, 0x02);
    bed.run(&mut rtc, 244 * 1000);
    assert_eq!(get(&mut rtc, A) & 0x80, 0);
}

#[test]
fn the_update_ended_interrupt_comes_once_a_second_until_c_is_read() {
    let (bed, mut rtc) = rig();
    set(&mut rtc, B, 0x12);
    bed.run(&mut rtc, SECOND);
    assert!(bed.level(IRQ8));
    bed.run(&mut rtc, 3 * SECOND);
    assert!(bed.level(IRQ8), "a level");
    assert_eq!(get(&mut rtc, C), 0xd0, "with the periodic flag, which is not enabled");
    assert!(!bed.level(IRQ8));
    assert_eq!(get(&mut rtc, C) & 0x90, 0);
    bed.run(&mut rtc, SECOND);
    assert!(bed.level(IRQ8));
    set(&mut rtc, B, 0x02);
    assert!(!bed.level(IRQ8), "disabling lets go of the line");
    assert_eq!(get(&mut rtc, C) & 0x90, 0x10, "the flag stays");
}

#[test]
fn the_periodic_interrupt_has_the_rate_of_register_a() {
    for (rate, hertz) in [(1, 256), (2, 128), (3, 8192), (6, 1024), (10, 64), (15, 2)] {
        let (bed, mut rtc) = rig();
        set(&mut rtc, A, 0x20 | rate);
        set(&mut rtc, B, 0x42);
        let mut count = 0;
        for _ in 0..20_000 {
            bed.run(&mut rtc, SECOND / 20_000);
            if bed.level(IRQ8) {
                count += 1;
                assert_eq!(get(&mut rtc, C) & 0xc0, 0xc0);
            }
        }
        assert_eq!(count, hertz, "rate {rate}");
    }
    let (bed, mut rtc) = rig();
    set(&mut rtc, A, 0x20);
    set(&mut rtc, B, 0x42);
    bed.run(&mut rtc, SECOND);
    assert!(!bed.level(IRQ8));
    assert_eq!(bed.clock.next_deadline(), None);
}

#[test]
fn periodic_interrupts_that_a_slow_host_misses_come_later() {
    let (bed, mut rtc) = rig();
    set(&mut rtc, B, 0x42); // 1024 Hz
    bed.advance(SECOND / 4); // 256 periods
    let mut count = 0;
    for _ in 0..1000 {
        rtc.tick();
        if bed.level(IRQ8) {
            get(&mut rtc, C);
            count += 1;
        }
        bed.run(&mut rtc, SECOND / 4000);
    }
    assert!((510..=513).contains(&count), "{count} of 512 in half a second");
    // Not more than a second's worth, and nothing for those who have switched it off.
    bed.advance(100 * SECOND);
    set(&mut rtc, B, 0x02);
    get(&mut rtc, C);
    bed.run(&mut rtc, SECOND);
    set(&mut rtc, B, 0x42);
    get(&mut rtc, C);
    bed.run(&mut rtc, SECOND / 1024 / 2);
    assert!(!bed.level(IRQ8));
}

#[test]
fn the_alarm_matches_time_or_dont_care() {
    let (bed, mut rtc) = rig();
    for (index, value) in [(5, 0x00), (3, 0x00), (1, 0x05), (B, 0x22)] {
        set(&mut rtc, index, value);
    }
    assert_eq!(bed.clock.next_deadline(), Some(15 * SECOND));
    bed.run(&mut rtc, 15 * SECOND - 1);
    assert!(!bed.level(IRQ8));
    bed.run(&mut rtc, 1);
    assert!(bed.level(IRQ8) && bed.level(ALARM));
    assert_eq!(get(&mut rtc, C) & 0xa0, 0xa0);
    assert!(!bed.level(ALARM));
    set(&mut rtc, 5, 0xff);
    set(&mut rtc, 3, 0xff);
    bed.take_events();
    for _ in 0..10 {
        bed.run(&mut rtc, 60 * SECOND);
        get(&mut rtc, C);
    }
    assert_eq!(rises(&bed, ALARM), 10, "every minute");
    set(&mut rtc, 1, 0x61);
    bed.run(&mut rtc, 86_400 * SECOND);
    assert_eq!(rises(&bed, ALARM), 0, "no clock shows that");
}

#[test]
fn an_alarm_that_nobody_waited_for_still_sets_its_flag() {
    let (bed, mut rtc) = rig();
    for (index, value) in [(5, 0x00), (3, 0x00), (1, 0x05)] {
        set(&mut rtc, index, value);
    }
    bed.advance(14 * SECOND);
    assert_eq!(get(&mut rtc, C) & 0x20, 0);
    bed.advance(86_000 * SECOND);
    assert_eq!(get(&mut rtc, C) & 0x20, 0x20);
}

#[test]
fn memory_has_two_banks_and_the_century_two_places() {
    let (_, mut rtc) = rig();
    for index in 0x0e..0x80 {
        set(&mut rtc, index, index ^ 0x55);
    }
    for index in (0x0e..0x80).filter(|i| *i != 0x32 && *i != 0x37) {
        assert_eq!(get(&mut rtc, index), index ^ 0x55);
    }
    set(&mut rtc, 0x37, 0x21);
    assert_eq!((get(&mut rtc, 0x32), get(&mut rtc, 0x37)), (0x21, 0x21));
    rtc.write8(PORTS.offset + 2, 0x85);
    assert_eq!(rtc.read8(PORTS.offset + 2), 0x05);
    rtc.write8(PORTS.offset + 3, 0xaa);
    assert_eq!(rtc.cmos(0x85), 0xaa);
    assert_eq!(get(&mut rtc, 0x05), 0, "the other bank");
    assert_eq!(rtc.read8(INDEX), 0xff);
}

#[test]
fn bit_7_of_the_index_masks_nmi() {
    let (_, mut rtc) = rig();
    rtc.write8(INDEX, 0x8f);
    assert!(rtc.nmi_masked());
    rtc.write8(DATA, 0x05);
    assert_eq!(get(&mut rtc, 0x0f), 0x05);
    assert!(!rtc.nmi_masked());
    rtc.write16(INDEX, 0x0a0f);
    assert_eq!(rtc.read16(INDEX), 0x0aff);
}

#[test]
fn the_machine_notes_memory_boot_order_and_processors_for_firmware() {
    let (_, mut rtc) = rig();
    rtc.set_memory_sizes(3 << 30, 5 << 30);
    rtc.set_boot_order([BootDevice::CdRom, BootDevice::HardDisk, BootDevice::None]);
    rtc.set_cpu_count(4);
    let word = |rtc: &mut Rtc, i| u16::from_le_bytes([get(rtc, i), get(rtc, i + 1)]);
    assert_eq!(word(&mut rtc, 0x15), 640);
    assert_eq!((word(&mut rtc, 0x17), word(&mut rtc, 0x30)), (0xffff, 0xffff));
    assert_eq!(word(&mut rtc, 0x34), (((3u64 << 30) - (16 << 20)) >> 16) as u16);
    assert_eq!((word(&mut rtc, 0x5b), get(&mut rtc, 0x5d)), (0x4000, 1));
    assert_eq!((get(&mut rtc, 0x3d), get(&mut rtc, 0x38)), (0x23, 0));
    assert_eq!((get(&mut rtc, 0x5f), get(&mut rtc, 0x14)), (3, 6));
    rtc.set_memory_sizes(8 << 20, 0);
    assert_eq!((word(&mut rtc, 0x17), word(&mut rtc, 0x34)), (7 * 1024, 0));
}

#[test]
fn reset_keeps_time_and_memory_and_disables_interrupts() {
    let (bed, mut rtc) = rig();
    set(&mut rtc, 0x0f, 0x0a);
    set(&mut rtc, B, 0x72);
    bed.run(&mut rtc, 2 * SECOND);
    assert!(bed.level(IRQ8));
    rtc.reset();
    assert!(!bed.level(IRQ8));
    assert_eq!(bed.clock.next_deadline(), None);
    assert_eq!((get(&mut rtc, B), get(&mut rtc, C), get(&mut rtc, 0x0f)), (0x02, 0, 0x0a));
    assert_eq!(get(&mut rtc, 0), 0x52);
}

#[test]
fn a_snapshot_holds_everything_that_software_can_see() {
    let (bed, mut rtc) = rig();
    set(&mut rtc, A, 0x29);
    set(&mut rtc, B, 0x76);
    set(&mut rtc, 1, 0xff);
    bed.run(&mut rtc, 3 * SECOND + 123_456_789);
    get(&mut rtc, C);
    bed.run(&mut rtc, 1_234_567);
    let (other_bed, mut other) = rig();
    other_bed.advance(bed.clock.now());
    assert_round_trip(&rtc, &mut other);
    assert_eq!(other_bed.level(IRQ8), bed.level(IRQ8));
    bed.take_events();
    other_bed.take_events();
    for _ in 0..50 {
        assert_eq!(other_bed.clock.next_deadline(), bed.clock.next_deadline());
        bed.run(&mut rtc, 77_777_777);
        other_bed.run(&mut other, 77_777_777);
        assert_eq!(other_bed.take_events(), bed.take_events());
        assert_eq!(get(&mut other, C), get(&mut rtc, C));
    }
    assert_eq!(other.save(), rtc.save());
}

#[test]
fn a_damaged_snapshot_is_refused_and_changes_nothing() {
    let (_, mut rtc) = rig();
    let saved = rtc.save();
    for (field, value) in [("index", 0x80u64), ("a", 0x80), ("chain_offset", 40_000), ("c", 1)] {
        let mut bad = saved.clone();
        let fields = bad.fields.as_map_mut().unwrap();
        let entry = fields.iter_mut().find(|(k, _)| k.as_text() == Some(field)).unwrap();
        entry.1 = value.into();
        assert!(rtc.restore(&bad).is_err(), "{field}");
    }
    assert_eq!(rtc.save(), saved);
}

#[test]
fn any_bytes_in_any_order_are_survived() {
    let (bed, mut rtc) = rig();
    let mut seed = 5u32;
    for _ in 0..100_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (what, value) = (seed >> 24, (seed >> 16) as u8);
        match what % 5 {
            0 => rtc.write8(INDEX, value % 16),
            1 => rtc.write8(DATA, value),
            2 => _ = rtc.read8(u64::from(value % 6)),
            3 => bed.run(&mut rtc, u64::from(value) * 1000),
            _ => {
                bed.advance(u64::from(value) << (what / 5 % 32));
                rtc.tick();
            }
        }
    }
    rtc.write(u64::MAX, &[0xff; 8]);
    assert_eq!(rtc.read16(4), 0xffff);
}
