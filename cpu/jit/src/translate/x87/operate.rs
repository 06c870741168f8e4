//! The instructions.

use aero_cpu::{Access, F80};
use wasm_encoder::ValType;

use super::super::{FlagsKind, Size, Translator};
use super::arith::{Routine, STATUS_SHIFT};
use super::shape::{Binary, Format, Kind, Operand, Shape};
use super::{C0, C1, C3, CODES, EXCEPTIONS, MASKS, PRECISION_MASK, Value};
use crate::code::{Hint, Label, Temp, at};
use crate::region::Insn;

use aero_cpu::layout::fpu;

/// Bits of the control word that can be set, and those that always are.
const CONTROL_BITS: i32 = 0x1f3f;
const CONTROL_ONES: i32 = 0x40;

impl Translator<'_> {
    /// Executes an instruction of a run; `after` is what the stack is like then.
    pub(super) fn x87_operation(&mut self, insn: &Insn, kind: Kind, after: Shape) {
        let clears = matches!(
            kind,
            Kind::Load(_)
                | Kind::LoadRegister(_)
                | Kind::Constant(..)
                | Kind::StoreRegister { .. }
                | Kind::Exchange(_)
                | Kind::ChangeSign
                | Kind::Absolute
                | Kind::Turn(_)
                | Kind::Compare { flags: true, .. }
                | Kind::Store { format: Format::Extended, .. }
        );
        let pushed = after.position(0);
        match kind {
            Kind::Load(Format::Extended) => self.load_extended(insn, pushed),
            Kind::Load(format) => self.load_number(insn, format, pushed),
            Kind::LoadRegister(i) => {
                let value = self.st(i);
                self.set_position(pushed, value);
            }
            Kind::Constant(value, _) => {
                let value = self.constant_value(value);
                self.set_position(pushed, value);
            }
            Kind::Store { format: Format::Extended, .. } => self.store_extended(insn),
            Kind::Store { format, truncate, .. } => self.store_number(insn, format, truncate),
            Kind::StoreRegister { to, .. } => {
                if to != 0 {
                    let value = self.st(0);
                    let position = self.run().shape.position(to);
                    self.set_position(position, value);
                }
            }
            Kind::Exchange(i) => {
                let (a, b) = (self.st(0), self.st(i));
                let shape = self.run().shape;
                self.set_position(shape.position(0), b);
                self.set_position(shape.position(i), a);
            }
            Kind::Arithmetic { op, to, operand, .. } => self.arithmetic(insn, op, to, operand),
            Kind::Compare { operand, flags, .. } => self.compare_x87(insn, operand, flags),
            Kind::ChangeSign | Kind::Absolute => {
                let position = self.run().shape.position(0);
                let Value { mantissa, sign_exponent } = self.st(0);
                self.code.op().local_get(sign_exponent.index);
                if kind == Kind::ChangeSign {
                    self.code.op().i32_const(0x8000).i32_xor();
                } else {
                    self.code.op().i32_const(0x7fff).i32_and();
                }
                let changed = self.code.keep(ValType::I32);
                let changed = Value { mantissa, sign_exponent: changed.into() };
                self.set_position(position, changed);
                self.release_temp(sign_exponent);
            }
            Kind::Move { condition, from } => self.conditional(condition, from),
            Kind::RoundToInteger => self.round_to_integer(insn),
            Kind::LoadControl => self.load_control(insn),
            Kind::StoreControl => {
                self.push_place(&insn.instr, 2, Access::Write);
                let control = self.run().control.index;
                self.code.op().local_get(control);
                self.store(Size::Word);
            }
            Kind::StoreStatus => {
                self.push_place(&insn.instr, 2, Access::Write);
                self.push_status();
                self.store(Size::Word);
            }
            Kind::StatusToAx => {
                self.push_status();
                self.set_register(iced_x86::Register::AX);
            }
            Kind::ClearExceptions => {
                let status = self.run().status.index;
                self.code.op().local_get(status).i32_const(!EXCEPTIONS).i32_and();
                self.code.op().local_set(status);
            }
            Kind::Turn(_) | Kind::Free(_) | Kind::Wait | Kind::Nop => {}
        }
        if clears {
            self.run().is_c1_clear = true;
        }
    }

    /// Writes code of two ways: the usual one, which branches to a label for the other, where the
    /// interpreter executes the instruction. `result`: a position, and the locals of its value.
    fn usually(
        &mut self,
        insn: &Insn,
        result: Option<(usize, &Temp, &Temp)>,
        usual: impl FnOnce(&mut Self, Label),
    ) {
        let done = self.code.block();
        let cold = self.code.block();
        usual(self, cold);
        self.code.br(done);
        self.code.end();
        self.execute_cold(insn, result);
        self.code.end();
    }

    /// Calls a routine; its parameters are on the stack.
    pub(super) fn call_routine(&mut self, routine: Routine) {
        self.x87.routines |= 1 << routine as u32;
        let function = self.functions.routines + routine as u32;
        self.code.op().call(function);
    }

    /// Sets C1 and PE from a value on the stack.
    fn report(&mut self) {
        let status = self.run().status.index;
        self.code.op().local_get(status).i32_const(!C1).i32_and().i32_or().local_set(status);
    }

    /// Branches to `cold` unless the control word says to round to nearest, to 53 or 64 bits.
    fn check_rounding(&mut self, cold: Label) {
        if self.run().is_rounding_unsure {
            let drop = self.run().drop.index;
            self.code.op().local_get(drop).i64_const(0).i64_lt_s();
            self.code.br_if(Hint::Unlikely, cold);
        }
    }

    fn load_number(&mut self, insn: &Insn, format: Format, position: usize) {
        let offset = self.keep_offset(&insn.instr);
        let raw = self.load_raw(insn, &offset, format);
        let mantissa = self.code.temp(ValType::I64);
        let sign_exponent = self.code.temp(ValType::I32);
        if matches!(format, Format::Single | Format::Double) {
            self.usually(insn, Some((position, &mantissa, &sign_exponent)), |t, cold| {
                t.widen_raw(format, &raw, &mantissa, &sign_exponent, cold);
            });
        } else {
            self.widen_integer(raw.index, mantissa.index, sign_exponent.index);
        }
        self.code.free(raw);
        self.note_data(insn, offset);
        let value = self.value(mantissa, sign_exponent);
        self.set_position(position, value);
    }

    fn load_extended(&mut self, insn: &Insn, position: usize) {
        let offset = self.keep_offset(&insn.instr);
        self.push_place_at(&insn.instr, &offset, 10, Access::Read);
        let place = self.code.keep(ValType::I32);
        let (low, high) = (at(self.ram()), at(self.ram() + 8));
        self.get(&place);
        self.code.op().i64_load(low);
        let mantissa = self.code.keep(ValType::I64);
        self.get(&place);
        self.code.op().i32_load16_u(high);
        let sign_exponent = self.code.keep(ValType::I32);
        self.code.free(place);
        self.note_data(insn, offset);
        let value = self.value(mantissa, sign_exponent);
        self.set_position(position, value);
    }

    fn store_extended(&mut self, insn: &Insn) {
        let value = self.st(0);
        let offset = self.keep_offset(&insn.instr);
        self.push_place_at(&insn.instr, &offset, 10, Access::Write);
        let place = self.code.keep(ValType::I32);
        let (low, high) = (at(self.ram()), at(self.ram() + 8));
        self.get(&place);
        self.code.op().local_get(value.mantissa.index).i64_store(low);
        self.get(&place);
        self.code.op().local_get(value.sign_exponent.index).i32_store16(high);
        self.code.free(place);
        self.release_value(value);
        self.note_data(insn, offset);
    }

    fn store_number(&mut self, insn: &Insn, format: Format, truncate: bool) {
        let value = self.st(0);
        let offset = self.keep_offset(&insn.instr);
        let bits = self.code.temp(ValType::I64);
        let report = self.code.temp(ValType::I32);
        let parts = (value.mantissa.index, value.sign_exponent.index);
        self.usually(insn, None, |t, cold| {
            if matches!(format, Format::Single | Format::Double) {
                t.check_rounding(cold);
            }
            t.narrow_raw(format, truncate, parts, (&bits, &report), cold);
            t.store_raw(insn, &offset, format, &bits);
            t.get(&report);
            t.report();
        });
        self.run().is_c1_clear = false;
        self.code.free(bits);
        self.code.free(report);
        self.release_value(value);
        self.note_data(insn, offset);
    }

    /// The second operand, if it is a register or zero.
    fn operand(&mut self, operand: Operand) -> Option<Value> {
        match operand {
            Operand::Register(i) => Some(self.st(i)),
            Operand::Zero => Some(self.constant_value(F80::ZERO)),
            Operand::Memory(_) => None,
        }
    }

    /// Writes code of two ways for an instruction with ST(to) and an operand, whose locals are given.
    fn with_operand(
        &mut self,
        insn: &Insn,
        operand: Operand,
        result: Option<(usize, &Temp, &Temp)>,
        usual: impl FnOnce(&mut Self, (u32, u32), Label),
    ) {
        if let Operand::Memory(format) = operand {
            let offset = self.keep_offset(&insn.instr);
            let raw = self.load_raw(insn, &offset, format);
            let mantissa = self.code.temp(ValType::I64);
            let sign_exponent = self.code.temp(ValType::I32);
            self.usually(insn, result, |t, cold| {
                t.widen_raw(format, &raw, &mantissa, &sign_exponent, cold);
                usual(t, (mantissa.index, sign_exponent.index), cold);
            });
            for temp in [raw, mantissa, sign_exponent] {
                self.code.free(temp);
            }
            self.note_data(insn, offset);
        } else {
            let value = self.operand(operand).expect("not in memory");
            self.usually(insn, result, |t, cold| {
                usual(t, (value.mantissa.index, value.sign_exponent.index), cold);
            });
            self.release_value(value);
        }
    }

    fn arithmetic(&mut self, insn: &Insn, op: Binary, to: u8, operand: Operand) {
        let position = self.run().shape.position(to);
        let first = self.st(to);
        let mantissa = self.code.temp(ValType::I64);
        let sign_exponent = self.code.temp(ValType::I32);
        let a = (first.mantissa.index, first.sign_exponent.index);
        let result = Some((position, &mantissa, &sign_exponent));
        self.with_operand(insn, operand, result, |t, b, cold| {
            t.check_rounding(cold);
            let (x, y) = match op {
                Binary::SubReversed | Binary::DivReversed => (b, a),
                _ => (a, b),
            };
            t.code.op().local_get(x.0).local_get(x.1).local_get(y.0).local_get(y.1);
            if matches!(op, Binary::Sub | Binary::SubReversed) {
                t.code.op().i32_const(0x8000).i32_xor();
            }
            let drop = t.run().drop.index;
            t.code.op().local_get(drop);
            t.call_routine(match op {
                Binary::Add | Binary::Sub | Binary::SubReversed => Routine::Add,
                Binary::Mul => Routine::Mul,
                Binary::Div | Binary::DivReversed => Routine::Div,
            });
            let all = sign_exponent.index;
            t.code.op().local_set(all).local_set(mantissa.index);
            t.code.op().local_get(all).i32_const(0).i32_lt_s();
            t.code.br_if(Hint::Unlikely, cold);
            t.code.op().local_get(all).i32_const(STATUS_SHIFT as i32).i32_shr_u();
            t.report();
            t.code.op().local_get(all).i32_const(0xffff).i32_and().local_set(all);
        });
        self.run().is_c1_clear = false;
        self.release_value(first);
        let value = self.value(mantissa, sign_exponent);
        self.set_position(position, value);
    }

    fn compare_x87(&mut self, insn: &Insn, operand: Operand, flags: bool) {
        let first = self.st(0);
        let result = self.code.temp(ValType::I32);
        let r = result.index;
        let a = (first.mantissa.index, first.sign_exponent.index);
        self.with_operand(insn, operand, None, |t, b, cold| {
            t.code.op().local_get(a.0).local_get(a.1).local_get(b.0).local_get(b.1).i64_const(0);
            t.call_routine(Routine::Compare);
            t.code.op().local_set(r).drop();
            t.code.op().local_get(r).i32_const(0).i32_lt_s();
            t.code.br_if(Hint::Unlikely, cold);
            if flags {
                let (x, y) = (t.flags_x, t.flags_y);
                let mut op = t.code.op();
                op.local_get(r).i32_const(2).i32_ne().i64_extend_i32_u().local_set(x);
                // CF with OF clear; or no parity.
                op.i64_const(0).local_get(r).i32_const(1).i32_and().i64_extend_i32_u().i64_sub();
                op.i64_const(62).i64_shl();
                op.local_get(r).i32_const(1).i32_shr_u().i64_extend_i32_u().i64_const(8).i64_shl();
                op.i64_or().local_set(y);
            } else {
                let status = t.run().status.index;
                let mut op = t.code.op();
                op.local_get(status).i32_const(!CODES).i32_and();
                op.local_get(r).i32_const(1).i32_and();
                op.i32_const(C0.trailing_zeros() as i32).i32_shl().i32_or();
                op.local_get(r).i32_const(1).i32_shr_u();
                op.i32_const(C3.trailing_zeros() as i32).i32_shl().i32_or().local_set(status);
            }
        });
        if flags {
            self.set_flags(FlagsKind::Explicit, Size::Qword);
        } else {
            self.run().is_c1_clear = false;
        }
        self.code.free(result);
        self.release_value(first);
    }

    fn conditional(&mut self, condition: u8, from: u8) {
        let position = self.run().shape.position(0);
        let (a, b) = (self.st(0), self.st(from));
        self.push_condition(condition);
        let condition = self.code.keep(ValType::I32);
        let mut op = self.code.op();
        op.local_get(b.mantissa.index).local_get(a.mantissa.index);
        op.local_get(condition.index).select();
        let mantissa = self.code.keep(ValType::I64);
        let mut op = self.code.op();
        op.local_get(b.sign_exponent.index).local_get(a.sign_exponent.index);
        op.local_get(condition.index).select();
        let sign_exponent = self.code.keep(ValType::I32);
        self.code.free(condition);
        self.release_value(a);
        self.release_value(b);
        let value = self.value(mantissa, sign_exponent);
        self.set_position(position, value);
    }

    fn round_to_integer(&mut self, insn: &Insn) {
        let position = self.run().shape.position(0);
        let first = self.st(0);
        let integer = self.code.temp(ValType::I64);
        let report = self.code.temp(ValType::I32);
        let mantissa = self.code.temp(ValType::I64);
        let sign_exponent = self.code.temp(ValType::I32);
        let a = (first.mantissa.index, first.sign_exponent.index);
        self.usually(insn, Some((position, &mantissa, &sign_exponent)), |t, cold| {
            t.round_integer(a, false, &integer, &report, cold);
            t.widen_integer(integer.index, mantissa.index, sign_exponent.index);
            // Zero keeps the sign.
            let e = sign_exponent.index;
            t.code.op().local_get(a.1).i32_const(0x8000).i32_and();
            t.code.op().local_get(e).i32_or().local_set(e);
            t.get(&report);
            t.report();
        });
        self.run().is_c1_clear = false;
        self.code.free(integer);
        self.code.free(report);
        self.release_value(first);
        let value = self.value(mantissa, sign_exponent);
        self.set_position(position, value);
    }

    fn load_control(&mut self, insn: &Insn) {
        self.push_place(&insn.instr, 2, Access::Read);
        self.load(Size::Word);
        self.code.op().i32_const(CONTROL_BITS).i32_and().i32_const(CONTROL_ONES).i32_or();
        let control = self.code.keep(ValType::I32);
        let status = self.run().status.index;
        // One that unmasks what is pending, or what is reported all the time, is not for here.
        self.get(&control);
        self.code.op().i32_const(MASKS).i32_xor();
        self.code.op().local_get(status).i32_const(PRECISION_MASK).i32_or();
        self.code.op().i32_const(MASKS).i32_and().i32_and();
        self.if_(Hint::Unlikely);
        self.leave_here();
        self.code.end();
        let to = self.fpu(fpu::CONTROL);
        let local = self.run().control.index;
        self.code.op().i32_const(0).local_get(control.index).local_tee(local).i32_store16(to);
        self.code.free(control);
        self.refresh_drop();
    }

    /// Pushes the status word with TOP.
    fn push_status(&mut self) {
        let run = self.x87.run.take().expect("within a run");
        self.code.op().local_get(run.status.index);
        let top = 7 << 11;
        let kept = if run.is_c1_clear { !C1 & !top } else { !top };
        self.code.op().i32_const(kept).i32_and();
        self.push_top_number(&run);
        self.code.op().i32_const(11).i32_shl().i32_or();
        self.x87.run = Some(run);
    }
}
