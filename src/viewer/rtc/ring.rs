//! Packets that may be asked for again (RFC 4585, section 6.2.1), and what is sent then (RFC 4588).
//!
//! Payloads are slices of the one allocation that all viewers share; a viewer's own are the headers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Packets that are kept, at most.
const PACKETS: usize = 1024;
/// What is older comes too late for any picture that is still waited for.
const AGE: Duration = Duration::from_millis(1000);
/// A viewer that asks again sooner than this has not seen what was sent yet, however near it is.
const AGAIN: Duration = Duration::from_millis(15);

#[derive(Debug)]
struct Kept {
    packet: rtc::rtp::Packet,
    sent: Instant,
    again: Option<Instant>,
}

/// Where retransmissions go; without it they go as what they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtx {
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
}

/// Packets that may be asked for again, by their numbers, which follow one another.
#[derive(Debug, Default)]
pub(super) struct Ring {
    kept: VecDeque<Kept>,
    /// Bits that may still be sent again now.
    credit: f64,
    credited: Option<Instant>,
    /// The next number of the retransmissions' own stream.
    next: u16,
}

impl Ring {
    /// A packet is on its way. Where a key frame begins nothing before it is asked for any more: a viewer that has it
    /// shows it, and one that has not yet would get it later for what it does not need.
    pub(super) fn keep(&mut self, packet: rtc::rtp::Packet, now: Instant) {
        let before = self.kept.back().map(|kept| kept.packet.header.timestamp);
        if before != Some(packet.header.timestamp) && begins_key_frame(&packet.payload) {
            self.kept.clear();
        }
        let next = self.kept.back().map(|kept| kept.packet.header.sequence_number.wrapping_add(1));
        if next.is_some_and(|next| next != packet.header.sequence_number) {
            self.kept.clear();
        }
        self.kept.push_back(Kept { packet, sent: now, again: None });
        let old = |kept: &Kept| now.saturating_duration_since(kept.sent) > AGE;
        while self.kept.len() > PACKETS || self.kept.front().is_some_and(old) {
            self.kept.pop_front();
        }
    }

    /// So much of what the path takes may go into retransmission: it must not crowd out the pictures, nor make a full
    /// path fuller.
    pub(super) fn earn(&mut self, now: Instant, rate: f64) {
        const PART: f64 = 0.5;
        const SAVED: f64 = 0.3;
        let time = self.credited.map_or(SAVED, |at| now.saturating_duration_since(at).as_secs_f64());
        self.credited = Some(now);
        self.credit = (self.credit + rate * PART * time).min((rate * SAVED).max(100_000.0));
    }

    /// The packet of this number, to be sent again; `None`: it is too old, or on its way, or too much was sent again.
    pub(super) fn again(
        &mut self,
        number: u16,
        now: Instant,
        round_trip: Duration,
        rtx: Option<Rtx>,
    ) -> Option<rtc::rtp::Packet> {
        let first = self.kept.front()?.packet.header.sequence_number;
        let kept = self.kept.get_mut(usize::from(number.wrapping_sub(first)))?;
        let pause = AGAIN.max(round_trip.mul_f64(0.9));
        let on_its_way = kept.again.is_some_and(|at| now.saturating_duration_since(at) < pause);
        let bits = (kept.packet.payload.len() + 60) as f64 * 8.0;
        if on_its_way || now.saturating_duration_since(kept.sent) > AGE || self.credit < bits {
            return None;
        }
        kept.again = Some(now);
        self.credit -= bits;
        let packet = kept.packet.clone();
        // The same packet, bit by bit: other bits under the same number would be encrypted with the same key stream
        // (RFC 7714, section 8.1; RFC 3711, section 9.1).
        let Some(rtx) = rtx else { return Some(packet) };
        Some(self.wrapped(&packet, rtx))
    }

    /// A recent packet once more, though nobody asked: to see whether the path takes it.
    pub(super) fn filler(&mut self, rtx: Rtx) -> Option<rtc::rtp::Packet> {
        let recent = self.kept.iter().rev().take(16).max_by_key(|kept| kept.packet.payload.len())?;
        let packet = recent.packet.clone();
        Some(self.wrapped(&packet, rtx))
    }

    /// The same, as small as there is one: to be told of.
    pub(super) fn smallest(&mut self, rtx: Rtx) -> Option<rtc::rtp::Packet> {
        let recent = self.kept.iter().rev().take(16).min_by_key(|kept| kept.packet.payload.len())?;
        let packet = recent.packet.clone();
        Some(self.wrapped(&packet, rtx))
    }

    fn wrapped(&mut self, packet: &rtc::rtp::Packet, rtx: Rtx) -> rtc::rtp::Packet {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let payload = [&packet.header.sequence_number.to_be_bytes(), &packet.payload[..]].concat();
        let header = rtc::rtp::Header {
            ssrc: rtx.ssrc,
            payload_type: rtx.payload_type,
            sequence_number: number,
            ..packet.header.clone()
        };
        rtc::rtp::Packet { header, payload: Bytes::from(payload) }
    }
}

/// Whether this is the first payload of a key frame: a sequence parameter set, alone or before others (RFC 6184, section
/// 5.7.1).
fn begins_key_frame(payload: &[u8]) -> bool {
    const SPS: u8 = 7;
    const STAP_A: u8 = 24;
    let nal = |at: usize| payload.get(at).map(|byte| byte & 0x1f);
    nal(0) == Some(SPS) || (nal(0) == Some(STAP_A) && nal(3) == Some(SPS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTX: Rtx = Rtx { ssrc: 8, payload_type: 98 };

    fn packet(number: u16) -> rtc::rtp::Packet {
        let header = rtc::rtp::Header { version: 2, ssrc: 7, sequence_number: number, ..Default::default() };
        rtc::rtp::Packet { header, payload: Bytes::from(vec![number as u8; 1000]) }
    }

    fn full(start: Instant, numbers: impl Iterator<Item = u16>) -> Ring {
        let mut ring = Ring::default();
        numbers.for_each(|number| ring.keep(packet(number), start));
        ring.earn(start, 1e6);
        ring
    }

    #[test]
    fn what_is_asked_for_is_sent_again_once_in_a_round_trip() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut ring = full(start, (0..10).map(|i| 65_530u16.wrapping_add(i)));
        let again = ring.again(2, start + ms(20), ms(50), Some(RTX)).unwrap();
        assert_eq!((again.header.ssrc, again.header.payload_type, again.header.version), (8, 98, 2));
        assert_eq!((&again.payload[..3], again.payload.len()), (&[0, 2, 2][..], 1002));
        assert!(ring.again(2, start + ms(40), ms(50), Some(RTX)).is_none(), "it is on its way");
        let second = ring.again(2, start + ms(70), ms(50), Some(RTX)).unwrap();
        assert_eq!(second.header.sequence_number, again.header.sequence_number + 1);
        assert!(ring.again(65_529, start, ms(50), Some(RTX)).is_none(), "never sent, or long ago");
        assert!(ring.again(4, start, ms(50), Some(RTX)).is_none(), "not sent yet");
        assert!(ring.again(3, start + ms(1100), ms(50), Some(RTX)).is_none(), "too old");
        assert_eq!(ring.again(3, start + ms(90), ms(50), None), Some(packet(3)), "the very same");
    }

    #[test]
    fn nothing_from_before_a_key_frame_is_sent_again() {
        let (start, payloads) = (Instant::now(), [vec![24, 0, 2, 0x67, 1], vec![0x67, 1], vec![0x7c, 5]]);
        for (payload, ends) in payloads.into_iter().zip([true, true, false]) {
            let mut ring = full(start, 0..10);
            let mut key = packet(10);
            (key.header.timestamp, key.payload) = (3000, Bytes::from(payload));
            ring.keep(key.clone(), start);
            key.header.sequence_number = 11;
            ring.keep(key, start);
            assert_eq!(ring.again(9, start, Duration::ZERO, Some(RTX)).is_none(), ends);
            assert!(ring.again(10, start, Duration::ZERO, Some(RTX)).is_some(), "the key frame itself");
        }
    }

    #[test]
    fn retransmission_has_a_bound_and_so_has_the_ring() {
        let start = Instant::now();
        let mut ring = full(start, 0..400);
        let sent = (0..400).filter(|number| ring.again(*number, start, Duration::ZERO, Some(RTX)).is_some()).count();
        assert_eq!(sent, (1e6 * 0.15 / (1060.0 * 8.0)) as usize);
        ring.earn(start + Duration::from_millis(100), 1e6);
        assert!(ring.again(399, start + Duration::from_millis(100), Duration::ZERO, Some(RTX)).is_some());
        let mut ring = full(start, 0..3000);
        assert_eq!(ring.kept.len(), PACKETS);
        ring.keep(packet(3000), start + AGE * 2);
        assert_eq!(ring.kept.len(), 1);
        ring.keep(packet(9), start + AGE * 2);
        assert_eq!(ring.kept.len(), 1, "numbers that do not follow one another");
    }
}
