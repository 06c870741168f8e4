//! Packed integer arithmetic.

use crate::lanes::{Lane, map, zip};

/// Defines operations that work on each pair of lanes alone.
macro_rules! lanewise {
    ($($(#[$doc:meta])* $name:ident: $lane:ty, |$a:ident, $b:ident| $result:expr;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(a: u128, b: u128) -> u128 {
            zip::<$lane, _>(a, b, |$a, $b| $result)
        }
    )*};
}

lanewise! {
    /// PADDB: bytes, wrapping.
    paddb: u8, |a, b| a.wrapping_add(b);
    /// PADDW: words, wrapping.
    paddw: u16, |a, b| a.wrapping_add(b);
    /// PADDD: doublewords, wrapping.
    paddd: u32, |a, b| a.wrapping_add(b);
    /// PADDQ: quadwords, wrapping.
    paddq: u64, |a, b| a.wrapping_add(b);
    /// PADDSB: signed bytes, saturating.
    paddsb: i8, |a, b| a.saturating_add(b);
    /// PADDSW: signed words, saturating.
    paddsw: i16, |a, b| a.saturating_add(b);

    /// PSUBB: bytes, wrapping.
    psubb: u8, |a, b| a.wrapping_sub(b);
    /// PSUBW: words, wrapping.
    psubw: u16, |a, b| a.wrapping_sub(b);
    /// PSUBD: doublewords, wrapping.
    psubd: u32, |a, b| a.wrapping_sub(b);
    /// PSUBQ: quadwords, wrapping.
    psubq: u64, |a, b| a.wrapping_sub(b);
    /// PSUBSB: signed bytes, saturating.
    psubsb: i8, |a, b| a.saturating_sub(b);
    /// PSUBSW: signed words, saturating.
    psubsw: i16, |a, b| a.saturating_sub(b);

    /// PAVGB: average of unsigned bytes, halves rounded up.
    pavgb: u8, |a, b| ((u16::from(a) + u16::from(b) + 1) >> 1) as u8;
    /// PAVGW: average of unsigned words, halves rounded up.
    pavgw: u16, |a, b| ((u32::from(a) + u32::from(b) + 1) >> 1) as u16;

    /// PMINUB: unsigned bytes.
    pminub: u8, |a, b| a.min(b);
    /// PMINUW: unsigned words.
    pminuw: u16, |a, b| a.min(b);
    /// PMINUD: unsigned doublewords.
    pminud: u32, |a, b| a.min(b);
    /// PMINSB: signed bytes.
    pminsb: i8, |a, b| a.min(b);
    /// PMINSW: signed words.
    pminsw: i16, |a, b| a.min(b);
    /// PMINSD: signed doublewords.
    pminsd: i32, |a, b| a.min(b);
    /// PMAXUB: unsigned bytes.
    pmaxub: u8, |a, b| a.max(b);
    /// PMAXUW: unsigned words.
    pmaxuw: u16, |a, b| a.max(b);
    /// PMAXUD: unsigned doublewords.
    pmaxud: u32, |a, b| a.max(b);
    /// PMAXSB: signed bytes.
    pmaxsb: i8, |a, b| a.max(b);
    /// PMAXSW: signed words.
    pmaxsw: i16, |a, b| a.max(b);
    /// PMAXSD: signed doublewords.
    pmaxsd: i32, |a, b| a.max(b);

    /// PMULLW: low half of the product of words.
    pmullw: u16, |a, b| a.wrapping_mul(b);
    /// PMULLD: low half of the product of doublewords.
    pmulld: u32, |a, b| a.wrapping_mul(b);
    /// PMULHW: high half of the product of signed words.
    pmulhw: i16, |a, b| ((i32::from(a) * i32::from(b)) >> 16) as i16;
    /// PMULHUW: high half of the product of unsigned words.
    pmulhuw: u16, |a, b| ((u32::from(a) * u32::from(b)) >> 16) as u16;
    /// PMULHRSW: product of signed words as fractions of 2^15, rounded.
    pmulhrsw: i16, |a, b| ((((i32::from(a) * i32::from(b)) >> 14) + 1) >> 1) as i16;
    /// PMULUDQ: product of the low unsigned doublewords of each quadword.
    pmuludq: u64, |a, b| u64::from(a as u32) * u64::from(b as u32);
    /// PMULDQ: product of the low signed doublewords of each quadword.
    pmuldq: i64, |a, b| i64::from(a as i32) * i64::from(b as i32);

    /// PSIGNB: bytes negated, cleared or kept as the sign of `b` says.
    psignb: i8, |a, b| a.wrapping_mul(b.signum());
    /// PSIGNW: words negated, cleared or kept as the sign of `b` says.
    psignw: i16, |a, b| a.wrapping_mul(b.signum());
    /// PSIGND: doublewords negated, cleared or kept as the sign of `b` says.
    psignd: i32, |a, b| a.wrapping_mul(b.signum());
}

// Unsigned saturation as a minimum and a plain operation, which LLVM vectorises better: no more is added
// than is missing to the maximum, and no more is taken away than is there.

/// PADDUSB: unsigned bytes, saturating.
#[inline]
pub fn paddusb(a: u128, b: u128) -> u128 {
    paddb(a, pminub(b, !a))
}

/// PADDUSW: unsigned words, saturating.
#[inline]
pub fn paddusw(a: u128, b: u128) -> u128 {
    paddw(a, pminuw(b, !a))
}

/// PSUBUSB: unsigned bytes, saturating.
#[inline]
pub fn psubusb(a: u128, b: u128) -> u128 {
    psubb(a, pminub(a, b))
}

/// PSUBUSW: unsigned words, saturating.
#[inline]
pub fn psubusw(a: u128, b: u128) -> u128 {
    psubw(a, pminuw(a, b))
}

/// PABSB: absolute value of bytes; -128 stays.
#[inline]
pub fn pabsb(b: u128) -> u128 {
    map::<i8, _>(b, i8::wrapping_abs)
}

/// PABSW: absolute value of words; -32768 stays.
#[inline]
pub fn pabsw(b: u128) -> u128 {
    map::<i16, _>(b, i16::wrapping_abs)
}

/// PABSD: absolute value of doublewords; -2^31 stays.
#[inline]
pub fn pabsd(b: u128) -> u128 {
    map::<i32, _>(b, i32::wrapping_abs)
}

/// PMADDWD: products of signed words, summed in pairs to doublewords. Only four times -32768 wraps.
#[inline]
pub fn pmaddwd(a: u128, b: u128) -> u128 {
    let (a, b) = (i16::split(a), i16::split(b));
    let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
    i32::join(std::array::from_fn(|i| product(2 * i).wrapping_add(product(2 * i + 1))))
}

/// PMADDUBSW: products of `a`'s unsigned and `b`'s signed bytes, summed in pairs to words, saturating.
#[inline]
pub fn pmaddubsw(a: u128, b: u128) -> u128 {
    let (a, b) = (u8::split(a), i8::split(b));
    let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
    i16::join(std::array::from_fn(|i| saturate_word(product(2 * i) + product(2 * i + 1))))
}

fn saturate_word(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// PSADBW: sum of the absolute differences of eight unsigned bytes, in each quadword.
#[inline]
pub fn psadbw(a: u128, b: u128) -> u128 {
    let (a, b) = (u8::split(a), u8::split(b));
    let sum = |half: usize| {
        let lanes = half * 8..half * 8 + 8;
        lanes.map(|i| u64::from(a[i].abs_diff(b[i]))).sum()
    };
    u64::join([sum(0), sum(1)])
}

/// MPSADBW: eight sums of four absolute differences. Bit 2 of `control` selects the first of eleven
/// bytes of `a` (0 or 4), along which the block of four bytes of `b` that bits 1:0 select is moved.
#[inline]
pub fn mpsadbw(a: u128, b: u128, control: u8) -> u128 {
    let (a, b) = (u8::split(a), u8::split(b));
    let from_a = usize::from(control >> 2 & 1) * 4;
    let from_b = usize::from(control & 3) * 4;
    u16::join(std::array::from_fn(|i| {
        (0..4).map(|k| u16::from(a[from_a + i + k].abs_diff(b[from_b + k]))).sum()
    }))
}

/// PHMINPOSUW: the smallest unsigned word in bits 15:0, the index of the first such in bits 18:16.
#[inline]
pub fn phminposuw(b: u128) -> u128 {
    let mut best = (u16::MAX, 0);
    for (i, word) in u16::split(b).into_iter().enumerate().rev() {
        if word <= best.0 {
            best = (word, i as u128);
        }
    }
    best.1 << 16 | u128::from(best.0)
}

/// Pairs of neighbours, those of `a` in the low half of the result and those of `b` in the high one.
#[inline(always)]
fn horizontal<T: Lane<N>, const N: usize>(a: u128, b: u128, f: impl Fn(T, T) -> T) -> u128 {
    let (a, b) = (T::split(a), T::split(b));
    T::join(std::array::from_fn(|i| {
        let (from, pair) = if i < N / 2 { (&a, i) } else { (&b, i - N / 2) };
        f(from[2 * pair], from[2 * pair + 1])
    }))
}

macro_rules! horizontals {
    ($($(#[$doc:meta])* $name:ident: $lane:ty, $f:expr;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(a: u128, b: u128) -> u128 {
            horizontal::<$lane, _>(a, b, $f)
        }
    )*};
}

horizontals! {
    /// PHADDW: sums of neighbouring words.
    phaddw: i16, i16::wrapping_add;
    /// PHADDD: sums of neighbouring doublewords.
    phaddd: i32, i32::wrapping_add;
    /// PHADDSW: sums of neighbouring signed words, saturating.
    phaddsw: i16, i16::saturating_add;
    /// PHSUBW: differences of neighbouring words, lower minus higher.
    phsubw: i16, i16::wrapping_sub;
    /// PHSUBD: differences of neighbouring doublewords, lower minus higher.
    phsubd: i32, i32::wrapping_sub;
    /// PHSUBSW: differences of neighbouring signed words, lower minus higher, saturating.
    phsubsw: i16, i16::saturating_sub;
}
