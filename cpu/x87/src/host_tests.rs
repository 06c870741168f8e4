//! Every operation beside the host's own x87, with random and interesting operands, all roundings and
//! precisions, exceptions masked and not.

use std::arch::asm;

use crate::*;

/// What the host reports that is undefined or not ours to give: ES, SF, TOP, B.
const COMPARED: u16 = 0x3f | 0x200;
const CODES: u16 = 0x4500;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn mantissa(&mut self) -> u64 {
        let r = self.next();
        match self.below(8) {
            0 => 1 << 63,
            1 => u64::MAX,
            2 => 1 << 63 | 1,
            3 => r & !0x7ff | 1 << 63,
            4 => r & !0xff_ffff_ffff | 1 << 63,
            5 => r >> self.below(64),
            _ => r | 1 << 63,
        }
    }

    fn f80(&mut self) -> F80 {
        let exponent = match self.below(10) {
            0 => 0,
            1 => 0x7fff,
            2 => 1,
            3 => 0x7ffe,
            4 => (0x3fff - 140 + self.below(280)) as u16,
            5 => (self.next() & 0x7fff) as u16,
            6 => (0x3fff - 1040 + self.below(2080)) as u16,
            _ => (0x3fff - 4 + self.below(70)) as u16,
        };
        let mantissa = match self.below(24) {
            0 => 0,
            1 => 1 << 63,
            2 => 3 << 62,
            _ => self.mantissa(),
        };
        F80::new(self.next() & 1 != 0, exponent, mantissa)
    }

    fn control(&mut self) -> u16 {
        let rounding = self.below(4) << 10;
        let precision = [0, 2, 3][self.below(3) as usize] << 8;
        let masks = if self.below(3) == 0 { self.next() & 0x3f } else { 0x3f };
        (rounding | precision | masks) as u16
    }
}

/// Loads `b`, then `a` on top of it, executes, and gives back ST(0), the status word, and ST(1).
macro_rules! host {
    ($instruction:literal, $a:expr, $b:expr, $control:expr) => {{
        let (a, b) = ($a.to_bytes(), $b.to_bytes());
        let (mut top, mut below) = ([0u8; 10], [0u8; 10]);
        let control: u16 = $control;
        let restored: u16 = 0x37f;
        let status: u16;
        // SAFETY: the block leaves the x87 as FNINIT does and touches only the named buffers.
        unsafe {
            asm!(
                "fninit",
                "fld tbyte ptr [{b}]",
                "fld tbyte ptr [{a}]",
                "fnclex",
                "fldcw word ptr [{control}]",
                $instruction,
                "fnstsw ax",
                "fnclex",
                "fldcw word ptr [{restored}]",
                "fstp tbyte ptr [{top}]",
                "fstp tbyte ptr [{below}]",
                "fninit",
                a = in(reg) a.as_ptr(),
                b = in(reg) b.as_ptr(),
                top = in(reg) top.as_mut_ptr(),
                below = in(reg) below.as_mut_ptr(),
                control = in(reg) &raw const control,
                restored = in(reg) &raw const restored,
                out("ax") status,
                out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
            );
        }
        (F80::from_bytes(top), status, F80::from_bytes(below))
    }};
}

fn check(name: &str, mask: u16, ours: Outcome<F80>, a: F80, b: F80, cw: u16, host: (F80, u16)) {
    let control = Control(cw);
    let (written, reported) = ours.settle(control);
    let expected = written.unwrap_or(a);
    let ours = Outcome { value: expected, status: reported };
    let (value, status) = host;
    // C1 is undefined where no result was rounded.
    let mask = if ours.status.intersects(Status::PE) { mask } else { mask & !0x200 };
    assert!(
        value == expected && status & mask == ours.status.bits() & mask,
        "{name} a={a:x?} b={b:x?} control={cw:#x}:\n ours {expected:x?} {:?}\n host {value:x?} {:?}",
        ours.status,
        Status::from_bits_truncate(status),
    );
}

macro_rules! compare_with_host {
    ($test:ident, $instruction:literal, $mask:expr, $rounds:expr, |$a:ident, $b:ident, $c:ident| $ours:expr) => {
        #[test]
        fn $test() {
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            for _ in 0..$rounds {
                let ($a, $b, cw) = (random.f80(), random.f80(), random.control());
                let $c = Control(cw);
                let (value, status, _) = host!($instruction, $a, $b, cw);
                check($instruction, $mask, $ours, $a, $b, cw, (value, status));
            }
        }
    };
}

const ROUNDS: u32 = 200_000;

compare_with_host!(fadd, "fadd st(0), st(1)", COMPARED, ROUNDS, |a, b, c| add(a, b, c));
compare_with_host!(fsub, "fsub st(0), st(1)", COMPARED, ROUNDS, |a, b, c| sub(a, b, c));
compare_with_host!(fsubr, "fsubr st(0), st(1)", COMPARED, ROUNDS, |a, b, c| sub(b, a, c));
compare_with_host!(fmul, "fmul st(0), st(1)", COMPARED, ROUNDS, |a, b, c| mul(a, b, c));
compare_with_host!(fdiv, "fdiv st(0), st(1)", COMPARED, ROUNDS, |a, b, c| div(a, b, c));
compare_with_host!(fsqrt, "fsqrt", COMPARED, ROUNDS, |a, _b, c| sqrt(a, c));
compare_with_host!(frndint, "frndint", COMPARED, ROUNDS, |a, _b, c| round_to_integer(a, c));
compare_with_host!(fscale, "fscale", COMPARED, ROUNDS, |a, b, c| scale(a, b, c));

/// A partial remainder may be reduced by any 32 to 63 bits, so only finished ones are compared; the
/// partial ones are followed to their end.
fn follow(mut a: F80, b: F80, nearest: bool) -> Outcome<F80> {
    for _ in 0..1100 {
        let step = remainder(a, b, nearest, Control(0x37f));
        if !step.status.contains(Status::C2) {
            return step;
        }
        a = step.value;
    }
    panic!("the remainder of {a:x?} by {b:x?} does not end")
}

macro_rules! follow_on_host {
    ($instruction:literal, $a:expr, $b:expr) => {{
        let (mut value, mut status, _) = host!($instruction, $a, $b, 0x37f);
        while status & Status::C2.bits() != 0 {
            (value, status, _) = host!($instruction, value, $b, 0x37f);
        }
        (value, status)
    }};
}

#[test]
fn fprem_and_fprem1() {
    let mut random = Random(77);
    for _ in 0..100_000 {
        let (a, b) = (random.f80(), random.f80());
        // The last step alone reports its operands; flags of the steps before are sticky.
        let mask = CODES | 0x200 | Status::IE.bits();
        for nearest in [false, true] {
            let ours = follow(a, b, nearest);
            let (value, status) = if nearest {
                follow_on_host!("fprem1", a, b)
            } else {
                follow_on_host!("fprem", a, b)
            };
            let mask =
                if ours.status.contains(Status::IE) || ours.value.is_nan() { 1 } else { mask };
            let theirs = Status::from_bits_truncate(status & mask);
            assert!(
                value == ours.value && theirs.bits() == ours.status.bits() & mask,
                "nearest={nearest} a={a:x?} b={b:x?}: ours {ours:x?}, host {value:x?} {theirs:?}"
            );
        }
    }
}

#[test]
fn fxtract() {
    let mut random = Random(5);
    for _ in 0..ROUNDS {
        let a = random.f80();
        // The push needs a free register, which there is.
        let (significand, status, exponent) = host!("fxtract", a, F80::ZERO, 0x37f);
        let ours = extract(a);
        assert_eq!((ours.value.0, ours.value.1), (exponent, significand), "{a:x?}");
        assert_eq!(ours.status.bits() & 0x3f, status & 0x3f, "{a:x?}");
    }
}

#[test]
fn fcom_fucom_fxam() {
    let mut random = Random(6);
    for _ in 0..ROUNDS {
        let (a, mut b) = (random.f80(), random.f80());
        if random.below(8) == 0 {
            b = a.with_sign(random.below(2) != 0);
        }
        let mask = CODES | 0x3f;
        let (_, status, _) = host!("fcom st(1)", a, b, 0x37f);
        let ours = compare(a, b, false);
        assert_eq!(
            (ours.status | ours.value.condition_codes()).bits() & mask,
            status & mask,
            "{a:x?} {b:x?}"
        );
        let (_, status, _) = host!("fucom st(1)", a, b, 0x37f);
        let ours = compare(a, b, true);
        assert_eq!(
            (ours.status | ours.value.condition_codes()).bits() & mask,
            status & mask,
            "{a:x?} {b:x?}"
        );
        let (_, status, _) = host!("fxam", a, b, 0x37f);
        assert_eq!(examine(a).bits(), status & (CODES | 0x200), "{a:x?}");
    }
}

/// Executes a store into memory: what is there afterwards, and the status word.
macro_rules! host_store {
    ($instruction:literal, $a:expr, $control:expr, $ty:ty, $fill:expr) => {{
        let a = $a.to_bytes();
        let mut memory: $ty = $fill;
        let control: u16 = $control;
        let status: u16;
        // SAFETY: the block leaves the x87 as FNINIT does and touches only the named buffers.
        unsafe {
            asm!(
                "fninit",
                "fld tbyte ptr [{a}]",
                "fnclex",
                "fldcw word ptr [{control}]",
                $instruction,
                "fnstsw ax",
                "fninit",
                a = in(reg) a.as_ptr(),
                m = in(reg) &raw mut memory,
                control = in(reg) &raw const control,
                out("ax") status,
                out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
            );
        }
        (memory, status)
    }};
}

macro_rules! compare_store {
    ($test:ident, $instruction:literal, $ty:ty, $fill:expr, |$a:ident, $c:ident| $ours:expr) => {
        #[test]
        fn $test() {
            let mut random = Random(0x1234_5678_9abc_def1);
            for _ in 0..ROUNDS {
                let ($a, cw) = (random.f80(), random.control());
                let $c = Control(cw);
                let (memory, status) = host_store!($instruction, $a, cw, $ty, $fill);
                let ours: Outcome<$ty> = $ours;
                let stops =
                    ours.status.bits() & !cw & (Status::IE | Status::OE | Status::UE).bits() != 0;
                let expected = if stops { $fill } else { ours.value };
                let mut mask = 0x3f;
                if ours.status.contains(Status::PE) && !stops {
                    mask |= 0x200;
                }
                // When nothing is stored, whether it would have been exact is not told alike.
                if stops {
                    mask &= !Status::PE.bits();
                }
                assert!(
                    memory == expected && status & mask == ours.status.bits() & mask,
                    "{} {:x?} control={cw:#x}: ours {ours:x?}, host {memory:x?} {:?}",
                    $instruction,
                    $a,
                    Status::from_bits_truncate(status)
                );
            }
        }
    };
}

compare_store!(fst_m32, "fst dword ptr [{m}]", u32, 0xaaaa_aaaa, |a, c| to_f32(a, c));
compare_store!(fst_m64, "fst qword ptr [{m}]", u64, 0xaaaa_aaaa_aaaa_aaaa, |a, c| to_f64(a, c));
compare_store!(fist_m16, "fist word ptr [{m}]", i16, 0x55, |a, c| to_i16(a, c.rounding()));
compare_store!(fist_m32, "fist dword ptr [{m}]", i32, 0x55, |a, c| to_i32(a, c.rounding()));
compare_store!(fistp_m64, "fistp qword ptr [{m}]", i64, 0x55, |a, c| to_i64(a, c.rounding()));
compare_store!(fbstp, "fbstp tbyte ptr [{m}]", [u8; 10], [0x55; 10], |a, c| to_bcd(
    a,
    c.rounding()
));

#[test]
fn fld_of_every_format() {
    let mut random = Random(9);
    for _ in 0..ROUNDS {
        let bits = match random.below(3) {
            0 => random.next() & 0x800f_ffff_ffff_ffff,
            1 => random.next() | 0x7ff0_0000_0000_0000,
            _ => random.next(),
        };
        let single = (bits >> 32) as u32;
        let (value, status, _) =
            host!("fstp st(0)\nfld dword ptr [{a}]", Raw(single.into()), F80::ZERO, 0x37f);
        let ours = from_f32(single);
        assert_eq!((ours.value, ours.status.bits()), (value, status & 0x3f), "{single:#x}");
        let (value, status, _) =
            host!("fstp st(0)\nfld qword ptr [{a}]", Raw(bits), F80::ZERO, 0x37f);
        let ours = from_f64(bits);
        assert_eq!((ours.value, ours.status.bits()), (value, status & 0x3f), "{bits:#x}");
        let (value, ..) = host!("fstp st(0)\nfild qword ptr [{a}]", Raw(bits), F80::ZERO, 0x37f);
        assert_eq!(from_i64(bits as i64), value);
    }
}

/// Eight bytes in the place of an operand's ten; as a number, FLD takes any encoding.
struct Raw(u64);
impl Raw {
    fn to_bytes(&self) -> [u8; 10] {
        F80 { mantissa: self.0, sign_exponent: 0 }.to_bytes()
    }
}

#[test]
fn fbld_takes_what_fbstp_gives() {
    for value in [0, 1, -1, 999_999_999_999_999_999, -123_456_789_012_345_678] {
        let bytes = to_bcd(from_i64(value), Rounding::Nearest).value;
        assert_eq!(from_bcd(bytes), from_i64(value));
    }
}

/// Distance in units of the last place; both finite, of like sign and neighbouring exponents.
fn distance(a: F80, b: F80) -> u128 {
    let line = |v: F80| u128::from(v.exponent()) << 63 | u128::from(v.mantissa & !(1 << 63));
    line(a).abs_diff(line(b))
}

macro_rules! close_to_host {
    ($test:ident, $instruction:literal, $pick:expr, $ours:expr, $result:tt) => {
        #[test]
        fn $test() {
            let mut random = Random(0xdead_beef_cafe_f00d);
            for _ in 0..20_000 {
                let (a, b): (F80, F80) = $pick(&mut random);
                let host = host!($instruction, a, b, 0x37f);
                let value = host.$result;
                let ours: Outcome<F80> = $ours(a, b, Control(0x37f));
                if value.is_nan() || value.class() != Class::Normal {
                    let tiny = value.class() == Class::Denormal;
                    assert!(
                        value == ours.value || tiny && distance(value, ours.value) <= 1,
                        "{} a={a:x?} b={b:x?}: ours {ours:x?}, host {value:x?}",
                        $instruction
                    );
                    continue;
                }
                assert!(
                    value.is_negative() == ours.value.is_negative()
                        && distance(value, ours.value) <= 1,
                    "{} a={a:x?} b={b:x?}: ours {ours:x?}, host {value:x?}",
                    $instruction
                );
            }
        }
    };
}

/// A number between 2^low and 2^high.
fn between(random: &mut Random, low: i32, high: i32, positive: bool) -> F80 {
    let exponent = 16383 + low + random.below((high - low) as u64) as i32;
    let negative = !positive && random.below(2) != 0;
    F80::new(negative, exponent as u16, random.mantissa() | 1 << 63)
}

close_to_host!(
    f2xm1,
    "f2xm1",
    |r: &mut Random| (between(r, -70, 0, false), F80::ONE),
    |a, _, c| two_to_x_minus_1(a, c),
    0
);
close_to_host!(
    fyl2x,
    "fyl2x\nfld st(0)",
    |r: &mut Random| (between(r, -200, 200, true), between(r, -9, 9, false)),
    |a, b, c| y_log2_x(b, a, c),
    0
);
close_to_host!(
    fyl2xp1,
    "fyl2xp1\nfld st(0)",
    |r: &mut Random| (between(r, -80, -2, false), between(r, -9, 9, false)),
    |a, b, c| y_log2_x_plus_1(b, a, c),
    0
);
close_to_host!(
    fpatan,
    "fpatan\nfld st(0)",
    |r: &mut Random| (between(r, -50, 50, false), between(r, -50, 50, false)),
    |a, b, c| arctangent(b, a, c),
    0
);
close_to_host!(
    fsin,
    "fsin",
    |r: &mut Random| (between(r, -40, 1, false), F80::ONE),
    |a, _, c| sine(a, c),
    0
);
close_to_host!(
    fcos,
    "fcos",
    |r: &mut Random| (between(r, -40, 0, false), F80::ONE),
    |a, _, c| cosine(a, c),
    0
);
close_to_host!(
    fptan,
    "fptan\nfstp st(0)\n",
    |r: &mut Random| (between(r, -40, 0, false), F80::ONE),
    |a, _, c| tangent(a, c),
    0
);

#[test]
fn tangents_of_tiny_angles_are_the_angle_and_a_little_more() {
    for mantissa in [1 << 63, 0xc90f_daa2_2168_c235] {
        let angle = F80::new(false, 1, mantissa);
        let more = F80::new(false, 1, mantissa + 1);
        for (control, expected) in [(0x37f, angle), (0x77f, angle), (0xb7f, more), (0xf7f, angle)] {
            let ours = tangent(angle, Control(control));
            assert_eq!((ours.value, ours.status & Status::UE), (expected, Status::empty()));
        }
    }
}

#[test]
fn angles_out_of_range_are_left_alone() {
    let big = F80::new(false, 16383 + 63, 1 << 63);
    for ours in
        [sine(big, Control(0x37f)), cosine(big, Control(0x37f)), tangent(big, Control(0x37f))]
    {
        assert_eq!((ours.value, ours.status), (big, Status::C2));
    }
}

#[test]
fn special_operands_of_the_transcendental_functions() {
    let special = [
        F80::ZERO,
        F80::zero(true),
        F80::ONE,
        F80::ONE.with_sign(true),
        F80::infinity(false),
        F80::infinity(true),
        F80::INDEFINITE,
        F80::new(false, 0x7fff, 0xa000_0000_0000_0000),
        F80::new(false, 16384, 1 << 63),
    ];
    for a in special {
        for b in special {
            let c = Control(0x37f);
            for (name, ours, host) in [
                ("fyl2x", y_log2_x(b, a, c), host!("fyl2x\nfld st(0)", a, b, 0x37f)),
                ("fpatan", arctangent(b, a, c), host!("fpatan\nfld st(0)", a, b, 0x37f)),
            ] {
                let mask = Status::IE.bits() | Status::ZE.bits();
                let theirs = Status::from_bits_truncate(host.1 & mask);
                assert_eq!(
                    (ours.value, ours.status & Status::from_bits_truncate(mask)),
                    (host.0, theirs),
                    "{name} x={a:x?} y={b:x?}"
                );
            }
        }
    }
}
