//! Segment registers with their hidden parts, and descriptors.

use serde::{Deserialize, Serialize};

use crate::Mode;

/// A segment register, by its number in instruction encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SegReg {
    /// ES.
    Es,
    /// CS.
    Cs,
    /// SS.
    Ss,
    /// DS.
    Ds,
    /// FS.
    Fs,
    /// GS.
    Gs,
}

impl SegReg {
    /// All six, in encoding order.
    pub const ALL: [Self; 6] = [Self::Es, Self::Cs, Self::Ss, Self::Ds, Self::Fs, Self::Gs];

    /// By encoding; 6 and 7 name no register.
    pub const fn from_index(index: u8) -> Option<Self> {
        match index {
            0 => Some(Self::Es),
            1 => Some(Self::Cs),
            2 => Some(Self::Ss),
            3 => Some(Self::Ds),
            4 => Some(Self::Fs),
            5 => Some(Self::Gs),
            _ => None,
        }
    }
}

/// The attribute bits of a descriptor (SDM Vol. 3, 3.4.5), packed as bits 55:52 and 47:40 of it are:
/// type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9, D/B 10, G 11.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentAttributes(pub u16);

impl SegmentAttributes {
    /// Read/write data, accessed, present, DPL 0: what real mode has everywhere.
    pub const REAL: Self = Self(0x93);
    /// The same with DPL 3: virtual-8086 mode.
    pub const V86: Self = Self(0xf3);

    /// Type, 4 bits.
    pub const fn kind(self) -> u8 {
        (self.0 & 0xf) as u8
    }
    /// S: a code or data segment, not a system one.
    pub const fn is_code_or_data(self) -> bool {
        self.0 & 1 << 4 != 0
    }
    /// A code segment.
    pub const fn is_code(self) -> bool {
        self.0 & 0x18 == 0x18
    }
    /// A data segment.
    pub const fn is_data(self) -> bool {
        self.0 & 0x18 == 0x10
    }
    /// A conforming code segment.
    pub const fn is_conforming(self) -> bool {
        self.0 & 0x1c == 0x1c
    }
    /// A data segment that grows down.
    pub const fn is_expand_down(self) -> bool {
        self.0 & 0x1c == 0x14
    }
    /// Data, or code with the R bit.
    pub const fn is_readable(self) -> bool {
        self.is_data() || self.0 & 0x1a == 0x1a
    }
    /// Data with the W bit.
    pub const fn is_writable(self) -> bool {
        self.0 & 0x1a == 0x12
    }
    /// Descriptor privilege level.
    pub const fn dpl(self) -> u8 {
        (self.0 >> 5 & 3) as u8
    }
    /// P.
    pub const fn is_present(self) -> bool {
        self.0 & 1 << 7 != 0
    }
    /// L: 64-bit code.
    pub const fn is_long(self) -> bool {
        self.0 & 1 << 9 != 0
    }
    /// D/B: 32-bit.
    pub const fn is_big(self) -> bool {
        self.0 & 1 << 10 != 0
    }
    /// G: the limit in the descriptor counts 4 KiB pages.
    pub const fn is_page_granular(self) -> bool {
        self.0 & 1 << 11 != 0
    }
    /// As bits 23:8 of a descriptor's high word, which is also how LAR shows them.
    pub const fn access_rights(self) -> u32 {
        (self.0 as u32 & 0xff) << 8 | (self.0 as u32 >> 8 & 0xf) << 20
    }
}

/// A segment register. Whoever changes the first five fields by hand calls
/// [`Vcpu::segment_changed`](crate::Vcpu::segment_changed) afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// What to add to an offset in the current mode (in 64-bit mode 0 but for FS and GS). Derived.
    pub fast_base: u64,
    /// A read of n bytes at an offset passes all segment checks if `offset + n - 1` (wrapping) is less
    /// than this; otherwise it has to be looked at closely. Derived.
    pub read_end: u64,
    /// The same for writes. Derived.
    pub write_end: u64,
    /// Linear address of the first byte; 32 bits but for FS, GS, TR and LDTR in long mode.
    pub base: u64,
    /// Last valid offset in bytes (expand-down: last invalid one), granularity applied.
    pub limit: u32,
    /// The visible part.
    pub selector: u16,
    /// The attributes of the descriptor.
    pub attributes: SegmentAttributes,
    /// Whether it can be used: a null selector was not loaded last.
    pub usable: bool,
}

impl Segment {
    /// A usable segment.
    pub const fn new(selector: u16, base: u64, limit: u32, attributes: SegmentAttributes) -> Self {
        Self {
            fast_base: base,
            read_end: 0,
            write_end: 0,
            base,
            limit,
            selector,
            attributes,
            usable: true,
        }
    }

    /// What loading a null selector leaves. The limit is one that real mode, which does not know
    /// unusable segments, can go on with.
    pub const fn null(selector: u16) -> Self {
        let mut segment = Self::new(selector, 0, 0xffff, SegmentAttributes(0));
        segment.usable = false;
        segment
    }

    /// A real-mode segment: base 16 times the selector, 64 KiB.
    pub const fn real(selector: u16) -> Self {
        Self::new(selector, (selector as u64) << 4, 0xffff, SegmentAttributes::REAL)
    }

    /// Derives the fast-path fields. With `checked`, every access is to be looked at closely.
    pub(crate) fn refresh(&mut self, which: SegReg, mode: Mode, checked: bool) {
        let end = u64::from(self.limit) + 1;
        let rights = self.attributes;
        (self.fast_base, self.read_end, self.write_end) = match mode {
            Mode::Long64 => {
                let base = if matches!(which, SegReg::Fs | SegReg::Gs) { self.base } else { 0 };
                (base, u64::MAX, u64::MAX)
            }
            Mode::Real | Mode::V86 => (self.base, end, end),
            _ if !self.usable || rights.is_expand_down() => (self.base, 0, 0),
            _ => (
                self.base,
                if rights.is_readable() { end } else { 0 },
                if rights.is_writable() { end } else { 0 },
            ),
        };
        if checked {
            (self.read_end, self.write_end) = (0, 0);
        }
    }
}

/// GDTR or IDTR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptorTable {
    /// Linear address of the first descriptor.
    pub base: u64,
    /// Last valid byte.
    pub limit: u16,
}

/// A descriptor as it lies in memory. System descriptors of long mode are 16 bytes long; for all
/// others `high` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The first eight bytes.
    pub low: u64,
    /// The second eight bytes.
    pub high: u64,
    /// Linear address of the first byte.
    pub address: u64,
}

impl Descriptor {
    /// The attribute bits.
    pub const fn attributes(&self) -> SegmentAttributes {
        SegmentAttributes((self.low >> 40 & 0xff | (self.low >> 52 & 0xf) << 8) as u16)
    }
    /// Segment base; 64 bits wide for a 16-byte descriptor.
    pub const fn base(&self) -> u64 {
        self.low >> 16 & 0xff_ffff | (self.low >> 56) << 24 | (self.high & 0xffff_ffff) << 32
    }
    /// Segment limit in bytes.
    pub const fn limit(&self) -> u32 {
        let raw = (self.low & 0xffff | self.low >> 32 & 0xf_0000) as u32;
        if self.attributes().is_page_granular() { raw << 12 | 0xfff } else { raw }
    }
    /// The segment that loading this descriptor gives.
    pub const fn segment(&self, selector: u16) -> Segment {
        Segment::new(selector, self.base(), self.limit(), self.attributes())
    }
    /// A gate's selector.
    pub const fn gate_selector(&self) -> u16 {
        (self.low >> 16) as u16
    }
    /// A gate's offset; 64 bits wide for a 16-byte gate.
    pub const fn gate_offset(&self) -> u64 {
        self.low & 0xffff | (self.low >> 48) << 16 | (self.high & 0xffff_ffff) << 32
    }
    /// A call gate's parameter count.
    pub const fn gate_parameters(&self) -> u32 {
        (self.low >> 32 & 0x1f) as u32
    }
    /// A long-mode interrupt gate's stack table index.
    pub const fn gate_ist(&self) -> u8 {
        (self.low >> 32 & 7) as u8
    }
}

/// Types of system descriptors (SDM Vol. 3, table 3-2).
pub mod system_type {
    /// Available 16-bit TSS.
    pub const TSS16_AVAILABLE: u8 = 1;
    /// LDT.
    pub const LDT: u8 = 2;
    /// Busy 16-bit TSS.
    pub const TSS16_BUSY: u8 = 3;
    /// 16-bit call gate.
    pub const CALL_GATE16: u8 = 4;
    /// Task gate.
    pub const TASK_GATE: u8 = 5;
    /// 16-bit interrupt gate.
    pub const INTERRUPT_GATE16: u8 = 6;
    /// 16-bit trap gate.
    pub const TRAP_GATE16: u8 = 7;
    /// Available 32-bit TSS, in long mode 64-bit.
    pub const TSS_AVAILABLE: u8 = 9;
    /// Busy 32-bit TSS, in long mode 64-bit.
    pub const TSS_BUSY: u8 = 11;
    /// 32-bit call gate, in long mode 64-bit.
    pub const CALL_GATE: u8 = 12;
    /// 32-bit interrupt gate, in long mode 64-bit.
    pub const INTERRUPT_GATE: u8 = 14;
    /// 32-bit trap gate, in long mode 64-bit.
    pub const TRAP_GATE: u8 = 15;
}
