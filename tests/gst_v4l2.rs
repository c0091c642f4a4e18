//! GStreamer's `v4l2src` on the kernel's own vivid, its pixels through `vh264`. Runs in the virtual machine only
//! (tests/v4l2/README.md), by name:
//!
//! ```text
//! GUEST_MODULES='vivid n_devs=1 node_types=0x1,vh264' \
//!     CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/v4l2/runner cargo test --test gst_v4l2
//! ```
//!
//! It unplugs the camera that it tests, so it must never meet a real one: it wants the driver `vivid`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod rig;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lunette::camera;
use lunette::camera::device::NodeKind;
use lunette::config::{Config, Encoder, Video};
use lunette::media::status::CameraState;
use lunette::media::stream::StreamId;
use lunette::media::units::{Bitrate, FrameRate, Size};
use rig::{Eye, Running, next, next_key};

fn main() {
    // As the program does it: before there are threads, for which the tests of a harness are too late.
    assert!(camera::gst::prepare(), "there are threads already");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        pictures_move_in_each_way_to_read_them().await;
        pixels_go_through_a_hardware_encoder().await;
        an_unplugged_camera_is_told_and_comes_back().await;
    });
    println!("all tests of gst_v4l2 passed");
}

fn vivid() -> PathBuf {
    let devices = camera::list();
    let found = devices.iter().find(|device| device.driver == "vivid" && device.node == NodeKind::Capture);
    found.unwrap_or_else(|| panic!("no vivid camera; run this in tests/v4l2/umlvm: {devices:?}")).path.clone()
}

fn video(encoder: Encoder) -> Video {
    let (size, fps, bitrate) = (Size::new(320, 180), FrameRate::new(10.0).unwrap(), Bitrate::kbps(500));
    Video { size, fps, bitrate, encoder, ..Video::default() }
}

fn start(pipeline: &str, video: Video) -> Running {
    let text = format!("[camera.gst]\npipeline = '''{pipeline}'''");
    Running::start(Config::parse(&text).unwrap().camera, video)
}

/// Descriptors of the camera that this process has.
fn open() -> usize {
    let all = fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    all.filter(|path| path.to_string_lossy().starts_with("/dev/video")).count()
}

/// Waits until there is none. A camera that comes back while its old node is held gets another number.
async fn closed(after: &str) {
    let begin = Instant::now();
    while open() > 0 {
        assert!(begin.elapsed() < Duration::from_secs(5), "{after}: {} descriptors are still open", open());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{after}: closed after {:?}", begin.elapsed());
}

async fn pictures_move_in_each_way_to_read_them() {
    let device = vivid().display().to_string();
    for pipeline in [
        // Size, rate and format are left to Lunette.
        format!("v4l2src device={device}"),
        format!("v4l2src device={device} io-mode=dmabuf ! video/x-raw,format=NV12"),
        format!("v4l2src device={device} ! video/x-raw,format=YUY2"),
    ] {
        let running = start(&pipeline, video(Encoder::Software));
        let mut viewer = running.hub.subscribe(StreamId::Main);
        let mut eye = Eye::new();
        let mut last = next_key(&mut viewer).await;
        eye.see(&last.frame.data);
        for _ in 0..8 {
            let picture = next(&mut viewer).await;
            assert!(picture.frame.captured > last.frame.captured, "{pipeline}");
            eye.see(&picture.frame.data);
            last = picture;
        }
        assert!(eye.moves >= 6, "{pipeline}: {} of 8 pictures differ", eye.moves);
        assert_eq!(eye.size, (320, 180), "{pipeline}");
        drop(viewer);
        running.until(CameraState::Idle).await;
        closed(&pipeline).await;
    }
}

async fn pixels_go_through_a_hardware_encoder() {
    const HARDWARE: &str = "vh264-encoder (hardware)";
    let pipeline = format!("v4l2src device={}", vivid().display());
    // How long pictures take at best, by stream.
    let mut by_software = None;
    for (encoder, by) in [(Encoder::Software, "openh264"), (Encoder::Auto, HARDWARE), (Encoder::Hardware, HARDWARE)] {
        let mut video = video(encoder);
        video.low.size = Some(Size::new(160, 96));
        let running = start(&pipeline, video);
        let (mut main, mut low) = (running.hub.subscribe(StreamId::Main), running.hub.subscribe(StreamId::Low));
        let (mut eye, mut small) = (Eye::new(), Eye::new());
        eye.see(&next_key(&mut main).await.frame.data);
        small.see(&next_key(&mut low).await.frame.data);
        let mut youngest = [Duration::MAX; 2];
        for _ in 0..10 {
            for (viewer, eye, age) in [(&mut main, &mut eye, 0), (&mut low, &mut small, 1)] {
                let picture = next(viewer).await;
                youngest[age] = youngest[age].min(picture.frame.captured.elapsed());
                eye.see(&picture.frame.data);
            }
        }
        assert!(eye.moves >= 8, "{by}: {} of 10 differ", eye.moves);
        assert_eq!((eye.size, small.size), ((320, 180), (160, 96)), "{by}");
        let status = running.until(CameraState::Live).await;
        assert_eq!((status.stream.encoder.as_str(), status.low.unwrap().encoder.as_str()), (by, by));
        // With an encoder that needs 3 ms, none waits until the next one comes, 100 ms later.
        println!("{by}: pictures came after {youngest:?}");
        let software = *by_software.get_or_insert(youngest);
        for (age, software) in youngest.into_iter().zip(software) {
            assert!(age < software + Duration::from_millis(60), "{by}: {age:?}, by software {software:?}");
        }
        // Of so small a picture, what moves is in vh264's key frames only.
        for (viewer, eye) in [(&mut main, &mut eye), (&mut low, &mut small)] {
            let moves = eye.moves;
            viewer.want_key_frame();
            eye.see(&next_key(viewer).await.frame.data);
            assert!(eye.moves > moves, "{by}: the key frame is an old picture");
        }
        drop((main, low));
        running.until(CameraState::Idle).await;
        closed(by).await;
    }
}

async fn an_unplugged_camera_is_told_and_comes_back() {
    println!("an unplugged camera");
    let running = start(&format!("v4l2src device={}", vivid().display()), video(Encoder::Auto));
    let mut viewer = running.hub.subscribe(StreamId::Main);
    next_key(&mut viewer).await;
    fs::write("/sys/bus/platform/drivers/vivid/unbind", "vivid.0").unwrap();
    let lost = running.until(CameraState::Lost).await.text;
    println!("{lost}");
    assert!(lost.starts_with("GStreamer: v4l2src: "), "{lost}");
    closed(&lost).await;
    fs::write("/sys/bus/platform/drivers/vivid/bind", "vivid.0").unwrap();
    running.until(CameraState::Live).await;
    Eye::new().see(&next_key(&mut viewer).await.frame.data);
}
