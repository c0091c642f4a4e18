//! Whether a path takes much more than it is used for: for a moment more is sent. A queue tells at once that it does not.

use std::time::{Duration, Instant};

use super::Ack;

/// So much more than before is sent.
const MORE: f64 = 2.0;
/// For so long: more than twice the rate of a narrow link makes a queue of no more than this.
const TIME: Duration = Duration::from_millis(80);
/// What is taken for proven of it.
const PROVEN: f64 = 0.85;
/// From one that was answered well to the next.
const SOON: Duration = Duration::from_millis(150);
/// And from one that was not, each time longer.
const REST: (Duration, Duration) = (Duration::from_millis(2500), Duration::from_secs(10));
/// An answer takes no longer than this beyond a round trip.
const ANSWER: Duration = Duration::from_millis(1000);
/// A queue that grows by more than this in the meantime is an answer; µs.
const GROWTH: i64 = 20_000;

/// Probes of one path.
#[derive(Debug)]
pub(super) struct Probes {
    now: Option<Probe>,
    next: Option<Instant>,
    rest: Duration,
}

#[derive(Debug)]
struct Probe {
    from: Instant,
    rate: f64,
    /// Of what was sent before: the least time that a packet took.
    before: i64,
    /// The same of the last part of it, and how many packets that were.
    last: Option<(i64, u32)>,
}

impl Default for Probes {
    fn default() -> Self {
        Self { now: None, next: None, rest: REST.0 }
    }
}

impl Probes {
    /// The rate that is to be sent now, in bits per second, where `rate` is known to be good; `took` is the least time that packets take now, in
    /// µs, on the clock of the acks.
    pub(super) fn rate(&mut self, now: Instant, rate: f64, took: i64) -> Option<f64> {
        if self.now.is_none() && self.next.is_none_or(|at| now >= at) {
            self.now = Some(Probe { from: now, rate: rate * MORE, before: took, last: None });
        }
        self.now.as_ref().filter(|probe| now.saturating_duration_since(probe.from) < TIME).map(|probe| probe.rate)
    }

    /// There is, or there was just now, too much on the path.
    pub(super) fn wait(&mut self, now: Instant) {
        self.next = self.next.max(Some(now + REST.0));
    }

    /// What came of it; `took` tells how long a packet did. Some: the path takes so many bits per second.
    pub(super) fn report(
        &mut self,
        now: Instant,
        acks: &[Ack],
        slack: Duration,
        round_trip: Duration,
        took: impl Fn(&Ack) -> Option<i64>,
    ) -> Option<f64> {
        let probe = self.now.as_mut()?;
        let (half, end) = (probe.from + TIME / 2, probe.from + TIME);
        for took in acks.iter().filter(|ack| ack.sent >= half && ack.sent <= end).filter_map(took) {
            let (least, count) = probe.last.unwrap_or((took, 0));
            probe.last = Some((least.min(took), count + 1));
        }
        let all = acks.iter().any(|ack| ack.sent > end && ack.arrived.is_some());
        if !all && now.saturating_duration_since(end) < ANSWER + round_trip {
            return None;
        }
        let well = probe
            .last
            .is_some_and(|(least, count)| count >= 3 && least - probe.before <= GROWTH + slack.as_micros() as i64);
        let proven = probe.rate * PROVEN;
        self.now = None;
        if well {
            (self.rest, self.next) = (REST.0, Some(now + SOON));
            return Some(proven);
        }
        self.next = Some(now + self.rest);
        self.rest = (self.rest * 2).min(REST.1);
        None
    }
}
