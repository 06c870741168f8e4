//! A machine of a processor, memory, a few ports and an interrupt line.

use aero_bus::{GuestRam, MemoryMap};
use aero_cpu::bits::{cr0, efer};
use aero_cpu::{
    CpuBackend, CpuExit, CpuModel, CpuSignals, Platform, RSP, RunOutcome, SegReg, Segment,
    SegmentAttributes, Signal, Vcpu,
};
use aero_interpreter::Interpreter;
use iced_x86::code_asm::CodeAssembler;

/// Page tables: PML4, PDPT, PD, then a table for the first 2 MiB.
pub const TABLES: u64 = 0x1000;
pub const GDT: u64 = 0x6000;
pub const IDT: u64 = 0x7000;
/// Handler n is a HLT at this address + n.
pub const HANDLERS: u64 = 0x9000;
pub const CODE: u64 = 0x1_0000;
pub const STACK: u64 = 0x3_0000;
/// Two pages of data; the page before is there, too.
pub const DATA: u64 = 0x4_0000;
pub const CODE_SELECTOR: u16 = 0x08;
pub const DATA_SELECTOR: u16 = 0x10;

/// A port whose write raises the interrupt line.
pub const RAISE_PORT: u16 = 0x40;
/// A port that counts its accesses and returns the count.
pub const COUNT_PORT: u16 = 0x50;
/// Physical memory that belongs to a device.
pub const DEVICE: u64 = 0xc000_0000;

pub struct World {
    pub memory: MemoryMap,
    pub budget: u64,
    /// What the interrupt controller delivers.
    pub vector: Option<u8>,
    pub counted: u32,
    /// (retired, address, bytes) of writes to the device.
    pub device_writes: Vec<(u64, u64, Vec<u8>)>,
    /// (retired, port, value) of writes to ports.
    pub port_writes: Vec<(u64, u16, u32)>,
    pub raise: bool,
}

pub struct Machine {
    pub world: World,
    pub signals: CpuSignals,
    pub cpu: Vcpu,
    pub interpreter: Interpreter,
}

struct Running<'a> {
    world: &'a mut World,
    signals: &'a CpuSignals,
}

impl Platform for Running<'_> {
    fn memory(&self) -> &MemoryMap {
        &self.world.memory
    }
    fn mmio_read(&mut self, _: u64, address: u64, data: &mut [u8]) {
        data.fill(address as u8);
    }
    fn mmio_write(&mut self, retired: u64, address: u64, data: &[u8]) {
        self.world.device_writes.push((retired, address, data.to_vec()));
        if self.world.raise {
            self.signals.set_intr(true);
        }
    }
    fn port_read(&mut self, _: u64, port: u16, data: &mut [u8]) {
        data.fill(0xff);
        if port == COUNT_PORT {
            self.world.counted += 1;
            data.fill(self.world.counted as u8);
        }
    }
    fn port_write(&mut self, retired: u64, port: u16, data: &[u8]) {
        let value = data.iter().rev().fold(0, |v, b| v << 8 | u32::from(*b));
        self.world.port_writes.push((retired, port, value));
        if port == RAISE_PORT {
            self.signals.set_intr(true);
        }
    }
    fn budget(&mut self) -> u64 {
        self.world.budget
    }
    fn acknowledge_interrupt(&mut self, _: u64) -> Option<u8> {
        self.signals.set_intr(false);
        self.world.vector.take()
    }
    fn tsc(&mut self, retired: u64) -> u64 {
        retired
    }
    fn apic_msr_read(&mut self, _: u64, _: u32) -> Option<u64> {
        None
    }
    fn apic_msr_write(&mut self, _: u64, _: u32, _: u64) -> Option<()> {
        None
    }
    fn cr8(&mut self) -> u8 {
        0
    }
    fn set_cr8(&mut self, _: u64, _: u8) {}
}

impl Machine {
    fn new() -> Self {
        let memory = MemoryMap::new(GuestRam::new(4 << 20, 0).unwrap());
        let model = CpuModel::named(CpuModel::NAMES[0]).unwrap();
        Self {
            world: World {
                memory,
                budget: 10_000,
                vector: None,
                counted: 0,
                device_writes: Vec::new(),
                port_writes: Vec::new(),
                raise: false,
            },
            signals: CpuSignals::new(),
            cpu: Vcpu::new(0, model),
            interpreter: Interpreter::new(),
        }
    }

    /// 64-bit mode, the first 2 MiB mapped one to one by small pages and the device by a large one.
    pub fn long() -> Self {
        let mut m = Self::new();
        let tables = [TABLES, TABLES + 0x1000, TABLES + 0x2000, TABLES + 0x3000];
        m.write(tables[0], &(tables[1] | 7).to_le_bytes());
        m.write(tables[1], &(tables[2] | 7).to_le_bytes());
        // The fourth gigabyte is the device's, by one 1 GiB page's worth of 2 MiB pages' first.
        m.write(tables[1] + 3 * 8, &((TABLES + 0x4000) | 7).to_le_bytes());
        m.write(TABLES + 0x4000, &(DEVICE | 0x87).to_le_bytes());
        m.write(tables[2], &(tables[3] | 7).to_le_bytes());
        for page in 0..512_u64 {
            m.write(tables[3] + page * 8, &(page << 12 | 7).to_le_bytes());
        }
        m.write(GDT + 8, &0x00af_9b00_0000_ffff_u64.to_le_bytes());
        m.write(GDT + 16, &0x00cf_9300_0000_ffff_u64.to_le_bytes());
        for vector in 0..256 {
            let handler = HANDLERS + vector;
            let gate = handler & 0xffff
                | u64::from(CODE_SELECTOR) << 16
                | 0x8e00 << 32
                | (handler >> 16) << 48;
            m.write(IDT + vector * 16, &gate.to_le_bytes());
            m.write(HANDLERS + vector, &[0xf4]);
        }
        m.cpu.set_long_mode(CODE, TABLES, CODE_SELECTOR, DATA_SELECTOR);
        m.cpu.gdtr.base = GDT;
        m.cpu.gdtr.limit = 0x17;
        m.cpu.idtr.base = IDT;
        m.cpu.idtr.limit = 0xfff;
        m.cpu.regs[RSP] = STACK;
        assert_ne!(m.cpu.efer & efer::LMA, 0);
        m
    }

    /// Flat 32-bit protected mode without paging.
    pub fn flat() -> Self {
        let mut m = Self::new();
        m.write(GDT + 8, &0x00cf_9b00_0000_ffff_u64.to_le_bytes());
        m.write(GDT + 16, &0x00cf_9300_0000_ffff_u64.to_le_bytes());
        for vector in 0..256 {
            let handler = HANDLERS + vector;
            let gate = handler & 0xffff
                | u64::from(CODE_SELECTOR) << 16
                | 0x8e00 << 32
                | (handler >> 16) << 48;
            m.write(IDT + vector * 8, &gate.to_le_bytes());
            m.write(HANDLERS + vector, &[0xf4]);
        }
        m.cpu.set_flat_protected(CODE as u32, CODE_SELECTOR, DATA_SELECTOR);
        m.cpu.gdtr.base = GDT;
        m.cpu.gdtr.limit = 0x17;
        m.cpu.idtr.base = IDT;
        m.cpu.idtr.limit = 0x7ff;
        m.cpu.regs[RSP] = STACK;
        m
    }

    /// Real mode, CS at 1000h and the data segments at 0; handlers as in the other modes.
    pub fn real() -> Self {
        let mut m = Self::new();
        for vector in 0..256 {
            let entry = HANDLERS + vector;
            m.write(vector * 4, &(entry as u32).to_le_bytes());
            m.write(HANDLERS + vector, &[0xf4]);
        }
        for which in [SegReg::Ds, SegReg::Es, SegReg::Ss] {
            m.cpu.segs[which as usize] = Segment::real(0);
        }
        m.cpu.idtr.base = 0;
        m.cpu.idtr.limit = 0x3ff;
        m.cpu.set_real_mode_entry((CODE >> 4) as u16, 0);
        m.cpu.regs[RSP] = 0x8000;
        assert_eq!(m.cpu.cr0 & cr0::PE, 0);
        m
    }

    /// The same with `emit`'s code at its entry.
    pub fn with(self, emit: impl FnOnce(&mut CodeAssembler)) -> Self {
        let bits = self.cpu.mode().code_bits();
        let mut a = CodeAssembler::new(bits).unwrap();
        emit(&mut a);
        let ip = self.cpu.rip;
        let code = a.assemble(ip).unwrap();
        self.write(self.cpu.code_linear(ip), &code);
        self
    }

    /// The same with these bytes at its entry.
    pub fn with_bytes(self, code: &[u8]) -> Self {
        self.write(self.cpu.code_linear(self.cpu.rip), code);
        self
    }

    pub fn write(&self, address: u64, data: &[u8]) {
        self.world.memory.write(address, data);
    }

    pub fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.world.memory.read(address, &mut data);
        data
    }

    pub fn read_u64(&self, address: u64) -> u64 {
        u64::from_le_bytes(self.read(address, 8).try_into().unwrap())
    }

    pub fn read_u32(&self, address: u64) -> u32 {
        u32::from_le_bytes(self.read(address, 4).try_into().unwrap())
    }

    pub fn read_u16(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.read(address, 2).try_into().unwrap())
    }

    /// Maps or unmaps a small page in long mode; the processor is not told.
    pub fn set_present(&mut self, page: u64, present: bool) {
        let entry = page & !0xfff | if present { 7 } else { 6 };
        self.write(TABLES + 0x3000 + (page >> 12) * 8, &entry.to_le_bytes());
        self.cpu.flush_tlb();
    }

    /// Runs up to `budget` instructions.
    pub fn run_for(&mut self, budget: u64) -> RunOutcome {
        self.world.budget = budget;
        let mut running = Running { world: &mut self.world, signals: &self.signals };
        self.interpreter.run(&mut self.cpu, &self.signals, &mut running)
    }

    /// Runs until HLT.
    pub fn run(&mut self) -> &mut Self {
        let outcome = self.run_for(1_000_000);
        assert_eq!(outcome.exit, CpuExit::Halted, "at {:#x}", self.cpu.rip);
        self
    }

    /// The vector whose handler the processor halted in.
    pub fn vector(&self) -> u64 {
        let at = self.cpu.code_linear(self.cpu.rip).wrapping_sub(HANDLERS + 1);
        assert!(at < 256, "halted at {:#x}, in no handler", self.cpu.rip);
        at
    }

    /// Runs, expects the fault `vector` in long mode, and returns the RIP that was pushed.
    pub fn expect_fault(&mut self, vector: u8) -> u64 {
        self.run();
        assert_eq!(self.vector(), u64::from(vector));
        let has_code = matches!(vector, 8 | 10..=14 | 17);
        self.read_u64(self.cpu.regs[RSP] + if has_code { 8 } else { 0 })
    }

    pub fn raise_interrupt(&mut self, vector: u8) {
        self.world.vector = Some(vector);
        self.signals.raise(Signal::INTR);
    }

    pub fn reg(&self, n: usize) -> u64 {
        self.cpu.regs[n]
    }

    pub fn set_segment(&mut self, which: SegReg, segment: Segment) {
        self.cpu.segs[which as usize] = segment;
        self.cpu.segment_changed(which);
    }

    pub fn data_segment(base: u64, limit: u32) -> Segment {
        Segment::new(DATA_SELECTOR, base, limit, SegmentAttributes(0xc93))
    }
}

pub const RAX: usize = 0;
pub const RCX: usize = 1;
pub const RDX: usize = 2;
pub const RBX: usize = 3;
pub const RBP: usize = 5;
pub const RSI: usize = 6;
pub const RDI: usize = 7;

/// Assembler calls that cannot fail here.
#[macro_export]
macro_rules! asm {
    ($a:ident: $($op:ident($($arg:expr),*);)*) => { $($a.$op($($arg),*).unwrap();)* };
}
