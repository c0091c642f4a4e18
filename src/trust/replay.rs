//! What was seen already with one challenge, and how much of it is too much.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::envelope::{NONCE, Reason};
use super::id::ViewerId;

/// Nonces that are remembered for one challenge.
const ALL: usize = 4_096;
/// Of those, of one viewer.
const EACH: u16 = 256;

/// The nonces that were used with one challenge.
#[derive(Debug, Default)]
pub(super) struct Seen {
    nonces: HashSet<(ViewerId, [u8; NONCE])>,
    of: HashMap<ViewerId, u16>,
}

impl Seen {
    /// Whether a nonce is new, and its viewer has some left. What others use is nothing to it: nobody can use up a nonce
    /// that they saw on its way.
    pub(super) fn check(&self, viewer: &ViewerId, nonce: &[u8; NONCE]) -> Result<(), Reason> {
        if self.nonces.contains(&(*viewer, *nonce)) {
            return Err(Reason::Replay);
        }
        let full = self.nonces.len() >= ALL || self.of.get(viewer).is_some_and(|n| *n >= EACH);
        if full { Err(Reason::Busy) } else { Ok(()) }
    }

    /// Remembers one that passed [`Seen::check`], and whose signature was good.
    pub(super) fn remember(&mut self, viewer: ViewerId, nonce: [u8; NONCE]) {
        if self.nonces.len() < ALL && self.nonces.insert((viewer, nonce)) {
            *self.of.entry(viewer).or_default() += 1;
        }
    }
}

/// So many at once, and so many a second.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u32,
    left: u32,
    filled: Instant,
}

impl Bucket {
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self { rate, left: rate, filled: now }
    }

    /// Takes one, if one is there.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let each = Duration::from_secs(1) / self.rate.max(1);
        let due = now.saturating_duration_since(self.filled).as_nanos() / each.as_nanos().max(1);
        if due >= u128::from(self.rate - self.left) {
            (self.left, self.filled) = (self.rate, now);
        } else if let Ok(due) = u32::try_from(due) {
            self.left += due;
            self.filled += each * due;
        }
        let there = self.left > 0;
        self.left -= u32::from(there);
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(n: usize) -> [u8; NONCE] {
        (n as u128).to_be_bytes()
    }

    #[test]
    fn a_nonce_is_taken_once() {
        let (mut seen, viewer) = (Seen::default(), ViewerId::from_bytes([1; 16]));
        assert_eq!(seen.check(&viewer, &nonce(1)), Ok(()));
        seen.remember(viewer, nonce(1));
        assert_eq!(seen.check(&viewer, &nonce(1)), Err(Reason::Replay));
        let other = ViewerId::from_bytes([2; 16]);
        assert_eq!(seen.check(&other, &nonce(1)), Ok(()), "nobody uses up another's");
    }

    #[test]
    fn one_viewer_has_so_many_and_all_together_too() {
        let (mut seen, mut n) = (Seen::default(), 0);
        for viewer in 0..16 {
            let viewer = ViewerId::from_bytes([viewer; 16]);
            for _ in 0..EACH {
                assert_eq!(seen.check(&viewer, &nonce(n)), Ok(()));
                seen.remember(viewer, nonce(n));
                n += 1;
            }
            assert_eq!(seen.check(&viewer, &nonce(n)), Err(Reason::Busy));
        }
        assert_eq!(seen.check(&ViewerId::from_bytes([99; 16]), &nonce(n)), Err(Reason::Busy));
        assert_eq!(n, ALL);
    }

    #[test]
    fn a_bucket_fills_at_its_rate() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut bucket = Bucket::new(4, start);
        assert_eq!((0..10).filter(|_| bucket.take(start)).count(), 4);
        assert!(!bucket.take(at(249)) && bucket.take(at(250)) && !bucket.take(at(250)));
        let taken = (0..10_000).filter(|ms| bucket.take(at(250 + ms))).count();
        assert_eq!(taken, 39, "four a second for 9.999 s");
        assert_eq!((0..10).filter(|_| bucket.take(at(60_000))).count(), 4, "no more than it holds");
    }
}
