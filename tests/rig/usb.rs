//! A USB camera that is a program (tests/v4l2/uvccam.c): ending it is unplugging, pausing it is a camera that hangs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

use lunette::camera;
use lunette::camera::device::{DeviceInfo, NodeKind};
use lunette::camera::openh264::Encoder;
use lunette::camera::testcard::Card;
use lunette::media::units::{Bitrate, FrameRate, MediaTime, Size};

use super::PATIENCE;

pub const SIZE: Size = Size::new(320, 240);

pub const FPS: u64 = 15;

const DRIVER: &str = "uvcvideo";

/// What the camera plays, in a loop: the test card, the stamps from 0.
pub struct Clip {
    pub pictures: u64,
    /// Pictures between key frames.
    pub gop: u64,
    file: LazyLock<PathBuf>,
}

/// Three seconds, a key frame each second.
pub static FREQUENT: Clip = Clip { pictures: 45, gop: 15, file: LazyLock::new(|| record("frequent", 45, 15)) };
/// Three seconds, a key frame at the start.
pub static SHORT: Clip = Clip { pictures: 45, gop: 45, file: LazyLock::new(|| record("short", 45, 45)) };
/// Twelve seconds, a key frame at the start.
pub static RARE: Clip = Clip { pictures: 180, gop: 180, file: LazyLock::new(|| record("rare", 180, 180)) };

/// A camera that is plugged in. Dropped, it is unplugged.
pub struct Usb {
    child: Child,
    said: mpsc::Receiver<String>,
}

impl Usb {
    pub fn plug() -> Self {
        Self::plug_with(&[], &FREQUENT)
    }

    /// `options` are those of uvccam.
    pub fn plug_with(options: &[&str], clip: &Clip) -> Self {
        static PROGRAM: LazyLock<PathBuf> = LazyLock::new(compile);
        let mut command = Command::new(&*PROGRAM);
        command.args(options).arg(&*clip.file).args(["15", "320", "240"]).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, said }
    }

    /// Waits for a word from the camera that begins like this, and passes over others.
    pub fn said(&self, beginning: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.said.recv_timeout(left).unwrap_or_else(|_| panic!("the camera never said {beginning}"));
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    /// What the camera has said since it was last listened to.
    pub fn says(&self) -> Vec<String> {
        self.said.try_iter().collect()
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// What it appears as.
    pub fn device(&self) -> DeviceInfo {
        let is_it = |d: &DeviceInfo| d.driver == DRIVER && d.node == NodeKind::Capture;
        let mut device = None;
        wait_until("no UVC camera came; is this tests/v4l2/umlvm with dummy_hcd, raw_gadget and uvcvideo?", || {
            device = camera::list().into_iter().find(is_it);
            device.is_some()
        });
        device.unwrap()
    }

    /// The node under which it appears.
    pub fn node(&self) -> PathBuf {
        self.device().path
    }
}

impl Drop for Usb {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // The kernel takes a moment to let go of it, in which whoever looks would still find it.
        let gone = || camera::list().iter().all(|d| d.driver != DRIVER);
        if !std::thread::panicking() {
            wait_until("the camera is still there", gone);
        }
    }
}

fn wait_until(otherwise: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "{otherwise}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn compile() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/v4l2/uvccam.c");
    let program = std::env::temp_dir().join("uvccam");
    let cc = Command::new("cc").args(["-O2", "-pthread", "-o"]).arg(&program).arg(source).status().unwrap();
    assert!(cc.success());
    program
}

fn record(name: &str, pictures: u64, gop: u64) -> PathBuf {
    let rate = FrameRate::new(FPS as f64).unwrap();
    let (mut card, mut encoder) = (Card::new(SIZE, rate), Encoder::open(rate, Bitrate::kbps(300)).unwrap());
    let mut stream = Vec::new();
    for n in 0..pictures {
        if n % gop == 0 {
            encoder.force_key();
        }
        let at = Duration::from_millis(n * 1000 / FPS);
        let unit = encoder.encode(card.render(at, n), MediaTime::since_start(at)).unwrap().unwrap();
        assert_eq!(unit.key, n % gop == 0);
        stream.extend([0, 0, 0, 1, 9, if unit.key { 0x10 } else { 0x30 }]);
        stream.extend(&unit.data);
    }
    let path = std::env::temp_dir().join(format!("uvccam-{name}.h264"));
    std::fs::write(&path, stream).unwrap();
    path
}
