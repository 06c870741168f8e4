//! The machine file.
//!
//! A machine is described by one TOML text. Every key is in the structs below; a key that is not is
//! refused, and each error is one line that names the place and what is allowed. `--set key=value`
//! lays values over the same schema: `cpu.count=2`, `device.0.drives.0.image=disk.img`.
//!
//! Paths are relative to the machine file. See `docs/machine-file.md` for the whole schema in prose.

mod source;
mod values;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::devices::{self, DeviceSpec};
pub(crate) use source::Source;

pub use source::ConfigError;
pub use values::{Address, Bounded, CodeSize, MemorySize, Moment, Port, Size};

/// The key of the device list.
pub(crate) const DEVICE_KEY: &str = "device";

/// The devices of a machine file that lists none, in the machine file's own words.
pub const DEFAULT_DEVICES: &str = include_str!("default-devices.toml");

/// `[machine]`: what is the machine's as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachineSection {
    /// Guest memory; 512 MiB if not given.
    pub memory: Spanned<MemorySize>,
    /// The chipset: `"q35"`, the only one.
    pub chipset: Chipset,
    /// What a triple fault does.
    pub on_triple_fault: OnTripleFault,
}

impl Default for MachineSection {
    fn default() -> Self {
        Self {
            memory: Spanned::new(0..0, MemorySize::default()),
            chipset: Chipset::default(),
            on_triple_fault: OnTripleFault::default(),
        }
    }
}

/// The chipset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chipset {
    /// Intel Q35 with ICH9, register-compatible with QEMU's `q35`.
    #[default]
    Q35,
}

/// What happens when a processor shuts down after a triple fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTripleFault {
    /// The machine stops with a dump of the registers: for finding bugs.
    #[default]
    Stop,
    /// The machine is reset, as a PC's chipset does.
    Reset,
}

/// `[cpu]`: the processors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CpuSection {
    /// What executes instructions: if not given, the JIT if there is an engine for its code.
    pub backend: Option<Spanned<Backend>>,
    /// How the JIT works, where it is the backend.
    pub jit: JitSection,
    /// How many processors, 1 to 32.
    pub count: Bounded<1, 32>,
    /// What CPUID tells: `"westmere"` if not given.
    pub model: Spanned<String>,
}

impl Default for CpuSection {
    fn default() -> Self {
        Self {
            backend: None,
            jit: JitSection::default(),
            count: Bounded(1),
            model: Spanned::new(0..0, "westmere".to_owned()),
        }
    }
}

/// What executes instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// One instruction at a time.
    Interpreter,
    /// Translates what runs often to WebAssembly, and interprets the rest.
    Jit,
}

/// `[cpu.jit]`: how the JIT works. What the keys mean is told in [`aero_jit::Settings`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JitSection {
    /// How often a block is interpreted before it is translated.
    pub threshold: Bounded<1, 1_000_000>,
    /// How much code is kept.
    pub code_bytes: CodeSize,
    /// Whether translating has a thread of its own.
    pub background: bool,
}

impl JitSection {
    /// What the backend is told.
    pub fn settings(&self) -> aero_jit::Settings {
        aero_jit::Settings {
            threshold: self.threshold.0 as u32,
            code_bytes: self.code_bytes.0,
            background: self.background,
            ..aero_jit::Settings::default()
        }
    }
}

impl Default for JitSection {
    fn default() -> Self {
        let settings = aero_jit::Settings::default();
        Self {
            threshold: Bounded(settings.threshold.into()),
            code_bytes: CodeSize(settings.code_bytes),
            background: settings.background,
        }
    }
}

/// `[clock]`: guest time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockSection {
    /// How guest time passes.
    pub mode: ClockMode,
    /// Deterministic mode: retired instructions that make a second of guest time.
    pub instructions_per_second: Bounded<1_000_000, 100_000_000_000>,
    /// What the battery-backed clock shows at power-on, taken as UTC. If not given: the host's time, or
    /// 2026-01-01T00:00:00Z in deterministic mode.
    pub start: Option<Moment>,
}

impl Default for ClockSection {
    fn default() -> Self {
        Self {
            mode: ClockMode::default(),
            instructions_per_second: Bounded(100_000_000),
            start: None,
        }
    }
}

/// How guest time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockMode {
    /// As the host's.
    #[default]
    Realtime,
    /// With the retired instructions: every run is the same to the bit.
    Deterministic,
}

/// `[firmware]`: what the processor runs first.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FirmwareSection {
    /// A ROM image that ends at 4 GiB, such as SeaBIOS or OVMF. Left out: the built-in BIOS.
    pub image: Option<Spanned<String>>,
    /// A VGA BIOS image for the external firmware to find.
    pub vga_rom: Option<Spanned<String>>,
    /// What the firmware tries to boot from, in this order.
    pub boot_order: Vec<BootDevice>,
}

impl Default for FirmwareSection {
    fn default() -> Self {
        Self { image: None, vga_rom: None, boot_order: vec![BootDevice::Disk, BootDevice::Cd] }
    }
}

/// A kind of boot medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootDevice {
    /// The hard disks, in the order of the machine file.
    Disk,
    /// The CD drives.
    Cd,
}

/// `[boot]`: a kernel that is loaded without a boot loader.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BootSection {
    /// A Linux bzImage, or a multiboot 1 image.
    pub kernel: Option<Spanned<String>>,
    /// The initial RAM disk of a Linux kernel.
    pub initrd: Option<Spanned<String>>,
    /// The kernel's command line.
    pub cmdline: String,
    /// Modules of a multiboot kernel: a file name, a space, and the module's own command line.
    pub modules: Vec<Spanned<String>>,
}

/// One `[[device]]`.
#[derive(Debug)]
pub struct DeviceEntry {
    /// The `type` key.
    pub type_name: &'static str,
    /// Where in the file it is, for messages.
    pub place: String,
    /// Its keys, read by the device type.
    pub spec: Box<dyn DeviceSpec>,
}

/// A whole machine file, checked as far as it can be without looking at other files.
#[derive(Debug)]
pub struct MachineConfig {
    /// `[machine]`.
    pub machine: MachineSection,
    /// `[cpu]`.
    pub cpu: CpuSection,
    /// `[clock]`.
    pub clock: ClockSection,
    /// `[firmware]`.
    pub firmware: FirmwareSection,
    /// `[boot]`.
    pub boot: BootSection,
    /// `[[device]]`, in their order.
    pub devices: Vec<DeviceEntry>,
    places: Places,
}

/// Knows the text, for messages about values that were found wrong later.
struct Places(Source);

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Places")
    }
}

impl MachineConfig {
    /// Reads a machine file. `name` is what messages call the file; `sets` are the `--set` arguments.
    pub fn parse(name: &str, text: &str, sets: &[String]) -> Result<Self, ConfigError> {
        let source = Source::new(name, text, DEFAULT_DEVICES, sets);
        let root = source.table()?;
        let sections = read_sections(&source, root.into_inner())?;
        let Sections { machine, cpu, clock, firmware, boot, devices } = sections;
        Ok(Self { machine, cpu, clock, firmware, boot, devices, places: Places(source) })
    }

    /// The place of a value, for a message about it.
    pub fn place_of<T>(&self, value: &Spanned<T>) -> String {
        self.places.0.place(Some(value.span()))
    }

    /// An error about a value.
    pub fn error_at<T>(&self, value: &Spanned<T>, message: impl Into<String>) -> ConfigError {
        ConfigError::new(self.place_of(value), message)
    }
}

#[derive(Default)]
struct Sections {
    machine: MachineSection,
    cpu: CpuSection,
    clock: ClockSection,
    firmware: FirmwareSection,
    boot: BootSection,
    devices: Vec<DeviceEntry>,
}

fn read_sections(source: &Source, root: DeTable<'_>) -> Result<Sections, ConfigError> {
    let mut sections = Sections::default();
    for (key, value) in root {
        match key.get_ref().as_ref() {
            "machine" => sections.machine = read(source, value)?,
            "cpu" => sections.cpu = read(source, value)?,
            "clock" => sections.clock = read(source, value)?,
            "firmware" => sections.firmware = read(source, value)?,
            "boot" => sections.boot = read(source, value)?,
            DEVICE_KEY => sections.devices = read_devices(source, value)?,
            other => {
                return Err(ConfigError::new(
                    source.place(Some(key.span())),
                    format!(
                        "unknown key `{other}`, expected [machine], [cpu], [clock], [firmware], \
                         [boot] or [[device]]"
                    ),
                ));
            }
        }
    }
    Ok(sections)
}

fn read<'de, T: Deserialize<'de>>(
    source: &Source,
    value: Spanned<DeValue<'de>>,
) -> Result<T, ConfigError> {
    T::deserialize(ValueDeserializer::from(value)).map_err(|e| source.error(&e))
}

fn read_devices(
    source: &Source,
    list: Spanned<DeValue<'_>>,
) -> Result<Vec<DeviceEntry>, ConfigError> {
    let place = source.place(Some(list.span()));
    let DeValue::Array(list) = list.into_inner() else {
        return Err(ConfigError::new(place, "`device` is a list: write [[device]]"));
    };
    list.into_iter().map(|entry| read_device(source, entry)).collect()
}

fn read_device(source: &Source, entry: Spanned<DeValue<'_>>) -> Result<DeviceEntry, ConfigError> {
    let span = entry.span();
    let place = source.place(Some(span.clone()));
    let DeValue::Table(mut table) = entry.into_inner() else {
        return Err(ConfigError::new(place, "a device is a table: write [[device]]"));
    };
    let types = || devices::TYPES.iter().map(|t| t.name).collect::<Vec<_>>().join(", ");
    let Some(type_name) = table.remove("type") else {
        return Err(ConfigError::new(
            place,
            format!("the device has no `type`; there are: {}", types()),
        ));
    };
    let found = type_name.get_ref().as_str().unwrap_or_default();
    let Some(device_type) = devices::TYPES.iter().find(|t| t.name == found) else {
        return Err(ConfigError::new(
            source.place(Some(type_name.span())),
            format!("unknown device type `{found}`; there are: {}", types()),
        ));
    };
    let rest = Spanned::new(span, DeValue::Table(table));
    let spec = (device_type.read)(ValueDeserializer::from(rest)).map_err(|e| source.error(&e))?;
    Ok(DeviceEntry { type_name: device_type.name, place, spec })
}

#[cfg(test)]
mod tests;
