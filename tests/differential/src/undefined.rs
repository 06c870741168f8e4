//! What the manuals leave undefined, and where the host's vendor and the models' differ.
//!
//! The host may be an AMD processor while the models are Intel's. Sections are those of the Intel SDM
//! Vol. 2 (an instruction's own page) unless said otherwise.

use iced_x86::{Code, Instruction, Mnemonic as M, OpKind, Register};

use crate::case::{Input, Output, fx};
use crate::generate::register_value;

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
const UE: u16 = 1 << 4;
const PE: u16 = 1 << 5;
/// Exception summary, and its copy.
const ES_B: u16 = 0x8080;

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
    /// Address of MXCSR_MASK in an FXSAVE image.
    pub mxcsr_mask: Option<u64>,
    /// CR2 may be any address of the operand, which has these bounds.
    pub cr2: Option<(u64, u64)>,
    /// The host may find a page fault where the guest finds none.
    pub may_fault: bool,
    /// The guest may find a pending x87 exception where the host does not look.
    pub may_be_pending: bool,
    /// All general-purpose registers.
    pub registers: bool,
    /// The whole x87 but for the control word.
    pub x87: bool,
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

/// Address of the operand in memory.
fn operand_address(input: &Input, instruction: &Instruction) -> u64 {
    instruction
        .virtual_address(0, 0, |register, _, _| Some(register_value(input, register)))
        .unwrap_or(0)
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
    // RF in a saved image depends on the kind of exception and on the vendor (SDM Vol. 3, 18.3.1.1).
    let mut u = Undefined { flags: RF, ..Undefined::default() };
    let mnemonic = instruction.mnemonic();
    if matches!(
        mnemonic,
        M::Fxsave
            | M::Fxsave64
            | M::Fxrstor
            | M::Fxrstor64
            | M::Fnsave
            | M::Frstor
            | M::Fnstenv
            | M::Fldenv
    ) {
        // Which byte of a long operand is looked at first is up to the processor.
        let start = operand_address(input, instruction);
        // With 16-bit addresses it may have wrapped round.
        let wraps = instruction.memory_base().size() == 2;
        u.cr2 = Some(if wraps { (0, 0x1_ffff) } else { (start, start.wrapping_add(511)) });
    }
    // "POPA": AMD's has loaded some registers when it faults in the middle of the stack's two pages.
    u.registers = matches!(mnemonic, M::Popa | M::Popad) && host.vector == 14;
    // AMD reads the stack of the outer level, too, before it looks at the selector of RETF and, in
    // 32-bit code, of IRET.
    let short_iret = input.bits == 32 && matches!(mnemonic, M::Iret | M::Iretd);
    // "POP": it reads as much as other registers' POP; Intel's reads a selector.
    // "CALL": AMD pushes before it looks at the target.
    u.may_fault = short_iret
        || matches!(mnemonic, M::Retf | M::Call)
        || mnemonic == M::Pop && instruction.op0_register().is_segment_register();
    if matches!(mnemonic, M::Retf | M::Iret | M::Iretd | M::Iretq) {
        // So is the order in which a frame is read.
        u.cr2 = Some((input.state.regs[4], input.state.regs[4].wrapping_add(47)));
    }
    // "CVTPI2PS": an x87 exception that is pending comes first; AMD's does not look if the operand is in
    // memory.
    u.may_be_pending = mnemonic == M::Cvtpi2ps && instruction.op1_kind() == OpKind::Memory;
    if matches!(mnemonic, M::Maskmovdqu | M::Maskmovq) {
        // "MASKMOVDQU": whether bytes that are masked out are looked at depends on the implementation.
        // AMD's MASKMOVQ goes over to MMX before it faults.
        let start = operand_address(input, instruction);
        let wraps = start <= 0xffff && start > 0xfff0;
        u.cr2 = Some(if wraps { (0, 0x1_ffff) } else { (start, start.wrapping_add(15)) });
        u.may_fault = true;
        u.x87 = mnemonic == M::Maskmovq && host.vector == 14;
    }
    if host.state.rip == input.state.rip {
        // It faulted; nothing has changed.
        if host.vector == 19
            && matches!(
                mnemonic,
                M::Cvtpd2pi | M::Cvtps2pi | M::Cvttpd2pi | M::Cvttps2pi | M::Cvtpi2ps | M::Cvtpi2pd
            )
        {
            // AMD goes over to MMX before it finds an unmasked exception.
            u.x87 = true;
        }
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
        M::Rol | M::Ror | M::Rcl | M::Rcr if count(input, instruction) > 1 => u.flags |= OF,
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
            // Of FYL2XP1 outside of -(1 - sqrt(2)/2) to sqrt(2) - 1 and of F2XM1 outside of -1 to 1
            // nothing is said.
            let (exponent, significand) = input.state.fx.st(0);
            let one = exponent & 0x7fff == 0x3fff && significand == 1 << 63;
            let underflow = host.state.fx.u16(fx::FSW) & !host.state.fx.u16(fx::FCW) & UE != 0;
            u.x87 = match mnemonic {
                // A result just below the smallest normal number may be rounded to it.
                _ if underflow => true,
                M::Fyl2xp1 => !is_small(exponent),
                M::F2xm1 => exponent & 0x7fff >= 0x3fff && !one,
                _ => false,
            };
            u.x87_ulps = 2;
            u.status |= C0 | C1 | C3 | PE | UE;
            let masks = input.state.fx.u16(fx::FCW);
            if masks & (PE | UE) != PE | UE {
                u.status |= ES_B;
            }
        }
        // "CVTPI2PS": goes over to MMX whatever the operand is; AMD's does not for one in memory.
        M::Cvtpi2ps if instruction.op1_kind() == OpKind::Memory => {
            u.x87 = true;
        }
        // "LAR": bits 19:16 are undefined.
        M::Lar => {
            let number = instruction.op0_register().full_register().number();
            u.register = Some((number, 0xf_0000));
        }
        // "FXSAVE": MXCSR_MASK tells what the processor has, and AMD's has misaligned SSE.
        M::Fxsave | M::Fxsave64 => {
            u.mxcsr_mask = Some(operand_address(input, instruction).wrapping_add(28));
        }
        // "FPREM": the quotient's bits where there is no quotient.
        M::Fprem | M::Fprem1 => {
            let fx = &host.state.fx;
            let stopped = fx.u16(fx::FSW) & !fx.u16(fx::FCW) & 3 != 0;
            if stopped || fx.st(0).0 & 0x7fff == 0x7fff {
                u.status |= C0 | C3;
            }
        }
        // "FBLD": undefined for digits above 9.
        M::Fbld => u.status |= C0 | C2 | C3,
        // "RCPPS", "RSQRTPS" and the scalar forms.
        M::Rcpps | M::Rcpss | M::Rsqrtps | M::Rsqrtss => u.estimate = true,
        _ => {}
    }
    let status = host.state.fx.u16(fx::FSW);
    if matches!(instruction.code(), Code::Fld_m32fp | Code::Fld_m64fp)
        && status & !host.state.fx.u16(fx::FCW) & 2 != 0
    {
        // "FLD": an unmasked denormal operand keeps it from loading (SDM Vol. 1, 8.5.2); AMD's loads.
        u.x87 = true;
    }
    if is_comparison(mnemonic) && status & !host.state.fx.u16(fx::FCW) & 3 != 0 {
        // "FCOM", "FCOMI": nothing is set if the exception for the operands is not masked (SDM Vol. 1,
        // 8.5.1 and 8.5.2); AMD compares all the same.
        u.status |= C0 | C1 | C2 | C3;
        u.flags |= CF | ZF | PF | OF | SF | AF;
    }
    if is_x87(instruction) {
        u.status |= undefined_conditions(instruction.mnemonic());
    }
    u
}

/// Whether an exponent is that of a value below a quarter.
fn is_small(exponent: u16) -> bool {
    exponent & 0x7fff < 0x3ffd
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

fn is_comparison(mnemonic: M) -> bool {
    matches!(
        mnemonic,
        M::Fcom
            | M::Fcomp
            | M::Fcompp
            | M::Fucom
            | M::Fucomp
            | M::Fucompp
            | M::Ficom
            | M::Ficomp
            | M::Ftst
            | M::Fcomi
            | M::Fcomip
            | M::Fucomi
            | M::Fucomip
    )
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
        // "FCOMI": C1 is cleared; AMD leaves it.
        M::Fcomi | M::Fcomip | M::Fucomi | M::Fucomip => C0 | C1 | C2 | C3,
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
