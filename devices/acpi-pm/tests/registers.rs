//! The power management block alone, register by register.

use aero_acpi_pm::{
    ACPI_DISABLE, ACPI_ENABLE, APM_WINDOW, AcpiPm, PM_TIMER_HZ, PM_WINDOW, WakeSource,
};
use aero_bus::{BusDevice, Device, PowerRequest};
use aero_testbed::{Access, Testbed, assert_round_trip};

const SCI: u32 = 9;

const PM1_STS: u64 = PM_WINDOW.offset;
const PM1_EN: u64 = PM_WINDOW.offset + 2;
const PM1_CNT: u64 = PM_WINDOW.offset + 4;
const PM_TMR: u64 = PM_WINDOW.offset + 8;
const GPE0_STS: u64 = PM_WINDOW.offset + 0x20;
const GPE0_EN: u64 = PM_WINDOW.offset + 0x28;
const SMI_EN: u64 = PM_WINDOW.offset + 0x30;
const SMI_STS: u64 = PM_WINDOW.offset + 0x34;
const TCO_RLD: u64 = PM_WINDOW.offset + 0x60;
const TCO1_STS: u64 = PM_WINDOW.offset + 0x64;
const TCO2_STS: u64 = PM_WINDOW.offset + 0x66;
const TCO1_CNT: u64 = PM_WINDOW.offset + 0x68;
const TCO_TMR: u64 = PM_WINDOW.offset + 0x72;
const APM_CNT: u64 = APM_WINDOW.offset;

const TMROF: u16 = 1 << 0;
const GBL: u16 = 1 << 5;
const PWRBTN: u16 = 1 << 8;
const RTC: u16 = 1 << 10;
const WAK: u16 = 1 << 15;

const SECOND: u64 = 1_000_000_000;

fn rig() -> (Testbed, AcpiPm) {
    let bed = Testbed::new();
    let pm = AcpiPm::new(bed.clock.clone(), bed.pin(SCI), bed.power.clone());
    (bed, pm)
}

/// With ACPI mode switched on.
fn acpi_rig() -> (Testbed, AcpiPm) {
    let (bed, mut pm) = rig();
    pm.write8(APM_CNT, ACPI_ENABLE);
    (bed, pm)
}

/// The first nanosecond of a tick of the timer.
fn ticks(ticks: u64) -> u64 {
    (ticks * SECOND).div_ceil(PM_TIMER_HZ)
}

#[test]
fn the_timer_counts_24_bits_at_3_579545_megahertz() {
    let (bed, mut pm) = rig();
    bed.run(&mut pm, SECOND);
    assert_eq!(pm.read32(PM_TMR), 3_579_545);
    pm.write32(PM_TMR, 0);
    assert_eq!(pm.read32(PM_TMR), 3_579_545);
    bed.run(&mut pm, ticks((1 << 24) + 5) - bed.clock.now());
    assert_eq!(pm.read32(PM_TMR), 5);
    assert_eq!(pm.read8(PM_TMR), 5);
}

#[test]
fn the_timer_raises_the_sci_when_its_highest_bit_changes() {
    let (bed, mut pm) = acpi_rig();
    pm.write16(PM1_EN, TMROF);
    for n in 1..=3u64 {
        bed.run(&mut pm, ticks(n << 23) - 1 - bed.clock.now());
        assert!(!bed.level(SCI));
        bed.run(&mut pm, 1);
        assert!(bed.level(SCI));
        assert_eq!(pm.read16(PM1_STS), TMROF);
        pm.write16(PM1_STS, TMROF);
        assert!(!bed.level(SCI));
    }
    // Without the enable there is a status but no deadline.
    pm.write16(PM1_EN, 0);
    assert_eq!(bed.clock.next_deadline(), None);
    bed.run(&mut pm, 3 * SECOND);
    assert_eq!(pm.read16(PM1_STS), TMROF);
}

#[test]
fn apm_commands_switch_acpi_mode() {
    let (_, mut pm) = rig();
    assert_eq!(pm.read16(PM1_CNT), 0);
    pm.write8(APM_CNT + 1, 0x5a);
    pm.write8(APM_CNT, ACPI_ENABLE);
    assert_eq!(pm.read16(PM1_CNT), 1);
    assert!(pm.is_acpi_mode());
    assert_eq!(pm.read16(APM_CNT), 0x5a02);
    assert_eq!(pm.read32(SMI_STS), 1 << 5);
    pm.write32(SMI_STS, 1 << 5);
    pm.write8(APM_CNT, ACPI_DISABLE);
    assert_eq!(pm.read16(PM1_CNT), 0);
    pm.write8(APM_CNT, 0x77);
    assert_eq!(pm.read16(PM1_CNT), 0);
}

#[test]
fn firmware_finds_the_smi_for_apm_commands_set_up() {
    let (_, mut pm) = rig();
    assert_eq!(pm.read32(SMI_EN), 0x21);
}

#[test]
fn the_power_button_is_an_event_for_who_listens_and_else_off() {
    let (bed, mut pm) = acpi_rig();
    pm.write16(PM1_EN, PWRBTN);
    pm.press_power_button();
    assert!(bed.level(SCI));
    assert_eq!(pm.read16(PM1_STS), PWRBTN);
    pm.write8(PM1_STS + 1, 1);
    assert!(!bed.level(SCI));
    assert_eq!(bed.power.take(), None);
    pm.write16(PM1_EN, 0);
    pm.press_power_button();
    assert_eq!(bed.power.take(), Some(PowerRequest::PowerOff));
    pm.write16(PM1_EN, PWRBTN);
    pm.write8(APM_CNT, ACPI_DISABLE);
    pm.press_power_button();
    assert_eq!(bed.power.take(), Some(PowerRequest::PowerOff));
}

#[test]
fn events_raise_the_sci_only_when_enabled() {
    let (bed, mut pm) = acpi_rig();
    pm.rtc_alarm();
    assert!(!bed.level(SCI));
    assert_eq!(pm.read16(PM1_STS), RTC);
    pm.write32(PM1_STS, u32::from(RTC) << 16);
    assert!(bed.level(SCI), "a 32-bit write reaches both registers");
    pm.write16(PM1_CNT, 0);
    assert!(!bed.level(SCI), "SCI_EN is off");
    pm.write16(PM1_CNT, 1);
    assert!(bed.level(SCI));
    pm.write16(PM1_EN, 0xffff);
    assert_eq!(pm.read16(PM1_EN), 0x4521);
}

#[test]
fn sleep_types_suspend_or_power_off() {
    let off = Some(PowerRequest::PowerOff);
    let suspend = Some(PowerRequest::Suspend);
    for (sleep_type, request) in
        [(0, off), (1, suspend), (2, off), (3, None), (4, None), (5, suspend), (6, off), (7, off)]
    {
        let (bed, mut pm) = acpi_rig();
        pm.write16(PM1_CNT, sleep_type << 10 | 1);
        assert_eq!(bed.power.take(), None, "not without SLP_EN");
        pm.write16(PM1_CNT, sleep_type << 10 | 1 << 13 | 1);
        assert_eq!(bed.power.take(), request, "SLP_TYP {sleep_type}");
        assert_eq!(pm.read16(PM1_CNT), sleep_type << 10 | 1, "SLP_EN reads as 0");
        // Byte by byte: the low byte does not go to sleep again.
        pm.write8(PM1_CNT, 1);
        assert_eq!(bed.power.take(), None);
    }
}

#[test]
fn waking_says_why() {
    let (_, mut pm) = rig();
    pm.wake(WakeSource::RtcAlarm);
    assert_eq!(pm.read16(PM1_STS), WAK | RTC);
    pm.write16(PM1_STS, 0xffff);
    pm.wake(WakeSource::PowerButton);
    assert_eq!(pm.read16(PM1_STS), WAK | PWRBTN);
    pm.write16(PM1_STS, WAK);
    assert_eq!(pm.read16(PM1_STS), PWRBTN);
}

#[test]
fn a_general_purpose_event_stays_while_its_input_is_high() {
    let (bed, mut pm) = acpi_rig();
    pm.write8(GPE0_EN + 1, 0x02);
    pm.set_gpe(9, true);
    pm.set_gpe(3, true);
    pm.set_gpe(3, false);
    assert!(bed.level(SCI));
    assert_eq!(pm.read64(GPE0_STS), 1 << 9 | 1 << 3);
    pm.write64(GPE0_STS, u64::MAX);
    assert_eq!(pm.read64(GPE0_STS), 1 << 9);
    assert!(bed.level(SCI));
    pm.set_gpe(9, false);
    pm.write8(GPE0_STS + 1, 0x02);
    assert!(!bed.level(SCI));
}

#[test]
fn the_global_lock_is_released_both_ways() {
    let (bed, mut pm) = acpi_rig();
    pm.write16(PM1_EN, GBL);
    let smi_en = pm.read32(SMI_EN);
    pm.write32(SMI_EN, smi_en | 2);
    assert!(bed.level(SCI));
    assert_eq!(pm.read32(SMI_EN), smi_en);
    pm.write16(PM1_CNT, 1 | 1 << 2);
    assert_eq!(pm.read32(SMI_STS) & 4, 4);
    assert_eq!(pm.read16(PM1_CNT), 1);
}

#[test]
fn the_watchdog_resets_after_two_timeouts() {
    let (bed, mut pm) = rig();
    pm.set_no_reboot(false);
    bed.run(&mut pm, 100 * SECOND);
    assert_eq!(bed.power.take(), None, "it waits for its first reload");
    pm.write16(TCO_TMR, 10);
    pm.write16(TCO_RLD, 1);
    assert_eq!(pm.read16(TCO_RLD), 10);
    bed.run(&mut pm, 3 * SECOND);
    assert_eq!(pm.read16(TCO_RLD), 5);
    pm.write16(TCO_RLD, 1);
    bed.run(&mut pm, 6 * SECOND - 1);
    assert_eq!(pm.read16(TCO1_STS), 0);
    bed.run(&mut pm, 1);
    assert_eq!(pm.read16(TCO1_STS), 1 << 3);
    assert_eq!(bed.power.take(), None);
    bed.run(&mut pm, 24 * SECOND / 10);
    assert_eq!(pm.read16(TCO2_STS), 1 << 1);
    assert_eq!(bed.power.take(), Some(PowerRequest::Reset));
    pm.write16(TCO1_STS, 1 << 3);
    pm.write16(TCO2_STS, 1 << 1);
    assert_eq!(pm.read32(TCO1_STS), 0);
    assert_eq!(bed.clock.next_deadline(), None);
}

#[test]
fn the_watchdog_can_be_halted_and_kept_from_resetting() {
    let (bed, mut pm) = rig();
    pm.write16(TCO_TMR, 1); // ignored
    pm.write16(TCO_RLD, 1);
    assert_eq!(pm.read16(TCO_RLD), 4);
    bed.run(&mut pm, SECOND);
    pm.write16(TCO1_CNT, 1 << 11);
    assert_eq!(bed.clock.next_deadline(), None);
    bed.run(&mut pm, 10 * SECOND);
    assert_eq!(pm.read16(TCO_RLD), 3);
    pm.write16(TCO1_CNT, 1 << 12);
    pm.write16(TCO1_CNT, 1 << 11);
    assert_eq!(pm.read16(TCO1_CNT), 1 << 12, "locked");
    bed.run(&mut pm, 10 * SECOND);
    assert_eq!(pm.read16(TCO2_STS), 1 << 1);
    assert_eq!(bed.power.take(), None, "NO_REBOOT");
}

#[test]
fn registers_without_effect_keep_their_bits() {
    let (_, mut pm) = rig();
    for (offset, len, expected) in [
        (0x10, 4, 0xf0u32),
        (0x42, 1, 3),
        (0x50, 1, 1),
        (0x6c, 1, 0xff),
        (0x70, 1, 3),
        (0x78, 4, 0),
    ] {
        pm.write(offset, &[0xff; 4][..len]);
        assert_eq!(pm.read32(offset) & (u32::MAX >> (32 - 8 * len)), expected, "{offset:#x}");
    }
}

#[test]
fn any_writes_in_any_order_are_survived() {
    let (bed, mut pm) = rig();
    let mut seed = 13u64;
    for _ in 0..100_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (what, value) = ((seed >> 40) as u32, seed >> 8);
        let offset = u64::from(what >> 8) % 0x84;
        match what % 5 {
            0 => pm.write32(offset, value as u32),
            1 => pm.write16(offset, value as u16),
            2 => pm.write8(offset, value as u8),
            3 => _ = pm.read32(offset),
            _ => {
                bed.advance(value >> 32);
                pm.tick();
            }
        }
    }
    pm.write(u64::MAX, &[0xff; 8]);
    assert_eq!(pm.read32(0x100), 0);
    for offset in 0..0x84 {
        for len in 1..=8 {
            pm.read(offset, &mut [0; 8][..len]);
            pm.write(offset, &[0xff; 8][..len]);
        }
    }
}

#[test]
fn a_snapshot_holds_everything_that_software_can_see() {
    let (bed, mut pm) = acpi_rig();
    pm.write16(PM1_EN, TMROF | PWRBTN);
    pm.write16(GPE0_EN, 0xff);
    pm.write16(TCO_RLD, 1);
    bed.run(&mut pm, 5 * SECOND);
    pm.set_gpe(3, true);
    let (other_bed, mut other) = rig();
    other_bed.advance(bed.clock.now());
    assert_round_trip(&pm, &mut other);
    assert!(other_bed.level(SCI));
    assert_eq!(other_bed.clock.next_deadline(), bed.clock.next_deadline());
    for (bed, pm) in [(&bed, &mut pm), (&other_bed, &mut other)] {
        bed.run(pm, 2 * SECOND);
        pm.read16(PM1_STS);
    }
    assert_eq!(other.save(), pm.save());
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let (_, mut pm) = rig();
    let saved = pm.save();
    for (field, value) in [
        ("pm1_status", 2u64),
        ("pm1_enable", 1 << 15),
        ("pm1_control", 1 << 13),
        ("overflows", u64::MAX),
    ] {
        let mut bad = saved.clone();
        let fields = bad.fields.as_map_mut().unwrap();
        let entry = fields.iter_mut().find(|(k, _)| k.as_text() == Some(field)).unwrap();
        entry.1 = value.into();
        assert!(pm.restore(&bad).is_err(), "{field}");
    }
    assert_eq!(pm.save(), saved);
}

#[test]
fn reset_is_power_on_but_the_timer_counts_on() {
    let (bed, mut pm) = acpi_rig();
    pm.write16(PM1_EN, TMROF);
    bed.run(&mut pm, 5 * SECOND);
    assert!(bed.level(SCI));
    pm.reset();
    assert!(!bed.level(SCI));
    assert_eq!(bed.clock.next_deadline(), None);
    assert_eq!((pm.read32(PM1_STS), pm.read32(PM1_CNT)), (0, 0));
    assert_ne!(pm.read32(PM_TMR), 0);
    assert_eq!(pm.read32(SMI_EN), 0x21);
}
