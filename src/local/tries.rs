//! How often an address may try to log in. Pure: time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// So many wrong passwords in [`WINDOW`], and an address has to wait.
pub(super) const TRIES: usize = 5;
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Addresses whose tries are remembered.
const MAX_ADDRESSES: usize = 1024;

/// Tries to log in, by address. A try counts from its begin, so that many at once gain nothing.
#[derive(Debug, Default)]
pub(super) struct Tries(HashMap<IpAddr, Vec<Instant>>);

impl Tries {
    /// Notes a try; false when there were too many.
    pub(super) fn begin(&mut self, peer: IpAddr, now: Instant) -> bool {
        let recent = |at: &Instant| now.saturating_duration_since(*at) < WINDOW;
        let peer = network(peer);
        if !self.0.contains_key(&peer) && self.0.len() >= MAX_ADDRESSES {
            self.0.retain(|_, tries| tries.iter().any(recent));
            if self.0.len() >= MAX_ADDRESSES {
                return false;
            }
        }
        let tries = self.0.entry(peer).or_default();
        tries.retain(recent);
        let allowed = tries.len() < TRIES;
        if allowed {
            tries.push(now);
        }
        allowed
    }

    /// The last try was good: none of this address counts.
    pub(super) fn succeed(&mut self, peer: IpAddr) {
        self.0.remove(&network(peer));
    }
}

/// One customer of an IPv6 provider has a whole /64.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_addresses_are_bounded() {
        let (mut tries, now) = (Tries::default(), Instant::now());
        let address = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from_bits(n));
        for n in 0..MAX_ADDRESSES as u32 {
            assert!(tries.begin(address(n), now));
        }
        assert!(!tries.begin(address(u32::MAX), now));
        assert!(tries.begin(address(u32::MAX), now + WINDOW));
        assert_eq!(tries.0.len(), 1);
    }
}
