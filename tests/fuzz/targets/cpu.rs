//! libFuzzer's entry to the target `cpu`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aero_fuzz::cpu::run(data));
