//! The run loop.

use aero_bus::{PowerRequest, Snapshot};
use aero_cpu::{Activity, CpuExit, SegReg, Vcpu};

use super::processors::View;
use super::{Machine, lock};
use crate::config::OnTripleFault;

/// How far a call of [`Machine::run_slice`] came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The budget is used up, or something outside the guest may want to look.
    Ran,
    /// All processors are halted. Nothing is due before guest time `until`, if that is given.
    Idle {
        /// Guest nanoseconds.
        until: Option<u64>,
    },
    /// The machine has ended.
    Ended(Ending),
}

/// Why a machine has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The guest has switched it off.
    PowerOff,
    /// The guest has ended the program with this exit code.
    Exit(u8),
    /// Triple fault; the text is a dump of the registers.
    TripleFault(String),
}

/// In a row, without an instruction between: so many times devices may ask for a time that is over.
const MAX_OVERDUE: u32 = 1000;
/// So many times a deterministic machine whose processors are halted goes on to the next deadline,
/// before the caller has a look: a guest may halt for good while a timer ticks on.
const MAX_SKIPS: u32 = 1000;

impl Machine {
    /// Runs until about `budget` instructions have retired, and exactly that many in deterministic
    /// mode; or until all processors are halted, or something came up that the caller may want to look
    /// at. Never sleeps: a halted real-time machine is the caller's to put to sleep on
    /// [`wake`](Self::wake).
    pub fn run_slice(&mut self, budget: u64) -> Step {
        let end = self.time.retired.saturating_add(budget);
        let mut overdue = 0;
        let mut skips = 0;
        while self.time.retired < end {
            if self.surface.wake.take() {
                if let Some(step) = self.serve_power() {
                    return step;
                }
                self.tick();
                if self.wants_attention() {
                    return Step::Ran;
                }
            }
            let deadline = self.clock.next_deadline();
            if deadline.is_some_and(|at| at <= self.clock.now()) && overdue < MAX_OVERDUE {
                overdue += 1;
                self.tick();
                continue;
            }
            if overdue == MAX_OVERDUE && !self.warned_of_overdue {
                self.warned_of_overdue = true;
                log::error!("a device asks for a time that is over, again and again");
            }
            overdue = 0;
            let Some(current) = self.processors.choose() else {
                match deadline {
                    Some(_) if skips == MAX_SKIPS => return Step::Ran,
                    Some(at) if self.is_deterministic() => {
                        skips += 1;
                        self.time.skip_to(at);
                    }
                    _ => return Step::Idle { until: deadline },
                }
                continue;
            };
            if let Some(ending) = self.run_processor(current, end) {
                return Step::Ended(ending);
            }
        }
        Step::Ran
    }

    /// Lets one processor run for the rest of its turn, at most to `end`.
    fn run_processor(&mut self, current: usize, end: u64) -> Option<Ending> {
        let alone = self.processors.all.len() == 1;
        let turn = if alone { u64::MAX } else { self.processors.turn_left };
        let limit = turn.min(end - self.time.retired);
        let tsc = (self.processors.tsc_hz, self.processors.tsc_base);
        let start = self.host_time.now();
        let processor = &mut self.processors.all[current];
        let apic_accesses = &mut self.counts.apic_accesses;
        let mut view =
            View::new(&self.surface, &self.time, &processor.apic, tsc, limit, apic_accesses);
        let outcome =
            self.processors.backend.run(&mut processor.cpu, &processor.signals, &mut view);
        let took = self.host_time.now().saturating_sub(start);
        self.counts.host_nanos += took;
        self.counts.retired += outcome.retired;
        self.time.ran(outcome.retired, took);
        self.time.advance(0);
        if !alone {
            self.processors.turn_left =
                self.processors.turn_left.saturating_sub(outcome.retired.max(1));
        }
        match outcome.exit {
            CpuExit::Budget => {}
            CpuExit::Halted => self.counts.halts += 1,
            CpuExit::Shutdown => return self.triple_fault(current),
        }
        None
    }

    fn triple_fault(&mut self, current: usize) -> Option<Ending> {
        let cpu = &self.processors.all[current].cpu;
        let dump = format!("triple fault on processor {current}\n{}", dump(cpu));
        match self.on_triple_fault {
            OnTripleFault::Stop => Some(Ending::TripleFault(dump)),
            OnTripleFault::Reset => {
                log::warn!("{dump}");
                self.reset();
                None
            }
        }
    }

    /// Does what was asked for through the power and reset lines.
    fn serve_power(&mut self) -> Option<Step> {
        match self.surface.power.take()? {
            PowerRequest::Reset => {
                log::info!("reset");
                self.reset();
                None
            }
            PowerRequest::PowerOff => Some(Step::Ended(Ending::PowerOff)),
            PowerRequest::Exit(code) => Some(Step::Ended(Ending::Exit(code))),
            PowerRequest::Suspend => {
                log::warn!("the guest wants to sleep (S3), which is not supported: it stays awake");
                None
            }
        }
    }

    /// Whether somebody waits for a text that has come.
    fn wants_attention(&self) -> bool {
        self.serials.iter().any(super::Console::has_come)
    }

    /// Lets all devices look at their timers and back ends.
    fn tick(&mut self) {
        self.counts.ticks += 1;
        for node in &self.nodes {
            lock(&node.device).tick();
        }
        for (_, disk) in &self.drives {
            disk.tick();
        }
    }

    /// The state of one device, for tests and debuggers.
    pub fn device_state(&self, name: &str) -> Option<Snapshot> {
        let node = self.nodes.iter().find(|node| node.name == name)?;
        Some(lock(&node.device).save())
    }

    /// The registers of all processors, as text.
    pub fn dump_registers(&self) -> String {
        let dumps = self.processors.all.iter().map(|p| dump(&p.cpu));
        dumps.collect::<Vec<_>>().join("\n")
    }
}

/// The registers of a processor as text.
fn dump(cpu: &Vcpu) -> String {
    use std::fmt::Write;
    const NAMES: [&str; 16] = [
        "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8 ", "R9 ", "R10", "R11", "R12",
        "R13", "R14", "R15",
    ];
    let mut text = String::new();
    for (row, names) in NAMES.chunks(4).enumerate() {
        for (column, name) in names.iter().enumerate() {
            let value = cpu.regs[row * 4 + column];
            let _ = write!(text, "{name} {value:016x} ");
        }
        text.push('\n');
    }
    let activity = match cpu.activity() {
        Activity::Running => "running",
        Activity::Halted => "halted",
        Activity::WaitForSipi => "waits for its start-up message",
        Activity::Shutdown => "shut down",
    };
    let _ = writeln!(
        text,
        "RIP {:016x} RFLAGS {:08x} {:?} CPL {} {activity}",
        cpu.rip,
        cpu.flags.rflags(),
        cpu.mode(),
        cpu.cpl()
    );
    for which in SegReg::ALL {
        let segment = cpu.seg(which);
        let _ = writeln!(
            text,
            "{which:?} {:04x} base {:016x} limit {:08x} attributes {:04x}",
            segment.selector, segment.base, segment.limit, segment.attributes.0
        );
    }
    let _ = writeln!(
        text,
        "GDT {:016x} {:04x} IDT {:016x} {:04x} TR {:04x} LDTR {:04x}",
        cpu.gdtr.base,
        cpu.gdtr.limit,
        cpu.idtr.base,
        cpu.idtr.limit,
        cpu.tr.selector,
        cpu.ldtr.selector
    );
    let _ = writeln!(
        text,
        "CR0 {:08x} CR2 {:016x} CR3 {:016x} CR4 {:08x} EFER {:04x}",
        cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4, cpu.efer
    );
    text
}
