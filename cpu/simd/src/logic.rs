//! Bitwise operations, integer comparisons and shifts.

use crate::lanes::{map, zip};

/// PAND, ANDPS, ANDPD.
#[inline]
pub fn pand(a: u128, b: u128) -> u128 {
    a & b
}

/// PANDN, ANDNPS, ANDNPD: the complement of `a`, and `b`.
#[inline]
pub fn pandn(a: u128, b: u128) -> u128 {
    !a & b
}

/// POR, ORPS, ORPD.
#[inline]
pub fn por(a: u128, b: u128) -> u128 {
    a | b
}

/// PXOR, XORPS, XORPD.
#[inline]
pub fn pxor(a: u128, b: u128) -> u128 {
    a ^ b
}

/// PTEST's flags: ZF says that no bit is set in both, CF that no bit of `b` is clear in `a`.
#[inline]
pub fn ptest(a: u128, b: u128) -> (bool, bool) {
    (a & b == 0, !a & b == 0)
}

/// All ones in the lanes whose highest bit is in `marks`.
#[inline(always)]
fn fill(marks: u64, lane_bits: u32) -> u64 {
    (marks - (marks >> (lane_bits - 1))) | marks
}

/// The highest bits of lanes, repeated over 64 bits.
const fn highest_bits(lane_bits: u32) -> u64 {
    let mut bits = 0;
    let mut at = lane_bits - 1;
    while at < 64 {
        bits |= 1 << at;
        at += lane_bits;
    }
    bits
}

/// All ones where lanes are equal. Lanes are compared within 64-bit integers, of which hosts without
/// vectors make more than of 16 lanes one by one.
#[inline(always)]
fn equal<const LANE_BITS: u32>(a: u64, b: u64) -> u64 {
    let high = const { highest_bits(LANE_BITS) };
    let difference = a ^ b;
    // Nothing carries out of a lane: the highest bit stays clear only if all bits are.
    let differing = ((difference & !high) + !high) | difference;
    fill(!differing & high, LANE_BITS)
}

/// All ones where `a`'s signed lane is greater.
#[inline(always)]
fn greater<const LANE_BITS: u32>(a: u64, b: u64) -> u64 {
    let high = const { highest_bits(LANE_BITS) };
    // As unsigned numbers, raised by half of the range: `a` is greater if `b` - `a` borrows. The lower
    // bits' borrow shows in the highest bit of their difference, which is set before.
    let (a, b) = (a ^ high, b ^ high);
    let lower = (b | high) - (a & !high);
    let borrows = (!b & a) | (!(a ^ b) & !lower);
    fill(borrows & high, LANE_BITS)
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident: $bits:literal, $compare:ident;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(a: u128, b: u128) -> u128 {
            zip::<u64, _>(a, b, $compare::<$bits>)
        }
    )*};
}

comparisons! {
    /// PCMPEQB: all ones where bytes are equal.
    pcmpeqb: 8, equal;
    /// PCMPEQW: all ones where words are equal.
    pcmpeqw: 16, equal;
    /// PCMPEQD: all ones where doublewords are equal.
    pcmpeqd: 32, equal;
    /// PCMPEQQ: all ones where quadwords are equal.
    pcmpeqq: 64, equal;
    /// PCMPGTB: all ones where `a`'s signed byte is greater.
    pcmpgtb: 8, greater;
    /// PCMPGTW: all ones where `a`'s signed word is greater.
    pcmpgtw: 16, greater;
    /// PCMPGTD: all ones where `a`'s signed doubleword is greater.
    pcmpgtd: 32, greater;
    /// PCMPGTQ: all ones where `a`'s signed quadword is greater.
    pcmpgtq: 64, greater;
}

macro_rules! shifts {
    ($($(#[$doc:meta])* $name:ident: $lane:ty, $op:tt;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(a: u128, count: u64) -> u128 {
            if count >= u64::from(<$lane>::BITS) {
                return 0;
            }
            map::<$lane, _>(a, |a| a $op count)
        }
    )*};
}

// The count is the immediate, or the low 64 bits of the source operand.
shifts! {
    /// PSLLW: words left; a count above 15 clears.
    psllw: u16, <<;
    /// PSLLD: doublewords left; a count above 31 clears.
    pslld: u32, <<;
    /// PSLLQ: quadwords left; a count above 63 clears.
    psllq: u64, <<;
    /// PSRLW: words right, zeros in; a count above 15 clears.
    psrlw: u16, >>;
    /// PSRLD: doublewords right, zeros in; a count above 31 clears.
    psrld: u32, >>;
    /// PSRLQ: quadwords right, zeros in; a count above 63 clears.
    psrlq: u64, >>;
}

/// PSRAW: words right, sign in; a count above 15 fills with the sign.
#[inline]
pub fn psraw(a: u128, count: u64) -> u128 {
    map::<i16, _>(a, |a| a >> count.min(15))
}

/// PSRAD: doublewords right, sign in; a count above 31 fills with the sign.
#[inline]
pub fn psrad(a: u128, count: u64) -> u128 {
    map::<i32, _>(a, |a| a >> count.min(31))
}

/// PSLLDQ: the register left by `count` bytes; above 15 clears.
#[inline]
pub fn pslldq(a: u128, count: u8) -> u128 {
    a.checked_shl(u32::from(count) * 8).unwrap_or(0)
}

/// PSRLDQ: the register right by `count` bytes; above 15 clears.
#[inline]
pub fn psrldq(a: u128, count: u8) -> u128 {
    a.checked_shr(u32::from(count) * 8).unwrap_or(0)
}
