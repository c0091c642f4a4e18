//! Network cameras: a real RTSP server, with a password, that comes and goes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod rig;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lunette::config::{Camera, Config, Video};
use lunette::media::status::CameraState;
use lunette::media::stream::StreamId;
use lunette::media::units::{FrameRate, Size};
use rig::{Eye, Running, next, next_key};

const PICTURES: &str = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1";
const SOUND: &str = "audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8";

fn h264() -> String {
    // As cameras do: sound beside it, here even first; key frames each second; parameter sets only in the description.
    format!(
        "{SOUND} {PICTURES} ! x264enc tune=zerolatency sliced-threads=false threads=1 speed-preset=ultrafast \
         key-int-max=15 bframes=0 ! video/x-h264,profile=baseline ! rtph264pay name=pay1 pt=96 config-interval=0"
    )
}

/// The camera. It is gone when this is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(port: u16, pipeline: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gst/rtsp-camera.py");
        // Debian's own Python: GStreamer's bindings are there.
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .args([&port.to_string(), "lunette", "geheim", pipeline])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("no RTSP server; ./dev setup installs what it needs"));
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A config for a camera at this port, and a watched camera thread.
struct Viewed {
    running: Running,
    _dir: tempfile::TempDir,
}

fn view(port: u16, password: &str) -> Viewed {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, password).unwrap();
    let text = format!(
        "[camera.gst]\npreset = 'rtsp'\nurl = 'rtsp://127.0.0.1:{port}/live'\nuser = 'lunette'\npassword_file = '{}'",
        file.display()
    );
    let camera = Config::parse(&text).unwrap().camera;
    assert!(matches!(camera, Camera::Gst(_)) && !format!("{camera:?}").contains(password));
    Viewed { running: Running::start(camera, Video::default()), _dir: dir }
}

#[tokio::test]
async fn its_h264_is_passed_on_and_it_may_come_and_go() {
    let mut server = Server::start(0, &h264());
    let port = server.port;
    let viewed = view(port, "geheim");
    let mut viewer = viewed.running.hub.subscribe(StreamId::Main);
    for round in 0..2 {
        let mut eye = Eye::new();
        let first = next_key(&mut viewer).await;
        eye.see(&first.frame.data);
        let mut before = first.frame.captured;
        for _ in 0..20 {
            let frame = next(&mut viewer).await.frame.clone();
            assert!(frame.captured > before && frame.captured.elapsed() < Duration::from_secs(2));
            before = frame.captured;
            eye.see(&frame.data);
        }
        assert_eq!(eye.size, (320, 240));
        assert!(eye.moves >= 18, "round {round}: {} of 20 pictures differ", eye.moves);
        let stream = viewed.running.until(CameraState::Live).await.stream;
        assert_eq!((stream.source.as_str(), stream.encoder.as_str()), ("RTSP camera", "camera"));
        assert_eq!((stream.size, stream.rate), (Some(Size::new(320, 240)), FrameRate::new(15.0)));

        drop(server);
        let lost = viewed.running.until(CameraState::Lost).await.text;
        println!("gone: {lost}");
        assert!(!lost.contains("127.0.0.1") && !lost.contains("geheim"), "{lost}");
        server = Server::start(port, &h264());
    }
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = Server::start(0, &h264());
    let refused = view(server.port, "falsch");
    let _viewer = refused.running.hub.subscribe(StreamId::Main);
    let text = refused.running.until(CameraState::Lost).await.text;
    assert!(text.contains("Unauthorized"), "{text}");
    drop(server);

    // A port on which nobody listens: it was ours a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = view(port, "geheim");
    let _viewer = nobody.running.hub.subscribe(StreamId::Main);
    let text = nobody.running.until(CameraState::Lost).await.text;
    assert!(text.contains("Failed to connect") && !text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn another_codec_is_named() {
    let h265 =
        format!("{SOUND} {PICTURES} ! x265enc tune=zerolatency speed-preset=ultrafast ! rtph265pay name=pay1 pt=96");
    let server = Server::start(0, &h265);
    let viewed = view(server.port, "geheim");
    let _viewer = viewed.running.hub.subscribe(StreamId::Main);
    let text = viewed.running.until(CameraState::Lost).await.text;
    assert!(text.starts_with("GStreamer: the camera gives H265, and browsers want H.264"), "{text}");
}
