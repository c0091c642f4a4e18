//! Signs of life of the camera's thread, read by whoever must know whether it hangs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When the camera's thread last turned its loop, and last gave a picture. Writing costs a clock reading, and no lock.
#[derive(Debug)]
pub struct Heartbeat {
    start: Instant,
    turned: Moment,
    picture: Moment,
}

/// Milliseconds since the start, plus one; 0 is never.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

impl Heartbeat {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), turned: Moment::default(), picture: Moment::default() }
    }

    pub(super) fn turn(&self) {
        self.turned.set(self.start);
    }

    pub(super) fn picture(&self) {
        self.picture.set(self.start);
    }

    /// When the thread last turned its loop.
    pub fn last_turn(&self) -> Option<Instant> {
        self.turned.get(self.start)
    }

    /// When the last picture was published.
    pub fn last_picture(&self) -> Option<Instant> {
        self.picture.get(self.start)
    }
}

impl Moment {
    fn set(&self, start: Instant) {
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.0.store(millis + 1, Ordering::Relaxed);
    }

    fn get(&self, start: Instant) -> Option<Instant> {
        let millis = self.0.load(Ordering::Relaxed).checked_sub(1)?;
        start.checked_add(Duration::from_millis(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_has_no_time() {
        let heart = Heartbeat::new();
        assert_eq!((heart.last_turn(), heart.last_picture()), (None, None));
        let before = Instant::now();
        heart.turn();
        assert_eq!(heart.last_picture(), None);
        let turned = heart.last_turn().expect("it turned");
        assert!(turned + Duration::from_millis(1) >= before && turned <= Instant::now(), "{turned:?} {before:?}");
    }
}
