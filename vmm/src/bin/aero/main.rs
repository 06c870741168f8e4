//! `aero`: runs a PC from a machine file.

mod args;
mod output;
mod run;
mod terminal;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aero_bus::HostTime;
use aero_vmm::{Host, HostFiles, Machine};

use args::Command;

/// Exit codes, the interface to scripts.
pub(crate) mod exit {
    /// The guest powered off, or the text that was waited for came.
    pub const DONE: u8 = 0;
    /// The guest powered off before everything that was expected of it came.
    pub const UNFINISHED: u8 = 1;
    /// A bad machine file, image, snapshot or argument.
    pub const BAD_INPUT: u8 = 2;
    /// A triple fault, or a state from which there is no way on.
    pub const CRASHED: u8 = 4;
    /// The time was up.
    pub const TIMEOUT: u8 = 124;
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::new().filter_or("AERO_LOG", "warn")).init();
    let result = match args::parse() {
        Ok(Command::Help) => {
            print!("{}", args::HELP);
            Ok(exit::DONE)
        }
        Ok(Command::Check(machine)) => build(&machine).map(|machine| {
            print!("{}", machine.report());
            exit::DONE
        }),
        Ok(Command::Run(options)) => build(&options.machine).and_then(|m| run::run(m, &options)),
        Err(message) => Err(message),
    };
    ExitCode::from(result.unwrap_or_else(|message| {
        eprintln!("aero: {message}");
        exit::BAD_INPUT
    }))
}

/// The host's clock since the program started.
struct Monotonic(Instant);

impl HostTime for Monotonic {
    fn now(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// Builds the machine. An error is one line.
fn build(args: &args::MachineArgs) -> Result<Machine, String> {
    let path = Path::new(&args.file);
    let text = std::fs::read_to_string(path).map_err(|e| {
        use std::io::ErrorKind;
        let why = match e.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            ErrorKind::IsADirectory => "it is a directory, not a machine file".to_owned(),
            ErrorKind::InvalidData => "it is not text".to_owned(),
            _ => e.to_string(),
        };
        format!("{}: {why}", args.file)
    })?;
    let mut files = HostFiles::new(path.parent().unwrap_or(Path::new("")));
    let host = Host {
        time: Arc::new(Monotonic(Instant::now())),
        unix_seconds: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() as i64),
        threads: true,
        code_host: None,
    };
    Machine::from_toml(&args.file, &text, &args.sets, &mut files, host).map_err(|e| e.to_string())
}
