//! A peer at work: its lines, each with the time it came at and the processor time used until then.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

/// A line of the guest's.
pub struct Line {
    /// Seconds since some time before the guest started.
    pub at: f64,
    /// Processor seconds that the program which runs the guest has used so far.
    pub cpu: f64,
    /// The line without its end.
    pub text: String,
}

/// What a peer says.
pub enum Said {
    /// A line of the guest's.
    Line(Line),
    /// The machine's own statistics.
    Stats(Value),
    /// Why there is no machine.
    Error(String),
}

/// How the peer's standard output is to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// It is the guest's serial port, and the program ends by itself after what is waited for.
    Serial,
    /// It is the guest's serial port.
    EndlessSerial,
    /// It is what `tests/benchmarks/chromium.mjs` says.
    Driver,
}

/// Why nothing more comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The program has ended, with its exit code.
    Exit(Option<i32>),
    /// Nothing came for as long as was to be waited.
    Silence,
}

/// The exit code with which `aero` refuses a machine file.
const BAD_INPUT: i32 = 2;

impl End {
    /// Whether the program has refused the machine. It says why on its error output.
    pub fn is_refusal(self) -> bool {
        self == Self::Exit(Some(BAD_INPUT))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(Some(code)) => write!(f, "it ended with exit code {code}"),
            Self::Exit(None) => f.write_str("it was ended by a signal"),
            Self::Silence => f.write_str("nothing more came"),
        }
    }
}

/// A running peer.
pub struct Session {
    child: Child,
    said: Receiver<Said>,
    patience: Duration,
    output: Output,
}

impl Session {
    /// Starts the program. `patience` is how long it may say nothing.
    pub fn start(mut command: Command, output: Output, patience: Duration) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().context("the output is not connected")?;
        let pid = child.id();
        let (sender, said) = channel();
        std::thread::spawn(move || match output {
            Output::Serial | Output::EndlessSerial => read_serial(stdout, pid, &sender),
            Output::Driver => read_driver(stdout, &sender),
        });
        Ok(Self { child, said, patience, output })
    }

    /// What is said next.
    pub fn next(&mut self) -> Result<Said, End> {
        match self.said.recv_timeout(self.patience) {
            Ok(said) => Ok(said),
            Err(RecvTimeoutError::Timeout) => Err(End::Silence),
            Err(RecvTimeoutError::Disconnected) => {
                Err(End::Exit(self.child.wait().ok().and_then(|status| status.code())))
            }
        }
    }

    /// Lets the program end by itself, if it does, and returns what it says until then.
    pub fn finish(mut self, patience: Duration) -> Vec<Said> {
        let mut rest = Vec::new();
        if self.output == Output::EndlessSerial {
            return rest;
        }
        self.patience = patience;
        while let Ok(said) = self.next() {
            rest.push(said);
        }
        rest
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The driver closes its browser when its input ends; for the others there is nothing to close.
        drop(self.child.stdin.take());
        let grace = if self.output == Output::EndlessSerial { 0 } else { 5 };
        let end = Instant::now() + Duration::from_secs(grace);
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_serial(mut from: impl Read, pid: u32, to: &Sender<Said>) {
    let start = Instant::now();
    let mut line = Vec::new();
    let mut bytes = [0; 4096];
    let (mut at, mut cpu) = (0.0, 0.0);
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        at = start.elapsed().as_secs_f64();
        cpu = processor_seconds(pid).unwrap_or(cpu);
        for byte in &bytes[..count] {
            if *byte != b'\n' {
                line.push(*byte);
                continue;
            }
            let text = String::from_utf8_lossy(&std::mem::take(&mut line)).trim_end().to_owned();
            if to.send(Said::Line(Line { at, cpu, text })).is_err() {
                return;
            }
        }
    }
    // A program that ends at a text of the guest's does not wait for the end of the line.
    if !line.is_empty() {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let _ = to.send(Said::Line(Line { at, cpu, text }));
    }
}

fn read_driver(from: impl Read, to: &Sender<Said>) {
    for line in BufReader::new(from).lines().map_while(Result::ok) {
        let Ok(value) = serde_json::from_str::<Value>(&line) else { continue };
        let said = if let Some(stats) = value.get("stats") {
            Said::Stats(stats.clone())
        } else if let Some(error) = value["error"].as_str() {
            Said::Error(error.to_owned())
        } else {
            Said::Line(Line {
                at: value["at"].as_f64().unwrap_or_default(),
                cpu: value["cpu"].as_f64().unwrap_or_default(),
                text: value["line"].as_str().unwrap_or_default().trim_end().to_owned(),
            })
        };
        if to.send(said).is_err() {
            return;
        }
    }
}

/// User and system time of a process and of the children it has waited for. Linux counts them in
/// hundredths of a second.
fn processor_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program may hold anything; the numbers start behind it.
    let (_, numbers) = stat.rsplit_once(')')?;
    // utime, stime, cutime and cstime: fields 14 to 17 of all, where the name is the second.
    let ticks: f64 =
        numbers.split_whitespace().skip(11).take(4).filter_map(|n| n.parse::<f64>().ok()).sum();
    Some(ticks / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_with_their_time_and_then_the_end() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; sleep 0.2; echo two; exit 3"]);
        let mut session =
            Session::start(shell, Output::Serial, Duration::from_secs(20)).expect("a shell");
        let mut lines = Vec::new();
        let code = loop {
            match session.next() {
                Ok(Said::Line(line)) => lines.push(line),
                Ok(_) => panic!("a shell says lines"),
                Err(End::Exit(code)) => break code,
                Err(End::Silence) => panic!("the shell ends"),
            }
        };
        assert_eq!(code, Some(3));
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].text.as_str(), lines[1].text.as_str()), ("one", "two"));
        assert!(lines[1].at - lines[0].at >= 0.1);
    }
}
