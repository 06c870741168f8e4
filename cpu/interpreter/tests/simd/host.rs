//! Every instruction beside the host's own: all its operand forms, with random registers and memory.

use std::arch::asm;
use std::collections::BTreeSet;
use std::ptr;

use aero_cpu::F80;
use aero_cpu::bits::rflags;
use aero_interpreter::lower;
use iced_x86::{Code, CpuidFeature, Instruction, Mnemonic, OpKind, Register};

use crate::{DATA, Machine, decode};

const PAGE: usize = 4096;
/// Bytes of operands in memory.
const MEMORY: usize = 64;
const FXSAVE_BYTES: usize = 512;

/// A processor's state, as the trampoline wants it.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct State {
    fxsave: [u8; FXSAVE_BYTES],
    /// Operands in memory.
    memory: [u8; MEMORY],
    /// RAX, RCX, RDX, RBX, and RDI, which points at `memory`.
    gprs: [u64; 5],
    rflags: u64,
    /// The host's own MXCSR.
    mxcsr: u64,
}

/// Numbers of the registers in [`State::gprs`].
const GPRS: [usize; 5] = [0, 1, 2, 3, 7];
const RDI: usize = 4;

/// Places in the FXSAVE image (SDM volume 1, table 10-2).
const FCW: usize = 0;
const FSW: usize = 2;
const FTW: usize = 4;
const MXCSR: usize = 24;
const ST0: usize = 32;
const XMM0: usize = 160;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Eight bytes that make sense as integers, singles or a double.
    fn quadword(&mut self) -> u64 {
        let raw = self.next();
        let singles = |exponents: [u64; 2]| {
            raw & 0x807f_ffff_807f_ffff | exponents[0] << 23 | exponents[1] << 55
        };
        match self.below(10) {
            0 => raw & self.next() & self.next(),
            1 => singles([124 + self.below(8), 124 + self.below(40)]),
            2 => singles([self.below(256), self.below(256)]),
            3 => raw & 0x800f_ffff_ffff_ffff | (1020 + self.below(48)) << 52,
            4 => raw & 0x800f_ffff_ffff_ffff | self.below(2048) << 52,
            5 => [0, u64::MAX, 1 << 63, 1, 0x7ff0_0000_7f80_0000, 0x0000_0000_ff80_0000]
                [self.below(6) as usize],
            6 => self.below(80),
            _ => raw,
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.quadword().to_le_bytes());
        }
    }

    fn state(&mut self) -> State {
        let mut state = State {
            fxsave: [0; _],
            gprs: [0; 5].map(|_| self.quadword()),
            rflags: rflags::FIXED | self.next() & rflags::ARITHMETIC,
            mxcsr: 0x1f80,
            memory: [0; _],
        };
        self.fill(&mut state.memory);
        self.fill(&mut state.fxsave[ST0..XMM0 + 256]);
        for st in state.fxsave[ST0..XMM0].chunks_exact_mut(16) {
            st[10..].fill(0);
        }
        state.fxsave[FCW..FCW + 2].copy_from_slice(&0x37f_u16.to_le_bytes());
        let top = self.below(8) as u16;
        state.fxsave[FSW..FSW + 2].copy_from_slice(&(top << 11).to_le_bytes());
        state.fxsave[FTW] = self.next() as u8;
        let rounding = if self.below(2) == 0 { 0 } else { self.next() & 0x6000 };
        let flush = if self.below(3) == 0 { self.next() & 0x8040 } else { 0 };
        let mxcsr = 0x1f80 | rounding | flush | self.next() & 0x20;
        state.fxsave[MXCSR..MXCSR + 4].copy_from_slice(&(mxcsr as u32).to_le_bytes());
        state
    }
}

/// A page for `instruction; ret`.
struct Trampoline(*mut libc::c_void);

impl Trampoline {
    fn new() -> Self {
        // SAFETY: a fresh private mapping.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED);
        Self(page)
    }

    fn set(&self, bytes: &[u8]) {
        assert!(bytes.len() < 16);
        // SAFETY: our page, executable only while nothing writes to it.
        unsafe {
            assert_eq!(libc::mprotect(self.0, PAGE, libc::PROT_READ | libc::PROT_WRITE), 0);
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.cast(), bytes.len());
            *self.0.cast::<u8>().add(bytes.len()) = 0xc3;
            assert_eq!(libc::mprotect(self.0, PAGE, libc::PROT_READ | libc::PROT_EXEC), 0);
        }
    }

    fn run(&self, state: &mut State) {
        state.gprs[RDI] = state.memory.as_ptr() as u64;
        // SAFETY: the instruction touches only the registers of `State` and memory that RDI points
        // at; all exceptions are masked.
        unsafe {
            asm!(
                "push rbx",
                "fxrstor64 [r12]",
                "mov rax, [r12 + 576]",
                "mov rcx, [r12 + 584]",
                "mov rdx, [r12 + 592]",
                "mov rbx, [r12 + 600]",
                "mov rdi, [r12 + 608]",
                "push qword ptr [r12 + 616]",
                "popfq",
                "call r13",
                "pushfq",
                "pop qword ptr [r12 + 616]",
                "fxsave64 [r12]",
                "mov [r12 + 576], rax",
                "mov [r12 + 584], rcx",
                "mov [r12 + 592], rdx",
                "mov [r12 + 600], rbx",
                "mov [r12 + 608], rdi",
                "fninit",
                "ldmxcsr [r12 + 624]",
                "pop rbx",
                in("r12") ptr::from_mut(state),
                in("r13") self.0,
                clobber_abi("sysv64"),
            );
        }
    }
}

impl Drop for Trampoline {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made.
        unsafe { libc::munmap(self.0, PAGE) };
    }
}

/// Puts a state into the guest.
fn load(machine: &mut Machine, state: &State) {
    let cpu = &mut machine.cpu;
    for (i, number) in GPRS.into_iter().enumerate() {
        cpu.regs[number] = state.gprs[i];
    }
    cpu.regs[GPRS[RDI]] = DATA;
    cpu.flags.set_arithmetic(state.rflags);
    let word = |at: usize| u16::from_le_bytes([state.fxsave[at], state.fxsave[at + 1]]);
    cpu.fpu.control = word(FCW);
    cpu.fpu.set_status_word(word(FSW));
    cpu.fpu.tags = state.fxsave[FTW];
    for i in 0..8 {
        let st = &state.fxsave[ST0 + 16 * i..][..16];
        cpu.fpu.regs[(usize::from(cpu.fpu.top) + i) & 7] = F80 {
            mantissa: u64::from_le_bytes(st[..8].try_into().unwrap()),
            sign_exponent: u16::from_le_bytes([st[8], st[9]]),
        };
    }
    cpu.mxcsr = u32::from_le_bytes(state.fxsave[MXCSR..MXCSR + 4].try_into().unwrap());
    for i in 0..16 {
        let xmm = &state.fxsave[XMM0 + 16 * i..][..16];
        cpu.xmm[i] = u128::from_le_bytes(xmm.try_into().unwrap());
    }
    machine.write(DATA, &state.memory);
}

/// The guest's state, in the same form; what the host leaves in other places is taken from `host`.
fn store(machine: &Machine, host: &State) -> State {
    let cpu = &machine.cpu;
    let mut state = *host;
    for (i, number) in GPRS.into_iter().enumerate() {
        state.gprs[i] = cpu.regs[number];
    }
    state.gprs[RDI] = host.gprs[RDI].wrapping_add(cpu.regs[GPRS[RDI]]).wrapping_sub(DATA);
    state.rflags = host.rflags & !rflags::ARITHMETIC | cpu.flags.arithmetic();
    state.fxsave[FSW..FSW + 2].copy_from_slice(&cpu.fpu.status_word().to_le_bytes());
    state.fxsave[FTW] = cpu.fpu.tags;
    for i in 0..8 {
        let value = cpu.fpu.regs[(usize::from(cpu.fpu.top) + i) & 7];
        let st = &mut state.fxsave[ST0 + 16 * i..][..16];
        st[..8].copy_from_slice(&value.mantissa.to_le_bytes());
        st[8..10].copy_from_slice(&value.sign_exponent.to_le_bytes());
    }
    state.fxsave[MXCSR..MXCSR + 4].copy_from_slice(&cpu.mxcsr.to_le_bytes());
    for i in 0..16 {
        state.fxsave[XMM0 + 16 * i..][..16].copy_from_slice(&cpu.xmm[i].to_le_bytes());
    }
    machine.read(DATA, &mut state.memory);
    state
}

/// Whether the instruction belongs here, by its CPUID features.
fn is_simd(code: Code) -> bool {
    use CpuidFeature as F;
    code.cpuid_features().iter().all(|feature| {
        matches!(
            feature,
            F::MMX
                | F::SSE
                | F::SSE2
                | F::SSE3
                | F::SSSE3
                | F::SSE4_1
                | F::SSE4_2
                | F::AES
                | F::PCLMULQDQ
        )
    }) && !matches!(
        code.mnemonic(),
        // Integer instructions, and those that are tested elsewhere.
        Mnemonic::Crc32
            | Mnemonic::Movnti
            | Mnemonic::Ldmxcsr
            | Mnemonic::Prefetchnta
            | Mnemonic::Prefetcht0
            | Mnemonic::Prefetcht1
            | Mnemonic::Prefetcht2
            | Mnemonic::Sfence
            | Mnemonic::Lfence
            | Mnemonic::Mfence
            // Estimates differ from maker to maker.
            | Mnemonic::Rcpps
            | Mnemonic::Rcpss
            | Mnemonic::Rsqrtps
            | Mnemonic::Rsqrtss
    )
}

/// Whether all general purpose registers that are operands are in [`State`].
fn uses_known_registers(instr: &Instruction) -> bool {
    (0..instr.op_count()).all(|i| {
        if instr.op_kind(i) != OpKind::Register {
            return true;
        }
        use Register as R;
        !matches!(
            instr.op_register(i).full_register(),
            R::RSP
                | R::RBP
                | R::RSI
                | R::RDI
                | R::R8
                | R::R9
                | R::R10
                | R::R11
                | R::R12
                | R::R13
                | R::R14
                | R::R15
        )
    })
}

/// Encodings with the given opcode: register and memory operands, all values of ModRM.reg.
fn encodings(prefix: Option<u8>, map: &[u8], opcode: u8, random: &mut Random) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for reg in 0..8 {
        for form in 0..4 {
            for wide in [false, true] {
                let mut bytes = Vec::new();
                bytes.extend(prefix);
                let high = if form == 3 { random.next() as u8 & 5 } else { 0 };
                let rex = 0x40 | if wide { 8 } else { 0 } | high;
                if rex != 0x40 {
                    bytes.push(rex);
                }
                bytes.extend(map);
                bytes.push(opcode);
                let rm = random.next() as u8 & 7;
                match form {
                    // [rdi], [rdi + 16], and registers.
                    0 => bytes.push(reg << 3 | 7),
                    1 => bytes.extend([0x40 | reg << 3 | 7, 16]),
                    _ => bytes.push(0xc0 | reg << 3 | rm),
                }
                let with_immediate: Vec<u8> =
                    bytes.iter().copied().chain([random.next() as u8; 1]).collect();
                let instr = decode(&with_immediate);
                if !instr.is_invalid() {
                    all.push(with_immediate[..instr.len()].to_vec());
                }
            }
        }
    }
    all
}

#[test]
fn every_instruction_does_what_the_hosts_does() {
    let trampoline = Trampoline::new();
    let mut machine = Machine::new();
    let mut random = Random(0x5eed_5eed);
    let mut seen = BTreeSet::new();
    let maps: [&[u8]; 3] = [&[0x0f], &[0x0f, 0x38], &[0x0f, 0x3a]];
    for prefix in [None, Some(0x66), Some(0xf3), Some(0xf2)] {
        for map in maps {
            for opcode in 0..=255 {
                if map.len() == 1 && matches!(opcode, 0x38 | 0x3a) {
                    continue;
                }
                for bytes in encodings(prefix, map, opcode, &mut random) {
                    let instr = decode(&bytes);
                    if !is_simd(instr.code()) || !uses_known_registers(&instr) {
                        continue;
                    }
                    seen.insert(instr.code() as usize);
                    compare(&trampoline, &mut machine, &mut random, &bytes);
                }
            }
        }
    }
    let missing: Vec<Code> =
        Code::values().filter(|code| is_simd(*code) && !seen.contains(&(*code as usize))).collect();
    assert!(missing.is_empty(), "not tested: {missing:?}");
}

fn compare(trampoline: &Trampoline, machine: &mut Machine, random: &mut Random, bytes: &[u8]) {
    trampoline.set(bytes);
    let instr = decode(bytes);
    let op = lower(&instr);
    for _ in 0..6 {
        let before = random.state();
        let mut host = before;
        trampoline.run(&mut host);
        load(machine, &before);
        if let Err(exception) = machine.run(&op) {
            panic!("{:?} {bytes:02x?}: {exception:?}", instr.code());
        }
        let ours = store(machine, &host);
        let context = || format!("{:?} {bytes:02x?}", instr.code());
        assert_eq!(ours.gprs, host.gprs, "{}", context());
        assert_eq!(
            ours.rflags & rflags::ARITHMETIC,
            host.rflags & rflags::ARITHMETIC,
            "{}",
            context()
        );
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        assert_eq!(hex(&ours.memory), hex(&host.memory), "{}", context());
        // The SDM has a transition to MMX here even if the source is memory; AMD's processors have none.
        if instr.code() == Code::Cvtpi2ps_xmm_mmm64 && op.is_memory() {
            host.fxsave[FCW..FTW + 1].copy_from_slice(&ours.fxsave[FCW..FTW + 1]);
            host.fxsave[ST0..XMM0].copy_from_slice(&ours.fxsave[ST0..XMM0]);
        }
        for (name, range) in
            [("x87 words", FCW..FTW + 1), ("mxcsr", MXCSR..MXCSR + 4), ("mm", ST0..XMM0)]
        {
            assert_eq!(
                hex(&ours.fxsave[range.clone()]),
                hex(&host.fxsave[range.clone()]),
                "{name} {}",
                context()
            );
        }
        assert_eq!(
            hex(&ours.fxsave[XMM0..XMM0 + 256]),
            hex(&host.fxsave[XMM0..XMM0 + 256]),
            "xmm {}",
            context()
        );
    }
}
