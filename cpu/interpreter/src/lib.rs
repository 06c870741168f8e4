//! The interpreter: a [`CpuBackend`](aero_cpu::CpuBackend) that decodes once and executes from a cache
//! of decoded instructions.
//!
//! # How an instruction gets here
//!
//! iced decodes it; [`lower`] turns it into an [`Op`], 32 bytes with a pointer to the [`Handler`] that
//! executes it and its operands in a form that needs no more looking up. Blocks of ops are kept per
//! physical page of code, and are checked by the page's version. The run loop goes from block to block
//! within a page without translating again; whatever may concern the very next instruction (a device
//! access, a store to code, a change of mode or of what interrupts are taken) ends a block there.
//! The commonest handlers are inline in the run loop; the others are called.
//!
//! # Writing handlers
//!
//! A group of instructions is a module with a function
//! `lower(instr: &Instruction, op: &mut Op) -> Option<Handler>` in [`lower`]'s list: it looks at the
//! mnemonic (or code) and names a handler. By then `op` holds the operands: the first one's register
//! number in `dst`, the second one's in `src`, an immediate in `imm`, and everything about an operand
//! in memory, wherever it stands, with [`OpFlags::MEMORY`] set. General purpose, XMM, MMX, ST(i),
//! segment, control and debug registers are all plain numbers within their class.
//!
//! A handler is `fn(exec: &mut Exec<'_>, op: &Op) -> Outcome`. The trait [`Operands`] gives it the
//! operands' values: `exec.reg::<u32>(op.dst)`, `exec.xmm(op.src)`, `exec.xmm_or_m128(op)?`,
//! `exec.load::<u64>(op)?`, `exec.store(op, value)?`, `exec.offset(op)` with `op.seg` for the address
//! alone. Everything architectural is a method of [`Exec`](aero_cpu::Exec): `exec.check_sse()?`,
//! `exec.check_x87(true)?`. A fault is returned (`return Err(Exception::gp(0).into())`) before
//! anything has changed. Retired instructions, RIP and the delivery of faults are the run loop's.
//! [`OpFlags::END`] is for instructions that transfer control or change how the following ones are
//! decoded or when interrupts are taken.

mod bits;
mod cache;
mod control;
mod fast;
mod features;
mod integer;
mod lower;
mod moves;
mod op;
mod operands;
mod run;
mod sse;
mod stack;
mod string;
mod system;
mod x87;

pub use cache::{decode, decode_constants};
pub use lower::lower;
pub use op::{Address, Fault, HIGH_BYTE, Handler, NO_REGISTER, Op, OpFlags, Outcome};
pub use operands::{Int, Operands};
pub use run::{Indifferent, Interpreter, Observer, execute_op};
pub use string::MOST_ELEMENTS;
