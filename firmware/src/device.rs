//! The firmware as a device: the registers behind the stubs' ports, and the way to each service.

use std::collections::VecDeque;
use std::sync::Arc;

use aero_bus::{BusDevice, Clock, Device, IoMap, MemoryMap, Snapshot, SnapshotError, Window};
use serde::{Deserialize, Serialize};

use crate::config::FirmwareConfig;
use crate::disk::{Call, Drive, ElTorito, Geometry};
use crate::e820::MemoryRange;
use crate::frame::Frame;
use crate::int10::VideoState;
use crate::keyboard::KeyboardState;
use crate::machine::Machine;
use crate::mouse::MouseState;
use crate::port::{ADDRESS, COMMAND, DATA, FRAME_WORDS, PORT_BASE, PORT_COUNT, Status};
use crate::post::PostState;
use crate::rom::service;

/// Why a service cannot answer yet. It is then run again from its start with the same registers, so it
/// changes nothing before it answers but what it keeps in the firmware's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For a back end, or for time to pass.
    Poll,
    /// For an interrupt.
    Halt,
    /// For bytes of the caller's memory.
    Take {
        /// Where they are.
        segment: u16,
        /// Where they are.
        offset: u16,
        /// How many.
        len: u16,
    },
}

/// How a service ends.
pub(crate) type Service<T = ()> = Result<T, Wait>;

/// Bytes on their way to or from the caller's memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    segment: u16,
    offset: u16,
    /// What is left to give, or what has been taken.
    bytes: VecDeque<u8>,
    /// Bytes wanted in all, for taking.
    len: u16,
}

/// A wait for time to pass, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimedWait {
    service: u16,
    esp: u32,
    deadline: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    frame: Frame,
    /// Bits 7:0 of the status while nothing is being moved.
    status: u8,
    gives: VecDeque<Transfer>,
    taking: Option<Transfer>,
    wait: Option<TimedWait>,
    pub post: PostState,
    pub e820: Vec<MemoryRange>,
    pub video: VideoState,
    pub keyboard: KeyboardState,
    pub mouse: MouseState,
    pub el_torito: Option<ElTorito>,
    /// The medium's number each drive had when it was last looked at.
    pub media_seen: Vec<u32>,
    /// What is known of each drive's geometry; empty before the drives have been looked at.
    pub geometries: Vec<Option<Geometry>>,
}

/// What is saved.
#[derive(Serialize)]
struct Saved<'a> {
    state: &'a State,
    call: &'a Option<Call>,
}

/// What is restored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loaded {
    state: State,
    call: Option<Call>,
}

/// The built-in BIOS. Map [`Firmware::WINDOW`] at [`Firmware::PORT_BASE`], and show
/// [`system_rom`](crate::system_rom) at F0000h and below 4 GiB; the VGA BIOS it puts in place itself.
pub struct Firmware {
    pub(crate) machine: Machine,
    pub(crate) clock: Clock,
    pub(crate) config: FirmwareConfig,
    pub(crate) drives: Vec<Drive>,
    pub(crate) state: State,
    /// The disk service that is under way.
    pub(crate) call: Option<Call>,
    /// What the running service has taken.
    taken: Option<Vec<u8>>,
}

const KIND: &str = "firmware";
/// The most bytes a snapshot may hold on their way.
const TRANSFER_MAX: usize = 0x1_0000;
const GIVES_MAX: usize = 16;

impl Firmware {
    /// First port.
    pub const PORT_BASE: u16 = PORT_BASE;
    /// All its ports.
    pub const WINDOW: Window = Window::new(0, PORT_COUNT as u64);

    /// Firmware of a machine with this memory and these ports.
    pub fn new(
        memory: Arc<MemoryMap>,
        io: Arc<IoMap>,
        clock: Clock,
        mut config: FirmwareConfig,
    ) -> Self {
        let mut drives: Vec<Drive> =
            std::mem::take(&mut config.drives).into_iter().map(Drive::new).collect();
        // The first to boot from is the first to be numbered: systems expect to be on disk 80h.
        let order = &config.boot_order;
        drives.sort_by_key(|drive| {
            order.iter().position(|name| *name == drive.name).unwrap_or(order.len())
        });
        let mut firmware = Self {
            machine: Machine { memory, io },
            clock,
            config,
            drives,
            state: State::default(),
            call: None,
            taken: None,
        };
        firmware.reset();
        firmware
    }

    /// Runs the service of the frame.
    fn run(&mut self) {
        let mut frame = self.state.frame;
        self.state.gives.clear();
        self.state.taking = None;
        let result = self.serve(&mut frame);
        self.state.status = match result {
            Ok(()) => {
                self.state.frame = frame;
                self.taken = None;
                Status::Done as u8
            }
            Err(Wait::Poll) => Status::Poll as u8,
            Err(Wait::Halt) => Status::Halt as u8,
            Err(Wait::Take { segment, offset, len }) => {
                let bytes = VecDeque::with_capacity(len.into());
                self.state.taking = Some(Transfer { segment, offset, bytes, len });
                Status::Take as u8
            }
        };
    }

    fn serve(&mut self, f: &mut Frame) -> Service {
        match f.service {
            0x10 => self.int10(f),
            0x11 => self.int11(f),
            0x12 => self.int12(f),
            0x13 => self.int13(f),
            0x14 => self.int14(f),
            0x15 => self.int15(f),
            0x16 => self.int16(f),
            0x17 => self.int17(f),
            0x18 => self.int18(f),
            0x19 => self.int19(f),
            0x1a => self.int1a(f),
            service::DISKETTE => self.int13(f),
            service::POST => self.post(f),
            service::POST_SCREEN => self.post_screen(f),
            service::KEY => self.key_interrupt(f),
            service::RTC => self.rtc_interrupt(f),
            service::MOUSE => self.mouse_interrupt(f),
            service::VGA_START => self.vga_start(f),
            unknown => {
                log::warn!("a firmware stub asks for service {unknown:#x}, which there is not");
                Ok(())
            }
        }
    }

    /// Hands the caller bytes for its memory once the service is done.
    pub(crate) fn give(&mut self, segment: u16, offset: u16, bytes: &[u8]) {
        if bytes.is_empty() || self.state.gives.len() == GIVES_MAX {
            return;
        }
        let bytes: VecDeque<u8> = bytes.iter().take(usize::from(u16::MAX)).copied().collect();
        let len = bytes.len() as u16;
        self.state.gives.push_back(Transfer { segment, offset, bytes, len });
    }

    /// Bytes of the caller's memory. A service takes once, before anything else it does.
    pub(crate) fn take(&mut self, segment: u16, offset: u16, len: u16) -> Service<Vec<u8>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        match &self.taken {
            Some(bytes) if bytes.len() == usize::from(len) => Ok(bytes.clone()),
            _ => Err(Wait::Take { segment, offset, len }),
        }
    }

    /// Waits for `nanos` of guest time, counted from the first time this call of this service asks.
    pub(crate) fn wait(&mut self, f: &Frame, nanos: u64) -> Service {
        /// Time enough to sleep until the next timer tick.
        const TICK: u64 = 60_000_000;
        let now = self.clock.now();
        match self.state.wait {
            Some(wait) if (wait.service, wait.esp) == (f.service, f.esp) => {
                if now >= wait.deadline {
                    self.state.wait = None;
                    Ok(())
                } else if wait.deadline - now > TICK {
                    Err(Wait::Halt)
                } else {
                    Err(Wait::Poll)
                }
            }
            _ => {
                let deadline = now.saturating_add(nanos);
                self.state.wait = Some(TimedWait { service: f.service, esp: f.esp, deadline });
                Err(Wait::Poll)
            }
        }
    }

    /// Forgets the wait of a service that has what it waited for.
    pub(crate) fn end_wait(&mut self, f: &Frame) {
        if self.state.wait.is_some_and(|w| (w.service, w.esp) == (f.service, f.esp)) {
            self.state.wait = None;
        }
    }

    fn status(&self) -> u32 {
        let moving = |code: Status, count: usize| code as u32 | (count as u32) << 16;
        if let Some(give) = self.state.gives.front() {
            moving(Status::Give, give.bytes.len())
        } else if let Some(taking) = &self.state.taking {
            moving(Status::Take, usize::from(taking.len) - taking.bytes.len())
        } else {
            self.state.status.into()
        }
    }

    fn address(&self) -> u32 {
        let transfer = self.state.gives.front().or(self.state.taking.as_ref());
        transfer.map_or(0, |t| u32::from(t.offset) | u32::from(t.segment) << 16)
    }

    fn next_byte(&mut self) -> u8 {
        let Some(give) = self.state.gives.front_mut() else { return 0xff };
        let byte = give.bytes.pop_front().unwrap_or(0xff);
        if give.bytes.is_empty() {
            self.state.gives.pop_front();
        }
        byte
    }

    fn add_byte(&mut self, byte: u8) {
        let Some(taking) = &mut self.state.taking else { return };
        taking.bytes.push_back(byte);
        if taking.bytes.len() == usize::from(taking.len)
            && let Some(done) = self.state.taking.take()
        {
            self.taken = Some(done.bytes.into());
            self.run();
        }
    }
}

impl Device for Firmware {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        for drive in &mut self.drives {
            drive.backend.cancel_all();
        }
        let media_seen = self.drives.iter().map(|d| d.backend.media_generation()).collect();
        self.state = State { media_seen, ..State::default() };
        self.call = None;
        self.taken = None;
    }

    fn save(&self) -> Snapshot {
        Snapshot::new(KIND, 1, &Saved { state: &self.state, call: &self.call })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let Loaded { state, call } = snapshot.open(KIND, 1)?;
        let invalid = |what: &str| Err(SnapshotError::invalid(KIND, what));
        let transfers = || state.gives.iter().chain(&state.taking);
        if state.gives.len() > GIVES_MAX
            || transfers().any(|t| t.bytes.len() > TRANSFER_MAX)
            || state.gives.iter().any(|t| t.bytes.is_empty())
            || state.taking.as_ref().is_some_and(|t| t.bytes.len() >= usize::from(t.len))
        {
            return invalid("a transfer is too long");
        }
        if call.as_ref().is_some_and(|call| !call.is_valid(self.drives.len())) {
            return invalid("the disk service under way");
        }
        if state.media_seen.len() != self.drives.len() {
            return invalid("it has another number of drives");
        }
        if !state.geometries.iter().flatten().all(Geometry::is_valid) {
            return invalid("a drive has an impossible geometry");
        }
        if state.e820.len() > crate::e820::MAX_RANGES {
            return invalid("the memory map is too long");
        }
        if state.el_torito.as_ref().is_some_and(|e| e.drive >= self.drives.len()) {
            return invalid("the emulated diskette is on no drive");
        }
        if !state.mouse.is_valid() || !state.keyboard.is_valid() {
            return invalid("keyboard or mouse");
        }
        for drive in &mut self.drives {
            drive.backend.cancel_all();
        }
        self.state = state;
        self.call = call;
        self.taken = None;
        Ok(())
    }
}

impl BusDevice for Firmware {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        let offset = offset as u16;
        let value = match offset & !3 {
            word if word < 4 * FRAME_WORDS => self.state.frame.word(usize::from(word / 4)),
            COMMAND => self.status(),
            ADDRESS => self.address(),
            DATA if offset == DATA => {
                data.fill_with(|| self.next_byte());
                return;
            }
            _ => u32::MAX,
        };
        let bytes = value.to_le_bytes();
        for (i, byte) in data.iter_mut().enumerate() {
            *byte = bytes.get(usize::from(offset & 3) + i).copied().unwrap_or(0xff);
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let offset = offset as u16;
        match (offset, data) {
            (word, &[a, b, c, d]) if word < 4 * FRAME_WORDS && word & 3 == 0 => {
                let value = u32::from_le_bytes([a, b, c, d]);
                self.state.frame.set_word(usize::from(word / 4), value);
            }
            (COMMAND, &[_, _, _, _]) => {
                self.taken = None;
                self.run();
            }
            (DATA, bytes) => bytes.iter().for_each(|byte| self.add_byte(*byte)),
            _ => log::debug!("{} bytes to firmware port {offset:#x} are dropped", data.len()),
        }
    }
}
