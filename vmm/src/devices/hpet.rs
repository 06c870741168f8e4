//! `type = "hpet"`.

use std::sync::{Arc, Mutex};

use serde::Deserialize;

use super::DeviceSpec;
use crate::machine::{Board, Fault};

/// The high precision event timer. A machine without it has no HPET table either.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hpet {}

const BASE: u32 = 0xfed0_0000;

impl DeviceSpec for Hpet {
    fn build(&self, name: &str, board: &mut Board<'_>) -> Result<(), Fault> {
        let wiring = aero_hpet::Wiring {
            irq0: board.isa_irq(name, 0),
            irq8: board.isa_irq(name, 8),
            legacy_route: board.legacy_gate(aero_hpet::LegacyGates::ROUTE),
            messages: board.messages(),
            gsi: &mut |gsi| board.gsi(gsi),
        };
        let device = aero_hpet::Hpet::new(&board.clock, wiring, aero_hpet::HpetConfig::default());
        let device = Arc::new(Mutex::new(device));
        board.map_memory(name, BASE.into(), aero_hpet::WINDOW, device.clone())?;
        board.add_device(name, device);
        let block_id = aero_hpet::BLOCK_ID;
        board.ends.hpet = Some(aero_acpi::Hpet { block_id, ..aero_acpi::Hpet::new(BASE) });
        Ok(())
    }
}
