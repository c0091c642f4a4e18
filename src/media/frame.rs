//! One encoded picture.

use std::fmt;
use std::time::Instant;

use bytes::Bytes;

use super::units::MediaTime;

/// One access unit of H.264 in Annex B form (ITU-T H.264, 7.4.1.2.3 and annex B).
///
/// A key frame (`key`) is an IDR picture with its SPS and PPS in front, so that a decoder can start from it alone.
#[derive(Clone)]
pub struct Frame {
    /// When the picture was taken, on the capture clock.
    pub at: MediaTime,
    /// The same moment on the process's monotonic clock.
    pub captured: Instant,
    /// Whether a decoder can start here.
    pub key: bool,
    /// The access unit: four-byte start codes, no trailing zeros.
    pub data: Bytes,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("at", &self.at).field("key", &self.key).field("bytes", &self.data.len()).finish()
    }
}
