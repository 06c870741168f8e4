//! `type = "ahci"`.

use serde::Deserialize;
use toml::Spanned;

use super::DeviceSpec;
use crate::config::{Address, Size};

/// An AHCI controller.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ahci {
    /// Where on PCI bus 0; `"1f.2"` if not given, where ICH9 has it.
    pub address: Option<Address>,
    /// The drives at its ports, 6 at most.
    #[serde(default)]
    pub drives: Vec<Spanned<Drive>>,
}

/// A drive at a port of a controller.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Drive {
    /// `"disk"` or `"cd"`.
    #[serde(rename = "type", default)]
    pub kind: DriveKind,
    /// The port, 0 to 5; if not given, the first free one.
    pub port: Option<crate::config::Bounded<0, 5>>,
    /// The image file. A CD drive without one is empty.
    pub image: Option<Spanned<String>>,
    /// The image's format; if not given, what its first bytes say.
    pub format: Option<ImageFormat>,
    /// In place of an image: an empty disk of this size, which is gone when the machine ends.
    pub size: Option<Size>,
    /// Where writes go.
    pub write: Option<WriteMode>,
    /// The file that holds what was written, a qcow2 made when it is not there. Implies
    /// `write = "overlay"`.
    pub overlay: Option<Spanned<String>>,
    /// Writes are refused.
    #[serde(default)]
    pub read_only: bool,
}

/// What kind of drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriveKind {
    /// A hard disk.
    #[default]
    Disk,
    /// A CD or DVD drive; never writable.
    Cd,
}

/// How an image file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// The disk's bytes and nothing else.
    Raw,
    /// QEMU copy-on-write, version 2 or 3.
    Qcow2,
}

/// Where writes to a disk go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteMode {
    /// Into memory, over the image; gone when the machine ends. What happens if nothing is said.
    Discard,
    /// Into the file named by `overlay`.
    Overlay,
    /// Into the image itself.
    Direct,
}

impl DeviceSpec for Ahci {}
