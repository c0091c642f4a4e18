//! A hardware encoder on the kernel's own V4L2: vivid's pictures through `vh264`. Runs in the virtual machine only
//! (tests/v4l2/README.md), by name:
//!
//! ```text
//! GUEST_MODULES='vivid n_devs=1 node_types=0x1,vh264' \
//!     CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/v4l2/runner cargo test --test v4l2_m2m
//! ```
//!
//! It breaks camera and encoder in every way that their drivers know, while somebody watches.
#![allow(clippy::unwrap_used, clippy::panic)]

mod rig;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lunette::camera::choose::{Plan, choose_for};
use lunette::camera::device::{ControlKind, DeviceInfo, NodeKind, Planes};
use lunette::camera::step::{Clock, Step};
use lunette::camera::{self, v4l2};
use lunette::config::{Camera, Encoder, Video};
use lunette::hub::Subscription;
use lunette::media::status::{CameraState, CameraStatus};
use lunette::media::stream::StreamId;
use lunette::media::units::{Bitrate, FrameRate, Size};
use rig::{Eye, PATIENCE, Running, next, next_key, watched};

/// The machine has one camera and one encoder.
static MACHINE: Mutex<()> = Mutex::new(());

const HARDWARE: &str = "vh264-encoder (hardware)";

/// Camera and encoder, to be broken. Whole again when the test is over.
struct Bench {
    camera: DeviceInfo,
    descriptors: usize,
    _lock: MutexGuard<'static, ()>,
}

impl Bench {
    fn new() -> Self {
        let lock = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        mend();
        let devices = camera::list();
        let camera = devices.iter().find(|device| device.driver == "vivid" && device.node == NodeKind::Capture);
        let camera = camera.unwrap_or_else(|| panic!("no vivid; run this in tests/v4l2/umlvm: {devices:?}")).clone();
        // The runtime and the log have theirs from the first camera on.
        drop(Running::on(&camera.path, video()));
        Self { camera, descriptors: descriptors(), _lock: lock }
    }

    fn watch(&self) -> (Running, Subscription) {
        self.watch_with(video())
    }

    fn watch_with(&self, video: Video) -> (Running, Subscription) {
        let running = Running::on(&self.camera.path, video);
        let viewer = running.hub.subscribe(StreamId::Main);
        (running, viewer)
    }

    /// Everything is closed, and nothing is left open.
    async fn over(&self, running: Running, viewer: Subscription) {
        drop(viewer);
        running.until(CameraState::Idle).await;
        drop(running);
        assert_eq!(descriptors(), self.descriptors, "{:?}", open_files());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        mend();
    }
}

fn descriptors() -> usize {
    open_files().len()
}

fn open_files() -> Vec<PathBuf> {
    let fds = fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    fds.filter(|path| !path.starts_with("/proc")).collect()
}

/// Takes every fault away.
fn mend() {
    for (driver, device) in [("vivid", "vivid.0"), ("vh264", "vh264.0")] {
        if !Path::new(&format!("/sys/bus/platform/drivers/{driver}/{device}")).exists() {
            bind(driver, device, true);
        }
    }
    for name in ["stall_now", "fail_now", "cut_now", "max_contexts", "omit_controls"] {
        set(name, 0);
    }
    for name in ["refuse_dmabuf", "align_height", "omit_keyflag", "separate_hdr"] {
        fs::write(parameter(name), "N").unwrap();
    }
}

fn parameter(name: &str) -> PathBuf {
    Path::new("/sys/module/vh264/parameters").join(name)
}

/// Sets a parameter of vh264.
fn set(name: &str, value: u32) {
    fs::write(parameter(name), value.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn get(name: &str) -> u32 {
    fs::read_to_string(parameter(name)).unwrap().trim().parse().unwrap()
}

/// Plugs a driver in, or out.
fn bind(driver: &str, device: &str, there: bool) {
    let file = if there { "bind" } else { "unbind" };
    fs::write(format!("/sys/bus/platform/drivers/{driver}/{file}"), device).unwrap();
}

/// Sets a control of the camera.
fn control(device: &Path, what: &str) {
    let status = Command::new("v4l2-ctl").arg("-d").arg(device).arg("-c").arg(what).status().unwrap();
    assert!(status.success(), "v4l2-ctl -c {what}");
}

fn video() -> Video {
    let (size, fps) = (Size::new(320, 180), FrameRate::new(10.0).unwrap());
    Video { size, fps, bitrate: Bitrate::kbps(2000), ..Video::default() }
}

/// So many pictures, each of which can be decoded after the one before.
async fn pictures(viewer: &mut Subscription, eye: &mut Eye, count: usize) {
    for _ in 0..count {
        eye.see(&next(viewer).await.frame.data);
    }
}

/// Waits until another encoder is at work.
async fn until_encoder(running: &Running, encoder: &str) -> CameraStatus {
    let mut status = running.hub.status();
    let is_it = |status: &CameraStatus| status.state == CameraState::Live && status.stream.encoder == encoder;
    let wait = tokio::time::timeout(PATIENCE, status.wait_for(is_it)).await;
    wait.unwrap_or_else(|_| panic!("not {encoder} in time, but {:?}", running.status())).unwrap().clone()
}

#[test]
fn the_encoder_is_found_and_chosen() {
    let bench = Bench::new();
    println!("{}", camera::probe_table(&camera::list()));
    let devices = camera::list();
    let encoder = devices.iter().find(|device| device.node == NodeKind::Encoder).unwrap();
    assert_eq!((encoder.driver.as_str(), encoder.card.as_str()), ("vh264", "vh264-encoder"));
    let info = encoder.encoder.as_ref().unwrap();
    assert_eq!(
        (info.planes, info.takes.as_slice()),
        (Planes::Multi, ["YU12", "NV12", "YUYV"].map(String::from).as_slice())
    );
    assert_eq!(info.sizes.unwrap().max, Size::new(1920, 1920).into());
    let bitrate = info.controls.iter().find(|control| control.name == "Video Bitrate").unwrap();
    assert_eq!(
        (bitrate.kind, bitrate.min, bitrate.max, bitrate.step),
        (ControlKind::Integer, 25_000, 25_000_000, 25_000)
    );
    let profile = info.controls.iter().find(|control| control.name == "H264 Profile").unwrap();
    let menu: Vec<u32> = profile.menu.iter().map(|item| item.index).collect();
    assert_eq!((profile.kind, menu), (ControlKind::Menu, vec![0, 1, 2, 4]), "without what the driver leaves out");
    let json = serde_json::to_string(encoder).unwrap();
    assert_eq!(&serde_json::from_str::<DeviceInfo>(&json).unwrap(), encoder, "as data");
    let camera = devices.iter().find(|device| device.path == bench.camera.path).unwrap();
    assert!(camera.plan.contains("encoded by ") && camera.plan.contains("vh264"), "{}", camera.plan);
}

#[tokio::test]
async fn pictures_are_lent_to_the_encoder_and_come_out_as_h264() {
    let bench = Bench::new();
    let (imported, copied) = (get("imported"), get("copied"));
    let running = Running::start(Camera::Auto, video());
    let mut viewer = running.hub.subscribe(StreamId::Main);
    let mut eye = Eye::new();
    let first = next(&mut viewer).await;
    assert!(first.frame.key);
    eye.see(&first.frame.data);
    let mut last = first;
    for _ in 0..20 {
        let picture = next(&mut viewer).await;
        assert!(picture.frame.at > last.frame.at, "media time goes on");
        assert!(!picture.frame.key, "nobody asked");
        let age = picture.frame.captured.elapsed();
        assert!(age < Duration::from_secs(2), "captured {age:?} ago");
        eye.see(&picture.frame.data);
        last = picture;
    }
    assert_eq!(eye.size, (320, 180));
    assert!(eye.moves >= 15, "{} of 20 pictures differ", eye.moves);
    let status = running.until(CameraState::Live).await;
    assert_eq!((status.stream.encoder.as_str(), status.stream.size), (HARDWARE, Some(Size::new(320, 180))));
    let profile = status.stream.profile.unwrap();
    assert_eq!((profile.profile, profile.constraints & 0x40), (0x42, 0x40), "constrained baseline");
    assert!(get("imported") >= imported + 20 && get("copied") == copied, "nothing was copied");
    bench.over(running, viewer).await;
}

#[tokio::test]
async fn key_frames_come_when_they_are_asked_for() {
    let bench = Bench::new();
    // Without the control the encoder is started anew.
    for omitted in [0, 1] {
        set("omit_controls", omitted);
        let (running, mut viewer) = bench.watch();
        let mut eye = Eye::new();
        pictures(&mut viewer, &mut eye, 5).await;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(600)).await;
            viewer.want_key_frame();
            let mut came = false;
            for _ in 0..16 {
                let picture = next(&mut viewer).await;
                eye.see(&picture.frame.data);
                came |= picture.frame.key;
                if came {
                    break;
                }
            }
            assert!(came, "omit_controls={omitted}");
        }
        bench.over(running, viewer).await;
    }
}

#[test]
fn the_bitrate_follows_at_once_both_ways() {
    let bench = Bench::new();
    let choice = choose_for(&bench.camera, &camera::list(), &video()).unwrap();
    let Plan::Raw(target, format, maker) = choice.plan else { panic!("{}", choice.reason) };
    let (video, bitrate) = (video(), Bitrate::kbps(2000));
    let mut raw = v4l2::Raw::open(&target, format, &maker, &video, &watched(bitrate), Clock::start()).unwrap();
    let mut sizes = Vec::new();
    for kbps in [2000, 200, 2000] {
        raw.set_bitrate(StreamId::Main, Bitrate::kbps(kbps)).unwrap();
        let (mut seen, begin) = (Vec::new(), Instant::now());
        // Those that were in the encoder already may be of the old bitrate.
        while seen.len() < 10 {
            assert!(begin.elapsed() < PATIENCE, "{} pictures", seen.len());
            if let Step::Picture(_, frame, _) = raw.step().unwrap()
                && !frame.key
            {
                seen.push(frame.data.len());
            }
        }
        sizes.push(seen[5..].iter().sum::<usize>() / 5);
    }
    println!("bytes a picture: {sizes:?}");
    assert!(sizes[0] > 4 * sizes[1] && sizes[2] > 4 * sizes[1], "{sizes:?}");
}

#[tokio::test]
async fn memory_that_is_refused_or_lies_otherwise_is_copied() {
    let bench = Bench::new();
    for fault in ["refuse_dmabuf", "align_height"] {
        fs::write(parameter(fault), "Y").unwrap();
        let (imported, copied) = (get("imported"), get("copied"));
        let (running, mut viewer) = bench.watch();
        let mut eye = Eye::new();
        pictures(&mut viewer, &mut eye, 10).await;
        assert_eq!((eye.size, running.status().stream.encoder.as_str()), ((320, 180), HARDWARE), "{fault}");
        assert!(get("copied") >= copied + 10 && get("imported") == imported, "{fault}");
        fs::write(parameter(fault), "N").unwrap();
        bench.over(running, viewer).await;
    }
}

#[tokio::test]
async fn two_streams_are_two_contexts_and_software_helps_out() {
    let bench = Bench::new();
    let size = Some(Size::new(160, 96));
    let mut video = video();
    video.low.size = size;
    for (contexts, encoder) in [(0, HARDWARE), (1, "openh264")] {
        set("max_contexts", contexts);
        let (running, mut main) = bench.watch_with(video.clone());
        let mut eye = Eye::new();
        pictures(&mut main, &mut eye, 3).await;
        let mut low = running.hub.subscribe(StreamId::Low);
        let mut small = Eye::new();
        small.see(&next_key(&mut low).await.frame.data);
        pictures(&mut low, &mut small, 8).await;
        assert_eq!(small.size, (160, 96));
        let status = running.status();
        let low_info = status.low.clone().unwrap();
        assert_eq!((low_info.encoder.as_str(), low_info.size), (encoder, size), "{contexts} contexts");
        assert_eq!(status.stream.encoder, HARDWARE);
        drop(low);
        bench.over(running, main).await;
    }
}

#[tokio::test]
async fn an_encoder_that_hangs_is_started_again() {
    let bench = Bench::new();
    // Once is answered by a restart, twice by opening it anew.
    for stalls in [1, 2] {
        let (running, mut viewer) = bench.watch();
        let mut eye = Eye::new();
        pictures(&mut viewer, &mut eye, 5).await;
        set("stall_now", stalls);
        let begin = Instant::now();
        eye.see(&next_key(&mut viewer).await.frame.data);
        pictures(&mut viewer, &mut eye, 5).await;
        println!("{stalls} stalls: back after {:?}", begin.elapsed());
        assert_eq!((get("stall_now"), running.status().state), (0, CameraState::Live), "and it was never lost");
        assert_eq!(running.status().stream.encoder, HARDWARE);
        bench.over(running, viewer).await;
    }
}

#[tokio::test]
async fn software_takes_over_from_an_encoder_that_keeps_hanging_until_the_camera_is_opened_again() {
    let bench = Bench::new();
    let (running, mut viewer) = bench.watch();
    let mut eye = Eye::new();
    pictures(&mut viewer, &mut eye, 5).await;
    set("stall_now", 1000);
    let begin = Instant::now();
    eye.see(&next_key(&mut viewer).await.frame.data);
    until_encoder(&running, "openh264").await;
    println!("openh264 took over after {:?}", begin.elapsed());
    pictures(&mut viewer, &mut eye, 5).await;
    drop(viewer);
    running.until(CameraState::Idle).await;
    set("stall_now", 0);
    let mut viewer = running.hub.subscribe(StreamId::Main);
    until_encoder(&running, HARDWARE).await;
    pictures(&mut viewer, &mut Eye::new(), 5).await;
    bench.over(running, viewer).await;
}

#[tokio::test]
async fn an_encoder_that_may_not_be_replaced_is_a_loss() {
    let bench = Bench::new();
    let hardware = Video { encoder: Encoder::Hardware, ..video() };
    let (running, mut viewer) = bench.watch_with(hardware);
    pictures(&mut viewer, &mut Eye::new(), 3).await;
    set("stall_now", 3);
    let status = running.until(CameraState::Lost).await;
    assert!(status.text.contains("vh264") && status.text.contains("gave nothing for 2 s"), "{}", status.text);
    running.until(CameraState::Live).await;
    bind("vh264", "vh264.0", false);
    let status = running.until(CameraState::Lost).await;
    println!("{}", status.text);
    let status = wait_for_text(&running, "there is no hardware encoder").await;
    assert_eq!(status.state, CameraState::Lost);
    bind("vh264", "vh264.0", true);
    running.until(CameraState::Live).await;
    bench.over(running, viewer).await;
}

async fn wait_for_text(running: &Running, text: &str) -> CameraStatus {
    let mut status = running.hub.status();
    let wait = tokio::time::timeout(PATIENCE, status.wait_for(|status| status.text.contains(text))).await;
    wait.unwrap_or_else(|_| panic!("not “{text}” in time, but {:?}", running.status())).unwrap().clone()
}

#[tokio::test]
async fn broken_pictures_are_left_out_and_a_key_frame_follows() {
    let bench = Bench::new();
    for fault in ["fail_now", "cut_now"] {
        let (running, mut viewer) = bench.watch();
        let mut eye = Eye::new();
        pictures(&mut viewer, &mut eye, 5).await;
        for _ in 0..2 {
            set(fault, 1);
            eye.see(&next_key(&mut viewer).await.frame.data);
            pictures(&mut viewer, &mut eye, 3).await;
        }
        assert_eq!((get(fault), running.status().state), (0, CameraState::Live), "{fault}");
        assert_eq!(running.status().stream.encoder, HARDWARE);
        bench.over(running, viewer).await;
    }
}

#[tokio::test]
async fn flags_and_headers_that_are_missing_are_made_up_for() {
    let bench = Bench::new();
    for (fault, value) in [("omit_keyflag", "Y"), ("separate_hdr", "Y"), ("omit_controls", "2")] {
        fs::write(parameter(fault), value).unwrap();
        let (running, mut viewer) = bench.watch();
        let mut eye = Eye::new();
        pictures(&mut viewer, &mut eye, 3).await;
        viewer.want_key_frame();
        let key = next_key(&mut viewer).await;
        // A decoder that knows nothing can begin here.
        Eye::new().see(&key.frame.data);
        eye.see(&key.frame.data);
        pictures(&mut viewer, &mut eye, 2).await;
        bench.over(running, viewer).await;
        mend();
    }
}

#[tokio::test]
async fn a_key_frame_is_larger_than_the_drivers_own_buffers_and_not_cut() {
    let bench = Bench::new();
    let video = Video { size: Size::new(1280, 720), ..video() };
    let (running, mut viewer) = bench.watch_with(video);
    let key = next_key(&mut viewer).await;
    // bcm2835-codec has 512 kB for this size unless it is asked for more.
    assert!(key.frame.data.len() > 512 << 10, "{} bytes", key.frame.data.len());
    let mut eye = Eye::new();
    eye.see(&key.frame.data);
    assert_eq!((eye.size, running.status().stream.encoder.as_str()), ((1280, 720), HARDWARE));
    bench.over(running, viewer).await;
}

#[tokio::test]
async fn the_encoder_is_pulled_out_while_it_is_watched() {
    let bench = Bench::new();
    let (running, mut viewer) = bench.watch();
    let mut eye = Eye::new();
    pictures(&mut viewer, &mut eye, 3).await;
    bind("vh264", "vh264.0", false);
    let begin = Instant::now();
    eye.see(&next_key(&mut viewer).await.frame.data);
    println!("openh264 took over after {:?}", begin.elapsed());
    pictures(&mut viewer, &mut eye, 3).await;
    assert_eq!(until_encoder(&running, "openh264").await.state, CameraState::Live);
    bind("vh264", "vh264.0", true);
    drop(viewer);
    running.until(CameraState::Idle).await;
    let mut viewer = running.hub.subscribe(StreamId::Main);
    until_encoder(&running, HARDWARE).await;
    pictures(&mut viewer, &mut Eye::new(), 3).await;
    bench.over(running, viewer).await;
}

#[tokio::test]
async fn the_camera_fails_in_every_way_while_it_is_watched() {
    let bench = Bench::new();
    let device = bench.camera.path.clone();
    let (running, mut viewer) = bench.watch();
    let fatal = "inject_fatal_streaming_error=1";
    for faults in [
        &[fatal][..],
        &["inject_vidioc_qbuf_error=1"],
        &["inject_vidioc_streamon_error=1", fatal],
        &["inject_vidioc_reqbufs_error=1", fatal],
        &["disconnect=1"],
        &["unbind"],
    ] {
        next_key(&mut viewer).await;
        pictures(&mut viewer, &mut Eye::blind(), 2).await;
        for fault in faults {
            if *fault == "unbind" {
                bind("vivid", "vivid.0", false);
            } else {
                control(&device, fault);
            }
        }
        let lost = running.until(CameraState::Lost).await;
        println!("{faults:?}: {}", lost.text);
        if *faults == ["disconnect=1"] {
            bind("vivid", "vivid.0", false);
        }
        if matches!(*faults, ["disconnect=1" | "unbind"]) {
            bind("vivid", "vivid.0", true);
        }
        running.until(CameraState::Live).await;
        assert_eq!(running.status().stream.encoder, HARDWARE, "{faults:?}");
    }
    bench.over(running, viewer).await;
}
