//! `type = "ps2"`.

use serde::Deserialize;

use super::DeviceSpec;

/// The 8042 with a keyboard and a mouse.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ps2 {}

impl DeviceSpec for Ps2 {}
