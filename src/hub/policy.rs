//! One encode serves all of a stream's viewers: at which rate? Pure: time is an argument.
//!
//! The slowest viewer that takes the floor or more sets the rate. One that takes less does not: it goes to another
//! stream, or gets key frames only.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::media::units::Bitrate;

/// What a stream may be encoded at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// The least. A viewer whose network takes less is not waited for.
    pub floor: Bitrate,
    /// The most.
    pub ceiling: Bitrate,
}

impl Rates {
    /// Between the two; a floor above the ceiling is the ceiling.
    pub fn new(floor: Bitrate, ceiling: Bitrate) -> Self {
        Self { floor: floor.min(ceiling), ceiling }
    }
}

impl From<Bitrate> for Rates {
    /// A floor of a quarter.
    fn from(ceiling: Bitrate) -> Self {
        Self::new(Bitrate::bits(ceiling.bps() / 4).max(Bitrate::MIN), ceiling)
    }
}

/// Less than this at once is not worth a change.
const UP: f64 = 1.06;
const DOWN: f64 = 0.97;
/// Less than this part is not waited with.
const SUDDEN: f64 = 0.7;
/// From a change to the next: up a little later than down, so that several viewers' wishes come to rest.
const UP_AFTER: Duration = Duration::from_millis(500);
const DOWN_AFTER: Duration = Duration::from_millis(200);

/// A stream's rate.
#[derive(Debug)]
pub(super) struct Policy {
    rates: Rates,
    /// What each viewer's network takes, of those who know.
    takes: BTreeMap<u64, Bitrate>,
    now: Bitrate,
    changed: Option<Instant>,
}

impl Policy {
    pub(super) fn new(rates: Rates) -> Self {
        Self { rates, takes: BTreeMap::new(), now: rates.ceiling, changed: None }
    }

    /// A viewer's network takes so much; `None`: it is not known, or the viewer is gone.
    pub(super) fn takes(&mut self, viewer: u64, rate: Option<Bitrate>) {
        match rate {
            Some(rate) => self.takes.insert(viewer, rate),
            None => self.takes.remove(&viewer),
        };
    }

    /// What the encoder should aim at from now on for so many viewers, when that is another than before.
    pub(super) fn change(&mut self, now: Instant, viewers: usize) -> Option<Bitrate> {
        let wanted = self.wanted(viewers);
        let rested = |time| self.changed.is_none_or(|at| now.saturating_duration_since(at) >= time);
        let (from, to) = (f64::from(self.now.bps()), f64::from(wanted.bps()));
        // The limits themselves are always reached.
        let limit = wanted != self.now && (wanted == self.rates.ceiling || wanted == self.rates.floor);
        let change = if to > from {
            (to >= from * UP || limit) && rested(UP_AFTER)
        } else {
            to <= from * SUDDEN || ((to <= from * DOWN || limit) && rested(DOWN_AFTER))
        };
        (change && wanted != self.now).then(|| {
            (self.now, self.changed) = (wanted, Some(now));
            wanted
        })
    }

    fn wanted(&self, viewers: usize) -> Bitrate {
        let Rates { floor, ceiling } = self.rates;
        match self.takes.values().filter(|rate| **rate >= floor).min() {
            Some(slowest) => (*slowest).min(ceiling),
            // Nobody takes the floor. Where somebody does not know, nothing is wrong with the ceiling.
            None if self.takes.len() >= viewers.max(1) => floor,
            None => ceiling,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATES: Rates = Rates { floor: Bitrate::kbps(500), ceiling: Bitrate::kbps(2000) };

    fn settled(policy: &mut Policy, now: &mut Instant) -> u32 {
        *now += UP_AFTER;
        policy.change(*now, policy.takes.len());
        policy.now.as_kbps()
    }

    #[test]
    fn the_slowest_above_the_floor_sets_the_rate() {
        let (mut policy, mut now) = (Policy::new(RATES), Instant::now());
        policy.takes(1, Some(Bitrate::kbps(5000)));
        assert_eq!(settled(&mut policy, &mut now), 2000);
        policy.takes(2, Some(Bitrate::kbps(900)));
        assert_eq!(settled(&mut policy, &mut now), 900);
        policy.takes(3, Some(Bitrate::kbps(300)));
        assert_eq!(settled(&mut policy, &mut now), 900, "one below the floor is not waited for");
        policy.takes(2, None);
        assert_eq!(settled(&mut policy, &mut now), 2000, "one that leaves frees the others");
        policy.takes(1, None);
        assert_eq!(settled(&mut policy, &mut now), 500, "alone below the floor");
        policy.takes(3, Some(Bitrate::kbps(600)));
        assert_eq!(settled(&mut policy, &mut now), 600);
    }

    #[test]
    fn it_changes_a_few_times_a_second_and_not_for_trifles() {
        let (mut policy, start) = (Policy::new(RATES), Instant::now());
        let mut changes = 0;
        for i in 0..1000u64 {
            let rate = 1000 + 300 * u32::from(i % 2 == 0);
            policy.takes(1, Some(Bitrate::kbps(rate)));
            changes += u32::from(policy.change(start + Duration::from_millis(i * 10), 1).is_some());
        }
        assert!((20..=40).contains(&changes), "{changes} changes in 10 s");
        let later = start + Duration::from_secs(20);
        policy.takes(1, Some(Bitrate::kbps(1000)));
        policy.change(later, 1);
        policy.takes(1, Some(Bitrate::kbps(1040)));
        assert_eq!(policy.change(later + UP_AFTER, 1), None);
        policy.takes(1, Some(Bitrate::kbps(980)));
        assert_eq!(policy.change(later + UP_AFTER, 1), None);
    }

    proptest! {
        #[test]
        fn the_limits_hold(steps in prop::collection::vec((0..5u64, prop::option::of(any::<u32>()), 0..900u64), 0..80)) {
            let (mut policy, mut now) = (Policy::new(RATES), Instant::now());
            for (viewer, rate, ms) in steps {
                policy.takes(viewer, rate.map(Bitrate::bits));
                now += Duration::from_millis(ms);
                if let Some(rate) = policy.change(now, 3) {
                    prop_assert!(rate >= RATES.floor && rate <= RATES.ceiling);
                }
                prop_assert!(policy.takes.len() <= 5);
            }
        }
    }
}
