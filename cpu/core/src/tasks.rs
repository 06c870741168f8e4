//! Hardware task switches (SDM Vol. 3, chapter 8).

use crate::bits::{cr0, cr4, rflags};
use crate::exec::Exec;
use crate::segment::{Descriptor, SegReg, Segment, system_type};
use crate::segmentation::{is_null, rpl, v86_segment};
use crate::state::Attention;
use crate::{Exception, ExecResult};

/// DR7.L0 to L3 and LE, which a task switch clears (section 18.2.4).
const DR7_LOCAL: u64 = 0x155;

/// What switches tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskSwitch {
    /// JMP to a TSS or task gate.
    Jump,
    /// CALL: nested.
    Call,
    /// An interrupt or exception through a task gate: nested.
    Interrupt,
    /// IRET with NT set.
    Return,
}

/// Offsets in the 32-bit TSS (SDM Vol. 3, figure 8-2).
mod tss32 {
    pub const CR3: u64 = 0x1c;
    pub const EIP: u64 = 0x20;
    pub const EFLAGS: u64 = 0x24;
    /// EAX, and the other general registers in encoding order.
    pub const REGISTERS: u64 = 0x28;
    /// ES, and the other segment registers in encoding order.
    pub const SEGMENTS: u64 = 0x48;
    pub const LDT: u64 = 0x60;
    pub const DEBUG_TRAP: u64 = 0x64;
    pub const LAST: u32 = 0x67;
}

/// Offsets in the 16-bit TSS (SDM Vol. 3, figure 8-10).
mod tss16 {
    pub const IP: u64 = 0x0e;
    pub const FLAGS: u64 = 0x10;
    pub const REGISTERS: u64 = 0x12;
    pub const SEGMENTS: u64 = 0x22;
    pub const LDT: u64 = 0x2a;
    pub const LAST: u32 = 0x2b;
}

/// What a task switch loads.
struct TaskState {
    cr3: Option<u32>,
    eip: u32,
    eflags: u32,
    registers: [u32; 8],
    /// In encoding order; a 16-bit TSS has no FS and GS.
    segments: [u16; 6],
    ldt: u16,
    debug_trap: bool,
}

fn is_32bit(kind: u8) -> bool {
    matches!(kind, system_type::TSS_AVAILABLE | system_type::TSS_BUSY)
}

impl Exec<'_> {
    /// Switches to the task whose TSS `selector` names. `return_rip` is where the old task goes on;
    /// `error_code` is pushed in the new one.
    pub(crate) fn switch_task_to(
        &mut self,
        selector: u16,
        reason: TaskSwitch,
        return_rip: u64,
        error_code: Option<u32>,
    ) -> ExecResult<()> {
        let fault = match reason {
            TaskSwitch::Return => self.ts_selector(selector),
            _ => self.gp_selector(selector),
        };
        if is_null(selector) || selector & 4 != 0 {
            return Err(fault);
        }
        let mut descriptor = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let rights = descriptor.attributes();
        let kind_fits = match reason {
            TaskSwitch::Return => {
                matches!(rights.kind(), system_type::TSS_BUSY | system_type::TSS16_BUSY)
            }
            _ => {
                matches!(rights.kind(), system_type::TSS_AVAILABLE | system_type::TSS16_AVAILABLE)
            }
        };
        if rights.is_code_or_data() || !kind_fits {
            return Err(fault);
        }
        if !rights.is_present() {
            return Err(self.np_selector(selector));
        }
        let wide = is_32bit(rights.kind());
        let least = if wide { tss32::LAST } else { tss16::LAST };
        if descriptor.limit() < least {
            return Err(self.ts_selector(selector));
        }

        let state = self.read_task(&descriptor, wide)?;
        self.save_task(reason, return_rip)?;
        if matches!(reason, TaskSwitch::Jump | TaskSwitch::Return) {
            self.release_old_task()?;
        }
        if matches!(reason, TaskSwitch::Call | TaskSwitch::Interrupt) {
            let link = self.cpu.tr.selector;
            let address = self.system_linear(descriptor.base(), 0);
            self.write_system(address, link)?;
        }
        if reason != TaskSwitch::Return {
            self.set_tss_busy(&mut descriptor, true)?;
        }

        // From here on everything happens in the new task, faults included.
        self.cpu.tr = descriptor.segment(selector);
        self.cpu.cr0 |= cr0::TS;
        self.cpu.dr[7] &= !DR7_LOCAL;
        self.cpu.breakpoints_changed();
        let nested = matches!(reason, TaskSwitch::Call | TaskSwitch::Interrupt);
        self.load_task(&state, nested)?;
        if let Some(code) = error_code {
            if wide { self.push(code)? } else { self.push(code as u16)? }
        }
        if state.debug_trap {
            self.cpu.pending_dr6 |= 1 << 15;
            self.cpu.attention.insert(Attention::DEBUG_TRAP);
        }
        Ok(())
    }

    fn task_field<T: crate::Scalar>(&mut self, base: u64, offset: u64) -> ExecResult<T> {
        self.read_system(self.system_linear(base, offset))
    }

    fn read_task(&mut self, descriptor: &Descriptor, wide: bool) -> ExecResult<TaskState> {
        let base = descriptor.base();
        let mut registers = [0; 8];
        let mut segments = [0; 6];
        if wide {
            for (register, i) in registers.iter_mut().zip(0u64..) {
                *register = self.task_field(base, tss32::REGISTERS + i * 4)?;
            }
            for (segment, i) in segments.iter_mut().zip(0u64..) {
                *segment = self.task_field(base, tss32::SEGMENTS + i * 4)?;
            }
            Ok(TaskState {
                cr3: Some(self.task_field(base, tss32::CR3)?),
                eip: self.task_field(base, tss32::EIP)?,
                eflags: self.task_field(base, tss32::EFLAGS)?,
                registers,
                segments,
                ldt: self.task_field(base, tss32::LDT)?,
                debug_trap: self.task_field::<u16>(base, tss32::DEBUG_TRAP)? & 1 != 0,
            })
        } else {
            for (register, i) in registers.iter_mut().zip(0u64..) {
                // The upper halves are not defined; as on processors, they are ones.
                let low: u16 = self.task_field(base, tss16::REGISTERS + i * 2)?;
                *register = 0xffff_0000 | u32::from(low);
            }
            for (segment, i) in segments.iter_mut().take(4).zip(0u64..) {
                *segment = self.task_field(base, tss16::SEGMENTS + i * 2)?;
            }
            Ok(TaskState {
                cr3: None,
                eip: self.task_field::<u16>(base, tss16::IP)?.into(),
                eflags: self.task_field::<u16>(base, tss16::FLAGS)?.into(),
                registers,
                segments,
                ldt: self.task_field(base, tss16::LDT)?,
                debug_trap: false,
            })
        }
    }

    /// Stores the state of the current task into its TSS.
    fn save_task(&mut self, reason: TaskSwitch, return_rip: u64) -> ExecResult<()> {
        let tr = self.cpu.tr;
        let mut flags = self.cpu.flags.rflags();
        if reason == TaskSwitch::Return {
            flags &= !rflags::NT;
        }
        let segments = self.cpu.segs.map(|segment| segment.selector);
        let registers = self.cpu.regs;
        let at = |offset: u64| tr.base.wrapping_add(offset) & 0xffff_ffff;
        if is_32bit(tr.attributes.kind()) {
            if tr.limit < tss32::SEGMENTS as u32 + 23 {
                return Err(self.ts_selector(tr.selector));
            }
            // The last field first: if the TSS crosses into a page that cannot be written, nothing is.
            for i in (0..6).rev() {
                self.write_system(at(tss32::SEGMENTS + i as u64 * 4), segments[i])?;
            }
            self.write_system(at(tss32::EIP), return_rip as u32)?;
            self.write_system(at(tss32::EFLAGS), flags as u32)?;
            for (register, i) in registers.iter().take(8).zip(0u64..) {
                self.write_system(at(tss32::REGISTERS + i * 4), *register as u32)?;
            }
        } else {
            if tr.limit < tss16::SEGMENTS as u32 + 7 {
                return Err(self.ts_selector(tr.selector));
            }
            for i in (0..4).rev() {
                self.write_system(at(tss16::SEGMENTS + i as u64 * 2), segments[i])?;
            }
            self.write_system(at(tss16::IP), return_rip as u16)?;
            self.write_system(at(tss16::FLAGS), flags as u16)?;
            for (register, i) in registers.iter().take(8).zip(0u64..) {
                self.write_system(at(tss16::REGISTERS + i * 2), *register as u16)?;
            }
        }
        Ok(())
    }

    /// Clears the busy bit of the current task's descriptor.
    fn release_old_task(&mut self) -> ExecResult<()> {
        let selector = self.cpu.tr.selector;
        if is_null(selector) {
            return Ok(());
        }
        if let Some(mut descriptor) = self.fetch_descriptor(selector)? {
            self.set_tss_busy(&mut descriptor, false)?;
        }
        Ok(())
    }

    fn load_task(&mut self, state: &TaskState, nested: bool) -> ExecResult<()> {
        self.cpu.rip = state.eip.into();
        self.next_rip = state.eip.into();
        for (register, value) in self.cpu.regs.iter_mut().zip(state.registers) {
            *register = value.into();
        }
        let mut flags = u64::from(state.eflags);
        if nested {
            flags |= rflags::NT;
        }
        self.cpu.flags.set_rflags(flags);
        self.cpu.resume_mark = self.retired + 1;
        let v86 = flags & rflags::VM != 0;
        for (segment, selector) in self.cpu.segs.iter_mut().zip(state.segments) {
            *segment = if v86 { v86_segment(selector) } else { Segment::null(selector) };
        }
        self.cpu.ldtr = Segment::null(state.ldt);
        self.cpu.cpl = if v86 { 3 } else { rpl(state.segments[SegReg::Cs as usize]) };
        self.cpu.mode_changed();
        self.cpu.all_segments_changed();
        if let Some(cr3) = state.cr3
            && self.cpu.cr0 & cr0::PG != 0
        {
            let cr3 = u64::from(cr3);
            if self.cpu.cr4 & cr4::PAE != 0 {
                self.load_pdptes(cr3).map_err(|_| self.ts_selector(self.cpu.tr.selector))?;
            }
            self.cpu.cr3 = cr3;
            self.cpu.tlb.flush(true);
        }
        self.load_task_ldt(state.ldt)?;
        if !v86 {
            self.load_task_segments(state)?;
        }
        let limit = self.cpu.seg(SegReg::Cs).limit;
        if state.eip > limit { Err(Exception::gp(self.ext)) } else { Ok(()) }
    }

    fn load_task_ldt(&mut self, selector: u16) -> ExecResult<()> {
        if is_null(selector) {
            return Ok(());
        }
        let fault = self.ts_selector(selector);
        if selector & 4 != 0 {
            return Err(fault);
        }
        let descriptor = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let rights = descriptor.attributes();
        if rights.is_code_or_data() || rights.kind() != system_type::LDT || !rights.is_present() {
            return Err(fault);
        }
        self.cpu.ldtr = descriptor.segment(selector);
        Ok(())
    }

    fn load_task_segments(&mut self, state: &TaskState) -> ExecResult<()> {
        // CS first: its RPL is the new privilege level.
        let selector = state.segments[SegReg::Cs as usize];
        let fault = self.ts_selector(selector);
        if is_null(selector) {
            return Err(fault);
        }
        let mut code = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let rights = code.attributes();
        let level_fits = if rights.is_conforming() {
            rights.dpl() <= rpl(selector)
        } else {
            rights.dpl() == rpl(selector)
        };
        if !rights.is_code() || !level_fits {
            return Err(fault);
        }
        if !rights.is_present() {
            return Err(self.np_selector(selector));
        }
        self.mark_accessed(&mut code)?;
        self.set_code_segment(selector, &code, rpl(selector));

        let stack = self.check_inner_stack(state.segments[SegReg::Ss as usize], self.cpu.cpl)?;
        self.set_stack_segment(stack);

        for which in [SegReg::Ds, SegReg::Es, SegReg::Fs, SegReg::Gs] {
            let selector = state.segments[which as usize];
            if is_null(selector) {
                continue;
            }
            let fault = self.ts_selector(selector);
            let mut data = self.fetch_descriptor(selector)?.ok_or(fault)?;
            let rights = data.attributes();
            let too_high =
                !rights.is_conforming() && rights.dpl() < self.cpu.cpl.max(rpl(selector));
            if !rights.is_readable() || too_high {
                return Err(fault);
            }
            if !rights.is_present() {
                return Err(self.np_selector(selector));
            }
            self.mark_accessed(&mut data)?;
            self.cpu.segs[which as usize] = data.segment(selector);
            self.cpu.segment_changed(which);
        }
        Ok(())
    }

    /// Whether the I/O permission bitmap of the TSS allows `bytes` ports from `port` on.
    pub(crate) fn bitmap_allows(&mut self, port: u16, bytes: u32) -> ExecResult<bool> {
        let tr = self.cpu.tr;
        if !tr.usable || !is_32bit(tr.attributes.kind()) || tr.limit < 0x67 {
            return Ok(false);
        }
        let map: u16 = self.task_field(tr.base, 0x66)?;
        let at = u64::from(map) + u64::from(port / 8);
        // Two bytes are always read, so that the map ends with a byte of ones.
        if at + 1 > tr.limit.into() {
            return Ok(false);
        }
        let bits: u16 = self.task_field(tr.base, at)?;
        let wanted = ((1u32 << bytes) - 1) << (port % 8);
        Ok(u32::from(bits) & wanted == 0)
    }
}
