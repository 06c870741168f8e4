//! Runs the `aero` program on machine files, as a person or a script would, and looks at what it says.
//!
//! `cargo xtask test --guests` prepares the guests and the program and names them in `AERO_GUESTS` and
//! `AERO_BIN`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with links to the guests, where machine files and what runs leave behind can lie.
pub struct Bench {
    dir: tempfile::TempDir,
    program: PathBuf,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code of the program.
    pub code: i32,
    /// What came over the serial line.
    pub serial: String,
    /// What the program wrote to its error output.
    pub errors: String,
    /// The statistics file.
    pub stats: serde_json::Value,
}

impl Ended {
    /// Checks that the run ended as wanted.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        let tail: String = self.serial.chars().rev().take(2000).collect();
        let tail: String = tail.chars().rev().collect();
        assert_eq!(self.code, 0, "errors: {}\nthe serial output ends: {tail}", self.errors);
        self
    }

    /// Instructions retired by all processors.
    pub fn instructions(&self) -> u64 {
        self.stats["instructions"].as_u64().expect("statistics count instructions")
    }
}

/// A path that `cargo xtask test` names.
fn named(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).unwrap_or_else(|| {
        panic!("{variable} is not set: these tests are run by `cargo xtask test --guests`")
    });
    PathBuf::from(path)
}

/// The `aero` program.
pub fn program() -> PathBuf {
    named("AERO_BIN")
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// A fresh folder.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let guests = named("AERO_GUESTS");
        for entry in std::fs::read_dir(&guests).expect("the guests are there") {
            let entry = entry.expect("the guests can be listed");
            link(&entry.path(), &dir.path().join(entry.file_name()));
        }
        Self { dir, program: program() }
    }

    /// A file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, contents).expect("the temporary folder can be written");
        path
    }

    /// Runs a machine file with more arguments to `aero run`.
    pub fn run(&self, machine: &str, args: &[&str]) -> Ended {
        let file = self.write("machine.toml", machine);
        let (serial, stats) = (self.path("serial.txt"), self.path("stats.json"));
        let _ = std::fs::remove_file(&serial);
        let _ = std::fs::remove_file(&stats);
        let output = Command::new(&self.program)
            .arg("run")
            .arg(&file)
            .arg("--serial")
            .arg(&serial)
            .arg("--stats")
            .arg(&stats)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        let read = |path: &Path| std::fs::read(path).unwrap_or_default();
        Ended {
            code: output.status.code().unwrap_or(-1),
            serial: String::from_utf8_lossy(&read(&serial)).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
            stats: serde_json::from_slice(&read(&stats)).unwrap_or_default(),
        }
    }
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).expect("links can be made");
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("files can be copied");
}
