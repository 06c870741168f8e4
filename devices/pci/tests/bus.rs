//! The bus with small made-up functions: configuration mechanisms and the decoding of BARs.

use std::sync::{Arc, Mutex};

use aero_bus::pci::{
    Bar, BarKind, PciAddress, PciConfig, PciConfigState, PciDevice, PciIdentity, reg,
};
use aero_bus::{BusTarget, Device, IoMap, MemoryMap, Snapshot, SnapshotError, Window};
use aero_pci::{PciBus, PciError};
use aero_testbed::{Testbed, assert_round_trip};

/// Answers in BAR n with bytes 0x10 × n + offset, and keeps what is written.
struct Fake {
    config: PciConfig,
    written: Vec<(usize, u64, Vec<u8>)>,
}

const IO: Bar = Bar { kind: BarKind::Io, len: 16, direct: None };
const MEMORY: Bar =
    Bar { kind: BarKind::Memory32 { prefetchable: false }, len: 4096, direct: None };
const MEMORY64: Bar =
    Bar { kind: BarKind::Memory64 { prefetchable: true }, len: 1 << 20, direct: None };

impl Fake {
    fn new(bed: &Testbed, device: u16, bars: &[(usize, Bar)]) -> Arc<Mutex<Self>> {
        let identity = PciIdentity {
            vendor: 0x1234,
            device,
            revision: 1,
            class: 0x08_80_00,
            subsystem_vendor: 0,
            subsystem: 0,
        };
        let mut config = PciConfig::new(identity, 1, bed.pci_wiring(0));
        for (index, bar) in bars {
            config.add_bar(*index, *bar);
        }
        Arc::new(Mutex::new(Self { config, written: Vec::new() }))
    }
}

impl Device for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }
    fn reset(&mut self) {
        self.config.reset();
    }
    fn save(&self) -> Snapshot {
        #[derive(serde::Serialize)]
        struct State {
            config: PciConfigState,
        }
        Snapshot::new("fake", 1, &State { config: self.config.save() })
    }
    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        #[derive(serde::Deserialize)]
        struct State {
            config: PciConfigState,
        }
        let state: State = snapshot.open("fake", 1)?;
        self.config.restore("fake", &state.config)
    }
}

impl PciDevice for Fake {
    fn config(&self) -> &PciConfig {
        &self.config
    }
    fn config_mut(&mut self) -> &mut PciConfig {
        &mut self.config
    }
    fn bar_read(&mut self, bar: usize, offset: u64, data: &mut [u8]) {
        for (i, byte) in data.iter_mut().enumerate() {
            *byte = (bar as u64 * 0x10 + offset + i as u64) as u8;
        }
    }
    fn bar_write(&mut self, bar: usize, offset: u64, data: &[u8]) {
        self.written.push((bar, offset, data.to_vec()));
    }
}

struct Setup {
    bed: Testbed,
    io: Arc<IoMap>,
    memory: Arc<MemoryMap>,
    bus: PciBus,
}

impl Setup {
    fn new() -> Self {
        let bed = Testbed::new();
        let io = Arc::new(IoMap::new());
        let memory = Arc::new(MemoryMap::new(bed.ram.clone()));
        let bus = PciBus::new(io.clone(), memory.clone());
        bus.map_ports(None).unwrap();
        Self { bed, io, memory, bus }
    }

    fn add(&self, device: u8, bars: &[(usize, Bar)]) -> Arc<Mutex<Fake>> {
        let fake = Fake::new(&self.bed, device.into(), bars);
        let name = format!("fake{device}");
        self.bus.add(PciAddress::new(device, 0), &name, fake.clone()).unwrap();
        fake
    }

    fn in32(&self, port: u16) -> u32 {
        let mut data = [0; 4];
        self.io.read(port, &mut data);
        u32::from_le_bytes(data)
    }

    fn in8(&self, port: u16) -> u8 {
        let mut data = [0];
        self.io.read(port, &mut data);
        data[0]
    }

    fn out32(&self, port: u16, value: u32) {
        self.io.write(port, &value.to_le_bytes());
    }

    fn load32(&self, address: u64) -> u32 {
        let mut data = [0; 4];
        self.memory.read(address, &mut data);
        u32::from_le_bytes(data)
    }

    fn config_write(&self, device: u8, offset: u16, value: u32) {
        self.bus.write_config(PciAddress::new(device, 0), offset, &value.to_le_bytes());
    }

    fn command(&self, device: u8, bits: u8) {
        self.bus.write_config(PciAddress::new(device, 0), reg::COMMAND, &[bits, 0]);
    }
}

#[test]
fn mechanism_1_reads_and_writes_the_selected_register() {
    let s = Setup::new();
    s.add(5, &[]);
    s.out32(0xcf8, 0x8000_2800);
    assert_eq!(s.in32(0xcf8), 0x8000_2800);
    assert_eq!(s.in32(0xcfc), 0x0005_1234);
    assert_eq!(s.in8(0xcfd), 0x12);
    s.out32(0xcf8, 0x8000_283c);
    s.io.write(0xcfc, &[11]);
    assert_eq!(s.in32(0xcfc), 0x0000_010b);
}

#[test]
fn only_a_doubleword_at_0xcf8_sets_the_address() {
    let s = Setup::new();
    s.out32(0xcf8, 0x8000_2800);
    s.io.write(0xcfb, &[1]);
    s.io.write(0xcf8, &[0x34, 0x12]);
    assert_eq!(s.in32(0xcf8), 0x8000_2800);
    s.out32(0xcf8, 0);
    assert_eq!(s.in32(0xcfc), 0xffff_ffff, "without the enable bit nothing is selected");
    s.out32(0xcfc, 0);
}

#[test]
fn absent_functions_and_buses_read_as_ones() {
    let s = Setup::new();
    s.add(0, &[]);
    for address in [0x8000_0100u32, 0x8000_0800, 0x8001_0000, 0x80ff_ff00] {
        s.out32(0xcf8, address);
        assert_eq!(s.in32(0xcfc), 0xffff_ffff);
        s.out32(0xcfc, 0xdead_beef);
    }
}

#[test]
fn byte_accesses_to_0xcf9_go_to_the_reset_control_register() {
    struct Reset(Mutex<Vec<u8>>);
    impl BusTarget for Reset {
        fn read(&self, offset: u64, data: &mut [u8]) {
            data.fill(offset as u8);
        }
        fn write(&self, _: u64, data: &[u8]) {
            self.0.lock().unwrap().extend(data);
        }
    }
    let bed = Testbed::new();
    let io = Arc::new(IoMap::new());
    let bus = PciBus::new(io.clone(), Arc::new(MemoryMap::new(bed.ram.clone())));
    let reset = Arc::new(Reset(Mutex::default()));
    bus.map_ports(Some((reset.clone(), Window::new(7, 1)))).unwrap();
    io.write(0xcf9, &[6]);
    io.write(0xcf8, &0x8000_0600u32.to_le_bytes());
    let mut data = [0];
    io.read(0xcf9, &mut data);
    assert_eq!((data, &*reset.0.lock().unwrap()), ([7], &vec![6]));
}

#[test]
fn ecam_shows_the_same_registers_and_ones_past_256_bytes() {
    let s = Setup::new();
    s.add(31, &[]);
    let ecam = s.bus.ecam();
    let read = |offset: u64| {
        let mut data = [0; 4];
        ecam.read(offset, &mut data);
        u32::from_le_bytes(data)
    };
    assert_eq!(read(31 << 15), 0x001f_1234);
    assert_eq!(read((31 << 15) + 0x100), 0xffff_ffff);
    assert_eq!(read((1 << 20) | 31 << 15), 0xffff_ffff);
    ecam.write((31 << 15) + 0x3c, &[9]);
    assert_eq!(read((31 << 15) + 0x3c), 0x0000_0109);
    let mut data = [0; 8];
    ecam.read((31 << 15) + 0xffc, &mut data);
    ecam.write((31 << 15) + 0xffc, &data);
    assert_eq!(data, [0xff; 8]);
}

#[test]
fn a_bar_answers_where_it_is_put_and_moves() {
    let s = Setup::new();
    let fake = s.add(2, &[(0, IO), (1, MEMORY)]);
    s.config_write(2, 0x10, 0xc000);
    s.config_write(2, 0x14, 0xfeb0_0000);
    assert_eq!(s.in8(0xc003), 0xff, "spaces are disabled at power-on");
    s.command(2, 3);
    assert_eq!((s.in8(0xc003), s.load32(0xfeb0_0020)), (3, 0x3332_3130));
    s.config_write(2, 0x14, 0xfec8_0000);
    assert_eq!((s.load32(0xfeb0_0020), s.load32(0xfec8_0020)), (0xffff_ffff, 0x3332_3130));
    s.out32(0xc00c, 7);
    assert_eq!(fake.lock().unwrap().written, [(0, 12, vec![7, 0, 0, 0])]);
    s.command(2, 0);
    assert_eq!((s.in8(0xc003), s.load32(0xfec8_0020)), (0xff, 0xffff_ffff));
}

#[test]
fn a_64_bit_bar_may_lie_above_4_gib() {
    let s = Setup::new();
    s.add(2, &[(2, MEMORY64)]);
    s.command(2, 2);
    s.config_write(2, 0x1c, 0x8);
    s.config_write(2, 0x18, 0x0010_0000);
    assert_eq!(s.load32(0x8_0010_0000), 0x2322_2120);
    for value in [0xffff_ffff, 0x100] {
        s.config_write(2, 0x1c, value);
        assert_eq!(s.bus.functions()[0].bars[0].decoded_at, None);
    }
}

#[test]
fn direct_bars_show_memory() {
    let s = Setup::new();
    let direct = s.bed.ram.allocate_aux(8192).unwrap();
    s.add(1, &[(0, Bar { len: 8192, direct: Some(direct), ..MEMORY })]);
    s.config_write(1, 0x10, 0xfd00_0000);
    s.command(1, 2);
    s.memory.write(0xfd00_1ffc, &[1, 2, 3, 4]);
    assert_eq!(s.load32(0xfd00_1ffc), 0x0403_0201);
    assert_eq!(s.load32(0xfd00_2000), 0xffff_ffff);
}

#[test]
fn sizing_while_decoded_disturbs_nothing() {
    let s = Setup::new();
    s.add(2, &[(0, IO), (1, MEMORY), (2, MEMORY64)]);
    s.command(2, 3);
    for bar in [0x10, 0x14, 0x18, 0x1c] {
        s.config_write(2, bar, 0xffff_ffff);
    }
    assert!(s.bus.functions()[0].bars.iter().all(|bar| bar.decoded_at.is_none()));
    assert!(s.memory.ranges().is_empty());
}

#[test]
fn a_bar_over_something_else_waits_until_the_place_is_free() {
    let s = Setup::new();
    s.add(2, &[(1, MEMORY)]);
    s.add(3, &[(0, IO), (5, MEMORY)]);
    for device in [2, 3] {
        s.command(device, 3);
    }
    s.config_write(2, 0x14, 0xfeb0_0000);
    s.config_write(3, 0x24, 0xfeb0_0000);
    s.config_write(3, 0x10, 0xcf8);
    assert_eq!(s.load32(0xfeb0_0000), 0x1312_1110);
    s.config_write(2, 0x14, 0xfeb1_0000);
    assert_eq!(s.load32(0xfeb0_0000), 0x5352_5150);
    assert_eq!(s.load32(0xfeb1_0000), 0x1312_1110);
    assert_eq!(s.bus.functions()[1].bars[0].decoded_at, None);
}

#[test]
fn two_functions_may_change_places() {
    let s = Setup::new();
    s.add(2, &[(1, MEMORY)]);
    s.add(3, &[(1, MEMORY)]);
    s.config_write(2, 0x14, 0xfeb0_0000);
    s.config_write(3, 0x14, 0xfeb1_0000);
    for device in [2, 3] {
        s.command(device, 2);
    }
    s.config_write(2, 0x14, 0xfeb1_0000);
    s.config_write(3, 0x14, 0xfeb0_0000);
    let at: Vec<_> = s.bus.functions().iter().map(|f| f.bars[0].decoded_at).collect();
    assert_eq!(at, [Some(0xfeb1_0000), Some(0xfeb0_0000)]);
}

#[test]
fn ram_is_never_covered_by_a_bar() {
    let s = Setup::new();
    s.add(2, &[(1, MEMORY)]);
    s.command(2, 2);
    for address in [0, 0x1000, 0xa_0000, (16 << 20) - 4096] {
        s.config_write(2, 0x14, address);
        assert_eq!(s.load32(address.into()), 0);
    }
    s.config_write(2, 0x14, 16 << 20);
    assert_eq!(s.load32(16 << 20), 0x1312_1110);
}

#[test]
fn a_slot_with_two_functions_says_so() {
    let s = Setup::new();
    s.add(31, &[]);
    let header = |function| {
        let mut data = [0];
        s.bus.read_config(PciAddress::new(31, function), reg::HEADER_TYPE, &mut data);
        data[0]
    };
    assert_eq!(header(0), 0);
    s.bus.add(PciAddress::new(31, 2), "two", Fake::new(&s.bed, 1, &[])).unwrap();
    assert_eq!((header(0), header(2)), (0x80, 0x80));
    s.bus.clone().reset();
    assert_eq!(header(0), 0x80);
}

#[test]
fn addresses_are_checked_when_functions_are_added() {
    let s = Setup::new();
    s.add(1, &[]);
    let again = s.bus.add(PciAddress::new(1, 0), "again", Fake::new(&s.bed, 1, &[]));
    assert_eq!(again.unwrap_err().to_string(), "again cannot be at 00:01.0: fake1 is there");
    let far = PciAddress { bus: 3, ..PciAddress::new(1, 0) };
    let far = s.bus.add(far, "far", Fake::new(&s.bed, 1, &[]));
    assert!(matches!(far, Err(PciError::NoSuchBus { .. })));
    assert_eq!(s.bus.check(), Ok(()));
    s.bus.add(PciAddress::new(4, 1), "lost", Fake::new(&s.bed, 1, &[])).unwrap();
    assert!(matches!(s.bus.check(), Err(PciError::NoFunctionZero { .. })));
}

#[test]
fn reset_takes_bars_out_of_the_maps() {
    let s = Setup::new();
    s.add(2, &[(0, IO), (1, MEMORY)]);
    s.config_write(2, 0x10, 0xc000);
    s.config_write(2, 0x14, 0xfeb0_0000);
    s.command(2, 3);
    s.bus.clone().reset();
    assert!(s.memory.ranges().is_empty());
    assert_eq!(s.io.ranges().len(), 1);
}

#[test]
fn a_restored_bus_decodes_where_the_saved_one_did() {
    let (a, b) = (Setup::new(), Setup::new());
    for s in [&a, &b] {
        s.add(2, &[(0, IO), (1, MEMORY)]);
    }
    a.config_write(2, 0x14, 0xfeb0_0000);
    a.command(2, 3);
    a.out32(0xcf8, 0x8000_1004);
    b.config_write(2, 0x10, 0xd000);
    b.command(2, 3);
    let saved = assert_round_trip(&a.bus, &mut b.bus.clone());
    assert_eq!(b.memory.ranges(), a.memory.ranges());
    assert_eq!(b.io.ranges(), a.io.ranges());
    assert_eq!(b.in32(0xcfc), a.in32(0xcfc));

    let other = Setup::new();
    other.add(3, &[]);
    let error = other.bus.clone().restore(&saved).unwrap_err().to_string();
    assert!(error.contains("00:02.0") && error.contains("00:03.0"), "{error}");
}
