//! Integer arithmetic, logic, shifts, multiplication and division.

use aero_cpu::Access;
use iced_x86::{Mnemonic, OpKind, Register};
use wasm_encoder::ValType;

use super::{FlagsKind, Size, Translator};
use crate::code::{Hint, Temp};
use crate::region::Insn;

const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;
const RBX: usize = 3;
/// The carries out of and into the top bit, in the second word of explicit flags.
pub(super) const CARRIES: i64 = (3_u64 << 62) as i64;

pub(super) fn translate(t: &mut Translator<'_>, insn: &Insn) -> bool {
    use Mnemonic as M;
    match insn.instr.mnemonic() {
        M::Add => t.binary(insn, Binary::Add),
        M::Or => t.binary(insn, Binary::Or),
        M::Adc => t.binary(insn, Binary::Adc),
        M::Sbb => t.binary(insn, Binary::Sbb),
        M::And => t.binary(insn, Binary::And),
        M::Sub => t.binary(insn, Binary::Sub),
        M::Xor => t.binary(insn, Binary::Xor),
        M::Cmp => t.compare(insn, false),
        M::Test => t.compare(insn, true),
        M::Inc => t.unary(insn, Unary::Inc),
        M::Dec => t.unary(insn, Unary::Dec),
        M::Neg => t.unary(insn, Unary::Neg),
        M::Not => t.unary(insn, Unary::Not),
        M::Shl | M::Sal => t.shift(insn, Shift::Shl),
        M::Shr => t.shift(insn, Shift::Shr),
        M::Sar => t.shift(insn, Shift::Sar),
        M::Rol => t.rotate(insn, true),
        M::Ror => t.rotate(insn, false),
        M::Shld => t.double_shift(insn, true),
        M::Shrd => t.double_shift(insn, false),
        M::Mul => t.multiply(insn, false),
        M::Imul if insn.instr.op_count() == 1 => t.multiply(insn, true),
        M::Imul => t.signed_multiply(insn),
        M::Div => t.divide(insn, false),
        M::Idiv => t.divide(insn, true),
        M::Xadd => t.xadd(insn),
        M::Cmpxchg => t.cmpxchg(insn),
        M::Cmpxchg8b => t.cmpxchg_pair(insn, Size::Dword),
        M::Cmpxchg16b => t.cmpxchg_pair(insn, Size::Qword),
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Binary {
    Add,
    Or,
    Adc,
    Sbb,
    And,
    Sub,
    Xor,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unary {
    Inc,
    Dec,
    Neg,
    Not,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shift {
    Shl,
    Shr,
    Sar,
}

impl Translator<'_> {
    /// Replaces the first operand by what `f` makes of it, both in temporaries. The operand is read
    /// first and written last.
    fn modify(&mut self, insn: &Insn, size: Size, f: impl FnOnce(&mut Self, &Temp) -> Temp) {
        let instr = &insn.instr;
        if instr.op0_kind() == OpKind::Memory {
            let (place, a) = self.read_to_write(instr, size);
            let r = f(self, &a);
            self.get(&place);
            self.get(&r);
            self.store(size);
            self.code.free(place);
            self.code.free(a);
            self.code.free(r);
        } else {
            self.push_register(instr.op0_register());
            let a = self.keep(size);
            let r = f(self, &a);
            self.get(&r);
            self.set_register(instr.op0_register());
            self.code.free(a);
            self.code.free(r);
        }
    }

    fn binary(&mut self, insn: &Insn, operation: Binary) -> bool {
        let Some(size) = self.operand_size(&insn.instr, 0) else { return false };
        // A second operand in memory is read before anything else.
        let second = (insn.instr.op1_kind() == OpKind::Memory).then(|| {
            self.push_operand(&insn.instr, 1, size);
            self.keep(size)
        });
        self.modify(insn, size, |t, a| {
            let b = second.unwrap_or_else(|| {
                t.push_operand(&insn.instr, 1, size);
                t.keep(size)
            });
            let r = t.operate(operation, size, a, &b);
            t.code.free(b);
            r
        });
        true
    }

    fn operate(&mut self, operation: Binary, size: Size, a: &Temp, b: &Temp) -> Temp {
        let carry = matches!(operation, Binary::Adc | Binary::Sbb).then(|| {
            self.push_carry();
            self.widen_carry(size);
            self.keep(size)
        });
        self.get(a);
        self.get(b);
        match operation {
            Binary::Add | Binary::Adc => self.add(size),
            Binary::Sub | Binary::Sbb => self.sub(size),
            Binary::Or => self.or(size),
            Binary::And => self.and(size),
            Binary::Xor => self.xor(size),
        }
        if let Some(carry) = &carry {
            self.get(carry);
            if operation == Binary::Adc { self.add(size) } else { self.sub(size) }
        }
        self.clip(size);
        let r = self.keep(size);
        match operation {
            Binary::Add => self.record(FlagsKind::Add, size, &r, Some(b)),
            Binary::Sub => self.record(FlagsKind::Sub, size, &r, Some(b)),
            Binary::Adc | Binary::Sbb => {
                self.record_carries(size, a, b, &r, operation == Binary::Sbb);
            }
            _ => self.record(FlagsKind::Logic, size, &r, None),
        }
        if let Some(carry) = carry {
            self.code.free(carry);
        }
        r
    }

    /// From a carry (i32) to a value of this size.
    fn widen_carry(&mut self, size: Size) {
        if size.is_wide() {
            self.code.op().i64_extend_i32_u();
        }
    }

    /// Explicit flags of an addition or subtraction with a carry in.
    fn record_carries(&mut self, size: Size, a: &Temp, b: &Temp, r: &Temp, subtract: bool) {
        // Carries out of each bit: (a & b) | ((a | b) & !r); borrows: (!a & b) | ((!a | b) & r).
        let push_a = |t: &mut Self| {
            t.get(a);
            if subtract {
                t.constant(size, u64::MAX);
                t.xor(size);
            }
        };
        push_a(self);
        self.get(b);
        self.and(size);
        push_a(self);
        self.get(b);
        self.or(size);
        self.get(r);
        if !subtract {
            self.constant(size, u64::MAX);
            self.xor(size);
        }
        self.and(size);
        self.or(size);
        self.widen(size);
        let vector = self.code.keep(ValType::I64);
        let (x, y) = (self.flags_x, self.flags_y);
        self.get(&vector);
        self.code.op().i64_const(i64::from(64 - size.bits())).i64_shl();
        self.code.op().i64_const(CARRIES).i64_and();
        self.get(&vector);
        self.code.op().i64_const(8).i64_and().i64_or().local_set(y);
        self.get(r);
        self.extend_result(size);
        self.code.op().local_set(x);
        self.code.free(vector);
        self.set_flags(FlagsKind::Explicit, Size::Qword);
    }

    fn compare(&mut self, insn: &Insn, test: bool) -> bool {
        let Some(size) = self.operand_size(&insn.instr, 0) else { return false };
        self.push_operand(&insn.instr, 0, size);
        let a = self.keep(size);
        self.push_operand(&insn.instr, 1, size);
        let b = self.keep(size);
        if test {
            self.get(&a);
            self.get(&b);
            self.and(size);
            let r = self.keep(size);
            self.record(FlagsKind::Logic, size, &r, None);
            self.code.free(r);
        } else {
            self.record(FlagsKind::Cmp, size, &a, Some(&b));
        }
        self.code.free(a);
        self.code.free(b);
        true
    }

    /// Records flags with a carry of 0 or 1 (i32) in a temporary.
    fn record_with_carry(&mut self, kind: FlagsKind, size: Size, r: &Temp, carry: &Temp) {
        let y = self.flags_y;
        self.record(kind, size, r, None);
        self.get(carry);
        self.code.op().i64_extend_i32_u().local_set(y);
    }

    fn unary(&mut self, insn: &Insn, operation: Unary) -> bool {
        let Some(size) = self.operand_size(&insn.instr, 0) else { return false };
        self.modify(insn, size, |t, a| match operation {
            Unary::Inc | Unary::Dec => {
                t.push_kept_carry();
                let carry = t.code.keep(ValType::I32);
                t.get(a);
                t.constant(size, 1);
                let kind = if operation == Unary::Inc {
                    t.add(size);
                    FlagsKind::Inc
                } else {
                    t.sub(size);
                    FlagsKind::Dec
                };
                t.clip(size);
                let r = t.keep(size);
                t.record_with_carry(kind, size, &r, &carry);
                t.code.free(carry);
                r
            }
            Unary::Neg => {
                t.constant(size, 0);
                t.get(a);
                t.sub(size);
                t.clip(size);
                let r = t.keep(size);
                t.record(FlagsKind::Sub, size, &r, Some(a));
                r
            }
            Unary::Not => {
                t.get(a);
                t.constant(size, u64::MAX);
                t.xor(size);
                t.keep(size)
            }
        });
        true
    }

    /// The shift count: a constant, or in a temporary (of the operand's type) masked as the processor
    /// does. `None` for what is not a shift by an immediate or CL.
    fn count(&mut self, insn: &Insn, operand: u32, size: Size) -> Result<u32, Temp> {
        let mask = if size.is_wide() { 63 } else { 31 };
        if insn.instr.op_kind(operand) == OpKind::Register {
            self.push_register(Register::CL);
            self.code.op().i32_const(mask).i32_and();
            self.widen_carry(size);
            return Err(self.keep(size));
        }
        Ok(insn.instr.immediate(operand) as u32 & mask as u32)
    }

    fn shift(&mut self, insn: &Insn, shift: Shift) -> bool {
        let Some(size) = self.operand_size(&insn.instr, 0) else { return false };
        let bits = size.bits();
        match self.count(insn, 1, size) {
            Ok(0) => self.touch(insn, size),
            Ok(count) if count > bits => return false,
            Ok(count) => self.modify(insn, size, |t, a| {
                let n = |n: u32| Amount::Known(n);
                let (r, carry) = t.shifted(shift, size, a, &n(count));
                let kind = match shift {
                    Shift::Shl => FlagsKind::ShiftLeft,
                    Shift::Shr => FlagsKind::ShiftRight,
                    Shift::Sar => FlagsKind::Sar,
                };
                t.record_with_carry(kind, size, &r, &carry);
                t.code.free(carry);
                r
            }),
            Err(count) => {
                self.make_explicit();
                self.modify(insn, size, |t, a| {
                    let amount = Amount::Varying(&count);
                    let (r, carry) = t.shifted(shift, size, a, &amount);
                    // OF, as for a count of one.
                    match shift {
                        Shift::Shl => {
                            t.push_top_bit(size, &r);
                            t.get(&carry);
                            t.code.op().i32_xor();
                        }
                        Shift::Shr => {
                            t.push_top_bit(size, &r);
                            t.push_bit(size, &r, size.bits() - 2);
                            t.code.op().i32_xor();
                        }
                        Shift::Sar => {
                            t.code.op().i32_const(0);
                        }
                    }
                    let overflow = t.code.keep(ValType::I32);
                    t.record_if(size, &count, Some(&r), &carry, &overflow);
                    t.code.free(overflow);
                    t.code.free(carry);
                    r
                });
                self.code.free(count);
            }
        }
        true
    }

    /// A shift by zero: a register of 32 bits is written nevertheless.
    fn touch(&mut self, insn: &Insn, size: Size) {
        self.modify(insn, size, |t, a| {
            t.get(a);
            t.keep(size)
        });
    }

    fn push_bit(&mut self, size: Size, value: &Temp, bit: u32) {
        self.get(value);
        self.constant(size, bit.into());
        self.shr_u(size);
        if size.is_wide() {
            self.code.op().i32_wrap_i64();
        }
        self.code.op().i32_const(1).i32_and();
    }

    fn push_top_bit(&mut self, size: Size, value: &Temp) {
        self.push_bit(size, value, size.bits() - 1);
    }

    fn push_amount(&mut self, size: Size, amount: &Amount<'_>, less_than: Option<u32>, less: u32) {
        // amount - less, or less_than - amount.
        match (amount, less_than) {
            (Amount::Known(n), None) => self.constant(size, (n - less).into()),
            (Amount::Known(n), Some(from)) => self.constant(size, (from - n).into()),
            (Amount::Varying(n), None) => {
                self.get(n);
                if less != 0 {
                    self.constant(size, less.into());
                    self.sub(size);
                }
            }
            (Amount::Varying(n), Some(from)) => {
                self.constant(size, from.into());
                self.get(n);
                self.sub(size);
            }
        }
    }

    /// The shifted value and the carry (i32). With a count of 0 the carry means nothing.
    fn shifted(&mut self, shift: Shift, size: Size, a: &Temp, amount: &Amount<'_>) -> (Temp, Temp) {
        let extended = |t: &mut Self| {
            t.get(a);
            if shift == Shift::Sar {
                t.extend_sign(size);
            }
        };
        extended(self);
        self.push_amount(size, amount, None, 0);
        match shift {
            Shift::Shl => self.shl(size),
            Shift::Shr => self.shr_u(size),
            Shift::Sar => self.shr_s(size),
        }
        self.clip(size);
        let r = self.keep(size);
        extended(self);
        match shift {
            Shift::Shl => {
                // Shifts by more than the operand has bits leave 0 here too: the count wraps to one
                // that is past all of its bits.
                self.push_amount(size, amount, Some(size.bits()), 0);
                self.shr_u(size);
            }
            Shift::Shr => {
                self.push_amount(size, amount, None, 1);
                self.shr_u(size);
            }
            Shift::Sar => {
                self.push_amount(size, amount, None, 1);
                self.shr_s(size);
            }
        }
        if size.is_wide() {
            self.code.op().i32_wrap_i64();
        }
        self.code.op().i32_const(1).i32_and();
        let carry = self.code.keep(ValType::I32);
        (r, carry)
    }

    /// Flags, explicit before, become those of a result (if given), carry and overflow, unless the
    /// count is 0.
    fn record_if(
        &mut self,
        size: Size,
        count: &Temp,
        result: Option<&Temp>,
        carry: &Temp,
        overflow: &Temp,
    ) {
        let (x, y) = (self.flags_x, self.flags_y);
        let push_nonzero = |t: &mut Self| {
            t.get(count);
            t.pick(size, |op| op.i64_eqz(), |op| op.i32_eqz());
            t.code.op().i32_eqz();
        };
        // CF at bit 63, CF ^ OF at bit 62.
        if result.is_none() {
            self.code.op().local_get(y).i64_const(!CARRIES).i64_and();
        }
        self.get(carry);
        self.code.op().i64_extend_i32_u().i64_const(63).i64_shl();
        self.get(carry);
        self.get(overflow);
        self.code.op().i32_xor().i64_extend_i32_u().i64_const(62).i64_shl().i64_or();
        if result.is_none() {
            self.code.op().i64_or();
        }
        self.code.op().local_get(y);
        push_nonzero(self);
        self.code.op().select().local_set(y);
        if let Some(r) = result {
            self.get(r);
            self.extend_result(size);
            self.code.op().local_get(x);
            push_nonzero(self);
            self.code.op().select().local_set(x);
        }
        self.set_flags(FlagsKind::Explicit, Size::Qword);
    }

    fn rotate(&mut self, insn: &Insn, left: bool) -> bool {
        let Some(size) = self.operand_size(&insn.instr, 0) else { return false };
        let count = match self.count(insn, 1, size) {
            Ok(0) => {
                self.touch(insn, size);
                return true;
            }
            Ok(count) => {
                self.constant(size, count.into());
                self.keep(size)
            }
            Err(count) => count,
        };
        self.make_explicit();
        self.modify(insn, size, |t, a| {
            match size {
                Size::Dword | Size::Qword => {
                    t.get(a);
                    t.get(&count);
                    if left {
                        t.pick(size, |op| op.i64_rotl(), |op| op.i32_rotl());
                    } else {
                        t.pick(size, |op| op.i64_rotr(), |op| op.i32_rotr());
                    }
                }
                Size::Byte | Size::Word => {
                    // The value twice in a row, shifted down.
                    let bits = size.bits() as i32;
                    t.get(a);
                    t.get(a);
                    t.code.op().i32_const(bits).i32_shl().i32_or();
                    if left {
                        t.code.op().i32_const(bits);
                    }
                    t.get(&count);
                    t.code.op().i32_const(bits - 1).i32_and();
                    if left {
                        t.code.op().i32_sub();
                    }
                    t.code.op().i32_shr_u();
                    t.clip(size);
                }
            }
            let r = t.keep(size);
            if left {
                t.push_bit(size, &r, 0);
            } else {
                t.push_top_bit(size, &r);
            }
            let carry = t.code.keep(ValType::I32);
            t.push_top_bit(size, &r);
            if left {
                t.get(&carry);
            } else {
                t.push_bit(size, &r, size.bits() - 2);
            }
            t.code.op().i32_xor();
            let overflow = t.code.keep(ValType::I32);
            t.record_if(size, &count, None, &carry, &overflow);
            t.code.free(carry);
            t.code.free(overflow);
            r
        });
        self.code.free(count);
        true
    }

    fn double_shift(&mut self, insn: &Insn, left: bool) -> bool {
        let Some(size) = self.operand_size(&insn.instr, 0) else { return false };
        if size == Size::Word {
            return false;
        }
        let count = match self.count(insn, 2, size) {
            Ok(0) => {
                self.touch(insn, size);
                return true;
            }
            Ok(count) => {
                self.constant(size, count.into());
                self.keep(size)
            }
            Err(count) => count,
        };
        self.make_explicit();
        self.modify(insn, size, |t, a| {
            let shift = |t: &mut Self, left: bool| if left { t.shl(size) } else { t.shr_u(size) };
            t.get(a);
            t.get(&count);
            shift(t, left);
            // What comes in, by one and then the rest: all of it goes where the count is 0.
            t.push_register(insn.instr.op1_register());
            t.constant(size, 1);
            shift(t, !left);
            t.constant(size, (size.bits() - 1).into());
            t.get(&count);
            t.sub(size);
            shift(t, !left);
            t.or(size);
            let r = t.keep(size);
            // The last bit that went out.
            t.get(a);
            if left {
                t.constant(size, size.bits().into());
                t.get(&count);
            } else {
                t.get(&count);
                t.constant(size, 1);
            }
            t.sub(size);
            t.shr_u(size);
            let carry = t.keep(size);
            let out = t.code.temp(ValType::I32);
            t.push_bit(size, &carry, 0);
            t.code.op().local_set(out.index);
            t.push_top_bit(size, &r);
            if left {
                t.get(&out);
            } else {
                t.push_bit(size, &r, size.bits() - 2);
            }
            t.code.op().i32_xor();
            let overflow = t.code.keep(ValType::I32);
            t.record_if(size, &count, Some(&r), &out, &overflow);
            t.code.free(carry);
            t.code.free(out);
            t.code.free(overflow);
            r
        });
        self.code.free(count);
        true
    }

    /// MUL, and IMUL with one operand.
    fn multiply(&mut self, insn: &Insn, signed: bool) -> bool {
        let Some(size) = self.operand_size(&insn.instr, 0) else { return false };
        match size {
            Size::Dword => {
                self.push_operand(&insn.instr, 0, size);
                let b = self.keep(size);
                for value in [None, Some(&b)] {
                    match value {
                        None => self.push_reg(RAX, size),
                        Some(b) => self.get(b),
                    }
                    if signed {
                        self.code.op().i64_extend_i32_s();
                    } else {
                        self.code.op().i64_extend_i32_u();
                    }
                }
                self.code.op().i64_mul();
                let product = self.code.keep(ValType::I64);
                self.get(&product);
                self.code.op().i32_wrap_i64();
                let low = self.keep(size);
                self.get(&product);
                self.code.op().i64_const(32).i64_shr_u().i32_wrap_i64();
                self.set_reg(RDX, size);
                self.get(&product);
                if signed {
                    self.get(&low);
                    self.code.op().i64_extend_i32_s().i64_ne();
                } else {
                    self.code.op().i64_const(32).i64_shr_u().i64_const(0).i64_ne();
                }
                let wide = self.code.keep(ValType::I32);
                self.record_with_carry(FlagsKind::Multiply, size, &low, &wide);
                self.get(&low);
                self.set_reg(RAX, size);
                for temp in [b, product, low, wide] {
                    self.code.free(temp);
                }
                true
            }
            Size::Qword => {
                self.push_operand(&insn.instr, 0, size);
                let b = self.keep(size);
                self.push_reg(RAX, size);
                let a = self.keep(size);
                self.push_high_product(&a, &b, signed);
                let high = self.keep(size);
                self.get(&a);
                self.get(&b);
                self.code.op().i64_mul();
                let low = self.keep(size);
                self.get(&high);
                if signed {
                    self.get(&low);
                    self.code.op().i64_const(63).i64_shr_s();
                } else {
                    self.code.op().i64_const(0);
                }
                self.code.op().i64_ne();
                let wide = self.code.keep(ValType::I32);
                self.record_with_carry(FlagsKind::Multiply, size, &low, &wide);
                self.get(&high);
                self.set_reg(RDX, size);
                self.get(&low);
                self.set_reg(RAX, size);
                for temp in [a, b, high, low, wide] {
                    self.code.free(temp);
                }
                true
            }
            Size::Byte | Size::Word => false,
        }
    }

    /// IMUL with two or three operands.
    fn signed_multiply(&mut self, insn: &Insn) -> bool {
        let Some(size) = self.operand_size(&insn.instr, 0) else { return false };
        let (first, second) = if insn.instr.op_count() == 3 { (1, 2) } else { (0, 1) };
        self.push_operand(&insn.instr, second, size);
        let b = self.keep(size);
        self.push_operand(&insn.instr, first, size);
        let a = self.keep(size);
        self.record(FlagsKind::SignedMultiply, size, &a, Some(&b));
        self.get(&a);
        self.get(&b);
        self.pick(size, |op| op.i64_mul(), |op| op.i32_mul());
        self.clip(size);
        self.set_register(insn.instr.op0_register());
        self.code.free(a);
        self.code.free(b);
        true
    }

    /// Division of what fits in one register of the operand size; the rest is the interpreter's.
    fn divide(&mut self, insn: &Insn, signed: bool) -> bool {
        let Some(size) = self.operand_size(&insn.instr, 0) else { return false };
        if matches!(size, Size::Byte | Size::Word) {
            return false;
        }
        self.push_operand(&insn.instr, 0, size);
        let divisor = self.keep(size);
        self.push_reg(RAX, size);
        let low = self.keep(size);
        // Not if the upper half is more than an extension, for zero, or for the one that overflows.
        self.push_reg(RDX, size);
        if signed {
            self.get(&low);
            self.constant(size, (size.bits() - 1).into());
            self.shr_s(size);
        } else {
            self.constant(size, 0);
        }
        self.pick(size, |op| op.i64_ne(), |op| op.i32_ne());
        self.get(&divisor);
        self.pick(size, |op| op.i64_eqz(), |op| op.i32_eqz());
        self.code.op().i32_or();
        if signed {
            self.get(&divisor);
            self.constant(size, u64::MAX);
            self.pick(size, |op| op.i64_eq(), |op| op.i32_eq());
            self.code.op().i32_or();
        }
        if size == Size::Dword {
            self.wide_division(&divisor, &low, signed);
        } else {
            self.if_(Hint::Unlikely);
            self.leave_here();
            self.code.end();
            self.divide_by(size, &divisor, &low, signed);
        }
        self.code.free(divisor);
        self.code.free(low);
        true
    }

    /// Quotient and remainder of two values of the operand size.
    fn divide_by(&mut self, size: Size, divisor: &Temp, low: &Temp, signed: bool) {
        self.get(low);
        self.get(divisor);
        if signed {
            self.pick(size, |op| op.i64_rem_s(), |op| op.i32_rem_s());
        } else {
            self.pick(size, |op| op.i64_rem_u(), |op| op.i32_rem_u());
        }
        let remainder = self.keep(size);
        self.get(low);
        self.get(divisor);
        if signed {
            self.pick(size, |op| op.i64_div_s(), |op| op.i32_div_s());
        } else {
            self.pick(size, |op| op.i64_div_u(), |op| op.i32_div_u());
        }
        self.set_reg(RAX, size);
        self.get(&remainder);
        self.set_reg(RDX, size);
        self.code.free(remainder);
    }

    /// Division of 32 bits: on the stack is whether a division of 64 by 32 bits is needed.
    fn wide_division(&mut self, divisor: &Temp, low: &Temp, signed: bool) {
        let size = Size::Dword;
        self.if_(Hint::Unlikely);
        if signed {
            self.leave_here();
        } else {
            // The quotient does not fit if the upper half is not below the divisor, which covers a
            // divisor of zero.
            self.push_reg(RDX, size);
            self.get(divisor);
            self.code.op().i32_ge_u();
            self.if_(Hint::Unlikely);
            self.leave_here();
            self.code.end();
            self.push_reg(RDX, size);
            self.code.op().i64_extend_i32_u().i64_const(32).i64_shl();
            self.get(low);
            self.code.op().i64_extend_i32_u().i64_or();
            let dividend = self.code.keep(ValType::I64);
            for remainder in [false, true] {
                self.get(&dividend);
                self.get(divisor);
                self.code.op().i64_extend_i32_u();
                if remainder {
                    self.code.op().i64_rem_u().i32_wrap_i64();
                    self.set_reg(RDX, size);
                } else {
                    self.code.op().i64_div_u().i32_wrap_i64();
                    self.set_reg(RAX, size);
                }
            }
            self.code.free(dividend);
        }
        self.code.else_();
        self.divide_by(size, divisor, low, signed);
        self.code.end();
    }

    fn xadd(&mut self, insn: &Insn) -> bool {
        let instr = &insn.instr;
        let Some(size) = self.operand_size(instr, 0) else { return false };
        if instr.op0_kind() != OpKind::Memory {
            return false;
        }
        let (place, a) = self.read_to_write(instr, size);
        self.push_register(instr.op1_register());
        let b = self.keep(size);
        let r = self.operate(Binary::Add, size, &a, &b);
        self.get(&place);
        self.get(&r);
        self.store(size);
        self.get(&a);
        self.set_register(instr.op1_register());
        for temp in [place, a, b, r] {
            self.code.free(temp);
        }
        true
    }

    fn cmpxchg(&mut self, insn: &Insn) -> bool {
        let instr = &insn.instr;
        let Some(size) = self.operand_size(instr, 0) else { return false };
        if instr.op0_kind() != OpKind::Memory {
            return false;
        }
        let (place, old) = self.read_to_write(instr, size);
        self.push_reg(RAX, size);
        let expected = self.keep(size);
        // What is there is written back if it is not what was expected.
        self.get(&place);
        self.push_register(instr.op1_register());
        self.get(&old);
        self.get(&expected);
        self.get(&old);
        self.pick(size, |op| op.i64_eq(), |op| op.i32_eq());
        self.code.op().select();
        self.store(size);
        self.record(FlagsKind::Cmp, size, &expected, Some(&old));
        self.get(&expected);
        self.get(&old);
        self.pick(size, |op| op.i64_ne(), |op| op.i32_ne());
        self.if_(Hint::None);
        self.get(&old);
        self.set_reg(RAX, size);
        self.code.end();
        for temp in [place, old, expected] {
            self.code.free(temp);
        }
        true
    }

    /// CMPXCHG8B and CMPXCHG16B: halves of this size.
    fn cmpxchg_pair(&mut self, insn: &Insn, half: Size) -> bool {
        let instr = &insn.instr;
        self.make_explicit();
        if half.is_wide() {
            // #GP unless it is aligned.
            self.push_aligned_place(instr, Access::Write);
        } else {
            self.push_place(instr, 2 * half.bytes(), Access::Write);
        }
        let low = self.code.keep(ValType::I32);
        self.get(&low);
        self.code.op().i32_const(half.bytes() as i32).i32_add();
        let high = self.code.keep(ValType::I32);
        let halves = [(&low, RAX, RBX), (&high, RDX, RCX)].map(|(place, expected, new)| {
            self.get(place);
            self.load(half);
            (place, self.keep(half), expected, new)
        });
        for (_, old, expected, _) in &halves {
            self.get(old);
            self.push_reg(*expected, half);
            self.pick(half, |op| op.i64_eq(), |op| op.i32_eq());
        }
        self.code.op().i32_and();
        let equal = self.code.keep(ValType::I32);
        for (place, old, expected, new) in halves {
            // What is there is written back if it is not what was expected.
            self.get(place);
            self.push_reg(new, half);
            self.get(&old);
            self.get(&equal);
            self.code.op().select();
            self.store(half);
            self.get(&equal);
            self.code.op().i32_eqz();
            self.if_(Hint::None);
            self.get(&old);
            self.set_reg(expected, half);
            self.code.end();
            self.code.free(old);
        }
        self.set_zero(|t| t.get(&equal));
        for temp in [low, high, equal] {
            self.code.free(temp);
        }
        true
    }
}

/// How far to shift.
enum Amount<'a> {
    Known(u32),
    Varying(&'a Temp),
}
