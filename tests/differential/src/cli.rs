//! The command line.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use aero_differential::generate::Generator;
use aero_differential::runner::{Options, Report, Runner, disassemble};
use aero_differential::{files, forms, text};
use aero_test_backends as backends;
use lexopt::prelude::*;

const HELP: &str = "\
aero-differential [--cases N] [--seed S] [--only MNEMONIC|FORM|raw] [--bits 64|32]
                  [--backend NAME[,NAME]|all] [--show N] [--found FOLDER]
                  [--list] [--case 'LINE']

Runs the kept cases, then N random ones, on the host and on backends, and compares. A case that
differs is made small and written to a file in FOLDER (the folder of the kept cases, if not given).
The backends are those of --backend, or else of AERO_CPU_BACKEND, or else all.
--list prints every form, with the reason if it is not tested; --case runs one line of a file.";

enum Command {
    Run(Options),
    One(String),
    List,
    Help,
}

fn parse() -> Result<(Command, Vec<&'static str>), lexopt::Error> {
    let mut options = Options { found: Some(files::kept()), ..Options::default() };
    let mut names = None;
    let mut command = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("cases") => options.cases = parser.value()?.parse()?,
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("only") => options.only = Some(parser.value()?.string()?),
            Long("bits") => options.bits = vec![parser.value()?.parse()?],
            Long("backend") => names = Some(backends::parse(&parser.value()?.string()?)?),
            Long("show") => options.show = parser.value()?.parse()?,
            Long("found") => options.found = Some(parser.value()?.into()),
            Long("case") => command = Some(Command::One(parser.value()?.string()?)),
            Long("list") => command = Some(Command::List),
            Short('h') | Long("help") => command = Some(Command::Help),
            _ => return Err(arg.unexpected()),
        }
    }
    if options.bits.iter().any(|b| !matches!(b, 32 | 64)) {
        return Err("--bits is 32 or 64".into());
    }
    let names = match names {
        Some(names) => names,
        None => backends::from_environment()?,
    };
    Ok((command.unwrap_or(Command::Run(options)), names))
}

/// Runs the command and returns 0 if nothing differed.
pub fn main() -> ExitCode {
    let result = match parse() {
        Ok((Command::Run(options), names)) => run(&options, &names),
        Ok((Command::One(line), names)) => one(&names, &line),
        Ok((Command::List, _)) => {
            list();
            Ok(true)
        }
        Ok((Command::Help, _)) => {
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

fn run(options: &Options, names: &[&'static str]) -> Result<bool, String> {
    let mut runner = Runner::new(names).map_err(|e| e.to_string())?;
    let kept = replay(&mut runner, options)?;
    let start = Instant::now();
    let report = runner.run(options).map_err(|e| e.to_string())?;
    print(&report, options, names, start.elapsed().as_secs_f64());
    Ok(kept && report.different.is_empty())
}

/// Runs the kept cases and those of earlier runs, and returns whether all agree.
fn replay(runner: &mut Runner, options: &Options) -> Result<bool, String> {
    let mut folders = vec![files::kept()];
    folders.extend(options.found.clone().filter(|folder| *folder != folders[0]));
    let (mut count, mut different) = (0, 0);
    for folder in folders {
        for (name, input) in files::read(&folder)? {
            count += 1;
            for (backend, _, found) in runner.one(&input).map_err(|e| e.to_string())?.guests {
                if !found.is_empty() {
                    println!("{name}\n    {}\n    host/{backend}:{found}", disassemble(&input));
                    different += 1;
                }
            }
        }
    }
    println!("{count} kept cases, {different} differences");
    Ok(different == 0)
}

fn print(report: &Report, options: &Options, names: &[&str], seconds: f64) {
    for mismatch in &report.mismatches {
        println!("{:?}: {}", mismatch.code, mismatch.instruction);
        println!("    host/{}:{}", mismatch.backend, mismatch.differences);
        println!("    {}", mismatch.line);
        if let Some(file) = &mismatch.file {
            println!("    {}", file.display());
        }
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
    let mut mnemonics: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for ((backend, _, name), count) in &report.different {
        all += count;
        let mnemonic = name.split('_').next().unwrap_or(name);
        *mnemonics.entry((backend, mnemonic)).or_default() += count;
    }
    for ((backend, name), count) in mnemonics {
        println!("differs: {name} on {backend}: {count}");
    }
    println!(
        "{}, seed {}: {} cases ({} of random bytes) in {seconds:.1} s, {all} differences; {} did not \
         come up again; child started again {} times",
        names.join(", "),
        options.seed,
        report.cases,
        report.raw,
        report.unsteady,
        report.restarts
    );
}

fn one(names: &[&'static str], line: &str) -> Result<bool, String> {
    let input = text::read(line)?;
    let mut runner = Runner::new(names).map_err(|e| e.to_string())?;
    let outcome = runner.one(&input).map_err(|e| e.to_string())?;
    println!("{}", disassemble(&input));
    println!("host #{} rip {:x}", outcome.host.vector, outcome.host.state.rip);
    let mut same = true;
    for (name, guest, found) in outcome.guests {
        println!("{name} #{} rip {:x}", guest.vector, guest.state.rip);
        println!("differences:{}", if found.is_empty() { " none" } else { &found });
        same &= found.is_empty();
    }
    Ok(same)
}

fn list() {
    for bits in [64, 32] {
        let mut generator = Generator::new(1);
        let tested = forms::tested(bits);
        let (covered, barren): (Vec<_>, Vec<_>) =
            tested.into_iter().partition(|code| generator.case(*code, bits).is_some());
        println!("{bits}-bit, covered: {}", covered.len());
        for code in covered {
            println!("    {code:?}");
        }
        let untested = forms::untested(bits);
        println!("{bits}-bit, not covered: {}", untested.len() + barren.len());
        for (code, reason) in untested {
            println!("    {code:?}: {reason}");
        }
        for code in barren {
            println!("    {code:?}: no case could be made");
        }
    }
}
