//! The execution context: one processor, at work on its machine.

use aero_bus::{GuestRam, PAGE_SIZE};

use crate::segment::SegReg;
use crate::state::{RSP, Shadow};
use crate::tlb::Access;
use crate::{CpuSignals, Exception, ExecResult, Platform, Vcpu};

/// What is read from and written to memory in one access.
pub trait Scalar: Copy + Default + 'static {
    /// Size in bytes.
    const SIZE: u64;
    /// From little-endian bytes; `bytes` is [`SIZE`](Self::SIZE) long.
    fn from_bytes(bytes: &[u8]) -> Self;
    /// Little-endian bytes into `bytes`, which is [`SIZE`](Self::SIZE) long.
    fn to_bytes(self, bytes: &mut [u8]);
    /// Reads a host value that may lie at any address.
    ///
    /// # Safety
    /// `pointer` is valid for reads of `SIZE` bytes.
    unsafe fn load(pointer: *const u8) -> Self;
    /// Writes a host value that may lie at any address.
    ///
    /// # Safety
    /// `pointer` is valid for writes of `SIZE` bytes.
    unsafe fn store(self, pointer: *mut u8);
    /// Replaces the value at `pointer` by what `f` makes of it, as one atomic access where the host
    /// has one of this size, and returns the old value.
    ///
    /// # Safety
    /// `pointer` is valid for reads and writes of `SIZE` bytes.
    unsafe fn fetch_update(pointer: *mut u8, f: impl FnMut(Self) -> Self) -> Self;
}

macro_rules! scalar {
    ($($t:ty, $atomic:ty;)*) => {$(
        impl Scalar for $t {
            const SIZE: u64 = size_of::<$t>() as u64;
            #[inline(always)]
            fn from_bytes(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$t>()];
                array.copy_from_slice(bytes);
                Self::from_le_bytes(array)
            }
            #[inline(always)]
            fn to_bytes(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            unsafe fn load(pointer: *const u8) -> Self {
                // SAFETY: the caller vouches for the pointer; alignment is not asked for.
                Self::from_le(unsafe { pointer.cast::<$t>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn store(self, pointer: *mut u8) {
                // SAFETY: as above.
                unsafe { pointer.cast::<$t>().write_unaligned(self.to_le()) }
            }
            #[inline]
            unsafe fn fetch_update(pointer: *mut u8, mut f: impl FnMut(Self) -> Self) -> Self {
                use std::sync::atomic::Ordering::SeqCst;
                if (pointer as usize).is_multiple_of(size_of::<$t>()) {
                    // SAFETY: the caller vouches for the pointer, and it is aligned.
                    let atomic = unsafe { <$atomic>::from_ptr(pointer.cast()) };
                    let mut old = atomic.load(SeqCst);
                    loop {
                        let new = f(Self::from_le(old)).to_le();
                        match atomic.compare_exchange_weak(old, new, SeqCst, SeqCst) {
                            Ok(_) => return Self::from_le(old),
                            Err(seen) => old = seen,
                        }
                    }
                }
                // SAFETY: as above.
                unsafe {
                    let old = Self::load(pointer);
                    f(old).store(pointer);
                    old
                }
            }
        }
    )*};
}

scalar! {
    u8, std::sync::atomic::AtomicU8;
    u16, std::sync::atomic::AtomicU16;
    u32, std::sync::atomic::AtomicU32;
    u64, std::sync::atomic::AtomicU64;
}

impl Scalar for u128 {
    const SIZE: u64 = 16;
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut array = [0; 16];
        array.copy_from_slice(bytes);
        Self::from_le_bytes(array)
    }
    fn to_bytes(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_le_bytes());
    }
    #[inline(always)]
    unsafe fn load(pointer: *const u8) -> Self {
        // SAFETY: the caller vouches for the pointer; alignment is not asked for.
        Self::from_le(unsafe { pointer.cast::<u128>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, pointer: *mut u8) {
        // SAFETY: as above.
        unsafe { pointer.cast::<u128>().write_unaligned(self.to_le()) }
    }
    unsafe fn fetch_update(pointer: *mut u8, mut f: impl FnMut(Self) -> Self) -> Self {
        // SAFETY: as above. Not atomic: Rust has no 128-bit atomics, and processors take turns.
        unsafe {
            let old = Self::load(pointer);
            f(old).store(pointer);
            old
        }
    }
}

/// An operand size of stack and control-transfer instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandSize {
    /// 16 bits.
    Word,
    /// 32 bits.
    Dword,
    /// 64 bits.
    Qword,
}

impl OperandSize {
    /// In bytes.
    #[inline]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Word => 2,
            Self::Dword => 4,
            Self::Qword => 8,
        }
    }

    /// The bits of a value of this size.
    #[inline]
    pub const fn mask(self) -> u64 {
        match self {
            Self::Word => 0xffff,
            Self::Dword => 0xffff_ffff,
            Self::Qword => u64::MAX,
        }
    }
}

/// One processor while it runs.
///
/// Conventions between a backend and this context:
/// - While an instruction executes, `cpu.rip` is its own address and [`next_rip`](Self::next_rip) the
///   address of the one after it. What transfers control here (far jumps, IRET, SYSCALL, …) sets
///   `next_rip`. When the instruction is done without a fault the backend stores `next_rip` to
///   `cpu.rip` and adds one to [`retired`](Self::retired).
/// - When something returns an [`Exception`], the backend drops what the instruction would still have
///   done and calls [`raise`](Self::raise), which leaves `cpu.rip` at the handler and counts one
///   retired instruction, so that a guest that does nothing but fault still uses up its budget.
/// - At instruction boundaries where the signal word is not zero the backend calls
///   [`service_events`](Self::service_events). While `cpu.attention` is not empty it does so before
///   every instruction, and executes one instruction (or one iteration of a repeated one) at a time.
/// - After every access to a device [`budget`](Self::budget) may have shrunk.
/// - Whatever happens within an instruction that may concern the very next one, so that a backend that
///   runs several at a time has to look before going on, sets [`look`](Self::look): an access to a
///   device, a store that gave a page with code a new version, a data breakpoint.
pub struct Exec<'a> {
    /// The processor.
    pub cpu: &'a mut Vcpu,
    /// The machine.
    pub platform: &'a mut dyn Platform,
    /// The wires into the processor.
    pub signals: &'a CpuSignals,
    /// Where execution goes on after the current instruction.
    pub next_rip: u64,
    /// Instructions retired so far in this run.
    pub retired: u64,
    /// How many may be retired in all.
    pub budget: u64,
    /// Something happened that ends a run of instructions here: see above. The backend clears it.
    pub look: bool,
    /// Reads and writes of device memory and of ports in this run, those of page tables and of
    /// instructions left out: as many as the instructions ask for, whatever is cached.
    pub device_accesses: u64,
    /// EXT of error codes: 1 while an external event or an exception is being delivered.
    pub(crate) ext: u32,
    pub(crate) ram: GuestRam,
}

impl<'a> Exec<'a> {
    /// Begins a run.
    pub fn new(cpu: &'a mut Vcpu, signals: &'a CpuSignals, platform: &'a mut dyn Platform) -> Self {
        let ram = platform.memory().ram().clone();
        let generation = platform.memory().generation();
        cpu.tlb.attach(&ram, generation);
        // What counts retired instructions starts again at 0.
        cpu.shadow_mark = 0;
        cpu.resume_mark = 0;
        if let Some(mark) = &mut cpu.step_mark {
            *mark = 0;
        }
        let budget = platform.budget();
        let next_rip = cpu.rip;
        let mut exec = Self {
            cpu,
            platform,
            signals,
            next_rip,
            retired: 0,
            budget,
            look: false,
            device_accesses: 0,
            ext: 0,
            ram,
        };
        exec.follow_code_marks();
        exec
    }

    // Data accesses at the current privilege level, through a segment.

    /// Reads a value at `offset` in `seg`; the offset is as wide as the address size.
    #[inline(always)]
    pub fn read<T: Scalar>(&mut self, seg: SegReg, offset: u64) -> ExecResult<T> {
        let segment = &self.cpu.segs[seg as usize];
        if offset.wrapping_add(T::SIZE - 1) < segment.read_end {
            let linear = segment.fast_base.wrapping_add(offset) & self.cpu.linear_mask;
            let user = self.cpu.cpl == 3;
            if let Some(host) =
                self.cpu.tlb.entry(user, Access::Read, linear).lookup(linear, T::SIZE)
            {
                // SAFETY: entries lead to whole pages of the block, and a hit keeps to the page.
                return Ok(unsafe { T::load(self.cpu.tlb.host().add(host as usize)) });
            }
        }
        self.read_slow(seg, offset)
    }

    /// Writes a value at `offset` in `seg`.
    #[inline(always)]
    pub fn write<T: Scalar>(&mut self, seg: SegReg, offset: u64, value: T) -> ExecResult<()> {
        let segment = &self.cpu.segs[seg as usize];
        if offset.wrapping_add(T::SIZE - 1) < segment.write_end {
            let linear = segment.fast_base.wrapping_add(offset) & self.cpu.linear_mask;
            let user = self.cpu.cpl == 3;
            if let Some(host) =
                self.cpu.tlb.entry(user, Access::Write, linear).lookup(linear, T::SIZE)
            {
                // SAFETY: as in `read`.
                unsafe { value.store(self.cpu.tlb.host().add(host as usize)) };
                return Ok(());
            }
        }
        self.write_slow(seg, offset, value)
    }

    /// Read-modify-write: replaces the value at `offset` in `seg` by what `f` makes of it and returns
    /// the old one. All write checks come before `f`. With `locked` the access is atomic (SDM Vol. 3,
    /// 9.1); `f` may then run more than once.
    #[inline(always)]
    pub fn rmw<T: Scalar>(
        &mut self,
        seg: SegReg,
        offset: u64,
        locked: bool,
        mut f: impl FnMut(T) -> T,
    ) -> ExecResult<T> {
        let segment = &self.cpu.segs[seg as usize];
        if offset.wrapping_add(T::SIZE - 1) < segment.write_end.min(segment.read_end) {
            let linear = segment.fast_base.wrapping_add(offset) & self.cpu.linear_mask;
            let user = self.cpu.cpl == 3;
            if let Some(host) =
                self.cpu.tlb.entry(user, Access::Write, linear).lookup(linear, T::SIZE)
            {
                // SAFETY: as in `read`.
                return Ok(unsafe {
                    let pointer = self.cpu.tlb.host().add(host as usize);
                    if locked {
                        T::fetch_update(pointer, f)
                    } else {
                        let old = T::load(pointer);
                        f(old).store(pointer);
                        old
                    }
                });
            }
        }
        self.rmw_slow(seg, offset, &mut f)
    }

    /// Reads a byte.
    #[inline]
    pub fn read_u8(&mut self, seg: SegReg, offset: u64) -> ExecResult<u8> {
        self.read(seg, offset)
    }
    /// Reads 2 bytes.
    #[inline]
    pub fn read_u16(&mut self, seg: SegReg, offset: u64) -> ExecResult<u16> {
        self.read(seg, offset)
    }
    /// Reads 4 bytes.
    #[inline]
    pub fn read_u32(&mut self, seg: SegReg, offset: u64) -> ExecResult<u32> {
        self.read(seg, offset)
    }
    /// Reads 8 bytes.
    #[inline]
    pub fn read_u64(&mut self, seg: SegReg, offset: u64) -> ExecResult<u64> {
        self.read(seg, offset)
    }
    /// Reads 16 bytes at any alignment; see [`require_aligned`](Self::require_aligned).
    #[inline]
    pub fn read_u128(&mut self, seg: SegReg, offset: u64) -> ExecResult<u128> {
        self.read(seg, offset)
    }
    /// Writes a byte.
    #[inline]
    pub fn write_u8(&mut self, seg: SegReg, offset: u64, value: u8) -> ExecResult<()> {
        self.write(seg, offset, value)
    }
    /// Writes 2 bytes.
    #[inline]
    pub fn write_u16(&mut self, seg: SegReg, offset: u64, value: u16) -> ExecResult<()> {
        self.write(seg, offset, value)
    }
    /// Writes 4 bytes.
    #[inline]
    pub fn write_u32(&mut self, seg: SegReg, offset: u64, value: u32) -> ExecResult<()> {
        self.write(seg, offset, value)
    }
    /// Writes 8 bytes.
    #[inline]
    pub fn write_u64(&mut self, seg: SegReg, offset: u64, value: u64) -> ExecResult<()> {
        self.write(seg, offset, value)
    }
    /// Writes 16 bytes at any alignment; see [`require_aligned`](Self::require_aligned).
    #[inline]
    pub fn write_u128(&mut self, seg: SegReg, offset: u64, value: u128) -> ExecResult<()> {
        self.write(seg, offset, value)
    }

    /// #GP(0) unless the linear address is a multiple of 16: for SSE operands that must be aligned.
    #[inline]
    pub fn require_aligned(&self, seg: SegReg, offset: u64) -> ExecResult<()> {
        let base = self.cpu.segs[seg as usize].fast_base;
        if base.wrapping_add(offset) & 15 == 0 { Ok(()) } else { Err(Exception::gp(0)) }
    }

    /// A host pointer to `len` bytes at `offset` in `seg`, for block transfers. `None` if there is
    /// none, or a fault would come: then go by elements. For [`Access::Write`] the caller writes only
    /// after this call and before any other. `len` is not zero.
    pub fn direct(
        &mut self,
        seg: SegReg,
        offset: u64,
        len: u64,
        access: Access,
    ) -> Option<*mut u8> {
        let segment = &self.cpu.segs[seg as usize];
        let end = if access == Access::Write { segment.write_end } else { segment.read_end };
        if len == 0 || len > PAGE_SIZE || offset.checked_add(len - 1)? >= end {
            return None;
        }
        let linear = segment.fast_base.wrapping_add(offset) & self.cpu.linear_mask;
        let user = self.cpu.cpl == 3;
        let host = self.cpu.tlb.entry(user, access, linear).lookup(linear, len)?;
        // SAFETY: entries lead to whole pages of the block, and a hit keeps to the page.
        Some(unsafe { self.cpu.tlb.host().add(host as usize) })
    }

    // The stack.

    /// The stack pointer, as wide as the stack segment has it.
    #[inline]
    pub fn stack_pointer(&self) -> u64 {
        self.cpu.regs[RSP] & self.cpu.stack_mask
    }

    /// Sets the stack pointer; bits that the stack segment does not use stay.
    #[inline]
    pub fn set_stack_pointer(&mut self, value: u64) {
        let mask = self.cpu.stack_mask;
        self.cpu.regs[RSP] = self.cpu.regs[RSP] & !mask | value & mask;
    }

    /// Pushes a value. RSP does not change if there is a fault.
    #[inline(always)]
    pub fn push<T: Scalar>(&mut self, value: T) -> ExecResult<()> {
        let pointer = self.cpu.regs[RSP].wrapping_sub(T::SIZE) & self.cpu.stack_mask;
        self.write(SegReg::Ss, pointer, value)?;
        self.set_stack_pointer(pointer);
        Ok(())
    }

    /// Pops a value. RSP does not change if there is a fault.
    #[inline(always)]
    pub fn pop<T: Scalar>(&mut self) -> ExecResult<T> {
        let pointer = self.stack_pointer();
        let value = self.read(SegReg::Ss, pointer)?;
        self.set_stack_pointer(pointer.wrapping_add(T::SIZE));
        Ok(value)
    }

    /// Pushes the low bits of `value`.
    #[inline]
    pub fn push_sized(&mut self, size: OperandSize, value: u64) -> ExecResult<()> {
        match size {
            OperandSize::Word => self.push(value as u16),
            OperandSize::Dword => self.push(value as u32),
            OperandSize::Qword => self.push(value),
        }
    }

    /// Pops a value, zero-extended.
    #[inline]
    pub fn pop_sized(&mut self, size: OperandSize) -> ExecResult<u64> {
        Ok(match size {
            OperandSize::Word => self.pop::<u16>()?.into(),
            OperandSize::Dword => self.pop::<u32>()?.into(),
            OperandSize::Qword => self.pop::<u64>()?,
        })
    }

    /// Holds interrupts off until the next instruction is done: STI that sets IF, MOV to SS, POP SS.
    pub fn hold_interrupts(&mut self, shadow: Shadow) {
        self.cpu.shadow = shadow;
        self.cpu.shadow_mark = self.retired + 1;
        self.cpu.attention.insert(crate::Attention::SHADOW);
    }

    /// The instruction that has just retired was an STI that set IF.
    pub fn interrupts_were_held(&mut self) {
        self.hold_interrupts(Shadow::Sti);
        self.cpu.shadow_mark = self.retired;
    }

    /// #GP(0) unless the privilege level is 0. In virtual-8086 mode it is 3.
    #[inline]
    pub fn require_cpl0(&self) -> ExecResult<()> {
        if self.cpu.cpl == 0 { Ok(()) } else { Err(Exception::gp(0)) }
    }
}

impl Drop for Exec<'_> {
    /// Retired counts end with the run: what they said is kept in another way.
    fn drop(&mut self) {
        self.settle_marks();
    }
}
