//! The chipset: shadow RAM, interrupt controllers, timer, keyboard controller, LPC bridge.

use aero_bus::pci::PciAddress;

use crate::device::Firmware;
use crate::frame::linear;
use crate::rom;

/// The host bridge and its registers: of the Q35 (82Q35 data sheet, 5.1), or of the 440FX.
const HOST_BRIDGE: PciAddress = PciAddress::new(0, 0);
const Q35: u32 = 0x29c0_8086;
const I440FX: u32 = 0x1237_8086;
mod q35 {
    pub const PCIEXBAR: u8 = 0x60;
    pub const PAM0: u8 = 0x90;
    pub const ENABLE: u32 = 1;
}
const PAM0_440FX: u8 = 0x59;
/// PAM0, bits 5:4: F0000h to FFFFFh; PAM1, bits 1:0: C0000h to C3FFFh. Both bits: RAM.
const PAM_UPPER: u8 = 0x30;
const PAM_LOWER: u8 = 0x03;

/// The LPC bridge and its registers (ICH9 data sheet, 13.1).
const LPC: PciAddress = PciAddress::new(0x1f, 0);
const ICH9_LPC: u32 = 0x2918_8086;
mod lpc {
    pub const PMBASE: u8 = 0x40;
    pub const ACPI_CNTL: u8 = 0x44;
    pub const PIRQ: [u8; 8] = [0x60, 0x61, 0x62, 0x63, 0x68, 0x69, 0x6a, 0x6b];
    pub const RCBA: u8 = 0xf0;
    pub const IO_SPACE: u32 = 1;
    pub const ACPI_EN: u8 = 1 << 7;
    pub const RCBA_VALUE: u32 = 0xfed1_c000 | 1;
}

/// The 8259s (8259A data sheet), and their level-triggered registers in the ICH9.
mod pic {
    pub const MASTER: u16 = 0x20;
    pub const SLAVE: u16 = 0xa0;
    pub const ELCR: [u16; 2] = [0x4d0, 0x4d1];
    /// ICW1: edge-triggered, cascaded, ICW4 follows.
    pub const ICW1: u8 = 0x11;
    /// ICW4: 8086 mode.
    pub const ICW4: u8 = 0x01;
    pub const MASTER_VECTOR: u8 = 0x08;
    pub const SLAVE_VECTOR: u8 = 0x70;
    pub const CASCADE_MASK: u8 = 1 << 2;
    pub const CASCADE_NUMBER: u8 = 2;
    /// Open: the timer, the keyboard, the cascade; the RTC and the mouse.
    pub const MASTER_MASK: u8 = !0b0000_0111;
    pub const SLAVE_MASK: u8 = !0b0001_0001;
    pub const EOI: u8 = 0x20;
}

/// The 8254 (8254 data sheet).
mod pit {
    pub const CONTROL: u16 = 0x43;
    pub const COUNTER_0: u16 = 0x40;
    pub const COUNTER_1: u16 = 0x41;
    /// Counter 0, both bytes, mode 3: a square wave of 65536 clocks.
    pub const TICK: u8 = 0x36;
    /// Counter 1, low byte, mode 2: memory refresh, every 18 clocks.
    pub const REFRESH: u8 = 0x54;
    pub const REFRESH_CLOCKS: u8 = 0x12;
}

/// The 8042.
mod kbc {
    pub const DATA: u16 = 0x60;
    pub const COMMAND: u16 = 0x64;
    pub const OUTPUT_FULL: u8 = 1 << 0;
    pub const WRITE_COMMAND_BYTE: u8 = 0x60;
    pub const DISABLE_KEYBOARD: u8 = 0xad;
    pub const ENABLE_KEYBOARD: u8 = 0xae;
    pub const DISABLE_MOUSE: u8 = 0xa7;
    pub const ENABLE_MOUSE: u8 = 0xa8;
    /// Both interrupts, self-test passed, scan codes translated to set 1.
    pub const COMMAND_BYTE: u8 = 0x47;
    /// The keyboard's own command: scan keys.
    pub const ENABLE_SCANNING: u8 = 0xf4;
    /// Bytes that can be waiting.
    pub const BUFFERED: usize = 32;
}

impl Firmware {
    /// Brings up what everything else needs. `wakes`: memory is as it was, and is left so. Returns
    /// whether there is a video BIOS.
    pub(super) fn set_up_chipset(&mut self, wakes: bool) -> bool {
        self.machine.memory.set_a20(true);
        self.shadow_system_rom(wakes);
        let host = self.machine.pci32(HOST_BRIDGE, 0);
        if host == Q35
            && let Some((base, buses)) = self.config.pci.ecam
        {
            let length = match buses {
                0..=64 => 2,
                65..=128 => 1,
                _ => 0,
            };
            self.machine.set_pci32(HOST_BRIDGE, q35::PCIEXBAR + 4, (base >> 32) as u32);
            let low = base as u32 | length << 1 | q35::ENABLE;
            self.machine.set_pci32(HOST_BRIDGE, q35::PCIEXBAR, low);
        }
        self.set_up_lpc();
        let video = self.set_up_pci();
        if let Some((id, base)) = self.config.io_apic {
            // IOREGSEL = 0, IOAPICID (82093AA data sheet, 3.0).
            self.machine.write32(base, 0);
            self.machine.write32(base + 0x10, u32::from(id) << 24);
        }
        if video {
            self.shadow_video_rom(wakes);
        }
        video
    }

    /// The register that says what is at F0000h and, after it, at C0000h.
    fn pam0(&self) -> Option<u8> {
        match self.machine.pci32(HOST_BRIDGE, 0) {
            Q35 => Some(q35::PAM0),
            I440FX => Some(PAM0_440FX),
            other => {
                log::warn!("host bridge {other:08x} is not known: the BIOS stays in ROM");
                None
            }
        }
    }

    fn shadow_system_rom(&self, wakes: bool) {
        let base = linear(rom::ROM_SEGMENT, 0);
        let mut image = vec![0; rom::SYSTEM_ROM_LEN];
        self.machine.memory.read(base, &mut image);
        if let Some(pam0) = self.pam0() {
            let value = self.machine.pci8(HOST_BRIDGE, pam0);
            self.machine.set_pci8(HOST_BRIDGE, pam0, value | PAM_UPPER);
        }
        if !wakes {
            self.machine.write(base, &image);
        }
    }

    fn shadow_video_rom(&self, wakes: bool) {
        if let Some(pam0) = self.pam0() {
            let value = self.machine.pci8(HOST_BRIDGE, pam0 + 1);
            self.machine.set_pci8(HOST_BRIDGE, pam0 + 1, value | PAM_LOWER);
        }
        if !wakes {
            self.machine.write(linear(rom::VGA_SEGMENT, 0), &rom::vga_rom());
        }
    }

    fn set_up_lpc(&self) {
        if self.machine.pci32(LPC, 0) != ICH9_LPC {
            log::warn!("there is no ICH9 LPC bridge at {LPC}");
            return;
        }
        let base = u32::from(self.config.pm_base) | lpc::IO_SPACE;
        self.machine.set_pci32(LPC, lpc::PMBASE, base);
        self.machine.set_pci8(LPC, lpc::ACPI_CNTL, lpc::ACPI_EN);
        self.machine.set_pci32(LPC, lpc::RCBA, lpc::RCBA_VALUE);
        for (register, irq) in lpc::PIRQ.into_iter().zip(self.config.pci.pirq_irqs) {
            self.machine.set_pci8(LPC, register, irq);
        }
    }

    /// 8259s, level triggers, and the timer.
    pub(super) fn set_up_interrupts(&self) {
        let out = |port: u16, value: u8| self.machine.out8(port, value);
        for (port, vector, cascade) in [
            (pic::MASTER, pic::MASTER_VECTOR, pic::CASCADE_MASK),
            (pic::SLAVE, pic::SLAVE_VECTOR, pic::CASCADE_NUMBER),
        ] {
            out(port, pic::ICW1);
            out(port + 1, vector);
            out(port + 1, cascade);
            out(port + 1, pic::ICW4);
        }
        out(pic::MASTER + 1, pic::MASTER_MASK);
        out(pic::SLAVE + 1, pic::SLAVE_MASK);
        let mut levels = 1u16 << (self.config.sci_irq & 15);
        for irq in self.config.pci.pirq_irqs {
            levels |= 1 << (irq & 15);
        }
        for (port, byte) in pic::ELCR.into_iter().zip(levels.to_le_bytes()) {
            out(port, byte);
        }
        out(pit::CONTROL, pit::TICK);
        out(pit::COUNTER_0, 0);
        out(pit::COUNTER_0, 0);
        out(pit::CONTROL, pit::REFRESH);
        out(pit::COUNTER_1, pit::REFRESH_CLOCKS);
    }

    /// Ends whatever interrupts are in service.
    pub(super) fn end_of_interrupt(&self) {
        self.machine.out8(pic::SLAVE, pic::EOI);
        self.machine.out8(pic::MASTER, pic::EOI);
    }

    /// Whether there is an 8042.
    pub(super) fn has_keyboard_controller(&self) -> bool {
        self.machine.in8(kbc::COMMAND) != 0xff
    }

    pub(super) fn set_up_keyboard(&self) {
        if !self.has_keyboard_controller() {
            return;
        }
        let command = |value: u8| self.machine.out8(kbc::COMMAND, value);
        command(kbc::DISABLE_KEYBOARD);
        command(kbc::DISABLE_MOUSE);
        for _ in 0..kbc::BUFFERED {
            if self.machine.in8(kbc::COMMAND) & kbc::OUTPUT_FULL == 0 {
                break;
            }
            self.machine.in8(kbc::DATA);
        }
        command(kbc::WRITE_COMMAND_BYTE);
        self.machine.out8(kbc::DATA, kbc::COMMAND_BYTE);
        command(kbc::ENABLE_MOUSE);
        command(kbc::ENABLE_KEYBOARD);
        // Its acknowledge comes with an interrupt, which drops it.
        self.machine.out8(kbc::DATA, kbc::ENABLE_SCANNING);
    }
}
