//! The camera's side of an exchange: opened by a request, answered under keys that only the two sides have.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::binding::Binding;
use super::cipher::{self, derive, sha256};
use super::envelope::{self, HEAD, Kind, NONCE, Reason, SealError, part};
use super::id::{CameraId, ViewerId};
use super::key::{DhKey, KeyError, Point, Purpose, Secret32};
use super::operational::Operational;

/// Bytes of the header of *more* and *next*.
pub(super) const NUMBERED: usize = 64;

/// The keys of one exchange, as both sides derive them.
pub(super) struct Keys {
    pub(super) response: Secret32,
    pub(super) binding: Binding,
}

impl Keys {
    /// `t`: SHA-256 over the request's envelope; `header`: that of *first*.
    pub(super) fn derive(z1: &Secret32, z2: &Secret32, t: &[u8; 32], header: &[u8]) -> Self {
        let salt = sha256(&[t, header]);
        let key = |info: &[u8]| derive(&[&**z1, &**z2], &salt, &[info]);
        Self { response: key(b"lunette/1 response key"), binding: Binding::new(key(b"lunette/1 binding key")) }
    }
}

/// The key that requests are encrypted under. `od`: the operational key for ECDH.
pub(super) fn request_key(z1: &Secret32, header: &[u8], od: &Point) -> Secret32 {
    derive(&[&**z1], &sha256(&[header, od.bytes()]), &[b"lunette/1 request key"])
}

/// The header of *first*.
pub(super) fn first_header(camera: &CameraId, viewer: &ViewerId, nonce: &[u8; NONCE], ec: &Point) -> Vec<u8> {
    [&envelope::head(Kind::First, camera)[..], &viewer.bytes(), nonce, ec.bytes()].concat()
}

/// The envelope of *more* and *next*.
pub(super) fn numbered(
    kind: Kind,
    camera: &CameraId,
    viewer: &ViewerId,
    nonce: &[u8; NONCE],
    (key, number): (&Secret32, u64),
    plain: &[u8],
) -> Result<Vec<u8>, SealError> {
    let head = envelope::head(kind, camera);
    let header = [&head[..], &viewer.bytes(), nonce, &number.to_be_bytes()].concat();
    cipher::seal(key, number, header, plain)
}

/// What comes numbered: only what is newer than all before it, and only then is it counted.
pub(super) fn open_numbered(key: &Secret32, heard: &mut u64, payload: &[u8]) -> Result<Vec<u8>, Reason> {
    let number = u64::from_be_bytes(part(payload, HEAD + 2 * NONCE)?);
    if number <= *heard {
        return Err(Reason::Replay);
    }
    let (header, body) = payload.split_at_checked(NUMBERED).ok_or(Reason::Length)?;
    let plain = cipher::open(key, number, header, body)?;
    *heard = number;
    Ok(plain)
}

/// An exchange, from the camera's side. It lasts as long as somebody holds it: a session, or whoever still owes an
/// answer.
pub struct Exchange {
    camera: CameraId,
    viewer: ViewerId,
    nonce: [u8; NONCE],
    operational: Arc<Operational>,
    t: [u8; 32],
    header: Vec<u8>,
    request: Secret32,
    keys: Keys,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Envelopes that were sent.
    sent: u64,
    /// The highest number that was heard.
    heard: u64,
}

/// A request to open an exchange, taken apart and its signature verified.
pub(super) struct Asked<'a> {
    pub(super) camera: CameraId,
    pub(super) viewer: ViewerId,
    pub(super) nonce: [u8; NONCE],
    /// The viewer's ephemeral key.
    pub(super) ev: Point,
    pub(super) header: &'a [u8],
    pub(super) body: &'a [u8],
    pub(super) envelope: &'a [u8],
}

impl Exchange {
    /// Decrypts a request and makes the keys for what follows, `ephemeral` being the camera's.
    pub(super) fn accept(
        asked: &Asked<'_>,
        operational: Arc<Operational>,
        ephemeral: &DhKey,
    ) -> Result<(Self, Vec<u8>), Reason> {
        let z1 = operational.dh.agree(&asked.ev).map_err(|_| Reason::Sealed)?;
        let request = request_key(&z1, asked.header, &operational.dh.point());
        let plain = cipher::open(&request, 0, asked.header, asked.body)?;
        let z2 = ephemeral.agree(&asked.ev).map_err(|_| Reason::Sealed)?;
        let t = sha256(&[asked.envelope]);
        let header = first_header(&asked.camera, &asked.viewer, &asked.nonce, &ephemeral.point());
        let keys = Keys::derive(&z1, &z2, &t, &header);
        let Asked { camera, viewer, nonce, .. } = *asked;
        let state = Mutex::default();
        Ok((Self { camera, viewer, nonce, operational, t, header, request, keys, state }, plain))
    }

    /// With whom.
    pub fn viewer(&self) -> ViewerId {
        self.viewer
    }

    /// What names it.
    pub fn nonce(&self) -> [u8; NONCE] {
        self.nonce
    }

    /// What the data channel is bound to it by.
    pub fn binding(&self) -> &Binding {
        &self.keys.binding
    }

    /// Seals a message for the viewer, to be published in the order of the calls: *first*, then *next*.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        envelope::check_plain(plain)?;
        let mut state = self.state();
        let payload = if state.sent == 0 {
            self.first(plain)?
        } else {
            let key = (&self.keys.response, state.sent);
            numbered(Kind::Next, &self.camera, &self.viewer, &self.nonce, key, plain)?
        };
        state.sent = state.sent.checked_add(1).ok_or(KeyError::Random)?;
        Ok(payload)
    }

    fn first(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut payload = cipher::seal(&self.keys.response, 0, self.header.clone(), plain)?;
        let signature = self.operational.signing.sign(Purpose::Response, &[&self.t, &payload])?;
        payload.extend_from_slice(signature.bytes());
        Ok(payload)
    }

    /// Opens a *more*.
    pub(super) fn open(&self, payload: &[u8]) -> Result<Vec<u8>, Reason> {
        open_numbered(&self.request, &mut self.state().heard, payload)
    }

    /// For the vectors alone.
    #[cfg(test)]
    pub(super) fn response_key(&self) -> &[u8; 32] {
        &self.keys.response
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({})", self.viewer)
    }
}
