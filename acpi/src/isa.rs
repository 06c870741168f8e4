//! The devices on the LPC bridge, as AML.

use acpi_tables::Aml;

use crate::aml::{DmaChannel, IrqNoFlags, Raw, device, hid, io, name, resources, seq};
use crate::description::{IsaDevice, PlatformDescription};

/// Present, enabled, shown, working (section 6.3.7).
const STA_PRESENT: u8 = 0x0f;
/// Present, but not shown to the user.
const STA_HIDDEN: u8 = 0x0b;

/// Everything on the bridge that the description lists.
pub(crate) fn devices(platform: &PlatformDescription) -> Raw {
    let mut all = Raw::default();
    let mut serials = 0u8;
    let mut reserved = Raw::default();
    for isa in &platform.isa {
        match *isa {
            IsaDevice::Pic => all.push(&simple(
                "PIC_",
                "PNP0000",
                &[&io(0x20, 2), &io(0xa0, 2), &io(0x4d0, 2), &IrqNoFlags(2)],
            )),
            IsaDevice::Timer => {
                all.push(&simple("TIMR", "PNP0100", &[&io(0x40, 4), &IrqNoFlags(0)]));
            }
            IsaDevice::Speaker => all.push(&simple("SPKR", "PNP0800", &[&io(0x61, 1)])),
            IsaDevice::Rtc => all.push(&simple("RTC_", "PNP0B00", &[&io(0x70, 2), &IrqNoFlags(8)])),
            IsaDevice::Dma => all.push(&simple(
                "DMAC",
                "PNP0200",
                &[&io(0x00, 16), &io(0x81, 15), &io(0xc0, 32), &DmaChannel(4)],
            )),
            IsaDevice::Coprocessor => {
                all.push(&simple("COPR", "PNP0C04", &[&io(0xf0, 1), &IrqNoFlags(13)]));
            }
            IsaDevice::Keyboard => {
                all.push(&simple("KBD_", "PNP0303", &[&io(0x60, 1), &io(0x64, 1), &IrqNoFlags(1)]))
            }
            IsaDevice::Mouse => all.push(&simple("MOU_", "PNP0F13", &[&IrqNoFlags(12)])),
            IsaDevice::Serial { base, irq } => {
                serials += 1;
                all.push(&device(
                    &format!("COM{serials}"),
                    &[
                        &hid("PNP0501"),
                        &name("_UID", &serials),
                        &name("_STA", &STA_PRESENT),
                        &name("_CRS", &resources(&[&io(base, 8), &IrqNoFlags(irq)])),
                    ],
                ));
            }
            IsaDevice::FwCfg { base } => all.push(&device(
                "FWCF",
                &[
                    &name("_HID", &"QEMU0002"),
                    &name("_STA", &STA_HIDDEN),
                    &name("_CRS", &resources(&[&io(base, 12)])),
                ],
            )),
            IsaDevice::Reserved { base, len } => reserved.push(&io(base, len)),
        }
    }
    all.push(&motherboard(platform, &reserved));
    all
}

fn simple(path: &str, id: &str, descriptors: &[&dyn Aml]) -> Raw {
    device(path, &[&hid(id), &name("_STA", &STA_PRESENT), &name("_CRS", &resources(descriptors))])
}

/// PNP0C02: ports that are taken, so that no PCI BAR is put there.
fn motherboard(platform: &PlatformDescription, reserved: &Raw) -> Raw {
    let (pm_base, pm_len) = platform.pm.range;
    let mut descriptors = seq(&[&io(pm_base, pm_len), &io(0x92, 1)]);
    if let Some(smi) = platform.pm.smi {
        descriptors.push(&io(smi.port, 2));
    }
    descriptors.push(reserved);
    device("MBRD", &[&hid("PNP0C02"), &name("_CRS", &resources(&[&descriptors]))])
}
