//! From a region to a function of WebAssembly.
//!
//! # What a function is like
//!
//! It has the type `(i32) -> i32`: it is called with the offset of RIP from the region's entry and
//! returns why it was left ([`Exit`]). Inside it the guest's registers are locals, loaded at the start
//! and stored at the one exit. All of the processor's state in memory is right only outside.
//!
//! An instruction is translated by the first group in [`GROUPS`] that knows it; what none knows is
//! executed by the interpreter, with a call. An instruction that cannot be completed here (a fault, a
//! device) is left before it has changed anything, and the interpreter does all of it.

mod bits;
mod control;
mod explicit;
mod flags;
mod integer;
mod memory;
mod moves;
mod region;
mod registers;
mod sse;
mod strings;
mod system;
#[cfg(test)]
mod tests;
mod x87;
mod xmm;

use aero_interpreter::Op;
use wasm_encoder::{BranchHint, Function, InstructionSink, ValType};

use crate::code::{Code, Hint, Label, at};
use crate::graph::Graph;
use crate::region::{Insn, Region};
use crate::rewrites::Numbers;

pub use explicit::explicit_function;
pub use flags::{Kind as FlagsKind, Known, Size, explicit};
pub use x87::{
    PARAMETERS as ROUTINE_PARAMETERS, RESULTS as ROUTINE_RESULTS, ROUTINES,
    function as routine_function, nothing as no_routine,
};

/// Where in the linear memory generated code finds things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The block of guest memory: host offset 0.
    pub ram: u32,
    /// The processor: an [`aero_cpu::Vcpu`].
    pub cpu: u32,
    /// Its TLB.
    pub tlb: u32,
    /// Its [`Frame`](crate::frame::Frame).
    pub frame: u32,
    /// The word of its signals.
    pub signals: u32,
}

/// Indices of functions and types that every module has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    /// [`Helpers::translate_read`](crate::Helpers::translate_read).
    pub translate_read: u32,
    /// [`Helpers::translate_write`](crate::Helpers::translate_write).
    pub translate_write: u32,
    /// [`Helpers::interpret`](crate::Helpers::interpret).
    pub interpret: u32,
    /// Type of the function that makes flags explicit: `(i64 x, i64 y, i32 kind) -> (i64, i64)`.
    pub explicit_type: u32,
    /// Its slot in the table.
    pub explicit: u32,
    /// The type of a region's function, for calls through the table.
    pub region_type: u32,
    /// The first of the routines for the x87.
    pub routines: u32,
}

/// Why a function was left; what it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Exit {
    /// RIP is at code that the region does not have, and that no jump is known to.
    Elsewhere,
    /// The instruction at RIP is for the interpreter.
    Interpret,
    /// There is a signal, or the budget is nearly used up.
    Pause,
    /// The interpreter executed an instruction after which the processor has to be looked at.
    Look,
    /// As `Interpret`, and the instruction before was an STI that set IF.
    Held,
}

/// What [`Helpers::interpret`](crate::Helpers::interpret) returns when all state is in memory and
/// generated code goes on at RIP, as if it had jumped there.
pub const GO_ON: u32 = 5;

impl Exit {
    /// From what a function returned.
    pub fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Elsewhere,
            1 => Self::Interpret,
            2 => Self::Pause,
            3 => Self::Look,
            4 => Self::Held,
            _ => return None,
        })
    }
}

/// A function, and what goes with it.
pub struct Translated {
    /// The function.
    pub function: Function,
    /// Hints for its branches.
    pub hints: Vec<BranchHint>,
    /// What [`Helpers::interpret`](crate::Helpers::interpret) executes, by the low bits of its `site`.
    pub ops: Vec<Op>,
    /// Offsets at which it can be called.
    pub entries: Vec<i32>,
    /// It is not to be called with fewer instructions left than this.
    pub longest: i32,
    /// Bits of the [routines](x87::Routine) that it calls.
    pub routines: u32,
}

/// Translates a region; with more effort if it is `optimized`. `first_site` is what the number of its
/// first site is.
pub fn translate(
    region: &Region,
    optimized: bool,
    addresses: &Addresses,
    functions: &Functions,
    first_site: u32,
) -> Translated {
    let graph = Graph::new(region);
    let mut translator = Translator::new(region, &graph, addresses, functions, first_site);
    translator.optimized = optimized;
    translator.function();
    let Translator { code, ops, longest, x87, .. } = translator;
    let (function, hints) = code.finish();
    let entries = graph.dispatched.iter().map(|block| region.blocks[*block].off).collect();
    let routines = x87.routines;
    Translated { function, hints, ops, entries, longest, routines }
}

/// Translates an instruction, if it belongs to the group.
type Group = fn(&mut Translator<'_>, &Insn) -> bool;

/// The commonest first. How control leaves a block is not theirs: see [`control`].
const GROUPS: [Group; 7] = [
    moves::translate,
    integer::translate,
    bits::translate,
    strings::translate,
    sse::translate,
    system::translate,
    x87::translate,
];

/// A function while it is being written.
pub struct Translator<'a> {
    /// The code so far.
    pub code: Code,
    /// What is known of the flags' record here.
    pub flags: Known,
    region: &'a Region,
    graph: &'a Graph,
    addresses: &'a Addresses,
    functions: &'a Functions,
    first_site: u32,
    optimized: bool,
    ops: Vec<Op>,
    longest: i32,
    /// Locals of the general purpose registers that occur, and which of them the region changes.
    regs: [Option<u32>; 16],
    written: u16,
    xmm: xmm::Xmm,
    /// RIP of the region's entry.
    base: u32,
    /// Instructions left of the budget, after all of the current block.
    left: u32,
    flags_kind: u32,
    flags_x: u32,
    flags_y: u32,
    /// RIP to leave with, and the [`Exit`].
    pc: u32,
    exit: u32,
    /// The offset to dispatch to: the parameter.
    off: u32,
    exit_label: Option<Label>,
    /// As the exit, with RIP in its local and nothing else to say.
    elsewhere_label: Option<Label>,
    /// With all state in memory, and what the interpreter returned in the local for the exit.
    assisted_label: Option<Label>,
    /// As `elsewhere`, with all state in memory.
    jump_label: Option<Label>,
    dispatch_label: Option<Label>,
    merge_labels: Vec<Option<Label>>,
    loop_labels: Vec<Option<Label>>,
    /// Instructions of the current block that are not complete: the current one and those after it.
    rest: i32,
    /// Offset of the current instruction.
    here: i32,
    /// What of it is read from memory.
    numbers: Numbers,
    /// Its block goes on after it.
    goes_on: bool,
    /// The local that says whether the instruction before it, an STI, set IF; and where such a one
    /// leaves it for the next.
    held: Option<u32>,
    holds: Option<u32>,
    x87: x87::State,
}

impl<'a> Translator<'a> {
    fn new(
        region: &'a Region,
        graph: &'a Graph,
        addresses: &'a Addresses,
        functions: &'a Functions,
        first_site: u32,
    ) -> Self {
        let mut code = Code::new(1);
        let base = code.local(ValType::I64);
        let left = code.local(ValType::I32);
        let flags_kind = code.local(ValType::I32);
        let flags_x = code.local(ValType::I64);
        let flags_y = code.local(ValType::I64);
        let pc = code.local(ValType::I64);
        let exit = code.local(ValType::I32);
        let count = region.blocks.len();
        Self {
            code,
            flags: Known::Nothing,
            region,
            graph,
            addresses,
            functions,
            first_site,
            optimized: false,
            ops: Vec::new(),
            longest: graph.dispatched.iter().map(|b| graph.longest[*b]).max().unwrap_or(0),
            regs: [None; 16],
            written: 0,
            xmm: xmm::Xmm::default(),
            base,
            left,
            flags_kind,
            flags_x,
            flags_y,
            pc,
            exit,
            off: 0,
            exit_label: None,
            elsewhere_label: None,
            assisted_label: None,
            jump_label: None,
            dispatch_label: None,
            merge_labels: vec![None; count],
            loop_labels: vec![None; count],
            rest: 0,
            here: 0,
            numbers: Numbers::default(),
            goes_on: false,
            held: None,
            holds: None,
            x87: x87::State::default(),
        }
    }

    // Arithmetic on values on the stack, by operand size. Results may have bits above it: see `clip`.

    /// Emits one of two instructions: for values of 64 bits, or of 32.
    pub fn pick(
        &mut self,
        size: Size,
        wide: impl for<'b, 'c> FnOnce(&'b mut InstructionSink<'c>) -> &'b mut InstructionSink<'c>,
        narrow: impl for<'b, 'c> FnOnce(&'b mut InstructionSink<'c>) -> &'b mut InstructionSink<'c>,
    ) {
        let mut op = self.code.op();
        if size.is_wide() {
            wide(&mut op);
        } else {
            narrow(&mut op);
        }
    }

    pub fn add(&mut self, size: Size) {
        self.pick(size, |op| op.i64_add(), |op| op.i32_add());
    }

    pub fn sub(&mut self, size: Size) {
        self.pick(size, |op| op.i64_sub(), |op| op.i32_sub());
    }

    pub fn and(&mut self, size: Size) {
        self.pick(size, |op| op.i64_and(), |op| op.i32_and());
    }

    pub fn or(&mut self, size: Size) {
        self.pick(size, |op| op.i64_or(), |op| op.i32_or());
    }

    pub fn xor(&mut self, size: Size) {
        self.pick(size, |op| op.i64_xor(), |op| op.i32_xor());
    }

    pub fn shl(&mut self, size: Size) {
        self.pick(size, |op| op.i64_shl(), |op| op.i32_shl());
    }

    pub fn shr_u(&mut self, size: Size) {
        self.pick(size, |op| op.i64_shr_u(), |op| op.i32_shr_u());
    }

    pub fn shr_s(&mut self, size: Size) {
        self.pick(size, |op| op.i64_shr_s(), |op| op.i32_shr_s());
    }

    /// Unsigned less than: 0 or 1, always i32.
    pub fn below(&mut self, size: Size) {
        self.pick(size, |op| op.i64_lt_u(), |op| op.i32_lt_u());
    }

    /// Pushes a constant.
    pub fn constant(&mut self, size: Size, value: u64) {
        let value = value & size.mask();
        self.pick(size, |op| op.i64_const(value as i64), |op| op.i32_const(value as i32));
    }

    /// Clears what is above the operand size.
    pub fn clip(&mut self, size: Size) {
        if matches!(size, Size::Byte | Size::Word) {
            self.code.op().i32_const(size.mask() as i32).i32_and();
        }
    }

    /// From a zero-extended value on the stack to 64 bits.
    pub fn widen(&mut self, size: Size) {
        if !size.is_wide() {
            self.code.op().i64_extend_i32_u();
        }
    }

    /// The type of values of this size.
    pub fn value_type(size: Size) -> ValType {
        if size.is_wide() { ValType::I64 } else { ValType::I32 }
    }

    /// Takes a value from the stack into a temporary.
    pub fn keep(&mut self, size: Size) -> crate::code::Temp {
        self.code.keep(Self::value_type(size))
    }

    /// Pushes a temporary.
    pub fn get(&mut self, temp: &crate::code::Temp) {
        self.code.op().local_get(temp.index);
    }

    /// Records flags whose x is the value in `x` and, if there is one, y that in `y`.
    pub fn record(
        &mut self,
        kind: FlagsKind,
        size: Size,
        x: &crate::code::Temp,
        y: Option<&crate::code::Temp>,
    ) {
        let (local_x, local_y) = (self.flags_x, self.flags_y);
        self.get(x);
        self.widen(size);
        self.code.op().local_set(local_x);
        if let Some(y) = y {
            self.get(y);
            self.widen(size);
            self.code.op().local_set(local_y);
        }
        self.set_flags(kind, size);
    }

    // Leaving.

    /// Leaves before the current instruction, for the interpreter.
    fn leave_here(&mut self) {
        if let Some(held) = self.held {
            let flags = self.flags;
            self.code.op().local_get(held);
            self.code.if_(Hint::None);
            self.leave(self.here, Exit::Held, self.rest);
            self.code.end();
            self.flags = flags;
        }
        self.leave(self.here, Exit::Interpret, self.rest);
    }

    /// Leaves with RIP at `off`; `rest` instructions that were counted have not been executed.
    fn leave(&mut self, off: i32, exit: Exit, rest: i32) {
        self.store_x87();
        self.write_flags_kind();
        if rest != 0 {
            let left = self.left;
            self.code.op().local_get(left).i32_const(rest).i32_add().local_set(left);
        }
        self.push_rip(off);
        let pc = self.pc;
        self.code.op().local_set(pc);
        self.leave_with_pc(exit);
    }

    /// Leaves with RIP as it is in the local for it, and the flags' kind too.
    fn leave_with_pc(&mut self, exit: Exit) {
        let local = self.exit;
        self.code.op().i32_const(exit as i32).local_set(local);
        let label = self.exit_label.expect("within the function");
        self.code.br(label);
    }

    /// Pushes RIP (i64) for an offset.
    fn push_rip(&mut self, off: i32) {
        let base = self.base;
        self.code.op().local_get(base);
        if off != 0 {
            self.code.op().i64_const(off.into()).i64_add();
        }
        if !self.region.mode.is_long() {
            self.code.op().i64_const(0xffff_ffff).i64_and();
        }
    }

    // Whole instructions.

    /// Translates an instruction that does not end its block by going elsewhere.
    fn instruction(&mut self, insn: &Insn) {
        self.look_out_for_mmx(insn);
        if !GROUPS.iter().any(|group| group(self, insn)) {
            self.interpret(insn);
        }
    }

    /// Has the interpreter execute an instruction.
    fn interpret(&mut self, insn: &Insn) {
        if !insn.numbers.is_empty() {
            // As it was decoded it may not be any more.
            return self.leave_here();
        }
        self.end_x87();
        self.call_interpreter(insn);
        self.load_changed(insn);
    }

    /// Calls the interpreter with all state in memory, and goes on if that is all there is to it: then
    /// memory has what the instruction changed, and locals have what was before.
    fn call_interpreter(&mut self, insn: &Insn) {
        let site = self.first_site + self.ops.len() as u32;
        self.ops.push(insn.op);
        self.write_flags_kind();
        self.store_state(self.here);
        let (left, rest) = (self.left, self.rest);
        let function = self.functions.interpret;
        self.code.op().i32_const(site as i32);
        self.code.op().local_get(left).i32_const(rest).i32_add();
        self.code.op().call(function);
        let exit = self.exit;
        self.code.op().local_tee(exit);
        self.code.br_if(Hint::Unlikely, self.assisted_label.expect("within the function"));
    }

    /// Stores all state, with RIP at `off`.
    fn store_state(&mut self, off: i32) {
        self.store_x87();
        let rip = self.addresses.cpu + aero_cpu::layout::RIP as u32;
        self.code.op().i32_const(0);
        self.push_rip(off);
        self.code.op().i64_store(at(rip));
        self.store_registers();
    }

    /// The function: everything.
    fn function(&mut self) {
        self.assign_registers();
        self.assign_xmm();
        self.body();
    }

    /// An `if` without a value.
    fn if_(&mut self, hint: Hint) {
        self.code.if_(hint);
    }
}
