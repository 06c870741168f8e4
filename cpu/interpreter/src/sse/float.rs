//! Floating point.

use std::cmp::Ordering;

use aero_cpu::bits::rflags::{CF, PF, ZF};
use aero_cpu::{Exec, ExecResult};
use aero_simd::packed::{self, Packed};
use aero_simd::{Double, FloatEnv, Single, convert, estimate, float};
use iced_x86::Code;

use super::{DONE, handlers, with_mxcsr};
use crate::op::{Handler, Op, Outcome};
use crate::operands::{Int, Operands};

/// A format in scalar operands.
trait Operand: Packed {
    /// The second operand: memory, or the lowest lane of a register.
    fn operand(exec: &mut Exec<'_>, op: &Op) -> ExecResult<u64>;
}

impl Operand for Single {
    #[inline(always)]
    fn operand(exec: &mut Exec<'_>, op: &Op) -> ExecResult<u64> {
        exec.xmm_or_m32(op).map(u64::from)
    }
}

impl Operand for Double {
    #[inline(always)]
    fn operand(exec: &mut Exec<'_>, op: &Op) -> ExecResult<u64> {
        exec.xmm_or_m64(op)
    }
}

pub(super) fn handler(code: Code) -> Option<Handler> {
    handlers! { code;
        lanes_single {
            Addps_xmm_xmmm128: float::add::<Single>,
            Mulps_xmm_xmmm128: float::mul::<Single>,
            Subps_xmm_xmmm128: float::sub::<Single>,
            Minps_xmm_xmmm128: float::min::<Single>,
            Divps_xmm_xmmm128: float::div::<Single>,
            Maxps_xmm_xmmm128: float::max::<Single>,
            Sqrtps_xmm_xmmm128: |_, b, env| float::sqrt::<Single>(b, env),
        }
        lanes_double {
            Addpd_xmm_xmmm128: float::add::<Double>,
            Mulpd_xmm_xmmm128: float::mul::<Double>,
            Subpd_xmm_xmmm128: float::sub::<Double>,
            Minpd_xmm_xmmm128: float::min::<Double>,
            Divpd_xmm_xmmm128: float::div::<Double>,
            Maxpd_xmm_xmmm128: float::max::<Double>,
            Sqrtpd_xmm_xmmm128: |_, b, env| float::sqrt::<Double>(b, env),
        }
        scalar_single {
            Addss_xmm_xmmm32: float::add::<Single>,
            Mulss_xmm_xmmm32: float::mul::<Single>,
            Subss_xmm_xmmm32: float::sub::<Single>,
            Minss_xmm_xmmm32: float::min::<Single>,
            Divss_xmm_xmmm32: float::div::<Single>,
            Maxss_xmm_xmmm32: float::max::<Single>,
            Sqrtss_xmm_xmmm32: |_, b, env| float::sqrt::<Single>(b, env),
            // No exceptions: MXCSR is left alone.
            Rcpss_xmm_xmmm32: |_, b, _| estimate::rcp(b as u32).into(),
            Rsqrtss_xmm_xmmm32: |_, b, _| estimate::rsqrt(b as u32).into(),
        }
        scalar_double {
            Addsd_xmm_xmmm64: float::add::<Double>,
            Mulsd_xmm_xmmm64: float::mul::<Double>,
            Subsd_xmm_xmmm64: float::sub::<Double>,
            Minsd_xmm_xmmm64: float::min::<Double>,
            Divsd_xmm_xmmm64: float::div::<Double>,
            Maxsd_xmm_xmmm64: float::max::<Double>,
            Sqrtsd_xmm_xmmm64: |_, b, env| float::sqrt::<Double>(b, env),
        }
        scalar_single_immediate {
            Roundss_xmm_xmmm32_imm8: |_, b, i, env| float::round_to_integral::<Single>(b, i, env),
            Cmpss_xmm_xmmm32_imm8: |a, b, i, env| {
                if float::holds::<Single>(a, b, i, env) { u32::MAX.into() } else { 0 }
            },
        }
        scalar_double_immediate {
            Roundsd_xmm_xmmm64_imm8: |_, b, i, env| float::round_to_integral::<Double>(b, i, env),
            Cmpsd_xmm_xmmm64_imm8: |a, b, i, env| {
                if float::holds::<Double>(a, b, i, env) { u64::MAX } else { 0 }
            },
        }
        whole {
            Haddps_xmm_xmmm128: packed::haddps,
            Haddpd_xmm_xmmm128: packed::haddpd,
            Hsubps_xmm_xmmm128: packed::hsubps,
            Hsubpd_xmm_xmmm128: packed::hsubpd,
            Addsubps_xmm_xmmm128: packed::addsub::<Single>,
            Addsubpd_xmm_xmmm128: packed::addsub::<Double>,
            Cvtpd2ps_xmm_xmmm128: |_, b, env| packed::cvtpd2ps(b, env),
            Cvtdq2ps_xmm_xmmm128: |_, b, env| packed::cvtdq2ps(b, env),
            Cvtps2dq_xmm_xmmm128: |_, b, env| packed::cvtps2dq(b, env),
            Cvttps2dq_xmm_xmmm128: |_, b, env| packed::cvttps2dq(b, env),
            Cvtpd2dq_xmm_xmmm128: |_, b, env| packed::cvtpd2dq(b, env),
            Cvttpd2dq_xmm_xmmm128: |_, b, env| packed::cvttpd2dq(b, env),
            // No exceptions: MXCSR is left alone.
            Rcpps_xmm_xmmm128: |_, b, _| packed::rcpps(b),
            Rsqrtps_xmm_xmmm128: |_, b, _| packed::rsqrtps(b),
        }
        whole_immediate {
            Cmpps_xmm_xmmm128_imm8: packed::compare::<Single>,
            Cmppd_xmm_xmmm128_imm8: packed::compare::<Double>,
            Dpps_xmm_xmmm128_imm8: packed::dpps,
            Dppd_xmm_xmmm128_imm8: packed::dppd,
            Roundps_xmm_xmmm128_imm8: |_, b, i, env| {
                Single::map(b, |b| float::round_to_integral::<Single>(b, i, env))
            },
            Roundpd_xmm_xmmm128_imm8: |_, b, i, env| {
                Double::map(b, |b| float::round_to_integral::<Double>(b, i, env))
            },
        }
        from_low_half {
            Cvtps2pd_xmm_xmmm64: |b, env| packed::cvtps2pd(b.into(), env),
            Cvtdq2pd_xmm_xmmm64: |b, _| packed::cvtdq2pd(b.into()),
        }
        single_to_double {
            Cvtss2sd_xmm_xmmm32: convert::single_to_double,
        }
        double_to_single {
            Cvtsd2ss_xmm_xmmm64: convert::double_to_single,
        }
        from_register_single {
            Cvtsi2ss_xmm_rm32: |a: u32| (a as i32).into(),
            Cvtsi2ss_xmm_rm64: |a: u64| a as i64,
        }
        from_register_double {
            Cvtsi2sd_xmm_rm32: |a: u32| (a as i32).into(),
            Cvtsi2sd_xmm_rm64: |a: u64| a as i64,
        }
        single_to_register {
            Cvtss2si_r32_xmmm32: |b, env| convert::to_integer::<Single, i32>(b, env) as u32,
            Cvtss2si_r64_xmmm32: |b, env| convert::to_integer::<Single, i64>(b, env) as u64,
            Cvttss2si_r32_xmmm32: |b, env| {
                convert::to_integer_truncated::<Single, i32>(b, env) as u32
            },
            Cvttss2si_r64_xmmm32: |b, env| {
                convert::to_integer_truncated::<Single, i64>(b, env) as u64
            },
        }
        double_to_register {
            Cvtsd2si_r32_xmmm64: |b, env| convert::to_integer::<Double, i32>(b, env) as u32,
            Cvtsd2si_r64_xmmm64: |b, env| convert::to_integer::<Double, i64>(b, env) as u64,
            Cvttsd2si_r32_xmmm64: |b, env| {
                convert::to_integer_truncated::<Double, i32>(b, env) as u32
            },
            Cvttsd2si_r64_xmmm64: |b, env| {
                convert::to_integer_truncated::<Double, i64>(b, env) as u64
            },
        }
        compare_single {
            Ucomiss_xmm_xmmm32: false,
            Comiss_xmm_xmmm32: true,
        }
        compare_double {
            Ucomisd_xmm_xmmm64: false,
            Comisd_xmm_xmmm64: true,
        }
    }
}

#[inline(always)]
fn whole(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u128, u128, &mut FloatEnv) -> u128,
) -> Outcome {
    exec.check_sse()?;
    let b = exec.xmm_or_m128(op)?;
    let a = exec.xmm(op.dst);
    let value = with_mxcsr(exec, |env| compute(a, b, env))?;
    exec.set_xmm(op.dst, value);
    DONE
}

#[inline(always)]
fn whole_immediate(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u128, u128, u8, &mut FloatEnv) -> u128,
) -> Outcome {
    whole(exec, op, |a, b, env| compute(a, b, op.imm as u8, env))
}

#[inline(always)]
fn lanes_single(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl Fn(u64, u64, &mut FloatEnv) -> u64,
) -> Outcome {
    whole(exec, op, |a, b, env| Single::zip(a, b, |a, b| compute(a, b, env)))
}

#[inline(always)]
fn lanes_double(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl Fn(u64, u64, &mut FloatEnv) -> u64,
) -> Outcome {
    whole(exec, op, |a, b, env| Double::zip(a, b, |a, b| compute(a, b, env)))
}

/// The lowest lane of a register from it and one of `F`'s; the other lanes stay.
#[inline(always)]
fn scalar<F: Operand>(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, u64, &mut FloatEnv) -> u64,
) -> Outcome {
    exec.check_sse()?;
    let b = F::operand(exec, op)?;
    let a = exec.xmm(op.dst);
    let value = with_mxcsr(exec, |env| compute(F::scalar(a), b, env))?;
    exec.set_xmm(op.dst, F::low(a, value));
    DONE
}

#[inline(always)]
fn scalar_single(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, u64, &mut FloatEnv) -> u64,
) -> Outcome {
    scalar::<Single>(exec, op, compute)
}

#[inline(always)]
fn scalar_double(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, u64, &mut FloatEnv) -> u64,
) -> Outcome {
    scalar::<Double>(exec, op, compute)
}

#[inline(always)]
fn scalar_single_immediate(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, u64, u8, &mut FloatEnv) -> u64,
) -> Outcome {
    scalar::<Single>(exec, op, |a, b, env| compute(a, b, op.imm as u8, env))
}

#[inline(always)]
fn scalar_double_immediate(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, u64, u8, &mut FloatEnv) -> u64,
) -> Outcome {
    scalar::<Double>(exec, op, |a, b, env| compute(a, b, op.imm as u8, env))
}

/// From 8 bytes of memory, or the low half of a register.
#[inline(always)]
fn from_low_half(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, &mut FloatEnv) -> u128,
) -> Outcome {
    exec.check_sse()?;
    let b = exec.xmm_or_m64(op)?;
    let value = with_mxcsr(exec, |env| compute(b, env))?;
    exec.set_xmm(op.dst, value);
    DONE
}

#[inline(always)]
fn single_to_double(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, &mut FloatEnv) -> u64,
) -> Outcome {
    exec.check_sse()?;
    let b = Single::operand(exec, op)?;
    let value = with_mxcsr(exec, |env| compute(b, env))?;
    exec.set_xmm(op.dst, Double::low(exec.xmm(op.dst), value));
    DONE
}

#[inline(always)]
fn double_to_single(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, &mut FloatEnv) -> u64,
) -> Outcome {
    exec.check_sse()?;
    let b = Double::operand(exec, op)?;
    let value = with_mxcsr(exec, |env| compute(b, env))?;
    exec.set_xmm(op.dst, Single::low(exec.xmm(op.dst), value));
    DONE
}

#[inline(always)]
fn from_register<F: Packed, T: Int>(
    exec: &mut Exec<'_>,
    op: &Op,
    extend: impl FnOnce(T) -> i64,
) -> Outcome {
    exec.check_sse()?;
    let b = extend(exec.load_or_src(op)?);
    let value = with_mxcsr(exec, |env| convert::from_integer::<F>(b, env))?;
    exec.set_xmm(op.dst, F::low(exec.xmm(op.dst), value));
    DONE
}

#[inline(always)]
fn from_register_single<T: Int>(
    exec: &mut Exec<'_>,
    op: &Op,
    extend: impl FnOnce(T) -> i64,
) -> Outcome {
    from_register::<Single, T>(exec, op, extend)
}

#[inline(always)]
fn from_register_double<T: Int>(
    exec: &mut Exec<'_>,
    op: &Op,
    extend: impl FnOnce(T) -> i64,
) -> Outcome {
    from_register::<Double, T>(exec, op, extend)
}

#[inline(always)]
fn to_register<F: Operand, T: Int>(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, &mut FloatEnv) -> T,
) -> Outcome {
    exec.check_sse()?;
    let b = F::operand(exec, op)?;
    let value = with_mxcsr(exec, |env| compute(b, env))?;
    exec.set_reg(op.dst, value);
    DONE
}

#[inline(always)]
fn single_to_register<T: Int>(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, &mut FloatEnv) -> T,
) -> Outcome {
    to_register::<Single, T>(exec, op, compute)
}

#[inline(always)]
fn double_to_register<T: Int>(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u64, &mut FloatEnv) -> T,
) -> Outcome {
    to_register::<Double, T>(exec, op, compute)
}

/// COMISS and the like; `signals`: any NaN is an invalid operand. OF, SF and AF are cleared.
#[inline(always)]
fn compare<F: Operand>(exec: &mut Exec<'_>, op: &Op, signals: bool) -> Outcome {
    exec.check_sse()?;
    let b = F::operand(exec, op)?;
    let a = F::scalar(exec.xmm(op.dst));
    let order = with_mxcsr(exec, |env| float::compare::<F>(a, b, signals, env))?;
    exec.cpu.flags.set_arithmetic(match order {
        None => ZF | PF | CF,
        Some(Ordering::Less) => CF,
        Some(Ordering::Equal) => ZF,
        Some(Ordering::Greater) => 0,
    });
    DONE
}

fn compare_single(exec: &mut Exec<'_>, op: &Op, signals: bool) -> Outcome {
    compare::<Single>(exec, op, signals)
}

fn compare_double(exec: &mut Exec<'_>, op: &Op, signals: bool) -> Outcome {
    compare::<Double>(exec, op, signals)
}
