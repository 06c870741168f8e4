//! The device types a machine file can list: what each one's keys are, and how it is built.

mod ahci;
mod debug_ports;
mod fw_cfg;
mod hpet;
mod ps2;
mod serial;
mod vga;

use serde::Deserialize;
use toml::de::ValueDeserializer;

use crate::machine::{Board, Fault};

pub use ahci::{Ahci, Drive, DriveKind, ImageFormat, WriteMode};
pub use debug_ports::{DebugConsole, DebugExit, TestDevice};
pub use fw_cfg::FwCfg;
pub use hpet::Hpet;
pub use ps2::Ps2;
pub use serial::Serial;
pub use vga::Vga;

/// What a machine file says about one device.
pub trait DeviceSpec: std::fmt::Debug + Send {
    /// Bytes of directly mapped memory that the device takes beside the RAM.
    fn aux_memory(&self) -> u64 {
        0
    }

    /// Builds the device and connects it. `name` is its name on this board.
    fn build(&self, name: &str, board: &mut Board<'_>) -> Result<(), Fault>;
}

/// A type of device.
pub struct DeviceType {
    /// What `type` says.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Reads its keys.
    pub(crate) read: Reader,
}

type Reader = fn(ValueDeserializer<'_>) -> Result<Box<dyn DeviceSpec>, toml::de::Error>;

const fn device_type<T>(name: &'static str, summary: &'static str) -> DeviceType
where
    T: DeviceSpec + for<'de> Deserialize<'de> + 'static,
{
    DeviceType { name, summary, read: |d| T::deserialize(d).map(|spec| Box::new(spec) as _) }
}

/// All types, in the order in which they are documented.
pub const TYPES: &[DeviceType] = &[
    device_type::<Ahci>("ahci", "ICH9 SATA controller with its disks and CD drives"),
    device_type::<Vga>("vga", "VGA with Bochs VBE"),
    device_type::<Ps2>("ps2", "8042 with keyboard and mouse"),
    device_type::<Serial>("serial", "16550A serial port"),
    device_type::<Hpet>("hpet", "high precision event timer"),
    device_type::<FwCfg>("fw-cfg", "QEMU's firmware configuration interface"),
    device_type::<DebugConsole>("debug-console", "port whose bytes go to the log or a file"),
    device_type::<DebugExit>("debug-exit", "port that ends the program"),
    device_type::<TestDevice>("test-device", "what kvm-unit-tests ask for: QEMU's pc-testdev"),
];
