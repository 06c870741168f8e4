//! PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM (SDM volume 2, section 4.1).

use crate::lanes::Lane;

/// What a comparison yields: the source of the index in ECX, the mask in XMM0, and the flags. AF and
/// PF are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringComparison {
    /// IntRes2, a bit an element of the second operand.
    pub bits: u16,
    /// The control byte.
    control: u8,
    /// CF: some bit of IntRes2 is set.
    pub carry: bool,
    /// ZF: the second operand ends within the register.
    pub zero: bool,
    /// SF: the first operand ends within the register.
    pub sign: bool,
    /// OF: bit 0 of IntRes2.
    pub overflow: bool,
}

const WORDS: u8 = 1 << 0;
const SIGNED: u8 = 1 << 1;
const AGGREGATION_SHIFT: u32 = 2;
const NEGATIVE: u8 = 1 << 4;
const MASKED: u8 = 1 << 5;
/// The last set bit instead of the first; an element mask instead of a bit mask.
const MOST_SIGNIFICANT: u8 = 1 << 6;

/// How element comparisons are aggregated: bits 3:2 of the control byte.
#[derive(Clone, Copy)]
enum Aggregation {
    EqualAny,
    Ranges,
    EqualEach,
    EqualOrdered,
}

impl Aggregation {
    fn of(control: u8) -> Self {
        match control >> AGGREGATION_SHIFT & 3 {
            0 => Self::EqualAny,
            1 => Self::Ranges,
            2 => Self::EqualEach,
            _ => Self::EqualOrdered,
        }
    }
}

/// Elements in a register: 16 bytes or 8 words.
const fn elements(control: u8) -> usize {
    if control & WORDS != 0 { 8 } else { 16 }
}

impl StringComparison {
    /// What PCMPxSTRI puts into ECX: the index of a set bit, or the number of elements.
    pub fn index(&self) -> u32 {
        match (self.bits, self.control & MOST_SIGNIFICANT != 0) {
            (0, _) => elements(self.control) as u32,
            (bits, true) => 15 - bits.leading_zeros(),
            (bits, false) => bits.trailing_zeros(),
        }
    }

    /// What PCMPxSTRM puts into XMM0: the bits, or an all-ones element for each.
    pub fn mask(&self) -> u128 {
        let set = |i: usize| self.bits >> i & 1 != 0;
        match (self.control & MOST_SIGNIFICANT != 0, self.control & WORDS != 0) {
            (false, _) => self.bits.into(),
            (true, false) => u8::join(std::array::from_fn(|i| if set(i) { u8::MAX } else { 0 })),
            (true, true) => u16::join(std::array::from_fn(|i| if set(i) { u16::MAX } else { 0 })),
        }
    }
}

/// PCMPISTRx: strings that end before their first zero element, if they have one.
pub fn pcmpistr(a: u128, b: u128, control: u8) -> StringComparison {
    let length = |register: u128| {
        let found = if control & WORDS != 0 {
            u16::split(register).into_iter().position(|element| element == 0)
        } else {
            u8::split(register).into_iter().position(|element| element == 0)
        };
        found.unwrap_or(elements(control))
    };
    compare(a, length(a), b, length(b), control)
}

/// PCMPESTRx: strings whose lengths are the magnitudes of `a_length` (EAX or RAX, sign extended) and
/// `b_length` (EDX or RDX), as far as the register reaches.
pub fn pcmpestr(a: u128, a_length: i64, b: u128, b_length: i64, control: u8) -> StringComparison {
    let length = |given: i64| given.unsigned_abs().min(elements(control) as u64) as usize;
    compare(a, length(a_length), b, length(b_length), control)
}

fn compare(a: u128, a_length: usize, b: u128, b_length: usize, control: u8) -> StringComparison {
    let n = elements(control);
    let matched = match (control & WORDS != 0, control & SIGNED != 0) {
        (false, false) => aggregate::<u8, 16>(a, a_length, b, b_length, control),
        (false, true) => aggregate::<i8, 16>(a, a_length, b, b_length, control),
        (true, false) => aggregate::<u16, 8>(a, a_length, b, b_length, control),
        (true, true) => aggregate::<i16, 8>(a, a_length, b, b_length, control),
    };
    let all = low_bits(n);
    let bits = match (control & NEGATIVE != 0, control & MASKED != 0) {
        (false, _) => matched,
        (true, false) => matched ^ all,
        (true, true) => matched ^ low_bits(b_length),
    };
    StringComparison {
        bits,
        control,
        carry: bits != 0,
        zero: b_length < n,
        sign: a_length < n,
        overflow: bits & 1 != 0,
    }
}

/// The `n` lowest bits, `n` at most 16.
fn low_bits(n: usize) -> u16 {
    ((1_u32 << n) - 1) as u16
}

/// IntRes1. Comparisons with elements past an end are false, but for EqualEach (past both ends: true)
/// and EqualOrdered (past `a`'s end: true).
fn aggregate<T: Lane<N> + Ord, const N: usize>(
    a: u128,
    a_length: usize,
    b: u128,
    b_length: usize,
    control: u8,
) -> u16 {
    let (a, b) = (T::split(a), T::split(b));
    let (set, string) = (&a[..a_length], &b[..b_length]);
    let bits = |range: std::ops::Range<usize>, matches: &dyn Fn(usize) -> bool| {
        range.fold(0, |bits, j| bits | u16::from(matches(j)) << j)
    };
    match Aggregation::of(control) {
        Aggregation::EqualAny => bits(0..b_length, &|j| set.contains(&string[j])),
        Aggregation::Ranges => bits(0..b_length, &|j| {
            set.chunks_exact(2).any(|range| (range[0]..=range[1]).contains(&string[j]))
        }),
        Aggregation::EqualEach => bits(0..N, &|j| match (set.get(j), string.get(j)) {
            (Some(a), Some(b)) => a == b,
            (None, None) => true,
            _ => false,
        }),
        Aggregation::EqualOrdered => bits(0..N, &|j| {
            // As much of the needle as the register leaves room for.
            let needle = &set[..a_length.min(N - j)];
            string.get(j..j + needle.len()) == Some(needle) || needle.is_empty()
        }),
    }
}
