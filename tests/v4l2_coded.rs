//! A camera that gives H.264 and has codec controls for it: `vcam`, a driver of the virtual machine (tests/v4l2/README.md).
//! Runs there only, by name:
//!
//! ```text
//! GUEST_MODULES=vcam CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/v4l2/runner cargo test --test v4l2_coded
//! ```
#![allow(clippy::unwrap_used, clippy::panic)]

mod rig;

use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lunette::camera;
use lunette::camera::choose::Target;
use lunette::camera::device::{DeviceInfo, NodeKind};
use lunette::camera::steer::{KeyFrames, RateControl};
use lunette::camera::step::{Clock, Step};
use lunette::camera::v4l2::Coded;
use lunette::config::Video;
use lunette::media::frame::Frame;
use lunette::media::status::CameraState;
use lunette::media::stream::StreamId;
use lunette::media::units::{Bitrate, FrameRate, Size};
use openh264::decoder::Decoder;
use rig::{PATIENCE, Running, next, next_key};

static CAMERA: Mutex<()> = Mutex::new(());

fn lock() -> MutexGuard<'static, ()> {
    CAMERA.lock().unwrap_or_else(PoisonError::into_inner)
}

fn video() -> Video {
    let (size, fps) = (Size::new(320, 240), FrameRate::new(15.0).unwrap());
    Video { size, fps, bitrate: Bitrate::kbps(300), ..Video::default() }
}

fn vcam() -> DeviceInfo {
    let devices = camera::list();
    let found = devices.iter().find(|device| device.driver == "vcam" && device.node == NodeKind::Capture);
    found.unwrap_or_else(|| panic!("no vcam; run this in tests/v4l2/umlvm: {devices:?}")).clone()
}

/// What a control is set to, as the driver says.
fn control(name: &str) -> i64 {
    let output = Command::new("v4l2-ctl").arg("-d").arg(vcam().path).args(["-C", name]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(':').nth(1).unwrap_or_else(|| panic!("{name}: {text}")).trim().parse().unwrap()
}

fn open() -> Coded {
    let device = vcam();
    let target = Target { path: device.path.clone(), label: device.label(), size: video().size, rate: video().fps };
    Coded::open(&target, video().bitrate, Clock::start()).unwrap()
}

fn picture(coded: &mut Coded) -> Frame {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Step::Picture(_, frame, _) = coded.step().unwrap() {
            return frame;
        }
    }
    panic!("no picture");
}

#[test]
fn it_is_steered_by_its_controls() {
    let _lock = lock();
    let device = vcam();
    print!("{}", camera::probe_table(std::slice::from_ref(&device)));
    let steering = device.steering.unwrap();
    assert_eq!(steering.key_frames, KeyFrames::Control);
    assert_eq!((steering.bitrate, steering.key_interval), (RateControl::Control, RateControl::Control));

    let mut coded = open();
    let names = ["video_bitrate", "h264_i_frame_period", "repeat_sequence_header"];
    assert_eq!(names.map(control), [300_000, 150, 1], "key frames are rare: they come when asked for");
    for (kbps, taken) in [(1_500, 1_500_000), (50_000, 4_000_000), (50, 100_000)] {
        coded.set_bitrate(Bitrate::kbps(kbps));
        assert_eq!(control("video_bitrate"), taken, "of {kbps} kbit/s");
    }

    let mut decoder = Decoder::new().unwrap();
    let mut see = |frame: &Frame| assert!(decoder.decode(&frame.data).unwrap().is_some());
    let first = picture(&mut coded);
    assert!(first.key);
    see(&first);
    for round in 0..3 {
        for _ in 0..10 {
            let frame = picture(&mut coded);
            // The one that opening asked for may come after the one that the stream began with.
            assert!(round == 0 || !frame.key, "nobody asked for that key frame");
            see(&frame);
        }
        coded.force_key();
        // So many buffers may be filled already.
        let came = (0..5).any(|_| {
            let frame = picture(&mut coded);
            see(&frame);
            frame.key
        });
        assert!(came, "round {round}");
    }
}

#[tokio::test]
async fn one_that_takes_requests_and_gives_nothing_is_reopened() {
    let _lock = lock();
    let device = vcam();
    fs::write("/sys/module/vcam/parameters/deaf", "1").unwrap();
    let running = Running::on(&device.path, video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    let first = next_key(&mut viewer).await;
    next(&mut viewer).await;
    viewer.want_key_frame();
    let second = next_key(&mut viewer).await;
    fs::write("/sys/module/vcam/parameters/deaf", "0").unwrap();
    let waited = second.frame.captured - first.frame.captured;
    println!("a key frame after {waited:?}");
    assert!(waited >= Duration::from_millis(2900) && waited < Duration::from_secs(9), "{waited:?}");
    assert_eq!(control("h264_i_frame_period"), 30, "key frames come often, since they do not come when asked for");
    assert_eq!(running.status().state, CameraState::Live);
}
