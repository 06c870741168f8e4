//! A function's code while it is being written.

use wasm_encoder::{BlockType, InstructionSink, MemArg, MemArgTarget, ValType};

/// How likely a branch is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing is known.
    None,
    /// Hardly ever.
    Unlikely,
    /// Nearly always.
    Likely,
}

/// The place that a branch goes to: the end of a block or `if`, or the start of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(u32);

/// A local that is not needed for long. Give it back with [`Code::free`].
#[derive(Debug)]
#[must_use = "a temporary is given back with `free`"]
pub struct Temp {
    /// Its index.
    pub index: u32,
    ty: ValType,
}

/// The instructions of a function, its locals and branch hints.
///
/// Locals are pooled: engines take long over functions in which each value has one of its own.
pub struct Code {
    bytes: Vec<u8>,
    /// Offset of a branch in `bytes`, and whether it is likely.
    hints: Vec<(u32, bool)>,
    depth: u32,
    locals: Vec<ValType>,
    parameters: u32,
    pool: Vec<(ValType, u32)>,
}

impl Code {
    /// A function with so many parameters.
    pub fn new(parameters: u32) -> Self {
        Self {
            bytes: Vec::new(),
            hints: Vec::new(),
            depth: 0,
            locals: Vec::new(),
            parameters,
            pool: Vec::new(),
        }
    }

    /// Where instructions go. What opens or closes a block has methods of its own here.
    pub fn op(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.bytes)
    }

    /// A local for the whole function.
    pub fn local(&mut self, ty: ValType) -> u32 {
        self.locals.push(ty);
        self.parameters + self.locals.len() as u32 - 1
    }

    /// A local for a while.
    pub fn temp(&mut self, ty: ValType) -> Temp {
        let free = self.pool.iter().rposition(|(free, _)| *free == ty);
        let index = match free {
            Some(at) => self.pool.remove(at).1,
            None => self.local(ty),
        };
        Temp { index, ty }
    }

    /// A local for a while, set to what is on the stack.
    pub fn keep(&mut self, ty: ValType) -> Temp {
        let temp = self.temp(ty);
        self.op().local_set(temp.index);
        temp
    }

    /// Gives a temporary back.
    pub fn free(&mut self, temp: Temp) {
        self.pool.push((temp.ty, temp.index));
    }

    fn hint(&mut self, hint: Hint) {
        if hint != Hint::None {
            self.hints.push((self.bytes.len() as u32, hint == Hint::Likely));
        }
    }

    fn open(&mut self) -> Label {
        self.depth += 1;
        Label(self.depth)
    }

    /// Opens a block; branches to its label go to its end.
    pub fn block(&mut self) -> Label {
        self.op().block(BlockType::Empty);
        self.open()
    }

    /// Opens a loop; branches to its label go to its start.
    pub fn looped(&mut self) -> Label {
        self.op().loop_(BlockType::Empty);
        self.open()
    }

    /// Opens an `if`.
    pub fn if_(&mut self, hint: Hint) -> Label {
        self.if_typed(hint, BlockType::Empty)
    }

    /// Opens an `if` whose arms leave a value.
    pub fn if_value(&mut self, hint: Hint, ty: ValType) -> Label {
        self.if_typed(hint, BlockType::Result(ty))
    }

    fn if_typed(&mut self, hint: Hint, ty: BlockType) -> Label {
        self.hint(hint);
        self.op().if_(ty);
        self.open()
    }

    /// The other arm of the innermost `if`.
    pub fn else_(&mut self) {
        self.op().else_();
    }

    /// Closes what was opened last.
    pub fn end(&mut self) {
        self.op().end();
        self.depth -= 1;
    }

    fn distance(&self, label: Label) -> u32 {
        self.depth - label.0
    }

    /// Branches.
    pub fn br(&mut self, label: Label) {
        let distance = self.distance(label);
        self.op().br(distance);
    }

    /// Branches if the value on the stack is not zero.
    pub fn br_if(&mut self, hint: Hint, label: Label) {
        let distance = self.distance(label);
        self.hint(hint);
        self.op().br_if(distance);
    }

    /// Branches by the number on the stack.
    pub fn br_table(&mut self, labels: &[Label], otherwise: Label) {
        let distances: Vec<u32> = labels.iter().map(|label| self.distance(*label)).collect();
        let otherwise = self.distance(otherwise);
        self.op().br_table(distances, otherwise);
    }

    /// The function, and its branch hints with offsets as the section for them has them.
    pub fn finish(self) -> (wasm_encoder::Function, Vec<wasm_encoder::BranchHint>) {
        debug_assert_eq!(self.depth, 0, "all blocks are closed");
        let mut function = wasm_encoder::Function::new_with_locals_types(self.locals);
        let before = function.byte_len() as u32;
        function.raw(self.bytes);
        function.instructions().end();
        let hints = self.hints.iter().map(|(at, likely)| wasm_encoder::BranchHint {
            branch_func_offset: before + at,
            branch_hint_value: (*likely).into(),
        });
        (function, hints.collect())
    }
}

/// The immediate of an access at a constant address, or at an address on the stack plus `offset`.
/// Nothing is said about alignment.
pub fn at(offset: u32) -> MemArg {
    MemArg { offset: offset.into(), align: 0, target: MemArgTarget::Memory(0), ordering: None }
}
