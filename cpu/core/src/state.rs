//! The architectural state of one processor.

use aero_bus::{GuestRam, Placed, RamError};
use aero_x87::F80;
use serde::{Deserialize, Serialize};

use crate::bits::{cr0, efer, rflags};
use crate::cpuid::CpuModel;
use crate::msr::Msrs;
use crate::segment::{DescriptorTable, SegReg, Segment, SegmentAttributes};
use crate::tlb::{Dropped, Tlb};
use crate::{CpuSignals, Flags, Signal};

/// How instructions are decoded and segments used; derived from CR0.PE, EFER.LMA, RFLAGS.VM and CS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// Real-address mode.
    Real,
    /// Virtual-8086 mode.
    V86,
    /// Protected mode, 16-bit code segment.
    Prot16,
    /// Protected mode, 32-bit code segment.
    Prot32,
    /// Compatibility mode, 16-bit code segment.
    Compat16,
    /// Compatibility mode, 32-bit code segment.
    Compat32,
    /// 64-bit mode.
    Long64,
}

impl Mode {
    /// Default operand and address width of code in bits, as decoders want it.
    pub const fn code_bits(self) -> u32 {
        match self {
            Self::Real | Self::V86 | Self::Prot16 | Self::Compat16 => 16,
            Self::Prot32 | Self::Compat32 => 32,
            Self::Long64 => 64,
        }
    }

    /// IA-32e mode: 64-bit or compatibility.
    pub const fn is_long(self) -> bool {
        matches!(self, Self::Compat16 | Self::Compat32 | Self::Long64)
    }

    /// Segments are loaded through descriptors: neither real nor virtual-8086 mode.
    pub const fn is_protected(self) -> bool {
        !matches!(self, Self::Real | Self::V86)
    }
}

/// What the processor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activity {
    /// Executing instructions.
    Running,
    /// HLT: waits for an interrupt.
    Halted,
    /// An application processor after reset or INIT: waits for a start-up message.
    WaitForSipi,
    /// After a triple fault.
    Shutdown,
}

bitflags::bitflags! {
    /// Why [`Exec::service_events`](crate::Exec::service_events) has to be called before each
    /// instruction, and the backend has to step.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Attention: u32 {
        /// RFLAGS.TF is set.
        const SINGLE_STEP = 1 << 0;
        /// Interrupts are held off for one instruction.
        const SHADOW = 1 << 1;
        /// A debug trap waits for the end of the instruction.
        const DEBUG_TRAP = 1 << 2;
        /// DR7 enables an instruction breakpoint.
        const CODE_BREAKPOINT = 1 << 3;
        /// RFLAGS.RF is set; it is cleared after one instruction.
        const RESUME = 1 << 4;
        /// The activity is not [`Activity::Running`].
        const ACTIVITY = 1 << 5;
    }
}

/// What holds interrupts off until the next instruction is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shadow {
    /// Nothing.
    #[default]
    None,
    /// STI set IF: no INTR.
    Sti,
    /// SS was loaded by MOV or POP: no INTR, no NMI, no debug trap.
    MovSs,
}

/// The x87.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[repr(C)]
pub struct FpuState {
    /// The physical registers R0 to R7; ST(i) is `regs[(top + i) & 7]`, MMi is `regs[i]`.
    pub regs: [F80; 8],
    /// Control word.
    pub control: u16,
    /// Status word but for TOP, whose bits 13:11 are zero here.
    pub status: u16,
    /// TOP, 0 to 7.
    pub top: u8,
    /// Abridged tag word, as in an FXSAVE image: bit i set if the physical register i is not empty.
    pub tags: u8,
    /// Opcode of the last non-control instruction, 11 bits.
    pub opcode: u16,
    /// FCS: code selector of the last non-control instruction.
    pub instruction_selector: u16,
    /// FDS: data selector of the last operand in memory.
    pub data_selector: u16,
    /// FIP: offset of the last non-control instruction.
    pub instruction_pointer: u64,
    /// FDP: offset of the last operand in memory.
    pub data_pointer: u64,
}

impl FpuState {
    /// As after FNINIT.
    pub const fn initial() -> Self {
        Self {
            regs: [F80::ZERO; 8],
            control: 0x37f,
            status: 0,
            top: 0,
            tags: 0,
            opcode: 0,
            instruction_selector: 0,
            data_selector: 0,
            instruction_pointer: 0,
            data_pointer: 0,
        }
    }

    /// FNINIT: everything but the registers' contents.
    pub fn fninit(&mut self) {
        *self = Self { regs: self.regs, ..Self::initial() };
    }

    /// The status word with TOP.
    pub const fn status_word(&self) -> u16 {
        self.status & !0x3800 | (self.top as u16 & 7) << 11
    }

    /// Sets the status word and TOP.
    pub fn set_status_word(&mut self, value: u16) {
        self.status = value & !0x3800;
        self.top = (value >> 11 & 7) as u8;
    }

    /// Whether an unmasked exception is pending: what ES shows.
    pub const fn exception_pending(&self) -> bool {
        self.status & !self.control & 0x3f != 0
    }
}

/// Index of RSP in [`Vcpu::regs`].
pub const RSP: usize = 4;

/// One processor: its architectural state, and the translations that go with it.
#[repr(C)]
pub struct Vcpu {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    pub regs: [u64; 16],
    /// The instruction pointer: while an instruction executes, its own address.
    pub rip: u64,
    /// RFLAGS. TF, IF, RF, VM, AC and NT are changed through [`Exec`](crate::Exec) only.
    pub flags: Flags,
    /// ES, CS, SS, DS, FS, GS.
    pub segs: [Segment; 6],
    /// What a linear address is masked with: 32 bits outside 64-bit mode.
    pub(crate) linear_mask: u64,
    /// What RSP is masked with for stack accesses: 16, 32 or 64 bits.
    pub(crate) stack_mask: u64,
    pub(crate) tlb: Placed<Tlb>,
    pub(crate) mode: Mode,
    pub(crate) cpl: u8,
    /// Data accesses must be aligned: CR0.AM, RFLAGS.AC and CPL 3.
    pub(crate) alignment_checks: bool,
    /// Why the backend has to step; empty most of the time.
    pub attention: Attention,
    /// What it is doing. Set through [`set_activity`](Self::set_activity).
    pub(crate) activity: Activity,
    /// XMM0 to XMM15.
    pub xmm: [u128; 16],
    /// SSE control and status.
    pub mxcsr: u32,
    /// The x87.
    pub fpu: FpuState,
    /// CR0.
    pub cr0: u64,
    /// CR2: the address of the last page fault.
    pub cr2: u64,
    /// CR3.
    pub cr3: u64,
    /// CR4.
    pub cr4: u64,
    /// EFER.
    pub efer: u64,
    /// XCR0; XSAVE is not implemented by any model so far, so this stays 1.
    pub xcr0: u64,
    /// The four PDPTEs of PAE paging, loaded with CR3.
    pub(crate) pdptes: [u64; 4],
    /// DR0 to DR7; DR4 and DR5 are not used.
    pub dr: [u64; 8],
    /// LDTR.
    pub ldtr: Segment,
    /// TR.
    pub tr: Segment,
    /// GDTR.
    pub gdtr: DescriptorTable,
    /// IDTR.
    pub idtr: DescriptorTable,
    /// Model-specific registers.
    pub msrs: Msrs,
    /// What holds interrupts off, and until which retired count.
    pub(crate) shadow: Shadow,
    pub(crate) shadow_mark: u64,
    /// Debug traps that wait for the end of the instruction: bits of DR6.
    pub(crate) pending_dr6: u64,
    /// An instruction was begun with TF set, at this retired count.
    pub(crate) step_mark: Option<u64>,
    /// RF was set and covers the instruction at this retired count.
    pub(crate) resume_mark: u64,
    /// DR7 enables breakpoints of these kinds.
    pub(crate) data_breakpoints: bool,
    pub(crate) io_breakpoints: bool,
    /// An NMI is being handled: no other until IRET.
    pub(crate) nmi_blocked: bool,
    /// Number of this processor; 0 is the bootstrap processor.
    pub index: u32,
    /// Which processor this is.
    pub model: CpuModel,
    /// MSRs that the log has named already, and whether it has named FERR#.
    pub(crate) complaints: Vec<u32>,
    pub(crate) ferr_logged: bool,
}

impl Vcpu {
    /// A processor after power-on. Processor 0 runs; the others wait for a start-up message.
    pub fn new(index: u32, model: CpuModel) -> Self {
        Self::with_tlb(index, model, Tlb::boxed())
    }

    /// The same beside guest memory, where generated code can reach it.
    pub fn placed(ram: &GuestRam, index: u32, model: CpuModel) -> Result<Placed<Self>, RamError> {
        ram.place(Self::with_tlb(index, model, Tlb::placed(ram)?))
    }

    fn with_tlb(index: u32, model: CpuModel, tlb: Placed<Tlb>) -> Self {
        let mut cpu = Self {
            regs: [0; 16],
            rip: 0,
            flags: Flags::default(),
            segs: [Segment::real(0); 6],
            linear_mask: u32::MAX.into(),
            stack_mask: 0xffff,
            tlb,
            mode: Mode::Real,
            cpl: 0,
            alignment_checks: false,
            attention: Attention::empty(),
            activity: Activity::Running,
            xmm: [0; 16],
            mxcsr: 0x1f80,
            fpu: FpuState::initial(),
            cr0: 0,
            cr2: 0,
            cr3: 0,
            cr4: 0,
            efer: 0,
            xcr0: 1,
            pdptes: [0; 4],
            dr: [0; 8],
            ldtr: Segment::null(0),
            tr: Segment::null(0),
            gdtr: DescriptorTable::default(),
            idtr: DescriptorTable::default(),
            msrs: Msrs::new(),
            shadow: Shadow::None,
            shadow_mark: 0,
            pending_dr6: 0,
            step_mark: None,
            resume_mark: 0,
            data_breakpoints: false,
            io_breakpoints: false,
            nmi_blocked: false,
            index,
            model,
            complaints: Vec::new(),
            ferr_logged: false,
        };
        cpu.reset();
        cpu
    }

    /// Power-on, or the machine's reset line (SDM Vol. 3, table 10-1).
    pub fn reset(&mut self) {
        self.init();
        self.xmm = [0; 16];
        self.mxcsr = 0x1f80;
        self.fpu = FpuState::initial();
        // Power-on leaves another control word than FNINIT does.
        self.fpu.control = 0x40;
        self.fpu.tags = 0xff;
        self.msrs = Msrs::new();
        self.cr0 = cr0::CD | cr0::NW | cr0::ET;
        self.mode_changed();
    }

    /// INIT: as power-on, but the x87, SSE, most MSRs and the cache bits of CR0 stay.
    pub fn init(&mut self) {
        self.regs = [0; 16];
        self.regs[2] = self.model.signature.into();
        self.flags = Flags::default();
        self.segs = [Segment::real(0); 6];
        self.segs[SegReg::Cs as usize] =
            Segment::new(0xf000, 0xffff_0000, 0xffff, SegmentAttributes::REAL);
        self.rip = 0xfff0;
        self.ldtr = Segment::new(0, 0, 0xffff, SegmentAttributes(0x82));
        self.tr = Segment::new(0, 0, 0xffff, SegmentAttributes(0x8b));
        self.gdtr = DescriptorTable { base: 0, limit: 0xffff };
        self.idtr = DescriptorTable { base: 0, limit: 0xffff };
        self.cr0 = self.cr0 & (cr0::CD | cr0::NW) | cr0::ET;
        self.cr2 = 0;
        self.cr3 = 0;
        self.cr4 = 0;
        self.efer = 0;
        self.xcr0 = 1;
        self.pdptes = [0; 4];
        self.dr = [0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400];
        self.shadow = Shadow::None;
        self.pending_dr6 = 0;
        self.step_mark = None;
        self.nmi_blocked = false;
        self.attention = Attention::empty();
        self.cpl = 0;
        self.tlb.flush_all();
        self.set_activity(if self.index == 0 { Activity::Running } else { Activity::WaitForSipi });
        self.breakpoints_changed();
        self.mode_changed();
        self.all_segments_changed();
    }

    /// How code runs now.
    #[inline]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Current privilege level.
    #[inline]
    pub fn cpl(&self) -> u8 {
        self.cpl
    }

    /// What it is doing.
    #[inline]
    pub fn activity(&self) -> Activity {
        self.activity
    }

    /// Makes it run, halt or shut down.
    pub fn set_activity(&mut self, activity: Activity) {
        self.activity = activity;
        self.attention.set(Attention::ACTIVITY, activity != Activity::Running);
    }

    /// A segment register.
    #[inline]
    pub fn seg(&self, which: SegReg) -> &Segment {
        &self.segs[which as usize]
    }

    /// Mask of the stack pointer: 16, 32 or 64 bits, by SS.B and the mode.
    #[inline]
    pub fn stack_mask(&self) -> u64 {
        self.stack_mask
    }

    /// Mask of linear addresses: 64 bits in 64-bit mode, else 32.
    #[inline]
    pub fn linear_mask(&self) -> u64 {
        self.linear_mask
    }

    /// The linear address of the instruction at `rip` (an offset in CS).
    #[inline]
    pub fn code_linear(&self, rip: u64) -> u64 {
        self.segs[SegReg::Cs as usize].fast_base.wrapping_add(rip) & self.linear_mask
    }

    /// To be called after a change of CR0, EFER, RFLAGS.VM, RFLAGS.AC, RFLAGS.TF, CPL or CS: derives
    /// what depends on them. After a change of another segment register comes
    /// [`segment_changed`](Self::segment_changed).
    pub fn mode_changed(&mut self) {
        let cs = &self.segs[SegReg::Cs as usize];
        let (long_code, big) = (cs.attributes.is_long(), cs.attributes.is_big());
        let (mode_before, checks_before) = (self.mode, self.alignment_checks);
        self.mode = if self.cr0 & cr0::PE == 0 {
            Mode::Real
        } else if self.efer & efer::LMA != 0 {
            match (long_code, big) {
                (true, _) => Mode::Long64,
                (false, true) => Mode::Compat32,
                (false, false) => Mode::Compat16,
            }
        } else if self.flags.has(rflags::VM) {
            Mode::V86
        } else if big {
            Mode::Prot32
        } else {
            Mode::Prot16
        };
        if mode_before == Mode::Long64 && self.mode != Mode::Long64 {
            // The upper halves are not preserved (SDM Vol. 1, 3.4.1.1). All backends agree on zeros.
            for register in &mut self.regs[..8] {
                *register &= u64::from(u32::MAX);
            }
        }
        match self.mode {
            Mode::Real => self.cpl = 0,
            Mode::V86 => self.cpl = 3,
            _ => {}
        }
        self.linear_mask = if self.mode == Mode::Long64 { u64::MAX } else { u32::MAX.into() };
        self.alignment_checks =
            self.cpl == 3 && self.cr0 & cr0::AM != 0 && self.flags.has(rflags::AC);
        self.step_changed();
        self.attention.set(Attention::RESUME, self.flags.has(rflags::RF));
        if mode_before == self.mode && checks_before == self.alignment_checks {
            // Only what a transfer loads is new.
            for which in [SegReg::Cs, SegReg::Ss] {
                self.segs[which as usize].refresh(which, self.mode, self.alignment_checks);
            }
        } else {
            self.all_segments_changed();
        }
        self.stack_changed();
    }

    pub(crate) fn all_segments_changed(&mut self) {
        for which in SegReg::ALL {
            self.segs[which as usize].refresh(which, self.mode, self.alignment_checks);
        }
    }

    /// TF was changed, or an instruction was begun with it set, which ends in a trap whatever it does
    /// to TF.
    pub(crate) fn step_changed(&mut self) {
        let stepping = self.flags.has(rflags::TF) || self.step_mark.is_some();
        self.attention.set(Attention::SINGLE_STEP, stepping);
    }

    /// To be called after a segment register other than CS was set by hand.
    pub fn segment_changed(&mut self, which: SegReg) {
        self.segs[which as usize].refresh(which, self.mode, self.alignment_checks);
        if which == SegReg::Ss {
            self.stack_changed();
        }
    }

    fn stack_changed(&mut self) {
        self.stack_mask = if self.mode == Mode::Long64 {
            u64::MAX
        } else if self.segs[SegReg::Ss as usize].attributes.is_big() {
            u32::MAX.into()
        } else {
            0xffff
        };
    }

    /// Sets the privilege level by hand; [`mode_changed`](Self::mode_changed) goes after it.
    pub fn set_cpl(&mut self, cpl: u8) {
        self.cpl = cpl & 3;
    }

    /// Where the arrays of translations are; see [`layout`](crate::layout).
    pub fn tlb_address(&self) -> *const u8 {
        self.tlb.as_ptr().cast()
    }

    /// Rises whenever an address may lead elsewhere than before: for whoever keeps what it led to.
    #[inline]
    pub fn translation_epoch(&self) -> u64 {
        let Dropped { all, not_global, pages, .. } = self.tlb.dropped;
        all + not_global + pages
    }

    /// Which addresses may have come to lead elsewhere.
    pub fn dropped_translations(&self) -> &Dropped {
        &self.tlb.dropped
    }

    /// Forgets all cached translations.
    pub fn flush_tlb(&mut self) {
        self.tlb.flush_all();
    }

    /// Sets what waits for the next instruction boundary.
    pub(crate) fn set_pending(&mut self, shadow: Shadow, dr6: u64, step_armed: bool) {
        self.shadow = shadow;
        self.pending_dr6 = dr6;
        self.step_mark = step_armed.then_some(0);
        self.attention.set(Attention::SHADOW, shadow != Shadow::None);
        self.attention.set(Attention::DEBUG_TRAP, dr6 != 0);
    }

    /// Whether a signal is there that this processor, halted or waiting, would wake for, or a debug
    /// trap of the HLT itself.
    pub fn is_wakeable(&self, signals: &CpuSignals) -> bool {
        let pending = signals.pending();
        match self.activity {
            Activity::Running => true,
            Activity::Halted => {
                self.attention.contains(Attention::DEBUG_TRAP)
                    || pending.contains(Signal::INIT)
                    || pending.contains(Signal::NMI) && !self.nmi_blocked
                    || pending.contains(Signal::INTR) && self.flags.has(rflags::IF)
            }
            Activity::WaitForSipi => pending.contains(Signal::SIPI),
            Activity::Shutdown => {
                pending.contains(Signal::INIT) || pending.contains(Signal::NMI) && !self.nmi_blocked
            }
        }
    }

    /// Starts execution in real mode at `cs:ip`. The other registers stay as they are.
    pub fn set_real_mode_entry(&mut self, cs: u16, ip: u16) {
        self.segs[SegReg::Cs as usize] = Segment::real(cs);
        self.rip = ip.into();
        self.set_activity(Activity::Running);
        self.mode_changed();
    }

    /// 32-bit protected mode without paging, all segments flat from 0 to 4 GiB, interrupts off: the
    /// state of the Linux 32-bit and multiboot entries. `code` and `data` are the selectors to show.
    pub fn set_flat_protected(&mut self, entry: u32, code: u16, data: u16) {
        self.efer &= !(efer::LME | efer::LMA);
        self.cr0 = cr0::PE | cr0::ET | cr0::NE;
        self.set_flat_segments(code, data, SegmentAttributes(0xc9b));
        self.enter(entry.into());
    }

    /// 64-bit mode with the page tables at `cr3`, flat segments, interrupts off: the state of the
    /// Linux 64-bit entry.
    pub fn set_long_mode(&mut self, entry: u64, cr3: u64, code: u16, data: u16) {
        self.efer |= efer::LME | efer::LMA | efer::SCE | efer::NXE;
        self.cr0 = cr0::PE | cr0::PG | cr0::ET | cr0::NE | cr0::WP;
        self.cr3 = cr3;
        self.cr4 |= crate::bits::cr4::PAE;
        self.set_flat_segments(code, data, SegmentAttributes(0xa9b));
        self.enter(entry);
    }

    fn set_flat_segments(&mut self, code: u16, data: u16, code_attributes: SegmentAttributes) {
        for which in SegReg::ALL {
            self.segs[which as usize] = if which == SegReg::Cs {
                Segment::new(code, 0, u32::MAX, code_attributes)
            } else {
                Segment::new(data, 0, u32::MAX, SegmentAttributes(0xc93))
            };
        }
    }

    fn enter(&mut self, entry: u64) {
        self.rip = entry;
        self.cpl = 0;
        self.flags = Flags::default();
        self.tlb.flush_all();
        self.set_activity(Activity::Running);
        self.mode_changed();
        self.all_segments_changed();
    }
}
