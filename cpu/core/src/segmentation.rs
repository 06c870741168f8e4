//! Descriptors and segment loads (SDM Vol. 3, chapters 3 and 5).

use crate::access::is_canonical;
use crate::exec::Exec;
use crate::segment::{
    Descriptor, DescriptorTable, SegReg, Segment, SegmentAttributes, system_type,
};
use crate::state::Mode;
use crate::{Exception, ExecResult};

/// Whether a selector is null: index 0 of the GDT, whatever its RPL.
pub(crate) const fn is_null(selector: u16) -> bool {
    selector & 0xfffc == 0
}

/// Requested privilege level.
pub(crate) const fn rpl(selector: u16) -> u8 {
    (selector & 3) as u8
}

impl Exec<'_> {
    /// The error code for a selector.
    pub(crate) fn selector_code(&self, selector: u16) -> u32 {
        u32::from(selector & 0xfffc) | self.ext
    }

    pub(crate) fn gp_selector(&self, selector: u16) -> Exception {
        Exception::gp(self.selector_code(selector))
    }

    pub(crate) fn ts_selector(&self, selector: u16) -> Exception {
        Exception::ts(self.selector_code(selector))
    }

    pub(crate) fn np_selector(&self, selector: u16) -> Exception {
        Exception::np(self.selector_code(selector))
    }

    pub(crate) fn ss_selector(&self, selector: u16) -> Exception {
        Exception::ss(self.selector_code(selector))
    }

    /// A linear address of a system structure: 64 bits in long mode, also in compatibility mode.
    pub(crate) fn system_linear(&self, base: u64, offset: u64) -> u64 {
        let linear = base.wrapping_add(offset);
        if self.cpu.mode.is_long() { linear } else { linear & 0xffff_ffff }
    }

    /// The first eight bytes of the descriptor that `selector` names; `None` if it is past the end of
    /// its table. The selector is not null.
    pub(crate) fn fetch_descriptor(&mut self, selector: u16) -> ExecResult<Option<Descriptor>> {
        let (base, limit) = self.table_of(selector);
        let offset = u64::from(selector & 0xfff8);
        if limit.is_none_or(|limit| offset + 7 > limit) {
            return Ok(None);
        }
        let address = self.system_linear(base, offset);
        let low = self.read_system(address)?;
        Ok(Some(Descriptor { low, high: 0, address }))
    }

    fn table_of(&self, selector: u16) -> (u64, Option<u64>) {
        if selector & 4 == 0 {
            (self.cpu.gdtr.base, Some(self.cpu.gdtr.limit.into()))
        } else {
            let ldtr = &self.cpu.ldtr;
            (ldtr.base, ldtr.usable.then_some(ldtr.limit.into()))
        }
    }

    /// In long mode, the second half of a system descriptor; `None` if it is past the end of the
    /// table, or its type field is not 0.
    pub(crate) fn fetch_high(
        &mut self,
        selector: u16,
        descriptor: Descriptor,
    ) -> ExecResult<Option<Descriptor>> {
        if !self.cpu.mode.is_long() {
            return Ok(Some(descriptor));
        }
        let (_, limit) = self.table_of(selector);
        if limit.is_none_or(|limit| u64::from(selector & 0xfff8) + 15 > limit) {
            return Ok(None);
        }
        let high: u64 = self.read_system(descriptor.address.wrapping_add(8))?;
        // Bits 12:8 of the last doubleword are the type of what would be a second descriptor.
        if high >> 40 & 0x1f != 0 {
            return Ok(None);
        }
        Ok(Some(Descriptor { high, ..descriptor }))
    }

    /// Sets the accessed bit of a code or data descriptor in memory.
    pub(crate) fn mark_accessed(&mut self, descriptor: &mut Descriptor) -> ExecResult<()> {
        if descriptor.low & 1 << 40 == 0 {
            descriptor.low |= 1 << 40;
            let rights = (descriptor.low >> 40) as u8;
            self.write_system(descriptor.address.wrapping_add(5), rights)?;
        }
        Ok(())
    }

    /// Loads ES, SS, DS, FS or GS: MOV, POP, LDS and the like. For MOV and POP of SS the caller also
    /// calls [`hold_interrupts`](Self::hold_interrupts).
    pub fn load_segment(&mut self, seg: SegReg, selector: u16) -> ExecResult<()> {
        let segment = match self.cpu.mode {
            Mode::Real => {
                // Limit and attributes stay, which is what "unreal mode" lives on.
                let old = *self.cpu.seg(seg);
                let base = u64::from(selector) << 4;
                if old.usable { Segment { selector, base, ..old } } else { Segment::real(selector) }
            }
            Mode::V86 => v86_segment(selector),
            _ if seg == SegReg::Ss => {
                let long_code = self.cpu.mode == Mode::Long64;
                self.check_stack_selector(selector, self.cpu.cpl, long_code)?
            }
            _ => self.check_data_selector(selector)?,
        };
        self.cpu.segs[seg as usize] = segment;
        self.cpu.segment_changed(seg);
        Ok(())
    }

    fn check_data_selector(&mut self, selector: u16) -> ExecResult<Segment> {
        if is_null(selector) {
            return Ok(Segment::null(selector));
        }
        let fault = self.gp_selector(selector);
        let mut descriptor = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let rights = descriptor.attributes();
        if !rights.is_readable() {
            return Err(fault);
        }
        if !rights.is_conforming() && rights.dpl() < self.cpu.cpl.max(rpl(selector)) {
            return Err(fault);
        }
        if !rights.is_present() {
            return Err(self.np_selector(selector));
        }
        self.mark_accessed(&mut descriptor)?;
        Ok(descriptor.segment(selector))
    }

    /// #UD in real and virtual-8086 mode: for SLDT, STR and ARPL, which have no other check.
    pub fn require_protected(&self) -> ExecResult<()> {
        if self.cpu.mode.is_protected() { Ok(()) } else { Err(Exception::ud()) }
    }

    /// LLDT.
    pub fn lldt(&mut self, selector: u16) -> ExecResult<()> {
        self.require_protected()?;
        self.require_cpl0()?;
        if is_null(selector) {
            self.cpu.ldtr = Segment::null(selector);
            return Ok(());
        }
        let descriptor = self.system_descriptor(selector)?;
        let rights = descriptor.attributes();
        if rights.is_code_or_data() || rights.kind() != system_type::LDT {
            return Err(self.gp_selector(selector));
        }
        if !rights.is_present() {
            return Err(self.np_selector(selector));
        }
        self.cpu.ldtr = descriptor.segment(selector);
        Ok(())
    }

    /// LTR: also marks the TSS busy.
    pub fn ltr(&mut self, selector: u16) -> ExecResult<()> {
        self.require_protected()?;
        self.require_cpl0()?;
        if is_null(selector) {
            return Err(Exception::gp(0));
        }
        let mut descriptor = self.system_descriptor(selector)?;
        let rights = descriptor.attributes();
        let available = match rights.kind() {
            system_type::TSS_AVAILABLE => true,
            system_type::TSS16_AVAILABLE => !self.cpu.mode.is_long(),
            _ => false,
        };
        if rights.is_code_or_data() || !available {
            return Err(self.gp_selector(selector));
        }
        if !rights.is_present() {
            return Err(self.np_selector(selector));
        }
        self.set_tss_busy(&mut descriptor, true)?;
        self.cpu.tr = descriptor.segment(selector);
        Ok(())
    }

    /// A GDT descriptor with both halves, for LLDT and LTR.
    fn system_descriptor(&mut self, selector: u16) -> ExecResult<Descriptor> {
        let fault = self.gp_selector(selector);
        if selector & 4 != 0 {
            return Err(fault);
        }
        let descriptor = self.fetch_descriptor(selector)?.ok_or(fault)?;
        let descriptor = self.fetch_high(selector, descriptor)?.ok_or(fault)?;
        if self.cpu.mode.is_long() && !is_canonical(descriptor.base()) {
            return Err(fault);
        }
        Ok(descriptor)
    }

    /// Sets or clears the busy bit of a TSS descriptor in memory.
    pub(crate) fn set_tss_busy(
        &mut self,
        descriptor: &mut Descriptor,
        busy: bool,
    ) -> ExecResult<()> {
        const BUSY: u64 = 1 << 41;
        descriptor.low = if busy { descriptor.low | BUSY } else { descriptor.low & !BUSY };
        let rights = (descriptor.low >> 40) as u8;
        self.write_system(descriptor.address.wrapping_add(5), rights)
    }

    /// LGDT. `base` is as wide as the operand: 24, 32 or 64 bits.
    pub fn lgdt(&mut self, base: u64, limit: u16) -> ExecResult<()> {
        self.cpu.gdtr = self.checked_table(base, limit)?;
        Ok(())
    }

    /// LIDT.
    pub fn lidt(&mut self, base: u64, limit: u16) -> ExecResult<()> {
        self.cpu.idtr = self.checked_table(base, limit)?;
        Ok(())
    }

    fn checked_table(&self, base: u64, limit: u16) -> ExecResult<DescriptorTable> {
        self.require_cpl0()?;
        if self.cpu.mode == Mode::Long64 && !is_canonical(base) {
            return Err(Exception::gp(0));
        }
        Ok(DescriptorTable { base, limit })
    }

    /// A descriptor that LAR and its kin may look at: visible at CPL and RPL.
    fn visible_descriptor(&mut self, selector: u16) -> ExecResult<Option<Descriptor>> {
        self.require_protected()?;
        if is_null(selector) {
            return Ok(None);
        }
        let Some(descriptor) = self.fetch_descriptor(selector)? else { return Ok(None) };
        let rights = descriptor.attributes();
        let visible = rights.is_conforming() || rights.dpl() >= self.cpu.cpl.max(rpl(selector));
        Ok(visible.then_some(descriptor))
    }

    /// LAR: the access rights, or `None` (ZF clear).
    pub fn lar(&mut self, selector: u16) -> ExecResult<Option<u32>> {
        let Some(descriptor) = self.visible_descriptor(selector)? else { return Ok(None) };
        let rights = descriptor.attributes();
        let long = self.cpu.mode.is_long();
        let valid = rights.is_code_or_data()
            || match rights.kind() {
                system_type::LDT
                | system_type::TSS_AVAILABLE
                | system_type::TSS_BUSY
                | system_type::CALL_GATE => true,
                system_type::TSS16_AVAILABLE
                | system_type::TSS16_BUSY
                | system_type::CALL_GATE16
                | system_type::TASK_GATE => !long,
                _ => false,
            };
        Ok(valid.then_some((descriptor.low >> 32) as u32 & 0xf0_ff00))
    }

    /// LSL: the limit in bytes, or `None` (ZF clear).
    pub fn lsl(&mut self, selector: u16) -> ExecResult<Option<u32>> {
        let Some(descriptor) = self.visible_descriptor(selector)? else { return Ok(None) };
        let rights = descriptor.attributes();
        let long = self.cpu.mode.is_long();
        let valid = rights.is_code_or_data()
            || match rights.kind() {
                system_type::LDT | system_type::TSS_AVAILABLE | system_type::TSS_BUSY => true,
                system_type::TSS16_AVAILABLE | system_type::TSS16_BUSY => !long,
                _ => false,
            };
        Ok(valid.then(|| descriptor.limit()))
    }

    /// VERR: the value for ZF.
    pub fn verr(&mut self, selector: u16) -> ExecResult<bool> {
        let descriptor = self.visible_descriptor(selector)?;
        Ok(descriptor.is_some_and(|d| d.attributes().is_readable()))
    }

    /// VERW: the value for ZF.
    pub fn verw(&mut self, selector: u16) -> ExecResult<bool> {
        let descriptor = self.visible_descriptor(selector)?;
        Ok(descriptor.is_some_and(|d| d.attributes().is_writable()))
    }
}

/// A segment of virtual-8086 mode.
pub(crate) const fn v86_segment(selector: u16) -> Segment {
    Segment::new(selector, (selector as u64) << 4, 0xffff, SegmentAttributes::V86)
}
