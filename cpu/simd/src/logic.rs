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

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident: $lane:ty, $op:tt;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(a: u128, b: u128) -> u128 {
            zip::<$lane, _>(a, b, |a, b| if a $op b { -1 } else { 0 })
        }
    )*};
}

comparisons! {
    /// PCMPEQB: all ones where bytes are equal.
    pcmpeqb: i8, ==;
    /// PCMPEQW: all ones where words are equal.
    pcmpeqw: i16, ==;
    /// PCMPEQD: all ones where doublewords are equal.
    pcmpeqd: i32, ==;
    /// PCMPEQQ: all ones where quadwords are equal.
    pcmpeqq: i64, ==;
    /// PCMPGTB: all ones where `a`'s signed byte is greater.
    pcmpgtb: i8, >;
    /// PCMPGTW: all ones where `a`'s signed word is greater.
    pcmpgtw: i16, >;
    /// PCMPGTD: all ones where `a`'s signed doubleword is greater.
    pcmpgtd: i32, >;
    /// PCMPGTQ: all ones where `a`'s signed quadword is greater.
    pcmpgtq: i64, >;
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
