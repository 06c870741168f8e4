//! `type = "serial"`.

use std::sync::{Arc, Mutex};

use aero_acpi::IsaDevice;
use serde::Deserialize;

use super::DeviceSpec;
use crate::config::{Bounded, Port};
use crate::console::Console;
use crate::machine::{Board, Fault};

/// A serial port. The first one listed is the one that `--serial`, `--until` and the page speak to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serial {
    /// First of its 8 ports. If not given: 0x3f8, 0x2f8, 0x3e8 and 0x2e8, as COM1 to COM4.
    pub port: Option<Port>,
    /// ISA interrupt; if not given, 4 for COM1 and COM3, and 3 for COM2 and COM4.
    pub irq: Option<Bounded<3, 15>>,
}

/// Ports and interrupts of COM1 to COM4.
const COM: [(u16, u8); 4] = [(0x3f8, 4), (0x2f8, 3), (0x3e8, 4), (0x2e8, 3)];

impl DeviceSpec for Serial {
    fn build(&self, name: &str, board: &mut Board<'_>) -> Result<(), Fault> {
        let taken = &board.ends.serial_ports;
        let free = || COM.iter().map(|(port, _)| *port).find(|port| !taken.contains(port));
        let port = match self.port {
            Some(Port(port)) => port,
            None => free().ok_or("COM1 to COM4 are taken: give the port".to_owned())?,
        };
        let usual = COM.iter().find(|(com, _)| *com == port).map(|(_, irq)| *irq);
        let irq = match (self.irq, usual) {
            (Some(irq), _) => irq.0 as u8,
            (None, Some(irq)) => irq,
            (None, None) => {
                return Err(format!("a serial port at {port:#x} needs `irq`").into());
            }
        };
        let console = Console::new(board.wake.clone());
        let pin = board.isa_irq(name, irq);
        let device = aero_serial::Serial::new(pin, console.backend(), &board.clock);
        let device = Arc::new(Mutex::new(device));
        board.map_ports(name, port, aero_serial::WINDOW, device.clone())?;
        board.add_device(name, device);
        board.ends.isa.push(IsaDevice::Serial { base: port, irq });
        board.ends.serial_ports.push(port);
        board.ends.serials.push(console);
        Ok(())
    }
}
