//! QEMU's pc-testdev: what kvm-unit-tests expect of the board beside a PC's own devices. A latch behind
//! four ports, memory that is reached as a device is, and a port for every interrupt line.

use aero_bus::{BusDevice, Device, IrqPin, Snapshot, SnapshotError, Window};
use serde::{Deserialize, Serialize};

const KIND: &str = "test-device";

/// Interrupt lines: one for each input of the IO-APIC.
const LINES: usize = 24;
const LATCH_LEN: usize = 4;
const MEMORY_LEN: usize = 0x1_0000;
/// A byte for every interrupt line in the device's own space, behind latch and flush port.
const LINES_OFFSET: u64 = 8;
const MEMORY_OFFSET: u64 = 0x1_0000;

/// Where an access goes.
enum Place {
    Latch(usize),
    /// Takes a page's address and drops the host's mapping of it: nothing a guest could see.
    Flush,
    Line(usize),
    Memory(usize),
}

impl Place {
    fn of(offset: u64) -> Option<Self> {
        match offset {
            0..4 => Some(Self::Latch(offset as usize)),
            4..LINES_OFFSET => Some(Self::Flush),
            MEMORY_OFFSET.. => {
                let at = (offset - MEMORY_OFFSET) as usize;
                (at < MEMORY_LEN).then_some(Self::Memory(at))
            }
            _ => {
                let line = (offset - LINES_OFFSET) as usize;
                (line < LINES).then_some(Self::Line(line))
            }
        }
    }
}

/// The device.
pub struct TestDevice {
    lines: [IrqPin; LINES],
    latch: [u8; LATCH_LEN],
    memory: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    latch: [u8; LATCH_LEN],
    /// Bit n: line n is driven.
    lines: u32,
    memory: Vec<u8>,
}

impl TestDevice {
    /// The latch, read back as written, and the flush port behind it; at port 0xE0.
    pub const PORTS: Window = Window::new(0, LINES_OFFSET);
    /// One port for each interrupt line, bit 0 its level; at port 0x2000.
    pub const LINE_PORTS: Window = Window::new(LINES_OFFSET, LINES as u64);
    /// 64 KiB that keep what is written; at physical address 0xFF00_0000.
    pub const MEMORY: Window = Window::new(MEMORY_OFFSET, MEMORY_LEN as u64);

    /// A device that drives `lines`, in the order of the IO-APIC's inputs.
    pub fn new(lines: [IrqPin; LINES]) -> Self {
        Self { lines, latch: [0; LATCH_LEN], memory: vec![0; MEMORY_LEN] }
    }
}

impl Device for TestDevice {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.latch = [0; LATCH_LEN];
        self.memory.fill(0);
        self.lines.iter().for_each(IrqPin::deassert);
    }

    fn save(&self) -> Snapshot {
        let driven = (0..LINES).filter(|line| self.lines[*line].is_asserted());
        let lines = driven.fold(0, |bits, line| bits | 1 << line);
        Snapshot::new(KIND, 1, &State { latch: self.latch, lines, memory: self.memory.clone() })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        if state.memory.len() != MEMORY_LEN {
            return Err(SnapshotError::invalid(KIND, "the memory has another size"));
        }
        if state.lines >> LINES != 0 {
            return Err(SnapshotError::invalid(KIND, "there are 24 lines"));
        }
        self.latch = state.latch;
        self.memory = state.memory;
        for (n, pin) in self.lines.iter().enumerate() {
            pin.import_state(state.lines >> n & 1 != 0);
        }
        Ok(())
    }
}

impl BusDevice for TestDevice {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        for (at, byte) in (offset..).zip(data) {
            *byte = match Place::of(at) {
                Some(Place::Latch(n)) => self.latch[n],
                Some(Place::Memory(n)) => self.memory[n],
                Some(Place::Flush | Place::Line(_)) | None => 0xff,
            };
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        // One access drives one line, however wide it is.
        if let Some(Place::Line(line)) = Place::of(offset) {
            self.lines[line].set(data[0] & 1 != 0);
            return;
        }
        for (at, byte) in (offset..).zip(data) {
            match Place::of(at) {
                Some(Place::Latch(n)) => self.latch[n] = *byte,
                Some(Place::Memory(n)) => self.memory[n] = *byte,
                Some(Place::Flush | Place::Line(_)) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aero_testbed::{Access, Testbed, assert_round_trip};

    fn device(bed: &Testbed) -> TestDevice {
        TestDevice::new(std::array::from_fn(|line| bed.pin(line as u32)))
    }

    #[test]
    fn latch_and_memory_keep_what_is_written_in_any_width() {
        let bed = Testbed::new();
        let mut device = device(&bed);
        device.write32(TestDevice::PORTS.offset, 0x1234_5678);
        assert_eq!(device.read16(TestDevice::PORTS.offset + 2), 0x1234);
        let last = TestDevice::MEMORY.offset + TestDevice::MEMORY.len - 1;
        device.write64(last - 7, 0x0102_0304_0506_0708);
        assert_eq!(device.read8(last), 1);
        // Past the end there is nothing.
        device.write32(last, 0xaabb_ccdd);
        assert_eq!(device.read32(last), 0xffff_ffdd);
        device.write32(4, 0x1000);
        assert_eq!(device.read32(0), 0x1234_5678);
        device.reset();
        assert_eq!((device.read32(0), device.read8(last)), (0, 0));
    }

    #[test]
    fn every_line_has_a_port_and_reset_releases_it() {
        let bed = Testbed::new();
        let mut device = device(&bed);
        for line in 0..24 {
            device.write8(TestDevice::LINE_PORTS.offset + line, 1);
            assert!(bed.level(line as u32));
        }
        device.write8(TestDevice::LINE_PORTS.offset + 14, 0);
        assert!(!bed.level(14) && bed.level(15));
        assert_round_trip(&device, &mut self::device(&Testbed::new()));
        device.reset();
        assert!(!bed.level(15));
    }
}
