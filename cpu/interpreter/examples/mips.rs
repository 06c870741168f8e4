//! Runs a mixed integer program in 64-bit mode and prints how many million instructions a second the
//! interpreter executes: a sieve, a hash over memory with a function call for each element, a binary
//! search and an insertion sort.

use std::time::Instant;

use aero_bus::{GuestRam, MemoryMap};
use aero_cpu::{CpuBackend, CpuModel, CpuSignals, Platform, Vcpu};
use aero_interpreter::Interpreter;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

const CODE: u64 = 0x10_0000;
const STACK: u64 = 0x20_0000;
const DATA: u64 = 0x30_0000;
const TABLES: u64 = 0x1000;

struct Bare {
    memory: MemoryMap,
    budget: u64,
}

impl Platform for Bare {
    fn memory(&self) -> &MemoryMap {
        &self.memory
    }
    fn mmio_read(&mut self, _: u64, _: u64, data: &mut [u8]) {
        data.fill(0xff);
    }
    fn mmio_write(&mut self, _: u64, _: u64, _: &[u8]) {}
    fn port_read(&mut self, _: u64, _: u16, data: &mut [u8]) {
        data.fill(0xff);
    }
    fn port_write(&mut self, _: u64, _: u16, _: &[u8]) {}
    fn budget(&mut self) -> u64 {
        self.budget
    }
    fn acknowledge_interrupt(&mut self, _: u64) -> Option<u8> {
        None
    }
    fn tsc(&mut self, retired: u64) -> u64 {
        retired
    }
    fn apic_msr_read(&mut self, _: u64, _: u32) -> Option<u64> {
        None
    }
    fn apic_msr_write(&mut self, _: u64, _: u32, _: u64) -> Option<()> {
        None
    }
    fn cr8(&mut self) -> u8 {
        0
    }
    fn set_cr8(&mut self, _: u64, _: u8) {}
}

/// The program: loops for ever over its four parts.
fn program() -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(64)?;
    let mut start = a.create_label();
    let mut hash = a.create_label();
    let mut after = a.create_label();
    a.jmp(after)?;

    // rax = hash step of rax with the value in rdi.
    a.set_label(&mut hash)?;
    a.push(rbp)?;
    a.mov(rbp, rsp)?;
    a.push(rbx)?;
    a.mov(rbx, rdi)?;
    a.shr(rbx, 7)?;
    a.xor(rax, rdi)?;
    a.imul_3(rax, rax, 0x0100_0193)?;
    a.add(rax, rbx)?;
    a.pop(rbx)?;
    a.leave()?;
    a.ret()?;

    a.set_label(&mut after)?;
    a.cld()?;

    // Sieve of the first 4096 numbers.
    a.set_label(&mut start)?;
    a.mov(rdi, DATA)?;
    a.xor(eax, eax)?;
    a.mov(ecx, 4096 / 8)?;
    a.rep().stosq()?;
    a.mov(rsi, DATA)?;
    a.mov(ecx, 2)?;
    let mut next_number = a.create_label();
    let mut strike = a.create_label();
    let mut skip = a.create_label();
    a.set_label(&mut next_number)?;
    a.cmp(byte_ptr(rsi + rcx), 0)?;
    a.jne(skip)?;
    a.lea(edx, dword_ptr(rcx + rcx))?;
    a.set_label(&mut strike)?;
    a.mov(byte_ptr(rsi + rdx), 1)?;
    a.add(edx, ecx)?;
    a.cmp(edx, 4096)?;
    a.jl(strike)?;
    a.set_label(&mut skip)?;
    a.inc(ecx)?;
    a.cmp(ecx, 2048)?;
    a.jb(next_number)?;

    // Hash of what the sieve left, eight bytes at a time.
    let mut next_word = a.create_label();
    a.mov(eax, 0x811c_9dc5_u32 as i32)?;
    a.xor(r12d, r12d)?;
    a.set_label(&mut next_word)?;
    a.mov(rdi, qword_ptr(rsi + r12 * 8))?;
    a.call(hash)?;
    a.inc(r12)?;
    a.test(r12d, 511)?;
    a.jnz(next_word)?;
    a.mov(qword_ptr(rsi + 8192), rax)?;

    // Pseudo-random numbers, sorted by insertion.
    let mut fill = a.create_label();
    a.lea(rdi, qword_ptr(rsi + 16384))?;
    a.xor(ecx, ecx)?;
    a.set_label(&mut fill)?;
    a.mov(rdx, rax)?;
    a.shl(rdx, 13)?;
    a.xor(rax, rdx)?;
    a.mov(rdx, rax)?;
    a.shr(rdx, 7)?;
    a.xor(rax, rdx)?;
    a.movzx(edx, ax)?;
    a.mov(dword_ptr(rdi + rcx * 4), edx)?;
    a.add(ecx, 1)?;
    a.cmp(ecx, 64)?;
    a.jne(fill)?;
    let mut outer = a.create_label();
    let mut inner = a.create_label();
    let mut placed = a.create_label();
    a.mov(ecx, 1)?;
    a.set_label(&mut outer)?;
    a.mov(r8d, dword_ptr(rdi + rcx * 4))?;
    a.mov(edx, ecx)?;
    a.set_label(&mut inner)?;
    a.mov(r9d, dword_ptr(rdi + rdx * 4 - 4))?;
    a.cmp(r9d, r8d)?;
    a.jle(placed)?;
    a.mov(dword_ptr(rdi + rdx * 4), r9d)?;
    a.dec(edx)?;
    a.jnz(inner)?;
    a.set_label(&mut placed)?;
    a.mov(dword_ptr(rdi + rdx * 4), r8d)?;
    a.inc(ecx)?;
    a.cmp(ecx, 64)?;
    a.jb(outer)?;

    // Binary searches.
    let mut search = a.create_label();
    let mut halve = a.create_label();
    let mut lower = a.create_label();
    a.mov(r10d, 1000)?;
    a.set_label(&mut search)?;
    a.xor(ecx, ecx)?;
    a.mov(edx, 64)?;
    a.imul_3(r8d, r10d, 60)?;
    a.set_label(&mut halve)?;
    a.lea(r9d, dword_ptr(rcx + rdx))?;
    a.sar(r9d, 1)?;
    a.cmp(dword_ptr(rdi + r9 * 4), r8d)?;
    a.jg(lower)?;
    a.lea(ecx, dword_ptr(r9 + 1))?;
    let mut join = a.create_label();
    a.jmp(join)?;
    a.set_label(&mut lower)?;
    a.mov(edx, r9d)?;
    a.set_label(&mut join)?;
    a.cmp(ecx, edx)?;
    a.jl(halve)?;
    a.sub(r10d, 1)?;
    a.jnz(search)?;
    a.jmp(start)?;
    a.assemble(CODE)
}

fn main() {
    let total: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(300_000_000);
    let ram = GuestRam::new(16 << 20, 0).expect("16 MiB can be had");
    let memory = MemoryMap::new(ram);
    // 1 GiB mapped one to one by 2 MiB pages.
    memory.write(TABLES, &((TABLES + 0x1000) | 3).to_le_bytes());
    memory.write(TABLES + 0x1000, &((TABLES + 0x2000) | 3).to_le_bytes());
    for i in 0..512_u64 {
        memory.write(TABLES + 0x2000 + i * 8, &((i << 21) | 0x83).to_le_bytes());
    }
    memory.write(CODE, &program().expect("the program assembles"));

    let model = CpuModel::named(CpuModel::NAMES[0]).expect("the first model exists");
    let mut cpu = Vcpu::new(0, model);
    cpu.set_long_mode(CODE, TABLES, 0x10, 0x18);
    cpu.regs[aero_cpu::RSP] = STACK;
    let signals = CpuSignals::new();
    let mut platform = Bare { memory, budget: 1_000_000 };
    let mut interpreter = Interpreter::new();
    interpreter.run(&mut cpu, &signals, &mut platform);
    platform.budget = total;
    let begin = Instant::now();
    let outcome = interpreter.run(&mut cpu, &signals, &mut platform);
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{} instructions in {seconds:.3} s: {:.1} MIPS",
        outcome.retired,
        outcome.retired as f64 / seconds / 1e6
    );
}
