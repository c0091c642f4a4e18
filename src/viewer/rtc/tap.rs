//! The interceptor next to the application: splits one picture into its RTP packets, paces and numbers them, sends again
//! what is asked for, and hears the viewer's RTCP.
//!
//! A whole picture crosses the peer connection's queue as one packet whose payload is a [`Burst`] blob; here it becomes
//! the real packets. So the queue counts pictures, and the driver wakes once for each.
//!
//! Retransmissions are numbered like everything else (the crate's own interceptor leaves them out), so what the viewer
//! reports is all that was sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc::interceptor::{Attribute, AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;

use super::Pulse;
use super::link::{Flow, Link};
use super::pace::Pace;
use super::ring::{Ring, Rtx};
use super::sent::Sent;
use crate::media::rtp::Burst;
use crate::media::units::Bitrate;
use crate::viewer::bandwidth::Estimator;
use crate::viewer::offer::{PLAYOUT_DELAY, TRANSPORT_CC};

/// Minimum and maximum playout delay of zero: show each picture as soon as it is decoded. Twelve bits each, in units of
/// 10 ms.
const NO_DELAY: Bytes = Bytes::from_static(&[0, 0, 0]);
/// Of a packet on its way, beyond its payload: RTP with extensions, SRTP, UDP, IP.
const HEADERS: usize = 12 + 12 + 16 + 8 + 20;
/// While the path is being sought more of, what is missing is filled up so often.
const FILL: Duration = Duration::from_millis(25);
/// While no pictures are sent, a packet is so often: a viewer that gets nothing reports nothing, neither what became of the
/// last ones, nor that it is there.
const ASK: Duration = Duration::from_millis(100);
/// What retransmission takes is that of the last so many seconds.
const REPAIR: f64 = 1.0;

pub(super) struct Tap {
    pulse: Arc<Pulse>,
    link: Arc<Link>,
    estimator: Estimator,
    sent: Sent,
    ring: Ring,
    pace: Pace<rtc::rtp::Packet>,
    sequence: u16,
    playout_delay: Option<u8>,
    number: Option<u8>,
    rtx: Option<Rtx>,
    /// Bits per second that go into retransmission, and since when that was counted.
    repair: (f64, Option<Instant>),
    /// When something was filled up, and bits that were sent since.
    filled: (Option<Instant>, f64),
    /// When a packet was sent last to hear what became of those before it.
    asked: Option<Instant>,
    transport: TransportContext,
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl Tap {
    /// Numbers pictures' packets from `first_sequence`; takes the path to be good for `rate`, until it is heard of, and
    /// never for more than a quarter more.
    pub(super) fn new(pulse: Arc<Pulse>, link: Arc<Link>, first_sequence: u16, rate: Bitrate) -> Self {
        let ceiling = Bitrate::bits(rate.bps().saturating_add(rate.bps() / 4));
        Self {
            pulse,
            link,
            estimator: Estimator::new(rate, Bitrate::MIN, ceiling),
            sent: Sent::default(),
            ring: Ring::default(),
            pace: Pace::new(Instant::now()),
            sequence: first_sequence,
            playout_delay: None,
            number: None,
            rtx: None,
            repair: (0.0, None),
            filled: (None, 0.0),
            asked: None,
            transport: TransportContext::default(),
            read: VecDeque::new(),
            write: VecDeque::new(),
        }
    }

    fn split(&mut self, picture: rtc::rtp::Packet, now: Instant) {
        let mut payloads = Burst::payloads(picture.payload).peekable();
        let (mut sequence, playout_delay) = (self.sequence, self.playout_delay);
        let packets = std::iter::from_fn(|| {
            let payload = payloads.next()?;
            let mut header = picture.header.clone();
            header.sequence_number = sequence;
            header.marker = payloads.peek().is_none();
            sequence = sequence.wrapping_add(1);
            if let Some(id) = playout_delay {
                // Cannot fail: the id was negotiated and the value fits a one-byte header (RFC 8285, section 4.2).
                let _ = header.set_extension(id, NO_DELAY);
            }
            Some(rtc::rtp::Packet { header, payload })
        });
        let leave = self.pace.picture(packets, now);
        self.sequence = sequence;
        self.leave(leave, now);
    }

    /// A picture's packets go on their way.
    fn leave(&mut self, packets: Vec<rtc::rtp::Packet>, now: Instant) {
        let any = !packets.is_empty();
        for mut packet in packets {
            self.register(&mut packet, now);
            self.ring.keep(packet.clone(), now);
            self.emit(packet, now, false);
        }
        if any {
            self.look(now);
        }
    }

    /// Numbers a packet, and notes that it is on its way.
    fn register(&mut self, packet: &mut rtc::rtp::Packet, now: Instant) {
        let size = packet.payload.len() + HEADERS;
        self.filled.1 += size as f64 * 8.0;
        if let Some(id) = self.number {
            let number = self.sent.add(now, size);
            let _ = packet.header.set_extension(id, Bytes::copy_from_slice(&number.to_be_bytes()));
        }
    }

    fn emit(&mut self, packet: rtc::rtp::Packet, now: Instant, again: bool) {
        let message = AttributedPacket::new(Packet::Rtp(packet));
        let message = if again { message.with(Attribute::Retransmission) } else { message };
        self.write.push_back(TaggedPacket { now, transport: self.transport, message });
    }

    fn resend(&mut self, nack: &TransportLayerNack, now: Instant) {
        if self.link.is_held() {
            return;
        }
        let reading = self.estimator.reading();
        let round_trip = reading.map_or(Duration::from_millis(50), |reading| reading.round_trip);
        self.ring.earn(now, f64::from(self.estimator.rate().bps()));
        let numbers = nack.nacks.iter().flat_map(|pair| {
            let more = (0..16).filter(|bit| pair.lost_packets >> bit & 1 != 0);
            std::iter::once(pair.packet_id).chain(more.map(|bit| pair.packet_id.wrapping_add(bit + 1)))
        });
        for number in numbers {
            let Some(mut packet) = self.ring.again(number, now, round_trip, self.rtx) else { continue };
            self.repaired(now, (packet.payload.len() + HEADERS) as f64 * 8.0);
            if self.rtx.is_some() {
                self.register(&mut packet, now);
            }
            self.emit(packet, now, true);
        }
    }

    /// Notes bits of retransmission.
    fn repaired(&mut self, now: Instant, bits: f64) {
        let (rate, since) = self.repair;
        let time = since.map_or(REPAIR, |at| now.saturating_duration_since(at).as_secs_f64());
        self.repair = (rate * (-time / REPAIR).exp() + bits / REPAIR, Some(now));
    }

    fn report(&mut self, feedback: &TransportLayerCc, now: Instant) {
        let acks = self.sent.report(feedback);
        self.estimator.report(now, &acks);
        self.repaired(now, 0.0);
        self.tell(now);
    }

    /// Is word of anything overdue?
    fn look(&mut self, now: Instant) {
        if self.link.was_renewed() {
            self.estimator.renew(now);
        }
        self.estimator.tick(now, self.sent.oldest(now));
        self.tell(now);
    }

    fn tell(&self, now: Instant) {
        let flow = Flow {
            reading: self.estimator.reading(),
            oldest: self.sent.oldest(now),
            since: self.sent.since_newest(),
            repair: self.repair.0,
        };
        self.link.update(flow);
    }

    fn send_filler(&mut self, mut packet: rtc::rtp::Packet, now: Instant) {
        self.register(&mut packet, now);
        self.emit(packet, now, true);
    }

    /// Fills up what the pictures leave of the path, or goes beyond it for a moment, when it is to be seen what it takes.
    fn fill(&mut self, now: Instant) {
        let (Some(rtx), Some(_)) = (self.rtx, self.number) else { return };
        if self.link.is_held() && self.asked.is_none_or(|at| now.saturating_duration_since(at) >= ASK) {
            self.asked = Some(now);
            if let Some(packet) = self.ring.smallest(rtx) {
                self.send_filler(packet, now);
            }
        }
        let probe = if self.link.is_held() { None } else { self.estimator.probe(now) };
        let sought = self.link.sought().map(|rate| rate.min(self.estimator.rate()));
        let Some(rate) = probe.max(sought) else {
            self.filled = (None, 0.0);
            return;
        };
        let (Some(since), spent) = self.filled else {
            self.filled = (Some(now), 0.0);
            return;
        };
        let time = now.saturating_duration_since(since);
        if time < FILL {
            return;
        }
        let mut missing = f64::from(rate.bps()) * time.as_secs_f64().min(0.2) - spent;
        while missing > 0.0 {
            let Some(packet) = self.ring.filler(rtx) else { break };
            missing -= (packet.payload.len() + HEADERS) as f64 * 8.0;
            self.send_filler(packet, now);
        }
        // What was too much is less the next time.
        self.filled = (Some(now), (-missing).max(0.0));
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &tagged.message.packet {
            self.pulse.heard();
            for packet in packets {
                let packet = packet.as_any();
                if packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>() {
                    self.pulse.want_key_frame();
                } else if let Some(feedback) = packet.downcast_ref::<TransportLayerCc>() {
                    self.report(feedback, tagged.now);
                } else if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
                    self.resend(nack, tagged.now);
                }
            }
        }
        self.read.push_back(tagged);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        let TaggedPacket { now, transport, message } = tagged;
        match message.packet {
            Packet::Rtp(picture) => {
                self.transport = transport;
                self.split(picture, now);
                self.fill(now);
            }
            _ => self.write.push_back(TaggedPacket { now, transport, message }),
        }
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let due = self.pace.due(now);
        self.leave(due, now);
        self.fill(now);
        // ICE wakes the connection some times a second, so that this is done when nothing is sent, too.
        self.look(now);
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let fill = self.filled.0.map(|at| at + FILL);
        self.pace.next().into_iter().chain(fill).min()
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        let id = |uri| {
            let extension = info.rtp_header_extensions.iter().find(|extension| extension.uri == uri);
            extension.and_then(|extension| u8::try_from(extension.id).ok()).filter(|id| *id != 0)
        };
        self.playout_delay = id(PLAYOUT_DELAY);
        self.number = id(TRANSPORT_CC);
        let rtx = info.ssrc_rtx.zip(info.payload_type_rtx);
        self.rtx = rtx.map(|(ssrc, payload_type)| Rtx { ssrc, payload_type });
    }

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    fn bind_remote_stream(&mut self, _: &StreamInfo) {}

    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
