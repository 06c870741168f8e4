//! The x87.

use iced_x86::Instruction;

use crate::op::{Handler, Op};

/// The handler of an x87 instruction.
pub(crate) fn lower(_instr: &Instruction, _op: &mut Op) -> Option<Handler> {
    None
}
