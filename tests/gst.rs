//! GStreamer pipelines as cameras: real elements, real encoders, a real RTSP server.
#![allow(clippy::unwrap_used, clippy::panic)]

mod rig;

use std::time::{Duration, Instant};

use lunette::camera;
use lunette::camera::gst::check;
use lunette::config::{Camera, Config, Gst, Video};
use lunette::hub::{self, Event, Subscription};
use lunette::media::h264::nal_units;
use lunette::media::status::CameraState;
use lunette::media::stream::StreamId;
use lunette::media::units::{Bitrate, FrameRate, Size};
use rig::{Eye, PATIENCE, Running, next, next_key};
use tokio_util::sync::CancellationToken;

fn video(w: u32, h: u32, fps: f64, kbps: u32) -> Video {
    Video { size: Size::new(w, h), fps: FrameRate::new(fps).unwrap(), bitrate: Bitrate::kbps(kbps), ..Video::default() }
}

fn small() -> Video {
    video(320, 240, 15.0, 500)
}

/// `[camera.gst]` with these keys.
fn gst(keys: &str) -> Gst {
    match Config::parse(&format!("[camera.gst]\n{keys}")).unwrap().camera {
        Camera::Gst(gst) => gst,
        other => panic!("{other:?}"),
    }
}

fn pipeline(text: &str) -> Camera {
    Camera::Gst(gst(&format!("pipeline = '''{text}'''")))
}

/// Colour bars, and noise in a corner: each picture differs from the one before.
const MOVING: &str = "videotestsrc is-live=true";

/// Waits for a loss, and gives its text.
async fn loss(running: &Running) -> String {
    running.until(CameraState::Lost).await.text
}

/// The next pictures, none missed.
async fn pictures(viewer: &mut Subscription, count: usize) -> Vec<lunette::media::frame::Frame> {
    let mut frames = Vec::new();
    while frames.len() < count {
        match tokio::time::timeout(PATIENCE, viewer.next()).await.expect("a picture") {
            Event::Picture(picture) => frames.push(picture.frame.clone()),
            other => panic!("{other:?}"),
        }
    }
    frames
}

#[tokio::test]
async fn pixels_are_encoded_and_shown() {
    for source in [
        // The end is open: size and rate are those of [video].
        MOVING.to_owned(),
        // It is not, and the format has to be converted.
        format!("{MOVING} ! video/x-raw,format=YUY2,width=320,height=240,framerate=15/1"),
        format!("{MOVING} ! video/x-raw,format=NV12,width=320,height=240"),
        // A queue may give anything, until something is in it.
        format!("{MOVING} ! queue"),
    ] {
        let running = Running::start(pipeline(&source), small());
        let mut viewer = running.hub.subscribe(StreamId::Main);
        let mut eye = Eye::new();
        let mut last = next(&mut viewer).await.frame.clone();
        assert!(last.key, "{source}");
        eye.see(&last.data);
        for _ in 0..20 {
            let frame = next(&mut viewer).await.frame.clone();
            assert!(frame.at > last.at, "{source}: media time goes on");
            assert!(frame.captured.elapsed() < Duration::from_secs(2), "{source}: {:?}", frame.captured.elapsed());
            eye.see(&frame.data);
            last = frame;
        }
        assert_eq!(eye.size, (320, 240), "{source}");
        assert!(eye.moves >= 18, "{source}: {} of 20 pictures differ", eye.moves);
        let stream = running.until(CameraState::Live).await.stream;
        assert_eq!((stream.encoder.as_str(), stream.size), ("openh264", Some(Size::new(320, 240))), "{source}");
        assert_eq!(stream.source, "GStreamer (videotestsrc)", "{source}");
    }
}

/// The encoders that Debian has, made to give one slice a picture and to look not ahead.
const ENCODERS: [(&str, &str); 2] = [
    ("x264enc", "x264enc tune=zerolatency sliced-threads=false threads=1 speed-preset=ultrafast key-int-max=3000"),
    ("openh264enc", "openh264enc complexity=low gop-size=3000 multi-thread=1 slice-mode=n-slices num-slices=1"),
];

#[tokio::test]
async fn h264_is_passed_on_as_it_is() {
    for (name, encoder) in ENCODERS {
        let running = Running::start(pipeline(&format!("{MOVING} ! {encoder}")), small());
        let mut viewer = running.hub.subscribe(StreamId::Main);
        let mut eye = Eye::new();
        for n in 0..20 {
            let frame = next(&mut viewer).await.frame.clone();
            assert_eq!(frame.key, n == 0, "{name}: picture {n}");
            let types: Vec<u8> =
                nal_units(&frame.data).map(|nal| nal.unit_type()).filter(|t| (1..9).contains(t)).collect();
            let slices = types.iter().filter(|t| matches!(t, 1 | 5)).count();
            assert_eq!(slices, 1, "{name}: one slice a picture: {types:?}");
            if frame.key {
                assert!(types.starts_with(&[7, 8]), "{name}: {types:?}");
            }
            eye.see(&frame.data);
        }
        assert_eq!(eye.size, (320, 240), "{name}");
        assert!(eye.moves >= 18, "{name}: {} of 19 pictures differ", eye.moves);
        let stream = running.until(CameraState::Live).await.stream;
        assert_eq!((stream.encoder.as_str(), stream.rate), (name, FrameRate::new(15.0)), "{name}");
        let profile = stream.profile.unwrap();
        assert!(profile.profile == 0x42, "{name}: browsers take {profile:?}");
    }
}

#[tokio::test]
async fn a_key_frame_comes_when_asked_for() {
    for (name, encoder) in ENCODERS {
        let running = Running::start(pipeline(&format!("{MOVING} ! {encoder}")), small());
        let mut viewer = running.hub.subscribe(StreamId::Main);
        assert!(next(&mut viewer).await.frame.key, "{name}");
        for _ in 0..3 {
            // Past the hub's own spacing.
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(600) {
                assert!(!next(&mut viewer).await.frame.key, "{name}: nobody asked");
            }
            viewer.want_key_frame();
            let came = pictures(&mut viewer, 4).await.iter().any(|frame| frame.key);
            assert!(came, "{name}: within four pictures");
        }
    }
}

#[tokio::test]
async fn the_bitrate_follows_while_it_runs() {
    for (name, encoder) in ENCODERS {
        // Much detail that moves, so that there is always more to say than there are bits.
        let source = format!("videotestsrc is-live=true pattern=zone-plate kx2=20 ky2=20 kt=2 ! {encoder} ");
        let bitrate = if name == "openh264enc" { "rate-control=bitrate" } else { "" };
        let video = video(320, 240, 30.0, 2000);
        let (out, hub, demand) = hub::open(video.bitrates());
        let mut wish = *demand.borrow();
        drop(demand);
        let (wishes, demand) = tokio::sync::watch::channel(wish);
        let stop = CancellationToken::new();
        let camera = pipeline(&format!("{source}{bitrate}"));
        let thread = camera::spawn(camera, video.clone(), demand, out, stop.clone()).unwrap();
        let mut viewer = hub.subscribe(StreamId::Main);
        wish.main.watched = true;
        wishes.send_replace(wish);
        let mut kbps = async |skip: usize| {
            pictures(&mut viewer, skip).await;
            let frames = pictures(&mut viewer, 45).await;
            frames.iter().map(|frame| frame.data.len()).sum::<usize>() * 8 * 30 / 45 / 1000
        };
        let full = kbps(30).await;
        wish.main.bitrate = Bitrate::kbps(500);
        wishes.send_replace(wish);
        let quarter = kbps(45).await;
        wish.main.bitrate = video.bitrate;
        wishes.send_replace(wish);
        let again = kbps(45).await;
        println!("{name}: 2000 kbit/s gives {full}, 500 gives {quarter}, 2000 gives {again}");
        assert!(quarter * 2 < full, "{name}: {full} → {quarter} kbit/s");
        assert!(again > quarter * 2, "{name}: {quarter} → {again} kbit/s");
        stop.cancel();
        thread.join().unwrap();
    }
}

/// The time that threads of this name have worked, in clock ticks. GStreamer names a pipeline's threads after the pads that
/// they drive, and keeps them for a while.
fn busy(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let ours = stats.filter(|stat| stat.contains(&format!("({name}")));
    // Fields 14 and 15 of proc(5); the name in parentheses is the second.
    ours.flat_map(|stat| {
        let rest = stat.rsplit(')').next().unwrap().to_owned();
        rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).collect::<Vec<_>>()
    })
    .sum()
}

#[tokio::test]
async fn nothing_runs_while_nobody_watches() {
    // Other tests have threads too, but none of this name.
    const QUIET: &str = "quiet-one";
    let text = format!("{MOVING} ! queue name={QUIET} ! {}", ENCODERS[0].1);
    let running = Running::start(pipeline(&text), small());
    running.until(CameraState::Idle).await;
    for _ in 0..3 {
        let mut viewer = running.hub.subscribe(StreamId::Main);
        pictures(&mut viewer, 10).await;
        drop(viewer);
        running.until(CameraState::Idle).await;
        let before = busy(QUIET);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(busy(QUIET) <= before, "nobody watches, and yet it works");
    }
}

#[tokio::test]
async fn a_pipeline_that_ends_is_a_loss_and_begins_again() {
    let running = Running::start(pipeline("videotestsrc is-live=true num-buffers=15"), small());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    for round in 0..2 {
        assert!(next_key(&mut viewer).await.frame.key);
        assert_eq!(loss(&running).await, "GStreamer: the pipeline came to its end", "round {round}");
    }
    next_key(&mut viewer).await;
}

#[tokio::test]
async fn an_error_in_the_middle_is_told_with_its_element() {
    let running = Running::start(pipeline(&format!("{MOVING} ! identity name=bad error-after=20")), small());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    next_key(&mut viewer).await;
    assert_eq!(loss(&running).await, "GStreamer: identity `bad`: Failed after iterations as requested");
    next_key(&mut viewer).await;
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    for (text, says) in [
        (
            "v4l2src device=/dev/video99",
            "v4l2src: Cannot identify device '/dev/video99': system error: No such file or directory",
        ),
        ("videotestsrc ! h264prase", "there is no GStreamer element `h264prase`"),
        ("videotestsrc ! libcamerasrc", "is not installed: sudo apt install gstreamer1.0-libcamera"),
        ("videotestsrc patern=ball", "no property \"patern\" in element \"videotestsrc\""),
        ("videotestsrc ! ! identity", "syntax error"),
        ("videotestsrc ! fakesink", "it has no open end"),
        ("videotestsrc ! tee name=t ! queue t. ! queue", "it has 2 open ends (queue, queue)"),
        (
            "videotestsrc ! jpegenc",
            "it gives image/jpeg, and Lunette needs video/x-h264 or video/x-raw; put `! jpegdec`",
        ),
        ("audiotestsrc", "it gives audio/x-raw, and Lunette needs"),
        ("filesrc location=/nowhere ! decodebin", "filesrc: Resource not found: No such file \"/nowhere\""),
    ] {
        let running = Running::start(pipeline(text), small());
        let _viewer = running.hub.subscribe(StreamId::Main);
        let lost = loss(&running).await;
        assert!(lost.starts_with("GStreamer: ") && lost.contains(says), "{text}: {lost}");
    }
}

#[test]
fn check_finds_what_it_can_without_opening_anything() {
    let wrong = |keys: &str| check(&gst(keys), &small()).unwrap_err();
    let near = |keys: &str| wrong(keys).near;
    assert_eq!(near("pipeline = 'videotestsrc ! x264encx'").as_deref(), Some("x264encx"));
    assert_eq!(near("pipeline = 'videotestsrc patern=ball'").as_deref(), Some("patern"));
    assert_eq!(near("pipeline = 'videotestsrc pattern=bal'").as_deref(), Some("bal"));
    assert_eq!(wrong("pipeline = 'videotestsrc ! !'").message, "syntax error");
    assert!(wrong("pipeline = 'videotestsrc ! fakesink'").message.starts_with("it has no open end"));
    assert!(wrong("pipeline = 'videotestsrc ! jpegenc'").message.contains("jpegdec"));
    for good in [
        "pipeline = 'v4l2src device=/dev/video99'",
        "pipeline = 'videotestsrc ! x264enc'",
        "pipeline = 'uridecodebin uri=file:///nowhere'",
        "preset = 'rtsp'\nurl = 'rtsp://camera.example.net/'",
    ] {
        assert_eq!(check(&gst(good), &small()), Ok(vec![]), "{good}");
    }
    let missing = check(&gst("preset = 'rockchip'"), &small()).unwrap();
    assert_eq!(
        missing,
        [
            "the GStreamer element `mpph264enc` is not installed: it comes with Rockchip's package gstreamer1.0-rockchip1"
        ]
    );
}
