//! Measurements beside peers. Nothing here is a test: the figures are for people.

use anyhow::{Result, bail};

use crate::{guest, sh};

/// Runs the benchmark that is named.
pub fn main(args: &[String]) -> Result<()> {
    match args.first().map(String::as_str) {
        Some("boot") | None => boot(),
        Some(other) => bail!("there is no benchmark {other:?}; there is: boot"),
    }
}

/// Boots both kernels natively and prints what the machine's own statistics say.
fn boot() -> Result<()> {
    let guests = guest::prepare()?;
    sh::run(&mut sh::cmd("cargo", &["build", "--release", "--package", "aero-vmm"]))?;
    let aero = sh::target_dir()?.join("release/aero");
    for name in ["amd64", "686"] {
        let machine = guests.dir.join(format!("bench-{name}.toml"));
        let stats = guests.dir.join(format!("bench-{name}.json"));
        std::fs::write(
            &machine,
            format!(
                "[machine]\nmemory = \"512MiB\"\n[boot]\nkernel = \"vmlinuz-{name}\"\n\
                 initrd = \"initrd-{name}\"\ncmdline = \"console=ttyS0 nodisk\"\n"
            ),
        )?;
        sh::step(format!("Booting the {name} kernel to a shell"));
        let mut run = sh::cmd(&aero, &["run"]);
        run.arg(&machine).args(["--until", "Aero guest is up.", "--timeout", "600", "--stats"]);
        sh::run(run.arg(&stats).args(["--serial", "/dev/null"]))?;
        let stats: serde_json::Value = serde_json::from_slice(&std::fs::read(&stats)?)?;
        println!("{name}: {}", serde_json::to_string_pretty(&stats)?);
    }
    Ok(())
}
