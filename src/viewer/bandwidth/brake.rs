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
/// The same by what is on its way through a link that has just become narrow: then it will be more and more, since an
/// encoder takes a while to follow.
const NARROW: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(40));
/// Reports are so far apart at most.
const REPORTS: Duration = Duration::from_millis(250);

/// What was found after that is of the time before it, and a key frame takes its time.
const GRACE: Duration = Duration::from_millis(1000);

/// Stops the pictures when the path is full, until it is empty.
#[derive(Debug, Default)]
pub struct Brake {
    state: State,
    /// Since when pictures are late.
    late: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Off,
    On,
    /// Because the link became narrow.
    Narrow,
    /// That is over since then.
    Over(Instant),
}

/// How full the path is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fill {
    /// What packets waited of late.
    pub queue: Duration,
    /// How long beyond a round trip the oldest packet that was sent has been without a word of it; `None`: there is none.
    pub in_flight: Option<Duration>,
    /// How long a packet would wait that is sent now, if the link has just become narrow; `None`: it has not.
    pub wait: Option<Duration>,
}

impl Brake {
    /// Whether pictures are held back now.
    pub fn holds(&mut self, now: Instant, fill: Fill) -> bool {
        let on = matches!(self.state, State::On);
        self.late = (fill.queue > LATE.0 && !on).then(|| self.late.unwrap_or(now));
        let lasts = self.late.is_some_and(|since| now.saturating_duration_since(since) > LATE.1);
        let holds = match fill.in_flight {
            None => false,
            Some(late) if on => late > REPORTS || fill.queue > SHORT,
            Some(late) => late > NO_WORD || fill.queue > TOO_LATE || lasts,
        };
        self.state = match (self.state, fill.wait) {
            (State::Narrow, Some(wait)) if wait > NARROW.1 => State::Narrow,
            (State::Narrow, _) => State::Over(now),
            (State::Over(since), _) if now.saturating_duration_since(since) < GRACE => State::Over(since),
            (State::Off, Some(wait)) if wait > NARROW.0 => State::Narrow,
            _ if holds => State::On,
            _ => State::Off,
        };
        if matches!(self.state, State::Narrow | State::Over(_)) {
            self.late = None;
        }
        matches!(self.state, State::On | State::Narrow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_from_too_late_to_empty() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut brake = Brake::default();
        let mut holds = |at, queue, late: Option<u64>| {
            brake.holds(start + ms(at), Fill { queue: ms(queue), in_flight: late.map(ms), wait: None })
        };
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

    #[test]
    fn a_link_that_became_narrow_is_emptied_once() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut brake = Brake::default();
        let mut holds = |at, queue, wait: Option<u64>| {
            brake.holds(start + ms(at), Fill { queue: ms(queue), in_flight: Some(ms(400)), wait: wait.map(ms) })
        };
        assert!(!holds(0, 50, Some(150)));
        assert!(holds(30, 100, Some(250)), "much is on its way");
        assert!(holds(100, 290, Some(100)));
        assert!(!holds(200, 290, Some(30)), "the queue is what it was");
        assert!(!holds(900, 290, Some(350)), "a key frame is on its way");
        assert!(!holds(1300, 290, None));
        assert!(holds(1900, 290, None), "a queue that lasts");
    }
}
