//! What is known of an open source: what it gives, and whether it still does.

use std::time::{Duration, Instant};

use tracing::debug;

use super::lost::Lost;
use super::source::Source;
use crate::media::frame::Frame;
use crate::media::sps::Sps;
use crate::media::status::StreamInfo;

/// A source that was live and then gives nothing for so long is lost.
const STALL: Duration = Duration::from_secs(2);

/// The same before its first picture: some cameras need a second or two to wake up.
const FIRST_PICTURE: Duration = Duration::from_secs(5);

/// A source that gives pictures, but none that can be shown, is lost after so long. Some cameras have ten seconds from one
/// key frame to the next.
const NO_KEY_FRAME: Duration = Duration::from_secs(20);

/// A source that was live for so long works: when it is lost, it is tried again soon.
const PROVEN: Duration = Duration::from_secs(5);

/// What is known of an open source.
#[derive(Debug)]
pub struct Live {
    /// The stream.
    pub info: StreamInfo,
    opened: Instant,
    /// Since the first key frame.
    pub since: Option<Instant>,
    heard: Instant,
    shown: Instant,
    damage: Option<String>,
}

impl Live {
    /// Opened a moment ago.
    pub fn new(source: &Source) -> Self {
        let (source, encoder, rate) = source.describe();
        let info = StreamInfo { source, encoder: encoder.to_owned(), rate: Some(rate), ..StreamInfo::default() };
        let now = Instant::now();
        Self { info, opened: now, since: None, heard: now, shown: now, damage: None }
    }

    /// It gave a picture that can be shown, and its SPS where that is news.
    pub fn picture(&mut self, frame: &Frame, sps: Option<Sps>) {
        self.heard();
        self.shown = self.heard;
        if frame.key && self.since.is_none() {
            self.since = Some(self.heard);
            debug!("first picture {} ms after opening", self.opened.elapsed().as_millis());
        }
        if let Some(sps) = sps {
            self.info.profile = Some(sps.profile);
            self.info.size = Some(sps.size);
        }
    }

    /// It gave a sign of life.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
        self.damage = None;
    }

    /// Damaged pictures do not count as a sign of life.
    pub fn damage(&mut self, why: String) {
        self.damage = Some(why);
    }

    /// Whether it was live long enough to be called working.
    pub fn is_proven(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= PROVEN)
    }

    /// Whether it still does what it should.
    ///
    /// # Errors
    /// What it fails to do. `what` is its device.
    pub fn check(&self, what: &str) -> Result<(), Lost> {
        if self.shown.elapsed() >= NO_KEY_FRAME && self.heard.elapsed() < STALL {
            return Err(Lost::NoKeyFrame { path: what.into(), seconds: NO_KEY_FRAME.as_secs() });
        }
        let limit = if self.since.is_some() { STALL } else { FIRST_PICTURE };
        if self.heard.elapsed() < limit {
            return Ok(());
        }
        let (path, seconds) = (what.into(), limit.as_secs());
        Err(match &self.damage {
            Some(why) => Lost::Damaged { path, seconds, why: why.clone() },
            None => Lost::Stalled { path, seconds },
        })
    }
}
