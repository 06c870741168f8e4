//! Pages that addresses lay in before.
//!
//! What goes through one register mostly stays in one page for a while. A region that is worth it has
//! two locals for each register that addresses are made with and each kind of access: the page that the
//! last one lay in, and what to add to its addresses. An access in the same page then needs no look into
//! the TLB. They can be right only as long as the TLB is: the interpreter's calls end a region when
//! something was dropped from it.

use aero_cpu::Access;
use iced_x86::{Instruction, InstructionInfoFactory, OpAccess, Register};
use wasm_encoder::ValType;

use super::Translator;
use super::registers::gpr;

/// What addresses are made with that are likely to lie in the same page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Near {
    /// The general purpose register of this number.
    Register(usize),
    /// RIP, or nothing but a displacement and an index.
    Fixed,
    /// FS or GS, whatever else.
    Fs,
    /// As above.
    Gs,
}

impl Near {
    const COUNT: usize = 19;

    /// For an operand in memory with this segment and base.
    pub fn new(segment: Register, base: Register) -> Self {
        match (segment, gpr(base)) {
            (Register::FS, _) => Self::Fs,
            (Register::GS, _) => Self::Gs,
            (_, Some((number, ..))) => Self::Register(number),
            (_, None) => Self::Fixed,
        }
    }

    /// For the operand in memory of an instruction.
    pub fn operand(instr: &Instruction) -> Self {
        Self::new(instr.memory_segment(), instr.memory_base())
    }

    fn index(self) -> usize {
        match self {
            Self::Register(number) => number,
            Self::Fixed => 16,
            Self::Fs => 17,
            Self::Gs => 18,
        }
    }
}

/// Where the page of the last access is kept.
#[derive(Clone, Copy, Debug)]
pub struct Last {
    /// The local for the linear address of the page, an i64; [`NOWHERE`](Self::NOWHERE) at first.
    pub page: u32,
    /// That for what to add to linear addresses in it, an i32.
    pub addend: u32,
}

impl Last {
    /// No access is in the page of this address, which is not canonical.
    pub const NOWHERE: i64 = i64::MIN;
}

/// All that a region keeps, by [`Near`] and whether the access is a write.
#[derive(Default)]
pub struct Nearby([[Option<Last>; 2]; Near::COUNT]);

impl Nearby {
    /// Where the page of the last such access is kept, if it is.
    pub fn last(&self, near: Near, access: Access) -> Option<Last> {
        self.0[near.index()][usize::from(access == Access::Write)]
    }
}

impl Translator<'_> {
    /// Gives locals to what the region uses again and again.
    pub(super) fn assign_nearby(&mut self) {
        let mut uses = [[0_u32; 2]; Near::COUNT];
        let mut info = InstructionInfoFactory::new();
        for insn in self.region.blocks.iter().flat_map(|block| &block.insns) {
            for memory in info.info(&insn.instr).used_memory() {
                let near = Near::new(memory.segment(), memory.base());
                let write = !matches!(memory.access(), OpAccess::Read | OpAccess::CondRead);
                uses[near.index()][usize::from(write)] += 1;
            }
        }
        let least = if self.graph.loops.contains(&true) { 1 } else { 2 };
        for (index, uses) in uses.iter().enumerate() {
            for (write, _) in uses.iter().enumerate().filter(|(_, uses)| **uses >= least) {
                let (page, addend) = (self.code.local(ValType::I64), self.code.local(ValType::I32));
                self.nearby.0[index][write] = Some(Last { page, addend });
            }
        }
    }

    /// Nothing is known at the start of the function.
    pub(super) fn clear_nearby(&mut self) {
        for last in self.nearby.0.as_flattened().iter().flatten() {
            self.code.op().i64_const(Last::NOWHERE).local_set(last.page);
        }
    }
}
