//! `type = "hpet"`.

use serde::Deserialize;

use super::DeviceSpec;

/// The high precision event timer. A machine without it has no HPET table either.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hpet {}

impl DeviceSpec for Hpet {}
