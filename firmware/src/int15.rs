//! INT 15h: system services.

use crate::bda::{self, at};
use crate::device::{Firmware, Service};
use crate::e820::MemoryRange;
use crate::frame::{Frame, flag, linear};
use crate::rom;

/// "SMAP".
const SMAP: u32 = 0x534d_4150;
/// Functions that are not there.
const NOT_THERE: u8 = 0x86;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Port 92h: bit 1 opens A20.
const PORT_92: u16 = 0x92;
const A20_OPEN: u8 = 1 << 1;
const FAST_RESET: u8 = 1 << 0;

/// The RTC's registers that its interrupt services use.
mod rtc {
    pub const B: u8 = 0x0b;
    pub const C: u8 = 0x0c;
    /// Periodic and alarm interrupts, in B and C.
    pub const PERIODIC: u8 = 1 << 6;
    pub const ALARM: u8 = 1 << 5;
    /// Microseconds between periodic interrupts at 1024 Hz.
    pub const PERIOD_US: u32 = 976;
}

impl Firmware {
    pub(crate) fn int15(&mut self, f: &mut Frame) -> Service {
        match f.ah() {
            0x24 => self.a20_gate(f),
            // The keyboard's intercept: the scan code goes on as it is.
            0x4f => f.set_carry(true),
            0x83 => self.event_wait(f),
            // Keys and devices tell of themselves here; nobody minds.
            0x80..=0x82 | 0x85 | 0x90 | 0x91 => f.succeed(),
            0x86 => {
                let micros = u64::from(f.cx()) << 16 | u64::from(f.dx());
                self.wait(f, micros * 1000)?;
                f.succeed();
            }
            0x87 => self.block_move(f),
            0x88 => {
                let kib = (self.low_memory() - MIB) / KIB;
                f.set_ax(kib.min(0xfc00) as u16);
                f.set_carry(false);
            }
            0xc0 => {
                (f.es, f.ebx) = (rom::ROM_SEGMENT, rom::CONFIG_TABLE.into());
                f.succeed();
            }
            0xc1 => {
                f.es = bda::EBDA_SEGMENT;
                f.set_carry(false);
            }
            0xc2 => return self.pointing_device(f),
            0xe8 => self.memory_size(f),
            // APM (53h) and all else.
            _ => {
                log::debug!("INT 15h, AX = {:04x}h is not there", f.ax());
                f.fail(NOT_THERE);
            }
        }
        Ok(())
    }

    /// Bytes of RAM below 4 GiB that are for the system: not the ACPI tables at its top.
    fn low_memory(&self) -> u64 {
        self.state.post.tables.max(MIB)
    }

    fn open_a20(&self, open: bool) {
        let value = self.machine.in8(PORT_92) & !FAST_RESET & !A20_OPEN;
        self.machine.out8(PORT_92, value | if open { A20_OPEN } else { 0 });
    }

    fn a20_is_open(&self) -> bool {
        self.machine.in8(PORT_92) & A20_OPEN != 0
    }

    /// AH = 24h.
    fn a20_gate(&mut self, f: &mut Frame) {
        match f.al() {
            0x00 => self.open_a20(false),
            0x01 => self.open_a20(true),
            0x02 => f.set_al(self.a20_is_open().into()),
            // The 8042 and port 92h.
            0x03 => f.set_bx(3),
            _ => return f.fail(NOT_THERE),
        }
        f.succeed();
    }

    /// AH = 83h: sets bit 7 of the byte at ES:BX when CX:DX microseconds are over; AL = 1 calls it off.
    fn event_wait(&mut self, f: &mut Frame) {
        let periodic = self.machine.cmos(rtc::B);
        match f.al() {
            0x00 if self.machine.read8(at::WAIT_ACTIVE) & 1 != 0 => f.fail(0x83),
            0x00 => {
                self.machine.write16(at::WAIT_FLAG, f.bx());
                self.machine.write16(at::WAIT_FLAG + 2, f.es);
                let count = u32::from(f.cx()) << 16 | u32::from(f.dx());
                self.machine.write32(at::WAIT_COUNT, count);
                self.machine.write8(at::WAIT_ACTIVE, 1);
                self.machine.set_cmos(rtc::B, periodic | rtc::PERIODIC);
                f.succeed();
            }
            0x01 => {
                self.machine.write8(at::WAIT_ACTIVE, 0);
                self.machine.set_cmos(rtc::B, periodic & !rtc::PERIODIC);
                f.succeed();
            }
            _ => f.fail(NOT_THERE),
        }
    }

    /// IRQ 8. Answers in AX whether the alarm went off.
    pub(crate) fn rtc_interrupt(&mut self, f: &mut Frame) -> Service {
        let why = self.machine.cmos(rtc::C) & self.machine.cmos(rtc::B);
        if why & rtc::PERIODIC != 0 {
            let left = self.machine.read32(at::WAIT_COUNT);
            let rest = left.saturating_sub(rtc::PERIOD_US);
            self.machine.write32(at::WAIT_COUNT, rest);
            if rest == 0 && self.machine.read8(at::WAIT_ACTIVE) & 1 != 0 {
                let offset = self.machine.read16(at::WAIT_FLAG);
                let flag = linear(self.machine.read16(at::WAIT_FLAG + 2), offset);
                self.machine.write8(flag, self.machine.read8(flag) | 0x80);
                self.machine.write8(at::WAIT_ACTIVE, 0);
                let b = self.machine.cmos(rtc::B);
                self.machine.set_cmos(rtc::B, b & !rtc::PERIODIC);
            }
        }
        f.set_ax(u16::from(why & rtc::ALARM != 0));
        Ok(())
    }

    /// AH = 87h: CX words between the places that two descriptors of the table at ES:SI name.
    fn block_move(&mut self, f: &mut Frame) {
        const SOURCE: u64 = 0x10;
        const DESTINATION: u64 = 0x18;
        const MAX_WORDS: u16 = 0x8000;
        if f.cx() > MAX_WORDS {
            return f.fail(0x02);
        }
        let table = linear(f.es, f.si());
        let base = |at: u64| {
            let low = u64::from(self.machine.read32(table + at + 2) & 0x00ff_ffff);
            low | u64::from(self.machine.read8(table + at + 7)) << 24
        };
        let (from, to) = (base(SOURCE), base(DESTINATION));
        let was_open = self.a20_is_open();
        self.open_a20(true);
        let mut data = vec![0; usize::from(f.cx()) * 2];
        self.machine.memory.read(from, &mut data);
        self.machine.write(to, &data);
        self.open_a20(was_open);
        f.succeed();
        f.set_zero(true);
    }

    /// AH = E8h.
    fn memory_size(&mut self, f: &mut Frame) {
        match f.al() {
            0x20 if f.edx == SMAP => self.memory_map(f),
            0x01 | 0x81 => {
                // KiB from 1 to 16 MiB, 64-KiB blocks above.
                let above = self.low_memory() - MIB;
                let below_16 = above.min(15 * MIB) / KIB;
                let rest = above.saturating_sub(15 * MIB) / (64 * KIB);
                if f.al() == 0x01 {
                    f.set_ax(below_16 as u16);
                    f.set_bx(rest as u16);
                    f.set_cx(below_16 as u16);
                    f.set_dx(rest as u16);
                } else {
                    (f.eax, f.ebx) = (below_16 as u32, rest as u32);
                    (f.ecx, f.edx) = (f.eax, f.ebx);
                }
                f.set_carry(false);
            }
            _ => f.fail(NOT_THERE),
        }
    }

    /// EAX = E820h: range EBX of the map to ES:DI.
    fn memory_map(&mut self, f: &mut Frame) {
        const ENTRY_LEN: u32 = 20;
        let entry: Option<MemoryRange> = self.state.e820.get(f.ebx as usize).copied();
        let Some(entry) = entry.filter(|_| f.ecx >= ENTRY_LEN) else {
            return f.fail(NOT_THERE);
        };
        self.machine.write(linear(f.es, f.di()), &entry.to_bytes());
        f.eax = SMAP;
        f.ecx = ENTRY_LEN;
        let next = f.ebx + 1;
        f.ebx = if (next as usize) < self.state.e820.len() { next } else { 0 };
        f.flags &= !flag::CARRY;
    }

    /// INT 11h: the equipment word.
    pub(crate) fn int11(&mut self, f: &mut Frame) -> Service {
        f.set_ax(self.machine.read16(at::EQUIPMENT));
        Ok(())
    }

    /// INT 12h: KiB of conventional memory.
    pub(crate) fn int12(&mut self, f: &mut Frame) -> Service {
        f.set_ax(self.machine.read16(at::MEMORY_KIB));
        Ok(())
    }
}
