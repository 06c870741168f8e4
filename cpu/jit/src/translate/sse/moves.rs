//! Moves, and what goes between the kinds of registers.

use aero_cpu::{Access, layout};
use iced_x86::{Code as C, Instruction, OpKind};
use wasm_encoder::ValType;

use super::super::registers::gpr;
use super::super::xmm::Float;
use super::super::{Size, Translator};
use crate::code::{Hint, at};
use crate::region::Insn;

/// Bits of MXCSR that are zero.
const MXCSR_RESERVED: i32 = !0xffff;

impl Translator<'_> {
    pub(super) fn sse_move(&mut self, insn: &Insn) -> bool {
        let instr = &insn.instr;
        match instr.code() {
            C::Movaps_xmm_xmmm128
            | C::Movapd_xmm_xmmm128
            | C::Movdqa_xmm_xmmm128
            | C::Movntdqa_xmm_m128 => self.load_vector(instr, true),
            C::Movups_xmm_xmmm128
            | C::Movupd_xmm_xmmm128
            | C::Movdqu_xmm_xmmm128
            | C::Lddqu_xmm_m128 => self.load_vector(instr, false),
            C::Movaps_xmmm128_xmm
            | C::Movapd_xmmm128_xmm
            | C::Movdqa_xmmm128_xmm
            | C::Movntps_m128_xmm
            | C::Movntpd_m128_xmm
            | C::Movntdq_m128_xmm => self.store_vector(instr, true),
            C::Movups_xmmm128_xmm | C::Movupd_xmmm128_xmm | C::Movdqu_xmmm128_xmm => {
                self.store_vector(instr, false)
            }
            C::Movss_xmm_xmmm32 | C::Movss_xmmm32_xmm => self.move_scalar(instr, Float::Single),
            C::Movsd_xmm_xmmm64 | C::Movsd_xmmm64_xmm => self.move_scalar(instr, Float::Double),
            C::Movd_xmm_rm32 => self.load_integer(instr, Size::Dword),
            C::Movq_xmm_rm64 => self.load_integer(instr, Size::Qword),
            C::Movd_rm32_xmm => self.store_integer(instr, Size::Dword),
            C::Movq_rm64_xmm => self.store_integer(instr, Size::Qword),
            C::Movq_xmm_xmmm64 => self.load_quadword(instr),
            C::Movq_xmmm64_xmm => self.store_quadword(instr),
            C::Movlps_xmm_m64 | C::Movlpd_xmm_m64 => self.load_half(instr, 0),
            C::Movhps_xmm_m64 | C::Movhpd_xmm_m64 => self.load_half(instr, 1),
            C::Movlps_m64_xmm | C::Movlpd_m64_xmm => self.store_half(instr, 0),
            C::Movhps_m64_xmm | C::Movhpd_m64_xmm => self.store_half(instr, 1),
            C::Movmskps_r32_xmm | C::Movmskps_r64_xmm => {
                self.sign_mask(instr, |op| op.i32x4_bitmask())
            }
            C::Movmskpd_r32_xmm | C::Movmskpd_r64_xmm => {
                self.sign_mask(instr, |op| op.i64x2_bitmask())
            }
            C::Pmovmskb_r32_xmm | C::Pmovmskb_r64_xmm => {
                self.sign_mask(instr, |op| op.i8x16_bitmask())
            }
            C::Pinsrb_xmm_r32m8_imm8 | C::Pinsrb_xmm_r64m8_imm8 => self.insert_lane(instr, 1),
            C::Pinsrw_xmm_r32m16_imm8 | C::Pinsrw_xmm_r64m16_imm8 => self.insert_lane(instr, 2),
            C::Pinsrd_xmm_rm32_imm8 => self.insert_lane(instr, 4),
            C::Pinsrq_xmm_rm64_imm8 => self.insert_lane(instr, 8),
            C::Pextrb_r32m8_xmm_imm8 | C::Pextrb_r64m8_xmm_imm8 => self.extract_lane(instr, 1),
            C::Pextrw_r32m16_xmm_imm8
            | C::Pextrw_r64m16_xmm_imm8
            | C::Pextrw_r32_xmm_imm8
            | C::Pextrw_r64_xmm_imm8 => self.extract_lane(instr, 2),
            C::Pextrd_rm32_xmm_imm8 | C::Extractps_rm32_xmm_imm8 | C::Extractps_r64m32_xmm_imm8 => {
                self.extract_lane(instr, 4)
            }
            C::Pextrq_rm64_xmm_imm8 => self.extract_lane(instr, 8),
            C::Movnti_m32_r32 => self.store_register(instr, Size::Dword),
            C::Movnti_m64_r64 => self.store_register(instr, Size::Qword),
            C::Stmxcsr_m32 => self.store_mxcsr(instr),
            C::Ldmxcsr_m32 => self.load_mxcsr(instr),
            // Accesses happen in order here.
            C::Sfence | C::Lfence | C::Mfence => true,
            _ => false,
        }
    }

    fn load_vector(&mut self, instr: &Instruction, aligned: bool) -> bool {
        let Some(to) = self.xmm_operand(instr, 0) else { return false };
        if let Some(from) = self.xmm_operand(instr, 1) {
            self.copy_xmm(to, from);
            return true;
        }
        if aligned {
            self.push_aligned_place(instr, Access::Read);
        } else {
            self.push_place(instr, 16, Access::Read);
        }
        let ram = at(self.ram());
        self.code.op().v128_load(ram);
        self.set_xmm(to);
        true
    }

    fn store_vector(&mut self, instr: &Instruction, aligned: bool) -> bool {
        let Some(from) = self.xmm_operand(instr, 1) else { return false };
        if let Some(to) = self.xmm_operand(instr, 0) {
            self.copy_xmm(to, from);
            return true;
        }
        if aligned {
            self.push_aligned_place(instr, Access::Write);
        } else {
            self.push_place(instr, 16, Access::Write);
        }
        self.push_xmm(from);
        let ram = at(self.ram());
        self.code.op().v128_store(ram);
        true
    }

    /// From a place on the stack to the value there.
    pub(super) fn load_float(&mut self, float: Float) {
        let ram = at(self.ram());
        match float {
            Float::Single => self.code.op().f32_load(ram),
            Float::Double => self.code.op().f64_load(ram),
        };
    }

    fn move_scalar(&mut self, instr: &Instruction, float: Float) -> bool {
        match (self.xmm_operand(instr, 0), self.xmm_operand(instr, 1)) {
            (Some(to), Some(from)) => {
                let clean = self.xmm.clean[from].has(super::xmm::Clean::scalar(float));
                self.push_low(from, float);
                self.set_low(to, float);
                if clean {
                    self.xmm.clean[to] = super::xmm::Clean::scalar(float);
                }
            }
            (Some(to), None) => {
                self.push_place(instr, float.bytes(), Access::Read);
                self.load_float(float);
                self.set_low_alone(to, float);
            }
            (None, Some(from)) => {
                self.push_place(instr, float.bytes(), Access::Write);
                self.push_low(from, float);
                let ram = at(self.ram());
                match float {
                    Float::Single => self.code.op().f32_store(ram),
                    Float::Double => self.code.op().f64_store(ram),
                };
            }
            (None, None) => return false,
        }
        true
    }

    fn load_integer(&mut self, instr: &Instruction, size: Size) -> bool {
        let Some(to) = self.xmm_operand(instr, 0) else { return false };
        self.push_operand(instr, 1, size);
        match size {
            Size::Qword => {
                self.code.op().f64_reinterpret_i64();
                self.set_low_alone(to, Float::Double);
            }
            _ => {
                self.code.op().f32_reinterpret_i32();
                self.set_low_alone(to, Float::Single);
            }
        }
        true
    }

    /// Pushes a register's low bits as an integer.
    fn push_low_integer(&mut self, n: usize, size: Size) {
        match size {
            Size::Qword => {
                self.push_low(n, Float::Double);
                self.code.op().i64_reinterpret_f64();
            }
            _ => {
                self.push_low(n, Float::Single);
                self.code.op().i32_reinterpret_f32();
            }
        }
    }

    fn store_integer(&mut self, instr: &Instruction, size: Size) -> bool {
        let Some(from) = self.xmm_operand(instr, 1) else { return false };
        if instr.op0_kind() == OpKind::Memory {
            self.push_place(instr, size.bytes(), Access::Write);
            self.push_low_integer(from, size);
            self.store(size);
        } else {
            self.push_low_integer(from, size);
            self.set_register(instr.op0_register());
        }
        true
    }

    fn load_quadword(&mut self, instr: &Instruction) -> bool {
        let Some(to) = self.xmm_operand(instr, 0) else { return false };
        match self.xmm_operand(instr, 1) {
            Some(from) => self.push_low(from, Float::Double),
            None => {
                self.push_place(instr, 8, Access::Read);
                self.load_float(Float::Double);
            }
        }
        self.set_low_alone(to, Float::Double);
        true
    }

    fn store_quadword(&mut self, instr: &Instruction) -> bool {
        let Some(from) = self.xmm_operand(instr, 1) else { return false };
        match self.xmm_operand(instr, 0) {
            Some(to) => {
                self.push_low(from, Float::Double);
                self.set_low_alone(to, Float::Double);
            }
            None => {
                self.push_place(instr, 8, Access::Write);
                self.push_low_integer(from, Size::Qword);
                self.store(Size::Qword);
            }
        }
        true
    }

    fn load_half(&mut self, instr: &Instruction, half: u8) -> bool {
        let Some(to) = self.xmm_operand(instr, 0) else { return false };
        self.push_place(instr, 8, Access::Read);
        self.load_float(Float::Double);
        if half == 0 {
            self.set_low(to, Float::Double);
            return true;
        }
        let value = self.code.keep(ValType::F64);
        self.push_xmm(to);
        self.get(&value);
        self.code.op().f64x2_replace_lane(1);
        self.set_xmm(to);
        self.code.free(value);
        true
    }

    fn store_half(&mut self, instr: &Instruction, half: u8) -> bool {
        let Some(from) = self.xmm_operand(instr, 1) else { return false };
        self.push_place(instr, 8, Access::Write);
        if half == 0 {
            self.push_low_integer(from, Size::Qword);
        } else {
            self.push_xmm(from);
            self.code.op().i64x2_extract_lane(1);
        }
        self.store(Size::Qword);
        true
    }

    fn sign_mask(&mut self, instr: &Instruction, emit: super::Emit) -> bool {
        let (Some((to, ..)), Some(from)) = (gpr(instr.op0_register()), self.xmm_operand(instr, 1))
        else {
            return false;
        };
        self.push_xmm(from);
        emit(&mut self.code.op());
        self.set_reg(to, Size::Dword);
        true
    }

    fn insert_lane(&mut self, instr: &Instruction, bytes: u32) -> bool {
        let Some(to) = self.xmm_operand(instr, 0) else { return false };
        let size = Size::of_bytes(bytes as usize).expect("a lane of an integer's size");
        if instr.op1_kind() == OpKind::Memory {
            self.push_place(instr, bytes, Access::Read);
            self.load(size);
        } else {
            let Some((from, ..)) = gpr(instr.op1_register()) else { return false };
            self.push_reg(from, size);
        }
        let value = self.keep(size);
        self.push_xmm(to);
        self.get(&value);
        let lane = instr.immediate8() & (16 / bytes as u8 - 1);
        match size {
            Size::Byte => self.code.op().i8x16_replace_lane(lane),
            Size::Word => self.code.op().i16x8_replace_lane(lane),
            Size::Dword => self.code.op().i32x4_replace_lane(lane),
            Size::Qword => self.code.op().i64x2_replace_lane(lane),
        };
        self.set_xmm(to);
        self.code.free(value);
        true
    }

    fn extract_lane(&mut self, instr: &Instruction, bytes: u32) -> bool {
        let Some(from) = self.xmm_operand(instr, 1) else { return false };
        let size = Size::of_bytes(bytes as usize).expect("a lane of an integer's size");
        let in_memory = instr.op0_kind() == OpKind::Memory;
        if in_memory {
            self.push_place(instr, bytes, Access::Write);
        }
        self.push_xmm(from);
        let lane = instr.immediate8() & (16 / bytes as u8 - 1);
        match size {
            Size::Byte => self.code.op().i8x16_extract_lane_u(lane),
            Size::Word => self.code.op().i16x8_extract_lane_u(lane),
            Size::Dword => self.code.op().i32x4_extract_lane(lane),
            Size::Qword => self.code.op().i64x2_extract_lane(lane),
        };
        if in_memory {
            self.store(size);
            return true;
        }
        let Some((to, ..)) = gpr(instr.op0_register()) else { return false };
        self.set_reg(to, if size.is_wide() { size } else { Size::Dword });
        true
    }

    /// MOVNTI.
    fn store_register(&mut self, instr: &Instruction, size: Size) -> bool {
        self.push_place(instr, size.bytes(), Access::Write);
        self.push_register(instr.op1_register());
        self.store(size);
        true
    }

    /// Where MXCSR is.
    pub(super) fn mxcsr(&self) -> wasm_encoder::MemArg {
        at(self.addresses.cpu + layout::MXCSR as u32)
    }

    fn store_mxcsr(&mut self, instr: &Instruction) -> bool {
        let mxcsr = self.mxcsr();
        self.push_place(instr, 4, Access::Write);
        self.code.op().i32_const(0).i32_load(mxcsr);
        self.store(Size::Dword);
        true
    }

    fn load_mxcsr(&mut self, instr: &Instruction) -> bool {
        let mxcsr = self.mxcsr();
        self.push_operand(instr, 0, Size::Dword);
        let value = self.code.keep(ValType::I32);
        self.get(&value);
        self.code.op().i32_const(MXCSR_RESERVED).i32_and();
        self.if_(Hint::Unlikely);
        self.leave_here();
        self.code.end();
        self.code.op().i32_const(0).local_get(value.index).i32_store(mxcsr);
        self.code.free(value);
        self.xmm.enter_block();
        true
    }
}
