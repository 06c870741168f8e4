//! Instructions of kernels that only change what generated code can reach: CLI, STI and SWAPGS.

use aero_cpu::bits::rflags;
use aero_cpu::{SegReg, layout};
use iced_x86::Mnemonic;
use wasm_encoder::ValType;

use super::Translator;
use crate::code::{Hint, at};
use crate::region::Insn;

pub(super) fn translate(t: &mut Translator<'_>, insn: &Insn) -> bool {
    if t.region.mode.is_user() {
        return false;
    }
    match insn.instr.mnemonic() {
        Mnemonic::Cli => t.cli(),
        Mnemonic::Sti if t.goes_on => t.sti(),
        Mnemonic::Swapgs if t.region.mode.is_long() => t.swapgs(),
        _ => return false,
    }
    true
}

impl Translator<'_> {
    /// Leaves the instruction to the interpreter unless the privilege level is 0, where IOPL says
    /// nothing.
    fn require_cpl0(&mut self) {
        let cpl = at(self.addresses.cpu + layout::CPL as u32);
        self.code.op().i32_const(0).i32_load8_u(cpl);
        self.if_(Hint::Unlikely);
        self.leave_here();
        self.code.end();
    }

    fn cli(&mut self) {
        self.require_cpl0();
        let system = at(self.addresses.cpu + layout::FLAGS_SYSTEM as u32);
        self.code.op().i32_const(0).i32_const(0).i64_load(system);
        self.code.op().i64_const(!rflags::IF as i64).i64_and().i64_store(system);
    }

    /// Interrupts come after the next instruction: it is in the same block, and nobody looks for them
    /// before, unless it is left to the interpreter. One that waits already is the interpreter's, so
    /// that it comes right after that instruction and not at the end of the block.
    fn sti(&mut self) {
        self.require_cpl0();
        let signals = at(self.addresses.signals);
        self.code.op().i32_const(0).i32_load(signals);
        self.if_(Hint::Unlikely);
        self.leave_here();
        self.code.end();
        let system = at(self.addresses.cpu + layout::FLAGS_SYSTEM as u32);
        let held = match self.holds {
            Some(local) => local,
            None => self.code.local(ValType::I32),
        };
        self.code.op().i32_const(0).i64_load(system);
        self.code.op().i64_const(rflags::IF as i64).i64_and().i64_eqz().local_set(held);
        self.code.op().i32_const(0).i32_const(0).i64_load(system);
        self.code.op().i64_const(rflags::IF as i64).i64_or().i64_store(system);
        self.holds = Some(held);
    }

    fn swapgs(&mut self) {
        self.require_cpl0();
        let gs = layout::segment(SegReg::Gs);
        let [base, fast_base, kernel] = [gs.base, gs.fast_base, layout::KERNEL_GS_BASE]
            .map(|offset| at(self.addresses.cpu + offset as u32));
        self.code.op().i32_const(0).i64_load(kernel);
        let new = self.code.keep(ValType::I64);
        self.code.op().i32_const(0).i32_const(0).i64_load(base).i64_store(kernel);
        for field in [base, fast_base] {
            self.code.op().i32_const(0);
            self.get(&new);
            self.code.op().i64_store(field);
        }
        self.code.free(new);
    }
}
