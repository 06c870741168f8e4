//! The x87.
//!
//! What instructions compute is in `aero_x87`; here is what they do to the processor: the register
//! stack, tags, the status word, the pointers to the last instruction and operand, and exceptions.
//! Sections are of the Intel SDM, volume 1, chapter 8.

mod control;
mod data;
mod operate;

use aero_cpu::{Exec, F80, FpuState, SegReg};
use aero_x87::{Control, Outcome as Computed, Status};
use iced_x86::{Code, Instruction};

use crate::op::{Handler, Op, Outcome};
use crate::operands::Operands;

/// The handler of an x87 instruction.
pub(crate) fn lower(instr: &Instruction, _op: &mut Op) -> Option<Handler> {
    let code: Code = instr.code();
    operate::handler(code).or_else(|| data::handler(code)).or_else(|| control::handler(code))
}

/// SF: an invalid operation was a stack fault.
const STACK_FAULT: u16 = 1 << 6;
/// C0, C1, C2 and C3.
const CODES: Status = Status::C0.union(Status::C1).union(Status::C2).union(Status::C3);

/// The x87 as its instructions see it: a stack of registers.
trait Stack {
    fn control(&self) -> Control;
    /// ST(i), if it is not empty.
    fn st(&self, i: u8) -> Option<F80>;
    /// Writes ST(i), which becomes valid.
    fn set_st(&mut self, i: u8, value: F80);
    /// Makes ST(i) empty.
    fn free(&mut self, i: u8);
    /// Makes ST(0) empty and TOP point to the next.
    fn pop(&mut self);
    /// Pushes a value; a stack fault if the register is not empty. Returns whether it was pushed.
    fn push(&mut self, value: F80) -> bool;
    /// Adds what an operation reports. C1 is replaced.
    fn report(&mut self, status: Status);
    /// Replaces all four condition codes.
    fn set_codes(&mut self, codes: Status);
    /// A stack fault; `overflow` says which kind. Returns whether the masked response is wanted.
    fn stack_fault(&mut self, overflow: bool) -> bool;
    /// Takes over a result: reports what it reports, and gives the value if it is to be written.
    fn accept<T>(&mut self, computed: Computed<T>) -> Option<T>;
}

/// Number of ST(i)'s physical register.
fn physical(fpu: &FpuState, i: u8) -> usize {
    usize::from((fpu.top + i) & 7)
}

impl Stack for FpuState {
    #[inline]
    fn control(&self) -> Control {
        Control(self.control)
    }

    #[inline]
    fn st(&self, i: u8) -> Option<F80> {
        let register = physical(self, i);
        (self.tags >> register & 1 != 0).then(|| self.regs[register])
    }

    #[inline]
    fn set_st(&mut self, i: u8, value: F80) {
        let register = physical(self, i);
        self.regs[register] = value;
        self.tags |= 1 << register;
    }

    #[inline]
    fn free(&mut self, i: u8) {
        self.tags &= !(1 << physical(self, i));
    }

    #[inline]
    fn pop(&mut self) {
        self.free(0);
        self.top = (self.top + 1) & 7;
    }

    fn push(&mut self, value: F80) -> bool {
        let value = if self.st(7).is_some() {
            if !self.stack_fault(true) {
                return false;
            }
            F80::INDEFINITE
        } else {
            value
        };
        self.top = (self.top + 7) & 7;
        self.set_st(0, value);
        true
    }

    #[inline]
    fn report(&mut self, status: Status) {
        self.status = self.status & !Status::C1.bits() | status.bits();
        if status.bits() & 0x3f != 0 {
            self.refresh_summary();
        }
    }

    #[inline]
    fn set_codes(&mut self, codes: Status) {
        self.status = self.status & !CODES.bits() | codes.bits();
    }

    fn stack_fault(&mut self, overflow: bool) -> bool {
        let codes = if overflow { Status::C1 } else { Status::empty() };
        self.report(Status::IE | codes);
        self.status |= STACK_FAULT;
        self.control().masks(Status::IE)
    }

    #[inline]
    fn accept<T>(&mut self, computed: Computed<T>) -> Option<T> {
        let (value, status) = computed.settle(self.control());
        self.report(status);
        value
    }
}

/// What every x87 instruction that is not a control instruction begins with: #NM, then #MF of an
/// earlier one.
#[inline]
fn begin(exec: &mut Exec<'_>) -> Outcome {
    exec.check_x87(true)?;
    Ok(())
}

/// What every such instruction ends with, once it cannot fault any more: the pointers to it and to its
/// operand in memory, and its opcode if it left an unmasked exception (section 8.1.9).
#[inline]
fn finish(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let cpu = &mut *exec.cpu;
    cpu.fpu.instruction_pointer = cpu.rip;
    cpu.fpu.instruction_selector = cpu.segs[SegReg::Cs as usize].selector;
    if op.is_memory() {
        let offset = exec.offset(op);
        let cpu = &mut *exec.cpu;
        cpu.fpu.data_pointer = offset;
        cpu.fpu.data_selector = cpu.segs[op.seg as usize].selector;
    }
    if exec.cpu.fpu.exception_pending() {
        note_opcode(exec);
    }
    Ok(())
}

/// The last opcode: the low three bits of the first byte behind the prefixes, and the ModR/M byte. It
/// is wanted so seldom that the instruction is read again for it.
#[cold]
fn note_opcode(exec: &mut Exec<'_>) {
    let mut bytes = [0; 15];
    let rip = exec.cpu.rip;
    let Ok(len) = exec.fetch_bytes(rip, &mut bytes) else { return };
    let code = &bytes[..len.min(bytes.len())];
    let escape = code.iter().position(|b| b & 0xf8 == 0xd8);
    if let Some([first, modrm]) = escape.and_then(|at| code.get(at..at + 2)) {
        exec.cpu.fpu.opcode = u16::from(first & 7) << 8 | u16::from(*modrm);
    }
}
