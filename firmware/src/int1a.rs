//! INT 1Ah: the time of day, and the PCI BIOS.

use aero_bus::pci::{PciAddress, reg};

use crate::bda::at;
use crate::device::{Firmware, Service, Wait};
use crate::frame::Frame;

/// Registers of the RTC (MC146818 data sheet).
pub(crate) mod rtc {
    pub const SECONDS: u8 = 0x00;
    pub const SECONDS_ALARM: u8 = 0x01;
    pub const MINUTES: u8 = 0x02;
    pub const MINUTES_ALARM: u8 = 0x03;
    pub const HOURS: u8 = 0x04;
    pub const HOURS_ALARM: u8 = 0x05;
    pub const DAY: u8 = 0x07;
    pub const MONTH: u8 = 0x08;
    pub const YEAR: u8 = 0x09;
    pub const A: u8 = 0x0a;
    pub const B: u8 = 0x0b;
    pub const CENTURY: u8 = 0x32;
    /// A: an update is in progress.
    pub const UPDATING: u8 = 1 << 7;
    /// B: no updates; alarm interrupt; binary; 24 hours; daylight saving.
    pub const SET: u8 = 1 << 7;
    pub const ALARM: u8 = 1 << 5;
    pub const HOURS_24: u8 = 1 << 1;
    pub const DAYLIGHT: u8 = 1 << 0;
}

/// Status codes of the PCI BIOS (PCI BIOS Specification 2.1, appendix A).
mod pci {
    pub const FUNCTION_NOT_SUPPORTED: u8 = 0x81;
    pub const DEVICE_NOT_FOUND: u8 = 0x86;
    pub const BAD_REGISTER: u8 = 0x87;
    pub const BAD_VENDOR: u8 = 0x83;
    /// "PCI ".
    pub const SIGNATURE: u32 = 0x2049_4350;
    pub const VERSION: u16 = 0x0210;
    /// Configuration mechanism 1, no special cycles.
    pub const MECHANISM_1: u8 = 1;
    pub const NO_VENDOR: u16 = 0xffff;
}

impl Firmware {
    pub(crate) fn int1a(&mut self, f: &mut Frame) -> Service {
        match f.ah() {
            0x00 => {
                let ticks = self.machine.read32(at::TICKS);
                f.set_cx((ticks >> 16) as u16);
                f.set_dx(ticks as u16);
                f.set_al(self.machine.read8(at::MIDNIGHT));
                self.machine.write8(at::MIDNIGHT, 0);
                f.succeed();
            }
            0x01 => {
                let ticks = u32::from(f.cx()) << 16 | u32::from(f.dx());
                self.machine.write32(at::TICKS, ticks);
                self.machine.write8(at::MIDNIGHT, 0);
                f.succeed();
            }
            0x02 => {
                self.rtc_is_still()?;
                f.set_ch(self.machine.cmos(rtc::HOURS));
                f.set_cl(self.machine.cmos(rtc::MINUTES));
                f.set_dh(self.machine.cmos(rtc::SECONDS));
                f.set_dl(self.machine.cmos(rtc::B) & rtc::DAYLIGHT);
                f.succeed();
                f.set_al(f.ch());
            }
            0x03 => {
                let b = self.machine.cmos(rtc::B);
                self.machine.set_cmos(rtc::B, b | rtc::SET);
                self.machine.set_cmos(rtc::HOURS, f.ch());
                self.machine.set_cmos(rtc::MINUTES, f.cl());
                self.machine.set_cmos(rtc::SECONDS, f.dh());
                let kept = b & !(rtc::SET | rtc::DAYLIGHT);
                let b = kept | rtc::HOURS_24 | f.dl() & rtc::DAYLIGHT;
                self.machine.set_cmos(rtc::B, b);
                f.succeed();
            }
            0x04 => {
                self.rtc_is_still()?;
                f.set_ch(self.machine.cmos(rtc::CENTURY));
                f.set_cl(self.machine.cmos(rtc::YEAR));
                f.set_dh(self.machine.cmos(rtc::MONTH));
                f.set_dl(self.machine.cmos(rtc::DAY));
                f.succeed();
                f.set_al(f.ch());
            }
            0x05 => {
                let b = self.machine.cmos(rtc::B);
                self.machine.set_cmos(rtc::B, b | rtc::SET);
                self.machine.set_cmos(rtc::CENTURY, f.ch());
                self.machine.set_cmos(rtc::YEAR, f.cl());
                self.machine.set_cmos(rtc::MONTH, f.dh());
                self.machine.set_cmos(rtc::DAY, f.dl());
                self.machine.set_cmos(rtc::B, b & !rtc::SET);
                f.succeed();
            }
            0x06 => {
                let b = self.machine.cmos(rtc::B);
                if b & rtc::ALARM != 0 {
                    // An alarm is set already.
                    f.set_ax(0);
                    f.set_carry(true);
                    return Ok(());
                }
                self.machine.set_cmos(rtc::HOURS_ALARM, f.ch());
                self.machine.set_cmos(rtc::MINUTES_ALARM, f.cl());
                self.machine.set_cmos(rtc::SECONDS_ALARM, f.dh());
                self.machine.set_cmos(rtc::B, b & !rtc::SET | rtc::ALARM);
                f.succeed();
            }
            0x07 => {
                let b = self.machine.cmos(rtc::B);
                self.machine.set_cmos(rtc::B, b & !rtc::ALARM);
                f.succeed();
            }
            0xb1 => self.pci_bios(f),
            other => {
                log::debug!("INT 1Ah, AH = {other:02x}h is not there");
                f.set_carry(true);
            }
        }
        Ok(())
    }

    /// The time can be read: no update is in progress.
    fn rtc_is_still(&self) -> Service {
        if self.machine.cmos(rtc::A) & rtc::UPDATING != 0 { Err(Wait::Poll) } else { Ok(()) }
    }

    /// AH = B1h; bit 7 of AL is the 32-bit interface's mark.
    fn pci_bios(&mut self, f: &mut Frame) {
        let address = PciAddress { bus: f.bh(), device: f.bl() >> 3, function: f.bl() & 7 };
        let offset = f.di();
        match f.al() & 0x7f {
            0x01 => {
                f.set_al(pci::MECHANISM_1);
                f.set_bx(pci::VERSION);
                f.set_cl(0); // the last bus
                f.edx = pci::SIGNATURE;
                f.edi = 0; // no 32-bit entry
                f.succeed();
            }
            0x02 if f.dx() == pci::NO_VENDOR => f.fail(pci::BAD_VENDOR),
            0x02 => {
                let wanted = u32::from(f.dx()) | u32::from(f.cx()) << 16;
                self.pci_find(f, reg::VENDOR_ID as u8, |id| id == wanted);
            }
            0x03 => {
                let wanted = f.ecx & 0xff_ffff;
                self.pci_find(f, reg::REVISION_ID as u8, |class| class >> 8 == wanted);
            }
            function @ 0x08..=0x0d => {
                // Bytes, words and doublewords lie at multiples of their lengths.
                let len = 1 << ((function - 0x08) % 3);
                let Some(offset) = u8::try_from(offset).ok().filter(|o| o.is_multiple_of(len))
                else {
                    return f.fail(pci::BAD_REGISTER);
                };
                match function {
                    0x08 => f.set_cl(self.machine.pci8(address, offset)),
                    0x09 => f.set_cx(self.machine.pci16(address, offset)),
                    0x0a => f.ecx = self.machine.pci32(address, offset),
                    0x0b => self.machine.set_pci8(address, offset, f.cl()),
                    0x0c => self.machine.set_pci16(address, offset, f.cx()),
                    _ => self.machine.set_pci32(address, offset, f.ecx),
                }
                f.succeed();
            }
            // Special cycles (06h), and routing, which is for ACPI to tell (0Eh, 0Fh).
            _ => f.fail(pci::FUNCTION_NOT_SUPPORTED),
        }
    }

    /// The function number SI of those whose register is as wanted, in BX.
    fn pci_find(&mut self, f: &mut Frame, register: u8, wanted: impl Fn(u32) -> bool) {
        let mut left = f.si();
        for address in self.pci_functions() {
            if wanted(self.machine.pci32(address, register)) {
                if left == 0 {
                    f.set_bx(u16::from(address.bus) << 8 | u16::from(address.devfn()));
                    f.succeed();
                    return;
                }
                left -= 1;
            }
        }
        f.fail(pci::DEVICE_NOT_FOUND);
    }

    /// The functions on bus 0, by address.
    pub(crate) fn pci_functions(&self) -> Vec<PciAddress> {
        const MULTI_FUNCTION: u8 = 0x80;
        let mut found = Vec::new();
        for device in 0..32 {
            for function in 0..8 {
                let address = PciAddress::new(device, function);
                if self.machine.pci16(address, reg::VENDOR_ID as u8) == pci::NO_VENDOR {
                    if function == 0 {
                        break;
                    }
                    continue;
                }
                found.push(address);
                let header = self.machine.pci8(address, reg::HEADER_TYPE as u8);
                if function == 0 && header & MULTI_FUNCTION == 0 {
                    break;
                }
            }
        }
        found
    }
}
