//! The board while it is being built: what a device is connected to, and a record of what was
//! connected where.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use aero_acpi::IsaDevice;
use aero_bus::display::Scanout;
use aero_bus::pci::{PciAddress, PciDevice, PciWiring};
use aero_bus::{
    BusTarget, Clock, Device, GuestRam, IoMap, IrqPin, MapError, MemoryMap, MsiSink, PowerControl,
    Wake, Window,
};
use aero_pci::{PciBus, PciError, PirqRouter, pirq_gsi, pirq_of};

use super::interrupts::InterruptLines;
use crate::config::{ConfigError, MachineConfig};
use crate::console::Console;
use crate::disk::{Disk, DiskMode};
use crate::resources::Resources;

/// Why a device cannot be built.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The device as a whole; its place is where it is listed.
    Here(String),
    /// A value of it.
    At(ConfigError),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Here(message)
    }
}

impl From<MapError> for Fault {
    fn from(error: MapError) -> Self {
        Self::Here(error.to_string())
    }
}

impl From<PciError> for Fault {
    fn from(error: PciError) -> Self {
        Self::Here(error.to_string())
    }
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::At(error)
    }
}

impl Fault {
    /// As an error of the machine file, at `place` unless it knows better.
    pub(crate) fn at(self, place: &str) -> ConfigError {
        match self {
            Self::Here(message) => ConfigError::new(place, message),
            Self::At(error) => error,
        }
    }
}

/// A device of the machine, for the run loop and for snapshots.
pub(super) struct Node {
    pub name: String,
    pub device: Arc<Mutex<dyn Device>>,
}

/// Where a device was connected.
#[derive(Clone, Debug, Default)]
pub struct DeviceInfo {
    /// Its name: the type and a number.
    pub name: String,
    /// Address on PCI bus 0.
    pub pci: Option<PciAddress>,
    /// Ports.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Physical addresses.
    pub memory: Vec<RangeInclusive<u64>>,
    /// Interrupts: `"IRQ 4"`, `"INTA# → PIRQA, GSI 16"`.
    pub interrupts: Vec<String>,
    /// What else is worth a line: drives and their images.
    pub notes: Vec<String>,
}

/// A drive that firmware may boot from.
pub(crate) struct BootMedium {
    pub name: String,
    pub is_cd: bool,
    /// Its port at the controller.
    pub port: usize,
    pub disk: Disk,
}

/// A display adapter and what has to be said to others about it.
pub(crate) struct Display {
    pub scanout: Arc<Mutex<dyn Scanout + Send>>,
    pub legacy: Option<aero_pci::LegacyVga>,
}

/// What listed devices leave for the machine and its host.
#[derive(Default)]
pub(crate) struct Ends {
    pub serials: Vec<Console>,
    pub serial_ports: Vec<u16>,
    pub debug_consoles: Vec<Console>,
    pub display: Option<Display>,
    pub ps2: Option<Arc<Mutex<aero_ps2::Ps2>>>,
    pub fw_cfg: Option<Arc<Mutex<aero_fw_cfg::FwCfg>>>,
    pub hpet: Option<aero_acpi::Hpet>,
    pub media: Vec<BootMedium>,
    /// The disk with the boot sector that starts a kernel.
    pub kernel_disk: Option<Disk>,
    pub isa: Vec<IsaDevice>,
}

/// The board while it is being built.
pub struct Board<'a> {
    /// The whole machine file.
    pub config: &'a MachineConfig,
    /// The files it names.
    pub files: &'a mut dyn Resources,
    /// Guest time.
    pub clock: Clock,
    /// What back ends signal.
    pub wake: Arc<Wake>,
    /// Power and reset lines.
    pub power: PowerControl,
    /// Guest memory.
    pub ram: GuestRam,
    /// The physical address space.
    pub memory: Arc<MemoryMap>,
    /// The ports.
    pub io: Arc<IoMap>,
    /// The PCI bus.
    pub pci: PciBus,
    /// How disks carry out their requests.
    pub disk_mode: DiskMode,
    pub(super) router: PirqRouter,
    pub(super) lines: InterruptLines,
    pub(super) messages: Arc<dyn MsiSink>,
    pub(super) nodes: Vec<Node>,
    pub(super) infos: Vec<DeviceInfo>,
    pub(crate) ends: Ends,
}

impl Board<'_> {
    fn info(&mut self, name: &str) -> &mut DeviceInfo {
        let at = match self.infos.iter().position(|info| info.name == name) {
            Some(at) => at,
            None => {
                self.infos.push(DeviceInfo { name: name.to_owned(), ..DeviceInfo::default() });
                self.infos.len() - 1
            }
        };
        &mut self.infos[at]
    }

    /// Makes a device part of the run loop and of snapshots. PCI functions are by
    /// [`add_pci`](Self::add_pci).
    pub fn add_device(&mut self, name: &str, device: Arc<Mutex<dyn Device>>) {
        self.info(name);
        self.nodes.push(Node { name: name.to_owned(), device });
    }

    /// Maps a window onto ports.
    pub fn map_ports(
        &mut self,
        name: &str,
        base: u16,
        window: Window,
        target: Arc<dyn BusTarget>,
    ) -> Result<(), Fault> {
        self.io.map(name, base, window, target)?;
        // The map has checked that the range fits.
        self.info(name).ports.push(base..=(u64::from(base) + window.len - 1) as u16);
        Ok(())
    }

    /// Maps a window into memory.
    pub fn map_memory(
        &mut self,
        name: &str,
        base: u64,
        window: Window,
        target: Arc<dyn BusTarget>,
    ) -> Result<(), Fault> {
        self.memory.map_device(name, base, window, target)?;
        self.info(name).memory.push(base..=base + window.len - 1);
        Ok(())
    }

    /// Notes an ISA interrupt for `aero check`.
    pub fn note_irq(&mut self, name: &str, irq: u8) {
        self.info(name).interrupts.push(format!("IRQ {irq}"));
    }

    /// A pin on an ISA interrupt line.
    pub fn isa_irq(&mut self, name: &str, irq: u8) -> IrqPin {
        self.note_irq(name, irq);
        self.lines.pin(irq.into())
    }

    /// A pin on the line to an input of the IO-APIC.
    pub fn gsi(&self, gsi: u32) -> IrqPin {
        self.lines.pin(gsi)
    }

    /// A pin at an input of the gates between the 8254, the clock and their lines.
    pub fn legacy_gate(&self, input: u32) -> IrqPin {
        self.lines.gate(input)
    }

    /// Where messages go.
    pub fn messages(&self) -> Arc<dyn MsiSink> {
        self.messages.clone()
    }

    /// The interrupt wiring of a PCI function; `pin` 0 is INTA#.
    pub fn pci_wiring(&mut self, name: &str, address: PciAddress, pin: u8) -> PciWiring {
        let pirq = pirq_of(address.device, pin);
        let (letter, pirq_letter) = (b'A' + pin % 4, b'A' + pirq);
        let (letter, pirq_letter) = (char::from(letter), char::from(pirq_letter));
        let line = format!("INT{letter}# on PIRQ{pirq_letter}, GSI {}", pirq_gsi(pirq));
        self.info(name).interrupts.push(line);
        PciWiring { intx: self.router.intx(address.device, pin), msi: self.messages.clone() }
    }

    /// The wiring of a PCI function that has no interrupt.
    pub fn pci_wiring_without_pin(&self) -> PciWiring {
        PciWiring { intx: IrqPin::unconnected(), msi: self.messages.clone() }
    }

    /// Puts a function on the PCI bus.
    pub fn add_pci(
        &mut self,
        name: &str,
        address: PciAddress,
        function: Arc<Mutex<dyn PciDevice>>,
    ) -> Result<(), Fault> {
        self.pci.add(address, name, function)?;
        self.info(name).pci = Some(address);
        Ok(())
    }

    /// Adds a line to what `aero check` prints of a device.
    pub fn note(&mut self, name: &str, note: String) {
        self.info(name).notes.push(note);
    }
}
