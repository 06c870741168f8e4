//! The HPET alone, register by register.

use std::sync::Arc;

use aero_bus::{BusDevice, Device, IrqLine, MsiMessage};
use aero_hpet::{Hpet, HpetConfig, LegacyGates, MAX_LAG_NS, MIN_GAP_NS, Wiring};
use aero_testbed::{Access, IrqEvent, Testbed, assert_round_trip};

const CAPS: u64 = 0x00;
const CONF: u64 = 0x10;
const STATUS: u64 = 0x20;
const COUNTER: u64 = 0xf0;

const fn config(n: u64) -> u64 {
    0x100 + 0x20 * n
}
const fn comparator(n: u64) -> u64 {
    0x108 + 0x20 * n
}
const fn fsb(n: u64) -> u64 {
    0x110 + 0x20 * n
}

/// Bits of a timer's configuration.
const LEVEL: u32 = 1 << 1;
const ENABLE: u32 = 1 << 2;
const PERIODIC: u32 = 1 << 3;
const VALUE_SET: u32 = 1 << 6;
const MODE_32: u32 = 1 << 8;
const FSB: u32 = 1 << 14;
const fn route(gsi: u32) -> u32 {
    gsi << 9
}

/// Recorded inputs: IO-APIC inputs by their number, and these.
const IRQ0: u32 = 100;
const IRQ8: u32 = 108;
const ROUTE: u32 = 200;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

fn hpet(bed: &Testbed, config: HpetConfig) -> Hpet {
    let lines: Vec<_> = (0..24).map(|gsi| IrqLine::new(bed.irq_sink(), gsi)).collect();
    let wiring = Wiring {
        gsi: &mut |gsi| lines[gsi as usize].pin(),
        irq0: bed.pin(IRQ0),
        irq8: bed.pin(IRQ8),
        legacy_route: bed.pin(ROUTE),
        messages: bed.msi_sink(),
    };
    Hpet::new(&bed.clock, wiring, config)
}

fn rig() -> (Testbed, Hpet) {
    let bed = Testbed::new();
    let hpet = hpet(&bed, HpetConfig { fsb: true });
    (bed, hpet)
}

fn rises(bed: &Testbed, input: u32) -> usize {
    bed.take_events().iter().filter(|e| **e == IrqEvent::Level(input, true)).count()
}

/// Starts a timer as Linux does: the first interrupt a period from now.
fn start_periodic(hpet: &mut Hpet, n: u64, bits: u32, period: u32) {
    hpet.write32(config(n), bits | ENABLE | PERIODIC | VALUE_SET);
    let first = hpet.read64(COUNTER) + u64::from(period);
    hpet.write64(comparator(n), first);
    hpet.write64(comparator(n), period.into());
}

#[test]
fn capabilities_are_those_of_qemu() {
    let bed = Testbed::new();
    let mut hpet = hpet(&bed, HpetConfig::default());
    assert_eq!(hpet.read64(CAPS), 10_000_000 << 32 | 0x8086_a201);
    for n in 0..3 {
        assert_eq!(hpet.read64(config(n)), 0x00ff_0104_0000_0030);
        assert_eq!(hpet.read64(comparator(n)), u64::MAX);
    }
    hpet.write64(CAPS, 0);
    hpet.write32(config(0), FSB);
    assert_eq!(hpet.read32(config(0)) & FSB, 0, "no messages");
    let (_, mut hpet) = rig();
    assert_eq!(hpet.read32(config(0)), 0x8030);
    assert_eq!(hpet.read64(0x160), 0);
}

#[test]
fn the_counter_runs_at_100_megahertz_while_enabled() {
    let (bed, mut hpet) = rig();
    bed.run(&mut hpet, 1000);
    assert_eq!(hpet.read64(COUNTER), 0);
    hpet.write64(COUNTER, 0xffff_ffff_ffff_fff0);
    hpet.write32(CONF, 1);
    bed.run(&mut hpet, 159);
    assert_eq!(hpet.read64(COUNTER), u64::MAX);
    bed.run(&mut hpet, 1);
    assert_eq!(hpet.read64(COUNTER), 0);
    bed.run(&mut hpet, SECOND);
    hpet.write32(CONF, 0);
    bed.run(&mut hpet, SECOND);
    assert_eq!(hpet.read64(COUNTER), 100_000_000);
    hpet.write32(COUNTER + 4, 7);
    assert_eq!(hpet.read64(COUNTER), 7 << 32 | 100_000_000);
    assert_eq!(hpet.read16(COUNTER + 4), 7);
}

#[test]
fn a_one_shot_timer_interrupts_once() {
    let (bed, mut hpet) = rig();
    hpet.write32(CONF, 1);
    hpet.write32(config(2), ENABLE | route(20));
    hpet.write64(comparator(2), 5000);
    bed.run(&mut hpet, 49_999);
    assert_eq!(bed.take_events(), []);
    bed.run(&mut hpet, 1);
    assert_eq!(bed.take_events(), [IrqEvent::Level(20, true), IrqEvent::Level(20, false)]);
    assert_eq!(hpet.read32(STATUS), 0, "edges leave no status");
    bed.run(&mut hpet, 100 * SECOND);
    assert_eq!(bed.take_events(), []);
}

#[test]
fn in_32_bit_mode_it_comes_again_when_the_counter_has_gone_round() {
    let (bed, mut hpet) = rig();
    hpet.write32(CONF, 1);
    hpet.write32(config(2), ENABLE | MODE_32 | route(20));
    hpet.write64(comparator(2), 0xdead_0000_1000);
    assert_eq!(hpet.read64(comparator(2)), 0x1000);
    bed.run(&mut hpet, 10 * (1 << 32) + 0x1000 * 10);
    assert_eq!(rises(&bed, 20), 2);
}

#[test]
fn a_comparator_that_was_just_missed_is_not_waited_for() {
    let (bed, mut hpet) = rig();
    hpet.write32(CONF, 1);
    bed.run(&mut hpet, SECOND * 5);
    hpet.write32(config(0), ENABLE | MODE_32 | route(2));
    assert_eq!(rises(&bed, 2), 0, "enabling alone does nothing");
    let now = hpet.read32(COUNTER);
    hpet.write32(comparator(0), now - 3);
    assert_eq!(rises(&bed, 2), 1);
    hpet.write32(comparator(0), u32::MAX);
    assert_eq!(rises(&bed, 2), 0);
}

#[test]
fn a_periodic_timer_keeps_its_rate_and_shows_the_next_comparator() {
    let (bed, mut hpet) = rig();
    hpet.write32(CONF, 1);
    bed.run(&mut hpet, 12_345);
    start_periodic(&mut hpet, 0, MODE_32 | route(2), 100_000);
    assert_eq!(hpet.read32(config(0)) & VALUE_SET, 0);
    bed.run(&mut hpet, 10 * SECOND);
    assert_eq!(rises(&bed, 2), 10_000);
    assert_eq!(hpet.read32(comparator(0)), 1234 + 100_000 * 10_001);
    // The comparator moves on without interrupts too.
    hpet.write32(config(0), PERIODIC | MODE_32 | route(2));
    assert_eq!(bed.clock.next_deadline(), None);
    bed.run(&mut hpet, SECOND);
    assert_eq!(bed.take_events(), []);
    assert_eq!(hpet.read32(comparator(0)), 1234 + 100_000 * 11_001);
    hpet.write32(config(0), ENABLE | PERIODIC | MODE_32 | route(2));
    bed.run(&mut hpet, SECOND);
    assert_eq!(rises(&bed, 2), 1000);
}

#[test]
fn one_write_with_value_set_gives_comparator_and_period() {
    let (bed, mut hpet) = rig();
    hpet.write32(config(1), ENABLE | PERIODIC | VALUE_SET | route(8));
    hpet.write64(comparator(1), 200_000);
    hpet.write32(CONF, 1);
    bed.run(&mut hpet, SECOND);
    assert_eq!(rises(&bed, 8), 500);
}

#[test]
fn a_level_stays_until_its_status_is_cleared() {
    let (bed, mut hpet) = rig();
    hpet.write32(CONF, 1);
    hpet.write32(config(1), ENABLE | LEVEL | route(17));
    hpet.write32(config(2), ENABLE | LEVEL | route(17));
    hpet.write64(comparator(1), 1000);
    hpet.write64(comparator(2), 1000);
    bed.run(&mut hpet, 10_000);
    assert!(bed.level(17));
    assert_eq!(hpet.read32(STATUS), 0b110);
    hpet.write32(STATUS, 0b010);
    assert!(bed.level(17), "the other shares the line");
    hpet.write32(STATUS, 0b100);
    assert!(!bed.level(17));
    hpet.write64(comparator(1), 2000);
    bed.run(&mut hpet, 10_000);
    assert!(bed.level(17));
    hpet.write32(config(1), LEVEL | route(17));
    assert!(!bed.level(17), "disabling lets go of the line");
    assert_eq!(hpet.read32(STATUS), 0);
}

#[test]
fn only_routes_that_there_are_can_be_written() {
    let (_, mut hpet) = rig();
    hpet.write32(config(0), route(21));
    hpet.write32(config(0), route(3) | ENABLE);
    assert_eq!(hpet.read32(config(0)) >> 9 & 0x1f, 21);
    hpet.write32(config(0), u32::MAX);
    assert_eq!(hpet.read32(config(0)), 0xc17e & !route(31) | route(21) | 0x30);
}

#[test]
fn fsb_delivery_sends_a_message() {
    let (bed, mut hpet) = rig();
    hpet.write32(CONF, 1);
    hpet.write32(config(0), ENABLE | FSB | LEVEL);
    hpet.write64(fsb(0), 0xfee0_1000_0000_0051);
    hpet.write64(comparator(0), 1000);
    bed.run(&mut hpet, 10_000);
    let message = MsiMessage { address: 0xfee0_1000, data: 0x51 };
    assert_eq!(bed.take_events(), [IrqEvent::Msi(message)]);
    assert_eq!(hpet.read32(STATUS), 0);
}

#[test]
fn legacy_replacement_takes_irq0_and_irq8() {
    let (bed, mut hpet) = rig();
    hpet.write32(CONF, 3);
    assert!(bed.level(ROUTE));
    for n in 0..3 {
        hpet.write32(config(n), ENABLE | route(19));
        hpet.write64(comparator(n), 1000 * (n + 1));
    }
    bed.take_events();
    bed.run(&mut hpet, 10_000);
    assert_eq!(rises(&bed, IRQ0), 1);
    bed.run(&mut hpet, 10_000);
    assert_eq!(rises(&bed, IRQ8), 1);
    bed.run(&mut hpet, 10_000);
    assert_eq!(rises(&bed, 19), 1, "timer 2 stays where it is routed");
    hpet.write32(CONF, 1);
    assert!(!bed.level(ROUTE));
}

#[test]
fn the_gates_cut_off_the_8254_and_the_clock() {
    let bed = Testbed::new();
    let gates = Arc::new(LegacyGates::new(bed.pin(IRQ0), bed.pin(IRQ8)));
    let pin = |input| IrqLine::new(gates.clone(), input).pin();
    let timer = pin(LegacyGates::TIMER);
    let clock = pin(LegacyGates::CLOCK);
    let route = pin(LegacyGates::ROUTE);
    clock.assert();
    timer.pulse();
    assert!(bed.level(IRQ8));
    assert_eq!(rises(&bed, IRQ0), 1);
    route.assert();
    assert!(!bed.level(IRQ8));
    timer.pulse();
    assert_eq!(rises(&bed, IRQ0), 0);
    route.deassert();
    assert!(bed.level(IRQ8), "the clock still asks");
}

#[test]
fn periods_missed_by_a_slow_host_are_delivered_later_one_by_one() {
    let (bed, mut hpet) = rig();
    hpet.write32(CONF, 1);
    start_periodic(&mut hpet, 0, route(2), 100_000);
    bed.advance(SECOND / 2);
    hpet.tick();
    assert_eq!(rises(&bed, 2), 1);
    bed.run(&mut hpet, SECOND);
    let total = rises(&bed, 2) + 1;
    assert!((1499..=1500).contains(&total), "{total}");
    assert_eq!(hpet.lost_interrupts(), 0);
    bed.advance(MAX_LAG_NS + 2 * SECOND);
    hpet.tick();
    bed.run(&mut hpet, 2 * SECOND);
    assert!((1998..=2002).contains(&hpet.lost_interrupts()), "{}", hpet.lost_interrupts());
}

#[test]
fn a_period_of_a_tick_does_not_stop_the_world() {
    for bits in [MODE_32, 0] {
        for period in [0, 1, 2, 999] {
            let (bed, mut hpet) = rig();
            hpet.write32(CONF, 1);
            start_periodic(&mut hpet, 0, bits | route(2), period);
            bed.run(&mut hpet, SECOND / 100);
            assert!(rises(&bed, 2) as u64 <= SECOND / 100 / MIN_GAP_NS + 2);
        }
    }
}

#[test]
fn any_writes_in_any_order_are_survived() {
    let (bed, mut hpet) = rig();
    let mut seed = 11u64;
    for _ in 0..100_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (what, value) = ((seed >> 40) as u32, seed >> (seed >> 58));
        let offset = u64::from(what >> 8) % 0x160;
        match what % 6 {
            0 => hpet.write64(offset, value),
            1 => hpet.write32(offset & !3, value as u32),
            2 => hpet.write8(offset, value as u8),
            3 => _ = hpet.read64(offset),
            4 => hpet.write32(CONF, value as u32),
            _ => {
                bed.advance(value >> 20);
                hpet.tick();
            }
        }
        if bed.clock.now() > 1 << 60 {
            bed.clock.set(0);
        }
    }
    hpet.write(u64::MAX, &[0xff; 8]);
}

#[test]
fn a_snapshot_holds_everything_that_software_can_see() {
    let (bed, mut hpet) = rig();
    hpet.write32(CONF, 3);
    start_periodic(&mut hpet, 0, MODE_32, 100_000);
    start_periodic(&mut hpet, 1, LEVEL, 77_777);
    hpet.write32(config(2), ENABLE | route(20));
    hpet.write64(comparator(2), 12_345_678);
    bed.run(&mut hpet, 10 * MS + 12_345);
    bed.advance(5 * MS);
    hpet.tick();
    let (other_bed, mut other) = rig();
    other_bed.advance(bed.clock.now());
    assert_round_trip(&hpet, &mut other);
    assert_eq!(other_bed.level(IRQ8), bed.level(IRQ8));
    assert!(other_bed.level(ROUTE));
    bed.take_events();
    other_bed.take_events();
    for _ in 0..100 {
        assert_eq!(other_bed.clock.next_deadline(), bed.clock.next_deadline());
        bed.run(&mut hpet, 3_333_333);
        other_bed.run(&mut other, 3_333_333);
        assert_eq!(other_bed.take_events(), bed.take_events());
        hpet.write32(STATUS, 2);
        other.write32(STATUS, 2);
    }
    assert_eq!(other.save(), hpet.save());
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let (_, mut hpet) = rig();
    let saved = hpet.save();
    for (field, value) in [("status", 8u64), ("configuration", 1), ("configuration", 4)] {
        let mut bad = saved.clone();
        let fields = bad.fields.as_map_mut().unwrap();
        let entry = fields.iter_mut().find(|(k, _)| k.as_text() == Some(field)).unwrap();
        entry.1 = value.into();
        assert!(hpet.restore(&bad).is_err(), "{field}");
    }
    assert_eq!(hpet.save(), saved);
}

#[test]
fn reset_is_power_on() {
    let (bed, mut hpet) = rig();
    let fresh = hpet.save();
    hpet.write32(CONF, 3);
    start_periodic(&mut hpet, 1, LEVEL, 100);
    bed.run(&mut hpet, MS);
    assert!(bed.level(IRQ8));
    hpet.reset();
    assert_eq!(hpet.save(), fresh);
    assert!(!bed.level(IRQ8) && !bed.level(ROUTE));
    assert_eq!(bed.clock.next_deadline(), None);
}
