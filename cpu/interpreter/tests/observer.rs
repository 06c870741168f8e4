//! What other backends build on: blocks that are seen before they run, and single instructions.

use aero_cpu::testing::TestPlatform;
use aero_cpu::{CpuModel, CpuSignals, Exec, Features, Vcpu};
use aero_interpreter::{Interpreter, Observer, OpFlags, decode, execute_op};

/// `L: inc eax; dec ecx; jnz L; hlt`, at [`CODE`].
const LOOP: [u8; 5] = [0x40, 0x49, 0x75, 0xfc, 0xf4];
const CODE: u64 = 0x1000;

struct Stop {
    seen: Vec<(u64, u32)>,
    after: usize,
}

impl Observer for Stop {
    fn stop_before(&mut self, host_offset: u64, code_bits: u32) -> bool {
        self.seen.push((host_offset, code_bits));
        self.seen.len() > self.after
    }
}

fn with_exec(code: &[u8], test: impl FnOnce(&mut Exec<'_>)) {
    let mut platform = TestPlatform::new();
    platform.load(CODE, code);
    let mut cpu = Vcpu::new(0, CpuModel::named("westmere").unwrap());
    cpu.set_flat_protected(CODE as u32, 8, 16);
    cpu.regs[1] = 100;
    let signals = CpuSignals::new();
    test(&mut Exec::new(&mut cpu, &signals, &mut platform));
}

#[test]
fn an_observer_is_asked_before_each_block_and_stops_it() {
    with_exec(&LOOP, |exec| {
        let mut interpreter = Interpreter::new();
        assert!(!interpreter.knows(CODE, 32));
        let mut observer = Stop { seen: Vec::new(), after: 3 };
        interpreter.execute_observed(exec, 1000, &mut observer).unwrap();
        assert_eq!(observer.seen, [(CODE, 32); 4]);
        assert_eq!((exec.retired, exec.cpu.regs[0], exec.cpu.rip), (9, 3, CODE));
        assert!(interpreter.knows(CODE, 32));
        assert!(!interpreter.knows(CODE, 16) && !interpreter.knows(CODE + 1, 32));
    });
}

#[test]
fn no_more_instructions_are_executed_than_are_wanted() {
    with_exec(&LOOP, |exec| {
        let mut observer = Stop { seen: Vec::new(), after: usize::MAX };
        Interpreter::new().execute_observed(exec, 8, &mut observer).unwrap();
        assert_eq!((exec.retired, exec.cpu.regs[0], exec.cpu.rip), (8, 3, CODE + 2));
    });
}

#[test]
fn a_single_op_is_executed_and_counted() {
    with_exec(&LOOP, |exec| {
        let decoded = |at: usize| decode(&LOOP[at..], 32, Features::empty()).unwrap().1;
        assert!(!execute_op(exec, &decoded(0)));
        assert_eq!((exec.retired, exec.cpu.regs[0], exec.cpu.rip), (1, 1, CODE + 1));
        assert!(!execute_op(exec, &decoded(1)));
        assert!(execute_op(exec, &decoded(2)), "a branch ends its block");
        assert_eq!((exec.retired, exec.cpu.rip), (3, CODE));
    });
}

#[test]
fn a_fault_of_a_single_op_is_delivered() {
    with_exec(&[0x0f, 0x0b], |exec| {
        let (instr, op) = decode(&[0x0f, 0x0b], 32, Features::empty()).unwrap();
        assert_eq!(instr.len(), 2);
        // There is no IDT: the processor shuts down.
        assert!(execute_op(exec, &op));
        assert_eq!(exec.retired, 1);
        assert_eq!(exec.cpu.activity(), aero_cpu::Activity::Shutdown);
    });
}

#[test]
fn what_the_processor_does_not_have_shows_in_the_op() {
    let invalid = |code: &[u8], features| {
        let (_, op) = decode(code, 32, features).unwrap();
        op.flags.contains(OpFlags::INVALID)
    };
    // POPCNT, a hole in the map, UD2, VADDPS.
    assert!(invalid(&[0xf3, 0x0f, 0xb8, 0xc0], Features::empty()));
    assert!(!invalid(&[0xf3, 0x0f, 0xb8, 0xc0], Features::POPCNT));
    for code in [&[0x0f, 0x04, 0xc0, 0][..], &[0x0f, 0x0b], &[0xc5, 0xf8, 0x58, 0xc0, 0]] {
        assert!(invalid(code, Features::all()));
    }
    assert!(decode(&[0x0f], 32, Features::all()).is_none());
}
