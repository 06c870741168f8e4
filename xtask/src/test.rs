//! `cargo xtask test`: everything that must hold before a change goes in.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{guest, lint, sh, tools, web};

/// The features with which everything that runs generated code natively does so.
pub const JIT: &str = "aero-vmm/jit,aero-jit/wasmtime,aero-test-backends/jit";

/// Runs all parts, or the one that is named.
pub fn main(args: &[String]) -> Result<()> {
    match args.first().map(String::as_str) {
        None => {
            lint::main()?;
            native()?;
            guests()?;
            browser()
        }
        Some("--native") => native(),
        Some("--guests") => guests(),
        Some("--browser") => browser(),
        Some("--timing") => timing(),
        Some("--boots") => boots(),
        Some(other) => {
            bail!(
                "there is no part {other:?}; there are --native, --guests, --browser, --timing, --boots"
            )
        }
    }
}

/// Each crate's own tests.
fn native() -> Result<()> {
    if sh::which("iasl").is_none() {
        tools::install("iasl, the referee for ACPI tables", &["acpica-tools"])?;
    }
    nasm()?;
    sh::step("Tests of the crates");
    let mut test = sh::cmd("cargo", &["test", "--workspace", "--exclude", "aero-tests"]);
    sh::run(test.args(["--features", JIT]))
}

fn nasm() -> Result<()> {
    if std::env::var_os("NASM").is_none() && sh::which("nasm").is_none() {
        tools::install("nasm, which assembles the tests' guests,", &["nasm"])?;
    }
    Ok(())
}

/// Whole machines, natively, in release mode: they boot real kernels.
fn guests() -> Result<()> {
    nasm()?;
    let guests = guest::prepare()?;
    let program = program()?;
    sh::step("Tests of whole machines");
    let mut test = sh::cmd("cargo", &["test", "--package", "aero-tests"]);
    sh::run(test.env("AERO_GUESTS", &guests.dir).env("AERO_BIN", program))
}

/// The program, with the JIT.
fn program() -> Result<PathBuf> {
    sh::run(&mut sh::cmd(
        "cargo",
        &["build", "--release", "--package", "aero-vmm", "--features", "jit"],
    ))?;
    Ok(sh::target_dir()?.join("release/aero"))
}

/// Boots on the JIT with settings at random, beside the interpreter's. No part of the rest: minutes.
fn boots() -> Result<()> {
    let guests = guest::prepare()?;
    let program = program()?;
    sh::step("Boots on both backends");
    let mut test = sh::cmd("cargo", &["test", "--package", "aero-tests", "--test", "backends"]);
    test.args(["--", "--ignored", "--nocapture", "--test-threads=1"]);
    sh::run(test.env("AERO_GUESTS", &guests.dir).env("AERO_BIN", program))
}

/// Timers and clocks in real time: two minutes on a host that is not busy. No part of the rest.
fn timing() -> Result<()> {
    nasm()?;
    sh::run(&mut sh::cmd("cargo", &["build", "--release", "--package", "aero-vmm"]))?;
    let program = sh::target_dir()?.join("release/aero");
    sh::step("Tests of time, in real time");
    let mut test = sh::cmd("cargo", &["test", "--package", "aero-tests", "--test", "timing"]);
    // One after another: two guests would wait for each other.
    test.args(["--", "--ignored", "--nocapture", "--test-threads=1"]);
    sh::run(test.env("AERO_BIN", program))
}

/// The page in a real browser.
fn browser() -> Result<()> {
    let guests = guest::prepare()?;
    let chromium = tools::chromium()?;
    let dist = web::build()?;
    let server = crate::serve::start(0, vec![("/", dist), ("/guests/", guests.dir)])?;
    sh::step("Tests of the page in Chromium");
    let mut test = sh::cmd("npm", &["test"]);
    test.current_dir(sh::root().join("frontend"));
    sh::run(test.env("AERO_PAGE", &server.address).env("AERO_CHROMIUM", chromium))
}
