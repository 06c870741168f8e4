//! Whether this browser runs generated code as the machine needs it, and what that costs here.

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::mpsc;

use aero_jit::{CodeHost, HELPERS, Helpers, HostError, MemoryShape, Prepared, Slots};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, EntityType, Function,
    FunctionSection, ImportSection, InstructionSink, MemArg, MemArgTarget, MemoryType, Module,
    RefType, TableType, TypeSection, ValType,
};

use crate::code_host::PageCodeHost;
use crate::console;
use crate::pc::{failed, performance_now};

/// What [`check_code`] found; nanoseconds a call.
#[derive(Serialize)]
struct Report {
    /// Calling a generated function.
    enter: f64,
    /// Calling a helper from generated code.
    helper: f64,
    /// A tail call from a module into another, through the table.
    tail_call: f64,
    /// Modules by size, made on the machine's thread.
    modules: Vec<ModuleCost>,
    /// The same if a thread prepared them; nothing if there is no thread.
    prepared_modules: Option<Vec<ModuleCost>>,
}

/// Microseconds on the machine's thread, but for `preparing`.
#[derive(Default, Serialize)]
struct ModuleCost {
    bytes: usize,
    /// On the other thread.
    preparing: f64,
    install: f64,
    /// Calling its function the first time, which may be when the engine compiles it.
    first_call: f64,
}

/// Remembers what it was asked.
#[derive(Default)]
struct Recorder {
    reads: Vec<(u64, u32)>,
    writes: u32,
    sites: Vec<(u32, i32)>,
}

impl Helpers for Recorder {
    fn translate_read(&mut self, linear: u64, size: u32) -> u32 {
        self.reads.push((linear, size));
        1000
    }

    fn translate_write(&mut self, _linear: u64, _size: u32) -> u32 {
        self.writes += 1;
        u32::MAX
    }

    fn interpret(&mut self, site: u32, left: i32) -> u32 {
        self.sites.push((site, left));
        77
    }
}

/// Index of the type of generated functions; those of the helpers come behind it.
const ENTERED: u32 = 0;

/// A module as the contract in `aero_jit` has it, of these functions.
fn module(
    shape: MemoryShape,
    slots: Slots,
    bodies: &[&dyn Fn(&mut InstructionSink<'_>)],
) -> Vec<u8> {
    let values = |letters: &str| -> Vec<ValType> {
        letters.chars().map(|it| if it == 'I' { ValType::I64 } else { ValType::I32 }).collect()
    };
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut imports = ImportSection::new();
    let memory = MemoryType {
        minimum: shape.minimum,
        maximum: shape.maximum,
        memory64: false,
        shared: shape.shared,
        page_size_log2: None,
    };
    let table = TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: u64::from(slots.first + slots.count),
        maximum: None,
        shared: false,
    };
    imports.import("aero", "memory", EntityType::Memory(memory));
    imports.import("aero", "table", EntityType::Table(table));
    for (index, (name, parameters, results)) in (1..).zip(HELPERS) {
        types.ty().function(values(parameters), values(results));
        imports.import("aero", name, EntityType::Function(index));
    }
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for body in bodies {
        functions.function(ENTERED);
        let mut function = Function::new([(1, ValType::I64)]);
        body(&mut function.instructions());
        function.instructions().end();
        code.function(&function);
    }
    let first = HELPERS.len() as u32;
    let mine: Vec<u32> = (first..first + bodies.len() as u32).collect();
    let mut elements = ElementSection::new();
    let offset = ConstExpr::i32_const(slots.first as i32);
    elements.active(None, &offset, Elements::Functions(Cow::Borrowed(&mine)));
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions);
    module.section(&elements).section(&code);
    module.finish()
}

/// Installs functions as a module of their own.
fn install(
    host: &mut PageCodeHost,
    bodies: &[&dyn Fn(&mut InstructionSink<'_>)],
) -> Result<Slots, String> {
    let slots = host.reserve(bodies.len() as u32).map_err(text)?;
    let bytes = module(host.memory_shape(), slots, bodies);
    let prepared = host.preparer().prepare(bytes).map_err(text)?;
    host.install(slots, prepared).map_err(text)?;
    Ok(slots)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, is: T, ought: T) -> Result<(), String> {
    if is == ought { Ok(()) } else { Err(format!("{what}: {is:?} instead of {ought:?}")) }
}

/// Counts the parameter down to 0 round `body`, and returns 0.
fn times(code: &mut InstructionSink<'_>, body: impl FnOnce(&mut InstructionSink<'_>)) {
    code.loop_(BlockType::Empty);
    body(code);
    code.local_get(0).i32_const(1).i32_sub().local_tee(0).br_if(0).end().i32_const(0);
}

const READ: u32 = 0;
const WRITE: u32 = 1;
const INTERPRET: u32 = 2;
const LINEAR: i64 = 0xffff_8000_1234_5678_u64 as i64;
const ROUNDS: u32 = 2_000_000;

fn check(host: &mut PageCodeHost) -> Result<Report, String> {
    let mut recorder = Recorder::default();
    let word = Box::new(0x1234_5678_u32);
    let address = host.address_of((&raw const *word).cast()).ok_or("no address")?;

    // What modules are linked to: the memory, the helpers, the table with functions of other modules.
    let other = install(
        host,
        &[&|code| {
            code.local_get(0).i32_const(1).i32_add();
        }],
    )?;
    let slots = install(
        host,
        &[
            &|code| {
                let argument = MemArg {
                    offset: u64::from(address),
                    align: 2,
                    target: MemArgTarget::Memory(0),
                    ordering: None,
                };
                code.i32_const(0).i32_load(argument);
            },
            &|code| {
                code.i64_const(LINEAR).i32_const(8).call(READ);
                code.i64_const(0).i32_const(1).call(WRITE).i32_add();
            },
            &|code| {
                code.i32_const(7).i32_const(-9).call(INTERPRET);
            },
            &|code| {
                code.local_get(0).i32_const(10).i32_mul();
                code.i32_const(other.first as i32).return_call_indirect(0, ENTERED);
            },
        ],
    )?;
    let mut enter = |host: &mut PageCodeHost, index: u32, entry: u32| {
        host.enter(slots.first + index, entry, &mut recorder).map_err(text)
    };
    expect("a load", enter(host, 0, 0)?, *word)?;
    expect("translating", enter(host, 1, 0)?, 999)?;
    expect("interpreting", enter(host, 2, 0)?, 77)?;
    expect("a call of another module", enter(host, 3, 5)?, 51)?;
    expect("what was read", recorder.reads, vec![(LINEAR as u64, 8)])?;
    expect("what was written", recorder.writes, 1)?;
    expect("what was interpreted", recorder.sites, vec![(7, -9)])?;

    // Slots that were given back are taken again, by another function.
    host.release(slots);
    let again = install(
        host,
        &[&|code| {
            code.i32_const(42);
        }],
    )?;
    expect("the slot", again.first, slots.first)?;
    let mut recorder = Recorder::default();
    let answer = host.enter(again.first, 0, &mut recorder).map_err(text)?;
    expect("a slot that is used again", answer, 42)?;
    measure(host, other.first)
}

fn measure(host: &mut PageCodeHost, successor: u32) -> Result<Report, String> {
    let mut recorder = Recorder::default();
    // Hops from one to the other until the parameter is used up.
    let pair = host.reserve(2).map_err(text)?;
    for (index, next) in [(0, pair.first + 1), (1, pair.first)] {
        let hop = |code: &mut InstructionSink<'_>| {
            code.local_get(0).i32_eqz().if_(BlockType::Empty).i32_const(0).return_().end();
            code.local_get(0).i32_const(1).i32_sub();
            code.i32_const(next as i32).return_call_indirect(0, ENTERED);
        };
        let slot = Slots { first: pair.first + index, count: 1 };
        let bytes = module(host.memory_shape(), slot, &[&hop]);
        let prepared = host.preparer().prepare(bytes).map_err(text)?;
        host.install(slot, prepared).map_err(text)?;
    }
    let calls = install(
        host,
        &[&|code| {
            times(code, |code| {
                code.i64_const(LINEAR).i32_const(8).call(WRITE).drop();
            });
        }],
    )?;
    let mut timed = |host: &mut PageCodeHost, slot: u32| -> Result<f64, String> {
        // Entered several times: only then does the engine run the optimized form.
        let mut best = f64::MAX;
        for _ in 0..8 {
            let start = performance_now();
            host.enter(slot, ROUNDS, &mut recorder).map_err(text)?;
            best = best.min(performance_now() - start);
        }
        Ok(best * 1e6 / f64::from(ROUNDS))
    };
    let tail_call = timed(host, pair.first)?;
    let helper = timed(host, calls.first)?;
    let mut recorder = Recorder::default();
    let mut best = f64::MAX;
    for _ in 0..8 {
        let start = performance_now();
        for round in 0..ROUNDS {
            black_box(host.enter(black_box(successor), round, &mut recorder).map_err(text)?);
        }
        best = best.min(performance_now() - start);
    }
    let enter = best * 1e6 / f64::from(ROUNDS);
    let workshop = Workshop::open(host);
    let mut costs = |workshop: Option<&Workshop>, seed: u32| {
        let sizes = [(0, 100), (1, 1_000), (2, 10_000)];
        sizes
            .map(|(index, size)| module_cost(host, workshop, seed + index, size))
            .into_iter()
            .collect()
    };
    let modules = costs(None, 0)?;
    let prepared_modules = workshop.as_ref().map(|it| costs(Some(it), 3)).transpose()?;
    Ok(Report { enter, helper, tail_call, modules, prepared_modules })
}

/// Arithmetic, `operations` pieces of it, behind a look at the parameter, so
/// that a call compiles all and runs little. `seed` makes modules different.
fn work(code: &mut InstructionSink<'_>, operations: i32, seed: i32) {
    code.local_get(0).i32_eqz().if_(BlockType::Empty).i32_const(seed).return_().end();
    for step in 0..operations {
        code.local_get(1).i64_const(i64::from(step ^ seed)).i64_add();
        code.i64_const(i64::from(step)).i64_xor().local_set(1);
    }
    code.local_get(1).i32_wrap_i64();
}

/// A thread that prepares what it is sent, as the backend's does.
struct Workshop {
    modules: mpsc::Sender<Vec<u8>>,
    /// With how long it took, in milliseconds.
    prepared: mpsc::Receiver<(Result<Prepared, HostError>, f64)>,
}

impl Workshop {
    fn open(host: &mut PageCodeHost) -> Option<Self> {
        let (modules, requests) = mpsc::channel();
        let (answers, prepared) = mpsc::channel();
        let preparer = host.preparer();
        let job = move || {
            while let Ok(module) = requests.recv() {
                let start = performance_now();
                let prepared = preparer.prepare(module);
                if answers.send((prepared, performance_now() - start)).is_err() {
                    return;
                }
            }
        };
        host.spawn(Box::new(job)).then_some(Self { modules, prepared })
    }

    fn prepare(&self, module: Vec<u8>) -> Result<(Prepared, f64), String> {
        self.modules.send(module).map_err(text)?;
        let (prepared, took) = self.prepared.recv().map_err(text)?;
        Ok((prepared.map_err(text)?, took))
    }
}

/// How many modules a figure is the mean of.
const SAMPLES: u32 = 10;

/// Makes modules of `operations` operations each, other ones for each `seed`.
fn module_cost(
    host: &mut PageCodeHost,
    workshop: Option<&Workshop>,
    seed: u32,
    operations: i32,
) -> Result<ModuleCost, String> {
    let mut cost = ModuleCost::default();
    for sample in 0..SAMPLES {
        let slots = host.reserve(1).map_err(text)?;
        let seed = ((seed * SAMPLES + sample) << 8) as i32;
        let module = module(host.memory_shape(), slots, &[&|code| work(code, operations, seed)]);
        cost.bytes = module.len();
        let mut start = performance_now();
        let prepared = match workshop {
            Some(workshop) => {
                let (prepared, took) = workshop.prepare(module)?;
                cost.preparing += took;
                start = performance_now();
                prepared
            }
            None => host.preparer().prepare(module).map_err(text)?,
        };
        host.install(slots, prepared).map_err(text)?;
        let installed = performance_now();
        host.enter(slots.first, 0, &mut Recorder::default()).map_err(text)?;
        cost.install += installed - start;
        cost.first_call += performance_now() - installed;
        host.release(slots);
    }
    for time in [&mut cost.preparing, &mut cost.install, &mut cost.first_call] {
        *time *= 1e3 / f64::from(SAMPLES);
    }
    Ok(cost)
}

/// Makes modules by hand and runs them as the processor's are run. A deviation is an error; else the
/// measured costs come as JSON.
#[wasm_bindgen]
pub fn check_code() -> Result<String, JsError> {
    console::init();
    let mut host = PageCodeHost::new().map_err(failed)?;
    let report = check(&mut host).map_err(failed)?;
    serde_json::to_string(&report).map_err(failed)
}
