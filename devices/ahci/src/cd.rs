//! An ATAPI CD and DVD drive: the few ATA commands it knows, and PACKET, whose commands are those of
//! MMC-5 and SPC-3.

use aero_bus::block::{BlockBackend, BlockError};
use serde::{Deserialize, Serialize};

use crate::drive::{Action, DriveIdentity, Layout, Operation, Protocol, Work};
use crate::fis::{Error, HostToDevice, Status, TaskFile};
use crate::{identify, mmc};

/// Bytes of a block of data.
pub(crate) const BLOCK: u64 = 2048;
/// Bytes of a raw sector: sync, header, data, EDC and ECC.
const RAW_SECTOR: u64 = 2352;
const RAW_HEADER: usize = 16;

/// ATA commands (ATA8-ACS, 7).
mod command {
    pub const DEVICE_RESET: u8 = 0x08;
    pub const READ_SECTORS: u8 = 0x20;
    pub const EXECUTE_DEVICE_DIAGNOSTIC: u8 = 0x90;
    pub const IDENTIFY_PACKET_DEVICE: u8 = 0xa1;
    pub const STANDBY_IMMEDIATE: u8 = 0xe0;
    pub const IDLE_IMMEDIATE: u8 = 0xe1;
    pub const STANDBY: u8 = 0xe2;
    pub const IDLE: u8 = 0xe3;
    pub const CHECK_POWER_MODE: u8 = 0xe5;
    pub const SLEEP: u8 = 0xe6;
    pub const IDENTIFY_DEVICE: u8 = 0xec;
    pub const SET_FEATURES: u8 = 0xef;
}
/// The PACKET command.
pub(crate) const PACKET: u8 = 0xa0;

const SET_TRANSFER_MODE: u16 = 0x03;
const UDMA_5: u8 = 0x45;
/// The features bit of PACKET that asks for DMA.
const PACKET_DMA: u16 = 1;
const POWER_ACTIVE: u16 = 0xff;

/// The signature, and what the count register tells at the end of a PACKET command.
const SIGNATURE_LBA: u64 = 0xeb_1401;
const REASON_STATUS: u16 = 0x03;

/// Operation codes of packets (MMC-5, 6; SPC-3, 6).
mod packet {
    pub const TEST_UNIT_READY: u8 = 0x00;
    pub const REQUEST_SENSE: u8 = 0x03;
    pub const INQUIRY: u8 = 0x12;
    pub const MODE_SENSE_6: u8 = 0x1a;
    pub const START_STOP_UNIT: u8 = 0x1b;
    pub const PREVENT_ALLOW_MEDIUM_REMOVAL: u8 = 0x1e;
    pub const READ_CAPACITY: u8 = 0x25;
    pub const READ_10: u8 = 0x28;
    pub const SEEK_10: u8 = 0x2b;
    pub const READ_TOC: u8 = 0x43;
    pub const GET_CONFIGURATION: u8 = 0x46;
    pub const GET_EVENT_STATUS_NOTIFICATION: u8 = 0x4a;
    pub const READ_DISC_INFORMATION: u8 = 0x51;
    pub const READ_TRACK_INFORMATION: u8 = 0x52;
    pub const MODE_SENSE_10: u8 = 0x5a;
    pub const READ_12: u8 = 0xa8;
    pub const READ_DVD_STRUCTURE: u8 = 0xad;
    pub const SET_CD_SPEED: u8 = 0xbb;
    pub const MECHANISM_STATUS: u8 = 0xbd;
    pub const READ_CD: u8 = 0xbe;
}

/// What REQUEST SENSE tells: sense key, additional code and qualifier (SPC-3, 4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sense(pub u8, pub u8, pub u8);

/// The senses that occur here.
pub(crate) mod sense {
    use super::Sense;
    pub const NONE: Sense = Sense(0, 0, 0);
    pub const NO_MEDIUM: Sense = Sense(2, 0x3a, 0);
    pub const NO_MEDIUM_TRAY_OPEN: Sense = Sense(2, 0x3a, 2);
    pub const READ_ERROR: Sense = Sense(3, 0x11, 0);
    pub const INVALID_COMMAND: Sense = Sense(5, 0x20, 0);
    pub const ADDRESS_OUT_OF_RANGE: Sense = Sense(5, 0x21, 0);
    pub const INVALID_FIELD: Sense = Sense(5, 0x24, 0);
    pub const REMOVAL_PREVENTED: Sense = Sense(5, 0x53, 2);
    pub const MEDIUM_CHANGED: Sense = Sense(6, 0x28, 0);
}

/// What GET EVENT STATUS NOTIFICATION has to tell about the medium (MMC-5, 6.6.2.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MediaEvent {
    #[default]
    NoChange,
    NewMedia,
    MediaRemoval,
}

pub(crate) struct Cd {
    pub backend: Box<dyn BlockBackend>,
    pub task_file: TaskFile,
    identity: DriveIdentity,
    generation: u32,
    state: State,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    sense: Sense,
    /// Told at the next command that cares.
    unit_attention: bool,
    media_event: MediaEvent,
    tray_open: bool,
    locked: bool,
    transfer_mode: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CdState {
    task_file: TaskFile,
    state: State,
    /// Bytes of the medium that was in the drive.
    medium: u64,
}

impl Cd {
    pub fn new(backend: Box<dyn BlockBackend>, identity: DriveIdentity) -> Self {
        let generation = backend.media_generation();
        let state = State::default();
        let mut cd = Self { backend, task_file: TaskFile::default(), identity, generation, state };
        cd.reset(false);
        cd
    }

    pub fn reset(&mut self, is_software: bool) {
        if !is_software {
            // The tray is a thing of the real world: a reset does not close it.
            let tray_open = self.state.tray_open;
            self.state = State { tray_open, transfer_mode: UDMA_5, ..State::default() };
        }
        self.signature();
    }

    fn signature(&mut self) {
        let passed = 1;
        self.task_file = TaskFile {
            status: Status::empty(),
            error: passed,
            lba: SIGNATURE_LBA,
            count: 1,
            device: 0,
        };
    }

    /// Looks whether the medium was changed from outside; that closes the tray.
    pub fn notice_medium(&mut self) {
        let generation = self.backend.media_generation();
        if self.generation != generation {
            self.generation = generation;
            self.state.tray_open = false;
            let is_empty = self.blocks() == 0;
            self.state.unit_attention = !is_empty;
            self.state.media_event =
                if is_empty { MediaEvent::MediaRemoval } else { MediaEvent::NewMedia };
        }
    }

    /// 2048-byte blocks of the medium; 0 when there is none to be read.
    fn blocks(&self) -> u64 {
        if self.state.tray_open { 0 } else { (self.backend.size() / BLOCK).min(1 << 32) }
    }

    fn abort(&mut self) -> Action {
        self.task_file.status = Status::DRDY | Status::ERR;
        self.task_file.error = Error::ABRT.bits();
        Action::Done
    }

    pub fn execute(&mut self, fis: &HostToDevice, packet: &[u8; 16]) -> Action {
        use command::*;
        match fis.command {
            PACKET => self.packet(fis, packet),
            IDENTIFY_PACKET_DEVICE => {
                let data = identify::cd(&self.identity, self.state.transfer_mode);
                Action::DataIn { data, protocol: Protocol::Pio(512) }
            }
            // By these a driver finds out that this is no disk (9.12).
            IDENTIFY_DEVICE | READ_SECTORS => {
                self.signature();
                self.abort()
            }
            DEVICE_RESET => {
                self.signature();
                Action::Done
            }
            EXECUTE_DEVICE_DIAGNOSTIC => {
                self.signature();
                Action::Done
            }
            SET_FEATURES if fis.features & 0xff == SET_TRANSFER_MODE => {
                let mode = fis.count as u8;
                if !matches!(mode, 0 | 1 | 0x08..=0x0c | 0x20..=0x22 | 0x40..=UDMA_5) {
                    return self.abort();
                }
                self.state.transfer_mode = mode;
                Action::Done
            }
            STANDBY_IMMEDIATE | IDLE_IMMEDIATE | STANDBY | IDLE | SLEEP => Action::Done,
            CHECK_POWER_MODE => {
                self.task_file.count = POWER_ACTIVE;
                Action::Done
            }
            other => {
                log::debug!("CD drive: command {other:#04x} is not supported");
                self.abort()
            }
        }
    }

    fn packet(&mut self, fis: &HostToDevice, packet: &[u8; 16]) -> Action {
        self.task_file.count = REASON_STATUS;
        self.notice_medium();
        let code = packet[0];
        let is_always_answered = matches!(
            code,
            packet::INQUIRY
                | packet::REQUEST_SENSE
                | packet::GET_CONFIGURATION
                | packet::GET_EVENT_STATUS_NOTIFICATION
        );
        if self.state.unit_attention && !is_always_answered {
            self.state.unit_attention = false;
            return self.check_condition(sense::MEDIUM_CHANGED);
        }
        // For PIO, the driver says how many bytes it takes in a block.
        let is_dma = fis.features & PACKET_DMA != 0;
        let limit = match (fis.lba >> 8) as u16 & 0xfffe {
            0 => 0xfffe,
            limit => limit,
        };
        let protocol = if is_dma { Protocol::Dma } else { Protocol::Pio(limit) };
        let result = self.perform(packet, protocol);
        if code != packet::REQUEST_SENSE {
            self.state.sense = *result.as_ref().err().unwrap_or(&sense::NONE);
        }
        match result {
            Ok(Answer::Done) => Action::Done,
            Ok(Answer::Data(data)) => {
                self.byte_count(data.len() as u64, protocol);
                Action::DataIn { data, protocol }
            }
            Ok(Answer::Work(work)) => Action::Work(work),
            Err(sense) => self.check_condition(sense),
        }
    }

    /// At the end of PIO the LBA registers tell the size of the last block.
    fn byte_count(&mut self, len: u64, protocol: Protocol) {
        if let Protocol::Pio(limit) = protocol {
            let rest = len % u64::from(limit);
            let last = if rest == 0 { len.min(limit.into()) } else { rest };
            self.task_file.lba = (self.task_file.lba & !0xff_ff00) | last << 8;
        }
    }

    fn check_condition(&mut self, sense: Sense) -> Action {
        self.state.sense = sense;
        self.task_file.status = Status::DRDY | Status::ERR;
        self.task_file.error = sense.0 << 4;
        if sense.0 == sense::INVALID_COMMAND.0 {
            self.task_file.error |= Error::ABRT.bits();
        }
        self.task_file.count = REASON_STATUS;
        Action::Done
    }

    fn ready(&self) -> Result<u64, Sense> {
        match self.blocks() {
            0 if self.state.tray_open => Err(sense::NO_MEDIUM_TRAY_OPEN),
            0 => Err(sense::NO_MEDIUM),
            blocks => Ok(blocks),
        }
    }

    fn perform(&mut self, cdb: &[u8; 16], protocol: Protocol) -> Result<Answer, Sense> {
        use packet::*;
        let be16 = |at: usize| u16::from_be_bytes([cdb[at], cdb[at + 1]]);
        let be32 = |at: usize| u32::from_be_bytes([cdb[at], cdb[at + 1], cdb[at + 2], cdb[at + 3]]);
        // What does not fit the allocation length is cut off.
        let data = |mut data: Vec<u8>, allocation: usize| {
            data.truncate(allocation);
            Ok(if data.is_empty() { Answer::Done } else { Answer::Data(data) })
        };
        match cdb[0] {
            TEST_UNIT_READY => self.ready().map(|_| Answer::Done),
            REQUEST_SENSE => {
                let mut sense = std::mem::take(&mut self.state.sense);
                if sense == sense::NONE && self.state.unit_attention {
                    self.state.unit_attention = false;
                    sense = sense::MEDIUM_CHANGED;
                }
                data(mmc::sense_data(sense), cdb[4].into())
            }
            INQUIRY if cdb[1] & 1 != 0 || cdb[2] != 0 => Err(sense::INVALID_FIELD),
            INQUIRY => data(mmc::inquiry(&self.identity), cdb[4].into()),
            MODE_SENSE_6 => {
                let pages = mmc::mode_pages(cdb[2], self.state.locked)?;
                data(mmc::mode_sense_6(&pages, self.blocks()), cdb[4].into())
            }
            MODE_SENSE_10 => {
                let pages = mmc::mode_pages(cdb[2], self.state.locked)?;
                data(mmc::mode_sense_10(&pages, self.blocks()), be16(7).into())
            }
            START_STOP_UNIT => self.start_stop(cdb[4]),
            PREVENT_ALLOW_MEDIUM_REMOVAL => {
                self.state.locked = cdb[4] & 1 != 0;
                Ok(Answer::Done)
            }
            READ_CAPACITY => {
                let last = u32::try_from(self.ready()? - 1).unwrap_or(u32::MAX);
                let block = BLOCK as u32;
                data([last.to_be_bytes(), block.to_be_bytes()].concat(), 8)
            }
            READ_10 => self.read(be32(2), be16(7).into(), Layout::Plain, protocol),
            READ_12 => self.read(be32(2), be32(6), Layout::Plain, protocol),
            READ_CD => self.read_cd(cdb, be32(2), protocol),
            SEEK_10 => match self.ready()? {
                blocks if u64::from(be32(2)) < blocks => Ok(Answer::Done),
                _ => Err(sense::ADDRESS_OUT_OF_RANGE),
            },
            READ_TOC => {
                // The format is in byte 2, or with older drivers in the top bits of byte 9.
                let format = match cdb[2] & 0xf {
                    0 => cdb[9] >> 6,
                    format => format,
                };
                let toc = mmc::toc(format, cdb[6], cdb[1] & 2 != 0, self.ready()?)?;
                data(toc, be16(7).into())
            }
            GET_CONFIGURATION => {
                data(mmc::configuration(cdb[1], be16(2), self.blocks())?, be16(7).into())
            }
            GET_EVENT_STATUS_NOTIFICATION => {
                self.notification(cdb[1], cdb[4]).and_then(|event| data(event, be16(7).into()))
            }
            READ_DISC_INFORMATION => {
                self.ready()?;
                match cdb[1] & 7 {
                    0 => data(mmc::disc_information(), be16(7).into()),
                    _ => Err(sense::INVALID_FIELD),
                }
            }
            READ_TRACK_INFORMATION => data(mmc::track_information(self.ready()?), be16(7).into()),
            READ_DVD_STRUCTURE => {
                let structure = mmc::dvd_structure(cdb[7], self.ready()?)?;
                data(structure, be16(8).into())
            }
            SET_CD_SPEED => Ok(Answer::Done),
            MECHANISM_STATUS => data(mmc::mechanism_status(), be16(8).into()),
            other => {
                log::debug!("CD drive: packet command {other:#04x} is not supported");
                Err(sense::INVALID_COMMAND)
            }
        }
    }

    fn start_stop(&mut self, bits: u8) -> Result<Answer, Sense> {
        const START: u8 = 1;
        const LOAD_EJECT: u8 = 2;
        if bits & LOAD_EJECT == 0 {
            return Ok(Answer::Done);
        }
        if bits & START != 0 {
            if std::mem::take(&mut self.state.tray_open) && self.blocks() != 0 {
                self.state.unit_attention = true;
                self.state.media_event = MediaEvent::NewMedia;
            }
        } else if self.state.locked {
            return Err(sense::REMOVAL_PREVENTED);
        } else if !self.state.tray_open {
            self.state.tray_open = true;
            self.state.media_event = MediaEvent::MediaRemoval;
        }
        Ok(Answer::Done)
    }

    fn notification(&mut self, polled: u8, classes: u8) -> Result<Vec<u8>, Sense> {
        const POLLED: u8 = 1;
        if polled & POLLED == 0 {
            // Asynchronous notification is not there.
            return Err(sense::INVALID_FIELD);
        }
        let has_medium = self.blocks() != 0;
        let event = &mut self.state.media_event;
        Ok(mmc::event(classes, event, self.state.tray_open, has_medium))
    }

    fn read(
        &mut self,
        lba: u32,
        count: u32,
        layout: Layout,
        protocol: Protocol,
    ) -> Result<Answer, Sense> {
        let blocks = self.ready()?;
        if u64::from(lba) + u64::from(count) > blocks {
            return Err(sense::ADDRESS_OUT_OF_RANGE);
        }
        if count == 0 {
            return Ok(Answer::Done);
        }
        let (offset, len) = (u64::from(lba) * BLOCK, u64::from(count) * BLOCK);
        self.byte_count(guest_len(layout, len), protocol);
        let operation = Operation::Read { offset, len, layout };
        Ok(Answer::Work(Work { operation, protocol }))
    }

    /// READ CD (MMC-5, 6.19): user data alone, or whole sectors.
    fn read_cd(&mut self, cdb: &[u8; 16], lba: u32, protocol: Protocol) -> Result<Answer, Sense> {
        const NOTHING: u8 = 0x00;
        const USER_DATA: u8 = 0x10;
        const EVERYTHING: u8 = 0xf8;
        let count = u32::from_be_bytes([0, cdb[6], cdb[7], cdb[8]]);
        // Any type of sector, or mode 1; no subchannel.
        if !matches!(cdb[1] >> 2 & 7, 0 | 2) || cdb[10] & 7 != 0 {
            return Err(sense::INVALID_FIELD);
        }
        match cdb[9] & 0xf8 {
            NOTHING => self.read(lba, 0, Layout::Plain, protocol),
            USER_DATA => self.read(lba, count, Layout::Plain, protocol),
            EVERYTHING => self.read(lba, count, Layout::RawCd, protocol),
            _ => Err(sense::INVALID_FIELD),
        }
    }

    pub fn fail(&mut self, error: &BlockError) {
        log::debug!("CD drive: {error}");
        let sense = match error {
            BlockError::OutOfRange { .. } => sense::ADDRESS_OUT_OF_RANGE,
            BlockError::NoMedium => sense::NO_MEDIUM,
            BlockError::ReadOnly | BlockError::Host(_) => sense::READ_ERROR,
        };
        self.check_condition(sense);
    }

    pub fn succeed(&mut self, work: &Work, transferred: u64) {
        self.byte_count(transferred, work.protocol);
        self.task_file.status = Status::GOOD;
        self.task_file.error = 0;
        self.task_file.count = REASON_STATUS;
    }

    pub fn save(&self) -> CdState {
        CdState {
            task_file: self.task_file,
            state: self.state.clone(),
            medium: self.backend.size(),
        }
    }

    /// Another medium than at the time of the snapshot is one that was changed.
    pub fn restore(&mut self, state: CdState) {
        self.task_file = state.task_file;
        self.state = state.state;
        self.generation = self.backend.media_generation();
        if self.backend.size() != state.medium {
            self.generation = self.generation.wrapping_sub(1);
        }
    }
}

/// What a packet command comes to.
enum Answer {
    Done,
    Data(Vec<u8>),
    Work(Work),
}

/// Bytes that `len` bytes of the medium are for the guest.
pub(crate) fn guest_len(layout: Layout, len: u64) -> u64 {
    match layout {
        Layout::Plain => len,
        Layout::RawCd => len / BLOCK * RAW_SECTOR,
    }
}

/// Dresses blocks from `offset` on as raw mode 1 sectors. Their check codes are zero.
pub(crate) fn raw_sectors(offset: u64, data: &[u8]) -> Vec<u8> {
    let mut raw = vec![0; guest_len(Layout::RawCd, data.len() as u64) as usize];
    let sectors = raw.chunks_exact_mut(RAW_SECTOR as usize);
    for (n, (sector, block)) in sectors.zip(data.chunks_exact(BLOCK as usize)).enumerate() {
        let [_, minute, second, frame] = mmc::msf(offset / BLOCK + n as u64);
        let bcd = |n: u8| ((n / 10) << 4) | (n % 10);
        sector[1..11].fill(0xff);
        sector[12] = bcd(minute);
        sector[13] = bcd(second);
        sector[14] = bcd(frame);
        sector[15] = 1;
        sector[RAW_HEADER..][..BLOCK as usize].copy_from_slice(block);
    }
    raw
}
