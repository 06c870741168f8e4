//! Debug console: Bochs' port 0xE9, and the port 0x402 that SeaBIOS and OVMF write their logs to.

use aero_bus::chardev::CharBackend;
use aero_bus::{BusDevice, Device, Snapshot, SnapshotError, Window};
use serde::{Deserialize, Serialize};

const KIND: &str = "debug-console";
/// What the port reads as, at whatever address: firmware looks for it before it writes.
const PRESENT: u8 = 0xe9;

/// A port whose writes go to a byte stream.
pub struct DebugConsole {
    backend: Box<dyn CharBackend>,
}

/// There is nothing to remember.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {}

impl DebugConsole {
    /// The port.
    pub const WINDOW: Window = Window::new(0, 1);

    /// A console that writes to `backend`.
    pub fn new(backend: Box<dyn CharBackend>) -> Self {
        Self { backend }
    }
}

impl Device for DebugConsole {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {}

    fn save(&self) -> Snapshot {
        Snapshot::new(KIND, 1, &State {})
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        snapshot.open::<State>(KIND, 1).map(drop)
    }
}

impl BusDevice for DebugConsole {
    fn read(&mut self, _offset: u64, data: &mut [u8]) {
        data.fill(0xff);
        data[0] = PRESENT;
    }

    fn write(&mut self, _offset: u64, data: &[u8]) {
        self.backend.transmit(&data[..1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aero_testbed::{Access, MemoryChar, assert_round_trip};

    #[test]
    fn bytes_go_out_and_the_port_reads_as_e9() {
        let out = MemoryChar::default();
        let mut console = DebugConsole::new(Box::new(out.clone()));
        for byte in *b"hello" {
            console.write8(0, byte);
        }
        assert_eq!(console.read8(0), 0xe9);
        assert_eq!(out.take_sent(), b"hello");
        assert_round_trip(&console, &mut DebugConsole::new(Box::new(out)));
    }
}
