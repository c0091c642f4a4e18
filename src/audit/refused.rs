//! Refusals, of which anybody can cause as many as they like: a few are written down, the rest is counted. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::chain::{Entry, What};
use crate::trust::ViewerId;

/// So many of one reason in [`WINDOW`] have lines of their own.
const EACH: u64 = 3;
const WINDOW: Duration = Duration::from_secs(60);
/// Reasons that are told from each other; they are ours, so there are few.
const REASONS: usize = 64;

/// What was refused lately.
#[derive(Debug, Default)]
pub(super) struct Refusals(HashMap<String, Window>);

#[derive(Debug)]
struct Window {
    since: Instant,
    written: u64,
    counted: u64,
}

impl Refusals {
    /// One more; the line that it gets, if any.
    pub(super) fn note(&mut self, why: &str, viewer: Option<ViewerId>, now: Instant) -> Option<Entry> {
        let why = if self.0.contains_key(why) || self.0.len() < REASONS { why } else { "other" };
        let window = self.0.entry(why.to_owned()).or_insert(Window { since: now, written: 0, counted: 0 });
        if window.written < EACH {
            window.written += 1;
            return Some(Entry { viewer, why: Some(why.to_owned()), ..Entry::new(What::Refused) });
        }
        window.counted += 1;
        None
    }

    /// Sums up what was counted, and forgets what is over.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.0.retain(|why, window| {
            let over = now.saturating_duration_since(window.since) >= WINDOW;
            if over && window.counted > 0 {
                let (why, count) = (Some(why.clone()), Some(window.counted));
                entries.push(Entry { why, count, ..Entry::new(What::Refused) });
            }
            !over
        });
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_written_and_the_rest_is_summed_up() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let written = (0..1000).filter_map(|_| refusals.note("stale", None, start)).count();
        assert_eq!(written, 3);
        assert!(refusals.due(start + WINDOW / 2).is_empty());
        let due = refusals.due(start + WINDOW);
        assert_eq!(due.iter().map(|e| e.count).collect::<Vec<_>>(), [Some(997)]);
        assert!(refusals.note("stale", None, start + WINDOW).is_some(), "a minute later");
        for i in 0..1000 {
            refusals.note(&i.to_string(), None, start);
        }
        assert!(refusals.0.len() <= REASONS + 1);
    }
}
