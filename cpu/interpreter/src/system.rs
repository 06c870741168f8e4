//! Instructions of this group.
use crate::op::{Handler, Op};
use iced_x86::Instruction;
pub(crate) fn lower(_instr: &Instruction, _op: &mut Op) -> Option<Handler> {
    None
}
