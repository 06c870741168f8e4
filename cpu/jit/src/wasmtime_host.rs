//! Runs generated code natively, through wasmtime.
//!
//! The linear memory is the guest's block of host memory itself with what was placed behind it, so it
//! has to fit into the 4 GiB that a 32-bit WebAssembly memory can have.
//!
//! wasmtime frees an instance only with its whole store. So when as many modules have been released as
//! are still in use, a new store takes over: the modules are instantiated anew, which is quick because
//! they stay compiled, and they have no state of their own that could be lost. What is held is thereby
//! at most twice what is in use.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ptr::NonNull;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use aero_bus::GuestRam;
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, MemorySection, RefType,
    TableSection, TableType, TypeSection, ValType,
};
use wasmtime::{
    Caller, Config, Engine, Instance, LinearMemory, Linker, MemoryCreator, MemoryType, Module,
    OptLevel, Ref, ResourceLimiter, Store, Table, TypedFunc,
};

use crate::host::{CodeHost, Helpers, HostError, MemoryShape, Prepare, Prepared, Slots};

/// The page size of a WebAssembly memory.
const WASM_PAGE: u64 = 64 << 10;
/// Most pages a 32-bit memory has.
const MAX_PAGES: u64 = 1 << 16;
/// Slots of the table.
const SLOTS: u32 = 1 << 18;
/// Stack for generated code. It leaves half of the 2 MiB that a thread has to the rest.
const STACK: usize = 1 << 20;
/// Released modules that are no reason yet for a new store.
const FEW: usize = 64;

/// What modules import from.
const MODULE: &str = "aero";
/// Exports of the [root module](root_module), the first two also imports of all others.
const MEMORY: &str = "memory";
const TABLE: &str = "table";
const ENTER: &str = "enter";

impl From<wasmtime::Error> for HostError {
    fn from(error: wasmtime::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

/// The guest's memory as wasmtime sees it.
struct Block(GuestRam);

// SAFETY: the pointer and the length are those of one block of zeroed or used memory, which never
// moves or grows, and which `GuestRam` keeps alive. That the machine writes to it too is the purpose:
// generated code has no assumptions about memory from one access to the next.
unsafe impl LinearMemory for Block {
    fn byte_size(&self) -> usize {
        self.0.host_memory().1 as usize
    }

    fn byte_capacity(&self) -> usize {
        self.byte_size()
    }

    fn grow_to(&mut self, _new_size: usize) -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg("the memory has one size"))
    }

    fn as_ptr(&self) -> *mut u8 {
        self.0.host_memory().0
    }
}

thread_local! {
    /// The memory that the next instance of the root module is given.
    static NEXT: RefCell<Option<GuestRam>> = const { RefCell::new(None) };
}

/// Gives each root module the memory of its machine.
struct Blocks;

// SAFETY: `Block` keeps the promises, and bounds are checked by code, so that no guard is needed.
unsafe impl MemoryCreator for Blocks {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        _maximum: Option<usize>,
        _reserved_size_in_bytes: Option<usize>,
        guard_size_in_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let block = NEXT.take().map(Block);
        let block = block.filter(|b| minimum == b.byte_size() && guard_size_in_bytes == 0);
        Ok(Box::new(block.ok_or("only the guest's memory is to be had")?))
    }
}

/// What belongs to a store.
#[derive(Default)]
struct State {
    /// Whom the functions that modules import end up at, while generated code runs.
    helpers: Option<NonNull<dyn Helpers>>,
}

// SAFETY: the pointer is there only while `WasmtimeHost::enter` runs, on its thread.
unsafe impl Send for State {}

impl State {
    fn helpers(&mut self) -> &mut dyn Helpers {
        let mut helpers = self.helpers.expect("generated code runs inside of `enter`");
        // SAFETY: `enter` has it borrowed for as long as generated code runs, and generated code does
        // not come back here before a helper is done.
        unsafe { helpers.as_mut() }
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        _desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(current == 0)
    }

    fn table_growing(
        &mut self,
        current: usize,
        _desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(current == 0)
    }

    fn instances(&self) -> usize {
        usize::MAX
    }
}

/// A store with everything that modules import.
struct World {
    store: Store<State>,
    linker: Linker<State>,
    table: Table,
    /// Calls the function in a slot.
    enter: TypedFunc<(u32, u32), u32>,
}

impl World {
    fn new(root: &Module, ram: &GuestRam) -> Result<Self, HostError> {
        let mut store = Store::new(root.engine(), State::default());
        store.limiter(|state| state);
        let mut linker = Linker::new(root.engine());
        linker.func_wrap(
            MODULE,
            "translate_read",
            |mut caller: Caller<'_, State>, linear: u64, size: u32| {
                caller.data_mut().helpers().translate_read(linear, size)
            },
        )?;
        linker.func_wrap(
            MODULE,
            "translate_write",
            |mut caller: Caller<'_, State>, linear: u64, size: u32| {
                caller.data_mut().helpers().translate_write(linear, size)
            },
        )?;
        linker.func_wrap(
            MODULE,
            "interpret",
            |mut caller: Caller<'_, State>, site: u32, left: i32| {
                caller.data_mut().helpers().interpret(site, left)
            },
        )?;
        let missing = || HostError("the root module lacks an export".to_owned());
        NEXT.set(Some(ram.clone()));
        let instance = Instance::new(&mut store, root, &[])?;
        let memory = instance.get_memory(&mut store, MEMORY).ok_or_else(missing)?;
        let table = instance.get_table(&mut store, TABLE).ok_or_else(missing)?;
        let enter = instance.get_typed_func(&mut store, ENTER)?;
        linker.define(&store, MODULE, MEMORY, memory)?;
        linker.define(&store, MODULE, TABLE, table)?;
        Ok(Self { store, linker, table, enter })
    }

    fn install(&mut self, module: &Module) -> Result<(), HostError> {
        self.linker.instantiate(&mut self.store, module)?;
        Ok(())
    }
}

/// The module that has the memory and the table, and enters generated code:
/// `enter (i32 slot, i32 entry) -> i32`.
fn root_module(pages: u64) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(1);
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: SLOTS.into(),
        maximum: Some(SLOTS.into()),
        shared: false,
    });
    let mut memories = MemorySection::new();
    memories.memory(wasm_encoder::MemoryType {
        minimum: pages,
        maximum: Some(pages),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export(MEMORY, ExportKind::Memory, 0);
    exports.export(TABLE, ExportKind::Table, 0);
    exports.export(ENTER, ExportKind::Func, 0);
    let mut enter = Function::new([]);
    enter.instructions().local_get(1).local_get(0).call_indirect(0, 0).end();
    let mut code = CodeSection::new();
    code.function(&enter);
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&functions).section(&tables).section(&memories);
    module.section(&exports).section(&code);
    module.finish()
}

/// The slots of the table that nobody has, as ranges in order: first slot and count.
struct FreeSlots(BTreeMap<u32, u32>);

impl FreeSlots {
    fn take(&mut self, count: u32) -> Option<Slots> {
        let (&first, &length) = self.0.iter().find(|(_, length)| **length >= count)?;
        self.0.remove(&first);
        if length > count {
            self.0.insert(first + count, length - count);
        }
        Some(Slots { first, count })
    }

    fn give_back(&mut self, slots: Slots) {
        let Slots { mut first, mut count } = slots;
        if let Some((&before, &length)) = self.0.range(..first).next_back()
            && before + length == first
        {
            self.0.remove(&before);
            (first, count) = (before, length + count);
        }
        if let Some(length) = self.0.remove(&(first + count)) {
            count += length;
        }
        self.0.insert(first, count);
    }
}

/// Compiled modules by their bytes.
type Compiled = Mutex<HashMap<Vec<u8>, Module>>;

/// Compiles modules, on whatever thread.
#[derive(Clone)]
struct Compiler {
    engine: Engine,
    /// Those that were compiled before.
    before: Option<&'static Compiled>,
}

/// Modules that are kept for those who are in haste.
const MOST_COMPILED: usize = 1 << 12;

impl Compiler {
    fn new(effort: Effort) -> Result<Self, HostError> {
        // Tests make machine after machine with the same code at the same places.
        static HASTY: LazyLock<Option<Engine>> =
            LazyLock::new(|| Engine::new(&config(Effort::Haste)).ok());
        static BEFORE: LazyLock<Compiled> = LazyLock::new(Compiled::default);
        match (effort, &*HASTY) {
            (Effort::Haste, Some(engine)) => {
                Ok(Self { engine: engine.clone(), before: Some(&BEFORE) })
            }
            _ => Ok(Self { engine: Engine::new(&config(effort))?, before: None }),
        }
    }

    fn compile(&self, bytes: Vec<u8>) -> Result<Module, HostError> {
        let Some(before) = self.before else { return Ok(Module::new(&self.engine, bytes)?) };
        let lock = || before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = lock().get(&bytes) {
            return Ok(module.clone());
        }
        let module = Module::new(&self.engine, &bytes)?;
        let mut before = lock();
        if before.len() == MOST_COMPILED {
            before.clear();
        }
        before.insert(bytes, module.clone());
        Ok(module)
    }
}

impl Prepare for Compiler {
    fn prepare(&self, module: Vec<u8>) -> Result<Prepared, HostError> {
        Ok(Box::new(self.compile(module)?))
    }
}

/// A [`CodeHost`] that runs generated code with wasmtime, in memory that it shares with the machine.
pub struct WasmtimeHost {
    ram: GuestRam,
    compiler: Compiler,
    root: Module,
    world: World,
    free: FreeSlots,
    /// What is installed, by its first slot.
    installed: BTreeMap<u32, Module>,
    /// Modules that the store still holds though they were released.
    released: usize,
}

impl WasmtimeHost {
    /// An engine for machines with this memory. There is none if it is too large: with the room behind
    /// it, all of it has to fit into 4 GiB.
    pub fn new(ram: &GuestRam) -> Result<Self, HostError> {
        Self::with_effort(ram, Effort::Speed)
    }

    /// The same, which compiles in a fraction of the time, and to slower code, and keeps what it has
    /// compiled for others of its kind: for what is compiled to run once, as in tests.
    pub fn hasty(ram: &GuestRam) -> Result<Self, HostError> {
        Self::with_effort(ram, Effort::Haste)
    }

    fn with_effort(ram: &GuestRam, effort: Effort) -> Result<Self, HostError> {
        let (_, len) = ram.host_memory();
        let pages = len / WASM_PAGE;
        if pages > MAX_PAGES {
            return Err(HostError(format!("{len} bytes of memory are too many: 4 GiB at most")));
        }
        let compiler = Compiler::new(effort)?;
        let root = compiler.compile(root_module(pages))?;
        let world = World::new(&root, ram)?;
        let free = FreeSlots(BTreeMap::from([(0, SLOTS)]));
        let installed = BTreeMap::new();
        Ok(Self { ram: ram.clone(), compiler, root, world, free, installed, released: 0 })
    }

    /// Moves to a new store, with only the modules that are in use.
    fn renew(&mut self) -> Result<(), HostError> {
        let mut world = World::new(&self.root, &self.ram)?;
        for module in self.installed.values() {
            world.install(module)?;
        }
        self.world = world;
        self.released = 0;
        Ok(())
    }
}

/// What is worth more: fast code, or having it soon.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    Speed,
    Haste,
}

fn config(effort: Effort) -> Config {
    let mut config = Config::new();
    config
        .with_host_memory(Arc::new(Blocks))
        .memory_reservation(0)
        .memory_reservation_for_growth(0)
        .memory_guard_size(0)
        .guard_before_linear_memory(false)
        .memory_may_move(false)
        // Bounds are checked by code, and so is everything else that traps: no signal handlers.
        .signals_based_traps(false)
        .table_lazy_init(false)
        .max_wasm_stack(STACK)
        .wasm_tail_call(true)
        .wasm_simd(true)
        .wasm_branch_hinting(true)
        .cranelift_opt_level(match effort {
            Effort::Speed => OptLevel::Speed,
            Effort::Haste => OptLevel::None,
        })
        .generate_address_map(false)
        .wasm_backtrace_max_frames(None);
    if cfg!(unix) {
        // Panics of helpers do not unwind through generated code: wasmtime carries them across.
        config.native_unwind_info(false);
    }
    // SAFETY: the flags switch off mitigations of speculation past bounds checks and nothing else.
    // Generated code is the machine's own; guests cannot measure what it leaves in caches any better
    // than they can with the interpreter.
    unsafe {
        config
            .cranelift_flag_set("enable_heap_access_spectre_mitigation", "false")
            .cranelift_flag_set("enable_table_access_spectre_mitigation", "false");
    }
    config
}

impl CodeHost for WasmtimeHost {
    fn address_of(&self, pointer: *const u8) -> Option<u32> {
        let (base, len) = self.ram.host_memory();
        let offset = (pointer as usize as u64).checked_sub(base as usize as u64)?;
        (offset < len).then_some(offset as u32)
    }

    fn memory_shape(&self) -> MemoryShape {
        let pages = self.ram.host_memory().1 / WASM_PAGE;
        MemoryShape { shared: false, minimum: pages, maximum: Some(pages) }
    }

    fn preparer(&self) -> Arc<dyn Prepare> {
        Arc::new(self.compiler.clone())
    }

    fn spawn(&mut self, job: Box<dyn FnOnce() + Send>) -> bool {
        std::thread::Builder::new().name("jit".to_owned()).spawn(job).is_ok()
    }

    fn reserve(&mut self, count: u32) -> Result<Slots, HostError> {
        self.free.take(count).ok_or_else(|| HostError("the table is full".to_owned()))
    }

    fn install(&mut self, slots: Slots, module: Prepared) -> Result<(), HostError> {
        let module: Box<dyn Any> = module;
        let module = module
            .downcast::<Module>()
            .map_err(|_| HostError("a module of another engine".to_owned()))?;
        self.world.install(&module)?;
        self.installed.insert(slots.first, *module);
        Ok(())
    }

    fn release(&mut self, slots: Slots) {
        self.free.give_back(slots);
        if self.installed.remove(&slots.first).is_none() {
            // It was reserved and never filled.
            return;
        }
        self.released += 1;
        if self.released > FEW.max(self.installed.len()) {
            match self.renew() {
                Ok(()) => return,
                // The old store serves as before; the next release tries again.
                Err(error) => log::warn!("old generated code cannot be given up: {error}"),
            }
        }
        for slot in slots.first..slots.first + slots.count {
            let emptied = self.world.table.set(&mut self.world.store, slot.into(), Ref::Func(None));
            emptied.expect("the slot is in the table");
        }
    }

    fn enter(
        &mut self,
        slot: u32,
        entry: u32,
        helpers: &mut dyn Helpers,
    ) -> Result<u32, HostError> {
        let helpers: NonNull<dyn Helpers + '_> = NonNull::from(helpers);
        // SAFETY: only the lifetime is dropped; the pointer is gone before the borrow ends.
        let helpers = unsafe {
            std::mem::transmute::<NonNull<dyn Helpers + '_>, NonNull<dyn Helpers>>(helpers)
        };
        self.world.store.data_mut().helpers = Some(helpers);
        let outcome = self.world.enter.call(&mut self.world.store, (slot, entry));
        self.world.store.data_mut().helpers = None;
        Ok(outcome?)
    }
}

#[cfg(test)]
#[path = "wasmtime_host/tests.rs"]
mod tests;
