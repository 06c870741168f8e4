//! The fast system calls: SYSCALL, SYSRET, SYSENTER, SYSEXIT, and SWAPGS.

use crate::access::is_canonical;
use crate::bits::{efer, rflags};
use crate::exec::{Exec, OperandSize};
use crate::segment::{SegReg, Segment, SegmentAttributes};
use crate::state::{Mode, RSP};
use crate::{Exception, ExecResult};

const RCX: usize = 1;
const RDX: usize = 2;
const R11: usize = 11;

/// Present, accessed, readable code, 4 KiB granular, 64-bit; DPL 0.
const CODE64: u16 = 0xa9b;
/// The same, 32-bit.
const CODE32: u16 = 0xc9b;
/// Present, accessed, writable data, 4 KiB granular, 32-bit; DPL 0.
const DATA: u16 = 0xc93;

/// What SYSRET loads from R11.
const SYSRET_FLAGS: u64 = rflags::ALL & !(rflags::RF | rflags::VM);

impl Exec<'_> {
    /// Loads flat CS and SS without looking at descriptors.
    fn set_flat_segments(&mut self, code: u16, rights: u16, stack: u16, cpl: u8) {
        let dpl = u16::from(cpl) << 5;
        let flat = |selector, rights: u16| {
            Segment::new(selector, 0, u32::MAX, SegmentAttributes(rights | dpl))
        };
        self.cpu.segs[SegReg::Cs as usize] = flat(code & !3 | u16::from(cpl), rights);
        self.cpu.segs[SegReg::Ss as usize] = flat(stack & !3 | u16::from(cpl), DATA);
        self.cpu.cpl = cpl;
        self.cpu.mode_changed();
    }

    /// SYSCALL.
    pub fn syscall(&mut self) -> ExecResult<()> {
        if self.cpu.mode != Mode::Long64 || self.cpu.efer & efer::SCE == 0 {
            return Err(Exception::ud());
        }
        let flags = self.cpu.flags.rflags() & !rflags::RF;
        self.cpu.regs[RCX] = self.next_rip;
        self.cpu.regs[R11] = flags;
        let kept = flags & !self.cpu.msrs.fmask;
        self.cpu.flags.set_rflags(kept);
        if kept & rflags::TF == 0 {
            // No single-step trap inside the kernel for the step into it.
            self.cpu.step_mark = None;
        }
        let selector = (self.cpu.msrs.star >> 32) as u16;
        self.set_flat_segments(selector, CODE64, selector.wrapping_add(8), 0);
        self.next_rip = self.cpu.msrs.lstar;
        Ok(())
    }

    /// SYSRET; `size` is Qword with REX.W, else Dword.
    pub fn sysret(&mut self, size: OperandSize) -> ExecResult<()> {
        if self.cpu.mode != Mode::Long64 || self.cpu.efer & efer::SCE == 0 {
            return Err(Exception::ud());
        }
        self.require_cpl0()?;
        let target = self.cpu.regs[RCX];
        let selector = (self.cpu.msrs.star >> 48) as u16;
        let stack = selector.wrapping_add(8);
        if size == OperandSize::Qword {
            if !is_canonical(target) {
                return Err(Exception::gp(0));
            }
            self.load_sysret_flags();
            self.set_flat_segments(selector.wrapping_add(16), CODE64, stack, 3);
            self.next_rip = target;
        } else {
            self.load_sysret_flags();
            self.set_flat_segments(selector, CODE32, stack, 3);
            self.next_rip = target & 0xffff_ffff;
        }
        Ok(())
    }

    fn load_sysret_flags(&mut self) {
        let flags = self.cpu.regs[R11] & SYSRET_FLAGS;
        self.cpu.flags.set_rflags(flags);
    }

    /// SYSENTER.
    pub fn sysenter(&mut self) -> ExecResult<()> {
        let selector = self.cpu.msrs.sysenter_cs as u16;
        if self.cpu.mode == Mode::Real || selector & !3 == 0 {
            return Err(Exception::gp(0));
        }
        let long = self.cpu.mode.is_long();
        self.cpu.flags.set(rflags::VM | rflags::IF | rflags::RF, false);
        let rights = if long { CODE64 } else { CODE32 };
        self.set_flat_segments(selector, rights, selector.wrapping_add(8), 0);
        let mask = if long { u64::MAX } else { 0xffff_ffff };
        self.cpu.regs[RSP] = self.cpu.msrs.sysenter_esp & mask;
        self.next_rip = self.cpu.msrs.sysenter_eip & mask;
        Ok(())
    }

    /// SYSEXIT; `size` is Qword with REX.W, else Dword.
    pub fn sysexit(&mut self, size: OperandSize) -> ExecResult<()> {
        let selector = self.cpu.msrs.sysenter_cs as u16;
        if self.cpu.mode == Mode::Real || self.cpu.cpl != 0 || selector & !3 == 0 {
            return Err(Exception::gp(0));
        }
        let (rip, rsp) = (self.cpu.regs[RDX], self.cpu.regs[RCX]);
        if size == OperandSize::Qword {
            if !is_canonical(rip) || !is_canonical(rsp) {
                return Err(Exception::gp(0));
            }
            self.set_flat_segments(selector.wrapping_add(32), CODE64, selector.wrapping_add(40), 3);
            (self.cpu.regs[RSP], self.next_rip) = (rsp, rip);
        } else {
            self.set_flat_segments(selector.wrapping_add(16), CODE32, selector.wrapping_add(24), 3);
            (self.cpu.regs[RSP], self.next_rip) = (rsp & 0xffff_ffff, rip & 0xffff_ffff);
        }
        Ok(())
    }

    /// SWAPGS.
    pub fn swapgs(&mut self) -> ExecResult<()> {
        if self.cpu.mode != Mode::Long64 {
            return Err(Exception::ud());
        }
        self.require_cpl0()?;
        let gs = &mut self.cpu.segs[SegReg::Gs as usize];
        std::mem::swap(&mut gs.base, &mut self.cpu.msrs.kernel_gs_base);
        self.cpu.segment_changed(SegReg::Gs);
        Ok(())
    }
}
