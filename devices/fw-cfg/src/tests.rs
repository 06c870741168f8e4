use aero_bus::Device;
use aero_bus::vm_memory::{Bytes, GuestAddress};
use aero_testbed::{Access, Testbed, assert_round_trip};

use crate::{FileError, FwCfg, key};

const SELECTOR: u64 = 0;
const DATA: u64 = 1;
const DMA_HIGH: u64 = 4;
const DMA_LOW: u64 = 8;

const READ: u32 = 2;
const SKIP: u32 = 4;
const SELECT: u32 = 8;
const WRITE: u32 = 16;

fn rig() -> (Testbed, FwCfg) {
    let bed = Testbed::new();
    let mut dev = FwCfg::new(bed.ram.clone());
    dev.set_item(key::RAM_SIZE, (16u64 << 20).to_le_bytes().to_vec());
    dev.add_file("etc/e820", vec![1, 2, 3]).unwrap();
    dev.add_file("bootorder", b"disk\0".to_vec()).unwrap();
    dev.add_writable_file("etc/pointer", vec![0xee; 8]).unwrap();
    (bed, dev)
}

fn item(dev: &mut FwCfg, key: u16, len: usize) -> Vec<u8> {
    dev.write16(SELECTOR, key);
    (0..len).map(|_| dev.read8(DATA)).collect()
}

/// Runs a copy with its control structure at 0x1000, and returns the outcome.
fn transfer(bed: &Testbed, dev: &mut FwCfg, control: u32, len: u32, address: u64) -> u32 {
    let mut structure = control.to_be_bytes().to_vec();
    structure.extend(len.to_be_bytes());
    structure.extend(address.to_be_bytes());
    bed.ram.write_slice(&structure, GuestAddress(0x1000)).unwrap();
    dev.write32(DMA_HIGH, 0);
    dev.write32(DMA_LOW, 0x1000u32.swap_bytes());
    let mut outcome = [0; 4];
    bed.ram.read_slice(&mut outcome, GuestAddress(0x1000)).unwrap();
    u32::from_be_bytes(outcome)
}

fn memory(bed: &Testbed, address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    bed.ram.read_slice(&mut bytes, GuestAddress(address)).unwrap();
    bytes
}

#[test]
fn signature_features_and_items_are_read_byte_by_byte() {
    let (_bed, mut dev) = rig();
    assert_eq!(item(&mut dev, key::SIGNATURE, 4), b"QEMU");
    assert_eq!(item(&mut dev, key::ID, 4), [3, 0, 0, 0]);
    assert_eq!(item(&mut dev, key::RAM_SIZE, 8), (16u64 << 20).to_le_bytes());
    assert_eq!(item(&mut dev, key::SIGNATURE, 6), b"QEMU\0\0", "zeros after the end");
    assert_eq!(item(&mut dev, 0x3fff, 2), [0, 0], "and of what is not there");
}

#[test]
fn the_directory_lists_files_by_name() {
    let (_bed, mut dev) = rig();
    let directory = item(&mut dev, key::FILE_DIRECTORY, 4 + 3 * 64);
    assert_eq!(directory[..4], 3u32.to_be_bytes());
    let names: Vec<_> = directory[4..]
        .chunks(64)
        .map(|entry| {
            let name = entry[8..].split(|b| *b == 0).next().unwrap();
            let size = u32::from_be_bytes(entry[..4].try_into().unwrap());
            let key = u16::from_be_bytes(entry[4..6].try_into().unwrap());
            (std::str::from_utf8(name).unwrap(), size, key)
        })
        .collect();
    assert_eq!(names, [("bootorder", 5, 0x20), ("etc/e820", 3, 0x21), ("etc/pointer", 8, 0x22)]);
    assert_eq!(item(&mut dev, 0x21, 3), [1, 2, 3]);
}

#[test]
fn names_must_fit_and_be_different() {
    let (_bed, mut dev) = rig();
    let long = "x".repeat(56);
    assert_eq!(dev.add_file(&long, vec![]), Err(FileError::Name(long.clone())));
    assert_eq!(dev.add_file(&long[1..], vec![]), Ok(()));
    let name = "bootorder".to_owned();
    assert_eq!(dev.add_file(&name, vec![]), Err(FileError::Duplicate(name)));
}

#[test]
fn the_dma_register_reads_as_its_signature() {
    let (_bed, mut dev) = rig();
    assert_eq!(dev.read32(DMA_HIGH), u32::from_le_bytes(*b"QEMU"));
    assert_eq!(dev.read32(DMA_LOW), u32::from_le_bytes(*b" CFG"));
}

#[test]
fn a_copy_selects_skips_and_reads() {
    let (bed, mut dev) = rig();
    bed.ram.write_slice(&[0xaa; 8], GuestAddress(0x2000)).unwrap();
    assert_eq!(transfer(&bed, &mut dev, 0x21 << 16 | SELECT | READ, 5, 0x2000), 0);
    assert_eq!(memory(&bed, 0x2000, 6), [1, 2, 3, 0, 0, 0xaa]);
    assert_eq!(transfer(&bed, &mut dev, 0x20 << 16 | SELECT | SKIP, 2, 0), 0);
    assert_eq!(transfer(&bed, &mut dev, READ, 2, 0x2000), 0);
    assert_eq!(memory(&bed, 0x2000, 2), b"sk");
    assert_eq!(dev.read8(DATA), 0);
    assert_eq!(transfer(&bed, &mut dev, 0x20 << 16 | SELECT, 0, 0), 0);
    assert_eq!(dev.read8(DATA), b'd');
}

#[test]
fn a_whole_address_starts_a_copy_too() {
    let (bed, mut dev) = rig();
    let mut structure = (SELECT | READ).to_be_bytes().to_vec();
    structure.extend(4u32.to_be_bytes());
    structure.extend(0x3000u64.to_be_bytes());
    bed.ram.write_slice(&structure, GuestAddress(0x1000)).unwrap();
    dev.write64(DMA_HIGH, 0x1000u64.swap_bytes());
    assert_eq!(memory(&bed, 0x3000, 4), b"QEMU");
}

#[test]
fn only_writable_files_are_written_and_only_inside() {
    let (bed, mut dev) = rig();
    bed.ram.write_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9], GuestAddress(0x2000)).unwrap();
    assert_eq!(transfer(&bed, &mut dev, 0x22 << 16 | SELECT | WRITE, 8, 0x2000), 0);
    assert_eq!(dev.file("etc/pointer"), Some(&[1, 2, 3, 4, 5, 6, 7, 8][..]));
    assert_eq!(transfer(&bed, &mut dev, 0x22 << 16 | SELECT | WRITE, 9, 0x2000), 1);
    assert_eq!(transfer(&bed, &mut dev, 0x21 << 16 | SELECT | WRITE, 1, 0x2000), 1);
    assert_eq!(transfer(&bed, &mut dev, 0x999 << 16 | SELECT | WRITE, 1, 0x2000), 1);
    assert_eq!(transfer(&bed, &mut dev, 0x22 << 16 | SELECT | WRITE, u32::MAX, 0x2000), 1);
    dev.write16(SELECTOR, 0x22);
    dev.write8(DATA, 0x55);
    assert_eq!(dev.file("etc/pointer").unwrap()[0], 1, "the data port writes nothing");
}

#[test]
fn bad_addresses_are_errors() {
    let (bed, mut dev) = rig();
    for address in [16 << 20, u64::MAX, u64::MAX - 1, (16 << 20) - 2] {
        assert_eq!(transfer(&bed, &mut dev, SELECT | READ, 4, address), 1, "{address:#x}");
        assert_eq!(transfer(&bed, &mut dev, 0x22 << 16 | SELECT | WRITE, 4, address), 1);
    }
    assert_eq!(transfer(&bed, &mut dev, SELECT | READ, u32::MAX, 0x10_0000), 1);
    dev.write32(DMA_HIGH, 0xffff_ffff);
    dev.write32(DMA_LOW, 0xffff_ffff);
    dev.write8(DMA_LOW, 1);
    dev.write16(DMA_LOW + 3, 1);
    dev.write64(DMA_LOW, 1);
    dev.read64(DMA_LOW);
    for _ in 0..3 {
        transfer(&bed, &mut dev, SKIP, u32::MAX, 0);
    }
    assert_eq!(dev.read8(DATA), 0);
}

#[test]
fn a_snapshot_keeps_the_position_and_what_was_written() {
    let (bed, mut dev) = rig();
    transfer(&bed, &mut dev, 0x22 << 16 | SELECT | WRITE, 4, 0x1000);
    item(&mut dev, 0x20, 2);
    let (_bed, mut other) = rig();
    let saved = assert_round_trip(&dev, &mut other);
    assert_eq!(other.file("etc/pointer"), dev.file("etc/pointer"));
    assert_eq!(other.read8(DATA), b's');
    let mut plain = FwCfg::new(bed.ram.clone());
    assert!(plain.restore(&saved).is_err());
    dev.reset();
    assert_eq!(dev.file("etc/pointer"), Some(&[0xee; 8][..]));
    assert_eq!(dev.read8(DATA), b'Q');
}
