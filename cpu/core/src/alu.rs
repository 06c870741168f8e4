//! Integer arithmetic with its flags, for operands of 8, 16, 32 and 64 bits.
//!
//! Each function is one instruction without its operands' places: it takes values and [`Flags`] and
//! gives the result. Where the manuals leave a flag undefined, the choice is noted, and is what
//! processors do: AF is clear after logic and shifts, and OF after shifts and rotates by more than one
//! follows the formula for a count of one.

use crate::bits::rflags;
use crate::flags::Flags;

/// An operand size: `u8`, `u16`, `u32` or `u64`.
pub trait Word: Copy + Eq + Default + Send + Sync + 'static {
    /// Width in bits.
    const BITS: u32;
    /// Width in bytes.
    const BYTES: u32 = Self::BITS / 8;
    /// What a shift count is masked with.
    const COUNT_MASK: u32 = if Self::BITS == 64 { 63 } else { 31 };
    /// The low bits of `value`.
    fn truncate(value: u64) -> Self;
    /// Zero-extended.
    fn zx(self) -> u64;
    /// Sign-extended.
    fn sx(self) -> i64;
}

macro_rules! word {
    ($($unsigned:ty, $signed:ty;)*) => {$(
        impl Word for $unsigned {
            const BITS: u32 = <$unsigned>::BITS;
            #[inline(always)]
            fn truncate(value: u64) -> Self {
                value as $unsigned
            }
            #[inline(always)]
            fn zx(self) -> u64 {
                u64::from(self)
            }
            #[inline(always)]
            fn sx(self) -> i64 {
                i64::from(self as $signed)
            }
        }
    )*};
}

word! {
    u8, i8;
    u16, i16;
    u32, i32;
    u64, i64;
}

/// The most significant bit.
#[inline(always)]
fn msb<T: Word>(value: T) -> bool {
    (value.zx() >> (T::BITS - 1)) & 1 != 0
}

/// The bit below the most significant one.
#[inline(always)]
fn below_msb<T: Word>(value: T) -> bool {
    (value.zx() >> (T::BITS - 2)) & 1 != 0
}

/// The carries that [`Flags`] records, of the vector of carries out of each bit.
#[inline(always)]
fn carries<T: Word>(vector: u64) -> u64 {
    ((vector << (64 - T::BITS)) & (3 << 62)) | (vector & 8)
}

#[inline(always)]
fn add_carries<T: Word>(a: T, b: T, result: T) -> u64 {
    let (a, b, r) = (a.zx(), b.zx(), result.zx());
    carries::<T>((a & b) | ((a | b) & !r))
}

#[inline(always)]
fn sub_carries<T: Word>(a: T, b: T, result: T) -> u64 {
    let (a, b, r) = (a.zx(), b.zx(), result.zx());
    carries::<T>((!a & b) | ((!a | b) & r))
}

/// ADD.
#[inline(always)]
pub fn add<T: Word>(flags: &mut Flags, a: T, b: T) -> T {
    let r = T::truncate(a.zx().wrapping_add(b.zx()));
    flags.record(r.sx() as u64, add_carries(a, b, r));
    r
}

/// ADC.
#[inline(always)]
pub fn adc<T: Word>(flags: &mut Flags, a: T, b: T) -> T {
    let r = T::truncate(a.zx().wrapping_add(b.zx()).wrapping_add(flags.cf().into()));
    flags.record(r.sx() as u64, add_carries(a, b, r));
    r
}

/// SUB.
#[inline(always)]
pub fn sub<T: Word>(flags: &mut Flags, a: T, b: T) -> T {
    let r = T::truncate(a.zx().wrapping_sub(b.zx()));
    flags.record(r.sx() as u64, sub_carries(a, b, r));
    r
}

/// SBB.
#[inline(always)]
pub fn sbb<T: Word>(flags: &mut Flags, a: T, b: T) -> T {
    let r = T::truncate(a.zx().wrapping_sub(b.zx()).wrapping_sub(flags.cf().into()));
    flags.record(r.sx() as u64, sub_carries(a, b, r));
    r
}

/// CMP.
#[inline(always)]
pub fn cmp<T: Word>(flags: &mut Flags, a: T, b: T) {
    sub(flags, a, b);
}

/// NEG.
#[inline(always)]
pub fn neg<T: Word>(flags: &mut Flags, a: T) -> T {
    sub(flags, T::default(), a)
}

/// INC: CF stays.
#[inline(always)]
pub fn inc<T: Word>(flags: &mut Flags, a: T) -> T {
    let one = T::truncate(1);
    let r = T::truncate(a.zx().wrapping_add(1));
    flags.record_keeping_cf(r.sx() as u64, add_carries(a, one, r));
    r
}

/// DEC: CF stays.
#[inline(always)]
pub fn dec<T: Word>(flags: &mut Flags, a: T) -> T {
    let one = T::truncate(1);
    let r = T::truncate(a.zx().wrapping_sub(1));
    flags.record_keeping_cf(r.sx() as u64, sub_carries(a, one, r));
    r
}

/// AND. AF, undefined, is cleared.
#[inline(always)]
pub fn and<T: Word>(flags: &mut Flags, a: T, b: T) -> T {
    let r = T::truncate(a.zx() & b.zx());
    flags.record_logic(r.sx() as u64);
    r
}

/// OR. AF, undefined, is cleared.
#[inline(always)]
pub fn or<T: Word>(flags: &mut Flags, a: T, b: T) -> T {
    let r = T::truncate(a.zx() | b.zx());
    flags.record_logic(r.sx() as u64);
    r
}

/// XOR. AF, undefined, is cleared.
#[inline(always)]
pub fn xor<T: Word>(flags: &mut Flags, a: T, b: T) -> T {
    let r = T::truncate(a.zx() ^ b.zx());
    flags.record_logic(r.sx() as u64);
    r
}

/// TEST. AF, undefined, is cleared.
#[inline(always)]
pub fn test<T: Word>(flags: &mut Flags, a: T, b: T) {
    and(flags, a, b);
}

/// SHL (SAL). The count is masked; a masked count of 0 changes no flag. Undefined: AF is cleared, OF
/// is CF ^ SF for every count, CF is 0 where the count exceeds the width.
#[inline(always)]
pub fn shl<T: Word>(flags: &mut Flags, a: T, count: u8) -> T {
    let count = u32::from(count) & T::COUNT_MASK;
    if count == 0 {
        return a;
    }
    let r = T::truncate(a.zx() << count);
    let cf = count <= T::BITS && (a.zx() >> (T::BITS - count)) & 1 != 0;
    flags.record_with(r.sx() as u64, cf, msb(r) ^ cf, false);
    r
}

/// SHR. The count is masked; a masked count of 0 changes no flag. Undefined: AF is cleared, OF is 0
/// for counts above 1.
#[inline(always)]
pub fn shr<T: Word>(flags: &mut Flags, a: T, count: u8) -> T {
    let count = u32::from(count) & T::COUNT_MASK;
    if count == 0 {
        return a;
    }
    let r = T::truncate(a.zx() >> count);
    let cf = (a.zx() >> (count - 1)) & 1 != 0;
    flags.record_with(r.sx() as u64, cf, msb(r) ^ below_msb(r), false);
    r
}

/// SAR. The count is masked; a masked count of 0 changes no flag. AF, undefined, is cleared.
#[inline(always)]
pub fn sar<T: Word>(flags: &mut Flags, a: T, count: u8) -> T {
    let count = u32::from(count) & T::COUNT_MASK;
    if count == 0 {
        return a;
    }
    let r = T::truncate((a.sx() >> count) as u64);
    let cf = (a.sx() >> (count - 1)) & 1 != 0;
    flags.record_with(r.sx() as u64, cf, false, false);
    r
}

/// ROL. A masked count of 0 changes no flag; OF is CF ^ MSB for every other count.
#[inline(always)]
pub fn rol<T: Word>(flags: &mut Flags, a: T, count: u8) -> T {
    let count = u32::from(count) & T::COUNT_MASK;
    if count == 0 {
        return a;
    }
    let by = count % T::BITS;
    let r = if by == 0 { a } else { T::truncate((a.zx() << by) | (a.zx() >> (T::BITS - by))) };
    let cf = r.zx() & 1 != 0;
    flags.set_cf_of(cf, msb(r) ^ cf);
    r
}

/// ROR. A masked count of 0 changes no flag; OF is the two highest bits' XOR for every other count.
#[inline(always)]
pub fn ror<T: Word>(flags: &mut Flags, a: T, count: u8) -> T {
    let count = u32::from(count) & T::COUNT_MASK;
    if count == 0 {
        return a;
    }
    let by = count % T::BITS;
    let r = if by == 0 { a } else { T::truncate((a.zx() >> by) | (a.zx() << (T::BITS - by))) };
    flags.set_cf_of(msb(r), msb(r) ^ below_msb(r));
    r
}

/// How far RCL and RCR rotate the `T::BITS + 1` bits of CF and operand.
#[inline(always)]
fn carry_rotate_count<T: Word>(count: u8) -> u32 {
    let count = u32::from(count) & T::COUNT_MASK;
    if T::BITS < 32 { count % (T::BITS + 1) } else { count }
}

#[inline(always)]
fn with_carry<T: Word>(flags: &Flags, a: T) -> u128 {
    (u128::from(flags.cf()) << T::BITS) | u128::from(a.zx())
}

/// RCL. A rotation by nothing changes no flag; OF is CF ^ MSB for every other count.
#[inline]
pub fn rcl<T: Word>(flags: &mut Flags, a: T, count: u8) -> T {
    let count = carry_rotate_count::<T>(count);
    if count == 0 {
        return a;
    }
    let value = with_carry(flags, a);
    let rotated = (value << count) | (value >> (T::BITS + 1 - count));
    let r = T::truncate(rotated as u64);
    let cf = (rotated >> T::BITS) & 1 != 0;
    flags.set_cf_of(cf, msb(r) ^ cf);
    r
}

/// RCR. A rotation by nothing changes no flag; OF is the two highest bits' XOR for every other count.
#[inline]
pub fn rcr<T: Word>(flags: &mut Flags, a: T, count: u8) -> T {
    let count = carry_rotate_count::<T>(count);
    if count == 0 {
        return a;
    }
    let value = with_carry(flags, a);
    let rotated = (value >> count) | (value << (T::BITS + 1 - count));
    let r = T::truncate(rotated as u64);
    let cf = (rotated >> T::BITS) & 1 != 0;
    flags.set_cf_of(cf, msb(r) ^ below_msb(r));
    r
}

/// SHLD: `a` shifted left, filled from the top of `b`. A masked count of 0 changes nothing. Undefined:
/// AF is cleared, OF is CF ^ SF for every count; 16-bit operands with counts above 16 shift `a` in
/// again behind `b`.
#[inline]
pub fn shld<T: Word>(flags: &mut Flags, a: T, b: T, count: u8) -> T {
    let count = u32::from(count) & T::COUNT_MASK;
    if count == 0 {
        return a;
    }
    let (r, cf) = if count <= T::BITS {
        let pair = (u128::from(a.zx()) << T::BITS) | u128::from(b.zx());
        let r = T::truncate((pair >> (T::BITS - count)) as u64);
        (r, (a.zx() >> (T::BITS - count)) & 1 != 0)
    } else {
        let ring = (a.zx() << 32) | (b.zx() << 16) | a.zx();
        (T::truncate(ring >> (32 - count)), (ring >> (48 - count)) & 1 != 0)
    };
    flags.record_with(r.sx() as u64, cf, msb(r) ^ cf, false);
    r
}

/// SHRD: `a` shifted right, filled from the bottom of `b`. A masked count of 0 changes nothing.
/// Undefined: AF is cleared, OF is the two highest bits' XOR for every count; 16-bit operands with
/// counts above 16 shift `a` in again behind `b`.
#[inline]
pub fn shrd<T: Word>(flags: &mut Flags, a: T, b: T, count: u8) -> T {
    let count = u32::from(count) & T::COUNT_MASK;
    if count == 0 {
        return a;
    }
    let mut ring = (u128::from(b.zx()) << T::BITS) | u128::from(a.zx());
    if T::BITS == 16 {
        ring |= u128::from(a.zx()) << 32;
    }
    let r = T::truncate((ring >> count) as u64);
    let cf = (ring >> (count - 1)) & 1 != 0;
    flags.record_with(r.sx() as u64, cf, msb(r) ^ below_msb(r), false);
    r
}

/// MUL: low and high half. CF and OF tell whether the high half is not zero. Undefined: SF, ZF and PF
/// follow the low half, AF is cleared.
#[inline(always)]
pub fn mul<T: Word>(flags: &mut Flags, a: T, b: T) -> (T, T) {
    let product = u128::from(a.zx()) * u128::from(b.zx());
    let (low, high) = (T::truncate(product as u64), T::truncate((product >> T::BITS) as u64));
    let wide = high != T::default();
    flags.record_with(low.sx() as u64, wide, wide, false);
    (low, high)
}

/// IMUL with one operand: low and high half. CF and OF tell whether the low half's sign extension is
/// not the product. Undefined: SF, ZF and PF follow the low half, AF is cleared.
#[inline(always)]
pub fn imul<T: Word>(flags: &mut Flags, a: T, b: T) -> (T, T) {
    let product = i128::from(a.sx()) * i128::from(b.sx());
    let (low, high) = (T::truncate(product as u64), T::truncate((product >> T::BITS) as u64));
    let wide = i128::from(low.sx()) != product;
    flags.record_with(low.sx() as u64, wide, wide, false);
    (low, high)
}

/// DIV: quotient and remainder of `high:low` by `divisor`, or `None` for #DE. The flags, undefined,
/// stay.
#[inline]
pub fn div<T: Word>(high: T, low: T, divisor: T) -> Option<(T, T)> {
    let (high, low, divisor) = (high.zx(), low.zx(), divisor.zx());
    // Together with a zero divisor these are the quotients that do not fit.
    if high >= divisor {
        return None;
    }
    if T::BITS < 64 {
        let dividend = (high << (T::BITS & 63)) | low;
        return Some((T::truncate(dividend / divisor), T::truncate(dividend % divisor)));
    }
    if high == 0 {
        return Some((T::truncate(low / divisor), T::truncate(low % divisor)));
    }
    let dividend = (u128::from(high) << 64) | u128::from(low);
    let divisor = u128::from(divisor);
    Some((T::truncate((dividend / divisor) as u64), T::truncate((dividend % divisor) as u64)))
}

/// IDIV: quotient and remainder of `high:low` by `divisor`, or `None` for #DE. The flags, undefined,
/// stay.
#[inline]
pub fn idiv<T: Word>(high: T, low: T, divisor: T) -> Option<(T, T)> {
    if T::BITS < 64 || high.sx() == low.sx() >> 63 {
        let dividend =
            if T::BITS < 64 { (high.sx() << (T::BITS & 63)) | low.zx() as i64 } else { low.sx() };
        let quotient = dividend.checked_div(divisor.sx())?;
        let remainder = dividend.checked_rem(divisor.sx())?;
        let q = T::truncate(quotient as u64);
        return (q.sx() == quotient).then_some((q, T::truncate(remainder as u64)));
    }
    let dividend = (i128::from(high.sx()) << 64) | i128::from(low.zx());
    let quotient = dividend.checked_div(divisor.sx().into())?;
    let remainder = dividend.checked_rem(divisor.sx().into())?;
    let q = T::truncate(quotient as u64);
    (i128::from(q.sx()) == quotient).then_some((q, T::truncate(remainder as u64)))
}

/// BT: CF is bit `bit` modulo the width. The undefined OF, SF, AF and PF stay.
#[inline(always)]
pub fn bt<T: Word>(flags: &mut Flags, a: T, bit: u32) {
    flags.set_cf((a.zx() >> (bit % T::BITS)) & 1 != 0);
}

/// BTS.
#[inline(always)]
pub fn bts<T: Word>(flags: &mut Flags, a: T, bit: u32) -> T {
    bt(flags, a, bit);
    T::truncate(a.zx() | (1 << (bit % T::BITS)))
}

/// BTR.
#[inline(always)]
pub fn btr<T: Word>(flags: &mut Flags, a: T, bit: u32) -> T {
    bt(flags, a, bit);
    T::truncate(a.zx() & !(1 << (bit % T::BITS)))
}

/// BTC.
#[inline(always)]
pub fn btc<T: Word>(flags: &mut Flags, a: T, bit: u32) -> T {
    bt(flags, a, bit);
    T::truncate(a.zx() ^ (1 << (bit % T::BITS)))
}

/// BSF: the number of the lowest set bit; `None`, for which the destination stays, if there is none.
/// ZF tells which. The undefined CF, OF, SF, AF and PF stay.
#[inline(always)]
pub fn bsf<T: Word>(flags: &mut Flags, a: T) -> Option<T> {
    flags.set_zf(a == T::default());
    (a != T::default()).then(|| T::truncate(a.zx().trailing_zeros().into()))
}

/// BSR: the number of the highest set bit; `None`, for which the destination stays, if there is none.
/// ZF tells which. The undefined CF, OF, SF, AF and PF stay.
#[inline(always)]
pub fn bsr<T: Word>(flags: &mut Flags, a: T) -> Option<T> {
    flags.set_zf(a == T::default());
    (a != T::default()).then(|| T::truncate((63 - a.zx().leading_zeros()).into()))
}

/// POPCNT: ZF tells whether the operand is zero, the other flags are cleared.
#[inline(always)]
pub fn popcnt<T: Word>(flags: &mut Flags, a: T) -> T {
    let count = a.zx().count_ones();
    flags.set_arithmetic(if count == 0 { rflags::ZF } else { 0 });
    T::truncate(count.into())
}

/// BSWAP. A 16-bit operand, undefined, gives 0.
#[inline(always)]
pub fn bswap<T: Word>(a: T) -> T {
    if T::BITS == 16 {
        return T::default();
    }
    T::truncate(a.zx().swap_bytes() >> (64 - T::BITS))
}

/// CRC32 of SSE4.2: `data` folded into `crc`, polynomial 11EDC6F41h, bits reflected.
#[inline]
pub fn crc32<T: Word>(crc: u32, data: T) -> u32 {
    let mut crc = u64::from(crc) ^ data.zx();
    for _ in 0..T::BYTES {
        crc = (crc >> 8) ^ u64::from(CRC32C[(crc & 0xff) as usize]);
    }
    crc as u32
}

/// What each byte does to the remainder.
static CRC32C: [u32; 256] = {
    const REFLECTED_POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 != 0 { (crc >> 1) ^ REFLECTED_POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// DAA: AL after a decimal addition. OF, undefined, is cleared.
pub fn daa(flags: &mut Flags, al: u8) -> u8 {
    let low = al & 0xf > 9 || flags.af();
    let high = al > 0x99 || flags.cf();
    let r = al.wrapping_add(if low { 6 } else { 0 }).wrapping_add(if high { 0x60 } else { 0 });
    flags.record_with(r.sx() as u64, high, false, low);
    r
}

/// DAS: AL after a decimal subtraction. OF, undefined, is cleared.
pub fn das(flags: &mut Flags, al: u8) -> u8 {
    let low = al & 0xf > 9 || flags.af();
    let high = al > 0x99 || flags.cf();
    let borrow = low && al < 6;
    let r = al.wrapping_sub(if low { 6 } else { 0 }).wrapping_sub(if high { 0x60 } else { 0 });
    flags.record_with(r.sx() as u64, high || borrow, false, low);
    r
}

/// AAA: AX after an ASCII addition. Undefined: SF, ZF and PF follow AL, OF is cleared.
pub fn aaa(flags: &mut Flags, ax: u16) -> u16 {
    let adjust = ax & 0xf > 9 || flags.af();
    let r = (if adjust { ax.wrapping_add(0x106) } else { ax }) & 0xff0f;
    flags.record_with((r as u8).sx() as u64, adjust, false, adjust);
    r
}

/// AAS: AX after an ASCII subtraction. Undefined: SF, ZF and PF follow AL, OF is cleared.
pub fn aas(flags: &mut Flags, ax: u16) -> u16 {
    let adjust = ax & 0xf > 9 || flags.af();
    let r = (if adjust { ax.wrapping_sub(0x106) } else { ax }) & 0xff0f;
    flags.record_with((r as u8).sx() as u64, adjust, false, adjust);
    r
}

/// AAM: AX from the product in AL, or `None` for #DE. Undefined: CF, OF and AF are cleared.
pub fn aam(flags: &mut Flags, al: u8, base: u8) -> Option<u16> {
    let (high, low) = (al.checked_div(base)?, al.checked_rem(base)?);
    flags.record_logic(low.sx() as u64);
    Some(u16::from_le_bytes([low, high]))
}

/// AAD: AX for a division. Undefined: CF, OF and AF are cleared.
pub fn aad(flags: &mut Flags, ax: u16, base: u8) -> u16 {
    let [low, high] = ax.to_le_bytes();
    let al = high.wrapping_mul(base).wrapping_add(low);
    flags.record_logic(al.sx() as u64);
    al.into()
}

#[cfg(test)]
#[path = "alu_tests.rs"]
mod tests;
