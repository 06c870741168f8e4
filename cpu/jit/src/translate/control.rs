//! How control leaves a block.

use std::mem::offset_of;

use iced_x86::Mnemonic;
use wasm_encoder::ValType;

use super::{Exit, Size, Translator};
use crate::code::{Hint, Temp};
use crate::frame::Frame;
use crate::graph::Way;
use crate::region::{BlockId, End, Insn, Target};

const RCX: usize = 1;

impl Translator<'_> {
    /// The last instruction of a block, and where it leads.
    pub(super) fn end_block(&mut self, block: BlockId) {
        let region = self.region;
        let last = region.blocks[block].insns.last();
        match region.blocks[block].end {
            End::Fall(target) => self.go(block, target),
            End::Jump(target) => {
                self.done();
                self.go(block, target);
            }
            End::Branch { taken, next } => {
                let insn = last.expect("a branch is an instruction");
                self.push_branch(insn);
                self.done();
                self.branch(block, taken, next);
            }
            End::Call { target } => {
                let insn = last.expect("a call is an instruction");
                self.push_return_address(insn);
                self.done();
                self.go(block, target);
            }
            End::Indirect => self.indirect(last.expect("an indirect jump is an instruction")),
            End::Special => {
                let insn = last.expect("something special is an instruction");
                self.interpret(insn);
                // All state is in memory then, but for what is left of the budget.
                let (left, field) = (self.left, self.frame_field(offset_of!(Frame, left)));
                self.code.op().i32_const(0).local_get(left).i32_store(field);
                self.load_pc();
                self.code.br(self.jump_label.expect("within the function"));
            }
        }
    }

    /// The instruction that ends the block is complete.
    fn done(&mut self) {
        self.rest = 0;
    }

    /// Goes to a target.
    fn go(&mut self, from: BlockId, target: Target) {
        let Some(block) = target.block else {
            return self.leave(target.off, Exit::Elsewhere, 0);
        };
        if self.graph.way(from, block) == Way::Dispatched {
            self.write_flags_kind();
            let (off, label) = (self.off, self.dispatch_label.expect("within the function"));
            self.code.op().i32_const(target.off).local_set(off);
            return self.code.br(label);
        }
        if self.graph.is_back(from, block) {
            self.write_flags_kind();
            let label = self.loop_labels[block].expect("within the loop");
            return self.code.br(label);
        }
        if self.graph.inline[block] {
            return self.tree(block);
        }
        self.write_flags_kind();
        let label = self.merge_labels[block].expect("within the block before it");
        self.code.br(label);
    }

    /// Goes to one target or another, by the value on the stack.
    fn branch(&mut self, from: BlockId, taken: Target, next: Target) {
        // Code that was never reached is hardly so later.
        let hint = if taken.block.is_none() { Hint::Unlikely } else { Hint::None };
        if next.block.is_none() && taken.block.is_some() {
            self.code.op().i32_eqz();
            self.code.if_(Hint::Unlikely);
            let flags = self.flags;
            self.go(from, next);
            self.flags = flags;
            self.code.end();
            return self.go(from, taken);
        }
        self.code.if_(hint);
        let flags = self.flags;
        self.go(from, taken);
        self.flags = flags;
        self.code.end();
        self.go(from, next);
    }

    /// Pushes whether a conditional branch is taken.
    fn push_branch(&mut self, insn: &Insn) {
        let instr = &insn.instr;
        if let Some(cc) = jump_condition(instr.mnemonic()) {
            return self.push_condition(cc);
        }
        // LOOP and JRCXZ count in RCX, as wide as addresses are.
        use iced_x86::Code::*;
        let size = match instr.code() {
            Jrcxz_rel8_64 | Loop_rel8_64_RCX | Loope_rel8_64_RCX | Loopne_rel8_64_RCX => {
                Size::Qword
            }
            Jcxz_rel8_32 | Loop_rel8_32_CX | Loope_rel8_32_CX | Loopne_rel8_32_CX => Size::Word,
            _ => Size::Dword,
        };
        let mnemonic = instr.mnemonic();
        if !matches!(mnemonic, Mnemonic::Jcxz | Mnemonic::Jecxz | Mnemonic::Jrcxz) {
            self.push_reg(RCX, size);
            self.constant(size, 1);
            self.sub(size);
            self.clip(size);
            self.set_reg(RCX, size);
        }
        self.push_reg(RCX, size);
        self.pick(size, |op| op.i64_eqz(), |op| op.i32_eqz());
        match mnemonic {
            Mnemonic::Loop => {
                self.code.op().i32_eqz();
            }
            Mnemonic::Loope | Mnemonic::Loopne => {
                self.code.op().i32_eqz();
                self.push_condition(if mnemonic == Mnemonic::Loope { 4 } else { 5 });
                self.code.op().i32_and();
            }
            _ => {}
        }
    }

    fn push_return_address(&mut self, insn: &Insn) {
        let size = self.stack_size();
        self.push_rip(insn.next());
        if !size.is_wide() {
            self.code.op().i32_wrap_i64();
        }
        let value = self.keep(size);
        self.push_value(size, &value);
        self.code.free(value);
    }

    /// Leaves before the instruction if the address where it goes is not canonical: the fault is its own.
    fn check_target(&mut self, target: &Temp) {
        if !self.region.mode.is_long() {
            return;
        }
        self.get(target);
        self.code.op().i64_const(16).i64_shl().i64_const(16).i64_shr_s();
        self.get(target);
        self.code.op().i64_ne();
        self.code.if_(Hint::Unlikely);
        self.leave_here();
        self.code.end();
    }

    /// RET, and jumps and calls through a register or memory.
    fn indirect(&mut self, insn: &Insn) {
        let size = self.stack_size();
        let instr = &insn.instr;
        if instr.mnemonic() == Mnemonic::Ret {
            self.push_top(size);
            let target = self.keep(size);
            self.check_target(&target);
            let extra = if instr.op_count() == 1 { instr.immediate16().into() } else { 0 };
            self.drop_top(size.bytes() + extra);
            self.get(&target);
            self.code.free(target);
        } else {
            self.push_operand(instr, 0, size);
            let target = self.keep(size);
            self.check_target(&target);
            if instr.mnemonic() == Mnemonic::Call {
                self.push_return_address(insn);
            }
            self.get(&target);
            self.code.free(target);
        }
        self.widen(size);
        self.done();
        self.write_flags_kind();
        let (pc, off, base) = (self.pc, self.off, self.base);
        self.code.op().local_tee(pc).local_get(base).i64_sub();
        let distance = self.code.keep(ValType::I64);
        self.get(&distance);
        self.code.op().i32_wrap_i64().local_set(off);
        let elsewhere = self.elsewhere_label.expect("within the function");
        if self.region.mode.is_long() {
            self.get(&distance);
            self.code.op().local_get(off).i64_extend_i32_s().i64_ne();
            self.code.br_if(Hint::Unlikely, elsewhere);
        }
        self.code.free(distance);
        let label = self.dispatch_label.expect("within the function");
        self.code.br(label);
    }
}

fn jump_condition(mnemonic: Mnemonic) -> Option<u8> {
    use Mnemonic as M;
    const JUMPS: [Mnemonic; 16] = [
        M::Jo,
        M::Jno,
        M::Jb,
        M::Jae,
        M::Je,
        M::Jne,
        M::Jbe,
        M::Ja,
        M::Js,
        M::Jns,
        M::Jp,
        M::Jnp,
        M::Jl,
        M::Jge,
        M::Jle,
        M::Jg,
    ];
    JUMPS.iter().position(|m| *m == mnemonic).map(|cc| cc as u8)
}
