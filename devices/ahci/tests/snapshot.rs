//! Snapshots: at a moment of rest, with commands in flight, and damaged.

mod driver;

use aero_bus::Device;
use aero_testbed::{MemoryDisk, assert_round_trip};
use driver::*;

/// A driver over the same guest memory contents, with a controller that was never used.
fn twin(of: &Driver, medium: &MemoryDisk) -> Driver {
    let other = Driver::new(disk(medium));
    other.store(0, &of.load(0, 16 << 20));
    other
}

#[test]
fn a_round_trip_keeps_registers_and_settings() {
    let medium = numbered(1 << 20);
    let mut driver = Driver::started(disk(&medium));
    driver.perform(&command(0xc6, 0, 4, 0));
    driver.issue(0, &command(0xe5, 0, 0, 0));
    let mut other = twin(&driver, &medium);
    assert_round_trip(&driver.ahci, &mut other.ahci);
    assert!(other.bed.level(IRQ), "the interrupt came along");
    assert_eq!(other.get(PX_IS), DHRS);
    assert_eq!(other.read_data(&command(0x25, 9, 1, 512))[0], 9);
}

#[test]
fn commands_in_flight_end_after_the_restore() {
    let medium = numbered(4 << 20);
    let mut driver = Driver::started(disk(&medium));
    medium.hold();
    driver.issue_queued(7, &queued(0x60, 7, 4, 0x1000, vec![(DATA, 2 << 20)]));
    driver.store(DATA + 0x40_0000, &[0x77; 512]);
    driver.issue_queued(9, &queued(0x61, 9, 1, 1, vec![(DATA + 0x40_0000, 512)]));
    let copy = MemoryDisk::new(medium.bytes());
    let mut other = twin(&driver, &copy);
    assert_round_trip(&driver.ahci, &mut other.ahci);
    assert_eq!(other.get(PX_SACT), 1 << 7 | 1 << 9);
    other.settle();
    assert_eq!((other.get(PX_SACT), other.get(PX_IS)), (0, SDBS));
    assert_eq!((other.load32(DATA), other.load32(DATA + (2 << 20) - 4)), (4, 0x1003));
    assert_eq!(copy.bytes()[512], 0x77);
    // The original goes on undisturbed.
    medium.release();
    driver.settle();
    assert_eq!(driver.get(PX_SACT), 0);
}

#[test]
fn a_command_that_is_not_queued_stays_busy_over_the_restore() {
    let medium = numbered(4 << 20);
    let mut driver = Driver::started(disk(&medium));
    medium.hold();
    driver.issue(3, &command(0x24, 2, 8, 4096));
    let copy = MemoryDisk::new(medium.bytes());
    let mut other = twin(&driver, &copy);
    assert_round_trip(&driver.ahci, &mut other.ahci);
    assert_eq!((other.get(PX_CI), other.get(PX_TFD) & 0x80), (8, 0x80));
    other.settle();
    assert_eq!((other.get(PX_CI), other.get(PX_IS)), (0, DHRS | PSS));
    assert_eq!(other.load32(DATA), 2);
}

#[test]
fn a_command_that_is_half_done_asks_only_for_the_other_half_after_the_restore() {
    let medium = numbered(16 << 20);
    let mut driver = Driver::started(disk(&medium));
    medium.hold();
    // Ten pieces, of which eight are asked for at a time.
    driver.issue_queued(
        7,
        &queued(0x60, 7, 0, 0x5000, vec![(DATA, 4 << 20), (DATA, 4 << 20), (DATA, 2 << 20)]),
    );
    medium.release_some(3);
    driver.ahci.tick();
    let copy = MemoryDisk::new(medium.bytes());
    copy.hold();
    let mut other = twin(&driver, &copy);
    assert_round_trip(&driver.ahci, &mut other.ahci);
    other.ahci.tick();
    assert_eq!(copy.pending(), 7, "of ten pieces three were done");
    assert_round_trip(&other.ahci, &mut driver.ahci);
    copy.release();
    other.settle();
    assert_eq!(other.get(PX_SACT), 0);
}

#[test]
fn another_medium_at_the_restore_is_a_changed_one() {
    let medium = numbered(64 << 10);
    let driver = Driver::started(cd(&medium));
    let mut other = Driver::new(cd(&numbered(32 << 10)));
    other.ahci.restore(&driver.ahci.save()).unwrap();
    assert_eq!(other.sense_after(&packet(&[0x00], 0, false)), [6, 0x28, 0]);
}

#[test]
fn a_snapshot_of_other_drives_is_refused() {
    let medium = numbered(64 << 10);
    let saved = Driver::started(disk(&medium)).ahci.save();
    for attachment in [cd(&medium), None] {
        let mut driver = Driver::new(attachment);
        let error = driver.ahci.restore(&saved).unwrap_err().to_string();
        assert!(error.contains("port 0"), "{error}");
        assert_eq!(driver.get(PX_CMD), 6, "after an error it is as after reset");
    }
}

#[test]
fn damaged_snapshots_are_refused_or_harmless() {
    use aero_bus::SnapshotError;
    let medium = numbered(32 << 10);
    let mut driver = Driver::started(disk(&medium));
    medium.hold();
    driver.issue_queued(7, &queued(0x60, 7, 4, 8, vec![(DATA, 4096)]));
    driver.issue_queued(8, &queued(0x61, 8, 4, 8, vec![(DATA, 4096)]));
    let saved = driver.ahci.save();
    medium.release();
    for leaf in 0..count(&saved.fields) {
        for value in [0u64, 511, 1 << 60, u64::MAX] {
            let mut damaged = saved.clone();
            replace(&mut damaged.fields, &mut leaf.clone(), value);
            match driver.ahci.restore(&damaged) {
                Ok(()) => driver.settle(),
                Err(error) => assert!(matches!(error, SnapshotError::Invalid { .. })),
            }
        }
    }
    driver.ahci.restore(&saved).unwrap();
}

fn count(value: &ciborium::Value) -> usize {
    use ciborium::Value;
    match value {
        Value::Map(entries) => entries.iter().map(|(_, value)| count(value)).sum(),
        Value::Array(values) if values.len() < 64 => values.iter().map(count).sum(),
        Value::Integer(_) => 1,
        _ => 0,
    }
}

/// Replaces the integer number `leaf`.
fn replace(value: &mut ciborium::Value, leaf: &mut usize, with: u64) {
    use ciborium::Value;
    match value {
        Value::Map(entries) => entries.iter_mut().for_each(|(_, v)| replace(v, leaf, with)),
        Value::Array(values) if values.len() < 64 => {
            values.iter_mut().for_each(|v| replace(v, leaf, with));
        }
        Value::Integer(number) => {
            if *leaf == 0 {
                *number = with.into();
            }
            *leaf = leaf.wrapping_sub(1);
        }
        _ => {}
    }
}
