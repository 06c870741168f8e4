//! The ROM images: stubs that hand the registers to the firmware device, and what must lie at
//! well-known addresses.

mod asm;
mod system;
mod vbe_pm;
mod vga;

use asm::{Asm, Cond, R16, Seg};

use crate::port::{ADDRESS, COMMAND, DATA, FRAME_WORDS, PORT_BASE, Status};

pub use system::system_rom;
pub(crate) use system::{
    BOOT_STRAP, CONFIG_TABLE, DISK_PARAMETERS, FLOPPY_PARAMETERS, ROM_SEGMENT, SYSTEM_ROM_LEN,
    TABLE_AREA, vectors,
};
pub use vga::vga_rom;
pub(crate) use vga::{STATIC_FUNCTIONALITY, VGA_NAME, VGA_SEGMENT, font_offset, pm_interface};

/// Services that are no software interrupt, as the stubs number them. Below 100h is INT n.
pub(crate) mod service {
    /// Power-on, up to the point where the video BIOS can start.
    pub const POST: u16 = 0x100;
    /// The rest of power-on.
    pub const POST_SCREEN: u16 = 0x101;
    /// IRQ 1: AL is the scan code.
    pub const KEY: u16 = 0x102;
    /// IRQ 8.
    pub const RTC: u16 = 0x103;
    /// IRQ 12.
    pub const MOUSE: u16 = 0x104;
    /// Start of the VGA BIOS.
    pub const VGA_START: u16 = 0x105;
    /// INT 40h: the diskettes under a hard disk BIOS.
    pub const DISKETTE: u16 = 0x40;
}

/// An image while it is laid out.
struct Image {
    bytes: Vec<u8>,
    used: Vec<(u16, u16)>,
}

impl Image {
    fn new(len: usize) -> Self {
        Self { bytes: vec![0; len], used: Vec::new() }
    }

    fn put(&mut self, at: u16, bytes: &[u8]) {
        let end = at + (bytes.len() as u16 - 1);
        if let Some((first, last)) = self.used.iter().find(|(f, l)| at <= *l && *f <= end) {
            panic!("{at:#06x}..={end:#06x} overlaps {first:#06x}..={last:#06x} in the ROM");
        }
        self.used.push((at, end));
        self.bytes[usize::from(at)..=usize::from(end)].copy_from_slice(bytes);
    }

    fn code(&mut self, asm: Asm) {
        let (at, code) = asm.finish();
        self.put(at, &code);
    }

    /// Makes the last byte such that all add up to zero.
    fn seal(mut self) -> Vec<u8> {
        let sum = self.bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let last = self.bytes.len() - 1;
        self.bytes[last] = self.bytes[last].wrapping_sub(sum);
        self.bytes
    }
}

/// The way of every service. Entered with its number pushed over the interrupt's frame; leaves by
/// IRET. `transfers`: knows how to move bytes, and never halts.
fn dispatcher(at: u16, transfers: bool) -> Asm {
    let mut a = Asm::at(at);
    a.cli().cld().pushad().push_seg(Seg::Ds).push_seg(Seg::Es).mov(R16::Bp, R16::Sp);
    let again = a.mark();
    a.mov(R16::Si, R16::Bp).mov_imm(R16::Dx, PORT_BASE).mov_imm(R16::Cx, FRAME_WORDS);
    let send = a.mark();
    a.load_eax_ss_si().out_dx_eax();
    a.add_imm8(R16::Si, 4).add_imm8(R16::Dx, 4).dec_cx_jnz(send);
    a.mov_imm(R16::Dx, PORT_BASE + COMMAND).out_dx_eax();
    let status = a.mark();
    let (done, poll, halt, give, take) = (a.label(), a.label(), a.label(), a.label(), a.label());
    a.in_eax_dx();
    a.cmp_al(Status::Done as u8).jump_if(Cond::Equal, done);
    if transfers {
        a.cmp_al(Status::Give as u8).jump_if(Cond::Equal, give);
        a.cmp_al(Status::Take as u8).jump_if(Cond::Equal, take);
    } else {
        a.cmp_al(Status::Halt as u8).jump_if(Cond::Equal, halt);
    }
    a.bind(poll);
    a.sti().pause().cli().jmp(again);
    if transfers {
        // The count is in the upper half of EAX.
        let (give_next, take_next) = (a.label(), a.label());
        a.bind(give);
        transfer_setup(&mut a, Seg::Es, R16::Di);
        a.bind(give_next);
        a.in_al_dx().stosb().dec_cx_jnz(give_next);
        a.mov_imm(R16::Dx, PORT_BASE + COMMAND).jmp(status);
        a.bind(take);
        transfer_setup(&mut a, Seg::Ds, R16::Si);
        a.bind(take_next);
        a.lodsb().out_dx_al().dec_cx_jnz(take_next);
        a.mov_imm(R16::Dx, PORT_BASE + COMMAND).jmp(status);
    } else {
        a.bind(halt);
        // STI holds interrupts off for one instruction, so none is lost between the two.
        a.sti().hlt().cli().jmp(again);
    }
    a.bind(done);
    a.mov(R16::Si, R16::Bp).mov_imm(R16::Dx, PORT_BASE).mov_imm(R16::Cx, FRAME_WORDS);
    let receive = a.mark();
    a.in_eax_dx().store_eax_ss_si();
    a.add_imm8(R16::Si, 4).add_imm8(R16::Dx, 4).dec_cx_jnz(receive);
    a.pop_seg(Seg::Es).pop_seg(Seg::Ds).popad().add_imm8(R16::Sp, 2).iret();
    a
}

/// CX = count, `segment`:`index` = address, DX = the data port.
fn transfer_setup(a: &mut Asm, segment: Seg, index: R16) {
    a.shr_eax_16().mov(R16::Cx, R16::Ax);
    a.mov_imm(R16::Dx, PORT_BASE + ADDRESS).in_eax_dx().mov(index, R16::Ax);
    a.shr_eax_16().mov_to_seg(segment, R16::Ax);
    a.mov_imm(R16::Dx, PORT_BASE + DATA);
}
