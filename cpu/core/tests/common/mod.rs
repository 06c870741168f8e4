//! What the tests of this crate share: a processor with a small machine, and descriptors.
#![allow(dead_code)]

use aero_cpu::testing::TestPlatform;
use aero_cpu::{
    CpuModel, CpuSignals, Exception, Exec, Mode, SegReg, Segment, SegmentAttributes, Vcpu,
};

pub const GDT: u64 = 0x1000;
pub const IDT: u64 = 0x2000;
pub const TSS: u64 = 0x3000;
pub const LDT: u64 = 0x4000;
/// Where 4-level tables are built: one page each for levels 4 to 1.
pub const TABLES: u64 = 0x10_0000;

pub const KERNEL_CODE: u16 = 0x08;
pub const KERNEL_DATA: u16 = 0x10;
pub const USER_CODE: u16 = 0x1b;
pub const USER_DATA: u16 = 0x23;
pub const TSS_SELECTOR: u16 = 0x28;
pub const KERNEL_CODE64: u16 = 0x38;
pub const USER_CODE64: u16 = 0x43;

/// Attribute words: present, S, and the type with the accessed bit set.
pub const CODE32: u16 = 0xc9b;
pub const DATA32: u16 = 0xc93;
pub const CODE16: u16 = 0x09b;
pub const DATA16: u16 = 0x093;
pub const CODE64: u16 = 0xa9b;
pub const DPL3: u16 = 0x60;

pub struct Machine {
    pub cpu: Vcpu,
    pub signals: CpuSignals,
    pub platform: TestPlatform,
}

/// A code, data or system descriptor.
pub fn descriptor(base: u32, limit: u32, attributes: u16) -> u64 {
    let (base, limit, attributes) = (u64::from(base), u64::from(limit), u64::from(attributes));
    limit & 0xffff
        | (base & 0xff_ffff) << 16
        | (attributes & 0xff) << 40
        | (limit >> 16 & 0xf) << 48
        | (attributes >> 8) << 52
        | (base >> 24) << 56
}

/// A gate; `kind` holds P, DPL and type.
pub fn gate(selector: u16, offset: u32, kind: u8, count: u8) -> u64 {
    u64::from(offset & 0xffff)
        | u64::from(selector) << 16
        | u64::from(count) << 32
        | u64::from(kind) << 40
        | u64::from(offset >> 16) << 48
}

impl Machine {
    /// After reset: real mode.
    pub fn new() -> Self {
        Self::with_model("westmere")
    }

    pub fn with_model(name: &str) -> Self {
        Self {
            cpu: Vcpu::new(0, CpuModel::named(name).unwrap()),
            signals: CpuSignals::new(),
            platform: TestPlatform::new(),
        }
    }

    /// 32-bit protected mode at CPL 0 with the flat GDT, a TSS and an IDT of 32 interrupt gates to
    /// 0x8000 + 16 * vector.
    pub fn protected() -> Self {
        let mut machine = Self::new();
        machine.build_tables();
        for vector in 0..64 {
            let entry = gate(KERNEL_CODE, 0x8000 + vector * 16, 0x8e, 0);
            machine.platform.load_u64(IDT + u64::from(vector) * 8, entry);
        }
        machine.cpu.idtr.limit = 64 * 8 - 1;
        machine.cpu.set_flat_protected(0x7000, KERNEL_CODE, KERNEL_DATA);
        machine.cpu.regs[4] = 0x6000;
        machine.cpu.tr = Segment::new(TSS_SELECTOR, TSS, 0x67, SegmentAttributes(0x8b));
        machine
    }

    /// 64-bit mode at CPL 0: the low 4 MiB mapped one to one for user and supervisor, an IDT of 64
    /// interrupt gates to 0x8000 + 16 * vector.
    pub fn long() -> Self {
        let mut machine = Self::new();
        machine.build_tables();
        machine.identity_map();
        for vector in 0..64u32 {
            let at = IDT + u64::from(vector) * 16;
            machine.platform.load_u64(at, gate(KERNEL_CODE64, 0x8000 + vector * 16, 0x8e, 0));
            machine.platform.load_u64(at + 8, 0);
        }
        machine.cpu.idtr.limit = 64 * 16 - 1;
        machine.cpu.set_long_mode(0x7000, TABLES, KERNEL_CODE64, KERNEL_DATA);
        machine.cpu.regs[4] = 0x6000;
        machine.cpu.tr = Segment::new(TSS_SELECTOR, TSS, 0x67, SegmentAttributes(0x8b));
        machine
    }

    /// Four-level tables at [`TABLES`] that map the low 2 MiB by 4 KiB pages, all rights, and the
    /// next 2 MiB by one large page.
    pub fn identity_map(&mut self) {
        self.platform.load_u64(TABLES, (TABLES + 0x1000) | 7);
        self.platform.load_u64(TABLES + 0x1000, (TABLES + 0x2000) | 7);
        self.platform.load_u64(TABLES + 0x2000, (TABLES + 0x3000) | 7);
        self.platform.load_u64(TABLES + 0x2008, 0x20_0000 | 0x87);
        for page in 0..512 {
            self.platform.load_u64(TABLES + 0x3000 + page * 8, page << 12 | 7);
        }
    }

    /// The address of the 4 KiB page's entry in the tables of [`identity_map`](Self::identity_map).
    pub fn pte(page: u64) -> u64 {
        TABLES + 0x3000 + (page >> 12) * 8
    }

    fn build_tables(&mut self) {
        for (i, entry) in [
            0,
            descriptor(0, 0xf_ffff, CODE32),
            descriptor(0, 0xf_ffff, DATA32),
            descriptor(0, 0xf_ffff, CODE32 | DPL3),
            descriptor(0, 0xf_ffff, DATA32 | DPL3),
            descriptor(TSS as u32, 0x67, 0x8b),
            0,
            descriptor(0, 0xf_ffff, CODE64),
            descriptor(0, 0xf_ffff, CODE64 | DPL3),
        ]
        .into_iter()
        .enumerate()
        {
            self.platform.load_u64(GDT + i as u64 * 8, entry);
        }
        // The I/O permission bitmap lies past the limit: no ports.
        self.platform.load_u32(TSS + 0x64, 0xffff_0000);
        self.cpu.gdtr = aero_cpu::DescriptorTable { base: GDT, limit: 0xff };
        self.cpu.idtr.base = IDT;
    }

    /// Sets a descriptor of the GDT.
    pub fn set_gdt(&mut self, selector: u16, entry: u64) {
        self.platform.load_u64(GDT + u64::from(selector & 0xfff8), entry);
    }

    pub fn exec(&mut self) -> Exec<'_> {
        Exec::new(&mut self.cpu, &self.signals, &mut self.platform)
    }

    /// Goes to CPL 3 with flat 32-bit segments.
    pub fn go_user(&mut self) {
        let flat = |selector, attributes| {
            Segment::new(selector, 0, u32::MAX, SegmentAttributes(attributes))
        };
        let code = if self.cpu.mode() == Mode::Long64 { CODE64 } else { CODE32 };
        self.cpu.segs[SegReg::Cs as usize] = flat(USER_CODE, code | DPL3);
        for which in [SegReg::Ss, SegReg::Ds, SegReg::Es, SegReg::Fs, SegReg::Gs] {
            self.cpu.segs[which as usize] = flat(USER_DATA, DATA32 | DPL3);
            self.cpu.segment_changed(which);
        }
        self.cpu.set_cpl(3);
        self.cpu.mode_changed();
    }

    /// The stack of level 0 in the 32-bit TSS.
    pub fn set_stack0(&mut self, esp: u32, ss: u16) {
        self.platform.load_u32(TSS + 4, esp);
        self.platform.load_u32(TSS + 8, ss.into());
    }

    pub fn selector(&self, which: SegReg) -> u16 {
        self.cpu.seg(which).selector
    }
}

/// Vector and error code.
pub fn fault<T: std::fmt::Debug>(result: Result<T, Exception>) -> (u8, Option<u32>) {
    let exception = result.expect_err("this must fault");
    (exception.vector, exception.error_code)
}
