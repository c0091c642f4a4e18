//! V4L2 capture against the kernel's own drivers. Runs in the virtual machine only (tests/v4l2/README.md), by name:
//!
//! ```text
//! GUEST_MODULES='vivid n_devs=1 node_types=0x1' \
//!     CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/v4l2/runner cargo test --test v4l2_camera
//! ```
//!
//! It unplugs and breaks the camera that it tests, so it must never meet a real one: it wants the driver `vivid`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod rig;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lunette::camera::choose::{Maker, RawFormat, Target};
use lunette::camera::device::{DeviceInfo, NodeKind};
use lunette::camera::step::{Clock, Step};
use lunette::camera::{self, v4l2};
use lunette::config::{Camera, Video};
use lunette::media::status::CameraState;
use lunette::media::stream::StreamId;
use lunette::media::units::{Bitrate, FrameRate, Size};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use rig::{Eye, PATIENCE, Running, next, next_key, watched};

/// The machine has one camera.
static CAMERA: Mutex<()> = Mutex::new(());

fn lock() -> MutexGuard<'static, ()> {
    CAMERA.lock().unwrap_or_else(PoisonError::into_inner)
}

fn vivid() -> DeviceInfo {
    let devices = camera::list();
    let found = devices.iter().find(|device| device.driver == "vivid" && device.node == NodeKind::Capture);
    found.unwrap_or_else(|| panic!("no vivid camera; run this in tests/v4l2/umlvm: {devices:?}")).clone()
}

fn control(device: &Path, what: &str) {
    let status = Command::new("v4l2-ctl").arg("-d").arg(device).arg("-c").arg(what).status().unwrap();
    assert!(status.success(), "v4l2-ctl -c {what}");
}

fn video() -> Video {
    let (size, fps) = (Size::new(320, 180), FrameRate::new(10.0).unwrap());
    Video { size, fps, bitrate: Bitrate::kbps(500), ..Video::default() }
}

#[test]
fn the_camera_is_listed_with_its_formats_and_chosen() {
    let _lock = lock();
    let device = vivid();
    println!("{}", camera::probe_table(&camera::list()));
    assert_eq!(device.card, "vivid");
    assert!(device.bus.starts_with("platform:"), "{}", device.bus);
    assert!(device.plan.starts_with("chosen by `auto`: "), "{}", device.plan);
    let yuyv = device.formats.iter().find(|format| format.fourcc == "YUYV").unwrap();
    assert!(!yuyv.compressed && yuyv.sizes.len() > 1 && !yuyv.sizes[0].rates.is_empty(), "{yuyv:?}");
    let numbers: Vec<PathBuf> = camera::list().into_iter().map(|device| device.path).collect();
    let number = |path: &PathBuf| path.to_string_lossy().trim_start_matches("/dev/video").parse::<u32>().unwrap();
    assert!(numbers.is_sorted_by_key(number), "{numbers:?}");
}

#[tokio::test]
async fn auto_finds_it_and_pictures_move() {
    let _lock = lock();
    let device = vivid();
    let running = Running::start(Camera::Auto, video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    let mut eye = Eye::new();
    let first = next(&mut viewer).await;
    assert!(first.frame.key);
    eye.see(&first.frame.data);
    let mut last = first;
    for _ in 0..10 {
        let picture = next(&mut viewer).await;
        assert!(picture.frame.at > last.frame.at, "media time goes on");
        let age = picture.frame.captured.elapsed();
        assert!(age < Duration::from_secs(2), "captured {age:?} ago");
        eye.see(&picture.frame.data);
        assert_eq!(eye.size, (320, 180));
        last = picture;
    }
    assert!(eye.moves >= 8, "{} of 10 pictures differ", eye.moves);
    let status = running.until(CameraState::Live).await;
    assert_eq!(status.text, format!("{} 320×180 at {}", device.label(), status.stream.rate.unwrap()));
    assert_eq!((status.stream.encoder.as_str(), status.stream.size), ("openh264", Some(Size::new(320, 180))));

    drop(viewer);
    running.until(CameraState::Idle).await;
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    let open: Vec<PathBuf> =
        open.filter(|path| path.starts_with("/dev") && path.to_string_lossy().contains("video")).collect();
    assert!(open.is_empty(), "nobody watches, and yet {open:?} is open");
}

#[test]
fn each_raw_format_gives_the_same_picture() {
    let _lock = lock();
    let device = vivid();
    // Colour bars that stand still: what differs is the conversion.
    control(&device.path, "test_pattern=0");
    let mut pictures = Vec::new();
    for format in [RawFormat::Yuyv, RawFormat::Nv12, RawFormat::Yu12] {
        let video = video();
        let target = Target { path: device.path.clone(), label: device.label(), size: video.size, rate: video.fps };
        let demand = watched(Bitrate::kbps(5000));
        let mut raw = v4l2::Raw::open(&target, format, &Maker::Software, &video, &demand, Clock::start()).unwrap();
        let mut decoder = Decoder::new().unwrap();
        let begin = Instant::now();
        let mut seen = 0;
        while seen < 5 {
            assert!(begin.elapsed() < PATIENCE, "{format}: {seen} pictures");
            if let Step::Picture(StreamId::Main, frame, _) = raw.step().unwrap() {
                let shown = decoder.decode(&frame.data).unwrap().expect("no delay");
                seen += 1;
                if seen == 5 {
                    pictures.push((format, shown.y().to_vec(), shown.u().to_vec(), shown.v().to_vec()));
                }
            }
        }
    }
    let (first, luma, u, v) = &pictures[0];
    for (format, other_luma, other_u, other_v) in &pictures[1..] {
        let difference =
            |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() / a.len() as u64;
        let differences = [difference(luma, other_luma), difference(u, other_u), difference(v, other_v)];
        println!("{first} and {format} differ by {differences:?}");
        assert!(differences.iter().all(|d| *d <= 6), "{first} and {format} differ by {differences:?}");
    }
}

#[tokio::test]
async fn unplugging_and_plugging_in_again() {
    let _lock = lock();
    let device = vivid();
    let running = Running::on(&device.path, video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    for round in 0..2 {
        next_key(&mut viewer).await;
        next(&mut viewer).await;
        fs::write("/sys/bus/platform/drivers/vivid/unbind", "vivid.0").unwrap();
        let status = running.until(CameraState::Lost).await;
        println!("round {round}: {}", status.text);
        assert!(status.text.contains("unplugged") || status.text.contains("not there"), "{}", status.text);
        tokio::time::sleep(Duration::from_millis(500)).await;
        fs::write("/sys/bus/platform/drivers/vivid/bind", "vivid.0").unwrap();
        let plugged = Instant::now();
        running.until(CameraState::Live).await;
        println!("round {round}: live {:?} after it was there again", plugged.elapsed());
    }
    let mut eye = Eye::new();
    eye.see(&next_key(&mut viewer).await.frame.data);
}

#[tokio::test]
async fn a_fatal_error_of_the_driver_is_survived() {
    let _lock = lock();
    let device = vivid();
    let running = Running::on(&device.path, video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    next(&mut viewer).await;
    let mut status = running.hub.status();
    status.mark_unchanged();
    control(&device.path, "inject_fatal_streaming_error=1");
    let mut lost = None;
    let begin = Instant::now();
    while lost.is_none() && begin.elapsed() < PATIENCE {
        let _ = tokio::time::timeout(Duration::from_millis(100), status.changed()).await;
        let now = status.borrow_and_update().clone();
        lost = (now.state == CameraState::Lost).then_some(now.text);
    }
    println!("{lost:?}");
    assert!(lost.is_some_and(|text| text.contains("VIDIOC_DQBUF") || text.contains("poll")));
    running.until(CameraState::Live).await;
}

#[tokio::test]
async fn damaged_buffers_are_left_out() {
    let _lock = lock();
    let device = vivid();
    let running = Running::on(&device.path, video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    let mut eye = Eye::new();
    for n in 0..12 {
        if n % 3 == 1 {
            control(&device.path, "inject_v4l2_buf_flag_error=1");
        }
        eye.see(&next(&mut viewer).await.frame.data);
    }
    assert_eq!(running.hub.status().borrow().state, CameraState::Live);
}

#[tokio::test]
async fn a_camera_that_another_program_uses_is_told_and_taken_later() {
    let _lock = lock();
    let device = vivid();
    let mut other = Command::new("v4l2-ctl")
        .arg("-d")
        .arg(&device.path)
        .args(["--stream-mmap", "--stream-to=/dev/null"])
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let running = Running::on(&device.path, video());
    let viewer = running.hub.subscribe(StreamId::Main);
    let status = running.until(CameraState::Lost).await;
    assert!(status.text.contains("is used by another program"), "{}", status.text);
    other.kill().unwrap();
    other.wait().unwrap();
    running.until(CameraState::Live).await;
    drop(viewer);
}

#[tokio::test]
async fn the_bitrate_and_key_frames_follow() {
    let _lock = lock();
    let device = vivid();
    let running = Running::on(&device.path, video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    assert!(next(&mut viewer).await.frame.key);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(600)).await;
        viewer.want_key_frame();
        let mut came = false;
        for _ in 0..12 {
            came |= next(&mut viewer).await.frame.key;
            if came {
                break;
            }
        }
        assert!(came);
    }
}
