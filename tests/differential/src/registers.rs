//! What the registers hold before a case: edges and random values, and what its instruction needs to
//! come to anything.

use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};

use crate::case::{DS, ES, FS, GS, Input, State, fx};
use crate::contents::{kind_of, text};
use crate::layout::{DATA, PAGE, STACK, selector};
use crate::operands::{branch_target, target};
use crate::rng::Rng;
use crate::values::{self, Kind};

/// Number of RSP.
pub const RSP: usize = 4;
/// Number of RBP.
pub const RBP: usize = 5;
/// Single steps.
pub const TF: u64 = 1 << 8;
/// Alignment is checked.
pub const AC: u64 = 1 << 18;

/// Gives registers values with which the instruction comes to something.
pub fn set_up(rng: &mut Rng, input: &mut Input, instruction: &Instruction) {
    use Mnemonic as M;
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
        M::Pcmpistri | M::Pcmpistrm | M::Pcmpestri | M::Pcmpestrm | M::Pcmpestri64 | M::Pcmpestrm64
    ) {
        for i in 0..16 {
            let text = text(rng);
            state.fx.set_xmm(i, text);
        }
    }
}

/// The target, unless it lies in the branch itself, which might go round for ever.
pub fn elsewhere(target: u64, instruction: &Instruction) -> u64 {
    let inside = (instruction.ip()..instruction.next_ip()).contains(&target);
    if inside { instruction.next_ip() } else { target }
}

/// A selector for a data segment: mostly one that can be loaded.
pub fn data_selector(rng: &mut Rng) -> u16 {
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

/// A selector for instructions that only look at descriptors.
pub fn any_selector(rng: &mut Rng) -> u16 {
    use selector::{CODE32, CODE64, DATA, KERNEL_CODE, KERNEL_DATA};
    rng.pick(&[CODE32, CODE64, DATA, KERNEL_CODE, KERNEL_DATA, 0, 1, 0x20, 0x28, 0x30, 8, 0xfff8])
}

/// Leaves what 32-bit code has.
pub fn narrow(state: &mut State) {
    for reg in &mut state.regs {
        *reg &= 0xffff_ffff;
    }
    state.regs[8..].fill(0);
    for i in 8..16 {
        state.fx.set_xmm(i, 0);
    }
}

/// An x87 control word.
pub fn control_word(rng: &mut Rng) -> u16 {
    // Bit 6 always reads as 1; precision and rounding are bits 8 to 11.
    let masks = if rng.chance(70) { 0x3f } else { rng.u64() as u16 & 0x3f };
    let precision = rng.pick(&[0x300, 0x300, 0x200, 0, 0x100]);
    0x40 | masks | precision | (rng.below(4) as u16) << 10
}

/// Fills all registers.
pub fn fill_state(rng: &mut Rng, state: &mut State, code: Code) {
    for reg in &mut state.regs {
        *reg = values::int(rng);
    }
    state.regs[RSP] = STACK + 0x800;
    // Arithmetic flags; the direction flag where it matters; single steps and alignment now and then.
    state.rflags = 0x202 | rng.u64() & 0x8d5;
    if rng.chance(3) {
        state.rflags |= TF;
    }
    if rng.chance(8) {
        state.rflags |= AC;
    }
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
    state.fx.set(fx::FOP, &(rng.u64() as u16 & 0x7ff).to_le_bytes());
    for pointer in [fx::FIP, fx::FDP] {
        state.fx.set(pointer, &(rng.u64() >> 17 >> rng.below(47)).to_le_bytes());
    }
    let masks = if rng.chance(60) { 0x1f80 } else { rng.u64() as u32 & 0x1f80 };
    let flush = if rng.chance(20) { rng.u64() as u32 & 0x8040 } else { 0 };
    let rounding = if rng.chance(50) { 0 } else { rng.u64() as u32 & 0x6000 };
    let flags = if rng.chance(30) { rng.u64() as u32 & 0x3f } else { 0 };
    state.fx.set(fx::MXCSR, &(masks | flush | rounding | flags).to_le_bytes());
}

/// Chooses segments and their bases. DS and ES of 32-bit code are seldom other than usual, since nearly
/// everything uses them.
pub fn fill_segments(rng: &mut Rng, input: &mut Input) {
    let state = &mut input.state;
    let unusual = [0, selector::CODE32];
    for which in [ES, DS, FS, GS] {
        let often = if which == FS || which == GS { 15 } else { 2 };
        state.selectors[which] =
            if rng.chance(often) { rng.pick(&unusual) } else { selector::DATA };
    }
    let bases = [
        0,
        DATA,
        DATA + 0x800,
        DATA + PAGE as u64 - 5,
        0x1_0000,
        if input.bits == 64 { (DATA + 0x1000).wrapping_neg() } else { 0xffff_f000 },
    ];
    state.bases = [rng.pick(&bases), rng.pick(&bases)];
}
