//! The command line.

use std::time::Duration;

use lexopt::prelude::*;

/// What `aero --help` prints.
pub const HELP: &str = "\
aero run MACHINE.toml [OPTIONS]    runs the machine
aero check MACHINE.toml [OPTIONS]  prints the resolved machine

  --set KEY=VALUE        lays a value over the machine file: cpu.count=2, device.0.drives.0.image=a.img
  --serial stdio|FILE    connects the first serial port to the terminal (Ctrl-A x quits) or writes it
                         to a file
  --debug-console FILE   writes the first debug console to a file, or with stdio to the terminal
  --until TEXT           ends with exit code 0 when TEXT has come on the serial port
  --until-screen TEXT    ends with exit code 0 when TEXT is on the screen, in a text mode
  --expect TEXT          waits for TEXT on the serial port, after all that was given before
  --send TEXT            what is sent to the guest when the TEXT of --expect has come; \\n, \\r, \\t, \\\\
                         and \\xNN stand for bytes
  --timeout SECONDS      ends with exit code 124 when the time is up
  --screenshot FILE.png  writes the screen at the end
  --stats FILE.json      writes statistics at the end
  --snapshot-save FILE   writes a snapshot at the end, or at --at
  --at INSTRUCTIONS      when so many instructions have retired, saves the snapshot and ends
  --snapshot-load FILE   goes on from a snapshot

Exit codes: 0 the guest has powered off or the text has come, 1 it powered off before all that was
expected had come, 2 a bad machine file, image, snapshot or argument, 4 a triple fault, 124 the timeout,
(value << 1) | 1 a write to the exit port. AERO_LOG=debug logs more.
";

/// Which machine.
#[derive(Default)]
pub struct MachineArgs {
    pub file: String,
    pub sets: Vec<String>,
}

/// Where a stream of bytes goes.
#[derive(Clone, PartialEq, Eq)]
pub enum Stream {
    Stdio,
    File(String),
}

/// `aero run`.
#[derive(Default)]
pub struct RunArgs {
    pub machine: MachineArgs,
    pub serial: Option<Stream>,
    pub debug_console: Option<Stream>,
    pub until: Option<String>,
    pub until_screen: Option<String>,
    /// What is expected, and what is sent then.
    pub script: Vec<(String, Vec<u8>)>,
    pub timeout: Option<Duration>,
    pub screenshot: Option<String>,
    pub stats: Option<String>,
    pub snapshot_save: Option<String>,
    pub snapshot_load: Option<String>,
    pub at: Option<u64>,
}

/// What is to be done.
pub enum Command {
    Help,
    Check(MachineArgs),
    Run(Box<RunArgs>),
}

/// Reads the command line. An error is one line.
pub fn parse() -> Result<Command, String> {
    parse_args(lexopt::Parser::from_env())
}

fn parse_args(mut parser: lexopt::Parser) -> Result<Command, String> {
    let text = |e: lexopt::Error| format!("{e}; see aero --help");
    let command = match parser.next().map_err(text)? {
        Some(Value(command)) if command == "run" || command == "check" => command,
        Some(Value(other)) => {
            return Err(format!("unknown command {other:?}; there are: run, check"));
        }
        Some(Long("help") | Short('h')) | None => return Ok(Command::Help),
        Some(other) => return Err(text(other.unexpected())),
    };
    let mut args = RunArgs::default();
    while let Some(arg) = parser.next().map_err(text)? {
        match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Value(file) if args.machine.file.is_empty() => {
                args.machine.file = file.string().map_err(text)?;
            }
            Long(name) => {
                let name = name.to_owned();
                let value = parser.value().and_then(|value| value.string()).map_err(text)?;
                args.option(&name, value)?;
            }
            other => return Err(text(other.unexpected())),
        }
    }
    if args.machine.file.is_empty() {
        return Err("name a machine file; see aero --help".to_owned());
    }
    if args.at.is_some() && args.snapshot_save.is_none() {
        return Err("--at goes with --snapshot-save".to_owned());
    }
    Ok(if command == "check" { Command::Check(args.machine) } else { Command::Run(Box::new(args)) })
}

impl RunArgs {
    fn option(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "set" => self.machine.sets.push(value),
            "serial" => self.serial = Some(stream(value)),
            "debug-console" => self.debug_console = Some(stream(value)),
            "until" => self.until = Some(value),
            "until-screen" => self.until_screen = Some(value),
            "expect" => self.script.push((value, Vec::new())),
            "send" => {
                let bytes = unescape(&value)?;
                match self.script.last_mut() {
                    Some((_, send)) => send.extend(bytes),
                    None => self.script.push((String::new(), bytes)),
                }
            }
            "timeout" => self.timeout = Some(seconds(&value)?),
            "screenshot" => self.screenshot = Some(value),
            "stats" => self.stats = Some(value),
            "snapshot-save" => self.snapshot_save = Some(value),
            "snapshot-load" => self.snapshot_load = Some(value),
            "at" => {
                let number = value.parse().map_err(|_| format!("--at {value} is no number"))?;
                self.at = Some(number);
            }
            other => return Err(format!("unknown option --{other}; see aero --help")),
        }
        Ok(())
    }
}

fn stream(value: String) -> Stream {
    if value == "stdio" { Stream::Stdio } else { Stream::File(value) }
}

fn seconds(value: &str) -> Result<Duration, String> {
    let number: Option<f64> = value.parse().ok();
    number
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("--timeout {value} is no number of seconds"))
}

/// `\n`, `\r`, `\t`, `\\` and `\xNN` as bytes.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits = [rest.next().unwrap_or(b' '), rest.next().unwrap_or(b' ')];
                let digits = std::str::from_utf8(&digits).unwrap_or("");
                u8::from_str_radix(digits, 16)
                    .map_err(|_| format!("--send {text:?}: \\x takes two digits"))?
            }
            _ => return Err(format!("--send {text:?}: \\ goes before n, r, t, x or \\")),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Command, String> {
        parse_args(lexopt::Parser::from_args(args))
    }

    #[test]
    fn expect_and_send_go_in_pairs() {
        let Ok(Command::Run(args)) =
            run(&["run", "m.toml", "--expect", "a", "--send", "b\\n", "--expect", "c"])
        else {
            panic!("it is a run")
        };
        let script = [("a".to_owned(), b"b\n".to_vec()), ("c".to_owned(), Vec::new())];
        assert_eq!(args.script, script);
    }

    #[test]
    fn mistakes_are_one_line() {
        for args in [
            &["go"][..],
            &["run"],
            &["run", "a", "b"],
            &["run", "a", "--timeout", "x"],
            &["run", "a", "--timeout", "-1"],
            &["run", "a", "--at", "5"],
            &["run", "a", "--what", "5"],
            &["run", "a", "--send", "\\q"],
            &["run", "a", "--serial"],
        ] {
            let error = run(args).err().unwrap_or_else(|| panic!("{args:?}"));
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
