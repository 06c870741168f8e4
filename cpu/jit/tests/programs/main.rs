//! Programs run by generated code and by the interpreter: both must end in the same state, after the
//! same number of instructions.
#![cfg(feature = "wasmtime")]

mod machine;

use iced_x86::code_asm::*;
use machine::{Bits, both};

#[test]
fn a_loop_counts_down() {
    both(Bits::Long, |a| {
        let mut top = a.create_label();
        a.mov(ecx, 1000)?;
        a.xor(eax, eax)?;
        a.set_label(&mut top)?;
        a.add(eax, ecx)?;
        a.rol(eax, 3)?;
        a.dec(ecx)?;
        a.jnz(top)
    });
}

#[test]
fn loads_and_stores_go_through_the_tlb() {
    for bits in [Bits::Long, Bits::Flat] {
        both(bits, |a| {
            let mut top = a.create_label();
            a.mov(ecx, 500)?;
            a.mov(esi, 0x30_0000)?;
            a.set_label(&mut top)?;
            a.mov(dword_ptr(esi + ecx * 4), ecx)?;
            a.mov(eax, dword_ptr(esi + ecx * 4))?;
            a.imul_2(eax, ecx)?;
            a.add(dword_ptr(esi + 8), eax)?;
            a.sbb(byte_ptr(esi + 3), cl)?;
            a.dec(ecx)?;
            a.jnz(top)
        });
    }
}

#[test]
fn calls_return_to_where_they_came_from() {
    for bits in [Bits::Long, Bits::Flat] {
        both(bits, |a| {
            let mut top = a.create_label();
            let mut fib = a.create_label();
            let mut small = a.create_label();
            let mut end = a.create_label();
            a.mov(ecx, 14)?;
            a.call(fib)?;
            a.jmp(end)?;
            a.set_label(&mut fib)?;
            a.cmp(ecx, 2)?;
            a.jb(small)?;
            a.set_label(&mut top)?;
            push(a, 1)?;
            a.dec(ecx)?;
            a.call(fib)?;
            pop(a, 1)?;
            push(a, 0)?;
            a.sub(ecx, 2)?;
            a.call(fib)?;
            pop(a, 1)?;
            a.add(eax, ecx)?;
            a.ret()?;
            a.set_label(&mut small)?;
            a.mov(eax, ecx)?;
            a.ret()?;
            a.set_label(&mut end)?;
            a.nop()
        });
    }
}

fn push(a: &mut CodeAssembler, register: usize) -> Result<(), iced_x86::IcedError> {
    if a.bitness() == 64 { a.push([rax, rcx][register]) } else { a.push([eax, ecx][register]) }
}

fn pop(a: &mut CodeAssembler, register: usize) -> Result<(), iced_x86::IcedError> {
    if a.bitness() == 64 { a.pop([rax, rcx][register]) } else { a.pop([eax, ecx][register]) }
}
