//! `cargo xtask bench boot`: Linux to a shell, in every peer.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::peer::{Job, Peer, Peers};
use super::session::{Said, Session};
use super::{Options, summary};
use crate::sh;

/// The last line of the guest's greeting.
const UP: &str = "Aero guest is up.";
/// The kernel decompresses itself and says nothing.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long a program may take to write its statistics and to end.
const FAREWELL: Duration = Duration::from_secs(20);

/// One boot.
struct Boot {
    /// Seconds from the start of the program, or of the page.
    seconds: f64,
    /// Processor seconds of the program, or of the page's process.
    cpu: f64,
    /// The machine's own statistics, if it has any.
    stats: Value,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let dir = super::folder()?;
    let peers = Peers::prepare(&options.peers, &dir)?;
    let machine = summary::machine();
    let mut rows =
        vec![["", "seconds", "CPU seconds", "instructions", "MIPS"].map(str::to_owned).into()];
    let (mut figures, mut details, mut failures) = (Vec::new(), Vec::new(), 0);
    for &bits in &options.bits {
        for &peer in options.peers.iter().filter(|peer| **peer != Peer::Native) {
            let title = format!("{bits} bits, {}", peer.name());
            sh::step(&title);
            let mut boots = Vec::new();
            let mut trouble = Peers::lacks(peer, bits).map(str::to_owned);
            for _ in 0..options.repeat.unwrap_or(1) {
                if trouble.is_some() {
                    break;
                }
                match boot(&peers, peer, bits)? {
                    Ok(boot) => boots.push(boot),
                    Err((why, is_failure)) => {
                        failures += usize::from(is_failure);
                        trouble = Some(why);
                    }
                }
            }
            if let Some(why) = &trouble {
                eprintln!("    {why}");
            }
            rows.push(row(&title, &boots, trouble.as_deref()));
            let last = boots.last().map_or(&Value::Null, |boot| &boot.stats);
            describe(&title, last, &mut details);
            figures.push(json!({
                "peer": peer.name(),
                "bits": bits,
                "version": peers.version(peer),
                "note": trouble,
                "seconds": boots.iter().map(|boot| boot.seconds).collect::<Vec<_>>(),
                "cpu_seconds": boots.iter().map(|boot| boot.cpu).collect::<Vec<_>>(),
                "stats": last,
            }));
            super::save(&dir.join("boot.json"), &json!({ "machine": machine, "runs": figures }))?;
        }
    }
    println!("\n{machine}\n\nFrom nothing to the shell of Debian's kernel:\n");
    println!("{}", summary::columns(&rows));
    for line in details {
        println!("{line}");
    }
    println!("All figures are in {}", dir.join("boot.json").display());
    if failures > 0 {
        bail!("not every peer came to the shell");
    }
    Ok(())
}

/// Boots once. What went wrong comes with whether it is a failure of a peer that is there.
fn boot(peers: &Peers, peer: Peer, bits: u32) -> Result<Result<Boot, (String, bool)>> {
    let kernel = super::kernel(bits);
    let initrd = peers.guests.join(kernel.replace("vmlinuz", "initrd"));
    let name = format!("boot-{bits}");
    let job = Job {
        name: &name,
        kernel,
        initrd,
        cmdline: "console=ttyS0 nodisk".to_owned(),
        memory: 512,
        until: UP,
        patience: PATIENCE,
    };
    let mut session = peers.start(peer, &job)?;
    let mut has_begun = false;
    loop {
        match session.next() {
            Ok(Said::Line(line)) if line.text.contains(UP) => {
                let mut stats = stats_of(session);
                if stats.is_null()
                    && let Ok(bytes) = std::fs::read(peers.stats_file(peer, &job))
                {
                    stats = serde_json::from_slice(&bytes)?;
                }
                return Ok(Ok(Boot { seconds: line.at, cpu: line.cpu, stats }));
            }
            Ok(Said::Error(why)) if has_begun => return Ok(Err((why, true))),
            Ok(Said::Error(why)) => return Ok(Err((format!("not there: {why}"), false))),
            Ok(_) => has_begun = true,
            Err(end) if end.is_refusal() && !has_begun => {
                return Ok(Err(("not there".to_owned(), false)));
            }
            Err(end) => return Ok(Err((end.to_string(), true))),
        }
    }
}

/// What the peer says of itself after the boot.
fn stats_of(session: Session) -> Value {
    let rest = session.finish(FAREWELL);
    let stats = rest.into_iter().find_map(|said| match said {
        Said::Stats(stats) => Some(stats),
        _ => None,
    });
    stats.unwrap_or_default()
}

fn row(title: &str, boots: &[Boot], trouble: Option<&str>) -> Vec<String> {
    let median = |of: fn(&Boot) -> f64| summary::median(&boots.iter().map(of).collect::<Vec<_>>());
    let (Some(seconds), Some(cpu)) = (median(|boot| boot.seconds), median(|boot| boot.cpu)) else {
        return vec![title.to_owned(), trouble.unwrap_or_default().to_owned()];
    };
    let stats = boots.last().map_or(&Value::Null, |boot| &boot.stats);
    let instructions = stats["instructions"].as_f64().map(|n| format!("{:.2} G", n / 1e9));
    let mips = stats["mips"].as_f64().map(|mips| format!("{mips:.0}"));
    let numbers = [Some(format!("{seconds:.1}")), Some(format!("{cpu:.1}")), instructions, mips];
    std::iter::once(title.to_owned()).chain(numbers.map(Option::unwrap_or_default)).collect()
}

/// What a backend counts of its own (what it translated, what cold code cost): groups of numbers in the
/// statistics, but for the devices' accesses, which are not about the processor.
fn describe(title: &str, stats: &Value, details: &mut Vec<String>) {
    for (group, values) in stats.as_object().into_iter().flatten() {
        if let Some(values) = values.as_object()
            && group != "exits"
        {
            let list: Vec<_> =
                values.iter().map(|(name, value)| format!("{name} {value}")).collect();
            details.push(format!("{title}, {group}: {}", list.join(", ")));
        }
    }
}
