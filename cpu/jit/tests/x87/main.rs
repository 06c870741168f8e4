//! x87 code run by generated code and by the interpreter: the complete state and memory must end the
//! same. What does not depend on luck is in here, the rest in `random`.
#![cfg(feature = "wasmtime")]

#[path = "../programs/machine.rs"]
#[allow(dead_code, reason = "the other programs use the rest")]
mod machine;
#[path = "../programs/numbers.rs"]
mod numbers;
mod random;
mod speed;

use aero_bus::vm_memory::{Bytes, GuestAddress};
use aero_interpreter::Interpreter;
use machine::{Bits, Machine};

/// Where programs have their data.
const DATA: u32 = 0x30_0000;

/// Runs code with data on both backends and compares; returns how many instructions were translated,
/// and of those the ones that the interpreter executed.
fn compare(bits: Bits, code: &[u8], data: &[u8], name: &str) -> (u64, u64) {
    let run = |jit: bool| {
        let mut machine = Machine::new(bits, code);
        machine.platform.map.ram().write_slice(data, GuestAddress(DATA.into())).unwrap();
        machine.cpu.cr4 |= 1 << 9;
        let mut counts = (0, 0);
        let outcome = if jit {
            let mut backend = machine.jit(aero_jit::Settings::eager());
            let outcome = machine.run(&mut backend);
            let stats = backend.stats();
            counts = (stats.translated, stats.assisted);
            outcome
        } else {
            machine.run(&mut Interpreter::new())
        };
        (machine.state(), outcome, machine.data(), counts)
    };
    let (expected, by_interpreter, expected_data, _) = run(false);
    let (state, by_jit, data, counts) = run(true);
    if let Some(at) = (0..data.len()).find(|at| data[*at] != expected_data[*at]) {
        let row = at & !15;
        panic!(
            "{name}: memory differs at {:#x}: {:02x?} instead of {:02x?}",
            at + DATA as usize,
            &data[row..row + 16],
            &expected_data[row..row + 16],
        );
    }
    assert_eq!(state, expected, "{name}");
    assert_eq!(by_jit, by_interpreter, "{name}");
    counts
}
