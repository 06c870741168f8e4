//! The reference compiler takes every table apart and puts it together again.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use aero_acpi::AcpiTables;

/// Processor objects are old-fashioned. Windows 7 looks for nothing else.
const LEGACY_PROCESSOR: &str = "-vw3168";

fn iasl(folder: &Path, arguments: &[&str]) -> Option<Output> {
    match Command::new("iasl").current_dir(folder).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: there is no iasl in PATH");
            None
        }
        Err(error) => panic!("iasl: {error}"),
    }
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

#[test]
fn every_table_disassembles_and_compiles_without_errors_or_warnings() {
    let folder = std::env::temp_dir().join(format!("aero-acpi-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let tables = AcpiTables::build(&common::q35());
    let bytes = tables.resolve(0x7ffe_0000).tables;
    for (signature, range) in tables.index() {
        let name = String::from_utf8_lossy(signature).to_lowercase();
        let original = &bytes[range.clone()];
        std::fs::write(folder.join(format!("{name}.aml")), original).unwrap();
        let Some(output) = iasl(&folder, &["-d", &format!("{name}.aml")]) else { return };
        let said = text(&output);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("Invalid") && !said.contains("Warning"), "{name}: {said}");
        let source = format!("{name}.dsl");
        let output = iasl(&folder, &[LEGACY_PROCESSOR, "-p", "again", &source]).unwrap();
        let said = text(&output);
        assert!(said.contains("0 Errors, 0 Warnings"), "{name}: {said}");
        if name != "dsdt" {
            // The compiler writes its own id and revision into the header.
            let again = std::fs::read(folder.join("again.aml")).unwrap();
            assert_eq!(again.len(), original.len(), "{name}");
            assert_eq!(again[36..], original[36..], "{name}");
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
