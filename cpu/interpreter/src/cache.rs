//! Blocks of decoded instructions.
//!
//! A block is a run of instructions within one page of host memory. It is known by where it starts
//! there and how it is decoded (16, 32 or 64-bit code), so it serves every linear address and every
//! processor that the page is mapped for. Whether it still is what memory holds shows the page's
//! version: a store to a page that code is kept of gives it a new one. Pages that hold both code and
//! data change without the code changing, so a block with an old version is compared with memory
//! before it is given up.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use aero_bus::PAGE_SIZE;
use aero_cpu::{Exec, Features};
use iced_x86::{ConstantOffsets, Decoder, DecoderError, DecoderOptions, Instruction};

use crate::fast::Fast;
use crate::features::required;
use crate::lower::{invalid, lower, too_long};
use crate::op::{Op, OpFlags};

/// What processors of the models here do with encodings that newer ones use: F3 before BSF and BSR is
/// ignored, hint NOPs have no other meaning. PAUSE is a NOP with a hint: with REX.B its opcode is that of
/// XCHG.
const OPTIONS: u32 = DecoderOptions::FORCE_RESERVED_NOP
    | DecoderOptions::NO_MPFX_0FBC
    | DecoderOptions::NO_MPFX_0FBD
    | DecoderOptions::NO_PAUSE
    | DecoderOptions::NO_WBNOINVD;

/// The longest encoding.
pub(crate) const MAX_INSTRUCTION: usize = 15;

/// Instructions in a block at most.
const MAX_BLOCK: usize = 64;

/// When one of these is exceeded, everything is dropped and decoded anew.
const MAX_OPS: usize = 1 << 20;
const MAX_BLOCKS: usize = 1 << 18;

/// Entries of the table in front of the map, a power of two.
const FRONT: usize = 1 << 14;

/// Entries of the table of instructions that cross a page, a power of two.
const CROSSINGS: usize = 1 << 9;

/// Where a block starts and how it is decoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key(u64);

impl Key {
    const NONE: Self = Self(0);

    /// `host_offset` is that of the first byte, `code_bits` 16, 32 or 64.
    #[inline(always)]
    pub fn new(host_offset: u64, code_bits: u32) -> Self {
        // Offsets are far below 2^56, and 64 bits of code make 4.
        Self(host_offset | u64::from(code_bits / 16) << 56)
    }

    #[inline(always)]
    fn front_index(self) -> usize {
        ((self.0 ^ self.0 >> 12) as usize) % FRONT
    }
}

/// Spreads the bits of a [`Key`]; nothing here is chosen by an adversary to collide for long, since
/// the map is emptied at its limit.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }
    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 29;
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Index of the first op.
    first: u32,
    /// Number of ops, at least one.
    pub count: u32,
    /// Length of the encodings in bytes.
    pub len: u32,
    /// Index of the copy of the encodings.
    bytes: u32,
    /// The page's version that the block was last seen to agree with.
    pub version: u32,
}

impl Block {
    const NONE: Self = Self { first: 0, count: 0, len: 0, bytes: 0, version: 0 };
}

/// A part of memory that was decoded: the host offset of a byte in its page, and the page's version.
pub(crate) type Place = (u64, u32);

/// An instruction that begins in one page and ends in another.
#[derive(Clone, Copy)]
struct Crossing {
    key: Key,
    /// The page's version where it begins.
    version: u32,
    /// Where it goes on.
    second: Place,
    op: Op,
}

/// All blocks.
pub(crate) struct Cache {
    ops: Vec<Op>,
    blocks: Vec<Block>,
    /// Copies of the encodings.
    bytes: Vec<u8>,
    map: HashMap<Key, u32, BuildHasherDefault<KeyHasher>>,
    front: Box<[(Key, Block); FRONT]>,
    crossings: Box<[Option<Crossing>; CROSSINGS]>,
}

impl Cache {
    pub fn new() -> Self {
        Self {
            ops: Vec::new(),
            blocks: Vec::new(),
            bytes: Vec::new(),
            map: HashMap::default(),
            front: vec![(Key::NONE, Block::NONE); FRONT].try_into().expect("of this length"),
            crossings: vec![None; CROSSINGS].try_into().ok().expect("of this length"),
        }
    }

    pub fn clear(&mut self) {
        self.ops.clear();
        self.blocks.clear();
        self.bytes.clear();
        self.map.clear();
        self.front.fill((Key::NONE, Block::NONE));
        self.crossings.fill(None);
    }

    /// The block of `key` if the page still has the version it was decoded from.
    #[inline(always)]
    pub fn find(&self, key: Key, version: u32) -> Option<Block> {
        let (found, block) = self.front[key.front_index()];
        (found == key && block.version == version).then_some(block)
    }

    /// Whether there is a block of `key`, of whatever version.
    pub fn knows(&self, key: Key) -> bool {
        self.map.contains_key(&key)
    }

    /// The ops of a block.
    #[inline(always)]
    pub fn ops(&self, block: Block) -> &[Op] {
        &self.ops[block.first as usize..][..block.count as usize]
    }

    /// The block of `key`, whose first byte is at `host_offset`: known already, or decoded now. `None`
    /// if the first instruction crosses the end of the page.
    #[cold]
    #[inline(never)]
    pub fn find_or_decode(
        &mut self,
        exec: &mut Exec<'_>,
        key: Key,
        host_offset: u64,
        code_bits: u32,
    ) -> Option<Block> {
        if let Some(&index) = self.map.get(&key) {
            let block = &mut self.blocks[index as usize];
            let version = exec.mark_code_page(host_offset);
            let agrees = block.version == version || {
                let start = (host_offset % PAGE_SIZE) as usize;
                let (now, then) =
                    (exec.code_bytes(host_offset), &self.bytes[block.bytes as usize..]);
                now[start..][..block.len as usize] == then[..block.len as usize]
            };
            if agrees {
                block.version = version;
                self.front[key.front_index()] = (key, *block);
                return Some(*block);
            }
        }
        if self.ops.len() > MAX_OPS || self.blocks.len() > MAX_BLOCKS {
            self.clear();
        }
        // Before the bytes are read, so that a store in between is seen.
        let version = exec.mark_code_page(host_offset);
        let features = exec.cpu.model.features;
        let code = exec.code_bytes(host_offset);
        let block = self.decode(code, host_offset, code_bits, version, features)?;
        let index = self.blocks.len() as u32;
        self.blocks.push(block);
        self.map.insert(key, index);
        self.front[key.front_index()] = (key, block);
        Some(block)
    }

    /// Whether the instruction of `key` is known to cross into another page.
    pub fn is_crossing(&self, key: Key, version: u32) -> bool {
        self.crossings[key.front_index() % CROSSINGS]
            .is_some_and(|known| known.key == key && known.version == version)
    }

    /// The instruction of `key` that crosses into another page, if both are as they were.
    pub fn find_crossing(&self, key: Key, version: u32, second: Place) -> Option<Op> {
        let known = self.crossings[key.front_index() % CROSSINGS]?;
        let same = known.key == key && known.version == version && known.second == second;
        same.then_some(known.op)
    }

    /// Keeps an instruction that crosses from one page into that of `second`, both marked
    /// before it was read.
    pub fn keep_crossing(&mut self, key: Key, version: u32, second: Place, op: Op) {
        self.crossings[key.front_index() % CROSSINGS] = Some(Crossing { key, version, second, op });
    }

    fn decode(
        &mut self,
        page: &[u8],
        host_offset: u64,
        code_bits: u32,
        version: u32,
        features: Features,
    ) -> Option<Block> {
        let start = (host_offset % PAGE_SIZE) as usize;
        let code = &page[start..];
        let first = self.ops.len();
        let mut decoder = Decoder::new(code_bits, code, OPTIONS);
        let mut instr = Instruction::default();
        let mut len = 0;
        while self.ops.len() - first < MAX_BLOCK {
            decoder.decode_out(&mut instr);
            let rest = (&code[len..], code_bits);
            let Some(op) = lowered(&instr, decoder.last_error(), rest, features) else { break };
            len += instr.len();
            self.ops.push(op);
            if op.flags.contains(OpFlags::END) {
                break;
            }
        }
        let count = self.ops.len() - first;
        if count == 0 {
            return None;
        }
        let bytes = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&code[..len]);
        Some(Block { first: first as u32, count: count as u32, len: len as u32, bytes, version })
    }
}

/// The op of what was decoded; `None` if it needs more bytes than there are. An instruction that a model
/// with these features does not have is invalid.
fn lowered(
    instr: &Instruction,
    error: DecoderError,
    (code, code_bits): (&[u8], u32),
    features: Features,
) -> Option<Op> {
    if error == DecoderError::NoMoreBytes {
        return None;
    }
    let mut op = lower(instr);
    if instr.is_invalid() && instr.len() >= MAX_INSTRUCTION {
        // Unless it is just as long as may be, and invalid for another reason, such as LOCK.
        if is_too_long(code, code_bits) {
            op.handler = too_long;
        }
    }
    if !features.contains(required(instr)) {
        op.handler = invalid;
        op.flags |= OpFlags::END | OpFlags::INVALID;
    }
    op.fast = Fast::of(op.handler);
    Some(op)
}

/// Whether an invalid instruction has more than 15 bytes, rather than just so many: then it still has 15
/// with a prefix less.
#[cold]
fn is_too_long(code: &[u8], code_bits: u32) -> bool {
    // A prefix that does not change the length of what follows.
    let removable =
        |b: &u8| matches!(b, 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0xf0 | 0xf2 | 0xf3);
    let Some(at) = code.iter().position(removable) else { return true };
    let shorter: Vec<u8> =
        code[..at].iter().chain(&code[at + 1..]).take(MAX_INSTRUCTION).copied().collect();
    let mut decoder = Decoder::new(code_bits, &shorter, OPTIONS);
    // What comes after the 15th byte need not be at hand.
    decoder.decode().len() >= MAX_INSTRUCTION || decoder.last_error() == DecoderError::NoMoreBytes
}

/// Decodes a single instruction of `code`, of 16, 32 or 64 bits, as a processor with these features
/// has it; `None` if it is longer. The instruction is as iced shows it at address 0: what the processor
/// does not have, or is not implemented, shows in the op alone ([`OpFlags::INVALID`]).
pub fn decode(code: &[u8], code_bits: u32, features: Features) -> Option<(Instruction, Op)> {
    let mut decoder = Decoder::new(code_bits, code, OPTIONS);
    let instr = decoder.decode();
    lowered(&instr, decoder.last_error(), (code, code_bits), features).map(|op| (instr, op))
}

/// An instruction of `code`, and where in its encoding it has its displacement and its immediates.
pub fn decode_constants(code: &[u8], code_bits: u32) -> (Instruction, ConstantOffsets) {
    let mut decoder = Decoder::new(code_bits, code, OPTIONS);
    let instr = decoder.decode();
    (instr, decoder.get_constant_offsets(&instr))
}

/// The op alone.
pub(crate) fn decode_one(code: &[u8], code_bits: u32, features: Features) -> Option<Op> {
    decode(code, code_bits, features).map(|(_, op)| op)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_too_long(code: &[u8]) -> bool {
        let (_, op) = decode(code, 64, Features::all()).expect("no more than there is");
        std::ptr::fn_addr_eq(op.handler, too_long as crate::op::Handler)
    }

    #[test]
    fn fifteen_bytes_tell_what_is_too_long() {
        for prefix in [0x26, 0xf0] {
            // NOP behind 15 prefixes, of which 15 bytes or more are seen.
            let mut code = [prefix; 20];
            code[15] = 0x90;
            assert!(is_too_long(&code) && is_too_long(&code[..16]) && is_too_long(&code[..15]));
            // 15 bytes, but invalid for LOCK: a register cannot be locked.
            code[0] = 0xf0;
            code[13..15].copy_from_slice(&[0x01, 0xc0]);
            assert!(!is_too_long(&code) && !is_too_long(&code[..15]));
        }
    }
}
