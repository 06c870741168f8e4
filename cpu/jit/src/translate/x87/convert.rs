//! Between registers and the formats in memory.

use aero_cpu::Access;
use wasm_encoder::ValType;

use super::super::Translator;
use super::arith::Routine;
use super::shape::Format;
use crate::code::{Hint, Label, Temp, at};
use crate::region::Insn;

const BIAS: i32 = 16383;
const HALF: i64 = i64::MIN;

/// Shape of an IEEE format in memory.
struct Ieee {
    fraction_bits: u32,
    exponent_bits: u32,
}

const SINGLE: Ieee = Ieee { fraction_bits: 23, exponent_bits: 8 };
const DOUBLE: Ieee = Ieee { fraction_bits: 52, exponent_bits: 11 };

impl Ieee {
    /// What exponents are less than a register's.
    fn rebias(&self) -> i32 {
        BIAS - ((1 << (self.exponent_bits - 1)) - 1)
    }

    /// Exponent of infinities and NaNs.
    fn max_exponent(&self) -> i32 {
        (1 << self.exponent_bits) - 1
    }
}

impl Translator<'_> {
    /// Reads an operand in memory, as it lies there: an i64, integers sign-extended.
    pub(super) fn load_raw(&mut self, insn: &Insn, offset: &Temp, format: Format) -> Temp {
        self.push_place_at(&insn.instr, offset, format.bytes(), Access::Read);
        let ram = at(self.ram());
        match format {
            Format::Single => self.code.op().i64_load32_u(ram),
            Format::Word => self.code.op().i64_load16_s(ram),
            Format::Dword => self.code.op().i64_load32_s(ram),
            Format::Double | Format::Qword | Format::Extended => self.code.op().i64_load(ram),
        };
        self.code.keep(ValType::I64)
    }

    /// From what was read to a register's value. Denormals, infinities and NaNs are for `cold`.
    pub(super) fn widen_raw(
        &mut self,
        format: Format,
        raw: &Temp,
        mantissa: &Temp,
        sign_exponent: &Temp,
        cold: Label,
    ) {
        let (m, e) = (mantissa.index, sign_exponent.index);
        match format {
            Format::Single => self.widen_ieee(&SINGLE, raw, m, e, cold),
            Format::Double => self.widen_ieee(&DOUBLE, raw, m, e, cold),
            Format::Word | Format::Dword | Format::Qword => self.widen_integer(raw.index, m, e),
            Format::Extended => unreachable!("loaded as it is"),
        }
    }

    fn widen_ieee(&mut self, format: &Ieee, raw: &Temp, m: u32, e: u32, cold: Label) {
        let raw = raw.index;
        let bits = format.fraction_bits + format.exponent_bits;
        let mut op = self.code.op();
        op.local_get(raw).i64_const(format.fraction_bits.into()).i64_shr_u().i32_wrap_i64();
        op.i32_const(format.max_exponent()).i32_and().local_tee(e);
        op.i32_const(1).i32_sub().i32_const(format.max_exponent() - 1).i32_ge_u();
        self.code.if_(Hint::Unlikely);
        self.code.op().local_get(raw).i64_const((63 - bits).into()).i64_shl();
        self.code.op().i64_const(1).i64_shl().i64_const(0).i64_ne();
        self.code.br_if(Hint::None, cold);
        self.code.op().i64_const(0).local_set(m);
        self.code.op().i32_const(0).local_set(e);
        self.code.else_();
        let mut op = self.code.op();
        op.local_get(raw).i64_const((63 - format.fraction_bits).into()).i64_shl();
        op.i64_const(HALF).i64_or().local_set(m);
        op.local_get(e).i32_const(format.rebias()).i32_add().local_set(e);
        self.code.end();
        let mut op = self.code.op();
        op.local_get(raw).i64_const((bits - 15).into()).i64_shr_u().i32_wrap_i64();
        op.i32_const(0x8000).i32_and().local_get(e).i32_or().local_set(e);
    }

    /// From an integer in a local.
    pub(super) fn widen_integer(&mut self, value: u32, m: u32, e: u32) {
        let magnitude = self.code.temp(ValType::I64);
        let shift = self.code.temp(ValType::I64);
        let mut op = self.code.op();
        op.i64_const(0).local_get(value).i64_sub().local_get(value);
        op.local_get(value).i64_const(0).i64_lt_s().select().local_tee(magnitude.index);
        op.i64_clz().local_set(shift.index);
        op.local_get(magnitude.index).local_get(shift.index).i64_shl().local_set(m);
        op.i32_const(BIAS + 63).local_get(shift.index).i32_wrap_i64().i32_sub();
        op.local_get(value).i64_const(48).i64_shr_u().i32_wrap_i64();
        op.i32_const(0x8000).i32_and().i32_or();
        op.i32_const(0).local_get(value).i64_eqz().i32_eqz().select().local_set(e);
        self.code.free(magnitude);
        self.code.free(shift);
    }

    /// From a register's value to `bits` as they are stored, with what to report in `report`. What is
    /// not a normal number or zero in the format is for `cold`.
    pub(super) fn narrow_raw(
        &mut self,
        format: Format,
        truncate: bool,
        (m, e): (u32, u32),
        (bits, report): (&Temp, &Temp),
        cold: Label,
    ) {
        match format {
            Format::Single => self.narrow_ieee(&SINGLE, (m, e), bits.index, report.index, cold),
            Format::Double => self.narrow_ieee(&DOUBLE, (m, e), bits.index, report.index, cold),
            Format::Word | Format::Dword | Format::Qword => {
                self.round_integer((m, e), truncate, bits, report, cold);
                let mut op = self.code.op();
                match format {
                    Format::Word => op.local_get(bits.index).i64_extend16_s(),
                    Format::Dword => op.local_get(bits.index).i64_extend32_s(),
                    _ => return,
                };
                op.local_get(bits.index).i64_ne();
                self.code.br_if(Hint::Unlikely, cold);
            }
            Format::Extended => unreachable!("stored as it is"),
        }
    }

    /// From a register's value to an integer of 62 bits at most.
    pub(super) fn round_integer(
        &mut self,
        (m, e): (u32, u32),
        truncate: bool,
        value: &Temp,
        report: &Temp,
        cold: Label,
    ) {
        self.code.op().local_get(m).local_get(e).i64_const(0).i32_const(0);
        if truncate {
            self.code.op().i64_const(3);
        } else {
            let control = self.run().control.index;
            self.code.op().local_get(control).i32_const(10).i32_shr_u().i32_const(3).i32_and();
            self.code.op().i64_extend_i32_u();
        }
        self.call_routine(Routine::ToInteger);
        self.code.op().local_set(report.index).local_set(value.index);
        self.code.op().local_get(report.index).i32_const(0).i32_lt_s();
        self.code.br_if(Hint::Unlikely, cold);
        let mut op = self.code.op();
        op.local_get(report.index).i32_const(super::arith::STATUS_SHIFT as i32).i32_shr_u();
        op.local_set(report.index);
    }

    fn narrow_ieee(
        &mut self,
        format: &Ieee,
        (m, e): (u32, u32),
        bits: u32,
        report: u32,
        cold: Label,
    ) {
        let drop = 63 - format.fraction_bits;
        let top = format.fraction_bits + format.exponent_bits;
        let rest = self.code.temp(ValType::I64);
        let up = self.code.temp(ValType::I64);
        let (rest_at, up_at) = (rest.index, up.index);
        let mut op = self.code.op();
        op.local_get(e).i32_const(0x7fff).i32_and();
        op.i32_const(format.rebias() + 1).i32_sub().local_tee(report);
        // The largest exponent might be rounded up to infinity.
        op.i32_const(format.max_exponent() - 2).i32_ge_u();
        op.local_get(m).i64_const(0).i64_ge_s().i32_or();
        self.code.if_(Hint::Unlikely);
        self.code.op().local_get(m).i64_const(0).i64_ne();
        self.code.op().local_get(e).i32_const(0x7fff).i32_and().i32_or();
        self.code.br_if(Hint::None, cold);
        self.code.op().i64_const(0).local_set(bits).i32_const(0).local_set(report);
        self.code.else_();
        let mut op = self.code.op();
        op.local_get(m).i64_const((64 - drop).into()).i64_shl().local_set(rest_at);
        op.local_get(m).i64_const(drop.into()).i64_shr_u().local_set(bits);
        op.local_get(rest_at).i64_const(HALF);
        op.local_get(bits).i64_const(1).i64_and().i64_sub().i64_gt_u();
        op.i64_extend_i32_u().local_set(up_at);
        // The integer bit adds one to the exponent; so does a carry.
        op.local_get(report).i64_extend_i32_u().i64_const(format.fraction_bits.into()).i64_shl();
        op.local_get(bits).i64_add().local_get(up_at).i64_add().local_set(bits);
        op.local_get(rest_at).i64_const(0).i64_ne().i32_const(5).i32_shl();
        op.local_get(up_at).i32_wrap_i64().i32_const(9).i32_shl().i32_or().local_set(report);
        self.code.end();
        let mut op = self.code.op();
        op.local_get(e).i32_const(15).i32_shr_u().i64_extend_i32_u().i64_const(top.into());
        op.i64_shl().local_get(bits).i64_or().local_set(bits);
        self.code.free(rest);
        self.code.free(up);
    }

    /// Writes what [`narrow_raw`](Self::narrow_raw) gave.
    pub(super) fn store_raw(&mut self, insn: &Insn, offset: &Temp, format: Format, bits: &Temp) {
        self.push_place_at(&insn.instr, offset, format.bytes(), Access::Write);
        let ram = at(self.ram());
        self.get(bits);
        match format {
            Format::Word => self.code.op().i64_store16(ram),
            Format::Single | Format::Dword => self.code.op().i64_store32(ram),
            Format::Double | Format::Qword | Format::Extended => self.code.op().i64_store(ram),
        };
    }
}
