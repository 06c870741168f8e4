//! Debian's kernels, booted directly and from a disk.

use aero_tests::Bench;

const UP: &str = "Aero guest is up.";

fn direct(name: &str, more: &str) -> String {
    format!(
        "[machine]\nmemory = \"512MiB\"\n[boot]\nkernel = \"vmlinuz-{name}\"\n\
         initrd = \"initrd-{name}\"\ncmdline = \"console=ttyS0 nodisk\"\n{more}"
    )
}

/// The demo disk on AHCI, through a BIOS and GRUB.
fn disk(more: &str) -> String {
    format!(
        "[machine]\nmemory = \"512MiB\"\n{more}\n[[device]]\ntype = \"ahci\"\n\
         drives = [{{ type = \"disk\", image = \"demo.img\" }}]\n\
         [[device]]\ntype = \"vga\"\n[[device]]\ntype = \"ps2\"\n[[device]]\ntype = \"serial\"\n\
         [[device]]\ntype = \"hpet\"\n[[device]]\ntype = \"fw-cfg\"\n"
    )
}

#[test]
fn the_64_bit_kernel_boots_to_a_shell() {
    let ended = Bench::new().run(&direct("amd64", ""), &["--until", UP, "--timeout", "300"]);
    assert!(ended.succeeded().serial.contains("x86_64, 1 processor(s)"));
}

#[test]
fn the_32_bit_kernel_boots_to_a_shell() {
    let ended = Bench::new().run(&direct("686", ""), &["--until", UP, "--timeout", "300"]);
    assert!(ended.succeeded().serial.contains("i686, 1 processor(s)"));
}

#[test]
fn two_processors_come_up() {
    let machine = direct("amd64", "[cpu]\ncount = 2\n");
    let ended = Bench::new().run(&machine, &["--until", UP, "--timeout", "300"]);
    assert!(ended.succeeded().serial.contains("x86_64, 2 processor(s)"));
}

#[test]
fn the_guest_powers_off_by_acpi() {
    let machine = direct("amd64", "").replace("nodisk", "nodisk poweroff-at-once");
    Bench::new().run(&machine, &["--timeout", "300"]).succeeded();
}

#[test]
fn a_disk_boots_and_what_is_written_to_it_is_there_after_a_reboot() {
    let ended = Bench::new().run(
        &disk(""),
        &[
            "--timeout",
            "500",
            "--expect",
            "aero# ",
            "--send",
            "echo kept-$((40+2)) > /disk/note; sync; reboot -f\n",
            "--expect",
            UP,
            "--expect",
            "aero# ",
            "--send",
            "cat /disk/note; poweroff -f\n",
            "--expect",
            "kept-42",
        ],
    );
    ended.succeeded();
}

#[test]
fn seabios_boots_the_same_disk() {
    let machine = disk("[firmware]\nimage = \"bios-256k.bin\"\nvga_rom = \"vgabios-stdvga.bin\"\n");
    Bench::new().run(&machine, &["--until", UP, "--timeout", "400"]).succeeded();
}

#[test]
fn ovmf_boots_the_same_disk() {
    let machine = disk("[firmware]\nimage = \"OVMF.fd\"\n");
    Bench::new().run(&machine, &["--until", UP, "--timeout", "600"]).succeeded();
}

#[test]
fn deterministic_runs_are_the_same_to_the_instruction() {
    let machine = direct("amd64", "[clock]\nmode = \"deterministic\"\n");
    let run = || Bench::new().run(&machine, &["--until", UP, "--timeout", "300"]).succeeded();
    let (first, second) = (run(), run());
    assert_eq!(first.serial, second.serial);
    assert_eq!(first.instructions(), second.instructions());
}

#[test]
fn a_restored_snapshot_goes_on_as_if_nothing_had_happened() {
    let machine = direct("amd64", "[clock]\nmode = \"deterministic\"\n");
    let bench = Bench::new();
    let whole = bench.run(&machine, &["--until", UP, "--timeout", "300"]).succeeded();
    for part in [3, 2] {
        let at = (whole.instructions() / part).to_string();
        let saved = bench.run(
            &machine,
            &["--snapshot-save", "machine.aerosnap", "--at", &at, "--timeout", "300"],
        );
        let before = saved.succeeded().serial;
        let rest = bench
            .run(
                &machine,
                &["--snapshot-load", "machine.aerosnap", "--until", UP, "--timeout", "300"],
            )
            .succeeded();
        assert_eq!(format!("{before}{}", rest.serial), whole.serial);
        assert_eq!(rest.instructions(), whole.instructions());
    }
}
