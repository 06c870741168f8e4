//! The host processor as a referee: one instruction, given by its bytes, run on given operands.

mod float;
mod integer;

use std::arch::asm;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

/// The registers that instructions under test use: XMM0 to XMM2, MM0 and MM1, EAX, ECX, EDX, EFLAGS
/// and MXCSR.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    pub xmm: [u128; 3],
    pub mm: [u64; 2],
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rflags: u64,
    pub mxcsr: u32,
}

/// A page with `instruction; ret`.
pub(crate) struct Instruction(*mut libc::c_void);

const PAGE: usize = 4096;

impl Instruction {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        assert!(bytes.len() < 16);
        // SAFETY: a fresh private mapping, written before it becomes executable.
        unsafe {
            let page = libc::mmap(
                ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(page, libc::MAP_FAILED);
            ptr::copy_nonoverlapping(bytes.as_ptr(), page.cast(), bytes.len());
            *page.cast::<u8>().add(bytes.len()) = 0xc3;
            assert_eq!(libc::mprotect(page, PAGE, libc::PROT_READ | libc::PROT_EXEC), 0);
            Self(page)
        }
    }

    pub(crate) fn run(&self, mut registers: Registers) -> Registers {
        let host_mxcsr: u32 = 0x1f80;
        // SAFETY: the page holds one instruction that touches only the registers listed, and `ret`.
        unsafe {
            asm!(
                "movdqu xmm0, [rdi]",
                "movdqu xmm1, [rdi + 16]",
                "movdqu xmm2, [rdi + 32]",
                "movq mm0, [rdi + 48]",
                "movq mm1, [rdi + 56]",
                "mov rax, [rdi + 64]",
                "mov rcx, [rdi + 72]",
                "mov rdx, [rdi + 80]",
                "ldmxcsr [rdi + 96]",
                "call rsi",
                "stmxcsr [rdi + 96]",
                "pushfq",
                "pop qword ptr [rdi + 88]",
                "ldmxcsr [r8]",
                "movdqu [rdi], xmm0",
                "movdqu [rdi + 16], xmm1",
                "movdqu [rdi + 32], xmm2",
                "movq [rdi + 48], mm0",
                "movq [rdi + 56], mm1",
                "mov [rdi + 64], rax",
                "mov [rdi + 72], rcx",
                "mov [rdi + 80], rdx",
                "emms",
                in("rdi") &mut registers,
                in("rsi") self.0,
                in("r8") &host_mxcsr,
                out("rax") _, out("rcx") _, out("rdx") _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _,
                out("mm0") _, out("mm1") _,
            );
        }
        registers
    }

    /// Runs with exceptions unmasked; also returns MXCSR as #XM left it, if that was raised.
    pub(crate) fn run_unmasked(&self, registers: Registers) -> (Registers, Option<u32>) {
        RAISED.store(NOT_RAISED, Ordering::SeqCst);
        // SAFETY: the handler only touches the saved MXCSR and an atomic.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_exception as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            assert_eq!(libc::sigaction(libc::SIGFPE, &action, ptr::null_mut()), 0);
        }
        let after = self.run(registers);
        let raised = RAISED.load(Ordering::SeqCst);
        (after, (raised != NOT_RAISED).then_some(raised))
    }
}

impl Drop for Instruction {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made; nothing runs in it any more.
        unsafe { libc::munmap(self.0, PAGE) };
    }
}

const NOT_RAISED: u32 = u32::MAX;
static RAISED: AtomicU32 = AtomicU32::new(NOT_RAISED);

/// Notes MXCSR and masks everything, so that the instruction completes when it is run again.
extern "C" fn on_exception(_: i32, _: *const libc::siginfo_t, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel hands a valid context with floating-point state.
    let mxcsr = unsafe { &mut (*(*context).uc_mcontext.fpregs).mxcsr };
    RAISED.store(*mxcsr, Ordering::SeqCst);
    *mxcsr = 0x1f80;
}

/// A small reproducible generator (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A register of random bits, of bytes or words that repeat, or near the lanes' limits.
    pub(crate) fn integer_register(&mut self) -> u128 {
        let any = |r: &mut Self| u128::from(r.next()) << 64 | u128::from(r.next());
        match self.below(4) {
            0 => {
                const LIMITS: [u64; 8] = [
                    0,
                    u64::MAX,
                    0x8000_8000_8000_8000,
                    0x7fff_7fff_7fff_7fff,
                    0x8080_8080_8080_8080,
                    0x7fff_ffff_8000_0000,
                    0x8000_0000_0000_0000,
                    0x0001_0000_0001_ffff,
                ];
                u128::from(self.pick(&LIMITS)) << 64 | u128::from(self.pick(&LIMITS))
            }
            1 => any(self) & any(self) & any(self),
            _ => any(self),
        }
    }

    /// A single or double (with `bits` 32 or 64) of the kinds that matter.
    pub(crate) fn float(&mut self, bits: u32) -> u64 {
        let (fraction, exponents, bias) =
            if bits == 32 { (23, 255, 127) } else { (52, 2047, 1023) };
        let raw = self.next();
        let sign = (raw >> 63) << (bits - 1);
        let low = raw & ((1 << fraction) - 1);
        let with = |exponent: u64, low: u64| sign | exponent << fraction | low;
        let near = |r: &mut Self, middle: u64, width: u64| {
            (middle + r.below(2 * width)).saturating_sub(width).min(exponents - 1)
        };
        match self.below(16) {
            0 => sign,
            1 => with(0, low),
            2 => with(0, low >> self.below(fraction)),
            3 => with(exponents, 0),
            4 => with(exponents, low),
            5 => with(exponents, 1 << (fraction - 1) | low),
            6 => with(exponents - 1, self.pick(&[0, (1 << fraction) - 1])),
            7 => with(1, self.pick(&[0, 1, (1 << fraction) - 1])),
            8 => with(self.below(exponents + 1), 0),
            // Integers and halves, also about the limits of int32 and int64.
            9 => with(near(self, bias + 20, 45), low >> self.below(fraction) << self.below(8)),
            10 => with(self.below(exponents), low >> 30 << 30),
            11 => with(self.below(exponents), low),
            _ => with(near(self, bias, 3), low),
        }
        .min(if bits == 32 { u32::MAX.into() } else { u64::MAX })
    }

    /// A register of such floats.
    pub(crate) fn float_register(&mut self, bits: u32) -> u128 {
        let count = 128 / bits;
        (0..count).fold(0, |register, i| register | u128::from(self.float(bits)) << (i * bits))
    }
}
