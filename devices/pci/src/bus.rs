//! The bus: functions by address, and the two ways to their configuration space.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use aero_bus::pci::{BarKind, PciAddress, PciDevice, reg};
use aero_bus::{BusTarget, Device, IoMap, MapError, MemoryMap, Snapshot, SnapshotError, Window};
use serde::{Deserialize, Serialize};

use crate::decode::{Decoder, Maps, SharedFunction};
use crate::lock;

/// Configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3.2).
const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;
const PORTS_LEN: u64 = 8;
/// Offsets in the port window.
const DATA_OFFSET: u64 = (CONFIG_DATA - CONFIG_ADDRESS) as u64;
/// The ICH9's reset control register lies among the bytes of CONFIG_ADDRESS.
const RESET_CONTROL_OFFSET: u64 = 1;
const ADDRESS_ENABLE: u32 = 1 << 31;
/// ECAM: 4 KiB a function, 1 MiB a bus (PCI Express Base Specification 2.0, 7.2.2).
const ECAM_FUNCTION: u64 = 0x1000;
const ECAM_BUS: u64 = 0x10_0000;

const MULTI_FUNCTION: u8 = 0x80;
const KIND: &str = "pci";

/// Why a function cannot be put on the bus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PciError {
    /// The address is taken.
    #[error("{name} cannot be at {address}: {other} is there")]
    Occupied {
        /// The new function.
        name: String,
        /// Its address.
        address: PciAddress,
        /// What is there.
        other: String,
    },
    /// There is only bus 0.
    #[error("{name} cannot be at {address}: there is only bus 0")]
    NoSuchBus {
        /// The new function.
        name: String,
        /// Its address.
        address: PciAddress,
    },
    /// A guest looks for further functions only where function 0 is.
    #[error("{name} at {address} cannot be found: its slot has no function 0")]
    NoFunctionZero {
        /// The function.
        name: String,
        /// Its address.
        address: PciAddress,
    },
}

/// What is at a PCI address, for listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Where it is.
    pub address: PciAddress,
    /// Its name in the machine.
    pub name: String,
    /// Its [`kind`](Device::kind).
    pub kind: &'static str,
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Base class, subclass and programming interface, from the high byte down.
    pub class: u32,
    /// The INTx# pin it uses, 0 for INTA#.
    pub interrupt_pin: Option<u8>,
    /// Its BARs.
    pub bars: Vec<BarInfo>,
}

/// One BAR, for listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarInfo {
    /// Register number, 0 to 5.
    pub index: usize,
    /// Space and width.
    pub kind: BarKind,
    /// Length in bytes.
    pub len: u64,
    /// Where it is decoded now.
    pub decoded_at: Option<u64>,
}

/// PCI bus 0. Cheap to clone; every clone is the same bus. As a [`Device`] it stands for all its
/// functions: it resets, ticks, saves and restores them, and puts their BARs where they belong.
#[derive(Clone)]
pub struct PciBus(Arc<Inner>);

struct Inner {
    maps: Maps,
    config_address: Mutex<u32>,
    /// By device and function number.
    functions: Mutex<BTreeMap<u8, Decoder>>,
    reset_control: Mutex<Option<(Arc<dyn BusTarget>, u64)>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    config_address: u32,
    functions: Vec<FunctionState>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionState {
    devfn: u8,
    state: Snapshot,
}

impl PciBus {
    /// An empty bus whose functions are decoded in these maps.
    pub fn new(io: Arc<IoMap>, memory: Arc<MemoryMap>) -> Self {
        Self(Arc::new(Inner {
            maps: Maps { io, memory },
            config_address: Mutex::new(0),
            functions: Mutex::default(),
            reset_control: Mutex::new(None),
        }))
    }

    /// Maps ports 0xCF8–0xCFF. Byte accesses to port 0xCF9 go to `reset_control`, the ICH9's RST_CNT,
    /// at the first offset of its window.
    pub fn map_ports(
        &self,
        reset_control: Option<(Arc<dyn BusTarget>, Window)>,
    ) -> Result<(), MapError> {
        *lock(&self.0.reset_control) =
            reset_control.map(|(target, window)| (target, window.offset));
        let ports = Arc::new(Ports(Arc::downgrade(&self.0)));
        self.0.maps.io.map("pci-config", CONFIG_ADDRESS, Window::new(0, PORTS_LEN), ports)?;
        Ok(())
    }

    /// The whole bus's configuration space at 4 KiB a function, for the host bridge to map.
    pub fn ecam(&self) -> Arc<dyn BusTarget> {
        Arc::new(Ecam(Arc::downgrade(&self.0)))
    }

    /// The memory that functions are decoded in.
    pub fn memory(&self) -> &Arc<MemoryMap> {
        &self.0.maps.memory
    }

    /// Puts a function on the bus.
    pub fn add(
        &self,
        address: PciAddress,
        name: &str,
        function: Arc<Mutex<dyn PciDevice>>,
    ) -> Result<(), PciError> {
        let name = name.to_owned();
        if address.bus != 0 {
            return Err(PciError::NoSuchBus { name, address });
        }
        let mut functions = lock(&self.0.functions);
        if let Some(other) = functions.get(&address.devfn()) {
            let other = other.name().to_owned();
            return Err(PciError::Occupied { name, address, other });
        }
        functions.insert(address.devfn(), Decoder::new(address, name, function));
        let slot = address.device << 3;
        let in_slot: Vec<&SharedFunction> =
            functions.range(slot..=slot | 7).map(|(_, decoder)| decoder.function()).collect();
        if in_slot.len() > 1 {
            for function in in_slot {
                let mut function = lock(function);
                let config = function.config_mut();
                let header = config.u8(reg::HEADER_TYPE);
                config.set_u8(reg::HEADER_TYPE, header | MULTI_FUNCTION);
            }
        }
        Ok(())
    }

    /// Checks, with everything on the bus, that a guest can find it all.
    pub fn check(&self) -> Result<(), PciError> {
        let functions = lock(&self.0.functions);
        for (devfn, decoder) in functions.iter() {
            if !functions.contains_key(&(devfn & !7)) {
                let address = address_of(*devfn);
                return Err(PciError::NoFunctionZero { name: decoder.name().to_owned(), address });
            }
        }
        Ok(())
    }

    /// What is on the bus, by address.
    pub fn functions(&self) -> Vec<FunctionInfo> {
        lock(&self.0.functions).iter().map(|(devfn, decoder)| info(*devfn, decoder)).collect()
    }

    /// Reads configuration space. Absent functions read as ones.
    pub fn read_config(&self, address: PciAddress, offset: u16, data: &mut [u8]) {
        self.0.read_config(address, offset, data);
    }

    /// Writes configuration space, and moves BARs accordingly.
    pub fn write_config(&self, address: PciAddress, offset: u16, data: &[u8]) {
        self.0.write_config(address, offset, data);
    }
}

fn address_of(devfn: u8) -> PciAddress {
    PciAddress::new(devfn >> 3, devfn & 7)
}

fn info(devfn: u8, decoder: &Decoder) -> FunctionInfo {
    let function = lock(decoder.function());
    let config = function.config();
    FunctionInfo {
        address: address_of(devfn),
        name: decoder.name().to_owned(),
        kind: function.kind(),
        vendor: config.u16(reg::VENDOR_ID),
        device: config.u16(reg::DEVICE_ID),
        class: config.u32(reg::REVISION_ID) >> 8,
        interrupt_pin: config.u8(reg::INTERRUPT_PIN).checked_sub(1),
        bars: (0..6)
            .filter_map(|index| {
                let bar = config.bar(index)?;
                let decoded_at = decoder.decoded_at(index);
                Some(BarInfo { index, kind: bar.kind, len: bar.len, decoded_at })
            })
            .collect(),
    }
}

impl Inner {
    fn function(&self, address: PciAddress) -> Option<SharedFunction> {
        let functions = lock(&self.functions);
        functions
            .get(&address.devfn())
            .filter(|_| address.bus == 0)
            .map(|decoder| decoder.function().clone())
    }

    fn read_config(&self, address: PciAddress, offset: u16, data: &mut [u8]) {
        match self.function(address) {
            Some(function) => lock(&function).config().read(offset, data),
            None => data.fill(0xff),
        }
    }

    fn write_config(&self, address: PciAddress, offset: u16, data: &[u8]) {
        let Some(function) = self.function(address) else { return };
        {
            let mut function = lock(&function);
            function.config_mut().write(offset, data);
            function.config_written(offset, data.len());
        }
        // Any write may have moved something: a BAR, or in a bridge a window of another kind that a
        // BAR waits for.
        let mut functions = lock(&self.functions);
        if let Some(decoder) = functions.get_mut(&address.devfn()) {
            decoder.refresh(&self.maps);
        }
        self.retry_blocked(&mut functions);
    }

    /// Maps the BARs whose addresses have become free. One may free the address of another, so this
    /// goes round until nothing moves; each round maps at least one.
    fn retry_blocked(&self, functions: &mut BTreeMap<u8, Decoder>) {
        loop {
            let mut changed = false;
            for decoder in functions.values_mut().filter(|decoder| decoder.is_blocked()) {
                changed |= decoder.refresh(&self.maps);
            }
            if !changed {
                return;
            }
        }
    }

    fn refresh_all(&self) {
        let mut functions = lock(&self.functions);
        for decoder in functions.values_mut() {
            decoder.refresh(&self.maps);
        }
        self.retry_blocked(&mut functions);
    }

    fn unmap_all(&self) {
        for decoder in lock(&self.functions).values_mut() {
            decoder.unmap_all(&self.maps);
        }
    }

    fn all(&self) -> Vec<(u8, SharedFunction)> {
        let functions = lock(&self.functions);
        functions.iter().map(|(devfn, decoder)| (*devfn, decoder.function().clone())).collect()
    }

    fn reset(&self) {
        *lock(&self.config_address) = 0;
        self.unmap_all();
        for (_, function) in self.all() {
            lock(&function).reset();
        }
        self.refresh_all();
    }

    /// The function and register that CONFIG_ADDRESS selects.
    fn selected(&self) -> Option<(PciAddress, u16)> {
        let latch = *lock(&self.config_address);
        let address = PciAddress { bus: (latch >> 16) as u8, ..address_of((latch >> 8) as u8) };
        (latch & ADDRESS_ENABLE != 0).then_some((address, (latch & 0xfc) as u16))
    }
}

/// Ports 0xCF8–0xCFF.
struct Ports(Weak<Inner>);

impl BusTarget for Ports {
    fn read(&self, offset: u64, data: &mut [u8]) {
        data.fill(0xff);
        let Some(bus) = self.0.upgrade() else { return };
        if offset == RESET_CONTROL_OFFSET && data.len() == 1 {
            let reset_control = lock(&bus.reset_control).clone();
            if let Some((target, offset)) = reset_control {
                target.read(offset, data);
            }
        } else if offset >= DATA_OFFSET {
            if let Some((address, register)) = bus.selected() {
                bus.read_config(address, register + (offset - DATA_OFFSET) as u16, data);
            }
        } else {
            let latch = lock(&bus.config_address).to_le_bytes();
            for (byte, value) in data.iter_mut().zip(&latch[offset as usize..]) {
                *byte = *value;
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let Some(bus) = self.0.upgrade() else { return };
        if offset == RESET_CONTROL_OFFSET && data.len() == 1 {
            let reset_control = lock(&bus.reset_control).clone();
            if let Some((target, offset)) = reset_control {
                target.write(offset, data);
            }
        } else if offset >= DATA_OFFSET {
            if let Some((address, register)) = bus.selected() {
                bus.write_config(address, register + (offset - DATA_OFFSET) as u16, data);
            }
        } else if let (0, Ok(latch)) = (offset, data.try_into()) {
            // Only a doubleword at 0xCF8 itself is taken; narrower writes pass on to other devices.
            *lock(&bus.config_address) = u32::from_le_bytes(latch);
        }
    }
}

/// The memory-mapped configuration space.
struct Ecam(Weak<Inner>);

impl Ecam {
    fn address(offset: u64) -> (PciAddress, u16) {
        let bus = (offset / ECAM_BUS) as u8;
        let devfn = (offset % ECAM_BUS / ECAM_FUNCTION) as u8;
        (PciAddress { bus, ..address_of(devfn) }, (offset % ECAM_FUNCTION) as u16)
    }
}

impl BusTarget for Ecam {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let (address, register) = Self::address(offset);
        match self.0.upgrade() {
            Some(bus) => bus.read_config(address, register, data),
            None => data.fill(0xff),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let (address, register) = Self::address(offset);
        if let Some(bus) = self.0.upgrade() {
            bus.write_config(address, register, data);
        }
    }
}

impl Device for PciBus {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn tick(&mut self) {
        for (_, function) in self.0.all() {
            lock(&function).tick();
        }
    }

    fn save(&self) -> Snapshot {
        let functions = self
            .0
            .all()
            .into_iter()
            .map(|(devfn, function)| FunctionState { devfn, state: lock(&function).save() })
            .collect();
        let config_address = *lock(&self.0.config_address);
        Snapshot::new(KIND, 1, &State { config_address, functions })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        let functions = self.0.all();
        let found: Vec<u8> = state.functions.iter().map(|function| function.devfn).collect();
        let expected: Vec<u8> = functions.iter().map(|(devfn, _)| *devfn).collect();
        if found != expected {
            let list = |all: &[u8]| {
                let all: Vec<_> = all.iter().map(|devfn| address_of(*devfn).to_string()).collect();
                all.join(", ")
            };
            let what = format!(
                "it has functions at {}; this machine has them at {}",
                list(&found),
                list(&expected)
            );
            return Err(SnapshotError::invalid(KIND, what));
        }
        self.0.unmap_all();
        for ((_, function), saved) in functions.iter().zip(&state.functions) {
            let result = lock(function).restore(&saved.state);
            if let Err(error) = result {
                self.0.reset();
                return Err(error);
            }
        }
        *lock(&self.0.config_address) = state.config_address;
        self.0.refresh_all();
        Ok(())
    }
}
