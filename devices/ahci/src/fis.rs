//! Frame information structures (Serial ATA 2.6, 10.3), as they lie in memory.

use serde::{Deserialize, Serialize};

bitflags::bitflags! {
    /// The ATA status register (ATA8-ACS, 6.2).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub(crate) struct Status: u8 {
        /// The command ended in an error; for PACKET, CHECK CONDITION.
        const ERR = 1 << 0;
        /// Data is to be transferred.
        const DRQ = 1 << 3;
        /// Seek complete: an old meaning, but expected.
        const DSC = 1 << 4;
        /// The medium could not be written.
        const DF = 1 << 5;
        /// The device is ready.
        const DRDY = 1 << 6;
        /// The device is busy.
        const BSY = 1 << 7;
    }
}

impl Status {
    /// After a command without error.
    pub const GOOD: Self = Self::DRDY.union(Self::DSC);
}

bitflags::bitflags! {
    /// The ATA error register (ATA8-ACS, 6.3).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub(crate) struct Error: u8 {
        /// The command is not known, or cannot be done.
        const ABRT = 1 << 2;
        /// The address is not on the medium.
        const IDNF = 1 << 4;
        /// The data could not be read.
        const UNC = 1 << 6;
    }
}

/// What a device tells of itself in its registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskFile {
    pub status: Status,
    pub error: u8,
    /// 48 bits.
    pub lba: u64,
    pub count: u16,
    pub device: u8,
}

impl TaskFile {
    /// PxSIG: the low bytes of LBA and count.
    pub fn signature(&self) -> u32 {
        (self.lba as u32 & 0xff_ffff) << 8 | u32::from(self.count & 0xff)
    }

    /// PxTFD.
    pub fn tfd(&self) -> u32 {
        u32::from(self.error) << 8 | u32::from(self.status.bits())
    }
}

/// A host-to-device register FIS: a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostToDevice {
    /// It writes the command register, not the control register.
    pub is_command: bool,
    pub command: u8,
    pub features: u16,
    /// 48 bits; 28-bit commands use 24 of them and the low nibble of `device`.
    pub lba: u64,
    pub device: u8,
    pub count: u16,
    pub control: u8,
}

/// Control register: software reset.
pub(crate) const CONTROL_SRST: u8 = 1 << 2;
/// Device register: LBA addressing.
pub(crate) const DEVICE_LBA: u8 = 1 << 6;

const TYPE_HOST_TO_DEVICE: u8 = 0x27;
const TYPE_DEVICE_TO_HOST: u8 = 0x34;
const TYPE_DMA_SETUP: u8 = 0x41;
const TYPE_PIO_SETUP: u8 = 0x5f;
const TYPE_SET_DEVICE_BITS: u8 = 0xa1;
const COMMAND_BIT: u8 = 1 << 7;
const INTERRUPT_BIT: u8 = 1 << 6;
const TO_HOST_BIT: u8 = 1 << 5;

impl HostToDevice {
    /// Reads the FIS at the start of a command table; `None` if it is of another type.
    pub fn parse(fis: &[u8; 64]) -> Option<Self> {
        (fis[0] == TYPE_HOST_TO_DEVICE).then(|| Self {
            is_command: fis[1] & COMMAND_BIT != 0,
            command: fis[2],
            features: u16::from(fis[3]) | u16::from(fis[11]) << 8,
            lba: u64::from_le_bytes([fis[4], fis[5], fis[6], fis[8], fis[9], fis[10], 0, 0]),
            device: fis[7],
            count: u16::from(fis[12]) | u16::from(fis[13]) << 8,
            control: fis[15],
        })
    }
}

fn registers(task_file: &TaskFile, fis: &mut [u8]) {
    let lba = task_file.lba.to_le_bytes();
    fis[2] = task_file.status.bits();
    fis[3] = task_file.error;
    fis[4..7].copy_from_slice(&lba[..3]);
    fis[7] = task_file.device;
    fis[8..11].copy_from_slice(&lba[3..6]);
    fis[12..14].copy_from_slice(&task_file.count.to_le_bytes());
}

fn interrupt(bit: bool) -> u8 {
    if bit { INTERRUPT_BIT } else { 0 }
}

/// A device-to-host register FIS.
pub(crate) fn device_to_host(task_file: &TaskFile, interrupts: bool) -> [u8; 20] {
    let mut fis = [0; 20];
    registers(task_file, &mut fis);
    fis[0] = TYPE_DEVICE_TO_HOST;
    fis[1] = interrupt(interrupts);
    fis
}

/// A PIO setup FIS for `len` bytes; `ending` is the status when they have been transferred.
pub(crate) fn pio_setup(
    task_file: &TaskFile,
    to_host: bool,
    interrupts: bool,
    ending: Status,
    len: u16,
) -> [u8; 20] {
    let mut fis = [0; 20];
    registers(task_file, &mut fis);
    fis[0] = TYPE_PIO_SETUP;
    fis[1] = interrupt(interrupts) | if to_host { TO_HOST_BIT } else { 0 };
    fis[2] = (Status::GOOD | Status::DRQ).bits();
    fis[15] = ending.bits();
    fis[16..18].copy_from_slice(&len.to_le_bytes());
    fis
}

/// A DMA setup FIS for the data of queued command `tag`.
pub(crate) fn dma_setup(tag: u8, to_host: bool, len: u32) -> [u8; 28] {
    let mut fis = [0; 28];
    fis[0] = TYPE_DMA_SETUP;
    fis[1] = if to_host { TO_HOST_BIT } else { 0 };
    fis[4] = tag;
    fis[20..24].copy_from_slice(&len.to_le_bytes());
    fis
}

/// A set device bits FIS: these queued commands have ended.
pub(crate) fn set_device_bits(status: Status, error: u8, done: u32) -> [u8; 8] {
    let mut fis = [0; 8];
    fis[0] = TYPE_SET_DEVICE_BITS;
    fis[1] = INTERRUPT_BIT;
    // The FIS has no room for BSY and DRQ.
    fis[2] = (status - Status::BSY - Status::DRQ).bits();
    fis[3] = error;
    fis[4..8].copy_from_slice(&done.to_le_bytes());
    fis
}

/// Offsets in the received FIS area (AHCI 1.3.1, 4.2.1).
pub(crate) mod received {
    /// DMA setup FIS.
    pub const DMA_SETUP: u64 = 0x00;
    /// PIO setup FIS.
    pub const PIO_SETUP: u64 = 0x20;
    /// Device-to-host register FIS.
    pub const DEVICE_TO_HOST: u64 = 0x40;
    /// Set device bits FIS.
    pub const SET_DEVICE_BITS: u64 = 0x58;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_fis_spreads_lba_features_and_count_over_its_bytes() {
        let mut fis = [0; 64];
        let bytes = [0x27, 0x80, 0x25, 1, 2, 3, 4, 0x40, 5, 6, 7, 8, 9, 10, 0, 4];
        fis[..16].copy_from_slice(&bytes);
        let command = HostToDevice::parse(&fis).unwrap();
        assert_eq!(command.lba, 0x0706_0504_0302);
        assert_eq!((command.features, command.count), (0x0801, 0x0a09));
        assert!(command.is_command && command.control == CONTROL_SRST);
        fis[0] = 0x46;
        assert_eq!(HostToDevice::parse(&fis), None);
    }

    #[test]
    fn the_signature_of_a_disk_is_0x101() {
        let task_file = TaskFile { lba: 1, count: 1, ..TaskFile::default() };
        assert_eq!(task_file.signature(), 0x0000_0101);
        assert_eq!(device_to_host(&task_file, false)[4], 1);
        assert_eq!(device_to_host(&task_file, true)[1], 0x40);
    }
}
