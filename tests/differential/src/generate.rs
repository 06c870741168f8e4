//! Cases: an instruction form and a random encoding of it, or random bytes, and the state to start from.

use iced_x86::{
    Code, Decoder, DecoderError, DecoderOptions, Encoder, FlowControl, Instruction,
    InstructionInfoFactory, MemorySize, Mnemonic, OpCodeTableKind, OpKind, Register,
};

use crate::case::{Input, MAX_CODE};
use crate::contents::fill_memory;
use crate::forms;
use crate::layout::{CODE, CODE_PAGES, ENVIRONMENT, PAGE, is_safe};
use crate::operands::{Builder, target};
use crate::prefixes::{add_prefixes, has_operand_size, has_repeat, prefixes, random_bytes};
use crate::registers::{RBP, TF, fill_segments, fill_state, narrow, set_up};
use crate::rng::Rng;
use crate::undefined::operand_address;

/// Tries at one form before giving up.
const TRIES: u32 = 40;
/// One byte more than an instruction may have.
const TOO_LONG: usize = 16;
const CODE_END: u64 = CODE + (CODE_PAGES * PAGE) as u64;

/// A case and the instruction in it.
pub struct Case {
    /// What it begins with.
    pub input: Input,
    /// The form.
    pub code: Code,
    /// The instruction as decoded again, or an invalid one.
    pub instruction: Instruction,
}

/// Decodes a case's instruction. What is newer than the model and was a NOP before is a NOP.
pub fn decode(input: &Input) -> Instruction {
    let decode = |options| {
        let code = &input.code()[..input.code().len().min(TOO_LONG)];
        Decoder::with_ip(input.bits, code, input.state.rip, options).decode()
    };
    let newest = decode(DecoderOptions::NONE);
    if newest.is_invalid() || forms::is_advertised(newest.code()) {
        return newest;
    }
    let old = decode(DecoderOptions::FORCE_RESERVED_NOP);
    if forms::is_advertised(old.code()) { old } else { newest }
}

/// Makes cases.
pub struct Generator {
    rng: Rng,
    info: InstructionInfoFactory,
}

impl Generator {
    /// Starts a sequence.
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), info: InstructionInfoFactory::new() }
    }

    /// A case of this form, or `None` if no try gave one.
    pub fn case(&mut self, code: Code, bits: u32) -> Option<Case> {
        (0..TRIES).find_map(|_| self.attempt(code, bits))
    }

    /// A case of random bytes. The form is `INVALID` if they are no instruction.
    pub fn raw(&mut self, bits: u32) -> Option<Case> {
        (0..TRIES).find_map(|_| self.attempt_raw(bits))
    }

    /// A place for an instruction: mostly inside a page, but also across two and at the end.
    fn place(&mut self) -> u64 {
        let rng = &mut self.rng;
        match rng.below(100) {
            0..88 => CODE + 16 + rng.below(PAGE as u64 - 48),
            88..95 => CODE + PAGE as u64 - rng.below(14),
            _ => CODE_END - 1 - rng.below(14),
        }
    }

    fn attempt(&mut self, code: Code, bits: u32) -> Option<Case> {
        let rip = self.place();
        let mut input = Input { bits, ..Input::ZERO };
        input.state.rip = rip;
        fill_segments(&mut self.rng, &mut input);
        let bases = input.state.bases;
        let built = Builder { rng: &mut self.rng, bits, rip, bases }.build(code)?;
        let mut encoder = Encoder::new(bits);
        encoder.encode(&built.instruction, rip).ok()?;
        let plain = encoder.take_buffer();
        let mut bytes = plain.clone();
        let control =
            built.instruction.op_register(0).is_cr() || built.instruction.op_register(1).is_cr();
        // The vendors disagree on near branches with an operand size prefix, and AMD's have LOCK before
        // MOV from control registers.
        // With F2 or F3 they take the condition of LOOPE and LOOPNE from the prefix.
        let loops = matches!(code.mnemonic(), Mnemonic::Loope | Mnemonic::Loopne);
        if !(control || loops || bits == 64 && is_branch(&built.instruction)) {
            add_prefixes(&mut self.rng, &mut bytes, bits);
        }
        set_code(&mut input, &bytes);
        let mut instruction = decode(&input);
        let as_meant = instruction.code() == code && instruction.len() == input.code().len();
        if !as_meant && (!instruction.is_invalid() || is_cut(&input)) {
            // The prefixes made it another one, or there is another way to write it.
            set_code(&mut input, &plain);
            instruction = decode(&input);
            if instruction.code() != code || instruction.len() != plain.len() {
                return None;
            }
        }
        let last = rip + u64::from(input.code_len);
        if matches!(code.mnemonic(), Mnemonic::Ud0 | Mnemonic::Ud1) && last + 8 > CODE_END {
            // AMD's do not look at ModRM.
            return None;
        }
        fill_state(&mut self.rng, &mut input.state, code);
        for (number, value) in built.fixups {
            input.state.regs[number] = value;
        }
        self.furnish(&mut input, &instruction)?;
        Some(Case { input, code, instruction })
    }

    fn attempt_raw(&mut self, bits: u32) -> Option<Case> {
        let rip = self.place();
        let mut input = Input { bits, ..Input::ZERO };
        input.state.rip = rip;
        fill_segments(&mut self.rng, &mut input);
        let bytes = random_bytes(&mut self.rng, bits);
        set_code(&mut input, &bytes);
        let instruction = decode(&input);
        let code = instruction.code();
        if instruction.is_invalid() {
            // LOCK before MOV from and to control registers: as above. VMCALL and VMMCALL with
            // prefixes: a hypervisor under the host answers them, with #GP where there is no such
            // instruction.
            let opcode = &bytes[prefixes(&bytes, bits).len()..];
            if matches!(opcode, [0x0f, 0x20 | 0x22, ..] | [0x0f, 0x01, 0xc1 | 0xd9, ..]) {
                return None;
            }
        } else {
            if !forms::is_advertised(code) || forms::excluded(code, bits).is_some() {
                return None;
            }
            if bits == 64 && is_branch(&instruction) && has_operand_size(&bytes, bits) {
                return None;
            }
            if has_repeat(&bytes, bits)
                && matches!(instruction.mnemonic(), Mnemonic::Loope | Mnemonic::Loopne)
            {
                return None;
            }
            set_code(&mut input, &bytes[..instruction.len()]);
        }
        fill_state(&mut self.rng, &mut input.state, code);
        // Registers are addresses more often than not.
        for number in 0..16 {
            if self.rng.chance(70) {
                input.state.regs[number] = target(&mut self.rng, 16, bits);
            }
        }
        self.furnish(&mut input, &instruction)?;
        Some(Case { input, code, instruction })
    }

    /// Completes registers and memory for an instruction, and what follows it.
    fn furnish(&mut self, input: &mut Input, instruction: &Instruction) -> Option<()> {
        if !instruction.is_invalid() {
            set_up(&mut self.rng, input, instruction);
            if input.bits == 32 {
                narrow(&mut input.state);
            }
            if !self.is_safe(input, instruction) {
                return None;
            }
            let used = self.used_memory(input, instruction);
            fill_memory(&mut self.rng, &used, input, instruction);
        }
        if input.bits == 32 {
            narrow(&mut input.state);
        }
        if is_x87(instruction) && input.state.rflags & TF == 0 && self.rng.chance(40) {
            append_environment(input);
        }
        Some(())
    }

    fn used_memory(&mut self, input: &Input, instruction: &Instruction) -> Vec<(u64, MemorySize)> {
        let info = self.info.info(instruction);
        let used = info.used_memory().iter();
        used.filter_map(|memory| {
            let address = memory.virtual_address(0, |r, _, _| Some(register_value(input, r)))?;
            Some((linear(input, address), memory.memory_size()))
        })
        .take(3)
        .collect()
    }

    /// Whether both sides have the same memory wherever the instruction reaches, and it comes to an
    /// end.
    pub fn is_safe(&mut self, input: &Input, instruction: &Instruction) -> bool {
        if instruction.mnemonic() == Mnemonic::Int && instruction.immediate8() == 0x80 {
            // For programs on Linux.
            return false;
        }
        let info = self.info.info(instruction);
        for memory in info.used_memory() {
            let Some(address) = memory.virtual_address(0, |r, _, _| Some(register_value(input, r)))
            else {
                return false;
            };
            let size = memory.memory_size().size() as u64;
            let mut first = address;
            if matches!(
                instruction.mnemonic(),
                Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc
            ) && instruction.op1_kind() == OpKind::Register
            {
                first = address.wrapping_add(bit_offset(input, instruction));
            }
            if !is_safe(linear(input, first), size.max(512)) {
                return false;
            }
        }
        if instruction.mnemonic() == Mnemonic::Enter {
            let frame = linear(input, input.state.regs[RBP]);
            return is_safe(linear(input, frame.wrapping_sub(512)), 512);
        }
        // Where an operand of several parts goes on behind 64 KiB of 16-bit addresses is not laid down.
        if has_parts(instruction.memory_size()) && instruction.memory_base().size() == 2 {
            let segment = segment_base(input.state.bases, instruction.memory_segment());
            let first = operand_address(input, instruction).wrapping_sub(segment) & 0xffff;
            if first > 0xffff - 512 {
                return false;
            }
        }
        // A jump into the instruction itself may go round for ever.
        if is_branch(instruction) && instruction.op_count() > 0 {
            let to = match instruction.op0_kind() {
                OpKind::FarBranch16 => instruction.far_branch16().into(),
                OpKind::FarBranch32 => instruction.far_branch32().into(),
                _ => instruction.near_branch_target(),
            };
            return is_safe(to, 1) && !(instruction.ip()..instruction.next_ip()).contains(&to);
        }
        true
    }
}

/// Whether a prefix has made the instruction longer than its bytes.
fn is_cut(input: &Input) -> bool {
    let mut decoder = Decoder::new(input.bits, input.code(), DecoderOptions::NONE);
    let _ = decoder.decode();
    decoder.last_error() == DecoderError::NoMoreBytes
}

/// Whether an operand is read or written in several parts.
fn has_parts(size: MemorySize) -> bool {
    use MemorySize as S;
    matches!(
        size,
        S::SegPtr16
            | S::SegPtr32
            | S::SegPtr64
            | S::Bound16_WordWord
            | S::Bound32_DwordDword
            | S::FpuEnv14
            | S::FpuEnv28
            | S::FpuState94
            | S::FpuState108
            | S::Fxsave_512Byte
            | S::Fxsave64_512Byte
    )
}

fn set_code(input: &mut Input, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(TOO_LONG)];
    input.code = [0; MAX_CODE];
    input.code[..bytes.len()].copy_from_slice(bytes);
    input.code_len = bytes.len() as u32;
}

/// Lets the x87's environment be stored after the instruction: FXSAVE, as the kernel uses it, does not
/// show all of it.
fn append_environment(input: &mut Input) {
    // FNSTENV to an absolute address, with a prefix for SS, which is always usable.
    let opcode: &[u8] =
        if input.bits == 64 { &[0x36, 0xd9, 0x34, 0x25] } else { &[0x36, 0xd9, 0x35] };
    let mut bytes = opcode.to_vec();
    bytes.extend((ENVIRONMENT as u32).to_le_bytes());
    let len = input.code_len as usize;
    if input.state.rip + (len + bytes.len()) as u64 >= CODE_END {
        return;
    }
    input.code[len..len + bytes.len()].copy_from_slice(&bytes);
    input.code_len += bytes.len() as u32;
}

/// Whether an instruction is one of the x87's.
pub fn is_x87(instruction: &Instruction) -> bool {
    let op = instruction.op_code();
    let first = match op.op_code_len() {
        2 => op.op_code() >> 8,
        _ => op.op_code(),
    };
    op.table() == OpCodeTableKind::Normal && (0xd8..=0xdf).contains(&first)
}

fn is_branch(instruction: &Instruction) -> bool {
    use FlowControl as F;
    !matches!(instruction.flow_control(), F::Next | F::Interrupt | F::Exception)
}

/// A linear address as the mode has it.
pub fn linear(input: &Input, address: u64) -> u64 {
    if input.bits == 64 { address } else { address & 0xffff_ffff }
}

/// Value of a register for an address: segments have their bases.
pub fn register_value(input: &Input, register: Register) -> u64 {
    if register.is_segment_register() {
        return segment_base(input.state.bases, register);
    }
    let full = input.state.regs[register.full_register().number() & 15];
    match register.size() {
        1 => full & 0xff,
        2 => full & 0xffff,
        4 => full & 0xffff_ffff,
        _ => full,
    }
}

/// The base of a segment register, of which only FS and GS have one.
pub fn segment_base(bases: [u64; 2], register: Register) -> u64 {
    match register {
        Register::FS => bases[0],
        Register::GS => bases[1],
        _ => 0,
    }
}

/// How far from its operand's address a bit instruction reaches.
fn bit_offset(input: &Input, instruction: &Instruction) -> u64 {
    let register = instruction.op1_register();
    let offset = input.state.regs[register.number()];
    let bytes = match register.size() {
        2 => (offset as i16 as i64 >> 4) * 2,
        4 => (offset as i32 as i64 >> 5) * 4,
        _ => (offset as i64 >> 6) * 8,
    };
    bytes as u64
}
