//! `type = "vga"`.

use serde::Deserialize;

use super::DeviceSpec;
use crate::config::{Address, Size};

/// A VGA adapter.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Vga {
    /// Where on PCI bus 0; `"01.0"` if not given, as QEMU has it.
    pub address: Option<Address>,
    /// Video memory; 16 MiB if not given.
    pub memory: Option<Size>,
}

impl DeviceSpec for Vga {}
