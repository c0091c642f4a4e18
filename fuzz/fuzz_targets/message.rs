//! What was sealed on the request topic: refused in few words, or understood and written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lunette::signal::message::parse;

fuzz_target!(|plain: &[u8]| match parse(plain) {
    Ok(request) => assert_eq!(parse(&request.to_json()), Ok(request)),
    Err(refusal) => assert!(refusal.text.chars().count() < 300 && refusal.re.chars().count() <= 32),
});
