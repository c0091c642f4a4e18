//! What to do about an encoder that fails. Pure: time is an argument.

use std::time::{Duration, Instant};

/// A fault that is longer ago does not count.
const MEMORY: Duration = Duration::from_secs(60);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Stop it and start it again.
    Restart,
    /// Close it and open it again.
    Reopen,
    /// Do without it.
    GiveUp,
}

/// Counts faults: the first of a minute is answered by a restart, the second by opening it anew, the third is the last.
#[derive(Debug, Default)]
pub struct Ladder {
    faults: Vec<Instant>,
}

impl Ladder {
    /// A fault. `gone`: there is nothing that could be restarted.
    pub fn fault(&mut self, now: Instant, gone: bool) -> Rung {
        self.faults.retain(|at| now.saturating_duration_since(*at) < MEMORY);
        self.faults.push(now);
        match self.faults.len() {
            1 if !gone => Rung::Restart,
            1 | 2 => Rung::Reopen,
            _ => Rung::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_is_climbed_within_a_minute() {
        let begin = Instant::now();
        let at = |s: u64| begin + Duration::from_secs(s);
        let mut ladder = Ladder::default();
        let rungs: Vec<_> = [0, 2, 59].map(|s| ladder.fault(at(s), false)).into();
        assert_eq!(rungs, [Rung::Restart, Rung::Reopen, Rung::GiveUp]);
        let rungs: Vec<_> = [0, 61, 122].map(|s| Ladder::default().fault(at(s), false)).into();
        assert_eq!(rungs, [Rung::Restart; 3]);
        let mut ladder = Ladder::default();
        assert_eq!([0, 59, 61, 90].map(|s| ladder.fault(at(s), false)), {
            use Rung::*;
            [Restart, Reopen, Reopen, GiveUp]
        });
        assert_eq!([0, 1, 2].map(|_| Ladder::default().fault(at(0), true)), [Rung::Reopen; 3]);
    }
}
