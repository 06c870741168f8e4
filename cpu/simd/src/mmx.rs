//! The MMX forms whose result is not the low half of the SSE form's.

use crate::{arith, shuffle};

/// Defines MMX forms of operations that fill the result's low half from `a` and the high half from
/// `b`: with both in one register, the low half has it all.
macro_rules! joined {
    ($($(#[$doc:meta])* $name:ident = $sse:path;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(a: u64, b: u64) -> u64 {
            $sse(u128::from(a) | u128::from(b) << 64, 0) as u64
        }
    )*};
}

joined! {
    /// PACKSSWB: signed words to signed bytes, saturating.
    packsswb = shuffle::packsswb;
    /// PACKUSWB: signed words to unsigned bytes, saturating.
    packuswb = shuffle::packuswb;
    /// PACKSSDW: signed doublewords to signed words, saturating.
    packssdw = shuffle::packssdw;
    /// PHADDW: sums of neighbouring words.
    phaddw = arith::phaddw;
    /// PHADDD: sums of neighbouring doublewords.
    phaddd = arith::phaddd;
    /// PHADDSW: sums of neighbouring signed words, saturating.
    phaddsw = arith::phaddsw;
    /// PHSUBW: differences of neighbouring words, lower minus higher.
    phsubw = arith::phsubw;
    /// PHSUBD: differences of neighbouring doublewords, lower minus higher.
    phsubd = arith::phsubd;
    /// PHSUBSW: differences of neighbouring signed words, lower minus higher, saturating.
    phsubsw = arith::phsubsw;
}

/// Defines the high unpacks: the upper half of what the low unpack of 16 bytes yields.
macro_rules! high_unpacks {
    ($($(#[$doc:meta])* $name:ident = $sse:path;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(a: u64, b: u64) -> u64 {
            ($sse(a.into(), b.into()) >> 64) as u64
        }
    )*};
}

high_unpacks! {
    /// PUNPCKHBW: high bytes interleaved.
    punpckhbw = shuffle::punpcklbw;
    /// PUNPCKHWD: high words interleaved.
    punpckhwd = shuffle::punpcklwd;
    /// PUNPCKHDQ: high doublewords interleaved.
    punpckhdq = shuffle::punpckldq;
}

/// PSHUFB: the bytes of `a` that the low three bits of `b`'s bytes name; zero where bit 7 is set.
#[inline]
pub fn pshufb(a: u64, b: u64) -> u64 {
    shuffle::pshufb(a.into(), (b & 0x8787_8787_8787_8787).into()) as u64
}

/// PALIGNR: 8 bytes of `a` above `b`, from byte `from` up.
#[inline]
pub fn palignr(a: u64, b: u64, from: u8) -> u64 {
    crate::logic::psrldq(u128::from(a) << 64 | u128::from(b), from) as u64
}

/// PINSRW: into word bits 1:0 of `lane`.
#[inline]
pub fn pinsrw(a: u64, value: u16, lane: u8) -> u64 {
    shuffle::pinsrw(a.into(), value, lane & 3) as u64
}

/// PEXTRW: word bits 1:0 of `lane`.
#[inline]
pub fn pextrw(a: u64, lane: u8) -> u16 {
    shuffle::pextrw(a.into(), lane & 3)
}
