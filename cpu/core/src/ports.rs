//! Port I/O.

use crate::exec::Exec;
use crate::state::Mode;
use crate::{Exception, ExecResult};

impl Exec<'_> {
    /// The permission check alone: INS and OUTS make it before they touch memory. `bytes` is 1, 2
    /// or 4.
    #[inline]
    pub fn check_port(&mut self, port: u16, bytes: u32) -> ExecResult<()> {
        if self.cpu.cpl <= self.cpu.flags.iopl() && self.cpu.mode != Mode::V86 {
            return Ok(());
        }
        if self.bitmap_allows(port, bytes)? { Ok(()) } else { Err(Exception::gp(0)) }
    }

    /// IN of 1, 2 or 4 bytes, with the permission check and I/O breakpoints.
    pub fn port_in(&mut self, port: u16, bytes: u32) -> ExecResult<u32> {
        self.check_port(port, bytes)?;
        let mut data = [0; 4];
        self.platform.port_read(self.retired, port, &mut data[..bytes as usize]);
        self.device_accesses += 1;
        self.after_platform();
        self.cpu.note_port_access(port, bytes);
        Ok(u32::from_le_bytes(data))
    }

    /// OUT of 1, 2 or 4 bytes.
    pub fn port_out(&mut self, port: u16, bytes: u32, value: u32) -> ExecResult<()> {
        self.check_port(port, bytes)?;
        let data = value.to_le_bytes();
        self.platform.port_write(self.retired, port, &data[..bytes as usize]);
        self.device_accesses += 1;
        self.after_platform();
        self.cpu.note_port_access(port, bytes);
        Ok(())
    }
}
