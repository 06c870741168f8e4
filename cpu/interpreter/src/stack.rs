//! The stack: PUSH, POP and their forms for all registers and flags, ENTER, LEAVE.

use aero_cpu::{Exec, RSP, SegReg, Shadow};
use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};

use crate::lower::{by_wide_size, called, gpr_size, operand_bytes};
use crate::op::{Handler, Op, OpFlags, Outcome};
use crate::operands::{Int, Operands, operand_size, segment};

pub(crate) fn lower(instr: &Instruction, op: &mut Op) -> Option<Handler> {
    use Mnemonic as M;
    Some(match instr.mnemonic() {
        M::Push => return push(instr),
        M::Pop => return pop(instr, op),
        M::Pusha => push_all::<u16>,
        M::Pushad => push_all::<u32>,
        M::Popa => pop_all::<u16>,
        M::Popad => pop_all::<u32>,
        M::Pushf => pushf::<u16>,
        M::Pushfd => pushf::<u32>,
        M::Pushfq => pushf::<u64>,
        M::Popf | M::Popfd | M::Popfq => {
            // TF and IF may change.
            op.flags |= OpFlags::END;
            match instr.mnemonic() {
                M::Popf => popf::<u16>,
                M::Popfd => popf::<u32>,
                _ => popf::<u64>,
            }
        }
        M::Enter => match instr.code() {
            Code::Enterw_imm16_imm8 => enter::<u16>,
            Code::Enterd_imm16_imm8 => enter::<u32>,
            _ => enter::<u64>,
        },
        M::Leave => match instr.code() {
            Code::Leavew => leave::<u16>,
            Code::Leaved => leave::<u32>,
            _ => leave::<u64>,
        },
        _ => return None,
    })
}

fn push(instr: &Instruction) -> Option<Handler> {
    Some(match instr.op0_kind() {
        OpKind::Register => match gpr_size(instr.op0_register()) {
            0 => by_wide_size!(segment_push_bytes(instr), push_segment),
            size => by_wide_size!(size, push_r),
        },
        OpKind::Memory => by_wide_size!(operand_bytes(instr, 0), push_m),
        OpKind::Immediate8to16 | OpKind::Immediate16 => called(push_i::<u16>),
        OpKind::Immediate8to32 | OpKind::Immediate32 => called(push_i::<u32>),
        _ => called(push_i::<u64>),
    })
}

/// The operand size of PUSH and POP of a segment register.
fn segment_push_bytes(instr: &Instruction) -> u32 {
    use Code as C;
    match instr.code() {
        C::Pushw_ES
        | C::Pushw_CS
        | C::Pushw_SS
        | C::Pushw_DS
        | C::Pushw_FS
        | C::Pushw_GS
        | C::Popw_ES
        | C::Popw_CS
        | C::Popw_SS
        | C::Popw_DS
        | C::Popw_FS
        | C::Popw_GS => 2,
        C::Pushq_FS | C::Pushq_GS | C::Popq_FS | C::Popq_GS => 8,
        _ => 4,
    }
}

fn pop(instr: &Instruction, op: &mut Op) -> Option<Handler> {
    Some(match instr.op0_kind() {
        OpKind::Register => match gpr_size(instr.op0_register()) {
            0 => {
                match instr.op0_register() {
                    Register::CS => return None,
                    Register::SS => op.flags |= OpFlags::END,
                    _ => {}
                }
                by_wide_size!(segment_push_bytes(instr), pop_segment)
            }
            size => by_wide_size!(size, pop_r),
        },
        _ => by_wide_size!(operand_bytes(instr, 0), pop_m),
    })
}

#[inline(always)]
pub(crate) fn push_r<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.reg::<T>(op.dst);
    Ok(exec.push(value)?)
}

#[inline(always)]
pub(crate) fn push_i<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    Ok(exec.push(T::truncate(op.imm))?)
}

fn push_m<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.load::<T>(op)?;
    Ok(exec.push(value)?)
}

/// The selector is zero-extended to the operand size.
fn push_segment<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let selector = exec.cpu.seg(segment(op.dst)).selector;
    Ok(exec.push(T::truncate(selector.into()))?)
}

#[inline(always)]
pub(crate) fn pop_r<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.pop::<T>()?;
    // After the increment, so that POP RSP leaves what was popped.
    exec.set_reg(op.dst, value);
    Ok(())
}

fn pop_m<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let before = exec.cpu.regs[RSP];
    let value = exec.pop::<T>()?;
    // An address with RSP in it is that after the increment.
    let outcome = exec.store(op, value);
    if outcome.is_err() {
        exec.cpu.regs[RSP] = before;
    }
    Ok(outcome?)
}

fn pop_segment<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let pointer = exec.stack_pointer();
    // Only the selector is read, whatever the operand size.
    let selector = exec.read::<u16>(SegReg::Ss, pointer)?;
    let register = segment(op.dst);
    // The width of the old stack segment moves the pointer, also when SS is loaded.
    let mask = exec.cpu.stack_mask();
    let rsp = exec.cpu.regs[RSP];
    exec.load_segment(register, selector)?;
    exec.cpu.regs[RSP] = rsp & !mask | pointer.wrapping_add(T::SIZE) & mask;
    if register == SegReg::Ss {
        exec.hold_interrupts(Shadow::MovSs);
    }
    Ok(())
}

/// PUSHA: AX, CX, DX, BX, the SP of before, BP, SI, DI.
fn push_all<T: Int>(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let before = exec.cpu.regs[RSP];
    for number in 0..8 {
        let value = if number == RSP as u8 { T::truncate(before) } else { exec.reg::<T>(number) };
        if let Err(fault) = exec.push(value) {
            exec.cpu.regs[RSP] = before;
            return Err(fault.into());
        }
    }
    Ok(())
}

/// POPA: the SP on the stack is skipped.
fn pop_all<T: Int>(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let pointer = exec.stack_pointer();
    let mask = exec.cpu.stack_mask();
    let mut values = [T::default(); 8];
    for (i, value) in values.iter_mut().enumerate() {
        *value = exec.read(SegReg::Ss, pointer.wrapping_add(i as u64 * T::SIZE) & mask)?;
    }
    for (i, value) in values.into_iter().enumerate() {
        if 7 - i != RSP {
            exec.set_reg(7 - i as u8, value);
        }
    }
    exec.set_stack_pointer(pointer.wrapping_add(8 * T::SIZE));
    Ok(())
}

fn pushf<T: Int>(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    Ok(exec.pushf(operand_size(T::BYTES))?)
}

fn popf<T: Int>(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    Ok(exec.popf(operand_size(T::BYTES))?)
}

const RBP: u8 = 5;

fn enter<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let level = op.imm >> 16 & 31;
    let mask = exec.cpu.stack_mask();
    let mut pointer = exec.stack_pointer();
    let mut push = |exec: &mut Exec<'_>, value: T| {
        pointer = pointer.wrapping_sub(T::SIZE) & mask;
        exec.write(SegReg::Ss, pointer, value).map(|()| pointer)
    };
    let base = exec.cpu.regs[usize::from(RBP)];
    let frame = push(exec, T::truncate(base))?;
    let mut top = frame;
    for i in 1..level {
        let at = base.wrapping_sub(i * T::SIZE) & mask;
        let outer = exec.read::<T>(SegReg::Ss, at)?;
        top = push(exec, outer)?;
    }
    if level > 0 {
        top = push(exec, T::truncate(frame))?;
    }
    top = top.wrapping_sub(op.imm & 0xffff) & mask;
    // A write at the new top of the stack has to be possible.
    exec.probe_write(SegReg::Ss, top, T::SIZE)?;
    exec.set_stack_pointer(top);
    exec.set_reg(RBP, T::truncate(frame));
    Ok(())
}

fn leave<T: Int>(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let pointer = exec.cpu.regs[usize::from(RBP)] & exec.cpu.stack_mask();
    let value = exec.read::<T>(SegReg::Ss, pointer)?;
    exec.set_stack_pointer(pointer.wrapping_add(T::SIZE));
    exec.set_reg(RBP, value);
    Ok(())
}
