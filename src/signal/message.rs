//! The wire types of docs/signaling.md. Pure; both directions are held by golden files in tests/data/signal/.

mod response;

use serde::{Deserialize, Serialize};

use crate::trust::{SessionId, ViewerId};

pub use response::{
    About, CameraLine, EndReason, IceServer, Limits, Listed, Refusal, RefusedReason, Response, Status, Stream,
};

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
    /// Who is known?
    Viewers,
    /// Forget a viewer.
    Revoke {
        /// Which.
        viewer: ViewerId,
    },
    /// Call a viewer something else.
    Rename {
        /// Which.
        viewer: ViewerId,
        /// Its new name.
        label: String,
    },
}

impl Request {
    /// Whether it may come in an exchange that goes on. All others open one, since their answers are bound to them.
    pub fn goes_on(&self) -> bool {
        matches!(self, Self::Candidate { .. } | Self::Bye { .. })
    }
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

/// Reads a request; the envelope said whose it is.
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
    // serde takes an array for a struct, too.
    if message.trim_ascii_start().first() != Some(&b'{') {
        return Err(refusal("", None, RefusedReason::BadMessage, "This is not a JSON object.".into()));
    }
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
        "viewers" => Ok(Request::Viewers),
        "revoke" => {
            #[derive(Deserialize)]
            struct Body {
                viewer: ViewerId,
            }
            serde_json::from_slice::<Body>(message).map(|b| Request::Revoke { viewer: b.viewer }).map_err(bad)
        }
        "rename" => {
            #[derive(Deserialize)]
            struct Body {
                viewer: ViewerId,
                label: String,
            }
            let body: Body = serde_json::from_slice(message).map_err(bad)?;
            Ok(Request::Rename { viewer: body.viewer, label: body.label })
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
    pub fn to_json(&self) -> Vec<u8> {
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
            Self::Viewers => serde_json::json!({"type": "viewers"}),
            Self::Revoke { viewer } => serde_json::json!({"type": "revoke", "viewer": viewer}),
            Self::Rename { viewer, label } => serde_json::json!({"type": "rename", "viewer": viewer, "label": label}),
        };
        body["v"] = VERSION.into();
        body.to_string().into_bytes()
    }
}
