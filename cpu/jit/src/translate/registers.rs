//! The guest's registers in generated code.
//!
//! In 64-bit code a general purpose register is an i64, in 32-bit code an i32. Values of operands are
//! i64 for 64 bits, and i32, zero-extended, for less.

use std::mem::offset_of;

use aero_cpu::layout;
use iced_x86::{InstructionInfoFactory, OpAccess, Register};
use wasm_encoder::{MemArg, ValType};

use super::{Size, Translator};
use crate::code::at;
use crate::frame::Frame;
use crate::region::Insn;

/// Number and size of a general purpose register, and whether it is one of AH to BH.
pub fn gpr(register: Register) -> Option<(usize, Size, bool)> {
    if !register.is_gpr() {
        return None;
    }
    let high = matches!(register, Register::AH | Register::CH | Register::DH | Register::BH);
    let size = Size::of_bytes(register.size())?;
    Some((register.full_register().number(), size, high))
}

impl Translator<'_> {
    /// Gives each register that occurs a local.
    pub(super) fn assign_registers(&mut self) {
        let mut used = 0_u16;
        let mut info = InstructionInfoFactory::new();
        for insn in self.region.blocks.iter().flat_map(|block| &block.insns) {
            for register in info.info(&insn.instr).used_registers() {
                let Some((number, ..)) = gpr(register.register()) else { continue };
                used |= 1 << number;
                if writes(register.access()) {
                    self.written |= 1 << number;
                }
            }
        }
        let ty = self.register_type();
        for number in 0..16 {
            if used & 1 << number != 0 {
                self.regs[number] = Some(self.code.local(ty));
            }
        }
    }

    fn register_type(&self) -> ValType {
        if self.region.mode.is_long() { ValType::I64 } else { ValType::I32 }
    }

    fn reg_local(&self, number: usize) -> u32 {
        self.regs[number].expect("registers that occur have locals")
    }

    fn reg_address(&self, number: usize) -> u32 {
        self.addresses.cpu + (layout::REGS + 8 * number) as u32
    }

    fn load_register(&mut self, number: usize) {
        let (local, address) = (self.reg_local(number), self.reg_address(number));
        self.code.op().i32_const(0);
        if self.region.mode.is_long() {
            self.code.op().i64_load(at(address)).local_set(local);
        } else {
            self.code.op().i32_load(at(address)).local_set(local);
        }
    }

    /// Loads everything that the region has in locals.
    pub(super) fn load_registers(&mut self) {
        for number in 0..16 {
            if self.regs[number].is_some() {
                self.load_register(number);
            }
        }
        self.load_xmm();
    }

    /// Stores everything that the region changes, and the record of the flags.
    pub(super) fn store_registers(&mut self) {
        for number in 0..16 {
            if self.written & 1 << number == 0 {
                continue;
            }
            let (local, address) = (self.reg_local(number), self.reg_address(number));
            self.code.op().i32_const(0).local_get(local);
            if !self.region.mode.is_long() {
                self.code.op().i64_extend_i32_u();
            }
            self.code.op().i64_store(at(address));
        }
        self.store_xmm();
        let (kind, x, y) = (self.flags_kind, self.flags_x, self.flags_y);
        let fields = self.flags_fields();
        self.code.op().i32_const(0).local_get(kind).i32_store(fields[0]);
        self.code.op().i32_const(0).local_get(x).i64_store(fields[1]);
        self.code.op().i32_const(0).local_get(y).i64_store(fields[2]);
    }

    /// Where the record of the flags is in memory: its kind, x and y.
    fn flags_fields(&self) -> [MemArg; 3] {
        let offsets =
            [offset_of!(Frame, flags_kind), offset_of!(Frame, flags_x), offset_of!(Frame, flags_y)];
        offsets.map(|offset| self.frame_field(offset))
    }

    /// Loads the record of the flags. Its kind is not known then.
    pub(super) fn load_flags(&mut self) {
        let (kind, x, y) = (self.flags_kind, self.flags_x, self.flags_y);
        let fields = self.flags_fields();
        self.code.op().i32_const(0).i32_load(fields[0]).local_set(kind);
        self.code.op().i32_const(0).i64_load(fields[1]).local_set(x);
        self.code.op().i32_const(0).i64_load(fields[2]).local_set(y);
        self.flags = super::Known::Nothing;
    }

    /// Loads what the interpreter changed when it executed this instruction.
    pub(super) fn load_changed(&mut self, insn: &Insn) {
        let mut info = InstructionInfoFactory::new();
        let mut changed = 0_u16;
        for register in info.info(&insn.instr).used_registers() {
            if writes(register.access())
                && let Some((number, ..)) = gpr(register.register())
            {
                changed |= 1 << number;
            }
        }
        self.load_changed_xmm(insn, info.info(&insn.instr).used_registers());
        for number in 0..16 {
            if changed & 1 << number != 0 {
                self.load_register(number);
            }
        }
        if insn.instr.rflags_modified() != 0 {
            self.load_flags();
            // The interpreter leaves no other.
            self.set_flags(super::FlagsKind::Explicit, Size::Qword);
        }
    }

    /// Pushes a register's low bits, zero-extended.
    pub fn push_reg(&mut self, number: usize, size: Size) {
        let local = self.reg_local(number);
        self.code.op().local_get(local);
        if self.region.mode.is_long() {
            if size.is_wide() {
                return;
            }
            self.code.op().i32_wrap_i64();
        }
        self.clip(size);
    }

    /// Pushes the value of a register as an operand.
    pub fn push_register(&mut self, register: Register) {
        let (number, size, high) = gpr(register).expect("a general purpose register");
        if !high {
            return self.push_reg(number, size);
        }
        self.push_reg(number, Size::Dword);
        self.code.op().i32_const(8).i32_shr_u().i32_const(0xff).i32_and();
    }

    /// Sets a register from the value on the stack, as an instruction of that operand size does. The
    /// value is zero-extended.
    pub fn set_reg(&mut self, number: usize, size: Size) {
        debug_assert!(self.written & 1 << number != 0, "a register that is written");
        let local = self.reg_local(number);
        let long = self.region.mode.is_long();
        match size {
            Size::Qword => {
                self.code.op().local_set(local);
            }
            Size::Dword => {
                if long {
                    self.code.op().i64_extend_i32_u();
                }
                self.code.op().local_set(local);
            }
            Size::Word | Size::Byte => self.insert(local, size.mask(), 0),
        }
    }

    /// Puts the value on the stack into some bits of a register.
    fn insert(&mut self, local: u32, mask: u64, shift: u32) {
        let value = self.code.keep(ValType::I32);
        let kept = !(mask << shift);
        self.code.op().local_get(local);
        if self.region.mode.is_long() {
            self.code.op().i64_const(kept as i64).i64_and();
            self.get(&value);
            self.code.op().i64_extend_i32_u();
            if shift != 0 {
                self.code.op().i64_const(shift.into()).i64_shl();
            }
            self.code.op().i64_or();
        } else {
            self.code.op().i32_const(kept as i32).i32_and();
            self.get(&value);
            if shift != 0 {
                self.code.op().i32_const(shift as i32).i32_shl();
            }
            self.code.op().i32_or();
        }
        self.code.op().local_set(local);
        self.code.free(value);
    }

    /// Sets a register that is an operand from the value on the stack, which is zero-extended.
    pub fn set_register(&mut self, register: Register) {
        let (number, size, high) = gpr(register).expect("a general purpose register");
        if high {
            let local = self.reg_local(number);
            self.insert(local, 0xff, 8);
        } else {
            self.set_reg(number, size);
        }
    }
}

pub(super) fn writes(access: OpAccess) -> bool {
    use OpAccess::*;
    matches!(access, Write | CondWrite | ReadWrite | ReadCondWrite)
}
