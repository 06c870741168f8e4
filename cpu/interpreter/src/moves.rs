//! Instructions that move data: MOV and its extensions, LEA, XCHG, CMOVcc, SETcc, XLAT.

use aero_cpu::alu::{self, Word};
use aero_cpu::{Exec, Mode, SegReg, Shadow};
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use crate::lower::{
    by_condition, by_size, by_wide_size, called, gpr_size, is_memory, is_register, operand_bytes,
};
use crate::op::{Address, Handler, NO_REGISTER, Op, OpFlags, Outcome};
use crate::operands::{Int, Operands, segment};

pub(crate) fn lower(instr: &Instruction, op: &mut Op) -> Option<Handler> {
    use Mnemonic as M;
    Some(match instr.mnemonic() {
        M::Mov => return mov(instr, op),
        M::Lea => {
            // An address of fewer bits than the operand is zero-extended, one of more truncated.
            let form = op.address;
            match (gpr_size(instr.op0_register()), form) {
                (8, Address::Base64) => called(lea_base),
                (8, Address::Index64) => called(lea_index),
                (4, Address::Base32) => called(lea_base32),
                (size, _) => by_wide_size!(size, lea),
            }
        }
        M::Movzx => return extend::<false>(instr),
        M::Movsx | M::Movsxd => return extend::<true>(instr),
        M::Movnti => by_wide_size!(operand_bytes(instr, 1), mov_mr),
        M::Xchg => {
            if is_memory(instr, 0) || is_memory(instr, 1) {
                // XCHG with memory is locked without the prefix. Either operand may be the memory.
                op.flags |= OpFlags::LOCKED;
                if is_memory(instr, 1) {
                    op.src = op.dst;
                }
                let register = if is_memory(instr, 0) { 1 } else { 0 };
                by_size!(operand_bytes(instr, register), xchg_mr)
            } else {
                by_size!(operand_bytes(instr, 0), xchg_rr)
            }
        }
        M::Bswap => by_wide_size!(operand_bytes(instr, 0), bswap),
        M::Xlatb => {
            // iced names AL as the index.
            op.index = NO_REGISTER;
            op.address = match instr.memory_base() {
                Register::BX => Address::Any16,
                Register::EBX => Address::Bare32,
                _ => Address::Bare64,
            };
            xlat
        }
        M::Cbw => cbw,
        M::Cwde => cwde,
        M::Cdqe => called(cdqe),
        M::Cwd => cwd::<u16>,
        M::Cdq => cwd::<u32>,
        M::Cqo => cwd::<u64>,
        _ => return conditional(instr),
    })
}

fn mov(instr: &Instruction, op: &mut Op) -> Option<Handler> {
    use OpKind::{Memory, Register as Reg};
    let (first, second) = (instr.op0_register(), instr.op1_register());
    let class = |r: Register, base: Register| (r as u32).wrapping_sub(base as u32);
    Some(match (instr.op0_kind(), instr.op1_kind()) {
        (Reg, Reg) if gpr_size(first) != 0 && gpr_size(second) != 0 => {
            by_size!(gpr_size(first), mov_rr)
        }
        (Reg, Memory) if gpr_size(first) != 0 => match (gpr_size(first), op.address) {
            (4, Address::Base64) => called(mov_rm_base::<u32>),
            (8, Address::Base64) => called(mov_rm_base::<u64>),
            (size, _) => by_size!(size, mov_rm),
        },
        (Memory, Reg) if gpr_size(second) != 0 => match (gpr_size(second), op.address) {
            (4, Address::Base64) => called(mov_mr_base::<u32>),
            (8, Address::Base64) => called(mov_mr_base::<u64>),
            (size, _) => by_size!(size, mov_mr),
        },
        // Segment registers: 16 bits in memory whatever the operand size.
        (Reg, Reg) if class(second, Register::ES) < 6 => by_wide_size!(gpr_size(first), mov_rs),
        (Memory, Reg) if class(second, Register::ES) < 6 => mov_ms,
        (Reg, _) if class(first, Register::ES) < 6 => {
            match first {
                Register::CS => return None,
                Register::SS => op.flags |= OpFlags::END,
                _ => {}
            }
            mov_seg
        }
        (Reg, Reg) if class(second, Register::CR0) < 16 => mov_from_cr,
        (Reg, Reg) if class(first, Register::CR0) < 16 => {
            op.flags |= OpFlags::END;
            mov_to_cr
        }
        (Reg, Reg) if class(second, Register::DR0) < 16 => mov_from_dr,
        (Reg, Reg) if class(first, Register::DR0) < 16 => {
            op.flags |= OpFlags::END;
            mov_to_dr
        }
        (Reg, _) if gpr_size(first) != 0 => by_size!(gpr_size(first), mov_ri),
        (Memory, _) => by_size!(operand_bytes(instr, 0), mov_mi),
        _ => return None,
    })
}

#[inline(always)]
pub(crate) fn mov_rr<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.reg::<T>(op.src);
    exec.set_reg(op.dst, value);
    Ok(())
}

#[inline(always)]
pub(crate) fn mov_ri<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.set_reg(op.dst, T::truncate(op.imm));
    Ok(())
}

#[inline(always)]
pub(crate) fn mov_rm<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.load::<T>(op)?;
    exec.set_reg(op.dst, value);
    Ok(())
}

#[inline(always)]
pub(crate) fn mov_mr<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.reg::<T>(op.src);
    Ok(exec.store(op, value)?)
}

/// The offset of the commonest address form.
#[inline(always)]
fn base_offset(exec: &Exec<'_>, op: &Op) -> u64 {
    exec.cpu.regs[usize::from(op.base & 15)].wrapping_add(op.disp as i64 as u64)
}

#[inline(always)]
pub(crate) fn mov_rm_base<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let offset = base_offset(exec, op);
    let value = exec.read::<T>(op.seg, offset)?;
    exec.set_reg(op.dst, value);
    Ok(())
}

#[inline(always)]
pub(crate) fn mov_mr_base<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let offset = base_offset(exec, op);
    let value = exec.reg::<T>(op.src);
    Ok(exec.write(op.seg, offset, value)?)
}

#[inline(always)]
pub(crate) fn mov_mi<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    Ok(exec.store(op, T::truncate(op.imm))?)
}

fn mov_rs<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let selector = exec.cpu.seg(segment(op.src)).selector;
    exec.set_reg(op.dst, T::truncate(selector.into()));
    Ok(())
}

fn mov_ms(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let selector = exec.cpu.seg(segment(op.src)).selector;
    Ok(exec.store(op, selector)?)
}

fn mov_seg(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let selector = exec.load_or_src::<u16>(op)?;
    let register = segment(op.dst);
    exec.load_segment(register, selector)?;
    if register == SegReg::Ss {
        exec.hold_interrupts(Shadow::MovSs);
    }
    Ok(())
}

/// The operand is as wide as the mode, whatever the prefixes: 64 bits in 64-bit mode, else 32.
fn set_system_reg(exec: &mut Exec<'_>, op: &Op, value: u64) {
    if exec.cpu.mode() == Mode::Long64 {
        exec.set_reg::<u64>(op.dst, value);
    } else {
        exec.set_reg::<u32>(op.dst, value as u32);
    }
}

fn system_reg(exec: &Exec<'_>, op: &Op) -> u64 {
    let value = exec.reg::<u64>(op.src);
    if exec.cpu.mode() == Mode::Long64 { value } else { value & 0xffff_ffff }
}

fn mov_from_cr(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.read_cr(op.src.into())?;
    set_system_reg(exec, op, value);
    Ok(())
}

fn mov_to_cr(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = system_reg(exec, op);
    Ok(exec.write_cr(op.dst.into(), value)?)
}

fn mov_from_dr(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.read_dr(op.src.into())?;
    set_system_reg(exec, op, value);
    Ok(())
}

fn mov_to_dr(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = system_reg(exec, op);
    Ok(exec.write_dr(op.dst.into(), value)?)
}

#[inline(always)]
pub(crate) fn lea<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let offset = exec.offset(op);
    exec.set_reg(op.dst, T::truncate(offset));
    Ok(())
}

#[inline(always)]
pub(crate) fn lea_base(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let offset = base_offset(exec, op);
    exec.set_reg(op.dst, offset);
    Ok(())
}

#[inline(always)]
pub(crate) fn lea_index(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let index = exec.cpu.regs[usize::from(op.index & 15)] << (op.scale & 3);
    let offset = base_offset(exec, op).wrapping_add(index);
    exec.set_reg(op.dst, offset);
    Ok(())
}

#[inline(always)]
pub(crate) fn lea_base32(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let offset = base_offset(exec, op) as u32;
    exec.set_reg(op.dst, offset);
    Ok(())
}

/// MOVZX, MOVSX and MOVSXD by the sizes of their operands.
fn extend<const SIGNED: bool>(instr: &Instruction) -> Option<Handler> {
    let memory = is_memory(instr, 1);
    macro_rules! pick {
        ($source:ty) => {
            match (gpr_size(instr.op0_register()), memory) {
                (2, false) => called(extend_rr::<$source, u16, SIGNED>),
                (4, false) => called(extend_rr::<$source, u32, SIGNED>),
                (8, false) => called(extend_rr::<$source, u64, SIGNED>),
                (2, true) => called(extend_rm::<$source, u16, SIGNED>),
                (4, true) => called(extend_rm::<$source, u32, SIGNED>),
                (8, true) => called(extend_rm::<$source, u64, SIGNED>),
                _ => return None,
            }
        };
    }
    Some(match operand_bytes(instr, 1) {
        1 => pick!(u8),
        2 => pick!(u16),
        4 => pick!(u32),
        _ => return None,
    })
}

#[inline(always)]
fn extended<S: Int, T: Int, const SIGNED: bool>(value: S) -> T {
    T::truncate(if SIGNED { value.sx() as u64 } else { value.zx() })
}

#[inline(always)]
pub(crate) fn extend_rr<S: Int, T: Int, const SIGNED: bool>(
    exec: &mut Exec<'_>,
    op: &Op,
) -> Outcome {
    let value = exec.reg::<S>(op.src);
    exec.set_reg(op.dst, extended::<S, T, SIGNED>(value));
    Ok(())
}

#[inline(always)]
pub(crate) fn extend_rm<S: Int, T: Int, const SIGNED: bool>(
    exec: &mut Exec<'_>,
    op: &Op,
) -> Outcome {
    let value = exec.load::<S>(op)?;
    exec.set_reg(op.dst, extended::<S, T, SIGNED>(value));
    Ok(())
}

fn xchg_rr<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (a, b) = (exec.reg::<T>(op.dst), exec.reg::<T>(op.src));
    exec.set_reg(op.dst, b);
    exec.set_reg(op.src, a);
    Ok(())
}

fn xchg_mr<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.reg::<T>(op.src);
    let old = exec.modify(op, |_| value)?;
    exec.set_reg(op.src, old);
    Ok(())
}

fn bswap<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.reg::<T>(op.dst);
    exec.set_reg(op.dst, alu::bswap(value));
    Ok(())
}

fn xlat(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let sum = exec.cpu.regs[3].wrapping_add(exec.reg::<u8>(0).into());
    let offset = sum & crate::operands::address_mask(op.address);
    let value = exec.read::<u8>(op.seg, offset)?;
    exec.set_reg(0, value);
    Ok(())
}

fn cbw(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let value = exec.reg::<u8>(0).sx();
    exec.set_reg(0, value as u16);
    Ok(())
}

fn cwde(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let value = exec.reg::<u16>(0).sx();
    exec.set_reg(0, value as u32);
    Ok(())
}

#[inline(always)]
pub(crate) fn cdqe(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let value = exec.reg::<u32>(0).sx();
    exec.set_reg(0, value as u64);
    Ok(())
}

#[inline(always)]
pub(crate) fn cwd<T: Int>(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let sign = exec.reg::<T>(0).sx() >> 63;
    exec.set_reg(2, T::truncate(sign as u64));
    Ok(())
}

/// CMOVcc and SETcc.
fn conditional(instr: &Instruction) -> Option<Handler> {
    let opcode = condition_code(instr.mnemonic())?;
    let cc = opcode & 15;
    if opcode & 0x10 != 0 {
        return Some(if is_register(instr, 0) {
            by_condition!(cc, set_r)
        } else {
            by_condition!(cc, set_m)
        });
    }
    let memory = is_memory(instr, 1);
    Some(match (gpr_size(instr.op0_register()), memory) {
        (2, false) => by_condition!(cc, cmov_rr, u16),
        (4, false) => by_condition!(cc, cmov_rr, u32),
        (8, false) => by_condition!(cc, cmov_rr, u64),
        (2, true) => by_condition!(cc, cmov_rm, u16),
        (4, true) => by_condition!(cc, cmov_rm, u32),
        (8, true) => by_condition!(cc, cmov_rm, u64),
        _ => return None,
    })
}

/// The condition of a CMOVcc, or of a SETcc with bit 4 set.
fn condition_code(mnemonic: Mnemonic) -> Option<u8> {
    use Mnemonic as M;
    const CMOV: [M; 16] = [
        M::Cmovo,
        M::Cmovno,
        M::Cmovb,
        M::Cmovae,
        M::Cmove,
        M::Cmovne,
        M::Cmovbe,
        M::Cmova,
        M::Cmovs,
        M::Cmovns,
        M::Cmovp,
        M::Cmovnp,
        M::Cmovl,
        M::Cmovge,
        M::Cmovle,
        M::Cmovg,
    ];
    const SET: [M; 16] = [
        M::Seto,
        M::Setno,
        M::Setb,
        M::Setae,
        M::Sete,
        M::Setne,
        M::Setbe,
        M::Seta,
        M::Sets,
        M::Setns,
        M::Setp,
        M::Setnp,
        M::Setl,
        M::Setge,
        M::Setle,
        M::Setg,
    ];
    let find = |list: &[M; 16]| list.iter().position(|m| *m == mnemonic);
    find(&CMOV).or_else(|| find(&SET).map(|cc| cc | 0x10)).map(|cc| cc as u8)
}

fn cmov_rr<const CC: u8, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    // A false condition still clears the upper half of a 32-bit destination.
    let from = if exec.cpu.flags.cond(CC) { op.src } else { op.dst };
    let value = exec.reg::<T>(from);
    exec.set_reg(op.dst, value);
    Ok(())
}

fn cmov_rm<const CC: u8, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    // The operand is read whatever the condition.
    let loaded = exec.load::<T>(op)?;
    let value = if exec.cpu.flags.cond(CC) { loaded } else { exec.reg(op.dst) };
    exec.set_reg(op.dst, value);
    Ok(())
}

fn set_r<const CC: u8>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.cpu.flags.cond(CC);
    exec.set_reg(op.dst, u8::from(value));
    Ok(())
}

fn set_m<const CC: u8>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.cpu.flags.cond(CC);
    Ok(exec.store(op, u8::from(value))?)
}
