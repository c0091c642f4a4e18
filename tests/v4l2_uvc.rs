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

mod rig;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use lunette::camera;
use lunette::camera::device::NodeKind;
use lunette::camera::openh264::Encoder;
use lunette::camera::testcard::{Card, read_stamp};
use lunette::config::{Camera, Video};
use lunette::media::status::CameraState;
use lunette::media::stream::StreamId;
use lunette::media::units::{Bitrate, FrameRate, MediaTime, Size};
use rig::{Eye, PATIENCE, Running, next, next_key};

static CAMERA: Mutex<()> = Mutex::new(());

const SIZE: Size = Size::new(320, 240);

/// Pictures between key frames.
const GOP: u64 = 15;

fn lock() -> MutexGuard<'static, ()> {
    CAMERA.lock().unwrap_or_else(PoisonError::into_inner)
}

fn video() -> Video {
    Video { size: SIZE, fps: FrameRate::new(15.0).unwrap(), bitrate: Bitrate::kbps(300), ..Video::default() }
}

/// A camera that is plugged in. Dropped, it is unplugged.
struct Usb(Child);

impl Usb {
    fn plug() -> Self {
        static PROGRAM: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
        let (program, clip) = PROGRAM.get_or_init(|| (compile(), record()));
        Self(Command::new(program).arg(clip).args(["15", "320", "240"]).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap().success());
    }

    /// The node under which it appears.
    fn node(&self) -> PathBuf {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let is_it = |d: &camera::device::DeviceInfo| d.driver == "uvcvideo" && d.node == NodeKind::Capture;
            if let Some(device) = camera::list().into_iter().find(is_it) {
                return device.path;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("no UVC camera came; is this tests/v4l2/umlvm with dummy_hcd, raw_gadget and uvcvideo?");
    }
}

impl Drop for Usb {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn compile() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/v4l2/uvccam.c");
    let program = std::env::temp_dir().join("uvccam");
    let cc = Command::new("cc").args(["-O2", "-pthread", "-o"]).arg(&program).arg(source).status().unwrap();
    assert!(cc.success());
    program
}

/// Three seconds of test card as the camera's stream, the stamps from 0.
fn record() -> PathBuf {
    let rate = FrameRate::new(15.0).unwrap();
    let (mut card, mut encoder) = (Card::new(SIZE, rate), Encoder::open(rate, Bitrate::kbps(300)).unwrap());
    let mut stream = Vec::new();
    for n in 0..45 {
        if n % GOP == 0 {
            encoder.force_key();
        }
        let at = Duration::from_millis(n * 1000 / 15);
        let unit = encoder.encode(card.render(at, n), MediaTime::since_start(at)).unwrap().unwrap();
        stream.extend([0, 0, 0, 1, 9, if unit.key { 0x10 } else { 0x30 }]);
        stream.extend(&unit.data);
    }
    let path = std::env::temp_dir().join("uvccam.h264");
    std::fs::write(&path, stream).unwrap();
    path
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
