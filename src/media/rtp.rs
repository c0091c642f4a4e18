//! An access unit → RTP payloads (RFC 6184, packetization mode 1), made once for all viewers.

use bytes::Bytes;

/// The RTP payloads of one access unit, in order, in one allocation: for each its length (two bytes, big-endian), then
/// its bytes. The packet with the last of them has the marker bit.
#[derive(Clone, Debug)]
pub struct Burst(Bytes);

impl Burst {
    /// Largest payload: 1200 bytes of UDP payload less RTP header, extensions, SRTP tag, RTX and TURN framing.
    pub const MAX_PAYLOAD: usize = 1140;

    /// Packetizes an access unit in Annex B form.
    pub fn packetize(_access_unit: &[u8]) -> Self {
        Self(Bytes::new())
    }

    /// The wire form, to travel through one `write_rtp`.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The payloads, each a slice of the same allocation.
    pub fn payloads(_blob: Bytes) -> impl Iterator<Item = Bytes> {
        std::iter::empty()
    }
}
