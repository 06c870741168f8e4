use aero_bus::{BusDevice, Device, NANOS_PER_SEC, PowerRequest};
use aero_testbed::{Access, Testbed, assert_round_trip};

use crate::{ACPI_DISABLE, ACPI_ENABLE, APM_WINDOW, AcpiPm};

const SCI: u32 = 9;
const PM1_STS: u64 = 0x00;
const PM1_EN: u64 = 0x02;
const PM1_CNT: u64 = 0x04;
const PM1_TMR: u64 = 0x08;
const GPE0_STS: u64 = 0x20;
const GPE0_EN: u64 = 0x28;
const SMI_EN: u64 = 0x30;
const TCO_RLD: u64 = 0x60;
const TCO1_STS: u64 = 0x64;
const TCO1_CNT: u64 = 0x68;
const TCO_TMR: u64 = 0x72;

fn pm(bed: &Testbed) -> AcpiPm {
    AcpiPm::new(bed.clock.clone(), bed.pin(SCI), bed.power.clone())
}

#[test]
fn apm_cnt_switches_acpi_mode_on_and_off() {
    let bed = Testbed::new();
    let mut pm = pm(&bed);
    assert_eq!(pm.read16(PM1_CNT) & 1, 0);
    pm.write8(APM_WINDOW.offset, ACPI_ENABLE);
    assert_eq!(pm.read16(PM1_CNT) & 1, 1);
    pm.write8(APM_WINDOW.offset, ACPI_DISABLE);
    assert_eq!(pm.read16(PM1_CNT) & 1, 0);
}

#[test]
fn smi_en_reads_as_if_a_handler_were_installed() {
    let bed = Testbed::new();
    assert_eq!(pm(&bed).read32(SMI_EN) & 0x21, 0x21);
}

#[test]
fn the_timer_counts_3579545_hertz_in_24_bits_and_cannot_be_written() {
    let bed = Testbed::new();
    let mut pm = pm(&bed);
    bed.advance(NANOS_PER_SEC);
    assert_eq!(pm.read32(PM1_TMR), 3_579_545);
    pm.write32(PM1_TMR, 0);
    bed.advance(4 * NANOS_PER_SEC);
    assert_eq!(pm.read32(PM1_TMR), (5 * 3_579_545) & 0xff_ffff);
}

#[test]
fn a_change_of_the_timers_top_bit_sets_tmrof_and_raises_the_sci() {
    let bed = Testbed::new();
    let mut pm = pm(&bed);
    pm.write16(PM1_CNT, 1);
    pm.write16(PM1_EN, 1);
    bed.run(&mut pm, 2 * NANOS_PER_SEC);
    assert!(!bed.level(SCI));
    bed.run(&mut pm, NANOS_PER_SEC);
    assert!(bed.level(SCI), "2^23 ticks are 2.34 seconds");
    pm.write16(PM1_STS, 1);
    assert!(!bed.level(SCI));
    bed.run(&mut pm, 3 * NANOS_PER_SEC);
    assert!(bed.level(SCI));
}

#[test]
fn status_bits_clear_by_writing_ones_and_byte_writes_touch_their_byte_alone() {
    let bed = Testbed::new();
    let mut pm = pm(&bed);
    pm.write16(PM1_CNT, 1);
    pm.write16(PM1_EN, 0x0500);
    pm.press_power_button();
    pm.rtc_alarm();
    pm.write8(PM1_STS, 0xff);
    assert_eq!(pm.read16(PM1_STS), 0x0500);
    pm.write8(PM1_STS + 1, 0x04);
    assert_eq!(pm.read16(PM1_STS), 0x0100);
}

#[test]
fn the_power_button_tells_the_guest_in_acpi_mode_and_switches_off_without() {
    let bed = Testbed::new();
    let mut pm = pm(&bed);
    pm.write16(PM1_CNT, 1);
    pm.write16(PM1_EN, 0x0100);
    pm.press_power_button();
    assert!(bed.level(SCI));
    assert_eq!(bed.power.take(), None);
    pm.reset();
    assert!(!bed.level(SCI));
    pm.press_power_button();
    assert_eq!(bed.power.take(), Some(PowerRequest::PowerOff));
}

#[test]
fn slp_en_with_the_types_of_s5_and_s3() {
    let bed = Testbed::new();
    let mut pm = pm(&bed);
    pm.write16(PM1_CNT, 0x2001);
    assert_eq!(bed.power.take(), Some(PowerRequest::PowerOff));
    pm.write16(PM1_CNT, 0x2401);
    assert_eq!(bed.power.take(), Some(PowerRequest::Suspend));
    assert_eq!(pm.read16(PM1_CNT), 0x0401, "SLP_EN reads as 0");
    pm.write16(PM1_CNT, 0x3c01);
    assert_eq!(bed.power.take(), None);
}

#[test]
fn an_enabled_general_purpose_event_raises_the_sci() {
    let bed = Testbed::new();
    let mut pm = pm(&bed);
    pm.write16(PM1_CNT, 1);
    pm.raise_gpe(33);
    assert!(!bed.level(SCI));
    pm.write64(GPE0_EN, 1 << 33);
    assert!(bed.level(SCI));
    pm.write8(GPE0_STS + 4, 2);
    assert!(!bed.level(SCI));
    pm.raise_gpe(200);
}

#[test]
fn the_watchdog_times_out_twice_and_resets_unless_no_reboot_is_set() {
    let bed = Testbed::new();
    let mut pm = pm(&bed);
    pm.write16(TCO_TMR, 10);
    pm.write16(TCO_RLD, 1);
    bed.run(&mut pm, 5 * NANOS_PER_SEC);
    assert_eq!(pm.read16(TCO1_STS) & 8, 0);
    pm.write16(TCO_RLD, 1);
    bed.run(&mut pm, 6 * NANOS_PER_SEC);
    assert_eq!(pm.read16(TCO1_STS) & 8, 8);
    bed.run(&mut pm, 6 * NANOS_PER_SEC);
    assert_eq!(bed.power.take(), None);

    pm.reset();
    pm.set_no_reboot(false);
    pm.write16(TCO_RLD, 1);
    bed.run(&mut pm, 6 * NANOS_PER_SEC);
    assert_eq!(bed.power.take(), Some(PowerRequest::Reset));
}

#[test]
fn a_halted_watchdog_does_not_bite_and_a_locked_one_cannot_be_halted() {
    let bed = Testbed::new();
    let mut pm = pm(&bed);
    pm.write16(TCO_RLD, 1);
    pm.write16(TCO1_CNT, 0x0800);
    bed.run(&mut pm, 60 * NANOS_PER_SEC);
    assert_eq!(pm.read16(TCO1_STS), 0);
    pm.write16(TCO1_CNT, 0x1000);
    pm.write16(TCO1_CNT, 0x0800);
    assert_eq!(pm.read16(TCO1_CNT), 0x1000);
}

#[test]
fn accesses_of_any_width_anywhere_do_no_harm() {
    let bed = Testbed::new();
    let mut pm = pm(&bed);
    for offset in 0..0x84 {
        for len in 1..=8 {
            let mut data = [0xff; 8];
            pm.read(offset, &mut data[..len]);
            pm.write(offset, &[0xff; 8][..len]);
        }
    }
}

#[test]
fn a_snapshot_round_trip_keeps_the_sci_and_the_deadlines() {
    let bed = Testbed::new();
    let mut pm1 = pm(&bed);
    pm1.write16(PM1_CNT, 1);
    pm1.write16(PM1_EN, 0x0101);
    pm1.press_power_button();
    pm1.write16(TCO_RLD, 1);
    let other_bed = Testbed::new();
    other_bed.clock.advance_to(bed.clock.now());
    let mut other = pm(&other_bed);
    assert_round_trip(&pm1, &mut other);
    assert!(other_bed.level(SCI));
    assert_eq!(other_bed.clock.next_deadline(), bed.clock.next_deadline());
}
