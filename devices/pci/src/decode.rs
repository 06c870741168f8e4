//! Where the BARs of functions are decoded: what they ask for, compared with what is mapped.

use std::sync::{Arc, Mutex};

use aero_bus::pci::{Bar, BarKind, PciAddress, PciDevice};
use aero_bus::{BusTarget, DirectMapping, IoMap, MapError, MapId, MemoryMap, Window};

use crate::lock;

const BARS: usize = 6;
const FOUR_GIB: u64 = 1 << 32;
/// What lies beyond the CPUs' reach cannot be decoded: also what sizing leaves in 64-bit registers.
const PHYSICAL_END: u64 = 1 << 40;

/// A function as the bus knows it.
pub(crate) type SharedFunction = Arc<Mutex<dyn PciDevice>>;

/// One BAR as the target of an address map.
struct BarTarget {
    function: SharedFunction,
    bar: usize,
}

impl BusTarget for BarTarget {
    fn read(&self, offset: u64, data: &mut [u8]) {
        lock(&self.function).bar_read(self.bar, offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        lock(&self.function).bar_write(self.bar, offset, data);
    }
}

/// What became of a BAR's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Decoded {
    /// Its space is disabled, or the address is none that can be decoded.
    #[default]
    Off,
    /// Mapped at this address.
    At(u64, MapId),
    /// Something else answers at this address.
    Blocked(u64),
}

/// The BARs of one function.
pub(crate) struct Decoder {
    address: PciAddress,
    name: String,
    function: SharedFunction,
    bars: [Decoded; BARS],
    warned: bool,
}

/// The address maps.
pub(crate) struct Maps {
    pub io: Arc<IoMap>,
    pub memory: Arc<MemoryMap>,
}

impl Decoder {
    pub fn new(address: PciAddress, name: String, function: SharedFunction) -> Self {
        Self { address, name, function, bars: [Decoded::Off; BARS], warned: false }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn function(&self) -> &SharedFunction {
        &self.function
    }

    /// Where BAR `index` is decoded now.
    pub fn decoded_at(&self, index: usize) -> Option<u64> {
        match self.bars[index] {
            Decoded::At(address, _) => Some(address),
            Decoded::Off | Decoded::Blocked(_) => None,
        }
    }

    /// Whether some BAR waits for its address to become free.
    pub fn is_blocked(&self) -> bool {
        self.bars.iter().any(|decoded| matches!(decoded, Decoded::Blocked(_)))
    }

    /// Takes all BARs out of the maps.
    pub fn unmap_all(&mut self, maps: &Maps) {
        for index in 0..BARS {
            self.unmap(index, maps);
        }
    }

    /// Unmaps what has moved, then maps what can be mapped. Returns whether anything changed.
    pub fn refresh(&mut self, maps: &Maps) -> bool {
        let wanted: [Option<(Bar, u64)>; BARS] = {
            let function = lock(&self.function);
            let config = function.config();
            std::array::from_fn(|index| {
                let bar = *config.bar(index)?;
                let address = config.bar_address(index)?;
                is_decodable(&bar, address).then_some((bar, address))
            })
        };
        let mut changed = false;
        for (index, wanted) in wanted.iter().enumerate() {
            if let Decoded::At(address, _) = self.bars[index]
                && wanted.is_none_or(|(_, wanted)| wanted != address)
            {
                self.unmap(index, maps);
                changed = true;
            }
        }
        for (index, wanted) in wanted.into_iter().enumerate() {
            let Some((bar, address)) = wanted else {
                self.bars[index] = Decoded::Off;
                continue;
            };
            if matches!(self.bars[index], Decoded::At(..)) {
                continue;
            }
            match self.map(index, bar, address, maps) {
                Ok(id) => {
                    self.bars[index] = Decoded::At(address, id);
                    changed = true;
                }
                Err(why) => {
                    if self.bars[index] != Decoded::Blocked(address) {
                        self.report(index, &why);
                    }
                    self.bars[index] = Decoded::Blocked(address);
                }
            }
        }
        changed
    }

    fn unmap(&mut self, index: usize, maps: &Maps) {
        if let Decoded::At(_, id) = std::mem::take(&mut self.bars[index]) {
            match self.kind(index) {
                Some(BarKind::Io) => maps.io.unmap(id),
                _ => maps.memory.unmap(id),
            };
        }
    }

    fn kind(&self, index: usize) -> Option<BarKind> {
        lock(&self.function).config().bar(index).map(|bar| bar.kind)
    }

    fn map(&self, index: usize, bar: Bar, address: u64, maps: &Maps) -> Result<MapId, String> {
        let name = format!("{} BAR{index}", self.name);
        let target = || Arc::new(BarTarget { function: self.function.clone(), bar: index });
        let window = Window::new(0, bar.len);
        let result: Result<MapId, MapError> = match (bar.kind, bar.direct) {
            (BarKind::Io, _) => match u16::try_from(address) {
                Ok(port) => maps.io.map(&name, port, window, target()),
                Err(_) => return Err(format!("{name}: there is no port {address:#x}")),
            },
            _ if overlaps_ram(&maps.memory, address, bar.len) => {
                return Err(format!("{name} at {address:#x} overlaps RAM"));
            }
            (_, Some(direct)) => {
                let at = Some(direct.host_offset);
                let mapping = DirectMapping { read: at, write: at };
                maps.memory.map_direct(&name, address, direct.len.min(bar.len), mapping)
            }
            (_, None) => maps.memory.map_device(&name, address, window, target()),
        };
        result.map_err(|error| error.to_string())
    }

    /// Logs the first failure of a function loudly; a guest may cause any number of them.
    fn report(&mut self, index: usize, why: &str) {
        let level = if self.warned { log::Level::Debug } else { log::Level::Warn };
        self.warned = true;
        log::log!(level, "{} BAR{index} is not decoded: {why}", self.address);
    }
}

/// Address 0 is "not assigned", and all ones is a driver asking for the size.
fn is_decodable(bar: &Bar, address: u64) -> bool {
    let space_end = match bar.kind {
        BarKind::Io => 1 << 16,
        BarKind::Memory32 { .. } => FOUR_GIB,
        BarKind::Memory64 { .. } => PHYSICAL_END,
    };
    // The uppermost place below 4 GiB is what sizing leaves in the low register.
    let last = address.wrapping_add(bar.len - 1);
    address != 0 && last >= address && last < space_end - 1 && last != FOUR_GIB - 1
}

fn overlaps_ram(memory: &MemoryMap, address: u64, len: u64) -> bool {
    let ram = memory.ram();
    let overlaps =
        |start: u64, size: u64| size != 0 && address < start + size && address + len > start;
    overlaps(0, ram.low_len()) || overlaps(FOUR_GIB, ram.high_len())
}
