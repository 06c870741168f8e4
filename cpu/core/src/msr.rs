//! Model-specific registers (SDM Vol. 4).

use serde::{Deserialize, Serialize};

use crate::access::is_canonical;
use crate::bits::{cr0, efer};
use crate::cpuid::Features;
use crate::exec::Exec;
use crate::paging::PHYSICAL_BITS;
use crate::segment::SegReg;
use crate::{Exception, ExecResult};

/// MSR numbers, by the names of the SDM without IA32_.
mod number {
    pub const P5_MC_ADDR: u32 = 0x0;
    pub const P5_MC_TYPE: u32 = 0x1;
    pub const TSC: u32 = 0x10;
    pub const PLATFORM_ID: u32 = 0x17;
    pub const APIC_BASE: u32 = 0x1b;
    pub const EBL_CR_POWERON: u32 = 0x2a;
    pub const SMI_COUNT: u32 = 0x34;
    pub const CORE_THREAD_COUNT: u32 = 0x35;
    pub const FEATURE_CONTROL: u32 = 0x3a;
    pub const BIOS_UPDT_TRIG: u32 = 0x79;
    pub const BIOS_SIGN_ID: u32 = 0x8b;
    pub const PLATFORM_INFO: u32 = 0xce;
    pub const MTRRCAP: u32 = 0xfe;
    pub const SYSENTER_CS: u32 = 0x174;
    pub const SYSENTER_ESP: u32 = 0x175;
    pub const SYSENTER_EIP: u32 = 0x176;
    pub const MCG_CAP: u32 = 0x179;
    pub const MCG_STATUS: u32 = 0x17a;
    pub const MCG_CTL: u32 = 0x17b;
    pub const PERF_STATUS: u32 = 0x198;
    pub const MISC_ENABLE: u32 = 0x1a0;
    pub const DEBUGCTL: u32 = 0x1d9;
    /// LASTBRANCHFROMIP, LASTBRANCHTOIP, LASTINTFROMIP, LASTINTTOIP.
    pub const LAST_BRANCH_FIRST: u32 = 0x1db;
    pub const LAST_BRANCH_LAST: u32 = 0x1de;
    /// MTRR_PHYSBASE0; MTRR_PHYSMASK0 is the next, and so on in pairs.
    pub const MTRR_VARIABLE_FIRST: u32 = 0x200;
    pub const MTRR_VARIABLE_LAST: u32 = 0x20f;
    pub const MTRR_FIX64K_00000: u32 = 0x250;
    pub const MTRR_FIX16K_80000: u32 = 0x258;
    pub const MTRR_FIX16K_A0000: u32 = 0x259;
    pub const MTRR_FIX4K_FIRST: u32 = 0x268;
    pub const MTRR_FIX4K_LAST: u32 = 0x26f;
    pub const PAT: u32 = 0x277;
    pub const MTRR_DEF_TYPE: u32 = 0x2ff;
    /// MC0_CTL; STATUS, ADDR and MISC follow, then the next bank.
    pub const MC_FIRST: u32 = 0x400;
    pub const MC_LAST: u32 = MC_FIRST + super::MC_BANKS as u32 * 4 - 1;
    pub const X2APIC_FIRST: u32 = 0x800;
    pub const X2APIC_LAST: u32 = 0x8ff;
    pub const EFER: u32 = 0xc000_0080;
    pub const STAR: u32 = 0xc000_0081;
    pub const LSTAR: u32 = 0xc000_0082;
    pub const CSTAR: u32 = 0xc000_0083;
    pub const FMASK: u32 = 0xc000_0084;
    pub const FS_BASE: u32 = 0xc000_0100;
    pub const GS_BASE: u32 = 0xc000_0101;
    pub const KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub const TSC_AUX: u32 = 0xc000_0103;
}

/// Variable MTRRs.
const MTRRS: usize = 8;
/// Machine check banks.
const MC_BANKS: usize = 8;
/// MTRRCAP: the variable ones, fixed ones, write combining.
const MTRRCAP_VALUE: u64 = 1 << 10 | 1 << 8 | MTRRS as u64;
/// Bits of MCi_CTL that may differ from the others: 0 and 10. Systems leave them clear for the sake of
/// old errata.
const MC_CTL_EXCEPTIONS: u64 = 1 | 1 << 10;
/// MCG_CAP: the banks, and MCG_CTL is there.
const MCG_CAP_VALUE: u64 = 1 << 8 | MC_BANKS as u64;
/// The microcode revision.
const MICROCODE: u64 = 0x13;
/// Fast strings; no branch trace store, no precise event sampling.
const MISC_ENABLE_RESET: u64 = 1 | 1 << 11 | 1 << 12;
/// MISC_ENABLE bits that can be changed: fast strings, automatic thermal control, enhanced SpeedStep,
/// MONITOR, limit CPUID to leaf 3, no task priority messages, hide NX. Those of what no model has are
/// kept and change nothing.
const MISC_ENABLE_BITS: u64 = 1 | 1 << 3 | 1 << 16 | 1 << 18 | LIMIT_CPUID | 1 << 23 | HIDE_NX;
const LIMIT_CPUID: u64 = 1 << 22;
const HIDE_NX: u64 = 1 << 34;
/// How many MSRs are complained about in the log before it falls silent.
const COMPLAINTS: usize = 64;

/// The registers that are kept by the processor itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Msrs {
    /// What to add to the platform's counter for IA32_TIME_STAMP_COUNTER.
    pub tsc_offset: u64,
    /// IA32_SYSENTER_CS.
    pub sysenter_cs: u64,
    /// IA32_SYSENTER_ESP.
    pub sysenter_esp: u64,
    /// IA32_SYSENTER_EIP.
    pub sysenter_eip: u64,
    /// IA32_STAR.
    pub star: u64,
    /// IA32_LSTAR.
    pub lstar: u64,
    /// IA32_CSTAR; no Intel processor uses it.
    pub cstar: u64,
    /// IA32_FMASK.
    pub fmask: u64,
    /// IA32_KERNEL_GS_BASE.
    pub kernel_gs_base: u64,
    /// IA32_TSC_AUX.
    pub tsc_aux: u32,
    /// IA32_PAT.
    pub pat: u64,
    /// IA32_MISC_ENABLE.
    pub misc_enable: u64,
    /// IA32_DEBUGCTL.
    pub debugctl: u64,
    /// IA32_BIOS_SIGN_ID.
    pub bios_sign_id: u64,
    /// IA32_MTRR_DEF_TYPE.
    pub mtrr_def_type: u64,
    /// The fixed MTRRs: 64K_00000, 16K_80000, 16K_A0000, 4K_C0000 to 4K_F8000.
    pub mtrr_fixed: [u64; 11],
    /// The variable MTRRs: base and mask.
    pub mtrr_variable: [[u64; 2]; MTRRS],
    /// IA32_MCG_STATUS.
    pub mcg_status: u64,
    /// IA32_MCG_CTL.
    pub mcg_ctl: u64,
    /// IA32_MCi_CTL, STATUS, ADDR, MISC.
    pub mc: [[u64; 4]; MC_BANKS],
    /// Whether CPUID shows the local APIC: IA32_APIC_BASE's enable bit, as last seen.
    pub apic_visible: bool,
}

impl Default for Msrs {
    fn default() -> Self {
        Self::new()
    }
}

impl Msrs {
    /// As after power-on.
    pub fn new() -> Self {
        Self {
            tsc_offset: 0,
            sysenter_cs: 0,
            sysenter_esp: 0,
            sysenter_eip: 0,
            star: 0,
            lstar: 0,
            cstar: 0,
            fmask: 0,
            kernel_gs_base: 0,
            tsc_aux: 0,
            pat: 0x0007_0406_0007_0406,
            misc_enable: MISC_ENABLE_RESET,
            debugctl: 0,
            bios_sign_id: MICROCODE << 32,
            mtrr_def_type: 0,
            mtrr_fixed: [0; 11],
            mtrr_variable: [[0; 2]; MTRRS],
            mcg_status: 0,
            mcg_ctl: u64::MAX,
            mc: [[0; 4]; MC_BANKS],
            apic_visible: true,
        }
    }

    pub(crate) fn limits_cpuid(&self) -> bool {
        self.misc_enable & LIMIT_CPUID != 0
    }

    pub(crate) fn hides_nx(&self) -> bool {
        self.misc_enable & HIDE_NX != 0
    }

    /// The fixed MTRR of this number.
    fn fixed_index(msr: u32) -> Option<usize> {
        Some(match msr {
            number::MTRR_FIX64K_00000 => 0,
            number::MTRR_FIX16K_80000 => 1,
            number::MTRR_FIX16K_A0000 => 2,
            number::MTRR_FIX4K_FIRST..=number::MTRR_FIX4K_LAST => {
                3 + (msr - number::MTRR_FIX4K_FIRST) as usize
            }
            _ => return None,
        })
    }

    /// Variable MTRR and which of its pair.
    fn variable_index(msr: u32) -> Option<(usize, usize)> {
        let i = msr.checked_sub(number::MTRR_VARIABLE_FIRST)? as usize;
        (msr <= number::MTRR_VARIABLE_LAST).then_some((i / 2, i % 2))
    }

    /// Machine check bank and which of its four.
    fn bank_index(msr: u32) -> Option<(usize, usize)> {
        let i = msr.checked_sub(number::MC_FIRST)? as usize;
        (msr <= number::MC_LAST).then_some((i / 4, i % 4))
    }
}

/// Memory types of MTRRs: UC, WC, WT, WP, WB.
const fn is_mtrr_type(value: u64) -> bool {
    matches!(value, 0 | 1 | 4 | 5 | 6)
}

/// Memory types of the PAT: those of MTRRs and UC-.
const fn is_pat_type(value: u8) -> bool {
    matches!(value, 0 | 1 | 4..=7)
}

fn require(condition: bool) -> ExecResult<()> {
    if condition { Ok(()) } else { Err(Exception::gp(0)) }
}

impl Exec<'_> {
    /// Features an MSR belongs to; it does not exist without them.
    fn msr_exists(&self, msr: u32) -> bool {
        let needed = match msr {
            number::SYSENTER_CS | number::SYSENTER_ESP | number::SYSENTER_EIP => Features::SEP,
            number::MTRRCAP | number::MTRR_DEF_TYPE => Features::MTRR,
            number::MTRR_VARIABLE_FIRST..=number::MTRR_VARIABLE_LAST => Features::MTRR,
            _ if Msrs::fixed_index(msr).is_some() => Features::MTRR,
            number::PAT => Features::PAT,
            number::MCG_CAP | number::MCG_STATUS | number::MCG_CTL => Features::MCA,
            number::MC_FIRST..=number::MC_LAST => Features::MCA,
            number::APIC_BASE => Features::APIC,
            number::X2APIC_FIRST..=number::X2APIC_LAST => Features::X2APIC,
            number::EFER => Features::NX,
            number::STAR..=number::FMASK => Features::SYSCALL,
            number::FS_BASE..=number::KERNEL_GS_BASE => Features::LM,
            number::TSC_AUX => Features::RDTSCP,
            _ => Features::MSR,
        };
        self.cpu.model.has(needed)
    }

    /// The value of an MSR; #GP(0) if there is none.
    pub(crate) fn read_msr(&mut self, msr: u32) -> ExecResult<u64> {
        if !self.msr_exists(msr) {
            return self.unknown_msr(msr, "read");
        }
        let msrs = &self.cpu.msrs;
        Ok(match msr {
            number::TSC => self.tsc(),
            number::APIC_BASE | number::X2APIC_FIRST..=number::X2APIC_LAST => {
                let value = self.platform.apic_msr_read(self.retired, msr);
                self.after_platform();
                return value.ok_or(Exception::gp(0));
            }
            number::P5_MC_ADDR | number::P5_MC_TYPE | number::SMI_COUNT => 0,
            number::PLATFORM_ID | number::EBL_CR_POWERON => 0,
            number::LAST_BRANCH_FIRST..=number::LAST_BRANCH_LAST => 0,
            number::CORE_THREAD_COUNT => {
                u64::from(self.cpu.model.cpus & 0xffff) << 16
                    | u64::from(self.cpu.model.cpus & 0xffff)
            }
            // Locked, with VMX off.
            number::FEATURE_CONTROL => 1,
            number::BIOS_SIGN_ID => msrs.bios_sign_id,
            number::PLATFORM_INFO | number::PERF_STATUS => {
                // The ratio to the 133 MHz reference clock.
                let ratio = (self.cpu.model.tsc_hz / 133_333_333).min(255);
                if msr == number::PLATFORM_INFO { ratio << 8 } else { ratio }
            }
            number::MTRRCAP => MTRRCAP_VALUE,
            number::SYSENTER_CS => msrs.sysenter_cs,
            number::SYSENTER_ESP => msrs.sysenter_esp,
            number::SYSENTER_EIP => msrs.sysenter_eip,
            number::MCG_CAP => MCG_CAP_VALUE,
            number::MCG_STATUS => msrs.mcg_status,
            number::MCG_CTL => msrs.mcg_ctl,
            number::MISC_ENABLE => msrs.misc_enable,
            number::DEBUGCTL => msrs.debugctl,
            number::PAT => msrs.pat,
            number::MTRR_DEF_TYPE => msrs.mtrr_def_type,
            number::EFER => self.cpu.efer,
            number::STAR => msrs.star,
            number::LSTAR => msrs.lstar,
            number::CSTAR => msrs.cstar,
            number::FMASK => msrs.fmask,
            number::FS_BASE => self.cpu.seg(SegReg::Fs).base,
            number::GS_BASE => self.cpu.seg(SegReg::Gs).base,
            number::KERNEL_GS_BASE => msrs.kernel_gs_base,
            number::TSC_AUX => msrs.tsc_aux.into(),
            _ => {
                if let Some((pair, half)) = Msrs::variable_index(msr) {
                    msrs.mtrr_variable[pair][half]
                } else if let Some(fixed) = Msrs::fixed_index(msr) {
                    msrs.mtrr_fixed[fixed]
                } else if let Some((bank, which)) = Msrs::bank_index(msr) {
                    msrs.mc[bank][which]
                } else {
                    return self.unknown_msr(msr, "read");
                }
            }
        })
    }

    /// Sets an MSR; #GP(0) if there is none, or for reserved bits.
    pub(crate) fn write_msr(&mut self, msr: u32, value: u64) -> ExecResult<()> {
        if !self.msr_exists(msr) {
            return self.unknown_msr(msr, "write").map(|_: u64| ());
        }
        let msrs = &mut self.cpu.msrs;
        match msr {
            number::TSC => {
                let base = self.platform.tsc(self.retired);
                self.cpu.msrs.tsc_offset = value.wrapping_sub(base);
            }
            number::APIC_BASE | number::X2APIC_FIRST..=number::X2APIC_LAST => {
                let before = self.platform.local_apic_page();
                let done = self.platform.apic_msr_write(self.retired, msr, value);
                if self.platform.local_apic_page() != before {
                    // What lies under the registers' page is seen there again, or no more.
                    self.cpu.tlb.flush_all();
                    self.look = true;
                }
                self.after_platform();
                done.ok_or(Exception::gp(0))?;
                if msr == number::APIC_BASE {
                    self.cpu.msrs.apic_visible = value & 1 << 11 != 0;
                }
            }
            number::P5_MC_ADDR | number::P5_MC_TYPE => {}
            number::EBL_CR_POWERON => {}
            // There is no microcode to update; the revision stays.
            number::BIOS_UPDT_TRIG => {}
            // Software clears it, then CPUID fills it in.
            number::BIOS_SIGN_ID => {}
            number::SYSENTER_CS => msrs.sysenter_cs = value,
            number::SYSENTER_ESP => {
                require(is_canonical(value))?;
                msrs.sysenter_esp = value;
            }
            number::SYSENTER_EIP => {
                require(is_canonical(value))?;
                msrs.sysenter_eip = value;
            }
            number::MCG_STATUS => msrs.mcg_status = value & 7,
            number::MCG_CTL => msrs.mcg_ctl = value,
            number::MISC_ENABLE => {
                msrs.misc_enable = msrs.misc_enable & !MISC_ENABLE_BITS | value & MISC_ENABLE_BITS;
            }
            number::DEBUGCTL => {
                // LBR and BTF can be set, as they can be on every processor; nothing is recorded.
                require(value & !0xffff == 0)?;
                msrs.debugctl = value & 3;
                if value & 2 != 0 && self.is_first_complaint(msr) {
                    log::warn!("single-stepping on branches (DEBUGCTL.BTF) is not implemented");
                }
            }
            number::PAT => {
                require(value.to_le_bytes().into_iter().all(is_pat_type))?;
                msrs.pat = value;
            }
            number::MTRR_DEF_TYPE => {
                require(value & !0xcff == 0 && is_mtrr_type(value & 0xff))?;
                msrs.mtrr_def_type = value;
            }
            number::EFER => return self.write_efer(value),
            number::STAR => msrs.star = value,
            number::LSTAR => {
                require(is_canonical(value))?;
                msrs.lstar = value;
            }
            number::CSTAR => {
                require(is_canonical(value))?;
                msrs.cstar = value;
            }
            number::FMASK => {
                require(value >> 32 == 0)?;
                msrs.fmask = value;
            }
            number::FS_BASE | number::GS_BASE => {
                require(is_canonical(value))?;
                let which = if msr == number::FS_BASE { SegReg::Fs } else { SegReg::Gs };
                self.cpu.segs[which as usize].base = value;
                self.cpu.segment_changed(which);
            }
            number::KERNEL_GS_BASE => {
                require(is_canonical(value))?;
                msrs.kernel_gs_base = value;
            }
            number::TSC_AUX => {
                require(value >> 32 == 0)?;
                msrs.tsc_aux = value as u32;
            }
            _ => {
                if let Some((pair, half)) = Msrs::variable_index(msr) {
                    let address = (1 << PHYSICAL_BITS) - (1 << 12);
                    let low = if half == 0 { 0xff } else { 1 << 11 };
                    require(value & !(address | low) == 0)?;
                    require(half == 1 || is_mtrr_type(value & 0xff))?;
                    msrs.mtrr_variable[pair][half] = value;
                } else if let Some(fixed) = Msrs::fixed_index(msr) {
                    require(value.to_le_bytes().into_iter().all(|t| is_mtrr_type(t.into())))?;
                    msrs.mtrr_fixed[fixed] = value;
                } else if let Some((bank, which)) = Msrs::bank_index(msr) {
                    require(match which {
                        // All errors or none (section 16.3.2.1).
                        0 => value == 0 || value | MC_CTL_EXCEPTIONS == u64::MAX,
                        // The status may only be cleared.
                        1 => value == 0,
                        // Address and details can be written, as error injection needs it.
                        _ => true,
                    })?;
                    msrs.mc[bank][which] = value;
                } else {
                    return self.unknown_msr(msr, "write").map(|_: u64| ());
                }
            }
        }
        Ok(())
    }

    fn write_efer(&mut self, value: u64) -> ExecResult<()> {
        let model = &self.cpu.model;
        let mut known = 0;
        if model.has(Features::SYSCALL) {
            known |= efer::SCE;
        }
        if model.has(Features::LM) {
            known |= efer::LME;
        }
        if model.has(Features::NX) && !self.cpu.msrs.hides_nx() {
            known |= efer::NXE;
        }
        require(value & !(known | efer::LMA) == 0)?;
        let old = self.cpu.efer;
        let changed = (old ^ value) & known;
        require(changed & efer::LME == 0 || self.cpu.cr0 & cr0::PG == 0)?;
        self.cpu.efer = value & known | old & efer::LMA;
        if changed & efer::NXE != 0 {
            self.cpu.tlb.flush(false);
        }
        Ok(())
    }

    /// Whether this MSR has not been complained about yet, and the log may still take it.
    fn is_first_complaint(&mut self, msr: u32) -> bool {
        let seen = &mut self.cpu.complaints;
        let first = seen.len() < COMPLAINTS && !seen.contains(&msr);
        if first {
            seen.push(msr);
        }
        first
    }

    #[cold]
    fn unknown_msr<T>(&mut self, msr: u32, what: &str) -> ExecResult<T> {
        if self.is_first_complaint(msr) {
            log::warn!(
                "processor {}: {what} of MSR {msr:#x}, which there is not, at {:#x}",
                self.cpu.index,
                self.cpu.rip
            );
        }
        Err(Exception::gp(0))
    }
}
