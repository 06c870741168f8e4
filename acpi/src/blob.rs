//! Bytes that hold addresses of other bytes and checksums over themselves, before it is known where
//! they will lie.

/// An address field. Until it is resolved it holds the offset in the blob of what it points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// Offset of the field.
    pub at: usize,
    /// Bytes: 4 or 8.
    pub size: usize,
}

/// A byte that makes a range add up to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checksum {
    /// Offset of the byte.
    pub at: usize,
    /// First offset of the range.
    pub start: usize,
    /// Length of the range.
    pub len: usize,
}

/// Bytes with pointers into the table blob, and checksums.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blob {
    pub bytes: Vec<u8>,
    pub pointers: Vec<Pointer>,
    pub checksums: Vec<Checksum>,
}

impl Blob {
    /// Fills up with zeros to a multiple of `align`.
    pub fn align(&mut self, align: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(align), 0);
    }

    /// Writes a pointer field to `target` at `at`.
    pub fn point(&mut self, at: usize, size: usize, target: usize) {
        self.bytes[at..at + size].copy_from_slice(&(target as u64).to_le_bytes()[..size]);
        self.pointers.push(Pointer { at, size });
    }

    /// The bytes as they are when the table blob lies at `base`.
    pub fn resolve(&self, base: u64) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for pointer in &self.pointers {
            let field = &mut bytes[pointer.at..pointer.at + pointer.size];
            let mut value = [0; 8];
            value[..pointer.size].copy_from_slice(field);
            let value = u64::from_le_bytes(value).wrapping_add(base);
            field.copy_from_slice(&value.to_le_bytes()[..pointer.size]);
        }
        for sum in &self.checksums {
            bytes[sum.at] = 0;
            bytes[sum.at] = checksum(&bytes[sum.start..sum.start + sum.len]);
        }
        bytes
    }
}

/// What must be added to make `bytes` add up to zero.
pub(crate) fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte))
}
