//! The command line.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use aero_differential::runner::{Options, Report, Runner, disassemble};
use aero_differential::{forms, guest, text};
use lexopt::prelude::*;

const HELP: &str = "\
aero-differential [--cases N] [--seed S] [--only MNEMONIC|FORM] [--bits 64|32] [--backend NAME]
                  [--show N] [--list] [--case 'LINE']

Runs N random cases on the host and on a backend and compares. --list prints every form with the
reason if it is not tested; --case runs one line of a report again.";

enum Command {
    Run(Options),
    One(Options, String),
    List,
    Help,
}

fn parse() -> Result<Command, lexopt::Error> {
    let mut options = Options::default();
    let mut line = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("cases") => options.cases = parser.value()?.parse()?,
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("only") => options.only = Some(parser.value()?.string()?),
            Long("bits") => options.bits = vec![parser.value()?.parse()?],
            Long("backend") => options.backend = parser.value()?.string()?,
            Long("show") => options.show = parser.value()?.parse()?,
            Long("case") => line = Some(parser.value()?.string()?),
            Long("list") => return Ok(Command::List),
            Short('h') | Long("help") => return Ok(Command::Help),
            _ => return Err(arg.unexpected()),
        }
    }
    if options.bits.iter().any(|b| !matches!(b, 32 | 64)) {
        return Err("--bits is 32 or 64".into());
    }
    if !guest::BACKENDS.contains(&options.backend.as_str()) {
        return Err(format!("backends: {}", guest::BACKENDS.join(", ")).into());
    }
    Ok(match line {
        Some(line) => Command::One(options, line),
        None => Command::Run(options),
    })
}

/// Runs the command and returns 0 if nothing differed.
pub fn main() -> ExitCode {
    let result = match parse() {
        Ok(Command::Run(options)) => run(&options),
        Ok(Command::One(options, line)) => one(&options, &line),
        Ok(Command::List) => {
            list();
            Ok(true)
        }
        Ok(Command::Help) => {
            println!("{HELP}");
            Ok(true)
        }
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("aero-differential: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<bool, String> {
    let start = Instant::now();
    let mut runner = Runner::new(&options.backend).map_err(|e| e.to_string())?;
    let report = runner.run(options).map_err(|e| e.to_string())?;
    print(&report, options, start.elapsed().as_secs_f64());
    Ok(report.different.is_empty())
}

fn print(report: &Report, options: &Options, seconds: f64) {
    for mismatch in &report.mismatches {
        println!("{:?}: {}", mismatch.code, mismatch.instruction);
        println!("    host/{}:{}", options.backend, mismatch.differences);
        println!("    {}", mismatch.line);
    }
    for bits in &options.bits {
        let covered = report.forms.keys().filter(|(b, _)| b == bits).count();
        let untested = forms::untested(*bits).len();
        println!("{bits}-bit: {covered} forms covered, {untested} not tested (--list says why)");
    }
    for (bits, code) in &report.barren {
        println!("no case made: {code:?} ({bits}-bit)");
    }
    let exceptions: Vec<String> =
        report.exceptions.iter().map(|(vector, n)| format!("#{vector}: {n}")).collect();
    println!("endings: {} (#3 is none)", exceptions.join(", "));
    let mut all = 0;
    let mut mnemonics: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, name), count) in &report.different {
        all += count;
        *mnemonics.entry(name.split('_').next().unwrap_or(name)).or_default() += count;
    }
    for (name, count) in mnemonics {
        println!("differs: {name}: {count}");
    }
    println!(
        "{} cases in {seconds:.1} s, {all} differences, child started again {} times",
        report.cases, report.restarts
    );
}

fn one(options: &Options, line: &str) -> Result<bool, String> {
    let input = text::read(line)?;
    let mut runner = Runner::new(&options.backend).map_err(|e| e.to_string())?;
    let (host, guest, found) = runner.one(&input).map_err(|e| e.to_string())?;
    println!("{}", disassemble(&input));
    println!("host #{} rip {:x}", host.vector, host.state.rip);
    println!("{} #{} rip {:x}", options.backend, guest.vector, guest.state.rip);
    println!("differences:{}", if found.is_empty() { " none" } else { &found });
    Ok(found.is_empty())
}

fn list() {
    for bits in [64, 32] {
        let tested = forms::tested(bits);
        println!("{bits}-bit, tested: {}", tested.len());
        for code in tested {
            println!("    {code:?}");
        }
        let untested = forms::untested(bits);
        println!("{bits}-bit, not tested: {}", untested.len());
        for (code, reason) in untested {
            println!("    {code:?}: {reason}");
        }
    }
}
