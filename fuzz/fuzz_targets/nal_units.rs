//! Any bytes as an Annex B stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lunette::media::h264::nal_units;

fuzz_target!(|stream: &[u8]| {
    let mut again = Vec::new();
    for nal in nal_units(stream) {
        assert_ne!(nal.0.last(), Some(&0));
        assert!(!nal.0.windows(3).any(|w| w == [0, 0, 1]));
        assert!(nal.rbsp().len() <= nal.0.len());
        if let Some(header) = nal.slice_header() {
            assert_eq!(header.first_mb == 0, nal.begins_picture());
        }
        again.extend_from_slice(&[0, 0, 0, 1]);
        again.extend_from_slice(nal.0);
    }
    assert!(nal_units(&again).eq(nal_units(stream)));
});
