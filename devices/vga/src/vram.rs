//! Video memory. The planes lie interleaved: bytes 4n to 4n + 3 are the bytes at address n of planes
//! 0 to 3. So the linear frame buffer, a chain-4 window and the planes are one memory.

use aero_bus::vm_memory::Bytes;
use aero_bus::{AuxMemory, GuestRam};

pub struct Vram {
    ram: GuestRam,
    area: AuxMemory,
}

impl Vram {
    pub fn new(ram: GuestRam, area: AuxMemory) -> Self {
        Self { ram, area }
    }

    pub fn area(&self) -> AuxMemory {
        self.area
    }

    pub fn len(&self) -> u64 {
        self.area.len
    }

    /// How many of `len` bytes from `at` on are inside.
    fn inside(&self, at: u64, len: usize) -> usize {
        self.area.len.saturating_sub(at).min(len as u64) as usize
    }

    /// Copies memory from `at` on; zeros after its end.
    pub fn read(&self, at: u64, data: &mut [u8]) {
        let (inside, outside) = data.split_at_mut(self.inside(at, data.len()));
        outside.fill(0);
        if let Some(slice) = self.ram.host_slice(self.area.host_offset + at, inside.len() as u64) {
            slice.copy_to(inside);
        }
    }

    /// Overwrites memory from `at` on; what is past its end is dropped.
    pub fn write(&self, at: u64, data: &[u8]) {
        let inside = &data[..self.inside(at, data.len())];
        if inside.is_empty() {
            return;
        }
        let slice = self.ram.host_slice(self.area.host_offset + at, inside.len() as u64);
        // Both cannot fail: the range is inside the area.
        if let Some(slice) = slice {
            let _ = slice.write_slice(inside, 0);
        }
    }

    /// Fills the first `len` bytes with zeros.
    pub fn clear(&self, len: u64) {
        let zeros = [0; 4096];
        let mut at = 0;
        while at < len.min(self.area.len) {
            let part = zeros.len().min((len - at) as usize);
            self.write(at, &zeros[..part]);
            at += part as u64;
        }
    }

    /// The bytes of all planes at `address`, from plane 0 in the low byte up.
    pub fn planes(&self, address: u64) -> u32 {
        let mut bytes = [0; 4];
        self.read(address.saturating_mul(4), &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Writes the bytes of the planes in `mask`, which has 0xff in their places.
    pub fn set_planes(&self, address: u64, value: u32, mask: u32) {
        let value = match mask {
            u32::MAX => value,
            _ => value & mask | self.planes(address) & !mask,
        };
        self.write(address.saturating_mul(4), &value.to_le_bytes());
    }
}
