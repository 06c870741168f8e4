//! Modules: what an engine is given.

use std::borrow::Cow;

use wasm_encoder::{
    BranchHints, CodeSection, ConstExpr, ElementSection, Elements, EntityType, FunctionSection,
    ImportSection, MemoryType, Module, RefType, TableType, TypeSection, ValType,
};

use crate::host::{HELPERS, MemoryShape, Slots};
use crate::translate::{
    Functions, ROUTINE_PARAMETERS, ROUTINE_RESULTS, ROUTINES, Translated, explicit_function,
    no_routine, routine_function,
};

const REGION_TYPE: u32 = 0;
const EXPLICIT_TYPE: u32 = 1;
const HELPER_TYPES: u32 = 2;
const ROUTINE_TYPE: u32 = HELPER_TYPES + HELPERS.len() as u32;

/// The numbers that generated code uses, given the slot of the function for flags.
pub fn functions(explicit: u32) -> Functions {
    Functions {
        translate_read: 0,
        translate_write: 1,
        interpret: 2,
        explicit_type: EXPLICIT_TYPE,
        explicit,
        region_type: REGION_TYPE,
        routines: HELPERS.len() as u32,
    }
}

fn value_types(letters: &str) -> Vec<ValType> {
    letters.chars().map(|l| if l == 'I' { ValType::I64 } else { ValType::I32 }).collect()
}

/// Types and imports, which all modules have alike.
fn preamble(memory: MemoryShape, slots: Slots) -> (Module, u32) {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    types.ty().function([ValType::I64, ValType::I64, ValType::I32], [ValType::I64, ValType::I64]);
    let mut imports = ImportSection::new();
    let memory = MemoryType {
        minimum: memory.minimum,
        maximum: memory.maximum,
        memory64: false,
        shared: memory.shared,
        page_size_log2: None,
    };
    imports.import("aero", "memory", EntityType::Memory(memory));
    let table = TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: (slots.first + slots.count).into(),
        maximum: None,
        shared: false,
    };
    imports.import("aero", "table", EntityType::Table(table));
    for (index, (name, parameters, results)) in HELPERS.iter().enumerate() {
        types.ty().function(value_types(parameters), value_types(results));
        imports.import("aero", name, EntityType::Function(HELPER_TYPES + index as u32));
    }
    types.ty().function(ROUTINE_PARAMETERS, ROUTINE_RESULTS);
    let mut module = Module::new();
    module.section(&types).section(&imports);
    (module, HELPERS.len() as u32)
}

fn fill(module: &mut Module, slots: Slots, first_function: u32) {
    let mut elements = ElementSection::new();
    let indices: Vec<u32> = (0..slots.count).map(|n| first_function + n).collect();
    elements.active(
        Some(0),
        &ConstExpr::i32_const(slots.first as i32),
        Elements::Functions(Cow::Owned(indices)),
    );
    module.section(&elements);
}

/// The module with the function for flags.
pub fn support(memory: MemoryShape, slots: Slots) -> Vec<u8> {
    let (mut module, first) = preamble(memory, slots);
    let mut functions = FunctionSection::new();
    functions.function(EXPLICIT_TYPE);
    module.section(&functions);
    fill(&mut module, slots, first);
    let mut code = CodeSection::new();
    code.function(&explicit_function());
    module.section(&code);
    module.finish()
}

/// The module of some regions, one a slot.
pub fn regions(memory: MemoryShape, slots: Slots, translated: &[Translated]) -> Vec<u8> {
    let (mut module, first) = preamble(memory, slots);
    let mut functions = FunctionSection::new();
    let mut hints = BranchHints::new();
    let mut code = CodeSection::new();
    // Routines come first, all of them, so that their indices do not depend on which are needed.
    let needed = translated.iter().fold(0, |needed, region| needed | region.routines);
    let mut first = first;
    if needed != 0 {
        for routine in ROUTINES {
            functions.function(ROUTINE_TYPE);
            if needed & 1 << routine as u32 == 0 {
                code.function(&no_routine());
            } else {
                let (function, routine_hints) = routine_function(routine);
                hints.function_hints(first, routine_hints);
                code.function(&function);
            }
            first += 1;
        }
    }
    for (index, region) in translated.iter().enumerate() {
        functions.function(REGION_TYPE);
        if !region.hints.is_empty() {
            hints.function_hints(first + index as u32, region.hints.iter().copied());
        }
        code.function(&region.function);
    }
    module.section(&functions);
    fill(&mut module, slots, first);
    if !hints.is_empty() {
        module.section(&hints);
    }
    module.section(&code);
    module.finish()
}
