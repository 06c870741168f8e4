//! A decoded instruction, ready to run.

use aero_cpu::{Exception, Exec, SegReg};

use crate::fast::Fast;

/// A fault that an instruction ends with. Boxed, so that the outcome of a handler is one register;
/// `?` turns an [`Exception`] into it.
pub type Fault = Box<Exception>;

/// How a handler ends.
pub type Outcome = Result<(), Fault>;

/// What executes an instruction. While it runs, `exec.cpu.rip` is the instruction's own address and
/// `exec.next_rip` the address of the next one, which a handler that transfers control changes.
pub type Handler = fn(&mut Exec<'_>, &Op) -> Outcome;

/// How the address of the operand in memory comes about. Base and index are registers' numbers in
/// [`Op`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Address {
    /// Base + displacement, 64 bits.
    Base64,
    /// Base + index × scale + displacement, 64 bits.
    Index64,
    /// Base + displacement, 32 bits.
    Base32,
    /// Base + index × scale + displacement, 32 bits.
    Index32,
    /// Address of the next instruction + displacement, 64 bits.
    Rip64,
    /// Index × scale + displacement without a base, or a displacement alone; 64 bits.
    Bare64,
    /// Index × scale + displacement without a base, or a displacement alone; 32 bits.
    Bare32,
    /// Address of the next instruction + displacement, 32 bits.
    Rip32,
    /// Base and index if there are, and displacement; 16 bits.
    Any16,
    /// The immediate: MOV between the accumulator and a full address.
    Absolute,
}

bitflags::bitflags! {
    /// What else is to be known of an [`Op`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OpFlags: u8 {
        /// One operand is in memory.
        const MEMORY = 1 << 0;
        /// LOCK, or XCHG with memory.
        const LOCKED = 1 << 1;
        /// REP or REPE.
        const REP = 1 << 2;
        /// REPNE.
        const REPNE = 1 << 3;
        /// The last instruction of a block: it may transfer control, or change what decoding or the
        /// taking of interrupts depends on.
        const END = 1 << 4;
        /// With [`END`](Self::END): does nothing but set the next instruction's address.
        const BRANCH = 1 << 5;
        /// No instruction that this processor has: always a fault.
        const INVALID = 1 << 6;
    }
}

/// Number of a base or index that is not there.
pub const NO_REGISTER: u8 = 0x80;

/// Set in the number of AH, CH, DH and BH, whose low bits are those of RAX to RBX.
pub const HIGH_BYTE: u8 = 0x10;

/// A decoded instruction.
///
/// Registers are numbers within their class: general purpose ones 0 to 15 (with [`HIGH_BYTE`]), XMM,
/// MM, ST(i), segment (as [`SegReg`]), control and debug registers.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Op {
    /// Executes it.
    pub handler: Handler,
    /// The immediate, sign-extended if it is shorter than the operands; or the distance of a branch's
    /// target from the next instruction; or an absolute address.
    pub imm: u64,
    /// Displacement of the operand in memory.
    pub disp: i32,
    /// The register that is the first operand.
    pub dst: u8,
    /// The register that is the second operand.
    pub src: u8,
    /// Base register of the operand in memory, or [`NO_REGISTER`].
    pub base: u8,
    /// Index register of the operand in memory, or [`NO_REGISTER`].
    pub index: u8,
    /// What the index is shifted left by.
    pub scale: u8,
    /// Segment of the operand in memory; of string instructions the one that can be overridden.
    pub seg: SegReg,
    /// Form of the address; for string instructions its width counts.
    pub address: Address,
    /// The rest.
    pub flags: OpFlags,
    /// Length of the encoding in bytes.
    pub len: u8,
    /// How the run loop executes it: by its handler, or inline.
    pub(crate) fast: Fast,
    /// The `iced_x86::Code`, for handlers that serve several instructions.
    pub code: u16,
}

const _: () = assert!(size_of::<Op>() == 32);

impl Op {
    /// Whether an operand is in memory.
    #[inline(always)]
    pub fn is_memory(&self) -> bool {
        self.flags.contains(OpFlags::MEMORY)
    }

    /// Whether the access is atomic.
    #[inline(always)]
    pub fn is_locked(&self) -> bool {
        self.flags.contains(OpFlags::LOCKED)
    }
}
