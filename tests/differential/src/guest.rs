//! The one under test: a CPU backend in a small long-mode machine with Linux's selectors and the same
//! pages at the same addresses. Each case runs at privilege level 3 and ends with an exception, whose
//! handler halts; its frame on the kernel's stack and the registers are what the case left.

use aero_bus::{PAGE_SIZE, Placed};
use aero_cpu::bits::{cr0, cr4};
use aero_cpu::testing::TestPlatform;
use aero_cpu::{
    Activity, CpuBackend, CpuExit, CpuModel, CpuSignals, F80, RSP, SegReg, Segment,
    SegmentAttributes, Vcpu,
};
use aero_test_backends::backend;

use crate::case::{CS, DEAD, FxImage, HANG, Input, MAX_CODE, Output, SS, State, fx};
use crate::layout::{AREAS, CODE, CODE_PAGES, IMAGE_PAGES, IMAGE_WORDS, PAGE, baseline, selector};

/// Physical addresses.
const PML4: u64 = 0x1000;
const PDPT_LOW: u64 = 0x2000;
const PD_LOW: u64 = 0x3000;
const PT: u64 = 0x4000;
const PDPT_HIGH: u64 = 0x5000;
const PD_HIGH: u64 = 0x6000;
const GDT: u64 = 0x7000;
const IDT: u64 = 0x8000;
const TSS: u64 = 0x9000;
/// A byte of HLT for each vector.
const HANDLERS: u64 = 0xa000;
const KERNEL_STACK: u64 = 0xc000;
/// The image, then the code.
const IMAGE: u64 = 0x10_0000;
const CODE_AT: u64 = IMAGE + (IMAGE_PAGES * PAGE) as u64;
/// Where the kernel sees physical memory.
const KERNEL: u64 = 0xffff_ffff_8000_0000;

const TSS_SELECTOR: u16 = 0x40;
/// Instructions after which a case never ends. A repeated one counts more than once only if it is
/// interrupted. A CALL to itself comes to the end of the stack before.
const BUDGET: u64 = 8192;
const INT3: u8 = 0xcc;
/// Cases after which the backend forgets what it knows.
const FORGET_EVERY: u64 = 256;

/// The machine.
pub struct Machine {
    platform: TestPlatform,
    signals: CpuSignals,
    cpu: Placed<Vcpu>,
    backend: Box<dyn CpuBackend>,
    /// Cases run.
    runs: u64,
    baseline: Box<[u64; IMAGE_WORDS]>,
}

fn user(selector: u16, attributes: u16) -> Segment {
    Segment::new(selector, 0, u32::MAX, SegmentAttributes(attributes))
}

impl Machine {
    /// A machine with a backend of this name and everything else in place.
    pub fn new(name: &str) -> Option<Self> {
        let model = CpuModel::named(CpuModel::NAMES[0]).expect("the default model");
        let mut platform = TestPlatform::new();
        platform.budget = BUDGET;
        let ram = platform.map.ram().clone();
        let backend = backend(name, &ram)?;
        let mut machine = Self {
            platform,
            signals: CpuSignals::placed(&ram).expect("there is room for a word"),
            cpu: Vcpu::placed(&ram, 0, model).expect("there is room for a processor"),
            backend,
            runs: 0,
            baseline: baseline(),
        };
        machine.write_tables();
        machine.write_descriptors();
        for (i, word) in machine.baseline.iter().enumerate() {
            machine.platform.load_u64(IMAGE + i as u64 * 8, *word);
        }
        machine.platform.load(CODE_AT, &[INT3; CODE_PAGES * PAGE]);
        machine.start();
        Some(machine)
    }

    fn write_tables(&self) {
        /// Present, writable, user, accessed.
        const TABLE: u64 = 0x27;
        /// Present, user, accessed, dirty.
        const PAGE_BITS: u64 = 0x65;
        const WRITABLE: u64 = 2;
        const NO_EXECUTE: u64 = 1 << 63;
        let set = |table: u64, index: u64, entry: u64| {
            self.platform.load_u64(table + (index & 511) * 8, entry);
        };
        set(PML4, 0, PDPT_LOW | TABLE);
        set(PDPT_LOW, CODE >> 30, PD_LOW | TABLE);
        set(PD_LOW, CODE >> 21, PT | TABLE);
        set(PML4, KERNEL >> 39, PDPT_HIGH | 0x23);
        set(PDPT_HIGH, KERNEL >> 30, PD_HIGH | 0x23);
        // A 2 MiB page for the kernel.
        set(PD_HIGH, KERNEL >> 21, 0xe3);
        for page in 0..CODE_PAGES as u64 {
            set(PT, (CODE >> 12) + page, (CODE_AT + page * PAGE_SIZE) | PAGE_BITS);
        }
        for area in AREAS {
            let write = if area.writable { WRITABLE } else { 0 };
            for page in 0..area.pages as u64 {
                let physical = IMAGE + (area.at as u64 + page) * PAGE_SIZE;
                set(PT, (area.start >> 12) + page, physical | PAGE_BITS | write | NO_EXECUTE);
            }
        }
    }

    fn write_descriptors(&self) {
        let load = |at: u64, value: u64| self.platform.load_u64(at, value);
        load(GDT + 0x08, 0x00cf_9b00_0000_ffff);
        load(GDT + u64::from(selector::KERNEL_CODE), 0x00af_9b00_0000_ffff);
        load(GDT + u64::from(selector::KERNEL_DATA), 0x00cf_9300_0000_ffff);
        load(GDT + u64::from(selector::CODE32 & !7), 0x00cf_fb00_0000_ffff);
        load(GDT + u64::from(selector::DATA & !7), 0x00cf_f300_0000_ffff);
        load(GDT + u64::from(selector::CODE64 & !7), 0x00af_fb00_0000_ffff);
        // RSP0.
        load(TSS + 4, KERNEL + KERNEL_STACK);
        // The I/O permission map begins past the end: there is none.
        load(TSS + 0x60, 0x68 << 48);
        for vector in 0..256 {
            let handler = KERNEL + HANDLERS + vector;
            // INT3 and INTO may be used by programs.
            let rights = if matches!(vector, 3 | 4) { 0xee00 } else { 0x8e00 };
            let low = handler & 0xffff
                | u64::from(selector::KERNEL_CODE) << 16
                | rights << 32
                | (handler >> 16 & 0xffff) << 48;
            load(IDT + vector * 16, low);
            load(IDT + vector * 16 + 8, handler >> 32);
            self.platform.load(HANDLERS + vector, &[0xf4]);
        }
    }

    /// Puts the processor into long mode, as Linux has it.
    fn start(&mut self) {
        let cpu = &mut *self.cpu;
        cpu.reset();
        cpu.set_long_mode(KERNEL, PML4, selector::KERNEL_CODE, selector::KERNEL_DATA);
        cpu.cr0 |= cr0::AM | cr0::MP | cr0::NE | cr0::WP;
        cpu.cr4 |= cr4::OSFXSR | cr4::OSXMMEXCPT;
        cpu.gdtr.base = KERNEL + GDT;
        cpu.gdtr.limit = 0x7f;
        cpu.idtr.base = KERNEL + IDT;
        cpu.idtr.limit = 0xfff;
        cpu.ldtr = Segment::null(0);
        cpu.tr = Segment::new(TSS_SELECTOR, KERNEL + TSS, 0x67, SegmentAttributes(0x8b));
        cpu.mode_changed();
        cpu.flush_tlb();
        self.backend.flush();
    }

    fn enter(&mut self, input: &Input) {
        let image = self.image();
        for (place, byte) in input.patched() {
            // SAFETY: the image is that long, and nothing else uses it now.
            unsafe { image.cast::<u8>().add(place).write(byte) };
        }
        let first = (input.state.rip - CODE) as usize;
        let room = (CODE_PAGES * PAGE).saturating_sub(first);
        let code = &input.code()[..input.code().len().min(room)];
        self.platform.map.write(CODE_AT + first as u64, code);
        let cpu = &mut *self.cpu;
        cpu.set_activity(Activity::Running);
        let long = input.bits == 64;
        for which in SegReg::ALL {
            cpu.segs[which as usize] = match which {
                SegReg::Cs if long => user(selector::CODE64, 0xafb),
                SegReg::Cs => user(selector::CODE32, 0xcfb),
                SegReg::Ss => user(selector::DATA, 0xcf3),
                _ => match input.state.selectors[which as usize] {
                    0 => Segment::null(0),
                    selector::CODE32 => user(selector::CODE32, 0xcfb),
                    data => user(data, 0xcf3),
                },
            };
        }
        cpu.segs[SegReg::Fs as usize].base = input.state.bases[0];
        cpu.segs[SegReg::Gs as usize].base = input.state.bases[1];
        cpu.set_cpl(3);
        cpu.flags.set_rflags(input.state.rflags | 0x202);
        cpu.mode_changed();
        for which in SegReg::ALL {
            cpu.segment_changed(which);
        }
        cpu.regs = input.state.regs;
        cpu.rip = input.state.rip;
        cpu.cr2 = 0;
        load_fx(cpu, &input.state.fx);
    }

    fn leave(&mut self, input: &Input, output: &mut Output, exit: CpuExit) {
        output.cr2 = self.cpu.cr2;
        output.error = 0;
        output.state.fx = store_fx(&self.cpu);
        output.state.regs = self.cpu.regs;
        for which in SegReg::ALL {
            output.state.selectors[which as usize] = self.cpu.segs[which as usize].selector;
        }
        output.state.bases =
            [SegReg::Fs, SegReg::Gs].map(|which| self.cpu.segs[which as usize].base);
        let handler = self.cpu.rip.wrapping_sub(KERNEL + HANDLERS + 1);
        match exit {
            CpuExit::Halted if handler < 256 => {
                output.vector = handler as u32;
                let mut frame = self.cpu.regs[RSP].wrapping_sub(KERNEL) & 0xf_ffff;
                if matches!(handler, 8 | 10..=14 | 17) {
                    output.error = self.platform.u32_at(frame);
                    frame += 8;
                }
                let word = |i: u64| self.platform.u64_at(frame + i * 8);
                output.state.rip = word(0);
                output.state.rflags = word(2);
                output.state.regs[RSP] = word(3);
                (output.state.selectors[CS], output.state.selectors[SS]) =
                    (word(1) as u16, word(4) as u16);
            }
            _ => {
                output.vector = if exit == CpuExit::Budget { HANG } else { DEAD };
                output.state.rip = self.cpu.rip;
                output.state.rflags = self.cpu.flags.rflags();
                self.start();
            }
        }
        let image = self.image();
        // SAFETY: the image is that long, and nothing else uses it now.
        unsafe { output.collect(image, &self.baseline[..]) };
        let first = (input.state.rip - CODE) as usize;
        let len = input.code().len().min((CODE_PAGES * PAGE).saturating_sub(first));
        self.platform.map.write(CODE_AT + first as u64, &[INT3; MAX_CODE][..len]);
    }

    fn image(&self) -> *mut u64 {
        let (block, _) = self.platform.map.ram().host_block();
        // SAFETY: RAM begins at the block's beginning and reaches past the image.
        unsafe { block.add(IMAGE as usize).cast() }
    }
}

impl Machine {
    /// Runs a case.
    pub fn run(&mut self, input: &Input, output: &mut Output) {
        // Else what there is to find behind an indirect jump grows with each case.
        if self.runs.is_multiple_of(FORGET_EVERY) {
            self.backend.flush();
        }
        self.runs += 1;
        self.enter(input);
        let outcome = self.backend.run(&mut self.cpu, &self.signals, &mut self.platform);
        self.leave(input, output, outcome.exit);
    }
}

fn load_fx(cpu: &mut Vcpu, image: &FxImage) {
    let fpu = &mut cpu.fpu;
    fpu.set_status_word(image.u16(fx::FSW));
    fpu.set_control_word(image.u16(fx::FCW));
    fpu.tags = image.u16(fx::FTW) as u8;
    fpu.opcode = image.u16(fx::FOP) & 0x7ff;
    fpu.instruction_pointer = image.u64(fx::FIP);
    fpu.data_pointer = image.u64(fx::FDP);
    (fpu.instruction_selector, fpu.data_selector) = (0, 0);
    for i in 0..8 {
        let (sign_exponent, mantissa) = image.st(i);
        fpu.regs[(usize::from(fpu.top) + i) & 7] = F80 { mantissa, sign_exponent };
    }
    cpu.mxcsr = image.u32(fx::MXCSR);
    for (i, xmm) in cpu.xmm.iter_mut().enumerate() {
        *xmm = image.xmm(i);
    }
}

fn store_fx(cpu: &Vcpu) -> FxImage {
    let mut image = State::ZERO.fx;
    let fpu = &cpu.fpu;
    image.set(fx::FCW, &fpu.control.to_le_bytes());
    image.set(fx::FSW, &fpu.status_word().to_le_bytes());
    image.set(fx::FTW, &u16::from(fpu.tags).to_le_bytes());
    image.set(fx::FOP, &fpu.opcode.to_le_bytes());
    image.set(fx::FIP, &fpu.instruction_pointer.to_le_bytes());
    image.set(fx::FDP, &fpu.data_pointer.to_le_bytes());
    image.set(fx::MXCSR, &cpu.mxcsr.to_le_bytes());
    for i in 0..8 {
        let F80 { mantissa, sign_exponent } = fpu.regs[(usize::from(fpu.top) + i) & 7];
        image.set_st(i, (sign_exponent, mantissa));
    }
    for (i, xmm) in cpu.xmm.iter().enumerate() {
        image.set_xmm(i, *xmm);
    }
    image
}
