//! Bit tests and scans, checksums, and instructions on single flags.

use aero_cpu::alu::{self, Word};
use aero_cpu::bits::rflags;
use aero_cpu::{Exec, Flags};
use iced_x86::{Instruction, Mnemonic};

use crate::lower::{by_size, by_wide_size, is_memory, is_register, operand_bytes};
use crate::op::{Handler, Op, Outcome};
use crate::operands::{Int, Operands, address_mask};

pub(crate) fn lower(instr: &Instruction, _: &mut Op) -> Option<Handler> {
    use Mnemonic as M;
    let size = || operand_bytes(instr, 0);
    Some(match instr.mnemonic() {
        M::Bt => return bit_test::<Bt>(instr),
        M::Bts => return bit_test::<Bts>(instr),
        M::Btr => return bit_test::<Btr>(instr),
        M::Btc => return bit_test::<Btc>(instr),
        M::Bsf => by_wide_size!(size(), bsf),
        M::Bsr => by_wide_size!(size(), bsr),
        M::Popcnt => by_wide_size!(size(), popcnt),
        M::Crc32 => by_size!(operand_bytes(instr, 1), crc32),
        M::Clc => |exec, _| flag(exec, |f| f.set_cf(false)),
        M::Stc => |exec, _| flag(exec, |f| f.set_cf(true)),
        M::Cmc => |exec, _| flag(exec, |f| f.set_cf(!f.cf())),
        M::Cld => |exec, _| flag(exec, |f| f.set(rflags::DF, false)),
        M::Std => |exec, _| flag(exec, |f| f.set(rflags::DF, true)),
        M::Lahf => lahf,
        M::Sahf => sahf,
        M::Salc => salc,
        _ => return None,
    })
}

fn flag(exec: &mut Exec<'_>, f: impl FnOnce(&mut Flags)) -> Outcome {
    f(&mut exec.cpu.flags);
    Ok(())
}

/// BT, BTS, BTR or BTC.
trait BitTest {
    /// Whether the operand is written.
    const WRITES: bool;
    fn apply<T: Word>(flags: &mut Flags, a: T, bit: u32) -> T;
}

struct Bt;
impl BitTest for Bt {
    const WRITES: bool = false;
    #[inline(always)]
    fn apply<T: Word>(flags: &mut Flags, a: T, bit: u32) -> T {
        alu::bt(flags, a, bit);
        a
    }
}

macro_rules! writing {
    ($($name:ident = $f:ident),*) => {$(
        struct $name;
        impl BitTest for $name {
            const WRITES: bool = true;
            #[inline(always)]
            fn apply<T: Word>(flags: &mut Flags, a: T, bit: u32) -> T {
                alu::$f(flags, a, bit)
            }
        }
    )*};
}
writing!(Bts = bts, Btr = btr, Btc = btc);

fn bit_test<O: BitTest>(instr: &Instruction) -> Option<Handler> {
    let size = operand_bytes(instr, 0);
    Some(match (is_memory(instr, 0), is_register(instr, 1)) {
        (false, true) => by_wide_size!(size, bit_test_rr, O),
        (false, false) => by_wide_size!(size, bit_test_ri, O),
        (true, true) => by_wide_size!(operand_bytes(instr, 1), bit_test_mr, O),
        (true, false) => by_wide_size!(size, bit_test_mi, O),
    })
}

fn bit_test_register<O: BitTest, T: Int>(exec: &mut Exec<'_>, op: &Op, bit: u32) {
    let a = exec.reg::<T>(op.dst);
    let r = O::apply(&mut exec.cpu.flags, a, bit);
    if O::WRITES {
        exec.set_reg(op.dst, r);
    }
}

fn bit_test_rr<O: BitTest, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let bit = exec.reg::<T>(op.src).zx() as u32;
    bit_test_register::<O, T>(exec, op, bit);
    Ok(())
}

fn bit_test_ri<O: BitTest, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    bit_test_register::<O, T>(exec, op, op.imm as u32);
    Ok(())
}

fn bit_test_memory<O: BitTest, T: Int>(
    exec: &mut Exec<'_>,
    op: &Op,
    offset: u64,
    bit: u32,
) -> Outcome {
    let mut flags = exec.cpu.flags;
    if O::WRITES {
        exec.rmw::<T>(op.seg, offset, op.is_locked(), |a| O::apply(&mut flags, a, bit))?;
    } else {
        let a = exec.read::<T>(op.seg, offset)?;
        O::apply(&mut flags, a, bit);
    }
    exec.cpu.flags = flags;
    Ok(())
}

fn bit_test_mi<O: BitTest, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let offset = exec.offset(op);
    bit_test_memory::<O, T>(exec, op, offset, op.imm as u32)
}

/// The register is a signed bit number counted from the operand's address.
fn bit_test_mr<O: BitTest, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let bit = exec.reg::<T>(op.src).sx();
    let units = bit >> T::BITS.trailing_zeros();
    let distance = (units as u64).wrapping_mul(T::BYTES.into());
    let offset = exec.offset(op).wrapping_add(distance) & address_mask(op.address);
    bit_test_memory::<O, T>(exec, op, offset, bit as u32)
}

fn bsf<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let a = exec.load_or_src::<T>(op)?;
    if let Some(r) = alu::bsf(&mut exec.cpu.flags, a) {
        exec.set_reg(op.dst, r);
    }
    Ok(())
}

fn bsr<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let a = exec.load_or_src::<T>(op)?;
    if let Some(r) = alu::bsr(&mut exec.cpu.flags, a) {
        exec.set_reg(op.dst, r);
    }
    Ok(())
}

fn popcnt<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let a = exec.load_or_src::<T>(op)?;
    let r = alu::popcnt(&mut exec.cpu.flags, a);
    exec.set_reg(op.dst, r);
    Ok(())
}

/// A 64-bit destination is cleared above bit 31, as a 32-bit one is.
fn crc32<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let data = exec.load_or_src::<T>(op)?;
    let crc = alu::crc32(exec.reg::<u32>(op.dst), data);
    exec.set_reg(op.dst, crc);
    Ok(())
}

const AH: u8 = crate::op::HIGH_BYTE;

fn lahf(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let low = exec.cpu.flags.rflags() as u8;
    exec.set_reg(AH, low);
    Ok(())
}

fn sahf(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let low = u64::from(exec.reg::<u8>(AH));
    let of = exec.cpu.flags.arithmetic() & rflags::OF;
    exec.cpu.flags.set_arithmetic(low & !rflags::OF | of);
    Ok(())
}

fn salc(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let value = if exec.cpu.flags.cf() { 0xff_u8 } else { 0 };
    exec.set_reg(0, value);
    Ok(())
}
