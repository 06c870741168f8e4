//! The reset control register, port 0xCF9 (ICH9 data sheet, 13.7.5). It lies inside the dword of
//! PCI's configuration address, which is accessed only as a dword at 0xCF8; byte accesses at 0xCF9
//! are for this device.

use aero_bus::{BusDevice, Device, PowerControl, PowerRequest, Snapshot, SnapshotError, Window};
use serde::{Deserialize, Serialize};

const KIND: &str = "reset-control";

bitflags::bitflags! {
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Bits: u8 {
        /// A reset of the platform and not of the processor alone. Here both restart the machine.
        const SYS_RST = 1 << 1;
        /// A rise starts the reset.
        const RST_CPU = 1 << 2;
        /// The reset takes the power away for some seconds.
        const FULL_RST = 1 << 3;
    }
}

/// The reset control register.
pub struct ResetControl {
    bits: Bits,
    power: PowerControl,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    register: u8,
}

impl ResetControl {
    /// The register.
    pub const WINDOW: Window = Window::new(0, 1);

    /// The register after power-on.
    pub fn new(power: PowerControl) -> Self {
        Self { bits: Bits::empty(), power }
    }
}

impl Device for ResetControl {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.bits = Bits::empty();
    }

    fn save(&self) -> Snapshot {
        Snapshot::new(KIND, 1, &State { register: self.bits.bits() })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let State { register } = snapshot.open(KIND, 1)?;
        self.bits = Bits::from_bits(register).ok_or_else(|| {
            SnapshotError::invalid(KIND, format!("the register is {register:#04x}"))
        })?;
        Ok(())
    }
}

impl BusDevice for ResetControl {
    fn read(&mut self, _offset: u64, data: &mut [u8]) {
        data.fill(0xff);
        data[0] = self.bits.bits();
    }

    fn write(&mut self, _offset: u64, data: &[u8]) {
        let bits = Bits::from_bits_truncate(data[0]);
        if (bits - self.bits).contains(Bits::RST_CPU) {
            self.power.request(PowerRequest::Reset);
        }
        self.bits = bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aero_testbed::{Access, Testbed, assert_round_trip};

    #[test]
    fn a_rise_of_rst_cpu_resets() {
        let bed = Testbed::new();
        let mut control = ResetControl::new(bed.power.clone());
        control.write8(0, 0x02);
        assert_eq!(bed.power.take(), None);
        control.write8(0, 0xf6);
        assert_eq!(bed.power.take(), Some(PowerRequest::Reset));
        assert_eq!(control.read8(0), 0x06);
        control.write8(0, 0x06);
        assert_eq!(bed.power.take(), None);
        let mut other = ResetControl::new(bed.power.clone());
        assert_round_trip(&control, &mut other);
        control.reset();
        assert_eq!(control.read8(0), 0);
        let bad = Snapshot::new(KIND, 1, &State { register: 0x80 });
        assert!(other.restore(&bad).is_err());
    }
}
