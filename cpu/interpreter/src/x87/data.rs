//! Loads, stores, constants, exchanges and conditional moves.

use aero_cpu::{Exec, F80};
use aero_x87::{self as x87, Control, Outcome as Computed, Rounding, Status};
use iced_x86::Code;

use super::operate::{double, dword, qword, single, word};
use super::{Stack, begin, finish};
use crate::op::{Fault, Handler, Op, Outcome};
use crate::operands::Operands;
use crate::sse::handlers;

/// The handler of an instruction that moves numbers.
pub(super) fn handler(code: Code) -> Option<Handler> {
    handlers! { code;
        load {
            Fld_m32fp: single,
            Fld_m64fp: double,
            Fild_m16int: word,
            Fild_m32int: dword,
            Fild_m64int: qword,
            Fld_m80fp: extended,
            Fbld_m80bcd: decimal,
        }
        load_register {
            Fld_sti: (),
        }
        constant {
            Fld1: |_| F80::ONE,
            Fldz: |_| F80::ZERO,
            Fldl2t: |c| nearest(c, F80::LOG2_10, 0, 1),
            Fldl2e: |c| nearest(c, F80::LOG2_E, 1, 0),
            Fldpi: |c| nearest(c, F80::PI, 1, 0),
            Fldlg2: |c| nearest(c, F80::LOG10_2, 1, 0),
            Fldln2: |c| nearest(c, F80::LN_2, 1, 0),
        }
        store {
            Fst_m32fp: (store_single, false),
            Fstp_m32fp: (store_single, true),
            Fst_m64fp: (store_double, false),
            Fstp_m64fp: (store_double, true),
            Fist_m16int: (store_word, false),
            Fistp_m16int: (store_word, true),
            Fist_m32int: (store_dword, false),
            Fistp_m32int: (store_dword, true),
            Fistp_m64int: (store_qword, true),
            Fbstp_m80bcd: (store_decimal, true),
            Fstp_m80fp: (store_extended, true),
            Fisttp_m16int: (|e, o, a, c| store_word(e, o, a, truncating(c)), true),
            Fisttp_m32int: (|e, o, a, c| store_dword(e, o, a, truncating(c)), true),
            Fisttp_m64int: (|e, o, a, c| store_qword(e, o, a, truncating(c)), true),
        }
        store_register {
            Fst_sti: false,
            Fstp_sti: true,
            Fstp_sti_DFD0: true,
            Fstp_sti_DFD8: true,
        }
        store_register_quietly {
            Fstpnce_sti: (),
        }
        exchange {
            Fxch_st0_sti: (),
            Fxch_st0_sti_DDC8: (),
            Fxch_st0_sti_DFC8: (),
        }
        conditional {
            Fcmovb_st0_sti: |f| f.cf(),
            Fcmove_st0_sti: |f| f.zf(),
            Fcmovbe_st0_sti: |f| f.cf() || f.zf(),
            Fcmovu_st0_sti: |f| f.pf(),
            Fcmovnb_st0_sti: |f| !f.cf(),
            Fcmovne_st0_sti: |f| !f.zf(),
            Fcmovnbe_st0_sti: |f| !f.cf() && !f.zf(),
            Fcmovnu_st0_sti: |f| !f.pf(),
        }
    }
}

type Load = fn(&mut Exec<'_>, &Op) -> Result<Computed<F80>, Fault>;

/// Ten bytes of memory, all of them read before anything happens.
fn ten_bytes(exec: &mut Exec<'_>, op: &Op) -> Result<[u8; 10], Fault> {
    let offset = exec.offset(op);
    let mut bytes = [0; 10];
    exec.read_bytes(op.seg, offset, &mut bytes)?;
    Ok(bytes)
}

/// FLD m80fp takes any encoding as it is.
fn extended(exec: &mut Exec<'_>, op: &Op) -> Result<Computed<F80>, Fault> {
    Ok(Computed { value: F80::from_bytes(ten_bytes(exec, op)?), status: Status::empty() })
}

fn decimal(exec: &mut Exec<'_>, op: &Op) -> Result<Computed<F80>, Fault> {
    Ok(Computed { value: x87::from_bcd(ten_bytes(exec, op)?), status: Status::empty() })
}

fn load(exec: &mut Exec<'_>, op: &Op, load: Load) -> Outcome {
    begin(exec)?;
    let operand = load(exec, op)?;
    let fpu = &mut exec.cpu.fpu;
    if fpu.st(7).is_some() {
        fpu.push(operand.value);
    } else if let Some(value) = fpu.accept(operand) {
        fpu.push(value);
    }
    finish(exec, op)
}

fn load_register(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    match fpu.st(op.dst) {
        Some(value) => {
            fpu.report(Status::empty());
            fpu.push(value);
        }
        // The empty operand counts, whether or not there is room for the result.
        None => {
            if fpu.stack_fault(false) {
                fpu.top = (fpu.top + 7) & 7;
                fpu.set_st(0, F80::INDEFINITE);
            }
        }
    }
    finish(exec, op)
}

/// A constant by rounding control: how far the last bit is lower when rounding down or to zero, and
/// higher when rounding up, than the value rounded to nearest (section 8.3.2).
fn nearest(control: Control, value: F80, below: u64, above: u64) -> F80 {
    let mantissa = match control.rounding() {
        Rounding::Nearest => value.mantissa,
        Rounding::Down | Rounding::Zero => value.mantissa - below,
        Rounding::Up => value.mantissa + above,
    };
    F80 { mantissa, ..value }
}

fn constant(exec: &mut Exec<'_>, op: &Op, value: fn(Control) -> F80) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    fpu.report(Status::empty());
    fpu.push(value(fpu.control()));
    finish(exec, op)
}

/// Converts and writes; the result is what to report, and whether an unmasked exception forbade the
/// store.
type Store = fn(&mut Exec<'_>, &Op, F80, Control) -> Result<Status, Fault>;

/// Whether an unmasked exception keeps a result from going into memory: overflow and underflow as well
/// as those that always do.
fn stops(status: Status, control: Control) -> bool {
    let stopping = Status::IE | Status::OE | Status::UE;
    (status & stopping).bits() & !control.0 != 0
}

fn truncating(control: Control) -> Control {
    Control(control.0 | 0xc00)
}

macro_rules! stores {
    ($($name:ident: $ty:ty, $convert:expr;)*) => {$(
        fn $name(exec: &mut Exec<'_>, op: &Op, a: F80, control: Control) -> Result<Status, Fault> {
            let convert: fn(F80, Control) -> Computed<$ty> = $convert;
            let result = convert(a, control);
            if stops(result.status, control) {
                // The address is looked at all the same.
                let offset = exec.offset(op);
                exec.probe_write(op.seg, offset, size_of::<$ty>() as u64)?;
                return Ok(result.status & !(Status::PE | Status::C1));
            }
            exec.store(op, result.value)?;
            Ok(result.status)
        }
    )*};
}

fn unsigned<T, U>(from: Computed<T>, convert: impl FnOnce(T) -> U) -> Computed<U> {
    Computed { value: convert(from.value), status: from.status }
}

stores! {
    store_single: u32, x87::to_f32;
    store_double: u64, x87::to_f64;
    store_word: u16, |a, c| unsigned(x87::to_i16(a, c.rounding()), |v| v as u16);
    store_dword: u32, |a, c| unsigned(x87::to_i32(a, c.rounding()), |v| v as u32);
    store_qword: u64, |a, c| unsigned(x87::to_i64(a, c.rounding()), |v| v as u64);
}

fn store_ten(exec: &mut Exec<'_>, op: &Op, bytes: [u8; 10]) -> Outcome {
    let offset = exec.offset(op);
    exec.write_bytes(op.seg, offset, &bytes)?;
    Ok(())
}

fn store_extended(exec: &mut Exec<'_>, op: &Op, a: F80, _: Control) -> Result<Status, Fault> {
    store_ten(exec, op, a.to_bytes())?;
    Ok(Status::empty())
}

fn store_decimal(exec: &mut Exec<'_>, op: &Op, a: F80, control: Control) -> Result<Status, Fault> {
    let result = x87::to_bcd(a, control.rounding());
    if stops(result.status, control) {
        let offset = exec.offset(op);
        exec.probe_write(op.seg, offset, 10)?;
        return Ok(result.status);
    }
    store_ten(exec, op, result.value)?;
    Ok(result.status)
}

fn store(exec: &mut Exec<'_>, op: &Op, (store, pop): (Store, bool)) -> Outcome {
    begin(exec)?;
    let control = exec.cpu.fpu.control();
    let Some(a) = exec.cpu.fpu.st(0) else {
        return store_nothing(exec, op, store, pop);
    };
    let status = store(exec, op, a, control)?;
    let fpu = &mut exec.cpu.fpu;
    fpu.report(status);
    if pop && !stops(status, control) {
        fpu.pop();
    }
    finish(exec, op)
}

/// How many bytes a store writes.
fn stored_len(op: &Op) -> u64 {
    let is = |code: Code| op.code == code as u16;
    if is(Code::Fist_m16int) || is(Code::Fistp_m16int) || is(Code::Fisttp_m16int) {
        2
    } else if is(Code::Fstp_m80fp) || is(Code::Fbstp_m80bcd) {
        10
    } else if [Code::Fst_m64fp, Code::Fstp_m64fp, Code::Fistp_m64int, Code::Fisttp_m64int]
        .into_iter()
        .any(is)
    {
        8
    } else {
        4
    }
}

/// A store of an empty register: the indefinite value of the format, or nothing.
#[cold]
fn store_nothing(exec: &mut Exec<'_>, op: &Op, store: Store, pop: bool) -> Outcome {
    if exec.cpu.fpu.control().masks(Status::IE) {
        let control = exec.cpu.fpu.control();
        store(exec, op, F80::INDEFINITE, control)?;
    } else {
        // The address is looked at all the same.
        let offset = exec.offset(op);
        exec.probe_write(op.seg, offset, stored_len(op))?;
    }
    if exec.cpu.fpu.stack_fault(false) && pop {
        exec.cpu.fpu.pop();
    }
    finish(exec, op)
}

fn store_register(exec: &mut Exec<'_>, op: &Op, pop: bool) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    let value = match fpu.st(0) {
        Some(value) => {
            fpu.report(Status::empty());
            Some(value)
        }
        None => fpu.stack_fault(false).then_some(F80::INDEFINITE),
    };
    if let Some(value) = value {
        fpu.set_st(op.dst, value);
        if pop {
            fpu.pop();
        }
    }
    finish(exec, op)
}

/// FSTPNCE, which no manual has: FSTP that finds no fault with an empty register and then only pops.
fn store_register_quietly(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    fpu.report(Status::empty());
    if let Some(value) = fpu.st(0) {
        fpu.set_st(op.dst, value);
    }
    fpu.pop();
    finish(exec, op)
}

fn exchange(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    let (a, b) = (fpu.st(0), fpu.st(op.src));
    let faulty = a.is_none() || b.is_none();
    if faulty && !fpu.stack_fault(false) {
        return finish(exec, op);
    }
    if !faulty {
        fpu.report(Status::empty());
    }
    fpu.set_st(0, b.unwrap_or(F80::INDEFINITE));
    fpu.set_st(op.src, a.unwrap_or(F80::INDEFINITE));
    finish(exec, op)
}

fn conditional(exec: &mut Exec<'_>, op: &Op, condition: fn(&aero_cpu::Flags) -> bool) -> Outcome {
    begin(exec)?;
    let take = condition(&exec.cpu.flags);
    let fpu = &mut exec.cpu.fpu;
    match (fpu.st(0), fpu.st(op.src)) {
        (Some(_), Some(b)) => {
            if take {
                fpu.set_st(0, b);
            }
        }
        _ => {
            if fpu.stack_fault(false) {
                fpu.set_st(0, F80::INDEFINITE);
            }
        }
    }
    finish(exec, op)
}
