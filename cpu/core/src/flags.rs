//! RFLAGS with lazily evaluated arithmetic flags.
//!
//! An arithmetic instruction leaves one record, [`Flags::result`] and [`Flags::aux`], from which each
//! of CF, PF, AF, ZF, SF and OF can be had with a few instructions and without asking which operation
//! left it. The interpreter and generated code share the record:
//!
//! - `result` is the result, sign-extended from the operand size to 64 bits. ZF is `result == 0`, SF
//!   its bit 63 and PF the parity of its low byte.
//! - `aux` holds what the result alone does not tell: bit 63 is CF, the carry out of the most
//!   significant bit; bit 62 is the carry into it, so OF is bit 63 ^ bit 62; bit 3 is AF, the carry
//!   out of bit 3. Bit 0 inverts SF and bits 15:8 are XORed into the byte whose parity is PF: with
//!   them the record can also stand for flags that no result gives, as POPF loads them.
//!
//! All other flags are kept as they are in [`Flags::system`].

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bits::rflags::{
    self, AF, ALL, ARITHMETIC, CF, DF, FIXED, IOPL, IOPL_SHIFT, OF, PF, SF, ZF,
};

const CARRY: u64 = 1 << 63;
const CARRY_IN: u64 = 1 << 62;
const HALF_CARRY: u64 = 1 << 3;
const INVERT_SIGN: u64 = 1;
const PARITY_SHIFT: u32 = 8;

/// RFLAGS. See the module's description for the record of the arithmetic flags. The bits are those of
/// [`rflags`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Flags {
    /// The last result, sign-extended.
    pub result: u64,
    /// Carries of the last result, and corrections.
    pub aux: u64,
    /// All flags but the arithmetic ones, at their places in RFLAGS; bit 1 is set.
    pub system: u64,
}

impl Default for Flags {
    /// As after RESET: everything clear.
    fn default() -> Self {
        Self::from_rflags(rflags::FIXED)
    }
}

impl PartialEq for Flags {
    fn eq(&self, other: &Self) -> bool {
        self.rflags() == other.rflags()
    }
}

impl Eq for Flags {}

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.rflags())
    }
}

impl<'de> Deserialize<'de> for Flags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::from_rflags)
    }
}

#[inline]
fn odd_parity(byte: u64) -> bool {
    (byte as u8).count_ones() & 1 != 0
}

impl Flags {
    /// Flags with this value of RFLAGS. Undefined bits are dropped.
    pub fn from_rflags(rflags: u64) -> Self {
        let mut flags = Self { result: 0, aux: 0, system: 0 };
        flags.set_rflags(rflags);
        flags
    }

    /// The value of RFLAGS.
    pub fn rflags(&self) -> u64 {
        self.system | self.arithmetic()
    }

    /// Sets all of RFLAGS. Undefined bits are dropped; bit 1 is set.
    pub fn set_rflags(&mut self, rflags: u64) {
        self.system = (rflags & ALL & !ARITHMETIC) | FIXED;
        self.set_arithmetic(rflags);
    }

    /// The six arithmetic flags at their places in RFLAGS.
    pub fn arithmetic(&self) -> u64 {
        let bit = |flag: u64, set: bool| if set { flag } else { 0 };
        bit(CF, self.cf())
            | bit(PF, self.pf())
            | bit(AF, self.af())
            | bit(ZF, self.zf())
            | bit(SF, self.sf())
            | bit(OF, self.of())
    }

    /// Sets the six arithmetic flags from their places in `rflags`; its other bits do not matter.
    pub fn set_arithmetic(&mut self, rflags: u64) {
        let (cf, of) = (rflags & CF != 0, rflags & OF != 0);
        let mut aux = (u64::from(cf) << 63) | (u64::from(cf ^ of) << 62);
        if rflags & AF != 0 {
            aux |= HALF_CARRY;
        }
        // Both results have a low byte of even parity and are not negative; one is zero.
        self.result = if rflags & ZF != 0 { 0 } else { 1 << 8 };
        if rflags & SF != 0 {
            aux |= INVERT_SIGN;
        }
        if rflags & PF == 0 {
            aux |= 1 << PARITY_SHIFT;
        }
        self.aux = aux;
    }

    /// Carry.
    #[inline]
    pub fn cf(&self) -> bool {
        self.aux >> 63 != 0
    }

    /// Parity.
    #[inline]
    pub fn pf(&self) -> bool {
        !odd_parity(self.result ^ (self.aux >> PARITY_SHIFT))
    }

    /// Auxiliary carry.
    #[inline]
    pub fn af(&self) -> bool {
        self.aux & HALF_CARRY != 0
    }

    /// Zero.
    #[inline]
    pub fn zf(&self) -> bool {
        self.result == 0
    }

    /// Sign.
    #[inline]
    pub fn sf(&self) -> bool {
        (self.result >> 63) ^ (self.aux & INVERT_SIGN) != 0
    }

    /// Overflow.
    #[inline]
    pub fn of(&self) -> bool {
        (self.aux ^ (self.aux << 1)) >> 63 != 0
    }

    /// Sets CF alone.
    #[inline]
    pub fn set_cf(&mut self, cf: bool) {
        // Both carries flip together, so that OF stays.
        if self.cf() != cf {
            self.aux ^= CARRY | CARRY_IN;
        }
    }

    /// Sets ZF alone.
    pub fn set_zf(&mut self, zf: bool) {
        if self.zf() != zf {
            self.set_arithmetic(self.arithmetic() ^ ZF);
        }
    }

    /// Sets OF alone.
    #[inline]
    pub fn set_of(&mut self, of: bool) {
        if self.of() != of {
            self.aux ^= CARRY_IN;
        }
    }

    /// Sets CF and OF, the others stay.
    #[inline]
    pub fn set_cf_of(&mut self, cf: bool, of: bool) {
        let carries = (u64::from(cf) << 63) | (u64::from(cf ^ of) << 62);
        self.aux = (self.aux & !(CARRY | CARRY_IN)) | carries;
    }

    /// Leaves the record of an operation: `result` sign-extended, `carries` as in [`aux`](Self::aux),
    /// only its bits 63, 62 and 3 set.
    #[inline]
    pub fn record(&mut self, result: u64, carries: u64) {
        debug_assert_eq!(carries & !(CARRY | CARRY_IN | HALF_CARRY), 0);
        self.result = result;
        self.aux = carries;
    }

    /// Leaves the record of an operation that clears CF, OF and AF: AND, OR, XOR, TEST.
    #[inline]
    pub fn record_logic(&mut self, result: u64) {
        self.result = result;
        self.aux = 0;
    }

    /// Leaves the record of an operation given its CF, OF and AF as they are.
    #[inline]
    pub fn record_with(&mut self, result: u64, cf: bool, of: bool, af: bool) {
        self.result = result;
        self.aux = (u64::from(cf) << 63) | (u64::from(cf ^ of) << 62) | (u64::from(af) << 3);
    }

    /// As [`record`](Self::record), but CF stays: INC and DEC.
    #[inline]
    pub fn record_keeping_cf(&mut self, result: u64, carries: u64) {
        let change = (self.aux ^ carries) >> 63;
        self.result = result;
        self.aux = carries ^ (change << 63) ^ (change << 62);
    }

    /// Whether all of `flags`, which are no arithmetic ones, are set.
    #[inline]
    pub fn has(&self, flags: u64) -> bool {
        self.system & flags == flags
    }

    /// Sets or clears `flags`, which are no arithmetic ones.
    #[inline]
    pub fn set(&mut self, flags: u64, value: bool) {
        debug_assert_eq!(flags & (ARITHMETIC | FIXED), 0);
        if value {
            self.system |= flags & ALL;
        } else {
            self.system &= !flags;
        }
    }

    /// Direction: string instructions go down.
    #[inline]
    pub fn df(&self) -> bool {
        self.has(DF)
    }

    /// The I/O privilege level, 0 to 3.
    #[inline]
    pub fn iopl(&self) -> u8 {
        ((self.system & IOPL) >> IOPL_SHIFT) as u8
    }

    /// The condition `cc` as in the low four bits of Jcc, SETcc and CMOVcc opcodes
    /// (SDM volume 2, appendix B, table B-10); higher bits of `cc` are ignored.
    #[inline]
    pub fn cond(&self, cc: u8) -> bool {
        let value = match (cc >> 1) & 7 {
            0 => self.of(),
            1 => self.cf(),
            2 => self.zf(),
            3 => self.cf() || self.zf(),
            4 => self.sf(),
            5 => self.pf(),
            6 => self.sf() != self.of(),
            _ => self.zf() || self.sf() != self.of(),
        };
        value != (cc & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::rflags::IF;

    /// All 64 combinations of the arithmetic flags.
    fn combinations() -> impl Iterator<Item = u64> {
        (0..=ARITHMETIC).filter(move |v| v & !ARITHMETIC == 0)
    }

    #[test]
    fn every_combination_of_flags_can_be_loaded_and_read_back() {
        assert_eq!(combinations().count(), 64);
        for flags in combinations() {
            let value = flags | FIXED | IF;
            let lazy = Flags::from_rflags(value);
            assert_eq!(lazy.rflags(), value, "{flags:#x}");
            assert!(lazy.has(IF) && !lazy.df());
        }
    }

    #[test]
    fn single_flags_change_alone() {
        for flags in combinations() {
            let base = Flags::from_rflags(flags);
            for value in [false, true] {
                let with = |flag: u64| (flags & !flag) | FIXED | if value { flag } else { 0 };
                let mut f = base;
                f.set_cf(value);
                assert_eq!(f.rflags(), with(CF));
                let mut f = base;
                f.set_zf(value);
                assert_eq!(f.rflags(), with(ZF));
                let mut f = base;
                f.set_of(value);
                assert_eq!(f.rflags(), with(OF));
                let mut f = base;
                f.set_cf_of(true, value);
                assert_eq!((f.cf(), f.of()), (true, value));
            }
        }
    }

    #[test]
    fn conditions_follow_the_manual() {
        for flags in combinations() {
            let f = Flags::from_rflags(flags);
            let has = |flag| flags & flag != 0;
            let (cf, zf, sf, of, pf) = (has(CF), has(ZF), has(SF), has(OF), has(PF));
            let expected =
                [of, cf, zf, cf | zf, sf, pf, sf != of, zf | (sf != of)].map(|c| [c, !c]);
            for (cc, expected) in expected.iter().flatten().enumerate() {
                assert_eq!(f.cond(cc as u8), *expected, "condition {cc} of {flags:#x}");
            }
        }
    }

    #[test]
    fn undefined_bits_are_dropped_and_bit_1_is_fixed() {
        assert_eq!(Flags::from_rflags(u64::MAX).rflags(), ALL);
        assert_eq!(Flags::from_rflags(0).rflags(), FIXED);
    }
}
