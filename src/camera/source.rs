//! Where pictures come from: a closed set.

use std::time::{Instant, SystemTime};

use super::choose::Plan;
use super::gst::Gst;
use super::lanes::Lanes;
use super::lost::Lost;
use super::pace::Pace;
use super::step::{Clock, PATIENCE, Step};
use super::testcard::Card;
use super::v4l2;
use crate::config::Video;
use crate::hub::Demand;
use crate::media::stream::{PerStream, StreamId};
use crate::media::units::{Bitrate, FrameRate, Size};

/// An open source.
#[derive(Debug)]
pub enum Source {
    /// The test card, through an encoder.
    TestCard(Box<TestCard>),
    /// A device's raw pictures, through an encoder.
    Raw(Box<v4l2::Raw>),
    /// A device's H.264, as it is.
    Coded(Box<v4l2::Coded>),
    /// A GStreamer pipeline, whatever it gives.
    Gst(Box<Gst>),
}

/// What an open source gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// What gives the pictures, for people.
    pub source: String,
    /// What encodes a stream, for people. `None`: there is no such stream.
    pub encoders: PerStream<Option<String>>,
    /// The low stream's size, where it is known.
    pub low_size: Option<Size>,
    /// How many pictures there should be in a second.
    pub rate: FrameRate,
}

impl Source {
    /// Opens what was planned.
    ///
    /// # Errors
    /// When the device or the encoder cannot be set up.
    pub fn open(plan: &Plan, video: &Video, demand: &Demand, clock: Clock) -> Result<Self, Lost> {
        match plan {
            Plan::TestCard => Ok(Self::TestCard(TestCard::open(video, demand, clock).into())),
            Plan::Coded(target) => {
                v4l2::Coded::open(target, demand.main.bitrate, clock).map(|coded| Self::Coded(coded.into()))
            }
            Plan::Gst(gst) => Gst::open(gst, video, demand, clock).map(|gst| Self::Gst(gst.into())),
            Plan::Raw(target, format, maker) => {
                v4l2::Raw::open(target, *format, maker, video, demand, clock).map(|raw| Self::Raw(raw.into()))
            }
        }
    }

    /// Waits for the next picture, at most for [`PATIENCE`].
    ///
    /// # Errors
    /// When the source is lost; it must be opened anew.
    pub fn step(&mut self) -> Result<Step, Lost> {
        match self {
            Self::TestCard(card) => card.step(),
            Self::Raw(raw) => raw.step(),
            Self::Coded(coded) => coded.step(),
            Self::Gst(gst) => gst.step(),
        }
    }

    /// Begins or ends a stream. One that begins does so with a key frame. A source that gives H.264 has but one, which
    /// flows as long as it is open.
    pub fn watch(&mut self, stream: StreamId, watched: bool) {
        match self {
            Self::TestCard(card) => card.lanes.watch(stream, watched),
            Self::Raw(raw) => raw.watch(stream, watched),
            Self::Gst(gst) => gst.watch(stream, watched),
            Self::Coded(coded) if stream == StreamId::Main && watched => coded.force_key(),
            Self::Coded(_) => {}
        }
    }

    /// Makes a stream's next picture a key frame, where the source can.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn force_key(&mut self, stream: StreamId) -> Result<(), Lost> {
        match self {
            Self::TestCard(card) => card.lanes.force_key(stream)?,
            Self::Raw(raw) => raw.force_key(stream)?,
            Self::Gst(gst) => gst.force_key(stream)?,
            Self::Coded(coded) if stream == StreamId::Main => coded.force_key(),
            Self::Coded(_) => {}
        }
        Ok(())
    }

    /// Aims at another bitrate, where the source can.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn set_bitrate(&mut self, stream: StreamId, bitrate: Bitrate) -> Result<(), Lost> {
        match self {
            Self::TestCard(card) => card.lanes.set_bitrate(stream, bitrate)?,
            Self::Raw(raw) => raw.set_bitrate(stream, bitrate)?,
            Self::Gst(gst) => gst.set_bitrate(stream, bitrate)?,
            Self::Coded(coded) if stream == StreamId::Main => coded.set_bitrate(bitrate),
            Self::Coded(_) => {}
        }
        Ok(())
    }

    /// What it gives.
    pub fn describe(&self) -> Described {
        match self {
            Self::TestCard(card) => encoded("test card".to_owned(), &card.lanes, card.rate),
            Self::Raw(raw) => encoded(raw.label().to_owned(), raw.lanes(), raw.rate()),
            Self::Gst(gst) => gst.describe(),
            Self::Coded(coded) => Described {
                source: coded.label().to_owned(),
                encoders: PerStream { main: Some("camera".to_owned()), low: None },
                low_size: None,
                rate: coded.rate(),
            },
        }
    }
}

/// What is given by pixels that we encode.
pub(super) fn encoded(source: String, lanes: &Lanes, rate: FrameRate) -> Described {
    let encoders = PerStream::from_fn(|stream| lanes.encoder(stream));
    Described { source, encoders, low_size: lanes.low_size(), rate }
}

/// The test card, drawn on time and encoded.
#[derive(Debug)]
pub struct TestCard {
    card: Card,
    lanes: Lanes,
    pace: Pace,
    rate: FrameRate,
    drawn: u64,
}

impl TestCard {
    fn open(video: &Video, demand: &Demand, clock: Clock) -> Self {
        let lanes = Lanes::new(video.size, video.fps, video, demand, clock);
        let pace = Pace::new(Instant::now(), video.fps);
        Self { card: Card::new(video.size, video.fps), lanes, pace, rate: video.fps, drawn: 0 }
    }

    fn step(&mut self) -> Result<Step, Lost> {
        if let Some(step) = self.lanes.rest()? {
            return Ok(step);
        }
        let wait = self.pace.wait(Instant::now());
        std::thread::sleep(wait.min(PATIENCE));
        if wait > PATIENCE {
            return Ok(Step::Nothing);
        }
        let (captured, wall) = (Instant::now(), SystemTime::now());
        self.pace.take(captured);
        let wall = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let picture = self.card.render(wall, self.drawn);
        self.drawn += 1;
        self.lanes.encode(picture, captured)
    }
}
