//! Moving lanes about: shuffles, unpacks, packs, blends, inserts, extracts and widening moves.

use crate::lanes::Lane;

/// Lanes of `a` and `b` in turn, starting `N / 2 * half` lanes up.
#[inline(always)]
fn unpack<T: Lane<N>, const N: usize>(a: u128, b: u128, half: usize) -> u128 {
    let (a, b) = (T::split(a), T::split(b));
    T::join(std::array::from_fn(|i| {
        let lane = half * N / 2 + i / 2;
        if i % 2 == 0 { a[lane] } else { b[lane] }
    }))
}

macro_rules! unpacks {
    ($($(#[$doc:meta])* $name:ident: $lane:ty, $half:literal;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(a: u128, b: u128) -> u128 {
            unpack::<$lane, _>(a, b, $half)
        }
    )*};
}

unpacks! {
    /// PUNPCKLBW: low bytes interleaved.
    punpcklbw: u8, 0;
    /// PUNPCKLWD: low words interleaved.
    punpcklwd: u16, 0;
    /// PUNPCKLDQ, UNPCKLPS: low doublewords interleaved.
    punpckldq: u32, 0;
    /// PUNPCKLQDQ, UNPCKLPD, MOVLHPS: low quadwords interleaved.
    punpcklqdq: u64, 0;
    /// PUNPCKHBW: high bytes interleaved.
    punpckhbw: u8, 1;
    /// PUNPCKHWD: high words interleaved.
    punpckhwd: u16, 1;
    /// PUNPCKHDQ, UNPCKHPS: high doublewords interleaved.
    punpckhdq: u32, 1;
    /// PUNPCKHQDQ, UNPCKHPD: high quadwords interleaved.
    punpckhqdq: u64, 1;
}

/// Halves of the lanes: `a`'s in the low half of the result, `b`'s in the high half.
#[inline(always)]
fn pack<S: Lane<N>, T: Lane<M>, const N: usize, const M: usize>(
    a: u128,
    b: u128,
    narrow: impl Fn(S) -> T,
) -> u128 {
    let (a, b) = (S::split(a), S::split(b));
    T::join(std::array::from_fn(|i| narrow(if i < N { a[i] } else { b[i - N] })))
}

/// PACKSSWB: signed words to signed bytes, saturating.
#[inline]
pub fn packsswb(a: u128, b: u128) -> u128 {
    pack(a, b, |word: i16| word.clamp(i8::MIN.into(), i8::MAX.into()) as i8)
}

/// PACKUSWB: signed words to unsigned bytes, saturating.
#[inline]
pub fn packuswb(a: u128, b: u128) -> u128 {
    pack(a, b, |word: i16| word.clamp(0, u8::MAX.into()) as u8)
}

/// PACKSSDW: signed doublewords to signed words, saturating.
#[inline]
pub fn packssdw(a: u128, b: u128) -> u128 {
    pack(a, b, |double: i32| double.clamp(i16::MIN.into(), i16::MAX.into()) as i16)
}

/// PACKUSDW: signed doublewords to unsigned words, saturating.
#[inline]
pub fn packusdw(a: u128, b: u128) -> u128 {
    pack(a, b, |double: i32| double.clamp(0, u16::MAX.into()) as u16)
}

/// The lane number that the two bits of `order` for lane `i` name.
const fn pick(order: u8, i: usize) -> usize {
    (order >> (2 * i) & 3) as usize
}

/// PSHUFD: doublewords of `b`, two bits of `order` a lane.
#[inline]
pub fn pshufd(b: u128, order: u8) -> u128 {
    let b = u32::split(b);
    u32::join(std::array::from_fn(|i| b[pick(order, i)]))
}

/// PSHUFLW: the four low words of `b`; the high half stays. Its low half is PSHUFW.
#[inline]
pub fn pshuflw(b: u128, order: u8) -> u128 {
    let b = u16::split(b);
    u16::join(std::array::from_fn(|i| if i < 4 { b[pick(order, i)] } else { b[i] }))
}

/// PSHUFHW: the four high words of `b`; the low half stays.
#[inline]
pub fn pshufhw(b: u128, order: u8) -> u128 {
    let b = u16::split(b);
    u16::join(std::array::from_fn(|i| if i < 4 { b[i] } else { b[4 + pick(order, i - 4)] }))
}

/// SHUFPS: two lanes of `a`, then two of `b`.
#[inline]
pub fn shufps(a: u128, b: u128, order: u8) -> u128 {
    let (a, b) = (u32::split(a), u32::split(b));
    u32::join(std::array::from_fn(|i| if i < 2 { a[pick(order, i)] } else { b[pick(order, i)] }))
}

/// SHUFPD: the lane of `a` that bit 0 of `order` names, then that of `b` that bit 1 names.
#[inline]
pub fn shufpd(a: u128, b: u128, order: u8) -> u128 {
    let (a, b) = (u64::split(a), u64::split(b));
    u64::join([a[usize::from(order & 1)], b[usize::from(order >> 1 & 1)]])
}

/// PSHUFB: the bytes of `a` that the low four bits of `b`'s bytes name; zero where bit 7 is set.
#[inline]
pub fn pshufb(a: u128, b: u128) -> u128 {
    let a = u8::split(a);
    u8::join(u8::split(b).map(|i| if i & 0x80 != 0 { 0 } else { a[usize::from(i & 15)] }))
}

/// PALIGNR: 16 bytes of `a` above `b`, from byte `from` up.
#[inline]
pub fn palignr(a: u128, b: u128, from: u8) -> u128 {
    let bits = u32::from(from) * 8;
    match bits {
        0 => b,
        1..=127 => b >> bits | a << (128 - bits),
        128..=255 => a >> (bits - 128),
        _ => 0,
    }
}

/// MOVSLDUP: even single-precision lanes, each twice.
#[inline]
pub fn movsldup(b: u128) -> u128 {
    pshufd(b, 0b10_10_00_00)
}

/// MOVSHDUP: odd single-precision lanes, each twice.
#[inline]
pub fn movshdup(b: u128) -> u128 {
    pshufd(b, 0b11_11_01_01)
}

/// MOVDDUP: the low double-precision lane twice.
#[inline]
pub fn movddup(b: u128) -> u128 {
    punpcklqdq(b, b)
}

/// BLENDPS: lanes of `b` where `mask` has a bit.
#[inline]
pub fn blendps(a: u128, b: u128, mask: u8) -> u128 {
    blend::<u32, _>(a, b, mask)
}

/// BLENDPD: lanes of `b` where `mask` has a bit.
#[inline]
pub fn blendpd(a: u128, b: u128, mask: u8) -> u128 {
    blend::<u64, _>(a, b, mask)
}

/// PBLENDW: words of `b` where `mask` has a bit.
#[inline]
pub fn pblendw(a: u128, b: u128, mask: u8) -> u128 {
    blend::<u16, _>(a, b, mask)
}

#[inline(always)]
fn blend<T: Lane<N>, const N: usize>(a: u128, b: u128, mask: u8) -> u128 {
    let (a, b) = (T::split(a), T::split(b));
    T::join(std::array::from_fn(|i| if mask >> i & 1 != 0 { b[i] } else { a[i] }))
}

/// BLENDVPS: lanes of `b` where the sign in `mask` (XMM0) is set.
#[inline]
pub fn blendvps(a: u128, b: u128, mask: u128) -> u128 {
    select(a, b, crate::logic::psrad(mask, 31))
}

/// BLENDVPD: lanes of `b` where the sign in `mask` (XMM0) is set.
#[inline]
pub fn blendvpd(a: u128, b: u128, mask: u128) -> u128 {
    select(a, b, crate::logic::pcmpgtq(0, mask))
}

/// PBLENDVB: bytes of `b` where the sign in `mask` (XMM0) is set.
#[inline]
pub fn pblendvb(a: u128, b: u128, mask: u128) -> u128 {
    select(a, b, crate::logic::pcmpgtb(0, mask))
}

#[inline(always)]
fn select(a: u128, b: u128, mask: u128) -> u128 {
    a & !mask | b & mask
}

/// INSERTPS: `value` into lane bits 5:4 of `control`; then the lanes in bits 3:0 are cleared. Of a
/// register operand, bits 7:6 name the lane that is the value.
#[inline]
pub fn insertps(a: u128, value: u32, control: u8) -> u128 {
    let mut lanes = u32::split(a);
    lanes[usize::from(control >> 4 & 3)] = value;
    u32::join(std::array::from_fn(|i| if control >> i & 1 != 0 { 0 } else { lanes[i] }))
}

/// PINSRB: into byte bits 3:0 of `lane`.
#[inline]
pub fn pinsrb(a: u128, value: u8, lane: u8) -> u128 {
    insert(a, value, usize::from(lane & 15))
}

/// PINSRW: into word bits 2:0 of `lane`.
#[inline]
pub fn pinsrw(a: u128, value: u16, lane: u8) -> u128 {
    insert(a, value, usize::from(lane & 7))
}

/// PINSRD: into doubleword bits 1:0 of `lane`.
#[inline]
pub fn pinsrd(a: u128, value: u32, lane: u8) -> u128 {
    insert(a, value, usize::from(lane & 3))
}

/// PINSRQ: into quadword bit 0 of `lane`.
#[inline]
pub fn pinsrq(a: u128, value: u64, lane: u8) -> u128 {
    insert(a, value, usize::from(lane & 1))
}

#[inline(always)]
fn insert<T: Lane<N>, const N: usize>(a: u128, value: T, lane: usize) -> u128 {
    let mut lanes = T::split(a);
    lanes[lane] = value;
    T::join(lanes)
}

/// PEXTRB: byte bits 3:0 of `lane`.
#[inline]
pub fn pextrb(a: u128, lane: u8) -> u8 {
    u8::split(a)[usize::from(lane & 15)]
}

/// PEXTRW: word bits 2:0 of `lane`.
#[inline]
pub fn pextrw(a: u128, lane: u8) -> u16 {
    u16::split(a)[usize::from(lane & 7)]
}

/// PEXTRD, EXTRACTPS: doubleword bits 1:0 of `lane`.
#[inline]
pub fn pextrd(a: u128, lane: u8) -> u32 {
    u32::split(a)[usize::from(lane & 3)]
}

/// PEXTRQ: quadword bit 0 of `lane`.
#[inline]
pub fn pextrq(a: u128, lane: u8) -> u64 {
    u64::split(a)[usize::from(lane & 1)]
}

#[inline(always)]
fn sign_mask<T: Lane<N>, const N: usize>(a: u128, negative: impl Fn(T) -> bool) -> u32 {
    T::split(a)
        .into_iter()
        .enumerate()
        .fold(0, |mask, (i, lane)| mask | u32::from(negative(lane)) << i)
}

/// PMOVMSKB: the signs of the bytes. Of an MMX register, bits 7:0 count.
#[inline]
pub fn pmovmskb(a: u128) -> u32 {
    // The multiplication moves bit 7 of byte i to bit 56 + i; the sums have no carries.
    let signs = |half: u64| ((half & 0x8080_8080_8080_8080).wrapping_mul(0x2_0408_1020_4081)) >> 56;
    (signs(a as u64) | signs((a >> 64) as u64) << 8) as u32
}

/// MOVMSKPS: the signs of the single-precision lanes.
#[inline]
pub fn movmskps(a: u128) -> u32 {
    sign_mask(a, |lane: i32| lane < 0)
}

/// MOVMSKPD: the signs of the double-precision lanes.
#[inline]
pub fn movmskpd(a: u128) -> u32 {
    sign_mask(a, |lane: i64| lane < 0)
}

/// MASKMOVQ, MASKMOVDQU: memory with the bytes of `a` whose byte in `mask` has its sign set.
#[inline]
pub fn maskmov(memory: u128, a: u128, mask: u128) -> u128 {
    pblendvb(memory, a, mask)
}

#[inline(always)]
fn widen<S: Lane<N>, T: Lane<M>, const N: usize, const M: usize>(
    b: u128,
    f: impl Fn(S) -> T,
) -> u128 {
    let b = S::split(b);
    T::join(std::array::from_fn(|i| f(b[i])))
}

macro_rules! widening {
    ($($(#[$doc:meta])* $name:ident: $from:ty => $to:ty;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(b: u128) -> u128 {
            widen(b, <$to as From<$from>>::from)
        }
    )*};
}

widening! {
    /// PMOVSXBW: eight signed bytes to words.
    pmovsxbw: i8 => i16;
    /// PMOVSXBD: four signed bytes to doublewords.
    pmovsxbd: i8 => i32;
    /// PMOVSXBQ: two signed bytes to quadwords.
    pmovsxbq: i8 => i64;
    /// PMOVSXWD: four signed words to doublewords.
    pmovsxwd: i16 => i32;
    /// PMOVSXWQ: two signed words to quadwords.
    pmovsxwq: i16 => i64;
    /// PMOVSXDQ: two signed doublewords to quadwords.
    pmovsxdq: i32 => i64;
    /// PMOVZXBW: eight unsigned bytes to words.
    pmovzxbw: u8 => u16;
    /// PMOVZXBD: four unsigned bytes to doublewords.
    pmovzxbd: u8 => u32;
    /// PMOVZXBQ: two unsigned bytes to quadwords.
    pmovzxbq: u8 => u64;
    /// PMOVZXWD: four unsigned words to doublewords.
    pmovzxwd: u16 => u32;
    /// PMOVZXWQ: two unsigned words to quadwords.
    pmovzxwq: u16 => u64;
    /// PMOVZXDQ: two unsigned doublewords to quadwords.
    pmovzxdq: u32 => u64;
}
