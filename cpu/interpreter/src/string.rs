//! String instructions, with their prefixes.
//!
//! A repeated instruction goes by runs: as many elements as lie in one page of each operand are done on
//! host memory at once; what is not directly accessible, and every element that crosses a page, goes
//! alone through the ordinary accesses. RCX, RSI and RDI are exact after each run, so that a fault or
//! an interrupt between two elements finds the instruction ready to go on.

use aero_bus::PAGE_SIZE;
use aero_cpu::alu;
use aero_cpu::bits::rflags;
use aero_cpu::{Access, Attention, Exec, ExecResult, SegReg, Signal};
use iced_x86::{Instruction, MemorySize, Mnemonic, OpKind};

use crate::lower::by_size;
use crate::op::{Handler, Op, OpFlags, Outcome};
use crate::operands::{Int, Operands, address_mask};

const RCX: usize = 1;
const RDX: u8 = 2;
const RSI: usize = 6;
const RDI: usize = 7;

pub(crate) fn lower(instr: &Instruction, op: &mut Op) -> Option<Handler> {
    use Mnemonic as M;
    // MOVSD and CMPSD are also SSE instructions.
    let implied = |kind: OpKind| {
        (OpKind::MemorySegSI as u32..=OpKind::MemoryESRDI as u32).contains(&(kind as u32))
    };
    if !implied(instr.op0_kind()) && !implied(instr.op1_kind()) {
        return None;
    }
    let size = match instr.memory_size() {
        MemorySize::UInt8 | MemorySize::Int8 => 1,
        MemorySize::UInt16 | MemorySize::Int16 => 2,
        MemorySize::UInt32 | MemorySize::Int32 => 4,
        MemorySize::UInt64 | MemorySize::Int64 => 8,
        _ => return None,
    };
    let handler = match instr.mnemonic() {
        M::Movsb | M::Movsw | M::Movsd | M::Movsq => by_size!(size, repeated, Movs),
        M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq => by_size!(size, repeated, Cmps),
        M::Stosb | M::Stosw | M::Stosd | M::Stosq => by_size!(size, repeated, Stos),
        M::Lodsb | M::Lodsw | M::Lodsd | M::Lodsq => by_size!(size, repeated, Lods),
        M::Scasb | M::Scasw | M::Scasd | M::Scasq => by_size!(size, repeated, Scas),
        M::Insb | M::Insw | M::Insd => by_size!(size, repeated, Ins),
        M::Outsb | M::Outsw | M::Outsd => by_size!(size, repeated, Outs),
        _ => return None,
    };
    // A repeated instruction may stop in the middle, and a port may lead to anything.
    let has_port =
        matches!(instr.mnemonic(), M::Insb | M::Insw | M::Insd | M::Outsb | M::Outsw | M::Outsd);
    if has_port || op.flags.intersects(OpFlags::REP | OpFlags::REPNE) {
        op.flags |= OpFlags::END;
    }
    Some(handler)
}

/// What a string instruction does with its elements.
trait StringOp {
    /// Compares: repeats only while ZF is as the prefix says.
    const COMPARES: bool = false;

    /// Does one element through the ordinary accesses, and moves the index registers.
    fn single<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<()>;

    /// Does up to `most` elements on host memory, and moves the index registers. Returns how many; 0
    /// if the next one has to go alone.
    fn run<T: Int>(_exec: &mut Exec<'_>, _op: &Op, _most: u64) -> u64 {
        0
    }
}

/// Where a multiple of so many elements is left, a repeated instruction counts as interrupted, and as one
/// retired instruction: a count is up to 2⁶⁴, and those who wait for the end of this instruction cannot
/// wait for that. Who goes on with an instruction that another has begun stops at the same places.
pub const MOST_ELEMENTS: u64 = 1 << 20;
/// The same for one that has reached a device, which takes so much longer. What is in the TLB must not
/// count: where an instruction stops would depend on it.
const MOST_BESIDE_DEVICES: u64 = 1 << 12;

fn repeated<S: StringOp, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    if !op.flags.intersects(OpFlags::REP | OpFlags::REPNE) {
        return Ok(S::single::<T>(exec, op)?);
    }
    // Without the other prefix's meaning for ZF, REPNE repeats as REP does.
    let while_zero = op.flags.contains(OpFlags::REP);
    let mask = address_mask(op.address);
    let accesses = exec.device_accesses;
    let mut most = MOST_ELEMENTS;
    loop {
        let count = exec.cpu.regs[RCX] & mask;
        if count == 0 {
            break;
        }
        let stepping = needs_steps(exec);
        let until_stop = (count - 1) % most + 1;
        let mut done = if stepping { 0 } else { S::run::<T>(exec, op, until_stop) };
        if done == 0 {
            S::single::<T>(exec, op)?;
            done = 1;
            if exec.device_accesses != accesses {
                most = MOST_BESIDE_DEVICES;
            }
        }
        let left = count - done;
        set_index(exec, RCX, mask, left);
        if left == 0 || S::COMPARES && exec.cpu.flags.zf() != while_zero {
            break;
        }
        if stepping || left.is_multiple_of(most) || interrupted(exec) {
            exec.repeat_later();
            break;
        }
    }
    Ok(())
}

/// Whether each element is to be looked at. That RF is set, as it is after the first stop, does not
/// ask for it.
fn needs_steps(exec: &Exec<'_>) -> bool {
    !exec.cpu.attention.difference(Attention::RESUME).is_empty()
}

/// Whether something is to be taken between two elements.
fn interrupted(exec: &Exec<'_>) -> bool {
    if needs_steps(exec) || exec.retired >= exec.budget {
        return true;
    }
    let pending = exec.signals.pending();
    pending.intersects(Signal::STOP | Signal::NMI | Signal::INIT)
        || pending.contains(Signal::INTR) && exec.cpu.flags.has(rflags::IF)
}

/// Sets an index register or the count, as wide as the address size.
#[inline(always)]
fn set_index(exec: &mut Exec<'_>, register: usize, mask: u64, value: u64) {
    let old = exec.cpu.regs[register];
    // A 32-bit write clears the upper half, a 16-bit one leaves the rest.
    let kept = if mask == 0xffff { old & !mask } else { 0 };
    exec.cpu.regs[register] = kept | value & mask;
}

/// Moves an index register by `count` elements in the direction of DF.
#[inline(always)]
fn advance<T: Int>(exec: &mut Exec<'_>, op: &Op, register: usize, count: u64) {
    let distance = count.wrapping_mul(T::SIZE);
    let old = exec.cpu.regs[register];
    let new =
        if exec.cpu.flags.df() { old.wrapping_sub(distance) } else { old.wrapping_add(distance) };
    set_index(exec, register, address_mask(op.address), new);
}

/// Elements that lie in one page as memory goes, from the lowest.
struct Span {
    /// Offset of the lowest one in its segment.
    lowest: u64,
    /// How many.
    count: u64,
}

/// The elements from where `register` points that lie in one page and do not wrap, `most` at most.
#[inline(always)]
fn span<T: Int>(exec: &Exec<'_>, op: &Op, seg: SegReg, register: usize, most: u64) -> Span {
    let mask = address_mask(op.address);
    let offset = exec.cpu.regs[register] & mask;
    let in_page = (exec.cpu.seg(seg).fast_base.wrapping_add(offset)) % PAGE_SIZE;
    if exec.cpu.flags.df() {
        if most == 0 || in_page + T::SIZE > PAGE_SIZE {
            return Span { lowest: 0, count: 0 };
        }
        // Down to the start of the page or of the segment.
        let count = most.min(in_page.min(offset) / T::SIZE + 1);
        Span { lowest: offset - (count - 1) * T::SIZE, count }
    } else {
        let to_wrap = mask - offset;
        let room = (PAGE_SIZE - in_page).min(to_wrap.saturating_add(1));
        Span { lowest: offset, count: most.min(room / T::SIZE) }
    }
}

/// Host memory of a span that is to be read.
fn source<T: Int>(exec: &mut Exec<'_>, seg: SegReg, span: &Span) -> Option<*const u8> {
    let pointer = exec.direct(seg, span.lowest, span.count * T::SIZE, Access::Read)?;
    Some(pointer.cast_const())
}

/// Host memory of a span that is to be written.
fn destination<T: Int>(exec: &mut Exec<'_>, span: &Span) -> Option<*mut u8> {
    exec.direct(SegReg::Es, span.lowest, span.count * T::SIZE, Access::Write)
}

/// The element `i` places from where the register points, of `count`.
///
/// # Safety
/// `base` is valid for reads of `count` elements, and `i` is less than `count`.
#[inline(always)]
unsafe fn element<T: Int>(base: *const u8, i: u64, count: u64, down: bool) -> T {
    let at = if down { count - 1 - i } else { i };
    // SAFETY: the element lies inside, by the caller's word.
    unsafe { T::load(base.add((at * T::SIZE) as usize)) }
}

struct Movs;
impl StringOp for Movs {
    fn single<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<()> {
        let mask = address_mask(op.address);
        let value = exec.read::<T>(op.seg, exec.cpu.regs[RSI] & mask)?;
        exec.write(SegReg::Es, exec.cpu.regs[RDI] & mask, value)?;
        advance::<T>(exec, op, RSI, 1);
        advance::<T>(exec, op, RDI, 1);
        Ok(())
    }

    fn run<T: Int>(exec: &mut Exec<'_>, op: &Op, most: u64) -> u64 {
        let to = span::<T>(exec, op, SegReg::Es, RDI, most);
        let from = span::<T>(exec, op, op.seg, RSI, to.count);
        let to = span::<T>(exec, op, SegReg::Es, RDI, from.count);
        let count = from.count;
        if count == 0 {
            return 0;
        }
        let Some(source) = source::<T>(exec, op.seg, &from) else { return 0 };
        let Some(destination) = destination::<T>(exec, &to) else { return 0 };
        let len = (count * T::SIZE) as usize;
        let down = exec.cpu.flags.df();
        // Where the destination is overwritten before it is read as source, elements must go one by
        // one: that is how a pattern is spread.
        let distance = (destination as usize).wrapping_sub(source as usize);
        let apart = if down { distance.wrapping_neg() >= len } else { distance >= len };
        // SAFETY: both pointers are valid for `len` bytes; `copy` allows overlap.
        unsafe {
            if apart {
                source.copy_to(destination, len);
            } else {
                for i in 0..count {
                    let at = if down { count - 1 - i } else { i };
                    let value = element::<T>(source, i, count, down);
                    value.store(destination.add((at * T::SIZE) as usize));
                }
            }
        }
        advance::<T>(exec, op, RSI, count);
        advance::<T>(exec, op, RDI, count);
        count
    }
}

struct Stos;
impl StringOp for Stos {
    fn single<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<()> {
        let value = exec.reg::<T>(0);
        exec.write(SegReg::Es, exec.cpu.regs[RDI] & address_mask(op.address), value)?;
        advance::<T>(exec, op, RDI, 1);
        Ok(())
    }

    fn run<T: Int>(exec: &mut Exec<'_>, op: &Op, most: u64) -> u64 {
        let to = span::<T>(exec, op, SegReg::Es, RDI, most);
        if to.count == 0 {
            return 0;
        }
        let Some(destination) = destination::<T>(exec, &to) else { return 0 };
        let value = exec.reg::<T>(0);
        // SAFETY: the pointer is valid for `count` elements.
        unsafe {
            let bytes = value.zx();
            if bytes == (bytes & 0xff) * ((u64::MAX / 0xff) >> (64 - T::BITS)) {
                destination.write_bytes(bytes as u8, (to.count * T::SIZE) as usize);
            } else {
                for i in 0..to.count {
                    value.store(destination.add((i * T::SIZE) as usize));
                }
            }
        }
        advance::<T>(exec, op, RDI, to.count);
        to.count
    }
}

struct Lods;
impl StringOp for Lods {
    fn single<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<()> {
        let value = exec.read::<T>(op.seg, exec.cpu.regs[RSI] & address_mask(op.address))?;
        exec.set_reg(0, value);
        advance::<T>(exec, op, RSI, 1);
        Ok(())
    }

    fn run<T: Int>(exec: &mut Exec<'_>, op: &Op, most: u64) -> u64 {
        let from = span::<T>(exec, op, op.seg, RSI, most);
        if from.count == 0 {
            return 0;
        }
        let Some(source) = source::<T>(exec, op.seg, &from) else { return 0 };
        let down = exec.cpu.flags.df();
        // SAFETY: the pointer is valid for `count` elements, and the last one is among them.
        let value = unsafe { element::<T>(source, from.count - 1, from.count, down) };
        exec.set_reg(0, value);
        advance::<T>(exec, op, RSI, from.count);
        from.count
    }
}

/// Whether a comparison ends a repeated instruction.
fn ends<T: Int>(op: &Op, a: T, b: T) -> bool {
    (a == b) != op.flags.contains(OpFlags::REP)
}

struct Scas;
impl StringOp for Scas {
    const COMPARES: bool = true;

    fn single<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<()> {
        let value = exec.read::<T>(SegReg::Es, exec.cpu.regs[RDI] & address_mask(op.address))?;
        let accumulator = exec.reg::<T>(0);
        alu::cmp(&mut exec.cpu.flags, accumulator, value);
        advance::<T>(exec, op, RDI, 1);
        Ok(())
    }

    fn run<T: Int>(exec: &mut Exec<'_>, op: &Op, most: u64) -> u64 {
        let from = span::<T>(exec, op, SegReg::Es, RDI, most);
        if from.count == 0 {
            return 0;
        }
        let Some(source) = source::<T>(exec, SegReg::Es, &from) else { return 0 };
        let (accumulator, down) = (exec.reg::<T>(0), exec.cpu.flags.df());
        let mut done = 0;
        let mut value = T::default();
        while done < from.count {
            // SAFETY: the pointer is valid for `count` elements.
            value = unsafe { element::<T>(source, done, from.count, down) };
            done += 1;
            if ends(op, accumulator, value) {
                break;
            }
        }
        alu::cmp(&mut exec.cpu.flags, accumulator, value);
        advance::<T>(exec, op, RDI, done);
        done
    }
}

struct Cmps;
impl StringOp for Cmps {
    const COMPARES: bool = true;

    fn single<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<()> {
        let mask = address_mask(op.address);
        let a = exec.read::<T>(op.seg, exec.cpu.regs[RSI] & mask)?;
        let b = exec.read::<T>(SegReg::Es, exec.cpu.regs[RDI] & mask)?;
        alu::cmp(&mut exec.cpu.flags, a, b);
        advance::<T>(exec, op, RSI, 1);
        advance::<T>(exec, op, RDI, 1);
        Ok(())
    }

    fn run<T: Int>(exec: &mut Exec<'_>, op: &Op, most: u64) -> u64 {
        let first = span::<T>(exec, op, op.seg, RSI, most);
        let second = span::<T>(exec, op, SegReg::Es, RDI, first.count);
        let first = span::<T>(exec, op, op.seg, RSI, second.count);
        let count = second.count;
        if count == 0 {
            return 0;
        }
        let Some(one) = source::<T>(exec, op.seg, &first) else { return 0 };
        let Some(two) = source::<T>(exec, SegReg::Es, &second) else { return 0 };
        let down = exec.cpu.flags.df();
        let (mut a, mut b) = (T::default(), T::default());
        let mut done = 0;
        while done < count {
            // SAFETY: both pointers are valid for `count` elements.
            (a, b) = unsafe { (element(one, done, count, down), element(two, done, count, down)) };
            done += 1;
            if ends(op, a, b) {
                break;
            }
        }
        alu::cmp(&mut exec.cpu.flags, a, b);
        advance::<T>(exec, op, RSI, done);
        advance::<T>(exec, op, RDI, done);
        done
    }
}

struct Ins;
impl StringOp for Ins {
    fn single<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<()> {
        let port = exec.reg::<u16>(RDX);
        let offset = exec.cpu.regs[RDI] & address_mask(op.address);
        // A device may not be read before it is known that the value can be stored.
        exec.check_port(port, T::BYTES)?;
        exec.probe_write(SegReg::Es, offset, T::SIZE)?;
        let value = exec.port_in(port, T::BYTES)?;
        exec.write(SegReg::Es, offset, T::truncate(value.into()))?;
        advance::<T>(exec, op, RDI, 1);
        Ok(())
    }
}

struct Outs;
impl StringOp for Outs {
    fn single<T: Int>(exec: &mut Exec<'_>, op: &Op) -> ExecResult<()> {
        let port = exec.reg::<u16>(RDX);
        exec.check_port(port, T::BYTES)?;
        let value = exec.read::<T>(op.seg, exec.cpu.regs[RSI] & address_mask(op.address))?;
        exec.port_out(port, T::BYTES, value.zx() as u32)?;
        advance::<T>(exec, op, RSI, 1);
        Ok(())
    }
}
