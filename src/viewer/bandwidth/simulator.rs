//! A sender, a link and a viewer in virtual time. Deterministic.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Ack, Brake, Estimator, Fill};
use crate::media::units::Bitrate;

/// Headers of RTP, SRTP, UDP and IP for each payload of [`PAYLOAD`].
const PAYLOAD: usize = 1100;
const HEADERS: usize = 70;
const FRAME: Duration = Duration::from_micros(33_333);
const FEEDBACK: Duration = Duration::from_millis(60);

/// What the link does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// Bits per second.
    pub cap: f64,
    /// One way, without queueing.
    pub delay: Duration,
    /// Beyond that, evenly from none.
    pub jitter: Duration,
    /// The same of the viewer's reports.
    pub jitter_back: Duration,
    /// Whether jitter puts packets out of order.
    pub reorder: bool,
    /// Of a thousand packets so many are lost.
    pub loss: u32,
    /// The queue's room, in bytes.
    pub room: usize,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            cap: 4e6,
            delay: Duration::from_millis(25),
            jitter: Duration::ZERO,
            jitter_back: Duration::ZERO,
            reorder: false,
            loss: 0,
            room: 300_000,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    ack: Ack,
    /// When it comes, on our clock.
    comes: Option<Instant>,
}

/// One moment's figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// What waits in the link, in ms.
    pub queue: f64,
    /// kbit/s.
    pub estimate: f64,
}

pub(super) struct Simulation {
    pub path: Path,
    /// Whether probes are sent.
    pub fills: bool,
    pub estimator: Estimator,
    /// The camera's ceiling, in bits per second.
    ceiling: f64,
    pub now: Instant,
    start: Instant,
    /// When the link has sent all that it has.
    free: Instant,
    last_arrival: Instant,
    flying: VecDeque<InFlight>,
    resend: VecDeque<(Instant, usize)>,
    encoder: f64,
    asked: (f64, Instant),
    next_feedback: Instant,
    newest: Option<Instant>,
    pub random: u32,
    brake: Brake,
    key: bool,
    pub samples: Vec<Sample>,
}

impl Simulation {
    pub(super) fn new(path: Path, ceiling: Bitrate) -> Self {
        let (start, bps) = (Instant::now(), f64::from(ceiling.bps()));
        Self {
            path,
            fills: true,
            estimator: Estimator::new(ceiling, Bitrate::MIN, Bitrate::bits((bps * 1.25) as u32)),
            ceiling: bps,
            now: start,
            start,
            free: start,
            last_arrival: start,
            flying: VecDeque::new(),
            resend: VecDeque::new(),
            encoder: bps,
            asked: (bps, start),
            next_feedback: start + FEEDBACK,
            newest: None,
            random: 0x1234_5678,
            brake: Brake::default(),
            key: true,
            samples: Vec::new(),
        }
    }

    fn random(&mut self, below: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random % below.max(1)
    }

    fn send(&mut self, at: Instant, size: usize) {
        let waiting = self.free.saturating_duration_since(at).as_secs_f64() * self.path.cap / 8.0;
        let mut ack = Ack { sent: at, size, arrived: None };
        let lost = self.random(1000) < self.path.loss || waiting + size as f64 > self.path.room as f64;
        let mut comes = None;
        if waiting + size as f64 <= self.path.room as f64 {
            self.free = self.free.max(at) + Duration::from_secs_f64(size as f64 * 8.0 / self.path.cap);
        }
        if lost {
            self.resend.push_back((at + self.path.delay * 2 + FRAME, size));
        } else {
            let jitter = self.random(self.path.jitter.as_micros() as u32 + 1);
            let mut arrives = self.free + self.path.delay + Duration::from_micros(jitter.into());
            if !self.path.reorder {
                arrives = arrives.max(self.last_arrival);
                self.last_arrival = arrives;
            }
            // The viewer's clock began at another time, and TWCC counts in 250 µs.
            let micros = (arrives - self.start).as_micros() as u64 + 77_000_000;
            ack.arrived = Some(Duration::from_micros(micros / 250 * 250));
            comes = Some(arrives);
        }
        self.flying.push_back(InFlight { ack, comes });
    }

    fn feedback(&mut self) {
        // What the viewer knew when it sent the word that comes now.
        let most = self.path.jitter_back.as_micros() as u32;
        let jitter = if most > 0 { self.random(most) } else { 0 };
        let then = self.now.checked_sub(self.path.delay + Duration::from_micros(jitter.into())).unwrap();
        let known = self.flying.iter().rposition(|f| f.comes.is_some_and(|comes| comes <= then));
        let Some(known) = known else { return };
        let mut acks = Vec::new();
        let mut late = VecDeque::new();
        for flying in self.flying.drain(..=known) {
            match flying.comes {
                Some(comes) if comes > then => late.push_back(flying),
                _ => acks.push(flying.ack),
            }
        }
        late.append(&mut self.flying);
        self.flying = late;
        self.newest = acks.iter().filter(|ack| ack.arrived.is_some()).map(|ack| ack.sent).max().max(self.newest);
        self.estimator.report(self.now, &acks);
    }

    fn holds(&mut self) -> bool {
        let Some(reading) = self.estimator.reading() else { return false };
        let oldest = self.flying.front().map(|f| f.ack.sent);
        let late = oldest.map(|sent| self.now.saturating_duration_since(sent).saturating_sub(reading.round_trip));
        let after = self.flying.iter().filter(|flying| Some(flying.ack.sent) > self.newest);
        let bits = after.map(|flying| flying.ack.size as f64 * 8.0).sum();
        let wait = self.newest.and_then(|newest| reading.wait(self.now, newest, bits));
        self.brake.holds(self.now, Fill { queue: reading.queue, in_flight: late, wait })
    }

    /// Runs for so many seconds.
    pub(super) fn run(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while self.now < end {
            // The encoder takes some pictures to follow, and its pictures differ.
            self.encoder += (self.asked.0 - self.encoder) * 0.25;
            let noise = 0.8 + f64::from(self.random(400)) / 1000.0;
            let size = if self.key { 5.0 } else { 1.0 };
            let bytes = (self.encoder / 30.0 / 8.0 * noise * size) as usize;
            let held = self.holds();
            self.key = held;
            let packets = if held { 0 } else { bytes.div_ceil(PAYLOAD).max(1) };
            for i in 0..packets {
                let at = self.now + if packets > 8 { FRAME / 2 * i as u32 / packets as u32 } else { Duration::ZERO };
                self.send(at, bytes / packets + HEADERS);
            }
            if let Some(rate) = self.estimator.probe(self.now).filter(|_| !held && self.fills) {
                let pictures = packets * (bytes / packets.max(1) + HEADERS);
                let missing = (f64::from(rate.bps()) / 30.0 / 8.0) as usize;
                for _ in 0..missing.saturating_sub(pictures).div_ceil(PAYLOAD + HEADERS) {
                    self.send(self.now, PAYLOAD + HEADERS);
                }
            }
            while self.resend.front().is_some_and(|(due, _)| *due <= self.now) {
                if let Some((_, size)) = self.resend.pop_front() {
                    self.send(self.now, size);
                }
            }
            self.now += FRAME;
            if self.now >= self.next_feedback {
                self.next_feedback = self.now + FEEDBACK;
                self.feedback();
            }
            self.estimator.tick(self.now, self.flying.front().map(|f| f.ack.sent));
            let estimate = self.estimator.reading().map_or(self.ceiling, |r| f64::from(r.estimate.bps()));
            if self.now >= self.asked.1 + Duration::from_millis(250) {
                self.asked = ((estimate * 0.92).min(self.ceiling), self.now);
            }
            let queue = self.free.saturating_duration_since(self.now).as_secs_f64() * 1e3;
            self.samples.push(Sample { queue, estimate: estimate / 1e3 });
        }
    }

    /// The part of the cap that was used in the last so many seconds: by what the estimate said.
    pub(super) fn used(&self, seconds: f64) -> f64 {
        let samples = self.samples.iter().rev().take((seconds * 30.0) as usize);
        let (sum, count) = samples.fold((0.0, 0), |(sum, count), s| (sum + s.estimate * 1e3, count + 1));
        sum / f64::from(count.max(1)) / self.path.cap
    }

    /// The lowest estimate of the last so many seconds, in kbit/s.
    pub(super) fn lowest(&self, seconds: f64) -> f64 {
        self.samples.iter().rev().take((seconds * 30.0) as usize).map(|s| s.estimate).fold(f64::MAX, f64::min)
    }

    /// The longest queue in the last so many seconds, in ms.
    pub(super) fn longest_queue(&self, seconds: f64) -> f64 {
        self.samples.iter().rev().take((seconds * 30.0) as usize).map(|s| s.queue).fold(0.0, f64::max)
    }
}
