//! Whether the host's arithmetic gives what the guest's would.
//!
//! With all exceptions masked, rounding to nearest, denormals left alone and PE set already, there is
//! nothing to tell about an operation whose operands and result are zero or normal numbers, but for a
//! zero that came of underflow. Anything else is executed by the interpreter, there and then.
//!
//! A local says whether to doubt: MXCSR is different, or an earlier instruction of the block went to the
//! interpreter, so that what is known of registers from the instructions before need not hold.

use wasm_encoder::{InstructionSink, ValType};

use super::super::Translator;
use super::super::xmm::{Clean, Float};
use crate::code::{Hint, Temp};
use crate::region::Insn;

/// All that matters: exception masks, RC, FZ, DAZ and PE.
const MXCSR_MASK: i32 = 0xffe0;
/// All masked, to nearest, PE set.
const MXCSR_FAST: i32 = 0x1fa0;

/// An operand in a local.
pub(super) struct Value {
    /// The local.
    pub index: u32,
    temp: Option<Temp>,
    /// It is known to be neither denormal nor NaN.
    pub clean: bool,
}

impl Value {
    pub(super) fn temporary(temp: Temp) -> Self {
        Self { index: temp.index, temp: Some(temp), clean: false }
    }
}

impl Translator<'_> {
    /// Makes sure that the block's doubts are known.
    pub(super) fn begin_float(&mut self) {
        let doubt = self.doubt();
        if self.xmm.ready {
            return;
        }
        self.xmm.ready = true;
        let mxcsr = self.mxcsr();
        self.code.op().i32_const(0).i32_load(mxcsr).i32_const(MXCSR_MASK).i32_and();
        self.code.op().i32_const(MXCSR_FAST).i32_ne().local_set(doubt);
    }

    /// Pushes whether to doubt.
    pub(super) fn push_doubt(&mut self) {
        let doubt = self.doubt();
        self.code.op().local_get(doubt);
    }

    /// Has the interpreter execute the instruction unless what `quick` pushes is zero, or at least what
    /// `close` pushes, which is more work. `after` then takes the result from where it is.
    pub(super) fn guarded(
        &mut self,
        insn: &Insn,
        quick: impl FnOnce(&mut Self),
        close: impl FnOnce(&mut Self),
        after: impl FnOnce(&mut Self),
    ) {
        // What the x87 has in locals would be stored on one way only.
        self.end_x87();
        quick(self);
        self.if_(Hint::Unlikely);
        close(self);
        self.if_(Hint::None);
        let (clean, flags) = (self.xmm.clean, self.flags);
        self.interpret(insn);
        (self.xmm.clean, self.flags) = (clean, flags);
        let doubt = self.doubt();
        self.code.op().i32_const(1).local_set(doubt);
        after(self);
        self.code.end();
        self.code.end();
    }

    /// Emits one of two instructions.
    pub(super) fn by_format(
        &mut self,
        float: Float,
        single: impl for<'b, 'c> FnOnce(&'b mut InstructionSink<'c>) -> &'b mut InstructionSink<'c>,
        double: impl for<'b, 'c> FnOnce(&'b mut InstructionSink<'c>) -> &'b mut InstructionSink<'c>,
    ) {
        let mut op = self.code.op();
        match float {
            Float::Single => single(&mut op),
            Float::Double => double(&mut op),
        };
    }

    /// Pushes a constant.
    fn float_constant(&mut self, float: Float, single: f32, double: f64) {
        match float {
            Float::Single => self.code.op().f32_const(single.into()),
            Float::Double => self.code.op().f64_const(double.into()),
        };
    }

    /// Pushes a constant in all lanes.
    pub(super) fn vector_constant(&mut self, float: Float, single: f32, double: f64) {
        let value = match float {
            Float::Single => u128::from(single.to_bits()) * 0x1_0000_0001_0000_0001_0000_0001,
            Float::Double => u128::from(double.to_bits()) * 0x1_0000_0000_0000_0001,
        };
        self.code.op().v128_const(value as i128);
    }

    pub(super) fn release(&mut self, value: Value) {
        if let Some(temp) = value.temp {
            self.code.free(temp);
        }
    }

    // Scalars.

    /// An operand: the lowest lane of a register, or memory.
    pub(super) fn scalar_operand(&mut self, insn: &Insn, operand: u32, float: Float) -> Value {
        let instr = &insn.instr;
        match self.xmm_operand(instr, operand) {
            Some(n) => {
                let clean = self.xmm.clean[n].has(Clean::scalar(float));
                if let Some(index) = self.low_local(n, float) {
                    return Value { index, temp: None, clean };
                }
                self.push_low(n, float);
                Value { clean, ..Value::temporary(self.code.keep(float.ty())) }
            }
            None => {
                self.push_place(instr, float.bytes(), aero_cpu::Access::Read);
                self.load_float(float);
                Value::temporary(self.code.keep(float.ty()))
            }
        }
    }

    /// Pushes zero if a value is normal, and not the smallest either; anything if not.
    pub(super) fn push_unusual(&mut self, float: Float, value: u32) {
        // The sign is shifted out, so that exponents 2 and up are in one range.
        match float {
            Float::Single => {
                self.code.op().local_get(value).i32_reinterpret_f32();
                self.code.op().i32_const(1).i32_shl().i32_const(0x0200_0000).i32_sub();
                self.code.op().i32_const(0xfd00_0000_u32 as i32).i32_ge_u();
            }
            Float::Double => {
                self.code.op().local_get(value).i64_reinterpret_f64();
                self.code.op().i64_const(32).i64_shr_u().i32_wrap_i64();
                self.code.op().i32_const(1).i32_shl().i32_const(0x0040_0000).i32_sub();
                self.code.op().i32_const(0xffa0_0000_u32 as i32).i32_ge_u();
            }
        }
    }

    fn push_is_zero(&mut self, float: Float, value: u32) {
        self.code.op().local_get(value);
        self.float_constant(float, 0.0, 0.0);
        self.by_format(float, |op| op.f32_eq(), |op| op.f64_eq());
    }

    fn push_magnitude(&mut self, float: Float, value: u32) {
        self.code.op().local_get(value);
        self.by_format(float, |op| op.f32_abs(), |op| op.f64_abs());
    }

    /// Pushes whether a value is neither denormal nor NaN.
    pub(super) fn push_clean(&mut self, float: Float, value: u32) {
        self.push_is_zero(float, value);
        self.push_magnitude(float, value);
        self.float_constant(float, f32::MIN_POSITIVE, f64::MIN_POSITIVE);
        self.by_format(float, |op| op.f32_ge(), |op| op.f64_ge());
        self.code.op().i32_or();
    }

    fn push_finite(&mut self, float: Float, value: u32) {
        self.push_magnitude(float, value);
        self.float_constant(float, f32::INFINITY, f64::INFINITY);
        self.by_format(float, |op| op.f32_lt(), |op| op.f64_lt());
    }

    /// Pushes whether the sum or difference `r` is all that there is to it. The operands are clean.
    pub(super) fn push_is_sum(&mut self, float: Float, r: u32) {
        self.push_clean(float, r);
        self.push_finite(float, r);
        self.code.op().i32_and();
    }

    /// Pushes whether the product or quotient `r` is all that there is to it. The operands are clean;
    /// one of `zeros` is zero if a result that is zero is not for underflow.
    pub(super) fn push_is_product(&mut self, float: Float, r: u32, zeros: &[u32]) {
        self.push_unusual(float, r);
        self.code.op().i32_eqz();
        self.push_is_zero(float, r);
        for (i, zero) in zeros.iter().enumerate() {
            self.push_is_zero(float, *zero);
            if i != 0 {
                self.code.op().i32_or();
            }
        }
        self.code.op().i32_and().i32_or();
    }

    // Vectors.

    /// As [`scalar_operand`](Self::scalar_operand), of all lanes.
    pub(super) fn vector_operand(&mut self, insn: &Insn, operand: u32, float: Float) -> Value {
        let instr = &insn.instr;
        let clean = self
            .xmm_operand(instr, operand)
            .is_some_and(|n| self.xmm.clean[n].has(Clean::packed(float)));
        self.push_vector(instr, operand);
        Value { clean, ..Value::temporary(self.code.keep(ValType::V128)) }
    }

    /// Pushes (v128) zero if all lanes are normal, and not the smallest either; anything if not.
    pub(super) fn push_unusual_lanes(&mut self, float: Float, value: u32) {
        // As for scalars, in a range of signed numbers.
        match float {
            Float::Single => {
                const LANES: u128 = 0x1_0000_0001_0000_0001_0000_0001;
                const FIRST: u32 = 0x0200_0000;
                const LAST: u32 = 0xff00_0000 - 1;
                let down = u128::from(FIRST ^ 0x8000_0000) * LANES;
                let last = u128::from((LAST - FIRST) ^ 0x8000_0000) * LANES;
                self.code.op().local_get(value).i32_const(1).i32x4_shl();
                self.code.op().v128_const(down as i128).i32x4_sub();
                self.code.op().v128_const(last as i128).i32x4_gt_s();
            }
            Float::Double => {
                const LANES: u128 = 0x1_0000_0000_0000_0001;
                const FIRST: u64 = 0x0040_0000_0000_0000;
                const LAST: u64 = 0xffe0_0000_0000_0000 - 1;
                const TOP: u64 = 1 << 63;
                let down = u128::from(FIRST ^ TOP) * LANES;
                let last = u128::from((LAST - FIRST) ^ TOP) * LANES;
                self.code.op().local_get(value).i32_const(1).i64x2_shl();
                self.code.op().v128_const(down as i128).i64x2_sub();
                self.code.op().v128_const(last as i128).i64x2_gt_s();
            }
        }
    }

    fn push_zero_lanes(&mut self, float: Float, value: u32) {
        self.code.op().local_get(value).v128_const(0);
        self.by_format(float, |op| op.f32x4_eq(), |op| op.f64x2_eq());
    }

    fn push_magnitudes(&mut self, float: Float, value: u32) {
        self.code.op().local_get(value);
        self.by_format(float, |op| op.f32x4_abs(), |op| op.f64x2_abs());
    }

    /// Pushes (v128) which lanes are neither denormal nor NaN.
    pub(super) fn push_clean_lanes(&mut self, float: Float, value: u32) {
        self.push_zero_lanes(float, value);
        self.push_magnitudes(float, value);
        self.vector_constant(float, f32::MIN_POSITIVE, f64::MIN_POSITIVE);
        self.by_format(float, |op| op.f32x4_ge(), |op| op.f64x2_ge());
        self.code.op().v128_or();
    }

    /// Pushes (v128) which lanes are all that there is to a sum.
    pub(super) fn push_sum_lanes(&mut self, float: Float, r: u32) {
        self.push_clean_lanes(float, r);
        self.push_magnitudes(float, r);
        self.vector_constant(float, f32::INFINITY, f64::INFINITY);
        self.by_format(float, |op| op.f32x4_lt(), |op| op.f64x2_lt());
        self.code.op().v128_and();
    }

    /// Pushes (v128) which lanes are all that there is to a product or quotient.
    pub(super) fn push_product_lanes(&mut self, float: Float, r: u32, zeros: &[u32]) {
        self.push_unusual_lanes(float, r);
        self.code.op().v128_not();
        self.push_zero_lanes(float, r);
        for (i, zero) in zeros.iter().enumerate() {
            self.push_zero_lanes(float, *zero);
            if i != 0 {
                self.code.op().v128_or();
            }
        }
        self.code.op().v128_and().v128_or();
    }

    /// From lanes on the stack to whether all are ones, as lanes of 32 bits.
    pub(super) fn all_lanes(&mut self) {
        self.code.op().i32x4_all_true();
    }
}
