//! The shape of a region's function: entry, dispatch, nested blocks, exit.

use std::mem::offset_of;

use aero_cpu::bits::rflags;
use aero_cpu::{Signal, layout};
use wasm_encoder::ValType;

use super::{Exit, GO_ON, Known, Translator};
use crate::code::{Hint, Label, at};
use crate::frame::{Frame, JUMPS, Jump};
use crate::region::BlockId;

impl Translator<'_> {
    /// Everything of the function.
    pub(super) fn body(&mut self) {
        self.enter();
        self.jump_label = Some(self.code.block());
        self.assisted_label = Some(self.code.block());
        self.exit_label = Some(self.code.block());
        self.elsewhere_label = Some(self.code.block());
        self.dispatch_label = Some(self.code.looped());
        self.flags = Known::Nothing;
        self.pause_if_due(None);
        let root = self.region.blocks.len();
        self.children(root, |t, arrivals| t.dispatch(arrivals));
        self.code.end();
        self.code.op().unreachable();
        self.code.end();
        // RIP is in its local.
        let exit = self.exit;
        self.code.op().i32_const(Exit::Elsewhere as i32).local_set(exit);
        self.code.end();
        self.leave_function();
        self.code.br(self.jump_label.expect("within the function"));
        self.code.end();
        self.code.op().local_get(exit).i32_const(GO_ON as i32).i32_ne();
        self.code.if_(Hint::None);
        self.code.op().local_get(exit).return_();
        self.code.end();
        self.load_pc();
        self.code.end();
        self.jump();
        self.code.op().i32_const(Exit::Elsewhere as i32);
    }

    /// RIP is in memory.
    pub(super) fn load_pc(&mut self) {
        let (rip, pc) = (at(self.addresses.cpu + layout::RIP as u32), self.pc);
        self.code.op().i32_const(0).i64_load(rip).local_set(pc);
    }

    pub(super) fn frame_field(&self, offset: usize) -> wasm_encoder::MemArg {
        at(self.addresses.frame + offset as u32)
    }

    fn enter(&mut self) {
        let rip = at(self.addresses.cpu + layout::RIP as u32);
        let left_field = self.frame_field(offset_of!(Frame, left));
        let (base, left, off) = (self.base, self.left, self.off);
        self.code.op().i32_const(0).i64_load(rip);
        self.code.op().local_get(off).i64_extend_i32_s().i64_sub().local_set(base);
        self.code.op().i32_const(0).i32_load(left_field).local_set(left);
        self.load_registers();
        self.load_flags();
        if self.optimized {
            let user = usize::from(self.region.mode.is_user());
            let has = self.frame_field(offset_of!(Frame, has_recent) + 4 * user);
            self.code.op().i32_const(0).i32_const(1).i32_store(has);
        }
    }

    /// Leaves if there is a signal that can be taken or the budget might not last: at a block, or where
    /// the dispatch node is about to go.
    fn pause_if_due(&mut self, block: Option<BlockId>) {
        let longest = match block {
            Some(block) => self.graph.longest[block],
            None => self.longest,
        };
        let left = self.left;
        let signals = at(self.addresses.signals);
        let system = at(self.addresses.cpu + layout::FLAGS_SYSTEM as u32);
        // Two branches cost less than one on both conditions.
        let on = self.code.block();
        let due = self.code.block();
        self.code.op().local_get(left).i32_const(longest).i32_lt_s();
        self.code.br_if(Hint::Unlikely, due);
        self.code.op().i32_const(0).i32_load(signals).i32_eqz();
        self.code.br_if(Hint::Likely, on);
        self.code.end();
        // An interrupt waits for IF.
        self.code.op().local_get(left).i32_const(longest).i32_lt_s();
        self.code.op().i32_const(0).i32_load(signals);
        self.code.op().i32_const(!Signal::INTR.bits() as i32).i32_and().i32_or();
        self.code.op().i32_const(0).i32_load(system);
        self.code.op().i32_const(rflags::IF as i32).i32_and().i32_or();
        self.code.if_(Hint::None);
        let flags = self.flags;
        match block {
            Some(block) => self.leave(self.region.blocks[block].off, Exit::Pause, 0),
            None => {
                self.write_flags_kind();
                self.push_dispatch_rip();
                let pc = self.pc;
                self.code.op().local_set(pc);
                self.leave_with_pc(Exit::Pause);
            }
        }
        self.flags = flags;
        self.code.end();
        self.code.end();
    }

    /// Pushes the RIP that the dispatch node is asked for.
    fn push_dispatch_rip(&mut self) {
        let (base, off) = (self.base, self.off);
        self.code.op().local_get(base).local_get(off).i64_extend_i32_s().i64_add();
        if !self.region.mode.is_long() {
            self.code.op().i64_const(0xffff_ffff).i64_and();
        }
    }

    /// Branches by the offset: by a hash of it, which is verified on arrival.
    fn dispatch(&mut self, arrivals: &[(BlockId, Label)]) {
        let offsets: Vec<i32> =
            arrivals.iter().map(|(block, _)| self.region.blocks[*block].off).collect();
        let hash = Hash::perfect(&offsets);
        let miss = self.code.block();
        let mut labels = vec![miss; hash.size];
        for (offset, (_, label)) in offsets.iter().zip(arrivals) {
            labels[hash.of(*offset)] = *label;
        }
        let off = self.off;
        self.code.op().local_get(off).i32_const(hash.factor as i32).i32_mul();
        self.code.op().i32_const(hash.shift as i32).i32_shr_u();
        self.code.br_table(&labels, miss);
        self.code.end();
        self.leave_dispatch();
    }

    /// The offset is none of this region.
    fn leave_dispatch(&mut self) {
        self.push_dispatch_rip();
        let pc = self.pc;
        self.code.op().local_set(pc);
        let label = self.elsewhere_label.expect("within the function");
        self.code.br(label);
    }

    /// A node's own code, which `own` writes, and then that of its children in the dominator tree that
    /// more than one edge leads to. The dispatch node gets a label for each to arrive at.
    fn children(&mut self, node: usize, own: impl FnOnce(&mut Self, &[(BlockId, Label)])) {
        let is_root = node == self.region.blocks.len();
        let graph = self.graph;
        let mut arrivals = Vec::new();
        for &child in graph.merges[node].iter().rev() {
            self.merge_labels[child] = Some(self.code.block());
            if is_root && graph.dispatched.contains(&child) {
                arrivals.push((child, self.code.block()));
            }
        }
        own(self, &arrivals);
        for &child in &graph.merges[node] {
            if arrivals.iter().any(|(block, _)| *block == child) {
                self.code.end();
                let (off, expected) = (self.off, self.region.blocks[child].off);
                self.code.op().local_get(off).i32_const(expected).i32_ne();
                self.code.if_(Hint::Unlikely);
                self.leave_dispatch();
                self.code.end();
            }
            self.code.end();
            self.flags = Known::Nothing;
            self.tree(child);
        }
    }

    /// A block with everything that it dominates.
    pub(super) fn tree(&mut self, block: BlockId) {
        let is_loop = self.graph.loops[block];
        if is_loop {
            self.write_flags_kind();
            self.flags = Known::Nothing;
            self.loop_labels[block] = Some(self.code.looped());
            self.pause_if_due(Some(block));
        }
        self.children(block, |t, _| t.block(block));
        if is_loop {
            self.code.end();
            self.code.op().unreachable();
        }
    }

    /// A block's own instructions.
    fn block(&mut self, block: BlockId) {
        let region = self.region;
        let insns = &region.blocks[block].insns;
        let count = insns.len() as i32;
        let left = self.left;
        self.xmm.enter_block();
        if count != 0 {
            self.code.op().local_get(left).i32_const(count).i32_sub().local_set(left);
        }
        let plain = match region.blocks[block].end {
            crate::region::End::Fall(_) => insns.len(),
            _ => insns.len() - 1,
        };
        for (index, insn) in insns.iter().enumerate() {
            self.rest = count - index as i32;
            self.here = insn.off;
            self.numbers = insn.numbers;
            self.goes_on = index + 1 < insns.len();
            self.held = self.holds.take();
            if index < plain {
                self.instruction(insn);
            }
        }
        if plain == insns.len() {
            self.rest = 0;
        }
        self.end_x87();
        self.end_block(block);
    }

    /// After the exit block: state goes to memory. What does not go elsewhere returns.
    fn leave_function(&mut self) {
        let rip = at(self.addresses.cpu + layout::RIP as u32);
        let left_field = self.frame_field(offset_of!(Frame, left));
        let (pc, left, exit) = (self.pc, self.left, self.exit);
        self.code.op().i32_const(0).local_get(pc).i64_store(rip);
        self.code.op().i32_const(0).local_get(left).i32_store(left_field);
        self.store_registers();
        // Exit::Elsewhere is zero.
        self.code.op().local_get(exit);
        self.code.if_(Hint::None);
        self.code.op().local_get(exit).return_();
        self.code.end();
    }

    /// Goes on in the region that the jump table has for RIP.
    fn jump(&mut self) {
        let pc = self.pc;
        let salt = self.frame_field(offset_of!(Frame, salt));
        let jumps = offset_of!(Frame, jumps);
        let tag = self.frame_field(jumps + offset_of!(Jump, tag));
        let slot = self.frame_field(jumps + offset_of!(Jump, slot));
        let entry = self.frame_field(jumps + offset_of!(Jump, entry));
        let size = size_of::<Jump>() as i32;
        self.code.op().local_get(pc).local_get(pc).i64_const(12).i64_shr_u().i64_xor();
        self.code.op().i32_wrap_i64().i32_const(JUMPS as i32 - 1).i32_and();
        self.code.op().i32_const(size).i32_mul();
        let index = self.code.keep(ValType::I32);
        self.get(&index);
        self.code.op().i64_load(tag);
        self.code.op().local_get(pc).i32_const(0).i64_load(salt).i64_xor().i64_eq();
        self.code.if_(Hint::None);
        self.get(&index);
        self.code.op().i32_load(entry);
        self.get(&index);
        self.code.op().i32_load(slot);
        let ty = self.functions.region_type;
        self.code.op().return_call_indirect(0, ty);
        self.code.end();
        self.code.free(index);
    }
}

/// A hash without collisions.
struct Hash {
    factor: u32,
    shift: u32,
    size: usize,
}

impl Hash {
    /// For these numbers, which are all different.
    fn perfect(numbers: &[i32]) -> Self {
        let mut bits = (2 * numbers.len()).next_power_of_two().trailing_zeros().max(1);
        loop {
            let size = 1 << bits;
            // Odd numbers that are spread over all bits.
            let mut factor = 0x9e37_79b1_u32;
            for _ in 0..64 {
                let hash = Self { factor, shift: 32 - bits, size };
                let mut seen = vec![false; size];
                if numbers.iter().all(|n| !std::mem::replace(&mut seen[hash.of(*n)], true)) {
                    return hash;
                }
                factor = factor.wrapping_mul(0x85eb_ca6b).wrapping_add(0x2545_f492) | 1;
            }
            bits += 1;
        }
    }

    fn of(&self, number: i32) -> usize {
        (number as u32).wrapping_mul(self.factor).wrapping_shr(self.shift) as usize
    }
}
