//! A few seconds of comparison with the host, and the cases that once differed.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use aero_differential::files;
use aero_differential::runner::{Options, Runner};
use aero_test_backends as backends;

#[test]
fn random_cases_agree_with_the_host() {
    for name in backends::from_environment().unwrap() {
        // Generated code costs a millisecond a case; with so many every form comes up.
        agree_with_the_host(name, if name == "interpreter" { 60_000 } else { 6_000 });
    }
}

fn agree_with_the_host(name: &'static str, cases: u64) {
    let options = Options { cases, seed: 42, ..Options::default() };
    let report = Runner::new(&[name]).unwrap().run(&options).unwrap();
    let lines: Vec<String> = report
        .mismatches
        .iter()
        .map(|m| format!("{} on {}:{}\n    {}", m.instruction, m.backend, m.differences, m.line))
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert!(report.barren.is_empty(), "no case of {:?}", report.barren);
    assert!(report.forms.len() > 2400, "{} forms", report.forms.len());
    assert!(report.raw > cases / 25, "{} of random bytes", report.raw);
}

#[test]
fn cases_that_differed_once_agree() {
    let mut runner = Runner::new(&backends::from_environment().unwrap()).unwrap();
    let cases = files::read(&files::kept()).unwrap();
    assert!(cases.len() > 30, "{} cases", cases.len());
    for (name, input) in cases {
        for (backend, _, found) in runner.one(&input).unwrap().guests {
            assert_eq!(found, "", "{backend}: {name}");
        }
    }
}
