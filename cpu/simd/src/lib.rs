//! MMX and SSE operations on plain integers.
//!
//! Everything here is a pure function: a 128-bit register is a `u128`, whose bit 0 is the register's
//! bit 0, and a 64-bit MMX register is the low half of one. Functions bear the mnemonic's name and
//! take the operands in Intel's order, destination first, and return the destination's new value.
//! No host intrinsics: what LLVM can vectorise for the host or for wasm, it does.
//!
//! * [`arith`], [`logic`], [`shuffle`]: packed integers, as the SDM's volume 2 describes each
//!   instruction. Most work on each lane alone, so the MMX form is the low half of the result;
//!   [`mmx`] has the forms for which that is not so.
//! * [`string`]: PCMPxSTRx. [`crypto`]: AES and PCLMULQDQ.
//! * [`mxcsr`], [`float`], [`packed`], [`convert`], [`estimate`]: floating point with MXCSR's
//!   rounding, flush and exception rules (SDM volume 1, chapter 11).

#[cfg(not(target_endian = "little"))]
compile_error!(
    "lanes are split in memory order, which is a register's order on little endian only"
);

pub mod arith;
pub mod convert;
pub mod crypto;
pub mod estimate;
pub mod float;
mod format;
#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod host;
mod lanes;
pub mod logic;
pub mod mmx;
pub mod mxcsr;
pub mod packed;
pub mod shuffle;
pub mod string;

pub use format::{Double, Format, Single};
pub use mxcsr::{FloatEnv, Mxcsr, SimdException};
