//! Integer operations against the host's.

use super::{Instruction, Random, Registers};
use crate::mxcsr::Mxcsr;
use crate::{arith, crypto, logic, mmx, shuffle, string};

const ROUNDS: usize = 2000;

fn registers(random: &mut Random) -> Registers {
    Registers {
        xmm: std::array::from_fn(|_| random.integer_register()),
        mm: std::array::from_fn(|_| random.integer_register() as u64),
        rax: random.next(),
        rcx: random.next(),
        rdx: random.next(),
        rflags: 0,
        mxcsr: Mxcsr::RESET.0,
    }
}

/// The ModRM byte for registers 0 and 1.
const MODRM: u8 = 0xc1;

type Binary = fn(u128, u128) -> u128;

/// `66 0F opcode` and `66 0F 38 opcode` on XMM0, XMM1.
fn check_xmm(name: &str, opcode: &[u8], ours: Binary) {
    let mut bytes = vec![0x66, 0x0f];
    bytes.extend(opcode);
    bytes.push(MODRM);
    let host = Instruction::new(&bytes);
    let mut random = Random::new(0x5eed);
    for _ in 0..ROUNDS {
        let before = registers(&mut random);
        let (a, b) = (before.xmm[0], before.xmm[1]);
        let after = host.run(before);
        assert_eq!(ours(a, b), after.xmm[0], "{name} {a:032x}, {b:032x}");
    }
}

/// The same without 66, on MM0, MM1.
fn check_mm(name: &str, opcode: &[u8], ours: impl Fn(u64, u64) -> u64) {
    let mut bytes = vec![0x0f];
    bytes.extend(opcode);
    bytes.push(MODRM);
    let host = Instruction::new(&bytes);
    let mut random = Random::new(0x5eed);
    for _ in 0..ROUNDS {
        let before = registers(&mut random);
        let (a, b) = (before.mm[0], before.mm[1]);
        let after = host.run(before);
        assert_eq!(ours(a, b), after.mm[0], "{name} {a:016x}, {b:016x}");
    }
}

macro_rules! both {
    ($($name:ident, $opcode:expr, $ours:expr;)*) => {$(
        #[test]
        fn $name() {
            check_xmm(stringify!($name), &$opcode, $ours);
            check_mm(stringify!($name), &$opcode, |a, b| $ours(a.into(), b.into()) as u64);
        }
    )*};
}

macro_rules! differing {
    ($($name:ident, $opcode:expr, $xmm:expr, $mm:expr;)*) => {$(
        #[test]
        fn $name() {
            check_xmm(stringify!($name), &$opcode, $xmm);
            check_mm(stringify!($name), &$opcode, $mm);
        }
    )*};
}

macro_rules! xmm_only {
    ($($name:ident, $opcode:expr, $ours:expr;)*) => {$(
        #[test]
        fn $name() {
            check_xmm(stringify!($name), &$opcode, $ours);
        }
    )*};
}

both! {
    paddb, [0xfc], arith::paddb;
    paddw, [0xfd], arith::paddw;
    paddd, [0xfe], arith::paddd;
    paddq, [0xd4], arith::paddq;
    paddsb, [0xec], arith::paddsb;
    paddsw, [0xed], arith::paddsw;
    paddusb, [0xdc], arith::paddusb;
    paddusw, [0xdd], arith::paddusw;
    psubb, [0xf8], arith::psubb;
    psubw, [0xf9], arith::psubw;
    psubd, [0xfa], arith::psubd;
    psubq, [0xfb], arith::psubq;
    psubsb, [0xe8], arith::psubsb;
    psubsw, [0xe9], arith::psubsw;
    psubusb, [0xd8], arith::psubusb;
    psubusw, [0xd9], arith::psubusw;
    pavgb, [0xe0], arith::pavgb;
    pavgw, [0xe3], arith::pavgw;
    pminub, [0xda], arith::pminub;
    pmaxub, [0xde], arith::pmaxub;
    pminsw, [0xea], arith::pminsw;
    pmaxsw, [0xee], arith::pmaxsw;
    pmullw, [0xd5], arith::pmullw;
    pmulhw, [0xe5], arith::pmulhw;
    pmulhuw, [0xe4], arith::pmulhuw;
    pmulhrsw, [0x38, 0x0b], arith::pmulhrsw;
    pmuludq, [0xf4], arith::pmuludq;
    pmaddwd, [0xf5], arith::pmaddwd;
    pmaddubsw, [0x38, 0x04], arith::pmaddubsw;
    psadbw, [0xf6], arith::psadbw;
    psignb, [0x38, 0x08], arith::psignb;
    psignw, [0x38, 0x09], arith::psignw;
    psignd, [0x38, 0x0a], arith::psignd;
    pabsb, [0x38, 0x1c], |_: u128, b| arith::pabsb(b);
    pabsw, [0x38, 0x1d], |_: u128, b| arith::pabsw(b);
    pabsd, [0x38, 0x1e], |_: u128, b| arith::pabsd(b);
    pand, [0xdb], logic::pand;
    pandn, [0xdf], logic::pandn;
    por, [0xeb], logic::por;
    pxor, [0xef], logic::pxor;
    pcmpeqb, [0x74], logic::pcmpeqb;
    pcmpeqw, [0x75], logic::pcmpeqw;
    pcmpeqd, [0x76], logic::pcmpeqd;
    pcmpgtb, [0x64], logic::pcmpgtb;
    pcmpgtw, [0x65], logic::pcmpgtw;
    pcmpgtd, [0x66], logic::pcmpgtd;
    punpcklbw, [0x60], shuffle::punpcklbw;
    punpcklwd, [0x61], shuffle::punpcklwd;
    punpckldq, [0x62], shuffle::punpckldq;
}

differing! {
    packsswb, [0x63], shuffle::packsswb, mmx::packsswb;
    packuswb, [0x67], shuffle::packuswb, mmx::packuswb;
    packssdw, [0x6b], shuffle::packssdw, mmx::packssdw;
    punpckhbw, [0x68], shuffle::punpckhbw, mmx::punpckhbw;
    punpckhwd, [0x69], shuffle::punpckhwd, mmx::punpckhwd;
    punpckhdq, [0x6a], shuffle::punpckhdq, mmx::punpckhdq;
    phaddw, [0x38, 0x01], arith::phaddw, mmx::phaddw;
    phaddd, [0x38, 0x02], arith::phaddd, mmx::phaddd;
    phaddsw, [0x38, 0x03], arith::phaddsw, mmx::phaddsw;
    phsubw, [0x38, 0x05], arith::phsubw, mmx::phsubw;
    phsubd, [0x38, 0x06], arith::phsubd, mmx::phsubd;
    phsubsw, [0x38, 0x07], arith::phsubsw, mmx::phsubsw;
    pshufb, [0x38, 0x00], shuffle::pshufb, mmx::pshufb;
}

xmm_only! {
    pminuw, [0x38, 0x3a], arith::pminuw;
    pminud, [0x38, 0x3b], arith::pminud;
    pminsb, [0x38, 0x38], arith::pminsb;
    pminsd, [0x38, 0x39], arith::pminsd;
    pmaxuw, [0x38, 0x3e], arith::pmaxuw;
    pmaxud, [0x38, 0x3f], arith::pmaxud;
    pmaxsb, [0x38, 0x3c], arith::pmaxsb;
    pmaxsd, [0x38, 0x3d], arith::pmaxsd;
    pmulld, [0x38, 0x40], arith::pmulld;
    pmuldq, [0x38, 0x28], arith::pmuldq;
    phminposuw, [0x38, 0x41], |_, b| arith::phminposuw(b);
    pcmpeqq, [0x38, 0x29], logic::pcmpeqq;
    pcmpgtq, [0x38, 0x37], logic::pcmpgtq;
    packusdw, [0x38, 0x2b], shuffle::packusdw;
    punpcklqdq, [0x6c], shuffle::punpcklqdq;
    punpckhqdq, [0x6d], shuffle::punpckhqdq;
    pmovsxbw, [0x38, 0x20], |_, b| shuffle::pmovsxbw(b);
    pmovsxbd, [0x38, 0x21], |_, b| shuffle::pmovsxbd(b);
    pmovsxbq, [0x38, 0x22], |_, b| shuffle::pmovsxbq(b);
    pmovsxwd, [0x38, 0x23], |_, b| shuffle::pmovsxwd(b);
    pmovsxwq, [0x38, 0x24], |_, b| shuffle::pmovsxwq(b);
    pmovsxdq, [0x38, 0x25], |_, b| shuffle::pmovsxdq(b);
    pmovzxbw, [0x38, 0x30], |_, b| shuffle::pmovzxbw(b);
    pmovzxbd, [0x38, 0x31], |_, b| shuffle::pmovzxbd(b);
    pmovzxbq, [0x38, 0x32], |_, b| shuffle::pmovzxbq(b);
    pmovzxwd, [0x38, 0x33], |_, b| shuffle::pmovzxwd(b);
    pmovzxwq, [0x38, 0x34], |_, b| shuffle::pmovzxwq(b);
    pmovzxdq, [0x38, 0x35], |_, b| shuffle::pmovzxdq(b);
    aesenc, [0x38, 0xdc], crypto::aesenc;
    aesenclast, [0x38, 0xdd], crypto::aesenclast;
    aesdec, [0x38, 0xde], crypto::aesdec;
    aesdeclast, [0x38, 0xdf], crypto::aesdeclast;
    aesimc, [0x38, 0xdb], |_, b| crypto::aesimc(b);
}

#[test]
fn moves_that_duplicate() {
    type Ours = fn(u128) -> u128;
    let table: [(u8, u8, Ours); 3] = [
        (0xf3, 0x12, shuffle::movsldup),
        (0xf3, 0x16, shuffle::movshdup),
        (0xf2, 0x12, shuffle::movddup),
    ];
    for (prefix, opcode, ours) in table {
        let host = Instruction::new(&[prefix, 0x0f, opcode, MODRM]);
        let mut random = Random::new(1);
        for _ in 0..100 {
            let before = registers(&mut random);
            assert_eq!(ours(before.xmm[1]), host.run(before).xmm[0]);
        }
    }
}

#[test]
fn shifts_by_a_register() {
    type Shift = fn(u128, u64) -> u128;
    let table: [(&str, u8, Shift); 8] = [
        ("psrlw", 0xd1, logic::psrlw),
        ("psrld", 0xd2, logic::psrld),
        ("psrlq", 0xd3, logic::psrlq),
        ("psraw", 0xe1, logic::psraw),
        ("psrad", 0xe2, logic::psrad),
        ("psllw", 0xf1, logic::psllw),
        ("pslld", 0xf2, logic::pslld),
        ("psllq", 0xf3, logic::psllq),
    ];
    for (name, opcode, ours) in table {
        let xmm = Instruction::new(&[0x66, 0x0f, opcode, MODRM]);
        let mm = Instruction::new(&[0x0f, opcode, MODRM]);
        let mut random = Random::new(2);
        for i in 0..1000 {
            let mut before = registers(&mut random);
            if i % 10 != 0 {
                let count = random.below(70);
                before.xmm[1] = before.xmm[1] >> 64 << 64 | u128::from(count);
                before.mm[1] = count;
            }
            let (a, count) = (before.xmm[0], before.xmm[1] as u64);
            assert_eq!(ours(a, count), xmm.run(before).xmm[0], "{name} {a:032x}, {count}");
            let (a, count) = (before.mm[0], before.mm[1]);
            assert_eq!(ours(a.into(), count) as u64, mm.run(before).mm[0], "{name} {a:x}, {count}");
        }
    }
}

/// Instructions on XMM0, XMM1 with an immediate byte, all 256 of them.
fn check_immediate(
    name: &str,
    bytes: &[u8],
    each: usize,
    ours: impl Fn(&Registers, u8) -> Registers,
) {
    let mut random = Random::new(3);
    for immediate in 0..=255 {
        let mut bytes = bytes.to_vec();
        bytes.push(immediate);
        let host = Instruction::new(&bytes);
        for _ in 0..each {
            let before = registers(&mut random);
            let mut after = host.run(before);
            let expected = ours(&before, immediate);
            after.rflags = expected.rflags;
            assert_eq!(expected, after, "{name} {immediate:#04x} {before:x?}");
        }
    }
}

#[test]
fn operations_on_xmm_with_an_immediate() {
    type Ours = fn(u128, u128, u8) -> u128;
    let table: [(&str, &[u8], Ours); 23] = [
        ("pshufd", &[0x66, 0x0f, 0x70, 0xc1], |_, b, i| shuffle::pshufd(b, i)),
        ("pshuflw", &[0xf2, 0x0f, 0x70, 0xc1], |_, b, i| shuffle::pshuflw(b, i)),
        ("pshufhw", &[0xf3, 0x0f, 0x70, 0xc1], |_, b, i| shuffle::pshufhw(b, i)),
        ("shufps", &[0x0f, 0xc6, 0xc1], shuffle::shufps),
        ("shufpd", &[0x66, 0x0f, 0xc6, 0xc1], shuffle::shufpd),
        ("palignr", &[0x66, 0x0f, 0x3a, 0x0f, 0xc1], shuffle::palignr),
        ("blendps", &[0x66, 0x0f, 0x3a, 0x0c, 0xc1], shuffle::blendps),
        ("blendpd", &[0x66, 0x0f, 0x3a, 0x0d, 0xc1], shuffle::blendpd),
        ("pblendw", &[0x66, 0x0f, 0x3a, 0x0e, 0xc1], shuffle::pblendw),
        ("mpsadbw", &[0x66, 0x0f, 0x3a, 0x42, 0xc1], arith::mpsadbw),
        ("insertps", &[0x66, 0x0f, 0x3a, 0x21, 0xc1], |a, b, i| {
            shuffle::insertps(a, shuffle::pextrd(b, i >> 6), i)
        }),
        ("aeskeygenassist", &[0x66, 0x0f, 0x3a, 0xdf, 0xc1], |_, b, i| {
            crypto::aeskeygenassist(b, i)
        }),
        ("pclmulqdq", &[0x66, 0x0f, 0x3a, 0x44, 0xc1], crypto::pclmulqdq),
        ("psllw", &[0x66, 0x0f, 0x71, 0xf0], |a, _, i| logic::psllw(a, i.into())),
        ("psrlw", &[0x66, 0x0f, 0x71, 0xd0], |a, _, i| logic::psrlw(a, i.into())),
        ("psraw", &[0x66, 0x0f, 0x71, 0xe0], |a, _, i| logic::psraw(a, i.into())),
        ("pslld", &[0x66, 0x0f, 0x72, 0xf0], |a, _, i| logic::pslld(a, i.into())),
        ("psrld", &[0x66, 0x0f, 0x72, 0xd0], |a, _, i| logic::psrld(a, i.into())),
        ("psrad", &[0x66, 0x0f, 0x72, 0xe0], |a, _, i| logic::psrad(a, i.into())),
        ("psllq", &[0x66, 0x0f, 0x73, 0xf0], |a, _, i| logic::psllq(a, i.into())),
        ("psrlq", &[0x66, 0x0f, 0x73, 0xd0], |a, _, i| logic::psrlq(a, i.into())),
        ("pslldq", &[0x66, 0x0f, 0x73, 0xf8], |a, _, i| logic::pslldq(a, i)),
        ("psrldq", &[0x66, 0x0f, 0x73, 0xd8], |a, _, i| logic::psrldq(a, i)),
    ];
    for (name, bytes, ours) in table {
        check_immediate(name, bytes, 20, |before, immediate| {
            let mut after = *before;
            after.xmm[0] = ours(before.xmm[0], before.xmm[1], immediate);
            after
        });
    }
}

#[test]
fn operations_on_mm_with_an_immediate() {
    check_immediate("pshufw", &[0x0f, 0x70, 0xc1], 20, |before, immediate| {
        let mut after = *before;
        after.mm[0] = shuffle::pshuflw(before.mm[1].into(), immediate) as u64;
        after
    });
    check_immediate("palignr", &[0x0f, 0x3a, 0x0f, 0xc1], 20, |before, immediate| {
        let mut after = *before;
        after.mm[0] = mmx::palignr(before.mm[0], before.mm[1], immediate);
        after
    });
}

#[test]
fn inserts_and_extracts() {
    type Ours = fn(&mut Registers, u8);
    let table: [(&str, &[u8], Ours); 10] = [
        ("pinsrb", &[0x66, 0x0f, 0x3a, 0x20, 0xc1], |r, i| {
            r.xmm[0] = shuffle::pinsrb(r.xmm[0], r.rcx as u8, i);
        }),
        ("pinsrw", &[0x66, 0x0f, 0xc4, 0xc1], |r, i| {
            r.xmm[0] = shuffle::pinsrw(r.xmm[0], r.rcx as u16, i);
        }),
        ("pinsrd", &[0x66, 0x0f, 0x3a, 0x22, 0xc1], |r, i| {
            r.xmm[0] = shuffle::pinsrd(r.xmm[0], r.rcx as u32, i);
        }),
        ("pinsrq", &[0x66, 0x48, 0x0f, 0x3a, 0x22, 0xc1], |r, i| {
            r.xmm[0] = shuffle::pinsrq(r.xmm[0], r.rcx, i);
        }),
        ("pinsrw mm", &[0x0f, 0xc4, 0xc1], |r, i| {
            r.mm[0] = mmx::pinsrw(r.mm[0], r.rcx as u16, i);
        }),
        ("pextrb", &[0x66, 0x0f, 0x3a, 0x14, 0xc1], |r, i| {
            r.rcx = shuffle::pextrb(r.xmm[0], i).into();
        }),
        ("pextrw", &[0x66, 0x0f, 0x3a, 0x15, 0xc1], |r, i| {
            r.rcx = shuffle::pextrw(r.xmm[0], i).into();
        }),
        ("pextrd", &[0x66, 0x0f, 0x3a, 0x16, 0xc1], |r, i| {
            r.rcx = shuffle::pextrd(r.xmm[0], i).into();
        }),
        ("pextrq", &[0x66, 0x48, 0x0f, 0x3a, 0x16, 0xc1], |r, i| {
            r.rcx = shuffle::pextrq(r.xmm[0], i);
        }),
        ("pextrw mm", &[0x0f, 0xc5, 0xc1], |r, i| {
            r.rax = mmx::pextrw(r.mm[1], i).into();
        }),
    ];
    for (name, bytes, ours) in table {
        check_immediate(name, bytes, 4, |before, immediate| {
            let mut after = *before;
            ours(&mut after, immediate);
            after
        });
    }
}

#[test]
fn sign_masks() {
    type Ours = fn(&Registers) -> u32;
    let table: [(&[u8], Ours); 4] = [
        (&[0x66, 0x0f, 0xd7, MODRM], |r| shuffle::pmovmskb(r.xmm[1])),
        (&[0x0f, 0xd7, MODRM], |r| shuffle::pmovmskb(r.mm[1].into())),
        (&[0x0f, 0x50, MODRM], |r| shuffle::movmskps(r.xmm[1])),
        (&[0x66, 0x0f, 0x50, MODRM], |r| shuffle::movmskpd(r.xmm[1])),
    ];
    for (bytes, ours) in table {
        let host = Instruction::new(bytes);
        let mut random = Random::new(4);
        for _ in 0..ROUNDS {
            let before = registers(&mut random);
            assert_eq!(u64::from(ours(&before)), host.run(before).rax);
        }
    }
}

#[test]
fn variable_blends() {
    type Ours = fn(u128, u128, u128) -> u128;
    let table: [(u8, Ours); 3] =
        [(0x10, shuffle::pblendvb), (0x14, shuffle::blendvps), (0x15, shuffle::blendvpd)];
    for (opcode, ours) in table {
        // XMM1, XMM2, and XMM0 as the mask.
        let host = Instruction::new(&[0x66, 0x0f, 0x38, opcode, 0xca]);
        let mut random = Random::new(5);
        for _ in 0..ROUNDS {
            let before = registers(&mut random);
            let [mask, a, b] = before.xmm;
            assert_eq!(ours(a, b, mask), host.run(before).xmm[1]);
        }
    }
}

const CF: u64 = 1 << 0;
const PF: u64 = 1 << 2;
const AF: u64 = 1 << 4;
const ZF: u64 = 1 << 6;
const SF: u64 = 1 << 7;
const OF: u64 = 1 << 11;
const ARITHMETIC: u64 = CF | PF | AF | ZF | SF | OF;

#[test]
fn ptest_sets_only_zf_and_cf() {
    let host = Instruction::new(&[0x66, 0x0f, 0x38, 0x17, MODRM]);
    let mut random = Random::new(6);
    for i in 0..ROUNDS {
        let mut before = registers(&mut random);
        match i % 3 {
            0 => before.xmm[1] &= !before.xmm[0],
            1 => before.xmm[1] &= before.xmm[0],
            _ => {}
        }
        let (zero, carry) = logic::ptest(before.xmm[0], before.xmm[1]);
        let flags = if zero { ZF } else { 0 } | if carry { CF } else { 0 };
        assert_eq!(flags, host.run(before).rflags & ARITHMETIC);
    }
}

/// Strings of few different characters, so that they match now and then, with a terminator somewhere.
fn string_registers(random: &mut Random, control: u8) -> Registers {
    let words = control & 1 != 0;
    let wild = random.below(3) == 0;
    let mut string = |alphabet: u64| {
        let mut register = 0_u128;
        let (count, width) = if words { (8, 16) } else { (16, 8) };
        let end = random.below(count * 3 / 2);
        for i in 0..count {
            let mut element = random.below(alphabet) + 1;
            if wild {
                element = random.next() & if words { 0xffff } else { 0xff };
            }
            if i == end {
                element = 0;
            }
            register |= u128::from(element) << (i * width);
        }
        register
    };
    let a = string(4);
    let b = string(5);
    let mut length = |count: u64| {
        let length = match random.below(8) {
            0 => random.next(),
            1 => u64::from(random.next() as u32) | 0xffff_ffff_8000_0000,
            _ => random.below(count + 3),
        };
        if random.below(2) == 0 { length } else { length.wrapping_neg() }
    };
    Registers {
        xmm: [a, b, 0],
        rax: length(if words { 8 } else { 16 }),
        rdx: length(if words { 8 } else { 16 }),
        mxcsr: Mxcsr::RESET.0,
        ..Registers::default()
    }
}

#[test]
fn string_comparisons_in_every_mode() {
    let mut random = Random::new(7);
    for control in 0..=255_u8 {
        // Opcode, explicit lengths, REX.W.
        for (opcode, is_explicit, is_wide) in [
            (0x60, true, false),
            (0x61, true, false),
            (0x60, true, true),
            (0x61, true, true),
            (0x62, false, false),
            (0x63, false, false),
        ] {
            let mut bytes = vec![0x66];
            if is_wide {
                bytes.push(0x48);
            }
            bytes.extend([0x0f, 0x3a, opcode, MODRM, control]);
            let host = Instruction::new(&bytes);
            for _ in 0..200 {
                let before = string_registers(&mut random, control);
                let after = host.run(before);
                let [a, b, _] = before.xmm;
                let length = |r: u64| if is_wide { r as i64 } else { i64::from(r as i32) };
                let ours = if is_explicit {
                    string::pcmpestr(a, length(before.rax), b, length(before.rdx), control)
                } else {
                    string::pcmpistr(a, b, control)
                };
                let flags =
                    [(ours.carry, CF), (ours.zero, ZF), (ours.sign, SF), (ours.overflow, OF)];
                let flags =
                    flags.iter().fold(0, |all, (set, flag)| if *set { all | flag } else { all });
                let context =
                    format!("{opcode:x} {control:#x} wide {is_wide} {before:x?} {after:x?}");
                assert_eq!(flags, after.rflags & ARITHMETIC, "{context}");
                if opcode & 1 != 0 {
                    assert_eq!(u64::from(ours.index()), after.rcx, "{context}");
                } else {
                    assert_eq!(ours.mask(), after.xmm[0], "{context}");
                }
            }
        }
    }
}
