//! What runs the guests: Aero in its kinds, and others to compare it with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::session::{Output, Session};
use crate::{debian, guest, serve, sh, tools, web};

/// The version of v86 that is measured (BSD-2-Clause).
const V86: &str = "0.5.462";

/// Something that runs programs or guests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// The host's processor.
    Native,
    /// Aero as a program.
    Interpreter,
    /// Aero as a program, with the other backend.
    Jit,
    /// QEMU's translator on one thread.
    Qemu,
    /// Aero's page.
    InterpreterChromium,
    /// Aero's page, with the other backend.
    JitChromium,
    /// v86 in a page of its own.
    V86Chromium,
}

const NAMES: [(Peer, &str); 7] = [
    (Peer::Native, "native"),
    (Peer::Interpreter, "interpreter"),
    (Peer::Jit, "jit"),
    (Peer::Qemu, "qemu"),
    (Peer::InterpreterChromium, "interpreter-chromium"),
    (Peer::JitChromium, "jit-chromium"),
    (Peer::V86Chromium, "v86-chromium"),
];

impl Peer {
    /// Those that are measured if nothing else is said.
    pub const USUAL: [Self; 6] = [
        Self::Native,
        Self::Interpreter,
        Self::Jit,
        Self::Qemu,
        Self::JitChromium,
        Self::V86Chromium,
    ];

    /// The peer of a name.
    pub fn parse(name: &str) -> Result<Self> {
        let found = NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(peer, _)| *peer).with_context(|| {
            let known: Vec<_> = NAMES.iter().map(|(_, name)| *name).collect();
            format!("there is no peer {name:?}; there are: {}", known.join(", "))
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(peer, _)| *peer == self).map_or("", |(_, name)| name)
    }

    /// The value of `cpu.backend` in the machine file.
    fn backend(self) -> &'static str {
        match self {
            Self::Jit | Self::JitChromium => "jit",
            _ => "interpreter",
        }
    }

    fn is_in_chromium(self) -> bool {
        matches!(self, Self::InterpreterChromium | Self::JitChromium | Self::V86Chromium)
    }

    fn is_aero_program(self) -> bool {
        matches!(self, Self::Interpreter | Self::Jit)
    }
}

/// A guest to run.
pub struct Job<'a> {
    /// Names the files that belong to the run.
    pub name: &'a str,
    /// The kernel, in the folder of the guests.
    pub kernel: String,
    /// The initial file system, in the folder of the guests or of the benchmarks.
    pub initrd: PathBuf,
    /// The kernel's command line.
    pub cmdline: String,
    /// Memory in MiB.
    pub memory: u32,
    /// The line that ends the run holds this.
    pub until: &'a str,
    /// How long the guest may say nothing.
    pub patience: Duration,
}

/// The peers, ready to run.
pub struct Peers {
    /// The guests' kernels.
    pub guests: PathBuf,
    dir: PathBuf,
    aero: PathBuf,
    chromium: Option<(PathBuf, serve::Running)>,
}

impl Peers {
    /// Builds and installs what these peers take. `dir` is the folder of the benchmarks.
    pub fn prepare(peers: &[Peer], dir: &Path) -> Result<Self> {
        let guests = guest::prepare()?.dir;
        if peers.iter().any(|peer| peer.is_aero_program()) {
            sh::run(&mut sh::cmd(
                "cargo",
                &["build", "--release", "--package", "aero-vmm", "--features", "jit"],
            ))?;
        }
        if peers.contains(&Peer::Qemu) && sh::which("qemu-system-x86_64").is_none() {
            tools::install("QEMU, beside which Aero is measured,", &["qemu-system-x86"])?;
        }
        let chromium = if peers.iter().any(|peer| peer.is_in_chromium()) {
            let program = tools::chromium()?;
            let mut mounts = vec![("/guests/", guests.clone()), ("/bench/", dir.to_path_buf())];
            if peers.contains(&Peer::V86Chromium) {
                mounts.push(("/v86/", sh::root().join("tests/benchmarks")));
                mounts.push(("/v86/lib/", v86()?));
                let seabios = debian::Archive::open()?.package("seabios")?;
                mounts.push(("/v86/bios/", seabios.join("usr/share/seabios")));
            }
            if peers.iter().any(|peer| peer.is_in_chromium() && *peer != Peer::V86Chromium) {
                mounts.push(("/", web::build()?));
            } else {
                web::install_packages()?;
            }
            Some((program, serve::start(0, mounts)?))
        } else {
            None
        };
        let aero = sh::target_dir()?.join("release/aero");
        Ok(Self { guests, dir: dir.to_path_buf(), aero, chromium })
    }

    /// What a peer calls itself.
    pub fn version(&self, peer: Peer) -> String {
        let first_line = |program: &Path| {
            let out = sh::output(Command::new(program).arg("--version")).unwrap_or_default();
            String::from_utf8_lossy(&out).lines().next().unwrap_or_default().trim().to_owned()
        };
        let browser = || match &self.chromium {
            Some((program, _)) => first_line(program),
            None => String::new(),
        };
        match peer {
            Peer::Native => String::new(),
            Peer::Interpreter | Peer::Jit => commit(),
            Peer::Qemu => first_line(Path::new("qemu-system-x86_64")),
            Peer::InterpreterChromium | Peer::JitChromium => {
                format!("{} in {}", commit(), browser())
            }
            Peer::V86Chromium => format!("v86 {V86} in {}", browser()),
        }
    }

    /// Why a peer cannot run guests of a width at all, if so.
    pub fn lacks(peer: Peer, bits: u32) -> Option<&'static str> {
        (peer == Peer::V86Chromium && bits == 64).then_some("v86 has no 64-bit mode")
    }

    /// Starts a guest.
    pub fn start(&self, peer: Peer, job: &Job<'_>) -> Result<Session> {
        let (command, output) = match peer {
            Peer::Native => bail!("the host runs programs, not guests"),
            Peer::Interpreter | Peer::Jit => (self.aero(peer, job)?, Output::Serial),
            Peer::Qemu => (self.qemu(job), Output::EndlessSerial),
            _ => (self.browser(peer, job)?, Output::Driver),
        };
        Session::start(command, output, job.patience)
    }

    /// Where the statistics of a run as a program lie.
    pub fn stats_file(&self, peer: Peer, job: &Job<'_>) -> PathBuf {
        self.dir.join(format!("{}-{}.stats.json", job.name, peer.name()))
    }

    fn machine(peer: Peer, job: &Job<'_>, kernel: &str, initrd: &str) -> String {
        format!(
            "[machine]\nmemory = \"{}MiB\"\n[cpu]\nbackend = \"{}\"\n\
             [boot]\nkernel = {kernel:?}\ninitrd = {initrd:?}\ncmdline = {:?}\n",
            job.memory,
            peer.backend(),
            job.cmdline,
        )
    }

    fn aero(&self, peer: Peer, job: &Job<'_>) -> Result<Command> {
        let file = self.dir.join(format!("{}-{}.toml", job.name, peer.name()));
        let kernel = self.guests.join(&job.kernel).display().to_string();
        let initrd = job.initrd.display().to_string();
        std::fs::write(&file, Self::machine(peer, job, &kernel, &initrd))?;
        let stats = self.stats_file(peer, job);
        let _ = std::fs::remove_file(&stats);
        let mut command = sh::cmd(&self.aero, &["run"]);
        command.arg(file).args(["--serial", "stdio", "--until", job.until, "--stats"]).arg(stats);
        Ok(command)
    }

    fn qemu(&self, job: &Job<'_>) -> Command {
        let mut command = sh::cmd("qemu-system-x86_64", &["-accel", "tcg,thread=single"]);
        command
            .args(["-machine", "q35", "-smp", "1", "-m", &job.memory.to_string()])
            .args(["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"])
            .arg("-kernel")
            .arg(self.guests.join(&job.kernel))
            .arg("-initrd")
            .arg(&job.initrd)
            .args(["-append", &job.cmdline]);
        command
    }

    fn browser(&self, peer: Peer, job: &Job<'_>) -> Result<Command> {
        let (program, server) = self.chromium.as_ref().context("Chromium was not prepared")?;
        let initrd = job.initrd.file_name().unwrap_or_default().to_string_lossy();
        let mount = if job.initrd.starts_with(&self.guests) { "guests" } else { "bench" };
        let argument = json!({
            "chromium": program,
            "page": server.address,
            "peer": if peer == Peer::V86Chromium { "v86" } else { "aero" },
            "machine": Self::machine(peer, job, "kernel", "initrd"),
            "kernel": format!("guests/{}", job.kernel),
            "initrd": format!("{mount}/{initrd}"),
            "cmdline": job.cmdline,
            "memory": job.memory,
            "until": job.until,
        });
        let driver = sh::root().join("tests/benchmarks/chromium.mjs");
        let mut command = sh::cmd("node", &[]);
        command.arg(driver).arg(argument.to_string());
        Ok(command)
    }
}

/// The state of the repository that is measured.
fn commit() -> String {
    let out = sh::output(&mut sh::cmd("git", &["describe", "--always", "--dirty"]));
    format!("Aero {}", String::from_utf8_lossy(&out.unwrap_or_default()).trim())
}

/// The folder of v86's published files.
fn v86() -> Result<PathBuf> {
    let dir = sh::cache("v86")?;
    let package = dir.join("node_modules/v86");
    let is_wanted = |text: String| text.contains(&format!("\"version\": \"{V86}\""));
    if !std::fs::read_to_string(package.join("package.json")).is_ok_and(is_wanted) {
        sh::step(format!("Installing v86 {V86}, beside which Aero is measured"));
        let wanted = format!("v86@{V86}");
        let mut npm =
            sh::cmd("npm", &["install", "--no-audit", "--no-fund", "--prefix", ".", &wanted]);
        sh::run(npm.current_dir(&dir))?;
    }
    Ok(package.join("build"))
}
