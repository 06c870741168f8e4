//! Random operands.

/// A small reproducible generator (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A single (with 23 bits of fraction) or double (52) of the kinds that matter.
    fn float(&mut self, fraction: u32) -> u64 {
        let (exponents, bias) = if fraction == 23 { (255, 127) } else { (2047, 1023) };
        let width = if fraction == 23 { 32 } else { 64 };
        let raw = self.next();
        let sign = (raw >> 63) << (width - 1);
        let low = raw & ((1 << fraction) - 1);
        let with = |exponent: u64, low: u64| sign | exponent << fraction | low;
        match self.below(20) {
            0 | 1 => sign,
            2 => with(0, low),
            3 => with(exponents, 0),
            4 => with(exponents, low),
            5 => with(exponents, 1 << (fraction - 1)),
            6 => with(exponents - 1, low),
            7 => with(1, if low & 1 == 0 { 0 } else { low }),
            8 => with(self.below(exponents + 1), 0),
            9 => with(bias + self.below(70), low >> self.below(fraction.into())),
            10 => with(self.below(exponents), low),
            11 => with(bias, 0),
            12 => with(bias + self.below(40), low & !0 << (fraction - 8)),
            _ => with(bias - 3 + self.below(6), low),
        }
    }

    /// A register of integers, singles or doubles.
    pub fn register(&mut self) -> u128 {
        let join = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        match self.below(8) {
            0 => {
                const LIMITS: [u64; 9] = [
                    0,
                    u64::MAX,
                    0x8000_8000_8000_8000,
                    0x7fff_7fff_7fff_7fff,
                    0x8080_8080_8080_8080,
                    0x7fff_ffff_8000_0000,
                    0x8000_0000_0000_0000,
                    0x0001_0000_0001_ffff,
                    13,
                ];
                join(self.pick(&LIMITS), self.pick(&LIMITS))
            }
            1 => join(self.next(), self.next()),
            2 => join(self.next() >> 58, self.next() >> 58),
            3..=5 => join(self.float(52), self.float(52)),
            _ => {
                let mut pair = || self.float(23) << 32 | self.float(23);
                join(pair(), pair())
            }
        }
    }

    /// Ordinary doubles.
    pub fn plain_register(&mut self) -> u128 {
        let mut double = || (1020 + self.below(6)) << 52 | self.next() >> 12;
        u128::from(double()) << 64 | u128::from(double())
    }
}
