//! Any bytes as the buffers of a device, with a byte 0xff between them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lunette::media::access_unit::Assembler;
use lunette::media::h264::{Nal, nal_units};

fuzz_target!(|data: &[u8]| {
    let mut assembler = Assembler::new();
    for buffer in data.split(|b| *b == 0xff) {
        let Ok(Some(unit)) = assembler.push(buffer) else { continue };
        let units: Vec<_> = nal_units(&unit.data).collect();
        assert!(units.iter().all(|n| !n.0.is_empty() && !n.is_dispensable() && !n.is_forbidden()));
        assert_eq!(units.iter().map(|n| 4 + n.0.len()).sum::<usize>(), unit.data.len());
        assert_eq!(units.iter().any(|n| n.unit_type() == Nal::IDR), unit.key);
        if unit.key {
            assert_eq!(units[0].unit_type(), Nal::SPS);
            let mut decoder = Assembler::new();
            let again = decoder.push(&unit.data).expect("a key frame stands alone").expect("it has a picture");
            assert!(again.key && again.sps.is_some());
            assert_eq!(again.data, unit.data);
        }
    }
});
