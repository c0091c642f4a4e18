//! How much packets' delays differ from one picture to the next, up and down again: a queue's go one way for longer.

use std::collections::VecDeque;

/// Packets that were sent so close to each other count as one; µs.
const TOGETHER: i64 = 5_000;
/// Pictures that are remembered: one or two seconds.
const PICTURES: usize = 48;
/// And so many are needed to tell.
const ENOUGH: usize = 8;

/// The delays of the pictures of late.
#[derive(Debug, Default)]
pub(super) struct Noise {
    /// When the first packet of the newest picture was sent, and the least time that one of it took.
    newest: Option<(i64, i64)>,
    /// The one before that.
    last: Option<i64>,
    step: Option<i64>,
    /// What turned back, of each picture.
    turns: VecDeque<i64>,
}

impl Noise {
    /// A packet came; in the order of departure.
    pub(super) fn add(&mut self, sent: i64, took: i64) {
        match &mut self.newest {
            Some((first, least)) if sent - *first < TOGETHER => {
                *least = (*least).min(took);
            }
            newest => {
                if let Some((_, took)) = newest.replace((sent, took)) {
                    self.picture(took);
                }
            }
        }
    }

    fn picture(&mut self, took: i64) {
        if let Some(last) = self.last.replace(took) {
            let step = took.saturating_sub(last);
            if let Some(before) = self.step.replace(step) {
                let turned = if (before < 0) == (step < 0) { 0 } else { before.abs().min(step.abs()) };
                self.turns.push_back(turned);
                if self.turns.len() > PICTURES {
                    self.turns.pop_front();
                }
            }
        }
    }

    /// What three of four pictures do not exceed, in µs.
    pub(super) fn level(&self) -> i64 {
        if self.turns.len() < ENOUGH {
            return 0;
        }
        let mut sorted: Vec<i64> = self.turns.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() * 3 / 4).copied().unwrap_or(0)
    }
}
