//! A USB camera that gives H.264, through the kernel's own `uvcvideo`. Runs in the virtual machine only
//! (tests/v4l2/README.md), by name:
//!
//! ```text
//! GUEST_MODULES='dummy_hcd,raw_gadget,uvcvideo' \
//!     CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/v4l2/runner cargo test --test v4l2_uvc
//! ```
//!
//! The camera is a program, which is compiled here: ending it is unplugging, pausing it is a camera that hangs.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
mod rig;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::watcher::Watcher;
use common::{Stage, descriptors, resident_bytes};
use lunette::camera;
use lunette::camera::choose::Target;
use lunette::camera::steer::{KeyFrames, RateControl};
use lunette::camera::step::{Clock, Step};
use lunette::camera::testcard::read_stamp;
use lunette::camera::v4l2::Coded;
use lunette::config::{Camera, V4l2, Video};
use lunette::media::status::CameraState;
use lunette::media::stream::StreamId;
use lunette::media::units::{Bitrate, FrameRate};
use rig::usb::{FPS, FREQUENT, RARE, SHORT, SIZE, Usb};
use rig::viewer::Viewer;
use rig::{Eye, PATIENCE, Running, next, next_key};

static CAMERA: Mutex<()> = Mutex::new(());

fn lock() -> MutexGuard<'static, ()> {
    CAMERA.lock().unwrap_or_else(PoisonError::into_inner)
}

fn video() -> Video {
    Video { size: SIZE, fps: FrameRate::new(15.0).unwrap(), bitrate: Bitrate::kbps(300), ..Video::default() }
}

#[tokio::test]
async fn h264_is_passed_through_picture_by_picture() {
    let _lock = lock();
    let usb = Usb::plug();
    usb.node();
    print!("{}", camera::probe_table(&camera::list()));
    let running = Running::start(Camera::Auto, video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    let mut eye = Eye::new();
    let mut stamps = Vec::new();
    let mut at = None;
    for n in 0..50 {
        let picture = next(&mut viewer).await;
        assert!(n > 0 || picture.frame.key, "the first is a key frame");
        eye.see(&picture.frame.data);
        stamps.push(read_stamp(&eye.luma, eye.size.0, SIZE).expect("undamaged"));
        assert!(at < Some(picture.frame.at));
        at = Some(picture.frame.at);
        assert!(picture.frame.captured.elapsed() < Duration::from_secs(2));
    }
    println!("{stamps:?}");
    let step = |pair: &[u32]| (pair[1] + 3000 - pair[0]) % 3000;
    let gaps = stamps.windows(2).filter(|pair| !(60..=70).contains(&step(pair))).count();
    assert!(gaps <= 2, "{gaps} pictures are missing");
    let status = running.until(CameraState::Live).await;
    assert_eq!((status.stream.encoder.as_str(), status.stream.size), ("camera", Some(SIZE)));
    assert!(status.text.contains("uvcvideo") && status.text.contains("320×240"), "{}", status.text);
}

#[tokio::test]
async fn an_unplugged_camera_is_found_again() {
    let _lock = lock();
    let mut usb = Usb::plug();
    let running = Running::on(&usb.node(), video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    for round in 0..2 {
        next_key(&mut viewer).await;
        next(&mut viewer).await;
        drop(usb);
        let unplugged = Instant::now();
        let status = running.until(CameraState::Lost).await;
        println!("round {round}: lost after {:?}: {}", unplugged.elapsed(), status.text);
        assert!(status.text.contains("unplugged") || status.text.contains("not there"), "{}", status.text);
        tokio::time::sleep(Duration::from_millis(300)).await;
        usb = Usb::plug();
        let plugged = Instant::now();
        running.until(CameraState::Live).await;
        println!("round {round}: live {:?} after it was plugged in", plugged.elapsed());
    }
    let mut eye = Eye::new();
    eye.see(&next_key(&mut viewer).await.frame.data);
    eye.see(&next(&mut viewer).await.frame.data);
}

#[tokio::test]
async fn a_camera_that_hangs_is_lost_and_comes_back() {
    let _lock = lock();
    let usb = Usb::plug();
    let running = Running::on(&usb.node(), video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    next(&mut viewer).await;
    usb.signal("-STOP");
    let hung = Instant::now();
    let status = running.until(CameraState::Lost).await;
    println!("lost after {:?}: {}", hung.elapsed(), status.text);
    assert!(status.text.contains("gave no picture for 2 s"), "{}", status.text);
    usb.signal("-CONT");
    running.until(CameraState::Live).await;
    let mut eye = Eye::new();
    eye.see(&next_key(&mut viewer).await.frame.data);
}

#[tokio::test]
async fn auto_takes_a_camera_that_was_plugged_in_while_nobody_watched() {
    let _lock = lock();
    let running = Running::start(Camera::Auto, video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    next(&mut viewer).await;
    assert_eq!(running.status().stream.source, "test card");
    drop(viewer);
    running.until(CameraState::Idle).await;
    let usb = Usb::plug();
    let node = usb.node();
    let mut viewer = running.hub.subscribe(StreamId::Main);
    next(&mut viewer).await;
    let status = running.until(CameraState::Live).await;
    assert!(status.stream.source.starts_with(node.to_str().unwrap()), "{}", status.stream.source);
}

#[tokio::test]
async fn key_frames_come_by_the_extension_unit() {
    let _lock = lock();
    let usb = Usb::plug_with(&["--xu"], &RARE);
    let device = usb.device();
    println!("{}", camera::probe_table(std::slice::from_ref(&device)));
    let steering = device.steering.unwrap();
    assert_eq!(steering.key_frames, KeyFrames::ExtensionUnit);
    assert_eq!((steering.bitrate, steering.key_interval), (RateControl::ExtensionUnit, RateControl::Opening));
    let json = serde_json::to_value(&device).unwrap();
    assert_eq!(json["steering"]["key_frames"], "extension_unit");

    let running = Running::on(&device.path, video());
    let mut viewer = Viewer::of(&running);
    viewer.key().await;
    assert_eq!(usb.said("config"), "config 320 240 300000 10000", "key frames are rare: they come when asked for");
    for _ in 0..3 {
        viewer.watch(FPS).await;
        let asked = Instant::now();
        viewer.pictures.want_key_frame();
        let waited = viewer.key().await.saturating_duration_since(asked);
        println!("a key frame after {waited:?}");
        assert!(waited < Duration::from_secs(4), "{waited:?}, of 12 s from one that comes by itself to the next");
        assert_eq!(usb.said("idr"), "idr");
    }
    assert!(!usb.says().iter().any(|line| line == "start"), "the stream was not re-opened");
    assert!(viewer.eye.moves >= 3 * FPS as usize, "pictures that move: {}", viewer.eye.moves);
}

#[test]
fn the_bitrate_goes_by_the_extension_unit() {
    let _lock = lock();
    let usb = Usb::plug_with(&["--xu"], &FREQUENT);
    let target = target(&usb);
    let mut coded = Coded::open(&target, Bitrate::kbps(300), Clock::start()).unwrap();
    assert_eq!(usb.said("bitrate"), "bitrate 300000 300000");
    for (asked, taken) in [(1_000, 1_000_000), (50_000, 4_000_000), (50, 200_000)] {
        coded.set_bitrate(Bitrate::kbps(asked));
        assert_eq!(usb.said("bitrate"), format!("bitrate {taken} {taken}"), "of {asked} kbit/s");
        let begin = Instant::now();
        while !matches!(coded.step().unwrap(), Step::Picture(..)) {
            assert!(begin.elapsed() < PATIENCE, "pictures go on");
        }
    }
}

fn target(usb: &Usb) -> Target {
    let device = usb.device();
    Target { path: device.path.clone(), label: device.label(), size: SIZE, rate: video().fps }
}

#[tokio::test]
async fn a_camera_with_rare_key_frames_is_reopened_for_one() {
    let _lock = lock();
    let usb = Usb::plug_with(&[], &RARE);
    let device = usb.device();
    assert_eq!(device.steering.unwrap().key_frames, KeyFrames::Reopen);
    let running = Running::on(&device.path, video());
    let mut viewer = Viewer::of(&running);
    let first = viewer.key().await;
    viewer.watch(5).await;
    viewer.pictures.want_key_frame();
    let second = viewer.key().await;
    assert!(second - first >= Duration::from_secs(2), "it might have come by itself: {:?}", second - first);
    viewer.pictures.want_key_frame();
    let third = viewer.key().await;
    println!("re-opened after {:?}, and again after {:?}", second - first, third - second);
    assert!(third - second >= Duration::from_millis(4500), "not that often: {:?}", third - second);
    assert!(third - second < Duration::from_secs(RARE.pictures / FPS), "it came by itself: {:?}", third - second);
    let starts = usb.says().iter().filter(|line| *line == "start").count();
    assert!(starts >= 3, "{starts} starts");
    assert_eq!(running.status().state, CameraState::Live, "it was never lost");
}

#[tokio::test]
async fn one_that_does_not_begin_with_a_key_frame_is_waited_for() {
    let _lock = lock();
    let usb = Usb::plug_with(&["--resume"], &SHORT);
    let running = Running::on(&usb.node(), video());
    let mut viewer = Viewer::of(&running);
    let mut last = viewer.key().await;
    for _ in 0..3 {
        viewer.watch(2).await;
        viewer.pictures.want_key_frame();
        let key = viewer.key().await;
        println!("the next key frame came after {:?}", key - last);
        assert!(key - last > Duration::from_millis(2500), "{:?}; by itself one comes each 3 s", key - last);
        last = key;
    }
    assert_eq!(usb.says().iter().filter(|line| *line == "start").count(), 1, "it was not re-opened");
}

/// A unit that fails: a key frame comes all the same, by re-opening, and the camera is not lost. How long the pictures
/// paused at most till then.
async fn without_a_unit(option: &str) -> Duration {
    let usb = Usb::plug_with(&[option], &RARE);
    let device = usb.device();
    assert_eq!(device.steering.unwrap().key_frames, KeyFrames::ExtensionUnit);
    let running = Running::on(&device.path, video());
    let mut viewer = Viewer::of(&running);
    viewer.key().await;
    viewer.watch(5).await;
    viewer.pictures.want_key_frame();
    let (mut last, mut pause) = (Instant::now(), Duration::ZERO);
    loop {
        let picture = viewer.next().await;
        if picture.frame.key {
            break;
        }
        pause = pause.max(picture.frame.captured.saturating_duration_since(last));
        last = picture.frame.captured;
    }
    assert_eq!(running.status().state, CameraState::Live);
    let starts = usb.says().iter().filter(|line| *line == "start").count();
    assert!(starts >= 2, "re-opened");
    let steering = usb.device().steering.unwrap();
    assert_eq!(steering.key_frames, KeyFrames::Reopen, "such a camera is known now");
    pause
}

#[tokio::test]
async fn a_unit_that_refuses_is_done_without() {
    let _lock = lock();
    without_a_unit("--xu=stall").await;
}

#[tokio::test]
async fn a_unit_that_lies_is_done_without() {
    let _lock = lock();
    without_a_unit("--xu=deaf").await;
}

#[tokio::test]
async fn a_unit_that_hangs_does_not_hold_up_the_pictures() {
    let _lock = lock();
    let pause = without_a_unit("--xu=hang").await;
    println!("the longest pause was {pause:?}");
    assert!(pause < Duration::from_secs(1), "{pause:?}");
}

/// `REPLUGS` says how often.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn killed_and_back_while_a_viewer_watches() {
    let _lock = lock();
    let rounds: usize = std::env::var("REPLUGS").map_or(20, |text| text.parse().unwrap());
    let mut usb = Usb::plug_with(&["--xu"], &RARE);
    let device = Camera::V4l2(V4l2 { device: usb.node() });
    let mut camera = None;
    let stage = Stage::with(2, |out, demand, stop| {
        camera = Some(camera::spawn(device, video(), demand, out, stop).unwrap());
    })
    .await;
    let mut viewer = Watcher::join(stage.signal()).await;
    viewer.until("pictures", |viewer| viewer.pictures.len() > 3).await;
    let status = stage.hub.status();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let (mut before, mut lost, mut back) = (None, vec![], vec![]);
    for round in 0..rounds {
        if round == 2 {
            before = Some((descriptors(), threads(), resident_bytes()));
        }
        let unplugged = Instant::now();
        drop(usb);
        viewer.until("lost", |_| status.borrow().state == CameraState::Lost).await;
        lost.push(unplugged.elapsed());
        usb = Usb::plug_with(&["--xu"], &RARE);
        let plugged = Instant::now();
        viewer.pictures.clear();
        // What was on its way when the camera went may still come; then a key frame, and what follows it.
        let begins = |viewer: &Watcher| viewer.pictures.iter().position(|seen| seen.key);
        viewer.until("back", |viewer| begins(viewer).is_some_and(|at| viewer.pictures.len() > at + 3)).await;
        back.push(viewer.pictures[begins(&viewer).unwrap()].at - plugged);
    }
    let (descriptors_before, threads_before, memory_before) = before.unwrap();
    viewer.until("threads end", |_| threads() <= threads_before).await;
    let (descriptors, threads, memory) = (descriptors(), threads(), resident_bytes());
    for times in [&mut lost, &mut back] {
        times.sort();
    }
    let middle = rounds / 2;
    println!(
        "{rounds} times: lost after {:?} to {:?} (median {:?}), pictures {:?} to {:?} (median {:?}) after it was plugged in; \
         descriptors {descriptors_before} and {descriptors}, threads {threads_before} and {threads}, \
         memory {} and {} kB",
        lost[0],
        lost[rounds - 1],
        lost[middle],
        back[0],
        back[rounds - 1],
        back[middle],
        memory_before / 1024,
        memory / 1024
    );
    assert_eq!(descriptors, descriptors_before, "descriptors leak");
    assert!(memory < memory_before + (8 << 20), "memory leaks: {memory_before} and {memory}");
    let answers = viewer.said.iter().filter(|message| message["type"] == "answer").count();
    assert!(viewer.connected && !viewer.closed, "the session is kept");
    assert_eq!((answers, viewer.told("end")), (1, None), "and is the same");
    stage.close().await;
    camera.unwrap().join().unwrap();
}
