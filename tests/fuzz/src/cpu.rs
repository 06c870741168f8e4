//! Random bytes as code, in every mode, with interrupts, devices and a memory map that changes.
//!
//! Each input runs on each backend under test in long runs, and on the interpreter one instruction at
//! a time. None may panic, stand still or retire more than it may, and all must
//! come to the same state: what deterministic mode promises.

mod scene;

use std::sync::OnceLock;

use aero_bus::Placed;
use aero_cpu::{CpuBackend, CpuExit, CpuModel, SegReg, Signal, Vcpu};
use aero_interpreter::Interpreter;
use aero_test_backends::{backend, from_environment};

use crate::input::Input;
use crate::world::{Image, World};
use scene::Scene;

/// Instructions that an input may retire at most.
const MOST_RETIRED: u64 = 256;
/// The environment variable with which each run of the processor is written out.
const TRACE: &str = "AERO_FUZZ_TRACE";
/// Code of an input, in bytes; more is left out.
const MOST_CODE: usize = 512;

/// Something from outside, at a retired count.
#[derive(Clone, Copy, Debug)]
struct Event {
    when: u64,
    kind: u8,
    vector: u8,
}

/// What an input says.
#[derive(Debug)]
struct Plan {
    scene: Scene,
    events: Vec<Event>,
    budget: u64,
    changing: bool,
}

impl Plan {
    fn read(data: &[u8]) -> Self {
        let mut input = Input::new(data);
        let budget = u64::from(input.u8()).clamp(1, MOST_RETIRED);
        let mut events: Vec<Event> = (0..4)
            .map(|_| Event { when: input.u8().into(), kind: input.u8(), vector: input.u8() })
            .filter(|event| event.when < budget && event.kind % 8 < 6)
            .collect();
        events.sort_by_key(|event| event.when);
        let changing = input.u8() & 1 != 0;
        let scene = Scene::read(&mut input, MOST_CODE);
        Self { scene, events, budget, changing }
    }
}

struct Machine {
    world: World,
    cpu: Placed<Vcpu>,
}

impl Machine {
    fn new(plan: &Plan, image: &Image) -> Self {
        let model = CpuModel::named(plan.scene.model()).expect("a model of this name");
        let mut world = World::new(plan.changing);
        image.load(&world);
        let mut cpu =
            Vcpu::placed(world.map.ram(), 0, model).expect("there is room for a processor");
        plan.scene.set(&mut world, &mut cpu);
        Self { world, cpu }
    }

    fn raise(&mut self, event: Event) {
        let signals = &self.world.signals;
        match event.kind % 8 {
            0 | 1 => self.world.interrupt(event.vector),
            2 => signals.raise(Signal::NMI),
            3 => signals.raise(Signal::INIT),
            4 => signals.raise_sipi(event.vector),
            _ => signals.raise(Signal::STOP),
        }
    }

    /// Runs the plan, `most` instructions at a time.
    fn run(&mut self, plan: &Plan, backend: &mut dyn CpuBackend, most: u64) {
        let mut events = plan.events.iter().copied().peekable();
        let signals = self.world.signals.clone();
        // A run may come back without having retired anything for a STOP, of which each instruction
        // and each event brings one at most.
        let mut runs = 2 * (plan.budget + plan.events.len() as u64) + 16;
        let mut retired = 0;
        loop {
            while let Some(event) = events.next_if(|event| event.when <= retired) {
                self.raise(event);
            }
            if retired >= plan.budget {
                return;
            }
            let next = events.peek().map_or(plan.budget, |event| event.when);
            let allowed = most.min(next - retired);
            self.world.before = retired;
            self.world.allowed = allowed;
            if std::env::var_os(TRACE).is_some() {
                let (cpu, pending) = (&self.cpu, signals.pending());
                eprintln!(
                    "{retired} (+{allowed}): {:04x}:{:x} {:?} {:?} {:x?} {pending:?} {:?}",
                    cpu.seg(SegReg::Cs).selector,
                    cpu.rip,
                    cpu.mode(),
                    cpu.activity(),
                    cpu.flags.rflags(),
                    cpu.attention
                );
            }
            let outcome = backend.run(&mut self.cpu, &signals, &mut self.world);
            assert!(
                outcome.retired <= allowed,
                "{} instructions retired of {allowed} allowed",
                outcome.retired
            );
            retired += outcome.retired;
            if outcome.exit != CpuExit::Budget && !self.cpu.is_wakeable(&signals) {
                // Time goes on to the next event, whatever sleeps.
                match events.peek() {
                    Some(event) => retired = event.when,
                    None => return,
                }
            }
            runs -= 1;
            assert!(runs > 0, "the processor makes no progress");
        }
    }

    /// The state can be saved and taken back.
    fn check_snapshot(&self) {
        let saved = self.cpu.save();
        let mut other = Vcpu::new(0, self.cpu.model.clone());
        other.restore(&saved).expect("a state that was reached can be restored");
        assert_eq!(other.save(), saved, "a snapshot comes back as it was");
    }
}

/// What differs between two processors, a line each.
fn differences(tested: &Vcpu, stepped: &Vcpu) -> String {
    let list = |cpu: &Vcpu| {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
        for (n, value) in cpu.regs.iter().enumerate() {
            add(&format!("register {n}"), format!("{value:#x}"));
        }
        for (n, value) in cpu.xmm.iter().enumerate() {
            add(&format!("XMM{n}"), format!("{value:#x}"));
        }
        for which in SegReg::ALL {
            add(&format!("{which:?}"), format!("{:x?}", cpu.seg(which)));
        }
        add("RIP", format!("{:#x}", cpu.rip));
        add("RFLAGS", format!("{:#x}", cpu.flags.rflags()));
        add("MXCSR", format!("{:#x}", cpu.mxcsr));
        add("x87", format!("{:x?}", cpu.fpu));
        add("CR0, CR2, CR3, CR4", format!("{:x?}", [cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4]));
        add("EFER", format!("{:#x}", cpu.efer));
        add("DR0 to DR7", format!("{:x?}", cpu.dr));
        add("activity, CPL", format!("{:?}, {}", cpu.activity(), cpu.cpl()));
        add("all", format!("{:?}", cpu.save()));
        fields
    };
    let pairs = list(tested).into_iter().zip(list(stepped));
    let differ = pairs.filter(|(one, two)| one != two);
    differ
        .map(|((name, one), (_, two))| format!("{name}: {one}, stepped: {two}\n"))
        .take(8)
        .collect()
}

fn compare(name: &str, plan: &Plan, tested: &Machine, stepped: &Machine) {
    if tested.cpu.save() != stepped.cpu.save() {
        let differences = differences(&tested.cpu, &stepped.cpu);
        panic!("{name}: the processor's state differs: {differences}{plan:x?}");
    }
    let (one, two) = (tested.world.contents(), stepped.world.contents());
    if one != two {
        let at = one.iter().zip(&two).take_while(|(a, b)| a == b).count();
        panic!(
            "{name}: memory differs at {at:#x}: {:#x}, stepped {:#x}: {plan:x?}",
            one[at], two[at]
        );
    }
    assert_eq!(
        tested.world.digest, stepped.world.digest,
        "{name}: accesses to devices differ, or when they happen: {plan:x?}"
    );
}

/// The backends under test. The environment is asked once: it does not change.
fn names() -> &'static [&'static str] {
    static NAMES: OnceLock<Vec<&str>> = OnceLock::new();
    NAMES.get_or_init(|| from_environment().unwrap_or_else(|error| panic!("{error}")))
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let plan = Plan::read(data);
    let image = plan.scene.image();
    let mut stepped = Machine::new(&plan, &image);
    stepped.run(&plan, &mut Interpreter::new(), 1);
    for name in names() {
        let mut tested = Machine::new(&plan, &image);
        let mut backend = backend(name, tested.world.map.ram()).expect("a backend of this name");
        tested.run(&plan, &mut *backend, u64::MAX);
        tested.check_snapshot();
        compare(name, &plan, &tested, &stepped);
    }
}
