//! How a kernel starts on a machine whose firmware runs first: a boot sector that asks the BIOS for
//! the address map, has the [`Loader`] put the kernel into memory, and enters protected mode.
//!
//! So the kernel finds what a BIOS leaves behind: PCI resources, ACPI and SMBIOS tables, a text screen.

use std::sync::Arc;

use aero_bus::{
    BusDevice, Device, GuestRam, MemoryMap, Register, RegisterMap, Snapshot, SnapshotError, Window,
};
use serde::{Deserialize, Serialize};

use super::{Entry, KernelFiles, MemoryRange, RangeKind, Surroundings, load};

/// First port of the loader. Nothing of a PC lies here.
pub const PORT_BASE: u16 = 0x0a40;

/// Where the boot sector collects the address map, and how.
const MAP_AT: u64 = 0x8000;
const MAP_ENTRY_LEN: usize = 24;
const MAX_MAP: u32 = 64;

/// The boot sector, loaded at 0:7C00h as every other. `PORT` is [`PORT_BASE`].
#[rustfmt::skip]
const CODE: &[u8] = &[
    0x31, 0xc0, // xor ax,ax
    0x8e, 0xd8, // mov ds,ax
    0x8e, 0xc0, // mov es,ax
    0x8e, 0xd0, // mov ss,ax
    0xbc, 0x00, 0x7c, // mov sp,0x7c00
    0xfc, // cld
    0xfb, // sti
    0xbf, 0x00, 0x80, // mov di,0x8000
    0x66, 0x31, 0xdb, // xor ebx,ebx
    0x31, 0xed, // xor bp,bp
    0x66, 0xb8, 0x20, 0xe8, 0x00, 0x00, // mov eax,0xe820
    0x66, 0xba, 0x50, 0x41, 0x4d, 0x53, // mov edx,0x534d4150
    0x66, 0xb9, 0x18, 0x00, 0x00, 0x00, // mov ecx,24
    0xcd, 0x15, // int 0x15
    0x72, 0x16, // jc done
    0x66, 0x3d, 0x50, 0x41, 0x4d, 0x53, // cmp eax,0x534d4150
    0x75, 0x0e, // jne done
    0x45, // inc bp
    0x83, 0xc7, 0x18, // add di,24
    0x66, 0x85, 0xdb, // test ebx,ebx
    0x74, 0x05, // jz done
    0x83, 0xfd, 0x40, // cmp bp,64
    0x72, 0xd4, // jb next
    0xe4, 0x92, // in al,0x92
    0x0c, 0x02, // or al,2
    0x24, 0xfe, // and al,0xfe
    0xe6, 0x92, // out 0x92,al
    0x66, 0x0f, 0xb7, 0xc5, // movzx eax,bp
    0xba, 0x40, 0x0a, // mov dx,PORT
    0x66, 0xef, // out dx,eax
    0xba, 0x58, 0x0a, // mov dx,PORT + 0x18
    0x66, 0xed, // in eax,dx
    0x66, 0x83, 0xf8, 0x01, // cmp eax,1
    0x75, 0x1f, // jne fail
    0xba, 0x54, 0x0a, // mov dx,PORT + 0x14
    0x66, 0xed, // in eax,dx
    0x66, 0xa3, 0x81, 0x7c, // mov [gdtr+2],eax
    0xfa, // cli
    0x0f, 0x01, 0x16, 0x7f, 0x7c, // lgdt [gdtr]
    0x0f, 0x20, 0xc0, // mov eax,cr0
    0x0c, 0x01, // or al,1
    0x0f, 0x22, 0xc0, // mov cr0,eax
    0x66, 0xea, 0x85, 0x7c, 0x00, 0x00, 0x10, 0x00, // jmp dword 0x10:protected
    0xf4, // hlt
    0xeb, 0xfd, // jmp fail
    0x1f, 0x00, // dw 0x1f
    0x00, 0x00, 0x00, 0x00, // dd 0
    0x66, 0xb8, 0x18, 0x00, // mov ax,0x18
    0x8e, 0xd8, // mov ds,eax
    0x8e, 0xc0, // mov es,eax
    0x8e, 0xe0, // mov fs,eax
    0x8e, 0xe8, // mov gs,eax
    0x8e, 0xd0, // mov ss,eax
    0x31, 0xff, // xor edi,edi
    0x31, 0xed, // xor ebp,ebp
    0xba, 0x50, 0x0a, 0x00, 0x00, // mov edx,PORT + 0x10
    0xed, // in eax,dx
    0x89, 0xc6, // mov esi,eax
    0xb2, 0x4c, // mov dl,(PORT + 0x0c)
    0xed, // in eax,dx
    0x89, 0xc3, // mov ebx,eax
    0xb2, 0x44, // mov dl,(PORT + 0x04)
    0xed, // in eax,dx
    0x89, 0xc1, // mov ecx,eax
    0xb2, 0x48, // mov dl,(PORT + 0x08)
    0xed, // in eax,dx
    0xff, 0xe1, // jmp ecx
];

/// The boot sector as a disk.
pub fn boot_sector() -> Vec<u8> {
    let mut sector = CODE.to_vec();
    sector.resize(510, 0);
    sector.extend_from_slice(&[0x55, 0xaa]);
    sector
}

/// An option ROM with a boot entry (Plug and Play BIOS Specification 1.0A, 3.2) that starts the boot
/// sector, for a BIOS that does not see the disk.
pub fn option_rom() -> Vec<u8> {
    const LEN: usize = 1024;
    let mut rom = ROM_CODE.to_vec();
    rom.extend(boot_sector());
    rom.resize(LEN, 0);
    let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    rom[PNP_AT + 9] = sum(&rom[PNP_AT..PNP_AT + 32]);
    rom[LEN - 1] = sum(&rom);
    rom
}

const PNP_AT: usize = 0x1c;

/// What is before the boot sector in the option ROM.
#[rustfmt::skip]
const ROM_CODE: &[u8] = &[
    0x55, 0xaa, 2, // ROM signature, 1 KiB
    0xcb, // initialization: retf
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0x00, 0x00, // no PCI data structure
    0x1c, 0x00, // expansion header
    b'$', b'P', b'n', b'P', 1, 2, 0x00, 0x00, 0, 0, // version, length, next header, checksum
    0, 0, 0, 0, 0x00, 0x00, 0x3c, 0x00, // device id, manufacturer, product name
    0x80, 0x00, 0x00, 0, // device type and indicators
    0x00, 0x00, 0x00, 0x00, // no boot connection, no disconnect
    0x43, 0x00, 0x00, 0x00, 0x00, 0x00, // bootstrap entry vector, no static resources
    b'K', b'e', b'r', b'n', b'e', b'l', 0,
    0xfa, // cli
    0x31, 0xc0, // xor ax,ax
    0x8e, 0xc0, // mov es,ax
    0xbf, 0x00, 0x7c, // mov di,0x7c00
    0xbe, 0x5b, 0x00, // mov si,sector
    0xb9, 0x00, 0x01, // mov cx,256
    0xfc, // cld
    0xf3, 0x2e, 0xa5, // rep movs word [es:di],[cs:si]
    0xfb, // sti
    0xea, 0x00, 0x7c, 0x00, 0x00, // jmp 0:0x7c00
];

/// The loader's registers, 32 bits each.
#[derive(Clone, Copy)]
enum LoaderRegister {
    /// Written: the number of entries of the address map; loads the kernel.
    Load,
    Eip,
    Eax,
    Ebx,
    Esi,
    Gdt,
    /// 1 when the kernel is loaded.
    Loaded,
}

const REGISTERS: RegisterMap<LoaderRegister> = RegisterMap::new(&[
    Register::new(LoaderRegister::Load, 0x00, 4),
    Register::new(LoaderRegister::Eip, 0x04, 4),
    Register::new(LoaderRegister::Eax, 0x08, 4),
    Register::new(LoaderRegister::Ebx, 0x0c, 4),
    Register::new(LoaderRegister::Esi, 0x10, 4),
    Register::new(LoaderRegister::Gdt, 0x14, 4),
    Register::new(LoaderRegister::Loaded, 0x18, 4),
]);

/// The device that loads a kernel when the boot sector says so.
pub struct Loader {
    files: KernelFiles,
    memory: Arc<MemoryMap>,
    entry: Option<Entry>,
}

const KIND: &str = "kernel-loader";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// EIP, EAX, EBX, ESI and GDT of a loaded kernel.
    entry: Option<[u32; 5]>,
}

impl Loader {
    /// All its ports.
    pub const WINDOW: Window = Window::new(0, 0x20);

    /// A loader of these files.
    pub fn new(files: KernelFiles, memory: Arc<MemoryMap>) -> Self {
        Self { files, memory, entry: None }
    }

    fn ram(&self) -> &GuestRam {
        self.memory.ram()
    }

    fn load(&mut self, entries: u32) {
        let to_tell = Surroundings {
            map: self.read_map(entries.min(MAX_MAP)),
            rsdp: find_rsdp(&self.memory),
        };
        self.entry = match load(&self.files, self.ram(), &to_tell) {
            Ok(entry) => Some(entry),
            Err(why) => {
                log::error!("the kernel cannot be loaded: {why}");
                None
            }
        };
    }

    fn read_map(&self, entries: u32) -> Vec<MemoryRange> {
        let mut bytes = vec![0; entries as usize * MAP_ENTRY_LEN];
        self.memory.read(MAP_AT, &mut bytes);
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let entries = bytes.chunks_exact(MAP_ENTRY_LEN).map(|entry| MemoryRange {
            start: number(&entry[..8]),
            len: number(&entry[8..16]),
            kind: match entry[16] {
                1 => RangeKind::Usable,
                3 => RangeKind::AcpiTables,
                4 => RangeKind::AcpiNvs,
                _ => RangeKind::Reserved,
            },
        });
        let mut map: Vec<MemoryRange> = entries.filter(|range| range.len > 0).collect();
        map.sort_by_key(|range| range.start);
        map
    }
}

/// Where firmware has put the ACPI root pointer: in the EBDA's first KiB or the BIOS's area (ACPI
/// specification, 5.2.5.1).
fn find_rsdp(memory: &MemoryMap) -> Option<u64> {
    const SIGNATURE: &[u8] = b"RSD PTR ";
    const EBDA_SEGMENT: u64 = 0x40e;
    let mut segment = [0; 2];
    memory.read(EBDA_SEGMENT, &mut segment);
    let ebda = u64::from(u16::from_le_bytes(segment)) << 4;
    [(ebda, 1 << 10), (0xe_0000, 0x2_0000)].into_iter().find_map(|(start, len)| {
        (start..start + len).step_by(16).find(|at| {
            let mut bytes = [0; 20];
            memory.read(*at, &mut bytes);
            let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            bytes.starts_with(SIGNATURE) && sum == 0
        })
    })
}

impl Device for Loader {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn reset(&mut self) {
        self.entry = None;
    }

    fn save(&self) -> Snapshot {
        let entry = self.entry.map(|e| [e.eip, e.eax, e.ebx, e.esi, e.gdt]);
        Snapshot::new(KIND, 1, &State { entry })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let state: State = snapshot.open(KIND, 1)?;
        self.entry = state.entry.map(|[eip, eax, ebx, esi, gdt]| Entry { eip, eax, ebx, esi, gdt });
        Ok(())
    }
}

impl BusDevice for Loader {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        let entry = self.entry.unwrap_or_default();
        REGISTERS.read(offset, data, |register| {
            let value: u32 = match register {
                LoaderRegister::Load => 0,
                LoaderRegister::Eip => entry.eip,
                LoaderRegister::Eax => entry.eax,
                LoaderRegister::Ebx => entry.ebx,
                LoaderRegister::Esi => entry.esi,
                LoaderRegister::Gdt => entry.gdt,
                LoaderRegister::Loaded => self.entry.is_some().into(),
            };
            value.into()
        });
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        REGISTERS.write(offset, data, |register, value, _mask| match register {
            LoaderRegister::Load => self.load(value as u32),
            LoaderRegister::Eip
            | LoaderRegister::Eax
            | LoaderRegister::Ebx
            | LoaderRegister::Esi
            | LoaderRegister::Gdt
            | LoaderRegister::Loaded => {}
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_rom_says_where_its_parts_are() {
        let rom = option_rom();
        let word = |at: usize| usize::from(u16::from_le_bytes([rom[at], rom[at + 1]]));
        let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!((rom.len(), sum(&rom)), (usize::from(rom[2]) * 512, 0));
        let pnp = word(0x1a);
        assert_eq!(&rom[pnp..pnp + 4], b"$PnP");
        assert_eq!(sum(&rom[pnp..pnp + 32]), 0);
        assert!(rom[word(pnp + 0x10)..].starts_with(b"Kernel\0"));
        let entry = word(pnp + 0x1a);
        assert_eq!(rom[entry], 0xfa, "the entry begins with cli");
        let sector = word(entry + 9);
        assert_eq!(rom[sector..sector + 512], boot_sector());
    }
}
