//! The adapter as a whole: a PCI function with two BARs, and the windows that a VGA always has.

use aero_bus::display::{Frame, Scanout};
use aero_bus::pci::{Bar, BarKind, PciConfig, PciConfigState, PciDevice, PciIdentity, PciWiring};
use aero_bus::{
    AuxMemory, BusDevice, Clock, Device, GuestRam, RamError, Snapshot, SnapshotError, Window,
    read_by_bytes, write_by_bytes,
};
use serde::{Deserialize, Serialize};

use crate::edid;
use crate::memory;
use crate::registers::Registers;
use crate::render::Renderer;
use crate::vbe;
use crate::vram::Vram;

const KIND: &str = "vga";
/// QEMU's standard VGA, which Linux's `bochs` driver and Windows' display driver for VBE know.
const IDENTITY: PciIdentity = PciIdentity {
    vendor: 0x1234,
    device: 0x1111,
    revision: 2,
    class: 0x03_00_00,
    subsystem_vendor: 0x1af4,
    subsystem: 0x1100,
};

const BAR_VRAM: usize = 0;
const BAR_MMIO: usize = 2;
const MMIO_LEN: u64 = 4096;
/// Offsets in the MMIO BAR.
const MMIO_EDID_END: u64 = 0x400;
const MMIO_PORTS: u64 = 0x400;
const MMIO_PORTS_END: u64 = 0x420;
const MMIO_VBE: u64 = 0x500;
const MMIO_VBE_END: u64 = MMIO_VBE + 2 * vbe::index::COUNT as u64;
/// Port that [`MMIO_PORTS`] stands for.
const FIRST_MMIO_PORT: u64 = 0x3c0;

/// Offsets of the legacy windows, which are their addresses.
const PORTS: u64 = 0x3b0;
const PORTS_END: u64 = 0x3e0;
const VBE_INDEX: u64 = 0x1ce;
/// The data port lies at an odd address on PCs and at an even one elsewhere.
const VBE_DATA: u64 = 0x1cf;
const VBE_DATA_EVEN: u64 = 0x1d0;
const MEMORY_END: u64 = memory::WINDOW_BASE + memory::WINDOW_LEN;

const MIN_VRAM: u64 = 1 << 20;
const MAX_VRAM: u64 = 256 << 20;

/// Shape of an adapter and of the monitor on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VgaConfig {
    /// Bytes of video memory: a power of two from 1 MiB to 256 MiB.
    pub vram_len: u64,
    /// The mode that the monitor prefers, in pixels; up to 4095 each.
    pub preferred_mode: (u16, u16),
}

impl Default for VgaConfig {
    fn default() -> Self {
        Self { vram_len: 16 << 20, preferred_mode: (1024, 768) }
    }
}

/// A VGA with Bochs VBE extensions.
///
/// Its video memory lies in the machine's memory block, and is saved with it; the device's snapshot
/// holds the registers.
pub struct Vga {
    registers: Registers,
    config: PciConfig,
    vram: Vram,
    clock: Clock,
    edid: [u8; edid::LEN],
    renderer: Renderer,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    registers: Registers,
    pci: PciConfigState,
}

impl Vga {
    /// Ports 0x3B0 to 0x3DF.
    pub const PORTS_WINDOW: Window = Window::new(PORTS, PORTS_END - PORTS);
    /// Ports 0x1CE to 0x1D1: index and data of the VBE registers, 16 bits each.
    pub const VBE_WINDOW: Window = Window::new(VBE_INDEX, 4);
    /// Memory at 0xA0000 to 0xBFFFF.
    pub const MEMORY_WINDOW: Window = Window::new(memory::WINDOW_BASE, memory::WINDOW_LEN);

    /// An adapter after power-on, with video memory taken of `ram`'s room behind the RAM.
    pub fn new(
        config: VgaConfig,
        ram: &GuestRam,
        wiring: PciWiring,
        clock: &Clock,
    ) -> Result<Self, RamError> {
        let VgaConfig { vram_len, preferred_mode: (width, height) } = config;
        if !vram_len.is_power_of_two() || !(MIN_VRAM..=MAX_VRAM).contains(&vram_len) {
            return Err(RamError::Size(vram_len));
        }
        let area = ram.allocate_aux(vram_len)?;
        let mut pci = PciConfig::new(IDENTITY, 0, wiring);
        let kind = BarKind::Memory32 { prefetchable: true };
        pci.add_bar(BAR_VRAM, Bar { kind, len: vram_len, direct: Some(area) });
        let kind = BarKind::Memory32 { prefetchable: false };
        pci.add_bar(BAR_MMIO, Bar { kind, len: MMIO_LEN, direct: None });
        Ok(Self {
            registers: Registers::default(),
            config: pci,
            vram: Vram::new(ram.clone(), area),
            clock: clock.clone(),
            edid: edid::block(width.min(4095), height.min(4095)),
            renderer: Renderer::new(),
        })
    }

    /// Where the video memory is.
    pub fn vram(&self) -> AuxMemory {
        self.vram.area()
    }

    fn read_ports(&mut self, port: u64, data: &mut [u8]) {
        let now = self.clock.now();
        read_by_bytes(port, data, |port| self.registers.read_port(port, now));
    }

    fn write_ports(&mut self, port: u64, data: &[u8]) {
        write_by_bytes(port, data, |port, value| self.registers.write_port(port, value));
    }

    fn read_vbe(&self, register: u16) -> [u8; 2] {
        self.registers.vbe.read(register, self.vram.len()).to_le_bytes()
    }

    fn read_vbe_port(&self, offset: u64, data: &mut [u8]) {
        let index = self.registers.vbe.index;
        match (offset, data) {
            (VBE_INDEX, [low, high]) => [*low, *high] = index.to_le_bytes(),
            (VBE_DATA | VBE_DATA_EVEN, [low, high]) => [*low, *high] = self.read_vbe(index),
            // The ports take words only.
            (_, data) => data.fill(0xff),
        }
    }

    fn write_vbe_port(&mut self, offset: u64, data: &[u8]) {
        match (offset, data) {
            (VBE_INDEX, [low, high]) => {
                self.registers.vbe.index = u16::from_le_bytes([*low, *high]);
            }
            (VBE_DATA | VBE_DATA_EVEN, [low, high]) => {
                let index = self.registers.vbe.index;
                self.registers.write_vbe(index, u16::from_le_bytes([*low, *high]), &self.vram);
            }
            _ => log::debug!("vbe: a write of {} bytes to port {offset:#x}", data.len()),
        }
    }

    fn read_mmio(&mut self, offset: u64, data: &mut [u8]) {
        match offset {
            0..MMIO_EDID_END => {
                read_by_bytes(offset, data, |at| self.edid.get(at as usize).copied().unwrap_or(0))
            }
            MMIO_PORTS..MMIO_PORTS_END => {
                self.read_ports(offset - MMIO_PORTS + FIRST_MMIO_PORT, data);
            }
            MMIO_VBE..MMIO_VBE_END => read_by_bytes(offset - MMIO_VBE, data, |at| {
                self.read_vbe((at / 2) as u16)[(at % 2) as usize]
            }),
            _ => data.fill(0xff),
        }
    }

    fn write_mmio(&mut self, offset: u64, data: &[u8]) {
        match offset {
            MMIO_PORTS..MMIO_PORTS_END => {
                self.write_ports(offset - MMIO_PORTS + FIRST_MMIO_PORT, data);
            }
            // Registers take whole words.
            MMIO_VBE..MMIO_VBE_END if offset.is_multiple_of(2) => {
                let first = ((offset - MMIO_VBE) / 2) as u16;
                for (register, word) in (first..).zip(data.chunks_exact(2)) {
                    let value = u16::from_le_bytes([word[0], word[1]]);
                    self.registers.write_vbe(register, value, &self.vram);
                }
            }
            _ => log::debug!("vga: a write of {} bytes to MMIO {offset:#x}", data.len()),
        }
    }
}

impl Device for Vga {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.registers = Registers::default();
        self.config.reset();
        self.vram.clear(self.vram.len());
    }

    fn save(&self) -> Snapshot {
        let state = State { registers: self.registers.clone(), pci: self.config.save() };
        Snapshot::new(KIND, 1, &state)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        let invalid = |what: String| SnapshotError::invalid(KIND, what);
        state.registers.dac.check().map_err(invalid)?;
        state.registers.vbe.check(self.vram.len()).map_err(invalid)?;
        self.config.restore(KIND, &state.pci)?;
        self.registers = state.registers;
        Ok(())
    }
}

impl BusDevice for Vga {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        match offset {
            VBE_INDEX..=VBE_DATA_EVEN => self.read_vbe_port(offset, data),
            PORTS..PORTS_END => self.read_ports(offset, data),
            memory::WINDOW_BASE..MEMORY_END => {
                self.registers.read_window(offset, data, &self.vram);
            }
            _ => data.fill(0xff),
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        match offset {
            VBE_INDEX..=VBE_DATA_EVEN => self.write_vbe_port(offset, data),
            PORTS..PORTS_END => self.write_ports(offset, data),
            memory::WINDOW_BASE..MEMORY_END => {
                self.registers.write_window(offset, data, &self.vram);
            }
            _ => {}
        }
    }
}

impl PciDevice for Vga {
    fn config(&self) -> &PciConfig {
        &self.config
    }

    fn config_mut(&mut self) -> &mut PciConfig {
        &mut self.config
    }

    fn bar_read(&mut self, bar: usize, offset: u64, data: &mut [u8]) {
        match bar {
            BAR_VRAM => self.vram.read(offset, data),
            BAR_MMIO => self.read_mmio(offset, data),
            _ => data.fill(0xff),
        }
    }

    fn bar_write(&mut self, bar: usize, offset: u64, data: &[u8]) {
        match bar {
            BAR_VRAM => self.vram.write(offset, data),
            BAR_MMIO => self.write_mmio(offset, data),
            _ => {}
        }
    }
}

impl Scanout for Vga {
    fn render(&mut self, frame: &mut Frame) -> bool {
        self.renderer.render(&self.registers, &self.vram, self.clock.now(), frame)
    }

    fn text(&self) -> Option<String> {
        Renderer::text(&self.registers, &self.vram)
    }
}
