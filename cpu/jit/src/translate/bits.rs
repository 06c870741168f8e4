//! Bits: tests, scans, and the carry flag.

use aero_cpu::Access;
use iced_x86::{Instruction, Mnemonic, OpKind};
use wasm_encoder::ValType;

use super::integer::CARRIES;
use super::{FlagsKind, Size, Translator};
use crate::code::Hint;
use crate::region::Insn;

pub(super) fn translate(t: &mut Translator<'_>, insn: &Insn) -> bool {
    use Mnemonic as M;
    match insn.instr.mnemonic() {
        M::Bt => t.bit_test(insn, None),
        M::Bts => t.bit_test(insn, Some(BitChange::Set)),
        M::Btr => t.bit_test(insn, Some(BitChange::Reset)),
        M::Btc => t.bit_test(insn, Some(BitChange::Complement)),
        M::Bsf => t.bit_scan(insn, true),
        M::Bsr => t.bit_scan(insn, false),
        M::Popcnt => t.popcnt(insn),
        M::Clc => t.set_carry(|t| {
            t.code.op().i32_const(0);
        }),
        M::Stc => t.set_carry(|t| {
            t.code.op().i32_const(1);
        }),
        M::Cmc => t.set_carry(|t| {
            t.push_carry();
            t.code.op().i32_eqz();
        }),
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BitChange {
    Set,
    Reset,
    Complement,
}

impl Translator<'_> {
    /// Sets CF to what is pushed (i32); the other flags stay.
    fn set_carry(&mut self, push: impl FnOnce(&mut Self)) -> bool {
        self.make_explicit();
        push(self);
        let y = self.flags_y;
        // Both carries flip if CF does.
        self.code.op().i64_extend_i32_u().local_get(y).i64_const(63).i64_shr_u().i64_xor();
        self.code.op().i64_const(CARRIES).i64_mul().local_get(y).i64_xor().local_set(y);
        true
    }

    fn bit_test(&mut self, insn: &Insn, change: Option<BitChange>) -> bool {
        let instr = &insn.instr;
        let Some(size) = self.operand_size(instr, 0) else { return false };
        self.make_explicit();
        let place = (instr.op0_kind() == OpKind::Memory).then(|| {
            let access = if change.is_some() { Access::Write } else { Access::Read };
            self.push_bits_place(instr, size, access);
            self.code.keep(ValType::I32)
        });
        match &place {
            Some(place) => {
                self.get(place);
                self.load(size);
            }
            None => self.push_register(instr.op0_register()),
        }
        let a = self.keep(size);
        self.push_operand(instr, 1, size);
        self.constant(size, (size.bits() - 1).into());
        self.and(size);
        let bit = self.keep(size);
        self.set_carry(|t| {
            t.get(&a);
            t.get(&bit);
            t.shr_u(size);
            if size.is_wide() {
                t.code.op().i32_wrap_i64();
            }
            t.code.op().i32_const(1).i32_and();
        });
        if let Some(change) = change {
            if let Some(place) = &place {
                self.get(place);
            }
            self.get(&a);
            self.constant(size, 1);
            self.get(&bit);
            self.shl(size);
            match change {
                BitChange::Set => self.or(size),
                BitChange::Complement => self.xor(size),
                BitChange::Reset => {
                    self.constant(size, u64::MAX);
                    self.xor(size);
                    self.and(size);
                }
            }
            self.clip(size);
            match place {
                Some(_) => self.store(size),
                None => self.set_register(instr.op0_register()),
            }
        }
        for temp in [Some(a), Some(bit), place].into_iter().flatten() {
            self.code.free(temp);
        }
        true
    }

    /// Pushes where the operand is that has the bit. A register counts bits, either way, from the
    /// operand's address.
    fn push_bits_place(&mut self, instr: &Instruction, size: Size, access: Access) {
        if instr.op1_kind() != OpKind::Register {
            return self.push_place(instr, size.bytes(), access);
        }
        let address = self.push_offset(instr);
        self.push_register(instr.op1_register());
        self.extend_sign(size);
        self.constant(size, size.bits().trailing_zeros().into());
        self.shr_s(size);
        self.constant(size, size.bytes().trailing_zeros().into());
        self.shl(size);
        if size.is_wide() && !address.is_wide() {
            self.code.op().i32_wrap_i64();
        } else if address.is_wide() && !size.is_wide() {
            self.code.op().i64_extend_i32_s();
        }
        self.add(address);
        self.clip(address);
        self.widen(address);
        self.add_segment(instr.memory_segment(), access);
        self.translate(size.bytes(), access);
    }

    /// Sets ZF to what is pushed (i32); the other flags stay.
    pub(super) fn set_zero(&mut self, push: impl FnOnce(&mut Self)) {
        self.make_explicit();
        let (x, y) = (self.flags_x, self.flags_y);
        // The result gets a low byte of even parity and a clear sign: what PF and SF were goes to the
        // second word.
        self.code.op().local_get(y).i64_const(CARRIES | 8).i64_and();
        self.code.op().local_get(x).i64_const(63).i64_shr_u().local_get(y).i64_xor();
        self.code.op().i64_const(1).i64_and().i64_or();
        self.code.op().local_get(y).i64_const(8).i64_shr_u().local_get(x).i64_xor();
        self.code.op().i64_const(0xff).i64_and().i64_popcnt().i64_const(1).i64_and();
        self.code.op().i64_const(8).i64_shl().i64_or().local_set(y);
        self.code.op().i64_const(0).i64_const(0x100);
        push(self);
        self.code.op().select().local_set(x);
    }

    fn bit_scan(&mut self, insn: &Insn, forward: bool) -> bool {
        let instr = &insn.instr;
        let Some(size) = self.operand_size(instr, 0) else { return false };
        if size == Size::Word {
            return false;
        }
        self.push_operand(instr, 1, size);
        let a = self.keep(size);
        self.set_zero(|t| {
            t.get(&a);
            t.pick(size, |op| op.i64_eqz(), |op| op.i32_eqz());
        });
        // With nothing to find the register keeps what it has, all of it.
        self.get(&a);
        self.pick(size, |op| op.i64_eqz(), |op| op.i32_eqz());
        self.code.op().i32_eqz();
        self.if_(Hint::None);
        if forward {
            self.get(&a);
            self.pick(size, |op| op.i64_ctz(), |op| op.i32_ctz());
        } else {
            self.constant(size, (size.bits() - 1).into());
            self.get(&a);
            self.pick(size, |op| op.i64_clz(), |op| op.i32_clz());
            self.sub(size);
        }
        self.set_register(instr.op0_register());
        self.code.end();
        self.code.free(a);
        true
    }

    fn popcnt(&mut self, insn: &Insn) -> bool {
        let instr = &insn.instr;
        let Some(size) = self.operand_size(instr, 0) else { return false };
        self.push_operand(instr, 1, size);
        self.pick(size, |op| op.i64_popcnt(), |op| op.i32_popcnt());
        let r = self.keep(size);
        let (x, y) = (self.flags_x, self.flags_y);
        self.code.op().i64_const(0).i64_const(0x100);
        self.get(&r);
        self.pick(size, |op| op.i64_eqz(), |op| op.i32_eqz());
        self.code.op().select().local_set(x).i64_const(0x100).local_set(y);
        self.set_flags(FlagsKind::Explicit, Size::Qword);
        self.get(&r);
        self.set_register(instr.op0_register());
        self.code.free(r);
        true
    }
}
