//! `type = "ps2"`.

use std::sync::{Arc, Mutex};

use aero_acpi::IsaDevice;
use serde::Deserialize;

use super::DeviceSpec;
use crate::machine::{Board, Fault};

/// The 8042 with a keyboard and a mouse.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ps2 {}

const DATA_PORT: u16 = 0x60;
const COMMAND_PORT: u16 = 0x64;

impl DeviceSpec for Ps2 {
    fn build(&self, name: &str, board: &mut Board<'_>) -> Result<(), Fault> {
        let (keyboard, mouse) = (board.isa_irq(name, 1), board.isa_irq(name, 12));
        let (a20, power) = (board.memory.clone(), board.power.clone());
        let device = aero_ps2::Ps2::new(keyboard, mouse, a20, power, &board.clock);
        let device = Arc::new(Mutex::new(device));
        board.map_ports(name, DATA_PORT, aero_ps2::Ps2::DATA_WINDOW, device.clone())?;
        board.map_ports(name, COMMAND_PORT, aero_ps2::Ps2::COMMAND_WINDOW, device.clone())?;
        board.add_device(name, device.clone());
        board.ends.isa.extend([IsaDevice::Keyboard, IsaDevice::Mouse]);
        board.ends.ps2 = Some(device);
        Ok(())
    }
}
