//! libFuzzer's entry to the target `machine_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aero_fuzz::machine_file::run(data));
