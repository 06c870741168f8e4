//! Where the code of an input begins: a mode, tables, registers.

use aero_cpu::bits::{cr0, cr4, efer, rflags};
use aero_cpu::{
    CpuModel, DescriptorTable, Exec, F80, Flags, SegReg, Segment, SegmentAttributes, Vcpu,
};

use crate::input::{Input, Random};
use crate::world::{DEVICE, Image, RAM, ROM, World};

// Physical addresses.
const GDT: u64 = 0x1000;
const LDT: u64 = 0x1800;
const IDT: u64 = 0x2000;
const TSS: u64 = 0x3000;
const TSS16: u64 = 0x3800;
/// Four bytes for each vector.
const HANDLERS: u64 = 0x9000;
const CODE: u64 = 0x1_0000;
const STACK: u64 = 0x2_0000;
const DATA: u64 = 0x3_0000;
/// Page tables: of 32-bit paging, PAE and 4-level paging.
const TABLES32: u64 = 0x8_0000;
const TABLES_PAE: u64 = 0x8_2000;
const TABLES64: u64 = 0x8_8000;

const ENTRIES: u64 = 64;

/// Attribute words: present, S, and the type with the accessed bit set.
mod attributes {
    pub const CODE16: u16 = 0x09b;
    pub const CODE32: u16 = 0xc9b;
    pub const CODE64: u16 = 0xa9b;
    pub const DATA16: u16 = 0x093;
    pub const DATA32: u16 = 0xc93;
    pub const DPL3: u16 = 0x060;
}
use attributes::{CODE16, CODE32, CODE64, DATA16, DATA32, DPL3};

/// The first descriptors of the GDT, by index: base, limit, attributes.
const DESCRIPTORS: &[(u32, u32, u16)] = &[
    (0, 0, 0),
    (0, 0xf_ffff, CODE32),
    (0, 0xf_ffff, DATA32),
    (0, 0xf_ffff, CODE32 | DPL3),
    (0, 0xf_ffff, DATA32 | DPL3),
    (0, 0xf_ffff, CODE64),
    (0, 0xf_ffff, CODE64 | DPL3),
    (0, 0xf_ffff, CODE16),
    (0, 0xf_ffff, CODE16 | DPL3),
    (0, 0xffff, DATA16),
    (0, 0xffff, DATA16 | DPL3),
    (TSS as u32, 0x67, 0x8b),
    (0, 0, 0), // the upper half of that in long mode
    (TSS as u32, 0x7ff, 0x89),
    (0, 0, 0),
    (TSS16 as u32, 0x2b, 0x81),
    (LDT as u32, 0x7f, 0x82),
    (0, 0, 0),
    // Expand-down, read-only, execute-only and conforming ones; not present; small.
    (DATA as u32, 0xfff, 0x097 | DPL3),
    (DATA as u32, 0x7fff, 0x091 | DPL3),
    (0, 0xf_ffff, 0xc99 | DPL3),
    (0, 0xf_ffff, 0xc9f),
    (0, 0xf_ffff, 0xc13),
    (DATA as u32 + 3, 0x11, DATA16 | DPL3),
    // A call gate comes after these.
];
const CALL_GATE: u64 = DESCRIPTORS.len() as u64;
const TSS_SELECTOR: u16 = 11 * 8;
const LDT_SELECTOR: u16 = 16 * 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Real,
    V86,
    Prot16,
    Prot32,
    Paged32,
    Pae,
    Long,
    Compat32,
    Compat16,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Long,
        Self::Prot32,
        Self::Real,
        Self::V86,
        Self::Prot16,
        Self::Paged32,
        Self::Pae,
        Self::Compat32,
        Self::Compat16,
        Self::Long,
        Self::Long,
        Self::Pae,
    ];

    const fn is_long(self) -> bool {
        matches!(self, Self::Long | Self::Compat32 | Self::Compat16)
    }
}

/// Where and how an input starts.
#[derive(Debug)]
pub(super) struct Scene {
    kind: Kind,
    model: u8,
    user: bool,
    paged: bool,
    rflags: u32,
    control: u32,
    /// Where in the last page of code the input's begins.
    offset: u16,
    registers: [u8; 16],
    segments: [u8; 6],
    breakpoints: u32,
    mxcsr: u16,
    fpu_control: u16,
    seed: u64,
    code: Vec<u8>,
}

fn descriptor(base: u32, limit: u32, attributes: u16) -> u64 {
    let (base, limit, attributes) = (u64::from(base), u64::from(limit), u64::from(attributes));
    limit & 0xffff
        | (base & 0xff_ffff) << 16
        | (attributes & 0xff) << 40
        | (limit >> 16 & 0xf) << 48
        | (attributes >> 8) << 52
        | (base >> 24) << 56
}

fn gate(selector: u16, offset: u32, kind: u8) -> u64 {
    u64::from(offset & 0xffff)
        | u64::from(selector) << 16
        | u64::from(kind) << 40
        | u64::from(offset >> 16) << 48
}

/// A register's first value, by a byte that chooses.
fn register_value(choice: u8, random: &mut Random) -> u64 {
    const HIGH: u64 = 0xffff_8000_0000_0000;
    let fine = random.below(64);
    match choice % 24 {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => DATA,
        4 => DATA + 0xff8 + random.below(16),
        5 => STACK + 0x800,
        6 => CODE + random.below(0x1000),
        7 => DEVICE + random.below(0x100),
        8 => 0xc000_0000 + random.below(0x100),
        9 => RAM - 4 + random.below(8),
        10 => 0xffff_fff0 + random.below(16),
        11 => 0x7fff_ffff_fff0 + random.below(32),
        12 => HIGH + DATA + fine,
        13 => ROM + fine,
        14 => random.next(),
        15 => random.next() & 0xffff_ffff,
        16 => 1 << fine,
        17 => random.below(256),
        18 => DATA + random.below(0x4000),
        19 => fine.wrapping_neg(),
        20 => TABLES64 + random.below(0x4000),
        21 => [GDT, IDT, TSS, HANDLERS][(fine % 4) as usize] + random.below(0x40),
        22 => 0x8000_0000,
        _ => DATA + fine * 8,
    }
}

impl Scene {
    pub fn read(input: &mut Input<'_>, most_code: usize) -> Self {
        let [kind, model, bits] = input.bytes();
        let mut scene = Self {
            kind: Kind::ALL[usize::from(kind) % Kind::ALL.len()],
            model,
            user: bits & 1 != 0,
            paged: bits & 2 != 0,
            rflags: input.u32(),
            control: input.u32(),
            offset: input.u16(),
            registers: input.bytes(),
            segments: input.bytes(),
            breakpoints: input.u32(),
            mxcsr: input.u16(),
            fpu_control: input.u16(),
            seed: input.u64(),
            code: Vec::new(),
        };
        if scene.kind == Kind::V86 {
            scene.user = true;
        } else if scene.kind == Kind::Real {
            scene.user = false;
        }
        let rest = std::mem::replace(input, Input::new(&[])).rest();
        scene.code = rest[..rest.len().min(most_code)].to_vec();
        scene
    }

    /// The name of the processor's model: one that has long mode, or any.
    pub fn model(&self) -> &'static str {
        let names = if self.kind.is_long() { &CpuModel::NAMES[..3] } else { CpuModel::NAMES };
        // The first is the default one, and the one most worth the time.
        names.get(usize::from(self.model) % 16).unwrap_or(&names[0])
    }

    fn is_paged(&self) -> bool {
        match self.kind {
            Kind::Paged32 | Kind::Pae | Kind::Long | Kind::Compat32 | Kind::Compat16 => true,
            Kind::Prot16 | Kind::Prot32 | Kind::V86 => self.paged,
            Kind::Real => false,
        }
    }

    /// Where the code begins, as a linear and physical address.
    fn entry(&self) -> u64 {
        // Near the end of a page now and then, for instructions that cross it.
        let offset = self.offset & 0x1fff;
        CODE + u64::from(if self.offset & 0x8000 != 0 { 0xff0 | offset & 0xf } else { offset })
    }

    /// What is in memory.
    pub fn image(&self) -> Image {
        let mut image = Image::new();
        let mut random = Random::new(self.seed);
        self.fill_memory(&mut image, &mut random);
        self.write_tables(&mut image, &mut random);
        if self.is_paged() {
            self.write_paging(&mut image, &mut random);
        }
        image
    }

    /// What is in the processor, which starts in a world with that memory.
    pub fn set(&self, world: &mut World, cpu: &mut Vcpu) {
        let mut random = Random::new(!self.seed);
        for (register, choice) in cpu.regs.iter_mut().zip(self.registers) {
            *register = register_value(choice, &mut random);
        }
        if self.registers[4] < 0xc0 {
            cpu.regs[4] = STACK + 0x800;
        }
        if !self.kind.is_long() {
            // Nothing that could be executed has put anything there.
            for register in &mut cpu.regs {
                *register &= u64::from(u32::MAX);
            }
        }
        self.set_mode(world, cpu);
        self.set_segments(cpu);
        self.set_rest(world, cpu, &mut random);
    }

    fn fill_memory(&self, image: &mut Image, random: &mut Random) {
        const NUMBERS: [u64; 12] = [
            0,
            u64::MAX,
            0x3ff0_0000_0000_0000,
            0x7ff0_0000_0000_0000,
            0xfff8_0000_0000_0000,
            0x7ff0_0000_0000_0001,
            0x0000_0000_0000_0001,
            0x8000_0000_0000_0000,
            0x7f80_0000_3f80_0000,
            0x0080_0000_ffc0_0000,
            0x4330_0000_0000_0000,
            0x7fff_ffff_8000_0000,
        ];
        for page in 0..2 {
            for word in 0..64 {
                let value = match random.below(3) {
                    0 => random.next(),
                    _ => NUMBERS[random.below(12) as usize],
                };
                image.put_u64(DATA + page * 0xfe0 + word * 8, value);
                if word < 8 {
                    image.put_u64(STACK + 0x800 + word * 8, value);
                }
            }
        }
        image.put(self.entry(), &self.code);
    }

    fn write_tables(&self, image: &mut Image, random: &mut Random) {
        for (i, (base, limit, attributes)) in DESCRIPTORS.iter().enumerate() {
            image.put_u64(GDT + i as u64 * 8, descriptor(*base, *limit, *attributes));
        }
        let long = self.kind.is_long();
        let kernel: u16 = if long { 5 * 8 } else { 8 };
        image.put_u64(GDT + CALL_GATE * 8, gate(kernel, HANDLERS as u32, 0xec));
        // A few of any kind, in both tables.
        for i in CALL_GATE + 2..CALL_GATE + 8 {
            let attributes = random.next() as u16 & 0xfff | 0x80;
            let entry = match random.below(2) {
                0 => descriptor(random.below(RAM) as u32, random.next() as u32, attributes),
                _ => gate(kernel, random.below(RAM) as u32, attributes as u8),
            };
            image.put_u64(GDT + i * 8, entry);
            image.put_u64(LDT + (i - CALL_GATE) * 8, entry.rotate_left(random.below(2) as u32));
        }
        // Returns, stops, or random code behind each vector.
        let style = random.below(4);
        for vector in 0..256u64 {
            let code = match (style, random.below(8)) {
                (0, _) => 0x90f4_f4fa_u32,
                (_, 0) => random.next() as u32,
                // Drops an error code (or part of the frame) first.
                (1, _) | (_, 1) => 0xcf48_0858,
                _ => u32::from_le_bytes(if long { [0x48, 0xcf, 0xf4, 0xf4] } else { [0xcf; 4] }),
            };
            let at = HANDLERS + vector * 4;
            image.put_u32(at, code);
            if self.kind == Kind::Real {
                image.put_u32(vector * 4, at as u32);
            }
            let kind = match random.below(16) {
                0 => 0xef,
                1 => 0x86,
                2 => 0x85,
                3 => 0x0e,
                4 => random.next() as u8,
                5..8 => 0xee,
                _ => 0x8e,
            };
            let selector = if kind & 0x1f == 5 { 13 * 8 } else { kernel };
            let entry = gate(selector, at as u32, kind);
            if long {
                let ist = if random.below(8) == 0 { random.below(8) } else { 0 };
                image.put_u64(IDT + vector * 16, entry | ist << 32);
                image.put_u64(IDT + vector * 16 + 8, 0);
            } else {
                image.put_u64(IDT + vector * 8, entry);
            }
        }
        self.write_task_states(image, random);
    }

    fn write_task_states(&self, image: &mut Image, random: &mut Random) {
        let stack = STACK + 0x2000;
        if self.kind.is_long() {
            for slot in 0..11 {
                let pointer = if random.below(16) == 0 { random.next() } else { stack };
                image.put_u64(TSS + 4 + slot * 8, pointer);
            }
        } else {
            for level in 0..3 {
                image.put_u32(TSS + 4 + level * 8, stack as u32);
                image.put_u32(TSS + 8 + level * 8, 2 * 8);
            }
            // What a switch to this task loads: CR3, EIP, EFLAGS, eight registers, segments.
            let cr3 = if self.kind == Kind::Pae { TABLES_PAE } else { TABLES32 };
            image.put_u32(TSS + 0x1c, cr3 as u32);
            image.put_u32(TSS + 0x20, HANDLERS as u32);
            image.put_u32(TSS + 0x24, random.next() as u32 & 0x2_7fff);
            image.put_u32(TSS + 0x38, stack as u32);
            for (i, index) in [2, 1, 2, 2, 2, 2].into_iter().enumerate() {
                image.put_u32(TSS + 0x48 + i as u64 * 4, index * 8);
            }
            for word in 0..22 {
                let value = random.below(0x40) as u32 * 8;
                image.put_u16(TSS16 + word * 2, value as u16);
            }
        }
        // The I/O permission bitmap: some ports are free.
        image.put_u16(TSS + 0x66, 0x68);
        for word in 0..32 {
            image.put_u32(TSS + 0x68 + word * 4, if random.below(2) == 0 { 0 } else { u32::MAX });
        }
    }

    /// Maps the RAM one to one, but for a few pages of data, whose entries are of every kind.
    fn write_paging(&self, image: &mut Image, random: &mut Random) {
        const ALL: u64 = 7;
        let special = |random: &mut Random, page: u64| {
            let frame = match random.below(6) {
                0 => DEVICE,
                1 => 0xc000_0000,
                2 => ROM,
                3 => CODE,
                4 => DATA,
                _ => page << 12,
            };
            frame | random.next() & 0x1ff
        };
        image.put_u64(TABLES_PAE, (TABLES_PAE + 0x1000) | 1);
        image.put_u64(TABLES_PAE + 8, (TABLES_PAE + 0x1000) | 1);
        image.put_u64(TABLES_PAE + 24, (TABLES_PAE + 0x1000) | 1);
        for slot in [0, 256, 511] {
            image.put_u64(TABLES64 + slot * 8, (TABLES64 + 0x1000) | ALL);
        }
        for slot in [0, 3, 511] {
            image.put_u64(TABLES64 + 0x1000 + slot * 8, (TABLES64 + 0x2000) | ALL);
        }
        for slot in [0, 512, 768, 1023] {
            image.put_u32(TABLES32 + slot * 4, (TABLES32 + 0x1000) as u32 | ALL as u32);
        }
        for table in [TABLES_PAE + 0x1000, TABLES64 + 0x2000] {
            for slot in [0, 511] {
                image.put_u64(table + slot * 8, (table + 0x1000) | ALL);
            }
            // A large page over the same memory.
            image.put_u64(table + 8, ALL | 0x80);
        }
        image.put_u32(TABLES32 + 4, ALL as u32 | 0x80);
        for page in 0..RAM >> 12 {
            let data = DATA >> 12..(DATA >> 12) + 4;
            let odd = data.contains(&page) || page == (STACK >> 12) + 1 || page == (CODE >> 12) + 2;
            let entry =
                if odd && random.below(2) == 0 { special(random, page) } else { page << 12 | ALL };
            let execute_disable = if odd { random.below(2) << 63 } else { 0 };
            image.put_u32(TABLES32 + 0x1000 + page * 4, entry as u32);
            image.put_u64(TABLES_PAE + 0x2000 + page * 8, entry | execute_disable);
            image.put_u64(TABLES64 + 0x3000 + page * 8, entry | execute_disable);
        }
    }

    fn set_mode(&self, world: &mut World, cpu: &mut Vcpu) {
        let entry = self.entry();
        let bit = |n: u32| self.control >> n & 1 != 0;
        if self.kind != Kind::Real {
            cpu.gdtr = DescriptorTable { base: GDT, limit: (ENTRIES * 8 - 1) as u16 };
            cpu.idtr = DescriptorTable { base: IDT, limit: 0xfff };
            cpu.tr = Segment::new(TSS_SELECTOR, TSS, 0x7ff, SegmentAttributes(0x8b));
            cpu.ldtr = Segment::new(LDT_SELECTOR, LDT, 0x7f, SegmentAttributes(0x82));
        }
        if self.kind.is_long() {
            cpu.set_long_mode(entry, TABLES64, 5 * 8, 2 * 8);
            if bit(13) {
                cpu.efer &= !efer::NXE;
            }
        } else if self.kind == Kind::Real {
            cpu.set_real_mode_entry((CODE >> 4) as u16, (entry - CODE) as u16);
        } else {
            cpu.set_flat_protected(entry as u32, 8, 2 * 8);
            if self.kind == Kind::Pae && bit(13) {
                cpu.efer |= efer::NXE;
            }
        }
        let mut control = cpu.cr4;
        let switches = [
            (0, cr4::PGE),
            (1, cr4::DE),
            (2, cr4::TSD),
            (5, cr4::PSE),
            (6, cr4::PCE),
            (14, cr4::MCE),
        ];
        for (n, value) in switches {
            control |= if bit(n) { value } else { 0 };
        }
        // Mostly on: without them there is little to execute.
        if !(bit(3) && bit(7)) {
            control |= cr4::OSFXSR;
        }
        control |= if bit(4) { cr4::OSXMMEXCPT } else { 0 };
        if self.kind == Kind::Pae {
            control |= cr4::PAE;
        }
        let mut machine = cpu.cr0 | if self.is_paged() { cr0::PG } else { 0 };
        for (n, value) in [(8, cr0::WP), (9, cr0::AM), (15, cr0::NE), (16, cr0::MP)] {
            machine = if bit(n) { machine | value } else { machine & !value };
        }
        for (n, value) in [(10, cr0::TS), (11, cr0::EM)] {
            machine |= if bit(n) && bit(12) { value } else { 0 };
        }
        let cr3 = if self.kind == Kind::Pae { TABLES_PAE } else { TABLES32 };
        let signals = world.signals.clone();
        let mut exec = Exec::new(cpu, &signals, world);
        // A model may lack some of these; what it has is set.
        for n in 0..32 {
            let one = control & 1 << n;
            if one != 0 {
                let _ = exec.write_cr(4, exec.cpu.cr4 | one);
            }
        }
        if !self.kind.is_long() {
            exec.write_cr(3, cr3).expect("the tables are good");
        }
        exec.write_cr(0, machine).expect("a valid combination");
    }

    fn set_segments(&self, cpu: &mut Vcpu) {
        let dpl = if self.user { DPL3 } else { 0 };
        let rpl = if self.user { 3 } else { 0 };
        if self.kind == Kind::V86 {
            cpu.flags = Flags::from_rflags(rflags::FIXED | rflags::VM);
            for which in SegReg::ALL {
                let paragraph = match which {
                    SegReg::Cs => CODE >> 4,
                    SegReg::Ss => STACK >> 4,
                    _ => {
                        [DATA, 0, CODE, DEVICE][usize::from(self.segments[which as usize] & 3)] >> 4
                    }
                };
                cpu.segs[which as usize] =
                    Segment::new(paragraph as u16, paragraph << 4, 0xffff, SegmentAttributes::V86);
            }
            cpu.rip = self.entry() - CODE;
            cpu.regs[4] &= 0xffff;
        } else if self.kind == Kind::Real {
            for which in [SegReg::Es, SegReg::Ss, SegReg::Ds, SegReg::Fs, SegReg::Gs] {
                let choice = usize::from(self.segments[which as usize] & 3);
                let paragraph =
                    if which == SegReg::Ss { STACK } else { [DATA, 0, CODE, DEVICE][choice] };
                cpu.segs[which as usize] = Segment::real((paragraph >> 4) as u16);
            }
            // Unreal mode, now and then.
            if self.segments[1] & 7 == 7 {
                cpu.segs[SegReg::Ds as usize].limit = u32::MAX;
            }
            cpu.regs[4] &= 0xffff;
        } else {
            let (code, index) = match self.kind {
                Kind::Long => (CODE64, 5),
                Kind::Compat32 | Kind::Prot32 | Kind::Paged32 | Kind::Pae => (CODE32, 1),
                _ => (CODE16, 7),
            };
            let selector = (index
                + if !self.user {
                    0
                } else if index == 1 {
                    2
                } else {
                    1
                })
                * 8
                + rpl;
            let limit = if code == CODE16 { 0xf_ffff } else { u32::MAX };
            cpu.segs[SegReg::Cs as usize] =
                Segment::new(selector, 0, limit, SegmentAttributes(code | dpl));
            cpu.set_cpl(rpl as u8);
            for which in [SegReg::Es, SegReg::Ss, SegReg::Ds, SegReg::Fs, SegReg::Gs] {
                let selector = if self.user { 4 * 8 + 3 } else { 2 * 8 };
                let flat = Segment::new(selector, 0, u32::MAX, SegmentAttributes(DATA32 | dpl));
                let choice =
                    if which == SegReg::Ss { 0 } else { self.segments[which as usize] % 12 };
                cpu.segs[which as usize] = match choice {
                    8 => Segment::null(0),
                    9 => Segment::new(18 * 8 + rpl, DATA, 0xfff, SegmentAttributes(0x097 | DPL3)),
                    10 => {
                        Segment::new(23 * 8 + rpl, DATA + 3, 0x11, SegmentAttributes(DATA16 | DPL3))
                    }
                    11 => Segment { base: 0xffff_ff00, ..flat },
                    _ => flat,
                };
            }
        }
        cpu.mode_changed();
        for which in SegReg::ALL {
            cpu.segment_changed(which);
        }
        let kept = cpu.flags.rflags() & rflags::VM;
        let allowed = rflags::ALL & !rflags::VM;
        // Single step is rare: it would keep everything else from being seen.
        let stepping = if self.rflags >> 24 & 7 == 7 { 0 } else { rflags::TF };
        cpu.flags =
            Flags::from_rflags(kept | rflags::FIXED | u64::from(self.rflags) & allowed & !stepping);
        cpu.mode_changed();
    }

    fn set_rest(&self, world: &mut World, cpu: &mut Vcpu, random: &mut Random) {
        for register in &mut cpu.xmm {
            let half = |random: &mut Random| match random.below(4) {
                0 => 0,
                1 => random.next() & 0x7fff_ffff_7fff_ffff,
                _ => random.next(),
            };
            *register = u128::from(half(random)) << 64 | u128::from(half(random));
        }
        cpu.mxcsr = u32::from(self.mxcsr) ^ 0x1f80;
        if cpu.model.has(aero_cpu::Features::FPU) {
            cpu.fpu.control = self.fpu_control ^ 0x37f;
            cpu.fpu.tags = random.next() as u8;
            cpu.fpu.top = random.below(8) as u8;
            let exponents = [0, 1, 0x3fff, 0x4000, 0x403e, 0x7ffe, 0x7fff, 0x3f00];
            for register in &mut cpu.fpu.regs {
                let exponent = exponents[random.below(8) as usize];
                let mantissa = match random.below(4) {
                    0 => 0,
                    1 => 1 << 63,
                    2 => random.next() | 1 << 63,
                    _ => random.next(),
                };
                *register = F80::new(random.below(2) != 0, exponent, mantissa);
            }
        }
        if self.breakpoints & 7 == 7 {
            let signals = world.signals.clone();
            let user = cpu.cpl();
            cpu.set_cpl(0);
            let mut exec = Exec::new(cpu, &signals, world);
            for (n, at) in [self.entry() + 2, DATA, DATA + 0xffc, 0x60].into_iter().enumerate() {
                let _ = exec.write_dr(n as u32, at);
            }
            let _ = exec.write_dr(7, u64::from(self.breakpoints >> 3));
            drop(exec);
            cpu.set_cpl(user);
            cpu.mode_changed();
        }
    }
}
