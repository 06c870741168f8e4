//! A machine that runs a program on either backend.

use aero_bus::vm_memory::{Bytes, GuestAddress};
use aero_bus::{GuestRam, MemoryMap, Placed};
use aero_cpu::testing::TestPlatform;
use aero_cpu::{CpuBackend, CpuExit, CpuModel, CpuSignals, RunOutcome, Vcpu};
use aero_interpreter::Interpreter;
use aero_jit::{Jit, Settings, Stats, WasmtimeHost};
use iced_x86::IcedError;
use iced_x86::code_asm::{CodeAssembler, ebx};

pub const CODE: u64 = 0x10_0000;
const STACK: u64 = 0x20_0000;
const GDT: u64 = 0x1000;
const IDT: u64 = 0x2000;
pub const TABLES: u64 = 0x4000;
const HANDLERS: u64 = 0x3000;

/// How code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// 64-bit mode.
    Long,
    /// Flat 32-bit protected mode.
    Flat,
}

pub struct Machine {
    pub platform: TestPlatform,
    pub signals: CpuSignals,
    pub cpu: Placed<Vcpu>,
}

impl Machine {
    pub fn new(bits: Bits, code: &[u8]) -> Self {
        let ram = GuestRam::new(4 << 20, 0).unwrap();
        let mut platform = TestPlatform::new();
        platform.map = MemoryMap::new(ram.clone());
        platform.budget = 10_000_000;
        let signals = CpuSignals::placed(&ram).unwrap();
        let mut cpu = Vcpu::placed(&ram, 0, CpuModel::default()).unwrap();
        platform.load(CODE, code);
        platform.load_u64(GDT + 16, 0x00cf_9300_0000_ffff);
        for vector in 0..256 {
            platform.load(HANDLERS + vector, &[0xf4]);
        }
        match bits {
            Bits::Long => {
                platform.load_u64(GDT + 8, 0x00af_9b00_0000_ffff);
                for (level, next) in [(0, 1), (1, 2), (2, 3)] {
                    let (at, to) = (TABLES + 0x1000 * level, TABLES + 0x1000 * next);
                    platform.load_u64(at, to | 7);
                }
                for page in 0..512 {
                    platform.load_u64(TABLES + 0x3000 + 8 * page, page << 12 | 7);
                    let large = page << 21 | 0x87;
                    if page > 0 {
                        platform.load_u64(TABLES + 0x2000 + 8 * page, large);
                    }
                }
                for vector in 0..256 {
                    let handler = HANDLERS + vector;
                    platform.load_u64(IDT + 16 * vector, handler | 8 << 16 | 0x8e00 << 32);
                }
                cpu.set_long_mode(CODE, TABLES, 8, 16);
                cpu.idtr.limit = 0xfff;
            }
            Bits::Flat => {
                platform.load_u64(GDT + 8, 0x00cf_9b00_0000_ffff);
                for vector in 0..256 {
                    let handler = HANDLERS + vector;
                    platform.load_u64(IDT + 8 * vector, handler | 8 << 16 | 0x8e00 << 32);
                }
                cpu.set_flat_protected(CODE as u32, 8, 16);
                cpu.idtr.limit = 0x7ff;
            }
        }
        cpu.gdtr.base = GDT;
        cpu.gdtr.limit = 0x17;
        cpu.idtr.base = IDT;
        cpu.regs[4] = STACK;
        Self { platform, signals, cpu }
    }

    pub fn jit(&self, settings: Settings) -> Jit {
        let host = WasmtimeHost::new(self.platform.map.ram()).unwrap();
        Jit::new(Box::new(host), settings)
    }

    pub fn run(&mut self, backend: &mut dyn CpuBackend) -> RunOutcome {
        backend.run(&mut self.cpu, &self.signals, &mut self.platform)
    }

    /// Memory that programs use.
    pub fn data(&self) -> Vec<u8> {
        let mut data = vec![0; 0x10_0000];
        self.platform.map.ram().read_slice(&mut data, GuestAddress(0x30_0000)).unwrap();
        data
    }

    /// Everything that both backends have to agree on.
    pub fn state(&self) -> String {
        let cpu = &self.cpu;
        format!(
            "regs {:x?}\nrip {:x} flags {:x} cr2 {:x}\nxmm {:x?} mxcsr {:x}\nfpu {:x?}",
            cpu.regs,
            cpu.rip,
            cpu.flags.rflags(),
            cpu.cr2,
            cpu.xmm,
            cpu.mxcsr,
            cpu.fpu,
        )
    }
}

/// Assembles a program that ends with HLT.
pub fn assemble(
    bits: Bits,
    program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> Vec<u8> {
    let mut a = CodeAssembler::new(if bits == Bits::Long { 64 } else { 32 }).unwrap();
    program(&mut a).unwrap();
    a.hlt().unwrap();
    a.assemble(CODE).unwrap()
}

/// Runs a program on both backends, on the JIT by either tier. Returns how many of its instructions
/// generated code left to the interpreter at most.
pub fn both(bits: Bits, program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> u64 {
    both_prepared(bits, |_| {}, program)
}

/// The same, with machines that `prepare` has changed.
pub fn both_prepared(
    bits: Bits,
    prepare: impl Fn(&mut Machine),
    program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> u64 {
    let (retired, tiers) = run_all(bits, prepare, program);
    for stats in &tiers {
        assert!(stats.translated > retired / 2, "most of it is translated: {stats:?}");
    }
    tiers.into_iter().map(|stats| stats.assisted).max().unwrap_or(0)
}

/// Runs a program by the interpreter and on both of the JIT's tiers, which have to agree. Returns how
/// many instructions it had, and what the tiers did.
pub fn run_all(
    bits: Bits,
    prepare: impl Fn(&mut Machine),
    program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> (u64, [Stats; 2]) {
    let code = assemble(bits, program);
    let mut expected = Machine::new(bits, &code);
    prepare(&mut expected);
    let by_interpreter = expected.run(&mut Interpreter::new());
    assert_eq!(by_interpreter.exit, CpuExit::Halted, "the program ends");
    let tiers = [false, true].map(|optimized| {
        let mut machine = Machine::new(bits, &code);
        prepare(&mut machine);
        let mut jit = machine.jit(Settings { optimized, ..Settings::eager() });
        let by_jit = machine.run(&mut jit);
        let what = format!("{bits:?}, optimized: {optimized}");
        assert_eq!(machine.state(), expected.state(), "{what}");
        assert_eq!(by_jit, by_interpreter, "{what}");
        assert!(machine.data() == expected.data(), "memory differs: {what}");
        jit.stats()
    });
    (by_interpreter.retired, tiers)
}

/// Does `body` for EBX from `count` down to 1.
pub fn times(
    a: &mut CodeAssembler,
    count: u32,
    body: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> Result<(), IcedError> {
    let mut top = a.create_label();
    a.mov(ebx, count)?;
    a.set_label(&mut top)?;
    body(a)?;
    a.dec(ebx)?;
    a.jnz(top)
}
