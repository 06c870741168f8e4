//! isa-debug-exit: ends the program with an exit status that tests choose.

use aero_bus::{BusDevice, Device, PowerControl, PowerRequest, Snapshot, SnapshotError, Window};
use serde::{Deserialize, Serialize};

const KIND: &str = "debug-exit";

/// A write of `value` ends the program with status `(value << 1) | 1`, never 0.
pub struct DebugExit {
    power: PowerControl,
}

/// There is nothing to remember.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {}

impl DebugExit {
    /// Four ports.
    pub const WINDOW: Window = Window::new(0, 4);

    /// An exit port that asks `power`.
    pub fn new(power: PowerControl) -> Self {
        Self { power }
    }
}

impl Device for DebugExit {
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

impl BusDevice for DebugExit {
    fn read(&mut self, _offset: u64, data: &mut [u8]) {
        data.fill(0);
    }

    fn write(&mut self, _offset: u64, data: &[u8]) {
        // A process's status has eight bits; the value's top bit falls off, as with QEMU.
        self.power.request(PowerRequest::Exit(data[0] << 1 | 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aero_testbed::{Access, Testbed, assert_round_trip};

    #[test]
    fn a_value_becomes_an_odd_exit_status() {
        let bed = Testbed::new();
        let mut exit = DebugExit::new(bed.power.clone());
        exit.write32(0, 0x10);
        assert_eq!(bed.power.take(), Some(PowerRequest::Exit(0x21)));
        exit.write8(0, 0xff);
        assert_eq!(bed.power.take(), Some(PowerRequest::Exit(0xff)));
        assert_eq!(exit.read32(0), 0);
        assert_round_trip(&exit, &mut DebugExit::new(bed.power.clone()));
    }
}
