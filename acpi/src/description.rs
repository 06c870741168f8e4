//! What the tables are made of: the machine as built, as plain data.

use crate::aml::Fragment;

/// Everything the tables tell of the machine.
#[derive(Clone, Debug)]
pub struct PlatformDescription {
    /// Who made the tables.
    pub oem: Oem,
    /// The processors, the bootstrap processor first.
    pub cpus: Vec<Cpu>,
    /// Physical address of the local APICs' registers.
    pub local_apic_base: u32,
    /// The I/O APIC.
    pub io_apic: IoApic,
    /// The HPET, if the machine has one.
    pub hpet: Option<Hpet>,
    /// PCI Express configuration space, if it is mapped.
    pub ecam: Option<Ecam>,
    /// The last bus number below the host bridge.
    pub last_bus: u8,
    /// Where PCI memory BARs below 4 GiB may lie.
    pub pci_windows: Vec<MemoryWindow>,
    /// Where PCI memory BARs above 4 GiB may lie.
    pub pci_window_64: Option<MemoryWindow>,
    /// How PCI interrupt pins reach the interrupt controllers.
    pub links: Links,
    /// The ACPI power management registers.
    pub pm: Pm,
    /// The values of SLP_TYP.
    pub sleep: SleepStates,
    /// The register that resets the machine.
    pub reset: Option<ResetRegister>,
    /// Index of the century byte in the RTC's memory, 0 if there is none.
    pub century: u8,
    /// Devices on the LPC bridge.
    pub isa: Vec<IsaDevice>,
    /// AML that devices bring with them.
    pub fragments: Vec<Fragment>,
}

/// The identification fields of every table header (section 5.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oem {
    /// OEMID.
    pub id: [u8; 6],
    /// OEM Table ID.
    pub table_id: [u8; 8],
    /// OEM Revision.
    pub revision: u32,
}

impl Default for Oem {
    fn default() -> Self {
        Self { id: *b"AERO  ", table_id: *b"AEROPC  ", revision: 1 }
    }
}

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// ACPI processor id: what joins the MADT's entry and the Processor object.
    pub id: u8,
    /// Local APIC id.
    pub apic_id: u8,
}

/// The I/O APIC. Its inputs are global system interrupts 0 and up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApic {
    /// I/O APIC id.
    pub id: u8,
    /// Physical address of its registers.
    pub base: u32,
}

/// The High Precision Event Timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hpet {
    /// Physical address of its registers.
    pub base: u32,
    /// The low 32 bits of its General Capabilities and ID register.
    pub block_id: u32,
    /// Minimum tick in periodic mode, in ticks of the main counter.
    pub minimum_tick: u16,
}

impl Hpet {
    /// An HPET as QEMU has it at `base`: vendor 8086h, legacy replacement, 64 bits, 3 comparators.
    pub const fn new(base: u32) -> Self {
        Self { base, block_id: 0x8086_a201, minimum_tick: 0 }
    }
}

/// PCI Express configuration space in memory, 1 MiB a bus from bus 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecam {
    /// Physical address of bus 0's space.
    pub base: u64,
    /// Number of buses, 1 to 256.
    pub buses: u16,
}

impl Ecam {
    /// Length in bytes.
    pub const fn len(&self) -> u64 {
        (self.buses as u64) << 20
    }

    /// Whether it covers no bus.
    pub const fn is_empty(&self) -> bool {
        self.buses == 0
    }
}

/// A range of memory addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryWindow {
    /// First address.
    pub first: u64,
    /// Last address.
    pub last: u64,
}

/// PCI interrupt routing through the LPC bridge's PIRQ lines (ICH9 data sheet, 13.1.18 and 10.1.22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Device and function of the LPC bridge.
    pub bridge: (u8, u8),
    /// Configuration register of each PIRQ line, A to H: bit 7 switches the routing off, bits 3:0 are
    /// the ISA interrupt.
    pub registers: [u8; 8],
    /// For each device on bus 0 and each of its pins INTA# to INTD#, which PIRQ line it is on (0 is A).
    pub slots: [[u8; 4]; 32],
    /// ISA interrupts the lines may be routed to.
    pub isa_irqs: Vec<u8>,
    /// Global system interrupt of PIRQA; the others follow.
    pub first_gsi: u32,
}

/// The fixed power management registers, all I/O ports (section 4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pm {
    /// ISA interrupt of the SCI; level-triggered, active high.
    pub sci_irq: u8,
    /// PM1a_EVT_BLK, 4 bytes.
    pub event: u16,
    /// PM1a_CNT_BLK, 2 bytes.
    pub control: u16,
    /// PM_TMR_BLK, 4 bytes.
    pub timer: u16,
    /// GPE0_BLK.
    pub gpe: Option<Gpe>,
    /// SMI_CMD, if ACPI mode is to be switched on.
    pub smi: Option<SmiCommands>,
    /// All ports the block takes: first and number.
    pub range: (u16, u8),
}

impl Pm {
    /// The ICH9's layout at `base` (ICH9 data sheet, 13.8.3), with SCI on IRQ 9 and the commands that
    /// QEMU's firmware knows.
    pub const fn ich9(base: u16) -> Self {
        Self {
            sci_irq: 9,
            event: base,
            control: base + 4,
            timer: base + 8,
            gpe: Some(Gpe { base: base + 0x20, len: 16 }),
            smi: Some(SmiCommands { port: 0xb2, enable: 2, disable: 3 }),
            range: (base, 128),
        }
    }
}

/// General-purpose event registers: half status, half enable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpe {
    /// First port.
    pub base: u16,
    /// Bytes, an even number.
    pub len: u8,
}

/// The port that switches ACPI mode on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmiCommands {
    /// SMI_CMD.
    pub port: u16,
    /// ACPI_ENABLE.
    pub enable: u8,
    /// ACPI_DISABLE.
    pub disable: u8,
}

/// SLP_TYP values of the sleep states; S0 is 5 with nobody asking for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SleepStates {
    /// Suspend to RAM, if the machine can.
    pub s3: Option<u8>,
    /// Suspend to disk, if the machine tells it from soft off.
    pub s4: Option<u8>,
    /// Soft off.
    pub s5: u8,
}

impl SleepStates {
    /// What the ICH9 model of QEMU takes.
    pub const fn ich9() -> Self {
        Self { s3: Some(1), s4: Some(2), s5: 0 }
    }
}

/// RESET_REG: a port, and the value that resets (section 4.7.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetRegister {
    /// The port.
    pub port: u16,
    /// RESET_VALUE.
    pub value: u8,
}

/// A device on the LPC bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsaDevice {
    /// The two 8259s, at 20h, A0h and 4D0h.
    Pic,
    /// The 8254 at 40h.
    Timer,
    /// The speaker gate at 61h.
    Speaker,
    /// The MC146818 at 70h, IRQ 8.
    Rtc,
    /// The two 8237s.
    Dma,
    /// The coprocessor's error port at F0h, IRQ 13.
    Coprocessor,
    /// The 8042's keyboard at 60h and 64h, IRQ 1.
    Keyboard,
    /// The 8042's mouse, IRQ 12.
    Mouse,
    /// A 16550.
    Serial {
        /// First of 8 ports.
        base: u16,
        /// ISA interrupt.
        irq: u8,
    },
    /// QEMU's firmware configuration port.
    FwCfg {
        /// First of 12 ports.
        base: u16,
    },
    /// Ports that something takes and no driver looks after.
    Reserved {
        /// First port.
        base: u16,
        /// Number of ports.
        len: u8,
    },
}
