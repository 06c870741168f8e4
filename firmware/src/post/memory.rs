//! Where the firmware's tables go, and the map of memory that tells of it.

use crate::device::Firmware;
use crate::e820;
use crate::frame::linear;
use crate::rom;

const PAGE: u64 = 4096;
const MIB: u64 = 1 << 20;
/// Offsets in the ROM's table area: the roots, which systems search for on 16-byte boundaries.
const RSDP: u16 = 0x00;
const SMBIOS_ANCHOR: u16 = 0x40;

impl Firmware {
    /// Puts ACPI and SMBIOS tables at the top of RAM below 4 GiB, their roots into the shadowed ROM,
    /// and makes the memory map. `wakes`: the tables are there and are left as they are.
    pub(super) fn lay_out_memory(&mut self, wakes: bool) {
        let ram = self.machine.memory.ram();
        let (low, high) = (ram.low_len(), ram.high_len());
        let len = |build: &Option<crate::TableBuilder>| {
            build.as_ref().map_or(0, |build| build(0).1.len() as u64).next_multiple_of(PAGE)
        };
        let (acpi_len, smbios_len) = (len(&self.config.acpi), len(&self.config.smbios));
        let tables = low.saturating_sub(acpi_len + smbios_len);
        if tables <= MIB {
            log::warn!("there is no memory for the firmware's tables");
            self.state.post.tables = low;
            self.state.e820 = e820::memory_map(low, high, low, None);
            return;
        }
        self.state.post.tables = tables;
        if !wakes {
            let area = linear(rom::ROM_SEGMENT, rom::TABLE_AREA.start);
            for (build, root_at, base) in [
                (&self.config.acpi, RSDP, tables),
                (&self.config.smbios, SMBIOS_ANCHOR, tables + acpi_len),
            ] {
                if let Some(build) = build {
                    let (root, bytes) = build(base as u32);
                    self.machine.write(area + u64::from(root_at), &root);
                    self.machine.write(base, &bytes);
                }
            }
        }
        let ecam = self.config.pci.ecam.map(|(base, buses)| (base, base + u64::from(buses) * MIB));
        self.state.e820 = e820::memory_map(low, high, tables, ecam);
    }
}
