//! Stands in for hardware encoders where V4L2 was not built in: there are none.

use std::time::Instant;

use super::choose::Codec;
use super::picture::I420;
use crate::config::Profile;
use crate::media::access_unit::AccessUnit;
use crate::media::units::{Bitrate, FrameRate, MediaTime, Size};

/// A buffer that nobody has.
#[derive(Debug)]
pub enum Loan {}

/// Pictures that nobody has.
#[derive(Debug)]
pub enum Direct {}

/// Why there is no encoder.
#[derive(Debug, thiserror::Error)]
#[error("this Lunette was built without V4L2")]
pub struct M2mError;

/// What nobody gives.
#[allow(missing_docs, dead_code, reason = "see m2m.rs")]
#[derive(Debug)]
pub enum Output {
    Picture(AccessUnit, Instant),
    Damaged(String),
    Alive,
}

impl Direct {
    /// Never called.
    pub fn holds(&self, _bytes: usize) -> bool {
        match *self {}
    }
}

/// Never asked for.
pub fn is_news(_path: &std::path::Path, _size: Size, _text: &str) -> bool {
    true
}

/// What an encoder is wanted for.
#[allow(missing_docs, dead_code, reason = "see hardware.rs")]
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub size: Size,
    pub rate: FrameRate,
    pub bitrate: Bitrate,
    pub profile: Profile,
}

/// An encoder that nobody has.
#[derive(Debug)]
pub enum Hardware {}

#[allow(missing_docs, clippy::missing_errors_doc, reason = "see hardware.rs")]
impl Hardware {
    pub fn open(_codec: &Codec, wanted: Wanted, _direct: Option<&Direct>) -> Result<Self, M2mError> {
        let Wanted { size: _, rate: _, bitrate: _, profile: _ } = wanted;
        Err(M2mError)
    }

    pub fn lend(&mut self, _: Loan, _: &Direct, _: MediaTime, _: Instant) -> Result<(), M2mError> {
        match *self {}
    }

    pub fn encode(&mut self, _: &I420, _: MediaTime, _: Instant) -> Result<(), M2mError> {
        match *self {}
    }

    pub fn take(&mut self) -> Result<Option<Output>, M2mError> {
        match *self {}
    }

    pub fn returned(&mut self) -> Vec<Loan> {
        match *self {}
    }

    pub fn close(self) -> Vec<Loan> {
        match self {}
    }

    pub fn force_key(&mut self) -> Result<(), M2mError> {
        match *self {}
    }

    pub fn set_bitrate(&mut self, _: Bitrate) -> Result<(), M2mError> {
        match *self {}
    }
}
