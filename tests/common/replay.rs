//! A camera that gives made-up pictures: right in form (SPS, PPS, slices), of a chosen size, at a chosen rate.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lunette::hub::{Demand, Publisher};
use lunette::media::frame::Frame;
use lunette::media::status::{CameraState, CameraStatus, StreamInfo};
use lunette::media::stream::{PerStream, StreamId};
use lunette::media::units::{FrameRate, MediaTime, Size};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Constrained baseline, level 3.1, 1280×720.
const SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0xd0, 0x0f, 0x08, 0x84, 0x6a];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
/// At 30 fps with a key frame each two seconds: 2 Mbit/s.
const KEY_BYTES: usize = 60_000;
const DELTA_BYTES: usize = 7_457;
/// Pictures between key frames that nobody asked for: none, as with an encoder of our own.
const NEVER: u32 = u32::MAX;

/// The running camera.
#[derive(Clone)]
pub struct Replay {
    published: Arc<AtomicU32>,
    forced: Arc<AtomicU32>,
    captured: Arc<Mutex<VecDeque<(u32, Instant)>>>,
    status: mpsc::UnboundedSender<CameraState>,
}

/// How it runs.
#[derive(Clone, Copy)]
pub struct Rhythm {
    pub interval: Duration,
    /// A key frame each so many pictures.
    pub key_each: u32,
    /// Whether it has a low stream too.
    pub low: bool,
    /// Whether pictures are as large as the bitrate that is asked for allows.
    pub follows: bool,
}

/// The bitrate of pictures at full size.
const FULL: u32 = 2_000_000;

/// Set in the numbers of the low stream's pictures.
pub const LOW: u32 = 1 << 30;

impl Replay {
    pub fn start(out: Publisher, demand: watch::Receiver<Demand>, stop: CancellationToken) -> Self {
        Self::start_with(
            Rhythm { interval: Duration::from_micros(33_333), key_each: NEVER, low: true, follows: false },
            out,
            demand,
            stop,
        )
    }

    pub fn start_with(
        rhythm: Rhythm,
        out: Publisher,
        mut demand: watch::Receiver<Demand>,
        stop: CancellationToken,
    ) -> Self {
        let (status, mut wanted) = mpsc::unbounded_channel();
        let replay = Self { published: Arc::default(), forced: Arc::default(), captured: Arc::default(), status };
        let counters = replay.clone();
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(rhythm.interval);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            let (mut n, mut seen, mut lost, start) = (0u32, PerStream::default(), false, Instant::now());
            let report = |out: &Publisher, state| report(out, state, rhythm.low);
            report(&out, CameraState::Idle);
            loop {
                tokio::select! {
                    _ = tick.tick() => {}
                    Some(state) = wanted.recv() => { lost = state == CameraState::Lost; report(&out, state); continue }
                    () = stop.cancelled() => return,
                }
                let now = *demand.borrow_and_update();
                if !now.watched() || lost {
                    seen = PerStream::default();
                    continue;
                }
                report(&out, CameraState::Live);
                let captured = Instant::now();
                let at = MediaTime::since_start(captured - start);
                {
                    let mut recent = counters.captured.lock().unwrap();
                    recent.push_back((n, captured));
                    if recent.len() > 10_000 {
                        recent.pop_front();
                    }
                }
                for stream in StreamId::ALL.into_iter().filter(|stream| *stream == StreamId::Main || rhythm.low) {
                    let (want, seen): (_, &mut Option<u32>) = (now[stream], &mut seen[stream]);
                    if !want.watched {
                        *seen = None;
                        continue;
                    }
                    let forced = seen.is_some_and(|seen| seen != want.key_frames);
                    let key = seen.is_none() || forced || n.is_multiple_of(rhythm.key_each);
                    *seen = Some(want.key_frames);
                    counters.forced.fetch_add(u32::from(forced), Ordering::Relaxed);
                    let share = if rhythm.follows { f64::from(want.bitrate.bps()) / f64::from(FULL) } else { 1.0 };
                    let number = if stream == StreamId::Low { n | LOW } else { n };
                    out.publish(stream, Frame { at, captured, key, data: access_unit_of(number, key, share) });
                }
                n += 1;
                counters.published.store(n, Ordering::Relaxed);
            }
        });
        replay
    }

    /// Pictures so far.
    pub fn published(&self) -> u32 {
        self.published.load(Ordering::Relaxed)
    }

    /// Key frames that were asked for while it ran.
    pub fn forced(&self) -> u32 {
        self.forced.load(Ordering::Relaxed)
    }

    /// When a recent picture was captured.
    pub fn captured(&self, number: u32) -> Option<Instant> {
        let recent = self.captured.lock().unwrap();
        let first = recent.front()?.0;
        recent.get(number.checked_sub(first)? as usize).map(|(_, at)| *at)
    }

    /// Loses the camera, or brings it back.
    pub fn set(&self, state: CameraState) {
        self.status.send(state).unwrap();
    }
}

fn report(out: &Publisher, state: CameraState, low: bool) {
    let text = match state {
        CameraState::Lost => "the replay camera was unplugged".into(),
        _ => "replay".into(),
    };
    let stream = StreamInfo {
        source: "replay".into(),
        encoder: "camera".into(),
        profile: "42e01f".parse().ok(),
        size: Some(Size::new(1280, 720)),
        rate: FrameRate::new(30.0),
    };
    let low = low.then(|| StreamInfo { size: Some(Size::new(640, 360)), ..stream.clone() });
    out.report(CameraStatus { state, text, stream, low });
}

/// Picture `n`: its slice begins with `n`, so that a viewer can tell which it got.
pub fn access_unit(n: u32, key: bool) -> Bytes {
    access_unit_of(n, key, 1.0)
}

/// The same, of a part of the size.
fn access_unit_of(n: u32, key: bool, share: f64) -> Bytes {
    let mut unit = Vec::with_capacity(KEY_BYTES + 64);
    let mut push = |nal: &[u8]| {
        unit.extend_from_slice(&[0, 0, 0, 1]);
        unit.extend_from_slice(nal);
    };
    if key {
        push(SPS);
        push(PPS);
    }
    let mut slice = vec![if key { 0x65 } else { 0x41 }];
    // Seven bits a byte, with the highest set: nothing that looks like a start code.
    slice.extend((0..5).map(|i| 0x80 | (n >> (7 * i)) as u8));
    let mut noise = n.wrapping_mul(2_654_435_761) | 1;
    let length = (if key { KEY_BYTES } else { DELTA_BYTES } as f64 * share) as usize;
    slice.extend(
        std::iter::repeat_with(|| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            noise as u8 | 0x80
        })
        .take(length),
    );
    push(&slice);
    unit.into()
}

/// Which picture an access unit is.
pub fn number(unit: &[u8]) -> Option<u32> {
    let slice = lunette::media::h264::nal_units(unit).find(|nal| nal.is_vcl())?.0;
    Some(slice.get(1..6)?.iter().rev().fold(0, |n, byte| n << 7 | u32::from(byte & 0x7f)))
}
