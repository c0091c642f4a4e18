//! Whether pictures go on their way at all: what would come too late is of no use, and holds up what comes after it.

use std::time::{Duration, Instant};

/// A picture that would come so late is not sent.
const TOO_LATE: Duration = Duration::from_millis(500);
/// The same when it lasts: a key frame on a slow link takes as long, but it passes.
const LATE: (Duration, Duration) = (Duration::from_millis(230), Duration::from_millis(500));
/// The same by packets that no word came of; viewers report each 50 to 250 ms.
const NO_WORD: Duration = Duration::from_millis(600);
/// With so little before it a picture goes again.
const SHORT: Duration = Duration::from_millis(100);
/// Reports are so far apart at most.
const REPORTS: Duration = Duration::from_millis(250);

/// Stops the pictures when the path is full, until it is empty.
#[derive(Debug, Default)]
pub struct Brake {
    on: bool,
    /// Since when pictures are late.
    late: Option<Instant>,
}

impl Brake {
    /// Whether pictures are held back now. `queue`: what packets waited of late; `in_flight`: how long beyond a round
    /// trip the oldest packet that was sent has been without a word of it, `None`: there is none.
    pub fn holds(&mut self, now: Instant, queue: Duration, in_flight: Option<Duration>) -> bool {
        self.late = (queue > LATE.0 && !self.on).then(|| self.late.unwrap_or(now));
        let lasts = self.late.is_some_and(|since| now.saturating_duration_since(since) > LATE.1);
        self.on = match in_flight {
            None => false,
            Some(late) if self.on => late > REPORTS || queue > SHORT,
            Some(late) => late > NO_WORD || queue > TOO_LATE || lasts,
        };
        self.on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_from_too_late_to_empty() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut brake = Brake::default();
        let mut holds = |at, queue, late: Option<u64>| brake.holds(start + ms(at), ms(queue), late.map(ms));
        assert!(!holds(0, 50, Some(100)));
        assert!(holds(10, 550, Some(0)), "a long queue");
        assert!(holds(20, 200, Some(0)), "not short yet");
        assert!(!holds(30, 550, None), "all came");
        assert!(holds(40, 0, Some(700)), "no word");
        assert!(!holds(50, 20, Some(100)));
        assert!(!holds(60, 300, Some(0)) && !holds(500, 300, Some(0)), "a key frame takes its time");
        assert!(holds(600, 300, Some(0)), "this lasts");
        assert!(!holds(800, 30, Some(0)));
    }
}
