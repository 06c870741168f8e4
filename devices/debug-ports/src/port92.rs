//! Port 92h, the PS/2's system control port A: fast A20 and fast reset.

use std::sync::Arc;

use aero_bus::{
    A20Gate, BusDevice, Device, PowerControl, PowerRequest, Snapshot, SnapshotError, Window,
};
use serde::{Deserialize, Serialize};

const KIND: &str = "port92";

bitflags::bitflags! {
    /// The bits an ICH9 has (data sheet, 13.7.4).
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Bits: u8 {
        /// INIT_NOW: a rise resets the processor.
        const FAST_RESET = 1 << 0;
        /// ALT_A20_GATE.
        const FAST_A20 = 1 << 1;
    }
}

/// Port 92h.
pub struct Port92 {
    fast_reset: bool,
    a20: Arc<dyn A20Gate>,
    power: PowerControl,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    fast_reset: bool,
    a20: bool,
}

impl Port92 {
    /// The port.
    pub const WINDOW: Window = Window::new(0, 1);

    /// The port after power-on, A20 open.
    pub fn new(a20: Arc<dyn A20Gate>, power: PowerControl) -> Self {
        a20.set_a20(true);
        Self { fast_reset: false, a20, power }
    }
}

impl Device for Port92 {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.fast_reset = false;
        self.a20.set_a20(true);
    }

    fn save(&self) -> Snapshot {
        let state = State { fast_reset: self.fast_reset, a20: self.a20.a20() };
        Snapshot::new(KIND, 1, &state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        self.fast_reset = state.fast_reset;
        self.a20.set_a20(state.a20);
        Ok(())
    }
}

impl BusDevice for Port92 {
    fn read(&mut self, _offset: u64, data: &mut [u8]) {
        let mut bits = Bits::empty();
        bits.set(Bits::FAST_RESET, self.fast_reset);
        bits.set(Bits::FAST_A20, self.a20.a20());
        data.fill(0xff);
        data[0] = bits.bits();
    }

    fn write(&mut self, _offset: u64, data: &[u8]) {
        let bits = Bits::from_bits_truncate(data[0]);
        self.a20.set_a20(bits.contains(Bits::FAST_A20));
        let fast_reset = bits.contains(Bits::FAST_RESET);
        if fast_reset && !self.fast_reset {
            self.power.request(PowerRequest::Reset);
        }
        self.fast_reset = fast_reset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aero_bus::MemoryMap;
    use aero_testbed::{Access, Testbed, assert_round_trip};

    fn rig() -> (Testbed, Arc<MemoryMap>, Port92) {
        let bed = Testbed::new();
        let map = Arc::new(MemoryMap::new(bed.ram.clone()));
        let port = Port92::new(map.clone(), bed.power.clone());
        (bed, map, port)
    }

    #[test]
    fn bit_1_drives_a20_and_reads_the_gate_back() {
        let (_bed, map, mut port) = rig();
        assert_eq!(port.read8(0), 0x02);
        port.write8(0, 0x00);
        assert!(!map.a20());
        assert_eq!(port.read8(0), 0x00);
        map.set_a20(true);
        assert_eq!(port.read8(0), 0x02, "the 8042 opened it");
    }

    #[test]
    fn a_rise_of_bit_0_resets() {
        let (bed, _map, mut port) = rig();
        port.write8(0, 0x02);
        assert_eq!(bed.power.take(), None);
        port.write8(0, 0x03);
        assert_eq!(bed.power.take(), Some(PowerRequest::Reset));
        port.write8(0, 0x03);
        assert_eq!(bed.power.take(), None);
    }

    #[test]
    fn reset_opens_a20_and_a_snapshot_keeps_it_closed() {
        let (_bed, map, mut port) = rig();
        port.write8(0, 0x00);
        let (_bed, other_map, mut other) = rig();
        assert_round_trip(&port, &mut other);
        assert!(!other_map.a20());
        port.reset();
        assert!(map.a20());
    }
}
