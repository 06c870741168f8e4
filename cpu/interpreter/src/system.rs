//! System instructions, ports, and what does nothing.

use aero_cpu::alu::Word;
use aero_cpu::{Exec, ExecResult, Mode, SegReg};
use iced_x86::{Code, Instruction, Mnemonic};

use crate::control::far_pointer;
use crate::lower::{by_wide_size, called, gpr_size, is_register, operand_bytes};
use crate::op::{Handler, Op, OpFlags, Outcome};
use crate::operands::{Int, Operands};

pub(crate) fn lower(instr: &Instruction, op: &mut Op) -> Option<Handler> {
    if let Some(handler) = ordinary(instr) {
        return Some(handler);
    }
    let handler = ending(instr)?;
    op.flags |= OpFlags::END;
    Some(handler)
}

/// Those after which a block goes on.
fn ordinary(instr: &Instruction) -> Option<Handler> {
    use Mnemonic as M;
    Some(match instr.mnemonic() {
        M::Nop | M::Pause | M::Prefetch | M::Prefetchw | M::Reservednop => called(nop),
        M::Lfence | M::Mfence => called(nop),
        M::Sfence => called(nop),
        M::Clflush => clflush,
        M::Cpuid => |exec, _| Ok(exec.cpuid()?),
        M::Rdtsc => |exec, _| Ok(exec.rdtsc()?),
        M::Rdtscp => |exec, _| Ok(exec.rdtscp()?),
        M::Rdpmc => |exec, _| Ok(exec.rdpmc()?),
        M::Rdmsr => |exec, _| Ok(exec.rdmsr()?),
        M::Cli => |exec, _| Ok(exec.cli()?),
        M::Clts => |exec, _| Ok(exec.clts()?),
        M::Swapgs => |exec, _| Ok(exec.swapgs()?),
        M::Smsw => smsw,
        M::Sldt => sldt,
        M::Str => str_,
        M::Lar => by_wide_size!(gpr_size(instr.op0_register()), lar),
        M::Lsl => by_wide_size!(gpr_size(instr.op0_register()), lsl),
        M::Verr => verr,
        M::Verw => verw,
        M::Arpl => arpl,
        M::Sgdt => sgdt,
        M::Sidt => sidt,
        M::Lds => load_far::<{ SegReg::Ds as u8 }>(instr)?,
        M::Les => load_far::<{ SegReg::Es as u8 }>(instr)?,
        M::Lfs => load_far::<{ SegReg::Fs as u8 }>(instr)?,
        M::Lgs => load_far::<{ SegReg::Gs as u8 }>(instr)?,
        _ => return None,
    })
}

/// Those that may change how code is decoded or translated, or when interrupts are taken, or that
/// reach devices.
fn ending(instr: &Instruction) -> Option<Handler> {
    use Mnemonic as M;
    Some(match instr.mnemonic() {
        M::In => in_port(instr)?,
        M::Out => out_port(instr)?,
        M::Sti => |exec, _| Ok(exec.sti()?),
        M::Wrmsr => |exec, _| Ok(exec.wrmsr()?),
        M::Lmsw => lmsw,
        M::Lgdt => lgdt,
        M::Lidt => lidt,
        M::Lldt => lldt,
        M::Ltr => ltr,
        M::Lss => load_far::<{ SegReg::Ss as u8 }>(instr)?,
        M::Invlpg => invlpg,
        M::Invd | M::Wbinvd => |exec, _| Ok(exec.wbinvd()?),
        M::Xgetbv => |exec, _| Ok(exec.xgetbv()?),
        M::Xsetbv => |exec, _| Ok(exec.xsetbv()?),
        M::Monitor | M::Mwait => |exec, _| Ok(exec.monitor_mwait()?),
        _ => return None,
    })
}

#[inline(always)]
pub(crate) fn nop(_: &mut Exec<'_>, _: &Op) -> Outcome {
    Ok(())
}

/// No cache to flush, but the address is checked as for a read.
fn clflush(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let offset = exec.offset(op);
    Ok(exec.probe_read(op.seg, offset, 1)?)
}

const fn bytes<T: Word>() -> u32 {
    T::BYTES
}

fn in_port(instr: &Instruction) -> Option<Handler> {
    let immediate = !is_register(instr, 1);
    Some(match (gpr_size(instr.op0_register()), immediate) {
        (1, true) => in_port_i::<u8>,
        (2, true) => in_port_i::<u16>,
        (4, true) => in_port_i::<u32>,
        (1, false) => in_port_dx::<u8>,
        (2, false) => in_port_dx::<u16>,
        (4, false) => in_port_dx::<u32>,
        _ => return None,
    })
}

fn out_port(instr: &Instruction) -> Option<Handler> {
    let immediate = !is_register(instr, 0);
    Some(match (gpr_size(instr.op1_register()), immediate) {
        (1, true) => out_port_i::<u8>,
        (2, true) => out_port_i::<u16>,
        (4, true) => out_port_i::<u32>,
        (1, false) => out_port_dx::<u8>,
        (2, false) => out_port_dx::<u16>,
        (4, false) => out_port_dx::<u32>,
        _ => return None,
    })
}

const RDX: u8 = 2;

fn input<T: Int>(exec: &mut Exec<'_>, port: u16) -> Outcome {
    let value = exec.port_in(port, bytes::<T>())?;
    exec.set_reg(0, T::truncate(value.into()));
    Ok(())
}

fn output<T: Int>(exec: &mut Exec<'_>, port: u16) -> Outcome {
    let value = exec.reg::<T>(0).zx() as u32;
    Ok(exec.port_out(port, bytes::<T>(), value)?)
}

fn in_port_i<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    input::<T>(exec, op.imm as u8 as u16)
}

fn in_port_dx<T: Int>(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let port = exec.reg(RDX);
    input::<T>(exec, port)
}

fn out_port_i<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    output::<T>(exec, op.imm as u8 as u16)
}

fn out_port_dx<T: Int>(exec: &mut Exec<'_>, _: &Op) -> Outcome {
    let port = exec.reg(RDX);
    output::<T>(exec, port)
}

/// Stores a 16-bit system register: memory takes 16 bits, a register its operand size.
fn store_system(exec: &mut Exec<'_>, op: &Op, value: u64) -> Outcome {
    if op.is_memory() {
        return Ok(exec.store(op, value as u16)?);
    }
    match iced_x86::Code::try_from(usize::from(op.code)) {
        Ok(Code::Sldt_r32m16 | Code::Str_r32m16 | Code::Smsw_r32m16) => {
            exec.set_reg(op.dst, value as u32);
        }
        Ok(Code::Sldt_r64m16 | Code::Str_r64m16 | Code::Smsw_r64m16) => {
            exec.set_reg(op.dst, value);
        }
        _ => exec.set_reg(op.dst, value as u16),
    }
    Ok(())
}

/// A register form shows as much of CR0 as the operand is wide.
fn smsw(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let value = exec.cpu.cr0;
    store_system(exec, op, value)
}

fn sldt(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_protected()?;
    let selector = exec.cpu.ldtr.selector;
    store_system(exec, op, selector.into())
}

fn str_(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_protected()?;
    let selector = exec.cpu.tr.selector;
    store_system(exec, op, selector.into())
}

/// The operand of LLDT, LTR, LMSW, VERR and VERW: a word, the only operand.
fn word(exec: &mut Exec<'_>, op: &Op) -> ExecResult<u16> {
    if op.is_memory() { exec.load(op) } else { Ok(exec.reg(op.dst)) }
}

/// The privilege level is checked before the operand is read.
fn lmsw(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_cpl0()?;
    let value = word(exec, op)?;
    Ok(exec.lmsw(value)?)
}

fn lldt(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_protected()?;
    exec.require_cpl0()?;
    let selector = word(exec, op)?;
    Ok(exec.lldt(selector)?)
}

fn ltr(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_protected()?;
    exec.require_cpl0()?;
    let selector = word(exec, op)?;
    Ok(exec.ltr(selector)?)
}

fn lar<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_protected()?;
    let selector = exec.load_or_src::<u16>(op)?;
    let rights = exec.lar(selector)?;
    exec.cpu.flags.set_zf(rights.is_some());
    if let Some(rights) = rights {
        exec.set_reg(op.dst, T::truncate(rights.into()));
    }
    Ok(())
}

fn lsl<T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_protected()?;
    let selector = exec.load_or_src::<u16>(op)?;
    let limit = exec.lsl(selector)?;
    exec.cpu.flags.set_zf(limit.is_some());
    if let Some(limit) = limit {
        exec.set_reg(op.dst, T::truncate(limit.into()));
    }
    Ok(())
}

fn verr(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_protected()?;
    let selector = word(exec, op)?;
    let readable = exec.verr(selector)?;
    exec.cpu.flags.set_zf(readable);
    Ok(())
}

fn verw(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_protected()?;
    let selector = word(exec, op)?;
    let writable = exec.verw(selector)?;
    exec.cpu.flags.set_zf(writable);
    Ok(())
}

/// Raises the RPL of the first operand to that of the second.
fn arpl(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    const RPL: u16 = 3;
    exec.require_protected()?;
    let rpl = exec.reg::<u16>(op.src) & RPL;
    let adjust = |selector: u16| {
        if selector & RPL < rpl { selector & !RPL | rpl } else { selector }
    };
    let old = if op.is_memory() {
        // What needs no change is not written.
        let old = exec.load::<u16>(op)?;
        if adjust(old) != old {
            exec.store(op, adjust(old))?;
        }
        old
    } else {
        let old = exec.reg::<u16>(op.dst);
        exec.set_reg(op.dst, adjust(old));
        old
    };
    exec.cpu.flags.set_zf(old & RPL < rpl);
    Ok(())
}

/// SGDT and SIDT store 2 bytes of limit and the base: 8 bytes in 64-bit mode, else 4 whatever the
/// operand size, as all processors after the 286 do.
fn store_table(exec: &mut Exec<'_>, op: &Op, base: u64, limit: u16) -> Outcome {
    let offset = exec.offset(op);
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&limit.to_le_bytes());
    bytes[2..].copy_from_slice(&base.to_le_bytes());
    let len = if exec.cpu.mode() == Mode::Long64 { 10 } else { 6 };
    Ok(exec.write_bytes(op.seg, offset, &bytes[..len])?)
}

fn sgdt(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let table = exec.cpu.gdtr;
    store_table(exec, op, table.base, table.limit)
}

fn sidt(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let table = exec.cpu.idtr;
    store_table(exec, op, table.base, table.limit)
}

/// The operand of LGDT and LIDT: with a 16-bit operand size the base has 24 bits.
fn load_table(exec: &mut Exec<'_>, op: &Op) -> ExecResult<(u64, u16)> {
    let offset = exec.offset(op);
    let limit = exec.read::<u16>(op.seg, offset)?;
    let at = offset.wrapping_add(2);
    let base = if exec.cpu.mode() == Mode::Long64 {
        exec.read::<u64>(op.seg, at)?
    } else {
        u64::from(exec.read::<u32>(op.seg, at)?)
    };
    let short = matches!(
        Code::try_from(usize::from(op.code)),
        Ok(Code::Lgdt_m1632_16 | Code::Lidt_m1632_16)
    );
    Ok((if short { base & 0xff_ffff } else { base }, limit))
}

fn lgdt(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_cpl0()?;
    let (base, limit) = load_table(exec, op)?;
    Ok(exec.lgdt(base, limit)?)
}

fn lidt(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    exec.require_cpl0()?;
    let (base, limit) = load_table(exec, op)?;
    Ok(exec.lidt(base, limit)?)
}

fn invlpg(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let offset = exec.offset(op);
    Ok(exec.invlpg(op.seg, offset)?)
}

fn load_far<const SEG: u8>(instr: &Instruction) -> Option<Handler> {
    Some(match operand_bytes(instr, 0) {
        2 => load_far_pointer::<SEG, u16>,
        4 => load_far_pointer::<SEG, u32>,
        8 => load_far_pointer::<SEG, u64>,
        _ => return None,
    })
}

fn load_far_pointer<const SEG: u8, T: Int>(exec: &mut Exec<'_>, op: &Op) -> Outcome {
    let (offset, selector) = far_pointer::<T>(exec, op)?;
    exec.load_segment(crate::operands::segment(SEG), selector)?;
    exec.set_reg(op.dst, offset);
    Ok(())
}
