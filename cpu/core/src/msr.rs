//! Model-specific registers.

use serde::{Deserialize, Serialize};

/// Those that are kept here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Msrs {}

impl Msrs {
    /// As after power-on.
    pub fn new() -> Self {
        Self::default()
    }
}
