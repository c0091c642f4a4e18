//! A hardware encoder that is fed with a camera's pictures, and is started anew when it fails.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::choose::{Codec, RawFormat};
use super::ladder::{Ladder, Rung};
use super::m2m::{Colour, Feed, Layout, M2m, Settings};
pub use super::m2m::{M2mError, Output, is_news};
use super::picture::I420;
use super::sys::{Filled, Node};
use crate::config::Profile;
use crate::media::units::{Bitrate, FrameRate, MediaTime, Size};

/// Buffers that stay with the camera: one being filled, one ready, one to spare.
const SPARE: usize = 3;

/// A buffer of the capture device that is lent to an encoder.
pub type Loan = Filled;

/// A camera's pictures as they lie in its buffers, for an encoder that takes them as they are.
#[derive(Debug)]
pub struct Direct {
    /// How they lie there.
    pub layout: Layout,
    /// What their numbers mean.
    pub colour: Colour,
    /// The buffers' memory by their number, for other drivers. Empty when the capture device does not give it away.
    pub exports: Vec<OwnedFd>,
}

impl Direct {
    /// Whether so many bytes can hold a picture.
    pub fn holds(&self, bytes: usize) -> bool {
        bytes >= self.layout.bytes()
    }
}

/// What an encoder is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Width and height.
    pub size: Size,
    /// Pictures per second.
    pub rate: FrameRate,
    /// The target.
    pub bitrate: Bitrate,
    /// What may be used of H.264.
    pub profile: Profile,
}

/// An encoder that runs.
#[derive(Debug)]
pub struct Hardware {
    codec: Codec,
    settings: Settings,
    feed: Feed,
    buffers: u32,
    /// `None`: between two tries.
    m2m: Option<M2m>,
    ladder: Ladder,
    back: Vec<Filled>,
}

impl Hardware {
    /// Opens an encoder for a camera's pictures as they are, or for pictures that were converted.
    ///
    /// # Errors
    /// When it cannot be opened, or does not take such pictures.
    pub fn open(codec: &Codec, wanted: Wanted, direct: Option<&Direct>) -> Result<Self, M2mError> {
        let Wanted { size, rate, bitrate, profile } = wanted;
        let settings = Settings {
            size,
            rate,
            bitrate,
            profile,
            format: direct.map_or(written(codec), |direct| direct.layout.format),
            stride: direct.map_or(0, |direct| direct.layout.stride as u32),
            colour: direct.map_or(Colour::OURS, |direct| direct.colour),
        };
        let (codec, ladder, back) = (codec.clone(), Ladder::default(), Vec::new());
        let exports = direct.map_or(0, |direct| direct.exports.len() as u32);
        let mut hardware = Self { codec, settings, feed: Feed::Write, buffers: exports, m2m: None, ladder, back };
        if exports > 0 {
            hardware.feed = Feed::Import;
        }
        let m2m = hardware.start()?;
        // Memory that others fill must have the very layout that the encoder wants.
        let same = direct.is_some_and(|direct| direct.layout == *m2m.layout());
        let enough = m2m.buffers() >= exports as usize;
        hardware.m2m = Some(m2m);
        if hardware.feed == Feed::Import && !enough {
            hardware.write_instead("it has fewer buffers than the camera")?;
        } else if hardware.feed == Feed::Import && !same {
            let wants = hardware.m2m.as_ref().map_or(0, |m2m| m2m.layout().stride);
            let has = hardware.settings.stride;
            hardware.write_instead(&format!("its rows are {wants} bytes apart, the camera's {has}"))?;
        } else if hardware.feed == Feed::Import {
            hardware.say("reads the camera's memory; nothing is copied");
        } else if direct.is_some() {
            hardware.say("is given copies of pictures, since the camera's memory cannot be shared");
        } else {
            hardware.say("is given pictures that are converted");
        }
        Ok(hardware)
    }

    fn start(&self) -> Result<M2m, M2mError> {
        M2m::open(&self.codec, &self.settings, self.feed, self.buffers)
    }

    /// Goes on with copies.
    fn write_instead(&mut self, why: &str) -> Result<(), M2mError> {
        self.say(&format!("is given copies of pictures, since {why}"));
        self.feed = Feed::Write;
        self.close_m2m();
        self.m2m = Some(self.start()?);
        Ok(())
    }

    /// Says how pictures come to it, unless it was said before.
    fn say(&self, how: &str) {
        if is_news(&self.codec.path, self.settings.size, how) {
            info!("{} {how}", self.codec.label);
        }
    }

    fn close_m2m(&mut self) {
        if let Some(m2m) = self.m2m.take() {
            self.back.extend(m2m.close());
        }
    }

    /// For waiting.
    pub fn node(&self) -> Option<&Node> {
        self.m2m.as_ref().map(M2m::node)
    }

    /// Encodes a picture of the camera as it is. It is lent until [`Self::returned`] gives it back.
    ///
    /// # Errors
    /// When the encoder failed once too often.
    pub fn lend(&mut self, loan: Loan, direct: &Direct, at: MediaTime, captured: Instant) -> Result<(), M2mError> {
        let Some(m2m) = &mut self.m2m else {
            self.back.push(loan);
            return self.climb(M2mError::Stalled);
        };
        let stamp = Duration::from_nanos(at.0);
        let export = direct.exports.get(loan.buffer().index as usize).filter(|_| self.feed == Feed::Import);
        let Some(fd) = export else {
            let from = &direct.layout;
            let written = m2m.write(stamp, captured, |to, into| from.copy(loan.bytes(), to, into));
            self.back.push(loan);
            return written.map(|_| ()).or_else(|error| self.climb(error));
        };
        if m2m.lent() + SPARE >= direct.exports.len() {
            // It is behind, and the camera needs buffers to fill.
            self.back.push(loan);
            return Ok(());
        }
        match m2m.import(loan, fd.as_fd(), stamp, captured) {
            Ok(()) => Ok(()),
            Err(error) if error.is_gone() => self.climb(error),
            Err(error) => self.write_instead(&format!("it refuses the camera's memory ({error})")),
        }
    }

    /// Encodes a picture that was converted.
    ///
    /// # Errors
    /// When the encoder failed once too often.
    pub fn encode(&mut self, picture: &I420, at: MediaTime, captured: Instant) -> Result<(), M2mError> {
        let Some(m2m) = &mut self.m2m else { return self.climb(M2mError::Stalled) };
        let written = m2m.write(Duration::from_nanos(at.0), captured, |to, into| to.write(picture, into));
        written.map(|_| ()).or_else(|error| self.climb(error))
    }

    /// Takes what it is done with. `None`: nothing now.
    ///
    /// # Errors
    /// When the encoder failed once too often.
    pub fn take(&mut self) -> Result<Option<Output>, M2mError> {
        let Some(m2m) = &mut self.m2m else { return Ok(None) };
        match m2m.take() {
            Ok(Some(Output::Damaged(why))) => {
                self.force_key()?;
                Ok(Some(Output::Damaged(why)))
            }
            Ok(output) => Ok(output),
            Err(error) => self.climb(error).map(|()| None),
        }
    }

    /// Buffers of the capture device that it is done with.
    pub fn returned(&mut self) -> Vec<Loan> {
        let mut back = std::mem::take(&mut self.back);
        back.extend(self.m2m.iter_mut().flat_map(M2m::returned));
        back
    }

    /// Ends it. All loans come back.
    pub fn close(mut self) -> Vec<Loan> {
        self.close_m2m();
        self.back
    }

    /// Makes the next picture a key frame: by the control, else by a restart.
    ///
    /// # Errors
    /// When the encoder failed once too often.
    pub fn force_key(&mut self) -> Result<(), M2mError> {
        let Some(m2m) = &mut self.m2m else { return Ok(()) };
        if m2m.force_key() {
            return Ok(());
        }
        m2m.restart().or_else(|error| self.climb(error))
    }

    /// Aims at another bitrate.
    ///
    /// # Errors
    /// When the encoder failed once too often.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), M2mError> {
        self.settings.bitrate = bitrate;
        let set = self.m2m.as_mut().map_or(Ok(()), |m2m| m2m.set_bitrate(bitrate));
        set.or_else(|error| self.climb(error))
    }

    /// Does what helps against a fault: the encoder is started again, opened again, given up.
    fn climb(&mut self, error: M2mError) -> Result<(), M2mError> {
        let rung = self.ladder.fault(Instant::now(), error.is_gone() || self.m2m.is_none());
        let label = &self.codec.label;
        if rung == Rung::Restart {
            warn!("{label}: {error}; starting it again");
            let Some(m2m) = &mut self.m2m else { return Err(error) };
            return m2m.restart().or_else(|error| self.climb(error));
        }
        if rung == Rung::GiveUp {
            self.close_m2m();
            return Err(error);
        }
        warn!("{label}: {error}; opening it again");
        self.close_m2m();
        self.m2m = Some(self.start()?);
        Ok(())
    }
}

/// What pictures are converted to: the cheapest of what the encoder takes.
fn written(codec: &Codec) -> RawFormat {
    let takes = |format: &RawFormat| codec.info.takes.iter().any(|taken| taken.as_bytes() == format.fourcc());
    let [yu12, nv12, yuyv, _] = RawFormat::ALL;
    [yu12, nv12, yuyv].into_iter().find(takes).unwrap_or(codec.format)
}
