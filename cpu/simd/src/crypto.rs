//! AES-NI (FIPS 197) and carry-less multiplication.

use crate::lanes::Lane;

/// Multiplication in AES' field GF(2^8), modulo x^8 + x^4 + x^3 + x + 1.
const fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

/// FIPS 197 section 5.1.1: the inverse in the field, then an affine map.
const S_BOX: [u8; 256] = {
    let mut table = [0; 256];
    let mut x = 0;
    while x < 256 {
        // The inverse is the 254th power; of zero, zero.
        let mut inverse = 1;
        let mut power = 0;
        while power < 254 {
            inverse = multiply(inverse, x as u8);
            power += 1;
        }
        table[x] = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4)
            ^ 0x63;
        x += 1;
    }
    table
};

const INVERSE_S_BOX: [u8; 256] = {
    let mut table = [0; 256];
    let mut x = 0;
    while x < 256 {
        table[S_BOX[x] as usize] = x as u8;
        x += 1;
    }
    table
};

/// A table of multiples, for the inverse column mix.
const fn multiples(factor: u8) -> [u8; 256] {
    let mut table = [0; 256];
    let mut x = 0;
    while x < 256 {
        table[x] = multiply(x as u8, factor);
        x += 1;
    }
    table
}

static TIMES_2: [u8; 256] = multiples(2);
static TIMES_9: [u8; 256] = multiples(9);
static TIMES_11: [u8; 256] = multiples(11);
static TIMES_13: [u8; 256] = multiples(13);
static TIMES_14: [u8; 256] = multiples(14);

fn sub_word(word: u32) -> u32 {
    u32::from_le_bytes(word.to_le_bytes().map(|byte| S_BOX[usize::from(byte)]))
}

/// ShiftRows and SubBytes: byte `row + 4 * column` comes from `row` columns further on.
fn shift_and_substitute(state: u128) -> u128 {
    let bytes = u8::split(state);
    u8::join(std::array::from_fn(|i| S_BOX[usize::from(bytes[(i + 4 * (i % 4)) % 16])]))
}

fn inverse_shift_and_substitute(state: u128) -> u128 {
    let bytes = u8::split(state);
    u8::join(std::array::from_fn(|i| INVERSE_S_BOX[usize::from(bytes[(i + 12 * (i % 4)) % 16])]))
}

fn mix_columns(state: u128) -> u128 {
    let s = u8::split(state);
    u8::join(std::array::from_fn(|i| {
        let at = |row: usize| usize::from(s[i / 4 * 4 + (i + row) % 4]);
        let (a, b) = (at(0), at(1));
        TIMES_2[a] ^ TIMES_2[b] ^ b as u8 ^ at(2) as u8 ^ at(3) as u8
    }))
}

/// AESIMC: the inverse column mix, for the round keys of the equivalent inverse cipher.
#[inline]
pub fn aesimc(b: u128) -> u128 {
    let s = u8::split(b);
    u8::join(std::array::from_fn(|i| {
        let at = |row: usize| usize::from(s[i / 4 * 4 + (i + row) % 4]);
        TIMES_14[at(0)] ^ TIMES_11[at(1)] ^ TIMES_13[at(2)] ^ TIMES_9[at(3)]
    }))
}

/// AESENC: one round of encryption of `a` with the round key `b`.
#[inline]
pub fn aesenc(a: u128, b: u128) -> u128 {
    mix_columns(shift_and_substitute(a)) ^ b
}

/// AESENCLAST: the last round of encryption.
#[inline]
pub fn aesenclast(a: u128, b: u128) -> u128 {
    shift_and_substitute(a) ^ b
}

/// AESDEC: one round of the equivalent inverse cipher.
#[inline]
pub fn aesdec(a: u128, b: u128) -> u128 {
    aesimc(inverse_shift_and_substitute(a)) ^ b
}

/// AESDECLAST: the last round of decryption.
#[inline]
pub fn aesdeclast(a: u128, b: u128) -> u128 {
    inverse_shift_and_substitute(a) ^ b
}

/// AESKEYGENASSIST: the parts of a key schedule's next word, with the round constant.
#[inline]
pub fn aeskeygenassist(b: u128, round_constant: u8) -> u128 {
    let b = u32::split(b);
    let (x1, x3) = (sub_word(b[1]), sub_word(b[3]));
    let constant = u32::from(round_constant);
    u32::join([x1, x1.rotate_right(8) ^ constant, x3, x3.rotate_right(8) ^ constant])
}

/// PCLMULQDQ: the product of polynomials over GF(2). Bit 0 of `select` picks `a`'s quadword, bit 4
/// `b`'s.
#[inline]
pub fn pclmulqdq(a: u128, b: u128, select: u8) -> u128 {
    let a = u128::from(u64::split(a)[usize::from(select & 1)]);
    let mut b = u64::split(b)[usize::from(select >> 4 & 1)];
    let mut product = 0;
    while b != 0 {
        product ^= a << b.trailing_zeros();
        b &= b - 1;
    }
    product
}
