//! What every picture source must do, asked through the same doors as the daemon uses.

#![allow(clippy::unwrap_used, clippy::panic)]

mod rig;

use std::time::{Duration, Instant, SystemTime};

use lunette::camera;
use lunette::camera::testcard::read_stamp;
use lunette::config::{Camera, Low, Video};
use lunette::hub;
use lunette::media::h264::nal_units;
use lunette::media::status::CameraState;
use lunette::media::stream::StreamId;
use lunette::media::units::{Bitrate, FrameRate, Size};
use rig::{Eye, Running, next};
use tokio_util::sync::CancellationToken;

/// The sources that run on any machine.
fn sources() -> Vec<(&'static str, Camera, Video)> {
    let video = |w, h, fps, kbps| Video {
        size: Size::new(w, h),
        fps: FrameRate::new(fps).unwrap(),
        bitrate: Bitrate::kbps(kbps),
        ..Video::default()
    };
    vec![
        ("test card, small", Camera::TestCard, video(320, 240, 30.0, 300)),
        ("test card, 720p", Camera::TestCard, video(1280, 720, 10.0, 2000)),
    ]
}

#[tokio::test]
async fn the_first_picture_is_a_key_frame_with_its_parameter_sets() {
    for (name, camera, video) in sources() {
        let running = Running::start(camera, video.clone());
        for round in 0..3 {
            let mut viewer = running.hub.subscribe(StreamId::Main);
            let picture = next(&mut viewer).await;
            assert!(picture.frame.key, "{name}, round {round}");
            let types: Vec<u8> = nal_units(&picture.frame.data).map(|nal| nal.unit_type()).collect();
            assert_eq!(types, [7, 8, 5], "{name}");
            assert!(!next(&mut viewer).await.frame.key, "{name}: one is enough");
            let status = running.until(CameraState::Live).await;
            assert_eq!(status.stream.size, Some(video.size), "{name}");
            assert_eq!(status.stream.rate, Some(video.fps), "{name}");
            assert!(status.stream.profile.is_some_and(|p| p.profile == 0x42 && p.constraints & 0xc0 == 0xc0), "{name}");
            drop(viewer);
            running.until(CameraState::Idle).await;
        }
    }
}

#[tokio::test]
async fn a_key_frame_comes_when_asked_for() {
    for (name, camera, video) in sources() {
        let running = Running::start(camera, video);
        let mut viewer = running.hub.subscribe(StreamId::Main);
        viewer.want_key_frame();
        assert!(next(&mut viewer).await.frame.key);
        for _ in 0..3 {
            // Past the hub's own spacing.
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(600) {
                assert!(!next(&mut viewer).await.frame.key, "{name}: nobody asked");
            }
            viewer.want_key_frame();
            let mut came = false;
            for _ in 0..3 {
                came |= next(&mut viewer).await.frame.key;
            }
            assert!(came, "{name}: within three pictures");
        }
    }
}

#[tokio::test]
async fn nothing_happens_while_nobody_watches() {
    for (name, camera, video) in sources() {
        let running = Running::start(camera, video);
        running.until(CameraState::Idle).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut changes = running.hub.status();
        changes.mark_unchanged();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!changes.has_changed().unwrap(), "{name}: {:?}", running.status());
        let mut viewer = running.hub.subscribe(StreamId::Main);
        let begin = Instant::now();
        next(&mut viewer).await;
        assert!(begin.elapsed() < Duration::from_millis(500), "{name}: not at once, after {:?}", begin.elapsed());
        drop(viewer);
        let idle = Instant::now();
        running.until(CameraState::Idle).await;
        assert!(idle.elapsed() < Duration::from_millis(500), "{name}");
    }
}

#[tokio::test]
async fn a_viewer_of_a_stream_that_there_is_not_learns_it() {
    for (name, camera, video) in sources() {
        let running = Running::start(camera, Video { low: Low { enabled: false, ..Low::default() }, ..video });
        let viewer = running.hub.subscribe(StreamId::Low);
        let status = running.until(CameraState::Live).await;
        assert_eq!(status.low, None, "{name}");
        drop(viewer);
        running.until(CameraState::Idle).await;
    }
}

#[tokio::test]
async fn every_stamp_is_right_and_the_clocks_agree() {
    for (name, camera, video) in sources() {
        let running = Running::start(camera, video.clone());
        let mut viewer = running.hub.subscribe(StreamId::Main);
        let mut eye = Eye::new();
        let mut before: Option<(u32, u64)> = None;
        for n in 0..40 {
            let picture = next(&mut viewer).await;
            let unix =
                SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() - picture.frame.captured.elapsed();
            eye.see(&picture.frame.data);
            let stamp = read_stamp(&eye.luma, eye.size.0, video.size).expect("a stamp");
            let off = stamp.wrapping_sub(unix.as_millis() as u32) as i32;
            assert!(off.abs() <= 2, "{name}, picture {n}: stamp and `captured` are {off} ms apart");
            let at = picture.frame.at.0 / 1_000_000;
            if let Some((stamp_before, at_before)) = before {
                let (wall, media) = (stamp.wrapping_sub(stamp_before), at - at_before);
                assert!(wall.abs_diff(media as u32) <= 2, "{name}, picture {n}: {wall} ms, in media time {media}");
            }
            before = Some((stamp, at));
        }
    }
}

#[tokio::test]
async fn a_stop_ends_the_thread_whether_watched_or_not() {
    for (_, camera, video) in sources() {
        drop(Running::start(camera.clone(), video.clone()));
        let running = Running::start(camera, video);
        let mut viewer = running.hub.subscribe(StreamId::Main);
        next(&mut viewer).await;
        drop(running);
    }
}

#[tokio::test]
async fn an_absent_camera_is_a_state_and_is_found_when_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let device = dir.path().join("video0");
    let camera = Camera::V4l2(lunette::config::V4l2 { device: device.clone() });
    let running = Running::start(camera, Video::default());
    let status = running.until(CameraState::Lost).await;
    assert_eq!(status.text, format!("{} is not there; is the camera plugged in?", device.display()));
    std::fs::write(&device, "not a camera").unwrap();
    running.until(CameraState::Idle).await;
    let viewer = running.hub.subscribe(StreamId::Main);
    let status = running.until(CameraState::Lost).await;
    assert!(status.text.contains("not a video device") || cfg!(not(feature = "v4l2")), "{}", status.text);
    drop(viewer);
    running.until(CameraState::Idle).await;
}

#[tokio::test]
async fn the_bitrate_follows_the_demand() {
    for (name, camera, video) in sources() {
        let (out, hub, demand) = hub::open(video.bitrates());
        let mut wish = *demand.borrow();
        drop(demand);
        let (wishes, demand) = tokio::sync::watch::channel(wish);
        let stop = CancellationToken::new();
        let thread = camera::spawn(camera, video.clone(), demand, out, stop.clone()).unwrap();
        let mut viewer = hub.subscribe(StreamId::Main);
        wish.main.watched = true;
        wishes.send_replace(wish);
        let mut sum = async |skip: usize, take: usize| {
            let mut bytes = 0;
            for n in 0..skip + take {
                let len = next(&mut viewer).await.frame.data.len();
                bytes += if n < skip { 0 } else { len };
            }
            bytes / take
        };
        let full = sum(10, 20).await;
        wish.main.bitrate = Bitrate::kbps(video.bitrate.as_kbps() / 4);
        wishes.send_replace(wish);
        let quarter = sum(15, 20).await;
        wish.main.bitrate = video.bitrate;
        wishes.send_replace(wish);
        let again = sum(15, 20).await;
        println!("{name}: {full}, {quarter}, {again} bytes a picture");
        assert!(quarter * 10 < full * 7, "{name}: {full} → {quarter} bytes a picture");
        assert!(again > quarter * 13 / 10, "{name}: {quarter} → {again} bytes a picture");
        stop.cancel();
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn the_low_stream_is_half_as_large_and_of_the_same_moment() {
    for (name, camera, video) in sources() {
        let running = Running::start(camera, video.clone());
        let mut low = running.hub.subscribe(StreamId::Low);
        let mut eye = Eye::new();
        let picture = next(&mut low).await;
        assert!(picture.frame.key, "{name}");
        eye.see(&picture.frame.data);
        let size = Size::new(video.size.width / 2, video.size.height / 2);
        assert_eq!(eye.size, (size.width as usize, size.height as usize), "{name}");
        let status = running.until(CameraState::Live).await;
        assert_eq!(status.low.expect("a low stream").size, Some(size), "{name}");

        // The main stream joins in, and both show the same moments.
        let mut main = running.hub.subscribe(StreamId::Main);
        let first = next(&mut main).await;
        assert!(first.frame.key, "{name}: a stream begins with a key frame");
        let same = loop {
            let picture = next(&mut low).await;
            if picture.frame.at >= first.frame.at {
                break picture;
            }
        };
        assert_eq!(same.frame.captured, first.frame.captured, "{name}");
        assert!(same.frame.data.len() < first.frame.data.len(), "{name}");

        // Each stops alone.
        drop(low);
        for _ in 0..3 {
            next(&mut main).await;
        }
        let mut low = running.hub.subscribe(StreamId::Low);
        assert!(next(&mut low).await.frame.key, "{name}: and begins anew");
    }
}

#[tokio::test]
async fn there_is_no_low_stream_where_none_is_wanted() {
    let (_, camera, mut video) = sources().remove(0);
    video.low.enabled = false;
    let running = Running::start(camera, video);
    let _viewer = running.hub.subscribe(StreamId::Main);
    assert_eq!(running.until(CameraState::Live).await.low, None);
}
