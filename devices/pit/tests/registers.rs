//! The 8254 alone, register by register.

use aero_bus::{BusDevice, Device};
use aero_pit::{COUNTERS, MAX_LAG_NS, MIN_EDGE_GAP_NS, PORT_61, Pit, Speaker};
use aero_testbed::{Access, IrqEvent, Testbed, assert_round_trip};

const IRQ0: u32 = 0;
const C0: u64 = COUNTERS.offset;
const C2: u64 = COUNTERS.offset + 2;
const CONTROL: u64 = COUNTERS.offset + 3;
const P61: u64 = PORT_61.offset;

const SECOND: u64 = 1_000_000_000;

/// The first nanosecond at which `ticks` ticks have passed.
fn ticks(ticks: u64) -> u64 {
    (ticks * 17_600).div_ceil(21)
}

fn rig() -> (Testbed, Pit) {
    let bed = Testbed::new();
    let pit = Pit::new(&bed.clock, bed.pin(IRQ0));
    (bed, pit)
}

/// Lets time pass up to tick `tick`.
fn run_to(bed: &Testbed, pit: &mut Pit, tick: u64) {
    bed.run(pit, ticks(tick) - bed.clock.now());
}

fn program(pit: &mut Pit, counter: u8, mode: u8, count: u16) {
    pit.write8(CONTROL, counter << 6 | 0x30 | mode << 1);
    for byte in count.to_le_bytes() {
        pit.write8(u64::from(counter), byte);
    }
}

fn read_count(pit: &mut Pit, counter: u8) -> u16 {
    pit.write8(CONTROL, counter << 6);
    u16::from_le_bytes([pit.read8(counter.into()), pit.read8(counter.into())])
}

fn status(pit: &mut Pit, counter: u8) -> u8 {
    pit.write8(CONTROL, 0xe0 | 2 << counter);
    pit.read8(counter.into())
}

fn out(pit: &mut Pit, counter: u8) -> bool {
    status(pit, counter) & 0x80 != 0
}

fn rises(bed: &Testbed) -> usize {
    bed.take_events().iter().filter(|e| **e == IrqEvent::Level(IRQ0, true)).count()
}

#[test]
fn nothing_counts_before_it_is_programmed() {
    let (bed, mut pit) = rig();
    bed.run(&mut pit, SECOND);
    assert_eq!(bed.take_events(), []);
    assert_eq!(bed.clock.next_deadline(), None);
    assert_eq!(status(&mut pit, 0) & 0xc0, 0x40, "output low, null count");
}

#[test]
fn counter_0_in_mode_2_reloads_and_pulses_out() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 1000);
    assert!(bed.level(IRQ0), "OUT is initially high");
    bed.take_events();
    run_to(&bed, &mut pit, 1 + 998);
    assert_eq!(read_count(&mut pit, 0), 2);
    assert_eq!(bed.take_events(), []);
    run_to(&bed, &mut pit, 1 + 999);
    assert_eq!(bed.take_events(), [IrqEvent::Level(IRQ0, false)], "low while the count is 1");
    assert_eq!(read_count(&mut pit, 0), 1);
    run_to(&bed, &mut pit, 1 + 1000);
    assert_eq!(bed.take_events(), [IrqEvent::Level(IRQ0, true)]);
    assert_eq!(read_count(&mut pit, 0), 1000);
}

#[test]
fn a_thousand_hertz_are_a_thousand_interrupts_a_second() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 1193);
    bed.run(&mut pit, 10 * SECOND);
    let expected = 10.0 * 105e6 / 88.0 / 1193.0;
    let count = rises(&bed) - 1; // without the one of the control word
    assert!((count as f64 - expected).abs() <= 1.0, "{count}, not {expected}");
}

#[test]
fn mode_0_raises_out_once_at_terminal_count_and_counts_on() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 0, 100);
    assert!(!bed.level(IRQ0));
    run_to(&bed, &mut pit, 100);
    assert!(!bed.level(IRQ0), "N + 1 ticks after the count is written");
    run_to(&bed, &mut pit, 101);
    assert!(bed.level(IRQ0));
    run_to(&bed, &mut pit, 111);
    assert_eq!(read_count(&mut pit, 0), 0xfff6);
    bed.run(&mut pit, SECOND);
    assert_eq!(rises(&bed), 1);
    // The first byte of a new count stops it and lowers the output, the second starts it.
    pit.write8(C0, 50);
    assert!(!bed.level(IRQ0));
    bed.run(&mut pit, SECOND);
    assert!(!bed.level(IRQ0));
    pit.write8(C0, 0);
    bed.run(&mut pit, ticks(52));
    assert!(bed.level(IRQ0));
}

#[test]
fn mode_3_is_high_for_half_the_period_and_counts_by_two() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 3, 10);
    let mut seen = Vec::new();
    for tick in 1..=10 {
        run_to(&bed, &mut pit, tick);
        seen.push((read_count(&mut pit, 0), out(&mut pit, 0)));
    }
    let half = |level| [10, 8, 6, 4, 2].map(|count| (count, level));
    assert_eq!(seen, [half(true), half(false)].concat());
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 3, 5);
    let mut seen = Vec::new();
    for tick in 1..=6 {
        run_to(&bed, &mut pit, tick);
        seen.push((read_count(&mut pit, 0), out(&mut pit, 0)));
    }
    assert_eq!(seen, [(4, true), (2, true), (0, true), (4, false), (2, false), (4, true)]);
}

#[test]
fn mode_4_strobes_low_for_one_tick_and_can_be_written_again() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 4, 100);
    bed.take_events();
    run_to(&bed, &mut pit, 50);
    program(&mut pit, 0, 4, 100);
    run_to(&bed, &mut pit, 50 + 100);
    assert_eq!(bed.take_events(), []);
    run_to(&bed, &mut pit, 50 + 101);
    assert_eq!(bed.take_events(), [IrqEvent::Level(IRQ0, false)]);
    run_to(&bed, &mut pit, 50 + 102);
    assert_eq!(bed.take_events(), [IrqEvent::Level(IRQ0, true)]);
    bed.run(&mut pit, SECOND);
    assert_eq!(bed.take_events(), []);
}

#[test]
fn modes_1_and_5_wait_for_the_gate() {
    for (mode, during, at_zero, after) in [(1, false, true, true), (5, true, false, true)] {
        let (bed, mut pit) = rig();
        program(&mut pit, 2, mode, 100);
        bed.run(&mut pit, SECOND);
        assert!(out(&mut pit, 2));
        let start = bed.clock.now() * 21 / 17_600 + 1;
        pit.write8(P61, 1);
        run_to(&bed, &mut pit, start + 50);
        assert_eq!((out(&mut pit, 2), read_count(&mut pit, 2)), (during, 50));
        run_to(&bed, &mut pit, start + 100);
        assert_eq!(out(&mut pit, 2), at_zero);
        run_to(&bed, &mut pit, start + 101);
        assert_eq!(out(&mut pit, 2), after);
        // A new count is used at the next trigger.
        for byte in [20, 0] {
            pit.write8(C2, byte);
        }
        assert_eq!(status(&mut pit, 2) & 0x40, 0x40, "null count");
        pit.write8(P61, 0);
        pit.write8(P61, 1);
        run_to(&bed, &mut pit, start + 101 + 11);
        assert_eq!(read_count(&mut pit, 2), 10);
    }
}

#[test]
fn the_gate_of_counter_2_holds_and_restarts_it() {
    let (bed, mut pit) = rig();
    pit.write8(P61, 1);
    program(&mut pit, 2, 0, 1000);
    run_to(&bed, &mut pit, 101);
    pit.write8(P61, 0);
    assert_eq!(read_count(&mut pit, 2), 900);
    run_to(&bed, &mut pit, 5000);
    assert_eq!(read_count(&mut pit, 2), 900);
    pit.write8(P61, 1);
    run_to(&bed, &mut pit, 5899);
    assert_eq!(pit.read8(P61) & 0x20, 0);
    run_to(&bed, &mut pit, 5900);
    assert_eq!(pit.read8(P61) & 0x20, 0x20, "OUT2");
    program(&mut pit, 2, 3, 1000);
    run_to(&bed, &mut pit, 5901 + 600);
    assert!(!out(&mut pit, 2));
    pit.write8(P61, 0);
    assert!(out(&mut pit, 2), "a low gate sets OUT high at once in mode 3");
    run_to(&bed, &mut pit, 10_000);
    pit.write8(P61, 1);
    run_to(&bed, &mut pit, 10_001);
    assert_eq!(read_count(&mut pit, 2), 1000, "and its rise loads the count again");
}

#[test]
fn a_new_count_in_mode_2_waits_for_the_end_of_the_period() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 1000);
    run_to(&bed, &mut pit, 501);
    pit.write8(C0, 100);
    pit.write8(C0, 0);
    assert_eq!(status(&mut pit, 0) & 0x40, 0x40);
    assert_eq!(read_count(&mut pit, 0), 500);
    run_to(&bed, &mut pit, 1001);
    assert_eq!(read_count(&mut pit, 0), 100);
    assert_eq!(status(&mut pit, 0) & 0x40, 0);
    bed.take_events();
    run_to(&bed, &mut pit, 1001 + 1000);
    assert_eq!(rises(&bed), 10);
}

#[test]
fn a_new_count_in_mode_3_waits_for_the_end_of_the_half() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 3, 1000);
    run_to(&bed, &mut pit, 101);
    pit.write8(C0, 100);
    pit.write8(C0, 0);
    bed.take_events();
    run_to(&bed, &mut pit, 501);
    assert_eq!(bed.take_events(), [IrqEvent::Level(IRQ0, false)]);
    run_to(&bed, &mut pit, 551);
    assert_eq!(bed.take_events(), [IrqEvent::Level(IRQ0, true)]);
    run_to(&bed, &mut pit, 601);
    assert_eq!(bed.take_events(), [IrqEvent::Level(IRQ0, false)]);
}

#[test]
fn bcd_counts_in_decades() {
    let (bed, mut pit) = rig();
    pit.write8(CONTROL, 0x31);
    pit.write16(C0, 0); // the second byte is for the next port
    pit.write8(CONTROL, 0x31);
    pit.write8(C0, 0x00);
    pit.write8(C0, 0x10);
    run_to(&bed, &mut pit, 2);
    assert_eq!(read_count(&mut pit, 0), 0x0999);
    run_to(&bed, &mut pit, 1 + 1001);
    assert_eq!(read_count(&mut pit, 0), 0x9999);
    pit.write8(CONTROL, 0x35);
    pit.write8(C0, 0xff); // no decimal digits
    pit.write8(C0, 0xff);
    run_to(&bed, &mut pit, 5000);
    assert!(read_count(&mut pit, 0) <= 0x9999);
}

#[test]
fn a_count_of_zero_is_the_largest() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 0);
    bed.take_events();
    run_to(&bed, &mut pit, 65_536);
    assert_eq!(rises(&bed), 0);
    run_to(&bed, &mut pit, 65_537);
    assert_eq!(rises(&bed), 1);
}

#[test]
fn one_byte_access_writes_and_reads_one_byte() {
    let (bed, mut pit) = rig();
    pit.write8(CONTROL, 0x14); // low byte, mode 2
    pit.write8(C0, 200);
    run_to(&bed, &mut pit, 11);
    assert_eq!((pit.read8(C0), pit.read8(C0)), (190, 190));
    pit.write8(CONTROL, 0x24); // high byte
    pit.write8(C0, 2);
    run_to(&bed, &mut pit, 12 + 100);
    assert_eq!(pit.read8(C0), 1);
}

#[test]
fn a_latched_count_stays_until_it_is_read() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 1000);
    run_to(&bed, &mut pit, 101);
    pit.write8(CONTROL, 0x00);
    run_to(&bed, &mut pit, 301);
    pit.write8(CONTROL, 0x00);
    pit.write8(CONTROL, 0xd2); // read-back of the count
    assert_eq!(u16::from_le_bytes([pit.read8(C0), pit.read8(C0)]), 900);
    assert_eq!(u16::from_le_bytes([pit.read8(C0), pit.read8(C0)]), 700, "live again");
}

#[test]
fn read_back_latches_status_and_count_of_several_counters() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 1000);
    pit.write8(CONTROL, 0x99); // counter 2, low byte, mode 4, BCD
    pit.write8(CONTROL, 0xca); // both latches of counters 0 and 2
    assert_eq!(pit.read8(C0), 0xf4, "OUT, null count, both bytes, mode 2");
    assert_eq!(u16::from_le_bytes([pit.read8(C0), pit.read8(C0)]), 1000);
    assert_eq!(pit.read8(C2), 0xd9);
    run_to(&bed, &mut pit, 1);
    assert_eq!(status(&mut pit, 0), 0xb4, "the count is loaded with the next tick");
    pit.write8(CONTROL, 0x3e); // bit 2 of the mode does not count in mode 3
    assert_eq!(status(&mut pit, 0) & 0x3f, 0x36);
}

#[test]
fn port_61_shows_the_refresh_toggle_and_keeps_four_bits() {
    let (bed, mut pit) = rig();
    pit.write8(P61, 0xff);
    assert_eq!(pit.read8(P61) & 0xcf, 0x0f);
    let mut toggles = 0;
    let mut last = pit.read8(P61) & 0x10;
    for _ in 0..1000 {
        bed.run(&mut pit, 1000);
        let now = pit.read8(P61) & 0x10;
        toggles += u32::from(now != last);
        last = now;
    }
    assert!((65..=67).contains(&toggles), "every 15.085 µs, {toggles} in a millisecond");
}

#[test]
fn the_speaker_follows_counter_2_when_it_is_let_through() {
    let (bed, mut pit) = rig();
    program(&mut pit, 2, 3, 1000);
    assert_eq!(pit.speaker(), Speaker { level: false, period: None });
    pit.write8(P61, 3);
    bed.run(&mut pit, 1000);
    assert_eq!(pit.speaker(), Speaker { level: true, period: Some(1000) });
    bed.run(&mut pit, ticks(500));
    assert!(!pit.speaker().level);
    pit.write8(P61, 1);
    assert_eq!(pit.speaker().period, None);
}

#[test]
fn periods_missed_by_a_slow_host_are_delivered_later_one_by_one() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 1193);
    bed.run(&mut pit, SECOND / 10);
    bed.take_events();
    bed.advance(SECOND / 2); // nobody ticks
    pit.tick();
    assert_eq!(rises(&bed), 1, "one at a time, the guest has to answer");
    assert!(bed.clock.next_deadline().unwrap() > bed.clock.now() + 400_000);
    bed.run(&mut pit, SECOND * 6 / 10);
    let total = rises(&bed) + 1;
    assert!((1100..=1102).contains(&total), "{total}");
    assert_eq!(pit.lost_edges(), 0);
    // Reads and a new count do not lose what is owed.
    bed.advance(SECOND / 10);
    read_count(&mut pit, 0);
    pit.write8(C0, (1193u16 & 0xff) as u8);
    pit.write8(C0, (1193u16 >> 8) as u8);
    bed.run(&mut pit, SECOND / 5);
    let total = rises(&bed);
    assert!((300..=302).contains(&total), "{total}");
}

#[test]
fn a_host_that_is_too_late_loses_edges_and_says_so() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 1193);
    bed.advance(MAX_LAG_NS + 2 * SECOND);
    pit.tick();
    assert!((1998..=2002).contains(&pit.lost_edges()), "{}", pit.lost_edges());
    bed.run(&mut pit, 2 * SECOND);
    let total = rises(&bed);
    assert!((2990..=3005).contains(&total), "one second's worth is made up for: {total}");
}

#[test]
fn the_end_of_time_is_the_end_of_edges() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 3, 1193);
    bed.advance(u64::MAX - bed.clock.now());
    pit.tick();
    assert_eq!(bed.clock.next_deadline(), None);
}

#[test]
fn a_counter_that_is_too_fast_is_thinned_out() {
    for (mode, count) in [(2, 2), (2, 1), (3, 1), (3, 2), (3, 3)] {
        let (bed, mut pit) = rig();
        program(&mut pit, 0, mode, count);
        bed.run(&mut pit, SECOND / 100);
        assert!(rises(&bed) as u64 <= SECOND / 100 / MIN_EDGE_GAP_NS + 2);
        program(&mut pit, 0, mode, 1193);
        bed.run(&mut pit, SECOND / 10);
        let total = rises(&bed);
        assert!((99..=102).contains(&total), "it recovers: {total}");
    }
    // A legal count after an illegal one is loaded although no edge comes before it.
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 1);
    bed.run(&mut pit, 10_000);
    pit.write8(C0, 0xa9);
    pit.write8(C0, 0x04);
    bed.run(&mut pit, SECOND / 10);
    assert!(rises(&bed) > 90);
}

#[test]
fn any_bytes_in_any_order_are_survived() {
    let (bed, mut pit) = rig();
    let mut seed = 3u32;
    for _ in 0..100_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (what, value) = (seed >> 24, (seed >> 16) as u8);
        match what % 4 {
            0 => pit.write8(u64::from(what / 4 % 6), value),
            1 => _ = pit.read8(u64::from(what / 4 % 6)),
            2 => bed.run(&mut pit, u64::from(value) * 100),
            _ => {
                bed.advance(u64::from(value) << (what / 4 % 24));
                pit.tick();
            }
        }
    }
    pit.write(u64::MAX, &[0x34; 8]);
    assert_eq!(pit.read32(u64::MAX - 3), u32::MAX);
}

#[test]
fn a_snapshot_holds_everything_that_software_can_see() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 1193);
    program(&mut pit, 2, 3, 1000);
    pit.write8(P61, 3);
    bed.run(&mut pit, 12_345_678);
    bed.advance(5_000_000); // edges are owed
    pit.tick();
    pit.write8(CONTROL, 0x00);
    pit.read8(C0);
    pit.write8(C0, 7);
    let (other_bed, mut other) = rig();
    other_bed.advance(bed.clock.now());
    assert_round_trip(&pit, &mut other);
    assert_eq!(other_bed.level(IRQ0), bed.level(IRQ0));
    bed.take_events();
    other_bed.take_events();
    for _ in 0..100 {
        assert_eq!(other_bed.clock.next_deadline(), bed.clock.next_deadline());
        bed.run(&mut pit, 456_789);
        other_bed.run(&mut other, 456_789);
        assert_eq!(other_bed.take_events(), bed.take_events());
    }
    assert_eq!(other.save(), pit.save());
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let (_, mut pit) = rig();
    let mut saved = pit.save();
    let fields = saved.fields.as_map_mut().unwrap();
    let port61 = fields.iter_mut().find(|(k, _)| k.as_text() == Some("port61")).unwrap();
    port61.1 = 0x10.into();
    assert!(pit.restore(&saved).is_err());
}

#[test]
fn reset_is_power_on() {
    let (bed, mut pit) = rig();
    program(&mut pit, 0, 2, 1193);
    pit.write8(P61, 3);
    bed.run(&mut pit, SECOND);
    pit.reset();
    assert!(!bed.level(IRQ0));
    assert_eq!(bed.clock.next_deadline(), None);
    assert_eq!(pit.read8(P61) & 0x2f, 0);
    bed.take_events();
    bed.run(&mut pit, SECOND);
    assert_eq!(bed.take_events(), []);
}
