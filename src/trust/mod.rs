//! Who is who. Pure, and the one seam through which every request and response passes: [`open`] on the way in,
//! [`seal`] on the way out. Messages travel in the clear for now; the seam is where sealing goes.

pub mod id;

pub use id::{BootId, CameraId, SessionId, ViewerId};

/// Largest message that is looked at, in bytes.
pub const MAX_MESSAGE: usize = 16_384;

/// A request whose sender is known.
#[derive(Debug)]
pub struct Opened<'a> {
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
pub fn open(payload: &[u8]) -> Result<Opened<'_>, OpenError> {
    #[derive(serde::Deserialize)]
    struct Sender {
        from: ViewerId,
    }
    if payload.len() > MAX_MESSAGE {
        return Err(OpenError::TooLong(payload.len()));
    }
    let sender: Sender = serde_json::from_slice(payload).map_err(|e| OpenError::NoSender(e.to_string()))?;
    Ok(Opened { from: sender.from, message: payload })
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
