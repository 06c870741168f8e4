//! Integer arithmetic, logic, shifts, multiplication and division.

use aero_cpu::alu::{self, Word};
use aero_cpu::{Exception, Exec, Flags};
use iced_x86::{Instruction, Mnemonic, OpKind};

use crate::lower::{by_size, by_wide_size, is_memory, is_register, operand_bytes};
use crate::op::{Handler, Op, Outcome};
use crate::operands::{Int, Operands};

pub(crate) fn lower(instr: &Instruction, _: &mut Op) -> Option<Handler> {
    use Mnemonic as M;
    Some(match instr.mnemonic() {
        M::Add => return binary::<Add>(instr),
        M::Or => return binary::<Or>(instr),
        M::Adc => return binary::<Adc>(instr),
        M::Sbb => return binary::<Sbb>(instr),
        M::And => return binary::<And>(instr),
        M::Sub => return binary::<Sub>(instr),
        M::Xor => return binary::<Xor>(instr),
        M::Cmp => return compare::<Cmp>(instr),
        M::Test => return compare::<Test>(instr),
        M::Inc => return unary::<Inc>(instr),
        M::Dec => return unary::<Dec>(instr),
        M::Neg => return unary::<Neg>(instr),
        M::Not => return unary::<Not>(instr),
        M::Rol => return shift::<Rol>(instr),
        M::Ror => return shift::<Ror>(instr),
        M::Rcl => return shift::<Rcl>(instr),
        M::Rcr => return shift::<Rcr>(instr),
        M::Shl | M::Sal => return shift::<Shl>(instr),
        M::Shr => return shift::<Shr>(instr),
        M::Sar => return shift::<Sar>(instr),
        M::Shld => return double_shift::<Shld>(instr),
        M::Shrd => return double_shift::<Shrd>(instr),
        M::Mul => by_size!(operand_bytes(instr, 0), multiply, Mul),
        M::Imul => match instr.op_count() {
            1 => by_size!(operand_bytes(instr, 0), multiply, Imul),
            2 => by_wide_size!(operand_bytes(instr, 0), imul_two),
            _ => by_wide_size!(operand_bytes(instr, 0), imul_three),
        },
        M::Div => by_size!(operand_bytes(instr, 0), divide, Div),
        M::Idiv => by_size!(operand_bytes(instr, 0), divide, Idiv),
        M::Xadd if is_memory(instr, 0) => by_size!(operand_bytes(instr, 1), xadd_mr),
        M::Xadd => by_size!(operand_bytes(instr, 1), xadd_rr),
        M::Cmpxchg if is_memory(instr, 0) => by_size!(operand_bytes(instr, 1), cmpxchg_mr),
        M::Cmpxchg => by_size!(operand_bytes(instr, 1), cmpxchg_rr),
        M::Cmpxchg8b => cmpxchg8b,
        M::Cmpxchg16b => cmpxchg16b,
        M::Daa => daa,
        M::Das => das,
        M::Aaa => aaa,
        M::Aas => aas,
        M::Aam => aam,
        M::Aad => aad,
        _ => return None,
    })
}

/// An operation of two operands with a result.
pub(crate) trait Binary {
    fn apply<T: Word>(flags: &mut Flags, a: T, b: T) -> T;
}

/// An operation of two operands that sets flags only.
pub(crate) trait Compare {
    fn apply<T: Word>(flags: &mut Flags, a: T, b: T);
}

/// An operation of one operand.
pub(crate) trait Unary {
    fn apply<T: Word>(flags: &mut Flags, a: T) -> T;
}

/// A shift or rotate.
pub(crate) trait Shift {
    fn apply<T: Word>(flags: &mut Flags, a: T, count: u8) -> T;
}

/// A shift of two operands.
trait DoubleShift {
    fn apply<T: Word>(flags: &mut Flags, a: T, b: T, count: u8) -> T;
}

/// A multiplication of full width.
trait Multiply {
    fn apply<T: Word>(flags: &mut Flags, a: T, b: T) -> (T, T);
}

/// A division.
trait Divide {
    fn apply<T: Word>(high: T, low: T, divisor: T) -> Option<(T, T)>;
}

macro_rules! operations {
    ($kind:ident $parameters:tt -> $r:ty, $arguments:tt: $($name:ident = $f:ident),*) => {
        $(operations!(@one $kind $parameters -> $r, $arguments, $name, $f);)*
    };
    (@one $kind:ident $parameters:tt -> $r:ty, $arguments:tt, $name:ident, $f:ident) => {
        pub(crate) struct $name;
        impl $kind for $name {
            #[inline(always)]
            fn apply<T: Word> $parameters -> $r {
                alu::$f $arguments
            }
        }
    };
}

operations!(Binary(flags: &mut Flags, a: T, b: T) -> T, (flags, a, b):
    Add = add, Or = or, Adc = adc, Sbb = sbb, And = and, Sub = sub, Xor = xor);
operations!(Compare(flags: &mut Flags, a: T, b: T) -> (), (flags, a, b): Cmp = cmp, Test = test);
operations!(Unary(flags: &mut Flags, a: T) -> T, (flags, a): Inc = inc, Dec = dec, Neg = neg);
operations!(Shift(flags: &mut Flags, a: T, count: u8) -> T, (flags, a, count):
    Rol = rol, Ror = ror, Rcl = rcl, Rcr = rcr, Shl = shl, Shr = shr, Sar = sar);
operations!(DoubleShift(flags: &mut Flags, a: T, b: T, count: u8) -> T, (flags, a, b, count):
    Shld = shld, Shrd = shrd);
operations!(Multiply(flags: &mut Flags, a: T, b: T) -> (T, T), (flags, a, b):
    Mul = mul, Imul = imul);
operations!(Divide(high: T, low: T, divisor: T) -> Option<(T, T)>, (high, low, divisor):
    Div = div, Idiv = idiv);

pub(crate) struct Not;
impl Unary for Not {
    #[inline(always)]
    fn apply<T: Word>(_: &mut Flags, a: T) -> T {
        T::truncate(!a.zx())
    }
}

/// Where the two operands are.
#[derive(Clone, Copy)]
enum Form {
    RegisterRegister,
    RegisterMemory,
    MemoryRegister,
    RegisterImmediate,
    MemoryImmediate,
}

fn form(instr: &Instruction) -> Form {
    let first_in_memory = is_memory(instr, 0);
    match instr.op1_kind() {
        OpKind::Register if first_in_memory => Form::MemoryRegister,
        OpKind::Register => Form::RegisterRegister,
        OpKind::Memory => Form::RegisterMemory,
        _ if first_in_memory => Form::MemoryImmediate,
        _ => Form::RegisterImmediate,
    }
}

fn binary<O: Binary>(instr: &Instruction) -> Option<Handler> {
    let size = operand_bytes(instr, 0);
    Some(match form(instr) {
        Form::RegisterRegister => by_size!(size, binary_rr, O),
        Form::RegisterMemory => by_size!(size, binary_rm, O),
        Form::MemoryRegister => by_size!(size, binary_mr, O),
        Form::RegisterImmediate => by_size!(size, binary_ri, O),
        Form::MemoryImmediate => by_size!(size, binary_mi, O),
    })
}

#[inline(always)]
pub(crate) fn binary_rr<O: Binary, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (a, b) = (exec.reg::<T>(op.dst), exec.reg::<T>(op.src));
    let r = O::apply(&mut exec.cpu.flags, a, b);
    exec.set_reg(op.dst, r);
    Ok(())
}

#[inline(always)]
pub(crate) fn binary_ri<O: Binary, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let a = exec.reg::<T>(op.dst);
    let r = O::apply(&mut exec.cpu.flags, a, T::truncate(op.imm));
    exec.set_reg(op.dst, r);
    Ok(())
}

#[inline(always)]
pub(crate) fn binary_rm<O: Binary, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let b = exec.load::<T>(op)?;
    let a = exec.reg::<T>(op.dst);
    let r = O::apply(&mut exec.cpu.flags, a, b);
    exec.set_reg(op.dst, r);
    Ok(())
}

/// Modifies memory and the flags, of which `f` gets a fresh copy each time it runs.
#[inline(always)]
fn modify_with_flags<T: Int>(
    exec: &mut Exec<'_>,
    op: &Op,
    f: impl Fn(&mut Flags, T) -> T,
) -> Outcome {
    let before = exec.cpu.flags;
    let mut after = before;
    exec.modify::<T>(op, |a| {
        after = before;
        f(&mut after, a)
    })?;
    exec.cpu.flags = after;
    Ok(())
}

#[inline(always)]
pub(crate) fn binary_mr<O: Binary, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let b = exec.reg::<T>(op.src);
    modify_with_flags(exec, op, |flags, a| O::apply(flags, a, b))
}

#[inline(always)]
pub(crate) fn binary_mi<O: Binary, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let b = T::truncate(op.imm);
    modify_with_flags(exec, op, |flags, a| O::apply(flags, a, b))
}

fn compare<O: Compare>(instr: &Instruction) -> Option<Handler> {
    let size = operand_bytes(instr, 0);
    Some(match form(instr) {
        Form::RegisterRegister => by_size!(size, compare_rr, O),
        Form::RegisterMemory => by_size!(size, compare_rm, O),
        Form::MemoryRegister => by_size!(size, compare_mr, O),
        Form::RegisterImmediate => by_size!(size, compare_ri, O),
        Form::MemoryImmediate => by_size!(size, compare_mi, O),
    })
}

#[inline(always)]
pub(crate) fn compare_rr<O: Compare, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (a, b) = (exec.reg::<T>(op.dst), exec.reg::<T>(op.src));
    O::apply(&mut exec.cpu.flags, a, b);
    Ok(())
}

#[inline(always)]
pub(crate) fn compare_ri<O: Compare, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let a = exec.reg::<T>(op.dst);
    O::apply(&mut exec.cpu.flags, a, T::truncate(op.imm));
    Ok(())
}

#[inline(always)]
pub(crate) fn compare_rm<O: Compare, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let b = exec.load::<T>(op)?;
    let a = exec.reg::<T>(op.dst);
    O::apply(&mut exec.cpu.flags, a, b);
    Ok(())
}

#[inline(always)]
pub(crate) fn compare_mr<O: Compare, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let a = exec.load::<T>(op)?;
    let b = exec.reg::<T>(op.src);
    O::apply(&mut exec.cpu.flags, a, b);
    Ok(())
}

#[inline(always)]
pub(crate) fn compare_mi<O: Compare, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let a = exec.load::<T>(op)?;
    O::apply(&mut exec.cpu.flags, a, T::truncate(op.imm));
    Ok(())
}

fn unary<O: Unary>(instr: &Instruction) -> Option<Handler> {
    let size = operand_bytes(instr, 0);
    Some(if is_register(instr, 0) {
        by_size!(size, unary_r, O)
    } else {
        by_size!(size, unary_m, O)
    })
}

#[inline(always)]
pub(crate) fn unary_r<O: Unary, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let a = exec.reg::<T>(op.dst);
    let r = O::apply(&mut exec.cpu.flags, a);
    exec.set_reg(op.dst, r);
    Ok(())
}

fn unary_m<O: Unary, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    modify_with_flags::<T>(exec, op, O::apply)
}

fn shift<O: Shift>(instr: &Instruction) -> Option<Handler> {
    let size = operand_bytes(instr, 0);
    Some(match (is_memory(instr, 0), is_register(instr, 1)) {
        (false, false) => by_size!(size, shift_ri, O),
        (false, true) => by_size!(size, shift_rc, O),
        (true, false) => by_size!(size, shift_mi, O),
        (true, true) => by_size!(size, shift_mc, O),
    })
}

#[inline(always)]
pub(crate) fn shift_ri<O: Shift, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let a = exec.reg::<T>(op.dst);
    let r = O::apply(&mut exec.cpu.flags, a, op.imm as u8);
    exec.set_reg(op.dst, r);
    Ok(())
}

fn shift_rc<O: Shift, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (a, count) = (exec.reg::<T>(op.dst), exec.reg::<u8>(1));
    let r = O::apply(&mut exec.cpu.flags, a, count);
    exec.set_reg(op.dst, r);
    Ok(())
}

fn shift_mi<O: Shift, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let count = op.imm as u8;
    modify_with_flags::<T>(exec, op, |flags, a| O::apply(flags, a, count))
}

fn shift_mc<O: Shift, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let count = exec.reg::<u8>(1);
    modify_with_flags::<T>(exec, op, |flags, a| O::apply(flags, a, count))
}

fn double_shift<O: DoubleShift>(instr: &Instruction) -> Option<Handler> {
    let size = operand_bytes(instr, 1);
    Some(match (is_memory(instr, 0), is_register(instr, 2)) {
        (false, false) => by_wide_size!(size, double_shift_r, Immediate, O),
        (false, true) => by_wide_size!(size, double_shift_r, InCl, O),
        (true, false) => by_wide_size!(size, double_shift_m, Immediate, O),
        (true, true) => by_wide_size!(size, double_shift_m, InCl, O),
    })
}

/// Where a shift count comes from.
trait Count {
    fn count(exec: &Exec<'_>, op: &Op) -> u8;
}

struct Immediate;
impl Count for Immediate {
    #[inline(always)]
    fn count(_: &Exec<'_>, op: &Op) -> u8 {
        op.imm as u8
    }
}

struct InCl;
impl Count for InCl {
    #[inline(always)]
    fn count(exec: &Exec<'_>, _: &Op) -> u8 {
        exec.reg(1)
    }
}

fn double_shift_r<C: Count, O: DoubleShift, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (a, b, count) = (exec.reg::<T>(op.dst), exec.reg::<T>(op.src), C::count(exec, op));
    let r = O::apply(&mut exec.cpu.flags, a, b, count);
    exec.set_reg(op.dst, r);
    Ok(())
}

fn double_shift_m<C: Count, O: DoubleShift, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (b, count) = (exec.reg::<T>(op.src), C::count(exec, op));
    modify_with_flags::<T>(exec, op, |flags, a| O::apply(flags, a, b, count))
}

/// The first operand, which is the only one that is written down.
#[inline(always)]
fn load_or_dst<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Result<T, Exception> {
    if op.is_memory() { exec.load(op) } else { Ok(exec.reg(op.dst)) }
}

/// Splits into AX, or DX:AX and wider.
#[inline(always)]
fn set_pair<T: Int>(exec: &mut Exec<'_>, low: T, high: T) {
    if T::BITS == 8 {
        exec.set_reg(0, (low.zx() | high.zx() << 8) as u16);
    } else {
        exec.set_reg(0, low);
        exec.set_reg(2, high);
    }
}

fn multiply<O: Multiply, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let b = load_or_dst::<T>(exec, op)?;
    let a = exec.reg::<T>(0);
    let (low, high) = O::apply(&mut exec.cpu.flags, a, b);
    set_pair(exec, low, high);
    Ok(())
}

#[inline(always)]
pub(crate) fn imul_two<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let b = exec.load_or_src::<T>(op)?;
    let a = exec.reg::<T>(op.dst);
    let (r, _) = alu::imul(&mut exec.cpu.flags, a, b);
    exec.set_reg(op.dst, r);
    Ok(())
}

fn imul_three<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let a = exec.load_or_src::<T>(op)?;
    let (r, _) = alu::imul(&mut exec.cpu.flags, a, T::truncate(op.imm));
    exec.set_reg(op.dst, r);
    Ok(())
}

fn divide<O: Divide, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let divisor = load_or_dst::<T>(exec, op)?;
    let high = if T::BITS == 8 { T::truncate(exec.cpu.regs[0] >> 8) } else { exec.reg(2) };
    let low = exec.reg(0);
    let (quotient, remainder) = O::apply(high, low, divisor).ok_or(Exception::de())?;
    set_pair(exec, quotient, remainder);
    Ok(())
}

fn xadd_rr<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (a, b) = (exec.reg::<T>(op.dst), exec.reg::<T>(op.src));
    let sum = alu::add(&mut exec.cpu.flags, a, b);
    // In this order, so that the sum stays if both are the same register.
    exec.set_reg(op.src, a);
    exec.set_reg(op.dst, sum);
    Ok(())
}

fn xadd_mr<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let b = exec.reg::<T>(op.src);
    let a = exec.modify::<T>(op, |a| T::truncate(a.zx().wrapping_add(b.zx())))?;
    alu::add(&mut exec.cpu.flags, a, b);
    exec.set_reg(op.src, a);
    Ok(())
}

fn cmpxchg_rr<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (accumulator, a) = (exec.reg::<T>(0), exec.reg::<T>(op.dst));
    alu::cmp(&mut exec.cpu.flags, accumulator, a);
    if accumulator == a {
        let value = exec.reg::<T>(op.src);
        exec.set_reg(op.dst, value);
    } else {
        exec.set_reg(0, a);
    }
    Ok(())
}

fn cmpxchg_mr<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (accumulator, value) = (exec.reg::<T>(0), exec.reg::<T>(op.src));
    // The destination is written in both cases.
    let a = exec.modify::<T>(op, |a| if a == accumulator { value } else { a })?;
    alu::cmp(&mut exec.cpu.flags, accumulator, a);
    if accumulator != a {
        exec.set_reg(0, a);
    }
    Ok(())
}

fn cmpxchg8b(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let pair = |exec: &Exec<'_>, high: u8, low: u8| {
        u64::from(exec.reg::<u32>(high)) << 32 | u64::from(exec.reg::<u32>(low))
    };
    let (expected, value) = (pair(exec, 2, 0), pair(exec, 1, 3));
    let old = exec.modify::<u64>(op, |a| if a == expected { value } else { a })?;
    exec.cpu.flags.set_zf(old == expected);
    if old != expected {
        exec.set_reg(0, old as u32);
        exec.set_reg(2, (old >> 32) as u32);
    }
    Ok(())
}

fn cmpxchg16b(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let offset = exec.offset(op);
    exec.require_aligned(op.seg, offset)?;
    let pair = |exec: &Exec<'_>, high: u8, low: u8| {
        u128::from(exec.reg::<u64>(high)) << 64 | u128::from(exec.reg::<u64>(low))
    };
    let (expected, value) = (pair(exec, 2, 0), pair(exec, 1, 3));
    let old = exec.modify::<u128>(op, |a| if a == expected { value } else { a })?;
    exec.cpu.flags.set_zf(old == expected);
    if old != expected {
        exec.set_reg(0, old as u64);
        exec.set_reg(2, (old >> 64) as u64);
    }
    Ok(())
}

fn daa(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let al = exec.reg(0);
    let r = alu::daa(&mut exec.cpu.flags, al);
    exec.set_reg(0, r);
    Ok(())
}

fn das(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let al = exec.reg(0);
    let r = alu::das(&mut exec.cpu.flags, al);
    exec.set_reg(0, r);
    Ok(())
}

fn aaa(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let ax = exec.reg(0);
    let r = alu::aaa(&mut exec.cpu.flags, ax);
    exec.set_reg(0, r);
    Ok(())
}

fn aas(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let ax = exec.reg(0);
    let r = alu::aas(&mut exec.cpu.flags, ax);
    exec.set_reg(0, r);
    Ok(())
}

fn aam(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let al = exec.reg(0);
    let r = alu::aam(&mut exec.cpu.flags, al, op.imm as u8).ok_or(Exception::de())?;
    exec.set_reg(0, r);
    Ok(())
}

fn aad(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let ax = exec.reg(0);
    let r = alu::aad(&mut exec.cpu.flags, ax, op.imm as u8);
    exec.set_reg(0, r);
    Ok(())
}
