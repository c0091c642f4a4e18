//! Whether pictures go on their way at all: what would come too late is of no use, and holds up what comes after it.

use std::time::Duration;

/// A picture that would come so late is not sent.
const TOO_LATE: Duration = Duration::from_millis(400);
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
}

impl Brake {
    /// Whether pictures are held back now. `queue`: what packets waited of late; `in_flight`: how long beyond a round
    /// trip the oldest packet that was sent has been without a word of it, `None`: there is none.
    pub fn holds(&mut self, queue: Duration, in_flight: Option<Duration>) -> bool {
        self.on = match in_flight {
            None => false,
            Some(late) if self.on => late > REPORTS || queue > SHORT,
            Some(late) => late > NO_WORD || queue > TOO_LATE,
        };
        self.on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_from_too_late_to_empty() {
        let ms = Duration::from_millis;
        let mut brake = Brake::default();
        assert!(!brake.holds(ms(50), Some(ms(100))));
        assert!(brake.holds(ms(500), Some(ms(0))), "a long queue");
        assert!(brake.holds(ms(200), Some(ms(0))), "not short yet");
        assert!(!brake.holds(ms(500), None), "all came");
        assert!(brake.holds(ms(0), Some(ms(700))), "no word");
        assert!(!brake.holds(ms(20), Some(ms(100))));
    }
}
