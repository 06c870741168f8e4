//! One local APIC, register by register.

mod common;

use aero_apic::{Ack, GeneralProtection, LINT0, LINT1, MIN_PERIOD_NS};
use aero_bus::{Device, IrqSink, MsiMessage, MsiSink};
use aero_testbed::assert_round_trip;
use common::{APIC_BASE, Event, Rig, TSC_DEADLINE, reg};

fn fixed(rig: &Rig, vector: u8) {
    rig.apics.send(MsiMessage { address: 0xfee0_0000, data: vector.into() });
}

#[test]
fn after_power_on_it_is_enabled_in_the_msr_and_disabled_by_software() {
    let rig = Rig::cold(2);
    assert_eq!(rig.cpu(0).msr_read(APIC_BASE), Ok(0xfee0_0900));
    assert_eq!(rig.cpu(1).msr_read(APIC_BASE), Ok(0xfee0_0800));
    let read = |offset| rig.cpu(1).mmio_read32(offset);
    assert_eq!(read(reg::ID), 1 << 24);
    assert_eq!(read(reg::VERSION), 0x0005_0014);
    assert_eq!((read(reg::SVR), read(reg::DFR)), (0xff, 0xffff_ffff));
    for lvt in [0x320, 0x330, 0x340, 0x350, 0x360, 0x370] {
        assert_eq!(read(lvt), 0x1_0000);
    }
    assert_eq!(rig.cpu(0).mmio_read32(reg::LVT_LINT0), 0x700, "open for the 8259A");
    fixed(&rig, 0x50);
    assert!(!rig.intr(0), "fixed interrupts are not heard while software-disabled");
}

#[test]
fn the_highest_vector_is_delivered_first_and_nests_by_class() {
    let rig = Rig::new(1);
    fixed(&rig, 0x51);
    assert!(rig.intr(0));
    assert_eq!(rig.take(0), Some(0x51));
    assert_eq!(rig.cpu(0).mmio_read32(reg::PPR), 0x50);
    fixed(&rig, 0x5f);
    assert!(!rig.intr(0), "the same class waits");
    fixed(&rig, 0x61);
    assert_eq!(rig.take(0), Some(0x61));
    assert_eq!(rig.cpu(0).mmio_read32(reg::ISR + 0x20), 1 << 17);
    assert_eq!(rig.cpu(0).mmio_read32(reg::ISR + 0x30), 1 << 1);
    rig.eoi(0);
    assert!(!rig.intr(0));
    rig.eoi(0);
    assert_eq!(rig.take(0), Some(0x5f));
}

#[test]
fn tpr_and_cr8_are_one_and_hold_back_lower_classes() {
    let rig = Rig::new(1);
    rig.cpu(0).mmio_write32(reg::TPR, 0x53);
    assert_eq!(rig.cpu(0).cr8(), 5);
    assert_eq!(rig.cpu(0).mmio_read32(reg::PPR), 0x53);
    fixed(&rig, 0x5f);
    assert!(!rig.intr(0));
    rig.cpu(0).set_cr8(4);
    assert_eq!(rig.cpu(0).mmio_read32(reg::TPR), 0x40);
    assert!(rig.intr(0));
    rig.cpu(0).set_cr8(0xff);
    assert!(!rig.intr(0));
    assert_eq!(rig.cpu(0).acknowledge(), Ack::Vector(0xff), "spurious, nothing in service");
    rig.cpu(0).set_cr8(0);
    assert_eq!(rig.take(0), Some(0x5f));
    rig.eoi(0);
    assert_eq!(rig.cpu(0).acknowledge(), Ack::None);
}

#[test]
fn the_timer_counts_down_once() {
    let mut rig = Rig::new(1);
    let cpu = rig.cpu(0);
    cpu.mmio_write32(reg::LVT_TIMER, 0x40);
    cpu.mmio_write32(reg::DIVIDE, 0b0011); // by 16
    cpu.mmio_write32(reg::INITIAL, 1000);
    rig.run(1599);
    assert_eq!(cpu.mmio_read32(reg::CURRENT), 901);
    rig.run(14_400);
    assert!(!rig.intr(0));
    assert_eq!(cpu.mmio_read32(reg::CURRENT), 1);
    rig.run(1);
    assert_eq!(rig.take(0), Some(0x40));
    assert_eq!(cpu.mmio_read32(reg::CURRENT), 0);
    rig.run(1_000_000);
    rig.eoi(0);
    assert!(!rig.intr(0));
    assert_eq!(rig.bed.clock.next_deadline(), None);
}

#[test]
fn the_timer_reloads_in_periodic_mode_without_drift() {
    let mut rig = Rig::new(1);
    let cpu = rig.cpu(0);
    cpu.mmio_write32(reg::DIVIDE, 0b1011);
    cpu.mmio_write32(reg::LVT_TIMER, 0x2_0040);
    cpu.mmio_write32(reg::INITIAL, 1_000_000);
    for n in 1..=1000 {
        rig.bed.advance(1_000_000 - 3);
        rig.run(3);
        assert_eq!(rig.take(0), Some(0x40), "period {n}");
        rig.eoi(0);
    }
    rig.run(250_000);
    assert_eq!(cpu.mmio_read32(reg::CURRENT), 750_000);
    cpu.mmio_write32(reg::INITIAL, 0);
    rig.run(10_000_000);
    assert!(!rig.intr(0), "a count of zero stops it");
}

#[test]
fn missed_periods_are_made_up_for_at_twice_the_rate_but_not_without_end() {
    let mut rig = Rig::new(1);
    let cpu = rig.cpu(0);
    cpu.mmio_write32(reg::DIVIDE, 0b1011);
    cpu.mmio_write32(reg::LVT_TIMER, 0x2_0040);
    cpu.mmio_write32(reg::INITIAL, 1_000_000);
    let count = |rig: &mut Rig, until: u64| {
        let mut count = 0;
        rig.apics.tick();
        loop {
            if rig.take(0).is_some() {
                rig.eoi(0);
                count += 1;
            }
            let Some(at) = rig.bed.clock.next_deadline().filter(|at| *at <= until) else { break };
            rig.bed.clock.advance_to(at);
            rig.apics.tick();
        }
        rig.bed.clock.advance_to(until);
        count
    };
    let start = rig.bed.clock.now();
    assert_eq!(count(&mut rig, start + 10_500_000), 10);
    // The host is away for 300 ms.
    rig.bed.clock.advance_to(start + 310_500_000);
    assert_eq!(count(&mut rig, start + 311_400_000), 2, "no faster than twice the rate");
    assert_eq!(count(&mut rig, start + 1_000_500_000), 1000 - 12, "and then none is missing");
    // It is away for a minute, of which a second is made up for.
    rig.bed.clock.advance_to(start + 61_000_500_000);
    let late = count(&mut rig, start + 64_000_500_000);
    assert!((3999..=4001).contains(&late), "{late}");
}

#[test]
fn a_masked_timer_counts_without_interrupts_or_deadlines() {
    let mut rig = Rig::new(1);
    let cpu = rig.cpu(0);
    cpu.mmio_write32(reg::DIVIDE, 0b1011);
    cpu.mmio_write32(reg::LVT_TIMER, 0x3_0040);
    cpu.mmio_write32(reg::INITIAL, 100_000);
    assert_eq!(rig.bed.clock.next_deadline(), None);
    rig.bed.advance(250_000);
    assert_eq!(cpu.mmio_read32(reg::CURRENT), 50_000);
    cpu.mmio_write32(reg::LVT_TIMER, 0x2_0040);
    assert!(!rig.intr(0), "what passed while masked is gone");
    rig.run(50_000);
    assert_eq!(rig.take(0), Some(0x40));
}

#[test]
fn a_new_divider_applies_to_what_is_left() {
    let mut rig = Rig::new(1);
    let cpu = rig.cpu(0);
    cpu.mmio_write32(reg::LVT_TIMER, 0x40);
    cpu.mmio_write32(reg::DIVIDE, 0b1011);
    cpu.mmio_write32(reg::INITIAL, 1000);
    rig.run(400);
    cpu.mmio_write32(reg::DIVIDE, 0b0000);
    assert_eq!(cpu.mmio_read32(reg::CURRENT), 600);
    rig.run(1199);
    assert!(!rig.intr(0));
    rig.run(1);
    assert!(rig.intr(0));
}

#[test]
fn a_period_of_a_nanosecond_does_not_stop_the_world() {
    let mut rig = Rig::new(1);
    let cpu = rig.cpu(0);
    cpu.mmio_write32(reg::DIVIDE, 0b1011);
    cpu.mmio_write32(reg::LVT_TIMER, 0x2_0040);
    cpu.mmio_write32(reg::INITIAL, 1);
    let mut count = 0;
    while rig.bed.clock.now() < 1_000_000 {
        let at = rig.bed.clock.next_deadline().unwrap();
        rig.bed.clock.advance_to(at);
        rig.apics.tick();
        count += 1;
    }
    assert!(count <= 1_000_000 / MIN_PERIOD_NS + 1, "{count}");
}

#[test]
fn tsc_deadline_mode_fires_when_the_counter_gets_there() {
    let mut rig = Rig::new(1);
    let cpu = rig.cpu(0);
    cpu.msr_write(TSC_DEADLINE, 5000).unwrap();
    assert_eq!(cpu.msr_read(TSC_DEADLINE), Ok(0), "ignored in other modes");
    cpu.mmio_write32(reg::LVT_TIMER, 0x4_0041);
    cpu.mmio_write32(reg::INITIAL, 5);
    cpu.msr_write(TSC_DEADLINE, 5001).unwrap();
    assert_eq!(cpu.msr_read(TSC_DEADLINE), Ok(5001));
    assert_eq!(cpu.mmio_read32(reg::CURRENT), 0);
    rig.run(2500); // the counter is at 5000
    assert!(!rig.intr(0));
    rig.run(1);
    assert_eq!(rig.take(0), Some(0x41));
    rig.eoi(0);
    assert_eq!(cpu.msr_read(TSC_DEADLINE), Ok(0));
    cpu.msr_write(TSC_DEADLINE, 1).unwrap();
    assert_eq!(rig.take(0), Some(0x41), "a deadline in the past is due at once");
    rig.eoi(0);
    cpu.msr_write(TSC_DEADLINE, u64::MAX).unwrap();
    cpu.mmio_write32(reg::LVT_TIMER, 0x41);
    assert_eq!(rig.bed.clock.next_deadline(), None, "another mode disarms");
    // The counter can start again while guest time goes on.
    let now = rig.bed.clock.now();
    rig.apics.set_tsc_base(now);
    cpu.mmio_write32(reg::LVT_TIMER, 0x4_0041);
    cpu.msr_write(TSC_DEADLINE, 2000).unwrap();
    assert_eq!(rig.bed.clock.next_deadline(), Some(now + 1000));
}

#[test]
fn lint0_as_ext_int_asks_the_8259a() {
    let rig = Rig::cold(2);
    rig.cpu(0).set_level(LINT0, true);
    assert!(rig.intr(0));
    assert_eq!(rig.cpu(0).acknowledge(), Ack::ExtInt);
    assert!(rig.intr(0), "the level is still up");
    rig.cpu(0).set_level(LINT0, false);
    assert!(!rig.intr(0));
    rig.cpu(1).set_level(LINT0, true);
    assert!(!rig.intr(1), "masked on the others");
    // ExtINT has no priority: the task priority does not hold it back.
    rig.cpu(0).set_cr8(15);
    rig.cpu(0).set_level(LINT0, true);
    assert!(rig.intr(0));
    rig.cpu(0).mmio_write32(reg::SVR, 0xff);
    assert!(!rig.intr(0), "software-disabling masks the whole table");
    rig.cpu(0).mmio_write32(reg::LVT_LINT0, 0x700);
    assert_eq!(rig.cpu(0).mmio_read32(reg::LVT_LINT0), 0x1_0700);
}

#[test]
fn with_the_apic_disabled_the_inputs_are_the_processors_own() {
    let rig = Rig::cold(1);
    let cpu = rig.cpu(0);
    cpu.msr_write(APIC_BASE, 0xfee0_0100).unwrap();
    assert!(!cpu.is_enabled());
    assert_eq!(cpu.mmio_read32(reg::ID), u32::MAX);
    cpu.set_level(LINT0, true);
    assert!(rig.intr(0));
    assert_eq!(cpu.acknowledge(), Ack::ExtInt);
    cpu.set_level(LINT1, true);
    assert_eq!(rig.events(0), [Event::Nmi]);
    fixed(&rig, 0x60);
    rig.apics.send(MsiMessage { address: 0xfee0_0000, data: 0x400 });
    assert_eq!(rig.events(0), [], "no messages");
}

#[test]
fn lint_inputs_can_be_fixed_edges_levels_and_nmis() {
    let rig = Rig::new(1);
    let cpu = rig.cpu(0);
    cpu.mmio_write32(reg::LVT_LINT1, 0x400);
    cpu.set_level(LINT1, true);
    cpu.set_level(LINT1, true);
    assert_eq!(rig.events(0), [Event::Nmi]);
    cpu.mmio_write32(reg::LVT_LINT0, 0x62);
    cpu.set_level(LINT0, true);
    assert_eq!(rig.take(0), Some(0x62));
    rig.eoi(0);
    assert!(!rig.intr(0));
    cpu.mmio_write32(reg::LVT_LINT0, 0x8062);
    assert_eq!(rig.take(0), Some(0x62), "a level that is up already");
    assert_eq!(cpu.mmio_read32(reg::LVT_LINT0), 0xc062, "remote IRR");
    rig.eoi(0);
    assert_eq!(rig.take(0), Some(0x62), "still up");
    cpu.set_level(LINT0, false);
    rig.eoi(0);
    assert!(!rig.intr(0));
    assert_eq!(cpu.mmio_read32(reg::LVT_LINT0), 0x8062);
}

#[test]
fn errors_are_latched_by_a_write_and_reported() {
    let rig = Rig::new(1);
    let cpu = rig.cpu(0);
    cpu.mmio_write32(reg::LVT_ERROR, 0xfe);
    rig.ipi(0, 0, 0x0f);
    assert_eq!(rig.take(0), Some(0xfe));
    rig.eoi(0);
    assert_eq!(cpu.mmio_read32(reg::ESR), 0, "not yet latched");
    cpu.mmio_write32(reg::ESR, 0);
    assert_eq!(cpu.mmio_read32(reg::ESR), 1 << 5);
    fixed(&rig, 0x05);
    cpu.mmio_read32(0x3f0);
    cpu.mmio_write32(0x2f0, 1);
    cpu.mmio_write32(reg::ESR, 0);
    assert_eq!(cpu.mmio_read32(reg::ESR), 1 << 6 | 1 << 7);
    cpu.mmio_write32(reg::ESR, 0);
    assert_eq!(cpu.mmio_read32(reg::ESR), 0);
}

#[test]
fn read_only_and_reserved_bits_stay() {
    let rig = Rig::new(1);
    let cpu = rig.cpu(0);
    for (offset, expected) in [
        (reg::VERSION, 0x0005_0014),
        (reg::TPR, 0xff),
        (reg::LDR, 0xff00_0000),
        (reg::SVR, 0x3ff),
        (reg::IRR, 0),
        (reg::LVT_TIMER, 0x7_00ff),
        (0x340, 0x1_07ff),
        (reg::LVT_LINT1, 0x1_a7ff),
        (reg::DIVIDE, 0xb),
        (reg::ICR_HIGH, 0xff00_0000),
    ] {
        cpu.mmio_write32(offset, u32::MAX);
        assert_eq!(cpu.mmio_read32(offset), expected, "register {offset:#x}");
    }
}

#[test]
fn narrow_reads_give_their_bytes_and_narrow_writes_are_dropped() {
    let rig = Rig::new(1);
    let cpu = rig.cpu(0);
    let mut data = [0xee; 2];
    cpu.mmio_read(reg::VERSION + 1, &mut data);
    assert_eq!(data, [0x00, 0x05]);
    let mut data = [0xee; 8];
    cpu.mmio_read(reg::VERSION, &mut data);
    assert_eq!(data, [0x14, 0, 5, 0, 0, 0, 0, 0]);
    cpu.mmio_write(reg::TPR, &[0x30]);
    cpu.mmio_write(reg::TPR + 1, &[0x30; 4]);
    assert_eq!(cpu.mmio_read32(reg::TPR), 0);
    cpu.mmio_write(reg::TPR, &[0x30, 0, 0, 0, 1, 1, 1, 1]);
    assert_eq!(cpu.mmio_read32(reg::TPR), 0x30);
}

#[test]
fn x2apic_mode_is_entered_and_left_as_the_figure_says() {
    let rig = Rig::cold(1);
    let cpu = rig.cpu(0);
    let set = |value| cpu.msr_write(APIC_BASE, value);
    assert_eq!(cpu.msr_read(0x802), Err(GeneralProtection));
    assert_eq!(set(0xfee0_0500), Err(GeneralProtection), "x2APIC without enable");
    assert_eq!(set(0xfee0_0d00), Ok(()));
    assert_eq!(cpu.mmio_base(), None);
    assert_eq!(set(0xfee0_0900), Err(GeneralProtection), "x2APIC to xAPIC");
    assert_eq!(set(0xfee0_0100), Ok(()));
    assert_eq!(set(0xfee0_0d00), Err(GeneralProtection), "disabled to x2APIC");
    assert_eq!(set(0xfee0_0900), Ok(()));
    assert_eq!(set(0xfee0_0901), Err(GeneralProtection));
    assert_eq!(cpu.msr_read(APIC_BASE), Ok(0xfee0_0900));
}

#[test]
fn the_registers_of_one_processor_move_with_ia32_apic_base() {
    let mut rig = Rig::cold(2);
    let (cpu, other) = (rig.cpu(1), rig.cpu(0));
    assert_eq!(cpu.mmio_base(), Some(0xfee0_0000));
    cpu.mmio_write32(reg::TPR, 0x50);
    cpu.msr_write(APIC_BASE, 0x12_3000 | 0x800).unwrap();
    assert_eq!((cpu.mmio_base(), other.mmio_base()), (Some(0x12_3000), Some(0xfee0_0000)));
    assert_eq!(cpu.msr_read(APIC_BASE), Ok(0x12_3800));
    assert_eq!(cpu.mmio_read32(reg::TPR), 0x50, "moving changes nothing else");
    assert_eq!(cpu.msr_write(APIC_BASE, 1 << 40 | 0x800), Err(GeneralProtection), "40 bits");
    assert_eq!(cpu.msr_read(APIC_BASE), Ok(0x12_3800));

    cpu.init_reset();
    assert_eq!(cpu.mmio_base(), Some(0x12_3000), "INIT leaves IA32_APIC_BASE alone");
    let mut restored = Rig::cold(2);
    assert_round_trip(&rig.apics, &mut restored.apics);
    assert_eq!(restored.cpu(1).mmio_base(), Some(0x12_3000));

    // x2APIC mode and a disabled APIC keep a base for when the registers come back.
    cpu.msr_write(APIC_BASE, 0x45_6000 | 0xc00).unwrap();
    assert_eq!((cpu.mmio_base(), cpu.msr_read(APIC_BASE)), (None, Ok(0x45_6c00)));
    cpu.msr_write(APIC_BASE, 0x45_6000).unwrap();
    assert_eq!((cpu.mmio_base(), cpu.msr_read(APIC_BASE)), (None, Ok(0x45_6000)));
    cpu.msr_write(APIC_BASE, 0x45_6800).unwrap();
    assert_eq!(cpu.mmio_base(), Some(0x45_6000));
    rig.apics.reset();
    assert_eq!(cpu.mmio_base(), Some(0xfee0_0000));
}

#[test]
fn x2apic_registers_check_what_is_written() {
    let rig = Rig::cold(18);
    let cpu = rig.cpu(17);
    cpu.msr_write(APIC_BASE, 0xfee0_0c00).unwrap();
    assert_eq!(cpu.msr_read(0x802), Ok(17));
    assert_eq!(cpu.msr_read(0x80d), Ok(0x1_0002), "cluster 1, second in it");
    for register in [0x800, 0x80b, 0x80c, 0x80e, 0x831, 0x83f] {
        assert_eq!(cpu.msr_read(register), Err(GeneralProtection), "read of {register:#x}");
    }
    for register in [0x802, 0x803, 0x80a, 0x80d, 0x810, 0x839] {
        assert_eq!(cpu.msr_write(register, 0), Err(GeneralProtection), "write of {register:#x}");
    }
    assert_eq!(cpu.msr_write(0x80b, 1), Err(GeneralProtection));
    assert_eq!(cpu.msr_write(0x808, 0x100), Err(GeneralProtection));
    assert_eq!(cpu.msr_write(0x80f, 1 << 32), Err(GeneralProtection));
    cpu.msr_write(0x80f, 0x1ff).unwrap();
    cpu.msr_write(0x83f, 0x77).unwrap();
    assert!(rig.intr(17));
    assert_eq!(cpu.acknowledge(), Ack::Vector(0x77));
    cpu.msr_write(0x80b, 0).unwrap();
    cpu.msr_write(0x830, 17 << 32 | 0x78).unwrap();
    assert_eq!(cpu.msr_read(0x830), Ok(17 << 32 | 0x78));
    assert_eq!(cpu.acknowledge(), Ack::Vector(0x78));
}

#[test]
fn a_snapshot_holds_everything_that_software_can_see() {
    let mut rig = Rig::new(2);
    let cpu = rig.cpu(1);
    cpu.mmio_write32(reg::LVT_TIMER, 0x2_0040);
    cpu.mmio_write32(reg::INITIAL, 50_000);
    rig.run(250_000);
    rig.take(1);
    rig.run(123_456);
    rig.cpu(0).set_level(LINT0, true);
    let mut other = Rig::cold(2);
    other.bed.advance(rig.bed.clock.now());
    assert_round_trip(&rig.apics, &mut other.apics);
    assert_eq!((other.intr(0), other.intr(1)), (rig.intr(0), rig.intr(1)));
    for rig in [&mut rig, &mut other] {
        rig.run(12_345);
    }
    assert_eq!(rig.apics.save(), other.apics.save(), "they go on the same");
    assert_eq!(cpu.mmio_read32(reg::CURRENT), other.cpu(1).mmio_read32(reg::CURRENT));
    assert_eq!(rig.bed.clock.next_deadline(), other.bed.clock.next_deadline());
}

#[test]
fn a_snapshot_of_another_machine_is_refused() {
    let mut rig = Rig::new(2);
    let saved = rig.apics.save();
    assert!(Rig::cold(1).apics.restore(&saved).is_err());
    rig.apics.reset();
    assert_eq!(rig.apics.save(), Rig::cold(2).apics.save(), "reset is power-on");
}

#[test]
fn any_writes_in_any_order_are_survived() {
    let mut rig = Rig::new(3);
    let mut seed = 7u64;
    for _ in 0..100_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (a, value) = ((seed >> 33) as u32, (seed >> 20) as u32);
        let n = a as usize % 3;
        let cpu = rig.cpu(n);
        match a / 3 % 8 {
            0..=2 => cpu.mmio_write32(u64::from(a >> 8) & 0x3f0, value),
            3 => _ = cpu.mmio_read32(u64::from(a >> 8) & 0xfff),
            4 => _ = cpu.msr_write(0x800 + (a >> 8) % 0x40, seed),
            5 => _ = cpu.msr_write(TSC_DEADLINE, seed >> ((a >> 8) % 64)),
            6 if value % 16 == 0 => {
                let base = u64::from(value) & 0xffff_f000;
                _ = cpu.msr_write(APIC_BASE, base | u64::from(value >> 4 & 0xd00));
            }
            6 => cpu.set_level(value & 1, value & 2 != 0),
            _ => {
                cpu.acknowledge();
                rig.bed.advance(u64::from(value) >> ((a >> 8) % 32));
                rig.apics.tick();
            }
        }
    }
}
