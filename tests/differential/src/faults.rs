//! Where the host may find another fault than the guest: which bytes of an operand are looked at, and
//! in which order, is not all laid down, and the vendors differ.
//!
//! Sections are those of the Intel SDM Vol. 2 (an instruction's own page) unless said otherwise.

use iced_x86::{Instruction, MemorySize, Mnemonic as M};

use crate::case::{Input, Output, fx};
use crate::generate::segment_base;
use crate::layout::{CODE, CODE_PAGES, PAGE};
use crate::prefixes::prefixes;
use crate::undefined::operand_address;

const UD: u32 = 6;
const SS: u32 = 12;
const GP: u32 = 13;
const PF: u32 = 14;
const MF: u32 = 16;
const AC: u32 = 17;
/// Error code of a page fault: an instruction fetch.
const FETCH: u32 = 1 << 4;
const LONGEST: u64 = 15;

/// Whether both ends are right, although they differ.
pub fn both_right(input: &Input, instruction: &Instruction, host: &Output, guest: &Output) -> bool {
    let stopped = guest.state.rip == input.state.rip;
    let data_fault = matches!(host.vector, SS | PF | AC);
    match instruction.mnemonic() {
        _ if instruction.is_invalid() => undefined_opcode(input, host, guest),
        // AMD's do not look at ModRM.
        M::Ud0 | M::Ud1 => undefined_opcode(input, host, guest),
        _ if past_limit(input, instruction) => {
            matches!(guest.vector, SS | GP) && guest.error == 0 && stopped
        }
        // "FXSAVE": with a misaligned operand and alignment checks, #AC is not guaranteed; #GP else.
        M::Fxsave | M::Fxsave64 | M::Fxrstor | M::Fxrstor64 => {
            host.vector == AC && guest.vector == GP && guest.error == 0
        }
        // "MOVDQU" and its like: #AC may or may not be generated; AMD's is (APM Vol. 2, 8.2.18).
        M::Movups
        | M::Movupd
        | M::Movdqu
        | M::Lddqu
        | M::Pcmpestri
        | M::Pcmpestri64
        | M::Pcmpestrm
        | M::Pcmpestrm64
        | M::Pcmpistri
        | M::Pcmpistrm => {
            host.vector == AC && !operand_address(input, instruction).is_multiple_of(16)
        }
        // "MASKMOVDQU": whether bytes that are masked out are looked at depends on the implementation.
        // AMD's looks at all.
        M::Maskmovdqu | M::Maskmovq => match host.vector {
            AC => !operand_address(input, instruction).is_multiple_of(16),
            PF => operand(input, instruction, 16).holds(host.cr2),
            SS | GP => host.error == 0,
            _ => false,
        },
        // "RET", "IRET": AMD's reads the stack pointer of the outer level before it finds fault with the
        // selector for CS.
        M::Retf => data_fault && guest.vector == GP && stopped,
        M::Iret | M::Iretd if input.bits == 32 => data_fault && guest.vector == GP && stopped,
        // "CALL": AMD's pushes before it finds that the target is not canonical.
        M::Call if instruction.is_call_near_indirect() => {
            input.bits == 64 && data_fault && guest.vector == GP && guest.error == 0 && stopped
        }
        // "POP": Intel's reads a selector, AMD's as much as the operand size says.
        M::Pop if instruction.op0_register().is_segment_register() => {
            let size = u64::from(instruction.stack_pointer_increment().unsigned_abs());
            data_fault && !input.state.regs[4].is_multiple_of(size)
        }
        // "CVTPI2PS": an x87 exception that is pending comes first; AMD's does not look if the operand
        // is in memory (APM Vol. 5).
        M::Cvtpi2ps => {
            let fx = &input.state.fx;
            let pending = fx.u16(fx::FSW) & !fx.u16(fx::FCW) & 0x3f != 0;
            pending && guest.vector == MF && instruction.memory_size().size() != 0
        }
        _ => false,
    }
}

/// Whether an operand of several parts begins inside a segment of 4 GiB and ends past it.
///
/// With an effective limit of 4 GiB it is up to the processor whether an access past it faults (SDM
/// Vol. 3, 5.3, "Limit Checking"). An AMD host looks at each part alone, when its turn has come: the
/// parts before the end are transferred and may find page faults, a part that itself is half past the
/// end has #GP or #SS, those after it wrap to offset 0. The models find #GP or #SS before anything else,
/// and nothing is transferred.
pub fn past_limit(input: &Input, instruction: &Instruction) -> bool {
    use MemorySize as S;
    let size = instruction.memory_size();
    let has_parts = matches!(
        size,
        S::Float80
            | S::Bcd
            | S::FpuEnv14
            | S::FpuEnv28
            | S::FpuState94
            | S::FpuState108
            | S::Fxsave_512Byte
    );
    let base = segment_base(input.state.bases, instruction.memory_segment());
    let offset = operand_address(input, instruction).wrapping_sub(base) & 0xffff_ffff;
    input.bits == 32 && has_parts && offset + size.size() as u64 > 1 << 32
}

/// How many bytes of an undefined opcode are fetched before #UD is not laid down; SDM Vol. 3, table 6-2
/// has page faults of the fetch first, and #GP for more than 15 bytes beside #UD. AMD's takes it for as
/// long as its neighbours in the opcode map are.
fn undefined_opcode(input: &Input, host: &Output, guest: &Output) -> bool {
    let end = CODE + (CODE_PAGES * PAGE) as u64;
    let fetch = |output: &Output| {
        output.vector == PF
            && output.error & FETCH != 0
            && output.cr2 == end
            && input.state.rip + LONGEST > end
    };
    // Opcode, ModRM, SIB, displacement and immediate have twelve bytes at most.
    let long = prefixes(input.code(), input.bits).len() as u64 > LONGEST - 12;
    let too_long = |output: &Output| long && output.vector == GP && output.error == 0;
    let fails = |output: &Output| output.vector == UD || fetch(output) || too_long(output);
    fails(host) && fails(guest)
}

/// Where a page fault may be found.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    first: u64,
    len: u64,
}

impl Range {
    /// Whether the address is one of them.
    pub fn holds(&self, address: u64) -> bool {
        address.wrapping_sub(self.first) < self.len
    }
}

/// The operand in memory, which is `len` bytes long.
fn operand(input: &Input, instruction: &Instruction, len: u64) -> Range {
    let first = operand_address(input, instruction);
    // 16-bit addresses may wrap.
    let wraps = first & 0xffff | !0xffff > len.wrapping_neg();
    if wraps { Range { first: 0, len: 1 << 32 } } else { Range { first, len } }
}

/// The addresses that CR2 may hold, if the order in which the operand is read is up to the processor.
pub fn page_fault_range(input: &Input, instruction: &Instruction) -> Option<Range> {
    match instruction.mnemonic() {
        M::Fxsave
        | M::Fxsave64
        | M::Fxrstor
        | M::Fxrstor64
        | M::Fnsave
        | M::Frstor
        | M::Fnstenv
        | M::Fldenv => Some(operand(input, instruction, 512)),
        M::Maskmovdqu | M::Maskmovq => Some(operand(input, instruction, 16)),
        // Five words at most, and parameters between the inner and the outer ones.
        M::Retf | M::Iret | M::Iretd | M::Iretq => {
            Some(Range { first: input.state.regs[4], len: 5 * 8 + 256 })
        }
        _ => None,
    }
}
