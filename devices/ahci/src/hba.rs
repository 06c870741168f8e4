//! The controller: its PCI function, the generic host control registers, and interrupts.

use aero_bus::pci::{
    Bar, BarKind, PciConfig, PciConfigState, PciDevice, PciIdentity, PciWiring, reg,
};
use aero_bus::{Clock, Device, GuestRam, Register, RegisterMap, Snapshot, SnapshotError, Timer};
use serde::{Deserialize, Serialize};

use crate::drive::Attachment;
use crate::memory::Dma;
use crate::port::{Port, PortState};
use crate::registers::{
    CAP, GLOBALS, Ghc, Global, PI, PORT_BASE, PORT_LEN, PORT_REGISTERS, PORTS, VS,
};

const KIND: &str = "ahci";

const INTEL: u16 = 0x8086;
const ICH9_AHCI: u16 = 0x2922;
const REVISION: u8 = 2;
const CLASS_AHCI: u32 = 0x01_06_01;
const SUBSYSTEM_VENDOR: u16 = 0x1af4;
const SUBSYSTEM: u16 = 0x1100;

/// The index and data ports, and the memory.
const IO_BAR: usize = 4;
const IO_BAR_LEN: u64 = 32;
const ABAR: usize = 5;
const ABAR_LEN: u64 = 4096;

/// Where the ICH9 has its capabilities, and its registers above the header (ICH9 datasheet, 15.1).
const MSI_AT: u8 = 0x80;
const SATA_CAPABILITY_AT: u8 = 0xa8;
const CAP_SATA: u8 = 0x12;
/// Revision 1.0; the index and data ports are in BAR 4 at 16 bytes.
const SATA_CAPABILITY: [u8; 6] = [0x10, 0, 0x48, 0, 0, 0];
/// Address map: the controller is in AHCI mode.
const MAP: u16 = 0x90;
const MAP_AHCI: u8 = 0x40;
/// Port control and status: drivers switch ports on here; they always are.
const PCS: u16 = 0x92;
const PCS_ENABLES: u8 = 0x3f;

/// The index and data pair in BAR 4 (10.12).
#[derive(Clone, Copy)]
enum Indirect {
    Index,
    Data,
}

const INDIRECT: RegisterMap<Indirect> = RegisterMap::new(&[
    Register::new(Indirect::Index, 0x10, 4),
    Register::new(Indirect::Data, 0x14, 4),
]);
/// Which bits of the index there are.
const INDEX_MASK: u32 = ABAR_LEN as u32 - 4;

/// The controller.
pub struct Ahci {
    config: PciConfig,
    ram: GuestRam,
    /// Brings the next tick when one was not enough, or after a restore.
    again: Timer,
    ghc: Ghc,
    is: u32,
    index: u32,
    ports: [Port; PORTS],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    config: PciConfigState,
    ghc: u32,
    is: u32,
    index: u32,
    ports: Vec<PortState>,
}

impl Ahci {
    /// The controller with `attachments` on its ports.
    pub fn new(
        ram: GuestRam,
        clock: &Clock,
        wiring: PciWiring,
        attachments: [Option<Attachment>; PORTS],
    ) -> Self {
        let identity = PciIdentity {
            vendor: INTEL,
            device: ICH9_AHCI,
            revision: REVISION,
            class: CLASS_AHCI,
            subsystem_vendor: SUBSYSTEM_VENDOR,
            subsystem: SUBSYSTEM,
        };
        let mut config = PciConfig::new(identity, 1, wiring);
        config.add_bar(IO_BAR, Bar { kind: BarKind::Io, len: IO_BAR_LEN, direct: None });
        let kind = BarKind::Memory32 { prefetchable: false };
        config.add_bar(ABAR, Bar { kind, len: ABAR_LEN, direct: None });
        config.place_next_capability(MSI_AT);
        config.add_msi();
        config.place_next_capability(SATA_CAPABILITY_AT);
        config.add_capability(CAP_SATA, &SATA_CAPABILITY);
        config.set_u8(MAP, MAP_AHCI);
        config.set_writable(PCS, &[PCS_ENABLES]);
        Self {
            config,
            ram,
            again: clock.timer(),
            ghc: Ghc::AE,
            is: 0,
            index: 0,
            ports: attachments.map(Port::new),
        }
    }

    fn read_global(&self, register: Global) -> u32 {
        match register {
            Global::Cap => CAP,
            Global::Ghc => self.ghc.bits(),
            Global::Is => self.is,
            Global::Pi => PI,
            Global::Vs => VS,
        }
    }

    fn write_global(&mut self, register: Global, value: u32, mask: u32) {
        match register {
            Global::Ghc => {
                let ghc = Ghc::from_bits_truncate(self.ghc.bits() & !mask | value & mask);
                if ghc.contains(Ghc::HR) {
                    return self.hba_reset();
                }
                self.ghc = ghc | Ghc::AE;
            }
            Global::Is => self.is &= !(value & mask),
            Global::Cap | Global::Pi | Global::Vs => {}
        }
    }

    /// GHC.HR (10.4.3).
    fn hba_reset(&mut self) {
        self.ghc = Ghc::AE;
        self.is = 0;
        for port in &mut self.ports {
            port.hba_reset();
        }
        self.again.disarm();
    }

    fn read_abar(&self, offset: u64, data: &mut [u8]) {
        match port_offset(offset) {
            None => GLOBALS.read(offset, data, |register| self.read_global(register).into()),
            Some((port, offset)) => match self.ports.get(port) {
                Some(port) => {
                    PORT_REGISTERS.read(offset, data, |register| port.read(register).into());
                }
                None => data.fill(0),
            },
        }
    }

    fn write_abar(&mut self, offset: u64, data: &[u8]) {
        let mut is_written = false;
        match port_offset(offset) {
            None => GLOBALS.write(offset, data, |register, value, mask| {
                is_written |= register == Global::Is;
                self.write_global(register, value as u32, mask as u32);
            }),
            Some((n, offset)) => {
                let is_bus_master = self.config.is_bus_master();
                let dma = Dma { ram: &self.ram, is_bus_master };
                if let Some(port) = self.ports.get_mut(n) {
                    PORT_REGISTERS.write(offset, data, |register, value, mask| {
                        port.write(register, value as u32, mask as u32, dma);
                    });
                }
            }
        }
        self.update_interrupt(is_written);
    }

    /// Gathers the ports' interrupts in IS and drives the interrupt. With MSI the message is sent again
    /// at each new event, and when software has cleared bits of IS but left some: else a driver that
    /// looked at IS too early would wait forever (10.6.2.1).
    fn update_interrupt(&mut self, is_written: bool) {
        let mut has_event = is_written;
        for (n, port) in self.ports.iter_mut().enumerate() {
            has_event |= port.take_event();
            if port.is_pending() {
                self.is |= 1 << n;
            }
        }
        let level = self.ghc.contains(Ghc::IE) && self.is != 0;
        let was = self.config.interrupt();
        self.config.set_interrupt(level);
        if was && level && has_event {
            self.config.pulse_msi();
        }
    }
}

/// Port number and offset in its registers.
fn port_offset(offset: u64) -> Option<(usize, u64)> {
    let into = offset.checked_sub(PORT_BASE)?;
    Some((usize::try_from(into / PORT_LEN).unwrap_or(usize::MAX), into % PORT_LEN))
}

impl Device for Ahci {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.config.reset();
        self.ghc = Ghc::AE;
        self.is = 0;
        self.index = 0;
        self.again.disarm();
        for port in &mut self.ports {
            port.reset();
        }
    }

    fn tick(&mut self) {
        self.again.take_expired();
        let dma = Dma { ram: &self.ram, is_bus_master: self.config.is_bus_master() };
        let mut is_more = false;
        for port in &mut self.ports {
            is_more |= port.tick(dma);
        }
        if is_more {
            self.again.arm(self.again.clock().now() + 1);
        }
        self.update_interrupt(false);
    }

    fn save(&self) -> Snapshot {
        let state = State {
            config: self.config.save(),
            ghc: self.ghc.bits(),
            is: self.is,
            index: self.index,
            ports: self.ports.iter().map(Port::save).collect(),
        };
        Snapshot::new(KIND, 1, &state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        let result = self.restore_state(state);
        if result.is_err() {
            self.reset();
        }
        result
    }
}

impl Ahci {
    fn restore_state(&mut self, state: State) -> Result<(), SnapshotError> {
        if state.ports.len() != PORTS {
            let what = format!("{} ports, where there are {PORTS}", state.ports.len());
            return Err(SnapshotError::invalid(KIND, what));
        }
        for (n, (port, state)) in self.ports.iter_mut().zip(state.ports).enumerate() {
            let restored = port.restore(state);
            restored.map_err(|what| SnapshotError::invalid(KIND, format!("port {n}: {what}")))?;
        }
        self.config.restore(KIND, &state.config)?;
        self.ghc = Ghc::from_bits_truncate(state.ghc).difference(Ghc::HR) | Ghc::AE;
        self.is = state.is & PI;
        self.index = state.index & INDEX_MASK;
        // Guest memory may not be there yet, so commands in flight begin again later: at once, whatever
        // time it will be.
        self.again.arm(0);
        Ok(())
    }
}

impl PciDevice for Ahci {
    fn config(&self) -> &PciConfig {
        &self.config
    }

    fn config_mut(&mut self) -> &mut PciConfig {
        &mut self.config
    }

    fn config_written(&mut self, offset: u16, _len: usize) {
        // Commands that were issued before the function became a bus master begin now.
        if offset <= reg::COMMAND + 1 {
            let dma = Dma { ram: &self.ram, is_bus_master: self.config.is_bus_master() };
            if dma.is_bus_master {
                for port in &mut self.ports {
                    port.run(dma);
                }
                self.update_interrupt(false);
            }
        }
    }

    fn bar_read(&mut self, bar: usize, offset: u64, data: &mut [u8]) {
        match bar {
            ABAR => self.read_abar(offset, data),
            _ => INDIRECT.read(offset, data, |register| match register {
                Indirect::Index => self.index.into(),
                Indirect::Data => {
                    let mut value = [0; 4];
                    self.read_abar(self.index.into(), &mut value);
                    u32::from_le_bytes(value).into()
                }
            }),
        }
    }

    fn bar_write(&mut self, bar: usize, offset: u64, data: &[u8]) {
        match bar {
            ABAR => self.write_abar(offset, data),
            _ => INDIRECT.write(offset, data, |register, value, mask| match register {
                Indirect::Index => {
                    let index = self.index & !(mask as u32) | (value & mask) as u32;
                    self.index = index & INDEX_MASK;
                }
                Indirect::Data => {
                    // Whole doublewords only, as the specification asks of software.
                    if mask == 0xffff_ffff {
                        self.write_abar(self.index.into(), &(value as u32).to_le_bytes());
                    }
                }
            }),
        }
    }
}
