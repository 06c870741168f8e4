//! INT 13h: which function goes where, and what all of them share.

use crate::bda;
use crate::config::DriveKind;
use crate::device::{Firmware, Service};
use crate::frame::Frame;

use super::{FIRST_DISK, Target, status};

/// How a function of INT 13h ends: well, or with a status.
pub(super) type Outcome = Result<(), u8>;

impl Firmware {
    /// Disks, diskettes and CDs.
    pub(crate) fn int13(&mut self, f: &mut Frame) -> Service {
        self.begin_call(f);
        let number = f.dl();
        let function = f.ah();
        let outcome = match self.target(number) {
            Some(target) => self.drive_function(f, target)?,
            // Of a drive that is not there: the count of its kind, and nothing else.
            None => match function {
                0x08 if number < FIRST_DISK => {
                    self.no_floppy_parameters(f);
                    Ok(())
                }
                0x15 => {
                    f.set_ah(0);
                    f.set_carry(false);
                    self.end_call();
                    return Ok(());
                }
                _ => Err(status::INVALID),
            },
        };
        self.end_call();
        let last = if number < FIRST_DISK { bda::at::FLOPPY_STATUS } else { bda::at::DISK_STATUS };
        match outcome {
            Ok(()) => {
                // These answer in AH themselves.
                let answers = matches!(function, 0x01 | 0x15 | 0x16 | 0x41);
                if function != 0x01 {
                    self.machine.write8(last, status::OK);
                }
                if !answers {
                    f.set_ah(status::OK);
                }
                f.set_carry(answers && function == 0x01 && f.ah() != 0);
            }
            Err(code) => {
                log::debug!(
                    "INT 13h, AH = {function:02x}h, DL = {number:02x}h: status {code:02x}h"
                );
                self.machine.write8(last, code);
                f.fail(code);
            }
        }
        Ok(())
    }

    fn drive_function(&mut self, f: &mut Frame, target: Target) -> Service<Outcome> {
        Ok(match f.ah() {
            // Reset, initialize, seek, recalibrate, diagnose: there is nothing to move.
            0x00 | 0x09 | 0x0c | 0x0d | 0x11 | 0x12 | 0x13 | 0x14 => Ok(()),
            0x01 => {
                self.last_status(f);
                Ok(())
            }
            0x02..=0x04 => self.chs_transfer(f, target)?,
            0x05 => self.format_track(f, target)?,
            0x08 => self.drive_parameters(f, target),
            0x10 => self.ready(target),
            0x15 => {
                self.drive_type(f, target);
                Ok(())
            }
            0x16 => self.change_line(f, target),
            0x17 | 0x18 => self.set_medium(f, target),
            0x41 => self.extensions(f, target),
            0x42..=0x44 => self.extended_transfer(f, target)?,
            0x45 => self.lock(f, target),
            0x46 => Err(if target.kind == DriveKind::Cd {
                // Taking a medium out is for whoever put it in.
                status::INVALID
            } else {
                status::NOT_REMOVABLE
            }),
            0x47 => self.extended_seek(f, target),
            0x48 => self.extended_parameters(f, target),
            0x49 => self.extended_change(f, target),
            0x4a..=0x4d => self.el_torito_function(f),
            0x4e => self.hardware_configuration(f),
            other => {
                log::debug!("INT 13h, AH = {other:02x}h is not there");
                Err(status::INVALID)
            }
        })
    }

    fn last_status(&mut self, f: &mut Frame) {
        let at = if f.dl() < FIRST_DISK { bda::at::FLOPPY_STATUS } else { bda::at::DISK_STATUS };
        f.set_ah(self.machine.read8(at));
    }

    /// AH = 10h.
    pub(super) fn ready(&mut self, target: Target) -> Outcome {
        if target.sectors == 0 { Err(status::NOT_READY) } else { Ok(()) }
    }

    /// Whether the medium has been changed since this was last asked; it has not been afterwards.
    pub(super) fn take_change(&mut self, target: Target) -> bool {
        let now = self.drives.get(target.drive).map_or(0, |d| d.backend.media_generation());
        match self.state.media_seen.get_mut(target.drive) {
            Some(seen) => std::mem::replace(seen, now) != now,
            None => false,
        }
    }
}
