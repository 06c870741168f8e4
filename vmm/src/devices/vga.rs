//! `type = "vga"`.

use std::sync::{Arc, Mutex};

use aero_bus::pci::PciAddress;
use aero_pci::LegacyVga;
use aero_vga::VgaConfig;
use serde::Deserialize;

use super::DeviceSpec;
use crate::config::{Address, Size};
use crate::machine::{Board, Display, Fault};

/// A VGA adapter.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vga {
    /// Where on PCI bus 0; `"01.0"` if not given, as QEMU has it.
    pub address: Option<Address>,
    /// Video memory, a power of two from 1 MiB to 256 MiB; 16 MiB if not given.
    pub memory: Option<Size>,
}

const DEFAULT_ADDRESS: PciAddress = PciAddress::new(1, 0);
const DEFAULT_MEMORY: u64 = 16 << 20;
const PORTS: u16 = 0x3b0;
const VBE_PORTS: u16 = 0x1ce;

impl DeviceSpec for Vga {
    fn aux_memory(&self) -> u64 {
        self.memory.map_or(DEFAULT_MEMORY, |size| size.0)
    }

    fn build(&self, name: &str, board: &mut Board<'_>) -> Result<(), Fault> {
        if board.ends.display.is_some() {
            return Err("there is a vga already, and only one can have its ports"
                .to_owned()
                .into());
        }
        let address = self.address.map_or(DEFAULT_ADDRESS, |address| address.0);
        let config = VgaConfig { vram_len: self.aux_memory(), ..VgaConfig::default() };
        let wiring = board.pci_wiring_without_pin();
        let device = aero_vga::Vga::new(config, &board.ram, wiring, &board.clock)
            .map_err(|_| "video memory must be a power of two from 1 MiB to 256 MiB".to_owned())?;
        let device = Arc::new(Mutex::new(device));
        board.map_ports(name, PORTS, aero_vga::Vga::PORTS_WINDOW, device.clone())?;
        board.map_ports(name, VBE_PORTS, aero_vga::Vga::VBE_WINDOW, device.clone())?;
        board.add_pci(name, address, device.clone())?;
        let legacy = LegacyVga { target: device.clone(), window: aero_vga::Vga::MEMORY_WINDOW };
        board.ends.display = Some(Display { scanout: device, legacy: Some(legacy) });
        Ok(())
    }
}
