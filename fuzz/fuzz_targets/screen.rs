#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| palabre_cli::fuzzing::screen(data));
