//! A small driver that builds command lists in guest memory.
#![allow(dead_code, reason = "each test file uses its part")]

use aero_ahci::{Ahci, Attachment, DriveIdentity, PORTS};
use aero_bus::Device;
use aero_bus::pci::{PciDevice, reg};
use aero_bus::vm_memory::{Bytes, GuestAddress};
use aero_testbed::{MemoryDisk, Testbed};

pub const IRQ: u32 = 16;
const LIST: u64 = 0x1_0000;
const FISES: u64 = 0x1_1000;
const TABLES: u64 = 0x2_0000;
const TABLE_LEN: u64 = 0x1000;
/// Where the commands' data is.
pub const DATA: u64 = 0x10_0000;

pub const GHC: u64 = 0x04;
pub const IS: u64 = 0x08;
pub const PX_CLB: u64 = 0x00;
pub const PX_FB: u64 = 0x08;
pub const PX_IS: u64 = 0x10;
pub const PX_IE: u64 = 0x14;
pub const PX_CMD: u64 = 0x18;
pub const PX_TFD: u64 = 0x20;
pub const PX_SIG: u64 = 0x24;
pub const PX_SSTS: u64 = 0x28;
pub const PX_SCTL: u64 = 0x2c;
pub const PX_SERR: u64 = 0x30;
pub const PX_SACT: u64 = 0x34;
pub const PX_CI: u64 = 0x38;

pub const DHRS: u32 = 1 << 0;
pub const PSS: u32 = 1 << 1;
pub const SDBS: u32 = 1 << 3;
pub const PCS: u32 = 1 << 6;
pub const PRCS: u32 = 1 << 22;
pub const OFS: u32 = 1 << 24;
pub const IFS: u32 = 1 << 27;
pub const HBFS: u32 = 1 << 29;
pub const TFES: u32 = 1 << 30;

/// A command to be issued.
#[derive(Clone, Default)]
pub struct Command {
    pub code: u8,
    pub features: u16,
    pub lba: u64,
    pub count: u16,
    pub device: u8,
    pub packet: Option<[u8; 12]>,
    /// Address and length of each piece of memory.
    pub data: Vec<(u64, u32)>,
}

/// A command with one piece of memory at [`DATA`].
pub fn command(code: u8, lba: u64, count: u16, len: u32) -> Command {
    let data = if len == 0 { vec![] } else { vec![(DATA, len)] };
    Command { code, lba, count, device: 0x40, data, ..Command::default() }
}

/// A queued read or write.
pub fn queued(code: u8, tag: u8, lba: u64, sectors: u16, data: Vec<(u64, u32)>) -> Command {
    let count = u16::from(tag) << 3;
    Command { code, features: sectors, lba, count, device: 0x40, data, ..Command::default() }
}

/// A packet command, by DMA or PIO.
pub fn packet(bytes: &[u8], len: u32, dma: bool) -> Command {
    let mut packet = [0; 12];
    packet[..bytes.len()].copy_from_slice(bytes);
    // For PIO, at most 2048 bytes a block.
    let mut command = command(0xa0, 0x08_0000, 0, len);
    command.features = dma.into();
    command.packet = Some(packet);
    command
}

pub struct Driver {
    pub bed: Testbed,
    pub ahci: Ahci,
    pub port: u64,
}

pub fn identity() -> DriveIdentity {
    DriveIdentity { model: "AERO TESTDISK".into(), serial: "0001".into(), firmware: "1.0".into() }
}

pub fn disk(medium: &MemoryDisk) -> Option<Attachment> {
    Some(Attachment::Disk { backend: Box::new(medium.clone()), identity: identity() })
}

pub fn cd(medium: &MemoryDisk) -> Option<Attachment> {
    Some(Attachment::Cd { backend: Box::new(medium.clone()), identity: identity() })
}

/// Sectors that tell their number in every doubleword.
pub fn numbered(bytes: usize) -> MemoryDisk {
    MemoryDisk::new((0..bytes as u32 / 4).flat_map(|n| (n / 128).to_le_bytes()).collect())
}

impl Driver {
    /// A controller with this on port 0, and a bus master.
    pub fn new(first: Option<Attachment>) -> Self {
        let bed = Testbed::new();
        let ahci = Self::controller(&bed, [first, None, None, None, None, None]);
        let mut driver = Self { bed, ahci, port: 0 };
        driver.set_bus_master(true);
        driver
    }

    pub fn controller(bed: &Testbed, attachments: [Option<Attachment>; PORTS]) -> Ahci {
        Ahci::new(bed.ram.clone(), &bed.clock, bed.pci_wiring(IRQ), attachments)
    }

    /// As a driver finds it after firmware: lists set up, started, all interrupts enabled.
    pub fn started(first: Option<Attachment>) -> Self {
        let mut driver = Self::new(first);
        driver.start();
        driver
    }

    pub fn set_bus_master(&mut self, is: bool) {
        let command = 0b11 | u8::from(is) << 2;
        self.ahci.config_mut().write(reg::COMMAND, &[command, 0]);
        self.ahci.config_written(reg::COMMAND, 2);
    }

    pub fn start(&mut self) {
        self.set_global(GHC, 0x8000_0002);
        self.set(PX_SERR, u32::MAX);
        self.set(PX_CLB, LIST as u32);
        self.set(PX_FB, FISES as u32);
        self.set(PX_IS, u32::MAX);
        self.set(PX_IE, u32::MAX);
        self.set(PX_CMD, 0x10);
        self.set(PX_CMD, 0x11);
        self.set_global(IS, u32::MAX);
    }

    pub fn global(&mut self, offset: u64) -> u32 {
        let mut data = [0; 4];
        self.ahci.bar_read(5, offset, &mut data);
        u32::from_le_bytes(data)
    }

    pub fn set_global(&mut self, offset: u64, value: u32) {
        self.ahci.bar_write(5, offset, &value.to_le_bytes());
    }

    pub fn get(&mut self, register: u64) -> u32 {
        self.global(0x100 + 0x80 * self.port + register)
    }

    pub fn set(&mut self, register: u64, value: u32) {
        self.set_global(0x100 + 0x80 * self.port + register, value);
    }

    pub fn load(&self, address: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.bed.ram.read_slice(&mut data, GuestAddress(address)).unwrap();
        data
    }

    pub fn load32(&self, address: u64) -> u32 {
        u32::from_le_bytes(self.load(address, 4).try_into().unwrap())
    }

    pub fn store(&self, address: u64, data: &[u8]) {
        self.bed.ram.write_slice(data, GuestAddress(address)).unwrap();
    }

    /// The posted FIS at `offset` of the receive area.
    pub fn fis(&self, offset: u64, len: usize) -> Vec<u8> {
        self.load(FISES + offset, len)
    }

    pub fn device_to_host(&self) -> Vec<u8> {
        self.fis(0x40, 20)
    }

    /// PRDBC of a slot.
    pub fn byte_count(&self, slot: u8) -> u32 {
        self.load32(LIST + 32 * u64::from(slot) + 4)
    }

    pub fn header(&self, slot: u8, words: [u32; 4]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.store(LIST + 32 * u64::from(slot), &bytes);
    }

    pub fn table(&self, slot: u8) -> u64 {
        TABLES + TABLE_LEN * u64::from(slot)
    }

    /// Writes a command into a slot without issuing it.
    pub fn build(&self, slot: u8, command: &Command) {
        let lba = command.lba.to_le_bytes();
        let (features, count) = (command.features.to_le_bytes(), command.count.to_le_bytes());
        let fis = [
            0x27,
            0x80,
            command.code,
            features[0],
            lba[0],
            lba[1],
            lba[2],
            command.device,
            lba[3],
            lba[4],
            lba[5],
            features[1],
            count[0],
            count[1],
            0,
            0,
        ];
        self.build_fis(slot, &fis, command);
    }

    fn build_fis(&self, slot: u8, fis: &[u8], command: &Command) {
        let table = self.table(slot);
        let flags = 5 | if command.packet.is_some() { 0x20 } else { 0 };
        self.header(slot, [(command.data.len() as u32) << 16 | flags, 0, table as u32, 0]);
        self.store(table, fis);
        self.store(table + 0x40, &command.packet.unwrap_or_default());
        for (n, (address, len)) in command.data.iter().enumerate() {
            let mut entry = [0; 16];
            entry[..8].copy_from_slice(&address.to_le_bytes());
            entry[12..].copy_from_slice(&(len - 1).to_le_bytes());
            self.store(table + 0x80 + 16 * n as u64, &entry);
        }
    }

    pub fn issue(&mut self, slot: u8, command: &Command) {
        self.build(slot, command);
        self.set(PX_CI, 1 << slot);
    }

    pub fn issue_queued(&mut self, slot: u8, command: &Command) {
        self.build(slot, command);
        self.set(PX_SACT, 1 << slot);
        self.set(PX_CI, 1 << slot);
    }

    /// A software reset: the control register with SRST set, then clear.
    pub fn software_reset(&mut self) {
        for control in [4, 0] {
            let mut fis = [0; 20];
            fis[0] = 0x27;
            fis[15] = control;
            self.build_fis(0, &fis, &Command::default());
            self.header(0, [0x405, 0, self.table(0) as u32, 0]);
            self.set(PX_CI, 1);
        }
    }

    /// Issues a command in slot 0, lets it end, and returns what PxIS says.
    pub fn perform(&mut self, command: &Command) -> u32 {
        self.set(PX_IS, u32::MAX);
        self.issue(0, command);
        self.settle();
        let is = self.get(PX_IS);
        self.set(PX_IS, u32::MAX);
        self.set_global(IS, u32::MAX);
        is
    }

    /// Performs a command that must end well; returns the bytes at [`DATA`] that came.
    pub fn read_data(&mut self, command: &Command) -> Vec<u8> {
        let is = self.perform(command);
        assert_eq!(self.get(PX_CI), 0, "the command ended, PxIS {is:#x}");
        self.load(DATA, self.byte_count(0) as usize)
    }

    /// Performs a packet command that must end in CHECK CONDITION; returns key, code and qualifier.
    pub fn sense_after(&mut self, command: &Command) -> [u8; 3] {
        assert_eq!(self.perform(command), DHRS | TFES);
        let key = (self.get(PX_TFD) >> 12) as u8;
        self.restart();
        let sense = self.read_data(&packet(&[3, 0, 0, 0, 18], 18, false));
        assert_eq!(sense[2], key, "the error register has the sense key");
        [sense[2], sense[12], sense[13]]
    }

    /// What a driver does after an error.
    pub fn restart(&mut self) {
        self.set(PX_CMD, 0x10);
        self.set(PX_SERR, u32::MAX);
        self.set(PX_IS, u32::MAX);
        self.set(PX_CMD, 0x11);
    }

    pub fn settle(&mut self) {
        self.bed.run(&mut self.ahci, 1_000);
        for _ in 0..4 {
            self.ahci.tick();
        }
    }
}
