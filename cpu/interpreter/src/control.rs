//! Transfers of control: jumps, calls, returns, loops, interrupts.

use aero_cpu::alu::Word;
use aero_cpu::{Exception, Exec, ExecResult, OperandSize, SegReg};
use iced_x86::{Code, Instruction, MemorySize, Mnemonic, OpKind};

use crate::lower::{by_condition, by_wide_size, called, invalid, is_memory, operand_bytes};
use crate::op::{Handler, Op, OpFlags, Outcome};
use crate::operands::{Int, Operands};

pub(crate) fn lower(instr: &Instruction, op: &mut Op) -> Option<Handler> {
    let handler = choose(instr)?;
    op.flags |= OpFlags::END;
    match instr.mnemonic() {
        Mnemonic::Ud0 | Mnemonic::Ud1 | Mnemonic::Ud2 => op.flags |= OpFlags::INVALID,
        _ if is_near(instr) => op.flags |= OpFlags::BRANCH,
        _ => {}
    }
    Some(handler)
}

fn choose(instr: &Instruction) -> Option<Handler> {
    use Mnemonic as M;
    if let Some(cc) = jump_condition(instr.mnemonic()) {
        return Some(match branch_bytes(instr) {
            2 => by_condition!(cc, jump_if, u16),
            4 => by_condition!(cc, jump_if, u32),
            _ => by_condition!(cc, jump_if, u64),
        });
    }
    Some(match instr.mnemonic() {
        M::Jmp => match instr.op0_kind() {
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
                by_wide_size!(branch_bytes(instr), jump)
            }
            OpKind::FarBranch16 => jump_far::<u16>,
            OpKind::FarBranch32 => jump_far::<u32>,
            _ => match far_pointer_bytes(instr) {
                0 => by_wide_size!(operand_bytes(instr, 0), jump_indirect),
                size => by_wide_size!(size, jump_far_indirect),
            },
        },
        M::Call => match instr.op0_kind() {
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
                by_wide_size!(branch_bytes(instr), call)
            }
            OpKind::FarBranch16 => call_far::<u16>,
            OpKind::FarBranch32 => call_far::<u32>,
            _ => match far_pointer_bytes(instr) {
                0 => by_wide_size!(operand_bytes(instr, 0), call_indirect),
                size => by_wide_size!(size, call_far_indirect),
            },
        },
        M::Ret => match instr.code() {
            Code::Retnw | Code::Retnw_imm16 => called(ret::<u16>),
            Code::Retnd | Code::Retnd_imm16 => called(ret::<u32>),
            _ => called(ret::<u64>),
        },
        M::Retf => match instr.code() {
            Code::Retfw | Code::Retfw_imm16 => ret_far::<u16>,
            Code::Retfd | Code::Retfd_imm16 => ret_far::<u32>,
            _ => ret_far::<u64>,
        },
        M::Iret => iret::<u16>,
        M::Iretd => iret::<u32>,
        M::Iretq => iret::<u64>,
        M::Loop => counted(instr, Kind::Loop)?,
        M::Loope => counted(instr, Kind::LoopWhileZero)?,
        M::Loopne => counted(instr, Kind::LoopWhileNotZero)?,
        M::Jcxz | M::Jecxz | M::Jrcxz => counted(instr, Kind::JumpIfZero)?,
        M::Int => int_n,
        M::Int3 => int3,
        M::Into => into,
        M::Int1 => int1,
        M::Ud0 | M::Ud1 | M::Ud2 => invalid,
        M::Bound if instr.memory_size() == MemorySize::Bound16_WordWord => bound::<u16>,
        M::Bound => bound::<u32>,
        M::Syscall => |exec, _| Ok(exec.syscall()?),
        M::Sysret => |exec, _| Ok(exec.sysret(OperandSize::Dword)?),
        M::Sysretq => |exec, _| Ok(exec.sysret(OperandSize::Qword)?),
        M::Sysenter => |exec, _| Ok(exec.sysenter()?),
        M::Sysexit => |exec, _| Ok(exec.sysexit(OperandSize::Dword)?),
        M::Sysexitq => |exec, _| Ok(exec.sysexit(OperandSize::Qword)?),
        M::Hlt => |exec, _| Ok(exec.hlt()?),
        _ => return None,
    })
}

/// Whether this is a transfer within the code segment that changes nothing else than RSP and RCX.
fn is_near(instr: &Instruction) -> bool {
    use Mnemonic as M;
    match instr.mnemonic() {
        M::Jmp | M::Call => {
            let far = matches!(instr.op0_kind(), OpKind::FarBranch16 | OpKind::FarBranch32);
            !far && far_pointer_bytes(instr) == 0
        }
        M::Ret | M::Loop | M::Loope | M::Loopne | M::Jcxz | M::Jecxz | M::Jrcxz => true,
        mnemonic => jump_condition(mnemonic).is_some(),
    }
}

/// The condition of a Jcc.
fn jump_condition(mnemonic: Mnemonic) -> Option<u8> {
    use Mnemonic as M;
    Some(match mnemonic {
        M::Jo => 0,
        M::Jno => 1,
        M::Jb => 2,
        M::Jae => 3,
        M::Je => 4,
        M::Jne => 5,
        M::Jbe => 6,
        M::Ja => 7,
        M::Js => 8,
        M::Jns => 9,
        M::Jp => 10,
        M::Jnp => 11,
        M::Jl => 12,
        M::Jge => 13,
        M::Jle => 14,
        M::Jg => 15,
        _ => return None,
    })
}

/// The operand size of a direct near branch.
fn branch_bytes(instr: &Instruction) -> u32 {
    match instr.op0_kind() {
        OpKind::NearBranch16 => 2,
        OpKind::NearBranch32 => 4,
        _ => 8,
    }
}

/// Size of the offset of a far pointer in memory; 0 if the operand is none.
fn far_pointer_bytes(instr: &Instruction) -> u32 {
    match instr.memory_size() {
        _ if !is_memory(instr, 0) => 0,
        MemorySize::SegPtr16 => 2,
        MemorySize::SegPtr32 => 4,
        MemorySize::SegPtr64 => 8,
        _ => 0,
    }
}

const fn size_of_operand<T: Word>() -> OperandSize {
    match T::BITS {
        16 => OperandSize::Word,
        32 => OperandSize::Dword,
        _ => OperandSize::Qword,
    }
}

/// Goes to the target of a direct branch.
#[inline(always)]
fn branch_relative<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<()> {
    let target = T::truncate(exec.next_rip.wrapping_add(op.imm)).zx();
    exec.branch(target)
}

#[inline(always)]
pub(crate) fn jump_if<const CC: u8, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    if exec.cpu.flags.cond(CC) {
        branch_relative::<T>(exec, op)?;
    }
    Ok(())
}

#[inline(always)]
pub(crate) fn jump<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    Ok(branch_relative::<T>(exec, op)?)
}

/// The target of an indirect near branch.
#[inline(always)]
fn indirect_target<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<u64> {
    Ok(if op.is_memory() { exec.load::<T>(op)?.zx() } else { exec.reg::<T>(op.dst).zx() })
}

#[inline(always)]
pub(crate) fn jump_indirect<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let target = indirect_target::<T>(exec, op)?;
    Ok(exec.branch(target)?)
}

#[inline(always)]
pub(crate) fn call<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let back = T::truncate(exec.next_rip);
    branch_relative::<T>(exec, op)?;
    Ok(exec.push(back)?)
}

#[inline(always)]
pub(crate) fn call_indirect<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let back = T::truncate(exec.next_rip);
    let target = indirect_target::<T>(exec, op)?;
    exec.branch(target)?;
    Ok(exec.push(back)?)
}

#[inline(always)]
pub(crate) fn ret<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let pointer = exec.stack_pointer();
    let target = exec.read::<T>(SegReg::Ss, pointer)?;
    exec.branch(target.zx())?;
    exec.set_stack_pointer(pointer.wrapping_add(T::SIZE).wrapping_add(op.imm));
    Ok(())
}

fn jump_far<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    Ok(exec.far_jump((op.imm >> 32) as u16, op.imm & 0xffff_ffff, size_of_operand::<T>())?)
}

fn call_far<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    Ok(exec.far_call((op.imm >> 32) as u16, op.imm & 0xffff_ffff, size_of_operand::<T>())?)
}

/// Reads a far pointer: offset and selector.
pub(crate) fn far_pointer<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<(T, u16)> {
    let at = exec.offset(op);
    let offset = exec.read::<T>(op.seg, at)?;
    let selector = exec.read::<u16>(op.seg, at.wrapping_add(T::SIZE))?;
    Ok((offset, selector))
}

fn jump_far_indirect<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (offset, selector) = far_pointer::<T>(exec, op)?;
    Ok(exec.far_jump(selector, offset.zx(), size_of_operand::<T>())?)
}

fn call_far_indirect<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (offset, selector) = far_pointer::<T>(exec, op)?;
    Ok(exec.far_call(selector, offset.zx(), size_of_operand::<T>())?)
}

fn ret_far<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    Ok(exec.far_return(size_of_operand::<T>(), op.imm as u16)?)
}

fn iret<T: Int>(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    Ok(exec.iret(size_of_operand::<T>())?)
}

/// Branches on the count register.
#[derive(Clone, Copy)]
enum Kind {
    Loop,
    LoopWhileZero,
    LoopWhileNotZero,
    JumpIfZero,
}

/// The handler by the count register's width, which is the address size, and the operand size.
fn counted(instr: &Instruction, kind: Kind) -> Option<Handler> {
    use Code as C;
    let count = match instr.code() {
        C::Loop_rel8_16_CX
        | C::Loop_rel8_32_CX
        | C::Loope_rel8_16_CX
        | C::Loope_rel8_32_CX
        | C::Loopne_rel8_16_CX
        | C::Loopne_rel8_32_CX
        | C::Jcxz_rel8_16
        | C::Jcxz_rel8_32 => 2,
        C::Loop_rel8_16_RCX
        | C::Loop_rel8_64_RCX
        | C::Loope_rel8_16_RCX
        | C::Loope_rel8_64_RCX
        | C::Loopne_rel8_16_RCX
        | C::Loopne_rel8_64_RCX
        | C::Jrcxz_rel8_16
        | C::Jrcxz_rel8_64 => 8,
        _ => 4,
    };
    macro_rules! pick {
        ($count:ty) => {
            match kind {
                Kind::Loop => by_wide_size!(branch_bytes(instr), count_down, $count, Always),
                Kind::LoopWhileZero => {
                    by_wide_size!(branch_bytes(instr), count_down, $count, IfZero)
                }
                Kind::LoopWhileNotZero => {
                    by_wide_size!(branch_bytes(instr), count_down, $count, IfNotZero)
                }
                Kind::JumpIfZero => by_wide_size!(branch_bytes(instr), jump_if_count_zero, $count),
            }
        };
    }
    Some(match count {
        2 => pick!(u16),
        4 => pick!(u32),
        _ => pick!(u64),
    })
}

/// What ZF has to be for LOOPcc to go on.
trait WhileZf {
    fn goes_on(zf: bool) -> bool;
}
struct Always;
impl WhileZf for Always {
    fn goes_on(_: bool) -> bool {
        true
    }
}
struct IfZero;
impl WhileZf for IfZero {
    fn goes_on(zf: bool) -> bool {
        zf
    }
}
struct IfNotZero;
impl WhileZf for IfNotZero {
    fn goes_on(zf: bool) -> bool {
        !zf
    }
}

const RCX: u8 = 1;

fn count_down<C: Int, W: WhileZf, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let count = C::truncate(exec.reg::<C>(RCX).zx().wrapping_sub(1));
    if count != C::default() && W::goes_on(exec.cpu.flags.zf()) {
        branch_relative::<T>(exec, op)?;
    }
    exec.set_reg(RCX, count);
    Ok(())
}

fn jump_if_count_zero<C: Int, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    if exec.reg::<C>(RCX) == C::default() {
        branch_relative::<T>(exec, op)?;
    }
    Ok(())
}

fn int_n(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    Ok(exec.int_n(op.imm as u8)?)
}

fn int3(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    Ok(exec.int3()?)
}

fn into(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    if exec.cpu.flags.of() {
        exec.into_overflow()?;
    }
    Ok(())
}

fn int1(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    Ok(exec.int1()?)
}

fn bound<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let at = exec.offset(op);
    let low = exec.read::<T>(op.seg, at)?.sx();
    let high = exec.read::<T>(op.seg, at.wrapping_add(T::SIZE))?.sx();
    let index = exec.reg::<T>(op.dst).sx();
    if (low..=high).contains(&index) { Ok(()) } else { Err(Exception::br().into()) }
}
