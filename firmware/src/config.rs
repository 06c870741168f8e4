//! What the machine tells the firmware, which on a board would be compiled into it.

use std::ops::Range;

use aero_bus::block::BlockBackend;
use aero_bus::chardev::CharBackend;

/// What a drive is to a BIOS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveKind {
    /// A hard disk: INT 13h drives 80h and up.
    HardDisk,
    /// A CD or DVD: INT 13h drives E0h and up; El Torito.
    Cd,
    /// A diskette: INT 13h drives 0 and 1.
    Floppy,
}

/// A drive the firmware can boot from. It reaches the medium by itself, not through a controller.
pub struct BootDrive {
    /// What power-on calls it.
    pub name: String,
    /// What it is.
    pub kind: DriveKind,
    /// Its own handle of the medium.
    pub backend: Box<dyn BlockBackend>,
}

/// Makes tables for an address, a multiple of 64 below 4 GiB: the root pointer, and the tables, whose
/// length must not depend on the address.
pub type TableBuilder = Box<dyn Fn(u32) -> (Vec<u8>, Vec<u8>) + Send>;

/// How PCI functions are given their resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PciConfigPlan {
    /// Configuration space in memory: address, and 64, 128 or 256 buses.
    pub ecam: Option<(u64, u16)>,
    /// Ports for I/O BARs.
    pub io: Range<u32>,
    /// Addresses for memory BARs below 4 GiB.
    pub memory: Range<u64>,
    /// Addresses for 64-bit BARs that do not fit below; may be empty.
    pub memory_64: Range<u64>,
    /// For each device on bus 0 and each of its pins INTA# to INTD#, which PIRQ line it is on (0 is A).
    pub pirq: [[u8; 4]; 32],
    /// The ISA interrupt each PIRQ line is routed to.
    pub pirq_irqs: [u8; 8],
}

impl PciConfigPlan {
    /// A q35 with `low_ram` bytes of RAM below 4 GiB, laid out as QEMU does it: configuration space at
    /// B0000000h, BARs above it (or above RAM) and below the I/O APIC.
    pub fn q35(low_ram: u64, pirq: [[u8; 4]; 32]) -> Self {
        const ECAM: u64 = 0xb000_0000;
        const ECAM_END: u64 = 0xc000_0000;
        Self {
            ecam: Some((ECAM, 256)),
            io: 0xc000..0xffff,
            memory: ECAM_END.max(low_ram)..0xfec0_0000,
            memory_64: 0x80_0000_0000..0x100_0000_0000,
            pirq,
            pirq_irqs: [10, 10, 11, 11, 10, 10, 11, 11],
        }
    }
}

/// Everything else the firmware is told.
pub struct FirmwareConfig {
    /// Drives. Those to boot from come first in the numbering, the others follow in this order.
    pub drives: Vec<BootDrive>,
    /// Names of the drives to boot from, first to last. Empty: all, in the order of the list.
    pub boot_order: Vec<String>,
    /// PCI resources.
    pub pci: PciConfigPlan,
    /// Base of the ACPI power management ports.
    pub pm_base: u16,
    /// ISA interrupt of the SCI: level-triggered.
    pub sci_irq: u8,
    /// I/O APIC id and address of its registers.
    pub io_apic: Option<(u8, u64)>,
    /// ACPI tables.
    pub acpi: Option<TableBuilder>,
    /// SMBIOS tables.
    pub smbios: Option<TableBuilder>,
    /// What the processor calls itself, for the screen.
    pub cpu_name: String,
    /// Number of processors.
    pub cpus: usize,
    /// Ports of COM1 to COM4 that there are.
    pub serial_ports: Vec<u16>,
    /// Gets what power-on shows on the screen, and messages.
    pub console: Box<dyn CharBackend>,
}
