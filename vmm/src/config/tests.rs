use super::*;
use aero_bus::pci::PciAddress;

fn parse(text: &str) -> MachineConfig {
    MachineConfig::parse("m.toml", text, &[]).unwrap()
}

fn error(text: &str) -> String {
    error_with(text, &[])
}

fn error_with(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    MachineConfig::parse("m.toml", text, &sets).unwrap_err().to_string()
}

fn with_sets(text: &str, sets: &[&str]) -> MachineConfig {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    MachineConfig::parse("m.toml", text, &sets).unwrap()
}

#[test]
fn an_empty_file_is_a_sensible_pc() {
    let config = parse("");
    assert_eq!(config.machine.memory.get_ref().0, 512 << 20);
    assert_eq!(config.cpu.count.0, 1);
    assert_eq!(config.clock.mode, ClockMode::Realtime);
    let types: Vec<_> = config.devices.iter().map(|d| d.type_name).collect();
    assert!(types.contains(&"ahci") && types.contains(&"vga") && types.contains(&"serial"));
}

#[test]
fn a_device_is_there_because_it_is_listed() {
    let config = parse("[[device]]\ntype = \"serial\"\nport = 0x2f8\n");
    assert_eq!(config.devices.len(), 1);
    assert_eq!(config.devices[0].place, "m.toml:1");
}

#[test]
fn unknown_keys_and_values_are_refused_with_their_line_and_what_is_allowed() {
    let e = error("[machine]\nmemory = \"1GiB\"\nmemry = 1\n");
    assert_eq!(
        e,
        "m.toml:3: unknown field `memry`, expected one of `memory`, `chipset`, `on_triple_fault`"
    );
    let e = error("\n[clock]\nmode = \"fast\"\n");
    assert_eq!(e, "m.toml:3: unknown variant `fast`, expected `realtime` or `deterministic`");
    let e = error("[cpu]\ncount = 0\n");
    assert!(e.starts_with("m.toml:2: ") && e.contains("a whole number from 1 to 32"), "{e}");
    let e = error("[memory]\n");
    assert!(e.starts_with("m.toml:1: unknown key `memory`, expected [machine]"), "{e}");
    assert_eq!(e.lines().count(), 1);
    let e = error("[machine\n");
    assert!(e.starts_with("m.toml:1: ") && e.lines().count() == 1, "{e}");
}

#[test]
fn memory_must_be_a_positive_multiple_of_a_mebibyte() {
    for size in ["0", "\"0MiB\"", "\"1MB3\"", "-1", "1048577", "\"2TiB\"", "true"] {
        let e = error(&format!("[machine]\nmemory = {size}\n"));
        assert!(e.starts_with("m.toml:2: "), "{e}");
    }
    assert!(error("[machine]\nmemory = 0").contains("from 1 MiB"));
}

#[test]
fn an_unknown_device_names_those_there_are() {
    let e = error("[[device]]\ntype = \"sound\"\n");
    assert!(e.starts_with("m.toml:2: unknown device type `sound`; there are: ahci, vga,"), "{e}");
    let e = error("[[device]]\nport = 3\n");
    assert!(e.starts_with("m.toml:1: the device has no `type`; there are: ahci"), "{e}");
    let e = error("[[device]]\ntype = \"serial\"\nspeed = 3\n");
    assert_eq!(e, "m.toml:3: unknown field `speed`, expected `port` or `irq`");
    let e = error(
        "[[device]]\ntype = \"ahci\"\ndrives = [\n  { image = \"a\" },\n  { imag = \"b\" },\n]\n",
    );
    assert!(e.starts_with("m.toml:5: unknown field `imag`"), "{e}");
    let e = error("[[device]]\ntype = \"ahci\"\naddress = \"20.0\"\n");
    assert!(e.starts_with("m.toml:3: ") && e.contains("a PCI address on bus 0"), "{e}");
}

#[test]
fn set_changes_the_same_schema() {
    let config = with_sets(
        "[machine]\nmemory = \"1GiB\"\n",
        &["machine.memory=64MiB", "cpu.count=2", "boot.cmdline=console=ttyS0 quiet"],
    );
    assert_eq!(config.machine.memory.get_ref().0, 64 << 20);
    assert_eq!(config.cpu.count.0, 2);
    assert_eq!(config.boot.cmdline, "console=ttyS0 quiet");
}

#[test]
fn set_reaches_into_lists_by_index_also_into_the_default_ones() {
    let config = with_sets("", &["device.1.drives.0.image=disk.img", "device.1.drives.1.type=cd"]);
    let text = format!("{:?}", config.devices[1].spec);
    assert!(text.contains("disk.img") && text.contains("Cd"), "{text}");
    let config = with_sets("[[device]]\ntype='serial'\n", &["device.1.type=hpet"]);
    assert_eq!(config.devices[1].type_name, "hpet");
}

#[test]
fn errors_in_a_set_name_it() {
    let e = error_with("", &["cpu.count=two"]);
    assert!(e.starts_with("--set cpu.count=two: ") && e.contains("from 1 to 32"), "{e}");
    let e = error_with("", &["cpu.cores=2"]);
    assert!(e.starts_with("--set cpu.cores=2: unknown field `cores`"), "{e}");
    let e = error_with("", &["cpu"]);
    assert_eq!(e, "--set cpu: give key=value, as in cpu.count=2");
    let e = error_with("[[device]]\ntype='serial'\n", &["device.7.type=hpet"]);
    assert_eq!(e, "--set device.7.type=hpet: device has 1 entries: give an index from 0 to 1");
    let e = error_with("", &["device.x.type=hpet"]);
    assert!(e.contains("device is a list"), "{e}");
    let e = error_with("", &["cpu..count=2"]);
    assert!(e.contains("empty"), "{e}");
}

#[test]
fn addresses_and_dates_are_read() {
    let config = parse("[clock]\nstart = 2026-01-01T01:00:00+01:00\n");
    assert_eq!(config.clock.start, Some(Moment::default()));
    let device = "[[device]]\ntype='vga'\naddress='02.0'\n";
    let text = format!("{:?}", parse(device).devices[0].spec);
    assert!(text.contains(&format!("{:?}", PciAddress::new(2, 0))), "{text}");
    assert!(error("[clock]\nstart = 2026-01-01\n").contains("give date and time"));
}

#[test]
fn values_found_wrong_later_still_have_their_line() {
    let config = parse("[boot]\n\nkernel = \"vmlinuz\"\n");
    let kernel = config.boot.kernel.as_ref().unwrap();
    assert_eq!(config.error_at(kernel, "no such file").to_string(), "m.toml:3: no such file");
}

#[test]
fn the_jit_has_settings_within_bounds() {
    let config =
        parse("[cpu]\nbackend = \"jit\"\n[cpu.jit]\nthreshold = 7\ncode_bytes = \"8MiB\"\n");
    assert_eq!(config.cpu.backend.map(Spanned::into_inner), Some(Backend::Jit));
    let defaults = aero_jit::Settings::default();
    let expected = aero_jit::Settings { threshold: 7, code_bytes: 8 << 20, ..defaults.clone() };
    assert_eq!(config.cpu.jit.settings(), expected);
    assert_eq!(parse("").cpu.jit.settings(), defaults);
    let e = error("[cpu.jit]\nthreshold = 0\n");
    assert!(e.starts_with("m.toml:2: ") && e.contains("a whole number from 1 to 1000000"), "{e}");
    let e = error("[cpu.jit]\ncode_bytes = \"2GiB\"\n");
    assert!(e.contains("it must be from 1 MiB to 1 GiB"), "{e}");
    let e = error("[cpu]\nbackend = \"fast\"\n");
    assert_eq!(e, "m.toml:2: unknown variant `fast`, expected `interpreter` or `jit`");
}
