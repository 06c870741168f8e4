//! Arithmetic, comparison and the transcendental functions.

use aero_cpu::{Exec, F80, FpuState};
use aero_x87::{self as x87, Comparison, Control, Outcome as Computed, Status};
use iced_x86::Code;

use super::{Stack, begin, finish};
use crate::op::{Handler, Op, Outcome};
use crate::operands::Operands;
use crate::sse::handlers;

/// The handler of an instruction that computes.
pub(super) fn handler(code: Code) -> Option<Handler> {
    handlers! { code;
        memory {
            Fadd_m32fp: (single, x87::add),
            Fmul_m32fp: (single, x87::mul),
            Fsub_m32fp: (single, x87::sub),
            Fsubr_m32fp: (single, subr),
            Fdiv_m32fp: (single, x87::div),
            Fdivr_m32fp: (single, divr),
            Fadd_m64fp: (double, x87::add),
            Fmul_m64fp: (double, x87::mul),
            Fsub_m64fp: (double, x87::sub),
            Fsubr_m64fp: (double, subr),
            Fdiv_m64fp: (double, x87::div),
            Fdivr_m64fp: (double, divr),
            Fiadd_m16int: (word, x87::add),
            Fimul_m16int: (word, x87::mul),
            Fisub_m16int: (word, x87::sub),
            Fisubr_m16int: (word, subr),
            Fidiv_m16int: (word, x87::div),
            Fidivr_m16int: (word, divr),
            Fiadd_m32int: (dword, x87::add),
            Fimul_m32int: (dword, x87::mul),
            Fisub_m32int: (dword, x87::sub),
            Fisubr_m32int: (dword, subr),
            Fidiv_m32int: (dword, x87::div),
            Fidivr_m32int: (dword, divr),
        }
        register {
            Fadd_st0_sti: (x87::add, false),
            Fmul_st0_sti: (x87::mul, false),
            Fsub_st0_sti: (x87::sub, false),
            Fsubr_st0_sti: (subr, false),
            Fdiv_st0_sti: (x87::div, false),
            Fdivr_st0_sti: (divr, false),
            Fadd_sti_st0: (x87::add, false),
            Fmul_sti_st0: (x87::mul, false),
            Fsub_sti_st0: (x87::sub, false),
            Fsubr_sti_st0: (subr, false),
            Fdiv_sti_st0: (x87::div, false),
            Fdivr_sti_st0: (divr, false),
            Faddp_sti_st0: (x87::add, true),
            Fmulp_sti_st0: (x87::mul, true),
            Fsubp_sti_st0: (x87::sub, true),
            Fsubrp_sti_st0: (subr, true),
            Fdivp_sti_st0: (x87::div, true),
            Fdivrp_sti_st0: (divr, true),
        }
        compare_memory {
            Fcom_m32fp: (single, 0),
            Fcomp_m32fp: (single, 1),
            Fcom_m64fp: (double, 0),
            Fcomp_m64fp: (double, 1),
            Ficom_m16int: (word, 0),
            Ficomp_m16int: (word, 1),
            Ficom_m32int: (dword, 0),
            Ficomp_m32int: (dword, 1),
        }
        compare_register {
            Fcom_st0_sti: (false, 0),
            Fcom_st0_sti_DCD0: (false, 0),
            Fcomp_st0_sti: (false, 1),
            Fcomp_st0_sti_DCD8: (false, 1),
            Fcomp_st0_sti_DED0: (false, 1),
            Fucom_st0_sti: (true, 0),
            Fucomp_st0_sti: (true, 1),
        }
        compare_next {
            Fcompp: false,
            Fucompp: true,
        }
        compare_flags {
            Fcomi_st0_sti: (false, false),
            Fcomip_st0_sti: (false, true),
            Fucomi_st0_sti: (true, false),
            Fucomip_st0_sti: (true, true),
        }
        test {
            Ftst: (),
        }
        examine {
            Fxam: (),
        }
        unary {
            Fsqrt: x87::sqrt,
            Frndint: x87::round_to_integer,
            F2xm1: x87::two_to_x_minus_1,
        }
        sign {
            Fchs: |a| a.with_sign(!a.is_negative()),
            Fabs: |a| a.with_sign(false),
        }
        binary {
            Fscale: (|a, b, c| x87::scale(a, b, c), false),
            Fyl2x: (|a, b, c| x87::y_log2_x(b, a, c), true),
            Fyl2xp1: (|a, b, c| x87::y_log2_x_plus_1(b, a, c), true),
            Fpatan: (|a, b, c| x87::arctangent(b, a, c), true),
        }
        remainder {
            Fprem: false,
            Fprem1: true,
        }
        angle {
            Fsin: (x87::sine, None),
            Fcos: (x87::cosine, None),
            Fptan: (x87::tangent, Some(Second::One)),
            Fsincos: (x87::sine, Some(Second::Cosine)),
        }
        extract {
            Fxtract: (),
        }
    }
}

/// An operation on two numbers.
type Binary = fn(F80, F80, Control) -> Computed<F80>;
/// Reads an operand in memory as a number.
type Load = fn(&mut Exec<'_>, &Op) -> Result<Computed<F80>, crate::op::Fault>;

fn subr(a: F80, b: F80, control: Control) -> Computed<F80> {
    x87::sub(b, a, control)
}

fn divr(a: F80, b: F80, control: Control) -> Computed<F80> {
    x87::div(b, a, control)
}

pub(super) fn single(exec: &mut Exec<'_>, op: &Op) -> Result<Computed<F80>, crate::op::Fault> {
    Ok(x87::from_f32(exec.load(op)?))
}

pub(super) fn double(exec: &mut Exec<'_>, op: &Op) -> Result<Computed<F80>, crate::op::Fault> {
    Ok(x87::from_f64(exec.load(op)?))
}

fn integer(value: i64) -> Computed<F80> {
    Computed { value: x87::from_i64(value), status: Status::empty() }
}

pub(super) fn word(exec: &mut Exec<'_>, op: &Op) -> Result<Computed<F80>, crate::op::Fault> {
    Ok(integer((exec.load::<u16>(op)? as i16).into()))
}

pub(super) fn dword(exec: &mut Exec<'_>, op: &Op) -> Result<Computed<F80>, crate::op::Fault> {
    Ok(integer((exec.load::<u32>(op)? as i32).into()))
}

pub(super) fn qword(exec: &mut Exec<'_>, op: &Op) -> Result<Computed<F80>, crate::op::Fault> {
    Ok(integer(exec.load::<u64>(op)? as i64))
}

/// An operand in memory is converted before it is used, which quiets it; but the operation has to see
/// a signaling NaN for what it was, so invalid operation is added to what the operation reports.
fn with_load(loaded: Status, result: Computed<F80>) -> Computed<F80> {
    // A denormal operand does not count beside a NaN or an invalid operation.
    let dropped = result.value.is_nan();
    let loaded = if dropped { loaded & Status::IE } else { loaded };
    // A division by zero keeps a denormal operand quiet as well.
    let loaded = if result.status.contains(Status::ZE) { loaded & Status::IE } else { loaded };
    Computed { value: result.value, status: result.status | loaded }
}

/// The operand for an operation: which of two NaNs is the result depends on which of them signals, so
/// one that was a signaling NaN before it was converted is one again (section 4.8.3.5).
fn as_loaded(operand: Computed<F80>) -> F80 {
    const QUIET: u64 = 1 << 62;
    let value = operand.value;
    let signaling = operand.status.contains(Status::IE);
    F80 { mantissa: if signaling { value.mantissa & !QUIET } else { value.mantissa }, ..value }
}

fn memory(exec: &mut Exec<'_>, op: &Op, (load, compute): (Load, Binary)) -> Outcome {
    begin(exec)?;
    let operand = load(exec, op)?;
    let fpu = &mut exec.cpu.fpu;
    match fpu.st(0) {
        Some(a) => {
            let b = as_loaded(operand);
            let result = with_load(operand.status, compute(a, b, fpu.control()));
            if let Some(value) = fpu.accept(result) {
                fpu.set_st(0, value);
            }
        }
        None => {
            if fpu.stack_fault(false) {
                fpu.set_st(0, F80::INDEFINITE);
            }
        }
    }
    finish(exec, op)
}

fn register(exec: &mut Exec<'_>, op: &Op, (compute, pop): (Binary, bool)) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    let result = match (fpu.st(op.dst), fpu.st(op.src)) {
        (Some(a), Some(b)) => fpu.accept(compute(a, b, fpu.control())),
        _ => fpu.stack_fault(false).then_some(F80::INDEFINITE),
    };
    if let Some(value) = result {
        fpu.set_st(op.dst, value);
        if pop {
            fpu.pop();
        }
    }
    finish(exec, op)
}

/// Sets the condition codes of a comparison and pops; nothing if an unmasked exception forbids it.
fn compared(exec: &mut Exec<'_>, result: Option<Computed<Comparison>>, pops: u32) {
    let fpu = &mut exec.cpu.fpu;
    let outcome = match result {
        Some(result) => fpu.accept(result),
        None => fpu.stack_fault(false).then_some(Comparison::Unordered),
    };
    if let Some(comparison) = outcome {
        fpu.set_codes(comparison.condition_codes());
        for _ in 0..pops {
            fpu.pop();
        }
    }
}

fn compare_memory(exec: &mut Exec<'_>, op: &Op, (load, pops): (Load, u32)) -> Outcome {
    begin(exec)?;
    let operand = load(exec, op)?;
    let result = exec.cpu.fpu.st(0).map(|a| {
        let result = x87::compare(a, operand.value, false);
        let unordered = result.value == Comparison::Unordered;
        let loaded = if unordered { operand.status & Status::IE } else { operand.status };
        Computed { value: result.value, status: result.status | loaded }
    });
    compared(exec, result, pops);
    finish(exec, op)
}

fn both(exec: &Exec<'_>, i: u8, quiet: bool) -> Option<Computed<Comparison>> {
    let fpu = &exec.cpu.fpu;
    Some(x87::compare(fpu.st(0)?, fpu.st(i)?, quiet))
}

fn compare_register(exec: &mut Exec<'_>, op: &Op, (quiet, pops): (bool, u32)) -> Outcome {
    begin(exec)?;
    let result = both(exec, op.src, quiet);
    compared(exec, result, pops);
    finish(exec, op)
}

fn compare_next(exec: &mut Exec<'_>, op: &Op, quiet: bool) -> Outcome {
    begin(exec)?;
    let result = both(exec, 1, quiet);
    compared(exec, result, 2);
    finish(exec, op)
}

fn compare_flags(exec: &mut Exec<'_>, op: &Op, (quiet, pop): (bool, bool)) -> Outcome {
    const CF: u64 = 1 << 0;
    const PF: u64 = 1 << 2;
    const ZF: u64 = 1 << 6;
    begin(exec)?;
    let result = both(exec, op.src, quiet);
    let fpu = &mut exec.cpu.fpu;
    let outcome = match result {
        Some(result) => fpu.accept(result),
        None => fpu.stack_fault(false).then_some(Comparison::Unordered),
    };
    if let Some(comparison) = outcome {
        let flags = match comparison {
            Comparison::Greater => 0,
            Comparison::Less => CF,
            Comparison::Equal => ZF,
            Comparison::Unordered => ZF | PF | CF,
        };
        if pop {
            fpu.pop();
        }
        exec.cpu.flags.set_arithmetic(flags);
    }
    finish(exec, op)
}

fn test(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    begin(exec)?;
    let result = exec.cpu.fpu.st(0).map(|a| x87::compare(a, F80::ZERO, false));
    compared(exec, result, 0);
    finish(exec, op)
}

fn examine(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    let codes = match fpu.st(0) {
        Some(a) => x87::examine(a),
        None => {
            let sign = fpu.regs[usize::from(fpu.top & 7)].is_negative();
            let mut codes = Status::C3 | Status::C0;
            codes.set(Status::C1, sign);
            codes
        }
    };
    fpu.set_codes(codes);
    finish(exec, op)
}

fn unary(exec: &mut Exec<'_>, op: &Op, compute: fn(F80, Control) -> Computed<F80>) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    let result = match fpu.st(0) {
        Some(a) => fpu.accept(compute(a, fpu.control())),
        None => fpu.stack_fault(false).then_some(F80::INDEFINITE),
    };
    if let Some(value) = result {
        fpu.set_st(0, value);
    }
    finish(exec, op)
}

fn sign(exec: &mut Exec<'_>, op: &Op, compute: fn(F80) -> F80) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    match fpu.st(0) {
        Some(a) => {
            fpu.report(Status::empty());
            fpu.set_st(0, compute(a));
        }
        None => {
            if fpu.stack_fault(false) {
                fpu.set_st(0, F80::INDEFINITE);
            }
        }
    }
    finish(exec, op)
}

/// ST(0) and ST(1). With `pop` the result replaces ST(1) and ST(0) is popped, else it replaces ST(0).
fn binary(exec: &mut Exec<'_>, op: &Op, (compute, pop): (Binary, bool)) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    let result = match (fpu.st(0), fpu.st(1)) {
        (Some(a), Some(b)) => fpu.accept(compute(a, b, fpu.control())),
        _ => fpu.stack_fault(false).then_some(F80::INDEFINITE),
    };
    if let Some(value) = result {
        fpu.set_st(u8::from(pop), value);
        if pop {
            fpu.pop();
        }
    }
    finish(exec, op)
}

fn remainder(exec: &mut Exec<'_>, op: &Op, nearest: bool) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    let result = match (fpu.st(0), fpu.st(1)) {
        (Some(a), Some(b)) => {
            fpu.set_codes(Status::empty());
            fpu.accept(x87::remainder(a, b, nearest, fpu.control()))
        }
        _ => {
            fpu.status &= !Status::C2.bits();
            fpu.stack_fault(false).then_some(F80::INDEFINITE)
        }
    };
    if let Some(value) = result {
        fpu.set_st(0, value);
    }
    finish(exec, op)
}

/// The response of what replaces ST(0) and pushes to an empty ST(0), or to a register that is not empty
/// where the second result belongs. An empty operand counts first.
fn two_results_fault(fpu: &mut FpuState, overflow: bool) {
    if fpu.stack_fault(overflow) {
        fpu.set_st(0, F80::INDEFINITE);
        fpu.top = (fpu.top + 7) & 7;
        fpu.set_st(0, F80::INDEFINITE);
    }
}

/// What FPTAN and FSINCOS push behind their first result.
#[derive(Clone, Copy)]
enum Second {
    One,
    Cosine,
}

type Angle = fn(F80, Control) -> Computed<F80>;

fn angle(exec: &mut Exec<'_>, op: &Op, (compute, second): (Angle, Option<Second>)) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    // C2 tells whether the operand was in range, each time anew.
    fpu.status &= !Status::C2.bits();
    let Some(a) = fpu.st(0) else {
        if second.is_some() {
            two_results_fault(fpu, false);
        } else if fpu.stack_fault(false) {
            fpu.set_st(0, F80::INDEFINITE);
        }
        return finish(exec, op);
    };
    if second.is_some() && fpu.st(7).is_some() {
        two_results_fault(fpu, true);
        return finish(exec, op);
    }
    let control = fpu.control();
    let first = compute(a, control);
    let out_of_range = first.status.contains(Status::C2);
    if let Some(value) = fpu.accept(first)
        && !out_of_range
    {
        fpu.set_st(0, value);
        match second {
            None => {}
            // Both results of an operand that is no number are that NaN.
            Some(_) if value.is_nan() => {
                fpu.push(value);
            }
            Some(Second::One) => {
                fpu.push(F80::ONE);
            }
            Some(Second::Cosine) => {
                let cosine = x87::cosine(a, control);
                if let Some(value) = fpu.accept(cosine) {
                    fpu.push(value);
                }
            }
        }
    }
    finish(exec, op)
}

fn extract(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    match fpu.st(0) {
        None => two_results_fault(fpu, false),
        Some(_) if fpu.st(7).is_some() => two_results_fault(fpu, true),
        Some(a) => {
            if let Some((exponent, significand)) = fpu.accept(x87::extract(a)) {
                fpu.set_st(0, exponent);
                fpu.push(significand);
            }
        }
    }
    finish(exec, op)
}
