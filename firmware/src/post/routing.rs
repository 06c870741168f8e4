//! The PCI interrupt routing table, "$PIR", for systems without ACPI (Microsoft PCI IRQ Routing Table
//! Specification 1.0).

use crate::device::Firmware;
use crate::frame::linear;
use crate::rom;

/// Where it lies in the ROM's table area, on a 16-byte boundary.
const TABLE: u16 = 0x80;
/// The interrupt router: the LPC bridge, 1Fh.0, and its registers of the PIRQ lines.
const ROUTER: u8 = 0x1f << 3;
const ROUTER_ID: u32 = 0x2918_8086;
const REGISTERS: [u8; 8] = [0x60, 0x61, 0x62, 0x63, 0x68, 0x69, 0x6a, 0x6b];
/// Interrupts that lines may be routed to: 5, 10, 11.
const POSSIBLE: u16 = 1 << 5 | 1 << 10 | 1 << 11;
const HEADER_LEN: usize = 32;
const CHECKSUM: usize = 31;

impl Firmware {
    /// Writes the table: an entry for each device on bus 0, with each pin's link and its interrupts.
    pub(super) fn write_routing_table(&self) {
        let mut devices: Vec<u8> = self.pci_functions().iter().map(|a| a.device).collect();
        devices.dedup();
        let mut table = b"$PIR".to_vec();
        table.extend(0x0100u16.to_le_bytes());
        table.extend(((HEADER_LEN + 16 * devices.len()) as u16).to_le_bytes());
        table.extend([0, ROUTER]);
        table.extend([0, 0]); // no interrupts for PCI alone
        table.extend(ROUTER_ID.to_le_bytes());
        table.resize(HEADER_LEN, 0);
        for device in devices {
            table.extend([0, device << 3]);
            for line in self.config.pci.pirq[usize::from(device & 31)] {
                table.push(REGISTERS[usize::from(line & 7)]);
                table.extend(POSSIBLE.to_le_bytes());
            }
            table.extend([0, 0]); // on the board, reserved
        }
        let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        table[CHECKSUM] = 0u8.wrapping_sub(sum);
        self.machine.write(linear(rom::ROM_SEGMENT, TABLE), &table);
    }
}
