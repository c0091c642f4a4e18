//! Any message on the data channel.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lunette::viewer::control::{MAX_MESSAGE, parse, parse_bind};

fuzz_target!(|data: &[u8]| {
    assert!(parse(data).is_none() || data.len() <= MAX_MESSAGE);
    assert!(parse_bind(data).is_none() || data.len() <= MAX_MESSAGE);
});
