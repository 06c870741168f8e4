//! Saving and restoring a processor.

use aero_bus::{Snapshot, SnapshotError};
use serde::{Deserialize, Serialize};

use crate::Flags;
use crate::bits::{cr0, cr4, efer, rflags};
use crate::msr::Msrs;
use crate::segment::{DescriptorTable, Segment, SegmentAttributes};
use crate::state::{Activity, FpuState, Shadow, Vcpu};

const KIND: &str = "vcpu";
const VERSION: u32 = 1;

/// A segment register with its hidden part.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentState {
    selector: u16,
    base: u64,
    limit: u32,
    attributes: SegmentAttributes,
    usable: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    model: String,
    index: u32,
    regs: [u64; 16],
    rip: u64,
    flags: Flags,
    cpl: u8,
    segs: [SegmentState; 6],
    ldtr: SegmentState,
    tr: SegmentState,
    gdtr: DescriptorTable,
    idtr: DescriptorTable,
    cr0: u64,
    cr2: u64,
    cr3: u64,
    cr4: u64,
    xcr0: u64,
    efer: u64,
    pdptes: [u64; 4],
    dr: [u64; 8],
    msrs: Msrs,
    fpu: FpuState,
    /// Low and high halves.
    xmm: [[u64; 2]; 16],
    mxcsr: u32,
    activity: Activity,
    shadow: Shadow,
    pending_dr6: u64,
    step_armed: bool,
    nmi_blocked: bool,
}

impl From<&Segment> for SegmentState {
    fn from(segment: &Segment) -> Self {
        let Segment { selector, base, limit, attributes, usable, .. } = *segment;
        Self { selector, base, limit, attributes, usable }
    }
}

impl From<SegmentState> for Segment {
    fn from(state: SegmentState) -> Self {
        let mut segment = Self::new(state.selector, state.base, state.limit, state.attributes);
        segment.usable = state.usable;
        segment
    }
}

impl State {
    /// What would break the rest of the processor's logic. Anything else that a register can hold, a
    /// guest could have put there.
    fn check(&self, cpu: &Vcpu) -> Result<(), String> {
        let require = |condition: bool, what: &str| {
            if condition { Ok(()) } else { Err(what.to_owned()) }
        };
        require(self.model == cpu.model.name, "it is of another processor model")?;
        require(self.index == cpu.index, "it is of a processor with another number")?;
        require(self.cpl <= 3, "cpl")?;
        require(self.fpu.top < 8, "fpu.top")?;
        require(self.fpu.status & 0x3800 == 0, "fpu.status")?;
        require(self.mxcsr & !0xffff == 0, "mxcsr")?;
        require(self.xcr0 == 1, "xcr0")?;
        let paging = self.cr0 & cr0::PG != 0;
        require(!paging || self.cr0 & cr0::PE != 0, "cr0: paging without protection")?;
        require(self.cr4 & !cpu.model.cr4_bits() == 0, "cr4")?;
        let long = self.efer & efer::LMA != 0;
        require(
            long == (paging && self.efer & efer::LME != 0),
            "efer: LMA is not what CR0.PG and LME say",
        )?;
        require(!long || self.cr4 & cr4::PAE != 0, "cr4: long mode without PAE")?;
        require(!long || !self.flags.has(rflags::VM), "flags: virtual-8086 mode in long mode")?;
        let all = self.segs.iter().chain([&self.ldtr, &self.tr]);
        require(all.into_iter().all(|s| s.attributes.0 < 1 << 12), "a segment's attributes")
    }
}

impl Vcpu {
    /// The whole state. Call it between runs.
    pub fn save(&self) -> Snapshot {
        let state = State {
            model: self.model.name.to_owned(),
            index: self.index,
            regs: self.regs,
            rip: self.rip,
            flags: self.flags,
            cpl: self.cpl,
            segs: self.segs.each_ref().map(SegmentState::from),
            ldtr: SegmentState::from(&self.ldtr),
            tr: SegmentState::from(&self.tr),
            gdtr: self.gdtr,
            idtr: self.idtr,
            cr0: self.cr0,
            cr2: self.cr2,
            cr3: self.cr3,
            cr4: self.cr4,
            xcr0: self.xcr0,
            efer: self.efer,
            pdptes: self.pdptes,
            dr: self.dr,
            msrs: self.msrs.clone(),
            fpu: self.fpu,
            xmm: self.xmm.map(|value| [value as u64, (value >> 64) as u64]),
            mxcsr: self.mxcsr,
            activity: self.activity,
            shadow: self.shadow,
            pending_dr6: self.pending_dr6,
            step_armed: self.step_mark.is_some(),
            nmi_blocked: self.nmi_blocked,
        };
        Snapshot::new(KIND, VERSION, &state)
    }

    /// Replaces the state by a saved one of the same model. After an error nothing has changed.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, VERSION)?;
        state.check(self).map_err(|what| SnapshotError::invalid(KIND, what))?;
        self.regs = state.regs;
        self.rip = state.rip;
        self.flags = state.flags;
        self.cpl = state.cpl;
        self.segs = state.segs.map(Segment::from);
        self.ldtr = state.ldtr.into();
        self.tr = state.tr.into();
        self.gdtr = state.gdtr;
        self.idtr = state.idtr;
        self.cr0 = state.cr0;
        self.cr2 = state.cr2;
        self.cr3 = state.cr3;
        self.cr4 = state.cr4;
        self.xcr0 = state.xcr0;
        self.efer = state.efer;
        self.pdptes = state.pdptes;
        self.dr = state.dr;
        self.msrs = state.msrs;
        self.fpu = state.fpu;
        self.xmm = state.xmm.map(|[low, high]| u128::from(high) << 64 | u128::from(low));
        self.mxcsr = state.mxcsr;
        self.set_activity(state.activity);
        self.set_pending(state.shadow, state.pending_dr6, state.step_armed);
        self.nmi_blocked = state.nmi_blocked;
        self.tlb.flush_all();
        self.breakpoints_changed();
        self.mode_changed();
        self.all_segments_changed();
        Ok(())
    }
}
