use super::*;
use crate::camera::device::{Planes, SizeInfo};

const HD: Size = Size::new(1280, 720);
const VGA: Size = Size::new(640, 480);

/// Each format with its sizes and their rates.
type Formats<'a> = &'a [(&'a str, &'a [(Size, f64)])];

fn device(number: u32, formats: Formats<'_>) -> DeviceInfo {
    let sizes = |sizes: &[(Size, f64)]| sizes.iter().map(|(size, rate)| SizeInfo::single(*size, vec![*rate])).collect();
    let formats = formats.iter().map(|(fourcc, all)| FormatInfo {
        fourcc: (*fourcc).to_owned(),
        description: String::new(),
        compressed: false,
        sizes: sizes(all),
    });
    DeviceInfo {
        path: format!("/dev/video{number}").into(),
        driver: "uvcvideo".into(),
        card: "HD Webcam".into(),
        bus: String::new(),
        node: NodeKind::Capture,
        formats: formats.collect(),
        encoder: None,
        steering: None,
        plan: String::new(),
    }
}

fn other(number: u32, node: NodeKind) -> DeviceInfo {
    DeviceInfo { node, ..device(number, &[("H264", &[(HD, 30.0)])]) }
}

#[test]
fn auto_takes_h264_then_raw_then_the_test_card() {
    let h264 = || device(4, &[("YUYV", &[(HD, 10.0)]), ("H264", &[(VGA, 30.0), (HD, 30.0)])]);
    let yuyv = || device(0, &[("YUYV", &[(VGA, 30.0)])]);
    let bayer = || device(1, &[("pBAA", &[(HD, 30.0)]), ("RG10", &[(HD, 30.0)])]);
    let codec = || other(11, NodeKind::Other("an encoder (memory to memory)".into()));
    let denied = || other(2, NodeKind::Unreadable("/dev/video2: permission denied".into()));
    let table = [
        (vec![], "there is no /dev/video*; showing the test card"),
        (vec![bayer()], "the one V4L2 node gives nothing that can be used; showing the test card"),
        (vec![bayer(), codec()], "none of 2 V4L2 nodes gives anything that can be used; showing the test card"),
        (vec![codec(), denied()], "/dev/video2: permission denied; showing the test card"),
        (
            vec![yuyv(), codec(), h264()],
            "/dev/video4 (uvcvideo “HD Webcam”) gives H.264 1280×720 at 30 fps; passed through",
        ),
        (
            vec![bayer(), denied(), yuyv()],
            "/dev/video0 (uvcvideo “HD Webcam”) gives YUYV 640×480 at 30 fps; encoded by openh264",
        ),
    ];
    for (devices, reason) in table {
        assert_eq!(choose(&devices, &Video::default()).reason, reason);
    }
}

#[test]
fn a_raw_format_is_chosen_by_size_then_rate_then_cost() {
    let table: [(Formats<'_>, RawFormat, Size, f64); 6] = [
        (&[("YUYV", &[(HD, 10.0), (VGA, 30.0)]), ("MJPG", &[(HD, 30.0)])], RawFormat::Mjpg, HD, 30.0),
        (&[("YUYV", &[(HD, 30.0)]), ("MJPG", &[(HD, 60.0)])], RawFormat::Yuyv, HD, 30.0),
        (&[("MJPG", &[(HD, 30.0)]), ("NV12", &[(HD, 30.0)]), ("YU12", &[(HD, 29.97)])], RawFormat::Yu12, HD, 29.97),
        (&[("YUYV", &[(VGA, 30.0)]), ("MJPG", &[(Size::new(1920, 1080), 30.0)])], RawFormat::Yuyv, VGA, 30.0),
        (&[("GREY", &[(HD, 30.0)]), ("JPEG", &[(VGA, 15.0)])], RawFormat::Mjpg, VGA, 15.0),
        (&[("YUYV", &[])], RawFormat::Yuyv, HD, 30.0),
    ];
    for (formats, raw, size, rate) in table {
        let choice = choose_for(&device(0, formats), &[], &Video::default()).unwrap();
        let Plan::Raw(target, chosen, Maker::Software) = choice.plan else { unreachable!("{formats:?}") };
        assert_eq!((chosen, target.size, target.rate.fps()), (raw, size, rate), "{formats:?}");
    }
}

#[test]
fn ranges_of_sizes_and_rates_are_met() {
    let (min, max, step) = (Size::new(48, 48), Size::new(1024, 768), Size::new(16, 8));
    let sizes = SizeInfo {
        min: min.into(),
        max: max.into(),
        step: step.into(),
        rates: vec![25.0, 5.0],
        any_rate_between: true,
    };
    assert_eq!(sizes.nearest(HD), Size::new(1024, 720));
    assert_eq!(sizes.nearest(Size::new(333, 20)), Size::new(320, 48));
    assert_eq!((sizes.nearest_rate(30.0), sizes.nearest_rate(12.5)), (Some(25.0), Some(12.5)));
    let single = SizeInfo::single(HD, vec![60.0, 30.0, 15.0]);
    let rates = [120.0, 60.0, 30.0, 29.97, 20.0, 15.0, 1.0].map(|wanted| single.nearest_rate(wanted));
    assert_eq!(rates, [60.0, 60.0, 30.0, 30.0, 30.0, 15.0, 15.0].map(Some));
    assert_eq!(SizeInfo::single(HD, vec![]).nearest_rate(30.0), None);
    let broken = SizeInfo { max: Size::new(0, 0).into(), step: Size::new(0, 0).into(), ..sizes };
    assert_eq!(broken.nearest(HD), min, "a driver's nonsense is no panic");
}

#[test]
fn a_device_that_cannot_be_used_says_why() {
    let say = |device| choose_for(&device, &[], &Video::default()).unwrap_err().to_string();
    assert_eq!(
        say(device(1, &[("pBAA", &[]), ("RG10", &[])])),
        "/dev/video1 gives pBAA, RG10; Lunette needs H.264, YUYV, NV12, YU12 or MJPEG"
    );
    assert_eq!(say(other(3, NodeKind::Other("metadata".into()))), "/dev/video3: metadata");
}

/// An encoder as bcm2835-codec is.
fn encoder(number: u32, takes: &[&str], largest: u32) -> DeviceInfo {
    let square = |side| Size::new(side, side).into();
    let sizes = SizeRange { min: square(32), max: square(largest), step: square(2) };
    let takes = takes.iter().map(|fourcc| (*fourcc).to_owned()).collect();
    let info = EncoderInfo { planes: Planes::Multi, takes, sizes: Some(sizes), controls: vec![] };
    let (driver, card) = ("bcm2835-codec".into(), "bcm2835-codec-encode".into());
    DeviceInfo { driver, card, encoder: Some(info), node: NodeKind::Encoder, ..device(number, &[]) }
}

#[test]
fn a_hardware_encoder_is_taken_where_one_fits() {
    const UHD: Size = Size::new(3840, 2160);
    let pi = || encoder(11, &["YU12", "NV12", "YUYV"], 1920);
    let wanted = |encoder, size| Video { encoder, size, ..Video::default() };
    let auto = || wanted(Encoder::Auto, HD);
    type Row = (Vec<DeviceInfo>, Video, &'static str);
    let table: [Row; 9] = [
        (vec![device(0, &[("YUYV", &[(HD, 30.0)])]), pi()], auto(), "YUYV 1280×720 at 30 fps; encoded by /dev/video11"),
        (
            // NV12 is the cheapest to convert, but YUYV needs no conversion.
            vec![encoder(9, &["YUYV"], 1920), device(0, &[("NV12", &[(HD, 30.0)]), ("YUYV", &[(HD, 30.0)])])],
            auto(),
            "YUYV 1280×720 at 30 fps; encoded by /dev/video9",
        ),
        (
            vec![device(0, &[("YUYV", &[(HD, 10.0)]), ("MJPG", &[(HD, 30.0)])]), pi()],
            auto(),
            "MJPG 1280×720 at 30 fps; encoded by /dev/video11",
        ),
        (
            vec![device(0, &[("YUYV", &[(UHD, 30.0), (HD, 30.0)])]), pi()],
            wanted(Encoder::Auto, UHD),
            "YUYV 1280×720 at 30 fps; encoded by /dev/video11 (bcm2835-codec “bcm2835-codec-encode”), which takes up to 1920×1920",
        ),
        (
            vec![device(0, &[("YUYV", &[(UHD, 30.0)])]), pi()],
            wanted(Encoder::Auto, UHD),
            "encoded by openh264, since /dev/video11 (bcm2835-codec “bcm2835-codec-encode”) takes 32×32 to 1920×1920",
        ),
        (
            vec![device(0, &[("YUYV", &[(HD, 30.0)])]), encoder(9, &["NM12"], 1920), encoder(10, &["NV12"], 1920)],
            auto(),
            "encoded by /dev/video10",
        ),
        (
            vec![device(0, &[("YUYV", &[(HD, 30.0)])]), encoder(9, &["NM12"], 1920)],
            auto(),
            "encoded by openh264, since /dev/video9 (bcm2835-codec “bcm2835-codec-encode”) takes NM12",
        ),
        (vec![device(0, &[("YUYV", &[(HD, 30.0)])]), pi()], wanted(Encoder::Software, HD), "fps; encoded by openh264"),
        (vec![device(0, &[("H264", &[(HD, 30.0)])]), pi()], auto(), "passed through"),
    ];
    for (devices, video, reason) in table {
        let choice = choose(&devices, &video);
        assert!(choice.reason.contains(reason), "{}", choice.reason);
    }
    let (camera, bayer) = (device(0, &[("YUYV", &[(HD, 30.0)])]), device(1, &[("RG10", &[(HD, 30.0)])]));
    let hardware = wanted(Encoder::Hardware, HD);
    let refused = choose_for(&camera, &[], &hardware).unwrap_err().to_string();
    assert!(refused.starts_with("/dev/video0: there is no hardware encoder, and the software"), "{refused}");
    let Ok(Choice { plan: Plan::Raw(_, _, Maker::Hardware(codec)), .. }) = choose_for(&camera, &[pi()], &hardware)
    else {
        unreachable!("the encoder fits")
    };
    assert!(!codec.replaceable && codec.format == RawFormat::Yuyv);
    assert!(matches!(choose_for(&bayer, &[pi()], &auto()), Err(Lost::Format { .. })));
    assert_eq!(
        choose_for(&pi(), &[], &auto()).unwrap_err().to_string(),
        "/dev/video11: an H.264 encoder, not a camera"
    );
}

#[test]
fn a_pipelines_pixels_get_the_first_encoder_that_takes_them() {
    let (small, odd, pi) =
        (encoder(9, &["NV12"], 640), encoder(10, &["NM12", "MJPG"], 1920), encoder(11, &["NV12", "YU12"], 1920));
    let all = [device(0, &[("YUYV", &[(HD, 30.0)])]), small.clone(), odd.clone(), pi];
    let codec = |size, all: &[DeviceInfo], encoder| codec_for(size, all, &Video { encoder, ..Video::default() });
    let taken = |size, encoder| codec(size, &all, encoder).ok().flatten().map(|codec| (codec.path, codec.format));
    let eleven = Some(("/dev/video11".into(), RawFormat::Yu12));
    assert_eq!(taken(HD, Encoder::Auto), eleven);
    assert_eq!(taken(HD, Encoder::Hardware), eleven);
    assert_eq!(taken(VGA, Encoder::Auto), Some(("/dev/video9".into(), RawFormat::Nv12)));
    assert_eq!(taken(HD, Encoder::Software), None);
    assert!(matches!(codec(HD, &[small.clone(), odd.clone()], Encoder::Auto), Ok(None)));
    for (encoders, says) in [
        (vec![], "1280×720 of the GStreamer pipeline: there is no hardware encoder, and the software"),
        (vec![small], "(bcm2835-codec “bcm2835-codec-encode”) takes 32×32 to 640×640, and"),
        (vec![odd], "(bcm2835-codec “bcm2835-codec-encode”) takes NM12, MJPG, and"),
    ] {
        let refused = codec(HD, &encoders, Encoder::Hardware).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
}
