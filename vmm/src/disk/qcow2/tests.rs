use super::*;
use crate::MemoryFiles;
use crate::devices::WriteMode;
use crate::disk::{DiskSource, MemoryStore, Raw, open_disk};

const CLUSTER: usize = 64 << 10;

/// A fresh image of `size` bytes in memory, over a raw one that holds `base` (or nothing).
fn fresh(size: u64, base: Option<Vec<u8>>) -> (Qcow2, MemoryStore) {
    let store = MemoryStore::default();
    let backing =
        base.as_ref().map(|_| Backing { name: "base".into(), format: Some("raw".into()) });
    let header = Qcow2::create(&store, size, backing).unwrap();
    let backing = base.map(|bytes| {
        let raw = Raw::new(Box::new(MemoryStore::new(bytes).read_only()), false).unwrap();
        Box::new(raw) as Box<dyn Image>
    });
    (Qcow2::open(Box::new(store.clone()), header, backing).unwrap(), store)
}

fn reopen(store: &MemoryStore) -> Result<Qcow2, String> {
    let store = Box::new(store.clone());
    let header = Header::read(&*store)?;
    Qcow2::open(store, header, None)
}

fn read(image: &mut dyn Image, offset: u64, len: usize) -> Vec<u8> {
    let mut data = vec![0xee; len];
    image.read(offset, &mut data).unwrap();
    data
}

#[test]
fn a_fresh_image_reads_as_its_backing_file_and_keeps_what_is_written() {
    let base: Vec<u8> = (0..4 * CLUSTER).map(|i| (i / 512) as u8).collect();
    let (mut disk, store) = fresh(8 * CLUSTER as u64, Some(base.clone()));
    let mut expected = base;
    expected.resize(8 * CLUSTER, 0);
    assert_eq!(read(&mut disk, 0, 8 * CLUSTER), expected);
    for (offset, len) in [(512, 512), (CLUSTER - 512, 1024), (3 * CLUSTER, 2 * CLUSTER)] {
        disk.write(offset as u64, &vec![0xaa; len]).unwrap();
        expected[offset..offset + len].fill(0xaa);
    }
    assert_eq!(read(&mut disk, 0, 8 * CLUSTER), expected);
    let header = Header::read(&store).unwrap();
    assert_eq!(header.backing, Some(Backing { name: "base".into(), format: Some("raw".into()) }));
}

#[test]
fn what_is_written_is_there_after_opening_again() {
    let (mut disk, store) = fresh(4 << 30, None);
    disk.write(3 << 30, &[7; 512]).unwrap();
    disk.write((3 << 30) + 512, &[8; 512]).unwrap();
    let mut again = reopen(&store).unwrap();
    assert_eq!(read(&mut again, (3 << 30) + 256, 512)[..], [[7; 256], [8; 256]].concat());
    assert!(store.to_vec().len() < 8 * CLUSTER, "the file is as long as what is in it");
}

#[test]
fn discarded_clusters_read_as_zeros_also_over_a_backing_file() {
    let (mut disk, _) = fresh(4 * CLUSTER as u64, Some(vec![1; 4 * CLUSTER]));
    disk.write(0, &vec![2; 2 * CLUSTER]).unwrap();
    disk.discard(0, CLUSTER as u64 + 512).unwrap();
    assert_eq!(read(&mut disk, 0, CLUSTER), vec![0; CLUSTER]);
    assert_eq!(read(&mut disk, CLUSTER as u64, CLUSTER), vec![2; CLUSTER]);
    disk.write(512, &[3; 512]).unwrap();
    assert_eq!(read(&mut disk, 0, 1536)[..], [[0; 512], [3; 512], [0; 512]].concat());
}

#[test]
fn refcounts_grow_past_their_first_block_and_table() {
    // 512-byte clusters: a block counts 256 clusters, the table's one cluster lists 64 blocks.
    let store = MemoryStore::default();
    let mut header = Qcow2::create(&store, 64 << 20, None).unwrap();
    let store = MemoryStore::default();
    header.cluster_bits = 9;
    header.l1_size = 2048;
    (header.refcount_table_offset, header.l1_offset) = (512, 1536);
    store.write_at(0, &fresh_header(&header)).unwrap();
    store.write_at(512, &1024u64.to_be_bytes()).unwrap();
    store.write_at(1024, &[0, 1].repeat(35)).unwrap();
    store.write_at(35 * 512 - 1, &[0]).unwrap();
    let header = Header::read(&store).unwrap();
    let mut disk = Qcow2::open(Box::new(store.clone()), header, None).unwrap();
    let pattern: Vec<u8> = (0..12 << 20).map(|i| (i / 512 % 251) as u8).collect();
    disk.write(0, &pattern).unwrap();
    let mut again = reopen(&store).unwrap();
    assert_eq!(read(&mut again, 0, 12 << 20), pattern);
    let header = Header::read(&store).unwrap();
    assert!(header.refcount_table_clusters > 1, "the table has moved");
}

/// A version 2 image with one cluster that is deflated.
fn compressed() -> (MemoryStore, Vec<u8>) {
    let (mut disk, store) = fresh(2 * CLUSTER as u64, None);
    let plain: Vec<u8> = (0..CLUSTER).map(|i| (i / 100) as u8).collect();
    let packed = miniz_oxide::deflate::compress_to_vec(&plain, 6);
    disk.write(0, &[1; 512]).unwrap();
    let l2 = disk.l1[0] & OFFSET_MASK;
    let host = store.len().unwrap();
    let sectors = (packed.len() as u64).div_ceil(512) - 1;
    store.write_at(host, &packed).unwrap();
    let entry = COMPRESSED | sectors << (62 - 8) | host;
    store.write_at(l2, &entry.to_be_bytes()).unwrap();
    let cluster = host / CLUSTER as u64;
    store.write_at(2 * CLUSTER as u64 + cluster * 2, &1u16.to_be_bytes()).unwrap();
    (store, plain)
}

#[test]
fn compressed_clusters_are_read_and_replaced_when_written() {
    let (store, plain) = compressed();
    let mut disk = reopen(&store).unwrap();
    assert_eq!(read(&mut disk, 1000, 5000), plain[1000..6000]);
    disk.write(512, &[0xaa; 512]).unwrap();
    let mut disk = reopen(&store).unwrap();
    let mut expected = plain;
    expected[512..1024].fill(0xaa);
    assert_eq!(read(&mut disk, 0, CLUSTER), expected);
}

#[test]
fn a_damaged_compressed_cluster_is_an_error() {
    let (store, _) = compressed();
    let len = store.len().unwrap();
    store.write_at(len - 40, &[0xff; 40]).unwrap();
    let mut disk = reopen(&store).unwrap();
    let error = disk.read(0, &mut [0; 512]).unwrap_err().to_string();
    assert!(error.contains("compressed cluster"), "{error}");
}

#[test]
fn a_truncated_image_is_refused_wherever_it_is_cut() {
    let (mut disk, store) = fresh(64 * CLUSTER as u64, None);
    disk.write(0, &vec![1; 3 * CLUSTER]).unwrap();
    let bytes = store.to_vec();
    let clusters = bytes.len() / CLUSTER;
    for cluster in 0..clusters {
        for len in [cluster * CLUSTER, cluster * CLUSTER + 100] {
            let cut = MemoryStore::new(bytes[..len].to_vec());
            // Only the very last cluster may be short: its rest is zeros.
            if cluster == clusters - 1 && len % CLUSTER != 0 {
                continue;
            }
            let error = reopen(&cut).err().unwrap_or_else(|| panic!("cut at {len:#x}"));
            assert!(error.contains("truncated"), "cut at {len:#x}: {error}");
        }
    }
}

#[test]
fn no_damage_to_an_image_panics_or_goes_on_for_ever() {
    let (mut disk, store) = fresh(64 * CLUSTER as u64, None);
    disk.write(0, &vec![1; 3 * CLUSTER]).unwrap();
    disk.discard(0, CLUSTER as u64).unwrap();
    let good = store.to_vec();
    // Header, refcount table and block, L1 and L2 tables: each byte of what they begin with.
    let interesting = (0..120).chain((1..5).flat_map(|c| c * CLUSTER..c * CLUSTER + 24));
    for at in interesting {
        for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let store = MemoryStore::new(bytes);
            let Ok(mut disk) = reopen(&store) else { continue };
            let _ = disk.read(0, &mut vec![0; 1 << 20]);
            let _ = disk.write(512, &[5; 512]);
            let _ = disk.write(2 << 20, &[5; 512]);
            let _ = disk.discard(0, 4 * CLUSTER as u64);
            let _ = disk.flush();
        }
    }
}

fn source(image: &str) -> DiskSource<'_> {
    let write = WriteMode::Discard;
    DiskSource {
        image: Some(image),
        format: None,
        size: None,
        write,
        overlay: None,
        read_only: false,
    }
}

#[test]
fn an_image_that_is_its_own_backing_file_is_refused() {
    let store = MemoryStore::default();
    let backing = Backing { name: "a.qcow2".into(), format: None };
    Qcow2::create(&store, 1 << 20, Some(backing)).unwrap();
    let mut files = MemoryFiles::new();
    files.insert("a.qcow2", store.to_vec());
    let error = open_disk(&source("a.qcow2"), &mut files).err().unwrap();
    assert!(error.contains("in a circle"), "{error}");
}

#[test]
fn an_overlay_file_holds_the_writes_and_the_base_stays() {
    let mut files = MemoryFiles::new();
    files.insert("base.img", vec![1; 1 << 20]);
    let mut source = source("base.img");
    source.write = WriteMode::Overlay;
    source.overlay = Some("changes.qcow2");
    let mut disk = open_disk(&source, &mut files).unwrap();
    disk.write(512, &[2; 512]).unwrap();
    drop(disk);
    assert_eq!(files.get("base.img").unwrap(), vec![1; 1 << 20]);
    let mut disk = open_disk(&source, &mut files).unwrap();
    assert_eq!(read(&mut *disk, 0, 1536)[..], [[1; 512], [2; 512], [1; 512]].concat());

    files.insert("base.img", vec![1; 2 << 20]);
    let error = open_disk(&source, &mut files).err().unwrap();
    assert!(error.starts_with("changes.qcow2: this overlay is of a disk of 1048576"), "{error}");
}

#[test]
fn a_guessed_raw_image_does_not_become_a_qcow2_one() {
    let mut files = MemoryFiles::new();
    files.insert("disk.img", vec![0; 1 << 20]);
    let mut source = source("disk.img");
    source.write = WriteMode::Direct;
    let mut disk = open_disk(&source, &mut files).unwrap();
    assert!(disk.write(0, b"QFI\xfb").is_err());
    disk.write(512, &[1; 512]).unwrap();
    assert_eq!(files.get("disk.img").unwrap()[512], 1);
}

#[test]
fn a_missing_image_and_a_missing_backing_file_are_named() {
    let mut files = MemoryFiles::new();
    let error = open_disk(&source("disk.img"), &mut files).err().unwrap();
    assert_eq!(error, "disk.img: there is no such file");
    let store = MemoryStore::default();
    let backing = Backing { name: "b.img".into(), format: None };
    Qcow2::create(&store, 1 << 20, Some(backing)).unwrap();
    files.insert("sub/a.qcow2", store.to_vec());
    let error = open_disk(&source("sub/a.qcow2"), &mut files).err().unwrap();
    assert_eq!(error, "sub/a.qcow2: backing file sub/b.img: there is no such file");
}
