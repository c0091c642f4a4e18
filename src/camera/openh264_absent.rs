//! Stands in for the software encoder where it was not built in: it cannot be opened.

use super::picture::I420;
use crate::media::access_unit::AccessUnit;
use crate::media::units::{Bitrate, FrameRate, MediaTime};

/// Why there is no encoded picture.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The feature `openh264` is off.
    #[error("this Lunette was built without the software encoder, so it needs a camera that gives H.264")]
    NotBuilt,
}

/// An encoder that nobody has.
#[derive(Debug)]
pub enum Encoder {}

impl Encoder {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn open(_rate: FrameRate, _bitrate: Bitrate) -> Result<Self, EncodeError> {
        Err(EncodeError::NotBuilt)
    }

    /// Never called.
    pub fn force_key(&mut self) {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn set_bitrate(&mut self, _bitrate: Bitrate) -> Result<(), EncodeError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn encode(&mut self, _picture: &I420, _at: MediaTime) -> Result<Option<AccessUnit>, EncodeError> {
        match *self {}
    }
}
