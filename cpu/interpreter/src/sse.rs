//! MMX, SSE to SSE4.2, AES-NI and PCLMULQDQ.
//!
//! What instructions compute is in `aero_simd`; here is what they do to the processor: checks of CR0
//! and CR4, operands, alignment, flags and MXCSR.

mod float;
mod integer;
mod mmx;
mod moves;

use aero_cpu::Exec;
use aero_simd::{FloatEnv, SimdException};
use iced_x86::{Instruction, Mnemonic, Register};

use crate::op::{Fault, Handler, Op, Outcome};

/// A lookup from a code to its handler: groups of codes, each group with the function that executes
/// it and each code with what that function is to compute.
macro_rules! handlers {
    ($lookup:expr; $($shape:ident { $($code:ident: $compute:expr,)* })*) => {{
        let handler: $crate::op::Handler = match $lookup {
            $($(
                iced_x86::Code::$code => |exec: &mut aero_cpu::Exec<'_>, op: &$crate::op::Op| {
                    $shape(exec, op, $compute)
                },
            )*)*
            _ => return None,
        };
        Some(handler)
    }};
}
pub(crate) use handlers;

/// The handler of an MMX or SSE instruction.
pub(crate) fn lower(instr: &Instruction, op: &mut Op) -> Option<Handler> {
    // The first operand is what rDI points at; the registers are the second and the third.
    let number = |register: Register, first: Register| register as u8 - first as u8;
    match instr.mnemonic() {
        Mnemonic::Maskmovdqu => {
            op.dst = number(instr.op1_register(), Register::XMM0);
            op.src = number(instr.op2_register(), Register::XMM0);
        }
        Mnemonic::Maskmovq => {
            op.dst = number(instr.op1_register(), Register::MM0);
            op.src = number(instr.op2_register(), Register::MM0);
        }
        _ => {}
    }
    let code = instr.code();
    moves::handler(code)
        .or_else(|| integer::handler(code))
        .or_else(|| float::handler(code))
        .or_else(|| mmx::handler(code))
}

/// Runs `compute` with MXCSR's rules and keeps its flags; #XM if one is unmasked.
#[inline(always)]
fn with_mxcsr<T>(
    exec: &mut Exec<'_>,
    compute: impl FnOnce(&mut FloatEnv) -> T,
) -> Result<T, Fault> {
    let mut env = FloatEnv::new(exec.cpu.mxcsr);
    let result = compute(&mut env);
    match env.finish(&mut exec.cpu.mxcsr) {
        Ok(()) => Ok(result),
        Err(SimdException) => Err(unmasked(exec)),
    }
}

#[cold]
fn unmasked(exec: &Exec<'_>) -> Fault {
    exec.simd_exception().into()
}

/// Handlers end here when they have changed what they had to.
const DONE: Outcome = Ok(());
