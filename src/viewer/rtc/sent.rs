//! Packets on their way, by their transport-wide numbers, and what the viewer says became of them
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtc::rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, SymbolTypeTcc, TransportLayerCc};

use crate::viewer::bandwidth::Ack;

/// Packets that are remembered: a second at 50 Mbit/s.
const PACKETS: usize = 4096;
/// A packet that was missing when packets sent so much later had come is lost: till then it may be late.
const LATE: Duration = Duration::from_millis(80);
/// After so long no word is waited for any more. Some may come, and is believed.
const WAITED_FOR: Duration = Duration::from_millis(1500);
/// The unit of the reference time.
const TICK: i64 = 64_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Unknown,
    /// It was not there when packets after it were.
    Missing,
    Known,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    sent: Instant,
    size: usize,
    fate: Fate,
}

/// Packets on their way. Their numbers follow one another.
#[derive(Debug, Default)]
pub(super) struct Sent {
    packets: VecDeque<Packet>,
    /// The number of the first of them.
    first: u16,
    /// The last reference time, unwrapped, in [`TICK`]s.
    reference: Option<i64>,
    /// When the newest packet was sent of which word has come.
    newest: Option<Instant>,
}

impl Sent {
    /// Notes a packet that leaves now; its number.
    pub(super) fn add(&mut self, sent: Instant, size: usize) -> u16 {
        if self.packets.len() == PACKETS {
            self.packets.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        let number = self.first.wrapping_add(self.packets.len() as u16);
        self.packets.push_back(Packet { sent, size, fate: Fate::Unknown });
        number
    }

    /// When the oldest packet was sent of which word may still come.
    pub(super) fn oldest(&self, now: Instant) -> Option<Instant> {
        let waited_for =
            |packet: &&Packet| packet.fate == Fate::Unknown && now.saturating_duration_since(packet.sent) < WAITED_FOR;
        self.packets.iter().find(waited_for).map(|packet| packet.sent)
    }

    /// When the newest packet was sent of which word has come, and how many bits were sent since.
    pub(super) fn since_newest(&self) -> Option<(Instant, f64)> {
        let newest = self.newest?;
        let since = self.packets.iter().rev().take_while(|packet| packet.sent > newest);
        Some((newest, since.map(|packet| packet.size as f64 * 8.0).sum()))
    }

    /// What a report says of packets whose fate was not known yet.
    pub(super) fn report(&mut self, feedback: &TransportLayerCc) -> Vec<Ack> {
        let mut at = self.unwrap(feedback.reference_time) * TICK;
        let mut deltas = feedback.recv_deltas.iter();
        let (mut acks, mut newest): (Vec<Ack>, Option<Instant>) = (Vec::new(), None);
        let first = feedback.base_sequence_number.wrapping_sub(self.first);
        let symbols = feedback.packet_chunks.iter().flat_map(symbols);
        let count = usize::from(feedback.packet_status_count).min(PACKETS);
        for (offset, symbol) in symbols.take(count).enumerate() {
            let came = match symbol {
                SymbolTypeTcc::PacketNotReceived => None,
                SymbolTypeTcc::PacketReceivedSmallDelta | SymbolTypeTcc::PacketReceivedLargeDelta => {
                    let Some(delta) = deltas.next() else { break };
                    at = at.saturating_add(delta.delta);
                    Some(Some(at))
                }
                SymbolTypeTcc::PacketReceivedWithoutDelta => Some(None),
            };
            let Some(packet) = self.packets.get_mut(usize::from(first.wrapping_add(offset as u16))) else { continue };
            match came {
                Some(at) if packet.fate != Fate::Known => {
                    packet.fate = Fate::Known;
                    newest = newest.max(Some(packet.sent));
                    let arrived = at.map(|at| Duration::from_micros(u64::try_from(at).unwrap_or(0)));
                    // Without a time it tells nothing but that it was not lost.
                    if arrived.is_some() {
                        acks.push(Ack { sent: packet.sent, size: packet.size, arrived });
                    }
                }
                None if packet.fate == Fate::Unknown => packet.fate = Fate::Missing,
                _ => {}
            }
        }
        self.newest = self.newest.max(newest);
        if let Some(newest) = newest {
            self.give_up(newest, &mut acks);
        }
        while self.packets.front().is_some_and(|packet| packet.fate == Fate::Known) {
            self.packets.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        acks.sort_by_key(|ack| ack.sent);
        acks
    }

    /// What was sent well before one that came is lost; if no report says anything of it, that report was lost.
    fn give_up(&mut self, newest: Instant, acks: &mut Vec<Ack>) {
        let before = |packet: &Packet| newest.saturating_duration_since(packet.sent) > LATE;
        for packet in self.packets.iter_mut().take_while(|packet| before(packet)) {
            if packet.fate == Fate::Missing {
                acks.push(Ack { sent: packet.sent, size: packet.size, arrived: None });
            }
            packet.fate = Fate::Known;
        }
    }

    /// Of 24 bits; begins so high that it never becomes negative.
    fn unwrap(&mut self, reference: u32) -> i64 {
        const WRAP: i64 = 1 << 24;
        let reference = i64::from(reference) & (WRAP - 1);
        let unwrapped = match self.reference {
            None => WRAP + reference,
            Some(last) => {
                let ahead = (reference - last).rem_euclid(WRAP);
                last + if ahead < WRAP / 2 { ahead } else { ahead - WRAP }
            }
        };
        self.reference = Some(unwrapped.max(0));
        unwrapped.max(0)
    }
}

fn symbols(chunk: &PacketStatusChunk) -> impl Iterator<Item = SymbolTypeTcc> + '_ {
    let (run, list) = match chunk {
        PacketStatusChunk::RunLengthChunk(run) => (Some((run.packet_status_symbol, run.run_length)), None),
        PacketStatusChunk::StatusVectorChunk(vector) => (None, Some(&vector.symbol_list)),
    };
    let run = run.into_iter().flat_map(|(symbol, length)| std::iter::repeat_n(symbol, length.into()));
    run.chain(list.into_iter().flatten().copied())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::{RecvDelta, RunLengthChunk, StatusVectorChunk};

    use super::*;

    const CAME: SymbolTypeTcc = SymbolTypeTcc::PacketReceivedSmallDelta;
    const NOT: SymbolTypeTcc = SymbolTypeTcc::PacketNotReceived;

    fn feedback(base: u16, reference: u32, symbols: &[SymbolTypeTcc], deltas: &[i64]) -> TransportLayerCc {
        TransportLayerCc {
            base_sequence_number: base,
            packet_status_count: symbols.len() as u16,
            reference_time: reference,
            packet_chunks: vec![PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
                symbol_list: symbols.to_vec(),
                ..Default::default()
            })],
            recv_deltas: deltas.iter().map(|delta| RecvDelta { delta: *delta, ..Default::default() }).collect(),
            ..Default::default()
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn late_is_not_lost() {
        let (start, mut sent) = (Instant::now(), Sent::default());
        let numbers: Vec<_> = (0..6).map(|i| sent.add(start + ms(i * 50), 100)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
        let acks = sent.report(&feedback(0, 10, &[CAME, NOT, CAME], &[1000, 50_000]));
        assert_eq!(acks.iter().map(|ack| ack.sent - start).collect::<Vec<_>>(), [ms(0), ms(100)]);
        let apart = acks[1].arrived.unwrap() - acks[0].arrived.unwrap();
        assert_eq!((apart, sent.oldest(start + ms(300))), (ms(50), Some(start + ms(150))));
        // Number 1 came late; number 3 is not there when number 5, sent 100 ms later, is.
        let acks = sent.report(&feedback(1, 11, &[CAME, CAME, NOT, CAME, CAME], &[0, 0, 0, 0]));
        let lost: Vec<_> = acks.iter().filter(|ack| ack.arrived.is_none()).map(|ack| ack.sent - start).collect();
        assert_eq!((acks.len(), lost, sent.oldest(start + ms(300))), (4, vec![ms(150)], None));
    }

    #[test]
    fn a_report_that_was_lost_says_nothing() {
        let (start, mut sent) = (Instant::now(), Sent::default());
        let _: Vec<_> = (0..5).map(|i| sent.add(start + ms(i * 50), 100)).collect();
        let acks = sent.report(&feedback(4, 10, &[CAME], &[0]));
        assert_eq!(
            (acks.len(), sent.oldest(start + ms(300))),
            (1, Some(start + ms(150))),
            "the last but one may still be reported"
        );
    }

    #[test]
    fn the_reference_time_wraps() {
        let (start, mut sent) = (Instant::now(), Sent::default());
        let _: Vec<_> = (0..3).map(|_| sent.add(start, 100)).collect();
        let times: Vec<_> = [(0, 0xff_ffff), (1, 1), (2, 0xff_fffe)]
            .map(|(base, reference)| sent.report(&feedback(base, reference, &[CAME], &[0]))[0].arrived.unwrap())
            .into();
        assert_eq!((times[1] - times[0], times[0] - times[2]), (ms(128), ms(64)));
    }

    proptest! {
        #[test]
        fn any_report_is_read(
            reports in prop::collection::vec((any::<u16>(), any::<u32>(), any::<u16>(), any::<u16>(), 0..4u16,
                prop::collection::vec(any::<i64>(), 0..9)), 0..30),
            packets in 0..6000usize,
        ) {
            let (now, mut sent) = (Instant::now(), Sent::default());
            let _: Vec<_> = (0..packets).map(|i| sent.add(now + Duration::from_micros(i as u64), 1200)).collect();
            let mut known = 0;
            for (base, reference, count, run, symbol, deltas) in reports {
                let run = RunLengthChunk { packet_status_symbol: symbol.into(), run_length: run, ..Default::default() };
                let mut feedback = feedback(base, reference, &[], &deltas);
                feedback.packet_status_count = count;
                feedback.packet_chunks = vec![PacketStatusChunk::RunLengthChunk(run)];
                known += sent.report(&feedback).len();
                prop_assert!(sent.packets.len() <= PACKETS);
            }
            prop_assert!(known <= packets, "no packet has two fates");
        }
    }
}
