//! `type = "serial"`.

use serde::Deserialize;

use super::DeviceSpec;
use crate::config::{Bounded, Port};

/// A serial port. The first one listed is the one that `--serial`, `--until` and the page speak to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Serial {
    /// First of its 8 ports. If not given: 0x3f8, 0x2f8, 0x3e8 and 0x2e8, as COM1 to COM4.
    pub port: Option<Port>,
    /// ISA interrupt; if not given, 4 for COM1 and COM3, and 3 for COM2 and COM4.
    pub irq: Option<Bounded<3, 15>>,
}

impl DeviceSpec for Serial {}
