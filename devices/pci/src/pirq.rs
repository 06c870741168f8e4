//! Interrupt routing: INTx# pins of slots → PIRQA#–PIRQH# → inputs of the 8259s and the IO-APIC
//! (ICH9 datasheet, 5.8.6 "Steering PCI Interrupts" and 10.1.45 "Interrupt route registers").

use std::sync::{Arc, Mutex};

use aero_bus::{IrqLine, IrqPin, IrqSink};

use crate::lock;

/// Interrupt inputs that the router drives: 0–15 ISA IRQs, 16–23 the upper inputs of the IO-APIC.
pub const GSI_COUNT: usize = 24;

const SLOTS: usize = 32;
const PINS: usize = 4;
const PIRQS: usize = 8;
/// The router's input of the power management block's SCI; below it, slot × 4 + pin.
const SCI_INPUT: u32 = (SLOTS * PINS) as u32;
/// PIRQA# is IO-APIC input 16.
const FIRST_PIRQ_GSI: u8 = 16;

/// Bits of PIRQ[n]_ROUT (datasheet 13.1.17).
pub(crate) const ROUT_DISABLED: u8 = 0x80;
const ROUT_IRQ: u8 = 0x0f;
/// IRQs a PIRQ may be steered to: not 0, 1, 2, 8 and 13.
const ROUTABLE: u16 = 0b1101_1110_1111_1000;

/// The PIRQ (0 for A to 7 for H) that INTx# pin `pin` (0 for INTA#) of `device` is routed to at
/// power-on, and for as long as nobody writes the interrupt route registers. This is the table for
/// `_PRT`: QEMU's q35 has the same.
///
/// Slots 0–24 rotate over E–H; 25–29 and 31 are the chipset's own, whose pins A–D go to PIRQA–D; slot
/// 30 is the bridge to conventional PCI, on E–H.
pub const fn pirq_of(device: u8, pin: u8) -> u8 {
    match device {
        25..=29 | 31 => pin & 3,
        30 => (pin & 3) + 4,
        _ => ((device & 3) + (pin & 3)) % 4 + 4,
    }
}

/// The IO-APIC input of a PIRQ.
pub const fn pirq_gsi(pirq: u8) -> u8 {
    FIRST_PIRQ_GSI + (pirq & 7)
}

/// Joins the INTx# pins of all slots, and the SCI, to interrupt inputs. Cheap to clone; every clone is
/// the same router.
///
/// Its levels are those of the pins behind it and are not saved: after a restore each device drives its
/// pin again. Restore the interrupt controllers after the devices.
#[derive(Clone)]
pub struct PirqRouter {
    shared: Arc<Shared>,
    lines: Arc<[Arc<IrqLine>]>,
}

struct Shared(Mutex<Routing>);

struct Routing {
    /// Inputs that are high, a bit each: slot × 4 + pin.
    asserted: u128,
    sci: bool,
    slots: [[u8; PINS]; SLOTS],
    pirq_rout: [u8; PIRQS],
    sci_gsi: Option<u8>,
    outputs: [IrqPin; GSI_COUNT],
}

impl PirqRouter {
    /// A router that drives `gsi`. As on QEMU, lines 0–15 should lead to the 8259 input and to the
    /// IO-APIC input of that number, lines 16–23 to the IO-APIC alone.
    pub fn new(gsi: &[Arc<IrqLine>; GSI_COUNT]) -> Self {
        let routing = Routing {
            asserted: 0,
            sci: false,
            slots: power_on_slots(),
            pirq_rout: [ROUT_DISABLED; PIRQS],
            sci_gsi: None,
            outputs: std::array::from_fn(|n| gsi[n].pin()),
        };
        let shared = Arc::new(Shared(Mutex::new(routing)));
        let lines = (0..=SCI_INPUT).map(|input| IrqLine::new(shared.clone(), input)).collect();
        Self { shared, lines }
    }

    /// A pin on the wire of INTx# `pin` (0 for INTA#) of slot `device`.
    pub fn intx(&self, device: u8, pin: u8) -> IrqPin {
        self.lines[usize::from(device & 31) * PINS + usize::from(pin & 3)].pin()
    }

    /// A pin on the wire of the system control interrupt, for the power management block.
    pub fn sci(&self) -> IrqPin {
        self.lines[SCI_INPUT as usize].pin()
    }

    /// Takes the route registers of slot `device`: a PIRQ for each pin.
    pub(crate) fn set_slot(&self, device: usize, pirqs: [u8; PINS]) {
        self.change(|routing| routing.slots[device] = pirqs.map(|pirq| pirq & 7));
    }

    /// Takes PIRQ[A–H]_ROUT and where the SCI goes.
    pub(crate) fn set_routes(&self, pirq_rout: [u8; PIRQS], sci_gsi: Option<u8>) {
        self.change(|routing| {
            routing.pirq_rout = pirq_rout;
            routing.sci_gsi = sci_gsi;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Routing)) {
        let mut routing = lock(&self.shared.0);
        change(&mut routing);
        routing.drive();
    }
}

/// [`pirq_of`] as the router keeps it.
fn power_on_slots() -> [[u8; PINS]; SLOTS] {
    std::array::from_fn(|slot| std::array::from_fn(|pin| pirq_of(slot as u8, pin as u8)))
}

impl Routing {
    fn drive(&self) {
        let mut pirqs = 0u8;
        let mut rest = self.asserted;
        while rest != 0 {
            let input = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            pirqs |= 1 << self.slots[input / PINS][input % PINS];
        }
        let mut high = u32::from(pirqs) << FIRST_PIRQ_GSI;
        for (pirq, rout) in self.pirq_rout.iter().enumerate() {
            let irq = rout & ROUT_IRQ;
            if pirqs & 1 << pirq != 0 && rout & ROUT_DISABLED == 0 && ROUTABLE & 1 << irq != 0 {
                high |= 1 << irq;
            }
        }
        if let Some(gsi) = self.sci_gsi.filter(|_| self.sci) {
            high |= 1 << gsi;
        }
        for (gsi, pin) in self.outputs.iter().enumerate() {
            pin.set(high & 1 << gsi != 0);
        }
    }
}

impl IrqSink for Shared {
    fn set_level(&self, input: u32, level: bool) {
        let mut routing = lock(&self.0);
        if input == SCI_INPUT {
            routing.sci = level;
        } else {
            let bit = 1u128 << input;
            routing.asserted = (routing.asserted & !bit) | if level { bit } else { 0 };
        }
        routing.drive();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aero_testbed::Testbed;

    fn router(bed: &Testbed) -> PirqRouter {
        let lines = std::array::from_fn(|n| IrqLine::new(bed.irq_sink(), n as u32));
        PirqRouter::new(&lines)
    }

    fn high(bed: &Testbed) -> Vec<u32> {
        (0..GSI_COUNT as u32).filter(|n| bed.level(*n)).collect()
    }

    #[test]
    fn slots_0_to_24_rotate_over_pirq_e_to_h() {
        let table: Vec<_> = (0..4).map(|pin| pirq_of(3, pin)).collect();
        assert_eq!(table, [7, 4, 5, 6]);
        assert_eq!(pirq_of(24, 0), 4);
    }

    #[test]
    fn chipset_slots_go_to_pirq_a_to_d_and_slot_30_to_e_to_h() {
        assert_eq!((pirq_of(31, 0), pirq_of(29, 3), pirq_of(25, 1)), (0, 3, 1));
        assert_eq!((pirq_of(30, 0), pirq_of(30, 3)), (4, 7));
    }

    #[test]
    fn a_pirq_always_reaches_the_io_apic_and_the_8259_only_when_routed() {
        let bed = Testbed::new();
        let router = router(&bed);
        let pin = router.intx(31, 0);
        pin.assert();
        assert_eq!(high(&bed), [16]);
        router.set_routes([11; 8], None);
        assert_eq!(high(&bed), [11, 16]);
        router.set_routes([0x80 | 11; 8], None);
        assert_eq!(high(&bed), [16]);
        pin.deassert();
        assert!(high(&bed).is_empty());
    }

    #[test]
    fn reserved_irqs_are_never_steered_to() {
        let bed = Testbed::new();
        let router = router(&bed);
        router.intx(1, 0).assert();
        let pin = router.intx(1, 0);
        pin.assert();
        for irq in [0, 1, 2, 8, 13] {
            router.set_routes([irq; 8], None);
            assert_eq!(high(&bed), [21]);
        }
    }

    #[test]
    fn pins_that_share_a_pirq_are_wired_or() {
        let bed = Testbed::new();
        let router = router(&bed);
        let (a, b) = (router.intx(2, 0), router.intx(6, 0));
        a.assert();
        b.assert();
        a.deassert();
        assert_eq!(high(&bed), [22]);
        b.deassert();
        assert!(high(&bed).is_empty());
    }

    #[test]
    fn the_route_registers_move_a_pin_that_is_asserted() {
        let bed = Testbed::new();
        let router = router(&bed);
        let pin = router.intx(31, 1);
        pin.assert();
        assert_eq!(high(&bed), [17]);
        router.set_slot(31, [0, 7, 0, 0]);
        assert_eq!(high(&bed), [23]);
    }

    #[test]
    fn the_sci_shares_its_irq_with_pirqs() {
        let bed = Testbed::new();
        let router = router(&bed);
        router.set_routes([9; 8], Some(9));
        let (sci, pin) = (router.sci(), router.intx(0, 0));
        sci.assert();
        pin.assert();
        sci.deassert();
        assert_eq!(high(&bed), [9, 20]);
    }
}
