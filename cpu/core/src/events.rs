//! What happens between instructions: signals, debug traps, and what holds them off.

use std::sync::atomic::Ordering;

use crate::bits::rflags;
use crate::exception::vector;
use crate::exec::Exec;
use crate::interrupt::{Event, Origin};
use crate::segment::{SegReg, Segment};
use crate::state::{Activity, Attention, Shadow};
use crate::{CpuExit, Exception, Signal};

/// DR6.BS: single step.
const DR6_SINGLE_STEP: u64 = 1 << 14;

impl Exec<'_> {
    /// Whether a signal is there that may be taken now: an interrupt waits for IF.
    #[inline(always)]
    pub fn has_events(&self) -> bool {
        let word = self.signals.word().load(Ordering::Relaxed);
        word != 0 && (word != Signal::INTR.bits() || self.cpu.flags.has(rflags::IF))
    }

    /// Takes signals and pending debug events at an instruction boundary, in the order of SDM Vol. 3,
    /// table 6-2. `None`: execute the instruction at `cpu.rip`, which may have changed. `Some`: leave
    /// the run loop. Of several interrupts one is taken, and the next one not before one more
    /// instruction. So nothing is taken when the budget is used up: the next run begins at the same
    /// boundary, and it must not matter where runs end.
    #[cold]
    #[inline(never)]
    pub fn service_events(&mut self) -> Option<CpuExit> {
        loop {
            let retired = self.retired;
            let exit = self.service_boundary();
            // An instruction breakpoint counts as an instruction: its handler begins at a boundary too.
            if exit.is_some() || self.retired == retired {
                return exit;
            }
        }
    }

    fn service_boundary(&mut self) -> Option<CpuExit> {
        self.next_rip = self.cpu.rip;
        self.expire_marks();
        if self.retired >= self.budget {
            return Some(match self.cpu.activity {
                Activity::Running => CpuExit::Budget,
                // A debug trap of the HLT itself ends it in the next call.
                Activity::Halted if self.cpu.pending_dr6 != 0 => CpuExit::Budget,
                Activity::Halted | Activity::WaitForSipi => CpuExit::Halted,
                Activity::Shutdown => CpuExit::Shutdown,
            });
        }
        if self.signals.take(Signal::STOP) {
            return Some(CpuExit::Budget);
        }
        if self.cpu.activity != Activity::WaitForSipi && self.signals.take(Signal::INIT) {
            self.cpu.init();
            self.next_rip = self.cpu.rip;
        }
        if let Some(exit) = self.wait_for_sipi() {
            return Some(exit);
        }
        // One event at a time: the next is taken before its handler's first instruction.
        let _ = self.take_debug_trap() || self.take_nmi() || self.take_interrupt();
        match self.cpu.activity {
            Activity::Running => {}
            Activity::Halted | Activity::WaitForSipi => return Some(CpuExit::Halted),
            Activity::Shutdown => return Some(CpuExit::Shutdown),
        }
        // MOV SS and POP SS hide a breakpoint at the instruction after them (section 18.3.1.1).
        if self.cpu.attention.contains(Attention::CODE_BREAKPOINT)
            && !self.cpu.flags.has(rflags::RF)
            && self.cpu.shadow != Shadow::MovSs
        {
            let hits = self.cpu.code_breakpoint_hits();
            if hits != 0 {
                self.cpu.report_in_dr6(hits);
                self.raise(Exception::db());
                return (self.cpu.activity == Activity::Shutdown).then_some(CpuExit::Shutdown);
            }
        }
        if self.cpu.flags.has(rflags::TF) && self.cpu.step_mark.is_none() {
            self.cpu.step_mark = Some(self.retired);
            self.cpu.step_changed();
        }
        None
    }

    /// A repeated string instruction stops between two elements, and goes on when it is executed again:
    /// RF keeps its instruction breakpoint from hitting then (section 18.3.1.1).
    pub fn repeat_later(&mut self) {
        self.next_rip = self.cpu.rip;
        self.cpu.flags.set(rflags::RF, true);
        self.cpu.attention.insert(Attention::RESUME);
        self.cpu.resume_mark = self.retired + 1;
    }

    /// Takes away what covered only the instruction that has just retired.
    fn expire_marks(&mut self) {
        if self.cpu.shadow != Shadow::None && self.retired != self.cpu.shadow_mark {
            self.cpu.shadow = Shadow::None;
            self.cpu.attention.remove(Attention::SHADOW);
        }
        if self.cpu.flags.has(rflags::RF) && self.retired != self.cpu.resume_mark {
            self.cpu.flags.set(rflags::RF, false);
        }
        self.cpu.attention.set(Attention::RESUME, self.cpu.flags.has(rflags::RF));
        if let Some(mark) = self.cpu.step_mark
            && self.retired > mark
        {
            self.cpu.step_mark = None;
            // The step of MOV SS and POP SS is lost, not late (section 6.8.3).
            if self.cpu.shadow != Shadow::MovSs {
                self.cpu.pending_dr6 |= DR6_SINGLE_STEP;
                self.cpu.attention.insert(Attention::DEBUG_TRAP);
            }
        }
        self.cpu.step_changed();
    }

    /// The run ends, and with it the count that the marks refer to.
    pub(crate) fn settle_marks(&mut self) {
        if !self.cpu.attention.is_empty() {
            self.expire_marks();
        }
    }

    fn wait_for_sipi(&mut self) -> Option<CpuExit> {
        if self.cpu.activity != Activity::WaitForSipi {
            if self.signals.pending().contains(Signal::SIPI) {
                // Only a processor that waits for one takes it.
                let _ = self.signals.take_sipi();
            }
            return None;
        }
        let Some(page) = self.signals.take_sipi() else { return Some(CpuExit::Halted) };
        // INIT changes nothing in a processor that waits already.
        self.signals.take(Signal::INIT);
        let selector = u16::from(page) << 8;
        self.cpu.segs[SegReg::Cs as usize] = Segment::real(selector);
        self.cpu.rip = 0;
        self.next_rip = 0;
        self.cpu.set_activity(Activity::Running);
        self.cpu.mode_changed();
        None
    }

    fn event(&self, vector: u8, origin: Origin) -> Event {
        Event { vector, origin, error_code: None, return_rip: self.cpu.rip }
    }

    fn take_debug_trap(&mut self) -> bool {
        if self.cpu.pending_dr6 == 0 || self.cpu.shadow == Shadow::MovSs {
            return false;
        }
        let hits = std::mem::take(&mut self.cpu.pending_dr6);
        self.cpu.report_in_dr6(hits);
        self.cpu.attention.remove(Attention::DEBUG_TRAP);
        if matches!(self.cpu.activity, Activity::Shutdown | Activity::WaitForSipi) {
            return false;
        }
        self.cpu.set_activity(Activity::Running);
        self.deliver_fully(self.event(vector::DB, Origin::Trap));
        true
    }

    fn take_nmi(&mut self) -> bool {
        // Whether STI holds off an NMI is up to the processor; most do.
        if self.cpu.nmi_blocked
            || self.cpu.shadow != Shadow::None
            || !self.signals.pending().contains(Signal::NMI)
        {
            return false;
        }
        self.signals.take(Signal::NMI);
        self.cpu.set_activity(Activity::Running);
        self.cpu.nmi_blocked = true;
        self.deliver_fully(self.event(vector::NMI, Origin::External));
        true
    }

    fn take_interrupt(&mut self) -> bool {
        if self.cpu.shadow != Shadow::None
            || !self.cpu.flags.has(rflags::IF)
            || self.cpu.activity == Activity::Shutdown
            || !self.signals.pending().contains(Signal::INTR)
        {
            return false;
        }
        let vector = self.platform.acknowledge_interrupt(self.retired);
        self.after_platform();
        let Some(vector) = vector else { return false };
        self.cpu.set_activity(Activity::Running);
        self.deliver_fully(self.event(vector, Origin::External));
        true
    }
}
