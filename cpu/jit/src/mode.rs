//! What generated code takes for granted about the processor's state.

use aero_cpu::bits::{cr0, cr4};
use aero_cpu::{SegReg, Vcpu};

/// The assumptions that a translation rests on; part of what it is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mode(u16);

const CODE_32: u16 = 1;
const CODE_64: u16 = 1 << 1;
const USER: u16 = 1 << 2;
const FLAT: u16 = 1 << 3;
const STACK_WIDE: u16 = 1 << 4;
const SSE: u16 = 1 << 5;
const X87: u16 = 1 << 6;
const CPU_SHIFT: u32 = 7;

/// The most processors that have translations of their own.
pub const MAX_CPUS: u32 = 1 << (15 - CPU_SHIFT);

impl Mode {
    /// The mode that the processor is in.
    pub fn of(cpu: &Vcpu) -> Self {
        let bits = cpu.mode().code_bits();
        let mut mode = (cpu.index as u16) << CPU_SHIFT;
        mode |= match bits {
            64 => CODE_64,
            32 => CODE_32,
            _ => 0,
        };
        if cpu.cpl() == 3 {
            mode |= USER;
        }
        let open = |seg| {
            let seg = cpu.seg(seg);
            seg.fast_base == 0 && seg.read_end > u32::MAX.into() && seg.write_end > u32::MAX.into()
        };
        let cs = cpu.seg(SegReg::Cs);
        let code_open = bits == 64 || cs.fast_base == 0 && cs.limit == u32::MAX;
        if code_open && open(SegReg::Ds) && open(SegReg::Es) && open(SegReg::Ss) {
            mode |= FLAT;
        }
        if cpu.stack_mask() == if bits == 64 { u64::MAX } else { u32::MAX.into() } {
            mode |= STACK_WIDE;
        }
        if cpu.cr0 & (cr0::TS | cr0::EM) == 0 {
            mode |= X87;
            if cpu.cr4 & cr4::OSFXSR != 0 {
                mode |= SSE;
            }
        }
        Self(mode)
    }

    /// Width of code: 16, 32 or 64.
    pub fn code_bits(self) -> u32 {
        match self.0 & (CODE_32 | CODE_64) {
            0 => 16,
            CODE_32 => 32,
            _ => 64,
        }
    }

    /// 64-bit mode.
    pub fn is_long(self) -> bool {
        self.0 & CODE_64 != 0
    }

    /// Accesses are made at privilege level 3.
    pub fn is_user(self) -> bool {
        self.0 & USER != 0
    }

    /// CS, DS, ES and SS start at 0 and have no end.
    pub fn is_flat(self) -> bool {
        self.0 & FLAT != 0
    }

    /// The stack pointer is as wide as code, 32 bits at least.
    pub fn is_stack_wide(self) -> bool {
        self.0 & STACK_WIDE != 0
    }

    /// SSE instructions do not fault for the state of CR0 and CR4.
    pub fn has_sse(self) -> bool {
        self.0 & SSE != 0
    }

    /// x87 instructions do not fault for the state of CR0.
    pub fn has_x87(self) -> bool {
        self.0 & X87 != 0
    }

    /// Whether code is translated in this mode at all.
    pub fn is_translated(self) -> bool {
        self.code_bits() != 16 && self.is_flat() && self.is_stack_wide()
    }

    /// Whether generated code for this mode takes the processor's registers as they are: 32-bit code has
    /// no upper halves, and does not keep them.
    pub fn suits(self, cpu: &Vcpu) -> bool {
        self.is_long() || cpu.regs[..8].iter().all(|register| register >> 32 == 0)
    }

    /// A mode for what no processor runs: flat, with everything on.
    pub fn flat(code_bits: u32, user: bool) -> Self {
        let code = if code_bits == 64 { CODE_64 } else { CODE_32 };
        Self(code | FLAT | STACK_WIDE | SSE | X87 | if user { USER } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aero_cpu::CpuModel;

    #[test]
    fn code_in_a_segment_with_a_base_or_a_limit_is_not_translated() {
        let mut cpu = Vcpu::new(0, CpuModel::default());
        cpu.set_flat_protected(0x1000, 8, 16);
        assert!(Mode::of(&cpu).is_translated());
        cpu.segs[SegReg::Cs as usize].limit = 0xfff;
        assert!(!Mode::of(&cpu).is_translated());
        cpu.set_flat_protected(0x1000, 8, 16);
        cpu.segs[SegReg::Cs as usize].base = 16;
        cpu.mode_changed();
        assert!(!Mode::of(&cpu).is_translated());
    }
}
