//! Instructions with random operands, from iced's tables.

use iced_x86::{Code, Instruction, Mnemonic, OpCodeOperandKind as Kind, OpKind, Register};

use crate::generate::segment_base;
use crate::layout::{
    CODE, CODE_PAGES, DATA, DATA_END, PAGE, READ_ONLY, STACK, STACK_END, selector,
};
use crate::rng::Rng;
use crate::values;

/// An instruction, and what registers its addresses need.
pub struct Built {
    /// The instruction.
    pub instruction: Instruction,
    /// Numbers of general-purpose registers and what they have to hold.
    pub fixups: Vec<(usize, u64)>,
}

/// An address for an operand of `size` bytes.
pub fn target(rng: &mut Rng, size: u64, bits: u32) -> u64 {
    let size = size.max(1);
    let page = PAGE as u64;
    match rng.below(100) {
        0..50 => {
            let align = size.next_power_of_two().clamp(1, 64);
            DATA + rng.below(3 * page - size.min(page)) / align * align
        }
        50..65 => DATA + rng.below(3 * page - size.min(page)),
        65..75 => DATA + page * (1 + rng.below(2)) - rng.below(size + 1),
        // Into and out of the read-only page.
        75..81 => READ_ONLY - rng.below(size + 2) + rng.below(2) * page,
        // The edges of what is mapped.
        81..88 => rng.pick(&[DATA, DATA_END]) - rng.below(size + 2),
        88..90 => rng.pick(&[STACK, STACK_END]) - rng.below(size + 2),
        90..92 => READ_ONLY + rng.below(page),
        92..94 => CODE + rng.below(2 * page),
        94..96 => rng.below(1 << 31),
        _ if bits == 64 => {
            rng.pick(&[0x8000_0000_0000_0000, 0x0001_0000_0000_0000, 0xfff0_0000_0000_0000])
                + rng.below(1 << 20)
        }
        _ => rng.below(0xffff_f000),
    }
}

/// Where a branch may lead.
pub fn branch_target(rng: &mut Rng) -> u64 {
    match rng.below(20) {
        0 => DATA + rng.below(PAGE as u64),
        1 => CODE + rng.pick(&[0, 2 * PAGE as u64]) - rng.below(3),
        2 => rng.below(0x7fff_ffff),
        _ => CODE + rng.below((CODE_PAGES * PAGE) as u64),
    }
}

fn register(base: Register, number: u64) -> Register {
    Register::try_from(base as usize + number as usize).unwrap_or(base)
}

/// Makes instructions.
pub struct Builder<'a> {
    /// The numbers that decide.
    pub rng: &'a mut Rng,
    /// Width of the code segment.
    pub bits: u32,
    /// The instruction's address.
    pub rip: u64,
    /// Bases of FS and GS.
    pub bases: [u64; 2],
}

impl Builder<'_> {
    /// An instruction of this form, or `None` if the choice made has no encoding.
    pub fn build(&mut self, code: Code) -> Option<Built> {
        let op = code.op_code();
        let mut built = Built { instruction: Instruction::new(), fixups: Vec::new() };
        built.instruction.set_code(code);
        for (i, kind) in op.op_kinds().iter().enumerate() {
            self.operand(&mut built, code, i as u32, *kind)?;
        }
        let rng = &mut *self.rng;
        let instruction = &mut built.instruction;
        let memory = (0..instruction.op_count()).any(|i| instruction.op_kind(i) == OpKind::Memory);
        if op.can_use_lock_prefix() && memory {
            instruction.set_has_lock_prefix(rng.chance(25));
        }
        if op.can_use_rep_prefix() && rng.chance(50) {
            instruction.set_has_rep_prefix(true);
        } else if op.can_use_repne_prefix() && rng.chance(50) {
            instruction.set_has_repne_prefix(true);
        }
        Some(built)
    }

    fn gpr(&mut self, size: u32) -> Register {
        let long = self.bits == 64;
        let rng = &mut *self.rng;
        match size {
            1 => register(Register::AL, rng.below(if long { 20 } else { 8 })),
            2 => register(Register::AX, rng.below(if long { 16 } else { 8 })),
            4 => register(Register::EAX, rng.below(if long { 16 } else { 8 })),
            _ => register(Register::RAX, rng.below(16)),
        }
    }

    fn vector(&mut self) -> Register {
        register(Register::XMM0, self.rng.below(if self.bits == 64 { 16 } else { 8 }))
    }

    fn operand(&mut self, built: &mut Built, code: Code, i: u32, kind: Kind) -> Option<()> {
        let reg = |built: &mut Built, r: Register| built.instruction.set_op_register(i, r);
        let memory = self.rng.chance(60);
        match kind {
            Kind::r8_or_mem
            | Kind::r16_or_mem
            | Kind::r32_or_mem
            | Kind::r64_or_mem
            | Kind::xmm_or_mem
            | Kind::mm_or_mem
                if memory =>
            {
                self.memory(built, code, i)?;
            }
            Kind::mem => self.memory(built, code, i)?,
            Kind::mem_offs => self.absolute(built, code, i),
            Kind::r8_or_mem | Kind::r8_reg | Kind::r8_opcode => reg(built, self.gpr(1)),
            Kind::r16_or_mem | Kind::r16_reg | Kind::r16_rm | Kind::r16_opcode => {
                reg(built, self.gpr(2));
            }
            Kind::r32_or_mem | Kind::r32_reg | Kind::r32_rm | Kind::r32_opcode => {
                reg(built, self.gpr(4));
            }
            Kind::r64_or_mem | Kind::r64_reg | Kind::r64_rm | Kind::r64_opcode => {
                reg(built, self.gpr(8));
            }
            Kind::mm_or_mem | Kind::mm_reg | Kind::mm_rm => {
                reg(built, register(Register::MM0, self.rng.below(8)));
            }
            Kind::xmm_or_mem | Kind::xmm_reg | Kind::xmm_rm => reg(built, self.vector()),
            Kind::seg_reg => {
                let loads = i == 0;
                let from: &[Register] = if loads {
                    &[Register::ES, Register::SS, Register::DS, Register::FS, Register::GS]
                } else {
                    &[
                        Register::ES,
                        Register::CS,
                        Register::SS,
                        Register::DS,
                        Register::FS,
                        Register::GS,
                    ]
                };
                reg(built, self.rng.pick(from));
            }
            Kind::cr_reg => reg(built, register(Register::CR0, self.rng.pick(&[0, 2, 3, 4]))),
            Kind::dr_reg => reg(built, register(Register::DR0, self.rng.below(8))),
            Kind::es => reg(built, Register::ES),
            Kind::cs => reg(built, Register::CS),
            Kind::ss => reg(built, Register::SS),
            Kind::ds => reg(built, Register::DS),
            Kind::fs => reg(built, Register::FS),
            Kind::gs => reg(built, Register::GS),
            Kind::al => reg(built, Register::AL),
            Kind::cl => reg(built, Register::CL),
            Kind::ax => reg(built, Register::AX),
            Kind::dx => reg(built, Register::DX),
            Kind::eax => reg(built, Register::EAX),
            Kind::rax => reg(built, Register::RAX),
            Kind::st0 => reg(built, Register::ST0),
            Kind::sti_opcode => reg(built, register(Register::ST0, self.rng.below(8))),
            Kind::imm8_const_1 => {
                built.instruction.set_op_kind(i, OpKind::Immediate8);
                built.instruction.set_immediate8(1);
            }
            Kind::imm8
            | Kind::imm8sex16
            | Kind::imm8sex32
            | Kind::imm8sex64
            | Kind::imm16
            | Kind::imm32
            | Kind::imm32sex64
            | Kind::imm64 => self.immediate(built, i, kind),
            Kind::seg_rSI | Kind::es_rDI | Kind::seg_rDI => self.implied(built, i, kind),
            Kind::seg_rBX_al => {
                let base = self.pick_base_register(&[Register::RBX, Register::EBX, Register::BX]);
                let instruction = &mut built.instruction;
                instruction.set_op_kind(i, OpKind::Memory);
                instruction.set_memory_base(base);
                instruction.set_memory_index(Register::AL);
                built.fixups.push((3, target(self.rng, 200, self.bits)));
            }
            Kind::br16_1
            | Kind::br32_1
            | Kind::br64_1
            | Kind::br16_2
            | Kind::br32_4
            | Kind::br64_4 => {
                self.near_branch(built, i, kind);
            }
            Kind::farbr2_2 | Kind::farbr4_2 => {
                let instruction = &mut built.instruction;
                let to = branch_target(self.rng);
                if kind == Kind::farbr2_2 {
                    instruction.set_op_kind(i, OpKind::FarBranch16);
                    instruction.set_far_branch16(to as u16);
                } else {
                    instruction.set_op_kind(i, OpKind::FarBranch32);
                    instruction.set_far_branch32(to as u32);
                }
                instruction.set_far_branch_selector(code_selector(self.rng));
            }
            _ => return None,
        }
        Some(())
    }

    fn immediate(&mut self, built: &mut Built, i: u32, kind: Kind) {
        let value = values::int(self.rng);
        let value = if self.rng.chance(50) { value } else { self.rng.u64() };
        let instruction = &mut built.instruction;
        match kind {
            Kind::imm8 if i > 0 && instruction.op_kind(i - 1) == OpKind::Immediate16 => {
                instruction.set_op_kind(i, OpKind::Immediate8_2nd);
                // ENTER's nesting level, of which five bits count.
                instruction
                    .set_immediate8_2nd(self.rng.pick(&[0, 0, 0, 1, 2, 3, 31, 32, 33, 0xff]));
            }
            Kind::imm8 => {
                instruction.set_op_kind(i, OpKind::Immediate8);
                // INT 80h is for programs on Linux.
                let system_call = instruction.mnemonic() == Mnemonic::Int && value as u8 == 0x80;
                instruction.set_immediate8(if system_call { 3 } else { value as u8 });
            }
            Kind::imm8sex16 => {
                instruction.set_op_kind(i, OpKind::Immediate8to16);
                instruction.set_immediate8to16((value as i8).into());
            }
            Kind::imm8sex32 => {
                instruction.set_op_kind(i, OpKind::Immediate8to32);
                instruction.set_immediate8to32((value as i8).into());
            }
            Kind::imm8sex64 => {
                instruction.set_op_kind(i, OpKind::Immediate8to64);
                instruction.set_immediate8to64((value as i8).into());
            }
            Kind::imm16 => {
                instruction.set_op_kind(i, OpKind::Immediate16);
                // AMD looks at the outer stack before it finds fault with a selector of RETF.
                let far = instruction.mnemonic() == Mnemonic::Retf;
                instruction.set_immediate16(value as u16 & if far { 0xff } else { 0xffff });
            }
            Kind::imm32 => {
                instruction.set_op_kind(i, OpKind::Immediate32);
                instruction.set_immediate32(value as u32);
            }
            Kind::imm32sex64 => {
                instruction.set_op_kind(i, OpKind::Immediate32to64);
                instruction.set_immediate32to64((value as i32).into());
            }
            _ => {
                instruction.set_op_kind(i, OpKind::Immediate64);
                instruction.set_immediate64(value);
            }
        }
    }

    fn near_branch(&mut self, built: &mut Built, i: u32, kind: Kind) {
        let near = matches!(kind, Kind::br16_1 | Kind::br32_1 | Kind::br64_1);
        let to = if near {
            self.rip.wrapping_add(2).wrapping_add(self.rng.u64() as i8 as u64)
        } else {
            branch_target(self.rng)
        };
        let instruction = &mut built.instruction;
        match kind {
            Kind::br16_1 | Kind::br16_2 => {
                instruction.set_op_kind(i, OpKind::NearBranch16);
                instruction.set_near_branch16(to as u16);
            }
            Kind::br32_1 | Kind::br32_4 => {
                instruction.set_op_kind(i, OpKind::NearBranch32);
                instruction.set_near_branch32(to as u32);
            }
            _ => {
                instruction.set_op_kind(i, OpKind::NearBranch64);
                instruction.set_near_branch64(to);
            }
        }
    }

    /// One of a register's 64-, 32- and 16-bit forms, as the mode has them for addresses.
    fn pick_base_register(&mut self, forms: &[Register; 3]) -> Register {
        let unusual = self.rng.chance(10);
        match (self.bits, unusual) {
            (64, false) => forms[0],
            (64, true) | (_, false) => forms[1],
            _ => forms[2],
        }
    }

    /// An operand of a string instruction or MASKMOV.
    fn implied(&mut self, built: &mut Built, i: u32, kind: Kind) {
        // All operands of one instruction have the same address size.
        let first = (0..i)
            .map(|j| built.instruction.op_kind(j))
            .find(|k| !matches!(k, OpKind::Register | OpKind::Immediate8));
        let unusual = match first {
            Some(k) => match k {
                OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI => {
                    self.bits == 64
                }
                OpKind::MemorySegSI | OpKind::MemorySegDI | OpKind::MemoryESDI => true,
                _ => false,
            },
            None => self.rng.chance(10),
        };
        let width = match (self.bits, unusual) {
            (64, false) => 0,
            (64, true) | (_, false) => 1,
            _ => 2,
        };
        let (forms, number) = match kind {
            Kind::seg_rSI => ([OpKind::MemorySegRSI, OpKind::MemorySegESI, OpKind::MemorySegSI], 6),
            Kind::es_rDI => ([OpKind::MemoryESRDI, OpKind::MemoryESEDI, OpKind::MemoryESDI], 7),
            _ => ([OpKind::MemorySegRDI, OpKind::MemorySegEDI, OpKind::MemorySegDI], 7),
        };
        built.instruction.set_op_kind(i, forms[width]);
        let mut base = 0;
        if kind != Kind::es_rDI && self.rng.chance(8) {
            let segment = self.rng.pick(&[Register::FS, Register::GS, Register::SS]);
            built.instruction.set_segment_prefix(segment);
            base = segment_base(self.bases, segment);
        }
        let to = target(self.rng, 64, self.bits).wrapping_sub(base);
        built.fixups.push((number, to));
    }

    /// An address in the instruction itself.
    fn absolute(&mut self, built: &mut Built, code: Code, i: u32) {
        let size = code.op_code().memory_size().size() as u64;
        let to = target(self.rng, size, self.bits);
        let instruction = &mut built.instruction;
        instruction.set_op_kind(i, OpKind::Memory);
        let width = match (self.bits, self.rng.chance(10)) {
            (64, false) => 8,
            (64, true) | (_, false) => 4,
            _ => 2,
        };
        instruction.set_memory_displ_size(width);
        let mask = if width == 8 { u64::MAX } else { (1 << (width * 8)) - 1 };
        instruction.set_memory_displacement64(to & mask);
    }

    /// A ModRM operand in memory.
    fn memory(&mut self, built: &mut Built, code: Code, i: u32) -> Option<()> {
        let long = self.bits == 64;
        let size = match code.op_code().memory_size().size() as u64 {
            0 => 8,
            size => size,
        };
        let rng = &mut *self.rng;
        let to = target(rng, size, self.bits);
        let instruction = &mut built.instruction;
        instruction.set_op_kind(i, OpKind::Memory);
        if rng.chance(8) {
            instruction.set_segment_prefix(rng.pick(&[
                Register::ES,
                Register::CS,
                Register::SS,
                Register::DS,
                Register::FS,
                Register::FS,
                Register::GS,
                Register::GS,
            ]));
        }
        let mask = if long { u64::MAX } else { 0xffff_ffff };
        let base = segment_base(self.bases, instruction.segment_prefix());
        let to = to.wrapping_sub(base) & mask;
        if !long && rng.chance(5) {
            return self.memory16(built, to);
        }
        if long && rng.chance(8) && to < 1 << 31 {
            instruction.set_memory_base(Register::RIP);
            instruction.set_memory_displ_size(8);
            instruction.set_memory_displacement64(to);
            return Some(());
        }
        let wide = long && !(to < 1 << 32 && rng.chance(12));
        let (first, mask) =
            if wide { (Register::RAX, u64::MAX) } else { (Register::EAX, 0xffff_ffff) };
        let registers = if long { 16 } else { 8 };
        let base = rng.chance(85).then(|| rng.below(registers));
        let index = rng.chance(35).then(|| rng.below(registers)).filter(|n| *n != 4);
        let scale = 1_u64 << if index.is_some() { rng.below(4) } else { 0 };
        let mut displacement = match rng.below(4) {
            0 | 1 => 0,
            2 => rng.u64() as i8 as u64,
            _ => rng.u64() as i16 as u64,
        };
        // Solve base + index * scale + displacement = to.
        match (base, index) {
            (None, None) => displacement = to,
            (Some(base), None) => {
                built.fixups.push((base as usize, to.wrapping_sub(displacement) & mask));
            }
            (base, Some(index)) if base.is_none_or(|b| b == index) => {
                let factor = scale + u64::from(base.is_some());
                let rest = to.wrapping_sub(displacement) & mask;
                displacement = displacement.wrapping_add(rest % factor);
                built.fixups.push((index as usize, rest / factor));
            }
            (Some(base), Some(index)) => {
                let value = rng.below(1 << 12);
                let value = if rng.chance(50) { value.wrapping_neg() & mask } else { value };
                built.fixups.push((index as usize, value));
                let rest = to.wrapping_sub(displacement).wrapping_sub(value.wrapping_mul(scale));
                built.fixups.push((base as usize, rest & mask));
            }
            (None, Some(_)) => return None,
        }
        let narrow = displacement as i32 as u64;
        if narrow != displacement && (long || displacement > u32::MAX.into()) {
            return None;
        }
        if let Some(base) = base {
            instruction.set_memory_base(register(first, base));
        }
        if let Some(index) = index {
            instruction.set_memory_index(register(first, index));
            instruction.set_memory_index_scale(scale as u32);
        }
        let none = base.is_none() && index.is_none();
        let width = if wide { 8 } else { 4 };
        let bytes = match displacement {
            0 if !none => 0,
            d if !none && d as i8 as u64 & mask == d & mask => 1,
            _ => width,
        };
        instruction.set_memory_displ_size(bytes);
        instruction.set_memory_displacement64(displacement & mask);
        Some(())
    }

    /// 16-bit addressing, which reaches what is mapped only with a base of FS or GS.
    fn memory16(&mut self, built: &mut Built, to: u64) -> Option<()> {
        let instruction = &mut built.instruction;
        let (base, index) = self.rng.pick(&[
            (Register::BX, Register::SI),
            (Register::BX, Register::DI),
            (Register::BP, Register::SI),
            (Register::BP, Register::DI),
            (Register::SI, Register::None),
            (Register::DI, Register::None),
            (Register::BX, Register::None),
        ]);
        instruction.set_memory_base(base);
        instruction.set_memory_index(index);
        let displacement = self.rng.u64() as i8 as u64;
        instruction.set_memory_displ_size(1);
        instruction.set_memory_displacement64(displacement & 0xffff);
        let high = self.rng.u64() << 16;
        let mut rest = to.wrapping_sub(displacement);
        if index != Register::None {
            let value = self.rng.u64();
            built.fixups.push((index.full_register().number(), value));
            rest = rest.wrapping_sub(value);
        }
        built.fixups.push((base.full_register().number(), high | rest & 0xffff));
        Some(())
    }
}

/// A selector to jump to: mostly the current one.
pub fn code_selector(rng: &mut Rng) -> u16 {
    match rng.below(8) {
        0..3 => selector::CODE32,
        3..6 => selector::CODE64,
        6 => selector::DATA,
        _ => rng.pick(&[0, 3, selector::KERNEL_CODE, selector::CODE32 & !3, selector::CODE64 & !3]),
    }
}
