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

/// A request whose sender is known.
#[derive(Debug)]
pub struct Unsealed<'a> {
    /// Who sent it.
    pub from: ViewerId,
    /// What was sent: the JSON of docs/signaling.md.
    pub message: &'a [u8],
}

/// Why a request was dropped. Its sender is unknown, so nobody is told.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Longer than [`MAX_MESSAGE`].
    #[error("{0} bytes is more than the {MAX_MESSAGE} that a message may have")]
    TooLong(usize),
    /// Not a JSON object, or without a viewer id in `from`.
    #[error("no sender: {0}")]
    NoSender(String),
}

/// Opens what came on the request topic. Cheap checks first.
///
/// # Errors
/// See [`OpenError`].
pub fn open(payload: &[u8]) -> Result<Unsealed<'_>, OpenError> {
    #[derive(serde::Deserialize)]
    struct Sender {
        from: ViewerId,
    }
    if payload.len() > MAX_MESSAGE {
        return Err(OpenError::TooLong(payload.len()));
    }
    let sender: Sender = serde_json::from_slice(payload).map_err(|e| OpenError::NoSender(e.to_string()))?;
    Ok(Unsealed { from: sender.from, message: payload })
}

/// Seals a response for its viewer.
pub fn seal(_to: &ViewerId, message: Vec<u8>) -> Vec<u8> {
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_is_read_before_anything_else() {
        let payload = br#"{"v":9,"from":"abcdefghijklmnopqrstuvwxyz","type":7}"#;
        assert_eq!(open(payload).map(|o| o.from.to_string()), Ok("abcdefghijklmnopqrstuvwxyz".to_owned()));
    }

    #[test]
    fn what_is_too_long_is_not_parsed() {
        let payload = vec![b' '; MAX_MESSAGE + 1];
        assert_eq!(open(&payload).map(|_| ()), Err(OpenError::TooLong(MAX_MESSAGE + 1)));
    }

    #[test]
    fn a_sender_that_is_no_id_is_refused() {
        for from in ["", "short", "abcdefghijklmnopqrstuvwxy+", "../../../../../../../status"] {
            let payload = format!(r#"{{"from":"{from}"}}"#);
            assert!(matches!(open(payload.as_bytes()), Err(OpenError::NoSender(_))), "{from}");
        }
    }
}
