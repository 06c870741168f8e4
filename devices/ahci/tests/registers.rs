//! The controller's own registers: identity, resets, interrupts.

mod driver;

use aero_bus::Device;
use aero_bus::MsiMessage;
use aero_bus::pci::PciDevice;
use aero_testbed::{IrqEvent, MemoryDisk};
use driver::*;

#[test]
fn the_identity_is_the_ich9s_in_ahci_mode() {
    let driver = Driver::new(None);
    let config = driver.ahci.config();
    assert_eq!(config.u32(0x00), 0x2922_8086);
    assert_eq!(config.u32(0x08), 0x0106_0102);
    assert_eq!((config.u8(0x34), config.u8(0x3d), config.u8(0x90)), (0x80, 1, 0x40));
    assert_eq!((config.u32(0x80), config.u32(0xa8)), (0x0080_a805, 0x0010_0012));
    assert_eq!(config.u32(0xac), 0x48);
}

#[test]
fn the_capabilities_tell_of_6_ports_32_slots_and_queuing() {
    let mut driver = Driver::new(None);
    assert_eq!(driver.global(0x00), 0xc114_1f05);
    assert_eq!(driver.global(0x04), 0x8000_0000);
    assert_eq!(driver.global(0x0c), 0x3f);
    assert_eq!(driver.global(0x10), 0x0001_0000);
    for offset in [0x00, 0x0c, 0x10, 0x24] {
        let before = driver.global(offset);
        driver.set_global(offset, !before);
        assert_eq!(driver.global(offset), before);
    }
}

#[test]
fn a_port_with_a_disk_has_a_link_and_a_signature_and_an_empty_one_has_none() {
    let mut driver = Driver::new(disk(&numbered(4096)));
    assert_eq!(driver.get(PX_SSTS), 0x113);
    assert_eq!(driver.get(PX_SIG), 0x101);
    assert_eq!(driver.get(PX_TFD) & 0x88, 0);
    assert_eq!(driver.get(PX_IS), PCS | PRCS);
    driver.port = 1;
    assert_eq!(driver.get(PX_SSTS), 0);
    assert_eq!((driver.get(PX_SIG), driver.get(PX_TFD)), (0xffff_ffff, 0x7f));
    let mut cd_driver = Driver::new(cd(&numbered(4096)));
    assert_eq!(cd_driver.get(PX_SIG), 0xeb14_0101);
}

#[test]
fn the_signature_is_posted_when_fises_are_received() {
    let mut driver = Driver::new(disk(&numbered(4096)));
    driver.start();
    assert_eq!(driver.device_to_host()[..8], [0x34, 0, 0x50, 1, 1, 0, 0, 0]);
    assert_eq!(driver.get(PX_IS), 0, "and sets no interrupt");
}

#[test]
fn cr_and_fr_follow_st_and_fre_and_icc_reads_as_idle() {
    let mut driver = Driver::new(disk(&numbered(4096)));
    assert_eq!(driver.get(PX_CMD), 0x6);
    driver.set(PX_CMD, 0x1000_0010);
    assert_eq!(driver.get(PX_CMD), 0x4016);
    driver.set(PX_CMD, 0xf000_0011);
    assert_eq!(driver.get(PX_CMD), 0xdf17);
    driver.set(PX_CMD, 0);
    assert_eq!(driver.get(PX_CMD), 0x6);
}

#[test]
fn comreset_brings_the_signature_again() {
    let mut driver = Driver::started(disk(&numbered(4096)));
    driver.perform(&command(0x25, 3, 1, 512));
    driver.set(PX_CMD, 0x10);
    driver.set(PX_SCTL, 0x301);
    assert_eq!((driver.get(PX_SSTS), driver.get(PX_TFD)), (1, 0x80));
    driver.set(PX_SCTL, 0x300);
    assert_eq!((driver.get(PX_SSTS), driver.get(PX_SIG)), (0x113, 0x101));
    assert_eq!(driver.get(PX_IS), PCS | PRCS);
    driver.set(PX_SERR, u32::MAX);
    assert_eq!(driver.get(PX_IS), 0);
    assert_eq!(driver.device_to_host()[3..8], [1, 1, 0, 0, 0]);
    driver.set(PX_SCTL, 4);
    assert_eq!(driver.get(PX_SSTS), 4);
}

#[test]
fn a_software_reset_brings_the_signature_again() {
    let mut driver = Driver::started(cd(&numbered(4096)));
    driver.software_reset();
    assert_eq!(driver.get(PX_CI), 0);
    assert_eq!(driver.device_to_host()[4..7], [0x01, 0x14, 0xeb]);
    assert_eq!(driver.get(PX_TFD), 0x0100);
    assert_eq!(driver.get(PX_IS), 0);
}

#[test]
fn hba_reset_keeps_the_addresses_and_clears_the_rest() {
    let mut driver = Driver::started(disk(&numbered(4096)));
    driver.set_global(GHC, 0x8000_0003);
    assert_eq!(driver.global(GHC), 0x8000_0000);
    assert_eq!((driver.get(PX_CLB), driver.get(PX_FB)), (0x1_0000, 0x1_1000));
    assert_eq!((driver.get(PX_IE), driver.get(PX_CMD), driver.get(PX_SSTS)), (0, 6, 0x113));
    driver.start();
    assert_eq!(driver.perform(&command(0xec, 0, 0, 512)), DHRS | PSS);
}

#[test]
fn list_and_fis_addresses_keep_their_alignment() {
    let mut driver = Driver::new(None);
    for register in [PX_CLB, PX_CLB + 4, PX_FB, PX_FB + 4] {
        driver.set(register, u32::MAX);
    }
    assert_eq!((driver.get(PX_CLB), driver.get(PX_CLB + 4)), (0xffff_fc00, 0xffff_ffff));
    assert_eq!((driver.get(PX_FB), driver.get(PX_FB + 4)), (0xffff_ff00, 0xffff_ffff));
    driver.ahci.bar_write(5, 0x101, &[0x12]);
    assert_eq!(driver.get(PX_CLB), 0xffff_1000);
}

#[test]
fn intx_is_asserted_while_is_has_bits_and_ghc_ie_is_set() {
    let mut driver = Driver::started(disk(&numbered(4096)));
    driver.issue(0, &command(0xe5, 0, 0, 0));
    assert!(driver.bed.level(IRQ));
    assert_eq!(driver.global(IS), 1);
    driver.set_global(GHC, 0x8000_0000);
    assert!(!driver.bed.level(IRQ));
    driver.set_global(GHC, 0x8000_0002);
    driver.set_global(IS, 1);
    assert_eq!(driver.global(IS), 1, "IS is set again while PxIS is");
    driver.set(PX_IS, DHRS);
    assert!(driver.bed.level(IRQ), "IS latches");
    driver.set_global(IS, 1);
    assert!(!driver.bed.level(IRQ));
}

#[test]
fn with_msi_each_event_sends_a_message() {
    let mut driver = Driver::started(disk(&numbered(4096)));
    let config = driver.ahci.config_mut();
    config.write(0x84, &0xfee0_0000u32.to_le_bytes());
    config.write(0x8c, &[0x51, 0]);
    config.write(0x82, &[1, 0]);
    driver.bed.take_events();
    let message = IrqEvent::Msi(MsiMessage { address: 0xfee0_0000, data: 0x51 });
    driver.issue(0, &command(0xe5, 0, 0, 0));
    assert_eq!(driver.bed.take_events(), [message]);
    // A second event before the driver has cleared the first.
    driver.issue(0, &command(0xe5, 0, 0, 0));
    assert_eq!(driver.bed.take_events(), [message]);
    // IS is cleared while PxIS is not: a driver must hear of that.
    driver.set_global(IS, 1);
    assert_eq!(driver.bed.take_events(), [message]);
    driver.set(PX_IS, u32::MAX);
    driver.set_global(IS, 1);
    driver.ahci.tick();
    assert_eq!(driver.bed.take_events(), []);
}

#[test]
fn the_index_and_data_ports_reach_all_registers() {
    let mut driver = Driver::new(disk(&numbered(4096)));
    let mut data = [0; 4];
    driver.ahci.bar_write(4, 0x10, &0xffff_f128u32.to_le_bytes());
    driver.ahci.bar_read(4, 0x10, &mut data);
    assert_eq!(u32::from_le_bytes(data), 0x128);
    driver.ahci.bar_read(4, 0x14, &mut data);
    assert_eq!(u32::from_le_bytes(data), 0x113);
    driver.ahci.bar_write(4, 0x10, &0x114u32.to_le_bytes());
    driver.ahci.bar_write(4, 0x14, &[0x7f, 0, 0, 0]);
    assert_eq!(driver.get(PX_IE), 0x7f);
    driver.ahci.bar_read(4, 0, &mut data);
    assert_eq!(data, [0; 4]);
}

#[test]
fn commands_wait_for_the_bus_master_bit() {
    let mut driver = Driver::new(disk(&numbered(4096)));
    driver.set_bus_master(false);
    driver.start();
    driver.issue(0, &command(0xec, 0, 0, 512));
    assert_eq!((driver.get(PX_CI), driver.get(PX_IS)), (1, 0));
    driver.set_bus_master(true);
    assert_eq!(driver.get(PX_CI), 0);
}

#[test]
fn issue_bits_are_taken_only_while_started() {
    let mut driver = Driver::started(disk(&numbered(4096)));
    driver.set(PX_CMD, 0x10);
    driver.issue_queued(3, &command(0xec, 0, 0, 512));
    assert_eq!((driver.get(PX_CI), driver.get(PX_SACT)), (0, 0));
}

#[test]
fn reset_returns_to_power_on_and_forgets_requests() {
    let medium = numbered(4096);
    let mut driver = Driver::started(disk(&medium));
    medium.hold();
    driver.issue(0, &command(0x25, 0, 4, 2048));
    assert_eq!(medium.pending(), 1);
    driver.ahci.reset();
    assert_eq!(medium.pending(), 0);
    assert!(!driver.bed.level(IRQ));
    let fresh = Driver::controller(&driver.bed, [disk(&medium), None, None, None, None, None]);
    assert_eq!(driver.ahci.save(), fresh.save());
}

#[test]
fn registers_take_any_value() {
    let medium = MemoryDisk::new(vec![0; 1 << 20]);
    let mut driver = Driver::started(disk(&medium));
    let mut random = 7u32;
    for round in 0..30_000u32 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let offset = u64::from(random >> 8) % 0x480;
        let value = random.rotate_left(round % 32).to_le_bytes();
        let bytes = [value, value].concat();
        driver.ahci.bar_write(5, offset, &bytes[..[1, 2, 4, 8][round as usize % 4]]);
        let mut data = [0; 8];
        driver.ahci.bar_read(5, offset, &mut data);
        driver.ahci.bar_write(4, offset % 32, &value);
        if round % 64 == 0 {
            driver.ahci.tick();
        }
    }
}
