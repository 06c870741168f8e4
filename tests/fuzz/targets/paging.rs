//! libFuzzer's entry to the target `paging`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aero_fuzz::paging::run(data));
