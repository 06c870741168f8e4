//! The system BIOS: 64 KiB at F0000h and below 4 GiB.
//!
//! Entry points lie where the IBM PC AT's BIOS had them, because programs jump there.

use super::asm::{Asm, Cond, Label, R8, R16, Seg};
use super::{Image, VGA_SEGMENT, dispatcher, service};
use crate::font;

/// Where the ROM is seen in real mode.
pub(crate) const ROM_SEGMENT: u16 = 0xf000;
/// Bytes in the image.
pub(crate) const SYSTEM_ROM_LEN: usize = 0x1_0000;
/// A free part, which power-on fills (in the RAM that shadows the ROM) with the root pointers of ACPI
/// and SMBIOS.
pub(crate) const TABLE_AREA: std::ops::Range<u16> = 0x0000..0x8000;

/// Well-known addresses.
mod at {
    pub const NAME: u16 = 0xe000;
    pub const POST: u16 = 0xe05b;
    pub const NMI: u16 = 0xe2c3;
    pub const INT13: u16 = 0xe3fe;
    pub const DISK_PARAMETERS: u16 = 0xe410;
    pub const INT19: u16 = 0xe6f2;
    pub const CONFIG_TABLE: u16 = 0xe6f5;
    pub const INT14: u16 = 0xe739;
    pub const INT16: u16 = 0xe82e;
    pub const IRQ1: u16 = 0xe987;
    pub const INT40: u16 = 0xec59;
    pub const FLOPPY_PARAMETERS: u16 = 0xefc7;
    pub const INT17: u16 = 0xefd2;
    pub const INT10: u16 = 0xf065;
    pub const INT12: u16 = 0xf841;
    pub const INT11: u16 = 0xf84d;
    pub const INT15: u16 = 0xf859;
    pub const FONT: u16 = 0xfa6e;
    pub const INT1A: u16 = 0xfe6e;
    pub const IRQ0: u16 = 0xfea5;
    pub const IRET: u16 = 0xff53;
    pub const RESET: u16 = 0xfff0;
    pub const DATE: u16 = 0xfff5;
    pub const MODEL: u16 = 0xfffe;

    // Ours, between them.
    pub const DISPATCH: u16 = 0xc000;
    pub const PROTECTED_DATA: u16 = 0xc100;
    pub const CODE: u16 = 0xc200;
}

/// Fixed disk parameter tables: two of 16 bytes, filled at power-on.
pub(crate) const DISK_PARAMETERS: u16 = at::DISK_PARAMETERS;
/// System configuration parameters of INT 15h, AH = C0h.
pub(crate) const CONFIG_TABLE: u16 = at::CONFIG_TABLE;
/// Diskette parameter table of INT 1Eh.
pub(crate) const FLOPPY_PARAMETERS: u16 = at::FLOPPY_PARAMETERS;
/// INT 19h.
pub(crate) const BOOT_STRAP: u16 = at::INT19;

/// The machine's birthday, as old programs read it from the ROM.
const DATE: &[u8] = b"11/20/26";
/// PC AT.
const MODEL_AT: u8 = 0xfc;

/// System configuration parameters: length, model, submodel, revision, features: second 8259, RTC,
/// keyboard intercept; extended BIOS area; functional keyboard read.
const CONFIG: [u8; 10] = [8, 0, MODEL_AT, 0, 0, 0x74, 0x40, 0, 0, 0];

/// A 1.44 MB drive: step rate and head unload time, head load time, motor-off ticks, bytes in a sector
/// (2: 512), sectors on a track, gap, data length, format gap, fill byte, head settle, motor start.
const FLOPPY: [u8; 11] = [0xaf, 0x02, 0x25, 0x02, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08];

/// Local APIC registers (Intel SDM volume 3, table 11-1), and what a BIOS leaves in them: enabled, the
/// 8259s through LINT0, NMI through LINT1.
const LOCAL_APIC: u32 = 0xfee0_0000;
const APIC_SETUP: [(u32, u32); 3] = [(0xf0, 0x10f), (0x350, 0x700), (0x360, 0x400)];

/// The 8259s' commands.
const EOI: u8 = 0x20;
const READ_ISR: u8 = 0x0b;

/// Where the vectors point: vector, offset in the ROM's segment.
pub(crate) fn vectors() -> Vec<(u8, u16)> {
    Stubs::build().vectors
}

/// The image of the system BIOS.
pub fn system_rom() -> Vec<u8> {
    let stubs = Stubs::build();
    let mut image = Image::new(SYSTEM_ROM_LEN);
    for (at, code) in &stubs.pieces {
        image.put(*at, code);
    }
    image.put(at::NAME, b"Aero BIOS\0");
    image.put(at::CONFIG_TABLE, &CONFIG);
    image.put(at::FLOPPY_PARAMETERS, &FLOPPY);
    image.put(at::FONT, &font::font_8x8()[..128 * 8]);
    image.put(at::DATE, DATE);
    image.put(at::MODEL, &[MODEL_AT]);
    image.seal()
}

struct Stubs {
    vectors: Vec<(u8, u16)>,
    pieces: Vec<(u16, Vec<u8>)>,
}

impl Stubs {
    fn build() -> Self {
        let mut stubs = Self { vectors: Vec::new(), pieces: Vec::new() };
        stubs.put(dispatcher(at::DISPATCH, false));
        stubs.at(at::IRET, |a| a.iret());
        stubs.at(at::RESET, |a| a.jmp_far(ROM_SEGMENT, at::POST));
        for (vector, offset) in [
            (0x11, at::INT11),
            (0x12, at::INT12),
            (0x13, at::INT13),
            (0x14, at::INT14),
            (0x15, at::INT15),
            (0x16, at::INT16),
            (0x17, at::INT17),
            (0x1a, at::INT1A),
        ] {
            stubs.at(offset, |a| enter(a, vector.into()));
            stubs.vectors.push((vector, offset));
        }
        stubs.at(at::INT40, |a| enter(a, service::DISKETTE));
        stubs.vectors.push((0x40, at::INT40));
        // Until the video BIOS takes it, INT 10h does nothing.
        stubs.at(at::INT10, |a| a.iret());
        stubs.vectors.push((0x10, at::INT10));
        stubs.at(at::NMI, |a| a.iret());
        stubs.vectors.push((0x02, at::NMI));
        for vector in [0, 1, 3, 4, 5, 6, 7, 0x1b, 0x1c, 0x4a] {
            stubs.vectors.push((vector, at::IRET));
        }

        let mut code = Asm::at(at::CODE);
        let post = code.here();
        power_on(&mut code);
        let boot = code.here();
        boot_strap(&mut code, 0x19);
        let no_boot = code.here();
        boot_strap(&mut code, 0x18);
        stubs.vectors.push((0x18, no_boot));
        let irq0 = code.here();
        timer(&mut code);
        let irq1 = code.here();
        keyboard(&mut code);
        let master = code.here();
        unused_master(&mut code);
        let slave = code.here();
        unused_slave(&mut code);
        let irq8 = code.here();
        rtc(&mut code);
        let irq9 = code.here();
        redirect(&mut code);
        let irq12 = code.here();
        mouse(&mut code);
        let irq13 = code.here();
        coprocessor(&mut code);
        stubs.put(code);

        stubs.at(at::POST, |a| a.jmp_to(post));
        stubs.at(at::INT19, |a| a.jmp_to(boot));
        stubs.vectors.push((0x19, at::INT19));
        stubs.at(at::IRQ0, |a| a.jmp_to(irq0));
        stubs.at(at::IRQ1, |a| a.jmp_to(irq1));
        stubs.vectors.extend([(0x08, at::IRQ0), (0x09, at::IRQ1)]);
        stubs.vectors.extend((0x0a..=0x0f).map(|vector| (vector, master)));
        stubs.vectors.extend((0x70..=0x77).map(|vector| {
            let offset = match vector {
                0x70 => irq8,
                0x71 => irq9,
                0x74 => irq12,
                0x75 => irq13,
                _ => slave,
            };
            (vector, offset)
        }));
        stubs.pieces.push((at::PROTECTED_DATA, protected_data()));
        stubs
    }

    fn put(&mut self, asm: Asm) {
        self.pieces.push(asm.finish());
    }

    fn at(&mut self, offset: u16, fill: impl FnOnce(&mut Asm) -> &mut Asm) {
        let mut asm = Asm::at(offset);
        fill(&mut asm);
        self.put(asm);
    }
}

/// Goes to the dispatcher as service `number`, over the interrupt's frame.
fn enter(a: &mut Asm, number: u16) -> &mut Asm {
    a.push_imm(number).jmp_to(at::DISPATCH)
}

/// Calls service `number` and comes back, as an INT would.
fn call(a: &mut Asm, number: u16) {
    // The dispatcher returns by IRET: push flags, CS and the address after the jump (3 + 3 bytes).
    a.pushf().push_seg(Seg::Cs);
    let back = a.here() + 3 + 3 + 3;
    a.push_imm(back).push_imm(number).jmp_to(at::DISPATCH);
}

/// Power-on: the service sets the machine up, then the VGA BIOS starts, then the screen is shown, and
/// INT 19h boots. A service that wants to go elsewhere (a resume from S3) changes the frame's CS:IP.
fn power_on(a: &mut Asm) {
    a.cli().cld();
    stack_below_7c00(a);
    call(a, service::POST);
    wire_local_apic(a);
    // AX tells whether there is a video BIOS.
    a.test_ax();
    let no_video = a.label();
    a.jump_if(Cond::Equal, no_video);
    a.call_far(VGA_SEGMENT, 3);
    a.bind(no_video);
    a.sti();
    call(a, service::POST_SCREEN);
    a.int(0x19);
    let stop = a.mark();
    a.hlt().jmp(stop);
}

fn stack_below_7c00(a: &mut Asm) {
    a.xor(R16::Ax).mov_to_seg(Seg::Ss, R16::Ax).mov_imm(R16::Sp, 0x7c00);
    a.mov_to_seg(Seg::Ds, R16::Ax).mov_to_seg(Seg::Es, R16::Ax);
}

/// INT 18h and 19h forget whatever called them.
fn boot_strap(a: &mut Asm, number: u16) {
    a.cli();
    stack_below_7c00(a);
    // The frame the service changes to where it boots.
    a.pushf().push_seg(Seg::Cs).push_imm(at::POST);
    enter(a, number);
}

/// A descriptor table for the moment in protected mode: null, flat data, and data as in real mode.
fn protected_data() -> Vec<u8> {
    let mut data = Vec::new();
    data.extend([0; 8]);
    data.extend([0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]);
    data.extend([0xff, 0xff, 0, 0, 0, 0x93, 0, 0]);
    // What LGDT loads: limit, base.
    data.extend(23u16.to_le_bytes());
    data.extend((0xf_0000 + u32::from(at::PROTECTED_DATA)).to_le_bytes());
    data
}

/// Puts the bootstrap processor's local APIC into virtual wire mode. Its registers are out of reach of
/// real mode, so DS gets a flat limit in protected mode first. Keeps AX.
fn wire_local_apic(a: &mut Asm) {
    let descriptor = at::PROTECTED_DATA + 24;
    a.push(R16::Ax).push_seg(Seg::Ds);
    // lgdt cs:[descriptor]
    a.bytes(&[0x2e, 0x0f, 0x01, 0x16]).bytes(&descriptor.to_le_bytes());
    a.bytes(&[0x0f, 0x20, 0xc0]); // mov eax, cr0
    a.bytes(&[0x0c, 0x01]); // or al, 1
    a.bytes(&[0x0f, 0x22, 0xc0]); // mov cr0, eax
    let inside = a.label();
    a.jmp(inside);
    a.bind(inside);
    a.mov_imm(R16::Bx, 8).mov_to_seg(Seg::Ds, R16::Bx);
    a.bytes(&[0x24, 0xfe]); // and al, 0FEh
    a.bytes(&[0x0f, 0x22, 0xc0]); // mov cr0, eax
    let outside = a.label();
    a.jmp(outside);
    a.bind(outside);
    for (register, value) in APIC_SETUP {
        // mov dword [disp32], imm32
        a.bytes(&[0x67, 0x66, 0xc7, 0x05]).bytes(&(LOCAL_APIC + register).to_le_bytes());
        a.bytes(&value.to_le_bytes());
    }
    // Back to the limit of real mode.
    a.bytes(&[0x0c, 0x01, 0x0f, 0x22, 0xc0]);
    a.mov_imm(R16::Bx, 16).mov_to_seg(Seg::Ds, R16::Bx);
    a.bytes(&[0x24, 0xfe, 0x0f, 0x22, 0xc0]);
    a.pop_seg(Seg::Ds).pop(R16::Ax);
}

fn end_of_interrupt(a: &mut Asm) -> &mut Asm {
    a.mov8_imm(R8::Al, EOI).out_al(0x20)
}

fn end_of_interrupt_slave(a: &mut Asm) -> &mut Asm {
    a.mov8_imm(R8::Al, EOI).out_al(0xa0).out_al(0x20)
}

/// IRQ 0: counts ticks, 1800B0h a day, and tells INT 1Ch.
fn timer(a: &mut Asm) {
    const TICKS: u16 = 0x46c;
    const DAYS: u16 = 0x470;
    const TICKS_A_DAY: u32 = 0x18_00b0;
    a.push(R16::Ax).push(R16::Dx).push_seg(Seg::Ds);
    a.xor(R16::Ax).mov_to_seg(Seg::Ds, R16::Ax);
    a.bytes(&[0x66, 0xff, 0x06]).bytes(&TICKS.to_le_bytes()); // inc dword [TICKS]
    a.bytes(&[0x66, 0x81, 0x3e]).bytes(&TICKS.to_le_bytes()); // cmp dword [TICKS], TICKS_A_DAY
    a.bytes(&TICKS_A_DAY.to_le_bytes());
    let same_day = a.label();
    a.jump_if(Cond::Below, same_day);
    a.bytes(&[0x66, 0xc7, 0x06]).bytes(&TICKS.to_le_bytes()).bytes(&[0; 4]); // mov dword [TICKS], 0
    a.bytes(&[0xfe, 0x06]).bytes(&DAYS.to_le_bytes()); // inc byte [DAYS]
    a.bind(same_day);
    a.int(0x1c);
    end_of_interrupt(a);
    a.pop_seg(Seg::Ds).pop(R16::Dx).pop(R16::Ax).iret();
}

/// IRQ 1: the scan code goes to whoever hooks INT 15h, AH = 4Fh, then to the service. That answers in
/// AX with an interrupt to raise: 1Bh for Ctrl-Break, 05h for Print Screen, or 0.
fn keyboard(a: &mut Asm) {
    a.push(R16::Ax);
    a.in_al(0x60);
    a.mov8_imm(R8::Ah, 0x4f).stc().int(0x15);
    let (drop, raise_break, raise_print) = (a.label(), a.label(), a.label());
    a.jump_if(Cond::NotBelow, drop);
    call(a, service::KEY);
    a.cmp_al(0x1b).jump_if(Cond::Equal, raise_break);
    a.cmp_al(0x05).jump_if(Cond::Equal, raise_print);
    a.bind(drop);
    end_of_interrupt(a);
    a.pop(R16::Ax).iret();
    a.bind(raise_break);
    end_of_interrupt(a);
    a.int(0x1b).pop(R16::Ax).iret();
    a.bind(raise_print);
    end_of_interrupt(a);
    a.int(0x05).pop(R16::Ax).iret();
}

/// An interrupt of the first 8259 that nobody handles; none is in service if it was spurious.
fn unused_master(a: &mut Asm) {
    a.push(R16::Ax);
    let spurious = a.label();
    a.mov8_imm(R8::Al, READ_ISR).out_al(0x20).in_al(0x20);
    a.test_al(0xff).jump_if(Cond::Equal, spurious);
    end_of_interrupt(a);
    a.bind(spurious);
    a.pop(R16::Ax).iret();
}

/// An interrupt of the second 8259 that nobody handles; the first has its cascade in service always.
fn unused_slave(a: &mut Asm) {
    a.push(R16::Ax);
    let spurious = a.label();
    a.mov8_imm(R8::Al, READ_ISR).out_al(0xa0).in_al(0xa0);
    a.test_al(0xff).jump_if(Cond::Equal, spurious);
    a.mov8_imm(R8::Al, EOI).out_al(0xa0);
    a.bind(spurious);
    end_of_interrupt(a);
    a.pop(R16::Ax).iret();
}

/// IRQ 8: the service answers in AX whether the alarm went off.
fn rtc(a: &mut Asm) {
    a.push(R16::Ax);
    call(a, service::RTC);
    let quiet = a.label();
    a.test_ax().jump_if(Cond::Equal, quiet);
    a.int(0x4a);
    a.bind(quiet);
    end_of_interrupt_slave(a);
    a.pop(R16::Ax).iret();
}

/// IRQ 9 stands in for the PC's IRQ 2.
fn redirect(a: &mut Asm) {
    a.push(R16::Ax).mov8_imm(R8::Al, EOI).out_al(0xa0).pop(R16::Ax);
    a.int(0x0a).iret();
}

/// IRQ 12: the service takes the byte. When it ends a packet and there is a handler, AX is not zero,
/// ES:DI is the handler, and BX, CX, DX and SI are what it is called with.
fn mouse(a: &mut Asm) {
    a.pushad().push_seg(Seg::Ds).push_seg(Seg::Es);
    call(a, service::MOUSE);
    let none = a.label();
    a.test_ax().jump_if(Cond::Equal, none);
    let called: Label = a.label();
    // The handler may take as long as it likes: the interrupt ends first.
    end_of_interrupt_slave(a);
    a.push(R16::Bx).push(R16::Cx).push(R16::Dx).push(R16::Si);
    // push cs / push return address / far jump through the stack
    a.push_seg(Seg::Cs);
    let back = a.here() + 3 + 1 + 1 + 1;
    a.push_imm(back).push_seg(Seg::Es).push(R16::Di).retf();
    debug_assert_eq!(a.here(), back);
    a.add_imm8(R16::Sp, 8);
    a.jmp(called);
    a.bind(none);
    end_of_interrupt_slave(a);
    a.bind(called);
    a.pop_seg(Seg::Es).pop_seg(Seg::Ds).popad().iret();
}

/// IRQ 13: lets the coprocessor's error go and tells INT 02h, as the AT did.
fn coprocessor(a: &mut Asm) {
    a.push(R16::Ax).xor(R16::Ax).out_al(0xf0);
    end_of_interrupt_slave(a);
    a.pop(R16::Ax).int(0x02).iret();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_adds_up_and_starts_at_the_reset_vector() {
        let rom = system_rom();
        assert_eq!(rom.len(), SYSTEM_ROM_LEN);
        assert_eq!(rom.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        assert_eq!(rom[0xfff0..0xfff5], [0xea, 0x5b, 0xe0, 0x00, 0xf0]);
        assert_eq!(rom[0xfffe], MODEL_AT);
    }

    #[test]
    fn service_vectors_push_their_number_and_go_to_the_dispatcher() {
        let rom = system_rom();
        for vector in [0x11u8, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x1a] {
            let (_, at) = *vectors().iter().find(|(v, _)| *v == vector).unwrap();
            let code = &rom[usize::from(at)..usize::from(at) + 6];
            assert_eq!(code[..4], [0x68, vector, 0x00, 0xe9], "INT {vector:#x}");
            let distance = u16::from_le_bytes([code[4], code[5]]);
            assert_eq!(at.wrapping_add(6).wrapping_add(distance), at::DISPATCH);
        }
    }

    #[test]
    fn every_hardware_vector_has_code() {
        let all = vectors();
        let rom = system_rom();
        for vector in (0x08..=0x0fu8).chain(0x70..=0x77) {
            let (_, at) = all.iter().find(|(v, _)| *v == vector).unwrap();
            assert_ne!(rom[usize::from(*at)], 0, "vector {vector:#x}");
        }
    }

    #[test]
    fn the_table_area_is_empty() {
        let area = usize::from(TABLE_AREA.start)..usize::from(TABLE_AREA.end);
        assert!(system_rom()[area].iter().all(|byte| *byte == 0));
    }
}
