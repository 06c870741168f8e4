//! Drives behind INT 13h: reaching the back ends, and where each drive number leads.

mod boot;
mod chs;
mod edd;
mod eltorito;
mod geometry;
mod int13;

use aero_bus::block::{BlockBackend, BlockError, BlockOp, BlockRequest};
use serde::{Deserialize, Serialize};

use crate::config::{BootDrive, DriveKind};
use crate::device::{Firmware, Service, Wait};
use crate::frame::Frame;

pub(crate) use geometry::Geometry;

/// First INT 13h numbers of hard disks and CDs.
pub(crate) const FIRST_DISK: u8 = 0x80;
pub(crate) const FIRST_CD: u8 = 0xe0;
/// Bytes in a sector.
pub(crate) const SECTOR: u32 = 512;
pub(crate) const CD_SECTOR: u32 = 2048;
/// Bytes moved in one request.
const CHUNK: u32 = 0x1_0000;

/// INT 13h status codes.
pub(crate) mod status {
    pub const OK: u8 = 0x00;
    pub const INVALID: u8 = 0x01;
    pub const WRITE_PROTECTED: u8 = 0x03;
    pub const NOT_FOUND: u8 = 0x04;
    pub const CHANGED: u8 = 0x06;
    pub const CONTROLLER: u8 = 0x20;
    pub const NO_MEDIUM: u8 = 0x31;
    pub const NOT_READY: u8 = 0xaa;
    pub const NOT_REMOVABLE: u8 = 0xb2;
}

/// A drive at work.
pub(crate) struct Drive {
    pub name: String,
    pub kind: DriveKind,
    pub backend: Box<dyn BlockBackend>,
}

impl Drive {
    pub fn new(drive: BootDrive) -> Self {
        Self { name: drive.name, kind: drive.kind, backend: drive.backend }
    }

    /// Bytes in a sector, as INT 13h counts them.
    pub fn sector(&self) -> u32 {
        if self.kind == DriveKind::Cd { CD_SECTOR } else { SECTOR }
    }

    /// Sectors on the medium.
    pub fn sectors(&self) -> u64 {
        self.backend.size() / u64::from(self.sector())
    }
}

/// A CD's boot image that stands in for a diskette or a hard disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ElTorito {
    /// Index of the CD drive.
    pub drive: usize,
    /// Boot media type: 0 none, 1 to 3 diskettes, 4 hard disk.
    pub media: u8,
    /// INT 13h number that leads to the image, or to the CD when nothing is emulated.
    pub number: u8,
    /// First sector of the image, 2048 bytes each.
    pub image: u32,
    /// Segment and length (512 bytes each) of what was loaded.
    pub load_segment: u16,
    pub load_count: u16,
    /// Whether the number leads to the image.
    pub active: bool,
}

/// Where an INT 13h drive number leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Index of the drive.
    pub drive: usize,
    /// What it is to the caller.
    pub kind: DriveKind,
    /// Byte offset of its first sector on the medium.
    pub start: u64,
    /// Sectors.
    pub sectors: u64,
    /// Bytes in a sector.
    pub sector: u32,
    /// Whether it is a CD's boot image.
    pub emulated: bool,
}

/// A disk service under way: what it has read so far, and the request in flight. The service runs from
/// its start each time; requests that have completed are answered from here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    service: u16,
    esp: u32,
    done: Vec<Result<Vec<u8>, BlockError>>,
    #[serde(skip)]
    next: usize,
    in_flight: Option<usize>,
    /// Chunks of a long transfer that are finished.
    chunks: u64,
    id: u64,
    /// The request in flight was that of a saved machine: the medium is to be asked again.
    #[serde(skip, default = "asked_again")]
    ask_again: bool,
}

fn asked_again() -> bool {
    true
}

/// Requests of a call that a snapshot may hold, and bytes they may have read.
const MAX_DONE: usize = 256;
const MAX_DONE_BYTES: usize = 16 << 20;

impl Call {
    /// Whether a saved call can go on.
    pub fn is_valid(&self, drives: usize) -> bool {
        let bytes: usize = self.done.iter().flatten().map(Vec::len).sum();
        self.done.len() <= MAX_DONE
            && bytes <= MAX_DONE_BYTES
            && self.in_flight.is_none_or(|drive| drive < drives)
    }
}

impl Firmware {
    /// Starts a disk service, or goes on with it when it is the one under way. Returns whether it
    /// starts.
    pub(crate) fn begin_call(&mut self, f: &Frame) -> bool {
        match &mut self.call {
            Some(call) if (call.service, call.esp) == (f.service, f.esp) => {
                call.next = 0;
                false
            }
            _ => {
                // Whoever called before has gone away without its answer.
                self.end_call();
                self.call = Some(Call {
                    service: f.service,
                    esp: f.esp,
                    done: Vec::new(),
                    next: 0,
                    in_flight: None,
                    chunks: 0,
                    id: 0,
                    ask_again: false,
                });
                true
            }
        }
    }

    /// The service under way is over.
    pub(crate) fn end_call(&mut self) {
        if let Some(call) = self.call.take()
            && let Some(drive) = call.in_flight
            && let Some(drive) = self.drives.get_mut(drive)
        {
            drive.backend.cancel_all();
        }
    }

    /// One request of the service under way.
    pub(crate) fn disk(
        &mut self,
        drive: usize,
        op: BlockOp,
    ) -> Service<Result<Vec<u8>, BlockError>> {
        let (Some(call), Some(backend)) = (&mut self.call, self.drives.get_mut(drive)) else {
            return Ok(Err(BlockError::NoMedium));
        };
        let backend = &mut backend.backend;
        if let Some(result) = call.done.get(call.next) {
            call.next += 1;
            return Ok(result.clone());
        }
        let was_in_flight = call.in_flight.replace(drive).is_some();
        let ask_again = std::mem::take(&mut call.ask_again);
        if !was_in_flight {
            call.id = call.id.wrapping_add(1);
        }
        if !was_in_flight || ask_again {
            backend.submit(BlockRequest { id: call.id, op });
        }
        while let Some(completion) = backend.poll() {
            if completion.id == call.id {
                call.in_flight = None;
                call.done.push(completion.result.clone());
                call.next += 1;
                return Ok(completion.result);
            }
        }
        Err(Wait::Poll)
    }

    /// Reads bytes of a medium; an INT 13h status if it fails.
    pub(crate) fn disk_read(
        &mut self,
        drive: usize,
        offset: u64,
        len: u32,
    ) -> Service<Result<Vec<u8>, u8>> {
        let result = self.disk(drive, BlockOp::Read { offset, len })?;
        Ok(match result {
            Ok(bytes) if bytes.len() == len as usize => Ok(bytes),
            Ok(_) => Err(status::CONTROLLER),
            Err(error) => Err(error_status(&error)),
        })
    }

    /// Moves `count` sectors from `lba` on between the drive and memory at `address`. Returns the
    /// sectors moved, and why not all.
    pub(crate) fn disk_transfer(
        &mut self,
        target: Target,
        lba: u64,
        count: u32,
        address: u64,
        write: bool,
    ) -> Service<(u32, u8)> {
        let at_once = CHUNK / target.sector;
        let mut done = 0;
        for chunk in 0.. {
            if done == count {
                break;
            }
            let part = at_once.min(count - done);
            let finished = self.call.as_ref().is_some_and(|call| chunk < call.chunks);
            if !finished {
                let len = part * target.sector;
                let offset = target.start + (lba + u64::from(done)) * u64::from(target.sector);
                let memory = address.wrapping_add(u64::from(done) * u64::from(target.sector));
                let op = if write {
                    let mut data = vec![0; len as usize];
                    self.machine.memory.read(memory, &mut data);
                    BlockOp::Write { offset, data }
                } else {
                    BlockOp::Read { offset, len }
                };
                match self.disk(target.drive, op)? {
                    Ok(bytes) if write || bytes.len() == len as usize => {
                        if !write {
                            self.machine.write(memory, &bytes);
                        }
                    }
                    Ok(_) => return Ok((done, status::CONTROLLER)),
                    Err(error) => return Ok((done, error_status(&error))),
                }
                if let Some(call) = &mut self.call {
                    call.done.clear();
                    call.next = 0;
                    call.chunks += 1;
                }
            }
            done += part;
        }
        Ok((done, status::OK))
    }

    /// Where drive `number` leads.
    pub(crate) fn target(&self, number: u8) -> Option<Target> {
        let emulation = self.state.el_torito.filter(|e| e.active && e.media != 0);
        if let Some(emulation) = emulation.filter(|e| e.number == number) {
            return self.emulated_target(&emulation);
        }
        let (kind, mut index) = match number {
            0..FIRST_DISK => (DriveKind::Floppy, number),
            FIRST_DISK..FIRST_CD => (DriveKind::HardDisk, number - FIRST_DISK),
            FIRST_CD.. => (DriveKind::Cd, number - FIRST_CD),
        };
        // The image has taken the first number; the drives move up.
        if emulation.is_some_and(|e| e.number & FIRST_DISK == number & FIRST_DISK)
            && kind != DriveKind::Cd
        {
            index = index.checked_sub(1)?;
        }
        let (drive, at) = self
            .drives
            .iter()
            .enumerate()
            .filter(|(_, drive)| drive.kind == kind)
            .nth(index.into())?;
        Some(Target {
            drive,
            kind,
            start: 0,
            sectors: at.sectors(),
            sector: at.sector(),
            emulated: false,
        })
    }

    /// The geometry a drive shows.
    pub(crate) fn geometry(&self, target: Target) -> Geometry {
        let found = self.state.geometries.get(target.drive).copied().flatten();
        found.filter(|_| !target.emulated).unwrap_or_else(|| Geometry::of(&target))
    }

    /// Looks at the hard disks' partition tables for their geometries.
    pub(crate) fn find_geometries(&mut self, f: &Frame) -> Service {
        self.begin_call(f);
        let mut found = Vec::new();
        for index in 0..self.drives.len() {
            let drive = &self.drives[index];
            let total = drive.sectors();
            let is_disk = drive.kind == DriveKind::HardDisk && total > 0;
            found.push(match is_disk {
                true => match self.disk_read(index, 0, SECTOR)? {
                    Ok(first) => Geometry::from_partitions(&first, total),
                    Err(_) => None,
                },
                false => None,
            });
        }
        self.end_call();
        self.state.geometries = found;
        Ok(())
    }

    /// The INT 13h number of drive `index` of the list.
    pub(crate) fn drive_number(&self, index: usize) -> u8 {
        let Some(drive) = self.drives.get(index) else { return 0 };
        let before = self.drives[..index].iter().filter(|d| d.kind == drive.kind).count() as u8;
        match drive.kind {
            DriveKind::HardDisk => FIRST_DISK.saturating_add(before.min(0x5f)),
            DriveKind::Cd => FIRST_CD.saturating_add(before.min(0x1f)),
            DriveKind::Floppy => before,
        }
    }

    /// How many drives of a kind INT 13h knows, an emulated one included.
    pub(crate) fn drive_count(&self, kind: DriveKind) -> u8 {
        let real = self.drives.iter().filter(|drive| drive.kind == kind).count() as u8;
        let emulated = self.state.el_torito.is_some_and(|e| {
            let as_kind = match e.media {
                0 => return false,
                4 => DriveKind::HardDisk,
                _ => DriveKind::Floppy,
            };
            e.active && kind == as_kind
        });
        real.saturating_add(emulated.into())
    }
}

/// The INT 13h status that tells of an error.
pub(crate) fn error_status(error: &BlockError) -> u8 {
    match error {
        BlockError::OutOfRange { .. } => status::NOT_FOUND,
        BlockError::ReadOnly => status::WRITE_PROTECTED,
        BlockError::NoMedium => status::NO_MEDIUM,
        BlockError::Host(what) => {
            log::warn!("a disk service failed: {what}");
            status::CONTROLLER
        }
    }
}
