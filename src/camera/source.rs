//! Where pictures come from: a closed set.

use std::time::{Instant, SystemTime};

use super::choose::Plan;
use super::lost::Lost;
use super::openh264::Encoder;
use super::pace::Pace;
use super::step::{Clock, PATIENCE, Step};
use super::testcard::Card;
use super::v4l2;
use crate::config::Video;
use crate::media::units::{Bitrate, FrameRate};

/// An open source.
#[derive(Debug)]
pub enum Source {
    /// The test card, through the software encoder.
    TestCard(Box<TestCard>),
    /// A device's raw pictures, through the software encoder.
    Raw(Box<v4l2::Raw>),
    /// A device's H.264, as it is.
    Coded(Box<v4l2::Coded>),
}

impl Source {
    /// Opens what was planned.
    ///
    /// # Errors
    /// When the device or the encoder cannot be set up.
    pub fn open(plan: &Plan, video: &Video, bitrate: Bitrate, clock: Clock) -> Result<Self, Lost> {
        match plan {
            Plan::TestCard => TestCard::open(video, bitrate, clock).map(|card| Self::TestCard(card.into())),
            Plan::Coded(target) => v4l2::Coded::open(target, bitrate, clock).map(|coded| Self::Coded(coded.into())),
            Plan::Raw(target, format) => {
                v4l2::Raw::open(target, *format, bitrate, clock).map(|raw| Self::Raw(raw.into()))
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
        }
    }

    /// Makes the next picture a key frame, where the source can.
    pub fn force_key(&mut self) {
        match self {
            Self::TestCard(card) => card.encoder.force_key(),
            Self::Raw(raw) => raw.force_key(),
            Self::Coded(coded) => coded.force_key(),
        }
    }

    /// Aims at another bitrate, where the source can.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), Lost> {
        match self {
            Self::TestCard(card) => card.encoder.set_bitrate(bitrate)?,
            Self::Raw(raw) => raw.set_bitrate(bitrate)?,
            Self::Coded(coded) => coded.set_bitrate(bitrate),
        }
        Ok(())
    }

    /// What gives the pictures, what encodes them, and how many there should be in a second.
    pub fn describe(&self) -> (String, &'static str, FrameRate) {
        match self {
            Self::TestCard(card) => ("test card".to_owned(), "openh264", card.rate),
            Self::Raw(raw) => (raw.label().to_owned(), "openh264", raw.rate()),
            Self::Coded(coded) => (coded.label().to_owned(), "camera", coded.rate()),
        }
    }
}

/// The test card, drawn on time and encoded.
#[derive(Debug)]
pub struct TestCard {
    card: Card,
    encoder: Encoder,
    pace: Pace,
    rate: FrameRate,
    clock: Clock,
    drawn: u64,
}

impl TestCard {
    fn open(video: &Video, bitrate: Bitrate, clock: Clock) -> Result<Self, Lost> {
        let encoder = Encoder::open(video.fps, bitrate)?;
        let card = Card::new(video.size, video.fps);
        Ok(Self { card, encoder, pace: Pace::new(Instant::now(), video.fps), rate: video.fps, clock, drawn: 0 })
    }

    fn step(&mut self) -> Result<Step, Lost> {
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
        let coded = self.encoder.encode(picture, self.clock.at(captured))?;
        Ok(coded.map_or(Step::Alive, |unit| self.clock.frame(unit, captured)))
    }
}
