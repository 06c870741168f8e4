//! Control registers and the other system instructions.

use crate::access::is_canonical;
use crate::bits::{cr0, cr4, efer};
use crate::cpuid::Features;
use crate::exec::Exec;
use crate::paging::PHYSICAL_BITS;
use crate::segment::SegReg;
use crate::state::{Activity, Mode};
use crate::{Exception, ExecResult};

/// CR0 bits that can be set.
const CR0_BITS: u64 = cr0::PE
    | cr0::MP
    | cr0::EM
    | cr0::TS
    | cr0::ET
    | cr0::NE
    | cr0::WP
    | cr0::AM
    | cr0::NW
    | cr0::CD
    | cr0::PG;

impl Exec<'_> {
    /// MOV from CRn, n 0, 2, 3, 4 or 8; others #UD.
    pub fn read_cr(&mut self, n: u32) -> ExecResult<u64> {
        if !matches!(n, 0 | 2 | 3 | 4 | 8) {
            return Err(Exception::ud());
        }
        self.require_cpl0()?;
        Ok(match n {
            0 => self.cpu.cr0,
            2 => self.cpu.cr2,
            3 => self.cpu.cr3,
            4 => self.cpu.cr4,
            _ => self.platform.cr8().into(),
        })
    }

    /// MOV to CRn; `value` is 32 bits outside 64-bit mode.
    pub fn write_cr(&mut self, n: u32, value: u64) -> ExecResult<()> {
        if !matches!(n, 0 | 2 | 3 | 4 | 8) {
            return Err(Exception::ud());
        }
        self.require_cpl0()?;
        match n {
            0 => self.write_cr0(value),
            2 => {
                self.cpu.cr2 = value;
                Ok(())
            }
            3 => self.write_cr3(value),
            4 => self.write_cr4(value),
            _ => self.write_cr8(value),
        }
    }

    fn write_cr0(&mut self, value: u64) -> ExecResult<()> {
        let invalid = Err(Exception::gp(0));
        if value >> 32 != 0 {
            return invalid;
        }
        let old = self.cpu.cr0;
        let new = value & CR0_BITS | cr0::ET;
        let set = |bit| new & bit != 0;
        if set(cr0::PG) && !set(cr0::PE) || set(cr0::NW) && !set(cr0::CD) {
            return invalid;
        }
        let paging_starts = set(cr0::PG) && old & cr0::PG == 0;
        let paging_ends = !set(cr0::PG) && old & cr0::PG != 0;
        if paging_starts {
            let pae = self.cpu.cr4 & cr4::PAE != 0;
            if self.cpu.efer & efer::LME != 0 {
                if !pae || self.cpu.seg(SegReg::Cs).attributes.is_long() {
                    return invalid;
                }
                self.cpu.efer |= efer::LMA;
            } else if pae {
                self.load_pdptes(self.cpu.cr3)?;
            }
        }
        if paging_ends {
            if self.cpu.mode == Mode::Long64 {
                return invalid;
            }
            self.cpu.efer &= !efer::LMA;
        }
        self.cpu.cr0 = new;
        if (old ^ new) & (cr0::PG | cr0::WP | cr0::PE) != 0 {
            self.cpu.tlb.flush(false);
        }
        if (old ^ new) & (cr0::PG | cr0::PE | cr0::AM) != 0 {
            self.cpu.mode_changed();
        }
        Ok(())
    }

    /// LMSW: sets the low four bits of CR0, of which PE cannot be cleared.
    pub fn lmsw(&mut self, value: u16) -> ExecResult<()> {
        self.require_cpl0()?;
        let low = u64::from(value & 0xf);
        let kept_pe = self.cpu.cr0 & cr0::PE;
        self.write_cr0(self.cpu.cr0 & !0xf | low | kept_pe)
    }

    fn write_cr3(&mut self, value: u64) -> ExecResult<()> {
        if self.cpu.mode.is_long() {
            if value >> PHYSICAL_BITS != 0 {
                return Err(Exception::gp(0));
            }
        } else if self.cpu.cr0 & cr0::PG != 0 && self.cpu.cr4 & cr4::PAE != 0 {
            self.load_pdptes(value)?;
        }
        self.cpu.cr3 = value;
        self.cpu.tlb.flush(self.cpu.cr4 & cr4::PGE != 0);
        Ok(())
    }

    fn write_cr4(&mut self, value: u64) -> ExecResult<()> {
        let invalid = Err(Exception::gp(0));
        if value & !self.cpu.model.cr4_bits() != 0 {
            return invalid;
        }
        let old = self.cpu.cr4;
        let changed = old ^ value;
        if self.cpu.efer & efer::LMA != 0 && value & cr4::PAE == 0 {
            return invalid;
        }
        let paging = cr4::PAE | cr4::PSE | cr4::PGE;
        if changed & paging != 0
            && value & cr4::PAE != 0
            && self.cpu.cr0 & cr0::PG != 0
            && !self.cpu.mode.is_long()
        {
            self.load_pdptes(self.cpu.cr3)?;
        }
        self.cpu.cr4 = value;
        if changed & paging != 0 {
            self.cpu.tlb.flush(false);
        }
        if changed & cr4::DE != 0 {
            self.cpu.breakpoints_changed();
        }
        Ok(())
    }

    fn write_cr8(&mut self, value: u64) -> ExecResult<()> {
        if value > 15 {
            return Err(Exception::gp(0));
        }
        self.platform.set_cr8(self.retired, value as u8);
        self.after_platform();
        Ok(())
    }

    /// HLT: the activity changes; [`service_events`](Self::service_events) says how to go on.
    pub fn hlt(&mut self) -> ExecResult<()> {
        self.require_cpl0()?;
        self.cpu.set_activity(Activity::Halted);
        Ok(())
    }

    /// INVLPG of `offset` in `seg`.
    pub fn invlpg(&mut self, seg: SegReg, offset: u64) -> ExecResult<()> {
        self.require_cpl0()?;
        let linear = self.cpu.seg(seg).fast_base.wrapping_add(offset) & self.cpu.linear_mask;
        if self.cpu.mode != Mode::Long64 || is_canonical(linear) {
            self.cpu.tlb.flush_page(linear);
        }
        Ok(())
    }

    /// INVD and WBINVD: there are no caches to write back.
    pub fn wbinvd(&mut self) -> ExecResult<()> {
        self.require_cpl0()
    }

    /// XGETBV; #UD while no model has XSAVE.
    pub fn xgetbv(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }

    /// XSETBV; #UD while no model has XSAVE.
    pub fn xsetbv(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }

    /// MONITOR and MWAIT; #UD while no model has them.
    pub fn monitor_mwait(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }

    fn set_edx_eax(&mut self, value: u64) {
        self.cpu.regs[0] = value & 0xffff_ffff;
        self.cpu.regs[2] = value >> 32;
    }

    /// The time-stamp counter of this processor.
    pub(crate) fn tsc(&mut self) -> u64 {
        self.platform.tsc(self.retired).wrapping_add(self.cpu.msrs.tsc_offset)
    }

    fn require_tsc(&self) -> ExecResult<()> {
        if self.cpu.cr4 & cr4::TSD != 0 && self.cpu.cpl != 0 {
            return Err(Exception::gp(0));
        }
        Ok(())
    }

    /// RDTSC.
    pub fn rdtsc(&mut self) -> ExecResult<()> {
        self.require_tsc()?;
        let tsc = self.tsc();
        self.set_edx_eax(tsc);
        Ok(())
    }

    /// RDTSCP.
    pub fn rdtscp(&mut self) -> ExecResult<()> {
        if !self.cpu.model.has(Features::RDTSCP) {
            return Err(Exception::ud());
        }
        self.rdtsc()?;
        self.cpu.regs[1] = self.cpu.msrs.tsc_aux.into();
        Ok(())
    }

    /// RDPMC: no model has performance counters, so every index is out of range.
    pub fn rdpmc(&mut self) -> ExecResult<()> {
        Err(Exception::gp(0))
    }

    /// CPUID of the leaf in EAX and subleaf in ECX.
    pub fn cpuid(&mut self) -> ExecResult<()> {
        let [leaf, subleaf] = [self.cpu.regs[0] as u32, self.cpu.regs[1] as u32];
        let result = self.cpu.cpuid(leaf, subleaf);
        self.cpu.regs[0] = result.eax.into();
        self.cpu.regs[3] = result.ebx.into();
        self.cpu.regs[1] = result.ecx.into();
        self.cpu.regs[2] = result.edx.into();
        Ok(())
    }

    /// RDMSR of the register in ECX, into EDX:EAX.
    pub fn rdmsr(&mut self) -> ExecResult<()> {
        self.require_cpl0()?;
        let value = self.read_msr(self.cpu.regs[1] as u32)?;
        self.set_edx_eax(value);
        Ok(())
    }

    /// WRMSR of the register in ECX, from EDX:EAX.
    pub fn wrmsr(&mut self) -> ExecResult<()> {
        self.require_cpl0()?;
        let value = self.cpu.regs[2] << 32 | self.cpu.regs[0] & 0xffff_ffff;
        self.write_msr(self.cpu.regs[1] as u32, value)
    }
}
