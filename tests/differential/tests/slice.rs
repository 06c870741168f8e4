//! A few seconds of comparison with the host, and the cases that once differed.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use aero_differential::guest::BACKENDS;
use aero_differential::runner::{Options, Runner};
use aero_differential::text;

#[test]
fn random_cases_agree_with_the_host() {
    for backend in BACKENDS {
        let options =
            Options { cases: 60_000, seed: 42, backend: (*backend).into(), ..Options::default() };
        let report = Runner::new(backend).unwrap().run(&options).unwrap();
        let lines: Vec<String> = report
            .mismatches
            .iter()
            .map(|m| format!("{}:{}\n    {}", m.instruction, m.differences, m.line))
            .collect();
        assert!(lines.is_empty(), "{backend}:\n{}", lines.join("\n"));
        assert!(report.barren.is_empty(), "no case of {:?}", report.barren);
        assert!(report.forms.len() > 2300, "{} forms", report.forms.len());
    }
}

#[test]
fn cases_that_differed_once_agree() {
    for backend in BACKENDS {
        let mut runner = Runner::new(backend).unwrap();
        let lines = include_str!("../cases/fixed.txt").lines();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let input = text::read(line).unwrap();
            let (_, _, found) = runner.one(&input).unwrap();
            assert_eq!(found, "", "{backend}: {line}");
        }
    }
}
