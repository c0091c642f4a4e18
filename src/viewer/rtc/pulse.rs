//! What is heard of a viewer by RTCP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Signs of life of a viewer, and its wish for a key frame.
#[derive(Debug)]
pub struct Pulse {
    start: Instant,
    heard_ms: AtomicU64,
    key_wanted: AtomicBool,
    wake: Notify,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            heard_ms: AtomicU64::new(0),
            key_wanted: AtomicBool::new(false),
            wake: Notify::new(),
        })
    }

    /// Notes a sign of life.
    pub fn heard(&self) {
        self.heard_ms.store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// How long ago the last sign of life was.
    pub fn silence(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.heard_ms.load(Ordering::Relaxed)))
    }

    pub(super) fn want_key_frame(&self) {
        self.key_wanted.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Waits until the viewer asks for a key frame (PLI or FIR: RFC 4585, 6.3.1; RFC 5104, 4.3.1).
    pub async fn key_wanted(&self) {
        while !self.key_wanted.swap(false, Ordering::Relaxed) {
            self.wake.notified().await;
        }
    }
}
