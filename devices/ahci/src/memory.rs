//! What a port reads and writes in guest memory: command headers and tables, the data that descriptors
//! point to, and received FISes (AHCI 1.3.1, chapter 4).

use aero_bus::GuestRam;
use aero_bus::vm_memory::{Bytes, GuestAddress};
use serde::{Deserialize, Serialize};

const HEADER_LEN: u64 = 32;
const TABLE_PRDT: u64 = 0x80;
const TABLE_PACKET: usize = 0x40;
const TABLE_ALIGN: u64 = 0x80;
const PRD_LEN: u64 = 16;
const PRD_COUNT: u32 = 0x3f_ffff;
/// PRDBC, the second doubleword of a header.
const HEADER_PRDBC: u64 = 4;

/// Why memory could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DmaError {
    /// An address is not in RAM.
    Bus,
    /// The descriptors end before the data does.
    Overflow,
}

/// Guest memory, as far as the function is a bus master.
#[derive(Clone, Copy)]
pub(crate) struct Dma<'a> {
    pub ram: &'a GuestRam,
    pub is_bus_master: bool,
}

impl Dma<'_> {
    pub fn read(&self, address: u64, data: &mut [u8]) -> Result<(), DmaError> {
        if !self.is_bus_master {
            return Err(DmaError::Bus);
        }
        self.ram.read_slice(data, GuestAddress(address)).map_err(|_| DmaError::Bus)
    }

    pub fn write(&self, address: u64, data: &[u8]) -> Result<(), DmaError> {
        if !self.is_bus_master {
            return Err(DmaError::Bus);
        }
        self.ram.write_slice(data, GuestAddress(address)).map_err(|_| DmaError::Bus)
    }
}

/// A command as it lies in memory: header and table.
pub(crate) struct RawCommand {
    /// The command FIS.
    pub fis: [u8; 64],
    /// The ATAPI command.
    pub packet: [u8; 16],
    /// The device-to-host FIS is a test pattern.
    pub is_bist: bool,
    /// Clear BSY as soon as the device has taken the command.
    pub clear_busy: bool,
    /// Where its data is.
    pub data: Prdt,
}

impl RawCommand {
    /// Fetches the command of `slot` from the list at `list`.
    pub fn fetch(dma: Dma<'_>, list: u64, slot: u8) -> Result<Self, DmaError> {
        let header_at = header_at(list, slot);
        let mut header = [0; HEADER_LEN as usize];
        dma.read(header_at, &mut header)?;
        let flags = u16::from_le_bytes([header[0], header[1]]);
        let entries = u16::from_le_bytes([header[2], header[3]]);
        let table = u64::from_le_bytes(header[8..16].try_into().expect("eight bytes"));
        let table = table & !(TABLE_ALIGN - 1);
        let mut start = [0; TABLE_PACKET + 16];
        dma.read(table, &mut start)?;
        Ok(Self {
            fis: start[..64].try_into().expect("64 bytes"),
            packet: start[TABLE_PACKET..].try_into().expect("16 bytes"),
            is_bist: flags & 1 << 9 != 0,
            clear_busy: flags & 1 << 10 != 0,
            data: Prdt { table: table.wrapping_add(TABLE_PRDT), entries },
        })
    }
}

fn header_at(list: u64, slot: u8) -> u64 {
    list.wrapping_add(u64::from(slot) * HEADER_LEN)
}

/// Writes PRDBC, the count of bytes transferred, to the header of `slot`.
pub(crate) fn write_byte_count(
    dma: Dma<'_>,
    list: u64,
    slot: u8,
    count: u64,
) -> Result<(), DmaError> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    dma.write(header_at(list, slot).wrapping_add(HEADER_PRDBC), &count.to_le_bytes())
}

/// The physical region descriptor table of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prdt {
    /// Address of the first descriptor.
    pub table: u64,
    /// How many there are.
    pub entries: u16,
}

/// Where the last walk over the descriptors ended, so that the next one need not begin at the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    entry: u16,
    /// Bytes that the descriptors before `entry` hold.
    before: u64,
}

impl Prdt {
    /// Copies `data` to the guest, `at` bytes into what the descriptors describe.
    pub fn scatter(
        &self,
        dma: Dma<'_>,
        cursor: &mut Cursor,
        at: u64,
        data: &[u8],
    ) -> Result<(), DmaError> {
        self.walk(dma, cursor, at, data.len(), |address, range| dma.write(address, &data[range]))
    }

    /// Fills `data` from the guest, `at` bytes into what the descriptors describe.
    pub fn gather(
        &self,
        dma: Dma<'_>,
        cursor: &mut Cursor,
        at: u64,
        data: &mut [u8],
    ) -> Result<(), DmaError> {
        let len = data.len();
        self.walk(dma, cursor, at, len, |address, range| dma.read(address, &mut data[range]))
    }

    /// Each descriptor holds at least one byte and there are at most 65,535, so a walk ends.
    fn walk(
        &self,
        dma: Dma<'_>,
        cursor: &mut Cursor,
        at: u64,
        len: usize,
        mut copy: impl FnMut(u64, std::ops::Range<usize>) -> Result<(), DmaError>,
    ) -> Result<(), DmaError> {
        if cursor.before > at {
            *cursor = Cursor::default();
        }
        let mut done = 0;
        while done < len {
            if cursor.entry >= self.entries {
                return Err(DmaError::Overflow);
            }
            let mut entry = [0; PRD_LEN as usize];
            dma.read(self.table.wrapping_add(u64::from(cursor.entry) * PRD_LEN), &mut entry)?;
            let base = u64::from_le_bytes(entry[..8].try_into().expect("eight bytes"));
            let count = u32::from_le_bytes(entry[12..].try_into().expect("four bytes"));
            let count = u64::from(count & PRD_COUNT) + 1;
            let into = at + done as u64 - cursor.before;
            if into >= count {
                cursor.entry += 1;
                cursor.before += count;
                continue;
            }
            let part = usize::try_from(count - into).unwrap_or(usize::MAX).min(len - done);
            copy(base.checked_add(into).ok_or(DmaError::Bus)?, done..done + part)?;
            done += part;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ram() -> GuestRam {
        GuestRam::new(1 << 20, 0).unwrap()
    }

    fn table(ram: &GuestRam, entries: &[(u64, u32)]) -> Prdt {
        for (n, (base, len)) in entries.iter().enumerate() {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&base.to_le_bytes());
            bytes[12..].copy_from_slice(&(len - 1).to_le_bytes());
            ram.write_slice(&bytes, GuestAddress(0x1000 + 16 * n as u64)).unwrap();
        }
        Prdt { table: 0x1000, entries: entries.len() as u16 }
    }

    #[test]
    fn data_is_scattered_byte_by_byte_over_the_descriptors() {
        let ram = ram();
        let dma = Dma { ram: &ram, is_bus_master: true };
        let prdt = table(&ram, &[(0x8001, 3), (0x9000, 1), (0xa003, 100)]);
        let data: Vec<u8> = (1..=10).collect();
        let mut cursor = Cursor::default();
        prdt.scatter(dma, &mut cursor, 0, &data).unwrap();
        let mut back = [0; 10];
        dma.read(0x8001, &mut back[..3]).unwrap();
        dma.read(0x9000, &mut back[3..4]).unwrap();
        dma.read(0xa003, &mut back[4..]).unwrap();
        assert_eq!(back[..], data[..]);
        // Going on, going back, and starting in the middle.
        for at in [10, 2, 3, 4, 0] {
            prdt.scatter(dma, &mut cursor, at, &data[..2]).unwrap();
            let mut part = [0; 2];
            prdt.gather(dma, &mut Cursor::default(), at, &mut part).unwrap();
            assert_eq!(part, [1, 2]);
        }
    }

    #[test]
    fn short_tables_overflow_and_addresses_outside_ram_are_bus_errors() {
        let ram = ram();
        let dma = Dma { ram: &ram, is_bus_master: true };
        let copy = |prdt: Prdt, at| prdt.scatter(dma, &mut Cursor::default(), at, &[0; 16]);
        assert_eq!(copy(table(&ram, &[(0x8000, 15)]), 0), Err(DmaError::Overflow));
        assert_eq!(copy(table(&ram, &[(0x8000, 64)]), 49), Err(DmaError::Overflow));
        assert_eq!(copy(table(&ram, &[(0xf_fff8, 64)]), 0), Err(DmaError::Bus));
        assert_eq!(copy(table(&ram, &[(u64::MAX - 7, 64)]), 0), Err(DmaError::Bus));
        assert_eq!(copy(Prdt { table: u64::MAX - 8, entries: 9 }, 0), Err(DmaError::Bus));
        assert_eq!(copy(Prdt { table: 0x1000, entries: 0 }, 0), Err(DmaError::Overflow));
        let idle = Dma { is_bus_master: false, ..dma };
        assert_eq!(idle.read(0, &mut [0]), Err(DmaError::Bus));
    }
}
