//! What a source gives, and the clock that it goes by.

use std::time::{Duration, Instant};

use crate::media::access_unit::AccessUnit;
use crate::media::frame::Frame;
use crate::media::sps::Sps;
use crate::media::stream::StreamId;
use crate::media::units::MediaTime;

/// The longest that a source waits, so that stopping and stalls are noticed.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// What came of waiting for a picture.
#[derive(Debug)]
pub enum Step {
    /// A picture of a stream, and its SPS where that is news.
    Picture(StreamId, Frame, Option<Sps>),
    /// The source is alive, but gave nothing to show.
    Alive,
    /// It gives other streams, or by other means, than it was described to.
    Changed,
    /// The source gave something broken.
    Damaged(String),
    /// Nothing came for [`PATIENCE`].
    Nothing,
}

/// One clock for all sources: [`MediaTime`] is the monotonic time since the camera's thread was started, so that it does
/// not jump when a source is opened anew.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The media time of a moment.
    pub fn at(self, moment: Instant) -> MediaTime {
        MediaTime::since_start(moment.saturating_duration_since(self.0))
    }

    /// A frame of what was captured at a moment.
    pub fn frame(self, stream: StreamId, unit: AccessUnit, captured: Instant) -> Step {
        let frame = Frame { at: self.at(captured), captured, key: unit.key, data: unit.data };
        Step::Picture(stream, frame, unit.sps)
    }
}
