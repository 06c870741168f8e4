//! Guest memory in generated code.
//!
//! The TLB is looked into inline. What it does not have is asked for by a call, whose answer is where
//! to go on; if there is none, the instruction is left to the interpreter. So an instruction reads
//! before it changes anything, and writes last.

use std::mem::offset_of;

use aero_cpu::{Access, SegReg, layout};
use iced_x86::{Instruction, OpKind, Register};
use wasm_encoder::{MemArg, ValType};

use super::registers::gpr;
use super::{Size, Translator};
use crate::code::{Hint, Temp, at};
use crate::frame::{Frame, RECENT, Recent};
use crate::rewrites::Number;

impl Translator<'_> {
    /// The width of addresses, by which they wrap.
    fn address_size(&self, instr: &Instruction) -> Size {
        let register = match instr.memory_base() {
            Register::None => instr.memory_index(),
            base => base,
        };
        match register {
            Register::None => match instr.memory_displ_size() {
                2 => Size::Word,
                8 => Size::Qword,
                _ if self.region.mode.is_long() => Size::Qword,
                _ => Size::Dword,
            },
            Register::EIP => Size::Dword,
            Register::RIP => Size::Qword,
            register => gpr(register).map_or(Size::Qword, |(_, size, _)| size),
        }
    }

    /// Pushes the address of the operand in memory without its segment, as a value of the size that is
    /// returned: clipped to the address size.
    pub fn push_offset(&mut self, instr: &Instruction) -> Size {
        let size = self.address_size(instr);
        // Addresses of 16 bits are computed in 32.
        let (base, index) = (instr.memory_base(), instr.memory_index());
        let displacement = instr.memory_displacement64();
        if matches!(base, Register::RIP | Register::EIP) {
            // iced took RIP to be the offset from the region's entry.
            let local = self.base;
            self.code.op().local_get(local).i64_const(displacement as i64).i64_add();
            if size == Size::Dword {
                self.code.op().i32_wrap_i64();
            }
            return size;
        }
        let mut parts = 0;
        if let Some((number, ..)) = gpr(base) {
            self.push_reg(number, size);
            parts += 1;
        }
        if let Some((number, ..)) = gpr(index) {
            self.push_reg(number, size);
            let scale = instr.memory_index_scale().trailing_zeros();
            if scale != 0 {
                self.constant(size, scale.into());
                self.shl(size);
            }
            parts += 1;
            if parts == 2 {
                self.add(size);
            }
        }
        let varying = self.numbers.displacement;
        if let Some(number) = varying {
            self.push_number(number, size);
        } else if parts == 0 || displacement != 0 {
            self.constant(size, displacement);
        }
        if parts != 0 && (varying.is_some() || displacement != 0) {
            self.add(size);
        }
        self.clip(size);
        size
    }

    /// Pushes the linear address of the operand in memory, an i64.
    pub fn push_linear(&mut self, instr: &Instruction, access: Access) {
        let size = self.push_offset(instr);
        self.widen(size);
        self.add_segment(instr.memory_segment(), access);
    }

    /// From the offset on the stack (i64) to a linear address.
    pub fn add_segment(&mut self, segment: Register, access: Access) {
        let long = self.region.mode.is_long();
        let segment = match segment {
            Register::FS => SegReg::Fs,
            Register::GS => SegReg::Gs,
            Register::CS if !long => SegReg::Cs,
            _ => return,
        };
        let fields = layout::segment(segment);
        let address = |offset: usize| at(self.addresses.cpu + offset as u32);
        let end = if access == Access::Write { fields.write_end } else { fields.read_end };
        let (base, end) = (address(fields.fast_base), address(end));
        if long {
            self.code.op().i32_const(0).i64_load(base).i64_add();
            return;
        }
        // Close to the end of the segment, or in one that does not begin at 0 upwards, the interpreter
        // has a closer look.
        let offset = self.code.keep(ValType::I64);
        self.get(&offset);
        self.code.op().i64_const(15).i64_add().i32_const(0).i64_load(end).i64_ge_u();
        self.if_(Hint::Unlikely);
        self.leave_here();
        self.code.end();
        self.get(&offset);
        self.code.op().i32_const(0).i64_load(base).i64_add().i64_const(0xffff_ffff).i64_and();
        self.code.free(offset);
    }

    /// From a linear address on the stack (i64) to where it is: what to add [`ram`](Self::ram) to.
    ///
    /// An instruction in a region that is worth it looks first whether it is the page that it accessed
    /// last.
    pub fn translate(&mut self, bytes: u32, access: Access) {
        self.translate_or(bytes, access, Self::leave_here);
    }

    /// The same; what `otherwise` writes goes elsewhere if the access is more than memory.
    pub fn translate_or(&mut self, bytes: u32, access: Access, otherwise: impl FnOnce(&mut Self)) {
        let linear = self.code.keep(ValType::I64);
        match self.recent(access) {
            None => self.look_up(&linear, bytes, access, None, otherwise),
            Some((page, addend)) => {
                self.get(&linear);
                self.code.op().i32_const(0).i64_load(page).i64_sub();
                self.code.op().i64_const(4096 - i64::from(bytes)).i64_gt_u();
                self.code.if_value(Hint::Unlikely, ValType::I32);
                self.look_up(&linear, bytes, access, Some((page, addend)), otherwise);
                self.code.else_();
                self.code.op().i32_const(0).i32_load(addend);
                self.get(&linear);
                self.code.op().i32_wrap_i64().i32_add();
                self.code.end();
            }
        }
        self.code.free(linear);
    }

    /// Where the page that the current instruction accessed last is kept: its address, and what to add.
    fn recent(&self, access: Access) -> Option<(MemArg, MemArg)> {
        if !self.optimized {
            return None;
        }
        let host = self.region.host(self.here)?;
        let table = Recent::table(self.region.mode.is_user(), access);
        let entry = offset_of!(Frame, recent)
            + (table * RECENT + Recent::index(host)) * size_of::<Recent>();
        let field = |field: usize| self.frame_field(entry + field);
        Some((field(offset_of!(Recent, page)), field(offset_of!(Recent, addend))))
    }

    /// Pushes where a linear address is, by the TLB. What is found there is kept in `recent`.
    fn look_up(
        &mut self,
        linear: &Temp,
        bytes: u32,
        access: Access,
        recent: Option<(MemArg, MemArg)>,
        otherwise: impl FnOnce(&mut Self),
    ) {
        let user = self.region.mode.is_user();
        let array = self.addresses.tlb + layout::tlb_array(user, access) as u32;
        let entry = self.code.temp(ValType::I32);
        self.get(linear);
        self.code.op().i32_wrap_i64().i32_const(8).i32_shr_u();
        self.code.op().i32_const(((aero_cpu::TLB_ENTRIES - 1) << 4) as i32).i32_and();
        self.code.op().local_set(entry.index);
        self.get(linear);
        self.code.op().local_get(entry.index).i64_load(at(array)).i64_sub();
        self.code.op().i64_const(4096 - i64::from(bytes)).i64_gt_u();
        self.code.if_value(Hint::Unlikely, ValType::I32);
        {
            let function = match access {
                Access::Write => self.functions.translate_write,
                Access::Read | Access::Execute => self.functions.translate_read,
            };
            self.get(linear);
            self.code.op().i32_const(bytes as i32).call(function);
            let host = self.code.keep(ValType::I32);
            self.get(&host);
            self.code.op().i32_const(-1).i32_eq();
            self.if_(Hint::Unlikely);
            otherwise(self);
            self.code.end();
            self.get(&host);
            self.code.free(host);
        }
        self.code.else_();
        if let Some((page, addend)) = recent {
            let index = entry.index;
            self.code.op().i32_const(0).local_get(index).i64_load(at(array)).i64_store(page);
            self.code.op().i32_const(0).local_get(index).i32_load(at(array + 8)).i32_store(addend);
        }
        self.code.op().local_get(entry.index).i32_load(at(array + 8));
        self.get(linear);
        self.code.op().i32_wrap_i64().i32_add();
        self.code.end();
        self.code.free(entry);
    }

    /// Address in the linear memory of host offset 0.
    pub fn ram(&self) -> u32 {
        self.addresses.ram
    }

    /// Pushes where the operand in memory is.
    pub fn push_place(&mut self, instr: &Instruction, bytes: u32, access: Access) {
        self.push_linear(instr, access);
        self.translate(bytes, access);
    }

    /// Pushes where an operand of 16 bytes is that has to be aligned.
    pub fn push_aligned_place(&mut self, instr: &Instruction, access: Access) {
        self.push_linear(instr, access);
        let linear = self.code.keep(ValType::I64);
        self.get(&linear);
        self.code.op().i32_wrap_i64().i32_const(15).i32_and();
        self.if_(Hint::Unlikely);
        self.leave_here();
        self.code.end();
        self.get(&linear);
        self.code.free(linear);
        self.translate(16, access);
    }

    /// Where the operand in memory is, and its value, which is about to be replaced.
    pub fn read_to_write(&mut self, instr: &Instruction, size: Size) -> (Temp, Temp) {
        self.push_place(instr, size.bytes(), Access::Write);
        let place = self.code.keep(ValType::I32);
        self.get(&place);
        self.load(size);
        (place, self.keep(size))
    }

    /// From a place on the stack to the value there, zero-extended.
    pub fn load(&mut self, size: Size) {
        let ram = at(self.addresses.ram);
        match size {
            Size::Byte => self.code.op().i32_load8_u(ram),
            Size::Word => self.code.op().i32_load16_u(ram),
            Size::Dword => self.code.op().i32_load(ram),
            Size::Qword => self.code.op().i64_load(ram),
        };
    }

    /// Stores the value on the stack to the place under it.
    pub fn store(&mut self, size: Size) {
        let ram = at(self.addresses.ram);
        match size {
            Size::Byte => self.code.op().i32_store8(ram),
            Size::Word => self.code.op().i32_store16(ram),
            Size::Dword => self.code.op().i32_store(ram),
            Size::Qword => self.code.op().i64_store(ram),
        };
    }

    /// Size of an operand that is a general purpose register or in memory.
    pub fn operand_size(&self, instr: &Instruction, operand: u32) -> Option<Size> {
        match instr.op_kind(operand) {
            OpKind::Register => gpr(instr.op_register(operand)).map(|(_, size, _)| size),
            OpKind::Memory => Size::of_bytes(instr.memory_size().size()),
            _ => None,
        }
    }

    /// Pushes an operand: a general purpose register, memory, or an immediate of this size.
    pub fn push_operand(&mut self, instr: &Instruction, operand: u32, size: Size) {
        match instr.op_kind(operand) {
            OpKind::Register => self.push_register(instr.op_register(operand)),
            OpKind::Memory => {
                self.push_place(instr, size.bytes(), Access::Read);
                self.load(size);
            }
            _ => match self.numbers.immediate {
                Some(number) => self.push_number(number, size),
                None => self.constant(size, instr.immediate(operand)),
            },
        }
    }

    /// Pushes a number in the code as memory has it now, as a value of this size.
    fn push_number(&mut self, number: Number, size: Size) {
        let place = at(self.addresses.ram + number.host as u32);
        self.code.op().i32_const(0);
        match (number.size, size.is_wide()) {
            (1, false) => self.code.op().i32_load8_s(place),
            (2, false) => self.code.op().i32_load16_s(place),
            (_, false) => self.code.op().i32_load(place),
            (1, true) => self.code.op().i64_load8_s(place),
            (2, true) => self.code.op().i64_load16_s(place),
            (4, true) => self.code.op().i64_load32_s(place),
            (_, true) => self.code.op().i64_load(place),
        };
        self.clip(size);
    }
}
