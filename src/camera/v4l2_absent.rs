//! Stands in for V4L2 capture where it was not built in: nothing can be opened.

use std::path::Path;

use super::choose::{Maker, RawFormat, Target};
use super::device::DeviceInfo;
use super::lanes::Lanes;
use super::lost::Lost;
use super::step::{Clock, Step};
use crate::config::Video;
use crate::hub::Demand;
use crate::media::stream::StreamId;
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

/// There are none.
pub fn inspect_encoder(_path: &Path) -> Option<DeviceInfo> {
    None
}

impl Raw {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn open(
        target: &Target,
        _format: RawFormat,
        _maker: &Maker,
        _video: &Video,
        _demand: &Demand,
        _clock: Clock,
    ) -> Result<Self, Lost> {
        Err(Lost::NotBuilt(target.path.clone()))
    }

    /// Never called.
    pub fn watch(&mut self, _stream: StreamId, _watched: bool) {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn force_key(&mut self, _stream: StreamId) -> Result<(), Lost> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn set_bitrate(&mut self, _stream: StreamId, _bitrate: Bitrate) -> Result<(), Lost> {
        match *self {}
    }

    /// Never called.
    pub fn lanes(&self) -> &Lanes {
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

    /// Never called.
    pub fn force_key(&mut self) {
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
