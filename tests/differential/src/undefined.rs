//! What the manuals leave undefined, and where the host's vendor and the models' differ.
//!
//! The host may be an AMD processor while the models are Intel's. Sections are those of the Intel SDM
//! Vol. 2 (an instruction's own page) unless said otherwise.

use iced_x86::{Code, Instruction, Mnemonic as M, OpKind};

use crate::case::{FxImage, Input, Output, fx};
use crate::faults::{Range, page_fault_range, past_limit};
use crate::generate::{is_x87, linear, register_value};
use crate::layout::ENVIRONMENT;

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
const ES: u16 = 0x80;

/// What may differ.
#[derive(Clone, Default)]
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
    /// Bits of bytes in memory.
    pub ignored: Vec<(u64, u8)>,
    /// CR2 may be any of these addresses.
    pub cr2: Option<Range>,
    /// The guest's general-purpose registers are not the host's, but as they were.
    pub registers_as_before: bool,
    /// So are its flags, of those in `flags`.
    pub flags_as_before: bool,
    /// So are C0, C2 and C3.
    pub codes_as_before: bool,
    /// What the guest's x87 has to be like, if not like the host's.
    pub expected_x87: Option<FxImage>,
    /// The whole x87 but for the control word.
    pub x87: bool,
}

/// C0, C2 and C3, which comparisons set.
pub const COMPARED: u16 = C0 | C2 | C3;

/// The x87 after an MMX instruction has taken it over: TOP is 0, and no register is empty.
fn as_mmx(before: &FxImage) -> FxImage {
    let mut image = *before;
    let top = usize::from(before.u16(fx::FSW) >> 11 & 7);
    for i in 0..8 {
        image.set_st((i + top) & 7, before.st(i));
    }
    image.set(fx::FSW, &(before.u16(fx::FSW) & !0x3800).to_le_bytes());
    image.set(fx::FTW, &[0xff]);
    image
}

impl Undefined {
    /// Lets bits of bytes in memory be what they are.
    fn ignore(&mut self, address: u64, bits: &[u8]) {
        self.ignored.extend((address..).zip(bits.iter().copied()));
    }
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
pub fn operand_address(input: &Input, instruction: &Instruction) -> u64 {
    let at = (0..instruction.op_count())
        .find(|i| !matches!(instruction.op_kind(*i), OpKind::Register | OpKind::Immediate8));
    let address = instruction.virtual_address(at.unwrap_or(0), 0, |register, _, _| {
        Some(register_value(input, register))
    });
    linear(input, address.unwrap_or(0))
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
    u.cr2 = page_fault_range(input, instruction);
    if host.state.rip == input.state.rip {
        // It faulted, so nothing has changed in the guest. "POPA": AMD's has loaded some registers. AMD's
        // MMX instructions go over to MMX before they find a fault of memory or of SIMD.
        u.registers_as_before = matches!(mnemonic, M::Popa | M::Popad) && host.vector == 14;
        // AMD's has transferred the parts of an operand that lie inside the segment's limit.
        u.memory = past_limit(input, instruction);
        let mmx = match host.vector {
            12..=14 | 17 => mnemonic == M::Maskmovq,
            19 => matches!(
                mnemonic,
                M::Cvtpd2pi | M::Cvtps2pi | M::Cvttpd2pi | M::Cvttps2pi | M::Cvtpi2ps | M::Cvtpi2pd
            ),
            _ => false,
        };
        if mmx || u.memory {
            u.expected_x87 = Some(input.state.fx);
        }
        return u;
    }
    let control = input.state.fx.u16(fx::FCW);
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
            let underflow = host.state.fx.u16(fx::FSW) & !control & UE != 0;
            u.x87 = match mnemonic {
                // A result just below the smallest normal number may be rounded to it.
                _ if underflow => true,
                M::Fyl2xp1 => !is_small(exponent),
                M::F2xm1 => exponent & 0x7fff >= 0x3fff && !one,
                _ => false,
            };
            u.x87_ulps = 2;
            u.status |= C0 | C1 | C3 | PE | UE;
            if control & (PE | UE) != PE | UE {
                u.status |= ES_B;
            }
        }
        // "CVTPI2PS": goes over to MMX whatever the operand is; AMD's does not for one in memory.
        M::Cvtpi2ps if instruction.op1_kind() == OpKind::Memory => {
            u.expected_x87 = Some(as_mmx(&input.state.fx));
        }
        // "LAR": bits 19:16 are undefined.
        M::Lar => {
            let number = instruction.op0_register().full_register().number();
            u.register = Some((number, 0xf_0000));
        }
        // "FXSAVE": MXCSR_MASK tells what the processor has, and AMD's has misaligned SSE.
        M::Fxsave | M::Fxsave64 => {
            let start = operand_address(input, instruction);
            u.ignore(start.wrapping_add(28), &[0xff; 4]);
            if host.state.fx.u16(fx::FSW) & ES == 0 {
                // AMD's stores zeros for the pointers if no exception is pending.
                u.ignore(start.wrapping_add(fx::FOP as u64), &[0xff; 18]);
            }
        }
        // "FPREM": the quotient's bits where there is no quotient.
        M::Fprem | M::Fprem1 => {
            let fx = &host.state.fx;
            let stopped = fx.u16(fx::FSW) & !control & 3 != 0;
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
    if matches!(instruction.code(), Code::Fld_m32fp | Code::Fld_m64fp) && status & !control & 2 != 0
    {
        // "FLD": an unmasked denormal operand keeps it from loading (SDM Vol. 1, 8.5.2); AMD's loads.
        const TOP: u16 = 7 << 11;
        let mut expected = input.state.fx;
        let word = status & !TOP | expected.u16(fx::FSW) & TOP;
        expected.set(fx::FSW, &word.to_le_bytes());
        u.expected_x87 = Some(expected);
        u.status |= C1;
    }
    if is_comparison(mnemonic) && status & !control & 3 != 0 {
        // "FCOM", "FCOMI": nothing is set if the exception for the operands is not masked (SDM Vol. 1,
        // 8.5.1 and 8.5.2); AMD compares all the same.
        u.status |= C0 | C1 | C2 | C3;
        u.codes_as_before = true;
        if matches!(mnemonic, M::Fcomi | M::Fcomip | M::Fucomi | M::Fucomip) {
            u.flags |= CF | ZF | PF | OF | SF | AF;
            u.flags_as_before = true;
        }
    }
    if is_x87(instruction) {
        u.status |= undefined_conditions(instruction.mnemonic());
    }
    if input.code().len() > instruction.len() && is_x87(instruction) {
        environment(&mut u, host);
    }
    u
}

/// What may differ in the environment that FNSTENV has stored after the instruction.
fn environment(u: &mut Undefined, host: &Output) {
    if u.x87 || u.expected_x87.is_some() {
        u.ignore(ENVIRONMENT, &[0xff; 28]);
        return;
    }
    u.ignore(ENVIRONMENT + 4, &u.status.to_le_bytes());
    if u.x87_ulps != 0 {
        // The tags tell zeros and denormals from others.
        u.ignore(ENVIRONMENT + 8, &[0xff; 2]);
    }
    let pending = host.byte(ENVIRONMENT + 4).is_none_or(|status| u16::from(status) & ES != 0);
    if !pending || u.status & ES != 0 {
        // SDM Vol. 1, 8.1.9: the opcode is stored for unmasked exceptions only; AMD's (APM Vol. 1, 6.2.6)
        // for every instruction.
        u.ignore(ENVIRONMENT + 18, &[0xff, 0x07]);
    }
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
