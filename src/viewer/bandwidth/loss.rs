//! Loss, and whether it is of our making.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Ack;

/// Loss is that of the last so long, or longer where few packets are sent.
const WINDOW: Duration = Duration::from_millis(1000);
const LONGEST: Duration = Duration::from_millis(3000);
const ENOUGH: u32 = 120;
/// Reports that are remembered: a viewer may send many.
const SHARES: usize = 200;
/// Below so many packets a fraction says little.
const FEW: u32 = 20;
/// Loss beyond what the path always has, above which it is ours.
const OURS: f64 = 0.07;
/// And so much for chance, divided by the root of the number of packets: about three deviations at 5 %.
const CHANCE: f64 = 0.5;
/// Loss of this size is no time for more, whoever made it.
const HIGH: f64 = 0.35;
/// So often a cut may fail to lessen the loss; then it is the path's own.
const TRIES: u8 = 2;
/// The path's own loss is looked at anew after so long.
const FORGOTTEN: Duration = Duration::from_secs(15);

/// What was reported at one time.
#[derive(Clone, Copy, Debug)]
struct Share {
    at: Instant,
    came: u32,
    lost: u32,
}

/// Loss of late.
#[derive(Debug, Default)]
pub(super) struct Loss {
    shares: VecDeque<Share>,
    /// What the path loses whatever is sent, and when that was found.
    own: Option<(f64, Instant)>,
    /// What was sent before counts no more: it is known why it was lost.
    explained: Option<Instant>,
    /// The loss before the last cut, when that was, and how many have done nothing.
    cut: Option<(f64, Instant, u8)>,
}

impl Loss {
    pub(super) fn add(&mut self, now: Instant, acks: &[Ack]) {
        if acks.is_empty() {
            return;
        }
        let counts = |ack: &&Ack| self.explained.is_none_or(|at| ack.sent >= at);
        let (came, lost): (Vec<&Ack>, Vec<&Ack>) = acks.iter().filter(counts).partition(|ack| ack.arrived.is_some());
        self.shares.push_back(Share { at: now, came: came.len() as u32, lost: lost.len() as u32 });
        while let Some(first) = self.shares.front() {
            let (age, (came, lost)) = (now.saturating_duration_since(first.at), self.counts());
            let enough = came + lost >= ENOUGH + first.came + first.lost;
            if !(age > LONGEST || (age > WINDOW && enough) || self.shares.len() > SHARES) {
                break;
            }
            self.shares.pop_front();
        }
    }

    /// Too much was sent till now, and that has its consequences already.
    pub(super) fn explain(&mut self, now: Instant) {
        self.explained = Some(now);
        self.shares.clear();
    }

    fn counts(&self) -> (u32, u32) {
        self.shares.iter().fold((0, 0), |(came, lost), share| (came + share.came, lost + share.lost))
    }

    /// The part that was lost.
    pub(super) fn fraction(&self) -> f64 {
        let (came, lost) = self.counts();
        f64::from(lost) / f64::from((came + lost).max(1))
    }

    /// Too much to send more.
    pub(super) fn is_high(&self) -> bool {
        let (came, lost) = self.counts();
        came + lost >= FEW && self.fraction() > HIGH.max(self.own(None) + OURS)
    }

    fn own(&self, now: Option<Instant>) -> f64 {
        let own = self.own.filter(|(_, at)| now.is_none_or(|now| now.saturating_duration_since(*at) < FORGOTTEN));
        own.map_or(0.0, |(loss, _)| loss)
    }

    /// The part of the rate that is kept, when too much is lost; `None`: all of it.
    pub(super) fn excess(&mut self, now: Instant) -> Option<f64> {
        let (came, lost) = self.counts();
        let loss = self.fraction();
        let margin = OURS + CHANCE / f64::from((came + lost).max(1)).sqrt();
        if came + lost < FEW || loss <= self.own(Some(now)) + margin {
            if loss < OURS {
                self.cut = None;
            }
            return None;
        }
        match self.cut {
            // What is reported now was sent before the cut.
            Some((_, at, _)) if now.saturating_duration_since(at) < WINDOW + Duration::from_millis(300) => return None,
            Some((before, _, failed)) if loss > before * 0.7 => {
                if failed + 1 >= TRIES {
                    self.own = Some((loss, now));
                    self.cut = None;
                    return None;
                }
                self.cut = Some((loss, now, failed + 1));
            }
            _ => self.cut = Some((loss, now, 0)),
        }
        Some((1.0 - loss).max(0.5))
    }
}
