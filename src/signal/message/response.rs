//! What a camera says.

use serde::{Deserialize, Serialize};

use super::{Candidate, VERSION, is_first};
use crate::media::status::CameraState;
use crate::trust::{BootId, Role, SessionId, UnixSeconds, ViewerId};

/// What a camera says. `v` is added by [`Response::to_json`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Response {
    /// To everyone who is known, retained.
    Status(Status),
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
        /// The camera's name, for people.
        name: String,
        /// What this viewer may.
        role: Role,
        /// What it is called in lists.
        label: String,
        /// What `status` is sealed under, base64url.
        key: String,
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
    /// To a request to be paired.
    Paired {
        /// What the viewer may.
        role: Role,
        /// What it is called in lists.
        label: String,
        /// The camera's name, for people.
        name: String,
    },
    /// To `viewers`.
    Viewers {
        /// Those who are known, the first that were paired first.
        viewers: Vec<Listed>,
        /// So many more there are; absent: none.
        #[serde(skip_serializing_if = "Option::is_none")]
        more: Option<usize>,
    },
    /// To `revoke` and `rename`.
    Done {
        /// The type of what is done.
        re: String,
    },
    /// A request is not granted.
    Refused(Refusal),
}

/// A viewer in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Its id.
    pub viewer: ViewerId,
    /// Six words of its key.
    pub words: String,
    /// What it is called.
    pub label: String,
    /// What it may.
    pub role: Role,
    /// Since when it is known, Unix seconds; absent: the camera did not know the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<UnixSeconds>,
    /// When it was last seen, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<UnixSeconds>,
    /// When its access ends, Unix seconds; absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixSeconds>,
    /// How many of its sessions run.
    pub watching: u16,
    /// Who invited it; absent: a link of the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<ViewerId>,
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
    /// The viewer was revoked.
    Revoked,
    /// The viewer's access has an end, and that has come.
    Expired,
    /// The viewer did not show that it is at the other end of the connection.
    Binding,
}

/// Why a request is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedReason {
    /// The viewer cap is reached, or as many viewers are known as can be.
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
    /// The viewer's role is too low.
    NotAllowed,
    /// No viewer of this id is known.
    UnknownViewer,
    /// No window for pairing is open.
    PairingClosed,
    /// The link was used, by another viewer.
    PairingUsed,
    /// The secret is another.
    PairingWrong,
    /// Not signed by somebody who may, altered, for another camera, or a role that may not be given.
    GrantInvalid,
    /// Too late.
    GrantExpired,
    /// The camera does not know what time it is.
    Clock,
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
