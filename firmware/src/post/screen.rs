//! What power-on shows.

use aero_bus::pci::reg;

use crate::config::DriveKind;
use crate::device::Firmware;

/// What the classes of PCI functions are called, base class and subclass.
const CLASSES: &[(u16, &str)] = &[
    (0x0101, "IDE controller"),
    (0x0106, "SATA controller"),
    (0x0108, "NVMe controller"),
    (0x0200, "Ethernet controller"),
    (0x0300, "VGA display"),
    (0x0401, "Audio"),
    (0x0403, "HD Audio"),
    (0x0600, "Host bridge"),
    (0x0601, "ISA bridge"),
    (0x0604, "PCI bridge"),
    (0x0780, "Communication"),
    (0x0900, "Input"),
    (0x0c03, "USB controller"),
    (0x0c05, "SMBus"),
    (0x0100, "SCSI controller"),
];

impl Firmware {
    /// Writes text on the screen, if there is one, and to the console.
    pub(crate) fn print(&mut self, text: &str) {
        self.config.console.transmit(text.as_bytes());
        if self.state.video.started {
            for character in text.chars() {
                let byte = if character.is_ascii() { character as u8 } else { b'?' };
                self.teletype(byte);
            }
        }
    }

    pub(super) fn show_machine(&mut self) {
        let mut lines = vec![
            format!("Aero BIOS {}", env!("CARGO_PKG_VERSION")),
            String::new(),
            format!("Processor  {} x {}", self.config.cpus, self.config.cpu_name),
            format!("Memory     {} MiB", self.machine.memory.ram().len() >> 20),
            String::new(),
        ];
        for address in self.pci_functions() {
            let vendor = self.machine.pci16(address, reg::VENDOR_ID as u8);
            let device = self.machine.pci16(address, reg::DEVICE_ID as u8);
            let class = self.machine.pci16(address, reg::CLASS_CODE as u8 + 1);
            let line = self.machine.pci8(address, reg::INTERRUPT_LINE as u8);
            let pin = self.machine.pci8(address, reg::INTERRUPT_PIN as u8);
            let name = CLASSES.iter().find(|c| c.0 == class).map_or("Device", |c| c.1);
            let irq = if pin == 0 { String::new() } else { format!("  IRQ {line}") };
            lines.push(format!("PCI {address}  {vendor:04x}:{device:04x}  {name}{irq}"));
        }
        lines.push(String::new());
        self.print_lines(lines);
    }

    pub(super) fn show_drives(&mut self) {
        let mut lines = Vec::new();
        for (index, drive) in self.drives.iter().enumerate() {
            let kind = match drive.kind {
                DriveKind::HardDisk => "Hard disk",
                DriveKind::Cd => "CD/DVD",
                DriveKind::Floppy => "Diskette",
            };
            let size = match drive.backend.size() {
                0 => "no medium".to_owned(),
                size if size < 10 << 20 => format!("{} KiB", size >> 10),
                size => format!("{} MiB", size >> 20),
            };
            let number = self.drive_number(index);
            lines.push(format!("Drive {number:02X}h  {kind}  {}  {size}", drive.name));
        }
        lines.push(String::new());
        self.print_lines(lines);
    }

    fn print_lines(&mut self, lines: Vec<String>) {
        for line in lines {
            self.print(&line);
            self.print("\r\n");
        }
    }
}
