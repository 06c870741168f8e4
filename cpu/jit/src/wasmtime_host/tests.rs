use std::borrow::Cow;
use std::sync::mpsc;
use std::time::Instant;

use wasm_encoder::{
    BlockType, BranchHint, BranchHints, ConstExpr, ElementSection, Elements, EntityType,
    ImportSection, InstructionSink, MemArg, MemArgTarget,
};

use super::*;
use crate::HELPERS;

/// Index of the type `(i32) -> i32` in test modules.
const ENTRY_TYPE: u32 = 3;
const TRANSLATE_READ: u32 = 0;
const TRANSLATE_WRITE: u32 = 1;
const INTERPRET: u32 = 2;

/// A module of one function, `entry` its parameter 0 and one local i64, which fills `slot`.
fn module(host: &WasmtimeHost, slot: u32, body: impl FnOnce(&mut InstructionSink<'_>)) -> Vec<u8> {
    let value_types = |names: &str| -> Vec<ValType> {
        names.chars().map(|c| if c == 'I' { ValType::I64 } else { ValType::I32 }).collect()
    };
    let mut types = TypeSection::new();
    let mut imports = ImportSection::new();
    for (index, (name, parameters, result)) in HELPERS.iter().enumerate() {
        types.ty().function(value_types(parameters), value_types(result));
        imports.import(MODULE, name, EntityType::Function(index as u32));
    }
    types.ty().function([ValType::I32], [ValType::I32]);
    let shape = host.memory_shape();
    imports.import(
        MODULE,
        MEMORY,
        wasm_encoder::MemoryType {
            minimum: shape.minimum,
            maximum: shape.maximum,
            memory64: false,
            shared: shape.shared,
            page_size_log2: None,
        },
    );
    let element_type = RefType::FUNCREF;
    let (minimum, maximum) = (slot as u64 + 1, None);
    imports.import(
        MODULE,
        TABLE,
        TableType { element_type, table64: false, minimum, maximum, shared: false },
    );
    let mut functions = FunctionSection::new();
    functions.function(ENTRY_TYPE);
    let mut elements = ElementSection::new();
    let function = HELPERS.len() as u32;
    let offset = ConstExpr::i32_const(slot as i32);
    elements.active(Some(0), &offset, Elements::Functions(Cow::Borrowed(&[function])));
    let mut function_body = Function::new([(1, ValType::I64)]);
    body(&mut function_body.instructions());
    function_body.instructions().end();
    let mut code = CodeSection::new();
    code.function(&function_body);
    let mut hints = BranchHints::new();
    hints.function_hints(function, [BranchHint { branch_func_offset: 5, branch_hint_value: 1 }]);
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&imports).section(&functions).section(&elements);
    module.section(&hints).section(&code);
    module.finish()
}

/// Makes and installs a module of one function.
fn install(host: &mut WasmtimeHost, body: impl FnOnce(&mut InstructionSink<'_>)) -> Slots {
    let slots = host.reserve(1).unwrap();
    let bytes = module(host, slots.first, body);
    let prepared = host.preparer().prepare(bytes).unwrap();
    host.install(slots, prepared).unwrap();
    slots
}

/// Translates by subtraction of 0x1000, and notes what it is asked.
#[derive(Default)]
struct Recorder {
    interpreted: Vec<(u32, i32)>,
}

impl Helpers for Recorder {
    fn translate_read(&mut self, linear: u64, size: u32) -> u32 {
        assert_eq!(size, 4);
        (linear - 0x1000) as u32
    }

    fn translate_write(&mut self, _linear: u64, _size: u32) -> u32 {
        u32::MAX
    }

    fn interpret(&mut self, site: u32, left: i32) -> u32 {
        self.interpreted.push((site, left));
        site + 1
    }
}

fn world() -> (GuestRam, WasmtimeHost, Recorder) {
    let ram = GuestRam::new(1 << 20, 0).unwrap();
    let host = WasmtimeHost::new(&ram).unwrap();
    (ram, host, Recorder::default())
}

const AT: MemArg = MemArg { offset: 0, align: 0, target: MemArgTarget::Memory(0), ordering: None };

#[test]
fn a_load_reaches_guest_memory_through_a_helper() {
    let (ram, mut host, mut helpers) = world();
    ram.host_slice(0x2345, 4).unwrap().copy_from(&[0x78u8, 0x56, 0x34, 0x12]);
    let slots = install(&mut host, |code| {
        code.local_get(0).i64_extend_i32_u().i32_const(4).call(TRANSLATE_READ).i32_load(AT);
    });
    assert_eq!(host.enter(slots.first, 0x3345, &mut helpers).unwrap(), 0x1234_5678);
}

#[test]
fn a_store_reaches_what_was_placed() {
    let (ram, mut host, mut helpers) = world();
    let placed = ram.place([0u32; 4]).unwrap();
    let address = host.address_of(placed.as_ptr().cast()).unwrap();
    let slots = install(&mut host, |code| {
        code.local_get(0).i32_const(77).i32_store(MemArg { offset: 8, ..AT }).i32_const(0);
    });
    host.enter(slots.first, address, &mut helpers).unwrap();
    // SAFETY: the value is there; generated code wrote to it, so the compiler must not know better.
    assert_eq!(unsafe { placed.as_ptr().read_volatile() }, [0, 0, 77, 0]);
    let outside = 0u32;
    assert_eq!(host.address_of((&raw const outside).cast()), None);
    assert_eq!(host.address_of(ram.host_block().0), Some(0));
}

#[test]
fn modules_go_on_in_each_other_through_the_table() {
    let (_ram, mut host, mut helpers) = world();
    let last = install(&mut host, |code| {
        code.local_get(0).i32_const(5).call(INTERPRET);
    });
    let first = install(&mut host, |code| {
        code.local_get(0).i32_const(1).i32_add().i32_const(last.first as i32);
        code.return_call_indirect(0, ENTRY_TYPE);
    });
    assert_eq!(host.enter(first.first, 6, &mut helpers).unwrap(), 8);
    assert_eq!(helpers.interpreted, [(7, 5)]);
}

#[test]
fn a_long_chain_of_tail_calls_takes_no_stack() {
    let (_ram, mut host, mut helpers) = world();
    let slots = host.reserve(1).unwrap();
    let bytes = module(&host, slots.first, |code| {
        code.local_get(0).if_(BlockType::Empty);
        code.local_get(0).i32_const(1).i32_sub().i32_const(slots.first as i32);
        code.return_call_indirect(0, ENTRY_TYPE).end().i32_const(9);
    });
    let prepared = host.preparer().prepare(bytes).unwrap();
    host.install(slots, prepared).unwrap();
    assert_eq!(host.enter(slots.first, 1_000_000, &mut helpers).unwrap(), 9);
}

#[test]
fn what_goes_wrong_is_an_error_and_nothing_else() {
    let (_ram, mut host, mut helpers) = world();
    let outside = install(&mut host, |code| {
        code.local_get(0).i32_load(AT);
    });
    let divides = install(&mut host, |code| {
        code.i32_const(1).local_get(0).i32_div_u();
    });
    let endless = host.reserve(1).unwrap();
    let bytes = module(&host, endless.first, |code| {
        code.local_get(0).call(HELPERS.len() as u32).i32_const(1).i32_add();
    });
    let prepared = host.preparer().prepare(bytes).unwrap();
    host.install(endless, prepared).unwrap();
    let len = (host.memory_shape().minimum << 16) as u32;
    assert!(host.enter(outside.first, len - 4, &mut helpers).is_ok());
    for (slot, entry) in [
        (outside.first, len - 3),
        (outside.first, u32::MAX),
        (divides.first, 0),
        (endless.first, 0),
        (SLOTS - 1, 0),
        (SLOTS, 0),
    ] {
        assert!(host.enter(slot, entry, &mut helpers).is_err());
    }
    assert_eq!(host.enter(divides.first, 1, &mut helpers).unwrap(), 1);
    assert!(host.preparer().prepare(vec![1, 2, 3]).is_err());
}

#[test]
fn a_panic_of_a_helper_comes_through() {
    struct Panics;
    impl Helpers for Panics {
        fn translate_read(&mut self, _linear: u64, _size: u32) -> u32 {
            0
        }
        fn translate_write(&mut self, _linear: u64, _size: u32) -> u32 {
            panic!("as wanted")
        }
        fn interpret(&mut self, _site: u32, _left: i32) -> u32 {
            0
        }
    }
    let (_ram, mut host, _) = world();
    let slots = install(&mut host, |code| {
        code.i64_const(0).i32_const(1).call(TRANSLATE_WRITE);
    });
    let run = std::panic::AssertUnwindSafe(|| host.enter(slots.first, 0, &mut Panics));
    assert!(std::panic::catch_unwind(run).is_err());
}

#[test]
fn modules_are_made_on_another_thread() {
    let (_ram, mut host, mut helpers) = world();
    let slots = host.reserve(1).unwrap();
    let bytes = module(&host, slots.first, |code| {
        code.local_get(0);
    });
    let (sender, receiver) = mpsc::channel();
    let preparer = host.preparer();
    assert!(host.spawn(Box::new(move || sender.send(preparer.prepare(bytes)).unwrap())));
    host.install(slots, receiver.recv().unwrap().unwrap()).unwrap();
    assert_eq!(host.enter(slots.first, 3, &mut helpers).unwrap(), 3);
}

#[test]
fn released_slots_are_empty_and_the_others_stay() {
    let (_ram, mut host, mut helpers) = world();
    let answer = |host: &mut WasmtimeHost, value: i32| {
        install(host, |code| {
            code.i32_const(value);
        })
    };
    let kept = answer(&mut host, -1);
    let mut gone = Vec::new();
    // More than a store is kept for.
    for value in 0..3 * FEW as i32 {
        let slots = answer(&mut host, value);
        assert_eq!(host.enter(slots.first, 0, &mut helpers).unwrap(), value as u32);
        gone.push(slots);
    }
    let filled = host.enter(gone[5].first, 0, &mut helpers).unwrap();
    assert_eq!(filled, 5);
    for slots in gone {
        host.release(slots);
        assert!(host.enter(slots.first, 0, &mut helpers).is_err());
        assert_eq!(host.enter(kept.first, 0, &mut helpers).unwrap(), u32::MAX);
    }
    assert!(host.released <= FEW);
    assert_eq!(host.free.0.len(), 1, "free slots are one range again");
}

#[test]
fn slots_are_in_a_row_and_end() {
    let (_ram, mut host, _) = world();
    let a = host.reserve(10).unwrap();
    let b = host.reserve(SLOTS - 10).unwrap();
    assert_eq!((a.first, b.first), (0, 10));
    assert!(host.reserve(1).is_err());
    host.release(a);
    assert!(host.reserve(11).is_err());
    assert_eq!(host.reserve(4).unwrap(), Slots { first: 0, count: 4 });
    host.release(b);
    assert_eq!(host.reserve(SLOTS - 4).unwrap().first, 4);
}

/// What entering costs; run with `--ignored --nocapture` on a release build.
#[test]
#[ignore = "measures"]
fn measure() {
    let (_ram, mut host, mut helpers) = world();
    let plain = install(&mut host, |code| {
        code.local_get(0);
    });
    let calls = install(&mut host, |code| {
        // 1000 calls of a helper.
        code.loop_(BlockType::Empty);
        code.i64_const(0x2000).i32_const(4).call(TRANSLATE_READ).drop();
        code.local_get(0).i32_const(1).i32_sub().local_tee(0).br_if(0).end().i32_const(0);
    });
    let chain = host.reserve(1).unwrap();
    let bytes = module(&host, chain.first, |code| {
        code.local_get(0).if_(BlockType::Empty);
        code.local_get(0).i32_const(1).i32_sub().i32_const(chain.first as i32);
        code.return_call_indirect(0, ENTRY_TYPE).end().i32_const(9);
    });
    let prepared = host.preparer().prepare(bytes).unwrap();
    host.install(chain, prepared).unwrap();
    // Sums memory, for the cost of bounds checks.
    let sum = install(&mut host, |code| {
        code.loop_(BlockType::Empty);
        code.local_get(1).local_get(0).i64_load(AT).i64_add();
        code.local_get(0).i64_load(MemArg { offset: 0x1000, ..AT }).i64_add().local_set(1);
        code.local_get(0).i32_const(8).i32_sub().local_tee(0).br_if(0).end();
        code.local_get(1).i32_wrap_i64();
    });
    let mut time = |what: &str, slot: u32, entry: u32, runs: u32, per_run: u32| {
        // The best of many, since others use the processor too.
        let round = |_| {
            let start = Instant::now();
            for _ in 0..runs {
                host.enter(slot, entry, &mut helpers).unwrap();
            }
            start.elapsed().as_nanos() as f64 / f64::from(runs) / f64::from(per_run)
        };
        let best = (0..200).map(round).fold(f64::INFINITY, f64::min);
        println!("{what}: {best:.2} ns");
    };
    time("enter and return", plain.first, 1, 10_000, 1);
    time("call of a helper", calls.first, 1000, 10, 1000);
    time("return_call_indirect", chain.first, 1000, 100, 1000);
    time("two loads in a loop", sum.first, 64 << 10, 10, 8 << 10);
}

/// What makes flags explicit inside of a page, against the same in Rust.
#[test]
fn flags_of_every_kind_are_made_explicit_alike() {
    use crate::translate::{explicit, explicit_function};
    let mut types = TypeSection::new();
    types.ty().function([ValType::I64, ValType::I64, ValType::I32], [ValType::I64, ValType::I64]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("explicit", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    code.function(&explicit_function());
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    let engine = Engine::default();
    let module = Module::new(&engine, module.finish()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let function =
        instance.get_typed_func::<(u64, u64, u32), (u64, u64)>(&mut store, "explicit").unwrap();
    let mut random = 0x1234_5678_9abc_def0_u64;
    for kind in 0..64_u32 {
        let mask = u64::MAX >> (64 - (8 << (kind >> 4)));
        let edges = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, mask >> 1, (mask >> 1) + 1, mask - 1, mask];
        let mut values: Vec<(u64, u64)> =
            edges.iter().flat_map(|x| edges.map(|y| (*x, y))).collect();
        for _ in 0..100 {
            let mut next = || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random
            };
            values.push((next(), next()));
        }
        for (mut x, mut y) in values {
            match kind & 15 {
                // Explicit flags have all of their bits.
                0 | 12.. => {}
                1..=4 | 11 => (x, y) = (x & mask, y & mask),
                // y is CF.
                _ => (x, y) = (x & mask, y & 1),
            }
            let expected = explicit(kind, x, y);
            let found = function.call(&mut store, (x, y, kind)).unwrap();
            assert_eq!(found, expected, "kind {kind:#x}, x {x:#x}, y {y:#x}");
        }
    }
}
