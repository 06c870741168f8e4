//! A disk, through the fake driver.

mod driver;

use aero_testbed::MemoryDisk;
use driver::*;

const SECTORS: usize = 4096;

fn started() -> (Driver, MemoryDisk) {
    let medium = numbered(SECTORS * 512);
    (Driver::started(disk(&medium)), medium)
}

fn numbers(data: &[u8]) -> Vec<u32> {
    data.chunks(512).map(|s| u32::from_le_bytes(s[..4].try_into().unwrap())).collect()
}

#[test]
fn identify_comes_by_pio() {
    let (mut driver, _) = started();
    assert_eq!(driver.perform(&command(0xec, 0, 0, 512)), DHRS | PSS);
    assert_eq!((driver.get(PX_CI), driver.get(PX_TFD)), (0, 0x50));
    let data = driver.load(DATA, 512);
    assert_eq!(&data[54..68], b"EAORT SEDTSI K");
    assert_eq!(u16::from_le_bytes([data[200], data[201]]), SECTORS as u16);
    assert_eq!(driver.byte_count(0), 512);
    let setup = driver.fis(0x20, 20);
    assert_eq!((setup[0], setup[1], setup[2], setup[15]), (0x5f, 0x60, 0x58, 0x50));
    assert_eq!(setup[16..18], [0, 2]);
    assert_eq!(driver.device_to_host()[..4], [0x34, 0x40, 0x50, 0]);
}

#[test]
fn every_kind_of_read_brings_the_sectors() {
    let (mut driver, _) = started();
    for code in [0x20, 0x21, 0x24, 0x25, 0x29, 0xc4, 0xc8, 0xc9] {
        let data = driver.read_data(&command(code, 100, 5, 5 * 512));
        assert_eq!(numbers(&data), [100, 101, 102, 103, 104], "{code:#x}");
        assert_eq!(driver.get(PX_TFD), 0x50);
    }
}

#[test]
fn every_kind_of_write_stores_the_sectors() {
    let (mut driver, medium) = started();
    for (n, code) in
        [0x30, 0x31, 0x34, 0x35, 0x39, 0x3d, 0xc5, 0xca, 0xcb, 0xce].into_iter().enumerate()
    {
        let lba = 200 + 4 * n;
        driver.store(DATA, &[code; 1024]);
        driver.perform(&command(code, lba as u64, 2, 1024));
        assert_eq!((driver.get(PX_CI), driver.get(PX_TFD)), (0, 0x50), "{code:#x}");
        assert_eq!(driver.byte_count(0), 1024);
        let bytes = medium.bytes();
        assert_eq!(bytes[lba * 512..][..1024], [code; 1024]);
        assert_eq!(bytes[lba * 512 + 1024], (lba + 2) as u8);
    }
}

#[test]
fn a_count_of_zero_is_the_largest() {
    let (mut driver, _) = started();
    let data = driver.read_data(&command(0xc8, 10, 0, 256 * 512));
    assert_eq!((data.len(), numbers(&data)[255]), (256 * 512, 265));
    // 65,536 sectors are more than this disk has.
    assert_eq!(driver.perform(&command(0x25, 0, 0, 0x20_0000)), DHRS | TFES);
    assert_eq!(driver.get(PX_TFD), 0x1051);
}

#[test]
fn the_28_bit_address_takes_its_top_from_the_device_register() {
    let (mut driver, _) = started();
    let mut read = command(0xc8, 0, 1, 512);
    read.device = 0x41;
    assert_eq!(driver.perform(&read), DHRS | TFES, "sector 0x1000000 is not there");
    driver.restart();
    // Cylinder 1, head 2, sector 3 of 16 heads and 63 sectors.
    read.device = 0x02;
    read.lba = 0x00_0103;
    let data = driver.read_data(&read);
    assert_eq!(numbers(&data), [(16 + 2) * 63 + 2]);
    read.lba = 0x00_0100;
    assert_eq!(driver.perform(&read), DHRS | TFES, "there is no sector 0");
}

#[test]
fn data_is_spread_over_descriptors_of_any_size() {
    let (mut driver, _) = started();
    let mut read = command(0x25, 7, 2, 0);
    read.data = vec![(DATA + 1, 3), (DATA + 0x100, 509), (DATA + 0x1001, 1000)];
    driver.perform(&read);
    assert_eq!(driver.get(PX_CI), 0);
    assert_eq!(driver.load(DATA, 5), [0, 7, 0, 0, 0]);
    assert_eq!(driver.load(DATA + 0x100 + 508, 2), [0, 0]);
    assert_eq!(driver.load32(DATA + 0x1001), 8);
    assert_eq!(driver.byte_count(0), 1024);
}

#[test]
fn large_reads_go_in_pieces() {
    let medium = numbered(8 << 20);
    let mut driver = Driver::started(disk(&medium));
    medium.hold();
    // A descriptor holds 4 MiB at most.
    let mut read = command(0x25, 1, 0x2800, 4 << 20);
    read.data.push((DATA + (4 << 20), 1 << 20));
    driver.issue(0, &read);
    assert_eq!(driver.get(PX_TFD) & 0x80, 0x80, "BSY while it goes on");
    assert_eq!(medium.pending(), 5);
    medium.release();
    driver.settle();
    let data = driver.load(DATA, 5 << 20);
    assert!(numbers(&data).into_iter().eq(1..=0x2800), "every sector is in its place");
    assert_eq!(driver.get(PX_TFD), 0x50);
}

#[test]
fn queued_commands_overlap_and_end_by_set_device_bits() {
    let (mut driver, medium) = started();
    medium.hold();
    for tag in [3u8, 0, 31] {
        let data = vec![(DATA + 0x1000 * u64::from(tag), 1024)];
        driver.issue_queued(tag, &queued(0x60, tag, u64::from(tag) * 8, 2, data));
    }
    driver.store(DATA + 0x80_0000, &[0xab; 512]);
    driver.issue_queued(5, &queued(0x61, 5, 2000, 1, vec![(DATA + 0x80_0000, 512)]));
    assert_eq!(driver.get(PX_CI), 0, "the device has taken them");
    assert_eq!(driver.get(PX_SACT), 0x8000_0029);
    assert_eq!((driver.get(PX_TFD), driver.get(PX_IS)), (0x50, 0));
    assert_eq!(medium.pending(), 4);
    medium.release();
    driver.settle();
    assert_eq!((driver.get(PX_SACT), driver.get(PX_IS)), (0, SDBS));
    assert!(driver.bed.level(IRQ));
    for tag in [0u64, 3, 31] {
        let data = driver.load(DATA + 0x1000 * tag, 1024);
        assert_eq!(numbers(&data), [tag as u32 * 8, tag as u32 * 8 + 1]);
        assert_eq!(driver.byte_count(tag as u8), 1024);
    }
    assert_eq!(medium.bytes()[2000 * 512], 0xab);
    let bits = driver.fis(0x58, 8);
    assert_eq!(bits, [0xa1, 0x40, 0x50, 0, 0x29, 0, 0, 0x80]);
    assert_eq!(driver.fis(0, 1), [0x41]);
}

#[test]
fn other_commands_wait_until_the_queue_is_empty() {
    let (mut driver, medium) = started();
    medium.hold();
    driver.issue_queued(1, &queued(0x60, 1, 0, 1, vec![(DATA, 512)]));
    driver.issue(2, &command(0xea, 0, 0, 0));
    driver.issue_queued(3, &queued(0x60, 3, 5, 1, vec![(DATA + 512, 512)]));
    assert_eq!((driver.get(PX_CI), medium.pending()), (0b1100, 1));
    medium.release();
    driver.settle();
    assert_eq!((driver.get(PX_CI), driver.get(PX_SACT)), (0, 0));
    assert_eq!(driver.get(PX_IS), SDBS | DHRS);
    assert_eq!(driver.load32(DATA + 512), 5);
}

#[test]
fn a_failed_queued_command_stops_the_queue_and_log_10_tells_which() {
    let (mut driver, medium) = started();
    medium.hold();
    driver.issue_queued(4, &queued(0x60, 4, 100, 1, vec![(DATA, 512)]));
    driver.issue_queued(6, &queued(0x60, 6, 101, 1, vec![(DATA, 512)]));
    medium.set_failing(true);
    medium.release();
    driver.settle();
    assert_eq!(driver.get(PX_IS), SDBS | TFES);
    assert_eq!(driver.get(PX_TFD), 0x4051);
    assert_eq!(driver.get(PX_SACT), 0x50, "software finds the others here");
    medium.set_failing(false);
    driver.restart();
    assert_eq!((driver.get(PX_SACT), driver.get(PX_CI)), (0, 0));
    for code in [0x2f, 0x47] {
        let log = driver.read_data(&command(code, 0x10, 1, 512));
        assert_eq!(log.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        if code == 0x2f {
            assert_eq!(log[..8], [4, 0, 0x51, 0x40, 100, 0, 0, 0x40]);
        } else {
            assert_eq!(log[0], 0x80, "it is told once");
        }
    }
}

#[test]
fn queued_commands_off_the_medium_are_refused() {
    let (mut driver, _) = started();
    driver.issue_queued(2, &queued(0x60, 2, SECTORS as u64, 1, vec![(DATA, 512)]));
    assert_eq!(driver.get(PX_IS), SDBS | TFES);
    assert_eq!(driver.get(PX_TFD), 0x1051);
    driver.restart();
    assert_eq!(driver.read_data(&command(0x2f, 0x10, 1, 512))[0], 2);
    // A tag that is not the slot.
    driver.issue_queued(2, &queued(0x60, 9, 0, 1, vec![(DATA, 512)]));
    assert_eq!(driver.get(PX_TFD), 0x0441);
}

#[test]
fn errors_stop_the_list_until_st_is_cleared() {
    let (mut driver, _) = started();
    assert_eq!(driver.perform(&command(0x25, SECTORS as u64 - 1, 2, 1024)), DHRS | TFES);
    assert_eq!((driver.get(PX_CI), driver.get(PX_TFD)), (1, 0x1051));
    assert_eq!(driver.device_to_host()[2..4], [0x51, 0x10]);
    driver.issue(1, &command(0xec, 0, 0, 512));
    assert_eq!(driver.get(PX_CI), 3);
    driver.restart();
    assert_eq!(driver.get(PX_CI), 0);
    assert_eq!(driver.read_data(&command(0x25, SECTORS as u64 - 1, 1, 512)).len(), 512);
}

#[test]
fn unknown_commands_are_aborted() {
    let (mut driver, _) = started();
    for code in [0x00, 0x88, 0xa0, 0xa1, 0xb1, 0xf5, 0xf9, 0xff] {
        assert_eq!(driver.perform(&command(code, 0, 1, 512)), DHRS | TFES, "{code:#x}");
        assert_eq!(driver.get(PX_TFD), 0x0451);
        driver.restart();
    }
}

#[test]
fn host_errors_are_told_as_uncorrectable_data_or_a_device_fault() {
    let (mut driver, medium) = started();
    medium.set_failing(true);
    driver.perform(&command(0x25, 9, 1, 512));
    assert_eq!(driver.get(PX_TFD), 0x4051);
    assert_eq!(driver.device_to_host()[4], 9);
    driver.restart();
    driver.perform(&command(0x35, 9, 1, 512));
    assert_eq!(driver.get(PX_TFD), 0x0471);
}

#[test]
fn a_read_only_medium_refuses_writes() {
    let mut driver = Driver::started(disk(&numbered(4096).read_only()));
    driver.perform(&command(0x35, 0, 1, 512));
    assert_eq!(driver.get(PX_TFD), 0x0451);
}

#[test]
fn trim_discards_the_ranges_of_its_list() {
    let (mut driver, medium) = started();
    let mut list = vec![0; 512];
    for (entry, (lba, count)) in list.chunks_mut(8).zip([(8u64, 2u64), (100, 1), (5, 0)]) {
        entry.copy_from_slice(&(lba | count << 48).to_le_bytes());
    }
    driver.store(DATA, &list);
    let mut trim = command(0x06, 0, 1, 512);
    trim.features = 1;
    assert_eq!(driver.perform(&trim), DHRS);
    let bytes = medium.bytes();
    let numbers = numbers(&bytes);
    assert_eq!((numbers[7], numbers[8], numbers[9], numbers[10]), (7, 0, 0, 10));
    assert_eq!((numbers[5], numbers[100], numbers[101]), (5, 0, 101));
    list[..8].copy_from_slice(&(SECTORS as u64 | 1 << 48).to_le_bytes());
    driver.store(DATA, &list);
    driver.perform(&trim);
    assert_eq!(driver.get(PX_TFD), 0x1051);
    driver.restart();
    trim.count = 9;
    driver.perform(&trim);
    assert_eq!(driver.get(PX_TFD), 0x0451);
}

#[test]
fn commands_without_data_answer_in_their_registers() {
    let (mut driver, _) = started();
    for code in [0x10, 0x40, 0x42, 0x70, 0x91, 0xe1, 0xe3, 0xe7, 0xea] {
        assert_eq!(driver.perform(&command(code, 0, 1, 0)), DHRS, "{code:#x}");
    }
    driver.perform(&command(0xe5, 0, 0, 0));
    assert_eq!(driver.device_to_host()[12], 0xff);
    driver.perform(&command(0xe0, 0, 0, 0));
    driver.perform(&command(0xe5, 0, 0, 0));
    assert_eq!(driver.device_to_host()[12], 0x00);
    driver.perform(&command(0x27, 0, 0, 0));
    assert_eq!(driver.device_to_host()[4..6], [0xff, 0x0f]);
    driver.perform(&command(0xf8, 0, 0, 0));
    assert_eq!(driver.device_to_host()[4..8], [0xff, 0x0f, 0, 0x40]);
    driver.perform(&command(0x90, 0, 0, 0));
    assert_eq!(driver.device_to_host()[3..7], [1, 1, 0, 0]);
}

#[test]
fn settings_show_in_identify() {
    let (mut driver, _) = started();
    let word = |driver: &mut Driver, n: usize| {
        let data = driver.read_data(&command(0xec, 0, 0, 512));
        u16::from_le_bytes([data[2 * n], data[2 * n + 1]])
    };
    assert_eq!((word(&mut driver, 59), word(&mut driver, 85)), (0x110, 0x4069));
    assert_eq!(driver.perform(&command(0xc6, 0, 8, 0)), DHRS);
    for feature in [0x82, 0x55] {
        let mut set = command(0xef, 0, 0, 0);
        set.features = feature;
        assert_eq!(driver.perform(&set), DHRS);
    }
    let mut mode = command(0xef, 0, 0x42, 0);
    mode.features = 3;
    assert_eq!(driver.perform(&mode), DHRS);
    assert_eq!((word(&mut driver, 59), word(&mut driver, 85)), (0x108, 0x4009));
    assert_eq!(word(&mut driver, 88), 0x043f);
    for (code, count, features) in [(0xc6, 3, 0), (0xc6, 32, 0), (0xef, 0x46, 3), (0xef, 0, 0x99)] {
        let mut bad = command(code, 0, count, 0);
        bad.features = features;
        assert_eq!(driver.perform(&bad), DHRS | TFES);
        driver.restart();
    }
    // Multiple of 0 switches READ MULTIPLE off.
    driver.perform(&command(0xc6, 0, 0, 0));
    assert_eq!(driver.perform(&command(0xc4, 0, 1, 512)), DHRS | TFES);
}

#[test]
fn smart_says_that_all_is_well() {
    let (mut driver, _) = started();
    let smart = |code, low: u64| {
        let mut command = command(0xb0, 0xc2_4f00 | low, 1, 512);
        command.features = code;
        command
    };
    for (code, low) in [(0xd0, 0), (0xd1, 0), (0xd5, 0), (0xd5, 1), (0xd5, 6)] {
        assert_eq!(driver.perform(&smart(code, low)), DHRS | PSS, "{code:#x}");
    }
    assert_eq!(driver.perform(&smart(0xda, 0)), DHRS);
    assert_eq!(driver.device_to_host()[5..7], [0x4f, 0xc2]);
    assert_eq!(driver.perform(&smart(0xd9, 0)), DHRS);
    assert_eq!(driver.perform(&smart(0xd0, 0)), DHRS | TFES);
    driver.restart();
    assert_eq!(driver.perform(&smart(0xd8, 0)), DHRS);
    let mut no_key = smart(0xd0, 0);
    no_key.lba = 0;
    assert_eq!(driver.perform(&no_key), DHRS | TFES);
}

#[test]
fn with_the_write_cache_off_writes_are_flushed() {
    let (mut driver, medium) = started();
    let mut off = command(0xef, 0, 0, 0);
    off.features = 0x82;
    driver.perform(&off);
    medium.hold();
    driver.issue(0, &command(0x35, 0, 1, 512));
    assert_eq!(medium.pending(), 1);
    medium.release();
    driver.settle();
    assert_eq!(driver.get(PX_CI), 0);
}
