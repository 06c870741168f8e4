//! The interrupt wires of the board: which input of which controller an interrupt line ends at.

use std::sync::Arc;

use aero_apic::IoApicHandle;
use aero_bus::{IrqLine, IrqPin, IrqSink};
use aero_hpet::LegacyGates;
use aero_pci::GSI_COUNT;
use aero_pic::PicHandle;

const TIMER_LINE: usize = 0;
/// The timer's line is at input 2 of the IO-APIC, where the 8259s have their cascade; the MADT says so.
const TIMER_INPUT: usize = 2;
const CLOCK_LINE: usize = 8;
const ISA_LINES: u32 = 16;

/// Lines 1 to 15 lead to the 8259s and to the IO-APIC, lines 16 to 23 to the IO-APIC alone. Line 2 is
/// the 8259s' cascade, and they leave it alone.
struct Fan {
    pic: PicHandle,
    ioapic: Arc<IoApicHandle>,
}

impl IrqSink for Fan {
    fn set_level(&self, input: u32, level: bool) {
        if input < ISA_LINES {
            self.pic.set_level(input, level);
        }
        self.ioapic.set_level(input, level);
    }
}

/// Line 0 leads to the 8259s' input 0 and onto line 2.
struct TimerFan {
    pic: PicHandle,
    line_2: IrqPin,
}

impl IrqSink for TimerFan {
    fn set_level(&self, input: u32, level: bool) {
        self.pic.set_level(input, level);
        self.line_2.set(level);
    }
}

/// All interrupt lines of the board.
pub(crate) struct InterruptLines {
    lines: [Arc<IrqLine>; GSI_COUNT],
    gates: Arc<LegacyGates>,
}

impl InterruptLines {
    pub fn new(pic: PicHandle, ioapic: Arc<IoApicHandle>) -> Self {
        let fan = Arc::new(Fan { pic: pic.clone(), ioapic });
        let mut lines: [Arc<IrqLine>; GSI_COUNT] =
            std::array::from_fn(|n| IrqLine::new(fan.clone(), n as u32));
        let line_2 = lines[TIMER_INPUT].pin();
        lines[TIMER_LINE] = IrqLine::new(Arc::new(TimerFan { pic, line_2 }), TIMER_LINE as u32);
        let gates = LegacyGates::new(lines[TIMER_LINE].pin(), lines[CLOCK_LINE].pin());
        Self { lines, gates: Arc::new(gates) }
    }

    /// A pin on line `gsi`, below 24.
    pub fn pin(&self, gsi: u32) -> IrqPin {
        self.lines[gsi as usize % GSI_COUNT].pin()
    }

    /// A pin at an input of the gates through which the HPET cuts off the 8254 and the clock.
    pub fn gate(&self, input: u32) -> IrqPin {
        IrqLine::new(self.gates.clone(), input).pin()
    }

    /// All lines.
    pub fn all(&self) -> &[Arc<IrqLine>; GSI_COUNT] {
        &self.lines
    }
}
