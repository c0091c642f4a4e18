//! Which of the ways to a viewer it wants pictures by. Pure.
//!
//! The controlling side, the viewer, may find a better way after the first that works, and says so by nominating it in its
//! checks (RFC 8445, section 8; browsers do so for as long as a session lasts). The library stays with the first until
//! that fails. So what is not ICE is steered here to the way that the viewer nominates. The library judges whether a
//! check is genuine: what it does not answer does not count.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::stun::Transaction;

/// Checks that wait for the library's answer.
const ASKED: usize = 32;
/// A way is changed when another was nominated so often, and the one before not in between.
const SURE: u8 = 2;
/// A way from which no check comes for so long is left to the library to judge. A browser checks each 2.5 s.
const STALE: Duration = Duration::from_secs(7);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Steer {
    asked: VecDeque<(Transaction, SocketAddr, bool)>,
    chosen: Option<(SocketAddr, Instant)>,
    rival: Option<(SocketAddr, u8)>,
}

impl Steer {
    /// A check came, that nominates its way or does not.
    pub(super) fn asked(&mut self, transaction: Transaction, from: SocketAddr, nominates: bool) {
        if self.asked.len() >= ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((transaction, from, nominates));
    }

    /// The library answers a check.
    pub(super) fn answered(&mut self, transaction: &Transaction, to: SocketAddr, now: Instant) {
        let found = self.asked.iter().position(|(asked, from, _)| asked == transaction && *from == to);
        let Some((_, from, nominates)) = found.and_then(|at| self.asked.remove(at)) else { return };
        let fresh = |(_, at): &(SocketAddr, Instant)| now.saturating_duration_since(*at) < STALE;
        match self.chosen.filter(fresh) {
            Some((chosen, _)) if chosen == from => {
                self.chosen = Some((from, now));
                if nominates {
                    self.rival = None;
                }
            }
            _ if !nominates => {}
            None => (self.chosen, self.rival) = (Some((from, now)), None),
            Some(_) => {
                let times = self.rival.filter(|(rival, _)| *rival == from).map_or(0, |(_, times)| times) + 1;
                self.rival = Some((from, times));
                if times >= SURE {
                    (self.chosen, self.rival) = (Some((from, now)), None);
                }
            }
        }
    }

    /// Where pictures are to go; `None`: where the library sends them.
    pub(super) fn to(&self, now: Instant) -> Option<SocketAddr> {
        self.chosen.filter(|(_, at)| now.saturating_duration_since(*at) < STALE).map(|(to, _)| to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(steer: &mut Steer, n: u8, from: SocketAddr, nominates: bool, now: Instant) {
        steer.asked([n; 12], from, nominates);
        steer.answered(&[n; 12], from, now);
    }

    #[test]
    fn pictures_follow_the_viewers_choice() {
        let (mut steer, start) = (Steer::default(), Instant::now());
        let at = |s: u64| start + Duration::from_secs(s);
        let [relay, direct, other]: [SocketAddr; 3] =
            ["198.51.100.9:6000", "203.0.113.7:5000", "203.0.113.8:5000"].map(|a| a.parse().unwrap());
        check(&mut steer, 1, direct, false, start);
        assert_eq!(steer.to(start), None, "nothing is nominated");
        check(&mut steer, 2, relay, true, start);
        assert_eq!(steer.to(start), Some(relay));
        check(&mut steer, 3, direct, true, at(1));
        assert_eq!(steer.to(at(1)), Some(relay), "not at the first sign");
        check(&mut steer, 4, direct, true, at(2));
        assert_eq!(steer.to(at(2)), Some(direct));
        // A check that the library did not answer, or that it answered elsewhere, is none.
        for n in 5..9 {
            steer.asked([n; 12], other, true);
            steer.answered(&[n; 12], relay, at(2));
        }
        assert_eq!(steer.to(at(3)), Some(direct));
        // Checks alone keep it; without them it is left.
        check(&mut steer, 10, direct, false, at(8));
        assert_eq!(steer.to(at(14)), Some(direct));
        assert_eq!(steer.to(at(15)), None);
        check(&mut steer, 11, relay, true, at(16));
        assert_eq!(steer.to(at(16)), Some(relay), "what is stale gives way at once");
        assert!(steer.asked.len() <= ASKED);
    }

    #[test]
    fn one_who_nominates_everything_does_not_make_it_waver() {
        let (mut steer, now) = (Steer::default(), Instant::now());
        let ways: [SocketAddr; 2] = ["203.0.113.7:5000", "203.0.113.8:5000"].map(|a| a.parse().unwrap());
        for n in 0..20 {
            check(&mut steer, n, ways[usize::from(n % 2)], true, now);
            assert_eq!(steer.to(now), Some(ways[0]));
        }
    }
}
