//! The ICH9's LPC bridge, 00:1f.0: the base of the power management ports, the routing of PIRQs, and
//! the base of the chipset configuration registers (ICH9 datasheet, 13.1).

use std::sync::Arc;

use aero_bus::pci::{PciConfig, PciConfigState, PciDevice, PciIdentity, PciWiring, reg};
use aero_bus::{
    BusTarget, Device, IoMap, IrqPin, MapId, MemoryMap, Snapshot, SnapshotError, Window,
};
use serde::{Deserialize, Serialize};

use crate::chipset_config::{self, ChipsetConfig, ChipsetConfigState};
use crate::host_bridge::command_mask;
use crate::pirq::ROUT_DISABLED;
use crate::{INTEL, NoMessages, PirqRouter, SUBSYSTEM, SUBSYSTEM_VENDOR};

const KIND: &str = "ich9-lpc";
const ICH9_LPC: u16 = 0x2918;
const REVISION: u8 = 2;
const CLASS_ISA_BRIDGE: u32 = 0x06_01_00;

/// Registers above the header.
mod register {
    /// ACPI base address, 32 bits.
    pub const PMBASE: u16 = 0x40;
    /// ACPI control, 8 bits.
    pub const ACPI_CNTL: u16 = 0x44;
    /// PIRQA#–PIRQD# routing, 8 bits each.
    pub const PIRQA_ROUT: u16 = 0x60;
    /// Serial IRQ control, 8 bits.
    pub const SIRQ_CNTL: u16 = 0x64;
    /// PIRQE#–PIRQH# routing, 8 bits each.
    pub const PIRQE_ROUT: u16 = 0x68;
    /// I/O decode ranges, 16 bits.
    pub const LPC_IO_DEC: u16 = 0x80;
    /// LPC interface enables, 16 bits.
    pub const LPC_EN: u16 = 0x82;
    /// Generic I/O decode ranges 1 to 4, 32 bits each.
    pub const GEN1_DEC: u16 = 0x84;
    /// General power management configuration 1, 16 bits.
    pub const GEN_PMCON_1: u16 = 0xa0;
    /// General power management configuration 2, 8 bits.
    pub const GEN_PMCON_2: u16 = 0xa2;
    /// General power management configuration 3, 16 bits.
    pub const GEN_PMCON_3: u16 = 0xa4;
    /// Firmware hub select, 32 and 16 bits.
    pub const FWH_SEL1: u16 = 0xd0;
    /// Firmware hub decode enable, 16 bits.
    pub const FWH_DEC_EN1: u16 = 0xd8;
    /// BIOS control, 8 bits.
    pub const BIOS_CNTL: u16 = 0xdc;
    /// Root complex base address, 32 bits.
    pub const RCBA: u16 = 0xf0;
}

const PMBASE_WRITABLE: u16 = 0xff80;
/// The address is one of ports: always 1.
const PMBASE_IO: u32 = 1;
const PM_LEN: u64 = 0x80;
const ACPI_EN: u8 = 0x80;
const SCI_IRQ_SEL: u8 = 0x07;
const PIRQ_ROUT_WRITABLE: u8 = 0x8f;
const SIRQ_CNTL_POWER_ON: u8 = 0x10;
/// Once set, GBL_SMI_EN keeps its value until reset.
const SMI_LOCK: u8 = 1 << 4;
const RCBA_ENABLE: u32 = 1;
const RCBA_BASE: u32 = 0xffff_c000;

/// The power management ports, 128 of them, for the bridge to map at PMBASE.
pub struct PmWindow {
    /// Who answers.
    pub target: Arc<dyn BusTarget>,
    /// Which 128 bytes of its offsets.
    pub window: Window,
}

/// The LPC bridge.
pub struct Lpc {
    config: PciConfig,
    io: Arc<IoMap>,
    memory: Arc<MemoryMap>,
    router: PirqRouter,
    pm: Option<PmWindow>,
    pm_map: Option<(u16, MapId)>,
    chipset_config: Arc<ChipsetConfig>,
    rcba_map: Option<(u32, MapId)>,
    smi_locked: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    config: PciConfigState,
    chipset_config: ChipsetConfigState,
    smi_locked: bool,
}

impl Lpc {
    /// The bridge that programs `router` and maps `pm` in `io`.
    pub fn new(
        io: Arc<IoMap>,
        memory: Arc<MemoryMap>,
        router: PirqRouter,
        pm: Option<PmWindow>,
    ) -> Self {
        let identity = PciIdentity {
            vendor: INTEL,
            device: ICH9_LPC,
            revision: REVISION,
            class: CLASS_ISA_BRIDGE,
            subsystem_vendor: SUBSYSTEM_VENDOR,
            subsystem: SUBSYSTEM,
        };
        let wiring = PciWiring { intx: IrqPin::unconnected(), msi: Arc::new(NoMessages) };
        let mut config = PciConfig::new(identity, 0, wiring);
        config.set_writable(reg::COMMAND, &command_mask());
        config.set_u32(register::PMBASE, PMBASE_IO);
        config.set_writable(register::PMBASE, &PMBASE_WRITABLE.to_le_bytes());
        config.set_writable(register::ACPI_CNTL, &[ACPI_EN | SCI_IRQ_SEL]);
        for first in [register::PIRQA_ROUT, register::PIRQE_ROUT] {
            for n in 0..4 {
                config.set_u8(first + n, ROUT_DISABLED);
                config.set_writable(first + n, &[PIRQ_ROUT_WRITABLE]);
            }
        }
        // What follows is kept for whoever wrote it: the devices behind the LPC bus are always decoded.
        config.set_u8(register::SIRQ_CNTL, SIRQ_CNTL_POWER_ON);
        config.set_writable(register::SIRQ_CNTL, &[0xff]);
        config.set_writable(register::LPC_IO_DEC, &0x1377u16.to_le_bytes());
        config.set_writable(register::LPC_EN, &0x3f0fu16.to_le_bytes());
        for n in 0..4 {
            config.set_writable(register::GEN1_DEC + 4 * n, &0x00fc_fffdu32.to_le_bytes());
        }
        config.set_writable(register::GEN_PMCON_1, &0x14bfu16.to_le_bytes());
        config.set_writable(register::GEN_PMCON_2, &[0x9b]);
        config.set_writable(register::GEN_PMCON_3, &0xfcf9u16.to_le_bytes());
        config.set_u32(register::FWH_SEL1, 0x0011_2233);
        config.set_u16(register::FWH_SEL1 + 4, 0x4567);
        config.set_writable(register::FWH_SEL1, &[0xff; 6]);
        config.set_u16(register::FWH_DEC_EN1, 0xffcf);
        config.set_writable(register::FWH_DEC_EN1, &0x7fcfu16.to_le_bytes());
        config.set_writable(register::BIOS_CNTL, &[0x0f]);
        config.set_writable(register::RCBA, &(RCBA_BASE | RCBA_ENABLE).to_le_bytes());
        let chipset_config = Arc::new(ChipsetConfig::new(router.clone()));
        let mut lpc = Self {
            config,
            io,
            memory,
            router,
            pm,
            pm_map: None,
            chipset_config,
            rcba_map: None,
            smi_locked: false,
        };
        lpc.apply();
        lpc
    }

    /// Makes maps and routes what the registers say.
    fn apply(&mut self) {
        let pmcon = self.config.u8(register::GEN_PMCON_1);
        self.smi_locked |= pmcon & SMI_LOCK != 0;
        if self.smi_locked {
            self.config.update_u8(register::GEN_PMCON_1, pmcon | SMI_LOCK);
        }
        self.apply_routes();
        self.apply_pm();
        self.apply_rcba();
    }

    fn apply_routes(&self) {
        let rout = |n: u16| match n {
            0..4 => self.config.u8(register::PIRQA_ROUT + n),
            _ => self.config.u8(register::PIRQE_ROUT + n - 4),
        };
        let sci = match self.config.u8(register::ACPI_CNTL) & SCI_IRQ_SEL {
            0 => Some(9),
            1 => Some(10),
            2 => Some(11),
            4 => Some(20),
            5 => Some(21),
            reserved => {
                log::debug!("ACPI_CNTL: {reserved} selects no SCI");
                None
            }
        };
        self.router.set_routes(std::array::from_fn(|n| rout(n as u16)), sci);
    }

    fn apply_pm(&mut self) {
        let Some(pm) = &self.pm else { return };
        let enabled = self.config.u8(register::ACPI_CNTL) & ACPI_EN != 0;
        let base = self.config.u16(register::PMBASE) & PMBASE_WRITABLE;
        let wanted = (enabled && base != 0).then_some(base);
        if self.pm_map.map(|(base, _)| base) == wanted {
            return;
        }
        if let Some((_, id)) = self.pm_map.take() {
            self.io.unmap(id);
        }
        let Some(base) = wanted else { return };
        let window = Window::new(pm.window.offset, PM_LEN);
        match self.io.map("acpi-pm", base, window, pm.target.clone()) {
            Ok(id) => self.pm_map = Some((base, id)),
            Err(error) => log::warn!("PMBASE: {error}"),
        }
    }

    fn apply_rcba(&mut self) {
        let rcba = self.config.u32(register::RCBA);
        let wanted = (rcba & RCBA_ENABLE != 0).then_some(rcba & RCBA_BASE);
        if self.rcba_map.map(|(base, _)| base) == wanted {
            return;
        }
        if let Some((_, id)) = self.rcba_map.take() {
            self.memory.unmap(id);
        }
        let Some(base) = wanted else { return };
        if u64::from(base) < self.memory.ram().low_len() {
            log::warn!("RCBA {rcba:#x} is in RAM; the chipset registers are not mapped");
            return;
        }
        let (window, target) = (chipset_config::WINDOW, self.chipset_config.clone());
        match self.memory.map_device("rcba", base.into(), window, target) {
            Ok(id) => self.rcba_map = Some((base, id)),
            Err(error) => log::warn!("RCBA: {error}"),
        }
    }
}

impl Device for Lpc {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.config.reset();
        self.chipset_config.reset();
        self.smi_locked = false;
        self.apply();
    }

    fn save(&self) -> Snapshot {
        let state = State {
            config: self.config.save(),
            chipset_config: self.chipset_config.save(),
            smi_locked: self.smi_locked,
        };
        Snapshot::new(KIND, 1, &state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        if !ChipsetConfig::accepts(&state.chipset_config) {
            return Err(SnapshotError::invalid(KIND, "chipset_config has another length"));
        }
        self.config.restore(KIND, &state.config)?;
        self.chipset_config.restore(&state.chipset_config);
        self.smi_locked = state.smi_locked;
        self.apply();
        Ok(())
    }
}

impl PciDevice for Lpc {
    fn config(&self) -> &PciConfig {
        &self.config
    }

    fn config_mut(&mut self) -> &mut PciConfig {
        &mut self.config
    }

    fn config_written(&mut self, offset: u16, _len: usize) {
        if offset >= register::PMBASE {
            self.apply();
        }
    }

    fn bar_read(&mut self, _bar: usize, _offset: u64, data: &mut [u8]) {
        data.fill(0xff);
    }

    fn bar_write(&mut self, _bar: usize, _offset: u64, _data: &[u8]) {}
}
