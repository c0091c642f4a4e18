//! Any bytes as an access unit to be packetized, and as the payloads of one.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use lunette::media::depacketize::depacketize;
use lunette::media::h264::nal_units;
use lunette::media::rtp::Burst;

fuzz_target!(|data: &[u8]| {
    let burst = Burst::packetize(data);
    let payloads: Vec<Bytes> = Burst::payloads(burst.as_bytes().clone()).collect();
    let wanted: Vec<_> = nal_units(data).filter(|n| !n.is_dispensable()).map(|n| n.0.to_vec()).collect();
    assert_eq!(depacketize(&payloads), Ok(wanted));

    let garbage: Vec<Bytes> = Burst::payloads(Bytes::copy_from_slice(data)).collect();
    assert!(garbage.iter().map(|p| 2 + p.len()).sum::<usize>() <= data.len());
    let _ = depacketize(&garbage);
});
