//! Figures as tables.

use std::fmt::Write as _;

use super::cpu::{Run, State, Test};
use crate::sh;

/// The sets of tests, and what a table calls them.
const SETS: [(&str, &str); 3] =
    [("user", "user programs"), ("kernel", "kernel-heavy"), ("rewrite", "rewriting code")];

/// What the tests are compared by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The host's clock.
    Wall,
    /// Processor time.
    Cpu,
}

impl By {
    /// Seconds of one iteration when the code is hot.
    fn seconds(self, test: &Test) -> Option<f64> {
        match self {
            Self::Wall => test.seconds(),
            Self::Cpu => Some(test.cpu),
        }
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The geometric mean.
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    let logarithms: f64 = values.iter().map(|value| value.ln()).sum();
    (!values.is_empty()).then(|| (logarithms / values.len() as f64).exp())
}

/// What is measured on, in one line.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map_or("?", |(_, value)| value).to_owned()
    };
    let processors = info.lines().filter(|line| line.starts_with("processor")).count();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let compiler = sh::output(&mut sh::cmd("gcc", &["-dumpfullversion"])).unwrap_or_default();
    format!(
        "Measured on {processors} x {} at {} MHz{}, Linux {}, GCC {}",
        field("model name"),
        field("cpu MHz"),
        if info.contains(" hypervisor") { " in a virtual machine" } else { "" },
        release.trim(),
        String::from_utf8_lossy(&compiler).trim(),
    )
}

/// The table of one width. Every run but the first is compared with the first.
pub fn table(bits: u32, runs: &[&Run], by: By) -> String {
    let Some((first, others)) = runs.split_first() else { return String::new() };
    let mut rows = vec![vec![format!("{bits} bits")]];
    rows[0].push(first.peer.name().to_owned());
    rows[0].extend(others.iter().map(|run| run.peer.name().to_owned()));
    for test in &first.tests {
        let mut row = vec![test.name.clone(), by.seconds(test).map_or(String::new(), duration)];
        for run in others {
            let ratio =
                run.test(&test.name).and_then(|other| ratio(test, other, |test| by.seconds(test)));
            row.push(cell(run, ratio));
        }
        rows.push(row);
    }
    for (by, measure) in [(By::Wall, "wall"), (By::Cpu, "CPU")] {
        for (set, title) in SETS {
            let title = format!("{title}, {measure}");
            rows.push(mean_row(&title, set, first, others, |test| by.seconds(test)));
        }
    }
    let mut row = vec!["first iterations".to_owned(), duration(cold(first))];
    row.extend(others.iter().map(|run| cell_text(run, || duration(cold(run)))));
    rows.push(row);
    let mut text = columns(&rows);
    text.push_str(
        "The first column is the time of an iteration, the others how many times as long it takes; then \
         geometric means\nof those, by the host's clock and by processor time, and the sum of all tests' \
         first iterations.\n",
    );
    if by == By::Cpu {
        text.push_str("The tests are compared by processor time.\n");
    }
    for run in runs {
        match &run.state {
            State::Ran => {}
            State::NotThere(why) => {
                let _ = writeln!(text, "{}: not there ({why})", run.peer.name());
            }
            State::Failed(why) => {
                let _ = writeln!(text, "{}: FAILED ({why})", run.peer.name());
            }
        }
    }
    text
}

fn ratio(base: &Test, other: &Test, of: impl Fn(&Test) -> Option<f64>) -> Option<f64> {
    let (base, other) = (of(base)?, of(other)?);
    (base > 0.0 && other > 0.0).then(|| other / base)
}

fn mean_row(
    title: &str,
    set: &str,
    first: &Run,
    others: &[&Run],
    of: impl Fn(&Test) -> Option<f64>,
) -> Vec<String> {
    let tests: Vec<_> = first.tests.iter().filter(|test| test.set == set).collect();
    let mut row = vec![title.to_owned(), String::new()];
    for run in others {
        let ratios: Vec<_> =
            tests.iter().filter_map(|test| ratio(test, run.test(&test.name)?, &of)).collect();
        row.push(cell(run, geometric_mean(&ratios)));
    }
    row
}

fn cold(run: &Run) -> f64 {
    run.tests.iter().map(|test| test.cold).sum()
}

fn cell(run: &Run, ratio: Option<f64>) -> String {
    cell_text(run, || match ratio {
        Some(ratio) if ratio < 10.0 => format!("{ratio:.2}x"),
        Some(ratio) => format!("{ratio:.1}x"),
        None => "-".to_owned(),
    })
}

fn cell_text(run: &Run, text: impl FnOnce() -> String) -> String {
    if matches!(run.state, State::NotThere(_)) { "not there".to_owned() } else { text() }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// Rows as text: the first column to the left, the others to the right.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<_> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ = match column {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn the_geometric_mean_weighs_ratios_alike() {
        assert_eq!(geometric_mean(&[]), None);
        let mean = geometric_mean(&[0.5, 2.0]).expect("of two values");
        assert!((mean - 1.0).abs() < 1e-12);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "12".to_owned()], vec!["long".to_owned(), "3".to_owned()]];
        assert_eq!(columns(&rows), "a     12\nlong   3\n");
    }
}
