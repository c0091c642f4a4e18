//! Pixels → the streams that are watched, each through an encoder of its own.

use std::time::Instant;

use super::lost::Lost;
use super::openh264::Encoder;
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
    rate: FrameRate,
    clock: Clock,
    /// When the picture was captured that the shrinker holds, and that is not yet encoded.
    small: Option<Instant>,
}

#[derive(Debug)]
struct Lane {
    watched: bool,
    bitrate: Bitrate,
    /// While it is watched, from its first picture on.
    encoder: Option<Encoder>,
}

impl Lanes {
    /// For pictures of this size and rate.
    pub fn new(size: Size, rate: FrameRate, video: &Video, demand: &Demand, clock: Clock) -> Self {
        let lane = |stream| Lane { watched: demand[stream].watched, bitrate: demand[stream].bitrate, encoder: None };
        let shrinker = video.low_size(size).map(Shrinker::new);
        Self { lanes: PerStream::from_fn(lane), shrinker, rate, clock, small: None }
    }

    /// The low stream's size, where there is one.
    pub fn low_size(&self) -> Option<Size> {
        self.shrinker.as_ref().map(Shrinker::size)
    }

    /// Encodes a picture for the main stream; the low stream's comes with the next [`Self::rest`], so that the main
    /// stream need not wait for it.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn encode(&mut self, picture: &I420, captured: Instant) -> Result<Step, Lost> {
        if let Some(shrinker) = self.shrinker.as_mut().filter(|_| self.lanes.low.watched) {
            shrinker.shrink(picture);
            self.small = Some(captured);
        }
        if !self.lanes.main.watched {
            return Ok(self.rest()?.unwrap_or(Step::Alive));
        }
        self.lanes.main.encode(StreamId::Main, picture, self.rate, captured, self.clock)
    }

    /// What is left to be encoded of the last picture.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn rest(&mut self) -> Result<Option<Step>, Lost> {
        let (Some(shrinker), Some(captured)) = (&self.shrinker, self.small.take()) else { return Ok(None) };
        self.lanes.low.encode(StreamId::Low, shrinker.picture(), self.rate, captured, self.clock).map(Some)
    }

    /// Begins or ends a stream. It begins with a key frame.
    pub fn watch(&mut self, stream: StreamId, watched: bool) {
        self.lanes[stream].watched = watched;
        self.lanes[stream].encoder = None;
    }

    /// Makes the next picture a key frame.
    pub fn force_key(&mut self, stream: StreamId) {
        if let Some(encoder) = &mut self.lanes[stream].encoder {
            encoder.force_key();
        }
    }

    /// Aims at another bitrate.
    ///
    /// # Errors
    /// When the encoder refuses it.
    pub fn set_bitrate(&mut self, stream: StreamId, bitrate: Bitrate) -> Result<(), Lost> {
        self.lanes[stream].bitrate = bitrate;
        if let Some(encoder) = &mut self.lanes[stream].encoder {
            encoder.set_bitrate(bitrate)?;
        }
        Ok(())
    }
}

impl Lane {
    fn encode(
        &mut self,
        stream: StreamId,
        picture: &I420,
        rate: FrameRate,
        captured: Instant,
        clock: Clock,
    ) -> Result<Step, Lost> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::open(rate, self.bitrate)?),
        };
        let coded = encoder.encode(picture, clock.at(captured))?;
        Ok(coded.map_or(Step::Alive, |unit| clock.frame(stream, unit, captured)))
    }
}
