//! What firmware expects to find in the memory behind the clock: QEMU's conventions, which SeaBIOS
//! reads. All of it is set by the machine before it starts.

use crate::Rtc;

/// Indices with a meaning.
pub mod index {
    /// Why the processor was reset, for firmware: 0 is a cold start.
    pub const SHUTDOWN_STATUS: u8 = 0x0f;
    /// Types of the two floppy drives.
    pub const FLOPPY_TYPES: u8 = 0x10;
    /// Equipment: bit 1 coprocessor, bit 2 PS/2 mouse.
    pub const EQUIPMENT: u8 = 0x14;
    /// KiB of memory below 640 KiB, 16 bits.
    pub const BASE_MEMORY: u8 = 0x15;
    /// KiB of memory from 1 MiB up, 16 bits.
    pub const EXTENDED_MEMORY: u8 = 0x17;
    /// The same again.
    pub const EXTENDED_MEMORY_2: u8 = 0x30;
    /// The century.
    pub const CENTURY: u8 = 0x32;
    /// 64 KiB blocks of memory from 16 MiB to 4 GiB, 16 bits.
    pub const MEMORY_ABOVE_16M: u8 = 0x34;
    /// The century on IBM's PS/2; the same byte.
    pub const CENTURY_PS2: u8 = 0x37;
    /// Third boot device in bits 7:4; bit 0: boot floppies without a signature.
    pub const BOOT_THIRD: u8 = 0x38;
    /// First boot device in bits 3:0, second in bits 7:4.
    pub const BOOT_FIRST_SECOND: u8 = 0x3d;
    /// 64 KiB blocks of memory from 4 GiB up, 24 bits.
    pub const MEMORY_ABOVE_4G: u8 = 0x5b;
    /// Processors less one.
    pub const CPU_COUNT: u8 = 0x5f;
}

/// Coprocessor and PS/2 mouse.
pub(crate) const EQUIPMENT: u8 = 0x06;

/// What to boot from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootDevice {
    /// Nothing more.
    None = 0,
    /// The first floppy drive.
    Floppy = 1,
    /// The first hard disk.
    HardDisk = 2,
    /// The CD drive.
    CdRom = 3,
    /// The network.
    Network = 4,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const BLOCK: u64 = 64 * KIB;

impl Rtc {
    /// Notes how much RAM there is: `low` bytes below 4 GiB and `high` bytes from there up.
    pub fn set_memory_sizes(&mut self, low: u64, high: u64) {
        let word = |value: u64| u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes();
        let base = word(low.min(640 * KIB) / KIB);
        let extended = word(low.saturating_sub(MIB) / KIB);
        let above_16m = word(low.saturating_sub(16 * MIB) / BLOCK);
        let above_4g = (high / BLOCK).min(0xff_ffff).to_le_bytes();
        for (first, bytes) in [
            (index::BASE_MEMORY, &base[..]),
            (index::EXTENDED_MEMORY, &extended[..]),
            (index::EXTENDED_MEMORY_2, &extended[..]),
            (index::MEMORY_ABOVE_16M, &above_16m[..]),
            (index::MEMORY_ABOVE_4G, &above_4g[..3]),
        ] {
            for (index, byte) in (first..).zip(bytes) {
                self.set_cmos(index, *byte);
            }
        }
    }

    /// Notes what to boot from, in this order.
    pub fn set_boot_order(&mut self, order: [BootDevice; 3]) {
        let [first, second, third] = order.map(|device| device as u8);
        self.set_cmos(index::BOOT_FIRST_SECOND, first | second << 4);
        self.set_cmos(index::BOOT_THIRD, third << 4);
    }

    /// Notes how many processors there are, 1 to 256.
    pub fn set_cpu_count(&mut self, count: usize) {
        let others = u8::try_from(count.saturating_sub(1)).unwrap_or(u8::MAX);
        self.set_cmos(index::CPU_COUNT, others);
    }
}
