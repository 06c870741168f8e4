//! Assembly in, WebAssembly text out: the main shapes of generated code, for people to read.
//!
//! The texts are in `expected/`. After a change that is meant, `UPDATE_EXPECTED=1 cargo test -p aero-jit`
//! writes them anew; what changed is then seen in the diff.

use std::fmt::Write as _;
use std::path::PathBuf;

use aero_bus::PAGE_SIZE;
use aero_cpu::Features;
use iced_x86::code_asm::*;
use iced_x86::{Decoder, DecoderOptions, FastFormatter, IcedError};

use super::{Addresses, translate};
use crate::host::{MemoryShape, Slots};
use crate::mode::Mode;
use crate::module;
use crate::region::{self, CodePlace, CodeView, Extent};

/// Round numbers, so that one sees in the text what is meant.
const ADDRESSES: Addresses = Addresses {
    ram: 0x1000_0000,
    cpu: 0x10_0000,
    tlb: 0x20_0000,
    frame: 0x30_0000,
    signals: 0x40_0000,
};
const EXPLICIT: u32 = 7;
const START: u64 = 0x100;

/// A page with nothing but the code; all of it counts as executed.
struct Page(Vec<u8>);

impl CodeView for Page {
    fn page(&mut self, delta: u64) -> Option<(CodePlace, region::Page)> {
        let mut page = Box::new([0xcc; PAGE_SIZE as usize]);
        page[START as usize..][..self.0.len()].copy_from_slice(&self.0);
        (delta == 0).then_some((CodePlace { delta, host: 0 }, page))
    }

    fn executed(&self, host: u64) -> bool {
        (START..START + self.0.len() as u64).contains(&host)
    }

    fn translated(&self, _host: u64) -> bool {
        false
    }

    fn varies(&self, _host: u64) -> bool {
        false
    }
}

#[test]
fn what_does_nothing_is_not_left_to_the_interpreter() {
    // NOP of several lengths, ENDBR64, PREFETCHW, LFENCE, PAUSE, JMP to itself.
    let code = [
        0x90, 0x66, 0x90, 0x0f, 0x1f, 0x00, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0xf3, 0x0f, 0x1e, 0xfa,
        0x0f, 0x0d, 0x08, 0x0f, 0xae, 0xe8, 0xf3, 0x90, 0xeb, 0xfe,
    ];
    let extent = Extent { insns: 100, pages: 1, depth: 2, shares: false };
    let mode = Mode::flat(64, true);
    let region =
        region::find(&mut Page(code.into()), mode, Features::all(), extent, START).unwrap();
    assert_eq!(region.len(), 9);
    let translated = translate(&region, false, &ADDRESSES, &module::functions(EXPLICIT), 0);
    assert!(translated.ops.is_empty());
}

fn check(name: &str, bits: u32, program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) {
    check_tier(name, bits, false, program);
}

fn check_tier(
    name: &str,
    bits: u32,
    optimized: bool,
    program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) {
    let mut a = CodeAssembler::new(bits).unwrap();
    program(&mut a).unwrap();
    let code = a.assemble(0).unwrap();
    let mode = Mode::flat(bits, true);
    let extent = Extent { insns: 100, pages: 1, depth: 2, shares: false };
    let mut page = Page(code.clone());
    let region = region::find(&mut page, mode, Features::all(), extent, START).unwrap();
    let functions = module::functions(EXPLICIT);
    let translated = translate(&region, optimized, &ADDRESSES, &functions, 0);
    let shape = MemoryShape { shared: false, minimum: 1, maximum: None };
    let module = module::regions(shape, Slots { first: 8, count: 1 }, &[translated]);
    let text = wasmprinter::print_bytes(module).expect("a valid module");
    let mut out = String::new();
    let mut formatter = FastFormatter::new();
    for instr in &mut Decoder::new(bits, &code, DecoderOptions::NONE) {
        let mut line = String::new();
        formatter.format(&instr, &mut line);
        writeln!(out, ";; {:>3x}  {line}", instr.ip()).unwrap();
    }
    // What is before the function is the same everywhere.
    let function = text.find("  (func (;3;)").expect("the function comes after the imports");
    out.push_str(&text[function..]);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/translate/expected")
        .join(format!("{name}.wat"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &out).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        out == expected,
        "{}: the code is another now (UPDATE_EXPECTED=1 takes it over):\n{out}",
        path.display()
    );
}

#[test]
fn flags_are_computed_when_somebody_asks() {
    check("flags", 64, |a| {
        a.add(eax, ecx)?;
        a.cmp(edx, ebx)?;
        a.setl(cl)?;
        a.adc(eax, edx)?;
        a.hlt()
    });
}

#[test]
fn memory_is_looked_up_in_the_tlb() {
    check("memory", 64, |a| {
        a.mov(eax, dword_ptr(rbx + rcx * 4 + 16))?;
        a.mov(dword_ptr(rbx), eax)?;
        a.hlt()
    });
}

#[test]
fn an_instruction_looks_first_at_the_page_it_accessed_last() {
    check_tier("recent", 64, true, |a| {
        let mut top = a.create_label();
        a.set_label(&mut top)?;
        a.add(eax, dword_ptr(rbx + rcx * 4))?;
        a.dec(rcx)?;
        a.jnz(top)?;
        a.hlt()
    });
}

#[test]
fn a_branch_is_an_if() {
    check("branch", 32, |a| {
        let mut other = a.create_label();
        a.test(eax, eax)?;
        a.jz(other)?;
        a.inc(ecx)?;
        a.set_label(&mut other)?;
        a.dec(edx)?;
        a.hlt()
    });
}

#[test]
fn a_loop_looks_for_interrupts_each_time() {
    check("loop", 64, |a| {
        let mut top = a.create_label();
        a.mov(ecx, 100)?;
        a.set_label(&mut top)?;
        a.add(rax, rdx)?;
        a.dec(ecx)?;
        a.jnz(top)?;
        a.hlt()
    });
}

#[test]
fn a_call_and_its_return_stay_inside() {
    check("call", 64, |a| {
        let mut callee = a.create_label();
        a.call(callee)?;
        a.hlt()?;
        a.set_label(&mut callee)?;
        a.lea(rax, qword_ptr(rdi + rdi * 2))?;
        a.ret()
    });
}

#[test]
fn a_store_to_code_is_left_to_the_interpreter() {
    check("self-modification", 64, |a| {
        let mut patched = a.create_label();
        a.mov(byte_ptr(patched), 0x42)?;
        a.set_label(&mut patched)?;
        a.mov(al, 1)?;
        a.hlt()
    });
}

#[test]
fn a_repeated_copy_goes_by_pages() {
    check("copy", 64, |a| {
        a.rep().movsq()?;
        a.hlt()
    });
}
