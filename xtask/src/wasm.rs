//! The browser build: the same crates for wasm32 with shared memory, which takes a standard library
//! built for it and two small patches.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::{sh, tools};

const TARGET: &str = "wasm32-unknown-unknown";

/// What the browsers we run in have. Atomics and bulk memory make the memory shared.
const FEATURES: &str = "+atomics,+bulk-memory,+mutable-globals,+simd128,+tail-call,\
    +nontrapping-fptoint,+sign-ext,+multivalue,+reference-types";

/// The whole 4 GiB: the guest's RAM lies in the same memory as the program.
const LINK_ARGS: [&str; 9] = [
    "--shared-memory",
    "--import-memory",
    "--max-memory=4294967296",
    // Functions of generated code are put into the table.
    "--growable-table",
    "--export=__wasm_init_tls",
    "--export=__tls_size",
    "--export=__tls_align",
    "--export=__tls_base",
    "--export=__heap_base",
];

/// Crates that refuse 32-bit targets as published although they work there, and what to change.
const PATCHES: [(&str, &str); 1] = [("vm-memory", include_str!("../patches/vm-memory.patch"))];

/// A compiler that can build the standard library for wasm32.
struct Toolchain {
    rustc: PathBuf,
    linker: Option<PathBuf>,
}

/// Builds `frontend` and writes the ES module and the wasm file into `out`.
pub fn build(out: &Path) -> Result<()> {
    let toolchain = find_toolchain()?;
    let target_dir = sh::root().join("target").join("wasm");
    std::fs::create_dir_all(&target_dir)?;
    sh::step("Building the machine for the browser");
    let mut cargo = sh::cmd("cargo", &["build", "--release", "--package", "aero-frontend"]);
    cargo
        .args(["--target", TARGET, "-Zbuild-std=std,panic_abort"])
        .env("RUSTC", &toolchain.rustc)
        // The two options above are unstable; this is how a stable toolchain takes them.
        .env("RUSTC_BOOTSTRAP", "1")
        // Names for stack traces stay; line tables would triple the download.
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", rustflags());
    if let Some(linker) = &toolchain.linker {
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    // The patched crates change the lock file, so this build keeps a copy of its own.
    let lock = target_dir.join("Cargo.lock");
    std::fs::copy(sh::root().join("Cargo.lock"), &lock)?;
    cargo.args(["-Zlockfile-path", "--config"]);
    cargo.arg(format!("resolver.lockfile-path={:?}", lock.display().to_string()));
    for (name, patch) in PATCHES {
        let dir = patched(name, patch, &target_dir)?;
        cargo.arg("--config");
        cargo.arg(format!("patch.crates-io.{name}.path={:?}", dir.display().to_string()));
    }
    sh::run(&mut cargo)?;
    sh::step("Writing the JavaScript for it");
    let module = target_dir.join(TARGET).join("release/aero_frontend.wasm");
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(true)
        .out_name("aero")
        .generate(out)
        .context("wasm-bindgen failed")
}

fn rustflags() -> String {
    let links = LINK_ARGS.map(|arg| format!(" -C link-arg={arg}")).concat();
    format!("-C target-feature={FEATURES}{links}")
}

/// A crate's published source with our patch, in a folder of its own.
fn patched(name: &str, patch: &str, target_dir: &Path) -> Result<PathBuf> {
    let dir = target_dir.join("patched").join(name);
    let stamp = dir.join(".patch");
    let source = published(name)?;
    let now = format!("{}\n{patch}", source.display());
    if std::fs::read_to_string(&stamp).is_ok_and(|was| was == now) {
        return Ok(dir);
    }
    let _ = std::fs::remove_dir_all(&dir);
    sh::copy_tree(&source, &dir)?;
    for part in patch.split_inclusive('\n').fold(Vec::<String>::new(), split_files) {
        let parsed = diffy::Patch::from_str(&part)
            .with_context(|| format!("the patch for {name} does not parse"))?;
        let file = parsed.modified().and_then(|f| f.strip_prefix("b/")).context("no file name")?;
        let path = dir.join(file);
        let text = std::fs::read_to_string(&path)?;
        let changed = diffy::apply(&text, &parsed)
            .with_context(|| format!("the patch for {name} does not fit its {file}"))?;
        std::fs::write(&path, changed)?;
    }
    std::fs::write(stamp, now)?;
    Ok(dir)
}

/// Cuts a patch of several files where the next one's header begins.
fn split_files(mut parts: Vec<String>, line: &str) -> Vec<String> {
    if line.starts_with("--- ") || parts.is_empty() {
        parts.push(String::new());
    }
    parts.last_mut().expect("one was pushed").push_str(line);
    parts
}

/// Where cargo keeps the published source of a dependency.
fn published(name: &str) -> Result<PathBuf> {
    let metadata = sh::output(&mut sh::cmd("cargo", &["metadata", "--format-version=1"]))?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata)?;
    let manifest = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == name && package["source"].is_string())
        .and_then(|package| package["manifest_path"].as_str())
        .with_context(|| format!("{name} is no dependency of this workspace"))?;
    Ok(Path::new(manifest).parent().expect("a manifest lies in a folder").to_path_buf())
}

/// The user's own compiler if the source of its standard library is there, else Debian's.
fn find_toolchain() -> Result<Toolchain> {
    if let Some(toolchain) = rustup_toolchain()? {
        return Ok(toolchain);
    }
    if let Some(toolchain) = debian_toolchain() {
        return Ok(toolchain);
    }
    // rustup first: where it can download, this is all it takes.
    if sh::which("rustup").is_some() {
        sh::step("Adding the source of the standard library");
        if sh::output(&mut sh::cmd("rustup", &["component", "add", "rust-src"])).is_ok()
            && let Some(toolchain) = rustup_toolchain()?
        {
            return Ok(toolchain);
        }
    }
    tools::install(
        "the source of Rust's standard library, from which the browser build makes its own \
         (rustup component add rust-src)",
        &["rustc-web", "rust-web-src", "lld-22"],
    )?;
    match debian_toolchain() {
        Some(toolchain) => Ok(toolchain),
        None => bail!("Debian's rustc-web was installed, but has no standard library source"),
    }
}

fn rustup_toolchain() -> Result<Option<Toolchain>> {
    let sysroot = sh::output(&mut sh::cmd("rustc", &["--print", "sysroot"]))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot).trim());
    let library = sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml");
    Ok(library.is_file().then(|| Toolchain { rustc: sysroot.join("bin/rustc"), linker: None }))
}

/// Debian's rustc-web comes with its source and uses the system's lld.
fn debian_toolchain() -> Option<Toolchain> {
    let rustc = PathBuf::from("/usr/bin/rustc");
    let sysroot = sh::output(Command::new(&rustc).args(["--print", "sysroot"])).ok()?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot).trim());
    sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file().then_some(())?;
    let linker = ["wasm-ld", "wasm-ld-22"].iter().find_map(|name| sh::which(name))?;
    Some(Toolchain { rustc, linker: Some(linker) })
}
