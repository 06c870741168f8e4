//! MMX, and the MMX forms of later extensions.
//!
//! The registers are the x87's mantissas. Every MMX instruction but EMMS leaves the x87 with TOP 0 and
//! all registers valid, and before each one a pending x87 exception is reported (SDM volume 3, chapter
//! 14). Neither happens if the instruction faults.

use aero_cpu::Exec;
use aero_simd::{FloatEnv, arith, logic, mmx, packed, shuffle};
use iced_x86::Code;

use super::moves::{lane_source, store_masked};
use super::{DONE, handlers, with_mxcsr};
use crate::op::{Handler, Op, Outcome};
use crate::operands::{Int, Operands};

/// The handler of an instruction with MMX registers; `None` if `code` is not one.
pub(super) fn handler(code: Code) -> Option<Handler> {
    handlers! { code;
        lanewise {
            Paddb_mm_mmm64: arith::paddb,
            Paddw_mm_mmm64: arith::paddw,
            Paddd_mm_mmm64: arith::paddd,
            Paddq_mm_mmm64: arith::paddq,
            Paddsb_mm_mmm64: arith::paddsb,
            Paddsw_mm_mmm64: arith::paddsw,
            Paddusb_mm_mmm64: arith::paddusb,
            Paddusw_mm_mmm64: arith::paddusw,
            Psubb_mm_mmm64: arith::psubb,
            Psubw_mm_mmm64: arith::psubw,
            Psubd_mm_mmm64: arith::psubd,
            Psubq_mm_mmm64: arith::psubq,
            Psubsb_mm_mmm64: arith::psubsb,
            Psubsw_mm_mmm64: arith::psubsw,
            Psubusb_mm_mmm64: arith::psubusb,
            Psubusw_mm_mmm64: arith::psubusw,
            Pavgb_mm_mmm64: arith::pavgb,
            Pavgw_mm_mmm64: arith::pavgw,
            Pminub_mm_mmm64: arith::pminub,
            Pmaxub_mm_mmm64: arith::pmaxub,
            Pminsw_mm_mmm64: arith::pminsw,
            Pmaxsw_mm_mmm64: arith::pmaxsw,
            Pmullw_mm_mmm64: arith::pmullw,
            Pmulhw_mm_mmm64: arith::pmulhw,
            Pmulhuw_mm_mmm64: arith::pmulhuw,
            Pmulhrsw_mm_mmm64: arith::pmulhrsw,
            Pmuludq_mm_mmm64: arith::pmuludq,
            Pmaddwd_mm_mmm64: arith::pmaddwd,
            Pmaddubsw_mm_mmm64: arith::pmaddubsw,
            Psadbw_mm_mmm64: arith::psadbw,
            Psignb_mm_mmm64: arith::psignb,
            Psignw_mm_mmm64: arith::psignw,
            Psignd_mm_mmm64: arith::psignd,
            Pabsb_mm_mmm64: |_, b| arith::pabsb(b),
            Pabsw_mm_mmm64: |_, b| arith::pabsw(b),
            Pabsd_mm_mmm64: |_, b| arith::pabsd(b),
            Pand_mm_mmm64: logic::pand,
            Pandn_mm_mmm64: logic::pandn,
            Por_mm_mmm64: logic::por,
            Pxor_mm_mmm64: logic::pxor,
            Pcmpeqb_mm_mmm64: logic::pcmpeqb,
            Pcmpeqw_mm_mmm64: logic::pcmpeqw,
            Pcmpeqd_mm_mmm64: logic::pcmpeqd,
            Pcmpgtb_mm_mmm64: logic::pcmpgtb,
            Pcmpgtw_mm_mmm64: logic::pcmpgtw,
            Pcmpgtd_mm_mmm64: logic::pcmpgtd,
            Psllw_mm_mmm64: |a, b| logic::psllw(a, b as u64),
            Pslld_mm_mmm64: |a, b| logic::pslld(a, b as u64),
            Psllq_mm_mmm64: |a, b| logic::psllq(a, b as u64),
            Psrlw_mm_mmm64: |a, b| logic::psrlw(a, b as u64),
            Psrld_mm_mmm64: |a, b| logic::psrld(a, b as u64),
            Psrlq_mm_mmm64: |a, b| logic::psrlq(a, b as u64),
            Psraw_mm_mmm64: |a, b| logic::psraw(a, b as u64),
            Psrad_mm_mmm64: |a, b| logic::psrad(a, b as u64),
        }
        binary {
            Packsswb_mm_mmm64: mmx::packsswb,
            Packuswb_mm_mmm64: mmx::packuswb,
            Packssdw_mm_mmm64: mmx::packssdw,
            Punpckhbw_mm_mmm64: mmx::punpckhbw,
            Punpckhwd_mm_mmm64: mmx::punpckhwd,
            Punpckhdq_mm_mmm64: mmx::punpckhdq,
            Phaddw_mm_mmm64: mmx::phaddw,
            Phaddd_mm_mmm64: mmx::phaddd,
            Phaddsw_mm_mmm64: mmx::phaddsw,
            Phsubw_mm_mmm64: mmx::phsubw,
            Phsubd_mm_mmm64: mmx::phsubd,
            Phsubsw_mm_mmm64: mmx::phsubsw,
            Pshufb_mm_mmm64: mmx::pshufb,
            // Loads, but for the checks.
            Movq_mm_mmm64: |_, b| b,
        }
        unpack_low {
            Punpcklbw_mm_mmm32: shuffle::punpcklbw,
            Punpcklwd_mm_mmm32: shuffle::punpcklwd,
            Punpckldq_mm_mmm32: shuffle::punpckldq,
        }
        binary_immediate {
            Pshufw_mm_mmm64_imm8: |_, b, i| shuffle::pshuflw(b.into(), i) as u64,
            Palignr_mm_mmm64_imm8: mmx::palignr,
        }
        shift_immediate {
            Psllw_mm_imm8: logic::psllw,
            Pslld_mm_imm8: logic::pslld,
            Psllq_mm_imm8: logic::psllq,
            Psrlw_mm_imm8: logic::psrlw,
            Psrld_mm_imm8: logic::psrld,
            Psrlq_mm_imm8: logic::psrlq,
            Psraw_mm_imm8: logic::psraw,
            Psrad_mm_imm8: logic::psrad,
        }
        load_integer {
            Movd_mm_rm32: |value: u32| value.into(),
            Movq_mm_rm64: |value: u64| value,
        }
        store_integer {
            Movd_rm32_mm: |a| a as u32,
            Movq_rm64_mm: |a| a,
        }
        store {
            Movq_mmm64_mm: (),
            Movntq_m64_mm: (),
        }
        pinsrw {
            Pinsrw_mm_r32m16_imm8: (),
            Pinsrw_mm_r64m16_imm8: (),
        }
        to_register {
            Pextrw_r32_mm_imm8: |a, i| mmx::pextrw(a, i).into(),
            Pextrw_r64_mm_imm8: |a, i| mmx::pextrw(a, i).into(),
            Pmovmskb_r32_mm: |a, _| shuffle::pmovmskb(a.into()),
            Pmovmskb_r64_mm: |a, _| shuffle::pmovmskb(a.into()),
        }
        maskmovq {
            Maskmovq_rDI_mm_mm: (),
        }
        emms {
            Emms: (),
        }
        movq2dq {
            Movq2dq_xmm_mm: (),
        }
        movdq2q {
            Movdq2q_mm_xmm: (),
        }
        cvtpi2ps {
            Cvtpi2ps_xmm_mmm64: (),
        }
        cvtpi2pd {
            Cvtpi2pd_xmm_mmm64: (),
        }
        from_8_bytes {
            Cvtps2pi_mm_xmmm64: packed::cvtps2dq,
            Cvttps2pi_mm_xmmm64: packed::cvttps2dq,
        }
        from_16_bytes {
            Cvtpd2pi_mm_xmmm128: packed::cvtpd2dq,
            Cvttpd2pi_mm_xmmm128: packed::cvttpd2dq,
        }
    }
}

/// The x87's registers are MMX's from here on.
#[inline(always)]
fn enter(exec: &mut Exec<'_>) {
    exec.cpu.fpu.top = 0;
    exec.cpu.fpu.tags = 0xff;
}

#[inline(always)]
fn set(exec: &mut Exec<'_>, op: &Op, value: u64) -> Outcome {
    enter(exec);
    exec.set_mm(op.dst, value);
    DONE
}

#[inline(always)]
fn binary(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u64, u64) -> u64) -> Outcome {
    exec.check_mmx()?;
    let b = exec.mm_or_m64(op)?;
    let value = compute(exec.mm(op.dst), b);
    set(exec, op, value)
}

/// The low half of what the SSE form yields.
#[inline(always)]
fn lanewise(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128, u128) -> u128) -> Outcome {
    binary(exec, op, |a, b| compute(a.into(), b.into()) as u64)
}

#[inline(always)]
fn binary_immediate(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl Fn(u64, u64, u8) -> u64,
) -> Outcome {
    binary(exec, op, |a, b| compute(a, b, op.imm as u8))
}

/// Only 4 bytes of memory are read.
#[inline(always)]
fn unpack_low(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128, u128) -> u128) -> Outcome {
    exec.check_mmx()?;
    let b = if op.is_memory() { exec.load::<u32>(op)?.into() } else { exec.mm(op.src) };
    let value = compute(exec.mm(op.dst).into(), b.into()) as u64;
    set(exec, op, value)
}

#[inline(always)]
fn shift_immediate(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128, u64) -> u128) -> Outcome {
    exec.check_mmx()?;
    let value = compute(exec.mm(op.dst).into(), u64::from(op.imm as u8)) as u64;
    set(exec, op, value)
}

#[inline(always)]
fn load_integer<T: Int>(exec: &mut Exec<'_>, op: &Op, widen: impl Fn(T) -> u64) -> Outcome {
    exec.check_mmx()?;
    let value = widen(exec.load_or_src(op)?);
    set(exec, op, value)
}

#[inline(always)]
fn store_integer<T: Int>(exec: &mut Exec<'_>, op: &Op, narrow: impl Fn(u64) -> T) -> Outcome {
    exec.check_mmx()?;
    let value = narrow(exec.mm(op.src));
    exec.store_or_dst(op, value)?;
    enter(exec);
    DONE
}

fn store(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_mmx()?;
    let value = exec.mm(op.src);
    if !op.is_memory() {
        return set(exec, op, value);
    }
    exec.store(op, value)?;
    enter(exec);
    DONE
}

fn pinsrw(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_mmx()?;
    let b = lane_source(exec, op)?;
    let value = mmx::pinsrw(exec.mm(op.dst), b, op.imm as u8);
    set(exec, op, value)
}

#[inline(always)]
fn to_register(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u64, u8) -> u32) -> Outcome {
    exec.check_mmx()?;
    let value = compute(exec.mm(op.src), op.imm as u8);
    exec.set_reg(op.dst, value);
    enter(exec);
    DONE
}

fn maskmovq(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_mmx()?;
    let mask = shuffle::pmovmskb(exec.mm(op.src).into());
    let data = exec.mm(op.dst).to_le_bytes();
    store_masked(exec, op, &data, mask)?;
    enter(exec);
    DONE
}

/// The registers are the x87's again, all of them empty.
fn emms(exec: &mut Exec<'_>, _: &Op, (): ()) -> Outcome {
    exec.check_mmx()?;
    exec.cpu.fpu.top = 0;
    exec.cpu.fpu.tags = 0;
    DONE
}

fn movq2dq(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_sse()?;
    exec.check_mmx()?;
    enter(exec);
    exec.set_xmm(op.dst, exec.mm(op.src).into());
    DONE
}

fn movdq2q(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_sse()?;
    exec.check_mmx()?;
    let value = exec.xmm(op.src) as u64;
    set(exec, op, value)
}

/// The high half of the register stays.
fn cvtpi2ps(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_sse()?;
    exec.check_mmx()?;
    let b = exec.mm_or_m64(op)?;
    let low = with_mxcsr(exec, |env| packed::cvtdq2ps(b.into(), env))?;
    enter(exec);
    let value = exec.xmm(op.dst) >> 64 << 64 | u128::from(low as u64);
    exec.set_xmm(op.dst, value);
    DONE
}

/// From memory, the MMX registers are not involved: no transition, and no pending x87 exception.
fn cvtpi2pd(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_sse()?;
    let b = if op.is_memory() {
        exec.load::<u64>(op)?
    } else {
        exec.check_mmx()?;
        enter(exec);
        exec.mm(op.src)
    };
    exec.set_xmm(op.dst, packed::cvtdq2pd(b.into()));
    DONE
}

#[inline(always)]
fn from_8_bytes(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u128, &mut FloatEnv) -> u128,
) -> Outcome {
    exec.check_sse()?;
    exec.check_mmx()?;
    let b = exec.xmm_or_m64(op)?;
    let value = with_mxcsr(exec, |env| compute(b.into(), env))?;
    set(exec, op, value as u64)
}

#[inline(always)]
fn from_16_bytes(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl FnOnce(u128, &mut FloatEnv) -> u128,
) -> Outcome {
    exec.check_sse()?;
    exec.check_mmx()?;
    let b = exec.xmm_or_m128(op)?;
    let value = with_mxcsr(exec, |env| compute(b, env))?;
    set(exec, op, value as u64)
}
