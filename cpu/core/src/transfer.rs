//! Control transfers between code segments: far JMP, CALL and RET, call gates, and what they share
//! with interrupts and IRET (SDM Vol. 3, 5.8).

use crate::access::is_canonical;
use crate::exec::{Exec, OperandSize};
use crate::segment::{Descriptor, SegReg, Segment, SegmentAttributes, system_type};
use crate::segmentation::{is_null, rpl, v86_segment};
use crate::state::Mode;
use crate::tasks::TaskSwitch;
use crate::{Exception, ExecResult};

/// A stack that is being built before anything is committed.
pub(crate) struct Frame {
    /// The mode whose rules hold for the stack segment.
    mode: Mode,
    segment: Segment,
    pub pointer: u64,
    mask: u64,
    user: bool,
    /// Error code if the frame does not fit.
    fault: u32,
}

impl Frame {
    /// A frame on a stack in `segment` for code that runs at `cpl` in `mode` afterwards.
    pub fn new(mode: Mode, segment: Segment, pointer: u64, cpl: u8, fault: u32) -> Self {
        let mask = match mode {
            Mode::Long64 => u64::MAX,
            _ if segment.attributes.is_big() => 0xffff_ffff,
            _ => 0xffff,
        };
        let segment =
            if mode == Mode::Long64 { Segment { fast_base: 0, ..segment } } else { segment };
        Self { mode, segment, pointer: pointer & mask, mask, user: cpl == 3, fault }
    }

    pub fn push(&mut self, exec: &mut Exec<'_>, size: OperandSize, value: u64) -> ExecResult<()> {
        let pointer = self.pointer.wrapping_sub(size.bytes()) & self.mask;
        let linear =
            Exec::check_segment(self.mode, &self.segment, true, pointer, size.bytes(), true)
                .map_err(|_| Exception::ss(self.fault))?;
        if self.user && exec.cpu.alignment_checks && !linear.is_multiple_of(size.bytes()) {
            return Err(Exception::ac());
        }
        match size {
            OperandSize::Word => exec.write_linear_as(linear, self.user, value as u16)?,
            OperandSize::Dword => exec.write_linear_as(linear, self.user, value as u32)?,
            OperandSize::Qword => exec.write_linear_as(linear, self.user, value)?,
        }
        self.pointer = pointer;
        Ok(())
    }
}

/// The two ways to come to another code segment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FarKind {
    Jump,
    Call,
}

impl Exec<'_> {
    /// Near jump, call or return: checks `target` (already masked to the operand size) against the
    /// limit of CS or for canonical form, and sets `next_rip`.
    #[inline]
    pub fn branch(&mut self, target: u64) -> ExecResult<()> {
        let valid = if self.cpu.mode == Mode::Long64 {
            is_canonical(target)
        } else {
            target <= self.cpu.segs[SegReg::Cs as usize].limit.into()
        };
        if !valid {
            return Err(Exception::gp(0));
        }
        self.next_rip = target;
        Ok(())
    }

    /// #GP(0) if `rip` cannot be executed in the code segment of `descriptor`.
    pub(crate) fn check_entry(&self, descriptor: &Descriptor, rip: u64) -> ExecResult<()> {
        let long = self.cpu.mode.is_long() && descriptor.attributes().is_long();
        let valid = if long { is_canonical(rip) } else { rip <= descriptor.limit().into() };
        if valid { Ok(()) } else { Err(Exception::gp(self.ext)) }
    }

    /// Whether a code segment can be entered at all: in long mode, L and D are not both set.
    pub(crate) fn is_enterable(&self, rights: SegmentAttributes) -> bool {
        rights.is_code() && !(self.cpu.mode.is_long() && rights.is_long() && rights.is_big())
    }

    /// Commits a new CS and privilege level. The descriptor's accessed bit is already set.
    pub(crate) fn set_code_segment(&mut self, selector: u16, descriptor: &Descriptor, cpl: u8) {
        let selector = selector & !3 | u16::from(cpl);
        self.cpu.segs[SegReg::Cs as usize] = descriptor.segment(selector);
        self.cpu.cpl = cpl;
        self.cpu.mode_changed();
    }

    /// Commits a new SS. The caller calls `mode_changed` some time after.
    pub(crate) fn set_stack_segment(&mut self, segment: Segment) {
        self.cpu.segs[SegReg::Ss as usize] = segment;
        self.cpu.segment_changed(SegReg::Ss);
    }

    /// A far transfer in real or virtual-8086 mode.
    pub(crate) fn set_real_code_segment(&mut self, selector: u16) {
        let cs = &mut self.cpu.segs[SegReg::Cs as usize];
        *cs = if self.cpu.mode == Mode::V86 {
            v86_segment(selector)
        } else {
            let base = u64::from(selector) << 4;
            Segment { selector, base, attributes: SegmentAttributes::REAL, usable: true, ..*cs }
        };
        self.cpu.segment_changed(SegReg::Cs);
    }

    /// JMP far.
    pub fn far_jump(&mut self, selector: u16, offset: u64, size: OperandSize) -> ExecResult<()> {
        self.far_transfer(FarKind::Jump, selector, offset & size.mask(), size)
    }

    /// CALL far.
    pub fn far_call(&mut self, selector: u16, offset: u64, size: OperandSize) -> ExecResult<()> {
        self.far_transfer(FarKind::Call, selector, offset & size.mask(), size)
    }

    /// A frame on the current stack.
    pub(crate) fn current_frame(&self, fault: u32) -> Frame {
        let ss = *self.cpu.seg(SegReg::Ss);
        Frame::new(self.cpu.mode, ss, self.stack_pointer(), self.cpu.cpl, fault)
    }

    fn push_return_address(
        &mut self,
        frame: &mut Frame,
        size: OperandSize,
        next_rip: u64,
    ) -> ExecResult<()> {
        let cs = self.cpu.seg(SegReg::Cs).selector;
        frame.push(self, size, cs.into())?;
        frame.push(self, size, next_rip)
    }

    fn far_transfer(
        &mut self,
        kind: FarKind,
        selector: u16,
        offset: u64,
        size: OperandSize,
    ) -> ExecResult<()> {
        if !self.cpu.mode.is_protected() {
            if offset > self.cpu.seg(SegReg::Cs).limit.into() {
                return Err(Exception::gp(0));
            }
            if kind == FarKind::Call {
                let mut frame = self.current_frame(0);
                self.push_return_address(&mut frame, size, self.next_rip)?;
                self.set_stack_pointer(frame.pointer);
            }
            self.set_real_code_segment(selector);
            self.next_rip = offset;
            return Ok(());
        }
        if is_null(selector) {
            return Err(Exception::gp(0));
        }
        let fault = self.gp_selector(selector);
        let descriptor = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let rights = descriptor.attributes();
        if rights.is_code_or_data() {
            return self.far_to_segment(kind, selector, descriptor, offset, size);
        }
        let long = self.cpu.mode.is_long();
        match rights.kind() {
            system_type::CALL_GATE => self.far_through_gate(kind, selector, descriptor),
            system_type::CALL_GATE16 if !long => self.far_through_gate(kind, selector, descriptor),
            system_type::TASK_GATE | system_type::TSS_AVAILABLE | system_type::TSS16_AVAILABLE
                if !long =>
            {
                if rights.dpl() < self.cpu.cpl.max(rpl(selector)) {
                    return Err(fault);
                }
                if !rights.is_present() {
                    return Err(self.np_selector(selector));
                }
                let tss = if rights.kind() == system_type::TASK_GATE {
                    descriptor.gate_selector()
                } else {
                    selector
                };
                let reason = match kind {
                    FarKind::Jump => TaskSwitch::Jump,
                    FarKind::Call => TaskSwitch::Call,
                };
                self.switch_task_to(tss, reason, self.next_rip, None)
            }
            _ => Err(fault),
        }
    }

    fn far_to_segment(
        &mut self,
        kind: FarKind,
        selector: u16,
        mut descriptor: Descriptor,
        offset: u64,
        size: OperandSize,
    ) -> ExecResult<()> {
        let rights = descriptor.attributes();
        let cpl = self.cpu.cpl;
        let allowed = if rights.is_conforming() {
            rights.dpl() <= cpl
        } else {
            rpl(selector) <= cpl && rights.dpl() == cpl
        };
        if !self.is_enterable(rights) || !allowed {
            return Err(self.gp_selector(selector));
        }
        if !rights.is_present() {
            return Err(self.np_selector(selector));
        }
        self.check_entry(&descriptor, offset)?;
        self.mark_accessed(&mut descriptor)?;
        if kind == FarKind::Call {
            let mut frame = self.current_frame(0);
            self.push_return_address(&mut frame, size, self.next_rip)?;
            self.set_stack_pointer(frame.pointer);
        }
        self.set_code_segment(selector, &descriptor, cpl);
        self.next_rip = offset;
        Ok(())
    }

    fn far_through_gate(
        &mut self,
        kind: FarKind,
        gate_selector: u16,
        gate: Descriptor,
    ) -> ExecResult<()> {
        let gate_rights = gate.attributes();
        let gate_fault = self.gp_selector(gate_selector);
        let cpl = self.cpu.cpl;
        if gate_rights.dpl() < cpl.max(rpl(gate_selector)) {
            return Err(gate_fault);
        }
        let gate = self.fetch_high(gate_selector, gate)?.ok_or(gate_fault)?;
        if !gate_rights.is_present() {
            return Err(self.np_selector(gate_selector));
        }
        let long = self.cpu.mode.is_long();
        let selector = gate.gate_selector();
        let (size, offset) = match gate_rights.kind() {
            system_type::CALL_GATE16 => (OperandSize::Word, gate.gate_offset() & 0xffff),
            _ if long => (OperandSize::Qword, gate.gate_offset()),
            _ => (OperandSize::Dword, gate.gate_offset()),
        };
        if is_null(selector) {
            return Err(Exception::gp(0));
        }
        let fault = self.gp_selector(selector);
        let mut descriptor = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let rights = descriptor.attributes();
        let inner = !rights.is_conforming() && rights.dpl() < cpl;
        let allowed = rights.dpl() == cpl
            || rights.is_conforming() && rights.dpl() <= cpl
            || inner && kind == FarKind::Call;
        if !self.is_enterable(rights) || !allowed || long && !rights.is_long() {
            return Err(fault);
        }
        if !rights.is_present() {
            return Err(self.np_selector(selector));
        }
        self.check_entry(&descriptor, offset)?;
        self.mark_accessed(&mut descriptor)?;
        match kind {
            FarKind::Jump => self.set_code_segment(selector, &descriptor, cpl),
            FarKind::Call if !inner => {
                let mut frame = self.current_frame(0);
                self.push_return_address(&mut frame, size, self.next_rip)?;
                self.set_stack_pointer(frame.pointer);
                self.set_code_segment(selector, &descriptor, cpl);
            }
            FarKind::Call => {
                let new_cpl = rights.dpl();
                let (stack, pointer) = if long {
                    (Segment::null(new_cpl.into()), self.tss_stack64(new_cpl, 0)?)
                } else {
                    self.inner_stack(new_cpl)?
                };
                let mode = if long { Mode::Long64 } else { self.cpu.mode };
                let code = self.selector_code(stack.selector);
                let mut frame = Frame::new(mode, stack, pointer, new_cpl, code);
                let old_stack = self.cpu.seg(SegReg::Ss).selector;
                frame.push(self, size, old_stack.into())?;
                let old_pointer = self.cpu.regs[crate::RSP];
                frame.push(self, size, old_pointer)?;
                if !long {
                    self.copy_parameters(&mut frame, size, gate.gate_parameters())?;
                }
                self.push_return_address(&mut frame, size, self.next_rip)?;
                self.set_code_segment(selector, &descriptor, new_cpl);
                self.set_stack_segment(stack);
                self.set_stack_pointer(frame.pointer);
            }
        }
        self.next_rip = offset;
        Ok(())
    }

    /// Copies the parameters of a call gate from the old stack, the last one first.
    fn copy_parameters(
        &mut self,
        frame: &mut Frame,
        size: OperandSize,
        count: u32,
    ) -> ExecResult<()> {
        for i in (0..u64::from(count)).rev() {
            let from = self.stack_pointer().wrapping_add(i * size.bytes()) & self.cpu.stack_mask;
            let value = self.read_stack(from, size)?;
            frame.push(self, size, value)?;
        }
        Ok(())
    }

    /// Reads from the current stack without popping.
    pub(crate) fn read_stack(&mut self, pointer: u64, size: OperandSize) -> ExecResult<u64> {
        let pointer = pointer & self.cpu.stack_mask;
        Ok(match size {
            OperandSize::Word => self.read::<u16>(SegReg::Ss, pointer)?.into(),
            OperandSize::Dword => self.read::<u32>(SegReg::Ss, pointer)?.into(),
            OperandSize::Qword => self.read::<u64>(SegReg::Ss, pointer)?,
        })
    }

    /// The stack of an inner privilege level from the 16- or 32-bit TSS, checked.
    pub(crate) fn inner_stack(&mut self, level: u8) -> ExecResult<(Segment, u64)> {
        let tr = self.cpu.tr;
        let tss_fault = self.ts_selector(tr.selector);
        let level = u64::from(level);
        let (selector, pointer) = if tr.attributes.kind() == system_type::TSS16_BUSY {
            let at = 2 + level * 4;
            if at + 3 > tr.limit.into() {
                return Err(tss_fault);
            }
            let pointer: u16 = self.read_system(self.system_linear(tr.base, at))?;
            let selector: u16 = self.read_system(self.system_linear(tr.base, at + 2))?;
            (selector, pointer.into())
        } else {
            let at = 4 + level * 8;
            if at + 5 > tr.limit.into() {
                return Err(tss_fault);
            }
            let pointer: u32 = self.read_system(self.system_linear(tr.base, at))?;
            let selector: u16 = self.read_system(self.system_linear(tr.base, at + 4))?;
            (selector, pointer.into())
        };
        let segment = self.check_inner_stack(selector, level as u8)?;
        Ok((segment, pointer))
    }

    /// Checks the stack segment of another privilege level that comes from a TSS: faults are #TS.
    pub(crate) fn check_inner_stack(&mut self, selector: u16, level: u8) -> ExecResult<Segment> {
        let fault = self.ts_selector(selector);
        if is_null(selector) {
            return Err(fault);
        }
        let mut descriptor = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let rights = descriptor.attributes();
        if rpl(selector) != level || rights.dpl() != level || !rights.is_writable() {
            return Err(fault);
        }
        if !rights.is_present() {
            return Err(self.ss_selector(selector));
        }
        self.mark_accessed(&mut descriptor)?;
        Ok(descriptor.segment(selector))
    }

    /// RSP0 to RSP2 (`ist` 0) or IST1 to IST7 of the 64-bit TSS.
    pub(crate) fn tss_stack64(&mut self, level: u8, ist: u8) -> ExecResult<u64> {
        let tr = self.cpu.tr;
        let at = match ist {
            0 => 4 + u64::from(level) * 8,
            ist => 0x24 + (u64::from(ist) - 1) * 8,
        };
        if at + 7 > tr.limit.into() {
            return Err(self.ts_selector(tr.selector));
        }
        let pointer = self.read_system(tr.base.wrapping_add(at))?;
        if is_canonical(pointer) { Ok(pointer) } else { Err(Exception::ss(self.ext)) }
    }

    /// Checks a code selector that a far return or IRET goes to: #GP or #NP.
    pub(crate) fn check_return_segment(&mut self, selector: u16) -> ExecResult<Descriptor> {
        if is_null(selector) {
            return Err(Exception::gp(0));
        }
        let fault = self.gp_selector(selector);
        if rpl(selector) < self.cpu.cpl {
            return Err(fault);
        }
        let mut descriptor = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let rights = descriptor.attributes();
        let allowed = if rights.is_conforming() {
            rights.dpl() <= rpl(selector)
        } else {
            rights.dpl() == rpl(selector)
        };
        if !self.is_enterable(rights) || !allowed {
            return Err(fault);
        }
        if !rights.is_present() {
            return Err(self.np_selector(selector));
        }
        self.mark_accessed(&mut descriptor)?;
        Ok(descriptor)
    }

    /// Checks a selector for SS at level `cpl`: the present one, or the one that a return goes to.
    /// `long_code`: for 64-bit code, which below CPL 3 may have a null one.
    pub(crate) fn check_stack_selector(
        &mut self,
        selector: u16,
        cpl: u8,
        long_code: bool,
    ) -> ExecResult<Segment> {
        if is_null(selector) {
            if long_code && cpl != 3 && rpl(selector) == cpl {
                return Ok(Segment::null(selector));
            }
            return Err(Exception::gp(0));
        }
        let fault = self.gp_selector(selector);
        let mut descriptor = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let rights = descriptor.attributes();
        if rpl(selector) != cpl || !rights.is_writable() || rights.dpl() != cpl {
            return Err(fault);
        }
        if !rights.is_present() {
            return Err(self.ss_selector(selector));
        }
        self.mark_accessed(&mut descriptor)?;
        Ok(descriptor.segment(selector))
    }

    /// After a return to an outer level, data segments that it may not use become null.
    pub(crate) fn drop_inner_segments(&mut self) {
        for which in [SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs] {
            let segment = self.cpu.seg(which);
            let rights = segment.attributes;
            if segment.usable && !rights.is_conforming() && rights.dpl() < self.cpu.cpl {
                // The base stays, as it does for a null load of FS and GS on some processors; nothing
                // can see it but 64-bit code, whose FS and GS bases must survive this.
                let base = segment.base;
                self.cpu.segs[which as usize] = Segment { base, ..Segment::null(0) };
                self.cpu.segment_changed(which);
            }
        }
    }

    /// RET far, releasing `extra` bytes of parameters.
    pub fn far_return(&mut self, size: OperandSize, extra: u16) -> ExecResult<()> {
        let step = size.bytes();
        let extra = u64::from(extra);
        let sp = self.stack_pointer();
        let rip = self.read_stack(sp, size)?;
        let selector = self.read_stack(sp.wrapping_add(step), size)? as u16;
        let after = sp.wrapping_add(2 * step).wrapping_add(extra);
        if !self.cpu.mode.is_protected() {
            if rip > self.cpu.seg(SegReg::Cs).limit.into() {
                return Err(Exception::gp(0));
            }
            self.set_stack_pointer(after);
            self.set_real_code_segment(selector);
            self.next_rip = rip;
            return Ok(());
        }
        let descriptor = self.check_return_segment(selector)?;
        let new_cpl = rpl(selector);
        if new_cpl == self.cpu.cpl {
            self.check_entry(&descriptor, rip)?;
            self.set_stack_pointer(after);
            self.set_code_segment(selector, &descriptor, new_cpl);
        } else {
            let new_sp = self.read_stack(after, size)?;
            let new_ss = self.read_stack(after.wrapping_add(step), size)? as u16;
            let long_code = self.cpu.mode.is_long() && descriptor.attributes().is_long();
            let stack = self.check_stack_selector(new_ss, new_cpl, long_code)?;
            self.check_entry(&descriptor, rip)?;
            self.set_code_segment(selector, &descriptor, new_cpl);
            self.set_stack_segment(stack);
            self.cpu.mode_changed();
            self.set_stack_pointer(new_sp.wrapping_add(extra));
            self.drop_inner_segments();
        }
        self.next_rip = rip;
        Ok(())
    }
}
