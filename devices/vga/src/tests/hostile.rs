use super::*;
use aero_bus::pci::PciDevice;
use aero_bus::{BusDevice, Device, GuestRam, Snapshot};
use aero_testbed::assert_round_trip;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn any_registers_are_survived_and_drawn() {
    let mut rig = rig();
    let mut random = Random(0x1234_5678_9abc_def1);
    for round in 0..400 {
        for _ in 0..60 {
            let (a, b) = (random.next(), random.next());
            let data = b.to_le_bytes();
            let len = [1, 2, 3, 4, 8][(a >> 32) as usize % 5];
            match a % 8 {
                0 | 1 => rig.vga.write(0x3b0 + (a >> 8) % 0x30, &data[..len]),
                2 => {
                    let port = [SEQ, GFX, CRTC][(a >> 8) as usize % 3];
                    rig.set(port, (a >> 16) as u8 % 0x20, data[0]);
                }
                3 => rig.vga.write(A0000 + (a >> 8) % 0x2_0010, &data[..len]),
                4 => rig.vga.read(A0000 + (a >> 8) % 0x2_0010, &mut [0; 8][..len]),
                5 => rig.vbe((a >> 8) as u16 % 12, (b >> 8) as u16 >> (b % 13)),
                6 => rig.vga.bar_write(2, (a >> 8) % 4100, &data[..len]),
                _ => {
                    rig.vga.read(0x3b0 + (a >> 8) % 0x30, &mut [0; 8][..len]);
                    rig.vga.bar_read(2, (a >> 8) % 4100, &mut [0; 8][..len]);
                    rig.vga.bar_write(0, a >> (b % 64), &data[..len]);
                    rig.vga.bar_read(0, b >> (a % 64), &mut [0; 8][..len]);
                }
            }
        }
        rig.clock.advance_to(rig.clock.now() + random.next() % 1_000_000_000);
        rig.vga.read8(STATUS_1);
        if round % 2 == 0 {
            rig.vga.write8(MISC_WRITE, 0x01 | random.next() as u8);
            rig.set_attr(0x10, random.next() as u8);
        }
        if round % 5 == 0 {
            rig.set(SEQ, 1, random.next() as u8 & !0x20);
        }
        rig.render();
        assert!(rig.frame.pixels.len() <= 4096 * 2304);
        rig.vga.text();
    }
    assert_round_trip(&rig.vga, &mut super::rig().vga);
}

#[test]
fn a_snapshot_brings_the_mode_back_and_a_bad_one_is_refused() {
    let mut rig = rig_in(&TEXT);
    rig.set_vbe_mode(320, 240, 16);
    rig.vbe(5, 2);
    rig.vga.write8(0x3c8, 7);
    rig.vga.write8(0x3c9, 1);
    let mut other = super::rig();
    let saved = assert_round_trip(&rig.vga, &mut other.vga);
    assert_eq!(other.size(), (320, 240));
    assert_eq!(other.vbe_get(5), 2);

    let fields = |snapshot: &Snapshot| format!("{:?}", snapshot.fields);
    assert!(fields(&saved).contains("virt_width"));
    let small = GuestRam::new(1 << 20, 1 << 20).unwrap();
    let bed = Testbed::new();
    let config = VgaConfig { vram_len: 1 << 20, ..VgaConfig::default() };
    let mut smaller = Vga::new(config, &small, bed.pci_wiring(0), &bed.clock).unwrap();
    assert!(smaller.restore(&saved).is_err(), "the mode's height belongs to more memory");
}

#[test]
fn reset_is_as_power_on() {
    let mut rig = rig_in(&MODE_13);
    rig.set_vbe_mode(320, 240, 16);
    rig.vga.bar_write(0, 100, &[1]);
    rig.vga.reset();
    assert_eq!(rig.vga.save(), super::rig().vga.save());
    let mut byte = [1];
    rig.vga.bar_read(0, 100, &mut byte);
    assert_eq!(byte, [0]);
}

#[test]
fn memory_sizes_are_checked() {
    let bed = Testbed::new();
    let ram = GuestRam::new(1 << 20, 4 << 20).unwrap();
    for vram_len in [0, 3 << 20, 512 << 20, 8 << 20] {
        let config = VgaConfig { vram_len, ..VgaConfig::default() };
        assert!(Vga::new(config, &ram, bed.pci_wiring(0), &bed.clock).is_err());
    }
}
