//! The `aero` program as scripts see it: exit codes, one line for each mistake, small guests.

use std::path::PathBuf;
use std::process::Command;

/// Multiboot kernels of a few instructions, for 1 MiB.
mod guest {
    /// Writes 5 to the exit port.
    pub const EXIT: &[u8] = &[0xb0, 0x05, 0xe6, 0xf4, 0xf4];
    /// Soft off: SLP_EN with the type of S5 to PM1_CNT.
    pub const POWER_OFF: &[u8] =
        &[0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef, 0xf4];
    /// An empty interrupt table, and UD2.
    pub const TRIPLE_FAULT: &[u8] = &[0x6a, 0x00, 0x6a, 0x00, 0x0f, 0x01, 0x1c, 0x24, 0x0f, 0x0b];
    /// CLI, HLT.
    pub const HALT: &[u8] = &[0xfa, 0xf4];
    /// Sets COM1 to 8 bits, writes a question mark to it, then each byte that comes; powers off at a `q`.
    pub const ECHO: &[u8] = &[
        0xba, 0xfb, 0x03, 0x00, 0x00, 0xb0, 0x03, 0xee, 0xb2, 0xf8, 0xb0, 0x3f, 0xee, 0xb2, 0xfd,
        0xec, 0xa8, 0x01, 0x74, 0xf9, 0xb2, 0xf8, 0xec, 0xee, 0x3c, 0x71, 0x75, 0xf1, 0x66, 0xba,
        0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef, 0xf4,
    ];
    /// Sixty times: works a while in memory, mixes in the time-stamp counter, writes a letter that
    /// comes of it to COM1. Then powers off.
    pub const LETTERS: &[u8] = &[
        0xba, 0xfb, 0x03, 0x00, 0x00, 0xb0, 0x03, 0xee, 0xbe, 0x3c, 0x00, 0x00, 0x00, 0xbd, 0x00,
        0x08, 0x10, 0x00, 0xb9, 0x20, 0x4e, 0x00, 0x00, 0x01, 0x4d, 0x00, 0xc1, 0x45, 0x00, 0x03,
        0xe2, 0xf7, 0x0f, 0x31, 0x33, 0x45, 0x00, 0x83, 0xe0, 0x0f, 0x04, 0x61, 0xba, 0xf8, 0x03,
        0x00, 0x00, 0xee, 0x4e, 0x75, 0xdf, 0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66,
        0xef, 0xf4,
    ];

    /// A boot sector. Forty times: reads a sector through INT 13h, mixes in the time-stamp counter,
    /// writes a letter that comes of both to COM1. Then powers off.
    pub const READER: &[u8] = &[
        0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x7c, 0xba, 0xfb, 0x03, 0xb0, 0x03, 0xee,
        0xbd, 0x28, 0x00, 0xbe, 0x44, 0x7c, 0xb4, 0x42, 0xb2, 0x80, 0xcd, 0x13, 0xb3, 0x21, 0x72,
        0x0e, 0x0f, 0x31, 0x88, 0xc3, 0x02, 0x1e, 0x00, 0x80, 0x80, 0xe3, 0x0f, 0x80, 0xc3, 0x61,
        0xba, 0xf8, 0x03, 0x88, 0xd8, 0xee, 0xfe, 0x06, 0x4c, 0x7c, 0x4d, 0x75, 0xd8, 0xba, 0x04,
        0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4, 0x90, 0x90, 0x10, 0x00, 0x01, 0x00, 0x00, 0x80, 0x00,
        0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ];

    /// The code as a disk whose sectors hold their numbers.
    pub fn disk(code: &[u8]) -> Vec<u8> {
        let mut disk: Vec<u8> = (0..128 * 512).map(|at| (at / 512) as u8).collect();
        disk[..512].fill(0);
        disk[..code.len()].copy_from_slice(code);
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk
    }

    /// The code as a multiboot image with addresses in its header.
    pub fn kernel(code: &[u8]) -> Vec<u8> {
        const MAGIC: u32 = 0x1bad_b002;
        const FLAGS: u32 = 0x1_0000;
        const LOAD: u32 = 0x10_0000;
        let header_at = LOAD + (code.len() as u32).next_multiple_of(4);
        let mut image = code.to_vec();
        image.resize((header_at - LOAD) as usize, 0x90);
        let checksum = 0u32.wrapping_sub(MAGIC).wrapping_sub(FLAGS);
        for word in [MAGIC, FLAGS, checksum, header_at, LOAD, 0, LOAD + 0x2000, LOAD] {
            image.extend(word.to_le_bytes());
        }
        image
    }
}

/// A folder of its own for one test.
struct Folder(PathBuf);

struct Ended {
    code: i32,
    out: String,
    errors: String,
}

impl Folder {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }

    fn aero(&self, args: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_aero"))
            .args(args)
            .current_dir(&self.0)
            .env("AERO_LOG", "error")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a machine with `code` as its kernel.
    fn run_guest(&self, code: &[u8], more: &str, args: &[&str]) -> Ended {
        self.write("kernel", guest::kernel(code));
        let text = format!("[machine]\nmemory = \"16MiB\"\n[boot]\nkernel = \"kernel\"\n{more}");
        self.write("m.toml", text);
        self.aero(&[&["run", "m.toml", "--timeout", "60"], args].concat())
    }

    /// Checks that a machine file is refused in one line that begins so and contains all of `parts`.
    #[track_caller]
    fn refuses(&self, machine: &str, start: &str, parts: &[&str]) {
        self.write("m.toml", machine);
        for command in ["run", "check"] {
            let ended = self.aero(&[command, "m.toml"]);
            assert_eq!(ended.code, 2, "{}", ended.errors);
            assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
            let expected = format!("aero: {start}");
            assert!(ended.errors.starts_with(&expected), "{expected} … {}", ended.errors);
            for part in parts {
                assert!(ended.errors.contains(part), "{part}: {}", ended.errors);
            }
        }
    }
}

const EXIT_PORT: &str = "[[device]]\ntype = \"debug-exit\"\n";

#[test]
fn the_exit_port_ends_the_program_with_its_value_doubled_and_one() {
    let ended = Folder::new("exit").run_guest(guest::EXIT, EXIT_PORT, &[]);
    assert_eq!((ended.code, ended.errors.as_str()), (11, ""));
}

#[test]
fn power_off_is_success() {
    let ended = Folder::new("off").run_guest(guest::POWER_OFF, "", &[]);
    assert_eq!((ended.code, ended.errors.as_str()), (0, ""));
}

#[test]
fn a_triple_fault_is_code_4_with_the_registers() {
    let folder = Folder::new("fault");
    let ended = folder.run_guest(guest::TRIPLE_FAULT, "", &["--stats", "stats.json"]);
    assert_eq!(ended.code, 4);
    for part in ["triple fault", "RIP 0000000000100008", "CR0 "] {
        assert!(ended.errors.contains(part), "{part}: {}", ended.errors);
    }
    assert!(String::from_utf8(folder.read("stats.json")).unwrap().contains("\"instructions\""));
}

#[test]
fn the_timeout_is_code_124() {
    // The firmware has left a timer running: a deterministic clock always has somewhere to go on to.
    for clock in ["", "[clock]\nmode = \"deterministic\"\n"] {
        let ended = Folder::new("timeout").run_guest(guest::HALT, clock, &["--timeout", "0.5"]);
        assert_eq!(ended.code, 124, "{clock}");
    }
}

#[test]
fn a_text_on_the_serial_line_ends_the_run_and_the_line_goes_to_a_file() {
    let folder = Folder::new("until");
    let ended = folder.run_guest(guest::ECHO, "", &["--until", "?", "--serial", "serial.txt"]);
    assert_eq!((ended.code, folder.read("serial.txt")), (0, b"?".to_vec()));
}

#[test]
fn a_script_answers_what_the_guest_writes() {
    let script = ["--expect", "?", "--send", "hello\\x21", "--expect", "o!", "--send", "q"];
    let folder = Folder::new("script");
    let ended = folder.run_guest(guest::ECHO, "", &[&script[..], &["--serial", "stdio"]].concat());
    assert_eq!((ended.code, ended.out.as_str()), (0, "?hello!q"));
    let never = ["--expect", "?", "--send", "q", "--expect", "never"];
    assert_eq!(folder.run_guest(guest::ECHO, "", &never).code, 1);
}

const DETERMINISTIC: &str = "[clock]\nmode = \"deterministic\"\n[cpu]\ncount = 2\n";

fn instructions(folder: &Folder) -> u64 {
    let stats: serde_json::Value = serde_json::from_slice(&folder.read("stats.json")).unwrap();
    stats["instructions"].as_u64().unwrap()
}

#[test]
fn deterministic_runs_are_the_same_and_go_on_from_a_snapshot_the_same() {
    let folder = Folder::new("deterministic");
    let run = |args: &[&str]| {
        let args = [&["--serial", "serial.txt", "--stats", "stats.json"], args].concat();
        let ended = folder.run_guest(guest::LETTERS, DETERMINISTIC, &args);
        assert_eq!((ended.code, ended.errors.as_str()), (0, ""));
        (folder.read("serial.txt"), instructions(&folder))
    };
    let (text, total) = run(&[]);
    assert_eq!(text.len(), 60);
    assert_eq!(run(&[]), (text.clone(), total));
    for part in [3, 7] {
        let at = (total / part * 2).to_string();
        let (before, retired) = run(&["--snapshot-save", "s.aerosnap", "--at", &at]);
        assert_eq!(retired.to_string(), at);
        let (rest, end) = run(&["--snapshot-load", "s.aerosnap"]);
        assert_eq!(([before, rest].concat(), end), (text.clone(), total));
    }
}

#[cfg(feature = "jit")]
#[test]
fn the_jit_comes_to_what_the_interpreter_comes_to() {
    let run = |backend: &str| {
        let folder = Folder::new(&format!("letters-{backend}"));
        let ended = folder.run_guest(
            guest::LETTERS,
            "[clock]\nmode = \"deterministic\"\n",
            &["--set", &format!("cpu.backend={backend:?}"), "--serial", "stdio"],
        );
        assert_eq!((ended.code, ended.errors.as_str()), (0, ""));
        ended.out
    };
    assert_eq!(run("jit"), run("interpreter"));
}

#[cfg(not(feature = "jit"))]
#[test]
fn a_program_without_an_engine_refuses_the_jit() {
    let machine = "[cpu]\nbackend = \"jit\"\n";
    Folder::new("no-jit").refuses(machine, "m.toml:2: ", &["no engine", "--features jit"]);
}

#[test]
fn a_snapshot_while_the_firmware_reads_a_disk_goes_on_the_same() {
    let folder = Folder::new("reading");
    folder.write("disk.img", guest::disk(guest::READER));
    folder.write(
        "m.toml",
        "[clock]\nmode = \"deterministic\"\n[machine]\nmemory = \"16MiB\"\n\
         [[device]]\ntype = \"serial\"\n\
         [[device]]\ntype = \"ahci\"\ndrives = [{ image = \"disk.img\" }]\n",
    );
    let run = |args: &[&str]| {
        let fixed =
            ["run", "m.toml", "--timeout", "60", "--serial", "s.txt", "--stats", "stats.json"];
        let ended = folder.aero(&[&fixed[..], args].concat());
        assert_eq!((ended.code, ended.errors.as_str()), (0, ""));
        (folder.read("s.txt"), instructions(&folder))
    };
    let (text, total) = run(&[]);
    assert_eq!(text.len(), 40);
    assert!(!text.contains(&b'!'), "a read failed");
    // Nearly all of the time is spent waiting for the disk.
    for part in 1..8 {
        let at = (total - part * 20_011).to_string();
        let (before, _) = run(&["--snapshot-save", "s.aerosnap", "--at", &at]);
        let (rest, end) = run(&["--snapshot-load", "s.aerosnap"]);
        assert_eq!(([before, rest].concat(), end), (text.clone(), total), "at {at}");
    }
}

#[test]
fn a_bad_snapshot_is_one_line_and_code_2() {
    let folder = Folder::new("snapshots");
    let ended = folder.run_guest(guest::ECHO, "", &["--until", "?", "--snapshot-save", "s"]);
    assert_eq!(ended.code, 0);
    let good = folder.read("s");
    let refuses = |bytes: &[u8], more: &str, why: &str| {
        folder.write("s", bytes);
        let ended = folder.run_guest(guest::ECHO, more, &["--snapshot-load", "s"]);
        assert_eq!((ended.code, ended.errors.lines().count()), (2, 1), "{}", ended.errors);
        assert!(ended.errors.contains(why), "{}", ended.errors);
    };
    refuses(&good[..good.len() / 2], "", "s: the snapshot is cut");
    let mut altered = good.clone();
    altered[good.len() / 2] ^= 1;
    refuses(&altered, "", "s: the snapshot is damaged: a checksum is wrong");
    let mut newer = good.clone();
    newer[8] = 9;
    refuses(&newer, "", "s: the snapshot has version 9; this program knows up to 1");
    refuses(b"something else", "", "s: it is not a snapshot");
    refuses(&good, "[cpu]\ncount = 2\n", "of another machine: it has 1 processors");
    refuses(&good, "[[device]]\ntype = \"serial\"\n", "of another machine");
    let ended = folder.run_guest(guest::ECHO, "", &["--snapshot-load", "missing"]);
    assert_eq!((ended.code, ended.errors.lines().count()), (2, 1));
}

#[test]
fn a_machine_file_that_is_not_there_or_not_one_is_refused() {
    let folder = Folder::new("files");
    for (name, why) in [("none.toml", "there is no such file"), (".", "it is a directory")] {
        let ended = folder.aero(&["run", name]);
        assert_eq!((ended.code, ended.errors.lines().count()), (2, 1), "{}", ended.errors);
        assert!(ended.errors.starts_with(&format!("aero: {name}: {why}")), "{}", ended.errors);
    }
    folder.refuses("[machine", "m.toml:1: ", &[]);
}

#[test]
fn wrong_values_are_refused_with_their_line() {
    let folder = Folder::new("values");
    folder.refuses("[machine]\nmemory = 0\n", "m.toml:2: memory is 0 bytes", &["1 MiB"]);
    folder.refuses(
        "[[device]]\ntype = \"toaster\"\n",
        "m.toml:2: unknown device type `toaster`",
        &["ahci", "serial"],
    );
    folder.refuses(
        "[cpu]\nmodel = \"6502\"\n",
        "m.toml:2: unknown CPU model `6502`",
        &["westmere"],
    );
    folder.refuses("[boot]\ninitrd = \"x\"\n", "m.toml:2: it goes with a `kernel`", &[]);
    let vga = "[[device]]\ntype = \"vga\"\nmemory = \"3MiB\"\n";
    folder.refuses(vga, "m.toml:1: video memory must be a power of two", &[]);
}

#[test]
fn what_overlaps_is_refused_with_both_names() {
    let folder = Folder::new("overlap");
    let two =
        "[[device]]\ntype = \"serial\"\n[[device]]\ntype = \"serial\"\nport = 0x3fc\nirq = 3\n";
    folder.refuses(two, "m.toml:3: serial-1 at 0x3fc..=0x403 overlaps serial-0 at 0x3f8", &[]);
    let pic = "[[device]]\ntype = \"debug-console\"\nport = 0x21\n";
    folder.refuses(pic, "", &["overlaps", "debug-console-0", "pic"]);
    let pci = "[[device]]\ntype = \"ahci\"\n[[device]]\ntype = \"vga\"\naddress = \"1f.2\"\n";
    folder.refuses(pci, "m.toml:3: vga-0 cannot be at 00:1f.2: ahci-0 is there", &[]);
    let lost = "[[device]]\ntype = \"ahci\"\naddress = \"05.1\"\n";
    folder.refuses(lost, "ahci-0 at 00:05.1 cannot be found", &["function 0"]);
}

fn drive(keys: &str) -> String {
    format!("[[device]]\ntype = \"ahci\"\ndrives = [\n  {{ {keys} }},\n]\n")
}

#[test]
fn bad_images_are_refused_with_their_name() {
    let folder = Folder::new("images");
    folder.refuses(&drive("image = \"a.img\""), "m.toml:4: a.img: there is no such file", &[]);
    folder.refuses(&drive("image = \".\""), "m.toml:4: .: it is a directory", &[]);
    folder.write("empty.img", "");
    folder.refuses(&drive("image = \"empty.img\""), "m.toml:4: empty.img: the image is empty", &[]);
    folder.write("cut.qcow2", b"QFI\xfb\0\0\0\x03");
    folder.refuses(&drive("image = \"cut.qcow2\""), "m.toml:4: cut.qcow2: ", &["truncated"]);
    folder.refuses(
        &drive("type = \"cd\", size = \"1MiB\""),
        "m.toml:4: a CD is never written",
        &[],
    );
    folder.refuses(&drive("type = \"disk\""), "m.toml:4: a disk needs either", &[]);
    let kernel = "[boot]\nkernel = \"m.toml\"\n";
    folder.refuses(kernel, "m.toml:2: m.toml: it is neither a Linux bzImage nor", &[]);
    folder.refuses("[firmware]\nimage = \"empty.img\"\n", "m.toml:2: empty.img: ", &["64 KiB"]);
    let twice = "[[device]]\ntype = \"ahci\"\ndrives = [{ port = 1, size = \"1MiB\" },\n{ port = 1, \
                 size = \"1MiB\" }]\n";
    folder.refuses(twice, "m.toml:4: there is a drive at port 1 already", &[]);
}

#[test]
fn check_prints_every_device_with_where_it_is() {
    let folder = Folder::new("check");
    folder.write("disk.img", vec![0; 1 << 20]);
    folder.write("m.toml", "");
    let ended = folder.aero(&["check", "m.toml", "--set", "device.1.drives.0.image=disk.img"]);
    assert_eq!((ended.code, ended.errors.as_str()), (0, ""));
    for part in [
        "ahci-0 at PCI 00:1f.2 [8086:2922]",
        "INTA# on PIRQA, GSI 16",
        "port 0: disk disk.img (1 MiB)",
        "serial-0\n  ports 0x03f8-0x03ff\n  IRQ 4",
        "hpet-0\n  memory 0xfed00000-0xfed003ff",
    ] {
        assert!(ended.out.contains(part), "{part}:\n{}", ended.out);
    }
}
