//! `type = "fw-cfg"`.

use std::sync::{Arc, Mutex};

use aero_acpi::IsaDevice;
use serde::Deserialize;

use super::DeviceSpec;
use crate::machine::{Board, Fault};

/// The interface through which SeaBIOS and OVMF learn about the machine.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FwCfg {}

const PORTS: u16 = 0x510;
const DMA_PORTS: u16 = 0x514;

impl DeviceSpec for FwCfg {
    fn build(&self, name: &str, board: &mut Board<'_>) -> Result<(), Fault> {
        let device = Arc::new(Mutex::new(aero_fw_cfg::FwCfg::new(board.ram.clone())));
        board.map_ports(name, PORTS, aero_fw_cfg::FwCfg::WINDOW, device.clone())?;
        board.map_ports(name, DMA_PORTS, aero_fw_cfg::FwCfg::DMA_WINDOW, device.clone())?;
        board.add_device(name, device.clone());
        board.ends.isa.push(IsaDevice::FwCfg { base: PORTS });
        // What is in it is said when the machine is complete.
        board.ends.fw_cfg = Some(device);
        Ok(())
    }
}
