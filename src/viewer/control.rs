//! The messages of the `control` data channel (docs/signaling.md). Pure.

use serde::{Deserialize, Serialize};

use super::rtc::Path;
use crate::media::status::CameraState;
use crate::media::stream::StreamId;

/// The data channel's label.
pub const LABEL: &str = "control";
/// Longest message that is read, in bytes.
pub const MAX_MESSAGE: usize = 4096;

/// From a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FromViewer {
    /// What time is it, and how far am I?
    Ping {
        /// Chosen by the viewer.
        id: u64,
        /// The viewer's clock, ms.
        t: f64,
    },
    /// Asks for a key frame.
    Key,
    /// Asks for another of the camera's streams.
    Stream {
        /// See [`StreamId`].
        id: StreamName,
    },
    /// Ends the session.
    Bye,
}

/// To a viewer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ToViewer {
    /// To a ping.
    Pong {
        /// As in the ping.
        id: u64,
        /// As in the ping.
        t: f64,
        /// The camera's wall clock, Unix ms.
        wall: f64,
    },
    /// How the camera is.
    Camera {
        /// For programs.
        state: CameraState,
        /// For people.
        text: String,
    },
    /// Which stream is sent from now on.
    Stream {
        /// Its name.
        id: StreamName,
        /// Why it is another than was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// The camera needs other ways to the viewer: please offer an ICE restart.
    Restart {
        /// Why; for people.
        text: String,
    },
    /// That it is the camera who has this connection (docs/sealing.md).
    Bind {
        /// base64url.
        mac: String,
    },
    /// What the viewer gets, once a second.
    Stats(Box<Stats>),
}

/// A stream by its name in JSON; an unknown one makes the message one of no use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct StreamName(pub StreamId);

impl TryFrom<String> for StreamName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        StreamId::of(&name).map(Self).ok_or("no such stream")
    }
}

impl From<StreamName> for &'static str {
    fn from(StreamName(stream): StreamName) -> Self {
        stream.as_str()
    }
}

/// What a viewer gets, and what ties its pictures to the camera's clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// RTP timestamp of a recent picture.
    pub rtp: u32,
    /// When that picture was captured: the camera's wall clock, Unix ms.
    pub wall: f64,
    /// Pictures sent in the last second.
    pub fps: f64,
    /// Payload sent in the last second, kbit/s.
    pub kbps: u32,
    /// Pictures that this viewer did not get, since the start.
    pub dropped: u64,
    /// How many watch.
    pub viewers: usize,
    /// Which stream is sent.
    pub stream: StreamName,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// `profile-level-id` of the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What makes H.264.
    pub encoder: String,
    /// What gives the pictures.
    pub source: String,
    /// Which way they go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    /// A sentence worth showing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the viewer's network is believed to take, kbit/s; absent until the viewer reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<u32>,
    /// How long packets wait on the way, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// The part of the packets that did not come, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Why the viewer gets less than it could, for people: the low stream, key frames only, pictures left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// Reads a viewer's message; `None` for junk, which is ignored: an unknown type may come from a newer page.
pub fn parse(text: &[u8]) -> Option<FromViewer> {
    (text.len() <= MAX_MESSAGE).then(|| serde_json::from_slice(text).ok()).flatten()
}

/// Reads the first message, by which a viewer shows that the connection is its own; `None`: it is something else.
pub fn parse_bind(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum First {
        Bind { mac: String },
    }
    let First::Bind { mac } = (text.len() <= MAX_MESSAGE).then(|| serde_json::from_slice(text).ok()).flatten()?;
    Some(mac)
}

impl ToViewer {
    /// The message as text.
    pub fn to_json(&self) -> String {
        // Plain structs of strings and numbers; a number that JSON cannot hold becomes null.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_the_docs() {
        assert_eq!(parse(br#"{"type":"ping","id":7,"t":1234.5}"#), Some(FromViewer::Ping { id: 7, t: 1234.5 }));
        assert_eq!(parse(br#"{"type":"key"}"#), Some(FromViewer::Key));
        assert_eq!(parse(br#"{"type":"bye","more":1}"#), Some(FromViewer::Bye));
        let low = StreamName(StreamId::Low);
        assert_eq!(parse(br#"{"type":"stream","id":"low"}"#), Some(FromViewer::Stream { id: low }));
        assert_eq!(parse(br#"{"type":"stream","id":"huge"}"#), None);
        assert_eq!(ToViewer::Stream { id: low, text: None }.to_json(), r#"{"type":"stream","id":"low"}"#);
        let pong = ToViewer::Pong { id: 7, t: 1234.5, wall: 1.5 };
        assert_eq!(pong.to_json(), r#"{"type":"pong","id":7,"t":1234.5,"wall":1.5}"#);
        let camera = ToViewer::Camera { state: CameraState::Lost, text: "unplugged".into() };
        assert_eq!(camera.to_json(), r#"{"type":"camera","state":"lost","text":"unplugged"}"#);
        let stats = ToViewer::Stats(Box::new(Stats { rtp: 1, width: Some(640), ..Stats::default() })).to_json();
        assert!(stats.starts_with(r#"{"type":"stats","rtp":1,"wall":0.0,"#), "{stats}");
        assert!(stats.contains(r#""width":640"#) && !stats.contains("note"), "{stats}");
    }

    #[test]
    fn junk_is_ignored() {
        let long = format!(r#"{{"type":"key","x":"{}"}}"#, "x".repeat(MAX_MESSAGE));
        for text in ["", "{", "7", r#"{"type":"open","path":"/etc/passwd"}"#, r#"{"type":"ping","id":-1,"t":0}"#, &long]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
