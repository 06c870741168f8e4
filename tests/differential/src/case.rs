//! One case: an instruction's bytes, the state before it, and the state after it on one processor.
//! Plain data without pointers, as it lies in the memory shared with the child process.

use crate::layout::image_offset;

/// Offsets in an FXSAVE image of 64-bit mode (SDM Vol. 1, table 10-2).
pub mod fx {
    /// Control word.
    pub const FCW: usize = 0;
    /// Status word.
    pub const FSW: usize = 2;
    /// Abridged tag word.
    pub const FTW: usize = 4;
    /// Opcode of the last instruction.
    pub const FOP: usize = 6;
    /// Its address.
    pub const FIP: usize = 8;
    /// Address of its operand.
    pub const FDP: usize = 16;
    /// MXCSR.
    pub const MXCSR: usize = 24;
    /// ST(0) to ST(7), 16 bytes each.
    pub const ST: usize = 32;
    /// XMM0 to XMM15.
    pub const XMM: usize = 160;
    /// Bytes that matter.
    pub const USED: usize = 416;
}

/// x87, MMX and SSE as FXSAVE64 stores them.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct FxImage(pub [u8; 512]);

impl FxImage {
    /// A 16-bit field.
    pub fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }
    /// A 32-bit field.
    pub fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }
    /// A 64-bit field.
    pub fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }
    /// A 128-bit field.
    pub fn u128(&self, at: usize) -> u128 {
        u128::from(self.u64(at)) | u128::from(self.u64(at + 8)) << 64
    }
    /// Sets bytes.
    pub fn set(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
    /// ST(i): sign and exponent, and the significand.
    pub fn st(&self, i: usize) -> (u16, u64) {
        let at = fx::ST + i * 16;
        (self.u16(at + 8), self.u64(at))
    }
    /// Sets ST(i).
    pub fn set_st(&mut self, i: usize, value: (u16, u64)) {
        let at = fx::ST + i * 16;
        self.set(at, &value.1.to_le_bytes());
        self.set(at + 8, &value.0.to_le_bytes());
    }
    /// XMMi.
    pub fn xmm(&self, i: usize) -> u128 {
        self.u128(fx::XMM + i * 16)
    }
    /// Sets XMMi.
    pub fn set_xmm(&mut self, i: usize, value: u128) {
        self.set(fx::XMM + i * 16, &value.to_le_bytes());
    }
}

/// The registers.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct State {
    /// x87, MMX and SSE.
    pub fx: FxImage,
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    pub regs: [u64; 16],
    /// The instruction pointer.
    pub rip: u64,
    /// RFLAGS.
    pub rflags: u64,
    /// Bases of FS and GS.
    pub bases: [u64; 2],
    /// ES, CS, SS, DS, FS and GS, in the order of their encodings. Of what a case begins with, CS and SS
    /// are not used: they follow from the width of the code segment.
    pub selectors: [u16; 6],
}

/// Places in [`State::selectors`].
pub const ES: usize = 0;
/// CS.
pub const CS: usize = 1;
/// SS.
pub const SS: usize = 2;
/// DS.
pub const DS: usize = 3;
/// FS.
pub const FS: usize = 4;
/// GS.
pub const GS: usize = 5;

impl State {
    /// Everything zero.
    pub const ZERO: Self = Self {
        fx: FxImage([0; 512]),
        regs: [0; 16],
        rip: 0,
        rflags: 0,
        bases: [0; 2],
        selectors: [0; 6],
    };
}

/// Bytes that a case puts into memory.
pub const PATCHES: usize = 4;
/// How many of them in all.
pub const PATCH_BYTES: usize = 1024;
/// Room for the longest instruction, one byte more, and what may follow it.
pub const MAX_CODE: usize = 32;

/// What a case begins with.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Input {
    /// Registers; `state.rip` is the instruction's address.
    pub state: State,
    /// Width of the code segment: 64 or 32.
    pub bits: u32,
    /// Bytes of code.
    pub code_len: u32,
    /// The instruction under test, and in some cases FNSTENV after it.
    pub code: [u8; MAX_CODE],
    /// Address and length of each patch; their bytes lie one after the other.
    pub patches: [(u64, u32); PATCHES],
    /// The patches' bytes.
    pub patch_bytes: [u8; PATCH_BYTES],
}

impl Input {
    /// Nothing at all.
    pub const ZERO: Self = Self {
        state: State::ZERO,
        bits: 64,
        code_len: 0,
        code: [0; MAX_CODE],
        patches: [(0, 0); PATCHES],
        patch_bytes: [0; PATCH_BYTES],
    };

    /// The code.
    pub fn code(&self) -> &[u8] {
        &self.code[..self.code_len as usize]
    }

    /// Adds bytes to memory; what finds no room any more is left out.
    pub fn patch(&mut self, address: u64, bytes: &[u8]) {
        let used: usize = self.patches.iter().map(|p| p.1 as usize).sum();
        let Some(free) = self.patches.iter_mut().find(|p| p.1 == 0) else { return };
        if bytes.is_empty() || used + bytes.len() > PATCH_BYTES {
            return;
        }
        *free = (address, bytes.len() as u32);
        self.patch_bytes[used..used + bytes.len()].copy_from_slice(bytes);
    }

    /// Each byte to be put into memory, with its place in the image. Later ones win.
    pub fn patched(&self) -> impl Iterator<Item = (usize, u8)> + '_ {
        let mut at = 0;
        self.patches.iter().flat_map(move |&(address, len)| {
            let bytes = &self.patch_bytes[at..at + len as usize];
            at += len as usize;
            bytes
                .iter()
                .enumerate()
                .filter_map(move |(i, b)| Some((image_offset(address.wrapping_add(i as u64))?, *b)))
        })
    }
}

/// Words of memory that a case can report as changed.
pub const MAX_WORDS: usize = 208;
/// [`Output::vector`] if the instruction did not come to an end.
pub const HANG: u32 = 0x100;
/// [`Output::vector`] if the processor shut down, or the child process died.
pub const DEAD: u32 = 0x101;

/// What a case ends with. There is always an exception: INT3 after the instruction, if nothing else.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Output {
    /// Registers as the exception found them.
    pub state: State,
    /// The exception's vector, [`HANG`] or [`DEAD`].
    pub vector: u32,
    /// Its error code, or 0.
    pub error: u32,
    /// The address, for #PF.
    pub cr2: u64,
    /// How many words differ from the baseline; those past the arrays' end are in `rest`.
    pub words: u32,
    /// Places of the words in the image.
    pub places: [u16; MAX_WORDS],
    /// The words.
    pub values: [u64; MAX_WORDS],
    /// A hash of the words that found no room.
    pub rest: u64,
}

impl Output {
    /// Nothing at all.
    pub const ZERO: Self = Self {
        state: State::ZERO,
        vector: 0,
        error: 0,
        cr2: 0,
        words: 0,
        places: [0; MAX_WORDS],
        values: [0; MAX_WORDS],
        rest: 0,
    };

    /// The words that differ from the baseline.
    pub fn changed(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let count = (self.words as usize).min(MAX_WORDS);
        self.places[..count].iter().copied().zip(self.values[..count].iter().copied())
    }

    /// A byte of memory, if its word was changed.
    pub fn byte(&self, address: u64) -> Option<u8> {
        let at = image_offset(address)?;
        let (_, word) = self.changed().find(|(place, _)| usize::from(*place) == at / 8)?;
        Some(word.to_le_bytes()[at % 8])
    }

    /// Compares memory with the baseline, notes what differs and puts the baseline back.
    ///
    /// # Safety
    /// `memory` is valid for reads and writes of `baseline.len()` words.
    pub unsafe fn collect(&mut self, memory: *mut u64, baseline: &[u64]) {
        const CHUNK: usize = 16;
        self.words = 0;
        self.rest = 0;
        for (chunk, expected) in baseline.chunks_exact(CHUNK).enumerate() {
            // SAFETY: the caller vouches for as many words as there are in `baseline`.
            let found = unsafe { &mut *memory.add(chunk * CHUNK).cast::<[u64; CHUNK]>() };
            let differ = found.iter().zip(expected).fold(0, |bits, (a, b)| bits | (a ^ b));
            if differ == 0 {
                continue;
            }
            for (i, (value, expected)) in found.iter_mut().zip(expected).enumerate() {
                if *value == *expected {
                    continue;
                }
                let place = chunk * CHUNK + i;
                match self.values.get_mut(self.words as usize) {
                    Some(slot) => {
                        *slot = *value;
                        self.places[self.words as usize] = place as u16;
                    }
                    None => {
                        self.rest = (self.rest.rotate_left(7) ^ *value ^ place as u64)
                            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    }
                }
                self.words += 1;
                *value = *expected;
            }
        }
    }
}
