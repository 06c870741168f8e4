//! String instructions.
//!
//! What is repeated goes by pieces that lie in one page of each operand. The registers are right after
//! each piece, so that the interpreter can go on with any next one: it does where a piece is more than
//! memory, where strings go down, and where elements cannot be moved at once.

use aero_cpu::bits::rflags;
use aero_cpu::{Access, layout};
use aero_interpreter::{MOST_ELEMENTS, OpFlags};
use iced_x86::{Instruction, Mnemonic, OpKind, Register};
use wasm_encoder::ValType;

use super::{FlagsKind, Size, Translator};
use crate::code::{Hint, Label, Temp, at};
use crate::region::Insn;

const RAX: usize = 0;
const RCX: usize = 1;
const RSI: usize = 6;
const RDI: usize = 7;

const PAGE: i32 = aero_bus::PAGE_SIZE as i32;

/// What is done with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Movs,
    Stos,
    Lods,
    Scas,
    Cmps,
}

/// A string instruction.
#[derive(Clone, Copy)]
struct Shape {
    kind: Kind,
    /// Of elements.
    size: Size,
    /// Of addresses, and of the count.
    address: Size,
    /// Of what RSI points to.
    segment: Register,
}

impl Shape {
    /// `None` for what is left to the interpreter.
    fn of(instr: &Instruction) -> Option<Self> {
        use Mnemonic as M;
        let kind = match instr.mnemonic() {
            M::Movsb | M::Movsw | M::Movsd | M::Movsq => Kind::Movs,
            M::Stosb | M::Stosw | M::Stosd | M::Stosq => Kind::Stos,
            M::Lodsb | M::Lodsw | M::Lodsd | M::Lodsq => Kind::Lods,
            M::Scasb | M::Scasw | M::Scasd | M::Scasq => Kind::Scas,
            M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq => Kind::Cmps,
            _ => return None,
        };
        // MOVSD and CMPSD are also SSE instructions.
        let address = (0..2).find_map(|operand| match instr.op_kind(operand) {
            OpKind::MemorySegRSI | OpKind::MemoryESRDI => Some(Size::Qword),
            OpKind::MemorySegESI | OpKind::MemoryESEDI => Some(Size::Dword),
            _ => None,
        })?;
        let size = Size::of_bytes(instr.memory_size().size())?;
        Some(Self { kind, size, address, segment: instr.memory_segment() })
    }

    /// Whether RSI points to an operand.
    fn reads_source(self) -> bool {
        !matches!(self.kind, Kind::Stos | Kind::Scas)
    }

    /// Whether it sets flags, and ends by them if it is repeated.
    fn compares(self) -> bool {
        matches!(self.kind, Kind::Scas | Kind::Cmps)
    }
}

pub(super) fn translate(t: &mut Translator<'_>, insn: &Insn) -> bool {
    let Some(shape) = Shape::of(&insn.instr) else { return false };
    if !insn.op.flags.intersects(OpFlags::REP | OpFlags::REPNE) {
        t.one_element(shape);
        return true;
    }
    let is_flat = !matches!(shape.segment, Register::FS | Register::GS);
    if shape.kind == Kind::Lods || shape.reads_source() && !is_flat {
        return false;
    }
    t.repeated(shape, insn);
    true
}

impl Translator<'_> {
    /// Pushes an index register as an offset, i64.
    fn push_index(&mut self, shape: Shape, register: usize) {
        self.push_reg(register, shape.address);
        self.widen(shape.address);
    }

    /// Pushes (i32) whether strings go down, as a number that is zero if not.
    fn push_down(&mut self) {
        let system = at(self.addresses.cpu + layout::FLAGS_SYSTEM as u32);
        self.code.op().i32_const(0).i32_load(system).i32_const(rflags::DF as i32).i32_and();
    }

    // One element.

    fn one_element(&mut self, shape: Shape) {
        let Shape { kind, size, .. } = shape;
        match kind {
            Kind::Movs => {
                self.push_source(shape);
                let value = self.keep(size);
                self.push_index(shape, RDI);
                self.translate(size.bytes(), Access::Write);
                self.get(&value);
                self.store(size);
                self.code.free(value);
            }
            Kind::Stos => {
                self.push_index(shape, RDI);
                self.translate(size.bytes(), Access::Write);
                self.push_reg(RAX, size);
                self.store(size);
            }
            Kind::Lods => {
                self.push_source(shape);
                self.set_reg(RAX, size);
            }
            Kind::Scas | Kind::Cmps => {
                if kind == Kind::Scas {
                    self.push_reg(RAX, size);
                } else {
                    self.push_source(shape);
                }
                let a = self.keep(size);
                self.push_index(shape, RDI);
                self.translate(size.bytes(), Access::Read);
                self.load(size);
                let b = self.keep(size);
                self.record(FlagsKind::Cmp, size, &a, Some(&b));
                self.code.free(a);
                self.code.free(b);
            }
        }
        self.push_down();
        let down = self.code.keep(ValType::I32);
        if shape.reads_source() {
            self.step(shape, RSI, &down);
        }
        if kind != Kind::Lods {
            self.step(shape, RDI, &down);
        }
        self.code.free(down);
    }

    /// Pushes the element that RSI points to.
    fn push_source(&mut self, shape: Shape) {
        self.push_index(shape, RSI);
        self.add_segment(shape.segment, Access::Read);
        self.translate(shape.size.bytes(), Access::Read);
        self.load(shape.size);
    }

    /// Moves an index register by one element.
    fn step(&mut self, shape: Shape, register: usize, down: &Temp) {
        let bytes = u64::from(shape.size.bytes());
        self.push_reg(register, shape.address);
        self.constant(shape.address, bytes.wrapping_neg());
        self.constant(shape.address, bytes);
        self.get(down);
        self.code.op().select();
        self.add(shape.address);
        self.set_reg(register, shape.address);
    }

    // Many.

    fn repeated(&mut self, shape: Shape, insn: &Insn) {
        self.end_x87();
        if shape.compares() {
            // As they are after any piece, and when the interpreter has been at work.
            self.make_explicit();
        }
        let done = self.code.block();
        let slow = self.code.block();
        self.push_reg(RCX, shape.address);
        self.pick(shape.address, |op| op.i64_eqz(), |op| op.i32_eqz());
        self.code.br_if(Hint::None, done);
        // The interpreter stops where a multiple of this is left.
        self.push_reg(RCX, shape.address);
        self.constant(shape.address, MOST_ELEMENTS);
        self.pick(shape.address, |op| op.i64_gt_u(), |op| op.i32_gt_u());
        self.push_down();
        self.code.op().i32_or();
        self.code.br_if(Hint::Unlikely, slow);
        let left = self.code.temp(ValType::I32);
        self.push_reg(RCX, Size::Dword);
        self.code.op().i32_const(shape.size.bytes() as i32).i32_mul().local_set(left.index);
        let next = self.code.looped();
        let ended = self.piece(shape, &left, insn.op.flags.contains(OpFlags::REP), slow);
        if let Some(ended) = ended {
            self.get(&ended);
            self.code.free(ended);
            self.code.br_if(Hint::None, done);
        }
        self.get(&left);
        self.code.op().i32_eqz();
        self.code.br_if(Hint::None, done);
        let signals = at(self.addresses.signals);
        self.code.op().i32_const(0).i32_load(signals).i32_eqz();
        self.code.br_if(Hint::None, next);
        self.code.end();
        self.code.free(left);
        self.code.end();
        self.interpret(insn);
        self.code.end();
    }

    /// As much of a repeated instruction as lies in one page of each operand, of `rest` bytes. If it
    /// compares, it goes on while the elements are `equal` or not, and what is returned says whether
    /// that has ended it.
    fn piece(&mut self, shape: Shape, rest: &Temp, equal: bool, slow: Label) -> Option<Temp> {
        let size = shape.size;
        let from = shape.reads_source().then(|| {
            self.push_index(shape, RSI);
            self.code.keep(ValType::I64)
        });
        self.push_index(shape, RDI);
        let to = self.code.keep(ValType::I64);
        // Up to the end of the page that ends first.
        let in_page = |t: &mut Self, linear: &Temp| {
            t.get(linear);
            t.code.op().i32_wrap_i64().i32_const(PAGE - 1).i32_and();
            t.code.keep(ValType::I32)
        };
        let bytes = in_page(self, &to);
        if let Some(from) = &from {
            let other = in_page(self, from);
            let (a, b) = (bytes.index, other.index);
            self.code.op().local_get(a).local_get(b);
            self.code.op().local_get(a).local_get(b).i32_gt_u().select().local_set(a);
            self.code.free(other);
        }
        let (b, all) = (bytes.index, rest.index);
        self.code.op().i32_const(PAGE).local_get(b).i32_sub();
        self.code.op().i32_const(-(size.bytes() as i32)).i32_and().local_tee(b);
        self.code.op().local_get(all);
        self.code.op().local_get(b).local_get(all).i32_lt_u().select().local_tee(b);
        // An element crosses the end.
        self.code.op().i32_eqz();
        self.code.br_if(Hint::Unlikely, slow);
        let source = from.map(|from| {
            self.get(&from);
            self.code.free(from);
            self.translate_or(1, Access::Read, |t| t.code.br(slow));
            self.code.keep(ValType::I32)
        });
        self.get(&to);
        self.code.free(to);
        let access = if shape.compares() { Access::Read } else { Access::Write };
        self.translate_or(1, access, |t| t.code.br(slow));
        let other = self.code.keep(ValType::I32);
        let ended = match (&source, shape.compares()) {
            (_, true) => Some(self.compare_many(size, source.as_ref(), &other, &bytes, equal)),
            (Some(source), false) => {
                self.copy(source, &other, &bytes, slow);
                None
            }
            (None, false) => {
                self.fill(size, &other, &bytes);
                None
            }
        };
        if let Some(source) = source {
            self.advance(shape, RSI, &bytes);
            self.code.free(source);
        }
        self.advance(shape, RDI, &bytes);
        self.code.free(other);
        self.push_reg(RCX, shape.address);
        self.get(&bytes);
        self.code.op().i32_const(size.bytes().trailing_zeros() as i32).i32_shr_u();
        self.fit(shape.address);
        self.sub(shape.address);
        self.set_reg(RCX, shape.address);
        self.code.op().local_get(all).local_get(b).i32_sub().local_set(all);
        self.code.free(bytes);
        ended
    }

    /// Compares elements, or RAX with elements, up to `bytes` or the first that is not `equal` as asked,
    /// and sets `bytes` to how far it came. Returns whether there was such a one.
    fn compare_many(
        &mut self,
        size: Size,
        source: Option<&Temp>,
        other: &Temp,
        bytes: &Temp,
        equal: bool,
    ) -> Temp {
        let at = self.code.temp(ValType::I32);
        let (a, b) =
            (self.code.temp(Self::value_type(size)), self.code.temp(Self::value_type(size)));
        let ended = self.code.temp(ValType::I32);
        self.code.op().i32_const(0).local_set(at.index);
        if source.is_none() {
            self.push_reg(RAX, size);
            self.code.op().local_set(a.index);
        }
        let next = self.code.looped();
        for (place, value) in source.map(|s| (s, &a)).into_iter().chain([(other, &b)]) {
            self.get(place);
            self.get(&at);
            self.code.op().i32_add();
            self.load(size);
            self.code.op().local_set(value.index);
        }
        self.code.op().local_get(at.index).i32_const(size.bytes() as i32).i32_add();
        self.code.op().local_set(at.index);
        self.get(&a);
        self.get(&b);
        if equal {
            self.pick(size, |op| op.i64_ne(), |op| op.i32_ne());
        } else {
            self.pick(size, |op| op.i64_eq(), |op| op.i32_eq());
        }
        self.code.op().local_tee(ended.index).i32_eqz();
        self.get(&at);
        self.get(bytes);
        self.code.op().i32_lt_u().i32_and();
        self.code.br_if(Hint::None, next);
        self.code.end();
        self.code.op().local_get(at.index).local_set(bytes.index);
        self.record(FlagsKind::Cmp, size, &a, Some(&b));
        self.make_explicit();
        for temp in [at, a, b] {
            self.code.free(temp);
        }
        ended
    }

    /// From an i32 on the stack to a value of this size, no less than 32 bits.
    fn fit(&mut self, size: Size) {
        if size.is_wide() {
            self.code.op().i64_extend_i32_u();
        }
    }

    /// Moves an index register up.
    fn advance(&mut self, shape: Shape, register: usize, bytes: &Temp) {
        self.push_reg(register, shape.address);
        self.get(bytes);
        self.fit(shape.address);
        self.add(shape.address);
        self.set_reg(register, shape.address);
    }

    /// Pushes the address in the linear memory of a place.
    fn push_address(&mut self, place: &Temp) {
        let ram = self.ram();
        self.get(place);
        self.code.op().i32_const(ram as i32).i32_add();
    }

    fn copy(&mut self, source: &Temp, destination: &Temp, bytes: &Temp, slow: Label) {
        // What is overwritten before it is read spreads a pattern, element by element.
        self.get(destination);
        self.get(source);
        self.code.op().i32_sub();
        self.get(bytes);
        self.code.op().i32_lt_u();
        self.code.br_if(Hint::Unlikely, slow);
        self.push_address(destination);
        self.push_address(source);
        self.get(bytes);
        self.code.op().memory_copy(0, 0);
    }

    fn fill(&mut self, size: Size, destination: &Temp, bytes: &Temp) {
        if size != Size::Byte {
            // Whether not all bytes of an element are the same.
            self.push_reg(RAX, size);
            self.push_reg(RAX, size);
            self.constant(size, 0xff);
            self.and(size);
            self.constant(size, u64::MAX / 0xff);
            self.pick(size, |op| op.i64_mul(), |op| op.i32_mul());
            self.pick(size, |op| op.i64_ne(), |op| op.i32_ne());
            self.code.if_(Hint::None);
            self.fill_by_elements(size, destination, bytes);
            self.code.else_();
        }
        self.push_address(destination);
        self.push_reg(RAX, Size::Byte);
        self.get(bytes);
        self.code.op().memory_fill(0);
        if size != Size::Byte {
            self.code.end();
        }
    }

    fn fill_by_elements(&mut self, size: Size, destination: &Temp, bytes: &Temp) {
        let ram = at(self.ram());
        self.push_reg(RAX, size);
        match size {
            Size::Byte => self.code.op().i8x16_splat(),
            Size::Word => self.code.op().i16x8_splat(),
            Size::Dword => self.code.op().i32x4_splat(),
            Size::Qword => self.code.op().i64x2_splat(),
        };
        let many = self.code.keep(ValType::V128);
        self.get(destination);
        let to = self.code.keep(ValType::I32);
        self.get(destination);
        self.get(bytes);
        self.code.op().i32_add();
        let end = self.code.keep(ValType::I32);
        let rest = |t: &mut Self| {
            t.get(&end);
            t.get(&to);
            t.code.op().i32_sub();
        };
        for step in [16, size.bytes() as i32] {
            let out = self.code.block();
            let next = self.code.looped();
            rest(self);
            self.code.op().i32_const(step).i32_lt_u();
            self.code.br_if(Hint::None, out);
            self.get(&to);
            if step == 16 {
                self.get(&many);
                self.code.op().v128_store(ram);
            } else {
                self.push_reg(RAX, size);
                self.store(size);
            }
            self.get(&to);
            self.code.op().i32_const(step).i32_add().local_set(to.index);
            self.code.br(next);
            self.code.end();
            self.code.end();
        }
        self.code.free(many);
        self.code.free(to);
        self.code.free(end);
    }
}
