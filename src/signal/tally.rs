//! Bursts of the same trouble, summed up in one line. Pure: time is an argument.

use std::time::{Duration, Instant};

/// At most one line per this time.
const SPACING: Duration = Duration::from_secs(10);

/// Counts dropped messages and says so now and then.
#[derive(Debug, Default)]
pub(super) struct Tally {
    said: Option<Instant>,
    unsaid: u64,
}

impl Tally {
    /// Notes one dropped message; returns the line to log, when one is due.
    pub(super) fn note(&mut self, why: &str, now: Instant) -> Option<String> {
        if self.said.is_some_and(|at| now.saturating_duration_since(at) < SPACING) {
            self.unsaid += 1;
            return None;
        }
        self.said = Some(now);
        let why: String = why.chars().take(200).collect();
        Some(match std::mem::take(&mut self.unsaid) {
            0 => format!("dropped a message: {why}"),
            n => format!("dropped a message: {why} (and {n} more since the last such line)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_one_line_and_its_sum() {
        let (mut tally, start) = (Tally::default(), Instant::now());
        assert_eq!(tally.note("junk", start).as_deref(), Some("dropped a message: junk"));
        for ms in 1..100 {
            assert_eq!(tally.note("junk", start + Duration::from_millis(ms)), None);
        }
        let line = tally.note("other", start + SPACING).expect("a line is due");
        assert_eq!(line, "dropped a message: other (and 99 more since the last such line)");
    }
}
