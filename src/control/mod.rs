//! How a command speaks with the daemon that runs: a socket in the state folder, one line of JSON there, one back.

pub mod client;
mod server;

use serde::{Deserialize, Serialize};

use crate::media::status::CameraState;
use crate::trust::{self, CameraId, Role, UnixSeconds, ViewerId};

pub use server::{Asked, Server};

/// The socket's name in the state folder.
pub const SOCKET: &str = "control.sock";
/// No request is longer, in bytes.
const MAX_REQUEST: usize = 4096;
/// No reply is longer, in bytes: 256 viewers with long names.
const MAX_REPLY: u64 = 1 << 20;

/// What a command asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub enum Ask {
    /// Opens a window for one viewer.
    Pair {
        /// The role that it gets; absent: owner as long as there is none, then view.
        role: Option<Role>,
    },
    /// Who is known.
    Viewers,
    /// Forgets a viewer.
    Revoke {
        /// Its id, or its label.
        viewer: String,
    },
    /// Forgets all viewers.
    Reset,
    /// How it is.
    Status,
}

/// What the daemon says to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "lowercase")]
pub enum Reply {
    /// To [`Ask::Pair`].
    Invitation(Invitation),
    /// To [`Ask::Viewers`].
    Viewers {
        /// All that are known.
        viewers: Vec<Known>,
    },
    /// It is done.
    Done {
        /// To whom, or what; for people.
        text: String,
    },
    /// To [`Ask::Status`].
    Status(Box<Status>),
    /// It is not done.
    Refused {
        /// Why, and the way out; for people.
        text: String,
    },
}

/// What makes a link.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The camera.
    pub camera: CameraId,
    /// Its name.
    pub name: String,
    /// Six words of its key.
    pub words: String,
    /// The role that whoever uses it gets.
    pub role: Role,
    /// The secret, base64url.
    pub secret: String,
    /// Where the page is, if the daemon knows.
    pub page: Option<String>,
    /// For so many minutes it is good.
    pub minutes: u64,
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitation").field("camera", &self.camera).finish_non_exhaustive()
    }
}

/// A viewer that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its id.
    pub viewer: ViewerId,
    /// Six words of its key.
    pub words: String,
    /// What it is called.
    pub label: String,
    /// What it may.
    pub role: Role,
    /// Since when it is known, Unix seconds; absent: the clock was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<UnixSeconds>,
    /// When it was last seen, Unix seconds; absent: the clock was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<UnixSeconds>,
    /// When its access ends, Unix seconds; absent: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixSeconds>,
    /// How many of its sessions run.
    pub watching: u16,
    /// Who invited it; absent: a link of the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ViewerId>,
}

impl Known {
    /// As it is kept; `watching`: how many of its sessions run.
    pub fn of(known: &trust::Known, watching: u16) -> Self {
        Self {
            viewer: known.id(),
            words: trust::words(&known.key),
            label: known.label.clone(),
            role: known.role,
            since: known.since,
            seen: known.seen,
            until: known.until,
            watching,
            by: known.by,
        }
    }
}

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The camera's id.
    pub camera: CameraId,
    /// Six words of its key.
    pub words: String,
    /// Its name.
    pub name: String,
    /// The daemon's version.
    pub version: String,
    /// The camera's state.
    pub state: CameraState,
    /// For people.
    pub text: String,
    /// Whether the broker is connected.
    pub broker: bool,
    /// How many viewers are known.
    pub viewers: usize,
    /// Whether somebody can be paired now, by a link of the board.
    pub pairing: bool,
    /// Who watches now.
    pub watching: Vec<Watcher>,
}

/// Somebody who watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watcher {
    /// Its id.
    pub viewer: ViewerId,
    /// What it is called.
    pub label: String,
    /// For so many seconds.
    pub seconds: u64,
    /// The way of the pictures: `direct`, `relay-udp` and so on; absent: there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
