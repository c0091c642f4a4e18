//! Any bytes as a sequence parameter set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lunette::media::h264::Nal;
use lunette::media::sps::Sps;

fuzz_target!(|nal: &[u8]| {
    match Sps::parse(Nal(nal)) {
        Ok(sps) => {
            assert!((1..=Sps::MAX_SIDE).contains(&sps.size.width));
            assert!((1..=Sps::MAX_SIDE).contains(&sps.size.height));
            assert!(sps.id < 32 && sps.chroma_format < 4 && (8..=14).contains(&sps.bit_depth));
            assert_eq!(sps.profile.to_string().parse(), Ok(sps.profile));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
