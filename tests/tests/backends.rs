//! Whole boots on the JIT beside the same boots on the interpreter. In deterministic mode a machine does
//! the same on both, to the instruction, whatever was translated when.
//!
//! `cargo xtask test --boots` runs these; they take minutes. What they are given at random is printed
//! with the seed, and `AERO_SEED` repeats a run.

use std::time::SystemTime;

use aero_tests::{Bench, Ended};

const UP: &str = "Aero guest is up.";
/// Boots of each kernel on the JIT.
const BOOTS: usize = 5;
/// Seconds that a boot may take. With a low threshold most of it is compiling.
const TIMEOUT: &str = "1500";

struct Random(u64);

impl Random {
    /// From the environment, or else from the clock.
    fn new() -> Self {
        let seed = match std::env::var("AERO_SEED") {
            Ok(text) => text.parse().expect("AERO_SEED is a number"),
            Err(_) => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                now.expect("it is later than 1970").subsec_nanos().into()
            }
        };
        println!("AERO_SEED={seed}");
        Self(seed)
    }

    /// A number below the limit (splitmix64).
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % limit
    }
}

/// Settings of the JIT, as a machine file has them.
fn settings(random: &mut Random) -> String {
    // As many between 32 and 64 as between 1000 and 2000.
    let octave = 5 + random.below(6);
    let threshold = (1 << octave) + random.below(1 << octave);
    // From little enough for old code to make room for new.
    let code = 8_u64 << random.below(4);
    let background = random.below(2) == 0;
    format!(
        "backend = \"jit\"\n[cpu.jit]\nthreshold = {threshold}\ncode_bytes = \"{code}MiB\"\n\
         background = {background}\n"
    )
}

fn boot(kernel: &str, cpu: &str) -> Ended {
    let machine = format!(
        "[machine]\nmemory = \"512MiB\"\n[boot]\nkernel = \"vmlinuz-{kernel}\"\n\
         initrd = \"initrd-{kernel}\"\ncmdline = \"console=ttyS0 nodisk\"\n\
         [clock]\nmode = \"deterministic\"\n[cpu]\n{cpu}"
    );
    Bench::new().run(&machine, &["--until", UP, "--timeout", TIMEOUT]).succeeded()
}

/// Boots a kernel on both backends, and compares what came over the serial line and how many
/// instructions it took.
fn compare(kernel: &str) {
    let mut random = Random::new();
    let expected = boot(kernel, "backend = \"interpreter\"\n");
    for number in 1..=BOOTS {
        let settings = settings(&mut random);
        println!("{kernel}, boot {number}:\n{settings}");
        let found = boot(kernel, &settings);
        let line = expected.serial.lines().zip(found.serial.lines()).find(|(a, b)| a != b);
        assert_eq!(line, None, "the first line that differs, {kernel}, with:\n{settings}");
        assert_eq!(found.serial, expected.serial, "{kernel}, with:\n{settings}");
        assert_eq!(found.instructions(), expected.instructions(), "{kernel}, with:\n{settings}");
        let translated = &found.stats["jit"]["instructions"]["translated"];
        let most = found.instructions() / 2;
        assert!(translated.as_u64() > Some(most), "little was translated: {}", found.stats["jit"]);
        println!("the same, in {} s", found.stats["host_seconds"]);
    }
}

#[test]
#[ignore = "minutes: cargo xtask test --boots"]
fn the_64_bit_kernel_boots_alike_on_both_backends() {
    compare("amd64");
}

#[test]
#[ignore = "minutes: cargo xtask test --boots"]
fn the_32_bit_kernel_boots_alike_on_both_backends() {
    compare("686");
}
