use proptest::prelude::*;

use super::*;

fn device() -> Vec<u8> {
    vec![18, 1, 0, 2, 0xef, 2, 1, 64, 0x6d, 4, 0x2d, 8, 0x11, 0, 0, 2, 1, 1]
}

fn interface(number: u8, class: u8, subclass: u8) -> Vec<u8> {
    vec![9, 4, number, 0, 0, class, subclass, 0, 0]
}

fn unit(id: u8, guid: [u8; 16], inputs: &[u8], bitmap: &[u8]) -> Vec<u8> {
    let mut unit = vec![0, 0x24, 6, id];
    unit.extend(guid);
    unit.extend([9, inputs.len() as u8]);
    unit.extend(inputs);
    unit.push(bitmap.len() as u8);
    unit.extend(bitmap);
    unit.push(0);
    unit[0] = unit.len() as u8;
    unit
}

fn configuration() -> Vec<u8> {
    vec![9, 2, 0, 1, 2, 1, 0, 0x80, 250]
}

#[test]
fn the_unit_is_found_where_it_belongs() {
    let other = [7; 16];
    let all = [
        device(),
        configuration(),
        interface(0, 14, 1),
        vec![13, 0x24, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1],
        unit(3, other, &[1], &[0xff, 0xff]),
        unit(12, GUID, &[1, 3], &[0xff, 0x03, 0x01]),
        interface(1, 14, 2),
        // What stands in a streaming interface is another descriptor with the same number.
        unit(13, GUID, &[1], &[0xff]),
        interface(4, 14, 1),
        unit(14, GUID, &[], &[0x00, 0x21]),
    ]
    .concat();
    let found = find_unit(&all, 0).unwrap();
    assert_eq!((found.id, found.selectors), (12, Selectors(0x1_03ff)));
    assert!(found.selectors.has(Selector::PictureType) && !found.selectors.has(Selector::BitrateLayers));
    let second = find_unit(&all, 4).unwrap();
    assert_eq!(second.id, 14);
    assert!(second.selectors.has(Selector::BitrateLayers) && !second.selectors.has(Selector::ConfigProbe));
    assert_eq!(find_unit(&all, 1), None);
    assert_eq!(find_unit(&[], 0), None);
}

#[test]
fn junk_is_no_unit() {
    let good = [interface(0, 14, 1), unit(12, GUID, &[1], &[0xff])].concat();
    assert!(find_unit(&good, 0).is_some());
    for cut in 0..good.len() {
        assert_eq!(find_unit(&good[..cut], 0), None, "cut at {cut}");
    }
    for length in [0, 1] {
        assert_eq!(find_unit(&[&[length, 4][..], &good].concat(), 0), None, "would never end");
    }
    for (at, what) in [(9 + 21, "more inputs than it has"), (9 + 23, "a longer bitmap than it has")] {
        let mut bad = good.clone();
        bad[at] = 200;
        assert_eq!(find_unit(&bad, 0), None, "{what}");
    }
}

#[test]
fn the_configuration_keeps_what_is_not_asked_for() {
    let (size, rate) = (Size::new(1280, 720), FrameRate::new(30.0).unwrap());
    let mut config = Config::read((0..50).collect()).unwrap();
    config.ask(size, rate, Bitrate::kbps(2500), Duration::from_secs(10));
    assert_eq!((config.size(), config.bps(), config.interval()), (size, 2_500_000, Duration::from_secs(10)));
    let expected: Vec<u8> = [
        &333_333u32.to_le_bytes()[..],       // dwFrameInterval
        &2_500_000u32.to_le_bytes(),         // dwBitRate
        &[0x05, 0xa8, 10, 11],               // bmHints, wConfigurationIndex
        &[0x00, 0x05, 0xd0, 0x02],           // wWidth, wHeight
        &[16, 17, 0, 0, 20, 21, 0x10, 0x27], // wSliceUnits, wSliceMode, wProfile, wIFramePeriod
        &[24, 25, 26, 27, 1, 1, 30, 31, 32], // two delays, bUsageType, bRateControlMode, three scale modes
        &[0, 0, 35, 36, 0],                  // mux, format, CABAC, timestamp, reordered frames
        &(38..50).collect::<Vec<u8>>(),
    ]
    .concat();
    assert_eq!(config.bytes(), expected);
    config.ask(size, rate, Bitrate::kbps(2500), Duration::from_secs(100));
    assert_eq!(config.interval().as_millis(), 65_535, "the most that fits");
    assert_eq!(Config::read(vec![0; 45]), None);
    assert_eq!(Config::read(vec![0; 257]), None);
}

#[test]
fn messages_are_as_the_specification_has_them() {
    assert_eq!(PictureType::Idr.message(), [0, 0, 1, 0]);
    assert_eq!(PictureType::IdrWithSets.message(), [0, 0, 2, 0]);
    let mut layers = BitrateLayers([0xaa; 10]);
    layers.ask(Bitrate::kbps(300));
    assert_eq!(layers.0, [0xaa, 0xaa, 0xe0, 0x93, 4, 0, 0xe0, 0x93, 4, 0]);
    assert_eq!(layers.average(), 300_000);
    let bits = |selector| Selectors::default().with(selector).0;
    assert_eq!((bits(Selector::ConfigProbe), bits(Selector::BitrateLayers)), (1, 0x2000));
    assert!(!Selectors(0xffff).without(Selectors(0x2000)).has(Selector::BitrateLayers));
}

proptest! {
    #[test]
    fn no_descriptors_can_panic_it(junk in proptest::collection::vec(any::<u8>(), 0..600), number in 0u8..4) {
        let _ = find_unit(&junk, number);
    }

    /// Junk in the form of descriptors gets further.
    #[test]
    fn nor_can_almost_good_ones(
        parts in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..40), 0u8..3), 0..12),
        at in 0usize..200,
        byte: u8,
    ) {
        let mut all = Vec::new();
        for (mut part, kind) in parts {
            let body = match kind {
                0 => interface(0, 14, 1),
                1 => unit(5, GUID, &part[..part.len().min(4)], &part[part.len().min(4)..]),
                _ => { part.insert(0, 0x24); part.insert(0, part.len() as u8 + 1); part }
            };
            all.extend(body);
        }
        if let Some(old) = all.get_mut(at) {
            *old = byte;
        }
        let _ = find_unit(&all, 0);
    }

    #[test]
    fn any_configuration_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..300), kbps in 0u32..1_000_000) {
        if let Some(mut config) = Config::read(bytes) {
            let length = config.bytes().len();
            config.ask(Size::new(70_000, 1), FrameRate::new(1.0).unwrap(), Bitrate::kbps(kbps), Duration::from_secs(2));
            prop_assert_eq!((config.bytes().len(), config.bps()), (length, Bitrate::kbps(kbps).bps()));
        }
    }
}
