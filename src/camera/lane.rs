//! One stream's way from pictures to H.264: through a hardware encoder while that works, else through software.

use std::collections::VecDeque;
use std::time::Instant;

use tracing::{debug, warn};

use super::choose::Codec;
use super::hardware::{self, Direct, Hardware, Loan, M2mError, Output, Wanted};
use super::lost::Lost;
use super::openh264;
use super::picture::I420;
use super::step::{Clock, Step};
use crate::media::stream::StreamId;
use crate::media::units::Bitrate;

/// What makes H.264 of pictures: a closed set.
#[derive(Debug)]
enum Encoder {
    Software(Box<openh264::Encoder>),
    Hardware(Box<Hardware>),
}

/// One stream's encoder, and what comes of it.
#[derive(Debug)]
pub struct Lane {
    stream: StreamId,
    /// Whether anybody watches; else nothing is encoded.
    pub watched: bool,
    wanted: Wanted,
    clock: Clock,
    /// The hardware encoder, until it is given up.
    codec: Option<Codec>,
    /// While it is watched, from its first picture on.
    encoder: Option<Encoder>,
    /// What is to be published.
    ready: VecDeque<Step>,
    /// The capture device's buffers that come back.
    back: Vec<Loan>,
}

impl Lane {
    /// For a stream that is wanted so.
    pub fn new(stream: StreamId, watched: bool, wanted: Wanted, clock: Clock) -> Self {
        let (ready, back) = (VecDeque::new(), Vec::new());
        Self { stream, watched, wanted, clock, codec: None, encoder: None, ready, back }
    }

    /// Has its pictures encoded by hardware, as long as that works.
    pub fn through(&mut self, codec: Codec) {
        self.codec = Some(codec);
    }

    /// Whether hardware encodes, or will when there are pictures.
    pub fn is_hardware(&self) -> bool {
        self.codec.is_some()
    }

    /// What encodes, for people.
    pub fn encoder(&self) -> String {
        self.codec.as_ref().map_or_else(|| "openh264".to_owned(), |codec| format!("{} (hardware)", codec.name))
    }

    /// The hardware encoder that runs.
    #[cfg(feature = "v4l2")]
    pub fn hardware(&self) -> Option<&Hardware> {
        match &self.encoder {
            Some(Encoder::Hardware(hardware)) => Some(hardware),
            Some(Encoder::Software(_)) | None => None,
        }
    }

    /// Encodes a picture.
    ///
    /// # Errors
    /// When there is no encoder, or it fails.
    pub fn encode(&mut self, picture: &I420, captured: Instant) -> Result<(), Lost> {
        let at = self.clock.at(captured);
        self.open(None)?;
        match &mut self.encoder {
            Some(Encoder::Hardware(hardware)) => {
                let done = hardware.encode(picture, at, captured);
                done.or_else(|error| self.give_up(&error))
            }
            Some(Encoder::Software(encoder)) => {
                let unit = encoder.encode(picture, at)?;
                let step = unit.map_or(Step::Alive, |unit| self.clock.frame(self.stream, unit, captured));
                self.ready.push_back(step);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Encodes a picture of the camera as it is; only where [`Self::is_hardware`].
    ///
    /// # Errors
    /// When there is no encoder, or it fails.
    pub fn lend(&mut self, loan: Loan, direct: &Direct, captured: Instant) -> Result<(), Lost> {
        self.open(Some(direct))?;
        match &mut self.encoder {
            Some(Encoder::Hardware(hardware)) => {
                let done = hardware.lend(loan, direct, self.clock.at(captured), captured);
                done.or_else(|error| self.give_up(&error))
            }
            Some(Encoder::Software(_)) | None => {
                self.back.push(loan);
                Ok(())
            }
        }
    }

    /// What is to be published next. `None`: nothing now.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn take(&mut self) -> Result<Option<Step>, Lost> {
        if let Some(step) = self.ready.pop_front() {
            return Ok(Some(step));
        }
        let Some(Encoder::Hardware(hardware)) = &mut self.encoder else { return Ok(None) };
        match hardware.take() {
            Ok(None) => Ok(None),
            Ok(Some(Output::Picture(unit, captured))) => Ok(Some(self.clock.frame(self.stream, unit, captured))),
            Ok(Some(Output::Damaged(why))) => Ok(Some(Step::Damaged(why))),
            Ok(Some(Output::Alive)) => Ok(Some(Step::Alive)),
            Err(error) => self.give_up(&error).map(|()| None),
        }
    }

    /// The capture device's buffers that come back.
    pub fn returned(&mut self) -> Vec<Loan> {
        let mut back = std::mem::take(&mut self.back);
        if let Some(Encoder::Hardware(hardware)) = &mut self.encoder {
            back.extend(hardware.returned());
        }
        back
    }

    /// Begins or ends. It begins with a key frame.
    pub fn watch(&mut self, watched: bool) {
        self.watched = watched;
        self.ready.clear();
        self.close();
    }

    /// Makes the next picture a key frame.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn force_key(&mut self) -> Result<(), Lost> {
        match &mut self.encoder {
            Some(Encoder::Software(encoder)) => encoder.force_key(),
            Some(Encoder::Hardware(hardware)) => return hardware.force_key().or_else(|error| self.give_up(&error)),
            None => {}
        }
        Ok(())
    }

    /// Aims at another bitrate.
    ///
    /// # Errors
    /// When the encoder refuses it, or fails.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), Lost> {
        self.wanted.bitrate = bitrate;
        match &mut self.encoder {
            Some(Encoder::Software(encoder)) => Ok(encoder.set_bitrate(bitrate)?),
            Some(Encoder::Hardware(hardware)) => hardware.set_bitrate(bitrate).or_else(|error| self.give_up(&error)),
            None => Ok(()),
        }
    }

    /// Opens an encoder, if none is open.
    fn open(&mut self, direct: Option<&Direct>) -> Result<(), Lost> {
        if self.encoder.is_some() {
            return Ok(());
        }
        if let Some(codec) = &self.codec {
            match Hardware::open(codec, self.wanted, direct) {
                Ok(hardware) => {
                    self.encoder = Some(Encoder::Hardware(Box::new(hardware)));
                    return Ok(());
                }
                Err(error) => self.give_up(&error)?,
            }
        }
        let Wanted { rate, bitrate, .. } = self.wanted;
        self.encoder = Some(Encoder::Software(Box::new(openh264::Encoder::open(rate, bitrate)?)));
        Ok(())
    }

    /// Does without the hardware encoder, until the camera is opened anew.
    fn give_up(&mut self, error: &M2mError) -> Result<(), Lost> {
        self.close();
        let Some(codec) = self.codec.take() else { return Ok(()) };
        if !codec.replaceable {
            // Said by whoever gets it. The next try, if there is one, has the same encoder and no other.
            let lost = Lost::Encoder { encoder: codec.label.clone(), why: error.to_string() };
            self.codec = Some(codec);
            return Err(lost);
        }
        let (label, stream) = (&codec.label, self.stream);
        let text = format!("{error}; openh264 encodes the {stream} stream until the camera is opened again");
        // The camera is opened whenever somebody begins to watch.
        if hardware::is_news(&codec.path, self.wanted.size, &text) {
            warn!("{label}: {text}")
        } else {
            debug!("{label}: {text}")
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(Encoder::Hardware(hardware)) = self.encoder.take() {
            self.back.extend(hardware.close());
        }
    }
}
