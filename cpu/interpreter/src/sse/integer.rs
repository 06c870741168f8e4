//! Packed integers, bitwise operations, shuffles, strings and cryptography.

use aero_cpu::Exec;
use aero_cpu::bits::rflags;
use aero_simd::string::StringComparison;
use aero_simd::{arith, crypto, logic, shuffle, string};
use iced_x86::Code;

use super::{DONE, handlers};
use crate::op::{Handler, Op, Outcome};
use crate::operands::{Int, Operands};

/// Numbers of general purpose registers.
const RAX: u8 = 0;
const RCX: u8 = 1;
const RDX: u8 = 2;

pub(super) fn handler(code: Code) -> Option<Handler> {
    handlers! { code;
        binary {
            Paddb_xmm_xmmm128: arith::paddb,
            Paddw_xmm_xmmm128: arith::paddw,
            Paddd_xmm_xmmm128: arith::paddd,
            Paddq_xmm_xmmm128: arith::paddq,
            Paddsb_xmm_xmmm128: arith::paddsb,
            Paddsw_xmm_xmmm128: arith::paddsw,
            Paddusb_xmm_xmmm128: arith::paddusb,
            Paddusw_xmm_xmmm128: arith::paddusw,
            Psubb_xmm_xmmm128: arith::psubb,
            Psubw_xmm_xmmm128: arith::psubw,
            Psubd_xmm_xmmm128: arith::psubd,
            Psubq_xmm_xmmm128: arith::psubq,
            Psubsb_xmm_xmmm128: arith::psubsb,
            Psubsw_xmm_xmmm128: arith::psubsw,
            Psubusb_xmm_xmmm128: arith::psubusb,
            Psubusw_xmm_xmmm128: arith::psubusw,
            Pavgb_xmm_xmmm128: arith::pavgb,
            Pavgw_xmm_xmmm128: arith::pavgw,
            Pminub_xmm_xmmm128: arith::pminub,
            Pminuw_xmm_xmmm128: arith::pminuw,
            Pminud_xmm_xmmm128: arith::pminud,
            Pminsb_xmm_xmmm128: arith::pminsb,
            Pminsw_xmm_xmmm128: arith::pminsw,
            Pminsd_xmm_xmmm128: arith::pminsd,
            Pmaxub_xmm_xmmm128: arith::pmaxub,
            Pmaxuw_xmm_xmmm128: arith::pmaxuw,
            Pmaxud_xmm_xmmm128: arith::pmaxud,
            Pmaxsb_xmm_xmmm128: arith::pmaxsb,
            Pmaxsw_xmm_xmmm128: arith::pmaxsw,
            Pmaxsd_xmm_xmmm128: arith::pmaxsd,
            Pmullw_xmm_xmmm128: arith::pmullw,
            Pmulld_xmm_xmmm128: arith::pmulld,
            Pmulhw_xmm_xmmm128: arith::pmulhw,
            Pmulhuw_xmm_xmmm128: arith::pmulhuw,
            Pmulhrsw_xmm_xmmm128: arith::pmulhrsw,
            Pmuludq_xmm_xmmm128: arith::pmuludq,
            Pmuldq_xmm_xmmm128: arith::pmuldq,
            Pmaddwd_xmm_xmmm128: arith::pmaddwd,
            Pmaddubsw_xmm_xmmm128: arith::pmaddubsw,
            Psadbw_xmm_xmmm128: arith::psadbw,
            Psignb_xmm_xmmm128: arith::psignb,
            Psignw_xmm_xmmm128: arith::psignw,
            Psignd_xmm_xmmm128: arith::psignd,
            Pabsb_xmm_xmmm128: |_, b| arith::pabsb(b),
            Pabsw_xmm_xmmm128: |_, b| arith::pabsw(b),
            Pabsd_xmm_xmmm128: |_, b| arith::pabsd(b),
            Phminposuw_xmm_xmmm128: |_, b| arith::phminposuw(b),
            Phaddw_xmm_xmmm128: arith::phaddw,
            Phaddd_xmm_xmmm128: arith::phaddd,
            Phaddsw_xmm_xmmm128: arith::phaddsw,
            Phsubw_xmm_xmmm128: arith::phsubw,
            Phsubd_xmm_xmmm128: arith::phsubd,
            Phsubsw_xmm_xmmm128: arith::phsubsw,
            Pand_xmm_xmmm128: logic::pand,
            Andps_xmm_xmmm128: logic::pand,
            Andpd_xmm_xmmm128: logic::pand,
            Pandn_xmm_xmmm128: logic::pandn,
            Andnps_xmm_xmmm128: logic::pandn,
            Andnpd_xmm_xmmm128: logic::pandn,
            Por_xmm_xmmm128: logic::por,
            Orps_xmm_xmmm128: logic::por,
            Orpd_xmm_xmmm128: logic::por,
            Pxor_xmm_xmmm128: logic::pxor,
            Xorps_xmm_xmmm128: logic::pxor,
            Xorpd_xmm_xmmm128: logic::pxor,
            Pcmpeqb_xmm_xmmm128: logic::pcmpeqb,
            Pcmpeqw_xmm_xmmm128: logic::pcmpeqw,
            Pcmpeqd_xmm_xmmm128: logic::pcmpeqd,
            Pcmpeqq_xmm_xmmm128: logic::pcmpeqq,
            Pcmpgtb_xmm_xmmm128: logic::pcmpgtb,
            Pcmpgtw_xmm_xmmm128: logic::pcmpgtw,
            Pcmpgtd_xmm_xmmm128: logic::pcmpgtd,
            Pcmpgtq_xmm_xmmm128: logic::pcmpgtq,
            Psllw_xmm_xmmm128: |a, b| logic::psllw(a, b as u64),
            Pslld_xmm_xmmm128: |a, b| logic::pslld(a, b as u64),
            Psllq_xmm_xmmm128: |a, b| logic::psllq(a, b as u64),
            Psrlw_xmm_xmmm128: |a, b| logic::psrlw(a, b as u64),
            Psrld_xmm_xmmm128: |a, b| logic::psrld(a, b as u64),
            Psrlq_xmm_xmmm128: |a, b| logic::psrlq(a, b as u64),
            Psraw_xmm_xmmm128: |a, b| logic::psraw(a, b as u64),
            Psrad_xmm_xmmm128: |a, b| logic::psrad(a, b as u64),
            Punpcklbw_xmm_xmmm128: shuffle::punpcklbw,
            Punpcklwd_xmm_xmmm128: shuffle::punpcklwd,
            Punpckldq_xmm_xmmm128: shuffle::punpckldq,
            Unpcklps_xmm_xmmm128: shuffle::punpckldq,
            Punpcklqdq_xmm_xmmm128: shuffle::punpcklqdq,
            Unpcklpd_xmm_xmmm128: shuffle::punpcklqdq,
            Punpckhbw_xmm_xmmm128: shuffle::punpckhbw,
            Punpckhwd_xmm_xmmm128: shuffle::punpckhwd,
            Punpckhdq_xmm_xmmm128: shuffle::punpckhdq,
            Unpckhps_xmm_xmmm128: shuffle::punpckhdq,
            Punpckhqdq_xmm_xmmm128: shuffle::punpckhqdq,
            Unpckhpd_xmm_xmmm128: shuffle::punpckhqdq,
            Packsswb_xmm_xmmm128: shuffle::packsswb,
            Packuswb_xmm_xmmm128: shuffle::packuswb,
            Packssdw_xmm_xmmm128: shuffle::packssdw,
            Packusdw_xmm_xmmm128: shuffle::packusdw,
            Pshufb_xmm_xmmm128: shuffle::pshufb,
            Movsldup_xmm_xmmm128: |_, b| shuffle::movsldup(b),
            Movshdup_xmm_xmmm128: |_, b| shuffle::movshdup(b),
            Aesenc_xmm_xmmm128: crypto::aesenc,
            Aesenclast_xmm_xmmm128: crypto::aesenclast,
            Aesdec_xmm_xmmm128: crypto::aesdec,
            Aesdeclast_xmm_xmmm128: crypto::aesdeclast,
            Aesimc_xmm_xmmm128: |_, b| crypto::aesimc(b),
        }
        binary_immediate {
            Pshufd_xmm_xmmm128_imm8: |_, b, i| shuffle::pshufd(b, i),
            Pshuflw_xmm_xmmm128_imm8: |_, b, i| shuffle::pshuflw(b, i),
            Pshufhw_xmm_xmmm128_imm8: |_, b, i| shuffle::pshufhw(b, i),
            Shufps_xmm_xmmm128_imm8: shuffle::shufps,
            Shufpd_xmm_xmmm128_imm8: shuffle::shufpd,
            Palignr_xmm_xmmm128_imm8: shuffle::palignr,
            Blendps_xmm_xmmm128_imm8: shuffle::blendps,
            Blendpd_xmm_xmmm128_imm8: shuffle::blendpd,
            Pblendw_xmm_xmmm128_imm8: shuffle::pblendw,
            Mpsadbw_xmm_xmmm128_imm8: arith::mpsadbw,
            Aeskeygenassist_xmm_xmmm128_imm8: |_, b, i| crypto::aeskeygenassist(b, i),
            Pclmulqdq_xmm_xmmm128_imm8: crypto::pclmulqdq,
        }
        binary_xmm0 {
            Pblendvb_xmm_xmmm128: shuffle::pblendvb,
            Blendvps_xmm_xmmm128: shuffle::blendvps,
            Blendvpd_xmm_xmmm128: shuffle::blendvpd,
        }
        immediate {
            Psllw_xmm_imm8: |a, i| logic::psllw(a, i.into()),
            Pslld_xmm_imm8: |a, i| logic::pslld(a, i.into()),
            Psllq_xmm_imm8: |a, i| logic::psllq(a, i.into()),
            Psrlw_xmm_imm8: |a, i| logic::psrlw(a, i.into()),
            Psrld_xmm_imm8: |a, i| logic::psrld(a, i.into()),
            Psrlq_xmm_imm8: |a, i| logic::psrlq(a, i.into()),
            Psraw_xmm_imm8: |a, i| logic::psraw(a, i.into()),
            Psrad_xmm_imm8: |a, i| logic::psrad(a, i.into()),
            Pslldq_xmm_imm8: logic::pslldq,
            Psrldq_xmm_imm8: logic::psrldq,
        }
        widen_8_bytes {
            Pmovsxbw_xmm_xmmm64: shuffle::pmovsxbw,
            Pmovsxwd_xmm_xmmm64: shuffle::pmovsxwd,
            Pmovsxdq_xmm_xmmm64: shuffle::pmovsxdq,
            Pmovzxbw_xmm_xmmm64: shuffle::pmovzxbw,
            Pmovzxwd_xmm_xmmm64: shuffle::pmovzxwd,
            Pmovzxdq_xmm_xmmm64: shuffle::pmovzxdq,
        }
        widen_4_bytes {
            Pmovsxbd_xmm_xmmm32: shuffle::pmovsxbd,
            Pmovsxwq_xmm_xmmm32: shuffle::pmovsxwq,
            Pmovzxbd_xmm_xmmm32: shuffle::pmovzxbd,
            Pmovzxwq_xmm_xmmm32: shuffle::pmovzxwq,
        }
        widen_2_bytes {
            Pmovsxbq_xmm_xmmm16: shuffle::pmovsxbq,
            Pmovzxbq_xmm_xmmm16: shuffle::pmovzxbq,
        }
        ptest {
            Ptest_xmm_xmmm128: (),
        }
        implicit_length {
            Pcmpistri_xmm_xmmm128_imm8: put_index,
            Pcmpistrm_xmm_xmmm128_imm8: put_mask,
        }
        explicit_length_32 {
            Pcmpestri_xmm_xmmm128_imm8: put_index,
            Pcmpestrm_xmm_xmmm128_imm8: put_mask,
        }
        explicit_length_64 {
            Pcmpestri64_xmm_xmmm128_imm8: put_index,
            Pcmpestrm64_xmm_xmmm128_imm8: put_mask,
        }
    }
}

#[inline(always)]
fn binary(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128, u128) -> u128) -> Outcome {
    exec.check_sse()?;
    let b = exec.xmm_or_m128(op)?;
    let value = compute(exec.xmm(op.dst), b);
    exec.set_xmm(op.dst, value);
    DONE
}

#[inline(always)]
fn binary_immediate(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl Fn(u128, u128, u8) -> u128,
) -> Outcome {
    binary(exec, op, |a, b| compute(a, b, op.imm as u8))
}

/// With XMM0 as a third operand.
#[inline(always)]
fn binary_xmm0(
    exec: &mut Exec<'_>,
    op: &Op,
    compute: impl Fn(u128, u128, u128) -> u128,
) -> Outcome {
    let mask = exec.xmm(0);
    binary(exec, op, |a, b| compute(a, b, mask))
}

#[inline(always)]
fn immediate(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128, u8) -> u128) -> Outcome {
    exec.check_sse()?;
    let value = compute(exec.xmm(op.dst), op.imm as u8);
    exec.set_xmm(op.dst, value);
    DONE
}

#[inline(always)]
fn widen_8_bytes(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128) -> u128) -> Outcome {
    exec.check_sse()?;
    let b = exec.xmm_or_m64(op)?;
    exec.set_xmm(op.dst, compute(b.into()));
    DONE
}

#[inline(always)]
fn widen_4_bytes(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128) -> u128) -> Outcome {
    exec.check_sse()?;
    let b = exec.xmm_or_m32(op)?;
    exec.set_xmm(op.dst, compute(b.into()));
    DONE
}

#[inline(always)]
fn widen_2_bytes(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128) -> u128) -> Outcome {
    exec.check_sse()?;
    let b = if op.is_memory() { exec.load(op)? } else { exec.xmm(op.src) as u16 };
    exec.set_xmm(op.dst, compute(b.into()));
    DONE
}

fn ptest(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_sse()?;
    let b = exec.xmm_or_m128(op)?;
    let (zero, carry) = logic::ptest(exec.xmm(op.dst), b);
    exec.cpu.flags.set_arithmetic(flag(zero, rflags::ZF) | flag(carry, rflags::CF));
    DONE
}

const fn flag(set: bool, flag: u64) -> u64 {
    if set { flag } else { 0 }
}

fn implicit_length(
    exec: &mut Exec<'_>,
    op: &Op,
    put: fn(&mut Exec<'_>, &StringComparison),
) -> Outcome {
    exec.check_sse()?;
    // Strings need not be aligned.
    let b = exec.xmm_or_m128_unaligned(op)?;
    let result = string::pcmpistr(exec.xmm(op.dst), b, op.imm as u8);
    finish_string(exec, &result, put)
}

/// Lengths in EAX and EDX.
fn explicit_length_32(
    exec: &mut Exec<'_>,
    op: &Op,
    put: fn(&mut Exec<'_>, &StringComparison),
) -> Outcome {
    explicit_length::<u32>(exec, op, put)
}

/// Lengths in RAX and RDX.
fn explicit_length_64(
    exec: &mut Exec<'_>,
    op: &Op,
    put: fn(&mut Exec<'_>, &StringComparison),
) -> Outcome {
    explicit_length::<u64>(exec, op, put)
}

fn explicit_length<T: Int>(
    exec: &mut Exec<'_>,
    op: &Op,
    put: fn(&mut Exec<'_>, &StringComparison),
) -> Outcome {
    exec.check_sse()?;
    let b = exec.xmm_or_m128_unaligned(op)?;
    let length = |register| exec.reg::<T>(register).sx();
    let (a_length, b_length) = (length(RAX), length(RDX));
    let result = string::pcmpestr(exec.xmm(op.dst), a_length, b, b_length, op.imm as u8);
    finish_string(exec, &result, put)
}

fn finish_string(
    exec: &mut Exec<'_>,
    result: &StringComparison,
    put: fn(&mut Exec<'_>, &StringComparison),
) -> Outcome {
    put(exec, result);
    exec.cpu.flags.set_arithmetic(
        flag(result.carry, rflags::CF)
            | flag(result.zero, rflags::ZF)
            | flag(result.sign, rflags::SF)
            | flag(result.overflow, rflags::OF),
    );
    DONE
}

fn put_index(exec: &mut Exec<'_>, result: &StringComparison) {
    exec.set_reg(RCX, result.index());
}

fn put_mask(exec: &mut Exec<'_>, result: &StringComparison) {
    exec.set_xmm(0, result.mask());
}
