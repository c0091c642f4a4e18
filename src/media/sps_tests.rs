use proptest::prelude::*;

use super::super::bits::BitWriter;
use super::super::h264::escape;
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

/// Numbers that decide, one after the other, what is written.
struct Dice(std::vec::IntoIter<u32>);

impl Dice {
    fn below(&mut self, n: u32) -> u32 {
        self.0.next().unwrap_or(0) % n
    }

    fn flag(&mut self, w: &mut BitWriter) -> bool {
        let flag = self.below(2) == 1;
        w.flag(flag);
        flag
    }

    fn ue(&mut self, w: &mut BitWriter, below: u32) -> u32 {
        let value = self.below(below);
        w.ue(value);
        value
    }

    fn bits(&mut self, w: &mut BitWriter, n: u32) -> u32 {
        let value = self.below(1 << n.min(31));
        w.bits(n, value);
        value
    }
}

/// Writes a legal parameter set, and says how it is to be read.
fn written(dice: Vec<u32>) -> (Vec<u8>, Sps) {
    let d = &mut Dice(dice.into_iter());
    let w = &mut BitWriter::default();
    let profile = [66, 77, 88, 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135][d.below(16) as usize];
    w.bits(8, profile);
    let (constraints, level) = (d.bits(w, 8) as u8, d.bits(w, 8) as u8);
    let id = d.ue(w, 32) as u8;
    let (mut chroma_format, mut bit_depth) = (1, 8);
    if !matches!(profile, 66 | 77 | 88) {
        chroma_format = d.ue(w, 4) as u8;
        if chroma_format == 3 {
            d.flag(w); // with and without it 4:4:4 is cropped by the pixel
        }
        bit_depth += d.ue(w, 7) as u8;
        d.ue(w, 7);
        d.flag(w);
        if d.flag(w) {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if d.flag(w) {
                    write_scaling_list(d, w, if list < 6 { 16 } else { 64 });
                }
            }
        }
    }
    d.ue(w, 13);
    match d.ue(w, 3) {
        0 => _ = d.ue(w, 13),
        1 => {
            w.flag(true).se(i32::MIN + 1).se(d.below(99) as i32);
            for _ in 0..d.ue(w, 256) {
                w.se(d.below(99) as i32 - 50);
            }
        }
        _ => {}
    }
    let reference_frames = d.ue(w, 17);
    d.flag(w);
    let width = 16 * (d.ue(w, 512) + 1);
    let interlaced = d.below(2) == 1;
    let fields = if interlaced { 2 } else { 1 };
    let height = 16 * fields * (d.ue(w, 512 / fields) + 1);
    w.flag(!interlaced);
    if interlaced {
        d.flag(w);
    }
    d.flag(w);
    let mut size = Size::new(width, height);
    if d.flag(w) {
        let x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let y = fields * if chroma_format == 1 { 2 } else { 1 };
        let (left, top) = (d.ue(w, width / x), d.below(height / y));
        let right = d.ue(w, width / x - left);
        w.ue(top);
        let bottom = d.ue(w, height / y - top);
        size = Size::new(width - x * (left + right), height - y * (top + bottom));
    }
    let (rate, reorder_frames) = if d.flag(w) { write_vui(d, w) } else { (None, None) };
    let profile = ProfileLevelId { profile: profile as u8, constraints, level };
    let nal = [&[0x67], escape(&w.rbsp()).as_slice()].concat();
    (nal, Sps { id, profile, size, chroma_format, bit_depth, interlaced, reference_frames, rate, reorder_frames })
}

fn write_scaling_list(d: &mut Dice, w: &mut BitWriter, size: usize) {
    let mut last = 8;
    for _ in 0..size {
        let delta = d.below(256) as i32 - 128;
        w.se(delta);
        let next = (last + delta + 256) % 256;
        if next == 0 {
            return;
        }
        last = next;
    }
}

fn write_vui(d: &mut Dice, w: &mut BitWriter) -> (Option<FrameRate>, Option<u32>) {
    if d.flag(w) {
        let extended = d.below(2) == 1;
        w.bits(8, if extended { 255 } else { 1 });
        if extended {
            w.bits(16, 4).bits(16, 3);
        }
    }
    if d.flag(w) {
        d.flag(w);
    }
    if d.flag(w) {
        d.bits(w, 4);
        if d.flag(w) {
            d.bits(w, 24);
        }
    }
    if d.flag(w) {
        d.ue(w, 6);
        d.ue(w, 6);
    }
    let mut rate = None;
    if d.flag(w) {
        let (units, scale) = (d.below(3000), d.below(400_000));
        w.bits(32, units).bits(32, scale);
        d.flag(w);
        rate = FrameRate::new(f64::from(scale) / f64::from(2 * units));
    }
    let hrds = [(); 2].map(|()| {
        let present = d.flag(w);
        if present {
            let count = d.ue(w, 32) + 1;
            d.bits(w, 8);
            for _ in 0..count {
                d.ue(w, u32::MAX);
                d.ue(w, u32::MAX);
                d.flag(w);
            }
            d.bits(w, 20);
        }
        present
    });
    if hrds.contains(&true) {
        d.flag(w);
    }
    d.flag(w);
    let mut reorder = None;
    if d.flag(w) {
        d.flag(w);
        for _ in 0..4 {
            d.ue(w, 17);
        }
        reorder = Some(d.ue(w, 17));
        d.ue(w, 17);
    }
    (rate, reorder)
}

fn dice() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), 0..400)
}

proptest! {
    #[test]
    fn what_is_written_is_read(dice in dice()) {
        let (nal, sps) = written(dice);
        prop_assert_eq!(Sps::parse(Nal(&nal)), Ok(sps));
    }

    #[test]
    fn a_truncated_one_says_the_same_or_less(dice in dice(), cut: prop::sample::Index) {
        let (nal, sps) = written(dice);
        match Sps::parse(Nal(&nal[..cut.index(nal.len())])) {
            Ok(read) => prop_assert_eq!(Sps { rate: sps.rate, reorder_frames: sps.reorder_frames, ..read }, sps),
            Err(error) => prop_assert!(matches!(error, SpsError::Bits(BitError::End(_)) | SpsError::NotSps(0)), "{}", error),
        }
    }

    #[test]
    fn anything_can_be_read(dice in dice(), at: prop::sample::Index, noise: Vec<u8>) {
        let (mut nal, _) = written(dice);
        let at = 1 + at.index(nal.len() - 1);
        let end = nal.len().min(at + noise.len());
        nal[at..end].copy_from_slice(&noise[..end - at]);
        for nal in [nal, [&[0x67], noise.as_slice()].concat()] {
            if let Ok(sps) = Sps::parse(Nal(&nal)) {
                prop_assert!((1..=Sps::MAX_SIDE).contains(&sps.size.width), "{:?}", sps);
                prop_assert!((1..=Sps::MAX_SIDE).contains(&sps.size.height), "{:?}", sps);
            }
        }
    }
}
