//! The IO-APIC: 24 inputs, each sent as a message of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aero_bus::{
    BusDevice, Device, IrqSink, MsiSink, Register, RegisterMap, Snapshot, SnapshotError, Window,
};
use serde::{Deserialize, Serialize};

use crate::message::Message;

const KIND: &str = "ioapic";

/// Inputs, numbered from 0.
pub const INPUTS: u32 = 24;
const COUNT: usize = INPUTS as usize;

/// The registers; on a PC at physical address 0xFEC0_0000.
pub const WINDOW: Window = Window::new(0, 0x1000);

/// Version 0x20, which has the EOI register, and the number of the highest input (ICH9 section
/// 13.5.6; the same in QEMU).
const VERSION: u32 = 0x20 | (INPUTS - 1) << 16;

/// The registers in memory (ICH9 section 13.5.1).
#[derive(Clone, Copy)]
enum Direct {
    Index,
    Data,
    Eoi,
}

const DIRECT: RegisterMap<Direct> = RegisterMap::new(&[
    Register::new(Direct::Index, 0x00, 4),
    Register::new(Direct::Data, 0x10, 4),
    Register::new(Direct::Eoi, 0x40, 4),
]);

/// What the data register leads to.
#[derive(Clone, Copy)]
enum Indexed {
    Id,
    Version,
    Arbitration,
    RedirectionLow(usize),
    RedirectionHigh(usize),
}

impl Indexed {
    fn at(index: u8) -> Option<Self> {
        Some(match index {
            0 => Self::Id,
            1 => Self::Version,
            2 => Self::Arbitration,
            0x10..0x40 => {
                let input = usize::from(index - 0x10) / 2;
                if index & 1 == 0 {
                    Self::RedirectionLow(input)
                } else {
                    Self::RedirectionHigh(input)
                }
            }
            _ => return None,
        })
    }
}

const ID_SHIFT: u32 = 24;
const ID_MASK: u8 = 0xf;

/// Bits of a redirection entry (82093AA section 3.2.4).
mod entry {
    pub const VECTOR: u64 = 0xff;
    pub const MODE_SHIFT: u32 = 8;
    pub const MODE: u64 = 0b111;
    pub const LOGICAL: u64 = 1 << 11;
    pub const DELIVERY_STATUS: u64 = 1 << 12;
    pub const REMOTE_IRR: u64 = 1 << 14;
    pub const LEVEL: u64 = 1 << 15;
    pub const MASKED: u64 = 1 << 16;
    pub const DESTINATION_SHIFT: u32 = 56;
    /// Delivery status and remote IRR are the hardware's. Polarity is kept but changes nothing: pins
    /// are asserted or not, whatever voltage that is.
    pub const READ_ONLY: u64 = DELIVERY_STATUS | REMOTE_IRR;
    pub const WRITABLE: u64 = 0xff00_0000_0001_ffff & !READ_ONLY;

    pub const FIXED: u64 = 0;
    pub const LOWEST_PRIORITY: u64 = 1;
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    id: u8,
    index: u8,
    /// Levels of the inputs.
    inputs: u32,
    entries: [u64; COUNT],
}

impl State {
    fn power_on() -> Self {
        Self { id: 0, index: 0, inputs: 0, entries: [entry::MASKED; COUNT] }
    }

    /// Whether an entry follows its input's level. Only fixed and lowest-priority interrupts end with
    /// an EOI, so the other modes are edges whatever the trigger bit says.
    fn is_level(&self, input: usize) -> bool {
        let mode = self.entries[input] >> entry::MODE_SHIFT & entry::MODE;
        self.entries[input] & entry::LEVEL != 0
            && (mode == entry::FIXED || mode == entry::LOWEST_PRIORITY)
    }

    fn read(&self, register: Indexed) -> u32 {
        match register {
            Indexed::Id | Indexed::Arbitration => u32::from(self.id) << ID_SHIFT,
            Indexed::Version => VERSION,
            Indexed::RedirectionLow(input) => self.entries[input] as u32,
            Indexed::RedirectionHigh(input) => (self.entries[input] >> 32) as u32,
        }
    }

    fn set_entry(&mut self, input: usize, value: u64) {
        let kept = self.entries[input] & entry::READ_ONLY;
        self.entries[input] = value & entry::WRITABLE | kept;
        if !self.is_level(input) {
            // Only levels have a remote IRR; software clears a stuck one in this way.
            self.entries[input] &= !entry::REMOTE_IRR;
        }
    }
}

/// The IO-APIC itself, as its inputs and the local APICs hold it.
pub struct IoApicHandle {
    state: Mutex<State>,
    messages: Arc<dyn MsiSink>,
}

impl IoApicHandle {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, value: u64, level: bool) {
        self.messages.send(Message::encode_msi(
            (value >> entry::DESTINATION_SHIFT) as u8,
            value & entry::LOGICAL != 0,
            (value >> entry::MODE_SHIFT & entry::MODE) as u8,
            (value & entry::VECTOR) as u8,
            level,
        ));
    }

    /// Sends a level-triggered input that is up, open and not yet under way.
    fn service_level(&self, state: &mut State, input: usize) {
        let value = state.entries[input];
        if state.is_level(input)
            && state.inputs & 1 << input != 0
            && value & (entry::MASKED | entry::REMOTE_IRR) == 0
        {
            state.entries[input] |= entry::REMOTE_IRR;
            self.send(value, true);
        }
    }

    /// A level-triggered interrupt with this vector has ended at its processor (82093AA section
    /// 3.2.4, remote IRR). An input that is still up is sent again.
    pub fn end_of_interrupt(&self, vector: u8) {
        let mut state = self.lock();
        for input in 0..COUNT {
            let value = state.entries[input];
            if value & entry::REMOTE_IRR != 0 && value & entry::VECTOR == u64::from(vector) {
                state.entries[input] &= !entry::REMOTE_IRR;
                self.service_level(&mut state, input);
            }
        }
    }

    fn read_direct(&self, register: Direct) -> u64 {
        let state = self.lock();
        match register {
            Direct::Index => state.index.into(),
            Direct::Data => Indexed::at(state.index).map_or(0, |r| state.read(r)).into(),
            Direct::Eoi => 0,
        }
    }

    fn write_direct(&self, register: Direct, value: u64, mask: u64) {
        match register {
            Direct::Index if mask & 0xff != 0 => self.lock().index = value as u8,
            Direct::Index => {}
            Direct::Data => self.write_data(value as u32, mask as u32),
            Direct::Eoi if mask & 0xff != 0 => self.end_of_interrupt(value as u8),
            Direct::Eoi => {}
        }
    }

    fn write_data(&self, value: u32, mask: u32) {
        let mut state = self.lock();
        let Some(register) = Indexed::at(state.index) else { return };
        let merged = u64::from(state.read(register) & !mask | value & mask);
        match register {
            Indexed::Id => state.id = (merged >> ID_SHIFT) as u8 & ID_MASK,
            Indexed::Version | Indexed::Arbitration => {}
            Indexed::RedirectionLow(input) => {
                let high = state.entries[input] & !u64::from(u32::MAX);
                state.set_entry(input, high | merged);
                self.service_level(&mut state, input);
            }
            Indexed::RedirectionHigh(input) => {
                let low = state.entries[input] & u64::from(u32::MAX);
                state.set_entry(input, merged << 32 | low);
                self.service_level(&mut state, input);
            }
        }
    }
}

impl IrqSink for IoApicHandle {
    fn set_level(&self, input: u32, level: bool) {
        if input >= INPUTS {
            log::warn!("the IO-APIC has no input {input}");
            return;
        }
        let mut state = self.lock();
        let bit = 1 << input;
        let rose = level && state.inputs & bit == 0;
        if level {
            state.inputs |= bit;
        } else {
            state.inputs &= !bit;
        }
        let input = input as usize;
        if state.is_level(input) {
            self.service_level(&mut state, input);
        } else if rose && state.entries[input] & entry::MASKED == 0 {
            // An edge at a masked input is lost (82093AA section 3.2.4, interrupt mask).
            self.send(state.entries[input], false);
        }
    }
}

/// The device in memory: window [`IOAPIC_WINDOW`](crate::IOAPIC_WINDOW).
pub struct IoApic(Arc<IoApicHandle>);

impl IoApic {
    /// An IO-APIC after power-on, all inputs masked, that sends to `messages`. To learn of ends of
    /// interrupts its [`handle`](Self::handle) is given to
    /// [`LocalApics::connect`](crate::LocalApics::connect).
    pub fn new(messages: Arc<dyn MsiSink>) -> Self {
        Self(Arc::new(IoApicHandle { state: Mutex::new(State::power_on()), messages }))
    }

    /// The inputs, as an [`IrqSink`], and the way for ends of interrupts.
    pub fn handle(&self) -> Arc<IoApicHandle> {
        self.0.clone()
    }
}

impl Device for IoApic {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// The levels of the inputs stay: they are their drivers'.
    fn reset(&mut self) {
        let mut state = self.0.lock();
        *state = State { inputs: state.inputs, ..State::power_on() };
    }

    fn save(&self) -> Snapshot {
        Snapshot::new(KIND, 1, &*self.0.lock())
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        let invalid = |what: String| Err(SnapshotError::invalid(KIND, what));
        if state.id > ID_MASK {
            return invalid(format!("id {}", state.id));
        }
        if state.inputs >> INPUTS != 0 {
            return invalid(format!("inputs {:#x}", state.inputs));
        }
        let legal = entry::WRITABLE | entry::READ_ONLY;
        if let Some(bad) = state.entries.iter().find(|e| **e & !legal != 0) {
            return invalid(format!("redirection entry {bad:#x}"));
        }
        *self.0.lock() = state;
        Ok(())
    }
}

impl BusDevice for IoApic {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        DIRECT.read(offset, data, |register| self.0.read_direct(register));
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        DIRECT.write(offset, data, |register, value, mask| {
            self.0.write_direct(register, value, mask);
        });
    }
}
