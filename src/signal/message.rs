//! The wire types of docs/signaling.md. Pure; both directions are held by golden files in tests/data/signal/.

use serde::{Deserialize, Serialize};

use crate::media::status::CameraState;
use crate::trust::{BootId, SessionId, ViewerId};

/// The protocol's version, `v` in every message.
pub const VERSION: u32 = 1;

/// What a viewer asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Tell me your ICE servers and limits.
    Hello,
    /// I want to watch.
    Offer(Offer),
    /// Here is a way to reach me; `None`: there are no more.
    Candidate {
        /// The attempt it belongs to.
        session: SessionId,
        /// The candidate.
        candidate: Option<Candidate>,
    },
    /// I am gone.
    Bye {
        /// The attempt that ends.
        session: SessionId,
    },
}

/// An offer to watch.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Offer {
    /// This attempt's name.
    pub session: SessionId,
    /// Which of the streams in `status`; `None`: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// 0: a new session. Above: the nth ICE restart of a running one (RFC 8839, section 4.4.1.1.1).
    #[serde(default, skip_serializing_if = "is_first")]
    pub restart: u32,
    /// The session description (RFC 8866, RFC 8829).
    pub sdp: String,
}

fn is_first(restart: &u32) -> bool {
    *restart == 0
}

/// `RTCIceCandidateInit` of the WebRTC API.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The candidate line (RFC 8839, section 5.1) without `a=`.
    pub candidate: String,
    /// Media section by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// Media section by number. Its name as the WebRTC API spells it.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "sdpMLineIndex")]
    pub sdp_mline_index: Option<u16>,
}

/// What a camera says. `v` is added by [`Response::to_json`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Response {
    /// To everyone, retained.
    Status(Status),
    /// To everyone: what happened.
    Event {
        /// Its name.
        event: EventName,
        /// For people.
        text: String,
    },
    /// To a `hello`.
    Welcome {
        /// This run of the daemon.
        boot: BootId,
        /// For the viewer's peer connection.
        ice: Vec<IceServer>,
        /// So many seconds the credentials in `ice` are good; absent: for good.
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl: Option<u64>,
        /// What is possible.
        limits: Limits,
    },
    /// Other credentials, or servers, while a session goes on.
    Ice {
        /// The attempt.
        session: SessionId,
        /// For the viewer's peer connection, in place of those before.
        ice: Vec<IceServer>,
        /// So many seconds the credentials are good; absent: for good.
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl: Option<u64>,
    },
    /// To an `offer`.
    Answer {
        /// The attempt.
        session: SessionId,
        /// As in the offer.
        #[serde(skip_serializing_if = "is_first")]
        restart: u32,
        /// The session description.
        sdp: String,
        /// A sentence worth showing.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A way to reach the camera; `None`: there are no more.
    Candidate {
        /// The attempt.
        session: SessionId,
        /// The candidate.
        candidate: Option<Candidate>,
    },
    /// The camera's side of a running session needs new ways: please offer an ICE restart.
    Restart {
        /// The session.
        session: SessionId,
        /// Why; for people.
        text: String,
    },
    /// A session is over.
    End {
        /// The attempt.
        session: SessionId,
        /// For programs.
        reason: EndReason,
        /// For people.
        text: String,
    },
    /// A request is not granted.
    Refused(Refusal),
}

/// The camera as everyone sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// False in the last will.
    pub online: bool,
    /// This run of the daemon.
    pub boot: BootId,
    /// The rest; absent in the last will.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
}

/// What an online camera says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// For people.
    pub name: String,
    /// The daemon's version.
    pub version: String,
    /// How the camera is.
    pub camera: CameraLine,
    /// What can be asked for.
    pub streams: Vec<Stream>,
}

/// The camera's state and its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraLine {
    /// For programs.
    pub state: CameraState,
    /// For people.
    pub text: String,
}

/// One stream of a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// Its name in an offer.
    pub id: String,
    /// `h264`.
    pub codec: String,
    /// `profile-level-id`, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Pixels, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Pictures per second, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
}

/// The names of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventName {
    /// The camera is gone or silent.
    CameraLost,
    /// It gives pictures again.
    CameraBack,
}

/// `RTCIceServer` of the WebRTC API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` URLs.
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// What is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// So many may watch at once.
    pub viewers: u16,
    /// So many do.
    pub watching: u16,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The daemon stops.
    Shutdown,
    /// A newer session of the same viewer took its place.
    Replaced,
    /// No sign of life from the viewer.
    Lost,
    /// The connection could not be made, or broke.
    Failed,
}

/// Why a request is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedReason {
    /// The viewer cap is reached.
    Full,
    /// The JSON does not say what its type needs.
    BadMessage,
    /// No such `type`.
    UnknownType,
    /// `v` is not [`VERSION`].
    Version,
    /// The offer has no video section that can be sent to.
    NoVideo,
    /// The offer has video, but no H.264.
    NoH264,
    /// The offer could not be parsed.
    BadSdp,
    /// No such stream.
    UnknownStream,
    /// Another offer came with this session.
    SessionInUse,
    /// There is no such session to restart; it has ended.
    NoSession,
    /// Too many offers from this viewer in a short time.
    TooMany,
    /// Our fault; the log says how.
    Internal,
}

/// A request that is not granted, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refusal {
    /// The type of the refused message, as it came, cut to 32 characters.
    pub re: String,
    /// Its session, when it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// For programs.
    pub reason: RefusedReason,
    /// For people.
    pub text: String,
}

impl Response {
    /// The message as it is published.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Versioned<'a> {
            v: u32,
            #[serde(flatten)]
            message: &'a Response,
        }
        // Plain structs of strings and numbers: there is nothing in them that cannot be JSON.
        serde_json::to_vec(&Versioned { v: VERSION, message: self }).unwrap_or_default()
    }
}

/// Reads a request whose sender is known.
///
/// # Errors
/// The refusal that the sender gets.
pub fn parse(message: &[u8]) -> Result<Request, Refusal> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        v: serde_json::Value,
        #[serde(default, rename = "type")]
        kind: serde_json::Value,
        #[serde(default)]
        session: serde_json::Value,
    }
    let refusal =
        |re: &str, session, reason, text: String| Refusal { re: re.chars().take(32).collect(), session, reason, text };
    let head: Head = serde_json::from_slice(message)
        .map_err(|e| refusal("", None, RefusedReason::BadMessage, format!("This is not a JSON object: {e}.")))?;
    let kind = head.kind.as_str().unwrap_or_default();
    let session = head.session.as_str().and_then(|s| s.parse().ok());
    if head.v != VERSION {
        let text = format!("This camera speaks version {VERSION} of the protocol, the message is of {}.", head.v);
        return Err(refusal(kind, session, RefusedReason::Version, text.chars().take(200).collect()));
    }
    let bad = |e: serde_json::Error| {
        // Without serde_json's "at line 1 column n": the message is one line, and its sender knows it.
        let what = e.to_string();
        let what = what.split(" at line ").next().unwrap_or_default().chars().take(200).collect::<String>();
        refusal(kind, session, RefusedReason::BadMessage, format!("The {kind} message is not right: {what}."))
    };
    match kind {
        "hello" => Ok(Request::Hello),
        "offer" => serde_json::from_slice(message).map(Request::Offer).map_err(bad),
        "candidate" => {
            #[derive(Deserialize)]
            struct Body {
                session: SessionId,
                // Must be there, even as null: its absence is a mistake, not an end of candidates.
                #[serde(deserialize_with = "Option::deserialize")]
                candidate: Option<Candidate>,
            }
            let body: Body = serde_json::from_slice(message).map_err(bad)?;
            Ok(Request::Candidate { session: body.session, candidate: body.candidate })
        }
        "bye" => {
            #[derive(Deserialize)]
            struct Body {
                session: SessionId,
            }
            serde_json::from_slice::<Body>(message).map(|b| Request::Bye { session: b.session }).map_err(bad)
        }
        other => {
            let text = format!("There is no message type {:?}.", other.chars().take(32).collect::<String>());
            Err(refusal(other, session, RefusedReason::UnknownType, text))
        }
    }
}

impl Request {
    /// The request as a viewer writes it; for viewers in Rust, tests and tools.
    pub fn to_json(&self, from: &ViewerId) -> Vec<u8> {
        let mut body = match self {
            Self::Hello => serde_json::json!({"type": "hello"}),
            Self::Offer(offer) => {
                let mut body = serde_json::to_value(offer).unwrap_or_default();
                body["type"] = "offer".into();
                body
            }
            Self::Candidate { session, candidate } => {
                serde_json::json!({"type": "candidate", "session": session, "candidate": candidate})
            }
            Self::Bye { session } => serde_json::json!({"type": "bye", "session": session}),
        };
        body["v"] = VERSION.into();
        body["from"] = from.as_str().into();
        body.to_string().into_bytes()
    }
}
