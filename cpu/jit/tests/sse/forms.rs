//! The instructions with XMM registers.

use iced_x86::{
    Code, CpuidFeature, EncodingKind, Instruction, Mnemonic, OpCodeOperandKind, OpKind, Register,
};

use crate::random::Random;

const IMMEDIATES: [u8; 12] = [0, 1, 5, 7, 8, 0x0b, 0x1b, 0x4e, 0x93, 16, 33, 0xff];

/// All forms of SSE to SSE4.2 with XMM registers.
pub fn all() -> Vec<Code> {
    use CpuidFeature::*;
    let features = [SSE, SSE2, SSE3, SSSE3, SSE4_1, SSE4_2];
    let codes = Code::values().filter(|code| {
        let info = code.op_code();
        let kinds = operands(*code);
        info.encoding() == EncodingKind::Legacy
            && info.mode64()
            && code.cpuid_features().iter().any(|feature| features.contains(feature))
            && kinds.iter().any(|kind| is_xmm(*kind))
            && !kinds.iter().any(|kind| is_mmx(*kind))
            && code.mnemonic() != Mnemonic::Maskmovdqu
    });
    codes.collect()
}

/// Forms for random programs: doubles, singles, integers or everything.
pub fn pool(kind: u64) -> Vec<Code> {
    let mut codes = all();
    codes.retain(|code| {
        let name = format!("{:?}", code.mnemonic());
        let moves = name.starts_with("Mova") || matches!(&*name, "Xorpd" | "Andpd" | "Unpcklpd");
        match kind {
            0 => name.ends_with("sd") || name.contains("sd2") || moves,
            1 => name.ends_with("ss") || name.contains("ss2") || moves,
            2 => name.starts_with('P') || name.starts_with("Mov"),
            _ => true,
        }
    });
    codes
}

fn operands(code: Code) -> Vec<OpCodeOperandKind> {
    let info = code.op_code();
    (0..info.op_count()).map(|n| info.op_kind(n)).collect()
}

fn is_xmm(kind: OpCodeOperandKind) -> bool {
    matches!(
        kind,
        OpCodeOperandKind::xmm_reg | OpCodeOperandKind::xmm_rm | OpCodeOperandKind::xmm_or_mem
    )
}

fn is_mmx(kind: OpCodeOperandKind) -> bool {
    matches!(
        kind,
        OpCodeOperandKind::mm_reg | OpCodeOperandKind::mm_rm | OpCodeOperandKind::mm_or_mem
    )
}

/// What may be chosen about a form's operands.
struct Choice {
    registers: [u32; 2],
    memory: bool,
    address: (Register, i64),
    immediate: u8,
}

/// The instruction; `None` if it has no such variant.
fn build(code: Code, choice: &Choice) -> Option<Instruction> {
    use OpCodeOperandKind as K;
    let mut instr = Instruction::default();
    instr.set_code(code);
    let mut has_memory = false;
    let mut register = 0;
    for (n, kind) in operands(code).into_iter().enumerate() {
        let n = n as u32;
        let mut put_register = |instr: &mut Instruction, first: Register| {
            instr.set_op_kind(n, OpKind::Register);
            let number = choice.registers[register.min(1)];
            register += 1;
            instr.set_op_register(n, first + number);
        };
        let general = |wide: bool| if wide { Register::RAX } else { Register::EAX };
        let optional = matches!(
            kind,
            K::xmm_or_mem | K::r32_or_mem | K::r64_or_mem | K::r32_or_mem_mpx | K::r64_or_mem_mpx
        );
        match kind {
            K::mem => has_memory = true,
            _ if optional && choice.memory => has_memory = true,
            K::xmm_reg | K::xmm_rm | K::xmm_or_mem => {
                put_register(&mut instr, Register::XMM0);
                continue;
            }
            K::r32_reg | K::r32_rm | K::r32_or_mem => {
                instr.set_op_kind(n, OpKind::Register);
                instr.set_op_register(n, general(false));
                continue;
            }
            K::r64_reg | K::r64_rm | K::r64_or_mem => {
                instr.set_op_kind(n, OpKind::Register);
                instr.set_op_register(n, general(true));
                continue;
            }
            K::imm8 => {
                instr.set_op_kind(n, OpKind::Immediate8);
                instr.set_immediate8(choice.immediate);
                continue;
            }
            other => panic!("{code:?} has an operand {other:?}"),
        }
        instr.set_op_kind(n, OpKind::Memory);
        instr.set_memory_base(choice.address.0);
        instr.set_memory_displacement64(choice.address.1 as u64);
        instr.set_memory_displ_size(8);
    }
    if choice.memory && !has_memory || !choice.memory && has_memory {
        return None;
    }
    Some(instr)
}

fn has_immediate(code: Code) -> bool {
    operands(code).contains(&OpCodeOperandKind::imm8)
}

/// Whether the form stores its operand in memory.
fn stores(code: Code) -> bool {
    matches!(
        operands(code).first(),
        Some(
            OpCodeOperandKind::mem
                | OpCodeOperandKind::xmm_or_mem
                | OpCodeOperandKind::r32_or_mem
                | OpCodeOperandKind::r64_or_mem
        )
    )
}

/// Registers alike and different, and memory; with several immediates.
pub fn variants(code: Code) -> Vec<Instruction> {
    let immediates: &[u8] = if has_immediate(code) { &IMMEDIATES } else { &[0] };
    let mut all = Vec::new();
    for &immediate in immediates {
        // Memory that is stored to is behind the operands.
        let displacement = if stores(code) { 0x60 } else { 0x10 };
        let address = (Register::RSI, displacement);
        let ways = [([1, 2], false), ([1, 1], false), ([1, 2], true)];
        // What the immediate is matters to all of them alike.
        let ways = if immediate == 0 { &ways[..] } else { &ways[..1] };
        for &(registers, memory) in ways {
            let choice = Choice { registers, memory, address, immediate };
            all.extend(build(code, &choice));
        }
    }
    all
}

/// One with random operands.
pub fn random(code: Code, random: &mut Random) -> Instruction {
    let address = if stores(code) {
        (Register::RDI, 16 * random.below(8) as i64)
    } else {
        (Register::RSI, 16 * random.below(8) as i64)
    };
    let registers = [random.below(4) as u32, random.below(4) as u32];
    let immediate = random.next() as u8;
    let memory = random.below(3) == 0;
    let mut choice = Choice { registers, memory, address, immediate };
    if let Some(instr) = build(code, &choice) {
        return instr;
    }
    choice.memory = !memory;
    build(code, &choice).expect("registers or memory")
}
