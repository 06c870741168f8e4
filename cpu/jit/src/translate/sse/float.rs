//! Scalar floating point: arithmetic, roots, minima, comparisons and rounding.

use iced_x86::Code as C;
use wasm_encoder::ValType;

use super::super::xmm::{Clean, Float};
use super::super::{FlagsKind, Size, Translator};
use super::check::Value;
use crate::region::Insn;

/// An operation on floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    Min,
    Max,
}

impl Operation {
    /// The operands of which one has to be zero for a result that is.
    pub(super) fn zeros(self, a: u32, b: u32) -> Vec<u32> {
        if self == Self::Mul { vec![a, b] } else { vec![a] }
    }
}

impl Translator<'_> {
    pub(super) fn sse_float(&mut self, insn: &Insn) -> bool {
        use Float::{Double, Single};
        use Operation::*;
        match insn.instr.code() {
            C::Addss_xmm_xmmm32 => self.scalar(insn, Add, Single),
            C::Subss_xmm_xmmm32 => self.scalar(insn, Sub, Single),
            C::Mulss_xmm_xmmm32 => self.scalar(insn, Mul, Single),
            C::Divss_xmm_xmmm32 => self.scalar(insn, Div, Single),
            C::Sqrtss_xmm_xmmm32 => self.scalar(insn, Sqrt, Single),
            C::Minss_xmm_xmmm32 => self.scalar(insn, Min, Single),
            C::Maxss_xmm_xmmm32 => self.scalar(insn, Max, Single),
            C::Addsd_xmm_xmmm64 => self.scalar(insn, Add, Double),
            C::Subsd_xmm_xmmm64 => self.scalar(insn, Sub, Double),
            C::Mulsd_xmm_xmmm64 => self.scalar(insn, Mul, Double),
            C::Divsd_xmm_xmmm64 => self.scalar(insn, Div, Double),
            C::Sqrtsd_xmm_xmmm64 => self.scalar(insn, Sqrt, Double),
            C::Minsd_xmm_xmmm64 => self.scalar(insn, Min, Double),
            C::Maxsd_xmm_xmmm64 => self.scalar(insn, Max, Double),
            C::Ucomiss_xmm_xmmm32 | C::Comiss_xmm_xmmm32 => self.compare_scalars(insn, Single),
            C::Ucomisd_xmm_xmmm64 | C::Comisd_xmm_xmmm64 => self.compare_scalars(insn, Double),
            C::Cmpss_xmm_xmmm32_imm8 => self.mask_scalar(insn, Single),
            C::Cmpsd_xmm_xmmm64_imm8 => self.mask_scalar(insn, Double),
            C::Roundss_xmm_xmmm32_imm8 => self.round_scalar(insn, Single),
            C::Roundsd_xmm_xmmm64_imm8 => self.round_scalar(insn, Double),
            _ => return false,
        }
        true
    }

    fn emit_scalar(&mut self, operation: Operation, float: Float, a: u32, b: u32) {
        use Operation::*;
        if operation == Sqrt {
            self.code.op().local_get(b);
            return self.by_format(float, |op| op.f32_sqrt(), |op| op.f64_sqrt());
        }
        self.code.op().local_get(a).local_get(b);
        match operation {
            Add => self.by_format(float, |op| op.f32_add(), |op| op.f64_add()),
            Sub => self.by_format(float, |op| op.f32_sub(), |op| op.f64_sub()),
            Mul => self.by_format(float, |op| op.f32_mul(), |op| op.f64_mul()),
            Div => self.by_format(float, |op| op.f32_div(), |op| op.f64_div()),
            // The second operand unless the first is less or greater.
            Min => {
                self.code.op().local_get(a).local_get(b);
                self.by_format(float, |op| op.f32_lt(), |op| op.f64_lt());
                self.code.op().select();
            }
            Max => {
                self.code.op().local_get(a).local_get(b);
                self.by_format(float, |op| op.f32_gt(), |op| op.f64_gt());
                self.code.op().select();
            }
            Sqrt => unreachable!("has one operand"),
        }
    }

    fn scalar(&mut self, insn: &Insn, operation: Operation, float: Float) {
        use Operation::*;
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        let b = self.scalar_operand(insn, 1, float);
        let a = self.scalar_operand(insn, 0, float);
        self.emit_scalar(operation, float, a.index, b.index);
        let r = self.code.keep(float.ty());
        let (a_clean, b_clean) = (a.clean || operation == Sqrt, b.clean);
        let (ai, bi, ri) = (a.index, b.index, r.index);
        self.guarded(
            insn,
            |t| {
                t.push_doubt();
                let looks = match operation {
                    // A root is normal if the operand is, and also if that is denormal.
                    Sqrt => {
                        t.push_unusual(float, bi);
                        t.code.op().i32_or().local_get(bi);
                        t.by_format(
                            float,
                            |op| op.f32_const(0.0.into()),
                            |op| op.f64_const(0.0.into()),
                        );
                        t.by_format(float, |op| op.f32_lt(), |op| op.f64_lt());
                        t.code.op().i32_or();
                        vec![]
                    }
                    Min | Max => vec![(ai, a_clean), (bi, b_clean)],
                    _ => vec![(ri, false), (ai, a_clean), (bi, b_clean)],
                };
                for (value, clean) in looks {
                    if !clean {
                        t.push_unusual(float, value);
                        t.code.op().i32_or();
                    }
                }
            },
            |t| {
                t.push_doubt();
                match operation {
                    Add | Sub => t.push_is_sum(float, ri),
                    Mul | Div => t.push_is_product(float, ri, &operation.zeros(ai, bi)),
                    Min | Max => {
                        t.code.op().i32_const(1);
                    }
                    // Not less than zero, nor infinite.
                    Sqrt => t.push_is_sum(float, ri),
                }
                for (value, clean) in [(ai, a_clean), (bi, b_clean)] {
                    if !clean {
                        t.push_clean(float, value);
                        t.code.op().i32_and();
                    }
                }
                t.code.op().i32_eqz().i32_or();
            },
            |t| {
                t.push_low(to, float);
                t.code.op().local_set(ri);
            },
        );
        self.note_clean(insn, 1, float);
        self.get(&r);
        self.set_low(to, float);
        self.xmm.clean[to] = Clean::scalar(float);
        self.code.free(r);
        self.release(a);
        self.release(b);
    }

    /// An operand was looked at.
    fn note_clean(&mut self, insn: &Insn, operand: u32, float: Float) {
        if let Some(n) = self.xmm_operand(&insn.instr, operand) {
            self.xmm.clean[n] = self.xmm.clean[n].with(Clean::scalar(float));
        }
    }

    /// Pushes zero if both operands are clean, or needs a closer look.
    pub(super) fn push_unclean(&mut self, float: Float, values: &[&Value]) {
        let mut first = true;
        if values.iter().any(|value| value.clean) {
            self.push_doubt();
            first = false;
        }
        for value in values.iter().filter(|value| !value.clean) {
            self.push_unusual(float, value.index);
            if !first {
                self.code.op().i32_or();
            }
            first = false;
        }
    }

    /// Pushes not zero if one of the operands is not clean.
    pub(super) fn push_really_unclean(&mut self, float: Float, values: &[&Value]) {
        self.code.op().i32_const(1);
        for value in values.iter().filter(|value| !value.clean) {
            self.push_clean(float, value.index);
            self.code.op().i32_and();
        }
        self.code.op().i32_eqz();
        if values.iter().any(|value| value.clean) {
            self.push_doubt();
            self.code.op().i32_or();
        }
    }

    /// COMISx and UCOMISx: without NaNs, they do not depend on MXCSR.
    fn compare_scalars(&mut self, insn: &Insn, float: Float) {
        self.begin_float();
        let b = self.scalar_operand(insn, 1, float);
        let a = self.scalar_operand(insn, 0, float);
        let x = self.code.temp(ValType::I64);
        let y = self.code.temp(ValType::I64);
        // ZF is for x being zero; bits 15:8 of y keep PF clear then. CF is bit 63 of y, and OF whether
        // bit 62 differs.
        self.code.op().local_get(a.index).local_get(b.index);
        self.by_format(float, |op| op.f32_ne(), |op| op.f64_ne());
        self.code.op().i64_extend_i32_u().local_tee(x.index);
        self.code.op().i64_const(8).i64_shl().i64_const(1 << 8).i64_xor();
        self.code.op().local_get(a.index).local_get(b.index);
        self.by_format(float, |op| op.f32_lt(), |op| op.f64_lt());
        self.code.op().i64_extend_i32_u().i64_const(62).i64_shl().i64_const(3).i64_mul();
        self.code.op().i64_or().local_set(y.index);
        let values = [&a, &b];
        let (flags_x, flags_y) = (self.flags_x, self.flags_y);
        self.guarded(
            insn,
            |t| t.push_unclean(float, &values),
            |t| t.push_really_unclean(float, &values),
            |t| {
                t.code.op().local_get(flags_x).local_set(x.index);
                t.code.op().local_get(flags_y).local_set(y.index);
            },
        );
        self.record(FlagsKind::Explicit, Size::Qword, &x, Some(&y));
        self.note_clean(insn, 0, float);
        self.note_clean(insn, 1, float);
        self.code.free(x);
        self.code.free(y);
        self.release(a);
        self.release(b);
    }

    /// CMPSS and CMPSD.
    fn mask_scalar(&mut self, insn: &Insn, float: Float) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        let b = self.scalar_operand(insn, 1, float);
        let a = self.scalar_operand(insn, 0, float);
        self.code.op().local_get(a.index).local_get(b.index);
        // Of numbers, only.
        match insn.instr.immediate8() & 7 {
            0 => self.by_format(float, |op| op.f32_eq(), |op| op.f64_eq()),
            1 => self.by_format(float, |op| op.f32_lt(), |op| op.f64_lt()),
            2 => self.by_format(float, |op| op.f32_le(), |op| op.f64_le()),
            4 => self.by_format(float, |op| op.f32_ne(), |op| op.f64_ne()),
            5 => self.by_format(float, |op| op.f32_ge(), |op| op.f64_ge()),
            6 => self.by_format(float, |op| op.f32_gt(), |op| op.f64_gt()),
            unordered_or_ordered => {
                let ordered = i32::from(unordered_or_ordered == 7);
                self.code.op().drop().drop().i32_const(ordered);
            }
        }
        let holds = self.code.keep(ValType::I32);
        self.code.op().i32_const(0).local_get(holds.index).i32_sub();
        match float {
            Float::Single => self.code.op().f32_reinterpret_i32(),
            Float::Double => self.code.op().i64_extend_i32_s().f64_reinterpret_i64(),
        };
        self.code.free(holds);
        let r = self.code.keep(float.ty());
        let values = [&a, &b];
        self.guarded(
            insn,
            |t| t.push_unclean(float, &values),
            |t| t.push_really_unclean(float, &values),
            |t| {
                t.push_low(to, float);
                t.code.op().local_set(r.index);
            },
        );
        self.note_clean(insn, 1, float);
        self.get(&r);
        self.set_low(to, float);
        self.code.free(r);
        self.release(a);
        self.release(b);
    }

    /// ROUNDSS and ROUNDSD.
    fn round_scalar(&mut self, insn: &Insn, float: Float) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        let b = self.scalar_operand(insn, 1, float);
        let bi = b.index;
        self.code.op().local_get(bi);
        match rounding(insn.instr.immediate8()) {
            0 => self.by_format(float, |op| op.f32_nearest(), |op| op.f64_nearest()),
            1 => self.by_format(float, |op| op.f32_floor(), |op| op.f64_floor()),
            2 => self.by_format(float, |op| op.f32_ceil(), |op| op.f64_ceil()),
            _ => self.by_format(float, |op| op.f32_trunc(), |op| op.f64_trunc()),
        }
        let r = self.code.keep(float.ty());
        let ri = r.index;
        self.guarded(
            insn,
            |t| {
                t.push_doubt();
                t.code.op().local_get(bi).local_get(bi);
                t.by_format(float, |op| op.f32_ne(), |op| op.f64_ne());
                t.code.op().i32_or();
            },
            // What is integral already stays, whatever MXCSR says.
            |t| {
                t.code.op().local_get(ri).local_get(bi);
                t.by_format(float, |op| op.f32_ne(), |op| op.f64_ne());
            },
            |t| {
                t.push_low(to, float);
                t.code.op().local_set(ri);
            },
        );
        self.get(&r);
        self.set_low(to, float);
        self.xmm.clean[to] = Clean::scalar(float);
        self.code.free(r);
        self.release(b);
    }
}

/// How ROUNDxx rounds while MXCSR says to nearest: 0 to nearest, 1 down, 2 up, 3 to zero.
pub(super) fn rounding(control: u8) -> u8 {
    if control & 4 != 0 { 0 } else { control & 3 }
}
