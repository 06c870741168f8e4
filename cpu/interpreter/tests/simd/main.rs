//! MMX and SSE instructions, one at a time, through decoding and handlers.

mod conditions;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod host;

use aero_bus::{GuestRam, MemoryMap};
use aero_cpu::bits::{cr0, cr4};
use aero_cpu::{CpuBackend, CpuExit, CpuModel, CpuSignals, Exception, Exec, Platform, Vcpu};
use aero_interpreter::{Interpreter, Op, lower};
use iced_x86::{Decoder, DecoderOptions, Instruction};

/// Where the page tables are: one table of each level, and one page of 2 MiB.
const TABLES: u64 = 0x1000;
/// Where the instruction is said to be.
const CODE: u64 = 0x10_0000;
/// Where operands in memory are.
const DATA: u64 = 0x8_0000;

/// Bytes of guest memory, and of linear addresses that are mapped.
const RAM: u64 = 2 << 20;

/// Guest memory and nothing else.
struct Machine {
    memory: MemoryMap,
    signals: CpuSignals,
    /// The processor.
    cpu: Vcpu,
}

struct Memory<'a>(&'a MemoryMap);

impl Platform for Memory<'_> {
    fn memory(&self) -> &MemoryMap {
        self.0
    }

    fn mmio_read(&mut self, _: u64, address: u64, data: &mut [u8]) {
        self.0.read(address, data);
    }

    fn mmio_write(&mut self, _: u64, address: u64, data: &[u8]) {
        self.0.write(address, data);
    }

    fn port_read(&mut self, _: u64, _: u16, data: &mut [u8]) {
        data.fill(0xff);
    }

    fn port_write(&mut self, _: u64, _: u16, _: &[u8]) {}

    fn budget(&mut self) -> u64 {
        u64::MAX
    }

    fn acknowledge_interrupt(&mut self, _: u64) -> Option<u8> {
        None
    }

    fn tsc(&mut self, _: u64) -> u64 {
        0
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

/// Decodes an instruction of 64-bit code.
fn decode(bytes: &[u8]) -> Instruction {
    Decoder::with_ip(64, bytes, CODE, DecoderOptions::NONE).decode()
}

impl Machine {
    /// In 64-bit mode at CPL 0, SSE enabled.
    fn new() -> Self {
        let memory = MemoryMap::new(GuestRam::new(RAM, 0).unwrap());
        let mut cpu = Vcpu::new(0, CpuModel::named(CpuModel::NAMES[0]).unwrap());
        cpu.set_long_mode(CODE, TABLES, 8, 16);
        cpu.cr0 |= cr0::MP;
        cpu.cr4 |= cr4::OSFXSR | cr4::OSXMMEXCPT;
        cpu.mode_changed();
        let machine = Self { memory, signals: CpuSignals::new(), cpu };
        let present_writable = 3_u64;
        let large = 1_u64 << 7;
        machine.write(TABLES, &((TABLES + 0x1000) | present_writable).to_le_bytes());
        machine.write(TABLES + 0x1000, &((TABLES + 0x2000) | present_writable).to_le_bytes());
        machine.write(TABLES + 0x2000, &(present_writable | large).to_le_bytes());
        machine
    }

    /// Reads guest memory.
    fn read(&self, address: u64, data: &mut [u8]) {
        self.memory.read(address, data);
    }

    /// Writes guest memory.
    fn write(&self, address: u64, data: &[u8]) {
        self.memory.write(address, data);
    }

    /// Executes one instruction.
    fn run(&mut self, op: &Op) -> Result<(), Exception> {
        let mut platform = Memory(&self.memory);
        self.cpu.rip = CODE;
        let mut exec = Exec::new(&mut self.cpu, &self.signals, &mut platform);
        exec.next_rip = CODE + u64::from(op.len);
        (op.handler)(&mut exec, op).map_err(|fault| *fault)
    }

    /// Decodes and executes one instruction.
    fn run_bytes(&mut self, bytes: &[u8]) -> Result<(), Exception> {
        let op = lower(&decode(bytes));
        assert_eq!(usize::from(op.len), bytes.len(), "one whole instruction");
        self.run(&op)
    }

    /// Runs from [`CODE`] until the processor shuts down.
    fn interpret(&mut self) {
        self.cpu.rip = CODE;
        let mut platform = Memory(&self.memory);
        let outcome = Interpreter::new().run(&mut self.cpu, &self.signals, &mut platform);
        assert_eq!(outcome.exit, CpuExit::Shutdown);
    }
}
