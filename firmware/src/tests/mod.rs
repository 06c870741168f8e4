//! Services over a small machine: RAM everywhere, and stubs behind a few ports.

mod disks;
mod input;
mod memory;
mod power_on;
mod protocol;
mod video;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aero_bus::pci::{Bar, BarKind, PciAddress, PciConfig, PciIdentity, PciWiring};
use aero_bus::{BusDevice, BusTarget, Clock, GuestRam, IoMap, MemoryMap, Window};
use aero_testbed::{Access, MemoryChar, MemoryDisk, Testbed};

use crate::frame::Frame;
use crate::machine::Machine;
use crate::port::{ADDRESS, COMMAND, DATA, FRAME_WORDS, Status};
use crate::{BootDrive, DriveKind, Firmware, FirmwareConfig, PciConfigPlan};

/// Ports that remember what was written and read it back, a byte each.
#[derive(Default)]
pub struct Latches(Mutex<BTreeMap<u64, u8>>);

impl Latches {
    pub fn get(&self, offset: u64) -> u8 {
        self.0.lock().unwrap().get(&offset).copied().unwrap_or(0)
    }
    pub fn set(&self, offset: u64, value: u8) {
        self.0.lock().unwrap().insert(offset, value);
    }
}

impl BusTarget for Latches {
    fn read(&self, offset: u64, data: &mut [u8]) {
        for (i, byte) in data.iter_mut().enumerate() {
            *byte = self.get(offset + i as u64);
        }
    }
    fn write(&self, offset: u64, data: &[u8]) {
        for (i, byte) in data.iter().enumerate() {
            self.set(offset + i as u64, *byte);
        }
    }
}

/// An index register and what it chooses: the RTC, and every block of the VGA.
#[derive(Default)]
pub struct Indexed {
    index: Mutex<u8>,
    pub values: Latches,
}

impl BusTarget for Indexed {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let index = *self.index.lock().unwrap();
        data.fill(if offset == 0 { index } else { self.values.get((index & 0x7f).into()) });
    }
    fn write(&self, offset: u64, data: &[u8]) {
        for (i, byte) in data.iter().enumerate() {
            let mut index = self.index.lock().unwrap();
            if offset + i as u64 == 0 {
                *index = *byte;
            } else {
                self.values.set((*index & 0x7f).into(), *byte);
            }
        }
    }
}

/// The Bochs display interface: 16-bit registers.
#[derive(Default)]
pub struct Bochs {
    index: Mutex<u16>,
    pub values: Mutex<BTreeMap<u16, u16>>,
}

impl BusTarget for Bochs {
    fn read(&self, _: u64, data: &mut [u8]) {
        let index = *self.index.lock().unwrap();
        let value = self.values.lock().unwrap().get(&index).copied().unwrap_or(0);
        data.copy_from_slice(&value.to_le_bytes()[..data.len()]);
    }
    fn write(&self, offset: u64, data: &[u8]) {
        let value = u16::from_le_bytes(data.try_into().unwrap());
        if offset == 0 {
            *self.index.lock().unwrap() = value;
        } else {
            let index = *self.index.lock().unwrap();
            self.values.lock().unwrap().insert(index, value);
        }
    }
}

/// Configuration mechanism 1 over a few functions.
#[derive(Default)]
pub struct Pci {
    address: Mutex<u32>,
    pub functions: Mutex<BTreeMap<u8, PciConfig>>,
}

impl BusTarget for Pci {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let address = *self.address.lock().unwrap();
        match self.functions.lock().unwrap().get(&((address >> 8) as u8)) {
            Some(config) if address >> 16 == 0x8000 => {
                config.read((address as u16 & 0xfc) + (offset as u16 & 3), data);
            }
            _ => data.fill(0xff),
        }
    }
    fn write(&self, offset: u64, data: &[u8]) {
        if offset < 4 {
            *self.address.lock().unwrap() = u32::from_le_bytes(data.try_into().unwrap());
            return;
        }
        let address = *self.address.lock().unwrap();
        if let Some(config) = self.functions.lock().unwrap().get_mut(&((address >> 8) as u8)) {
            config.write((address as u16 & 0xfc) + (offset as u16 & 3), data);
        }
    }
}

/// An 8042 that acknowledges whatever goes to the mouse and answers as one would.
#[derive(Default)]
pub struct Kbc {
    to_mouse: Mutex<bool>,
    argument: Mutex<bool>,
    pub sent: Mutex<Vec<u8>>,
    pub output: Mutex<std::collections::VecDeque<u8>>,
}

impl BusTarget for Kbc {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let mut output = self.output.lock().unwrap();
        data.fill(match offset {
            0 => output.pop_front().unwrap_or(0),
            4 if output.is_empty() => 0x1c,
            4 => 0x3d,
            _ => 0xff,
        });
    }
    fn write(&self, offset: u64, data: &[u8]) {
        let mut to_mouse = self.to_mouse.lock().unwrap();
        match (offset, data[0]) {
            (4, 0xd4) => *to_mouse = true,
            (0, byte) if *to_mouse => {
                *to_mouse = false;
                self.sent.lock().unwrap().push(byte);
                let mut output = self.output.lock().unwrap();
                output.push_back(0xfa);
                let mut argument = self.argument.lock().unwrap();
                if std::mem::take(&mut *argument) {
                    return;
                }
                match byte {
                    0xff => output.extend([0xaa, 0x00]),
                    0xf2 => output.push_back(0x00),
                    0xe9 => output.extend([0x20, 0x02, 0x64]),
                    0xf3 | 0xe8 => *argument = true,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// The machine, and the firmware in it.
pub struct Bench {
    pub firmware: Firmware,
    pub machine: Machine,
    pub clock: Clock,
    pub console: MemoryChar,
    pub disks: Vec<MemoryDisk>,
    pub cmos: Arc<Indexed>,
    pub latches: Arc<Latches>,
    pub bochs: Arc<Bochs>,
    pub pci: Arc<Pci>,
    pub kbc: Arc<Kbc>,
}

/// Where a caller's stack pointer is, so that calls differ from each other.
const STACK: u32 = 0x7000;

impl Bench {
    pub fn new() -> Self {
        Self::with_drives(&[])
    }

    pub fn with_drives(drives: &[(DriveKind, &[u8])]) -> Self {
        let ram = GuestRam::new(16 << 20, 1 << 20).unwrap();
        let memory = Arc::new(MemoryMap::new(ram));
        memory.write(0xf_0000, &crate::system_rom());
        let io = Arc::new(IoMap::new());
        let cmos = Arc::new(Indexed::default());
        let latches = Arc::new(Latches::default());
        let bochs = Arc::new(Bochs::default());
        bochs.values.lock().unwrap().extend([(0, 0xb0c5), (10, 256)]);
        let pci = Arc::new(Pci::default());
        let kbc = Arc::new(Kbc::default());
        io.map("cmos", 0x70, Window::new(0, 2), cmos.clone()).unwrap();
        io.map("bochs", 0x1ce, Window::new(0, 3), bochs.clone()).unwrap();
        for index in [0x3c4, 0x3ce, 0x3d4] {
            let block = Arc::new(Indexed::default());
            io.map("vga", index, Window::new(0, 2), block).unwrap();
        }
        io.map("port 92h", 0x92, Window::new(0x92, 1), latches.clone()).unwrap();
        io.map("pic", 0x20, Window::new(0x20, 2), latches.clone()).unwrap();
        io.map("pic 2", 0xa0, Window::new(0xa0, 2), latches.clone()).unwrap();
        io.map("elcr", 0x4d0, Window::new(0x4d0, 2), latches.clone()).unwrap();
        io.map("com1", 0x3f8, Window::new(0x3f8, 8), latches.clone()).unwrap();
        io.map("kbc", 0x60, Window::new(0, 1), kbc.clone()).unwrap();
        io.map("kbc command", 0x64, Window::new(4, 1), kbc.clone()).unwrap();
        io.map("pci", 0xcf8, Window::new(0, 8), pci.clone()).unwrap();
        let clock = Clock::manual();
        let console = MemoryChar::default();
        let disks: Vec<MemoryDisk> =
            drives.iter().map(|(_, bytes)| MemoryDisk::new(bytes.to_vec())).collect();
        let config = FirmwareConfig {
            drives: drives
                .iter()
                .zip(&disks)
                .enumerate()
                .map(|(i, ((kind, _), disk))| BootDrive {
                    name: format!("drive{i}"),
                    kind: *kind,
                    backend: Box::new(disk.clone()),
                })
                .collect(),
            boot_order: Vec::new(),
            pci: PciConfigPlan::q35(16 << 20, [[0, 1, 2, 3]; 32]),
            pm_base: 0x600,
            sci_irq: 9,
            io_apic: Some((0, 0xfec0_0000)),
            acpi: Some(Box::new(|base| (b"RSD PTR acpi".to_vec(), base.to_le_bytes().to_vec()))),
            smbios: Some(Box::new(|base| (b"_SM_".to_vec(), base.to_le_bytes().to_vec()))),
            cpu_name: "Test".into(),
            cpus: 1,
            serial_ports: vec![0x3f8],
            console: Box::new(console.clone()),
        };
        let firmware = Firmware::new(memory.clone(), io.clone(), clock.clone(), config);
        let machine = Machine { memory, io };
        Self { firmware, machine, clock, console, disks, cmos, latches, bochs, pci, kbc }
    }

    /// Puts a function on the bus.
    pub fn add_pci(
        &self,
        address: PciAddress,
        id: u32,
        class: u32,
        pin: u8,
        bars: &[(usize, Bar)],
    ) {
        let bed = Testbed::new();
        let identity = PciIdentity {
            vendor: id as u16,
            device: (id >> 16) as u16,
            revision: 0,
            class,
            subsystem_vendor: 0,
            subsystem: 0,
        };
        let wiring = PciWiring { intx: bed.pin(0), msi: bed.msi_sink() };
        let mut config = PciConfig::new(identity, pin, wiring);
        for (index, bar) in bars {
            config.add_bar(*index, *bar);
        }
        config.set_writable(0x40, &[0xff; 0xc0]);
        self.pci.functions.lock().unwrap().insert(address.devfn(), config);
    }

    /// A service as a stub calls it, up to its answer. `None` if it halts.
    pub fn ask(&mut self, service: u16, fill: impl FnOnce(&mut Frame)) -> Option<Frame> {
        let mut frame = Frame { service, esp: STACK, flags: 0x202, ..Frame::default() };
        fill(&mut frame);
        for _ in 0..10_000 {
            for word in 0..FRAME_WORDS {
                self.firmware.write32(u64::from(word) * 4, frame.word(word.into()));
            }
            self.firmware.write32(COMMAND.into(), 0);
            loop {
                let status = self.firmware.read32(COMMAND.into());
                let at = self.firmware.read32(ADDRESS.into());
                let address = u64::from(at >> 16) * 16 + u64::from(at & 0xffff);
                let count = u64::from(status >> 16);
                match status as u8 {
                    s if s == Status::Give as u8 => {
                        for i in 0..count {
                            let byte = self.firmware.read8(DATA.into());
                            self.machine.write8(address + i, byte);
                        }
                    }
                    s if s == Status::Take as u8 => {
                        for i in 0..count {
                            let byte = self.machine.read8(address + i);
                            self.firmware.write8(DATA.into(), byte);
                        }
                    }
                    s if s == Status::Poll as u8 => {
                        self.clock.advance_to(self.clock.now() + 1_000_000);
                        break;
                    }
                    s if s == Status::Halt as u8 => return None,
                    _ => {
                        for word in 0..FRAME_WORDS {
                            let value = self.firmware.read32(u64::from(word) * 4);
                            frame.set_word(word.into(), value);
                        }
                        return Some(frame);
                    }
                }
            }
        }
        panic!("service {service:#x} never answers");
    }

    /// A service that answers.
    pub fn call(&mut self, service: u16, fill: impl FnOnce(&mut Frame)) -> Frame {
        self.ask(service, fill).expect("the service answers")
    }

    /// Power-on.
    pub fn power_on(&mut self) {
        self.call(crate::rom::service::POST, |_| {});
        self.machine.write(0xc_0000, &crate::vga_rom());
        self.call(crate::rom::service::VGA_START, |_| {});
    }

    /// What is on the screen, row by row.
    pub fn screen(&self) -> Vec<String> {
        (0..25)
            .map(|row| {
                let cells: [u8; 160] = self.machine.read(0xb_8000 + row * 160);
                let text: String = cells.iter().step_by(2).map(|c| *c as char).collect();
                text.trim_end().to_owned()
            })
            .collect()
    }
}

/// A memory BAR of this length.
pub fn memory_bar(len: u64) -> Bar {
    Bar { kind: BarKind::Memory32 { prefetchable: false }, len, direct: None }
}
