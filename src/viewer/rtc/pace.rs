//! A large picture's packets leave over a part of a picture's time, not at once: a short queue on the way would drop the
//! last of them, and a long one would hold up everything else in it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many packets leave together: a picture of 2 Mbit/s at 30 fps whole, and one system call's worth.
const TOGETHER: usize = 10;
/// From a picture's first packet to its last: less than the time from one picture to the next up to 50 fps.
const SPREAD: Duration = Duration::from_millis(18);
/// From one group of packets to the next.
const STEP: Duration = Duration::from_millis(3);

/// Packets that wait for their time.
#[derive(Debug)]
pub(super) struct Pace<T> {
    waiting: VecDeque<T>,
    group: usize,
    next: Instant,
}

impl<T> Pace<T> {
    pub(super) fn new(now: Instant) -> Self {
        Self { waiting: VecDeque::new(), group: TOGETHER, next: now }
    }

    /// Takes a picture's packets. What is left of the one before leaves with its first ones.
    pub(super) fn picture(&mut self, packets: impl Iterator<Item = T>, now: Instant) -> Vec<T> {
        let mut leave: Vec<T> = self.waiting.drain(..).collect();
        let before = leave.len();
        leave.extend(packets);
        if leave.len() - before <= TOGETHER {
            return leave;
        }
        self.waiting.extend(leave.drain(before..));
        let steps = (SPREAD.as_micros() / STEP.as_micros()) as usize;
        self.group = TOGETHER.max(self.waiting.len().div_ceil(steps + 1));
        self.next = now;
        leave.extend(self.due(now));
        leave
    }

    /// What leaves now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<T> {
        let mut leave = Vec::new();
        while !self.waiting.is_empty() && now >= self.next {
            let group = self.group.min(self.waiting.len());
            leave.extend(self.waiting.drain(..group));
            self.next += STEP;
        }
        leave
    }

    /// When the next ones leave.
    pub(super) fn next(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_leave_at_once_and_large_ones_within_their_time() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.picture(0..TOGETHER, now).len(), TOGETHER);
        assert_eq!(pace.next(), None);
        for packets in [11, 53, 300, 5000] {
            let (mut left, mut at) = (pace.picture(0..packets, now), now);
            while let Some(next) = pace.next() {
                assert!(next > at && next - at <= STEP);
                at = next;
                left.extend(pace.due(at));
            }
            assert!(at - now <= SPREAD && left == (0..packets).collect::<Vec<_>>(), "{packets} {:?}", at - now);
        }
    }

    #[test]
    fn a_picture_does_not_wait_for_the_one_before() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let first = pace.picture(0..100, now).len();
        let next = pace.picture(100..105, now + STEP);
        assert_eq!(next, (first..105).collect::<Vec<_>>());
        assert_eq!(pace.due(now + SPREAD * 9).len(), 0);
    }
}
