//! The interceptor next to the application: splits one picture into its RTP packets, and hears the viewer's RTCP.
//!
//! A whole picture crosses the peer connection's queue as one packet whose payload is a [`Burst`] blob; here it becomes
//! the real packets. So the queue counts pictures, and the driver wakes once for each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

use super::Pulse;
use crate::media::rtp::Burst;
use crate::viewer::offer::PLAYOUT_DELAY;

/// Minimum and maximum playout delay of zero: show each picture as soon as it is decoded. Twelve bits each, in units of
/// 10 ms.
const NO_DELAY: Bytes = Bytes::from_static(&[0, 0, 0]);

pub(super) struct Tap {
    pulse: Arc<Pulse>,
    sequence: u16,
    playout_delay: Option<u8>,
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl Tap {
    pub(super) fn new(pulse: Arc<Pulse>, first_sequence: u16) -> Self {
        Self { pulse, sequence: first_sequence, playout_delay: None, read: VecDeque::new(), write: VecDeque::new() }
    }

    fn split(&mut self, picture: rtc::rtp::Packet, now: Instant, transport: rtc::shared::TransportContext) {
        let mut payloads = Burst::payloads(picture.payload).peekable();
        while let Some(payload) = payloads.next() {
            let mut header = picture.header.clone();
            header.sequence_number = self.sequence;
            header.marker = payloads.peek().is_none();
            self.sequence = self.sequence.wrapping_add(1);
            if let Some(id) = self.playout_delay {
                // Cannot fail: the id was negotiated and the value fits a one-byte header (RFC 8285, section 4.2).
                let _ = header.set_extension(id, NO_DELAY);
            }
            let message = AttributedPacket::new(Packet::Rtp(rtc::rtp::Packet { header, payload }));
            self.write.push_back(TaggedPacket { now, transport, message });
        }
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
            let mut packets = packets.iter().map(|packet| packet.as_any());
            if packets.any(|packet| packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>()) {
                self.pulse.want_key_frame();
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
            Packet::Rtp(picture) => self.split(picture, now, transport),
            _ => self.write.push_back(TaggedPacket { now, transport, message }),
        }
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        let extension = info.rtp_header_extensions.iter().find(|extension| extension.uri == PLAYOUT_DELAY);
        self.playout_delay = extension.and_then(|extension| u8::try_from(extension.id).ok());
    }

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    fn bind_remote_stream(&mut self, _: &StreamInfo) {}

    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
