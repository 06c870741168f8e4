//! What the firmware is told of the machine: the built-in BIOS directly, others through fw_cfg.

use std::sync::{Arc, Mutex};

use aero_acpi::smbios::{ProcessorModel, Smbios, SmbiosDescription};
use aero_acpi::{
    AcpiTables, Cpu, Ecam, IoApic, IsaDevice, Links, MemoryWindow, Oem, PlatformDescription, Pm,
    ResetRegister, SleepStates,
};
use aero_bus::GuestRam;
use aero_cpu::CpuModel;
use aero_firmware::{BootDrive, DriveKind, Firmware, FirmwareConfig, PciConfigPlan, TableBuilder};
use aero_fw_cfg::{FwCfg, key};
use aero_pci::{pirq_gsi, pirq_of};
use aero_rtc::BootDevice as CmosBoot;

use super::board::{Board, BootMedium};
use super::chipset::{IOAPIC_BASE, LPC};
use super::{Fault, lock};
use crate::boot::{self, KernelFiles, RangeKind, plain_map};
use crate::config::{BootDevice, ConfigError, MachineConfig};
use crate::console::Console;
use crate::disk::{Disk, DiskMode, MemoryStore, Raw};
use crate::resources::Resources;

const MIB: u64 = 1 << 20;
/// The largest ROM: below it is the local APICs' page.
const MAX_ROM: u64 = 16 * MIB;
const MAX_KERNEL: u64 = 1 << 30;
/// Where firmware puts the power management ports, as on QEMU.
const PM_BASE: u16 = 0x600;
const SCI_IRQ: u8 = 9;
const CENTURY: u8 = 0x32;
/// The IO-APIC's id, as on QEMU.
const IOAPIC_ID: u8 = 0;
/// RST_CPU and SYS_RST and FULL_RST of the reset control register.
const RESET_PORT: u16 = 0xcf9;
const RESET_VALUE: u8 = 0x0f;
const NAME: &str = "firmware";
const LOADER: &str = "kernel-loader";
pub(super) const KERNEL_DRIVE: &str = "kernel";

/// The image that shows below 4 GiB.
pub(super) fn load_rom(
    config: &MachineConfig,
    files: &mut dyn Resources,
) -> Result<Vec<u8>, ConfigError> {
    let Some(image) = &config.firmware.image else { return Ok(aero_firmware::system_rom()) };
    let named = |message: String| config.error_at(image, format!("{}: {message}", image.get_ref()));
    let rom = files.blob(image.get_ref(), MAX_ROM).map_err(named)?;
    if rom.is_empty() || !rom.len().is_multiple_of(1 << 16) {
        let len = rom.len();
        return Err(named(format!(
            "a firmware image is a multiple of 64 KiB long, not {len} bytes"
        )));
    }
    if !config.devices.iter().any(|device| device.type_name == "fw-cfg") {
        log::warn!("the firmware image may not work without a device of type \"fw-cfg\"");
    }
    Ok(rom)
}

/// The boot order as SeaBIOS reads it from CMOS memory.
pub(super) fn cmos_boot_order(config: &MachineConfig) -> [CmosBoot; 3] {
    let order: Vec<CmosBoot> = config
        .firmware
        .boot_order
        .iter()
        .map(|device| match device {
            BootDevice::Disk => CmosBoot::HardDisk,
            BootDevice::Cd => CmosBoot::CdRom,
        })
        .collect();
    std::array::from_fn(|n| order.get(n).copied().unwrap_or(CmosBoot::None))
}

/// Builds what goes with the firmware: the built-in one itself, or what is in fw_cfg for another, and
/// the loader of a kernel.
pub(super) fn build(board: &mut Board<'_>, model: &CpuModel) -> Result<(), ConfigError> {
    let kernel = read_kernel(board)?;
    let has_kernel = kernel.is_some();
    let failed = |fault: Fault| fault.at(NAME);
    if let Some(files) = kernel {
        build_loader(board, files).map_err(failed)?;
    }
    let plan = PciConfigPlan::q35(board.ram.low_len(), pirq_table());
    let acpi = AcpiTables::build(&platform(board, &plan));
    let smbios = Smbios::build(&smbios(board, model));
    if let Some(fw_cfg) = board.ends.fw_cfg.clone() {
        let mut fw_cfg = lock(&fw_cfg);
        fill_fw_cfg(&mut fw_cfg, board, &acpi, &smbios, has_kernel)
            .map_err(|message| ConfigError::new(NAME, message))?;
    }
    if board.config.firmware.image.is_none() {
        build_built_in(board, model, plan, acpi, smbios, has_kernel).map_err(failed)?;
    }
    Ok(())
}

fn pirq_table() -> [[u8; 4]; 32] {
    std::array::from_fn(|device| std::array::from_fn(|pin| pirq_of(device as u8, pin as u8)))
}

fn platform(board: &Board<'_>, plan: &PciConfigPlan) -> PlatformDescription {
    let window = |range: &std::ops::Range<u64>| MemoryWindow {
        first: range.start,
        last: range.end.saturating_sub(1),
    };
    let mut isa = vec![IsaDevice::Pic, IsaDevice::Timer, IsaDevice::Speaker, IsaDevice::Rtc];
    isa.push(IsaDevice::Coprocessor);
    isa.extend(board.ends.isa.iter().copied());
    PlatformDescription {
        oem: Oem::default(),
        cpus: (0..board.config.cpu.count.0 as u8).map(|id| Cpu { id, apic_id: id }).collect(),
        local_apic_base: aero_apic::LOCAL_APIC_BASE as u32,
        io_apic: IoApic { id: IOAPIC_ID, base: IOAPIC_BASE as u32 },
        hpet: board.ends.hpet,
        ecam: plan.ecam.map(|(base, buses)| Ecam { base, buses }),
        last_bus: 0xff,
        pci_windows: vec![window(&plan.memory)],
        pci_window_64: (!plan.memory_64.is_empty()).then(|| window(&plan.memory_64)),
        links: Links {
            bridge: (LPC.device, LPC.function),
            registers: [0x60, 0x61, 0x62, 0x63, 0x68, 0x69, 0x6a, 0x6b],
            slots: plan.pirq,
            isa_irqs: vec![5, 10, 11],
            first_gsi: pirq_gsi(0).into(),
        },
        pm: Pm::ich9(PM_BASE),
        // There is no way back from S3 and S4 yet.
        sleep: SleepStates { s3: None, s4: None, ..SleepStates::ich9() },
        reset: Some(ResetRegister { port: RESET_PORT, value: RESET_VALUE }),
        century: CENTURY,
        isa,
        fragments: Vec::new(),
    }
}

fn smbios(board: &Board<'_>, model: &CpuModel) -> SmbiosDescription {
    SmbiosDescription {
        bios_vendor: "Aero".to_owned(),
        bios_version: env!("CARGO_PKG_VERSION").to_owned(),
        bios_date: "01/01/2026".to_owned(),
        manufacturer: "Aero".to_owned(),
        product: "Aero PC (Q35 + ICH9)".to_owned(),
        version: "1".to_owned(),
        serial: String::new(),
        uuid: *b"Aero PC\0\x80\0\0\0\0\0\0\x01",
        processor: ProcessorModel {
            manufacturer: "GenuineIntel".to_owned(),
            version: model.brand.trim().to_owned(),
            signature: model.signature,
            features: model.features.bits() as u32,
            mhz: (model.tsc_hz / 1_000_000) as u16,
        },
        processors: board.config.cpu.count.0 as usize,
        low_memory: board.ram.low_len(),
        high_memory: board.ram.high_len(),
    }
}

/// The built-in BIOS, with its own way to the drives.
fn build_built_in(
    board: &mut Board<'_>,
    model: &CpuModel,
    plan: PciConfigPlan,
    acpi: AcpiTables,
    smbios: Smbios,
    has_kernel: bool,
) -> Result<(), Fault> {
    let media = &board.ends.media;
    let mut drives: Vec<BootDrive> = media
        .iter()
        .map(|medium| BootDrive {
            name: medium.name.clone(),
            kind: if medium.is_cd { DriveKind::Cd } else { DriveKind::HardDisk },
            backend: Box::new(medium.disk.handle()),
        })
        .collect();
    let mut boot_order: Vec<String> = Vec::new();
    if has_kernel {
        boot_order.push(KERNEL_DRIVE.to_owned());
        drives.push(kernel_drive(board));
    } else {
        boot_order.extend(in_boot_order(board).map(|medium| medium.name.clone()));
    }
    let smbios_tables: TableBuilder =
        Box::new(move |base| (smbios.anchor(base), smbios.tables().to_vec()));
    let acpi_tables: TableBuilder = Box::new(move |base| {
        let resolved = acpi.resolve(base);
        (resolved.rsdp, resolved.tables)
    });
    let config = FirmwareConfig {
        drives,
        boot_order,
        pci: plan,
        pm_base: PM_BASE,
        sci_irq: SCI_IRQ,
        io_apic: Some((IOAPIC_ID, IOAPIC_BASE)),
        acpi: Some(acpi_tables),
        smbios: Some(smbios_tables),
        cpu_name: model.brand.trim().to_owned(),
        cpus: board.config.cpu.count.0 as usize,
        serial_ports: board.ends.serial_ports.clone(),
        console: Console::new(board.wake.clone()).backend(),
    };
    let (memory, io) = (board.memory.clone(), board.io.clone());
    let firmware = Firmware::new(memory, io, board.clock.clone(), config);
    let firmware = Arc::new(Mutex::new(firmware));
    board.map_ports(NAME, Firmware::PORT_BASE, Firmware::WINDOW, firmware.clone())?;
    board.add_device(NAME, firmware);
    Ok(())
}

/// The drives to boot from, in the order of the machine file's `boot_order`.
fn in_boot_order<'a>(board: &'a Board<'_>) -> impl Iterator<Item = &'a BootMedium> {
    board.config.firmware.boot_order.iter().flat_map(|kind| {
        let is_cd = *kind == BootDevice::Cd;
        board.ends.media.iter().filter(move |medium| medium.is_cd == is_cd)
    })
}

/// A disk with nothing but the boot sector that starts the loader.
fn kernel_drive(board: &mut Board<'_>) -> BootDrive {
    let store = MemoryStore::new(boot::boot_sector()).read_only();
    let image = Raw::new(Box::new(store), false).expect("memory can be read");
    let mode = match &board.disk_mode {
        deterministic @ DiskMode::Deterministic(_) => deterministic.clone(),
        _ => DiskMode::Inline,
    };
    let disk = Disk::new(Some(Box::new(image)), mode, board.wake.clone());
    let backend = Box::new(disk.handle());
    board.ends.kernel_disk = Some(disk);
    BootDrive { name: KERNEL_DRIVE.to_owned(), kind: DriveKind::HardDisk, backend }
}

/// The kernel and what goes with it, if the machine file names one.
fn read_kernel(board: &mut Board<'_>) -> Result<Option<KernelFiles>, ConfigError> {
    let config = board.config;
    let mut read = |name: &toml::Spanned<String>| {
        let file = name.get_ref();
        let result = board.files.blob(file, MAX_KERNEL);
        result.map_err(|message| config.error_at(name, format!("{file}: {message}")))
    };
    let section = &config.boot;
    let Some(kernel_name) = &section.kernel else {
        let alone = section.initrd.as_ref().or(section.modules.first());
        return match alone {
            Some(value) => {
                Err(config.error_at(value, "it goes with a `kernel`, which is not given"))
            }
            None => Ok(None),
        };
    };
    let mut files = KernelFiles {
        kernel: read(kernel_name)?,
        initrd: section.initrd.as_ref().map(&mut read).transpose()?,
        cmdline: section.cmdline.clone(),
        modules: Vec::new(),
    };
    for module in &section.modules {
        let file = module.get_ref().split(' ').next().unwrap_or_default().to_owned();
        let bytes = read(&toml::Spanned::new(module.span(), file))?;
        files.modules.push((module.get_ref().clone(), bytes));
    }
    check_kernel(&files, &board.ram).map_err(|message| {
        config.error_at(kernel_name, format!("{}: {message}", kernel_name.get_ref()))
    })?;
    Ok(Some(files))
}

/// Loads the kernel for trial, so that one that does not fit is an error of the machine file. The
/// firmware loads it again where its own map says there is room.
fn check_kernel(files: &KernelFiles, ram: &GuestRam) -> Result<(), String> {
    let to_tell = boot::Surroundings { map: plain_map(ram, MIB), rsdp: None };
    boot::load(files, ram, &to_tell).map(drop)
}

fn build_loader(board: &mut Board<'_>, files: KernelFiles) -> Result<(), Fault> {
    if board.config.firmware.image.is_some() && board.ends.fw_cfg.is_none() {
        let message = "a kernel that other firmware is to start needs a device of type \"fw-cfg\"";
        return Err(message.to_owned().into());
    }
    let loader = boot::Loader::new(files, board.memory.clone());
    let loader = Arc::new(Mutex::new(loader));
    board.map_ports(LOADER, boot::LOADER_PORT_BASE, boot::Loader::WINDOW, loader.clone())?;
    board.add_device(LOADER, loader);
    Ok(())
}

/// What SeaBIOS and OVMF read (QEMU's `docs/specs/fw_cfg`, and the names these two look for).
fn fill_fw_cfg(
    fw_cfg: &mut FwCfg,
    board: &mut Board<'_>,
    acpi: &AcpiTables,
    smbios: &Smbios,
    has_kernel: bool,
) -> Result<(), String> {
    let cpus = board.config.cpu.count.0 as u16;
    fw_cfg.set_item(key::RAM_SIZE, board.ram.len().to_le_bytes().to_vec());
    fw_cfg.set_item(key::NO_GRAPHIC, 0u16.to_le_bytes().to_vec());
    fw_cfg.set_item(key::CPU_COUNT, cpus.to_le_bytes().to_vec());
    fw_cfg.set_item(key::MAX_CPU_COUNT, cpus.to_le_bytes().to_vec());
    fw_cfg.set_item(key::BOOT_MENU, 0u16.to_le_bytes().to_vec());
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    files.push(("etc/e820".to_owned(), e820(&board.ram)));
    let tables = acpi.fw_cfg_files().into_iter().chain(smbios.fw_cfg_files());
    files.extend(tables.map(|(name, bytes)| (name.to_owned(), bytes)));
    let mut boot_order = String::new();
    if has_kernel {
        files.push((format!("genroms/{KERNEL_ROM}"), boot::option_rom()));
        boot_order.push_str(&format!("/rom@genroms/{KERNEL_ROM}\n"));
    }
    for medium in in_boot_order(board) {
        // Where QEMU's device tree has the drives of the SATA controller of the LPC bridge's slot.
        boot_order.push_str(&format!("/pci@i0cf8/*@1f,2/drive@{}/disk@0\n", medium.port));
    }
    boot_order.push('\0');
    files.push(("bootorder".to_owned(), boot_order.into_bytes()));
    if let Some(rom) = &board.config.firmware.vga_rom {
        let bytes = board.files.blob(rom.get_ref(), MIB);
        let bytes = bytes.map_err(|message| format!("{}: {message}", rom.get_ref()))?;
        files.push(("vgaroms/vgabios.bin".to_owned(), bytes));
    }
    for (name, bytes) in files {
        fw_cfg.add_file(&name, bytes).map_err(|e| e.to_string())?;
    }
    Ok(())
}

const KERNEL_ROM: &str = "kernel.bin";

/// RAM as 20-byte entries; firmware makes its own map of it.
fn e820(ram: &GuestRam) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (start, len) in [(0, ram.low_len()), (1 << 32, ram.high_len())] {
        if len > 0 {
            bytes.extend_from_slice(&u64::to_le_bytes(start));
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(&(RangeKind::Usable as u32).to_le_bytes());
        }
    }
    bytes
}
