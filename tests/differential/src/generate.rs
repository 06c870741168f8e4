//! Cases: an instruction form, a random encoding of it, and the state it starts from.

use iced_x86::{
    Code, Decoder, DecoderOptions, Encoder, Instruction, InstructionInfoFactory, MemorySize,
    Mnemonic, OpKind, Register,
};

use crate::case::{Input, State, fx};
use crate::layout::{CODE, CODE_PAGES, GS_BASE, PAGE, STACK, is_safe, selector};
use crate::operands::{Builder, branch_target, code_selector, target};
use crate::rng::Rng;
use crate::values::{self, Kind};

const RSP: usize = 4;
const RBP: usize = 5;
/// Tries at one form before giving up.
const TRIES: u32 = 40;

/// A case and the instruction in it.
pub struct Case {
    /// What it begins with.
    pub input: Input,
    /// The form.
    pub code: Code,
    /// The instruction as decoded again, or an invalid one.
    pub instruction: Instruction,
}

/// Decodes a case's instruction.
pub fn decode(input: &Input) -> Instruction {
    Decoder::with_ip(input.bits, input.code(), input.state.rip, DecoderOptions::NONE).decode()
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

    fn attempt(&mut self, code: Code, bits: u32) -> Option<Case> {
        let rng = &mut self.rng;
        // The length decides where there is room, so the place is chosen before and kept if it fits.
        let end = CODE + (CODE_PAGES * PAGE) as u64;
        let rip = match rng.below(100) {
            0..88 => CODE + 16 + rng.below(PAGE as u64 - 32),
            88..95 => CODE + PAGE as u64 - rng.below(12),
            _ => end - 1 - rng.below(12),
        };
        let built = Builder { rng, bits, rip }.build(code)?;
        let mut encoder = Encoder::new(bits);
        encoder.encode(&built.instruction, rip).ok()?;
        let mut bytes = encoder.take_buffer();
        // Near branches with an operand size prefix are the vendors' own business.
        // So is LOCK before MOV from control registers.
        let control =
            built.instruction.op_register(0).is_cr() || built.instruction.op_register(1).is_cr();
        if !built.instruction.is_near_branch() && !control {
            add_prefix(rng, &mut bytes, bits);
        }
        if bytes.len() > 15 {
            return None;
        }
        let mut input = Input { bits, code_len: bytes.len() as u32, ..Input::ZERO };
        input.code[..bytes.len()].copy_from_slice(&bytes);
        input.state.rip = rip;
        let mut instruction = decode(&input);
        if instruction.code() != code && !(instruction.is_invalid() && bytes[0] == 0xf0) {
            // The prefix made it another one, or there is another way to write it.
            if bytes[1..].len() + 1 == bytes.len() && decode_len(&bytes[1..], bits, code, rip) {
                bytes.remove(0);
                input.code = [0; 16];
                input.code[..bytes.len()].copy_from_slice(&bytes);
                input.code_len = bytes.len() as u32;
                instruction = decode(&input);
            } else {
                return None;
            }
        }
        let last = rip + u64::from(input.code_len);
        if matches!(code.mnemonic(), Mnemonic::Ud0 | Mnemonic::Ud1) && last + 8 > end {
            // AMD's do not look at ModRM.
            return None;
        }
        fill_state(rng, &mut input.state, code);
        for (number, value) in built.fixups {
            input.state.regs[number] = value;
        }
        if !instruction.is_invalid() {
            self.set_up(&mut input, &instruction);
            if bits == 32 {
                narrow(&mut input.state);
            }
            if !self.is_safe(&input, &instruction) {
                return None;
            }
            self.fill_memory(&mut input, &instruction);
        }
        if bits == 32 {
            narrow(&mut input.state);
        }
        Some(Case { input, code, instruction })
    }

    /// Whether both sides have the same memory wherever the instruction reaches, and it comes to an
    /// end.
    pub fn is_safe(&mut self, input: &Input, instruction: &Instruction) -> bool {
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
            if !is_safe(first, size.max(512)) {
                return false;
            }
        }
        if instruction.mnemonic() == Mnemonic::Enter {
            let frame = input.state.regs[RBP];
            return is_safe(frame.wrapping_sub(512), 512);
        }
        // A jump into the instruction itself may go round for ever.
        if instruction.is_near_branch() && instruction.op_count() > 0 {
            let to = instruction.near_branch_target();
            return !(instruction.ip()..instruction.next_ip()).contains(&to);
        }
        true
    }

    fn set_up(&mut self, input: &mut Input, instruction: &Instruction) {
        use Mnemonic as M;
        let rng = &mut self.rng;
        let state = &mut input.state;
        let regs = &mut state.regs;
        // The stack pointer and frame pointer of whatever uses them, unless an address needs them.
        let fixed = |r: usize| {
            [instruction.memory_base(), instruction.memory_index()]
                .iter()
                .any(|m| *m != Register::None && m.is_gpr() && m.full_register().number() == r)
        };
        if !fixed(RSP) {
            regs[RSP] = match rng.below(20) {
                0 => target(rng, 8, input.bits),
                1 => STACK + PAGE as u64 + 8 - rng.below(16),
                2 => STACK + 0x100 + rng.below(0x1e00),
                _ => STACK + 0x100 + rng.below(0x3c0) * 8,
            };
        }
        match instruction.mnemonic() {
            M::Div | M::Idiv => {
                let narrow = rng.below(4);
                if narrow == 0 {
                    regs[2] = 0;
                    regs[0] &= 0xffff_ffff_ffff_00ff;
                } else if narrow == 1 {
                    regs[2] = ((regs[0] as i64) >> 63) as u64;
                } else if narrow == 2 {
                    regs[2] &= 0xff;
                }
            }
            M::Movsb
            | M::Movsw
            | M::Movsd
            | M::Movsq
            | M::Cmpsb
            | M::Cmpsw
            | M::Cmpsd
            | M::Cmpsq
            | M::Stosb
            | M::Stosw
            | M::Stosd
            | M::Stosq
            | M::Lodsb
            | M::Lodsw
            | M::Lodsd
            | M::Lodsq
            | M::Scasb
            | M::Scasw
            | M::Scasd
            | M::Scasq
                if instruction.is_string_instruction() =>
            {
                let high = regs[1] & !0xffff_ffff;
                regs[1] = match rng.below(20) {
                    0 => 0,
                    1 => rng.below(5000),
                    2 => rng.u64() >> rng.below(64),
                    _ => rng.below(40),
                };
                if rng.chance(10) {
                    regs[1] |= high;
                }
                if rng.chance(15) {
                    // Overlapping.
                    regs[7] = regs[6].wrapping_add(rng.below(80)).wrapping_sub(40);
                }
            }
            M::Loop | M::Loope | M::Loopne | M::Jcxz | M::Jecxz | M::Jrcxz if rng.chance(50) => {
                regs[1] = rng.pick(&[0, 1, 2, 0x1_0000_0000, 0x1_0000, 0xffff_ffff]);
            }
            M::Rol
            | M::Ror
            | M::Rcl
            | M::Rcr
            | M::Shl
            | M::Shr
            | M::Sal
            | M::Sar
            | M::Shld
            | M::Shrd
                if !fixed(1) && rng.chance(70) =>
            {
                regs[1] = regs[1] & !0xff | rng.below(68);
            }
            M::Bt | M::Bts | M::Btr | M::Btc
                if instruction.op1_kind() == OpKind::Register
                    && !fixed(instruction.op1_register().number()) =>
            {
                let offset = &mut regs[instruction.op1_register().number()];
                *offset = match rng.below(4) {
                    0 => *offset & 0x3f,
                    1 => rng.below(0x9000),
                    2 => rng.below(0x9000).wrapping_neg(),
                    _ => *offset,
                };
            }
            M::Enter => {
                regs[RBP] = STACK + 0x200 + rng.below(0x1c00);
            }
            M::Leave => {
                regs[RBP] = if rng.chance(85) {
                    STACK + 0x100 + rng.below(0x1e00)
                } else {
                    target(rng, 8, input.bits)
                };
            }
            M::Call | M::Jmp => {
                if instruction.is_call_far_indirect() {
                    // AMD uses the stack with the width that the new code segment gives it.
                    regs[RSP] &= 0xffff_ffff;
                }
                if instruction.op0_kind() == OpKind::Register {
                    let number = instruction.op0_register().number();
                    regs[number] = elsewhere(branch_target(rng), instruction);
                }
            }
            M::Mov
                if instruction.op0_register().is_segment_register()
                    && instruction.op1_kind() == OpKind::Register =>
            {
                regs[instruction.op1_register().number()] = data_selector(rng).into();
            }
            M::Lar | M::Lsl | M::Verr | M::Verw | M::Arpl => {
                let operand = u32::from(matches!(instruction.mnemonic(), M::Lar | M::Lsl));
                if instruction.op_kind(operand) == OpKind::Register {
                    let high = rng.u64() & !0xffff;
                    let number = instruction.op_register(operand).number();
                    regs[number] = high | u64::from(any_selector(rng));
                }
            }
            M::Pcmpestri | M::Pcmpestrm | M::Pcmpestri64 | M::Pcmpestrm64 => {
                for number in [0, 2] {
                    if !fixed(number) && rng.chance(70) {
                        regs[number] = rng.below(40).wrapping_sub(20);
                    }
                }
            }
            _ => {}
        }
        if instruction.is_string_instruction() && instruction.code().is_privileged() {
            // AMD checks the port of INS and OUTS even if nothing is to be done.
            regs[1] |= 1;
        }
        if instruction.is_string_instruction() || rng.chance(5) {
            // The direction matters to nothing else, which is to be seen, too.
            state.rflags = state.rflags & !0x400 | rng.below(2) << 10;
        }
        if matches!(
            instruction.mnemonic(),
            M::Pcmpistri
                | M::Pcmpistrm
                | M::Pcmpestri
                | M::Pcmpestrm
                | M::Pcmpestri64
                | M::Pcmpestrm64
        ) {
            for i in 0..16 {
                let text = text(rng);
                state.fx.set_xmm(i, text);
            }
        }
    }

    fn fill_memory(&mut self, input: &mut Input, instruction: &Instruction) {
        use Mnemonic as M;
        let used: Vec<_> = self
            .info
            .info(instruction)
            .used_memory()
            .iter()
            .filter_map(|memory| {
                let address =
                    memory.virtual_address(0, |r, _, _| Some(register_value(input, r)))?;
                Some((address, memory.memory_size()))
            })
            .take(3)
            .collect();
        let rng = &mut self.rng;
        let string = instruction.is_string_instruction();
        for (mut address, memory_size) in used {
            let kind = kind_of(memory_size);
            let element = memory_size.element_size();
            let size = memory_size.size();
            let mut data = values::bytes(rng, kind, element, size.clamp(1, 512));
            match instruction.mnemonic() {
                _ if string => {
                    // Whichever way it goes. Much the same on both sides, so that comparisons go on.
                    let like = rng.u64() as u8;
                    data = (0..128)
                        .map(|_| if rng.chance(97) { like } else { rng.u64() as u8 })
                        .collect();
                    if rng.chance(60) {
                        let accumulator = if rng.chance(50) { like } else { rng.u64() as u8 };
                        input.state.regs[0] = u64::from(accumulator) * 0x0101_0101_0101_0101;
                    }
                    address = address.wrapping_sub(60);
                }
                M::Ret | M::Retf | M::Iret | M::Iretd | M::Iretq => {
                    // The first access is the lowest.
                    data = return_frame(rng, instruction);
                }
                M::Call | M::Jmp if instruction.op0_kind() == OpKind::Memory => {
                    data = elsewhere(branch_target(rng), instruction).to_le_bytes().to_vec();
                    let offset = match instruction.code() {
                        Code::Call_m1616 | Code::Jmp_m1616 => 2,
                        Code::Call_m1632 | Code::Jmp_m1632 => 4,
                        _ => 8,
                    };
                    data.truncate(offset);
                    if offset < 8 {
                        data.extend(code_selector(rng).to_le_bytes());
                    }
                    input.patch(address, &data);
                    break;
                }
                M::Popf | M::Popfd | M::Popfq => {
                    data = (rng.u64() & !0x100).to_le_bytes()[..size.clamp(2, 8)].to_vec();
                }
                M::Lds | M::Les => {
                    data = rng.u64().to_le_bytes()[..size - 2].to_vec();
                    data.extend(data_selector(rng).to_le_bytes());
                }
                M::Mov if instruction.op0_register().is_segment_register() => {
                    data = data_selector(rng).to_le_bytes().to_vec();
                }
                M::Pop if instruction.op0_register().is_segment_register() => {
                    data = u64::from(data_selector(rng)).to_le_bytes().to_vec();
                }
                M::Lar | M::Lsl | M::Verr | M::Verw | M::Arpl => {
                    data = any_selector(rng).to_le_bytes().to_vec();
                }
                M::Ldmxcsr => {
                    let bad = if rng.chance(10) { 1 << (18 + rng.below(14)) } else { 0 };
                    data = (rng.u64() as u32 & 0xffff | bad).to_le_bytes().to_vec();
                }
                M::Fldcw => data = control_word(rng).to_le_bytes().to_vec(),
                M::Fldenv | M::Frstor => data = environment(rng, instruction),
                M::Fxrstor | M::Fxrstor64 => {
                    let mut state = State::ZERO;
                    fill_state(rng, &mut state, instruction.code());
                    if rng.chance(10) {
                        let bad = 1_u32 << (18 + rng.below(14));
                        state.fx.set(fx::MXCSR, &bad.to_le_bytes());
                    }
                    data = state.fx.0.to_vec();
                }
                M::Cmpxchg8b | M::Cmpxchg16b if rng.chance(50) => {
                    let half = size / 2;
                    data = input.state.regs[0].to_le_bytes()[..half].to_vec();
                    data.extend(&input.state.regs[2].to_le_bytes()[..half]);
                }
                M::Cmpxchg if rng.chance(50) => {
                    data = input.state.regs[0].to_le_bytes()[..size.clamp(1, 8)].to_vec();
                }
                M::Pcmpistri
                | M::Pcmpistrm
                | M::Pcmpestri
                | M::Pcmpestrm
                | M::Pcmpestri64
                | M::Pcmpestrm64 => data = text(rng).to_le_bytes().to_vec(),
                _ => {}
            }
            input.patch(address, &data);
        }
    }
}

/// What the vendors disagree on in near branches: see `forms`.
trait NearBranch {
    fn is_near_branch(&self) -> bool;
}

impl NearBranch for Instruction {
    fn is_near_branch(&self) -> bool {
        use iced_x86::FlowControl as F;
        !matches!(self.flow_control(), F::Next | F::Interrupt | F::Exception)
    }
}

/// Whether the bytes without the first are this form.
fn decode_len(bytes: &[u8], bits: u32, code: Code, rip: u64) -> bool {
    let instruction = Decoder::with_ip(bits, bytes, rip, DecoderOptions::NONE).decode();
    instruction.code() == code && instruction.len() == bytes.len()
}

/// Puts a prefix in front now and then that should change nothing, or that is not allowed.
fn add_prefix(rng: &mut Rng, bytes: &mut Vec<u8>, bits: u32) {
    if !rng.chance(10) {
        return;
    }
    let prefix = match rng.below(20) {
        0 => 0xf0,
        1..4 => 0x66,
        4..7 => rng.pick(&[0xf2, 0xf3]),
        7 | 8 if bits == 64 => 0x40 + rng.below(16) as u8,
        _ => rng.pick(&[0x2e, 0x36, 0x3e, 0x26]),
    };
    bytes.insert(0, prefix);
}

/// Value of a register for an address: segments have their bases.
pub fn register_value(input: &Input, register: Register) -> u64 {
    if register == Register::GS && input.bits == 64 {
        return GS_BASE;
    }
    if register.is_segment_register() {
        return 0;
    }
    let full = input.state.regs[register.full_register().number() & 15];
    match register.size() {
        1 => full & 0xff,
        2 => full & 0xffff,
        4 => full & 0xffff_ffff,
        _ => full,
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

fn kind_of(size: MemorySize) -> Kind {
    match size.element_type() {
        MemorySize::Float32 => Kind::F32,
        MemorySize::Float64 => Kind::F64,
        MemorySize::Float80 => Kind::F80,
        MemorySize::Bcd => Kind::Bcd,
        _ => Kind::Int,
    }
}

fn data_selector(rng: &mut Rng) -> u16 {
    rng.pick(&[
        selector::DATA,
        selector::DATA,
        0,
        3,
        selector::DATA & !3,
        selector::KERNEL_DATA,
        selector::CODE32,
    ])
}

fn any_selector(rng: &mut Rng) -> u16 {
    use selector::{CODE32, CODE64, DATA, KERNEL_CODE, KERNEL_DATA};
    rng.pick(&[CODE32, CODE64, DATA, KERNEL_CODE, KERNEL_DATA, 0, 1, 0x20, 0x28, 0x30, 8, 0xfff8])
}

fn narrow(state: &mut State) {
    for reg in &mut state.regs {
        *reg &= 0xffff_ffff;
    }
    state.regs[8..].fill(0);
    for i in 8..16 {
        state.fx.set_xmm(i, 0);
    }
}

fn control_word(rng: &mut Rng) -> u16 {
    // Bit 6 always reads as 1; precision and rounding are bits 8 to 11.
    let masks = if rng.chance(70) { 0x3f } else { rng.u64() as u16 & 0x3f };
    let precision = rng.pick(&[0x300, 0x300, 0x200, 0, 0x100]);
    0x40 | masks | precision | (rng.below(4) as u16) << 10
}

fn text(rng: &mut Rng) -> u128 {
    let letters = rng.pick(&[2_u64, 4, 256]);
    let zero = rng.below(24);
    let mut bytes = [0; 16];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = if i as u64 == zero { 0 } else { 0x7f_u8.wrapping_add(rng.below(letters) as u8) };
    }
    u128::from_le_bytes(bytes)
}

/// The target, unless it lies in the branch itself, which might go round for ever.
fn elsewhere(target: u64, instruction: &Instruction) -> u64 {
    let inside = (instruction.ip()..instruction.next_ip()).contains(&target);
    if inside { instruction.next_ip() } else { target }
}

/// What RET or IRET finds on the stack.
fn return_frame(rng: &mut Rng, instruction: &Instruction) -> Vec<u8> {
    let width = match instruction.code() {
        Code::Retnw | Code::Retnw_imm16 | Code::Retfw | Code::Retfw_imm16 | Code::Iretw => 2,
        Code::Retnd | Code::Retnd_imm16 | Code::Retfd | Code::Retfd_imm16 | Code::Iretd => 4,
        _ => 8,
    };
    let frame = [
        elsewhere(branch_target(rng), instruction),
        // AMD looks at the outer stack before it finds fault with a selector of privilege level 0.
        u64::from(code_selector(rng)) | 3,
        rng.u64() & 0xffff_feff & !(3 << 16) & !(1 << 14) | 2,
        STACK + rng.below(0x2000),
        selector::DATA.into(),
    ];
    frame.iter().flat_map(|word| word.to_le_bytes()[..width].to_vec()).collect()
}

/// What FLDENV or FRSTOR loads.
fn environment(rng: &mut Rng, instruction: &Instruction) -> Vec<u8> {
    let width = match instruction.code() {
        Code::Fldenv_m14byte | Code::Frstor_m94byte => 2,
        _ => 4,
    };
    let status = rng.u64() as u16 & if rng.chance(20) { 0xffff } else { 0x7f40 };
    let tags = rng.pick(&[0, 0xffff, 0x5555, rng.clone().u64() as u16]);
    let mut data = Vec::new();
    for word in [control_word(rng), status, tags] {
        data.extend(&u32::from(word).to_le_bytes()[..width]);
    }
    for _ in 0..4 {
        data.extend(&(rng.u64() as u32).to_le_bytes()[..width]);
    }
    if instruction.mnemonic() == Mnemonic::Frstor {
        data.extend(values::bytes(rng, Kind::F80, 10, 80));
    }
    data
}

fn fill_state(rng: &mut Rng, state: &mut State, code: Code) {
    for reg in &mut state.regs {
        *reg = values::int(rng);
    }
    state.regs[RSP] = STACK + 0x800;
    // Arithmetic flags; the direction flag where it matters.
    state.rflags = 0x202 | rng.u64() & 0x8d5;
    let like = kind_of(code.op_code().memory_size());
    for i in 0..16 {
        let kind = if like == Kind::Int {
            rng.pick(&[Kind::Int, Kind::Int, Kind::F32, Kind::F64])
        } else {
            like
        };
        state.fx.set_xmm(i, values::xmm(rng, kind));
    }
    for i in 0..8 {
        state.fx.set_st(i, values::f80(rng));
    }
    let control = if rng.chance(40) { 0x37f } else { control_word(rng) };
    let mut status = rng.u64() as u16 & 0x4700;
    if rng.chance(50) {
        status |= (rng.below(8) as u16) << 11;
    }
    if rng.chance(30) {
        status |= rng.u64() as u16 & 0x7f;
    }
    if !rng.chance(5) {
        // No exception is pending.
        status &= !0x3f | control & 0x3f;
    }
    if status & !control & 0x3f != 0 {
        status |= 0x8080;
    }
    let tags = match rng.below(10) {
        0..6 => 0xff,
        6 => 0,
        _ => rng.u64() as u8,
    };
    state.fx.set(fx::FCW, &control.to_le_bytes());
    state.fx.set(fx::FSW, &status.to_le_bytes());
    state.fx.set(fx::FTW, &[tags]);
    let masks = if rng.chance(60) { 0x1f80 } else { rng.u64() as u32 & 0x1f80 };
    let flush = if rng.chance(20) { rng.u64() as u32 & 0x8040 } else { 0 };
    let rounding = if rng.chance(50) { 0 } else { rng.u64() as u32 & 0x6000 };
    let flags = if rng.chance(30) { rng.u64() as u32 & 0x3f } else { 0 };
    state.fx.set(fx::MXCSR, &(masks | flush | rounding | flags).to_le_bytes());
}
