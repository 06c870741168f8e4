//! libFuzzer's entry to the target `snapshot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aero_fuzz::snapshot::run(data));
