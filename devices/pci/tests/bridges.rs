//! The host bridge and the LPC bridge on a bus, through their configuration registers.

use std::sync::{Arc, Mutex};

use aero_bus::pci::{PciAddress, PciDevice};
use aero_bus::{BusTarget, Device, IoMap, IrqLine, MemoryMap, Window};
use aero_pci::{HostBridge, LegacyVga, Lpc, PciBus, PirqRouter, PmWindow};
use aero_testbed::{Testbed, assert_round_trip};

/// Answers each byte with a letter of its own.
struct Letter(u8);

impl BusTarget for Letter {
    fn read(&self, _: u64, data: &mut [u8]) {
        data.fill(self.0);
    }
    fn write(&self, _: u64, _: &[u8]) {}
}

const MCH: PciAddress = PciAddress::new(0, 0);
const LPC: PciAddress = PciAddress::new(31, 0);
const BIOS_LEN: u64 = 256 << 10;

struct Board {
    bed: Testbed,
    io: Arc<IoMap>,
    memory: Arc<MemoryMap>,
    bus: PciBus,
    router: PirqRouter,
}

impl Board {
    fn new() -> Self {
        let bed = Testbed::new();
        let io = Arc::new(IoMap::new());
        let memory = Arc::new(MemoryMap::new(bed.ram.clone()));
        let bus = PciBus::new(io.clone(), memory.clone());
        bus.map_ports(None).unwrap();
        let bios = bed.ram.allocate_aux(BIOS_LEN).unwrap();
        let image = bed.ram.host_slice(bios.host_offset, BIOS_LEN).unwrap();
        image.copy_from(&vec![0xea_u8; BIOS_LEN as usize]);
        let window = Window::new(0, 0x2_0000);
        let vga = LegacyVga { target: Arc::new(Letter(b'v')), window };
        let bridge = HostBridge::new(&bus, bios, Some(vga)).unwrap();
        bus.add(MCH, "host-bridge", Arc::new(Mutex::new(bridge))).unwrap();
        let lines = std::array::from_fn(|n| IrqLine::new(bed.irq_sink(), n as u32));
        let router = PirqRouter::new(&lines);
        let pm = PmWindow { target: Arc::new(Letter(b'p')), window: Window::new(0, 0x80) };
        let lpc = Lpc::new(io.clone(), memory.clone(), router.clone(), Some(pm));
        let lpc: Arc<Mutex<dyn PciDevice>> = Arc::new(Mutex::new(lpc));
        bus.add(LPC, "lpc", lpc).unwrap();
        Self { bed, io, memory, bus, router }
    }

    fn read(&self, address: PciAddress, offset: u16) -> u32 {
        let mut data = [0; 4];
        self.bus.read_config(address, offset, &mut data);
        u32::from_le_bytes(data)
    }

    fn write8(&self, address: PciAddress, offset: u16, value: u8) {
        self.bus.write_config(address, offset, &[value]);
    }

    fn write32(&self, address: PciAddress, offset: u16, value: u32) {
        self.bus.write_config(address, offset, &value.to_le_bytes());
    }

    fn load(&self, address: u64) -> u8 {
        let mut data = [0];
        self.memory.read(address, &mut data);
        data[0]
    }

    fn load32(&self, address: u64) -> u32 {
        let mut data = [0; 4];
        self.memory.read(address, &mut data);
        u32::from_le_bytes(data)
    }

    fn in8(&self, port: u16) -> u8 {
        let mut data = [0];
        self.io.read(port, &mut data);
        data[0]
    }
}

#[test]
fn the_identities_are_those_of_q35_and_ich9() {
    let board = Board::new();
    assert_eq!(board.read(MCH, 0), 0x29c0_8086);
    assert_eq!(board.read(MCH, 8), 0x0600_0000);
    assert_eq!(board.read(LPC, 0), 0x2918_8086);
    assert_eq!(board.read(LPC, 8), 0x0601_0002);
    assert_eq!(board.read(LPC, 0x2c), 0x1100_1af4);
    assert_eq!(board.bus.check(), Ok(()));
}

#[test]
fn the_reset_vector_is_rom_in_both_places() {
    let board = Board::new();
    for address in [0xffff_fff0, 0x1_0000_0000 - BIOS_LEN, 0xf_fff0, 0xe_0000] {
        assert_eq!(board.load(address), 0xea);
        board.memory.write(address, &[0]);
        assert_eq!(board.load(address), 0xea);
    }
    assert_eq!(board.load(0x1_0000_0000 - BIOS_LEN - 1), 0xff);
}

#[test]
fn firmware_shadows_itself_through_pam() {
    let board = Board::new();
    board.write32(MCH, 0x90, 0x3333_3330);
    board.write32(MCH, 0x94, 0x0033_3333);
    assert_eq!(board.read(MCH, 0x94), 0x0033_3333);
    assert_eq!((board.load(0xc_0000), board.load(0xf_fff0)), (0, 0));
    board.memory.write(0xf_fff0, &[1]);
    board.write8(MCH, 0x90, 0x10);
    board.memory.write(0xf_fff0, &[2]);
    assert_eq!(board.load(0xf_fff0), 1);
    board.bus.clone().reset();
    assert_eq!(board.load(0xf_fff0), 0xea);
}

#[test]
fn ecam_is_where_pciexbar_puts_it() {
    let board = Board::new();
    assert_eq!(board.read(MCH, 0x60), 0xb000_0000);
    assert_eq!(board.load32(0xb000_0000), 0xffff_ffff);
    board.write32(MCH, 0x60, 0xb000_0001);
    assert_eq!(board.load32(0xb000_0000), 0x29c0_8086);
    assert_eq!(board.load32(0xb000_0000 + (31 << 15)), 0x2918_8086);
    assert_eq!(board.load32(0xbfff_fffc), 0xffff_ffff);
    // It may move itself, from within.
    board.memory.write(0xb000_0060, &0xe400_0005u32.to_le_bytes());
    assert_eq!(board.load32(0xb000_0000), 0xffff_ffff);
    assert_eq!(board.load32(0xe400_0000), 0x29c0_8086);
    assert!(board.memory.device_name_at(0xe800_0000).is_none(), "64 MiB is 64 buses");
    // Length 3 is reserved, and RAM is never covered.
    for value in [0xe000_0007, 1] {
        board.write32(MCH, 0x60, value);
        assert!(board.memory.ranges().iter().all(|(_, _, name)| name != "ecam"));
    }
}

#[test]
fn d_open_shows_ram_in_place_of_the_vga_window() {
    let board = Board::new();
    assert_eq!(board.load(0xa_0000), b'v');
    board.write8(MCH, 0x9d, 0x48);
    assert_eq!(board.load(0xa_0000), 0);
    board.memory.write(0xb_ffff, &[7]);
    board.write8(MCH, 0x9d, 0x08);
    assert_eq!(board.load(0xb_ffff), b'v');
    board.write8(MCH, 0x9d, 0x48);
    assert_eq!(board.load(0xb_ffff), 7);
}

#[test]
fn d_lck_closes_smram_until_reset() {
    let board = Board::new();
    board.write8(MCH, 0x9d, 0x58);
    assert_eq!(board.load(0xa_0000), b'v');
    board.write8(MCH, 0x9d, 0x48);
    board.write8(MCH, 0x9e, 0x01);
    assert_eq!(board.read(MCH, 0x9c) >> 8 & 0xffff, 0x381a);
    assert_eq!(board.load(0xa_0000), b'v');
    board.bus.clone().reset();
    assert_eq!(board.read(MCH, 0x9c) >> 8 & 0xffff, 0x3802);
    board.write8(MCH, 0x9d, 0x48);
    assert_eq!(board.load(0xa_0000), 0);
}

#[test]
fn tseg_hides_the_top_of_ram() {
    let board = Board::new();
    let top = board.bed.ram.low_len();
    for (esmramc, mib) in [(0x01, 1), (0x03, 2), (0x05, 8)] {
        board.write8(MCH, 0x9e, esmramc);
        assert_eq!(board.load(top - 1), 0xff);
        assert_eq!(board.load(top - (mib << 20)), 0xff);
        assert_eq!(board.load(top - (mib << 20) - 1), 0);
    }
    board.write8(MCH, 0x9e, 0x07);
    assert_eq!(board.load(top - 1), 0, "16 MiB of TSEG do not fit 16 MiB of RAM");
}

#[test]
fn the_pm_ports_answer_at_pmbase_while_acpi_is_enabled() {
    let board = Board::new();
    assert_eq!(board.read(LPC, 0x40), 1);
    board.write32(LPC, 0x40, 0x600 | 1);
    assert_eq!(board.in8(0x600), 0xff);
    board.write8(LPC, 0x44, 0x80);
    assert_eq!((board.in8(0x600), board.in8(0x67f), board.in8(0x680)), (b'p', b'p', 0xff));
    board.write32(LPC, 0x40, 0xb000);
    assert_eq!((board.in8(0x600), board.in8(0xb000)), (0xff, b'p'));
    assert_eq!(board.read(LPC, 0x40), 0xb001);
    board.write32(LPC, 0x40, 0);
    assert_eq!(board.in8(0), 0xff);
}

#[test]
fn pirq_rout_steers_to_the_8259_and_acpi_cntl_the_sci() {
    let board = Board::new();
    assert_eq!(board.read(LPC, 0x60), 0x8080_8080);
    assert_eq!(board.read(LPC, 0x68), 0x8080_8080);
    let (pin, sci) = (board.router.intx(31, 0), board.router.sci());
    pin.assert();
    sci.assert();
    assert!(board.bed.level(16) && board.bed.level(9) && !board.bed.level(10));
    board.write8(LPC, 0x60, 10);
    assert!(board.bed.level(10));
    board.write8(LPC, 0x44, 0x85);
    assert!(board.bed.level(21) && !board.bed.level(9));
    board.write8(LPC, 0x44, 0x83);
    assert!(!board.bed.level(21));
    board.bus.clone().reset();
    assert!(!board.bed.level(10) && board.bed.level(9));
}

#[test]
fn rcba_shows_the_chipset_registers_and_d31ir_reroutes() {
    let board = Board::new();
    let base = 0xfed1_c000;
    board.write32(LPC, 0xf0, base as u32 | 1);
    assert_eq!(board.load32(base + 0x3140), 0x3210);
    assert_eq!(board.load32(base + 0x3410), 0x20);
    assert_eq!(board.load32(base + 0x3ffc), 0);
    board.memory.write(base + 0x3140, &[0xff, 0xff, 0xff, 0xff]);
    assert_eq!(board.load32(base + 0x3140), 0x7777);
    let pin = board.router.intx(31, 2);
    pin.assert();
    assert!(board.bed.level(23) && !board.bed.level(18));
    board.memory.write(base + 0x3410, &[0]);
    assert_eq!(board.load32(base + 0x3410), 0);
    board.write32(LPC, 0xf0, 0);
    assert_eq!(board.load32(base + 0x3140), 0xffff_ffff);
    board.write32(LPC, 0xf0, 1);
    assert!(board.memory.ranges().iter().all(|(_, _, name)| name != "rcba"));
}

#[test]
fn hostile_configuration_writes_are_harmless() {
    let board = Board::new();
    let mut random = 1u32;
    for round in 0..20_000u32 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let address = if random & 0x100 != 0 { MCH } else { LPC };
        let value = random.rotate_left(round % 32).to_le_bytes();
        let len = [1, 2, 4, 8][(random >> 10) as usize % 4];
        let bytes = [value, value].concat();
        board.bus.write_config(address, (random >> 16) as u16 & 0xfff, &bytes[..len]);
    }
    board.bus.clone().reset();
    assert_eq!(board.memory.ranges(), Board::new().memory.ranges());
    assert_eq!(board.io.ranges(), Board::new().io.ranges());
}

#[test]
fn a_snapshot_brings_the_address_map_back() {
    let (a, b) = (Board::new(), Board::new());
    a.write32(MCH, 0x60, 0xb000_0001);
    a.write32(MCH, 0x90, 0x1122_3330);
    a.write8(MCH, 0x9d, 0x58);
    a.write32(LPC, 0x40, 0x600);
    a.write8(LPC, 0x44, 0x80);
    a.write8(LPC, 0x61, 11);
    a.write32(LPC, 0xf0, 0xfed1_c001);
    a.memory.write(0xfed1_f140, &[0x21, 0x43]);
    assert_round_trip(&a.bus, &mut b.bus.clone());
    assert_eq!(a.memory.ranges(), b.memory.ranges());
    assert_eq!(a.io.ranges(), b.io.ranges());
    b.write8(MCH, 0x9d, 0x48);
    assert_eq!(b.load(0xa_0000), b'v', "the lock came along");
    let pin = b.router.intx(31, 0);
    pin.assert();
    assert!(b.bed.level(17) && b.bed.level(11));
}
