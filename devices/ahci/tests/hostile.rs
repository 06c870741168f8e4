//! Command lists that no driver would build: nothing panics, nothing hangs, nothing leaves guest memory.

mod driver;

use aero_bus::Device;
use aero_testbed::MemoryDisk;
use driver::*;

const OUTSIDE: u64 = 0xffff_ffff_ffff_ff00;

fn started() -> (Driver, MemoryDisk) {
    let medium = numbered(8 << 20);
    (Driver::started(disk(&medium)), medium)
}

/// The port stopped with these bits of PxIS, and works again after a restart.
fn assert_stopped(driver: &mut Driver, is: u32) {
    driver.settle();
    assert_eq!(driver.get(PX_IS) & (HBFS | IFS | OFS | TFES), is);
    driver.start();
    driver.restart();
    driver.set(PX_CLB + 4, 0);
    driver.set(PX_FB + 4, 0);
    driver.set(PX_TFD, 0);
    let data = driver.read_data(&command(0xec, 0, 0, 512));
    assert_eq!(data.len(), 512);
}

#[test]
fn a_command_list_outside_ram_is_a_host_bus_error() {
    let (mut driver, _) = started();
    driver.set(PX_CLB + 4, 0xffff_ffff);
    driver.set(PX_CI, 1);
    assert_stopped(&mut driver, HBFS);
}

#[test]
fn a_command_table_outside_ram_is_a_host_bus_error() {
    let (mut driver, _) = started();
    driver.header(0, [0xffff_0005, 0, OUTSIDE as u32, (OUTSIDE >> 32) as u32]);
    driver.set(PX_CI, 1);
    assert_stopped(&mut driver, HBFS);
}

#[test]
fn data_outside_ram_is_a_host_bus_error() {
    for code in [0x25, 0x35, 0xec, 0x24] {
        for address in [OUTSIDE, 0x1_0000_0000, (16 << 20) - 100, 0xfee0_0000] {
            let (mut driver, _) = started();
            let mut bad = command(code, 0, 1, 0);
            bad.data = vec![(address, 512)];
            driver.issue(0, &bad);
            assert_stopped(&mut driver, HBFS);
        }
    }
}

#[test]
fn a_fis_area_outside_ram_is_a_host_bus_error() {
    let (mut driver, _) = started();
    driver.set(PX_FB + 4, 0xffff_ffff);
    driver.issue(0, &command(0x25, 0, 8, 4096));
    assert_stopped(&mut driver, HBFS);
}

#[test]
fn descriptors_that_end_too_soon_are_an_overflow() {
    for code in [0x25, 0x35, 0xec, 0x60] {
        let (mut driver, _) = started();
        let mut short = command(code, 0, if code == 0x60 { 0 } else { 2 }, 511);
        short.features = 2;
        if code == 0x60 {
            driver.set(PX_SACT, 1);
        }
        driver.issue(0, &short);
        assert_stopped(&mut driver, OFS | IFS);
    }
}

#[test]
fn a_table_may_describe_itself() {
    let (mut driver, _) = started();
    let mut own = command(0x25, 0, 64, 0);
    // The data overwrites the descriptors, the command and the list.
    own.data = vec![(driver.table(0), 0x1000), (0x1_0000, 0x1000), (0x1_0000, 0x40_0000)];
    driver.issue(0, &own);
    assert_stopped(&mut driver, OFS | IFS);
}

#[test]
fn huge_tables_of_tiny_descriptors_end() {
    let (mut driver, _) = started();
    let table = driver.table(0);
    driver.build(0, &command(0x25, 0, 8192, 0));
    let mut entries = vec![0; 0xffff * 16];
    for entry in entries.chunks_mut(16) {
        entry[..8].copy_from_slice(&DATA.to_le_bytes());
    }
    driver.store(table + 0x80, &entries);
    driver.header(0, [0xffff_0005, 0, table as u32, 0]);
    driver.set(PX_CI, 1);
    assert_stopped(&mut driver, OFS | IFS);
}

#[test]
fn other_fises_are_not_taken() {
    for kind in [0x00, 0x34, 0x46, 0xff] {
        let (mut driver, _) = started();
        driver.build(0, &command(0xec, 0, 0, 512));
        driver.store(driver.table(0), &[kind]);
        driver.set(PX_CI, 1);
        assert_stopped(&mut driver, IFS);
    }
    let (mut driver, _) = started();
    driver.build(0, &command(0xec, 0, 0, 512));
    driver.header(0, [0x1_0205, 0, driver.table(0) as u32, 0]);
    driver.set(PX_CI, 1);
    assert_stopped(&mut driver, IFS);
}

#[test]
fn a_queued_bit_on_another_command_gives_the_queue_up() {
    let (mut driver, medium) = started();
    medium.hold();
    driver.issue_queued(1, &queued(0x60, 1, 0, 1, vec![(DATA, 512)]));
    driver.issue_queued(2, &command(0x25, 0, 1, 512));
    assert_eq!(driver.get(PX_TFD), 0x0441);
    assert_eq!(medium.pending(), 0);
    medium.release();
    assert_stopped(&mut driver, TFES);
}

#[test]
fn all_slots_at_once_are_bounded_in_flight() {
    let (mut driver, medium) = started();
    medium.hold();
    for tag in 0..32 {
        driver.build(tag, &queued(0x60, tag, 0, 0x2000, vec![(DATA, 0x40_0000)]));
    }
    driver.set(PX_SACT, u32::MAX);
    driver.set(PX_CI, u32::MAX);
    assert_eq!(medium.pending(), 8);
    medium.release();
    driver.ahci.tick();
    assert_ne!(driver.get(PX_SACT), 0, "one tick does not do all of it");
    for _ in 0..8 {
        driver.settle();
    }
    assert_eq!((driver.get(PX_SACT), driver.get(PX_CI)), (0, 0));
}

#[test]
fn clearing_st_gives_commands_up() {
    let (mut driver, medium) = started();
    medium.hold();
    driver.issue(0, &command(0x25, 0, 8192, 4 << 20));
    driver.set(PX_CMD, 0x10);
    assert_eq!(medium.pending(), 0);
    assert_eq!((driver.get(PX_CI), driver.get(PX_TFD)), (0, 0x50));
    medium.release();
    assert_stopped(&mut driver, 0);
}

#[test]
fn random_commands_are_survived() {
    let disk_medium = numbered(1 << 20);
    let cd_medium = numbered(1 << 20);
    for (n, attachment) in [disk(&disk_medium), cd(&cd_medium)].into_iter().enumerate() {
        let mut driver = Driver::started(attachment);
        let mut random = 99u64 + n as u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            random >> 33
        };
        for _ in 0..6_000 {
            let mut wild = command(next() as u8, next() & 0xff_0fff, next() as u16 & 0x1f, 0);
            wild.features = next() as u16;
            wild.device = next() as u8;
            if n == 1 {
                wild.code = if next() % 8 == 0 { wild.code } else { 0xa0 };
                wild.packet = Some(std::array::from_fn(|_| (next() & next()) as u8));
            }
            wild.data = (0..next() % 4)
                .map(|_| (next() % (17 << 20), next() as u32 % 0x4000 + 1))
                .filter(|(at, _)| *at > DATA)
                .collect();
            let slot = (next() % 32) as u8;
            if next() % 4 == 0 {
                driver.issue_queued(slot, &wild);
            } else {
                driver.issue(slot, &wild);
            }
            if next() % 3 == 0 {
                driver.ahci.tick();
            }
            if driver.get(PX_IS) & (TFES | HBFS | IFS) != 0 {
                driver.restart();
            }
        }
    }
}
