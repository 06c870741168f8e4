//! The machine that tests run on: RAM, and a few ports by which a test asks for interrupts and other
//! things that come from outside.

use std::sync::Arc;

use aero_bus::{GuestRam, MemoryMap, Placed};
use aero_cpu::{CpuExit, CpuModel, CpuSignals, Platform, RSP, SegReg, Signal, Vcpu, testing::Seen};
use aero_test_backends::backend;
use anyhow::{Context, Result, bail};

use crate::file::End;

/// RAM, in bytes.
const RAM: u64 = 4 << 20;
/// Where the processor begins, in real mode.
const ENTRY: u16 = 0x400;
/// Most instructions of a test.
const LIMIT: u64 = 200_000;

/// The ports. asm/include/frame.inc has the same numbers.
mod port {
    /// A write notes the number of instructions so far.
    pub const MARK: u16 = 0xf0;
    /// The vector of the interrupt that the next port asks for.
    pub const VECTOR: u16 = 0xf1;
    /// Raises the interrupt line this many instructions after the OUT.
    pub const INTR: u16 = 0xf2;
    /// An NMI this many instructions after the OUT.
    pub const NMI: u16 = 0xf3;
    /// Ends the test.
    pub const END: u16 = 0xf4;
    /// Bit 0 is the A20 gate.
    pub const A20: u16 = 0xf5;
    /// Physical address of a device's access to memory.
    pub const DMA_ADDRESS: u16 = 0xf8;
    /// Writes this value there.
    pub const DMA_DATA: u16 = 0xfc;
}

/// Something that comes from outside at a given count of instructions.
#[derive(Clone, Copy)]
enum Outside {
    Intr(u8),
    Nmi,
}

struct World {
    memory: MemoryMap,
    signals: Arc<CpuSignals>,
    /// Instructions retired by earlier calls.
    base: u64,
    /// The next call stops here at the latest.
    stop: u64,
    queue: Vec<(u64, Outside)>,
    vector: u8,
    /// Vectors that wait on the interrupt line.
    waiting: Vec<u8>,
    task_priority: u8,
    end: Option<u64>,
    marks: Vec<u64>,
    dma_address: u32,
    seen: Vec<Seen>,
}

impl World {
    fn update_line(&self) {
        let level = self.waiting.iter().any(|vector| vector >> 4 > self.task_priority);
        self.signals.set_intr(level);
    }

    fn schedule(&mut self, retired: u64, delay: &[u8], what: Outside) {
        let at = self.base + retired + 1 + u64::from(delay[0]);
        self.queue.push((at, what));
    }

    /// Lets everything happen whose time has come.
    fn happen(&mut self) {
        let base = self.base;
        let (due, later) = self.queue.iter().partition(|(at, _)| *at <= base);
        self.queue = later;
        let due: Vec<(u64, Outside)> = due;
        for (_, what) in due {
            match what {
                Outside::Intr(vector) => self.waiting.push(vector),
                Outside::Nmi => self.signals.raise(Signal::NMI),
            }
        }
        self.update_line();
    }

    fn next(&self) -> Option<u64> {
        self.queue.iter().map(|(at, _)| *at).min()
    }
}

fn little_endian(data: &[u8]) -> u32 {
    data.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

impl Platform for World {
    fn memory(&self) -> &MemoryMap {
        &self.memory
    }

    fn mmio_read(&mut self, _retired: u64, address: u64, data: &mut [u8]) {
        self.seen.push(Seen::MmioRead(address, data.len()));
        data.fill(0xff);
    }

    fn mmio_write(&mut self, _retired: u64, address: u64, data: &[u8]) {
        self.seen.push(Seen::MmioWrite(address, data.to_vec()));
    }

    fn port_read(&mut self, _retired: u64, port: u16, data: &mut [u8]) {
        self.seen.push(Seen::PortRead(port, data.len()));
        // A port reads as its own number, byte by byte.
        for (byte, port) in data.iter_mut().zip(port..) {
            *byte = port as u8;
        }
    }

    fn port_write(&mut self, retired: u64, port: u16, data: &[u8]) {
        self.seen.push(Seen::PortWrite(port, data.to_vec()));
        match port {
            port::MARK => self.marks.push(self.base + retired),
            port::VECTOR => self.vector = data[0],
            port::INTR => self.schedule(retired, data, Outside::Intr(self.vector)),
            port::NMI => self.schedule(retired, data, Outside::Nmi),
            port::END => self.end = Some(self.base + retired + 1),
            port::A20 => self.memory.set_a20(data[0] & 1 != 0),
            port::DMA_ADDRESS => self.dma_address = little_endian(data),
            port::DMA_DATA => self.memory.write(self.dma_address.into(), data),
            _ => {}
        }
    }

    fn budget(&mut self) -> u64 {
        let deadlines = [Some(self.stop), self.end, self.next()];
        let first = deadlines.into_iter().flatten().min().unwrap_or(self.stop);
        first.saturating_sub(self.base)
    }

    fn acknowledge_interrupt(&mut self, _retired: u64) -> Option<u8> {
        let (i, _) = self.waiting.iter().enumerate().max_by_key(|(_, vector)| **vector)?;
        let vector = self.waiting.remove(i);
        self.update_line();
        Some(vector)
    }

    fn tsc(&mut self, retired: u64) -> u64 {
        self.base + retired
    }

    fn apic_msr_read(&mut self, _retired: u64, msr: u32) -> Option<u64> {
        (msr == 0x1b).then_some(0xfee0_0900)
    }

    fn apic_msr_write(&mut self, _retired: u64, msr: u32, _value: u64) -> Option<()> {
        (msr == 0x1b).then_some(())
    }

    fn cr8(&mut self) -> u8 {
        self.task_priority
    }

    fn set_cr8(&mut self, _retired: u64, value: u8) {
        self.task_priority = value;
        self.update_line();
    }
}

/// A way to run a test. All of them must have the same result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As far as a call of the backend goes.
    Whole,
    /// One instruction a call.
    Stepped,
    /// So many instructions a call, and after each the processor is saved and restored into a new one,
    /// and the backend forgets what it has derived.
    Restored(u64),
}

/// What a test has left.
pub struct Outcome {
    /// The processor.
    pub cpu: Placed<Vcpu>,
    /// How it ended.
    pub end: End,
    /// Instructions in all.
    pub retired: u64,
    /// The counts at the marks.
    pub marks: Vec<u64>,
    /// CR8.
    pub task_priority: u8,
    /// What reached devices.
    pub seen: Vec<Seen>,
    memory: MemoryMap,
}

impl Outcome {
    /// Reads memory.
    pub fn read(&self, address: u64, bytes: u32) -> u64 {
        let mut data = [0; 8];
        self.memory.read(address, &mut data[..bytes as usize]);
        u64::from_le_bytes(data)
    }

    /// All of the memory.
    pub fn ram(&self) -> Vec<u8> {
        let mut data = vec![0; RAM as usize];
        self.memory.set_a20(true);
        self.memory.read(0, &mut data);
        data
    }
}

/// Runs an image from the processor's reset on.
pub fn run(image: &[u8], model: &str, name: &str, way: Way) -> Result<Outcome> {
    let ram = GuestRam::new(RAM, 0)?;
    let memory = MemoryMap::new(ram.clone());
    memory.write(0, image);
    let mut backend =
        backend(name, &ram).with_context(|| format!("there is no backend {name:?}"))?;
    let model = CpuModel::named(model).with_context(|| format!("there is no model {model:?}"))?;
    let mut cpu = Vcpu::placed(&ram, 0, model.clone())?;
    cpu.set_real_mode_entry(0, ENTRY);
    let signals = Arc::new(CpuSignals::placed(&ram)?);
    let mut world = World {
        memory,
        signals: signals.clone(),
        base: 0,
        stop: 0,
        queue: Vec::new(),
        vector: 0,
        waiting: Vec::new(),
        task_priority: 0,
        end: None,
        marks: Vec::new(),
        dma_address: 0,
        seen: Vec::new(),
    };
    let chunk = match way {
        Way::Whole => LIMIT,
        Way::Stepped => 1,
        Way::Restored(every) => every,
    };
    let end = loop {
        if world.base >= LIMIT {
            let (cs, rip) = (cpu.seg(SegReg::Cs).selector, cpu.rip);
            let sp = cpu.regs[RSP];
            bail!("does not end within {LIMIT} instructions: CS:RIP {cs:#x}:{rip:#x} RSP {sp:#x}");
        }
        world.happen();
        world.stop = world.base + chunk;
        let outcome = backend.run(&mut cpu, &signals, &mut world);
        world.base += outcome.retired;
        match outcome.exit {
            CpuExit::Shutdown => break End::Shutdown,
            _ if world.end.is_some_and(|end| world.base >= end) => break End::Halted,
            CpuExit::Halted if cpu.is_wakeable(&signals) => {}
            CpuExit::Halted => match world.next() {
                // Time passes.
                Some(at) => world.base = world.base.max(at),
                None => break End::Halted,
            },
            CpuExit::Budget => {}
        }
        if matches!(way, Way::Restored(_)) {
            let saved = cpu.save();
            cpu = Vcpu::placed(&ram, 0, model.clone())?;
            cpu.restore(&saved)?;
            backend.flush();
        }
    };
    let World { memory, base, marks, task_priority, seen, .. } = world;
    Ok(Outcome { cpu, end, retired: base, marks, task_priority, seen, memory })
}
