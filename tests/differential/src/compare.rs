//! What two outcomes of a case differ in.

use std::fmt::Write;

use iced_x86::Instruction;

use crate::case::{CS, DEAD, HANG, Input, Output, fx};
use crate::faults::both_right;
use crate::layout::{image_address, image_offset, selector};
use crate::undefined::{COMPARED, Undefined, undefined};

/// OF, SF, ZF, AF, PF and CF.
const ARITHMETIC: u64 = 0x8d5;
/// ES in the x87's status word: an exception is pending.
const SUMMARY: u16 = 0x80;

/// Names of the general-purpose registers.
pub const REGISTERS: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

/// The differences as text, host first; empty if there are none.
pub fn differences(
    input: &Input,
    instruction: &Instruction,
    host: &Output,
    guest: &Output,
) -> String {
    let u = undefined(input, instruction, host);
    let mut text = String::new();
    let same_end = host.vector == guest.vector && host.error == guest.error;
    // One that never ends was stopped at some point.
    let endless = host.vector == HANG && guest.vector == HANG;
    if endless || !same_end && both_right(input, instruction, host, guest) {
        return text;
    }
    if host.vector != guest.vector {
        let _ = write!(text, " exception {}/{}", exception(host), exception(guest),);
        // The rest follows from this.
        return text;
    }
    let mut differ = |name: &str, a: u64, b: u64| {
        if a != b {
            let _ = write!(text, " {name} {a:x}/{b:x}");
        }
    };
    differ("error", host.error.into(), guest.error.into());
    if host.vector == 14 {
        let near = u.cr2.is_some_and(|range| range.holds(host.cr2) && range.holds(guest.cr2));
        if !near {
            differ("cr2", host.cr2, guest.cr2);
        }
    }
    // The upper halves mean nothing in 32-bit code, even if it was reached from 64-bit code just now.
    let narrow = input.bits == 32 || host.state.selectors[CS] == selector::CODE32;
    let width = if narrow { 0xffff_ffff } else { u64::MAX };
    differ("rip", host.state.rip & width, guest.state.rip & width);
    for (i, name) in ["es", "cs", "ss", "ds", "fs", "gs"].iter().enumerate() {
        // The IRET with which the kernel comes to the signal handler makes every null selector 0 (AMD's).
        let selector = |output: &Output| match output.state.selectors[i] {
            0..4 => 0,
            selector => selector.into(),
        };
        differ(name, selector(host), selector(guest));
    }
    for (i, name) in ["fsbase", "gsbase"].iter().enumerate() {
        differ(name, host.state.bases[i], guest.state.bases[i]);
    }
    let defined = !u.flags;
    differ("rflags", host.state.rflags & defined, guest.state.rflags & defined);
    if u.flags_as_before {
        let flags = u.flags & ARITHMETIC;
        differ("rflags before", input.state.rflags & flags, guest.state.rflags & flags);
    }
    let expected = if u.registers_as_before { &input.state.regs } else { &host.state.regs };
    let registers = if input.bits == 64 { 16 } else { 8 };
    for (i, name) in REGISTERS.iter().enumerate().take(registers) {
        let mask = match u.register {
            Some((number, bits)) if number == i => width & !bits,
            _ => width,
        };
        differ(name, expected[i] & mask, guest.state.regs[i] & mask);
    }
    fpu(&mut text, &u, input, host, guest);
    memory(&mut text, &u, instruction, host, guest);
    text
}

fn exception(output: &Output) -> String {
    match output.vector {
        HANG => "none, it never ends".into(),
        DEAD => "none, it is dead".into(),
        14 => format!("#14({:x}) at {:x}, cr2 {:x}", output.error, output.state.rip, output.cr2),
        vector => format!("#{vector}({:x}) at {:x}", output.error, output.state.rip),
    }
}

fn fpu(text: &mut String, u: &Undefined, input: &Input, host: &Output, guest: &Output) {
    let (a, b) = (&host.state.fx, &guest.state.fx);
    let x87 = u.expected_x87.as_ref().unwrap_or(a);
    let mut differ = |name: &str, a: u16, b: u16| {
        if a != b {
            let _ = write!(text, " {name} {a:x}/{b:x}");
        }
    };
    differ("fcw", a.u16(fx::FCW), b.u16(fx::FCW));
    if !u.x87 {
        differ("fsw", x87.u16(fx::FSW) & !u.status, b.u16(fx::FSW) & !u.status);
        differ("ftw", x87.u16(fx::FTW) & 0xff, b.u16(fx::FTW) & 0xff);
        if u.codes_as_before {
            let before = input.state.fx.u16(fx::FSW) & COMPARED;
            differ("codes before", before, b.u16(fx::FSW) & COMPARED);
        }
        for i in 0..8 {
            let (x, y) = (x87.st(i), b.st(i));
            if x != y && !(i < 2 && ulps(x, y) <= u.x87_ulps) {
                let _ = write!(text, " st{i} {:04x}:{:016x}/{:04x}:{:016x}", x.0, x.1, y.0, y.1);
            }
        }
    }
    if a.u16(fx::FSW) & b.u16(fx::FSW) & SUMMARY != 0 && !u.x87 && u.expected_x87.is_none() {
        // The kernel's XSAVE stores the pointers only if an exception is pending (AMD's; see
        // `undefined`).
        let width = if input.bits == 64 { u64::MAX } else { 0xffff_ffff };
        let pointers = [("fop", fx::FOP, 0x7ff), ("fip", fx::FIP, width), ("fdp", fx::FDP, width)];
        for (name, at, mask) in pointers {
            let (x, y) = (a.u64(at) & mask, b.u64(at) & mask);
            if x != y {
                let _ = write!(text, " {name} {x:x}/{y:x}");
            }
        }
    }
    if a.u32(fx::MXCSR) != b.u32(fx::MXCSR) {
        let _ = write!(text, " mxcsr {:x}/{:x}", a.u32(fx::MXCSR), b.u32(fx::MXCSR));
    }
    let registers = if input.bits == 64 { 16 } else { 8 };
    for i in 0..registers {
        let (x, y) = (a.xmm(i), b.xmm(i));
        if x != y && !(u.estimate && estimates(x, y)) {
            let _ = write!(text, " xmm{i} {x:032x}/{y:032x}");
        }
    }
}

/// How many units in the last place two values are apart.
fn ulps(a: (u16, u64), b: (u16, u64)) -> u64 {
    let value = |(exponent, significand): (u16, u64)| {
        let magnitude = i128::from(exponent & 0x7fff) << 63 | i128::from(significand << 1 >> 1);
        if exponent & 0x8000 != 0 { -magnitude } else { magnitude }
    };
    (value(a) - value(b)).unsigned_abs().try_into().unwrap_or(u64::MAX)
}

/// Whether four pairs of single-precision values are the same or near enough for two estimates.
fn estimates(a: u128, b: u128) -> bool {
    (0..4).all(|i| {
        let (x, y) = ((a >> (i * 32)) as u32, (b >> (i * 32)) as u32);
        let (p, q) = (f64::from(f32::from_bits(x)), f64::from(f32::from_bits(y)));
        x == y || (p - q).abs() <= p.abs() * (2.0 * 1.5 / 4096.0)
    })
}

fn memory(text: &mut String, u: &Undefined, _: &Instruction, host: &Output, guest: &Output) {
    if u.memory {
        return;
    }
    let ignored: Vec<(usize, u64)> = u
        .ignored
        .iter()
        .filter_map(|&(address, bits)| {
            let at = image_offset(address)?;
            Some((at / 8, u64::from(bits) << (at % 8 * 8)))
        })
        .collect();
    let mask = |place: u16| {
        let here = ignored.iter().filter(|(word, _)| *word == usize::from(place));
        !here.fold(0, |bits, (_, more)| bits | more)
    };
    let masked = |(place, value): (u16, u64)| (place, value & mask(place));
    let same = host.words == guest.words
        && host.rest == guest.rest
        && host.changed().map(masked).eq(guest.changed().map(masked));
    if same {
        return;
    }
    let mut shown = 0;
    let find =
        |output: &Output, place: u16| output.changed().find(|(p, _)| *p == place).map(|(_, v)| v);
    let mut places: Vec<u16> = host.changed().chain(guest.changed()).map(|(p, _)| p).collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        let (a, b) = (find(host, place), find(guest, place));
        if a != b && shown < 4 {
            let show = |v: Option<u64>| v.map_or("unchanged".into(), |v| format!("{v:016x}"));
            let address = image_address(usize::from(place) * 8);
            let _ = write!(text, " [{address:x}] {}/{}", show(a), show(b));
            shown += 1;
        }
    }
    if shown == 0 {
        text.push_str(" memory, far");
    }
}
