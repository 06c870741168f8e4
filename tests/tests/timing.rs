//! What guests rely on about time: clocks that agree, timers that tick as often as they say, and ticks
//! that are made up for when the host was away.
//!
//! The guest is `timing/guest.asm`, which counts the interrupts of all timers and writes them down ten
//! times a guest second. `cargo xtask test --timing` runs the tests in real time, which want a host that
//! is not busy; the others are exact on any host.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aero_tests::program;

/// Ticks of the HPET's counter a second.
const HPET_HZ: f64 = 1e8;
/// Ticks of the ACPI PM timer a second, and the bits that it has at least.
const PM_HZ: f64 = 3_579_545.0;
const PM_MASK: u32 = 0xff_ffff;
/// What counter 0 of the 8254 gives with a count of 1193.
const PIT_HZ: f64 = 105e6 / 88.0 / 1193.0;
/// Lines that the guest writes in a second.
const LINES: u32 = 10;

/// In deterministic mode: slow, so that little is executed in a guest second.
const RATE: &str = "instructions_per_second = 50000000\n";

/// A line of the guest's.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// When it came, since the start of the program.
    host: Duration,
    hpet: u64,
    tsc: u64,
    pm: u32,
    /// Interrupts of the 8254, the local APIC and the HPET.
    ticks: [u32; 3],
    /// Looks at the time-stamp counter that found it behind the other processor's.
    backwards: u32,
    /// Looks of the second processor.
    looks: u32,
}

impl Line {
    fn parse(text: &str, host: Duration) -> Self {
        let field = |n: usize| {
            let word = text.split_whitespace().nth(n);
            let word = word.unwrap_or_else(|| panic!("the guest wrote {text:?}"));
            u64::from_str_radix(word, 16).expect("a hexadecimal number")
        };
        let ticks = [field(3), field(4), field(5)].map(|n| n as u32);
        let (backwards, looks) = (field(6) as u32, field(7) as u32);
        Self { host, hpet: field(0), tsc: field(1), pm: field(2) as u32, ticks, backwards, looks }
    }

    /// Guest seconds since the HPET was started.
    fn seconds(&self) -> f64 {
        self.hpet as f64 / HPET_HZ
    }
}

/// What the guest is to be like.
#[derive(Clone, Copy)]
struct Guest {
    seconds: u32,
    cpus: u32,
    idle: bool,
    deterministic: bool,
}

impl Guest {
    fn start(self) -> Run {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        self.assemble(&dir.path().join("kernel"));
        let mode = if self.deterministic { "deterministic" } else { "realtime" };
        let machine = format!(
            "[machine]\nmemory = \"16MiB\"\n[cpu]\ncount = {}\n[boot]\nkernel = \"kernel\"\n\
             [clock]\nmode = \"{mode}\"\n{RATE}[[device]]\ntype = \"serial\"\n[[device]]\ntype = \"hpet\"\n",
            self.cpus
        );
        let file = dir.path().join("machine.toml");
        std::fs::write(&file, machine).expect("the temporary folder can be written");
        let started = Instant::now();
        let mut child = Command::new(program())
            .arg("run")
            .arg(file)
            .args(["--serial", "stdio"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Run { _dir: dir, child, output, started, lines: Vec::new() }
    }

    fn assemble(self, to: &Path) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("timing/guest.asm");
        let nasm = std::env::var_os("NASM").unwrap_or_else(|| "nasm".into());
        let status = Command::new(nasm)
            .args(["-f", "bin"])
            .arg(format!("-DLINES={}", self.seconds * LINES))
            .arg(format!("-DAP={}", self.cpus - 1))
            .arg(format!("-DIDLE={}", u8::from(self.idle)))
            .arg("-o")
            .arg(to)
            .arg(source)
            .status()
            .expect("nasm starts; `cargo xtask test` installs it where it may");
        assert!(status.success(), "nasm assembles the guest");
    }
}

/// A machine that runs.
struct Run {
    _dir: tempfile::TempDir,
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    started: Instant,
    lines: Vec<Line>,
}

impl Run {
    /// The next line; `None` at the end.
    fn line(&mut self) -> Option<Line> {
        let mut text = String::new();
        self.output.read_line(&mut text).expect("the program writes text");
        if text.trim().is_empty() {
            return None;
        }
        let line = Line::parse(&text, self.started.elapsed());
        self.lines.push(line);
        Some(line)
    }

    /// Reads on for so many guest seconds.
    fn watch(&mut self, seconds: u32) {
        for _ in 0..seconds * LINES {
            self.line().expect("the guest writes on");
        }
    }

    /// All lines, when the guest has powered off.
    fn finish(mut self) -> Vec<Line> {
        while self.line().is_some() {}
        assert!(self.child.wait().expect("the program ends").success());
        let last = self.lines.last().expect("the guest writes lines");
        println!(
            "{:.3} s: {:?} interrupts of 8254, local APIC and HPET; the host waited {:.3} s",
            last.seconds(),
            last.ticks,
            last.host.as_secs_f64()
        );
        self.lines
    }

    /// Stops the whole program for a while.
    #[cfg(unix)]
    fn pause(&self, time: Duration) {
        let signal = |name: &str| {
            let id = self.child.id().to_string();
            let status = Command::new("kill").args([name, &id]).status().expect("kill starts");
            assert!(status.success());
        };
        signal("-STOP");
        std::thread::sleep(time);
        signal("-CONT");
    }
}

/// Interrupts that each timer should have had by a line, and how far from that it is.
fn errors_of(line: &Line) -> [f64; 3] {
    let seconds = line.seconds();
    let expected = [PIT_HZ * seconds, 1000.0 * seconds, 1000.0 * seconds];
    std::array::from_fn(|n| f64::from(line.ticks[n]) - expected[n])
}

/// The clocks run at one rate and never go back.
fn check_clocks(lines: &[Line]) {
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let tsc_hz = (last.tsc - first.tsc) as f64 / (last.seconds() - first.seconds());
    for pair in lines.windows(2) {
        let [a, b] = pair else { unreachable!("windows of two") };
        let seconds = b.seconds() - a.seconds();
        assert!(b.tsc > a.tsc && seconds > 0.0, "{a:?} {b:?}");
        // Between the reads of two clocks lie some microseconds of a slow guest.
        let slack = 0.002;
        let tsc = (b.tsc - a.tsc) as f64 / tsc_hz;
        assert!((tsc - seconds).abs() < slack, "the TSC went {tsc} s in {seconds} s");
        if seconds < 4.0 {
            let pm = f64::from(b.pm.wrapping_sub(a.pm) & PM_MASK) / PM_HZ;
            assert!((pm - seconds).abs() < slack, "the PM timer went {pm} s in {seconds} s");
        }
    }
    assert_eq!(last.backwards, 0, "the processors' time-stamp counters disagree");
}

fn guest(seconds: u32) -> Guest {
    Guest { seconds, cpus: 1, idle: true, deterministic: true }
}

#[test]
fn in_deterministic_mode_every_timer_ticks_exactly_as_often_as_it_says() {
    for (cpus, idle, seconds) in [(1, true, 3), (1, false, 1), (2, false, 1)] {
        let lines = Guest { cpus, idle, ..guest(seconds) }.start().finish();
        assert_eq!(lines.len() as u32, seconds * LINES);
        check_clocks(&lines);
        for line in &lines {
            let errors = errors_of(line);
            let right = errors.iter().all(|error| error.abs() <= 1.5);
            assert!(right, "{cpus} processors: {errors:?} at {line:?}");
        }
        assert_eq!(lines.last().unwrap().looks > 0, cpus == 2);
    }
}

#[test]
#[ignore = "a minute in real time: cargo xtask test --timing"]
fn for_a_minute_timers_keep_their_rates_and_the_clocks_the_hosts_time() {
    let lines = Guest { seconds: 60, deterministic: false, ..guest(0) }.start().finish();
    check_clocks(&lines);
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let guest = last.seconds() - first.seconds();
    let host = (last.host - first.host).as_secs_f64();
    assert!((guest - host).abs() < 0.1, "{guest} guest seconds in {host}");
    // What is not yet made up for is not lost: it may be a few when the host is busy.
    let errors = errors_of(&last);
    println!("after a minute too many or too few: {errors:.1?}");
    assert!(errors[0].abs() <= 10.0, "the 8254: {errors:?}");
    assert!(errors.iter().all(|error| error.abs() < 0.01 * 60_000.0), "{errors:?}");
    // 1000 ± 1 a second in all, and never one too many: where the host was busy they come late.
    let rate = f64::from(last.ticks[0]) / last.seconds();
    println!("the 8254: {rate:.3} interrupts a second");
    assert!((rate - PIT_HZ).abs() <= 0.2, "{rate}");
    for line in &lines {
        assert!(errors_of(line).iter().all(|error| *error <= 1.5), "{line:?}");
    }
    let late = lines.iter().flat_map(errors_of).fold(0.0, f64::min);
    println!("at worst {:.1} were late", -late);
}

#[test]
#[ignore = "in real time: cargo xtask test --timing"]
fn the_time_stamp_counters_of_two_processors_are_one() {
    let lines = Guest { seconds: 20, cpus: 2, idle: false, deterministic: false }.start().finish();
    check_clocks(&lines);
    let last = lines[lines.len() - 1];
    println!("{} looks of the second processor", last.looks);
    assert!(last.looks > 10_000);
    assert!(errors_of(&last).iter().all(|error| error.abs() < 200.0), "{:?}", errors_of(&last));
}

#[test]
#[ignore = "in real time: cargo xtask test --timing"]
#[cfg(unix)]
fn ticks_are_made_up_for_after_the_host_was_away_but_not_without_end() {
    let mut run = Guest { seconds: 12, deterministic: false, ..guest(0) }.start();
    run.watch(2);
    run.pause(Duration::from_millis(300));
    run.watch(4);
    let caught_up = *run.lines.last().unwrap();
    println!("300 ms away: too many or too few later: {:.1?}", errors_of(&caught_up));
    // Longer than what is made up for: of three seconds one.
    run.pause(Duration::from_secs(3));
    let lines = run.finish();
    check_clocks(&lines);
    assert!(errors_of(&caught_up).iter().all(|error| error.abs() <= 10.0), "{caught_up:?}");
    let lost = errors_of(&lines[lines.len() - 1]);
    // A busy host may be away a little longer than the signals say.
    println!("3 s away: too many or too few later: {lost:.1?}");
    for error in lost {
        assert!(
            (-2500.0..=-1950.0).contains(&error),
            "two of three seconds are given up: {lost:?}"
        );
    }
    // Never faster than twice the rate.
    for pair in lines.windows(11) {
        let (a, b) = (pair[0], pair[10]);
        let seconds = b.seconds() - a.seconds();
        for n in 0..3 {
            let ticks = f64::from(b.ticks[n] - a.ticks[n]);
            assert!(ticks <= 2.0 * 1000.2 * seconds + 5.0, "{ticks} in {seconds} s");
        }
    }
}
