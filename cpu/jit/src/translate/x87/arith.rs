//! Functions of x87 arithmetic, which modules have that need them.
//!
//! Numbers are a significand (i64) and sign with exponent as they lie in memory (i32). What a function
//! does not deal with, it tells by a negative i32: denormals, infinities, NaNs, results out of range.
//! Otherwise bits 31:16 of the second result are what to set in the status word: PE, and C1.

use wasm_encoder::{Function, ValType};

use crate::code::{Code, Hint, Label, Temp};

/// What there is, in the order of the functions' indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Routine {
    /// `(i64, i32, i64, i32, i64 drop) -> (i64, i32)`: the sum. `drop` is how many bits a register has
    /// more than results, 0 or 11.
    Add,
    /// The product; types as above.
    Mul,
    /// The quotient; types as above.
    Div,
    /// `(i64, i32, i64, i32, i64) -> (i64, i32)`: 0 if the first is greater, 1 if it is less, 2 if they
    /// are equal; the i64 mean nothing.
    Compare,
    /// `(i64, i32, i64, i32, i64 rounding) -> (i64, i32)`: an integer of 62 bits at most, by rounding
    /// control. The second number means nothing.
    ToInteger,
}

/// All of them.
pub const ROUTINES: [Routine; 5] =
    [Routine::Add, Routine::Mul, Routine::Div, Routine::Compare, Routine::ToInteger];

/// Parameters of all of them.
pub const PARAMETERS: [ValType; 5] =
    [ValType::I64, ValType::I32, ValType::I64, ValType::I32, ValType::I64];
/// Results of all of them.
pub const RESULTS: [ValType; 2] = [ValType::I64, ValType::I32];

/// Where the flags of the second result are.
pub const STATUS_SHIFT: u32 = 16;

const PE: i32 = 1 << (5 + STATUS_SHIFT);
const C1: i32 = 1 << (9 + STATUS_SHIFT);
const HALF: i64 = i64::MIN;
const BIAS: i32 = 16383;
const SIGN: i32 = 0x8000;
const EXPONENT: i32 = 0x7fff;
/// Exponents from here on are dealt with …
const LEAST: i32 = 0x3000;
/// … up to so many more.
const RANGE: i32 = 0x2000;

/// The parameters.
const AM: u32 = 0;
const AE: u32 = 1;
const BM: u32 = 2;
const BE: u32 = 3;
const EXTRA: u32 = 4;

/// A routine's function and hints.
pub fn function(routine: Routine) -> (Function, Vec<wasm_encoder::BranchHint>) {
    let mut code = Code::new(PARAMETERS.len() as u32);
    let cold = code.block();
    match routine {
        Routine::Add => add(&mut code, cold),
        Routine::Mul => mul(&mut code, cold),
        Routine::Div => div(&mut code, cold),
        Routine::Compare => compare(&mut code, cold),
        Routine::ToInteger => to_integer(&mut code, cold),
    }
    code.end();
    code.op().i64_const(0).i32_const(-1);
    code.finish()
}

/// Stands in for a routine that a module does not need.
pub fn nothing() -> Function {
    let mut function = Function::new([]);
    function.instructions().unreachable().end();
    function
}

/// Pushes whether not both operands are normal numbers of middling size.
fn push_unusual(code: &mut Code) {
    let mut op = code.op();
    for (at, e) in [AE, BE].into_iter().enumerate() {
        op.local_get(e).i32_const(EXPONENT).i32_and().i32_const(LEAST).i32_sub();
        if at == 1 {
            op.i32_or();
        }
    }
    op.i32_const(RANGE).i32_ge_u();
    op.local_get(AM).local_get(BM).i64_and().i64_const(0).i64_ge_s().i32_or();
}

/// Pushes whether a number is not a zero: 0 or 1. One without any bit in its mantissa may be none too.
fn push_not_zero(code: &mut Code, m: u32, e: u32) {
    code.op().local_get(e).i32_const(EXPONENT).i32_and().i64_extend_i32_u();
    code.op().local_get(m).i64_or().i64_const(0).i64_ne();
}

/// Pushes whether a number is not a normal one of middling size.
fn push_not_middling(code: &mut Code, m: u32, e: u32) {
    code.op().local_get(e).i32_const(EXPONENT).i32_and().i32_const(LEAST).i32_sub();
    code.op().i32_const(RANGE).i32_ge_u();
    code.op().local_get(m).i64_const(0).i64_ge_s().i32_or();
}

/// A number before rounding: `hi` with bit 63 set, `lo` what follows it, `e` with the sign.
struct Wide {
    hi: Temp,
    lo: Temp,
    e: Temp,
}

impl Wide {
    fn new(code: &mut Code) -> Self {
        let hi = code.temp(ValType::I64);
        let lo = code.temp(ValType::I64);
        Self { hi, lo, e: code.temp(ValType::I32) }
    }
}

/// Rounds to nearest and returns it.
fn return_rounded(code: &mut Code, wide: &Wide) {
    let (hi, lo, e) = (wide.hi.index, wide.lo.index, wide.e.index);
    let up = code.temp(ValType::I64);
    let up = up.index;
    code.op().local_get(EXTRA).i64_eqz().i32_eqz();
    code.if_(Hint::None);
    // To 53 bits: what is dropped goes in front of `lo`.
    code.op().local_get(lo).i64_const(0).i64_ne().i64_extend_i32_u();
    code.op().local_get(hi).i64_const(53).i64_shl().i64_or().local_set(lo);
    code.op().local_get(hi).i64_const(!0x7ff).i64_and().local_set(hi);
    code.end();
    // Up if more than a half is dropped, or a half from an odd number.
    code.op().local_get(lo).i64_const(HALF);
    code.op().local_get(hi).local_get(EXTRA).i64_shr_u().i64_const(1).i64_and();
    code.op().i64_sub().i64_gt_u().i64_extend_i32_u().local_set(up);
    code.op().local_get(up).local_get(EXTRA).i64_shl().local_get(hi).i64_add();
    code.op().local_tee(hi).i64_eqz();
    code.if_(Hint::Unlikely);
    code.op().i64_const(HALF).local_set(hi);
    code.op().local_get(e).i32_const(1).i32_add().local_set(e);
    code.end();
    code.op().local_get(hi).local_get(e);
    code.op().local_get(lo).i64_const(0).i64_ne().i32_const(PE.trailing_zeros() as i32).i32_shl();
    code.op().i32_or();
    code.op().local_get(up).i32_wrap_i64().i32_const(C1.trailing_zeros() as i32).i32_shl();
    code.op().i32_or().return_();
}

fn mul(code: &mut Code, cold: Label) {
    push_unusual(code);
    code.if_(Hint::Unlikely);
    // Zero, if one is and the other is finite.
    for (m, e) in [(AM, AE), (BM, BE)] {
        push_not_zero(code, m, e);
        push_not_middling(code, m, e);
        code.op().i32_and();
    }
    code.op().i32_or();
    code.br_if(Hint::None, cold);
    push_not_zero(code, AM, AE);
    push_not_zero(code, BM, BE);
    code.op().i32_and();
    code.br_if(Hint::None, cold);
    code.op().i64_const(0).local_get(AE).local_get(BE).i32_xor();
    code.op().i32_const(SIGN).i32_and().return_();
    code.end();
    let wide = Wide::new(code);
    let (hi, lo, e) = (wide.hi.index, wide.lo.index, wide.e.index);
    let [x, y, low, high] = [(); 4].map(|()| code.temp(ValType::I64).index);
    const LOW: i64 = 0xffff_ffff;
    let mut op = code.op();
    // With x and y the lower halves, `low` and `high` the upper ones:
    op.local_get(AM).i64_const(LOW).i64_and().local_set(x);
    op.local_get(BM).i64_const(LOW).i64_and().local_set(y);
    op.local_get(AM).i64_const(32).i64_shr_u().local_set(low);
    op.local_get(BM).i64_const(32).i64_shr_u().local_set(high);
    // hi = aH × bH, lo = aL × bL, x = aH × bL, y = aL × bH
    op.local_get(low).local_get(high).i64_mul().local_set(hi);
    op.local_get(x).local_get(y).i64_mul().local_set(lo);
    op.local_get(low).local_get(y).i64_mul();
    op.local_get(x).local_get(high).i64_mul().local_set(y);
    op.local_get(lo).i64_const(32).i64_shr_u().i64_add().local_set(x);
    op.local_get(x).i64_const(LOW).i64_and().local_get(y).i64_add().local_set(y);
    op.local_get(hi).local_get(x).i64_const(32).i64_shr_u().i64_add();
    op.local_get(y).i64_const(32).i64_shr_u().i64_add().local_set(hi);
    op.local_get(y).i64_const(32).i64_shl();
    op.local_get(lo).i64_const(LOW).i64_and().i64_or().local_set(lo);
    // x: whether it is below 2, so that it is shifted by one.
    op.local_get(hi).i64_const(63).i64_shr_u().i64_const(1).i64_xor().local_set(x);
    op.local_get(AE).local_get(BE).i32_xor().i32_const(SIGN).i32_and();
    op.local_get(AE).i32_const(EXPONENT).i32_and();
    op.local_get(BE).i32_const(EXPONENT).i32_and().i32_add();
    op.local_get(x).i32_wrap_i64().i32_const(BIAS - 1).i32_add().i32_sub();
    op.i32_or().local_set(e);
    op.local_get(hi).local_get(x).i64_shl();
    op.local_get(lo).i64_const(63).i64_shr_u().local_get(x).i64_and().i64_or().local_set(hi);
    op.local_get(lo).local_get(x).i64_shl().local_set(lo);
    return_rounded(code, &wide);
}

fn add(code: &mut Code, cold: Label) {
    push_unusual(code);
    code.if_(Hint::Unlikely);
    for (m, e) in [(AM, AE), (BM, BE)] {
        push_not_zero(code, m, e);
        push_not_middling(code, m, e);
        code.op().i32_and();
    }
    code.op().i32_or();
    code.br_if(Hint::None, cold);
    // One at least is zero. Both: negative if both are.
    code.op().local_get(AM).local_get(BM).i64_or().i64_eqz();
    code.if_(Hint::None);
    code.op().i64_const(0).local_get(AE).local_get(BE).i32_and();
    code.op().return_();
    code.end();
    code.end();
    let wide = Wide::new(code);
    let (hi, lo, e) = (wide.hi.index, wide.lo.index, wide.e.index);
    let [m, by] = [(); 2].map(|()| code.temp(ValType::I64).index);
    let [x, y] = [(); 2].map(|()| code.temp(ValType::I32).index);
    let mut op = code.op();
    op.local_get(AE).i32_const(EXPONENT).i32_and().local_set(x);
    op.local_get(BE).i32_const(EXPONENT).i32_and().local_set(y);
    op.local_get(x).local_get(y).i32_lt_u();
    op.local_get(x).local_get(y).i32_eq().local_get(AM).local_get(BM).i64_lt_u().i32_and();
    op.i32_or();
    code.if_(Hint::None);
    // The larger one first.
    let mut op = code.op();
    op.local_get(AM).local_get(BM).local_set(AM).local_set(BM);
    op.local_get(AE).local_get(BE).local_set(AE).local_set(BE);
    op.local_get(x).local_get(y).local_set(x).local_set(y);
    code.end();
    let mut op = code.op();
    op.local_get(x).local_get(y).i32_sub().i64_extend_i32_u().local_set(by);
    op.local_get(AE).local_set(e);
    // The smaller one, shifted: m and lo.
    op.local_get(by).i64_const(64).i64_lt_u();
    code.if_(Hint::None);
    let mut op = code.op();
    op.local_get(BM).local_get(by).i64_shr_u().local_set(m);
    op.local_get(BM).i64_const(1).i64_shl().i64_const(63).local_get(by).i64_sub().i64_shl();
    op.local_set(lo);
    code.else_();
    let mut op = code.op();
    op.i64_const(0).local_set(m);
    // By 64 or 65 places what falls out counts bit by bit.
    op.local_get(BM).local_get(by).i64_const(1).i64_and().i64_shr_u();
    op.local_get(BM).local_get(by).i64_and().i64_const(1).i64_and().i64_or();
    op.local_get(BM).i64_const(0).i64_ne().i64_extend_i32_u();
    op.local_get(by).i64_const(66).i64_lt_u().select().local_set(lo);
    code.end();
    code.op().local_get(AE).local_get(BE).i32_xor().i32_const(SIGN).i32_and().i32_eqz();
    code.if_(Hint::None);
    // The sum, and its carry in `by`.
    let mut op = code.op();
    op.local_get(AM).local_get(m).i64_add().local_tee(hi);
    op.local_get(AM).i64_lt_u().i64_extend_i32_u().local_set(by);
    op.local_get(lo).local_get(by).i64_shr_u().local_get(lo).local_get(by).i64_and().i64_or();
    op.local_get(hi).local_get(by).i64_and().i64_const(63).i64_shl().i64_or().local_set(lo);
    op.local_get(hi).local_get(by).i64_shr_u();
    op.local_get(by).i64_const(63).i64_shl().i64_or().local_set(hi);
    op.local_get(e).local_get(by).i32_wrap_i64().i32_add().local_set(e);
    code.else_();
    let mut op = code.op();
    op.local_get(AM).local_get(m).i64_sub();
    op.local_get(lo).i64_const(0).i64_ne().i64_extend_i32_u().i64_sub().local_set(hi);
    op.i64_const(0).local_get(lo).i64_sub().local_set(lo);
    op.local_get(hi).i64_eqz();
    code.if_(Hint::Unlikely);
    // All of it is in `lo`, if anything is left.
    code.op().local_get(lo).i64_eqz();
    code.if_(Hint::None);
    code.op().i64_const(0).i32_const(0).return_();
    code.end();
    let mut op = code.op();
    op.local_get(lo).local_set(hi).i64_const(0).local_set(lo);
    op.local_get(e).i32_const(64).i32_sub().local_set(e);
    code.end();
    let mut op = code.op();
    op.local_get(hi).i64_clz().local_set(by);
    op.local_get(hi).local_get(by).i64_shl();
    op.local_get(lo).i64_const(1).i64_shr_u().i64_const(63).local_get(by).i64_sub().i64_shr_u();
    op.i64_or().local_set(hi);
    op.local_get(lo).local_get(by).i64_shl().local_set(lo);
    op.local_get(e).local_get(by).i32_wrap_i64().i32_sub().local_set(e);
    code.end();
    return_rounded(code, &wide);
}

fn div(code: &mut Code, cold: Label) {
    push_unusual(code);
    code.if_(Hint::Unlikely);
    // Zero by a number.
    push_not_zero(code, AM, AE);
    push_not_middling(code, BM, BE);
    code.op().i32_or();
    code.br_if(Hint::None, cold);
    code.op().i64_const(0).local_get(AE).local_get(BE).i32_xor();
    code.op().i32_const(SIGN).i32_and().return_();
    code.end();
    let wide = Wide::new(code);
    let (hi, lo, e) = (wide.hi.index, wide.lo.index, wide.e.index);
    let [next, d1, d0, q] = [(); 4].map(|()| code.temp(ValType::I64).index);
    const LOW: i64 = 0xffff_ffff;
    let mut op = code.op();
    op.local_get(AE).local_get(BE).i32_xor().i32_const(SIGN).i32_and();
    op.local_get(AE).i32_const(EXPONENT).i32_and();
    op.local_get(BE).i32_const(EXPONENT).i32_and().i32_sub();
    op.i32_const(BIAS).i32_add();
    op.local_get(AM).local_get(BM).i64_lt_u().i32_sub();
    op.i32_or().local_set(e);
    op.local_get(BM).i64_const(32).i64_shr_u().local_set(d1);
    op.local_get(BM).i64_const(LOW).i64_and().local_set(d0);
    // The dividend is `AM` and then `next`, and less than the divisor times 2^64.
    op.i64_const(0).local_set(next);
    op.local_get(AM).local_get(BM).i64_ge_u();
    code.if_(Hint::None);
    let mut op = code.op();
    op.local_get(AM).i64_const(63).i64_shl().local_set(next);
    op.local_get(AM).i64_const(1).i64_shr_u().local_set(AM);
    code.end();
    code.op().i64_const(0).local_set(hi);
    // Two digits of 32 bits (Knuth, The Art of Computer Programming, 4.3.1, algorithm D).
    for shift in [0, 32] {
        let mut op = code.op();
        op.local_get(AM).local_get(d1).i64_div_u().local_tee(q);
        op.local_get(d1).i64_mul().local_set(lo);
        op.local_get(AM).local_get(lo).i64_sub().local_set(lo);
        // The estimate is too large by two at most; `lo` is its remainder.
        let again = code.looped();
        let mut op = code.op();
        op.local_get(q).i64_const(LOW).i64_gt_u();
        op.local_get(q).local_get(d0).i64_mul();
        op.local_get(lo).i64_const(32).i64_shl();
        op.local_get(next).i64_const(32).i64_shr_u().i64_or().i64_gt_u().i32_or();
        code.if_(Hint::Unlikely);
        let mut op = code.op();
        op.local_get(q).i64_const(1).i64_sub().local_set(q);
        op.local_get(lo).local_get(d1).i64_add().local_tee(lo);
        op.i64_const(LOW).i64_le_u();
        code.br_if(Hint::None, again);
        code.end();
        code.end();
        let mut op = code.op();
        op.local_get(AM).i64_const(32).i64_shl();
        op.local_get(next).i64_const(32).i64_shr_u().i64_or();
        op.local_get(q).local_get(BM).i64_mul().i64_sub().local_set(AM);
        op.local_get(next).i64_const(32).i64_shl().local_set(next);
        op.local_get(hi).i64_const(shift).i64_shl().local_get(q).i64_or().local_set(hi);
    }
    let mut op = code.op();
    // The remainder against half of the divisor.
    op.local_get(BM).local_get(AM).i64_sub().local_set(q);
    op.local_get(AM).local_get(q).i64_ge_u().i64_extend_i32_u().i64_const(63).i64_shl();
    op.local_get(AM).i64_eqz().local_get(AM).local_get(q).i64_eq().i32_or();
    op.i32_eqz().i64_extend_i32_u().i64_or().local_set(lo);
    return_rounded(code, &wide);
}

/// Pushes whether a number is neither normal nor zero.
fn push_special(code: &mut Code, m: u32, e: u32) {
    code.op().local_get(e).i32_const(EXPONENT).i32_and().i32_const(1).i32_sub();
    code.op().i32_const(EXPONENT - 1).i32_ge_u();
    code.op().local_get(m).i64_const(0).i64_ge_s().i32_or();
    push_not_zero(code, m, e);
    code.op().i32_and();
}

fn compare(code: &mut Code, cold: Label) {
    push_unusual(code);
    code.if_(Hint::None);
    push_special(code, AM, AE);
    push_special(code, BM, BE);
    code.op().i32_or();
    code.br_if(Hint::Unlikely, cold);
    code.op().local_get(AM).local_get(BM).i64_or().i64_eqz();
    code.if_(Hint::None);
    code.op().i64_const(0).i32_const(2).return_();
    code.end();
    code.end();
    let mut op = code.op();
    op.local_get(AE).local_get(BE).i32_xor().i32_const(SIGN).i32_and();
    code.if_(Hint::None);
    let mut op = code.op();
    op.i64_const(0).local_get(AE).i32_const(15).i32_shr_u().i32_const(1).i32_and().return_();
    code.end();
    let mut op = code.op();
    op.local_get(AE).local_get(BE).i32_eq();
    code.if_(Hint::None);
    let mut op = code.op();
    op.i64_const(0).i32_const(2);
    op.local_get(AM).local_get(BM).i64_lt_u();
    op.local_get(AE).i32_const(15).i32_shr_u().i32_xor();
    op.local_get(AM).local_get(BM).i64_eq().select().return_();
    code.end();
    // Exponents with the same sign compare as they are.
    let mut op = code.op();
    op.i64_const(0).local_get(AE).local_get(BE).i32_lt_u();
    op.local_get(AE).i32_const(15).i32_shr_u().i32_xor().return_();
}

fn to_integer(code: &mut Code, cold: Label) {
    let [value, rest] = [(); 2].map(|()| code.temp(ValType::I64).index);
    let by = code.temp(ValType::I64).index;
    let up = code.temp(ValType::I64).index;
    push_not_zero(code, AM, AE);
    code.op().i32_eqz();
    code.if_(Hint::Unlikely);
    code.op().i64_const(0).i32_const(0).return_();
    code.end();
    let mut op = code.op();
    // Normal, and below 2^62.
    op.local_get(AE).i32_const(EXPONENT).i32_and().i32_const(1).i32_sub();
    op.i32_const(BIAS + 61).i32_ge_u();
    op.local_get(AM).i64_const(0).i64_ge_s().i32_or();
    code.br_if(Hint::Unlikely, cold);
    let mut op = code.op();
    op.i32_const(BIAS + 63).local_get(AE).i32_const(EXPONENT).i32_and().i32_sub();
    op.i64_extend_i32_u().local_tee(by).i64_const(64).i64_lt_u();
    code.if_(Hint::None);
    let mut op = code.op();
    op.local_get(AM).local_get(by).i64_shr_u().local_set(value);
    op.local_get(AM).i64_const(64).local_get(by).i64_sub().i64_shl().local_set(rest);
    code.else_();
    let mut op = code.op();
    op.i64_const(0).local_set(value);
    op.local_get(AM).i64_const(1).local_get(by).i64_const(64).i64_eq().select().local_set(rest);
    code.end();
    code.op().local_get(EXTRA).i64_eqz();
    code.if_(Hint::None);
    let mut op = code.op();
    op.local_get(rest).i64_const(HALF).local_get(value).i64_const(1).i64_and().i64_sub();
    op.i64_gt_u().i64_extend_i32_u().local_set(up);
    code.else_();
    let mut op = code.op();
    // Down: negative ones are rounded up in magnitude; up: positive ones; to zero: none.
    op.local_get(EXTRA).i64_const(2).local_get(AE).i32_const(15).i32_shr_u().i64_extend_i32_u();
    op.i64_sub().i64_eq();
    op.local_get(rest).i64_const(0).i64_ne().i32_and().i64_extend_i32_u().local_set(up);
    code.end();
    let mut op = code.op();
    op.local_get(value).local_get(up).i64_add().local_set(value);
    op.i64_const(0).local_get(value).i64_sub().local_get(value);
    op.local_get(AE).i32_const(SIGN).i32_and().select();
    op.local_get(rest).i64_const(0).i64_ne().i32_const(PE.trailing_zeros() as i32).i32_shl();
    op.local_get(up).i32_wrap_i64().i32_const(C1.trailing_zeros() as i32).i32_shl();
    op.i32_or().return_();
}
