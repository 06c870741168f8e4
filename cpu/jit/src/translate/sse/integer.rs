//! Packed integers and bitwise operations.

use iced_x86::{Code as C, Instruction};
use wasm_encoder::ValType;

use super::super::{Size, Translator};
use super::Emit;
use crate::code::at;
use crate::region::Insn;

/// Lanes of a shift.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lanes {
    Words,
    Doublewords,
    Quadwords,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shift {
    Left,
    Right,
    Arithmetic,
}

/// Operations that are one instruction, on the operands in their order.
fn single(code: C) -> Option<Emit> {
    macro_rules! table {
        ($($($code:ident)|+ => $emit:ident,)*) => {
            match code {
                $($(C::$code)|+ => |op| op.$emit(),)*
                _ => return None,
            }
        };
    }
    let emit: Emit = table! {
        Paddb_xmm_xmmm128 => i8x16_add,
        Paddw_xmm_xmmm128 => i16x8_add,
        Paddd_xmm_xmmm128 => i32x4_add,
        Paddq_xmm_xmmm128 => i64x2_add,
        Paddsb_xmm_xmmm128 => i8x16_add_sat_s,
        Paddsw_xmm_xmmm128 => i16x8_add_sat_s,
        Paddusb_xmm_xmmm128 => i8x16_add_sat_u,
        Paddusw_xmm_xmmm128 => i16x8_add_sat_u,
        Psubb_xmm_xmmm128 => i8x16_sub,
        Psubw_xmm_xmmm128 => i16x8_sub,
        Psubd_xmm_xmmm128 => i32x4_sub,
        Psubq_xmm_xmmm128 => i64x2_sub,
        Psubsb_xmm_xmmm128 => i8x16_sub_sat_s,
        Psubsw_xmm_xmmm128 => i16x8_sub_sat_s,
        Psubusb_xmm_xmmm128 => i8x16_sub_sat_u,
        Psubusw_xmm_xmmm128 => i16x8_sub_sat_u,
        Pavgb_xmm_xmmm128 => i8x16_avgr_u,
        Pavgw_xmm_xmmm128 => i16x8_avgr_u,
        Pminub_xmm_xmmm128 => i8x16_min_u,
        Pminuw_xmm_xmmm128 => i16x8_min_u,
        Pminud_xmm_xmmm128 => i32x4_min_u,
        Pminsb_xmm_xmmm128 => i8x16_min_s,
        Pminsw_xmm_xmmm128 => i16x8_min_s,
        Pminsd_xmm_xmmm128 => i32x4_min_s,
        Pmaxub_xmm_xmmm128 => i8x16_max_u,
        Pmaxuw_xmm_xmmm128 => i16x8_max_u,
        Pmaxud_xmm_xmmm128 => i32x4_max_u,
        Pmaxsb_xmm_xmmm128 => i8x16_max_s,
        Pmaxsw_xmm_xmmm128 => i16x8_max_s,
        Pmaxsd_xmm_xmmm128 => i32x4_max_s,
        Pmullw_xmm_xmmm128 => i16x8_mul,
        Pmulld_xmm_xmmm128 => i32x4_mul,
        Pmaddwd_xmm_xmmm128 => i32x4_dot_i16x8_s,
        Pand_xmm_xmmm128 | Andps_xmm_xmmm128 | Andpd_xmm_xmmm128 => v128_and,
        Por_xmm_xmmm128 | Orps_xmm_xmmm128 | Orpd_xmm_xmmm128 => v128_or,
        Pxor_xmm_xmmm128 | Xorps_xmm_xmmm128 | Xorpd_xmm_xmmm128 => v128_xor,
        Pcmpeqb_xmm_xmmm128 => i8x16_eq,
        Pcmpeqw_xmm_xmmm128 => i16x8_eq,
        Pcmpeqd_xmm_xmmm128 => i32x4_eq,
        Pcmpeqq_xmm_xmmm128 => i64x2_eq,
        Pcmpgtb_xmm_xmmm128 => i8x16_gt_s,
        Pcmpgtw_xmm_xmmm128 => i16x8_gt_s,
        Pcmpgtd_xmm_xmmm128 => i32x4_gt_s,
        Pcmpgtq_xmm_xmmm128 => i64x2_gt_s,
        Packsswb_xmm_xmmm128 => i8x16_narrow_i16x8_s,
        Packuswb_xmm_xmmm128 => i8x16_narrow_i16x8_u,
        Packssdw_xmm_xmmm128 => i16x8_narrow_i32x4_s,
        Packusdw_xmm_xmmm128 => i16x8_narrow_i32x4_u,
    };
    Some(emit)
}

/// Operations that only the second operand goes into.
fn unary(code: C) -> Option<Emit> {
    let emit: Emit = match code {
        C::Pabsb_xmm_xmmm128 => |op| op.i8x16_abs(),
        C::Pabsw_xmm_xmmm128 => |op| op.i16x8_abs(),
        C::Pabsd_xmm_xmmm128 => |op| op.i32x4_abs(),
        _ => return None,
    };
    Some(emit)
}

/// The bytes of lanes of `bytes` each, every other one from `first` on, of two registers.
pub(super) fn alternate(bytes: usize, first: usize) -> [u8; 16] {
    std::array::from_fn(|i| ((2 * (i / bytes) + first) * bytes + i % bytes) as u8)
}

impl Translator<'_> {
    pub(super) fn sse_integer(&mut self, insn: &Insn) -> bool {
        let instr = &insn.instr;
        let Some(to) = self.xmm_operand(instr, 0) else { return false };
        let code = instr.code();
        if matches!(code, C::Pxor_xmm_xmmm128 | C::Xorps_xmm_xmmm128 | C::Xorpd_xmm_xmmm128)
            && self.xmm_operand(instr, 1) == Some(to)
        {
            self.clear_xmm(to);
            return true;
        }
        if let Some(emit) = single(code) {
            self.push_xmm(to);
            self.push_vector(instr, 1);
            emit(&mut self.code.op());
            self.set_xmm(to);
            return true;
        }
        if let Some(emit) = unary(code) {
            self.push_vector(instr, 1);
            emit(&mut self.code.op());
            self.set_xmm(to);
            return true;
        }
        use Lanes::*;
        use Shift::*;
        match code {
            C::Pandn_xmm_xmmm128 | C::Andnps_xmm_xmmm128 | C::Andnpd_xmm_xmmm128 => {
                self.push_vector(instr, 1);
                self.push_xmm(to);
                self.code.op().v128_andnot();
                self.set_xmm(to);
                true
            }
            C::Psllw_xmm_imm8 => self.shift_by_constant(instr, Words, Left),
            C::Pslld_xmm_imm8 => self.shift_by_constant(instr, Doublewords, Left),
            C::Psllq_xmm_imm8 => self.shift_by_constant(instr, Quadwords, Left),
            C::Psrlw_xmm_imm8 => self.shift_by_constant(instr, Words, Right),
            C::Psrld_xmm_imm8 => self.shift_by_constant(instr, Doublewords, Right),
            C::Psrlq_xmm_imm8 => self.shift_by_constant(instr, Quadwords, Right),
            C::Psraw_xmm_imm8 => self.shift_by_constant(instr, Words, Arithmetic),
            C::Psrad_xmm_imm8 => self.shift_by_constant(instr, Doublewords, Arithmetic),
            C::Psllw_xmm_xmmm128 => self.shift_by_register(instr, Words, Left),
            C::Pslld_xmm_xmmm128 => self.shift_by_register(instr, Doublewords, Left),
            C::Psllq_xmm_xmmm128 => self.shift_by_register(instr, Quadwords, Left),
            C::Psrlw_xmm_xmmm128 => self.shift_by_register(instr, Words, Right),
            C::Psrld_xmm_xmmm128 => self.shift_by_register(instr, Doublewords, Right),
            C::Psrlq_xmm_xmmm128 => self.shift_by_register(instr, Quadwords, Right),
            C::Psraw_xmm_xmmm128 => self.shift_by_register(instr, Words, Arithmetic),
            C::Psrad_xmm_xmmm128 => self.shift_by_register(instr, Doublewords, Arithmetic),
            C::Ptest_xmm_xmmm128 => self.ptest(instr, to),
            C::Pmovsxbw_xmm_xmmm64 => {
                self.widen_lanes(instr, 8, &[|op| op.i16x8_extend_low_i8x16_s()])
            }
            C::Pmovsxwd_xmm_xmmm64 => {
                self.widen_lanes(instr, 8, &[|op| op.i32x4_extend_low_i16x8_s()])
            }
            C::Pmovsxdq_xmm_xmmm64 => {
                self.widen_lanes(instr, 8, &[|op| op.i64x2_extend_low_i32x4_s()])
            }
            C::Pmovzxbw_xmm_xmmm64 => {
                self.widen_lanes(instr, 8, &[|op| op.i16x8_extend_low_i8x16_u()])
            }
            C::Pmovzxwd_xmm_xmmm64 => {
                self.widen_lanes(instr, 8, &[|op| op.i32x4_extend_low_i16x8_u()])
            }
            C::Pmovzxdq_xmm_xmmm64 => {
                self.widen_lanes(instr, 8, &[|op| op.i64x2_extend_low_i32x4_u()])
            }
            C::Pmovsxbd_xmm_xmmm32 => self.widen_lanes(
                instr,
                4,
                &[|op| op.i16x8_extend_low_i8x16_s(), |op| op.i32x4_extend_low_i16x8_s()],
            ),
            C::Pmovzxbd_xmm_xmmm32 => self.widen_lanes(
                instr,
                4,
                &[|op| op.i16x8_extend_low_i8x16_u(), |op| op.i32x4_extend_low_i16x8_u()],
            ),
            C::Pmovsxwq_xmm_xmmm32 => self.widen_lanes(
                instr,
                4,
                &[|op| op.i32x4_extend_low_i16x8_s(), |op| op.i64x2_extend_low_i32x4_s()],
            ),
            C::Pmovzxwq_xmm_xmmm32 => self.widen_lanes(
                instr,
                4,
                &[|op| op.i32x4_extend_low_i16x8_u(), |op| op.i64x2_extend_low_i32x4_u()],
            ),
            C::Pmovsxbq_xmm_xmmm16 => self.widen_lanes(
                instr,
                2,
                &[
                    |op| op.i16x8_extend_low_i8x16_s(),
                    |op| op.i32x4_extend_low_i16x8_s(),
                    |op| op.i64x2_extend_low_i32x4_s(),
                ],
            ),
            C::Pmovzxbq_xmm_xmmm16 => self.widen_lanes(
                instr,
                2,
                &[
                    |op| op.i16x8_extend_low_i8x16_u(),
                    |op| op.i32x4_extend_low_i16x8_u(),
                    |op| op.i64x2_extend_low_i32x4_u(),
                ],
            ),
            _ => self.composed(instr, to),
        }
    }

    fn widen_lanes(&mut self, instr: &Instruction, bytes: u32, steps: &[Emit]) -> bool {
        let Some(to) = self.xmm_operand(instr, 0) else { return false };
        self.push_low_bytes(instr, 1, bytes);
        for step in steps {
            step(&mut self.code.op());
        }
        self.set_xmm(to);
        true
    }

    /// What takes a few instructions.
    fn composed(&mut self, instr: &Instruction, to: usize) -> bool {
        type Compose = fn(&mut Translator<'_>, u32, u32);
        let compose: Compose = match instr.code() {
            C::Pmulhw_xmm_xmmm128 => |t, a, b| {
                t.products(
                    a,
                    b,
                    |op| op.i32x4_extmul_low_i16x8_s(),
                    |op| op.i32x4_extmul_high_i16x8_s(),
                );
            },
            C::Pmulhuw_xmm_xmmm128 => |t, a, b| {
                t.products(
                    a,
                    b,
                    |op| op.i32x4_extmul_low_i16x8_u(),
                    |op| op.i32x4_extmul_high_i16x8_u(),
                );
            },
            C::Pmulhrsw_xmm_xmmm128 => |t, a, b| {
                // The product of two -1 wraps here, and saturates there.
                const LOWEST: i128 = 0x8000_8000_8000_8000_8000_8000_8000_8000_u128 as i128;
                t.code.op().local_get(a).local_get(b).i16x8_q15mulr_sat_s();
                t.code.op().local_get(a).v128_const(LOWEST).i16x8_eq();
                t.code.op().local_get(b).v128_const(LOWEST).i16x8_eq().v128_and().v128_xor();
            },
            C::Pmuludq_xmm_xmmm128 => |t, a, b| {
                t.even_doublewords(a, b);
                t.code.op().i64x2_extmul_low_i32x4_u();
            },
            C::Pmuldq_xmm_xmmm128 => |t, a, b| {
                t.even_doublewords(a, b);
                t.code.op().i64x2_extmul_low_i32x4_s();
            },
            C::Pmaddubsw_xmm_xmmm128 => |t, a, b| {
                const LOW: i128 = 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
                t.code.op().local_get(a).v128_const(LOW).v128_and();
                t.code.op().local_get(b).i32_const(8).i16x8_shl().i32_const(8).i16x8_shr_s();
                t.code.op().i16x8_mul();
                t.code.op().local_get(a).i32_const(8).i16x8_shr_u();
                t.code.op().local_get(b).i32_const(8).i16x8_shr_s();
                t.code.op().i16x8_mul().i16x8_add_sat_s();
            },
            C::Psadbw_xmm_xmmm128 => |t, a, b| {
                const LOW: i128 = 0xffff_ffff_0000_0000_ffff_ffff;
                t.code.op().local_get(a).local_get(b).i8x16_max_u();
                t.code.op().local_get(a).local_get(b).i8x16_min_u().i8x16_sub();
                t.code.op().i16x8_extadd_pairwise_i8x16_u().i32x4_extadd_pairwise_i16x8_u();
                let sums = t.keep_vector();
                t.get(&sums);
                t.code.op().i32_const(32).i64x2_shr_u();
                t.get(&sums);
                t.code.op().v128_const(LOW).v128_and().i64x2_add();
                t.code.free(sums);
            },
            C::Psignb_xmm_xmmm128 => |t, a, b| {
                t.sign(a, b, [|op| op.i8x16_lt_s(), |op| op.i8x16_sub(), |op| op.i8x16_eq()]);
            },
            C::Psignw_xmm_xmmm128 => |t, a, b| {
                t.sign(a, b, [|op| op.i16x8_lt_s(), |op| op.i16x8_sub(), |op| op.i16x8_eq()]);
            },
            C::Psignd_xmm_xmmm128 => |t, a, b| {
                t.sign(a, b, [|op| op.i32x4_lt_s(), |op| op.i32x4_sub(), |op| op.i32x4_eq()]);
            },
            C::Phaddw_xmm_xmmm128 => |t, a, b| t.horizontal(a, b, 2, |op| op.i16x8_add()),
            C::Phaddd_xmm_xmmm128 => |t, a, b| t.horizontal(a, b, 4, |op| op.i32x4_add()),
            C::Phaddsw_xmm_xmmm128 => |t, a, b| t.horizontal(a, b, 2, |op| op.i16x8_add_sat_s()),
            C::Phsubw_xmm_xmmm128 => |t, a, b| t.horizontal(a, b, 2, |op| op.i16x8_sub()),
            C::Phsubd_xmm_xmmm128 => |t, a, b| t.horizontal(a, b, 4, |op| op.i32x4_sub()),
            C::Phsubsw_xmm_xmmm128 => |t, a, b| t.horizontal(a, b, 2, |op| op.i16x8_sub_sat_s()),
            _ => return false,
        };
        self.push_vector(instr, 1);
        let b = self.keep_vector();
        self.push_xmm(to);
        let a = self.keep_vector();
        compose(self, a.index, b.index);
        self.set_xmm(to);
        self.code.free(a);
        self.code.free(b);
        true
    }

    /// Pushes the upper halves of products of words.
    fn products(&mut self, a: u32, b: u32, low: Emit, high: Emit) {
        self.code.op().local_get(a).local_get(b);
        low(&mut self.code.op());
        self.code.op().local_get(a).local_get(b);
        high(&mut self.code.op());
        self.code.op().i8x16_shuffle(alternate(2, 1));
    }

    /// Pushes both registers with their doublewords 0 and 2 in the low half.
    fn even_doublewords(&mut self, a: u32, b: u32) {
        let lanes = alternate(4, 0).map(|lane| lane & 15);
        self.code.op().local_get(a).local_get(a).i8x16_shuffle(lanes);
        self.code.op().local_get(b).local_get(b).i8x16_shuffle(lanes);
    }

    /// PSIGNx, of comparison, difference and equality.
    fn sign(&mut self, a: u32, b: u32, [less, difference, equal]: [Emit; 3]) {
        self.code.op().local_get(b).v128_const(0);
        less(&mut self.code.op());
        let negative = self.keep_vector();
        self.code.op().local_get(a);
        self.get(&negative);
        self.code.op().v128_xor();
        self.get(&negative);
        difference(&mut self.code.op());
        self.code.op().local_get(b).v128_const(0);
        equal(&mut self.code.op());
        self.code.op().v128_andnot();
        self.code.free(negative);
    }

    fn horizontal(&mut self, a: u32, b: u32, bytes: usize, emit: Emit) {
        self.code.op().local_get(a).local_get(b).i8x16_shuffle(alternate(bytes, 0));
        self.code.op().local_get(a).local_get(b).i8x16_shuffle(alternate(bytes, 1));
        emit(&mut self.code.op());
    }

    fn emit_shift(&mut self, lanes: Lanes, shift: Shift) {
        use Lanes::*;
        use Shift::*;
        let mut op = self.code.op();
        match (lanes, shift) {
            (Words, Left) => op.i16x8_shl(),
            (Words, Right) => op.i16x8_shr_u(),
            (Words, Arithmetic) => op.i16x8_shr_s(),
            (Doublewords, Left) => op.i32x4_shl(),
            (Doublewords, Right) => op.i32x4_shr_u(),
            (Doublewords, Arithmetic) => op.i32x4_shr_s(),
            (Quadwords, Left) => op.i64x2_shl(),
            (Quadwords, Right) => op.i64x2_shr_u(),
            (Quadwords, Arithmetic) => op.i64x2_shr_s(),
        };
    }

    fn shift_by_constant(&mut self, instr: &Instruction, lanes: Lanes, shift: Shift) -> bool {
        let Some(to) = self.xmm_operand(instr, 0) else { return false };
        let mut count = i32::from(instr.immediate8());
        if count >= lanes.bits() {
            if shift != Shift::Arithmetic {
                self.clear_xmm(to);
                return true;
            }
            count = lanes.bits() - 1;
        }
        self.push_xmm(to);
        self.code.op().i32_const(count);
        self.emit_shift(lanes, shift);
        self.set_xmm(to);
        true
    }

    /// By the low 64 bits of the operand.
    fn shift_by_register(&mut self, instr: &Instruction, lanes: Lanes, shift: Shift) -> bool {
        let Some(to) = self.xmm_operand(instr, 0) else { return false };
        let limit = i64::from(lanes.bits());
        match self.xmm_operand(instr, 1) {
            Some(n) => {
                self.push_low(n, super::super::xmm::Float::Double);
                self.code.op().i64_reinterpret_f64();
            }
            None => {
                self.push_aligned_place(instr, aero_cpu::Access::Read);
                let ram = at(self.ram());
                self.code.op().i64_load(ram);
            }
        }
        let count = self.keep(Size::Qword);
        if shift == Shift::Arithmetic {
            self.get(&count);
            self.code.op().i64_const(limit - 1);
            self.get(&count);
            self.code.op().i64_const(limit).i64_lt_u().select().local_set(count.index);
        }
        self.push_xmm(to);
        self.get(&count);
        self.code.op().i32_wrap_i64();
        self.emit_shift(lanes, shift);
        if shift != Shift::Arithmetic {
            self.code.op().v128_const(0);
            self.get(&count);
            self.code.op().i64_const(limit).i64_lt_u().typed_select(ValType::V128);
        }
        self.set_xmm(to);
        self.code.free(count);
        true
    }

    fn ptest(&mut self, instr: &Instruction, to: usize) -> bool {
        self.push_vector(instr, 1);
        let b = self.keep_vector();
        self.push_xmm(to);
        let a = self.keep_vector();
        self.get(&a);
        self.get(&b);
        self.code.op().v128_and().v128_any_true().i32_eqz();
        let zero = self.keep(Size::Dword);
        self.get(&b);
        self.get(&a);
        self.code.op().v128_andnot().v128_any_true().i32_eqz();
        let carry = self.keep(Size::Dword);
        self.set_zero_and_carry(&zero, &carry);
        for temp in [a, b, zero, carry] {
            self.code.free(temp);
        }
        true
    }
}

impl Lanes {
    fn bits(self) -> i32 {
        match self {
            Self::Words => 16,
            Self::Doublewords => 32,
            Self::Quadwords => 64,
        }
    }
}
