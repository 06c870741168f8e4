//! `cargo xtask fuzz`: libFuzzer on the targets of `tests/fuzz`.
//!
//! The compiler's own options give what libFuzzer wants, so that the stable toolchain does: counters
//! on edges and compares that are traced, in a build of its own.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};

use crate::{sh, tools};

/// The targets, which are folders of seeds too.
const TARGETS: [&str; 4] = ["cpu", "paging", "machine-file", "snapshot"];

/// LLVM's coverage for libFuzzer, as `cargo fuzz` asks for it.
const RUSTFLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    --cfg fuzzing";

/// Minutes a target gets if the command line does not say.
const MINUTES: u64 = 10;
/// Seconds after which one input counts as a hang.
const HANG: u64 = 10;
/// Memory in MiB that one process may use.
const MEMORY: u64 = 2048;

struct Options {
    targets: Vec<&'static str>,
    seconds: u64,
    /// Inputs to run once, in place of fuzzing.
    inputs: Vec<PathBuf>,
    merge: bool,
    /// The target `cpu` on the JIT.
    jit: bool,
}

fn parse(args: &[String]) -> Result<Options> {
    use lexopt::prelude::*;
    let mut options = Options {
        targets: Vec::new(),
        seconds: MINUTES * 60,
        inputs: Vec::new(),
        merge: false,
        jit: false,
    };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("minutes") => {
                let minutes: f64 = parser.value()?.parse()?;
                ensure!((0.0..1e6).contains(&minutes), "{minutes} minutes cannot be run");
                options.seconds = (minutes * 60.0) as u64;
            }
            Long("input") => options.inputs.push(parser.value()?.into()),
            Long("keep") => options.merge = true,
            Long("jit") => options.jit = true,
            Value(name) => {
                let name = name.to_string_lossy();
                let Some(target) = TARGETS.iter().find(|target| **target == name) else {
                    bail!("there is no fuzz target {name:?}; there are {}", TARGETS.join(", "));
                };
                options.targets.push(target);
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    if options.jit {
        ensure!(
            options.targets == ["cpu"] && !options.merge,
            "--jit is for running the target cpu"
        );
    }
    if options.targets.is_empty() {
        options.targets = TARGETS.to_vec();
    }
    ensure!(
        options.inputs.is_empty() || options.targets.len() == 1,
        "an input is of one target: name that too"
    );
    Ok(options)
}

/// Fuzzes the targets one after another, or runs inputs again.
pub fn main(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    if options.jit {
        return on_the_jit(&options);
    }
    let programs = build()?;
    for target in &options.targets {
        let program = programs.join(format!("fuzz-{target}"));
        if options.inputs.is_empty() {
            fuzz(target, &program, &options)?;
        } else {
            sh::step(format!("Running inputs of {target} again"));
            let mut command = sh::cmd(&program, &[]);
            sh::run(command.args(&options.inputs))?;
        }
    }
    Ok(())
}

/// Runs the processor's inputs, and random changes of them, on the JIT. That is without libFuzzer: with
/// the JIT's engine, most of what it would count is the compiler.
fn on_the_jit(options: &Options) -> Result<()> {
    sh::step("Building the fuzz target with the JIT");
    let build = ["build", "--package", "aero-fuzz", "--features", "jit", "--bin", "fuzz-mutate"];
    sh::run(&mut sh::cmd("cargo", &build))?;
    let mut command = sh::cmd(sh::target_dir()?.join("debug/fuzz-mutate"), &["cpu"]);
    command.env("AERO_CPU_BACKEND", "jit");
    command.arg("--found").arg(sh::root().join("target/fuzz-found/cpu"));
    if options.inputs.is_empty() {
        let kept = sh::root().join("tests/fuzz");
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        command.args([kept.join("seeds/cpu"), kept.join("regressions/cpu")]);
        command.arg(sh::cache("fuzz")?.join("cpu"));
        command.args(["--seconds", &options.seconds.to_string(), "--seed", &seed.to_string()]);
    } else {
        command.args(["--seconds", "0"]).args(&options.inputs);
    }
    sh::step("Fuzzing cpu on the JIT");
    sh::run(&mut command)
}

/// Builds all targets; returns the folder they lie in.
fn build() -> Result<PathBuf> {
    let host = host()?;
    ensure!(
        host.contains("linux") || host.contains("apple-darwin"),
        "libFuzzer is for Linux and macOS, and this is {host}"
    );
    if ["c++", "g++", "clang++"].iter().all(|name| sh::which(name).is_none()) {
        tools::install("a C++ compiler, which builds libFuzzer,", &["g++"])?;
    }
    sh::step("Building the fuzz targets, with debug assertions and overflow checks");
    let target_dir = sh::target_dir()?.join("fuzz");
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", host.to_uppercase().replace('-', "_"));
    let mut cargo = sh::cmd("cargo", &["build", "--package", "aero-fuzz"]);
    // Not what goes without libFuzzer.
    cargo.args(TARGETS.iter().map(|target| format!("--bin=fuzz-{target}")));
    // With a target named, build scripts and macros are built without the flags.
    cargo
        .args(["--features", "libfuzzer", "--profile", "fuzz", "--target", &host])
        .env("CARGO_TARGET_DIR", &target_dir)
        .env(flags, RUSTFLAGS);
    sh::run(&mut cargo)?;
    Ok(target_dir.join(host).join("fuzz"))
}

/// The triple of the machine we are on.
fn host() -> Result<String> {
    let text = sh::output(&mut sh::cmd("rustc", &["-vV"]))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc -vV names no host")?.to_owned())
}

fn fuzz(target: &str, program: &Path, options: &Options) -> Result<()> {
    let corpus = sh::cache("fuzz")?.join(target);
    let found = sh::root().join("target/fuzz-found").join(target);
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&found)?;
    let kept = sh::root().join("tests/fuzz");
    let (seeds, regressions) =
        (kept.join("seeds").join(target), kept.join("regressions").join(target));
    if options.merge {
        // A small set that covers what the whole corpus does.
        std::fs::create_dir_all(&seeds)?;
        sh::step(format!("Keeping the best inputs of {target} in {}", seeds.display()));
        return sh::run(
            sh::cmd(program, &["-merge=1", "-reduce_inputs=1"]).args([&seeds, &corpus]),
        );
    }
    sh::step(format!("Fuzzing {target} for {} seconds", options.seconds));
    let mut command = sh::cmd(program, &["-max_len=2048"]);
    command
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-timeout={HANG}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg("-print_final_stats=1")
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(&corpus)
        .args([seeds, regressions].iter().filter(|folder| folder.is_dir()));
    sh::run(&mut command).with_context(|| {
        format!(
            "{target} has found something: the input is in {}; run it again with \
             `cargo xtask fuzz {target} --input FILE`, and put it into tests/fuzz/regressions/{target} \
             with the fix",
            found.display()
        )
    })
}
