//! INT 19h and 18h: finding something to boot.

use crate::bda;
use crate::config::DriveKind;
use crate::device::{Firmware, Service, Wait};
use crate::frame::{Frame, flag};

use super::SECTOR;

/// Where a boot sector is loaded.
const BOOT_ADDRESS: u16 = 0x7c00;
const BOOT_SIGNATURE: [u8; 2] = [0x55, 0xaa];

impl Firmware {
    /// The drives to boot from, first to last.
    fn boot_candidates(&self) -> Vec<usize> {
        if self.config.boot_order.is_empty() {
            return (0..self.drives.len()).collect();
        }
        let find = |name: &String| self.drives.iter().position(|drive| drive.name == *name);
        self.config.boot_order.iter().filter_map(find).collect()
    }

    /// INT 19h: the frame leaves for the first boot sector found.
    pub(crate) fn int19(&mut self, f: &mut Frame) -> Service {
        if self.begin_call(f) && !self.state.post.boot_failed {
            self.state.post.boot_tried = 0;
        }
        self.boot(f)
    }

    /// INT 18h: what was booted has nothing to boot. The next drive may have.
    pub(crate) fn int18(&mut self, f: &mut Frame) -> Service {
        self.begin_call(f);
        self.boot(f)
    }

    /// Tries the drives that have not been tried.
    fn boot(&mut self, f: &mut Frame) -> Service {
        for (index, tried) in self.boot_candidates().into_iter().zip(0..) {
            if tried < self.state.post.boot_tried {
                continue;
            }
            let found = match self.drives[index].kind {
                DriveKind::Cd => self.load_cd(index)?,
                DriveKind::HardDisk | DriveKind::Floppy => self.load_sector(index)?,
            };
            self.state.post.boot_tried = tried + 1;
            self.end_call();
            let name = self.drives[index].name.clone();
            match found {
                Ok((segment, number)) => {
                    self.print(&format!("Booting from {name}\r\n"));
                    leave_for(f, segment, number);
                    return Ok(());
                }
                Err(why) => {
                    self.print(&format!("{name} is not bootable: {why}\r\n"));
                    // What was read of it is of no more use; the next drive starts afresh.
                    self.begin_call(f);
                }
            }
        }
        self.end_call();
        self.no_boot(f)
    }

    /// Loads the first sector of a disk or diskette.
    fn load_sector(&mut self, index: usize) -> Service<Result<(u16, u8), &'static str>> {
        if self.drives[index].sectors() == 0 {
            return Ok(Err("no medium"));
        }
        let Ok(bytes) = self.disk_read(index, 0, SECTOR)? else {
            return Ok(Err("cannot be read"));
        };
        if bytes[510..512] != BOOT_SIGNATURE {
            return Ok(Err("no boot sector"));
        }
        self.machine.write(BOOT_ADDRESS.into(), &bytes);
        Ok(Ok((0, self.drive_number(index))))
    }

    /// Says so once, and tries again when a key is pressed.
    fn no_boot(&mut self, f: &mut Frame) -> Service {
        if !self.state.post.boot_failed {
            self.state.post.boot_failed = true;
            self.print("\r\nNo bootable device. Press a key to try again.\r\n");
            log::info!("the firmware found nothing to boot");
        }
        let head = self.machine.read16(bda::at::BUFFER_HEAD);
        let tail = self.machine.read16(bda::at::BUFFER_TAIL);
        if head == tail {
            return Err(Wait::Halt);
        }
        self.machine.write16(bda::at::BUFFER_HEAD, tail);
        self.state.post.boot_failed = false;
        self.state.post.boot_tried = 0;
        // Once more through INT 19h.
        f.cs = crate::rom::ROM_SEGMENT;
        f.ip = crate::rom::BOOT_STRAP;
        Ok(())
    }
}

/// The registers a boot sector starts with: its drive in DL, interrupts on.
fn leave_for(f: &mut Frame, segment: u16, number: u8) {
    let esp = f.esp;
    *f = Frame { service: f.service, esp, ..Frame::default() };
    // 07C0:0000 and 0000:7C00 are the same place; boot sectors expect the second.
    (f.cs, f.ip) =
        if segment == 0 || segment == BOOT_ADDRESS >> 4 { (0, BOOT_ADDRESS) } else { (segment, 0) };
    f.set_dl(number);
    f.set_ax(u16::from_le_bytes(BOOT_SIGNATURE));
    f.flags = flag::INTERRUPT | 1 << 1;
}
