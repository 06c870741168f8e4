//! Getting at an instruction's operands.

use aero_cpu::alu::Word;
use aero_cpu::{Exec, ExecResult, OperandSize, Scalar, SegReg};

use crate::op::{Address, HIGH_BYTE, NO_REGISTER, Op};

/// An operand that is a general purpose register or memory.
pub trait Int: Word + Scalar {}
impl<T: Word + Scalar> Int for T {}

/// The operands of an [`Op`], as handlers want them. Implemented for [`Exec`].
pub trait Operands {
    /// General purpose register `number`, as [`Op`] numbers them for this width.
    fn reg<T: Word>(&self, number: u8) -> T;
    /// Sets a general purpose register: 32 bits clear the upper half, 8 and 16 bits leave the rest.
    fn set_reg<T: Word>(&mut self, number: u8, value: T);
    /// The offset of the operand in memory within its segment, as wide as the address size.
    fn offset(&self, op: &Op) -> u64;
    /// Reads the operand in memory.
    fn load<T: Scalar>(&mut self, op: &Op) -> ExecResult<T>;
    /// Writes the operand in memory.
    fn store<T: Scalar>(&mut self, op: &Op, value: T) -> ExecResult<()>;
    /// Replaces the operand in memory by what `f` makes of it and returns the old value; all checks
    /// come before `f`, which may run more than once if the instruction is locked.
    fn modify<T: Scalar>(&mut self, op: &Op, f: impl FnMut(T) -> T) -> ExecResult<T>;
    /// The second operand: memory if there is one, else the register `op.src`.
    fn load_or_src<T: Int>(&mut self, op: &Op) -> ExecResult<T>;
    /// Sets the first operand: memory if there is one, else the register `op.dst`.
    fn store_or_dst<T: Int>(&mut self, op: &Op, value: T) -> ExecResult<()>;

    /// XMM register `number`.
    fn xmm(&self, number: u8) -> u128;
    /// Sets XMM register `number`.
    fn set_xmm(&mut self, number: u8, value: u128);
    /// MMX register `number`.
    fn mm(&self, number: u8) -> u64;
    /// Sets MMX register `number`; the exponent becomes all ones, as for every write of one.
    fn set_mm(&mut self, number: u8, value: u64);
    /// The second operand of an SSE instruction: 16 bytes of memory, which have to be aligned, or the
    /// register `op.src`.
    fn xmm_or_m128(&mut self, op: &Op) -> ExecResult<u128>;
    /// The same without the alignment check: MOVDQU and the like.
    fn xmm_or_m128_unaligned(&mut self, op: &Op) -> ExecResult<u128>;
    /// The low 8 bytes of the second operand: memory or the register `op.src`.
    fn xmm_or_m64(&mut self, op: &Op) -> ExecResult<u64>;
    /// The low 4 bytes of the second operand: memory or the register `op.src`.
    fn xmm_or_m32(&mut self, op: &Op) -> ExecResult<u32>;
    /// The second operand of an MMX instruction: 8 bytes of memory or the register `op.src`.
    fn mm_or_m64(&mut self, op: &Op) -> ExecResult<u64>;
    /// Writes 16 bytes, which have to be aligned, to the operand in memory.
    fn store_m128_aligned(&mut self, op: &Op, value: u128) -> ExecResult<()>;
}

/// Where a byte register's value starts in its 64 bits.
#[inline(always)]
fn byte_shift(number: u8) -> u32 {
    u32::from(number & HIGH_BYTE) / 2
}

impl Operands for Exec<'_> {
    #[inline(always)]
    fn reg<T: Word>(&self, number: u8) -> T {
        let value = self.cpu.regs[usize::from(number & 15)];
        T::truncate(if T::BITS == 8 { value >> byte_shift(number) } else { value })
    }

    #[inline(always)]
    fn set_reg<T: Word>(&mut self, number: u8, value: T) {
        let register = &mut self.cpu.regs[usize::from(number & 15)];
        *register = match T::BITS {
            8 => {
                let shift = byte_shift(number);
                *register & !(0xff << shift) | value.zx() << shift
            }
            16 => *register & !0xffff | value.zx(),
            _ => value.zx(),
        };
    }

    #[inline(always)]
    fn offset(&self, op: &Op) -> u64 {
        let disp = op.disp as i64 as u64;
        let base = || self.cpu.regs[usize::from(op.base & 15)];
        let index = || self.cpu.regs[usize::from(op.index & 15)] << (op.scale & 3);
        match op.address {
            Address::Base64 => base().wrapping_add(disp),
            Address::Index64 => base().wrapping_add(index()).wrapping_add(disp),
            Address::Base32 => u64::from(base().wrapping_add(disp) as u32),
            Address::Index32 => u64::from(base().wrapping_add(index()).wrapping_add(disp) as u32),
            Address::Rip64 => self.next_rip.wrapping_add(disp),
            _ => rare_offset(self, op),
        }
    }

    #[inline(always)]
    fn load<T: Scalar>(&mut self, op: &Op) -> ExecResult<T> {
        let offset = self.offset(op);
        self.read(op.seg, offset)
    }

    #[inline(always)]
    fn store<T: Scalar>(&mut self, op: &Op, value: T) -> ExecResult<()> {
        let offset = self.offset(op);
        self.write(op.seg, offset, value)
    }

    #[inline(always)]
    fn modify<T: Scalar>(&mut self, op: &Op, f: impl FnMut(T) -> T) -> ExecResult<T> {
        let offset = self.offset(op);
        self.rmw(op.seg, offset, op.is_locked(), f)
    }

    #[inline(always)]
    fn load_or_src<T: Int>(&mut self, op: &Op) -> ExecResult<T> {
        if op.is_memory() { self.load(op) } else { Ok(self.reg(op.src)) }
    }

    #[inline(always)]
    fn store_or_dst<T: Int>(&mut self, op: &Op, value: T) -> ExecResult<()> {
        if op.is_memory() {
            self.store(op, value)
        } else {
            self.set_reg(op.dst, value);
            Ok(())
        }
    }

    #[inline(always)]
    fn xmm(&self, number: u8) -> u128 {
        self.cpu.xmm[usize::from(number & 15)]
    }

    #[inline(always)]
    fn set_xmm(&mut self, number: u8, value: u128) {
        self.cpu.xmm[usize::from(number & 15)] = value;
    }

    #[inline(always)]
    fn mm(&self, number: u8) -> u64 {
        self.cpu.fpu.regs[usize::from(number & 7)].mantissa
    }

    #[inline(always)]
    fn set_mm(&mut self, number: u8, value: u64) {
        let register = &mut self.cpu.fpu.regs[usize::from(number & 7)];
        register.mantissa = value;
        register.sign_exponent = 0xffff;
    }

    #[inline(always)]
    fn xmm_or_m128(&mut self, op: &Op) -> ExecResult<u128> {
        if !op.is_memory() {
            return Ok(self.xmm(op.src));
        }
        let offset = self.offset(op);
        self.require_aligned(op.seg, offset)?;
        self.read(op.seg, offset)
    }

    #[inline(always)]
    fn xmm_or_m128_unaligned(&mut self, op: &Op) -> ExecResult<u128> {
        if op.is_memory() { self.load(op) } else { Ok(self.xmm(op.src)) }
    }

    #[inline(always)]
    fn xmm_or_m64(&mut self, op: &Op) -> ExecResult<u64> {
        if op.is_memory() { self.load(op) } else { Ok(self.xmm(op.src) as u64) }
    }

    #[inline(always)]
    fn xmm_or_m32(&mut self, op: &Op) -> ExecResult<u32> {
        if op.is_memory() { self.load(op) } else { Ok(self.xmm(op.src) as u32) }
    }

    #[inline(always)]
    fn mm_or_m64(&mut self, op: &Op) -> ExecResult<u64> {
        if op.is_memory() { self.load(op) } else { Ok(self.mm(op.src)) }
    }

    #[inline(always)]
    fn store_m128_aligned(&mut self, op: &Op, value: u128) -> ExecResult<()> {
        let offset = self.offset(op);
        self.require_aligned(op.seg, offset)?;
        self.write(op.seg, offset, value)
    }
}

/// The address forms that are not worth a place in every handler.
#[inline(never)]
fn rare_offset(exec: &Exec<'_>, op: &Op) -> u64 {
    let register = |number: u8| {
        if number == NO_REGISTER { 0 } else { exec.cpu.regs[usize::from(number & 15)] }
    };
    let disp = op.disp as i64 as u64;
    let sum =
        register(op.base).wrapping_add(register(op.index) << (op.scale & 3)).wrapping_add(disp);
    match op.address {
        Address::Base64 | Address::Index64 | Address::Bare64 => sum,
        Address::Base32 | Address::Index32 | Address::Bare32 => u64::from(sum as u32),
        Address::Any16 => u64::from(sum as u16),
        Address::Rip64 => exec.next_rip.wrapping_add(disp),
        Address::Rip32 => u64::from(exec.next_rip.wrapping_add(disp) as u32),
        Address::Absolute => op.imm,
    }
}

/// What an address of this form is masked with.
pub fn address_mask(address: Address) -> u64 {
    match address {
        Address::Base64
        | Address::Index64
        | Address::Rip64
        | Address::Bare64
        | Address::Absolute => u64::MAX,
        Address::Base32 | Address::Index32 | Address::Bare32 | Address::Rip32 => u32::MAX.into(),
        Address::Any16 => u16::MAX.into(),
    }
}

/// The operand size of control-transfer and stack instructions, by bytes.
pub fn operand_size(bytes: u32) -> OperandSize {
    match bytes {
        2 => OperandSize::Word,
        4 => OperandSize::Dword,
        _ => OperandSize::Qword,
    }
}

/// A segment register by the number that [`Op`] holds.
pub fn segment(number: u8) -> SegReg {
    SegReg::ALL[usize::from(number % 6)]
}
