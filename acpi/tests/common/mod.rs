//! A machine to make tables of.

use aero_acpi::*;

/// A q35 with 3 GiB of RAM and two processors.
pub fn q35() -> PlatformDescription {
    let mut slots = [[4, 5, 6, 7]; 32];
    for (slot, pins) in slots.iter_mut().enumerate() {
        if slot < 25 {
            *pins = std::array::from_fn(|pin| 4 + ((slot + pin) % 4) as u8);
        }
    }
    slots[31] = [0, 1, 2, 3];
    PlatformDescription {
        oem: Oem::default(),
        cpus: vec![Cpu { id: 0, apic_id: 0 }, Cpu { id: 1, apic_id: 1 }],
        local_apic_base: 0xfee0_0000,
        io_apic: IoApic { id: 0, base: 0xfec0_0000 },
        hpet: Some(Hpet::new(0xfed0_0000)),
        ecam: Some(Ecam { base: 0xb000_0000, buses: 256 }),
        last_bus: 0xff,
        pci_windows: vec![MemoryWindow { first: 0xc000_0000, last: 0xfebf_ffff }],
        pci_window_64: Some(MemoryWindow { first: 0x80_0000_0000, last: 0xff_ffff_ffff }),
        links: Links {
            bridge: (0x1f, 0),
            registers: [0x60, 0x61, 0x62, 0x63, 0x68, 0x69, 0x6a, 0x6b],
            slots,
            isa_irqs: vec![5, 10, 11],
            first_gsi: 16,
        },
        pm: Pm::ich9(0x600),
        sleep: SleepStates::ich9(),
        reset: Some(ResetRegister { port: 0xcf9, value: 6 }),
        century: 0x32,
        isa: vec![
            IsaDevice::Pic,
            IsaDevice::Timer,
            IsaDevice::Speaker,
            IsaDevice::Rtc,
            IsaDevice::Dma,
            IsaDevice::Coprocessor,
            IsaDevice::Keyboard,
            IsaDevice::Mouse,
            IsaDevice::Serial { base: 0x3f8, irq: 4 },
            IsaDevice::Serial { base: 0x2f8, irq: 3 },
            IsaDevice::FwCfg { base: 0x510 },
            IsaDevice::Reserved { base: 0xa00, len: 32 },
        ],
        fragments: vec![Fragment {
            scope: "\\_SB_.PCI0".into(),
            aml: [&[0x5b, 0x82, 0x0f][..], b"VGA_\x08_ADR\x0c\0\0\x01\0"].concat(),
        }],
    }
}
