//! Moves, the stack, and extensions.

use aero_cpu::{Access, layout};
use iced_x86::{Mnemonic, OpKind, Register};

use super::registers::gpr;
use super::{Size, Translator};
use crate::code::at;
use crate::region::Insn;

const RAX: usize = 0;
const RDX: usize = 2;
pub(super) const RSP: usize = 4;
const RBP: usize = 5;

pub(super) fn translate(t: &mut Translator<'_>, insn: &Insn) -> bool {
    use Mnemonic as M;
    match insn.instr.mnemonic() {
        M::Mov => t.mov(insn),
        M::Lea => t.lea(insn),
        M::Movzx => t.extend(insn, false),
        M::Movsx | M::Movsxd => t.extend(insn, true),
        M::Push => t.push(insn),
        M::Pop => t.pop(insn),
        M::Leave => t.leave_frame(insn),
        M::Xchg => t.xchg(insn),
        M::Bswap => t.bswap(insn),
        M::Cbw => t.extend_accumulator(Size::Byte, Size::Word),
        M::Cwde => t.extend_accumulator(Size::Word, Size::Dword),
        M::Cdqe => t.extend_accumulator(Size::Dword, Size::Qword),
        M::Cwd => t.sign_of_accumulator(Size::Word),
        M::Cdq => t.sign_of_accumulator(Size::Dword),
        M::Cqo => t.sign_of_accumulator(Size::Qword),
        M::Nop
        | M::Reservednop
        | M::Endbr64
        | M::Endbr32
        | M::Prefetch
        | M::Prefetchw
        | M::Prefetcht0
        | M::Prefetcht1
        | M::Prefetcht2
        | M::Prefetchnta
        | M::Lfence
        | M::Mfence
        | M::Sfence
        | M::Pause => !insn.instr.has_lock_prefix(),
        M::Cld => t.direction(false),
        M::Std => t.direction(true),
        mnemonic => match condition(mnemonic) {
            Some((Conditional::Move, cc)) => t.cmov(insn, cc),
            Some((Conditional::Set, cc)) => t.setcc(insn, cc),
            None => false,
        },
    }
}

enum Conditional {
    Move,
    Set,
}

fn condition(mnemonic: Mnemonic) -> Option<(Conditional, u8)> {
    use Mnemonic as M;
    const MOVES: [Mnemonic; 16] = [
        M::Cmovo,
        M::Cmovno,
        M::Cmovb,
        M::Cmovae,
        M::Cmove,
        M::Cmovne,
        M::Cmovbe,
        M::Cmova,
        M::Cmovs,
        M::Cmovns,
        M::Cmovp,
        M::Cmovnp,
        M::Cmovl,
        M::Cmovge,
        M::Cmovle,
        M::Cmovg,
    ];
    const SETS: [Mnemonic; 16] = [
        M::Seto,
        M::Setno,
        M::Setb,
        M::Setae,
        M::Sete,
        M::Setne,
        M::Setbe,
        M::Seta,
        M::Sets,
        M::Setns,
        M::Setp,
        M::Setnp,
        M::Setl,
        M::Setge,
        M::Setle,
        M::Setg,
    ];
    if let Some(cc) = MOVES.iter().position(|m| *m == mnemonic) {
        return Some((Conditional::Move, cc as u8));
    }
    let cc = SETS.iter().position(|m| *m == mnemonic)?;
    Some((Conditional::Set, cc as u8))
}

impl Translator<'_> {
    /// The size of a stack slot that code of this width uses by default.
    pub(super) fn stack_size(&self) -> Size {
        if self.region.mode.is_long() { Size::Qword } else { Size::Dword }
    }

    fn mov(&mut self, insn: &Insn) -> bool {
        let instr = &insn.instr;
        let Some(size) = self.operand_size(instr, 0) else { return false };
        let from = instr.op_kind(1);
        if from == OpKind::Register && self.operand_size(instr, 1) != Some(size) {
            return false;
        }
        if instr.op_kind(0) == OpKind::Memory {
            self.push_place(instr, size.bytes(), Access::Write);
            self.push_operand(instr, 1, size);
            self.store(size);
        } else {
            self.push_operand(instr, 1, size);
            self.set_register(instr.op_register(0));
        }
        true
    }

    fn lea(&mut self, insn: &Insn) -> bool {
        let Some((number, size, _)) = gpr(insn.instr.op0_register()) else { return false };
        let from = self.push_offset(&insn.instr);
        match (from.is_wide(), size.is_wide()) {
            (true, false) => {
                self.code.op().i32_wrap_i64();
            }
            (false, true) => {
                self.code.op().i64_extend_i32_u();
            }
            _ => {}
        }
        self.clip(size);
        self.set_reg(number, size);
        true
    }

    fn extend(&mut self, insn: &Insn, signed: bool) -> bool {
        let instr = &insn.instr;
        let (Some(to), Some(from)) = (self.operand_size(instr, 0), self.operand_size(instr, 1))
        else {
            return false;
        };
        self.push_operand(instr, 1, from);
        self.convert_size(from, to, signed);
        self.set_register(instr.op0_register());
        true
    }

    /// From a value of one size on the stack to one of another that is not smaller.
    fn convert_size(&mut self, from: Size, to: Size, signed: bool) {
        if signed {
            self.extend_sign(from);
        }
        if to.is_wide() && !from.is_wide() {
            if signed {
                self.code.op().i64_extend_i32_s();
            } else {
                self.code.op().i64_extend_i32_u();
            }
        }
        self.clip(to);
    }

    fn extend_accumulator(&mut self, from: Size, to: Size) -> bool {
        self.push_reg(RAX, from);
        self.convert_size(from, to, true);
        self.set_reg(RAX, to);
        true
    }

    fn sign_of_accumulator(&mut self, size: Size) -> bool {
        self.push_reg(RAX, size);
        self.extend_sign(size);
        self.constant(size, u64::from(if size.is_wide() { 63_u32 } else { 31 }));
        self.shr_s(size);
        self.clip(size);
        self.set_reg(RDX, size);
        true
    }

    /// Pushes the place below the stack pointer for a value of this size, and sets `pointer` to its
    /// address, a value as wide as the stack.
    fn push_place_below(&mut self, size: Size) -> crate::code::Temp {
        let stack = self.stack_size();
        self.push_reg(RSP, stack);
        self.constant(stack, size.bytes().into());
        self.sub(stack);
        let pointer = self.keep(stack);
        self.get(&pointer);
        self.widen(stack);
        self.translate(size.bytes(), Access::Write);
        pointer
    }

    /// Pushes the value in a temporary to the guest's stack.
    pub(super) fn push_value(&mut self, size: Size, value: &crate::code::Temp) {
        let pointer = self.push_place_below(size);
        self.get(value);
        self.store(size);
        self.get(&pointer);
        let stack = self.stack_size();
        self.set_reg(RSP, stack);
        self.code.free(pointer);
    }

    /// Pushes (here) the value on top of the guest's stack, which stays there.
    pub(super) fn push_top(&mut self, size: Size) {
        let stack = self.stack_size();
        self.push_reg(RSP, stack);
        self.widen(stack);
        self.translate(size.bytes(), Access::Read);
        self.load(size);
    }

    /// Takes bytes from the guest's stack.
    pub(super) fn drop_top(&mut self, bytes: u32) {
        let stack = self.stack_size();
        self.push_reg(RSP, stack);
        self.constant(stack, bytes.into());
        self.add(stack);
        self.set_reg(RSP, stack);
    }

    fn push(&mut self, insn: &Insn) -> bool {
        let size = self.stack_size();
        let instr = &insn.instr;
        if instr.stack_pointer_increment() != -(size.bytes() as i32) {
            return false;
        }
        if instr.op0_kind() == OpKind::Register && gpr(instr.op0_register()).is_none() {
            return false;
        }
        self.push_operand(instr, 0, size);
        let value = self.keep(size);
        self.push_value(size, &value);
        self.code.free(value);
        true
    }

    fn pop(&mut self, insn: &Insn) -> bool {
        let size = self.stack_size();
        let instr = &insn.instr;
        let register = instr.op0_register();
        if instr.op0_kind() != OpKind::Register
            || instr.stack_pointer_increment() != size.bytes() as i32
            || gpr(register).is_none()
        {
            return false;
        }
        self.push_top(size);
        let value = self.keep(size);
        self.drop_top(size.bytes());
        self.get(&value);
        self.set_register(register);
        self.code.free(value);
        true
    }

    fn leave_frame(&mut self, insn: &Insn) -> bool {
        let size = self.stack_size();
        if insn.instr.code() == iced_x86::Code::Leavew {
            return false;
        }
        self.push_reg(RBP, size);
        self.widen(size);
        self.translate(size.bytes(), Access::Read);
        self.load(size);
        let value = self.keep(size);
        self.push_reg(RBP, size);
        self.constant(size, size.bytes().into());
        self.add(size);
        self.set_reg(RSP, size);
        self.get(&value);
        self.set_reg(RBP, size);
        self.code.free(value);
        true
    }

    fn xchg(&mut self, insn: &Insn) -> bool {
        let instr = &insn.instr;
        let Some(size) = self.operand_size(instr, 1) else { return false };
        if instr.op1_kind() != OpKind::Register {
            return false;
        }
        if instr.op0_kind() == OpKind::Memory {
            let (place, old) = self.read_to_write(instr, size);
            self.get(&place);
            self.push_register(instr.op1_register());
            self.store(size);
            self.get(&old);
            self.set_register(instr.op1_register());
            self.code.free(place);
            self.code.free(old);
        } else {
            self.push_register(instr.op0_register());
            let old = self.keep(size);
            self.push_register(instr.op1_register());
            self.set_register(instr.op0_register());
            self.get(&old);
            self.set_register(instr.op1_register());
            self.code.free(old);
        }
        true
    }

    fn bswap(&mut self, insn: &Insn) -> bool {
        let register: Register = insn.instr.op0_register();
        let Some((number, size, _)) = gpr(register) else { return false };
        match size {
            Size::Dword => {
                self.push_reg(number, size);
                let temp = self.keep(size);
                let v = temp.index;
                // Pairs of bytes cross by rotations of what every other byte is.
                self.code.op().local_get(v).i32_const(8).i32_rotl();
                self.code.op().i32_const(0x00ff_00ff).i32_and();
                self.code.op().local_get(v).i32_const(8).i32_rotr();
                self.code.op().i32_const(0xff00_ff00_u32 as i32).i32_and().i32_or();
                self.code.free(temp);
            }
            Size::Qword => {
                self.push_reg(number, size);
                let temp = self.keep(size);
                let v = temp.index;
                let step = |t: &mut Self, mask: u64, by: i64| {
                    t.code.op().local_get(v).i64_const(mask as i64).i64_and();
                    t.code.op().i64_const(by).i64_shl();
                    t.code.op().local_get(v).i64_const(by).i64_shr_u();
                    t.code.op().i64_const(mask as i64).i64_and().i64_or().local_set(v);
                };
                step(self, 0x00ff_00ff_00ff_00ff, 8);
                step(self, 0x0000_ffff_0000_ffff, 16);
                self.code.op().local_get(v).i64_const(32).i64_rotl();
                self.code.free(temp);
            }
            Size::Word | Size::Byte => return false,
        }
        self.set_reg(number, size);
        true
    }

    fn cmov(&mut self, insn: &Insn, cc: u8) -> bool {
        let instr = &insn.instr;
        let Some(size) = self.operand_size(instr, 0) else { return false };
        self.push_operand(instr, 1, size);
        self.push_register(instr.op0_register());
        self.push_condition(cc);
        self.code.op().select();
        self.set_register(instr.op0_register());
        true
    }

    fn setcc(&mut self, insn: &Insn, cc: u8) -> bool {
        let instr = &insn.instr;
        if instr.op0_kind() == OpKind::Memory {
            self.push_place(instr, 1, Access::Write);
            self.push_condition(cc);
            self.store(Size::Byte);
        } else {
            self.push_condition(cc);
            self.set_register(instr.op0_register());
        }
        true
    }

    /// CLD and STD.
    fn direction(&mut self, down: bool) -> bool {
        const DF: i64 = aero_cpu::bits::rflags::DF as i64;
        let system = at(self.addresses.cpu + layout::FLAGS_SYSTEM as u32);
        self.code.op().i32_const(0).i32_const(0).i64_load(system);
        if down {
            self.code.op().i64_const(DF).i64_or();
        } else {
            self.code.op().i64_const(!DF).i64_and();
        }
        self.code.op().i64_store(system);
        true
    }
}
