//! The x87.
//!
//! A *run* is a row of x87 instructions in a block, with others in between. At its start one check
//! covers what does not depend on values: the control word, pending exceptions, which registers are
//! empty. Within it the registers are pairs of locals, so that exchanges and copies cost nothing, and
//! what has changed goes to memory at the end and where the function is left.
//!
//! What an operand or a result makes unusual (a denormal, a NaN, an overflow) is executed by the
//! interpreter, and the run goes on.

mod arith;
mod convert;
mod operate;
mod shape;

use std::rc::Rc;

use aero_cpu::{Access, F80, SegReg, layout};
use iced_x86::Instruction;
use wasm_encoder::ValType;

pub use arith::{PARAMETERS, RESULTS, ROUTINES, function, nothing};

use self::shape::{Kind, Shape};
use super::{Exit, FlagsKind, Size, Translator};
use crate::code::{Hint, Temp, at};
use crate::region::Insn;

/// C0, C1, C2 and C3.
const CODES: i32 = 0x4700;
const C0: i32 = 1 << 8;
const C1: i32 = 1 << 9;
const C3: i32 = 1 << 14;
/// Exceptions, SF, ES and B: what FNCLEX clears.
const EXCEPTIONS: i32 = 0x80ff;
/// ES.
const SUMMARY: i32 = 1 << 7;
/// SF.
const STACK_FAULT: i32 = 1 << 6;
/// Masks of the exceptions.
const MASKS: i32 = 0x3f;
/// PM.
const PRECISION_MASK: i32 = 1 << 5;

/// A register's contents: locals that are never written again while they are shared.
#[derive(Clone)]
struct Value {
    mantissa: Rc<Temp>,
    sign_exponent: Rc<Temp>,
}

/// What is known in the middle of a run.
struct Run {
    shape: Shape,
    /// Sixteen times TOP at the start.
    top: Temp,
    /// Tags at the start, turned so that bit 0 is that of TOP.
    tags: Temp,
    /// The control word.
    control: Temp,
    /// How many bits results have less than registers, 0 or 11 (i64); -1 if rounding is not usual.
    drop: Temp,
    /// Rounding may not be usual.
    is_rounding_unsure: bool,
    /// The status word, without TOP.
    status: Temp,
    /// C1 is clear, whatever `status` has there.
    is_c1_clear: bool,
    /// By position.
    values: [Option<Value>; 8],
    /// Positions whose value in memory is another.
    dirty: u8,
    /// TOP and tags in memory may be what they were at the start, or any later ones.
    is_memory_unsure: bool,
    /// Offset of the last instruction that is to be noted.
    instruction: Option<i32>,
    /// Offset and segment of the last operand in memory.
    data: Option<(Temp, SegReg)>,
}

/// The part of the translator that is about the x87.
#[derive(Default)]
pub struct State {
    run: Option<Run>,
    /// Bits of the [`Routine`]s that are called.
    pub routines: u32,
}

/// A register's address in memory, without its position.
const FPU: usize = layout::FPU;

pub(super) fn translate(t: &mut Translator<'_>, insn: &Insn) -> bool {
    if !t.region.mode.has_x87() {
        return false;
    }
    let Some(kind) = shape::kind(&insn.instr) else { return false };
    let mut shape = t.x87.run.as_ref().map_or_else(Shape::default, |run| run.shape);
    let unsure = t.x87.run.as_ref().is_some_and(|run| run.is_rounding_unsure);
    if !shape.execute(kind) || unsure && matches!(kind, Kind::Constant(_, true)) {
        t.end_x87();
        return false;
    }
    if t.x87.run.is_none() {
        t.begin_x87(insn);
    }
    t.x87_operation(insn, kind, shape);
    let note = kind.is_noted();
    let run = t.run();
    run.shape = shape;
    if note {
        run.instruction = Some(insn.off);
    }
    true
}

impl Translator<'_> {
    fn run(&mut self) -> &mut Run {
        self.x87.run.as_mut().expect("within a run")
    }

    fn fpu(&self, offset: usize) -> wasm_encoder::MemArg {
        at(self.addresses.cpu + (FPU + offset) as u32)
    }

    fn selector(&self, segment: SegReg) -> wasm_encoder::MemArg {
        at(self.addresses.cpu + layout::segment(segment).selector as u32)
    }

    /// What the run that begins here needs at its start.
    fn plan(&self, insn: &Insn) -> (Shape, bool) {
        let mut plan = Shape::default();
        let mut rounds = false;
        let mut unsure = false;
        let block = self.region.blocks.iter().find_map(|block| {
            let at = block.insns.iter().position(|other| std::ptr::eq(other, insn))?;
            Some(&block.insns[at..])
        });
        for insn in block.unwrap_or_default() {
            let Some(kind) = shape::kind(&insn.instr) else { continue };
            let mut next = plan;
            if !next.execute(kind) {
                break;
            }
            plan = next;
            unsure |= kind == Kind::LoadControl;
            rounds |= !unsure && kind.rounds();
        }
        (plan, rounds)
    }

    /// Begins a run before an instruction, or leaves it to the interpreter.
    fn begin_x87(&mut self, insn: &Insn) {
        use layout::fpu::{CONTROL, STATUS, TAGS, TOP};
        let (plan, rounds) = self.plan(insn);
        let (top, tags) = (self.fpu(TOP), self.fpu(TAGS));
        let (control, status) = (self.fpu(CONTROL), self.fpu(STATUS));
        self.code.op().i32_const(0).i32_load8_u(top);
        let top = self.code.keep(ValType::I32);
        self.code.op().i32_const(0).i32_load8_u(tags).i32_const(0x101).i32_mul();
        self.code.op().local_get(top.index).i32_shr_u();
        let tags = self.code.keep(ValType::I32);
        self.code.op().i32_const(0).i32_load16_u(control);
        let control = self.code.keep(ValType::I32);
        self.code.op().i32_const(0).i32_load16_u(status);
        let status = self.code.keep(ValType::I32);
        // An exception is pending, or would be if a result was not exact.
        let summary = EXCEPTIONS & !MASKS & !STACK_FAULT;
        self.get(&status);
        self.get(&control);
        self.code.op().i32_const(MASKS).i32_xor().i32_const(summary).i32_or();
        self.code.op().i32_const(summary | MASKS).i32_and().i32_and();
        // With `rounds`: to nearest, with 53 or 64 bits.
        let (care, usual) = if rounds {
            (0xe00 | PRECISION_MASK, 0x200 | PRECISION_MASK)
        } else {
            (PRECISION_MASK, PRECISION_MASK)
        };
        self.get(&control);
        self.code.op().i32_const(care).i32_and().i32_const(usual).i32_xor().i32_or();
        let care = i32::from(plan.need_full | plan.need_empty);
        if care != 0 {
            self.get(&tags);
            self.code.op().i32_const(care).i32_and();
            self.code.op().i32_const(plan.need_full.into()).i32_xor().i32_or();
        }
        self.if_(Hint::Unlikely);
        self.leave_here();
        self.code.end();
        self.code.op().local_get(top.index).i32_const(4).i32_shl().local_set(top.index);
        let drop = self.code.temp(ValType::I64);
        if rounds {
            self.get(&control);
            self.push_drop();
            self.code.op().local_set(drop.index);
        }
        self.x87.run = Some(Run {
            shape: Shape::default(),
            top,
            tags,
            control,
            drop,
            is_rounding_unsure: !rounds,
            status,
            is_c1_clear: false,
            values: [const { None }; 8],
            dirty: 0,
            is_memory_unsure: false,
            instruction: None,
            data: None,
        });
        if !rounds {
            self.refresh_drop();
        }
    }

    /// From a control word on the stack to 11, or 0 if its PC says 64 bits.
    fn push_drop(&mut self) {
        self.code.op().i64_extend_i32_u().i64_const(8).i64_shr_u().i64_const(1).i64_and();
        self.code.op().i64_const(1).i64_xor().i64_const(11).i64_mul();
    }

    /// Sets what follows from the control word.
    fn refresh_drop(&mut self) {
        let (control, drop) = (self.run().control.index, self.run().drop.index);
        self.code.op().local_get(control);
        self.push_drop();
        self.code.op().i64_const(-1);
        self.code.op().local_get(control).i32_const(0xe00).i32_and().i32_const(0x200).i32_eq();
        self.code.op().select().local_set(drop);
        self.run().is_rounding_unsure = true;
    }

    /// Ends a run, if there is one: everything goes to memory.
    pub(super) fn end_x87(&mut self) {
        self.store_x87();
        let Some(run) = self.x87.run.take() else { return };
        let Run { top, tags, control, drop, status, values, data, .. } = run;
        for temp in [top, tags, control, drop, status] {
            self.code.free(temp);
        }
        for value in values.into_iter().flatten() {
            self.release_value(value);
        }
        if let Some((temp, _)) = data {
            self.code.free(temp);
        }
    }

    /// Before an instruction that is not the x87's: MMX uses its registers.
    pub(super) fn look_out_for_mmx(&mut self, insn: &Insn) {
        if self.x87.run.is_some() && shape::is_mmx(&insn.instr) {
            self.end_x87();
        }
    }

    fn release_value(&mut self, value: Value) {
        self.release_temp(value.mantissa);
        self.release_temp(value.sign_exponent);
    }

    fn release_temp(&mut self, temp: Rc<Temp>) {
        if let Some(temp) = Rc::into_inner(temp) {
            self.code.free(temp);
        }
    }

    /// Writes to memory what the run has changed, and changes nothing else.
    pub(super) fn store_x87(&mut self) {
        use layout::fpu;
        let Some(run) = self.x87.run.take() else { return };
        for position in 0..8 {
            if run.dirty & 1 << position == 0 {
                continue;
            }
            let value = run.values[position].as_ref().expect("a value that is changed is known");
            let (mantissa, sign) =
                (self.fpu(fpu::REGS + fpu::MANTISSA), self.fpu(fpu::REGS + fpu::SIGN_EXPONENT));
            self.push_register_offset(&run, position);
            let offset = self.code.temp(ValType::I32);
            self.code.op().local_tee(offset.index);
            self.code.op().local_get(value.mantissa.index).i64_store(mantissa);
            self.get(&offset);
            self.code.op().local_get(value.sign_exponent.index).i32_store16(sign);
            self.code.free(offset);
        }
        let status = self.fpu(fpu::STATUS);
        self.code.op().i32_const(0).local_get(run.status.index);
        if run.is_c1_clear {
            self.code.op().i32_const(!C1).i32_and();
        }
        self.code.op().i32_store16(status);
        let shape = run.shape;
        if shape.depth != 0 || run.is_memory_unsure {
            let top = self.fpu(fpu::TOP);
            self.code.op().i32_const(0);
            self.push_top_number(&run);
            self.code.op().i32_store8(top);
        }
        if shape.is_changed() || run.is_memory_unsure {
            let tags = self.fpu(fpu::TAGS);
            let known = i32::from(shape.full | shape.empty);
            self.code.op().i32_const(0).local_get(run.tags.index);
            self.code.op().i32_const(0xff & !known).i32_and();
            self.code.op().i32_const(shape.full.into()).i32_or();
            self.code.op().local_get(run.top.index).i32_const(4).i32_shr_u().i32_shl();
            let turned = self.code.keep(ValType::I32);
            self.get(&turned);
            self.get(&turned);
            self.code.op().i32_const(8).i32_shr_u().i32_or().i32_store8(tags);
            self.code.free(turned);
        }
        if let Some(off) = run.instruction {
            let (pointer, selector) =
                (self.fpu(fpu::INSTRUCTION_POINTER), self.fpu(fpu::INSTRUCTION_SELECTOR));
            let from = self.selector(SegReg::Cs);
            self.code.op().i32_const(0);
            self.push_rip(off);
            self.code.op().i64_store(pointer);
            self.code.op().i32_const(0).i32_const(0).i32_load16_u(from).i32_store16(selector);
        }
        if let Some((offset, segment)) = &run.data {
            let (pointer, selector) = (self.fpu(fpu::DATA_POINTER), self.fpu(fpu::DATA_SELECTOR));
            let from = self.selector(*segment);
            self.code.op().i32_const(0).local_get(offset.index).i64_store(pointer);
            self.code.op().i32_const(0).i32_const(0).i32_load16_u(from).i32_store16(selector);
        }
        self.x87.run = Some(run);
    }

    /// Pushes TOP.
    fn push_top_number(&mut self, run: &Run) {
        self.code.op().local_get(run.top.index).i32_const(4).i32_shr_u();
        self.code.op().i32_const(run.shape.depth.into()).i32_add().i32_const(7).i32_and();
    }

    /// Pushes the offset of a register from R0.
    fn push_register_offset(&mut self, run: &Run, position: usize) {
        const { assert!(layout::fpu::REG_SIZE == 16, "offsets are TOP times 16") };
        self.code.op().local_get(run.top.index);
        if position != 0 {
            self.code.op().i32_const(16 * position as i32).i32_add();
        }
        self.code.op().i32_const(0x70).i32_and();
    }

    /// Loads a register from memory into a new value.
    fn load_x87(&mut self, position: usize) -> Value {
        let mantissa = self.code.temp(ValType::I64);
        let sign_exponent = self.code.temp(ValType::I32);
        self.load_x87_into(position, &mantissa, &sign_exponent);
        Value { mantissa: Rc::new(mantissa), sign_exponent: Rc::new(sign_exponent) }
    }

    fn load_x87_into(&mut self, position: usize, mantissa: &Temp, sign_exponent: &Temp) {
        use layout::fpu;
        let from = self.fpu(fpu::REGS + fpu::MANTISSA);
        let sign = self.fpu(fpu::REGS + fpu::SIGN_EXPONENT);
        let run = self.x87.run.take().expect("within a run");
        self.push_register_offset(&run, position);
        self.code.op().i64_load(from).local_set(mantissa.index);
        self.push_register_offset(&run, position);
        self.code.op().i32_load16_u(sign).local_set(sign_exponent.index);
        self.x87.run = Some(run);
    }

    /// The value of ST(i).
    fn st(&mut self, i: u8) -> Value {
        let position = self.run().shape.position(i);
        if let Some(value) = &self.run().values[position] {
            return value.clone();
        }
        let value = self.load_x87(position);
        self.run().values[position] = Some(value.clone());
        value
    }

    /// Sets the value at a position.
    fn set_position(&mut self, position: usize, value: Value) {
        let run = self.run();
        run.dirty |= 1 << position;
        if let Some(old) = run.values[position].replace(value) {
            self.release_value(old);
        }
    }

    fn value(&self, mantissa: Temp, sign_exponent: Temp) -> Value {
        Value { mantissa: Rc::new(mantissa), sign_exponent: Rc::new(sign_exponent) }
    }

    fn constant_value(&mut self, value: F80) -> Value {
        self.code.op().i64_const(value.mantissa as i64);
        let mantissa = self.code.keep(ValType::I64);
        self.code.op().i32_const(value.sign_exponent.into());
        let sign_exponent = self.code.keep(ValType::I32);
        self.value(mantissa, sign_exponent)
    }

    /// The offset of the operand in memory.
    fn keep_offset(&mut self, instr: &Instruction) -> Temp {
        let size = self.push_offset(instr);
        self.widen(size);
        self.code.keep(ValType::I64)
    }

    /// Pushes where the operand in memory is.
    fn push_place_at(&mut self, instr: &Instruction, offset: &Temp, bytes: u32, access: Access) {
        self.get(offset);
        self.add_segment(instr.memory_segment(), access);
        self.translate(bytes, access);
    }

    /// The instruction's operand in memory is the last one that was used.
    fn note_data(&mut self, insn: &Insn, offset: Temp) {
        // In 64-bit code most prefixes change nothing, not even the segment that is noted.
        if let Some((old, _)) = self.run().data.replace((offset, insn.op.seg)) {
            self.code.free(old);
        }
    }

    /// Has the interpreter execute an instruction in the midst of a run, which goes on behind it. With
    /// `result`, that position is loaded.
    fn execute_cold(&mut self, insn: &Insn, result: Option<(usize, &Temp, &Temp)>) {
        use layout::fpu;
        if !insn.numbers.is_empty() {
            // As it was decoded it may not be any more.
            return self.leave_here();
        }
        let (known, rest) = (self.flags, self.rest);
        // A fault, of memory or of an exception that waits, is delivered from there.
        self.call_interpreter(insn);
        self.flags = known;
        self.load_compared(insn);
        let status = self.fpu(fpu::STATUS);
        let local = self.run().status.index;
        self.code.op().i32_const(0).i32_load16_u(status).local_tee(local);
        self.code.op().i32_const(SUMMARY).i32_and();
        self.if_(Hint::Unlikely);
        {
            let run = self.x87.run.take();
            let flags = self.flags;
            self.leave(insn.next(), Exit::Elsewhere, rest - 1);
            self.flags = flags;
            self.x87.run = run;
        }
        self.code.end();
        if let Some((position, mantissa, sign_exponent)) = result {
            self.load_x87_into(position, mantissa, sign_exponent);
        }
        self.run().is_memory_unsure = true;
    }

    /// Takes over the flags if the interpreter executed one of the comparisons that set them. No other
    /// instruction here changes more than the x87.
    fn load_compared(&mut self, insn: &Insn) {
        if matches!(shape::kind(&insn.instr), Some(Kind::Compare { flags: true, .. })) {
            self.load_flags();
            // The interpreter leaves no other.
            self.set_flags(FlagsKind::Explicit, Size::Qword);
        }
    }
}
