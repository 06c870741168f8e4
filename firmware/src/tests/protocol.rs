//! The ports between stubs and device.

use super::*;
use aero_bus::Device;
use aero_testbed::assert_round_trip;

#[test]
fn a_frame_comes_back_as_it_was_but_for_the_answer() {
    let mut bench = Bench::new();
    bench.power_on();
    let f = bench.call(0x12, |f| {
        (f.ebx, f.ecx, f.edx, f.esi, f.edi, f.ebp) = (1, 2, 3, 4, 5, 6);
        (f.ds, f.es, f.cs, f.ip) = (7, 8, 9, 10);
    });
    assert_eq!(f.ax(), 639);
    assert_eq!((f.ebx, f.ecx, f.edx, f.esi, f.edi, f.ebp), (1, 2, 3, 4, 5, 6));
    assert_eq!((f.ds, f.es, f.cs, f.ip, f.flags), (7, 8, 9, 10, 0x202));
}

#[test]
fn odd_accesses_do_no_harm() {
    let mut bench = Bench::new();
    for offset in 0..0x40 {
        for len in [1, 2, 4, 8] {
            let mut data = vec![0; len];
            bench.firmware.read(offset, &mut data);
            bench.firmware.write(offset, &vec![0xff; len]);
        }
    }
    bench.firmware.write32(COMMAND.into(), 0);
}

/// Every service with registers of all kinds: nothing panics and nothing runs for ever.
#[test]
fn no_registers_can_upset_a_service() {
    let mut seed = 0x1234_5678_9abc_def0u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let image = vec![0u8; 2880 * 512];
    let mut bench = Bench::with_drives(&[
        (DriveKind::HardDisk, &image),
        (DriveKind::Cd, &image),
        (DriveKind::Floppy, &image),
    ]);
    bench.power_on();
    for round in 0..20_000 {
        let services = [
            0x10, 0x10, 0x10, 0x11, 0x12, 0x13, 0x13, 0x14, 0x15, 0x16, 0x17, 0x19, 0x1a, 0x40,
            0x102, 0x103, 0x104, 0x105, 0x100, 0x101, 0x18, 0xffff,
        ];
        let service = services[round % services.len()];
        let mut frame = Frame { service, ..Frame::default() };
        for word in 0..9 {
            // Small numbers now and then: functions and drives have them.
            let value = random();
            let shift = [0, 0, 16, 24][(value >> 40) as usize % 4];
            frame.set_word(word, value as u32 >> shift);
        }
        if random() % 2 == 0 {
            let functions =
                [0x02, 0x08, 0x42, 0x48, 0x4b, 0x4f, 0x11, 0x13, 0x1c, 0x12, 0xc2, 0x87];
            frame.set_ah(functions[random() as usize % functions.len()]);
            frame.set_al(random() as u8 % 32);
            frame.set_dl([0, 0x80, 0xe0, 1][random() as usize % 4]);
        }
        // The guest may also have written anything into the BDA.
        let at = 0x400 + random() % 0x100;
        bench.machine.write8(at, random() as u8);
        for word in 0..FRAME_WORDS {
            bench.firmware.write32(u64::from(word) * 4, frame.word(word.into()));
        }
        bench.firmware.write32(COMMAND.into(), 0);
        for _ in 0..random() % 600 {
            bench.firmware.read8(DATA.into());
            bench.firmware.write8(DATA.into(), random() as u8);
        }
        bench.clock.advance_to(bench.clock.now() + 1000);
    }
}

#[test]
fn a_guest_cannot_make_the_firmware_call_itself() {
    let mut bench = Bench::new();
    bench.power_on();
    for base in [Firmware::PORT_BASE, Firmware::PORT_BASE - 4, 0xfffe] {
        bench.machine.write16(0x400, base);
        bench.machine.write16(0x408, base);
        bench.call(0x14, |f| f.set_ax(0x0141));
        bench.call(0x17, |f| f.set_ax(0x0041));
    }
}

#[test]
fn the_state_survives_a_snapshot_in_the_middle_of_a_service() {
    let mut bench = Bench::new();
    bench.power_on();
    // A wait that is under way.
    let frame = Frame { service: 0x15, eax: 0x8600, ecx: 10, esp: 0x100, ..Frame::default() };
    for word in 0..FRAME_WORDS {
        bench.firmware.write32(u64::from(word) * 4, frame.word(word.into()));
    }
    bench.firmware.write32(COMMAND.into(), 0);
    let mut other = Bench::new();
    let saved = assert_round_trip(&bench.firmware, &mut other.firmware);
    assert!(other.firmware.restore(&saved).is_ok());
    other.clock.advance_to(10_000_000_000);
    other.firmware.write32(COMMAND.into(), 0);
    assert_eq!(other.firmware.read32(COMMAND.into()), Status::Done as u32);
}

#[test]
fn reset_forgets_everything() {
    let mut bench = Bench::new();
    let fresh = bench.firmware.save();
    bench.power_on();
    assert_ne!(bench.firmware.save(), fresh);
    bench.firmware.reset();
    assert_eq!(bench.firmware.save(), fresh);
}
