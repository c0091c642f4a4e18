//! Who is who, and what is between them: everything in docs/sealing.md. Pure: nothing is read or written here but
//! random bits, and time is an argument.
//!
//! The camera's side is [`Door`] on the way in, [`Exchange`] and [`Broadcast`] on the way out, and [`Roll`], which
//! says who is known. The viewer's side, for tests and benches, is [`watcher`].

pub mod act;
pub mod binding;
pub mod broadcast;
pub mod challenge;
mod cipher;
pub mod clock;
pub mod door;
pub mod envelope;
pub mod exchange;
pub mod grant;
pub mod id;
pub mod key;
pub mod known;
pub mod operational;
#[cfg(test)]
mod properties_tests;
mod replay;
pub mod role;
pub mod roll;
pub mod secret;
#[cfg(test)]
mod vectors;
pub mod watcher;
pub mod window;
pub mod words;

pub use act::{Act, ActRefused, Actor};
pub use binding::{Binding, Fingerprint, Side};
pub use broadcast::{Broadcast, BroadcastKey};
pub use challenge::{Challenge, Pinned};
pub use clock::UnixSeconds;
pub use door::{Door, Opened, Turned};
pub use envelope::{MAX_MESSAGE, MAX_PLAIN, Reason, SealError};
pub use exchange::Exchange;
pub use grant::Grant;
pub use id::{BootId, CameraId, SessionId, ViewerId};
pub use key::{IdentityKey, KeyError, Point, SigningKey};
pub use known::Known;
pub use operational::Operational;
pub use role::Role;
pub use roll::{Asking, How, PairRefused, Paired, Roll, RollError};
pub use secret::Secret;
pub use words::words;
