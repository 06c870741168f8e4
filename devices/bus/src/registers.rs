//! Registers as data: where each register of a device lies and how wide it is, so that one place turns
//! accesses of any width and alignment into accesses of whole registers.

/// One register of a device's offset space.
#[derive(Clone, Copy, Debug)]
pub struct Register<R> {
    /// Which one.
    pub id: R,
    /// Its first byte's offset.
    pub offset: u64,
    /// Its width in bytes, 1 to 8.
    pub len: u8,
}

impl<R> Register<R> {
    /// Register `id` of `len` bytes (1 to 8) at `offset`.
    pub const fn new(id: R, offset: u64, len: u8) -> Self {
        assert!(len >= 1 && len <= 8, "a register has 1 to 8 bytes");
        Self { id, offset, len }
    }
}

/// The registers of a device, sorted by offset and not overlapping.
#[derive(Clone, Copy, Debug)]
pub struct RegisterMap<R: 'static> {
    registers: &'static [Register<R>],
}

impl<R: Copy> RegisterMap<R> {
    /// A map of `registers`, which must be sorted by offset and must not overlap: checked here, so at
    /// compile time for a constant.
    pub const fn new(registers: &'static [Register<R>]) -> Self {
        let mut i = 1;
        while i < registers.len() {
            let before = &registers[i - 1];
            assert!(before.offset + before.len as u64 <= registers[i].offset, "sorted, no overlap");
            i += 1;
        }
        Self { registers }
    }

    /// All registers.
    pub const fn registers(&self) -> &'static [Register<R>] {
        self.registers
    }

    /// Reads `data.len()` bytes at `offset`: asks `read` once for the whole value of each register
    /// touched. Bytes of no register read as 0.
    pub fn read(&self, offset: u64, data: &mut [u8], mut read: impl FnMut(R) -> u64) {
        data.fill(0);
        for part in self.parts(offset, data.len()) {
            let value = read(part.register.id).to_le_bytes();
            data[part.in_data.clone()].copy_from_slice(&value[part.in_register()]);
        }
    }

    /// Writes `data` at `offset`: hands `write` each register touched, the value in its place, and a
    /// mask of the bits that are written (whole bytes). Bytes of no register are dropped.
    pub fn write(&self, offset: u64, data: &[u8], mut write: impl FnMut(R, u64, u64)) {
        for part in self.parts(offset, data.len()) {
            let (mut value, mut mask) = ([0; 8], [0; 8]);
            value[part.in_register()].copy_from_slice(&data[part.in_data.clone()]);
            mask[part.in_register()].fill(0xff);
            write(part.register.id, u64::from_le_bytes(value), u64::from_le_bytes(mask));
        }
    }

    fn parts(&self, offset: u64, len: usize) -> impl Iterator<Item = Part<R>> + use<R> {
        let end = offset.saturating_add(len as u64);
        let registers = self.registers;
        let first = registers.partition_point(|r| r.offset + u64::from(r.len) <= offset);
        registers[first..].iter().take_while(move |r| r.offset < end).map(move |r| {
            let start = r.offset.max(offset);
            let stop = (r.offset + u64::from(r.len)).min(end);
            Part {
                register: *r,
                in_data: (start - offset) as usize..(stop - offset) as usize,
                skip: (start - r.offset) as usize,
            }
        })
    }
}

/// The part of one register that an access touches.
struct Part<R> {
    register: Register<R>,
    in_data: std::ops::Range<usize>,
    skip: usize,
}

impl<R> Part<R> {
    fn in_register(&self) -> std::ops::Range<usize> {
        self.skip..self.skip + self.in_data.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Reg {
        A,
        B,
        C,
    }

    const MAP: RegisterMap<Reg> = RegisterMap::new(&[
        Register::new(Reg::A, 0, 2),
        Register::new(Reg::B, 2, 4),
        Register::new(Reg::C, 8, 8),
    ]);

    fn value(reg: Reg) -> u64 {
        match reg {
            Reg::A => 0x1110,
            Reg::B => 0x2524_2322,
            Reg::C => 0x3f3e_3d3c_3b3a_3938,
        }
    }

    #[test]
    fn a_read_takes_its_bytes_from_each_register_it_touches() {
        let mut data = [0xee; 12];
        MAP.read(1, &mut data, value);
        assert_eq!(data, [0x11, 0x22, 0x23, 0x24, 0x25, 0, 0, 0x38, 0x39, 0x3a, 0x3b, 0x3c]);
        let mut data = [0xee; 2];
        MAP.read(u64::MAX, &mut data, value);
        assert_eq!(data, [0, 0]);
    }

    #[test]
    fn a_write_gives_each_register_its_bytes_and_says_which() {
        let mut seen = Vec::new();
        MAP.write(1, &[1, 2, 3], |reg, value, mask| seen.push((reg, value, mask)));
        assert_eq!(seen, [(Reg::A, 0x0100, 0xff00), (Reg::B, 0x0302, 0xffff)]);
        MAP.write(6, &[1, 2], |_, _, _| panic!("no register lies there"));
    }
}
