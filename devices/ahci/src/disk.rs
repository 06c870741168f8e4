//! A SATA disk: the ATA command set over a medium of 512-byte sectors (ATA8-ACS; the numbers of
//! sections are its).

use aero_bus::block::{BlockBackend, BlockError};
use serde::{Deserialize, Serialize};

use crate::drive::{Action, DriveIdentity, Layout, Operation, Protocol, Work};
use crate::fis::{DEVICE_LBA, Error, HostToDevice, Status, TaskFile};
use crate::{identify, smart};

/// Bytes of a sector.
pub(crate) const SECTOR: u64 = 512;
/// Sectors that READ and WRITE MULTIPLE transfer in a block, at most.
pub(crate) const MAX_MULTIPLE: u8 = 16;
/// Blocks of ranges that DATA SET MANAGEMENT takes.
pub(crate) const MAX_DSM_BLOCKS: u16 = 8;
/// Ranges in those.
const MAX_DSM_RANGES: usize = MAX_DSM_BLOCKS as usize * 64;

const CHS_SECTORS: u64 = 63;
const CHS_HEADS: u64 = 16;
const UDMA_5: u8 = 0x45;

/// Command codes (7).
mod command {
    pub const NOP: u8 = 0x00;
    pub const DATA_SET_MANAGEMENT: u8 = 0x06;
    pub const RECALIBRATE: u8 = 0x10;
    pub const READ_SECTORS: u8 = 0x20;
    pub const READ_SECTORS_NO_RETRY: u8 = 0x21;
    pub const READ_SECTORS_EXT: u8 = 0x24;
    pub const READ_DMA_EXT: u8 = 0x25;
    pub const READ_NATIVE_MAX_EXT: u8 = 0x27;
    pub const READ_MULTIPLE_EXT: u8 = 0x29;
    pub const READ_LOG_EXT: u8 = 0x2f;
    pub const WRITE_SECTORS: u8 = 0x30;
    pub const WRITE_SECTORS_NO_RETRY: u8 = 0x31;
    pub const WRITE_SECTORS_EXT: u8 = 0x34;
    pub const WRITE_DMA_EXT: u8 = 0x35;
    pub const WRITE_MULTIPLE_EXT: u8 = 0x39;
    pub const WRITE_DMA_FUA_EXT: u8 = 0x3d;
    pub const READ_VERIFY: u8 = 0x40;
    pub const READ_VERIFY_NO_RETRY: u8 = 0x41;
    pub const READ_VERIFY_EXT: u8 = 0x42;
    pub const READ_LOG_DMA_EXT: u8 = 0x47;
    pub const READ_FPDMA_QUEUED: u8 = 0x60;
    pub const WRITE_FPDMA_QUEUED: u8 = 0x61;
    pub const SEEK: u8 = 0x70;
    pub const EXECUTE_DEVICE_DIAGNOSTIC: u8 = 0x90;
    pub const INITIALIZE_DEVICE_PARAMETERS: u8 = 0x91;
    pub const STANDBY_IMMEDIATE_OLD: u8 = 0x94;
    pub const IDLE_IMMEDIATE_OLD: u8 = 0x95;
    pub const STANDBY_OLD: u8 = 0x96;
    pub const IDLE_OLD: u8 = 0x97;
    pub const CHECK_POWER_MODE_OLD: u8 = 0x98;
    pub const SLEEP_OLD: u8 = 0x99;
    pub const SMART: u8 = 0xb0;
    pub const READ_MULTIPLE: u8 = 0xc4;
    pub const WRITE_MULTIPLE: u8 = 0xc5;
    pub const SET_MULTIPLE_MODE: u8 = 0xc6;
    pub const READ_DMA: u8 = 0xc8;
    pub const READ_DMA_NO_RETRY: u8 = 0xc9;
    pub const WRITE_DMA: u8 = 0xca;
    pub const WRITE_DMA_NO_RETRY: u8 = 0xcb;
    pub const WRITE_MULTIPLE_FUA_EXT: u8 = 0xce;
    pub const STANDBY_IMMEDIATE: u8 = 0xe0;
    pub const IDLE_IMMEDIATE: u8 = 0xe1;
    pub const STANDBY: u8 = 0xe2;
    pub const IDLE: u8 = 0xe3;
    pub const CHECK_POWER_MODE: u8 = 0xe5;
    pub const SLEEP: u8 = 0xe6;
    pub const FLUSH_CACHE: u8 = 0xe7;
    pub const FLUSH_CACHE_EXT: u8 = 0xea;
    pub const IDENTIFY_DEVICE: u8 = 0xec;
    pub const SET_FEATURES: u8 = 0xef;
    pub const READ_NATIVE_MAX: u8 = 0xf8;
}

/// Subcommands of SET FEATURES (7.45).
mod feature {
    pub const ENABLE_WRITE_CACHE: u8 = 0x02;
    pub const SET_TRANSFER_MODE: u8 = 0x03;
    pub const DISABLE_LOOK_AHEAD: u8 = 0x55;
    pub const KEEP_SETTINGS: u8 = 0x66;
    pub const DISABLE_WRITE_CACHE: u8 = 0x82;
    pub const ENABLE_LOOK_AHEAD: u8 = 0xaa;
    pub const REVERT_SETTINGS: u8 = 0xcc;
}

/// The features bit of DATA SET MANAGEMENT.
const DSM_TRIM: u16 = 1;
/// Force unit access, in the device register of queued writes.
const QUEUED_FUA: u8 = 0x80;
/// CHECK POWER MODE's answers.
const POWER_STANDBY: u16 = 0x00;
const POWER_ACTIVE: u16 = 0xff;

/// What the driver has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Sectors in a block of READ MULTIPLE; 0 while the command is off.
    pub multiple: u8,
    pub write_cache: bool,
    pub look_ahead: bool,
    /// As SET FEATURES has it: 0x40 + mode is Ultra DMA.
    pub transfer_mode: u8,
    /// Current geometry.
    pub heads: u8,
    pub sectors_per_track: u8,
    pub smart: bool,
    pub standby: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            multiple: MAX_MULTIPLE,
            write_cache: true,
            look_ahead: true,
            transfer_mode: UDMA_5,
            heads: CHS_HEADS as u8,
            sectors_per_track: CHS_SECTORS as u8,
            smart: true,
            standby: false,
        }
    }
}

/// What log 0x10 tells of the queued command that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueuedError {
    pub tag: u8,
    pub task_file: TaskFile,
}

pub(crate) struct Disk {
    pub backend: Box<dyn BlockBackend>,
    pub task_file: TaskFile,
    identity: DriveIdentity,
    settings: Settings,
    queued_error: Option<QueuedError>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiskState {
    task_file: TaskFile,
    settings: Settings,
    queued_error: Option<QueuedError>,
}

/// The tag of a queued command.
pub(crate) fn queued_tag(fis: &HostToDevice) -> Option<u8> {
    matches!(fis.command, command::READ_FPDMA_QUEUED | command::WRITE_FPDMA_QUEUED)
        .then_some((fis.count as u8) >> 3)
}

impl Disk {
    pub fn new(backend: Box<dyn BlockBackend>, identity: DriveIdentity) -> Self {
        let mut disk = Self {
            backend,
            task_file: TaskFile::default(),
            identity,
            settings: Settings::default(),
            queued_error: None,
        };
        disk.reset(false);
        disk
    }

    /// Sectors of the medium; what does not fill one is left out.
    fn sectors(&self) -> u64 {
        (self.backend.size() / SECTOR).min(1 << 48)
    }

    pub fn reset(&mut self, is_software: bool) {
        if !is_software {
            self.settings = Settings::default();
        }
        self.settings.standby = false;
        self.queued_error = None;
        self.signature();
    }

    fn signature(&mut self) {
        let passed = 1;
        self.task_file =
            TaskFile { status: Status::GOOD, error: passed, lba: 1, count: 1, device: 0 };
    }

    fn abort(&mut self) -> Action {
        self.error(Error::ABRT)
    }

    fn error(&mut self, error: Error) -> Action {
        self.task_file.status = Status::DRDY | Status::DSC | Status::ERR;
        self.task_file.error = error.bits();
        Action::Done
    }

    fn data_in(&self, data: Vec<u8>, is_dma: bool) -> Action {
        let protocol = if is_dma { Protocol::Dma } else { Protocol::Pio(SECTOR as u16) };
        Action::DataIn { data, protocol }
    }

    pub fn execute(&mut self, fis: &HostToDevice) -> Action {
        use command::*;
        let multiple = Protocol::Pio(u16::from(self.settings.multiple) * SECTOR as u16);
        let single = Protocol::Pio(SECTOR as u16);
        match fis.command {
            READ_SECTORS | READ_SECTORS_NO_RETRY | READ_SECTORS_EXT => self.read(fis, single),
            READ_DMA | READ_DMA_NO_RETRY | READ_DMA_EXT => self.read(fis, Protocol::Dma),
            READ_MULTIPLE | READ_MULTIPLE_EXT => match self.settings.multiple {
                0 => self.abort(),
                _ => self.read(fis, multiple),
            },
            WRITE_SECTORS | WRITE_SECTORS_NO_RETRY | WRITE_SECTORS_EXT => {
                self.write(fis, single, false)
            }
            WRITE_DMA | WRITE_DMA_NO_RETRY | WRITE_DMA_EXT => self.write(fis, Protocol::Dma, false),
            WRITE_DMA_FUA_EXT => self.write(fis, Protocol::Dma, true),
            WRITE_MULTIPLE | WRITE_MULTIPLE_EXT | WRITE_MULTIPLE_FUA_EXT => {
                match self.settings.multiple {
                    0 => self.abort(),
                    _ => self.write(fis, multiple, fis.command == WRITE_MULTIPLE_FUA_EXT),
                }
            }
            READ_FPDMA_QUEUED | WRITE_FPDMA_QUEUED => self.queued(fis),
            READ_VERIFY | READ_VERIFY_NO_RETRY | READ_VERIFY_EXT | SEEK => match self.range(fis) {
                Some(_) => Action::Done,
                None => self.error(Error::IDNF),
            },
            FLUSH_CACHE | FLUSH_CACHE_EXT => {
                Action::Work(Work { operation: Operation::Flush, protocol: Protocol::Dma })
            }
            DATA_SET_MANAGEMENT => self.data_set_management(fis),
            IDENTIFY_DEVICE => {
                let data = identify::disk(&self.identity, &self.settings, self.sectors());
                self.data_in(data, false)
            }
            SET_FEATURES => self.set_features(fis),
            SET_MULTIPLE_MODE => self.set_multiple(fis.count as u8),
            READ_NATIVE_MAX | READ_NATIVE_MAX_EXT => self.native_max(fis),
            READ_LOG_EXT | READ_LOG_DMA_EXT => self.read_log(fis),
            SMART => self.smart(fis),
            STANDBY_IMMEDIATE
            | STANDBY_IMMEDIATE_OLD
            | STANDBY
            | STANDBY_OLD
            | SLEEP
            | SLEEP_OLD => {
                self.settings.standby = true;
                Action::Done
            }
            IDLE_IMMEDIATE | IDLE_IMMEDIATE_OLD | IDLE | IDLE_OLD => {
                self.settings.standby = false;
                Action::Done
            }
            CHECK_POWER_MODE | CHECK_POWER_MODE_OLD => {
                self.task_file.count =
                    if self.settings.standby { POWER_STANDBY } else { POWER_ACTIVE };
                Action::Done
            }
            EXECUTE_DEVICE_DIAGNOSTIC => {
                self.signature();
                Action::Done
            }
            INITIALIZE_DEVICE_PARAMETERS => self.set_geometry(fis),
            RECALIBRATE..=0x1f => Action::Done,
            NOP => self.abort(),
            other => {
                log::debug!("disk: command {other:#04x} is not supported");
                self.abort()
            }
        }
    }

    /// Whether the command takes a 48-bit address and a 16-bit count.
    fn is_ext(code: u8) -> bool {
        use command::*;
        matches!(
            code,
            READ_SECTORS_EXT
                | READ_DMA_EXT
                | READ_NATIVE_MAX_EXT
                | READ_MULTIPLE_EXT
                | WRITE_SECTORS_EXT
                | WRITE_DMA_EXT
                | WRITE_MULTIPLE_EXT
                | WRITE_DMA_FUA_EXT
                | READ_VERIFY_EXT
                | WRITE_MULTIPLE_FUA_EXT
        )
    }

    /// First sector and count of a command, if they are on the medium.
    fn range(&self, fis: &HostToDevice) -> Option<(u64, u64)> {
        let (lba, count) = if Self::is_ext(fis.command) {
            (fis.lba, if fis.count == 0 { 0x1_0000 } else { u64::from(fis.count) })
        } else {
            let count = u64::from(fis.count & 0xff);
            (self.short_address(fis)?, if count == 0 { 0x100 } else { count })
        };
        self.check_range(lba, count)
    }

    fn check_range(&self, lba: u64, count: u64) -> Option<(u64, u64)> {
        let end = lba.checked_add(count)?;
        (end <= self.sectors()).then_some((lba, count))
    }

    /// A 28-bit address, or cylinder, head and sector.
    fn short_address(&self, fis: &HostToDevice) -> Option<u64> {
        let head = u64::from(fis.device & 0x0f);
        if fis.device & DEVICE_LBA != 0 {
            return Some(head << 24 | fis.lba & 0xff_ffff);
        }
        let (sector, cylinder) = (fis.lba & 0xff, fis.lba >> 8 & 0xffff);
        let (heads, per_track) =
            (u64::from(self.settings.heads), u64::from(self.settings.sectors_per_track));
        let exists = sector != 0 && sector <= per_track && head < heads;
        exists.then(|| (cylinder * heads + head) * per_track + sector - 1)
    }

    fn read(&mut self, fis: &HostToDevice, protocol: Protocol) -> Action {
        match self.range(fis) {
            Some((lba, count)) => self.read_sectors(lba, count, protocol),
            None => self.error(Error::IDNF),
        }
    }

    fn read_sectors(&mut self, lba: u64, count: u64, protocol: Protocol) -> Action {
        self.settings.standby = false;
        let (offset, len) = (lba * SECTOR, count * SECTOR);
        let operation = Operation::Read { offset, len, layout: Layout::Plain };
        Action::Work(Work { operation, protocol })
    }

    fn write(&mut self, fis: &HostToDevice, protocol: Protocol, durable: bool) -> Action {
        match self.range(fis) {
            Some((lba, count)) => self.write_sectors(lba, count, protocol, durable),
            None => self.error(Error::IDNF),
        }
    }

    fn write_sectors(&mut self, lba: u64, count: u64, protocol: Protocol, fua: bool) -> Action {
        if self.backend.is_read_only() {
            return self.abort();
        }
        self.settings.standby = false;
        let durable = fua || !self.settings.write_cache;
        let operation = Operation::Write { offset: lba * SECTOR, len: count * SECTOR, durable };
        Action::Work(Work { operation, protocol })
    }

    /// READ and WRITE FPDMA QUEUED: the count is in the features registers (7.24, 7.66).
    fn queued(&mut self, fis: &HostToDevice) -> Action {
        let protocol = Protocol::Queued((fis.count as u8) >> 3);
        let count = if fis.features == 0 { 0x1_0000 } else { u64::from(fis.features) };
        match self.check_range(fis.lba, count) {
            None => self.error(Error::IDNF),
            Some(_) if fis.command == command::READ_FPDMA_QUEUED => {
                self.read_sectors(fis.lba, count, protocol)
            }
            Some(_) => self.write_sectors(fis.lba, count, protocol, fis.device & QUEUED_FUA != 0),
        }
    }

    fn data_set_management(&mut self, fis: &HostToDevice) -> Action {
        let blocks = fis.count;
        if fis.features & DSM_TRIM == 0
            || blocks == 0
            || blocks > MAX_DSM_BLOCKS
            || self.backend.is_read_only()
        {
            return self.abort();
        }
        Action::DataOut { len: usize::from(blocks) * SECTOR as usize, protocol: Protocol::Dma }
    }

    /// The ranges of DATA SET MANAGEMENT: 48 bits of address, 16 of count each (7.5.2).
    pub fn take_data(&mut self, data: &[u8]) -> Action {
        let mut ranges = Vec::new();
        for entry in data.chunks_exact(8).take(MAX_DSM_RANGES) {
            let entry = u64::from_le_bytes(entry.try_into().expect("eight bytes"));
            let (lba, count) = (entry & 0xffff_ffff_ffff, entry >> 48);
            if count == 0 {
                continue;
            }
            if self.check_range(lba, count).is_none() {
                return self.error(Error::IDNF);
            }
            ranges.push((lba * SECTOR, count * SECTOR));
        }
        let operation = Operation::Discard { ranges };
        Action::Work(Work { operation, protocol: Protocol::Dma })
    }

    fn set_features(&mut self, fis: &HostToDevice) -> Action {
        match fis.features as u8 {
            feature::ENABLE_WRITE_CACHE => self.settings.write_cache = true,
            feature::DISABLE_WRITE_CACHE => {
                self.settings.write_cache = false;
                // What is in the cache is to be written first.
                let operation = Operation::Flush;
                return Action::Work(Work { operation, protocol: Protocol::Dma });
            }
            feature::ENABLE_LOOK_AHEAD => self.settings.look_ahead = true,
            feature::DISABLE_LOOK_AHEAD => self.settings.look_ahead = false,
            feature::SET_TRANSFER_MODE => {
                // PIO default, PIO with flow control, multiword DMA 0–2, Ultra DMA 0–5.
                let mode = fis.count as u8;
                if !matches!(mode, 0 | 1 | 0x08..=0x0c | 0x20..=0x22 | 0x40..=UDMA_5) {
                    return self.abort();
                }
                self.settings.transfer_mode = mode;
            }
            feature::KEEP_SETTINGS | feature::REVERT_SETTINGS => {}
            _ => return self.abort(),
        }
        Action::Done
    }

    fn set_multiple(&mut self, sectors: u8) -> Action {
        if sectors > MAX_MULTIPLE || !(sectors == 0 || sectors.is_power_of_two()) {
            return self.abort();
        }
        self.settings.multiple = sectors;
        Action::Done
    }

    fn set_geometry(&mut self, fis: &HostToDevice) -> Action {
        let sectors = fis.count as u8;
        if sectors == 0 {
            return self.abort();
        }
        self.settings.heads = (fis.device & 0x0f) + 1;
        self.settings.sectors_per_track = sectors;
        Action::Done
    }

    fn native_max(&mut self, fis: &HostToDevice) -> Action {
        let last = self.sectors().saturating_sub(1);
        if fis.command == command::READ_NATIVE_MAX_EXT {
            self.task_file.lba = last;
        } else {
            let last = last.min(0xfff_ffff);
            self.task_file.lba = last & 0xff_ffff;
            self.task_file.device = (self.task_file.device & 0xf0) | (last >> 24) as u8;
        }
        Action::Done
    }

    /// READ LOG EXT: the log is in LBA 7:0, the page in 15:8 and 39:32 (7.21).
    fn read_log(&mut self, fis: &HostToDevice) -> Action {
        let page = (fis.lba >> 8 & 0xff) | (fis.lba >> 32 & 0xff) << 8;
        let log = fis.lba as u8;
        match smart::log(log, page, fis.count, self.queued_error.as_ref()) {
            Some(data) => {
                if log == smart::LOG_QUEUED_ERROR {
                    self.queued_error = None;
                }
                self.data_in(data, fis.command == command::READ_LOG_DMA_EXT)
            }
            None => self.abort(),
        }
    }

    fn smart(&mut self, fis: &HostToDevice) -> Action {
        let answer = smart::execute(fis, &mut self.settings.smart);
        match answer {
            smart::Answer::Data(data) => self.data_in(data, false),
            smart::Answer::Done => Action::Done,
            smart::Answer::Abort => self.abort(),
        }
    }

    pub fn fail(&mut self, work: &Work, at: u64, error: &BlockError) {
        log::debug!("disk: {:?} failed after {at} bytes: {error}", work.operation);
        let (offset, code) = match (&work.operation, error) {
            (Operation::Read { offset, .. }, BlockError::Host(_)) => (Some(*offset), Error::UNC),
            (Operation::Read { offset, .. } | Operation::Write { offset, .. }, error) => {
                let is_range = matches!(error, BlockError::OutOfRange { .. });
                (Some(*offset), if is_range { Error::IDNF } else { Error::ABRT })
            }
            _ => (None, Error::ABRT),
        };
        if let Some(offset) = offset {
            self.task_file.lba = (offset + at) / SECTOR;
        }
        self.error(code);
        if matches!((&work.operation, error), (Operation::Write { .. }, BlockError::Host(_))) {
            self.task_file.status |= Status::DF;
        }
        if let Protocol::Queued(tag) = work.protocol {
            self.queued_error = Some(QueuedError { tag, task_file: self.task_file });
        }
    }

    /// A queued command was refused outright: log 0x10 tells which.
    pub fn refuse_queued(&mut self, tag: u8) {
        self.queued_error = Some(QueuedError { tag, task_file: self.task_file });
    }

    pub fn succeed(&mut self) {
        self.task_file.status = Status::GOOD;
        self.task_file.error = 0;
    }

    pub fn save(&self) -> DiskState {
        DiskState {
            task_file: self.task_file,
            settings: self.settings,
            queued_error: self.queued_error,
        }
    }

    pub fn restore(&mut self, state: DiskState) -> Result<(), String> {
        let Settings { multiple, heads, sectors_per_track, .. } = state.settings;
        if multiple > MAX_MULTIPLE {
            return Err(format!("multiple is {multiple}"));
        }
        if heads == 0 || heads > CHS_HEADS as u8 || sectors_per_track == 0 {
            return Err(format!("a geometry of {heads} heads, {sectors_per_track} sectors"));
        }
        (self.task_file, self.settings) = (state.task_file, state.settings);
        self.queued_error = state.queued_error;
        Ok(())
    }
}
