//! An access unit → RTP payloads (RFC 6184, packetization mode 1), made once for all viewers.

use bytes::{Buf, Bytes};

use super::h264::{Nal, nal_units};

/// NAL unit type of a single-time aggregation packet (RFC 6184, 5.7.1).
pub(super) const STAP_A: u8 = 24;
/// NAL unit type of a fragmentation unit (RFC 6184, 5.8).
pub(super) const FU_A: u8 = 28;

/// The RTP payloads of one access unit, in order, in one allocation: for each its length (two bytes, big-endian), then
/// its bytes. The packet with the last of them has the marker bit.
#[derive(Clone, Debug)]
pub struct Burst(Bytes);

impl Burst {
    /// Largest payload: 1200 bytes of UDP payload less RTP header, extensions, SRTP tag, RTX and TURN framing.
    pub const MAX_PAYLOAD: usize = 1140;

    /// Packetizes an access unit in Annex B form. Neighbours that fit into one packet together travel together; what
    /// fits into none is cut. Nothing but what is [dispensable](Nal::is_dispensable) is left out.
    pub fn packetize(access_unit: &[u8]) -> Self {
        let mut out = Writer::new(access_unit.len());
        for nal in nal_units(access_unit).filter(|nal| !nal.is_dispensable()) {
            if nal.0.len() > Self::MAX_PAYLOAD {
                out.flush();
                out.fragments(nal.0);
            } else {
                out.whole(nal);
            }
        }
        out.flush();
        Self(out.blob.into())
    }

    /// The wire form, to travel through one `write_rtp`.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The payloads, each a slice of the same allocation. Ends at the first thing that is no payload.
    pub fn payloads(mut blob: Bytes) -> impl Iterator<Item = Bytes> {
        std::iter::from_fn(move || {
            let len = usize::from(blob.try_get_u16().ok()?);
            let legal = (1..=Self::MAX_PAYLOAD.min(blob.len())).contains(&len);
            legal.then(|| blob.split_to(len))
        })
    }
}

struct Writer<'a> {
    blob: Vec<u8>,
    /// Neighbours that fit into one packet, and the length of that packet if they are aggregated.
    group: Vec<Nal<'a>>,
    group_len: usize,
}

impl<'a> Writer<'a> {
    fn new(len: usize) -> Self {
        // Two bytes of length and two of fragment header for each payload, which is half full at least.
        Self { blob: Vec::with_capacity(len + len / 128 + 16), group: Vec::new(), group_len: 1 }
    }

    fn payload(&mut self, len: usize) {
        // Lengths are at most MAX_PAYLOAD.
        self.blob.extend_from_slice(&(len as u16).to_be_bytes());
    }

    /// Adds a NAL unit that needs no cutting.
    fn whole(&mut self, nal: Nal<'a>) {
        if self.group_len + 2 + nal.0.len() > Burst::MAX_PAYLOAD {
            self.flush();
        }
        self.group.push(nal);
        self.group_len += 2 + nal.0.len();
    }

    /// Ends the packet that is being filled.
    fn flush(&mut self) {
        match *self.group {
            [] => {}
            [nal] => {
                self.payload(nal.0.len());
                self.blob.extend_from_slice(nal.0);
            }
            _ => {
                self.payload(self.group_len);
                // The highest importance of any, and the forbidden bit if any has it (RFC 6184, 5.7).
                let ref_idc = self.group.iter().map(|nal| nal.ref_idc()).max().unwrap_or(0);
                let forbidden = self.group.iter().any(|nal| nal.is_forbidden());
                self.blob.push(u8::from(forbidden) << 7 | ref_idc << 5 | STAP_A);
                for i in 0..self.group.len() {
                    let nal = self.group[i];
                    self.payload(nal.0.len());
                    self.blob.extend_from_slice(nal.0);
                }
            }
        }
        self.group.clear();
        self.group_len = 1;
    }

    /// Cuts a NAL unit into fragments of one size, of which only the last may be shorter: so the kernel can take them
    /// as segments of one datagram.
    fn fragments(&mut self, nal: &[u8]) {
        const START: u8 = 0x80;
        const END: u8 = 0x40;
        const ROOM: usize = Burst::MAX_PAYLOAD - 2;
        let Some((header, body)) = nal.split_first() else { return };
        let count = body.len().div_ceil(ROOM);
        let mut fragments = body.chunks(body.len().div_ceil(count).max(1)).peekable();
        let mut flags = START;
        while let Some(fragment) = fragments.next() {
            if fragments.peek().is_none() {
                flags |= END;
            }
            self.payload(2 + fragment.len());
            self.blob.extend_from_slice(&[header & 0xe0 | FU_A, flags | header & 0x1f]);
            self.blob.extend_from_slice(fragment);
            flags = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::depacketize::depacketize;
    use super::*;

    fn stream(units: &[Vec<u8>]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&[0, 0, 0, 1], unit.as_slice()].concat()).collect()
    }

    fn unit(header: u8, len: usize) -> Vec<u8> {
        std::iter::once(header).chain((1..len).map(|i| (i % 250) as u8 + 1)).collect()
    }

    /// The sizes of the payloads, after the round trip has been checked.
    fn sizes(units: &[Vec<u8>]) -> Vec<usize> {
        let burst = Burst::packetize(&stream(units));
        let payloads: Vec<Bytes> = Burst::payloads(burst.as_bytes().clone()).collect();
        let wanted: Vec<_> = units.iter().filter(|u| !Nal(u).is_dispensable()).cloned().collect();
        assert_eq!(depacketize(&payloads), Ok(wanted));
        payloads.iter().map(Bytes::len).collect()
    }

    #[test]
    fn small_units_travel_alone_or_together() {
        assert_eq!(sizes(&[unit(0x41, 700)]), [700]);
        assert_eq!(sizes(&[unit(0x41, 1140)]), [1140]);
        assert_eq!(sizes(&[unit(0x67, 20), unit(0x68, 4), unit(0x06, 30)]), [1 + 2 + 20 + 2 + 4 + 2 + 30]);
        assert_eq!(sizes(&[unit(0x09, 2), unit(0x41, 9), unit(0x0c, 5000), unit(0x0a, 1)]), [9]);
        assert_eq!(sizes(&[]), [0; 0]);
    }

    #[test]
    fn what_does_not_fit_together_is_kept() {
        assert_eq!(sizes(&[unit(0x67, 1100), unit(0x68, 35)]), [1140]);
        assert_eq!(sizes(&[unit(0x67, 1100), unit(0x68, 36)]), [1100, 36]);
        assert_eq!(sizes(&[unit(0x67, 1140), unit(0x68, 1), unit(0x06, 1)]), [1140, 7]);
        assert_eq!(sizes(&[unit(0x67, 20), unit(0x68, 1200), unit(0x06, 5)]), [20, 602, 601, 5]);
    }

    #[test]
    fn fragments_are_of_one_size() {
        for len in [1141, 1142, 2277, 2278, 10_000, 65_535, 65_536, 300_001] {
            let sizes = sizes(&[unit(0x65, len)]);
            let (last, others) = sizes.split_last().unwrap();
            assert!(others.iter().all(|size| *size == others[0] && *size <= Burst::MAX_PAYLOAD), "{len}");
            assert!(*last <= others[0] && *last > 2, "{len}");
            assert_eq!(sizes.len(), (len - 1).div_ceil(1138), "{len}");
        }
    }

    #[test]
    fn aggregates_take_the_highest_importance() {
        let burst = Burst::packetize(&stream(&[unit(0x06, 9), unit(0x68, 4), unit(0x25, 30)]));
        assert_eq!(burst.as_bytes()[2], 0x60 | STAP_A);
    }

    #[test]
    fn garbage_ends_the_payloads() {
        let all = |blob: &[u8]| Burst::payloads(Bytes::copy_from_slice(blob)).map(|p| p.to_vec()).collect::<Vec<_>>();
        assert_eq!(all(&[0, 1, 7, 0, 2, 8, 9]), [vec![7], vec![8, 9]]);
        assert_eq!(all(&[0, 1, 7, 0, 3, 8, 9]), [vec![7]]);
        assert_eq!(all(&[0, 1, 7, 0]), [vec![7]]);
        assert_eq!(all(&[0, 0, 0, 1, 7]), [[0u8; 0]; 0]);
        assert!(all(&[0xff; 70_000]).is_empty());
    }

    #[test]
    fn payloads_share_the_burst() {
        let burst = Burst::packetize(&stream(&[unit(0x65, 5000)]));
        let whole = burst.as_bytes().as_ptr_range();
        assert!(Burst::payloads(burst.as_bytes().clone()).all(|p| whole.contains(&p.as_ptr())));
    }
    fn units() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let len = prop_oneof![4 => 1..60usize, 2 => 1000..1300usize, 1 => 1..4000usize];
        prop::collection::vec((1..24u8, 0..4u8, len), 0..12).prop_map(|units| {
            units.into_iter().map(|(unit_type, ref_idc, len)| unit(ref_idc << 5 | unit_type, len)).collect()
        })
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_too_large(units in units()) {
            // Checks the round trip.
            prop_assert!(sizes(&units).iter().all(|size| *size <= Burst::MAX_PAYLOAD));
        }

        #[test]
        fn no_packet_is_wasted(units in units()) {
            let burst = Burst::packetize(&stream(&units));
            let payloads: Vec<Bytes> = Burst::payloads(burst.as_bytes().clone()).collect();
            for pair in payloads.windows(2).filter(|pair| pair.iter().all(|p| p[0] & 0x1f != FU_A)) {
                prop_assert!(3 + pair[0].len() + 2 + pair[1].len() > Burst::MAX_PAYLOAD, "these fit into one");
            }
        }

        #[test]
        fn any_stream_becomes_payloads(stream in prop::collection::vec(prop_oneof![2 => 0..2u8, 1 => any::<u8>()], 0..5000)) {
            let burst = Burst::packetize(&stream);
            let payloads: Vec<Bytes> = Burst::payloads(burst.as_bytes().clone()).collect();
            prop_assert_eq!(payloads.iter().map(|p| 2 + p.len()).sum::<usize>(), burst.as_bytes().len());
            let wanted: Vec<_> = nal_units(&stream).filter(|n| !n.is_dispensable()).map(|n| n.0.to_vec()).collect();
            prop_assert_eq!(depacketize(&payloads), Ok(wanted));
        }

        #[test]
        fn any_blob_has_an_end(blob: Vec<u8>) {
            let len = blob.len();
            prop_assert!(Burst::payloads(blob.into()).map(|p| 2 + p.len()).sum::<usize>() <= len);
        }
    }
}
