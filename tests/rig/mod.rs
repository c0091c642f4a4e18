//! A camera thread under test, and eyes for what it gives.
#![allow(dead_code)]

#[allow(clippy::duplicate_mod, reason = "a test may have two rigs")]
#[path = "../logs/mod.rs"]
mod logs;
pub mod usb;
pub mod viewer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lunette::camera;
use lunette::config::{Camera, V4l2, Video};
use lunette::hub::{self, Demand, Event, Hub, Picture, Subscription, Want};
use lunette::media::status::{CameraState, CameraStatus};
use lunette::media::stream::StreamId;
use lunette::media::units::Bitrate;
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use tokio_util::sync::CancellationToken;

/// A machine may be slow; what does not come in this time does not come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A camera on its thread. Dropped, it must stop soon.
pub struct Running {
    pub hub: Hub,
    thread: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Running {
    pub fn start(camera: Camera, video: Video) -> Self {
        logs::keep("lunette=debug");
        let (out, hub, demand) = hub::open(video.bitrates());
        let stop = CancellationToken::new();
        let thread = camera::spawn(camera, video, demand, out, stop.clone()).unwrap();
        Self { hub, thread: Some(thread), stop }
    }

    pub fn on(device: &Path, video: Video) -> Self {
        Self::start(Camera::V4l2(V4l2 { device: device.to_owned() }), video)
    }

    pub fn status(&self) -> CameraStatus {
        self.hub.status().borrow().clone()
    }

    pub async fn until(&self, state: CameraState) -> CameraStatus {
        let mut status = self.hub.status();
        let wait = tokio::time::timeout(PATIENCE, status.wait_for(|status| status.state == state)).await;
        let Ok(found) = wait else { panic!("not {state:?} in time, but {:?}", self.status()) };
        found.unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let asked = Instant::now();
        self.stop.cancel();
        self.thread.take().unwrap().join().expect("no panic");
        assert!(asked.elapsed() < Duration::from_secs(2), "stop took {:?}", asked.elapsed());
    }
}

/// Somebody watches the main stream.
pub fn watched(bitrate: Bitrate) -> Demand {
    Demand::from_fn(|stream| Want { watched: stream == StreamId::Main, key_frames: 0, bitrate })
}

/// The next picture, whatever was missed before it.
pub async fn next(viewer: &mut Subscription) -> Arc<Picture> {
    loop {
        match tokio::time::timeout(PATIENCE, viewer.next()).await.expect("a picture") {
            Event::Picture(picture) => return picture,
            Event::Lagged(n) => println!("{n} pictures missed"),
            Event::Closed => panic!("closed"),
        }
    }
}

/// The next key frame.
pub async fn next_key(viewer: &mut Subscription) -> Arc<Picture> {
    loop {
        let picture = next(viewer).await;
        if picture.frame.key {
            return picture;
        }
    }
}

/// Decodes pictures: are they pictures, and do they move?
pub struct Eye {
    decoder: Decoder,
    /// The luma of the last one, without padding.
    pub luma: Vec<u8>,
    /// Width and height of the last one.
    pub size: (usize, usize),
    /// How many differ from the one before.
    pub moves: usize,
    is_blind: bool,
}

impl Eye {
    pub fn new() -> Self {
        Self { decoder: Decoder::new().unwrap(), luma: Vec::new(), size: (0, 0), moves: 0, is_blind: false }
    }

    /// That takes whatever it is shown, without a look.
    pub fn blind() -> Self {
        Self { is_blind: true, ..Self::new() }
    }

    pub fn see(&mut self, data: &[u8]) {
        if self.is_blind {
            return;
        }
        let shown = self.decoder.decode(data).unwrap().expect("no delay");
        let (size, stride) = (shown.dimensions(), shown.strides().0);
        let luma: Vec<u8> = shown.y().chunks(stride).take(size.1).flat_map(|row| &row[..size.0]).copied().collect();
        let mean = luma.iter().map(|&p| u64::from(p)).sum::<u64>() / luma.len() as u64;
        let spread = luma.iter().map(|&p| u64::from(p).abs_diff(mean)).sum::<u64>() / luma.len() as u64;
        assert!(mean > 30 && spread > 10, "black or blank: mean {mean}, spread {spread}");
        self.moves += usize::from(!self.luma.is_empty() && luma != self.luma);
        (self.luma, self.size) = (luma, size);
    }
}
