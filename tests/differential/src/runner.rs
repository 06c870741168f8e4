//! Runs cases on the host and on backends, compares, and makes what differs small.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use iced_x86::{Code, FastFormatter};

use crate::case::{HANG, Input, Output};
use crate::compare::differences;
use crate::files::{self, Found};
use crate::forms;
use crate::generate::{Case, Generator, decode};
use crate::guest::Machine;
use crate::host::{BATCH, Host};
use crate::rng::Rng;
use crate::shrink::candidates;
use crate::text;

/// Of 100 cases so many are random bytes.
const RAW: u64 = 12;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many cases, about.
    pub cases: u64,
    /// Where random numbers begin.
    pub seed: u64,
    /// Only this mnemonic, or this form, or `raw` for random bytes.
    pub only: Option<String>,
    /// Widths of code segments.
    pub bits: Vec<u32>,
    /// Cases to show of each form that differs.
    pub show: usize,
    /// Where cases that differ are written to.
    pub found: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { cases: 1_000_000, seed: 1, only: None, bits: vec![64, 32], show: 2, found: None }
    }
}

/// A case that differs.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The backend.
    pub backend: &'static str,
    /// The form it came from.
    pub code: Code,
    /// The instruction as text.
    pub instruction: String,
    /// What differs, host first.
    pub differences: String,
    /// The case as small as it could be made, as a line of text.
    pub line: String,
    /// The file it was written to.
    pub file: Option<PathBuf>,
}

/// What came of a run.
#[derive(Default)]
pub struct Report {
    /// Cases run, on each backend.
    pub cases: u64,
    /// How many of them were random bytes.
    pub raw: u64,
    /// Cases of each form, by mode, but for random bytes.
    pub forms: BTreeMap<(u32, String), u64>,
    /// Cases by exception.
    pub exceptions: BTreeMap<u32, u64>,
    /// Forms of which no case could be made.
    pub barren: Vec<(u32, Code)>,
    /// Differences by backend and form.
    pub different: BTreeMap<(&'static str, u32, String), u64>,
    /// Some of them, made small.
    pub mismatches: Vec<Mismatch>,
    /// Cases that differed once but not when they were run again: the kernel may take the processor
    /// away between two instructions, and then puts back all but hidden state.
    pub unsteady: u64,
    /// How often the child had to be started again.
    pub restarts: u64,
}

/// Both sides.
pub struct Runner {
    host: Host,
    guests: Vec<(&'static str, Machine)>,
}

/// What one case came to.
pub struct Outcome {
    /// On the host.
    pub host: Output,
    /// On each backend, with what differs.
    pub guests: Vec<(&'static str, Output, String)>,
}

impl Runner {
    /// Starts the host's side and a machine for each of the backends.
    pub fn new(names: &[&'static str]) -> io::Result<Self> {
        let mut guests = Vec::new();
        for name in names {
            let machine = Machine::new(name)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such backend"))?;
            guests.push((*name, machine));
        }
        Ok(Self { host: Host::new()?, guests })
    }

    /// Runs what the options say.
    pub fn run(&mut self, options: &Options) -> io::Result<Report> {
        let mut report = Report::default();
        let mut forms: Vec<(u32, Code)> = Vec::new();
        for bits in &options.bits {
            forms.extend(forms::tested(*bits).into_iter().map(|code| (*bits, code)));
        }
        let mut raw = RAW;
        if let Some(only) = &options.only {
            let same = |text: String| text.eq_ignore_ascii_case(only);
            forms.retain(|(_, c)| same(format!("{:?}", c.mnemonic())) || same(format!("{c:?}")));
            raw = if only == "raw" { 100 } else { 0 };
        }
        if forms.is_empty() && raw == 0 {
            return Ok(report);
        }
        let mut counts = vec![0_u64; forms.len()];
        let mut barren = vec![0_u32; forms.len()];
        let mut generator = Generator::new(options.seed);
        let mut order = Rng::new(options.seed ^ 0x5eed);
        let mut first = 0;
        let mut outputs = vec![vec![Output::ZERO; BATCH]; self.guests.len()];
        while report.cases < options.cases {
            let mut cases: Vec<Case> = Vec::with_capacity(BATCH);
            let mut tries = 0;
            while cases.len() < BATCH && tries < BATCH * 8 {
                tries += 1;
                // Every form once, then at random.
                while first < forms.len() && (counts[first] != 0 || barren[first] >= 20) {
                    first += 1;
                }
                let form = match forms.len() {
                    _ if first < forms.len() => first,
                    0 => usize::MAX,
                    _ if order.chance(raw) => usize::MAX,
                    all => order.below(all as u64) as usize,
                };
                let Some(&(bits, code)) = forms.get(form) else {
                    if let Some(case) = generator.raw(order.pick(&options.bits)) {
                        report.raw += 1;
                        cases.push(case);
                    }
                    continue;
                };
                match generator.case(code, bits) {
                    Some(case) => {
                        counts[form] += 1;
                        cases.push(case);
                    }
                    None => barren[form] += 1,
                }
            }
            if cases.is_empty() {
                break;
            }
            self.batch(&cases, &mut outputs, &mut report, options)?;
        }
        for ((bits, code), count) in forms.into_iter().zip(counts) {
            if count == 0 {
                report.barren.push((bits, code));
            } else {
                report.forms.insert((bits, format!("{code:?}")), count);
            }
        }
        report.restarts = self.host.restarts;
        Ok(report)
    }

    fn batch(
        &mut self,
        cases: &[Case],
        outputs: &mut [Vec<Output>],
        report: &mut Report,
        options: &Options,
    ) -> io::Result<()> {
        let inputs: Vec<Input> = cases.iter().map(|case| case.input).collect();
        self.host.begin(&inputs)?;
        for ((_, guest), outputs) in self.guests.iter_mut().zip(outputs.iter_mut()) {
            for (input, output) in inputs.iter().zip(outputs) {
                guest.run(input, output);
            }
        }
        let host = self.host.finish()?.to_vec();
        report.cases += cases.len() as u64;
        for (i, (case, host)) in cases.iter().zip(&host).enumerate() {
            *report.exceptions.entry(host.vector).or_default() += 1;
            for (which, outputs) in outputs.iter().enumerate() {
                let found = differences(&case.input, &case.instruction, host, &outputs[i]);
                if !found.is_empty() {
                    self.note(report, options, which, case)?;
                }
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        report: &mut Report,
        options: &Options,
        which: usize,
        case: &Case,
    ) -> io::Result<()> {
        let (_, found) = self.on(which, &case.input)?;
        if found.is_empty() {
            report.unsteady += 1;
            return Ok(());
        }
        let backend = self.guests[which].0;
        let name = (backend, case.input.bits, format!("{:?}", case.code));
        let count = report.different.entry(name).or_default();
        *count += 1;
        if *count > options.show as u64 {
            return Ok(());
        }
        let (input, differences) = self.shrink(which, &case.input, found)?;
        let (instruction, line) = (disassemble(&input), text::write(&input));
        let file = match &options.found {
            Some(folder) => {
                let found = Found { backend, instruction: &instruction, differences: &differences };
                Some(files::write(folder, &found, &line)?)
            }
            None => None,
        };
        let code = case.code;
        report.mismatches.push(Mismatch { backend, code, instruction, differences, line, file });
        Ok(())
    }

    /// Runs one case on the host and on one of the backends, and returns what the host came to and what
    /// differs.
    fn on(&mut self, which: usize, input: &Input) -> io::Result<(Output, String)> {
        self.host.begin(std::slice::from_ref(input))?;
        let mut guest = Output::ZERO;
        self.guests[which].1.run(input, &mut guest);
        let host = self.host.finish()?[0];
        let found = differences(input, &decode(input), &host, &guest);
        Ok((host, found))
    }

    /// Runs one case everywhere.
    pub fn one(&mut self, input: &Input) -> io::Result<Outcome> {
        self.host.begin(std::slice::from_ref(input))?;
        let host = self.host.finish()?[0];
        let mut guests = Vec::new();
        for (name, machine) in &mut self.guests {
            let mut guest = Output::ZERO;
            machine.run(input, &mut guest);
            let found = differences(input, &decode(input), &host, &guest);
            guests.push((*name, guest, found));
        }
        Ok(Outcome { host, guests })
    }

    /// Makes a case small as long as it differs.
    fn shrink(
        &mut self,
        which: usize,
        input: &Input,
        found: String,
    ) -> io::Result<(Input, String)> {
        let mut best = (*input, found);
        let mut generator = Generator::new(0);
        let code = decode(input).code();
        for _ in 0..2 {
            for candidate in candidates(&best.0) {
                let Some(smaller) = candidate(&best.0) else { continue };
                let instruction = decode(&smaller);
                let safe = instruction.is_invalid() || generator.is_safe(&smaller, &instruction);
                if instruction.code() != code || !safe {
                    continue;
                }
                let (host, found) = self.on(which, &smaller)?;
                if !found.is_empty() && host.vector < HANG {
                    best = (smaller, found);
                }
            }
        }
        Ok(best)
    }
}

/// The instruction as text.
pub fn disassemble(input: &Input) -> String {
    let mut text = String::new();
    FastFormatter::new().format(&decode(input), &mut text);
    text
}
