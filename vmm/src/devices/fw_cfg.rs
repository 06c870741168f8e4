//! `type = "fw-cfg"`.

use serde::Deserialize;

use super::DeviceSpec;

/// The interface through which SeaBIOS and OVMF learn about the machine.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FwCfg {}

impl DeviceSpec for FwCfg {}
