//! The DSDT: host bridge, interrupt links, processors, sleep states.

use acpi_tables::Aml;
use acpi_tables::aml::{
    self, AddressSpace, AddressSpaceCacheable, And, Arg, CreateDWordField, Equal, FieldAccessType,
    FieldEntry, FieldLockRule, FieldUpdateRule, If, Local, NotEqual, ONE, OpRegionSpace, Or,
    PackageBuilder, Return, Store, Uuid, ZERO,
};

use crate::aml::{
    NO_TARGET, Processor, Raw, SharedInterrupts, at, device, hid, method, name, resources, scope,
    seq,
};
use crate::description::{Links, PlatformDescription, SleepStates};
use crate::isa;

const LINE_NAMES: [char; 8] = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];
/// The bit of a PIRQ register that switches the routing off.
const PIRQ_OFF: u8 = 0x80;
const PIRQ_IRQ: u8 = 0x0f;
/// What a link device is when it is there, with its routing on and off.
const STA_ON: u8 = 0x0b;
const STA_OFF: u8 = 0x09;

/// The body of the DSDT.
pub(crate) fn build(platform: &PlatformDescription) -> Vec<u8> {
    let mut dsdt = Raw::default();
    dsdt.push(&name("PICF", &ZERO));
    // _PIC tells which interrupt controllers the system uses: 0 the 8259s, 1 the I/O APIC (5.8.1).
    dsdt.push(&method("_PIC", 1, &[&Store::new(&at("PICF"), &Arg(0))]));
    dsdt.push(&scope("\\_SB_", &[&host_bridge(platform), &links(&platform.links)]));
    dsdt.push(&scope("\\_SB_", &[&processors(platform)]));
    if let Some(hpet) = platform.hpet {
        let crs = resources(&[&aml::Memory32Fixed::new(true, hpet.base, 0x400)]);
        let children: &[&dyn Aml] =
            &[&hid("PNP0103"), &name("_UID", &ZERO), &name("_STA", &0x0fu8), &name("_CRS", &crs)];
        dsdt.push(&scope("\\_SB_", &[&device("HPET", children)]));
    }
    if let Some(ecam) = platform.ecam {
        // Configuration space in memory must be somebody's (PCI Firmware Specification 3.0, 4.1.2). It
        // is not in the host bridge's windows, so it cannot be a device's below it.
        let crs = resources(&[&aml::Memory32Fixed::new(true, ecam.base as u32, ecam.len() as u32)]);
        let children: &[&dyn Aml] = &[&hid("PNP0C01"), &name("_CRS", &crs)];
        dsdt.push(&scope("\\_SB_", &[&device("ECAM", children)]));
    }
    dsdt.push(&sleep_states(platform.sleep));
    for fragment in &platform.fragments {
        dsdt.push(&scope(&fragment.scope, &[&Raw(fragment.aml.clone())]));
    }
    dsdt.0
}

fn processors(platform: &PlatformDescription) -> Raw {
    let mut all = Raw::default();
    for cpu in &platform.cpus {
        // Windows 7 looks for Processor objects; ACPI0007 devices came later.
        all.push(&Processor { path: &format!("CP{:02X}", cpu.id), id: cpu.id });
    }
    all
}

fn sleep_states(sleep: SleepStates) -> Raw {
    let mut all = Raw::default();
    for (path, value) in [("\\_S3_", sleep.s3), ("\\_S4_", sleep.s4), ("\\_S5_", Some(sleep.s5))] {
        if let Some(value) = value {
            // SLP_TYPa, SLP_TYPb, two reserved.
            all.push(&name(path, &aml::Package::new(vec![&value, &value, &ZERO, &ZERO])));
        }
    }
    all
}

fn host_bridge(platform: &PlatformDescription) -> Raw {
    device(
        "PCI0",
        &[
            &hid("PNP0A08"),
            &name("_CID", &aml::EISAName::new("PNP0A03")),
            &name("_BBN", &ZERO),
            &name("_UID", &ZERO),
            &name("_CRS", &bridge_resources(platform)),
            &interrupt_routing(&platform.links),
            &osc(),
            &lpc_bridge(platform),
        ],
    )
}

/// What the bridge passes on: buses, ports but its own, and memory.
fn bridge_resources(platform: &PlatformDescription) -> Raw {
    let mut all = Raw::default();
    all.push(&AddressSpace::new_bus_number(0u16, platform.last_bus.into()));
    all.push(&crate::aml::io(0xcf8, 8));
    all.push(&AddressSpace::new_io(0u16, 0xcf7, None));
    all.push(&AddressSpace::new_io(0xd00u16, 0xffff, None));
    let cacheable = AddressSpaceCacheable::Cacheable;
    all.push(&AddressSpace::new_memory(cacheable, true, 0xa_0000u32, 0xb_ffff, None));
    for window in &platform.pci_windows {
        let (first, last) = (window.first as u32, window.last as u32);
        let kind = AddressSpaceCacheable::NotCacheable;
        all.push(&AddressSpace::new_memory(kind, true, first, last, None));
    }
    if let Some(window) = platform.pci_window_64 {
        all.push(&AddressSpace::new_memory(cacheable, true, window.first, window.last, None));
    }
    resources(&[&all])
}

/// _PRT, twice: to the links that route to the 8259s, and to those that stand for I/O APIC inputs.
fn interrupt_routing(links: &Links) -> Raw {
    let table = |prefix: &str| {
        let mut all = PackageBuilder::new();
        for (slot, pins) in links.slots.iter().enumerate() {
            for (pin, line) in pins.iter().enumerate() {
                let address = (slot as u32) << 16 | 0xffff;
                let link = at(&link_path(prefix, usize::from(*line & 7)));
                let entry = aml::Package::new(vec![&address, &pin, &link, &ZERO]);
                all.add_element(&entry);
            }
        }
        all
    };
    seq(&[
        &name("PRTP", &table("LNK")),
        &name("PRTA", &table("GSI")),
        &method(
            "_PRT",
            0,
            &[
                &If::new(&Equal::new(&at("PICF"), &ZERO), vec![&Return::new(&at("PRTP"))]),
                &Return::new(&at("PRTA")),
            ],
        ),
    ])
}

fn link_path(prefix: &str, line: usize) -> String {
    format!("\\_SB_.{prefix}{}", LINE_NAMES[line])
}

/// _OSC (PCI Firmware Specification 3.0, 4.5): the system may have control of all PCI Express
/// features it asks for; there is no firmware behind its back.
fn osc() -> Raw {
    let granted = 0x1fu8;
    method(
        "_OSC",
        4,
        &[
            &CreateDWordField::new(&at("CDW1"), &Arg(3), &ZERO),
            &If::new(
                &Equal::new(&Arg(0), &Uuid::new("33DB4D5B-1FF7-401C-9657-7441C03DD766")),
                vec![
                    &CreateDWordField::new(&at("CDW3"), &Arg(3), &8u8),
                    &And::new(&Local(0), &at("CDW3"), &granted),
                    // Unknown revision.
                    &If::new(
                        &NotEqual::new(&Arg(1), &ONE),
                        vec![&Or::new(&at("CDW1"), &at("CDW1"), &0x08u8)],
                    ),
                    // Not everything asked for is granted.
                    &If::new(
                        &NotEqual::new(&at("CDW3"), &Local(0)),
                        vec![&Or::new(&at("CDW1"), &at("CDW1"), &0x10u8)],
                    ),
                    &Store::new(&at("CDW3"), &Local(0)),
                    &Return::new(&Arg(3)),
                ],
            ),
            // Unknown UUID.
            &Or::new(&at("CDW1"), &at("CDW1"), &0x04u8),
            &Return::new(&Arg(3)),
        ],
    )
}

fn register_name(line: usize) -> [u8; 4] {
    [b'P', b'R', b'Q', LINE_NAMES[line] as u8]
}

fn lpc_bridge(platform: &PlatformDescription) -> Raw {
    let links = &platform.links;
    let (slot, function) = links.bridge;
    let address = u32::from(slot) << 16 | u32::from(function);
    let first = links.registers.iter().copied().min().unwrap_or(0);
    let last = links.registers.iter().copied().max().unwrap_or(0);
    // Fields must be named in rising order of their registers.
    let mut order: Vec<usize> = (0..8).collect();
    order.sort_by_key(|line| links.registers[*line]);
    let mut fields = Vec::new();
    let mut offset = first;
    for line in order {
        let register = links.registers[line];
        if register > offset {
            fields.push(FieldEntry::Reserved(usize::from(register - offset) * 8));
        }
        fields.push(FieldEntry::Named(register_name(line), 8));
        offset = register.saturating_add(1);
    }
    let field = aml::Field::new(
        "PIRR".into(),
        FieldAccessType::Byte,
        FieldLockRule::NoLock,
        FieldUpdateRule::Preserve,
        fields,
    );
    let length = last - first + 1;
    device(
        "ISA_",
        &[
            &name("_ADR", &address),
            &aml::OpRegion::new("PIRR".into(), OpRegionSpace::PCIConfig, &first, &length),
            &field,
            &isa::devices(platform),
        ],
    )
}

/// LNKA to LNKH route to the 8259s; GSIA to GSIH are fixed to I/O APIC inputs. The latter are devices,
/// not bare numbers in _PRT, because a bare number would mean active low.
fn links(links: &Links) -> Raw {
    let mut all = Raw::default();
    let possible: Vec<u32> = links.isa_irqs.iter().map(|irq| u32::from(*irq)).collect();
    for (line, letter) in LINE_NAMES.iter().enumerate() {
        let register = String::from_utf8_lossy(&register_name(line)).into_owned();
        let register = format!("\\_SB_.PCI0.ISA_.{register}");
        let number = SharedInterrupts::FIRST_NUMBER;
        let uid = line as u8;
        all.push(&device(
            &format!("LNK{letter}"),
            &[
                &hid("PNP0C0F"),
                &name("_UID", &uid),
                &name("_PRS", &resources(&[&SharedInterrupts(&possible)])),
                &name("PRR0", &resources(&[&SharedInterrupts(&[0])])),
                &method(
                    "_STA",
                    0,
                    &[
                        &And::new(&Local(0), &at(&register), &PIRQ_OFF),
                        &If::new(&NotEqual::new(&Local(0), &ZERO), vec![&Return::new(&STA_OFF)]),
                        &Return::new(&STA_ON),
                    ],
                ),
                &method("_DIS", 0, &[&Or::new(&at(&register), &at(&register), &PIRQ_OFF)]),
                &method(
                    "_CRS",
                    0,
                    &[
                        &CreateDWordField::new(&at("PRRI"), &at("PRR0"), &number),
                        &And::new(&Local(0), &at(&register), &PIRQ_OFF),
                        &Store::new(&at("PRRI"), &ZERO),
                        &If::new(
                            &Equal::new(&Local(0), &ZERO),
                            vec![&And::new(&at("PRRI"), &at(&register), &PIRQ_IRQ)],
                        ),
                        &Return::new(&at("PRR0")),
                    ],
                ),
                &method(
                    "_SRS",
                    1,
                    &[
                        &CreateDWordField::new(&at("PRRI"), &Arg(0), &number),
                        &Store::new(&at(&register), &And::new(&NO_TARGET, &at("PRRI"), &PIRQ_IRQ)),
                    ],
                ),
            ],
        ));
        let gsi = [links.first_gsi + line as u32];
        let fixed = resources(&[&SharedInterrupts(&gsi)]);
        all.push(&device(
            &format!("GSI{letter}"),
            &[
                &hid("PNP0C0F"),
                &name("_UID", &(0x10 + uid)),
                &name("_PRS", &fixed),
                &name("_CRS", &fixed),
                // There is nothing to set; the method must be there for the device to be a link.
                &method("_SRS", 1, &[]),
            ],
        ));
    }
    all
}
