//! Ports 0x80 to 0x8F: the POST code, and the page registers of the AT's DMA controllers, which
//! share the range. There is no ISA DMA, so the page registers only hold what was written; the spare
//! ones among them have served systems as scratch bytes ever since.

use aero_bus::{BusDevice, Device, Snapshot, SnapshotError, Window, read_by_bytes, write_by_bytes};
use serde::{Deserialize, Serialize};

const KIND: &str = "post-code";

/// Sixteen bytes, of which the first is the POST code.
#[derive(Default)]
pub struct PostCode {
    state: State,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    registers: [u8; 16],
}

impl PostCode {
    /// Ports 0x80 to 0x8F.
    pub const WINDOW: Window = Window::new(0, 16);

    /// The ports after power-on.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was last written to port 0x80. Systems also write there to let a microsecond pass.
    pub fn last_code(&self) -> u8 {
        self.state.registers[0]
    }
}

impl Device for PostCode {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.state = State::default();
    }

    fn save(&self) -> Snapshot {
        Snapshot::new(KIND, 1, &self.state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        self.state = snapshot.open(KIND, 1)?;
        Ok(())
    }
}

impl BusDevice for PostCode {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        read_by_bytes(offset, data, |at| {
            self.state.registers.get(at as usize).copied().unwrap_or(0xff)
        });
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        write_by_bytes(offset, data, |at, value| {
            if let Some(register) = self.state.registers.get_mut(at as usize) {
                *register = value;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aero_testbed::{Access, assert_round_trip};

    #[test]
    fn the_last_code_is_kept_and_page_registers_hold_bytes() {
        let mut post = PostCode::new();
        post.write8(0, 0x12);
        post.write8(0, 0x34);
        post.write16(0x0e, 0xbeef);
        assert_eq!(post.last_code(), 0x34);
        assert_eq!(post.read16(0x0e), 0xbeef);
        assert_eq!(post.read32(0x0e), 0xffff_beef);
        post.write32(0x0e, 0);
        assert_round_trip(&post, &mut PostCode::new());
        post.reset();
        assert_eq!(post.last_code(), 0);
    }
}
