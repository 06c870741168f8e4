//! Prefixes that should change nothing, and bytes that may be no instruction at all.

use crate::layout::DATA;
use crate::rng::Rng;

const SEGMENTS: [u8; 6] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const OPERAND_SIZE: u8 = 0x66;
const ADDRESS_SIZE: u8 = 0x67;
const LOCK: u8 = 0xf0;
const REPEAT: [u8; 2] = [0xf2, 0xf3];

fn prefix(rng: &mut Rng, bits: u32) -> u8 {
    match rng.below(24) {
        0 => LOCK,
        1..5 => OPERAND_SIZE,
        5..9 => ADDRESS_SIZE,
        9..13 => rng.pick(&REPEAT),
        // REX that does not stand right before the opcode has no effect.
        13..16 if bits == 64 => 0x40 + rng.below(16) as u8,
        _ => rng.pick(&SEGMENTS),
    }
}

/// Puts prefixes in front now and then: useless ones, the same ones again, ones that are not allowed, or
/// too many.
pub fn add_prefixes(rng: &mut Rng, bytes: &mut Vec<u8>, bits: u32) {
    let count = match rng.below(200) {
        0..24 => 1,
        24..32 => 2,
        32..36 => 3,
        // As long as can be, or one byte too long.
        36 => 15_usize.saturating_sub(bytes.len()),
        37 => 16_usize.saturating_sub(bytes.len()),
        _ => 0,
    };
    for _ in 0..count {
        let again = rng.chance(25) && is_prefix(bytes[0], bits);
        let prefix = if again { bytes[0] } else { prefix(rng, bits) };
        bytes.insert(0, prefix);
    }
}

fn is_prefix(byte: u8, bits: u32) -> bool {
    matches!(byte, OPERAND_SIZE | ADDRESS_SIZE | LOCK)
        || SEGMENTS.contains(&byte)
        || REPEAT.contains(&byte)
        || bits == 64 && byte >> 4 == 4
}

/// The prefixes of an instruction.
pub fn prefixes(bytes: &[u8], bits: u32) -> &[u8] {
    let count = bytes.iter().take_while(|b| is_prefix(**b, bits)).count();
    &bytes[..count]
}

/// Whether an instruction has an operand size prefix.
pub fn has_operand_size(bytes: &[u8], bits: u32) -> bool {
    prefixes(bytes, bits).contains(&OPERAND_SIZE)
}

/// Whether an instruction has a prefix that repeats.
pub fn has_repeat(bytes: &[u8], bits: u32) -> bool {
    prefixes(bytes, bits).iter().any(|b| REPEAT.contains(b))
}

/// Random bytes that look like an instruction, fifteen or a few more: opcodes of all maps, and
/// displacements that lead to memory.
pub fn random_bytes(rng: &mut Rng, bits: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let prefixes = rng.pick(&[0, 0, 0, 1, 1, 2, 4]);
    for _ in 0..prefixes {
        bytes.push(prefix(rng, bits));
    }
    if bits == 64 && rng.chance(30) {
        bytes.push(0x40 + rng.below(16) as u8);
    }
    match rng.below(10) {
        0..5 => {}
        5..8 => bytes.push(0x0f),
        8 => bytes.extend([0x0f, 0x38]),
        _ => bytes.extend([0x0f, 0x3a]),
    }
    bytes.push(rng.u64() as u8);
    let modrm = rng.u64() as u8;
    bytes.push(modrm);
    if modrm >> 6 != 3 && modrm & 7 == 4 {
        bytes.push(rng.u64() as u8);
    }
    match modrm >> 6 {
        0 | 2 if rng.chance(60) => {
            let base = if modrm >> 6 == 0 { DATA } else { 0 };
            bytes.extend(((base + rng.below(0x4000)) as u32).to_le_bytes());
        }
        1 => bytes.push(rng.u64() as u8),
        _ => {}
    }
    while bytes.len() < 15 {
        bytes.push(rng.u64() as u8);
    }
    bytes
}
