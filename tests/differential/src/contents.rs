//! What memory holds before a case where its instruction reads.

use iced_x86::{Code, Instruction, MemorySize, Mnemonic, OpKind};

use crate::case::{Input, State, fx};
use crate::layout::{STACK, selector};
use crate::operands::{branch_target, code_selector};
use crate::registers::{any_selector, control_word, data_selector, elsewhere, fill_state};
use crate::rng::Rng;
use crate::values::{self, Kind};

/// Fills what the instruction reads: `used` are addresses and what lies there.
pub fn fill_memory(
    rng: &mut Rng,
    used: &[(u64, MemorySize)],
    input: &mut Input,
    instruction: &Instruction,
) {
    use Mnemonic as M;
    let string = instruction.is_string_instruction();
    for &(mut address, memory_size) in used {
        let kind = kind_of(memory_size);
        let element = memory_size.element_size();
        let size = memory_size.size();
        let mut data = values::bytes(rng, kind, element, size.clamp(1, 512));
        match instruction.mnemonic() {
            _ if string => {
                // Whichever way it goes. Much the same on both sides, so that comparisons go on.
                let like = rng.u64() as u8;
                data =
                    (0..128).map(|_| if rng.chance(97) { like } else { rng.u64() as u8 }).collect();
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
                data = rng.u64().to_le_bytes()[..size.clamp(2, 8)].to_vec();
            }
            M::Lds | M::Les | M::Lss | M::Lfs | M::Lgs => {
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

/// What the elements of an operand are.
pub fn kind_of(size: MemorySize) -> Kind {
    match size.element_type() {
        MemorySize::Float32 => Kind::F32,
        MemorySize::Float64 => Kind::F64,
        MemorySize::Float80 => Kind::F80,
        MemorySize::Bcd => Kind::Bcd,
        _ => Kind::Int,
    }
}

/// Characters for the string comparisons of SSE4.2, with a zero somewhere.
pub fn text(rng: &mut Rng) -> u128 {
    let letters = rng.pick(&[2_u64, 4, 256]);
    let zero = rng.below(24);
    let mut bytes = [0; 16];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = if i as u64 == zero { 0 } else { 0x7f_u8.wrapping_add(rng.below(letters) as u8) };
    }
    u128::from_le_bytes(bytes)
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
        rng.u64() & 0xffff_ffff & !(3 << 16) & !(1 << 14) | 2,
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
