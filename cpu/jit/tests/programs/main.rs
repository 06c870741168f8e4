//! Programs run by generated code and by the interpreter: both must end in the same state, after the
//! same number of instructions.
#![cfg(feature = "wasmtime")]

mod bits;
mod integers;
mod machine;
mod numbers;
mod rewriting;
mod strings;
mod system;

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

#[test]
fn instructions_before_one_that_ends_a_region_are_counted() {
    for bits in [Bits::Long, Bits::Flat] {
        both(bits, |a| {
            a.mov(eax, 1)?;
            a.inc(eax)?;
            a.clts()?;
            a.inc(eax)?;
            a.clts()?;
            a.inc(eax)
        });
    }
}

#[test]
fn a_branch_to_an_address_that_is_not_canonical_faults_where_it_is() {
    both(Bits::Long, |a| {
        a.mov(rax, 0x8000_0000_0000_u64)?;
        a.xor(ecx, ecx)?;
        a.jmp(rax)
    });
    both(Bits::Long, |a| {
        a.mov(rax, 1_u64 << 63)?;
        a.xor(ecx, ecx)?;
        a.call(rax)
    });
    both(Bits::Long, |a| {
        a.mov(rax, 0xffff_7fff_ffff_ffff_u64)?;
        a.push(rax)?;
        a.ret_1(16)
    });
}

#[test]
fn the_x87_notes_the_segment_of_its_operand() {
    for bits in [Bits::Long, Bits::Flat] {
        both(bits, |a| {
            a.mov(esi, 0x30_0000)?;
            a.fninit()?;
            a.fld1()?;
            // In 64-bit code the prefix means nothing.
            a.fst(dword_ptr(esi).ss())?;
            a.nop()
        });
        both(bits, |a| {
            a.mov(esi, 0x30_0000)?;
            a.fninit()?;
            a.fld(dword_ptr(esi).cs())?;
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
