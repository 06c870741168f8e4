use super::linux::plain_map;
use super::*;

fn ram() -> GuestRam {
    GuestRam::new(64 << 20, 0).unwrap()
}

fn surroundings(ram: &GuestRam) -> Surroundings {
    Surroundings { map: plain_map(ram, 1 << 20), rsdp: Some(0xf_1230) }
}

fn read32(ram: &GuestRam, at: u64) -> u32 {
    ram.read_obj(GuestAddress(at)).unwrap()
}

fn set(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// A bzImage of protocol 2.15 with two setup sectors.
fn bzimage(code: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 3 * 512];
    image[0x1f1] = 2;
    image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    image[0x200..0x202].copy_from_slice(&[0xeb, 0x6a]);
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
    image[0x211] = 1;
    set(&mut image, 0x22c, 0x7fff_ffff);
    set(&mut image, 0x230, 0x20_0000);
    image[0x234] = 1;
    set(&mut image, 0x238, 2047);
    set(&mut image, 0x258, 0x100_0000);
    set(&mut image, 0x260, 0x10_0000);
    image.extend_from_slice(code);
    image
}

#[test]
fn linux_goes_to_its_preferred_address_with_what_it_is_told_in_the_zero_page() {
    let ram = ram();
    let files = KernelFiles {
        kernel: bzimage(b"code"),
        initrd: Some(vec![7; 5000]),
        cmdline: "console=ttyS0".into(),
        modules: vec![],
    };
    let entry = load(&files, &ram, &surroundings(&ram)).unwrap();
    assert_eq!(entry.eip, 0x100_0000);
    let mut code = [0; 4];
    ram.read_slice(&mut code, GuestAddress(0x100_0000)).unwrap();
    assert_eq!(&code, b"code");
    let zero_page = u64::from(entry.esi);
    assert_eq!(read32(&ram, zero_page + 0x202), u32::from_le_bytes(*b"HdrS"));
    assert_eq!(read32(&ram, zero_page + 0x70), 0xf_1230);
    let initrd = u64::from(read32(&ram, zero_page + 0x218));
    assert_eq!((read32(&ram, initrd), read32(&ram, zero_page + 0x21c)), (0x0707_0707, 5000));
    assert!(initrd + 5000 <= 63 << 20, "not over the tables at the top");
    let cmdline = u64::from(read32(&ram, zero_page + 0x228));
    let mut text = [0; 14];
    ram.read_slice(&mut text, GuestAddress(cmdline)).unwrap();
    assert_eq!(&text, b"console=ttyS0\0");
    // First E820 entry: 0 to 0x9fc00, usable.
    assert_eq!(read32(&ram, zero_page + 0x2d0 + 8), 0x9_fc00);
    assert_eq!(read32(&ram, zero_page + 0x2d0 + 16), 1);
}

#[test]
fn linux_that_cannot_be_loaded_says_why() {
    let ram = ram();
    let error = |files: KernelFiles| load(&files, &ram, &surroundings(&ram)).unwrap_err();
    let kernel = |kernel| KernelFiles { kernel, ..KernelFiles::default() };
    let mut old = bzimage(b"x");
    old[0x206] = 0x03;
    assert!(error(kernel(old)).contains("too old"));
    let mut big = bzimage(b"x");
    set(&mut big, 0x260, 0x4000_0000);
    assert!(error(kernel(big)).contains("of memory in one piece"));
    assert!(error(kernel(bzimage(b""))).contains("truncated"));
    assert!(error(kernel(bzimage(b"x")[..0x210].to_vec())).contains("truncated"));
    let long = KernelFiles { cmdline: "x".repeat(3000), ..kernel(bzimage(b"x")) };
    assert!(error(long).contains("this kernel takes 2047"));
    let fat = KernelFiles { initrd: Some(vec![0; 60 << 20]), ..kernel(bzimage(b"x")) };
    assert!(error(fat).contains("does not fit"));
    assert!(error(kernel(vec![0; 100_000])).contains("neither"));
}

fn multiboot_header(flags: u32) -> Vec<u8> {
    let magic = 0x1bad_b002u32;
    let checksum = 0u32.wrapping_sub(magic).wrapping_sub(flags);
    [magic, flags, checksum].iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// An ELF file with one segment: the multiboot header and `code`, linked at 0xc010_0000, loaded at
/// 1 MiB.
fn elf(code: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x100];
    image[..6].copy_from_slice(b"\x7fELF\x01\x01");
    set(&mut image, 0x18, 0xc010_000c);
    set(&mut image, 0x1c, 0x34);
    image[0x2a] = 32;
    image[0x2c] = 1;
    let len = (12 + code.len()) as u32;
    for (n, value) in [1, 0x100, 0xc010_0000, 0x10_0000, len, len + 100].into_iter().enumerate() {
        set(&mut image, 0x34 + 4 * n, value);
    }
    image.extend(multiboot_header(3));
    image.extend_from_slice(code);
    image
}

#[test]
fn a_multiboot_elf_goes_to_its_physical_addresses_with_modules_map_and_command_line() {
    let ram = ram();
    ram.write_slice(&[0xff; 200], GuestAddress(0x10_0000)).unwrap();
    let files = KernelFiles {
        kernel: elf(b"code"),
        initrd: None,
        cmdline: "a b".into(),
        modules: vec![("one 1".into(), vec![1; 100]), ("two".into(), vec![2; 5000])],
    };
    let entry = load(&files, &ram, &surroundings(&ram)).unwrap();
    assert_eq!((entry.eip, entry.eax), (0x10_000c, 0x2bad_b002));
    assert_eq!(read32(&ram, 0x10_000c), u32::from_le_bytes(*b"code"));
    assert_eq!(read32(&ram, 0x10_0010), 0, "the rest of the segment is zeros");
    let info = u64::from(entry.ebx);
    assert_eq!(read32(&ram, info), 0x24d);
    assert_eq!((read32(&ram, info + 4), read32(&ram, info + 8)), (639, 62 * 1024));
    assert_eq!(read32(&ram, read32(&ram, info + 16).into()), u32::from_le_bytes(*b"a b\0"));
    assert_eq!(read32(&ram, info + 20), 2);
    let modules = u64::from(read32(&ram, info + 24));
    for (n, (byte, len)) in [(1u8, 100u32), (2, 5000)].into_iter().enumerate() {
        let at = modules + 16 * n as u64;
        let (start, end) = (read32(&ram, at), read32(&ram, at + 4));
        assert_eq!(end - start, len);
        assert_eq!(read32(&ram, start.into()), u32::from_le_bytes([byte; 4]));
        assert!(start % 4096 == 0);
    }
    let map = u64::from(read32(&ram, info + 48));
    assert_eq!((read32(&ram, map), read32(&ram, map + 12)), (20, 0x9_fc00));
}

#[test]
fn a_multiboot_image_with_addresses_goes_where_they_say() {
    let ram = ram();
    let mut image = vec![0xcc; 16];
    image.extend(multiboot_header(0x1_0000));
    // header_addr, load_addr, load_end, bss_end, entry
    for value in [0x20_0010u32, 0x20_0000, 0, 0x20_1000, 0x20_0030] {
        image.extend(value.to_le_bytes());
    }
    image.extend_from_slice(b"code");
    let files = KernelFiles { kernel: image, ..KernelFiles::default() };
    let entry = load(&files, &ram, &surroundings(&ram)).unwrap();
    assert_eq!(entry.eip, 0x20_0030);
    assert_eq!(read32(&ram, 0x20_0030), u32::from_le_bytes(*b"code"));
    assert_eq!(read32(&ram, 0x20_0000), 0xcccc_cccc);
}

#[test]
fn no_damage_to_a_kernel_panics() {
    let ram = ram();
    let mut kludge = multiboot_header(0x1_0000);
    for value in [0x20_0000u32, 0x20_0000, 0, 0x20_1000, 0x20_0030] {
        kludge.extend(value.to_le_bytes());
    }
    for good in [bzimage(b"code"), elf(b"code"), kludge] {
        for at in 0..good.len() {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut kernel = good.clone();
                kernel[at] = value;
                let _ = load(
                    &KernelFiles { kernel, ..KernelFiles::default() },
                    &ram,
                    &surroundings(&ram),
                );
            }
            let kernel = good[..at].to_vec();
            let _ =
                load(&KernelFiles { kernel, ..KernelFiles::default() }, &ram, &surroundings(&ram));
        }
    }
}
