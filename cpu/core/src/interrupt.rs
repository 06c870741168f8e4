//! Delivery of interrupts and exceptions (SDM Vol. 3, chapter 6).

use crate::bits::rflags;
use crate::exception::vector;
use crate::exec::{Exec, OperandSize};
use crate::segment::{Descriptor, SegReg, Segment, system_type};
use crate::segmentation::is_null;
use crate::state::{Activity, Attention, Mode, RSP, Shadow};
use crate::tasks::TaskSwitch;
use crate::transfer::Frame;
use crate::{Exception, ExecResult};

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An interrupt controller or NMI.
    External,
    /// A fault, whose instruction will be tried again.
    Fault,
    /// A debug trap.
    Trap,
    /// INT n, INT3 and INTO: the gate's DPL is checked.
    Software,
    /// INT1: not checked.
    PrivilegedSoftware,
}

/// Something that goes through the interrupt table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub vector: u8,
    pub origin: Origin,
    pub error_code: Option<u32>,
    pub return_rip: u64,
}

/// Contributory exceptions (SDM Vol. 3, table 6-4).
const fn is_contributory(vector: u8) -> bool {
    matches!(vector, vector::DE | vector::TS | vector::NP | vector::SS | vector::GP)
}

/// What to deliver when `second` happens during the delivery of `first`; `None` is shutdown.
pub(crate) fn combine(first: &Event, second: Exception) -> Option<Exception> {
    if !matches!(first.origin, Origin::Fault | Origin::Trap) {
        return Some(second);
    }
    match first.vector {
        vector::DF => None,
        vector::PF if second.vector == vector::PF || is_contributory(second.vector) => {
            Some(Exception::df())
        }
        one if is_contributory(one) && is_contributory(second.vector) => Some(Exception::df()),
        _ => Some(second),
    }
}

impl Exec<'_> {
    /// Delivers a fault of the instruction at `cpu.rip`, with double and triple faults. Sets
    /// `cpu.rip`, and counts one retired instruction.
    #[cold]
    #[inline(never)]
    pub fn raise(&mut self, exception: Exception) {
        self.retired += 1;
        let event = self.fault_event(exception);
        self.deliver_fully(event);
    }

    fn fault_event(&mut self, exception: Exception) -> Event {
        if let Some(address) = exception.cr2 {
            self.cpu.cr2 = address;
        }
        Event {
            vector: exception.vector,
            origin: Origin::Fault,
            error_code: exception.error_code,
            return_rip: self.cpu.rip,
        }
    }

    /// Delivers an event, and whatever faults its delivery has, and goes on at the handler.
    pub(crate) fn deliver_fully(&mut self, event: Event) {
        let mut event = event;
        loop {
            match self.deliver(&event) {
                Ok(()) => {
                    self.cpu.rip = self.next_rip;
                    return;
                }
                Err(second) => match combine(&event, second) {
                    Some(exception) => {
                        // Also if a double fault comes of it (SDM Vol. 3, 6.15, interrupt 14).
                        self.cpu.cr2 = second.cr2.unwrap_or(self.cpu.cr2);
                        event = self.fault_event(exception);
                    }
                    None => {
                        log::warn!(
                            "processor {}: triple fault at {:#06x}:{:#x} ({:?})",
                            self.cpu.index,
                            self.cpu.seg(SegReg::Cs).selector,
                            self.cpu.rip,
                            self.cpu.mode
                        );
                        self.cpu.set_activity(Activity::Shutdown);
                        // No instruction comes whose end would lift a shadow or be trapped.
                        self.cpu.set_pending(Shadow::None, 0, false);
                        self.cpu.step_changed();
                        return;
                    }
                },
            }
        }
    }

    /// INT n.
    pub fn int_n(&mut self, vector: u8) -> ExecResult<()> {
        if self.cpu.mode == Mode::V86 && self.cpu.flags.iopl() < 3 {
            return Err(Exception::gp(0));
        }
        self.software_event(vector, Origin::Software)
    }

    /// INT3.
    pub fn int3(&mut self) -> ExecResult<()> {
        self.software_event(vector::BP, Origin::Software)
    }

    /// INTO whose OF is set.
    pub fn into_overflow(&mut self) -> ExecResult<()> {
        self.software_event(vector::OF, Origin::Software)
    }

    /// INT1 (ICEBP).
    pub fn int1(&mut self) -> ExecResult<()> {
        self.software_event(vector::DB, Origin::PrivilegedSoftware)
    }

    fn software_event(&mut self, vector: u8, origin: Origin) -> ExecResult<()> {
        let return_rip = self.next_rip;
        self.deliver(&Event { vector, origin, error_code: None, return_rip })
    }

    /// Delivers one event: on success `next_rip` is the handler. On a fault nothing has changed, but
    /// for what a task switch did before its point of no return.
    pub(crate) fn deliver(&mut self, event: &Event) -> ExecResult<()> {
        self.ext = match event.origin {
            Origin::Software => 0,
            _ => 1,
        };
        let held = self.cpu.pending_dr6;
        let result = match self.cpu.mode {
            Mode::Real => self.deliver_real(event),
            mode if mode.is_long() => self.deliver_long(event),
            _ => self.deliver_protected(event),
        };
        self.ext = 0;
        if result.is_ok() {
            self.cpu.shadow = Shadow::None;
            self.cpu.attention.remove(Attention::SHADOW);
            self.cpu.step_mark = None;
            if event.vector == vector::DB && event.origin != Origin::Software {
                // General detect is off in the handler.
                self.cpu.dr[7] &= !(1 << 13);
                // What MOV SS has held back comes with it.
                self.cpu.dr[6] |= held;
                self.cpu.pending_dr6 &= !held;
                let left = self.cpu.pending_dr6 != 0;
                self.cpu.attention.set(Attention::DEBUG_TRAP, left);
            }
        }
        result
    }

    /// RFLAGS as they are pushed. RF is set for faults, so that an instruction breakpoint does not
    /// hit again when the instruction is restarted; not for the breakpoint itself, which shows in
    /// DR6.B0 to B3 (section 18.3.1.1).
    fn pushed_flags(&self, event: &Event) -> u64 {
        let flags = self.cpu.flags.rflags();
        match event.origin {
            Origin::Fault if event.vector != vector::DB || self.cpu.dr[6] & 0xf == 0 => {
                flags | rflags::RF
            }
            Origin::External | Origin::Trap => flags,
            _ => flags & !rflags::RF,
        }
    }

    /// Clears what a handler must not inherit, and IF for interrupt gates.
    fn enter_handler_flags(&mut self, clear_if: bool) {
        let mut cleared = rflags::TF | rflags::NT | rflags::RF | rflags::VM;
        if clear_if {
            cleared |= rflags::IF;
        }
        self.cpu.flags.set(cleared, false);
    }

    fn deliver_real(&mut self, event: &Event) -> ExecResult<()> {
        let at = u64::from(event.vector) * 4;
        if at + 3 > self.cpu.idtr.limit.into() {
            return Err(Exception::gp(u32::from(event.vector) * 8 + 2));
        }
        let address = self.system_linear(self.cpu.idtr.base, at);
        let entry: u32 = self.read_system(address)?;
        let mut frame = self.current_frame(0);
        let flags = self.cpu.flags.rflags();
        frame.push(self, OperandSize::Word, flags)?;
        let cs = self.cpu.seg(SegReg::Cs).selector;
        frame.push(self, OperandSize::Word, cs.into())?;
        frame.push(self, OperandSize::Word, event.return_rip)?;
        self.set_stack_pointer(frame.pointer);
        self.cpu.flags.set(rflags::IF | rflags::TF | rflags::AC | rflags::RF, false);
        self.set_real_code_segment((entry >> 16) as u16);
        self.cpu.mode_changed();
        self.next_rip = (entry & 0xffff).into();
        Ok(())
    }

    /// The error code for a bad gate.
    fn gate_code(&self, vector: u8) -> u32 {
        u32::from(vector) * 8 + 2 + self.ext
    }

    /// Checks of the gate itself; `size` is that of an entry of the table.
    fn fetch_gate(&mut self, event: &Event, size: u64) -> ExecResult<Descriptor> {
        let fault = Exception::gp(self.gate_code(event.vector));
        let at = u64::from(event.vector) * size;
        if at + size - 1 > self.cpu.idtr.limit.into() {
            return Err(fault);
        }
        let address = self.system_linear(self.cpu.idtr.base, at);
        let low = self.read_system(address)?;
        let high = if size == 16 { self.read_system(address.wrapping_add(8))? } else { 0 };
        let gate = Descriptor { low, high, address };
        let rights = gate.attributes();
        let legacy = matches!(
            rights.kind(),
            system_type::TASK_GATE | system_type::INTERRUPT_GATE16 | system_type::TRAP_GATE16
        ) && size == 8;
        let wide = matches!(rights.kind(), system_type::INTERRUPT_GATE | system_type::TRAP_GATE);
        if rights.is_code_or_data() || !legacy && !wide {
            return Err(fault);
        }
        if event.origin == Origin::Software && rights.dpl() < self.cpu.cpl {
            return Err(fault);
        }
        if !rights.is_present() {
            return Err(Exception::np(self.gate_code(event.vector)));
        }
        Ok(gate)
    }

    /// The handler's code segment, checked.
    fn fetch_handler(&mut self, selector: u16) -> ExecResult<Descriptor> {
        if is_null(selector) {
            return Err(Exception::gp(self.ext));
        }
        let fault = self.gp_selector(selector);
        let mut descriptor = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let rights = descriptor.attributes();
        let long = self.cpu.mode.is_long();
        if !rights.is_code()
            || rights.dpl() > self.cpu.cpl
            || long && (!rights.is_long() || rights.is_big())
        {
            return Err(fault);
        }
        if !rights.is_present() {
            return Err(self.np_selector(selector));
        }
        self.mark_accessed(&mut descriptor)?;
        Ok(descriptor)
    }

    fn deliver_protected(&mut self, event: &Event) -> ExecResult<()> {
        let gate = self.fetch_gate(event, 8)?;
        let kind = gate.attributes().kind();
        if kind == system_type::TASK_GATE {
            return self.switch_task_to(
                gate.gate_selector(),
                TaskSwitch::Interrupt,
                event.return_rip,
                event.error_code,
            );
        }
        let size = match kind {
            system_type::INTERRUPT_GATE16 | system_type::TRAP_GATE16 => OperandSize::Word,
            _ => OperandSize::Dword,
        };
        let selector = gate.gate_selector();
        let offset = gate.gate_offset() & size.mask();
        let handler = self.fetch_handler(selector)?;
        let rights = handler.attributes();
        let v86 = self.cpu.mode == Mode::V86;
        let cpl = self.cpu.cpl;
        let inner = !rights.is_conforming() && rights.dpl() < cpl;
        if v86 && (!inner || rights.dpl() != 0) {
            return Err(self.gp_selector(selector));
        }
        let new_cpl = if inner { rights.dpl() } else { cpl };
        let (segment, mut frame) = if inner {
            let (segment, pointer) = self.inner_stack(new_cpl)?;
            let code = self.selector_code(segment.selector);
            (Some(segment), Frame::new(Mode::Prot32, segment, pointer, new_cpl, code))
        } else {
            (None, self.current_frame(self.ext))
        };
        self.check_entry(&handler, offset)?;
        if segment.is_some() {
            if v86 {
                for which in [SegReg::Gs, SegReg::Fs, SegReg::Ds, SegReg::Es] {
                    let selector = self.cpu.seg(which).selector;
                    frame.push(self, size, selector.into())?;
                }
            }
            let ss = self.cpu.seg(SegReg::Ss).selector;
            frame.push(self, size, ss.into())?;
            let sp = self.cpu.regs[RSP];
            frame.push(self, size, sp)?;
        }
        let flags = self.pushed_flags(event);
        frame.push(self, size, flags)?;
        let cs = self.cpu.seg(SegReg::Cs).selector;
        frame.push(self, size, cs.into())?;
        frame.push(self, size, event.return_rip)?;
        if let Some(code) = event.error_code {
            frame.push(self, size, code.into())?;
        }
        // Nothing can fail from here on.
        let clear_if = matches!(kind, system_type::INTERRUPT_GATE | system_type::INTERRUPT_GATE16);
        self.enter_handler_flags(clear_if);
        self.set_code_segment(selector, &handler, new_cpl);
        if let Some(segment) = segment {
            self.set_stack_segment(segment);
        }
        self.set_stack_pointer(frame.pointer);
        if v86 {
            for which in [SegReg::Gs, SegReg::Fs, SegReg::Ds, SegReg::Es] {
                self.cpu.segs[which as usize] = Segment::null(0);
                self.cpu.segment_changed(which);
            }
        }
        self.next_rip = offset;
        Ok(())
    }

    fn deliver_long(&mut self, event: &Event) -> ExecResult<()> {
        let gate = self.fetch_gate(event, 16)?;
        let selector = gate.gate_selector();
        let offset = gate.gate_offset();
        let handler = self.fetch_handler(selector)?;
        let rights = handler.attributes();
        let cpl = self.cpu.cpl;
        let new_cpl = if rights.is_conforming() { cpl } else { rights.dpl() };
        let ist = gate.gate_ist();
        let pointer = if new_cpl < cpl || ist != 0 {
            self.tss_stack64(new_cpl, ist)?
        } else {
            self.cpu.regs[RSP]
        };
        self.check_entry(&handler, offset)?;
        let stack = Segment::null(new_cpl.into());
        let mut frame = Frame::new(Mode::Long64, stack, pointer & !15, new_cpl, self.ext);
        let ss = self.cpu.seg(SegReg::Ss).selector;
        frame.push(self, OperandSize::Qword, ss.into())?;
        let sp = self.cpu.regs[RSP];
        frame.push(self, OperandSize::Qword, sp)?;
        let flags = self.pushed_flags(event);
        frame.push(self, OperandSize::Qword, flags)?;
        let cs = self.cpu.seg(SegReg::Cs).selector;
        frame.push(self, OperandSize::Qword, cs.into())?;
        frame.push(self, OperandSize::Qword, event.return_rip)?;
        if let Some(code) = event.error_code {
            frame.push(self, OperandSize::Qword, code.into())?;
        }
        // Nothing can fail from here on.
        if new_cpl < cpl {
            self.cpu.segs[SegReg::Ss as usize] = stack;
        }
        self.enter_handler_flags(gate.attributes().kind() == system_type::INTERRUPT_GATE);
        self.set_code_segment(selector, &handler, new_cpl);
        self.cpu.regs[RSP] = frame.pointer;
        self.next_rip = offset;
        Ok(())
    }
}
