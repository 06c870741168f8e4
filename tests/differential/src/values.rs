//! Operands worth trying: the edges of each format, and random ones.

use crate::rng::Rng;

/// What a value is to be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers of any width.
    Int,
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// 80-bit floating point.
    F80,
    /// Packed decimal of the x87.
    Bcd,
}

/// An integer of up to 64 bits.
pub fn int(rng: &mut Rng) -> u64 {
    match rng.below(10) {
        0..3 => {
            let bit = 1_u64 << rng.pick(&[0, 3, 7, 8, 15, 16, 31, 32, 47, 62, 63]);
            let near = rng.pick(&[bit, bit.wrapping_sub(1), bit.wrapping_add(1), !bit]);
            if rng.chance(30) { near.wrapping_neg() } else { near }
        }
        3 => 0,
        4 => u64::MAX >> rng.pick(&[0, 32, 48, 56]),
        5 => rng.below(300),
        6 => (rng.below(300) as i64).wrapping_neg() as u64,
        // The same byte, or half of it, all over.
        7 => rng.pick(&[0x0101_0101_0101_0101, 0x1111_1111_1111_1111]) * rng.below(16),
        _ => rng.u64() >> rng.below(64),
    }
}

/// A 32-bit floating-point value.
pub fn f32_bits(rng: &mut Rng) -> u32 {
    let sign = (rng.below(2) as u32) << 31;
    let edge = sign
        | rng.pick(&[
            0,
            0x3f80_0000,
            1,
            0x007f_ffff,
            0x0080_0000,
            0x0080_0001,
            0x7f7f_ffff,
            0x7f80_0000,
            0x7fc0_0000,
            0x7f80_0001,
            0x7fbf_ffff,
            0x7fff_ffff,
            0x3f00_0000,
            0x3fc0_0000,
            0x4020_0000,
            0x4b00_0000,
            0x4f00_0000,
            0x5f00_0000,
            0x4eff_ffff,
        ]);
    match rng.below(8) {
        0..3 => edge,
        // Of ordinary size, with few or many bits.
        3..6 => {
            let fraction = rng.u64() as u32 & 0x007f_ffff;
            let fraction = if rng.chance(40) { fraction & 0x0078_0000 } else { fraction };
            sign | (110 + rng.below(40) as u32) << 23 | fraction
        }
        6 => sign | (rng.u64() as u32 & 0x00ff_ffff),
        _ => rng.u64() as u32,
    }
}

/// A 64-bit floating-point value.
pub fn f64_bits(rng: &mut Rng) -> u64 {
    let sign = rng.below(2) << 63;
    let edge = sign
        | rng.pick(&[
            0,
            0x3ff0_0000_0000_0000,
            1,
            0x000f_ffff_ffff_ffff,
            0x0010_0000_0000_0000,
            0x7fef_ffff_ffff_ffff,
            0x7ff0_0000_0000_0000,
            0x7ff8_0000_0000_0000,
            0x7ff0_0000_0000_0001,
            0x7ff7_ffff_ffff_ffff,
            0x7fff_ffff_ffff_ffff,
            0x3fe0_0000_0000_0000,
            0x3ff8_0000_0000_0000,
            0x4004_0000_0000_0000,
            0x41df_ffff_ffc0_0000,
            0x41e0_0000_0000_0000,
            0x41ef_ffff_ffe0_0000,
            0x43e0_0000_0000_0000,
            0x36a0_0000_0000_0000,
            0x380f_ffff_ffff_ffff,
            0x47ef_ffff_e000_0000,
            0x47ef_ffff_f000_0000,
        ]);
    match rng.below(8) {
        0..3 => edge,
        3..6 => {
            let fraction = rng.u64() & 0x000f_ffff_ffff_ffff;
            let fraction = if rng.chance(40) { fraction & 0x000f_f000_0000_0000 } else { fraction };
            sign | (990 + rng.below(70)) << 52 | fraction
        }
        // Where the results of single precision are denormal or overflow.
        6 => {
            let exponent = rng.pick(&[870_u64, 1150, 0, 2040]) + rng.below(8);
            sign | (exponent & 0x7ff) << 52 | rng.u64() & 0x000f_ffff_ffff_ffff
        }
        _ => rng.u64(),
    }
}

/// An 80-bit floating-point value: sign and exponent, significand.
pub fn f80(rng: &mut Rng) -> (u16, u64) {
    const ONE: u64 = 1 << 63;
    let sign = (rng.below(2) as u16) << 15;
    let (exponent, significand) = match rng.below(16) {
        0..5 => rng.pick(&[
            (0, 0),
            (0x3fff, ONE),
            (0, 1),
            (0, ONE - 1),
            (1, ONE),
            (0x7ffe, u64::MAX),
            (0x7fff, ONE),
            (0x7fff, 0xc000_0000_0000_0000),
            (0x7fff, 0xa000_0000_0000_0000),
            (0x3ffe, ONE),
            (0x3fff, 0xc000_0000_0000_0000),
            (0x4000, 0xc90f_daa2_2168_c235),
            (0x3ffe, 0xb504_f333_f9de_6484),
            (0x401d, u64::MAX),
            (0x403e, ONE),
            (0x401e, ONE),
        ]),
        // Pseudo-denormal, unnormal, pseudo-infinity, pseudo-NaN.
        5 => rng.pick(&[(0, ONE), (0, ONE + 1), (0x3fff, 1), (0x7fff, 0), (0x7fff, 1)]),
        // Integers.
        6 | 7 => {
            let value = rng.u64() >> rng.below(64) | 1;
            let shift = value.leading_zeros();
            (0x403e - shift as u16, value << shift)
        }
        8..12 => (0x3ff0 + rng.below(32) as u16, ONE | rng.u64()),
        // A value that double or single precision has exactly, or nearly.
        12 => (0x3ff0 + rng.below(32) as u16, ONE | rng.u64() & 0xffff_ff00_0000_0000),
        13 => (
            rng.pick(&[0x3c00, 0x3f80, 0x4080, 0x4400, 1, 0x7ff0]) + rng.below(14) as u16,
            ONE | rng.u64(),
        ),
        14 => (0, rng.u64() >> 1),
        _ => (rng.u64() as u16 & 0x7fff, ONE | rng.u64()),
    };
    (sign | exponent, significand)
}

/// `len` bytes of values of a kind, each of `element` bytes.
pub fn bytes(rng: &mut Rng, kind: Kind, element: usize, len: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(len + 16);
    // Equal elements now and then, so that comparisons find something.
    let mut last: Vec<u8> = Vec::new();
    while data.len() < len {
        if last.is_empty() || !rng.chance(15) {
            last = match kind {
                Kind::F32 => f32_bits(rng).to_le_bytes().to_vec(),
                Kind::F64 => f64_bits(rng).to_le_bytes().to_vec(),
                Kind::F80 => {
                    let (exponent, significand) = f80(rng);
                    let mut bytes = significand.to_le_bytes().to_vec();
                    bytes.extend(exponent.to_le_bytes());
                    bytes
                }
                Kind::Bcd => {
                    let mut bytes: Vec<u8> =
                        (0..9).map(|_| (rng.below(10) << 4 | rng.below(10)) as u8).collect();
                    let zeros = rng.below(10) as usize;
                    bytes[9 - zeros..].fill(0);
                    bytes.push((rng.below(2) << 7) as u8);
                    bytes
                }
                Kind::Int => int(rng).to_le_bytes()[..element.clamp(1, 8)].to_vec(),
            };
        }
        data.extend(&last);
    }
    data.truncate(len);
    data
}

/// An XMM register's value.
pub fn xmm(rng: &mut Rng, kind: Kind) -> u128 {
    let kind = if rng.chance(20) { rng.pick(&[Kind::Int, Kind::F32, Kind::F64]) } else { kind };
    let element = rng.pick(&[1, 2, 4, 8]);
    let mut value = [0; 16];
    value.copy_from_slice(&bytes(rng, kind, element, 16));
    u128::from_le_bytes(value)
}
