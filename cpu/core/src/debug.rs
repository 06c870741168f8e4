//! Debug registers and breakpoints (SDM Vol. 3, chapter 18).

use crate::bits::cr4;
use crate::exec::Exec;
use crate::state::{Attention, Mode, Vcpu};
use crate::{Exception, ExecResult};

/// DR6 bits that always read as 1.
const DR6_ONES: u64 = 0xffff_0ff0;
/// DR6.B0 to B3.
const DR6_BREAKPOINTS: u64 = 0xf;
/// DR6.BD: a debug register was accessed with DR7.GD set.
const DR6_DETECTED: u64 = 1 << 13;
/// DR6 bits that can be set: B0 to B3, BD, BS, BT.
const DR6_BITS: u64 = 0xe00f;
/// DR7 bits that can be set.
const DR7_BITS: u64 = 0xffff_23ff;
/// DR7 bit 10, always 1.
const DR7_ONES: u64 = 0x400;
const DR7_GENERAL_DETECT: u64 = 1 << 13;

/// The R/W field of a breakpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Execute,
    Write,
    Io,
    ReadWrite,
}

#[derive(Clone, Copy)]
struct Breakpoint {
    /// B0 to B3 in DR6.
    bit: u64,
    address: u64,
    len: u64,
    kind: Kind,
}

impl Breakpoint {
    fn overlaps(&self, start: u64, len: u64) -> bool {
        let address = self.address & !(self.len - 1);
        let last = address.wrapping_add(self.len - 1);
        let end = start.saturating_add(len - 1);
        start <= last && end >= address
    }
}

impl Vcpu {
    /// The enabled breakpoints.
    fn breakpoints(&self) -> impl Iterator<Item = Breakpoint> + '_ {
        (0..4).filter(|i| self.dr[7] >> (i * 2) & 3 != 0).map(|i| {
            let control = self.dr[7] >> (16 + i * 4);
            let kind = match control & 3 {
                0 => Kind::Execute,
                1 => Kind::Write,
                2 => Kind::Io,
                _ => Kind::ReadWrite,
            };
            let len = [1, 2, 8, 4][(control >> 2 & 3) as usize];
            Breakpoint { bit: 1 << i, address: self.dr[i as usize], len, kind }
        })
    }

    /// To be called after a change of DR7 (or of an enabled DR0 to DR3) or CR4.DE.
    pub(crate) fn breakpoints_changed(&mut self) {
        let any = |kind| self.breakpoints().any(|b| b.kind == kind);
        let had_data = self.data_breakpoints;
        let (code, write, read_write) =
            (any(Kind::Execute), any(Kind::Write), any(Kind::ReadWrite));
        self.io_breakpoints = any(Kind::Io) && self.cr4 & cr4::DE != 0;
        self.data_breakpoints = write || read_write;
        self.attention.set(Attention::CODE_BREAKPOINT, code);
        if had_data || self.data_breakpoints {
            self.tlb.flush(false);
        }
    }

    /// Whether a data breakpoint lies in the page of `linear`, or close enough to it that an access
    /// beginning there could reach it.
    #[inline]
    pub(crate) fn data_breakpoint_in_page(&self, linear: u64) -> bool {
        self.data_breakpoints && self.has_data_breakpoint(linear & !0xfff, 0x1000)
    }

    #[cold]
    fn has_data_breakpoint(&self, start: u64, len: u64) -> bool {
        self.breakpoints()
            .any(|b| matches!(b.kind, Kind::Write | Kind::ReadWrite) && b.overlaps(start, len))
    }

    /// Notes the breakpoints that a data access hits; the trap comes after the instruction.
    pub(crate) fn note_data_access(&mut self, linear: u64, len: u64, write: bool) {
        self.note_access(linear, len, |kind| {
            kind == Kind::ReadWrite || kind == Kind::Write && write
        });
    }

    /// Notes the I/O breakpoints that a port access hits.
    #[inline]
    pub(crate) fn note_port_access(&mut self, port: u16, len: u32) {
        if self.io_breakpoints {
            self.note_access(port.into(), len.into(), |kind| kind == Kind::Io);
        }
    }

    #[cold]
    fn note_access(&mut self, start: u64, len: u64, wanted: impl Fn(Kind) -> bool) {
        let hits = self
            .breakpoints()
            .filter(|b| wanted(b.kind) && b.overlaps(start, len))
            .fold(0, |bits, b| bits | b.bit);
        if hits != 0 {
            self.pending_dr6 |= hits;
            self.attention.insert(Attention::DEBUG_TRAP);
        }
    }

    /// Sets DR6 for a debug exception: B0 to B3 show its breakpoints alone, the other bits stay until
    /// software clears them (section 18.2.3).
    pub(crate) fn report_in_dr6(&mut self, conditions: u64) {
        self.dr[6] = self.dr[6] & !DR6_BREAKPOINTS | conditions;
    }

    /// DR6 bits of the instruction breakpoints at `rip`.
    pub(crate) fn code_breakpoint_hits(&self) -> u64 {
        let linear = self.code_linear(self.rip);
        self.breakpoints()
            .filter(|b| b.kind == Kind::Execute && b.address == linear)
            .fold(0, |bits, b| bits | b.bit)
    }
}

impl Exec<'_> {
    /// What MOV to and from debug registers check: #UD for DR4 and DR5 with CR4.DE, #GP(0), then #DB.
    /// Returns the register meant.
    fn check_dr(&mut self, n: u32) -> ExecResult<usize> {
        let n = match n {
            4 | 5 if self.cpu.cr4 & cr4::DE != 0 => return Err(Exception::ud()),
            4 | 5 => n + 2,
            0..=7 => n,
            _ => return Err(Exception::ud()),
        };
        self.require_cpl0()?;
        if self.cpu.dr[7] & DR7_GENERAL_DETECT != 0 {
            self.cpu.report_in_dr6(DR6_DETECTED);
            return Err(Exception::db());
        }
        Ok(n as usize)
    }

    /// MOV from DRn.
    pub fn read_dr(&mut self, n: u32) -> ExecResult<u64> {
        let n = self.check_dr(n)?;
        Ok(self.cpu.dr[n])
    }

    /// MOV to DRn; `value` is 32 bits outside 64-bit mode.
    pub fn write_dr(&mut self, n: u32, value: u64) -> ExecResult<()> {
        let n = self.check_dr(n)?;
        if n >= 6 && self.cpu.mode == Mode::Long64 && value >> 32 != 0 {
            return Err(Exception::gp(0));
        }
        self.cpu.dr[n] = match n {
            6 => value & DR6_BITS | DR6_ONES,
            7 => value & DR7_BITS | DR7_ONES,
            _ => value,
        };
        if n != 6 {
            self.cpu.breakpoints_changed();
        }
        Ok(())
    }
}
