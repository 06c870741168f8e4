//! The expected state beside the one that is there.

use aero_cpu::SegReg;

use crate::file::{Check, ExpectedEvent, FIELDS, Target, TestFile};
use crate::machine::Outcome;

/// Where the recorder of asm/include/frame.inc writes events, 64 bytes each, and their number.
const LOG: u64 = 0x1_8000;
const LOG_COUNT: u64 = 0x6f00;
/// How many are shown that nobody expects.
const UNEXPECTED: u64 = 3;
/// The field `code` of events without an error code.
const NO_CODE: u64 = 0xffff_ffff;

fn state(outcome: &Outcome, name: &str) -> u64 {
    let cpu = &outcome.cpu;
    let seg = |which| cpu.seg(which);
    match name {
        "rip" => cpu.rip,
        "flags" => cpu.flags.rflags(),
        "cpl" => cpu.cpl().into(),
        "cs" => seg(SegReg::Cs).selector.into(),
        "ss" => seg(SegReg::Ss).selector.into(),
        "ds" => seg(SegReg::Ds).selector.into(),
        "es" => seg(SegReg::Es).selector.into(),
        "fs" => seg(SegReg::Fs).selector.into(),
        "gs" => seg(SegReg::Gs).selector.into(),
        "cs.base" => seg(SegReg::Cs).base,
        "ss.base" => seg(SegReg::Ss).base,
        "ds.base" => seg(SegReg::Ds).base,
        "es.base" => seg(SegReg::Es).base,
        "fs.base" => seg(SegReg::Fs).base,
        "gs.base" => seg(SegReg::Gs).base,
        "cs.limit" => seg(SegReg::Cs).limit.into(),
        "ss.limit" => seg(SegReg::Ss).limit.into(),
        "ds.limit" => seg(SegReg::Ds).limit.into(),
        "ldtr" => cpu.ldtr.selector.into(),
        "tr" => cpu.tr.selector.into(),
        "cr0" => cpu.cr0,
        "cr2" => cpu.cr2,
        "cr3" => cpu.cr3,
        "cr4" => cpu.cr4,
        "cr8" => outcome.task_priority.into(),
        "efer" => cpu.efer,
        "dr6" => cpu.dr[6],
        "dr7" => cpu.dr[7],
        "gdtr.base" => cpu.gdtr.base,
        "gdtr.limit" => cpu.gdtr.limit.into(),
        "idtr.base" => cpu.idtr.base,
        "idtr.limit" => cpu.idtr.limit.into(),
        "mxcsr" => cpu.mxcsr.into(),
        "fpu.control" => cpu.fpu.control.into(),
        "fpu.status" => cpu.fpu.status_word().into(),
        "fpu.tags" => cpu.fpu.tags.into(),
        "star" => cpu.msrs.star,
        "fmask" => cpu.msrs.fmask,
        "tsc_aux" => cpu.msrs.tsc_aux.into(),
        _ => unreachable!("the file's reader knows these names"),
    }
}

const fn low_bits(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

fn check(check: &Check, outcome: &Outcome, values: &[u64]) -> Option<String> {
    let (got, bits) = match &check.target {
        Target::Register(n, bits) => (outcome.cpu.regs[*n], *bits),
        Target::HighByte(n) => (outcome.cpu.regs[*n] >> 8, 8),
        Target::State(name) => (state(outcome, name), 64),
        Target::Memory(address, bytes) => (outcome.read(values[*address], *bytes), bytes * 8),
        Target::Count => match outcome.marks[..] {
            [first, second, ..] => (second - first, 64),
            _ => return Some(format!("{}\n      there are no two marks", check.text)),
        },
    };
    let mask = low_bits(bits) & check.mask.map_or(u64::MAX, |mask| values[mask]);
    let (got, expected) = (got & mask, values[check.value] & mask);
    (got != expected).then(|| format!("{}\n      expected {expected:#x}, got {got:#x}", check.text))
}

fn logged(outcome: &Outcome, i: u64) -> [u64; 8] {
    std::array::from_fn(|field| outcome.read(LOG + i * 64 + field as u64 * 8, 8))
}

fn describe(event: &[u64; 8]) -> String {
    let fields = FIELDS.iter().zip(event).filter(|(_, value)| **value != NO_CODE);
    fields.map(|(name, value)| format!("{name}={value:#x}")).collect::<Vec<_>>().join(" ")
}

fn event(expected: &ExpectedEvent, got: &[u64; 8], values: &[u64]) -> Option<String> {
    let code = expected.code.map_or(NO_CODE, |code| values[code]);
    let mut wrong = Vec::new();
    if got[0] != expected.vector {
        wrong.push("vector");
    }
    if got[1] != code {
        wrong.push("code");
    }
    for (field, mask, value) in &expected.fields {
        let mask = mask.map_or(u64::MAX, |mask| values[mask]);
        if got[*field] & mask != values[*value] & mask {
            wrong.push(FIELDS[*field]);
        }
    }
    if wrong.is_empty() {
        return None;
    }
    let fields = expected.fields.iter();
    let values: Vec<_> = fields
        .map(|(field, _, value)| format!("{}={:#x}", FIELDS[*field], values[*value]))
        .collect();
    Some(format!(
        "event {}\n      expected {}\n      got      {}\n      ({} wrong)",
        expected.text,
        values.join(" "),
        describe(got),
        wrong.join(", ")
    ))
}

/// Everything that is not as the file says, a paragraph each.
pub fn differences(file: &TestFile, outcome: &Outcome, values: &[u64]) -> Vec<String> {
    let mut found = Vec::new();
    if outcome.end != file.end {
        found.push(format!("expected to end {:?}, ended {:?}", file.end, outcome.end));
    }
    let count = outcome.read(LOG_COUNT, 4);
    for (i, expected) in (0..).zip(&file.events) {
        if i >= count {
            found.push(format!("event {}\n      was not taken", expected.text));
        } else {
            found.extend(event(expected, &logged(outcome, i), values));
        }
    }
    let expected = file.events.len() as u64;
    for i in expected..count.min(expected + UNEXPECTED) {
        found.push(format!(
            "an event nobody expects\n      got      {}",
            describe(&logged(outcome, i))
        ));
    }
    found.extend(file.checks.iter().filter_map(|c| check(c, outcome, values)));
    if !found.is_empty() {
        let regs = outcome.cpu.regs.map(|r| format!("{r:x}")).join(" ");
        found.push(format!(
            "RIP {:#x}, registers (RAX RCX RDX RBX RSP RBP RSI RDI R8..) {regs}",
            outcome.cpu.rip
        ));
    }
    found
}

/// What differs between two runs of the same test: another way, or another backend.
pub fn deviations(one: &Outcome, other: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, a: String, b: String| {
        if a != b {
            found.push(format!("{what}: expected {a}, found {b}"));
        }
    };
    compare("end", format!("{:?}", one.end), format!("{:?}", other.end));
    compare("instructions", one.retired.to_string(), other.retired.to_string());
    compare("marks", format!("{:?}", one.marks), format!("{:?}", other.marks));
    compare("accesses to devices", format!("{:x?}", one.seen), format!("{:x?}", other.seen));
    let (a, b) = (one.cpu.save(), other.cpu.save());
    if a != b {
        let (a, b) = (format!("{a:?}"), format!("{b:?}"));
        let at = a.bytes().zip(b.bytes()).position(|(a, b)| a != b).unwrap_or(0);
        let part =
            |text: &str| text.chars().skip(at.saturating_sub(60)).take(120).collect::<String>();
        compare("processor", part(&a), part(&b));
    }
    let (a, b) = (one.ram(), other.ram());
    if let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) {
        compare(&format!("byte at {at:#x}"), format!("{:#x}", a[at]), format!("{:#x}", b[at]));
    }
    found
}
