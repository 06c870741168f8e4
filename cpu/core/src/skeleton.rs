//! Signatures.
#![allow(unused_variables, missing_docs)]

use crate::exec::Scalar;
use crate::*;

/// A page that code can be fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePage {
    /// Host offset of the page's first byte; `None` for a device or nothing: see
    /// [`Exec::fetch_bytes`].
    pub host_offset: Option<u64>,
    /// Physical address of the page.
    pub phys: u64,
    /// Version of the page ([`aero_bus::PageVersions`]); 0 without a host offset.
    pub version: u32,
}

impl Exec<'_> {
    pub(crate) fn follow_code_marks(&mut self) {}
    pub(crate) fn settle_marks(&mut self) {}
    #[cold]
    #[inline(never)]
    pub(crate) fn read_slow<T: Scalar>(&mut self, seg: SegReg, offset: u64) -> ExecResult<T> {
        Err(Exception::ud())
    }
    #[cold]
    #[inline(never)]
    pub(crate) fn write_slow<T: Scalar>(
        &mut self,
        seg: SegReg,
        offset: u64,
        value: T,
    ) -> ExecResult<()> {
        Err(Exception::ud())
    }
    #[cold]
    #[inline(never)]
    pub(crate) fn rmw_slow<T: Scalar>(
        &mut self,
        seg: SegReg,
        offset: u64,
        f: &mut dyn FnMut(T) -> T,
    ) -> ExecResult<T> {
        Err(Exception::ud())
    }

    // Memory, the rarer ways.

    /// Checks that `len` bytes could be written (segment, paging), without writing.
    pub fn probe_write(&mut self, seg: SegReg, offset: u64, len: u64) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// Checks that `len` bytes could be read.
    pub fn probe_read(&mut self, seg: SegReg, offset: u64, len: u64) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// Reads bytes through a segment, any length up to a page.
    pub fn read_bytes(&mut self, seg: SegReg, offset: u64, data: &mut [u8]) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// Writes bytes through a segment, any length up to a page; none if there is a fault.
    pub fn write_bytes(&mut self, seg: SegReg, offset: u64, data: &[u8]) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// Reads at a linear address with supervisor rights: descriptor tables, TSS.
    pub fn read_system<T: Scalar>(&mut self, linear: u64) -> ExecResult<T> {
        Err(Exception::ud())
    }
    /// Writes at a linear address with supervisor rights.
    pub fn write_system<T: Scalar>(&mut self, linear: u64, value: T) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// The physical address of `linear` for an access at the current privilege level.
    pub fn translate(&mut self, linear: u64, access: Access) -> ExecResult<u64> {
        Err(Exception::ud())
    }

    // Code.

    /// The page of `linear`, checked for execution at the current privilege level.
    #[inline]
    pub fn fetch_code_page(&mut self, linear: u64) -> ExecResult<CodePage> {
        Err(Exception::ud())
    }
    /// Fetches code at `rip`, an offset in CS: as many bytes of `buffer` as can be had without a fault;
    /// a fault only if there is not even one. The caller asks again at `rip + n` for the fault that
    /// the n-th byte gives.
    pub fn fetch_bytes(&mut self, rip: u64, buffer: &mut [u8]) -> ExecResult<usize> {
        Err(Exception::ud())
    }
    /// Marks the page at `host_offset` as one that decoded code is kept of: stores to it, of every
    /// processor, give it a new version from now on. Returns the version to keep.
    pub fn mark_code_page(&mut self, host_offset: u64) -> u32 {
        0
    }
    /// How many bytes of code there are at most from `rip` to the end of CS's limit (0: #GP(0)).
    pub fn code_bytes_left(&self, rip: u64) -> u64 {
        0
    }

    // Events.

    /// Takes signals and pending debug events at an instruction boundary. `None`: execute the
    /// instruction at `cpu.rip`, which may have changed. `Some`: leave the run loop.
    pub fn service_events(&mut self) -> Option<CpuExit> {
        None
    }
    /// Delivers a fault of the instruction at `cpu.rip`, with double and triple faults. Sets
    /// `cpu.rip`, and counts one retired instruction.
    pub fn raise(&mut self, exception: Exception) {}

    // Control transfer.

    /// Near jump, call or return: checks `target` (already masked to the operand size) against the
    /// limit of CS or for canonical form, and sets `next_rip`.
    #[inline]
    pub fn branch(&mut self, target: u64) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// JMP far.
    pub fn far_jump(&mut self, selector: u16, offset: u64, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// CALL far.
    pub fn far_call(&mut self, selector: u16, offset: u64, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// RET far, releasing `extra` bytes of parameters.
    pub fn far_return(&mut self, size: OperandSize, extra: u16) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// IRET.
    pub fn iret(&mut self, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// INT n.
    pub fn int_n(&mut self, vector: u8) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// INT3.
    pub fn int3(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// INTO whose OF is set.
    pub fn into_overflow(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// INT1 (ICEBP).
    pub fn int1(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// SYSCALL.
    pub fn syscall(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// SYSRET; `size` is Qword with REX.W, else Dword.
    pub fn sysret(&mut self, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// SYSENTER.
    pub fn sysenter(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// SYSEXIT; `size` is Qword with REX.W, else Dword.
    pub fn sysexit(&mut self, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }

    // Segments and descriptor tables.

    /// Loads ES, SS, DS, FS or GS: MOV, POP, LDS and the like. For MOV and POP of SS the caller also
    /// calls [`hold_interrupts`](Self::hold_interrupts).
    pub fn load_segment(&mut self, seg: SegReg, selector: u16) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// LLDT.
    pub fn lldt(&mut self, selector: u16) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// LTR.
    pub fn ltr(&mut self, selector: u16) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// LGDT.
    pub fn lgdt(&mut self, base: u64, limit: u16) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// LIDT.
    pub fn lidt(&mut self, base: u64, limit: u16) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// #UD in real and virtual-8086 mode: for SLDT, STR and ARPL, which have no other check.
    pub fn require_protected(&self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// LAR: the access rights, or `None` (ZF clear).
    pub fn lar(&mut self, selector: u16) -> ExecResult<Option<u32>> {
        Err(Exception::ud())
    }
    /// LSL: the limit, or `None` (ZF clear).
    pub fn lsl(&mut self, selector: u16) -> ExecResult<Option<u32>> {
        Err(Exception::ud())
    }
    /// VERR: the value for ZF.
    pub fn verr(&mut self, selector: u16) -> ExecResult<bool> {
        Err(Exception::ud())
    }
    /// VERW: the value for ZF.
    pub fn verw(&mut self, selector: u16) -> ExecResult<bool> {
        Err(Exception::ud())
    }

    // Ports.

    /// IN of 1, 2 or 4 bytes, with the permission check and I/O breakpoints.
    pub fn port_in(&mut self, port: u16, bytes: u32) -> ExecResult<u32> {
        Err(Exception::ud())
    }
    /// OUT of 1, 2 or 4 bytes.
    pub fn port_out(&mut self, port: u16, bytes: u32, value: u32) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// The permission check alone: INS and OUTS make it before they touch memory.
    pub fn check_port(&mut self, port: u16, bytes: u32) -> ExecResult<()> {
        Err(Exception::ud())
    }

    // System registers and instructions. All check the privilege level themselves.

    /// MOV from CRn, n 0, 2, 3, 4 or 8; others #UD.
    pub fn read_cr(&mut self, n: u32) -> ExecResult<u64> {
        Err(Exception::ud())
    }
    /// MOV to CRn.
    pub fn write_cr(&mut self, n: u32, value: u64) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// MOV from DRn.
    pub fn read_dr(&mut self, n: u32) -> ExecResult<u64> {
        Err(Exception::ud())
    }
    /// MOV to DRn.
    pub fn write_dr(&mut self, n: u32, value: u64) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// RDMSR of the register in ECX, into EDX:EAX.
    pub fn rdmsr(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// WRMSR of the register in ECX, from EDX:EAX.
    pub fn wrmsr(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// CPUID of the leaf in EAX and subleaf in ECX.
    pub fn cpuid(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// RDTSC.
    pub fn rdtsc(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// RDTSCP.
    pub fn rdtscp(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// RDPMC.
    pub fn rdpmc(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// SWAPGS.
    pub fn swapgs(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// HLT: the activity changes; `service_events` says how to go on.
    pub fn hlt(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// CLI.
    pub fn cli(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// STI, with its shadow.
    pub fn sti(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// PUSHF.
    pub fn pushf(&mut self, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// POPF.
    pub fn popf(&mut self, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// CLTS.
    pub fn clts(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// LMSW.
    pub fn lmsw(&mut self, value: u16) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// INVLPG of `offset` in `seg`.
    pub fn invlpg(&mut self, seg: SegReg, offset: u64) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// INVD and WBINVD.
    pub fn wbinvd(&mut self) -> ExecResult<()> {
        Err(Exception::ud())
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

    // x87, MMX and SSE state.

    /// #NM before an x87 instruction (CR0.EM or TS); with `wait`, then #MF if an unmasked exception is
    /// pending. FNINIT, FNSTCW and the other non-waiting ones pass false.
    #[inline]
    pub fn check_x87(&mut self, wait: bool) -> ExecResult<()> {
        Ok(())
    }
    /// WAIT: #NM if CR0.MP and TS, then #MF.
    pub fn check_fwait(&mut self) -> ExecResult<()> {
        Ok(())
    }
    /// #UD, #NM or #MF before an MMX instruction.
    #[inline]
    pub fn check_mmx(&mut self) -> ExecResult<()> {
        Ok(())
    }
    /// #UD or #NM before an SSE instruction.
    #[inline]
    pub fn check_sse(&mut self) -> ExecResult<()> {
        Ok(())
    }
    /// The unmasked SIMD exception after the MXCSR flags were set: #XM, or #UD without OSXMMEXCPT.
    pub fn simd_exception(&self) -> Exception {
        Exception::xm()
    }
    /// FXSAVE, with its checks.
    pub fn fxsave(&mut self, seg: SegReg, offset: u64, rex_w: bool) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// FXRSTOR.
    pub fn fxrstor(&mut self, seg: SegReg, offset: u64, rex_w: bool) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// FNSAVE: stores state and initializes. `size` is the operand size, Word or Dword.
    pub fn fnsave(&mut self, seg: SegReg, offset: u64, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// FRSTOR.
    pub fn frstor(&mut self, seg: SegReg, offset: u64, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// FNSTENV.
    pub fn fnstenv(&mut self, seg: SegReg, offset: u64, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// FLDENV.
    pub fn fldenv(&mut self, seg: SegReg, offset: u64, size: OperandSize) -> ExecResult<()> {
        Err(Exception::ud())
    }
    /// LDMXCSR's value: #GP(0) for reserved bits.
    pub fn load_mxcsr(&mut self, value: u32) -> ExecResult<()> {
        Err(Exception::ud())
    }
}
