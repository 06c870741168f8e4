//! The functions of INT 13h that name sectors by cylinder, head and sector.

use crate::bda;
use crate::config::DriveKind;
use crate::device::{Firmware, Service};
use crate::frame::{Frame, linear};
use crate::rom;

use super::int13::Outcome;
use super::{FIRST_DISK, Geometry, Target, status};

/// AH of the transfers.
const WRITE: u8 = 0x03;
const VERIFY: u8 = 0x04;

impl Firmware {
    /// AH = 02h, 03h, 04h: AL sectors at CH, CL, DH, between the drive and ES:BX.
    pub(super) fn chs_transfer(&mut self, f: &mut Frame, target: Target) -> Service<Outcome> {
        let count = u32::from(f.al());
        let Some(lba) = place(f, &self.geometry(target)) else {
            f.set_al(0);
            return Ok(Err(status::INVALID));
        };
        if count == 0 || target.sector != super::SECTOR {
            f.set_al(0);
            return Ok(Err(status::INVALID));
        }
        if target.kind == DriveKind::Floppy && target.sectors == 0 {
            f.set_al(0);
            return Ok(Err(status::NOT_READY));
        }
        if target.kind == DriveKind::Floppy && self.take_change(target) {
            f.set_al(0);
            return Ok(Err(status::CHANGED));
        }
        if lba + u64::from(count) > target.sectors {
            f.set_al(0);
            return Ok(Err(status::NOT_FOUND));
        }
        if f.ah() == VERIFY {
            return Ok(Ok(()));
        }
        if f.ah() == WRITE && target.emulated {
            f.set_al(0);
            return Ok(Err(status::WRITE_PROTECTED));
        }
        let address = linear(f.es, f.bx());
        let (done, code) = self.disk_transfer(target, lba, count, address, f.ah() == WRITE)?;
        f.set_al(done as u8);
        Ok(if code == status::OK { Ok(()) } else { Err(code) })
    }

    /// AH = 05h: a diskette's track, which becomes F6h throughout.
    pub(super) fn format_track(&mut self, f: &mut Frame, target: Target) -> Service<Outcome> {
        use aero_bus::block::BlockOp;
        const FILL: u8 = 0xf6;
        if target.kind != DriveKind::Floppy || target.emulated {
            return Ok(Err(status::INVALID));
        }
        let geometry = self.geometry(target);
        let Some(lba) = geometry.lba(f.ch().into(), f.dh().into(), 1) else {
            return Ok(Err(status::INVALID));
        };
        if lba + u64::from(geometry.sectors) > target.sectors {
            return Ok(Err(status::NOT_FOUND));
        }
        let data = vec![FILL; (geometry.sectors * target.sector) as usize];
        let offset = lba * u64::from(target.sector);
        let result = self.disk(target.drive, BlockOp::Write { offset, data })?;
        Ok(result.map(|_| ()).map_err(|error| super::error_status(&error)))
    }

    /// AH = 08h.
    pub(super) fn drive_parameters(&mut self, f: &mut Frame, target: Target) -> Outcome {
        if target.kind == DriveKind::Cd {
            return Err(status::INVALID);
        }
        let geometry = self.geometry(target);
        // The last cylinder and head, and the number of sectors.
        let cylinder = geometry.cylinders - 1;
        f.set_ax(0);
        f.set_ch(cylinder as u8);
        f.set_cl(geometry.sectors as u8 & 0x3f | (cylinder >> 2) as u8 & 0xc0);
        f.set_dh((geometry.heads - 1) as u8);
        f.set_dl(self.drive_count(target.kind));
        if target.kind == DriveKind::Floppy {
            f.set_bx(geometry.floppy_type().into());
            f.es = rom::ROM_SEGMENT;
            f.set_di(rom::FLOPPY_PARAMETERS);
        }
        Ok(())
    }

    /// AH = 08h for a diskette drive that is not there.
    pub(super) fn no_floppy_parameters(&mut self, f: &mut Frame) {
        let count = self.drive_count(DriveKind::Floppy);
        (f.eax, f.ebx, f.ecx, f.edx) = (0, 0, 0, count.into());
        (f.es, f.edi) = (0, 0);
    }

    /// AH = 15h: 1 a diskette without change line, 2 one with it, 3 a hard disk and its size.
    pub(super) fn drive_type(&mut self, f: &mut Frame, target: Target) {
        match target.kind {
            DriveKind::Floppy => f.set_ah(2),
            DriveKind::Cd => f.set_ah(0),
            DriveKind::HardDisk => {
                let geometry = self.geometry(target);
                let sectors = geometry.cylinders * geometry.heads * geometry.sectors;
                f.set_ah(3);
                f.set_cx((sectors >> 16) as u16);
                f.set_dx(sectors as u16);
            }
        }
    }

    /// AH = 16h.
    pub(super) fn change_line(&mut self, f: &mut Frame, target: Target) -> Outcome {
        if target.kind != DriveKind::Floppy {
            return Err(status::INVALID);
        }
        f.set_ah(status::OK);
        if self.take_change(target) { Err(status::CHANGED) } else { Ok(()) }
    }

    /// AH = 17h, 18h: the medium to be formatted; any that the drive has.
    pub(super) fn set_medium(&mut self, f: &mut Frame, target: Target) -> Outcome {
        if target.kind != DriveKind::Floppy {
            return Err(status::INVALID);
        }
        if f.ah() == 0x18 {
            f.es = rom::ROM_SEGMENT;
            f.set_di(rom::FLOPPY_PARAMETERS);
        }
        Ok(())
    }

    /// The number of drives in the BDA, and the tables behind INT 41h and 46h.
    pub(crate) fn publish_drives(&mut self) {
        let disks = self.drive_count(DriveKind::HardDisk);
        self.machine.write8(bda::at::DISK_COUNT, disks);
        for (index, vector) in [(0u8, 0x41u64), (1, 0x46)] {
            let offset = rom::DISK_PARAMETERS + u16::from(index) * 16;
            let at = linear(rom::ROM_SEGMENT, offset);
            let table = match self.target(FIRST_DISK + index) {
                Some(target) => disk_parameters(&self.geometry(target)),
                None => [0; 16],
            };
            self.machine.write(at, &table);
            self.machine.write16(vector * 4, offset);
            self.machine.write16(vector * 4 + 2, rom::ROM_SEGMENT);
        }
    }
}

/// The fixed disk parameter table of the AT: cylinders, heads, write precompensation (none), control,
/// landing zone, sectors.
fn disk_parameters(geometry: &Geometry) -> [u8; 16] {
    const MORE_THAN_8_HEADS: u8 = 1 << 3;
    let mut table = [0; 16];
    let cylinders = (geometry.cylinders as u16).to_le_bytes();
    table[0..2].copy_from_slice(&cylinders);
    table[2] = geometry.heads as u8;
    table[5..7].copy_from_slice(&[0xff, 0xff]);
    table[8] = if geometry.heads > 8 { MORE_THAN_8_HEADS } else { 0 };
    table[12..14].copy_from_slice(&cylinders);
    table[14] = geometry.sectors as u8;
    table
}

/// The sector CH, CL and DH name: ten bits of cylinder, six of sector.
fn place(f: &Frame, geometry: &Geometry) -> Option<u64> {
    let cylinder = u32::from(f.ch()) | u32::from(f.cl() & 0xc0) << 2;
    geometry.lba(cylinder, f.dh().into(), (f.cl() & 0x3f).into())
}
