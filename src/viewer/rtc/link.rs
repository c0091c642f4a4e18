//! What the connection knows of its path, for the viewer's loop; and what the loop wants it to find out.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::lock;
use crate::media::units::Bitrate;
use crate::viewer::bandwidth::{Fill, Reading};

/// Shared by the interceptor, which writes, and the viewer's loop.
#[derive(Debug, Default)]
pub struct Link {
    flow: Mutex<Flow>,
    /// Bits per second; 0: nothing.
    sought: AtomicU32,
    renewed: AtomicBool,
    held: AtomicBool,
}

/// What is known of the path at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// `None`: the viewer has not reported anything, and may never do.
    pub reading: Option<Reading>,
    /// When the oldest packet was sent of which no word has come.
    pub oldest: Option<Instant>,
    /// When the newest packet was sent of which word has come, and how many bits were sent since.
    pub since: Option<(Instant, f64)>,
    /// Bits per second that retransmission takes.
    pub repair: f64,
}

impl Link {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What is known now.
    pub fn flow(&self) -> Flow {
        *lock(&self.flow)
    }

    /// Wants to know whether the path takes so much, though the pictures are fewer: retransmissions fill up what is
    /// missing, as long as there is no queue.
    pub fn seek(&self, rate: Option<Bitrate>) {
        self.sought.store(rate.map_or(0, Bitrate::bps), Ordering::Relaxed);
    }

    /// Packets may take another path from now on: what was known of delays does not hold.
    pub fn renew(&self) {
        self.renewed.store(true, Ordering::Relaxed);
    }

    /// Whether nothing is sent till the path is empty, but a key frame then: what came before is not sent again either.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    pub(super) fn was_renewed(&self) -> bool {
        self.renewed.swap(false, Ordering::Relaxed)
    }

    pub(super) fn sought(&self) -> Option<Bitrate> {
        match self.sought.load(Ordering::Relaxed) {
            0 => None,
            bps => Some(Bitrate::bits(bps)),
        }
    }

    pub(super) fn update(&self, flow: Flow) {
        *lock(&self.flow) = flow;
    }
}

impl Flow {
    /// What the path takes of pictures, as the encoder counts them: less headers and retransmission.
    pub fn pictures(&self) -> Option<Bitrate> {
        /// Of a full packet 1140 of 1220 bytes; and a picture's last packet is not full.
        const PAYLOAD: f64 = 0.92;
        let reading = self.reading?;
        let left = (f64::from(reading.estimate.bps()) - self.repair).max(f64::from(reading.estimate.bps()) * 0.5);
        Some(Bitrate::bits((left * PAYLOAD) as u32))
    }

    /// How full the path is.
    pub fn fill(&self, now: Instant) -> Fill {
        let queue = self.reading.map_or(Duration::ZERO, |reading| reading.queue);
        Fill {
            queue,
            in_flight: self.in_flight(now),
            wait: self.reading.zip(self.since).and_then(|(reading, (at, bits))| reading.wait(now, at, bits)),
        }
    }

    /// How long beyond a round trip the oldest packet has been without a word of it. `None`: word came of all.
    pub fn in_flight(&self, now: Instant) -> Option<Duration> {
        let round_trip = self.reading.map_or(Duration::ZERO, |reading| reading.round_trip);
        self.oldest.map(|sent| now.saturating_duration_since(sent).saturating_sub(round_trip))
    }
}
