//! The extensions of INT 13h (BIOS Enhanced Disk Drive Services 3.0).

use crate::config::DriveKind;
use crate::device::{Firmware, Service};
use crate::frame::{Frame, linear};

use super::int13::Outcome;
use super::{Target, status};

const WRITE: u8 = 0x43;
const VERIFY: u8 = 0x44;

/// The disk address packet at DS:SI (section 4.2).
struct Packet {
    count: u32,
    address: u64,
    lba: u64,
}

/// Offset of the count in the packet.
const PACKET_COUNT: u64 = 2;
const PACKET_LEN: u8 = 16;
/// With a 64-bit address.
const PACKET_LEN_FLAT: u8 = 24;

/// Flags of the drive parameters (section 4.8).
mod info {
    pub const CHS_VALID: u16 = 1 << 1;
    pub const REMOVABLE: u16 = 1 << 2;
    pub const CHANGE_LINE: u16 = 1 << 4;
    pub const LOCKABLE: u16 = 1 << 5;
    pub const NO_MEDIUM: u16 = 1 << 6;
}

impl Firmware {
    /// AH = 41h: version 3.0; extended access, removable drives, and drive parameters.
    pub(super) fn extensions(&mut self, f: &mut Frame, target: Target) -> Outcome {
        const KEY: u16 = 0x55aa;
        const VERSION: u8 = 0x30;
        const EXTENDED: u16 = 1 << 0;
        const REMOVABLE: u16 = 1 << 1;
        const EDD: u16 = 1 << 2;
        if f.bx() != KEY || target.kind == DriveKind::Floppy {
            return Err(status::INVALID);
        }
        f.set_bx(KEY.swap_bytes());
        f.set_ah(VERSION);
        let removable = if target.kind == DriveKind::Cd { REMOVABLE } else { 0 };
        f.set_cx(EXTENDED | EDD | removable);
        Ok(())
    }

    fn packet(&self, f: &Frame) -> Option<Packet> {
        let at = linear(f.ds, f.si());
        let len = self.machine.read8(at);
        if len < PACKET_LEN {
            return None;
        }
        let (offset, segment) = (self.machine.read16(at + 4), self.machine.read16(at + 6));
        let flat = len >= PACKET_LEN_FLAT && (segment, offset) == (0xffff, 0xffff);
        let address = if flat {
            u64::from_le_bytes(self.machine.read(at + 16))
        } else {
            linear(segment, offset)
        };
        Some(Packet {
            count: self.machine.read16(at + PACKET_COUNT).into(),
            address,
            lba: u64::from_le_bytes(self.machine.read(at + 8)),
        })
    }

    /// AH = 42h, 43h, 44h.
    pub(super) fn extended_transfer(&mut self, f: &mut Frame, target: Target) -> Service<Outcome> {
        if target.kind == DriveKind::Floppy {
            return Ok(Err(status::INVALID));
        }
        let Some(packet) = self.packet(f) else { return Ok(Err(status::INVALID)) };
        let count_at = linear(f.ds, f.si()) + PACKET_COUNT;
        if target.sectors == 0 {
            self.machine.write16(count_at, 0);
            return Ok(Err(status::NO_MEDIUM));
        }
        let end = packet.lba.checked_add(packet.count.into());
        if end.is_none_or(|end| end > target.sectors) {
            self.machine.write16(count_at, 0);
            return Ok(Err(status::NOT_FOUND));
        }
        if f.ah() == VERIFY {
            return Ok(Ok(()));
        }
        let write = f.ah() == WRITE;
        if write && (target.kind == DriveKind::Cd || target.emulated) {
            self.machine.write16(count_at, 0);
            return Ok(Err(status::WRITE_PROTECTED));
        }
        let (done, code) =
            self.disk_transfer(target, packet.lba, packet.count, packet.address, write)?;
        self.machine.write16(count_at, done as u16);
        Ok(if code == status::OK { Ok(()) } else { Err(code) })
    }

    /// AH = 45h: only a CD's drive has a lock, and it is always open.
    pub(super) fn lock(&mut self, f: &mut Frame, target: Target) -> Outcome {
        const ASK: u8 = 2;
        if target.kind != DriveKind::Cd {
            return Err(status::NOT_REMOVABLE);
        }
        if f.al() > ASK {
            return Err(status::INVALID);
        }
        f.set_al(0);
        Ok(())
    }

    /// AH = 47h.
    pub(super) fn extended_seek(&mut self, f: &mut Frame, target: Target) -> Outcome {
        match self.packet(f) {
            Some(packet) if packet.lba < target.sectors => Ok(()),
            Some(_) => Err(status::NOT_FOUND),
            None => Err(status::INVALID),
        }
    }

    /// AH = 48h: as much of the parameters as the caller has room for, 26 bytes or 30.
    pub(super) fn extended_parameters(&mut self, f: &mut Frame, target: Target) -> Outcome {
        const LEN_V1: u16 = 26;
        const LEN_V2: u16 = 30;
        if target.kind == DriveKind::Floppy {
            return Err(status::INVALID);
        }
        let at = linear(f.ds, f.si());
        let room = self.machine.read16(at);
        if room < LEN_V1 {
            return Err(status::INVALID);
        }
        let len = if room >= LEN_V2 { LEN_V2 } else { LEN_V1 };
        let mut table = len.to_le_bytes().to_vec();
        if target.kind == DriveKind::Cd {
            let empty = if target.sectors == 0 { info::NO_MEDIUM } else { 0 };
            let flags = info::REMOVABLE | info::CHANGE_LINE | info::LOCKABLE | empty;
            table.extend(flags.to_le_bytes());
            table.extend([0xff; 12]);
        } else {
            let geometry = self.geometry(target);
            table.extend(info::CHS_VALID.to_le_bytes());
            for value in [geometry.cylinders, geometry.heads, geometry.sectors] {
                table.extend(value.to_le_bytes());
            }
        }
        table.extend(target.sectors.to_le_bytes());
        table.extend((target.sector as u16).to_le_bytes());
        if len == LEN_V2 {
            // No table of device parameters.
            table.extend([0xff; 4]);
        }
        self.machine.write(at, &table);
        Ok(())
    }

    /// AH = 49h.
    pub(super) fn extended_change(&mut self, f: &mut Frame, target: Target) -> Outcome {
        if target.kind == DriveKind::HardDisk {
            return Err(status::NOT_REMOVABLE);
        }
        f.set_ah(status::OK);
        if self.take_change(target) { Err(status::CHANGED) } else { Ok(()) }
    }

    /// AH = 4Eh: prefetch and the best transfer mode cannot be switched off; all else is refused.
    pub(super) fn hardware_configuration(&mut self, f: &mut Frame) -> Outcome {
        const PREFETCH_ON: u8 = 0x00;
        const BEST_PIO: u8 = 0x02;
        const DEFAULT_PIO: u8 = 0x04;
        const BEST_DMA: u8 = 0x06;
        match f.al() {
            PREFETCH_ON | BEST_PIO | DEFAULT_PIO | BEST_DMA => {
                f.set_al(0);
                Ok(())
            }
            _ => Err(status::INVALID),
        }
    }
}
