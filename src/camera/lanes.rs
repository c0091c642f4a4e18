//! Pixels → the streams that are watched, each through an encoder of its own.

use std::time::Instant;

use tracing::warn;

use super::choose::Codec;
use super::hardware::{Direct, Loan, Wanted};
use super::lane::Lane;
use super::lost::Lost;
use super::picture::I420;
use super::shrink::Shrinker;
use super::step::{Clock, Step};
use crate::config::Video;
use crate::hub::Demand;
use crate::media::stream::{PerStream, StreamId};
use crate::media::units::{Bitrate, FrameRate, Size};

/// The encoders of a source of pixels.
#[derive(Debug)]
pub struct Lanes {
    lanes: PerStream<Lane>,
    /// The low stream's pictures, where there is one.
    shrinker: Option<Shrinker>,
    /// The camera's pictures as they are, where the main stream's encoder takes them.
    direct: Option<Direct>,
    /// When the picture was captured that the shrinker holds, and that is not yet encoded.
    small: Option<Instant>,
}

impl Lanes {
    /// For pictures of this size and rate, encoded by software.
    pub fn new(size: Size, rate: FrameRate, video: &Video, demand: &Demand, clock: Clock) -> Self {
        let shrinker = video.low_size(size).map(Shrinker::new);
        let lane = |stream| {
            let size = if stream == StreamId::Main { size } else { shrinker.as_ref().map_or(size, Shrinker::size) };
            let wanted = Wanted { size, rate, bitrate: demand[stream].bitrate, profile: video.profile };
            Lane::new(stream, demand[stream].watched, wanted, clock)
        };
        Self { lanes: PerStream::from_fn(lane), shrinker, direct: None, small: None }
    }

    /// Has pictures encoded by hardware: those of the main stream as they are, where the encoder takes them; those of the
    /// low stream by a second context of it.
    pub fn through(&mut self, codec: &Codec, direct: Option<Direct>) {
        self.direct = direct;
        self.lanes.main.through(codec.clone());
        self.lanes.low.through(codec.clone());
    }

    /// The low stream's size, where there is one.
    pub fn low_size(&self) -> Option<Size> {
        self.shrinker.as_ref().map(Shrinker::size)
    }

    /// What encodes a stream, for people. `None`: there is no such stream.
    pub fn encoder(&self, stream: StreamId) -> Option<String> {
        (stream == StreamId::Main || self.shrinker.is_some()).then(|| self.lanes[stream].encoder())
    }

    /// Whether the main stream wants the camera's buffers as they are.
    pub fn takes_loans(&self) -> bool {
        self.lanes.main.watched && self.lanes.main.is_hardware() && self.direct.is_some()
    }

    /// Whether so many bytes can be a picture that is lent.
    pub fn fits_loan(&self, bytes: usize) -> bool {
        self.direct.as_ref().is_none_or(|direct| direct.holds(bytes))
    }

    /// Whether any stream wants pixels that were read.
    pub fn takes_pixels(&self) -> bool {
        let low = self.lanes.low.watched && self.shrinker.is_some();
        low || self.lanes.main.watched && !self.takes_loans()
    }

    /// Encodes a picture of the camera for the main stream, as it is; only where it [`takes_loans`](Self::takes_loans).
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn lend(&mut self, loan: Loan, captured: Instant) -> Result<(), Lost> {
        match &self.direct {
            Some(direct) => self.lanes.main.lend(loan, direct, captured),
            None => Ok(()),
        }
    }

    /// Buffers of the camera that come back.
    pub fn returned(&mut self) -> Vec<Loan> {
        self.lanes.main.returned()
    }

    /// Encodes a picture for all streams. The low stream's comes with the next [`Self::rest`], so that the main stream need
    /// not wait for it.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn encode(&mut self, picture: &I420, captured: Instant) -> Result<Step, Lost> {
        self.encode_unless(false, picture, captured)
    }

    /// The same, but not for the main stream when that was `lent` the picture as it is.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn encode_unless(&mut self, lent: bool, picture: &I420, captured: Instant) -> Result<Step, Lost> {
        if let Some(shrinker) = self.shrinker.as_mut().filter(|_| self.lanes.low.watched) {
            shrinker.shrink(picture);
            self.small = Some(captured);
        }
        if self.lanes.main.watched && !lent {
            self.lanes.main.encode(picture, captured)?;
            return Ok(self.lanes.main.take()?.unwrap_or(Step::Alive));
        }
        Ok(self.rest()?.unwrap_or(Step::Alive))
    }

    /// What is left to be encoded of the last picture, and what encoders are done with.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn rest(&mut self) -> Result<Option<Step>, Lost> {
        if let (Some(shrinker), Some(captured)) = (&self.shrinker, self.small.take()) {
            let done = self.lanes.low.encode(shrinker.picture(), captured).map(|()| None);
            if let Some(step) = self.without_low(done)? {
                return Ok(Some(step));
            }
        }
        match self.lanes.main.take()? {
            None => {
                let taken = self.lanes.low.take();
                self.without_low(taken)
            }
            some => Ok(some),
        }
    }

    /// A low stream that has no encoder is none; the main stream goes on.
    fn without_low(&mut self, done: Result<Option<Step>, Lost>) -> Result<Option<Step>, Lost> {
        match done {
            Err(lost @ Lost::Encoder { .. }) => {
                warn!("{lost}; there is no low stream until the camera is opened again");
                self.shrinker = None;
                self.lanes.low.watch(false);
                Ok(Some(Step::Changed))
            }
            done => done,
        }
    }

    /// The hardware encoders that run, for waiting.
    #[cfg(feature = "v4l2")]
    pub fn nodes(&self) -> impl Iterator<Item = &super::sys::Node> {
        let hardware = [&self.lanes.main, &self.lanes.low].into_iter().filter_map(Lane::hardware);
        hardware.filter_map(super::hardware::Hardware::node)
    }

    /// Begins or ends a stream. It begins with a key frame.
    pub fn watch(&mut self, stream: StreamId, watched: bool) {
        self.lanes[stream].watch(watched);
        if stream == StreamId::Low {
            self.small = None;
        }
    }

    /// Makes the next picture a key frame.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn force_key(&mut self, stream: StreamId) -> Result<(), Lost> {
        let done = self.lanes[stream].force_key();
        self.unless_low(stream, done)
    }

    /// What a low stream fails at is no loss of the camera: the next picture shows whether it has an encoder.
    fn unless_low(&mut self, stream: StreamId, done: Result<(), Lost>) -> Result<(), Lost> {
        match done {
            Err(Lost::Encoder { .. }) if stream == StreamId::Low => Ok(()),
            done => done,
        }
    }

    /// Aims at another bitrate.
    ///
    /// # Errors
    /// When the encoder refuses it.
    pub fn set_bitrate(&mut self, stream: StreamId, bitrate: Bitrate) -> Result<(), Lost> {
        let done = self.lanes[stream].set_bitrate(bitrate);
        self.unless_low(stream, done)
    }
}
