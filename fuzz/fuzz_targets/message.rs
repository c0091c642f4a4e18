//! What comes on the request topic: dropped, refused in few words, or understood and written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lunette::signal::message::parse;
use lunette::trust;

fuzz_target!(|payload: &[u8]| {
    let Ok(opened) = trust::open(payload) else { return };
    match parse(opened.message) {
        Ok(request) => {
            let written = request.to_json(&opened.from);
            let again = trust::open(&written).expect("what we write we read");
            assert_eq!((again.from, parse(again.message)), (opened.from, Ok(request)));
        }
        Err(refusal) => assert!(refusal.text.chars().count() < 300 && refusal.re.chars().count() <= 32),
    }
});
