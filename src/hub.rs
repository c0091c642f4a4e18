//! One camera, many viewers: pictures go out, wishes come back merged. Knows neither WebRTC nor cameras.
//!
//! Each of the camera's [streams](StreamId) has its own ring, its own viewers and its own wishes.
//!
//! Publishing never waits. Each viewer reads at its own pace from a shared, bounded ring; one that is too slow is told
//! that it [lagged](Event::Lagged), must skip to the next key frame, and harms nobody.

mod heartbeat;
mod policy;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, watch};

use crate::media::frame::Frame;
use crate::media::rtp::Burst;
use crate::media::status::CameraStatus;
use crate::media::stream::{PerStream, StreamId};
use crate::media::units::Bitrate;
pub use heartbeat::Heartbeat;
use policy::Policy;
pub use policy::Rates;

/// Pictures that a viewer may be behind before it must skip; about half a second at 30 fps.
const RING: usize = 16;

/// At most one forced key frame per this time, however many viewers ask.
const KEY_FRAME_SPACING: Duration = Duration::from_millis(500);

/// What the viewers, together, want of the camera. Latest wins.
pub type Demand = PerStream<Want>;

/// What the viewers of one stream, together, want of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Whether anybody watches. Nothing is encoded while nobody does.
    pub watched: bool,
    /// How many key frames have been asked for since the start: a count, so that a watch channel cannot lose one.
    pub key_frames: u32,
    /// What the encoder should aim at.
    pub bitrate: Bitrate,
}

impl Demand {
    /// Whether anybody watches any of the streams.
    pub fn watched(&self) -> bool {
        self.main.watched || self.low.watched
    }
}

/// One picture, ready to be sent to any number of viewers.
#[derive(Debug)]
pub struct Picture {
    /// The access unit.
    pub frame: Frame,
    /// The same as RTP payloads, made once.
    pub burst: Burst,
    /// When it was published.
    pub at: Instant,
}

/// What a viewer gets.
#[derive(Clone, Debug)]
pub enum Event {
    /// The next picture.
    Picture(Arc<Picture>),
    /// So many pictures were missed; the next usable one is a key frame.
    Lagged(u64),
    /// The hub is closed.
    Closed,
}

/// The viewers' side of the hub. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

/// The camera's side of the hub.
#[derive(Debug)]
pub struct Publisher(Arc<Inner>);

/// One viewer's place at the hub; leaving is dropping it.
#[derive(Debug)]
pub struct Subscription {
    id: u64,
    stream: StreamId,
    pictures: broadcast::Receiver<Arc<Picture>>,
    inner: Arc<Inner>,
    /// `None` while it is the second of one viewer.
    seat: Option<Seat>,
}

/// One viewer, who counts once, however many streams it looks at. Leaving is dropping it.
#[derive(Debug)]
struct Seat(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pictures: PerStream<broadcast::Sender<Arc<Picture>>>,
    status: watch::Sender<CameraStatus>,
    demand: watch::Sender<Demand>,
    wishes: Mutex<PerStream<Wishes>>,
    heart: Heartbeat,
    seats: AtomicUsize,
    rates: PerStream<Rates>,
    /// The next subscription's id.
    next: AtomicU64,
}

/// Opens a hub whose streams are encoded at such rates. The camera reads what is wanted from the receiver.
pub fn open<R: Copy + Into<Rates>>(rates: PerStream<R>) -> (Publisher, Hub, watch::Receiver<Demand>) {
    let rates = PerStream::from_fn(|stream| rates[stream].into());
    let want = |stream| Want { watched: false, key_frames: 0, bitrate: rates[stream].ceiling };
    let (demand, wanted) = watch::channel(Demand::from_fn(want));
    let inner = Arc::new(Inner {
        pictures: PerStream::from_fn(|_| broadcast::Sender::new(RING)),
        status: watch::Sender::new(CameraStatus::default()),
        demand,
        wishes: Mutex::new(PerStream::from_fn(|stream| Wishes::new(rates[stream]))),
        heart: Heartbeat::new(),
        seats: AtomicUsize::new(0),
        rates,
        next: AtomicU64::new(0),
    });
    (Publisher(inner.clone()), Hub(inner), wanted)
}

impl Publisher {
    /// Gives a picture to everybody who watches its stream. Never waits.
    pub fn publish(&self, stream: StreamId, frame: Frame) {
        self.0.heart.picture();
        let key_due = {
            let wishes = &mut self.0.wishes()[stream];
            if frame.key {
                wishes.key_frame_came();
            }
            wishes.viewers > 0 && wishes.key_frame_due(Instant::now())
        };
        if key_due {
            self.0.force_key_frame(stream);
        }
        let pictures = &self.0.pictures[stream];
        if pictures.receiver_count() > 0 {
            let burst = Burst::packetize(&frame.data);
            // An error says that the last viewer left in this moment.
            let _ = pictures.send(Arc::new(Picture { frame, burst, at: Instant::now() }));
        }
    }

    /// Says that the camera's thread turned its loop. Unless it rests, one that stays silent hangs.
    pub fn beat(&self) {
        self.0.heart.turn();
    }

    /// Says how the camera is.
    pub fn report(&self, status: CameraStatus) {
        self.0.status.send_if_modified(|current| {
            let changed = *current != status;
            if changed {
                *current = status;
            }
            changed
        });
    }

    /// What was reported last.
    pub fn status(&self) -> CameraStatus {
        self.0.status.borrow().clone()
    }
}

impl Hub {
    /// Begins to watch a stream. The first picture is a key frame only when [`Subscription::want_key_frame`] was called.
    pub fn subscribe(&self, stream: StreamId) -> Subscription {
        self.0.seats.fetch_add(1, Ordering::Relaxed);
        let mut subscription = Subscription::open(&self.0, stream);
        subscription.seat = Some(Seat(self.0.clone()));
        subscription
    }

    /// The camera's state, now and at each change.
    pub fn status(&self) -> watch::Receiver<CameraStatus> {
        self.0.status.subscribe()
    }

    /// The camera thread's signs of life.
    pub fn heart(&self) -> &Heartbeat {
        &self.0.heart
    }

    /// What the streams may be encoded at.
    pub fn rates(&self) -> PerStream<Rates> {
        self.0.rates
    }

    /// How many watch.
    pub fn viewers(&self) -> usize {
        self.0.seats.load(Ordering::Relaxed)
    }
}

impl Subscription {
    fn open(inner: &Arc<Inner>, stream: StreamId) -> Self {
        let pictures = inner.pictures[stream].subscribe();
        let mut wishes = inner.wishes();
        wishes[stream].viewers += 1;
        inner.demand.send_if_modified(|demand| !std::mem::replace(&mut demand[stream].watched, true));
        let id = inner.next.fetch_add(1, Ordering::Relaxed);
        Self { id, stream, pictures, inner: inner.clone(), seat: None }
    }

    /// Begins to watch another stream beside this one, as the same viewer.
    pub fn beside(&self, stream: StreamId) -> Self {
        Self::open(&self.inner, stream)
    }

    /// Takes the place of another one of the same viewer.
    pub fn replace(mut self, other: &mut Self) {
        self.seat = other.seat.take();
        *other = self;
    }

    /// What is watched.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Waits for the next picture.
    pub async fn next(&mut self) -> Event {
        match self.pictures.recv().await {
            Ok(picture) => Event::Picture(picture),
            Err(broadcast::error::RecvError::Lagged(n)) => Event::Lagged(n),
            Err(broadcast::error::RecvError::Closed) => Event::Closed,
        }
    }

    /// Says what this viewer's network takes of the stream; `None`: it is not known. The slowest viewer that takes the
    /// floor or more sets the rate of all, with some rest from one change to the next: to be said again now and then.
    pub fn set_bitrate(&self, bitrate: Option<Bitrate>) {
        let mut wishes = self.inner.wishes();
        wishes[self.stream].policy.takes(self.id, bitrate);
        let viewers = wishes[self.stream].viewers;
        if let Some(bitrate) = wishes[self.stream].policy.change(Instant::now(), viewers) {
            self.inner.demand.send_modify(|demand| demand[self.stream].bitrate = bitrate);
        }
    }

    /// Asks for a key frame; requests of all viewers are coalesced.
    pub fn want_key_frame(&self) {
        let due = {
            let wishes = &mut self.inner.wishes()[self.stream];
            wishes.key_frame_wanted = true;
            wishes.key_frame_due(Instant::now())
        };
        if due {
            self.inner.force_key_frame(self.stream);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let stream = self.stream;
        let mut wishes = self.inner.wishes();
        wishes[stream].viewers = wishes[stream].viewers.saturating_sub(1);
        wishes[stream].policy.takes(self.id, None);
        if wishes[stream].viewers == 0 {
            // The encoder rests now, and begins with a key frame: nothing of the past matters.
            wishes[stream] = Wishes::new(self.inner.rates[stream]);
            let bitrate = self.inner.rates[stream].ceiling;
            // Under the lock, so that a viewer who comes in this moment is not overwritten.
            self.inner.demand.send_if_modified(|demand| {
                demand[stream].bitrate = bitrate;
                std::mem::replace(&mut demand[stream].watched, false)
            });
        }
    }
}

impl Inner {
    fn wishes(&self) -> MutexGuard<'_, PerStream<Wishes>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn force_key_frame(&self, stream: StreamId) {
        self.demand.send_modify(|demand| demand[stream].key_frames = demand[stream].key_frames.wrapping_add(1));
    }
}

/// The wishes of a stream's viewers, merged. Pure: time is an argument.
#[derive(Debug)]
struct Wishes {
    policy: Policy,
    viewers: usize,
    key_frame_wanted: bool,
    forced: Option<Instant>,
}

impl Wishes {
    fn new(rates: Rates) -> Self {
        Self { policy: Policy::new(rates), viewers: 0, key_frame_wanted: false, forced: None }
    }

    /// Whether a key frame is to be forced now; notes that it was.
    fn key_frame_due(&mut self, now: Instant) -> bool {
        let rested = self.forced.is_none_or(|at| now.saturating_duration_since(at) >= KEY_FRAME_SPACING);
        let due = self.key_frame_wanted && rested;
        if due {
            self.key_frame_wanted = false;
            self.forced = Some(now);
        }
        due
    }

    /// A key frame came, asked for or not: whoever waited has it.
    fn key_frame_came(&mut self) {
        self.key_frame_wanted = false;
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
