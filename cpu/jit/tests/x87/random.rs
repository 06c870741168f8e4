//! Random rows of instructions, in a loop that gives them other values each time.

use super::machine::Bits;
use super::numbers::Random;
use super::{DATA, compare};

/// Times round the loop, with values of their own.
const TURNS: usize = 48;
/// Bytes of values a turn: the control word, eight numbers of ten bytes from 16, of eight from 144, of
/// four from 208.
const VALUES: usize = 256;
/// Bytes that a turn writes: an FXSAVE image, then what instructions store.
const RESULTS: usize = 1024;
/// Where results are.
const OUTPUT: u32 = DATA + 0x4_0000;

impl Random {
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A number as it lies in a register.
fn extended(r: &mut Random, near: &mut u64) -> ([u8; 8], u16) {
    let sign = (r.below(2) as u16) << 15;
    let pair = |m: u64, e: u16| (m.to_le_bytes(), e);
    let normal = r.next() | 1 << 63;
    match r.below(40) {
        0 => pair(0, sign),
        1 => pair(1 << 63, sign | 0x7fff),
        2 => pair(normal, sign | 0x7fff),
        3 => pair(normal >> (1 + r.below(63)), sign),
        4 => pair(r.next(), r.next() as u16),
        5 => pair(normal, sign),
        6 => pair(u64::MAX << r.below(64), sign | (0x3fff + r.below(70) as u16)),
        7 => pair(normal, sign | (r.below(200) as u16 + if r.one_in(2) { 1 } else { 0x7f30 })),
        8 => pair(0, sign | (r.next() as u16 & 0x7fff)),
        // Close to the one before: cancellation.
        9..=12 => pair(*near ^ 1 << r.below(64) | 1 << 63, sign | (0x3ffe + r.below(3) as u16)),
        // Ties and their neighbours when rounded to 53 or 24 bits.
        13..=15 => {
            let kept = normal & !0x7ff;
            pair(kept | [0x400, 0x3ff, 0x401, 0x7ff, 1][r.below(5) as usize], sign | 0x3fff)
        }
        16..=17 => pair(normal & !0xff_ffff_ffff | 0x80_0000_0000, sign | 0x3fff),
        // Integers and halves.
        18..=22 => {
            let m = (r.below(1 << 20) | 1) << 43;
            let shift = m.leading_zeros();
            pair(m << shift, sign | (0x3fff + r.below(30) as u16))
        }
        23..=25 => pair(normal, sign | (0x3fb0 + r.below(0xa0) as u16)),
        _ => {
            *near = normal & (u64::MAX << (r.below(2) * 11));
            pair(*near, sign | (0x3ff8 + r.below(16) as u16))
        }
    }
}

fn double(r: &mut Random) -> u64 {
    let sign = r.below(2) << 63;
    match r.below(30) {
        0 => sign,
        1 => sign | 0x7ff << 52,
        2 => sign | 0x7ff << 52 | r.next() >> 12,
        3 => sign | r.next() >> (12 + r.below(50)),
        4 => r.next(),
        5 => sign | r.below(0x7ff) << 52 | r.next() >> 12,
        6..=9 => (r.below(200) as f64 - 100.0).to_bits(),
        _ => sign | (0x3f8 + r.below(16)) << 52 | r.next() >> 12 & !(r.below(2) * 0xf_ffff),
    }
}

fn single(r: &mut Random) -> u32 {
    let sign = (r.below(2) as u32) << 31;
    match r.below(20) {
        0 => sign,
        1 => sign | 0xff << 23,
        2 => sign | 0xff << 23 | (r.next() as u32) >> 9,
        3 => sign | (r.next() as u32) >> (9 + r.below(20)),
        4 => r.next() as u32,
        5 => r.below(100) as u32,
        _ => sign | (0x78 + r.below(16) as u32) << 23 | (r.next() as u32) >> 9,
    }
}

fn control(r: &mut Random) -> u16 {
    match r.below(20) {
        0 => 0x7f,
        1 => 0x17f,
        2..=4 => 0x37f | (r.below(4) as u16) << 10,
        5 => 0x7f | (r.below(16) as u16) << 8,
        6..=11 => 0x27f,
        _ => 0x37f,
    }
}

fn values(r: &mut Random, unmasked: bool) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..TURNS {
        let mut turn = vec![0; VALUES];
        let mut word = control(r);
        if unmasked {
            word &= !(r.below(64) as u16);
        }
        turn[..2].copy_from_slice(&word.to_le_bytes());
        turn[2..4].copy_from_slice(&control(r).to_le_bytes());
        let mut near = 1 << 63;
        for i in 0..8 {
            let (mantissa, rest) = extended(r, &mut near);
            let at = 16 + 16 * i;
            turn[at..at + 8].copy_from_slice(&mantissa);
            turn[at + 8..at + 10].copy_from_slice(&rest.to_le_bytes());
            turn[144 + 8 * i..152 + 8 * i].copy_from_slice(&double(r).to_le_bytes());
            turn[208 + 4 * i..212 + 4 * i].copy_from_slice(&single(r).to_le_bytes());
        }
        all.extend(turn);
    }
    all
}

struct Program {
    bytes: Vec<u8>,
    /// Registers in use, if nothing unusual happens.
    depth: i64,
    /// Where the next result goes.
    result: u32,
}

impl Program {
    /// An operand in memory: from the values at ESI, or to the results at EDI.
    fn memory(&mut self, r: &mut Random, escape: u8, reg: u8) {
        let bytes = match (escape, reg) {
            (0xdb, 5 | 7) | (0xdf, 4 | 6) => 10,
            (0xdc | 0xdd, _) | (0xdf, 5 | 7) => 8,
            (0xde | 0xdf, _) | (0xd9, 5 | 7) => 2,
            _ => 4,
        };
        let is_store = match escape {
            0xd9 => matches!(reg, 2 | 3 | 7),
            0xdb => matches!(reg, 1 | 2 | 3 | 7),
            0xdd => matches!(reg, 1 | 2 | 3 | 7),
            0xdf => matches!(reg, 1 | 2 | 3 | 6 | 7),
            _ => false,
        };
        let (base, offset) = if is_store {
            self.result += 16;
            (7, 512 + (self.result & 0xff))
        } else {
            let i = r.below(8) as u32;
            (
                6,
                match bytes {
                    _ if (escape, reg) == (0xd9, 5) => i & 2,
                    10 => 16 + 16 * i,
                    8 => 144 + 8 * i,
                    _ => 208 + 4 * i,
                },
            )
        };
        self.bytes.extend([escape, 0x80 | reg << 3 | base]);
        self.bytes.extend(offset.to_le_bytes());
    }

    fn store_ax(&mut self) {
        self.result += 16;
        self.bytes.extend([0x66, 0x89, 0x87]);
        self.bytes.extend((512 + (self.result & 0xff)).to_le_bytes());
    }

    /// One instruction, or some that belong together.
    fn step(&mut self, r: &mut Random) {
        let i = r.below(self.depth.clamp(1, 8) as u64) as u8;
        let n = r.below(64) as usize;
        let deep = if r.one_in(40) { !self.depth } else { self.depth };
        match r.below(100) {
            0..=13 if deep < 8 => {
                self.depth += 1;
                match r.below(9) {
                    0 => self.memory(r, 0xd9, 0),
                    1..=2 => self.memory(r, 0xdd, 0),
                    3 => self.memory(r, 0xdb, 5),
                    4 => self.memory(r, 0xdf, [0, 5][n % 2]),
                    5 => self.memory(r, 0xdb, 0),
                    6 => self.bytes.extend([0xd9, 0xe8 + r.below(7) as u8]),
                    _ => self.bytes.extend([0xd9, 0xc0 + i]),
                }
            }
            14..=24 if deep > 1 => {
                self.depth -= 1;
                match r.below(12) {
                    0 => self.memory(r, 0xd9, 3),
                    1..=2 => self.memory(r, 0xdd, 3),
                    3 => self.memory(r, 0xdb, 7),
                    4 => self.memory(r, 0xdf, [1, 3, 7][n % 3]),
                    5 => self.memory(r, 0xdb, [1, 3][n % 2]),
                    6 => self.memory(r, 0xdd, 1),
                    7..=9 => self.bytes.extend([0xdd, 0xd8 + i]),
                    _ => self.bytes.extend([
                        0xde,
                        [0xc0, 0xc8, 0xe0, 0xe8, 0xf0, 0xf8][r.below(6) as usize] + i,
                    ]),
                }
            }
            25..=29 => match r.below(4) {
                0 => self.memory(r, 0xd9, 2),
                1 => self.memory(r, 0xdd, 2),
                2 => self.memory(r, 0xdb, 2),
                _ => self.memory(r, 0xdf, 2),
            },
            30..=54 => {
                let op = [0, 1, 4, 5, 6, 7][r.below(6) as usize];
                match r.below(8) {
                    0..=2 => self.bytes.extend([0xd8, 0xc0 | op << 3 | i]),
                    3..=4 => self.bytes.extend([0xdc, 0xc0 | op << 3 | i]),
                    5 => self.memory(r, 0xd8, op),
                    6 => self.memory(r, 0xdc, op),
                    _ => self.memory(r, [0xda, 0xde][n % 2], op),
                }
            }
            55..=61 => self.bytes.extend([0xd9, 0xc8 + i]),
            62..=64 => self.bytes.extend([0xd9, 0xe0 + r.below(2) as u8]),
            65..=74 => {
                match r.below(10) {
                    0 => self.bytes.extend([0xd8, 0xd0 + i]),
                    1 => self.bytes.extend([0xdd, 0xe0 + i]),
                    2 => self.memory(r, [0xd8, 0xdc, 0xda, 0xde][n % 4], 2),
                    3 => self.bytes.extend([0xd9, 0xe4]),
                    4 if self.depth > 2 => {
                        self.depth -= 2;
                        self.bytes.extend([[0xde, 0xd9], [0xda, 0xe9]][r.below(2) as usize]);
                    }
                    5 if self.depth > 1 => {
                        self.depth -= 1;
                        self.bytes.extend([[0xd8, 0xd8], [0xdd, 0xe8]][r.below(2) as usize]);
                    }
                    n => {
                        let pops = n & 1 != 0 && self.depth > 1;
                        self.depth -= i64::from(pops);
                        self.bytes.push(if pops { 0xdf } else { 0xdb });
                        self.bytes.push([0xe8, 0xf0][r.below(2) as usize] + i);
                        // A conditional move, or a flag stored.
                        if r.one_in(2) {
                            let which = [0xda, 0xdb][r.below(2) as usize];
                            self.bytes.extend([which, 0xc0 + r.below(4) as u8 * 8 + i]);
                        } else {
                            self.bytes.extend([0x0f, 0x90 + r.below(16) as u8, 0xc0]);
                            self.store_ax();
                        }
                        return;
                    }
                }
                if r.one_in(2) {
                    self.bytes.extend([0xdf, 0xe0]);
                    self.store_ax();
                }
            }
            75..=78 => self.memory(r, 0xd9, 5),
            79 => self.memory(r, 0xd9, 7),
            80..=81 => {
                self.bytes.extend([0xdf, 0xe0]);
                self.store_ax();
            }
            82 => self.memory(r, 0xdd, 7),
            83..=85 => self.bytes.extend([0xd9, 0xfc]),
            86 => self.bytes.push(0x9b),
            87 => self.bytes.extend([0xd9, 0xd0]),
            88 => self.bytes.extend([0xd9, 0xfa]),
            89 => self.bytes.extend([0xd9, 0xe5]),
            90 => self.bytes.extend([0xdb, 0xe2]),
            91 if r.one_in(3) => self.bytes.extend([0xd9, 0xf6 + r.below(2) as u8]),
            92 if r.one_in(3) => self.bytes.extend([0xdd, 0xc0 + i]),
            93 => self.bytes.extend([0xdd, 0xd0 + i]),
            94 if r.one_in(4) => self.bytes.extend([0xdb, 0xe3]),
            // What the integer part does in between.
            95 => self.bytes.extend([0x01, 0xc1]),
            96 => self.bytes.extend([0x0f, 0x6f, 0xc1 + (i & 3)]),
            97 => self.bytes.extend([0xd9, 0xfd]),
            // CPUID, which the interpreter executes, would change too much; XGETBV faults; this not.
            98 => self.bytes.extend([0x9f]),
            _ => {}
        }
    }
}

fn program(bits: Bits, r: &mut Random, len: usize) -> Vec<u8> {
    let mut p = Program { bytes: Vec::new(), depth: 0, result: 0 };
    let immediate = |p: &mut Program, opcode: u8, value: u32| {
        p.bytes.push(opcode);
        p.bytes.extend(value.to_le_bytes());
    };
    immediate(&mut p, 0xbe, DATA);
    immediate(&mut p, 0xbf, OUTPUT);
    immediate(&mut p, 0xbb, TURNS as u32);
    let top = p.bytes.len();
    p.bytes.extend([0xdb, 0xe3, 0xd9, 0x2e]);
    let preloaded = r.below(7) as u8;
    for i in 0..preloaded {
        p.bytes.extend([0xdb, 0x6e, 16 + 16 * (i & 3)]);
    }
    p.depth = preloaded.into();
    for _ in 0..len {
        p.step(r);
    }
    // FXSAVE [edi]; ADD ESI, VALUES; ADD EDI, RESULTS; DEC EBX; JNZ top
    if bits == Bits::Long && r.one_in(2) {
        p.bytes.push(0x48);
    }
    p.bytes.extend([0x0f, 0xae, 0x07, 0x81, 0xc6]);
    p.bytes.extend((VALUES as u32).to_le_bytes());
    p.bytes.extend([0x81, 0xc7]);
    p.bytes.extend((RESULTS as u32).to_le_bytes());
    p.bytes.extend([0xff, 0xcb, 0x0f, 0x85]);
    let distance = top as i32 - (p.bytes.len() as i32 + 4);
    p.bytes.extend(distance.to_le_bytes());
    p.bytes.push(0xf4);
    p.bytes
}

#[test]
fn random_programs_end_as_with_the_interpreter() {
    let count = std::env::var("X87_PROGRAMS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let first = std::env::var("X87_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let (mut translated, mut assisted) = (0, 0);
    for seed in first..first + count {
        let mut r = Random((seed + 1_u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let bits = if seed % 3 == 0 { Bits::Flat } else { Bits::Long };
        let len = [1, 2, 4, 8, 30][seed as usize % 5];
        let code = program(bits, &mut r, len);
        let data = values(&mut r, seed % 7 == 0);
        let name = format!("seed {seed}, {bits:?}, {code:02x?}");
        let counts = compare(bits, &code, &data, &name);
        translated += counts.0;
        assisted += counts.1;
    }
    assert!(assisted < translated, "most is translated: {assisted} of {translated} assisted");
    println!("{assisted} of {translated} instructions assisted");
}
