//! Any text as an offer: refused by name, or a choice within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lunette::viewer::offer::inspect;

fuzz_target!(|data: &[u8]| {
    let Ok(sdp) = std::str::from_utf8(data) else { return };
    if let Ok(choice) = inspect(sdp, "42e01f".parse().expect("a profile")) {
        assert!(choice.payload_type < 128 && sdp.contains("a=rtpmap:") && sdp.contains("m=video"));
    }
});
