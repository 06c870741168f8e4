//! Control instructions: state, environment, control and status words.

use aero_cpu::{Exec, OperandSize};
use iced_x86::Code;

use super::{Stack, begin, finish};
use crate::op::{Handler, Op, Outcome};
use crate::operands::Operands;
use crate::sse::handlers;

/// The handler of a control instruction.
pub(super) fn handler(code: Code) -> Option<Handler> {
    handlers! { code;
        load_control {
            Fldcw_m2byte: (),
        }
        store_word {
            Fnstcw_m2byte: |e| e.cpu.fpu.control,
            Fnstsw_m2byte: |e| e.cpu.fpu.status_word(),
        }
        status_to_ax {
            Fnstsw_AX: (),
        }
        initialize {
            Fninit: (),
        }
        clear_exceptions {
            Fnclex: (),
        }
        waiting {
            Wait: (),
        }
        nothing {
            // FENI, FDISI and FSETPM have done nothing since the 80387, but wait for none.
            Fneni: false,
            Fndisi: false,
            Fnsetpm: false,
            Fnop: true,
        }
        turn {
            Fincstp: 1,
            Fdecstp: 7,
        }
        empty {
            Ffree_sti: false,
            Ffreep_sti: true,
        }
        image {
            Fnstenv_m14byte: (|e, s, o, z| e.fnstenv(s, o, z), OperandSize::Word, false),
            Fnstenv_m28byte: (|e, s, o, z| e.fnstenv(s, o, z), OperandSize::Dword, false),
            Fldenv_m14byte: (|e, s, o, z| e.fldenv(s, o, z), OperandSize::Word, true),
            Fldenv_m28byte: (|e, s, o, z| e.fldenv(s, o, z), OperandSize::Dword, true),
            Fnsave_m94byte: (|e, s, o, z| e.fnsave(s, o, z), OperandSize::Word, false),
            Fnsave_m108byte: (|e, s, o, z| e.fnsave(s, o, z), OperandSize::Dword, false),
            Frstor_m94byte: (|e, s, o, z| e.frstor(s, o, z), OperandSize::Word, true),
            Frstor_m108byte: (|e, s, o, z| e.frstor(s, o, z), OperandSize::Dword, true),
        }
    }
}

/// The exceptions, SF, ES and B.
const EXCEPTIONS: u16 = 0x80ff;

fn load_control(exec: &mut Exec<'_>, op: &Op, (): ()) -> Outcome {
    begin(exec)?;
    let control: u16 = exec.load(op)?;
    // An exception that is pending and now unmasked is reported by the next instruction.
    exec.cpu.fpu.set_control_word(control);
    Ok(())
}

fn store_word(exec: &mut Exec<'_>, op: &Op, word: fn(&Exec<'_>) -> u16) -> Outcome {
    exec.check_x87(false)?;
    let value = word(exec);
    exec.store(op, value)?;
    Ok(())
}

fn status_to_ax(exec: &mut Exec<'_>, _: &Op, (): ()) -> Outcome {
    exec.check_x87(false)?;
    let value = exec.cpu.fpu.status_word();
    exec.set_reg(0, value);
    Ok(())
}

fn initialize(exec: &mut Exec<'_>, _: &Op, (): ()) -> Outcome {
    exec.check_x87(false)?;
    exec.cpu.fpu.fninit();
    Ok(())
}

fn clear_exceptions(exec: &mut Exec<'_>, _: &Op, (): ()) -> Outcome {
    exec.check_x87(false)?;
    exec.cpu.fpu.status &= !EXCEPTIONS;
    Ok(())
}

fn waiting(exec: &mut Exec<'_>, _: &Op, (): ()) -> Outcome {
    exec.check_fwait()?;
    Ok(())
}

fn nothing(exec: &mut Exec<'_>, op: &Op, waits: bool) -> Outcome {
    exec.check_x87(waits)?;
    if waits { finish(exec, op) } else { Ok(()) }
}

fn turn(exec: &mut Exec<'_>, op: &Op, by: u8) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    fpu.top = (fpu.top + by) & 7;
    fpu.report(aero_x87::Status::empty());
    finish(exec, op)
}

fn empty(exec: &mut Exec<'_>, op: &Op, pop: bool) -> Outcome {
    begin(exec)?;
    let fpu = &mut exec.cpu.fpu;
    fpu.free(op.dst);
    if pop {
        fpu.pop();
    }
    finish(exec, op)
}

type Image = fn(&mut Exec<'_>, aero_cpu::SegReg, u64, OperandSize) -> aero_cpu::ExecResult<()>;

/// Stores do not wait for a pending exception; loads do.
fn image(
    exec: &mut Exec<'_>,
    op: &Op,
    (transfer, size, waits): (Image, OperandSize, bool),
) -> Outcome {
    exec.check_x87(waits)?;
    let offset = exec.offset(op);
    transfer(exec, op.seg, offset, size)?;
    Ok(())
}
