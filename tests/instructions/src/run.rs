//! All the files, on all the chosen backends, in all the ways.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};

use crate::assemble::{assemble, nasm};
use crate::compare::{deviations, differences};
use crate::file::TestFile;
use crate::machine::{Outcome, Way, run};

/// Tests of at most this many instructions are saved and restored after each one.
const RESTORE_EACH: u64 = 3_000;
/// Longer ones after this many.
const RESTORE_EVERY: u64 = 97;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only files whose folder and name contain one of these; all if there are none.
    pub filters: Vec<String>,
    /// Names of the backends.
    pub backends: Vec<&'static str>,
    /// A folder to write to.
    pub scratch: PathBuf,
}

/// How many ways each file is run in on each backend: whole, a call an instruction, and restored from
/// a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Ways;

impl Ways {
    /// The number of them.
    pub const COUNT: usize = 3;
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Files that passed and files in all, by folder.
    pub folders: BTreeMap<String, (usize, usize)>,
    /// The files that failed, and how.
    pub failures: BTreeMap<String, String>,
}

fn asm_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("asm")
}

/// The tests by folder and name, and where they are.
pub fn discover() -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for folder in std::fs::read_dir(asm_folder())? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder)? {
            let path = file?.path();
            if path.extension().is_some_and(|e| e == "asm") {
                let part = |p: Option<&std::ffi::OsStr>| {
                    p.unwrap_or_default().to_string_lossy().into_owned()
                };
                let name = format!("{}/{}", part(folder.file_name()), part(path.file_stem()));
                found.insert(name, path);
            }
        }
    }
    Ok(found)
}

/// Runs one file; the error is what is wrong.
fn run_file(nasm: &Path, scratch: &Path, name: &str, path: &Path, backends: &[&str]) -> Result<()> {
    let file = TestFile::read(name.to_owned(), path)?;
    let image = assemble(nasm, &asm_folder().join("include"), scratch, &file)?;
    let mut first: Option<Outcome> = None;
    for backend in backends {
        let run = |way| {
            run(&image.bytes, &file.model, backend, way)
                .with_context(|| format!("{backend}, {way:?}"))
        };
        let whole = run(Way::Whole)?;
        let wrong = differences(&file, &whole, &image.values);
        ensure!(wrong.is_empty(), "on {backend}:\n    {}", wrong.join("\n    "));
        let every = if whole.retired <= RESTORE_EACH { 1 } else { RESTORE_EVERY };
        let first = match &first {
            Some(first) => {
                let wrong = deviations(first, &whole);
                ensure!(wrong.is_empty(), "on {backend}:\n    {}", wrong.join("\n    "));
                first
            }
            None => first.insert(whole),
        };
        for way in [Way::Stepped, Way::Restored(every)] {
            let wrong = deviations(first, &run(way)?);
            ensure!(wrong.is_empty(), "on {backend}, {way:?}:\n    {}", wrong.join("\n    "));
        }
    }
    Ok(())
}

/// Runs the tests that `options` choose.
pub fn run_all(options: &Options) -> Result<Report> {
    let nasm = nasm()?;
    std::fs::create_dir_all(&options.scratch)?;
    let wanted = |name: &str| {
        options.filters.is_empty() || options.filters.iter().any(|f| name.contains(f.as_str()))
    };
    let tests: Vec<_> = discover()?.into_iter().filter(|(name, _)| wanted(name)).collect();
    ensure!(!tests.is_empty(), "no file's name contains {}", options.filters.join(" or "));
    let next = AtomicUsize::new(0);
    let report = Mutex::new(Report::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((name, path)) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = std::panic::catch_unwind(|| {
                        run_file(&nasm, &options.scratch, name, path, &options.backends)
                    });
                    let result = result.unwrap_or_else(|_| Err(anyhow::anyhow!("panics")));
                    let mut report = report.lock().unwrap_or_else(|e| e.into_inner());
                    let folder = name.split('/').next().unwrap_or_default();
                    let (passed, all) = report.folders.entry(folder.to_owned()).or_default();
                    *all += 1;
                    match result {
                        Ok(()) => *passed += 1,
                        Err(error) => {
                            report.failures.insert(name.clone(), format!("{error:#}"));
                        }
                    }
                }
            });
        }
    });
    Ok(report.into_inner().unwrap_or_else(|e| e.into_inner()))
}
