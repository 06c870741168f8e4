//! The Q35 memory controller hub's host bridge, 00:00.0: what lies where below 1 MiB and where ECAM is
//! (MCH datasheet, chapter 5 "DRAM controller registers (D0:F0)").

use std::sync::Arc;

use aero_bus::pci::{Command, PciConfig, PciConfigState, PciDevice, PciIdentity, PciWiring};
use aero_bus::{
    AuxMemory, BusTarget, Device, DirectMapping, IrqPin, MapError, MapId, MemoryMap, Snapshot,
    SnapshotError, Window,
};
use serde::{Deserialize, Serialize};

use crate::pam::{PAM_COUNT, ShadowMap};
use crate::{INTEL, NoMessages, PciBus, SUBSYSTEM, SUBSYSTEM_VENDOR};

const KIND: &str = "q35-host-bridge";
const MCH_82Q35: u16 = 0x29c0;
const CLASS_HOST_BRIDGE: u32 = 0x06_00_00;

/// Registers above the header.
mod register {
    /// QEMU's extended TSEG size in MiB, 16 bits, read-only.
    pub const EXT_TSEG_MBYTES: u16 = 0x50;
    /// Base of the memory-mapped configuration space, 64 bits.
    pub const PCIEXBAR: u16 = 0x60;
    /// The first of the seven attribute maps, 8 bits each.
    pub const PAM0: u16 = 0x90;
    /// System management RAM control, 8 bits.
    pub const SMRAM: u16 = 0x9d;
    /// Extended SMRAM control, 8 bits.
    pub const ESMRAMC: u16 = 0x9e;
}

const PCIEXBAR_ENABLE: u64 = 1 << 0;
const PCIEXBAR_LENGTH_SHIFT: u32 = 1;
/// Bits 35:26 and the length and enable bits; what of the base counts depends on the length.
const PCIEXBAR_WRITABLE: u64 = 0xf_fc00_0007;
const PCIEXBAR_POWER_ON: u32 = 0xb000_0000;

bitflags::bitflags! {
    /// SMRAM (5.1.28). The low three bits are the fixed base segment, A0000.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Smram: u8 {
        /// A0000–BFFFF shows RAM to everyone.
        const D_OPEN = 1 << 6;
        /// Data accesses to SMRAM are closed even in SMM.
        const D_CLS = 1 << 5;
        /// These registers are locked until reset.
        const D_LCK = 1 << 4;
        /// There is SMRAM at A0000.
        const G_SMRAME = 1 << 3;
    }
}
const SMRAM_POWER_ON: u8 = 0x02;

bitflags::bitflags! {
    /// ESMRAMC (5.1.29).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Esmramc: u8 {
        /// High SMRAM.
        const H_SMRAME = 1 << 7;
        /// SMRAM was accessed outside SMM; a one clears it.
        const E_SMERR = 1 << 6;
        /// Size of TSEG.
        const TSEG_SZ = 3 << 1;
        /// The top of low RAM is TSEG, which only SMM sees.
        const T_EN = 1 << 0;
    }
}
const ESMRAMC_POWER_ON: u8 = 0x38;
const EXT_TSEG_MIB: u16 = 16;

const VGA_WINDOW: u64 = 0xa_0000;
const VGA_WINDOW_LEN: u64 = 0x2_0000;
const FOUR_GIB: u64 = 1 << 32;

/// The display adapter's legacy window: 128 KiB that show at A0000–BFFFF.
pub struct LegacyVga {
    /// Who answers.
    pub target: Arc<dyn BusTarget>,
    /// Which 128 KiB of its offsets.
    pub window: Window,
}

/// The host bridge. It maps the BIOS ROM, the legacy VGA window and ECAM.
pub struct HostBridge {
    config: PciConfig,
    memory: Arc<MemoryMap>,
    shadow: ShadowMap,
    vga: Option<LegacyVga>,
    ecam: Arc<dyn BusTarget>,
    vga_map: Option<MapId>,
    tseg_map: Option<MapId>,
    ecam_map: Option<(u64, u64, MapId)>,
    /// SMRAM and ESMRAMC as locked.
    locked: Option<(u8, u8)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    config: PciConfigState,
    locked: Option<(u8, u8)>,
}

impl HostBridge {
    /// The host bridge of `bus`. `bios` is the image of the system BIOS, which shows below 4 GiB and,
    /// its last 128 KiB, below 1 MiB.
    pub fn new(bus: &PciBus, bios: AuxMemory, vga: Option<LegacyVga>) -> Result<Self, MapError> {
        let identity = PciIdentity {
            vendor: INTEL,
            device: MCH_82Q35,
            revision: 0,
            class: CLASS_HOST_BRIDGE,
            subsystem_vendor: SUBSYSTEM_VENDOR,
            subsystem: SUBSYSTEM,
        };
        let wiring = PciWiring { intx: IrqPin::unconnected(), msi: Arc::new(NoMessages) };
        let mut config = PciConfig::new(identity, 0, wiring);
        config.set_writable(aero_bus::pci::reg::COMMAND, &command_mask());
        config.set_u16(register::EXT_TSEG_MBYTES, EXT_TSEG_MIB);
        config.set_u32(register::PCIEXBAR, PCIEXBAR_POWER_ON);
        config.set_writable(register::PCIEXBAR, &PCIEXBAR_WRITABLE.to_le_bytes());
        config.set_writable(register::PAM0, &[0x30, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33]);
        config.set_u8(register::SMRAM, SMRAM_POWER_ON);
        config.set_writable(register::SMRAM, &[Smram::all().bits()]);
        config.set_u8(register::ESMRAMC, ESMRAMC_POWER_ON);
        config.set_clear_on_one(register::ESMRAMC, &[Esmramc::E_SMERR.bits()]);
        let esmramc = Esmramc::all().difference(Esmramc::E_SMERR);
        config.set_writable(register::ESMRAMC, &[esmramc.bits()]);

        let memory = bus.memory().clone();
        let image = DirectMapping { read: Some(bios.host_offset), write: None };
        memory.map_direct("bios", FOUR_GIB - bios.len.min(FOUR_GIB), bios.len, image)?;
        let mut bridge = Self {
            config,
            shadow: ShadowMap::new(memory.clone(), bios),
            memory,
            vga,
            ecam: bus.ecam(),
            vga_map: None,
            tseg_map: None,
            ecam_map: None,
            locked: None,
        };
        bridge.apply();
        Ok(bridge)
    }

    fn smram(&self) -> Smram {
        Smram::from_bits_truncate(self.config.u8(register::SMRAM))
    }

    fn esmramc(&self) -> Esmramc {
        Esmramc::from_bits_truncate(self.config.u8(register::ESMRAMC))
    }

    /// D_LCK, once set, holds itself and everything about SMRAM but D_CLS; and D_OPEN is then clear.
    fn apply_lock(&mut self) {
        if let Some((smram, esmramc)) = self.locked {
            let closed = self.smram() & Smram::D_CLS;
            self.config.update_u8(register::SMRAM, smram | closed.bits());
            let error = self.esmramc() & Esmramc::E_SMERR;
            self.config.update_u8(register::ESMRAMC, esmramc | error.bits());
        } else if self.smram().contains(Smram::D_LCK) {
            let free = (Smram::D_OPEN | Smram::D_CLS).bits();
            let smram = self.config.u8(register::SMRAM) & !free;
            let esmramc = self.config.u8(register::ESMRAMC) & !Esmramc::E_SMERR.bits();
            self.locked = Some((smram, esmramc));
            self.apply_lock();
        }
    }

    /// Makes the address map what the registers say.
    fn apply(&mut self) {
        self.apply_lock();
        let pam: [u8; PAM_COUNT] =
            std::array::from_fn(|n| self.config.u8(register::PAM0 + n as u16));
        self.shadow.apply(pam);
        self.apply_vga_window();
        self.apply_tseg();
        self.apply_ecam();
    }

    fn apply_vga_window(&mut self) {
        let ram_shows = self.smram().contains(Smram::D_OPEN | Smram::G_SMRAME);
        if ram_shows {
            if let Some(id) = self.vga_map.take() {
                self.memory.unmap(id);
            }
        } else if self.vga_map.is_none() {
            let result = match &self.vga {
                Some(vga) => {
                    let window = Window::new(vga.window.offset, VGA_WINDOW_LEN);
                    self.memory.map_device("vga-legacy", VGA_WINDOW, window, vga.target.clone())
                }
                None => {
                    let nothing = DirectMapping { read: None, write: None };
                    self.memory.map_direct("no-vga", VGA_WINDOW, VGA_WINDOW_LEN, nothing)
                }
            };
            self.vga_map = keep(result);
        }
    }

    /// Outside SMM, TSEG is a hole in the RAM.
    fn apply_tseg(&mut self) {
        if let Some(id) = self.tseg_map.take() {
            self.memory.unmap(id);
        }
        let esmramc = self.esmramc();
        if !esmramc.contains(Esmramc::T_EN) {
            return;
        }
        let mib = match (esmramc & Esmramc::TSEG_SZ).bits() >> 1 {
            0 => 1,
            1 => 2,
            2 => 8,
            _ => u64::from(EXT_TSEG_MIB),
        };
        let (top, len) = (self.memory.ram().low_len(), mib << 20);
        if let Some(base) = top.checked_sub(len).filter(|base| *base >= 1 << 20) {
            let hole = DirectMapping { read: None, write: None };
            self.tseg_map = keep(self.memory.map_direct("tseg", base, len, hole));
        } else {
            log::warn!("TSEG of {mib} MiB does not fit the RAM");
        }
    }

    fn apply_ecam(&mut self) {
        let low = u64::from(self.config.u32(register::PCIEXBAR));
        let pciexbar = low | u64::from(self.config.u32(register::PCIEXBAR + 4)) << 32;
        let len: u64 = match pciexbar >> PCIEXBAR_LENGTH_SHIFT & 3 {
            0 => 256 << 20,
            1 => 128 << 20,
            2 => 64 << 20,
            _ => 0,
        };
        let enabled = pciexbar & PCIEXBAR_ENABLE != 0 && len != 0;
        let base = pciexbar & PCIEXBAR_WRITABLE & !(len.max(1) - 1);
        let wanted = enabled.then_some((base, len));
        if self.ecam_map.map(|(base, len, _)| (base, len)) == wanted {
            return;
        }
        if let Some((_, _, id)) = self.ecam_map.take() {
            self.memory.unmap(id);
        }
        let Some((base, len)) = wanted else { return };
        if base < self.memory.ram().low_len() {
            log::warn!("PCIEXBAR {pciexbar:#x} is in RAM; ECAM is not mapped");
            return;
        }
        let result = self.memory.map_device("ecam", base, Window::new(0, len), self.ecam.clone());
        self.ecam_map = keep(result).map(|id| (base, len, id));
    }
}

fn keep(result: Result<MapId, MapError>) -> Option<MapId> {
    result.inspect_err(|error| log::warn!("host bridge: {error}")).ok()
}

/// The command bits a bridge of the chipset has.
pub(crate) fn command_mask() -> [u8; 2] {
    Command::all().difference(Command::PARITY_ERROR_RESPONSE).bits().to_le_bytes()
}

impl Device for HostBridge {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.config.reset();
        self.locked = None;
        self.apply();
    }

    fn save(&self) -> Snapshot {
        Snapshot::new(KIND, 1, &State { config: self.config.save(), locked: self.locked })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        self.config.restore(KIND, &state.config)?;
        self.locked = state.locked;
        self.apply();
        Ok(())
    }
}

impl PciDevice for HostBridge {
    fn config(&self) -> &PciConfig {
        &self.config
    }

    fn config_mut(&mut self) -> &mut PciConfig {
        &mut self.config
    }

    fn config_written(&mut self, offset: u16, len: usize) {
        let end = usize::from(offset) + len;
        let touches = |from: u16, to: u16| usize::from(from) < end && offset < to;
        if touches(register::PCIEXBAR, register::PCIEXBAR + 8)
            || touches(register::PAM0, register::ESMRAMC + 1)
        {
            self.apply();
        }
    }

    fn bar_read(&mut self, _bar: usize, _offset: u64, data: &mut [u8]) {
        data.fill(0xff);
    }

    fn bar_write(&mut self, _bar: usize, _offset: u64, _data: &[u8]) {}
}
