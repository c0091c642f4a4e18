//! What a viewer gets through its network: the main stream, the low one, or key frames only. Pure: time is an argument.

use std::time::{Duration, Instant};

use super::rtc::Flow;
use crate::hub::Rates;
use crate::media::stream::{PerStream, StreamId};
use crate::media::units::Bitrate;

/// The network must take too little for so long before anything is taken away.
const BELOW: Duration = Duration::from_millis(1000);
/// And more than enough, by this factor and for so long, before it is given back.
const ABOVE: f64 = 1.25;
const ABOVE_FOR: Duration = Duration::from_millis(2500);
/// A stream that the viewer asked for has so long to show that it works.
const ASKED: Duration = Duration::from_secs(6);
/// Looking for more takes so long at most. Where it found nothing it rests, each time longer.
const SEEK_FOR: Duration = Duration::from_secs(8);
const REST: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(60));
/// Who had the stream back for so long has it for good: the next rest is a short one again.
const PROVEN: Duration = Duration::from_secs(30);
/// Looking for more ends where packets wait so long, or so many are lost.
const QUEUE: Duration = Duration::from_millis(80);
const LOSS: f64 = 0.2;
/// From one key frame to the next, where nothing else is sent.
const KEYS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// How things are.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// What is watched, or will be as soon as it comes.
    pub stream: StreamId,
    /// Whether the camera has a low stream.
    pub low: bool,
    /// What is known of the path.
    pub flow: Flow,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Go over to this stream.
    pub go: Option<StreamId>,
    /// Whether a key frame is to be asked for.
    pub key: bool,
    /// What the path is to be tried for, beyond the pictures.
    pub seek: Option<Bitrate>,
}

/// Decides for one viewer.
#[derive(Debug)]
pub struct Adapt {
    rates: PerStream<Rates>,
    /// The viewer chose the low stream: it stays there.
    stays_low: bool,
    /// It is on the low stream because of its network.
    fell: bool,
    keys_only: bool,
    below: Option<Instant>,
    above: Option<Instant>,
    /// Nothing is taken away before.
    spared: Option<Instant>,
    /// When the viewer got more again.
    rose: Option<Instant>,
    seeking: Option<Instant>,
    rests_until: Option<Instant>,
    rest: Duration,
    /// The last key frame that was asked for, and how long the last one that was sent takes.
    asked: Option<Instant>,
    takes: Duration,
}

impl Adapt {
    /// For a viewer that offered to watch `stream`; `None`: whatever is best.
    pub fn new(rates: PerStream<Rates>, stream: Option<StreamId>) -> Self {
        Self {
            rates,
            stays_low: stream == Some(StreamId::Low),
            fell: false,
            keys_only: false,
            below: None,
            above: None,
            spared: None,
            rose: None,
            seeking: None,
            rests_until: None,
            rest: REST.0,
            asked: None,
            takes: KEYS.0,
        }
    }

    /// The viewer chose a stream: the low one for good, the main one as long as its network takes it.
    pub fn chosen(&mut self, stream: StreamId, now: Instant) {
        let rest = self.rest;
        *self = Self::new(self.rates, Some(stream));
        self.rest = rest;
        self.spared = Some(now + ASKED);
    }

    /// Whether only key frames are sent.
    pub fn keys_only(&self) -> bool {
        self.keys_only
    }

    /// Why the viewer gets less than it could; for people.
    pub fn why(&self) -> Option<&'static str> {
        match (self.keys_only, self.fell) {
            (true, _) => Some("The network takes so little that only single pictures are sent."),
            (false, true) => Some("The network takes too little for the full picture; this is the small one."),
            (false, false) => None,
        }
    }

    /// A key frame of so many bytes was sent.
    pub fn key_sent(&mut self, bytes: usize, flow: &Flow) {
        let rate = flow.pictures().map_or(f64::INFINITY, |rate| f64::from(rate.bps()) * 0.7);
        let time = (bytes as f64 * 8.0 / rate).min(KEYS.1.as_secs_f64());
        self.takes = Duration::from_secs_f64(time).max(KEYS.0);
    }

    /// What is to be done now; to be called some times a second.
    pub fn turn(&mut self, now: Instant, view: &View) -> Turn {
        let Some(takes) = view.flow.pictures() else { return Turn::default() };
        let floor = self.rates[view.stream].floor;
        let since = |at: Option<Instant>| at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let mut turn = Turn::default();

        if self.rose.is_some() && since(self.rose) > PROVEN {
            (self.rose, self.rest) = (None, REST.0);
        }
        self.below = (takes < floor && self.spared.is_none_or(|until| now >= until)).then(|| self.below.unwrap_or(now));
        if !self.keys_only && since(self.below) >= BELOW {
            self.lessen(now, view, &mut turn);
            return turn;
        }
        if let Some(goal) = self.goal(view) {
            let enough = f64::from(takes.bps()) >= f64::from(goal.bps()) * ABOVE;
            self.above = enough.then(|| self.above.unwrap_or(now));
            if since(self.above) >= ABOVE_FOR {
                self.restore(now, view, &mut turn);
                return turn;
            }
            turn.seek = self.seek(now, view, goal);
        }
        if self.keys_only && (self.asked.is_none() || since(self.asked) >= self.takes) {
            self.asked = Some(now);
            turn.key = true;
        }
        turn
    }

    /// What the network must take for more.
    fn goal(&self, view: &View) -> Option<Bitrate> {
        if self.keys_only {
            Some(self.rates[view.stream].floor)
        } else {
            (self.fell && !self.stays_low && view.stream == StreamId::Low).then_some(self.rates.main.floor)
        }
    }

    fn lessen(&mut self, now: Instant, view: &View, turn: &mut Turn) {
        if view.low && view.stream == StreamId::Main {
            self.fell = true;
            turn.go = Some(StreamId::Low);
            self.spared = Some(now + BELOW * 2);
        } else {
            self.keys_only = true;
            self.asked = None;
        }
        if self.rose.take().is_some() {
            self.rest = (self.rest * 2).min(REST.1);
        }
        (self.below, self.above, self.seeking) = (None, None, None);
        self.rests_until = Some(now + self.rest);
    }

    fn restore(&mut self, now: Instant, view: &View, turn: &mut Turn) {
        (self.above, self.seeking, self.rose) = (None, None, Some(now));
        self.spared = Some(now + BELOW * 2);
        if self.keys_only {
            self.keys_only = false;
            turn.key = true;
        } else if view.stream == StreamId::Low {
            self.fell = false;
            turn.go = Some(StreamId::Main);
        }
    }

    /// Whether and for what the path is tried now.
    fn seek(&mut self, now: Instant, view: &View, goal: Bitrate) -> Option<Bitrate> {
        let crowded = view.flow.reading.is_none_or(|reading| reading.queue > QUEUE || reading.loss > LOSS);
        match self.seeking {
            Some(since) if crowded || now.saturating_duration_since(since) > SEEK_FOR => {
                self.seeking = None;
                self.rests_until = Some(now + self.rest);
                self.rest = (self.rest * 2).min(REST.1);
            }
            None if !crowded && self.rests_until.is_none_or(|until| now >= until) => self.seeking = Some(now),
            _ => {}
        }
        // What goes into headers, and somewhat more, so that it can be seen for a while.
        self.seeking.map(|_| Bitrate::bits((f64::from(goal.bps()) * ABOVE * 1.2) as u32))
    }
}

#[cfg(test)]
#[path = "adapt_tests.rs"]
mod tests;
