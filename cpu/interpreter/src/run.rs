//! The run loop.

use std::sync::atomic::Ordering;

use aero_bus::{PAGE_SIZE, PageVersions};
use aero_cpu::{
    CpuBackend, CpuExit, CpuSignals, Exception, Exec, ExecResult, Platform, RunOutcome, Vcpu,
};

use crate::cache::{Cache, Key, MAX_INSTRUCTION, decode_one};
use crate::fast::{Row, run_ops};
use crate::op::{Op, OpFlags};

/// A CPU backend that interprets. One can serve several processors of the same model: what it keeps is
/// derived from physical memory alone.
pub struct Interpreter {
    cache: Cache,
    /// Those of the memory that it ran with last.
    versions: Option<PageVersions>,
}

/// Sees which blocks are executed: for a backend that does better than to interpret some of them.
pub trait Observer {
    /// Asked before each block: it begins at this host offset and is decoded as code of 16, 32 or 64
    /// bits. With `true` the interpreter comes back before it executes it.
    fn stop_before(&mut self, host_offset: u64, code_bits: u32) -> bool;
}

/// Lets everything go on.
pub struct Indifferent;

impl Observer for Indifferent {
    #[inline(always)]
    fn stop_before(&mut self, _host_offset: u64, _code_bits: u32) -> bool {
        false
    }
}

impl Default for Interpreter {
    fn default() -> Self {
        Self::new()
    }
}

impl Interpreter {
    /// An interpreter that has decoded nothing yet.
    pub fn new() -> Self {
        Self { cache: Cache::new(), versions: None }
    }

    /// Executes blocks from RIP on, `most` instructions at most, until there is something to look at
    /// between two instructions (the caller does what [`Exec`] says about such places) or the observer
    /// stops it. A fault of fetching is returned, and the caller [raises](Exec::raise) it.
    pub fn execute_observed<O: Observer>(
        &mut self,
        exec: &mut Exec<'_>,
        most: u64,
        observer: &mut O,
    ) -> ExecResult<()> {
        let versions = match self.versions.take() {
            Some(versions) if versions.is_same(exec.versions()) => versions,
            _ => exec.versions().clone(),
        };
        let outcome = self.execute(exec, &versions, most, observer);
        self.versions = Some(versions);
        outcome
    }

    /// Whether a block of code of 16, 32 or 64 bits that begins at this host offset was decoded, which
    /// happens when it is executed. Memory may have changed since.
    pub fn knows(&self, host_offset: u64, code_bits: u32) -> bool {
        self.cache.knows(Key::new(host_offset, code_bits))
    }

    #[inline(always)]
    fn execute<O: Observer>(
        &mut self,
        exec: &mut Exec<'_>,
        versions: &PageVersions,
        most: u64,
        observer: &mut O,
    ) -> ExecResult<()> {
        let end = exec.retired.saturating_add(most);
        // Blocks that follow each other within a page need no new translation.
        loop {
            let rip = exec.cpu.rip;
            let linear = exec.cpu.code_linear(rip);
            let page = exec.fetch_code_page(linear)?;
            let Some(host_page) = page.host_offset else { return execute_alone(exec) };
            let code_bits = exec.cpu.mode().code_bits();
            let page_rip = rip.wrapping_sub(linear % PAGE_SIZE);
            let word = versions.word(host_page);
            loop {
                let offset = exec.cpu.rip.wrapping_sub(page_rip);
                if offset >= PAGE_SIZE {
                    break;
                }
                let host_offset = host_page + offset;
                if observer.stop_before(host_offset, code_bits) {
                    return Ok(());
                }
                let key = Key::new(host_offset, code_bits);
                let version = word.load(Ordering::Acquire) & !PageVersions::HAS_CODE;
                let block = match self.cache.find(key, version) {
                    Some(block) => block,
                    None if self.cache.is_crossing(key, version) => {
                        return self.execute_crossing(exec, key, host_offset);
                    }
                    None => match self.cache.find_or_decode(exec, key, host_offset, code_bits) {
                        Some(block) => block,
                        None => return self.execute_crossing(exec, key, host_offset),
                    },
                };
                if u64::from(block.len) > exec.code_bytes_left(exec.cpu.rip) {
                    return execute_alone(exec);
                }
                let ops = self.cache.ops(block);
                let left = usize::try_from(end - exec.retired).unwrap_or(usize::MAX);
                let (ops, whole) = match ops.get(..left) {
                    Some(part) => (part, false),
                    None => (ops, true),
                };
                if run_ops(exec, ops) == Row::Boundary || !whole || exec.has_events() {
                    return Ok(());
                }
            }
        }
    }
}

impl Interpreter {
    /// Executes the instruction at RIP, of `key` and at `host_offset`, which crosses into the next page.
    #[inline(never)]
    fn execute_crossing(
        &mut self,
        exec: &mut Exec<'_>,
        key: Key,
        host_offset: u64,
    ) -> ExecResult<()> {
        let rip = exec.cpu.rip;
        let in_page = PAGE_SIZE - exec.cpu.code_linear(rip) % PAGE_SIZE;
        let next = exec.cpu.code_linear(rip.wrapping_add(in_page));
        // Whether the next page is needed at all, and what fault comes first, is for the fetch to say.
        let Ok(page) = exec.fetch_code_page(next) else { return execute_alone(exec) };
        let Some(second) = page.host_offset else { return execute_alone(exec) };
        let versions = (exec.mark_code_page(host_offset), exec.mark_code_page(second));
        let second = (second, versions.1);
        let op = match self.cache.find_crossing(key, versions.0, second) {
            Some(op) => op,
            None => {
                let mut code = [0; MAX_INSTRUCTION];
                let available = exec.fetch_bytes(rip, &mut code)?;
                let bits = exec.cpu.mode().code_bits();
                let decoded = decode_one(&code[..available], bits, exec.cpu.model.features);
                let Some(op) = decoded else { return execute_alone(exec) };
                self.cache.keep_crossing(key, versions.0, second, op);
                op
            }
        };
        if u64::from(op.len) > exec.code_bytes_left(rip) {
            return execute_alone(exec);
        }
        run_ops(exec, &[op]);
        Ok(())
    }
}

/// Executes one instruction at RIP, for whoever decodes by himself, with all that goes with it: a fault is
/// delivered, RIP goes on and the instruction counts as retired. Returns whether the next instruction
/// is to be looked at first: after a fault, after an op that [ends its block](OpFlags::END), and when
/// [`Exec::look`] says so.
#[inline(never)]
pub fn execute_op(exec: &mut Exec<'_>, op: &Op) -> bool {
    exec.look = false;
    exec.next_rip = exec.cpu.rip.wrapping_add(op.len.into());
    match (op.handler)(exec, op) {
        Ok(()) => {
            exec.retired += 1;
            exec.cpu.rip = exec.next_rip & exec.cpu.linear_mask();
            exec.look || op.flags.contains(OpFlags::END)
        }
        Err(fault) => {
            exec.raise(*fault);
            true
        }
    }
}

/// Executes one instruction that is not kept: it crosses the end of its segment, or lies in no memory.
#[cold]
#[inline(never)]
fn execute_alone(exec: &mut Exec<'_>) -> ExecResult<()> {
    let rip = exec.cpu.rip;
    let mut code = [0; MAX_INSTRUCTION];
    let available = exec.fetch_bytes(rip, &mut code)?;
    let features = exec.cpu.model.features;
    match decode_one(&code[..available], exec.cpu.mode().code_bits(), features) {
        Some(op) => {
            run_ops(exec, &[op]);
            Ok(())
        }
        None => Err(missing_bytes(exec, rip.wrapping_add(available as u64))),
    }
}

/// The fault of fetching at `rip`, where an instruction goes on that has begun before.
fn missing_bytes(exec: &mut Exec<'_>, rip: u64) -> Exception {
    let mut byte = [0];
    // What could not be fetched a moment ago cannot be now.
    exec.fetch_bytes(rip, &mut byte).err().unwrap_or(Exception::gp(0))
}

impl CpuBackend for Interpreter {
    fn run(
        &mut self,
        cpu: &mut Vcpu,
        signals: &CpuSignals,
        platform: &mut dyn Platform,
    ) -> RunOutcome {
        let mut exec = Exec::new(cpu, signals, platform);
        loop {
            let mut stepping = !exec.cpu.attention.is_empty();
            if stepping || exec.has_events() {
                if let Some(exit) = exec.service_events() {
                    return RunOutcome { retired: exec.retired, exit };
                }
                // Of several signals one is taken; the next one's turn is after one more instruction.
                stepping = !exec.cpu.attention.is_empty() || exec.has_events();
            }
            let left = exec.budget.saturating_sub(exec.retired);
            if left == 0 {
                return RunOutcome { retired: exec.retired, exit: CpuExit::Budget };
            }
            let most = if stepping { 1 } else { left };
            if let Err(fault) = self.execute_observed(&mut exec, most, &mut Indifferent) {
                exec.raise(fault);
            }
        }
    }

    fn flush(&mut self) {
        self.cache.clear();
    }
}
