//! Drives one device alone: a little guest memory, interrupt pins and messages that are recorded, a
//! clock turned by hand.
//!
//! ```
//! # use aero_testbed::Testbed;
//! let bed = Testbed::new();
//! let pin = bed.pin(4);
//! pin.assert();
//! assert!(bed.level(4));
//! bed.advance(1_000);
//! assert_eq!(bed.clock.now(), 1_000);
//! ```

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aero_bus::block::{BlockBackend, BlockCompletion, BlockError, BlockOp, BlockRequest};
use aero_bus::chardev::CharBackend;
use aero_bus::pci::PciWiring;
use aero_bus::{
    BusDevice, Clock, Device, GuestRam, IrqLine, IrqPin, IrqSink, MsiMessage, MsiSink,
    PowerControl, Snapshot, Wake,
};

/// Everything a device under test can see.
pub struct Testbed {
    /// 16 MiB of guest memory.
    pub ram: GuestRam,
    /// A clock that moves only by [`advance`](Self::advance).
    pub clock: Clock,
    /// Power and reset lines.
    pub power: PowerControl,
    /// What back ends signal.
    pub wake: Arc<Wake>,
    recorder: Arc<Recorder>,
}

/// A change of an interrupt line, or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqEvent {
    /// Input and its new level.
    Level(u32, bool),
    /// A message.
    Msi(MsiMessage),
}

#[derive(Default)]
struct Recorder {
    levels: Mutex<BTreeMap<u32, bool>>,
    events: Mutex<Vec<IrqEvent>>,
}

impl IrqSink for Recorder {
    fn set_level(&self, input: u32, level: bool) {
        self.levels.lock().unwrap().insert(input, level);
        self.events.lock().unwrap().push(IrqEvent::Level(input, level));
    }
}

impl MsiSink for Recorder {
    fn send(&self, message: MsiMessage) {
        self.events.lock().unwrap().push(IrqEvent::Msi(message));
    }
}

impl Default for Testbed {
    fn default() -> Self {
        Self::new()
    }
}

impl Testbed {
    /// A fresh testbed at time 0.
    pub fn new() -> Self {
        let wake = Arc::new(Wake::new());
        Self {
            ram: GuestRam::new(16 << 20, 1 << 20).expect("17 MiB can be had"),
            clock: Clock::manual(),
            power: PowerControl::new(wake.clone()),
            wake,
            recorder: Arc::default(),
        }
    }

    /// A pin on its own line to recorded input `input`.
    pub fn pin(&self, input: u32) -> IrqPin {
        IrqLine::new(self.recorder.clone(), input).pin()
    }

    /// The recorder as the end of lines.
    pub fn irq_sink(&self) -> Arc<dyn IrqSink> {
        self.recorder.clone()
    }

    /// The recorder as the end of messages.
    pub fn msi_sink(&self) -> Arc<dyn MsiSink> {
        self.recorder.clone()
    }

    /// Wiring for a PCI function whose INTx# is recorded as `input`.
    pub fn pci_wiring(&self, input: u32) -> PciWiring {
        PciWiring { intx: self.pin(input), msi: self.msi_sink() }
    }

    /// The level of recorded input `input`.
    pub fn level(&self, input: u32) -> bool {
        self.recorder.levels.lock().unwrap().get(&input).copied().unwrap_or(false)
    }

    /// Takes the events recorded since the last call.
    pub fn take_events(&self) -> Vec<IrqEvent> {
        std::mem::take(&mut self.recorder.events.lock().unwrap())
    }

    /// Lets `nanos` pass, without telling the device.
    pub fn advance(&self, nanos: u64) {
        self.clock.advance_to(self.clock.now() + nanos);
    }

    /// Lets `nanos` pass as a run loop does: stops at each deadline and ticks the device there.
    pub fn run(&self, device: &mut dyn Device, nanos: u64) {
        let end = self.clock.now() + nanos;
        let mut last = None;
        while let Some(at) = self.clock.next_deadline().filter(|at| *at <= end) {
            assert!(last.is_none_or(|l| l < at), "a deadline at {at} stays due after tick()");
            last = Some(at.max(self.clock.now()));
            self.clock.advance_to(at);
            device.tick();
        }
        self.clock.advance_to(end);
        device.tick();
    }
}

/// Short forms of register accesses.
pub trait Access {
    /// A one-byte read.
    fn read8(&mut self, offset: u64) -> u8;
    /// A two-byte read.
    fn read16(&mut self, offset: u64) -> u16;
    /// A four-byte read.
    fn read32(&mut self, offset: u64) -> u32;
    /// An eight-byte read.
    fn read64(&mut self, offset: u64) -> u64;
    /// A one-byte write.
    fn write8(&mut self, offset: u64, value: u8);
    /// A two-byte write.
    fn write16(&mut self, offset: u64, value: u16);
    /// A four-byte write.
    fn write32(&mut self, offset: u64, value: u32);
    /// An eight-byte write.
    fn write64(&mut self, offset: u64, value: u64);
}

impl<D: BusDevice + ?Sized> Access for D {
    fn read8(&mut self, offset: u64) -> u8 {
        let mut data = [0];
        self.read(offset, &mut data);
        data[0]
    }
    fn read16(&mut self, offset: u64) -> u16 {
        let mut data = [0; 2];
        self.read(offset, &mut data);
        u16::from_le_bytes(data)
    }
    fn read32(&mut self, offset: u64) -> u32 {
        let mut data = [0; 4];
        self.read(offset, &mut data);
        u32::from_le_bytes(data)
    }
    fn read64(&mut self, offset: u64) -> u64 {
        let mut data = [0; 8];
        self.read(offset, &mut data);
        u64::from_le_bytes(data)
    }
    fn write8(&mut self, offset: u64, value: u8) {
        self.write(offset, &[value]);
    }
    fn write16(&mut self, offset: u64, value: u16) {
        self.write(offset, &value.to_le_bytes());
    }
    fn write32(&mut self, offset: u64, value: u32) {
        self.write(offset, &value.to_le_bytes());
    }
    fn write64(&mut self, offset: u64, value: u64) {
        self.write(offset, &value.to_le_bytes());
    }
}

/// Saves `device`, restores the state into `other` (a fresh device of the same make), and checks that
/// saving that gives the same state. Returns the state.
pub fn assert_round_trip(device: &dyn Device, other: &mut dyn Device) -> Snapshot {
    let saved = device.save();
    assert_eq!(saved.kind, device.kind(), "a snapshot carries its device's kind");
    other.restore(&saved).expect("a device restores what its like has saved");
    assert_eq!(other.save(), saved, "the restored state is the saved one");
    saved
}

/// A medium in memory whose requests complete at the next [`poll`](BlockBackend::poll) after
/// [`release`](Self::release) (or at once, while not held).
#[derive(Clone)]
pub struct MemoryDisk(Arc<Mutex<MemoryDiskInner>>);

struct MemoryDiskInner {
    bytes: Vec<u8>,
    read_only: bool,
    held: bool,
    /// While held: completions that may pass.
    let_through: usize,
    fail: bool,
    generation: u32,
    pending: VecDeque<BlockRequest>,
}

impl MemoryDisk {
    /// A medium with these contents.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(MemoryDiskInner {
            bytes,
            read_only: false,
            held: false,
            let_through: 0,
            fail: false,
            generation: 0,
            pending: VecDeque::new(),
        })))
    }

    /// The same medium, not writable.
    pub fn read_only(self) -> Self {
        self.0.lock().unwrap().read_only = true;
        self
    }

    /// Keeps completions back until [`release`](Self::release).
    pub fn hold(&self) {
        self.0.lock().unwrap().held = true;
    }

    /// Lets the next `count` completions through while the others are kept back.
    pub fn release_some(&self, count: usize) {
        self.0.lock().unwrap().let_through = count;
    }

    /// Lets completions through again.
    pub fn release(&self) {
        self.0.lock().unwrap().held = false;
    }

    /// Makes every request fail with a host error, or work again.
    pub fn set_failing(&self, fail: bool) {
        self.0.lock().unwrap().fail = fail;
    }

    /// Puts another medium in; no bytes means none.
    pub fn change_medium(&self, bytes: Vec<u8>) {
        let mut inner = self.0.lock().unwrap();
        inner.bytes = bytes;
        inner.generation += 1;
    }

    /// The contents.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().bytes.clone()
    }

    /// Requests in flight.
    pub fn pending(&self) -> usize {
        self.0.lock().unwrap().pending.len()
    }
}

impl MemoryDiskInner {
    fn range(&self, offset: u64, len: u64) -> Result<std::ops::Range<usize>, BlockError> {
        if self.bytes.is_empty() {
            return Err(BlockError::NoMedium);
        }
        match offset.checked_add(len) {
            Some(end) if end <= self.bytes.len() as u64 => Ok(offset as usize..end as usize),
            _ => Err(BlockError::OutOfRange { offset, len }),
        }
    }

    fn perform(&mut self, op: BlockOp) -> Result<Vec<u8>, BlockError> {
        if self.fail {
            return Err(BlockError::Host("the medium was told to fail".into()));
        }
        match op {
            BlockOp::Read { offset, len } => {
                let range = self.range(offset, len.into())?;
                Ok(self.bytes[range].to_vec())
            }
            BlockOp::Write { .. } | BlockOp::Discard { .. } if self.read_only => {
                Err(BlockError::ReadOnly)
            }
            BlockOp::Write { offset, data } => {
                let range = self.range(offset, data.len() as u64)?;
                self.bytes[range].copy_from_slice(&data);
                Ok(Vec::new())
            }
            BlockOp::Discard { offset, len } => {
                let range = self.range(offset, len)?;
                self.bytes[range].fill(0);
                Ok(Vec::new())
            }
            BlockOp::Flush => Ok(Vec::new()),
        }
    }
}

impl BlockBackend for MemoryDisk {
    fn size(&self) -> u64 {
        self.0.lock().unwrap().bytes.len() as u64
    }
    fn is_read_only(&self) -> bool {
        self.0.lock().unwrap().read_only
    }
    fn submit(&mut self, request: BlockRequest) {
        self.0.lock().unwrap().pending.push_back(request);
    }
    fn poll(&mut self) -> Option<BlockCompletion> {
        let mut inner = self.0.lock().unwrap();
        if inner.held && inner.let_through == 0 {
            return None;
        }
        let request = inner.pending.pop_front()?;
        inner.let_through = inner.let_through.saturating_sub(1);
        Some(BlockCompletion { id: request.id, result: inner.perform(request.op) })
    }
    fn cancel_all(&mut self) {
        self.0.lock().unwrap().pending.clear();
    }
    fn media_generation(&self) -> u32 {
        self.0.lock().unwrap().generation
    }
}

/// Both ends of a byte stream in memory.
#[derive(Clone, Default)]
pub struct MemoryChar(Arc<Mutex<(Vec<u8>, VecDeque<u8>)>>);

impl MemoryChar {
    /// Takes what the device has sent.
    pub fn take_sent(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }

    /// Queues bytes for the device.
    pub fn feed(&self, bytes: &[u8]) {
        self.0.lock().unwrap().1.extend(bytes);
    }
}

impl CharBackend for MemoryChar {
    fn transmit(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().0.extend_from_slice(bytes);
    }
    fn receive(&mut self) -> Option<u8> {
        self.0.lock().unwrap().1.pop_front()
    }
}
