//! Packed floating point: arithmetic, roots, minima, comparisons, horizontal sums and rounding.

use iced_x86::Code as C;

use super::super::Translator;
use super::super::xmm::{Clean, Float};
use super::check::Value;
use super::float::{Operation, rounding};
use super::integer::alternate;
use crate::region::Insn;

/// Where the operands of an operation on lanes come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrangement {
    /// Each lane of both.
    Straight,
    /// Neighbours.
    Horizontal,
    /// Straight, with the sign of the second operand's even lanes changed.
    Alternating,
}

impl Translator<'_> {
    pub(super) fn sse_packed(&mut self, insn: &Insn) -> bool {
        use Arrangement::*;
        use Float::{Double, Single};
        use Operation::*;
        match insn.instr.code() {
            C::Addps_xmm_xmmm128 => self.lanes(insn, Add, Single, Straight),
            C::Subps_xmm_xmmm128 => self.lanes(insn, Sub, Single, Straight),
            C::Mulps_xmm_xmmm128 => self.lanes(insn, Mul, Single, Straight),
            C::Divps_xmm_xmmm128 => self.lanes(insn, Div, Single, Straight),
            C::Sqrtps_xmm_xmmm128 => self.lanes(insn, Sqrt, Single, Straight),
            C::Minps_xmm_xmmm128 => self.lanes(insn, Min, Single, Straight),
            C::Maxps_xmm_xmmm128 => self.lanes(insn, Max, Single, Straight),
            C::Addpd_xmm_xmmm128 => self.lanes(insn, Add, Double, Straight),
            C::Subpd_xmm_xmmm128 => self.lanes(insn, Sub, Double, Straight),
            C::Mulpd_xmm_xmmm128 => self.lanes(insn, Mul, Double, Straight),
            C::Divpd_xmm_xmmm128 => self.lanes(insn, Div, Double, Straight),
            C::Sqrtpd_xmm_xmmm128 => self.lanes(insn, Sqrt, Double, Straight),
            C::Minpd_xmm_xmmm128 => self.lanes(insn, Min, Double, Straight),
            C::Maxpd_xmm_xmmm128 => self.lanes(insn, Max, Double, Straight),
            C::Haddps_xmm_xmmm128 => self.lanes(insn, Add, Single, Horizontal),
            C::Haddpd_xmm_xmmm128 => self.lanes(insn, Add, Double, Horizontal),
            C::Hsubps_xmm_xmmm128 => self.lanes(insn, Sub, Single, Horizontal),
            C::Hsubpd_xmm_xmmm128 => self.lanes(insn, Sub, Double, Horizontal),
            C::Addsubps_xmm_xmmm128 => self.lanes(insn, Add, Single, Alternating),
            C::Addsubpd_xmm_xmmm128 => self.lanes(insn, Add, Double, Alternating),
            C::Cmpps_xmm_xmmm128_imm8 => self.mask_lanes(insn, Single),
            C::Cmppd_xmm_xmmm128_imm8 => self.mask_lanes(insn, Double),
            C::Roundps_xmm_xmmm128_imm8 => self.round_lanes(insn, Single),
            C::Roundpd_xmm_xmmm128_imm8 => self.round_lanes(insn, Double),
            _ => return false,
        }
        true
    }

    fn emit_lanes(&mut self, operation: Operation, float: Float, a: u32, b: u32) {
        use Operation::*;
        match operation {
            Sqrt => self.code.op().local_get(b),
            // These take the first unless the second is less or greater.
            Min | Max => self.code.op().local_get(b).local_get(a),
            _ => self.code.op().local_get(a).local_get(b),
        };
        match operation {
            Add => self.by_format(float, |op| op.f32x4_add(), |op| op.f64x2_add()),
            Sub => self.by_format(float, |op| op.f32x4_sub(), |op| op.f64x2_sub()),
            Mul => self.by_format(float, |op| op.f32x4_mul(), |op| op.f64x2_mul()),
            Div => self.by_format(float, |op| op.f32x4_div(), |op| op.f64x2_div()),
            Sqrt => self.by_format(float, |op| op.f32x4_sqrt(), |op| op.f64x2_sqrt()),
            Min => self.by_format(float, |op| op.f32x4_pmin(), |op| op.f64x2_pmin()),
            Max => self.by_format(float, |op| op.f32x4_pmax(), |op| op.f64x2_pmax()),
        }
    }

    fn lanes(&mut self, insn: &Insn, operation: Operation, float: Float, arrangement: Arrangement) {
        use Operation::*;
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        let b = self.vector_operand(insn, 1, float);
        let a = self.vector_operand(insn, 0, float);
        let (ai, bi) = (a.index, b.index);
        match arrangement {
            Arrangement::Straight => self.emit_lanes(operation, float, ai, bi),
            Arrangement::Horizontal => {
                let bytes = float.bytes() as usize;
                self.code.op().local_get(ai).local_get(bi).i8x16_shuffle(alternate(bytes, 0));
                let even = self.keep_vector();
                self.code.op().local_get(ai).local_get(bi).i8x16_shuffle(alternate(bytes, 1));
                let odd = self.keep_vector();
                self.emit_lanes(operation, float, even.index, odd.index);
                self.code.free(even);
                self.code.free(odd);
            }
            Arrangement::Alternating => {
                let signs = match float {
                    Float::Single => 0x8000_0000_0000_0000_8000_0000,
                    Float::Double => 1 << 63,
                };
                self.code.op().local_get(bi).v128_const(signs).v128_xor();
                let changed = self.keep_vector();
                self.emit_lanes(operation, float, ai, changed.index);
                self.code.free(changed);
            }
        }
        let r = self.keep_vector();
        let ri = r.index;
        let (a_clean, b_clean) = (a.clean || operation == Sqrt, b.clean);
        self.guarded(
            insn,
            |t| {
                let looks = match operation {
                    Sqrt => vec![(bi, false)],
                    Min | Max => vec![(ai, a_clean), (bi, b_clean)],
                    _ => vec![(ri, false), (ai, a_clean), (bi, b_clean)],
                };
                let mut any = false;
                for (value, _) in looks.into_iter().filter(|(_, clean)| !clean) {
                    t.push_unusual_lanes(float, value);
                    if any {
                        t.code.op().v128_or();
                    }
                    any = true;
                }
                if operation == Sqrt {
                    t.code.op().local_get(bi).v128_const(0);
                    t.by_format(float, |op| op.f32x4_lt(), |op| op.f64x2_lt());
                    t.code.op().v128_or();
                }
                if any {
                    t.code.op().v128_any_true();
                }
                t.push_doubt();
                if any {
                    t.code.op().i32_or();
                }
            },
            |t| {
                match operation {
                    Add | Sub | Sqrt => t.push_sum_lanes(float, ri),
                    Mul | Div => t.push_product_lanes(float, ri, &operation.zeros(ai, bi)),
                    Min | Max => {
                        t.code.op().v128_const(-1);
                    }
                }
                for (value, clean) in [(ai, a_clean), (bi, b_clean)] {
                    if !clean {
                        t.push_clean_lanes(float, value);
                        t.code.op().v128_and();
                    }
                }
                t.all_lanes();
                t.code.op().i32_eqz();
                t.push_doubt();
                t.code.op().i32_or();
            },
            |t| {
                t.push_xmm(to);
                t.code.op().local_set(ri);
            },
        );
        self.note_clean_lanes(insn, 1, float);
        self.get(&r);
        self.set_xmm(to);
        self.xmm.clean[to] = Clean::packed(float);
        self.code.free(r);
        self.release(a);
        self.release(b);
    }

    /// An operand was looked at.
    fn note_clean_lanes(&mut self, insn: &Insn, operand: u32, float: Float) {
        if let Some(n) = self.xmm_operand(&insn.instr, operand) {
            self.xmm.clean[n] = self.xmm.clean[n].with(Clean::packed(float));
        }
    }

    /// CMPPS and CMPPD: without NaNs, they do not depend on MXCSR.
    fn mask_lanes(&mut self, insn: &Insn, float: Float) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        let b = self.vector_operand(insn, 1, float);
        let a = self.vector_operand(insn, 0, float);
        self.code.op().local_get(a.index).local_get(b.index);
        // Of numbers, only.
        match insn.instr.immediate8() & 7 {
            0 => self.by_format(float, |op| op.f32x4_eq(), |op| op.f64x2_eq()),
            1 => self.by_format(float, |op| op.f32x4_lt(), |op| op.f64x2_lt()),
            2 => self.by_format(float, |op| op.f32x4_le(), |op| op.f64x2_le()),
            4 => self.by_format(float, |op| op.f32x4_ne(), |op| op.f64x2_ne()),
            5 => self.by_format(float, |op| op.f32x4_ge(), |op| op.f64x2_ge()),
            6 => self.by_format(float, |op| op.f32x4_gt(), |op| op.f64x2_gt()),
            unordered_or_ordered => {
                let ordered = if unordered_or_ordered == 7 { -1 } else { 0 };
                self.code.op().drop().drop().v128_const(ordered);
            }
        }
        let r = self.keep_vector();
        let values = [&a, &b];
        self.guarded(
            insn,
            |t| t.push_unclean_lanes(float, &values),
            |t| {
                t.code.op().v128_const(-1);
                for value in values.iter().filter(|value| !value.clean) {
                    t.push_clean_lanes(float, value.index);
                    t.code.op().v128_and();
                }
                t.all_lanes();
                t.code.op().i32_eqz();
                if values.iter().any(|value| value.clean) {
                    t.push_doubt();
                    t.code.op().i32_or();
                }
            },
            |t| {
                t.push_xmm(to);
                t.code.op().local_set(r.index);
            },
        );
        self.note_clean_lanes(insn, 1, float);
        self.get(&r);
        self.set_xmm(to);
        self.code.free(r);
        self.release(a);
        self.release(b);
    }

    /// Pushes zero if both operands are clean, or needs a closer look.
    fn push_unclean_lanes(&mut self, float: Float, values: &[&Value]) {
        let mut first = true;
        for value in values.iter().filter(|value| !value.clean) {
            self.push_unusual_lanes(float, value.index);
            if !first {
                self.code.op().v128_or();
            }
            first = false;
        }
        if !first {
            self.code.op().v128_any_true();
        }
        if values.iter().any(|value| value.clean) {
            self.push_doubt();
            if !first {
                self.code.op().i32_or();
            }
        }
    }

    /// ROUNDPS and ROUNDPD.
    fn round_lanes(&mut self, insn: &Insn, float: Float) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        let b = self.vector_operand(insn, 1, float);
        let bi = b.index;
        self.code.op().local_get(bi);
        match rounding(insn.instr.immediate8()) {
            0 => self.by_format(float, |op| op.f32x4_nearest(), |op| op.f64x2_nearest()),
            1 => self.by_format(float, |op| op.f32x4_floor(), |op| op.f64x2_floor()),
            2 => self.by_format(float, |op| op.f32x4_ceil(), |op| op.f64x2_ceil()),
            _ => self.by_format(float, |op| op.f32x4_trunc(), |op| op.f64x2_trunc()),
        }
        let r = self.keep_vector();
        let ri = r.index;
        self.guarded(
            insn,
            |t| {
                t.code.op().local_get(bi).local_get(bi);
                t.by_format(float, |op| op.f32x4_ne(), |op| op.f64x2_ne());
                t.code.op().v128_any_true();
                t.push_doubt();
                t.code.op().i32_or();
            },
            // What is integral already stays, whatever MXCSR says.
            |t| {
                t.code.op().local_get(ri).local_get(bi);
                t.by_format(float, |op| op.f32x4_ne(), |op| op.f64x2_ne());
                t.code.op().v128_any_true();
            },
            |t| {
                t.push_xmm(to);
                t.code.op().local_set(ri);
            },
        );
        self.get(&r);
        self.set_xmm(to);
        self.xmm.clean[to] = Clean::packed(float);
        self.code.free(r);
        self.release(b);
    }
}
