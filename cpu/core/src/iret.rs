//! IRET, and the instructions that load or store RFLAGS.

use crate::bits::{cr0, rflags};
use crate::exec::{Exec, OperandSize};
use crate::segment::{SegReg, Segment};
use crate::segmentation::{rpl, v86_segment};
use crate::state::{Mode, RSP, Shadow};
use crate::tasks::TaskSwitch;
use crate::{Exception, ExecResult};

/// Flags that any privilege level may load with 16-bit operands.
const LOADABLE_16: u64 = rflags::ARITHMETIC | rflags::TF | rflags::DF | rflags::NT;
/// What 32- and 64-bit operands add for POPF.
const LOADABLE_32: u64 = LOADABLE_16 | rflags::AC | rflags::ID;

impl Exec<'_> {
    /// Which flags POPF and IRET may change with this operand size at the current privilege.
    fn loadable_flags(&self, size: OperandSize) -> u64 {
        let mut mask = if size == OperandSize::Word { LOADABLE_16 } else { LOADABLE_32 };
        let cpl = self.cpu.cpl;
        if cpl <= self.cpu.flags.iopl() {
            mask |= rflags::IF;
        }
        if cpl == 0 {
            mask |= rflags::IOPL;
        }
        mask
    }

    /// Replaces the flags in `mask`. `mode_changed` comes after it, unless only flags changed that no
    /// mode depends on.
    fn load_flags(&mut self, value: u64, mask: u64) {
        let old = self.cpu.flags.rflags();
        self.cpu.flags.set_rflags(old & !mask | value & mask);
        if mask & rflags::RF != 0 {
            // It covers the next instruction.
            self.cpu.resume_mark = self.retired + 1;
        }
    }

    /// PUSHF.
    pub fn pushf(&mut self, size: OperandSize) -> ExecResult<()> {
        self.require_v86_iopl3()?;
        let flags = self.cpu.flags.rflags() & !(rflags::VM | rflags::RF);
        self.push_sized(size, flags)
    }

    /// POPF.
    pub fn popf(&mut self, size: OperandSize) -> ExecResult<()> {
        self.require_v86_iopl3()?;
        let value = self.pop_sized(size)?;
        let mask = self.loadable_flags(size);
        let ac_before = self.cpu.flags.has(rflags::AC);
        self.load_flags(value, mask);
        if self.cpu.flags.has(rflags::AC) != ac_before {
            self.cpu.mode_changed();
        }
        self.cpu.step_changed();
        Ok(())
    }

    fn require_v86_iopl3(&self) -> ExecResult<()> {
        if self.cpu.mode == Mode::V86 && self.cpu.flags.iopl() < 3 {
            return Err(Exception::gp(0));
        }
        Ok(())
    }

    /// CLI.
    pub fn cli(&mut self) -> ExecResult<()> {
        self.require_iopl()?;
        self.cpu.flags.set(rflags::IF, false);
        Ok(())
    }

    /// STI: if it sets IF, interrupts come after the next instruction.
    pub fn sti(&mut self) -> ExecResult<()> {
        self.require_iopl()?;
        if !self.cpu.flags.has(rflags::IF) {
            self.cpu.flags.set(rflags::IF, true);
            self.hold_interrupts(Shadow::Sti);
        }
        Ok(())
    }

    fn require_iopl(&self) -> ExecResult<()> {
        if self.cpu.cpl <= self.cpu.flags.iopl() { Ok(()) } else { Err(Exception::gp(0)) }
    }

    /// IRET.
    pub fn iret(&mut self, size: OperandSize) -> ExecResult<()> {
        // Also if it faults (SDM Vol. 3, 6.7.1).
        self.cpu.nmi_blocked = false;
        match self.cpu.mode {
            Mode::Real | Mode::V86 => self.iret_real(size),
            mode if mode.is_long() => self.iret_long(size),
            _ => self.iret_protected(size),
        }
    }

    fn iret_real(&mut self, size: OperandSize) -> ExecResult<()> {
        self.require_v86_iopl3()?;
        let sp = self.stack_pointer();
        let step = size.bytes();
        let rip = self.read_stack(sp, size)?;
        let cs = self.read_stack(sp.wrapping_add(step), size)? as u16;
        let flags = self.read_stack(sp.wrapping_add(2 * step), size)?;
        if rip > self.cpu.seg(SegReg::Cs).limit.into() {
            return Err(Exception::gp(0));
        }
        self.set_stack_pointer(sp.wrapping_add(3 * step));
        self.set_real_code_segment(cs);
        let mask = self.iret_flags(size);
        self.load_flags(flags, mask);
        self.cpu.mode_changed();
        self.next_rip = rip;
        Ok(())
    }

    fn iret_flags(&self, size: OperandSize) -> u64 {
        let resume = if size == OperandSize::Word { 0 } else { rflags::RF };
        self.loadable_flags(size) | resume
    }

    fn iret_protected(&mut self, size: OperandSize) -> ExecResult<()> {
        if self.cpu.flags.has(rflags::NT) {
            let tr = self.cpu.tr;
            let address = self.system_linear(tr.base, 0);
            let link: u16 = self.read_system(address)?;
            return self.switch_task_to(link, TaskSwitch::Return, self.next_rip, None);
        }
        let sp = self.stack_pointer();
        let step = size.bytes();
        let rip = self.read_stack(sp, size)?;
        let selector = self.read_stack(sp.wrapping_add(step), size)? as u16;
        let flags = self.read_stack(sp.wrapping_add(2 * step), size)?;
        let v86 = size == OperandSize::Dword && flags & rflags::VM != 0 && self.cpu.cpl == 0;
        if v86 {
            return self.iret_to_v86(sp, rip, selector, flags);
        }
        let mask = self.iret_flags(size);
        let descriptor = self.check_return_segment(selector)?;
        let new_cpl = rpl(selector);
        if new_cpl == self.cpu.cpl {
            self.check_entry(&descriptor, rip)?;
            self.load_flags(flags, mask);
            self.set_stack_pointer(sp.wrapping_add(3 * step));
            self.set_code_segment(selector, &descriptor, new_cpl);
        } else {
            let new_sp = self.read_stack(sp.wrapping_add(3 * step), size)?;
            let new_ss = self.read_stack(sp.wrapping_add(4 * step), size)? as u16;
            let stack = self.check_stack_selector(new_ss, new_cpl, false)?;
            self.check_entry(&descriptor, rip)?;
            self.load_flags(flags, mask);
            self.set_code_segment(selector, &descriptor, new_cpl);
            self.set_stack_segment(stack);
            self.set_stack_pointer(new_sp);
            self.drop_inner_segments();
        }
        self.next_rip = rip;
        Ok(())
    }

    fn iret_to_v86(&mut self, sp: u64, rip: u64, cs: u16, flags: u64) -> ExecResult<()> {
        // After EIP, CS and EFLAGS: ESP, SS, ES, DS, FS, GS.
        let mut rest = [0u64; 6];
        for (value, i) in rest.iter_mut().zip(3u64..) {
            *value = self.read_stack(sp.wrapping_add(i * 4), OperandSize::Dword)?;
        }
        if rip > 0xffff {
            return Err(Exception::gp(0));
        }
        let mask = LOADABLE_32 | rflags::RF | rflags::IF | rflags::IOPL | rflags::VM;
        self.load_flags(flags, mask);
        let [esp, ss, es, ds, fs, gs] = rest;
        for (which, selector) in [
            (SegReg::Cs, cs),
            (SegReg::Ss, ss as u16),
            (SegReg::Es, es as u16),
            (SegReg::Ds, ds as u16),
            (SegReg::Fs, fs as u16),
            (SegReg::Gs, gs as u16),
        ] {
            self.cpu.segs[which as usize] = v86_segment(selector);
        }
        self.cpu.mode_changed();
        self.cpu.all_segments_changed();
        self.cpu.regs[RSP] = esp;
        self.next_rip = rip;
        Ok(())
    }

    fn iret_long(&mut self, size: OperandSize) -> ExecResult<()> {
        if self.cpu.flags.has(rflags::NT) {
            return Err(Exception::gp(0));
        }
        let sp = self.stack_pointer();
        let step = size.bytes();
        let rip = self.read_stack(sp, size)?;
        let selector = self.read_stack(sp.wrapping_add(step), size)? as u16;
        let flags = self.read_stack(sp.wrapping_add(2 * step), size)?;
        let mask = self.iret_flags(size);
        let read_outer = |exec: &mut Self| -> ExecResult<(u64, u16)> {
            let new_sp = exec.read_stack(sp.wrapping_add(3 * step), size)?;
            Ok((new_sp, exec.read_stack(sp.wrapping_add(4 * step), size)? as u16))
        };
        // 64-bit code always has SS:RSP in the frame, and all of it is read before anything is checked.
        let from_64bit = self.cpu.mode == Mode::Long64;
        let mut outer_stack = if from_64bit { Some(read_outer(self)?) } else { None };
        let descriptor = self.check_return_segment(selector)?;
        let new_cpl = rpl(selector);
        let outer = new_cpl != self.cpu.cpl;
        if outer && outer_stack.is_none() {
            outer_stack = Some(read_outer(self)?);
        }
        let mut stack: Option<(Segment, u64)> = None;
        if let Some((new_sp, new_ss)) = outer_stack {
            let long_code = descriptor.attributes().is_long();
            stack = Some((self.check_stack_selector(new_ss, new_cpl, long_code)?, new_sp));
        }
        self.check_entry(&descriptor, rip)?;
        self.load_flags(flags, mask);
        match stack {
            Some((segment, new_sp)) => {
                self.cpu.segs[SegReg::Ss as usize] = segment;
                self.set_code_segment(selector, &descriptor, new_cpl);
                self.cpu.segment_changed(SegReg::Ss);
                self.set_stack_pointer(new_sp);
            }
            None => {
                self.set_stack_pointer(sp.wrapping_add(3 * step));
                self.set_code_segment(selector, &descriptor, new_cpl);
            }
        }
        if outer {
            self.drop_inner_segments();
        }
        self.next_rip = rip;
        Ok(())
    }

    /// CLTS.
    pub fn clts(&mut self) -> ExecResult<()> {
        self.require_cpl0()?;
        self.cpu.cr0 &= !cr0::TS;
        Ok(())
    }
}
