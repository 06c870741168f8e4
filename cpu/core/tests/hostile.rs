//! Nothing that a guest, or a snapshot, can put into the processor's state makes it panic.

mod common;

use aero_cpu::{
    Access, Activity, CpuModel, Exception, Exec, ExecResult, OperandSize, SegReg, Segment,
    SegmentAttributes, Shadow, Signal, Vcpu,
};
use common::*;

/// Numbers that are always the same (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A value of the kinds that find edges.
    fn value(&mut self) -> u64 {
        let bits = self.below(65) as u32;
        let value = self.next() & u64::MAX.checked_shr(64 - bits).unwrap_or(0);
        match self.below(5) {
            0 => value,
            1 => value.wrapping_neg(),
            2 => self.below(0x40_0000),
            3 => [0, 1, 0xffff, 0x1_0000, 0xffff_ffff, 1 << 47, u64::MAX][self.below(7) as usize],
            _ => self.below(0x100),
        }
    }

    fn selector(&mut self) -> u16 {
        if self.below(4) == 0 { self.next() as u16 } else { self.below(0xa0) as u16 }
    }

    fn segment(&mut self) -> SegReg {
        SegReg::ALL[self.below(6) as usize]
    }

    fn size(&mut self) -> OperandSize {
        [OperandSize::Word, OperandSize::Dword, OperandSize::Qword][self.below(3) as usize]
    }
}

fn scramble(m: &mut Machine, r: &mut Random) {
    for register in &mut m.cpu.regs {
        *register = r.value();
    }
    m.cpu.rip = r.value();
    for i in 0..32 {
        let entry = match r.below(3) {
            0 => r.next(),
            1 => {
                let (base, limit, attributes) = (r.value(), r.value(), r.value());
                descriptor(base as u32, limit as u32, attributes as u16 | 0x80)
            }
            _ => gate(r.selector(), r.value() as u32, r.next() as u8 | 0x80, r.next() as u8),
        };
        if r.below(3) == 0 {
            m.platform.load_u64(GDT + i * 8, entry);
        }
        if r.below(3) == 0 {
            m.platform.load_u64(IDT + i * 8, entry);
        }
    }
    for i in 0..16 {
        let value = r.value();
        if r.below(4) == 0 {
            m.platform.load_u64(TSS + i * 8, value);
        }
        if r.below(8) == 0 {
            m.platform.load_u64(TABLES + 0x3000 + r.below(64) * 8, value);
        }
    }
    for which in SegReg::ALL {
        if r.below(8) == 0 {
            let (base, limit) = (r.value(), r.value());
            let attributes = SegmentAttributes(r.below(0x1000) as u16);
            m.cpu.segs[which as usize] = Segment::new(r.selector(), base, limit as u32, attributes);
            m.cpu.segment_changed(which);
        }
    }
    if r.below(4) == 0 {
        m.cpu.gdtr.limit = r.value() as u16;
        m.cpu.idtr.limit = r.value() as u16;
    }
    if r.below(8) == 0 {
        m.cpu.tr.limit = r.value() as u32;
        m.cpu.tr.base = r.value();
        m.cpu.gdtr.base = r.value();
    }
    if r.below(4) == 0 {
        m.cpu.flags.set_rflags(r.next() & !aero_cpu::bits::rflags::VM);
        m.cpu.mode_changed();
    }
    m.signals.raise(Signal::from_bits_truncate(r.next() as u32));
    m.platform.vectors.push_back(r.next() as u8);
}

fn one(e: &mut Exec<'_>, r: &mut Random) -> ExecResult<()> {
    let (seg, value, selector, size) = (r.segment(), r.value(), r.selector(), r.size());
    match r.below(48) {
        0 => e.read_u32(seg, value).map(drop),
        1 => e.write_u64(seg, value, 7),
        2 => e.rmw::<u128>(seg, value, true, |v| !v).map(drop),
        3 => e.write_u128(seg, value, 1),
        4 => e.rmw::<u16>(seg, value, false, |v| v.wrapping_add(1)).map(drop),
        5 => e.push_sized(size, value),
        6 => e.pop_sized(size).map(drop),
        7 => e.far_jump(selector, value, size),
        8 => e.far_call(selector, value, size),
        9 => e.far_return(size, value as u16),
        10..=12 => e.iret(size),
        13 | 14 => e.int_n(value as u8),
        15 => e.int3(),
        16 => e.load_segment(if seg == SegReg::Cs { SegReg::Gs } else { seg }, selector),
        17 => e.lldt(selector),
        18 => e.ltr(selector),
        19 => e.lar(selector).map(drop),
        20 => e.lsl(selector).map(drop),
        21 => e.verw(selector).map(drop),
        22 => e.write_cr(0, value | 1 | r.next() & 0x8001_0000),
        23 => e.write_cr(3, value),
        24 => e.write_cr(4, value & 0x7ff),
        25 => e.write_dr(value as u32 & 7, r.value()),
        26 => e.wrmsr(),
        27 => e.rdmsr(),
        28 => e.cpuid(),
        29 => e.syscall(),
        30 => e.sysret(size),
        31 => e.sysenter(),
        32 => e.sysexit(size),
        33 => e.swapgs(),
        34 => e.hlt(),
        35 => e.sti(),
        36 => e.popf(size),
        37 => e.pushf(size),
        38 => e.port_in(value as u16, 4).map(drop),
        39 => e.port_out(value as u16, 1, 0),
        40 => e.invlpg(seg, value),
        41 => e.fxsave(seg, value & !15, true),
        42 => e.fxrstor(seg, value & !15, false),
        43 => e.fnsave(seg, value, size),
        44 => e.frstor(seg, value, size),
        45 => {
            e.hold_interrupts(Shadow::MovSs);
            e.branch(value)
        }
        46 => {
            let mut buffer = [0; 15];
            e.fetch_bytes(value, &mut buffer).map(drop)
        }
        _ => {
            let page = e.fetch_code_page(value)?;
            if let Some(offset) = page.host_offset {
                e.mark_code_page(offset);
                let _ = e.direct(seg, value, 64, Access::Write);
            }
            e.translate_debug(r.value());
            Err(Exception::pf(value, 0))
        }
    }
}

#[test]
fn random_states_and_instructions_do_not_panic() {
    let mut r = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..600 {
        let mut m = match round % 3 {
            0 => Machine::new(),
            1 => Machine::protected(),
            _ => Machine::long(),
        };
        if round % 5 == 0 && round % 3 != 0 {
            m.go_user();
        }
        scramble(&mut m, &mut r);
        for _ in 0..4 {
            let mut e = m.exec();
            for _ in 0..8 {
                if e.service_events().is_some() {
                    e.cpu.set_activity(Activity::Running);
                }
                match one(&mut e, &mut r) {
                    Ok(()) => {
                        e.cpu.rip = e.next_rip;
                        e.retired += 1;
                    }
                    Err(exception) => e.raise(exception),
                }
            }
            drop(e);
            let saved = m.cpu.save();
            let mut other = Vcpu::new(0, CpuModel::default());
            other.restore(&saved).expect("what ran can be restored");
            assert_eq!(other.save(), saved);
        }
    }
}
