//! Stands in for V4L2 capture where it was not built in: nothing can be opened.

use std::path::Path;

use super::choose::{RawFormat, Target};
use super::device::DeviceInfo;
use super::lost::Lost;
use super::openh264::EncodeError;
use super::step::{Clock, Step};
use crate::media::units::{Bitrate, FrameRate};

/// A device with raw pictures that nobody has.
#[derive(Debug)]
pub enum Raw {}

/// A device with H.264 that nobody has.
#[derive(Debug)]
pub enum Coded {}

/// Fails.
///
/// # Errors
/// Always.
pub fn inspect(path: &Path) -> Result<DeviceInfo, Lost> {
    Err(Lost::NotBuilt(path.to_owned()))
}

impl Raw {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn open(target: &Target, _format: RawFormat, _bitrate: Bitrate, _clock: Clock) -> Result<Self, Lost> {
        Err(Lost::NotBuilt(target.path.clone()))
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn set_bitrate(&mut self, _bitrate: Bitrate) -> Result<(), EncodeError> {
        match *self {}
    }
}

impl Coded {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn open(target: &Target, _bitrate: Bitrate, _clock: Clock) -> Result<Self, Lost> {
        Err(Lost::NotBuilt(target.path.clone()))
    }

    /// Never called.
    pub fn set_bitrate(&mut self, _bitrate: Bitrate) {
        match *self {}
    }
}

macro_rules! never_called {
    ($($name:ty),*) => {$(
        #[allow(missing_docs, clippy::missing_errors_doc)]
        impl $name {
            pub fn step(&mut self) -> Result<Step, Lost> {
                match *self {}
            }
            pub fn force_key(&mut self) {
                match *self {}
            }
            pub fn label(&self) -> &str {
                match *self {}
            }
            pub fn rate(&self) -> FrameRate {
                match *self {}
            }
        }
    )*};
}

never_called!(Raw, Coded);
