//! What is translated at a time: blocks that are reached from one entry.
//!
//! A region follows jumps, both ways of branches and calls, but only to code that has run before: what
//! was never executed is left by an exit, which costs nothing until it is taken. It may span pages and
//! functions. All addresses in it are offsets from the entry's RIP, so that one translation serves
//! wherever its pages are mapped in the same arrangement.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Range;

use aero_bus::PAGE_SIZE;
use aero_cpu::Features;
use aero_interpreter::{Op, OpFlags, decode};
use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use crate::mode::Mode;
use crate::rewrites::Numbers;

/// The longest encoding, in bytes.
const MAX_INSTRUCTION: usize = 15;

/// A page that code of a region lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePlace {
    /// Linear address of the page, relative to the page of the entry (wrapping).
    pub delta: u64,
    /// Host offset of its first byte.
    pub host: u64,
}

/// The bytes of a page.
pub type Page = Box<[u8; PAGE_SIZE as usize]>;

/// An instruction of a region.
#[derive(Clone, Copy)]
pub struct Insn {
    /// As iced decodes it at its offset.
    pub instr: Instruction,
    /// As the interpreter executes it.
    pub op: Op,
    /// Offset from the entry's RIP.
    pub off: i32,
    /// What of it is not as it was decoded, but as memory has it when it is executed.
    pub numbers: Numbers,
}

impl Insn {
    /// Offset of the instruction after it.
    pub fn next(&self) -> i32 {
        self.off.wrapping_add(self.instr.len() as i32)
    }
}

/// Number of a block in its region.
pub type BlockId = usize;

/// Where control goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Offset from the entry's RIP.
    pub off: i32,
    /// The block there, if it belongs to the region.
    pub block: Option<BlockId>,
}

/// How a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At an instruction that begins another block, or that the region does not go on with.
    Fall(Target),
    /// By a jump.
    Jump(Target),
    /// By a conditional branch: Jcc, LOOP, JRCXZ.
    Branch { taken: Target, next: Target },
    /// By a call.
    Call { target: Target },
    /// By a return, or a jump or call through a register or memory.
    Indirect,
    /// By something that the interpreter executes and that ends a block there too.
    Special,
}

/// A run of instructions that is entered at the top.
#[derive(Clone)]
pub struct Block {
    /// Offset of its first instruction.
    pub off: i32,
    /// Its instructions.
    pub insns: Vec<Insn>,
    /// How it ends.
    pub end: End,
}

/// What is translated at a time.
#[derive(Clone)]
pub struct Region {
    /// How the code runs.
    pub mode: Mode,
    /// Offset of the entry in its page.
    pub start: u64,
    /// The blocks; the entry is the first.
    pub blocks: Vec<Block>,
    /// The pages it lies in.
    pub places: Vec<CodePlace>,
    /// Blocks that control can come to from outside, or by a return or an indirect jump.
    pub entries: Vec<BlockId>,
    /// The code.
    pub bytes: Vec<Bytes>,
}

/// Bytes of code that a region was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// Host offset of the first; all are in one page.
    pub host: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where in them instructions begin, but for one at the very start.
    pub starts: Vec<u16>,
}

impl Bytes {
    /// Whether they are in the page that this host offset is in.
    pub fn is_in_page(&self, host: u64) -> bool {
        self.host / PAGE_SIZE == host / PAGE_SIZE
    }

    /// The instructions, or parts of them, as ranges of the bytes.
    pub fn instructions(&self) -> impl Iterator<Item = Range<usize>> {
        let starts = self.starts.iter().map(|start| usize::from(*start));
        let ends = starts.clone().chain([self.bytes.len()]);
        [0].into_iter().chain(starts).zip(ends).map(|(start, end)| start..end)
    }
}

impl Region {
    /// The host offset of what lies at an offset from the entry.
    pub fn host(&self, off: i32) -> Option<u64> {
        let at = self.start.wrapping_add(off as i64 as u64);
        let place = self.places.iter().find(|place| place.delta == at & !(PAGE_SIZE - 1))?;
        Some(place.host + at % PAGE_SIZE)
    }

    /// Host offsets of the blocks.
    pub fn hosts(&self) -> impl Iterator<Item = u64> {
        self.blocks.iter().filter_map(|block| self.host(block.off))
    }

    /// Instructions in all.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.insns.len()).sum()
    }
}

/// The code that a region is made of.
pub trait CodeView {
    /// The page at `delta` (a multiple of the page size, wrapping) from the entry's page.
    fn page(&mut self, delta: u64) -> Option<(CodePlace, Page)>;
    /// Whether a block that starts at this host offset has been executed.
    fn executed(&self, host: u64) -> bool;
    /// Whether generated code can be entered at this host offset.
    fn translated(&self, host: u64) -> bool;
    /// Whether numbers in the instruction at this host offset were rewritten again and again.
    fn varies(&self, host: u64) -> bool;
}

/// How far a region may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Instructions.
    pub insns: usize,
    /// Pages.
    pub pages: usize,
    /// Calls deep.
    pub depth: u32,
    /// Whether it ends where other regions can be entered, and can be entered itself where it calls to:
    /// then little code is translated twice. Otherwise it has everything in one piece.
    pub shares: bool,
}

impl Extent {
    /// Of code that has become warm.
    pub const BASELINE: Self = Self { insns: 60, pages: 3, depth: 1, shares: true };
    /// Of code that takes a noticeable part of the time.
    pub const OPTIMIZED: Self = Self { insns: 600, pages: 4, depth: 2, shares: false };
}

struct Finder<'a> {
    view: &'a mut dyn CodeView,
    mode: Mode,
    features: Features,
    extent: Extent,
    /// The entry's offset in its page.
    start: u64,
    pages: HashMap<u64, Option<(CodePlace, Page)>>,
    insns: BTreeMap<i32, Insn>,
    leaders: BTreeSet<i32>,
    entries: BTreeSet<i32>,
    /// Offsets to follow, and how deep in calls they are.
    nearby: VecDeque<(i32, u32)>,
    calls: VecDeque<(i32, u32)>,
    has_indirect_jump: bool,
}

/// Finds the region whose entry is `start` bytes into its page. `None` if not even the first
/// instruction can be had.
pub fn find(
    view: &mut dyn CodeView,
    mode: Mode,
    features: Features,
    extent: Extent,
    start: u64,
) -> Option<Region> {
    let mut finder = Finder {
        view,
        mode,
        features,
        extent,
        start,
        pages: HashMap::new(),
        insns: BTreeMap::new(),
        leaders: BTreeSet::new(),
        entries: BTreeSet::from([0]),
        nearby: VecDeque::new(),
        calls: VecDeque::new(),
        has_indirect_jump: false,
    };
    finder.follow(0, 0);
    loop {
        while let Some((off, depth)) = finder.nearby.pop_front() {
            finder.follow(off, depth);
        }
        match finder.calls.pop_front() {
            Some((off, depth)) => finder.follow(off, depth),
            None if finder.has_indirect_jump => {
                finder.has_indirect_jump = false;
                finder.guess_indirect_targets();
            }
            None => break,
        }
    }
    finder.finish()
}

/// How control leaves an instruction, as far as a region follows it.
enum Flow {
    On,
    /// On, if the interpreter finds that nothing has happened that would be in the way.
    Check,
    End,
    Jump(i32),
    Branch(i32),
    Call(i32),
    Return,
    IndirectJump,
    IndirectCall,
}

impl Finder<'_> {
    fn place(&mut self, off: i32) -> Option<(CodePlace, usize)> {
        let at = self.start.wrapping_add(off as i64 as u64);
        let delta = at & !(PAGE_SIZE - 1);
        if !self.pages.contains_key(&delta) {
            let have = self.pages.values().flatten().count();
            let page = if have < self.extent.pages { self.view.page(delta) } else { None };
            self.pages.insert(delta, page);
        }
        let (place, _) = self.pages[&delta].as_ref()?;
        Some((*place, (at % PAGE_SIZE) as usize))
    }

    /// Whether to go on at `off`: it has been executed.
    fn wanted(&mut self, off: i32) -> bool {
        let Some((place, at)) = self.place(off) else { return false };
        // A block whose first instruction may cross a page is not known as such.
        self.view.executed(place.host + at as u64) || at > PAGE_SIZE as usize - MAX_INSTRUCTION
    }

    /// Whether to leave what is at `off` to another region.
    fn is_anothers(&mut self, off: i32) -> bool {
        if !self.extent.shares || off == 0 {
            return false;
        }
        self.place(off).is_some_and(|(place, at)| self.view.translated(place.host + at as u64))
    }

    fn decode_at(&mut self, off: i32) -> Option<Insn> {
        let (place, at) = self.place(off)?;
        let mut bytes = [0; MAX_INSTRUCTION];
        let in_page = (PAGE_SIZE as usize - at).min(MAX_INSTRUCTION);
        let copy = |finder: &Self, delta: u64, from: usize, to: &mut [u8]| {
            if let Some((_, page)) = &finder.pages[&delta] {
                to.copy_from_slice(&page[from..from + to.len()]);
            }
        };
        copy(self, place.delta, at, &mut bytes[..in_page]);
        let bits = self.mode.code_bits();
        let mut decoded = decode(&bytes[..in_page], bits, self.features);
        if decoded.is_none() && in_page < MAX_INSTRUCTION {
            let (second, _) = self.place(off.checked_add(in_page as i32)?)?;
            copy(self, second.delta, 0, &mut bytes[in_page..]);
            decoded = decode(&bytes, bits, self.features);
        }
        let (instr, op) = decoded?;
        let numbers = match bytes[..in_page].get(..instr.len()) {
            Some(encoding) if self.view.varies(place.host + at as u64) => {
                Numbers::new(encoding, place.host + at as u64, bits)
            }
            _ => Numbers::default(),
        };
        Some(Insn { instr: moved(instr, off), op, off, numbers })
    }

    /// Decodes from `off` on to the end of the block.
    fn follow(&mut self, mut off: i32, depth: u32) {
        if self.insns.contains_key(&off) {
            self.leaders.insert(off);
            return;
        }
        if self.insns.len() >= self.extent.insns {
            return;
        }
        let start = off;
        loop {
            if self.insns.contains_key(&off) {
                self.leaders.insert(off);
                break;
            }
            if self.insns.len() >= self.extent.insns + 64 || self.is_anothers(off) {
                break;
            }
            let Some(insn) = self.decode_at(off) else { break };
            self.insns.insert(off, insn);
            let next = insn.next();
            match flow(&insn) {
                Flow::On => {
                    off = next;
                    continue;
                }
                Flow::Check if self.wanted(next) => {
                    off = next;
                    continue;
                }
                Flow::Check | Flow::End => self.enter_later(next, depth),
                Flow::Jump(target) => self.follow_later(target, depth),
                Flow::Branch(target) => {
                    self.follow_later(next, depth);
                    self.follow_later(target, depth);
                }
                Flow::Call(target) => {
                    self.enter_later(next, depth);
                    if depth < self.extent.depth && self.wanted(target) {
                        self.calls.push_back((target, depth + 1));
                        if self.extent.shares {
                            self.entries.insert(target);
                        }
                    }
                }
                Flow::IndirectCall => self.enter_later(next, depth),
                Flow::IndirectJump => self.has_indirect_jump = true,
                Flow::Return => {}
            }
            break;
        }
        if self.insns.contains_key(&start) {
            self.leaders.insert(start);
        }
    }

    fn follow_later(&mut self, off: i32, depth: u32) {
        if self.wanted(off) {
            self.nearby.push_back((off, depth));
        }
    }

    /// `off` will be come to from elsewhere.
    fn enter_later(&mut self, off: i32, depth: u32) {
        if self.wanted(off) {
            self.entries.insert(off);
            self.nearby.push_back((off, depth));
        }
    }

    /// Where an indirect jump goes cannot be seen; but wherever it has gone, a block has been executed
    /// that nothing else leads to. All such in the pages at hand are taken in.
    fn guess_indirect_targets(&mut self) {
        let places: Vec<CodePlace> =
            self.pages.values().flatten().map(|(place, _)| *place).collect();
        for place in places {
            let first = place.delta.wrapping_sub(self.start) as i64;
            for at in 0..PAGE_SIZE {
                let off = (first + at as i64) as i32;
                if self.view.executed(place.host + at) && !self.leaders.contains(&off) {
                    self.entries.insert(off);
                    self.nearby.push_back((off, self.extent.depth));
                }
            }
        }
    }

    fn finish(self) -> Option<Region> {
        self.insns.get(&0)?;
        let bytes = self.bytes();
        let Self { mode, start, pages, insns, mut leaders, entries, .. } = self;
        leaders.retain(|off| insns.contains_key(off));
        leaders.insert(0);
        let mut order: Vec<i32> = vec![0];
        order.extend(leaders.iter().copied().filter(|off| *off != 0));
        let ids: HashMap<i32, BlockId> =
            order.iter().enumerate().map(|(id, off)| (*off, id)).collect();
        let to = |off: i32| Target { off, block: ids.get(&off).copied() };
        let blocks = order.iter().map(|&off| {
            let mut row = Vec::new();
            let mut at = off;
            let end = loop {
                let Some(insn) = insns.get(&at) else { break End::Fall(to(at)) };
                if at != off && leaders.contains(&at) {
                    break End::Fall(to(at));
                }
                row.push(*insn);
                at = insn.next();
                match flow(insn) {
                    Flow::On => {}
                    Flow::Check if insns.contains_key(&at) => {}
                    Flow::Check | Flow::End => break End::Special,
                    Flow::Jump(target) => break End::Jump(to(target)),
                    Flow::Branch(target) => {
                        break End::Branch { taken: to(target), next: to(at) };
                    }
                    Flow::Call(target) => break End::Call { target: to(target) },
                    Flow::Return | Flow::IndirectJump | Flow::IndirectCall => {
                        break End::Indirect;
                    }
                }
            };
            Block { off, insns: row, end }
        });
        let blocks = blocks.collect();
        let entries = entries.iter().filter_map(|off| ids.get(off).copied()).collect();
        let places = pages.into_values().flatten().map(|(place, _)| place).collect();
        Some(Region { mode, start, blocks, places, entries, bytes })
    }

    /// The bytes of all instructions but for numbers that are read when they are executed, those in a row
    /// together.
    fn bytes(&self) -> Vec<Bytes> {
        let mut all: Vec<Bytes> = Vec::new();
        for insn in self.insns.values() {
            for n in 0..insn.instr.len() as i32 {
                let at = self.start.wrapping_add(insn.off.wrapping_add(n) as i64 as u64);
                let Some(Some((place, page))) = self.pages.get(&(at & !(PAGE_SIZE - 1))) else {
                    continue;
                };
                let (host, byte) = (place.host + at % PAGE_SIZE, page[(at % PAGE_SIZE) as usize]);
                if insn.numbers.have(host) {
                    continue;
                }
                match all.last_mut() {
                    Some(last)
                        if last.host + last.bytes.len() as u64 == host
                            && !host.is_multiple_of(PAGE_SIZE) =>
                    {
                        if n == 0 {
                            last.starts.push(last.bytes.len() as u16);
                        }
                        last.bytes.push(byte);
                    }
                    _ => all.push(Bytes { host, bytes: vec![byte], starts: Vec::new() }),
                }
            }
        }
        all
    }
}

fn flow(insn: &Insn) -> Flow {
    let instr = &insn.instr;
    if !insn.op.flags.contains(OpFlags::END) || repeats_in_memory(instr) {
        return Flow::On;
    }
    // Offsets count as 64 bits where code does; a target out of reach is nobody's.
    let near = matches!(instr.op0_kind(), OpKind::NearBranch32 | OpKind::NearBranch64);
    let target = instr.near_branch_target();
    let target = if instr.op0_kind() == OpKind::NearBranch32 {
        target as u32 as i32
    } else {
        match i32::try_from(target as i64) {
            Ok(target) => target,
            Err(_) if near => return Flow::End,
            Err(_) => 0,
        }
    };
    match instr.flow_control() {
        // What drops translations is left through the table of jumps, which knows what stays.
        FlowControl::Next if insn.instr.mnemonic() == Mnemonic::Invlpg || loads_cr3(instr) => {
            Flow::End
        }
        FlowControl::Next if !insn.op.flags.contains(OpFlags::INVALID) => Flow::Check,
        FlowControl::UnconditionalBranch if near => Flow::Jump(target),
        FlowControl::ConditionalBranch if near => Flow::Branch(target),
        FlowControl::Call if near => Flow::Call(target),
        FlowControl::Return if instr.mnemonic() == Mnemonic::Ret && wide(instr) => Flow::Return,
        FlowControl::IndirectBranch if instr.mnemonic() == Mnemonic::Jmp && wide(instr) => {
            Flow::IndirectJump
        }
        FlowControl::IndirectCall if instr.mnemonic() == Mnemonic::Call && wide(instr) => {
            Flow::IndirectCall
        }
        _ => Flow::End,
    }
}

/// Whether it is a repeated instruction that most often goes to its end: without ports.
fn repeats_in_memory(instr: &Instruction) -> bool {
    use Mnemonic as M;
    let has_port =
        matches!(instr.mnemonic(), M::Insb | M::Insw | M::Insd | M::Outsb | M::Outsw | M::Outsd);
    instr.is_string_instruction() && !has_port
}

/// An instruction that was decoded at 0, as it is at `off`.
fn moved(mut instr: Instruction, off: i32) -> Instruction {
    match instr.op0_kind() {
        OpKind::NearBranch32 => {
            instr.set_near_branch32(instr.near_branch32().wrapping_add(off as u32));
        }
        OpKind::NearBranch64 => {
            instr.set_near_branch64(instr.near_branch64().wrapping_add(off as i64 as u64));
        }
        _ => {}
    }
    if instr.is_ip_rel_memory_operand() {
        let from = instr.memory_displacement64();
        instr.set_memory_displacement64(from.wrapping_add(off as i64 as u64));
    }
    instr
}

fn loads_cr3(instr: &Instruction) -> bool {
    instr.op0_kind() == OpKind::Register && instr.op0_register() == Register::CR3
}

/// Whether a near return or indirect branch sets all of the instruction pointer.
fn wide(instr: &Instruction) -> bool {
    use iced_x86::Code::*;
    matches!(
        instr.code(),
        Retnd | Retnq | Retnd_imm16 | Retnq_imm16 | Jmp_rm32 | Jmp_rm64 | Call_rm32 | Call_rm64
    )
}
