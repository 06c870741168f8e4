//! `type = "debug-console"` and `type = "debug-exit"`.

use serde::Deserialize;

use super::DeviceSpec;
use crate::config::Port;

/// A port whose bytes are text for the developer.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebugConsole {
    /// The port; 0x402 if not given.
    pub port: Option<Port>,
}

/// QEMU's isa-debug-exit: a write ends the program with `(value << 1) | 1`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebugExit {
    /// The port; 0xf4 if not given.
    pub port: Option<Port>,
}

impl DeviceSpec for DebugConsole {}
impl DeviceSpec for DebugExit {}
