//! What is known of an open source: what it gives, and whether it still does.

use std::time::{Duration, Instant};

use tracing::debug;

use super::lost::Lost;
use super::source::{Described, Source};
use crate::hub::Demand;
use crate::media::frame::Frame;
use crate::media::sps::Sps;
use crate::media::status::StreamInfo;
use crate::media::stream::{PerStream, StreamId};

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
    /// What is known of each stream that there is.
    pub info: PerStream<Option<StreamInfo>>,
    opened: Instant,
    /// Since each stream's first key frame.
    pub since: PerStream<Option<Instant>>,
    heard: Instant,
    shown: Instant,
    damage: Option<String>,
}

impl Live {
    /// Opened a moment ago.
    pub fn new(source: &Source) -> Self {
        let now = Instant::now();
        let (info, since) = (PerStream::default(), PerStream::default());
        let mut live = Self { info, opened: now, since, heard: now, shown: now, damage: None };
        live.describe(source);
        live
    }

    /// Notes what the source gives. Some know it only with their first picture.
    pub fn describe(&mut self, source: &Source) {
        let Described { source, encoders, low_size, rate } = source.describe();
        let PerStream { main, low } = std::mem::take(&mut self.info);
        let info = |encoder, seen: Option<StreamInfo>| {
            let StreamInfo { profile, size, .. } = seen.unwrap_or_default();
            StreamInfo { source: source.clone(), encoder, profile, size, rate: Some(rate) }
        };
        self.info.main = encoders.main.map(|encoder| info(encoder, main));
        let low = encoders.low.map(|encoder| info(encoder, low));
        self.info.low = low.map(|low| StreamInfo { size: low.size.or(low_size), ..low });
    }

    /// What can be done of these wishes. Who wants a low stream that there is not has to be told so, and the camera is known
    /// not to have it once it is live: then the main stream is made.
    pub fn possible(&self, mut demand: Demand) -> Demand {
        demand.main.watched |= demand.low.watched && self.info.low.is_none();
        demand
    }

    /// It gave a picture that can be shown, and its SPS where that is news.
    pub fn picture(&mut self, stream: StreamId, frame: &Frame, sps: Option<Sps>) {
        self.heard();
        self.shown = self.heard;
        self.damage = None;
        if frame.key && self.since[stream].is_none() {
            self.since[stream] = Some(self.heard);
            debug!("first picture of {stream} {} ms after opening", self.opened.elapsed().as_millis());
        }
        if let (Some(sps), Some(info)) = (sps, &mut self.info[stream]) {
            info.profile = Some(sps.profile);
            info.size = Some(sps.size);
        }
    }

    /// It gave a sign of life.
    pub fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Damaged pictures do not count as a sign of life.
    pub fn damage(&mut self, why: String) {
        self.damage = Some(why);
    }

    /// Whether it was live long enough to be called working.
    pub fn is_proven(&self) -> bool {
        self.first_picture().is_some_and(|since| since.elapsed() >= PROVEN)
    }

    /// Since when any stream can be shown.
    fn first_picture(&self) -> Option<Instant> {
        self.since.main.into_iter().chain(self.since.low).min()
    }

    /// Whether it still does what it should.
    ///
    /// # Errors
    /// What it fails to do. `what` is its device.
    pub fn check(&self, what: &str) -> Result<(), Lost> {
        if self.shown.elapsed() >= NO_KEY_FRAME && self.heard.elapsed() < STALL {
            let (path, seconds) = (what.into(), NO_KEY_FRAME.as_secs());
            return Err(match &self.damage {
                Some(why) => Lost::Damaged { path, seconds, why: why.clone() },
                None => Lost::NoKeyFrame { path, seconds },
            });
        }
        let limit = if self.first_picture().is_some() { STALL } else { FIRST_PICTURE };
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
