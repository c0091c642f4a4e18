//! Stands in for GStreamer where it was not built in: nothing can be opened.

use super::lost::Lost;
use super::source::Described;
use super::step::{Clock, Step};
use crate::config::{self, Video};
use crate::hub::Demand;
use crate::media::stream::StreamId;
use crate::media::units::Bitrate;

const NOT_BUILT: &str = "this Lunette was built without GStreamer, which [camera.gst] needs";

/// A pipeline that nobody has.
#[derive(Debug)]
pub enum Gst {}

#[allow(missing_docs, clippy::missing_errors_doc)]
impl Gst {
    pub fn open(_config: &config::Gst, _video: &Video, _demand: &Demand, _clock: Clock) -> Result<Self, Lost> {
        Err(Lost::Gst(NOT_BUILT.to_owned()))
    }
    pub fn step(&mut self) -> Result<Step, Lost> {
        match *self {}
    }
    pub fn watch(&mut self, _stream: StreamId, _watched: bool) {
        match *self {}
    }
    pub fn force_key(&mut self, _stream: StreamId) -> Result<(), Lost> {
        match *self {}
    }
    pub fn set_bitrate(&mut self, _stream: StreamId, _bitrate: Bitrate) -> Result<(), Lost> {
        match *self {}
    }
    pub fn describe(&self) -> Described {
        match *self {}
    }
}

/// A mistake that only GStreamer sees.
#[derive(Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The part of the pipeline's text that is wrong, where that is known.
    pub near: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// Says that it cannot be looked at.
///
/// # Errors
/// None.
pub fn check(_config: &config::Gst, _video: &Video) -> Result<Vec<String>, Complaint> {
    Ok(vec![NOT_BUILT.to_owned()])
}

/// There is nothing to prepare.
pub fn prepare() -> bool {
    true
}

/// There is none.
pub fn version() -> Option<String> {
    None
}
