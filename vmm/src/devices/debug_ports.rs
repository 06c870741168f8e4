//! `type = "debug-console"`, `type = "debug-exit"` and `type = "test-device"`.

use std::sync::{Arc, Mutex};

use serde::Deserialize;

use super::DeviceSpec;
use crate::config::Port;
use crate::console::Console;
use crate::machine::{Board, Fault};

/// A port whose bytes are text for the developer.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebugConsole {
    /// The port; 0x402 if not given.
    pub port: Option<Port>,
}

/// QEMU's isa-debug-exit: a write ends the program with `(value << 1) | 1`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebugExit {
    /// The port; 0xf4 if not given.
    pub port: Option<Port>,
}

/// QEMU's pc-testdev: a latch, memory behind a device, and a port for every interrupt line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestDevice {}

/// Where SeaBIOS and OVMF write their messages.
const CONSOLE_PORT: u16 = 0x402;
const EXIT_PORT: u16 = 0xf4;
const TEST_PORTS: u16 = 0xe0;
const TEST_LINE_PORTS: u16 = 0x2000;
const TEST_MEMORY: u64 = 0xff00_0000;

impl DeviceSpec for DebugConsole {
    fn build(&self, name: &str, board: &mut Board<'_>) -> Result<(), Fault> {
        let port = self.port.map_or(CONSOLE_PORT, |port| port.0);
        let console = Console::new(board.wake.clone());
        let device = Arc::new(Mutex::new(aero_debug_ports::DebugConsole::new(console.backend())));
        board.map_ports(name, port, aero_debug_ports::DebugConsole::WINDOW, device.clone())?;
        board.add_device(name, device);
        board.ends.debug_consoles.push(console);
        Ok(())
    }
}

impl DeviceSpec for DebugExit {
    fn build(&self, name: &str, board: &mut Board<'_>) -> Result<(), Fault> {
        let port = self.port.map_or(EXIT_PORT, |port| port.0);
        let device = aero_debug_ports::DebugExit::new(board.power.clone());
        let device = Arc::new(Mutex::new(device));
        board.map_ports(name, port, aero_debug_ports::DebugExit::WINDOW, device.clone())?;
        board.add_device(name, device);
        Ok(())
    }
}

impl DeviceSpec for TestDevice {
    fn build(&self, name: &str, board: &mut Board<'_>) -> Result<(), Fault> {
        use aero_debug_ports::TestDevice as Device;
        let device = Device::new(std::array::from_fn(|line| board.gsi(line as u32)));
        let device = Arc::new(Mutex::new(device));
        board.map_ports(name, TEST_PORTS, Device::PORTS, device.clone())?;
        board.map_ports(name, TEST_LINE_PORTS, Device::LINE_PORTS, device.clone())?;
        board.map_memory(name, TEST_MEMORY, Device::MEMORY, device.clone())?;
        board.add_device(name, device);
        Ok(())
    }
}
