//! Runs the test files and prints how many of each folder pass. Words on the command line choose the
//! files whose names contain them.

use aero_instruction_tests::{Options, Ways, discover, run_all};

fn main() {
    let mut filters = Vec::new();
    let mut list = false;
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "--list" => list = true,
            // Whatever else is meant for the usual harness does not matter here.
            option if option.starts_with('-') => {}
            _ => filters.push(word),
        }
    }
    let result = if list {
        discover().map(|tests| {
            tests.keys().for_each(|name| println!("{name}: test"));
            true
        })
    } else {
        run(filters)
    };
    match result {
        Ok(true) => {}
        Ok(false) => std::process::exit(101),
        Err(error) => {
            eprintln!("instruction tests: {error:#}");
            std::process::exit(101);
        }
    }
}

fn run(filters: Vec<String>) -> anyhow::Result<bool> {
    let backends = aero_test_backends::from_environment().map_err(anyhow::Error::msg)?;
    let report = run_all(&Options {
        filters,
        backends: backends.clone(),
        scratch: concat!(env!("CARGO_TARGET_TMPDIR"), "/instructions").into(),
    })?;
    for (name, what) in &report.failures {
        println!("FAILED {name}\n    {what}\n");
    }
    let (mut passed, mut all) = (0, 0);
    for (folder, (folder_passed, folder_all)) in &report.folders {
        println!("{folder:<14} {folder_passed:>3} of {folder_all:>3} files pass");
        passed += folder_passed;
        all += folder_all;
    }
    println!(
        "instruction tests: {passed} of {all} files pass, each in {} ways on: {}",
        Ways::COUNT,
        backends.join(", ")
    );
    Ok(report.failures.is_empty())
}
