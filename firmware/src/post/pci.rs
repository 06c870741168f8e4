//! PCI: addresses for the BARs of every function, and interrupt lines.

use aero_bus::pci::{Command, PciAddress, reg};

use crate::device::Firmware;

/// Header types, without the multi-function bit.
const HEADER_MASK: u8 = 0x7f;
const HEADER_DEVICE: u8 = 0;
/// Class codes, base class and subclass.
const CLASS_VGA: u16 = 0x0300;
const CLASS_IDE: u16 = 0x0101;
const CLASS_HOST: u16 = 0x0600;
/// An IDE channel is in native mode (programming interface): only then it has BARs of its own.
const IDE_NATIVE: u8 = 0b0101;
/// Flags of BARs.
const BAR_IO: u32 = 1;
const BAR_64: u32 = 0b100;
const BAR_TYPE: u32 = 0b110;
const BARS: u8 = 6;

/// What a BAR asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    address: PciAddress,
    register: u8,
    len: u64,
    space: Space,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    Io,
    Memory,
    Memory64,
}

/// Addresses handed out from the bottom.
struct Pool {
    next: u64,
    end: u64,
}

impl Pool {
    fn take(&mut self, len: u64) -> Option<u64> {
        let at = self.next.checked_next_multiple_of(len)?;
        let end = at.checked_add(len).filter(|end| *end <= self.end)?;
        self.next = end;
        Some(at)
    }
}

impl Firmware {
    /// Gives every function its addresses and its interrupt line, and switches it on. Returns whether
    /// there is a VGA.
    pub(super) fn set_up_pci(&self) -> bool {
        let functions = self.pci_functions();
        let mut requests = Vec::new();
        for address in &functions {
            self.route_interrupt(*address);
            requests.extend(self.bar_requests(*address));
        }
        // The largest first, so that alignment wastes nothing; of the same length, as they come.
        requests.sort_by_key(|request| std::cmp::Reverse(request.len));
        let plan = &self.config.pci;
        let mut io = Pool { next: plan.io.start.into(), end: plan.io.end.into() };
        let mut memory = Pool { next: plan.memory.start, end: plan.memory.end };
        let mut high = Pool { next: plan.memory_64.start, end: plan.memory_64.end };
        for request in &requests {
            let at = match request.space {
                Space::Io => io.take(request.len),
                Space::Memory => memory.take(request.len),
                // Below 4 GiB as long as there is room: systems without PAE see it too.
                Space::Memory64 => memory.take(request.len).or_else(|| high.take(request.len)),
            };
            let Some(at) = at else {
                log::warn!("no room for the BAR {:#04x} of {}", request.register, request.address);
                continue;
            };
            self.machine.set_pci32(request.address, request.register, at as u32);
            if request.space == Space::Memory64 {
                let high = (at >> 32) as u32;
                self.machine.set_pci32(request.address, request.register + 4, high);
            }
        }
        let mut video = false;
        for address in functions {
            let class = self.machine.pci16(address, reg::CLASS_CODE as u8 + 1);
            video |= class == CLASS_VGA;
            if class != CLASS_HOST {
                let command = self.machine.pci16(address, reg::COMMAND as u8);
                let on = (Command::IO_SPACE | Command::MEMORY_SPACE).bits();
                self.machine.set_pci16(address, reg::COMMAND as u8, command | on);
            }
        }
        video
    }

    /// What the BARs of a function ask for. Its spaces are switched off meanwhile.
    fn bar_requests(&self, address: PciAddress) -> Vec<Request> {
        let mut requests = Vec::new();
        let header = self.machine.pci8(address, reg::HEADER_TYPE as u8) & HEADER_MASK;
        if header != HEADER_DEVICE {
            log::warn!("{address} is a bridge: nothing behind it is set up");
            return requests;
        }
        let command = self.machine.pci16(address, reg::COMMAND as u8);
        let off = (Command::IO_SPACE | Command::MEMORY_SPACE).bits();
        self.machine.set_pci16(address, reg::COMMAND as u8, command & !off);
        let class = self.machine.pci16(address, reg::CLASS_CODE as u8 + 1);
        let interface = self.machine.pci8(address, reg::CLASS_CODE as u8);
        let first = if class == CLASS_IDE && interface & IDE_NATIVE == 0 { 4 } else { 0 };
        let mut index = first;
        while index < BARS {
            let register = reg::BAR0 as u8 + 4 * index;
            index += 1;
            self.machine.set_pci32(address, register, u32::MAX);
            let low = self.machine.pci32(address, register);
            if low == 0 || low == u32::MAX {
                continue;
            }
            let (space, mask) = if low & BAR_IO != 0 {
                // The upper half need not be there.
                (Space::Io, u64::from(low & !3) | 0xffff_ffff_ffff_0000)
            } else if low & BAR_TYPE == BAR_64 && index < BARS {
                self.machine.set_pci32(address, register + 4, u32::MAX);
                let high = self.machine.pci32(address, register + 4);
                index += 1;
                (Space::Memory64, u64::from(low & !0xf) | u64::from(high) << 32)
            } else {
                (Space::Memory, u64::from(low & !0xf) | 0xffff_ffff_0000_0000)
            };
            let len = (!mask).wrapping_add(1);
            if len.is_power_of_two() {
                requests.push(Request { address, register, len, space });
            } else {
                log::warn!("BAR {register:#04x} of {address} has no proper size");
            }
        }
        requests
    }

    fn route_interrupt(&self, address: PciAddress) {
        let pin = self.machine.pci8(address, reg::INTERRUPT_PIN as u8);
        let Some(pin) = pin.checked_sub(1).filter(|pin| *pin < 4) else { return };
        let plan = &self.config.pci;
        let line = plan.pirq[usize::from(address.device & 31)][usize::from(pin)];
        let irq = plan.pirq_irqs[usize::from(line & 7)];
        self.machine.set_pci8(address, reg::INTERRUPT_LINE as u8, irq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_aligns_and_ends() {
        let mut pool = Pool { next: 0xc000_1000, end: 0xc010_0000 };
        assert_eq!(pool.take(0x1_0000), Some(0xc001_0000));
        assert_eq!(pool.take(0x1000), Some(0xc002_0000));
        assert_eq!(pool.take(0x10_0000), None);
        assert_eq!(pool.take(1 << 63), None);
    }
}
