//! `cargo xtask bench cpu`: the same program natively and in every peer, in one go.

use std::collections::VecDeque;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::peer::{Job, Peer, Peers};
use super::session::{Output, Said, Session};
use super::{Options, program, summary};
use crate::sh;

/// How long a guest may say nothing: longer than it takes to boot, or than a slow test's measurement.
const PATIENCE: Duration = Duration::from_secs(240);
/// What the guest's program says at the end.
const DONE: &str = "@DONE";
/// Lines that are kept to explain a failure.
const LAST_LINES: usize = 6;

/// What one test took in one peer. Times are in seconds.
#[derive(Debug, Default, Clone)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// "user", "kernel" or "rewrite".
    pub set: String,
    /// What each iteration results in.
    pub checksum: String,
    /// The very first iteration.
    pub cold: f64,
    /// Iterations of a timed run.
    pub iterations: u32,
    /// One iteration by the host's clock, in each of the timed runs.
    pub wall: Vec<f64>,
    /// Processor time of one iteration, over all the timed runs.
    pub cpu: f64,
    /// One iteration by the guest's own clock, in each of the timed runs.
    pub guest: Vec<f64>,
}

/// How a run in a peer came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// All tests have run.
    Ran,
    /// The peer cannot do this.
    NotThere(String),
    /// It ended too early.
    Failed(String),
}

/// All tests of one width in one peer.
pub struct Run {
    /// The peer.
    pub peer: Peer,
    /// 32 or 64.
    pub bits: u32,
    /// How it came out.
    pub state: State,
    /// What has run.
    pub tests: Vec<Test>,
    /// The peer's own words for itself.
    version: String,
    /// Seconds from the start of the peer to the guest program's first line, and processor seconds.
    start: [f64; 2],
    /// The host's load when it started: other work on the machine disturbs the figures.
    load: String,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let dir = super::folder()?;
    let peers = Peers::prepare(&options.peers, &dir)?;
    let file = dir.join("cpu.json");
    let machine = summary::machine();
    let mut runs: Vec<Run> = Vec::new();
    for &bits in &options.bits {
        let program = program::build(&dir, bits)?;
        for &peer in &options.peers {
            sh::step(format!("{bits} bits: {}", peer.name()));
            let mut run = measure(&peers, peer, bits, &program, options)?;
            let reference = runs.iter().find(|run| run.bits == bits && !run.tests.is_empty());
            if let Some(reference) = reference
                && let Some(wrong) = wrong_result(reference, &run)
            {
                run.state = State::Failed(wrong);
            }
            report(&run);
            runs.push(run);
            super::save(&file, &json!({ "machine": machine, "runs": values(&runs) }))?;
        }
    }
    println!("\n{machine}");
    for &bits in &options.bits {
        let of_width: Vec<_> = runs.iter().filter(|run| run.bits == bits).collect();
        println!("\n{}", summary::table(bits, &of_width, options.by));
    }
    println!("All figures are in {}", file.display());
    if runs.iter().any(|run| matches!(run.state, State::Failed(_))) {
        bail!("not every peer came to the end with the right results");
    }
    Ok(())
}

fn measure(
    peers: &Peers,
    peer: Peer,
    bits: u32,
    program: &program::Program,
    options: &Options,
) -> Result<Run> {
    let mut run = Run::new(peer, bits, peers.version(peer));
    if let Some(why) = Peers::lacks(peer, bits) {
        run.state = State::NotThere(why.to_owned());
        return Ok(run);
    }
    let settings = [
        ("BENCH_MS", options.milliseconds.to_string()),
        ("BENCH_REPEAT", options.repeat.unwrap_or(3).to_string()),
        ("BENCH_ONLY", options.only.clone()),
    ];
    let session = if peer == Peer::Native {
        let mut command = Command::new(&program.executable);
        command.envs(settings);
        Session::start(command, Output::Serial, PATIENCE)?
    } else {
        let words: Vec<_> = settings.map(|(name, value)| format!("{name}={value}")).into();
        // The kernel picks its mitigations by the processor's make, which the peers choose differently.
        let cmdline = format!("console=ttyS0 quiet mitigations=off {}", words.join(" "));
        let name = format!("cpu-{bits}");
        peers.start(
            peer,
            &Job {
                name: &name,
                kernel: super::kernel(bits),
                initrd: program.initrd.clone(),
                cmdline,
                memory: 256,
                until: DONE,
                patience: PATIENCE,
            },
        )?
    };
    follow(session, &mut run);
    if run.state == State::Ran && run.tests.is_empty() {
        bail!("no test is called {:?}; tests/benchmarks/README.md lists them", options.only);
    }
    Ok(run)
}

/// Listens to the guest's program until it is done.
fn follow(mut session: Session, run: &mut Run) {
    let mut last: VecDeque<String> = VecDeque::new();
    let (mut begin, mut done) = ([0.0; 2], [0.0; 2]);
    let failed = |why: String, last: &VecDeque<String>| {
        let lines: Vec<_> = last.iter().map(String::as_str).collect();
        State::Failed(format!("{why}; the last lines: {}", lines.join(" | ")))
    };
    loop {
        let line = match session.next() {
            Ok(Said::Line(line)) => line,
            Ok(Said::Stats(_)) => continue,
            Ok(Said::Error(why)) if run.tests.is_empty() && last.is_empty() => {
                run.state = State::NotThere(why);
                return;
            }
            Ok(Said::Error(why)) => {
                run.state = failed(why, &last);
                return;
            }
            Err(end) if end.is_refusal() && last.is_empty() => {
                run.state = State::NotThere("aero refuses the machine file".to_owned());
                return;
            }
            Err(end) => {
                run.state = failed(end.to_string(), &last);
                return;
            }
        };
        let now = [line.at, line.cpu];
        let words: Vec<_> = line.text.split(' ').collect();
        match words[..] {
            ["@I", _] => run.start = now,
            ["@T", name, set] => {
                let (name, set) = (name.to_owned(), set.to_owned());
                run.tests.push(Test { name, set, ..Test::default() });
            }
            ["@B"] => begin = now,
            ["@E"] => done = now,
            ["@R", phase, iterations, checksum, guest, _] => {
                let (Some(test), Ok(iterations), Ok(guest)) =
                    (run.tests.last_mut(), iterations.parse::<u32>(), guest.parse::<f64>())
                else {
                    run.state = failed(format!("{:?} is not understood", line.text), &last);
                    return;
                };
                let took = std::array::from_fn(|i| done[i] - begin[i]);
                test.add(phase, iterations, checksum, took, guest / 1e9);
            }
            ["@FAIL", ..] => {
                run.state = failed(line.text, &last);
                return;
            }
            [DONE] => return,
            _ => {}
        }
        last.push_back(line.text);
        last.drain(..last.len().saturating_sub(LAST_LINES));
    }
}

impl Test {
    fn add(&mut self, phase: &str, iterations: u32, checksum: &str, took: [f64; 2], guest: f64) {
        let [wall, cpu] = took;
        match phase {
            "cold" => {
                self.cold = wall;
                self.checksum = checksum.to_owned();
            }
            "hot" => {
                let n = f64::from(iterations.max(1));
                let runs = self.wall.len() as f64;
                self.cpu = (self.cpu * runs + cpu / n) / (runs + 1.0);
                self.iterations = iterations;
                self.wall.push(wall / n);
                self.guest.push(guest / n);
            }
            _ => {}
        }
    }

    /// One iteration when the code is hot: by the host's clock.
    pub fn seconds(&self) -> Option<f64> {
        summary::median(&self.wall)
    }

    fn value(&self) -> Value {
        json!({
            "name": self.name,
            "set": self.set,
            "checksum": self.checksum,
            "iterations": self.iterations,
            "cold_seconds": self.cold,
            "seconds": self.seconds(),
            "cpu_seconds": self.cpu,
            "guest_seconds": summary::median(&self.guest),
            "runs_seconds": self.wall,
        })
    }
}

/// A result that is not what it is elsewhere.
fn wrong_result(reference: &Run, run: &Run) -> Option<String> {
    let is_other =
        |test: &&Test| reference.test(&test.name).is_some_and(|t| t.checksum != test.checksum);
    let test = run.tests.iter().find(is_other)?;
    Some(format!("{} results in {}", test.name, test.checksum))
}

impl Run {
    fn new(peer: Peer, bits: u32, version: String) -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            peer,
            bits,
            state: State::Ran,
            tests: Vec::new(),
            version,
            start: [0.0; 2],
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        }
    }

    /// The test of a name.
    pub fn test(&self, name: &str) -> Option<&Test> {
        self.tests.iter().find(|test| test.name == name)
    }

    fn value(&self) -> Value {
        let (state, note) = match &self.state {
            State::Ran => ("ran", None),
            State::NotThere(why) => ("not there", Some(why)),
            State::Failed(why) => ("failed", Some(why)),
        };
        json!({
            "peer": self.peer.name(),
            "bits": self.bits,
            "version": self.version,
            "state": state,
            "note": note,
            "host_load": self.load,
            "start_seconds": self.start[0],
            "start_cpu_seconds": self.start[1],
            "tests": self.tests.iter().map(Test::value).collect::<Vec<_>>(),
        })
    }
}

fn values(runs: &[Run]) -> Value {
    runs.iter().map(Run::value).collect()
}

fn report(run: &Run) {
    match &run.state {
        State::Ran => eprintln!("    {} tests", run.tests.len()),
        State::NotThere(why) => eprintln!("    not there: {why}"),
        State::Failed(why) => eprintln!("    failed: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of what a shell says in place of the guest's program.
    fn run(script: &str) -> Run {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        let session =
            Session::start(shell, Output::Serial, Duration::from_secs(20)).expect("a shell");
        let mut run = Run::new(Peer::Native, 64, String::new());
        follow(session, &mut run);
        run
    }

    #[test]
    fn a_run_is_timed_between_its_marks() {
        let run = run("echo @I 64; echo @T nap user
             echo @B; echo @E; echo @R cold 1 0000002a 1000 1
             sleep 0.5; echo @B; sleep 0.2; echo @E; echo @R hot 10 0000002a 5000000 1
             echo noise of the kernel; echo @DONE");
        assert_eq!(run.state, State::Ran);
        let nap = run.test("nap").expect("it has run");
        assert_eq!((nap.checksum.as_str(), nap.iterations), ("0000002a", 10));
        let seconds = nap.seconds().expect("one hot run");
        assert!(seconds >= 0.015, "{seconds}");
        assert_eq!(nap.guest, [0.0005]);
    }

    #[test]
    fn another_result_is_a_failure() {
        let script =
            |sum| format!("echo @T a user; echo @B; echo @E; echo @R cold 1 {sum} 1 1; echo @DONE");
        let (one, two) = (run(&script("1")), run(&script("2")));
        assert_eq!(wrong_result(&one, &one), None);
        assert!(wrong_result(&one, &two).is_some_and(|why| why.starts_with("a results in 2")));
    }

    #[test]
    fn an_early_end_is_a_failure_that_shows_the_last_lines() {
        let run = run("echo Kernel panic; exit 1");
        assert!(matches!(run.state, State::Failed(why) if why.contains("Kernel panic")));
    }
}
