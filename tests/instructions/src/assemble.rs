//! From a test file to an image of memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::file::TestFile;

/// An assembled test.
pub struct Image {
    /// What to load at physical address 0.
    pub bytes: Vec<u8>,
    /// The values of the file's expressions.
    pub values: Vec<u64>,
}

/// The assembler, or a sentence that says how to get it.
pub fn nasm() -> Result<PathBuf> {
    let program = std::env::var_os("NASM").unwrap_or_else(|| "nasm".into());
    let found = Command::new(&program).arg("-v").output();
    if !found.is_ok_and(|out| out.status.success()) {
        bail!(
            "{} cannot be started: the instruction tests are assembled with it. Install nasm (on \
             Debian: apt-get install nasm; `cargo xtask test` does it where it may), or say where it \
             is in the variable NASM",
            Path::new(&program).display()
        );
    }
    Ok(program.into())
}

/// Assembles `file`; `scratch` is a folder for what comes in between.
pub fn assemble(nasm: &Path, include: &Path, scratch: &Path, file: &TestFile) -> Result<Image> {
    let stem = file.name.replace('/', "-");
    let (source, binary) =
        (scratch.join(format!("{stem}.asm")), scratch.join(format!("{stem}.bin")));
    let mut text = String::new();
    for (name, value) in &file.defines {
        text += &format!("%define {name} {value}\n");
    }
    text += "%include \"frame.inc\"\nsection .text\n";
    text += &format!("%include \"{}\"\n", file.path.display());
    // The expressions' values are the last bytes of the image.
    text += "section .expect follows=.data align=16\n";
    for expression in &file.expressions {
        text += &format!("dq {expression}\n");
    }
    text += "dq 0\n";
    std::fs::write(&source, text)?;
    let output = Command::new(nasm)
        .args(["-f", "bin", "-w-all", "-w+error=orphan-labels", "-I"])
        .arg(format!("{}/", include.display()))
        .arg("-o")
        .args([&binary, &source])
        .output()
        .context("cannot start nasm")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let bytes = std::fs::read(&binary)?;
    let table = (file.expressions.len() + 1) * 8;
    ensure!(bytes.len() >= table, "nasm wrote less than the table of expectations");
    let values = bytes[bytes.len() - table..]
        .chunks_exact(8)
        .take(file.expressions.len())
        .map(|value| u64::from_le_bytes(value.try_into().expect("eight bytes")))
        .collect();
    Ok(Image { bytes, values })
}
