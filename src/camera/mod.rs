//! A picture source → encoded frames.

mod font;
#[cfg(feature = "openh264")]
pub mod openh264;
pub mod picture;
mod sys;
pub mod testcard;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::hub::{Demand, Publisher};

/// Starts the camera on a thread of its own, named `camera`. It ends when `stop` is cancelled.
///
/// # Errors
/// When the thread cannot be started. A camera that is absent or fails is not an error but a state, reported to `out`.
pub fn spawn(
    _camera: config::Camera,
    _video: config::Video,
    _demand: watch::Receiver<Demand>,
    _out: Publisher,
    _stop: CancellationToken,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    Err(std::io::Error::other("to be written"))
}
