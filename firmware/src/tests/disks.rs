//! INT 13h and booting.

use super::*;
use aero_bus::Device;

const MEBI: usize = 1 << 20;

/// A medium whose every sector starts with its number.
fn numbered(bytes: usize, sector: usize) -> Vec<u8> {
    let mut image = vec![0; bytes];
    for (number, sector) in image.chunks_mut(sector).enumerate() {
        sector[..4].copy_from_slice(&(number as u32).to_le_bytes());
    }
    image
}

fn bootable(mut image: Vec<u8>) -> Vec<u8> {
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    image
}

/// A CD that boots `media` from sector 30.
fn cd(media: u8) -> Vec<u8> {
    let mut image = numbered(MEBI * 4, 2048);
    let record = 17 * 2048;
    image[record..record + 30].copy_from_slice(b"\0CD001\x01EL TORITO SPECIFICATION");
    image[record + 0x47..record + 0x4b].copy_from_slice(&20u32.to_le_bytes());
    let catalog = 20 * 2048;
    image[catalog..catalog + 2].copy_from_slice(&[1, 0]);
    image[catalog + 30..catalog + 32].copy_from_slice(&[0x55, 0xaa]);
    image[catalog + 32..catalog + 34].copy_from_slice(&[0x88, media]);
    image[catalog + 38] = 4;
    image[catalog + 40] = 30;
    image
}

fn packet(bench: &Bench, count: u16, address: u32, lba: u64) {
    bench.machine.write(0x5000, &[16, 0]);
    bench.machine.write16(0x5002, count);
    bench.machine.write16(0x5004, (address & 0xf) as u16);
    bench.machine.write16(0x5006, (address >> 4) as u16);
    bench.machine.write(0x5008, &lba.to_le_bytes());
}

fn extended(bench: &mut Bench, function: u16, drive: u8) -> Frame {
    bench.call(0x13, |f| {
        f.set_ax(function << 8);
        f.set_dl(drive);
        f.set_si(0x5000);
    })
}

#[test]
fn sectors_are_read_and_written_by_cylinder_head_and_sector() {
    let mut bench = Bench::with_drives(&[(DriveKind::HardDisk, &numbered(64 * MEBI, 512))]);
    bench.power_on();
    let chs = |bench: &mut Bench, ax: u32, cx: u32, dx: u32| {
        bench.call(0x13, |f| (f.eax, f.ecx, f.edx, f.es, f.ebx) = (ax, cx, dx, 0x1000, 0))
    };
    // Cylinder 1, head 2, sector 3: (1 × 16 + 2) × 63 + 2.
    let f = chs(&mut bench, 0x0202, 0x0103, 0x0280);
    assert_eq!((f.carry(), f.ax()), (false, 0x0002));
    assert_eq!(bench.machine.read32(0x1_0000), 1136);
    assert_eq!(bench.machine.read32(0x1_0200), 1137);
    bench.machine.write(0x1_0000, b"written");
    assert!(!chs(&mut bench, 0x0301, 0x0103, 0x0280).carry());
    assert_eq!(&bench.disks[0].bytes()[1136 * 512..][..7], b"written");
    let f = chs(&mut bench, 0x0201, 0x0100, 0x0080);
    assert!(f.carry() && f.ah() == 0x01, "there is no sector 0");
    assert_eq!(bench.call(0x13, |f| (f.eax, f.edx) = (0x0100, 0x80)).ah(), 0x01);
    let f = chs(&mut bench, 0x0201, 0x0001, 0x0081);
    assert!(f.carry(), "there is no second disk");
}

#[test]
fn parameters_tell_the_last_cylinder_head_and_sector() {
    let mut bench = Bench::with_drives(&[(DriveKind::HardDisk, &numbered(64 * MEBI, 512))]);
    bench.power_on();
    let f = bench.call(0x13, |f| (f.eax, f.edx) = (0x0800, 0x80));
    // 131072 sectors: 130 cylinders.
    assert_eq!((f.ch(), f.cl(), f.dh(), f.dl()), (129, 63, 15, 1));
    let f = bench.call(0x13, |f| (f.eax, f.edx) = (0x1500, 0x80));
    assert_eq!((f.ah(), f.cx(), f.dx()), (3, 1, 0xffe0));
    bench.call(crate::rom::service::POST_SCREEN, |_| {});
    assert_eq!(bench.machine.read8(0x475), 1);
    let table = u64::from(bench.machine.read16(0x41 * 4 + 2)) * 16;
    let table = table + u64::from(bench.machine.read16(0x41 * 4));
    assert_eq!(bench.machine.read16(table), 130);
    let f = bench.call(0x13, |f| (f.eax, f.edx) = (0x1500, 0x81));
    assert_eq!((f.ah(), f.carry()), (0, false));
}

#[test]
fn extensions_read_by_sector_number_while_the_medium_takes_its_time() {
    let mut bench = Bench::with_drives(&[(DriveKind::HardDisk, &numbered(4 * MEBI, 512))]);
    bench.power_on();
    let f = bench.call(0x13, |f| (f.eax, f.ebx, f.edx) = (0x4100, 0x55aa, 0x80));
    assert_eq!((f.carry(), f.bx(), f.cx() & 1), (false, 0xaa55, 1));
    // 300 sectors: three requests.
    packet(&bench, 300, 0x2_0000, 5);
    let f = extended(&mut bench, 0x42, 0x80);
    assert_eq!((f.carry(), f.ah()), (false, 0));
    for i in 0..300 {
        assert_eq!(bench.machine.read32(0x2_0000 + i * 512), 5 + i as u32);
    }
    packet(&bench, 10, 0x2_0000, 8190);
    let f = extended(&mut bench, 0x42, 0x80);
    assert!(f.carry() && f.ah() == 4, "past the end");
    packet(&bench, 1, 0x2_0000, u64::MAX);
    assert!(extended(&mut bench, 0x42, 0x80).carry());
    bench.machine.write16(0x5000, 0x1e);
    let f = extended(&mut bench, 0x48, 0x80);
    assert!(!f.carry());
    assert_eq!(bench.machine.read32(0x5010), 8192);
    assert_eq!(bench.machine.read16(0x5018), 512);
}

#[test]
fn a_pending_read_is_polled_and_a_new_call_takes_its_place() {
    let mut bench = Bench::with_drives(&[(DriveKind::HardDisk, &numbered(MEBI, 512))]);
    bench.power_on();
    bench.disks[0].hold();
    packet(&bench, 1, 0x2_0000, 7);
    let start = |bench: &mut Bench, esp: u32| {
        let mut f = Frame { service: 0x13, esp, edx: 0x80, esi: 0x5000, ..Frame::default() };
        f.set_ax(0x4200);
        for word in 0..FRAME_WORDS {
            bench.firmware.write32(u64::from(word) * 4, f.word(word.into()));
        }
        bench.firmware.write32(COMMAND.into(), 0);
        bench.firmware.read32(COMMAND.into())
    };
    assert_eq!(start(&mut bench, 0x100), Status::Poll as u32);
    assert_eq!(start(&mut bench, 0x100), Status::Poll as u32);
    assert_eq!(bench.disks[0].pending(), 1, "the request is made once");
    assert_eq!(start(&mut bench, 0x200), Status::Poll as u32);
    assert_eq!(bench.disks[0].pending(), 1, "the abandoned request is gone");
    bench.disks[0].release();
    assert_eq!(start(&mut bench, 0x200), Status::Done as u32);
    assert_eq!(bench.machine.read32(0x2_0000), 7);
}

#[test]
fn errors_of_the_medium_have_their_codes() {
    let mut bench = Bench::with_drives(&[
        (DriveKind::HardDisk, &numbered(MEBI, 512)),
        (DriveKind::Cd, &[]),
        (DriveKind::Cd, &cd(0)),
    ]);
    bench.power_on();
    bench.disks[0].set_failing(true);
    packet(&bench, 1, 0x2_0000, 0);
    assert_eq!(extended(&mut bench, 0x42, 0x80).ah(), 0x20);
    packet(&bench, 1, 0x2_0000, 0);
    assert_eq!(extended(&mut bench, 0x42, 0xe0).ah(), 0x31);
    packet(&bench, 1, 0x2_0000, 30);
    assert_eq!(extended(&mut bench, 0x42, 0xe1).ah(), 0);
    assert_eq!(bench.machine.read32(0x2_0000), 30);
    packet(&bench, 1, 0x2_0000, 30);
    assert_eq!(extended(&mut bench, 0x43, 0xe1).ah(), 0x03);
}

#[test]
fn a_changed_diskette_is_told_once() {
    let image = numbered(1440 * 1024, 512);
    let mut bench = Bench::with_drives(&[(DriveKind::Floppy, &image)]);
    bench.power_on();
    let read = |bench: &mut Bench| {
        bench.call(0x13, |f| (f.eax, f.ecx, f.edx, f.ebx) = (0x0201, 0x0001, 0, 0x6000)).ah()
    };
    assert_eq!(read(&mut bench), 0);
    bench.disks[0].change_medium(image.clone());
    assert_eq!((read(&mut bench), read(&mut bench)), (6, 0));
    let f = bench.call(0x13, |f| f.set_ax(0x0800));
    assert_eq!((f.ch(), f.cl(), f.dh(), f.dl(), f.bl()), (79, 18, 1, 1, 4));
}

fn boot(bench: &mut Bench) -> Frame {
    bench.power_on();
    bench.call(0x19, |_| {})
}

#[test]
fn the_first_drive_with_a_boot_sector_is_booted() {
    let mut bench = Bench::with_drives(&[
        (DriveKind::HardDisk, &numbered(MEBI, 512)),
        (DriveKind::Cd, &[]),
        (DriveKind::HardDisk, &bootable(numbered(MEBI, 512))),
    ]);
    let f = boot(&mut bench);
    assert_eq!((f.cs, f.ip, f.dl()), (0, 0x7c00, 0x81));
    assert_ne!(f.flags & 0x200, 0);
    assert_eq!(bench.machine.read16(0x7dfe), 0xaa55);
    let said = String::from_utf8(bench.console.take_sent()).unwrap();
    assert!(said.contains("drive0 is not bootable: no boot sector"), "{said}");
    assert!(said.contains("Booting from drive2"), "{said}");
}

#[test]
fn int_18h_goes_on_with_the_next_drive_and_int_19h_starts_over() {
    let image = bootable(numbered(MEBI, 512));
    let mut bench =
        Bench::with_drives(&[(DriveKind::HardDisk, &image), (DriveKind::HardDisk, &image)]);
    assert_eq!(boot(&mut bench).dl(), 0x80);
    assert_eq!(bench.call(0x18, |_| {}).dl(), 0x81);
    assert_eq!(bench.call(0x19, |_| {}).dl(), 0x80);
    assert_eq!(bench.call(0x18, |_| {}).dl(), 0x81);
    assert_eq!(bench.ask(0x18, |_| {}), None, "there is no third");
}

#[test]
fn a_cd_boots_without_emulation() {
    let mut bench = Bench::with_drives(&[(DriveKind::Cd, &cd(0))]);
    let f = boot(&mut bench);
    assert_eq!((f.cs, f.ip, f.dl()), (0, 0x7c00, 0xe0));
    assert_eq!(bench.machine.read32(0x7c00), 30);
    let f = extended(&mut bench, 0x4b, 0xe0);
    assert!(!f.carry());
    assert_eq!(bench.machine.read::<3>(0x5000), [0x13, 0, 0xe0]);
}

#[test]
fn a_cd_boots_as_a_diskette_and_gives_the_drive_back() {
    let floppy = numbered(1440 * 1024, 512);
    let mut bench = Bench::with_drives(&[(DriveKind::Floppy, &floppy), (DriveKind::Cd, &cd(2))]);
    bench.power_on();
    let f = bench.call(0x19, |_| {});
    assert_eq!((f.cs, f.ip, f.dl()), (0, 0x7c00, 0));
    let read = |bench: &mut Bench, drive: u32| {
        bench.call(0x13, |f| (f.eax, f.ecx, f.edx, f.ebx) = (0x0201, 0x0005, drive, 0x6000));
        bench.machine.read32(0x6000)
    };
    assert_eq!(read(&mut bench, 0), 31, "the fifth sector is the second of the CD");
    assert_eq!(read(&mut bench, 1), 4, "the diskette has become the second drive");
    bench.call(0x13, |f| {
        f.set_ax(0x4b00);
        f.set_si(0x5000);
    });
    assert_eq!(read(&mut bench, 0), 4);
    bench.firmware.reset();
}

#[test]
fn with_nothing_to_boot_it_says_so_and_waits_for_a_key() {
    let mut bench = Bench::with_drives(&[(DriveKind::Cd, &[])]);
    bench.power_on();
    assert_eq!(bench.ask(0x19, |_| {}), None);
    assert_eq!(bench.ask(0x19, |_| {}), None);
    let said = String::from_utf8(bench.console.take_sent()).unwrap();
    assert_eq!(said.matches("No bootable device").count(), 1, "{said}");
    bench.call(crate::rom::service::KEY, |f| f.set_al(0x1c));
    let f = bench.call(0x19, |_| {});
    assert_eq!((f.cs, f.ip), (0xf000, 0xe6f2));
}
