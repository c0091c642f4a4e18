//! Even steps in time. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::media::units::FrameRate;

/// Ticks at absolute moments, so that they do not drift; those that were missed are left out.
#[derive(Debug)]
pub struct Pace {
    start: Instant,
    interval: Duration,
    next: u64,
}

impl Pace {
    /// The first tick is at `start`.
    pub fn new(start: Instant, rate: FrameRate) -> Self {
        Self { start, interval: rate.interval(), next: 0 }
    }

    /// How long it is until the next tick; zero when it is due.
    pub fn wait(&self, now: Instant) -> Duration {
        let due = self.interval.as_nanos() * u128::from(self.next);
        let due = self.start + Duration::from_nanos(u64::try_from(due).unwrap_or(u64::MAX));
        due.saturating_duration_since(now)
    }

    /// Takes the tick that is due. How many were missed before it.
    pub fn take(&mut self, now: Instant) -> u64 {
        let latest = now.saturating_duration_since(self.start).as_nanos() / self.interval.as_nanos().max(1);
        let latest = u64::try_from(latest).unwrap_or(u64::MAX).max(self.next);
        let missed = latest - self.next;
        self.next = latest + 1;
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_do_not_drift_and_missed_ones_are_dropped() {
        let start = Instant::now();
        let ms = |n: u64| start + Duration::from_millis(n);
        let mut pace = Pace::new(start, FrameRate::new(10.0).unwrap());
        assert_eq!(pace.wait(start), Duration::ZERO);
        assert_eq!(pace.take(ms(3)), 0);
        assert_eq!(pace.wait(ms(3)), Duration::from_millis(97));
        assert_eq!(pace.take(ms(120)), 0);
        assert_eq!(pace.wait(ms(120)), Duration::from_millis(80), "from the schedule, not from the last picture");
        assert_eq!(pace.take(ms(555)), 3, "200, 300, 400 were missed");
        assert_eq!(pace.wait(ms(555)), Duration::from_millis(45));
    }
}
