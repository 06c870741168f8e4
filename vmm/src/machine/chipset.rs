//! The parts that every machine has, and how all parts are put together.

use std::sync::{Arc, Mutex};

use aero_apic::{
    ApicConfig, CpuSink, IOAPIC_WINDOW, IoApic, LINT0, LOCAL_APIC_BASE, LOCAL_APIC_LEN, LocalApics,
};
use aero_bus::pci::PciAddress;
use aero_bus::{
    AuxMemory, BusTarget, Clock, GuestRam, HostTime, IoMap, IrqLine, IrqSink, MemoryMap, MsiSink,
    PowerControl, RamError, Wake, Window,
};
use aero_cpu::{CpuModel, CpuSignals, Features, Vcpu};
use aero_hpet::LegacyGates;
use aero_pci::{HostBridge, Lpc, PciBus, PirqRouter, PmWindow};
use aero_pic::Pic;

use super::board::{Board, Ends};
use super::interrupts::InterruptLines;
use super::processors::{Processor, Processors, SignalSink, Surface, TURN};
use super::time::GuestTime;
use super::{Host, Machine, backend, firmware, lock, stats};
use crate::config::{ClockMode, ConfigError, MachineConfig};
use crate::disk::DiskMode;
use crate::resources::Resources;

/// What statistics and address maps call the local APICs.
pub(super) const LOCAL_APIC: &str = "lapic";
/// What messages call the parts that are not listed in a machine file.
const CHIPSET: &str = "chipset";

pub(super) const IOAPIC_BASE: u64 = 0xfec0_0000;
const HOST_BRIDGE: PciAddress = PciAddress::new(0, 0);
pub(super) const LPC: PciAddress = PciAddress::new(0x1f, 0);
const PIC_MASTER: u16 = 0x20;
const PIC_SLAVE: u16 = 0xa0;
const PIC_ELCR: u16 = 0x4d0;
const PIT: u16 = 0x40;
const PORT_61: u16 = 0x61;
const RTC: u16 = 0x70;
const POST_CODE: u16 = 0x80;
const PORT_92: u16 = 0x92;
const APM: u16 = 0xb2;
const TIMER_IRQ: u8 = 0;
const RTC_IRQ: u8 = 8;

/// Builds the machine that `config` describes.
pub(super) fn build(
    config: &MachineConfig,
    files: &mut dyn Resources,
    host: Host,
) -> Result<Machine, ConfigError> {
    let model = cpu_model(config)?;
    let rom = firmware::load_rom(config, files)?;
    let aux = rom.len() as u64 + config.devices.iter().map(|d| d.spec.aux_memory()).sum::<u64>();
    let memory_size = &config.machine.memory;
    let ram = GuestRam::new(memory_size.get_ref().0, aux)
        .map_err(|e| config.error_at(memory_size, e.to_string()))?;

    let clock = match config.clock.mode {
        ClockMode::Deterministic => Clock::manual(),
        ClockMode::Realtime => Clock::real_time(Box::new(SharedTime(host.time.clone()))),
    };
    let wake = Arc::new(Wake::new());
    let power = PowerControl::new(wake.clone());
    let memory = Arc::new(MemoryMap::new(ram.clone()));
    let io = Arc::new(IoMap::new());

    let no_room = |e: RamError| ConfigError::new("", e.to_string());
    let signals = (0..config.cpu.count.0).map(|_| CpuSignals::placed(&ram).map(Arc::new));
    let signals = signals.collect::<Result<Vec<_>, _>>().map_err(no_room)?;
    let sinks = signals.iter().map(|s| Arc::new(SignalSink(s.clone())) as Arc<dyn CpuSink>);
    let x2apic = model.features.contains(Features::X2APIC);
    let apic_config = ApicConfig { tsc_hz: model.tsc_hz, x2apic };
    let local_apics = LocalApics::new(&clock, sinks.collect(), apic_config);
    let messages: Arc<dyn MsiSink> = Arc::new(local_apics.clone());
    let ioapic = IoApic::new(messages.clone());
    local_apics.connect(&ioapic.handle());
    // Virtual wire: the 8259s' INTR is at LINT0 of the bootstrap processor.
    let intr = IrqLine::new(Arc::new(local_apics.cpu(0)), LINT0);
    let pic = Pic::new(intr.pin());
    let lines = InterruptLines::new(pic.handle(), ioapic.handle());
    let router = PirqRouter::new(lines.all());
    let pci = PciBus::new(io.clone(), memory.clone());

    let mut board = Board {
        config,
        files,
        clock: clock.clone(),
        wake: wake.clone(),
        power: power.clone(),
        disk_mode: disk_mode(config, &host, &clock),
        ram: ram.clone(),
        memory: memory.clone(),
        io: io.clone(),
        pci: pci.clone(),
        router: router.clone(),
        lines,
        messages,
        nodes: Vec::new(),
        infos: Vec::new(),
        ends: Ends::default(),
    };
    let chipset = |fault: super::Fault| fault.at(CHIPSET);
    let pm = build_timers(&mut board, &host).map_err(chipset)?;
    build_listed(&mut board)?;
    let rom = place_rom(&ram, &rom)?;
    build_bridges(&mut board, rom, pm.clone()).map_err(chipset)?;
    firmware::build(&mut board, &model)?;
    pci.check().map_err(|e| ConfigError::new("", e.to_string()))?;
    board.add_device("pci", Arc::new(Mutex::new(pci.clone())));
    // Controllers come last: at a restore, devices drive their pins before.
    let pic_handle = pic.handle();
    build_controllers(&mut board, pic, ioapic, &local_apics).map_err(chipset)?;

    let cpus = (0..).zip(signals).map(|(index, signals)| {
        let cpu = Vcpu::placed(&ram, index, model.clone()).map_err(no_room)?;
        Ok(Processor { cpu, signals, apic: local_apics.cpu(index as usize) })
    });
    let per_second = match config.clock.mode {
        ClockMode::Deterministic => Some(config.clock.instructions_per_second.0),
        ClockMode::Realtime => None,
    };
    let processors = Processors {
        backend: backend::build(config, &ram, host.code_host)?,
        all: cpus.collect::<Result<_, ConfigError>>()?,
        current: 0,
        turn_left: TURN,
        tsc_hz: model.tsc_hz,
        tsc_base: 0,
    };
    let Board { nodes, infos, ends, .. } = board;
    Ok(Machine {
        time: GuestTime::new(clock.clone(), per_second),
        clock,
        surface: Surface { memory, io, wake, power, pic: pic_handle },
        processors,
        nodes,
        local_apics,
        infos,
        pci,
        host_time: host.time,
        serials: ends.serials,
        debug_consoles: ends.debug_consoles,
        display: ends.display.map(|display| display.scanout),
        ps2: ends.ps2,
        power_button: pm,
        drives: ends
            .media
            .into_iter()
            .map(|medium| (medium.name, medium.disk))
            .chain(ends.kernel_disk.map(|disk| (firmware::KERNEL_DRIVE.to_owned(), disk)))
            .collect(),
        on_triple_fault: config.machine.on_triple_fault,
        warned_of_overdue: false,
        counts: stats::Counts::default(),
    })
}

struct SharedTime(Arc<dyn HostTime>);

impl HostTime for SharedTime {
    fn now(&self) -> u64 {
        self.0.now()
    }
}

fn cpu_model(config: &MachineConfig) -> Result<CpuModel, ConfigError> {
    let name = &config.cpu.model;
    let mut model = CpuModel::named(name.get_ref()).ok_or_else(|| {
        let known = CpuModel::NAMES.join(", ");
        config.error_at(name, format!("unknown CPU model `{}`; there are: {known}", name.get_ref()))
    })?;
    model.cpus = config.cpu.count.0 as u32;
    Ok(model)
}

fn disk_mode(config: &MachineConfig, host: &Host, clock: &Clock) -> DiskMode {
    match config.clock.mode {
        ClockMode::Deterministic => DiskMode::Deterministic(clock.clone()),
        #[cfg(feature = "native")]
        ClockMode::Realtime if host.threads => DiskMode::Worker,
        ClockMode::Realtime => {
            let _ = host;
            DiskMode::Inline
        }
    }
}

/// Tells the power management block of the real-time clock's alarm.
struct AlarmSink(Arc<Mutex<aero_acpi_pm::AcpiPm>>);

impl IrqSink for AlarmSink {
    fn set_level(&self, _input: u32, level: bool) {
        if level {
            lock(&self.0).rtc_alarm();
        }
    }
}

/// Timers, clock and power management.
fn build_timers(
    board: &mut Board<'_>,
    host: &Host,
) -> Result<Arc<Mutex<aero_acpi_pm::AcpiPm>>, super::Fault> {
    let clock = board.clock.clone();
    board.note_irq("pit", TIMER_IRQ);
    let irq = board.legacy_gate(LegacyGates::TIMER);
    let pit = Arc::new(Mutex::new(aero_pit::Pit::new(&clock, irq)));
    board.map_ports("pit", PIT, aero_pit::COUNTERS, pit.clone())?;
    board.map_ports("pit", PORT_61, aero_pit::PORT_61, pit.clone())?;
    board.add_device("pit", pit);

    let sci = board.router.sci();
    let pm = aero_acpi_pm::AcpiPm::new(clock.clone(), sci, board.power.clone());
    let pm = Arc::new(Mutex::new(pm));
    board.map_ports("acpi-pm", APM, aero_acpi_pm::APM_WINDOW, pm.clone())?;
    board.add_device("acpi-pm", pm.clone());

    let start = match (board.config.clock.start, board.config.clock.mode) {
        (Some(moment), _) => moment.0,
        (None, ClockMode::Deterministic) => crate::config::Moment::default().0,
        (None, ClockMode::Realtime) => host.unix_seconds,
    };
    let alarm = IrqLine::new(Arc::new(AlarmSink(pm.clone())), 0).pin();
    board.note_irq("rtc", RTC_IRQ);
    let irq = board.legacy_gate(LegacyGates::CLOCK);
    let mut rtc = aero_rtc::Rtc::new(&clock, irq, alarm, start);
    rtc.set_memory_sizes(board.ram.low_len(), board.ram.high_len());
    rtc.set_boot_order(firmware::cmos_boot_order(board.config));
    rtc.set_cpu_count(board.config.cpu.count.0 as usize);
    let rtc = Arc::new(Mutex::new(rtc));
    board.map_ports("rtc", RTC, aero_rtc::PORTS, rtc.clone())?;
    board.add_device("rtc", rtc);

    let a20 = board.memory.clone();
    let port92 = aero_debug_ports::Port92::new(a20, board.power.clone());
    let port92 = Arc::new(Mutex::new(port92));
    board.map_ports("port92", PORT_92, aero_debug_ports::Port92::WINDOW, port92.clone())?;
    board.add_device("port92", port92);
    let post = Arc::new(Mutex::new(aero_debug_ports::PostCode::new()));
    board.map_ports("post-code", POST_CODE, aero_debug_ports::PostCode::WINDOW, post.clone())?;
    board.add_device("post-code", post);
    Ok(pm)
}

/// The devices of the machine file, named by type and number.
fn build_listed(board: &mut Board<'_>) -> Result<(), ConfigError> {
    let config = board.config;
    for (index, entry) in config.devices.iter().enumerate() {
        let before = &config.devices[..index];
        let number = before.iter().filter(|d| d.type_name == entry.type_name).count();
        let name = format!("{}-{number}", entry.type_name);
        entry.spec.build(&name, board).map_err(|fault| fault.at(&entry.place))?;
    }
    Ok(())
}

/// The ROM's place behind the RAM, filled with the image.
fn place_rom(ram: &GuestRam, rom: &[u8]) -> Result<AuxMemory, ConfigError> {
    let area =
        ram.allocate_aux(rom.len() as u64).map_err(|e| ConfigError::new("", e.to_string()))?;
    let slice = ram.host_slice(area.host_offset, rom.len() as u64);
    slice.expect("the area was just allocated").copy_from(rom);
    Ok(area)
}

/// Host bridge and LPC bridge, with what they map.
fn build_bridges(
    board: &mut Board<'_>,
    rom: AuxMemory,
    pm: Arc<Mutex<aero_acpi_pm::AcpiPm>>,
) -> Result<(), super::Fault> {
    let legacy = board.ends.display.as_mut().and_then(|display| display.legacy.take());
    let bridge = HostBridge::new(&board.pci, rom, legacy)?;
    board.add_pci("host-bridge", HOST_BRIDGE, Arc::new(Mutex::new(bridge)))?;
    let pm = PmWindow { target: pm, window: aero_acpi_pm::PM_WINDOW };
    let lpc = Lpc::new(board.io.clone(), board.memory.clone(), board.router.clone(), Some(pm));
    board.add_pci("lpc", LPC, Arc::new(Mutex::new(lpc)))?;
    let reset = aero_debug_ports::ResetControl::new(board.power.clone());
    let reset = Arc::new(Mutex::new(reset));
    board.pci.map_ports(Some((reset.clone(), aero_debug_ports::ResetControl::WINDOW)))?;
    board.add_device("reset-control", reset);
    Ok(())
}

/// Where local APICs answer for everybody but the processors, which see their own: nowhere.
struct ApicPage;

impl BusTarget for ApicPage {
    fn read(&self, _offset: u64, data: &mut [u8]) {
        data.fill(0xff);
    }

    fn write(&self, _offset: u64, _data: &[u8]) {}
}

fn build_controllers(
    board: &mut Board<'_>,
    pic: Pic,
    ioapic: IoApic,
    local_apics: &LocalApics,
) -> Result<(), super::Fault> {
    let pic = Arc::new(Mutex::new(pic));
    board.map_ports("pic", PIC_MASTER, aero_pic::MASTER, pic.clone())?;
    board.map_ports("pic", PIC_SLAVE, aero_pic::SLAVE, pic.clone())?;
    board.map_ports("pic", PIC_ELCR, aero_pic::ELCR, pic.clone())?;
    board.add_device("pic", pic);
    let ioapic = Arc::new(Mutex::new(ioapic));
    board.map_memory("ioapic", IOAPIC_BASE, IOAPIC_WINDOW, ioapic.clone())?;
    board.add_device("ioapic", ioapic);
    let page = Window::new(0, LOCAL_APIC_LEN);
    board.map_memory(LOCAL_APIC, LOCAL_APIC_BASE, page, Arc::new(ApicPage))?;
    board.add_device(LOCAL_APIC, Arc::new(Mutex::new(local_apics.clone())));
    Ok(())
}
