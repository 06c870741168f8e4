//! Running other programs, visibly.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root").to_path_buf()
}

/// A folder for what is fetched and made: survives `cargo clean`, is never committed.
pub fn cache(name: &str) -> Result<PathBuf> {
    let dir = root().join(".cache").join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// Says what is being done.
pub fn step(what: impl AsRef<str>) {
    eprintln!("\x1b[1m==> {}\x1b[0m", what.as_ref());
}

/// A command in the repository's root, described by its own words.
pub fn cmd(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs a command to its end, its output in sight.
pub fn run(command: &mut Command) -> Result<()> {
    let words = describe(command);
    eprintln!("    {words}");
    let status = command.status().with_context(|| format!("cannot start {words:?}"))?;
    if !status.success() {
        bail!("{words:?} failed ({status})");
    }
    Ok(())
}

/// Runs a command and returns what it prints.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let words = describe(command);
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {words:?}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{words:?} failed ({}): {}", output.status, stderr.trim());
    }
    Ok(output.stdout)
}

/// Where a program is, if it is on the PATH.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Copies a folder with all that is in it.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in
        std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?
    {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            let bytes = std::fs::read(entry.path())?;
            std::fs::write(&target, bytes)?;
        }
    }
    Ok(())
}

/// Where cargo puts what it builds.
pub fn target_dir() -> Result<PathBuf> {
    let metadata = output(&mut cmd("cargo", &["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata)?;
    let dir = metadata["target_directory"].as_str().context("cargo names no target directory")?;
    Ok(dir.into())
}
