//! The pair of 8259A interrupt controllers of a PC, with the edge/level registers of the ICH9.
//!
//! The slave's output is wired to the master's input 2; together they have 15 inputs, numbered 0 to 15
//! without 2. [`Pic`] is the device on the ports; [`PicHandle`] is what others hold of it: its inputs as
//! an [`IrqSink`], and the interrupt acknowledge cycle.
//!
//! Names and sections are of the Intel 8259A data sheet (order number 231468) and of the Intel I/O
//! Controller Hub 9 data sheet (316972), section 13.4.

mod chip;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aero_bus::{
    BusDevice, Device, IrqPin, IrqSink, Snapshot, SnapshotError, Window, read_by_bytes,
    write_by_bytes,
};
use serde::{Deserialize, Serialize};

use chip::{CASCADE_INPUT, Chip, ChipState};

const KIND: &str = "pic";

/// The command and data registers of the master; on a PC at port 0x20.
pub const MASTER: Window = Window::new(0, 2);
/// The command and data registers of the slave; on a PC at port 0xA0.
pub const SLAVE: Window = Window::new(2, 2);
/// The two edge/level registers; on a PC at port 0x4D0.
pub const ELCR: Window = Window::new(4, 2);

/// Inputs that are always edge-triggered, whatever is written to ELCR1: timer, keyboard, cascade
/// (ICH9 section 13.4.10).
const ELCR1_WRITABLE: u8 = !0b0000_0111;
/// The same for ELCR2: real-time clock and numeric error (ICH9 section 13.4.11).
const ELCR2_WRITABLE: u8 = !0b0010_0001;

/// The registers that software sees, at their offsets.
#[derive(Clone, Copy)]
enum Register {
    MasterCommand,
    MasterData,
    SlaveCommand,
    SlaveData,
    Elcr1,
    Elcr2,
}

impl Register {
    fn at(offset: u64) -> Option<Self> {
        Some(match offset {
            0 => Self::MasterCommand,
            1 => Self::MasterData,
            2 => Self::SlaveCommand,
            3 => Self::SlaveData,
            4 => Self::Elcr1,
            5 => Self::Elcr2,
            _ => return None,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    master: ChipState,
    slave: ChipState,
}

struct Pair {
    master: Chip,
    slave: Chip,
}

impl Pair {
    fn new() -> Self {
        Self { master: Chip::new(true), slave: Chip::new(false) }
    }

    /// Carries the slave's output to the master, and returns the master's.
    fn settle(&mut self) -> bool {
        let slave = self.slave.request().is_some();
        self.master.set_input(CASCADE_INPUT, slave);
        self.master.request().is_some()
    }

    /// Both INTA cycles. An input that has gone away between the request and the acknowledgement gives
    /// input 7 of the chip that is asked, with no in-service bit ("default IR7").
    fn acknowledge(&mut self) -> u8 {
        let input = self.master.acknowledge();
        if input == CASCADE_INPUT {
            let input = self.slave.acknowledge();
            self.slave.vector(input)
        } else {
            self.master.vector(input)
        }
    }

    fn read(&mut self, register: Register) -> u8 {
        match register {
            Register::MasterCommand => self.master.read_command(),
            Register::MasterData => self.master.read_data(),
            Register::SlaveCommand => self.slave.read_command(),
            Register::SlaveData => self.slave.read_data(),
            Register::Elcr1 => self.master.elcr(),
            Register::Elcr2 => self.slave.elcr(),
        }
    }

    fn write(&mut self, register: Register, value: u8) {
        match register {
            Register::MasterCommand => self.master.write_command(value),
            Register::MasterData => self.master.write_data(value),
            Register::SlaveCommand => self.slave.write_command(value),
            Register::SlaveData => self.slave.write_data(value),
            Register::Elcr1 => self.master.set_elcr(value & ELCR1_WRITABLE),
            Register::Elcr2 => self.slave.set_elcr(value & ELCR2_WRITABLE),
        }
    }
}

struct Shared {
    pair: Mutex<Pair>,
    intr: IrqPin,
}

impl Shared {
    fn pair(&self) -> MutexGuard<'_, Pair> {
        self.pair.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the pair and drives INTR to what follows. The lock is held until the pin is driven, so
    /// that INTR never ends in an older state than the chips.
    fn change<T>(&self, change: impl FnOnce(&mut Pair) -> T) -> T {
        let mut pair = self.pair();
        let result = change(&mut pair);
        let intr = pair.settle();
        self.intr.set(intr);
        result
    }
}

/// A hold on the interrupt controllers for those that drive their inputs and for the processor that
/// acknowledges. Cheap to clone. It may be used while any device is locked.
#[derive(Clone)]
pub struct PicHandle(Arc<Shared>);

impl PicHandle {
    /// The interrupt acknowledge cycle: the vector of the request with the highest priority, which is
    /// in service then. With no request left it is a spurious one, as on the chip.
    pub fn acknowledge(&self) -> u8 {
        let mut pair = self.0.pair();
        let vector = pair.acknowledge();
        // INT goes low with the acknowledgement even if another request follows at once: an
        // edge-triggered input behind it (of the IO-APIC) must see each of them.
        self.0.intr.deassert();
        let intr = pair.settle();
        self.0.intr.set(intr);
        vector
    }

    /// The level of INTR.
    pub fn intr(&self) -> bool {
        self.0.intr.is_asserted()
    }
}

impl IrqSink for PicHandle {
    /// Inputs are 0 to 15. Nothing is wired to input 2, which is the cascade, though a line of that
    /// number may exist for the IO-APIC's sake.
    fn set_level(&self, input: u32, level: bool) {
        match input {
            0 | 1 | 3..=7 => self.0.change(|pair| pair.master.set_input(input as u8, level)),
            8..=15 => self.0.change(|pair| pair.slave.set_input(input as u8 - 8, level)),
            2 => {}
            _ => log::warn!("the 8259A pair has no input {input}"),
        }
    }
}

/// The device on the ports: windows [`MASTER`], [`SLAVE`] and [`ELCR`].
pub struct Pic(PicHandle);

impl Pic {
    /// A pair after power-on that drives `intr`.
    pub fn new(intr: IrqPin) -> Self {
        Self(PicHandle(Arc::new(Shared { pair: Mutex::new(Pair::new()), intr })))
    }

    /// A hold on the same pair.
    pub fn handle(&self) -> PicHandle {
        self.0.clone()
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }
}

impl Device for Pic {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// The levels of the inputs stay: they are their drivers'.
    fn reset(&mut self) {
        self.shared().change(|pair| {
            pair.master.reset();
            pair.slave.reset();
        });
    }

    fn save(&self) -> Snapshot {
        let pair = self.shared().pair();
        let state = State { master: pair.master.save(), slave: pair.slave.save() };
        Snapshot::new(KIND, 1, &state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        let invalid = |what: String| SnapshotError::invalid(KIND, what);
        state.master.validate().map_err(|e| invalid(format!("master: {e}")))?;
        state.slave.validate().map_err(|e| invalid(format!("slave: {e}")))?;
        self.shared().change(|pair| {
            pair.master.restore(state.master);
            pair.slave.restore(state.slave);
        });
        Ok(())
    }
}

impl BusDevice for Pic {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        let shared = self.shared();
        read_by_bytes(offset, data, |offset| match Register::at(offset) {
            Some(register) => shared.change(|pair| pair.read(register)),
            None => 0xff,
        });
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let shared = self.shared();
        write_by_bytes(offset, data, |offset, value| {
            if let Some(register) = Register::at(offset) {
                shared.change(|pair| pair.write(register, value));
            }
        });
    }
}
