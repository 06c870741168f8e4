//! Legacy replacement: who drives IRQ0 and IRQ8.

use std::sync::{Mutex, PoisonError};

use aero_bus::{IrqPin, IrqSink};

/// The switch between the 8254 and the clock on one side and timers 0 and 1 on the other.
///
/// It stands at the end of the lines of the 8254's output, of the clock's interrupt and of
/// [`Wiring::legacy_route`](crate::Wiring::legacy_route), and drives IRQ0 and IRQ8 with the first two
/// while the third is low. It has no state of its own: all of it comes with its inputs.
pub struct LegacyGates {
    irq0: IrqPin,
    irq8: IrqPin,
    levels: Mutex<[bool; 3]>,
}

impl LegacyGates {
    /// The input for the 8254's counter 0.
    pub const TIMER: u32 = 0;
    /// The input for the clock.
    pub const CLOCK: u32 = 1;
    /// The input for `legacy_route`.
    pub const ROUTE: u32 = 2;

    /// Open gates to these pins. Timers 0 and 1 have their own pins on the same lines.
    pub fn new(irq0: IrqPin, irq8: IrqPin) -> Self {
        Self { irq0, irq8, levels: Mutex::default() }
    }
}

impl IrqSink for LegacyGates {
    fn set_level(&self, input: u32, level: bool) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        match levels.get_mut(input as usize) {
            Some(known) => *known = level,
            None => log::warn!("the legacy gates have no input {input}"),
        }
        let [timer, clock, route] = *levels;
        self.irq0.set(timer && !route);
        self.irq8.set(clock && !route);
    }
}
