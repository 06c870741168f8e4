//! Floating-point operations on one lane.
//!
//! Values are bit patterns of the [`Format`] in the low bits of a `u64`. Where rounding is to nearest
//! and operands and result are zero or normal, the host's arithmetic gives the same bits, and the only
//! flag in question is PE, which a short integer computation settles (unless it is set already).
//! Everything else takes the exact way: integers, then [`round`](crate::format::round).

use crate::format::{
    Class, Format, classify, is_denormal, is_nan, is_negative, is_plain, is_signalling,
    is_well_inside, magnitude, round, shift_rounded, unpack,
};
use crate::mxcsr::{FloatEnv, Mxcsr, Rounding};

/// What an operand counts as: denormals are zeros of the same sign under DAZ.
pub(crate) fn operand<F: Format>(a: u64, env: &FloatEnv) -> u64 {
    if env.denormals_are_zero() && is_denormal::<F>(a) { a & F::SIGN } else { a }
}

/// The result of an operation of which at least one operand is a NaN: the first operand if it is one,
/// else the second, made quiet (SDM volume 1, table 4-7). `None` if neither is.
fn propagate<F: Format>(a: u64, b: u64, env: &mut FloatEnv) -> Option<u64> {
    if !is_nan::<F>(a) && !is_nan::<F>(b) {
        return None;
    }
    if is_signalling::<F>(a) || is_signalling::<F>(b) {
        env.raise_before(Mxcsr::INVALID);
    }
    Some(F::QUIET | if is_nan::<F>(a) { a } else { b })
}

pub(crate) fn invalid<F: Format>(env: &mut FloatEnv) -> u64 {
    env.raise_before(Mxcsr::INVALID);
    F::DEFAULT_NAN
}

fn check_denormal<F: Format>(a: u64, b: u64, env: &mut FloatEnv) {
    if is_denormal::<F>(a) || is_denormal::<F>(b) {
        env.raise_before(Mxcsr::DENORMAL);
    }
}

/// The odd part of a nonzero plain value's significand. Two plain values that are equal but for a
/// power of two have the same.
#[inline(always)]
fn odd_part<F: Format>(a: u64) -> u64 {
    let significand = a & (F::HIDDEN - 1) | F::HIDDEN;
    significand >> significand.trailing_zeros()
}

/// Whether `a` × `b` has the same odd part as `product`.
#[inline(always)]
fn is_product<F: Format>(a: u64, b: u64, product: u64) -> bool {
    u128::from(odd_part::<F>(a)) * u128::from(odd_part::<F>(b))
        == u128::from(odd_part::<F>(product))
}

#[inline(always)]
fn report(exact: impl FnOnce() -> bool, env: &mut FloatEnv) {
    if !env.is_inexact() && !exact() {
        env.raise_after(Mxcsr::PRECISION);
    }
}

/// Whether `sum` is `a` + `b` exactly: what is left of the smaller operand when the larger has been
/// taken from the rounded sum is exact (Dekker's Fast2Sum).
#[inline(always)]
fn is_sum<F: Format>(a: u64, b: u64, sum: u64) -> bool {
    let (large, small) = if a & !F::SIGN >= b & !F::SIGN { (a, b) } else { (b, a) };
    let taken = F::host_sub(sum, large);
    F::host_sub(small, taken) & !F::SIGN == 0
}

/// `a` + `b`.
#[inline]
pub fn add<F: Format>(a: u64, b: u64, env: &mut FloatEnv) -> u64 {
    if env.rounds_to_nearest() && is_plain::<F>(a) && is_plain::<F>(b) {
        let sum = F::host_add(a, b);
        // A sum too small to be normal is exact; zero is what cancels, or a sum of zeros.
        if is_plain::<F>(sum) {
            report(|| is_sum::<F>(a, b, sum), env);
            return sum;
        }
    }
    add_exactly::<F>(a, b, 0, env)
}

/// `a` - `b`.
#[inline]
pub fn sub<F: Format>(a: u64, b: u64, env: &mut FloatEnv) -> u64 {
    if env.rounds_to_nearest() && is_plain::<F>(a) && is_plain::<F>(b) {
        let difference = F::host_sub(a, b);
        if is_plain::<F>(difference) {
            report(|| is_sum::<F>(a, b ^ F::SIGN, difference), env);
            return difference;
        }
    }
    add_exactly::<F>(a, b, F::SIGN, env)
}

/// The sum of `a` and `b` with its sign changed by `flip`.
#[cold]
#[inline(never)]
fn add_exactly<F: Format>(a: u64, b: u64, flip: u64, env: &mut FloatEnv) -> u64 {
    let (a, b) = (operand::<F>(a, env), operand::<F>(b, env));
    if let Some(nan) = propagate::<F>(a, b, env) {
        return nan;
    }
    let b = b ^ flip;
    let subtracts = (a ^ b) & F::SIGN != 0;
    let (class_a, class_b) = (classify::<F>(a), classify::<F>(b));
    if class_a == Class::Infinity && class_b == Class::Infinity && subtracts {
        return invalid::<F>(env);
    }
    check_denormal::<F>(a, b, env);
    if class_a == Class::Infinity {
        return a;
    }
    if class_b == Class::Infinity {
        return b;
    }
    let (large, small) = if magnitude::<F>(a) >= magnitude::<F>(b) { (a, b) } else { (b, a) };
    let (large_significand, exponent) = unpack::<F>(large);
    let (small_significand, small_exponent) = unpack::<F>(small);
    // 64 bits below the larger one's last place; what lies below those is made sticky.
    let large_wide = u128::from(large_significand) << 64;
    let small_wide = u128::from(small_significand) << 64;
    let distance = (exponent - small_exponent) as u32;
    let small_wide = match small_wide.checked_shr(distance) {
        Some(shifted) if shifted << distance == small_wide => shifted,
        Some(shifted) => shifted | 1,
        None => u128::from(small_wide != 0),
    };
    let sum = if subtracts { large_wide - small_wide } else { large_wide + small_wide };
    if sum == 0 {
        let negative =
            if subtracts { env.rounding() == Rounding::Down } else { is_negative::<F>(a) };
        return if negative { F::SIGN } else { 0 };
    }
    round::<F>(is_negative::<F>(large), exponent - 64, sum, env)
}

/// `a` × `b`.
#[inline]
pub fn mul<F: Format>(a: u64, b: u64, env: &mut FloatEnv) -> u64 {
    if env.rounds_to_nearest() && is_plain::<F>(a) && is_plain::<F>(b) {
        let product = F::host_mul(a, b);
        if is_well_inside::<F>(product) {
            report(|| is_product::<F>(a, b, product), env);
            return product;
        }
    }
    mul_exactly::<F>(a, b, env)
}

#[cold]
#[inline(never)]
fn mul_exactly<F: Format>(a: u64, b: u64, env: &mut FloatEnv) -> u64 {
    let (a, b) = (operand::<F>(a, env), operand::<F>(b, env));
    if let Some(nan) = propagate::<F>(a, b, env) {
        return nan;
    }
    let sign = (a ^ b) & F::SIGN;
    let classes = (classify::<F>(a), classify::<F>(b));
    if matches!(classes, (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity)) {
        return invalid::<F>(env);
    }
    check_denormal::<F>(a, b, env);
    match classes {
        (Class::Infinity, _) | (_, Class::Infinity) => sign | F::INFINITY,
        (Class::Zero, _) | (_, Class::Zero) => sign,
        (Class::Number, Class::Number) => {
            let (significand_a, exponent_a) = unpack::<F>(a);
            let (significand_b, exponent_b) = unpack::<F>(b);
            let product = u128::from(significand_a) * u128::from(significand_b);
            round::<F>(sign != 0, exponent_a + exponent_b, product, env)
        }
    }
}

/// `a` / `b`.
#[inline]
pub fn div<F: Format>(a: u64, b: u64, env: &mut FloatEnv) -> u64 {
    if env.rounds_to_nearest() && is_plain::<F>(a) && is_plain::<F>(b) {
        let quotient = F::host_div(a, b);
        if is_well_inside::<F>(quotient) {
            report(|| is_product::<F>(quotient, b, a), env);
            return quotient;
        }
    }
    div_exactly::<F>(a, b, env)
}

#[cold]
#[inline(never)]
fn div_exactly<F: Format>(a: u64, b: u64, env: &mut FloatEnv) -> u64 {
    let (a, b) = (operand::<F>(a, env), operand::<F>(b, env));
    if let Some(nan) = propagate::<F>(a, b, env) {
        return nan;
    }
    let sign = (a ^ b) & F::SIGN;
    match (classify::<F>(a), classify::<F>(b)) {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => invalid::<F>(env),
        (Class::Infinity, _) => {
            check_denormal::<F>(a, b, env);
            sign | F::INFINITY
        }
        (Class::Number, Class::Zero) => {
            // Takes precedence over a denormal dividend (SDM volume 1, section 4.9.2).
            env.raise_before(Mxcsr::DIVIDE_BY_ZERO);
            sign | F::INFINITY
        }
        (Class::Zero, _) | (_, Class::Infinity) => {
            check_denormal::<F>(a, b, env);
            sign
        }
        (Class::Number, Class::Number) => {
            check_denormal::<F>(a, b, env);
            let (significand_a, exponent_a) = unpack::<F>(a);
            let (significand_b, exponent_b) = unpack::<F>(b);
            // At least 64 bits of quotient, whatever the operands' leading zeros.
            let widened = u128::from(significand_a).leading_zeros() - 1;
            let dividend = u128::from(significand_a) << widened;
            let divisor = u128::from(significand_b);
            let quotient = (dividend / divisor) | u128::from(dividend % divisor != 0);
            round::<F>(sign != 0, exponent_a - exponent_b - widened as i32, quotient, env)
        }
    }
}

/// √`a`.
#[inline]
pub fn sqrt<F: Format>(a: u64, env: &mut FloatEnv) -> u64 {
    if env.rounds_to_nearest() && is_plain::<F>(a) && a != 0 && a & F::SIGN == 0 {
        let root = F::host_sqrt(a);
        report(|| is_product::<F>(root, root, a), env);
        return root;
    }
    sqrt_exactly::<F>(a, env)
}

#[cold]
#[inline(never)]
fn sqrt_exactly<F: Format>(a: u64, env: &mut FloatEnv) -> u64 {
    let a = operand::<F>(a, env);
    if let Some(nan) = propagate::<F>(a, a, env) {
        return nan;
    }
    let class = classify::<F>(a);
    if class == Class::Zero {
        return a;
    }
    if is_negative::<F>(a) {
        return invalid::<F>(env);
    }
    check_denormal::<F>(a, a, env);
    if class == Class::Infinity {
        return a;
    }
    let (significand, exponent) = unpack::<F>(a);
    // An even exponent, and a root of at least 62 bits.
    let mut widened = u128::from(significand).leading_zeros() - 2;
    if (exponent - widened as i32) % 2 != 0 {
        widened -= 1;
    }
    let square = u128::from(significand) << widened;
    let root = square.isqrt();
    let sticky = u128::from(root * root != square);
    // The sticky bit goes below the root, so that it does not change the bits.
    round::<F>(false, (exponent - widened as i32) / 2 - 1, root << 1 | sticky, env)
}

/// Which comes first, if neither is a NaN; +0 and -0 are equal.
fn order<F: Format>(a: u64, b: u64) -> std::cmp::Ordering {
    let key = |value: u64| {
        let magnitude = magnitude::<F>(value) as i64;
        if is_negative::<F>(value) { -magnitude } else { magnitude }
    };
    key(a).cmp(&key(b))
}

/// MINxx: `b` if either is a NaN or both are zeros.
#[inline]
pub fn min<F: Format>(a: u64, b: u64, env: &mut FloatEnv) -> u64 {
    choose::<F>(a, b, std::cmp::Ordering::Less, env)
}

/// MAXxx: `b` if either is a NaN or both are zeros.
#[inline]
pub fn max<F: Format>(a: u64, b: u64, env: &mut FloatEnv) -> u64 {
    choose::<F>(a, b, std::cmp::Ordering::Greater, env)
}

#[inline(always)]
fn choose<F: Format>(a: u64, b: u64, wanted: std::cmp::Ordering, env: &mut FloatEnv) -> u64 {
    let (a, b) = (operand::<F>(a, env), operand::<F>(b, env));
    if is_nan::<F>(a) || is_nan::<F>(b) {
        env.raise_before(Mxcsr::INVALID);
        return b;
    }
    check_denormal::<F>(a, b, env);
    if order::<F>(a, b) == wanted { a } else { b }
}

/// How two values compare: `None` if one is a NaN. Reports IE for an SNaN, and for any NaN if
/// `signals` (COMISS, and the predicates that order).
#[inline]
pub fn compare<F: Format>(
    a: u64,
    b: u64,
    signals: bool,
    env: &mut FloatEnv,
) -> Option<std::cmp::Ordering> {
    let (a, b) = (operand::<F>(a, env), operand::<F>(b, env));
    if is_nan::<F>(a) || is_nan::<F>(b) {
        if signals || is_signalling::<F>(a) || is_signalling::<F>(b) {
            env.raise_before(Mxcsr::INVALID);
        }
        return None;
    }
    check_denormal::<F>(a, b, env);
    Some(order::<F>(a, b))
}

/// CMPxx: whether the predicate in bits 2:0 holds: EQ, LT, LE, UNORD, NEQ, NLT, NLE, ORD.
#[inline]
pub fn holds<F: Format>(a: u64, b: u64, predicate: u8, env: &mut FloatEnv) -> bool {
    use std::cmp::Ordering::{Equal, Less};
    let kind = predicate & 3;
    let order = compare::<F>(a, b, kind == 1 || kind == 2, env);
    let positive = match kind {
        0 => order == Some(Equal),
        1 => order == Some(Less),
        2 => matches!(order, Some(Less | Equal)),
        _ => order.is_none(),
    };
    positive != (predicate & 4 != 0)
}

/// ROUNDxx: an integral value, by `control`: bits 1:0 are the rounding unless bit 2 says MXCSR.RC; bit
/// 3 keeps PE from being reported. A denormal operand is not reported.
pub fn round_to_integral<F: Format>(a: u64, control: u8, env: &mut FloatEnv) -> u64 {
    const USE_MXCSR: u8 = 1 << 2;
    const QUIETLY: u8 = 1 << 3;
    let a = operand::<F>(a, env);
    if let Some(nan) = propagate::<F>(a, a, env) {
        return nan;
    }
    let rounding =
        if control & USE_MXCSR != 0 { env.rounding() } else { Rounding::from_bits(control.into()) };
    let (significand, exponent) = unpack::<F>(a);
    if classify::<F>(a) != Class::Number || exponent >= 0 {
        return a;
    }
    let (integer, inexact) =
        shift_rounded(significand.into(), -exponent, is_negative::<F>(a), rounding);
    if inexact && control & QUIETLY == 0 {
        env.raise_after(Mxcsr::PRECISION);
    }
    let sign = a & F::SIGN;
    // An integer of at most the precision's bits is exact in the format.
    match integer {
        0 => sign,
        _ => {
            let leading = 63 - integer.leading_zeros();
            let fraction = (integer << (F::FRACTION - leading)) & (F::HIDDEN - 1);
            sign | ((leading as i32 + F::BIAS) as u64) << F::FRACTION | fraction
        }
    }
}
