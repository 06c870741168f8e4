//! The guest program: compiled for both widths, and wrapped in an initial file system of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::guest::cpio::Archive;
use crate::{sh, tools};

/// Files that are compiled, each with the options it takes besides the common ones. A file may be there
/// more than once.
const SOURCES: [(&str, &str, &[&str]); 9] = [
    ("main", "main.c", &[]),
    ("integer", "integer.c", &[]),
    ("memory", "memory.c", &[]),
    ("float", "float.c", &[]),
    ("kernel", "kernel.c", &[]),
    ("rewrite", "rewrite.c", &[]),
    ("vector", "vector.c", &["-msse2"]),
    ("x87", "mandelbrot.c", &["-mfpmath=387", "-DMANDELBROT=mandelbrot_x87"]),
    ("sse2", "mandelbrot.c", &["-msse2", "-mfpmath=sse", "-DMANDELBROT=mandelbrot_sse2"]),
];

/// The compiler is kept from turning the loops into vectors or library calls: they are what is measured.
const COMMON: [&str; 9] = [
    "-O2",
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fno-tree-vectorize",
    "-fno-tree-loop-distribute-patterns",
    "-fno-strict-aliasing",
    "-fno-pie",
];

/// The program and the initial file system of one width.
pub struct Program {
    /// For the host.
    pub executable: PathBuf,
    /// For a guest: nothing but the program, as its first process.
    pub initrd: PathBuf,
}

/// Compiles the program for this width into `dir`.
pub fn build(dir: &Path, bits: u32) -> Result<Program> {
    ensure_compiler(bits)?;
    sh::step(format!("Compiling the benchmark's guest program for {bits} bits"));
    let source = sh::root().join("tests/benchmarks/guest");
    let width = format!("-m{bits}");
    let mut link = sh::cmd("gcc", &[&width, "-static", "-no-pie", "-s"]);
    for (name, file, options) in SOURCES {
        let object = dir.join(format!("{name}-{bits}.o"));
        let mut compile = sh::cmd("gcc", &[&width]);
        compile.args(COMMON);
        if bits == 32 {
            compile.args(["-march=i686", "-mfpmath=387"]);
        }
        compile.args(options).arg("-c").arg(source.join(file)).arg("-o").arg(&object);
        sh::output(&mut compile)?;
        link.arg(object);
    }
    let executable = dir.join(format!("cpu-{bits}"));
    sh::output(link.arg("-o").arg(&executable))?;
    let initrd = dir.join(format!("cpu-{bits}.cpio"));
    let mut archive = Archive::default();
    archive.directory("dev");
    archive.character_device("dev/console", 5, 1);
    archive.file("init", &std::fs::read(&executable)?);
    std::fs::write(&initrd, archive.finish())?;
    Ok(Program { executable, initrd })
}

/// A compiler that has a static C library of this width.
fn ensure_compiler(bits: u32) -> Result<()> {
    let has_library = || {
        sh::output(&mut sh::cmd("gcc", &[&format!("-m{bits}"), "-print-file-name=libc.a"]))
            .is_ok_and(|out| Path::new(String::from_utf8_lossy(&out).trim()).is_file())
    };
    if sh::which("gcc").is_some() && has_library() {
        return Ok(());
    }
    tools::install(
        "gcc with a static C library for 32 and 64 bits, which compiles the benchmark's guest program,",
        &["gcc", "gcc-multilib", "libc6-dev"],
    )
}
