use super::*;

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn parse(text: &str) -> Result<Sps, SpsError> {
    Sps::parse(Nal(&hex(text)))
}

/// Made by x264; what was asked of it, and what is to be read.
#[test]
fn real_ones_are_read() {
    for (what, text, profile, (width, height), fps, chroma_format, bit_depth, reorder) in [
        ("baseline", "6742c01fd9005005bb0110000003001000000303c0f1832480", "42c01f", (1280, 720), 30.0, 1, 8, 0),
        ("main", "674d401eeca0501ed808800000030080000019078b16cb", "4d401e", (640, 480), 25.0, 1, 8, 2),
        ("high", "6764002aacd940780227e5c044000003000400000301e03c60c658", "64002a", (1920, 1080), 60.0, 1, 8, 2),
        (
            "10 bit",
            "677a001eb6cd940b4126c04400000fa40002ee003c58b658",
            "7a001e",
            (720, 576),
            24000.0 / 1001.0,
            2,
            10,
            2,
        ),
        ("4:4:4", "67f4000d919b282a10f1f1f80880000003008000001e078a14cb", "f4000d", (322, 242), 30.0, 3, 8, 2),
        ("cropped", "67640020acb200ac0c3cd58088000003000800000300f478c19240", "640020", (1366, 766), 15.0, 1, 8, 0),
        ("grey", "6764000af365109b016c80000003008000001e078912cb", "64000a", (64, 64), 30.0, 0, 8, 2),
    ] {
        let sps = parse(text).unwrap();
        assert_eq!((sps.id, sps.profile.to_string()), (0, profile.to_owned()), "{what}");
        assert_eq!((sps.size, sps.interlaced), (Size::new(width, height), false), "{what}");
        assert_eq!((sps.chroma_format, sps.bit_depth), (chroma_format, bit_depth), "{what}");
        assert_eq!((sps.rate, sps.reorder_frames), (FrameRate::new(fps), Some(reorder)), "{what}");
    }
}

#[test]
fn interlaced_with_hrd() {
    let sps = parse("67640028acd94078044fde022000000300200000064c4c001e848003d09498601f162d96").unwrap();
    assert_eq!((sps.size, sps.interlaced), (Size::new(1920, 1080), true));
    assert_eq!((sps.rate, sps.reorder_frames), (FrameRate::new(25.0), Some(2)));
}

#[test]
fn a_broken_vui_is_ignored() {
    let whole = "6742c01fd9005005bb0110000003001000000303c0f1832480";
    for (cut, rate) in [(2, true), (16, false), (28, false)] {
        let sps = parse(&whole[..whole.len() - cut]).unwrap();
        assert_eq!((sps.size, sps.rate.is_some()), (Size::new(1280, 720), rate), "{cut}");
        assert_eq!(sps.reorder_frames.is_some(), cut == 2, "{cut}");
    }
}

#[test]
fn errors_say_what_and_where() {
    for (text, error) in [
        ("68ce", "a NAL unit of type 8 is no sequence parameter set"),
        ("67", "sequence parameter set: the data ends at bit 0, in the middle of a value"),
        ("6742c0", "sequence parameter set: the data ends at bit 16, in the middle of a value"),
        ("6742c01f00000000ff", "sequence parameter set: the Exp-Golomb code at bit 24 is longer than 63 bits"),
        ("6742c01f0420", "sequence parameter set: seq_parameter_set_id before bit 35 is 32, which is out of range"),
    ] {
        assert_eq!(parse(text).map_err(|e| e.to_string()), Err(error.to_owned()), "{text}");
    }
    assert_eq!(Sps::parse(Nal(&[0x67; 5000])), Err(SpsError::TooLong(5000)));
}
