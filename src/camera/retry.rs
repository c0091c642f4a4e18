//! When to try again, and how to say it without filling the log. Pure: time is an argument.

use std::time::{Duration, Instant};

/// How long to wait after each failure in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    const LAST: Duration = Duration::from_secs(5);

    /// Another failure: how long to wait now.
    pub fn next(&mut self) -> Duration {
        let pause = Self::FIRST.saturating_mul(1 << self.failures.min(8)).min(Self::LAST);
        self.failures += 1;
        pause
    }

    /// It worked, or something changed.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Turns outages into log lines: one when it begins, one when it ends, however often it is tried in between. A device
/// that comes and goes is summed up once a minute.
#[derive(Debug, Default)]
pub struct Outages {
    current: Option<Outage>,
    /// The last warning, and how many outages with the same reason came since without a line of their own.
    warned: Option<(String, Instant)>,
    unsaid: u32,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    tries: u32,
    silent: bool,
    reasons: Vec<String>,
}

impl Outages {
    const QUIET: Duration = Duration::from_secs(60);
    /// Different reasons that are told within one outage.
    const REASONS: usize = 4;

    /// A try failed. What to warn of, if anything. `gone`: the device is simply not there.
    pub fn failed(&mut self, now: Instant, reason: &str, gone: bool) -> Option<String> {
        if let Some(outage) = &mut self.current {
            outage.tries += 1;
            // A new reason is news; that an unplugged device is not there is none.
            let known = gone || outage.reasons.len() >= Self::REASONS || outage.reasons.iter().any(|r| r == reason);
            if known || outage.silent {
                return None;
            }
            outage.reasons.push(reason.to_owned());
            return Some(reason.to_owned());
        }
        let again = |(text, at): &(String, Instant)| text == reason && now.saturating_duration_since(*at) < Self::QUIET;
        let silent = self.warned.as_ref().is_some_and(again);
        self.current = Some(Outage { since: now, tries: 1, silent, reasons: vec![reason.to_owned()] });
        if silent {
            self.unsaid += 1;
            return None;
        }
        let unsaid = std::mem::take(&mut self.unsaid);
        self.warned = Some((reason.to_owned(), now));
        Some(if unsaid == 0 { reason.to_owned() } else { format!("{reason} (and {unsaid} times more before)") })
    }

    /// Pictures flow. What to say, if there was an outage that was told of: how long it took.
    pub fn over(&mut self, now: Instant) -> Option<String> {
        let outage = self.current.take()?;
        let seconds = now.saturating_duration_since(outage.since).as_secs_f64();
        let tries = if outage.tries == 1 { "1 try".to_owned() } else { format!("{} tries", outage.tries) };
        (!outage.silent).then(|| format!("back after {seconds:.1} s and {tries}"))
    }

    /// Whether the last try failed, and since when tries do.
    pub fn since(&self) -> Option<Instant> {
        self.current.as_ref().map(|outage| outage.since)
    }
}

/// Sums up what happens often: the first at once, then at most one line a minute.
#[derive(Debug, Default)]
pub struct Tally {
    unsaid: u32,
    said: Option<Instant>,
}

impl Tally {
    /// It happened once more. What to say of it, if anything.
    pub fn one(&mut self, now: Instant, what: &str) -> Option<String> {
        if self.said.is_some_and(|at| now.saturating_duration_since(at) < Outages::QUIET) {
            self.unsaid += 1;
            return None;
        }
        self.said = Some(now);
        let unsaid = std::mem::take(&mut self.unsaid);
        Some(if unsaid == 0 { what.to_owned() } else { format!("{what} (and {unsaid} times more before)") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_one_line_a_minute() {
        let begin = Instant::now();
        let mut tally = Tally::default();
        let said: Vec<_> = (0..122).filter_map(|s| tally.one(begin + Duration::from_secs(s), "damaged")).collect();
        assert_eq!(said, ["damaged", "damaged (and 59 times more before)", "damaged (and 59 times more before)"]);
    }

    #[test]
    fn backoff_doubles_to_five_seconds() {
        let mut backoff = Backoff::default();
        let ms: Vec<u128> = (0..7).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(ms, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next().as_millis(), 250);
        for _ in 0..1000 {
            assert!(backoff.next() <= Backoff::LAST);
        }
    }

    #[test]
    fn an_outage_is_two_lines() {
        let begin = Instant::now();
        let at = |s: u64| begin + Duration::from_secs(s);
        let mut outages = Outages::default();
        assert_eq!(outages.over(at(0)), None);
        assert_eq!(outages.failed(at(1), "unplugged", true).as_deref(), Some("unplugged"));
        for s in 2..20 {
            assert_eq!(outages.failed(at(s), "absent", true), None);
        }
        assert_eq!(outages.failed(at(20), "permission", false).as_deref(), Some("permission"), "this is news");
        assert_eq!(outages.failed(at(21), "permission", false), None);
        assert_eq!(outages.since(), Some(at(1)));
        assert_eq!(outages.over(at(22)).as_deref(), Some("back after 21.0 s and 21 tries"));
        assert_eq!((outages.over(at(22)), outages.since()), (None, None));
    }

    #[test]
    fn a_device_that_comes_and_goes_is_summed_up() {
        let begin = Instant::now();
        let mut outages = Outages::default();
        let mut lines = Vec::new();
        for s in 0..130 {
            let now = begin + Duration::from_secs(s);
            lines.extend(outages.failed(now, "stalled", false));
            lines.extend(outages.over(now + Duration::from_millis(500)));
        }
        assert_eq!(
            lines,
            [
                "stalled",
                "back after 0.5 s and 1 try",
                "stalled (and 59 times more before)",
                "back after 0.5 s and 1 try",
                "stalled (and 59 times more before)",
                "back after 0.5 s and 1 try"
            ]
        );
    }
}
