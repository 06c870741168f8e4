//! From an instruction as iced decodes it to an [`Op`].
//!
//! [`lower`] fills in the operands, the same way for every instruction, and then asks each group of
//! instructions in turn for a handler: `fn lower(instr: &Instruction, op: &mut Op) -> Option<Handler>`.
//! A group may adjust the [`Op`] while it chooses; most need not.

use std::sync::atomic::{AtomicU64, Ordering};

use aero_cpu::{Exception, Exec, SegReg};
use iced_x86::{Code, CodeSize, Instruction, Mnemonic, OpKind, Register};

use crate::fast::Fast;
use crate::op::{Address, HIGH_BYTE, Handler, NO_REGISTER, Op, OpFlags, Outcome};
use crate::{bits, control, integer, moves, sse, stack, string, system, x87};

/// The groups, the commonest first.
const GROUPS: [fn(&Instruction, &mut Op) -> Option<Handler>; 9] = [
    moves::lower,
    integer::lower,
    control::lower,
    stack::lower,
    bits::lower,
    string::lower,
    sse::lower,
    x87::lower,
    system::lower,
];

/// Makes an [`Op`] of a decoded instruction.
pub fn lower(instr: &Instruction) -> Op {
    let mut op = Op {
        handler: invalid,
        imm: 0,
        disp: 0,
        dst: 0,
        src: 0,
        base: NO_REGISTER,
        index: NO_REGISTER,
        scale: 0,
        seg: SegReg::Ds,
        address: Address::Bare64,
        flags: OpFlags::empty(),
        len: instr.len() as u8,
        fast: Fast::Called,
        code: instr.code() as u16,
    };
    if instr.is_invalid() {
        op.flags = OpFlags::END | OpFlags::INVALID;
        return op;
    }
    set_prefixes(instr, &mut op);
    set_operands(instr, &mut op);
    op.handler = match GROUPS.iter().find_map(|group| group(instr, &mut op)) {
        Some(handler) => handler,
        None => {
            op.flags |= OpFlags::END | OpFlags::INVALID;
            missing
        }
    };
    op
}

fn set_prefixes(instr: &Instruction, op: &mut Op) {
    op.flags.set(OpFlags::LOCKED, instr.has_lock_prefix());
    op.flags.set(OpFlags::REP, instr.has_rep_prefix());
    op.flags.set(OpFlags::REPNE, instr.has_repne_prefix());
}

fn set_operands(instr: &Instruction, op: &mut Op) {
    for operand in 0..instr.op_count() {
        let kind = instr.op_kind(operand);
        match kind {
            OpKind::Register => {
                let number = register_number(instr.op_register(operand));
                match operand {
                    0 => op.dst = number,
                    1 => op.src = number,
                    // The third is CL, or XMM0 implied, or none that has a register.
                    _ => {}
                }
            }
            OpKind::Memory => set_address(instr, op),
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
                op.imm = instr.near_branch_target().wrapping_sub(instr.next_ip());
            }
            OpKind::FarBranch16 | OpKind::FarBranch32 => {
                let offset = if kind == OpKind::FarBranch16 {
                    instr.far_branch16().into()
                } else {
                    instr.far_branch32()
                };
                op.imm = u64::from(offset) | u64::from(instr.far_branch_selector()) << 32;
            }
            OpKind::Immediate8_2nd => op.imm |= u64::from(instr.immediate8_2nd()) << 16,
            OpKind::MemorySegSI | OpKind::MemorySegDI | OpKind::MemoryESDI => {
                set_implied_address(instr, op, kind, Address::Any16);
            }
            OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI => {
                set_implied_address(instr, op, kind, Address::Bare32);
            }
            OpKind::MemorySegRSI | OpKind::MemorySegRDI | OpKind::MemoryESRDI => {
                set_implied_address(instr, op, kind, Address::Bare64);
            }
            _ => op.imm = instr.immediate(operand),
        }
    }
}

/// Operands in memory whose address is in SI or DI. The handlers know which; `op.seg` is the segment
/// of the one that is not ES:DI.
fn set_implied_address(instr: &Instruction, op: &mut Op, kind: OpKind, address: Address) {
    op.address = address;
    if !matches!(kind, OpKind::MemoryESDI | OpKind::MemoryESEDI | OpKind::MemoryESRDI) {
        op.seg = operand_segment(instr, Register::None);
    }
}

fn set_address(instr: &Instruction, op: &mut Op) {
    op.flags |= OpFlags::MEMORY;
    let (base, index) = (instr.memory_base(), instr.memory_index());
    op.seg = operand_segment(instr, base);
    op.scale = instr.memory_index_scale().trailing_zeros() as u8;
    let displacement = instr.memory_displacement64();
    op.disp = displacement as i32;
    let number = |r| if r == Register::None { NO_REGISTER } else { register_number(r) };
    op.base = number(base);
    op.index = number(index);
    op.address = match (base, index) {
        (Register::RIP, _) | (Register::EIP, _) => {
            // iced gives the absolute address.
            op.disp = displacement.wrapping_sub(instr.next_ip()) as i32;
            op.base = NO_REGISTER;
            if base == Register::RIP { Address::Rip64 } else { Address::Rip32 }
        }
        (Register::None, Register::None) => match instr.memory_displ_size() {
            2 => Address::Any16,
            4 => Address::Bare32,
            _ if displacement as i32 as i64 as u64 != displacement => {
                op.imm = displacement;
                Address::Absolute
            }
            _ => Address::Bare64,
        },
        (Register::None, i) if is(i, Register::RAX) => Address::Bare64,
        (Register::None, i) if is(i, Register::EAX) => Address::Bare32,
        (b, Register::None) if is(b, Register::RAX) => Address::Base64,
        (b, Register::None) if is(b, Register::EAX) => Address::Base32,
        (b, _) if is(b, Register::RAX) => Address::Index64,
        (b, _) if is(b, Register::EAX) => Address::Index32,
        _ => Address::Any16,
    };
}

/// Whether `register` is one of the 16 from `first` on.
fn is(register: Register, first: Register) -> bool {
    (first as u32..first as u32 + 16).contains(&(register as u32))
}

/// The segment of an operand in memory. 64-bit code can ask for FS and GS only: other prefixes change
/// nothing, not even which fault an address that is not canonical raises.
fn operand_segment(instr: &Instruction, base: Register) -> SegReg {
    let asked = segment_register(instr.memory_segment());
    if instr.code_size() != CodeSize::Code64 || matches!(asked, SegReg::Fs | SegReg::Gs) {
        return asked;
    }
    match base {
        Register::RSP | Register::ESP | Register::RBP | Register::EBP => SegReg::Ss,
        _ => SegReg::Ds,
    }
}

fn segment_register(register: Register) -> SegReg {
    SegReg::from_index((register as u32).wrapping_sub(Register::ES as u32) as u8)
        .unwrap_or(SegReg::Ds)
}

/// A register's number within its class, as [`Op`] has it.
fn register_number(register: Register) -> u8 {
    let r = register as u32;
    let from = |first: Register| (r - first as u32) as u8;
    match register {
        Register::AH | Register::CH | Register::DH | Register::BH => from(Register::AH) | HIGH_BYTE,
        _ if r < Register::AH as u32 => from(Register::AL),
        _ if r < Register::AX as u32 => from(Register::SPL) + 4,
        _ if r < Register::EAX as u32 => from(Register::AX),
        _ if r < Register::RAX as u32 => from(Register::EAX),
        _ if r < Register::EIP as u32 => from(Register::RAX),
        _ if r < Register::ES as u32 => 0,
        _ if r < Register::XMM0 as u32 => from(Register::ES),
        _ if r < Register::YMM0 as u32 => from(Register::XMM0) & 15,
        _ if r < Register::CR0 as u32 => 0,
        _ if r < Register::DR0 as u32 => from(Register::CR0),
        _ if r < Register::ST0 as u32 => from(Register::DR0),
        _ if r < Register::MM0 as u32 => from(Register::ST0),
        _ if r < Register::TR0 as u32 => from(Register::MM0),
        _ => 0,
    }
}

/// The size in bytes of a general purpose register; 0 for any other.
pub(crate) fn gpr_size(register: Register) -> u32 {
    match register as u32 {
        r if r < Register::AL as u32 => 0,
        r if r < Register::AX as u32 => 1,
        r if r < Register::EAX as u32 => 2,
        r if r < Register::RAX as u32 => 4,
        r if r < Register::EIP as u32 => 8,
        _ => 0,
    }
}

/// The size in bytes of an integer operand; 0 if it is neither a general purpose register nor an
/// integer in memory.
pub(crate) fn operand_bytes(instr: &Instruction, operand: u32) -> u32 {
    use iced_x86::MemorySize as M;
    match instr.op_kind(operand) {
        OpKind::Register => gpr_size(instr.op_register(operand)),
        _ => match instr.memory_size() {
            M::UInt8 | M::Int8 => 1,
            M::UInt16 | M::Int16 | M::WordOffset => 2,
            M::UInt32 | M::Int32 | M::DwordOffset => 4,
            M::UInt64 | M::Int64 | M::QwordOffset => 8,
            _ => 0,
        },
    }
}

/// Whether operand `operand` is in memory.
pub(crate) fn is_memory(instr: &Instruction, operand: u32) -> bool {
    instr.op_kind(operand) == OpKind::Memory
}

/// Whether operand `operand` is a register.
pub(crate) fn is_register(instr: &Instruction, operand: u32) -> bool {
    instr.op_kind(operand) == OpKind::Register
}

/// The pointer to a handler, always the same for the same one: the compiler may make several copies of
/// a function, but makes one of this, and [`Fast`] knows handlers by their pointers.
pub(crate) fn called<F>(_: F) -> Handler
where
    F: Fn(&mut Exec<'_>, &Op) -> Outcome + Copy,
{
    #[inline(never)]
    fn call<F>(exec: &mut Exec<'_>, op: &Op) -> Outcome
    where
        F: Fn(&mut Exec<'_>, &Op) -> Outcome + Copy,
    {
        const { assert!(size_of::<F>() == 0, "handlers are functions, with nothing captured") };
        // SAFETY: `called` was given a value of this type, which has no size and can be copied.
        let handler: F = unsafe { std::mem::zeroed() };
        handler(exec, op)
    }
    call::<F>
}

/// Chooses a handler by operand size in bytes: 1, 2, 4 or 8.
macro_rules! by_size {
    ($size:expr, $f:ident $(, $g:ty)*) => {
        match $size {
            1 => $crate::lower::called($f::<$($g,)* u8>),
            2 => $crate::lower::called($f::<$($g,)* u16>),
            4 => $crate::lower::called($f::<$($g,)* u32>),
            8 => $crate::lower::called($f::<$($g,)* u64>),
            _ => return None,
        }
    };
}
pub(crate) use by_size;

/// Chooses a handler by operand size in bytes: 2, 4 or 8.
macro_rules! by_wide_size {
    ($size:expr, $f:ident $(, $g:ty)*) => {
        match $size {
            2 => $crate::lower::called($f::<$($g,)* u16>),
            4 => $crate::lower::called($f::<$($g,)* u32>),
            8 => $crate::lower::called($f::<$($g,)* u64>),
            _ => return None,
        }
    };
}
pub(crate) use by_wide_size;

/// Chooses among the 16 instances of a handler with a condition as its first parameter.
macro_rules! by_condition {
    ($cc:expr, $f:ident $(, $g:ty)*) => {
        by_condition!(@ $cc, $f, [$($g),*], 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $cc:expr, $f:ident, $g:tt, $($n:literal)*) => {
        match $cc {
            $($n => by_condition!(@one $f, $g, $n),)*
            _ => return None,
        }
    };
    (@one $f:ident, [$($g:ty),*], $n:literal) => {
        $crate::lower::called($f::<$n $(, $g)*>)
    };
}
pub(crate) use by_condition;

/// No instruction at all: #UD. Also UD0, UD1 and UD2.
pub(crate) fn invalid(_: &mut Exec<'_>, _: &Op) -> Outcome {
    Err(Exception::ud().into())
}

/// Longer than 15 bytes: #GP(0).
pub(crate) fn too_long(_: &mut Exec<'_>, _: &Op) -> Outcome {
    Err(Exception::gp(0).into())
}

/// Mnemonics that were named in the log.
static NAMED: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];

/// An instruction that processors of other models have, or that is not implemented: #UD, and its name
/// goes into the log, once.
#[cold]
fn missing(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    if let Ok(code) = Code::try_from(usize::from(op.code)) {
        let mnemonic: Mnemonic = code.mnemonic();
        let number = mnemonic as usize;
        let bit = 1 << (number % 64);
        if NAMED[number / 64 % 64].fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            log::warn!("no instruction {mnemonic:?}: #UD at {:#x}", exec.cpu.rip);
        }
    }
    Err(Exception::ud().into())
}
