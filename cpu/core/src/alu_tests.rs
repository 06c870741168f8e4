use super::*;
use crate::bits::rflags;

fn flags_with(cf: bool) -> Flags {
    let mut f = Flags::default();
    f.set_cf(cf);
    f
}

/// Reference flags of an 8-bit result from wide arithmetic.
fn check8(f: &Flags, r: u8, cf: bool, of: bool, af: bool, what: &str) {
    assert_eq!(f.cf(), cf, "CF of {what}");
    assert_eq!(f.of(), of, "OF of {what}");
    assert_eq!(f.af(), af, "AF of {what}");
    assert_eq!(f.zf(), r == 0, "ZF of {what}");
    assert_eq!(f.sf(), r >= 0x80, "SF of {what}");
    assert_eq!(f.pf(), r.count_ones().is_multiple_of(2), "PF of {what}");
}

#[test]
fn eight_bit_additions_and_subtractions_match_wide_arithmetic() {
    for a in 0..=255u8 {
        for b in 0..=255u8 {
            for c in [false, true] {
                let (wa, wb, wc) = (i32::from(a), i32::from(b), i32::from(c));
                let (sa, sb) = (i32::from(a as i8), i32::from(b as i8));
                let out = |v: i32| !(-128..128).contains(&v);
                let (la, lb) = (wa & 15, wb & 15);

                let mut f = flags_with(c);
                let r = adc(&mut f, a, b);
                assert_eq!(i32::from(r), (wa + wb + wc) & 0xff);
                let of = out(sa + sb + wc);
                check8(&f, r, wa + wb + wc > 255, of, la + lb + wc > 15, &format!("{a}+{b}+{c}"));

                let mut f = flags_with(c);
                let r = sbb(&mut f, a, b);
                assert_eq!(i32::from(r), (wa - wb - wc) & 0xff);
                let of = out(sa - sb - wc);
                check8(&f, r, wa - wb - wc < 0, of, la - lb - wc < 0, &format!("{a}-{b}-{c}"));

                let mut f = flags_with(c);
                let r = add(&mut f, a, b);
                check8(&f, r, wa + wb > 255, out(sa + sb), la + lb > 15, &format!("{a}+{b}"));

                let mut f = flags_with(c);
                let r = sub(&mut f, a, b);
                check8(&f, r, wa < wb, out(sa - sb), la < lb, &format!("{a}-{b}"));
            }
        }
        for c in [false, true] {
            let mut f = flags_with(c);
            let r = inc(&mut f, a);
            assert_eq!(r, a.wrapping_add(1));
            check8(&f, r, c, a == 0x7f, a & 15 == 15, &format!("inc {a}"));
            let mut f = flags_with(c);
            let r = dec(&mut f, a);
            assert_eq!(r, a.wrapping_sub(1));
            check8(&f, r, c, a == 0x80, a & 15 == 0, &format!("dec {a}"));
        }
    }
}

/// One bit at a time, as the manual's pseudo-code has it.
#[test]
fn eight_bit_shifts_and_rotates_match_single_steps() {
    for a in 0..=255u8 {
        for count in 0..=255u8 {
            for c in [false, true] {
                let masked = count & 31;
                let step = |mut r: u8, mut cf: bool, times: u8, f: fn(&mut u8, &mut bool)| {
                    for _ in 0..times {
                        f(&mut r, &mut cf);
                    }
                    (r, cf)
                };
                type Step = fn(&mut u8, &mut bool);
                type Op = fn(&mut Flags, u8, u8) -> u8;
                let ops: [(&str, Op, Step); 7] = [
                    ("shl", shl::<u8>, |r, cf| (*cf, *r) = (*r >> 7 != 0, *r << 1)),
                    ("shr", shr::<u8>, |r, cf| (*cf, *r) = (*r & 1 != 0, *r >> 1)),
                    ("sar", sar::<u8>, |r, cf| (*cf, *r) = (*r & 1 != 0, ((*r as i8) >> 1) as u8)),
                    ("rol", rol::<u8>, |r, cf| {
                        *r = r.rotate_left(1);
                        *cf = *r & 1 != 0;
                    }),
                    ("ror", ror::<u8>, |r, cf| {
                        *r = r.rotate_right(1);
                        *cf = *r >> 7 != 0;
                    }),
                    ("rcl", rcl::<u8>, |r, cf| {
                        (*cf, *r) = (*r >> 7 != 0, (*r << 1) | u8::from(*cf))
                    }),
                    ("rcr", rcr::<u8>, |r, cf| {
                        (*cf, *r) = (*r & 1 != 0, (*r >> 1) | (u8::from(*cf) << 7))
                    }),
                ];
                for (name, op, single) in ops {
                    let mut f = flags_with(c);
                    let r = op(&mut f, a, count);
                    let (expected, cf) = step(a, c, masked, single);
                    assert_eq!((r, f.cf()), (expected, cf), "{name} {a:#x}, {count} with CF {c}");
                    if masked == 0 {
                        assert_eq!(f, flags_with(c));
                    }
                }
            }
        }
    }
}

#[test]
fn divisions_refuse_what_does_not_fit() {
    assert_eq!(div(0u8, 7, 0), None);
    assert_eq!(div(1u8, 0, 1), None);
    assert_eq!(div(1u64, 0, 2), Some((1 << 63, 0)));
    assert_eq!(div(5u64, 7, 6), Some((0xd555_5555_5555_5556, 3)));
    assert_eq!(idiv(0xffu8, 0x80, 0xff), None, "-128 / -1 is 128");
    assert_eq!(idiv(0xffu8, 0x80, 1), Some((0x80, 0)));
    assert_eq!(idiv(0x8000_0000u32, 0, u32::MAX), None);
    assert_eq!(idiv(1u64 << 63, 0, u64::MAX), None);
    assert_eq!(idiv(u64::MAX, 1 << 63, u64::MAX), None);
    assert_eq!(idiv(u64::MAX, (-7i64) as u64, 2), Some(((-3i64) as u64, (-1i64) as u64)));
    assert_eq!(idiv(1u64, 0, 4), Some((1 << 62, 0)));
    assert_eq!(idiv(0u64, 1, 0), None);
}

/// The decimal adjustments against decimal arithmetic, where they are defined for it.
#[test]
fn decimal_adjustments_give_decimal_digits() {
    let bcd = |n: u32| ((n / 10 % 10) << 4 | (n % 10)) as u8;
    for a in 0..100 {
        for b in 0..100 {
            let mut f = Flags::default();
            let al = add(&mut f, bcd(a), bcd(b));
            assert_eq!((daa(&mut f, al), f.cf()), (bcd(a + b), a + b > 99), "{a}+{b}");
            let mut f = Flags::default();
            let al = sub(&mut f, bcd(a), bcd(b));
            assert_eq!((das(&mut f, al), f.cf()), (bcd(100 + a - b), a < b), "{a}-{b}");
        }
    }
    let mut f = Flags::default();
    let al = add(&mut f, 8u8, 9);
    assert_eq!(aaa(&mut f, 0x0200 | u16::from(al)), 0x0307);
    let mut f = Flags::default();
    let al = sub(&mut f, 3u8, 5);
    assert_eq!(aas(&mut f, 0x0200 | u16::from(al)), 0x0108);
    assert_eq!(aam(&mut f, 63, 10), Some(0x0603));
    assert_eq!(aam(&mut f, 63, 0), None);
    assert_eq!(aad(&mut f, 0x0603, 10), 63);
}

#[test]
fn crc32_matches_the_published_check_value() {
    let crc = b"123456789".iter().fold(u32::MAX, |crc, byte| crc32(crc, *byte));
    assert_eq!(!crc, 0xe306_9283);
    let (a, b) = (0x1234_5678_9abc_def0_u64, 0x5555_5555);
    let bytes = a.to_le_bytes().iter().fold(b, |crc, byte| crc32(crc, *byte));
    assert_eq!(crc32(b, a), bytes);
}

/// The same operands on the processor that runs the test.
#[cfg(target_arch = "x86_64")]
mod host {
    use super::*;
    use std::arch::asm;

    const ALL: u64 = rflags::ARITHMETIC;
    const NO_AF: u64 = ALL & !rflags::AF;
    const CF_OF: u64 = rflags::CF | rflags::OF;
    const CF: u64 = rflags::CF;

    /// xorshift64*: enough for operands.
    struct Random(u64);
    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }
        /// Random bits, often few or at the edges.
        fn operand(&mut self) -> u64 {
            let v = self.next();
            match self.next() % 8 {
                0 => v & 0xff,
                1 => v | !0xffff,
                2 => [0, 1, u64::MAX, 1 << 63, 0x8000_0000, 0x8000, 0x80, 0x7f][(v & 7) as usize],
                3 => v as u32 as u64,
                _ => v,
            }
        }
    }

    macro_rules! host_fn {
        ($name:ident, $asm:expr) => {
            /// (a, b, count) and flags to (result, second, flags).
            fn $name(a: u64, b: u64, count: u8, flags: u64) -> (u64, u64, u64) {
                let (mut ra, mut rb, mut f) = (a, b, flags);
                // SAFETY: one arithmetic instruction on registers, and the arithmetic flags around it.
                unsafe {
                    asm!(
                        "push {f}", "popfq", $asm, "pushfq", "pop {f}",
                        f = inout(reg) f,
                        inout("rax") ra, inout("rdx") rb, inout("rcx") u64::from(count) => _,
                    );
                }
                (ra, rb, f & ALL)
            }
        };
    }

    type Host = fn(u64, u64, u8, u64) -> (u64, u64, u64);
    type Ours<T> = fn(&mut Flags, T, T, u8) -> (T, T);

    fn compare<T: Word + std::fmt::LowerHex>(
        name: &str,
        host: Host,
        ours: Ours<T>,
        defined: impl Fn(u8) -> u64,
    ) {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for round in 0..20_000 {
            let (a, b) = (T::truncate(random.operand()), T::truncate(random.operand()));
            let count = if round & 1 == 0 { random.next() as u8 } else { random.next() as u8 & 7 };
            let before = random.next() & ALL;
            let (hr, hs, hf) = host(a.zx(), b.zx(), count, before | 0x202);
            let mut f = Flags::from_rflags(before);
            let (r, s) = ours(&mut f, a, b, count);
            let what = format!("{name} {a:#x}, {b:#x}, count {count}, flags {before:#x}");
            assert_eq!((r.zx(), s.zx()), (T::truncate(hr).zx(), T::truncate(hs).zx()), "{what}");
            let mask = defined(count);
            let (of, hf) = (f.rflags() & mask, hf & mask);
            assert_eq!(of, hf, "{what}: differ in {:#x}", of ^ hf);
        }
    }

    macro_rules! two_operands {
        ($($op:ident),*) => {$(
            #[test]
            fn $op() {
                host_fn!(h8, concat!(stringify!($op), " al, dl"));
                host_fn!(h16, concat!(stringify!($op), " ax, dx"));
                host_fn!(h32, concat!(stringify!($op), " eax, edx"));
                host_fn!(h64, concat!(stringify!($op), " rax, rdx"));
                compare::<u8>("8", h8, |f, a, b, _| (super::super::$op(f, a, b), b), |_| ALL);
                compare::<u16>("16", h16, |f, a, b, _| (super::super::$op(f, a, b), b), |_| ALL);
                compare::<u32>("32", h32, |f, a, b, _| (super::super::$op(f, a, b), b), |_| ALL);
                compare::<u64>("64", h64, |f, a, b, _| (super::super::$op(f, a, b), b), |_| ALL);
            }
        )*};
    }
    two_operands!(add, adc, sub, sbb, and, or, xor);

    macro_rules! one_operand {
        ($($op:ident),*) => {$(
            #[test]
            fn $op() {
                host_fn!(h8, concat!(stringify!($op), " al"));
                host_fn!(h16, concat!(stringify!($op), " ax"));
                host_fn!(h32, concat!(stringify!($op), " eax"));
                host_fn!(h64, concat!(stringify!($op), " rax"));
                compare::<u8>("8", h8, |f, a, b, _| (super::super::$op(f, a), b), |_| ALL);
                compare::<u16>("16", h16, |f, a, b, _| (super::super::$op(f, a), b), |_| ALL);
                compare::<u32>("32", h32, |f, a, b, _| (super::super::$op(f, a), b), |_| ALL);
                compare::<u64>("64", h64, |f, a, b, _| (super::super::$op(f, a), b), |_| ALL);
            }
        )*};
    }
    one_operand!(inc, dec, neg);

    /// Flags that are the same on all processors: OF only for a count of one, AF only for none.
    fn shift_flags<T: Word>(count: u8) -> u64 {
        match u32::from(count) & T::COUNT_MASK {
            0 => ALL,
            1 => NO_AF,
            c if c > T::BITS => NO_AF & !CF_OF,
            _ => NO_AF & !rflags::OF,
        }
    }

    macro_rules! shifts {
        ($($op:ident: $flags:ident),*) => {$(
            #[test]
            fn $op() {
                host_fn!(h8, concat!(stringify!($op), " al, cl"));
                host_fn!(h16, concat!(stringify!($op), " ax, cl"));
                host_fn!(h32, concat!(stringify!($op), " eax, cl"));
                host_fn!(h64, concat!(stringify!($op), " rax, cl"));
                compare::<u8>("8", h8, |f, a, b, c| (super::super::$op(f, a, c), b), $flags::<u8>);
                compare::<u16>("16", h16, |f, a, b, c| (super::super::$op(f, a, c), b), $flags::<u16>);
                compare::<u32>("32", h32, |f, a, b, c| (super::super::$op(f, a, c), b), $flags::<u32>);
                compare::<u64>("64", h64, |f, a, b, c| (super::super::$op(f, a, c), b), $flags::<u64>);
            }
        )*};
    }
    /// Rotates leave SF, ZF, AF and PF alone.
    fn rotate_flags<T: Word>(count: u8) -> u64 {
        if u32::from(count) & T::COUNT_MASK > 1 { ALL & !rflags::OF } else { ALL }
    }
    shifts!(
        shl: shift_flags, shr: shift_flags, sar: shift_flags,
        rol: rotate_flags, ror: rotate_flags, rcl: rotate_flags, rcr: rotate_flags
    );

    macro_rules! double_shifts {
        ($($op:ident),*) => {$(
            #[test]
            fn $op() {
                // 16-bit counts above 16 are undefined, results included.
                host_fn!(h16, concat!("and cl, 15\n push {f}\n popfq\n", stringify!($op), " ax, dx, cl"));
                host_fn!(h32, concat!(stringify!($op), " eax, edx, cl"));
                host_fn!(h64, concat!(stringify!($op), " rax, rdx, cl"));
                compare::<u16>("16", h16, |f, a, b, c| (super::super::$op(f, a, b, c & 15), b),
                    |c| shift_flags::<u16>(c & 15));
                compare::<u32>("32", h32, |f, a, b, c| (super::super::$op(f, a, b, c), b), shift_flags::<u32>);
                compare::<u64>("64", h64, |f, a, b, c| (super::super::$op(f, a, b, c), b), shift_flags::<u64>);
            }
        )*};
    }
    double_shifts!(shld, shrd);

    macro_rules! multiplications {
        ($($op:ident),*) => {$(
            #[test]
            fn $op() {
                host_fn!(h8, concat!(stringify!($op), " dl\n mov dl, ah"));
                host_fn!(h16, concat!(stringify!($op), " dx"));
                host_fn!(h32, concat!(stringify!($op), " edx"));
                host_fn!(h64, concat!(stringify!($op), " rdx"));
                compare::<u8>("8", h8, |f, a, b, _| super::super::$op(f, a, b), |_| CF_OF);
                compare::<u16>("16", h16, |f, a, b, _| super::super::$op(f, a, b), |_| CF_OF);
                compare::<u32>("32", h32, |f, a, b, _| super::super::$op(f, a, b), |_| CF_OF);
                compare::<u64>("64", h64, |f, a, b, _| super::super::$op(f, a, b), |_| CF_OF);
            }
        )*};
    }
    multiplications!(mul, imul);

    #[test]
    fn divisions() {
        /// 128-bit dividends whose quotient fits; (quotient, remainder).
        fn host_div(high: u64, low: u64, divisor: u64) -> (u64, u64) {
            let (mut q, mut r) = (low, high);
            // SAFETY: the caller has seen to it that the quotient fits.
            unsafe { asm!("div {d}", d = in(reg) divisor, inout("rax") q, inout("rdx") r) };
            (q, r)
        }
        fn host_idiv(high: u64, low: u64, divisor: u64) -> (u64, u64) {
            let (mut q, mut r) = (low, high);
            // SAFETY: the caller has seen to it that the quotient fits.
            unsafe { asm!("idiv {d}", d = in(reg) divisor, inout("rax") q, inout("rdx") r) };
            (q, r)
        }
        let mut random = Random(0x1234_5678_9abc_def1);
        let mut fitting = 0;
        for _ in 0..100_000 {
            let (high, low, divisor) = (random.operand(), random.operand(), random.operand());
            if let Some(result) = div(high, low, divisor) {
                assert_eq!(
                    result,
                    host_div(high, low, divisor),
                    "{high:#x}:{low:#x} / {divisor:#x}"
                );
                fitting += 1;
            }
            // Small enough to fit.
            let high = ((high as i64) >> 40 & divisor as i64) as u64;
            if let Some(result) = idiv(high, low, divisor) {
                assert_eq!(
                    result,
                    host_idiv(high, low, divisor),
                    "{high:#x}:{low:#x} / {divisor:#x}"
                );
                fitting += 1;
            }
        }
        assert!(fitting > 50_000);
    }

    #[test]
    fn bit_tests_and_scans() {
        host_fn!(h_bt, "bt eax, edx");
        host_fn!(h_bts, "bts rax, rdx");
        host_fn!(h_btr, "btr ax, dx");
        host_fn!(h_btc, "btc eax, edx");
        host_fn!(h_bsf, "bsf rax, rdx");
        host_fn!(h_bsr, "bsr eax, edx");
        host_fn!(h_popcnt, "popcnt ax, dx");
        compare::<u32>("bt", h_bt, |f, a, b, _| (bt_value(f, a, b), b), |_| CF);
        compare::<u64>("bts", h_bts, |f, a, b, _| (bts(f, a, b as u32), b), |_| CF);
        compare::<u16>("btr", h_btr, |f, a, b, _| (btr(f, a, b.into()), b), |_| CF);
        compare::<u32>("btc", h_btc, |f, a, b, _| (btc(f, a, b), b), |_| CF);
        compare::<u64>("bsf", h_bsf, |f, a, b, _| (bsf(f, b).unwrap_or(a), b), |_| rflags::ZF);
        compare::<u32>("bsr", h_bsr, |f, a, b, _| (bsr(f, b).unwrap_or(a), b), |_| rflags::ZF);
        compare::<u16>("popcnt", h_popcnt, |f, _, b, _| (popcnt(f, b), b), |_| ALL);
    }

    fn bt_value(f: &mut Flags, a: u32, b: u32) -> u32 {
        bt(f, a, b);
        a
    }

    #[test]
    fn byte_swaps_and_checksums() {
        host_fn!(h_bswap32, "bswap eax");
        host_fn!(h_bswap64, "bswap rax");
        host_fn!(h_crc8, "crc32 eax, dl");
        host_fn!(h_crc32, "crc32 eax, edx");
        compare::<u32>("bswap", h_bswap32, |_, a, b, _| (bswap(a), b), |_| ALL);
        compare::<u64>("bswap", h_bswap64, |_, a, b, _| (bswap(a), b), |_| ALL);
        compare::<u32>("crc32", h_crc8, |_, a, b, _| (crc32(a, b as u8), b), |_| ALL);
        compare::<u32>("crc32", h_crc32, |_, a, b, _| (crc32(a, b), b), |_| ALL);
    }
}
