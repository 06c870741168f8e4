//! Generated code in the page: modules over the program's own memory and function table.
//!
//! A function of a generated module is entered as any function pointer of the program is called, and
//! the functions it imports are the program's own exports. So no JavaScript runs when generated code is
//! entered, left or asks for something; only making a module and growing the table go through it.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use aero_jit::{CodeHost, HELPERS, Helpers, HostError, MemoryShape, Prepare, Prepared, Slots};
use js_sys::WebAssembly::{Instance, Module};
use js_sys::{Object, Reflect, Uint8Array};
use send_wrapper::SendWrapper;
use wasm_bindgen::prelude::*;

use crate::files::message;
use crate::slots::FreeSlots;
use crate::threads;

#[wasm_bindgen]
extern "C" {
    /// `WebAssembly.Table`.
    type Table;

    #[wasm_bindgen(method, getter)]
    fn length(this: &Table) -> u32;
    /// Returns the length it had.
    #[wasm_bindgen(method, catch)]
    fn grow(this: &Table, by: u32) -> Result<u32, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn set(this: &Table, index: u32, value: &JsValue) -> Result<(), JsValue>;
}

thread_local! {
    /// Who serves the generated code that runs on this thread.
    static SERVING: Cell<Option<NonNull<dyn Helpers>>> = const { Cell::new(None) };
}

/// While it lives, `SERVING` is set; then what it was before.
struct Serving(Option<NonNull<dyn Helpers>>);

impl Serving {
    fn begin(helpers: &mut dyn Helpers) -> Self {
        let pointer: NonNull<dyn Helpers + '_> = NonNull::from(helpers);
        // SAFETY: only the lifetime changes. The pointer is in `SERVING` as long as `self` lives, which
        // is shorter than the borrow of `helpers`.
        let pointer: NonNull<dyn Helpers> = unsafe { std::mem::transmute(pointer) };
        Self(SERVING.replace(Some(pointer)))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        SERVING.set(self.0);
    }
}

fn serving<R>(act: impl FnOnce(&mut dyn Helpers) -> R) -> R {
    let mut helpers = SERVING.get().expect("only entered code calls these functions");
    // SAFETY: `Serving::begin` put it there from a unique borrow that `enter` holds, and does not use,
    // until the generated code that calls us has returned.
    act(unsafe { helpers.as_mut() })
}

/// `translate_read` of [`Helpers`], for generated modules to import.
#[unsafe(no_mangle)]
pub extern "C" fn aero_jit_translate_read(linear: u64, size: u32) -> u32 {
    serving(|helpers| helpers.translate_read(linear, size))
}

/// `translate_write` of [`Helpers`].
#[unsafe(no_mangle)]
pub extern "C" fn aero_jit_translate_write(linear: u64, size: u32) -> u32 {
    serving(|helpers| helpers.translate_write(linear, size))
}

/// `interpret` of [`Helpers`].
#[unsafe(no_mangle)]
pub extern "C" fn aero_jit_interpret(site: u32, left: i32) -> u32 {
    serving(|helpers| helpers.interpret(site, left))
}

/// What the names of the three functions above have before the names of [`HELPERS`].
const PREFIX: &str = "aero_jit_";
/// The greatest size of the program's memory, in pages: the 4 GiB it is linked with.
const MEMORY_MAXIMUM: u64 = 1 << 16;
/// Slots by which the table grows at least. It doubles, since every instance hears of it.
const LEAST_GROWTH: u32 = 4096;

fn host(error: JsValue) -> HostError {
    HostError(message(&error))
}

/// The program's memory in pages. It only ever grows.
fn memory_pages() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size(0) as u64;
    #[cfg(not(target_arch = "wasm32"))]
    return 0;
}

/// A module's bytes, and a sign of life for the copy of it that [`KEPT`] holds.
struct Code {
    bytes: Vec<u8>,
    _wanted: Arc<()>,
}

thread_local! {
    /// Modules that this thread compiled and another will instantiate. The engine keeps one compiled
    /// form of the same bytes for all threads as long as one of them holds it.
    static KEPT: RefCell<Vec<(Weak<()>, Module)>> = const { RefCell::new(Vec::new()) };
}

/// Compiles modules on the thread that asks.
struct Compiler;

impl Prepare for Compiler {
    fn prepare(&self, bytes: Vec<u8>) -> Result<Prepared, HostError> {
        let module = compile(&bytes)?;
        let wanted = Arc::new(());
        KEPT.with_borrow_mut(|kept| {
            kept.retain(|(wanted, _)| wanted.strong_count() > 0);
            kept.push((Arc::downgrade(&wanted), module));
        });
        Ok(Box::new(Code { bytes, _wanted: wanted }))
    }
}

fn compile(bytes: &[u8]) -> Result<Module, HostError> {
    // A copy: modules are not made from shared memory.
    Module::new(&Uint8Array::from(bytes)).map_err(host)
}

/// What belongs to the machine's own thread.
struct Engine {
    table: Table,
    imports: Object,
}

/// Runs generated code in the page.
pub struct PageCodeHost {
    engine: SendWrapper<Engine>,
    free: FreeSlots,
}

impl PageCodeHost {
    /// On the calling thread, with the program's memory and table.
    pub fn new() -> Result<Self, HostError> {
        let exports = wasm_bindgen::exports();
        let table = wasm_bindgen::function_table();
        let names = Object::new();
        let give = |name: &str, value: &JsValue| {
            Reflect::set(&names, &name.into(), value).map(drop).map_err(host)
        };
        give("memory", &wasm_bindgen::memory())?;
        give("table", &table)?;
        for (name, ..) in HELPERS {
            let function =
                Reflect::get(&exports, &format!("{PREFIX}{name}").into()).map_err(host)?;
            if function.is_undefined() {
                return Err(HostError(format!("the program does not export {name}")));
            }
            give(name, &function)?;
        }
        let imports = Object::new();
        Reflect::set(&imports, &"aero".into(), &names).map_err(host)?;
        let engine = SendWrapper::new(Engine { table: table.unchecked_into(), imports });
        Ok(Self { engine, free: FreeSlots::default() })
    }
}

impl CodeHost for PageCodeHost {
    fn address_of(&self, pointer: *const u8) -> Option<u32> {
        u32::try_from(pointer as usize).ok()
    }

    fn memory_shape(&self) -> MemoryShape {
        // What the memory has already tells the engine which constant addresses need no check.
        MemoryShape { shared: true, minimum: memory_pages(), maximum: Some(MEMORY_MAXIMUM) }
    }

    fn preparer(&self) -> Arc<dyn Prepare> {
        Arc::new(Compiler)
    }

    fn spawn(&mut self, job: Box<dyn FnOnce() + Send>) -> bool {
        threads::spawn(job)
    }

    fn reserve(&mut self, count: u32) -> Result<Slots, HostError> {
        let first = match self.free.take(count) {
            Some(first) => first,
            None => {
                let growth = count.max(self.engine.table.length()).max(LEAST_GROWTH);
                let old = self.engine.table.grow(growth).map_err(host)?;
                self.free.put(old, growth);
                self.free.take(count).ok_or_else(|| HostError("no slots".to_owned()))?
            }
        };
        Ok(Slots { first, count })
    }

    fn install(&mut self, _slots: Slots, module: Prepared) -> Result<(), HostError> {
        let code = module
            .downcast::<Code>()
            .map_err(|_| HostError("the module was prepared for another host".to_owned()))?;
        let module = compile(&code.bytes)?;
        // Its element segment fills the slots; the table keeps the instance.
        Instance::new(&module, &self.engine.imports).map_err(host)?;
        Ok(())
    }

    fn release(&mut self, slots: Slots) {
        for slot in slots.first..slots.first + slots.count {
            if let Err(error) = self.engine.table.set(slot, &JsValue::NULL) {
                log::error!("slot {slot} cannot be emptied: {}", message(&error));
                return;
            }
        }
        self.free.put(slots.first, slots.count);
    }

    fn enter(
        &mut self,
        slot: u32,
        entry: u32,
        helpers: &mut dyn Helpers,
    ) -> Result<u32, HostError> {
        let _serving = Serving::begin(helpers);
        // SAFETY: a function pointer of wasm32 is an index into the function table, and the functions
        // in slots that were reserved are of this type. The engine itself checks that: a slot that is
        // empty or holds another type stops the program.
        let function: extern "C" fn(u32) -> u32 = unsafe { std::mem::transmute(slot as usize) };
        Ok(function(entry))
    }
}
