//! A picture source → encoded frames, on a thread of its own.
//!
//! Sources are the closed set of [`source::Source`]: the test card, a V4L2 device whose raw pictures go through the
//! software encoder, a V4L2 device that gives H.264 itself. Which one, [`choose`] decides. While nobody watches, the
//! device is closed and nothing is encoded. A source that fails is opened again and again; see [`worker`].
//!
//! Nothing outside of this module sees a pixel.

#[cfg(feature = "v4l2")]
#[allow(missing_docs)]
mod abi;
#[cfg(feature = "v4l2")]
mod capture;
pub mod choose;
#[cfg(feature = "v4l2")]
mod coded;
pub mod convert;
pub mod device;
mod font;
#[cfg_attr(not(feature = "gst"), path = "gst_absent.rs")]
pub mod gst;
#[cfg_attr(not(feature = "v4l2"), path = "hardware_absent.rs")]
mod hardware;
#[cfg(feature = "v4l2")]
mod inspect;
#[cfg(feature = "v4l2")]
mod keys;
#[cfg(feature = "v4l2")]
mod ladder;
mod lane;
mod lanes;
mod live;
pub mod lost;
#[cfg(feature = "v4l2")]
mod m2m;
#[cfg_attr(not(feature = "openh264"), path = "openh264_absent.rs")]
pub mod openh264;
mod pace;
pub mod picture;
pub mod probe;
#[cfg(feature = "v4l2")]
mod raw;
mod retry;
pub mod shrink;
pub mod source;
pub mod steer;
pub mod step;
#[cfg(any(feature = "v4l2", feature = "openh264", feature = "gst"))]
mod sys;
pub mod testcard;
pub mod uvc;
#[cfg(feature = "v4l2")]
mod uvc_unit;
#[cfg_attr(not(feature = "v4l2"), path = "v4l2_absent.rs")]
pub mod v4l2;
pub mod worker;

pub use probe::{list, probe_table};

use std::io;
use std::thread::JoinHandle;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::hub::{Demand, Publisher};

/// Starts the camera on a thread of its own, named `camera`. It ends when `stop` is cancelled.
///
/// # Errors
/// When the thread cannot be started. A camera that is absent or fails is not an error but a state, reported to `out`.
pub fn spawn(
    camera: config::Camera,
    video: config::Video,
    demand: watch::Receiver<Demand>,
    out: Publisher,
    stop: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let worker = worker::Worker::new(camera, video, demand, out, stop)?;
    std::thread::Builder::new().name("camera".into()).spawn(move || worker.run())
}
