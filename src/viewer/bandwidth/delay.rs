//! How long packets take, and how much comes through.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Ack;
use super::noise::Noise;
use super::shift::Shift;

/// A queue stands when every packet of this time had to wait: one late packet is jitter, and so is one early.
const WINDOW: i64 = 180_000;
/// A queue's growth is that since so long ago.
pub(super) const BEFORE: i64 = 250_000;
/// A link is busy while packets have to wait so long.
const WAIT: i64 = 12_000;
/// The rate over a time without any queue is that of so long.
const RATE: i64 = 600_000;
/// A link's rate is that of the last so long of being busy.
const BUSY: i64 = 500_000;
/// So many packets that take longer and longer come through a link that became narrow.
const RUSH: usize = 10;
/// The fastest packet of the last so long took no queue. Clocks drift by less than a millisecond in this time, and a
/// queue that others keep full is taken for the path's own delay after it.
const LEAST: i64 = 10_000_000;
/// Packets that are remembered: more than come in [`RATE`] at 50 Mbit/s.
const PACKETS: usize = 6_000;

/// One packet that came; times in µs, each on its own clock.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    at: i64,
    took: i64,
    bits: f64,
}

/// Arrivals of late.
#[derive(Debug, Default)]
pub(super) struct Delay {
    epoch: Option<Instant>,
    arrivals: VecDeque<Arrival>,
    /// The least time that a packet took, of each second of arrivals.
    least: VecDeque<(i64, i64)>,
    queue: i64,
    before: VecDeque<(i64, i64)>,
    shift: Shift,
    noise: Noise,
}

impl Delay {
    pub(super) fn add(&mut self, acks: &[Ack]) {
        let Some(first) = acks.first() else { return };
        let epoch = *self.epoch.get_or_insert(first.sent);
        let (mut newest_sent, mut least, mut came) = (i64::MIN, i64::MAX, 0.0);
        for ack in acks {
            let Some(arrived) = ack.arrived else { continue };
            let sent =
                micros(ack.sent.saturating_duration_since(epoch)) - micros(epoch.saturating_duration_since(ack.sent));
            let (at, bits) = (micros(arrived), ack.size.min(1 << 16) as f64 * 8.0);
            (newest_sent, least, came) = (newest_sent.max(sent), least.min(at - sent), came + bits);
            self.noise.add(sent, at - sent);
            self.insert(Arrival { at, took: at - sent, bits });
        }
        let Some(newest) = self.arrivals.back().map(|arrival| arrival.at) else { return };
        while self.arrivals.front().is_some_and(|a| newest - a.at > RATE) || self.arrivals.len() > PACKETS {
            self.arrivals.pop_front();
        }
        while self.least.front().is_some_and(|(at, _)| newest - at > LEAST) {
            self.least.pop_front();
        }
        let base = self.base();
        let recent = self.arrivals.iter().rev().take_while(|arrival| newest - arrival.at <= WINDOW);
        let took = recent.map(|arrival| arrival.took).min().unwrap_or(base);
        self.queue = (took - base).max(0);
        if newest_sent > i64::MIN {
            let through = self.busy_rate();
            self.shift.add(newest_sent, least, came, through);
        }
        self.before.push_back((newest, self.queue));
        while self.before.len() > 2 && self.before.get(1).is_some_and(|(at, _)| newest - at >= BEFORE) {
            self.before.pop_front();
        }
    }

    /// In the order of arrival, though they are reported in the order of departure.
    fn insert(&mut self, arrival: Arrival) {
        // A clock that jumps begins anew.
        if self.arrivals.back().is_some_and(|newest| (arrival.at - newest.at).abs() > 60_000_000) {
            *self = Self { epoch: self.epoch, ..Self::default() };
        }
        let place = self.arrivals.iter().rev().take_while(|a| a.at > arrival.at).count();
        self.arrivals.insert(self.arrivals.len() - place, arrival);
        match self.least.back_mut() {
            Some((second, least)) if arrival.at - *second < 1_000_000 => *least = (*least).min(arrival.took),
            _ => self.least.push_back((arrival.at, arrival.took)),
        }
    }

    /// How much delays differ from picture to picture, without a queue.
    pub(super) fn noise(&self) -> Duration {
        Duration::from_micros(self.noise.level().unsigned_abs())
    }

    /// Whether what packets wait for is no queue, but the way's own length.
    pub(super) fn is_way(&self) -> bool {
        self.shift.is_way()
    }

    /// Takes it for that.
    pub(super) fn lengthen(&mut self) {
        let base = self.base() + self.queue;
        if let Some(newest) = self.arrivals.back() {
            self.least = VecDeque::from([(newest.at, base)]);
        }
        (self.queue, self.shift) = (0, Shift::default());
        self.before.clear();
    }

    fn base(&self) -> i64 {
        self.least.iter().map(|(_, took)| *took).min().unwrap_or(0)
    }

    /// The time that a packet took, in µs, on a clock of its own; `None`: it did not come.
    pub(super) fn took(&self, ack: &Ack) -> Option<i64> {
        let epoch = self.epoch?;
        let sent =
            micros(ack.sent.saturating_duration_since(epoch)) - micros(epoch.saturating_duration_since(ack.sent));
        ack.arrived.map(|arrived| micros(arrived) - sent)
    }

    /// The least time that packets of late took, on the same clock.
    pub(super) fn least(&self) -> i64 {
        self.base() + self.queue
    }

    /// What every packet of late had to wait.
    pub(super) fn queue(&self) -> Duration {
        Duration::from_micros(self.queue.unsigned_abs())
    }

    /// By how much that has grown of late.
    pub(super) fn growth(&self) -> Duration {
        let before = self.before.front().map_or(0, |(_, queue)| *queue);
        Duration::from_micros((self.queue - before).max(0).unsigned_abs())
    }

    /// What came through of late, in bits per second.
    pub(super) fn rate(&self) -> f64 {
        let (Some(first), Some(last)) = (self.arrivals.front(), self.arrivals.back()) else { return 0.0 };
        // At first there is less.
        let time = (last.at - first.at).max(RATE / 2) as f64 / 1e6;
        self.arrivals.iter().map(|arrival| arrival.bits).sum::<f64>() / time
    }

    /// What came through while packets had to wait, in bits per second; `None`: they had not, or too few.
    pub(super) fn busy_rate(&self) -> Option<f64> {
        let (newest, base) = (self.arrivals.back()?.at, self.base());
        let busy = self.arrivals.iter().rev().take_while(|a| newest - a.at <= BUSY && a.took - base > WAIT);
        rate(busy).filter(|(_, count, time)| *count >= 3 && *time > 0.05).map(|(rate, ..)| rate)
    }

    /// The rate of a link that became much narrower just now: of the newest packets nearly each took longer than the one
    /// before it. After a moment's standstill each takes less, and with jitter some do.
    pub(super) fn rush(&self) -> Option<f64> {
        let late = || self.arrivals.iter().rev().take(RUSH);
        let (newest, oldest) = (late().next()?, late().next_back()?);
        let longer = late().zip(late().skip(1)).filter(|(a, before)| a.took > before.took + 1_000).count();
        let noise = self.noise.level();
        let rises = longer + 3 >= RUSH && newest.took - oldest.took > 25_000 + noise;
        let (rate, ..) = rate(late())?;
        (rises && newest.took - self.base() > 60_000 + 2 * noise && newest.at - oldest.at < 500_000).then_some(rate)
    }

    /// What the newest packet had to wait.
    pub(super) fn newest(&self) -> Duration {
        let newest = self.arrivals.back().map_or(0, |arrival| arrival.took - self.base());
        Duration::from_micros(newest.max(0).unsigned_abs())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

/// Bits per second of arrivals, the newest first; how many there are, and in how many seconds they came.
fn rate<'a>(arrivals: impl Iterator<Item = &'a Arrival>) -> Option<(f64, u32, f64)> {
    let mut arrivals = arrivals.peekable();
    let newest = arrivals.peek()?.at;
    let (mut bits, mut oldest, mut count) = (0.0, None, 0);
    for arrival in arrivals {
        (bits, oldest, count) = (bits + arrival.bits, Some(arrival), count + 1);
    }
    let oldest = oldest?;
    let time = (newest - oldest.at) as f64 / 1e6;
    // The first one came at the beginning of that time, and took none of it.
    (time > 0.0).then(|| ((bits - oldest.bits) / time, count, time))
}
