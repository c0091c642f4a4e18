//! How much a viewer's network takes, from what was sent and what is known to have come. Pure: time is an argument.
//!
//! Two signs say that it is too much. A queue somewhere on the way: packets take longer than the fastest of late did
//! (the idea of draft-ietf-rmcat-gcc-02 and RFC 8698, though neither's arithmetic); while there is a queue, what arrives
//! is what the narrowest link takes. And loss beyond what the path loses anyway. Else it goes up, slowly near the rate
//! that was too much, faster the longer that is ago, and never far beyond what is known to have come through.
//!
//! What looks like a queue and is none: a way whose length changes from packet to packet (`noise.rs`), and one that became
//! longer for good (`shift.rs`).

mod brake;
mod delay;
mod loss;
mod noise;
mod probe;
mod shift;
#[cfg(test)]
mod simulator;
#[cfg(test)]
#[path = "bandwidth/bandwidth_tests.rs"]
mod tests;

use std::time::{Duration, Instant};

use crate::media::units::Bitrate;
pub use brake::{Brake, Fill};
use delay::Delay;
use loss::Loss;
use probe::Probes;

/// A queue this long does no harm yet, but the rate does not rise.
const STANDING: Duration = Duration::from_millis(25);
/// A queue this long is too long, even if it does not grow.
const LONG: Duration = Duration::from_millis(70);
/// What a packet waits for itself, in bits: on a slow link that is much.
const PACKET: f64 = 8_000.0;
/// By so much a queue grows in [`delay::BEFORE`] before it is taken for growing.
const GROWTH: Duration = Duration::from_millis(15);
/// What is left of the rate that comes through, when the queue is too long; less still, to drain it within
/// [`DRAINED_IN`].
const BACK_OFF: f64 = 0.92;
const DRAINED_IN: f64 = 1.0;
/// A link that takes less than this part of what it took has become narrow, and more is on its way than it takes for long.
const NARROWED: f64 = 0.65;
/// While draining at least this part of what comes through goes on.
const TRICKLE: f64 = 0.5;
/// The rate is not halved oftener.
const BETWEEN_CUTS: Duration = Duration::from_millis(200);
/// A rate that was too much is remembered so long.
const MEMORY: Duration = Duration::from_secs(30);
/// Beyond it by this factor without a queue, it is forgotten: the path has changed.
const PASSED: f64 = 1.2;
/// From this part of the most on, nothing is tried.
const WANTED: f64 = 0.7;
/// The shortest round trip is looked for anew after so long.
const ROUND_TRIP: Duration = Duration::from_secs(5);
/// No word from the viewer for so long, while it was sent something: the path takes less, or nothing.
const SILENCE: Duration = Duration::from_millis(800);

/// One packet that was sent, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// When it was sent.
    pub sent: Instant,
    /// Its length on the way, in bytes.
    pub size: usize,
    /// When it came, on the viewer's clock since any moment; `None`: it did not.
    pub arrived: Option<Duration>,
}

/// What is known of the path to a viewer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// What it takes; everything that is sent counts.
    pub estimate: Bitrate,
    /// How long packets wait on the way, beyond the fastest of late.
    pub queue: Duration,
    /// How long the newest did of which word came.
    pub newest: Duration,
    /// What comes through, when packets have to wait.
    pub through: Bitrate,
    /// Whether that has just become much less.
    pub narrowed: bool,
    /// The part of the packets that did not come, 0 to 1, in the last second.
    pub loss: f64,
    /// From a packet's departure to the word of its arrival, the shortest of late.
    pub round_trip: Duration,
}

impl Reading {
    /// How long a packet would wait that is sent now, if the path has just become narrow: what the newest one did of which
    /// word came, and what so many bits take that were sent after it, less the time since.
    pub fn wait(&self, now: Instant, newest: Instant, bits: f64) -> Option<Duration> {
        let takes = Duration::try_from_secs_f64(bits / f64::from(self.through.bps().max(1))).unwrap_or(Duration::MAX);
        let wait = self.newest.saturating_add(takes).saturating_sub(now.saturating_duration_since(newest));
        self.narrowed.then_some(wait)
    }
}

/// Estimates what a path takes.
#[derive(Debug)]
pub struct Estimator {
    /// Bits per second, within `limits`.
    rate: f64,
    limits: (f64, f64),
    delay: Delay,
    loss: Loss,
    probes: Probes,
    /// The last rate that was too much, and when that was.
    too_much: Option<(f64, Instant)>,
    /// Since when no rate is known to be too much.
    free: Option<Instant>,
    /// What was thought of the path before the queue that there is now.
    before: Option<(f64, Option<(f64, Instant)>)>,
    /// Whether the last report looked as if the link had become narrow.
    rushed: bool,
    /// When it was last halved, or nearly.
    cut: Option<Instant>,
    /// When it was last moved, or could have been.
    moved: Option<Instant>,
    heard: Option<Instant>,
    /// What was sent before went another way.
    renewed: Option<Instant>,
    round_trip: Option<(Duration, Instant)>,
}

impl Estimator {
    /// Begins at `start`, and stays between the limits.
    pub fn new(start: Bitrate, floor: Bitrate, ceiling: Bitrate) -> Self {
        let limits = (f64::from(floor.bps()), f64::from(ceiling.max(floor).bps()));
        Self {
            rate: f64::from(start.bps()).clamp(limits.0, limits.1),
            limits,
            delay: Delay::default(),
            loss: Loss::default(),
            probes: Probes::default(),
            too_much: None,
            free: None,
            before: None,
            rushed: false,
            cut: None,
            moved: None,
            heard: None,
            renewed: None,
            round_trip: None,
        }
    }

    /// Takes what a viewer reported.
    pub fn report(&mut self, now: Instant, acks: &[Ack]) {
        let from = acks.iter().position(|ack| self.renewed.is_none_or(|at| ack.sent >= at)).unwrap_or(acks.len());
        let acks = acks.get(from..).unwrap_or_default();
        let Some(newest) = acks.iter().filter(|ack| ack.arrived.is_some()).map(|ack| ack.sent).max() else {
            self.loss.add(now, acks);
            self.adapt(now);
            return;
        };
        self.heard = Some(now);
        self.free.get_or_insert(now);
        let round_trip = now.saturating_duration_since(newest);
        if self
            .round_trip
            .is_none_or(|(least, at)| round_trip <= least || now.saturating_duration_since(at) > ROUND_TRIP)
        {
            self.round_trip = Some((round_trip, now));
        }
        self.delay.add(acks);
        self.loss.add(now, acks);
        let (slack, delay) = (self.delay.noise() * 2, &self.delay);
        if let Some(rate) = self.probes.report(now, acks, slack, self.round_trip(), |ack| delay.took(ack))
            && rate > self.rate
        {
            (self.too_much, self.free) = (None, Some(now));
            self.move_to(rate, now);
        }
        self.adapt(now);
    }

    /// What should be sent now, pictures and all, to see whether the path takes it; `None`: no more than there is.
    pub fn probe(&mut self, now: Instant) -> Option<Bitrate> {
        let calm = self.before.is_none() && self.delay.newest() <= STANDING && !self.loss.is_high();
        let wanted = self.rate < self.limits.1 * WANTED && self.heard.is_some();
        if !calm || !wanted {
            self.probes.wait(now);
        }
        let rate = self.probes.rate(now, self.rate, self.delay.least())?;
        Some(Bitrate::bits(rate.min(self.limits.1) as u32))
    }

    /// Packets take another path: the rate stays, till more is known.
    pub fn renew(&mut self, now: Instant) {
        let (rate, limits) = (self.rate, self.limits);
        *self = Self { rate, limits, renewed: Some(now), ..Self::new(Bitrate::MIN, Bitrate::MIN, Bitrate::MIN) };
    }

    /// To be called now and then; `waiting`: since when a packet waits for word of it.
    pub fn tick(&mut self, now: Instant, waiting: Option<Instant>) {
        let Some(heard) = self.heard else { return };
        let since = waiting.map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent.max(heard)));
        let due = self.moved.is_none_or(|at| now.saturating_duration_since(at) >= SILENCE);
        if since >= SILENCE + self.round_trip() && due {
            self.move_to(self.rate * 0.6, now);
        }
    }

    /// What the path is taken to be good for, heard of or not.
    pub fn rate(&self) -> Bitrate {
        Bitrate::bits(self.rate as u32)
    }

    /// What is known now; `None`: the viewer has not reported anything.
    pub fn reading(&self) -> Option<Reading> {
        let through = self.through();
        self.heard.map(|_| Reading {
            estimate: self.rate(),
            queue: self.delay.queue(),
            newest: self.delay.newest(),
            through: Bitrate::bits(through as u32),
            narrowed: self.is_narrowed(),
            loss: self.loss.fraction(),
            round_trip: self.round_trip(),
        })
    }

    fn through(&self) -> f64 {
        self.too_much.map_or(self.rate, |(rate, _)| rate.max(self.rate))
    }

    fn is_narrowed(&self) -> bool {
        self.before.is_some_and(|(rate, _)| self.through() < rate * NARROWED)
    }

    fn round_trip(&self) -> Duration {
        self.round_trip.map_or(Duration::from_millis(100), |(least, _)| least)
    }

    fn adapt(&mut self, now: Instant) {
        let (queue, growth, rush) = (self.delay.queue(), self.delay.growth(), self.delay.rush());
        // What comes when little is sent, because it has, says nothing more of the link.
        let rush = rush.filter(|through| *through < self.rate * NARROWED && !self.is_narrowed());
        // A viewer that is busy for a moment looks like it once.
        let rush = if std::mem::replace(&mut self.rushed, rush.is_some()) { rush } else { None };
        let packet = Duration::from_secs_f64((PACKET / self.rate).min(0.06));
        let noise = self.delay.noise();
        let standing = STANDING + packet.max(noise);
        let long = queue > LONG + packet.max(noise * 2);
        if queue.max(self.delay.newest()) <= standing {
            self.before = None;
        } else if let Some((rate, too_much)) = self.before
            && queue > standing
            && self.delay.is_way()
        {
            // What was given up was given up for nothing.
            (self.too_much, self.before, self.cut, self.round_trip) = (too_much, None, None, None);
            self.delay.lengthen();
            self.move_to(rate.max(self.rate), now);
            return;
        }
        if let Some(through) = rush {
            self.overuse(through.max(self.rate * 0.2), self.delay.newest(), true, now);
        } else if long || (queue > standing && growth > GROWTH + (packet / 2).max(noise)) {
            let Some(through) = self.delay.busy_rate() else { return };
            // A link that stands still for a moment is not narrow.
            self.overuse(through.max(self.rate * 0.5), queue, long, now);
        } else if let Some(kept) = self.loss.excess(now) {
            let through = self.rate * kept;
            self.too_much = Some((through, now));
            self.move_to(through, now);
        } else if queue <= standing && !self.loss.is_high() {
            self.rise(now);
        } else {
            self.moved = Some(now);
        }
    }

    /// What came while packets had to wait is what the link takes.
    fn overuse(&mut self, through: f64, queue: Duration, long: bool, now: Instant) {
        if self.cut.is_some_and(|at| now.saturating_duration_since(at) < BETWEEN_CUTS) && through * 2.0 < self.rate {
            return;
        }
        self.before.get_or_insert((self.rate, self.too_much));
        if long {
            self.cut = Some(now);
        }
        let drain = (BACK_OFF - queue.as_secs_f64() / DRAINED_IN).max(TRICKLE);
        // One measurement is rough, and several of one queue are made of the same packets.
        let known = self.too_much.map(|(rate, _)| rate).filter(|rate| (0.7..1.4).contains(&(through / rate)));
        self.too_much = Some((known.map_or(through, |known| 0.7 * known + 0.3 * through), now));
        // A queue that is not long says less of the link than of the moment.
        let least = if long { 0.0 } else { self.rate * 0.85 };
        if long {
            self.loss.explain(now);
        }
        self.move_to(self.rate.min((through * drain).max(least)), now);
    }

    fn rise(&mut self, now: Instant) {
        let dt = self.moved.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64().min(0.3));
        self.moved = Some(now);
        let since = |at: Instant| now.saturating_duration_since(at).as_secs_f64();
        if let Some((rate, at)) = self.too_much
            && (self.rate > rate * PASSED || now.saturating_duration_since(at) > MEMORY)
        {
            (self.too_much, self.free) = (None, Some(now));
        }
        let per_second = match self.too_much {
            // Draining went below what the link takes: back to it at once.
            Some((rate, at)) if self.rate < rate * 0.93 && since(at) < 2.0 => {
                let back = (self.rate * (1.0 + 0.8 * dt)).min(rate * 0.93);
                self.rate = back.clamp(self.limits.0, self.limits.1);
                return;
            }
            Some((rate, at)) if self.rate > rate * 0.8 => 0.05 + 0.05 * (since(at) - 4.0).max(0.0),
            Some((_, at)) => 0.06 + 0.08 * since(at),
            None => 0.15 + 0.15 * self.free.map_or(0.0, since),
        };
        let raised = self.rate * (1.0 + per_second.min(0.7) * dt);
        // Not far beyond what is known to have come through; what was reached stays.
        let known = 1.7 * self.delay.rate() + 20_000.0;
        self.rate = raised.min(known.max(self.rate)).clamp(self.limits.0, self.limits.1);
    }

    fn move_to(&mut self, rate: f64, now: Instant) {
        self.rate = rate.clamp(self.limits.0, self.limits.1);
        self.moved = Some(now);
    }
}
