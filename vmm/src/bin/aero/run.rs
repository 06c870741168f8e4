//! `aero run`.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aero_vmm::{Console, Ending, Machine, Step};

use crate::args::{RunArgs, Stream};
use crate::terminal::{RawMode, read_keys};
use crate::{exit, output};

/// Instructions between looks at the outside.
const SLICE: u64 = 1_000_000;
/// How often the screen is looked at for a text.
const SCREEN_INTERVAL: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3600);

/// Runs the machine to its end. An error is one line about what was given.
pub fn run(mut machine: Machine, args: &RunArgs) -> Result<u8, String> {
    if let Some(path) = &args.snapshot_load {
        let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
        machine.restore(&bytes).map_err(|e| format!("{path}: {e}"))?;
    }
    let mut outside = Outside::connect(&machine, args)?;
    let raw = outside.uses_terminal.then(RawMode::enter);
    machine.resume();
    let end = outside.drive(&mut machine, args);
    machine.pause();
    outside.copy_output();
    drop(raw);
    let code = match end {
        End::Done => exit::DONE,
        End::PowerOff if outside.script_left() > 0 => {
            eprintln!(
                "aero: the guest has powered off; {} texts had not come",
                outside.script_left()
            );
            exit::UNFINISHED
        }
        End::PowerOff => exit::DONE,
        End::Exit(code) => code,
        End::Crashed(dump) => {
            eprintln!("aero: {dump}");
            exit::CRASHED
        }
        End::Timeout => {
            eprintln!("aero: the time is up");
            exit::TIMEOUT
        }
    };
    if let Some(path) = &args.snapshot_save {
        let mut file = File::create(path).map_err(|e| format!("{path}: {e}"))?;
        machine.save(&mut file).map_err(|e| format!("{path}: {e}"))?;
    }
    if let Some(path) = &args.screenshot {
        output::save_screenshot(&machine, path)?;
    }
    if let Some(path) = &args.stats {
        output::save_stats(&machine, path)?;
    }
    Ok(code)
}

enum End {
    /// What was waited for has come.
    Done,
    PowerOff,
    Exit(u8),
    Crashed(String),
    Timeout,
}

/// Everything outside the machine.
struct Outside {
    /// Streams of the guest and where they go.
    streams: Vec<(Console, Box<dyn Write>)>,
    /// The first serial port, if texts are waited for there.
    serial: Option<Console>,
    uses_terminal: bool,
    quit: Arc<AtomicBool>,
}

impl Outside {
    fn connect(machine: &Machine, args: &RunArgs) -> Result<Self, String> {
        let first_serial = machine.serials().first().cloned();
        let needs_serial = args.serial.is_some() || args.until.is_some() || !args.script.is_empty();
        if needs_serial && first_serial.is_none() {
            return Err(
                "the machine has no serial port: list a device of type \"serial\"".to_owned()
            );
        }
        let mut outside = Self {
            streams: Vec::new(),
            serial: None,
            uses_terminal: args.serial == Some(Stream::Stdio),
            quit: Arc::default(),
        };
        let pairs = [
            (first_serial, &args.serial),
            (machine.debug_consoles().first().cloned(), &args.debug_console),
        ];
        for (console, stream) in pairs {
            match (console, stream) {
                (Some(console), Some(Stream::Stdio)) => {
                    outside.streams.push((console, Box::new(std::io::stdout())));
                }
                (Some(console), Some(Stream::File(path))) => {
                    let file = File::create(path).map_err(|e| format!("{path}: {e}"))?;
                    outside.streams.push((console, Box::new(file)));
                }
                (None, Some(_)) => {
                    return Err("the machine has no such port: list the device".to_owned());
                }
                (_, None) => {}
            }
        }
        if let Some(serial) = machine.serials().first() {
            if let Some(text) = &args.until {
                serial.wait_for(text);
            }
            for (expect, send) in &args.script {
                serial.add_step(expect, send);
            }
            if outside.uses_terminal {
                outside.quit = read_keys(serial.clone(), machine.wake().clone());
            }
            outside.serial = Some(serial.clone());
        }
        Ok(outside)
    }

    fn script_left(&self) -> usize {
        self.serial.as_ref().map_or(0, Console::steps_left)
    }

    fn copy_output(&mut self) {
        for (console, to) in &mut self.streams {
            let bytes = console.take_output();
            if !bytes.is_empty() {
                // Nobody listens any more when this fails; the machine runs on.
                let _ = to.write_all(&bytes).and_then(|()| to.flush());
            }
        }
    }

    /// Runs the machine until something ends it.
    fn drive(&mut self, machine: &mut Machine, args: &RunArgs) -> End {
        let started = Instant::now();
        let mut next_look = started;
        loop {
            let retired = machine.retired();
            let budget = match args.at {
                Some(at) if retired >= at => return End::Done,
                Some(at) => SLICE.min(at - retired),
                None => SLICE,
            };
            let step = machine.run_slice(budget);
            self.copy_output();
            if self.serial.as_ref().is_some_and(Console::has_come)
                || self.quit.load(Ordering::Acquire)
            {
                return End::Done;
            }
            if let Some(text) = &args.until_screen
                && Instant::now() >= next_look
            {
                if machine.screen_text().is_some_and(|screen| screen.contains(text)) {
                    return End::Done;
                }
                next_look = Instant::now() + SCREEN_INTERVAL;
            }
            let left = match args.timeout {
                Some(timeout) => timeout.saturating_sub(started.elapsed()),
                None => LONG,
            };
            if left.is_zero() {
                return End::Timeout;
            }
            match step {
                Step::Ran => {}
                Step::Ended(Ending::PowerOff) => return End::PowerOff,
                Step::Ended(Ending::Exit(code)) => return End::Exit(code),
                Step::Ended(Ending::TripleFault(dump)) => return End::Crashed(dump),
                Step::Idle { until } => {
                    let mut sleep = left;
                    if let Some(until) = until {
                        let nanos = until.saturating_sub(machine.clock().now());
                        sleep = sleep.min(Duration::from_nanos(nanos));
                    }
                    if args.until_screen.is_some() {
                        sleep = sleep.min(SCREEN_INTERVAL);
                    }
                    machine.wake().wait(sleep);
                }
            }
        }
    }
}
