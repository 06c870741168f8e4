//! What the manuals leave undefined, and where the host's vendor and the models' differ.
//!
//! The host may be an AMD processor while the models are Intel's. Sections are those of the Intel SDM
//! Vol. 2 (an instruction's own page) unless said otherwise.

use iced_x86::{Instruction, Mnemonic as M, OpKind, Register};

use crate::case::{Input, Output, fx};

const CF: u64 = 1;
const PF: u64 = 1 << 2;
const AF: u64 = 1 << 4;
const ZF: u64 = 1 << 6;
const SF: u64 = 1 << 7;
const OF: u64 = 1 << 11;
const RF: u64 = 1 << 16;

/// Condition codes of the x87 status word.
const C0: u16 = 1 << 8;
const C1: u16 = 1 << 9;
const C2: u16 = 1 << 10;
const C3: u16 = 1 << 14;
const PE: u16 = 1 << 5;

/// What may differ.
#[derive(Clone, Copy, Debug, Default)]
pub struct Undefined {
    /// Bits of RFLAGS.
    pub flags: u64,
    /// A general-purpose register, by number, and its bits.
    pub register: Option<(usize, u64)>,
    /// Bits of the x87 status word.
    pub status: u16,
    /// ST(0) and ST(1) may differ by so many units in the last place.
    pub x87_ulps: u64,
    /// Elements of XMM registers are estimates, with a relative error below 1.5 * 2^-12 each.
    pub estimate: bool,
    /// All of the memory operand.
    pub memory: bool,
}

/// The value of the shift count of an instruction, masked as it masks it.
fn count(input: &Input, instruction: &Instruction) -> u64 {
    let last = instruction.op_count() - 1;
    let raw = match instruction.op_kind(last) {
        OpKind::Register => input.state.regs[1] & 0xff,
        _ => instruction.immediate(last),
    };
    raw & if width(instruction) == 64 { 63 } else { 31 }
}

/// Bits of the first operand.
fn width(instruction: &Instruction) -> u64 {
    let size = match instruction.op0_kind() {
        OpKind::Register => instruction.op0_register().size(),
        _ => instruction.memory_size().size(),
    };
    size as u64 * 8
}

/// What may differ after this instruction was executed.
pub fn undefined(input: &Input, instruction: &Instruction, host: &Output) -> Undefined {
    let mut u = Undefined::default();
    // RF in a saved image depends on the kind of exception and on the vendor (SDM Vol. 3, 18.3.1.1).
    u.flags = RF;
    if host.state.rip == input.state.rip {
        // It faulted; nothing has changed.
        return u;
    }
    match instruction.mnemonic() {
        // "AAA", "AAS": OF, SF, ZF and PF are undefined.
        M::Aaa | M::Aas => u.flags |= OF | SF | ZF | PF,
        // "AAD", "AAM": OF, AF and CF are undefined.
        M::Aad | M::Aam => u.flags |= OF | AF | CF,
        // "DAA", "DAS": OF is undefined.
        M::Daa | M::Das => u.flags |= OF,
        // "AND", "OR", "XOR", "TEST": AF is undefined.
        M::And | M::Or | M::Xor | M::Test => u.flags |= AF,
        // "MUL", "IMUL": SF, ZF, AF and PF are undefined.
        M::Mul | M::Imul => u.flags |= SF | ZF | AF | PF,
        // "DIV", "IDIV": all are undefined.
        M::Div | M::Idiv => u.flags |= CF | OF | SF | ZF | AF | PF,
        // "BSF", "BSR": all but ZF are undefined. With a source of zero the destination is undefined
        // in the SDM and unchanged in the APM; all processors leave it.
        M::Bsf | M::Bsr => u.flags |= CF | OF | SF | AF | PF,
        // "BT", "BTC", "BTR", "BTS": OF, SF, AF and PF are undefined.
        M::Bt | M::Bts | M::Btr | M::Btc => u.flags |= OF | SF | AF | PF,
        // "SAL/SAR/SHL/SHR": AF is undefined unless the count is 0, OF unless it is 1, CF for SHL and
        // SHR when the count is not below the operand's size.
        M::Shl | M::Sal | M::Shr | M::Sar => {
            let n = count(input, instruction);
            if n != 0 {
                u.flags |= AF;
            }
            if n > 1 {
                u.flags |= OF;
            }
            if n >= width(instruction) && instruction.mnemonic() != M::Sar {
                u.flags |= CF;
            }
        }
        // "RCL/RCR/ROL/ROR": OF is undefined unless the count is 0 or 1.
        M::Rol | M::Ror | M::Rcl | M::Rcr => {
            if count(input, instruction) > 1 {
                u.flags |= OF;
            }
        }
        // "SHLD", "SHRD": AF is undefined unless the count is 0, OF unless it is 1; everything when
        // the count is greater than the operand's size.
        M::Shld | M::Shrd => {
            let n = count(input, instruction);
            if n != 0 {
                u.flags |= AF;
            }
            if n > 1 {
                u.flags |= OF;
            }
            if n > width(instruction) {
                u.flags |= CF | SF | ZF | PF;
                result(&mut u, instruction);
            }
        }
        // "BSWAP": undefined for 16-bit registers.
        M::Bswap if instruction.op0_register().size() == 2 => result(&mut u, instruction),
        // SDM Vol. 1, 8.3.7 (FPREM excepted): C1 tells of the rounding that transcendentals do in
        // their own ways, and 8.3.10 promises an error within one unit in the last place.
        M::F2xm1
        | M::Fyl2x
        | M::Fyl2xp1
        | M::Fpatan
        | M::Fsin
        | M::Fcos
        | M::Fsincos
        | M::Fptan => {
            u.x87_ulps = 2;
            u.status |= C0 | C1 | C3 | PE;
        }
        // "FBLD": undefined for digits above 9.
        M::Fbld => u.status |= C0 | C2 | C3,
        // "RCPPS", "RSQRTPS" and the scalar forms.
        M::Rcpps | M::Rcpss | M::Rsqrtps | M::Rsqrtss => u.estimate = true,
        _ => {}
    }
    if is_x87(instruction) {
        u.status |= undefined_conditions(instruction.mnemonic());
    }
    u
}

fn result(u: &mut Undefined, instruction: &Instruction) {
    match instruction.op0_kind() {
        OpKind::Register => {
            let register = instruction.op0_register();
            u.register =
                Some((register.full_register().number(), (1 << (register.size() * 8)) - 1));
        }
        _ => u.memory = true,
    }
}

fn is_x87(instruction: &Instruction) -> bool {
    instruction.op_code().mnemonic() as u32 != M::INVALID as u32
        && (0..instruction.op_count()).any(|i| {
            instruction.op_kind(i) == OpKind::Register
                && (Register::ST0..=Register::ST7).contains(&instruction.op_register(i))
        })
        || format!("{:?}", instruction.mnemonic()).starts_with('F')
}

/// Condition codes that an x87 instruction leaves undefined (SDM Vol. 2, "FPU Flags Affected" of each;
/// Vol. 1, table 8-1).
fn undefined_conditions(mnemonic: M) -> u16 {
    match mnemonic {
        M::Fcom
        | M::Fcomp
        | M::Fcompp
        | M::Fucom
        | M::Fucomp
        | M::Fucompp
        | M::Ficom
        | M::Ficomp
        | M::Ftst
        | M::Fxam
        | M::Fprem
        | M::Fprem1 => 0,
        M::Fsin | M::Fcos | M::Fsincos | M::Fptan => C0 | C3,
        M::Fcomi | M::Fcomip | M::Fucomi | M::Fucomip => C0 | C2 | C3,
        M::Fldenv
        | M::Frstor
        | M::Fxrstor
        | M::Fxrstor64
        | M::Fninit
        | M::Fnsave
        | M::Fnstsw
        | M::Fxsave
        | M::Fxsave64 => 0,
        // These leave all four undefined.
        M::Fldcw | M::Fnstcw | M::Fnstenv | M::Fnop | M::Ffree | M::Ffreep | M::Fnclex => {
            C0 | C1 | C2 | C3
        }
        _ => C0 | C2 | C3,
    }
}

/// Offset of the status word, for the comparison.
pub const STATUS: usize = fx::FSW;
