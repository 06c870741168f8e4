//! The tables around the DSDT, and how they hang together.

use crate::FwCfgFile;
use crate::blob::{Blob, Checksum};
use crate::description::{Oem, PlatformDescription};
use crate::dsdt;
use crate::loader::{self, Script, Zone};

/// Length of the header all tables but the FACS share (section 5.2.6).
const HEADER_LEN: usize = 36;
const HEADER_CHECKSUM: usize = 9;
/// The FACS' alignment; the others need none, and get it too (section 5.2.10).
const FACS_ALIGN: usize = 64;
const FACS_LEN: usize = 64;

/// Where things lie in the FADT (table 5-9).
mod fadt {
    pub const FIRMWARE_CTRL: usize = 36;
    pub const DSDT: usize = 40;
    pub const PREFERRED_PM_PROFILE: usize = 45;
    pub const SCI_INT: usize = 46;
    pub const SMI_CMD: usize = 48;
    pub const ACPI_ENABLE: usize = 52;
    pub const ACPI_DISABLE: usize = 53;
    pub const PM1A_EVT_BLK: usize = 56;
    pub const PM1A_CNT_BLK: usize = 64;
    pub const PM_TMR_BLK: usize = 76;
    pub const GPE0_BLK: usize = 80;
    pub const PM1_EVT_LEN: usize = 88;
    pub const PM1_CNT_LEN: usize = 89;
    pub const PM_TMR_LEN: usize = 91;
    pub const GPE0_BLK_LEN: usize = 92;
    pub const P_LVL2_LAT: usize = 96;
    pub const P_LVL3_LAT: usize = 98;
    pub const CENTURY: usize = 108;
    pub const IAPC_BOOT_ARCH: usize = 109;
    pub const FLAGS: usize = 112;
    pub const RESET_REG: usize = 116;
    pub const RESET_VALUE: usize = 128;
    pub const X_DSDT: usize = 140;
    pub const X_PM1A_EVT_BLK: usize = 148;
    pub const X_PM1A_CNT_BLK: usize = 172;
    pub const X_PM_TMR_BLK: usize = 208;
    pub const X_GPE0_BLK: usize = 220;
    pub const LEN: usize = 244;

    pub const PROFILE_DESKTOP: u8 = 1;
    /// Longer than any C2 or C3 state may take: there are none.
    pub const NO_C2: u16 = 0x0fff;
    pub const NO_C3: u16 = 0x0fff;
    /// IAPC_BOOT_ARCH: devices on ISA or LPC; an 8042.
    pub const LEGACY_DEVICES: u16 = 1 << 0;
    pub const HAS_8042: u16 = 1 << 1;
    /// Flags: WBINVD works; C1 works; no sleep button of the fixed kind; the RTC wakes from S4; the OS
    /// is to use the platform's timer (PM timer or HPET).
    pub const WBINVD: u32 = 1 << 0;
    pub const PROC_C1: u32 = 1 << 2;
    pub const SLP_BUTTON: u32 = 1 << 5;
    pub const RTC_S4: u32 = 1 << 7;
    pub const RESET_REG_SUP: u32 = 1 << 10;
    pub const USE_PLATFORM_CLOCK: u32 = 1 << 15;
}

/// A generic address structure in I/O space (section 5.2.3.1).
fn gas_io(port: u16, bits: u8) -> [u8; 12] {
    let access = match bits {
        8 => 1,
        16 => 2,
        32 => 3,
        _ => 0,
    };
    let [low, high] = port.to_le_bytes();
    [1, bits, 0, access, low, high, 0, 0, 0, 0, 0, 0]
}

/// The tables of a machine, not yet at any address.
#[derive(Clone, Debug)]
pub struct AcpiTables {
    tables: Blob,
    rsdp: Blob,
    index: Vec<([u8; 4], std::ops::Range<usize>)>,
}

/// Tables at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedAcpi {
    /// The Root System Description Pointer, for a 16-byte boundary in the EBDA or from E0000h to FFFFFh.
    pub rsdp: Vec<u8>,
    /// The tables.
    pub tables: Vec<u8>,
    /// The address the tables are made for.
    pub base: u64,
}

impl AcpiTables {
    /// The tables' address must be a multiple of this.
    pub const ALIGN: u64 = FACS_ALIGN as u64;

    /// Makes the tables.
    ///
    /// # Panics
    /// When the AML of the description's own paths is not well-formed: a scope of a fragment whose
    /// segments are not of four characters.
    pub fn build(platform: &PlatformDescription) -> Self {
        let mut builder = Builder { oem: platform.oem, blob: Blob::default(), index: Vec::new() };
        let facs = builder.facs();
        let dsdt = builder.table(*b"DSDT", 2, &dsdt::build(platform));
        let fadt = builder.fadt(platform, facs, dsdt);
        let mut listed = vec![fadt, builder.table(*b"APIC", 1, &madt(platform))];
        if let Some(hpet) = platform.hpet {
            let mut body = hpet.block_id.to_le_bytes().to_vec();
            body.extend([0; 4]); // memory space, no width
            body.extend(u64::from(hpet.base).to_le_bytes());
            body.push(0); // sequence number
            body.extend(hpet.minimum_tick.to_le_bytes());
            body.push(0); // no page protection
            listed.push(builder.table(*b"HPET", 1, &body));
        }
        if let Some(ecam) = platform.ecam.filter(|ecam| !ecam.is_empty()) {
            // PCI Firmware Specification 3.0, 4.1.2.
            let mut body = vec![0; 8];
            body.extend(ecam.base.to_le_bytes());
            body.extend([0, 0]); // segment group
            body.extend([0, (ecam.buses.min(256) - 1) as u8]);
            body.extend([0; 4]);
            listed.push(builder.table(*b"MCFG", 1, &body));
        }
        // Windows ACPI Emulated Devices Table: one read of the PM timer is enough.
        listed.push(builder.table(*b"WAET", 1, &(1u32 << 1).to_le_bytes()));
        let rsdt = builder.root(*b"RSDT", 4, &listed);
        let xsdt = builder.root(*b"XSDT", 8, &listed);
        let rsdp = rsdp(platform.oem, rsdt, xsdt);
        Self { tables: builder.blob, rsdp, index: builder.index }
    }

    /// Bytes that the tables take.
    pub fn len(&self) -> u64 {
        self.tables.bytes.len() as u64
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.tables.bytes.is_empty()
    }

    /// Signatures and places of the tables, offsets from the first byte.
    pub fn index(&self) -> &[([u8; 4], std::ops::Range<usize>)] {
        &self.index
    }

    /// The tables as they are at `base`, a multiple of [`ALIGN`](Self::ALIGN) below 4 GiB. The FACS in
    /// them is written to by the system: the memory is ACPI NVS.
    pub fn resolve(&self, base: u32) -> ResolvedAcpi {
        let base = u64::from(base);
        ResolvedAcpi { rsdp: self.rsdp.resolve(base), tables: self.tables.resolve(base), base }
    }

    /// The files that SeaBIOS and OVMF look for.
    pub fn fw_cfg_files(&self) -> Vec<FwCfgFile> {
        let mut script = Script::default();
        script.allocate(loader::TABLES, FACS_ALIGN as u32, Zone::High);
        script.allocate(loader::RSDP, 16, Zone::FSegment);
        script.finish(loader::TABLES, &self.tables);
        script.finish(loader::RSDP, &self.rsdp);
        vec![
            (loader::TABLES, self.tables.bytes.clone()),
            (loader::RSDP, self.rsdp.bytes.clone()),
            (loader::LOADER, script.into_bytes()),
        ]
    }
}

struct Builder {
    oem: Oem,
    blob: Blob,
    index: Vec<([u8; 4], std::ops::Range<usize>)>,
}

impl Builder {
    /// Appends a table and returns its offset.
    fn table(&mut self, signature: [u8; 4], revision: u8, body: &[u8]) -> usize {
        self.blob.align(16);
        let start = self.blob.bytes.len();
        let len = HEADER_LEN + body.len();
        let out = &mut self.blob.bytes;
        out.extend(signature);
        out.extend((len as u32).to_le_bytes());
        out.extend([revision, 0]);
        out.extend(self.oem.id);
        out.extend(self.oem.table_id);
        out.extend(self.oem.revision.to_le_bytes());
        out.extend(*b"AERO");
        out.extend(1u32.to_le_bytes());
        out.extend(body);
        self.blob.checksums.push(Checksum { at: start + HEADER_CHECKSUM, start, len });
        self.index.push((signature, start..start + len));
        start
    }

    fn facs(&mut self) -> usize {
        self.blob.align(FACS_ALIGN);
        let start = self.blob.bytes.len();
        let out = &mut self.blob.bytes;
        out.extend(*b"FACS");
        out.extend((FACS_LEN as u32).to_le_bytes());
        out.resize(start + 32, 0);
        out.push(1); // version
        out.resize(start + FACS_LEN, 0);
        self.index.push((*b"FACS", start..start + FACS_LEN));
        start
    }

    fn root(&mut self, signature: [u8; 4], size: usize, tables: &[usize]) -> usize {
        let start = self.table(signature, 1, &vec![0; size * tables.len()]);
        for (i, target) in tables.iter().enumerate() {
            self.blob.point(start + HEADER_LEN + size * i, size, *target);
        }
        start
    }

    /// Revision 3 of the FADT, that of ACPI 2.0 to 3.0.
    fn fadt(&mut self, platform: &PlatformDescription, facs: usize, dsdt: usize) -> usize {
        let mut table = [0; fadt::LEN];
        let mut put = |at: usize, bytes: &[u8]| table[at..at + bytes.len()].copy_from_slice(bytes);
        let pm = &platform.pm;
        put(fadt::PREFERRED_PM_PROFILE, &[fadt::PROFILE_DESKTOP]);
        put(fadt::SCI_INT, &u16::from(pm.sci_irq).to_le_bytes());
        if let Some(smi) = pm.smi {
            put(fadt::SMI_CMD, &u32::from(smi.port).to_le_bytes());
            put(fadt::ACPI_ENABLE, &[smi.enable]);
            put(fadt::ACPI_DISABLE, &[smi.disable]);
        }
        let mut block = |old: usize, len_at: usize, new: usize, port: u16, len: u8| {
            put(old, &u32::from(port).to_le_bytes());
            put(len_at, &[len]);
            put(new, &gas_io(port, len.saturating_mul(8)));
        };
        block(fadt::PM1A_EVT_BLK, fadt::PM1_EVT_LEN, fadt::X_PM1A_EVT_BLK, pm.event, 4);
        block(fadt::PM1A_CNT_BLK, fadt::PM1_CNT_LEN, fadt::X_PM1A_CNT_BLK, pm.control, 2);
        block(fadt::PM_TMR_BLK, fadt::PM_TMR_LEN, fadt::X_PM_TMR_BLK, pm.timer, 4);
        if let Some(gpe) = pm.gpe {
            block(fadt::GPE0_BLK, fadt::GPE0_BLK_LEN, fadt::X_GPE0_BLK, gpe.base, gpe.len);
        }
        put(fadt::P_LVL2_LAT, &fadt::NO_C2.to_le_bytes());
        put(fadt::P_LVL3_LAT, &fadt::NO_C3.to_le_bytes());
        put(fadt::CENTURY, &[platform.century]);
        let has = |wanted: &[crate::IsaDevice]| platform.isa.iter().any(|d| wanted.contains(d));
        let mut arch = fadt::LEGACY_DEVICES;
        if has(&[crate::IsaDevice::Keyboard, crate::IsaDevice::Mouse]) {
            arch |= fadt::HAS_8042;
        }
        put(fadt::IAPC_BOOT_ARCH, &arch.to_le_bytes());
        let mut flags = fadt::WBINVD
            | fadt::PROC_C1
            | fadt::SLP_BUTTON
            | fadt::RTC_S4
            | fadt::USE_PLATFORM_CLOCK;
        if let Some(reset) = platform.reset {
            flags |= fadt::RESET_REG_SUP;
            put(fadt::RESET_REG, &gas_io(reset.port, 8));
            put(fadt::RESET_VALUE, &[reset.value]);
        }
        put(fadt::FLAGS, &flags.to_le_bytes());
        let start = self.table(*b"FACP", 3, &table[HEADER_LEN..]);
        self.blob.point(start + fadt::FIRMWARE_CTRL, 4, facs);
        self.blob.point(start + fadt::DSDT, 4, dsdt);
        self.blob.point(start + fadt::X_DSDT, 8, dsdt);
        start
    }
}

/// Root System Description Pointer (section 5.2.5.3).
fn rsdp(oem: Oem, rsdt: usize, xsdt: usize) -> Blob {
    const LEN: usize = 36;
    const LEN_V1: usize = 20;
    let mut blob = Blob::default();
    blob.bytes.extend(*b"RSD PTR ");
    blob.bytes.push(0);
    blob.bytes.extend(oem.id);
    blob.bytes.push(2); // revision
    blob.bytes.extend([0; 4]);
    blob.bytes.extend((LEN as u32).to_le_bytes());
    blob.bytes.resize(LEN, 0);
    blob.point(16, 4, rsdt);
    blob.point(24, 8, xsdt);
    // The second sum covers the first, so it must be made after it.
    blob.checksums.push(Checksum { at: 8, start: 0, len: LEN_V1 });
    blob.checksums.push(Checksum { at: 32, start: 0, len: LEN });
    blob
}

/// Multiple APIC Description Table (section 5.2.11).
fn madt(platform: &PlatformDescription) -> Vec<u8> {
    const LOCAL_APIC: u8 = 0;
    const IO_APIC: u8 = 1;
    const OVERRIDE: u8 = 2;
    const LOCAL_NMI: u8 = 4;
    /// There are 8259s, which must be masked.
    const PCAT_COMPAT: u32 = 1;
    const ENABLED: u32 = 1;
    /// MPS INTI flags: as the bus has it; active high and level-triggered.
    const CONFORMS: u16 = 0;
    const HIGH_LEVEL: u16 = 0b1101;
    const ALL_PROCESSORS: u8 = 0xff;
    const LINT1: u8 = 1;
    const TIMER_GSI: u32 = 2;

    let mut body = platform.local_apic_base.to_le_bytes().to_vec();
    body.extend(PCAT_COMPAT.to_le_bytes());
    for cpu in &platform.cpus {
        body.extend([LOCAL_APIC, 8, cpu.id, cpu.apic_id]);
        body.extend(ENABLED.to_le_bytes());
    }
    body.extend([IO_APIC, 12, platform.io_apic.id, 0]);
    body.extend(platform.io_apic.base.to_le_bytes());
    body.extend([0; 4]);
    let mut source_override = |irq: u8, gsi: u32, flags: u16| {
        body.extend([OVERRIDE, 10, 0, irq]);
        body.extend(gsi.to_le_bytes());
        body.extend(flags.to_le_bytes());
    };
    source_override(0, TIMER_GSI, CONFORMS);
    source_override(platform.pm.sci_irq, platform.pm.sci_irq.into(), HIGH_LEVEL);
    body.extend([LOCAL_NMI, 6, ALL_PROCESSORS]);
    body.extend(CONFORMS.to_le_bytes());
    body.push(LINT1);
    body
}
