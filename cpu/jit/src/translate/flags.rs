//! The arithmetic flags in generated code.
//!
//! Nearly all flags are overwritten before anyone asks for them. So an instruction leaves what they can
//! be had from, two values in locals that are there anyway, and which kind of operation it was; the
//! kind is mostly known while translating. Where control flow joins, a third local says it.

use wasm_encoder::ValType;

use super::Translator;
use crate::code::Hint;

/// Operand size of an integer operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Size {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Word,
    /// 32 bits.
    Dword,
    /// 64 bits.
    Qword,
}

impl Size {
    /// From a number of bytes.
    pub fn of_bytes(bytes: usize) -> Option<Self> {
        Some(match bytes {
            1 => Self::Byte,
            2 => Self::Word,
            4 => Self::Dword,
            8 => Self::Qword,
            _ => return None,
        })
    }

    /// In bytes.
    pub fn bytes(self) -> u32 {
        1 << self as u32
    }

    /// In bits.
    pub fn bits(self) -> u32 {
        8 * self.bytes()
    }

    /// Values of this size are i64 in generated code; smaller ones are i32, zero-extended.
    pub fn is_wide(self) -> bool {
        self == Self::Qword
    }

    /// The bits of a value.
    pub fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }
}

/// What the record of the flags is made of: two values of 64 bits, x and y. r is the result, a and b
/// the operands, all zero-extended from the operand size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// x and y are the two words of [`aero_cpu::Flags`].
    Explicit,
    /// x = r; CF, OF and AF are clear.
    Logic,
    /// r = a + b: x = r, y = b.
    Add,
    /// r = a - b: x = r, y = b.
    Sub,
    /// r = a - b: x = a, y = b.
    Cmp,
    /// r = a + 1: x = r, y = CF, which stays.
    Inc,
    /// r = a - 1: x = r, y = CF, which stays.
    Dec,
    /// x = r, y = CF; OF is the top bit of r, XORed with CF.
    ShiftLeft,
    /// x = r, y = CF; OF is the XOR of the two top bits of r.
    ShiftRight,
    /// x = r, y = CF; OF is clear.
    Sar,
    /// x = r, y = CF, and OF is the same.
    Multiply,
    /// r = x × y, signed; CF and OF tell whether more bits were needed.
    SignedMultiply,
}

/// All kinds, in the order of their numbers.
pub const KINDS: [Kind; 12] = [
    Kind::Explicit,
    Kind::Logic,
    Kind::Add,
    Kind::Sub,
    Kind::Cmp,
    Kind::Inc,
    Kind::Dec,
    Kind::ShiftLeft,
    Kind::ShiftRight,
    Kind::Sar,
    Kind::Multiply,
    Kind::SignedMultiply,
];

/// What is known of the record while translating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Its kind is in a local.
    Nothing,
    /// It is of this kind.
    Record(Kind, Size),
}

/// A kind as generated code has it in a local and in memory.
pub fn number(kind: Kind, size: Size) -> u32 {
    kind as u32 | (size as u32) << 4
}

/// The two words of [`aero_cpu::Flags`] for a record.
pub fn explicit(kind: u32, x: u64, y: u64) -> (u64, u64) {
    let size = [Size::Byte, Size::Word, Size::Dword, Size::Qword][(kind >> 4 & 3) as usize];
    let kind = KINDS.get((kind & 15) as usize).copied().unwrap_or(Kind::Explicit);
    let (bits, mask) = (size.bits(), size.mask());
    let extend = |value: u64| ((value << (64 - bits)) as i64 >> (64 - bits)) as u64;
    let carries = |vector: u64| (vector << (64 - bits)) & (3 << 62) | vector & 8;
    let sum = |a: u64, b: u64, r: u64| carries((a & b) | ((a | b) & !r));
    let difference = |a: u64, b: u64, r: u64| carries((!a & b) | ((!a | b) & r));
    let keeping = |aux: u64, cf: u64| aux ^ (0_u64.wrapping_sub(aux >> 63 ^ cf & 1) & (3 << 62));
    let with = |cf: u64, of: u64| (cf & 1) << 63 | ((cf ^ of) & 1) << 62;
    let top = x >> (bits - 1);
    match kind {
        Kind::Explicit => (x, y),
        Kind::Logic => (extend(x), 0),
        Kind::Add => (extend(x), sum(x.wrapping_sub(y) & mask, y, x)),
        Kind::Sub => (extend(x), difference(x.wrapping_add(y) & mask, y, x)),
        Kind::Cmp => {
            let r = x.wrapping_sub(y) & mask;
            (extend(r), difference(x, y, r))
        }
        Kind::Inc => (extend(x), keeping(sum(x.wrapping_sub(1) & mask, 1, x), y)),
        Kind::Dec => (extend(x), keeping(difference(x.wrapping_add(1) & mask, 1, x), y)),
        Kind::ShiftLeft => (extend(x), with(y, top ^ y)),
        Kind::ShiftRight => (extend(x), with(y, top ^ x >> (bits - 2))),
        Kind::Sar => (extend(x), with(y, 0)),
        Kind::Multiply => (extend(x), with(y, y)),
        Kind::SignedMultiply => {
            let product = i128::from(extend(x) as i64) * i128::from(extend(y) as i64);
            let low = extend(product as u64);
            let wide = (i128::from(low as i64) != product).into();
            (low, with(wide, wide))
        }
    }
}

impl Translator<'_> {
    /// The record is now in the locals, of this kind.
    pub fn set_flags(&mut self, kind: Kind, size: Size) {
        self.flags = Known::Record(kind, size);
    }

    /// Leaves the kind in its local, for where control flow joins or leaves.
    pub fn write_flags_kind(&mut self) {
        if let Known::Record(kind, size) = self.flags {
            let local = self.flags_kind;
            self.code.op().i32_const(number(kind, size) as i32).local_set(local);
        }
    }

    /// Pushes x as an operand of this size.
    fn push_x(&mut self, size: Size) {
        let local = self.flags_x;
        self.code.op().local_get(local);
        self.narrow(size);
    }

    fn push_y(&mut self, size: Size) {
        let local = self.flags_y;
        self.code.op().local_get(local);
        self.narrow(size);
    }

    /// From a value of 64 bits on the stack to one of an operand that has this size, whose upper bits
    /// are zero in it.
    fn narrow(&mut self, size: Size) {
        if !size.is_wide() {
            self.code.op().i32_wrap_i64();
        }
    }

    /// Pushes the result of the operation, zero-extended.
    fn push_result(&mut self, kind: Kind, size: Size) {
        self.push_x(size);
        if kind == Kind::Cmp {
            self.push_y(size);
            self.sub(size);
            self.clip(size);
        }
    }

    /// Pushes the first operand, zero-extended.
    fn push_first(&mut self, kind: Kind, size: Size) {
        self.push_x(size);
        match kind {
            Kind::Add => {
                self.push_y(size);
                self.sub(size);
                self.clip(size);
            }
            Kind::Sub => {
                self.push_y(size);
                self.add(size);
                self.clip(size);
            }
            Kind::Cmp => {}
            _ => unreachable!("records of other kinds have no first operand"),
        }
    }

    /// Turns a record that is not known, or any other, into one that is explicit.
    pub fn make_explicit(&mut self) {
        match self.flags {
            Known::Record(Kind::Explicit, _) => {}
            Known::Record(Kind::SignedMultiply, _) | Known::Nothing => {
                self.write_flags_kind();
                let (k, x, y) = (self.flags_kind, self.flags_x, self.flags_y);
                let (slot, ty) = (self.functions.explicit, self.functions.explicit_type);
                self.code.op().local_get(x).local_get(y).local_get(k);
                self.code.op().i32_const(slot as i32).call_indirect(0, ty);
                self.code.op().local_set(y).local_set(x);
            }
            Known::Record(kind, size) => self.convert(kind, size),
        }
        self.flags = Known::Record(Kind::Explicit, Size::Qword);
    }

    /// Converts a record of a known kind in the locals.
    pub(super) fn convert(&mut self, kind: Kind, size: Size) {
        let (x, y) = (self.flags_x, self.flags_y);
        if kind == Kind::Logic {
            self.code.op().i64_const(0);
        } else {
            self.push_carry();
            self.code.op().i64_extend_i32_u().i64_const(63).i64_shl();
            self.push_carry();
            self.push_overflow();
            self.code.op().i32_xor().i64_extend_i32_u().i64_const(62).i64_shl().i64_or();
            if matches!(kind, Kind::Add | Kind::Sub | Kind::Cmp | Kind::Inc | Kind::Dec) {
                self.push_half_carry(kind, size);
                self.code.op().i64_or();
            }
        }
        let aux = self.code.keep(ValType::I64);
        self.push_result(kind, size);
        self.extend_result(size);
        self.code.op().local_set(x).local_get(aux.index).local_set(y);
        self.code.free(aux);
    }

    /// From a zero-extended value on the stack to the first word of explicit flags.
    pub fn extend_result(&mut self, size: Size) {
        let mut op = self.code.op();
        match size {
            Size::Byte => op.i64_extend_i32_u().i64_extend8_s(),
            Size::Word => op.i64_extend_i32_u().i64_extend16_s(),
            Size::Dword => op.i64_extend_i32_s(),
            Size::Qword => &mut op,
        };
    }

    /// Pushes AF at bit 3: a ^ b ^ r has the carries into each bit.
    fn push_half_carry(&mut self, kind: Kind, size: Size) {
        let one = matches!(kind, Kind::Inc | Kind::Dec);
        if one {
            // From x = r: the carry into bit 4 shows where all of r's low bits are 0 (or 1).
            self.push_x(size);
            if size.is_wide() {
                self.code.op().i32_wrap_i64();
            }
            self.code.op().i32_const(15).i32_and();
            self.code.op().i32_const(if kind == Kind::Inc { 0 } else { 15 }).i32_eq();
            self.code.op().i64_extend_i32_u().i64_const(3).i64_shl();
            return;
        }
        self.push_first(kind, size);
        self.push_y(size);
        self.xor(size);
        self.push_result(kind, size);
        self.xor(size);
        if !size.is_wide() {
            self.code.op().i64_extend_i32_u();
        }
        self.code.op().i64_const(1).i64_shr_u().i64_const(8).i64_and();
    }

    /// Pushes CF as 0 or 1.
    pub fn push_carry(&mut self) {
        match self.flags {
            Known::Nothing | Known::Record(Kind::SignedMultiply, _) => {
                self.make_explicit();
                self.push_carry();
            }
            Known::Record(kind, size) => match kind {
                Kind::Explicit => {
                    let y = self.flags_y;
                    self.code.op().local_get(y).i64_const(0).i64_lt_s();
                }
                Kind::Logic => {
                    self.code.op().i32_const(0);
                }
                Kind::Add => {
                    self.push_x(size);
                    self.push_y(size);
                    self.below(size);
                }
                Kind::Sub | Kind::Cmp => {
                    self.push_first(kind, size);
                    self.push_y(size);
                    self.below(size);
                }
                _ => {
                    let y = self.flags_y;
                    self.code.op().local_get(y).i32_wrap_i64();
                }
            },
        }
    }

    /// Pushes CF as 0 or 1, for an instruction that changes the other flags only. Where the record is not
    /// known, as at the top of a loop that counts with INC or DEC, this asks for its kind inline.
    pub fn push_kept_carry(&mut self) {
        if self.flags != Known::Nothing {
            return self.push_carry();
        }
        let (kind, x, y) = (self.flags_kind, self.flags_x, self.flags_y);
        self.code.op().local_get(kind).i32_const(15).i32_and();
        let kind = self.code.keep(ValType::I32);
        // The operands are zero-extended: this is right for all sizes.
        for compared in [Kind::Cmp, Kind::Add] {
            self.get(&kind);
            self.code.op().i32_const(compared as i32).i32_eq();
        }
        self.code.op().i32_or();
        self.code.if_value(Hint::None, ValType::I32);
        self.code.op().local_get(x).local_get(y).i64_lt_u();
        self.code.else_();
        let (first, last) = (Kind::Inc as i32, Kind::Multiply as i32);
        self.get(&kind);
        self.code.op().i32_const(first).i32_sub().i32_const(last - first).i32_le_u();
        self.code.if_value(Hint::None, ValType::I32);
        self.code.op().local_get(y).i32_wrap_i64();
        self.code.else_();
        self.code.free(kind);
        self.push_carry();
        self.write_flags_kind();
        self.flags = Known::Nothing;
        self.code.end();
        self.code.end();
    }

    fn push_zero(&mut self) {
        match self.flags {
            Known::Nothing | Known::Record(Kind::SignedMultiply, _) => {
                self.make_explicit();
                self.push_zero();
            }
            Known::Record(Kind::Cmp, size) => {
                self.push_x(size);
                self.push_y(size);
                self.pick(size, |op| op.i64_eq(), |op| op.i32_eq());
            }
            Known::Record(kind, size) => {
                let size = if kind == Kind::Explicit { Size::Qword } else { size };
                self.push_x(size);
                self.pick(size, |op| op.i64_eqz(), |op| op.i32_eqz());
            }
        }
    }

    fn push_sign(&mut self) {
        match self.flags {
            Known::Nothing | Known::Record(Kind::SignedMultiply, _) => {
                self.make_explicit();
                self.push_sign();
            }
            Known::Record(Kind::Explicit, _) => {
                let (x, y) = (self.flags_x, self.flags_y);
                self.code.op().local_get(x).i64_const(63).i64_shr_u();
                self.code.op().local_get(y).i64_xor().i32_wrap_i64().i32_const(1).i32_and();
            }
            Known::Record(kind, size) => {
                self.push_result(kind, size);
                self.top_bit(size);
            }
        }
    }

    /// From a zero-extended value on the stack to its top bit.
    fn top_bit(&mut self, size: Size) {
        if size.is_wide() {
            self.code.op().i64_const(63).i64_shr_u().i32_wrap_i64();
        } else {
            self.code.op().i32_const(size.bits() as i32 - 1).i32_shr_u();
        }
    }

    fn push_overflow(&mut self) {
        match self.flags {
            Known::Nothing | Known::Record(Kind::SignedMultiply, _) => {
                self.make_explicit();
                self.push_overflow();
            }
            Known::Record(kind, size) => match kind {
                Kind::Explicit => {
                    let y = self.flags_y;
                    self.code.op().local_get(y).local_get(y).i64_const(1).i64_shl().i64_xor();
                    self.code.op().i64_const(0).i64_lt_s();
                }
                Kind::Logic | Kind::Sar => {
                    self.code.op().i32_const(0);
                }
                Kind::Add => {
                    // Both operands differ in sign from the result.
                    self.push_first(kind, size);
                    self.push_x(size);
                    self.xor(size);
                    self.push_y(size);
                    self.push_x(size);
                    self.xor(size);
                    self.and(size);
                    self.top_bit(size);
                }
                Kind::Sub | Kind::Cmp => {
                    self.push_first(kind, size);
                    self.push_y(size);
                    self.xor(size);
                    self.push_first(kind, size);
                    self.push_result(kind, size);
                    self.xor(size);
                    self.and(size);
                    self.top_bit(size);
                }
                Kind::Inc | Kind::Dec => {
                    let top = 1_u64 << (size.bits() - 1);
                    let edge = if kind == Kind::Inc { top } else { top - 1 };
                    self.push_x(size);
                    self.constant(size, edge);
                    self.pick(size, |op| op.i64_eq(), |op| op.i32_eq());
                }
                Kind::ShiftLeft => {
                    self.push_x(size);
                    self.top_bit(size);
                    self.push_carry();
                    self.code.op().i32_xor();
                }
                Kind::ShiftRight => {
                    self.push_x(size);
                    self.push_x(size);
                    self.constant(size, 1);
                    self.shl(size);
                    self.xor(size);
                    self.clip(size);
                    self.top_bit(size);
                }
                Kind::Multiply => self.push_carry(),
                Kind::SignedMultiply => unreachable!("made explicit"),
            },
        }
    }

    /// Pushes PF as 0 or 1.
    fn push_parity(&mut self) {
        match self.flags {
            Known::Nothing | Known::Record(Kind::SignedMultiply, _) => {
                self.make_explicit();
                return self.push_parity();
            }
            Known::Record(Kind::Explicit, _) => {
                let (x, y) = (self.flags_x, self.flags_y);
                self.code.op().local_get(y).i64_const(8).i64_shr_u().local_get(x).i64_xor();
                self.code.op().i32_wrap_i64();
            }
            Known::Record(kind, size) => {
                self.push_result(kind, size);
                if size.is_wide() {
                    self.code.op().i32_wrap_i64();
                }
            }
        }
        self.code.op().i32_const(0xff).i32_and().i32_popcnt().i32_const(1).i32_and().i32_eqz();
    }

    /// Pushes whether the condition holds, as 0 or 1. `cc` is as in the low four bits of Jcc.
    pub fn push_condition(&mut self, cc: u8) {
        if matches!(self.flags, Known::Nothing | Known::Record(Kind::SignedMultiply, _)) {
            self.make_explicit();
        }
        let Known::Record(kind, size) = self.flags else { unreachable!("just made explicit") };
        let compares = matches!(kind, Kind::Sub | Kind::Cmp);
        let negate = cc & 1 != 0;
        match cc >> 1 & 7 {
            0 => self.push_overflow(),
            1 => self.push_carry(),
            2 => self.push_zero(),
            3 if compares => {
                self.push_first(kind, size);
                self.push_y(size);
                match negate {
                    false => self.pick(size, |op| op.i64_le_u(), |op| op.i32_le_u()),
                    true => self.pick(size, |op| op.i64_gt_u(), |op| op.i32_gt_u()),
                }
                return;
            }
            3 => {
                self.push_carry();
                self.push_zero();
                self.code.op().i32_or();
            }
            4 => self.push_sign(),
            5 => self.push_parity(),
            n @ (6 | 7) if compares => {
                self.push_first(kind, size);
                self.extend_sign(size);
                self.push_y(size);
                self.extend_sign(size);
                match (n == 7, negate) {
                    (false, false) => self.pick(size, |op| op.i64_lt_s(), |op| op.i32_lt_s()),
                    (false, true) => self.pick(size, |op| op.i64_ge_s(), |op| op.i32_ge_s()),
                    (true, false) => self.pick(size, |op| op.i64_le_s(), |op| op.i32_le_s()),
                    (true, true) => self.pick(size, |op| op.i64_gt_s(), |op| op.i32_gt_s()),
                }
                return;
            }
            n @ (6 | 7) if kind == Kind::Logic => {
                self.push_x(size);
                self.extend_sign(size);
                self.constant(size, 0);
                match n == 7 {
                    false => self.pick(size, |op| op.i64_lt_s(), |op| op.i32_lt_s()),
                    true => self.pick(size, |op| op.i64_le_s(), |op| op.i32_le_s()),
                }
            }
            6 => {
                self.push_sign();
                self.push_overflow();
                self.code.op().i32_xor();
            }
            _ => {
                self.push_sign();
                self.push_overflow();
                self.code.op().i32_xor();
                self.push_zero();
                self.code.op().i32_or();
            }
        }
        if negate {
            self.code.op().i32_eqz();
        }
    }

    /// From a zero-extended value on the stack to a sign-extended one.
    pub fn extend_sign(&mut self, size: Size) {
        let mut op = self.code.op();
        match size {
            Size::Byte => op.i32_extend8_s(),
            Size::Word => op.i32_extend16_s(),
            Size::Dword | Size::Qword => &mut op,
        };
    }
}
