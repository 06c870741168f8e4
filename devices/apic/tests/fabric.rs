//! Messages between processors, from the IO-APIC and from devices.

mod common;

use std::sync::Arc;

use aero_apic::{Ack, IoApic};
use aero_bus::{BusDevice, Device, MsiMessage, MsiSink};
use aero_testbed::{Access, IrqEvent, assert_round_trip};
use common::{APIC_BASE, Event, Rig, reg};

#[test]
fn a_physical_destination_is_one_processor_or_all() {
    let rig = Rig::new(3);
    rig.ipi(0, 2, 0x50);
    assert_eq!((0..3).map(|n| rig.intr(n)).collect::<Vec<_>>(), [false, false, true]);
    rig.ipi(0, 0xff, 0x51);
    assert_eq!([rig.take(0), rig.take(1), rig.take(2)], [Some(0x51); 3]);
    rig.ipi(0, 9, 0x60); // nobody
    assert!(!rig.intr(0));
}

#[test]
fn a_flat_logical_destination_is_a_set() {
    let rig = Rig::new(3);
    rig.ipi(0, 0b101, 0x850);
    assert_eq!([rig.take(0), rig.take(1), rig.take(2)], [Some(0x50), None, Some(0x50)]);
}

#[test]
fn a_cluster_destination_is_a_set_in_a_cluster() {
    let rig = Rig::new(3);
    for (n, ldr) in [(0, 0x11), (1, 0x12), (2, 0x21)] {
        rig.cpu(n).mmio_write32(reg::DFR, 0x0fff_ffff);
        rig.cpu(n).mmio_write32(reg::LDR, ldr << 24);
    }
    rig.ipi(0, 0x13, 0x850);
    assert_eq!([rig.take(0), rig.take(1), rig.take(2)], [Some(0x50), Some(0x50), None]);
    rig.ipi(0, 0xff, 0x861);
    assert_eq!([rig.take(0), rig.take(1), rig.take(2)], [Some(0x61); 3]);
}

#[test]
fn shorthands_name_self_all_and_the_others() {
    let rig = Rig::new(3);
    rig.ipi(1, 0, 0x4_0050);
    assert_eq!([rig.take(0), rig.take(1), rig.take(2)], [None, Some(0x50), None]);
    rig.ipi(1, 0, 0x8_0061);
    assert_eq!([rig.take(0), rig.take(1), rig.take(2)], [Some(0x61); 3]);
    rig.ipi(1, 0, 0xc_0072);
    assert_eq!([rig.take(0), rig.take(1), rig.take(2)], [Some(0x72), None, Some(0x72)]);
}

#[test]
fn lowest_priority_goes_to_the_least_busy_and_else_round() {
    let rig = Rig::new(3);
    rig.cpu(0).set_cr8(3);
    rig.cpu(1).set_cr8(2);
    rig.cpu(2).set_cr8(3);
    rig.ipi(0, 0x07, 0x950);
    assert_eq!([rig.take(0), rig.take(1), rig.take(2)], [None, Some(0x50), None]);
    rig.eoi(1);
    rig.cpu(1).set_cr8(3);
    let mut counts = [0; 3];
    for _ in 0..9 {
        rig.ipi(0, 0x07, 0x950);
        let n = (0..3).find(|n| rig.intr(*n)).unwrap();
        rig.take(n);
        rig.eoi(n);
        counts[n] += 1;
    }
    assert_eq!(counts, [3; 3]);
    rig.cpu(0).mmio_write32(reg::SVR, 0xff);
    rig.cpu(1).mmio_write32(reg::SVR, 0xff);
    for _ in 0..3 {
        rig.ipi(2, 0x07, 0x950);
        assert_eq!(rig.take(2), Some(0x50), "the only one that hears it");
        rig.eoi(2);
    }
}

#[test]
fn init_and_start_up_reach_an_application_processor() {
    let rig = Rig::new(2);
    rig.cpu(1).mmio_write32(reg::TPR, 0x20);
    rig.ipi(0, 1, 0xc500); // INIT, level, assert
    rig.ipi(0, 1, 0x8500); // INIT, level, de-assert
    rig.ipi(0, 1, 0x0608);
    assert_eq!(rig.events(1), [Event::Init, Event::Sipi(8)]);
    assert_eq!(rig.cpu(1).mmio_read32(reg::TPR), 0);
    assert_eq!(rig.cpu(1).mmio_read32(reg::SVR), 0xff);
    assert_eq!(rig.cpu(1).mmio_read32(reg::ID), 1 << 24);
    rig.ipi(0, 0, 0xc_4500);
    assert_eq!((rig.events(0), rig.events(1)), (vec![], vec![Event::Init]));
    rig.ipi(0, 0, 0x8_0400); // NMI to all including self: not valid
    rig.ipi(1, 0, 0xc_0400);
    assert_eq!((rig.events(0), rig.events(1)), (vec![Event::Nmi], vec![]));
}

#[test]
fn init_keeps_x2apic_mode_and_the_base() {
    let rig = Rig::new(2);
    rig.cpu(1).msr_write(APIC_BASE, 0xfee0_0c00).unwrap();
    rig.ipi(0, 1, 0x4500);
    assert_eq!(rig.cpu(1).msr_read(APIC_BASE), Ok(0xfee0_0c00));
    assert_eq!(rig.cpu(1).msr_read(0x802), Ok(1));
}

#[test]
fn x2apic_destinations_are_32_bits_wide() {
    let rig = Rig::new(20);
    for n in 0..20 {
        rig.cpu(n).msr_write(APIC_BASE, 0xfee0_0c00 | u64::from(n == 0) << 8).unwrap();
    }
    let heard = || (0..20).filter(|n| rig.cpu(*n).acknowledge() != Ack::None).collect::<Vec<_>>();
    rig.cpu(0).msr_write(0x830, 18 << 32 | 0x50).unwrap();
    assert_eq!(heard(), [18]);
    rig.cpu(0).msr_write(0x830, 0x0001_000a << 32 | 0x860).unwrap();
    assert_eq!(heard(), [17, 19]);
    rig.cpu(0).msr_write(0x830, 0xffff_ffff << 32 | 0x70).unwrap();
    assert_eq!(heard().len(), 20);
    rig.cpu(0).msr_write(0x830, 0xff << 32 | 0x80).unwrap();
    assert_eq!(heard().len(), 0, "255 is an id like any other");
}

#[test]
fn device_messages_are_delivered_and_nonsense_is_dropped() {
    let rig = Rig::new(2);
    let send = |address, data| rig.apics.send(MsiMessage { address, data });
    send(0xfee0_1000, 0x4051);
    assert_eq!(rig.take(1), Some(0x51));
    send(0xfee0_300c, 0x0061); // redirection hint, logical: one of both
    assert_eq!((0..2).filter_map(|n| rig.take(n)).collect::<Vec<_>>(), [0x61]);
    send(0x1234_0000, 0x0071);
    send(0xfee0_1000, 0x0671);
    send(0xfee0_1000, 0x0371);
    send(u64::MAX, u32::MAX);
    assert!(!rig.intr(0) && !rig.intr(1));
}

#[test]
fn the_ioapic_has_version_20_and_24_inputs() {
    let mut rig = Rig::cold(1);
    rig.ioapic.write8(0, 1);
    assert_eq!(rig.ioapic.read32(0x10), 0x0017_0020);
    rig.ioapic.write32(0x10, 0);
    assert_eq!(rig.ioapic.read32(0x10), 0x0017_0020);
    rig.ioapic.write32(0, 0);
    rig.ioapic.write32(0x10, u32::MAX);
    assert_eq!(rig.ioapic.read32(0x10), 0x0f00_0000);
    rig.ioapic.write32(0, 2);
    assert_eq!(rig.ioapic.read32(0x10), 0x0f00_0000);
    assert_eq!(rig.ioapic.read32(0), 2);
    assert_eq!(rig.redirection(23), 0x1_0000);
    rig.ioapic.write32(0, 0x40);
    assert_eq!(rig.ioapic.read32(0x10), 0);
    assert_eq!(rig.ioapic.read32(0x44), 0);
}

#[test]
fn an_edge_sends_one_message_and_a_masked_edge_is_lost() {
    let mut rig = Rig::new(1);
    rig.set_pin(4, true);
    rig.redirect(4, 0x51);
    assert!(!rig.intr(0));
    rig.set_pin(4, false);
    rig.set_pin(4, true);
    assert_eq!(rig.take(0), Some(0x51));
    rig.eoi(0);
    assert!(!rig.intr(0));
}

#[test]
fn a_level_is_sent_again_after_its_end_while_it_is_up() {
    let mut rig = Rig::new(1);
    rig.redirect(16, 0x8061);
    rig.set_pin(16, true);
    assert_eq!(rig.redirection(16), 0xc061, "remote IRR");
    assert_eq!(rig.take(0), Some(0x61));
    assert_eq!(rig.cpu(0).mmio_read32(reg::TMR + 0x30), 1 << 1);
    assert!(!rig.intr(0));
    rig.eoi(0);
    assert_eq!(rig.take(0), Some(0x61));
    rig.set_pin(16, false);
    rig.eoi(0);
    assert!(!rig.intr(0));
    assert_eq!(rig.redirection(16), 0x8061);
    // Up while masked is seen when it is unmasked.
    rig.redirect(16, 0x1_8061);
    rig.set_pin(16, true);
    assert!(!rig.intr(0));
    rig.redirect(16, 0x8061);
    assert_eq!(rig.take(0), Some(0x61));
}

#[test]
fn remote_irr_is_cleared_by_the_eoi_register_and_by_edge_mode() {
    let mut rig = Rig::new(1);
    rig.redirect(16, 0x8061);
    rig.set_pin(16, true);
    rig.set_pin(16, false);
    rig.ioapic.write32(0x40, 0x62);
    assert_eq!(rig.redirection(16), 0xc061);
    rig.ioapic.write32(0x40, 0x61);
    assert_eq!(rig.redirection(16), 0x8061);
    rig.set_pin(16, true);
    rig.redirect(16, 0x1_0061);
    rig.redirect(16, 0x1_8061);
    assert_eq!(rig.redirection(16), 0x1_8061);
}

#[test]
fn inputs_can_carry_nmi_and_the_8259as_requests() {
    let mut rig = Rig::new(2);
    rig.redirect(5, 1 << 56 | 0x8400);
    rig.set_pin(5, true);
    assert_eq!(rig.events(1), [Event::Nmi]);
    assert_eq!(rig.redirection(5), 0x8400, "an NMI is an edge and has no end");
    rig.redirect(0, 1 << 56 | 0x700);
    rig.set_pin(0, true);
    assert!(rig.intr(1));
    assert_eq!(rig.cpu(1).acknowledge(), Ack::ExtInt);
    assert!(!rig.intr(1));
}

#[test]
fn what_the_ioapic_sends_is_a_message_like_a_devices() {
    let rig = Rig::cold(1);
    let mut ioapic = IoApic::new(rig.bed.msi_sink());
    ioapic.write8(0, 0x10 + 2 * 2 + 1);
    ioapic.write32(0x10, 0x0300_0000);
    ioapic.write8(0, 0x10 + 2 * 2);
    ioapic.write32(0x10, 0x8930);
    aero_bus::IrqSink::set_level(&*ioapic.handle(), 2, true);
    let message = MsiMessage { address: 0xfee0_3004, data: 0xc130 };
    assert_eq!(rig.bed.take_events(), [IrqEvent::Msi(message)]);
}

#[test]
fn narrow_accesses_of_the_ioapic_touch_their_bytes() {
    let mut rig = Rig::cold(1);
    rig.ioapic.write8(0, 0x10);
    rig.ioapic.write32(0x10, 0x0001_0055);
    rig.ioapic.write8(0x10, 0x66);
    assert_eq!(rig.redirection(0), 0x1_0066);
    assert_eq!(rig.ioapic.read8(0x12), 1);
    rig.ioapic.write(0x0e, &[0xff; 8]);
    rig.ioapic.write64(u64::MAX, 0);
    assert_eq!(rig.ioapic.read64(0x20), 0);
}

#[test]
fn processors_and_ioapic_do_not_wait_for_each_other() {
    let mut rig = Rig::new(4);
    for input in 0..24 {
        rig.redirect(input, 0xff << 56 | 0x8930 | u64::from(input) << 4 & 0xf0);
    }
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (apics, pins) = (rig.apics.clone(), rig.pins.clone());
            scope.spawn(move || {
                let cpu = apics.cpu(n);
                for i in 0..20_000u32 {
                    aero_bus::IrqSink::set_level(&*pins, (i + n as u32 * 5) % 24, i % 3 != 0);
                    cpu.mmio_write32(reg::ICR, 0x8_0041 + (i % 4) * 16);
                    cpu.acknowledge();
                    cpu.mmio_write32(reg::EOI, 0);
                }
            });
        }
    });
    let mut ioapic = IoApic::new(Arc::new(rig.apics.clone()));
    assert_round_trip(&rig.ioapic, &mut ioapic);
    for input in 0..24 {
        rig.set_pin(input, false);
    }
    rig.ioapic.reset();
    assert_eq!(rig.ioapic.save(), Rig::cold(1).ioapic.save());
}
