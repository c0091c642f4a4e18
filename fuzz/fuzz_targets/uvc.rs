//! Any bytes as a USB device's descriptors, the first byte as the number of an interface; and as an encoder's configuration.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use lunette::camera::uvc::{Config, find_unit};
use lunette::media::units::{Bitrate, FrameRate, Size};

fuzz_target!(|data: &[u8]| {
    let Some((interface, descriptors)) = data.split_first() else { return };
    if let Some(unit) = find_unit(descriptors, *interface) {
        assert!(descriptors.windows(2).any(|pair| pair == [6, unit.id]));
    }
    if let (Some(mut config), Some(rate)) = (Config::read(data.to_vec()), FrameRate::new(30.0)) {
        config.ask(Size::new(640, 480), rate, Bitrate::kbps(500), Duration::from_secs(2));
        assert_eq!((config.size(), config.bps(), config.interval().as_secs()), (Size::new(640, 480), 500_000, 2));
        assert_eq!(config.bytes().len(), data.len());
    }
});
