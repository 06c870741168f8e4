//! `cargo xtask run`: the shortest way to a PC.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::{guest, serve, sh, web};

const PORT: u16 = 8086;

#[derive(Default)]
struct Options {
    native: bool,
    port: Option<u16>,
    machine: Option<PathBuf>,
}

fn parse(args: &[String]) -> Result<Options> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("native") => options.native = true,
            Long("port") => options.port = Some(parser.value()?.parse()?),
            Value(file) if options.machine.is_none() => options.machine = Some(file.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

/// Runs the demo, or the machine file that is named.
pub fn main(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    if options.native {
        return native(options);
    }
    if options.machine.is_some() {
        bail!(
            "a machine file is started with --native; in the browser, open it in the page's editor"
        );
    }
    let guests = guest::prepare()?;
    let dist = web::build()?;
    let server =
        serve::start(options.port.unwrap_or(PORT), vec![("/", dist), ("/guests/", guests.dir)])?;
    println!("\nOpen {} in Chromium or Chrome. Ctrl+C ends the server.", server.address);
    println!(
        "The page boots Linux from a small disk to a shell, on the screen and on the serial line."
    );
    loop {
        std::thread::park();
    }
}

fn native(options: Options) -> Result<()> {
    let machine = match options.machine {
        Some(file) => file,
        None => {
            let guests = guest::prepare()?;
            let file = guests.dir.join("demo.toml");
            std::fs::write(&file, DEMO_MACHINE)?;
            file
        }
    };
    sh::step("Building the program");
    sh::run(&mut sh::cmd(
        "cargo",
        &["build", "--release", "--package", "aero-vmm", "--features", "jit"],
    ))?;
    sh::step("Starting the machine (Ctrl+A, then X ends it)");
    let machine = machine.to_str().context("the machine file's name is not Unicode")?;
    let aero = sh::target_dir()?.join("release/aero");
    sh::run(&mut sh::cmd(aero, &["run", machine, "--serial", "stdio"]))
}

/// The same machine as the page's.
const DEMO_MACHINE: &str = include_str!("../../frontend/machines/demo.toml");
