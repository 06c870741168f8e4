//! What is plugged into a port: a disk or a CD drive, as the port's engine sees it.

use aero_bus::block::{BlockBackend, BlockError};
use serde::{Deserialize, Serialize};

use crate::cd::{Cd, CdState};
use crate::disk::{Disk, DiskState};
use crate::fis::{HostToDevice, Status, TaskFile};

/// What a drive says of itself. Longer strings are cut; all but printable ASCII is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveIdentity {
    /// Model number, up to 40 characters; of a CD drive the vendor (8) and the product (16) of INQUIRY
    /// are taken from it, split at the first space.
    pub model: String,
    /// Serial number, up to 20 characters.
    pub serial: String,
    /// Firmware revision, up to 8 characters.
    pub firmware: String,
}

/// What is plugged into a port.
pub enum Attachment {
    /// A disk with 512-byte sectors.
    Disk {
        /// Its contents.
        backend: Box<dyn BlockBackend>,
        /// What it says of itself.
        identity: DriveIdentity,
    },
    /// An ATAPI CD and DVD drive, 2048-byte sectors. A medium of size 0 is none.
    Cd {
        /// Its medium.
        backend: Box<dyn BlockBackend>,
        /// What it says of itself.
        identity: DriveIdentity,
    },
}

/// How a command's data travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Protocol {
    /// Programmed I/O, in blocks of this many bytes.
    Pio(u16),
    /// DMA.
    Dma,
    /// Native command queuing, with this tag.
    Queued(u8),
}

/// How the bytes of the medium appear to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Layout {
    /// As they are.
    Plain,
    /// Each 2048 bytes in a raw CD sector of 2352.
    RawCd,
}

/// Something that the back end has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Operation {
    /// Medium to guest.
    Read { offset: u64, len: u64, layout: Layout },
    /// Guest to medium; then make it durable, if asked to.
    Write { offset: u64, len: u64, durable: bool },
    /// Make all writes durable.
    Flush,
    /// These ranges, offset and length in bytes, are not needed any more.
    Discard { ranges: Vec<(u64, u64)> },
}

/// A command that takes its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Work {
    pub operation: Operation,
    pub protocol: Protocol,
}

/// What is left to do for a command after the drive has looked at it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing: the task file tells the outcome.
    Done,
    /// These bytes go to the guest.
    DataIn { data: Vec<u8>, protocol: Protocol },
    /// This many bytes come from the guest; [`Drive::take_data`] wants them.
    DataOut { len: usize, protocol: Protocol },
    /// The back end is needed.
    Work(Work),
}

/// The device on a port.
pub(crate) enum Drive {
    Disk(Disk),
    Cd(Cd),
}

/// What of a drive goes into the controller's snapshot.
#[derive(Serialize, Deserialize)]
pub(crate) enum DriveState {
    Disk(DiskState),
    Cd(CdState),
}

impl Drive {
    pub fn new(attachment: Attachment) -> Self {
        match attachment {
            Attachment::Disk { backend, identity } => Self::Disk(Disk::new(backend, identity)),
            Attachment::Cd { backend, identity } => Self::Cd(Cd::new(backend, identity)),
        }
    }

    pub fn backend(&mut self) -> &mut dyn BlockBackend {
        match self {
            Self::Disk(disk) => disk.backend.as_mut(),
            Self::Cd(cd) => cd.backend.as_mut(),
        }
    }

    pub fn task_file(&mut self) -> &mut TaskFile {
        match self {
            Self::Disk(disk) => &mut disk.task_file,
            Self::Cd(cd) => &mut cd.task_file,
        }
    }

    /// Power-on, COMRESET or a software reset: settings may survive the last. The task file then
    /// holds the signature.
    pub fn reset(&mut self, is_software: bool) {
        match self {
            Self::Disk(disk) => disk.reset(is_software),
            Self::Cd(cd) => cd.reset(is_software),
        }
    }

    /// The tag, if this is a queued command.
    pub fn queued_tag(&self, fis: &HostToDevice) -> Option<u8> {
        match self {
            Self::Disk(_) => crate::disk::queued_tag(fis),
            Self::Cd(_) => None,
        }
    }

    /// Whether the command is one that comes with a packet.
    pub fn takes_packet(&self, fis: &HostToDevice) -> bool {
        matches!(self, Self::Cd(_)) && fis.command == crate::cd::PACKET
    }

    /// Begins a command.
    pub fn execute(&mut self, fis: &HostToDevice, packet: &[u8; 16]) -> Action {
        let task_file = self.task_file();
        *task_file = TaskFile {
            status: Status::GOOD,
            error: 0,
            lba: fis.lba,
            count: fis.count,
            device: fis.device,
        };
        match self {
            Self::Disk(disk) => disk.execute(fis),
            Self::Cd(cd) => cd.execute(fis, packet),
        }
    }

    /// Goes on with a command that asked for data.
    pub fn take_data(&mut self, data: &[u8]) -> Action {
        match self {
            Self::Disk(disk) => disk.take_data(data),
            Self::Cd(_) => Action::Done,
        }
    }

    /// The back end has failed `work` at byte `at` of it: sets the task file.
    pub fn fail(&mut self, work: &Work, at: u64, error: &BlockError) {
        match self {
            Self::Disk(disk) => disk.fail(work, at, error),
            Self::Cd(cd) => cd.fail(error),
        }
    }

    /// `work` has ended well: sets the task file.
    pub fn succeed(&mut self, work: &Work, transferred: u64) {
        match self {
            Self::Disk(disk) => disk.succeed(),
            Self::Cd(cd) => cd.succeed(work, transferred),
        }
    }

    /// Looks whether the medium was changed.
    pub fn tick(&mut self) {
        if let Self::Cd(cd) = self {
            cd.notice_medium();
        }
    }

    pub fn save(&self) -> DriveState {
        match self {
            Self::Disk(disk) => DriveState::Disk(disk.save()),
            Self::Cd(cd) => DriveState::Cd(cd.save()),
        }
    }

    pub fn restore(&mut self, state: DriveState) -> Result<(), String> {
        match (self, state) {
            (Self::Disk(disk), DriveState::Disk(state)) => disk.restore(state),
            (Self::Cd(cd), DriveState::Cd(state)) => {
                cd.restore(state);
                Ok(())
            }
            (Self::Disk(_), DriveState::Cd(_)) => Err("a CD drive where a disk is".into()),
            (Self::Cd(_), DriveState::Disk(_)) => Err("a disk where a CD drive is".into()),
        }
    }
}

/// Puts `text` into an ATA string field: printable ASCII, padded with spaces.
pub(crate) fn ascii_field(text: &str, field: &mut [u8]) {
    let printable = text.chars().map(|c| if matches!(c, ' '..='~') { c as u8 } else { b'?' });
    for (byte, c) in field.iter_mut().zip(printable.chain(std::iter::repeat(b' '))) {
        *byte = c;
    }
}

/// Puts `text` into words of IDENTIFY data, whose first character is the high byte.
pub(crate) fn ascii_words(text: &str, words: &mut [u16]) {
    let mut bytes = vec![0; words.len() * 2];
    ascii_field(text, &mut bytes);
    for (word, pair) in words.iter_mut().zip(bytes.chunks(2)) {
        *word = u16::from_be_bytes([pair[0], pair[1]]);
    }
}
