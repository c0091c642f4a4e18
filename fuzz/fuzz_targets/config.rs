//! Any text as a config: good, or an error in words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lunette::config::Config;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(e) = Config::parse(text) {
        assert!(!e.to_string().is_empty());
    }
});
