//! Runs cases on both sides, compares, and makes what differs small.

use std::collections::BTreeMap;
use std::io;

use iced_x86::{Code, FastFormatter, Mnemonic};

use crate::case::{FxImage, HANG, Input, Output, PATCH_BYTES, State, fx};
use crate::compare::differences;
use crate::forms;
use crate::generate::{Case, Generator, decode};
use crate::guest::{Guest, with_backend};
use crate::host::{BATCH, Host};
use crate::layout::CODE;
use crate::rng::Rng;
use crate::text;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many cases, about.
    pub cases: u64,
    /// Where random numbers begin.
    pub seed: u64,
    /// Only this mnemonic, or this form.
    pub only: Option<String>,
    /// Widths of code segments.
    pub bits: Vec<u32>,
    /// The backend's name.
    pub backend: String,
    /// Cases to show of each mnemonic that differs.
    pub show: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cases: 1_000_000,
            seed: 1,
            only: None,
            bits: vec![64, 32],
            backend: "interpreter".into(),
            show: 2,
        }
    }
}

/// A case that differs.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The form it came from.
    pub code: Code,
    /// The instruction as text.
    pub instruction: String,
    /// What differs, host first.
    pub differences: String,
    /// The case as small as it could be made, as a line of text.
    pub line: String,
}

/// What came of a run.
#[derive(Default)]
pub struct Report {
    /// Cases run.
    pub cases: u64,
    /// Cases of each form, by mode.
    pub forms: BTreeMap<(u32, String), u64>,
    /// Cases by exception, but for INT3.
    pub exceptions: BTreeMap<u32, u64>,
    /// Forms of which no case could be made.
    pub barren: Vec<(u32, Code)>,
    /// Differences by mode and form.
    pub different: BTreeMap<(u32, String), u64>,
    /// Some of them, made small.
    pub mismatches: Vec<Mismatch>,
    /// How often the child had to be started again.
    pub restarts: u64,
}

/// Both sides.
pub struct Runner {
    host: Host,
    guest: Box<dyn Guest>,
}

impl Runner {
    /// Starts both.
    pub fn new(backend: &str) -> io::Result<Self> {
        let guest = with_backend(backend)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such backend"))?;
        Ok(Self { host: Host::new()?, guest })
    }

    /// Runs what the options say.
    pub fn run(&mut self, options: &Options) -> io::Result<Report> {
        let mut report = Report::default();
        let mut forms: Vec<(u32, Code)> = Vec::new();
        for bits in &options.bits {
            forms.extend(forms::tested(*bits).into_iter().map(|code| (*bits, code)));
        }
        if let Some(only) = &options.only {
            let same = |text: String| text.eq_ignore_ascii_case(only);
            forms.retain(|(_, c)| same(format!("{:?}", c.mnemonic())) || same(format!("{c:?}")));
        }
        if forms.is_empty() {
            return Ok(report);
        }
        let mut counts = vec![0_u64; forms.len()];
        let mut barren = vec![0_u32; forms.len()];
        let mut generator = Generator::new(options.seed);
        let mut order = Rng::new(options.seed ^ 0x5eed);
        let mut outputs = vec![Output::ZERO; BATCH];
        while report.cases < options.cases {
            let mut cases: Vec<(usize, Case)> = Vec::with_capacity(BATCH);
            let mut tries = 0;
            while cases.len() < BATCH && tries < BATCH * 8 {
                tries += 1;
                // Every form once, then at random.
                let form = match counts.iter().position(|n| *n == 0) {
                    Some(form) if barren[form] < 20 && tries < BATCH => form,
                    _ => order.below(forms.len() as u64) as usize,
                };
                let (bits, code) = forms[form];
                match generator.case(code, bits) {
                    Some(case) => {
                        counts[form] += 1;
                        cases.push((form, case));
                    }
                    None => barren[form] += 1,
                }
            }
            if cases.is_empty() {
                break;
            }
            let inputs: Vec<Input> = cases.iter().map(|(_, case)| case.input).collect();
            self.host.begin(&inputs)?;
            for (input, output) in inputs.iter().zip(&mut outputs) {
                self.guest.run(input, output);
            }
            let host = self.host.finish()?.to_vec();
            report.cases += cases.len() as u64;
            for (((form, case), host), guest) in cases.iter().zip(&host).zip(&outputs) {
                *report.exceptions.entry(host.vector).or_default() += 1;
                let found = differences(&case.input, &case.instruction, host, guest);
                if !found.is_empty() {
                    self.note(&mut report, options, forms[*form].0, case, found)?;
                }
            }
        }
        for (form, count) in counts.iter().enumerate() {
            let (bits, code) = forms[form];
            if *count == 0 {
                report.barren.push((bits, code));
            } else {
                *report.forms.entry((bits, format!("{code:?}"))).or_default() += count;
            }
        }
        report.restarts = self.host.restarts;
        Ok(report)
    }

    fn note(
        &mut self,
        report: &mut Report,
        options: &Options,
        bits: u32,
        case: &Case,
        found: String,
    ) -> io::Result<()> {
        let name = (bits, format!("{:?}", case.code));
        let count = report.different.entry(name).or_default();
        *count += 1;
        if *count > options.show as u64 {
            return Ok(());
        }
        let (input, found) = self.shrink(&case.input, found)?;
        report.mismatches.push(Mismatch {
            code: case.code,
            instruction: disassemble(&input),
            differences: found,
            line: text::write(&input),
        });
        Ok(())
    }

    /// Runs one case and returns what differs.
    pub fn one(&mut self, input: &Input) -> io::Result<(Output, Output, String)> {
        self.host.begin(std::slice::from_ref(input))?;
        let mut guest = Output::ZERO;
        self.guest.run(input, &mut guest);
        let host = self.host.finish()?[0];
        let found = differences(input, &decode(input), &host, &guest);
        Ok((host, guest, found))
    }

    /// Makes a case small as long as it differs.
    fn shrink(&mut self, input: &Input, found: String) -> io::Result<(Input, String)> {
        let mut best = (*input, found);
        let mut generator = Generator::new(0);
        let mnemonic = decode(input).mnemonic();
        for _ in 0..2 {
            for candidate in candidates(&best.0) {
                let Some(smaller) = candidate(&best.0) else { continue };
                let instruction = decode(&smaller);
                let same = instruction.mnemonic() == mnemonic;
                let safe =
                    mnemonic == Mnemonic::INVALID || generator.is_safe(&smaller, &instruction);
                if !same || !safe {
                    continue;
                }
                let (host, _, found) = self.one(&smaller)?;
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

type Change = Box<dyn Fn(&Input) -> Option<Input>>;

/// What may make a case smaller, one change at a time.
fn candidates(input: &Input) -> Vec<Change> {
    let mut list: Vec<Change> = Vec::new();
    let mut edit = |f: Box<dyn Fn(&mut State)>| {
        list.push(Box::new(move |input: &Input| {
            let mut smaller = *input;
            f(&mut smaller.state);
            Some(smaller)
        }));
    };
    let base = text::plain();
    for i in 0..16 {
        edit(Box::new(move |s| s.regs[i] = base.regs[i]));
        edit(Box::new(move |s| s.regs[i] &= 0xffff_ffff));
        edit(Box::new(move |s| s.fx.set_xmm(i, 0)));
    }
    for i in 0..8 {
        edit(Box::new(move |s| s.fx.set_st(i, (0, 0))));
    }
    edit(Box::new(move |s| s.rflags = base.rflags));
    for bit in [0_u64, 2, 4, 6, 7, 10, 11] {
        edit(Box::new(move |s| s.rflags &= !(1 << bit)));
    }
    let copy = |to: &mut FxImage, at: usize, len: usize| {
        to.0[at..at + len].copy_from_slice(&text::plain().fx.0[at..at + len]);
    };
    for (at, len) in [(fx::FCW, 2), (fx::FSW, 2), (fx::FTW, 2), (fx::MXCSR, 4)] {
        edit(Box::new(move |s| copy(&mut s.fx, at, len)));
    }
    edit(Box::new(|s| s.fx.0[fx::MXCSR] &= 0xc0));
    edit(Box::new(|s| s.fx.0[fx::FSW] = 0));
    edit(Box::new(|s| s.rip = CODE + 0x100));
    // Prefixes.
    list.push(Box::new(|input| {
        let prefix = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
        let removable = prefix.contains(&input.code[0]) || input.code[0] >> 4 == 4;
        (removable && input.code_len > 1).then(|| {
            let mut smaller = *input;
            smaller.code.copy_within(1.., 0);
            smaller.code_len -= 1;
            smaller.code[smaller.code_len as usize] = 0;
            smaller
        })
    }));
    for i in 0..input.patches.len() {
        list.push(Box::new(move |input| {
            let used: Vec<usize> = input.patches.iter().map(|p| p.1 as usize).collect();
            (used[i] != 0).then(|| {
                let mut smaller = *input;
                let start: usize = used[..i].iter().sum();
                smaller.patch_bytes.copy_within(start + used[i]..PATCH_BYTES, start);
                smaller.patches.copy_within(i + 1.., i);
                smaller.patches[input.patches.len() - 1] = (0, 0);
                smaller
            })
        }));
    }
    let total: usize = input.patches.iter().map(|p| p.1 as usize).sum();
    let mut step = 64;
    while step >= 8 {
        for start in (0..total).step_by(step) {
            list.push(Box::new(move |input| {
                let mut smaller = *input;
                smaller.patch_bytes[start..(start + step).min(total)].fill(0);
                Some(smaller)
            }));
        }
        step /= 2;
    }
    list
}
