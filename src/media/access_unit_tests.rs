use proptest::prelude::*;

use super::super::units::Size;
use super::*;

const SPS: &[u8] =
    b"\x67\x42\xc0\x1f\xd9\x00\x50\x05\xbb\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\xc0\xf1\x83\x24\x80";
const SPS_VGA: &[u8] = b"\x67\x4d\x40\x1e\xec\xa0\x50\x1e\xd8\x08\x80\x00\x00\x03\x00\x80\x00\x00\x19\x07\x8b\x16\xcb";
const PPS: &[u8] = &[0x68, 0xcb, 0x83];
/// pic_parameter_set_id 1.
const PPS_1: &[u8] = &[0x68, 0b0101_1000, 0x83];
const SEI: &[u8] = &[6, 5, 1, 9, 0x80];
const AUD: &[u8] = &[9, 0xf0];
const FILLER: &[u8] = &[12, 0xff, 0x80];
const END: &[u8] = &[10];
/// first_mb 0, slice type 7 (I), PPS 0.
const IDR: &[u8] = &[0x65, 0x88, 0x80, 0x10];
/// first_mb 0, slice type 5 (P), PPS 0.
const P: &[u8] = &[0x41, 0x9a, 0x02];
/// first_mb 1, slice type 5 (P), PPS 0.
const SECOND: &[u8] = &[0x41, 0b0100_0110, 0b1000_0001];

fn stream(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&START_CODE, *unit].concat()).collect()
}

fn push(assembler: &mut Assembler, units: &[&[u8]]) -> Result<Option<(bool, Vec<u8>)>, AccessUnitError> {
    Ok(assembler.push(&stream(units))?.map(|unit| (unit.key, unit.data.to_vec())))
}

#[test]
fn what_is_canonical_stays_as_it_is() {
    let mut assembler = Assembler::new();
    let key = stream(&[SPS, PPS, SEI, IDR]);
    let unit = assembler.push(&key).unwrap().unwrap();
    assert!(unit.key);
    assert_eq!(unit.data, key);
    assert_eq!(unit.sps.unwrap().size, Size::new(1280, 720));
    let next = assembler.push(&stream(&[SEI, P, SECOND])).unwrap().unwrap();
    assert_eq!((next.key, next.sps), (false, None));
    assert_eq!(next.data, stream(&[SEI, P, SECOND]));
}

#[test]
fn headers_in_buffers_of_their_own() {
    let mut assembler = Assembler::new();
    assert_eq!(push(&mut assembler, &[AUD, SPS]), Ok(None));
    assert_eq!(push(&mut assembler, &[PPS, SEI]), Ok(None));
    for _ in 0..2 {
        assert_eq!(push(&mut assembler, &[IDR]), Ok(Some((true, stream(&[SPS, PPS, IDR])))));
        assert_eq!(push(&mut assembler, &[P]), Ok(Some((false, stream(&[P])))));
    }
    assert_eq!(push(&mut assembler, &[SEI, IDR]), Ok(Some((true, stream(&[SPS, PPS, SEI, IDR])))));
    assert_eq!(push(&mut assembler, &[SPS, IDR]), Ok(Some((true, stream(&[SPS, PPS, IDR])))));
    assert_eq!(push(&mut assembler, &[PPS, IDR]), Ok(Some((true, stream(&[SPS, PPS, IDR])))));
    assert_eq!(push(&mut assembler, &[PPS_1, IDR]), Ok(Some((true, stream(&[SPS, PPS, PPS_1, IDR])))));
}

#[test]
fn what_nobody_needs_is_removed() {
    let mut assembler = Assembler::new();
    let kept = stream(&[SPS, PPS, IDR, IDR]);
    assert_eq!(push(&mut assembler, &[AUD, SPS, PPS, IDR, FILLER, IDR, END, &[11]]), Ok(Some((true, kept))));
    let mut short = stream(&[]);
    for unit in [AUD, SPS, PPS, IDR] {
        short.extend([&START_CODE[1..], unit, &[0, 0, 0]].concat());
    }
    let unit = assembler.push(&[&[7, 7][..], &short].concat()).unwrap().unwrap();
    assert_eq!(unit.data, stream(&[SPS, PPS, IDR]));
}

#[test]
fn sets_behind_a_picture_are_for_the_next() {
    let mut assembler = Assembler::new();
    assert_eq!(push(&mut assembler, &[SPS, PPS, IDR, SPS_VGA]), Ok(Some((true, stream(&[SPS, PPS, IDR])))));
    let next = assembler.push(&stream(&[IDR])).unwrap().unwrap();
    assert_eq!(next.data, stream(&[SPS_VGA, PPS, IDR]));
    assert_eq!(next.sps.unwrap().size, Size::new(640, 480));
}

#[test]
fn garbage_is_an_error_and_passes() {
    use AccessUnitError::*;
    let mut assembler = Assembler::new();
    assert_eq!(push(&mut assembler, &[IDR]), Err(NoParameterSets));
    assert_eq!(push(&mut assembler, &[SPS, IDR]), Err(NoParameterSets));
    assert_eq!(push(&mut assembler, &[PPS, P]).map(|u| u.is_some()), Ok(true));
    for (buffer, error) in [
        (&[][..], NoStartCode(0)),
        (&[0; 9], NoStartCode(9)),
        (&[0, 0, 1, 0x41, 0x9a, 2, 0, 0, 1, 0, 0, 0, 1], EmptyNal(9)),
        (&[0, 0, 0, 1, 0xc1, 0x9a], Forbidden(4)),
        (&[0, 0, 0, 1, 0x41], Slice(4)),
        (&[0, 0, 0, 1, 0x68], Pps(4)),
        (&stream(&[SECOND]), MiddleOfPicture),
        (&stream(&[&[0x41, 0b1001_1001, 0x80]]), NoParameterSets),
        (&stream(&vec![&[6, 1][..]; 4097]), TooManyNals),
        (&stream(&[P, &vec![1; MAX_BYTES]]), TooLarge(MAX_BYTES + 8 + P.len())),
    ] {
        assert_eq!(assembler.push(buffer).map(|u| u.is_some()), Err(error));
        assert_eq!(push(&mut assembler, &[IDR]), Ok(Some((true, stream(&[SPS, PPS, IDR])))), "after {error}");
    }
}

#[test]
fn a_broken_sps_stops_pictures_until_the_next_good_one() {
    let mut assembler = Assembler::new();
    push(&mut assembler, &[SPS, PPS, IDR]).unwrap();
    assert!(matches!(push(&mut assembler, &[&SPS[..6], PPS, IDR]), Err(AccessUnitError::Sps(SpsError::Bits(_)))));
    assert_eq!(push(&mut assembler, &[P]), Err(AccessUnitError::NoParameterSets));
    assert!(assembler.push(&stream(&[SPS, IDR])).unwrap().unwrap().sps.is_none(), "it is the same again");
}

#[test]
fn what_a_lost_picture_would_have_told_is_told_by_the_next() {
    let mut assembler = Assembler::new();
    assert!(matches!(push(&mut assembler, &[SPS, PPS, IDR, &PPS[..1]]), Err(AccessUnitError::Pps(_))));
    assert!(assembler.push(&stream(&[IDR])).unwrap().unwrap().sps.is_some());
}

#[test]
fn parameter_sets_are_bounded() {
    let mut assembler = Assembler::new();
    let pps = |id: u32, len: usize| {
        let mut nal = vec![0x68];
        nal.extend(super::super::bits::BitWriter::default().ue(id).ue(0).rbsp());
        nal.resize(len, 0x55);
        nal
    };
    for id in 0..4 {
        assert_eq!(push(&mut assembler, &[&pps(id, 4096)]), Ok(None));
    }
    assert_eq!(push(&mut assembler, &[&pps(4, 8)]), Err(AccessUnitError::TooManySets));
    assert_eq!(push(&mut assembler, &[&pps(3, 2048)]), Ok(None), "in place of the old one");
    assert_eq!(push(&mut assembler, &[&pps(4, 8)]), Ok(None));
    assembler.reset();
    assert_eq!(push(&mut assembler, &[IDR]), Err(AccessUnitError::NoParameterSets));
}

fn is_set(unit: &[u8]) -> bool {
    matches!(Nal(unit).unit_type(), Nal::SPS | Nal::PPS)
}

/// Checks what is promised of every access unit.
fn check(unit: &AccessUnit) -> Result<(), TestCaseError> {
    let units: Vec<_> = nal_units(&unit.data).collect();
    prop_assert_eq!(stream(&units.iter().map(|n| n.0).collect::<Vec<_>>()), unit.data.to_vec(), "canonical");
    prop_assert!(units.iter().all(|n| !n.is_dispensable() && !n.is_forbidden() && !n.0.is_empty()));
    prop_assert_eq!(units.iter().any(|n| n.unit_type() == Nal::IDR), unit.key);
    if unit.key {
        let sps = units.iter().take_while(|n| n.unit_type() == Nal::SPS).count();
        let pps = units[sps..].iter().take_while(|n| n.unit_type() == Nal::PPS).count();
        prop_assert!(sps > 0 && pps > 0);
        prop_assert!(units[sps + pps..].iter().all(|n| !is_set(n.0)));
        let alone = Assembler::new().push(&unit.data).map(|u| u.map(|u| (u.key, u.data, u.sps.is_some())));
        prop_assert_eq!(alone, Ok(Some((true, unit.data.clone(), true))), "a decoder can start here");
    }
    Ok(())
}

fn any_unit() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![SPS, SPS_VGA, PPS, PPS_1, SEI, AUD, FILLER, END, IDR, P, SECOND]);
    let noise = prop::collection::vec(prop_oneof![2 => 0..4u8, 1 => any::<u8>()], 0..20);
    prop_oneof![
        20 => known.clone().prop_map(<[u8]>::to_vec),
        1 => (known, noise.clone()).prop_map(|(unit, noise)| [unit, noise.as_slice()].concat()),
        1 => noise,
    ]
}

proptest! {
    #[test]
    fn promises_hold_for_any_buffers(buffers in prop::collection::vec(prop::collection::vec(any_unit(), 0..6), 1..12)) {
        let mut assembler = Assembler::new();
        let mut told = None;
        for units in buffers {
            let buffer = stream(&units.iter().map(Vec::as_slice).collect::<Vec<_>>());
            if let Ok(Some(unit)) = assembler.push(&buffer) {
                check(&unit)?;
                prop_assert!(unit.sps.is_none_or(|sps| told != Some(sps)), "only news are told");
                told = unit.sps.or(told);
                prop_assert!(told.is_some());
                // Of what stood in the buffer only parameter sets and the dispensable can be missing.
                let mut rest = nal_units(&unit.data).map(|n| n.0);
                for wanted in nal_units(&buffer).filter(|n| !is_set(n.0) && !n.is_dispensable()) {
                    prop_assert!(rest.any(|n| n == wanted.0));
                }
            }
            prop_assert!(assembler.sets.units().map(<[u8]>::len).sum::<usize>() <= MAX_SETS);
        }
    }

    #[test]
    fn headers_apart_make_no_difference(pictures in prop::collection::vec(any::<bool>(), 1..8)) {
        let (mut together, mut apart) = (Assembler::new(), Assembler::new());
        for (i, key) in pictures.into_iter().enumerate() {
            let key = key || i == 0;
            let whole: &[&[u8]] = if key { &[AUD, SPS, PPS, SEI, IDR] } else { &[AUD, SEI, P, SECOND] };
            if i == 0 {
                prop_assert_eq!(push(&mut apart, &[SPS, PPS]), Ok(None));
            }
            let bare: Vec<_> = whole.iter().copied().filter(|u| !is_set(u)).collect();
            prop_assert_eq!(push(&mut together, whole), push(&mut apart, &bare));
        }
    }

    #[test]
    fn a_truncated_buffer_harms_no_other(cut: prop::sample::Index) {
        let mut assembler = Assembler::new();
        let whole = stream(&[SPS, PPS, SEI, IDR]);
        if let Ok(Some(unit)) = assembler.push(&whole[..cut.index(whole.len())]) {
            check(&unit)?;
        }
        let unit = assembler.push(&whole).unwrap().unwrap();
        check(&unit)?;
        prop_assert_eq!(unit.data, whole);
    }

    #[test]
    fn any_bytes_can_be_pushed(buffers: Vec<Vec<u8>>) {
        let mut assembler = Assembler::new();
        for buffer in buffers {
            if let Ok(Some(unit)) = assembler.push(&buffer) {
                check(&unit)?;
            }
        }
    }
}
