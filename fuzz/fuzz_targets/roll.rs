//! Any file as the list of viewers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lunette::trust::Roll;

fuzz_target!(|data: &[u8]| {
    let Ok(roll) = Roll::from_json(data) else { return };
    let again = Roll::from_json(&roll.to_json()).expect("what we write we read");
    assert!(again.viewers().eq(roll.viewers()));
});
