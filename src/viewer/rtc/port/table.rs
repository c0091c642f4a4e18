//! Whose a datagram is that comes in at the one port. Pure.
//!
//! A connectivity check names its connection (its ICE user name fragment, which only the two ends know), a response
//! belongs to whoever asked, and everything else to the connection whose check came from that address last.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::stun::{Kind, Transaction, look};

/// User name fragments of one connection: those of its last restarts too, till late checks have died down.
const UFRAGS: usize = 3;
/// Addresses that one connection is heard from: a viewer's interfaces, NATs and relays.
const PEERS: usize = 64;
/// Requests of one connection that wait for a response.
const ASKED: usize = 256;

/// A connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(pub(super) u64);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Table {
    ufrags: HashMap<String, Id>,
    peers: HashMap<SocketAddr, Id>,
    asked: HashMap<Transaction, (Id, Option<SocketAddr>)>,
    /// What is above, by connection and in the order in which it came.
    entries: HashMap<Id, Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    ufrags: VecDeque<String>,
    peers: VecDeque<SocketAddr>,
    asked: VecDeque<Transaction>,
}

impl Table {
    /// A new connection.
    pub(super) fn open(&mut self, id: Id) {
        self.entries.entry(id).or_default();
    }

    /// A connection is gone, and everything of it.
    pub(super) fn close(&mut self, id: Id) {
        let Some(entries) = self.entries.remove(&id) else { return };
        entries.ufrags.iter().for_each(|ufrag| forget(&mut self.ufrags, ufrag, |owner| *owner == id));
        entries.peers.iter().for_each(|peer| forget(&mut self.peers, peer, |owner| *owner == id));
        entries.asked.iter().for_each(|asked| forget(&mut self.asked, asked, |(owner, _)| *owner == id));
    }

    /// A connection's checks are known by this from now on.
    pub(super) fn name(&mut self, id: Id, ufrag: &str) {
        let Some(entries) = self.entries.get_mut(&id) else { return };
        if self.ufrags.insert(ufrag.to_owned(), id) == Some(id) {
            return;
        }
        entries.ufrags.push_back(ufrag.to_owned());
        if entries.ufrags.len() > UFRAGS
            && let Some(oldest) = entries.ufrags.pop_front()
        {
            forget(&mut self.ufrags, &oldest, |owner| *owner == id);
        }
    }

    /// A connection sends a request; `known_as`: the address under which it knows the server, if it is not the real one.
    pub(super) fn ask(&mut self, id: Id, transaction: Transaction, known_as: Option<SocketAddr>) {
        let Some(entries) = self.entries.get_mut(&id) else { return };
        // The same request is sent again until it is answered.
        if self.asked.insert(transaction, (id, known_as)).is_some_and(|(owner, _)| owner == id) {
            return;
        }
        entries.asked.push_back(transaction);
        if entries.asked.len() > ASKED
            && let Some(oldest) = entries.asked.pop_front()
        {
            forget(&mut self.asked, &oldest, |(owner, _)| *owner == id);
        }
    }

    /// Whose a datagram is, and the address from which it comes in that connection's eyes; `None`: nobody's.
    pub(super) fn route(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<(Id, SocketAddr)> {
        match look(datagram) {
            Kind::Check(ufrag) => {
                let id = *self.ufrags.get(ufrag)?;
                self.hear(id, from);
                Some((id, from))
            }
            Kind::Response(transaction, _) => match self.asked.get(&transaction) {
                Some((id, known_as)) => Some((*id, known_as.unwrap_or(from))),
                None => self.peers.get(&from).map(|id| (*id, from)),
            },
            Kind::Request(_) | Kind::Other => self.peers.get(&from).map(|id| (*id, from)),
        }
    }

    /// From this address a connection is heard; whoever was heard from there before is there no more.
    fn hear(&mut self, id: Id, from: SocketAddr) {
        if self.peers.get(&from) == Some(&id) {
            return;
        }
        let before = self.peers.insert(from, id);
        if let Some(before) = before.and_then(|before| self.entries.get_mut(&before)) {
            before.peers.retain(|peer| *peer != from);
        }
        let Some(entries) = self.entries.get_mut(&id) else { return };
        entries.peers.push_back(from);
        if entries.peers.len() > PEERS
            && let Some(oldest) = entries.peers.pop_front()
        {
            forget(&mut self.peers, &oldest, |owner| *owner == id);
        }
    }
}

fn forget<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: &K, ours: impl Fn(&V) -> bool) {
    if map.get(key).is_some_and(ours) {
        map.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::stun::tests::message;
    use super::*;

    fn check(ufrag: &str) -> Vec<u8> {
        message(0x0001, [0; 12], 0x0006, format!("{ufrag}:them").as_bytes())
    }

    fn response(transaction: u8) -> Vec<u8> {
        message(0x0101, [transaction; 12], 0x0020, &[0; 8])
    }

    fn peer(n: u16) -> SocketAddr {
        ([192, 0, 2, 1], 1000 + n).into()
    }

    impl Table {
        fn verify_invariants(&self) {
            for (ufrag, id) in &self.ufrags {
                assert!(self.entries[id].ufrags.contains(ufrag));
            }
            for (peer, id) in &self.peers {
                assert!(self.entries[id].peers.contains(peer));
            }
            for (asked, (id, _)) in &self.asked {
                assert!(self.entries[id].asked.contains(asked));
            }
            for entries in self.entries.values() {
                assert!(entries.ufrags.len() <= UFRAGS);
                assert!(entries.peers.len() <= PEERS && entries.asked.len() <= ASKED);
            }
        }
    }

    #[test]
    fn viewers_behind_one_address_are_told_apart() {
        let mut table = Table::default();
        let [a, b] = [Id(1), Id(2)];
        for (id, ufrag) in [(a, "aaaa"), (b, "bbbb")] {
            table.open(id);
            table.name(id, ufrag);
        }
        let media = [128, 96, 0, 1];
        assert_eq!(table.route(peer(1), &media), None, "nobody was heard from there");
        assert_eq!(table.route(peer(1), &check("aaaa")), Some((a, peer(1))));
        assert_eq!(table.route(peer(2), &check("bbbb")), Some((b, peer(2))));
        assert_eq!(table.route(peer(3), &check("cccc")), None);
        assert_eq!(table.route(peer(1), &media), Some((a, peer(1))));
        assert_eq!(table.route(peer(2), &media), Some((b, peer(2))));
        // A page was loaded again and has the port of the one before.
        assert_eq!(table.route(peer(1), &check("bbbb")), Some((b, peer(1))));
        assert_eq!(table.route(peer(1), &media), Some((b, peer(1))));
        table.close(b);
        assert_eq!(table.route(peer(1), &media), None);
        table.close(a);
        assert_eq!((table.ufrags.len(), table.peers.len(), table.entries.len()), (0, 0, 0));
    }

    #[test]
    fn a_response_goes_to_who_asked() {
        let mut table = Table::default();
        let known_as = "240.0.1.1:3478".parse().unwrap();
        for id in [Id(1), Id(2)] {
            table.open(id);
            table.ask(id, [id.0 as u8; 12], (id == Id(1)).then_some(known_as));
        }
        // Both ask the same server.
        assert_eq!(table.route(peer(9), &response(1)), Some((Id(1), known_as)));
        assert_eq!(table.route(peer(9), &response(2)), Some((Id(2), peer(9))));
        assert_eq!(table.route(peer(9), &response(3)), None);
    }

    proptest! {
        #[test]
        fn nothing_is_left_of_a_closed_connection(steps in prop::collection::vec((0u8..5, 0u64..4, 0u16..80), 0..400)) {
            let mut table = Table::default();
            for (step, id, n) in steps {
                match step {
                    0 => table.open(Id(id)),
                    1 => table.close(Id(id)),
                    2 => table.name(Id(id), &format!("ufrag{}", n % 12)),
                    3 => {
                        let to = table.route(peer(n), &check(&format!("ufrag{}", id * 3)));
                        if let Some((id, from)) = to {
                            prop_assert!(table.entries.contains_key(&id) && from == peer(n));
                        }
                    }
                    _ => {
                        table.ask(Id(id), [(n % 40) as u8; 12], None);
                        if let Some((id, _)) = table.route(peer(n), &response((n % 40) as u8)) {
                            prop_assert!(table.entries.contains_key(&id));
                        }
                    }
                }
                table.verify_invariants();
            }
            (0..4).for_each(|id| table.close(Id(id)));
            prop_assert!(table.ufrags.is_empty() && table.peers.is_empty() && table.asked.is_empty());
        }
    }
}
