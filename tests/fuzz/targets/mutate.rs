//! `fuzz-mutate TARGET [--seconds N] [--seed S] [--found FOLDER] FILE|FOLDER…`: runs these inputs, and
//! then random changes of them, without libFuzzer.

use std::process::ExitCode;
use std::time::Duration;

use aero_fuzz::TARGETS;
use aero_fuzz::mutate::{Options, run};
use lexopt::prelude::*;

fn parse() -> Result<(&'static aero_fuzz::Target, Options), lexopt::Error> {
    let mut options = Options {
        folders: Vec::new(),
        found: "target/fuzz-found".into(),
        time: Duration::from_secs(60),
        seed: 1,
    };
    let mut target = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("seconds") => options.time = Duration::from_secs(parser.value()?.parse()?),
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("found") => options.found = parser.value()?.into(),
            Value(name) if target.is_none() => {
                let known = TARGETS.iter().find(|target| name == target.0);
                target = Some(known.ok_or("there is no such target")?);
            }
            Value(folder) => options.folders.push(folder.into()),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok((target.ok_or("name a target")?, options))
}

fn main() -> ExitCode {
    let report = parse().and_then(|(target, options)| {
        run(target, &options).map_err(|error| error.to_string().into())
    });
    match report {
        Ok(report) => {
            println!("{} inputs, {} found something", report.runs, report.found.len());
            report.found.iter().for_each(|file| println!("{}", file.display()));
            if report.found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("fuzz-mutate: {error}");
            ExitCode::from(2)
        }
    }
}
