//! Conversions of scalars and of whole registers.

use iced_x86::Code as C;
use wasm_encoder::ValType;

use super::super::registers::gpr;
use super::super::xmm::{Clean, Float};
use super::super::{Size, Translator};
use crate::region::Insn;

impl Translator<'_> {
    pub(super) fn sse_convert(&mut self, insn: &Insn) -> bool {
        use Float::{Double, Single};
        match insn.instr.code() {
            C::Cvtsi2sd_xmm_rm32 => self.scalar_of_integer(insn, Size::Dword, Double),
            C::Cvtsi2sd_xmm_rm64 => self.scalar_of_integer(insn, Size::Qword, Double),
            C::Cvtsi2ss_xmm_rm32 => self.scalar_of_integer(insn, Size::Dword, Single),
            C::Cvtsi2ss_xmm_rm64 => self.scalar_of_integer(insn, Size::Qword, Single),
            C::Cvttsd2si_r32_xmmm64 | C::Cvttsd2si_r64_xmmm64 => {
                self.integer_of_scalar(insn, Double, false)
            }
            C::Cvttss2si_r32_xmmm32 | C::Cvttss2si_r64_xmmm32 => {
                self.integer_of_scalar(insn, Single, false)
            }
            C::Cvtsd2si_r32_xmmm64 | C::Cvtsd2si_r64_xmmm64 => {
                self.integer_of_scalar(insn, Double, true)
            }
            C::Cvtss2si_r32_xmmm32 | C::Cvtss2si_r64_xmmm32 => {
                self.integer_of_scalar(insn, Single, true)
            }
            C::Cvtss2sd_xmm_xmmm32 => self.widen_float(insn),
            C::Cvtsd2ss_xmm_xmmm64 => self.narrow_float(insn),
            C::Cvtdq2pd_xmm_xmmm64 => self.doubles_from_integers(insn),
            C::Cvtdq2ps_xmm_xmmm128 => self.singles_from_integers(insn),
            C::Cvttps2dq_xmm_xmmm128 => self.lanes_to_integers(insn, Single, false),
            C::Cvtps2dq_xmm_xmmm128 => self.lanes_to_integers(insn, Single, true),
            C::Cvttpd2dq_xmm_xmmm128 => self.lanes_to_integers(insn, Double, false),
            C::Cvtpd2dq_xmm_xmmm128 => self.lanes_to_integers(insn, Double, true),
            C::Cvtps2pd_xmm_xmmm64 => self.widen_lanes_float(insn),
            C::Cvtpd2ps_xmm_xmmm128 => self.narrow_lanes_float(insn),
            _ => return false,
        }
        true
    }

    fn scalar_of_integer(&mut self, insn: &Insn, size: Size, float: Float) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        // Doubles have all integers of 32 bits.
        let exact = size == Size::Dword && float == Float::Double;
        if !exact {
            self.begin_float();
        }
        self.push_operand(&insn.instr, 1, size);
        if exact {
            self.code.op().f64_convert_i32_s();
            self.set_low(to, float);
            self.xmm.clean[to] = Clean::scalar(float);
            return;
        }
        let value = self.keep(size);
        self.get(&value);
        match (size.is_wide(), float) {
            (true, Float::Double) => self.code.op().f64_convert_i64_s(),
            (true, Float::Single) => self.code.op().f32_convert_i64_s(),
            (false, _) => self.code.op().f32_convert_i32_s(),
        };
        let r = self.code.keep(float.ty());
        let limit = if float == Float::Double { 1_u64 << 53 } else { 1 << 24 };
        self.guarded(
            insn,
            |t| t.push_doubt(),
            |t| {
                t.get(&value);
                t.constant(size, limit);
                t.add(size);
                t.constant(size, 2 * limit);
                t.pick(size, |op| op.i64_gt_u(), |op| op.i32_gt_u());
            },
            |t| {
                t.push_low(to, float);
                t.code.op().local_set(r.index);
            },
        );
        self.get(&r);
        self.set_low(to, float);
        self.xmm.clean[to] = Clean::scalar(float);
        self.code.free(r);
        self.code.free(value);
    }

    fn integer_of_scalar(&mut self, insn: &Insn, float: Float, rounds: bool) {
        let register = insn.instr.op0_register();
        let (_, size, _) = gpr(register).expect("a general purpose register");
        self.begin_float();
        let b = self.scalar_operand(insn, 1, float);
        self.code.op().local_get(b.index);
        if float == Float::Single {
            self.code.op().f64_promote_f32();
        }
        let value = self.code.keep(ValType::F64);
        self.get(&value);
        if rounds {
            self.code.op().f64_nearest();
        }
        let rounded = self.code.keep(ValType::F64);
        self.get(&rounded);
        self.pick(size, |op| op.i64_trunc_sat_f64_s(), |op| op.i32_trunc_sat_f64_s());
        let r = self.keep(size);
        // Where it is out of range, or a NaN, for which comparisons do not hold.
        let (vi, ni) = (value.index, rounded.index);
        let push_out = |t: &mut Self| {
            if size.is_wide() {
                t.code.op().local_get(ni).f64_const((-9_223_372_036_854_775_808.0).into()).f64_ge();
                t.code.op().local_get(ni).f64_const(9_223_372_036_854_775_808.0.into()).f64_lt();
            } else {
                t.code.op().local_get(ni).f64_const((-2_147_483_649.0).into()).f64_gt();
                t.code.op().local_get(ni).f64_const(2_147_483_648.0.into()).f64_lt();
            }
            t.code.op().i32_and().i32_eqz();
        };
        self.guarded(
            insn,
            |t| {
                push_out(t);
                t.push_doubt();
                t.code.op().i32_or();
            },
            // What is integral is that for all that MXCSR may say.
            |t| {
                push_out(t);
                t.get(&r);
                t.pick(size, |op| op.f64_convert_i64_s(), |op| op.f64_convert_i32_s());
                t.code.op().local_get(vi).f64_ne().i32_or();
            },
            |t| {
                t.push_register(register);
                t.code.op().local_set(r.index);
            },
        );
        self.get(&r);
        self.set_register(register);
        self.code.free(r);
        self.code.free(rounded);
        self.code.free(value);
        self.release(b);
    }

    /// CVTSS2SD: exact.
    fn widen_float(&mut self, insn: &Insn) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        let b = self.scalar_operand(insn, 1, Float::Single);
        self.code.op().local_get(b.index).f64_promote_f32();
        let r = self.code.keep(ValType::F64);
        let values = [&b];
        self.guarded(
            insn,
            |t| t.push_unclean(Float::Single, &values),
            |t| t.push_really_unclean(Float::Single, &values),
            |t| {
                t.push_low(to, Float::Double);
                t.code.op().local_set(r.index);
            },
        );
        self.get(&r);
        self.set_low(to, Float::Double);
        self.xmm.clean[to] = Clean::scalar(Float::Double);
        self.code.free(r);
        self.release(b);
    }

    fn narrow_float(&mut self, insn: &Insn) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        let b = self.scalar_operand(insn, 1, Float::Double);
        let bi = b.index;
        self.code.op().local_get(bi).f32_demote_f64();
        let r = self.code.keep(ValType::F32);
        self.guarded(
            insn,
            |t| {
                t.push_doubt();
                t.push_unusual(Float::Single, r.index);
                t.code.op().i32_or();
            },
            |t| {
                t.push_doubt();
                t.push_unusual(Float::Single, r.index);
                t.code.op().i32_or();
                t.code.op().local_get(bi).f64_const(0.0.into()).f64_ne().i32_and();
            },
            |t| {
                t.push_low(to, Float::Single);
                t.code.op().local_set(r.index);
            },
        );
        self.get(&r);
        self.set_low(to, Float::Single);
        self.xmm.clean[to] = Clean::scalar(Float::Single);
        self.code.free(r);
        self.release(b);
    }

    /// CVTDQ2PD: exact.
    fn doubles_from_integers(&mut self, insn: &Insn) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.push_low_bytes(&insn.instr, 1, 8);
        self.code.op().f64x2_convert_low_i32x4_s();
        self.set_xmm(to);
        self.xmm.clean[to] = Clean::packed(Float::Double);
    }

    fn singles_from_integers(&mut self, insn: &Insn) {
        const LANES: u128 = 0x1_0000_0001_0000_0001_0000_0001;
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        self.push_vector(&insn.instr, 1);
        let b = self.keep_vector();
        self.get(&b);
        self.code.op().f32x4_convert_i32x4_s();
        let r = self.keep_vector();
        self.guarded(
            insn,
            |t| t.push_doubt(),
            |t| {
                t.get(&b);
                t.code.op().i32x4_abs().v128_const((LANES << 24) as i128).i32x4_gt_u();
                t.code.op().v128_any_true();
            },
            |t| {
                t.push_xmm(to);
                t.code.op().local_set(r.index);
            },
        );
        self.get(&r);
        self.set_xmm(to);
        self.xmm.clean[to] = Clean::packed(Float::Single);
        self.code.free(r);
        self.code.free(b);
    }

    fn lanes_to_integers(&mut self, insn: &Insn, float: Float, rounds: bool) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        self.push_vector(&insn.instr, 1);
        let b = self.keep_vector();
        self.get(&b);
        if rounds {
            self.by_format(float, |op| op.f32x4_nearest(), |op| op.f64x2_nearest());
        }
        let rounded = self.keep_vector();
        self.get(&rounded);
        self.by_format(
            float,
            |op| op.i32x4_trunc_sat_f32x4_s(),
            |op| op.i32x4_trunc_sat_f64x2_s_zero(),
        );
        let r = self.keep_vector();
        let (bi, ni) = (b.index, rounded.index);
        let push_in = |t: &mut Self| {
            t.code.op().local_get(ni);
            t.by_format(float, |op| op.f32x4_abs(), |op| op.f64x2_abs());
            t.vector_constant(float, 2_147_483_648.0, 2_147_483_648.0);
            t.by_format(float, |op| op.f32x4_lt(), |op| op.f64x2_lt());
        };
        self.guarded(
            insn,
            |t| {
                push_in(t);
                t.all_lanes();
                t.code.op().i32_eqz();
                t.push_doubt();
                t.code.op().i32_or();
            },
            |t| {
                push_in(t);
                t.get(&r);
                t.by_format(
                    float,
                    |op| op.f32x4_convert_i32x4_s(),
                    |op| op.f64x2_convert_low_i32x4_s(),
                );
                t.code.op().local_get(bi);
                t.by_format(float, |op| op.f32x4_eq(), |op| op.f64x2_eq());
                t.code.op().v128_and();
                t.all_lanes();
                t.code.op().i32_eqz();
            },
            |t| {
                t.push_xmm(to);
                t.code.op().local_set(r.index);
            },
        );
        self.get(&r);
        self.set_xmm(to);
        self.code.free(r);
        self.code.free(rounded);
        self.code.free(b);
    }

    /// CVTPS2PD: exact, so that the results tell what the operands were.
    fn widen_lanes_float(&mut self, insn: &Insn) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        self.push_low_bytes(&insn.instr, 1, 8);
        self.code.op().f64x2_promote_low_f32x4();
        let r = self.keep_vector();
        let ri = r.index;
        self.guarded(
            insn,
            |t| {
                t.code.op().local_get(ri).f64x2_abs();
                let least = f64::from(f32::MIN_POSITIVE);
                t.vector_constant(Float::Double, 0.0, least);
                t.code.op().f64x2_ge();
                t.code.op().local_get(ri).v128_const(0).f64x2_eq().v128_or();
                t.all_lanes();
                t.code.op().i32_eqz();
            },
            |t| {
                t.code.op().i32_const(1);
            },
            |t| {
                t.push_xmm(to);
                t.code.op().local_set(ri);
            },
        );
        self.get(&r);
        self.set_xmm(to);
        self.xmm.clean[to] = Clean::packed(Float::Double);
        self.code.free(r);
    }

    /// CVTPD2PS.
    fn narrow_lanes_float(&mut self, insn: &Insn) {
        let to = self.xmm_operand(&insn.instr, 0).expect("a register");
        self.begin_float();
        self.push_vector(&insn.instr, 1);
        let b = self.keep_vector();
        let bi = b.index;
        self.get(&b);
        self.code.op().f32x4_demote_f64x2_zero();
        let r = self.keep_vector();
        // Well inside of what singles can be.
        const LEAST: f64 = 2.0 * f32::MIN_POSITIVE as f64;
        const MOST: f64 = f32::MAX as f64;
        self.guarded(
            insn,
            |t| {
                t.code.op().local_get(bi).f64x2_abs();
                t.vector_constant(Float::Double, 0.0, LEAST);
                t.code.op().f64x2_ge();
                t.code.op().local_get(bi).v128_const(0).f64x2_eq().v128_or();
                t.code.op().local_get(bi).f64x2_abs();
                t.vector_constant(Float::Double, 0.0, MOST);
                t.code.op().f64x2_le().v128_and();
                t.all_lanes();
                t.code.op().i32_eqz();
                t.push_doubt();
                t.code.op().i32_or();
            },
            |t| {
                t.code.op().i32_const(1);
            },
            |t| {
                t.push_xmm(to);
                t.code.op().local_set(r.index);
            },
        );
        self.get(&r);
        self.set_xmm(to);
        self.xmm.clean[to] = Clean::packed(Float::Single);
        self.code.free(r);
        self.code.free(b);
    }
}
