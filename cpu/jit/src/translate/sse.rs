//! SSE to SSE4.2.
//!
//! What needs no look at MXCSR is v128 instructions one for one, or a few. Floating point is the host's
//! where that is known to give the same: see [`float`].

mod check;
mod convert;
mod float;
mod integer;
mod moves;
mod packed;
mod shuffle;

use aero_cpu::Access;
use iced_x86::{Instruction, OpKind};
use wasm_encoder::{InstructionSink, ValType};

use super::{FlagsKind, Size, Translator, xmm};
use crate::code::at;
use crate::region::Insn;

/// Emits an instruction.
type Emit = for<'a, 'b> fn(&'a mut InstructionSink<'b>) -> &'a mut InstructionSink<'b>;

pub(super) fn translate(t: &mut Translator<'_>, insn: &Insn) -> bool {
    t.region.mode.has_sse()
        && (t.sse_move(insn)
            || t.sse_float(insn)
            || t.sse_integer(insn)
            || t.sse_shuffle(insn)
            || t.sse_convert(insn)
            || t.sse_packed(insn))
}

impl Translator<'_> {
    /// Number of the XMM register that is the operand.
    fn xmm_operand(&self, instr: &Instruction, operand: u32) -> Option<usize> {
        if instr.op_kind(operand) != OpKind::Register {
            return None;
        }
        xmm::number(instr.op_register(operand))
    }

    /// Pushes an operand of 16 bytes: a register, or memory that has to be aligned.
    fn push_vector(&mut self, instr: &Instruction, operand: u32) {
        match self.xmm_operand(instr, operand) {
            Some(n) => self.push_xmm(n),
            None => {
                self.push_aligned_place(instr, Access::Read);
                let ram = at(self.ram());
                self.code.op().v128_load(ram);
            }
        }
    }

    /// Pushes the low bytes of a register, or as many of memory, with what is above them being
    /// anything or zero.
    fn push_low_bytes(&mut self, instr: &Instruction, operand: u32, bytes: u32) {
        if let Some(n) = self.xmm_operand(instr, operand) {
            return self.push_xmm(n);
        }
        self.push_place(instr, bytes, Access::Read);
        let ram = at(self.ram());
        match bytes {
            8 => self.code.op().v128_load64_zero(ram),
            4 => self.code.op().v128_load32_zero(ram),
            _ => self.code.op().i32_load16_u(ram).i32x4_splat(),
        };
    }

    /// Takes a v128 from the stack.
    fn keep_vector(&mut self) -> crate::code::Temp {
        self.code.keep(ValType::V128)
    }

    /// Sets the flags as COMISD and PTEST do: ZF and CF from values that are 0 or 1, the others clear.
    fn set_zero_and_carry(&mut self, zero: &crate::code::Temp, carry: &crate::code::Temp) {
        // x is zero if ZF; bits 15:8 of y have an odd number of bits then, which keeps PF clear. CF is
        // bit 63 of y, and OF whether bit 62 differs.
        let x = self.code.temp(ValType::I64);
        let y = self.code.temp(ValType::I64);
        self.get(zero);
        self.code.op().i32_eqz().i64_extend_i32_u().local_set(x.index);
        self.code.op().i64_const(3 << 62).i64_const(0);
        self.get(carry);
        self.code.op().select();
        self.code.op().i64_const(1 << 8).i64_const(0);
        self.get(zero);
        self.code.op().select().i64_or().local_set(y.index);
        self.record(FlagsKind::Explicit, Size::Qword, &x, Some(&y));
        self.code.free(x);
        self.code.free(y);
    }
}
