#![no_main]

mod frame_checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frame_checks::stream(bytes));
