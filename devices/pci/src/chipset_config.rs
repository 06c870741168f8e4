//! The ICH9's chipset configuration registers, 16 KiB of memory at RCBA (ICH9 datasheet, chapter 10).

use std::sync::Mutex;

use aero_bus::{BusTarget, Window};
use serde::{Deserialize, Serialize};

use crate::PirqRouter;
use crate::lock;

/// All of it.
pub(crate) const WINDOW: Window = Window::new(0, 0x4000);

/// A register: offset, power-on value, writable bits.
struct Register {
    offset: u64,
    power_on: u32,
    writable: u32,
}

const fn register(offset: u64, power_on: u32, writable: u32) -> Register {
    Register { offset, power_on, writable }
}

/// Device interrupt route registers: the slot, and the offset of its 16 bits.
const ROUTES: [(usize, u64); 6] =
    [(31, 0x3140), (29, 0x3144), (28, 0x3146), (27, 0x3148), (26, 0x314c), (25, 0x3150)];

/// The registers that exist here, as aligned doublewords. What is not listed reads as zero.
const REGISTERS: [Register; 18] = [
    // D31IP, D29IP, D28IP, D27IP, D26IP, D25IP: which pin each function uses (10.1.33–10.1.39).
    register(0x3100, 0x0300_0210, 0x0fff_ffff),
    register(0x3108, 0x1000_4321, 0xffff_ffff),
    register(0x310c, 0x0021_4321, 0x00ff_ffff),
    register(0x3110, 0x0000_0001, 0x0000_000f),
    register(0x3114, 0x3000_0321, 0xffff_ffff),
    register(0x3118, 0x0000_0001, 0x0000_000f),
    // D31IR; D29IR and D28IR; D27IR; D26IR; D25IR (10.1.40–10.1.45).
    register(0x3140, 0x3210, 0x7777),
    register(0x3144, 0x3210_3210, 0x7777_7777),
    register(0x3148, 0x3210, 0x7777),
    register(0x314c, 0x3210, 0x7777),
    register(0x3150, 0x3210, 0x7777),
    // OIC, in the upper half: the IO-APIC is enabled, its address range is chosen.
    register(0x31fc, 0x0100_0000, 0x03ff_0000),
    // RC and HPTC. The HPET answers whatever HPTC says, as on QEMU.
    register(0x3400, 0x0000_0000, 0x0000_001c),
    register(0x3404, 0x0000_0000, 0x0000_0083),
    // GCS: NO_REBOOT is set at power-on.
    register(0x3410, 0x0000_0020, 0x0000_0e7e),
    // BUC, FD, CG: functions that are there stay there.
    register(0x3414, 0x0000_0000, 0x0000_00ff),
    register(0x3418, 0x0000_0000, 0x07ff_ffff),
    register(0x341c, 0x0000_0000, 0xffff_ffff),
];

/// The register block. Locked apart from the LPC bridge, which maps it.
pub(crate) struct ChipsetConfig {
    values: Mutex<[u32; REGISTERS.len()]>,
    router: PirqRouter,
}

/// What of it goes into the LPC bridge's snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChipsetConfigState {
    values: Vec<u32>,
}

fn power_on() -> [u32; REGISTERS.len()] {
    std::array::from_fn(|n| REGISTERS[n].power_on)
}

fn find(offset: u64) -> Option<usize> {
    REGISTERS.iter().position(|register| register.offset == offset & !3)
}

impl ChipsetConfig {
    pub fn new(router: PirqRouter) -> Self {
        Self { values: Mutex::new(power_on()), router }
    }

    pub fn reset(&self) {
        *lock(&self.values) = power_on();
        self.route();
    }

    pub fn save(&self) -> ChipsetConfigState {
        ChipsetConfigState { values: lock(&self.values).to_vec() }
    }

    /// Whether `state` could be restored.
    pub fn accepts(state: &ChipsetConfigState) -> bool {
        state.values.len() == REGISTERS.len()
    }

    /// Takes over a state that [`accepts`](Self::accepts) has passed.
    pub fn restore(&self, state: &ChipsetConfigState) {
        let mut values = lock(&self.values);
        for (n, value) in values.iter_mut().enumerate() {
            let Register { power_on, writable, .. } = REGISTERS[n];
            let saved = state.values.get(n).copied().unwrap_or(power_on);
            *value = saved & writable | power_on & !writable;
        }
        drop(values);
        self.route();
    }

    /// Hands the interrupt routes to the router.
    fn route(&self) {
        for (slot, offset) in ROUTES {
            let mut route = [0; 2];
            self.read(offset, &mut route);
            let route = u16::from_le_bytes(route);
            self.router.set_slot(slot, std::array::from_fn(|pin| (route >> (4 * pin)) as u8 & 7));
        }
    }
}

impl BusTarget for ChipsetConfig {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let values = lock(&self.values);
        for (at, byte) in (offset..).zip(data) {
            *byte = find(at).map_or(0, |n| values[n].to_le_bytes()[(at & 3) as usize]);
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let mut values = lock(&self.values);
        for (at, byte) in (offset..).zip(data) {
            let Some(n) = find(at) else {
                log::debug!("write of {byte:#04x} to RCBA + {at:#x}, where no register is");
                continue;
            };
            let lane = (at & 3) as usize;
            let mut bytes = values[n].to_le_bytes();
            let writable = REGISTERS[n].writable.to_le_bytes()[lane];
            bytes[lane] = bytes[lane] & !writable | byte & writable;
            values[n] = u32::from_le_bytes(bytes);
        }
        drop(values);
        let last = offset.saturating_add(data.len() as u64);
        if ROUTES.iter().any(|(_, route)| *route < last && offset < route + 2) {
            self.route();
        }
    }
}
