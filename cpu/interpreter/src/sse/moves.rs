//! Moves, the control instructions, and hints.

use aero_cpu::{Exec, Scalar};
use aero_simd::shuffle;
use iced_x86::Code;

use super::{DONE, handlers};
use crate::op::{Handler, Op, Outcome};
use crate::operands::{Int, Operands, address_mask};

/// How 16 bytes of memory have to lie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alignment {
    /// At a multiple of 16, or #GP(0).
    Required,
    /// Anywhere.
    Any,
}

/// Number of RDI.
const RDI: u8 = 7;

pub(super) fn handler(code: Code) -> Option<Handler> {
    use Alignment::{Any, Required};
    handlers! { code;
        load_128 {
            Movaps_xmm_xmmm128: Required,
            Movapd_xmm_xmmm128: Required,
            Movdqa_xmm_xmmm128: Required,
            Movntdqa_xmm_m128: Required,
            Movups_xmm_xmmm128: Any,
            Movupd_xmm_xmmm128: Any,
            Movdqu_xmm_xmmm128: Any,
            Lddqu_xmm_m128: Any,
        }
        store_128 {
            Movaps_xmmm128_xmm: Required,
            Movapd_xmmm128_xmm: Required,
            Movdqa_xmmm128_xmm: Required,
            Movntps_m128_xmm: Required,
            Movntpd_m128_xmm: Required,
            Movntdq_m128_xmm: Required,
            Movups_xmmm128_xmm: Any,
            Movupd_xmmm128_xmm: Any,
            Movdqu_xmmm128_xmm: Any,
        }
        load_integer {
            Movd_xmm_rm32: u32_wide,
            Movq_xmm_rm64: u64_wide,
        }
        store_integer {
            Movd_rm32_xmm: |a| a as u32,
            Movq_rm64_xmm: |a| a as u64,
        }
        load_scalar {
            Movss_xmm_xmmm32: u32_wide,
            Movsd_xmm_xmmm64: u64_wide,
        }
        store_scalar {
            Movss_xmmm32_xmm: |a| a as u32,
            Movsd_xmmm64_xmm: |a| a as u64,
        }
        load_low {
            Movq_xmm_xmmm64: |_, b| b.into(),
            Movddup_xmm_xmmm64: |_, b| shuffle::movddup(b.into()),
            Movlps_xmm_m64: with_low,
            Movlpd_xmm_m64: with_low,
            Movhps_xmm_m64: with_high,
            Movhpd_xmm_m64: with_high,
            // The register operand's low half, as if it were memory.
            Movlhps_xmm_xmm: with_high,
        }
        store_half {
            Movlps_m64_xmm: |a| a as u64,
            Movlpd_m64_xmm: |a| a as u64,
            Movhps_m64_xmm: |a| (a >> 64) as u64,
            Movhpd_m64_xmm: |a| (a >> 64) as u64,
        }
        registers {
            Movhlps_xmm_xmm: |a, b| with_low(a, (b >> 64) as u64),
        }
        store_low {
            Movq_xmmm64_xmm: (),
        }
        sign_mask {
            Movmskps_r32_xmm: shuffle::movmskps,
            Movmskps_r64_xmm: shuffle::movmskps,
            Movmskpd_r32_xmm: shuffle::movmskpd,
            Movmskpd_r64_xmm: shuffle::movmskpd,
            Pmovmskb_r32_xmm: shuffle::pmovmskb,
            Pmovmskb_r64_xmm: shuffle::pmovmskb,
        }
        insert {
            Pinsrb_xmm_r32m8_imm8: |a, b: u8, lane| shuffle::pinsrb(a, b, lane),
            Pinsrb_xmm_r64m8_imm8: |a, b: u8, lane| shuffle::pinsrb(a, b, lane),
            Pinsrw_xmm_r32m16_imm8: |a, b: u16, lane| shuffle::pinsrw(a, b, lane),
            Pinsrw_xmm_r64m16_imm8: |a, b: u16, lane| shuffle::pinsrw(a, b, lane),
            Pinsrd_xmm_rm32_imm8: |a, b: u32, lane| shuffle::pinsrd(a, b, lane),
            Pinsrq_xmm_rm64_imm8: |a, b: u64, lane| shuffle::pinsrq(a, b, lane),
        }
        extract {
            Pextrb_r32m8_xmm_imm8: shuffle::pextrb,
            Pextrb_r64m8_xmm_imm8: shuffle::pextrb,
            Pextrw_r32m16_xmm_imm8: shuffle::pextrw,
            Pextrw_r64m16_xmm_imm8: shuffle::pextrw,
            Pextrw_r32_xmm_imm8: shuffle::pextrw,
            Pextrw_r64_xmm_imm8: shuffle::pextrw,
            Pextrd_rm32_xmm_imm8: shuffle::pextrd,
            Pextrq_rm64_xmm_imm8: shuffle::pextrq,
            Extractps_rm32_xmm_imm8: shuffle::pextrd,
            Extractps_r64m32_xmm_imm8: shuffle::pextrd,
        }
        insertps {
            Insertps_xmm_xmmm32_imm8: (),
        }
        maskmovdqu {
            Maskmovdqu_rDI_xmm_xmm: (),
        }
        control {
            Ldmxcsr_m32: ldmxcsr,
            Stmxcsr_m32: stmxcsr,
            Fxsave_m512byte: |exec, op| fxsave(exec, op, false),
            Fxsave64_m512byte: |exec, op| fxsave(exec, op, true),
            Fxrstor_m512byte: |exec, op| fxrstor(exec, op, false),
            Fxrstor64_m512byte: |exec, op| fxrstor(exec, op, true),
            Clflush_m8: clflush,
        }
        // Accesses happen in order here, and there is no cache to fill.
        nothing {
            Prefetchnta_m8: (),
            Prefetcht0_m8: (),
            Prefetcht1_m8: (),
            Prefetcht2_m8: (),
            Prefetch_m8: (),
            Prefetchw_m8: (),
            Prefetchwt1_m8: (),
            Prefetchreserved3_m8: (),
            Prefetchreserved4_m8: (),
            Prefetchreserved5_m8: (),
            Prefetchreserved6_m8: (),
            Prefetchreserved7_m8: (),
            Sfence: (),
            Sfence_F9: (),
            Sfence_FA: (),
            Sfence_FB: (),
            Sfence_FC: (),
            Sfence_FD: (),
            Sfence_FE: (),
            Sfence_FF: (),
            Lfence: (),
            Lfence_E9: (),
            Lfence_EA: (),
            Lfence_EB: (),
            Lfence_EC: (),
            Lfence_ED: (),
            Lfence_EE: (),
            Lfence_EF: (),
            Mfence: (),
            Mfence_F1: (),
            Mfence_F2: (),
            Mfence_F3: (),
            Mfence_F4: (),
            Mfence_F5: (),
            Mfence_F6: (),
            Mfence_F7: (),
        }
    }
}

fn u32_wide(value: u32) -> u128 {
    value.into()
}

fn u64_wide(value: u64) -> u128 {
    value.into()
}

fn with_low(a: u128, low: u64) -> u128 {
    a >> 64 << 64 | u128::from(low)
}

fn with_high(a: u128, high: u64) -> u128 {
    u128::from(a as u64) | u128::from(high) << 64
}

#[inline(always)]
fn load_128(exec: &mut Exec<'_>, op: &Op, alignment: Alignment) -> Outcome {
    exec.check_sse()?;
    let value = match alignment {
        Alignment::Required => exec.xmm_or_m128(op)?,
        Alignment::Any => exec.xmm_or_m128_unaligned(op)?,
    };
    exec.set_xmm(op.dst, value);
    DONE
}

#[inline(always)]
fn store_128(exec: &mut Exec<'_>, op: &Op, alignment: Alignment) -> Outcome {
    exec.check_sse()?;
    let value = exec.xmm(op.src);
    if !op.is_memory() {
        exec.set_xmm(op.dst, value);
    } else if alignment == Alignment::Required {
        exec.store_m128_aligned(op, value)?;
    } else {
        exec.store(op, value)?;
    }
    DONE
}

/// MOVD and MOVQ from a general purpose register or memory.
#[inline(always)]
fn load_integer<T: Int>(exec: &mut Exec<'_>, op: &Op, widen: impl Fn(T) -> u128) -> Outcome {
    exec.check_sse()?;
    let value = exec.load_or_src(op)?;
    exec.set_xmm(op.dst, widen(value));
    DONE
}

/// MOVD and MOVQ to a general purpose register or memory.
#[inline(always)]
fn store_integer<T: Int>(exec: &mut Exec<'_>, op: &Op, narrow: impl Fn(u128) -> T) -> Outcome {
    exec.check_sse()?;
    let value = narrow(exec.xmm(op.src));
    Ok(exec.store_or_dst(op, value)?)
}

/// MOVSS and MOVSD: from memory, the rest is cleared; from a register, it stays.
#[inline(always)]
fn load_scalar<T: Scalar>(exec: &mut Exec<'_>, op: &Op, widen: impl Fn(T) -> u128) -> Outcome {
    exec.check_sse()?;
    if op.is_memory() {
        let value = exec.load(op)?;
        exec.set_xmm(op.dst, widen(value));
    } else {
        merge(exec, op, 8 * T::SIZE as u32);
    }
    DONE
}

#[inline(always)]
fn store_scalar<T: Scalar>(exec: &mut Exec<'_>, op: &Op, narrow: impl Fn(u128) -> T) -> Outcome {
    exec.check_sse()?;
    if op.is_memory() {
        let value = narrow(exec.xmm(op.src));
        exec.store(op, value)?;
    } else {
        merge(exec, op, 8 * T::SIZE as u32);
    }
    DONE
}

/// The low `bits` of one register to another.
fn merge(exec: &mut Exec<'_>, op: &Op, bits: u32) {
    let mask = (1 << bits) - 1;
    let value = exec.xmm(op.dst) & !mask | exec.xmm(op.src) & mask;
    exec.set_xmm(op.dst, value);
}

/// From 8 bytes of memory, or the low half of a register.
#[inline(always)]
fn load_low(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128, u64) -> u128) -> Outcome {
    exec.check_sse()?;
    let b = exec.xmm_or_m64(op)?;
    let value = compute(exec.xmm(op.dst), b);
    exec.set_xmm(op.dst, value);
    DONE
}

#[inline(always)]
fn store_half(exec: &mut Exec<'_>, op: &Op, half: impl Fn(u128) -> u64) -> Outcome {
    exec.check_sse()?;
    let value = half(exec.xmm(op.src));
    Ok(exec.store(op, value)?)
}

/// MOVQ to memory, or to a register whose high half is cleared.
#[inline(always)]
fn store_low(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_sse()?;
    let value = exec.xmm(op.src) as u64;
    if op.is_memory() {
        exec.store(op, value)?;
    } else {
        exec.set_xmm(op.dst, value.into());
    }
    DONE
}

#[inline(always)]
fn registers(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128, u128) -> u128) -> Outcome {
    exec.check_sse()?;
    let value = compute(exec.xmm(op.dst), exec.xmm(op.src));
    exec.set_xmm(op.dst, value);
    DONE
}

/// To a general purpose register, whose upper bits are cleared.
#[inline(always)]
fn sign_mask(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128) -> u32) -> Outcome {
    exec.check_sse()?;
    let mask = compute(exec.xmm(op.src));
    exec.set_reg(op.dst, mask);
    DONE
}

/// From memory as wide as the lane, or the low bits of a general purpose register.
#[inline(always)]
fn insert<T: Int>(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128, T, u8) -> u128) -> Outcome {
    exec.check_sse()?;
    let b = lane_source(exec, op)?;
    let value = compute(exec.xmm(op.dst), b, op.imm as u8);
    exec.set_xmm(op.dst, value);
    DONE
}

/// Memory as wide as the value, or the low bits of a whole general purpose register.
#[inline(always)]
pub(super) fn lane_source<T: Int>(exec: &mut Exec<'_>, op: &Op) -> aero_cpu::ExecResult<T> {
    if op.is_memory() { exec.load(op) } else { Ok(T::truncate(exec.reg(op.src))) }
}

/// To memory as wide as the lane, or a general purpose register, whose upper bits are cleared.
#[inline(always)]
fn extract<T: Int>(exec: &mut Exec<'_>, op: &Op, compute: impl Fn(u128, u8) -> T) -> Outcome {
    exec.check_sse()?;
    let value = compute(exec.xmm(op.src), op.imm as u8);
    if op.is_memory() {
        exec.store(op, value)?;
    } else {
        exec.set_reg::<u64>(op.dst, value.zx());
    }
    DONE
}

#[inline(always)]
fn insertps(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_sse()?;
    let control = op.imm as u8;
    let b = if op.is_memory() {
        exec.load(op)?
    } else {
        shuffle::pextrd(exec.xmm(op.src), control >> 6)
    };
    let value = shuffle::insertps(exec.xmm(op.dst), b, control);
    exec.set_xmm(op.dst, value);
    DONE
}

fn maskmovdqu(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    exec.check_sse()?;
    let mask = shuffle::pmovmskb(exec.xmm(op.src));
    let data = exec.xmm(op.dst).to_le_bytes();
    store_masked(exec, op, &data, mask)
}

/// Stores the bytes of `data` that have a bit in `mask` at DS:rDI. If one of them cannot be stored,
/// none is.
pub(super) fn store_masked(exec: &mut Exec<'_>, op: &Op, data: &[u8], mask: u32) -> Outcome {
    if mask == 0 {
        return DONE;
    }
    let addresses = address_mask(op.address);
    let start = exec.reg::<u64>(RDI) & addresses;
    let selected = |i: &usize| mask >> i & 1 != 0;
    let offset = |i: usize| start.wrapping_add(i as u64) & addresses;
    for i in (0..data.len()).filter(selected) {
        exec.probe_write(op.seg, offset(i), 1)?;
    }
    for i in (0..data.len()).filter(selected) {
        exec.write(op.seg, offset(i), data[i])?;
    }
    DONE
}

#[inline(always)]
fn control(exec: &mut Exec<'_>, op: &Op, run: impl Fn(&mut Exec<'_>, &Op) -> Outcome) -> Outcome {
    run(exec, op)
}

fn ldmxcsr(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.check_sse()?;
    let value = exec.load(op)?;
    Ok(exec.load_mxcsr(value)?)
}

fn stmxcsr(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.check_sse()?;
    let value = exec.cpu.mxcsr;
    Ok(exec.store(op, value)?)
}

fn fxsave(exec: &mut Exec<'_>, op: &Op, rex_w: bool) -> Outcome {
    let offset = exec.offset(op);
    Ok(exec.fxsave(op.seg, offset, rex_w)?)
}

fn fxrstor(exec: &mut Exec<'_>, op: &Op, rex_w: bool) -> Outcome {
    let offset = exec.offset(op);
    Ok(exec.fxrstor(op.seg, offset, rex_w)?)
}

/// CLFLUSH faults as a read of a byte does.
fn clflush(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let offset = exec.offset(op);
    Ok(exec.probe_read(op.seg, offset, 1)?)
}

fn nothing(_: &mut Exec<'_>, _: &Op, (): ()) -> Outcome {
    DONE
}
