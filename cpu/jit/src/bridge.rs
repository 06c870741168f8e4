//! What generated code calls while it runs.

use aero_cpu::{Access, Exec};
use aero_interpreter::{OpFlags, execute_op};

use crate::host::Helpers;
use crate::mode::Mode;
use crate::processor::Processor;
use crate::store::{Holding, Store};
use crate::translate::{Exit, GO_ON};

/// What generated code calls.
pub struct Bridge<'a, 'b> {
    pub exec: &'a mut Exec<'b>,
    pub processor: &'a mut Processor,
    /// Host offset 0.
    pub ram: *const u8,
    pub store: &'a mut Store,
    pub mode: Mode,
    /// Instructions retired and left when generated code was entered.
    pub before: u64,
    pub left: i32,
    pub assisted: u64,
    pub misses: u64,
}

/// The answer of a translation that the interpreter has to deal with.
const NOWHERE: u32 = u32::MAX;

impl Bridge<'_, '_> {
    /// Generated code goes on after an instruction that has changed where it is, or how code runs, or
    /// what addresses lead to, and no more.
    fn go_on(&mut self, mode: Mode) -> u32 {
        if !mode.is_translated() || !mode.suits(self.exec.cpu) {
            return Exit::Look as u32;
        }
        self.mode = mode;
        self.processor.keep_up(self.exec.cpu.dropped_translations());
        self.processor.frame.salt = self.processor.salt(mode);
        GO_ON
    }
}

impl Helpers for Bridge<'_, '_> {
    fn translate_read(&mut self, linear: u64, size: u32) -> u32 {
        self.misses += 1;
        if let Some(host) = self.exec.host_address(linear, size.into(), Access::Read) {
            return host as u32;
        }
        let scratch = &mut self.processor.frame.scratch;
        let Some(data) = scratch.get_mut(..size as usize) else { return NOWHERE };
        if !self.exec.read_crossing(linear, data) {
            return NOWHERE;
        }
        (scratch.as_ptr() as usize).wrapping_sub(self.ram as usize) as u32
    }

    fn translate_write(&mut self, linear: u64, size: u32) -> u32 {
        self.misses += 1;
        let Some((host, has_code)) = self.exec.host_address_of_write(linear, size.into()) else {
            return NOWHERE;
        };
        if has_code {
            let versions = self.exec.versions();
            match self.store.holding(host, size) {
                // What the interpreter has decoded it looks at again when the version is another one.
                Holding::Nothing => versions.touch(host, false),
                Holding::Page => versions.touch(host, true),
                Holding::Code => return NOWHERE,
            }
        }
        host as u32
    }

    fn interpret(&mut self, site: u32, left: i32) -> u32 {
        let Some(op) = self.store.op(site) else { return Exit::Interpret as u32 };
        let exec = &mut *self.exec;
        let used = self.left.wrapping_sub(left) as u32;
        exec.retired = self.before + u64::from(used);
        let frame = &mut *self.processor.frame;
        frame.give_flags(&mut exec.cpu.flags);
        let epoch = exec.cpu.translation_epoch();
        let next = exec.cpu.rip.wrapping_add(op.len.into()) & exec.cpu.linear_mask();
        let boundary = execute_op(exec, &op);
        self.assisted += 1;
        frame.take_flags(&exec.cpu.flags);
        // An instruction that ends its block may have done nothing that matters here, and one that does
        // not may have loaded a segment register. A repeated one may have to go on where it stopped.
        let mode = Mode::of(exec.cpu);
        let ends = op.flags.contains(OpFlags::END);
        let quiet = (!boundary || ends && !exec.look && !exec.has_events()) && mode == self.mode;
        let plain = quiet && exec.cpu.rip == next;
        if plain && exec.cpu.attention.is_empty() && epoch == exec.cpu.translation_epoch() {
            return 0;
        }
        let retired = exec.retired - self.before;
        frame.left = self.left.wrapping_sub(retired as i32);
        if exec.look || !exec.cpu.attention.is_empty() || exec.has_events() {
            return Exit::Look as u32;
        }
        self.go_on(mode)
    }
}
