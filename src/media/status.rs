//! What a camera says about itself.

use super::h264::ProfileLevelId;
use super::stream::StreamId;
use super::units::{FrameRate, Size};

/// How the camera is. Its words are those of `status.camera.state` in docs/signaling.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// Nobody watches; believed to be ready.
    #[default]
    Idle,
    /// Opened, no picture yet.
    Starting,
    /// Pictures flow.
    Live,
    /// Gone or silent; tried again with backoff.
    Lost,
}

/// What the stream is, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamInfo {
    /// What gives the pictures, for people: `test card`, `/dev/video0 (vivid)`.
    pub source: String,
    /// What makes H.264 of them, for people: `openh264`, or `camera` when it comes encoded.
    pub encoder: String,
    /// From the stream's SPS.
    pub profile: Option<ProfileLevelId>,
    /// From the stream's SPS, after cropping.
    pub size: Option<Size>,
    /// As negotiated with the device.
    pub rate: Option<FrameRate>,
}

/// The camera's state with its reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CameraStatus {
    /// The state.
    pub state: CameraState,
    /// One line for people: what is shown, or why it was lost.
    pub text: String,
    /// The main stream.
    pub stream: StreamInfo,
    /// The low stream, where the camera is known to have one.
    pub low: Option<StreamInfo>,
}

impl CameraStatus {
    /// What is known of a stream; `None`: the camera is not known to have it.
    pub fn of(&self, stream: StreamId) -> Option<&StreamInfo> {
        match stream {
            StreamId::Main => Some(&self.stream),
            StreamId::Low => self.low.as_ref(),
        }
    }
}
