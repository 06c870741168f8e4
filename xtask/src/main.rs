//! `cargo xtask`: builds, runs, tests and measures the project. It finds what it needs, installs what
//! it may, and says in a sentence what is missing otherwise.

mod bench;
mod debian;
mod fuzz;
mod guest;
mod lint;
mod run;
mod serve;
mod sh;
mod test;
mod tools;
mod wasm;
mod web;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask <command>

  run [--native] [MACHINE.toml] [--port N]
                        prepare the demo disk and start a PC: in the browser, or with --native in
                        this terminal
  test [--native | --guests | --browser | --timing | --boots]
                        all tests, or one part of them; no parts of all are --timing, which takes
                        two minutes of real time, and --boots: on the JIT, with settings at random,
                        beside the interpreter
  fuzz [TARGET…] [--minutes N] [--input FILE] [--keep | --jit]
                        random input for the processor, paging, machine files and snapshots: 10
                        minutes each, or N; --input runs one that was found again; --keep copies
                        the best inputs so far into the tree; `cpu --jit` is for the JIT
  lint                  rustfmt and clippy, as the tests ask for
  bench cpu | boot      measure beside peers (cargo xtask bench help)
  guests                fetch and prepare the guests that tests and the demo boot
  web                   build the page into frontend/dist
";

fn main() {
    if let Err(error) = dispatch() {
        eprintln!("\nxtask: {error:#}");
        std::process::exit(1);
    }
}

fn dispatch() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    match command.as_str() {
        "run" => run::main(&rest),
        "test" => test::main(&rest),
        "lint" => lint::main(),
        "bench" => bench::main(&rest),
        "fuzz" => fuzz::main(&rest),
        "guests" => guest::prepare().map(|guests| println!("{guests}")),
        "web" => web::build().map(|dist| println!("The page is in {}", dist.display())),
        "" | "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command {other:?}\n\n{HELP}"),
    }
}
