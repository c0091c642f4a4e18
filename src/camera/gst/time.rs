//! A pipeline's time → [`Instant`]s. Pure.

use std::time::{Duration, Instant};

/// A picture that is older than this is not believed to be. Some encoders hold pictures back for a second and more.
const OLDEST: Duration = Duration::from_secs(5);

/// When pictures were captured.
#[derive(Debug)]
pub struct Times {
    last: Instant,
}

impl Times {
    /// From now on.
    pub fn start(now: Instant) -> Self {
        Self { last: now }
    }

    /// When a picture was captured that has this age, in nanoseconds. Never before the picture before it; now, when the age
    /// makes no sense or is not known.
    pub fn of(&mut self, age: Option<i64>, now: Instant) -> Instant {
        let age = age.and_then(|age| u64::try_from(age).ok()).map(Duration::from_nanos);
        let sane = age.filter(|age| *age <= OLDEST).and_then(|age| now.checked_sub(age));
        self.last = sane.unwrap_or(now).max(self.last + Duration::from_micros(1));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_believed_when_they_make_sense() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut times = Times::start(start);
        assert_eq!(times.of(Some(30_000_000), at(130)), at(100), "not when it arrived");
        assert_eq!(times.of(None, at(150)), at(150), "no timestamp");
        assert_eq!(times.of(Some(-1), at(170)), at(170), "the future");
        assert_eq!(times.of(Some(i64::MAX), at(200)), at(200), "too long ago");
        assert!(times.of(Some(100_000_000), at(210)) > at(200), "never backwards");
        assert_eq!(times.of(Some(1_300_000_000), at(9000)), at(7700), "an encoder that looks ahead");
    }
}
