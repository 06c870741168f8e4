//! A CD drive, through the fake driver.

mod driver;

use aero_testbed::MemoryDisk;
use driver::*;

const BLOCKS: usize = 64;

/// Blocks that tell their number in every doubleword.
fn medium() -> MemoryDisk {
    let words = (0..BLOCKS as u32 * 512).flat_map(|n| (n / 512).to_le_bytes());
    MemoryDisk::new(words.collect()).read_only()
}

fn started() -> (Driver, MemoryDisk) {
    let medium = medium();
    (Driver::started(cd(&medium)), medium)
}

#[test]
fn a_disk_command_is_aborted_with_the_signature() {
    let (mut driver, _) = started();
    assert_eq!(driver.perform(&command(0xec, 0, 0, 512)), DHRS | TFES);
    assert_eq!(driver.get(PX_TFD), 0x0441);
    assert_eq!(driver.device_to_host()[5..7], [0x14, 0xeb]);
    driver.restart();
    let data = driver.read_data(&command(0xa1, 0, 0, 512));
    assert_eq!(data[..2], [0xc0, 0x85]);
}

#[test]
fn inquiry_tells_a_removable_cd_drive() {
    let (mut driver, _) = started();
    let data = driver.read_data(&packet(&[0x12, 0, 0, 0, 96], 96, false));
    assert_eq!(data.len(), 36);
    assert_eq!(data[..5], [0x05, 0x80, 0, 0x21, 31]);
    assert_eq!(&data[8..36], b"AERO    TESTDISK        1.0 ");
    let data = driver.read_data(&packet(&[0x12, 0, 0, 0, 5], 5, true));
    assert_eq!(data.len(), 5);
    assert_eq!(driver.sense_after(&packet(&[0x12, 1, 0, 0, 96], 96, false)), [5, 0x24, 0]);
}

#[test]
fn a_packet_ends_with_its_byte_count_and_reason() {
    let (mut driver, _) = started();
    let is = driver.perform(&packet(&[0x28, 0, 0, 0, 0, 3, 0, 0, 2], 4096, false));
    assert_eq!(is, DHRS | PSS);
    let fis = driver.device_to_host();
    assert_eq!((fis[2], fis[5], fis[6], fis[12]), (0x50, 0x00, 0x08, 3));
    assert_eq!(driver.load32(DATA), 3);
    assert_eq!(driver.load32(DATA + 2048), 4);
    assert_eq!(driver.fis(0x20, 20)[16..18], [0x00, 0x08]);
    let is = driver.perform(&packet(&[0xa8, 0, 0, 0, 0, 9, 0, 0, 0, 1], 2048, true));
    assert_eq!(is, DHRS);
    assert_eq!((driver.load32(DATA), driver.byte_count(0)), (9, 2048));
}

#[test]
fn read_capacity_and_the_limits_of_the_medium() {
    let (mut driver, _) = started();
    let data = driver.read_data(&packet(&[0x25], 8, false));
    assert_eq!(data, [0, 0, 0, BLOCKS as u8 - 1, 0, 0, 8, 0]);
    let last = BLOCKS as u8 - 1;
    for cdb in [[0x28, 0, 0, 0, 0, last, 0, 0, 2], [0x2b, 0, 0, 0, 0, last + 1, 0, 0, 0]] {
        assert_eq!(driver.sense_after(&packet(&cdb, 4096, true)), [5, 0x21, 0]);
    }
    let huge = [0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(driver.sense_after(&packet(&huge, 4096, true)), [5, 0x21, 0]);
    assert_eq!(driver.perform(&packet(&[0x28, 0, 0, 0, 0, last, 0, 0, 0], 0, true)), DHRS);
}

#[test]
fn read_cd_gives_user_data_or_whole_sectors() {
    let (mut driver, _) = started();
    let mut cdb = [0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0x10];
    assert_eq!(driver.read_data(&packet(&cdb, 2048, true)).len(), 2048);
    cdb[9] = 0xf8;
    cdb[8] = 2;
    let raw = driver.read_data(&packet(&cdb, 2 * 2352, true));
    assert_eq!(raw.len(), 2 * 2352);
    assert_eq!((raw[0], raw[1], raw[10], raw[11]), (0, 0xff, 0xff, 0));
    assert_eq!(raw[12..17], [0x00, 0x02, 0x05, 1, 5]);
    assert_eq!(raw[2352 + 14], 0x06);
    cdb[9] = 0x78;
    assert_eq!(driver.sense_after(&packet(&cdb, 2048, true)), [5, 0x24, 0]);
}

#[test]
fn the_other_queries_are_answered() {
    let (mut driver, _) = started();
    let mut ask = |cdb: &[u8]| driver.read_data(&packet(cdb, 2048, false));
    assert_eq!(ask(&[0x43, 2, 0, 0, 0, 0, 0, 0, 100]).len(), 20);
    assert_eq!(ask(&[0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0x40]).len(), 12);
    assert_eq!(ask(&[0x43, 0, 2, 0, 0, 0, 0, 0, 100]).len(), 48);
    assert_eq!(ask(&[0x46, 0, 0, 0, 0, 0, 0, 0, 8])[6..], [0, 8]);
    assert_eq!(ask(&[0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]), [0, 6, 4, 0x10, 0, 2, 0, 0]);
    assert_eq!(ask(&[0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 128]).len(), 54);
    assert_eq!(ask(&[0x1a, 0, 0x2a, 0, 128]).len(), 26);
    assert_eq!(ask(&[0x51, 0, 0, 0, 0, 0, 0, 0, 34]).len(), 34);
    assert_eq!(ask(&[0x52, 1, 0, 0, 0, 1, 0, 0, 36])[27], BLOCKS as u8);
    assert_eq!(ask(&[0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8]).len(), 8);
    assert_eq!(ask(&[0xbb]).len(), 0);
    assert_eq!(driver.sense_after(&packet(&[0xff], 0, false)), [5, 0x20, 0]);
    let no_dvd = [0xad, 0, 0, 0, 0, 0, 0, 0, 8, 0];
    assert_eq!(driver.sense_after(&packet(&no_dvd, 2048, false)), [5, 0x30, 2]);
}

#[test]
fn a_changed_medium_is_a_unit_attention_and_an_event() {
    let (mut driver, medium) = started();
    medium.change_medium(vec![0; 4 * 2048]);
    driver.settle();
    assert_eq!(driver.sense_after(&packet(&[0x00], 0, false)), [6, 0x28, 0]);
    assert_eq!(driver.perform(&packet(&[0x00], 0, false)), DHRS);
    let event = driver.read_data(&packet(&[0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8], 8, false));
    assert_eq!(event[4..6], [2, 2]);
    assert_eq!(driver.read_data(&packet(&[0x25], 8, false))[3], 3);
    medium.change_medium(Vec::new());
    assert_eq!(driver.sense_after(&packet(&[0x00], 0, false)), [2, 0x3a, 0]);
    let event = driver.read_data(&packet(&[0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8], 8, false));
    assert_eq!(event[4..6], [3, 0]);
}

#[test]
fn the_tray_opens_unless_it_is_locked() {
    let (mut driver, _) = started();
    assert_eq!(driver.perform(&packet(&[0x1e, 0, 0, 0, 1], 0, false)), DHRS);
    let (eject, load) =
        (packet(&[0x1b, 0, 0, 0, 2], 0, false), packet(&[0x1b, 0, 0, 0, 3], 0, false));
    assert_eq!(driver.sense_after(&eject), [5, 0x53, 2]);
    assert_eq!(driver.perform(&packet(&[0x1e, 0, 0, 0, 0], 0, false)), DHRS);
    assert_eq!(driver.perform(&eject), DHRS);
    assert_eq!(driver.sense_after(&packet(&[0x25], 8, false)), [2, 0x3a, 2]);
    assert_eq!(driver.perform(&load), DHRS);
    assert_eq!(driver.sense_after(&packet(&[0x00], 0, false)), [6, 0x28, 0]);
    assert_eq!(driver.read_data(&packet(&[0x25], 8, false)).len(), 8);
}

#[test]
fn a_host_error_is_a_medium_error() {
    let (mut driver, medium) = started();
    medium.set_failing(true);
    let read = packet(&[0x28, 0, 0, 0, 0, 0, 0, 0, 1], 2048, true);
    assert_eq!(driver.sense_after(&read), [3, 0x11, 0]);
}
