//! Where the parts of a processor lie, for generated code: offsets in bytes from the address of a
//! [`Vcpu`], and of the arrays of its TLB from [`Vcpu::tlb_address`].

use std::mem::offset_of;

use crate::msr::Msrs;
use crate::tlb::{Access, Array, Tlb, TlbEntry};
use crate::{Flags, FpuState, SegReg, Segment, Vcpu};

/// `regs`: 16 registers of 64 bits, RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
pub const REGS: usize = offset_of!(Vcpu, regs);
/// `rip`, 64 bits.
pub const RIP: usize = offset_of!(Vcpu, rip);
/// `flags.result`, 64 bits.
pub const FLAGS_RESULT: usize = offset_of!(Vcpu, flags) + offset_of!(Flags, result);
/// `flags.aux`, 64 bits.
pub const FLAGS_AUX: usize = offset_of!(Vcpu, flags) + offset_of!(Flags, aux);
/// `flags.system`, 64 bits.
pub const FLAGS_SYSTEM: usize = offset_of!(Vcpu, flags) + offset_of!(Flags, system);
/// `xmm`: 16 registers of 128 bits.
pub const XMM: usize = offset_of!(Vcpu, xmm);
/// `mxcsr`, 32 bits.
pub const MXCSR: usize = offset_of!(Vcpu, mxcsr);
/// `fpu`; offsets in it are in [`fpu`].
pub const FPU: usize = offset_of!(Vcpu, fpu);
/// The privilege level, 8 bits.
pub const CPL: usize = offset_of!(Vcpu, cpl);
/// `msrs.kernel_gs_base`, 64 bits.
pub const KERNEL_GS_BASE: usize = offset_of!(Vcpu, msrs) + offset_of!(Msrs, kernel_gs_base);
/// `attention`, 32 bits.
pub const ATTENTION: usize = offset_of!(Vcpu, attention);

/// Where the parts of [`FpuState`] lie in it.
pub mod fpu {
    use super::{FpuState, offset_of};
    use crate::F80;

    /// `regs`: the physical registers, [`REG_SIZE`] apart.
    pub const REGS: usize = offset_of!(FpuState, regs);
    /// Size of a register.
    pub const REG_SIZE: usize = size_of::<F80>();
    /// In a register: the significand, 64 bits.
    pub const MANTISSA: usize = offset_of!(F80, mantissa);
    /// In a register: sign and exponent, 16 bits.
    pub const SIGN_EXPONENT: usize = offset_of!(F80, sign_exponent);
    /// `control`, 16 bits.
    pub const CONTROL: usize = offset_of!(FpuState, control);
    /// `status`, 16 bits, TOP zero.
    pub const STATUS: usize = offset_of!(FpuState, status);
    /// `top`, 8 bits.
    pub const TOP: usize = offset_of!(FpuState, top);
    /// `tags`, 8 bits.
    pub const TAGS: usize = offset_of!(FpuState, tags);
    /// `opcode`, 16 bits.
    pub const OPCODE: usize = offset_of!(FpuState, opcode);
    /// `instruction_selector`, 16 bits.
    pub const INSTRUCTION_SELECTOR: usize = offset_of!(FpuState, instruction_selector);
    /// `data_selector`, 16 bits.
    pub const DATA_SELECTOR: usize = offset_of!(FpuState, data_selector);
    /// `instruction_pointer`, 64 bits.
    pub const INSTRUCTION_POINTER: usize = offset_of!(FpuState, instruction_pointer);
    /// `data_pointer`, 64 bits.
    pub const DATA_POINTER: usize = offset_of!(FpuState, data_pointer);
}

/// Where the parts of a segment register lie in a [`Vcpu`], each of 64 bits but for the selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentOffsets {
    /// `base`.
    pub base: usize,
    /// `fast_base`.
    pub fast_base: usize,
    /// `read_end`.
    pub read_end: usize,
    /// `write_end`.
    pub write_end: usize,
    /// `selector`, 16 bits.
    pub selector: usize,
}

/// Where the parts of `seg` lie.
pub const fn segment(seg: SegReg) -> SegmentOffsets {
    let start = offset_of!(Vcpu, segs) + seg as usize * size_of::<Segment>();
    SegmentOffsets {
        base: start + offset_of!(Segment, base),
        fast_base: start + offset_of!(Segment, fast_base),
        read_end: start + offset_of!(Segment, read_end),
        write_end: start + offset_of!(Segment, write_end),
        selector: start + offset_of!(Segment, selector),
    }
}

/// In a TLB entry: the linear address of the page, 64 bits. An access of n bytes hits if
/// `linear - tag` (wrapping) is at most 4096 - n.
pub const TLB_TAG: usize = offset_of!(TlbEntry, tag);
/// In a TLB entry: what to add (wrapping) to the linear address for the host offset, 64 bits.
pub const TLB_ADDEND: usize = offset_of!(TlbEntry, addend);
/// Size of a TLB entry.
pub const TLB_ENTRY_SIZE: usize = size_of::<TlbEntry>();

/// Offset from [`Vcpu::tlb_address`] of the first entry that is for such accesses. There are
/// [`TLB_ENTRIES`](crate::TLB_ENTRIES), indexed by the low bits of the linear page number.
pub const fn tlb_array(user: bool, access: Access) -> usize {
    offset_of!(Tlb, arrays)
        + (user as usize * 3 + access as usize) * size_of::<Array>()
        + offset_of!(Array, entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CpuModel;

    #[test]
    fn the_offsets_lead_to_what_they_are_called() {
        let mut cpu = Vcpu::new(0, CpuModel::named("westmere").unwrap());
        cpu.regs[1] = 0x1122_3344_5566_7788;
        cpu.fpu.control = 0x1234;
        cpu.set_cpl(3);
        let base = (&raw const cpu).cast::<u8>();
        // SAFETY: the offsets are those of fields, with the fields' types.
        unsafe {
            assert_eq!(base.add(REGS + 8).cast::<u64>().read(), cpu.regs[1]);
            assert_eq!(base.add(FPU + fpu::CONTROL).cast::<u16>().read(), 0x1234);
            assert_eq!(base.add(CPL).read(), 3);
            let base_of_cs = base.add(segment(SegReg::Cs).fast_base).cast::<u64>().read();
            assert_eq!(base_of_cs, 0xffff_0000);
        }
        for user in [false, true] {
            for access in [Access::Read, Access::Write, Access::Execute] {
                let there = cpu.tlb_address().wrapping_add(tlb_array(user, access));
                assert_eq!(there, cpu.tlb.entries(user, access).as_ptr().cast());
            }
        }
        assert_eq!((TLB_TAG, TLB_ADDEND, TLB_ENTRY_SIZE), (0, 8, 16));
    }
}
