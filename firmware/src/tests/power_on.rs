//! What power-on does to the machine.

use super::*;
use crate::rom::service;
use aero_bus::pci::reg;

const HOST: PciAddress = PciAddress::new(0, 0);
const LPC: PciAddress = PciAddress::new(0x1f, 0);

fn q35() -> Bench {
    let bench = Bench::new();
    bench.add_pci(HOST, 0x29c0_8086, 0x06_00_00, 0, &[]);
    bench.add_pci(LPC, 0x2918_8086, 0x06_01_00, 0, &[]);
    let vga = [
        (0, Bar { kind: BarKind::Memory32 { prefetchable: true }, len: 16 << 20, direct: None }),
        (2, memory_bar(4096)),
    ];
    bench.add_pci(PciAddress::new(1, 0), 0x1111_1234, 0x03_00_00, 0, &vga);
    let nic = [
        (0, memory_bar(0x2_0000)),
        (1, Bar { kind: BarKind::Io, len: 64, direct: None }),
        (2, Bar { kind: BarKind::Memory64 { prefetchable: true }, len: 1 << 32, direct: None }),
    ];
    bench.add_pci(PciAddress::new(2, 0), 0x100e_8086, 0x02_00_00, 2, &nic);
    bench
}

fn config(bench: &Bench, address: PciAddress, offset: u16) -> u32 {
    bench.pci.functions.lock().unwrap()[&address.devfn()].u32(offset)
}

#[test]
fn every_bar_gets_an_aligned_address_and_functions_are_switched_on() {
    let mut bench = q35();
    let f = bench.call(service::POST, |_| {});
    assert_eq!(f.ax(), 1, "there is a video BIOS");
    let (vga, nic) = (PciAddress::new(1, 0), PciAddress::new(2, 0));
    assert_eq!(config(&bench, vga, 0x10) & !0xf, 0xc000_0000);
    assert_eq!(config(&bench, nic, 0x10), 0xc100_0000);
    assert_eq!(config(&bench, vga, 0x18), 0xc102_0000);
    assert_eq!(config(&bench, nic, 0x14), 0xc001);
    assert_eq!((config(&bench, nic, 0x18) & !0xf, config(&bench, nic, 0x1c)), (0, 0x80));
    assert_eq!(config(&bench, nic, reg::COMMAND) & 3, 3);
    // Pin B is PIRQB here, which is routed to 10.
    assert_eq!(config(&bench, nic, reg::INTERRUPT_LINE) & 0xff, 10);
}

#[test]
fn the_chipset_is_set_up() {
    let mut bench = q35();
    bench.call(service::POST, |_| {});
    assert_eq!(config(&bench, HOST, 0x60), 0xb000_0001);
    assert_eq!(config(&bench, HOST, 0x90), 0x0330);
    assert_eq!(config(&bench, LPC, 0x40), 0x601);
    assert_eq!(config(&bench, LPC, 0x44) & 0xff, 0x80);
    assert_eq!(config(&bench, LPC, 0x60), 0x0b0b_0a0a);
    assert_eq!((bench.latches.get(0x21), bench.latches.get(0xa1)), (0xf8, 0xee));
    assert_eq!((bench.latches.get(0x4d0), bench.latches.get(0x4d1)), (0, 0x0e));
    assert_eq!(bench.machine.read16(0xc_0000), 0xaa55);
}

#[test]
fn the_bios_data_area_and_the_vectors_are_filled() {
    let mut bench = q35();
    bench.power_on();
    assert_eq!(bench.machine.read16(0x413), 639);
    assert_eq!(bench.machine.read16(0x40e), 0x9fc0);
    assert_eq!(bench.machine.read16(0x400), 0x3f8);
    assert_eq!(bench.machine.read16(0x410), 0x0226);
    assert_eq!(bench.machine.read8(0x449), 3);
    for (vector, offset) in [(0x08u64, 0xfea5), (0x13, 0xe3fe), (0x15, 0xf859), (0x1a, 0xfe6e)] {
        assert_eq!(bench.machine.read16(vector * 4), offset);
        assert_eq!(bench.machine.read16(vector * 4 + 2), 0xf000);
    }
    let f = bench.call(0x11, |_| {});
    assert_eq!(f.ax(), 0x0226);
}

#[test]
fn tables_lie_at_the_top_of_ram_and_their_roots_in_the_f_segment() {
    let mut bench = q35();
    bench.power_on();
    assert_eq!(&bench.machine.read::<8>(0xf_0000), b"RSD PTR ");
    assert_eq!(&bench.machine.read::<4>(0xf_0040), b"_SM_");
    assert_eq!(bench.machine.read32(0xff_e000), 0xff_e000);
    assert_eq!(bench.machine.read32(0xff_f000), 0xff_f000);
}

#[test]
fn the_routing_table_has_an_entry_for_each_device() {
    let mut bench = q35();
    bench.power_on();
    let table: [u8; 96] = bench.machine.read(0xf_0080);
    assert_eq!(&table[..4], b"$PIR");
    assert_eq!(u16::from_le_bytes([table[6], table[7]]), 96);
    assert_eq!(table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
    // Device 2, INTB#: PIRQB, interrupts 5, 10 and 11.
    assert_eq!(table[64..66], [0, 2 << 3]);
    assert_eq!(table[69..72], [0x61, 0x20, 0x0c]);
}

#[test]
fn the_screen_tells_what_was_found() {
    let mut bench = q35();
    bench.power_on();
    bench.call(service::POST_SCREEN, |_| {});
    let screen = bench.screen();
    assert!(screen[0].starts_with("Aero BIOS"), "{screen:#?}");
    assert!(screen.iter().any(|l| l == "Memory     16 MiB"), "{screen:#?}");
    assert!(screen.iter().any(|l| l.contains("8086:100e") && l.contains("IRQ 10")), "{screen:#?}");
    let said = String::from_utf8(bench.console.take_sent()).unwrap();
    assert!(said.starts_with("Aero BIOS"));
}

#[test]
fn a_shutdown_code_resumes_where_the_bda_says() {
    let mut bench = q35();
    bench.machine.write16(0x467, 0x1234);
    bench.machine.write16(0x469, 0x5678);
    bench.cmos.values.set(0x0f, 0x0a);
    let f = bench.call(service::POST, |_| {});
    assert_eq!((f.cs, f.ip), (0x5678, 0x1234));
    assert_eq!(bench.cmos.values.get(0x0f), 0);
}

#[test]
fn waking_goes_to_the_vector_in_the_facs_and_leaves_memory_alone() {
    let mut bench = q35();
    bench.power_on();
    // RSDT at 200000h with one table, the FADT, whose FACS is at 200200h.
    bench.machine.write32(0xf_0010, 0x20_0000);
    bench.machine.write32(0x20_0004, 40);
    bench.machine.write32(0x20_0024, 0x20_0100);
    bench.machine.write(0x20_0100, b"FACP");
    bench.machine.write32(0x20_0124, 0x20_0200);
    bench.machine.write32(0x20_020c, 0x9_a123);
    bench.machine.write(0x500, b"kept");
    bench.cmos.values.set(0x0f, 0xfe);
    let f = bench.call(service::POST, |_| {});
    assert_eq!((f.cs, f.ip), (0x9a12, 3));
    assert_eq!(&bench.machine.read::<4>(0x500), b"kept");
    assert_eq!(bench.machine.read32(0xf_0010), 0x20_0000);
}
