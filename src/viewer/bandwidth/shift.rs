//! A way that became longer looks like a queue that stands. But a queue shrinks when less is sent than goes through; the
//! length of a way does not care.

use std::collections::VecDeque;

/// What is sent and what happens are compared over so long, in µs.
const SPAN: i64 = 400_000;
/// Less than this part of what goes through, and a queue shrinks visibly.
const LITTLE: f64 = 0.6;
/// Of what a queue should have shrunk by in that time, it did less than this part; nor did it grow by more.
const STILL: f64 = 0.3;

/// What all packets of a report had to wait; µs, on any clock.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// When the newest of them was sent.
    sent: i64,
    took: i64,
    /// That were sent till then and came.
    bits: f64,
}

/// Tells a longer way from a queue.
#[derive(Debug, Default)]
pub(super) struct Shift {
    moments: VecDeque<Moment>,
    /// What went through when a queue grew or shrank last, in bits per second.
    through: Option<f64>,
}

impl Shift {
    /// What is known with a report: when the newest packet of it was sent, the least time that one of them took, how many
    /// bits came, and the rate at which they did while they had to wait.
    pub(super) fn add(&mut self, sent: i64, took: i64, bits: f64, through: Option<f64>) {
        let before = self.moments.back().map_or(0.0, |moment| moment.bits);
        if self.moments.back().is_none_or(|last| sent > last.sent) {
            self.moments.push_back(Moment { sent, took, bits: before + bits });
        } else if let Some(last) = self.moments.back_mut() {
            last.bits += bits;
        }
        while self.moments.len() > 2 && self.moments.get(1).is_some_and(|second| sent - second.sent >= SPAN) {
            self.moments.pop_front();
        }
        if self.change().is_none_or(|change| change.abs() > STILL * (1.0 - LITTLE)) {
            self.through = through;
        }
    }

    /// By how much the wait changed of late, per time.
    fn change(&self) -> Option<f64> {
        let (first, last) = (self.moments.front()?, self.moments.back()?);
        let time = last.sent - first.sent;
        (time >= SPAN).then(|| (last.took - first.took) as f64 / time as f64)
    }

    /// Whether what is waited for is no queue: little was sent, and it is still the same.
    pub(super) fn is_way(&self) -> bool {
        let (Some(change), Some(through)) = (self.change(), self.through) else { return false };
        let (Some(first), Some(last)) = (self.moments.front(), self.moments.back()) else { return false };
        let sent = (last.bits - first.bits) * 1e6 / (last.sent - first.sent) as f64;
        sent <= LITTLE * through && change.abs() <= STILL * (1.0 - sent / through)
    }
}
