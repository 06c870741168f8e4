//! Shuffles, unpacks, blends and inserts.

use aero_cpu::Access;
use iced_x86::{Code as C, Instruction, OpKind};

use super::super::xmm::Float;
use super::super::{Size, Translator};
use crate::code::at;
use crate::region::Insn;

/// Bytes of the result: below 16 those of the first operand, from there on those of the second.
type Lanes = [u8; 16];

/// Where each byte comes from, if `lane` says so for each lane of `bytes`: lanes of the second operand
/// are numbered after those of the first.
fn lanes(bytes: usize, lane: impl Fn(usize) -> usize) -> Lanes {
    std::array::from_fn(|i| (lane(i / bytes) * bytes + i % bytes) as u8)
}

/// Lanes of both in turn, from the low or the high half.
fn unpack(bytes: usize, half: usize) -> Lanes {
    let count = 16 / bytes;
    lanes(bytes, |i| half * count / 2 + i / 2 + i % 2 * count)
}

fn blend(bytes: usize, mask: u8) -> Lanes {
    lanes(bytes, |i| i + usize::from(mask >> i & 1) * 16 / bytes)
}

/// Two bits of an order of four.
fn pick(order: u8, i: usize) -> usize {
    usize::from(order >> (2 * i) & 3)
}

/// A fixed shuffle of both operands.
fn both(instr: &Instruction) -> Option<Lanes> {
    let order = || instr.immediate8();
    Some(match instr.code() {
        C::Punpcklbw_xmm_xmmm128 => unpack(1, 0),
        C::Punpcklwd_xmm_xmmm128 => unpack(2, 0),
        C::Punpckldq_xmm_xmmm128 | C::Unpcklps_xmm_xmmm128 => unpack(4, 0),
        C::Punpcklqdq_xmm_xmmm128 | C::Unpcklpd_xmm_xmmm128 => unpack(8, 0),
        C::Punpckhbw_xmm_xmmm128 => unpack(1, 1),
        C::Punpckhwd_xmm_xmmm128 => unpack(2, 1),
        C::Punpckhdq_xmm_xmmm128 | C::Unpckhps_xmm_xmmm128 => unpack(4, 1),
        C::Punpckhqdq_xmm_xmmm128 | C::Unpckhpd_xmm_xmmm128 => unpack(8, 1),
        C::Shufps_xmm_xmmm128_imm8 => {
            lanes(4, |i| if i < 2 { pick(order(), i) } else { 4 + pick(order(), i) })
        }
        C::Shufpd_xmm_xmmm128_imm8 => lanes(8, |i| 2 * i + usize::from(order() >> i & 1)),
        C::Blendps_xmm_xmmm128_imm8 => blend(4, order()),
        C::Blendpd_xmm_xmmm128_imm8 => blend(8, order()),
        C::Pblendw_xmm_xmmm128_imm8 => blend(2, order()),
        C::Movlhps_xmm_xmm => lanes(8, |i| 2 * i),
        C::Movhlps_xmm_xmm => lanes(8, |i| 3 - 2 * i),
        _ => return None,
    })
}

/// A fixed shuffle of the second operand.
fn one(instr: &Instruction) -> Option<Lanes> {
    let order = || instr.immediate8();
    Some(match instr.code() {
        C::Pshufd_xmm_xmmm128_imm8 => lanes(4, |i| pick(order(), i)),
        C::Pshuflw_xmm_xmmm128_imm8 => lanes(2, |i| if i < 4 { pick(order(), i) } else { i }),
        C::Pshufhw_xmm_xmmm128_imm8 => {
            lanes(2, |i| if i < 4 { i } else { 4 + pick(order(), i - 4) })
        }
        C::Movsldup_xmm_xmmm128 => lanes(4, |i| i & !1),
        C::Movshdup_xmm_xmmm128 => lanes(4, |i| i | 1),
        _ => return None,
    })
}

impl Translator<'_> {
    pub(super) fn sse_shuffle(&mut self, insn: &Insn) -> bool {
        let instr = &insn.instr;
        let Some(to) = self.xmm_operand(instr, 0) else { return false };
        if let Some(lanes) = both(instr) {
            self.push_vector(instr, 1);
            let b = self.keep_vector();
            self.push_xmm(to);
            self.get(&b);
            self.code.op().i8x16_shuffle(lanes);
            self.set_xmm(to);
            self.code.free(b);
            return true;
        }
        if let Some(lanes) = one(instr) {
            self.push_vector(instr, 1);
            let b = self.keep_vector();
            self.get(&b);
            self.get(&b);
            self.code.op().i8x16_shuffle(lanes);
            self.set_xmm(to);
            self.code.free(b);
            return true;
        }
        match instr.code() {
            C::Palignr_xmm_xmmm128_imm8 => self.palignr(instr, to),
            C::Pslldq_xmm_imm8 => {
                let count = usize::from(instr.immediate8().min(16));
                self.code.op().v128_const(0);
                self.push_xmm(to);
                self.code.op().i8x16_shuffle(lanes(1, |i| 16 + i - count));
                self.set_xmm(to);
                true
            }
            C::Psrldq_xmm_imm8 => {
                let count = usize::from(instr.immediate8().min(16));
                self.push_xmm(to);
                self.code.op().v128_const(0).i8x16_shuffle(lanes(1, |i| i + count));
                self.set_xmm(to);
                true
            }
            C::Pshufb_xmm_xmmm128 => {
                const INDEX: i128 = 0x8f8f_8f8f_8f8f_8f8f_8f8f_8f8f_8f8f_8f8f_u128 as i128;
                self.push_vector(instr, 1);
                let b = self.keep_vector();
                self.push_xmm(to);
                self.get(&b);
                self.code.op().v128_const(INDEX).v128_and().i8x16_swizzle();
                self.set_xmm(to);
                self.code.free(b);
                true
            }
            C::Movddup_xmm_xmmm64 => {
                match self.xmm_operand(instr, 1) {
                    Some(from) => self.push_low(from, Float::Double),
                    None => {
                        self.push_place(instr, 8, Access::Read);
                        self.load_float(Float::Double);
                    }
                }
                self.code.op().f64x2_splat();
                self.set_xmm(to);
                true
            }
            C::Insertps_xmm_xmmm32_imm8 => self.insertps(instr, to),
            C::Pblendvb_xmm_xmmm128 => {
                self.blend_by_sign(instr, to, |op| op.i32_const(7).i8x16_shr_s())
            }
            C::Blendvps_xmm_xmmm128 => {
                self.blend_by_sign(instr, to, |op| op.i32_const(31).i32x4_shr_s())
            }
            C::Blendvpd_xmm_xmmm128 => {
                self.blend_by_sign(instr, to, |op| op.i32_const(63).i64x2_shr_s())
            }
            _ => false,
        }
    }

    fn palignr(&mut self, instr: &Instruction, to: usize) -> bool {
        let count = usize::from(instr.immediate8());
        self.push_vector(instr, 1);
        let b = self.keep_vector();
        match count {
            0..=16 => {
                self.get(&b);
                self.push_xmm(to);
                self.code.op().i8x16_shuffle(lanes(1, |i| i + count));
            }
            _ => {
                let count = count.min(32) - 16;
                self.push_xmm(to);
                self.code.op().v128_const(0).i8x16_shuffle(lanes(1, |i| i + count));
            }
        }
        self.set_xmm(to);
        self.code.free(b);
        true
    }

    fn insertps(&mut self, instr: &Instruction, to: usize) -> bool {
        let control = instr.immediate8();
        if instr.op1_kind() == OpKind::Memory {
            self.push_place(instr, 4, Access::Read);
            let ram = at(self.ram());
            self.code.op().i32_load(ram);
        } else {
            let Some(from) = self.xmm_operand(instr, 1) else { return false };
            self.push_xmm(from);
            self.code.op().i32x4_extract_lane(control >> 6);
        }
        let value = self.keep(Size::Dword);
        self.push_xmm(to);
        self.get(&value);
        self.code.op().i32x4_replace_lane(control >> 4 & 3);
        if control & 15 != 0 {
            self.code.op().v128_const(0).i8x16_shuffle(blend(4, control & 15));
        }
        self.set_xmm(to);
        self.code.free(value);
        true
    }

    /// By the signs in XMM0.
    fn blend_by_sign(&mut self, instr: &Instruction, to: usize, spread: super::Emit) -> bool {
        self.push_vector(instr, 1);
        self.push_xmm(to);
        self.push_xmm(0);
        spread(&mut self.code.op());
        self.code.op().v128_bitselect();
        self.set_xmm(to);
        true
    }
}
