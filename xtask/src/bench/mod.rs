//! Measurements beside peers. Nothing here is a test: the figures are for people.

mod boot;
mod cpu;
mod peer;
mod program;
mod session;
mod summary;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;

use crate::sh;
use peer::Peer;

const HELP: &str = "\
cargo xtask bench cpu [OPTIONS]    programs on the processor, natively and in every peer
cargo xtask bench boot [OPTIONS]   Linux to a shell

  --peers LIST   native, interpreter, jit, qemu, interpreter-chromium, jit-chromium, v86-chromium
  --bits 32|64   one width only
  --only LIST    some tests of `cpu` only
  --repeat N     timed runs of each test of `cpu`, or boots of `boot`
  --ms N         how long a timed run of `cpu` takes at least, in the guest's milliseconds
  --by wall|cpu  what the rows of tests in the table of `cpu` compare: time by the host's clock, or
                 processor time, which other work on the host disturbs less
";

/// What is measured, and how.
struct Options {
    peers: Vec<Peer>,
    bits: Vec<u32>,
    only: String,
    repeat: Option<u32>,
    milliseconds: u32,
    by: summary::By,
}

/// Runs the benchmark that is named.
pub fn main(args: &[String]) -> Result<()> {
    let (name, args) = match args.split_first() {
        Some((name, args)) => (name.as_str(), args),
        None => ("help", args),
    };
    match name {
        "cpu" => cpu::run(&parse(args)?),
        "boot" => boot::run(&parse(args)?),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no benchmark {other:?}\n\n{HELP}"),
    }
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        peers: Peer::USUAL.to_vec(),
        bits: vec![64, 32],
        only: String::new(),
        repeat: None,
        milliseconds: 800,
        by: summary::By::Wall,
    };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("peers") => {
                let names = parser.value()?.string()?;
                options.peers = names.split(',').map(Peer::parse).collect::<Result<_>>()?;
            }
            Long("bits") => match parser.value()?.parse()? {
                bits @ (32 | 64) => options.bits = vec![bits],
                other => bail!("a processor of {other} bits is not measured; 32 or 64 is"),
            },
            Long("only") => options.only = parser.value()?.string()?,
            Long("repeat") => options.repeat = Some(parser.value()?.parse::<u32>()?.max(1)),
            Long("ms") => options.milliseconds = parser.value()?.parse::<u32>()?.clamp(1, 60_000),
            Long("by") => match parser.value()?.string()?.as_str() {
                "wall" => options.by = summary::By::Wall,
                "cpu" => options.by = summary::By::Cpu,
                other => bail!("nothing is compared by {other:?}; by wall or cpu it is"),
            },
            other => bail!("{}\n\n{HELP}", other.unexpected()),
        }
    }
    Ok(options)
}

/// Where the benchmarks build and leave their figures.
fn folder() -> Result<PathBuf> {
    let dir = sh::target_dir()?.join("bench");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// The name of Debian's kernel of a width, as the files of the guests have it.
fn kernel(bits: u32) -> String {
    format!("vmlinuz-{}", if bits == 64 { "amd64" } else { "686" })
}

/// Writes figures as JSON, whole or not at all.
fn save(path: &std::path::Path, value: &serde_json::Value) -> Result<()> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, serde_json::to_string_pretty(value)? + "\n")
        .with_context(|| format!("cannot write {}", partial.display()))?;
    std::fs::rename(&partial, path)?;
    Ok(())
}
